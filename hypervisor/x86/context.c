/* SPDX-License-Identifier: MIT */
/*
 * Job:    switching vcpus: arch_context_switch() and what changes a loaded vcpu's registers.
 * Enter:  core/sched.c (S2), pv/ through hv/arch.h.
 * State:  v->regs, v->pv, v->arch when not running; the CPU's registers and cpu_info.guest when.
 * Locks:  the caller's; interrupts off.
 * Holds:  C1  prev's state is whole in memory when arch_context_switch() returns: nothing is lazy.
 *         C2  GS: in guest kernel mode GS_BASE is the kernel's and KERNEL_GS_BASE the user's; in
 *             guest user mode the other way round (kernels in ring 1 do that themselves).
 *         C3  a CPU is in d->dirty_cpus while its TLB may hold entries of d.
 * Tests:  tests/guests/{fpu,smp,debugregs}.c
 */
#include <hv/pv.h>
#include <hv/string.h>
#include "machine.h"

#define BASE_ACCESS(seg, msr) \
static u64 read_##seg(void) \
{ \
	u64 v; \
	if (!cpu_feat.fsgsbase) \
		return rdmsr(msr); \
	__asm__ __volatile__("rd" #seg "base %0" : "=r"(v)); \
	return v; \
} \
static void write_##seg(u64 v) \
{ \
	if (cpu_feat.fsgsbase) \
		__asm__ __volatile__("wr" #seg "base %0" : : "r"(v)); \
	else \
		wrmsr(msr, v); \
}
BASE_ACCESS(fs, MSR_FS_BASE)
BASE_ACCESS(gs, MSR_GS_BASE)

/* Load a data selector; a descriptor that faults leaves the null selector. True: it faulted. */
#define LOAD_SEL(reg, val) ({ \
	u32 sel_ = (val), bad_ = 0; \
	__asm__ __volatile__("1: mov %w0, %%" #reg "\n2:\n" \
		     ON_FAULT("1b", "mov $1, %1\n xor %0, %0\n mov %w0, %%" #reg, "2b") \
		     : "+r"(sel_), "+r"(bad_) : : "memory"); \
	bad_; })

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

static void switch_out(struct vcpu *v)
{
	u64 gs = read_gs(), other = rdmsr(MSR_KERNEL_GS_BASE);

	v->regs = get_cpu_info()->guest;
	READ_SELECTORS(&v->regs);
	v->pv.fs_base = read_fs();
	v->pv.gs_base_kernel = kernel_gs_active(v) ? gs : other;
	v->pv.gs_base_user = kernel_gs_active(v) ? other : gs;
	if (v->pv.ts)
		clts();
	fpu_save(v);
	if (has_breakpoints(v))
		WRITE_DR(7, 0x400);
}

static u64 guest_cr3(const struct vcpu *v)
{
	return kernel_gs_active(v) ? v->pv.cr3_kernel : v->pv.cr3_user;
}

static void switch_in(struct vcpu *v)
{
	u32 bad;

	get_cpu_info()->guest = v->regs;
	atomic_or(&v->domain->dirty_cpus, BIT(this_cpu()));
	tlb_note_flush();
	tags_load(guest_cr3(v));
	load_mode(this_cpu(), v->pv.mode);
	arch_load_entries(v);
	arch_load_gdt(v);
	arch_load_ldt(v);
	bad = LOAD_SEL(ds, v->regs.ds) | LOAD_SEL(es, v->regs.es);
	bad |= LOAD_SEL(fs, v->regs.fs) | LOAD_SEL(gs, v->regs.gs);
	write_fs(v->pv.fs_base);
	write_gs(kernel_gs_active(v) ? v->pv.gs_base_kernel : v->pv.gs_base_user);
	wrmsr(MSR_KERNEL_GS_BASE, kernel_gs_active(v) ? v->pv.gs_base_user : v->pv.gs_base_kernel);
	load_tsc_aux(v);
	fpu_restore(v);
	if (v->pv.ts)
		stts();
	if (has_breakpoints(v))
		load_debugregs(v);
	/* the guest kernel hears of selectors whose descriptors are gone, and has the old values */
	if (unlikely(bad) && v->pv.failsafe_entry && v->pv.mode != MODE_RING1)
		bounce_failsafe(v, &get_cpu_info()->guest);
}

void arch_context_switch(struct vcpu *prev, struct vcpu *next)
{
	struct cpu_info *ci = get_cpu_info();

	trace(SWITCH, next->domain->id, next->id);
	if (prev->is_idle)
		tlb_leave_hv_root();
	else
		switch_out(prev);
	ci->current = next;
	if (next->is_idle)
		tlb_enter_hv_root();
	else
		switch_in(next);
	/* tags_load() has dropped prev's entries (guest entries are never global) */
	if (!prev->is_idle && prev->domain != next->domain)
		atomic_and(&prev->domain->dirty_cpus, ~BIT(ci->cpu));
}

void arch_load_root(struct vcpu *v, bool user)
{
	if (v != current_vcpu())
		return;
	if (v->pv.in_kernel != user)
		tags_load(guest_cr3(v));
	else if (tlb_tags)		/* without tags the next CR3 write drops the old one's entries */
		tags_flush();
}

u64 root_to_cr3(struct vcpu *v, mfn_t root, bool user)
{
	return tags_cr3(mfn_x(root) << PAGE_SHIFT, user, false);
}

void fill_hv_slots(u64 *l4)
{
	memcpy(l4 + HV_L4_FIRST, hv_root + HV_L4_FIRST, (HV_L4_LAST + 1 - HV_L4_FIRST) * 8);
	arch_root_changed(virt_to_mfn(l4));	/* it may have been another root before */
}

void arch_toggle_guest_mode(struct vcpu *v)
{
	v->pv.in_kernel = !v->pv.in_kernel;
	if (v == current_vcpu() && v->pv.mode != MODE_RING1) {
		__asm__ __volatile__("swapgs" ::: "memory");
		write_cr3(guest_cr3(v));
	}
}

/* Is that base the one in GS_BASE, not in KERNEL_GS_BASE, while v runs? */
static bool is_active_gs(const struct vcpu *v, unsigned int which)
{
	return kernel_gs_active(v) == (which == SEGBASE_GS_KERNEL);
}

static u64 *saved_base(struct vcpu *v, unsigned int which)
{
	return which == SEGBASE_FS ? &v->pv.fs_base :
	       which == SEGBASE_GS_USER ? &v->pv.gs_base_user : &v->pv.gs_base_kernel;
}

void arch_set_segment_base(struct vcpu *v, unsigned int which, u64 base)
{
	*saved_base(v, which) = base;
	if (v != current_vcpu())
		return;
	if (which == SEGBASE_FS)
		write_fs(base);
	else if (is_active_gs(v, which))
		write_gs(base);
	else
		wrmsr(MSR_KERNEL_GS_BASE, base);
}

u64 arch_get_segment_base(struct vcpu *v, unsigned int which)
{
	if (v != current_vcpu())
		return *saved_base(v, which);
	if (which == SEGBASE_FS)
		return read_fs();
	return is_active_gs(v, which) ? read_gs() : rdmsr(MSR_KERNEL_GS_BASE);
}

/* The current vcpu's user GS selector, as a process that used it before would find it loaded. */
void arch_load_user_gs_sel(unsigned int sel)
{
	__asm__ __volatile__("swapgs" ::: "memory");
	(void)LOAD_SEL(gs, sel);
	__asm__ __volatile__("swapgs" ::: "memory");
}

void arch_set_tsc_aux(struct vcpu *v, u32 val)
{
	v->pv.tsc_aux = val;
	if (v == current_vcpu())
		load_tsc_aux(v);
}

void arch_set_debugreg(struct vcpu *v, unsigned int reg, u64 val)
{
	v->pv.dr[reg] = val;
	if (v == current_vcpu())
		load_debugregs(v);
}

void arch_set_ts(struct vcpu *v, bool set)
{
	if (v->pv.ts == set)
		return;
	v->pv.ts = set;
	if (v == current_vcpu() && set)
		stts();
	else if (v == current_vcpu())
		clts();
}

/*
 * The hypercall page: stub n at n * 32. rcx and r11 are lost by SYSCALL, so the stub keeps them
 * for its caller; the iret stub leaves them, with rax, on the stack as the frame wants.
 */
void arch_fill_hypercall_page(void *page)
{
	/* push %rcx; push %r11; mov $n, %eax; syscall; pop %r11; pop %rcx; ret */
	static const u8 call[] = { 0x51, 0x41, 0x53, 0xb8, 0, 0, 0, 0, 0x0f, 0x05,
				   0x41, 0x5b, 0x59, 0xc3 };
	/* push %rcx; push %r11; push %rax; mov $n, %eax; syscall */
	static const u8 iret[] = { 0x51, 0x41, 0x53, 0x50, 0xb8, __HYPERVISOR_iret, 0, 0, 0,
				   0x0f, 0x05, 0xcc, 0xcc, 0xcc, 0xcc };
	unsigned int i;
	u8 *stub = page;

	memset(page, 0xcc, PAGE_SIZE);
	for (i = 0; i < PAGE_SIZE / 32; i++, stub += 32) {
		memcpy(stub, call, sizeof(call));
		stub[4] = (u8)i;
	}
	memcpy((u8 *)page + __HYPERVISOR_iret * 32, iret, sizeof(iret));
}
