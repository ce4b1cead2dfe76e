/* SPDX-License-Identifier: MIT */
/*
 * Job:    guest kernels in ring 1: entering that mode; frames for their handlers; events that meet a
 *         kernel on its way out; the iret hypercall. docs/abi/ring1.md is the contract.
 * Enter:  the hypercall table; pv/bounce.c, callback.c and vcpu_op.c for vcpus of MODE_RING1.
 * State:  d->ring1; the page of a vcpu's vcpu_info, which the guest writes: each word is read once.
 * Locks:  d->lock while a domain changes.
 * Holds:  R1A  a vcpu of MODE_RING1 has its vcpu_info at the beginning of a page of its domain's.
 *         R1B  what is taken from the guest's page or frame reaches a frame of the guest's only, or
 *              the hardware frame by way of R1 in callback.c.
 * Tests:  tests/guests/{ring1,abuse_ring1}.c
 */
#include <parapet.h>
#include <hv/pv.h>
#include <hv/regs.h>
#include <hv/string.h>

_Static_assert(RING1_CS == PARAPET_RING1_CS && RING1_SS == PARAPET_RING1_SS, "selectors");

static u8 *vcpu_page(const struct vcpu *v)
{
	return (u8 *)((u64)v->vcpu_info & PAGE_MASK);
}

static u64 *page_word(const struct vcpu *v, unsigned int offset)
{
	return (u64 *)(vcpu_page(v) + offset);
}

/* Has it a vcpu_info that LOCAL_VCPU may show? */
bool ring1_page_ok(const struct vcpu *v)
{
	return v->vcpu_info != &dummy_vcpu_info && !((u64)v->vcpu_info & ~PAGE_MASK);
}

/* Where sp..+n is: in the page that ring 1 sees at LOCAL_VCPU, or NULL: in guest memory proper. */
static u8 *in_page(const struct vcpu *v, u64 sp, u64 n)
{
	return sp - LOCAL_VCPU <= PAGE_SIZE - n ? vcpu_page(v) + (sp - LOCAL_VCPU) : NULL;
}

static long enter(struct vcpu *v)
{
	struct cpu_user_regs *regs = guest_regs();
	struct domain *d = v->domain;
	struct vcpu *o;

	for_each_vcpu(d, o)
		if (d->ring1 || (o != v && o->initialised))
			return refuse(-EBUSY, "d%u is in ring 1 or has other vcpus", d->id);
	if (!ring1_page_ok(v) || (s64)regs->rip >= 0)
		return refuse(-EINVAL, "ring 1: vcpu_info at %p, called from %lx", v->vcpu_info, regs->rip);
	set_user_root(v, INVALID_MFN);
	d->ring1 = true;
	d->force_us = 0;
	v->pv.mode = MODE_RING1;
	arch_load_entries(v);
	regs->cs = RING1_CS;
	regs->ss = RING1_SS;
	regs->rflags |= X86_RFLAGS_AC;
	guest_log(LOG_INFO, "d%u: its kernel runs in ring 1\n", d->id);
	return 0;
}

/* a1: PARAPET_RING1_ENTER, or _SWITCH (a2: the root) that was not on offer (ring1_switch in restricted.S) */
HYPERCALL(ring1)
{
	struct domain *d;
	long rc;

	if (a1 == PARAPET_RING1_SWITCH && current_vcpu()->pv.mode == MODE_RING1) {
		rc = set_kernel_root(current_vcpu(), _mfn((u32)a2));
		return rc != -ERESTART ? rc : hypercall_continue(__HYPERVISOR_ring1, a1, a2, 0, 0, 0);
	}
	if (a1 != PARAPET_RING1_ENTER)
		return -ENOSYS;
	d = current_vcpu()->domain;
	if (d->ring1_denied || arch_ring1_refused())
		return refuse(-EOPNOTSUPP, "d%u: no ring 1: %s", d->id, arch_ring1_refused() ?: "denied");
	return under_lock(&d->lock, enter(current_vcpu()));
}

/*
 * Enter a handler with the processor's frame: from ring 3 at the end of the vcpu's page, else below
 * rsp; sp, if not 0, says otherwise. False: the domain was crashed.
 */
bool ring1_bounce(struct vcpu *v, struct cpu_user_regs *regs, u64 entry, bool mask_events,
		  bool has_error, u32 error, u64 sp)
{
	bool user = (regs->cs & 3) == 3, masked = !user && v->vcpu_info->evtchn_upcall_mask;
	u64 frame[] = { error, regs->rip, regs->cs,
			masked ? regs->rflags & ~X86_RFLAGS_IF : regs->rflags, regs->rsp, regs->ss };
	u64 *from = has_error ? frame : frame + 1, n = has_error ? 48 : 40;
	u8 *to;

	sp = (sp ?: user ? LOCAL_VCPU + PAGE_SIZE : regs->rsp) & ~15UL;
	to = in_page(v, sp - n, n);
	if (unlikely(!entry || !is_canonical(entry) || in_hv_slots(entry))) {
		domain_crash(v->domain, "vcpu %u: no handler for a trap at %lx", v->id, regs->rip);
		return false;
	}
	if (to)
		memcpy(to, from, n);
	else if (copy_to_guest(_gva(sp - n), from, n)) {
		domain_crash(v->domain, "vcpu %u: kernel stack %lx is not writable (trap at %lx)",
			     v->id, sp, regs->rip);
		return false;
	}
	regs->rip = entry;
	regs->cs = RING1_CS;
	regs->rflags = (regs->rflags & ~BOUNCE_CLEARS) | X86_RFLAGS_IF | X86_RFLAGS_AC;
	regs->rsp = sp - n;
	regs->ss = RING1_SS;
	v->pv.in_kernel = 1;
	if (mask_events)
		v->vcpu_info->evtchn_upcall_mask = 1;
	return true;
}

void ring1_nmi(struct vcpu *v, struct cpu_user_regs *regs)
{
	const struct trap_info *t = &v->pv.traps[2];
	u64 sp = READ_ONCE(*page_word(v, PARAPET_R1_NMI_SP));

	if (sp && (!is_canonical(sp) || READ_ONCE(*page_word(v, PARAPET_R1_NMI_BUSY))))
		return;
	if (sp)
		WRITE_ONCE(*page_word(v, PARAPET_R1_NMI_BUSY), 1);
	ring1_bounce(v, regs, t->address, t->flags & 4, false, 0, sp);
}

/*
 * An event is pending: may it be delivered to what regs say? If that is the end of the kernel's exit
 * code, what is left of it is carried out first: POP RDI (or not) and IRETQ.
 */
bool ring1_takes_event(struct vcpu *v, struct cpu_user_regs *regs)
{
	u64 rdi = READ_ONCE(*page_word(v, PARAPET_R1_EXIT_RDI));
	u64 iret = READ_ONCE(*page_word(v, PARAPET_R1_EXIT_IRET));
	u64 end = READ_ONCE(*page_word(v, PARAPET_R1_EXIT_END));
	u64 stack[6], *f = stack + 1;			/* rdi | rip cs rflags rsp ss */
	bool pop = regs->rip < iret;
	u64 *to = pop ? stack : f, n = pop ? 48 : 40;
	const u8 *in;

	if ((regs->cs & 3) == 3)
		return true;
	if (regs->rip < rdi || regs->rip >= end)
		return !v->vcpu_info->evtchn_upcall_mask;
	in = in_page(v, regs->rsp, n);
	if (in)
		memcpy(to, in, n);
	if ((!in && copy_from_guest(to, _gva(regs->rsp), n)) || !is_canonical(f[0]) ||
	    ((f[1] & 3) != 3 && ((u16)f[1] != RING1_CS || !(f[2] & X86_RFLAGS_IF))))
		return !v->vcpu_info->evtchn_upcall_mask;
	if (pop)
		regs->rdi = stack[0];
	regs->rip = f[0];
	regs->cs = (u16)f[1];
	regs->rflags = (f[2] & GUEST_FLAGS) | X86_RFLAGS_IF | X86_RFLAGS_MBS;
	regs->rsp = f[3];
	regs->ss = (u16)f[4];
	if ((regs->cs & 3) != 3)
		v->vcpu_info->evtchn_upcall_mask = 0;
	return true;
}

/* The iret hypercall: regs are all but whole, with the guest's selectors. */
void ring1_iret(struct vcpu *v, struct cpu_user_regs *regs, const struct iret_context *f)
{
	v->pv.in_kernel = (f->cs & 3) != 3;
	if (!v->pv.in_kernel)
		return;
	regs->cs = RING1_CS;
	regs->ss = RING1_SS;
	v->vcpu_info->evtchn_upcall_mask = !(f->rflags & X86_RFLAGS_IF);
}
