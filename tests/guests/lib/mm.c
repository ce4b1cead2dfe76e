/* SPDX-License-Identifier: MIT */
/*
 * mm.c: page allocator and page-table helpers.
 *
 * Holds: every table this guest makes lies in the initial mapping, so that mfn_to_va() finds it.
 */
#include "guest.h"

#define POOL_PAGES 640
static u8 pool[POOL_PAGES][PAGE_SIZE] __aligned(4096);
static unsigned int pool_used;
static void *free_list[256];
static unsigned int nr_free;
static u64 next_pfn;

void *alloc_pages(unsigned int n)
{
	void *p;

	if (n == 1 && nr_free) {
		p = free_list[--nr_free];
	} else {
		if (pool_used + n > POOL_PAGES)
			test_error("out of pages");
		p = pool[pool_used];
		pool_used += n;
	}
	return memset(p, 0, n * PAGE_SIZE);
}

void free_page(void *va)
{
	if (nr_free < ARRAY_SIZE(free_list))
		free_list[nr_free++] = va;
}

/* The initial mapping ends at a multiple of 4 MiB; frames above it are not mapped. */
u64 alloc_pfn(void)
{
	if (!next_pfn) {
		next_pfn = va_to_pfn((void *)si->pt_base) + si->nr_pt_frames;
		while (find_entry((u64)pfn_to_va(next_pfn), 1) && (read_pte((u64)pfn_to_va(next_pfn)) & PTE_P))
			next_pfn++;
	}
	return next_pfn < si->nr_pages ? next_pfn++ : 0;
}

u64 *root(void)
{
	return (u64 *)si->pt_base;
}

u64 *find_entry(u64 va, unsigned int level)
{
	u64 *table = root();

	for (unsigned int l = 4; ; l--) {
		u64 *e = &table[va >> (12 + 9 * (l - 1)) & 511];

		if (l == level)
			return e;
		if (!(*e & PTE_P) || (*e & PTE_PS))
			return NULL;
		table = mfn_to_va((*e & PTE_ADDR) >> 12);
	}
}

u64 entry_maddr(u64 va, unsigned int level)
{
	u64 *e = find_entry(va, level);

	return e ? va_to_maddr(e) : 0;
}

u64 read_pte(u64 va)
{
	u64 *e = find_entry(va, 1);

	return e ? READ_ONCE(*e) : 0;
}

long write_entry(u64 maddr, u64 val)
{
	struct mmu_update u = { maddr | MMU_NORMAL_PT_UPDATE, val };

	return hc_mmu_update(&u, 1, NULL, DOMID_SELF);
}

long set_ro(void *va)
{
	return hc_update_va_mapping((u64)va, pte_of(va) & ~PTE_RW, UVMF_INVLPG);
}

long set_rw(void *va)
{
	return hc_update_va_mapping((u64)va, pte_of(va) | PTE_RW, UVMF_INVLPG);
}

void make_tables(u64 va)
{
	for (unsigned int level = 4; level > 1; level--) {
		u64 *e = find_entry(va, level);
		void *t;
		long rc;

		if (*e & PTE_P)
			continue;
		t = alloc_page();
		rc = set_ro(t);
		if (!rc)
			rc = write_entry(va_to_maddr(e), va_to_mfn(t) << 12 | PTE_TABLE);
		if (rc)
			test_error("level %u table for %#lx: %ld", level - 1, va, rc);
	}
}

long mmuext(unsigned int cmd, u64 arg1, u64 arg2)
{
	struct mmuext_op op = { .cmd = cmd };

	op.arg1.mfn = arg1;
	op.arg2.src_mfn = arg2;
	return hc_mmuext_op(&op, 1, NULL, DOMID_SELF);
}
