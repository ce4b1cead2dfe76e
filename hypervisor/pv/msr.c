/* SPDX-License-Identifier: MIT */
/*
 * Job:    RDMSR and WRMSR of guest kernels: a table of what is answered and how.
 * Enter:  pv/privop.c.
 * Holds:  M1  what is not in the table is refused (#GP): nothing of the machine leaks or changes.
 *         M2  the only hardware MSR a guest writes here is PRED_CMD (a barrier, without state).
 * Tests:  tests/host/test_msr.c, tests/guests/privop.c
 */
#include <hv/pv.h>

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
