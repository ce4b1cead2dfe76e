/* SPDX-License-Identifier: MIT */
/*
 * pv-abi/sysctl.h: sysctl(xen_sysctl *), the toolstack's calls about the whole machine.
 *
 * Job:   what the machine is, what runs on it, the hypervisor's log, scheduling and CPU pools.
 * Enter: C only; privileged callers only. A wrong interface_version gets EACCES, a cmd that Parapet
 *        does not have ENOSYS.
 * Holds: all command numbers are here; structures of tracing, profiling, coverage, live patching
 *        and cache partitioning are left out. xen_sysctl has its full size.
 * Tests: tests/abi
 */
#ifndef PV_ABI_SYSCTL_H
#define PV_ABI_SYSCTL_H

#include "xen.h"
#include "domctl.h"
#include "physdev.h"

#define XEN_SYSCTL_INTERFACE_VERSION	0x00000015

#define XEN_SYSCTL_readconsole			1
#define XEN_SYSCTL_tbuf_op			2
#define XEN_SYSCTL_physinfo			3
#define XEN_SYSCTL_sched_id			4
#define XEN_SYSCTL_perfc_op			5
#define XEN_SYSCTL_getdomaininfolist		6
#define XEN_SYSCTL_debug_keys			7
#define XEN_SYSCTL_getcpuinfo			8
#define XEN_SYSCTL_availheap			9
#define XEN_SYSCTL_get_pmstat			10
#define XEN_SYSCTL_cpu_hotplug			11
#define XEN_SYSCTL_pm_op			12
#define XEN_SYSCTL_page_offline_op		14
#define XEN_SYSCTL_lockprof_op			15
#define XEN_SYSCTL_cputopoinfo			16
#define XEN_SYSCTL_numainfo			17
#define XEN_SYSCTL_cpupool_op			18
#define XEN_SYSCTL_scheduler_op			19
#define XEN_SYSCTL_coverage_op			20
#define XEN_SYSCTL_psr_cmt_op			21
#define XEN_SYSCTL_pcitopoinfo			22
#define XEN_SYSCTL_psr_alloc			23
#define XEN_SYSCTL_get_cpu_levelling_caps	25
#define XEN_SYSCTL_get_cpu_featureset		26
#define XEN_SYSCTL_livepatch_op			27
#define XEN_SYSCTL_get_cpu_policy		29

struct xen_sysctl_readconsole {
	uint8_t clear;			/* IN: forget what was read */
	uint8_t incremental;		/* IN: start at index */
	uint8_t pad0, pad1;
	uint32_t index;			/* IN, OUT: first byte not read */
	uint64_t buffer;		/* handle OUT: char[] */
	uint32_t count;			/* IN: room, OUT: bytes */
};

#define XEN_SYSCTL_TBUFOP_get_info	0
#define XEN_SYSCTL_TBUFOP_set_cpu_mask	1
#define XEN_SYSCTL_TBUFOP_set_evt_mask	2
#define XEN_SYSCTL_TBUFOP_set_size	3
#define XEN_SYSCTL_TBUFOP_enable	4
#define XEN_SYSCTL_TBUFOP_disable	5
struct xen_sysctl_tbuf_op {
	uint32_t cmd;			/* IN: XEN_SYSCTL_TBUFOP_* */
	struct xenctl_bitmap cpu_mask;	/* IN */
	uint32_t evt_mask;		/* IN or OUT */
	uint64_t buffer_mfn;		/* OUT */
	uint32_t size;			/* IN or OUT: pages per CPU */
};

#define XEN_SYSCTL_PHYSCAP_hvm			(1U << 0)
#define XEN_SYSCTL_PHYSCAP_pv			(1U << 1)
#define XEN_SYSCTL_PHYSCAP_directio		(1U << 2)
#define XEN_SYSCTL_PHYSCAP_hap			(1U << 3)
#define XEN_SYSCTL_PHYSCAP_shadow		(1U << 4)
#define XEN_SYSCTL_PHYSCAP_iommu_hap_pt_share	(1U << 5)
#define XEN_SYSCTL_PHYSCAP_vmtrace		(1U << 6)
#define XEN_SYSCTL_PHYSCAP_vpmu			(1U << 7)
#define XEN_SYSCTL_PHYSCAP_gnttab_v1		(1U << 8)
#define XEN_SYSCTL_PHYSCAP_gnttab_v2		(1U << 9)
#define XEN_SYSCTL_PHYSCAP_MAX			XEN_SYSCTL_PHYSCAP_gnttab_v2
struct xen_sysctl_physinfo {
	uint32_t threads_per_core;	/* OUT, all of it */
	uint32_t cores_per_socket;
	uint32_t nr_cpus;		/* online */
	uint32_t max_cpu_id;
	uint32_t nr_nodes;
	uint32_t max_node_id;
	uint32_t cpu_khz;
	uint32_t capabilities;		/* XEN_SYSCTL_PHYSCAP_* */
	uint32_t arch_capabilities;	/* 0 */
	uint32_t pad;
	uint64_t total_pages;
	uint64_t free_pages;
	uint64_t scrub_pages;
	uint64_t outstanding_pages;	/* claimed by domains */
	uint64_t max_mfn;
	uint32_t hw_cap[8];		/* feature words 1d 1c e1d e1c Da1 7b0 7c0 e7d */
};

struct xen_sysctl_sched_id {
	uint32_t sched_id;		/* OUT: XEN_SCHEDULER_* */
};

/* Domains from first_domain on. */
struct xen_sysctl_getdomaininfolist {
	domid_t first_domain;		/* IN */
	uint32_t max_domains;		/* IN: room */
	uint64_t buffer;		/* handle OUT: xen_domctl_getdomaininfo[] */
	uint32_t num_domains;		/* OUT */
};

struct xen_sysctl_debug_keys {
	uint64_t keys;			/* handle IN: char[] */
	uint32_t nr_keys;		/* IN */
};

struct xen_sysctl_cpuinfo {
	uint64_t idletime;		/* ns */
};
struct xen_sysctl_getcpuinfo {
	uint32_t max_cpus;		/* IN: room */
	uint64_t info;			/* handle OUT: xen_sysctl_cpuinfo[] */
	uint32_t nr_cpus;		/* OUT */
};

struct xen_sysctl_availheap {
	uint32_t min_bitwidth;		/* IN: address bits, 0 any */
	uint32_t max_bitwidth;		/* IN */
	int32_t node;			/* IN: -1 any */
	uint64_t avail_bytes;		/* OUT */
};

/* get_pmstat */
#define PMSTAT_CATEGORY_MASK	0xf0
#define PMSTAT_PX		0x10
#define PMSTAT_CX		0x20
#define PMSTAT_get_max_px	(PMSTAT_PX | 0x1)
#define PMSTAT_get_pxstat	(PMSTAT_PX | 0x2)
#define PMSTAT_reset_pxstat	(PMSTAT_PX | 0x3)
#define PMSTAT_get_max_cx	(PMSTAT_CX | 0x1)
#define PMSTAT_get_cxstat	(PMSTAT_CX | 0x2)
#define PMSTAT_reset_cxstat	(PMSTAT_CX | 0x3)
struct pm_px_val {
	uint64_t freq;
	uint64_t residency;
	uint64_t count;
};
struct pm_px_stat {
	uint8_t total;			/* OUT */
	uint8_t usable;
	uint8_t last;
	uint8_t cur;
	uint64_t trans_pt;		/* handle OUT: uint64_t[] */
	uint64_t pt;			/* handle OUT: pm_px_val[] */
};
struct pm_cx_stat {
	uint32_t nr;			/* OUT: states, C0 included */
	uint32_t last;
	uint64_t idle_time;		/* ns */
	uint64_t triggers;		/* handle OUT: uint64_t[] */
	uint64_t residencies;		/* handle OUT: uint64_t[] */
	uint32_t nr_pc;			/* IN: room, OUT */
	uint32_t nr_cc;
	uint64_t pc;			/* handle OUT: uint64_t[] */
	uint64_t cc;			/* handle OUT: uint64_t[] */
};
struct xen_sysctl_get_pmstat {
	uint32_t type;			/* IN: PMSTAT_* */
	uint32_t cpuid;			/* IN */
	union {
		struct pm_px_stat getpx;
		struct pm_cx_stat getcx;
	} u;				/* OUT */
};

#define XEN_SYSCTL_CPU_HOTPLUG_ONLINE		0
#define XEN_SYSCTL_CPU_HOTPLUG_OFFLINE		1
#define XEN_SYSCTL_CPU_HOTPLUG_SMT_ENABLE	2
#define XEN_SYSCTL_CPU_HOTPLUG_SMT_DISABLE	3
struct xen_sysctl_cpu_hotplug {
	uint32_t cpu;			/* IN; 0 for SMT_* */
	uint32_t op;			/* IN: XEN_SYSCTL_CPU_HOTPLUG_* */
};

/* pm_op */
#define PM_PARA_CATEGORY_MASK		0xf0
#define CPUFREQ_PARA			0x10
#define GET_CPUFREQ_PARA		(CPUFREQ_PARA | 0x01)
#define SET_CPUFREQ_GOV			(CPUFREQ_PARA | 0x02)
#define SET_CPUFREQ_PARA		(CPUFREQ_PARA | 0x03)
#define GET_CPUFREQ_AVGFREQ		(CPUFREQ_PARA | 0x04)
#define XEN_SYSCTL_pm_op_set_sched_opt_smt		0x21
#define XEN_SYSCTL_pm_op_get_max_cstate			0x22
#define XEN_SYSCTL_pm_op_set_max_cstate			0x23
#define XEN_SYSCTL_pm_op_set_vcpu_migration_delay	0x24
#define XEN_SYSCTL_pm_op_get_vcpu_migration_delay	0x25
#define XEN_SYSCTL_pm_op_enable_turbo			0x26
#define XEN_SYSCTL_pm_op_disable_turbo			0x27
#define CPUFREQ_NAME_LEN		16
#define XEN_SYSCTL_CX_UNLIMITED		0xffffffff
struct xen_userspace {
	uint32_t scaling_setspeed;
};
struct xen_ondemand {
	uint32_t sampling_rate_max;
	uint32_t sampling_rate_min;
	uint32_t sampling_rate;
	uint32_t up_threshold;
};
struct xen_get_cpufreq_para {
	uint32_t cpu_num;		/* IN: room, OUT */
	uint32_t freq_num;
	uint32_t gov_num;
	uint64_t affected_cpus;		/* handle OUT: uint32_t[] */
	uint64_t scaling_available_frequencies;	/* handle OUT: uint32_t[] */
	uint64_t scaling_available_governors;	/* handle OUT: char[] */
	char scaling_driver[CPUFREQ_NAME_LEN];
	uint32_t cpuinfo_cur_freq;
	uint32_t cpuinfo_max_freq;
	uint32_t cpuinfo_min_freq;
	uint32_t scaling_cur_freq;
	char scaling_governor[CPUFREQ_NAME_LEN];
	uint32_t scaling_max_freq;
	uint32_t scaling_min_freq;
	union {
		struct xen_userspace userspace;
		struct xen_ondemand ondemand;
	} u;
	int32_t turbo_enabled;
};
struct xen_set_cpufreq_gov {
	char scaling_governor[CPUFREQ_NAME_LEN];	/* IN */
};
struct xen_set_cpufreq_para {
	uint32_t ctrl_type;		/* IN */
	uint32_t ctrl_value;		/* IN */
};
struct xen_sysctl_pm_op {
	uint32_t cmd;			/* IN */
	uint32_t cpuid;			/* IN */
	union {
		struct xen_get_cpufreq_para get_para;
		struct xen_set_cpufreq_gov set_gov;
		struct xen_set_cpufreq_para set_para;
		uint64_t get_avgfreq;
		uint32_t set_sched_opt_smt;
		uint32_t get_max_cstate;
		uint32_t set_max_cstate;
	} u;
};

#define XEN_INVALID_CORE_ID	(~0U)
#define XEN_INVALID_SOCKET_ID	(~0U)
#define XEN_INVALID_NODE_ID	(~0U)
struct xen_sysctl_cputopo {
	uint32_t core;
	uint32_t socket;
	uint32_t node;
};
struct xen_sysctl_cputopoinfo {
	uint32_t num_cpus;		/* IN: room, OUT */
	uint64_t cputopo;		/* handle OUT: xen_sysctl_cputopo[]; null: count only */
};

#define XEN_INVALID_MEM_SZ	(~0U)
#define XEN_INVALID_NODE_DIST	(~0U)
struct xen_sysctl_meminfo {
	uint64_t memsize;		/* bytes */
	uint64_t memfree;
};
struct xen_sysctl_numainfo {
	uint32_t num_nodes;		/* IN: room, OUT */
	uint64_t meminfo;		/* handle OUT: xen_sysctl_meminfo[]; null: count */
	uint64_t distance;		/* handle OUT: uint32_t[n * n] */
};

#define XEN_SYSCTL_CPUPOOL_OP_CREATE		1
#define XEN_SYSCTL_CPUPOOL_OP_DESTROY		2
#define XEN_SYSCTL_CPUPOOL_OP_INFO		3
#define XEN_SYSCTL_CPUPOOL_OP_ADDCPU		4
#define XEN_SYSCTL_CPUPOOL_OP_RMCPU		5
#define XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN	6
#define XEN_SYSCTL_CPUPOOL_OP_FREEINFO		7
#define XEN_SYSCTL_CPUPOOL_PAR_ANY		0xFFFFFFFF
struct xen_sysctl_cpupool_op {
	uint32_t op;			/* IN: XEN_SYSCTL_CPUPOOL_OP_* */
	uint32_t cpupool_id;		/* IN, OUT of CREATE and INFO (next one, or -ENOENT) */
	uint32_t sched_id;		/* IN of CREATE, OUT of INFO */
	uint32_t domid;			/* IN of MOVEDOMAIN */
	uint32_t cpu;			/* IN of ADDCPU and RMCPU */
	uint32_t n_dom;			/* OUT of INFO */
	struct xenctl_bitmap cpumap;	/* OUT of INFO and FREEINFO */
};

#define XEN_SYSCTL_SCHED_RATELIMIT_MAX		500000
#define XEN_SYSCTL_SCHED_RATELIMIT_MIN		100
#define XEN_SYSCTL_CSCHED_TSLICE_MAX		1000
#define XEN_SYSCTL_CSCHED_TSLICE_MIN		1
#define XEN_SYSCTL_CSCHED_MGR_DLY_MAX_US	(100 * 1000)
struct xen_sysctl_credit_schedule {
	uint32_t tslice_ms;
	uint32_t ratelimit_us;
	uint32_t vcpu_migr_delay_us;
};
struct xen_sysctl_credit2_schedule {
	uint32_t ratelimit_us;
};
#define XEN_SYSCTL_SCHEDOP_putinfo	0
#define XEN_SYSCTL_SCHEDOP_getinfo	1
struct xen_sysctl_scheduler_op {
	uint32_t cpupool_id;		/* IN */
	uint32_t sched_id;		/* IN: XEN_SCHEDULER_* */
	uint32_t cmd;			/* IN: XEN_SYSCTL_SCHEDOP_* */
	union {				/* IN or OUT */
		struct xen_sysctl_sched_arinc653 {
			uint64_t schedule;
		} sched_arinc653;
		struct xen_sysctl_credit_schedule sched_credit;
		struct xen_sysctl_credit2_schedule sched_credit2;
	} u;
};

#define XEN_INVALID_DEV		(XEN_INVALID_NODE_ID - 1)
struct xen_sysctl_pcitopoinfo {
	uint32_t num_devs;		/* IN, OUT */
	uint64_t devs;			/* handle IN: physdev_pci_device[] */
	uint64_t nodes;			/* handle OUT: uint32_t[] */
};

#define XEN_SYSCTL_CPU_LEVELCAP_faulting	(1UL << 0)
#define XEN_SYSCTL_CPU_LEVELCAP_ecx		(1UL << 1)
#define XEN_SYSCTL_CPU_LEVELCAP_edx		(1UL << 2)
#define XEN_SYSCTL_CPU_LEVELCAP_extd_ecx	(1UL << 3)
#define XEN_SYSCTL_CPU_LEVELCAP_extd_edx	(1UL << 4)
#define XEN_SYSCTL_CPU_LEVELCAP_xsave_eax	(1UL << 5)
#define XEN_SYSCTL_CPU_LEVELCAP_thermal_ecx	(1UL << 6)
#define XEN_SYSCTL_CPU_LEVELCAP_l7s0_eax	(1UL << 7)
#define XEN_SYSCTL_CPU_LEVELCAP_l7s0_ebx	(1UL << 8)
struct xen_sysctl_cpu_levelling_caps {
	uint32_t caps;			/* OUT */
};

#define XEN_SYSCTL_cpu_featureset_raw		0
#define XEN_SYSCTL_cpu_featureset_host		1
#define XEN_SYSCTL_cpu_featureset_pv		2
#define XEN_SYSCTL_cpu_featureset_hvm		3
#define XEN_SYSCTL_cpu_featureset_pv_max	4
#define XEN_SYSCTL_cpu_featureset_hvm_max	5
struct xen_sysctl_cpu_featureset {
	uint32_t index;			/* IN: XEN_SYSCTL_cpu_featureset_* */
	uint32_t nr_features;		/* IN: room in words, OUT */
	uint64_t features;		/* handle OUT: uint32_t[]; null: count only */
};

#define XEN_SYSCTL_cpu_policy_raw		0
#define XEN_SYSCTL_cpu_policy_host		1
#define XEN_SYSCTL_cpu_policy_pv_max		2
#define XEN_SYSCTL_cpu_policy_hvm_max		3
#define XEN_SYSCTL_cpu_policy_pv_default	4
#define XEN_SYSCTL_cpu_policy_hvm_default	5
struct xen_sysctl_cpu_policy {
	uint32_t index;			/* IN: XEN_SYSCTL_cpu_policy_* */
	uint32_t nr_leaves;		/* IN: room, OUT */
	uint32_t nr_msrs;		/* IN: room, OUT */
	uint32_t _rsvd;			/* IN: 0 */
	uint64_t leaves;		/* handle OUT: xen_cpuid_leaf[]; null: count only */
	uint64_t msrs;			/* handle OUT: xen_msr_entry[]; null: count only */
};

struct xen_sysctl {
	uint32_t cmd;			/* IN: XEN_SYSCTL_* */
	uint32_t interface_version;	/* IN */
	union {
		struct xen_sysctl_readconsole readconsole;
		struct xen_sysctl_tbuf_op tbuf_op;
		struct xen_sysctl_physinfo physinfo;
		struct xen_sysctl_cputopoinfo cputopoinfo;
		struct xen_sysctl_pcitopoinfo pcitopoinfo;
		struct xen_sysctl_numainfo numainfo;
		struct xen_sysctl_sched_id sched_id;
		struct xen_sysctl_getdomaininfolist getdomaininfolist;
		struct xen_sysctl_debug_keys debug_keys;
		struct xen_sysctl_getcpuinfo getcpuinfo;
		struct xen_sysctl_availheap availheap;
		struct xen_sysctl_get_pmstat get_pmstat;
		struct xen_sysctl_cpu_hotplug cpu_hotplug;
		struct xen_sysctl_pm_op pm_op;
		struct xen_sysctl_cpupool_op cpupool_op;
		struct xen_sysctl_scheduler_op scheduler_op;
		struct xen_sysctl_cpu_levelling_caps cpu_levelling_caps;
		struct xen_sysctl_cpu_featureset cpu_featureset;
		struct xen_sysctl_cpu_policy cpu_policy;
		uint8_t pad[128];
	} u;
};

#endif
