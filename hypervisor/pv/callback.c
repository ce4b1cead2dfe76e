/* SPDX-License-Identifier: MIT */
/*
 * Job:    how the guest kernel is entered and left: set_trap_table, callback_op, stack_switch,
 *         iret, set_segment_base, fpu_taskswitch; whether entry.S may use its direct paths.
 * Enter:  the hypercall table (entry.S does the common iret itself); pv_update_direct() from
 *         whoever changes what it looks at.
 * State:  frame, event mask and v->pv of the current vcpu, which change nobody else's.
 * Holds:  CB1  every address kept here is canonical; bounce() checks the rest when it uses it.
 *         R1  no selector with RPL 0-2 and no flag but the guest's reach the hardware frame.
 *         R2  a frame that hardware refuses ends in the guest's failsafe callback, never here.
 * Tests:  tests/host/test_iret.c, tests/guests/{traps,syscall,iret,abuse_iret,abuse_pointers}.c
 */
#include <callback.h>
#include <hv/pv.h>
#include <hv/regs.h>
#include <hv/string.h>

static bool sound(u64 va)	/* 0: none */
{
	return va && is_canonical(va) && !in_hv_slots(va);
}

/*
 * The direct paths write their 56 or 64 bytes below kernel_sp without asking again: root, stack
 * and entry must be sound. They mask events, and do not align the stack. Bit 0: SYSCALL, bit 1:
 * page faults of user mode.
 */
void pv_update_direct(struct vcpu *v)
{
	struct pv_vcpu *p = &v->pv;
	u8 ok = 0;

	if (p->cr3_kernel && p->cr3_user && !(p->kernel_sp & 15) && p->kernel_sp >= 64 &&
	    sound(p->kernel_sp) && sound(p->kernel_sp - 64) &&
	    !(READ_ONCE(v->work) & VW_crash) && !(READ_ONCE(v->pause_flags) & VPF_shutdown)) {
		if (p->syscall_masks_events && sound(p->syscall_entry))
			ok |= 1;
		if ((p->traps[14].flags & 4) && sound(p->traps[14].address))
			ok |= 2;
	}
	p->direct_ok = ok;
	arch_load_entries(v);
}

/* a1: new ss, a2: new rsp, for entries from user mode */
HYPERCALL(stack_switch)
{
	struct vcpu *v = current_vcpu();
	u64 ss = a1;

	if (unlikely(!fix_stack_selector(&ss)))
		return refuse(-EPERM, "stack selector %lx", a1);
	v->pv.kernel_ss = ss;
	v->pv.kernel_sp = a2;
	/* at every switch of a process: a sound stack in the kernel half changes nothing else */
	if (unlikely(!v->pv.direct_ok || (a2 & 15) || a2 < HV_VIRT_END + 64))
		pv_update_direct(v);
	return 0;
}

int check_trap(struct trap_info *t)
{
	u64 cs = t->cs;

	if (!is_canonical(t->address))
		return refuse(-EINVAL, "trap %u: address %lx", t->vector, t->address);
	if (!fix_code_selector(&cs))
		return refuse(-EPERM, "trap %u: selector %x", t->vector, t->cs);
	t->cs = (u16)cs;
	return 0;
}

/* 1: there may be another one behind it; 0: it was the last */
static long load_trap(struct vcpu *v, gva_t from)
{
	struct trap_info t;
	int rc = copy_from_guest(&t, from, sizeof(t));

	if (rc || !t.address)
		return rc;
	rc = check_trap(&t);
	if (rc)
		return rc;
	v->pv.traps[t.vector] = t;
	return 1;
}

/* a1: entries up to one with address 0; none at all: forget every handler */
HYPERCALL(set_trap_table)
{
	struct vcpu *v = current_vcpu();
	unsigned int n = 0;
	long rc = 0;

	if (!a1)
		memset(v->pv.traps, 0, 256 * sizeof(*v->pv.traps));
	else
		do {
			rc = load_trap(v, _gva(a1));
			a1 += sizeof(struct trap_info);
		} while (rc > 0 && (++n % 64 || !hypercall_preempt()));
	pv_update_direct(v);		/* also when only some were good */
	if (rc > 0)
		return hypercall_continue(__HYPERVISOR_set_trap_table, a1, a2, a3, a4, a5);
	return rc;
}

static long set_callback(struct vcpu *v, unsigned int type, u64 address, bool mask)
{
	struct pv_vcpu *p = &v->pv;
	bool always;
	const struct { u64 *entry; bool *masks; } kinds[] = {
		[CALLBACKTYPE_event] = { &p->event_entry, &always },
		[CALLBACKTYPE_failsafe] = { &p->failsafe_entry, &p->failsafe_masks_events },
		[CALLBACKTYPE_syscall] = { &p->syscall_entry, &p->syscall_masks_events },
		[CALLBACKTYPE_syscall32] = { &p->syscall32_entry, &p->syscall32_masks_events },
		[CALLBACKTYPE_sysenter_deprecated] = { &p->sysenter_entry, &p->sysenter_masks_events },
		[CALLBACKTYPE_sysenter] = { &p->sysenter_entry, &p->sysenter_masks_events },
		[CALLBACKTYPE_nmi] = { &p->traps[2].address, &always },
	};

	if (!is_canonical(address))
		return refuse(-EINVAL, "callback %u: address %lx", type, address);
	if (type >= ARRAY_SIZE(kinds) || !kinds[type].entry)
		return refuse(-ENOSYS, "callback type %u", type);
	if (type == CALLBACKTYPE_nmi)
		p->traps[2] = (struct trap_info){ .vector = 2, .cs = FLAT_KERNEL_CS };
	*kinds[type].entry = address;
	*kinds[type].masks = mask;
	pv_update_direct(v);
	return 0;
}

/* a1: register or unregister, a2: struct callback_register or callback_unregister */
HYPERCALL(callback_op)
{
	struct vcpu *v = current_vcpu();
	bool add = a1 == CALLBACKOP_register;
	struct callback_register r = { 0 };	/* to unregister: its beginning */

	if (!add && a1 != CALLBACKOP_unregister)
		return refuse(-ENOSYS, "callback_op %lu", a1);
	if (copy_from_guest(&r, _gva(a2), add ? sizeof(r) : sizeof(struct callback_unregister)))
		return -EFAULT;
	if (add || r.type == CALLBACKTYPE_nmi)
		return set_callback(v, r.type, r.address, r.flags & CALLBACKF_mask_events);
	/* an entry that every PV kernel needs */
	return r.type <= CALLBACKTYPE_syscall32 ? -EINVAL : -ENOSYS;
}

/* a1: SEGBASE_*, a2: base, or the selector */
HYPERCALL(set_segment_base)
{
	if (a1 == SEGBASE_GS_USER_SEL) {
		arch_load_user_gs_sel((u16)a2);
		return 0;
	}
	if (unlikely(a1 > SEGBASE_GS_USER_SEL || !is_canonical(a2)))
		return refuse(-EINVAL, "segment base %lu = %lx", a1, a2);
	arch_set_segment_base(current_vcpu(), (unsigned int)a1, a2);
	return 0;
}

/* a1: the virtual CR0.TS */
HYPERCALL(fpu_taskswitch)
{
	arch_set_ts(current_vcpu(), a1 != 0);
	return 0;
}

static noinline long bad_iret(struct vcpu *v, u64 at, const char *why)
{
	domain_crash(v->domain, "vcpu %u: iret frame at %lx %s", v->id, at, why);
	return 0;
}

HYPERCALL(iret)
{
	struct cpu_user_regs *regs = guest_regs();
	struct vcpu *v = current_vcpu();
	struct iret_context f;

	if (in_hv_slots(regs->rsp) || copy_from_guest(&f, _gva(regs->rsp), sizeof(f)))
		return bad_iret(v, regs->rsp, "is not readable");
	if (v->pv.mode != MODE_RING1 && (f.cs & 3) == 3) {
		if (mfn_eq(v->pv.root_user, INVALID_MFN))
			return bad_iret(v, regs->rsp, "is for user mode, which has no root");
		arch_toggle_guest_mode(v);
	}
	regs->rip = f.rip;
	regs->cs = (u16)(f.cs | 3);
	regs->rflags = (f.rflags & GUEST_FLAGS) | X86_RFLAGS_IF | X86_RFLAGS_MBS;
	regs->rsp = f.rsp;
	regs->ss = (u16)(f.ss | 3);
	regs->r11 = f.flags & VGCF_IN_SYSCALL ? regs->rflags : f.r11;
	regs->rcx = f.flags & VGCF_IN_SYSCALL ? f.rip : f.rcx;
	if (v->pv.mode == MODE_RING1)
		ring1_iret(v, regs, &f);
	else
		v->vcpu_info->evtchn_upcall_mask = !(f.rflags & X86_RFLAGS_IF);
	regs->rax = f.rax;
	return -ERESTART;	/* the frame is whole: there is no result to store in rax */
}
