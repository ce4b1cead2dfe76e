/* SPDX-License-Identifier: MIT */
/*
 * pin: page tables are checked when pinned and cannot be written afterwards.
 *
 * Claim:  pin and unpin work at each level; a table that is mapped writable anywhere, has an entry of
 *         the wrong kind, or is a table of another level, is refused; while pinned or used it cannot be
 *         mapped writable; after the last use it is ordinary memory again. An L4 that runs has
 *         the M2P in it.
 * Broken: writable page tables (the guest owns the machine), or a page that stays read-only for ever.
 */
#include "guest.h"

static u8 *data;

/* A read-only page with the given first entry. */
static u64 *table(u64 entry)
{
	u64 *t = alloc_page();

	t[0] = entry;
	REQUIRE(!set_ro(t), "set_ro");
	return t;
}

static void drop(u64 *t)
{
	CHECK_EQ(set_rw(t), 0);
	t[17] = 5;			/* really writable */
	free_page(t);
}

static void levels(void)
{
	u64 *t[5];
	u64 entry = va_to_maddr(data) | PTE_KERN;

	for (unsigned int l = 1; l <= 4; l++) {
		t[l] = alloc_page();
		t[l][0] = entry;
		CHECK(pin(l, t[l]) < 0, "L%u pinned while mapped writable", l);
		CHECK_EQ(set_ro(t[l]), 0);
		CHECK_EQ(pin(l, t[l]), 0);
		CHECK(pin(l, t[l]) < 0, "L%u pinned twice", l);
		CHECK(set_rw(t[l]) < 0, "pinned L%u mapped writable", l);
		for (unsigned int o = 1; o <= 4; o++)
			if (o != l)
				CHECK(pin(o, t[l]) < 0, "L%u pinned as L%u", l, o);
		entry = va_to_maddr(t[l]) | PTE_TABLE;
	}
	/* Unpinned, but still used by the level above. */
	for (unsigned int l = 1; l <= 3; l++) {
		CHECK_EQ(unpin(t[l]), 0);
		CHECK(unpin(t[l]) < 0, "L%u unpinned twice", l);
		CHECK(set_rw(t[l]) < 0, "used L%u mapped writable", l);
	}
	/* The root goes, and everything with it. */
	CHECK_EQ(unpin(t[4]), 0);
	for (unsigned int l = 1; l <= 4; l++)
		drop(t[l]);
}

/* Pinning a root checks the whole tree; the new root can be run on. */
static void run_on_it(void)
{
	u64 *l4 = alloc_page(), *old = root();

	l4[511] = old[511];
	CHECK_EQ(set_ro(l4), 0);
	CHECK_EQ(pin(4, l4), 0);
	CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(l4), 0), 0);
	CHECK_EQ(m2p[va_to_mfn(l4)], va_to_pfn(l4));
	CHECK_EQ(unpin(l4), 0);			/* in use as root: still a table */
	CHECK(set_rw(l4) < 0, "the running root was made writable");
	CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(old), 0), 0);
	drop(l4);
	/* A root that was not pinned is checked when it is loaded. */
	l4 = alloc_page();
	l4[511] = old[511];
	CHECK(mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(l4), 0) < 0, "writable root loaded");
	CHECK_EQ(set_ro(l4), 0);
	CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(l4), 0), 0);
	CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(old), 0), 0);
	drop(l4);
	CHECK(mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(data), 0) < 0, "a data page as root");
	CHECK(mmuext(MMUEXT_NEW_BASEPTR, 0xffffffffful, 0) < 0, "no frame as root");
	/* User root: the same, and none. */
	CHECK(mmuext(MMUEXT_NEW_USER_BASEPTR, va_to_mfn(data), 0) < 0, "a data page as user root");
	CHECK_EQ(mmuext(MMUEXT_NEW_USER_BASEPTR, 0, 0), 0);
}

static void bad_contents(void)
{
	u64 d = va_to_maddr(data), x = va_to_maddr(root());
	u64 *t, *l1 = table(0);
	static const char *const what[] = { "garbage", "superpage", "page table writable", "frame beyond RAM" };

	for (unsigned int level = 1; level <= 4; level++) {
		u64 bad[] = { 0x5555555555555555ul, d | PTE_KERN | PTE_PS, x | PTE_KERN,
			(d | PTE_KERN) + (1ul << 50) };

		for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
			if (level == 1 && i == 1)
				continue;	/* that bit is PAT in L1 */
			t = table(0);
			set_rw(t);
			t[100] = bad[i];
			set_ro(t);
			CHECK(pin(level, t) < 0, "L%u with %s pinned", level, what[i]);
			drop(t);
		}
	}
	/* Children of the wrong level, or writable. */
	u64 child = va_to_maddr(l1) | PTE_TABLE;

	CHECK_EQ(pin(1, l1), 0);
	for (unsigned int level = 3; level <= 4; level++) {
		t = table(child);
		CHECK(pin(level, t) < 0, "L%u with an L1 as child pinned", level);
		drop(t);
	}
	CHECK_EQ(unpin(l1), 0);
	drop(l1);
	l1 = alloc_page();
	t = table(va_to_maddr(l1) | PTE_TABLE);
	CHECK(pin(2, t) < 0, "L2 with a writable L1 pinned");
	drop(t);
	free_page(l1);
	CHECK(mmuext(MMUEXT_PIN_L1_TABLE, 0xffffffffful, 0) < 0, "no frame pinned");
	CHECK(mmuext(MMUEXT_PIN_L1_TABLE, si->shared_info >> 12, 0) < 0, "shared_info pinned");
	CHECK(mmuext(MMUEXT_PIN_L1_TABLE, 0xb8, 0) < 0, "VGA memory pinned");
	CHECK(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(data), 0) < 0, "data unpinned");
	CHECK(mmuext(MMUEXT_UNPIN_TABLE, 0xffffffffful, 0) < 0, "no frame unpinned");
}

/* The writable mapping may be anywhere. */
static void second_mapping(void)
{
	u64 va = 0x200000000000ul, *t;

	make_tables(va);
	t = table(va_to_maddr(data) | PTE_KERN);
	CHECK_EQ(hc_update_va_mapping(va, va_to_maddr(t) | PTE_KERN, UVMF_INVLPG), 0);
	CHECK(pin(1, t) < 0, "pinned with a writable alias");
	CHECK_EQ(hc_update_va_mapping(va, va_to_maddr(t) | PTE_P | PTE_US, UVMF_INVLPG), 0);
	CHECK_EQ(pin(1, t), 0);
	CHECK(hc_update_va_mapping(va, va_to_maddr(t) | PTE_KERN, UVMF_INVLPG) < 0, "writable alias of a table");
	/* The table maps itself writable. */
	CHECK(write_entry(va_to_maddr(&t[5]), va_to_maddr(t) | PTE_KERN) < 0, "a table maps itself writable");
	CHECK_EQ(write_entry(va_to_maddr(&t[5]), va_to_maddr(t) | PTE_P | PTE_US), 0);
	CHECK_EQ(hc_update_va_mapping(va, 0, UVMF_INVLPG), 0);
	CHECK_EQ(unpin(t), 0);
	drop(t);
}

/* Types are cached: the same page as every level in turn, contents changing in between. */
static void reuse(void)
{
	u64 *t = alloc_page();

	for (unsigned int round = 0; round < 40; round++) {
		unsigned int level = 1 + round % 4;

		for (unsigned int i = 0; i < 512; i++)
			t[i] = level == 1 && (i + round) % 3 == 0 ? va_to_maddr(data) | PTE_KERN : 0;
		CHECK_EQ(set_ro(t), 0);
		CHECK_EQ(pin(level, t), 0);
		CHECK_EQ(unpin(t), 0);
		CHECK_EQ(pin(level, t), 0);
		CHECK_EQ(unpin(t), 0);
		CHECK_EQ(set_rw(t), 0);
		memset(t, 0xff, 4096);		/* it is data now */
		CHECK_EQ(set_ro(t), 0);
		CHECK(pin(level, t) < 0, "round %u: garbage pinned", round);
		CHECK_EQ(set_rw(t), 0);
	}
	memset(t, 0, 4096);
	free_page(t);
}

void test_main(void)
{
	data = alloc_page();
	levels();
	run_on_it();
	bad_contents();
	second_mapping();
	reuse();
}
