/* SPDX-License-Identifier: MIT */
/*
 * Job:    CPUID for guests: the hardware's answer, cut down to what a PV guest may use, and the
 *         hypervisor's leaves. The policy is in the tables below. RDMSR and WRMSR of guest kernels.
 * Enter:  pv/privop.c, toolstack policy calls.
 * Holds:  C1  a feature bit is shown only if it is in a table: new hardware adds nothing itself.
 *         C2  no two vcpus share a core as far as leaves 1, 4 and b tell: each is a package.
 *         M1  an MSR that is not in the table is refused (#GP): nothing of the machine leaks or changes.
 *         M2  the only hardware MSR a guest writes here is PRED_CMD (a barrier, without state).
 * Tests:  tests/host/test_cpuid.c, test_msr.c, tests/guests/privop.c
 */
#include <cpuid.h>
#include <parapet.h>
#include <hv/pv.h>
#include <hv/regs.h>

#define XEN_VERSION_4_17 (4U << 16 | 17)
#define HYPERCALL_PAGE_MSR 0x40000000U
#define MAX_BASIC 0xdU
#define MAX_EXT_INTEL 0x80000008U
#define MAX_EXT_AMD 0x80000021U
#define XSTATE_ALLOWED 0xe7UL		/* x87 SSE AVX, AVX-512; no MPX, PKRU, AMX */

#define B(n) (1U << (n))
#define ALL 0xffffffffU

/*
 * Features that need nothing of the hypervisor but saved registers. Not shown on purpose:
 * 1.c:  DTES64 MONITOR DS-CPL VMX SMX EIST TM2 PDCM PCID DCA X2APIC TSC-DEADLINE
 * 1.d:  VME PSE MCE MTRR PGE MCA PSE36 DS ACPI HTT TM PBE: there are no large pages, no global
 *       pages, no machine check banks and no thermal interrupts for guests.
 * 7.b:  TSC_ADJUST SGX HLE SMEP INVPCID RTM PQM MPX PQE SMAP PT
 * 7.c:  UMIP PKU OSPKE WAITPKG CET LA57 KL ENQCMD
 * 7.d:  IBRS STIBP SSBD L1D_FLUSH (SPEC_CTRL is not switched), AMX, CORE_CAPS, UINTR, HYBRID
 * ext.c: SVM EXTAPIC CR8 OSVW IBS SKINIT WDT LWP NODEID TOPOEXT PERFCTR BPEXT MWAITX
 * ext.d: PAGE1GB FFXSR
 */
#define F1_ECX (B(0) | B(1) | B(9) | B(13) | B(19) | B(20) | B(22) | B(23) | B(25) | B(30))
#define F1_EDX (B(0) | B(2) | B(4) | B(5) | B(6) | B(8) | B(9) | B(11) | B(15) | B(16) | B(19) | \
		B(23) | B(24) | B(25) | B(26) | B(27))
#define F7_EBX (B(0) | B(3) | B(6) | B(8) | B(9) | B(13) | B(18) | B(19) | B(23) | B(24) | B(29))
#define F7_ECX (B(0) | B(8) | B(22) | B(25) | B(27) | B(28))
#define F7_EDX (B(4) | B(10) | B(14) | B(29))
#define F7_AVX512_EBX (B(16) | B(17) | B(21) | B(28) | B(30) | B(31))
#define F7_AVX512_ECX (B(1) | B(6) | B(11) | B(12) | B(14))
#define F7_AVX512_EDX (B(2) | B(3) | B(8) | B(23))
#define FE1_ECX (B(0) | B(5) | B(6) | B(7) | B(8) | B(21))
/* AMD repeats leaf 1 in the low bits (but for SEP, SS); SYSCALL NX MMXEXT RDTSCP LM 3DNOW(EXT) */
#define FE1_EDX ((F1_EDX & 0x0183f7ff & ~B(11)) | B(11) | B(20) | B(22) | B(27) | B(29) | B(30) | \
		 B(31))
#define FE8_EBX (B(0) | B(2) | B(12) | B(26) | B(29) | B(30))	/* CLZERO .. IBPB, SSB_NO, BTC_NO */

#define SUB(n) n, n
#define ANY_SUB 0, ALL
#define SHOW_ALL { ALL, ALL, ALL, ALL }
/* Bits of leaves and subleaves that are shown if all of these states can be saved. */
static const struct {
	u32 first, last, first_sub, last_sub;
	u64 xstate;
	struct cpuid_leaf mask;
} policy[] = {
	{ 0x0, 0x0, ANY_SUB, 0, SHOW_ALL },
	{ 0x1, 0x1, ANY_SUB, 0, { ALL, 0x0000ffff, F1_ECX, F1_EDX } },
	{ 0x1, 0x1, ANY_SUB, XSTATE_X87, { 0, 0, B(26) | B(27), 0 } },	/* XSAVE */
	{ 0x1, 0x1, ANY_SUB, XSTATE_AVX, { 0, 0, B(12) | B(28) | B(29), 0 } },	/* FMA AVX F16C */
	{ 0x2, 0x2, ANY_SUB, 0, SHOW_ALL },				/* cache descriptors */
	{ 0x4, 0x4, ANY_SUB, 0, { 0x000003ff, ALL, ALL, ALL } }, /* caches, not shared */
	{ 0x7, 0x7, SUB(0), 0, { ALL, F7_EBX, F7_ECX, F7_EDX } },
	{ 0x7, 0x7, SUB(0), XSTATE_AVX, { 0, B(5), B(9) | B(10), 0 } },	/* AVX2 VAES VPCLMULQDQ */
	{ 0x7, 0x7, SUB(0), XSTATE_AVX512, { 0, F7_AVX512_EBX, F7_AVX512_ECX, F7_AVX512_EDX } },
	{ 0x7, 0x7, SUB(1), 0, { B(10) | B(11) | B(12), 0, 0, 0 } },
	{ 0x7, 0x7, SUB(1), XSTATE_AVX, { B(4), 0, 0, 0 } },
	{ 0x7, 0x7, SUB(1), XSTATE_AVX512, { B(5), 0, 0, 0 } },
	{ 0xd, 0xd, SUB(0), XSTATE_X87, SHOW_ALL },
	{ 0xd, 0xd, SUB(1), XSTATE_X87, { B(0) | B(1) | B(2), ALL, 0, 0 } },	/* no XSAVES */
	{ 0xd, 0xd, 2, 62, XSTATE_X87, { ALL, ALL, B(1), 0 } },
	{ 0x80000000, 0x80000000, ANY_SUB, 0, SHOW_ALL },
	{ 0x80000001, 0x80000001, ANY_SUB, 0, { ALL, ALL, FE1_ECX, FE1_EDX } },
	{ 0x80000001, 0x80000001, ANY_SUB, XSTATE_AVX, { 0, 0, B(11) | B(16), 0 } }, /* XOP FMA4 */
	{ 0x80000002, 0x80000006, ANY_SUB, 0, SHOW_ALL },	/* brand string; L1, L2, L3 */
	{ 0x80000007, 0x80000007, ANY_SUB, 0, { 0, 0, 0, B(8) } },	/* invariant TSC */
	{ 0x80000008, 0x80000008, ANY_SUB, 0, { 0x0000ffff, FE8_EBX, 0, 0 } },
	{ 0x8000001a, 0x8000001a, ANY_SUB, 0, { ALL, 0, 0, 0 } },	/* FP widths */
	/* LFENCE serialises, null base */
	{ 0x80000021, 0x80000021, ANY_SUB, 0, { B(0) | B(2) | B(6), 0, 0, 0 } },
};

enum vendor hw_vendor(void)
{
	struct cpuid_leaf l = arch_cpuid(0, 0);

	if (l.c == 0x6c65746e)				/* GenuineIntel */
		return V_intel;
	/* AuthenticAMD, HygonGenuine */
	return l.c == 0x444d4163 || l.c == 0x656e6975 ? V_amd : V_any;
}

/* Has the hypervisor switched XSAVE on (CR4.OSXSAVE shows in leaf 1), and for what? */
static u64 usable_xstate(void)
{
	struct cpuid_leaf l;
	u64 mask;

	if (!(arch_cpuid(1, 0).c & B(27)))
		return 0;
	l = arch_cpuid(0xd, 0);
	mask = ((u64)l.d << 32 | l.a) & XSTATE_ALLOWED;
	return (mask & XSTATE_AVX512) == XSTATE_AVX512 ? mask : mask & ~XSTATE_AVX512;
}

static void hypervisor_leaf(const struct vcpu *v, u32 leaf, u32 sub, struct cpuid_leaf *out)
{
	const struct time_scale *s = arch_time_scale();
	bool stable = arch_tsc_stable();
	u32 khz = arch_tsc_khz(), features = v->domain->ring1_denied || arch_ring1_refused() ? 0 :
		PARAPET_CPUID_FEAT_RING1;
	u32 address_bits = 64 - (u32)__builtin_clzl(max_page | 1) + PAGE_SHIFT;
	const struct {
		u32 leaf, first_sub, last_sub;
		struct cpuid_leaf shown;
	} leaves[] = {
		{ XEN_CPUID_LEAF(0), ANY_SUB, { XEN_CPUID_LEAF(XEN_CPUID_MAX_NUM_LEAVES),
		  XEN_CPUID_SIGNATURE_EBX, XEN_CPUID_SIGNATURE_ECX, XEN_CPUID_SIGNATURE_EDX } },
		{ XEN_CPUID_LEAF(1), ANY_SUB, { XEN_VERSION_4_17, 0, 0, 0 } },
		{ XEN_CPUID_LEAF(2), ANY_SUB, { 1, HYPERCALL_PAGE_MSR,
		  XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD, 0 } },
		/* a stable TSC is safe and never emulated (mode 2); incarnation 0 */
		{ XEN_CPUID_LEAF(3), SUB(0), { stable ? B(1) : 0, stable ? 2 : 0, khz, 0 } },
		/* offset of the guest's TSC 0; tsc to ns */
		{ XEN_CPUID_LEAF(3), SUB(1), { 0, 0, s->mul, (u32)s->shift } },
		{ XEN_CPUID_LEAF(3), SUB(2), { khz, 0, 0, 0 } },
		{ XEN_CPUID_LEAF(5), SUB(0), { 0, address_bits, 0, 0 } },	/* 4 is for HVM */
		{ PARAPET_CPUID_FIRST_LEAF, ANY_SUB, { PARAPET_CPUID_FIRST_LEAF + 1,
		  PARAPET_CPUID_SIGNATURE_EBX, PARAPET_CPUID_SIGNATURE_ECX,
		  PARAPET_CPUID_SIGNATURE_EDX } },
		{ PARAPET_CPUID_FIRST_LEAF + 1, ANY_SUB, { 1, features, 0, 0 } },	/* version */
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(leaves); i++)
		if (leaf == leaves[i].leaf && sub >= leaves[i].first_sub && sub <= leaves[i].last_sub)
			*out = leaves[i].shown;
}

static void leaf_d(u32 sub, struct cpuid_leaf *out)
{
	u64 xstate = usable_xstate();
	struct cpuid_leaf l;

	if (sub > 1 && (sub > 62 || !(xstate & BIT(sub))))
		*out = (struct cpuid_leaf){ 0 };
	if (sub || !xstate)
		return;
	/* b: for what is enabled in XCR0 now, which is the guest's: as hardware says */
	out->a = (u32)xstate;
	out->d = (u32)(xstate >> 32);
	out->c = 512 + 64;
	for (unsigned int i = 2; i < 63; i++) {
		if (!(xstate & BIT(i)))
			continue;
		l = arch_cpuid(0xd, i);
		out->c = max(out->c, l.a + l.b);
	}
}

/* What a mask alone cannot say. */
static void special(const struct vcpu *v, u32 leaf, u32 sub, struct cpuid_leaf *out)
{
	switch (leaf) {
	case 0:
		out->a = min(out->a, MAX_BASIC);
		break;
	case 1:
		out->b |= 1U << 16 | (u32)(v->id * 2) << 24;	/* one logical CPU; its APIC id */
		out->c |= B(31);				/* there is a hypervisor */
		break;
	case 7:
		out->a = min(out->a, sub ? ALL : 1U);
		break;
	case 0xb:	/* each vcpu is a package: both levels have width 0 and one member */
		out->c = sub & 0xff;
		out->d = v->id * 2U;
		if (sub < 2) {
			out->b = 1;
			out->c |= (sub + 1) << 8;		/* 1: threads, 2: cores */
		}
		break;
	case 0xd:
		leaf_d(sub, out);
		break;
	case 0x80000000:
		out->a = min(out->a, hw_vendor() == V_amd ? MAX_EXT_AMD : MAX_EXT_INTEL);
		break;
	case 0x80000001:
		if (hw_vendor() != V_amd)
			out->d &= B(11) | B(20) | B(27) | B(29);
		break;
	case 0x80000007:
		out->d = arch_tsc_stable() ? out->d : 0;
		break;
	}
}

/* Leaves above the highest are 0 on every vendor. */
void guest_cpuid(const struct vcpu *v, u32 leaf, u32 sub, struct cpuid_leaf *out)
{
	struct cpuid_leaf hw;

	*out = (struct cpuid_leaf){ 0 };
	if (leaf >= XEN_CPUID_FIRST_LEAF && leaf <= 0x4000ffff) {
		hypervisor_leaf(v, leaf, sub, out);
		return;
	}
	if (leaf > arch_cpuid(leaf & 0x80000000U, 0).a || leaf > (leaf & 0x80000000U ? MAX_EXT_AMD : MAX_BASIC))
		return;
	hw = arch_cpuid(leaf, sub);
	for (unsigned int i = 0; i < ARRAY_SIZE(policy); i++)
		if (leaf >= policy[i].first && leaf <= policy[i].last &&
		    sub >= policy[i].first_sub && sub <= policy[i].last_sub &&
		    (!policy[i].xstate || !(policy[i].xstate & ~usable_xstate())))
			for (unsigned int w = 0; w < 4; w++)
				(&out->a)[w] |= (&hw.a)[w] & (&policy[i].mask.a)[w];
	special(v, leaf, sub, out);
	for (unsigned int i = 0; i < CPUID_WORDS; i++)
		if (cpuid_words[i].leaf == leaf && (cpuid_words[i].sub == sub || cpuid_words[i].any_sub))
			(&out->a)[cpuid_words[i].reg] &= ~v->domain->cpuid_hidden[i];
}

/* In the order of the toolstack's feature sets: 1d 1c e1d e1c Da1 7b0 7c0 e7d e8b 7d0 7a1 e21a. */
const struct cpuid_word cpuid_words[CPUID_WORDS] = {
	{ 1, 0, 3, true }, { 1, 0, 2, true }, { 0x80000001, 0, 3, true }, { 0x80000001, 0, 2, true },
	{ 0xd, 1, 0, false }, { 7, 0, 1, false }, { 7, 0, 2, false }, { 0x80000007, 0, 3, true },
	{ 0x80000008, 0, 1, true }, { 7, 0, 3, false }, { 7, 1, 0, false }, { 0x80000021, 0, 0, true },
};

/* --- MSRs --- */

enum {
	MSR_TSC = 0x10, MSR_APIC_BASE = 0x1b, MSR_PRED_CMD = 0x49, MSR_MISC_ENABLE = 0x1a0,
	MSR_HYPERCALL_PAGE = 0x40000000, MSR_FS_BASE = 0xc0000100, MSR_KERNEL_GS_BASE = 0xc0000102,
	MSR_TSC_AUX = 0xc0000103
};

#define EFER_VALUE		0xd01UL		/* SCE LME LMA NX */
#define HWCR_TSC_FREQ		BIT(24)		/* the TSC counts at the P0 frequency */
/* Statements about bugs that the processor does not have, and what software must do about them. */
#define ARCH_CAPS_SHOWN		(BIT(0) | BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(8) | \
				 BIT(13) | BIT(14) | BIT(15) | BIT(17) | BIT(19) | BIT(20) | \
				 BIT(24) | BIT(26) | BIT(27))

/* R_hw: the hardware's value & val. R_own, W_own: see read_own(), write_own(). */
enum how_read { R_gp, R_fixed, R_hw, R_own };
/* W_drop: accepted, no effect. W_same: only the value that is read. W_zero: only 0. */
enum how_write { W_gp, W_drop, W_same, W_zero, W_own };

static const struct msr_rule {
	u32 first, last;
	u8 vendor, read, write;
	u64 val;
	u32 leaf;			/* 0, or the CPUID leaf that shows whether it exists ... */
	struct cpuid_leaf bit;		/* ... by this bit */
} rules[] = {
	{ MSR_TSC, MSR_TSC, V_any, R_own, W_gp, .val = 0 },
	{ 0x17, 0x17, V_intel, R_hw, W_gp, .val = ~0UL },		/* PLATFORM_ID */
	{ MSR_APIC_BASE, MSR_APIC_BASE, V_any, R_own, W_drop, .val = 0 },
	{ 0x3a, 0x3a, V_intel, R_fixed, W_gp, .val = 1 },	/* FEATURE_CONTROL: locked */
	{ MSR_PRED_CMD, MSR_PRED_CMD, V_any, R_gp, W_own, 0, 0x80000008, { .b = 1U << 12 } },
	{ 0x8b, 0x8b, V_any, R_hw, W_zero, .val = ~0UL },		/* microcode revision */
	{ 0xce, 0xce, V_intel, R_fixed, W_gp, .val = 0 },		/* PLATFORM_INFO */
	{ 0x10a, 0x10a, V_intel, R_hw, W_gp, ARCH_CAPS_SHOWN, 0x7, { .d = 1U << 29 } },
	{ 0x140, 0x140, V_intel, R_fixed, W_zero, .val = 0 },		/* MISC_FEATURES_ENABLES */
	{ 0x179, 0x17a, V_any, R_fixed, W_drop, .val = 0 },	/* MCG_CAP: no banks; MCG_STATUS */
	{ MSR_MISC_ENABLE, MSR_MISC_ENABLE, V_intel, R_own, W_drop, .val = 0 },
	{ 0x1d9, 0x1d9, V_any, R_fixed, W_zero, .val = 0 },		/* DEBUGCTL */
	{ 0x277, 0x277, V_any, R_fixed, W_same, .val = PAT_VALUE },
	{ MSR_HYPERCALL_PAGE, MSR_HYPERCALL_PAGE, V_any, R_fixed, W_own, .val = 0 },
	{ 0xc0000080, 0xc0000080, V_any, R_fixed, W_same, .val = EFER_VALUE },
	{ MSR_FS_BASE, MSR_KERNEL_GS_BASE, V_any, R_own, W_own, .val = 0 },
	{ MSR_TSC_AUX, MSR_TSC_AUX, V_any, R_own, W_own, 0, 0x80000001, { .d = 1U << 27 } },
	{ 0xc0010000, 0xc0010007, V_amd, R_fixed, W_drop, .val = 0 }, /* no performance counters */
	{ 0xc0010015, 0xc0010015, V_amd, R_fixed, W_drop, .val = HWCR_TSC_FREQ },
	{ 0xc001001f, 0xc001001f, V_amd, R_hw, W_drop, .val = ~0UL },	/* NB_CFG */
	{ 0xc0010055, 0xc0010055, V_amd, R_fixed, W_drop, .val = 0 },	/* C1E messages: off */
	{ 0xc0011029, 0xc0011029, V_amd, R_hw, W_drop, .val = BIT(1) }, /* LFENCE serialises */
};

static bool exists(const struct vcpu *v, const struct msr_rule *r)
{
	struct cpuid_leaf l;

	if (r->vendor != V_any && r->vendor != hw_vendor())
		return false;
	if (!r->leaf)
		return true;
	guest_cpuid(v, r->leaf, 0, &l);
	return (l.b & r->bit.b) || (l.d & r->bit.d);
}

static const struct msr_rule *find_rule(const struct vcpu *v, u32 msr)
{
	static const struct msr_rule none = { .read = R_gp, .write = W_gp };

	for (const struct msr_rule *r = rules; r < rules + ARRAY_SIZE(rules); r++)
		if (msr >= r->first && msr <= r->last && exists(v, r))
			return r;
	return &none;
}

/* From MSR_FS_BASE on, as guest kernel mode means them: GS is the kernel's now. */
static const u8 segments[] = { SEGBASE_FS, SEGBASE_GS_KERNEL, SEGBASE_GS_USER };

static int read_own(struct vcpu *v, u32 msr, u64 *val)
{
	switch (msr) {
	case MSR_TSC:
		*val = rdtsc_now();
		return 0;
	case MSR_APIC_BASE:
		*val = 0xfee00000UL | BIT(11) | (v->id ? 0 : BIT(8));	/* enabled, BSP */
		return 0;
	case MSR_MISC_ENABLE:
		if (arch_rdmsr_safe(msr, val))
			return -EACCES;
		/* no performance monitoring, no branch or event tracing */
		*val = (*val & ~BIT(7)) | BIT(11) | BIT(12);
		return 0;
	case MSR_TSC_AUX:
		*val = v->pv.tsc_aux;
		return 0;
	}
	*val = arch_get_segment_base(v, segments[msr - MSR_FS_BASE]);	/* only these are left */
	return 0;
}

int write_hypercall_page(struct domain *d, mfn_t mfn)
{
	if (!mfn_is_ram(mfn) || !get_page_writable(mfn_to_page(mfn), d))
		return refuse(-EACCES, "hypercall page: mfn %lx is not writable memory of d%u",
			      mfn_x(mfn), d->id);
	arch_fill_hypercall_page(mfn_to_virt(mfn));
	put_page_writable(mfn_to_page(mfn));
	return 0;
}

static int write_own(struct vcpu *v, u32 msr, u64 val)
{
	switch (msr) {
	case MSR_PRED_CMD:
		return (val & ~1UL) || (val && arch_wrmsr_safe(msr, val)) ? -EACCES : 0;
	case MSR_HYPERCALL_PAGE:
		return val & ~PAGE_MASK ? -EACCES :
			write_hypercall_page(v->domain, _mfn(val >> PAGE_SHIFT));
	case MSR_TSC_AUX:
		if (val >> 32)
			return -EACCES;
		arch_set_tsc_aux(v, (u32)val);
		return 0;
	}
	if (!is_canonical(val))
		return -EACCES;
	arch_set_segment_base(v, segments[msr - MSR_FS_BASE], val);
	return 0;
}

int guest_rdmsr(struct vcpu *v, u32 msr, u64 *val)
{
	const struct msr_rule *r = find_rule(v, msr);

	*val = r->val;
	switch (r->read) {
	case R_fixed:
		return 0;
	case R_hw:
		if (arch_rdmsr_safe(msr, val))
			return -EACCES;
		*val &= r->val;
		return 0;
	case R_own:
		return read_own(v, msr, val);
	}
	return -EACCES;
}

int guest_wrmsr(struct vcpu *v, u32 msr, u64 val)
{
	const struct msr_rule *r = find_rule(v, msr);
	u64 old;

	switch (r->write) {
	case W_drop:
		return 0;
	case W_zero:
		return val ? -EACCES : 0;
	case W_same:
		return guest_rdmsr(v, msr, &old) || old != val ? -EACCES : 0;
	case W_own:
		return write_own(v, msr, val);
	}
	return -EACCES;
}
