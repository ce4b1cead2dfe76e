/* SPDX-License-Identifier: MIT */
/*
 * What x86 keeps of a vcpu, and the files that switch it.
 *
 * Job:    struct arch_vcpu (v->arch) and the per-CPU set-up of desc.c.
 * Tests:  tests/guests/{fpu,descriptors}.c
 */
#ifndef X86_CONTEXT_H
#define X86_CONTEXT_H

#include <hv/arch.h>
#include <hv/domain.h>

struct arch_vcpu {
	struct fpu_area *fpu;		/* a page: XSAVE or FXSAVE image */
	u64 xcr0;
};
#define arch_of(v) ((struct arch_vcpu *)(v)->arch)

/* The data selectors that are loaded, into a struct cpu_user_regs. */
#define READ_SELECTORS(r) \
	__asm__ __volatile__("mov %%ds, %0; mov %%es, %1; mov %%fs, %2; mov %%gs, %3" \
			     : "=m"((r)->ds), "=m"((r)->es), "=m"((r)->fs), "=m"((r)->gs))

/* desc.c */
int percpu_setup(unsigned int cpu);	/* map and fill the CPU's area; -ENOMEM */
void cpu_load_tables(unsigned int cpu);	/* on that CPU: GDT, IDT, TSS, SYSCALL MSRs */
void map_gdt_window(const struct vcpu *v);	/* v's GDT and LDT frames into this CPU's windows */
void map_ldt_window(const struct vcpu *v);

void __noreturn enter_guest(void);	/* entry.S: leave through the exit path */

#endif
