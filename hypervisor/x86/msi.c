/* SPDX-License-Identifier: MIT */
/*
 * Message-signalled interrupts.
 *
 * Job:    program MSI capabilities and MSI-X tables of dom0's devices: message, mask, enable.
 * Enter:  pv/physdev.c through hv/irq.h; irq.c for message and mask.
 * State:  slots[] (irq - nr_gsis), devices that have some.
 * Locks:  msi_lock (RANK_IRQ) for slots and devices; not held together with irq.c's lock. irq.c
 *         calls msi_write() and msi_mask() only for slots that were handed out, whose device stays.
 * Holds:  MS1  the vectors of one device's multi-message MSI are contiguous and aligned.
 * Tests:  tests/linux (virtio MSI-X, e1000e and AHCI MSI)
 */
#include <hv/debug.h>
#include <hv/errno.h>
#include <hv/irq.h>
#include <hv/list.h>
#include <hv/page_alloc.h>
#include "io.h"
#include "machine.h"
#include "paging.h"

#define PCI_STATUS	0x06
#define  PCI_STATUS_CAPS 0x10
#define PCI_HEADER	0x0e
#define PCI_BAR0	0x10
#define PCI_CAPS	0x34
#define CAP_MSI		0x05
#define CAP_MSIX	0x11
#define MSI_FLAGS	2
#define  MSI_ENABLE	0x0001
#define  MSI_64BIT	0x0080
#define  MSI_MASKABLE	0x0100
#define MSIX_ENABLE	0x8000
#define MSIX_MASKALL	0x4000
#define MSIX_ENTRY_SIZE	16

struct msi_dev {
	struct list_head link;
	u16 seg;
	u8 bus, devfn;
	u8 msi, msix;			/* capabilities; 0: none */
	u16 nr_entries;			/* of the MSI-X table */
	u8 *table;			/* mapped when first needed, kept */
	unsigned int users;		/* slots */
};

struct msi_slot {
	struct msi_dev *dev;		/* NULL: free */
	bool msix;
	u16 entry;			/* MSI-X: of the table; MSI: number of the message */
	u8 first, nvec;			/* MSI: the group */
};

static struct msi_slot slots[NR_MSIS];
static LIST_HEAD(devices);
static spinlock_t msi_lock = SPINLOCK_INIT(RANK_IRQ);

static u32 conf_read(const struct msi_dev *d, u16 reg, unsigned int size)
{
	return pci_conf_read(d->seg, d->bus, d->devfn, reg, size);
}

static void conf_write(const struct msi_dev *d, u16 reg, unsigned int size, u32 val)
{
	pci_conf_write(d->seg, d->bus, d->devfn, reg, size, val);
}

static u8 find_cap(const struct msi_dev *d, u8 id)
{
	unsigned int ttl;
	u8 pos;

	if (!(conf_read(d, PCI_STATUS, 2) & PCI_STATUS_CAPS))
		return 0;
	pos = conf_read(d, PCI_CAPS, 1) & ~3;
	for (ttl = 0; pos >= 0x40 && ttl < 48; ttl++) {
		if (conf_read(d, pos, 1) == id)
			return pos;
		pos = conf_read(d, pos + 1, 1) & ~3;
	}
	return 0;
}

/* Find or add. *err: -ENODEV no such device, -ENOMEM. msi_lock held. */
static struct msi_dev *get_dev(u16 seg, u8 bus, u8 devfn, int *err)
{
	struct msi_dev *d;

	list_for_each(d, &devices, link)
		if (d->seg == seg && d->bus == bus && d->devfn == devfn)
			return d;
	*err = -ENODEV;
	if (pci_conf_read(seg, bus, devfn, 0, 2) == 0xffff)
		return NULL;
	*err = -ENOMEM;
	d = hv_new(struct msi_dev);
	if (!d)
		return NULL;
	d->seg = seg;
	d->bus = bus;
	d->devfn = devfn;
	d->msi = find_cap(d, CAP_MSI);
	d->msix = find_cap(d, CAP_MSIX);
	if (d->msix)
		d->nr_entries = (conf_read(d, d->msix + MSI_FLAGS, 2) & 0x7ff) + 1;
	list_add(&d->link, &devices);
	return d;
}

/* Where the device's BAR says that memory is; 0: not a memory BAR (or a virtual function's). */
static u64 bar_address(const struct msi_dev *d, unsigned int bir)
{
	u32 low, type;
	u64 addr;

	if ((conf_read(d, PCI_HEADER, 1) & 0x7f) != 0 ? bir > 1 : bir > 5)
		return 0;
	low = conf_read(d, PCI_BAR0 + 4 * bir, 4);
	type = low & 7;
	if (type & 1)
		return 0;
	addr = low & ~15U;
	if (type == 4)
		addr |= (u64)conf_read(d, PCI_BAR0 + 4 * bir + 4, 4) << 32;
	return addr;
}

/* The MSI-X table's registers. dom0's table_base counts only where there is no BAR to read. */
static int map_table(struct msi_dev *d, u64 table_base)
{
	u32 where = conf_read(d, d->msix + 4, 4);
	u64 base, first, last;

	if (d->table)
		return 0;
	base = bar_address(d, where & 7);
	if (!base)
		base = table_base;
	if (!base)
		return -ENXIO;
	base += where & ~7U;
	first = base >> PAGE_SHIFT;
	last = (base + d->nr_entries * MSIX_ENTRY_SIZE - 1) >> PAGE_SHIFT;
	for (; first <= last; first++)
		if (mfn_is_ram(_mfn(first)))
			return -EPERM;
	d->table = ioremap(base, d->nr_entries * MSIX_ENTRY_SIZE);
	return d->table ? 0 : -ENOMEM;
}

/* --- message and mask, called by irq.c --- */

static u8 *entry_of(const struct msi_slot *s)
{
	return s->dev->table + s->entry * MSIX_ENTRY_SIZE;
}

static void msix_mask_entry(u8 *entry, bool mask)
{
	u32 ctl = mmio_read32(entry + 12);

	mmio_write32(entry + 12, (ctl & ~1U) | mask);
	mmio_read32(entry + 12);	/* posted writes arrive before we go on */
}

void msi_write(unsigned int slot, u8 vector, unsigned int cpu)
{
	const struct msi_slot *s = &slots[slot];
	u64 addr = apic_msi_address(cpu);
	const struct msi_dev *d = s->dev;
	u16 flags;
	u8 *e;

	if (!d)
		return;
	if (s->msix) {
		u32 ctl;

		e = entry_of(s);
		ctl = mmio_read32(e + 12);
		mmio_write32(e + 12, ctl | 1);
		mmio_write32(e, (u32)addr);
		mmio_write32(e + 4, addr >> 32);
		mmio_write32(e + 8, vector);
		mmio_write32(e + 12, ctl);
		mmio_read32(e + 12);
		return;
	}
	if (s->entry)			/* the first message of the group speaks for all */
		return;
	flags = conf_read(d, d->msi + MSI_FLAGS, 2);
	conf_write(d, d->msi + 4, 4, (u32)addr);
	if (flags & MSI_64BIT)
		conf_write(d, d->msi + 8, 4, addr >> 32);
	conf_write(d, d->msi + (flags & MSI_64BIT ? 12 : 8), 2, vector);
}

void msi_mask(unsigned int slot, bool mask)
{
	const struct msi_slot *s = &slots[slot];
	const struct msi_dev *d = s->dev;
	u16 flags, pos;
	u32 bits;

	if (!d)
		return;
	if (s->msix) {
		msix_mask_entry(entry_of(s), mask);
		return;
	}
	flags = conf_read(d, d->msi + MSI_FLAGS, 2);
	if (flags & MSI_MASKABLE) {
		pos = d->msi + (flags & MSI_64BIT ? 16 : 12);
		bits = conf_read(d, pos, 4) & ~(1U << s->entry);
		conf_write(d, pos, 4, bits | (u32)mask << s->entry);
	}
	if (!mask && !(flags & MSI_ENABLE))
		conf_write(d, d->msi + MSI_FLAGS, 2, flags | MSI_ENABLE);
}

void msi_describe(unsigned int slot, char *buf, size_t size)
{
	const struct msi_slot *s = &slots[slot];

	if (s->dev)
		snprintf(buf, size, "%s %04x:%02x:%02x.%u entry %u", s->msix ? "MSI-X" : "MSI",
			 s->dev->seg, s->dev->bus, s->dev->devfn >> 3, s->dev->devfn & 7, s->entry);
	else
		snprintf(buf, size, "MSI (being set up)");
}

/* --- allocation --- */

static bool entry_in_use(const struct msi_dev *d, bool msix, u16 entry)
{
	unsigned int i;

	for (i = 0; i < NR_MSIS; i++)
		if (slots[i].dev == d && (!msix || !slots[i].msix || slots[i].entry == entry))
			return true;
	return false;
}

/* What the request is about, all checked. msi_lock held. */
static int check_request(const struct msi_request *req, unsigned int nvec, struct msi_dev **dev)
{
	struct msi_dev *d;
	int err = 0;

	d = get_dev(req->seg, req->bus, req->devfn, &err);
	if (!d)
		return err;
	*dev = d;
	if (req->msix ? !d->msix : !d->msi)
		return -ENODEV;
	if (req->msix && (nvec != 1 || req->entry >= d->nr_entries))
		return -EINVAL;
	if (!req->msix && nvec > 1U << ((conf_read(d, d->msi + MSI_FLAGS, 2) >> 1) & 7))
		return -EINVAL;
	if (entry_in_use(d, req->msix, req->entry))
		return -EEXIST;
	return req->msix ? map_table(d, req->table_base) : 0;
}

/*
 * Interrupt(s) of a device, masked until bound: irq of the first, the others follow. -EINVAL,
 * -ENODEV, -EEXIST (in use), -ENOSPC (vectors), -ENOMEM, -EPERM (a table in RAM).
 */
int irq_alloc_msi(const struct msi_request *req)
{
	unsigned int nvec = req->msix ? 1 : max(req->nvec, 1U), i;
	struct msi_dev *d = NULL;
	int slot, err;
	u16 flags;

	if (nvec > 32)
		return -EINVAL;
	while (nvec & (nvec - 1))	/* messages come in powers of two */
		nvec++;
	slot = irq_reserve_msis(nvec);
	if (slot < 0)
		return slot;
	spin_lock(&msi_lock);
	err = check_request(req, nvec, &d);
	if (err) {
		spin_unlock(&msi_lock);
		irq_release_msis(slot, nvec);
		return err;
	}
	for (i = 0; i < nvec; i++)
		slots[slot + i] = (struct msi_slot){ .dev = d, .msix = req->msix, .first = slot,
			.entry = req->msix ? req->entry : i, .nvec = nvec };
	d->users += nvec;
	if (!req->msix) {
		flags = conf_read(d, d->msi + MSI_FLAGS, 2) & ~(0x70 | MSI_ENABLE);
		conf_write(d, d->msi + MSI_FLAGS, 2,
			   flags | (u32)__builtin_ctz(nvec) << 4);
	}
	for (i = 0; i < nvec; i++)
		msi_mask(slot + i, true);
	spin_unlock(&msi_lock);
	irq_reapply_msi(slot);
	return nr_gsis + slot;
}

/* Unbound by all guests already. Frees the whole group that irq belongs to. */
void irq_free_msi(int irq)
{
	unsigned int slot = irq - nr_gsis, first, nvec, i;
	struct msi_dev *d;

	if (irq < (int)nr_gsis || slot >= NR_MSIS)
		return;
	spin_lock(&msi_lock);
	d = slots[slot].dev;
	if (!d) {
		spin_unlock(&msi_lock);
		return;
	}
	first = slots[slot].first;
	nvec = slots[slot].nvec;
	for (i = first; i < first + nvec; i++)
		msi_mask(i, true);
	if (!slots[slot].msix)
		conf_write(d, d->msi + MSI_FLAGS, 2,
			   conf_read(d, d->msi + MSI_FLAGS, 2) & ~(0x70 | MSI_ENABLE));
	for (i = first; i < first + nvec; i++)
		slots[i].dev = NULL;
	d->users -= nvec;
	spin_unlock(&msi_lock);
	irq_release_msis(first, nvec);
}

/*
 * Before (release: after) a device is given away: dom0 wants to know that its MSI-X table is ours
 * to write. -ENODEV; -EBUSY: interrupts of it are in use.
 */
int irq_msi_prepare(u16 seg, u8 bus, u8 devfn, bool release)
{
	struct msi_dev *d;
	int err = 0;

	spin_lock(&msi_lock);
	d = get_dev(seg, bus, devfn, &err);
	if (d && !d->msix)
		err = -ENODEV;
	else if (d && release)
		err = d->users ? -EBUSY : 0;
	else if (d)
		err = map_table(d, 0);
	spin_unlock(&msi_lock);
	return err;
}

/* The device was reset or slept: write its messages again. -ENODEV. */
int irq_msi_restore(u16 seg, u8 bus, u8 devfn)
{
	unsigned int i;
	int err = -ENODEV;
	struct msi_dev *d;
	u16 flags;

	for (i = 0; i < NR_MSIS; i++) {
		spin_lock(&msi_lock);
		d = slots[i].dev;
		if (!d || d->seg != seg || d->bus != bus || d->devfn != devfn) {
			spin_unlock(&msi_lock);
			continue;
		}
		if (!slots[i].msix && !slots[i].entry) {
			flags = conf_read(d, d->msi + MSI_FLAGS, 2) & ~0x70;
			conf_write(d, d->msi + MSI_FLAGS, 2,
				   flags | (u32)__builtin_ctz(slots[i].nvec) << 4);
		}
		spin_unlock(&msi_lock);
		irq_reapply_msi(i);
		err = 0;
	}
	return err;
}
