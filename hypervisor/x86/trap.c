/* SPDX-License-Identifier: MIT */
/*
 * Exceptions in the hypervisor itself, NMI, machine check, debug.
 *
 * Job:    recover what __ex_table covers, stop with a dump for the rest; pass guests' debug traps.
 * Enter:  entry.S.
 * State:  __ex_table (faulting instruction, where to go on).
 * Locks:  none.
 * Holds:  X6  a fault in ring 0 is either in __ex_table or the end: nothing is guessed.
 * Tests:  tests/guests/{abuse_iret,abuse_segments,debugregs}.c
 */
#include <hv/debug.h>
#include <hv/domain.h>
#include <hv/pv.h>
#include <hv/regs.h>
#include <hv/upcalls.h>
#include "context.h"
#include "cpu.h"
#include "machine.h"
#include "trap.h"

struct ex_entry { u64 insn, fixup; };
extern const struct ex_entry __start___ex_table[], __stop___ex_table[];

static u64 find_fixup(u64 rip)
{
	const struct ex_entry *e;

	for (e = __start___ex_table; e < __stop___ex_table; e++)
		if (e->insn == rip)
			return e->fixup;
	return 0;
}

/* An exception whose frame came from ring 0. */
void hv_exception(struct cpu_user_regs *regs, unsigned int vector, u64 cr2)
{
	u64 fixup = find_fixup(regs->rip);

	if (fixup && vector != 2) {
		regs->rip = fixup;
		return;
	}
	if (vector == 3) {		/* a breakpoint of ours: say where and go on */
		log_warn("int3 in the hypervisor at %pS\n", (void *)regs->rip);
		return;
	}
	if (vector == 14)
		panic_regs(regs, "page fault at %lx, error %x", cr2, regs->error_code);
	panic_regs(regs, "exception %u, error %x", vector, regs->error_code);
}

void do_double_fault(struct cpu_user_regs *regs)
{
	panic_regs(regs, "double fault (cr2 %lx)", read_cr2());
}

void do_nmi(struct cpu_user_regs *regs)
{
	crash_nmi(regs);
}

/* Without recovery code for banks a machine check is fatal. */
void do_machine_check(struct cpu_user_regs *regs)
{
	panic_regs(regs, "machine check");
}

/*
 * A debug trap in ring 0: SYSCALL right after MOV SS with a breakpoint pending, or SYSENTER with
 * TF. Breakpoints on our addresses are refused (descriptors.c), so this is the guest's doing.
 */
void hv_debug(struct cpu_user_regs *regs)
{
	u64 dr6;

	__asm__ __volatile__("mov %%db6, %0" : "=r"(dr6));
	__asm__ __volatile__("mov %0, %%db6" : : "r"(0xffff0ff0UL));
	regs->rflags &= ~X86_RFLAGS_TF;
}

void guest_debug(struct cpu_user_regs *regs)
{
	struct vcpu *v = current_vcpu();
	u64 dr6;

	__asm__ __volatile__("mov %%db6, %0" : "=r"(dr6));
	__asm__ __volatile__("mov %0, %%db6" : : "r"(0xffff0ff0UL));
	/* bits 0-3 and BD, BS, BT accumulate until the guest clears them */
	v->pv.dr[6] |= dr6 & 0xe00f;
	guest_exception(regs, 1);
}

/* IRETQ refused the frame that iret or a bounce had made (see iret_refused in entry.S). */
void guest_iret_refused(struct cpu_user_regs *regs)
{
	struct vcpu *v = current_vcpu();

	guest_log(LOG_DEBUG, "d%dv%u: iret to %x:%lx refused\n", v->domain->id, v->id, regs->cs,
		  regs->rip);
	/* the selectors are loaded as they are: that tells the guest that the frame was bad */
	__asm__ __volatile__("mov %%ds, %0; mov %%es, %1; mov %%fs, %2; mov %%gs, %3"
		     : "=m"(regs->ds), "=m"(regs->es), "=m"(regs->fs), "=m"(regs->gs));
	bounce_failsafe(v, regs);
}
