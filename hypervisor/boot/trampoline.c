/* SPDX-License-Identifier: MIT */
/*
 * The trampoline's parameters.
 *
 * Job:    fill in what depends on the page that the trampoline was copied to.
 * Enter:  x86/smp.c
 * State:  none.
 * Tests:  tests/linux with several CPUs
 */
#include <hv/layout.h>
#include <hv/trampoline.h>

extern char trampoline_prot[], trampoline_long[], trampoline_gdt[], trampoline_high[];
extern u64 boot_l4[];

void trampoline_fill(struct trampoline_params *p, u64 page)
{
	p->high = (u64)trampoline_high;
	p->boot_cr3 = (u32)((u64)boot_l4 - IMAGE_VIRT_BASE);
	p->gdt_base = (u32)(page + (u64)(trampoline_gdt - trampoline_start));
	p->prot_eip = (u32)(page + (u64)(trampoline_prot - trampoline_start));
	p->long_eip = (u32)(page + (u64)(trampoline_long - trampoline_start));
}
