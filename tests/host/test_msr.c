/* SPDX-License-Identifier: MIT */
/*
 * pv/cpuid.c: the table of MSRs.
 */
#include "host.h"
#include <hv/domain.h>
#include <hv/pv.h>

static struct domain *d;
static struct vcpu *v;
static bool amd;
static struct { int reads, writes; u32 msr; u64 val; } hw;

struct cpuid_leaf arch_cpuid(u32 leaf, u32 sub)
{
	struct cpuid_leaf l = (struct cpuid_leaf){ 0xd, 0, amd ? 0x444d4163 : 0x6c65746e, 0 };

	if (leaf == 0x80000000)
		l.a = 0x80000021;
	if (leaf == 7)
		l.d = BIT(29);
	if (leaf == 0x80000001)
		l.d = BIT(27);
	if (leaf == 0x80000008)
		l.b = amd ? BIT(12) : 0;
	return l;
}

int arch_rdmsr_safe(u32 msr, u64 *val)
{
	hw.reads++;
	hw.msr = msr;
	*val = ~0UL;
	return 0;
}

int arch_wrmsr_safe(u32 msr, u64 val)
{
	hw.writes++;
	hw.msr = msr;
	hw.val = val;
	return 0;
}

static int setup(void **state)
{
	host_init(64, 1);
	d = host_domain(1, 2);
	domain_table[1] = d;
	v = d->vcpu[0];
	host_set_current(v);
	amd = false;
	memset(&hw, 0, sizeof(hw));
	return 0;
}

static int teardown(void **state)
{
	host_domain_free(d);
	return 0;
}

static u64 rd(u32 msr)
{
	u64 val = 0x5a;

	if (guest_rdmsr(v, msr, &val))
		fail_msg("RDMSR %x refused", msr);
	return val;
}

static bool gp(u32 msr)
{
	u64 val;

	return guest_rdmsr(v, msr, &val) == -EACCES;
}

static void test_reads(void **state)
{
	assert_int_equal(rd(0x1b), 0xfee00900);
	v = d->vcpu[1];
	assert_int_equal(rd(0x1b), 0xfee00800);
	assert_int_equal(rd(0x277), 0x50100070406);
	assert_int_equal(rd(0xc0000080), 0xd01);
	assert_int_equal(rd(0x3a), 1);
	assert_int_equal(rd(0xce), 0);
	assert_int_equal(rd(0x140), 0);
	assert_int_equal(rd(0x179), 0);
	assert_int_equal(rd(0x17a), 0);
	assert_int_equal(rd(0x1a0) & (BIT(7) | BIT(11) | BIT(12)), BIT(11) | BIT(12));
	assert_int_equal(rd(0x10a) >> 32, 0);
	assert_int_equal(rd(0x10a) & BIT(1), 0);
	assert_int_equal(rd(0x8b), ~0UL);
	assert_int_equal(rd(0x10), host_clock_ns);
	/* what a PV kernel probes and must not get */
	assert_true(gp(0x34));
	assert_true(gp(0x48));
	assert_true(gp(0x200));
	assert_true(gp(0x400));
	assert_true(gp(0x6e0));
	assert_true(gp(0x80b));
	assert_true(gp(0xc0000081));
	assert_true(gp(0xc0000082));
	assert_true(gp(0xc0010015));
	amd = true;
	assert_true(gp(0x3a));
	assert_true(gp(0x1a0));
	assert_true(gp(0xc0010056));
	assert_true(gp(0xc0010114));
	assert_int_equal(rd(0xc0010000), 0);
	assert_int_equal(rd(0xc0010007), 0);
	assert_int_equal(rd(0xc0010015), BIT(24));
	assert_int_equal(rd(0xc0011029), BIT(1));
}

static void test_bases(void **state)
{
	assert_int_equal(guest_wrmsr(v, 0xc0000100, 0x1111), 0);
	assert_int_equal(guest_wrmsr(v, 0xc0000101, 0x2222), 0);
	assert_int_equal(guest_wrmsr(v, 0xc0000102, 0x3333), 0);
	assert_int_equal(v->pv.fs_base, 0x1111);
	assert_int_equal(v->pv.gs_base_kernel, 0x2222);
	assert_int_equal(v->pv.gs_base_user, 0x3333);
	assert_int_equal(rd(0xc0000101), 0x2222);
	assert_int_equal(rd(0xc0000102), 0x3333);
	assert_int_equal(guest_wrmsr(v, 0xc0000100, 1UL << 47), -EACCES);
	assert_int_equal(v->pv.fs_base, 0x1111);
	assert_int_equal(guest_wrmsr(v, 0xc0000103, 7), 0);
	assert_int_equal(rd(0xc0000103), 7);
	assert_int_equal(guest_wrmsr(v, 0xc0000103, 1UL << 32), -EACCES);
}

static void test_writes(void **state)
{
	assert_int_equal(guest_wrmsr(v, 0x277, 0x50100070406), 0);
	assert_int_equal(guest_wrmsr(v, 0x277, 0x0007040600070406), -EACCES);
	assert_int_equal(guest_wrmsr(v, 0xc0000080, 0xd01), 0);
	assert_int_equal(guest_wrmsr(v, 0xc0000080, 0x1d01), -EACCES);
	assert_int_equal(guest_wrmsr(v, 0x8b, 0), 0);
	assert_int_equal(guest_wrmsr(v, 0x79, 0x1000), -EACCES);
	assert_int_equal(guest_wrmsr(v, 0x140, 1), -EACCES);
	assert_int_equal(guest_wrmsr(v, 0x1d9, 2), -EACCES);
	assert_int_equal(guest_wrmsr(v, 0xc0000082, 0x1000), -EACCES);
	assert_int_equal(guest_wrmsr(v, 0x49, 1), -EACCES);	/* no IBPB here */
	amd = true;
	assert_int_equal(guest_wrmsr(v, 0x49, 2), -EACCES);
	assert_int_equal(hw.writes, 0);
	assert_int_equal(guest_wrmsr(v, 0x49, 1), 0);
	assert_int_equal(hw.writes, 1);
}

/* Over all numbers near the used ones: hardware is written by PRED_CMD only. */
static void test_all_numbers(void **state)
{
	static const u32 from[] = { 0, 0x40000000, 0x4b564d00, 0xc0000000, 0xc0010000, 0xc0011000 };

	for (unsigned int a = 0; a < 2; a++) {
		amd = a;
		for (unsigned int i = 0; i < ARRAY_SIZE(from); i++)
			for (u32 m = from[i]; m < from[i] + 0x1000; m++) {
				hw.writes = 0;
				guest_wrmsr(v, m, host_random() & 1 ? 1 : host_random());
				assert_true(!hw.writes || hw.msr == 0x49);
			}
	}
}

static void test_hypercall_page(void **state)
{
	struct page_info *pg;
	u8 *p;

	host_add_all_memory();
	pg = alloc_page(ALLOC_ZERO);
	assert_int_equal(assign_page(d, pg, false), 0);
	p = mfn_to_virt(page_to_mfn(pg));
	assert_int_equal(guest_wrmsr(v, 0x40000000, mfn_x(page_to_mfn(pg)) << 12), 0);
	assert_int_equal(p[0], 0xcc);
	assert_int_equal(PG_type_count(pg->word), 0);
	assert_int_equal(PG_refs(pg->word), 1);
	assert_int_equal(guest_wrmsr(v, 0x40000000, mfn_x(page_to_mfn(pg)) << 12 | 1), -EACCES);
	/* nobody's frame, and beyond the end of memory */
	assert_int_equal(guest_wrmsr(v, 0x40000000, 60UL << 12), -EACCES);
	assert_int_equal(guest_wrmsr(v, 0x40000000, 64UL << 12), -EACCES);
	assert_int_equal(guest_wrmsr(v, 0x40000000, ~0xfffUL), -EACCES);
	/* a frame in use as a table */
	mmu_lock(d);
	memset(p, 0, PAGE_SIZE);
	assert_int_equal(get_page_and_type(pg, d, PT_seg), 0);
	mmu_unlock(d);
	assert_int_equal(guest_wrmsr(v, 0x40000000, mfn_x(page_to_mfn(pg)) << 12), -EACCES);
	assert_int_equal(p[0], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_reads), T(test_bases), T(test_writes), T(test_all_numbers),
		T(test_hypercall_page),
	};

	return host_main(tests);
}
