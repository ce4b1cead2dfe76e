/* SPDX-License-Identifier: MIT */
/*
 * core/domain.c and core/memory.c: life cycle, references, pauses, crashes, the end; ranges, pirqs.
 */
#include "world.h"
#include <hv/grant.h>
#include <hv/irq.h>
#include <signal.h>
#include <pv-abi/sched.h>

static void create_and_find(void **state)
{
	struct domain *d, *e;
	struct vcpu *v;

	world_begin(4096, 2);
	assert_int_equal(domain_create(7, false, 2, &d), 0);
	assert_int_equal(d->state, DOM_building);
	assert_int_equal(domain_create(7, false, 2, &e), -EEXIST);
	assert_int_equal(domain_create(DOMID_SELF, false, 2, &e), -EINVAL);
	assert_int_equal(domain_create(8, false, 0, &e), -EINVAL);
	assert_int_equal(domain_create(8, false, MAX_VCPUS + 1, &e), -EINVAL);
	assert_ptr_equal(domain_get(7), d);
	assert_int_equal(d->refs, 2);
	domain_put(d);
	assert_null(domain_get(8));
	assert_int_equal(vcpu_create(d, 2, &v), -EINVAL);
	assert_int_equal(vcpu_create(d, 0, &v), 0);
	assert_int_equal(vcpu_create(d, 0, &v), -EINVAL);
	assert_ptr_equal(domain_vcpu(d, 0), v);
	assert_null(domain_vcpu(d, 1));
	assert_null(domain_vcpu(d, ~0UL));
	assert_int_equal(v->pause_flags, VPF_down | VPF_domain_paused);
	assert_int_equal(v->vcpu_info->evtchn_upcall_mask, 1);
	world_end();
}

static void list_is_sorted(void **state)
{
	static const domid_t ids[] = { 5, 1, 9, 3 };
	struct domain *d;
	domid_t last = 0;
	unsigned int n = 0;

	world_begin(4096, 1);
	for (unsigned int i = 0; i < ARRAY_SIZE(ids); i++)
		world_domain(ids[i], 1);
	for (d = domain_next(NULL); d; d = domain_next(d)) {
		assert_true(d->id > last);
		last = d->id;
		n++;
	}
	assert_int_equal(n, 4);
	world_end();
}

static void allocation_failures(void **state)
{
	struct domain *d;
	struct vcpu *v;
	unsigned int n;
	int rc;

	world_begin(4096, 1);
	for (n = 1;; n++) {
		heap_fail_after(n);
		rc = domain_create(0, true, 4, &d);
		if (heap_fail_pending())
			break;
		assert_int_equal(rc, -ENOMEM);
		assert_null(domain_lookup(0));
		assert_int_equal(world_free_pages(), world_free);
	}
	heap_fail_after(0);
	assert_int_equal(rc, 0);
	assert_true(n > 5);
	for (n = 1;; n++) {
		heap_fail_after(n);
		rc = vcpu_create(d, 1, &v);
		if (heap_fail_pending())
			break;
		assert_int_equal(rc, -ENOMEM);
		assert_null(d->vcpu[1]);
	}
	heap_fail_after(0);
	assert_int_equal(rc, 0);
	assert_true(n > 2);
	world_end();			/* finds what was not given back */
}

/* A grant table and its handles grow a step at a time; what failed works the next time. */
static void grant_allocation_failures(void **state)
{
	unsigned int n, failed = 0;
	struct domain *d;

	world_begin(4096, 1);
	d = world_domain(1, 1);
	for (n = 1; heap_fail_after(n), !grant_frame(d, 7); n++)
		failed++;
	assert_true(failed >= 3);
	assert_int_equal(audit_all(), 0);
	for (n = 1, failed = 0; heap_fail_after(n), maptrack_new(d) == ~0U; n++)
		failed++;
	assert_true(failed >= 2);
	heap_fail_after(0);
	assert_int_equal(maptrack_new(d), 1);
	world_end();
}

static void pauses_nest(void **state)
{
	struct domain *d;
	struct vcpu *v;

	world_begin(4096, 1);
	d = world_domain(1, 2);
	v = d->vcpu[1];
	assert_int_equal(d->pause_count, 1);
	domain_unpause(d);
	assert_int_equal(v->pause_flags, 0);
	domain_pause(d);
	domain_pause(d);
	domain_unpause(d);
	assert_int_equal(v->pause_flags, VPF_domain_paused);
	vcpu_pause(v);
	domain_unpause(d);
	assert_int_equal(v->pause_flags, VPF_vcpu_paused);
	assert_int_equal(d->vcpu[0]->pause_flags, 0);
	vcpu_unpause(v);
	assert_int_equal(v->pause_flags, 0);
	world_end();
}

static void shutdown_and_crash(void **state)
{
	struct domain *dom0, *d;

	world_begin(4096, 1);
	dom0 = world_domain(0, 1);
	d = world_domain(1, 2);
	domain_unpause(d);
	dom0->vcpu[0]->virq_to_port[VIRQ_DOM_EXC] = 0;
	domain_shutdown(d, SHUTDOWN_suspend);
	assert_true(d->is_shut_down);
	assert_int_equal(d->shutdown_code, SHUTDOWN_suspend);
	assert_int_equal(d->vcpu[1]->pause_flags, VPF_shutdown);
	domain_shutdown(d, SHUTDOWN_crash);		/* the first reason stays */
	assert_int_equal(d->shutdown_code, SHUTDOWN_suspend);
	d = world_domain(2, 1);
	domain_crash(d, "reason %d", 1);
	domain_crash(d, "reason %d", 2);
	assert_string_equal(d->crash_reason, "reason 1");
	assert_int_equal(d->shutdown_code, SHUTDOWN_crash);
	world_end();
}

static struct domain *watched;
static unsigned int steps_before, steps_after, faults;

/* After each machine instruction. */
static void look(int sig)
{
	if (!READ_ONCE(watched->is_shut_down))
		steps_before++;
	else
		steps_after++;
	faults += READ_ONCE(watched->is_shut_down) && watched->shutdown_code != SHUTDOWN_suspend;
}

/* Who sees that a domain has shut down, on whatever CPU, finds the reason. */
static void reason_comes_first(void **state)
{
	const unsigned long single_step = 0x100;

	world_begin(4096, 1);
	watched = world_domain(1, 1);
	watched->shutdown_code = 99;
	domain_unpause(watched);
	signal(SIGTRAP, look);
	__builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() | single_step);
	domain_shutdown(watched, SHUTDOWN_suspend);
	__builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() & ~single_step);
	signal(SIGTRAP, SIG_DFL);
	assert_true(steps_before > 10 && steps_after > 10);
	assert_int_equal(faults, 0);
	world_end();
}

static void crash_dom0(void *d)
{
	domain_crash(d, "gone");
}

static void poweroff_dom0(void *d)
{
	domain_shutdown(d, SHUTDOWN_poweroff);
}

static void hardware_domain_takes_the_machine(void **state)
{
	struct domain *d;

	world_begin(4096, 1);
	d = world_domain(0, 1);
	assert_true(host_panics(poweroff_dom0, d));
	assert_string_equal(host_last_message, "arch_shutdown(0)");
	assert_true(host_panics(crash_dom0, d));
	assert_string_equal(host_last_message, "arch_shutdown(1)");
	world_end();
}

/* n frames for d; some become page tables that are pinned. */
static void fill(struct domain *d, unsigned int n)
{
	struct page_info *pg, *l1[4], *l2;
	u64 *t;

	for (unsigned int i = 0; i < n; i++) {
		pg = alloc_page(ALLOC_ZERO);
		assert_non_null(pg);
		assert_int_equal(assign_page(d, pg, false), 0);
		if (i < 4)
			l1[i] = pg;
		else if (i == 4)
			l2 = pg;
	}
	if (n < 5)
		return;
	t = mfn_to_virt(page_to_mfn(l1[0]));
	t[3] = make_pte(page_to_mfn(pg), PTE_P | PTE_RW | PTE_US);
	t = mfn_to_virt(page_to_mfn(l2));
	for (unsigned int i = 0; i < 4; i++)
		t[i] = make_pte(page_to_mfn(l1[i]), PTE_P | PTE_RW | PTE_US);
	mmu_lock(d);
	for (unsigned int i = 0; i < 4; i++) {
		assert_int_equal(get_page_and_type(l1[i], d, PT_l1), 0);
		if (i)
			put_page_and_type(l1[i]);	/* stays validated */
		else
			atomic_or(&l1[i]->word, PG_pinned);
	}
	assert_int_equal(get_page_and_type(l2, d, PT_l2), 0);
	atomic_or(&l2->word, PG_pinned);
	mmu_unlock(d);
}

static void kill_gives_all_back(void **state)
{
	struct domain *d;
	unsigned int steps = 0;
	int rc;

	world_begin(4096, 1);
	d = world_domain(3, 4);
	fill(d, 1000);
	assert_int_equal(audit_all(), 0);
	assert_ptr_equal(domain_get(3), d);
	do {
		*softirq_pending(0) = BIT(SOFTIRQ_KEY);	/* somebody always wants the CPU */
		rc = domain_kill(d);
		steps++;
	} while (rc == -ERESTART);
	*softirq_pending(0) = 0;
	assert_int_equal(rc, 0);
	assert_true(steps > 16 && steps < 200);	/* 64 pages each */
	assert_int_equal(d->nr_pages, 0);
	assert_int_equal(d->state, DOM_dead);
	assert_null(domain_get(3));
	assert_ptr_equal(domain_lookup(3), d);		/* still held by us */
	domain_put(d);
	host_run_softirqs();
	assert_null(domain_lookup(3));
	world_end();
}

static void foreign_reference_keeps_the_id(void **state)
{
	struct page_info *pg;
	struct domain *d, *e;

	world_begin(4096, 1);
	d = world_domain(3, 1);
	fill(d, 10);
	pg = mfn_to_page(_mfn(d->page_list.head));
	assert_true(get_page(pg, d));
	world_kill(d);
	assert_ptr_equal(domain_lookup(3), d);
	assert_null(domain_get(3));
	assert_int_equal(d->nr_pages, 1);
	assert_int_equal(domain_create(3, false, 1, &e), -EEXIST);
	put_page(pg);
	host_run_softirqs();
	assert_null(domain_lookup(3));
	world_end();
}

static void who_cannot_be_killed(void **state)
{
	struct domain *dom0, *d;

	world_begin(4096, 1);
	dom0 = world_domain(0, 1);
	d = world_domain(1, 1);
	world_run(d->vcpu[0]);
	assert_int_equal(domain_kill(dom0), -EINVAL);
	assert_int_equal(domain_kill(d), -EINVAL);
	assert_int_equal(domain_kill(idle_domain), -EINVAL);
	world_end();
}

/* Random permits and denials against a plain bitmap. */
static void ranges(void **state)
{
	struct ioranges r = { 0 };
	bool bits[256] = { false }, all;
	u64 a, b, i;
	int rc;

	for (unsigned int n = 0; n < 20000; n++) {
		a = host_random_below(256);
		b = min(255UL, a + host_random_below(40));
		if (n % 2)
			rc = iorange_permit(&r, a, b);
		else
			rc = iorange_deny(&r, a, b);
		if (!rc)
			for (i = a; i <= b; i++)
				bits[i] = n % 2;
		else
			assert_int_equal(rc, -ENOMEM);
		for (i = 0; i + 1 < r.count; i++)
			assert_true(r.r[i].last + 1 < r.r[i + 1].first);
		a = host_random_below(256);
		b = min(255UL, a + host_random_below(10));
		for (all = true, i = a; i <= b; i++)
			all &= bits[i];
		assert_int_equal(iorange_allows(&r, a, b), all);
	}
	r.count = 0;
	assert_int_equal(iorange_permit(&r, 0, ~0UL), 0);
	assert_int_equal(iorange_deny(&r, 5, 5), 0);
	assert_true(iorange_allows(&r, 6, ~0UL));
	assert_int_equal(iorange_permit(&r, 5, 5), 0);
	assert_int_equal(r.count, 1);
	assert_int_equal(iorange_permit(&r, 2, 1), -EINVAL);
}

static int freed_msi, nr_freed;

void irq_free_msi(int irq)
{
	freed_msi = irq;
	nr_freed++;
}

static void pirqs(void **state)
{
	struct domain *d;
	unsigned int n;

	world_begin(4096, 1);
	d = world_domain(0, 1);
	nr_freed = 0;
	assert_int_equal(pirq_map(d, 5, 5, 1), 5);
	assert_int_equal(pirq_map(d, 5, 5, 1), -EEXIST);
	assert_int_equal(pirq_map(d, 5, 6, 1), -EBUSY);
	assert_int_equal(pirq_map(d, -1, 9, 1), 9);
	assert_int_equal(pirq_map(d, NR_PIRQS, 9, 1), -EINVAL);
	assert_int_equal(pirq_map(d, -1, 40, 4), nr_gsis);
	/* the group goes with its last member, whoever has taken a number meanwhile */
	assert_int_equal(pirq_unmap(d, nr_gsis), 0);
	assert_int_equal(pirq_map(d, nr_gsis, 99, 1), nr_gsis);
	assert_int_equal(pirq_unmap(d, nr_gsis + 1), 0);
	assert_int_equal(pirq_unmap(d, nr_gsis + 1), -EINVAL);
	assert_int_equal(pirq_unmap(d, nr_gsis + 3), 0);
	assert_int_equal(nr_freed, 0);
	assert_int_equal(pirq_unmap(d, nr_gsis + 2), 0);
	assert_int_equal(nr_freed, 1);
	assert_int_equal(freed_msi, 42);
	for (n = 1; n < 4; n++) {
		heap_fail_after(n);
		assert_int_equal(pirq_map(d, -1, 50, 3), -ENOMEM);
	}
	while (pirq_map(d, -1, 60, 1) > 0)
		;
	assert_int_equal(pirq_map(d, -1, 60, 1), -ENOSPC);
	world_end();
	assert_true(nr_freed > 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(create_and_find),
		cmocka_unit_test(list_is_sorted),
		cmocka_unit_test(allocation_failures),
		cmocka_unit_test(grant_allocation_failures),
		cmocka_unit_test(pauses_nest),
		cmocka_unit_test(shutdown_and_crash),
		cmocka_unit_test(reason_comes_first),
		cmocka_unit_test(hardware_domain_takes_the_machine),
		cmocka_unit_test(kill_gives_all_back),
		cmocka_unit_test(foreign_reference_keeps_the_id),
		cmocka_unit_test(who_cannot_be_killed),
		cmocka_unit_test(ranges),
		cmocka_unit_test(pirqs),
	};

	return host_main(tests);
}
