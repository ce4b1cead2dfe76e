/* SPDX-License-Identifier: MIT */
/*
 * The ring of a block frontend: hostile memory on one side, a process that may die on the other.
 *
 * Job:    take requests, give responses, so that a process that is killed between any two stores is
 *         followed by one that neither loses nor repeats an answer; check what requests ask for.
 * Enter:  blk/queue.c. Knows no operating system: tests and fuzzers run it as it is.
 * State:  struct ring, private; struct ring_log, in a file; the shared pages.
 * Locks:  none: one thread.
 * Holds:  1. All that decides is in private memory or in the log; the shared page is read once for
 *            each value, and only req_prod, the requests and the events are read at all.
 *         2. Taken: the flight is complete and TAKEN before req_cons passes it.
 *         3. Answered: the flight has its status and place and is ANSWERED before rsp_prod of the
 *            log passes it, and that is before the response is written into the ring (it may lie on
 *            the request of another flight, whose copy is safe by 2).
 *         4. A flight is freed after the guest's rsp_prod has passed its response. So at each
 *            moment the log and the guest's rsp_prod tell what the guest has been told.
 *         5. At most `slots` flights are not free: the guest cannot have more requests than that.
 *            Stores are seen in program order after a SIGKILL; the compiler is held by fences.
 * Tests:  tests/tools-tests/unit/test_blkring.c (killed after every store), tests/fuzz/fuzz_blkring.c
 */
#include <string.h>
#include <pv-abi/parapet.h>
#include "ring.h"

#ifndef STEP
#define STEP() __atomic_signal_fence(__ATOMIC_SEQ_CST)	/* a test replaces it to die here */
#endif

static union blkif_sring_entry *slot(const struct ring *r, uint32_t idx)
{
	return &r->shared->ring[idx & (r->slots - 1)];
}

static void write_response(const struct ring *r, const struct flight *f)
{
	union blkif_sring_entry *e = slot(r, f->rsp_idx);

	e->rsp.id = f->req.req.id;
	/* An indirect request is answered as the read or write that it is. */
	e->rsp.operation = f->req.req.operation == BLKIF_OP_INDIRECT ? f->req.indirect.indirect_op :
								       f->req.req.operation;
	e->rsp.status = (int16_t)f->status;
}

/* What a process that was killed at any place left: see the numbered rules above. */
static bool recover(struct ring *r)
{
	struct ring_log *log = r->log;
	uint32_t told = __atomic_load_n(&r->shared->rsp_prod, __ATOMIC_ACQUIRE);

	for (unsigned int i = 0; i < r->slots; i++) {
		const struct flight *f = &log->flights[i];

		if (f->state == FLIGHT_TAKEN && f->req_idx == log->req_cons)
			log->req_cons++;
		if (f->state == FLIGHT_ANSWERED && f->rsp_idx == log->rsp_prod)
			log->rsp_prod++;
	}
	if (log->rsp_prod - told > r->slots || log->req_cons - log->rsp_prod > r->slots)
		return false;
	for (unsigned int i = 0; i < r->slots; i++) {
		struct flight *f = &log->flights[i];

		if (f->state != FLIGHT_ANSWERED)
			continue;
		if (log->rsp_prod - f->rsp_idx <= log->rsp_prod - told)
			write_response(r, f);
		else
			f->state = FLIGHT_FREE;
	}
	r->published = told;
	return true;
}

bool ring_attach(struct ring *r, void *shared, unsigned int pages, struct ring_log *log, bool again)
{
	uint32_t n = (uint32_t)((pages * 4096 - sizeof(struct blkif_sring)) / sizeof(union blkif_sring_entry));

	memset(r, 0, sizeof(*r));
	r->shared = shared;
	r->log = log;
	for (r->slots = 1; r->slots * 2 <= n;)
		r->slots *= 2;
	if (!again) {
		memset(log, 0, sizeof(*log));
		log->rsp_prod = log->req_cons = r->published = r->shared->rsp_prod;
	} else if (!recover(r)) {
		return false;
	}
	for (unsigned int i = r->slots; i-- > 0;)
		if (log->flights[i].state == FLIGHT_FREE)
			r->free[r->nr_free++] = (uint16_t)i;
		else if (log->flights[i].state == FLIGHT_ANSWERED)
			r->answered[r->nr_answered++] = (uint16_t)i;
	r->seen = log->req_cons;
	if (again)
		ring_publish(r);
	return ring_look(r) >= 0;
}

struct flight *ring_left(struct ring *r, unsigned int *at)
{
	while (*at < r->slots) {
		struct flight *f = &r->log->flights[(*at)++];

		if (f->state == FLIGHT_TAKEN)
			return f;
	}
	return NULL;
}

int ring_look(struct ring *r)
{
	uint32_t prod = __atomic_load_n(&r->shared->req_prod, __ATOMIC_ACQUIRE);

	/* Unanswered requests, taken or not, never exceed the slots. */
	if (prod - r->published > r->slots || prod - r->log->req_cons > r->slots)
		return -1;
	r->seen = prod;
	return (int)(prod - r->log->req_cons);
}

struct flight *ring_take(struct ring *r)
{
	struct ring_log *log = r->log;
	struct flight *f;

	if (log->req_cons == r->seen || !r->nr_free)
		return NULL;
	f = &log->flights[r->free[--r->nr_free]];
	memcpy(&f->req, slot(r, log->req_cons), sizeof(f->req));
	f->req_idx = log->req_cons;
	STEP();
	f->state = FLIGHT_TAKEN;
	STEP();
	log->req_cons++;
	STEP();
	return f;
}

void ring_answer(struct ring *r, struct flight *f, int status)
{
	f->status = status;
	f->rsp_idx = r->log->rsp_prod;
	STEP();
	f->state = FLIGHT_ANSWERED;
	STEP();
	r->log->rsp_prod++;
	r->answered[r->nr_answered++] = (uint16_t)(f - r->log->flights);
	STEP();
	write_response(r, f);
	STEP();
}

bool ring_publish(struct ring *r)
{
	uint32_t old = r->published, new = r->log->rsp_prod, event;

	if (old == new)
		return false;
	__atomic_store_n(&r->shared->rsp_prod, new, __ATOMIC_RELEASE);
	STEP();
	r->published = new;
	while (r->nr_answered) {
		uint16_t i = r->answered[--r->nr_answered];

		r->log->flights[i].state = FLIGHT_FREE;
		r->free[r->nr_free++] = i;
		STEP();
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	event = __atomic_load_n(&r->shared->rsp_event, __ATOMIC_RELAXED);
	return new - event < new - old;
}

bool ring_sleep(struct ring *r)
{
	__atomic_store_n(&r->shared->req_event, r->log->req_cons + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(&r->shared->req_prod, __ATOMIC_RELAXED) != r->log->req_cons;
}

/* --- what a request asks for --- */

static int check_range(const struct want *w, const struct limits *l)
{
	uint32_t per_block = l->block / SECTOR;

	if (w->sector > l->sectors || w->nr_sectors > l->sectors - w->sector)
		return BLKIF_RSP_ERROR;
	if ((w->sector | w->nr_sectors) & (per_block - 1))
		return BLKIF_RSP_ERROR;
	return BLKIF_RSP_OKAY;
}

int want_segments(struct want *w, const struct blkif_request_segment *seg, const struct limits *l)
{
	w->nr_sectors = 0;
	for (unsigned int i = 0; i < w->nr_segments; i++) {
		if (seg[i].last_sect >= PAGE_SECTORS || seg[i].first_sect > seg[i].last_sect)
			return BLKIF_RSP_ERROR;
		w->nr_sectors += seg[i].last_sect - seg[i].first_sect + 1U;
	}
	return check_range(w, l);
}

static int parse_rw(struct want *w, const struct flight *f, uint8_t op, const struct limits *l)
{
	if (op == BLKIF_OP_FLUSH_DISKCACHE) {
		/* May carry nothing; data with a flush is not part of what we offer. */
		w->op = op;
		return f->req.req.nr_segments ? BLKIF_RSP_ERROR : BLKIF_RSP_OKAY;
	}
	if (op == PARAPET_BLKIF_OP_WRITE_FUA && l->fua) {
		w->fua = true;
		op = BLKIF_OP_WRITE;
	}
	if (op != BLKIF_OP_READ && op != BLKIF_OP_WRITE)
		return BLKIF_RSP_EOPNOTSUPP;
	if (op == BLKIF_OP_WRITE && l->read_only)
		return BLKIF_RSP_ERROR;
	w->op = op;
	return BLKIF_RSP_OKAY;
}

int want_parse(struct want *w, const struct flight *f, const struct limits *l)
{
	const struct blkif_request_indirect *ind = &f->req.indirect;
	const struct blkif_request *req = &f->req.req;
	int rc;

	memset(w, 0, sizeof(*w));
	switch (req->operation) {
	case BLKIF_OP_DISCARD:
	case PARAPET_BLKIF_OP_WRITE_ZEROES:
		w->op = req->operation;
		w->sector = f->req.discard.sector_number;
		w->nr_sectors = f->req.discard.nr_sectors;
		if (!(w->op == BLKIF_OP_DISCARD ? l->discard : l->zeroes) || f->req.discard.flag & BLKIF_DISCARD_SECURE)
			return BLKIF_RSP_EOPNOTSUPP;
		return l->read_only ? BLKIF_RSP_ERROR : check_range(w, l);
	case BLKIF_OP_INDIRECT:
		if (ind->indirect_op == BLKIF_OP_FLUSH_DISKCACHE)
			return BLKIF_RSP_ERROR;
		rc = parse_rw(w, f, ind->indirect_op, l);
		if (rc || !ind->nr_segments || ind->nr_segments > MAX_SEGMENTS)
			return rc ? rc : BLKIF_RSP_ERROR;
		w->sector = ind->sector_number;
		w->nr_segments = ind->nr_segments;
		w->nr_indirect = (uint16_t)((ind->nr_segments + BLKIF_SEGMENTS_PER_PAGE - 1) / BLKIF_SEGMENTS_PER_PAGE);
		return BLKIF_RSP_OKAY;
	default:
		rc = parse_rw(w, f, req->operation, l);
		if (rc || w->op == BLKIF_OP_FLUSH_DISKCACHE)
			return rc;
		if (!req->nr_segments || req->nr_segments > BLKIF_MAX_SEGMENTS_PER_REQUEST)
			return BLKIF_RSP_ERROR;
		w->sector = req->sector_number;
		w->nr_segments = req->nr_segments;
		return want_segments(w, req->seg, l);
	}
}
