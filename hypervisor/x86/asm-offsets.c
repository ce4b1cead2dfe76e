/* SPDX-License-Identifier: MIT */
/*
 * Structure offsets for assembly.
 *
 * Job:    compiled to assembly text only; the Makefile turns the `->` lines into asm-offsets.h.
 * Tests:  the build; tests/guests
 */
#include <hv/domain.h>
#include <hv/hypercall.h>
#include "context.h"

#define DEFINE(sym, val) __asm__ volatile("\n->" #sym " %0" : : "i"(val))
#define REG(r) DEFINE(UREGS_##r, offsetof(struct cpu_user_regs, r))

void asm_offsets(void);
void asm_offsets(void)
{
	REG(r15); REG(r14); REG(r13); REG(r12); REG(rbp); REG(rbx); REG(r11); REG(r10);
	REG(r9); REG(r8); REG(rax); REG(rcx); REG(rdx); REG(rsi); REG(rdi);
	REG(error_code); REG(entry_vector); REG(rip); REG(cs); REG(rflags); REG(rsp); REG(ss);
	REG(es); REG(ds);
	DEFINE(UREGS_sizeof, sizeof(struct cpu_user_regs));
	DEFINE(CI_current, offsetof(struct cpu_info, current));
	DEFINE(CI_softirq, offsetof(struct cpu_info, softirq_pending));
	DEFINE(CI_scratch0, offsetof(struct cpu_info, scratch0));
	DEFINE(CI_scratch1, offsetof(struct cpu_info, scratch1));
	DEFINE(CI_scratch2, offsetof(struct cpu_info, scratch2));
	DEFINE(CI_sizeof, sizeof(struct cpu_info));
	DEFINE(VCPU_info, offsetof(struct vcpu, vcpu_info));
	DEFINE(VCPU_work, offsetof(struct vcpu, work));
	DEFINE(VCPU_in_kernel, offsetof(struct vcpu, pv.in_kernel));
	DEFINE(VCPU_direct_ok, offsetof(struct vcpu, pv.direct_ok));
	DEFINE(VCPU_cr3_kernel, offsetof(struct vcpu, pv.cr3_kernel));
	DEFINE(VCPU_cr3_user, offsetof(struct vcpu, pv.cr3_user));
	DEFINE(VCPU_kernel_sp, offsetof(struct vcpu, pv.kernel_sp));
	DEFINE(VCPU_syscall_entry, offsetof(struct vcpu, pv.syscall_entry));
	DEFINE(VCPU_traps, offsetof(struct vcpu, pv.traps));
	DEFINE(VI_pending, offsetof(struct vcpu_info, evtchn_upcall_pending));
	DEFINE(VI_mask, offsetof(struct vcpu_info, evtchn_upcall_mask));
	DEFINE(VI_cr2, offsetof(struct vcpu_info, arch.cr2));
	DEFINE(NR_HYPERCALLS_, NR_HYPERCALLS);
}
