/* SPDX-License-Identifier: MIT */
/*
 * domctl: the toolstack's calls about one domain.
 *
 * Job:    what a domain is and does; pause and unpause.
 * Enter:  the hypercall table; control/sysctl.c (describe_domain).
 * State:  none of its own.
 * Locks:  domctl_lock (RANK_DOMCTL) is not needed yet: nothing here builds or ends a domain.
 * Caveat: creating, filling, saving and ending domains are missing: -ENOSYS.
 * Tests:  tests/host/test_domctl.c
 */
#include <domctl.h>
#include <hv/control.h>
#include <hv/debug.h>
#include <hv/errno.h>
#include <hv/hypercall.h>
#include <hv/string.h>

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
	i->flags = vcpu_states(d, i);
	if (d->state >= DOM_dying)
		i->flags |= XEN_DOMINF_dying;
	if (d->is_shut_down)
		i->flags |= XEN_DOMINF_shutdown;
	if (d->pause_count)
		i->flags |= XEN_DOMINF_paused;
	i->flags |= (u32)d->shutdown_code << XEN_DOMINF_shutdownshift;
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

static long on_domain(struct domain *d, struct xen_domctl *op)
{
	bool self = d == current_vcpu()->domain;

	switch (op->cmd) {
	case XEN_DOMCTL_pausedomain:
		if (self)
			return -EINVAL;
		domain_pause(d);
		return 0;
	case XEN_DOMCTL_unpausedomain:
		if (self || !d->pause_count)
			return -EINVAL;
		domain_unpause(d);
		return 0;
	}
	return refuse(-ENOSYS, "domctl %u", op->cmd);
}

/* a1: struct xen_domctl */
HYPERCALL(domctl)
{
	struct xen_domctl op;
	struct domain *d;
	long rc;

	if (!current_vcpu()->domain->is_privileged)
		return -EPERM;
	if (copy_from_guest(&op, _gva(a1), sizeof(op)))
		return -EFAULT;
	if (op.interface_version != XEN_DOMCTL_INTERFACE_VERSION)
		return -EACCES;
	if (op.cmd == XEN_DOMCTL_getdomaininfo) {
		rc = get_domain_info(&op);
		return rc ?: copy_to_guest(_gva(a1), &op, sizeof(op));
	}
	if (op.cmd == XEN_DOMCTL_createdomain)
		return refuse(-ENOSYS, "domctl createdomain");
	d = domain_get(op.domain == DOMID_SELF ? current_vcpu()->domain->id : op.domain);
	if (!d)
		return -ESRCH;
	rc = on_domain(d, &op);
	domain_put(d);
	return rc;
}
