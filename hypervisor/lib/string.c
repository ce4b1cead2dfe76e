/* SPDX-License-Identifier: MIT */
/*
 * Job:    those functions of hv/string.h that the C library has too, so that the host tests can
 *         leave this file out; memcpy and its kin are in x86/string.S, ours alone in debug/format.c.
 * Tests:  tests/guests
 */
#include <hv/string.h>
#include <hv/types.h>

size_t strnlen(const char *s, size_t n)
{
	size_t len = 0;

	for (; len < n && s[len]; len++)
		barrier();	/* or the compiler makes this loop a call of strlen */
	return len;
}

size_t strlen(const char *s)
{
	return strnlen(s, ~0UL);
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n; n--, a++, b++)
		if (*a != *b || !*a)
			return (u8)*a - (u8)*b;
	return 0;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, ~0UL);
}

char *strchr(const char *s, int c)
{
	for (; *s != (char)c; s++)
		if (!*s)
			return NULL;
	return (char *)s;
}
