/* SPDX-License-Identifier: MIT */
/*
 * abuse_pointers: every hypercall that takes an address, with addresses that are not the guest's.
 *
 * Claim:  buffers in the hypervisor's range, non-canonical, not mapped, read-only, or straddling the
 *         end of what is mapped give an error (or 0 where nothing had to be touched); read-only memory
 *         of the guest keeps its content; the hypervisor's memory, seen through the M2P, too.
 * Broken: a write to hypervisor memory or to a read-only page (a page table); a fault in ring 0.
 */
#include "guest.h"
#include "platform.h"
#include "sysctl.h"
#include "grant_table.h"

/* Argument registers: P is where the address goes, the rest are numbers. */
#define P 0xfeedul
static const struct call { const char *name; u64 nr, a[5]; } calls[] = {
	{ "set_trap_table", __HYPERVISOR_set_trap_table, { P } },
	{ "mmu_update list", __HYPERVISOR_mmu_update, { P, 1, 0, DOMID_SELF } },
	{ "mmu_update long list", __HYPERVISOR_mmu_update, { P, 100000, 0, DOMID_SELF } },
	{ "mmu_update done", __HYPERVISOR_mmu_update, { 0, 0, P, DOMID_SELF } },
	{ "set_gdt", __HYPERVISOR_set_gdt, { P, 512 } },
	{ "set_gdt large", __HYPERVISOR_set_gdt, { P, 7168 } },
	{ "platform_op", __HYPERVISOR_platform_op, { P } },
	{ "memory_op 0", __HYPERVISOR_memory_op, { XENMEM_increase_reservation, P } },
	{ "memory_op 1", __HYPERVISOR_memory_op, { XENMEM_decrease_reservation, P } },
	{ "memory_op 3", __HYPERVISOR_memory_op, { XENMEM_current_reservation, P } },
	{ "memory_op 5", __HYPERVISOR_memory_op, { XENMEM_machphys_mfn_list, P } },
	{ "memory_op 6", __HYPERVISOR_memory_op, { XENMEM_populate_physmap, P } },
	{ "memory_op 7", __HYPERVISOR_memory_op, { XENMEM_add_to_physmap, P } },
	{ "memory_op 9", __HYPERVISOR_memory_op, { XENMEM_memory_map, P } },
	{ "memory_op 10", __HYPERVISOR_memory_op, { XENMEM_machine_memory_map, P } },
	{ "memory_op 11", __HYPERVISOR_memory_op, { XENMEM_exchange, P } },
	{ "memory_op 12", __HYPERVISOR_memory_op, { XENMEM_machphys_mapping, P } },
	{ "memory_op 28", __HYPERVISOR_memory_op, { XENMEM_acquire_resource, P } },
	{ "multicall", __HYPERVISOR_multicall, { P, 1 } },
	{ "multicall long", __HYPERVISOR_multicall, { P, 10000 } },
	{ "xen_version 1", __HYPERVISOR_xen_version, { XENVER_extraversion, P } },
	{ "xen_version 2", __HYPERVISOR_xen_version, { XENVER_compile_info, P } },
	{ "xen_version 3", __HYPERVISOR_xen_version, { XENVER_capabilities, P } },
	{ "xen_version 4", __HYPERVISOR_xen_version, { XENVER_changeset, P } },
	{ "xen_version 5", __HYPERVISOR_xen_version, { XENVER_platform_parameters, P } },
	{ "xen_version 6", __HYPERVISOR_xen_version, { XENVER_get_features, P } },
	{ "xen_version 8", __HYPERVISOR_xen_version, { XENVER_guest_handle, P } },
	{ "xen_version 9", __HYPERVISOR_xen_version, { XENVER_commandline, P } },
	{ "xen_version 10", __HYPERVISOR_xen_version, { XENVER_build_id, P } },
	{ "console_io write", __HYPERVISOR_console_io, { CONSOLEIO_write, 16, P } },
	{ "console_io write all", __HYPERVISOR_console_io, { CONSOLEIO_write, 0x7fffffff, P } },
	{ "grant_table_op 0", __HYPERVISOR_grant_table_op, { 0, P, 1 } },
	{ "grant_table_op 2", __HYPERVISOR_grant_table_op, { 2, P, 1 } },
	{ "grant_table_op 5", __HYPERVISOR_grant_table_op, { 5, P, 100000 } },
	{ "grant_table_op 6", __HYPERVISOR_grant_table_op, { 6, P, 1 } },
	{ "grant_table_op 8", __HYPERVISOR_grant_table_op, { 8, P, 1 } },
	{ "vcpu_op initialise", __HYPERVISOR_vcpu_op, { VCPUOP_initialise, 1, P } },
	{ "vcpu_op runstate", __HYPERVISOR_vcpu_op, { VCPUOP_get_runstate_info, 0, P } },
	{ "vcpu_op register runstate", __HYPERVISOR_vcpu_op, { VCPUOP_register_runstate_memory_area, 0, P } },
	{ "vcpu_op singleshot", __HYPERVISOR_vcpu_op, { VCPUOP_set_singleshot_timer, 0, P } },
	{ "vcpu_op vcpu_info", __HYPERVISOR_vcpu_op, { VCPUOP_register_vcpu_info, 0, P } },
	{ "vcpu_op physid", __HYPERVISOR_vcpu_op, { VCPUOP_get_physid, 0, P } },
	{ "vcpu_op time area", __HYPERVISOR_vcpu_op, { VCPUOP_register_vcpu_time_memory_area, 0, P } },
	{ "mmuext_op", __HYPERVISOR_mmuext_op, { P, 1, 0, DOMID_SELF } },
	{ "mmuext_op long", __HYPERVISOR_mmuext_op, { P, 100000, 0, DOMID_SELF } },
	{ "mmuext_op done", __HYPERVISOR_mmuext_op, { 0, 0, P, DOMID_SELF } },
	{ "sched_op poll", __HYPERVISOR_sched_op, { SCHEDOP_poll, P } },
	{ "callback_op", __HYPERVISOR_callback_op, { CALLBACKOP_register, P } },
	{ "callback_op unregister", __HYPERVISOR_callback_op, { CALLBACKOP_unregister, P } },
	{ "event_channel_op 0", __HYPERVISOR_event_channel_op, { 0, P } },
	{ "event_channel_op 1", __HYPERVISOR_event_channel_op, { 1, P } },
	{ "event_channel_op 3", __HYPERVISOR_event_channel_op, { 3, P } },
	{ "event_channel_op 4", __HYPERVISOR_event_channel_op, { 4, P } },
	{ "event_channel_op 5", __HYPERVISOR_event_channel_op, { 5, P } },
	{ "event_channel_op 6", __HYPERVISOR_event_channel_op, { 6, P } },
	{ "event_channel_op 7", __HYPERVISOR_event_channel_op, { 7, P } },
	{ "event_channel_op 8", __HYPERVISOR_event_channel_op, { 8, P } },
	{ "event_channel_op 9", __HYPERVISOR_event_channel_op, { 9, P } },
	{ "physdev_op 5", __HYPERVISOR_physdev_op, { PHYSDEVOP_irq_status_query, P } },
	{ "physdev_op 6", __HYPERVISOR_physdev_op, { PHYSDEVOP_set_iopl, P } },
	{ "physdev_op 8", __HYPERVISOR_physdev_op, { PHYSDEVOP_apic_read, P } },
	{ "physdev_op 10", __HYPERVISOR_physdev_op, { PHYSDEVOP_alloc_irq_vector, P } },
	{ "physdev_op 13", __HYPERVISOR_physdev_op, { PHYSDEVOP_map_pirq, P } },
	{ "physdev_op 21", __HYPERVISOR_physdev_op, { PHYSDEVOP_setup_gsi, P } },
	{ "physdev_op 25", __HYPERVISOR_physdev_op, { PHYSDEVOP_pci_device_add, P } },
	{ "sysctl", __HYPERVISOR_sysctl, { P } },
	{ "domctl", __HYPERVISOR_domctl, { P } },
	{ "mca", __HYPERVISOR_arch_0, { P } },
	{ "xenpmu_op", __HYPERVISOR_xenpmu_op, { 0, P } },
	{ "hvm_op", __HYPERVISOR_hvm_op, { 0, P } },
	{ "nmi_op", __HYPERVISOR_nmi_op, { 0, P } },
};

static u8 *ro, *two;
static u64 gap;			/* first address after two's first page: not mapped */

static long issue(const struct call *c, u64 addr)
{
	u64 a[5];

	for (unsigned int i = 0; i < 5; i++)
		a[i] = c->a[i] == P ? addr : c->a[i];
	return hypercall5((unsigned int)c->nr, a[0], a[1], a[2], a[3], a[4]);
}

static void restore(void)
{
	/* Some of these calls may set what the rest of the run needs. */
	struct vcpu_register_runstate_memory_area none = { .addr.v = 0 };

	install_traps();
	hc_vcpu_op(VCPUOP_register_runstate_memory_area, 0, &none);
}

static void bad_addresses(void)
{
	const u64 bad[] = { HV_PRIVATE, HV_PRIVATE + 4090, 0xffff82d000200000ul, 0xffff82d040000000ul, 0xffff82e000000000ul,
		0xffff830000000000ul, 0xffff830000100000ul, 0xffff82c000000000ul, HYPERVISOR_VIRT_END - 8, HYPERVISOR_VIRT_END - 1,
		HYPERVISOR_VIRT_START - 8, HYPERVISOR_VIRT_START - 1, 0x7ffffffffffful, 0x7ffffffffff9ul, 0x800000000000ul,
		0xffff7fffffffffffu, 0x8000000000000000ul, ~0ul, ~7ul, ~0ul - 4095, 0x1000, 1, gap, gap - 1, gap - 3, gap - 4,
		gap - 8 };

	for (unsigned int i = 0; i < ARRAY_SIZE(calls); i++)
		for (unsigned int k = 0; k < ARRAY_SIZE(bad); k++) {
			long rc;

			/* From the end of a mapped page: a field or two may be there, zero, and complete. */
			memset(two, 0, 4096);
			two[4095] = two[4094] = two[4093] = 0xff;
			rc = issue(&calls[i], bad[k]);
			CHECK(rc <= 0 || bad[k] >= gap - 8, "%s at %#lx: %ld", calls[i].name, bad[k], rc);
			if (calls[i].nr == __HYPERVISOR_set_trap_table || calls[i].nr == __HYPERVISOR_callback_op ||
			    calls[i].nr == __HYPERVISOR_vcpu_op)
				restore();
		}
}

/* Outputs to a read-only page, and to a page table. */
static void read_only(void)
{
	static u8 before[4096];

	for (unsigned int i = 0; i < ARRAY_SIZE(calls); i++) {
		const struct call *c = &calls[i];
		long rc;

		/* As input this page would be read, and is zero: harmless for all but these. */
		if (c->nr == __HYPERVISOR_set_trap_table || c->nr == __HYPERVISOR_multicall ||
		    c->nr == __HYPERVISOR_console_io ||
		    c->nr == __HYPERVISOR_vcpu_op ||
		    c->nr == __HYPERVISOR_callback_op || c->nr == __HYPERVISOR_nmi_op ||
		    (c->nr == __HYPERVISOR_sched_op) || (c->nr == __HYPERVISOR_mmuext_op && c->a[0] == P) ||
		    (c->nr == __HYPERVISOR_mmu_update && c->a[0] == P))
			continue;
		memcpy(before, ro, 4096);
		rc = issue(c, (u64)ro + 1024);
		CHECK(!memcmp(before, ro, 4096), "%s: a read-only page was written (%ld)", c->name, rc);
		memcpy(before, root(), 4096);
		if (c->nr == __HYPERVISOR_xen_version || c->a[0] == 0 || c->nr == __HYPERVISOR_event_channel_op) {
			rc = issue(c, (u64)root() + 2048);
			for (unsigned int k = 0; k < 4096; k++)
				if ((k & 7) && before[k] != ((u8 *)root())[k]) {	/* byte 0 has A and D bits */
					CHECK(0, "%s: a page table was written (%ld)", c->name, rc);
					break;
				}
		}
	}
}

/* Outputs over the M2P: readable by the guest, so a change can be seen. */
static void over_m2p(void)
{
	static u64 copy[1024];
	u64 own = va_to_mfn(ro) & ~511ul;

	for (unsigned int i = 0; i < 1024; i++)
		copy[i] = m2p[own + i];
	for (unsigned int i = 0; i < ARRAY_SIZE(calls); i++) {
		const struct call *c = &calls[i];
		bool changed = false;

		if (c->nr == __HYPERVISOR_xen_version || c->nr == __HYPERVISOR_event_channel_op ||
		    (c->nr == __HYPERVISOR_memory_op && (c->a[0] == 12 || c->a[0] == 9 || c->a[0] == 10)) ||
		    (c->nr == __HYPERVISOR_vcpu_op && (c->a[0] == 4 || c->a[0] == 12)) || c->a[2] == P) {
			long rc = issue(c, (u64)&m2p[own + 100]);

			for (unsigned int k = 0; k < 1024; k++)
				changed |= copy[k] != m2p[own + k];
			CHECK(!changed, "%s: the M2P was written (%ld)", c->name, rc);
		}
	}
}

static void wrapping(void)
{
	/* console_io with a count that wraps the address. */
	CHECK(hypercall5(__HYPERVISOR_console_io, CONSOLEIO_write, 0xffffffff, (u64)-16, 0, 0) < 0, "console_io wraps");
	CHECK(hypercall5(__HYPERVISOR_console_io, CONSOLEIO_write, 4096, HYPERVISOR_VIRT_START - 2048, 0, 0) < 0,
	      "console_io runs into the hypervisor");
	CHECK(hypercall5(__HYPERVISOR_console_io, CONSOLEIO_write, 0x80000000, gap - 1, 0, 0) < 0, "console_io of -2^31");
	hypercall5(__HYPERVISOR_console_io, CONSOLEIO_read, 100, HV_PRIVATE, 0, 0);
	hypercall5(__HYPERVISOR_console_io, CONSOLEIO_read, 0xffffffff, (u64)two, 0, 0);
}

void test_main(void)
{
	ro = alloc_page();
	two = alloc_pages(2);
	gap = (u64)two + 4096;
	REQUIRE(!set_ro(ro), "set_ro");
	REQUIRE(!hc_update_va_mapping(gap, 0, UVMF_INVLPG), "unmap");
	bad_addresses();
	read_only();
	over_m2p();
	wrapping();
	CHECK(hc_xen_version(XENVER_pagesize, NULL) == 4096, "no hypercalls any more");
	CHECK_EQ(try_asm("ud2"), X86_UD);
}
