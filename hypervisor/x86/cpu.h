/* SPDX-License-Identifier: MIT */
/*
 * Job:    what cpu.c found out; control registers; MSRs (what may fault goes through
 *         arch_rdmsr_safe()); ports; ioremap()ed registers, by single accesses of the stated width.
 * State:  cpu_feat, filled by cpu_identify() on the boot CPU; the other CPUs must have as much.
 * Tests:  all
 */
#ifndef X86_CPU_H
#define X86_CPU_H

#include <hv/arch.h>
#include <hv/regs.h>

struct cpu_features {
	u8 vendor;			/* V_* of hv/pv.h */
	u8 phys_bits;
	u32 max_leaf;
	u64 xcr0_mask;			/* components that may be enabled; 0: no XSAVE */
	bool smep, smap, umip, fsgsbase, pge, rdtscp, mce, xsave, xsaveopt;
	bool pcid, x2apic, tsc_deadline, tsc_invariant, hypervisor;
};
extern struct cpu_features cpu_feat;

void cpu_identify(void);	/* boot CPU, before any other function of cpu.c */
void cpu_setup(void);		/* each CPU: CR0, CR4, EFER, PAT, XCR0 */
bool cpu_check_same(void);	/* on a secondary CPU: has it all that the boot CPU has? */

#define CR_ACCESS(n) \
static inline u64 read_cr##n(void) \
{ \
	u64 v; \
	__asm__ __volatile__("mov %%cr" #n ", %0" : "=r"(v)); \
	return v; \
} \
static inline void write_cr##n(u64 v) \
{ \
	__asm__ __volatile__("mov %0, %%cr" #n : : "r"(v) : "memory"); \
}
CR_ACCESS(0)
CR_ACCESS(2)
CR_ACCESS(3)
CR_ACCESS(4)
#undef CR_ACCESS

#define irqs_disable() __asm__ __volatile__("cli" ::: "memory")
#define clts() __asm__ __volatile__("clts" ::: "memory")
#define stts() write_cr0(read_cr0() | X86_CR0_TS)
#define wbinvd() __asm__ __volatile__("wbinvd" ::: "memory")

static inline void invlpg(u64 va)
{
	__asm__ __volatile__("invlpg (%0)" : : "r"(va) : "memory");
}

static inline void invpcid(u64 type, u64 tag, u64 va)
{
	struct { u64 tag, va; } d = { tag, va };

	__asm__ __volatile__("invpcid %0, %1" : : "m"(d), "r"(type) : "memory");
}

static inline void xsetbv(u32 reg, u64 val)
{
	__asm__ __volatile__("xsetbv" : : "c"(reg), "a"((u32)val), "d"((u32)(val >> 32))
			     : "memory");
}

static inline void __noreturn cpu_stop(void)
{
	for (;;)
		__asm__ __volatile__("cli; hlt" ::: "memory");
}

/* --- ports and memory-mapped registers --- */
#define IO_ACCESS(suffix, type, bits) \
static inline type in##suffix(u16 port) \
{ \
	type v; \
	__asm__ __volatile__("in" #suffix " %1, %0" : "=a"(v) : "Nd"(port)); \
	return v; \
} \
static inline void out##suffix(u16 port, type v) \
{ \
	__asm__ __volatile__("out" #suffix " %0, %1" : : "a"(v), "Nd"(port) : "memory"); \
} \
static inline type mmio_read##bits(const volatile void *p) \
{ \
	return *(const volatile type *)p; \
} \
static inline void mmio_write##bits(volatile void *p, type v) \
{ \
	*(volatile type *)p = v; \
}
IO_ACCESS(b, u8, 8)
IO_ACCESS(w, u16, 16)
IO_ACCESS(l, u32, 32)
#undef IO_ACCESS

/* --- model-specific registers --- */
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
