/* SPDX-License-Identifier: MIT */
/*
 * hello: a PV kernel starts as dom0 and finds what the ABI promises at its first instruction.
 *
 * Claim:  start_info, shared_info, the hypercall page and the M2P are in place; console_io prints;
 *         the entry state is the documented one; direct SYSCALL is the same as the hypercall page.
 * Broken: no result line at all (the domain builder, the first iret, the hypercall path), or a named
 *         field that is wrong.
 */
#include "guest.h"

static void check_start_info(void)
{
	u64 pfns = si->nr_pages;

	CHECK(!memcmp(si->magic, "xen-3.0-x86_64", 14), "magic is %s", si->magic);
	CHECK(pfns > 1000 && pfns < 1 << 24, "nr_pages %lu", pfns);
	CHECK((si->flags & (SIF_PRIVILEGED | SIF_INITDOMAIN)) == 3, "flags %#x: not dom0's", si->flags);
	CHECK_EQ(si->shared_info & 4095, 0);
	CHECK_EQ(si->pt_base & 4095, 0);
	CHECK(si->nr_pt_frames >= 4 && si->nr_pt_frames < 64, "nr_pt_frames %lu", si->nr_pt_frames);
	CHECK(si->mfn_list > VIRT_BASE, "mfn_list %#lx", si->mfn_list);
	/* p2m and M2P are each other's inverse, for all of the guest's memory. */
	for (u64 pfn = 0; pfn < pfns; pfn++)
		if (!CHECK(m2p[p2m_list()[pfn]] == pfn, "m2p[p2m[%#lx]] = %#lx", pfn,
			   m2p[p2m_list()[pfn]]))
			break;
	/* The initial mapping: virtual address = VIRT_BASE + pfn. */
	CHECK_EQ((pte_of(si) & PTE_ADDR) >> 12, va_to_mfn(si));
	CHECK_EQ((pte_of(hypercall_page) & PTE_ADDR) >> 12, va_to_mfn(hypercall_page));
	/* Page tables are mapped read-only. */
	for (u64 i = 0; i < si->nr_pt_frames; i++)
		CHECK(!(read_pte(si->pt_base + i * 4096) & PTE_RW), "page table %lu is writable", i);
}

static void check_hypercalls(void)
{
	struct xen_feature_info fi = { 0 };
	static char text[1024];
	register u64 r10 asm("r10") = 0;
	long ver = hc_xen_version(XENVER_version, NULL), direct = __HYPERVISOR_xen_version;
	struct xen_platform_parameters pp = { 0 };
	u64 a = 0, b = 0, c = 0;

	CHECK(ver >> 16 >= 4, "version %#lx", ver);
	asm volatile("syscall" : "+a"(direct), "+D"(a), "+S"(b), "+d"(c), "+r"(r10)
		     :: "rcx", "r11", "r8", "r9", "memory");
	CHECK_EQ(direct, ver);
	CHECK_EQ(hc_xen_version(XENVER_pagesize, NULL), 4096);
	CHECK_EQ(hc_xen_version(XENVER_get_features, &fi), 0);
	CHECK(fi.submap & 1 << XENFEAT_dom0, "features %#x: no dom0", fi.submap);
	CHECK(fi.submap & 1 << XENFEAT_mmu_pt_update_preserve_ad, "features %#x", fi.submap);
	CHECK(!(fi.submap & 1 << XENFEAT_auto_translated_physmap), "features %#x", fi.submap);
	CHECK_EQ(hc_xen_version(XENVER_platform_parameters, &pp), 0);
	CHECK_EQ(pp.virt_start, HYPERVISOR_VIRT_START);
	CHECK_EQ(hc_xen_version(XENVER_capabilities, text), 0);
	CHECK(!memcmp(text, "xen-3.0-x86_64", 14), "capabilities %s", text);
	CHECK(hc_xen_version(99, NULL) < 0, "xen_version 99 did not fail");
	CHECK_EQ(hypercall5(63, 0, 0, 0, 0, 0), -XEN_ENOSYS);
	CHECK_EQ(hc_console_io(CONSOLEIO_write, 0, NULL), 0);
	CHECK_EQ(hc_console_io(99, 0, NULL), -XEN_ENOSYS);
	printk("hello from a PV guest under version %ld.%ld, %lu pages\n", ver >> 16, ver & 0xffff,
	       si->nr_pages);
}

void test_main(void)
{
	u16 cs, ss, ds;

	check_start_info();
	check_hypercalls();
	asm volatile("mov %%cs, %0; mov %%ss, %1; mov %%ds, %2" : "=r"(cs), "=r"(ss), "=r"(ds));
	CHECK_EQ(cs, FLAT_KERNEL_CS);
	CHECK_EQ(ss, FLAT_KERNEL_SS);
	CHECK_EQ(ds & ~3, 0);
	CHECK_EQ(this_vcpu()->info->evtchn_upcall_mask, 1);
	CHECK(read_flags() & X86_EFLAGS_IF, "hardware IF is clear in the guest");
	CHECK(system_time() > 0, "no system time");
}
