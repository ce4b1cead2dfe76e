/* SPDX-License-Identifier: MIT */
/*
 * Ways into the hypervisor and out of it.
 *
 * Job:    what entry.S, desc.c, trap.c and restricted.c offer each other.
 * Tests:  all
 */
#ifndef X86_CONTEXT_H
#define X86_CONTEXT_H

#include <hv/arch.h>
#include <hv/domain.h>

/* The data selectors that are loaded, into a struct cpu_user_regs. */
#define READ_SELECTORS(r) \
	__asm__ __volatile__("mov %%ds, %0; mov %%es, %1; mov %%fs, %2; mov %%gs, %3" \
			     : "=m"((r)->ds), "=m"((r)->es), "=m"((r)->fs), "=m"((r)->gs))

/* --- desc.c --- */
int percpu_setup(unsigned int cpu);	/* map and fill the CPU's area; -ENOMEM */
void cpu_load_tables(unsigned int cpu);	/* on that CPU: GDT, IDT, TSS, SYSCALL MSRs */

/* --- entry.S; the stubs have 16 bytes for each of the 256 vectors --- */
extern const char entry_stubs[], restricted_stubs[];
extern const char syscall_stubs[], restricted_syscall_stubs[];	/* templates, see desc.c */
#define SYSCALL_STUB_SIZE 64
void exc_page_fault(void);		/* tries the direct path first */
void exc_double_fault(void), exc_nmi(void), exc_machine_check(void), exc_debug(void);
void sysenter_entry(void);
void __noreturn enter_guest(void);	/* leave through the exit path */

/* --- trap.c, called by entry.S --- */
void hv_exception(struct cpu_user_regs *regs);
void fatal_exception(struct cpu_user_regs *regs) __noreturn;
void hv_debug(struct cpu_user_regs *regs);
void guest_debug(struct cpu_user_regs *regs);
void guest_iret_refused(struct cpu_user_regs *regs);

/* --- restricted.c: restricted roots for CPUs with Meltdown --- */
extern u8 restricted_roots;		/* 1: guest mode runs on them */
/* The CPU's private tables, after its area is mapped; -ENOMEM. */
int restricted_setup(unsigned int cpu, const void *idt);
void restricted_window(unsigned int cpu, u64 va, u64 pte);	/* a page of the GDT or LDT changed */
void restricted_prepare(void);

#endif
