/* SPDX-License-Identifier: MIT */
/*
 * abuse_pagetypes: a guest tries to get a page table that it can write.
 *
 * Claim:  none of these gives write access to a live table or descriptor page: flag-only changes of
 *         entries at every level, superpages, self maps, L4 pages as lower tables, failing validations
 *         late in a big tree, many references, and two vCPUs racing pin against map; a stale writable
 *         TLB entry is gone before its page becomes a table.
 * Broken: the store through the mapping succeeds: the guest owns the machine.
 * Run:    smp=2 timeout=120
 */
#include "guest.h"

#define VA	0x200000000000ul

static u64 *data, *l1, *l2, *l3;

/*
 * Stores to an L1 table may be emulated, if the entry is legal: so store one that never is, a writable
 * mapping of the root.
 */
static void store(void *p) { *(volatile u64 *)p = va_to_maddr(root()) | PTE_KERN; }
static bool writable(void *p) { return try_call(store, p) == -1; }

static void flags_only(void)
{
	u64 table = va_to_maddr(l1) & PTE_ADDR, m = entry_maddr(VA, 1), old;
	static const u64 bits[] = { PTE_RW, PTE_RW | PTE_AVAIL, PTE_RW | PTE_A | PTE_D, PTE_RW | PTE_NX,
		PTE_RW | PTE_G, PTE_RW | PTE_PCD, PTE_RW | 1ul << 52, PTE_RW | 1ul << 62 };

	/* L1: a read-only mapping of a table must not become writable by a change of flags. */
	REQUIRE(!hc_update_va_mapping(VA, table | PTE_P | PTE_US, UVMF_INVLPG), "read-only mapping");
	for (unsigned int i = 0; i < ARRAY_SIZE(bits); i++) {
		old = read_pte(VA);
		CHECK(write_entry(m, old | bits[i]) < 0, "flags %#lx accepted", bits[i]);
		CHECK(hc_update_va_mapping(VA, old | bits[i], UVMF_INVLPG) < 0, "flags %#lx accepted", bits[i]);
		CHECK_EQ(read_pte(VA), old);
		struct mmu_update u = { m | MMU_PT_UPDATE_PRESERVE_AD, old | bits[i] };
		CHECK(hc_mmu_update(&u, 1, NULL, DOMID_SELF) < 0, "flags %#lx accepted, keeping A and D", bits[i]);
	}
	CHECK(!writable((void *)(VA + 8)), "a page table was written");
	hc_update_va_mapping(VA, 0, UVMF_INVLPG);
	/* L2, L3, L4: PS by a change of flags. */
	for (unsigned int level = 2; level <= 4; level++) {
		m = entry_maddr(VA, level);
		old = *find_entry(VA, level);
		CHECK(write_entry(m, old | PTE_PS) < 0 || !(*find_entry(VA, level) & PTE_PS), "PS at level %u", level);
		CHECK(write_entry(m, (old & ~PTE_ADDR) | PTE_PS) < 0, "2 MiB of frame 0 at level %u", level);
		CHECK(!(*find_entry(VA, level) & PTE_PS), "level %u entry %#lx", level, *find_entry(VA, level));
		/* The present bit away and back, with PS. */
		CHECK(write_entry(m, old & ~PTE_P) == 0, "level %u: not present", level);
		CHECK(write_entry(m, old | PTE_PS) < 0, "level %u: PS when made present", level);
		CHECK_EQ(write_entry(m, old), 0);
	}
}

/* L4 entries that point to an L4: refused, or read-only for good. */
static void self_map(void)
{
	u64 *l4 = root(), slot = 200, self = va_to_maddr(l4) & PTE_ADDR, va = slot << 39 | slot << 30 | slot << 21 | slot << 12;
	u64 m = va_to_maddr(&l4[slot]);
	long rc = write_entry(m, self | PTE_P | PTE_US);

	if (!rc) {
		printk("  a read-only self map is accepted\n");
		CHECK(!writable((void *)(va + slot * 8)), "L4 written through its self map");
		CHECK(write_entry(m, self | PTE_TABLE) < 0, "self map made writable by flags");
		CHECK(write_entry(m, self | PTE_P | PTE_US | PTE_RW | PTE_AVAIL) < 0, "self map made writable by flags");
		CHECK(!writable((void *)(va + slot * 8)), "L4 written through its self map");
		CHECK_EQ(write_entry(m, 0), 0);
	}
	CHECK(write_entry(m, self | PTE_TABLE) < 0, "a writable self map");
	/* The same one level down, and across levels. */
	for (unsigned int level = 2; level <= 4; level++) {
		u64 *t = level == 2 ? l2 : level == 3 ? l3 : l4;
		u64 *below[] = { l1, l2, l3, l4 };

		for (unsigned int b = 0; b < 4; b++) {
			if (b + 2 == level)
				continue;
			rc = write_entry(va_to_maddr(&t[100]), va_to_maddr(below[b]) | PTE_TABLE);
			CHECK(rc < 0, "L%u accepted as entry of L%u, writable", b + 1, level);
			if (!rc)
				write_entry(va_to_maddr(&t[100]), 0);
			rc = write_entry(va_to_maddr(&t[100]), va_to_maddr(below[b]) | PTE_P | PTE_US);
			CHECK(rc < 0 || b + 1 == level, "L%u accepted as entry of L%u", b + 1, level);
			if (!rc)
				CHECK_EQ(write_entry(va_to_maddr(&t[100]), 0), 0);
		}
	}
}

/* A tree that is good but for its last entry: everything is backed out. */
static void late_failure(void)
{
	u64 *t2 = alloc_page(), *t1[64];
	long rc;

	for (unsigned int i = 0; i < 64; i++) {
		t1[i] = alloc_page();
		for (unsigned int k = 0; k < 512; k++)
			t1[i][k] = va_to_maddr(data) | PTE_KERN;
		t2[i * 8] = va_to_maddr(t1[i]) | PTE_TABLE;
		REQUIRE(!set_ro(t1[i]), "set_ro");
	}
	set_rw(t1[63]);
	t1[63][511] = va_to_maddr(t1[0]) | PTE_KERN;	/* a table, writable */
	set_ro(t1[63]);
	set_ro(t2);
	for (unsigned int n = 0; n < 3; n++) {
		CHECK(pin(2, t2) < 0, "a tree with a bad last entry was pinned");
		for (unsigned int i = 0; i < 64; i++) {
			CHECK((rc = set_rw(t1[i])) == 0, "table %u stays typed: %ld", i, rc);
			CHECK_EQ(set_ro(t1[i]), 0);
		}
	}
	set_rw(t1[63]);
	t1[63][511] = 0;
	set_ro(t1[63]);
	CHECK_EQ(pin(2, t2), 0);
	CHECK(set_rw(t1[0]) < 0, "a table in a pinned tree made writable");
	CHECK(set_rw(t2) < 0, "a pinned table made writable");
	CHECK_EQ(unpin(t2), 0);
	for (unsigned int i = 0; i < 64; i++) {
		CHECK_EQ(set_rw(t1[i]), 0);
		free_page(t1[i]);
	}
	CHECK_EQ(set_rw(t2), 0);
	free_page(t2);
}

/* One L1 named by many L2 entries: counted, and released to the last. */
static void many_references(void)
{
	u64 *t2 = alloc_page(), *t1 = alloc_page();

	for (unsigned int i = 0; i < 512; i++)
		t2[i] = va_to_maddr(t1) | PTE_TABLE;
	set_ro(t1);
	set_ro(t2);
	CHECK_EQ(pin(2, t2), 0);
	for (unsigned int i = 0; i < 512; i++) {
		CHECK(set_rw(t1) < 0, "writable with %u references left", 512 - i);
		CHECK_EQ(write_entry(va_to_maddr(&t2[i]), 0), 0);
	}
	CHECK_EQ(set_rw(t1), 0);
	CHECK_EQ(unpin(t2), 0);
	CHECK_EQ(set_rw(t2), 0);
	free_page(t1);
	free_page(t2);
}

static volatile u32 go, stop, races, pins, maps;
static u64 *prize;

/* The other vCPU: maps the page writable and read-only again, as often as it can. */
static void mapper(void *arg)
{
	u64 pte = va_to_maddr(prize) | PTE_P | PTE_US;
	u64 va = VA + 5 * 4096;

	while (!stop) {
		if (hc_update_va_mapping(va, pte | PTE_RW, UVMF_NONE) == 0) {
			maps++;
			*(volatile u64 *)va = 0;	/* loads the TLB */
		}
		/* No flush asked for: the hypervisor must know what it needs. */
		hc_update_va_mapping(va, pte, UVMF_NONE);
	}
}

static void race(void)
{
	u64 end = system_time() + 3000000000ul, limit = end + 30000000000ul;

	if (nr_vcpus() < 2) {
		printk("  one vCPU: no race\n");
		return;
	}
	prize = alloc_page();
	REQUIRE(!set_ro(prize), "set_ro");
	vcpu_start(1, mapper, NULL);
	/* At least three seconds, and until both did something, however little time the host gives. */
	while (system_time() < end || ((pins <= 10 || maps <= 10) && system_time() < limit)) {
		u64 before;

		if (pin(1, prize))
			continue;
		pins++;
		before = prize[0];
		/* A table now: whatever the other does, no store of it arrives. */
		write_entry(va_to_maddr(&prize[0]), va_to_maddr(data) | PTE_P | PTE_US);
		before = prize[0];
		for (int i = 0; i < 200; i++)
			if (READ_ONCE(prize[0]) != before) {
				races++;
				break;
			}
		write_entry(va_to_maddr(&prize[0]), 0);
		if (unpin(prize))
			CHECK(0, "unpin");
	}
	stop = 1;
	CHECK(wait_for(hc_vcpu_op(VCPUOP_is_up, 1, NULL) == 0, 20000), "vCPU 1 does not stop");
	printk("  %u pins, %u writable mappings, %u stores to a table\n", pins, maps, races);
	CHECK(!races, "a live table was written %u times", races);
	CHECK(pins > 10 && maps > 10, "no race took place");
	hc_update_va_mapping(VA + 5 * 4096, 0, UVMF_TLB_FLUSH | UVMF_ALL);
	CHECK_EQ(set_rw(prize), 0);
}

/* Stale entry in the own TLB: writable mapping dropped without a flush, page pinned, store. */
static void stale(void)
{
	u64 *t = alloc_page(), va = VA + 9 * 4096, m = va_to_maddr(t);

	REQUIRE(!set_ro(t), "set_ro");
	for (unsigned int i = 0; i < 200; i++) {
		REQUIRE(!hc_update_va_mapping(va, m | PTE_KERN, UVMF_INVLPG), "map");
		*(volatile u64 *)va = 0;
		if (i & 1)
			write_entry(entry_maddr(va, 1), 0);
		else
			hc_update_va_mapping(va, m | PTE_P | PTE_US, UVMF_NONE);
		if (CHECK_EQ(pin(1, t), 0)) {
			CHECK(!writable((void *)va), "round %u: a pinned table was written through the TLB", i);
			CHECK_EQ(unpin(t), 0);
		}
		hc_update_va_mapping(va, 0, UVMF_NONE);
	}
	mmuext(MMUEXT_TLB_FLUSH_ALL, 0, 0);
	CHECK_EQ(set_rw(t), 0);
	/* The same with a frame that becomes the GDT. */
	REQUIRE(!set_ro(t), "set_ro");
	u64 mfn = va_to_mfn(t);
	REQUIRE(!hc_update_va_mapping(va, m | PTE_KERN, UVMF_INVLPG), "map");
	*(volatile u64 *)va = 0;
	hc_update_va_mapping(va, 0, UVMF_NONE);
	CHECK_EQ(hc_set_gdt(&mfn, 512), 0);
	CHECK(!writable((void *)va), "the GDT was written through the TLB");
	CHECK_EQ(hc_set_gdt(NULL, 0), 0);
	CHECK_EQ(set_rw(t), 0);
	free_page(t);
}

/* Types of other kinds: shared_info, grant frames, GDT page as table and back. */
static void other_kinds(void)
{
	u64 *t = alloc_page(), mfn = va_to_mfn(t), info = si->shared_info >> 12;

	set_ro(t);
	CHECK_EQ(hc_set_gdt(&mfn, 512), 0);
	for (unsigned int l = 1; l <= 4; l++)
		CHECK(pin(l, t) < 0, "the GDT pinned as L%u", l);
	CHECK(write_entry(va_to_maddr(&l2[77]), va_to_maddr(t) | PTE_TABLE) < 0, "the GDT as L1 table");
	CHECK_EQ(hc_set_gdt(NULL, 0), 0);
	CHECK_EQ(pin(1, t), 0);
	CHECK(hc_set_gdt(&mfn, 512) < 0, "a page table as GDT");
	CHECK_EQ(unpin(t), 0);
	CHECK_EQ(set_rw(t), 0);
	for (unsigned int l = 1; l <= 4; l++)
		CHECK(mmuext(MMUEXT_PIN_L1_TABLE + l - 1, info, 0) < 0, "shared_info pinned as L%u", l);
	CHECK(write_entry(va_to_maddr(&l2[77]), info << 12 | PTE_TABLE) < 0, "shared_info as L1 table");
	CHECK(write_entry(va_to_maddr(&l2[77]), 0xb8000 | PTE_TABLE) < 0, "VGA memory as L1 table");
	CHECK(write_entry(va_to_maddr(&l2[77]), 0xfee00000 | PTE_TABLE) < 0, "the APIC as L1 table");
	free_page(t);
}

void test_main(void)
{
	data = alloc_page();
	make_tables(VA);
	l1 = mfn_to_va((*find_entry(VA, 2) & PTE_ADDR) >> 12);
	l2 = mfn_to_va((*find_entry(VA, 3) & PTE_ADDR) >> 12);
	l3 = mfn_to_va((*find_entry(VA, 4) & PTE_ADDR) >> 12);
	flags_only();
	self_map();
	late_failure();
	many_references();
	stale();
	other_kinds();
	race();
}
