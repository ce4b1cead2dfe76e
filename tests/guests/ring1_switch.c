/* SPDX-License-Identifier: MIT */
/*
 * ring1_switch: PARAPET_RING1_SWITCH, by which a kernel in ring 1 changes its root without the hypervisor proper.
 *
 * Claim:  a switch loads the root that it names, whether this CPU has it on offer or not; the hypervisor knows at its next
 *         entry, whichever that is, and uses the guest's memory as that root maps it; an entry of an L4 that is
 *         changed is changed at the next switch; what is no pinned table of the domain's, or is no more, is not on offer; a
 *         root that is unpinned while in force stays one until it is left, and is free then; another vCPU that unpins,
 *         changes and reuses roots at any moment meets no stale one; the audit agrees.
 * Broken: a guest on tables that are ordinary memory by now: it would write its own.
 * Run:    smp=2 args="ring1=1" hv="guest_loglvl=none" timeout=240
 */
#include "guest.h"

#define VA	0x0000234500000000ul		/* what differs: there the root's number is read */
#define SLOT	(VA >> 39)
#define OFFERS	((volatile u64 *)0xffff82d0480011a0ul)	/* CP_OFFERS of hv/layout.h, at LOCAL_CONST */
#define NR	12
#define FIRST_COPIES 8

static u64 *roots[NR], *tables[NR][3], *pages[NR];
static u64 *old;

static bool offered(u64 mfn)
{
	for (unsigned int i = 0; i < FIRST_COPIES; i++)
		if (OFFERS[i] == mfn)
			return true;
	return false;
}

static u64 here(void)
{
	return *(volatile u64 *)VA;
}

/* The root as the hypervisor knows it. */
static u64 hv_root(void)
{
	u64 cr3;

	asm volatile("mov %%cr3, %0" : "=r"(cr3));
	return cr3 >> 12;
}

static void make_root(unsigned int i)
{
	u64 *t = roots[i];

	for (unsigned int j = 0; j < 512; j++)
		t[j] = j >= 256 && j < 272 ? 0 : old[j];
	t[SLOT] = va_to_maddr(tables[i][0]) | PTE_TABLE;
	REQUIRE(!set_ro(t) && !pin(4, t), "root %u", i);
}

static void make_roots(void)
{
	old = root();
	for (unsigned int i = 0; i < NR; i++) {
		roots[i] = alloc_page();
		pages[i] = alloc_page();
		*pages[i] = 100 + i;
		for (unsigned int l = 0; l < 3; l++)
			tables[i][l] = alloc_page();
		tables[i][0][VA >> 30 & 511] = va_to_maddr(tables[i][1]) | PTE_TABLE;
		tables[i][1][VA >> 21 & 511] = va_to_maddr(tables[i][2]) | PTE_TABLE;
		tables[i][2][VA >> 12 & 511] = pte_of(pages[i]);
		for (unsigned int l = 0; l < 3; l++)
			REQUIRE(!set_ro(tables[i][l]), "table");
		make_root(i);
	}
}

/* All ways in, each right after a switch. */
static void enter(unsigned int how, unsigned int root_nr)
{
	switch (how % 6) {
	case 0:
		CHECK_EQ(hc_xen_version(XENVER_pagesize, NULL), 4096);
		break;
	case 1:
		CHECK_EQ(try_asm("ud2"), X86_UD);
		break;
	case 2:
		asm volatile("cli");
		break;
	case 3:
		CHECK_EQ(hc_vcpu_op(VCPUOP_send_nmi, 0, NULL), 0);
		break;
	case 4:		/* the hypervisor writes where this root has another page than the others */
		pages[root_nr][8] = 0;
		CHECK_EQ(hc_xen_version(XENVER_extraversion, (void *)(VA + 64)), 0);
		CHECK(pages[root_nr][8], "written to another root's page");
		break;
	case 5:
		hc_sched_op(SCHEDOP_yield, NULL);
	}
}

static bool on_nmi(struct regs *r)
{
	return true;
}

static void check_switches(void)
{
	u64 hits = 0, misses = 0;

	trap_hook[X86_NMI] = on_nmi;
	for (unsigned int n = 0; n < 2000; n++) {
		unsigned int i = n < 1000 ? n % 3 : n * 7 % NR;
		u64 mfn = va_to_mfn(roots[i]);

		*(offered(mfn) ? &hits : &misses) += 1;
		CHECK_EQ(ring1_switch(mfn), 0);
		CHECK_EQ(here(), 100 + i);
		if (n % 3)
			enter(n, i);
		CHECK_EQ(hv_root(), mfn);
		CHECK_EQ(here(), 100 + i);
		CHECK(offered(mfn), "root %u is not on offer after it was loaded", i);
	}
	printk("  %lu switches on offer, %lu not\n", hits, misses);
	CHECK(hits > 100 && misses > 10, "%lu on offer, %lu not", hits, misses);
	/* several without a word to the hypervisor, there and back */
	for (unsigned int n = 0; n < 100; n++) {
		for (unsigned int i = 0; i < 1 + n % 5; i++) {
			CHECK_EQ(ring1_switch(va_to_mfn(roots[i % 3])), 0);
			CHECK_EQ(here(), 100 + i % 3);
		}
		CHECK_EQ(hv_root(), va_to_mfn(roots[n % 5 % 3]));
	}
	CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(roots[1]), 0), 0);
	CHECK_EQ(here(), 101);
	CHECK_EQ(ring1_switch(va_to_mfn(roots[0])), 0);
	CHECK_EQ(here(), 100);
}

/* Flags and the stack are as they were. */
static void check_registers(void)
{
	for (unsigned int i = 0; i < 2; i++) {
		u64 rsp = 0, after = 1, rbx = 0x1b1b, flags, want = 0x40a93 | X86_EFLAGS_IF;
		long rc = __HYPERVISOR_ring1;
		u64 a1 = PARAPET_RING1_SWITCH, a2 = va_to_mfn(roots[i]);

		asm volatile("push %[want]; popf; mov %%rsp, %[rsp]; syscall; mov %%rsp, %[after]; pushf; pop %[flags]"
			     : "+a"(rc), "+D"(a1), "+S"(a2), "+b"(rbx), [rsp] "=&r"(rsp), [after] "=&r"(after),
			       [flags] "=&r"(flags) : [want] "r"(want) : "rcx", "r11", "rdx", "r8", "r9", "r10", "memory", "cc");
		CHECK_EQ(rc, 0);
		CHECK_EQ(after, rsp);
		CHECK_EQ(flags & 0xfffff, want);
		CHECK_EQ(rbx, 0x1b1b);
	}
}

static void check_refusals(void)
{
	u64 *plain = alloc_page(), mfn = va_to_mfn(plain);

	CHECK(ring1_switch(mfn) < 0, "an ordinary page");
	CHECK(ring1_switch(va_to_mfn(tables[0][0])) < 0, "an L3 table");
	CHECK(ring1_switch(0xffffffff) < 0, "no frame");
	CHECK(ring1_switch(~0ul) < 0, "what stands for none");
	CHECK(ring1_switch(0) < 0, "frame 0");
	for (u64 m = 0; m < 300; m++)		/* whatever these are, ours they are not */
		if (!offered(m) && m != va_to_mfn(old))
			ring1_switch(m);
	CHECK_EQ(ring1_switch(va_to_mfn(old)), 0);
	/* not pinned: as NEW_BASEPTR, and never on offer */
	CHECK_EQ(unpin(roots[3]), 0);
	CHECK_EQ(ring1_switch(va_to_mfn(roots[0])), 0);
	CHECK_EQ(ring1_switch(va_to_mfn(roots[3])), 0);
	CHECK_EQ(here(), 103);
	CHECK(!offered(va_to_mfn(roots[3])), "a root that is not pinned is on offer");
	CHECK(set_rw(roots[3]) < 0, "the root in force was mapped writable");
	CHECK_EQ(ring1_switch(va_to_mfn(roots[0])), 0);
	CHECK(!offered(va_to_mfn(roots[3])), "a root that is not pinned is on offer");
	CHECK_EQ(set_rw(roots[3]), 0);
	CHECK(ring1_switch(va_to_mfn(roots[3])) < 0, "ordinary memory by now");
	make_root(3);
	/* unpinned while in force, and before the hypervisor knows that it is */
	for (unsigned int known = 0; known < 2; known++) {
		for (unsigned int i = 0; i < 300 && (i < 3 || !offered(va_to_mfn(roots[1]))); i++)	/* it may move */
			CHECK_EQ(ring1_switch(va_to_mfn(roots[i % 3])), 0);
		CHECK(offered(va_to_mfn(roots[1])), "not on offer");
		CHECK_EQ(ring1_switch(va_to_mfn(roots[1])), 0);
		if (known)
			CHECK_EQ(hv_root(), va_to_mfn(roots[1]));
		CHECK_EQ(unpin(roots[1]), 0);
		CHECK(set_rw(roots[1]) < 0, "the root in force was mapped writable");
		CHECK(!offered(va_to_mfn(roots[1])), "a root that is not pinned is on offer");
		CHECK_EQ(here(), 101);
		CHECK_EQ(unpin(roots[2]), 0);
		CHECK_EQ(set_rw(roots[2]), 0);
		make_root(2);
		CHECK_EQ(ring1_switch(va_to_mfn(roots[2])), 0);
		CHECK_EQ(set_rw(roots[1]), 0);
		CHECK(ring1_switch(va_to_mfn(roots[1])) < 0, "ordinary memory by now");
		make_root(1);
	}
	CHECK_EQ(ring1_switch(va_to_mfn(old)), 0);
}

static void check_changes(void)
{
	for (unsigned int n = 0; n < 200; n++) {
		unsigned int i = n % 3, other = (n + 1) % 3;
		u64 *entry = &roots[other][SLOT], was = *entry;

		CHECK_EQ(ring1_switch(va_to_mfn(roots[other])), 0);
		CHECK_EQ(here(), 100 + other);
		CHECK_EQ(ring1_switch(va_to_mfn(roots[i])), 0);
		CHECK_EQ(write_entry(va_to_maddr(entry), va_to_maddr(tables[i][0]) | PTE_TABLE), 0);
		CHECK(!offered(va_to_mfn(roots[other])), "a root that was changed is on offer");
		CHECK_EQ(ring1_switch(va_to_mfn(roots[other])), 0);
		CHECK_EQ(here(), 100 + i);
		CHECK_EQ(write_entry(va_to_maddr(entry), was), 0);
		mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0);
		CHECK_EQ(here(), 100 + other);
	}
	CHECK_EQ(ring1_switch(va_to_mfn(old)), 0);
}

static volatile bool stop, started;
static volatile u64 switches, wrong, avoid = NR, to = NR, at = NR;

/* The other vCPU: from root to root, mostly without the hypervisor. What is refused was unpinned. */
static void hopper(void *arg)
{
	u64 n = 0;

	started = true;
	while (!stop) {
		unsigned int i = (unsigned int)(n++ % 5);

		to = i;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (i == avoid)
			continue;
		if (!ring1_switch(va_to_mfn(roots[i]))) {
			u64 got = here();

			at = i;
			switches++;
			if (got < 100 || got >= 100 + NR)
				wrong++;
		} else {
			ring1_switch(va_to_mfn(old));
			at = NR;
		}
	}
	ring1_switch(va_to_mfn(old));
}

/*
 * Roots and their L3 are unpinned, become ordinary pages full of what nobody must ever walk, and roots again: a CPU
 * that still walked one of them would read a page of the hypervisor's choice, or fault.
 */
static void check_other_vcpu(void)
{
	u64 rounds = test_arg("rounds", 3000), reused = 0, kept = 0;

	if (nr_vcpus() < 2)
		return;
	vcpu_start(1, hopper, NULL);
	REQUIRE(wait_for(started && switches > 10, 60000), "the other vCPU does not switch");
	for (u64 n = 0; n < rounds; n++) {
		unsigned int i = (unsigned int)(n % 5);
		u64 *t = roots[i];

		switch (n % 3) {
		case 0:		/* another tree, and back */
			CHECK_EQ(write_entry(va_to_maddr(&t[SLOT]), va_to_maddr(tables[n % NR][0]) | PTE_TABLE), 0);
			CHECK_EQ(write_entry(va_to_maddr(&t[SLOT]), va_to_maddr(tables[i][0]) | PTE_TABLE), 0);
			mmuext(MMUEXT_TLB_FLUSH_ALL, 0, 0);
			break;
		case 1:
			avoid = i;	/* from its next turn on: it may be there, or on its way */
			__atomic_thread_fence(__ATOMIC_SEQ_CST);
			bool left = n & 1;
			if (left)	/* it has left: then what is unpinned is free at once */
				REQUIRE(wait_for(to != i && at != i, 20000), "the other vCPU does not leave root %u", i);
			CHECK_EQ(unpin(t), 0);
			if (set_rw(t)) {	/* in force there: a root until it is left */
				kept++;
				CHECK(!left, "a root that was left, and unpinned, is still in use");
				REQUIRE(wait_for(!set_rw(t), 20000), "root %u stays in use", i);
			}
			u64 save = t[SLOT];

			for (unsigned int j = 0; j < 512; j++)
				t[j] = 0x000fffffdead0067ul;
			t[SLOT] = save;
			make_root(i);
			reused++;
			avoid = NR;
			break;
		case 2:
			CHECK_EQ(ring1_switch(va_to_mfn(t)), 0);
			CHECK_EQ(here(), 100 + i);
			CHECK_EQ(ring1_switch(va_to_mfn(old)), 0);
		}
	}
	stop = true;
	CHECK(wait_for(!hc_vcpu_op(VCPUOP_is_up, 1, NULL), 60000), "the other vCPU does not stop");
	printk("  %lu switches of the other vCPU, %lu roots reused, %lu in force when unpinned\n", switches, reused, kept);
	CHECK_EQ(wrong, 0);
	CHECK_EQ(reused, (rounds + 1) / 3);
}

/* Entry pages full of lies right before each switch and each entry. */
static void check_lies(void)
{
	static const u64 values[] = { 0, ~0ul, 0x1000, 0xe008, HYPERVISOR_VIRT_START };

	for (unsigned int n = 0; n < 500; n++) {
		void lie(void)
		{
			for (u64 *p = (u64 *)0xffff82d048002000ul; p < (u64 *)0xffff82d048003000ul; p++)
				WRITE_ONCE(*p, n % 6 < 5 ? values[n % 6] : va_to_maddr(roots[2]));
		}
		lie();
		CHECK_EQ(ring1_switch(va_to_mfn(roots[n % 3])), 0);
		lie();
		CHECK_EQ(hv_root(), va_to_mfn(roots[n % 3]));
		CHECK_EQ(here(), 100 + n % 3);
		lie();
		enter(n, n % 3);
	}
	CHECK_EQ(ring1_switch(va_to_mfn(old)), 0);
}

void test_main(void)
{
	REQUIRE(ring1_mode, "not in ring 1: give ring1=1");
	events_mask();
	CHECK_EQ(hypercall5(__HYPERVISOR_ring1, PARAPET_RING1_SWITCH, va_to_mfn(root()), 0, 0, 0), 0);
	make_roots();
	check_switches();
	check_registers();
	check_lies();
	check_refusals();
	check_changes();
	check_other_vcpu();
	CHECK_EQ(ring1_switch(va_to_mfn(old)), 0);
}
