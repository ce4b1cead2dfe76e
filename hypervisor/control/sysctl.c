/* SPDX-License-Identifier: MIT */
/*
 * sysctl: the toolstack's calls about the whole machine.
 *
 * Job:    the log, the machine's size, the list of domains, debug keys.
 * Enter:  the hypercall table.
 * Caveat: topology, CPU pools, scheduler parameters and CPU policies are missing: -ENOSYS.
 * Tests:  tests/linux
 */
#include <sysctl.h>
#include <hv/control.h>
#include <hv/debug.h>
#include <hv/errno.h>
#include <hv/hypercall.h>
#include <hv/page_alloc.h>

static long read_console(struct xen_sysctl_readconsole *r)
{
	char text[256];
	u32 done = 0, index = r->index;
	bool incremental = r->incremental;
	size_t n;

	do {
		n = console_ring_read(text, min(sizeof(text), (size_t)(r->count - done)), &index,
				      false, incremental);
		if (copy_to_guest(_gva(r->buffer + done), text, n))
			return -EFAULT;
		done += (u32)n;
		incremental = true;
	} while (n && done < r->count);
	if (r->clear)			/* the reader has it all */
		console_ring_read(text, 0, &index, true, true);
	r->count = done;
	r->index = index;
	return 0;
}

static void physinfo(struct xen_sysctl_physinfo *p)
{
	u32 cpus = (u32)__builtin_popcountl(cpu_online_map);
	struct cpuid_leaf l1, e1, l7, e7;
	struct domain *d;

	arch_cpuid(1, 0, &l1);
	arch_cpuid(7, 0, &l7);
	arch_cpuid(0x80000001, 0, &e1);
	arch_cpuid(0x80000007, 0, &e7);
	*p = (struct xen_sysctl_physinfo){
		.threads_per_core = 1, .nr_cpus = cpus, .cores_per_socket = cpus, .nr_nodes = 1,
		.max_cpu_id = nr_cpus_present - 1, .cpu_khz = arch_tsc_khz(),
		.capabilities = XEN_SYSCTL_PHYSCAP_pv | XEN_SYSCTL_PHYSCAP_gnttab_v1,
		.total_pages = total_pages, .free_pages = free_page_count(), .max_mfn = max_page - 1,
		.hw_cap = { l1.d, l1.c, e1.d, e1.c, 0, l7.b, l7.c, e7.d } };
	for (d = domain_next(NULL); d; d = domain_next(d))
		p->outstanding_pages += d->outstanding_pages;
}

static long list_domains(struct xen_sysctl_getdomaininfolist *l)
{
	struct xen_domctl_getdomaininfo i;
	struct domain *d;
	long rc = 0;

	l->num_domains = 0;
	for (d = domain_next(NULL); d; d = domain_next(d)) {
		if (d->id < l->first_domain)
			continue;
		if (l->num_domains == l->max_domains)
			break;
		describe_domain(d, &i);
		rc = copy_to_guest(_gva(l->buffer + l->num_domains * sizeof(i)), &i, sizeof(i));
		if (rc)
			break;
		l->num_domains++;
	}
	if (d)
		domain_put(d);
	return rc;
}

static long debug_keys(const struct xen_sysctl_debug_keys *k)
{
	char key;
	u32 i;

	if (k->nr_keys > 64)
		return -EINVAL;
	for (i = 0; i < k->nr_keys; i++) {
		if (copy_from_guest(&key, _gva(k->keys + i), 1))
			return -EFAULT;
		debug_key(key);
	}
	return 0;
}

/* a1: struct xen_sysctl; it goes back whole when the operation succeeds */
HYPERCALL(sysctl)
{
	struct xen_sysctl op;
	long rc = 0;

	if (!current_vcpu()->domain->is_privileged)
		return -EPERM;
	if (copy_from_guest(&op, _gva(a1), sizeof(op)))
		return -EFAULT;
	if (op.interface_version != XEN_SYSCTL_INTERFACE_VERSION)
		return -EACCES;
	switch (op.cmd) {
	case XEN_SYSCTL_readconsole:
		rc = read_console(&op.u.readconsole);
		break;
	case XEN_SYSCTL_physinfo:
		physinfo(&op.u.physinfo);
		break;
	case XEN_SYSCTL_sched_id:
		op.u.sched_id.sched_id = XEN_SCHEDULER_CREDIT2;	/* its parameters are ours */
		break;
	case XEN_SYSCTL_getdomaininfolist:
		rc = list_domains(&op.u.getdomaininfolist);
		break;
	case XEN_SYSCTL_debug_keys:
		rc = debug_keys(&op.u.debug_keys);
		break;
	default:
		return refuse(-ENOSYS, "sysctl %u", op.cmd);
	}
	return rc ?: copy_to_guest(_gva(a1), &op, sizeof(op));
}
