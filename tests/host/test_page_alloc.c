/* SPDX-License-Identifier: MIT */
/*
 * Claims about core/page_alloc.c: blocks, merging, address limits, holes, flushes before reuse.
 *
 * Job:    run it as tests/host/run page_alloc
 * Tests:  core/page_alloc.c (B1-B4)
 */
#include "host.h"

#define FRAMES 16384UL			/* 64 MiB */

static u64 mfn_of(const struct page_info *pg)
{
	return mfn_x(page_to_mfn(pg));
}

/* B1 and the number of free frames, by a walk over the frame table. */
static void audit(unsigned long frames)
{
	u64 nr_free = 0;

	for (u64 m = 0; m < frames;) {
		struct page_info *pg = &frame_table[m];

		if (!(pg->flags & PGF_free)) {
			m++;
			continue;
		}
		assert_in_range(pg->order, 0, MAX_ORDER);
		assert_int_equal(m & (BIT(pg->order) - 1), 0);
		u64 buddy = m ^ BIT(pg->order);

		if (m && buddy < frames && m & (m - 1) && buddy > m)	/* B2 */
			assert_false((frame_table[buddy].flags & PGF_free) &&
				     frame_table[buddy].order == pg->order);
		for (u64 i = 0; i < BIT(pg->order); i++) {
			assert_int_equal(pg[i].word, 0);
			assert_int_equal(pg[i].owner, DOMID_INVALID);
			assert_int_equal(pg[i].flags & ~PGF_clean, PGF_free);
			if (i)
				assert_int_equal(pg[i].order, 0xff);
		}
		nr_free += BIT(pg->order);
		m += BIT(pg->order);
	}
	assert_int_equal(nr_free, free_page_count());
}

static void test_all_frames(void **state)
{
	u64 n = 0;
	struct page_info *pg;

	host_init(FRAMES, 1);
	assert_null(alloc_page(0));
	host_add_all_memory();
	audit(FRAMES);
	assert_int_equal(free_page_count(), FRAMES - 1);
	while ((pg = alloc_page(0))) {
		assert_int_equal(pg->word, 1);
		assert_int_equal(pg->owner, DOMID_INVALID);
		assert_int_equal(pg->flags, 0);
		assert_int_equal(pg->stamp, 0);
		*(u64 *)mfn_to_virt(page_to_mfn(pg)) = 0x1234;
		n++;
	}
	assert_int_equal(n, FRAMES - 1);
	assert_int_equal(free_page_count(), 0);
	for (u64 m = FRAMES - 1; m; m--)
		free_pages(&frame_table[m], 0);
	audit(FRAMES);
	/* all merged again: the largest block is there */
	assert_non_null(pg = alloc_pages(13, 0, ALLOC_ZERO));
	assert_int_equal(mfn_of(pg), 8192);
	for (u64 i = 0; i < 8192; i++)
		assert_int_equal(*(u64 *)mfn_to_virt(page_to_mfn(pg + i)), 0);
	assert_null(alloc_pages(13, 0, 0));
	assert_null(alloc_pages(MAX_ORDER + 1, 0, 0));
	free_pages(pg, 13);
	audit(FRAMES);
}

/* High memory goes first; a limit is honoured exactly; low memory lasts. */
static void test_address_limits(void **state)
{
	struct page_info *pg;
	u64 below = 0;

	host_init(FRAMES, 1);
	host_add_all_memory();
	for (int i = 0; i < 8192; i++)
		assert_true(mfn_of(alloc_page(0)) >= 8192);
	assert_in_range(mfn_of(alloc_page(0)), 4096, 8191);
	assert_true(mfn_of(pg = alloc_pages(3, 24, 0)) + 8 <= 4096);
	assert_int_equal(mfn_of(pg) & 7, 0);
	assert_true(mfn_of(alloc_pages(0, 20, 0)) < 256);
	assert_true(mfn_of(alloc_pages(0, 13, 0)) < 2);
	assert_null(alloc_pages(0, 13, 0));		/* frame 0 was not given */
	assert_null(alloc_pages(0, 11, 0));
	assert_null(alloc_pages(9, 20, 0));		/* 2 MiB under 1 MiB */
	assert_non_null(alloc_pages(10, 24, 0));	/* half of [8 MiB, 16 MiB) is whole still */
	/* use up everything above 16 MiB with unlimited requests: nothing below is touched before */
	while ((pg = alloc_page(0)))
		if (mfn_of(pg) < 4096)
			below++;
		else
			assert_int_equal(below, 0);
	assert_true(below > 0);
	audit(FRAMES);
}

/* Any layout of RAM: holes, odd borders, single frames; blocks never contain a hole. */
static void test_layouts(void **state)
{
	for (int round = 0; round < 30; round++) {
		unsigned long frames = 1000 + host_random_below(3000);
		u64 given = 0, taken = 0;
		u8 *ram = calloc(1, frames);

		host_init(frames, 1);
		host_hole(_mfn(0), _mfn(frames));
		for (u64 m = host_random_below(20); m < frames;) {
			u64 end = m + 1 + host_random_below(host_random_below(2) ? 4 : 700);

			end = min(end, (u64)frames);
			page_alloc_add(_mfn(m), _mfn(end + (end == frames ? 100 : 0)));
			memset(ram + m, 1, end - m);
			if (!m)
				ram[0] = 0;		/* frame 0 is refused */
			given += end - max(m, 1UL);
			m = end + host_random_below(host_random_below(2) ? 3 : 200);
		}
		audit(frames);
		assert_int_equal(free_page_count(), given);
		for (int order = 11; order >= 0; order--)
			for (struct page_info *pg; (pg = alloc_pages(order, 0, 0));) {
				for (u64 i = 0; i < BIT(order); i++) {
					assert_int_equal(ram[mfn_of(pg) + i], 1);
					ram[mfn_of(pg) + i] = 2;
				}
				taken += BIT(order);
			}
		assert_int_equal(taken, given);
		for (u64 m = 0; m < frames; m++)
			assert_int_not_equal(ram[m], 1);
		free(ram);
	}
}

/* Random blocks of all orders and limits; contents stay; everything merges in the end. */
static void test_random(void **state)
{
	static struct { struct page_info *pg; unsigned int order; u64 tag; } b[600];
	u64 held = 0, whole;

	host_init(FRAMES, 1);
	host_add_all_memory();
	whole = free_page_count();
	memset(b, 0, sizeof(b));
	for (int step = 0; step < 60000; step++) {
		unsigned int i = host_random_below(ARRAY_SIZE(b));

		if (b[i].pg) {
			for (u64 k = 0; k < BIT(b[i].order); k += max(1UL, BIT(b[i].order) / 4))
				assert_int_equal(*(u64 *)mfn_to_virt(page_to_mfn(b[i].pg + k)),
						 b[i].tag + k);
			free_pages(b[i].pg, b[i].order);
			held -= BIT(b[i].order);
			b[i].pg = NULL;
		} else {
			unsigned int order = __builtin_ctzl(host_random() | BIT(9));
			unsigned int bits = host_random_below(3) ? 0 : 14 + host_random_below(14);

			b[i].pg = alloc_pages(order, bits, 0);
			if (!b[i].pg)
				continue;
			b[i].order = order;
			b[i].tag = host_random();
			held += BIT(order);
			assert_int_equal(mfn_of(b[i].pg) & (BIT(order) - 1), 0);
			if (bits)
				assert_true((mfn_of(b[i].pg) + BIT(order)) << 12 <= BIT(bits));
			for (u64 k = 0; k < BIT(order); k++) {
				assert_int_equal(b[i].pg[k].word, 1);
				*(u64 *)mfn_to_virt(page_to_mfn(b[i].pg + k)) = b[i].tag + k;
			}
		}
		assert_int_equal(free_page_count(), whole - held);
		if (step % 2000 == 0)
			audit(FRAMES);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(b); i++)
		if (b[i].pg)
			free_pages(b[i].pg, b[i].order);
	audit(FRAMES);
	assert_non_null(alloc_pages(13, 0, 0));
	assert_non_null(alloc_pages(12, 0, 0));
}

/* A frame that some TLB may map is flushed there before it is handed out, and only there. */
static void test_flush_before_reuse(void **state)
{
	struct page_info *pg;

	host_init(64, 4);
	page_alloc_add(_mfn(8), _mfn(9));
	pg = alloc_page(0);
	assert_int_equal(mfn_of(pg), 8);
	free_pages(pg, 0);			/* never mapped: no flush */
	assert_non_null(pg = alloc_page(0));
	assert_int_equal(host_log.flushes, 0);

	host_tlb_fill(2, 0x1000, page_to_mfn(pg), true);
	pg->stamp = tlb_clock_now();
	free_pages(pg, 0);
	assert_int_equal(host_log.flushes, 0);	/* not before it must be */
	assert_non_null(pg = alloc_page(0));
	assert_false(host_tlb_caches(page_to_mfn(pg), false));
	assert_int_equal(host_log.flushes, 1);
	assert_int_equal(pg->stamp, 0);

	/* CPUs that flush by themselves meanwhile are left alone */
	pg->stamp = tlb_clock_now();
	free_pages(pg, 0);
	for (int c = 0; c < 3; c++) {
		host_set_cpu(c);
		flush_tlb_local();
	}
	assert_non_null(pg = alloc_page(0));
	assert_int_equal(host_log.flushes, 2);
	assert_int_equal(host_log.flush_mask, BIT(3));
}

/* Two buddies merge whose stamps lie on both sides of the clock's wrap: the newer one counts. */
static void test_flush_wrap(void **state)
{
	for (int first = 0; first < 2; first++) {
		struct page_info *pg;

		host_init(64, 2);
		page_alloc_add(_mfn(8), _mfn(10));
		pg = alloc_pages(1, 0, 0);
		host_tlb_advance(0xfffffff0);
		pg[first].stamp = tlb_clock_now();
		free_pages(&pg[first], 0);
		host_set_cpu(0);
		for (int i = 0; i < 20; i++)
			flush_tlb_local();		/* wraps */
		host_set_cpu(1);
		flush_tlb_local();
		host_tlb_fill(1, 0x5000, page_to_mfn(&pg[!first]), true);
		pg[!first].stamp = tlb_clock_now();
		assert_true(pg[!first].stamp < pg[first].stamp);
		free_pages(&pg[!first], 0);
		assert_ptr_equal(alloc_pages(1, 0, 0), pg);
		assert_false(host_tlb_caches(_mfn(8), false) || host_tlb_caches(_mfn(9), false));
		host_set_cpu(0);
	}
}

/* Random frees of mapped frames, merging and splitting, across the wrap of the clock. */
static void test_flush_random(void **state)
{
	static struct { struct page_info *pg; unsigned int order; } b[64];

	host_init(1024, 4);
	host_add_all_memory();
	memset(b, 0, sizeof(b));
	host_tlb_advance(0xffffff00);
	for (int step = 0; step < 20000; step++) {
		unsigned int i = host_random_below(ARRAY_SIZE(b));

		if (host_random_below(8) == 0) {
			host_set_cpu(host_random_below(4));
			flush_tlb_local();
		}
		if (b[i].pg) {
			for (u64 k = 0; k < BIT(b[i].order); k++) {
				if (host_random_below(2))
					continue;
				host_tlb_fill(host_random_below(4), (mfn_of(b[i].pg) + k) << 12,
					      page_to_mfn(b[i].pg + k), true);
				b[i].pg[k].stamp = tlb_clock_now();
			}
			free_pages(b[i].pg, b[i].order);
			b[i].pg = NULL;
		} else {
			b[i].order = host_random_below(5);
			b[i].pg = alloc_pages(b[i].order, 0, 0);
			for (u64 k = 0; b[i].pg && k < BIT(b[i].order); k++)
				assert_false(host_tlb_caches(page_to_mfn(b[i].pg + k), false));
		}
	}
	/* and merged: far fewer flushes than frees of mapped frames */
	assert_true(host_log.flushes < 10000);
}

static u64 *contents(u64 mfn)
{
	return mfn_to_virt(_mfn(mfn));
}

static u64 count_clean(u64 frames)
{
	u64 n = 0;

	for (u64 m = 0; m < frames; m++)
		n += !!(frame_table[m].flags & PGF_clean);
	return n;
}

/* Idle CPUs clear what is free, once, the highest zone first; who takes it finds it cleared. */
static void test_scrub(void **state)
{
	struct page_info *pg;
	unsigned int steps = 0;

	host_init(64, 2);
	host_add_all_memory();
	for (u64 m = 1; m < 64; m++)
		contents(m)[m] = 0x5ec2e7;
	while (count_clean(64) < 8)
		assert_true(page_alloc_scrub());
	assert_true(frame_table[63].flags & PGF_clean && !contents(63)[63]);
	assert_int_equal(contents(33)[33], 0x5ec2e7);
	for (; page_alloc_scrub(); steps++)
		;
	assert_int_equal(count_clean(64), 63);
	assert_in_range(steps, 55, 70);		/* a step clears at most one frame */
	/* the allocator trusts the flag: it does not clear again */
	contents(32)[3] = 1;
	assert_non_null(pg = alloc_pages(5, 0, ALLOC_ZERO));
	assert_int_equal(mfn_of(pg), 32);
	assert_int_equal(contents(32)[3], 1);
	/* and forgets it with the first use */
	assert_int_equal(count_clean(64), 31);
	free_pages(pg, 5);
	assert_int_equal(count_clean(64), 31);
	assert_non_null(pg = alloc_pages(5, 0, ALLOC_ZERO));
	assert_int_equal(contents(32)[3], 0);
	/* what an old mapping may still write to is flushed before it is called clean */
	host_tlb_fill(1, 0x1000, page_to_mfn(pg), true);
	pg->stamp = tlb_clock_now();
	contents(32)[3] = 1;
	free_pages(pg, 5);
	while (page_alloc_scrub())
		if (pg->flags & PGF_clean)
			assert_false(host_tlb_caches(page_to_mfn(pg), false));
	assert_int_equal(host_log.flushes, 1);
	assert_int_equal(count_clean(64), 63);
	assert_int_equal(contents(32)[3], 0);
	audit(64);
}

/* Random blocks come, are written, go, while an idle CPU clears: B4 holds, and zeroed means zero. */
static void test_scrub_random(void **state)
{
	static struct { struct page_info *pg; unsigned int order; } b[64];

	host_init(1024, 4);
	host_add_all_memory();
	memset(b, 0, sizeof(b));
	for (int step = 0; step < 20000; step++) {
		unsigned int i = host_random_below(ARRAY_SIZE(b));
		bool zero = host_random_below(2);

		for (unsigned int n = host_random_below(20); n--;)
			page_alloc_scrub();
		if (b[i].pg) {
			for (u64 k = 0; k < BIT(b[i].order); k++) {
				contents(mfn_of(b[i].pg) + k)[host_random_below(512)] = step;
				host_tlb_fill(host_random_below(4), step << 12, page_to_mfn(b[i].pg + k), true);
				b[i].pg[k].stamp = tlb_clock_now();
			}
			free_pages(b[i].pg, b[i].order);
			b[i].pg = NULL;
		} else {
			b[i].order = host_random_below(5);
			b[i].pg = alloc_pages(b[i].order, host_random_below(2) ? 20 : 0, zero ? ALLOC_ZERO : 0);
			for (u64 k = 0; zero && b[i].pg && k < BIT(b[i].order); k++)
				assert_true(frame_is_zero(b[i].pg + k));
		}
		for (u64 m = 1; step % 64 == 0 && m < 1024; m++)
			if (frame_table[m].flags & PGF_clean)
				assert_true((frame_table[m].flags & PGF_free) && frame_is_zero(&frame_table[m]) &&
					    !host_tlb_caches(_mfn(m), false));
	}
	while (page_alloc_scrub())
		;
	assert_int_equal(count_clean(1024), free_page_count());
	audit(1024);
}

static void test_hv_pages(void **state)
{
	char *p;

	host_init(256, 1);
	host_add_all_memory();
	assert_int_equal(hv_page_count(), 1);		/* frame 0 */
	p = alloc_hv_pages(2);
	assert_non_null(p);
	for (int i = 0; i < 4 * 4096; i++)
		assert_int_equal(p[i], 0);
	memset(p, 1, 4 * 4096);
	assert_int_equal(hv_page_count(), 5);
	free_hv_pages(p, 2);
	free_hv_pages(NULL, 0);
	assert_int_equal(hv_page_count(), 1);
	p = alloc_hv_pages(2);
	assert_int_equal(p[5000], 0);			/* zeroed again */
	heap_fail_after(2);
	assert_non_null(alloc_hv_pages(0));
	assert_true(heap_fail_pending());
	assert_null(alloc_hv_pages(0));
	assert_false(heap_fail_pending());
	assert_non_null(alloc_hv_pages(0));
}

static void free_twice(void *pg)
{
	free_pages(pg, 0);
	free_pages(pg, 0);
}

static void free_crooked(void *pg)
{
	free_pages((struct page_info *)pg + 1, 1);
}

static void test_misuse(void **state)
{
	struct page_info *pg;

	host_init(256, 1);
	host_add_all_memory();
	pg = alloc_pages(2, 0, 0);
	assert_true(host_panics(free_crooked, pg));
	assert_true(host_panics(free_twice, pg));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_frames),
		cmocka_unit_test(test_address_limits),
		cmocka_unit_test(test_layouts),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_flush_before_reuse),
		cmocka_unit_test(test_flush_wrap),
		cmocka_unit_test(test_flush_random),
		cmocka_unit_test(test_scrub),
		cmocka_unit_test(test_scrub_random),
		cmocka_unit_test(test_hv_pages),
		cmocka_unit_test(test_misuse),
	};

	return host_main(tests);
}
