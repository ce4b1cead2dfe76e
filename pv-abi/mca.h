/* SPDX-License-Identifier: MIT */
/*
 * pv-abi/mca.h: __HYPERVISOR_mca(xen_mc *), dom0's window on machine checks.
 *
 * Job:   list the physical CPUs and hand over machine check records. Injection is left out.
 * Enter: C only. A wrong interface_version gets EACCES.
 * Tests: tests/abi
 */
#ifndef PV_ABI_MCA_H
#define PV_ABI_MCA_H

#include "xen.h"

#define __HYPERVISOR_mca		__HYPERVISOR_arch_0
#define XEN_MCA_INTERFACE_VERSION	0x01ecc003
#define VIRQ_MCA			VIRQ_ARCH_0

#define XEN_MC_fetch		1
#define XEN_MC_notifydomain	2
#define XEN_MC_physcpuinfo	3
#define XEN_MC_msrinject	4
#define XEN_MC_mceinject	5
#define XEN_MC_inject_v2	6

/* xen_mc_fetch.flags IN: which queue, or acknowledge. */
#define XEN_MC_NONURGENT	0x0001
#define XEN_MC_URGENT		0x0002
#define XEN_MC_ACK		0x0004
/* xen_mc_fetch.flags OUT. */
#define XEN_MC_OK		0x0
#define XEN_MC_FETCHFAILED	0x1
#define XEN_MC_NODATA		0x2
#define XEN_MC_NOMATCH		0x4
#define XEN_MC_CANNOTHANDLE	0x8
#define XEN_MC_NOTDELIVERED	0x10

#define MCINFO_HYPERCALLSIZE	1024
#define MCINFO_MAXSIZE		768
#define MC_NCAPS		7
#define MC_CAPS_STD_EDX		0
#define MC_CAPS_AMD_EDX		1
#define MC_CAPS_TM		2
#define MC_CAPS_LINUX		3
#define MC_CAPS_STD_ECX		4
#define MC_CAPS_VIA		5
#define MC_CAPS_AMD_ECX		6

/* Records follow each other in mi_data; each starts with this. */
#define MC_TYPE_GLOBAL		0
#define MC_TYPE_BANK		1
#define MC_TYPE_EXTENDED	2
#define MC_TYPE_RECOVERY	3
struct mcinfo_common {
	uint16_t type;			/* MC_TYPE_* */
	uint16_t size;			/* of the whole record */
};

#define MC_FLAG_CORRECTABLE	(1 << 0)
#define MC_FLAG_UNCORRECTABLE	(1 << 1)
#define MC_FLAG_RECOVERABLE	(1 << 2)
#define MC_FLAG_POLLED		(1 << 3)
#define MC_FLAG_RESET		(1 << 4)
#define MC_FLAG_CMCI		(1 << 5)
#define MC_FLAG_MCE		(1 << 6)
struct mcinfo_global {
	struct mcinfo_common common;
	uint16_t mc_domid;
	uint16_t mc_vcpuid;
	uint32_t mc_socketid;
	uint16_t mc_coreid;
	uint16_t mc_core_threadid;
	uint32_t mc_apicid;
	uint32_t mc_flags;		/* MC_FLAG_* */
	uint64_t mc_gstatus;		/* MCG_STATUS */
};

struct mcinfo_bank {
	struct mcinfo_common common;
	uint16_t mc_bank;
	uint16_t mc_domid;
	uint64_t mc_status;
	uint64_t mc_addr;
	uint64_t mc_misc;
	uint64_t mc_ctrl2;
	uint64_t mc_tsc;
};

struct mcinfo_msr {
	uint64_t reg;
	uint64_t value;
};

struct mc_info {
	uint32_t mi_nentries;
	uint32_t flags;
	uint64_t mi_data[(MCINFO_MAXSIZE - 1) / 8];
};

/* OUT of physcpuinfo. */
struct mcinfo_logical_cpu {
	uint32_t mc_cpunr;
	uint32_t mc_chipid;
	uint16_t mc_coreid;
	uint16_t mc_threadid;
	uint32_t mc_apicid;
	uint32_t mc_clusterid;
	uint32_t mc_ncores;
	uint32_t mc_ncores_active;
	uint32_t mc_nthreads;
	int32_t mc_cpuid_level;
	uint32_t mc_family;
	uint32_t mc_vendor;
	uint32_t mc_model;
	uint32_t mc_step;
	char mc_vendorid[16];
	char mc_brandid[64];
	uint32_t mc_cpu_caps[MC_NCAPS];
	uint32_t mc_cache_size;
	uint32_t mc_cache_alignment;
	int32_t mc_nmsrvals;
	struct mcinfo_msr mc_msrvalues[8];
};

struct xen_mc_fetch {
	uint32_t flags;			/* IN and OUT */
	uint32_t _pad0;
	uint64_t fetch_id;		/* OUT; IN with XEN_MC_ACK */
	uint64_t data;			/* handle OUT: mc_info */
};

struct xen_mc_notifydomain {
	uint16_t mc_domid;		/* IN */
	uint16_t mc_vcpuid;		/* IN */
	uint32_t flags;			/* IN and OUT */
};

struct xen_mc_physcpuinfo {
	uint32_t ncpus;			/* IN: room, OUT: CPUs */
	uint32_t _pad0;
	uint64_t info;			/* handle OUT: mcinfo_logical_cpu[]; null: count only */
};

#define MC_MSRINJ_MAXMSRS	8
#define MC_MSRINJ_F_INTERPOSE	0x1
#define MC_MSRINJ_F_GPADDR	0x2
struct xen_mc_msrinject {
	uint32_t mcinj_cpunr;		/* IN */
	uint32_t mcinj_flags;		/* IN: MC_MSRINJ_F_* */
	uint32_t mcinj_count;		/* IN */
	domid_t mcinj_domid;		/* IN */
	uint16_t _pad0;
	struct mcinfo_msr mcinj_msr[MC_MSRINJ_MAXMSRS];
};

struct xen_mc_mceinject {
	uint32_t mceinj_cpunr;		/* IN */
};

struct xen_mc {
	uint32_t cmd;			/* IN: XEN_MC_* */
	uint32_t interface_version;	/* IN */
	union {
		struct xen_mc_fetch mc_fetch;
		struct xen_mc_notifydomain mc_notifydomain;
		struct xen_mc_physcpuinfo mc_physcpuinfo;
		struct xen_mc_msrinject mc_msrinject;
		struct xen_mc_mceinject mc_mceinject;
	} u;
};

#endif
