/* SPDX-License-Identifier: MIT */
/*
 * Exceptions in the hypervisor itself, debug traps, refused frames.
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
#include <hv/upcalls.h>
#include "context.h"
#include "cpu.h"
#include "machine.h"

void fatal_exception(struct cpu_user_regs *regs)
{
	static const char *const names[] = {
		[8] = "double fault", [14] = "page fault", [18] = "machine check",
	};
	unsigned int vector = regs->entry_vector;

	panic_regs(regs, "%s, vector %u, error %x, cr2 %lx",
		   vector < ARRAY_SIZE(names) && names[vector] ? names[vector] : "exception",
		   vector, regs->error_code, read_cr2());
}

/* An exception whose frame came from ring 0. */
void hv_exception(struct cpu_user_regs *regs)
{
	extern const struct { u64 insn, fixup; } __start___ex_table[], __stop___ex_table[];
	typeof(&__start___ex_table[0]) e;

	for (e = __start___ex_table; e < __stop___ex_table; e++)
		if (e->insn == regs->rip) {
			regs->rip = e->fixup;
			return;
		}
	if (regs->entry_vector != 3)
		fatal_exception(regs);
	log_warn("int3 in the hypervisor at %pS\n", (void *)regs->rip);
}

static u64 take_dr6(void)
{
	u64 dr6;

	__asm__ __volatile__("mov %%db6, %0" : "=r"(dr6));
	__asm__ __volatile__("mov %0, %%db6" : : "r"(0xffff0ff0UL));
	return dr6;
}

/*
 * A debug trap in ring 0: SYSCALL right after MOV SS with a breakpoint pending, or SYSENTER with
 * TF. Breakpoints on our addresses are refused (descriptors.c), so this is the guest's doing.
 */
void hv_debug(struct cpu_user_regs *regs)
{
	take_dr6();
	regs->rflags &= ~X86_RFLAGS_TF;
}

void guest_debug(struct cpu_user_regs *regs)
{
	/* bits 0-3 and BD, BS, BT accumulate until the guest clears them */
	current_vcpu()->pv.dr[6] |= take_dr6() & 0xe00f;
	guest_exception(regs, 1);
}

/* IRETQ refused the frame that iret or a bounce had made (see iret_refused in entry.S). */
void guest_iret_refused(struct cpu_user_regs *regs)
{
	struct vcpu *v = current_vcpu();

	guest_log(LOG_DEBUG, "d%dv%u: iret to %x:%lx refused\n", v->domain->id, v->id, regs->cs,
		  regs->rip);
	/* the selectors are loaded as they are: that tells the guest that the frame was bad */
	READ_SELECTORS(regs);
	bounce_failsafe(v, regs);
}
