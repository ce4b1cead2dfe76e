/* SPDX-License-Identifier: MIT */
/*
 * Job:    PCI configuration space of segment 0, the first 256 registers of each function, by ports
 *         cf8/cfc; which MMCFG areas dom0 may believe in.
 * Enter:  msi.c, shutdown.c, pv/ports.c; physdev_op pci_mmcfg_reserved.
 * Locks:  cf8_lock (RANK_LEAF) around an address and data cycle.
 * Caveat: in other segments there is no device: dom0 drives what is there without MSIs.
 * Tests:  tests/linux, tests/guests/abuse_physdev.c
 */
#include <hv/acpi.h>
#include <hv/debug.h>
#include "machine.h"

static spinlock_t cf8_lock = SPINLOCK_INIT(RANK_LEAF);

bool pci_mmcfg_known(u64 base, u16 seg, u8 start_bus, u8 end_bus)
{
	for (unsigned int i = 0; i < acpi_info.nr_mcfg; i++) {
		const struct acpi_mcfg *m = &acpi_info.mcfg[i];

		if (m->segment == seg && m->start_bus <= start_bus && m->end_bus >= end_bus)
			return m->base == base;
	}
	return false;
}

/* Point the data ports at the register; its own port. cf8_lock held. */
static u16 cf8_select(u8 bus, u8 devfn, u8 reg)
{
	outl(0xcf8, 0x80000000U | (u32)bus << 16 | (u32)devfn << 8 | (reg & ~3));
	return 0xcfc + (reg & 3);
}

u32 pci_conf_read(u16 seg, u8 bus, u8 devfn, u8 reg, unsigned int size)
{
	u32 val;

	if (seg)
		return ~0U >> (32 - 8 * size);
	spin_lock(&cf8_lock);
	val = arch_io_read(cf8_select(bus, devfn, reg), size);
	spin_unlock(&cf8_lock);
	return val;
}

void pci_conf_write(u16 seg, u8 bus, u8 devfn, u8 reg, unsigned int size, u32 val)
{
	if (seg)
		return;
	spin_lock(&cf8_lock);
	arch_io_write(cf8_select(bus, devfn, reg), size, val);
	spin_unlock(&cf8_lock);
}
