/* SPDX-License-Identifier: MIT */
/*
 * Job:    IO-APICs: find them through ACPI, program and mask their pins.
 * Enter:  irq.c; physdev_op's apic_read by ioapic_guest_read().
 * State:  ioapics[], constant after boot; what a pin does: irq.c's descriptor.
 * Locks:  ioapic_lock (RANK_LEAF): the index and data registers are a pair.
 * Holds:  IO1  a pin that irq.c has not routed is masked.
 * Tests:  tests/linux (e1000 on INTx)
 */
#include <hv/acpi.h>
#include <hv/debug.h>
#include "machine.h"

#define MAX_PINS 240
#define IOAPIC_INDEX 0x00
#define IOAPIC_DATA 0x10
#define IOAPIC_VERSION 0x01
#define RTE_LOW(pin) (0x10 + 2 * (pin))
#define RTE_HIGH(pin) (RTE_LOW(pin) + 1)
#define RTE_LOW_ACTIVE 0x2000
#define RTE_LEVEL 0x8000
#define RTE_MASKED 0x10000

struct ioapic {
	u8 *regs;
	u64 maddr;
	u32 gsi_base;
	unsigned int pins;
};

unsigned int nr_gsis;
static struct ioapic ioapics[ACPI_MAX_IOAPICS];
static unsigned int nr_ioapics;
static spinlock_t ioapic_lock = SPINLOCK_INIT(RANK_LEAF);

static u32 reg_get(const struct ioapic *io, u32 reg)
{
	u32 val;

	spin_lock(&ioapic_lock);
	mmio_write32(io->regs + IOAPIC_INDEX, reg);
	val = mmio_read32(io->regs + IOAPIC_DATA);
	spin_unlock(&ioapic_lock);
	return val;
}

static void reg_set(const struct ioapic *io, u32 reg, u32 val)
{
	spin_lock(&ioapic_lock);
	mmio_write32(io->regs + IOAPIC_INDEX, reg);
	mmio_write32(io->regs + IOAPIC_DATA, val);
	spin_unlock(&ioapic_lock);
}

void ioapic_init(void)
{
	struct ioapic *io = ioapics;

	for (unsigned int i = 0; i < acpi_info.nr_ioapics; i++) {
		io->maddr = acpi_info.ioapics[i].maddr;
		io->gsi_base = acpi_info.ioapics[i].gsi_base;
		io->regs = ioremap(io->maddr, PAGE_SIZE);
		if (!io->regs)
			refuse_boot("no memory to map the IO-APIC at %lx; give the machine more", io->maddr);
		io->pins = ((reg_get(io, IOAPIC_VERSION) >> 16) & 0xff) + 1;
		if (io->pins > MAX_PINS) {
			log_warn("IO-APIC at %lx does not answer\n", io->maddr);
			continue;
		}
		for (unsigned int pin = 0; pin < io->pins; pin++) {
			reg_set(io, RTE_LOW(pin), RTE_MASKED);
			reg_set(io, RTE_HIGH(pin), 0);
		}
		log_info("IO-APIC at %lx: %u GSIs from %u\n", io->maddr, io->pins, io->gsi_base);
		nr_gsis = max(nr_gsis, io->gsi_base + io->pins);
		io++;
	}
	nr_ioapics = io - ioapics;
	if (!nr_ioapics)
		refuse_boot("no IO-APIC is found; switch ACPI and the IO-APIC on in the firmware's set-up");
}

static const struct ioapic *find(u32 gsi)
{
	for (const struct ioapic *io = ioapics; io < ioapics + nr_ioapics; io++)
		if (gsi >= io->gsi_base && gsi - io->gsi_base < io->pins)
			return io;
	return NULL;
}

int ioapic_set_cpu(u32 gsi, unsigned int cpu)
{
	const struct ioapic *io = find(gsi);

	if (!io)
		return -ENXIO;
	reg_set(io, RTE_HIGH(gsi - io->gsi_base), cpu_apicid[cpu] << 24);
	return 0;
}

void ioapic_set_pin(u32 gsi, u8 vector, bool level, bool active_low, bool masked)
{
	const struct ioapic *io = find(gsi);

	reg_set(io, RTE_LOW(gsi - io->gsi_base), vector | (level ? RTE_LEVEL : 0) |
		(active_low ? RTE_LOW_ACTIVE : 0) | (masked ? RTE_MASKED : 0));
}

int ioapic_guest_read(u64 base, u32 reg, u32 *val)
{
	for (const struct ioapic *io = ioapics; io < ioapics + nr_ioapics; io++)
		if (io->maddr == base &&
		    (reg <= 2 || (reg >= RTE_LOW(0) && reg < RTE_LOW(io->pins)))) {
			*val = reg_get(io, reg);
			return 0;
		}
	return -EINVAL;
}
