/* SPDX-License-Identifier: MIT */
/*
 * vcpu_op: bringing vcpus up and down, their context, their memory areas and timers.
 *
 * Job:    VCPUOP_*; check and install a whole vcpu context; the registered vcpu_info.
 * Enter:  the hypercall table; domctl setvcpucontext; core/domain.c (pv_vcpu_release).
 * State:  struct vcpu, above all v->pv and v->regs of a vcpu that does not run.
 * Locks:  d->lock around a vcpu's set-up; d->evtchn_lock while vcpu_info moves.
 * Holds:  VO1  a context is installed whole, or the vcpu stays not initialised.
 *         VO2  v->vcpu_info always points at memory that stays: shared_info, a page that is held
 *              writable, or the dummy.
 * Tests:  tests/host/test_vcpu_op.c, tests/guests/{smp,timer}.c
 * Next:   core/clock.c, pv/callback.c, pv/descriptors.c
 */
#include <vcpu.h>
#include <hv/clock.h>
#include <hv/debug.h>
#include <hv/errno.h>
#include <hv/evtchn.h>
#include <hv/hypercall.h>
#include <hv/page_alloc.h>
#include <hv/pv.h>
#include <hv/regs.h>

/* Flags that a context may load; the same as iret's. */
#define CONTEXT_FLAGS (X86_RFLAGS_CF | X86_RFLAGS_PF | X86_RFLAGS_AF | X86_RFLAGS_ZF | \
		       X86_RFLAGS_SF | X86_RFLAGS_TF | X86_RFLAGS_DF | X86_RFLAGS_OF | \
		       X86_RFLAGS_RF | X86_RFLAGS_AC | X86_RFLAGS_ID)

/* --- a whole context --- */

static int check_traps(const struct vcpu_guest_context *c)
{
	unsigned int i;
	u64 cs;

	for (i = 0; i < 256; i++) {
		cs = c->trap_ctxt[i].cs;
		if (!is_canonical(c->trap_ctxt[i].address))
			return refuse(-EINVAL, "trap %u: address %lx", i, c->trap_ctxt[i].address);
		if (c->trap_ctxt[i].address && !fix_code_selector(&cs))
			return refuse(-EINVAL, "trap %u: selector %lx", i, cs);
	}
	return 0;
}

/* What can be said without touching anything. */
static int check_context(const struct vcpu_guest_context *c)
{
	u64 cs = c->user_regs.cs, ss = c->user_regs.ss, kss = c->kernel_ss;

	if (!is_canonical(c->user_regs.rip) || !is_canonical(c->user_regs.rsp) ||
	    !is_canonical(c->kernel_sp) || !is_canonical(c->event_callback_eip) ||
	    !is_canonical(c->failsafe_callback_eip) || !is_canonical(c->syscall_callback_eip) ||
	    !is_canonical(c->fs_base) || !is_canonical(c->gs_base_kernel) ||
	    !is_canonical(c->gs_base_user))
		return refuse(-EINVAL, "vcpu context: an address is not canonical");
	if (c->ldt_ents && (!is_canonical(c->ldt_base) || !guest_addr_ok(c->ldt_base) ||
			    c->ldt_ents > 8192))
		return refuse(-EINVAL, "vcpu context: LDT at %lx", c->ldt_base);
	if (c->gdt_ents > FIRST_RESERVED_GDT_ENTRY)
		return refuse(-EINVAL, "vcpu context: %lu GDT entries", c->gdt_ents);
	if (!fix_code_selector(&cs) || !fix_stack_selector(&ss) || !fix_stack_selector(&kss))
		return refuse(-EINVAL, "vcpu context: selectors");
	if (!(c->flags & VGCF_in_kernel) && !c->ctrlreg[1])
		return refuse(-EINVAL, "vcpu context: user mode without a user root");
	return check_traps(c);
}

/* The parts that take references, or may be refused. */
static int take_context(struct vcpu *v, const struct vcpu_guest_context *c)
{
	static const u8 regs[] = { 0, 1, 2, 3, 6, 7 };
	unsigned int i;
	int rc;

	for (i = 0; i < sizeof(regs); i++) {
		rc = set_guest_debugreg(v, regs[i], c->debugreg[regs[i]]);
		if (rc)
			return rc;
	}
	rc = set_kernel_root(v, _mfn(xen_cr3_to_pfn(c->ctrlreg[3])));
	if (!rc)
		rc = set_user_root(v, _mfn(xen_cr3_to_pfn(c->ctrlreg[1])));
	if (rc)
		return rc;
	rc = set_gdt_frames(v, c->gdt_frames, (unsigned int)c->gdt_ents);
	if (rc)
		return rc;
	return set_ldt(v, c->ldt_base, (unsigned int)c->ldt_ents);
}

static void install_regs(struct vcpu *v, const struct vcpu_guest_context *c)
{
	struct cpu_user_regs *r = &v->regs;
	u64 sel;

	*r = c->user_regs;
	sel = r->cs;
	fix_code_selector(&sel);
	r->cs = (u16)sel;
	sel = r->ss;
	fix_stack_selector(&sel);
	r->ss = (u16)sel;
	r->error_code = r->entry_vector = 0;
	r->saved_upcall_mask = 0;
	v->pv.iopl = (u8)((r->rflags >> 12) & 3);
	r->rflags = (r->rflags & CONTEXT_FLAGS) | X86_RFLAGS_IF | X86_RFLAGS_MBS;
}

/* Nothing here can fail. */
static void install_context(struct vcpu *v, const struct vcpu_guest_context *c)
{
	struct pv_vcpu *p = &v->pv;
	unsigned int i;
	u64 sel;

	install_regs(v, c);
	p->in_kernel = !!(c->flags & VGCF_in_kernel);
	for (i = 0; i < 256; i++) {
		p->traps[i] = c->trap_ctxt[i];
		p->traps[i].vector = (u8)i;
		sel = p->traps[i].cs;
		fix_code_selector(&sel);
		p->traps[i].cs = (u16)sel;
	}
	sel = c->kernel_ss;
	fix_stack_selector(&sel);
	p->kernel_ss = sel;
	p->kernel_sp = c->kernel_sp;
	p->event_entry = c->event_callback_eip;
	p->failsafe_entry = c->failsafe_callback_eip;
	p->failsafe_masks_events = c->flags & VGCF_failsafe_disables_events;
	p->syscall_entry = c->syscall_callback_eip;
	p->syscall_masks_events = !!(c->flags & VGCF_syscall_disables_events);
	p->ctrlreg0 = X86_CR0_PG | X86_CR0_WP | X86_CR0_NE | X86_CR0_ET | X86_CR0_MP | X86_CR0_PE;
	p->ctrlreg4 = c->ctrlreg[4];		/* filtered whenever it is read; 0: as the first vcpu */
	if (!p->ctrlreg4 && v->domain->vcpu[0])
		p->ctrlreg4 = v->domain->vcpu[0]->pv.ctrlreg4;
	p->ts = c->ctrlreg[0] & X86_CR0_TS;
	arch_set_segment_base(v, SEGBASE_FS, c->fs_base);
	arch_set_segment_base(v, SEGBASE_GS_KERNEL, c->gs_base_kernel);
	arch_set_segment_base(v, SEGBASE_GS_USER, c->gs_base_user);
	if (c->flags & VGCF_i387_valid)
		arch_set_fpu(v, c->fpu_ctxt.x);
	/* the assists are the domain's: the first vcpu sets them for all */
	if (v->id == 0)
		p->vm_assist = c->vm_assist & VM_ASSIST_VALID;
	else if (v->domain->vcpu[0])
		p->vm_assist = v->domain->vcpu[0]->pv.vm_assist;
}

/*
 * v does not run (down, or paused by the caller). 0, -EINVAL, -EPERM, -EBUSY ..., or -ERESTART:
 * call again with the same context.
 */
int set_vcpu_context(struct vcpu *v, const struct vcpu_guest_context *c)
{
	bool was = v->initialised;
	int rc = check_context(c);

	if (!rc)
		rc = take_context(v, c);
	if (rc) {
		if (!was && rc != -ERESTART) {
			drop_ldt(v);
			drop_gdt(v);
			drop_roots(v);
		}
		return rc;
	}
	install_context(v, c);
	v->initialised = true;
	pv_update_direct(v);
	if (c->flags & VGCF_online) {
		if (atomic_and(&v->pause_flags, ~(u32)VPF_down) & VPF_down)
			sched_wake(v);
	} else if (was) {
		atomic_or(&v->pause_flags, (u32)VPF_down);
	}
	return 0;
}

static long initialise(struct vcpu *v, gva_t arg)
{
	struct vcpu_guest_context *c;
	long rc = 0;

	if (v->vcpu_info == &dummy_vcpu_info)
		return refuse(-EINVAL, "vcpu %u has no vcpu_info", v->id);
	c = hv_new(struct vcpu_guest_context);
	if (!c)
		return -ENOMEM;
	if (copy_from_guest(c, arg, sizeof(*c)))
		rc = -EFAULT;
	if (!rc) {
		spin_lock(&v->domain->lock);
		rc = v->initialised ? -EEXIST : set_vcpu_context(v, c);
		spin_unlock(&v->domain->lock);
	}
	hv_free(c);
	return rc;
}

/* --- vcpu_info --- */

static void move_vcpu_info(struct vcpu *v, struct vcpu_info *to)
{
	spin_lock(&v->domain->evtchn_lock);
	__builtin_memcpy(to, v->vcpu_info, sizeof(*to));
	/* whatever is pending in which word: let the guest look at all of them */
	to->evtchn_pending_sel = ~0UL;
	to->evtchn_upcall_pending = 1;
	smp_wmb();
	WRITE_ONCE(v->vcpu_info, to);
	spin_unlock(&v->domain->evtchn_lock);
}

int map_vcpu_info(struct vcpu *v, u64 mfn, u32 offset)
{
	struct domain *d = v->domain;

	if (offset > PAGE_SIZE - sizeof(struct vcpu_info) || (offset & 7))
		return refuse(-EINVAL, "vcpu_info at offset %x", offset);
	if (!mfn_eq(v->vcpu_info_mfn, INVALID_MFN))
		return refuse(-EINVAL, "vcpu %u has registered its vcpu_info", v->id);
	if (v != current_vcpu() && !(READ_ONCE(v->pause_flags) & VPF_down))
		return refuse(-EINVAL, "vcpu %u is up", v->id);
	if (!mfn_is_ram(_mfn(mfn)) || !get_page_writable(mfn_to_page(_mfn(mfn)), d))
		return refuse(-EINVAL, "vcpu_info in mfn %lx", mfn);
	v->vcpu_info_mfn = _mfn(mfn);
	move_vcpu_info(v, (struct vcpu_info *)((char *)mfn_to_virt(_mfn(mfn)) + offset));
	return 0;
}

/* v does not run and never will, or its page is to go back to the guest (soft reset). */
void unmap_vcpu_info(struct vcpu *v)
{
	mfn_t mfn = v->vcpu_info_mfn;

	if (mfn_eq(mfn, INVALID_MFN))
		return;
	spin_lock(&v->domain->evtchn_lock);
	v->vcpu_info = &dummy_vcpu_info;
	v->vcpu_info_mfn = INVALID_MFN;
	spin_unlock(&v->domain->evtchn_lock);
	put_page_writable(mfn_to_page(mfn));
}

void pv_vcpu_release(struct vcpu *v)
{
	v->runstate_area = v->time_area = _gva(0);
	drop_ldt(v);
	drop_gdt(v);
	drop_roots(v);
	unmap_vcpu_info(v);
}

static long register_vcpu_info(struct vcpu *v, gva_t arg)
{
	struct vcpu_register_vcpu_info r;
	long rc;

	if (copy_from_guest(&r, arg, sizeof(r)))
		return -EFAULT;
	spin_lock(&v->domain->lock);
	rc = map_vcpu_info(v, r.mfn, r.offset);
	spin_unlock(&v->domain->lock);
	if (!rc && v == current_vcpu())
		clock_update_vcpu(v);
	return rc;
}

/* --- areas in guest memory --- */

static long register_runstate(struct vcpu *v, gva_t arg)
{
	struct vcpu_register_runstate_memory_area a;
	struct vcpu_runstate_info r;

	if (copy_from_guest(&a, arg, sizeof(a)))
		return -EFAULT;
	if (a.addr.v && !guest_addr_ok(a.addr.v))
		return refuse(-EFAULT, "runstate area at %lx", a.addr.v);
	v->runstate_area = _gva(a.addr.v);
	if (!a.addr.v)
		return 0;
	runstate_get(v, &r);
	if (copy_to_guest(v->runstate_area, &r, sizeof(r)))
		guest_log(LOG_DEBUG, "d%uv%u: the runstate area at %lx cannot be written\n",
			  v->domain->id, v->id, a.addr.v);
	return 0;
}

static long register_time_area(struct vcpu *v, gva_t arg)
{
	struct vcpu_register_time_memory_area a;

	if (copy_from_guest(&a, arg, sizeof(a)))
		return -EFAULT;
	if (a.addr.v && !guest_addr_ok(a.addr.v))
		return refuse(-EFAULT, "time area at %lx", a.addr.v);
	v->time_area = _gva(a.addr.v);
	if (v == current_vcpu())
		clock_update_vcpu(v);
	return 0;
}

static long get_runstate(const struct vcpu *v, gva_t arg)
{
	struct vcpu_runstate_info r;

	runstate_get(v, &r);
	return copy_to_guest(arg, &r, sizeof(r));
}

/* --- up, down, NMI, timers --- */

static long up(struct vcpu *v)
{
	if (!v->initialised)
		return refuse(-EINVAL, "vcpu %u is not initialised", v->id);
	if (atomic_and(&v->pause_flags, ~(u32)VPF_down) & VPF_down)
		sched_wake(v);
	return 0;
}

/* The last one to go takes its domain with it. */
static long down(struct vcpu *v)
{
	struct domain *d = v->domain;
	unsigned int i;
	bool last;

	spin_lock(&d->lock);
	atomic_or(&v->pause_flags, (u32)VPF_down);
	for (i = 0, last = true; i < d->max_vcpus; i++)
		if (d->vcpu[i] && !(READ_ONCE(d->vcpu[i]->pause_flags) & VPF_down))
			last = false;
	spin_unlock(&d->lock);
	if (last)
		domain_shutdown(d, 0);	/* SHUTDOWN_poweroff */
	sched_sleep(v);
	return 0;
}

static long send_nmi(struct vcpu *v, gva_t arg)
{
	if (gva_x(arg))
		return -EINVAL;
	atomic_or(&v->work, (u32)VW_nmi);
	vcpu_kick(v);
	return 0;
}

/* Only a vcpu that stays on one CPU has a physical id. */
static long get_physid(const struct vcpu *v, gva_t arg)
{
	cpumask_t m = v->sched.hard_affinity;
	struct vcpu_get_physid p;
	unsigned int cpu;

	if (!v->domain->is_hardware || !m || (m & (m - 1)))
		return -EINVAL;
	cpu = (unsigned int)__builtin_ctzl(m);
	p.phys_id = (u64)cpu_acpi_id[cpu] << 32 | cpu_apicid[cpu];
	return copy_to_guest(arg, &p, sizeof(p));
}

static long set_periodic(struct vcpu *v, gva_t arg)
{
	struct vcpu_set_periodic_timer t;

	if (copy_from_guest(&t, arg, sizeof(t)))
		return -EFAULT;
	return clock_set_periodic(v, t.period_ns);
}

static long set_singleshot(struct vcpu *v, gva_t arg)
{
	struct vcpu_set_singleshot_timer t;

	if (v != current_vcpu())
		return -EINVAL;
	if (copy_from_guest(&t, arg, sizeof(t)))
		return -EFAULT;
	return clock_set_singleshot(v, t.timeout_abs_ns, t.flags);
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
		return set_singleshot(v, arg);
	case VCPUOP_stop_singleshot_timer:
		if (v != current_vcpu())
			return -EINVAL;
		clock_stop_singleshot(v);
		return 0;
	case VCPUOP_initialise:
		rc = initialise(v, arg);
		if (rc == -ERESTART)
			rc = hypercall_continue(__HYPERVISOR_vcpu_op, a1, a2, a3, a4, a5);
		return rc;
	case VCPUOP_up:
		return up(v);
	case VCPUOP_down:
		return down(v);
	case VCPUOP_is_up:
		return !(READ_ONCE(v->pause_flags) & VPF_down);
	case VCPUOP_get_runstate_info:
		return get_runstate(v, arg);
	case VCPUOP_register_runstate_memory_area:
		return register_runstate(v, arg);
	case VCPUOP_set_periodic_timer:
		return set_periodic(v, arg);
	case VCPUOP_stop_periodic_timer:
		clock_stop_periodic(v);
		return 0;
	case VCPUOP_register_vcpu_info:
		return register_vcpu_info(v, arg);
	case VCPUOP_send_nmi:
		return send_nmi(v, arg);
	case VCPUOP_get_physid:
		return get_physid(v, arg);
	case VCPUOP_register_vcpu_time_memory_area:
		return register_time_area(v, arg);
	}
	return refuse(-ENOSYS, "vcpu_op %lu", a1);
}
