/* SPDX-License-Identifier: MIT */
/*
 * Job:    what the files of x86/ offer each other and boot/start.c. While that calls the *_init()
 *         functions one CPU runs.
 * Tests:  all
 */
#ifndef X86_MACHINE_H
#define X86_MACHINE_H

#include <hv/irq.h>
#include <hv/pte.h>
#include "cpu.h"

struct boot_info;

/* boot/start.c: the machine or the loader is no good; one line, without the full stop. */
void refuse_boot(const char *fmt, ...) __printf(1, 2) __noreturn;

/* --- options; start.c sets them from the command line before the init functions --- */
extern bool opt_noreboot;		/* noreboot: halt after a panic */
extern unsigned int opt_maxcpus;	/* maxcpus=: CPUs to bring up, 0: all */
extern bool opt_x2apic;			/* x2apic=: use it although firmware did not switch to it */
bool ring1_parse(const char *arg);	/* ring1=: see arch_ring1_refused() */
extern bool opt_pcid;			/* pcid=: use tlb_tags where the CPU has them */
bool com1_parse(const char *arg), com2_parse(const char *arg);	/* these: false: not understood */
bool console_parse(const char *arg);
bool reboot_parse(const char *arg);

/* --- consoles (console.c) --- */
void uart_init(void);			/* before paging is final; port I/O only */
void uart_init_irq(void);		/* after irq_init(): receive interrupts */
void vga_init(void *text);		/* mapping of 0xb8000; NULL: none, or dom0 takes the screen */

/* --- time (tsc.c), after ACPI --- */
void tsc_init(void);			/* calibrate; now_ns() counts from here */
u64 ns_to_tsc(u64 ns);			/* the TSC of this CPU at that system time */
void tsc_sync_boot_cpu(void);		/* answers while a new CPU runs the other one */
void tsc_sync_new_cpu(unsigned int cpu);
void delay_us(u64 us);			/* after tsc_init() */

/* --- local APIC (apic.c) --- */
void apic_init(void);			/* boot CPU; calibrates the timer. After tsc_init() */
void apic_init_cpu(void);		/* each other CPU */
void apic_eoi(void);
#define SEND_FIXED	0x4000		/* commands (these all with the "assert" level): | vector */
#define SEND_NMI	0x4400
#define SEND_INIT	0x4500
#define SEND_STARTUP	0x4600		/* | page number: it begins there in real mode */
void apic_send(u32 apicid, u32 command);
void apic_send_mask(cpumask_t mask, u32 command);
u64 apic_msi_address(unsigned int cpu);	/* where a device writes to interrupt that CPU */

/* --- interrupts (apic.c, irq.c, msi.c) --- */
void ioapic_init(void);			/* masks every pin; sets nr_gsis */
void irq_init(void);			/* after ioapic_init() */
void i8259_mask(void);
void do_irq(struct cpu_user_regs *regs, unsigned int vector);	/* entry.S, vectors 0x20-0xff */
/* An interrupt of the hypervisor's own. fn runs with interrupts off and no lock held. -EBUSY ... */
int irq_request_isa(unsigned int isa, void (*fn)(void *), void *arg);
int ioapic_set_cpu(u32 gsi, unsigned int cpu);	/* where it goes; -ENXIO: no such line */
void ioapic_set_pin(u32 gsi, u8 vector, bool level, bool active_low, bool masked);	/* after it */
void msi_write(unsigned int slot, u8 vector, unsigned int cpu);	/* slot: irq - nr_gsis */
void msi_mask(unsigned int slot, bool mask);
void msi_describe(unsigned int slot);
void irq_reapply_msi(unsigned int slot);	/* message and mask as they should be */
int irq_reserve_msis(unsigned int nvec);	/* first slot: contiguous aligned vectors; -ENOSPC */
void irq_release_msis(unsigned int slot, unsigned int nvec);
#define NR_MSIS 192

/* --- other CPUs, TLB, FPU (smp.c, flush.c, fpu.c) --- */
void smp_init(void);			/* numbers the CPUs; before anything uses nr_cpus_present */
void smp_boot_others(const struct boot_info *bi);
extern unsigned int tlb_tags;		/* PCIDs in use (tags.c): 0 none, 2, with restricted roots 4 */
u64 tags_cr3(u64 root, bool user, bool copy);	/* to load it and keep what the TLB has of it */
void tags_load(u64 cr3);		/* load it, drop all guest entries */
void tags_flush(void);
void tlb_note_flush(void);		/* right before what drops all guest entries */
void tlb_enter_hv_root(void);		/* CR3 to hv_root (idle) ... */
void tlb_leave_hv_root(void);		/* ... before it goes to a guest's root again */
void fpu_init(void);			/* after cpu_setup() */
void fpu_save(struct vcpu *v);		/* v has this CPU's registers */
void fpu_restore(struct vcpu *v);

/* --- crashes (trap.c, debug/panic.c) --- */
void show_registers(const struct cpu_user_regs *r);
/* for a trap in the hypervisor that nothing explains: dump and stop */
void panic_regs(const struct cpu_user_regs *r, const char *fmt, ...) __printf(2, 3) __noreturn;
void crash_nmi(const struct cpu_user_regs *r);	/* the NMI handler: may not return */
void crash_stop_others(void);
void show_all_cpus(void);		/* debug key d */
void watchdog_init(void);
void watchdog_nmi(const struct cpu_user_regs *r);	/* returns unless this CPU hangs */
extern bool watchdog_rests;		/* somebody takes his time, and may */

/* --- the hypervisor's own page tables (paging.c) --- */
extern u64 *hv_root;			/* L4 of the hypervisor alone: idle CPUs, boot */
void paging_init(const struct boot_info *bi);	/* everything from the memory map; switch CR3 */
int map_hv_page(u64 va, u64 maddr, u64 flags);	/* one 4 KiB page of the hypervisor; -ENOMEM */
/* What maps 2^bits bytes at va, below table t (an entry: 2^top bytes); NULL: no memory. */
u64 *table_entry(u64 *t, unsigned int top, u64 va, unsigned int bits);
#define hv_entry(va, bits) table_entry(hv_root, 39, va, bits)
void *ioremap(u64 maddr, size_t len);	/* uncached; NULL: address space or memory ran out */
void free_init_sections(void);		/* once nothing at boot is to be done any more */

/* Interrupt vectors. 0x00-0x1f: exceptions; 0x20-0x2f: where the masked 8259s would report. */
#define VEC_LEGACY_FIRST	0x20
#define VEC_DEVICE_FIRST	0x30	/* but for VEC_INT80, which is the guests' */
#define VEC_DEVICE_LAST		0xef
#define VEC_INT80		0x80
#define VEC_TIMER		0xf8
#define VEC_RESCHED		0xf9	/* only makes the CPU pass its exit work */
#define VEC_CALL		0xfa	/* flush and call requests: arch_poll() */
#define VEC_APIC_ERROR		0xfe
#define VEC_SPURIOUS		0xff

/* The data selectors that are loaded, into a struct cpu_user_regs. */
#define READ_SELECTORS(r) \
	__asm__ __volatile__("mov %%ds, %0; mov %%es, %1; mov %%fs, %2; mov %%gs, %3" \
			     : "=m"((r)->ds), "=m"((r)->es), "=m"((r)->fs), "=m"((r)->gs))

/* --- desc.c --- */
int percpu_setup(unsigned int cpu);	/* map and fill the CPU's area; -ENOMEM */
void load_mode(unsigned int cpu, unsigned int mode);	/* of this CPU, cpu: MODE_* */
void cpu_load_tables(unsigned int cpu);	/* on that CPU: GDT, IDT, TSS, SYSCALL MSRs */

/* --- entry.S; the stubs have 16 bytes for each of the 256 vectors --- */
extern const char entry_stubs[], restricted_stubs[];
extern const char syscall_stubs[];	/* a template, see desc.c */
#define SYSCALL_STUB_SIZE 64
void exc_page_fault(void);		/* tries the direct path first */
void exc_double_fault(void), exc_nmi(void), exc_machine_check(void), exc_debug(void);
void sysenter_entry(void);
void ring1_page_fault(void), ring1_syscall(void);
void restricted_syscall(void), restricted_syscall_compat(void);
void __noreturn enter_guest(void);	/* leave through the exit path */

/* --- trap.c, called by entry.S --- */
void hv_exception(struct cpu_user_regs *regs);
void fatal_exception(struct cpu_user_regs *regs) __noreturn;
void hv_debug(struct cpu_user_regs *regs);
void guest_debug(struct cpu_user_regs *regs);
void guest_iret_refused(struct cpu_user_regs *regs);

/* --- restricted.c: restricted roots for CPUs with Meltdown, and for kernels in ring 1 --- */
extern u8 restricted_roots;		/* 1: ring-3 guests run on them too */
/* The CPU's private tables, after its area is mapped; -ENOMEM. */
int restricted_setup(unsigned int cpu, u64 idts, u64 idts_end);
void restricted_window(unsigned int cpu, u64 va, u64 pte);	/* a page of the GDT or LDT changed */
void restricted_prepare(const struct cpu_user_regs *regs);
void restricted_take_root(u64 cr3);	/* found by an entry from guest mode: ring 1 may have changed it */

#endif
