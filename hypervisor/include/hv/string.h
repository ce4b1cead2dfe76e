/* SPDX-License-Identifier: MIT */
/*
 * Job:    memory and string functions: the C library's names and meanings, as far as we use them.
 * Tests:  tests/host/test_cmdline.c
 */
#ifndef HV_STRING_H
#define HV_STRING_H

#include <stddef.h>

void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
/* copy at most size - 1 characters and always terminate; returns strlen(src) */
size_t strlcpy(char *dst, const char *src, size_t size);
/* Unsigned number at *s, base 0: by its prefix; advances *s past it. False: none, or too large. */
_Bool parse_number(const char **s, unsigned int base, unsigned long *out);

#endif
