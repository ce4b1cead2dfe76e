/* SPDX-License-Identifier: MIT */
/*
 * The few ACPI tables that the hypervisor reads itself: MADT, FADT, HPET, MCFG.
 *
 * Job:    plain structures of what they say. The rest of ACPI is dom0's.
 * State:  acpi_info, filled once at boot (boot/start.c), constant afterwards.
 * Tests:  tests/host/test_acpi.c, tests/fuzz (multiboot and ACPI)
 */
#ifndef HV_ACPI_H
#define HV_ACPI_H

#include <hv/types.h>

#define ACPI_MAX_CPUS NR_CPUS
#define ACPI_MAX_IOAPICS 16
#define ACPI_MAX_OVERRIDES 24
#define ACPI_MAX_NMIS 16
#define ACPI_MAX_MCFG 16

struct acpi_cpu {
	u32 apic_id;
	u32 acpi_id;			/* processor UID */
};

struct acpi_ioapic {
	u32 id;
	u32 gsi_base;
	u64 maddr;
};

/* An ISA interrupt (or an NMI input of an IO-APIC) that differs from 1:1, edge, active high. */
struct acpi_override {
	u8 irq;				/* ISA number; unused for NMIs */
	bool level, active_low;
	u32 gsi;
};

/* A local APIC's NMI input. */
struct acpi_lapic_nmi {
	bool all;			/* on every CPU, else on acpi_id */
	bool level, active_low;
	u8 lint;
	u32 acpi_id;
};

struct acpi_mcfg {
	u64 base;			/* of bus 0 of the segment, though start may be later */
	u16 segment;
	u8 start_bus, end_bus;
};

enum { ACPI_SPACE_MEMORY, ACPI_SPACE_IO, ACPI_SPACE_PCI };

struct acpi_info {
	bool valid;			/* a root table was found */
	u64 rsdp_maddr;			/* 0 when only the loader's copy is known */
	u64 root_maddr;			/* XSDT or RSDT */
	bool root_is_xsdt;
	unsigned int bad_tables;	/* listed but unreadable or with a wrong checksum */

	/* MADT */
	bool have_madt;
	u64 madt_maddr;
	bool pcat_compat;		/* 8259s exist and must be masked */
	u64 lapic_maddr;
	unsigned int nr_cpus, lost_cpus;	/* enabled ones */
	struct acpi_cpu cpus[ACPI_MAX_CPUS];
	unsigned int nr_ioapics, nr_overrides, nr_ioapic_nmis, nr_nmis;
	struct acpi_ioapic ioapics[ACPI_MAX_IOAPICS];
	struct acpi_override overrides[ACPI_MAX_OVERRIDES];
	struct acpi_override ioapic_nmis[ACPI_MAX_NMIS];
	struct acpi_lapic_nmi nmis[ACPI_MAX_NMIS];

	/* FADT; ports are 0 when absent */
	bool have_fadt;
	u16 sci_irq;
	u16 pm1a_evt_port, pm1b_evt_port, pm1a_cnt_port, pm1b_cnt_port;
	u8 pm1_evt_len;
	u16 pm_timer_port;
	bool pm_timer_32bit;
	u64 facs_maddr, dsdt_maddr;
	bool have_reset;
	u8 reset_space;			/* ACPI_SPACE_* */
	u8 reset_value;
	u64 reset_addr;
	u16 boot_flags;			/* IAPC_BOOT_ARCH */
	u32 flags;

	u64 hpet_maddr;			/* 0: none */
	unsigned int nr_mcfg;
	struct acpi_mcfg mcfg[ACPI_MAX_MCFG];
};

extern struct acpi_info acpi_info;

/* A pointer to len readable bytes of machine memory at maddr, or NULL. It stays valid. */
typedef const void *(*acpi_map_t)(u64 maddr, u64 len);

/*
 * Fill *ai. rsdp (rsdp_len bytes, may be NULL) is the loader's copy of the root pointer; without a
 * good one the BIOS areas are searched. Returns 0, -ENODEV when there is no root pointer, -EINVAL
 * when there is no readable root table. Broken tables are counted and left out.
 */
int acpi_parse(const void *rsdp, size_t rsdp_len, acpi_map_t map, struct acpi_info *ai);

#endif
