/* SPDX-License-Identifier: MIT */
/*
 * descriptors: GDT and LDT of a guest.
 *
 * Claim:  set_gdt, update_descriptor and MMUEXT_SET_LDT install read-only pages of descriptors that
 *         can be loaded into segment registers; the hypervisor's flat selectors work with and without
 *         a GDT; descriptors a guest may not have (TSS, LDT, interrupt
 *         gates; call gates are for abuse_segments) are refused; code and data of DPL
 *         below 3 are not loaded with more privilege than ring 3; pages are released with the table.
 * Broken: a call gate or a ring-0 segment in the guest's hands, descriptor pages that stay writable
 *         while in use, or stay read-only after. (With SMAP QEMU 7.2 reads the stack of a far return in
 *         ring 3 with ring 0's rights: "flat code" fails there, under Xen too; Bochs does it right.)
 */
#include "guest.h"

#define DATA3	0x00cff3000000fffful
#define DATA0	0x00cf93000000fffful
#define CODE3	0x00affb000000fffful
#define CODE32	0x00cffb000000fffful
#define CODE0	0x00af9b000000fffful
#define TSS	0x00008b0000000067ul
#define LDT	0x0000820000000067ul
#define INTG	0x0000ee000008fffful
#define NP3	0x00cf73000000fffful	/* data, not present */

static u64 *gdt, *ldt;

static void load_es(void *sel) { asm volatile("mov %0, %%es" :: "r"(sel)); }
static void load_ds(void *sel) { asm volatile("mov %0, %%ds" :: "r"(sel)); }

static u64 lar(u16 sel)
{
	u64 v = 0;

	asm volatile("lar %1, %0" : "+r"(v) : "r"((u64)sel) : "cc");
	return v;
}

static u16 far_cs;
static void far_jump(void *sel)
{
	asm volatile("push %0; lea 1f(%%rip), %%rax; push %%rax; lretq; 1: mov %%cs, %1;"
		     "push $0xe033; lea 2f(%%rip), %%rax; push %%rax; lretq; 2:"
		     :: "r"(sel), "m"(far_cs) : "rax", "memory");
}

static void flat_selectors(const char *when)
{
	static const u16 data[] = { FLAT_RING3_DS32, FLAT_RING3_SS32, 0, 3 };

	for (unsigned int i = 0; i < ARRAY_SIZE(data); i++)
		CHECK(try_call(load_es, (void *)(u64)data[i]) == -1, "%s: %#x does not load", when, data[i]);
	far_cs = 0;
	CHECK(try_call(far_jump, (void *)FLAT_RING3_CS64) == -1 && far_cs == FLAT_RING3_CS64, "%s: flat code",
	      when);
	load_es(0);
}

static void gdt_errors(void)
{
	u64 mfn = va_to_mfn(gdt), many[16];
	long rc;

	for (unsigned int i = 0; i < 16; i++)
		many[i] = mfn;
	CHECK(hc_set_gdt(&mfn, 512) < 0, "a writable page as GDT");
	CHECK_EQ(hc_set_gdt(many, FIRST_RESERVED_GDT_ENTRY + 1), -XEN_EINVAL);
	CHECK_EQ(hc_set_gdt((u64 *)0x1000, 512), -XEN_EFAULT);
	mfn = 0xffffffff;
	CHECK(hc_set_gdt(&mfn, 512) < 0, "no frame as GDT");
	mfn = va_to_mfn(root());
	CHECK(hc_set_gdt(&mfn, 512) < 0, "a page table as GDT");
	mfn = si->shared_info >> 12;
	CHECK(hc_set_gdt(&mfn, 512) < 0, "shared_info as GDT");
	mfn = va_to_mfn(gdt);
	static const u64 bad[] = { TSS, LDT, INTG };
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		gdt[7] = bad[i];
		CHECK_EQ(set_ro(gdt), 0);
		rc = hc_set_gdt(&mfn, 512);
		CHECK(rc == -XEN_EINVAL, "GDT with descriptor %#lx: %ld", bad[i], rc);
		CHECK_EQ(set_rw(gdt), 0);
	}
	gdt[7] = 0;
}

static void gdt_use(void)
{
	u64 mfn = va_to_mfn(gdt);

	gdt[1] = DATA3;
	gdt[2] = CODE3;
	gdt[3] = DATA0;
	gdt[4] = CODE0;
	gdt[5] = NP3;
	gdt[6] = CODE32;
	CHECK_EQ(set_ro(gdt), 0);
	CHECK_EQ(hc_set_gdt(&mfn, 512), 0);
	CHECK(set_rw(gdt) < 0, "the GDT was made writable");
	CHECK_EQ(try_call(load_es, (void *)0x0bul), -1);
	CHECK_EQ(try_call(load_ds, (void *)0x0bul), -1);
	CHECK_EQ(try_call(far_jump, (void *)0x13ul), -1);
	CHECK_EQ(far_cs, 0x13);
	expect_trap(X86_NP, 5 * 8, load_es, (void *)0x2bul);
	expect_trap(X86_GP, 7 * 8, load_es, (void *)0x3bul);		/* empty: not a data segment */
	/* Data of DPL 0 loads as DPL 3, or does not load. */
	int v = try_call(load_es, (void *)0x1bul);
	CHECK(v == X86_GP || (v == -1 && (lar(0x1b) >> 13 & 3) == 3), "DPL 0 data: vector %d, rights %#lx", v,
	      lar(0x1b));
	CHECK(!lar(0x1b) || (lar(0x1b) >> 13 & 3) != 0, "rights %#lx of a DPL 0 segment", lar(0x1b));
	CHECK(!lar(0x23) || (lar(0x23) >> 13 & 3) != 0, "rights %#lx of DPL 0 code", lar(0x23));
	flat_selectors("with a GDT");
	load_es(0);
	load_ds(0);
}

static void update(void)
{
	u64 m = va_to_maddr(gdt);
	static const u64 bad[] = { TSS, LDT, INTG, 0x0000e50000000000ul };

	CHECK_EQ(hc_update_descriptor(m + 8 * 8, DATA3), 0);
	CHECK_EQ(gdt[8] & ~(1ul << 40), DATA3 & ~(1ul << 40));
	CHECK_EQ(try_call(load_es, (void *)0x43ul), -1);
	CHECK_EQ(hc_update_descriptor(m + 8 * 8, DATA0), 0);
	CHECK((gdt[8] >> 45 & 3) != 0, "DPL 0 was kept: %#lx", gdt[8]);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(hc_update_descriptor(m + 8 * 9, bad[i]), -XEN_EINVAL);
		CHECK_EQ(gdt[9], 0);
	}
	CHECK_EQ(hc_update_descriptor(m + 8 * 8, 0), 0);
	CHECK_EQ(gdt[8], 0);
	CHECK_EQ(hc_update_descriptor(m + 8 * 8 + 4, DATA3), -XEN_EINVAL);	/* not aligned */
	CHECK(hc_update_descriptor(0xffffffffful << 12, DATA3) < 0, "a descriptor in no frame");
	CHECK(hc_update_descriptor(va_to_maddr(root()) + 8, DATA3) < 0, "a descriptor in a page table");
	CHECK(hc_update_descriptor(si->shared_info, DATA3) < 0 || true, "a descriptor in shared_info");
	CHECK(root()[1] == 0, "an L4 entry was written");
	load_es(0);
}

static void release(void)
{
	u64 mfn = va_to_mfn(gdt);

	CHECK_EQ(hc_set_gdt(NULL, 0), 0);
	CHECK_EQ(set_rw(gdt), 0);
	gdt[1] = 1;
	CHECK_EQ(try_call(load_es, (void *)0x0bul), X86_GP);
	flat_selectors("after the GDT");
	memset(gdt, 0, 4096);
	/* Fewer entries than a page; frames beyond them are not looked at. */
	u64 two[2] = { mfn, 0xffffffff };
	gdt[1] = DATA3;
	CHECK_EQ(set_ro(gdt), 0);
	CHECK_EQ(hc_set_gdt(two, 16), 0);
	CHECK_EQ(try_call(load_es, (void *)0x0bul), -1);
	load_es(0);
	CHECK_EQ(hc_set_gdt(NULL, 0), 0);
	CHECK_EQ(set_rw(gdt), 0);
}

static void ldt_use(void)
{
	ldt[1] = DATA3;
	ldt[2] = CODE3;
	ldt[3] = CODE32;
	/* Two pages; the second is filled in when it is used. */
	ldt[512 + 1] = DATA3;
	expect_trap(X86_GP, 0xc, load_es, (void *)0x0ful);
	CHECK_EQ(set_ro(ldt), 0);
	CHECK_EQ(set_ro(ldt + 512), 0);
	CHECK_EQ(mmuext(MMUEXT_SET_LDT, (u64)ldt, 1024), 0);
	CHECK_EQ(try_call(load_es, (void *)0x0ful), -1);
	CHECK_EQ(try_call(load_es, (void *)(513ul * 8 + 7)), -1);
	CHECK_EQ(try_call(far_jump, (void *)0x17ul), -1);
	CHECK_EQ(far_cs, 0x17);
	CHECK(set_rw(ldt) < 0, "the LDT was made writable");
	CHECK_EQ(try_call(load_es, (void *)(1025ul * 8 + 7)), X86_GP);	/* beyond the limit */
	CHECK_EQ(hc_update_descriptor(va_to_maddr(&ldt[4]), DATA3), 0);
	CHECK_EQ(try_call(load_es, (void *)0x27ul), -1);
	CHECK_EQ(hc_update_descriptor(va_to_maddr(&ldt[4]), INTG), -XEN_EINVAL);
	load_es(0);
	CHECK_EQ(mmuext(MMUEXT_SET_LDT, 0, 0), 0);
	CHECK_EQ(try_call(load_es, (void *)0x0ful), X86_GP);
	CHECK_EQ(set_rw(ldt), 0);
	CHECK_EQ(set_rw(ldt + 512), 0);
	CHECK_EQ(mmuext(MMUEXT_SET_LDT, (u64)ldt + 8, 16), -XEN_EINVAL);	/* not page aligned */
	CHECK_EQ(mmuext(MMUEXT_SET_LDT, (u64)ldt, 8193), -XEN_EINVAL);
	CHECK(mmuext(MMUEXT_SET_LDT, HYPERVISOR_VIRT_START, 512) < 0, "an LDT in hypervisor space");
	/* A writable page: refused now, or its selectors do not load. */
	long rc = mmuext(MMUEXT_SET_LDT, (u64)ldt, 512);
	if (!rc)
		CHECK(try_call(load_es, (void *)0x0ful) != -1, "a writable LDT was loaded");
	load_es(0);
	CHECK_EQ(mmuext(MMUEXT_SET_LDT, 0, 0), 0);
	/* A page that is not there. */
	rc = mmuext(MMUEXT_SET_LDT, 0x200000000000ul, 512);
	if (!rc) {
		int v = try_call(load_es, (void *)0x0ful);
		CHECK(v == X86_PF || v == X86_GP, "an LDT without pages: vector %d", v);
	}
	CHECK_EQ(mmuext(MMUEXT_SET_LDT, 0, 0), 0);
}

static void bases(void)
{
	static u64 word[2] = { 0x1111, 0x2222 };
	u64 v;

	CHECK_EQ(hc_set_segment_base(SEGBASE_FS, (u64)&word[0]), 0);
	asm volatile("mov %%fs:0, %0" : "=r"(v));
	CHECK_EQ(v, 0x1111);
	CHECK_EQ(hc_set_segment_base(SEGBASE_GS_KERNEL, (u64)&word[1]), 0);
	asm volatile("mov %%gs:0, %0" : "=r"(v));
	CHECK_EQ(v, 0x2222);
	CHECK_EQ(hc_set_segment_base(SEGBASE_GS_USER, (u64)&word[0]), 0);
	asm volatile("mov %%gs:0, %0" : "=r"(v));
	CHECK_EQ(v, 0x2222);			/* in force in user mode only */
	extern u8 user_gs[];
	asm("jmp 1f; user_gs: mov %%gs:0, %%rax; int $0x80; 1:" ::);
	CHECK_EQ(user_run((u64)user_gs, 0), 0x1111);
	asm volatile("mov %%gs:0, %0" : "=r"(v));
	CHECK_EQ(v, 0x2222);
	CHECK(hc_set_segment_base(SEGBASE_FS, 0x800000000000ul) < 0, "non-canonical FS base");
	CHECK(hc_set_segment_base(SEGBASE_GS_KERNEL, 0x8000000000000000ul) < 0, "non-canonical GS base");
	CHECK(hc_set_segment_base(SEGBASE_GS_USER, 0xffff7ffffffffffful) < 0, "non-canonical user GS base");
	CHECK(hc_set_segment_base(9, 0) < 0, "segment base 9");
	asm volatile("mov %%fs:0, %0" : "=r"(v));
	CHECK_EQ(v, 0x1111);
	CHECK_EQ(hc_set_segment_base(SEGBASE_GS_USER_SEL, 0), 0);
	CHECK_EQ(hc_set_segment_base(SEGBASE_GS_USER_SEL, 0x7ff8), 0);	/* cannot be loaded: becomes 0 */
	asm volatile("mov %%gs:0, %0" : "=r"(v));
	CHECK_EQ(v, 0x2222);
}

void test_main(void)
{
	gdt = alloc_page();
	ldt = alloc_pages(2);
	flat_selectors("at start");
	gdt_errors();
	gdt_use();
	update();
	release();
	ldt_use();
	bases();
}
