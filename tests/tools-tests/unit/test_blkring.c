/* SPDX-License-Identifier: MIT */
/*
 * Claim: a block backend that is killed between any two stores is followed by one that answers each
 * request exactly once, with the id and operation that the request had; impossible indices and
 * requests that do not fit the disk are refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static int steps_left = -1;		/* -1: nobody is killed */
static jmp_buf killed;

static void one_step(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (steps_left >= 0 && steps_left-- == 0)
		longjmp(killed, 1);
}
#define STEP() one_step()
#include "backends/blk/ring.c"

static _Alignas(4096) uint8_t page[4096 * MAX_RING_PAGES];
static struct blkif_sring *const sring = (void *)page;
static struct ring_log journal;
static struct ring ring;

/* --- a frontend that keeps count --- */

#define IDS 64
static struct { bool out; uint8_t op; } asked[IDS];	/* by id */
static uint32_t req_prod, rsp_cons;
static unsigned int sent, got;

static void front_send(unsigned int most)
{
	for (unsigned int n = 0; n < most && req_prod - rsp_cons < ring.slots; n++) {
		struct blkif_request *r = &sring->ring[req_prod & (ring.slots - 1)].req;
		unsigned int id;

		for (id = 0; asked[id].out; id++)
			;
		assert_in_range(id, 0, IDS - 1);
		memset(r, 0, sizeof(*r));
		r->id = id;
		r->operation = asked[id].op = (uint8_t)(rand() % 4);
		asked[id].out = true;
		req_prod++;
		sent++;
	}
	sring->req_prod = req_prod;
}

static void front_take(void)
{
	for (; rsp_cons != sring->rsp_prod; rsp_cons++) {
		const struct blkif_response *r = &sring->ring[rsp_cons & (ring.slots - 1)].rsp;

		assert_in_range(r->id, 0, IDS - 1);
		assert_true(asked[r->id].out);
		assert_int_equal(r->operation, asked[r->id].op);
		assert_int_equal(r->status, -(int)(r->id % 2));
		asked[r->id].out = false;
		got++;
	}
}

/* --- a backend that may be killed --- */

static void serve(bool again)
{
	static struct flight *held[MAX_SLOTS];
	unsigned int n = 0, at = 0;
	struct flight *f;

	assert_true(ring_attach(&ring, page, 1, &journal, again));
	while ((f = ring_left(&ring, &at)))
		held[n++] = f;
	for (int round = 0; round < 20; round++) {
		front_send((unsigned int)rand() % 8);
		assert_true(ring_look(&ring) >= 0);
		while (rand() % 4 && (f = ring_take(&ring)))
			held[n++] = f;
		while (n && rand() % 3) {
			unsigned int i = (unsigned int)rand() % n;

			f = held[i];
			held[i] = held[--n];
			ring_answer(&ring, f, -(int)(f->req.req.id % 2));
		}
		if (rand() % 2)
			ring_publish(&ring);
		front_take();
	}
}

static void drain(void)
{
	struct flight *f;
	unsigned int at = 0;

	steps_left = -1;
	assert_true(ring_attach(&ring, page, 1, &journal, true));
	while ((f = ring_left(&ring, &at)))
		ring_answer(&ring, f, -(int)(f->req.req.id % 2));
	while ((f = ring_take(&ring)))
		ring_answer(&ring, f, -(int)(f->req.req.id % 2));
	ring_publish(&ring);
	front_take();
}

static void begin(void)
{
	memset(page, 0, sizeof(page));
	memset(&journal, 0xee, sizeof(journal));
	memset(asked, 0, sizeof(asked));
	/* near the wrap of the indices */
	req_prod = rsp_cons = sring->req_prod = sring->rsp_prod = 0xfffffff0U;
	sent = got = 0;
	steps_left = -1;
}

static void test_killed_anywhere(void **state)
{
	for (volatile unsigned int seed = 1; seed <= 300; seed++) {
		volatile bool again = false;
		volatile int kills = 0;

		srand(seed);
		begin();
		while (kills < 60) {
			if (setjmp(killed)) {
				kills++;
				continue;
			}
			/* the first attach is not killed: its connection would begin anew */
			if (!again)
				assert_true(ring_attach(&ring, page, 1, &journal, false));
			again = true;
			steps_left = rand() % 400;
			serve(true);
		}
		drain();
		assert_int_equal(sent, got);
		assert_true(sent > 500);
		for (unsigned int i = 0; i < ring.slots; i++)
			assert_int_equal(journal.flights[i].state, FLIGHT_FREE);
	}
}

static void test_impossible(void **state)
{
	begin();
	assert_true(ring_attach(&ring, page, 1, &journal, false));
	assert_int_equal(ring.slots, 32);
	sring->req_prod = 0xfffffff0U + 32;
	assert_int_equal(ring_look(&ring), 32);
	sring->req_prod++;
	assert_int_equal(ring_look(&ring), -1);
	sring->req_prod = 0xfffffff0U - 1;
	assert_int_equal(ring_look(&ring), -1);
	assert_false(ring_attach(&ring, page, 1, &journal, true));
	/* What is published goes with our count, not with what the guest writes there. */
	begin();
	assert_true(ring_attach(&ring, page, 1, &journal, false));
	sring->rsp_prod += 100;
	sring->req_prod += 5;
	assert_int_equal(ring_look(&ring), 5);
	sring->rsp_prod += 1000;
	assert_false(ring_attach(&ring, page, 1, &journal, true));
}

static void test_events(void **state)
{
	struct flight *f;

	begin();
	assert_true(ring_attach(&ring, page, 1, &journal, false));
	assert_false(ring_sleep(&ring));
	assert_int_equal(sring->req_event, 0xfffffff1U);
	front_send(2);
	assert_true(ring_sleep(&ring));
	ring_look(&ring);
	sring->rsp_event = 0xfffffff2U;		/* wants to hear of the second */
	f = ring_take(&ring);
	ring_answer(&ring, f, 0);
	assert_false(ring_publish(&ring));
	f = ring_take(&ring);
	ring_answer(&ring, f, 0);
	assert_true(ring_publish(&ring));
	assert_false(ring_publish(&ring));
}

static void test_sizes(void **state)
{
	begin();
	for (unsigned int pages = 1, slots = 32; pages <= MAX_RING_PAGES; pages *= 2, slots *= 2) {
		assert_true(ring_attach(&ring, page, pages, &journal, false));
		assert_int_equal(ring.slots, slots);
	}
}

/* --- requests --- */

static const struct limits disk = { .sectors = 1000, .block = 512, .discard = true };

static int rw(uint8_t op, uint64_t sector, unsigned int n, uint8_t first, uint8_t last, const struct limits *l)
{
	struct flight f = { 0 };
	struct want w;

	f.req.req.operation = op;
	f.req.req.sector_number = sector;
	f.req.req.nr_segments = (uint8_t)n;
	for (unsigned int i = 0; i < n && i < BLKIF_MAX_SEGMENTS_PER_REQUEST; i++)
		f.req.req.seg[i] = (struct blkif_request_segment){ 1, first, last };
	return want_parse(&w, &f, l);
}

static void test_requests(void **state)
{
	struct limits big = disk, ro = disk, more = disk;
	struct flight f = { 0 };
	struct want w;

	big.block = 4096;
	more.zeroes = more.fua = true;
	ro.read_only = true;
	assert_int_equal(rw(BLKIF_OP_READ, 0, 11, 0, 7, &disk), 0);
	assert_int_equal(rw(BLKIF_OP_READ, 992, 1, 0, 7, &disk), 0);
	assert_int_equal(rw(BLKIF_OP_READ, 993, 1, 0, 7, &disk), BLKIF_RSP_ERROR);
	assert_int_equal(rw(BLKIF_OP_READ, UINT64_MAX, 1, 0, 7, &disk), BLKIF_RSP_ERROR);
	assert_int_equal(rw(BLKIF_OP_READ, 0, 12, 0, 7, &disk), BLKIF_RSP_ERROR);
	assert_int_equal(rw(BLKIF_OP_READ, 0, 0, 0, 7, &disk), BLKIF_RSP_ERROR);
	assert_int_equal(rw(BLKIF_OP_READ, 0, 1, 0, 8, &disk), BLKIF_RSP_ERROR);
	assert_int_equal(rw(BLKIF_OP_READ, 0, 1, 5, 4, &disk), BLKIF_RSP_ERROR);
	assert_int_equal(rw(BLKIF_OP_READ, 8, 1, 0, 7, &big), 0);
	assert_int_equal(rw(BLKIF_OP_READ, 4, 1, 0, 7, &big), BLKIF_RSP_ERROR);
	assert_int_equal(rw(BLKIF_OP_WRITE, 0, 1, 0, 7, &ro), BLKIF_RSP_ERROR);
	assert_int_equal(rw(BLKIF_OP_READ, 0, 1, 0, 7, &ro), 0);
	assert_int_equal(rw(BLKIF_OP_FLUSH_DISKCACHE, 0, 0, 0, 0, &disk), 0);
	assert_int_equal(rw(BLKIF_OP_FLUSH_DISKCACHE, 0, 1, 0, 7, &disk), BLKIF_RSP_ERROR);
	assert_int_equal(rw(BLKIF_OP_WRITE_BARRIER, 0, 1, 0, 7, &disk), BLKIF_RSP_EOPNOTSUPP);
	assert_int_equal(rw(77, 0, 1, 0, 7, &disk), BLKIF_RSP_EOPNOTSUPP);

	f.req.discard = (struct blkif_request_discard){ .operation = BLKIF_OP_DISCARD, .nr_sectors = 1000 };
	assert_int_equal(want_parse(&w, &f, &disk), 0);
	assert_int_equal(want_parse(&w, &f, &ro), BLKIF_RSP_ERROR);
	f.req.discard.sector_number = 1;
	assert_int_equal(want_parse(&w, &f, &disk), BLKIF_RSP_ERROR);
	f.req.discard.flag = BLKIF_DISCARD_SECURE;
	assert_int_equal(want_parse(&w, &f, &disk), BLKIF_RSP_EOPNOTSUPP);
	f.req.discard = (struct blkif_request_discard){ .operation = PARAPET_BLKIF_OP_WRITE_ZEROES, .nr_sectors = 1000 };
	assert_int_equal(want_parse(&w, &f, &disk), BLKIF_RSP_EOPNOTSUPP);
	assert_int_equal(want_parse(&w, &f, &more), 0);
	assert_int_equal(w.op, PARAPET_BLKIF_OP_WRITE_ZEROES);
	f.req.discard.nr_sectors = 1001;
	assert_int_equal(want_parse(&w, &f, &more), BLKIF_RSP_ERROR);
	assert_int_equal(rw(PARAPET_BLKIF_OP_WRITE_FUA, 0, 1, 0, 7, &disk), BLKIF_RSP_EOPNOTSUPP);
	assert_int_equal(rw(PARAPET_BLKIF_OP_WRITE_FUA, 0, 1, 0, 7, &more), 0);
	more.read_only = true;
	assert_int_equal(rw(PARAPET_BLKIF_OP_WRITE_FUA, 0, 1, 0, 7, &more), BLKIF_RSP_ERROR);
	assert_int_equal(want_parse(&w, &f, &more), BLKIF_RSP_ERROR);
	more.read_only = false;

	f.req.indirect = (struct blkif_request_indirect){ .operation = BLKIF_OP_INDIRECT,
		.indirect_op = BLKIF_OP_WRITE, .nr_segments = MAX_SEGMENTS };
	assert_int_equal(want_parse(&w, &f, &disk), 0);
	assert_int_equal(w.nr_indirect, 1);
	assert_int_equal(want_parse(&w, &f, &ro), BLKIF_RSP_ERROR);
	f.req.indirect.indirect_op = PARAPET_BLKIF_OP_WRITE_FUA;
	assert_int_equal(want_parse(&w, &f, &disk), BLKIF_RSP_EOPNOTSUPP);
	assert_int_equal(want_parse(&w, &f, &more), 0);
	assert_true(w.fua && w.op == BLKIF_OP_WRITE);
	f.req.indirect.nr_segments++;
	assert_int_equal(want_parse(&w, &f, &more), BLKIF_RSP_ERROR);
	f.req.indirect.indirect_op = BLKIF_OP_DISCARD;
	assert_int_equal(want_parse(&w, &f, &disk), BLKIF_RSP_EOPNOTSUPP);
	f.req.indirect.indirect_op = BLKIF_OP_FLUSH_DISKCACHE;
	assert_int_equal(want_parse(&w, &f, &disk), BLKIF_RSP_ERROR);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed_anywhere), cmocka_unit_test(test_impossible),
		cmocka_unit_test(test_events), cmocka_unit_test(test_sizes), cmocka_unit_test(test_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
