/* SPDX-License-Identifier: MIT */
/*
 * Job:    what the C library does not have: numbers; what GCC calls for
 *         __builtin_popcount (libgcc is not linked).
 * Tests:  tests/host/test_cmdline.c
 */
#include <hv/string.h>
#include <hv/types.h>

int __popcountdi2(long x);

/* Add neighbouring fields of 1, 2 and 4 bits; the multiplication sums the eight bytes. */
int __popcountdi2(long x)
{
	u64 v = (u64)x;

	v -= (v >> 1) & 0x5555555555555555UL;
	v = (v & 0x3333333333333333UL) + ((v >> 2) & 0x3333333333333333UL);
	v = (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0fUL;
	return (int)((v * 0x0101010101010101UL) >> 56);
}

bool parse_number(const char **s, unsigned int base, unsigned long *out)
{
	const char *p = *s, *first;
	unsigned long v = 0;
	unsigned int c, d;

	if ((base == 0 || base == 16) && p[0] == '0' && (p[1] | 32) == 'x') {
		p += 2;
		base = 16;
	} else if (base == 0) {
		base = p[0] == '0' ? 8 : 10;
	}
	for (first = p;; p++) {
		c = (u8)*p;
		d = c >= '0' && c <= '9' ? c - '0' :
		    (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : 99;
		if (d >= base)
			break;
		if (__builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, d, &v))
			return false;
	}
	if (p == first)
		return false;
	*s = p;
	*out = v;
	return true;
}
