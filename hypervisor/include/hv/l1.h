/* SPDX-License-Identifier: MIT */
/*
 * Job:    change one L1 entry, inline: find it, take and drop what it holds, write it.
 *         pv/pagetable.c has the rare cases.
 * Enter:  the files of pv/ that update page tables; nobody else.
 * Locks:  mmu_lock of the table's owner (walk_l1: to rely on what was found).
 * Holds:  P3 of hv/pv.h.
 * Tests:  tests/host/test_pagetable.c
 */
#ifndef HV_L1_H
#define HV_L1_H

#include <hv/pv.h>

/* Bits a guest may not set: physical address bits above 46 (no CPU we run on has such RAM). */
#define PTE_BAD		0x000f800000000000UL
#define PTE_CACHE	(PTE_PWT | PTE_PCD | PTE_PAT)

/* What the hypervisor makes of a present entry of d: in ring 3 everything is user memory. */
static inline u64 adjust_l1(const struct domain *d, u64 e)
{
	return (e | d->force_us) & ~PTE_G;
}

int get_l1e_slow(struct domain *d, struct domain *pg_owner, u64 e, struct page_info *table);

/* Take what a present L1 entry needs. table: where it will be, unless that is being validated. */
static __always_inline int get_l1e(struct domain *d, struct domain *pg_owner, u64 e,
				   struct page_info *table)
{
	struct page_info *pg = mfn_to_page(pte_mfn(e));

	if (likely(!(e & (PTE_BAD | PTE_CACHE)) && pg_owner && mfn_is_ram(pte_mfn(e)))) {
		if (!(e & PTE_RW) && likely(get_page(pg, pg_owner)))
			return 0;
		/* ending another use is not for here: table must be held */
		if ((e & PTE_RW) && likely(PG_type(pg->word) == PT_writable &&
					   get_page_writable(pg, pg_owner)))
			return 0;
	}
	return get_l1e_slow(d, pg_owner, e, table);
}

static __always_inline void put_l1e(u64 e)
{
	struct page_info *pg = mfn_to_page(pte_mfn(e));

	if (unlikely(!mfn_is_ram(pte_mfn(e))))
		return;
	if (e & PTE_RW)
		put_page_writable(pg);
	else
		put_page(pg);
}

enum pte_write { WRITE_PLAIN, WRITE_KEEP_AD, WRITE_IF_SAME };

/* False only for WRITE_IF_SAME: a CPU set A or D (or the guest raced) since *old was read. */
static __always_inline bool write_pte(u64 *p, u64 *old, u64 new, enum pte_write how)
{
	if (how == WRITE_PLAIN) {
		WRITE_ONCE(*p, new);
		return true;
	}
	if (how == WRITE_IF_SAME)
		return atomic_cas(p, old, new);
	while (!atomic_cas(p, old, new | (*old & (PTE_A | PTE_D))))
		;
	return true;
}

/* Replace the entry at l1p, which was old, as mod_l1() does; -EAGAIN only for WRITE_IF_SAME. */
static __always_inline int change_l1(struct domain *d, struct domain *pg_owner, u64 *l1p, u64 old,
				     u64 new, enum pte_write how)
{
	int rc;

	if (new & PTE_P) {
		new = adjust_l1(d, new);
		/* the same frame with the same rights: references stay as they are */
		if (!((old ^ new) & (PTE_MFN_MASK | PTE_P | PTE_RW | PTE_CACHE)))
			return write_pte(l1p, &old, new, how) ? 0 : -EAGAIN;
		rc = get_l1e(d, pg_owner, new, mfn_to_page(virt_to_mfn(l1p)));
		if (unlikely(rc))
			return rc;
	}
	if (unlikely(!write_pte(l1p, &old, new, how))) {
		if (new & PTE_P)
			put_l1e(new);
		return -EAGAIN;
	}
	if (old & PTE_P)
		put_l1e(old);
	return 0;
}

/* A typed reference on a table of d, or a descriptor page; promotes its tree if need be. */
int get_table(struct domain *d, mfn_t mfn, enum page_type type);

/* Walk the vcpu's kernel root: address of the L1 entry that maps va, or NULL. */
static __always_inline u64 *walk_l1(const struct vcpu *v, u64 va)
{
	mfn_t table = v->pv.root_kernel;
	unsigned int shift;
	u64 e;

	if (unlikely(in_hv_slots(va) || !is_canonical(va) || mfn_eq(table, INVALID_MFN)))
		return NULL;
#pragma GCC unroll 3
	for (shift = 39; shift > PAGE_SHIFT; shift -= 9) {
		e = READ_ONCE(((const u64 *)mfn_to_virt(table))[(va >> shift) & 511]);
		if (unlikely(!(e & PTE_P)))
			return NULL;
		table = pte_mfn(e);
	}
	return (u64 *)mfn_to_virt(table) + L1_INDEX(va);
}

#endif
