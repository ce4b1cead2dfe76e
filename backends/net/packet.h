/* SPDX-License-Identifier: MIT */
/*
 * net/packet.h: what a backend must know of the packets that it passes on. No operating system in it.
 *
 * Tests: tests/tools-tests/unit/test_netpacket.c, tests/fuzz/fuzz_netring.c
 */
#ifndef NET_PACKET_H
#define NET_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEAD_MAX 192U			/* bytes of a packet that are looked at */
#define MAX_ADDRESSES 8U
#define MAX_MULTICAST 64U
#define VLAN_TAG 4U

/* What stands before each packet of a tap device with IFF_VNET_HDR; numbers as in linux/virtio_net.h, in the
 * machine's byte order. */
struct vnet_hdr {
	uint8_t flags, gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset;
};

#define VNET_NEEDS_CSUM		1	/* flags */
#define VNET_DATA_VALID		2
#define VNET_GSO_TCPV4		1	/* gso_type */
#define VNET_GSO_TCPV6		4

/* Whose packets these are. Texts of addresses: packet_address(). */
struct identity {
	uint8_t mac[6];
	bool check;			/* refuse what is not from this MAC */
	unsigned int nr_ips;		/* 0: any */
	struct {
		uint8_t len;		/* 4 or 16 */
		uint8_t bytes[16];
	} ip[MAX_ADDRESSES];
};

struct filter {				/* multicast control */
	bool on;
	unsigned int nr;
	uint8_t mac[MAX_MULTICAST][6];
};

/* Where things are in a packet. l4 0: no TCP or UDP that we know. */
struct layout {
	uint16_t l3, l4;		/* offsets */
	uint8_t version;		/* 4, 6, or 0 */
	uint8_t proto;
	bool vlan;			/* one tag, which l3 is behind */
};

/* head: the first len bytes (all, when the packet is shorter than HEAD_MAX). */
struct layout packet_layout(const uint8_t *head, size_t len);

/* Does it come from who may send it? */
bool packet_from(const struct identity *who, const uint8_t *head, size_t len);

/*
 * The header for the tap. csum_blank, gso_type and gso_size are as on the ring; size is the whole packet's. May write
 * the pseudo header's checksum into head. false: the packet is not what its flags say.
 */
bool packet_header(struct vnet_hdr *h, uint8_t *head, size_t len, size_t size, bool csum_blank, bool validated,
		   uint8_t gso_type, uint16_t gso_size);

/* For a peer that cannot: puts in the checksum of a whole packet that *h says is to be completed. */
void packet_checksum(const struct vnet_hdr *h, uint8_t *packet, size_t size);

/* Does the frontend want it? */
bool packet_wanted(const struct filter *f, const uint8_t *head);
bool filter_add(struct filter *f, const uint8_t mac[6]);	/* false: full */
void filter_remove(struct filter *f, const uint8_t mac[6]);

bool packet_mac(uint8_t mac[6], const char *text);	/* "00:16:3e:..." */
/* Addresses with blanks between them; -1: one of them is none, or there are too many. */
int packet_addresses(struct identity *who, const char *text);

#endif
