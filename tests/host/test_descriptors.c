/* SPDX-License-Identifier: MIT */
/*
 * pv/descriptors.c: what descriptors, selectors and breakpoints a guest may have; the references
 * that its tables hold.
 */
#include "host.h"
#include <hv/domain.h>
#include <hv/pv.h>

#define CODE64	0x00af9b000000ffffUL	/* DPL 0 */
#define DATA32	0x00cf93000000ffffUL

static struct domain *d;
static struct vcpu *v;
static int gdt_loads, ldt_loads;

void arch_load_gdt(struct vcpu *t)
{
	gdt_loads++;
}

void arch_load_ldt(struct vcpu *t)
{
	ldt_loads++;
}

static int setup(void **state)
{
	host_init(256, 1);
	host_add_all_memory();
	d = host_domain(1, 2);
	domain_table[1] = d;
	v = d->vcpu[0];
	host_set_current(v);
	gdt_loads = ldt_loads = 0;
	return 0;
}

static int teardown(void **state)
{
	host_domain_free(d);
	return 0;
}

static struct page_info *new_page(void)
{
	struct page_info *pg = alloc_page(ALLOC_ZERO);

	assert_int_equal(assign_page(d, pg, false), 0);
	return pg;
}

static u64 *words(struct page_info *pg)
{
	return mfn_to_virt(page_to_mfn(pg));
}

static u64 mfn_of(struct page_info *pg)
{
	return mfn_x(page_to_mfn(pg));
}

static void test_selectors(void **state)
{
	static const struct { u64 sel; bool ok; u64 fixed; } code[] = {
		{ 0xe033, true, 0xe033 }, { 0xe030, true, 0xe033 }, { 0xe023, true, 0xe023 },
		{ 0x10, true, 0x13 }, { 0x33, true, 0x33 }, { 0xdff8, true, 0xdffb },
		{ 0x0c, true, 0x0f }, { 0xfffc, true, 0xffff }, { 0xffff0010, true, 0x13 },
		{ 0, false, 0 }, { 3, false, 3 }, { 0xe008, false, 0xe008 },
		{ 0xe02b, false, 0xe02b }, { 0xe043, false, 0xe043 }, { 0xfff8, false, 0xfff8 },
	}, stack[] = {
		{ 0xe02b, true, 0xe02b }, { 0xe028, true, 0xe02b }, { 0, true, 0xe02b },
		{ 0x18, true, 0x1b }, { 0xe010, false, 0xe010 }, { 0xe053, false, 0xe053 },
	};
	unsigned int i;
	u64 s;

	for (i = 0; i < ARRAY_SIZE(code); i++) {
		s = code[i].sel;
		assert_int_equal(fix_code_selector(&s), code[i].ok);
		assert_int_equal(s, code[i].fixed);
	}
	for (i = 0; i < ARRAY_SIZE(stack); i++) {
		s = stack[i].sel;
		assert_int_equal(fix_stack_selector(&s), stack[i].ok);
		assert_int_equal(s, stack[i].fixed);
	}
}

static void test_check_descriptor(void **state)
{
	unsigned int type;
	u64 x = CODE64;

	assert_int_equal(check_descriptor(&x), 0);
	assert_int_equal(x, CODE64 | 3UL << 45);
	x = DATA32 & ~BIT(40);
	assert_int_equal(check_descriptor(&x), 0);
	assert_int_equal(x, DATA32 | 3UL << 45);
	x = 0;
	assert_int_equal(check_descriptor(&x), 0);
	assert_int_equal(x, 0);
	/* every system type: LDT, TSS, gates; absent ones are harmless */
	for (type = 0; type < 16; type++) {
		x = 0x0000800000000000UL | (u64)type << 40;
		assert_int_equal(check_descriptor(&x), -EINVAL);
		x = (u64)type << 40 | 3UL << 45;
		assert_int_equal(check_descriptor(&x), 0);
	}
	for (unsigned int i = 0; i < 100000; i++) {	/* whatever passes is ring 3 or absent */
		x = host_random() << 32 ^ host_random();
		if (!check_descriptor(&x) && (x & BIT(47)))
			assert_int_equal((x >> 44) & 7, 7);
	}
}

static void test_gdt(void **state)
{
	struct page_info *a = new_page(), *b = new_page();
	u64 arg, frames[2] = { mfn_of(a), mfn_of(b) };

	words(a)[1] = CODE64;
	arg = host_arg(frames, sizeof(frames));
	assert_int_equal(do_set_gdt(arg, 600, 0, 0, 0, 0), 0);
	assert_int_equal(words(a)[1], CODE64 | 3UL << 45);
	assert_int_equal(v->pv.gdt_ents, 600);
	assert_int_equal(PG_type(a->word), PT_seg);
	assert_int_equal(PG_type_count(a->word), 1);
	assert_int_equal(PG_refs(b->word), 2);
	assert_false(get_page_writable(a, d));
	assert_int_equal(gdt_loads, 1);
	/* a bad one changes nothing */
	struct page_info *c = new_page();
	words(c)[0x123] = 0x0000890000000067;		/* a TSS */
	frames[0] = mfn_of(b);
	frames[1] = mfn_of(c);
	arg = host_arg(frames, sizeof(frames));
	assert_int_equal(do_set_gdt(arg, 513, 0, 0, 0, 0), -EINVAL);
	assert_int_equal(v->pv.gdt_ents, 600);
	assert_int_equal(PG_type_count(b->word), 1);
	assert_int_equal(PG_type_count(c->word), 0);
	assert_int_equal(PG_refs(c->word), 1);
	frames[1] = 200;				/* nobody's */
	arg = host_arg(frames, sizeof(frames));
	assert_int_equal(do_set_gdt(arg, 513, 0, 0, 0, 0), -EINVAL);
	frames[1] = 1UL << 40;
	arg = host_arg(frames, sizeof(frames));
	assert_int_equal(do_set_gdt(arg, 513, 0, 0, 0, 0), -EINVAL);
	frames[1] = ~0UL;
	arg = host_arg(frames, sizeof(frames));
	assert_int_equal(do_set_gdt(arg, 513, 0, 0, 0, 0), -EINVAL);
	assert_int_equal(do_set_gdt(arg, 7169, 0, 0, 0, 0), -EINVAL);
	assert_int_equal(do_set_gdt(0xdead0000, 512, 0, 0, 0, 0), -EFAULT);
	assert_int_equal(v->pv.gdt_ents, 600);
	/* the same frame for both vcpus, then away */
	assert_int_equal(set_gdt_frames(d->vcpu[1], (u64[]){ mfn_of(a) }, 16), 0);
	assert_int_equal(PG_type_count(a->word), 2);
	set_gdt_frames(v, NULL, 0);
	set_gdt_frames(d->vcpu[1], NULL, 0);
	assert_int_equal(v->pv.gdt_ents, 0);
	assert_int_equal(PG_type_count(a->word), 0);
	assert_int_equal(PG_refs(a->word), 1);
	assert_int_equal(PG_refs(b->word), 1);
	assert_true(get_page_writable(a, d));
}

static void test_update_descriptor(void **state)
{
	struct page_info *a = new_page(), *plain = new_page();
	u64 at = (mfn_of(a) << 12) + 16;

	assert_int_equal(set_gdt_frames(v, (u64[]){ mfn_of(a) }, 512), 0);
	assert_int_equal(do_update_descriptor(at, DATA32, 0, 0, 0, 0), 0);
	assert_int_equal(words(a)[2], DATA32 | 3UL << 45);
	assert_int_equal(do_update_descriptor(at, 0x00008c0000080000, 0, 0, 0, 0), -EINVAL);
	assert_int_equal(words(a)[2], DATA32 | 3UL << 45);
	assert_int_equal(do_update_descriptor(at + 4, 0, 0, 0, 0, 0), -EINVAL);
	assert_int_equal(do_update_descriptor(200UL << 12, 0, 0, 0, 0, 0), -EINVAL);
	assert_int_equal(do_update_descriptor(1UL << 52, 0, 0, 0, 0, 0), -EINVAL);
	assert_int_equal(PG_type_count(a->word), 1);
	assert_int_equal(PG_refs(a->word), 2);
	/* in a page that is no table yet */
	assert_int_equal(do_update_descriptor((mfn_of(plain) << 12) + 8, CODE64, 0, 0, 0, 0), 0);
	assert_int_equal(words(plain)[1], CODE64 | 3UL << 45);
	/* not into a page table */
	mmu_lock(d);
	memset(words(plain), 0, PAGE_SIZE);
	assert_int_equal(get_page_and_type(plain, d, PT_l1), 0);
	mmu_unlock(d);
	assert_int_equal(do_update_descriptor((mfn_of(plain) << 12) + 8, CODE64, 0, 0, 0, 0), -EINVAL);
	assert_int_equal(words(plain)[1], 0);
}

/* A root that maps va to pg read-only. */
static void map_ro(u64 va, struct page_info **pgs, unsigned int n)
{
	struct page_info *t[4];
	unsigned int i;

	for (i = 0; i < 4; i++)
		t[i] = new_page();
	words(t[0])[L4_INDEX(va)] = make_pte(page_to_mfn(t[1]), PTE_P | PTE_RW | PTE_US);
	words(t[1])[L3_INDEX(va)] = make_pte(page_to_mfn(t[2]), PTE_P | PTE_RW | PTE_US);
	words(t[2])[L2_INDEX(va)] = make_pte(page_to_mfn(t[3]), PTE_P | PTE_RW | PTE_US);
	for (i = 0; i < n; i++)
		if (pgs[i])
			words(t[3])[L1_INDEX(va) + i] = make_pte(page_to_mfn(pgs[i]), PTE_P | PTE_US);
	assert_int_equal(set_kernel_root(v, page_to_mfn(t[0])), 0);
}

static void test_ldt(void **state)
{
	struct page_info *p[3] = { new_page(), NULL, new_page() };
	u64 va = 0xffff888000000000;

	words(p[0])[0] = DATA32;
	map_ro(va, p, 3);
	assert_int_equal(set_ldt(v, va, 1536), 0);
	assert_int_equal(v->pv.ldt_ents, 1536);
	assert_int_equal(ldt_loads, 1);
	assert_int_equal(words(p[0])[0], DATA32 | 3UL << 45);
	assert_int_equal(PG_type(p[2]->word), PT_seg);
	assert_true(mfn_eq(v->pv.ldt_frames[1], INVALID_MFN));
	/* refused, and nothing changed */
	assert_int_equal(set_ldt(v, va, 8193), -EINVAL);
	assert_int_equal(set_ldt(v, va + 8, 1), -EINVAL);
	assert_int_equal(set_ldt(v, HV_VIRT_START, 1), -EINVAL);
	assert_int_equal(set_ldt(v, 1UL << 47, 1), -EINVAL);
	assert_int_equal(v->pv.ldt_ents, 1536);
	assert_int_equal(PG_type_count(p[0]->word), 1);
	/* again, then away */
	assert_int_equal(set_ldt(v, va, 1), 0);
	assert_int_equal(PG_type_count(p[0]->word), 1);
	assert_int_equal(PG_type_count(p[2]->word), 0);
	set_ldt(v, 0, 0);
	assert_int_equal(PG_type_count(p[0]->word), 0);
	assert_int_equal(v->pv.ldt_ents, 0);
	/* a page with a gate in it (which a guest can only write when it is no table) */
	assert_true(get_page_writable(p[2], d));
	put_page_writable(p[2]);
	words(p[2])[511] = 0x0000ec0000000000;
	assert_int_equal(set_ldt(v, va + 2 * PAGE_SIZE, 512), -EINVAL);
	assert_int_equal(v->pv.ldt_ents, 0);
}

static void test_debug_registers(void **state)
{
	assert_int_equal(do_set_debugreg(0, 0x401000, 0, 0, 0, 0), 0);
	assert_int_equal(do_set_debugreg(3, 0xffffffff81000000, 0, 0, 0, 0), 0);
	assert_int_equal(do_get_debugreg(3, 0, 0, 0, 0, 0), (long)0xffffffff81000000);
	assert_int_equal(do_set_debugreg(1, HV_VIRT_START, 0, 0, 0, 0), -EPERM);
	assert_int_equal(do_set_debugreg(1, HV_VIRT_END - 1, 0, 0, 0, 0), -EPERM);
	assert_int_equal(do_set_debugreg(1, HV_VIRT_END, 0, 0, 0, 0), 0);
	assert_int_equal(do_set_debugreg(1, 1UL << 47, 0, 0, 0, 0), -EPERM);
	assert_int_equal(do_set_debugreg(4, 0, 0, 0, 0, 0), -EINVAL);
	assert_int_equal(do_set_debugreg(8, 0, 0, 0, 0, 0), -EINVAL);
	assert_int_equal(do_get_debugreg(4, 0, 0, 0, 0, 0), -EINVAL);
	assert_int_equal(do_get_debugreg(~0UL, 0, 0, 0, 0, 0), -EINVAL);
	/* DR6: what a kernel writes to clear it, and what it reads */
	assert_int_equal(do_set_debugreg(6, 0xffff0ff0, 0, 0, 0, 0), 0);
	assert_int_equal(do_get_debugreg(6, 0, 0, 0, 0, 0), 0xffff0ff0);
	assert_int_equal(do_set_debugreg(6, 0, 0, 0, 0, 0), 0);
	v->pv.dr[6] = BIT(14) | 1;
	assert_int_equal(do_get_debugreg(6, 0, 0, 0, 0, 0), 0xffff4ff1);
	assert_int_equal(do_set_debugreg(6, 1UL << 32, 0, 0, 0, 0), -EINVAL);
	/* DR7 */
	assert_int_equal(do_set_debugreg(7, 0x400, 0, 0, 0, 0), 0);
	assert_int_equal(do_get_debugreg(7, 0, 0, 0, 0, 0), 0x400);
	assert_int_equal(do_set_debugreg(7, 0x000d0002, 0, 0, 0, 0), 0);	/* 4-byte write */
	assert_int_equal(do_get_debugreg(7, 0, 0, 0, 0, 0), 0x000d0402);
	assert_int_equal(do_set_debugreg(7, 0x00020001, 0, 0, 0, 0), -EPERM);	/* I/O */
	assert_int_equal(do_set_debugreg(7, 0x000c0001, 0, 0, 0, 0), -EPERM);	/* long execute */
	assert_int_equal(do_set_debugreg(7, 0x20000001, 0, 0, 0, 0), -EPERM);
	assert_int_equal(do_get_debugreg(7, 0, 0, 0, 0, 0), 0x000d0402);
	assert_int_equal(do_set_debugreg(7, 0x2001, 0, 0, 0, 0), 0);		/* GD is dropped */
	assert_int_equal(v->pv.dr[7] & 0x2000, 0);
	assert_int_equal(do_set_debugreg(7, 1UL << 32, 0, 0, 0, 0), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_selectors), T(test_check_descriptor), T(test_gdt),
		T(test_update_descriptor), T(test_ldt), T(test_debug_registers),
	};

	return host_main(tests);
}
