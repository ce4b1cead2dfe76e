/* SPDX-License-Identifier: MIT */
/*
 * Job:    identify the processor; set CR0, CR4, EFER, PAT and XCR0; fault-safe MSR access; the
 *         seam's CPUID, MSR and port functions.
 * Enter:  cpu_identify(), cpu_setup() from boot/start.c and smp.c; the rest from pv/.
 * State:  cpu_feat (read-only after boot).
 * Holds:  C1  all CPUs run with the same CR4 and EFER.
 * Tests:  tests/guests/privop.c
 */
#include <hv/pv.h>
#include <hv/string.h>
#include "machine.h"

struct cpu_features cpu_feat;
unsigned int opt_maxcpus;
bool opt_x2apic, opt_pcid = true;
static enum { RING1_OFF, RING1_ON, RING1_FORCE } opt_ring1 = RING1_ON;

struct cpuid_leaf arch_cpuid(u32 leaf, u32 sub)
{
	struct cpuid_leaf l;

	__asm__ __volatile__("cpuid" : "=a"(l.a), "=b"(l.b), "=c"(l.c), "=d"(l.d)
			     : "a"(leaf), "c"(sub));
	return l;
}

/* All zero where the CPU has no such leaf. */
static struct cpuid_leaf query(u32 leaf, u32 sub)
{
	return leaf <= arch_cpuid(leaf & 0x80000000, 0).a ? arch_cpuid(leaf, sub) :
							    (struct cpuid_leaf){ 0 };
}

static void identify(struct cpu_features *f)
{
	struct cpuid_leaf l = query(1, 0);

	f->max_leaf = query(0, 0).a;
	f->vendor = hw_vendor();
	f->mce = l.d & BIT(7);
	f->pge = l.d & BIT(13);
	f->pcid = l.c & BIT(17);
	f->x2apic = l.c & BIT(21);
	f->tsc_deadline = l.c & BIT(24);
	f->xsave = l.c & BIT(26);
	f->hypervisor = l.c & BIT(31);
	l = query(7, 0);
	f->fsgsbase = l.b & BIT(0);
	f->smep = l.b & BIT(7);
	f->smap = l.b & BIT(20);
	f->pcid = f->pcid && l.b & BIT(10);	/* of use with INVPCID only */
	f->umip = l.c & BIT(2);
	l = query(0x80000001, 0);
	f->rdtscp = l.d & BIT(27);
	f->tsc_invariant = query(0x80000007, 0).d & BIT(8);
	f->phys_bits = (u8)query(0x80000008, 0).a ?: 36;
	/* components that need supervisor state or more than XSAVE are never enabled */
	l = query(0xd, 0);
	f->xsave = f->xsave && (l.a & 3) == 3;
	if (f->xsave)				/* x87 SSE AVX, AVX-512 if it is whole */
		f->xcr0_mask = l.a & ((l.a & 0xe0) == 0xe0 ? 0xe7 : 7);
	f->xsaveopt = f->xsave && query(0xd, 1).a & BIT(0);
}

/*
 * AMD has no Meltdown. Intel says so in IA32_ARCH_CAPABILITIES from the fixed generations on; the
 * Atoms before Goldmont's out-of-order ancestors do not speculate at all.
 */
static bool has_meltdown(const struct cpu_features *f)
{
	static const char in_order_atoms[] = "\x1c\x26\x27\x35\x36";
	u32 id = query(1, 0).a, family = id >> 8 & 15, model = (id >> 4 & 15) | (id >> 12 & 0xf0);

	if (f->vendor == V_amd || (f->vendor == V_intel && family < 6) ||
	    (family == 6 && model && model < 0x80 && strchr(in_order_atoms, (int)model)))
		return false;
	return !(query(7, 0).d & BIT(29) && rdmsr(MSR_ARCH_CAPS) & ARCH_CAPS_RDCL_NO);
}

/*
 * entry.S and others have three-byte NOPs where SMAP needs CLAC (0f 01 ca) or STAC (0f 01 cb). The
 * text is mapped read-only, so write protection is off for a moment; no other CPU runs yet.
 */
static void patch_smap(void)
{
	extern const struct smap_patch { u8 *at; u64 stac; } __start_smap_patch[], __stop_smap_patch[];
	u64 cr0 = read_cr0();

	write_cr0(cr0 & ~X86_CR0_WP);
	for (const struct smap_patch *p = __start_smap_patch; p < __stop_smap_patch; p++) {
		p->at[1] = 0x01;
		p->at[2] = p->stac ? 0xcb : 0xca;
	}
	write_cr0(cr0);
	query(0, 0);			/* CPUID serialises: the new code is fetched */
}

bool ring1_parse(const char *arg)
{
	static const char *const names[] = { "off", "on", "force" };

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(arg, names[i])) {
			opt_ring1 = i;
			return true;
		}
	return false;
}

/* Supervisor-mode CET and FRED, which would break it, are never switched on (cpu_setup). */
const char *arch_ring1_refused(void)
{
	if (opt_ring1 == RING1_OFF)
		return "option ring1=off";
	if (!cpu_feat.fsgsbase)
		return "the CPU has no FSGSBASE";
	if (restricted_roots && opt_ring1 != RING1_FORCE)
		return "the CPU has Meltdown and L1TF, or does not say that it has not";
	return NULL;
}

void cpu_identify(void)
{
	identify(&cpu_feat);
	restricted_roots = has_meltdown(&cpu_feat);
	if (opt_pcid && cpu_feat.pcid)
		tlb_tags = restricted_roots || !arch_ring1_refused() ? 4 : 2;
	if (cpu_feat.smap)
		patch_smap();
}

void cpu_setup(void)
{
	const struct cpu_features *f = &cpu_feat;

	write_cr0(X86_CR0_PE | X86_CR0_MP | X86_CR0_ET | X86_CR0_NE | (WITHOUT(6) ? 0 : X86_CR0_WP) | X86_CR0_AM |
		  X86_CR0_PG);
	write_cr4(X86_CR4_DE | X86_CR4_PSE | X86_CR4_PAE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT |
		  (f->mce ? X86_CR4_MCE : 0) | (f->pge ? X86_CR4_PGE : 0) |
		  (f->umip ? X86_CR4_UMIP : 0) | (f->fsgsbase ? X86_CR4_FSGSBASE : 0) |
		  (f->xsave ? X86_CR4_OSXSAVE : 0) | (f->smep ? X86_CR4_SMEP : 0) |
		  (f->smap ? X86_CR4_SMAP : 0) |
		  (tlb_tags ? X86_CR4_PCIDE : 0));	/* CR3 has no tag yet, as this must be */
	wrmsr(MSR_EFER, (rdmsr(MSR_EFER) & EFER_LMA) | EFER_LME | EFER_SCE | EFER_NX);
	wrmsr(MSR_PAT, PAT_VALUE);
	if (f->xsave)
		xsetbv(0, f->xcr0_mask);
	/* AC would be a hole in SMAP; DF and the rest are as the ABI of C wants them. */
	__asm__ __volatile__("pushq $2; popfq; fninit" ::: "memory", "cc");
}

bool cpu_check_same(void)
{
	struct cpu_features mine = { 0 };
	const struct cpu_features *f = &cpu_feat;

	identify(&mine);
	return mine.vendor == f->vendor && mine.pcid >= f->pcid && mine.smep >= f->smep &&
		mine.smap >= f->smap && mine.umip >= f->umip && mine.fsgsbase >= f->fsgsbase &&
		mine.xsave >= f->xsave && mine.xsaveopt >= f->xsaveopt &&
		(mine.xcr0_mask & f->xcr0_mask) == f->xcr0_mask;
}

int arch_rdmsr_safe(u32 msr, u64 *val)
{
	u32 a = 0, d = 0;
	int err = -EFAULT;

	__asm__ __volatile__("1: rdmsr\n xor %2, %2\n2:\n" EX_TABLE("1b", "2b")
			     : "+a"(a), "+d"(d), "+r"(err) : "c"(msr) : "cc");
	*val = (u64)d << 32 | a;
	return err;
}

int arch_wrmsr_safe(u32 msr, u64 val)
{
	int err = -EFAULT;

	__asm__ __volatile__("1: wrmsr\n xor %0, %0\n2:\n" EX_TABLE("1b", "2b")
			     : "+r"(err) : "c"(msr), "a"((u32)val), "d"((u32)(val >> 32))
			     : "cc", "memory");
	return err;
}

u32 arch_io_read(u16 port, unsigned int size)
{
	return size == 1 ? inb(port) : size == 2 ? inw(port) : inl(port);
}

void arch_io_write(u16 port, unsigned int size, u32 val)
{
	if (size == 1)
		outb(port, val);
	else if (size == 2)
		outw(port, val);
	else
		outl(port, val);
}
