/* SPDX-License-Identifier: MIT */
/*
 * Job:    physdev_op, the hardware domain's hand on interrupts, PCI devices and I/O privilege:
 *         check and translate; the work is in core/access.c (pirqs) and x86 (hv/irq.h).
 * Locks:  d->evtchn_lock for pirqs.
 * Holds:  PD1  only what is marked ALL in ops[] is for domains that own no hardware, and it touches
 *              nothing but the caller.
 * Caveat: apic_write is refused: the I/O APICs are programmed from setup_gsi alone.
 * Tests:  tests/guests/abuse_physdev.c, abuse_iopl.c, tests/linux
 */
#include <physdev.h>
#include <hv/evtchn.h>
#include <hv/irq.h>
#include <hv/pv.h>

union arg {
	struct physdev_apic apic;
	struct physdev_eoi eoi;
	struct physdev_get_free_pirq free_pirq;
	struct physdev_irq irq;
	struct physdev_irq_status_query status;
	struct physdev_manage_pci pci;
	struct physdev_manage_pci_ext pci_ext;
	struct physdev_map_pirq map;
	struct physdev_pci_device device;
	struct physdev_pci_device_add device_add;
	struct physdev_pci_mmcfg_reserved mmcfg;
	struct physdev_pirq_eoi_gmfn eoi_map;
	struct physdev_restore_msi restore_msi;
	struct physdev_set_iobitmap iobitmap;
	struct physdev_set_iopl iopl;
	struct physdev_setup_gsi gsi;
	struct physdev_unmap_pirq unmap;
};

static long eoi(struct domain *d, const struct physdev_eoi *op)
{
	struct pirq *p;
	u32 port = 0;

	if (op->irq >= NR_PIRQS)
		return -EINVAL;
	spin_lock(&d->evtchn_lock);
	p = d->pirq[op->irq];
	if (p) {
		if (d->pirq_auto_unmask)
			port = p->port;
		irq_guest_eoi(p);
	}
	spin_unlock(&d->evtchn_lock);
	if (port)
		evtchn_unmask(d, port);
	return p ? 0 : -EINVAL;
}

/* Without the EOI map a guest must always call, for masking may have been at work. */
static long status_query(struct domain *d, struct physdev_irq_status_query *op)
{
	struct pirq *p;

	if (op->irq >= NR_PIRQS)
		return -EINVAL;
	spin_lock(&d->evtchn_lock);
	p = d->pirq[op->irq];
	op->flags = XENIRQSTAT_needs_eoi | (p && p->shared ? XENIRQSTAT_shared : 0);
	spin_unlock(&d->evtchn_lock);
	return 0;
}

static long eoi_map(struct domain *d, mfn_t mfn, bool auto_unmask)
{
	bool taken;

	if (!mfn_is_ram(mfn) || !get_page_writable(mfn_to_page(mfn), d))
		return refuse(-EINVAL, "EOI map in mfn %lx", mfn_x(mfn));
	spin_lock(&d->evtchn_lock);
	taken = !mfn_eq(d->pirq_eoi_mfn, INVALID_MFN) || d->state >= DOM_dying;
	if (!taken) {
		d->pirq_eoi_mfn = mfn;
		d->pirq_auto_unmask = auto_unmask;
		for (unsigned int i = 0; i < NR_PIRQS; i++)
			if (d->pirq[i] && d->pirq[i]->port)
				pirq_show_eoi(d, d->pirq[i]);
	}
	spin_unlock(&d->evtchn_lock);
	if (taken)
		put_page_writable(mfn_to_page(mfn));
	return taken ? -EBUSY : 0;
}

static int map_gsi(struct domain *d, const struct physdev_map_pirq *op)
{
	int rc, pirq = op->pirq < 0 ? op->index : op->pirq;

	if (op->index < 0 || op->index >= (int)nr_gsis)
		return refuse(-EINVAL, "GSI %d of %u", op->index, nr_gsis);
	rc = pirq_map(d, pirq, op->index, 1);
	return rc == -EEXIST ? pirq : rc;	/* the same again is fine */
}

static int map_msi(struct domain *d, const struct physdev_map_pirq *op)
{
	struct msi_request req = {
		.bus = (u8)op->bus, .devfn = (u8)op->devfn, .msix = op->table_base != 0,
		.entry = (u16)op->entry_nr, .table_base = op->table_base, .nvec = 1,
	};
	int irq, pirq;

	if (op->type != MAP_PIRQ_TYPE_MSI)
		req.seg = (u16)((u32)op->bus >> 16);
	if (op->type == MAP_PIRQ_TYPE_MULTI_MSI) {
		if (op->entry_nr <= 0 || op->entry_nr > 32 || op->table_base)
			return refuse(-EDOM, "%d MSI vectors", op->entry_nr);
		req.nvec = (unsigned int)op->entry_nr;
	}
	irq = irq_alloc_msi(&req);
	if (irq < 0)
		return irq;
	pirq = pirq_map(d, op->pirq, irq, req.nvec);
	if (pirq < 0)
		irq_free_msi(irq);	/* all of them */
	return pirq;
}

static long map_pirq(struct physdev_map_pirq *op)
{
	struct domain *d;
	int rc = (int)op_domain(op->domid, &d);

	if (rc)
		return rc;
	if (op->type == MAP_PIRQ_TYPE_GSI)
		rc = map_gsi(d, op);
	else if (op->type == MAP_PIRQ_TYPE_MSI || op->type == MAP_PIRQ_TYPE_MSI_SEG ||
		 op->type == MAP_PIRQ_TYPE_MULTI_MSI)
		rc = map_msi(d, op);
	else
		rc = refuse(-EINVAL, "map_pirq of type %d", op->type);
	domain_put(d);
	op->pirq = rc;
	return min(rc, 0);
}

static long unmap_pirq(const struct physdev_unmap_pirq *op)
{
	struct domain *d;
	long rc = op_domain(op->domid, &d);

	if (!rc) {
		rc = pirq_unmap(d, (u32)op->pirq);
		domain_put(d);
	}
	return rc;
}

static long operate(struct domain *d, unsigned int cmd, union arg *a)
{
	const struct physdev_set_iobitmap *map = &a->iobitmap;
	const struct physdev_pci_mmcfg_reserved *cfg = &a->mmcfg;
	const struct physdev_pci_device *dev = &a->device;
	struct pv_vcpu *pv = &current_vcpu()->pv;
	int rc;

	switch (cmd) {
	case PHYSDEVOP_set_iopl:	/* virtual, as the bitmap: looked at when IN or OUT traps */
		if (a->iopl.iopl > 3)
			return -EINVAL;
		pv->iopl = (u8)a->iopl.iopl;
		return 0;
	case PHYSDEVOP_set_iobitmap:
		if (map->nr_ports > 65536 || !guest_addr_ok(map->bitmap))
			return refuse(-EINVAL, "I/O bitmap at %lx", map->bitmap);
		pv->iobmp = map->bitmap;
		pv->iobmp_limit = map->nr_ports;
		return 0;
	case PHYSDEVOP_eoi:
		return eoi(d, &a->eoi);
	case PHYSDEVOP_irq_status_query:
		return status_query(d, &a->status);
	case PHYSDEVOP_pirq_eoi_gmfn_v1: case PHYSDEVOP_pirq_eoi_gmfn_v2:
		return eoi_map(d, _mfn(a->eoi_map.gmfn), cmd == PHYSDEVOP_pirq_eoi_gmfn_v1);
	case PHYSDEVOP_map_pirq:
		return map_pirq(&a->map);
	case PHYSDEVOP_unmap_pirq:
		return unmap_pirq(&a->unmap);
	case PHYSDEVOP_get_free_pirq:	/* without an interrupt: map_pirq gives it one */
		rc = pirq_map(d, -1, -1, 1);
		a->free_pirq.pirq = (u32)rc;
		return min(rc, 0);
	case PHYSDEVOP_setup_gsi:
		if (a->gsi.gsi < 0 || a->gsi.gsi >= (int)nr_gsis)
			return -EINVAL;
		return irq_setup_gsi((u32)a->gsi.gsi, a->gsi.triggering, a->gsi.polarity);
	case PHYSDEVOP_alloc_irq_vector:	/* real ones are the hypervisor's business */
		a->irq.vector = a->irq.irq;
		return a->irq.irq < nr_gsis ? 0 : -EINVAL;
	case PHYSDEVOP_apic_read:
		return ioapic_guest_read(a->apic.apic_physbase, a->apic.reg, &a->apic.value);
	case PHYSDEVOP_apic_write:
		return -EOPNOTSUPP;
	case PHYSDEVOP_restore_msi:
		return irq_msi_restore(0, a->restore_msi.bus, a->restore_msi.devfn);
	case PHYSDEVOP_restore_msi_ext:
		return irq_msi_restore(dev->seg, dev->bus, dev->devfn);
	case PHYSDEVOP_prepare_msix: case PHYSDEVOP_release_msix:
		return irq_msi_prepare(dev->seg, dev->bus, dev->devfn,
				       cmd == PHYSDEVOP_release_msix);
	case PHYSDEVOP_pci_mmcfg_reserved:
		if ((cfg->flags & XEN_PCI_MMCFG_RESERVED) &&
		    !pci_mmcfg_known(cfg->address, cfg->segment, cfg->start_bus, cfg->end_bus))
			return refuse(-ENODEV, "MMCFG at %lx: not in ACPI's table", cfg->address);
	}
	return 0;	/* devices are found when they ask for interrupts: nothing is kept */
}

#define ALL 1		/* not only for the owner of the hardware */
#define OUT 2		/* the argument is copied back */
#define ARG(member) sizeof(((union arg *)0)->member)

static const struct { u8 size, flags; } ops[] = {
	[PHYSDEVOP_eoi] = { ARG(eoi), ALL },
	[PHYSDEVOP_irq_status_query] = { ARG(status), ALL | OUT },
	[PHYSDEVOP_pirq_eoi_gmfn_v1] = { ARG(eoi_map), ALL },
	[PHYSDEVOP_pirq_eoi_gmfn_v2] = { ARG(eoi_map), ALL },
	[PHYSDEVOP_set_iopl] = { ARG(iopl), ALL },
	[PHYSDEVOP_set_iobitmap] = { ARG(iobitmap), ALL },
	[PHYSDEVOP_map_pirq] = { ARG(map), OUT },
	[PHYSDEVOP_unmap_pirq] = { ARG(unmap), 0 },
	[PHYSDEVOP_get_free_pirq] = { ARG(free_pirq), OUT },
	[PHYSDEVOP_setup_gsi] = { ARG(gsi), 0 },
	[PHYSDEVOP_alloc_irq_vector] = { ARG(irq), OUT },
	[PHYSDEVOP_apic_read] = { ARG(apic), OUT },
	[PHYSDEVOP_apic_write] = { ARG(apic), 0 },
	[PHYSDEVOP_manage_pci_add ... PHYSDEVOP_manage_pci_remove] = { ARG(pci), 0 },
	[PHYSDEVOP_manage_pci_add_ext] = { ARG(pci_ext), 0 },
	[PHYSDEVOP_pci_device_add] = { ARG(device_add), 0 },
	[PHYSDEVOP_pci_device_remove ... PHYSDEVOP_restore_msi_ext] = { ARG(device), 0 },
	[PHYSDEVOP_prepare_msix ... PHYSDEVOP_release_msix] = { ARG(device), 0 },
	[PHYSDEVOP_restore_msi] = { ARG(restore_msi), 0 },
	[PHYSDEVOP_pci_mmcfg_reserved] = { ARG(mmcfg), 0 },
};

/* a1: PHYSDEVOP_*, a2: argument */
HYPERCALL(physdev_op)
{
	struct domain *d = current_vcpu()->domain;
	bool known = a1 < ARRAY_SIZE(ops) && ops[a1].size;
	union arg arg;
	long rc;

	if (!d->is_hardware && !(known && (ops[a1].flags & ALL)))
		return refuse(-EPERM, "d%u: physdev_op %lu", d->id, a1);
	if (!known)
		return refuse(-ENOSYS, "physdev_op %lu", a1);
	if (copy_from_guest(&arg, _gva(a2), ops[a1].size))
		return -EFAULT;
	rc = operate(d, (unsigned int)a1, &arg);
	return !rc && (ops[a1].flags & OUT) ? copy_to_guest(_gva(a2), &arg, ops[a1].size) : rc;
}
