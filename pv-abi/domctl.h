/* SPDX-License-Identifier: MIT */
/*
 * pv-abi/domctl.h: domctl(xen_domctl *), the toolstack's calls about one domain.
 *
 * Job:   create, fill, run, watch, save and destroy domains.
 * Enter: C only; privileged callers only. A wrong interface_version gets EACCES, an unknown domain
 *        ESRCH, a cmd that Parapet does not have ENOSYS. The structure is copied back to the caller
 *        when the command has OUT fields.
 * Holds: all command numbers are here; structures only of those a PV toolstack needs. xen_domctl
 *        has its full size.
 * Tests: tests/abi
 */
#ifndef PV_ABI_DOMCTL_H
#define PV_ABI_DOMCTL_H

#include "xen.h"
#include "event_channel.h"
#include "grant_table.h"
#include "memory.h"

#define XEN_DOMCTL_INTERFACE_VERSION	0x00000015

#define XEN_DOMCTL_createdomain			1
#define XEN_DOMCTL_destroydomain		2
#define XEN_DOMCTL_pausedomain			3
#define XEN_DOMCTL_unpausedomain		4
#define XEN_DOMCTL_getdomaininfo		5
#define XEN_DOMCTL_setvcpuaffinity		9
#define XEN_DOMCTL_shadow_op			10
#define XEN_DOMCTL_max_mem			11
#define XEN_DOMCTL_setvcpucontext		12
#define XEN_DOMCTL_getvcpucontext		13
#define XEN_DOMCTL_getvcpuinfo			14
#define XEN_DOMCTL_max_vcpus			15
#define XEN_DOMCTL_scheduler_op			16
#define XEN_DOMCTL_setdomainhandle		17
#define XEN_DOMCTL_setdebugging			18
#define XEN_DOMCTL_irq_permission		19
#define XEN_DOMCTL_iomem_permission		20
#define XEN_DOMCTL_ioport_permission		21
#define XEN_DOMCTL_hypercall_init		22
#define XEN_DOMCTL_settimeoffset		24
#define XEN_DOMCTL_getvcpuaffinity		25
#define XEN_DOMCTL_real_mode_area		26
#define XEN_DOMCTL_resumedomain			27
#define XEN_DOMCTL_sendtrigger			28
#define XEN_DOMCTL_subscribe			29
#define XEN_DOMCTL_gethvmcontext		33
#define XEN_DOMCTL_sethvmcontext		34
#define XEN_DOMCTL_set_address_size		35
#define XEN_DOMCTL_get_address_size		36
#define XEN_DOMCTL_assign_device		37
#define XEN_DOMCTL_bind_pt_irq			38
#define XEN_DOMCTL_memory_mapping		39
#define XEN_DOMCTL_ioport_mapping		40
#define XEN_DOMCTL_set_ext_vcpucontext		42
#define XEN_DOMCTL_get_ext_vcpucontext		43
#define XEN_DOMCTL_set_opt_feature		44
#define XEN_DOMCTL_test_assign_device		45
#define XEN_DOMCTL_set_target			46
#define XEN_DOMCTL_deassign_device		47
#define XEN_DOMCTL_unbind_pt_irq		48
#define XEN_DOMCTL_get_device_group		50
#define XEN_DOMCTL_debug_op			54
#define XEN_DOMCTL_gethvmcontext_partial	55
#define XEN_DOMCTL_vm_event_op			56
#define XEN_DOMCTL_mem_sharing_op		57
#define XEN_DOMCTL_gettscinfo			59
#define XEN_DOMCTL_settscinfo			60
#define XEN_DOMCTL_getpageframeinfo3		61
#define XEN_DOMCTL_setvcpuextstate		62
#define XEN_DOMCTL_getvcpuextstate		63
#define XEN_DOMCTL_set_access_required		64
#define XEN_DOMCTL_audit_p2m			65
#define XEN_DOMCTL_set_virq_handler		66
#define XEN_DOMCTL_set_broken_page_p2m		67
#define XEN_DOMCTL_setnodeaffinity		68
#define XEN_DOMCTL_getnodeaffinity		69
#define XEN_DOMCTL_cacheflush			71
#define XEN_DOMCTL_get_vcpu_msrs		72
#define XEN_DOMCTL_set_vcpu_msrs		73
#define XEN_DOMCTL_setvnumainfo			74
#define XEN_DOMCTL_psr_cmt_op			75
#define XEN_DOMCTL_monitor_op			77
#define XEN_DOMCTL_psr_alloc			78
#define XEN_DOMCTL_soft_reset			79
#define XEN_DOMCTL_vuart_op			81
#define XEN_DOMCTL_get_cpu_policy		82
#define XEN_DOMCTL_set_cpu_policy		83
#define XEN_DOMCTL_vmtrace_op			84
#define XEN_DOMCTL_get_paging_mempool_size	85
#define XEN_DOMCTL_set_paging_mempool_size	86
#define XEN_DOMCTL_gdbsx_guestmemio		1000
#define XEN_DOMCTL_gdbsx_pausevcpu		1001
#define XEN_DOMCTL_gdbsx_unpausevcpu		1002
#define XEN_DOMCTL_gdbsx_domstatus		1003

/* createdomain. xen_domctl.domain: IN wanted id, or 0 or a reserved id for "any"; OUT the id. */
#define XEN_DOMCTL_CDF_hvm		(1U << 0)
#define XEN_DOMCTL_CDF_hap		(1U << 1)
#define XEN_DOMCTL_CDF_s3_integrity	(1U << 2)
#define XEN_DOMCTL_CDF_oos_off		(1U << 3)
#define XEN_DOMCTL_CDF_xs_domain	(1U << 4)	/* runs xenstored */
#define XEN_DOMCTL_CDF_iommu		(1U << 5)
#define XEN_DOMCTL_CDF_nested_virt	(1U << 6)
#define XEN_DOMCTL_CDF_vpmu		(1U << 7)
#define XEN_DOMCTL_CDF_MAX		XEN_DOMCTL_CDF_vpmu
#define XEN_DOMCTL_IOMMU_no_sharept	(1U << 0)
#define XEN_DOMCTL_IOMMU_MAX		XEN_DOMCTL_IOMMU_no_sharept
#define XEN_DOMCTL_GRANT_version_mask	0xf
#define XEN_DOMCTL_GRANT_version(v)	((v) & XEN_DOMCTL_GRANT_version_mask)
struct xen_domctl_createdomain {
	uint32_t ssidref;		/* IN, all of it */
	xen_domain_handle_t handle;	/* UUID */
	uint32_t flags;			/* XEN_DOMCTL_CDF_* */
	uint32_t iommu_opts;		/* XEN_DOMCTL_IOMMU_* */
	uint32_t max_vcpus;
	uint32_t max_evtchn_port;
	int32_t max_grant_frames;	/* negative: the default */
	int32_t max_maptrack_frames;	/* negative: the default */
	uint32_t grant_opts;		/* highest grant table version */
	uint32_t vmtrace_size;
	uint32_t cpupool_id;
	struct xen_arch_domainconfig arch;
};

/* getdomaininfo, getdomaininfolist. xen_domctl.domain: IN first id to look at, OUT id found. */
#define XEN_DOMINF_dying		(1U << 0)
#define XEN_DOMINF_hvm_guest		(1U << 1)
#define XEN_DOMINF_shutdown		(1U << 2)
#define XEN_DOMINF_paused		(1U << 3)	/* by the toolstack */
#define XEN_DOMINF_blocked		(1U << 4)	/* all vCPUs wait for events */
#define XEN_DOMINF_running		(1U << 5)	/* some vCPU is on a CPU */
#define XEN_DOMINF_debugged		(1U << 6)
#define XEN_DOMINF_xs_domain		(1U << 7)
#define XEN_DOMINF_hap			(1U << 8)
#define XEN_DOMINF_shutdownmask		255		/* SHUTDOWN_*, with XEN_DOMINF_shutdown */
#define XEN_DOMINF_shutdownshift	16
#define XEN_INVALID_MAX_VCPU_ID		(~0U)
struct xen_domctl_getdomaininfo {
	domid_t domain;			/* OUT, all of it */
	uint16_t pad1;
	uint32_t flags;			/* XEN_DOMINF_* */
	uint64_t tot_pages;
	uint64_t max_pages;
	uint64_t outstanding_pages;	/* claimed, not yet populated */
	uint64_t shr_pages;
	uint64_t paged_pages;
	uint64_t shared_info_frame;	/* gfn; for PV an mfn */
	uint64_t cpu_time;		/* ns */
	uint32_t nr_online_vcpus;
	uint32_t max_vcpu_id;
	uint32_t ssidref;
	xen_domain_handle_t handle;
	uint32_t cpupool;
	uint8_t gpaddr_bits;
	uint8_t pad2[7];
	struct xen_arch_domainconfig arch_config;
};

/* getpageframeinfo3: what type each frame has. */
#define XEN_DOMCTL_PFINFO_LTAB_SHIFT	28
#define XEN_DOMCTL_PFINFO_NOTAB		(0x0U << 28)
#define XEN_DOMCTL_PFINFO_L1TAB		(0x1U << 28)
#define XEN_DOMCTL_PFINFO_L2TAB		(0x2U << 28)
#define XEN_DOMCTL_PFINFO_L3TAB		(0x3U << 28)
#define XEN_DOMCTL_PFINFO_L4TAB		(0x4U << 28)
#define XEN_DOMCTL_PFINFO_LTABTYPE_MASK	(0x7U << 28)
#define XEN_DOMCTL_PFINFO_LPINTAB	(0x1U << 31)	/* pinned */
#define XEN_DOMCTL_PFINFO_XTAB		(0xfU << 28)	/* not the domain's */
#define XEN_DOMCTL_PFINFO_XALLOC	(0xeU << 28)
#define XEN_DOMCTL_PFINFO_BROKEN	(0xdU << 28)
#define XEN_DOMCTL_PFINFO_LTAB_MASK	(0xfU << 28)
struct xen_domctl_getpageframeinfo3 {
	uint64_t num;			/* IN */
	uint64_t array;			/* handle: xen_pfn_t[num], IN frames, OUT PFINFO_* */
};

/* shadow_op: log-dirty mode, for live migration. */
#define XEN_DOMCTL_SHADOW_OP_OFF		0
#define XEN_DOMCTL_SHADOW_OP_ENABLE_TEST	1
#define XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY	2
#define XEN_DOMCTL_SHADOW_OP_CLEAN		11	/* read the bitmap and clear it */
#define XEN_DOMCTL_SHADOW_OP_PEEK		12	/* read the bitmap */
#define XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION	30
#define XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION	31
#define XEN_DOMCTL_SHADOW_OP_ENABLE		32
#define XEN_DOMCTL_SHADOW_ENABLE_REFCOUNT	(1 << 1)
#define XEN_DOMCTL_SHADOW_ENABLE_LOG_DIRTY	(1 << 2)
#define XEN_DOMCTL_SHADOW_ENABLE_TRANSLATE	(1 << 3)
#define XEN_DOMCTL_SHADOW_ENABLE_EXTERNAL	(1 << 4)
#define XEN_DOMCTL_SHADOW_LOGDIRTY_FINAL	(1 << 0)	/* mode: last round */
struct xen_domctl_shadow_op_stats {
	uint32_t fault_count;
	uint32_t dirty_count;
};
struct xen_domctl_shadow_op {
	uint32_t op;			/* IN: XEN_DOMCTL_SHADOW_OP_* */
	uint32_t mode;			/* IN */
	uint32_t mb;			/* IN or OUT, with ALLOCATION */
	uint64_t dirty_bitmap;		/* handle OUT */
	uint64_t pages;			/* IN: size of the bitmap, OUT: size used */
	struct xen_domctl_shadow_op_stats stats;	/* OUT */
};

struct xen_domctl_max_mem {
	uint64_t max_memkb;		/* IN */
};

/* setvcpucontext (a null ctxt resets the vCPU), getvcpucontext */
struct xen_domctl_vcpucontext {
	uint32_t vcpu;			/* IN */
	uint64_t ctxt;			/* handle IN or OUT: vcpu_guest_context */
};

struct xen_domctl_getvcpuinfo {
	uint32_t vcpu;			/* IN */
	uint8_t online;			/* OUT, as all below */
	uint8_t blocked;
	uint8_t running;
	uint64_t cpu_time;		/* ns */
	uint32_t cpu;
};

/* set and getnodeaffinity */
struct xen_domctl_nodeaffinity {
	struct xenctl_bitmap nodemap;	/* IN or OUT */
};

/* set and getvcpuaffinity */
#define XEN_VCPUAFFINITY_HARD	(1U << 0)
#define XEN_VCPUAFFINITY_SOFT	(1U << 1)
#define XEN_VCPUAFFINITY_FORCE	(1U << 2)
struct xen_domctl_vcpuaffinity {
	uint32_t vcpu;			/* IN */
	uint32_t flags;			/* IN: XEN_VCPUAFFINITY_* */
	struct xenctl_bitmap cpumap_hard;	/* IN/OUT: set returns what is in force */
	struct xenctl_bitmap cpumap_soft;
};

struct xen_domctl_max_vcpus {
	uint32_t max;			/* IN */
};

#define XEN_SCHEDULER_CREDIT	5
#define XEN_SCHEDULER_CREDIT2	6
#define XEN_SCHEDULER_ARINC653	7
#define XEN_SCHEDULER_RTDS	8
#define XEN_SCHEDULER_NULL	9
struct xen_domctl_sched_credit {
	uint16_t weight;
	uint16_t cap;			/* percent of a CPU; 0 none */
};
struct xen_domctl_sched_credit2 {
	uint16_t weight;
	uint16_t cap;
};
#define XEN_DOMCTL_SCHEDRT_extra	(1U << 0)
struct xen_domctl_sched_rtds {
	uint32_t period;
	uint32_t budget;
	uint32_t flags;
};
struct xen_domctl_schedparam_vcpu {
	union {
		struct xen_domctl_sched_credit credit;
		struct xen_domctl_sched_credit2 credit2;
		struct xen_domctl_sched_rtds rtds;
	} u;
	uint32_t vcpuid;
};
#define XEN_DOMCTL_SCHEDOP_putinfo	0
#define XEN_DOMCTL_SCHEDOP_getinfo	1
#define XEN_DOMCTL_SCHEDOP_putvcpuinfo	2
#define XEN_DOMCTL_SCHEDOP_getvcpuinfo	3
struct xen_domctl_scheduler_op {
	uint32_t sched_id;		/* IN: XEN_SCHEDULER_*, the domain's */
	uint32_t cmd;			/* IN: XEN_DOMCTL_SCHEDOP_* */
	union {				/* IN or OUT */
		struct xen_domctl_sched_credit credit;
		struct xen_domctl_sched_credit2 credit2;
		struct xen_domctl_sched_rtds rtds;
		struct {
			uint64_t vcpus;	/* handle: xen_domctl_schedparam_vcpu[] */
			uint32_t nr_vcpus;
			uint32_t padding;
		} v;
	} u;
};

struct xen_domctl_setdomainhandle {
	xen_domain_handle_t handle;	/* IN */
};

struct xen_domctl_setdebugging {
	uint8_t enable;			/* IN */
};

struct xen_domctl_irq_permission {
	uint32_t pirq;			/* IN */
	uint8_t allow_access;		/* IN */
	uint8_t pad[3];
};

struct xen_domctl_iomem_permission {
	uint64_t first_mfn;		/* IN */
	uint64_t nr_mfns;
	uint8_t allow_access;
};

struct xen_domctl_ioport_permission {
	uint32_t first_port;		/* IN */
	uint32_t nr_ports;
	uint8_t allow_access;
};

/* Write the hypercall page. */
struct xen_domctl_hypercall_init {
	uint64_t gmfn;			/* IN */
};

struct xen_domctl_settimeoffset {
	int64_t time_offset_seconds;	/* IN: wall clock of the domain minus the machine's */
};

/* get and sethvmcontext */
struct xen_domctl_hvmcontext {
	uint32_t size;			/* IN, OUT */
	uint64_t buffer;		/* handle; null on get: size only */
};

struct xen_domctl_hvmcontext_partial {
	uint32_t type;			/* IN */
	uint32_t instance;		/* IN */
	uint64_t bufsz;			/* IN, OUT */
	uint64_t buffer;		/* handle OUT */
};

/* set and get_address_size */
struct xen_domctl_address_size {
	uint32_t size;			/* IN or OUT: 32 or 64 */
};

#define XEN_DOMCTL_SENDTRIGGER_NMI	0
#define XEN_DOMCTL_SENDTRIGGER_RESET	1
#define XEN_DOMCTL_SENDTRIGGER_INIT	2
#define XEN_DOMCTL_SENDTRIGGER_POWER	3
#define XEN_DOMCTL_SENDTRIGGER_SLEEP	4
struct xen_domctl_sendtrigger {
	uint32_t trigger;		/* IN: XEN_DOMCTL_SENDTRIGGER_* */
	uint32_t vcpu;			/* IN */
};

/* assign_device, test_assign_device, deassign_device */
#define XEN_DOMCTL_DEV_PCI		0
#define XEN_DOMCTL_DEV_DT		1
#define XEN_DOMCTL_DEV_RDM_RELAXED	1
struct xen_domctl_assign_device {
	uint32_t dev;			/* IN: XEN_DOMCTL_DEV_* */
	uint32_t flags;			/* IN */
	union {
		struct {
			uint32_t machine_sbdf;
		} pci;
		struct {
			uint32_t size;
			uint64_t path;
		} dt;
	} u;
};

struct xen_domctl_get_device_group {
	uint32_t machine_sbdf;		/* IN */
	uint32_t max_sdevs;		/* IN */
	uint32_t num_sdevs;		/* OUT */
	uint64_t sdev_array;		/* handle OUT: uint32_t[] */
};

#define DPCI_ADD_MAPPING	1
#define DPCI_REMOVE_MAPPING	0
struct xen_domctl_memory_mapping {
	uint64_t first_gfn;		/* IN */
	uint64_t first_mfn;
	uint64_t nr_mfns;
	uint32_t add_mapping;		/* DPCI_* */
	uint32_t padding;
};

struct xen_domctl_ioport_mapping {
	uint32_t first_gport;		/* IN */
	uint32_t first_mport;
	uint32_t nr_ports;
	uint32_t add_mapping;		/* DPCI_* */
};

/* set and get_ext_vcpucontext: what vcpu_guest_context has no room for. */
struct hvm_vmce_vcpu {
	uint64_t caps;
	uint64_t mci_ctl2_bank0;
	uint64_t mci_ctl2_bank1;
	uint64_t mcg_ext_ctl;
};
struct xen_domctl_ext_vcpucontext {
	uint32_t vcpu;			/* IN */
	uint32_t size;			/* IN on set, OUT on get: bytes from the start that count */
	uint64_t syscall32_callback_eip;
	uint64_t sysenter_callback_eip;
	uint16_t syscall32_callback_cs;
	uint16_t sysenter_callback_cs;
	uint8_t syscall32_disables_events;
	uint8_t sysenter_disables_events;
	union {
		uint64_t mcg_cap;
		struct hvm_vmce_vcpu vmce;
	};
};

struct xen_domctl_set_target {
	domid_t target;			/* IN */
};

/* get and set_cpu_policy */
#define XEN_CPUID_INPUT_UNUSED	0xFFFFFFFF
struct xen_domctl_cpu_policy {
	uint32_t nr_leaves;		/* IN: room or length, OUT on get */
	uint32_t nr_msrs;
	uint64_t leaves;		/* handle: xen_cpuid_leaf[]; both null: get counts */
	uint64_t msrs;			/* handle: xen_msr_entry[] */
	uint32_t err_leaf, err_subleaf, err_msr;	/* OUT on set: what was refused, or ~0 */
};

/* Which vCPU stop sends an event (debugger). */
struct xen_domctl_subscribe {
	uint32_t port;			/* IN */
};

#define XEN_DOMCTL_DEBUG_OP_SINGLE_STEP_OFF	0
#define XEN_DOMCTL_DEBUG_OP_SINGLE_STEP_ON	1
struct xen_domctl_debug_op {
	uint32_t op;			/* IN: XEN_DOMCTL_DEBUG_OP_* */
	uint32_t vcpu;			/* IN */
};

/* get and settscinfo */
struct xen_domctl_tsc_info {
	uint32_t tsc_mode;		/* 0 default, 1 always emulate, 2 never */
	uint32_t gtsc_khz;
	uint32_t incarnation;		/* raised by each restore */
	uint32_t pad;
	uint64_t elapsed_nsec;
};

struct xen_domctl_gdbsx_memio {
	uint64_t pgd3val;		/* IN: 0 use the vCPU's tables */
	uint64_t gva;			/* IN: guest address */
	uint64_t uva;			/* IN: caller's buffer */
	uint32_t len;			/* IN */
	uint8_t gwr;			/* IN: 1 write */
	uint32_t remain;		/* OUT: bytes not done */
};

struct xen_domctl_gdbsx_pauseunp_vcpu {
	uint32_t vcpu;			/* IN */
};

struct xen_domctl_gdbsx_domstatus {
	uint8_t paused;			/* OUT, all */
	uint32_t vcpu_id;
	uint32_t vcpu_ev;
};

struct xen_domctl_audit_p2m {
	uint64_t orphans;		/* OUT, all */
	uint64_t m2p_bad;
	uint64_t p2m_bad;
};

struct xen_domctl_set_virq_handler {
	uint32_t virq;			/* IN: global VIRQ to send to xen_domctl.domain */
};

/* set and getvcpuextstate: XSAVE area, with xcr0 and xcr0_accum (uint64_t each) before it. */
struct xen_domctl_vcpuextstate {
	uint32_t vcpu;			/* IN */
	uint64_t xfeature_mask;		/* IN on set, OUT on get */
	uint64_t size;			/* IN, OUT */
	uint64_t buffer;		/* handle; null on get: size only */
};

struct xen_domctl_cacheflush {
	xen_pfn_t start_pfn, nr_pfns;	/* IN, OUT */
};

/* get and set_paging_mempool_size */
struct xen_domctl_paging_mempool {
	uint64_t size;			/* bytes */
};

struct xen_domctl_vcpu_msr {
	uint32_t index;
	uint32_t reserved;		/* 0 */
	uint64_t value;
};
/* get and set_vcpu_msrs */
struct xen_domctl_vcpu_msrs {
	uint32_t vcpu;			/* IN */
	uint32_t msr_count;		/* IN, OUT on get */
	uint64_t msrs;			/* handle: xen_domctl_vcpu_msr[]; null on get: count only */
};

/* setvnumainfo */
struct xen_domctl_vnuma {
	uint32_t nr_vnodes;		/* IN, all */
	uint32_t nr_vmemranges;
	uint32_t nr_vcpus;
	uint32_t pad;
	uint64_t vdistance;		/* handle: uint32_t[] */
	uint64_t vcpu_to_vnode;		/* handle: uint32_t[] */
	uint64_t vnode_to_pnode;	/* handle: uint32_t[] */
	uint64_t vmemrange;		/* handle: xen_vmemrange[] */
};

struct xen_domctl {
	uint32_t cmd;			/* IN: XEN_DOMCTL_* */
	uint32_t interface_version;	/* IN */
	domid_t domain;			/* IN; OUT of createdomain and getdomaininfo */
	uint16_t _pad[3];
	union {
		struct xen_domctl_createdomain createdomain;
		struct xen_domctl_getdomaininfo getdomaininfo;
		struct xen_domctl_getpageframeinfo3 getpageframeinfo3;
		struct xen_domctl_nodeaffinity nodeaffinity;
		struct xen_domctl_vcpuaffinity vcpuaffinity;
		struct xen_domctl_shadow_op shadow_op;
		struct xen_domctl_max_mem max_mem;
		struct xen_domctl_vcpucontext vcpucontext;
		struct xen_domctl_getvcpuinfo getvcpuinfo;
		struct xen_domctl_max_vcpus max_vcpus;
		struct xen_domctl_scheduler_op scheduler_op;
		struct xen_domctl_setdomainhandle setdomainhandle;
		struct xen_domctl_setdebugging setdebugging;
		struct xen_domctl_irq_permission irq_permission;
		struct xen_domctl_iomem_permission iomem_permission;
		struct xen_domctl_ioport_permission ioport_permission;
		struct xen_domctl_hypercall_init hypercall_init;
		struct xen_domctl_settimeoffset settimeoffset;
		struct xen_domctl_tsc_info tsc_info;
		struct xen_domctl_hvmcontext hvmcontext;
		struct xen_domctl_hvmcontext_partial hvmcontext_partial;
		struct xen_domctl_address_size address_size;
		struct xen_domctl_sendtrigger sendtrigger;
		struct xen_domctl_get_device_group get_device_group;
		struct xen_domctl_assign_device assign_device;
		struct xen_domctl_memory_mapping memory_mapping;
		struct xen_domctl_ioport_mapping ioport_mapping;
		struct xen_domctl_ext_vcpucontext ext_vcpucontext;
		struct xen_domctl_set_target set_target;
		struct xen_domctl_subscribe subscribe;
		struct xen_domctl_debug_op debug_op;
		struct xen_domctl_cpu_policy cpu_policy;
		struct xen_domctl_vcpuextstate vcpuextstate;
		struct xen_domctl_vcpu_msrs vcpu_msrs;
		struct xen_domctl_audit_p2m audit_p2m;
		struct xen_domctl_set_virq_handler set_virq_handler;
		struct xen_domctl_gdbsx_memio gdbsx_guest_memio;
		struct xen_domctl_gdbsx_pauseunp_vcpu gdbsx_pauseunp_vcpu;
		struct xen_domctl_gdbsx_domstatus gdbsx_domstatus;
		struct xen_domctl_cacheflush cacheflush;
		struct xen_domctl_vnuma vnuma;
		struct xen_domctl_paging_mempool paging_mempool;
		uint8_t pad[128];
	} u;
};

#endif
