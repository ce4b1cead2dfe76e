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

#define EXC_LIST(X) \
	X(divide_error, 0) X(debug, 1) X(nmi, 2) X(breakpoint, 3) X(overflow, 4) X(bounds, 5) \
	X(invalid_op, 6) X(no_fpu, 7) X(double_fault, 8) X(coproc_seg, 9) X(invalid_tss, 10) \
	X(no_segment, 11) X(stack_error, 12) X(gp_fault, 13) X(page_fault, 14) X(reserved15, 15) \
	X(fpu_error, 16) X(alignment, 17) X(machine_check, 18) X(simd_error, 19) \
	X(virt_error, 20) X(control_prot, 21)
#define X(name, vec) void exc_##name(void);
EXC_LIST(X)
#undef X
void exc_reserved(void);
extern const char irq_stubs[];
void syscall_entry(void);
void syscall_compat_entry(void);
void sysenter_entry(void);

void hv_exception(struct cpu_user_regs *regs, unsigned int vector, u64 cr2);
void do_double_fault(struct cpu_user_regs *regs);
void do_nmi(struct cpu_user_regs *regs);
void do_machine_check(struct cpu_user_regs *regs);
void hv_debug(struct cpu_user_regs *regs);
void guest_debug(struct cpu_user_regs *regs);
void guest_iret_refused(struct cpu_user_regs *regs);

#endif
