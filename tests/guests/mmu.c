/* SPDX-License-Identifier: MIT */
/*
 * mmu: page-table updates by mmu_update and update_va_mapping do what they say, and nothing else.
 *
 * Claim:  a new entry maps at once (after the flush that was asked for); counts of finished requests
 *         are exact, at an error too; A and D bits are kept where asked; the M2P follows
 *         MMU_MACHPHYS_UPDATE for own frames only; frames, addresses and domains that are not the
 *         guest's are refused and change nothing.
 * Broken: a stale translation, a wrong count, an entry changed by a refused request.
 */
#include "guest.h"

#define VA	0x0000200000000000ul	/* user half, no tables there at start */

static u64 *page_a, *page_b;
static u64 l1m;			/* machine address of VA's L1 entry */

static long upd(u64 ptr, u64 val, unsigned int dom)
{
	struct mmu_update u = { ptr, val };

	return hc_mmu_update(&u, 1, NULL, dom);
}

static u64 word(void)
{
	return *(volatile u64 *)VA;
}

static void normal(void)
{
	struct mmu_update u[4];
	u32 done = 99;

	make_tables(VA);
	l1m = entry_maddr(VA, 1);
	CHECK_EQ(upd(l1m, va_to_maddr(page_a) | PTE_KERN, DOMID_SELF), 0);
	CHECK_EQ(word(), 0xaaaa);
	CHECK_EQ(read_pte(VA) & PTE_ADDR, va_to_maddr(page_a));
	*(volatile u64 *)VA = 0xaaab;
	CHECK_EQ(*page_a, 0xaaab);
	*page_a = 0xaaaa;
	/* Remapping needs no more than INVLPG. */
	CHECK_EQ(upd(l1m, va_to_maddr(page_b) | PTE_KERN, DOMID_SELF), 0);
	mmuext(MMUEXT_INVLPG_LOCAL, VA, 0);
	CHECK_EQ(word(), 0xbbbb);
	/* Counts: all, none, up to the bad one. */
	for (unsigned int i = 0; i < 4; i++) {
		u[i].ptr = l1m + 8 * (i + 1);
		u[i].val = va_to_maddr(page_a) | PTE_KERN;
	}
	CHECK_EQ(hc_mmu_update(u, 4, &done, DOMID_SELF), 0);
	CHECK_EQ(done, 4);
	CHECK_EQ(*(volatile u64 *)(VA + 4 * 4096), 0xaaaa);
	CHECK_EQ(hc_mmu_update(u, 0, &done, DOMID_SELF), 0);
	CHECK_EQ(done, 0);
	u[2].val = va_to_maddr(find_entry(VA, 1)) | PTE_KERN;	/* a page table, writable */
	for (unsigned int i = 0; i < 4; i++)
		u[i].val ^= PTE_AVAIL;
	CHECK(hc_mmu_update(u, 4, &done, DOMID_SELF) < 0, "a writable page table was accepted");
	CHECK_EQ(done, 2);
	CHECK(read_pte(VA + 2 * 4096) & PTE_AVAIL, "the request before the bad one was not done");
	CHECK(!(read_pte(VA + 3 * 4096) & PTE_AVAIL), "the bad request was done");
	CHECK(!(read_pte(VA + 4 * 4096) & PTE_AVAIL), "the request after the bad one was done");
	/* Clearing unmaps. */
	CHECK_EQ(upd(l1m + 8, 0, DOMID_SELF), 0);
	mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0);
	CHECK_EQ(read_pte(VA + 4096), 0);
	/* An entry that is not present may hold anything. */
	CHECK_EQ(upd(l1m + 8, 0xdeadbeefcafe0ul & ~1ul, DOMID_SELF), 0);
	CHECK_EQ(read_pte(VA + 4096), 0xdeadbeefcafe0ul & ~1ul);
	CHECK_EQ(upd(l1m + 8, 0, DOMID_SELF), 0);
}

static void get(void *va) { (void)*(volatile u64 *)va; }

static void big_batch(void)
{
	static struct mmu_update u[2048];
	u32 done = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(u); i++) {
		u[i].ptr = l1m + 8 * (10 + i % 400);
		u[i].val = i < 1648 ? va_to_maddr(i & 1 ? page_a : page_b) | PTE_KERN : 0;
	}
	CHECK_EQ(hc_mmu_update(u, ARRAY_SIZE(u), &done, DOMID_SELF), 0);
	CHECK_EQ(done, ARRAY_SIZE(u));
	for (unsigned int i = 0; i < 400; i++)
		CHECK(!read_pte(VA + (10 + i) * 4096), "entry %u was not cleared", 10 + i);
	mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0);
	CHECK_EQ(try_call(get, (void *)(VA + 10 * 4096)), X86_PF);
}

static void preserve_ad(void)
{
	CHECK_EQ(upd(l1m, va_to_maddr(page_a) | PTE_P | PTE_RW | PTE_US, DOMID_SELF), 0);
	mmuext(MMUEXT_INVLPG_LOCAL, VA, 0);
	*(volatile u64 *)VA = 0xaaaa;
	CHECK((read_pte(VA) & (PTE_A | PTE_D)) == (PTE_A | PTE_D), "A and D were not set: %#lx", read_pte(VA));
	CHECK_EQ(upd(l1m | MMU_PT_UPDATE_PRESERVE_AD, va_to_maddr(page_a) | PTE_P | PTE_US, DOMID_SELF), 0);
	CHECK_EQ(read_pte(VA) & (PTE_A | PTE_D | PTE_RW), PTE_A | PTE_D);
	CHECK_EQ(upd(l1m | MMU_NORMAL_PT_UPDATE, va_to_maddr(page_a) | PTE_P | PTE_US, DOMID_SELF), 0);
	CHECK_EQ(read_pte(VA) & (PTE_A | PTE_D), 0);
	CHECK_EQ(upd(l1m | MMU_PT_UPDATE_NO_TRANSLATE, va_to_maddr(page_b) | PTE_KERN, DOMID_SELF), 0);
	mmuext(MMUEXT_INVLPG_LOCAL, VA, 0);
	CHECK_EQ(word(), 0xbbbb);
	CHECK_EQ(upd(l1m | 4, va_to_maddr(page_b) | PTE_KERN, DOMID_SELF), -XEN_ENOSYS);
}

static void machphys(void)
{
	u64 mfn = va_to_mfn(page_a), pfn = va_to_pfn(page_a);

	CHECK_EQ(upd(mfn << 12 | MMU_MACHPHYS_UPDATE, 0x12345, DOMID_SELF), 0);
	CHECK_EQ(m2p[mfn], 0x12345);
	CHECK_EQ(upd(mfn << 12 | MMU_MACHPHYS_UPDATE, pfn, DOMID_SELF), 0);
	CHECK_EQ(m2p[mfn], pfn);
	CHECK(upd(0xfffffffful << 12 | MMU_MACHPHYS_UPDATE, 1, DOMID_SELF) < 0, "M2P of no frame");
	CHECK(upd(si->shared_info | MMU_MACHPHYS_UPDATE, 1, DOMID_SELF) < 0 || m2p[si->shared_info >> 12] == 1,
	      "M2P of shared_info");
}

static void va_mapping(void)
{
	u64 a = va_to_maddr(page_a) | PTE_KERN, b = va_to_maddr(page_b) | PTE_KERN, mask = 1;
	static const u64 bad_va[] = { HYPERVISOR_VIRT_START, HYPERVISOR_VIRT_START + (5ul << 39),
		HYPERVISOR_VIRT_END - 4096, 0x800000000000ul, 0xffff7ffffffff000ul, 0x8000000000000000ul };
	const u64 flags[] = { UVMF_TLB_FLUSH | UVMF_LOCAL, UVMF_TLB_FLUSH | UVMF_ALL, UVMF_INVLPG | UVMF_LOCAL,
		UVMF_INVLPG | UVMF_ALL, UVMF_TLB_FLUSH | (u64)&mask, UVMF_INVLPG | (u64)&mask };

	for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++) {
		CHECK_EQ(hc_update_va_mapping(VA, a, flags[i]), 0);
		CHECK_EQ(word(), 0xaaaa);
		CHECK_EQ(hc_update_va_mapping(VA, b, flags[i]), 0);
		CHECK_EQ(word(), 0xbbbb);
	}
	CHECK_EQ(hc_update_va_mapping(VA, a, UVMF_NONE), 0);
	mmuext(MMUEXT_INVLPG_LOCAL, VA, 0);
	CHECK_EQ(word(), 0xaaaa);
	/* The entry is changed even if the bitmap cannot be read; the result says so. */
	CHECK_EQ(hc_update_va_mapping(VA, b, UVMF_TLB_FLUSH | 0x1000), -XEN_EFAULT);
	mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0);
	hc_update_va_mapping(VA, a, UVMF_INVLPG);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad_va); i++)
		CHECK_EQ(hc_update_va_mapping(bad_va[i], a, UVMF_INVLPG), -XEN_EINVAL);
	CHECK_EQ(hc_update_va_mapping(VA + (1ul << 39), a, UVMF_INVLPG), -XEN_EINVAL);	/* no tables */
	CHECK(hc_update_va_mapping(VA, a, 3) < 0 || true, "flush type 3");
	/* The address need not be aligned. */
	CHECK_EQ(hc_update_va_mapping(VA + 123, b, UVMF_INVLPG), 0);
	CHECK_EQ(word(), 0xbbbb);
}

static void refused(void)
{
	u64 before, pt = va_to_maddr(find_entry(VA, 1)) & PTE_ADDR;
	u64 bad[] = {
		pt | PTE_KERN,					/* page table, writable */
		va_to_maddr(root()) | PTE_KERN,
		va_to_maddr(page_a) | PTE_KERN | 1ul << 51,	/* beyond the machine */
	};

	CHECK_EQ(hc_update_va_mapping(VA, va_to_maddr(page_a) | PTE_KERN, UVMF_INVLPG), 0);
	before = read_pte(VA);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK(hc_update_va_mapping(VA, bad[i], UVMF_INVLPG) < 0, "entry %#lx accepted", bad[i]);
		CHECK(read_pte(VA) == before, "entry %#lx refused but changed", bad[i]);
		CHECK(upd(l1m, bad[i], DOMID_SELF) < 0, "entry %#lx accepted", bad[i]);
		CHECK(read_pte(VA) == before, "entry %#lx refused but changed", bad[i]);
	}
	CHECK_EQ(hc_update_va_mapping(VA, pt | PTE_P | PTE_US, UVMF_INVLPG), 0);	/* read-only is fine */
	CHECK_EQ(hc_update_va_mapping(VA, before, UVMF_INVLPG), 0);
	/* L2: no superpages, no frame that is no table and is mapped writable. */
	CHECK(upd(entry_maddr(VA + (4ul << 21), 2), 0 | PTE_KERN | PTE_PS, DOMID_SELF) < 0, "superpage in L2");
	CHECK(upd(entry_maddr(VA + (4ul << 21), 2), (va_to_maddr(page_a) & ~0x1ffffful) | PTE_KERN | PTE_PS,
		  DOMID_SELF) < 0, "superpage in L2");
	CHECK(upd(entry_maddr(VA + (4ul << 21), 2), va_to_maddr(page_a) | PTE_TABLE, DOMID_SELF) < 0,
	      "a writable page as L1 table");
	CHECK_EQ(*find_entry(VA + (4ul << 21), 2), 0);
	CHECK(upd(entry_maddr(VA + (4ul << 30), 3), pt | PTE_TABLE, DOMID_SELF) < 0, "an L1 table as L2");
	CHECK_EQ(*find_entry(VA + (4ul << 30), 3), 0);
	/* A pointer into something that is no page table: refused, or a plain write. */
	long rc = upd(va_to_maddr(&page_a[5]), 0x4711, DOMID_SELF);
	CHECK(rc ? rc == -XEN_EINVAL && page_a[5] == 0 : page_a[5] == 0x4711, "update of data: %ld, %#lx", rc,
	      page_a[5]);
	page_a[5] = 0;
	CHECK(upd(0xffffffffful << 12, 0, DOMID_SELF) < 0, "entry in no frame");
	CHECK(upd(si->shared_info, 0, DOMID_SELF) < 0 || true, "entry in shared_info");
}

static void domains(void)
{
	struct mmuext_op op = { .cmd = MMUEXT_TLB_FLUSH_LOCAL };
	u64 a = va_to_maddr(page_a) | PTE_KERN, before = read_pte(VA);
	u32 done = 5;
	long rc;

	CHECK_EQ(upd(l1m, a, 1), -XEN_ESRCH);
	CHECK_EQ(upd(l1m, a, 0x7fef), -XEN_ESRCH);
	CHECK_EQ(upd(l1m, a, (1 + 1) << 16 | DOMID_SELF), -XEN_ESRCH);
	CHECK(upd(l1m, a, DOMID_INVALID) < 0, "DOMID_INVALID");
	CHECK_EQ(read_pte(VA), before);
	rc = upd(l1m, a, DOMID_IO);			/* Xen lets dom0, here and below */
	CHECK(rc <= 0, "own RAM through DOMID_IO: %ld", rc);
	rc = upd(l1m, a, DOMID_XEN);
	CHECK(rc <= 0, "own RAM through DOMID_XEN: %ld", rc);
	rc = upd(l1m, a, 0);				/* own number: Xen does not take it */
	CHECK(rc <= 0, "own number as foreign domain: %ld", rc);
	CHECK_EQ(hc_mmuext_op(&op, 1, &done, 1), -XEN_ESRCH);
	CHECK(done == 5 || done == 0, "%u requests done for no domain", done);
	CHECK_EQ(hc_mmuext_op(&op, 1, &done, DOMID_SELF), 0);
	CHECK_EQ(done, 1);
	op.cmd = 77;
	CHECK_EQ(hc_mmuext_op(&op, 1, &done, DOMID_SELF), -XEN_ENOSYS);
	CHECK_EQ(done, 0);
	/* I/O memory (VGA): through DOMID_IO and as our own. */
	CHECK_EQ(upd(l1m, 0xb8000 | PTE_KERN | PTE_PCD, DOMID_IO), 0);
	CHECK_EQ(upd(l1m, 0xb8000 | PTE_KERN | PTE_PCD, DOMID_SELF), 0);
	CHECK_EQ(hc_update_va_mapping(VA, 0xf0000 | PTE_P | PTE_US, UVMF_INVLPG), 0);	/* BIOS */
	(void)word();
	/* The interrupt controllers' pages are the hypervisor's, at least for writing. */
	CHECK(hc_update_va_mapping(VA, 0xfee00000 | PTE_KERN | PTE_PCD, UVMF_INVLPG) < 0, "local APIC mapped");
	hc_update_va_mapping(VA, a, UVMF_INVLPG);
	/* Frames of the M2P: DOMID_XEN's, read-only. */
	u64 mfns[4] = { 0 };
	struct xen_machphys_mfn_list ml = { .max_extents = 1, .extent_start = (u64)mfns };

	rc = hc_memory_op(XENMEM_machphys_mfn_list, &ml);
	CHECK_EQ(rc, 0);
	if (!rc && mfns[0]) {
		CHECK(upd(l1m, mfns[0] << 12 | PTE_P | PTE_RW | PTE_US, DOMID_XEN) < 0, "M2P mapped writable");
		CHECK(upd(l1m, mfns[0] << 12 | PTE_P | PTE_RW | PTE_US, DOMID_SELF) < 0, "M2P mapped writable");
		rc = upd(l1m, mfns[0] << 12 | PTE_P | PTE_US, DOMID_XEN);
		CHECK(rc == 0, "M2P frame read-only through DOMID_XEN: %ld", rc);
		mmuext(MMUEXT_INVLPG_LOCAL, VA, 0);
		CHECK_EQ(word(), m2p[0]);
	}
	CHECK_EQ(hc_update_va_mapping(VA, 0, UVMF_INVLPG), 0);
}

static void ops(void)
{
	u64 *p = alloc_page(), *q = alloc_page();

	p[3] = 1;
	q[511] = 0x1234;
	CHECK_EQ(mmuext(MMUEXT_CLEAR_PAGE, va_to_mfn(p), 0), 0);
	CHECK_EQ(p[3], 0);
	CHECK_EQ(mmuext(MMUEXT_COPY_PAGE, va_to_mfn(p), va_to_mfn(q)), 0);
	CHECK_EQ(p[511], 0x1234);
	CHECK(mmuext(MMUEXT_CLEAR_PAGE, va_to_mfn(root()), 0) < 0, "page table cleared");
	CHECK(mmuext(MMUEXT_COPY_PAGE, va_to_mfn(root()), va_to_mfn(q)) < 0, "page table overwritten");
	CHECK(mmuext(MMUEXT_CLEAR_PAGE, ~0ul, 0) < 0, "frame ~0 cleared");
	CHECK_EQ(mmuext(MMUEXT_TLB_FLUSH_ALL, 0, 0), 0);
	CHECK_EQ(mmuext(MMUEXT_INVLPG_ALL, VA, 0), 0);
	CHECK_EQ(mmuext(MMUEXT_INVLPG_LOCAL, HYPERVISOR_VIRT_START, 0), 0);
	u64 mask = ~0ul;
	CHECK_EQ(mmuext(MMUEXT_TLB_FLUSH_MULTI, 0, (u64)&mask), 0);
	CHECK_EQ(mmuext(MMUEXT_INVLPG_MULTI, VA, (u64)&mask), 0);
	CHECK(mmuext(MMUEXT_TLB_FLUSH_MULTI, 0, 0x1000) < 0, "bitmap at an unmapped address");
	CHECK_EQ(mmuext(MMUEXT_FLUSH_CACHE, 0, 0), 0);
	free_page(p);
	free_page(q);
}

static void teardown(void)
{
	/* Take the tables off from the top, leaf still mapped: all of it becomes plain memory again. */
	u64 *l3 = mfn_to_va((*find_entry(VA, 4) & PTE_ADDR) >> 12);
	u64 *l2 = mfn_to_va((*find_entry(VA, 3) & PTE_ADDR) >> 12);
	u64 *l1 = mfn_to_va((*find_entry(VA, 2) & PTE_ADDR) >> 12);

	CHECK_EQ(hc_update_va_mapping(VA, va_to_maddr(page_a) | PTE_KERN, UVMF_INVLPG), 0);
	CHECK(set_rw(l1) < 0 && set_rw(l2) < 0 && set_rw(l3) < 0, "a live table was made writable");
	CHECK_EQ(upd(va_to_maddr(find_entry(VA, 4)), 0, DOMID_SELF), 0);
	CHECK_EQ(try_call(get, (void *)VA), X86_PF);
	CHECK_EQ(set_rw(l1), 0);
	CHECK_EQ(set_rw(l2), 0);
	CHECK_EQ(set_rw(l3), 0);
	memset(l1, 0xff, 4096);
	memset(l2, 0xff, 4096);
	memset(l3, 0xff, 4096);
}

void test_main(void)
{
	page_a = alloc_page();
	page_b = alloc_page();
	*page_a = 0xaaaa;
	*page_b = 0xbbbb;
	normal();
	big_batch();
	preserve_ad();
	machphys();
	va_mapping();
	refused();
	domains();
	ops();
	teardown();
}
