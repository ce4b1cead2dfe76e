/* SPDX-License-Identifier: MIT */
/*
 * The iret hypercall, the long way.
 *
 * Job:    load the frame at the guest's rsp into the registers; to user mode switch the roots.
 * Enter:  the hypercall table; entry.S does the common case (to user mode, nothing pending) itself.
 * State:  the frame of the current vcpu, its event mask.
 * Holds:  R1  no selector with RPL 0-2 and no flag but the guest's reach the hardware frame.
 *         R2  a frame that hardware refuses ends in the guest's failsafe callback, never here.
 * Tests:  tests/host/test_iret.c, tests/guests/{iret,abuse_iret}.c
 */
#include <hv/errno.h>
#include <hv/hypercall.h>
#include <hv/pv.h>
#include <hv/regs.h>

/* Flags that a guest may set by this: not NT. */
#define GUEST_FLAGS (X86_RFLAGS_CF | X86_RFLAGS_PF | X86_RFLAGS_AF | X86_RFLAGS_ZF | \
		     X86_RFLAGS_SF | X86_RFLAGS_TF | X86_RFLAGS_DF | X86_RFLAGS_OF | \
		     X86_RFLAGS_RF | X86_RFLAGS_AC | X86_RFLAGS_ID)

HYPERCALL(iret)
{
	struct cpu_user_regs *regs = guest_regs();
	struct vcpu *v = current_vcpu();
	struct iret_context f;

	if (!guest_addr_ok(regs->rsp) || copy_from_guest(&f, _gva(regs->rsp), sizeof(f))) {
		domain_crash(v->domain, "vcpu %u: iret frame at %lx is not readable", v->id,
			     regs->rsp);
		return 0;
	}
	if ((f.cs & 3) == 3) {
		if (mfn_eq(v->pv.root_user, INVALID_MFN)) {
			domain_crash(v->domain, "vcpu %u: iret to user mode without a user root",
				     v->id);
			return 0;
		}
		arch_toggle_guest_mode(v);
	}
	regs->rip = f.rip;
	regs->cs = (u16)(f.cs | 3);
	regs->rflags = (f.rflags & GUEST_FLAGS) | X86_RFLAGS_IF | X86_RFLAGS_MBS;
	regs->rsp = f.rsp;
	regs->ss = (u16)(f.ss | 3);
	if (!(f.flags & VGCF_IN_SYSCALL)) {
		regs->r11 = f.r11;
		regs->rcx = f.rcx;
	} else {
		regs->r11 = regs->rflags;
		regs->rcx = f.rip;
	}
	v->vcpu_info->evtchn_upcall_mask = !(f.rflags & X86_RFLAGS_IF);
	v->nmi_pending = false;
	regs->rax = f.rax;
	return -ERESTART;	/* the frame is whole: there is no result to store in rax */
}
