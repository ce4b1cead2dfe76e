/* SPDX-License-Identifier: MIT */
/*
 * Claims about core/heap.c: sizes, alignment, zeroing, no leaks, failures at each step.
 *
 * Job:    run it as tests/host/run heap
 * Tests:  core/heap.c (HP1, HP2)
 */
#include "host.h"

#define FRAMES 4096UL

static u64 reset(void)
{
	host_init(FRAMES, 1);
	host_add_all_memory();
	return free_page_count();
}

static void test_sizes(void **state)
{
	u64 whole = reset();

	for (size_t size = 0; size <= MiB(1); size += size < 5000 ? 7 : 9973) {
		unsigned char *p = hv_alloc(size);

		assert_non_null(p);
		assert_int_equal((u64)p % 16, 0);
		for (size_t i = 0; i < size; i += 1 + i / 64)
			assert_int_equal(p[i], 0);
		memset(p, 0xa5, size);
		hv_free(p);
	}
	/* one that comes and goes costs no page each time */
	u64 before = free_page_count();

	for (int i = 0; i < 100; i++) {
		void *p = hv_alloc(100);

		assert_int_equal(free_page_count(), before);
		hv_free(p);
		assert_int_equal(free_page_count(), before);
	}
	assert_null(hv_alloc(MiB(1) + 1));
	hv_free(NULL);
	assert_true(whole - free_page_count() <= 14);	/* HP2: at most one page per class */
}

/* Large objects cost a block of pages, and give it back. */
static void test_large(void **state)
{
	u64 whole = reset();

	for (unsigned int pages = 1, block = 1; pages <= 256; pages += 1 + pages / 5) {
		void *p = hv_alloc(pages * PAGE_SIZE);

		while (block < pages)
			block *= 2;
		assert_non_null(p);
		assert_int_equal(whole - free_page_count(), block);
		assert_int_equal(hv_page_count(), 1 + block);
		hv_free(p);
		assert_int_equal(whole, free_page_count());
	}
}

static void test_random(void **state)
{
	static struct { unsigned char *p; size_t size; unsigned char tag; } a[500];
	u64 whole = reset();

	memset(a, 0, sizeof(a));
	for (int step = 0; step < 100000; step++) {
		unsigned int i = host_random_below(ARRAY_SIZE(a));

		if (a[i].p) {
			for (size_t k = 0; k < a[i].size; k += 1 + k / 16)
				assert_int_equal(a[i].p[k], a[i].tag);
			hv_free(a[i].p);
			a[i].p = NULL;
			continue;
		}
		a[i].size = host_random_below(host_random_below(20) ? 3000 : 40000);
		a[i].p = hv_alloc(a[i].size);
		if (!a[i].p)
			continue;
		a[i].tag = host_random();
		for (size_t k = 0; k < a[i].size; k += 1 + k / 16)
			assert_int_equal(a[i].p[k], 0);
		memset(a[i].p, a[i].tag, a[i].size);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(a); i++)
		hv_free(a[i].p);
	assert_true(whole - free_page_count() <= 14);
}

/* The machine runs out of memory: NULL, nothing lost, and it works again after frees. */
static void test_exhaustion(void **state)
{
	void *p, *list = NULL;
	u64 whole, n = 0;

	host_init(64, 1);
	host_add_all_memory();
	whole = free_page_count();
	while ((p = hv_alloc(200))) {
		*(void **)p = list;
		list = p;
		n++;
	}
	assert_int_equal(n, whole * (4096 / 256));
	assert_int_equal(free_page_count(), 0);
	assert_null(hv_alloc(5000));
	while (list) {
		p = list;
		list = *(void **)p;
		hv_free(p);
	}
	assert_true(whole - free_page_count() <= 1);
	assert_non_null(hv_alloc(5000));
}

/* A creation of three objects, undone when any step fails: the shape of all callers. */
static int create(void **a, void **b, void **c)
{
	if (!(*a = hv_alloc(100)))
		return -ENOMEM;
	if (!(*b = hv_alloc(9000)))
		goto no_b;
	if (!(*c = alloc_hv_pages(1)))
		goto no_c;
	return 0;
no_c:
	hv_free(*b);
no_b:
	hv_free(*a);
	return -ENOMEM;
}

static void test_failure_at_each_step(void **state)
{
	u64 whole = reset();
	void *a, *b, *c;
	unsigned int n = 1;

	for (;; n++) {
		heap_fail_after(n);
		int r = create(&a, &b, &c);

		if (heap_fail_pending()) {
			assert_int_equal(r, 0);
			break;
		}
		assert_int_equal(r, -ENOMEM);
		assert_true(whole - free_page_count() <= 1);
	}
	heap_fail_after(0);
	assert_in_range(n, 4, 6);
	hv_free(a);
	hv_free(b);
	free_hv_pages(c, 1);
	assert_true(whole - free_page_count() <= 1);
}

static void twice(void *p)
{
	hv_free(p);
	hv_free(p);
}

static void inner(void *p)
{
	hv_free((char *)p + 16);
}

/* Not ours, freed twice, a pointer into an object: caught in debug builds. */
static void test_misuse(void **state)
{
	reset();
	assert_true(host_panics(inner, hv_alloc(100)));
	assert_true(host_panics(inner, hv_alloc(10000)));
	assert_true(host_panics(twice, hv_alloc(10000)));
	assert_true(host_panics(hv_free, alloc_hv_pages(0)));
	hv_alloc(100);
	assert_true(host_panics(twice, hv_alloc(100)));		/* last: it holds the lock */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_exhaustion),
		cmocka_unit_test(test_failure_at_each_step),
		cmocka_unit_test(test_misuse),
	};

	return host_main(tests);
}
