/* SPDX-License-Identifier: MIT */
/*
 * pv/cpuid.c: the policy over invented processors.
 */
#include "host.h"
#include <hv/domain.h>
#include <hv/pv.h>
#include <pv-abi/cpuid.h>
#include <pv-abi/parapet.h>

static struct vcpu *v;
static bool amd, stable;
static u32 leaf1_c, xstate;
static struct cpuid_leaf any;		/* what leaves without special treatment here answer */

struct cpuid_leaf arch_cpuid(u32 leaf, u32 sub)
{
	struct cpuid_leaf l = any;

	switch (leaf) {
	case 0:
		l.a = 0x20;
		l.c = amd ? 0x444d4163 : 0x6c65746e;
		break;
	case 1:
		l.b = 0x12345678;
		l.c = leaf1_c;
		break;
	case 0xd:
		if (sub == 0)
			l = (struct cpuid_leaf){ xstate, 832, 0x2980, 0 };
		else if (sub == 2)
			l = (struct cpuid_leaf){ 256, 576, 3, 9 };
		else if (sub >= 5 && sub <= 7)
			l = (struct cpuid_leaf){ 512, 576 + 256 + (sub - 5) * 512, 0, 0 };
		break;
	case 0x80000000:
		l.a = 0x80000028;
		break;
	}
	return l;
}

bool arch_tsc_stable(void)
{
	return stable;
}

static int setup(void **state)
{
	host_init(300, 1);
	v = host_domain(1, 3)->vcpu[2];
	host_set_current(v);
	amd = false;
	stable = true;
	leaf1_c = ~0U;
	xstate = 0x602e7 | 0x18;
	any = (struct cpuid_leaf){ ~0U, ~0U, ~0U, ~0U };
	return 0;
}

static int teardown(void **state)
{
	host_domain_free(v->domain);
	return 0;
}

static struct cpuid_leaf get(u32 leaf, u32 sub)
{
	struct cpuid_leaf l;

	guest_cpuid(v, leaf, sub, &l);
	return l;
}

static bool is_zero(struct cpuid_leaf l)
{
	return !(l.a | l.b | l.c | l.d);
}

static void test_features(void **state)
{
	struct cpuid_leaf l;

	assert_int_equal(get(0, 0).a, 0xd);
	l = get(1, 0);
	/* shown: FPU TSC PAE CX8 APIC SEP CMOV PAT FXSR SSE2; XSAVE OSXSAVE AVX, a hypervisor */
	assert_int_equal(l.d & 0x07018b71, 0x07018b71 & l.d);
	assert_true(l.d & BIT(9));
	assert_true(l.c & BIT(27));
	assert_true(l.c & BIT(31));
	/* hidden: VME PSE MCE MTRR PGE MCA PSE36 DS ACPI HTT TM PBE */
	assert_int_equal(l.d & (BIT(1) | BIT(3) | BIT(7) | BIT(12) | BIT(13) | BIT(14) | BIT(17) |
				BIT(21) | BIT(22) | BIT(28) | BIT(29) | BIT(31)), 0);
	/* hidden: MONITOR VMX SMX PCID X2APIC DEADLINE */
	assert_int_equal(l.c & (BIT(3) | BIT(5) | BIT(6) | BIT(17) | BIT(21) | BIT(24)), 0);
	assert_int_equal(l.b, 0x04015678);		/* APIC id 2 * 2, one logical CPU */
	l = get(7, 0);
	assert_int_equal(l.a, 1);
	assert_int_equal(l.b & (BIT(2) | BIT(7) | BIT(10) | BIT(14) | BIT(20) | BIT(25)), 0);
	assert_int_equal(l.c & (BIT(2) | BIT(3) | BIT(4) | BIT(7) | BIT(16)), 0);
	assert_int_equal(l.d & (BIT(20) | BIT(22) | BIT(24) | BIT(25) | BIT(26) | BIT(27) | BIT(31)), 0);
	assert_true(l.b & BIT(0) && l.b & BIT(5) && l.b & BIT(16));
	assert_true(is_zero(get(7, 2)));
	l = get(0x80000001, 0);
	assert_int_equal(l.c & (BIT(2) | BIT(10) | BIT(12) | BIT(22) | BIT(29)), 0);
	assert_int_equal(l.d, BIT(11) | BIT(20) | BIT(27) | BIT(29));	/* no 1 GiB pages */
	assert_int_equal(get(0x80000000, 0).a, 0x80000008);
	amd = true;
	assert_int_equal(get(0x80000000, 0).a, 0x80000021);
	assert_int_equal(get(0x80000001, 0).d & (BIT(3) | BIT(13) | BIT(17) | BIT(26)), 0);
	assert_true(get(0x80000001, 0).d & BIT(0));
}

/* A feature that is not in hardware does not appear, whatever the leaf. */
static void test_subset(void **state)
{
	static const u32 leaves[] = { 2, 3, 5, 6, 7, 8, 9, 0xa, 0xc, 0x80000001, 0x80000007,
				      0x80000008, 0x8000000a, 0x8000001e, 0x8000001f, 0x80000021 };

	for (unsigned int i = 0; i < ARRAY_SIZE(leaves); i++) {
		any = (struct cpuid_leaf){ 0 };
		assert_true(is_zero(get(leaves[i], 0)));
		any = (struct cpuid_leaf){ ~0U, ~0U, ~0U, ~0U };
	}
	/* not listed: nothing, whatever hardware says */
	assert_true(is_zero(get(5, 0)));		/* MWAIT */
	assert_true(is_zero(get(6, 0)));
	assert_true(is_zero(get(0xa, 0)));
	assert_true(is_zero(get(0x14, 0)));
	assert_true(is_zero(get(0x8000000a, 0)));
	assert_true(is_zero(get(0x8000001f, 0)));
	assert_true(is_zero(get(0x80000022, 0)));
	assert_true(is_zero(get(0xc0000000, 0)));
}

static void test_xstate(void **state)
{
	struct cpuid_leaf l = get(0xd, 0);

	assert_int_equal(l.a, 0xe7);
	assert_int_equal(l.d, 0);
	assert_int_equal(l.b, 832);
	assert_int_equal(l.c, 576 + 256 + 3 * 512);
	l = get(0xd, 1);
	assert_int_equal(l.a, 7);			/* no XSAVES */
	assert_int_equal(l.c | l.d, 0);
	l = get(0xd, 2);
	assert_int_equal(l.a, 256);
	assert_int_equal(l.c, 2);
	assert_int_equal(l.d, 0);
	assert_true(is_zero(get(0xd, 3)));		/* MPX */
	assert_true(is_zero(get(0xd, 9)));		/* PKRU */
	assert_true(is_zero(get(0xd, 17)));		/* AMX */
	assert_true(is_zero(get(0xd, 63)));
	assert_true(is_zero(get(0xd, 64 + 2)));
	assert_true(is_zero(get(0xd, ~0U)));
	/* half an AVX-512 is none */
	xstate = 0x67;
	assert_int_equal(get(0xd, 0).a, 7);
	assert_int_equal(get(0xd, 0).c, 832);
	assert_int_equal(get(7, 0).b & BIT(16), 0);
	assert_true(get(7, 0).b & BIT(5));
	/* no AVX */
	xstate = 3;
	assert_int_equal(get(1, 0).c & (BIT(28) | BIT(12) | BIT(29)), 0);
	assert_int_equal(get(7, 0).b & BIT(5), 0);
	assert_true(get(1, 0).c & BIT(26));
	/* the hypervisor does not use XSAVE */
	leaf1_c &= ~BIT(27);
	assert_int_equal(get(1, 0).c & (BIT(26) | BIT(27) | BIT(28)), 0);
	assert_true(is_zero(get(0xd, 0)));
	assert_true(is_zero(get(0xd, 2)));
}

static void test_topology(void **state)
{
	struct cpuid_leaf l = get(0xb, 0);

	assert_int_equal(l.a, 0);
	assert_int_equal(l.b, 1);
	assert_int_equal(l.c, 0x100);
	assert_int_equal(l.d, 4);
	l = get(0xb, 1);
	assert_int_equal(l.c, 0x201);
	assert_int_equal(l.d, 4);
	l = get(0xb, 2);
	assert_int_equal(l.b, 0);
	assert_int_equal(l.c, 2);
	assert_int_equal(get(4, 0).a & ~0x3ffU, 0);	/* nothing is shared */
}

static void test_hypervisor(void **state)
{
	struct cpuid_leaf l = get(0x40000000, 0);
	char sig[13] = { 0 };

	assert_int_equal(l.a, 0x40000005);
	memcpy(sig, &l.b, 12);
	assert_string_equal(sig, "XenVMMXenVMM");
	assert_int_equal(get(0x40000001, 0).a, 0x40011);
	l = get(0x40000002, 0);
	assert_int_equal(l.a, 1);
	assert_int_equal(l.b, 0x40000000);
	assert_int_equal(l.c, 1);
	l = get(0x40000003, 0);
	assert_int_equal(l.b, 2);
	assert_int_equal(l.c, arch_tsc_khz());
	stable = false;
	assert_int_equal(get(0x40000003, 0).b, 0);
	assert_int_equal(get(0x80000007, 0).d, 0);
	assert_int_equal(get(0x40000003, 2).a, arch_tsc_khz());
	assert_true(is_zero(get(0x40000004, 0)));
	assert_int_equal(get(0x40000005, 0).b, 21);	/* 300 frames: 9 + 12 bits */
	assert_true(is_zero(get(0x40000006, 0)));
	l = get(PARAPET_CPUID_FIRST_LEAF, 0);
	memcpy(sig, &l.b, 12);
	assert_string_equal(sig, "ParapetPVKit");
	assert_int_equal(l.a, 0x40000101);
	for (u32 i = 0x40000200; i <= 0x4000ff00; i += 0x100)
		assert_true(is_zero(get(i, 0)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_features), T(test_subset), T(test_xstate), T(test_topology),
		T(test_hypervisor),
	};

	return host_main(tests);
}
