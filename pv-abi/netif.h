/* SPDX-License-Identifier: MIT */
/*
 * pv-abi/netif.h: the rings of a network device (Xen's io/netif.h).
 *
 * Job:   what a frontend and a backend share: transmit, receive and control ring, and their entries.
 * Enter: C only.
 * Holds: R1 tx requests take 12 bytes and rx entries 8; an extra info fits into both.
 *        R2 the first fragment's size of a tx packet is the whole packet's; of an rx packet it is its own.
 *        R3 an rx response, and an extra info among them, lies in the slot of the request that it uses up.
 *        R4 ring indices run freely; the rings have 256 slots (tx, rx), the control ring 128 or so: what
 *        fits into a page behind the 64 bytes of indices, rounded down to a power of two.
 * Tests: tests/abi
 */
#ifndef PV_ABI_NETIF_H
#define PV_ABI_NETIF_H

#include <stdint.h>

#define XEN_NETIF_NR_SLOTS_MIN		18	/* slots that a backend must take for one packet */
#define XEN_NETIF_MAX_TX_SIZE		0xffff

/* netif_tx_request.flags */
#define NETTXF_csum_blank		(1U << 0)
#define NETTXF_data_validated		(1U << 1)
#define NETTXF_more_data		(1U << 2)
#define NETTXF_extra_info		(1U << 3)

struct netif_tx_request {
	uint32_t gref;
	uint16_t offset;
	uint16_t flags;
	uint16_t id;
	uint16_t size;
};

struct netif_tx_response {
	uint16_t id;
	int16_t status;			/* NETIF_RSP_* */
};

#define NETIF_RSP_DROPPED		-2
#define NETIF_RSP_ERROR			-1
#define NETIF_RSP_OKAY			0
#define NETIF_RSP_NULL			1	/* answers an extra info */

/* netif_rx_response.flags; not the same numbers as for tx */
#define NETRXF_data_validated		(1U << 0)
#define NETRXF_csum_blank		(1U << 1)
#define NETRXF_more_data		(1U << 2)
#define NETRXF_extra_info		(1U << 3)
#define NETRXF_gso_prefix		(1U << 4)	/* old form of GSO; not used here */

struct netif_rx_request {
	uint16_t id;
	uint16_t pad;
	uint32_t gref;
};

struct netif_rx_response {
	uint16_t id;
	uint16_t offset;
	uint16_t flags;
	int16_t status;			/* bytes, or NETIF_RSP_* below zero */
};

#define XEN_NETIF_EXTRA_TYPE_NONE	0
#define XEN_NETIF_EXTRA_TYPE_GSO	1
#define XEN_NETIF_EXTRA_TYPE_MCAST_ADD	2
#define XEN_NETIF_EXTRA_TYPE_MCAST_DEL	3
#define XEN_NETIF_EXTRA_TYPE_HASH	4
#define XEN_NETIF_EXTRA_TYPE_MAX	5
#define XEN_NETIF_EXTRA_FLAG_MORE	(1U << 0)
#define XEN_NETIF_GSO_TYPE_NONE		0
#define XEN_NETIF_GSO_TYPE_TCPV4	1
#define XEN_NETIF_GSO_TYPE_TCPV6	2

struct netif_extra_info {
	uint8_t type;
	uint8_t flags;
	union {
		struct {
			uint16_t size;		/* payload bytes of a segment */
			uint8_t type;
			uint8_t pad;
			uint16_t features;
		} gso;
		struct {
			uint8_t addr[6];
		} mcast;
		struct {
			uint8_t type;
			uint8_t algorithm;
			uint8_t value[4];
		} hash;
		uint16_t pad[3];
	} u;
};

/* --- control ring --- */

#define XEN_NETIF_CTRL_TYPE_INVALID			0
#define XEN_NETIF_CTRL_TYPE_GET_HASH_FLAGS		1
#define XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS		2
#define XEN_NETIF_CTRL_TYPE_SET_HASH_KEY		3
#define XEN_NETIF_CTRL_TYPE_GET_HASH_MAPPING_SIZE	4
#define XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE	5
#define XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING		6
#define XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM		7
#define XEN_NETIF_CTRL_TYPE_GET_GREF_MAPPING_SIZE	8
#define XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING		9
#define XEN_NETIF_CTRL_TYPE_DEL_GREF_MAPPING		10

#define XEN_NETIF_CTRL_STATUS_SUCCESS			0
#define XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED		1
#define XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER		2
#define XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW		3

struct xen_netif_ctrl_request {
	uint16_t id;
	uint16_t type;
	uint32_t data[3];
};

struct xen_netif_ctrl_response {
	uint16_t id;
	uint16_t type;
	uint32_t status;
	uint32_t data;
};

/* An entry of the list that ADD and DEL_GREF_MAPPING name. */
#define XEN_NETIF_CTRLF_GREF_readonly	(1U << 0)

struct xen_netif_gref {
	uint32_t ref;
	uint16_t flags;
	uint16_t status;
};

#endif
