/* SPDX-License-Identifier: MIT */
/*
 * Job:    plain structures of what MADT, FADT and MCFG say. The rest of ACPI is dom0's.
 * State:  acpi_info, filled once at boot (boot/start.c), constant afterwards.
 * Tests:  tests/host/test_acpi.c, tests/fuzz/fuzz_multiboot.c
 */
#ifndef HV_ACPI_H
#define HV_ACPI_H

#include <hv/multiboot.h>

#define ACPI_MAX_CPUS NR_CPUS
#define ACPI_MAX_IOAPICS 16
#define ACPI_MAX_OVERRIDES 24
#define ACPI_MAX_MCFG 16

struct acpi_cpu { u32 apic_id, acpi_id; };	/* acpi_id: processor UID */
struct acpi_ioapic { u32 gsi_base; u64 maddr; };
/* An ISA interrupt that differs from 1:1, edge, active high. */
struct acpi_override { u8 irq; bool level, active_low; u32 gsi; };

struct acpi_mcfg {
	u64 base;			/* of bus 0 of the segment, though start may be later */
	u16 segment;
	u8 start_bus, end_bus;
};

enum { ACPI_SPACE_MEMORY, ACPI_SPACE_IO, ACPI_SPACE_PCI };

struct acpi_info {
	unsigned int bad_tables;	/* listed but unreadable or with a wrong checksum */
	/* MADT */
	bool have_madt;
	u64 lapic_maddr;
	unsigned int nr_cpus, lost_cpus, nr_ioapics, nr_overrides;
	struct acpi_cpu cpus[ACPI_MAX_CPUS];	/* enabled ones; lost_cpus had no room */
	struct acpi_ioapic ioapics[ACPI_MAX_IOAPICS];
	struct acpi_override overrides[ACPI_MAX_OVERRIDES];
	/* FADT; ports are 0 when absent */
	bool have_fadt, have_reset;
	u16 pm1a_cnt_port, pm1b_cnt_port, pm_timer_port;
	u8 reset_space, reset_value;	/* ACPI_SPACE_* */
	u64 reset_addr;
	unsigned int nr_mcfg;
	struct acpi_mcfg mcfg[ACPI_MAX_MCFG];
};

extern struct acpi_info acpi_info;

/*
 * Fill *ai. rsdp (rsdp_len bytes, may be NULL) is the loader's copy of the root pointer; without a
 * good one the BIOS areas are searched. Returns 0, -ENODEV when there is no root pointer, -EINVAL
 * when there is no readable root table. Broken tables are counted and left out.
 */
int acpi_parse(const void *rsdp, size_t rsdp_len, map_maddr_t map, struct acpi_info *ai);

#endif
