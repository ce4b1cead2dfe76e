/* SPDX-License-Identifier: MIT */
/*
 * Entry points between entry.S, desc.c and trap.c.
 *
 * Job:    declare the assembly labels for the IDT and the C handlers they call.
 * Tests:  all
 */
#ifndef X86_TRAP_H
#define X86_TRAP_H

#include <xen.h>
#include <hv/types.h>

extern const char entry_stubs[];	/* 16 bytes for each of the 256 vectors */
void exc_page_fault(void);		/* tries the direct path first */
void exc_double_fault(void), exc_nmi(void), exc_machine_check(void), exc_debug(void);
void syscall_entry(void), syscall_compat_entry(void), sysenter_entry(void);

void hv_exception(struct cpu_user_regs *regs);
void fatal_exception(struct cpu_user_regs *regs) __noreturn;
void hv_debug(struct cpu_user_regs *regs);
void guest_debug(struct cpu_user_regs *regs);
void guest_iret_refused(struct cpu_user_regs *regs);

#endif
