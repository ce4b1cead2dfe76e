/* SPDX-License-Identifier: MIT */
/*
 * abuse_segments: selectors and descriptors that could lead out of ring 3.
 *
 * Claim:  loading any selector into any segment register, and far jumps and calls to any selector, end
 *         in the load, or in a fault of the guest; call gates that are accepted lead nowhere but ring 3;
 *         no descriptor of the hypervisor above ring 3 can be used; random descriptors are refused or
 *         harmless; an LDT whose page changes its use does not stay usable.
 * Broken: ring 0 code by a call gate; a system descriptor of the guest's making; a fault in ring 0.
 * Run:    timeout=120
 */
#include "guest.h"

static u64 *gdt, *ldt;
static u16 cs_now;

static void load(void *arg)
{
	u64 sel = (u64)arg & 0xffff;

	switch ((u64)arg >> 16) {
	case 0: asm volatile("mov %0, %%es" :: "r"(sel)); break;
	case 1: asm volatile("mov %0, %%ds" :: "r"(sel)); break;
	case 2: asm volatile("mov %0, %%fs" :: "r"(sel)); break;
	case 3: asm volatile("mov %0, %%gs" :: "r"(sel)); break;
	case 4: asm volatile("mov %0, %%ss; nop; mov %1, %%ss" :: "r"(sel), "r"(KERNEL_SS)); break;
	}
}

static void far_return(void *sel)
{
	asm volatile("push %0; lea 1f(%%rip), %%rax; push %%rax; lretq; 1: mov %%cs, %1;"
		     "push $0xe033; lea 2f(%%rip), %%rax; push %%rax; lretq; 2:"
		     :: "r"(sel), "m"(cs_now) : "rax", "memory");
}

static void far_call(void *sel)
{
	struct { u64 off; u16 sel; } __attribute__((packed)) p = { 0, (u16)(u64)sel };
	void *target;

	asm volatile("lea 1f(%%rip), %0" : "=r"(target));
	p.off = (u64)target;
	asm volatile("rex.w lcall *(%0); jmp 2f; 1: mov %%cs, %1; lretq; 2:" :: "r"(&p), "m"(cs_now) : "memory", "rax");
}

static u64 lar(u16 sel)
{
	u64 v = 0;

	asm volatile("lar %1, %0" : "+r"(v) : "r"((u64)sel) : "cc");
	return v;
}

static bool harmless(int v)
{
	return v == -1 || v == X86_GP || v == X86_NP || v == X86_SS || v == X86_UD || v == X86_PF || v == VEC_FAILSAFE ||
		v == X86_TS;
}

static void sweep(const char *when, u32 from, u32 to, u32 step)
{
	for (u32 sel = from; sel < to; sel += step) {
		for (u64 reg = 0; reg < 5; reg++) {
			int v = try_call(load, (void *)(reg << 16 | sel));

			CHECK(harmless(v), "%s: selector %#x into %lu: vector %d", when, sel, reg, v);
			if (v == X86_PF)
				CHECK_NOT_XEN(false, "%s: selector %#x into %lu: #PF at %#lx", when, sel, reg,
					      this_vcpu()->trap_cr2);
		}
		cs_now = 3;
		int v = try_call(far_return, (void *)(u64)sel);
		CHECK(harmless(v), "%s: lret to %#x: vector %d", when, sel, v);
		CHECK((cs_now & 3) == 3, "%s: lret to %#x: cs %#x", when, sel, cs_now);
		v = try_call(far_call, (void *)(u64)sel);
		CHECK(harmless(v), "%s: lcall to %#x: vector %d", when, sel, v);
		CHECK((cs_now & 3) == 3, "%s: lcall to %#x: cs %#x", when, sel, cs_now);
	}
	for (u64 reg = 0; reg < 4; reg++)
		try_call(load, (void *)(reg << 16));
}

static void gates(void)
{
	/* Call gates of 64 bits: two words each; to our code by the hypervisor's and our selectors. */
	static const u16 targets[] = { 0xe008, 0xe033, 0xe030, 0x10, 0x13, 0xe010, 0 };
	u64 to = (u64)load;

	for (unsigned int i = 0; i < ARRAY_SIZE(targets); i++) {
		for (unsigned int type = 0; type < 32; type++) {
			u64 lo = (to & 0xffff) | (u64)targets[i] << 16 | (u64)(type & 15) << 40 | 3ul << 45 | 1ul << 47 |
				(to >> 16 & 0xffff) << 48 | (type & 16 ? 1ul << 44 : 0);
			u64 hi = to >> 32;
			long rc = hc_update_descriptor(va_to_maddr(&ldt[2]), lo);
			long rc2 = hc_update_descriptor(va_to_maddr(&ldt[3]), hi);

			if (rc == 0 && !(type & 16)) {
				cs_now = 3;
				int v = try_call(far_call, (void *)0x17ul);
				CHECK(harmless(v), "gate type %u to %#x: vector %d", type, targets[i], v);
				CHECK((cs_now & 3) == 3, "gate type %u to %#x: cs %#x", type, targets[i], cs_now);
				CHECK((type & 15) == 12 || (type & 15) == 0, "system descriptor of type %u accepted: %#lx", type, lo);
				CHECK((ldt[2] >> 40 & 0x8f) != 0x8c || !(ldt[2] >> 45 & 3), "a call gate that works: %#lx",
				      ldt[2]);
			}
			(void)rc2;
			hc_update_descriptor(va_to_maddr(&ldt[2]), 0);
			hc_update_descriptor(va_to_maddr(&ldt[3]), 0);
		}
	}
}

static void random_descriptors(void)
{
	u64 seed = test_arg("seed", 1), accepted = 0;

	for (unsigned int i = 0; i < 20000; i++) {
		u64 d = prng(&seed), sel = (i % 500) * 8 + 3;
		u64 *table = i & 1 ? gdt : ldt;

		if (i & 2)
			d |= 1ul << 47 | 1ul << 44;	/* present, code or data */
		if (hc_update_descriptor(va_to_maddr(&table[sel / 8]), d))
			continue;
		accepted++;
		d = table[sel / 8];
		/* Type 0 is nothing (second half of a gate); a gate of DPL 0 cannot be used. */
		if ((d >> 47 & 1) && (d >> 44 & 1))
			CHECK((d >> 45 & 3) != 0, "descriptor %#lx: present with DPL 0", d);
		else if (d >> 47 & 1)
			CHECK((d >> 40 & 15) == 0 || ((d >> 40 & 15) == 12 && !(d >> 45 & 3)), "descriptor %#lx: system", d);
		if (!(i & 1))
			sel |= 4;
		int v = try_call(load, (void *)((u64)(i % 5) << 16 | sel));
		CHECK(harmless(v), "descriptor %#lx: vector %d", d, v);
		if (i % 7 == 0) {
			v = try_call(far_return, (void *)sel);
			CHECK(harmless(v), "lret to descriptor %#lx: vector %d", d, v);
			CHECK((cs_now & 3) == 3, "lret to descriptor %#lx: cs %#x", d, cs_now);
		}
		try_call(load, (void *)(u64)((i % 4) << 16));
	}
	printk("  %lu of 20000 random descriptors accepted\n", accepted);
}

/* The LDT's page is unmapped, given a new use, and the selector used again. */
static void ldt_moves(void)
{
	u64 *page = alloc_page(), pte;

	page[1] = 0x00cff3000000fffful;
	REQUIRE(!set_ro(page), "set_ro");
	pte = pte_of(page);
	CHECK_EQ(mmuext(MMUEXT_SET_LDT, (u64)page, 512), 0);
	CHECK_EQ(try_call(load, (void *)0xful), -1);
	CHECK(set_rw(page) < 0, "an LDT in use was made writable");
	CHECK(pin(1, page) < 0, "an LDT in use was pinned");
	CHECK_EQ(hc_update_va_mapping((u64)page, 0, UVMF_INVLPG), 0);
	try_call(load, (void *)0xful);
	CHECK_EQ(mmuext(MMUEXT_SET_LDT, (u64)page, 512), 0);
	int v = try_call(load, (void *)0xful);
	/* The same base and size again may keep what is loaded; then the page must still be held. */
	CHECK(v == X86_PF || v == X86_GP || v == -1, "an LDT that is not mapped: vector %d", v);
	if (v == -1)
		CHECK(hc_update_va_mapping((u64)page, pte | PTE_RW, UVMF_INVLPG) < 0, "an LDT in use was made writable");
	CHECK_EQ(mmuext(MMUEXT_SET_LDT, 0, 0), 0);
	CHECK_EQ(hc_update_va_mapping((u64)page, pte, UVMF_INVLPG), 0);
	CHECK_EQ(set_rw(page), 0);
	free_page(page);
	load(0);
}

void test_main(void)
{
	u64 mfn;

	gdt = alloc_page();
	ldt = alloc_page();
	sweep("no tables", 0xe000, 0xe200, 1);
	sweep("no tables", 0, 0x10000, 509);
	mfn = va_to_mfn(gdt);
	REQUIRE(!set_ro(gdt) && !set_ro(ldt), "set_ro");
	REQUIRE(!hc_set_gdt(&mfn, 512), "set_gdt");
	REQUIRE(!mmuext(MMUEXT_SET_LDT, (u64)ldt, 512), "SET_LDT");
	gates();
	random_descriptors();
	sweep("random tables", 0, 0x1000, 7);
	sweep("random tables", 0xe000, 0xe100, 1);
	/* Rights of the hypervisor's descriptors: nothing below ring 3 is visible. */
	for (u32 sel = 0xe000; sel < 0xf000; sel += 8)
		CHECK(!lar(sel | 3) || (lar(sel | 3) >> 13 & 3) == 3, "selector %#x has rights %#lx", sel, lar(sel | 3));
	CHECK_EQ(mmuext(MMUEXT_SET_LDT, 0, 0), 0);
	CHECK_EQ(hc_set_gdt(NULL, 0), 0);
	ldt_moves();
	CHECK_EQ(set_rw(gdt), 0);
	CHECK_EQ(set_rw(ldt), 0);
}
