/* SPDX-License-Identifier: MIT */
/*
 * domctl: the toolstack's calls about one domain.
 *
 * Job:    what a domain is and does; pause and unpause.
 * Enter:  the hypercall table; control/sysctl.c (describe_domain).
 * Caveat: creating, filling, saving and ending domains are missing: -ENOSYS.
 * Tests:  tests/linux
 */
#include <domctl.h>
#include <hv/control.h>
#include <hv/debug.h>
#include <hv/errno.h>
#include <hv/hypercall.h>
#include <hv/string.h>

static void count_vcpus(const struct domain *d, struct xen_domctl_getdomaininfo *i)
{
	const struct vcpu *v;
	u32 n;

	i->flags |= XEN_DOMINF_blocked;
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
			i->flags &= ~XEN_DOMINF_blocked;
		if (v->sched.running)
			i->flags |= XEN_DOMINF_running;
	}
}

void describe_domain(const struct domain *d, struct xen_domctl_getdomaininfo *i)
{
	*i = (struct xen_domctl_getdomaininfo){
		.domain = d->id, .tot_pages = d->nr_pages, .max_pages = d->max_pages,
		.outstanding_pages = d->outstanding_pages, .ssidref = d->ssidref, .gpaddr_bits = 46,
		.shared_info_frame = mfn_x(d->shared_info_mfn), .max_vcpu_id = XEN_INVALID_MAX_VCPU_ID,
		.flags = (u32)d->shutdown_code << XEN_DOMINF_shutdownshift |
			 (d->state >= DOM_dying ? XEN_DOMINF_dying : 0) |
			 (d->is_shut_down ? XEN_DOMINF_shutdown : 0) |
			 (d->pause_count ? XEN_DOMINF_paused : 0) };
	memcpy(i->handle, d->handle, sizeof(i->handle));
	count_vcpus(d, i);
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

/* A domain can do neither to itself. */
static long pause(struct domain *d, bool unpause)
{
	if (d == current_vcpu()->domain || (unpause && !d->pause_count))
		return -EINVAL;
	if (unpause)
		domain_unpause(d);
	else
		domain_pause(d);
	return 0;
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
	switch (op.cmd) {
	case XEN_DOMCTL_getdomaininfo:
		rc = get_domain_info(&op);
		return rc ?: copy_to_guest(_gva(a1), &op, sizeof(op));
	case XEN_DOMCTL_pausedomain:
	case XEN_DOMCTL_unpausedomain:
		d = domain_get(op.domain == DOMID_SELF ? current_vcpu()->domain->id : op.domain);
		if (!d)
			return -ESRCH;
		rc = pause(d, op.cmd == XEN_DOMCTL_unpausedomain);
		domain_put(d);
		return rc;
	}
	return refuse(-ENOSYS, "domctl %u", op.cmd);
}
