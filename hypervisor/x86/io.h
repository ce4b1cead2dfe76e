/* SPDX-License-Identifier: MIT */
/*
 * Port and memory-mapped input and output.
 *
 * Job:    in/out by size; volatile accesses to ioremap()ed registers; POST-port delay.
 * Tests:  all
 */
#ifndef X86_IO_H
#define X86_IO_H

#include <hv/types.h>

static inline u8 inb(u16 port)
{
	u8 v;

	__asm__ __volatile__("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline u16 inw(u16 port)
{
	u16 v;

	__asm__ __volatile__("inw %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline u32 inl(u16 port)
{
	u32 v;

	__asm__ __volatile__("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline void outb(u16 port, u8 v)
{
	__asm__ __volatile__("outb %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline void outw(u16 port, u16 v)
{
	__asm__ __volatile__("outw %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline void outl(u16 port, u32 v)
{
	__asm__ __volatile__("outl %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

/* About a microsecond on old buses; an exit under a hypervisor. */
static inline void io_delay(void)
{
	outb(0x80, 0);
}

/* Single accesses of the stated width: device registers must not be split or merged. */
#define MMIO_ACCESS(bits) \
static inline u##bits mmio_read##bits(const volatile void *p) \
{ \
	return *(const volatile u##bits *)p; \
} \
static inline void mmio_write##bits(volatile void *p, u##bits v) \
{ \
	*(volatile u##bits *)p = v; \
}
MMIO_ACCESS(8)
MMIO_ACCESS(16)
MMIO_ACCESS(32)
#undef MMIO_ACCESS

#endif
