/* SPDX-License-Identifier: MIT */
/*
 * Job:    domctl: make, fill, limit, pause, describe and end domains; their vcpus.
 * Enter:  the hypercall table; control/sysctl.c (describe_domain).
 * State:  busy: a domctl is under way; last_id.
 * Locks:  busy is taken without waiting: a second domctl is issued again until the first is done or
 *         stops for a continuation. So no lock is held and each operation may be preempted.
 * Holds:  DC1  an operation that returns -ERESTART has left nothing half done that a new call of
 *              any domctl, or none, would not tolerate.
 * Tests:  tests/host/test_domctl.c, tests/guests/domains.c
 */
#include <parapet.h>
#include <hv/clock.h>
#include <hv/control.h>
#include <hv/evtchn.h>
#include <hv/grant.h>
#include <hv/l1.h>
#include <hv/page_alloc.h>
#include <hv/pv.h>
#include <hv/regs.h>
#include <hv/string.h>

static u32 busy;
static long domctl_vcpu(struct domain *d, struct xen_domctl *op);

static u32 vcpu_states(const struct domain *d, struct xen_domctl_getdomaininfo *i)
{
	u32 flags = XEN_DOMINF_blocked;
	const struct vcpu *v;

	i->max_vcpu_id = XEN_INVALID_MAX_VCPU_ID;
	for_each_vcpu(d, v) {
		i->max_vcpu_id = v->id;
		i->cpu_time += vcpu_cpu_time(v);
		if (v->pause_flags & VPF_down)
			continue;
		i->nr_online_vcpus++;
		if (!(v->pause_flags & VPF_blocked))
			flags &= ~XEN_DOMINF_blocked;
		if (v->sched.running)
			flags |= XEN_DOMINF_running;
	}
	return flags;
}

void describe_domain(const struct domain *d, struct xen_domctl_getdomaininfo *i)
{
	memset(i, 0, sizeof(*i));
	i->domain = d->id;
	i->flags = vcpu_states(d, i) | (u32)d->shutdown_code << XEN_DOMINF_shutdownshift |
		(d->state >= DOM_dying ? XEN_DOMINF_dying : 0) |
		(d->is_shut_down ? XEN_DOMINF_shutdown : 0) |
		(d->pause_count ? XEN_DOMINF_paused : 0);
	i->tot_pages = d->nr_pages;
	i->max_pages = d->max_pages;
	i->outstanding_pages = d->outstanding_pages;
	i->shared_info_frame = mfn_x(d->shared_info_mfn);
	i->ssidref = d->ssidref;
	memcpy(i->handle, d->handle, sizeof(i->handle));
	i->gpaddr_bits = 46;
}

/* The first domain with an id of at least the given one. */
static long get_domain_info(struct xen_domctl *op)
{
	struct domain *d;

	for (d = domain_next(NULL); d; d = domain_next(d))
		if (d->id >= op->domain)
			break;
	if (!d)
		return -ESRCH;
	describe_domain(d, &op->u.getdomaininfo);
	op->domain = d->id;
	domain_put(d);
	return 0;
}

/* --- making --- */

static long create_as(domid_t id, const struct xen_domctl_createdomain *c)
{
	struct domain *d;
	int rc = domain_create(id, false, c->max_vcpus, &d);

	if (rc)
		return rc;
	grant_set_limits(d, c->max_grant_frames, c->max_maptrack_frames);
	d->max_evtchn_port = c->max_evtchn_port;
	d->max_pages = 0;
	d->ssidref = c->ssidref;
	d->ring1_denied = c->flags & PARAPET_CDF_NO_RING1;
	memcpy(d->handle, c->handle, sizeof(d->handle));
	clock_update_wallclock(d);
	return 0;
}

static long create(struct xen_domctl *op)
{
	const struct xen_domctl_createdomain *c = &op->u.createdomain;
	static domid_t last_id;
	domid_t id = op->domain;
	long rc = -EEXIST;

	if (c->flags & ~(u32)(XEN_DOMCTL_CDF_xs_domain | PARAPET_CDF_NO_RING1))
		return refuse(-EINVAL, "createdomain: flags %x: PV domains only", c->flags);
	if (c->iommu_opts || c->vmtrace_size || c->arch.emulation_flags || c->arch.misc_flags)
		return refuse(-EINVAL, "createdomain: IOMMU, tracing or emulation is asked for");
	if (c->cpupool_id)
		return refuse(-ESRCH, "createdomain: there is no CPU pool %u", c->cpupool_id);
	if (XEN_DOMCTL_GRANT_version(c->grant_opts) > 2 || c->max_grant_frames > GRANT_FRAMES_MAX ||
	    c->max_maptrack_frames > MAPTRACK_FRAMES_MAX)
		return refuse(-EINVAL, "createdomain: grants %x, %d frames of %d, %d of maptrack of %d",
			      c->grant_opts, c->max_grant_frames, GRANT_FRAMES_MAX,
			      c->max_maptrack_frames, MAPTRACK_FRAMES_MAX);
	if (id && id < DOMID_FIRST_RESERVED)
		return create_as(id, c);
	for (unsigned int tries = 1; rc == -EEXIST && tries < DOMID_FIRST_RESERVED; tries++) {
		last_id = last_id + 1 < DOMID_FIRST_RESERVED ? last_id + 1 : 1;
		op->domain = last_id;
		rc = domain_lookup(last_id) ? -EEXIST : create_as(last_id, c);
	}
	return rc;
}

static long max_vcpus(struct domain *d, u32 max)
{
	struct vcpu *v;
	int rc = 0;

	if (max != d->max_vcpus)
		return refuse(-EINVAL, "d%u was created for %u vcpus, not %u", d->id, d->max_vcpus,
			      max);
	for (u32 i = 0; !rc && i < max; i++)
		if (!d->vcpu[i])
			rc = vcpu_create(d, i, &v);
	return rc;
}

/* Before the domain has run once: its console and all else that begins with that stay as they are. */
static long unpause(struct domain *d)
{
	if (!d->pause_count)
		return -EINVAL;
	if (d->state == DOM_building && !(d->vcpu[0] && d->vcpu[0]->initialised))
		return refuse(-EINVAL, "d%u has no vcpu context yet", d->id);
	domain_unpause(d);
	return 0;
}

/* --- what it may have of the machine --- */

static long iomem_permission(struct domain *d, const struct xen_domctl_iomem_permission *p)
{
	u64 last = p->first_mfn + p->nr_mfns - 1;

	if (last < p->first_mfn || last >> (52 - PAGE_SHIFT))
		return -EINVAL;
	if (!iorange_allows(&current_vcpu()->domain->iomem, p->first_mfn, last))
		return refuse(-EPERM, "mfns %lx-%lx are not the caller's to give", p->first_mfn, last);
	return (p->allow_access ? iorange_permit : iorange_deny)(&d->iomem, p->first_mfn, last);
}

/* --- its frames --- */

static u64 frame_kind(struct domain *d, u64 mfn)
{
	struct page_info *pg = mfn_is_ram(_mfn(mfn)) ? mfn_to_page(_mfn(mfn)) : NULL;
	enum page_type type;
	u64 kind, word;

	if (!pg || !get_page(pg, d))
		return XEN_DOMCTL_PFINFO_XTAB;
	word = READ_ONCE(pg->word);
	type = PG_type(word);
	kind = (word & PG_validated) && type >= PT_l1 && type <= PT_l4 ?
		(u64)type << XEN_DOMCTL_PFINFO_LTAB_SHIFT : XEN_DOMCTL_PFINFO_NOTAB;
	if (kind && (word & PG_pinned))
		kind |= XEN_DOMCTL_PFINFO_LPINTAB;
	put_page(pg);
	return kind;
}

static long page_frame_info(struct domain *d, const struct xen_domctl_getpageframeinfo3 *p)
{
	u64 mfn, kind;

	if (p->num > 1024)
		return refuse(-E2BIG, "getpageframeinfo3 of %lu frames", p->num);
	for (u64 i = 0; i < p->num; i++) {
		if (copy_from_guest(&mfn, _gva(p->array + i * 8), sizeof(mfn)))
			return -EFAULT;
		kind = frame_kind(d, mfn);
		if (copy_to_guest(_gva(p->array + i * 8), &kind, sizeof(kind)))
			return -EFAULT;
	}
	return 0;
}

/* --- the call --- */

/* 0, -errno, or -ERESTART: to be called again. op goes back to the caller when it succeeds. */
static long on_domain(struct domain *d, struct xen_domctl *op)
{
	bool self = d == current_vcpu()->domain;

	switch (op->cmd) {
	case XEN_DOMCTL_destroydomain:
		return domain_kill(d);
	case XEN_DOMCTL_pausedomain:
		if (self)
			return -EINVAL;
		domain_pause(d);
		return 0;
	case XEN_DOMCTL_unpausedomain:
		return self ? -EINVAL : unpause(d);
	case XEN_DOMCTL_resumedomain:
		if (self || !d->is_shut_down)
			return -EINVAL;
		domain_resume(d);
		return 0;
	case XEN_DOMCTL_max_vcpus:
		return max_vcpus(d, op->u.max_vcpus.max);
	case XEN_DOMCTL_max_mem:
		d->max_pages = (u32)min(op->u.max_mem.max_memkb >> (PAGE_SHIFT - 10), (u64)~0U);
		return 0;
	case XEN_DOMCTL_setdomainhandle:
		memcpy(d->handle, op->u.setdomainhandle.handle, sizeof(d->handle));
		return 0;
	case XEN_DOMCTL_settimeoffset:
		d->time_offset = op->u.settimeoffset.time_offset_seconds;
		clock_update_wallclock(d);
		return 0;
	case XEN_DOMCTL_set_address_size:
		return op->u.address_size.size == 64 ? 0 : -EINVAL;
	case XEN_DOMCTL_get_address_size:
		op->u.address_size.size = 64;
		return 0;
	case XEN_DOMCTL_gettscinfo:
		op->u.tsc_info = (struct xen_domctl_tsc_info){ .tsc_mode = 0,
			.gtsc_khz = arch_tsc_khz(), .elapsed_nsec = now_ns() };
		return 0;
	case XEN_DOMCTL_settscinfo:
		/* emulated TSCs (mode 1) are not for us; 0 and 2 are the same where the TSC is stable */
		return op->u.tsc_info.tsc_mode & ~2U ? -EOPNOTSUPP : 0;
	case XEN_DOMCTL_iomem_permission:
		return iomem_permission(d, &op->u.iomem_permission);
	case XEN_DOMCTL_ioport_permission:
		return op->u.ioport_permission.allow_access ? -EOPNOTSUPP : 0;
	case XEN_DOMCTL_irq_permission:
		return op->u.irq_permission.allow_access ? -EOPNOTSUPP : 0;
	case XEN_DOMCTL_hypercall_init:
		return write_hypercall_page(d, _mfn(op->u.hypercall_init.gmfn));
	case XEN_DOMCTL_getpageframeinfo3:
		return page_frame_info(d, &op->u.getpageframeinfo3);
	}
	return domctl_vcpu(d, op);
}

static long run(struct xen_domctl *op)
{
	struct domain *d;
	long rc;

	if (op->cmd == XEN_DOMCTL_getdomaininfo)
		return get_domain_info(op);
	if (op->cmd == XEN_DOMCTL_createdomain)
		return create(op);
	d = domain_get(op->domain == DOMID_SELF ? current_vcpu()->domain->id : op->domain);
	if (!d)
		return -ESRCH;
	rc = d->state == DOM_dying && op->cmd != XEN_DOMCTL_destroydomain ? -EINVAL :
		on_domain(d, op);
	domain_put(d);
	return rc;
}

/* a1: struct xen_domctl */
HYPERCALL(domctl)
{
	struct xen_domctl op;
	long rc = -ERESTART;
	u32 no = 0;

	if (!current_vcpu()->domain->is_privileged)
		return -EPERM;
	if (copy_from_guest(&op, _gva(a1), sizeof(op)))
		return -EFAULT;
	if (op.interface_version != XEN_DOMCTL_INTERFACE_VERSION)
		return -EACCES;
	if (atomic_cas(&busy, &no, 1)) {
		rc = run(&op);
		WRITE_ONCE(busy, 0);
	}
	if (rc == -ERESTART) {
		/* what has been done of it is noted in the structure (memio) */
		if (copy_to_guest(_gva(a1), &op, sizeof(op)))
			return -EFAULT;
		hypercall_preempt();
		return hypercall_continue(__HYPERVISOR_domctl, a1, a2, a3, a4, a5);
	}
	return rc ?: copy_to_guest(_gva(a1), &op, sizeof(op));
}

/* --- bitmaps of the toolstack's: any length, bits beyond ours are lost or 0 --- */

static long read_bitmap(const struct xenctl_bitmap *b, u64 *out)
{
	*out = 0;
	if (copy_from_guest(out, _gva(b->bitmap), min(DIV_ROUND_UP((u64)b->nr_bits, 8), 8UL)))
		return -EFAULT;
	if (b->nr_bits < 64)
		*out &= BIT(b->nr_bits) - 1;
	return 0;
}

long write_bitmap(const struct xenctl_bitmap *b, u64 bits)
{
	u64 i, bytes = DIV_ROUND_UP((u64)b->nr_bits, 8);
	u8 byte;

	for (i = 0; i < min(bytes, 4096UL); i++) {
		byte = i < 8 ? (u8)(bits >> (8 * i)) : 0;
		if (copy_to_guest(_gva(b->bitmap + i), &byte, 1))
			return -EFAULT;
	}
	return 0;
}

/* --- affinity --- */

static long set_affinity(struct vcpu *v, struct xen_domctl_vcpuaffinity *a)
{
	u64 hard = v->sched.hard_affinity, soft = v->sched.soft_affinity;
	long rc = 0;

	if (v->pinned && (a->flags & XEN_VCPUAFFINITY_HARD) && !(a->flags & XEN_VCPUAFFINITY_FORCE))
		return -EBUSY;
	if (a->flags & XEN_VCPUAFFINITY_HARD)
		rc = read_bitmap(&a->cpumap_hard, &hard);
	if (!rc && (a->flags & XEN_VCPUAFFINITY_SOFT))
		rc = read_bitmap(&a->cpumap_soft, &soft);
	if (!rc && sched_set_affinity(v, hard, soft))
		rc = refuse(-EINVAL, "d%uv%u: no CPU of %lx is there", v->domain->id, v->id, hard);
	if (!rc && (a->flags & XEN_VCPUAFFINITY_HARD))
		rc = write_bitmap(&a->cpumap_hard, hard & cpu_online_map);
	if (!rc && (a->flags & XEN_VCPUAFFINITY_SOFT))
		rc = write_bitmap(&a->cpumap_soft, soft & hard & cpu_online_map);
	return rc;
}

static long get_affinity(struct vcpu *v, struct xen_domctl_vcpuaffinity *a)
{
	long rc = 0;

	if (a->flags & XEN_VCPUAFFINITY_HARD)
		rc = write_bitmap(&a->cpumap_hard, v->sched.hard_affinity);
	if (!rc && (a->flags & XEN_VCPUAFFINITY_SOFT))
		rc = write_bitmap(&a->cpumap_soft, v->sched.soft_affinity);
	return rc;
}

static long scheduler_op(struct domain *d, struct xen_domctl_scheduler_op *s)
{
	struct xen_domctl_sched_credit2 *p = &s->u.credit2;

	if (s->sched_id != XEN_SCHEDULER_CREDIT2)
		return refuse(-EINVAL, "scheduler %u: ours has credit2's parameters", s->sched_id);
	if (s->cmd == XEN_DOMCTL_SCHEDOP_getinfo) {
		*p = (struct xen_domctl_sched_credit2){ d->sched.weight, d->sched.cap };
		return 0;
	}
	if (s->cmd != XEN_DOMCTL_SCHEDOP_putinfo)
		return -EINVAL;
	/* as credit2: 0 leaves the weight, ~0 leaves the cap */
	return sched_set_params(d, p->weight ?: d->sched.weight,
				p->cap == (u16)~0 ? d->sched.cap : p->cap);
}

/* --- contexts --- */

static void fill_context(struct vcpu *v, struct vcpu_guest_context *c)
{
	const struct pv_vcpu *p = &v->pv;

	c->flags = VGCF_i387_valid | (p->in_kernel ? VGCF_in_kernel : 0) |
		(v->pause_flags & VPF_down ? 0 : VGCF_online) |
		(p->failsafe_masks_events ? VGCF_failsafe_disables_events : 0) |
		(p->syscall_masks_events ? VGCF_syscall_disables_events : 0);
	arch_get_fpu(v, c->fpu_ctxt.x);
	c->user_regs = v->regs;
	c->user_regs.rflags = (c->user_regs.rflags & ~(3UL << 12)) | (u64)p->iopl << 12;
	memcpy(c->trap_ctxt, p->traps, sizeof(c->trap_ctxt));
	c->ldt_base = p->ldt_base;
	c->ldt_ents = p->ldt_ents;
	c->gdt_ents = p->gdt_ents;
	for (unsigned int i = 0; i < DIV_ROUND_UP(p->gdt_ents, 512); i++)
		c->gdt_frames[i] = mfn_x(p->gdt_frames[i]);
	c->kernel_ss = p->kernel_ss;
	c->kernel_sp = p->kernel_sp;
	c->ctrlreg[0] = GUEST_CR0 | (p->ts ? X86_CR0_TS : 0);
	c->ctrlreg[1] = mfn_eq(p->root_user, INVALID_MFN) ? 0 : xen_pfn_to_cr3(mfn_x(p->root_user));
	c->ctrlreg[3] = mfn_eq(p->root_kernel, INVALID_MFN) ? 0 :
		xen_pfn_to_cr3(mfn_x(p->root_kernel));
	c->ctrlreg[4] = p->ctrlreg4;
	for (unsigned int i = 0; i < 8; i++)
		c->debugreg[i] = i == 4 || i == 5 ? 0 : p->dr[i];
	c->event_callback_eip = p->event_entry;
	c->failsafe_callback_eip = p->failsafe_entry;
	c->syscall_callback_eip = p->syscall_entry;
	c->vm_assist = p->vm_assist;
	c->fs_base = arch_get_segment_base(v, SEGBASE_FS);
	c->gs_base_kernel = arch_get_segment_base(v, SEGBASE_GS_KERNEL);
	c->gs_base_user = arch_get_segment_base(v, SEGBASE_GS_USER);
}

/* The domain is the caller's or paused: v does not run. */
static long context(struct vcpu *v, const struct xen_domctl_vcpucontext *op, bool set)
{
	struct vcpu_guest_context *c;
	long rc = 0;

	if (v->domain == current_vcpu()->domain)
		return refuse(-EINVAL, "a domain's own vcpu context");
	if (!op->ctxt)
		return refuse(-EOPNOTSUPP, "a vcpu cannot be reset");
	c = hv_new(struct vcpu_guest_context);
	if (!c)
		return -ENOMEM;
	domain_pause(v->domain);
	if (set) {
		rc = copy_from_guest(c, _gva(op->ctxt), sizeof(*c)) ?: set_vcpu_context(v, c);
	} else if (!v->initialised) {
		rc = -ENODATA;
	} else {
		fill_context(v, c);
		rc = copy_to_guest(_gva(op->ctxt), c, sizeof(*c));
	}
	domain_unpause(v->domain);
	hv_free(c);
	return rc;
}

static long ext_context(struct vcpu *v, struct xen_domctl_ext_vcpucontext *e, bool set)
{
	struct pv_vcpu *p = &v->pv;

	if (!set) {
		e->size = offsetof(struct xen_domctl_ext_vcpucontext, mcg_cap);
		e->sysenter_callback_cs = e->syscall32_callback_cs = FLAT_USER_CS;
		e->sysenter_callback_eip = p->sysenter_entry;
		e->sysenter_disables_events = p->sysenter_masks_events;
		e->syscall32_callback_eip = p->syscall32_entry;
		e->syscall32_disables_events = p->syscall32_masks_events;
		return 0;
	}
	if (e->size < offsetof(struct xen_domctl_ext_vcpucontext, mcg_cap))
		return -EINVAL;
	if (!is_canonical(e->sysenter_callback_eip) || !is_canonical(e->syscall32_callback_eip))
		return refuse(-EINVAL, "callbacks at %lx, %lx", e->sysenter_callback_eip,
			      e->syscall32_callback_eip);
	p->sysenter_entry = e->sysenter_callback_eip;
	p->sysenter_masks_events = e->sysenter_disables_events;
	p->syscall32_entry = e->syscall32_callback_eip;
	p->syscall32_masks_events = e->syscall32_disables_events;
	return 0;
}

static long vcpu_info(const struct vcpu *v, struct xen_domctl_getvcpuinfo *i)
{
	i->online = !(v->pause_flags & VPF_down);
	i->blocked = !!(v->pause_flags & VPF_blocked);
	i->running = v->sched.running;
	i->cpu_time = vcpu_cpu_time(v);
	i->cpu = v->processor;
	return 0;
}

/* --- its memory, by the addresses of its first vcpu's kernel --- */

/* One page's part. False: nothing is mapped there, or it may not be written. */
static bool memio_page(struct domain *d, const struct xen_domctl_gdbsx_memio *m, size_t n)
{
	struct page_info *pg = NULL;
	char *at;
	u64 *l1p;
	int rc;

	mmu_lock(d);
	l1p = walk_l1(d->vcpu[0], m->gva);
	if (l1p && (*l1p & PTE_P) && mfn_is_ram(pte_mfn(*l1p)) && get_page(mfn_to_page(pte_mfn(*l1p)), d))
		pg = mfn_to_page(pte_mfn(*l1p));
	mmu_unlock(d);
	if (!pg)
		return false;
	at = (char *)mfn_to_virt(page_to_mfn(pg)) + (m->gva & ~PAGE_MASK);
	if (!m->gwr) {
		rc = copy_to_guest(_gva(m->uva), at, n);
	} else if (!get_page_writable(pg, d)) {
		rc = -EACCES;
	} else {
		rc = copy_from_guest(at, _gva(m->uva), n);
		put_page_writable(pg);
	}
	put_page(pg);
	return !rc;
}

/* remain: bytes not done. When preempted the structure has been moved on. */
static long memio(struct domain *d, struct xen_domctl_gdbsx_memio *m)
{
	unsigned int pages = 0;
	size_t n;

	if (m->pgd3val || !d->vcpu[0])
		return refuse(-EINVAL, "memory of d%u by page tables other than its own", d->id);
	while (m->len) {
		n = min((size_t)m->len, PAGE_SIZE - (m->gva & ~PAGE_MASK));
		if (!memio_page(d, m, n))
			break;
		m->len -= (u32)n;
		m->gva += n;
		m->uva += n;
		if (!(++pages & 31) && m->len && hypercall_preempt())
			return -ERESTART;
	}
	m->remain = m->len;
	return m->len ? -EFAULT : 0;
}

static long domctl_vcpu(struct domain *d, struct xen_domctl *op)
{
	/* those about one vcpu all begin with its number */
	struct vcpu *v = domain_vcpu(d, op->u.vcpucontext.vcpu);

	switch (op->cmd) {
	case XEN_DOMCTL_scheduler_op:
		return scheduler_op(d, &op->u.scheduler_op);
	case XEN_DOMCTL_setnodeaffinity:	/* one node: nothing to choose */
		return 0;
	case XEN_DOMCTL_getnodeaffinity:
		return write_bitmap(&op->u.nodeaffinity.nodemap, 1);
	case XEN_DOMCTL_get_cpu_policy:
		return get_cpu_policy(d, &op->u.cpu_policy);
	case XEN_DOMCTL_set_cpu_policy:
		return set_cpu_policy(d, &op->u.cpu_policy);
	case XEN_DOMCTL_gdbsx_guestmemio:
		return memio(d, &op->u.gdbsx_guest_memio);
	case XEN_DOMCTL_getvcpuinfo:
		return v ? vcpu_info(v, &op->u.getvcpuinfo) : -ESRCH;
	case XEN_DOMCTL_setvcpuaffinity:
		return v ? set_affinity(v, &op->u.vcpuaffinity) : -ESRCH;
	case XEN_DOMCTL_getvcpuaffinity:
		return v ? get_affinity(v, &op->u.vcpuaffinity) : -ESRCH;
	case XEN_DOMCTL_setvcpucontext:
	case XEN_DOMCTL_getvcpucontext:
		return !v ? -ESRCH : context(v, &op->u.vcpucontext,
					     op->cmd == XEN_DOMCTL_setvcpucontext);
	case XEN_DOMCTL_set_ext_vcpucontext:
	case XEN_DOMCTL_get_ext_vcpucontext:
		return !v ? -ESRCH : ext_context(v, &op->u.ext_vcpucontext,
						 op->cmd == XEN_DOMCTL_set_ext_vcpucontext);
	}
	return refuse(-ENOSYS, "domctl %u", op->cmd);
}
