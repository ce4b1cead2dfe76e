/* SPDX-License-Identifier: MIT */
/*
 * Text helpers that the C library does not have.
 *
 * Job:    bounded copies, numbers.
 * Enter:  anyone, any time.
 * State:  none.
 * Tests:  tests/host/test_cmdline.c
 */
#include <hv/string.h>
#include <hv/types.h>

size_t strlcpy(char *dst, const char *src, size_t size)
{
	size_t len = strlen(src);

	if (size) {
		size_t n = min(len, size - 1);

		memcpy(dst, src, n);
		dst[n] = '\0';
	}
	return len;
}

bool parse_number(const char **s, unsigned int base, unsigned long *out)
{
	const char *p = *s;
	unsigned long v = 0;
	bool any = false;

	if ((base == 0 || base == 16) && p[0] == '0' && (p[1] == 'x' || p[1] == 'X')) {
		p += 2;
		base = 16;
	} else if (base == 0) {
		base = p[0] == '0' ? 8 : 10;
	}
	for (;; p++) {
		unsigned int c = (u8)*p;
		unsigned int d = c >= '0' && c <= '9' ? c - '0' :
				 (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : 99;

		if (d >= base)
			break;
		if (__builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, d, &v))
			return false;
		any = true;
	}
	if (any) {
		*s = p;
		*out = v;
	}
	return any;
}
