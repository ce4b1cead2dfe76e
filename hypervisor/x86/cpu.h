/* SPDX-License-Identifier: MIT */
/*
 * The processor: control registers, features, and the instructions around them.
 *
 * Job:    read/write helpers for control registers, cpuid(), what cpu.c found out.
 * State:  cpu_feat, filled by cpu_identify() on the boot CPU; the other CPUs must have as much.
 * Tests:  all
 */
#ifndef X86_CPU_H
#define X86_CPU_H

#include <hv/arch.h>
#include <hv/regs.h>

enum cpu_vendor { VENDOR_other, VENDOR_intel, VENDOR_amd };	/* Hygon counts as AMD */

struct cpu_features {
	u8 vendor;			/* enum cpu_vendor */
	u8 phys_bits;
	u32 max_leaf;
	u64 xcr0_mask;			/* components that may be enabled; 0: no XSAVE */
	bool nx, smep, smap, umip, fsgsbase, pge, rdtscp, mce, xsave, xsaveopt;
	bool pcid, x2apic, tsc_deadline, tsc_invariant, hypervisor;
	bool meltdown;			/* user mode can read supervisor mappings */
};
extern struct cpu_features cpu_feat;
#define cpu_has_meltdown cpu_feat.meltdown

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

static inline void cpuid(u32 leaf, u32 sub, u32 *a, u32 *b, u32 *c, u32 *d)
{
	__asm__ __volatile__("cpuid" : "=a"(*a), "=b"(*b), "=c"(*c), "=d"(*d)
			     : "a"(leaf), "c"(sub));
}

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
#endif
