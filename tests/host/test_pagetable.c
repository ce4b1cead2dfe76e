/* SPDX-License-Identifier: MIT */
/*
 * pv/pagetable.c: P1-P4. What entries may say, what they hold, promotion, unused tables, roots; and
 * a guest that does anything.
 */
#include "mmu_random.h"

static u64 mr_pick(u64 n)
{
	return host_random_below(n);
}

static struct domain *d, *e;
static struct tree t;
static mfn_t m, n;
static unsigned int roots_changed;

cpumask_t arch_root_changed(mfn_t root)
{
	roots_changed++;
	return 0;
}

/* dom0, which is privileged, and a guest with two data frames and an unvalidated tree. */
static void begin(void)
{
	world_begin(8192, 2);
	e = world_domain(0, 1);
	d = world_domain(1, 2);
	world_run(d->vcpu[0]);
	t = new_tree(d);
	m = new_page(d);
	n = new_page(d);
}

static int mod(mfn_t table, unsigned int i, u64 new, bool keep)
{
	int rc;

	mmu_lock(d);
	rc = mod_l1(d, d, entries(table) + i, new, keep);
	mmu_unlock(d);
	return rc;
}

/* --- what an entry may say --- */

static void l1_entries(void **state)
{
	begin();
	poke(t.l1, 0, m, PTE_P | PTE_RW | PTE_G);
	poke(t.l1, 1, m, RO);
	poke(t.l1, 2, n, RO | PTE_NX | PTE_AVAIL);
	entries(t.l1)[3] = 0xdeadbeef000UL << 1;	/* not present: anything goes */
	assert_int_equal(pin_table(t.l1, PT_l1), 0);
	assert_int_equal(entries(t.l1)[0], make_pte(m, PTE_P | PTE_RW | PTE_US));
	assert_int_equal(entries(t.l1)[2], make_pte(n, RO | PTE_NX | PTE_AVAIL));
	assert_int_equal(refs_of(m), 3);
	assert_int_equal(types_of(m), 1);
	assert_int_equal(refs_of(n), 2);
	assert_int_equal(types_of(n), 0);

	assert_int_equal(mod(t.l1, 4, make_pte(m, RO | 0x0008000000000000UL), false), -EINVAL);
	assert_int_equal(mod(t.l1, 4, make_pte(m, RO | PTE_PWT), false), -EINVAL);
	assert_int_equal(mod(t.l1, 4, make_pte(m, RO | PTE_PAT), false), -EINVAL);
	assert_int_equal(mod(t.l1, 4, make_pte(t.l1, RW), false), -EINVAL);
	assert_int_equal(mod(t.l1, 4, make_pte(_mfn(max_page), RO), false), -EPERM);
	assert_int_equal(mod(t.l1, 4, make_pte(new_page(e), RO), false), -EINVAL);
	assert_int_equal(mod(t.l1, 4, make_pte(new_page(e), RW), false), -EINVAL);
	assert_int_equal(entries(t.l1)[4], 0);
	assert_int_equal(mod(t.l1, 2, make_pte(n, RO | PTE_PCD), false), -EINVAL);	/* the same frame */
	assert_int_equal(mod(t.l1, 4, make_pte(t.l1, RO), false), 0);
	d->is_hardware = true;
	assert_int_equal(mod(t.l1, 5, make_pte(m, RO | PTE_PWT | PTE_PCD), false), 0);
	d->is_hardware = false;
	assert_int_equal(unpin_table(t.l1), 0);
	tables_end(d);
}

static void io_frames(void **state)
{
	begin();
	host_hole(_mfn(7000), _mfn(7010));
	assert_int_equal(pin_table(t.l1, PT_l1), 0);
	assert_int_equal(mod(t.l1, 0, make_pte(_mfn(7001), RW), false), -EPERM);
	iorange_permit(&d->iomem, 7000, 7003);
	iorange_permit(&d->iomem, max_page + 5, max_page + 5);
	assert_int_equal(mod(t.l1, 0, make_pte(_mfn(7001), RW), false), 0);
	assert_int_equal(mod(t.l1, 1, make_pte(_mfn(7004), RW), false), -EPERM);
	assert_int_equal(mod(t.l1, 2, make_pte(_mfn(max_page + 5), RW), false), 0);
	assert_int_equal(mod(t.l1, 3, make_pte(_mfn(7005), RO), false), -EPERM);
	assert_int_equal(frame_table[7001].word, 0);	/* nothing is counted there */
	mmu_lock(d);
	assert_int_equal(mod_l1(d, NULL, entries(t.l1) + 4, make_pte(m, RO), false), -EPERM);
	assert_int_equal(mod_l1(d, NULL, entries(t.l1) + 4, make_pte(_mfn(7000), RO), false), 0);
	mmu_unlock(d);
	assert_int_equal(pin_table(_mfn(7001), PT_l1), -EINVAL);
	assert_int_equal(mod(t.l1, 0, 0, false), 0);
	assert_int_equal(unpin_table(t.l1), 0);
	tables_end(d);
}

static void upper_entries(void **state)
{
	static const u64 bad[] = { PTE_PS, PTE_G, 0x0008000000000000UL };
	mfn_t other;

	begin();
	assert_int_equal(pin_table(t.l4, PT_l4), 0);
	for (enum page_type level = PT_l2; level <= PT_l4; level++) {
		mfn_t at = level == PT_l2 ? t.l2 : level == PT_l3 ? t.l3 : t.l4;

		for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
			assert_int_equal(update(at, 1, make_pte(new_page(d), RW | bad[i])), -EINVAL);
			/* also with the child that is there already */
			assert_int_equal(update(at, 0, entries(at)[0] | bad[i]), -EINVAL);
		}
		assert_int_equal(update(at, 1, make_pte(at, RW)), -EINVAL);	/* itself */
		assert_int_equal(update(at, 1, make_pte(t.l4, RW)), -EINVAL);
		assert_int_equal(update(at, 1, make_pte(_mfn(max_page), RW)), -EINVAL);
		assert_int_equal(update(at, 1, make_pte(new_page(e), RW)), -EINVAL);
		assert_int_equal(entries(at)[1], 0);
		other = new_page(d);
		assert_int_equal(update(at, 1, make_pte(other, PTE_P)), 0);
		assert_int_equal(type_of(other), level - 1);
		assert_int_equal(entries(at)[1], make_pte(other, PTE_P | PTE_US));
		assert_int_equal(update(at, 1, make_pte(other, RW)), 0);	/* flags only */
		assert_int_equal(types_of(other), 1);
		assert_int_equal(update(at, 1, 0), 0);
		assert_true(is_cached(other));
	}
	assert_sound(d);
	assert_int_equal(unpin_table(t.l4), 0);
	tables_end(d);
}

/* Bad entries are found in whole tables, too; what was taken before is given back. */
static void bad_tables(void **state)
{
	begin();
	poke(t.l1, 0, m, RW);
	poke(t.l1, 511, t.l1, RW);
	assert_int_equal(pin_table(t.l1, PT_l1), -EINVAL);
	assert_int_equal(type_of(t.l1), PT_none);
	assert_int_equal(types_of(m), 0);
	entries(t.l1)[511] = 0;
	poke(t.l2, 7, t.l2, RW);
	assert_int_equal(pin_table(t.l2, PT_l2), -EINVAL);
	assert_int_equal(types_of(t.l1), 0);
	poke(t.l2, 7, m, RW | PTE_PS);
	assert_int_equal(pin_table(t.l4, PT_l4), -EINVAL);
	poke(t.l2, 7, t.l1, RW | PTE_G);
	assert_int_equal(pin_table(t.l4, PT_l4), -EINVAL);
	poke(t.l2, 7, new_page(e), RW);
	assert_int_equal(pin_table(t.l4, PT_l4), -EINVAL);
	assert_int_equal(types_of(t.l3) + types_of(t.l2) + types_of(t.l1), 0);
	poke(t.l2, 7, t.l1, PTE_P);			/* one child twice is fine */
	assert_int_equal(pin_table(t.l4, PT_l4), 0);
	assert_int_equal(entries(t.l2)[7], make_pte(t.l1, PTE_P | PTE_US));
	assert_int_equal(types_of(t.l1), 2);
	assert_int_equal(types_of(m), 1);
	assert_int_equal(unpin_table(t.l4), 0);
	tables_end(d);
}

static void hypervisor_slots(void **state)
{
	begin();
	for (unsigned int i = HV_L4_FIRST; i <= HV_L4_LAST; i++)
		entries(t.l4)[i] = make_pte(m, RW);	/* what a guest leaves there */
	assert_int_equal(pin_table(t.l4, PT_l4), 0);
	assert_int_equal(refs_of(m), 1);
	for (unsigned int i = HV_L4_FIRST; i <= HV_L4_LAST; i++) {
		assert_int_equal(entries(t.l4)[i], 0);	/* fill_hv_slots() of the host */
		assert_int_equal(update(t.l4, i, make_pte(t.l3, RW)), -EINVAL);
		assert_int_equal(update(t.l4, i, 0), -EINVAL);
		entries(t.l4)[i] = 0xabc1;		/* as if it were ours */
	}
	assert_int_equal(update(t.l4, HV_L4_FIRST - 1, make_pte(t.l3, RW)), 0);
	assert_int_equal(update(t.l4, HV_L4_LAST + 1, make_pte(t.l3, RW)), 0);
	assert_int_equal(update(t.l3, HV_L4_FIRST, make_pte(t.l2, RW)), 0);
	assert_null(walk_l1(d->vcpu[0], HV_VIRT_START));
	assert_int_equal(unpin_table(t.l4), 0);
	roots_changed = 0;
	mmu_lock(d);
	demote_cached(d, 1);
	mmu_unlock(d);
	for (unsigned int i = HV_L4_FIRST; i <= HV_L4_LAST; i++)
		assert_int_equal(entries(t.l4)[i], 0);	/* nothing of ours is left to the guest */
	assert_int_equal(roots_changed, 1);		/* private copies of this root are void */
	tables_end(d);
}

/* --- single entries --- */

static void replacing_l1_entries(void **state)
{
	u64 *p;

	begin();
	assert_int_equal(pin_table(t.l1, PT_l1), 0);
	p = entries(t.l1);
	assert_int_equal(mod(t.l1, 0, make_pte(m, RW), false), 0);
	assert_int_equal(mod(t.l1, 0, make_pte(m, RO), false), 0);
	assert_int_equal(types_of(m), 0);
	assert_int_equal(refs_of(m), 2);
	assert_int_equal(mod(t.l1, 0, make_pte(m, RO | PTE_NX), false), 0);
	assert_int_equal(refs_of(m), 2);
	assert_int_equal(mod(t.l1, 0, make_pte(n, RW), false), 0);
	assert_int_equal(refs_of(m), 1);
	assert_int_equal(types_of(n), 1);
	assert_int_equal(mod(t.l1, 0, make_pte(n, RW & ~PTE_P), false), 0);
	assert_int_equal(refs_of(n), 1);
	assert_int_equal(types_of(n), 0);
	assert_int_equal(p[0], make_pte(n, RW & ~PTE_P));

	/* the references are taken first and dropped last: the same frame never is without */
	assert_int_equal(mod(t.l1, 1, make_pte(m, RO), false), 0);
	assert_true(release_allocated(d, pg_of(m)));
	assert_int_equal(mod(t.l1, 1, make_pte(m, RW), false), 0);
	assert_int_equal(pg_of(m)->owner, 1);
	assert_int_equal(refs_of(m), 1);
	assert_int_equal(mod(t.l1, 1, 0, false), 0);
	assert_int_equal(pg_of(m)->owner, DOMID_INVALID);
	assert_int_equal(unpin_table(t.l1), 0);
	tables_end(d);
}

static u64 *watched, expected;
static unsigned int seen;

static void entry_is_written(void)
{
	seen += READ_ONCE(*watched) == expected;
}

/* P3: when the old frame's references are dropped, the entry is gone from the table. */
static void references_go_last(void **state)
{
	begin();
	poke(t.l1, 0, m, RW);
	assert_int_equal(pin_table(t.l1, PT_l1), 0);
	watched = entries(t.l1);
	expected = make_pte(n, RW);
	seen = 0;
	host_tlb_clock_hook = entry_is_written;
	assert_int_equal(mod(t.l1, 0, expected, false), 0);
	host_tlb_clock_hook = NULL;
	assert_int_equal(seen, 1);
	assert_int_equal(unpin_table(t.l1), 0);
	tables_end(d);
}

static void accessed_and_dirty(void **state)
{
	begin();
	assert_int_equal(pin_table(t.l4, PT_l4), 0);
	assert_int_equal(mod(t.l1, 0, make_pte(m, RW), false), 0);
	assert_int_equal(mod(t.l1, 0, make_pte(m, PTE_P | PTE_US), true), 0);
	assert_int_equal(entries(t.l1)[0], make_pte(m, PTE_P | PTE_US | PTE_A | PTE_D));
	assert_int_equal(mod(t.l1, 0, make_pte(n, PTE_P | PTE_US), true), 0);
	assert_int_equal(entries(t.l1)[0], make_pte(n, PTE_P | PTE_US | PTE_A | PTE_D));
	assert_int_equal(mod(t.l1, 0, make_pte(n, PTE_P | PTE_US), false), 0);
	assert_int_equal(entries(t.l1)[0], make_pte(n, PTE_P | PTE_US));
	assert_int_equal(update_as(t.l2, 0, make_pte(t.l1, PTE_P), MMU_PT_UPDATE_PRESERVE_AD,
				   DOMID_SELF), 0);
	assert_int_equal(entries(t.l2)[0], make_pte(t.l1, PTE_P | PTE_US | PTE_A | PTE_D));
	assert_int_equal(unpin_table(t.l4), 0);
	tables_end(d);
}

static void only_if_the_same(void **state)
{
	u64 *p, old;

	begin();
	assert_int_equal(pin_table(t.l1, PT_l1), 0);
	p = entries(t.l1);
	assert_int_equal(mod(t.l1, 0, make_pte(m, RW & ~PTE_D), false), 0);
	old = p[0];
	p[0] |= PTE_D;				/* a CPU does so */
	mmu_lock(d);
	assert_int_equal(mod_l1_if_same(d, p, old, make_pte(n, RW)), -EAGAIN);
	assert_int_equal(mod_l1_if_same(d, p, old, make_pte(m, RW | PTE_NX)), -EAGAIN);
	assert_int_equal(mod_l1_if_same(d, p, old, 0), -EAGAIN);
	assert_int_equal(p[0], old | PTE_D);
	assert_int_equal(refs_of(n), 1);
	assert_int_equal(types_of(m), 1);
	assert_int_equal(mod_l1_if_same(d, p, old | PTE_D, make_pte(n, RW)), 0);
	mmu_unlock(d);
	assert_int_equal(types_of(m), 0);
	assert_int_equal(types_of(n), 1);
	assert_int_equal(unpin_table(t.l1), 0);
	tables_end(d);
}

static void failed_entry_changes_nothing(void **state)
{
	u64 before;

	begin();
	poke(t.l1, 0, m, RW);
	assert_int_equal(pin_table(t.l4, PT_l4), 0);
	before = entries(t.l1)[0];
	assert_int_equal(mod(t.l1, 0, make_pte(t.l2, RW), false), -EINVAL);
	assert_int_equal(entries(t.l1)[0], before);
	assert_int_equal(types_of(m), 1);
	before = entries(t.l3)[0];
	assert_int_equal(update(t.l3, 0, make_pte(m, RW)), -EINVAL);	/* m is writable */
	assert_int_equal(entries(t.l3)[0], before);
	assert_int_equal(types_of(t.l2), 1);
	assert_sound(d);
	assert_int_equal(unpin_table(t.l4), 0);
	tables_end(d);
}

/* --- promotion --- */

static void large_trees_take_several_calls(void **state)
{
	struct mmuext_op op = { .cmd = MMUEXT_PIN_L4_TABLE };
	unsigned int calls = 0;
	u32 done = 0;
	long rc;

	begin();
	for (unsigned int i = 1; i < 300; i++)
		poke(t.l2, i, new_page(d), RW);
	op.arg1.mfn = mfn_x(t.l4);
	rc = do_mmuext_op(host_arg(&op, sizeof(op)), 1, HOST_GVA + 4096, DOMID_SELF, 0, 0);
	while (rc == -ERESTART) {
		struct cpu_user_regs *r = guest_regs();

		calls++;
		assert_int_equal(locks_held(), 0);
		assert_int_equal(audit_domain(d), 0);	/* all is sound in between */
		rc = do_mmuext_op(r->rdi, r->rsi, r->rdx, r->r10, 0, 0);
	}
	assert_int_equal(rc, 0);
	assert_in_range(calls, 3, 10);
	memcpy(&done, host_arg_ptr(HOST_GVA + 4096), 4);
	assert_int_equal(done, 1);
	assert_int_equal(types_of(t.l1), 1);
	assert_int_equal(unpin_table(t.l4), 0);
	/* a bad one among many is an error, not an endless continuation */
	mmu_lock(d);
	while (!demote_cached(d, 64))
		;
	mmu_unlock(d);
	entries(t.l2)[511] = make_pte(new_page(e), RW);
	assert_int_equal(pin_table(t.l4, PT_l4), -EINVAL);
	tables_end(d);
}

static void dying_domains_get_no_tables(void **state)
{
	begin();
	d->state = DOM_dying;
	assert_int_equal(pin_table(t.l1, PT_l1), -EINVAL);
	d->state = DOM_running;
	assert_int_equal(pin_table(t.l1, PT_l1), 0);
	assert_int_equal(unpin_table(t.l1), 0);
	tables_end(d);
}

/* --- tables that nobody uses --- */

static void unused_tables_give_way(void **state)
{
	begin();
	poke(t.l1, 0, m, RW);
	assert_int_equal(pin_table(t.l4, PT_l4), 0);
	assert_int_equal(unpin_table(t.l4), 0);
	/* m as a table: only the unused tree maps it writable */
	assert_int_equal(pin_table(m, PT_l1), 0);
	assert_false(is_validated(t.l4));
	assert_false(is_validated(t.l1));
	assert_int_equal(unpin_table(m), 0);
	/* and the L1 of an unused tree as a data frame */
	assert_int_equal(pin_table(t.l4, PT_l4), 0);
	assert_int_equal(unpin_table(t.l4), 0);
	assert_int_equal(types_of(t.l1), 1);
	poke(n, 0, t.l1, RW);
	assert_int_equal(pin_table(n, PT_l1), 0);
	assert_int_equal(type_of(t.l1), PT_writable);
	assert_int_equal(unpin_table(n), 0);
	tables_end(d);
}

/* What cannot help is not done: a guest's mistakes do not cost it its cached tables. */
static void pointless_sweeps(void **state)
{
	mfn_t pinned, other;

	begin();
	pinned = new_page(d);
	assert_int_equal(pin_table(pinned, PT_l1), 0);
	assert_int_equal(pin_table(n, PT_l1), 0);
	assert_int_equal(pin_table(t.l4, PT_l4), 0);
	assert_int_equal(unpin_table(t.l4), 0);
	d->table_sweeps = 0;
	other = new_page(e);
	assert_true(get_page_writable(pg_of(other), e));
	assert_int_equal(mod(n, 0, make_pte(other, RW), false), -EINVAL);
	put_page_writable(pg_of(other));
	assert_int_equal(mod(n, 0, make_pte(pinned, RW), false), -EINVAL);
	assert_int_equal(update(n, 0, make_pte(m, RW | 0x0008000000000000UL)), -EINVAL);
	assert_int_equal(pin_table(pinned, PT_l2), -EINVAL);
	poke(m, 0, new_page(e), RO);
	assert_int_equal(pin_table(m, PT_l1), -EINVAL);
	assert_int_equal(d->table_sweeps, 0);
	assert_true(is_cached(t.l4));
	assert_int_equal(unpin_table(pinned), 0);
	assert_int_equal(unpin_table(n), 0);
	tables_end(d);
}

/*
 * An unused L1 is changed so that it shall map itself writable (through its read-only mapping: as
 * ptwr does). The frame cannot be both, and nothing may be let go of twice.
 */
static void unused_table_maps_itself(void **state)
{
	begin();
	poke(t.l1, 0, m, RW);
	assert_int_equal(pin_table(t.l1, PT_l1), 0);
	assert_int_equal(unpin_table(t.l1), 0);
	assert_true(is_cached(t.l1));
	assert_int_equal(mod(t.l1, 0, make_pte(t.l1, RW), false), -EINVAL);
	assert_int_equal(types_of(m), 1);
	assert_true(is_validated(t.l1));
	assert_sound(d);
	mmu_lock(d);
	assert_int_equal(mod_l1_if_same(d, entries(t.l1), entries(t.l1)[0], make_pte(t.l1, RW)),
			 -EINVAL);
	mmu_unlock(d);
	tables_end(d);
}

/*
 * The table that is being changed is kept in use only by unused tables, which have to go so that
 * the new entry's frame becomes writable: it must not go with them, or its old entry's references
 * would be dropped twice. `plain`: by mmu_update.
 */
static void changed_table_outlives_a_sweep(bool plain)
{
	struct tree a, b;
	u64 new;

	begin();
	a = t;
	b = new_tree(d);
	poke(a.l1, 0, m, RW);
	assert_int_equal(pin_table(a.l4, PT_l4), 0);
	assert_int_equal(pin_table(b.l4, PT_l4), 0);
	assert_int_equal(unpin_table(a.l4), 0);		/* the older one: first to go */
	assert_int_equal(unpin_table(b.l4), 0);
	new = make_pte(b.l1, RW);			/* free only when all of b is gone */
	if (plain) {
		assert_int_equal(update(a.l1, 0, new), 0);
	} else {
		mmu_lock(d);
		assert_int_equal(mod_l1_if_same(d, entries(a.l1), entries(a.l1)[0], new), 0);
		mmu_unlock(d);
	}
	assert_false(is_validated(b.l4));
	assert_true(is_validated(a.l1));
	assert_int_equal(types_of(m), 0);
	assert_int_equal(refs_of(m), 1);
	assert_int_equal(types_of(b.l1), 1);
	tables_end(d);
}

static void swept_by_mmu_update(void **state)
{
	changed_table_outlives_a_sweep(true);
}

static void swept_by_a_store(void **state)
{
	changed_table_outlives_a_sweep(false);
}

/* The same for an upper table: promoting the new child sweeps. */
static void changed_upper_table_outlives_a_sweep(void **state)
{
	mfn_t child;

	begin();
	child = new_page(d);
	assert_int_equal(pin_table(t.l3, PT_l3), 0);
	assert_int_equal(unpin_table(t.l3), 0);
	poke(child, 0, t.l3, RW);			/* an L1 that wants the unused L3 writable */
	assert_int_equal(update(t.l2, 1, make_pte(child, RW)), 0);
	assert_false(is_validated(t.l3));
	assert_true(is_validated(t.l2));
	assert_int_equal(types_of(child), 1);
	tables_end(d);
}

/*
 * Promotion finds one child validated though unused, and has to let it go while it promotes another
 * one: it comes back to it.
 */
static void promoted_again_after_a_sweep(void **state)
{
	mfn_t l1b, l2x, x;

	begin();
	l1b = new_page(d);
	l2x = new_page(d);
	x = new_page(d);
	assert_int_equal(pin_table(t.l1, PT_l1), 0);
	assert_int_equal(unpin_table(t.l1), 0);		/* the oldest of the unused */
	poke(l2x, 0, x, RW);
	assert_int_equal(pin_table(l2x, PT_l2), 0);
	assert_int_equal(unpin_table(l2x), 0);
	poke(l1b, 0, x, RW);
	poke(t.l2, 1, l1b, RW);
	assert_int_equal(pin_table(t.l2, PT_l2), 0);
	assert_false(is_validated(l2x));
	assert_int_equal(types_of(t.l1), 1);
	assert_int_equal(types_of(x), 1);
	assert_int_equal(unpin_table(t.l2), 0);
	tables_end(d);
}

/* --- roots --- */

static void roots(void **state)
{
	struct vcpu *v;
	mfn_t other;

	begin();
	v = d->vcpu[0];
	poke(t.l1, 3, m, RW);
	assert_int_equal(ext(MMUEXT_NEW_BASEPTR, t.l4), 0);
	assert_int_equal(refs_of(t.l4), 2);
	assert_int_equal(types_of(t.l4), 1);
	assert_int_equal(v->pv.cr3_kernel >> PAGE_SHIFT, mfn_x(t.l4));
	host_log.loads = 0;
	assert_int_equal(ext(MMUEXT_NEW_BASEPTR, t.l4), 0);	/* the same: a flush */
	assert_int_equal(host_log.loads, 1);
	assert_int_equal(types_of(t.l4), 1);
	assert_int_equal(ext(MMUEXT_NEW_USER_BASEPTR, t.l4), 0);
	assert_int_equal(host_log.loads, 2);
	assert_int_equal(types_of(t.l4), 2);
	assert_ptr_equal(walk_l1(v, 0x3abc), entries(t.l1) + 3);
	assert_null(walk_l1(v, 1UL << 47));		/* not canonical */
	assert_null(walk_l1(v, 1UL << 21));
	assert_null(walk_l1(v, 1UL << 30));
	assert_null(walk_l1(v, 1UL << 39));
	assert_null(walk_l1(d->vcpu[1], 0x3000));	/* has no root */

	assert_int_equal(ext(MMUEXT_NEW_BASEPTR, m), -EINVAL);
	assert_int_equal(ext(MMUEXT_NEW_BASEPTR, _mfn(max_page)), -EINVAL);
	assert_int_equal(ext(MMUEXT_NEW_BASEPTR, new_page(e)), -EINVAL);
	assert_int_equal(ext(MMUEXT_NEW_BASEPTR, INVALID_MFN), -EINVAL);
	assert_int_equal(ext(MMUEXT_NEW_BASEPTR, t.l3), -EINVAL);
	assert_true(mfn_eq(v->pv.root_kernel, t.l4));
	assert_int_equal(ext(MMUEXT_NEW_USER_BASEPTR, m), -EINVAL);
	assert_true(mfn_eq(v->pv.root_user, t.l4));
	other = new_page(d);
	assert_int_equal(ext(MMUEXT_NEW_BASEPTR, other), 0);
	assert_int_equal(types_of(t.l4), 1);
	assert_int_equal(ext(MMUEXT_NEW_USER_BASEPTR, _mfn(0)), 0);
	assert_int_equal(v->pv.cr3_user, 0);
	assert_true(is_cached(t.l4));
	assert_int_equal(ext(MMUEXT_NEW_USER_BASEPTR, t.l4), 0);
	drop_roots(v);
	assert_true(mfn_eq(v->pv.root_kernel, INVALID_MFN));
	assert_int_equal(types_of(other) + types_of(t.l4), 0);
	tables_end(d);
}

/* --- another domain's frames --- */

static void foreign_frames(void **state)
{
	mfn_t table;

	begin();
	table = new_page(e);
	host_set_cpu(1);
	world_run(e->vcpu[0]);
	assert_int_equal(pin_table(table, PT_l1), 0);
	assert_int_equal(update_as(table, 0, make_pte(m, RW), 0, 1), 0);
	assert_int_equal(update_as(table, 1, make_pte(m, RW), 0, DOMID_SELF), -EINVAL);
	assert_int_equal(update_as(table, 1, make_pte(table, RO), 0, 1), -EINVAL);
	assert_int_equal(types_of(m), 1);
	host_set_cpu(0);
	assert_int_equal(pin_table(m, PT_l1), -EINVAL);		/* dom0 has it writable */
	assert_true(release_allocated(d, pg_of(m)));
	assert_int_equal(pg_of(m)->owner, 1);			/* and keeps it alive */
	host_set_cpu(1);
	host_tlb_fill(1, 0, m, true);
	assert_int_equal(update_as(table, 0, make_pte(n, RW), 0, 1), 0);
	assert_int_equal(pg_of(m)->owner, DOMID_INVALID);
	/* an unused table of d's is let go of for a foreign mapping as well */
	assert_int_equal(update_as(table, 0, 0, 0, DOMID_SELF), 0);
	host_set_cpu(0);
	assert_int_equal(pin_table(n, PT_l1), 0);
	assert_int_equal(unpin_table(n), 0);
	host_set_cpu(1);
	assert_int_equal(update_as(table, 0, make_pte(n, RW), 0, 1), 0);
	assert_false(is_validated(n));
	assert_int_equal(update_as(table, 0, 0, 0, DOMID_SELF), 0);
	assert_int_equal(unpin_table(table), 0);
	host_set_cpu(0);
	tables_end(d);
}

/* --- anything --- */

static void random_guest(void **state)
{
	for (int run = 0; run < 60; run++) {
		mmu_random_begin();
		for (int i = 0; i < 500; i++)
			mmu_random_step(i % 8 == 0);
		assert_true(mr.done > 50);
		mmu_random_end();
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(l1_entries),
		cmocka_unit_test(io_frames),
		cmocka_unit_test(upper_entries),
		cmocka_unit_test(bad_tables),
		cmocka_unit_test(hypervisor_slots),
		cmocka_unit_test(replacing_l1_entries),
		cmocka_unit_test(references_go_last),
		cmocka_unit_test(accessed_and_dirty),
		cmocka_unit_test(only_if_the_same),
		cmocka_unit_test(failed_entry_changes_nothing),
		cmocka_unit_test(large_trees_take_several_calls),
		cmocka_unit_test(dying_domains_get_no_tables),
		cmocka_unit_test(unused_tables_give_way),
		cmocka_unit_test(pointless_sweeps),
		cmocka_unit_test(unused_table_maps_itself),
		cmocka_unit_test(swept_by_mmu_update),
		cmocka_unit_test(swept_by_a_store),
		cmocka_unit_test(changed_upper_table_outlives_a_sweep),
		cmocka_unit_test(promoted_again_after_a_sweep),
		cmocka_unit_test(roots),
		cmocka_unit_test(foreign_frames),
		cmocka_unit_test(random_guest),
	};

	return host_main(tests);
}
