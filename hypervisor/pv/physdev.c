/* SPDX-License-Identifier: MIT */
/*
 * Job:    physdev_op, the hardware domain's hand on interrupts, PCI devices and I/O privilege:
 *         check and translate; the work is in core/memory.c (pirqs) and x86 (hv/irq.h).
 * Locks:  d->evtchn_lock for pirqs.
 * Holds:  PD1  only what is in FOR_ALL is for domains that own no hardware, and it touches nothing
 *              but the caller.
 * Caveat: apic_write is refused: the I/O APICs are programmed from setup_gsi alone.
 * Tests:  tests/guests/abuse_physdev.c, abuse_iopl.c, tests/linux
 */
#include <physdev.h>
#include <hv/evtchn.h>
#include <hv/irq.h>
#include <hv/pv.h>

/* These are not only for the owner of the hardware (PD1). */
#define FOR_ALL (BIT(PHYSDEVOP_eoi) | BIT(PHYSDEVOP_irq_status_query) | BIT(PHYSDEVOP_set_iopl) | \
		 BIT(PHYSDEVOP_set_iobitmap) | BIT(PHYSDEVOP_pirq_eoi_gmfn_v1) | \
		 BIT(PHYSDEVOP_pirq_eoi_gmfn_v2))

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

/* Without the EOI map a guest must always call, for masking may have been at work. Lock held. */
static long status_query(struct domain *d, struct physdev_irq_status_query *op)
{
	struct pirq *p;

	if (op->irq >= NR_PIRQS)
		return -EINVAL;
	p = d->pirq[op->irq];
	op->flags = XENIRQSTAT_needs_eoi | (p && p->shared ? XENIRQSTAT_shared : 0);
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

static long map_pirq(struct domain *d, struct physdev_map_pirq *op)
{
	if (op->type == MAP_PIRQ_TYPE_GSI)
		op->pirq = map_gsi(d, op);
	else if (op->type == MAP_PIRQ_TYPE_MSI || op->type == MAP_PIRQ_TYPE_MSI_SEG ||
		 op->type == MAP_PIRQ_TYPE_MULTI_MSI)
		op->pirq = map_msi(d, op);
	else
		return refuse(-EINVAL, "map_pirq of type %d", op->type);
	return min(op->pirq, 0);
}

/* Virtual, as the bitmap: looked at when IN or OUT traps. */
static long set_iopl(struct pv_vcpu *pv, u32 iopl)
{
	if (iopl > 3)
		return -EINVAL;
	pv->iopl = (u8)iopl;
	return 0;
}

static long set_iobitmap(struct pv_vcpu *pv, const struct physdev_set_iobitmap *map)
{
	if (map->nr_ports > 65536 || in_hv_slots(map->bitmap))
		return refuse(-EINVAL, "I/O bitmap at %lx", map->bitmap);
	pv->iobmp = map->bitmap;
	pv->iobmp_limit = map->nr_ports;
	return 0;
}

/* A pirq without an interrupt: map_pirq gives it one. */
static long free_pirq(struct domain *d, struct physdev_get_free_pirq *op)
{
	int rc = pirq_map(d, -1, -1, 1);

	op->pirq = (u32)rc;
	return min(rc, 0);
}

static long mmcfg_reserved(const struct physdev_pci_mmcfg_reserved *c)
{
	if ((c->flags & XEN_PCI_MMCFG_RESERVED) &&
	    !pci_mmcfg_known(c->address, c->segment, c->start_bus, c->end_bus))
		return refuse(-ENODEV, "MMCFG at %lx: not in ACPI's table", c->address);
	return 0;
}

/* a1: PHYSDEVOP_*, a2: argument */
HYPERCALL(physdev_op)
{
	struct domain *d = current_vcpu()->domain;
	struct pv_vcpu *pv = &current_vcpu()->pv;
	gva_t arg = _gva(a2);

	if (!d->is_hardware && (a1 >= 64 || !(FOR_ALL & BIT(a1))))
		return refuse(-EPERM, "d%u: physdev_op %lu", d->id, a1);
	switch (a1) {
	case PHYSDEVOP_set_iopl:
		return with_arg(struct physdev_set_iopl, op, arg, set_iopl(pv, op.iopl));
	case PHYSDEVOP_set_iobitmap:
		return with_arg(struct physdev_set_iobitmap, op, arg, set_iobitmap(pv, &op));
	case PHYSDEVOP_eoi:
		return with_arg(struct physdev_eoi, op, arg, eoi(d, &op));
	case PHYSDEVOP_irq_status_query:
		return with_arg_back(struct physdev_irq_status_query, op, arg,
				     under_lock(&d->evtchn_lock, status_query(d, &op)));
	case PHYSDEVOP_pirq_eoi_gmfn_v1:
	case PHYSDEVOP_pirq_eoi_gmfn_v2:
		return with_arg(struct physdev_pirq_eoi_gmfn, op, arg,
				eoi_map(d, _mfn(op.gmfn), a1 == PHYSDEVOP_pirq_eoi_gmfn_v1));
	case PHYSDEVOP_map_pirq:
		return with_arg_back(struct physdev_map_pirq, op, arg,
				     with_domain(op.domid, o, map_pirq(o, &op)));
	case PHYSDEVOP_unmap_pirq:
		return with_arg(struct physdev_unmap_pirq, op, arg,
				with_domain(op.domid, o, pirq_unmap(o, (u32)op.pirq)));
	case PHYSDEVOP_get_free_pirq:
		return with_arg_back(struct physdev_get_free_pirq, op, arg, free_pirq(d, &op));
	case PHYSDEVOP_setup_gsi:
		return with_arg(struct physdev_setup_gsi, op, arg,
				irq_setup_gsi((u32)op.gsi, op.triggering, op.polarity));
	case PHYSDEVOP_alloc_irq_vector:	/* real ones are the hypervisor's business */
		return with_arg_back(struct physdev_irq, op, arg,
				     (op.vector = op.irq) < nr_gsis ? 0 : -EINVAL);
	case PHYSDEVOP_apic_read:
		return with_arg_back(struct physdev_apic, op, arg,
				     ioapic_guest_read(op.apic_physbase, op.reg, &op.value));
	case PHYSDEVOP_apic_write:
		return -EOPNOTSUPP;
	case PHYSDEVOP_restore_msi:
		return with_arg(struct physdev_restore_msi, op, arg,
				irq_msi_restore(0, op.bus, op.devfn));
	case PHYSDEVOP_restore_msi_ext:
		return with_arg(struct physdev_pci_device, op, arg,
				irq_msi_restore(op.seg, op.bus, op.devfn));
	case PHYSDEVOP_prepare_msix:
	case PHYSDEVOP_release_msix:
		return with_arg(struct physdev_pci_device, op, arg,
				irq_msi_prepare(op.seg, op.bus, op.devfn,
						a1 == PHYSDEVOP_release_msix));
	case PHYSDEVOP_pci_mmcfg_reserved:
		return with_arg(struct physdev_pci_mmcfg_reserved, op, arg, mmcfg_reserved(&op));
	case PHYSDEVOP_manage_pci_add ... PHYSDEVOP_manage_pci_remove:
	case PHYSDEVOP_manage_pci_add_ext:
	case PHYSDEVOP_pci_device_add ... PHYSDEVOP_pci_device_remove:
		return 0;	/* devices are found when they ask for interrupts */
	}
	return refuse(-ENOSYS, "physdev_op %lu", a1);
}
