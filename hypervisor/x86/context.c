/* SPDX-License-Identifier: MIT */
/*
 * Switching vcpus: what of a guest lives in this CPU's registers.
 *
 * Job:    arch_context_switch() and the functions that change a loaded vcpu's registers.
 * Enter:  core/sched.c (S2), pv/ through hv/arch.h.
 * State:  v->regs, v->pv, v->arch when not running; the CPU's registers and cpu_info.guest when.
 * Locks:  the caller's; interrupts off.
 * Holds:  C1  prev's state is whole in memory when arch_context_switch() returns.
 *         C2  GS: in guest kernel mode GS_BASE is the kernel's and KERNEL_GS_BASE the user's; in
 *             guest user mode the other way round.
 *         C3  a CPU is in d->dirty_cpus while its TLB may hold entries of d.
 * Tests:  tests/guests/{fpu,smp,debugregs}.c
 */
#include <hv/debug.h>
#include <hv/errno.h>
#include <hv/page_alloc.h>
#include <hv/pv.h>
#include <hv/regs.h>
#include <hv/string.h>
#include "context.h"
#include "cpu.h"
#include "machine.h"
#include "msr.h"
#include "paging.h"

#define BASE_OP(name, insn) \
static inline u64 rd##name(void) \
{ \
	u64 v; \
	__asm__ __volatile__("rd" insn " %0" : "=r"(v)); \
	return v; \
} \
static inline void wr##name(u64 v) \
{ \
	__asm__ __volatile__("wr" insn " %0" : : "r"(v)); \
}
BASE_OP(fsbase, "fsbase")
BASE_OP(gsbase, "gsbase")
#undef BASE_OP

static u64 read_fs(void)
{
	return cpu_feat.fsgsbase ? rdfsbase() : rdmsr(MSR_FS_BASE);
}

static void write_fs(u64 v)
{
	if (cpu_feat.fsgsbase)
		wrfsbase(v);
	else
		wrmsr(MSR_FS_BASE, v);
}

static u64 read_gs(void)
{
	return cpu_feat.fsgsbase ? rdgsbase() : rdmsr(MSR_GS_BASE);
}

static void write_gs(u64 v)
{
	if (cpu_feat.fsgsbase)
		wrgsbase(v);
	else
		wrmsr(MSR_GS_BASE, v);
}

/* Load a data selector; a descriptor that faults leaves the null selector. True: it faulted. */
#define LOAD_SEL(reg, val) ({ \
	u32 sel_ = (val), bad_ = 0; \
	__asm__ __volatile__("1: mov %w0, %%" #reg "\n2:\n" \
		     ".pushsection .text.fixup, \"ax\"\n" \
		     "3: mov $1, %1\n xor %0, %0\n mov %w0, %%" #reg "\n jmp 2b\n" \
		     ".popsection\n" \
		     ".pushsection __ex_table, \"a\"\n.balign 8\n.quad 1b, 3b\n.popsection" \
		     : "+r"(sel_), "+r"(bad_) : : "memory"); \
	bad_ != 0; })

static void save_segments(struct vcpu *v)
{
	struct arch_vcpu *a = arch_of(v);
	u64 gs;

	__asm__ __volatile__("mov %%ds, %0; mov %%es, %1; mov %%fs, %2; mov %%gs, %3"
		     : "=m"(a->ds), "=m"(a->es), "=m"(a->fs), "=m"(a->gs));
	v->pv.fs_base = read_fs();
	gs = read_gs();
	if (v->pv.in_kernel) {
		v->pv.gs_base_kernel = gs;
		v->pv.gs_base_user = rdmsr(MSR_KERNEL_GS_BASE);
	} else {
		v->pv.gs_base_user = gs;
		v->pv.gs_base_kernel = rdmsr(MSR_KERNEL_GS_BASE);
	}
}

/* False: a selector could not be loaded. */
static bool load_segments(struct vcpu *v)
{
	struct arch_vcpu *a = arch_of(v);
	u16 ds, es, fs, gs;
	bool bad = false;

	__asm__ __volatile__("mov %%ds, %0; mov %%es, %1; mov %%fs, %2; mov %%gs, %3"
		     : "=m"(ds), "=m"(es), "=m"(fs), "=m"(gs));
	if (ds | a->ds)
		bad |= LOAD_SEL(ds, a->ds);
	if (es | a->es)
		bad |= LOAD_SEL(es, a->es);
	if (fs | a->fs)
		bad |= LOAD_SEL(fs, a->fs);
	if (gs | a->gs)
		bad |= LOAD_SEL(gs, a->gs);
	write_fs(v->pv.fs_base);
	write_gs(v->pv.in_kernel ? v->pv.gs_base_kernel : v->pv.gs_base_user);
	wrmsr(MSR_KERNEL_GS_BASE, v->pv.in_kernel ? v->pv.gs_base_user : v->pv.gs_base_kernel);
	return !bad;
}

#define WRITE_DR(n, v) __asm__ __volatile__("mov %0, %%db" #n : : "r"((u64)(v)))

static void load_debugregs(const struct vcpu *v)
{
	WRITE_DR(0, v->pv.dr[0]);
	WRITE_DR(1, v->pv.dr[1]);
	WRITE_DR(2, v->pv.dr[2]);
	WRITE_DR(3, v->pv.dr[3]);
	WRITE_DR(7, v->pv.dr[7] | 0x400);
}

static bool has_breakpoints(const struct vcpu *v)
{
	return v->pv.dr[7] & 0xff;
}

/* What RDTSCP and RDPID tell the guest; changes so rarely that the MSR write is worth avoiding. */
static u32 hw_tsc_aux[NR_CPUS];

static void load_tsc_aux(const struct vcpu *v)
{
	u32 *hw = &hw_tsc_aux[this_cpu()];

	if (cpu_feat.rdtscp && *hw != v->pv.tsc_aux) {
		*hw = v->pv.tsc_aux;
		wrmsr(MSR_TSC_AUX, *hw);
	}
}

void arch_set_tsc_aux(struct vcpu *v, u32 val)
{
	v->pv.tsc_aux = val;
	if (v == current_vcpu())
		load_tsc_aux(v);
}

static void switch_out(struct vcpu *v)
{
	v->regs = get_cpu_info()->guest;
	save_segments(v);
	v->regs.ds = arch_of(v)->ds;
	v->regs.es = arch_of(v)->es;
	v->regs.fs = arch_of(v)->fs;
	v->regs.gs = arch_of(v)->gs;
	if (v->pv.ts)
		clts();
	fpu_save(v);
	if (has_breakpoints(v))
		WRITE_DR(7, 0x400);
}

static void switch_in(struct vcpu *v)
{
	unsigned int cpu = this_cpu();
	bool sound;

	get_cpu_info()->guest = v->regs;
	atomic_or(&v->domain->dirty_cpus, BIT(cpu));
	tlb_note_flush();
	write_cr3(v->pv.in_kernel ? v->pv.cr3_kernel : v->pv.cr3_user);
	map_gdt_window(cpu, v->pv.gdt_frames, (unsigned int)DIV_ROUND_UP(v->pv.gdt_ents, 512));
	map_ldt_window(cpu, v->pv.ldt_frames, v->pv.ldt_ents);
	sound = load_segments(v);
	load_tsc_aux(v);
	fpu_restore(v);
	if (v->pv.ts)
		stts();
	if (has_breakpoints(v))
		load_debugregs(v);
	/* the guest kernel hears of selectors whose descriptors are gone, and has the old values */
	if (unlikely(!sound) && v->pv.failsafe_entry)
		bounce_failsafe(v, &get_cpu_info()->guest);
}

void arch_context_switch(struct vcpu *prev, struct vcpu *next)
{
	struct cpu_info *ci = get_cpu_info();

	trace(SWITCH, next->domain->id, next->id);
	if (!prev->is_idle)
		switch_out(prev);
	ci->current = next;
	if (prev->is_idle)
		tlb_leave_hv_root();
	if (!next->is_idle) {
		switch_in(next);
	} else {
		tlb_note_flush();
		write_cr3(virt_to_mfn(hv_root).m << PAGE_SHIFT);
		tlb_enter_hv_root();
	}
	/* the CR3 write has dropped prev's entries (guest entries are never global) */
	if (!prev->is_idle && prev->domain != next->domain)
		atomic_and(&prev->domain->dirty_cpus, ~BIT(ci->cpu));
}

int arch_vcpu_create(struct vcpu *v)
{
	v->arch = hv_alloc(sizeof(struct arch_vcpu));
	if (!v->arch)
		return -ENOMEM;
	if (v->is_idle)
		return 0;
	if (fpu_alloc(v)) {
		hv_free(v->arch);
		v->arch = NULL;
		return -ENOMEM;
	}
	return 0;
}

void arch_vcpu_destroy(struct vcpu *v)
{
	if (!v->arch)
		return;
	if (!v->is_idle)
		fpu_free(v);
	hv_free(v->arch);
	v->arch = NULL;
}

/* Nothing is switched lazily: a vcpu that does not run is whole in memory (C1). */
void arch_sync_vcpu(struct vcpu *v)
{
}

void arch_load_root(struct vcpu *v)
{
	if (v == current_vcpu() && v->pv.in_kernel)
		write_cr3(v->pv.cr3_kernel);
}

u64 root_to_cr3(struct vcpu *v, mfn_t root, bool user)
{
	return mfn_x(root) << PAGE_SHIFT;
}

void fill_hv_slots(u64 *l4)
{
	unsigned int i;

	for (i = HV_L4_FIRST; i <= HV_L4_LAST; i++)
		l4[i] = hv_root[i];
	arch_root_changed(NULL, INVALID_MFN);	/* the frame may have been another root before */
}

void arch_load_gdt(struct vcpu *v)
{
	if (v == current_vcpu())
		map_gdt_window(this_cpu(), v->pv.gdt_frames,
			       (unsigned int)DIV_ROUND_UP(v->pv.gdt_ents, 512));
}

void arch_load_ldt(struct vcpu *v)
{
	if (v == current_vcpu())
		map_ldt_window(this_cpu(), v->pv.ldt_frames, v->pv.ldt_ents);
}

void arch_toggle_guest_mode(struct vcpu *v)
{
	v->pv.in_kernel = !v->pv.in_kernel;
	if (v == current_vcpu()) {
		__asm__ __volatile__("swapgs" ::: "memory");
		write_cr3(v->pv.in_kernel ? v->pv.cr3_kernel : v->pv.cr3_user);
	}
}

void arch_set_segment_base(struct vcpu *v, unsigned int which, u64 base)
{
	bool loaded = v == current_vcpu();

	switch (which) {
	case SEGBASE_FS:
		v->pv.fs_base = base;
		if (loaded)
			write_fs(base);
		break;
	case SEGBASE_GS_USER:
		v->pv.gs_base_user = base;
		if (!loaded)
			break;
		if (v->pv.in_kernel)
			wrmsr(MSR_KERNEL_GS_BASE, base);
		else
			write_gs(base);
		break;
	case SEGBASE_GS_KERNEL:
		v->pv.gs_base_kernel = base;
		if (!loaded)
			break;
		if (v->pv.in_kernel)
			write_gs(base);
		else
			wrmsr(MSR_KERNEL_GS_BASE, base);
		break;
	}
}

u64 arch_get_segment_base(struct vcpu *v, unsigned int which)
{
	bool loaded = v == current_vcpu();

	switch (which) {
	case SEGBASE_FS:
		return loaded ? read_fs() : v->pv.fs_base;
	case SEGBASE_GS_USER:
		if (!loaded)
			return v->pv.gs_base_user;
		return v->pv.in_kernel ? rdmsr(MSR_KERNEL_GS_BASE) : read_gs();
	case SEGBASE_GS_KERNEL:
		if (!loaded)
			return v->pv.gs_base_kernel;
		return v->pv.in_kernel ? read_gs() : rdmsr(MSR_KERNEL_GS_BASE);
	}
	return 0;
}

/* The current vcpu's user GS selector, as a process that used it before would find it loaded. */
void arch_load_user_gs_sel(unsigned int sel)
{
	__asm__ __volatile__("swapgs" ::: "memory");
	(void)LOAD_SEL(gs, sel);
	__asm__ __volatile__("swapgs" ::: "memory");
}

void arch_set_debugreg(struct vcpu *v, unsigned int reg, u64 val)
{
	bool had = has_breakpoints(v);

	v->pv.dr[reg] = val;
	if (v != current_vcpu())
		return;
	if (has_breakpoints(v))
		load_debugregs(v);
	else if (had)
		WRITE_DR(7, 0x400);
}

void arch_set_ts(struct vcpu *v, bool set)
{
	if (v->pv.ts == set)
		return;
	v->pv.ts = set;
	if (v == current_vcpu()) {
		if (set)
			stts();
		else
			clts();
	}
}

/*
 * The hypercall page: stub n at n * 32. rcx and r11 are lost by SYSCALL, so the stub keeps them
 * for its caller; the iret stub leaves them, with rax, on the stack as the frame wants.
 */
void arch_fill_hypercall_page(void *page)
{
	unsigned int i;
	u8 *p;

	memset(page, 0xcc, PAGE_SIZE);
	for (i = 0; i < PAGE_SIZE / 32; i++) {
		p = (u8 *)page + i * 32;
		*p++ = 0x51;					/* push %rcx */
		*p++ = 0x41; *p++ = 0x53;			/* push %r11 */
		if (i == __HYPERVISOR_iret)
			*p++ = 0x50;				/* push %rax */
		*p++ = 0xb8;					/* mov $i, %eax */
		memcpy(p, &i, 4);
		p += 4;
		*p++ = 0x0f; *p++ = 0x05;			/* syscall */
		if (i == __HYPERVISOR_iret)
			continue;
		*p++ = 0x41; *p++ = 0x5b;			/* pop %r11 */
		*p++ = 0x59;					/* pop %rcx */
		*p++ = 0xc3;					/* ret */
	}
}
