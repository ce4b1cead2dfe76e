/* SPDX-License-Identifier: MIT */
/*
 * Job:    sysctl: the log, the machine's size and shape, the list of domains, the scheduler's
 *         parameters.
 * Enter:  the hypercall table.
 * Tests:  tests/host/test_hypercall.c, tests/guests/domains.c
 */
#include <hv/continue.h>
#include <hv/control.h>
#include <hv/debug.h>
#include <hv/page_alloc.h>

static u32 nr_cpus_online(void)
{
	return (u32)__builtin_popcountl(cpu_online_map);
}

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
	struct cpuid_leaf l1 = arch_cpuid(1, 0), e1 = arch_cpuid(0x80000001, 0);
	struct cpuid_leaf l7 = arch_cpuid(7, 0), e7 = arch_cpuid(0x80000007, 0);

	*p = (struct xen_sysctl_physinfo){
		.threads_per_core = 1, .nr_cpus = nr_cpus_online(),
		.cores_per_socket = nr_cpus_online(), .max_cpu_id = nr_cpus_present - 1,
		.nr_nodes = 1, .cpu_khz = arch_tsc_khz(),
		.capabilities = XEN_SYSCTL_PHYSCAP_pv | XEN_SYSCTL_PHYSCAP_gnttab_v1,
		.total_pages = total_pages, .free_pages = free_page_count(),
		.max_mfn = max_page - 1, .outstanding_pages = claimed_pages,
		.hw_cap = { l1.d, l1.c, e1.d, e1.c, 0, l7.b, l7.c, e7.d },
	};
}

static long list_domains(struct xen_sysctl_getdomaininfolist *l)
{
	struct xen_domctl_getdomaininfo i;
	long rc = 0;

	l->num_domains = 0;
	for (struct domain *d = domain_next(NULL); d; d = domain_next(d)) {
		if (d->id < l->first_domain)
			continue;
		if (l->num_domains < l->max_domains) {
			describe_domain(d, &i);
			rc = copy_to_guest(_gva(l->buffer + l->num_domains * sizeof(i)), &i, sizeof(i));
		}
		if (rc || l->num_domains == l->max_domains) {
			domain_put(d);
			break;
		}
		l->num_domains++;
	}
	return rc ? -EFAULT : 0;
}

static long debug_keys(const struct xen_sysctl_debug_keys *k)
{
	char key;

	if (k->nr_keys > 64)
		return -EINVAL;
	for (u32 i = 0; i < k->nr_keys; i++) {
		if (copy_from_guest(&key, _gva(k->keys + i), 1))
			return -EFAULT;
		debug_key(key);
	}
	return 0;
}

/* Every CPU is a core of one socket and one node; CPUs that are absent have no place. */
static long cpu_topology(struct xen_sysctl_cputopoinfo *t)
{
	struct xen_sysctl_cputopo c;
	u32 i;

	for (i = 0; t->cputopo && i < nr_cpus_present && i < t->num_cpus; i++) {
		c = cpu_online_map & BIT(i) ? (struct xen_sysctl_cputopo){ i, 0, 0 } :
			(struct xen_sysctl_cputopo){ XEN_INVALID_CORE_ID, XEN_INVALID_SOCKET_ID,
						     XEN_INVALID_NODE_ID };
		if (copy_to_guest(_gva(t->cputopo + i * sizeof(c)), &c, sizeof(c)))
			return -EFAULT;
	}
	t->num_cpus = t->cputopo ? i : nr_cpus_present;
	return 0;
}

static long numa(struct xen_sysctl_numainfo *n)
{
	struct xen_sysctl_meminfo m = { total_pages << PAGE_SHIFT, free_page_count() << PAGE_SHIFT };
	u32 distance = 10;

	if (n->num_nodes && n->meminfo && copy_to_guest(_gva(n->meminfo), &m, sizeof(m)))
		return -EFAULT;
	if (n->num_nodes && n->distance &&
	    copy_to_guest(_gva(n->distance), &distance, sizeof(distance)))
		return -EFAULT;
	n->num_nodes = 1;
	return 0;
}

/* There is pool 0, which has all CPUs and domains. */
static long cpupool(struct xen_sysctl_cpupool_op *p)
{
	switch (p->op) {
	case XEN_SYSCTL_CPUPOOL_OP_INFO:
		if (p->cpupool_id && p->cpupool_id != XEN_SYSCTL_CPUPOOL_PAR_ANY)
			return -ENOENT;
		p->cpupool_id = p->n_dom = 0;
		p->sched_id = XEN_SCHEDULER_CREDIT2;
		for (struct domain *d = domain_next(NULL); d; d = domain_next(d))
			p->n_dom++;
		return write_bitmap(&p->cpumap, cpu_online_map);
	case XEN_SYSCTL_CPUPOOL_OP_FREEINFO:
		return write_bitmap(&p->cpumap, 0);
	case XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN:
		return p->cpupool_id ? -ENOENT : 0;
	}
	return refuse(-EOPNOTSUPP, "CPU pool operation %u: there is one pool", p->op);
}

static long scheduler(struct xen_sysctl_scheduler_op *s)
{
	u32 *us;

	if (s->sched_id != XEN_SCHEDULER_CREDIT2 || s->cpupool_id)
		return -EINVAL;
	us = &s->u.sched_credit2.ratelimit_us;
	if (s->cmd == XEN_SYSCTL_SCHEDOP_getinfo) {
		*us = sched_min_slice;
		return 0;
	}
	if (s->cmd != XEN_SYSCTL_SCHEDOP_putinfo)
		return -EINVAL;
	if (*us && (*us < XEN_SYSCTL_SCHED_RATELIMIT_MIN || *us > XEN_SYSCTL_SCHED_RATELIMIT_MAX))
		return refuse(-EINVAL, "a rate limit of %u us", *us);
	sched_min_slice = *us;
	return 0;
}

static long cpu_times(struct xen_sysctl_getcpuinfo *g)
{
	struct xen_sysctl_cpuinfo c;
	u32 i;

	for (i = 0; i < nr_cpus_present && i < g->max_cpus; i++) {
		c.idletime = vcpu_cpu_time(idle_vcpu[i]);
		if (copy_to_guest(_gva(g->info + i * sizeof(c)), &c, sizeof(c)))
			return -EFAULT;
	}
	g->nr_cpus = i;
	return 0;
}

static long run(struct xen_sysctl *op)
{
	switch (op->cmd) {
	case XEN_SYSCTL_readconsole:
		return read_console(&op->u.readconsole);
	case XEN_SYSCTL_physinfo:
		physinfo(&op->u.physinfo);
		return 0;
	case XEN_SYSCTL_sched_id:
		op->u.sched_id.sched_id = XEN_SCHEDULER_CREDIT2;	/* its parameters are ours */
		return 0;
	case XEN_SYSCTL_getdomaininfolist:
		return list_domains(&op->u.getdomaininfolist);
	case XEN_SYSCTL_debug_keys:
		return debug_keys(&op->u.debug_keys);
	case XEN_SYSCTL_getcpuinfo:
		return cpu_times(&op->u.getcpuinfo);
	case XEN_SYSCTL_availheap:
		op->u.availheap.avail_bytes = free_page_count() << PAGE_SHIFT;
		return 0;
	case XEN_SYSCTL_cputopoinfo:
		return cpu_topology(&op->u.cputopoinfo);
	case XEN_SYSCTL_numainfo:
		return numa(&op->u.numainfo);
	case XEN_SYSCTL_cpupool_op:
		return cpupool(&op->u.cpupool_op);
	case XEN_SYSCTL_scheduler_op:
		return scheduler(&op->u.scheduler_op);
	case XEN_SYSCTL_get_cpu_featureset:
		return cpu_featureset(&op->u.cpu_featureset);
	case XEN_SYSCTL_get_cpu_policy:
		return system_cpu_policy(&op->u.cpu_policy);
	case PARAPET_SYSCTL_trace:
		return trace_control((void *)&op->u);
	}
	return refuse(-ENOSYS, "sysctl %u", op->cmd);
}

/* a1: struct xen_sysctl; it goes back whole when the operation succeeds */
HYPERCALL(sysctl)
{
	struct xen_sysctl op;

	if (!current_vcpu()->domain->is_privileged)
		return -EPERM;
	if (copy_from_guest(&op, _gva(a1), sizeof(op)))
		return -EFAULT;
	if (op.interface_version != XEN_SYSCTL_INTERFACE_VERSION)
		return -EACCES;
	return run(&op) ?: copy_to_guest(_gva(a1), &op, sizeof(op));
}
