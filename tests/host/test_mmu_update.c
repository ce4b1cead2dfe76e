/* SPDX-License-Identifier: MIT */
/*
 * pv/mmu_update.c: P5. Requests and their counts, whose tables and frames, the M2P, plain stores,
 * update_va_mapping and its flushes.
 */
#include "tables.h"

static struct domain *d, *e;
static struct vcpu *v;
static struct tree t;
static mfn_t m;

/* dom0 runs on CPU 1, the guest on CPUs 0 and 2 with t as its root. */
static void begin(void)
{
	world_begin(4096, 3);
	e = world_domain(0, 1);
	d = world_domain(1, 2);
	host_set_cpu(2);
	world_run(d->vcpu[1]);
	host_set_cpu(1);
	world_run(e->vcpu[0]);
	host_set_cpu(0);
	v = d->vcpu[0];
	world_run(v);
	d->dirty_cpus = BIT(0) | BIT(2);
	t = new_tree(d);
	m = new_page(d);
	assert_int_equal(ext(MMUEXT_NEW_BASEPTR, t.l4), 0);
}

static u64 addr(mfn_t table, unsigned int i)
{
	return (mfn_x(table) << PAGE_SHIFT) + i * 8;
}

/* --- lists --- */

static unsigned int copies;

static void no_lock_is_held(u64 gva, size_t n, bool write)
{
	copies++;
	assert_int_equal(locks_held(), 0);
}

/* P5, and the counts, for lists of any length with an error anywhere. */
static void lists(void **state)
{
	struct mmu_update u[70];
	u64 at, done;

	begin();
	for (unsigned int n = 1; n <= 70; n += 3)
		for (unsigned int bad = 0; bad <= n; bad += 5) {
			for (unsigned int i = 0; i < n; i++)
				u[i] = (struct mmu_update){ addr(t.l1, i), make_pte(m, RO) };
			if (bad < n)
				u[bad].val = make_pte(_mfn(max_page), RO);
			host_arg_reset();
			at = host_arg(u, n * sizeof(u[0]));
			done = host_arg(NULL, 4);
			host_copy_hook = no_lock_is_held;
			copies = 0;
			assert_int_equal(do_mmu_update(at, n, done, DOMID_SELF, 0, 0), bad < n ? -EPERM : 0);
			host_copy_hook = NULL;
			assert_int_equal(*(u32 *)host_arg_ptr(done), min(bad, n));
			assert_true(copies >= 2);
			assert_int_equal(refs_of(m), 1 + min(bad, n));
			for (unsigned int i = 0; i < n; i++)
				assert_int_equal(mod_l1(d, d, entries(t.l1) + i, 0, false), 0);
		}
	tables_end(d);
}

static void faults(void **state)
{
	struct mmu_update u[40];
	u64 at, done;

	begin();
	for (unsigned int i = 0; i < 40; i++)
		u[i] = (struct mmu_update){ addr(t.l1, i), make_pte(m, RO) };
	at = host_arg(u, sizeof(u));
	done = host_arg(NULL, 4);
	host_copy_fail_after(2);			/* the second chunk */
	assert_int_equal(do_mmu_update(at, 40, done, DOMID_SELF, 0, 0), -EFAULT);
	assert_int_equal(*(u32 *)host_arg_ptr(done), 16);
	assert_int_equal(refs_of(m), 17);
	assert_int_equal(do_mmu_update(0x90000000, 1, done, DOMID_SELF, 0, 0), -EFAULT);
	assert_int_equal(do_mmu_update(at, 1, 0x90000000, DOMID_SELF, 0, 0), -EFAULT);
	assert_int_equal(do_mmu_update(at, 0, 0, DOMID_SELF, 0, 0), 0);
	assert_int_equal(do_mmu_update(at, 1 | MMU_UPDATE_PREEMPTED, 0x90000000, DOMID_SELF, 0, 0), -EFAULT);
	tables_end(d);
}

/* Preempted at each chance; also inside a promotion. */
static void preemption(void **state)
{
	struct mmu_update u[300];
	unsigned int calls = 0;
	u64 done;
	mfn_t big;
	long rc;

	begin();
	big = new_page(d);
	for (unsigned int i = 0; i < 200; i++)
		poke(big, i, new_page(d), RW);
	for (unsigned int i = 0; i < 300; i++)
		u[i] = (struct mmu_update){ addr(t.l1, i), make_pte(m, RO) };
	u[150] = (struct mmu_update){ addr(t.l3, 7), make_pte(big, RW) };
	done = host_arg(NULL, 4);
	host_softirq[0] = 1;
	rc = do_mmu_update(host_arg(u, sizeof(u)), 300, done, DOMID_SELF, 0, 0);
	while (rc == -ERESTART) {
		struct cpu_user_regs *r = guest_regs();

		calls++;
		assert_int_equal(locks_held(), 0);
		rc = do_mmu_update(r->rdi, r->rsi, r->rdx, r->r10, r->r8, 0);
	}
	host_softirq[0] = 0;
	assert_int_equal(rc, 0);
	assert_true(calls >= 5);
	assert_int_equal(*(u32 *)host_arg_ptr(done), 300);
	assert_int_equal(refs_of(m), 300);
	assert_int_equal(types_of(big), 1);
	tables_end(d);
}

/* Many small promotions are as much work as a large one: the caller has to look around between. */
static void promotions_add_up(void **state)
{
	struct mmu_update u[16];
	unsigned int calls = 0;
	u64 done;
	long rc;

	world_begin(8192, 1);
	d = world_domain(1, 1);
	world_run(d->vcpu[0]);
	t = new_tree(d);
	assert_int_equal(pin_table(t.l4, PT_l4), 0);
	for (unsigned int i = 0; i < 16; i++) {
		mfn_t l2 = new_page(d);

		for (unsigned int k = 0; k < 60; k++)
			poke(l2, k, new_page(d), RW);
		u[i] = (struct mmu_update){ addr(t.l3, 16 + i), make_pte(l2, RW) };
	}
	done = host_arg(NULL, 4);
	rc = do_mmu_update(host_arg(u, sizeof(u)), 16, done, DOMID_SELF, 0, 0);
	while (rc == -ERESTART) {
		struct cpu_user_regs *r = guest_regs();

		calls++;
		rc = do_mmu_update(r->rdi, r->rsi, r->rdx, r->r10, r->r8, 0);
	}
	assert_int_equal(rc, 0);
	assert_in_range(calls, 16 * 61 / 64, 16 * 61 / 64 + 2);
	assert_int_equal(*(u32 *)host_arg_ptr(done), 16);
	assert_int_equal(d->nr_fresh, 0);
	tables_end(d);
}

/* --- single requests --- */

static void bad_requests(void **state)
{
	begin();
	assert_int_equal(update(_mfn(max_page), 0, 0), -EINVAL);
	assert_int_equal(update(_mfn(~0UL >> 12), 0, 0), -EINVAL);
	assert_int_equal(update(new_page(e), 0, 0), -EINVAL);
	assert_int_equal(update(page_to_mfn(alloc_page(0)), 0, 0), -EINVAL);
	world_free--;
	assert_int_equal(update_as(t.l1, 0, 0, 4, DOMID_SELF), -ENOSYS);
	assert_int_equal(update_as(t.l1, 0, make_pte(m, RO), 3, DOMID_SELF), 0);	/* "no translation" */
	host_hole(_mfn(4000), _mfn(4001));
	assert_int_equal(update(_mfn(4000), 0, 0), -EINVAL);
	tables_end(d);
}

/* A frame that is no table: the store that the guest could do itself. */
static void plain_stores(void **state)
{
	mfn_t seg, cached;
	u64 gdt;

	begin();
	assert_int_equal(update(m, 5, 0x123456789abcdefUL), 0);
	assert_int_equal(entries(m)[5], 0x123456789abcdefUL);
	assert_int_equal(types_of(m), 0);
	assert_int_equal(refs_of(m), 1);
	seg = new_page(d);
	gdt = mfn_x(seg);
	assert_int_equal(do_set_gdt(host_arg(&gdt, 8), 512, 0, 0, 0, 0), 0);
	assert_int_equal(update(seg, 5, 1), -EINVAL);
	assert_int_equal(entries(seg)[5], 0);
	assert_int_equal(do_set_gdt(0, 0, 0, 0, 0, 0), 0);
	assert_int_equal(update(seg, 5, 1), 0);			/* unused: a page like others again */
	assert_false(is_validated(seg));
	cached = new_page(d);
	assert_int_equal(pin_table(cached, PT_l1), 0);
	assert_int_equal(unpin_table(cached), 0);
	assert_int_equal(update(cached, 0, make_pte(m, RW)), 0);	/* still a table */
	assert_int_equal(types_of(m), 1);
	assert_true(is_cached(cached));
	assert_int_equal(update(d->shared_info_mfn, 100, 7), 0);	/* mapped writable is allowed, too */
	tables_end(d);
}

static void m2p(void **state)
{
	mfn_t other;

	begin();
	other = new_page(e);
	assert_int_equal(update_as(m, 0, 0x55, MMU_MACHPHYS_UPDATE, DOMID_SELF), 0);
	assert_int_equal(get_m2p(m), 0x55);
	assert_int_equal(update_as(other, 0, 0x55, MMU_MACHPHYS_UPDATE, DOMID_SELF), -EINVAL);
	assert_int_equal(get_m2p(other), INVALID_M2P);
	assert_int_equal(update_as(_mfn(max_page), 0, 0x55, MMU_MACHPHYS_UPDATE, DOMID_SELF), -EINVAL);
	assert_int_equal(refs_of(m), 1);
	host_set_cpu(1);
	assert_int_equal(update_as(m, 0, 0x66, MMU_MACHPHYS_UPDATE, 1), 0);	/* the toolstack, for d */
	assert_int_equal(get_m2p(m), 0x66);
	assert_int_equal(update_as(m, 0, 0x77, MMU_MACHPHYS_UPDATE, DOMID_IO), -EINVAL);
	assert_int_equal(update_as(other, 0, 0x77, MMU_MACHPHYS_UPDATE, DOMID_IO), -EINVAL);
	host_set_cpu(0);
	assert_true(release_allocated(d, pg_of(m)));
	assert_int_equal(get_m2p(m), INVALID_M2P);
	tables_end(d);
}

/* --- whose tables, whose frames --- */

static void foreign_rights(void **state)
{
	mfn_t table, frame;

	begin();
	table = new_page(e);
	frame = new_page(e);
	assert_int_equal(update_as(t.l1, 0, make_pte(frame, RO), 0, 0), -EPERM);
	assert_int_equal(update_as(table, 0, 0, 0, 1UL << 16 | DOMID_SELF), -EPERM);
	assert_int_equal(update_as(t.l1, 0, make_pte(m, RO), 0, 1), -EINVAL);
	assert_int_equal(update_as(t.l1, 0, make_pte(m, RO), 0, DOMID_IO), -EPERM);
	assert_int_equal(update_as(t.l1, 0, make_pte(m, RO), 0, 2UL << 16 | DOMID_SELF), 0);	/* its own, by number */
	assert_int_equal(update_as(t.l1, 0, 0, 0, DOMID_SELF), 0);
	host_set_cpu(1);
	assert_int_equal(pin_table(table, PT_l1), 0);
	assert_int_equal(update_as(table, 0, make_pte(m, RW), 0, 1), 0);
	assert_int_equal(update_as(table, 1, make_pte(frame, RW), 0, 1), -EINVAL);
	assert_int_equal(update_as(table, 1, make_pte(m, RW), 0, 9), -ESRCH);
	assert_int_equal(update_as(t.l1, 0, make_pte(m, RO), 0, 2UL << 16 | 1), 0);
	assert_int_equal(update_as(t.l1, 1, make_pte(frame, RO), 0, 2UL << 16 | DOMID_SELF), 0);
	assert_int_equal(update_as(t.l1, 2, make_pte(frame, RO), 0, 2UL << 16 | 1), -EINVAL);
	assert_int_equal(update_as(table, 2, make_pte(m, RO), 0, 2UL << 16 | 1), -EINVAL);
	assert_int_equal(update_as(t.l1, 2, 0, 0, 10UL << 16 | 1), -ESRCH);
	assert_int_equal(update_as(t.l1, 2, 0, 0, 2UL << 16 | 9), -ESRCH);
	assert_int_equal(d->refs, 2);			/* nothing of all this holds a domain */
	assert_int_equal(e->refs, 2);
	assert_int_equal(update_as(table, 0, 0, 0, DOMID_SELF), 0);
	assert_int_equal(update_as(t.l1, 1, 0, 0, 2UL << 16 | 1), 0);
	assert_int_equal(unpin_table(table), 0);
	host_set_cpu(0);
	tables_end(d);
}

static void io_mappings(void **state)
{
	mfn_t table;

	begin();
	host_hole(_mfn(4000), _mfn(4004));
	iorange_permit(&d->iomem, 4000, 4001);
	assert_int_equal(update_as(t.l1, 0, make_pte(_mfn(4000), RW), 0, DOMID_IO), 0);
	assert_int_equal(update_as(t.l1, 1, make_pte(_mfn(4001), RW), 0, DOMID_SELF), 0);
	assert_int_equal(update_as(t.l1, 2, make_pte(_mfn(4002), RW), 0, DOMID_IO), -EPERM);
	assert_int_equal(update_as(t.l1, 2, make_pte(m, RO), 0, DOMID_IO), -EPERM);
	assert_int_equal(update_as(t.l1, 0, 0, 0, DOMID_IO), 0);
	/* into another's tables: that one's rights count, not the caller's */
	host_set_cpu(1);
	table = new_page(e);
	iorange_permit(&e->iomem, 4002, 4002);
	assert_int_equal(update_as(t.l1, 2, make_pte(_mfn(4002), RW), 0, 2UL << 16 | DOMID_IO), -EPERM);
	assert_int_equal(pin_table(table, PT_l1), 0);
	assert_int_equal(update_as(table, 2, make_pte(_mfn(4002), RW), 0, DOMID_IO), 0);
	assert_int_equal(unpin_table(table), 0);
	host_set_cpu(0);
	tables_end(d);
}

/* The frame changes hands between the guest's knowledge of it and the call. */
static void tables_of_others(void **state)
{
	mfn_t table;

	begin();
	table = new_page(e);
	host_set_cpu(1);
	assert_int_equal(pin_table(table, PT_l1), 0);
	host_set_cpu(0);
	assert_int_equal(update(table, 0, make_pte(m, RW)), -EINVAL);
	assert_int_equal(entries(table)[0], 0);
	host_set_cpu(1);
	assert_int_equal(unpin_table(table), 0);
	host_set_cpu(0);
	assert_int_equal(update(table, 0, 1), -EINVAL);
	tables_end(d);
}

/* --- update_va_mapping --- */

static void by_address(void **state)
{
	mfn_t other;

	begin();
	other = new_page(e);
	assert_int_equal(do_update_va_mapping(0x5000, make_pte(m, RW), UVMF_NONE, 0, 0, 0), 0);
	assert_int_equal(entries(t.l1)[5], make_pte(m, RW));
	assert_int_equal(do_update_va_mapping(0x6000, make_pte(other, RW), 0, 0, 0, 0), -EINVAL);
	assert_int_equal(do_update_va_mapping(1UL << 40, make_pte(m, RW), 0, 0, 0, 0), -EINVAL);
	assert_int_equal(do_update_va_mapping(1UL << 47, make_pte(m, RW), 0, 0, 0, 0), -EINVAL);
	assert_int_equal(do_update_va_mapping(HV_VIRT_START, make_pte(m, RW), 0, 0, 0, 0), -EINVAL);
	assert_int_equal(do_update_va_mapping(0xffff830000000000UL, 0, 0, 0, 0, 0), -EINVAL);
	assert_int_equal(do_update_va_mapping_otherdomain(0x6000, make_pte(other, RW), 0, 0, 0, 0), -EPERM);
	assert_int_equal(do_update_va_mapping_otherdomain(0x6000, make_pte(m, RW), 0, DOMID_SELF, 0, 0), 0);
	assert_int_equal(do_update_va_mapping(0x5000, 0, 0, 0, 0, 0), 0);
	assert_int_equal(types_of(m), 1);
	tables_end(d);
}

static void flushes(void **state)
{
	u64 bitmap = 2;

	begin();
	memset(&host_log, 0, sizeof(host_log));
	assert_int_equal(do_update_va_mapping(0x5000, make_pte(m, RO), UVMF_INVLPG | UVMF_LOCAL, 0, 0, 0), 0);
	assert_int_equal(host_log.va_flushes, 1);
	assert_int_equal(do_update_va_mapping(0x5000, 0, UVMF_TLB_FLUSH | UVMF_LOCAL, 0, 0, 0), 0);
	assert_int_equal(host_log.local_flushes, 1);
	assert_int_equal(host_log.flushes, 0);
	assert_int_equal(do_update_va_mapping(0x5000, 0, UVMF_INVLPG | UVMF_ALL, 0, 0, 0), 0);
	assert_int_equal(host_log.flush_mask, BIT(0) | BIT(2));
	assert_int_equal(host_log.flush_va, 0x5000);
	assert_int_equal(do_update_va_mapping(0x5000, 0, UVMF_TLB_FLUSH | host_arg(&bitmap, 8), 0, 0, 0), 0);
	assert_int_equal(host_log.flush_mask, BIT(2));
	assert_int_equal(host_log.flush_va, FLUSH_ALL);
	assert_int_equal(do_update_va_mapping(0x5000, 0, UVMF_INVLPG | 0x90000000, 0, 0, 0), -EFAULT);
	assert_int_equal(do_update_va_mapping(0x5000, 0, 3, 0, 0, 0), -EINVAL);
	/* an error of the update does not spare the flush */
	host_log.local_flushes = 0;
	assert_int_equal(do_update_va_mapping(0x5000, make_pte(t.l1, RW), UVMF_TLB_FLUSH, 0, 0, 0), -EINVAL);
	assert_int_equal(host_log.local_flushes, 1);
	tables_end(d);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists),
		cmocka_unit_test(faults),
		cmocka_unit_test(preemption),
		cmocka_unit_test(promotions_add_up),
		cmocka_unit_test(bad_requests),
		cmocka_unit_test(plain_stores),
		cmocka_unit_test(m2p),
		cmocka_unit_test(foreign_rights),
		cmocka_unit_test(io_mappings),
		cmocka_unit_test(tables_of_others),
		cmocka_unit_test(by_address),
		cmocka_unit_test(flushes),
	};

	return host_main(tests);
}
