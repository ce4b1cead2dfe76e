/* SPDX-License-Identifier: MIT */
/*
 * The processor: what it can do, and the state that every CPU must have.
 *
 * Job:    identify; set CR0, CR4, EFER, PAT and XCR0; fault-safe MSR access; the seam's CPUID,
 *         MSR and port functions.
 * Enter:  cpu_identify(), cpu_setup() from boot/start.c and smp.c; the rest from pv/.
 * State:  cpu_feat (read-only after boot).
 * Locks:  none
 * Holds:  C1  all CPUs run with the same CR4 and EFER.
 * Tests:  tests/guests/privop.c
 */
#include <hv/debug.h>
#include <hv/errno.h>
#include "cpu.h"
#include "io.h"
#include "machine.h"
#include "msr.h"

struct cpu_features cpu_feat;
unsigned int opt_maxcpus;
bool opt_x2apic;

static void identify_vendor(struct cpu_features *f)
{
	u32 a, b, c, d;

	cpuid(0, 0, &a, &b, &c, &d);
	f->max_leaf = a;
	if (b == 0x756e6547 && d == 0x49656e69 && c == 0x6c65746e)	/* GenuineIntel */
		f->vendor = VENDOR_intel;
	else if ((b == 0x68747541 && d == 0x69746e65 && c == 0x444d4163) ||	/* AuthenticAMD */
		 (b == 0x6f677948 && d == 0x6e65476e && c == 0x656e6975))	/* HygonGenuine */
		f->vendor = VENDOR_amd;
	cpuid(1, 0, &a, &b, &c, &d);
	f->family = (a >> 8) & 15;
	f->model = (a >> 4) & 15;
	f->stepping = a & 15;
	if (f->family == 6 || f->family == 15)
		f->model |= (a >> 12) & 0xf0;
	if (f->family == 15)
		f->family += (a >> 20) & 0xff;
	f->mce = d & BIT(7);
	f->pge = d & BIT(13);
	f->pcid = c & BIT(17);
	f->x2apic = c & BIT(21);
	f->tsc_deadline = c & BIT(24);
	f->xsave = c & BIT(26);
	f->hypervisor = c & BIT(31);
}

static void identify_extended(struct cpu_features *f)
{
	u32 a, b, c, d;

	cpuid(0x80000000, 0, &a, &b, &c, &d);
	f->max_ext_leaf = a;
	cpuid(0x80000001, 0, &a, &b, &c, &d);
	f->nx = d & BIT(20);
	f->page1g = d & BIT(26);
	f->rdtscp = d & BIT(27);
	f->syscall32 = f->vendor == VENDOR_amd;
	f->phys_bits = 36;
	f->virt_bits = 48;
	if (f->max_ext_leaf >= 0x80000007) {
		cpuid(0x80000007, 0, &a, &b, &c, &d);
		f->tsc_invariant = d & BIT(8);
	}
	if (f->max_ext_leaf >= 0x80000008) {
		cpuid(0x80000008, 0, &a, &b, &c, &d);
		f->phys_bits = a & 0xff;
		f->virt_bits = (a >> 8) & 0xff;
	}
	if (f->max_leaf >= 7) {
		cpuid(7, 0, &a, &b, &c, &d);
		f->fsgsbase = b & BIT(0);
		f->smep = b & BIT(7);
		f->invpcid = b & BIT(10);
		f->smap = b & BIT(20);
		f->umip = c & BIT(2);
	}
	if (f->xsave && f->max_leaf >= 0xd) {
		cpuid(0xd, 0, &a, &b, &c, &d);
		f->xcr0_mask = (u64)d << 32 | a;
		f->max_xsave_size = c;
		cpuid(0xd, 1, &a, &b, &c, &d);
		f->xsaveopt = a & BIT(0);
	}
}

/*
 * Meltdown and L1TF: AMD has neither. Intel says so in IA32_ARCH_CAPABILITIES from the fixed
 * generations on; the Atoms before Goldmont's out-of-order ancestors do not speculate at all.
 */
static void identify_bugs(struct cpu_features *f)
{
	static const u8 in_order_atoms[] = { 0x1c, 0x26, 0x27, 0x35, 0x36 };
	u32 a, b, c, d;
	u64 caps = 0;
	unsigned int i;

	if (f->vendor == VENDOR_amd)
		return;
	f->meltdown = f->l1tf = true;
	if (f->vendor == VENDOR_intel && f->family < 6)
		f->meltdown = f->l1tf = false;
	for (i = 0; f->family == 6 && i < sizeof(in_order_atoms); i++)
		if (f->model == in_order_atoms[i])
			f->meltdown = f->l1tf = false;
	if (f->max_leaf < 7)
		return;
	cpuid(7, 0, &a, &b, &c, &d);
	if (d & BIT(29))
		caps = rdmsr(MSR_ARCH_CAPS);
	if (caps & ARCH_CAPS_RDCL_NO)
		f->meltdown = f->l1tf = false;
}

void cpu_identify(void)
{
	struct cpu_features *f = &cpu_feat;

	identify_vendor(f);
	identify_extended(f);
	identify_bugs(f);
	/* What the hypervisor cannot do without; a PV guest has no other way to hide pages. */
	if (!f->nx)
		panic("This CPU has no NX (or firmware hides it): enable it in the BIOS set-up");
	/* Components that need supervisor state or more than XSAVE: never enabled. */
	f->xcr0_mask &= 0xe7;		/* x87 SSE AVX AVX-512; no MPX, no PKRU */
	if ((f->xcr0_mask & 3) != 3)
		f->xsave = f->xsaveopt = false;
	if ((f->xcr0_mask & 0xe0) != 0xe0)
		f->xcr0_mask &= ~0xe0UL;
	if (!f->xsave)
		f->xcr0_mask = 0;
	cpu_patch_smap();
}

u64 cpu_cr4(void)
{
	const struct cpu_features *f = &cpu_feat;

	return X86_CR4_DE | X86_CR4_PSE | X86_CR4_PAE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT |
		(f->mce ? X86_CR4_MCE : 0) | (f->pge ? X86_CR4_PGE : 0) |
		(f->umip ? X86_CR4_UMIP : 0) | (f->fsgsbase ? X86_CR4_FSGSBASE : 0) |
		(f->xsave ? X86_CR4_OSXSAVE : 0) | (f->smep ? X86_CR4_SMEP : 0) |
		(f->smap ? X86_CR4_SMAP : 0);
}

/* CR4.PCIDE stays as it is: paging decides about it. */
void cpu_setup(void)
{
	write_cr0(X86_CR0_PE | X86_CR0_MP | X86_CR0_ET | X86_CR0_NE | X86_CR0_WP | X86_CR0_AM |
		  X86_CR0_PG);
	write_cr4(cpu_cr4() | (read_cr4() & X86_CR4_PCIDE));
	wrmsr(MSR_EFER, (rdmsr(MSR_EFER) & EFER_LMA) | EFER_LME | EFER_SCE | EFER_NX);
	wrmsr(MSR_PAT, PAT_VALUE);
	if (cpu_feat.xsave)
		xsetbv(0, cpu_feat.xcr0_mask);
	/* AC would be a hole in SMAP; DF and the rest are as the ABI of C wants them. */
	__asm__ __volatile__("pushq $2; popfq; fninit" ::: "memory", "cc");
}

/*
 * entry.S has three-byte NOPs where SMAP needs CLAC (0f 01 ca) or STAC (0f 01 cb). The text is
 * mapped read-only, so write protection is off for a moment; no other CPU runs yet.
 */
void cpu_patch_smap(void)
{
	extern const struct smap_patch { u8 *at; u64 stac; } __start_smap_patch[], __stop_smap_patch[];
	const struct smap_patch *p;
	u64 cr0 = read_cr0();

	if (!cpu_feat.smap)
		return;
	write_cr0(cr0 & ~X86_CR0_WP);
	for (p = __start_smap_patch; p < __stop_smap_patch; p++) {
		p->at[1] = 0x01;
		p->at[2] = p->stac ? 0xcb : 0xca;
	}
	write_cr0(cr0);
	cpuid_serialise();
}

bool cpu_check_same(void)
{
	struct cpu_features mine = { 0 };
	const struct cpu_features *f = &cpu_feat;

	identify_vendor(&mine);
	identify_extended(&mine);
	return mine.vendor == f->vendor && mine.nx && mine.smep >= f->smep &&
		mine.smap >= f->smap && mine.umip >= f->umip && mine.fsgsbase >= f->fsgsbase &&
		mine.xsave >= f->xsave && mine.xsaveopt >= f->xsaveopt &&
		mine.pcid >= f->pcid && mine.invpcid >= f->invpcid &&
		(mine.xcr0_mask & f->xcr0_mask) == f->xcr0_mask;
}

void arch_cpuid(u32 leaf, u32 sub, struct cpuid_leaf *out)
{
	cpuid(leaf, sub, &out->a, &out->b, &out->c, &out->d);
}

/*
 * A #GP at label 1 goes on at label 2 with the error in place (trap.c searches __ex_table).
 */
int arch_rdmsr_safe(u32 msr, u64 *val)
{
	u32 a = 0, d = 0;
	int err = -EFAULT;

	__asm__ __volatile__("1: rdmsr\n"
		     "   xor %[err], %[err]\n"
		     "2:\n"
		     "   .pushsection __ex_table, \"a\"\n"
		     "   .balign 8\n"
		     "   .quad 1b, 2b\n"
		     "   .popsection"
		     : "+a"(a), "+d"(d), [err] "+r"(err) : "c"(msr) : "cc");
	*val = (u64)d << 32 | a;
	return err;
}

int arch_wrmsr_safe(u32 msr, u64 val)
{
	int err = -EFAULT;

	__asm__ __volatile__("1: wrmsr\n"
		     "   xor %[err], %[err]\n"
		     "2:\n"
		     "   .pushsection __ex_table, \"a\"\n"
		     "   .balign 8\n"
		     "   .quad 1b, 2b\n"
		     "   .popsection"
		     : [err] "+r"(err)
		     : "c"(msr), "a"((u32)val), "d"((u32)(val >> 32)) : "cc", "memory");
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
