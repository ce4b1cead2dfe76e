/* SPDX-License-Identifier: MIT */
/*
 * physdev_op: the hardware domain's hand on interrupts, PCI devices and I/O privilege.
 *
 * Job:    check and translate; the work is in core/access.c (pirqs) and x86 (hv/irq.h).
 * Enter:  the hypercall table.
 * State:  v->pv.iopl and its I/O bitmap; d->pirq[]; d->pirq_eoi_mfn.
 * Locks:  d->evtchn_lock for pirqs.
 * Holds:  PD1  only set_iopl, set_iobitmap, eoi, irq_status_query and the EOI map are for domains
 *              that own no hardware, and these touch nothing but the caller.
 * Caveat: apic_write is refused: the I/O APICs are programmed from setup_gsi alone.
 * Tests:  tests/host/test_physdev.c, tests/linux
 */
#include <physdev.h>
#include <hv/debug.h>
#include <hv/errno.h>
#include <hv/evtchn.h>
#include <hv/hypercall.h>
#include <hv/irq.h>
#include <hv/pv.h>

/* --- I/O privilege: virtual, looked at when an IN or OUT traps --- */

static long set_iopl(struct vcpu *v, gva_t arg)
{
	struct physdev_set_iopl op;

	if (copy_from_guest(&op, arg, sizeof(op)))
		return -EFAULT;
	if (op.iopl > 3)
		return -EINVAL;
	v->pv.iopl = (u8)op.iopl;
	return 0;
}

static long set_iobitmap(struct vcpu *v, gva_t arg)
{
	struct physdev_set_iobitmap op;

	if (copy_from_guest(&op, arg, sizeof(op)))
		return -EFAULT;
	if (op.nr_ports > 65536 || !guest_addr_ok(op.bitmap))
		return refuse(-EINVAL, "I/O bitmap of %u ports at %lx", op.nr_ports, op.bitmap);
	v->pv.iobmp = op.bitmap;
	v->pv.iobmp_limit = op.nr_ports;
	return 0;
}

/* --- interrupts --- */

static long eoi(struct domain *d, gva_t arg)
{
	struct physdev_eoi op;
	struct pirq *p;
	u32 port = 0;

	if (copy_from_guest(&op, arg, sizeof(op)))
		return -EFAULT;
	if (op.irq >= NR_PIRQS)
		return -EINVAL;
	spin_lock(&d->evtchn_lock);
	p = d->pirq[op.irq];
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
static long status_query(struct domain *d, gva_t arg)
{
	struct physdev_irq_status_query op;
	struct pirq *p;

	if (copy_from_guest(&op, arg, sizeof(op)))
		return -EFAULT;
	if (op.irq >= NR_PIRQS)
		return -EINVAL;
	op.flags = XENIRQSTAT_needs_eoi;
	spin_lock(&d->evtchn_lock);
	p = d->pirq[op.irq];
	if (p && p->shared)
		op.flags |= XENIRQSTAT_shared;
	spin_unlock(&d->evtchn_lock);
	return copy_to_guest(arg, &op, sizeof(op));
}

static long eoi_map(struct domain *d, gva_t arg, bool auto_unmask)
{
	struct physdev_pirq_eoi_gmfn op;
	unsigned int i;
	long rc = 0;

	if (copy_from_guest(&op, arg, sizeof(op)))
		return -EFAULT;
	if (!mfn_is_ram(_mfn(op.gmfn)) || !get_page_writable(mfn_to_page(_mfn(op.gmfn)), d))
		return refuse(-EINVAL, "EOI map in mfn %lx", op.gmfn);
	spin_lock(&d->evtchn_lock);
	if (!mfn_eq(d->pirq_eoi_mfn, INVALID_MFN) || d->state >= DOM_dying) {
		rc = -EBUSY;
	} else {
		d->pirq_eoi_mfn = _mfn(op.gmfn);
		d->pirq_auto_unmask = auto_unmask;
		for (i = 0; i < NR_PIRQS; i++)
			if (d->pirq[i] && d->pirq[i]->port)
				pirq_show_eoi(d, d->pirq[i]);
	}
	spin_unlock(&d->evtchn_lock);
	if (rc)
		put_page_writable(mfn_to_page(_mfn(op.gmfn)));
	return rc;
}

static int map_gsi(struct domain *d, const struct physdev_map_pirq *op)
{
	int rc, pirq;

	if (op->index < 0 || op->index >= (int)nr_gsis)
		return refuse(-EINVAL, "GSI %d of %u", op->index, nr_gsis);
	pirq = op->pirq < 0 ? op->index : op->pirq;
	rc = pirq_map(d, pirq, op->index, 1);
	return rc == -EEXIST ? pirq : rc;	/* the same again is fine */
}

static int map_msi(struct domain *d, struct physdev_map_pirq *op)
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

/* The domain that gets or loses an interrupt; the caller is the hardware domain. */
static int target(domid_t id, struct domain **out)
{
	struct domain *d = current_vcpu()->domain;

	if (id != DOMID_SELF && id != d->id) {
		*out = domain_get(id);
		return *out ? 0 : -ESRCH;
	}
	atomic_inc(&d->refs);
	*out = d;
	return 0;
}

static long map_pirq(gva_t arg)
{
	struct physdev_map_pirq op;
	struct domain *d;
	int rc;

	if (copy_from_guest(&op, arg, sizeof(op)))
		return -EFAULT;
	rc = target(op.domid, &d);
	if (rc)
		return rc;
	switch (op.type) {
	case MAP_PIRQ_TYPE_GSI:
		rc = map_gsi(d, &op);
		break;
	case MAP_PIRQ_TYPE_MSI:
	case MAP_PIRQ_TYPE_MSI_SEG:
	case MAP_PIRQ_TYPE_MULTI_MSI:
		rc = map_msi(d, &op);
		break;
	default:
		rc = refuse(-EINVAL, "map_pirq of type %d", op.type);
	}
	domain_put(d);
	if (rc < 0)
		return rc;
	op.pirq = rc;
	return copy_to_guest(arg, &op, sizeof(op));
}

static long unmap_pirq(gva_t arg)
{
	struct physdev_unmap_pirq op;
	struct domain *d;
	int rc;

	if (copy_from_guest(&op, arg, sizeof(op)))
		return -EFAULT;
	rc = target(op.domid, &d);
	if (rc)
		return rc;
	rc = pirq_unmap(d, (u32)op.pirq);
	domain_put(d);
	return rc;
}

/* A number without an interrupt, to be given one by map_pirq. */
static long get_free_pirq(struct domain *d, gva_t arg)
{
	struct physdev_get_free_pirq op;
	int rc;

	if (copy_from_guest(&op, arg, sizeof(op)))
		return -EFAULT;
	rc = pirq_map(d, -1, -1, 1);
	if (rc < 0)
		return rc;
	op.pirq = (u32)rc;
	return copy_to_guest(arg, &op, sizeof(op));
}

static long setup_gsi(gva_t arg)
{
	struct physdev_setup_gsi op;

	if (copy_from_guest(&op, arg, sizeof(op)))
		return -EFAULT;
	if (op.gsi < 0 || op.gsi >= (int)nr_gsis)
		return -EINVAL;
	return irq_setup_gsi((u32)op.gsi, op.triggering, op.polarity);
}

/* The number is the vector: real ones are the hypervisor's business. */
static long alloc_vector(gva_t arg)
{
	struct physdev_irq op;

	if (copy_from_guest(&op, arg, sizeof(op)))
		return -EFAULT;
	if (op.irq >= nr_gsis)
		return -EINVAL;
	op.vector = op.irq;
	return copy_to_guest(arg, &op, sizeof(op));
}

static long apic_read(gva_t arg)
{
	struct physdev_apic op;
	int rc;

	if (copy_from_guest(&op, arg, sizeof(op)))
		return -EFAULT;
	rc = ioapic_guest_reg_ok(op.apic_physbase, op.reg);
	if (rc)
		return rc;
	op.value = ioapic_guest_read(op.apic_physbase, op.reg);
	return copy_to_guest(arg, &op, sizeof(op));
}

/* --- PCI --- */

static long pci_device_op(unsigned long cmd, gva_t arg)
{
	struct physdev_pci_device dev;
	struct physdev_restore_msi old;

	if (cmd == PHYSDEVOP_restore_msi) {
		if (copy_from_guest(&old, arg, sizeof(old)))
			return -EFAULT;
		return irq_msi_restore(0, old.bus, old.devfn);
	}
	if (copy_from_guest(&dev, arg, sizeof(dev)))
		return -EFAULT;
	switch (cmd) {
	case PHYSDEVOP_restore_msi_ext:
		return irq_msi_restore(dev.seg, dev.bus, dev.devfn);
	case PHYSDEVOP_prepare_msix:
		return irq_msi_prepare(dev.seg, dev.bus, dev.devfn, false);
	case PHYSDEVOP_release_msix:
		return irq_msi_prepare(dev.seg, dev.bus, dev.devfn, true);
	}
	return 0;			/* removed: nothing is kept of a device as such */
}

/* Devices are found when they ask for interrupts; knowing of them is not needed before. */
static long note_device(gva_t arg, size_t size)
{
	struct physdev_pci_device_add add;

	return copy_from_guest(&add, arg, min(size, sizeof(add)));
}

static long mmcfg_reserved(gva_t arg)
{
	struct physdev_pci_mmcfg_reserved op;

	if (copy_from_guest(&op, arg, sizeof(op)))
		return -EFAULT;
	if (!(op.flags & XEN_PCI_MMCFG_RESERVED))
		return 0;
	if (!pci_mmcfg_known(op.address, op.segment, op.start_bus, op.end_bus))
		return refuse(-ENODEV, "MMCFG at %lx: not in ACPI's table", op.address);
	return 0;
}

/* The operations for the owner of the hardware. */
static long hardware_op(struct domain *d, unsigned long cmd, gva_t arg)
{
	switch (cmd) {
	case PHYSDEVOP_map_pirq:
		return map_pirq(arg);
	case PHYSDEVOP_unmap_pirq:
		return unmap_pirq(arg);
	case PHYSDEVOP_get_free_pirq:
		return get_free_pirq(d, arg);
	case PHYSDEVOP_setup_gsi:
		return setup_gsi(arg);
	case PHYSDEVOP_alloc_irq_vector:
		return alloc_vector(arg);
	case PHYSDEVOP_apic_read:
		return apic_read(arg);
	case PHYSDEVOP_apic_write:
		return -EOPNOTSUPP;
	case PHYSDEVOP_pci_device_add:
		return note_device(arg, sizeof(struct physdev_pci_device_add));
	case PHYSDEVOP_manage_pci_add:
	case PHYSDEVOP_manage_pci_remove:
		return note_device(arg, sizeof(struct physdev_manage_pci));
	case PHYSDEVOP_manage_pci_add_ext:
		return note_device(arg, sizeof(struct physdev_manage_pci_ext));
	case PHYSDEVOP_pci_device_remove:
	case PHYSDEVOP_restore_msi:
	case PHYSDEVOP_restore_msi_ext:
	case PHYSDEVOP_prepare_msix:
	case PHYSDEVOP_release_msix:
		return pci_device_op(cmd, arg);
	case PHYSDEVOP_pci_mmcfg_reserved:
		return mmcfg_reserved(arg);
	}
	return refuse(-ENOSYS, "physdev_op %lu", cmd);
}

/* a1: PHYSDEVOP_*, a2: argument */
HYPERCALL(physdev_op)
{
	struct vcpu *v = current_vcpu();
	struct domain *d = v->domain;
	gva_t arg = _gva(a2);

	switch (a1) {
	case PHYSDEVOP_eoi:
		return eoi(d, arg);
	case PHYSDEVOP_set_iopl:
		return set_iopl(v, arg);
	case PHYSDEVOP_set_iobitmap:
		return set_iobitmap(v, arg);
	case PHYSDEVOP_irq_status_query:
		return status_query(d, arg);
	case PHYSDEVOP_pirq_eoi_gmfn_v1:
	case PHYSDEVOP_pirq_eoi_gmfn_v2:
		return eoi_map(d, arg, a1 == PHYSDEVOP_pirq_eoi_gmfn_v1);
	}
	if (!d->is_hardware)
		return refuse(-EPERM, "d%u: physdev_op %lu", d->id, a1);
	return hardware_op(d, a1, arg);
}
