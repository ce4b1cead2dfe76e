/* SPDX-License-Identifier: MIT */
/*
 * domains: dom0 makes a small domain by hand, runs it, talks to it and ends it.
 *
 * Claim:  create, fill by foreign mappings, pin, set the context, run, pause, describe, shut down and
 *         destroy work; contexts read back as they were set; grants and events reach across; a domain
 *         that ends while dom0 still maps a grant of it keeps that frame until the unmap; at the end
 *         the machine's free memory is what it was, to the page. Wrong orders and values are refused.
 * Broken: toolstacks cannot build domains, or each domain leaks.
 * Run:    smp=2 timeout=120 hv="guest_loglvl=none"
 */
#include "toolstack.h"
#include "sysctl.h"
#include "grant_table.h"

#define WINDOW	0x300000000000ul	/* where its pages are mapped while we fill them */
#define TABLE	0x300000100000ul	/* its grant table */
#define GRANTED	0x300000101000ul
#define CODE_VA	0x400000ul
#define NPAGES	8
enum { P_L4, P_L3, P_L2, P_L1, P_CODE, P_DATA, P_SPARE };

/* rsi: its data page. Counts in word 0, until word 1 is not 0; then shuts down with word 2's reason. */
asm(".pushsection .text\n"
    "domu_code:	lock incq (%rsi)\n"
    "		mov %rsi, %rbx\n"
    "		mov $29, %eax\n"		/* sched_op, yield */
    "		xor %edi, %edi\n"
    "		syscall\n"
    "		mov %rbx, %rsi\n"
    "		cmpq $0, 8(%rsi)\n"
    "		je domu_code\n"
    "		mov $29, %eax\n"
    "		mov $2, %edi\n"			/* shutdown */
    "		lea 16(%rsi), %rsi\n"
    "		syscall\n"
    "		ud2\n"
    "domu_code_end:\n"
    ".popsection\n");
extern const u8 domu_code[], domu_code_end[];

static u64 mfns[NPAGES];
static struct vcpu_guest_context *ctxt, *back;

static u64 free_pages(void)
{
	struct xen_sysctl s = { .cmd = XEN_SYSCTL_physinfo, .interface_version = XEN_SYSCTL_INTERFACE_VERSION };

	CHECK_EQ(HC_1(__HYPERVISOR_sysctl, &s), 0);
	return s.u.physinfo.free_pages;
}

static u32 state(void)
{
	memset(&op, 0, sizeof(op));
	return domctl(XEN_DOMCTL_getdomaininfo) || op.domain != dom ? ~0u : op.u.getdomaininfo.flags;
}

static void create(void)
{
	struct xen_memory_reservation r = { .extent_start = (u64)mfns, .nr_extents = NPAGES };

	dom = 0;
	REQUIRE(!DOMCTL(createdomain, .max_vcpus = 2, .max_evtchn_port = 1023, .max_grant_frames = 4,
			.max_maptrack_frames = 4, .grant_opts = 1, .handle = { 1, 2, 3 }), "createdomain");
	dom = op.domain;
	CHECK(dom != 0, "the new domain is 0");
	CHECK(DOMCTL(max_vcpus, .max = 3) < 0, "more vcpus than it was created for");
	REQUIRE(!DOMCTL(max_vcpus, .max = 2), "max_vcpus");
	r.domid = dom;
	for (u64 i = 0; i < NPAGES; i++)
		mfns[i] = i;
	CHECK_EQ(hc_memory_op(XENMEM_populate_physmap, &r), 0);	/* no memory allowed yet */
	REQUIRE(!DOMCTL(max_mem, .max_memkb = NPAGES * 4), "max_mem");
	REQUIRE(hc_memory_op(XENMEM_populate_physmap, &r) == NPAGES, "populate_physmap");
	for (u64 i = 0; i < NPAGES; i++)
		CHECK_EQ(m2p[mfns[i]], i);
}

static void fill(void)
{
	u64 *p[NPAGES];

	for (unsigned int i = 0; i < NPAGES; i++) {
		p[i] = (u64 *)(WINDOW + i * 4096);
		REQUIRE(!map_foreign((u64)p[i], mfns[i], PTE_KERN), "foreign mapping");
	}
	p[P_L4][0] = mfns[P_L3] << 12 | PTE_TABLE;
	p[P_L3][0] = mfns[P_L2] << 12 | PTE_TABLE;
	p[P_L2][CODE_VA >> 21] = mfns[P_L1] << 12 | PTE_TABLE;
	p[P_L1][0] = mfns[P_CODE] << 12 | (PTE_KERN & ~PTE_RW);
	p[P_L1][1] = mfns[P_DATA] << 12 | PTE_KERN;
	memcpy(p[P_CODE], domu_code, (size_t)(domu_code_end - domu_code));
	struct mmuext_op pin_op = { .cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = mfns[P_L4] };
	CHECK(hc_mmuext_op(&pin_op, 1, NULL, dom) < 0, "tables pinned while we can write them");
	for (unsigned int i = 0; i < NPAGES; i++)
		if (i != P_DATA)
			CHECK_EQ(map_foreign((u64)p[i], 0, 0), 0);
	CHECK_EQ(hc_mmuext_op(&pin_op, 1, NULL, dom), 0);
	CHECK(map_foreign(WINDOW, mfns[P_L4], PTE_KERN) < 0, "its pinned root was mapped writable");
	CHECK_EQ(map_foreign(WINDOW, mfns[P_L4], PTE_KERN & ~PTE_RW), 0);
	CHECK_EQ(map_foreign(WINDOW, 0, 0), 0);
}

static void set_context(void)
{
	if (on_parapet())
		CHECK(plain(XEN_DOMCTL_unpausedomain) < 0, "unpaused without a context");
	memset(ctxt, 0, sizeof(*ctxt));
	ctxt->flags = VGCF_in_kernel | VGCF_online;
	ctxt->user_regs.rip = CODE_VA;
	ctxt->user_regs.rsp = ctxt->kernel_sp = CODE_VA + 0x2000;
	ctxt->user_regs.rsi = CODE_VA + 0x1000;
	ctxt->user_regs.r15 = 0x1515;
	ctxt->user_regs.rflags = 0x202;
	ctxt->user_regs.cs = FLAT_KERNEL_CS;
	ctxt->user_regs.ss = FLAT_KERNEL_SS;
	ctxt->kernel_ss = FLAT_KERNEL_SS;
	ctxt->ctrlreg[3] = mfns[P_DATA] << 12;
	memset(&op, 0, sizeof(op));
	op.u.vcpucontext = (struct xen_domctl_vcpucontext){ 0, (u64)ctxt };
	CHECK(domctl(XEN_DOMCTL_setvcpucontext) < 0, "a root that is a data page");
	ctxt->ctrlreg[3] = va_to_mfn(root()) << 12;
	CHECK(domctl(XEN_DOMCTL_setvcpucontext) < 0, "our root as its root");
	ctxt->ctrlreg[3] = mfns[P_L4] << 12;
	ctxt->user_regs.rip = 0x8000000000000000ul;
	CHECK(domctl(XEN_DOMCTL_setvcpucontext) < 0, "rip that is not canonical");
	ctxt->user_regs.rip = CODE_VA;
	op.u.vcpucontext.vcpu = 7;
	CHECK(domctl(XEN_DOMCTL_setvcpucontext) < 0, "vcpu 7 of 2");
	op.u.vcpucontext.vcpu = 0;
	REQUIRE(!domctl(XEN_DOMCTL_setvcpucontext), "setvcpucontext");
	op.u.vcpucontext = (struct xen_domctl_vcpucontext){ 0, (u64)back };
	CHECK_EQ(domctl(XEN_DOMCTL_getvcpucontext), 0);
	CHECK_EQ(back->user_regs.rip, CODE_VA);
	CHECK_EQ(back->user_regs.r15, 0x1515);
	CHECK_EQ(back->ctrlreg[3], mfns[P_L4] << 12);
	CHECK_EQ(back->flags & (VGCF_in_kernel | VGCF_online), VGCF_in_kernel | VGCF_online);
	CHECK_EQ(back->kernel_sp, CODE_VA + 0x2000);
}

static void run_it(void)
{
	volatile u64 *data = (u64 *)(WINDOW + P_DATA * 4096);
	u64 was;

	CHECK_EQ(data[0], 0);
	REQUIRE(!plain(XEN_DOMCTL_unpausedomain), "unpausedomain");
	REQUIRE(wait_for(data[0] > 1000, 10000), "it does not run");
	CHECK_EQ(state() & (XEN_DOMINF_paused | XEN_DOMINF_shutdown | XEN_DOMINF_dying), 0);
	CHECK_NOT_XEN(op.u.getdomaininfo.cpu_time > 0, "no CPU time yet");
	CHECK_EQ(op.u.getdomaininfo.tot_pages, NPAGES);
	CHECK_EQ(op.u.getdomaininfo.handle[1], 2);
	CHECK_EQ(op.u.getdomaininfo.nr_online_vcpus, 1);
	CHECK_EQ(plain(XEN_DOMCTL_pausedomain), 0);
	was = data[0];
	spin_ns(20000000);
	CHECK_EQ(data[0], was);
	CHECK_EQ(state() & XEN_DOMINF_paused, XEN_DOMINF_paused);
	op.u.vcpucontext = (struct xen_domctl_vcpucontext){ 0, (u64)back };
	CHECK_EQ(domctl(XEN_DOMCTL_getvcpucontext), 0);
	CHECK(back->user_regs.rip >= CODE_VA && back->user_regs.rip < CODE_VA + 4096, "rip %#lx",
	      back->user_regs.rip);
	CHECK_EQ(plain(XEN_DOMCTL_unpausedomain), 0);
	CHECK(wait_for(data[0] > was, 20000), "it does not go on");
	/* affinity and weight */
	u64 map = 1, soft = 0;
	memset(&op, 0, sizeof(op));
	op.u.vcpuaffinity = (struct xen_domctl_vcpuaffinity){ .vcpu = 0, .flags = XEN_VCPUAFFINITY_HARD,
		.cpumap_hard = { (u64)&map, 64 }, .cpumap_soft = { (u64)&soft, 64 } };
	CHECK_EQ(domctl(XEN_DOMCTL_setvcpuaffinity), 0);
	op.u.vcpuaffinity.flags = XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT;
	CHECK_EQ(domctl(XEN_DOMCTL_getvcpuaffinity), 0);
	CHECK_EQ(map, 1);
	memset(&op, 0, sizeof(op));
	op.u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT2;
	op.u.scheduler_op.u.credit2.weight = 512;
	CHECK_EQ(domctl(XEN_DOMCTL_scheduler_op), 0);
	op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_getinfo;
	CHECK_EQ(domctl(XEN_DOMCTL_scheduler_op), 0);
	CHECK_EQ(op.u.scheduler_op.u.credit2.weight, 512);
	/* its frames */
	u64 kinds[4] = { mfns[P_L4], mfns[P_L1], mfns[P_CODE], va_to_mfn(ctxt) };
	memset(&op, 0, sizeof(op));
	op.u.getpageframeinfo3 = (struct xen_domctl_getpageframeinfo3){ 4, (u64)kinds };
	CHECK_EQ(domctl(XEN_DOMCTL_getpageframeinfo3), 0);
	CHECK_EQ(kinds[0], XEN_DOMCTL_PFINFO_L4TAB | XEN_DOMCTL_PFINFO_LPINTAB);
	CHECK_EQ(kinds[1], XEN_DOMCTL_PFINFO_L1TAB);
	CHECK_EQ(kinds[2], XEN_DOMCTL_PFINFO_NOTAB);
	CHECK_EQ(kinds[3], XEN_DOMCTL_PFINFO_XTAB);
	/* and its end */
	data[2] = SHUTDOWN_reboot;
	data[1] = 1;
	CHECK(wait_for(state() & XEN_DOMINF_shutdown, 20000), "it does not shut down");
	CHECK_EQ(state() >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask, SHUTDOWN_reboot);
}

/* A grant that the toolstack puts in its table for us, and an event port for us. */
static u32 reach_across(void)
{
	u64 frame = 0;
	struct xen_mem_acquire_resource a = { .domid = dom, .type = XENMEM_resource_grant_table,
		.id = XENMEM_resource_grant_table_id_shared, .nr_frames = 1, .frame_list = (u64)&frame };
	struct evtchn_alloc_unbound e = { .dom = dom, .remote_dom = DOMID_SELF };
	struct grant_entry_v1 *t = (void *)TABLE;
	struct gnttab_map_grant_ref m = { .host_addr = GRANTED, .flags = GNTMAP_host_map, .ref = 9, .dom = dom };
	long port;

	CHECK_EQ(hc_memory_op(XENMEM_acquire_resource, &a), 0);
	struct mmu_update u = { entry_maddr(TABLE, 1) | 3, frame << 12 | PTE_KERN };
	CHECK_EQ(hc_mmu_update(&u, 1, NULL, dom), 0);
	t[9] = (struct grant_entry_v1){ GTF_permit_access, 0, (u32)mfns[P_SPARE] };
	CHECK_EQ(HC_3(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, &m, 1), 0);
	CHECK_EQ(m.status, 0);
	*(u64 *)GRANTED = 4711;
	CHECK_EQ(t[9].flags & GTF_writing, GTF_writing);
	CHECK_EQ(map_foreign(TABLE, 0, 0), 0);
	CHECK_EQ(hc_evtchn_op(EVTCHNOP_alloc_unbound, &e), 0);
	port = evt_bind_interdomain(dom, e.port);
	CHECK(port > 0, "bind_interdomain: %ld", port);
	CHECK_EQ(evt_send((unsigned int)port), 0);
	a.frame = 4;
	CHECK(hc_memory_op(XENMEM_acquire_resource, &a) < 0, "more grant frames than its limit");
	return m.handle;
}

static void end_it(u32 handle)
{
	struct gnttab_unmap_grant_ref un = { .host_addr = GRANTED, .handle = handle };

	CHECK_EQ(map_foreign(WINDOW + P_DATA * 4096, 0, 0), 0);
	REQUIRE(!plain(XEN_DOMCTL_destroydomain), "destroydomain");
	CHECK_EQ(*(u64 *)GRANTED, 4711);	/* still there for us */
	CHECK_EQ(HC_3(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, &un, 1), 0);
	CHECK_EQ(un.status, 0);
	CHECK(wait_for(state() == ~0u, 20000), "it is still there");
}

static void refusals(void)
{
	dom = 999;
	CHECK(plain(XEN_DOMCTL_pausedomain) < 0, "no such domain");
	dom = DOMID_SELF;
	CHECK(plain(XEN_DOMCTL_pausedomain) < 0, "ourselves paused");
	CHECK(plain(XEN_DOMCTL_destroydomain) < 0, "ourselves destroyed");
	dom = 0;
	CHECK(DOMCTL(createdomain, .max_vcpus = 0) < 0, "no vcpu");
	CHECK(DOMCTL(createdomain, .max_vcpus = 1000000) < 0, "a million vcpus");
	CHECK(DOMCTL(createdomain, .max_vcpus = 1, .flags = 0x40000000) < 0, "unknown flags");
	op.cmd = XEN_DOMCTL_createdomain;
	op.interface_version = 0;
	CHECK_EQ(HC_1(__HYPERVISOR_domctl, &op), -XEN_EACCES);
	CHECK_EQ(HC_1(__HYPERVISOR_domctl, 0x1000), -XEN_EFAULT);
	CHECK_EQ(domctl(12345), -XEN_ENOSYS);
}

/* The lists of CPU policies have the length that Xen's have: libxenguest relies on it. */
static void policies(void)
{
	static struct xen_cpuid_leaf list[256];
	struct xen_sysctl s = { .cmd = XEN_SYSCTL_get_cpu_policy, .interface_version = XEN_SYSCTL_INTERFACE_VERSION };
	u32 room;

	s.u.cpu_policy.index = XEN_SYSCTL_cpu_policy_pv_default;
	REQUIRE(!HC_1(__HYPERVISOR_sysctl, &s), "get_cpu_policy");
	room = s.u.cpu_policy.nr_leaves;
	printk("  CPU policies have %u leaves, %u MSRs\n", room, s.u.cpu_policy.nr_msrs);
	CHECK_EQ(room, 120);
	s.u.cpu_policy.leaves = (u64)list;
	s.u.cpu_policy.nr_leaves = 256;
	CHECK_EQ(HC_1(__HYPERVISOR_sysctl, &s), 0);
	CHECK(s.u.cpu_policy.nr_leaves <= room, "%u leaves", s.u.cpu_policy.nr_leaves);
	CHECK_EQ(list[1].leaf, 1);
	CHECK_EQ(list[1].subleaf, XEN_CPUID_NO_SUBLEAF);
	s.u.cpu_policy.nr_leaves = 5;
	CHECK_EQ(HC_1(__HYPERVISOR_sysctl, &s), -XEN_ENOBUFS);
}

void test_main(void)
{
	u64 before = 0;

	ctxt = alloc_pages(2);
	back = alloc_pages(2);
	make_tables(WINDOW);
	for (unsigned int round = 0; round < 20; round++) {
		create();
		fill();
		set_context();
		run_it();
		end_it(reach_across());
		if (!round)
			before = free_pages();
	}
	CHECK_NOT_XEN(wait_for(free_pages() == before, 20000), "free pages: %lu, before %lu", free_pages(), before);
	/* half made ones go as well */
	create();
	CHECK_EQ(plain(XEN_DOMCTL_destroydomain), 0);
	CHECK_NOT_XEN(wait_for(free_pages() == before, 20000), "free pages: %lu, before %lu", free_pages(), before);
	refusals();
	policies();
}
