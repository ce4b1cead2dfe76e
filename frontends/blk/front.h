/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Job: what the two halves of the block frontend's Linux glue share: blk/linux.c moves requests, blk/bus.c talks to
 *	the store.
 * State: struct blk_dev, one for each disk; struct blk_queue, one for each ring of it.
 * Locks: blk_dev.mutex: state and connection; blk_queue.lock (interrupts off): ring, pool, active, stopped.
 *	The mutex is taken first.
 *
 * Invariants:
 *  F1  Requests run only between blk_rings_start() and blk_rings_stop(); outside, the block layer's queue is quiesced
 *	(a backend is awaited) or `gone` makes every request fail.
 *  F2  A request owns its pages from queue_rq to complete; `active` counts such requests.
 *  F3  What a request sends next is the `size` bytes from `done`; a request that the backend cannot take at once goes
 *	in such pieces, one after another.
 * Tests: tests/drivers
 */
#ifndef PARAPET_FRONT_BLK_FRONT_H
#define PARAPET_FRONT_BLK_FRONT_H

#include <linux/blk-mq.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <xen/xenbus.h>

#include "../common/pool.h"
#include "core.h"

#define BLK_MAX_QUEUES	16u
#define BLK_MAX_ORDER	4u	/* pages of a ring: 2^4 */

struct blk_dev;

struct blk_queue {
	struct blk_dev *dev;
	spinlock_t lock;
	struct blkf core;
	struct fe_pool pool;
	unsigned int active;
	struct blkf_seg few[BLKF_DIRECT_SEGS];	/* of the request that is being written */
	bool stopped;		/* the block layer is to be woken when pages or slots are free */
	void *ring;
	grant_ref_t ring_ref[1 << BLK_MAX_ORDER];
	evtchn_port_t port;
	int irq;		/* 0: none */
};

struct blk_dev {
	struct xenbus_device *xb;
	struct mutex mutex;
	struct gendisk *disk;	/* NULL before the first connection */
	struct blk_mq_tag_set tags;
	struct blkf_deal deal;
	struct blk_queue *queue;	/* BLK_MAX_QUEUES of them */
	unsigned int nr_queues, order;
	u16 handle;
	bool up;		/* F1: requests run */
	bool quiet;		/* the block layer's queue is quiesced, once */
	bool talking;		/* rings exist */
	bool gone;		/* removed, or the backend sent nonsense: every request fails */
	bool closing;		/* to be removed as soon as nobody has it open */
	bool shown, ended;	/* the disk is known to the system, and is not any more */
	bool no_flush;		/* the backend took its offer to flush back */
	struct work_struct dead_work, close_work;
};

extern unsigned int blk_max_pages;

/* blk/linux.c */

/* The disk as the deal describes it, quiesced and not yet visible. 0 or -errno. Mutex held. */
int blk_disk_make(struct blk_dev *d);
/* Makes it known to the system. It must be up: the partition table is read. Without the mutex. */
int blk_disk_show(struct blk_dev *d);
/* Takes the disk away; everything unfinished fails. `gone` is set, there are no rings. Without the mutex. The struct
 * gendisk, and D with it, is freed when remove() has put it and nobody has it open. */
void blk_disk_end(struct blk_dev *d);
/* Requests may run (again). Mutex held. */
void blk_rings_start(struct blk_dev *d);
/* No request runs; what was unanswered waits in the block layer (or failed: gone). The rings may be freed. Mutex held. */
void blk_rings_stop(struct blk_dev *d);
irqreturn_t blk_interrupt(int irq, void *queue);

/* blk/bus.c */

/* Somebody closed the disk for the last time. */
void blk_unused(struct blk_dev *d);

#endif /* PARAPET_FRONT_BLK_FRONT_H */
