/* SPDX-License-Identifier: MIT */
/*
 * Job:    reboot by what the machine has (ACPI reset register, port cf9, keyboard controller,
 *         triple fault); S5 with the values that dom0 found in its tables; halt.
 * Enter:  core/domain.c when dom0 shuts down, platform_op, panic.c, debug key R.
 * Locks:  none; the other CPUs are stopped first.
 * Tests:  tests/linux (poweroff, reboot)
 */
#include <hv/acpi.h>
#include <hv/debug.h>
#include "machine.h"

#define SLP_EN 0x2000

static char reboot_method;		/* first letter of reboot=; 0: all in turn */

bool reboot_parse(const char *arg)
{
	if (arg[0] == 'n')
		opt_noreboot = true;
	else
		reboot_method = arg[0];
	return true;
}

void arch_halt_all(void)
{
	crash_stop_others();
	cpu_stop();
}

static void reset_by_acpi(void)
{
	u64 addr = acpi_info.reset_addr;
	u8 val = acpi_info.reset_value, *p;

	if (!acpi_info.have_reset)
		return;
	if (acpi_info.reset_space == ACPI_SPACE_IO) {
		outb((u16)addr, val);
	} else if (acpi_info.reset_space == ACPI_SPACE_PCI) {
		/* bits 32-47 device, 16-31 function, 0-15 register, all on bus 0 */
		pci_conf_write(0, 0, (addr >> 32 & 31) << 3 | (addr >> 16 & 7), addr, 1, val);
	} else {
		p = ioremap(addr, 1);
		if (p)
			mmio_write8(p, val);
	}
	delay_us(50000);
}

static void reset_by_cf9(void)
{
	u8 val = inb(0xcf9) & ~6;

	outb(0xcf9, val | 2);		/* hard reset ... */
	delay_us(50);
	outb(0xcf9, val | 6);		/* ... now */
	delay_us(50000);
}

static void reset_by_keyboard(void)
{
	for (unsigned int i = 0; i < 10; i++) {
		for (unsigned int wait = 0; inb(0x64) & 2 && wait < 10000; wait++)
			delay_us(2);
		outb(0x64, 0xfe);
		delay_us(5000);
	}
}

/* Off is dom0's work (arch_acpi_enter_sleep); when it comes here instead, there is no way to it. */
void arch_shutdown(bool reboot)
{
	struct { u16 limit; u64 base; } __packed no_idt = { 0, 0 };

	irqs_disable();
	crash_stop_others();
	if (!reboot) {
		printk("System halted: it can be switched off.\n");
		cpu_stop();
	}
	if (!reboot_method || reboot_method == 'a')
		reset_by_acpi();
	if (!reboot_method || reboot_method == 'p')
		reset_by_cf9();
	if (!reboot_method || reboot_method == 'k')
		reset_by_keyboard();
	__asm__ __volatile__("lidt %0; int3" : : "m"(no_idt));	/* triple fault */
	cpu_stop();
}

static void write_pm1(u16 pm1a, u16 pm1b)
{
	outw(acpi_info.pm1a_cnt_port, pm1a);
	if (acpi_info.pm1b_cnt_port)
		outw(acpi_info.pm1b_cnt_port, pm1b);
}

int arch_acpi_enter_sleep(u32 pm1a, u32 pm1b, unsigned int state)
{
	if (state != 5 || !acpi_info.pm1a_cnt_port)
		return -EOPNOTSUPP;
	printk("Entering S5 (power off).\n");
	crash_stop_others();
	wbinvd();
	write_pm1(pm1a & ~SLP_EN, pm1b & ~SLP_EN);
	write_pm1(pm1a | SLP_EN, pm1b | SLP_EN);
	delay_us(5000000);
	printk("The machine did not switch off.\n");
	cpu_stop();
}
