/* SPDX-License-Identifier: MIT */
/*
 * Job:    from the loader to dom0, the order in which everything is set up: start_parapet() on the
 *         boot stack, then boot_cpu_main() on this CPU's own.
 * Enter:  boot/head.S. Boot runs alone until smp_boot_others().
 * State:  the boot information, and what the options set.
 * Holds:  ST1  whatever the loader, a module or an option says ends in dom0 running or in one line
 *              that says what is wrong and what to do.
 * Tests:  tests/linux (every boot path, bad-*)
 */
#include <hv/acpi.h>
#include <hv/clock.h>
#include <hv/control.h>
#include <hv/debug.h>
#include <hv/options.h>
#include <hv/page_alloc.h>
#include "machine.h"

void start_parapet(u32 magic, u64 mbi) __noreturn;

extern u64 boot_tsc_start;
static struct boot_info boot_info;

/* Before paging_init(): the first 4 GiB are mapped. After it: RAM and ACPI memory. */
static const void *map_low(u64 maddr, u64 len)
{
	return maddr + len < maddr || maddr + len > GiB(4) ? NULL : maddr_to_virt(maddr);
}

void refuse_boot(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printk("Parapet cannot boot: ");
	vprintk(fmt, ap);
	printk(". Halted.\n");
	arch_halt_all();
}

static void keep_memory_map(void)
{
	unsigned int i;

	for (i = 0; i < boot_info.nr_raw && i < MAX_MACHINE_E820; i++)
		machine_e820[i] = (struct e820_entry){ boot_info.raw[i].base, boot_info.raw[i].len,
						       boot_info.raw[i].type };
	nr_machine_e820 = i;
}

/* The hardware domain may map every frame that is no RAM, but for the interrupt controllers. */
static int grant_io(struct domain *d)
{
	u64 mfn = PFN_DOWN(acpi_info.lapic_maddr ?: 0xfee00000UL);
	int rc = iorange_permit(&d->iomem, 0, BIT(cpu_feat.phys_bits - PAGE_SHIFT) - 1) ?:
		 iorange_deny(&d->iomem, mfn, mfn);

	for (unsigned int i = 0; !rc && i < acpi_info.nr_ioapics; i++) {
		mfn = PFN_DOWN(acpi_info.ioapics[i].maddr);
		rc = iorange_deny(&d->iomem, mfn, mfn);
	}
	return rc;
}

/* What was said of the machine and could not be used, now that there is a console. */
static void report_losses(void)
{
	options_report();
	if (boot_info.cmdline_cut)
		log_warn("A command line is cut: the hypervisor's and each module's may have %d characters\n",
			 BOOT_CMDLINE_MAX - 1);
	if (boot_info.lost_modules || boot_info.lost_raw)
		log_warn("Ignored: %u modules (unreadable, overlapping or too many), %u entries of the memory "
			 "map (too many)\n", boot_info.lost_modules, boot_info.lost_raw);
}

static void find_acpi(void)
{
	if (acpi_parse(boot_info.rsdp_len ? boot_info.rsdp : NULL, boot_info.rsdp_len, map_low, &acpi_info))
		log_warn("ACPI: no usable tables; one CPU, no IO-APIC\n");
	if (acpi_info.bad_tables || acpi_info.lost_cpus)
		log_warn("ACPI: %u broken tables and %u CPUs beyond %d are ignored\n",
			 acpi_info.bad_tables, acpi_info.lost_cpus, ACPI_MAX_CPUS);
}

static void report(void)
{
	int cpus = __builtin_popcountl(cpu_online_map);

	printk("Parapet is up: %d CPU%s, %lu MiB RAM (%lu KiB ours), %lu M TSC ticks since entry\n", cpus,
	       cpus > 1 ? "s" : "", total_pages >> 8, hv_page_count() * 4,
	       (rdtsc_now() - boot_tsc_start) / 1000000);
}

static void __noreturn __used boot_cpu_main(void)
{
	const char *why;

	domains_init();
	get_cpu_info()->current = idle_vcpu[0];
	fpu_init();
	tsc_init();
	timers_init_cpu(0);
	apic_init();
	ioapic_init();
	irq_init();
	keys_init();
	uart_init_irq();
	trace_init_cpu(0);
	sched_init();
	sched_init_cpu(0);
	clock_init();
	smp_boot_others(&boot_info);

	why = build_dom0(&boot_info);
	if (why)
		refuse_boot("%s", why);
	if (grant_io(hardware_domain))
		refuse_boot("too many I/O ranges (a hypervisor bug)");
	clock_update_wallclock(hardware_domain);
	watchdog_init();
	free_init_sections();
	report();
	vga_init(NULL);			/* it is dom0's now */
	domain_unpause(hardware_domain);
	softirq_raise(SOFTIRQ_SCHED);
	enter_guest();
}

/* Leave the boot stack for the CPU's own, so that cpu_info is where entry.S expects it. */
static void __noreturn switch_stack(void (*fn)(void))
{
	struct cpu_info *ci = cpu_info_of(0);

	__asm__ __volatile__("mov %0, %%rsp\n"
			     "xor %%ebp, %%ebp\n"
			     "push %%rbp\n"
			     "jmp *%1\n"
			     : : "r"((u64)ci), "r"(fn) : "memory");
	__builtin_unreachable();
}

void start_parapet(u32 magic, u64 mbi)
{
	const char *why = multiboot_parse(magic, mbi, map_low, &boot_info);

	options_parse(boot_info.cmdline);
	snprintf(hv_cmdline, sizeof(hv_cmdline), "%s", boot_info.cmdline);
	uart_init();
	vga_init(boot_info.efi ? NULL : maddr_to_virt(0xb8000));
	printk("Parapet " PARAPET_VERSION "\n");
	if (why)
		refuse_boot("%s", why);
	report_losses();
	cpu_identify();
	cpu_setup();
	if (arch_ring1_refused())
		log_info("Kernels in ring 1: no, %s\n", arch_ring1_refused());
	find_acpi();
	smp_init();
	keep_memory_map();
	paging_init(&boot_info);
	if (percpu_setup(0))
		refuse_boot("no memory for the boot CPU's area; give the machine more");
	cpu_load_tables(0);
	switch_stack((void (*)(void))boot_cpu_main);
}
