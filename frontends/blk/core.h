/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Job: the block protocol as a frontend speaks it (blkif, x86-64 layout): what a request looks like on the ring,
 *	which request an answer belongs to, and what the two sides make of each other's features.
 * Users: blk/linux.c; tests.
 * State: struct blkf, one for each queue. No memory is allocated here and nothing of an operating system is called.
 * Locks: the caller's, one for each queue.
 *
 * Invariants:
 *  B1  slot[i].busy iff request i is on the ring or written to it; the others are in a list from `free`.
 *  B2  An answer counts only when its id is below nr, that slot is busy and was shown to the backend, and its
 *	operation is the slot's; else the queue is dead and stays so (`why` says the reason), and nothing was changed.
 *  B3  Each field of an answer is read from shared memory once.
 * Tests: tests/host/test_blkfront.c, tests/fuzz/fuzz_blkfront.c
 */
#ifndef PARAPET_FRONT_BLK_CORE_H
#define PARAPET_FRONT_BLK_CORE_H

#include "../common/ring.h"

enum blkf_op {
	BLKF_READ = 0,
	BLKF_WRITE = 1,
	BLKF_BARRIER = 2,	/* without data it is a flush for backends that know no better */
	BLKF_FLUSH = 3,
	BLKF_DISCARD = 5,
	BLKF_INDIRECT = 6,
	BLKF_ZEROES = 7,	/* docs/frontends.md; laid out as a discard */
	BLKF_WRITE_FUA = 8,	/* the same; laid out as a write */
};

enum blkf_status { BLKF_OK = 0, BLKF_ERROR = -1, BLKF_UNSUPPORTED = -2 };

#define BLKF_DIRECT_SEGS	11u	/* in the request itself */
#define BLKF_MAX_SEGS		256u	/* with one indirect page */
#define BLKF_MAX_SLOTS		512u	/* ring of 16 pages */
#define BLKF_SEG_SECTORS	8u	/* of 512 bytes in a page */

struct blkf_seg {
	uint32_t gref;
	uint8_t first, last;	/* sectors of 512 bytes in that page, both inclusive */
	uint16_t pad;
};

struct blkf_rw {
	uint8_t op, nr_segs;
	uint16_t handle;
	uint32_t pad;
	uint64_t id, sector;
	struct blkf_seg seg[BLKF_DIRECT_SEGS];
};

struct blkf_discard {
	uint8_t op, flag;	/* flag 1: secure */
	uint16_t pad1;
	uint32_t pad2;
	uint64_t id, sector, nr_sectors;
};

struct blkf_indirect {
	uint8_t op, inner;
	uint16_t nr_segs;
	uint32_t pad1;
	uint64_t id, sector;
	uint16_t handle, pad2;
	uint32_t gref[8];
	uint32_t pad3[3];
};

struct blkf_answer {
	uint64_t id;
	uint8_t op, pad;
	int16_t status;
	uint32_t pad2;
};

union blkf_entry {
	struct blkf_rw rw;
	struct blkf_discard discard;
	struct blkf_indirect indirect;
	struct blkf_answer answer;
};

/* What the backend offers in its store directory, as read: nothing of it is checked yet. */
struct blkf_offer {
	uint64_t sectors;		/* of 512 bytes */
	uint64_t sector_size, physical, info;
	uint64_t max_indirect, max_queues, max_order;
	uint64_t flush, barrier, discard, granularity, alignment, secure, zeroes, fua;
};

enum { BLKF_INFO_CDROM = 1, BLKF_INFO_REMOVABLE = 2, BLKF_INFO_READONLY = 4 };

/* What comes of it: every value can be used as it is. */
struct blkf_deal {
	uint64_t sectors;
	uint32_t sector_size, physical;	/* powers of two, 512 <= sector_size <= 4096, <= physical */
	uint32_t segs;			/* pages in a request, at least 11 */
	uint8_t flush_op;		/* BLKF_FLUSH, BLKF_BARRIER, or 0: the backend has no cache */
	bool readonly, removable, discard, secure, zeroes, fua;
	uint32_t granularity, alignment;	/* of discards, bytes */
};

struct blkf_slot {
	void *cookie;		/* the caller's */
	uint32_t at;		/* where on the ring it was written */
	uint16_t next;		/* free slots */
	uint8_t op;		/* the inner one of an indirect request */
	bool busy;
};

struct blkf {
	struct fe_ring ring;
	uint16_t nr, free, handle;
	uint16_t busy;			/* slots in use */
	const char *why;		/* dead, and why; else NULL */
	struct blkf_slot slot[BLKF_MAX_SLOTS];
};

/* What blkf_take() found. */
struct blkf_done {
	void *cookie;
	uint8_t op;
	int status;		/* enum blkf_status */
};

/* False: the offer makes no sense (*why says what). Takes at most MAX_SEGS pages a request. */
bool blkf_decide(const struct blkf_offer *o, uint32_t max_segs, struct blkf_deal *d, const char **why);

/* MEM: the ring's pages, side by side, BYTES long (1 to 16 pages); zeroed here. */
void blkf_init(struct blkf *b, void *mem, uint32_t bytes, uint16_t handle);

/* The next three write one request; false: there is no room. They are not shown before blkf_push(). */

/*
 * OP: BLKF_READ, BLKF_WRITE or BLKF_WRITE_FUA. N segments (1 to BLKF_MAX_SEGS). More than BLKF_DIRECT_SEGS must be
 * in the page of grant INDIRECT already, in the form of blkf_seg; else they are at SEG.
 */
bool blkf_rw(struct blkf *b, uint8_t op, uint64_t sector, const struct blkf_seg *seg, uint32_t n,
	     uint32_t indirect, void *cookie);
/* OP: BLKF_DISCARD or BLKF_ZEROES. NR sectors of 512 bytes. */
bool blkf_range(struct blkf *b, uint8_t op, uint64_t sector, uint64_t nr, bool secure, void *cookie);
/* OP: the deal's flush_op. */
bool blkf_flush(struct blkf *b, uint8_t op, void *cookie);

/* True: the backend wants a notification. */
static inline bool blkf_push(struct blkf *b)
{
	return fe_ring_push(&b->ring);
}

/* The next answer: 1 there is one, 0 none, -1 the queue is dead (b->why). */
int blkf_take(struct blkf *b, struct blkf_done *d);

/* After blkf_take() gave 0: true when one more arrived meanwhile; else a notification will come. */
static inline bool blkf_sleep(struct blkf *b)
{
	return fe_ring_sleep(&b->ring, 1);
}

/* Gives the cookie of a request that is not answered and forgets the request, NULL: there is none. The ring must
 * not be in use any more: the slots alone are walked. */
void *blkf_forget(struct blkf *b);

#endif /* PARAPET_FRONT_BLK_CORE_H */
