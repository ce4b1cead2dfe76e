/* SPDX-License-Identifier: MIT */
/*
 * What the machine layer (x86/) calls upward; nothing else.
 *
 * Job:    the other direction of the seam.
 * Tests:  tests/guests
 */
#ifndef HV_UPCALLS_H
#define HV_UPCALLS_H

#include <hv/types.h>

struct cpu_user_regs;
struct domain;

/* An exception in guest mode (pv/bounce.c); #UD and page faults have their own. */
void guest_exception(struct cpu_user_regs *regs, unsigned int vector);
void guest_invalid_op(struct cpu_user_regs *regs);
void guest_page_fault(struct cpu_user_regs *regs, u64 cr2);
/* SYSCALL from guest user mode, the long way; compat = 32-bit SYSCALL; SYSENTER. */
void guest_syscall(struct cpu_user_regs *regs, bool compat);
void guest_sysenter(struct cpu_user_regs *regs);
void exit_to_guest_work(struct cpu_user_regs *regs);	/* before guest mode, something is pending */
void timer_interrupt(void);			/* this CPU's timer fired (core/timer.c) */
void evtchn_raise_pirq(struct domain *d, u32 port);	/* a guest's device interrupt */
void console_input(char c);			/* a character on the console UART (debug/keys.c) */

#endif
