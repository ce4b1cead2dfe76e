/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Job: the frontend's half of a shared ring: a page (or several, side by side) with four indices and an array of
 *	entries, in each of which a request is later replaced by its answer. Block and network rings are alike.
 * Users: blk/core.c, net/core.c.
 * State: struct fe_ring, private to the frontend, beside the shared page; the backend can write anywhere in the
 *	shared page at any moment.
 * Locks: the caller's, one for each ring.
 *
 * Invariants:
 *  R1  No decision is taken on a shared index that is read twice: it is read once, then checked, then used.
 *  R2  cons <= answers <= prod_shared <= prod <= cons + nr, modulo 2^32: what the backend says beyond that kills the
 *	ring (fe_ring_answers() gives -1, for ever).
 *  R3  An entry's address depends on private state only, so it is always inside the ring.
 * Tests: tests/host/test_blkfront.c, tests/fuzz/fuzz_blkfront.c
 */
#ifndef PARAPET_FRONT_RING_H
#define PARAPET_FRONT_RING_H

#include "os.h"

/* The shared page's head; the entries begin at byte 64. */
struct fe_shared {
	uint32_t req_prod, req_event;	/* requests there are; the backend wants a notification at this one */
	uint32_t rsp_prod, rsp_event;	/* the same for answers */
	uint8_t rest[48];
};

struct fe_ring {
	struct fe_shared *sh;
	uint32_t nr;		/* entries, a power of two */
	uint32_t esize;		/* bytes of an entry */
	uint32_t prod;		/* requests written */
	uint32_t prod_shared;	/* of these, shown to the backend */
	uint32_t cons;		/* answers taken */
	bool dead;		/* the backend broke R2 */
};

/* fe_ring_init(r, MEM, BYTES, ESIZE): MEM is zeroed here; BYTES >= 64 + ESIZE. */
static inline void fe_ring_init(struct fe_ring *r, void *mem, uint32_t bytes, uint32_t esize)
{
	uint32_t nr = 1;

	while (nr * 2 <= (bytes - sizeof(struct fe_shared)) / esize)
		nr *= 2;
	memset(mem, 0, bytes);
	memset(r, 0, sizeof(*r));
	r->sh = mem;
	r->nr = nr;
	r->esize = esize;
	r->sh->req_event = 1;
	r->sh->rsp_event = 1;
}

/* The entry of index I, any number. */
static inline void *fe_ring_entry(const struct fe_ring *r, uint32_t i)
{
	return (uint8_t *)r->sh + sizeof(struct fe_shared) + (size_t)(i & (r->nr - 1)) * r->esize;
}

static inline uint32_t fe_ring_free(const struct fe_ring *r)
{
	return r->nr - (r->prod - r->cons);
}

/* Shows all requests written so far to the backend. True: it wants a notification. */
static inline bool fe_ring_push(struct fe_ring *r)
{
	uint32_t old = r->prod_shared, event;

	if (old == r->prod)
		return false;
	fe_wmb();		/* entries before their index */
	WRITE_ONCE(r->sh->req_prod, r->prod);
	r->prod_shared = r->prod;
	fe_mb();		/* the index before the question whether the other side sleeps */
	event = READ_ONCE(r->sh->req_event);
	return r->prod - event < r->prod - old;
}

/* How many answers wait; -1: the backend's index is impossible, now or earlier. */
static inline int fe_ring_answers(struct fe_ring *r)
{
	uint32_t n = READ_ONCE(r->sh->rsp_prod) - r->cons;

	if (n > r->prod_shared - r->cons)
		r->dead = true;
	if (r->dead)
		return -1;
	fe_rmb();		/* the index before the entries */
	return (int)n;
}

/*
 * Asks for a notification at the AHEAD-th answer from here (1: the next), then looks again: true when an answer
 * is there already, and the caller goes on taking.
 */
static inline bool fe_ring_sleep(struct fe_ring *r, uint32_t ahead)
{
	WRITE_ONCE(r->sh->rsp_event, r->cons + ahead);
	fe_mb();
	return fe_ring_answers(r) > 0;
}

#endif /* PARAPET_FRONT_RING_H */
