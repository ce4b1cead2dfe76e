/* SPDX-License-Identifier: MIT */
/*
 * Job:    memory and string functions, names and meanings of the C library; numbers at any place.
 * Tests:  tests/host/test_cmdline.c
 */
#ifndef HV_STRING_H
#define HV_STRING_H

#include <hv/types.h>

void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
/* Unsigned number at *s, base 0: by its prefix; advances *s past it. False: none, or too large. */
bool parse_number(const char **s, unsigned int base, unsigned long *out);

/* In what others left in memory: firmware's tables, loaders' information, images. */
#define get_at(type, p) (((const struct { type v; } __packed *)(p))->v)
#define get16(p) get_at(u16, p)
#define get32(p) get_at(u32, p)
#define get64(p) get_at(u64, p)

#endif
