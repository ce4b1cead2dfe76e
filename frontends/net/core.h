/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Job: the network protocol as a frontend speaks it (netif): packets to slots of the transmit ring, slots of the
 *	receive ring to packets, and the control ring.
 * Users: net/linux.c, net/bus.c; tests.
 * State: struct netf_tx, netf_rx, netf_ctrl; a pair of rings for each queue, one control ring for each device.
 * Locks: the caller's, one for each ring. No memory is allocated here and nothing of an operating system is called.
 *
 * Invariants:
 *  N1  tx.slot[i].busy iff id i is on the ring; an answer counts only for an id that is busy and was shown.
 *  N2  rx.cookie[i] is the buffer that lies in ring slot i; an answer in slot i must name id i.
 *  N3  Each field of an answer is read from shared memory once; offset + size of a fragment is at most a page.
 *  N4  A packet is taken from the receive ring whole or not at all; one that never ends kills the ring.
 *  N5  A notification is asked for at the first answer that netf_rx_take() has not looked at, never further on: what
 *	comes between its look and the asking is found by the second look.
 *  N6  A dead ring stays dead (`why`).
 * Tests: tests/host/test_netfront.c, tests/fuzz/fuzz_netfront.c
 */
#ifndef PARAPET_FRONT_NET_CORE_H
#define PARAPET_FRONT_NET_CORE_H

#include "../common/ring.h"

#define NETF_SLOTS	256u	/* of a tx and of an rx ring */
#define NETF_MAX_FRAGS	20u	/* of a received packet that is of use */
#define NETF_MAX_CHAIN	40u	/* slots of a packet: more make the ring dead */
#define NETF_MAX_PACKET	65535u	/* bytes of one packet on the transmit ring */
#define NETF_CTRL_SLOTS	128u

enum { NETF_TX_CSUM_BLANK = 1, NETF_TX_VALIDATED = 2, NETF_TX_MORE = 4, NETF_TX_EXTRA = 8 };
enum { NETF_RX_VALIDATED = 1, NETF_RX_CSUM_BLANK = 2, NETF_RX_MORE = 4, NETF_RX_EXTRA = 8 };
enum { NETF_EXTRA_GSO = 1, NETF_EXTRA_MCAST_ADD = 2, NETF_EXTRA_MCAST_DEL = 3, NETF_EXTRA_HASH = 4 };
enum { NETF_GSO_NONE = 0, NETF_GSO_TCPV4 = 1, NETF_GSO_TCPV6 = 2 };
enum { NETF_CTRL_MAP_SIZE = 8, NETF_CTRL_MAP_ADD = 9, NETF_CTRL_MAP_DEL = 10 };

#define NETF_NULL	1	/* the status that answers an extra info */

struct netf_tx_request {
	uint32_t gref;
	uint16_t offset, flags, id, size;
};

struct netf_tx_answer {
	uint16_t id;
	int16_t status;
};

struct netf_extra {
	uint8_t type, flags;	/* flags 1: one more follows */
	union {
		struct {
			uint16_t size;
			uint8_t type, pad;
			uint16_t features;
		} gso;
		uint8_t mac[6];
	};
};

struct netf_rx_request {
	uint16_t id, pad;
	uint32_t gref;
};

struct netf_rx_answer {
	uint16_t id, offset, flags;
	int16_t status;		/* bytes, or an error below 0 */
};

struct netf_ctrl_request {
	uint16_t id, type;
	uint32_t data[3];
};

struct netf_ctrl_answer {
	uint16_t id, type;
	uint32_t status, data;
};

/* An entry of the page that NETF_CTRL_MAP_ADD names. */
struct netf_gref {
	uint32_t ref;
	uint16_t flags;		/* 1: the backend only reads */
	uint16_t status;
};

struct netf_tx {
	struct fe_ring ring;
	uint32_t extras;	/* slots on the ring that are no requests */
	uint16_t free;
	const char *why;
	struct {
		void *cookie;
		uint32_t at;
		uint16_t next;
		bool busy;
	} slot[NETF_SLOTS];
};

struct netf_rx {
	struct fe_ring ring;
	uint32_t partial;	/* answers that the last netf_rx_take() left: the beginning of a packet */
	const char *why;
	void *cookie[NETF_SLOTS];
};

struct netf_frag {
	void *cookie;
	uint16_t offset, size;
};

struct netf_packet {
	uint32_t nr_frags, bytes;
	uint32_t nr_unused;	/* buffers of extra infos, errors, and what was too much */
	uint16_t gso_size, flags;	/* flags: of the first slot */
	uint8_t gso_type;
	bool bad;		/* to be dropped: an error of the backend's, or no packet can look so */
	struct netf_frag frag[NETF_MAX_FRAGS];
	void *unused[NETF_MAX_CHAIN];
};

struct netf_ctrl {
	struct fe_ring ring;
	uint16_t id;
	const char *why;
};

/* MEM: one page, zeroed here. */
void netf_tx_init(struct netf_tx *t, void *mem);
static inline uint32_t netf_tx_free(const struct netf_tx *t)
{
	return t->why ? 0 : fe_ring_free(&t->ring);
}

/* One slot of a packet; there must be room (netf_tx_free). COOKIE comes back with its answer. */
void netf_tx_slot(struct netf_tx *t, uint32_t gref, uint16_t offset, uint16_t size, uint16_t flags, void *cookie);
/* The extra info behind a packet's first slot, which has NETF_TX_EXTRA in its flags. */
void netf_tx_extra(struct netf_tx *t, const struct netf_extra *e);
static inline bool netf_tx_push(struct netf_tx *t)
{
	return fe_ring_push(&t->ring);
}
/* The next answer: 1 and its cookie (and whether the packet was sent), 0 none, -1 dead. */
int netf_tx_take(struct netf_tx *t, void **cookie, bool *sent);
/* A cookie that is not answered, NULL: none; see blkf_forget(). */
void *netf_tx_forget(struct netf_tx *t);

void netf_rx_init(struct netf_rx *r, void *mem);
/* Offers a page for data; there must be room (fe_ring_free). */
void netf_rx_post(struct netf_rx *r, uint32_t gref, void *cookie);
/* The next packet: 1 it is in *p, 0 none that is whole, -1 dead. All its buffers are the caller's again. */
int netf_rx_take(struct netf_rx *r, struct netf_packet *p);
/* After netf_rx_take() gave 0: asks for a notification at the next answer. True: there is one that it did not see. */
bool netf_rx_sleep(struct netf_rx *r);
void *netf_rx_forget(struct netf_rx *r);

void netf_ctrl_init(struct netf_ctrl *c, void *mem);
/* Asks one thing; one at a time. True: the backend wants a notification. */
bool netf_ctrl_ask(struct netf_ctrl *c, uint16_t type, uint32_t a, uint32_t b, uint32_t d);
/* Its answer: 1 (*status: 0 is success), 0 not yet, -1 dead. */
int netf_ctrl_answer(struct netf_ctrl *c, uint16_t type, uint32_t *status, uint32_t *data);

#endif /* PARAPET_FRONT_NET_CORE_H */
