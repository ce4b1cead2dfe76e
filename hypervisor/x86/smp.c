/* SPDX-License-Identifier: MIT */
/*
 * Job:    the other processors: number them, start them (INIT, STARTUP twice), bring them to their
 *         idle loop.
 * Enter:  boot/start.c; the trampoline leads to start_secondary().
 * State:  cpu_online_map; the trampoline's parameters while a CPU starts.
 * Locks:  none: one CPU is started at a time.
 * Holds:  SM1  a bit of cpu_online_map is set only when the CPU answers requests (arch_poll).
 * Tests:  tests/linux with several CPUs
 */
#include <hv/acpi.h>
#include <hv/debug.h>
#include <hv/multiboot.h>
#include <hv/string.h>
#include "machine.h"

cpumask_t cpu_online_map = 1;
unsigned int nr_cpus_present = 1;

/* A CPU's first code, a page below 1 MiB, which boot_l4 maps one to one; one CPU at a time uses it. */
extern char trampoline_start[], trampoline_end[], trampoline_params[];
struct trampoline_params {
	u64 cr3, stack, entry;		/* what to run on, what to call */
	u16 gdt_limit;			/* pointers that the code loads, relative to the page at first */
	u32 gdt_base;
	u32 prot_eip;
	u16 prot_cs;
	u32 long_eip;
	u16 long_cs;
} __packed;

static u32 cpu_started;			/* number of the CPU that has reached C, 0: none yet */
static bool cpu_refused;

/* This CPU's APIC id, before its APIC is mapped. */
static u32 initial_apic_id(void)
{
	struct cpuid_leaf l = { 0 };

	if (cpu_feat.max_leaf >= 0xb)
		l = arch_cpuid(0xb, 0);
	return l.b ? l.d : arch_cpuid(1, 0).b >> 24;
}

/* CPU 0 is the one that booted; the others in ACPI's order. */
void smp_init(void)
{
	unsigned int i, limit = min(opt_maxcpus ?: NR_CPUS, (unsigned int)NR_CPUS);

	cpu_apicid[0] = initial_apic_id();
	for (i = 0; i < acpi_info.nr_cpus; i++) {
		const struct acpi_cpu *c = &acpi_info.cpus[i];

		if (c->apic_id == cpu_apicid[0]) {
			cpu_acpi_id[0] = c->acpi_id;
		} else if (nr_cpus_present < limit) {
			cpu_apicid[nr_cpus_present] = c->apic_id;
			cpu_acpi_id[nr_cpus_present++] = c->acpi_id;
		}
	}
}

/* On the new CPU: its own stack, the hypervisor's tables. Refused before it may lack a CR4 bit. */
static void __noreturn start_secondary(void)
{
	unsigned int cpu = this_cpu();

	cpu_refused = !cpu_check_same();
	if (!cpu_refused) {
		cpu_setup();
		cpu_load_tables(cpu);
		apic_init_cpu();
	}
	__atomic_store_n(&cpu_started, cpu, __ATOMIC_RELEASE);
	if (cpu_refused)
		cpu_stop();
	tsc_sync_new_cpu(cpu);
	tlb_enter_hv_root();
	atomic_or(&cpu_online_map, BIT(cpu));
	enter_guest();		/* the idle loop */
}

static bool wait_for_start(unsigned int cpu, unsigned int ms)
{
	while (ms-- && __atomic_load_n(&cpu_started, __ATOMIC_ACQUIRE) != cpu)
		delay_us(1000);
	return __atomic_load_n(&cpu_started, __ATOMIC_ACQUIRE) == cpu;
}

static void boot_cpu(unsigned int cpu, u64 page, struct trampoline_params *p)
{
	u32 id = cpu_apicid[cpu];

	if (percpu_setup(cpu)) {
		log_err("CPU %u: no memory\n", cpu);
		return;
	}
	sched_init_cpu(cpu);
	timers_init_cpu(cpu);
	trace_init_cpu(cpu);
	cpu_info_of(cpu)->current = idle_vcpu[cpu];
	p->stack = (u64)cpu_info_of(cpu);
	cpu_started = 0;
	cpu_refused = false;
	smp_mb();
	apic_send(id, SEND_INIT);
	delay_us(10000);
	apic_send(id, SEND_STARTUP | page >> PAGE_SHIFT);
	if (!wait_for_start(cpu, 1))
		apic_send(id, SEND_STARTUP | page >> PAGE_SHIFT);
	/* emulators with few host CPUs need a good part of a second */
	if (!wait_for_start(cpu, 3000) || cpu_refused) {
		log_err("CPU %u (APIC id %u) %s\n", cpu, id,
			cpu_refused ? "lacks features of the first" : "does not start");
		apic_send(id, SEND_INIT);
		return;
	}
	tsc_sync_boot_cpu();
	while (!(READ_ONCE(cpu_online_map) & BIT(cpu)))
		cpu_relax();
}

void smp_boot_others(const struct boot_info *bi)
{
	u64 page = boot_find_memory(bi, PAGE_SIZE, KiB(64), KiB(636));
	u8 *code = maddr_to_virt(page);
	struct trampoline_params *p = (void *)(code + (trampoline_params - trampoline_start));

	if (nr_cpus_present == 1)
		return;
	if (!page) {
		log_err("No page below 640 KiB to start the other CPUs from\n");
		return;
	}
	memcpy(code, trampoline_start, (size_t)(trampoline_end - trampoline_start));
	p->gdt_base += (u32)page;
	p->prot_eip += (u32)page;
	p->long_eip += (u32)page;
	p->cr3 = mfn_x(virt_to_mfn(hv_root)) << PAGE_SHIFT;
	p->entry = (u64)start_secondary;
	for (unsigned int cpu = 1; cpu < nr_cpus_present; cpu++)
		boot_cpu(cpu, page, p);
	log_info("CPUs: %u of %u are up\n", __builtin_popcountl(cpu_online_map), nr_cpus_present);
}
