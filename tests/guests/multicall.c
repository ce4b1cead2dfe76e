/* SPDX-License-Identifier: MIT */
/*
 * multicall: a list of hypercalls in one.
 *
 * Claim:  every entry is carried out in order and gets its result; an error of one does not stop the
 *         others; a long list is done completely; a list that cannot be read is EFAULT after the part
 *         that could; a multicall inside is an error of that entry.
 * Broken: results in the wrong entry, entries done twice (by a continuation) or not at all.
 */
#include "guest.h"

static struct multicall_entry list[2000];

static void entry(unsigned int i, u64 nr, u64 a, u64 b, u64 c, u64 d)
{
	list[i] = (struct multicall_entry){ .op = nr, .result = 0x5a5a, .args = { a, b, c, d } };
}

void test_main(void)
{
	u64 *page = alloc_page(), pte = pte_of(page);
	struct mmu_update u = { entry_maddr((u64)page, 1), pte & ~PTE_RW };
	u32 done = 0;
	long ver = hc_xen_version(XENVER_version, NULL);

	entry(0, __HYPERVISOR_xen_version, XENVER_version, 0, 0, 0);
	entry(1, __HYPERVISOR_mmu_update, (u64)&u, 1, (u64)&done, DOMID_SELF);
	entry(2, 55, 0, 0, 0, 0);
	entry(3, __HYPERVISOR_update_va_mapping, (u64)page, pte, UVMF_INVLPG, 0);
	entry(4, __HYPERVISOR_xen_version, 99, 0, 0, 0);
	entry(5, __HYPERVISOR_stack_switch, FLAT_KERNEL_SS, (u64)vcpu_stacks[0] + 4096, 0, 0);
	entry(6, __HYPERVISOR_xen_version, XENVER_pagesize, 0, 0, 0);
	CHECK_EQ(hc_multicall(list, 7), 0);
	CHECK_EQ(list[0].result, ver);
	CHECK_EQ(list[1].result, 0);
	CHECK_EQ(done, 1);
	CHECK_EQ(list[2].result, -XEN_ENOSYS);
	CHECK_EQ(list[3].result, 0);
	CHECK((long)list[4].result < 0, "result %ld", (long)list[4].result);
	CHECK_EQ(list[5].result, 0);
	CHECK_EQ(list[6].result, 4096);
	CHECK_EQ(pte_of(page) & PTE_RW, PTE_RW);
	*page = 1;
	CHECK_EQ(hc_multicall(list, 0), 0);

	/* Long: an event per round, and each entry exactly once. */
	long a = evt_alloc_unbound(DOMID_SELF);
	REQUIRE(a > 0, "alloc_unbound: %ld", a);
	for (unsigned int i = 0; i < ARRAY_SIZE(list); i++)
		entry(i, __HYPERVISOR_xen_version, i & 1 ? XENVER_version : XENVER_pagesize, 0, 0, 0);
	CHECK_EQ(hc_multicall(list, ARRAY_SIZE(list)), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(list); i++)
		if (!CHECK((long)list[i].result == (i & 1 ? ver : 4096), "entry %u: %#lx", i, list[i].result))
			break;
	/* A counter that entries advance: each update_va_mapping toggles between two pages. */
	struct mmu_update many[64];
	for (unsigned int i = 0; i < 64; i++)
		many[i] = (struct mmu_update){ entry_maddr((u64)page, 1), i & 1 ? pte : pte & ~PTE_RW };
	static u32 dones[500];
	for (unsigned int i = 0; i < 500; i++)
		entry(i, __HYPERVISOR_mmu_update, (u64)many, 64, (u64)&dones[i], DOMID_SELF);
	CHECK_EQ(hc_multicall(list, 500), 0);
	for (unsigned int i = 0; i < 500; i++)
		if (!CHECK(list[i].result == 0 && dones[i] == 64, "entry %u: %ld, done %u", i, (long)list[i].result,
			   dones[i]))
			break;

	/* Lists that cannot be read or written. */
	CHECK_EQ(hc_multicall((void *)0x1000, 1), -XEN_EFAULT);
	CHECK_EQ(hc_multicall((void *)HYPERVISOR_VIRT_START, 1), -XEN_EFAULT);
	u8 *two = alloc_pages(2);
	u64 second = pte_of(two + 4096);
	struct multicall_entry *edge = (void *)(two + 4096 - 2 * sizeof(*edge));
	memset(edge, 0, 2 * sizeof(*edge));
	edge[0].op = edge[1].op = __HYPERVISOR_mmu_update;
	edge[0].result = edge[1].result = 0x5a;
	edge[0].args[0] = (u64)&u;
	edge[0].args[1] = 1;
	edge[0].args[3] = DOMID_SELF;
	edge[1].args[1] = ~0ul;
	CHECK(pte_of(page) & PTE_RW, "page is not writable");
	hc_update_va_mapping((u64)two + 4096, 0, UVMF_INVLPG);
	CHECK_EQ(hc_multicall(edge, 3), -XEN_EFAULT);
	/* What could be read is done and has its result, or nothing is. */
	if (pte_of(page) & PTE_RW)
		CHECK(edge[0].result == 0x5a && edge[1].result == 0x5a, "results %ld %ld, nothing done",
		      (long)edge[0].result, (long)edge[1].result);
	else
		CHECK(edge[0].result == 0 && edge[1].result != 0x5a, "results %ld %ld, the first done",
		      (long)edge[0].result, (long)edge[1].result);
	hc_update_va_mapping((u64)two + 4096, second, UVMF_INVLPG);

	/* A multicall within. */
	static struct multicall_entry inner[2];
	inner[0] = inner[1] = list[0];
	inner[0].op = inner[1].op = __HYPERVISOR_xen_version;
	inner[0].args[0] = inner[1].args[0] = XENVER_pagesize;
	inner[0].args[1] = inner[1].args[1] = 0;
	inner[0].result = 7;
	entry(0, __HYPERVISOR_multicall, (u64)inner, 2, 0, 0);
	entry(1, __HYPERVISOR_xen_version, XENVER_pagesize, 0, 0, 0);
	CHECK_EQ(hc_multicall(list, 2), 0);
	CHECK((long)list[0].result == -XEN_EINVAL || ((long)list[0].result == 0 && inner[0].result == 4096) ||
	      (long)list[0].result == -XEN_ENOSYS, "nested multicall: %ld", (long)list[0].result);
	CHECK_EQ(list[1].result, 4096);
	evt_close((u32)a);
}
