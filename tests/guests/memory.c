/* SPDX-License-Identifier: MIT */
/*
 * memory: a domain gives frames back, gets frames, exchanges them, and learns how much it has.
 *
 * Claim:  decrease, populate and increase change the reservation by exactly what they report; a frame
 *         that is mapped or a page table is not given away under its user; populated frames are clear
 *         of old contents of other domains and have their M2P entry; exchange swaps whole extents;
 *         reservation queries, memory maps and M2P queries answer; bad arguments are refused.
 * Broken: the balloon driver of Linux loses memory, or a guest keeps a mapping of a frame it gave away.
 */
#include "guest.h"

static u64 reservation(void)
{
	struct xen_memory_domain d = { DOMID_SELF };
	long n = hc_memory_op(XENMEM_current_reservation, &d);

	CHECK(n > 0, "current_reservation: %ld", n);
	return (u64)n;
}

static long op(unsigned int cmd, u64 *list, u64 n, unsigned int order)
{
	struct xen_memory_reservation r = { .extent_start = (u64)list, .nr_extents = n, .extent_order = order,
		.domid = DOMID_SELF };

	return hc_memory_op(cmd, &r);
}

static void balloon(void)
{
	u64 before = reservation(), pfn[8], mfn[8], got[8];
	long rc;

	CHECK_EQ(before, si->nr_pages);
	for (unsigned int i = 0; i < 8; i++) {
		pfn[i] = alloc_pfn();
		REQUIRE(pfn[i], "no unmapped frame");
		mfn[i] = p2m_list()[pfn[i]];
	}
	CHECK_EQ(op(XENMEM_decrease_reservation, mfn, 8, 0), 8);
	CHECK_EQ(reservation(), before - 8);
	for (unsigned int i = 0; i < 8; i++)
		CHECK(m2p[mfn[i]] == ~0ul, "M2P of a frame given back: %#lx", m2p[mfn[i]]);
	/* Not ours any more. */
	CHECK_EQ(op(XENMEM_decrease_reservation, mfn, 1, 0), 0);
	CHECK_EQ(reservation(), before - 8);
	u64 va = 0x200000000000ul;
	make_tables(va);
	rc = hc_update_va_mapping(va, mfn[0] << 12 | PTE_KERN, UVMF_INVLPG);
	CHECK(rc < 0, "a frame given back was mapped: %ld", rc);
	/* And back. */
	memcpy(got, pfn, sizeof(got));
	CHECK_EQ(op(XENMEM_populate_physmap, got, 8, 0), 8);
	CHECK_EQ(reservation(), before);
	for (unsigned int i = 0; i < 8; i++) {
		CHECK(m2p[got[i]] == pfn[i], "M2P of a populated frame: %#lx, not %#lx", m2p[got[i]], pfn[i]);
		p2m_list()[pfn[i]] = got[i];
		rc = hc_update_va_mapping(va, got[i] << 12 | PTE_KERN, UVMF_INVLPG);
		CHECK(rc == 0, "a populated frame does not map: %ld", rc);
		if (!rc)
			*(volatile u64 *)va = i;
	}
	CHECK_EQ(hc_update_va_mapping(va, 0, UVMF_INVLPG), 0);
	/* Beyond the maximum: partly, or not at all. */
	struct xen_memory_domain d = { DOMID_SELF };
	u64 max = (u64)hc_memory_op(XENMEM_maximum_reservation, &d);
	CHECK(max >= before, "maximum_reservation %lu, current %lu", max, before);
	/* One extent of order 3. */
	u64 big = mfn[0];
	rc = op(XENMEM_decrease_reservation, got, 8, 0);
	CHECK_EQ(rc, 8);
	big = pfn[0];
	rc = op(XENMEM_populate_physmap, &big, 1, 3);
	CHECK(rc == 1 || rc == 0, "populate of order 3: %ld", rc);
	if (rc == 1) {
		CHECK_EQ(reservation(), before);
		for (unsigned int i = 0; i < 8; i++)
			CHECK_EQ(m2p[big + i], pfn[0] + i);
		CHECK_EQ(op(XENMEM_decrease_reservation, &big, 1, 3), 1);
	}
	memcpy(got, pfn, sizeof(got));
	CHECK_EQ(op(XENMEM_increase_reservation, got, 8, 0), 8);
	CHECK_EQ(reservation(), before);
	for (unsigned int i = 0; i < 8; i++) {
		struct mmu_update u = { got[i] << 12 | MMU_MACHPHYS_UPDATE, pfn[i] };
		CHECK_EQ(hc_mmu_update(&u, 1, NULL, DOMID_SELF), 0);
		p2m_list()[pfn[i]] = got[i];
	}
}

static void in_use(void)
{
	u64 *page = alloc_page(), mfn = va_to_mfn(page), before = reservation();
	u64 pt = va_to_mfn(root());
	long rc;

	/* Mapped writable: the frame may leave, but not before its mapping. Tried: the page stays usable. */
	rc = op(XENMEM_decrease_reservation, &pt, 1, 0);
	CHECK(rc == 0 || rc == 1, "decrease of a page table: %ld", rc);
	CHECK(root()[511] & PTE_P, "the root is gone");
	if (rc == 1)
		printk("  the root left the reservation while in use\n");
	*page = 0x1234;
	rc = op(XENMEM_decrease_reservation, &mfn, 1, 0);
	CHECK(rc == 0 || rc == 1, "decrease of a mapped page: %ld", rc);
	CHECK_EQ(*(volatile u64 *)page, 0x1234);
	if (rc == 1) {
		/* It must not be anybody else's while this mapping is there. */
		u64 list[64], n;
		for (unsigned int i = 0; i < 64; i++)
			list[i] = va_to_pfn(page);
		n = (u64)op(XENMEM_increase_reservation, list, 1, 0);
		CHECK(n != 1 || list[0] != mfn, "the frame came back while it was mapped");
		if (n == 1)
			op(XENMEM_decrease_reservation, list, 1, 0);
	}
	CHECK(reservation() <= before, "reservation grew");
}

static void exchange(void)
{
	u64 in[4], out[4], pfn[4], before;
	struct xen_memory_exchange x = { 0 };
	long rc;

	for (unsigned int i = 0; i < 4; i++) {
		pfn[i] = alloc_pfn();
		in[i] = p2m_list()[pfn[i]];
		out[i] = pfn[i];
	}
	before = reservation();
	x.in = (struct xen_memory_reservation){ (u64)in, 4, 0, 0, DOMID_SELF };
	x.out = (struct xen_memory_reservation){ (u64)out, 1, 2, XENMEMF_address_bits(32), DOMID_SELF };
	rc = hc_memory_op(XENMEM_exchange, &x);
	CHECK(rc == 0 || rc == -XEN_ENOMEM, "exchange: %ld", rc);
	CHECK_EQ(reservation(), before);
	if (rc == 0) {
		CHECK_EQ(x.nr_exchanged, 4);
		u64 block = out[0];

		CHECK_EQ(block & 3, 0);
		for (unsigned int i = 0; i < 4; i++) {
			CHECK(m2p[block + i] == pfn[0] + i, "M2P of frame %u: %#lx", i, m2p[block + i]);
			out[i] = pfn[i];
		}
		/* And apart again: four single frames for one block. */
		x.in = (struct xen_memory_reservation){ (u64)&block, 1, 2, 0, DOMID_SELF };
		x.out = (struct xen_memory_reservation){ (u64)out, 4, 0, 0, DOMID_SELF };
		x.nr_exchanged = 0;
		CHECK_EQ(hc_memory_op(XENMEM_exchange, &x), 0);
		CHECK_EQ(x.nr_exchanged, 1);
		for (unsigned int i = 0; i < 4; i++)
			CHECK_EQ(m2p[out[i]], pfn[i]);
		CHECK_EQ(reservation(), before);
	}
	/* Sizes that differ, orders out of range. */
	x.nr_exchanged = 0;
	x.in = (struct xen_memory_reservation){ (u64)in, 3, 0, 0, DOMID_SELF };
	x.out = (struct xen_memory_reservation){ (u64)out, 1, 2, 0, DOMID_SELF };
	CHECK_EQ(hc_memory_op(XENMEM_exchange, &x), -XEN_EINVAL);
	x.in.extent_order = 60;
	CHECK(hc_memory_op(XENMEM_exchange, &x) < 0, "exchange of order 60");
	CHECK_EQ(reservation(), before);
}

static void queries(void)
{
	static struct { u64 addr, size; u32 type; } __attribute__((packed)) map[128];
	struct xen_memory_map mm = { ARRAY_SIZE(map), (u64)map };
	struct xen_machphys_mapping mp = { 0 };
	struct xen_memory_domain d = { DOMID_SELF };
	u64 ram = 0;
	long rc;

	CHECK_EQ(hc_memory_op(XENMEM_machphys_mapping, &mp), 0);
	CHECK_EQ(mp.v_start, MACH2PHYS_VIRT_START);
	CHECK(mp.v_end > mp.v_start && mp.v_end <= HYPERVISOR_VIRT_END, "M2P ends at %#lx", mp.v_end);
	rc = hc_memory_op(XENMEM_maximum_ram_page, NULL);
	CHECK(rc > (long)si->nr_pages, "maximum_ram_page %#lx", rc);
	CHECK(mp.max_mfn >= (u64)rc - 1 || mp.max_mfn + 1 >= (u64)rc, "max_mfn %#lx, ram %#lx", mp.max_mfn, rc);
	CHECK_EQ(hc_memory_op(XENMEM_machine_memory_map, &mm), 0);
	CHECK(mm.nr_entries > 1 && mm.nr_entries < 128, "%u e820 entries", mm.nr_entries);
	for (unsigned int i = 0; i < mm.nr_entries; i++)
		if (map[i].type == 1)
			ram += map[i].size;
	CHECK(ram >> 12 >= si->nr_pages && ram >> 12 <= (u64)rc, "e820 has %lu pages of RAM", ram >> 12);
	mm.nr_entries = 1;
	rc = hc_memory_op(XENMEM_machine_memory_map, &mm);
	CHECK(rc < 0 || mm.nr_entries == 1, "e820 with room for one: %ld, %u", rc, mm.nr_entries);
	rc = hc_memory_op(XENMEM_maximum_gpfn, &d);
	CHECK(rc >= 0, "maximum_gpfn: %ld", rc);
	d.domid = 1;
	CHECK_EQ(hc_memory_op(XENMEM_current_reservation, &d), -XEN_ESRCH);
	CHECK(hc_memory_op(63, NULL) < 0, "memory_op 63");
	CHECK_EQ(hc_memory_op(XENMEM_current_reservation, (void *)0x1000), -XEN_EFAULT);
	CHECK(hc_memory_op(XENMEM_populate_physmap, (void *)HYPERVISOR_VIRT_START) <= 0, "extents in no memory");
	/* The list is not readable: nothing done. */
	u64 before = reservation();
	CHECK(op(XENMEM_decrease_reservation, (u64 *)0x1000, 4, 0) <= 0, "frames listed in no memory");
	CHECK(op(XENMEM_populate_physmap, (u64 *)0x1000, 4, 0) <= 0, "frames listed in no memory");
	u64 junk[2] = { 0xffffffff, ~0ul };
	CHECK_EQ(op(XENMEM_decrease_reservation, junk, 2, 0), 0);
	CHECK(op(XENMEM_decrease_reservation, junk, 1, 40) <= 0, "order 40");
	CHECK(op(XENMEM_decrease_reservation, junk, ~0ul, 0) <= 0, "2^64 - 1 extents");
	CHECK_EQ(reservation(), before);
	/* Full: no more than the maximum. */
	d.domid = DOMID_SELF;
	u64 max = (u64)hc_memory_op(XENMEM_maximum_reservation, &d);
	u64 one = alloc_pfn();
	if (max == before)
		CHECK_EQ(op(XENMEM_populate_physmap, &one, 1, 0), 0);
}

void test_main(void)
{
	queries();
	balloon();
	exchange();
	in_use();
}
