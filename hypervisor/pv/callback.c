/* SPDX-License-Identifier: MIT */
/*
 * Where and how the guest kernel is entered: trap table, callbacks, stack, segment bases, TS.
 *
 * Job:    set_trap_table, callback_op, stack_switch, set_segment_base, fpu_taskswitch; decide
 *         whether entry.S may use its direct paths.
 * Enter:  the hypercall table; pv_update_direct() from whoever changes what it looks at.
 * State:  v->pv of the current vcpu, which changes nobody else's.
 * Holds:  CB1  every address kept here is canonical; bounce() checks the rest when it uses it.
 * Tests:  tests/guests/{traps,syscall,abuse_pointers}.c
 */
#include <callback.h>
#include <hv/debug.h>
#include <hv/errno.h>
#include <hv/hypercall.h>
#include <hv/pv.h>
#include <hv/string.h>

static bool sound(u64 va)	/* 0: none */
{
	return va && is_canonical(va) && guest_addr_ok(va);
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

/* 1: there may be another one behind it; 0: it was the last */
static long load_trap(struct vcpu *v, gva_t from)
{
	struct trap_info t;
	u64 cs;

	if (copy_from_guest(&t, from, sizeof(t)))
		return -EFAULT;
	if (!t.address)
		return 0;
	if (!is_canonical(t.address))
		return refuse(-EINVAL, "trap %u: address %lx", t.vector, t.address);
	cs = t.cs;
	if (!fix_code_selector(&cs))
		return refuse(-EPERM, "trap %u: selector %x", t.vector, t.cs);
	t.cs = (u16)cs;
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
	if (!is_canonical(address))
		return refuse(-EINVAL, "callback %u: address %lx", type, address);
	switch (type) {
	case CALLBACKTYPE_event:
		v->pv.event_entry = address;
		break;
	case CALLBACKTYPE_failsafe:
		v->pv.failsafe_entry = address;
		v->pv.failsafe_masks_events = mask;
		break;
	case CALLBACKTYPE_syscall:
		v->pv.syscall_entry = address;
		v->pv.syscall_masks_events = mask;
		pv_update_direct(v);
		break;
	case CALLBACKTYPE_syscall32:
		v->pv.syscall32_entry = address;
		v->pv.syscall32_masks_events = mask;
		break;
	case CALLBACKTYPE_sysenter_deprecated:
	case CALLBACKTYPE_sysenter:
		v->pv.sysenter_entry = address;
		v->pv.sysenter_masks_events = mask;
		break;
	case CALLBACKTYPE_nmi:
		v->pv.traps[2] = (struct trap_info){ .vector = 2, .cs = FLAT_KERNEL_CS,
						     .address = address };
		break;
	default:
		return refuse(-ENOSYS, "callback type %u", type);
	}
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

/* a1: set (1) or clear (0) the virtual CR0.TS */
HYPERCALL(fpu_taskswitch)
{
	arch_set_ts(current_vcpu(), a1 != 0);
	return 0;
}
