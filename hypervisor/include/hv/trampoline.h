/* SPDX-License-Identifier: MIT */
/*
 * Starting another processor: the code that it runs first (boot/trampoline.S).
 *
 * Job:    from the STARTUP interrupt's real mode to a C function on its own stack.
 * Holds:  the page lies below 1 MiB and boot_l4 still maps it one to one.
 * Tests:  tests/guests/smp.c, tests/linux with several CPUs
 *
 * Use: copy [trampoline_start, trampoline_end) to a page below 1 MiB; find the parameters in the
 * copy at offset trampoline_params - trampoline_start; trampoline_fill() once; per CPU set cr3,
 * stack and entry, then send INIT and STARTUP with that page's number. One CPU at a time.
 */
#ifndef HV_TRAMPOLINE_H
#define HV_TRAMPOLINE_H

#include <hv/types.h>

struct trampoline_params {
	u64 cr3;		/* the tables to run on; anywhere in memory; must map image and stack */
	u64 stack;		/* initial stack pointer */
	u64 entry;		/* void entry(void), never returns */
	u16 gdt_limit;		/* pointers that the code loads; until trampoline_fill() ... */
	u32 gdt_base;		/* ... relative to the page */
	u32 prot_eip;
	u16 prot_cs;
	u32 long_eip;
	u16 long_cs;
} __packed;

extern char trampoline_start[], trampoline_end[], trampoline_params[];

/* p lies in the copy at machine address page. */
static inline void trampoline_fill(struct trampoline_params *p, u64 page)
{
	p->gdt_base += (u32)page;
	p->prot_eip += (u32)page;
	p->long_eip += (u32)page;
}

#endif
