/* SPDX-License-Identifier: MIT */
/*
 * Port and memory-mapped input and output.
 *
 * Job:    inb() ... outl(); mmio_read8() ... mmio_write32() on ioremap()ed registers: single
 *         accesses of the stated width, neither split nor merged.
 * Tests:  all
 */
#ifndef X86_IO_H
#define X86_IO_H

#include <hv/types.h>

#define IO_ACCESS(suffix, type, bits) \
static inline type in##suffix(u16 port) \
{ \
	type v; \
	__asm__ __volatile__("in" #suffix " %1, %0" : "=a"(v) : "Nd"(port)); \
	return v; \
} \
static inline void out##suffix(u16 port, type v) \
{ \
	__asm__ __volatile__("out" #suffix " %0, %1" : : "a"(v), "Nd"(port) : "memory"); \
} \
static inline type mmio_read##bits(const volatile void *p) \
{ \
	return *(const volatile type *)p; \
} \
static inline void mmio_write##bits(volatile void *p, type v) \
{ \
	*(volatile type *)p = v; \
}
IO_ACCESS(b, u8, 8)
IO_ACCESS(w, u16, 16)
IO_ACCESS(l, u32, 32)
#undef IO_ACCESS

#endif
