/* SPDX-License-Identifier: MIT */
/*
 * Job:    MSI capabilities and MSI-X tables of dom0's devices: message, mask, enable. PCI configuration space
 *         of segment 0 by ports cf8/cfc (in others there is no device); which MMCFG areas dom0 may believe in.
 * Enter:  pv/physdev.c, privop.c through hv/irq.h; irq.c for message and mask; shutdown.c.
 * State:  slots[] (irq - nr_gsis), devices that have some.
 * Locks:  msi_lock for slots and devices, outside irq.c's lock. With that alone irq.c calls
 *         msi_write() and msi_mask(): for slots that were handed out, whose device stays.
 *         cf8_lock (RANK_LEAF) around an address and data cycle.
 * Holds:  MS1  the vectors of one device's multi-message MSI are contiguous and aligned.
 * Tests:  tests/linux (virtio MSI-X, e1000e and AHCI MSI), tests/guests/abuse_physdev.c
 */
#include <hv/acpi.h>
#include <hv/debug.h>
#include <hv/page_alloc.h>
#include "machine.h"

#define PCI_STATUS	0x06
#define  PCI_STATUS_CAPS 0x10
#define PCI_HEADER	0x0e
#define PCI_BAR0	0x10
#define PCI_CAPS	0x34
#define CAP_MSI		0x05
#define CAP_MSIX	0x11
#define MSI_FLAGS	2
#define  MSI_ENABLE	0x0001
#define  MSI_NVEC	0x0070		/* log2 of the messages in use; above it: offered */
#define  MSI_64BIT	0x0080
#define  MSI_MASKABLE	0x0100
#define MSIX_ENTRY_SIZE	16		/* address, its upper half, data, control: bit 0 masks */
#define MSIX_CONTROL	12

struct msi_dev {
	struct list_head link;
	u32 sbdf;
	u8 msi, msix;			/* capabilities; 0: none */
	u16 msi_flags;			/* what it can; the rest of it changes */
	u16 nr_entries;			/* of the MSI-X table */
	u8 *table;			/* mapped when first needed, kept */
};

static struct msi_slot {
	struct msi_dev *dev;		/* NULL: free */
	bool msix;
	u16 entry;			/* MSI-X: of the table; MSI: number of the message */
	u8 first, nvec;			/* MSI: the group */
} slots[NR_MSIS];
static struct list_head devices = { &devices, &devices };
static spinlock_t msi_lock = SPINLOCK_INIT(RANK_IRQ - 1);

#define sbdf_of(seg, bus, devfn) ((u32)(seg) << 16 | (u32)(bus) << 8 | (devfn))

static u32 conf_read(const struct msi_dev *d, u8 reg, unsigned int size)
{
	return pci_conf_read(d->sbdf >> 16, d->sbdf >> 8, d->sbdf, reg, size);
}

static void conf_write(const struct msi_dev *d, u8 reg, unsigned int size, u32 val)
{
	pci_conf_write(d->sbdf >> 16, d->sbdf >> 8, d->sbdf, reg, size, val);
}

static void change_msi_flags(const struct msi_dev *d, u16 clear, u16 set)
{
	u16 pos = d->msi + MSI_FLAGS;

	conf_write(d, pos, 2, (conf_read(d, pos, 2) & ~clear) | set);
}

static u8 find_cap(const struct msi_dev *d, u8 id)
{
	u8 pos;

	if (!(conf_read(d, PCI_STATUS, 2) & PCI_STATUS_CAPS))
		return 0;
	pos = conf_read(d, PCI_CAPS, 1) & ~3;
	for (unsigned int ttl = 0; pos >= 0x40 && ttl < 48; ttl++) {
		if (conf_read(d, pos, 1) == id)
			return pos;
		pos = conf_read(d, pos + 1, 1) & ~3;
	}
	return 0;
}

/* Find or add. -ENODEV: no such device; -ENOMEM. msi_lock held. */
static int get_dev(u32 sbdf, struct msi_dev **dev)
{
	struct msi_dev *d;

	list_for_each(d, &devices, link)
		if (d->sbdf == sbdf) {
			*dev = d;
			return 0;
		}
	if (pci_conf_read(sbdf >> 16, sbdf >> 8, sbdf, 0, 2) == 0xffff)
		return -ENODEV;
	*dev = d = hv_new(struct msi_dev);
	if (!d)
		return -ENOMEM;
	d->sbdf = sbdf;
	d->msi = find_cap(d, CAP_MSI);
	d->msix = find_cap(d, CAP_MSIX);
	if (d->msi)
		d->msi_flags = conf_read(d, d->msi + MSI_FLAGS, 2);
	if (d->msix)
		d->nr_entries = (conf_read(d, d->msix + MSI_FLAGS, 2) & 0x7ff) + 1;
	list_add(&d->link, &devices);
	return 0;
}

/* Where the device's BAR says that memory is; 0: not a memory BAR (or a virtual function's). */
static u64 bar_address(const struct msi_dev *d, unsigned int bir)
{
	u32 low;

	if (bir > (conf_read(d, PCI_HEADER, 1) & 0x7f ? 1 : 5))
		return 0;
	low = conf_read(d, PCI_BAR0 + 4 * bir, 4);
	if (low & 1)			/* ports */
		return 0;
	if ((low & 7) == 4)
		return (u64)conf_read(d, PCI_BAR0 + 4 * bir + 4, 4) << 32 | (low & ~15U);
	return low & ~15U;
}

/* The MSI-X table's registers. dom0's table_base counts only where there is no BAR to read. */
static int map_table(struct msi_dev *d, u64 table_base)
{
	u32 where = conf_read(d, d->msix + 4, 4), size = d->nr_entries * MSIX_ENTRY_SIZE;
	u64 base;

	if (d->table)
		return 0;
	base = bar_address(d, where & 7) ?: table_base;
	if (!base)
		return -ENXIO;
	base += where & ~7U;
	for (u64 mfn = PFN_DOWN(base); mfn <= PFN_DOWN(base + size - 1); mfn++)
		if (mfn_is_ram(_mfn(mfn)))
			return -EPERM;
	d->table = ioremap(base, size);
	return d->table ? 0 : -ENOMEM;
}

/* --- message and mask, called by irq.c --- */

/* Returns the old value. */
static bool mask_entry(u8 *entry, bool mask)
{
	u32 ctl = mmio_read32(entry + MSIX_CONTROL);

	mmio_write32(entry + MSIX_CONTROL, (ctl & ~1U) | mask);
	mmio_read32(entry + MSIX_CONTROL);	/* posted writes arrive before we go on */
	return ctl & 1;
}

void msi_write(unsigned int slot, u8 vector, unsigned int cpu)
{
	const struct msi_slot *s = &slots[slot];
	const struct msi_dev *d = s->dev;
	u64 addr = apic_msi_address(cpu);
	u8 *e = d->table + s->entry * MSIX_ENTRY_SIZE;
	bool masked;

	if (s->msix) {
		masked = mask_entry(e, true);
		mmio_write32(e, (u32)addr);
		mmio_write32(e + 4, addr >> 32);
		mmio_write32(e + 8, vector);
		mask_entry(e, masked);
	} else if (!s->entry) {		/* the first message of the group speaks for all */
		conf_write(d, d->msi + 4, 4, (u32)addr);
		if (d->msi_flags & MSI_64BIT)
			conf_write(d, d->msi + 8, 4, addr >> 32);
		conf_write(d, d->msi + (d->msi_flags & MSI_64BIT ? 12 : 8), 2, vector);
	}
}

void msi_mask(unsigned int slot, bool mask)
{
	const struct msi_slot *s = &slots[slot];
	const struct msi_dev *d = s->dev;
	u32 pos, bits;

	if (s->msix) {
		mask_entry(d->table + s->entry * MSIX_ENTRY_SIZE, mask);
		return;
	}
	if (d->msi_flags & MSI_MASKABLE) {
		pos = d->msi + (d->msi_flags & MSI_64BIT ? 16 : 12);
		bits = conf_read(d, pos, 4) & ~(1U << s->entry);
		conf_write(d, pos, 4, bits | (u32)mask << s->entry);
	}
	if (!mask)
		change_msi_flags(d, 0, MSI_ENABLE);
}

void msi_describe(unsigned int slot)
{
	const struct msi_slot *s = &slots[slot];
	u32 a = s->dev ? s->dev->sbdf : 0;

	printk(" %s %04x:%02x:%02x.%u entry %u", s->msix ? "MSI-X" : "MSI", a >> 16, a >> 8 & 0xff,
	       a >> 3 & 31, a & 7, s->entry);
}

/* --- allocation --- */

/* Has d interrupts? With MSI-X on both sides: for that entry. */
static bool in_use(const struct msi_dev *d, bool msix, u16 entry)
{
	for (const struct msi_slot *s = slots; s < slots + NR_MSIS; s++)
		if (s->dev == d && (!msix || !s->msix || s->entry == entry))
			return true;
	return false;
}

/* What the request is about, all checked. msi_lock held. */
static int check_request(const struct msi_request *req, unsigned int nvec, struct msi_dev **dev)
{
	int err = get_dev(sbdf_of(req->seg, req->bus, req->devfn), dev);
	struct msi_dev *d = *dev;

	if (err)
		return err;
	if (req->msix ? !d->msix : !d->msi)
		return -ENODEV;
	if (req->msix ? req->entry >= d->nr_entries : nvec > 1U << (d->msi_flags >> 1 & 7))
		return -EINVAL;
	if (in_use(d, req->msix, req->entry))
		return -EEXIST;
	return req->msix ? map_table(d, req->table_base) : 0;
}

int irq_alloc_msi(const struct msi_request *req)
{
	unsigned int nvec = req->msix ? 1 : max(req->nvec, 1U), i;
	struct msi_dev *d = NULL;
	int slot;

	if (nvec > 32)
		return -EINVAL;
	while (nvec & (nvec - 1))	/* messages come in powers of two */
		nvec++;
	spin_lock(&msi_lock);
	slot = check_request(req, nvec, &d) ?: irq_reserve_msis(nvec);
	if (slot >= 0 && !req->msix)
		change_msi_flags(d, MSI_NVEC | MSI_ENABLE, __builtin_ctz(nvec) << 4);
	for (i = 0; slot >= 0 && i < nvec; i++) {
		slots[slot + i] = (struct msi_slot){ .dev = d, .msix = req->msix, .first = slot,
			.entry = req->msix ? req->entry : i, .nvec = nvec };
		irq_reapply_msi(slot + i);
	}
	spin_unlock(&msi_lock);
	return slot < 0 ? slot : (int)nr_gsis + slot;
}

void irq_free_msi(int irq)
{
	unsigned int slot = irq - nr_gsis, i;
	struct msi_slot s;

	if (slot >= NR_MSIS)
		return;
	spin_lock(&msi_lock);
	s = slots[slot];
	if (s.dev) {
		for (i = s.first; i < s.first + s.nvec; i++) {
			msi_mask(i, true);
			slots[i].dev = NULL;
		}
		if (!s.msix)
			change_msi_flags(s.dev, MSI_NVEC | MSI_ENABLE, 0);
		irq_release_msis(s.first, s.nvec);
	}
	spin_unlock(&msi_lock);
}

int irq_msi_prepare(u16 seg, u8 bus, u8 devfn, bool release)
{
	struct msi_dev *d;
	int err;

	spin_lock(&msi_lock);
	err = get_dev(sbdf_of(seg, bus, devfn), &d);
	if (!err && !d->msix)
		err = -ENODEV;
	else if (!err && release)
		err = in_use(d, false, 0) ? -EBUSY : 0;
	else if (!err)
		err = map_table(d, 0);
	spin_unlock(&msi_lock);
	return err;
}

int irq_msi_restore(u16 seg, u8 bus, u8 devfn)
{
	int err = -ENODEV;

	spin_lock(&msi_lock);
	for (const struct msi_slot *s = slots; s < slots + NR_MSIS; s++) {
		if (!s->dev || s->dev->sbdf != sbdf_of(seg, bus, devfn))
			continue;
		if (!s->msix && !s->entry)
			change_msi_flags(s->dev, MSI_NVEC, __builtin_ctz(s->nvec) << 4);
		irq_reapply_msi(s - slots);
		err = 0;
	}
	spin_unlock(&msi_lock);
	return err;
}

/* --- configuration space --- */

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
	if (seg)
		return ~0U >> (32 - 8 * size);
	return under_lock(&cf8_lock, arch_io_read(cf8_select(bus, devfn, reg), size));
}

void pci_conf_write(u16 seg, u8 bus, u8 devfn, u8 reg, unsigned int size, u32 val)
{
	if (seg)
		return;
	spin_lock(&cf8_lock);
	arch_io_write(cf8_select(bus, devfn, reg), size, val);
	spin_unlock(&cf8_lock);
}
