/* SPDX-License-Identifier: MIT */
/*
 * Descriptor tables and the per-CPU area.
 *
 * Job:    each CPU's area at PERCPU_VIRT_START: GDT and LDT windows, TSS, SYSCALL stubs, stacks;
 *         the IDT; loading them; mapping a vcpu's GDT and LDT frames into the windows.
 * Enter:  boot/start.c, smp.c (percpu_setup, cpu_load_tables); context.c (windows).
 * State:  the areas; one IDT for all CPUs.
 * Locks:  set-up runs on one CPU; the windows are touched by their own CPU only.
 * Holds:  D4  the guest's GDT frames fill pages 0-13 of the window; unused ones show a page of zeroes,
 *             so that a selector beyond the guest's table gives #GP.
 *         D5  page 14 holds our descriptors alike on every CPU but for the TSS base.
 * Tests:  tests/guests/{descriptors,abuse_segments}.c
 */
#include <hv/debug.h>
#include <hv/errno.h>
#include <hv/page_alloc.h>
#include <hv/string.h>
#include "context.h"
#include "cpu.h"
#include "msr.h"
#include "paging.h"
#include "restricted.h"
#include "trap.h"

struct tss {
	u32 reserved0;
	u64 rsp[3];
	u64 reserved1;
	u64 ist[7];
	u64 reserved2;
	u16 reserved3, iobase;
} __packed;

static mfn_t zero_frame;		/* what unused pages of the windows show */

struct idt_entry { u16 off0, sel; u8 ist, attr; u16 off1; u32 off2, zero; };
static struct idt_entry idt[256] __aligned(PAGE_SIZE);

struct table_ptr { u16 limit; u64 base; } __packed;

#define DESC_CODE64_R0 0x00af9b000000ffffUL
#define DESC_DATA_R0   0x00cf93000000ffffUL
#define DESC_CODE32_R3 0x00cffb000000ffffUL
#define DESC_DATA_R3   0x00cff3000000ffffUL
#define DESC_CODE64_R3 0x00affb000000ffffUL
#define HV_PTE (PTE_P | PTE_RW | PTE_A | PTE_D | PTE_NX)

static u64 area(unsigned int cpu)
{
	return PERCPU_VIRT_START + ((u64)cpu << PERCPU_AREA_SHIFT);
}

static void set_gate(unsigned int vec, const void *fn, unsigned int dpl, unsigned int ist)
{
	u64 a = (u64)fn;

	idt[vec] = (struct idt_entry){ (u16)a, HV_CS, (u8)ist, (u8)(0x8e | dpl << 5),
				       (u16)(a >> 16), (u32)(a >> 32), 0 };
}

static void idt_init(void)
{
	unsigned int i;

#define X(name, vec) set_gate(vec, exc_##name, 0, 0);
	EXC_LIST(X)
#undef X
	for (i = 22; i < 0x20; i++)
		set_gate(i, exc_reserved, 0, 0);
	for (; i < 256; i++)
		set_gate(i, irq_stubs + (i - 0x20) * 16, 0, 0);
	/* INT3 and INTO of guests must not become #GP; other software interrupts do (bounce.c) */
	set_gate(3, exc_breakpoint, 3, 0);
	set_gate(4, exc_overflow, 3, 0);
	set_gate(8, exc_double_fault, 0, IST_DF);
	set_gate(2, exc_nmi, 0, IST_NMI);
	set_gate(18, exc_machine_check, 0, IST_MC);
	set_gate(1, exc_debug, 0, IST_DB);
	if (!restricted_roots)
		return;
	for (i = 0; i < 256; i++)
		set_gate(i, restricted_stubs + i * 16, i == 3 || i == 4 ? 3 : 0, 0);
	set_gate(8, restricted_double_fault, 0, IST_DF);
	set_gate(2, restricted_nmi, 0, IST_NMI);
	set_gate(18, restricted_machine_check, 0, IST_MC);
	set_gate(1, restricted_debug, 0, IST_DB);
}

/* Emit an instruction with a RIP-relative operand. */
static u8 *emit_rel(u8 *code, u64 *at, const char *op, unsigned int oplen, u64 target)
{
	s32 rel = (s32)(target - (*at + oplen + 4));

	memcpy(code, op, oplen);
	memcpy(code + oplen, &rel, 4);
	*at += oplen + 4;
	return code + oplen + 4;
}

#define STUB_SIZE 64

/*
 * One SYSCALL stub: save rsp in frame.rsp, point rsp at it, go on. With restricted roots frame.rsp
 * is not mapped yet: by way of the entry page, and the full root first.
 */
static void make_stub(u8 *p, u64 at, u64 base, u64 frame_rsp, const void *target)
{
	u64 ep = base + PC_ENTRY_OFFSET;

	if (restricted_roots) {
		p = emit_rel(p, &at, "\x48\x89\x25", 3, ep + EP_RSP);	/* mov %rsp, EP_RSP */
		p = emit_rel(p, &at, "\x48\x89\x05", 3, ep + EP_RAX);	/* mov %rax, EP_RAX */
		p = emit_rel(p, &at, "\x48\x8b\x05", 3, ep + EP_CR3_FULL);	/* mov EP_.., %rax */
		memcpy(p, "\x0f\x22\xd8", 3);				/* mov %rax, %cr3 */
		p += 3;
		at += 3;
		p = emit_rel(p, &at, "\x48\x8b\x05", 3, ep + EP_RAX);	/* mov EP_RAX, %rax */
		p = emit_rel(p, &at, "\x48\x8b\x25", 3, ep + EP_RSP);	/* mov EP_RSP, %rsp */
	}
	p = emit_rel(p, &at, "\x48\x89\x25", 3, frame_rsp);		/* mov %rsp, frame.rsp */
	p = emit_rel(p, &at, "\x48\x8d\x25", 3, frame_rsp);		/* lea frame.rsp, %rsp */
	emit_rel(p, &at, "\xe9", 1, (u64)target);			/* jmp target */
}

static void set_system_desc(u64 *gdt, unsigned int sel, u64 base, u32 limit, u8 type)
{
	u64 *d = gdt + ((sel - 0xe000) >> 3);

	d[0] = (limit & 0xffffUL) | (base & 0xffffff) << 16 | (u64)type << 40 |
	       (u64)(limit >> 16 & 15) << 48 | (base >> 24 & 0xff) << 56;
	d[1] = base >> 32;
}

int percpu_setup(unsigned int cpu)
{
	u64 base = area(cpu), frame_rsp;
	struct cpu_info *ci;
	struct tss *tss;
	u64 *gdt;
	u8 *stub, *stack;
	unsigned int i;

	if (!mfn_x(zero_frame)) {
		gdt = alloc_hv_pages(0);
		if (!gdt)
			return -ENOMEM;
		zero_frame = virt_to_mfn(gdt);
	}
	gdt = alloc_hv_pages(0);
	tss = alloc_hv_pages(0);
	stub = alloc_hv_pages(0);
	stack = alloc_hv_pages(STACK_SHIFT - PAGE_SHIFT);
	if (!gdt || !tss || !stub || !stack)
		return -ENOMEM;

	gdt[(HV_CS - 0xe000) >> 3] = DESC_CODE64_R0;
	gdt[(HV_CS + 8 - 0xe000) >> 3] = DESC_DATA_R0;
	gdt[(GUEST_CS32 - 0xe000) >> 3] = DESC_CODE32_R3;
	gdt[(GUEST_SS - 0xe000) >> 3] = DESC_DATA_R3;
	gdt[(GUEST_CS64 - 0xe000) >> 3] = DESC_CODE64_R3;
	set_system_desc(gdt, HV_TSS_SEL, base + PC_TSS_OFFSET, sizeof(*tss) - 1, 0x89);

	ci = (struct cpu_info *)(base + PC_STACK_OFFSET + STACK_SIZE) - 1;
	tss->rsp[0] = (u64)&ci->guest.es;
	for (i = IST_DF; i <= IST_DB; i++)
		tss->ist[i - 1] = base + PC_STACK_OFFSET + i * PAGE_SIZE;
	tss->iobase = sizeof(*tss);

	frame_rsp = (u64)&ci->guest.rsp;
	make_stub(stub, base + PC_STUB_OFFSET, base, frame_rsp,
		  restricted_roots ? restricted_syscall_entry : syscall_entry);
	make_stub(stub + STUB_SIZE, base + PC_STUB_OFFSET + STUB_SIZE, base, frame_rsp,
		  syscall_compat_entry);

	if (map_hv_page(base + PC_GDT_OFFSET + FIRST_HV_GDT_PAGE * PAGE_SIZE,
			(u64)gdt - DIRECTMAP_VIRT_START, HV_PTE) ||
	    map_hv_page(base + PC_TSS_OFFSET, (u64)tss - DIRECTMAP_VIRT_START, HV_PTE) ||
	    map_hv_page(base + PC_STUB_OFFSET, (u64)stub - DIRECTMAP_VIRT_START,
			PTE_P | PTE_A | PTE_D))
		return -ENOMEM;
	/* page 4 of the stack block stays a hole below the main stack */
	for (i = 0; i < STACK_SIZE / PAGE_SIZE; i++)
		if (i != 4 && map_hv_page(base + PC_STACK_OFFSET + i * PAGE_SIZE,
					  (u64)stack - DIRECTMAP_VIRT_START + i * PAGE_SIZE, HV_PTE))
			return -ENOMEM;
	/* make sure that the tables of the windows exist, so that mapping them cannot fail later */
	for (i = 0; i < 32; i++)
		if (i != FIRST_HV_GDT_PAGE &&
		    map_hv_page(base + i * PAGE_SIZE, mfn_x(zero_frame) << PAGE_SHIFT,
				PTE_P | PTE_A | PTE_D | PTE_NX))
			return -ENOMEM;
	ci->cpu = cpu;
	if (!restricted_roots)
		return 0;
	tss->rsp[0] = base + PC_ENTRY_OFFSET + EP_STACK_TOP;
	return restricted_setup(cpu, idt, (u64)&ci->guest.es);
}

static u64 *window_pte(u64 va)
{
	u64 *t = hv_root;

	t = mfn_to_virt(pte_mfn(t[L4_INDEX(va)]));
	t = mfn_to_virt(pte_mfn(t[L3_INDEX(va)]));
	t = mfn_to_virt(pte_mfn(t[L2_INDEX(va)]));
	return t + L1_INDEX(va);
}

static void map_window(unsigned int cpu, u64 va, const mfn_t *frames, unsigned int used,
		       unsigned int all)
{
	u64 *pte = window_pte(va), e, none = make_pte(zero_frame, PTE_P | PTE_A | PTE_D | PTE_NX);
	unsigned int i;

	for (i = 0; i < all; i++) {
		e = i < used && !mfn_eq(frames[i], INVALID_MFN) ?
		    make_pte(frames[i], PTE_P | PTE_RW | PTE_A | PTE_D | PTE_NX) : none;
		if (pte[i] != e) {
			pte[i] = e;
			restricted_window(cpu, va + i * PAGE_SIZE, e);
			invlpg(va + i * PAGE_SIZE);
		}
	}
}

/*
 * The frames are mapped writable for the CPU alone (it sets accessed bits); they are PT_seg, so no
 * guest can write them.
 */
void map_gdt_window(unsigned int cpu, const mfn_t *frames, unsigned int nr)
{
	map_window(cpu, area(cpu) + PC_GDT_OFFSET, frames, nr, NR_GUEST_GDT_PAGES);
}

void map_ldt_window(unsigned int cpu, const mfn_t *frames, unsigned int ents)
{
	u64 *gdt = (u64 *)(area(cpu) + PC_GDT_OFFSET + FIRST_HV_GDT_PAGE * PAGE_SIZE);
	u16 sel = 0;

	map_window(cpu, area(cpu) + PC_LDT_OFFSET, frames, (unsigned int)DIV_ROUND_UP(ents, 512), 16);
	if (ents) {
		set_system_desc(gdt, HV_LDT_SEL, area(cpu) + PC_LDT_OFFSET, ents * 8 - 1, 0x82);
		sel = HV_LDT_SEL;
	}
	__asm__ __volatile__("lldt %0" : : "r"(sel));
}

void cpu_load_tables(unsigned int cpu)
{
	u64 base = area(cpu);
	struct table_ptr gdtr = { 15 * PAGE_SIZE - 1, base + PC_GDT_OFFSET };
	struct table_ptr idtr = { sizeof(idt) - 1, (u64)idt };
	u64 *gdt = (u64 *)(base + PC_GDT_OFFSET + FIRST_HV_GDT_PAGE * PAGE_SIZE);

	if (!idt[0].sel)
		idt_init();
	/* LTR wants an available TSS: it marks it busy */
	set_system_desc(gdt, HV_TSS_SEL, base + PC_TSS_OFFSET, sizeof(struct tss) - 1, 0x89);
	__asm__ __volatile__(
		"lgdt %0\n"
		"lidt %1\n"
		"push %2\n"
		"lea 1f(%%rip), %%rax\n"
		"push %%rax\n"
		"lretq\n"
		"1: mov %3, %%ds; mov %3, %%es; mov %3, %%ss; mov %3, %%fs; mov %3, %%gs\n"
		"ltr %w4\n"
		"lldt %w3\n"
		: : "m"(gdtr), "m"(idtr), "i"(HV_CS), "r"(0), "r"(HV_TSS_SEL) : "rax", "memory");
	wrmsr(MSR_STAR, (u64)GUEST_CS32 << 48 | (u64)HV_CS << 32);
	wrmsr(MSR_LSTAR, base + PC_STUB_OFFSET);
	wrmsr(MSR_CSTAR, base + PC_STUB_OFFSET + STUB_SIZE);
	wrmsr(MSR_FMASK, X86_RFLAGS_TF | X86_RFLAGS_IF | X86_RFLAGS_DF | X86_RFLAGS_NT |
			 X86_RFLAGS_AC | X86_RFLAGS_RF | X86_RFLAGS_VM | X86_RFLAGS_IOPL);
	/* AMD has no SYSENTER in long mode; restricted roots do not offer it */
	if (cpu_feat.vendor == VENDOR_intel && !restricted_roots) {
		wrmsr(MSR_SYSENTER_CS, HV_CS);
		wrmsr(MSR_SYSENTER_ESP, (u64)&cpu_info_of(cpu)->guest.es);
		wrmsr(MSR_SYSENTER_EIP, (u64)sysenter_entry);
	}
}
