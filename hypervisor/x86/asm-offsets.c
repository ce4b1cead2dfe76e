/* SPDX-License-Identifier: MIT */
/*
 * Job:    structure offsets for assembly: compiled to text only, whose `->` lines the Makefile
 *         turns into asm-offsets.h.
 * Tests:  the build
 */
#include <hv/pv.h>
#include "machine.h"

#define DEFINE(sym, val) __asm__ volatile("\n->" #sym " %0" : : "i"(val))
#define REG(r) DEFINE(UREGS_##r, offsetof(struct cpu_user_regs, r))
#define CI(m) DEFINE(CI_##m, offsetof(struct cpu_info, m))
#define VCPU(m) DEFINE(VCPU_##m, offsetof(struct vcpu, pv.m))

static void __used asm_offsets(void)
{
	REG(rax); REG(error_code); REG(entry_vector);
	REG(rip); REG(cs); REG(rflags); REG(rsp); REG(ss); REG(es); REG(ds);
	CI(current); CI(softirq_pending); CI(scratch0); CI(scratch1); CI(scratch2);
	DEFINE(CI_sizeof, sizeof(struct cpu_info));
	DEFINE(VCPU_info, offsetof(struct vcpu, vcpu_info));
	DEFINE(VCPU_work, offsetof(struct vcpu, work));
	VCPU(in_kernel); VCPU(mode); VCPU(direct_ok); VCPU(cr3_kernel); VCPU(cr3_user); VCPU(root_kernel);
	VCPU(kernel_sp); VCPU(syscall_entry); VCPU(traps);
	DEFINE(VI_pending, offsetof(struct vcpu_info, evtchn_upcall_pending));
	DEFINE(VI_mask, offsetof(struct vcpu_info, evtchn_upcall_mask));
	DEFINE(VI_cr2, offsetof(struct vcpu_info, arch.cr2));
	DEFINE(SYSCALL_STUB_SIZE, SYSCALL_STUB_SIZE);
	DEFINE(NR_HYPERCALLS_, NR_HYPERCALLS);
}
