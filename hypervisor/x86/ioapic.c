/* SPDX-License-Identifier: MIT */
/*
 * IO-APICs: where interrupt lines become vectors.
 *
 * Job:    find them through ACPI, program and mask their pins.
 * Enter:  irq.c; physdev_op's apic_read by ioapic_guest_read().
 * State:  ioapics[], each pin's low word as written last (so that masking needs no read).
 * Locks:  ioapic_lock (RANK_LEAF): the index and data registers are a pair.
 * Holds:  IO1  a pin that irq.c has not routed is masked.
 * Tests:  tests/linux (e1000 on INTx)
 */
#include <hv/acpi.h>
#include <hv/debug.h>
#include <hv/errno.h>
#include <hv/lock.h>
#include "io.h"
#include "machine.h"
#include "paging.h"

#define MAX_IOAPICS 16
#define MAX_PINS 240
#define IOAPIC_INDEX 0x00
#define IOAPIC_DATA 0x10
#define IOAPIC_VERSION 0x01
#define IOAPIC_RTE 0x10
#define RTE_LOW_ACTIVE 0x2000
#define RTE_LEVEL 0x8000
#define RTE_MASKED 0x10000

struct ioapic {
	u8 *regs;
	u64 maddr;
	u32 gsi_base;
	unsigned int pins;
	u32 low[MAX_PINS];
};

unsigned int nr_gsis;
static struct ioapic ioapics[MAX_IOAPICS];
static unsigned int nr_ioapics;
static spinlock_t ioapic_lock = SPINLOCK_INIT(RANK_LEAF);

static u32 reg_get(const struct ioapic *io, u32 reg)
{
	mmio_write32(io->regs + IOAPIC_INDEX, reg);
	return mmio_read32(io->regs + IOAPIC_DATA);
}

static void reg_set(const struct ioapic *io, u32 reg, u32 val)
{
	mmio_write32(io->regs + IOAPIC_INDEX, reg);
	mmio_write32(io->regs + IOAPIC_DATA, val);
}

static struct ioapic *find(u32 gsi, unsigned int *pin)
{
	unsigned int i;

	for (i = 0; i < nr_ioapics; i++) {
		*pin = gsi - ioapics[i].gsi_base;
		if (gsi >= ioapics[i].gsi_base && *pin < ioapics[i].pins)
			return &ioapics[i];
	}
	return NULL;
}

void ioapic_init(void)
{
	unsigned int i, pin;

	for (i = 0; i < acpi_info.nr_ioapics && nr_ioapics < MAX_IOAPICS; i++) {
		struct ioapic *io = &ioapics[nr_ioapics];

		io->maddr = acpi_info.ioapics[i].maddr;
		io->gsi_base = acpi_info.ioapics[i].gsi_base;
		io->regs = ioremap(io->maddr, PAGE_SIZE);
		if (!io->regs)
			panic("Cannot map the IO-APIC at %lx", io->maddr);
		io->pins = ((reg_get(io, IOAPIC_VERSION) >> 16) & 0xff) + 1;
		if (io->pins > MAX_PINS) {
			log_warn("IO-APIC at %lx does not answer\n", io->maddr);
			continue;
		}
		for (pin = 0; pin < io->pins; pin++) {
			io->low[pin] = RTE_MASKED;
			reg_set(io, IOAPIC_RTE + 2 * pin, RTE_MASKED);
			reg_set(io, IOAPIC_RTE + 2 * pin + 1, 0);
		}
		nr_gsis = max(nr_gsis, io->gsi_base + io->pins);
		log_info("IO-APIC at %lx: GSIs %u-%u\n", io->maddr, io->gsi_base,
			 io->gsi_base + io->pins - 1);
		nr_ioapics++;
	}
	if (!nr_ioapics)
		panic("No IO-APIC: ACPI must be on, the machine must not be older than that");
}

/* Point a line at a vector of a CPU. -ENXIO: no such line. */
int ioapic_route(u32 gsi, u8 vector, unsigned int cpu, bool level, bool active_low, bool masked)
{
	unsigned int pin;
	struct ioapic *io = find(gsi, &pin);

	if (!io)
		return -ENXIO;
	spin_lock(&ioapic_lock);
	io->low[pin] = vector | (level ? RTE_LEVEL : 0) | (active_low ? RTE_LOW_ACTIVE : 0) |
		(masked ? RTE_MASKED : 0);
	reg_set(io, IOAPIC_RTE + 2 * pin, io->low[pin] | RTE_MASKED);
	reg_set(io, IOAPIC_RTE + 2 * pin + 1, cpu_apicid[cpu] << 24);
	if (!masked)
		reg_set(io, IOAPIC_RTE + 2 * pin, io->low[pin]);
	spin_unlock(&ioapic_lock);
	return 0;
}

void ioapic_mask(u32 gsi, bool mask)
{
	unsigned int pin;
	struct ioapic *io = find(gsi, &pin);

	if (!io)
		return;
	spin_lock(&ioapic_lock);
	io->low[pin] = (io->low[pin] & ~RTE_MASKED) | (mask ? RTE_MASKED : 0);
	reg_set(io, IOAPIC_RTE + 2 * pin, io->low[pin]);
	spin_unlock(&ioapic_lock);
}

void ioapic_set_cpu(u32 gsi, unsigned int cpu)
{
	unsigned int pin;
	struct ioapic *io = find(gsi, &pin);

	if (!io)
		return;
	spin_lock(&ioapic_lock);
	reg_set(io, IOAPIC_RTE + 2 * pin + 1, cpu_apicid[cpu] << 24);
	spin_unlock(&ioapic_lock);
}

static struct ioapic *find_base(u64 base, u32 reg)
{
	unsigned int i;

	for (i = 0; i < nr_ioapics; i++)
		if (ioapics[i].maddr == base)
			return reg <= 2 || (reg >= IOAPIC_RTE &&
					    reg < IOAPIC_RTE + 2 * ioapics[i].pins) ?
				&ioapics[i] : NULL;
	return NULL;
}

int ioapic_guest_reg_ok(u64 base, u32 reg)
{
	return find_base(base, reg) ? 0 : -EINVAL;
}

u32 ioapic_guest_read(u64 base, u32 reg)
{
	struct ioapic *io = find_base(base, reg);
	u32 val;

	if (!io)
		return ~0U;
	spin_lock(&ioapic_lock);
	val = reg_get(io, reg);
	spin_unlock(&ioapic_lock);
	return val;
}

void ioapic_dump(void)
{
	unsigned int i, pin;
	u32 high;

	for (i = 0; i < nr_ioapics; i++)
		for (pin = 0; pin < ioapics[i].pins; pin++) {
			if (ioapics[i].low[pin] == RTE_MASKED)
				continue;
			spin_lock(&ioapic_lock);
			high = reg_get(&ioapics[i], IOAPIC_RTE + 2 * pin + 1);
			spin_unlock(&ioapic_lock);
			printk("  pin %u: %08x %08x\n", ioapics[i].gsi_base + pin, high,
			       ioapics[i].low[pin]);
		}
}
