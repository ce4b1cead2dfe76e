/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Job: what the parts of the network frontend's Linux glue share: net/linux.c moves packets, net/bus.c talks to the
 *	store, net/pool.c shows pages to the backend once for all, net/ethtool.c has figures and XDP programs.
 * State: struct net_dev, one for each interface; struct net_queue, one for each pair of rings of it.
 * Locks: net_dev.mutex: connection; net_queue.tx_lock (interrupts off): tx, tx_pool; the receive side belongs to NAPI.
 *	rtnl is taken before the mutex.
 *
 * Invariants:
 *  G1  Packets move only between net_start() and net_stop(): `up`, carrier and NAPI say the same.
 *  G2  A page of a pool is free, or the cookie of one ring slot. Packets are copied: no page that the backend can reach
 *	is ever part of an skb, and none of an skb's memory is ever granted.
 *  G3  A stopped transmit queue has asked for a notification; the other way round none is asked for while there is room.
 * Tests: tests/drivers
 */
#ifndef PARAPET_FRONT_NET_FRONT_H
#define PARAPET_FRONT_NET_FRONT_H

#include <linux/bpf.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <net/xdp.h>
#include <xen/xenbus.h>

#include "../common/pool.h"
#include "core.h"

#define NET_MAX_QUEUES	16u
#define NET_POOL	(2 * NETF_SLOTS)	/* pages of a queue: one for each slot */

struct net_dev;

enum net_stat {
	NET_RX_PACKETS, NET_RX_BYTES, NET_RX_DROPPED, NET_TX_PACKETS, NET_TX_BYTES, NET_TX_DROPPED, NET_TX_STOPPED,
	NET_NOTIFIED, NET_NOT_NOTIFIED, NET_INTERRUPTS, NET_XDP_DROP, NET_XDP_TX, NET_STATS
};

struct net_queue {
	struct net_dev *dev;
	unsigned int n;
	struct napi_struct napi;
	spinlock_t tx_lock;
	struct netf_tx tx;
	struct netf_rx rx;
	struct fe_pool tx_pool, rx_pool;
	struct page_frag frag;		/* what large received packets are copied to */
	struct netf_packet packet;	/* the one that is being received */
	struct xdp_rxq_info xdp_rxq;
	void *tx_ring, *rx_ring;
	grant_ref_t tx_ref, rx_ref;
	evtchn_port_t tx_port, rx_port;
	u32 rx_told;			/* the packets of which the last event told: their answers' index */
	int tx_irq, rx_irq;		/* equal when the backend has one channel for both; 0: none */
	char name[IFNAMSIZ + 16];
	u64 stat[NET_STATS];		/* 64-bit stores are whole on x86-64; a reader may be a little behind */
};

struct net_dev {
	struct xenbus_device *xb;
	struct net_device *netdev;
	struct mutex mutex;
	struct net_queue *queue;	/* NET_MAX_QUEUES of them */
	unsigned int nr_queues;		/* rings that exist */
	bool up, gone, opened;
	bool sg, csum6, gso4, gso6, nocsum;	/* what the backend takes */
	bool mcast, mcast_on;		/* it filters multicast on request, and does */
	struct bpf_prog __rcu *xdp;
	struct work_struct dead_work, mcast_work;

	/* The control ring (net/pool.c). */
	struct netf_ctrl ctrl;
	void *ctrl_ring;
	grant_ref_t ctrl_ref;
	evtchn_port_t ctrl_port;
	int ctrl_irq;
	struct completion ctrl_done;
	bool pooled;			/* the backend knows our pages */
};

/* net/linux.c */
extern const struct net_device_ops net_ops;
irqreturn_t net_tx_interrupt(int irq, void *queue);
irqreturn_t net_rx_interrupt(int irq, void *queue);
irqreturn_t net_interrupt(int irq, void *queue);	/* both */
int net_poll(struct napi_struct *napi, int budget);
/* Fills the receive ring and shows it to the backend. */
void net_refill(struct net_queue *q);
/* Writes a packet of LEN linear bytes that is not an skb (XDP). False: no room. */
bool net_send_bytes(struct net_queue *q, const void *data, unsigned int len);
/* Tells the backend to let packets to MAC pass, or not any more. */
bool net_multicast(struct net_queue *q, const u8 *mac, bool add);

/* net/pool.c */
int net_ctrl_make(struct net_dev *d);
void net_ctrl_free(struct net_dev *d);
/* Shows all pages of all queues to the backend, if it has that; may sleep. */
void net_pool_show(struct net_dev *d);

/* net/ethtool.c */
extern const struct ethtool_ops net_ethtool_ops;
int net_bpf(struct net_device *netdev, struct netdev_bpf *bpf);
/* Runs PROG on a packet that was just received; the skb if it goes on, NULL if it was dropped or sent. */
struct sk_buff *net_xdp(struct net_queue *q, struct bpf_prog *prog, struct netf_packet *p);

#endif /* PARAPET_FRONT_NET_FRONT_H */
