/* SPDX-License-Identifier: MIT */
/*
 * Model-specific registers: numbers, bits, and the instructions.
 *
 * Job:    names for the MSRs that the machine layer touches; rdmsr and wrmsr that must not fault.
 *         What may fault goes through arch_rdmsr_safe() and arch_wrmsr_safe() (cpu.c).
 * Tests:  all
 */
#ifndef X86_MSR_H
#define X86_MSR_H

#define MSR_APIC_BASE		0x01b
#define  APIC_BASE_BSP		0x100
#define  APIC_BASE_EXTD		0x400
#define  APIC_BASE_ENABLE	0x800
#define MSR_FEATURE_CONTROL	0x03a
#define MSR_TSC_ADJUST		0x03b
#define MSR_SPEC_CTRL		0x048
#define MSR_PRED_CMD		0x049
#define MSR_UCODE_REV		0x08b
#define MSR_PLATFORM_INFO	0x0ce
#define MSR_MTRRCAP		0x0fe
#define MSR_ARCH_CAPS		0x10a
#define  ARCH_CAPS_RDCL_NO	0x01
#define  ARCH_CAPS_SKIP_L1DFL	0x08
#define MSR_MISC_FEATURES	0x140
#define MSR_SYSENTER_CS		0x174
#define MSR_SYSENTER_ESP	0x175
#define MSR_SYSENTER_EIP	0x176
#define MSR_MCG_CAP		0x179
#define MSR_MCG_STATUS		0x17a
#define MSR_MISC_ENABLE		0x1a0
#define MSR_DEBUGCTL		0x1d9
#define MSR_MTRR_PHYSBASE0	0x200
#define MSR_PAT			0x277
#define MSR_MTRR_DEFTYPE	0x2ff
#define MSR_MC0_CTL		0x400
#define MSR_TSC_DEADLINE	0x6e0
#define MSR_X2APIC(reg)		(0x800 + ((reg) >> 4))
#define MSR_XSS			0xda0
#define MSR_EFER		0xc0000080
#define  EFER_SCE		0x0001
#define  EFER_LME		0x0100
#define  EFER_LMA		0x0400
#define  EFER_NX		0x0800
#define  EFER_SVME		0x1000
#define MSR_STAR		0xc0000081
#define MSR_LSTAR		0xc0000082
#define MSR_CSTAR		0xc0000083
#define MSR_FMASK		0xc0000084
#define MSR_FS_BASE		0xc0000100
#define MSR_GS_BASE		0xc0000101
#define MSR_KERNEL_GS_BASE	0xc0000102
#define MSR_TSC_AUX		0xc0000103

/* Entry types WB WT UC- UC WC WP, as Xen's guests expect them. */
#define PAT_VALUE		0x50100070406UL

#ifndef __ASSEMBLY__
#include <hv/types.h>

static inline u64 rdmsr(u32 msr)
{
	u32 a, d;

	__asm__ __volatile__("rdmsr" : "=a"(a), "=d"(d) : "c"(msr));
	return (u64)d << 32 | a;
}

static inline void wrmsr(u32 msr, u64 val)
{
	__asm__ __volatile__("wrmsr" : : "c"(msr), "a"((u32)val), "d"((u32)(val >> 32)) : "memory");
}
#endif

#endif
