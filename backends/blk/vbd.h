/* SPDX-License-Identifier: MIT */
/*
 * blk/vbd.h: a block device of a guest: its disk, its queues, its counters.
 *
 * Tests: tests/tools-tests (on a machine)
 */
#ifndef BLK_VBD_H
#define BLK_VBD_H

#include "../common/device.h"
#include "../common/grant.h"
#include "disk.h"
#include "ring.h"

#define MAX_QUEUES 8U
#define KEEP_PAGES 8192U		/* of the guest, mapped for good, for each queue */
#define LOG_MAGIC 0x314b4c4250ULL

/* Begins the log file; the tools read it too. Counters since the device was made. */
struct log_head {
	uint64_t magic;
	uint64_t reads, writes, flushes, discards, errors;
	uint64_t read_bytes, write_bytes;
	uint64_t heard, notified;	/* events from and to the frontend */
};
#define LOG_HEAD 4096U
#define LOG_BYTES (LOG_HEAD + MAX_QUEUES * sizeof(struct ring_log))

struct queue;

/* Tokens of one kind: refilled with time, a tenth of a second of them at most. rate 0: no limit. */
struct bucket {
	uint64_t rate, last;		/* each second; microseconds */
	int64_t tokens;
};

struct vbd {
	struct device *dev;
	struct disk *disk;
	struct limits limits;
	struct log_head *log;
	bool persistent;		/* the frontend keeps its pages granted */
	bool said;			/* one message about errors is enough */
	unsigned int nr_queues;
	struct queue *queues[MAX_QUEUES];
	struct bucket ops, bytes;
};

/* queue.c. ref: of the ring's pages. NULL after device_error(). */
struct queue *queue_open(struct vbd *v, unsigned int nr, unsigned int pages, const uint32_t *refs,
			 uint32_t port, bool again);
void queue_close(struct queue *q);
/* Answers what the process before left, takes what has come. */
void queue_start(struct queue *q);

/* limit.c. Microseconds until a request may be taken; 0: now. */
uint64_t limit_wait(struct vbd *v);
void limit_take(struct vbd *v, uint64_t bytes);
void limit_set(struct bucket *b, uint64_t rate);

#endif
