/* SPDX-License-Identifier: MIT */
/*
 * pv-abi/physdev.h: physdev_op(cmd, struct *).
 *
 * Job:   dom0's hand on interrupts, PCI devices and I/O privilege.
 * Enter: C only.
 * Tests: tests/abi
 */
#ifndef PV_ABI_PHYSDEV_H
#define PV_ABI_PHYSDEV_H

#include "xen.h"

#define PHYSDEVOP_IRQ_UNMASK_NOTIFY	4
#define PHYSDEVOP_irq_status_query	5
#define PHYSDEVOP_set_iopl		6
#define PHYSDEVOP_set_iobitmap		7
#define PHYSDEVOP_apic_read		8
#define PHYSDEVOP_apic_write		9
#define PHYSDEVOP_alloc_irq_vector	10
#define PHYSDEVOP_free_irq_vector	11
#define PHYSDEVOP_eoi			12
#define PHYSDEVOP_map_pirq		13
#define PHYSDEVOP_unmap_pirq		14
#define PHYSDEVOP_manage_pci_add	15
#define PHYSDEVOP_manage_pci_remove	16
#define PHYSDEVOP_pirq_eoi_gmfn_v1	17
#define PHYSDEVOP_restore_msi		19
#define PHYSDEVOP_manage_pci_add_ext	20
#define PHYSDEVOP_setup_gsi		21
#define PHYSDEVOP_get_free_pirq		23
#define PHYSDEVOP_pci_mmcfg_reserved	24
#define PHYSDEVOP_pci_device_add	25
#define PHYSDEVOP_pci_device_remove	26	/* physdev_pci_device */
#define PHYSDEVOP_restore_msi_ext	27	/* physdev_pci_device */
#define PHYSDEVOP_pirq_eoi_gmfn_v2	28
#define PHYSDEVOP_dbgp_op		29
#define PHYSDEVOP_prepare_msix		30	/* physdev_pci_device */
#define PHYSDEVOP_release_msix		31	/* physdev_pci_device */

struct physdev_eoi {
	uint32_t irq;			/* IN: pirq */
};

/* A page with a bit per pirq that needs an EOI. v1: an EOI also unmasks the event channel. */
struct physdev_pirq_eoi_gmfn {
	xen_pfn_t gmfn;			/* IN */
};

#define _XENIRQSTAT_needs_eoi	(0)
#define XENIRQSTAT_needs_eoi	(1U << _XENIRQSTAT_needs_eoi)
#define _XENIRQSTAT_shared	(1)
#define XENIRQSTAT_shared	(1U << _XENIRQSTAT_shared)
struct physdev_irq_status_query {
	uint32_t irq;			/* IN: pirq */
	uint32_t flags;			/* OUT: XENIRQSTAT_* */
};

struct physdev_set_iopl {
	uint32_t iopl;			/* IN: the kernel counts as ring 1 */
};

struct physdev_set_iobitmap {
	uint64_t bitmap;		/* handle IN: a clear bit allows user mode the port */
	uint32_t nr_ports;		/* IN */
};

struct physdev_apic {
	uint64_t apic_physbase;		/* IN: which I/O APIC */
	uint32_t reg;			/* IN */
	uint32_t value;			/* IN or OUT */
};

struct physdev_irq {
	uint32_t irq;			/* IN */
	uint32_t vector;		/* OUT */
};

#define MAP_PIRQ_TYPE_MSI		0x0
#define MAP_PIRQ_TYPE_GSI		0x1
#define MAP_PIRQ_TYPE_UNKNOWN		0x2
#define MAP_PIRQ_TYPE_MSI_SEG		0x3	/* bus: segment << 16 | bus */
#define MAP_PIRQ_TYPE_MULTI_MSI		0x4	/* entry_nr: number of vectors, IN/OUT */
struct physdev_map_pirq {
	domid_t domid;			/* IN */
	int32_t type;			/* IN: MAP_PIRQ_TYPE_* */
	int32_t index;			/* IN: GSI, or -1 */
	int32_t pirq;			/* IN: wanted or -1, OUT */
	int32_t bus;			/* IN, MSI */
	int32_t devfn;			/* IN, MSI */
	int32_t entry_nr;		/* IN, MSI-X entry */
	uint64_t table_base;		/* IN, MSI-X table's address; 0 means MSI */
};

struct physdev_unmap_pirq {
	domid_t domid;			/* IN */
	int32_t pirq;			/* IN */
};

struct physdev_manage_pci {
	uint8_t bus;			/* IN */
	uint8_t devfn;			/* IN */
};

struct physdev_restore_msi {
	uint8_t bus;			/* IN */
	uint8_t devfn;			/* IN */
};

struct physdev_manage_pci_ext {
	uint8_t bus;			/* IN */
	uint8_t devfn;
	uint32_t is_extfn;
	uint32_t is_virtfn;
	struct {
		uint8_t bus;
		uint8_t devfn;
	} physfn;
};

/* -EEXIST when the GSI is set up already. */
struct physdev_setup_gsi {
	int32_t gsi;			/* IN */
	uint8_t triggering;		/* IN: 0 edge, 1 level */
	uint8_t polarity;		/* IN: 0 high, 1 low */
};

struct physdev_get_free_pirq {
	int32_t type;			/* IN: MAP_PIRQ_TYPE_* */
	uint32_t pirq;			/* OUT */
};

#define XEN_PCI_MMCFG_RESERVED	0x1
struct physdev_pci_mmcfg_reserved {
	uint64_t address;		/* IN */
	uint16_t segment;
	uint8_t start_bus;
	uint8_t end_bus;
	uint32_t flags;			/* IN: XEN_PCI_MMCFG_RESERVED */
};

#define XEN_PCI_DEV_EXTFN	0x1
#define XEN_PCI_DEV_VIRTFN	0x2
#define XEN_PCI_DEV_PXM		0x4
struct physdev_pci_device_add {
	uint16_t seg;			/* IN */
	uint8_t bus;
	uint8_t devfn;
	uint32_t flags;			/* IN: XEN_PCI_DEV_* */
	struct {
		uint8_t bus;
		uint8_t devfn;
	} physfn;			/* IN with VIRTFN */
	uint32_t optarr[];		/* IN: [0] proximity domain with PXM */
};

struct physdev_pci_device {
	uint16_t seg;			/* IN */
	uint8_t bus;
	uint8_t devfn;
};

#define PHYSDEVOP_DBGP_RESET_PREPARE	1
#define PHYSDEVOP_DBGP_RESET_DONE	2
#define PHYSDEVOP_DBGP_BUS_UNKNOWN	0
#define PHYSDEVOP_DBGP_BUS_PCI		1
struct physdev_dbgp_op {
	uint8_t op;			/* IN */
	uint8_t bus;			/* IN */
	union {
		struct physdev_pci_device pci;
	} u;
};

#endif
