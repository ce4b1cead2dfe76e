/* SPDX-License-Identifier: MIT */
/*
 * Strings.
 *
 * Job:    those functions of hv/string.h that the C library has too, so that the host tests can
 *         leave this file out; memcpy and its kin are in x86/string.S, ours alone in lib/text.c.
 * Enter:  anyone, any time.
 * State:  none.
 * Tests:  tests/host/test_string.c
 */
#include <hv/string.h>
#include <hv/types.h>

void *memchr(const void *s, int c, size_t n)
{
	const u8 *p = s;

	for (; n; n--, p++)
		if (*p == (u8)c)
			return (void *)p;
	return NULL;
}

size_t strnlen(const char *s, size_t n)
{
	size_t len = 0;

	while (len < n && s[len])
		len++;
	return len;
}

size_t strlen(const char *s)
{
	size_t len = 0;

	while (s[len]) {
		len++;
		barrier();	/* or the compiler turns this loop into a call of strlen */
	}
	return len;
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
	return strncmp(a, b, ~0UL >> 1);
}

char *strchr(const char *s, int c)
{
	for (; *s != (char)c; s++)
		if (!*s)
			return NULL;
	return (char *)s;
}

char *strstr(const char *s, const char *what)
{
	size_t n = strlen(what);

	for (; strncmp(s, what, n); s++)
		if (!*s)
			return NULL;
	return (char *)s;
}
