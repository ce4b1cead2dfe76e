/* SPDX-License-Identifier: MIT */
/*
 * control/domctl.c, cpu_policy.c: domains are made and ended whole, in any order of calls.
 */
#include <parapet.h>
#include "world.h"
#include <hv/control.h>
#include <hv/page_alloc.h>
#include <hv/pv.h>
#include <hv/regs.h>

static struct domain *dom0;
static struct xen_domctl op;

static void begin(void)
{
	world_begin(4096, 2);
	dom0 = world_domain(0, 1);
	world_run(dom0->vcpu[0]);
	memset(&op, 0, sizeof(op));
}

static long domctl(u32 cmd, domid_t id)
{
	u64 g;
	long rc;

	op.cmd = cmd;
	op.domain = id;
	op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	g = host_arg(&op, sizeof(op));
	rc = do_domctl(g, 0, 0, 0, 0, 0);
	memcpy(&op, host_arg_ptr(g), sizeof(op));
	return rc;
}

static long create(u32 vcpus)
{
	memset(&op, 0, sizeof(op));
	op.u.createdomain = (struct xen_domctl_createdomain){ .max_vcpus = vcpus, .max_evtchn_port = 100,
		.max_grant_frames = 2, .max_maptrack_frames = 2, .handle = { 7 } };
	return domctl(XEN_DOMCTL_createdomain, 0);
}

static long make_vcpus(domid_t id, u32 n)
{
	memset(&op, 0, sizeof(op));
	op.u.max_vcpus.max = n;
	return domctl(XEN_DOMCTL_max_vcpus, id);
}

static void create_and_destroy(void **state)
{
	struct domain *d;
	domid_t id;

	begin();
	for (unsigned int round = 0; round < 3; round++) {
		assert_int_equal(create(2), 0);
		id = op.domain;
		assert_int_not_equal(id, 0);
		d = domain_lookup(id);
		assert_int_equal(d->max_pages, 0);
		assert_int_equal(d->handle[0], 7);
		assert_int_equal(d->pause_count, 1);
		assert_int_equal(domctl(XEN_DOMCTL_unpausedomain, id), -EINVAL);	/* no context */
		assert_int_equal(make_vcpus(id, 1), -EINVAL);
		assert_int_equal(make_vcpus(id, 2), 0);
		assert_int_equal(make_vcpus(id, 2), 0);
		assert_int_equal(domctl(XEN_DOMCTL_unpausedomain, id), -EINVAL);
		assert_int_equal(domctl(XEN_DOMCTL_destroydomain, id), 0);
		host_run_softirqs();
		assert_null(domain_lookup(id));
		assert_int_equal(domctl(XEN_DOMCTL_destroydomain, id), -ESRCH);
	}
	assert_int_equal(domctl(XEN_DOMCTL_destroydomain, 0), -EINVAL);
	/* a wished id */
	assert_int_equal(create(1), 0);
	id = op.domain;
	op.u.createdomain.max_vcpus = 1;
	assert_int_equal(domctl(XEN_DOMCTL_createdomain, id), -EEXIST);
	assert_int_equal(domctl(XEN_DOMCTL_createdomain, 77), 0);
	assert_int_equal(op.domain, 77);
	world_end();
}

/* No page is lost and no domain is left, at whatever allocation the memory ends. */
static void allocation_failures(void **state)
{
	unsigned long was;
	long rc;

	begin();
	was = world_free_pages();
	for (unsigned int n = 1;; n++) {
		heap_fail_after(n);
		rc = create(3);
		if (!rc)
			rc = make_vcpus(op.domain, 3);
		if (heap_fail_pending())
			break;
		heap_fail_after(0);
		assert_int_equal(rc, -ENOMEM);
		for (domid_t id = 1; id < 64; id++)
			if (domain_lookup(id)) {
				assert_int_equal(make_vcpus(id, 3), 0);	/* what was missing comes */
				assert_int_equal(domctl(XEN_DOMCTL_destroydomain, id), 0);
			}
		host_run_softirqs();
		assert_int_equal(world_free_pages(), was);
		assert_int_equal(audit_all(), 0);
	}
	heap_fail_after(0);
	assert_int_equal(rc, 0);
	world_end();
}

static void refusals(void **state)
{
	domid_t id;

	begin();
	assert_int_equal(create(0), -EINVAL);
	assert_int_equal(create(MAX_VCPUS + 1), -EINVAL);
	for (unsigned int bit = 0; bit < 32; bit++) {
		memset(&op, 0, sizeof(op));
		op.u.createdomain.max_vcpus = 1;
		op.u.createdomain.flags = 1U << bit;
		if (1U << bit != XEN_DOMCTL_CDF_xs_domain && 1U << bit != PARAPET_CDF_NO_RING1)
			assert_int_equal(domctl(XEN_DOMCTL_createdomain, 0), -EINVAL);
	}
	op.u.createdomain.flags = 0;
	op.u.createdomain.max_grant_frames = 1 << 20;
	assert_int_equal(domctl(XEN_DOMCTL_createdomain, 0), -EINVAL);
	op.u.createdomain.max_grant_frames = -1;
	op.u.createdomain.cpupool_id = 3;
	assert_int_equal(domctl(XEN_DOMCTL_createdomain, 0), -ESRCH);
	assert_int_equal(create(1), 0);
	id = op.domain;
	for (u32 mode = 0; mode < 5; mode++) {
		op.u.tsc_info.tsc_mode = mode;
		assert_int_equal(domctl(XEN_DOMCTL_settscinfo, id), mode == 0 || mode == 2 ? 0 : -EOPNOTSUPP);
	}
	/* every command, with nonsense: some answer, and nothing breaks */
	for (u32 cmd = 3; cmd < 100; cmd++) {
		for (unsigned int i = 0; i < sizeof(op.u.pad); i++)
			op.u.pad[i] = (u8)host_random();
		domctl(cmd, id);
	}
	assert_int_equal(audit_all(), 0);
	world_end();
}

static void policies_hide(void **state)
{
	struct cpuid_leaf before, after;
	struct xen_cpuid_leaf x = { .leaf = 1, .subleaf = XEN_CPUID_NO_SUBLEAF };
	struct domain *d;

	begin();
	assert_int_equal(create(1), 0);
	d = domain_lookup(op.domain);
	assert_int_equal(make_vcpus(d->id, 1), 0);
	guest_cpuid(d->vcpu[0], 1, 0, &before);
	x.c = before.c & ~1U;			/* no SSE3 */
	x.d = ~0U;				/* and everything else, which shows nothing new */
	memset(&op, 0, sizeof(op));
	op.u.cpu_policy = (struct xen_domctl_cpu_policy){ .nr_leaves = 1, .leaves = host_arg(&x, sizeof(x)) };
	assert_int_equal(domctl(XEN_DOMCTL_set_cpu_policy, d->id), 0);
	guest_cpuid(d->vcpu[0], 1, 0, &after);
	assert_int_equal(after.c, before.c & ~1U);
	assert_int_equal(after.d, before.d);
	op.u.cpu_policy = (struct xen_domctl_cpu_policy){ .nr_leaves = 1000, .leaves = host_arg(&x, sizeof(x)) };
	assert_int_equal(domctl(XEN_DOMCTL_set_cpu_policy, d->id), -E2BIG);
	d->state = DOM_running;
	op.u.cpu_policy.nr_leaves = 1;
	assert_int_equal(domctl(XEN_DOMCTL_set_cpu_policy, d->id), -EEXIST);
	world_end();
}

static void affinity(void **state)
{
	u64 map = 2, got = 0;
	struct vcpu *v;

	begin();
	assert_int_equal(create(1), 0);
	assert_int_equal(make_vcpus(op.domain, 1), 0);
	v = domain_lookup(op.domain)->vcpu[0];
	op.u.vcpuaffinity = (struct xen_domctl_vcpuaffinity){ .flags = XEN_VCPUAFFINITY_HARD,
		.cpumap_hard = { host_arg(&map, 8), 64 } };
	assert_int_equal(domctl(XEN_DOMCTL_setvcpuaffinity, op.domain), 0);
	assert_int_equal(v->sched.hard_affinity, 2);
	op.u.vcpuaffinity = (struct xen_domctl_vcpuaffinity){ .flags = XEN_VCPUAFFINITY_HARD,
		.cpumap_hard = { host_arg(&got, 8), 4 } };
	assert_int_equal(domctl(XEN_DOMCTL_getvcpuaffinity, op.domain), 0);
	memcpy(&got, host_arg_ptr(op.u.vcpuaffinity.cpumap_hard.bitmap), 8);
	assert_int_equal(got, 2);
	map = 1UL << 40;			/* no such CPU */
	op.u.vcpuaffinity.cpumap_hard = (struct xenctl_bitmap){ host_arg(&map, 8), 64 };
	assert_int_equal(domctl(XEN_DOMCTL_setvcpuaffinity, op.domain), -EINVAL);
	assert_int_equal(v->sched.hard_affinity, 2);
	op.u.vcpuaffinity.vcpu = 9;
	assert_int_equal(domctl(XEN_DOMCTL_setvcpuaffinity, op.domain), -ESRCH);
	world_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(create_and_destroy),
		cmocka_unit_test(allocation_failures),
		cmocka_unit_test(refusals),
		cmocka_unit_test(policies_hide),
		cmocka_unit_test(affinity),
	};

	return host_main(tests);
}
