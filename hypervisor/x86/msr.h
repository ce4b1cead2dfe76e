/* SPDX-License-Identifier: MIT */
/*
 * Model-specific registers: numbers, bits, and the instructions.
 *
 * Job:    those that x86/ touches; what may fault goes through arch_rdmsr_safe() and its like.
 * Tests:  all
 */
#ifndef X86_MSR_H
#define X86_MSR_H

#include <hv/types.h>

#define MSR_APIC_BASE		0x01b
#define  APIC_BASE_EXTD		0x400
#define  APIC_BASE_ENABLE	0x800
#define MSR_ARCH_CAPS		0x10a
#define  ARCH_CAPS_RDCL_NO	0x01
#define MSR_SYSENTER_CS		0x174
#define MSR_SYSENTER_ESP	0x175
#define MSR_SYSENTER_EIP	0x176
#define MSR_PAT			0x277
#define MSR_TSC_DEADLINE	0x6e0
#define MSR_X2APIC(reg)		(0x800 + ((reg) >> 4))
#define MSR_EFER		0xc0000080
#define  EFER_SCE		0x0001
#define  EFER_LME		0x0100
#define  EFER_LMA		0x0400
#define  EFER_NX		0x0800
#define MSR_STAR		0xc0000081
#define MSR_LSTAR		0xc0000082
#define MSR_CSTAR		0xc0000083
#define MSR_FMASK		0xc0000084
#define MSR_FS_BASE		0xc0000100
#define MSR_GS_BASE		0xc0000101
#define MSR_KERNEL_GS_BASE	0xc0000102
#define MSR_TSC_AUX		0xc0000103
#define PAT_VALUE		0x50100070406UL	/* WB WT UC- UC WC WP: Xen's ABI */


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
