/* SPDX-License-Identifier: MIT */
/*
 * Job:    guest exceptions, events and callbacks become frames on the guest kernel's stack; what is
 *         done before each return to a guest.
 * Enter:  hv/arch.h: guest_exception(), guest_syscall(), exit_to_guest_work() from x86.
 * Holds:  B1  a frame is written whole or the domain is crashed.
 *         B2  after a bounce the guest runs in kernel mode on GUEST_CS64 and GUEST_SS, with real
 *             IF set, IOPL 0, and TF, NT, RF, VM and AC clear.
 *         B3  one upcall at a time: the event callback runs with evtchn_upcall_mask set.
 * Tests:  tests/host/test_bounce.c, tests/guests/{traps,syscall,evtchn,abuse_iret}.c
 */
#include <hv/evtchn.h>
#include <hv/page_alloc.h>
#include <hv/pv.h>
#include <hv/regs.h>

/* Exceptions with an error code. */
#define ERROR_VECTORS (BIT(8) | BIT(10) | BIT(11) | BIT(12) | BIT(13) | BIT(14) | BIT(17) | BIT(21))

/*
 * Push rcx r11 [selectors] [error], then rip cs rflags rsp ss, on the guest kernel's stack, and
 * make regs enter `entry`. False: the domain was crashed.
 */
static __always_inline bool bounce(struct vcpu *v, struct cpu_user_regs *regs, u64 entry,
				   bool mask_events, bool has_error, u32 error, bool selectors)
{
	bool from_kernel = v->pv.in_kernel;
	u8 masked = v->vcpu_info->evtchn_upcall_mask;
	/* kernel frames show RPL 0, as Linux tests (cs & 3) for user mode */
	u64 cs = (from_kernel ? regs->cs & ~3U : regs->cs) | (u64)!!masked << 32;
	u64 flags = regs->rflags & ~(X86_RFLAGS_IF | X86_RFLAGS_IOPL), sp, p;

	if (unlikely(v->pv.mode == MODE_RING1))
		return ring1_bounce(v, regs, entry, mask_events, has_error, error, 0);
	if (unlikely(v->pv.vm_assist & BIT(VMASST_TYPE_architectural_iopl)))
		flags |= (u64)v->pv.iopl << 12;
	flags |= masked ? 0 : X86_RFLAGS_IF;
	if (unlikely(!entry || !is_canonical(entry) || in_hv_slots(entry))) {
		domain_crash(v->domain, "vcpu %u: no handler for a trap at %lx", v->id, regs->rip);
		return false;
	}
	if (!from_kernel)
		arch_toggle_guest_mode(v);
	sp = (from_kernel ? regs->rsp : v->pv.kernel_sp) & ~15UL;
	if (unlikely(in_hv_slots(sp - 1) || in_hv_slots(sp - 96)))
		goto bad_stack;
	p = sp;
	open_guest();
	put_guest_u64(p -= 8, regs->ss, fault);
	put_guest_u64(p -= 8, regs->rsp, fault);
	put_guest_u64(p -= 8, flags, fault);
	put_guest_u64(p -= 8, cs, fault);
	put_guest_u64(p -= 8, regs->rip, fault);
	if (has_error)
		put_guest_u64(p -= 8, error, fault);
	if (selectors) {
		put_guest_u64(p -= 8, regs->gs, fault);
		put_guest_u64(p -= 8, regs->fs, fault);
		put_guest_u64(p -= 8, regs->es, fault);
		put_guest_u64(p -= 8, regs->ds, fault);
	}
	put_guest_u64(p -= 8, regs->r11, fault);
	put_guest_u64(p -= 8, regs->rcx, fault);
	close_guest();
	regs->rip = entry;
	regs->cs = GUEST_CS64;
	regs->rflags = (regs->rflags & ~BOUNCE_CLEARS) | X86_RFLAGS_IF;
	regs->rsp = p;
	regs->ss = GUEST_SS;
	if (mask_events)
		v->vcpu_info->evtchn_upcall_mask = 1;
	return true;
fault:
	close_guest();
bad_stack:
	domain_crash(v->domain, "vcpu %u: kernel stack %lx is not writable (trap at %lx)",
		     v->id, sp, regs->rip);
	return false;
}

void bounce_trap(struct vcpu *v, struct cpu_user_regs *regs, unsigned int vector, bool has_error,
		 u32 error)
{
	const struct trap_info *t = &v->pv.traps[vector];

	trace(TRAP, vector, regs->rip);
	if (has_error)
		bounce(v, regs, t->address, t->flags & 4, true, error, false);
	else
		bounce(v, regs, t->address, t->flags & 4, false, 0, false);
}

void bounce_page_fault(struct vcpu *v, struct cpu_user_regs *regs, u64 cr2, u32 error)
{
	/* hardware says "user" always, for everything runs in ring 3: tell the guest's view */
	error = v->pv.in_kernel ? error & ~PFEC_U : error | PFEC_U;
	v->vcpu_info->arch.cr2 = cr2;
	bounce_trap(v, regs, 14, true, error);
}

/*
 * A frame that iret was asked to load is bad, or data selectors could not be reloaded. The guest
 * kernel gets rcx r11 ds es fs gs and the bad frame, and compares the selectors with the loaded
 * ones to see which it was.
 */
void bounce_failsafe(struct vcpu *v, struct cpu_user_regs *regs)
{
	bounce(v, regs, v->pv.failsafe_entry, v->pv.failsafe_masks_events, false, 0, true);
}

/*
 * INT n through a gate the guest's IDT mirror allows: hardware gives #GP with the IDT bit. The
 * vector is read from the instruction, since emulators push it wrong (n * 16 + 2).
 */
static bool software_interrupt(struct vcpu *v, struct cpu_user_regs *regs)
{
	u8 insn[2];

	if (!(regs->error_code & 2) || copy_from_guest(insn, _gva(regs->rip), 2) || insn[0] != 0xcd)
		return false;
	/* the gate's DPL: 3 for user mode; the guest kernel counts as ring 1 */
	if ((v->pv.traps[insn[1]].flags & 3) < (v->pv.in_kernel ? 1 : 3)) {
		bounce_trap(v, regs, 13, true, insn[1] * 8U + 2);
	} else {
		regs->rip += 2;
		bounce_trap(v, regs, insn[1], false, 0);
	}
	return true;
}

void guest_page_fault(struct cpu_user_regs *regs, u64 cr2)
{
	struct vcpu *v = current_vcpu();
	u32 error = regs->error_code;

	/* a store by the guest kernel through the read-only mapping of one of its tables? */
	if ((error & (PFEC_P | PFEC_W | PFEC_RSVD)) == (PFEC_P | PFEC_W) && v->pv.in_kernel &&
	    !in_hv_slots(cr2) && ptwr_fault(v, regs, cr2))
		return;
	trace(PAGE_FAULT, cr2, regs->rip);
	if (error & PFEC_RSVD)
		guest_log(LOG_WARN, "d%dv%u: reserved bit fault at %lx, rip %lx\n", v->domain->id,
			  v->id, cr2, regs->rip);
	bounce_page_fault(v, regs, cr2, error);
}

/* #UD, which some guests use as a call: most undefined instructions are not UD2, "xen". */
void guest_invalid_op(struct cpu_user_regs *regs)
{
	struct vcpu *v = current_vcpu();
	const struct trap_info *t = &v->pv.traps[6];
	u64 code;

	if ((copy_words_from_guest(&code, _gva(regs->rip), 1) ||
	     (code & 0xffffffffffUL) == 0x6e65780b0fUL) && emulate_forced(v, regs))
		return;
	trace(TRAP, 6, regs->rip);
	bounce(v, regs, t->address, t->flags & 4, false, 0, false);
}

void guest_exception(struct cpu_user_regs *regs, unsigned int vector)
{
	struct vcpu *v = current_vcpu();

	if (vector == 13 && (software_interrupt(v, regs) ||
			     (!(regs->error_code & 1) && emulate_privop(v, regs))))
		return;
	if (vector == 7)	/* set by the guest to see the first FPU use; Xen clears it here */
		arch_set_ts(v, false);
	bounce_trap(v, regs, vector, (ERROR_VECTORS >> vector) & 1, regs->error_code);
}

/* No callback: #UD at rip - back, as on a CPU without the instruction (SYSENTER: rip is lost). */
static __always_inline void bounce_callback(struct vcpu *v, struct cpu_user_regs *regs, u64 entry,
					    bool mask_events, unsigned int back)
{
	if (entry) {
		bounce(v, regs, entry, mask_events, false, 0, false);
	} else {
		regs->rip -= back;
		bounce_trap(v, regs, 6, false, 0);
	}
}

/* SYSCALL leaves rip in rcx and the flags in r11: the guest sees just that. */
void guest_syscall(struct cpu_user_regs *regs, bool compat)
{
	struct vcpu *v = current_vcpu();

	if (unlikely(compat))
		bounce_callback(v, regs, v->pv.syscall32_entry, v->pv.syscall32_masks_events, 2);
	else
		bounce_callback(v, regs, v->pv.syscall_entry, v->pv.syscall_masks_events, 2);
}

void guest_sysenter(struct cpu_user_regs *regs)
{
	struct vcpu *v = current_vcpu();

	bounce_callback(v, regs, v->pv.sysenter_entry, v->pv.sysenter_masks_events, 0);
}

static bool takes_event(struct vcpu *v, struct cpu_user_regs *regs)
{
	if (likely(v->pv.mode != MODE_RING1))
		return vcpu_event_pending(v);
	return READ_ONCE(v->vcpu_info->evtchn_upcall_pending) && ring1_takes_event(v, regs);
}

/* The one place where work before a return to guest mode is ordered. */
void exit_to_guest_work(struct cpu_user_regs *regs)
{
	struct vcpu *v;

	for (;;) {
		do_softirq();			/* may switch vcpus: the frame is the new one's */
		v = current_vcpu();
		if (v->is_idle) {
			if (page_alloc_scrub())
				irq_window();
			else
				arch_idle();
			continue;
		}
		if (unlikely(v->pause_flags & ~VPF_blocked)) {
			softirq_raise(SOFTIRQ_SCHED);	/* crashed or paused: must not go on */
			continue;
		}
		if (unlikely(v->work)) {
			if (!(atomic_xchg(&v->work, 0) & VW_nmi))
				;
			else if (v->pv.mode == MODE_RING1)
				ring1_nmi(v, regs);
			else
				bounce_trap(v, regs, 2, false, 0);
			if (v->pause_flags & ~VPF_blocked)
				continue;
		}
		if (takes_event(v, regs) && !bounce(v, regs, v->pv.event_entry, true, false, 0, false))
			continue;
		if (likely(!*softirq_pending(this_cpu())))
			return;
	}
}
