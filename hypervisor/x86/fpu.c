/* SPDX-License-Identifier: MIT */
/*
 * Job:    the FPU and vector registers of vcpus: save and restore on every switch (never lazily: no
 *         registers of one domain are ever loaded while another runs); XCR0; the FXSAVE images of
 *         vcpu contexts.
 * Enter:  context.c, pv/privop.c (arch_set_xcr0), pv/vcpu_op.c (arch_set_fpu).
 * State:  v->arch: a page with the XSAVE (standard format) or FXSAVE image; hw_xcr0[cpu].
 * Locks:  none: a vcpu's area belongs to the CPU that runs it, or to who paused it.
 * Holds:  FP1  images are written by the CPU or sanitised, so that XRSTOR cannot fault.
 *         FP2  saving and restoring covers every component that any guest may enable.
 * Tests:  tests/guests/fpu.c
 */
#include <hv/page_alloc.h>
#include <hv/string.h>
#include "machine.h"

#define LEGACY_SIZE 512
#define MXCSR_MASK 0xffff		/* what every 64-bit CPU has: other bits may fault */

struct fpu_area {
	/* the legacy area and the XSAVE header behind it (Intel SDM vol. 1, 13.4) */
	u16 fcw, fsw, ftw, fop;
	u64 fip, fdp;
	u32 mxcsr, mxcsr_mask;
	u8 st[128], xmm[256], unused[96];
	u64 xstate_bv, xcomp_bv, zero[6];
	u8 components[PAGE_SIZE - 576 - 64];
	/* ours */
	u64 xcr0, pad[7];
};
_Static_assert(offsetof(struct fpu_area, xstate_bv) == LEGACY_SIZE, "hardware's layout");
_Static_assert(sizeof(struct fpu_area) == PAGE_SIZE, "one page");

static u64 hw_xcr0[NR_CPUS];

void fpu_init(void)
{
	u32 bytes = cpu_feat.xsave ? arch_cpuid(0xd, 0).b : 0;	/* for what is enabled in XCR0 now: all */

	clts();
	if (bytes > offsetof(struct fpu_area, xcr0))
		refuse_boot("the CPU's vector registers need %u bytes, more than a page; take another", bytes);
}

static void set_hw_xcr0(u64 val)
{
	u64 *hw = &hw_xcr0[this_cpu()];

	if (*hw != val) {
		xsetbv(0, val);
		*hw = val;
	}
}

/* As after reset, but xcr0 begins as 3: SSE is part of the base ABI. */
int arch_vcpu_create(struct vcpu *v)
{
	struct fpu_area *f = v->is_idle ? NULL : alloc_hv_pages(0);

	v->arch = f;
	v->pv.mode = restricted_roots ? MODE_RESTRICTED : MODE_FULL;
	if (!f)
		return v->is_idle ? 0 : -ENOMEM;
	f->fcw = 0x37f;
	f->mxcsr = 0x1f80;
	f->xcr0 = cpu_feat.xsave ? XSTATE_X87 | XSTATE_SSE : 0;
	return 0;
}

void arch_vcpu_destroy(struct vcpu *v)
{
	free_hv_pages(v->arch, 0);
	v->arch = NULL;
}

/* On all components that XCR0 enables. */
#define XSTATE_INSN(insn, f) \
	__asm__ __volatile__(insn " %0" : "+m"(*(f)) : "a"(~0U), "d"(~0U) : "memory")

/* CR0.TS is clear. The area is the one that this CPU restored from last, as XSAVEOPT wants it. */
void fpu_save(struct vcpu *v)
{
	struct fpu_area *f = v->arch;

	if (cpu_feat.xsave)
		set_hw_xcr0(cpu_feat.xcr0_mask);
	if (cpu_feat.xsaveopt)
		XSTATE_INSN("xsaveopt64", f);
	else if (cpu_feat.xsave)
		XSTATE_INSN("xsave64", f);
	else
		XSTATE_INSN("fxsave64", f);
}

void fpu_restore(struct vcpu *v)
{
	struct fpu_area *f = v->arch;

	if (!cpu_feat.xsave) {
		XSTATE_INSN("fxrstor64", f);
		return;
	}
	set_hw_xcr0(cpu_feat.xcr0_mask);
	XSTATE_INSN("xrstor64", f);
	set_hw_xcr0(f->xcr0);
}

/* XSETBV of a guest. -EINVAL: a value that the CPU would refuse or that we do not offer. */
int arch_set_xcr0(struct vcpu *v, u64 xcr0)
{
	struct fpu_area *f = v->arch;
	u64 avx512 = xcr0 & XSTATE_AVX512;

	if (!cpu_feat.xsave || !(xcr0 & XSTATE_X87) || xcr0 & ~cpu_feat.xcr0_mask ||
	    (xcr0 & XSTATE_AVX && !(xcr0 & XSTATE_SSE)) ||
	    (avx512 && (avx512 != XSTATE_AVX512 || !(xcr0 & XSTATE_AVX))))
		return -EINVAL;
	f->xcr0 = xcr0;
	if (v == current_vcpu())
		set_hw_xcr0(xcr0);
	return 0;
}

void arch_set_fpu(struct vcpu *v, const void *fxsave_image)
{
	struct fpu_area *f = v->arch;

	memset(f, 0, offsetof(struct fpu_area, xcr0));
	memcpy(f, fxsave_image, offsetof(struct fpu_area, unused));
	f->mxcsr &= MXCSR_MASK;
	if (cpu_feat.xsave)
		f->xstate_bv = XSTATE_X87 | XSTATE_SSE;
}

/* XSAVEOPT leaves out components in their initial state: they are filled in. */
void arch_get_fpu(struct vcpu *v, void *fxsave_image)
{
	const struct fpu_area *f = v->arch;
	struct fpu_area *to = fxsave_image;	/* of it the legacy area */

	memcpy(to, f, LEGACY_SIZE);
	to->mxcsr_mask = MXCSR_MASK;
	if (!cpu_feat.xsave)
		return;
	if (!(f->xstate_bv & XSTATE_X87)) {
		memset(to, 0, offsetof(struct fpu_area, mxcsr));
		memset(to->st, 0, sizeof(to->st));
		to->fcw = 0x37f;
	}
	if (!(f->xstate_bv & XSTATE_SSE))
		memset(to->xmm, 0, sizeof(to->xmm));
}
