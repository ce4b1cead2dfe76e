/* SPDX-License-Identifier: MIT */
/*
 * core/memory.c: reservations, exchange, claims, maps; what fails leaves nothing half done.
 */
#include "world.h"
#include <pv-abi/memory.h>

static struct domain *dom0, *dom1;

static void begin(void)
{
	world_begin(8192, 1);
	dom0 = world_domain(0, 1);
	dom1 = world_domain(1, 1);
	world_run(dom1->vcpu[0]);
}

static long memory(u64 cmd, void *s, size_t size)
{
	u64 g = host_arg(s, size);
	long rc = do_memory_op(cmd, g, 0, 0, 0, 0);

	memcpy(s, host_arg_ptr(g), size);
	return rc;
}

/* A reservation of n extents; the list holds first, first + step, ... */
static struct xen_memory_reservation list(u64 n, unsigned int order, u64 first, u64 step)
{
	struct xen_memory_reservation r = {
		.extent_start = host_arg(NULL, n * 8), .nr_extents = n, .extent_order = order,
		.domid = DOMID_SELF,
	};
	u64 *p = host_arg_ptr(r.extent_start);

	for (u64 i = 0; i < n; i++)
		p[i] = first + i * step;
	return r;
}

static u64 *items(const struct xen_memory_reservation *r)
{
	return host_arg_ptr(r->extent_start);
}

static long call(u64 cmd, struct xen_memory_reservation *r)
{
	return memory(cmd, r, sizeof(*r));
}

static void populate_and_decrease(void **state)
{
	struct xen_memory_reservation r;

	begin();
	r = list(100, 0, 5000, 1);
	assert_int_equal(call(XENMEM_populate_physmap, &r), 100);
	assert_int_equal(dom1->nr_pages, 100);
	for (u64 i = 0; i < 100; i++) {
		assert_int_equal(mfn_to_page(_mfn(items(&r)[i]))->owner, 1);
		assert_int_equal(get_m2p(_mfn(items(&r)[i])), 5000 + i);
	}
	assert_int_equal(call(XENMEM_decrease_reservation, &r), 100);
	assert_int_equal(dom1->nr_pages, 0);
	assert_int_equal(get_m2p(_mfn(items(&r)[7])), INVALID_M2P);
	assert_int_equal(call(XENMEM_decrease_reservation, &r), 0);	/* no longer its own */
	r = list(4, 5, 0, 32);
	assert_int_equal(call(XENMEM_populate_physmap, &r), 4);
	assert_int_equal(dom1->nr_pages, 128);
	assert_int_equal(get_m2p(_mfn(items(&r)[2] + 31)), 95);
	assert_int_equal(items(&r)[1] & 31, 0);
	assert_int_equal(call(XENMEM_increase_reservation, &r), 4);
	assert_int_equal(call(XENMEM_decrease_reservation, &r), 4);
	world_end();
}

static void fresh_frames_are_empty(void **state)
{
	struct xen_memory_reservation r;
	bool clean = true;

	begin();
	r = list(50, 0, 0, 1);
	call(XENMEM_populate_physmap, &r);
	for (int i = 0; i < 50; i++)
		memset(mfn_to_virt(_mfn(items(&r)[i])), 0xaa, PAGE_SIZE);
	call(XENMEM_decrease_reservation, &r);
	r = list(60, 0, 0, 1);
	assert_int_equal(call(XENMEM_populate_physmap, &r), 60);
	for (int i = 0; i < 60; i++)
		for (int k = 0; k < 512; k++)
			clean &= !((u64 *)mfn_to_virt(_mfn(items(&r)[i])))[k];
	assert_true(clean);
	world_end();
}

static void limits(void **state)
{
	struct xen_memory_reservation r;
	u64 free;

	begin();
	dom1->max_pages = 70;
	r = list(100, 0, 0, 1);
	assert_int_equal(call(XENMEM_populate_physmap, &r), 70);
	r = list(1, 3, 0, 1);
	assert_int_equal(call(XENMEM_populate_physmap, &r), 0);
	dom1->max_pages = ~0U;
	r.extent_order = 10;		/* too large for an ordinary domain */
	assert_int_equal(call(XENMEM_populate_physmap, &r), 0);
	r.extent_order = 0;
	r.domid = 0;
	assert_int_equal(call(XENMEM_populate_physmap, &r), 0);	/* not privileged */
	r.domid = DOMID_SELF;
	r.mem_flags = XENMEMF_address_bits(12);
	assert_int_equal(call(XENMEM_populate_physmap, &r), 0);
	r.mem_flags = XENMEMF_address_bits(20);	/* below 1 MiB */
	assert_int_equal(call(XENMEM_populate_physmap, &r), 1);
	assert_true(items(&r)[0] < 256);
	r = list(1, 0, 0, 1);
	r.nr_extents = ~0UL;
	assert_int_equal(call(XENMEM_populate_physmap, &r), 0);
	r.nr_extents = 1;
	r.extent_start = 0x1000;		/* not mapped: no frame is lost */
	free = free_page_count();
	assert_int_equal(call(XENMEM_populate_physmap, &r), 0);
	assert_int_equal(free_page_count(), free);
	assert_int_equal(do_memory_op(XENMEM_populate_physmap, 0x1000, 0, 0, 0, 0), 0);
	/* the foreign domain's pages, by dom0 */
	host_set_current(dom0->vcpu[0]);
	r = list(5, 0, 0, 1);
	r.domid = 1;
	assert_int_equal(call(XENMEM_populate_physmap, &r), 5);
	assert_int_equal(mfn_to_page(_mfn(items(&r)[0]))->owner, 1);
	r.domid = DOMID_SELF;
	assert_int_equal(call(XENMEM_decrease_reservation, &r), 0);
	r.domid = 1;
	assert_int_equal(call(XENMEM_decrease_reservation, &r), 5);
	world_end();
}

static void memory_runs_out(void **state)
{
	struct xen_memory_reservation r;
	u64 free, done;

	begin();
	r = list(8192, 0, 0, 1);
	free = free_page_count();
	done = (u64)call(XENMEM_populate_physmap, &r);
	assert_true(done > 7000 && done <= free);
	assert_int_equal(dom1->nr_pages, done);
	r.nr_extents = done;		/* the audit needs some */
	assert_int_equal(call(XENMEM_decrease_reservation, &r), done);
	world_end();
}

static void continuations(void **state)
{
	struct xen_memory_reservation r;
	struct cpu_user_regs *regs = guest_regs();
	u64 g;
	long rc;
	int n = 0;

	begin();
	r = list(1000, 0, 0, 1);
	g = host_arg(&r, sizeof(r));
	regs->rip = 0x1000;
	regs->rdi = XENMEM_populate_physmap;
	*softirq_pending(0) = BIT(SOFTIRQ_KEY);
	do {
		rc = do_memory_op(regs->rdi, g, 3, 4, 5, 6);
		n++;
	} while (rc == -ERESTART);
	assert_int_equal(rc, 1000);
	assert_int_equal(dom1->nr_pages, 1000);
	assert_true(n > 10 && n < 20);
	assert_int_equal(regs->rip, 0x1000 - 2 * (n - 1));
	assert_int_equal(regs->rax, __HYPERVISOR_memory_op);
	assert_int_equal(regs->rsi, g);
	assert_int_equal(regs->rdx, 3);
	assert_int_equal(regs->r8, 5);
	*softirq_pending(0) = 0;
	world_end();
}

static void page_tables_do_not_go(void **state)
{
	struct xen_memory_reservation r;
	struct page_info *pg;

	begin();
	r = list(1, 0, 0, 1);
	call(XENMEM_populate_physmap, &r);
	pg = mfn_to_page(_mfn(items(&r)[0]));
	mmu_lock(dom1);
	assert_int_equal(get_page_and_type(pg, dom1, PT_l1), 0);
	mmu_unlock(dom1);
	assert_int_equal(call(XENMEM_decrease_reservation, &r), 0);	/* in use */
	assert_int_equal(pg->owner, 1);
	atomic_or(&pg->word, PG_pinned);			/* only pinned: the pin goes too */
	assert_int_equal(call(XENMEM_decrease_reservation, &r), 1);
	assert_int_equal(dom1->nr_pages, 0);
	world_end();
}

/* in: n_in extents of order in (taken from the domain), out: as many frames of order out. */
static struct xen_memory_exchange swap(unsigned int in, u64 n_in, unsigned int out, u64 n_out)
{
	struct xen_memory_exchange x = { .in = list(n_in, in, 100, BIT(in)) };

	assert_int_equal(call(XENMEM_populate_physmap, &x.in), n_in);
	x.out = list(n_out, out, 7000, BIT(out));
	return x;
}

static void exchanges(void **state)
{
	static const struct { unsigned int in, n_in, out, n_out; } cases[] = {
		{ 0, 64, 6, 1 }, { 0, 512, 9, 1 }, { 3, 2, 3, 2 }, { 6, 1, 0, 64 }, { 0, 40, 2, 10 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct xen_memory_exchange x;
		u32 pages;
		u64 old;

		begin();
		x = swap(cases[i].in, cases[i].n_in, cases[i].out, cases[i].n_out);
		pages = dom1->nr_pages;
		old = items(&x.in)[0];
		assert_int_equal(memory(XENMEM_exchange, &x, sizeof(x)), 0);
		assert_int_equal(x.nr_exchanged, cases[i].n_in);
		assert_int_equal(dom1->nr_pages, pages);
		if (cases[i].n_in == 1 || cases[i].n_out == 1)	/* else a later chunk may get it */
			assert_int_equal(get_m2p(_mfn(old)), INVALID_M2P);
		for (u64 k = 0; k < cases[i].n_out; k++) {
			assert_int_equal(items(&x.out)[k] & (BIT(cases[i].out) - 1), 0);
			assert_int_equal(get_m2p(_mfn(items(&x.out)[k])),
					 7000 + (k << cases[i].out));
		}
		world_end();
	}
}

static void bad_exchanges(void **state)
{
	struct xen_memory_exchange x, y;
	struct page_info *pg;
	u64 mfn;

	begin();
	x = swap(0, 64, 6, 1);
	y = x;
	y.out.nr_extents = 2;
	assert_int_equal(memory(XENMEM_exchange, &y, sizeof(y)), -EINVAL);
	y = x;
	y.nr_exchanged = 65;
	assert_int_equal(memory(XENMEM_exchange, &y, sizeof(y)), -EINVAL);
	y = x;
	y.nr_exchanged = 3;
	assert_int_equal(memory(XENMEM_exchange, &y, sizeof(y)), -EINVAL);
	y = x;
	y.in.extent_order = 60;
	assert_int_equal(memory(XENMEM_exchange, &y, sizeof(y)), -EINVAL);
	y = x;
	y.in.domid = y.out.domid = 0;
	assert_int_equal(memory(XENMEM_exchange, &y, sizeof(y)), -EPERM);
	y = x;
	y.in.nr_extents = y.out.nr_extents = 1;
	y.in.extent_order = y.out.extent_order = 12;
	assert_int_equal(memory(XENMEM_exchange, &y, sizeof(y)), -EPERM);
	/* the same frame twice, one in use, one of another domain: all stay as they were */
	y = x;
	mfn = items(&x.in)[9];
	items(&x.in)[9] = items(&x.in)[8];
	assert_int_equal(memory(XENMEM_exchange, &y, sizeof(y)), -EINVAL);
	items(&x.in)[9] = mfn;
	pg = mfn_to_page(_mfn(mfn));
	assert_true(get_page(pg, dom1));
	assert_int_equal(memory(XENMEM_exchange, &y, sizeof(y)), -EINVAL);
	put_page(pg);
	items(&x.in)[9] = mfn_x(dom0->shared_info_mfn);
	assert_int_equal(memory(XENMEM_exchange, &y, sizeof(y)), -EINVAL);
	items(&x.in)[9] = mfn_x(dom1->shared_info_mfn);
	assert_int_equal(memory(XENMEM_exchange, &y, sizeof(y)), -EINVAL);
	items(&x.in)[9] = ~0UL;
	assert_int_equal(memory(XENMEM_exchange, &y, sizeof(y)), -EINVAL);
	items(&x.in)[9] = mfn;
	assert_int_equal(y.nr_exchanged, 0);
	assert_int_equal(dom1->nr_pages, 64);
	for (unsigned int n = 1; n < 6; n++) {
		heap_fail_after(n);
		y = x;
		if (memory(XENMEM_exchange, &y, sizeof(y)) == 0)
			break;
		assert_int_equal(dom1->nr_pages, 64);
	}
	heap_fail_after(0);
	world_end();
}

static void a_table_in_an_exchange(void **state)
{
	struct xen_memory_exchange x;
	struct page_info *pg;

	begin();
	x = swap(0, 2, 1, 1);
	pg = mfn_to_page(_mfn(items(&x.in)[1]));
	mmu_lock(dom1);
	assert_int_equal(get_page_and_type(pg, dom1, PT_l1), 0);
	mmu_unlock(dom1);
	assert_int_equal(memory(XENMEM_exchange, &x, sizeof(x)), -EINVAL);
	put_page_and_type(pg);
	assert_true(pg->word & PG_validated);		/* kept, but nobody uses it */
	assert_int_equal(memory(XENMEM_exchange, &x, sizeof(x)), 0);
	assert_int_equal(dom1->nr_pages, 2);
	world_end();
}

static void claims(void **state)
{
	struct xen_memory_reservation r = { .nr_extents = 100, .domid = 1 }, p;

	begin();
	assert_int_equal(call(XENMEM_claim_pages, &r), -EPERM);
	host_set_current(dom0->vcpu[0]);
	assert_int_equal(call(XENMEM_claim_pages, &r), 0);
	assert_int_equal(dom1->outstanding_pages, 100);
	assert_int_equal(call(XENMEM_claim_pages, &r), -EINVAL);
	p = list(30, 0, 0, 1);
	p.domid = 1;
	assert_int_equal(call(XENMEM_populate_physmap, &p), 30);
	assert_int_equal(dom1->outstanding_pages, 70);
	r.nr_extents = 0;
	assert_int_equal(call(XENMEM_claim_pages, &r), 0);
	assert_int_equal(dom1->outstanding_pages, 0);
	r.nr_extents = 1000000;
	assert_int_equal(call(XENMEM_claim_pages, &r), -ENOMEM);
	r.extent_order = 1;
	assert_int_equal(call(XENMEM_claim_pages, &r), -EINVAL);
	r.extent_order = 0;
	/* what one has claimed is not for others, until it is gone */
	r.nr_extents = (u32)free_page_count() + dom1->nr_pages - 10;
	dom1->max_pages = dom0->max_pages = r.nr_extents + 1000;
	assert_int_equal(call(XENMEM_claim_pages, &r), 0);
	p = list(30, 0, 0, 2);
	p.domid = 0;
	assert_int_equal(call(XENMEM_populate_physmap, &p), 10);
	p.domid = 1;
	p.nr_extents = 20;
	assert_int_equal(call(XENMEM_populate_physmap, &p), 20);
	assert_int_equal(claimed_pages, r.nr_extents - dom1->nr_pages);
	while (domain_kill(dom1) == -ERESTART)
		;
	assert_int_equal(claimed_pages, 0);
	assert_int_equal(call(XENMEM_claim_pages, &r), -ESRCH);
	p.domid = 0;
	assert_int_equal(call(XENMEM_populate_physmap, &p), 20);
	world_end();
}

static void maps_and_numbers(void **state)
{
	struct e820_entry e[4] = { { 0, 0x9f000, 1 }, { 0x100000, 0x700000, 1 } }, *got;
	struct xen_memory_map m = { .nr_entries = 4, .buffer = host_arg(NULL, 0) };
	struct xen_foreign_memory_map f = { .domid = 1, .map = { .nr_entries = 2 } };
	struct xen_memory_domain md = { .domid = DOMID_SELF };
	struct xen_machphys_mapping mm = { 0 };

	begin();
	memcpy(machine_e820, e, sizeof(e));
	nr_machine_e820 = 2;
	m.buffer = host_arg(NULL, sizeof(e));
	assert_int_equal(memory(XENMEM_machine_memory_map, &m, sizeof(m)), -EPERM);
	assert_int_equal(memory(XENMEM_memory_map, &m, sizeof(m)), -ENOSYS);
	f.map.buffer = host_arg(e, sizeof(e));
	assert_int_equal(memory(XENMEM_set_memory_map, &f, sizeof(f)), -EPERM);
	host_set_current(dom0->vcpu[0]);
	assert_int_equal(memory(XENMEM_set_memory_map, &f, sizeof(f)), 0);
	assert_int_equal(memory(XENMEM_set_memory_map, &f, sizeof(f)), 0);
	f.map.nr_entries = 1000;
	assert_int_equal(memory(XENMEM_set_memory_map, &f, sizeof(f)), -EINVAL);
	f.map.nr_entries = 2;
	f.domid = 55;
	assert_int_equal(memory(XENMEM_set_memory_map, &f, sizeof(f)), -ESRCH);
	assert_int_equal(memory(XENMEM_machine_memory_map, &m, sizeof(m)), 0);
	assert_int_equal(m.nr_entries, 2);
	got = host_arg_ptr(m.buffer);
	assert_int_equal(got[1].size, 0x700000);
	assert_int_equal(memory(XENMEM_machine_memory_map, &m, sizeof(m)), -EINVAL);
	host_set_current(dom1->vcpu[0]);
	m.nr_entries = 1;
	assert_int_equal(memory(XENMEM_memory_map, &m, sizeof(m)), 0);
	assert_int_equal(m.nr_entries, 1);

	assert_int_equal(memory(XENMEM_machphys_mapping, &mm, sizeof(mm)), 0);
	assert_int_equal(mm.v_start, M2P_VIRT_START);
	assert_int_equal(memory(XENMEM_current_reservation, &md, sizeof(md)), 0);
	dom1->max_pages = 99;
	assert_int_equal(memory(XENMEM_maximum_reservation, &md, sizeof(md)), 99);
	dom1->shared_info->arch.max_pfn = 50;
	assert_int_equal(memory(XENMEM_maximum_gpfn, &md, sizeof(md)), 49);
	md.domid = 0;
	assert_int_equal(memory(XENMEM_current_reservation, &md, sizeof(md)), -EPERM);
	md.domid = 44;
	assert_int_equal(memory(XENMEM_current_reservation, &md, sizeof(md)), -ESRCH);
	assert_int_equal(do_memory_op(XENMEM_maximum_ram_page, 0, 0, 0, 0, 0), 8192);
	assert_int_equal(do_memory_op(63, 0, 0, 0, 0, 0), -ENOSYS);
	assert_int_equal(do_memory_op(XENMEM_exchange | 5 << 6, 0, 0, 0, 0, 0), -EINVAL);
	world_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(populate_and_decrease),
		cmocka_unit_test(fresh_frames_are_empty),
		cmocka_unit_test(limits),
		cmocka_unit_test(memory_runs_out),
		cmocka_unit_test(continuations),
		cmocka_unit_test(page_tables_do_not_go),
		cmocka_unit_test(exchanges),
		cmocka_unit_test(bad_exchanges),
		cmocka_unit_test(a_table_in_an_exchange),
		cmocka_unit_test(claims),
		cmocka_unit_test(maps_and_numbers),
	};

	return host_main(tests);
}
