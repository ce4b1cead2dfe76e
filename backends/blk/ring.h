/* SPDX-License-Identifier: MIT */
/*
 * blk/ring.h: one ring of a frontend, and the log that outlives the process.
 *
 * Tests: tests/tools-tests/unit/test_blkring.c, tests/fuzz/fuzz_blkring.c
 */
#ifndef BLK_RING_H
#define BLK_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <pv-abi/blkif.h>

#define SECTOR 512U
#define PAGE_SECTORS 8U
#define MAX_RING_PAGES 16U		/* 512 slots */
#define MAX_SLOTS 512U
#define MAX_SEGMENTS 256U		/* of an indirect request: 1 MiB */
#define BLKIF_SEGMENTS_PER_PAGE 512U	/* in an indirect page */

/* The shared page, as Xen's io/ring.h makes it of the block driver's requests and responses. */
union blkif_sring_entry {
	struct blkif_request req;
	struct blkif_request_discard discard;
	struct blkif_request_indirect indirect;
	struct blkif_response rsp;
};

struct blkif_sring {
	uint32_t req_prod, req_event;
	uint32_t rsp_prod, rsp_event;
	uint8_t pad[48];
	union blkif_sring_entry ring[];
};

enum flight_state { FLIGHT_FREE, FLIGHT_TAKEN, FLIGHT_ANSWERED };

/* A request between its taking and the response that the guest can see. */
struct flight {
	uint32_t state;
	uint32_t req_idx;		/* where it was taken from */
	uint32_t rsp_idx;		/* ANSWERED: where its response goes */
	int32_t status;
	union blkif_sring_entry req;	/* our copy: what the guest writes later is not looked at */
};

/* In a file that outlives the process; zeroes are an empty log. */
struct ring_log {
	uint32_t req_cons;		/* taken so far */
	uint32_t rsp_prod;		/* answered so far, published or not */
	struct flight flights[MAX_SLOTS];
};

struct ring {
	struct blkif_sring *shared;
	struct ring_log *log;
	uint32_t slots;
	uint32_t seen;			/* req_prod as checked last */
	uint32_t published;		/* rsp_prod as the guest sees it */
	uint16_t nr_free, nr_answered;
	uint16_t free[MAX_SLOTS];	/* flights that are free */
	uint16_t answered[MAX_SLOTS];	/* those that ring_publish() frees */
};

/* pages is a power of two up to MAX_RING_PAGES. again: the log tells what is under way, else it is begun.
 * false: what is in the shared page cannot be. */
bool ring_attach(struct ring *r, void *shared, unsigned int pages, struct ring_log *log, bool again);
/* The flights that a process before us had taken and not answered, one after another; NULL: no more. */
struct flight *ring_left(struct ring *r, unsigned int *at);
/* Looks for requests; -1: an impossible index. Else how many can be taken. */
int ring_look(struct ring *r);
/* One of those that ring_look() has counted. */
struct flight *ring_take(struct ring *r);
/* Its response, to be seen after ring_publish(). f is free then. */
void ring_answer(struct ring *r, struct flight *f, int status);
/* true: the frontend wants to be notified. */
bool ring_publish(struct ring *r);
/* Asks to be notified of the next request. true: there is one already. */
bool ring_sleep(struct ring *r);

/* What a request wants, checked against the disk. */
struct want {
	uint8_t op;			/* READ, WRITE, FLUSH_DISKCACHE, DISCARD, WRITE_ZEROES */
	bool fua;			/* a WRITE that is durable when it is answered */
	uint16_t nr_segments;
	uint16_t nr_indirect;		/* pages with segments, to be read first; 0: none */
	uint64_t sector, nr_sectors;	/* nr_sectors: after want_segments() when indirect */
};

struct limits {
	uint64_t sectors;		/* of the disk */
	uint32_t block;			/* bytes: requests are whole blocks */
	bool read_only, discard, zeroes, fua;	/* the last three: what was offered */
};

/* A BLKIF_RSP_ value: OKAY or what to answer. */
int want_parse(struct want *w, const struct flight *f, const struct limits *l);
/* The segments of w, in seg: sums and checks them. */
int want_segments(struct want *w, const struct blkif_request_segment *seg, const struct limits *l);

#endif
