/* SPDX-License-Identifier: MIT */
/*
 * Page tables of guests for tests: building them, changing them by hypercall, and the hardware's
 * view of them.
 *
 * Job:    frames, trees, hypercalls with their continuations; tlb_*(): what CPUs may cache, and the
 *         claim that no frame changes its use or owner while one of them does.
 * Holds:  hw_check() knows nothing of counts: it walks from the roots as a CPU would.
 * Tests:  test_frame.c, test_pagetable.c, test_mmu_update.c, test_mmuext.c, test_audit.c; tests/fuzz
 */
#ifndef HOST_TABLES_H
#define HOST_TABLES_H

#include "world.h"
#include <hv/l1.h>
#include <hv/pv.h>

#define RO (PTE_P | PTE_US | PTE_A)
#define RW (PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D)

static inline struct page_info *pg_of(mfn_t m)
{
	return mfn_to_page(m);
}

static inline u64 *entries(mfn_t m)
{
	return mfn_to_virt(m);
}

#define refs_of(m) PG_refs(pg_of(m)->word)
#define types_of(m) PG_type_count(pg_of(m)->word)
#define type_of(m) PG_type(pg_of(m)->word)
#define is_validated(m) (!!(pg_of(m)->word & PG_validated))
#define is_cached(m) (!!(pg_of(m)->flags & PGF_cached))

/* A fresh frame of d; no CPU may have it cached in any way. */
static inline mfn_t new_page(struct domain *d)
{
	struct page_info *pg = alloc_page(ALLOC_ZERO);
	mfn_t m;

	assert_non_null(pg);
	m = page_to_mfn(pg);
	assert_false(host_tlb_caches(m, false));
	assert_false(host_tlb_walks(m));
	assert_int_equal(assign_page(d, pg, true), 0);
	return m;
}

/* Table entry without ceremony: for frames that are no tables yet. */
static inline void poke(mfn_t table, unsigned int i, mfn_t target, u64 flags)
{
	entries(table)[i] = make_pte(target, flags);
}

struct tree { mfn_t l4, l3, l2, l1; };

/* One branch for address 0; nothing is validated. */
static inline struct tree new_tree(struct domain *d)
{
	struct tree t = { new_page(d), new_page(d), new_page(d), new_page(d) };

	poke(t.l4, 0, t.l3, RW);
	poke(t.l3, 0, t.l2, RW);
	poke(t.l2, 0, t.l1, RW);
	return t;
}

/* --- hypercalls of the current vcpu, to their end --- */

static inline long finish(long rc)
{
	while (rc == -ERESTART) {
		struct cpu_user_regs *r = guest_regs();

		host_softirq[host_cpu] = 0;
		rc = hypercall_table[r->rax](r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9);
	}
	return rc;
}

static inline long ext_of(unsigned int cmd, u64 a1, u64 a2, u64 domid)
{
	struct mmuext_op op = { .cmd = cmd, .arg1.mfn = a1, .arg2.vcpumask = a2 };

	return finish(do_mmuext_op(host_arg(&op, sizeof(op)), 1, 0, domid, 0, 0));
}

static inline long ext(unsigned int cmd, mfn_t m)
{
	return ext_of(cmd, mfn_x(m), 0, DOMID_SELF);
}

static inline long pin_table(mfn_t m, enum page_type type)
{
	return ext(MMUEXT_PIN_L1_TABLE + (type - PT_l1), m);
}

static inline long unpin_table(mfn_t m)
{
	return ext(MMUEXT_UNPIN_TABLE, m);
}

static inline long update_as(mfn_t table, unsigned int i, u64 val, unsigned int cmd, u64 foreign)
{
	struct mmu_update u = { (mfn_x(table) << PAGE_SHIFT) + i * 8 + cmd, val };

	return finish(do_mmu_update(host_arg(&u, sizeof(u)), 1, 0, foreign, 0, 0));
}

static inline long update(mfn_t table, unsigned int i, u64 val)
{
	return update_as(table, i, val, MMU_NORMAL_PT_UPDATE, DOMID_SELF);
}

/* --- hardware --- */

/* CPU translates va in these tables and caches what it finds, as a CPU may at any time. */
static inline void hw_touch(unsigned int cpu, mfn_t root, u64 va)
{
	static const unsigned int shift[] = { 39, 30, 21, 12 };
	bool writable = true;
	mfn_t table = root;

	for (unsigned int i = 0; i < 4; i++) {
		u64 e = entries(table)[(va >> shift[i]) & 511];

		if (!(e & PTE_P) || (i == 0 && is_hv_slot(L4_INDEX(va))))
			return;
		writable &= !!(e & PTE_RW);
		table = pte_mfn(e);
		if (!mfn_is_ram(table))
			return;
		if (i < 3)
			host_tlb_fill_table(cpu, table, 3 - i);
		else
			host_tlb_fill(cpu, va, table, writable);
	}
}

/* What any CPU caches agrees with what the frame is now. False says why. */
static inline const char *hw_stale(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(host_tlb); i++) {
		const struct host_tlb *t = &host_tlb[i];
		u64 w;

		if (!t->used)
			continue;
		w = pg_of(t->mfn)->word;
		if (pg_of(t->mfn)->flags & PGF_free)
			continue;		/* flushed when it is given out: new_page() looks */
		if (pg_of(t->mfn)->owner == DOMID_INVALID)
			return "a guest still reaches a frame of the hypervisor's";
		if (!t->level && t->writable && is_table_type(PG_type(w)) &&
		    (PG_type_count(w) || (w & PG_validated)))
			return "a guest still writes to a page table";
		if (t->level && PG_type(w) == PT_writable && PG_type_count(w))
			return "a CPU still walks a table that is writable";
		if (t->level && is_table_type(PG_type(w)) && (PG_type_count(w) || (w & PG_validated)) &&
		    PG_type(w) != t->level)
			return "a CPU still walks a table of another level";
	}
	return NULL;
}

/* One table and all below it, as hardware would use it for domain d. */
static inline const char *hw_check_table(const struct domain *d, mfn_t m, unsigned int level)
{
	const char *why = NULL;

	if (pg_of(m)->owner != d->id || type_of(m) != (enum page_type)level || !types_of(m) ||
	    !is_validated(m))
		return "a table in use is no validated table of the domain";
	for (unsigned int i = 0; i < PTES_PER_PAGE && !why; i++) {
		u64 e = entries(m)[i];

		if (level == 4 && is_hv_slot(i)) {
			if (e)			/* the seam of host tests puts 0 there */
				return "a guest's value in a slot of the hypervisor";
			continue;
		}
		if (!(e & PTE_P))
			continue;
		if (!(e & PTE_US) || (e & 0x000f800000000000UL))
			return "an entry with bits that were to be refused or changed";
		if (level > 1) {
			if (e & (PTE_PS | PTE_G))
				return "PS or G in an upper entry";
			why = hw_check_table(d, pte_mfn(e), level - 1);
		} else if (mfn_is_ram(pte_mfn(e))) {
			struct page_info *pg = pg_of(pte_mfn(e));

			if (pg->owner >= DOMID_FIRST_RESERVED || !PG_refs(pg->word))
				return "a mapped frame is nobody's";
			if (pg->owner != d->id && !domain_lookup(0))
				return "a mapped frame is another domain's";
			if ((e & PTE_RW) && (PG_type(pg->word) != PT_writable ||
					     !PG_type_count(pg->word)))
				return "a frame is mapped writable, but is no writable frame";
		}
	}
	return why;
}

/* All roots of d's vcpus; and nothing stale anywhere. NULL: all is well. */
static inline const char *hw_check(const struct domain *d)
{
	const char *why = hw_stale();

	for (unsigned int i = 0; i < d->max_vcpus && !why; i++) {
		if (!mfn_eq(d->vcpu[i]->pv.root_kernel, INVALID_MFN))
			why = hw_check_table(d, d->vcpu[i]->pv.root_kernel, 4);
		if (!why && !mfn_eq(d->vcpu[i]->pv.root_user, INVALID_MFN))
			why = hw_check_table(d, d->vcpu[i]->pv.root_user, 4);
	}
	return why;
}

#define assert_sound(d) do { \
	const char *_why = hw_check(d); \
	if (_why) \
		fail_msg("%s", _why); \
	assert_int_equal(audit_domain(d), 0); } while (0)

/* world_end() with the audit of one domain first. */
static inline void tables_end(struct domain *d)
{
	assert_sound(d);
	world_end();
}

#endif
