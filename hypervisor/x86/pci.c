/* SPDX-License-Identifier: MIT */
/*
 * PCI configuration space.
 *
 * Job:    reads and writes by ports cf8/cfc, and by MMCFG above register 255 or segment 0.
 * Enter:  msi.c; pv/privop.c for dom0's own cf8/cfc cycles; physdev_op pci_mmcfg_reserved.
 * State:  mmcfg[] with one mapping per bus, made at its first use.
 * Locks:  cf8_lock (RANK_LEAF) around an address and data cycle.
 * Tests:  tests/linux, tests/guests/abuse_physdev.c
 */
#include <hv/acpi.h>
#include <hv/debug.h>
#include <hv/frame.h>
#include <hv/lock.h>
#include <hv/page_alloc.h>
#include "cpu.h"
#include "io.h"
#include "machine.h"
#include "paging.h"

struct mmcfg {
	u64 base;			/* of bus 0 */
	u16 seg;
	u8 start, end;
	u8 **bus;			/* 256 mappings of 1 MiB, NULL: not yet */
};

static struct mmcfg mmcfg[ACPI_MAX_MCFG];
static unsigned int nr_mmcfg;		/* neither changes after boot */
static spinlock_t cf8_lock = SPINLOCK_INIT(RANK_LEAF);
static spinlock_t mmcfg_lock = SPINLOCK_INIT(RANK_IRQ + 1);	/* bus[]; under irq.c's or msi.c's */

/* Of firmware's areas those that can be: whole buses, addressable, not RAM. */
void pci_init(void)
{
	unsigned int i;

	for (i = 0; i < acpi_info.nr_mcfg; i++) {
		const struct acpi_mcfg *m = &acpi_info.mcfg[i];
		u64 first = m->base + ((u64)m->start_bus << 20);
		u64 end = m->base + ((u64)(m->end_bus + 1) << 20);
		u8 **bus = NULL;

		if (m->base && !(m->base & (MiB(1) - 1)) && first < end &&
		    end <= 1UL << cpu_feat.phys_bits && !mfn_is_ram(_mfn(PFN_DOWN(first))) &&
		    !mfn_is_ram(_mfn(PFN_DOWN(end - 1))))
			bus = hv_new_array(u8 *, 256);
		if (bus)
			mmcfg[nr_mmcfg++] = (struct mmcfg){ m->base, m->segment, m->start_bus, m->end_bus, bus };
		else
			log_warn("MMCFG at %lx is not usable\n", m->base);
	}
}

bool pci_mmcfg_known(u64 base, u16 seg, u8 start_bus, u8 end_bus)
{
	unsigned int i;

	for (i = 0; i < nr_mmcfg; i++)
		if (mmcfg[i].base == base && mmcfg[i].seg == seg && mmcfg[i].start <= start_bus &&
		    mmcfg[i].end >= end_bus)
			return true;
	return false;
}

bool pci_mmcfg_covers(u64 maddr)
{
	unsigned int i;

	for (i = 0; i < nr_mmcfg; i++)
		if (maddr >= mmcfg[i].base + ((u64)mmcfg[i].start << 20) &&
		    maddr < mmcfg[i].base + ((u64)(mmcfg[i].end + 1) << 20))
			return true;
	return false;
}

/* The register in memory, or NULL. */
static u8 *mmcfg_reg(u16 seg, u8 bus, u8 devfn, u16 reg)
{
	struct mmcfg *m;
	u8 *va = NULL;
	unsigned int i;

	spin_lock(&mmcfg_lock);
	for (i = 0; i < nr_mmcfg; i++) {
		m = &mmcfg[i];
		if (m->seg != seg || bus < m->start || bus > m->end)
			continue;
		if (!m->bus[bus])
			m->bus[bus] = ioremap(m->base + ((u64)bus << 20), MiB(1));
		if (m->bus[bus])
			va = m->bus[bus] + ((u32)devfn << 12) + reg;
		break;
	}
	spin_unlock(&mmcfg_lock);
	return va;
}

static u32 cf8_address(u8 bus, u8 devfn, u16 reg)
{
	return 0x80000000U | (u32)bus << 16 | (u32)devfn << 8 | (reg & 0xfc);
}

static bool by_ports(u16 seg, u16 reg)
{
	return !seg && reg < 256;
}

/* All ones where there is nothing, or no way to it. size 1, 2 or 4, naturally aligned. */
u32 pci_conf_read(u16 seg, u8 bus, u8 devfn, u16 reg, unsigned int size)
{
	u8 *p;
	u32 val;

	if (by_ports(seg, reg)) {
		spin_lock(&cf8_lock);
		outl(0xcf8, cf8_address(bus, devfn, reg));
		val = arch_io_read(0xcfc + (reg & 3), size);
		spin_unlock(&cf8_lock);
		return val;
	}
	p = reg < 4096 ? mmcfg_reg(seg, bus, devfn, reg) : NULL;
	if (!p)
		return ~0U >> (32 - 8 * size);
	return size == 1 ? mmio_read8(p) : size == 2 ? mmio_read16(p) : mmio_read32(p);
}

void pci_conf_write(u16 seg, u8 bus, u8 devfn, u16 reg, unsigned int size, u32 val)
{
	u8 *p;

	if (by_ports(seg, reg)) {
		spin_lock(&cf8_lock);
		outl(0xcf8, cf8_address(bus, devfn, reg));
		arch_io_write(0xcfc + (reg & 3), size, val);
		spin_unlock(&cf8_lock);
		return;
	}
	p = reg < 4096 ? mmcfg_reg(seg, bus, devfn, reg) : NULL;
	if (!p)
		return;
	if (size == 1)
		mmio_write8(p, val);
	else if (size == 2)
		mmio_write16(p, val);
	else
		mmio_write32(p, val);
}
