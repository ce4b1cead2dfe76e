/* SPDX-License-Identifier: MIT */
/*
 * Job:    PCI configuration space, the first 256 registers of each function: by ports cf8/cfc in
 *         segment 0, by MMCFG in the others.
 * Enter:  msi.c, shutdown.c; physdev_op pci_mmcfg_reserved.
 * State:  mmcfg[]
 * Locks:  cf8_lock (RANK_LEAF) around an address and data cycle.
 * Tests:  tests/linux, tests/guests/abuse_physdev.c
 */
#include <hv/acpi.h>
#include <hv/debug.h>
#include "machine.h"

static struct mmcfg {
	struct acpi_mcfg area;
	u8 *regs;			/* of start_bus; NULL: not mapped */
} mmcfg[ACPI_MAX_MCFG];
static unsigned int nr_mmcfg;		/* neither changes after boot */
static spinlock_t cf8_lock = SPINLOCK_INIT(RANK_LEAF);

/* Of firmware's areas those that can be: whole buses, addressable, not RAM. */
void pci_init(void)
{
	for (unsigned int i = 0; i < acpi_info.nr_mcfg; i++) {
		const struct acpi_mcfg *m = &acpi_info.mcfg[i];
		u64 first = m->base + ((u64)m->start_bus << 20);
		u64 end = m->base + ((u64)(m->end_bus + 1) << 20);

		if (!m->base || m->base & (MiB(1) - 1) || first >= end ||
		    end > 1UL << cpu_feat.phys_bits || mfn_is_ram(_mfn(PFN_DOWN(first))) ||
		    mfn_is_ram(_mfn(PFN_DOWN(end - 1)))) {
			log_warn("MMCFG at %lx is not usable\n", m->base);
			continue;
		}
		mmcfg[nr_mmcfg].area = *m;
		if (m->segment)			/* in segment 0 the ports do */
			mmcfg[nr_mmcfg].regs = ioremap(first, end - first);
		nr_mmcfg++;
	}
}

static const struct mmcfg *find_mmcfg(u16 seg, u8 bus)
{
	for (const struct mmcfg *m = mmcfg; m < mmcfg + nr_mmcfg; m++)
		if (m->area.segment == seg && m->area.start_bus <= bus && m->area.end_bus >= bus)
			return m;
	return NULL;
}

bool pci_mmcfg_known(u64 base, u16 seg, u8 start_bus, u8 end_bus)
{
	const struct mmcfg *m = find_mmcfg(seg, start_bus);

	return m && m->area.base == base && m->area.end_bus >= end_bus;
}

/* The register in memory, or NULL. */
static u8 *mmcfg_reg(u16 seg, u8 bus, u8 devfn, u8 reg)
{
	const struct mmcfg *m = find_mmcfg(seg, bus);

	if (!m || !m->regs)
		return NULL;
	return m->regs + ((u32)(bus - m->area.start_bus) << 20 | (u32)devfn << 12 | reg);
}

/* Point the data ports at the register; its own port. cf8_lock held. */
static u16 cf8_select(u8 bus, u8 devfn, u8 reg)
{
	outl(0xcf8, 0x80000000U | (u32)bus << 16 | (u32)devfn << 8 | (reg & ~3));
	return 0xcfc + (reg & 3);
}

u32 pci_conf_read(u16 seg, u8 bus, u8 devfn, u8 reg, unsigned int size)
{
	u8 *p;
	u32 val;

	if (!seg) {
		spin_lock(&cf8_lock);
		val = arch_io_read(cf8_select(bus, devfn, reg), size);
		spin_unlock(&cf8_lock);
		return val;
	}
	p = mmcfg_reg(seg, bus, devfn, reg);
	if (!p)
		return ~0U >> (32 - 8 * size);
	return size == 1 ? mmio_read8(p) : size == 2 ? mmio_read16(p) : mmio_read32(p);
}

void pci_conf_write(u16 seg, u8 bus, u8 devfn, u8 reg, unsigned int size, u32 val)
{
	u8 *p;

	if (!seg) {
		spin_lock(&cf8_lock);
		arch_io_write(cf8_select(bus, devfn, reg), size, val);
		spin_unlock(&cf8_lock);
		return;
	}
	p = mmcfg_reg(seg, bus, devfn, reg);
	if (p && size == 1)
		mmio_write8(p, val);
	else if (p && size == 2)
		mmio_write16(p, val);
	else if (p)
		mmio_write32(p, val);
}
