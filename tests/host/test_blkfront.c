/* SPDX-License-Identifier: MIT */
/*
 * The block frontend's protocol core (frontends/blk/core.c) against a backend of the test's own: requests have the
 * published layout, answers find their requests in any order, and nothing a backend writes is believed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "frontends/blk/core.c"

static _Alignas(4096) uint8_t page[4 * 4096];
static struct blkf b;
static int cookies[600];

static void fresh(uint32_t pages)
{
	blkf_init(&b, page, pages * 4096, 51712);
}

static union blkf_entry *entry(uint32_t i)
{
	return (union blkf_entry *)(page + 64) + (i & (b.ring.nr - 1));
}

/* The backend answers request ID in slot AT. */
static void answer(uint32_t at, uint64_t id, uint8_t op, int16_t status)
{
	entry(at)->answer = (struct blkf_answer){ .id = id, .op = op, .status = status };
	b.ring.sh->rsp_prod = at + 1;
}

static bool read_one(int n)
{
	struct blkf_seg s = { .gref = 100 + n, .first = 0, .last = 7 };

	return blkf_rw(&b, BLKF_READ, 8 * n, &s, 1, 0, &cookies[n]);
}

static void layout(void **state)
{
	struct blkf_seg s[11] = { { 5, 0, 7, 0 }, { 6, 0, 3, 0 } };

	fresh(1);
	assert_int_equal(b.nr, 32);
	assert_true(blkf_rw(&b, BLKF_WRITE, 0x123456789aull, s, 2, 0, &cookies[0]));
	assert_int_equal(page[64], 1);
	assert_int_equal(page[65], 2);
	assert_int_equal(*(uint16_t *)(page + 66), 51712);
	assert_int_equal(*(uint64_t *)(page + 72), 0);
	assert_int_equal(*(uint64_t *)(page + 80), 0x123456789aull);
	assert_int_equal(*(uint32_t *)(page + 88), 5);
	assert_int_equal(page[93], 7);
	assert_int_equal(*(uint32_t *)(page + 96), 6);
	assert_int_equal(page[101], 3);
	assert_true(blkf_rw(&b, BLKF_READ, 77, NULL, 256, 99, &cookies[1]));
	assert_int_equal(page[64 + 112], 6);
	assert_int_equal(page[64 + 113], 0);
	assert_int_equal(*(uint16_t *)(page + 64 + 114), 256);
	assert_int_equal(*(uint64_t *)(page + 64 + 120), 1);
	assert_int_equal(*(uint64_t *)(page + 64 + 128), 77);
	assert_int_equal(*(uint16_t *)(page + 64 + 136), 51712);
	assert_int_equal(*(uint32_t *)(page + 64 + 140), 99);
	assert_true(blkf_range(&b, BLKF_DISCARD, 9, 1ull << 40, true, &cookies[2]));
	assert_int_equal(page[64 + 224], 5);
	assert_int_equal(page[64 + 225], 1);
	assert_int_equal(*(uint64_t *)(page + 64 + 224 + 16), 9);
	assert_int_equal(*(uint64_t *)(page + 64 + 224 + 24), 1ull << 40);
	assert_int_equal(b.ring.sh->req_prod, 0);
	assert_true(blkf_push(&b));
	assert_int_equal(b.ring.sh->req_prod, 3);
}

static void any_order(void **state)
{
	struct blkf_done d;
	int i;

	fresh(1);
	for (i = 0; i < 32; i++)
		assert_true(read_one(i));
	assert_false(read_one(32));		/* full */
	blkf_push(&b);
	for (i = 0; i < 32; i++)
		answer(i, 31 - i, BLKF_READ, i == 3 ? -1 : i == 4 ? -2 : i == 5 ? 17 : 0);
	for (i = 0; i < 32; i++) {
		assert_int_equal(blkf_take(&b, &d), 1);
		assert_ptr_equal(d.cookie, &cookies[31 - i]);
		assert_int_equal(d.status, i == 3 || i == 5 ? BLKF_ERROR : i == 4 ? BLKF_UNSUPPORTED : BLKF_OK);
	}
	assert_int_equal(blkf_take(&b, &d), 0);
	assert_false(blkf_sleep(&b));
	for (i = 0; i < 32; i++)
		assert_true(read_one(i));	/* and all room is there again */
}

static void notifications(void **state)
{
	struct blkf_done d;

	fresh(1);
	read_one(0);
	assert_true(blkf_push(&b));		/* the first is always wanted */
	read_one(1);
	assert_false(blkf_push(&b));		/* the backend is awake: req_event is behind */
	b.ring.sh->req_event = 3;
	read_one(2);
	assert_true(blkf_push(&b));
	assert_false(blkf_push(&b));
	answer(0, 0, BLKF_READ, 0);
	assert_true(blkf_sleep(&b));		/* there is one already */
	assert_int_equal(blkf_take(&b, &d), 1);
	assert_false(blkf_sleep(&b));
	assert_int_equal(b.ring.sh->rsp_event, 2);
}

static void refused(uint32_t at, uint64_t id, uint8_t op)
{
	struct blkf_done d;
	int i;

	fresh(1);
	for (i = 0; i < 4; i++)
		read_one(i);
	b.ring.prod = 3;			/* the fourth is written later */
	blkf_push(&b);
	b.ring.prod = 4;
	answer(0, id, op, 0);
	if (at)
		b.ring.sh->rsp_prod = at;
	assert_int_equal(blkf_take(&b, &d), -1);
	assert_non_null(b.why);
	answer(0, 0, BLKF_READ, 0);		/* it does not come back to life */
	assert_int_equal(blkf_take(&b, &d), -1);
	assert_false(read_one(5));
	for (i = 0; blkf_forget(&b); i++)
		;
	assert_int_equal(i, 4);			/* every request is still there to be failed */
}

static void hostile(void **state)
{
	refused(4, 0, BLKF_READ);		/* more answers than requests shown */
	refused(0x80000000u, 0, BLKF_READ);
	refused(0xffffffffu, 0, BLKF_READ);
	refused(0, 32, BLKF_READ);		/* impossible ids */
	refused(0, 1ull << 32, BLKF_READ);
	refused(0, 20, BLKF_READ);		/* a free one */
	refused(0, 3, BLKF_READ);		/* one that was not shown yet */
	refused(0, 0, BLKF_WRITE);		/* another operation */
}

static void twice(void **state)
{
	struct blkf_done d;

	fresh(1);
	read_one(0);
	read_one(1);
	blkf_push(&b);
	answer(0, 0, BLKF_READ, 0);
	assert_int_equal(blkf_take(&b, &d), 1);
	answer(1, 0, BLKF_READ, 0);
	assert_int_equal(blkf_take(&b, &d), -1);
	assert_ptr_equal(blkf_forget(&b), &cookies[1]);
	assert_null(blkf_forget(&b));
}

static void deals(void **state)
{
	struct blkf_offer o = { .sectors = 2048, .sector_size = 512 };
	struct blkf_deal d;
	const char *why;

	assert_true(blkf_decide(&o, 256, &d, &why));
	assert_int_equal(d.segs, 11);
	assert_int_equal(d.flush_op, 0);
	assert_false(d.readonly);
	o.max_indirect = 1ull << 60;
	o.flush = o.barrier = 1;
	o.info = 4;
	o.discard = 1;
	o.granularity = 3;
	o.alignment = 1ull << 50;
	assert_true(blkf_decide(&o, 256, &d, &why));
	assert_int_equal(d.segs, 256);
	assert_int_equal(d.flush_op, BLKF_FLUSH);
	assert_true(d.readonly && !d.discard);
	assert_int_equal(d.granularity, 512);
	assert_int_equal(d.alignment, 0);
	o.flush = 0;
	blkf_decide(&o, 64, &d, &why);
	assert_int_equal(d.flush_op, BLKF_BARRIER);
	assert_int_equal(d.segs, 64);
	static const uint64_t bad[] = { 0, 1, 256, 513, 8192, 1ull << 32 | 512 };
	for (unsigned int i = 0; i < 6; i++) {
		o.sector_size = bad[i];
		assert_false(blkf_decide(&o, 256, &d, &why));
		assert_non_null(why);
	}
	o.sector_size = 4096;
	o.sectors = 2049;			/* half a sector at the end */
	assert_false(blkf_decide(&o, 256, &d, &why));
	o.sectors = 1ull << 60;
	assert_false(blkf_decide(&o, 256, &d, &why));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layout), cmocka_unit_test(any_order), cmocka_unit_test(notifications),
		cmocka_unit_test(hostile), cmocka_unit_test(twice), cmocka_unit_test(deals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
