/* SPDX-License-Identifier: MIT */
/*
 * From the loader to dom0: the order in which everything is set up.
 *
 * Job:    start_parapet() on the boot stack, then boot_cpu_main() on this CPU's own.
 * Enter:  boot/head.S.
 * State:  the boot information, and what the options set.
 * Locks:  boot runs alone until smp_boot_others().
 * Holds:  ST1  whatever the loader, a module or an option says ends in dom0 running or in one line
 *              that says what is wrong and what to do.
 * Tests:  tests/linux (every boot path), tests/linux bad-input cases
 */
#include <xen.h>
#include <memory.h>
#include <hv/acpi.h>
#include <hv/build_dom0.h>
#include <hv/clock.h>
#include <hv/debug.h>
#include <hv/domain.h>
#include <hv/elf.h>
#include <hv/errno.h>
#include <hv/evtchn.h>
#include <hv/hypercall.h>
#include <hv/memory.h>
#include <hv/multiboot.h>
#include <hv/options.h>
#include <hv/page_alloc.h>
#include <hv/pv.h>
#include <hv/sched.h>
#include <hv/softirq.h>
#include <hv/string.h>
#include <hv/unpack.h>
#include "context.h"
#include "cpu.h"
#include "machine.h"
#include "paging.h"

void start_parapet(u32 magic, u64 mbi) __noreturn;

extern u64 boot_tsc_start;
static struct boot_info boot_info;

/* Before paging_init(): the first 4 GiB are mapped. After it: RAM and ACPI memory. */
static const void *map_low(void *ctx, u64 maddr, u64 len)
{
	if (maddr + len < maddr || maddr + len > GiB(4))
		return NULL;
	return maddr_to_virt(maddr);
}

static const void *map_acpi(u64 maddr, u64 len)
{
	return map_low(NULL, maddr, len);
}

static void __noreturn refuse_boot(const char *why)
{
	panic("%s", why);
}

/* --- memory that others want to know of --- */

static void keep_memory_map(void)
{
	unsigned int i;

	for (i = 0; i < boot_info.nr_raw && i < MAX_MACHINE_E820; i++) {
		machine_e820[i].addr = boot_info.raw[i].base;
		machine_e820[i].size = boot_info.raw[i].len;
		machine_e820[i].type = boot_info.raw[i].type;
	}
	nr_machine_e820 = i;
}

/* The hardware domain may map every frame that is no RAM, but for the interrupt controllers. */
static int grant_io(struct domain *d)
{
	unsigned int i;
	int rc;

	rc = iorange_permit(&d->iomem, 0, (1UL << (cpu_feat.phys_bits - PAGE_SHIFT)) - 1);
	if (!rc)
		rc = iorange_deny(&d->iomem, PFN_DOWN(acpi_info.lapic_maddr ?: 0xfee00000UL),
				  PFN_DOWN(acpi_info.lapic_maddr ?: 0xfee00000UL));
	for (i = 0; !rc && i < acpi_info.nr_ioapics; i++)
		rc = iorange_deny(&d->iomem, PFN_DOWN(acpi_info.ioapics[i].maddr),
				  PFN_DOWN(acpi_info.ioapics[i].maddr));
	return rc;
}

/* --- dom0 --- */

static size_t vga_info(struct dom0_vga_console_info *v)
{
	const struct boot_video *bv = &boot_info.video;

	memset(v, 0, sizeof(*v));
	if (!bv->valid || bv->text) {
		if (boot_info.efi)
			return 0;
		v->video_type = XEN_VGATYPE_TEXT_MODE_3;
		v->u.text_mode_3.font_height = 16;
		v->u.text_mode_3.rows = 25;
		v->u.text_mode_3.columns = 80;
		v->u.text_mode_3.cursor_y = 24;
		return sizeof(*v);
	}
	v->video_type = boot_info.efi ? XEN_VGATYPE_EFI_LFB : XEN_VGATYPE_VESA_LFB;
	v->u.vesa_lfb.width = (u16)bv->width;
	v->u.vesa_lfb.height = (u16)bv->height;
	v->u.vesa_lfb.bytes_per_line = (u16)bv->pitch;
	v->u.vesa_lfb.bits_per_pixel = bv->bpp;
	v->u.vesa_lfb.lfb_base = (u32)bv->addr;
	v->u.vesa_lfb.ext_lfb_base = (u32)(bv->addr >> 32);
	v->u.vesa_lfb.lfb_size = (u32)DIV_ROUND_UP((u64)bv->pitch * bv->height, 65536);
	v->u.vesa_lfb.red_pos = bv->red_pos;
	v->u.vesa_lfb.red_size = bv->red_size;
	v->u.vesa_lfb.green_pos = bv->green_pos;
	v->u.vesa_lfb.green_size = bv->green_size;
	v->u.vesa_lfb.blue_pos = bv->blue_pos;
	v->u.vesa_lfb.blue_size = bv->blue_size;
	return sizeof(*v);
}

static void release_module(const struct boot_module *m)
{
	page_alloc_add(_mfn(PFN_DOWN(m->start)), _mfn(PFN_UP(m->end)));
}

/* The unpacked kernel, until dom0 has its own copy. */
static struct { void *elf; unsigned int order; } unpacked;

static void free_unpacked(void *arg)
{
	free_hv_pages(unpacked.elf, unpacked.order);
}

static void __init create_dom0(void)
{
	const struct boot_module *km = &boot_info.modules[0], *im = &boot_info.modules[1];
	struct dom0_vga_console_info vga;
	struct dom0_params p = { 0 };
	const char *why = NULL;
	unsigned int order = 0;
	size_t len;
	void *elf;

	if (!boot_info.nr_modules)
		refuse_boot("No dom0 kernel: give it as the first module (GRUB: module2 /vmlinuz ...; "
			    "QEMU: -initrd \"vmlinuz args,initrd\")");
	len = unpacked_size(maddr_to_virt(km->start), km->end - km->start, &why);
	if (!len)
		refuse_boot(why);
	while (PAGE_SIZE << order < len)
		order++;
	elf = alloc_hv_pages(order);
	if (!elf)
		panic("No %lu MiB of contiguous memory to unpack dom0's kernel: give the machine more",
		      len >> 20);
	if (unpack_kernel(maddr_to_virt(km->start), km->end - km->start, elf, len, &len, &why))
		refuse_boot(why);
	release_module(km);

	unpacked.elf = elf;
	unpacked.order = order;
	p.release = free_unpacked;
	p.release_pages = 1UL << order;
	p.kernel = elf;
	p.kernel_len = len;
	p.cmdline = km->cmdline;
	if (boot_info.nr_modules > 1 && im->end > im->start) {
		if (im->start & ~PAGE_MASK)
			refuse_boot("The initrd is not page aligned: the loader ignored the header");
		p.initrd_start = im->start;
		p.initrd_len = im->end - im->start;
	}
	p.mem_pages = opt_dom0_mem.size >> PAGE_SHIFT;
	p.mem_min = opt_dom0_mem.min >> PAGE_SHIFT;
	p.mem_max = opt_dom0_mem.max >> PAGE_SHIFT;
	p.max_vcpus = (unsigned int)__builtin_popcountl(cpu_online_map);
	if (opt_dom0_max_vcpus.max)
		p.max_vcpus = min(p.max_vcpus, opt_dom0_max_vcpus.max);
	p.max_vcpus = max(p.max_vcpus, opt_dom0_max_vcpus.min);
	p.max_vcpus = max(p.max_vcpus, 1U);
	p.max_vcpus = min(p.max_vcpus, (unsigned int)MAX_VCPUS);
	if (boot_info.efi && boot_info.have_rsdp) {
		p.rsdp = boot_info.rsdp;
		p.rsdp_len = boot_info.rsdp_len;
	}
	p.vga = &vga;
	p.vga_size = vga_info(&vga);
	if (build_dom0(&p, &why))
		refuse_boot(why);
	if (grant_io(hardware_domain))
		refuse_boot("Too many I/O ranges (a hypervisor bug)");
}

/* --- the order of things --- */

static void report(void)
{
	u64 kept = hv_page_count();

	log_info("memory: %lu MiB of RAM, %lu KiB kept by the hypervisor, %lu MiB free\n",
		 total_pages >> 8, kept * 4, free_page_count() >> 8);
	printk("Parapet is up: %d CPU%s, %lu MiB RAM (%lu KiB ours), %lu M TSC ticks since entry\n",
	       __builtin_popcountl(cpu_online_map),
	       cpu_online_map & (cpu_online_map - 1) ? "s" : "", total_pages >> 8, kept * 4,
	       (rdtsc_now() - boot_tsc_start) / 1000000);
}

/* For a CPU that is about to start: its idle vcpu exists since domains_init(). */
int start_prepare_cpu(unsigned int cpu)
{
	sched_init_cpu(cpu);
	return timers_init_cpu(cpu);
}

/* On the new CPU: wait for work. */
void start_secondary(unsigned int cpu)
{
	enter_guest();
}

static void __noreturn __used boot_cpu_main(void)
{
	struct domain *d;

	get_cpu_info()->cpu = 0;
	domains_init();
	get_cpu_info()->current = idle_vcpu[0];
	fpu_init();
	vga_init(boot_info.efi ? NULL : maddr_to_virt(0xb8000));
	tsc_init();
	if (timers_init_cpu(0))
		panic("No memory for timers");
	apic_init();
	ioapic_init();
	irq_init();
	keys_init();
	uart_init_irq();
	pci_init();
	if (trace_init_cpu(0))
		log_warn("No memory for the trace buffer\n");
	sched_init();
	sched_init_cpu(0);
	clock_init();
	smp_boot_others();

	create_dom0();
	d = hardware_domain;
	clock_update_wallclock(d);
	free_init_sections();
	report();
	vga_init(NULL);			/* it is dom0's now */
	domain_unpause(d);
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
	const struct mb_reader reader = { map_low, NULL };
	const char *why = NULL;
	int rc;

	rc = multiboot_parse(magic, mbi, &reader, &boot_info, &why);
	options_parse(boot_info.cmdline);
	strlcpy(hv_cmdline, boot_info.cmdline, sizeof(hv_cmdline));
	uart_init();
	printk("Parapet " PARAPET_VERSION "\n");
	if (rc)
		refuse_boot(why);
	options_report();
	cpu_identify();
	cpu_setup();
	if (acpi_parse(boot_info.have_rsdp ? boot_info.rsdp : NULL, boot_info.rsdp_len, map_acpi,
		       &acpi_info))
		log_warn("ACPI: no usable tables; one CPU, no IO-APIC\n");
	smp_init();
	keep_memory_map();
	paging_init(&boot_info);
	if (percpu_setup(0))
		panic("No memory for the boot CPU's area");
	cpu_load_tables(0);
	switch_stack((void (*)(void))boot_cpu_main);
}
