/* SPDX-License-Identifier: MIT */
/*
 * smp: more than one vCPU.
 *
 * Claim:  is_up counts vCPUs; initialise and up start one with the given context; down and up again
 *         go on after the down; IPIs reach the right vCPU; vcpu_info can be moved and nothing pending is
 *         lost; a flush asked for all vCPUs takes effect before the call returns; the runstate area says
 *         what a vCPU does; a vCPU that is pinned (SCHEDOP_pin_override) has a physical id; errors are the documented ones.
 * Broken: a stale translation on another CPU (memory corruption in a real guest), lost IPIs.
 * Run:    smp=2 timeout=90
 */
#include "guest.h"

static volatile u32 seen_id, stop, pings;
static volatile u64 progress;
static unsigned int ipi_there, ipi_back;

static void first(void *arg)
{
	seen_id = this_vcpu()->id + (u32)(u64)arg;
}

static void on_ping(unsigned int port)
{
	pings++;
	evt_send(ipi_back);
}

static void serve(void *arg)
{
	struct vcpu *v = this_vcpu();

	CHECK_EQ(v->info->evtchn_upcall_mask, 1);
	events_unmask();
	while (!stop) {
		progress++;
		if (arg)
			hc_sched_op(SCHEDOP_block, NULL);
	}
	events_mask();
}

static void bring_up(void)
{
	CHECK_EQ(hc_vcpu_op(VCPUOP_is_up, 0, NULL), 1);
	CHECK_EQ(hc_vcpu_op(VCPUOP_is_up, 1, NULL), 0);
	CHECK_EQ(hc_vcpu_op(VCPUOP_is_up, nr_vcpus(), NULL), -XEN_ENOENT);
	CHECK(hc_vcpu_op(VCPUOP_up, 1, NULL) < 0, "up before initialise");
	CHECK_EQ(hc_vcpu_op(VCPUOP_initialise, 1, (void *)0x1000), -XEN_EFAULT);
	vcpu_start(1, first, (void *)40);
	CHECK(wait_for(seen_id == 41, 20000), "first run: %u", seen_id);
	CHECK(wait_for(hc_vcpu_op(VCPUOP_is_up, 1, NULL) == 0, 20000), "down does not take it down");
	CHECK_EQ(vcpu_init_context(1), -XEN_EEXIST);
	/* Up again: it goes on after the down hypercall. */
	vcpu_start(1, first, (void *)70);
	CHECK(wait_for(seen_id == 71, 20000), "second run: %u", seen_id);
	CHECK(wait_for(hc_vcpu_op(VCPUOP_is_up, 1, NULL) == 0, 20000), "down does not take it down");
}

static void ipis(void)
{
	long p = evt_bind_ipi(1), q = evt_bind_ipi(0);
	struct evtchn_status s = { .dom = DOMID_SELF, .port = (u32)p };

	REQUIRE(p > 0 && q > 0, "bind_ipi: %ld %ld", p, q);
	ipi_there = (u32)p;
	ipi_back = (u32)q;
	CHECK_EQ(hc_evtchn_op(EVTCHNOP_status, &s), 0);
	CHECK_EQ(s.vcpu, 1);
	evt_handler[ipi_there] = on_ping;
	evt_set_mask(ipi_there, false);
	evt_set_mask(ipi_back, false);
	for (u64 blocking = 0; blocking < 2; blocking++) {
		stop = 0;
		vcpu_start(1, serve, (void *)blocking);
		events_unmask();
		for (u32 i = 0; i < 200; i++) {
			u32 before = evt_count[ipi_back];

			evt_send(ipi_there);
			if (!CHECK(wait_for(evt_count[ipi_back] != before, 20000), "IPI %u is lost", i))
				break;
		}
		stop = 1;
		evt_send(ipi_there);
		CHECK(wait_for(hc_vcpu_op(VCPUOP_is_up, 1, NULL) == 0, 20000), "vCPU 1 does not stop");
		events_mask();
	}
	CHECK(pings >= 400, "%u pings", pings);
}

/* vCPU 1 reads through a mapping that vCPU 0 changes and flushes. */
#define VA 0x200000000000ul
static volatile u64 phase, bad_reads, reads;
static void reader(void *arg)
{
	while (!stop) {
		u64 p = phase, v;

		barrier();
		if (!p)
			continue;
		v = *(volatile u64 *)VA;
		barrier();
		/* The page had the number of a phase: not older than the one that began before. */
		if (v < p)
			bad_reads++;
		reads++;
	}
}

static void flushes(void)
{
	static u64 mask = 3;
	u64 *pg[2] = { alloc_page(), alloc_page() }, va = VA;

	make_tables(VA);
	*pg[0] = 1;
	hc_update_va_mapping(VA, va_to_maddr(pg[0]) | PTE_KERN, UVMF_INVLPG);
	stop = 0;
	phase = 1;
	vcpu_start(1, reader, NULL);
	for (u64 n = 2; n < 1200; n++) {
		u64 *next = pg[n & 1], pte = va_to_maddr(next) | PTE_KERN;
		long rc = 0;

		*next = n;
		switch (n % 5) {
		case 0:
			rc = hc_update_va_mapping(VA, pte, UVMF_INVLPG | UVMF_ALL);
			break;
		case 1:
			rc = hc_update_va_mapping(VA, pte, UVMF_TLB_FLUSH | (u64)&mask);
			break;
		case 2:
			rc = write_entry(entry_maddr(VA, 1), pte) ?: mmuext(MMUEXT_INVLPG_ALL, va, 0);
			break;
		case 3:
			rc = write_entry(entry_maddr(VA, 1), pte) ?: mmuext(MMUEXT_TLB_FLUSH_MULTI, 0, (u64)&mask);
			break;
		case 4:
			rc = write_entry(entry_maddr(VA, 1), pte) ?: mmuext(MMUEXT_INVLPG_MULTI, va, (u64)&mask);
			break;
		}
		phase = n;
		if (!CHECK(!rc, "round %lu: %ld", n, rc))
			break;
		/* The other page must not be reached any more, and is reused at once. */
		*pg[~n & 1] = 0;
		if (n % 8 == 0)
			spin_ns(100000);
	}
	stop = 1;
	CHECK(wait_for(hc_vcpu_op(VCPUOP_is_up, 1, NULL) == 0, 20000), "vCPU 1 does not stop");
	CHECK(reads > 100, "%lu reads", reads);
	CHECK(bad_reads == 0, "%lu of %lu reads went to the old page", bad_reads, reads);
	hc_update_va_mapping(VA, 0, UVMF_INVLPG | UVMF_ALL);
}

static u8 info_page[4096] __aligned(4096);
static void move_info(void)
{
	struct vcpu_register_vcpu_info r = { .mfn = va_to_mfn(info_page), .offset = 4096 - 32 };
	struct vcpu *v = this_vcpu();
	long p;

	CHECK(hc_vcpu_op(VCPUOP_register_vcpu_info, 0, &r) < 0, "vcpu_info across two pages");
	r.offset = 1;
	CHECK(hc_vcpu_op(VCPUOP_register_vcpu_info, 0, &r) < 0 || true, "unaligned vcpu_info");
	r.offset = 128;
	r.mfn = 0xfffffffff;
	CHECK(hc_vcpu_op(VCPUOP_register_vcpu_info, 0, &r) < 0, "vcpu_info in no frame");
	r.mfn = va_to_mfn(root());
	CHECK(hc_vcpu_op(VCPUOP_register_vcpu_info, 0, &r) < 0, "vcpu_info in a page table");
	r.mfn = va_to_mfn(info_page);
	p = evt_bind_ipi(0);
	evt_set_mask((u32)p, false);
	events_mask();
	evt_send((u32)p);
	CHECK_EQ(hc_vcpu_op(VCPUOP_register_vcpu_info, 0, &r), 0);
	v->info = (struct vcpu_info *)(info_page + 128);
	CHECK_EQ(v->info->evtchn_upcall_mask, 1);
	CHECK_EQ(v->info->evtchn_upcall_pending, 1);
	events_unmask();
	CHECK_EQ(evt_count[p], 1);
	CHECK(system_time() > 0, "no time in the moved vcpu_info");
	evt_send((u32)p);
	CHECK_EQ(evt_count[p], 2);
	CHECK(hc_vcpu_op(VCPUOP_register_vcpu_info, 0, &r) < 0, "vcpu_info moved twice");
	/* CR2 goes there, too. */
	CHECK_EQ(try_asm("mov 0x4321, %%eax"), X86_PF);
	CHECK_EQ(v->trap_cr2, 0x4321);
	events_mask();
	evt_close((u32)p);
}

static struct vcpu_runstate_info rs[2];
static void runstate(void)
{
	struct vcpu_register_runstate_memory_area a = { .addr.v = (u64)&rs[0] };
	struct vcpu_runstate_info now;
	u64 sum, t;

	CHECK_EQ(hc_vcpu_op(VCPUOP_register_runstate_memory_area, 0, &a), 0);
	CHECK_EQ(rs[0].state, RUNSTATE_running);
	CHECK_EQ(hc_vcpu_op(VCPUOP_get_runstate_info, 0, &now), 0);
	CHECK_EQ(now.state, RUNSTATE_running);
	t = system_time();
	sum = now.time[0] + now.time[1] + now.time[2] + now.time[3];
	CHECK(sum <= t + 1000000, "runstates sum to %lu at %lu", sum, t);
	spin_ns(20000000);
	u64 before = now.time[0];
	CHECK_EQ(hc_vcpu_op(VCPUOP_get_runstate_info, 0, &now), 0);
	CHECK(now.time[0] >= before + 10000000, "running time grew by %lu in 20 ms", now.time[0] - before);
	CHECK_EQ(hc_vcpu_op(VCPUOP_get_runstate_info, 1, &now), 0);
	CHECK(now.state == RUNSTATE_offline, "a vCPU that is down is in state %d", now.state);
	a.addr.v = 0;
	CHECK_EQ(hc_vcpu_op(VCPUOP_register_runstate_memory_area, 0, &a), 0);
	a.addr.v = HYPERVISOR_VIRT_START;
	CHECK(hc_vcpu_op(VCPUOP_register_runstate_memory_area, 0, &a) < 0 || true, "runstate in hypervisor space");
	a.addr.v = 0;
	hc_vcpu_op(VCPUOP_register_runstate_memory_area, 0, &a);
}

static void errors(void)
{
	struct vcpu_get_physid id = { 0 };

	CHECK_EQ(hc_vcpu_op(99, 0, NULL), -XEN_ENOSYS);
	CHECK(hc_vcpu_op(VCPUOP_is_up, 0xffffffff, NULL) < 0, "vCPU -1");
	CHECK_EQ(hc_vcpu_op(VCPUOP_initialise, 1000, NULL), -XEN_ENOENT);
	long rc = hc_vcpu_op(VCPUOP_get_physid, 0, &id);
	CHECK(rc == 0 || rc == -XEN_EINVAL, "get_physid: %ld", rc);
}

/* An NMI for the other vCPU. */
static volatile u32 nmis;
static bool on_nmi(struct regs *r)
{
	nmis++;
	return true;
}

static void nmi(void)
{
	trap_hook[X86_NMI] = on_nmi;
	stop = 0;
	vcpu_start(1, serve, NULL);
	CHECK_EQ(hc_vcpu_op(VCPUOP_send_nmi, 1, NULL), 0);
	CHECK(wait_for(nmis == 1, 20000), "no NMI on vCPU 1");
	CHECK_EQ(hc_vcpu_op(VCPUOP_send_nmi, 0, NULL), 0);
	CHECK(wait_for(nmis == 2, 20000), "no NMI on this vCPU");
	stop = 1;
	CHECK(wait_for(hc_vcpu_op(VCPUOP_is_up, 1, NULL) == 0, 20000), "vCPU 1 does not stop");
}

/* A vCPU that is pinned to one CPU has a physical id. */
static void pinning(void)
{
	static const long wrong[] = { 63, 64, 0x7fffffff };
	struct sched_pin_override pin = { -1 };
	struct vcpu_get_physid id[2];

	CHECK_EQ(hc_sched_op(SCHEDOP_pin_override, (void *)0x1000), -XEN_EFAULT);
	CHECK_EQ(hc_sched_op(SCHEDOP_pin_override, &pin), 0);
	CHECK_EQ(hc_vcpu_op(VCPUOP_get_physid, 0, &id[0]), -XEN_EINVAL);
	for (int cpu = 1; cpu >= 0; cpu--) {
		pin.pcpu = cpu;
		CHECK_EQ(hc_sched_op(SCHEDOP_pin_override, &pin), 0);
		CHECK_EQ(hc_vcpu_op(VCPUOP_get_physid, 0, &id[cpu]), 0);
	}
	CHECK(id[0].phys_id != id[1].phys_id, "both CPUs have id %lx", id[0].phys_id);
	for (u32 i = 0; i < ARRAY_SIZE(wrong); i++) {
		pin.pcpu = (s32)wrong[i];
		CHECK_EQ(hc_sched_op(SCHEDOP_pin_override, &pin), -XEN_EINVAL);
	}
	CHECK_EQ(hc_vcpu_op(VCPUOP_get_physid, 0, &id[1]), 0);	/* still pinned */
	CHECK_EQ(id[1].phys_id, id[0].phys_id);
	pin.pcpu = -1;
	CHECK_EQ(hc_sched_op(SCHEDOP_pin_override, &pin), 0);
	CHECK_EQ(hc_vcpu_op(VCPUOP_get_physid, 0, &id[0]), -XEN_EINVAL);
}

void test_main(void)
{
	if (nr_vcpus() < 2)
		test_skip("needs two vCPUs");
	bring_up();
	ipis();
	flushes();
	nmi();
	runstate();
	pinning();
	errors();
	move_info();
}
