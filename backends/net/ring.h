/* SPDX-License-Identifier: MIT */
/*
 * net/ring.h: the transmit and the receive ring of a network device, seen from the backend. No operating system in it.
 *
 * Tests: tests/tools-tests/unit/test_netring.c, tests/fuzz/fuzz_netring.c
 */
#ifndef NET_RING_H
#define NET_RING_H

#include <stdbool.h>
#include <stdint.h>
#include <pv-abi/netif.h>

#define NET_RING 256			/* slots of either ring: what fits into a page */
#define NET_PAGE 4096U

/* The page that both sides write. Behind the head: NET_RING entries of 12 (tx) or 8 bytes (rx). */
struct net_shared {
	uint32_t req_prod, req_event;
	uint32_t rsp_prod, rsp_event;
	uint8_t rest[48];
	uint8_t entries[NET_PAGE - 64];
};

/*
 * What is to be answered, kept where the guest cannot write and where it outlives this process: the answers in
 * [the ring's rsp_prod, done) are the answers to requests that have been carried out.
 */
struct tx_journal {
	uint32_t done;
	struct netif_tx_response rsp[NET_RING];
};

struct rx_journal {
	uint32_t done;
	struct netif_rx_response rsp[NET_RING];
};

struct tx_ring {
	struct net_shared *sh;
	struct tx_journal *j;
	uint32_t cons;			/* requests before it are taken */
	uint32_t rsp;			/* answers before it are shown */
};

struct rx_ring {
	struct net_shared *sh;
	struct rx_journal *j;
	uint32_t cons;			/* requests before it are used */
	uint32_t rsp;			/* answers before it are shown */
};

struct tx_slot {
	uint32_t gref;
	uint16_t offset, len;		/* offset + len <= NET_PAGE */
};

struct tx_packet {
	uint32_t from, to;		/* its slots on the ring, extra infos too */
	uint32_t size;			/* the sum of the slots' lengths */
	uint32_t nr;
	struct tx_slot slot[XEN_NETIF_NR_SLOTS_MIN];
	bool csum_blank, validated;
	uint8_t gso_type;		/* XEN_NETIF_GSO_TYPE_* */
	uint16_t gso_size;
	uint8_t mcast_type;		/* XEN_NETIF_EXTRA_TYPE_MCAST_*, or 0 */
	uint8_t mcast[6];
};

/*
 * TX_NONE: nothing whole is there. TX_PACKET: *p is to be sent. TX_MULTICAST: no packet, p->mcast is. TX_DROP: to be
 * answered with an error. TX_BROKEN: the ring's indices or chains are impossible; nothing was taken.
 */
enum tx_result { TX_NONE, TX_PACKET, TX_MULTICAST, TX_DROP, TX_BROKEN };

/* A ring that begins, or one that a killed process has served: finishes what that one had carried out. false: the
 * indices are impossible. *notify: the frontend waits for the answers that this has shown. */
bool tx_init(struct tx_ring *r, void *page, struct tx_journal *j, bool again, bool *notify);
bool rx_init(struct rx_ring *r, void *page, struct rx_journal *j, bool again, bool *notify);

enum tx_result tx_next(struct tx_ring *r, struct tx_packet *p);
/* The verdict on the packet's first slot; NETIF_RSP_*. Until tx_show() only in the journal, and not yet valid. */
void tx_answer(struct tx_ring *r, const struct tx_packet *p, int16_t status);
/* Shows the answers to all that was taken; true: notify. */
bool tx_show(struct tx_ring *r);
/* Asks to be notified of the next request; true: there is one already. */
bool tx_sleep(struct tx_ring *r);

/* Requests that wait, at most NET_RING; -1: the index is impossible. */
int rx_room(struct rx_ring *r);
/* The grant of the n-th of them. n < rx_room() of before. */
uint32_t rx_gref(const struct rx_ring *r, uint32_t n);
/* Uses up the next request: an answer, or an extra info in its place. */
void rx_put(struct rx_ring *r, uint16_t offset, uint16_t flags, int16_t status);
void rx_put_extra(struct rx_ring *r, const struct netif_extra_info *e);
bool rx_show(struct rx_ring *r);
/* Asks to be notified when `want` requests wait; true: they do already. */
bool rx_sleep(struct rx_ring *r, uint32_t want);

#endif
