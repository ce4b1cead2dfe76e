/* SPDX-License-Identifier: MIT */
/*
 * net/vif.h: a guest's network device and its queues.
 *
 * Tests: tests/tools-tests (on a machine)
 */
#ifndef NET_VIF_H
#define NET_VIF_H

#include <stdbool.h>
#include <stdint.h>
#include "../common/device.h"
#include "../common/grant.h"
#include "../../dom0-tools/lib/vif.h"
#include "packet.h"
#include "pool.h"
#include "ring.h"
#include "tap.h"

#define MAX_QUEUES VIF_QUEUES
#define MTU_MAX 9000U

/* A file that is mapped: what the next process must know, and what the tools may read. */
struct saved_queue {
	struct tx_journal tx;
	struct rx_journal rx;
	struct pool_list pool;
};

struct saved {
	struct vif_counters count;	/* first: the tools read it */
	uint32_t nr_multicast;
	uint8_t multicast[MAX_MULTICAST][6];
	struct saved_queue queue[MAX_QUEUES];
};

struct vif;

struct queue {
	struct vif *vif;
	struct saved_queue *saved;
	int tap;			/* the device's descriptor of this queue */
	void *tx_page, *rx_page;
	struct tx_ring tx;
	struct rx_ring rx;
	struct channel *tx_channel, *rx_channel;	/* may be one */
	struct pool *pool;		/* NULL: none, so far */
	bool listening;			/* the tap is in the loop */
	bool large;			/* the last packet was more than a page */
	bool more;			/* there is work left that nobody will tell us of */
	bool tell_tx, tell_rx;		/* the frontend is to be notified before we wait */
	uint32_t owed;			/* answers whose notification may wait for another one; Q5 */
	size_t held;			/* bytes of the packet in `hold`, for which there was no room */
	struct vnet_hdr held_hdr;
	uint8_t *hold;
};

struct vif {
	struct device *dev;
	struct saved *saved;
	struct identity who;
	struct filter filter;
	int taps[MAX_QUEUES];
	unsigned int nr_queues;		/* connected; 0: none */
	struct queue queue[MAX_QUEUES];
	uint16_t vlan;			/* 0: none */
	bool csum4, csum6, gso4, gso6, sg;	/* what the frontend takes */
	/* Limit of what the guest sends: bytes in each interval; 0: none. The credit may be a debt. */
	int64_t rate, credit;
	uint64_t interval_us, since;
	struct net_shared *ctrl;	/* NULL: none */
	uint32_t ctrl_cons;
	struct channel *ctrl_channel;
};

/* queue.c: moves packets. NULL, or what the frontend did wrong: the device is to be failed by the caller. */
const char *queue_tx(struct queue *q);
const char *queue_rx(struct queue *q);
void queue_listen(struct queue *q, bool on);
bool queues_flush(struct vif *v);	/* sends notifications; true: some queue has more to do */
void queue_settle(struct queue *q);	/* notifies of what is owed */

/* vif.c: queue_settle() is to be called for all, OWED_US from now at the latest. */
#define OWED_US 1000U
void settle_later(void);

/* control.c: the control ring. */
const char *control_run(struct vif *v);

#endif
