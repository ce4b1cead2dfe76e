/* SPDX-License-Identifier: MIT */
/*
 * Claims about debug/format.c: it prints what the C library prints, never past the buffer, and
 * knows %pS.
 *
 * Job:    run it as tests/host/run format
 * Tests:  debug/format.c
 */
#include "host.h"

/* format.o's functions have these names here (see rules.mk) */
int hv_snprintf(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);
const char *symbol_lookup(u64 addr, u64 *offset);

/* A table of one symbol: 0x1000-0x1fff is "start". */
const char *symbol_lookup(u64 addr, u64 *offset)
{
	*offset = addr & 0xfff;
	return addr >> 12 == 1 ? "start" : NULL;
}

#define SAME(...) do { \
	char ours[256], theirs[256]; \
	int n = hv_snprintf(ours, sizeof(ours), __VA_ARGS__); \
	int m = snprintf(theirs, sizeof(theirs), __VA_ARGS__); \
	assert_string_equal(ours, theirs); \
	assert_int_equal(n, m); \
} while (0)

static void test_like_libc(void **state)
{
	SAME("plain %% text");
	SAME("%d %d %d %d", 0, -1, 2147483647, -2147483647 - 1);
	SAME("%u %lu %llu %zu", 4294967295U, ~0UL, ~0ULL, (size_t)7);
	SAME("%ld %lld %ld", -5L, -6LL, (long)(1UL << 63));
	SAME("%x %lx %x", 0xdeadU, ~0UL, 0U);
	SAME("[%5d] [%-5d] [%05d]", 42, 42, -42);
	SAME("[%.3d] [%8.3d] [%-8.3d] [%08x] [%.0d]", 5, -5, 5, 0x1234U, 0);
	SAME("[%*d] [%-*d] [%*d] [%.*d]", 6, 1, 6, 2, -6, 3, 4, 4);
	SAME("[%s] [%8s] [%-8s] [%.2s] [%8.2s] [%.*s]", "abc", "abc", "abc", "abc", "abc", 1, "abc");
	SAME("[%c] [%3c] [%-3c]", 'x', 'y', 'z');
	SAME("%04x:%02x:%02x.%u %016lx", 1, 2, 31, 7, 0x123456789abcUL);
}

static void test_random_numbers(void **state)
{
	static const char *const forms[] = { "%lu", "%lx", "%20ld", "%-20lx|", "%020lu",
					     "%.12ld" };
	char ours[64], theirs[64];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	for (int i = 0; i < 20000; i++) {
		u64 v = host_random() >> (host_random() & 63);
		const char *f = forms[host_random_below(ARRAY_SIZE(forms))];

		hv_snprintf(ours, sizeof(ours), f, v);
		snprintf(theirs, sizeof(theirs), f, v);
		assert_string_equal(ours, theirs);
	}
#pragma GCC diagnostic pop
}

static void test_short_buffers(void **state)
{
	char buf[16];

	for (size_t size = 0; size <= 12; size++) {
		memset(buf, '#', sizeof(buf));
		assert_int_equal(hv_snprintf(buf, size, "%s-%04d", "ab", 77), 7);
		for (size_t i = size; i < sizeof(buf); i++)
			assert_int_equal(buf[i], '#');
		if (size)
			assert_memory_equal(buf, "ab-0077", size - 1 < 7 ? size - 1 : 7);
		if (size)
			assert_int_equal(buf[size - 1 < 7 ? size - 1 : 7], '\0');
	}
}

static void test_pointers(void **state)
{
	char buf[64];

	hv_snprintf(buf, sizeof(buf), "%p|%pS|%pS|%pS", (void *)0xabcUL, (void *)0x1000UL,
		    (void *)0x1a4UL, (void *)0x1a40UL);
	assert_string_equal(buf, "0000000000000abc|start|00000000000001a4|start+0xa40");
}

static void test_odd_formats(void **state)
{
	char buf[32];
	const char *const none = NULL, *odd = "a%", *unknown = "%y!";

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
	hv_snprintf(buf, sizeof(buf), odd);
	assert_string_equal(buf, "a");
	hv_snprintf(buf, sizeof(buf), unknown);
	assert_string_equal(buf, "%y!");
#pragma GCC diagnostic pop
	hv_snprintf(buf, sizeof(buf), "%s", none);
	assert_string_equal(buf, "(null)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_like_libc),
		cmocka_unit_test(test_random_numbers),
		cmocka_unit_test(test_short_buffers),
		cmocka_unit_test(test_pointers),
		cmocka_unit_test(test_odd_formats),
	};

	return host_main(tests);
}
