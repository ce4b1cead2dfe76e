/* SPDX-License-Identifier: MIT */
/*
 * abuse_physdev: dom0's calls about hardware that is not there.
 *
 * Claim:  PCI configuration space at addresses the firmware does not name, devices, interrupts and I/O
 *         APICs that do not exist are refused, or noted without being believed; nothing is mapped or
 *         written for them.
 * Broken: the hypervisor touches a made-up address and dies.
 */
#include "guest.h"

static void mmcfg(void)
{
	static const u64 bad[] = { 0x7d0000000000ul, 0xfffffffffff00000ul, 1ul << 52, 1ul << 40, 0, 0x100000, 0xfee00000,
		0x1000 };

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		for (unsigned int seg = 0; seg < 3; seg++) {
			struct physdev_pci_mmcfg_reserved op = { bad[i], (u16)(seg * 0x7fff), 0, 255, XEN_PCI_MMCFG_RESERVED };
			struct physdev_pci_device_add add = { .seg = op.segment, .bus = (u8)i, .devfn = 8 };
			struct physdev_map_pirq map = { .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_MSI_SEG, .index = -1, .pirq = -1,
				.bus = (s32)((u32)op.segment << 16 | i), .devfn = 8, .table_base = 0xfebf0000 };
			long rc = hc_physdev_op(PHYSDEVOP_pci_mmcfg_reserved, &op);

			CHECK(rc <= 0, "configuration space at %#lx: %ld", bad[i], rc);
			rc = hc_physdev_op(PHYSDEVOP_pci_device_add, &add);
			CHECK(rc <= 0, "device %x:%x: %ld", add.seg, add.bus, rc);
			hc_physdev_op(PHYSDEVOP_map_pirq, &map);
			struct physdev_pci_device dev = { op.segment, (u8)i, 8 };
			if (on_parapet()) {		/* Xen 4.17 dies of a device without MSI-X */
				hc_physdev_op(PHYSDEVOP_prepare_msix, &dev);
				hc_physdev_op(PHYSDEVOP_release_msix, &dev);
			}
			hc_physdev_op(PHYSDEVOP_restore_msi_ext, &dev);
			hc_physdev_op(PHYSDEVOP_pci_device_remove, &dev);
			op.flags = 0;
			hc_physdev_op(PHYSDEVOP_pci_mmcfg_reserved, &op);
		}
}

static void interrupts(void)
{
	static const u32 irqs[] = { 16, 23, 24, 255, 256, 1000, 0x7fffffff, 0xffffffff };

	for (unsigned int i = 0; i < ARRAY_SIZE(irqs); i++) {
		struct physdev_irq_status_query q = { irqs[i], 0 };
		struct physdev_eoi eoi = { irqs[i] };
		struct physdev_setup_gsi gsi = { (s32)irqs[i], 2, 2 };
		struct physdev_unmap_pirq un = { DOMID_SELF, (s32)irqs[i] };
		struct evtchn_bind_pirq bind = { irqs[i], 0, 0 };
		struct physdev_apic apic = { (u64)irqs[i] << 12, irqs[i], 0 };

		hc_physdev_op(PHYSDEVOP_irq_status_query, &q);
		hc_physdev_op(PHYSDEVOP_eoi, &eoi);
		hc_physdev_op(PHYSDEVOP_setup_gsi, &gsi);
		CHECK(irqs[i] < 1000 || hc_evtchn_op(EVTCHNOP_bind_pirq, &bind) < 0, "pirq %u is bound", irqs[i]);
		CHECK(hc_physdev_op(PHYSDEVOP_apic_read, &apic) < 0, "an I/O APIC at %#lx", apic.apic_physbase);
		CHECK(hc_physdev_op(PHYSDEVOP_apic_write, &apic) < 0, "an I/O APIC at %#lx", apic.apic_physbase);
		hc_physdev_op(PHYSDEVOP_unmap_pirq, &un);
	}
}

void test_main(void)
{
	mmcfg();
	interrupts();
	CHECK_EQ(hc_xen_version(XENVER_pagesize, NULL), 4096);
}
