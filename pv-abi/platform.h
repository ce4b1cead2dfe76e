/* SPDX-License-Identifier: MIT */
/*
 * pv-abi/platform.h: platform_op(xen_platform_op *), the hardware domain's calls about the machine.
 *
 * Job:   firmware facts, physical CPUs, wall clock, sleep states, power data.
 * Enter: C only. A wrong interface_version gets EACCES.
 * Holds: EFI runtime calls have their numbers only; xen_platform_op has its full size without them.
 * Tests: tests/abi
 */
#ifndef PV_ABI_PLATFORM_H
#define PV_ABI_PLATFORM_H

#include "xen.h"

#define XENPF_INTERFACE_VERSION		0x03000001

#define XENPF_settime32			17
#define XENPF_add_memtype		31
#define XENPF_del_memtype		32
#define XENPF_read_memtype		33
#define XENPF_microcode_update		35
#define XENPF_platform_quirk		39
#define XENPF_get_cpu_version		48
#define XENPF_efi_runtime_call		49
#define XENPF_firmware_info		50
#define XENPF_enter_acpi_sleep		51
#define XENPF_change_freq		52
#define XENPF_getidletime		53
#define XENPF_set_processor_pminfo	54
#define XENPF_get_cpuinfo		55
#define XENPF_cpu_online		56	/* xenpf_cpu_ol */
#define XENPF_cpu_offline		57	/* xenpf_cpu_ol */
#define XENPF_cpu_hotadd		58
#define XENPF_mem_hotadd		59
#define XENPF_core_parking		60
#define XENPF_resource_op		61
#define XENPF_settime64			62
#define XENPF_get_symbol		63

/* IN. Wall clock at system_time. */
struct xenpf_settime32 {
	uint32_t secs;
	uint32_t nsecs;
	uint64_t system_time;
};

struct xenpf_settime64 {
	uint64_t secs;
	uint32_t nsecs;
	uint32_t mbz;
	uint64_t system_time;
};

struct xenpf_add_memtype {
	xen_pfn_t mfn;			/* IN */
	uint64_t nr_mfns;		/* IN */
	uint32_t type;			/* IN: MTRR type */
	uint32_t handle;		/* OUT */
	uint32_t reg;			/* OUT */
};

struct xenpf_del_memtype {
	uint32_t handle;		/* IN */
	uint32_t reg;			/* IN */
};

struct xenpf_read_memtype {
	uint32_t reg;			/* IN: variable MTRR */
	xen_pfn_t mfn;			/* OUT */
	uint64_t nr_mfns;
	uint32_t type;
};

struct xenpf_microcode_update {
	uint64_t data;			/* handle IN */
	uint32_t length;		/* IN */
};

#define QUIRK_NOIRQBALANCING		1
#define QUIRK_IOAPIC_BAD_REGSEL		2
#define QUIRK_IOAPIC_GOOD_REGSEL	3
struct xenpf_platform_quirk {
	uint32_t quirk_id;		/* IN: QUIRK_* */
};

#define XEN_FW_DISK_INFO		1	/* EDD; index past the last disk: -ESRCH */
#define XEN_FW_DISK_MBR_SIGNATURE	2	/* the same */
#define XEN_FW_VBEDDC_INFO		3
#define XEN_FW_EFI_INFO			4	/* index: XEN_FW_EFI_*; without EFI: -ENOSYS */
#define XEN_FW_KBD_SHIFT_FLAGS		5
#define XEN_FW_EFI_VERSION		0
#define XEN_FW_EFI_CONFIG_TABLE		1
#define XEN_FW_EFI_VENDOR		2
#define XEN_FW_EFI_MEM_INFO		3
#define XEN_FW_EFI_RT_VERSION		4
#define XEN_FW_EFI_PCI_ROM		5
#define XEN_FW_EFI_APPLE_PROPERTIES	6

/* OUT of XENPF_firmware_info with XEN_FW_EFI_INFO. */
union xenpf_efi_info {
	uint32_t version;
	struct {
		uint64_t addr;
		uint32_t nent;
	} cfg;
	struct {
		uint32_t revision;
		uint32_t bufsz;		/* IN: bytes, OUT: bytes used */
		uint64_t name;		/* handle OUT: UCS-2 */
	} vendor;
	struct {
		uint64_t addr;		/* IN and OUT */
		uint64_t size;
		uint64_t attr;
		uint32_t type;
	} mem;
	struct {
		uint16_t segment;	/* IN */
		uint8_t bus;		/* IN */
		uint8_t devfn;		/* IN */
		uint16_t vendor;	/* IN */
		uint16_t devid;		/* IN */
		uint64_t address;
		xen_ulong_t size;
	} pci_rom;
	struct {
		uint64_t address;
		xen_ulong_t size;
	} apple_properties;
};

struct xenpf_firmware_info {
	uint32_t type;			/* IN: XEN_FW_* */
	uint32_t index;			/* IN */
	union {				/* OUT: by type */
		struct {
			uint8_t device;
			uint8_t version;
			uint16_t interface_support;
			uint16_t legacy_max_cylinder;
			uint8_t legacy_max_head;
			uint8_t legacy_sectors_per_track;
			uint64_t edd_params;	/* handle OUT: first two bytes IN are the room */
		} disk_info;
		struct {
			uint8_t device;
			uint32_t mbr_signature;
		} disk_mbr_signature;
		struct {
			uint8_t capabilities;
			uint8_t edid_transfer_time;
			uint64_t edid;	/* handle OUT: 128 bytes */
		} vbeddc_info;
		union xenpf_efi_info efi_info;
		uint8_t kbd_shift_flags;
	} u;
};

#define XENPF_ACPI_SLEEP_EXTENDED	0x00000001	/* val_a sleep control, val_b status */
struct xenpf_enter_acpi_sleep {
	uint16_t val_a;			/* IN: for PM1a control */
	uint16_t val_b;			/* IN: for PM1b control */
	uint32_t sleep_state;		/* IN: 1 to 5 */
	uint32_t flags;			/* IN: XENPF_ACPI_SLEEP_EXTENDED */
};

struct xenpf_change_freq {
	uint32_t flags;			/* IN: 0 */
	uint32_t cpu;			/* IN */
	uint64_t freq;			/* IN: Hz */
};

struct xenpf_getidletime {
	uint64_t cpumap_bitmap;		/* handle IN/OUT: bits of CPUs that exist stay set */
	uint32_t cpumap_nr_cpus;	/* IN */
	uint64_t idletime;		/* handle OUT: uint64_t[], ns */
	uint64_t now;			/* OUT: system time */
};

#define XEN_PROCESSOR_PM_CX	1
#define XEN_PROCESSOR_PM_PX	2
#define XEN_PROCESSOR_PM_TX	4
#define XEN_PM_CX		0
#define XEN_PM_PX		1
#define XEN_PM_TX		2
#define XEN_PM_PDC		3	/* _PDC bits: u.pdc */
#define XEN_PX_PCT		1
#define XEN_PX_PSS		2
#define XEN_PX_PPC		4
#define XEN_PX_PSD		8

struct xen_power_register {
	uint32_t space_id;
	uint32_t bit_width;
	uint32_t bit_offset;
	uint32_t access_size;
	uint64_t address;
};

struct xen_processor_csd {
	uint32_t domain;
	uint32_t coord_type;
	uint32_t num;
};

struct xen_processor_cx {
	struct xen_power_register reg;
	uint8_t type;
	uint32_t latency;
	uint32_t power;
	uint32_t dpcnt;
	uint64_t dp;			/* handle: xen_processor_csd[dpcnt] */
};

struct xen_processor_flags {
	uint32_t bm_control:1;
	uint32_t bm_check:1;
	uint32_t has_cst:1;
	uint32_t power_setup_done:1;
	uint32_t bm_rld_set:1;
};

struct xen_processor_power {
	uint32_t count;
	struct xen_processor_flags flags;
	uint64_t states;		/* handle: xen_processor_cx[count] */
};

struct xen_pct_register {
	uint8_t descriptor;
	uint16_t length;
	uint8_t space_id;
	uint8_t bit_width;
	uint8_t bit_offset;
	uint8_t reserved;
	uint64_t address;
};

struct xen_processor_px {
	uint64_t core_frequency;	/* MHz */
	uint64_t power;
	uint64_t transition_latency;
	uint64_t bus_master_latency;
	uint64_t control;
	uint64_t status;
};

struct xen_psd_package {
	uint64_t num_entries;
	uint64_t revision;
	uint64_t domain;
	uint64_t coord_type;
	uint64_t num_processors;
};

#define XEN_CPUPERF_SHARED_TYPE_HW	1
#define XEN_CPUPERF_SHARED_TYPE_ALL	2
#define XEN_CPUPERF_SHARED_TYPE_ANY	3
struct xen_processor_performance {
	uint32_t flags;			/* XEN_PX_* */
	uint32_t platform_limit;
	struct xen_pct_register control_register;
	struct xen_pct_register status_register;
	uint32_t state_count;
	uint64_t states;		/* handle: xen_processor_px[state_count] */
	struct xen_psd_package domain_info;
	uint32_t shared_type;		/* XEN_CPUPERF_SHARED_TYPE_* */
};

/* All IN, but u.pdc. */
struct xenpf_set_processor_pminfo {
	uint32_t id;			/* ACPI id */
	uint32_t type;			/* XEN_PM_* */
	union {
		struct xen_processor_power power;
		struct xen_processor_performance perf;
		uint64_t pdc;		/* handle IN/OUT: uint32_t[3], the buffer of _PDC */
	} u;
};

#define XEN_PCPU_FLAGS_ONLINE	1
#define XEN_PCPU_FLAGS_INVALID	2	/* no such CPU */
struct xenpf_pcpuinfo {
	uint32_t xen_cpuid;		/* IN */
	uint32_t max_present;		/* OUT: highest CPU number */
	uint32_t flags;			/* OUT: XEN_PCPU_FLAGS_* */
	uint32_t apic_id;		/* OUT */
	uint32_t acpi_id;		/* OUT */
};

struct xenpf_pcpu_version {
	uint32_t xen_cpuid;		/* IN */
	uint32_t max_present;		/* OUT, as all below */
	char vendor_id[12];
	uint32_t family;
	uint32_t model;
	uint32_t stepping;
};

struct xenpf_cpu_ol {
	uint32_t cpuid;			/* IN */
};

struct xenpf_cpu_hotadd {
	uint32_t apic_id;		/* IN */
	uint32_t acpi_id;
	uint32_t pxm;
};

struct xenpf_mem_hotadd {
	uint64_t spfn;			/* IN */
	uint64_t epfn;
	uint32_t pxm;
	uint32_t flags;
};

#define XEN_CORE_PARKING_SET	1
#define XEN_CORE_PARKING_GET	2
struct xenpf_core_parking {
	uint32_t type;			/* IN: XEN_CORE_PARKING_* */
	uint32_t idle_nums;		/* IN or OUT */
};

#define XEN_RESOURCE_OP_MSR_READ	0
#define XEN_RESOURCE_OP_MSR_WRITE	1
struct xenpf_resource_entry {
	union {
		uint32_t cmd;		/* IN: XEN_RESOURCE_OP_* */
		int32_t ret;		/* OUT */
	} u;
	uint32_t rsvd;			/* IN: 0 */
	uint64_t idx;			/* IN: MSR */
	uint64_t val;			/* IN or OUT */
};

/* Result: entries done. */
struct xenpf_resource_op {
	uint32_t nr_entries;		/* IN: at most 3 */
	uint32_t cpu;			/* IN */
	uint64_t entries;		/* handle IN/OUT: xenpf_resource_entry[] */
};

struct xenpf_symdata {
	uint32_t namelen;		/* IN: room, OUT: length */
	uint32_t symnum;		/* IN: number, OUT: next */
	uint64_t name;			/* handle OUT */
	uint64_t address;		/* OUT */
	char type;			/* OUT */
};

struct xen_platform_op {
	uint32_t cmd;			/* IN: XENPF_* */
	uint32_t interface_version;	/* IN */
	union {
		struct xenpf_settime32 settime32;
		struct xenpf_settime64 settime64;
		struct xenpf_add_memtype add_memtype;
		struct xenpf_del_memtype del_memtype;
		struct xenpf_read_memtype read_memtype;
		struct xenpf_microcode_update microcode;
		struct xenpf_platform_quirk platform_quirk;
		struct xenpf_firmware_info firmware_info;
		struct xenpf_enter_acpi_sleep enter_acpi_sleep;
		struct xenpf_change_freq change_freq;
		struct xenpf_getidletime getidletime;
		struct xenpf_set_processor_pminfo set_pminfo;
		struct xenpf_pcpuinfo pcpu_info;
		struct xenpf_pcpu_version pcpu_version;
		struct xenpf_cpu_ol cpu_ol;
		struct xenpf_cpu_hotadd cpu_add;
		struct xenpf_mem_hotadd mem_add;
		struct xenpf_core_parking core_parking;
		struct xenpf_resource_op resource_op;
		struct xenpf_symdata symdata;
		uint8_t pad[128];
	} u;
};

#endif
