/* SPDX-License-Identifier: MIT */
/*
 * Job:    physical interrupts for guests, between pv/physdev.c, core/evtchn.c and x86: bind a
 *         domain's pirq to a machine interrupt; mask, EOI, MSI set-up; PCI registers.
 * Locks:  RANK_IRQ inside.
 * Tests:  tests/linux (e1000 INTx, virtio MSI-X), tests/guests/abuse_physdev.c
 */
#ifndef HV_IRQ_H
#define HV_IRQ_H

#include <hv/domain.h>

#define NR_PIRQS 256
struct pirq {
	u32 pirq;		/* number in the domain; for GSIs equal to the GSI in dom0 */
	int irq;		/* machine irq (x86/irq.c's index); -1: not mapped */
	u32 port;		/* event channel; 0: not bound */
	u32 group, group_nr;	/* pirqs of one allocation: MSIs are freed with the last of them */
	bool masked, shared;
	bool level;		/* the guest must say EOI */
	struct domain *domain;
	struct pirq *next;	/* other guests on the same line */
};

/* --- machine side (x86/irq.c, apic.c, msi.c); irq numbers: GSIs [0, nr_gsis), then MSIs --- */
extern unsigned int nr_gsis;
int irq_setup_gsi(u32 gsi, bool level, bool active_low);	/* 0, -EEXIST same setting, -EBUSY, -EINVAL */
int irq_bind_pirq(struct pirq *p, bool will_share);	/* unmask and deliver; -EBUSY -ENXIO -ENOSPC */
/* these of a bound one: */
void irq_unbind_pirq(struct pirq *p);
void irq_set_affinity_vcpu(struct pirq *p, unsigned int cpu);
void irq_guest_eoi(struct pirq *p);			/* any */
void irq_dump(void);
int ioapic_guest_read(u64 base, u32 reg, u32 *val);	/* physdev apic_read; -EINVAL: no such one */
/*
 * MSI: interrupts of a device, masked until bound; nvec for multi-message MSI. The first's irq, the
 * others follow; -EINVAL -ENODEV -ENOMEM, -EEXIST in use, -ENOSPC vectors, -EPERM a table in RAM.
 */
struct msi_request { u16 seg; u8 bus, devfn; bool msix; u16 entry; u64 table_base; unsigned int nvec; };
int irq_alloc_msi(const struct msi_request *req);
void irq_free_msi(int irq);				/* the whole group, bound no more */
/* Is the MSI-X table ours to write? -ENODEV. release: no longer, -EBUSY: in use. */
int irq_msi_prepare(u16 seg, u8 bus, u8 devfn, bool release);
int irq_msi_restore(u16 seg, u8 bus, u8 devfn);		/* write all again after a reset; -ENODEV */

/*
 * Which pirqs a domain has (core/memory.c). d->pirq[] changes under d->evtchn_lock.
 * pirq_map: as number `pirq`, or any free one when it is negative (nr contiguous ones from `irq` on);
 * returns the number; -EEXIST already this irq, -EBUSY taken, -ENOSPC, -ENOMEM, -EINVAL.
 */
int pirq_map(struct domain *d, int pirq, int irq, unsigned int nr);
int pirq_unmap(struct domain *d, u32 pirq);	/* -EINVAL not mapped, -EBUSY bound */
void pirqs_destroy(struct domain *d);
void pirq_show_eoi(struct domain *d, const struct pirq *p);	/* in the guest's EOI map */

/* PCI registers (x86/msi.c): size 1, 2 or 4, aligned; all ones where nothing is or no way to it */
u32 pci_conf_read(u16 seg, u8 bus, u8 devfn, u8 reg, unsigned int size);
void pci_conf_write(u16 seg, u8 bus, u8 devfn, u8 reg, unsigned int size, u32 val);
bool pci_mmcfg_known(u64 base, u16 seg, u8 start_bus, u8 end_bus);	/* firmware named it */

#endif
