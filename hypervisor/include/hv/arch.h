/* SPDX-License-Identifier: MIT */
/*
 * Job:    the seam, everything that core/, pv/ and control/ need of the machine: hypervisor/x86
 *         implements it, and tests/host/arch_host.c over simulated memory. What must be inline is
 *         in arch_inline.h, which the include path resolves (hypervisor/x86 or tests/host).
 * Holds:  A1  nothing here takes a lock with a rank below RANK_FLUSH.
 * Tests:  every host test
 */
#ifndef HV_ARCH_H
#define HV_ARCH_H

#include <hv/types.h>

struct vcpu;
struct domain;
struct cpu_user_regs;

#include "arch_inline.h"

/*
 * Guest memory: the current vcpu's address space. 0 or -EFAULT (nothing is promised about a
 * partial copy). The range must not touch the hypervisor's slots (copy_from may read the M2P's).
 */
int __must_check copy_from_guest(void *dst, gva_t src, size_t n);
int __must_check copy_to_guest(gva_t dst, const void *src, size_t n);
int __must_check clear_guest(gva_t dst, size_t n);
#define copy_field_to_guest(base, type, field, valp) \
	copy_to_guest(_gva(gva_x(base) + offsetof(type, field)), (valp), sizeof(((type *)0)->field))

/* --- TLB --- */
void flush_tlb_local(void);		/* this CPU's, of all guest mappings */
void flush_va_local(u64 va);		/* one page, in the current vcpu's kernel and user roots */
/* On all CPUs of mask (this one included), and wait. va == FLUSH_ALL: everything. */
#define FLUSH_ALL (~0UL)
void flush_tlb_mask(cpumask_t mask, u64 va);
/*
 * The flush clock: tlb_clock_now() is a stamp "entries dropped now may still be cached";
 * tlb_stale(mask, stamp) gives those CPUs of mask that have not flushed since. The clock is
 * never 0; stamp 0 means "never mapped": nobody is stale then.
 */
cpumask_t tlb_stale(cpumask_t mask, u32 stamp);
void flush_cache(bool all);		/* WBINVD; all: on every CPU */

/* --- other CPUs --- */
extern cpumask_t cpu_online_map;
extern unsigned int nr_cpus_present;
extern u32 cpu_apicid[NR_CPUS], cpu_acpi_id[NR_CPUS];
void send_resched_ipi(unsigned int cpu);	/* make it leave guest mode or its halt */
void call_on_cpus(cpumask_t mask, void (*fn)(void *), void *arg);	/* waits; not this CPU */
void arch_poll(void);			/* answer remote requests; called while spinning */
/* Around a wait for a lock, in which no guest memory is touched: flushes here are put off. */
void arch_spin_begin(void);
void arch_spin_end(void);

/* --- time --- */
u64 now_ns(void);			/* system time: nanoseconds since boot, monotonic per system */
u64 tsc_to_ns(u64 tsc);
void arch_set_timer(u64 deadline_ns);	/* program this CPU's interrupt; past: now; never 0 */
struct time_scale { u64 tsc_base, ns_base; u32 mul; s8 shift; };
const struct time_scale *arch_time_scale(void);	/* for pvclock: of this CPU */
u32 arch_tsc_khz(void);
bool arch_tsc_stable(void);		/* one constant rate and one value on all CPUs */
u64 arch_read_wallclock(void);		/* CMOS: seconds since 1970 */

/* --- running --- */
/* Take interrupts now; only where no lock is held and the guest frame is consistent. */
void irq_window(void);
/* Sleep until an interrupt unless a softirq is pending; interrupts are off before and after. */
void arch_idle(void);
void arch_context_switch(struct vcpu *prev, struct vcpu *next);
void __noreturn arch_shutdown(bool reboot);
void __noreturn arch_halt_all(void);

/* --- vcpu state that only the machine can hold; all act on any vcpu, loaded or not --- */
int arch_vcpu_create(struct vcpu *v);		/* FPU area ...; -ENOMEM */
void arch_vcpu_destroy(struct vcpu *v);
/* v's kernel or user root is another or to be flushed: if v is current, load it, drop old entries. */
void arch_load_root(struct vcpu *v, bool user);
/*
 * An entry of the guest L4 frame was changed, or its pin goes: private copies (restricted roots) are stale, and no
 * longer on offer to ring 1. Returns the CPUs that have some. Call it before what goes is let go of.
 */
cpumask_t arch_root_changed(mfn_t root);
unsigned int arch_audit(void);			/* of these offers: errors found */
void arch_load_gdt(struct vcpu *v);		/* guest GDT frames changed: map them if v is current */
void arch_load_ldt(struct vcpu *v);
/* which: 0 FS, 1 GS user, 2 GS kernel (SEGBASE_*) ; address already checked canonical */
void arch_set_segment_base(struct vcpu *v, unsigned int which, u64 base);
u64 arch_get_segment_base(struct vcpu *v, unsigned int which);
void arch_load_user_gs_sel(unsigned int sel);	/* SEGBASE_GS_USER_SEL */
void arch_set_debugreg(struct vcpu *v, unsigned int reg, u64 val);	/* checked value */
void arch_set_ts(struct vcpu *v, bool set);	/* virtual CR0.TS */
void arch_set_tsc_aux(struct vcpu *v, u32 val);	/* the CPU has RDTSCP */
int arch_set_xcr0(struct vcpu *v, u64 xcr0);	/* -EINVAL */
/* switch v (current) between guest kernel and guest user: CR3 and GS; flips v->pv.in_kernel */
void arch_toggle_guest_mode(struct vcpu *v);
/* Why no guest may have its kernel in ring 1 here, or NULL. */
const char *arch_ring1_refused(void);
/* v's mode, page or handlers changed: if it is current and in ring 1, make entries use them. */
void arch_load_entries(struct vcpu *v);
/* A 512-byte FXSAVE image from a guest: what hardware would refuse is cleared. v is not loaded. */
void arch_set_fpu(struct vcpu *v, const void *fxsave_image);
void arch_get_fpu(struct vcpu *v, void *fxsave_image);	/* the same the other way */
/* Print what is known of a guest that crashed, current or not. */
void show_guest_crash(struct vcpu *v, const struct cpu_user_regs *r);
void arch_fill_hypercall_page(void *page);	/* 4 KiB, a RAM page of the guest */

/* --- CPUID, MSRs, ports for emulation (pv/cpuid.c, privop.c) --- */
struct cpuid_leaf { u32 a, b, c, d; };
struct cpuid_leaf arch_cpuid(u32 leaf, u32 sub);	/* the hardware's answer */
int arch_rdmsr_safe(u32 msr, u64 *val);		/* -EFAULT on #GP */
int arch_wrmsr_safe(u32 msr, u64 val);
u32 arch_io_read(u16 port, unsigned int size);
void arch_io_write(u16 port, unsigned int size, u32 val);
bool arch_port_is_ours(u16 port);		/* a device of the hypervisor's own (its UART) */

/* Sleep state 5 with the values for PM1a/PM1b control. -EOPNOTSUPP for other states, -EIO. */
int arch_acpi_enter_sleep(u32 pm1a, u32 pm1b, unsigned int state);
mfn_t arch_m2p_frame(u64 n);		/* holds the n-th 2 MiB of the M2P; INVALID_MFN: a hole */
void arch_console_putc(char c);		/* under printk: com1/vga as configured, polled */

/* --- the other direction: what the machine layer calls --- */
/* An exception in guest mode (pv/bounce.c); #UD and page faults have their own. */
void guest_exception(struct cpu_user_regs *regs, unsigned int vector);
void guest_invalid_op(struct cpu_user_regs *regs);
void guest_page_fault(struct cpu_user_regs *regs, u64 cr2);
/* SYSCALL from guest user mode, the long way; compat = 32-bit SYSCALL; SYSENTER. */
void guest_syscall(struct cpu_user_regs *regs, bool compat);
void guest_sysenter(struct cpu_user_regs *regs);
void exit_to_guest_work(struct cpu_user_regs *regs);	/* before guest mode, something is pending */
void console_input(char c);			/* a character on the console UART (debug/keys.c) */

#endif
