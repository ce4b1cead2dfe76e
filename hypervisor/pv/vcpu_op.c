/* SPDX-License-Identifier: MIT */
/*
 * Job:    vcpu_op: bringing vcpus up and down, their context, their memory areas and timers. sched_op,
 *         set_timer_op: a guest gives up its CPU, or stops; watchdogs, pinning.
 * Enter:  the hypercall table; core/domain.c (pv_vcpu_release); control/domctl.c (contexts).
 * State:  v->pause_flags (VPF_blocked, VPF_polling), d->poll_mask, d->watchdog[] (d->lock).
 * Locks:  d->lock around a vcpu's set-up; d->evtchn_lock while vcpu_info moves.
 * Holds:  VO1  a context is installed whole, or the vcpu stays not initialised.
 *         VO2  v->vcpu_info always points at memory that stays: shared_info, a page that is held
 *              writable, or the dummy.
 *         SO1  a vcpu that blocks or polls announces it first and looks for events then; a sender
 *              marks the event first and looks for sleepers then: no wake-up is lost.
 * Tests:  tests/host/test_{vcpu_op,evtchn}.c, tests/guests/{smp,timer,evtchn,shutdown}.c
 */
#include <event_channel.h>
#include <sched.h>
#include <hv/clock.h>
#include <hv/evtchn.h>
#include <hv/page_alloc.h>
#include <hv/pv.h>
#include <hv/regs.h>
#include <hv/string.h>

/* What can be said without touching v; selectors in c, which is our copy, are made legal. */
static int check_context(struct vcpu_guest_context *c)
{
	const u64 addresses[] = { c->user_regs.rip, c->user_regs.rsp, c->kernel_sp, c->fs_base,
				  c->gs_base_kernel, c->gs_base_user, c->event_callback_eip,
				  c->failsafe_callback_eip, c->syscall_callback_eip };
	u64 cs = c->user_regs.cs, ss = c->user_regs.ss;

	for (unsigned int i = 0; i < ARRAY_SIZE(addresses); i++)
		if (!is_canonical(addresses[i]))
			return refuse(-EINVAL, "vcpu context: address %lx", addresses[i]);
	if (c->gdt_ents > FIRST_RESERVED_GDT_ENTRY || c->ldt_ents > 8192)
		return refuse(-EINVAL, "vcpu context: GDT %lu, LDT %lu entries", c->gdt_ents, c->ldt_ents);
	if (!fix_code_selector(&cs) || !fix_stack_selector(&ss) || !fix_stack_selector(&c->kernel_ss))
		return refuse(-EINVAL, "vcpu context: selectors");
	c->user_regs.cs = (u16)cs;
	c->user_regs.ss = (u16)ss;
	if (!(c->flags & VGCF_in_kernel) && !c->ctrlreg[1])
		return refuse(-EINVAL, "vcpu context: user mode without a user root");
	for (unsigned int i = 0; i < 256; i++) {
		c->trap_ctxt[i].vector = (u8)i;
		if (c->trap_ctxt[i].address && check_trap(&c->trap_ctxt[i]))
			return -EINVAL;
	}
	return 0;
}

/* The parts that take references, or may be refused. */
static int take_context(struct vcpu *v, const struct vcpu_guest_context *c)
{
	int rc = 0;

	for (unsigned int i = 0; i < 8 && !rc; i++)
		if (i != 4 && i != 5)
			rc = set_guest_debugreg(v, i, c->debugreg[i]);
	return rc ?:
	       set_kernel_root(v, _mfn(xen_cr3_to_pfn(c->ctrlreg[3]))) ?:
	       set_user_root(v, _mfn(xen_cr3_to_pfn(c->ctrlreg[1]))) ?:
	       set_gdt_frames(v, c->gdt_frames, (unsigned int)c->gdt_ents) ?:
	       set_ldt(v, c->ldt_base, (unsigned int)c->ldt_ents);
}

static void drop_context(struct vcpu *v)
{
	set_ldt(v, 0, 0);
	set_gdt_frames(v, NULL, 0);
	drop_roots(v);
}

/* Nothing here can fail. */
static void install_context(struct vcpu *v, const struct vcpu_guest_context *c)
{
	const struct pv_vcpu *first = &(v->domain->vcpu[0] ?: v)->pv;
	struct cpu_user_regs *r = &v->regs;
	struct pv_vcpu *p = &v->pv;

	*r = c->user_regs;
	r->error_code = r->entry_vector = 0;
	r->saved_upcall_mask = 0;
	p->iopl = (u8)((r->rflags >> 12) & 3);
	r->rflags = (r->rflags & GUEST_FLAGS) | X86_RFLAGS_IF | X86_RFLAGS_MBS;
	p->in_kernel = !!(c->flags & VGCF_in_kernel);
	if (v->domain->ring1) {
		p->mode = MODE_RING1;
		p->in_kernel = 1;
		r->cs = WITHOUT(8) ? r->cs : RING1_CS;
		r->ss = WITHOUT(8) ? 0 : RING1_SS;
		r->rflags |= X86_RFLAGS_AC;
	}
	memcpy(p->traps, c->trap_ctxt, sizeof(c->trap_ctxt));
	p->kernel_ss = c->kernel_ss;
	p->kernel_sp = c->kernel_sp;
	p->event_entry = c->event_callback_eip;
	p->failsafe_entry = c->failsafe_callback_eip;
	p->failsafe_masks_events = c->flags & VGCF_failsafe_disables_events;
	p->syscall_entry = c->syscall_callback_eip;
	p->syscall_masks_events = !!(c->flags & VGCF_syscall_disables_events);
	p->ctrlreg4 = c->ctrlreg[4] ?: first->ctrlreg4;	/* 0: as the first vcpu; filtered whenever it is read */
	p->ts = c->ctrlreg[0] & X86_CR0_TS;
	arch_set_segment_base(v, SEGBASE_FS, c->fs_base);
	arch_set_segment_base(v, SEGBASE_GS_KERNEL, c->gs_base_kernel);
	arch_set_segment_base(v, SEGBASE_GS_USER, c->gs_base_user);
	if (c->flags & VGCF_i387_valid)
		arch_set_fpu(v, c->fpu_ctxt.x);
	/* the assists are the domain's: the first vcpu sets them for all */
	p->vm_assist = v->id ? first->vm_assist : c->vm_assist & VM_ASSIST_VALID;
}

static long up(struct vcpu *v)
{
	if (!v->initialised)
		return refuse(-EINVAL, "vcpu %u is not initialised", v->id);
	if (atomic_and(&v->pause_flags, ~(u32)VPF_down) & VPF_down)
		sched_wake(v);
	return 0;
}

int set_vcpu_context(struct vcpu *v, struct vcpu_guest_context *c)
{
	int rc = v->initialised ? -EEXIST : check_context(c);

	if (rc)
		return rc;
	if (v->domain->ring1 && !ring1_page_ok(v))
		return refuse(-EINVAL, "ring 1: vcpu %u has no page for vcpu_info", v->id);
	rc = take_context(v, c);
	if (!rc) {
		install_context(v, c);
		v->initialised = true;
		pv_update_direct(v);
		return c->flags & VGCF_online ? (int)up(v) : 0;
	}
	if (rc != -ERESTART)		/* some of it may have been taken */
		drop_context(v);
	return rc;
}

static long initialise(struct vcpu *v, gva_t arg)
{
	struct vcpu_guest_context *c;
	long rc;

	if (v->vcpu_info == &dummy_vcpu_info)
		return refuse(-EINVAL, "vcpu %u has no vcpu_info", v->id);
	c = hv_new(struct vcpu_guest_context);
	if (!c)
		return -ENOMEM;
	rc = copy_from_guest(c, arg, sizeof(*c)) ?:
	     under_lock(&v->domain->lock, set_vcpu_context(v, c));
	hv_free(c);
	return rc;
}

static long map_vcpu_info(struct vcpu *v, mfn_t mfn, u32 offset)
{
	struct vcpu_info *to;

	if (offset > PAGE_SIZE - sizeof(*to) || (offset & 7) || (v->domain->ring1 && offset))
		return refuse(-EINVAL, "vcpu_info at offset %x", offset);
	if (!mfn_eq(v->vcpu_info_mfn, INVALID_MFN))
		return refuse(-EINVAL, "vcpu %u has registered its vcpu_info", v->id);
	if (v != current_vcpu() && !(READ_ONCE(v->pause_flags) & VPF_down))
		return refuse(-EINVAL, "vcpu %u is up", v->id);
	if (!mfn_is_ram(mfn) || !get_page_writable(mfn_to_page(mfn), v->domain))
		return refuse(-EINVAL, "vcpu_info in mfn %lx", mfn_x(mfn));
	v->vcpu_info_mfn = mfn;
	to = (struct vcpu_info *)((char *)mfn_to_virt(mfn) + offset);
	spin_lock(&v->domain->evtchn_lock);
	*to = *v->vcpu_info;
	/* whatever is pending in which word: let the guest look at all of them */
	to->evtchn_pending_sel = ~0UL;
	to->evtchn_upcall_pending = 1;
	smp_wmb();
	WRITE_ONCE(v->vcpu_info, to);
	spin_unlock(&v->domain->evtchn_lock);
	arch_load_entries(v);
	return 0;
}

static long register_vcpu_info(struct vcpu *v, const struct vcpu_register_vcpu_info *r)
{
	long rc = under_lock(&v->domain->lock, map_vcpu_info(v, _mfn(r->mfn), r->offset));

	if (!rc && v == current_vcpu())
		clock_update_vcpu(v);
	return rc;
}

void pv_vcpu_release(struct vcpu *v)
{
	mfn_t info = v->vcpu_info_mfn;

	v->runstate_area = v->time_area = _gva(0);
	drop_context(v);
	if (mfn_eq(info, INVALID_MFN))
		return;
	spin_lock(&v->domain->evtchn_lock);
	v->vcpu_info = &dummy_vcpu_info;
	v->vcpu_info_mfn = INVALID_MFN;
	spin_unlock(&v->domain->evtchn_lock);
	put_page_writable(mfn_to_page(info));
}

static long get_runstate(const struct vcpu *v, gva_t to)
{
	struct vcpu_runstate_info r;

	runstate_get(v, &r);
	return copy_to_guest(to, &r, sizeof(r));
}

static long register_area(struct vcpu *v, gva_t *area, u64 addr)
{
	if (in_hv_slots(addr))
		return refuse(-EFAULT, "vcpu area at %lx", addr);
	*area = _gva(addr);
	if (area == &v->time_area && v == current_vcpu())
		clock_update_vcpu(v);
	if (area == &v->runstate_area && addr && get_runstate(v, *area))
		guest_log(LOG_DEBUG, "d%uv%u: cannot write the runstate area\n", v->domain->id, v->id);
	return 0;
}

/* The last one to go takes its domain with it. */
static long down(struct vcpu *v)
{
	struct domain *d = v->domain;
	bool last = true;
	struct vcpu *o;

	spin_lock(&d->lock);
	atomic_or(&v->pause_flags, (u32)VPF_down);
	for_each_vcpu(d, o)
		last &= !!(READ_ONCE(o->pause_flags) & VPF_down);
	spin_unlock(&d->lock);
	if (last)
		domain_shutdown(d, 0);	/* SHUTDOWN_poweroff */
	sched_sleep(v);
	return 0;
}

/* Only a vcpu that stays on one CPU has a physical id. */
static long get_physid(const struct vcpu *v, gva_t arg)
{
	cpumask_t m = v->sched.hard_affinity;
	u64 id;

	if (!v->domain->is_hardware || __builtin_popcountl(m) != 1)
		return -EINVAL;
	id = (u64)cpu_acpi_id[__builtin_ctzl(m)] << 32 | cpu_apicid[__builtin_ctzl(m)];
	return copy_to_guest(arg, &id, sizeof(struct vcpu_get_physid));
}

/* a1: VCPUOP_*, a2: vcpu id, a3: argument */
HYPERCALL(vcpu_op)
{
	struct vcpu *v = domain_vcpu(current_vcpu()->domain, a2);
	gva_t arg = _gva(a3);
	long rc;

	if (unlikely(!v))
		return -ENOENT;
	switch (a1) {
	case VCPUOP_set_singleshot_timer:
		return v != current_vcpu() ? -EINVAL :
		       with_arg(struct vcpu_set_singleshot_timer, t, arg,
				clock_set_singleshot(v, t.timeout_abs_ns, t.flags));
	case VCPUOP_stop_singleshot_timer:
		if (v != current_vcpu())
			return -EINVAL;
		timer_stop(&v->singleshot);
		return 0;
	case VCPUOP_initialise:
		rc = initialise(v, arg);
		return rc != -ERESTART ? rc :
		       hypercall_continue(__HYPERVISOR_vcpu_op, a1, a2, a3, a4, a5);
	case VCPUOP_up:
		return up(v);
	case VCPUOP_down:
		return down(v);
	case VCPUOP_is_up:
		return !(READ_ONCE(v->pause_flags) & VPF_down);
	case VCPUOP_get_runstate_info:
		return get_runstate(v, arg);
	case VCPUOP_register_runstate_memory_area:
		return with_arg(u64, addr, arg, register_area(v, &v->runstate_area, addr));
	case VCPUOP_register_vcpu_time_memory_area:
		return with_arg(u64, addr, arg, register_area(v, &v->time_area, addr));
	case VCPUOP_set_periodic_timer:
		return with_arg(struct vcpu_set_periodic_timer, t, arg,
				clock_set_periodic(v, t.period_ns));
	case VCPUOP_stop_periodic_timer:
		clock_stop_periodic(v);
		return 0;
	case VCPUOP_register_vcpu_info:
		return with_arg(struct vcpu_register_vcpu_info, r, arg, register_vcpu_info(v, &r));
	case VCPUOP_send_nmi:
		if (a3)
			return -EINVAL;
		atomic_or(&v->work, (u32)VW_nmi);
		vcpu_kick(v);
		return 0;
	case VCPUOP_get_physid:
		return get_physid(v, arg);
	}
	return refuse(-ENOSYS, "vcpu_op %lu", a1);
}

/* --- sched_op, set_timer_op --- */

#define MAX_POLL_PORTS 128

/* Wait until one of the ports is pending, whether masked or not, or an event is delivered. */
static long poll(struct vcpu *v, const struct sched_poll *p)
{
	struct domain *d = v->domain;
	u32 ports[MAX_POLL_PORTS], i;
	bool pending;

	if (p->nr_ports > MAX_POLL_PORTS)
		return refuse(-EINVAL, "poll of %u ports", p->nr_ports);
	if (copy_from_guest(ports, _gva(p->ports), p->nr_ports * sizeof(ports[0])))
		return -EFAULT;
	for (i = 0; i < p->nr_ports; i++)
		if (ports[i] >= MAX_EVTCHNS)
			return refuse(-EINVAL, "poll of port %u", ports[i]);
	v->poll_port = p->nr_ports == 1 ? (int)ports[0] : -1;
	timer_stop(&v->poll_timer);
	atomic_or(&v->pause_flags, (u32)VPF_polling);
	atomic_or(&d->poll_mask, BIT(v->id));
	smp_mb();
	pending = vcpu_event_pending(v);
	for (i = 0; i < p->nr_ports && !pending; i++)
		pending = evtchn_is_pending(d, ports[i]);
	if (pending) {
		atomic_and(&d->poll_mask, ~BIT(v->id));
		atomic_and(&v->pause_flags, ~(u32)VPF_polling);
		return 0;
	}
	if (p->timeout)
		timer_set(&v->poll_timer, p->timeout);
	softirq_raise(SOFTIRQ_SCHED);
	return 0;
}

/* id 0: a new one, the result is its id; timeout 0: stop it. d->lock held. */
static long watchdog(struct domain *d, const struct sched_watchdog *w)
{
	u32 i = w->id ? w->id - 1 : (u32)__builtin_ctz(~d->watchdog_inuse);

	if (w->id > ARRAY_SIZE(d->watchdog) || (!w->id && !w->timeout))
		return -EINVAL;
	if (i >= ARRAY_SIZE(d->watchdog))
		return -ENOSPC;
	if (w->id && !(d->watchdog_inuse & BIT(i)))
		return -EINVAL;
	if (!w->timeout) {
		timer_stop(&d->watchdog[i]);
		d->watchdog_inuse &= ~(u32)BIT(i);
		return 0;
	}
	timer_set(&d->watchdog[i], now_ns() + w->timeout * 1000000000UL);
	d->watchdog_inuse |= (u32)BIT(i);
	return w->id ? 0 : i + 1;
}

/* The hardware domain wants a vcpu on one CPU for a while (SMM calls and such). */
static long pin_override(struct vcpu *v, int pcpu)
{
	bool pin = pcpu >= 0;
	long rc;

	if (!v->domain->is_hardware)
		return -EPERM;
	if (pcpu >= NR_CPUS)
		return -EINVAL;
	if (!pin && !v->pinned)
		return 0;
	if (!v->pinned)
		v->pin_saved = v->sched.hard_affinity;
	rc = sched_set_affinity(v, pin ? BIT(pcpu) : v->pin_saved, v->sched.soft_affinity);
	v->pinned = pin && (!rc || v->pinned);
	return rc;
}

static long remote_shutdown(const struct domain *caller, const struct sched_remote_shutdown *r)
{
	struct domain *d;

	if (!caller->is_privileged || r->domain_id == DOMID_SELF || r->domain_id == caller->id)
		return -EPERM;
	d = domain_get(r->domain_id);
	if (!d)
		return -ESRCH;
	domain_shutdown(d, (u8)r->reason);
	domain_put(d);
	return 0;
}

static long shut_down(struct domain *d, u8 reason, bool now)
{
	if (now)
		domain_shutdown(d, reason);
	else if (!d->is_shut_down)
		d->shutdown_code = reason;
	return 0;
}

/* a1: SCHEDOP_*, a2: argument */
HYPERCALL(sched_op)
{
	struct vcpu *v = current_vcpu();
	struct domain *d = v->domain;
	gva_t arg = _gva(a2);

	switch (a1) {
	case SCHEDOP_yield:
		sched_yield();
		return 0;
	case SCHEDOP_block:
		v->vcpu_info->evtchn_upcall_mask = 0;
		sched_block();
		return 0;
	case SCHEDOP_poll:
		return with_arg(struct sched_poll, p, arg, poll(v, &p));
	case SCHEDOP_shutdown:
	case SCHEDOP_shutdown_code:
		return with_arg(struct sched_shutdown, s, arg,
				shut_down(d, (u8)s.reason, a1 == SCHEDOP_shutdown));
	case SCHEDOP_remote_shutdown:
		return with_arg(struct sched_remote_shutdown, r, arg, remote_shutdown(d, &r));
	case SCHEDOP_watchdog:
		return with_arg(struct sched_watchdog, w, arg, under_lock(&d->lock, watchdog(d, &w)));
	case SCHEDOP_pin_override:
		return with_arg(struct sched_pin_override, p, arg, pin_override(v, p.pcpu));
	}
	return refuse(-ENOSYS, "sched_op %lu", a1);
}

/* a1: absolute system time in ns; 0: none */
HYPERCALL(set_timer_op)
{
	struct vcpu *v = current_vcpu();

	if (a1)
		return clock_set_singleshot(v, a1, 0);
	timer_stop(&v->singleshot);
	return 0;
}
