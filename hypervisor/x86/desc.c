/* SPDX-License-Identifier: MIT */
/*
 * Job:    each CPU's area (layout.h): GDT and LDT windows, TSS, SYSCALL stubs, stacks; the IDTs;
 *         loading them for the mode of the vcpu that runs; showing its GDT and LDT frames in the
 *         windows.
 * Enter:  boot/start.c, smp.c (percpu_setup, cpu_load_tables); context.c, pv/ (windows).
 * State:  the areas; an IDT per mode for all CPUs; which mode each CPU has loaded.
 * Locks:  set-up runs on one CPU; the windows are touched by their own CPU only.
 * Holds:  D4  the guest's GDT frames fill pages 0-13 of the window; unused ones show a page of
 *             zeroes, so that a selector beyond the guest's table gives #GP.
 *         D5  page 14 holds our descriptors alike on every CPU but for the TSS base.
 * Tests:  tests/guests/{descriptors,abuse_segments}.c
 */
#include <hv/page_alloc.h>
#include <hv/pv.h>
#include <hv/string.h>
#include "machine.h"

struct tss {
	u32 reserved0;
	u64 rsp[3], reserved1, ist[7], reserved2;
	u16 reserved3, iobase;
} __packed;

struct idt_entry { u16 off0, sel; u8 ist, attr; u16 off1; u32 off2, zero; };
static struct idt_entry idts[3][256] __aligned(PAGE_SIZE);	/* by MODE_* */
struct table_ptr { u16 limit; u64 base; } __packed;

static mfn_t zero_frame;		/* what unused pages of the windows show */
static u8 windows[NR_CPUS][2];		/* how many pages of the GDT's and the LDT's window are used */

#define RO_PTE (PTE_P | PTE_A | PTE_D | PTE_NX)
#define RW_PTE (RO_PTE | PTE_RW)
#define HV_GDT_OFFSET (PC_GDT_OFFSET + FIRST_HV_GDT_PAGE * PAGE_SIZE)

static void set_gate(struct idt_entry *idt, unsigned int vec, const void *fn, unsigned int dpl,
		     unsigned int ist)
{
	u64 a = (u64)fn;

	idt[vec] = (struct idt_entry){ (u16)a, HV_CS, (u8)ist, (u8)(0x8e | dpl << 5),
				       (u16)(a >> 16), (u32)(a >> 32), 0 };
}

static void idt_init(unsigned int mode)
{
	const char *stubs = mode == MODE_FULL ? entry_stubs : restricted_stubs;
	struct idt_entry *idt = idts[mode];

	/* INT3 and INTO of guests must not become #GP; other software interrupts do (bounce.c) */
	for (unsigned int i = 0; i < 256; i++)
		set_gate(idt, i, stubs + i * 16, i == 3 || i == 4 ? 3 : 0, 0);
	if (mode != MODE_RESTRICTED)
		set_gate(idt, 14, mode == MODE_FULL ? exc_page_fault : ring1_page_fault, 0, 0);
	set_gate(idt, 8, exc_double_fault, 0, IST_DF);
	set_gate(idt, 2, exc_nmi, 0, WITHOUT(4) ? 0 : IST_NMI);
	set_gate(idt, 18, exc_machine_check, 0, IST_MC);
	set_gate(idt, 1, exc_debug, 0, IST_DB);
}

/*
 * The SYSCALL stubs address this CPU's area relative to their page, so that one template fits all;
 * only their jumps, whose end the last byte of each tells, lead out of the area.
 */
static void make_stubs(u8 *page, u64 va)
{
	u8 *stub;

	memcpy(page, syscall_stubs, 2 * SYSCALL_STUB_SIZE);
	for (stub = page; stub < page + 2 * SYSCALL_STUB_SIZE; stub += SYSCALL_STUB_SIZE)
		*(s32 *)(stub + stub[SYSCALL_STUB_SIZE - 1] - 4) += (s32)((u64)syscall_stubs - va);
}

static void set_system_desc(u64 *gdt, unsigned int sel, u64 base, u32 limit, u8 type)
{
	u64 *d = gdt + ((sel - 0xe000) >> 3);

	d[0] = (limit & 0xffffUL) | (base & 0xffffff) << 16 | (u64)type << 40 |
	       (u64)(limit >> 16 & 15) << 48 | (base >> 24 & 0xff) << 56;
	d[1] = base >> 32;
}

static int map_pages(u64 va, const u8 *p, unsigned int pages, u64 flags)
{
	for (; pages; pages--, va += PAGE_SIZE, p += PAGE_SIZE)
		if (map_hv_page(va, (u64)p - DIRECTMAP_VIRT_START, flags))
			return -ENOMEM;
	return 0;
}

int percpu_setup(unsigned int cpu)
{
	static const u64 segments[] = {
		[(HV_CS - 0xe000) >> 3] = 0x00af9b000000ffff,
		[(HV_CS + 8 - 0xe000) >> 3] = 0x00cf93000000ffff,	/* SS after SYSCALL */
		[(GUEST_CS32 - 0xe000) >> 3] = 0x00cffb000000ffff,
		[(GUEST_SS - 0xe000) >> 3] = 0x00cff3000000ffff,
		[(GUEST_CS64 - 0xe000) >> 3] = 0x00affb000000ffff,
		[(RING1_CS - 0xe000) >> 3] = 0x00afbb000000ffff,
		[(RING1_SS - 0xe000) >> 3] = 0x00cfb3000000ffff,
	};
	struct cpu_info *ci = cpu_info_of(cpu);		/* mapped below */
	u8 *zero = mfn_x(zero_frame) ? mfn_to_virt(zero_frame) : alloc_hv_pages(0);
	u8 *gdt = alloc_hv_pages(0), *stubs = alloc_hv_pages(0), *entry = alloc_hv_pages(0);
	u8 *tss_page = alloc_hv_pages(0), *stack = alloc_hv_pages(STACK_SHIFT - PAGE_SHIFT);
	struct tss *tss = (struct tss *)tss_page;
	u64 base = percpu_area(cpu), stack_va = base + PC_STACK_OFFSET;

	if (!zero || !gdt || !stubs || !entry || !tss || !stack)
		return -ENOMEM;
	zero_frame = virt_to_mfn(zero);
	memcpy(gdt, segments, sizeof(segments));
	for (unsigned int i = IST_DF; i <= IST_DB; i++)
		tss->ist[i - 1] = base + PC_ENTRY_OFFSET + EP_IST_TOP(i);
	*(u64 *)(tss_page + CP_FRAME_TOP) = (u64)&ci->guest.es;
	*(u64 *)(tss_page + CP_COPIES) = ~0UL;
	tss->iobase = sizeof(*tss);
	make_stubs(stubs, base + PC_STUB_OFFSET);

	/* page 4 of the stack block stays a hole below the main stack */
	if (map_pages(base + HV_GDT_OFFSET, gdt, 1, RW_PTE) ||
	    map_pages(base + PC_TSS_OFFSET, tss_page, 1, RW_PTE) ||
	    map_pages(base + PC_STUB_OFFSET, stubs, 1, RO_PTE & ~PTE_NX) ||
	    map_pages(base + PC_ENTRY_OFFSET, entry, 1, RW_PTE) ||
	    map_pages(stack_va, stack, 4, RW_PTE) ||
	    map_pages(stack_va + 5 * PAGE_SIZE, stack + 5 * PAGE_SIZE, 3, RW_PTE))
		return -ENOMEM;
	/* make sure that the tables of the windows exist, so that mapping them cannot fail later */
	for (unsigned int i = 0; i < PC_TSS_OFFSET / PAGE_SIZE; i++)
		if (i != FIRST_HV_GDT_PAGE && map_pages(base + i * PAGE_SIZE, zero, 1, RO_PTE))
			return -ENOMEM;
	ci->cpu = cpu;
	return restricted_roots || !arch_ring1_refused() ?
		restricted_setup(cpu, (u64)idts, (u64)idts + sizeof(idts)) : 0;
}

/* Behind *had pages the window is zero already. */
static void map_window(u64 va, const mfn_t *frames, unsigned int used, u8 *had)
{
	u64 *pte = hv_entry(va, 12), e;

	for (unsigned int i = 0; i < used || i < *had; i++, pte++, va += PAGE_SIZE) {
		e = i < used && !mfn_eq(frames[i], INVALID_MFN) ? make_pte(frames[i], RW_PTE) :
								   make_pte(zero_frame, RO_PTE);
		if (*pte != e) {
			*pte = e;
			restricted_window(this_cpu(), va, e);
			flush_va_local(va);
		}
	}
	*had = (u8)used;
}

/* The frames are writable for the CPU alone (it sets accessed bits): no guest can write a PT_seg. */
void arch_load_gdt(struct vcpu *v)
{
	if (v == current_vcpu())
		map_window(percpu_area(this_cpu()) + PC_GDT_OFFSET, v->pv.gdt_frames,
			   DIV_ROUND_UP(v->pv.gdt_ents, 512), &windows[this_cpu()][0]);
}

void arch_load_ldt(struct vcpu *v)
{
	u64 base = percpu_area(this_cpu()), ldt = base + PC_LDT_OFFSET;
	unsigned int ents = v->pv.ldt_ents;

	if (v != current_vcpu())
		return;
	map_window(ldt, v->pv.ldt_frames, DIV_ROUND_UP(ents, 512), &windows[this_cpu()][1]);
	if (ents)
		set_system_desc((u64 *)(base + HV_GDT_OFFSET), HV_LDT_SEL, ldt, ents * 8 - 1, 0x82);
	__asm__ __volatile__("lldt %w0" : : "r"(ents ? HV_LDT_SEL : 0));
}

/*
 * How this CPU is entered from now on. A CPU that goes idle keeps what it has: from ring 0 the entries
 * of all modes do the same.
 */
void load_mode(unsigned int cpu, unsigned int mode)
{
	static u8 loaded[NR_CPUS];	/* mode + 1; 0: none yet */
	u64 base = percpu_area(cpu);
	struct tss *tss = (struct tss *)(base + PC_TSS_OFFSET);
	struct table_ptr idtr = { sizeof(idts[0]) - 1, (u64)idts[mode] };

	if (loaded[cpu] == mode + 1)
		return;
	loaded[cpu] = (u8)(mode + 1);
	__asm__ __volatile__("lidt %0" : : "m"(idtr));
	tss->rsp[0] = mode == MODE_FULL ? (u64)&cpu_info_of(cpu)->guest.es :
		base + PC_ENTRY_OFFSET + EP_STACK_TOP;
	wrmsr(MSR_LSTAR, mode == MODE_FULL ? base + PC_STUB_OFFSET :
	      mode == MODE_RING1 ? (u64)ring1_syscall : (u64)restricted_syscall);
	wrmsr(MSR_CSTAR, mode == MODE_FULL ? base + PC_STUB_OFFSET + SYSCALL_STUB_SIZE :
	      (u64)restricted_syscall_compat);
	/* AMD has no SYSENTER in long mode; restricted roots do not offer it */
	if (cpu_feat.vendor == V_intel)
		wrmsr(MSR_SYSENTER_CS, mode == MODE_FULL ? HV_CS : 0);
}

void cpu_load_tables(unsigned int cpu)
{
	u64 base = percpu_area(cpu);
	struct table_ptr gdtr = { 15 * PAGE_SIZE - 1, base + PC_GDT_OFFSET };

	for (unsigned int mode = 0; mode < ARRAY_SIZE(idts) && !idts[mode][0].sel; mode++)
		idt_init(mode);
	set_system_desc((u64 *)(base + HV_GDT_OFFSET), HV_TSS_SEL, base + PC_TSS_OFFSET,
			WITHOUT(10) ? PAGE_SIZE - 1 : sizeof(struct tss) - 1, 0x89);
	__asm__ __volatile__(
		"lgdt %0\n"
		"push %1; lea 1f(%%rip), %%rax; push %%rax; lretq\n"
		"1: mov %2, %%ds; mov %2, %%es; mov %2, %%ss; mov %2, %%fs; mov %2, %%gs\n"
		"ltr %w3; lldt %w2\n"
		: : "m"(gdtr), "i"(HV_CS), "r"(0), "r"(HV_TSS_SEL) : "rax", "memory");
	wrmsr(MSR_STAR, (u64)GUEST_CS32 << 48 | (u64)HV_CS << 32);
	wrmsr(MSR_FMASK, X86_RFLAGS_TF | X86_RFLAGS_IF | X86_RFLAGS_DF |
			 (WITHOUT(5) ? 0 : X86_RFLAGS_NT) |
			 X86_RFLAGS_AC | X86_RFLAGS_RF | X86_RFLAGS_VM | X86_RFLAGS_IOPL);
	if (cpu_feat.vendor == V_intel) {
		wrmsr(MSR_SYSENTER_ESP, (u64)&cpu_info_of(cpu)->guest.es);
		wrmsr(MSR_SYSENTER_EIP, (u64)sysenter_entry);
	}
	load_mode(cpu, restricted_roots ? MODE_RESTRICTED : MODE_FULL);
}
