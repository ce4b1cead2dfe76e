/* SPDX-License-Identifier: MIT */
/*
 * Job:    domctl: make, fill, limit, pause, describe and end domains. What is about vcpus:
 *         domctl_vcpu.c.
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
#include <hv/pv.h>
#include <hv/string.h>

static u32 busy;

static u32 vcpu_states(const struct domain *d, struct xen_domctl_getdomaininfo *i)
{
	u32 flags = XEN_DOMINF_blocked, n;
	const struct vcpu *v;

	i->max_vcpu_id = XEN_INVALID_MAX_VCPU_ID;
	for (n = 0; n < d->max_vcpus; n++) {
		v = d->vcpu[n];
		if (!v)
			continue;
		i->max_vcpu_id = n;
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
