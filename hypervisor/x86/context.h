/* SPDX-License-Identifier: MIT */
/*
 * What x86 keeps of a vcpu, and the files that switch it.
 *
 * Job:    struct arch_vcpu (v->arch) and the per-CPU set-up of desc.c, paging.c, context.c.
 * Tests:  tests/guests/fpu.c, descriptors.c
 */
#ifndef X86_CONTEXT_H
#define X86_CONTEXT_H

#include <hv/arch.h>
#include <hv/domain.h>

struct arch_vcpu {
	void *fpu;			/* XSAVE or FXSAVE area, 64-byte aligned */
	u64 xcr0, xcr0_accum;
	u16 ds, es, fs, gs;		/* saved when not running */
};

static inline struct arch_vcpu *arch_of(const struct vcpu *v)
{
	return v->arch;
}

/* desc.c */
int percpu_setup(unsigned int cpu);	/* map and fill the CPU's area; -ENOMEM */
void cpu_load_tables(unsigned int cpu);	/* on that CPU: GDT, IDT, TSS, SYSCALL MSRs */
void map_gdt_window(unsigned int cpu, const mfn_t *frames, unsigned int nr);
void map_ldt_window(unsigned int cpu, const mfn_t *frames, unsigned int ents);

/* entry.S */
void __noreturn enter_guest(void);	/* leave through the exit path with the current frame */

#endif
