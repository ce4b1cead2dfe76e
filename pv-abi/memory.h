/* SPDX-License-Identifier: MIT */
/*
 * pv-abi/memory.h: memory_op(cmd, struct *).
 *
 * Job:   a domain's frames: how many, which, give and take, and what the machine's memory looks
 *        like.
 * Enter: C only. cmd's bits above 5 are a continuation's start extent: a guest passes them as 0.
 * Tests: tests/abi
 */
/* A hosted build with -Ipv-abi finds this file as <memory.h>: pass the C library's on too. */
#if __STDC_HOSTED__ && !defined(__ASSEMBLY__) && defined(__has_include_next)
#if __has_include_next(<memory.h>)
#include_next <memory.h>
#endif
#endif

#ifndef PV_ABI_MEMORY_H
#define PV_ABI_MEMORY_H

#include "xen.h"
#include "physdev.h"

#define XENMEM_increase_reservation	0	/* xen_memory_reservation; result: extents done */
#define XENMEM_decrease_reservation	1	/* the same */
#define XENMEM_maximum_ram_page		2	/* no argument; result: highest mfn + 1 */
#define XENMEM_current_reservation	3	/* xen_memory_domain; result: pages */
#define XENMEM_maximum_reservation	4	/* xen_memory_domain; result: pages */
#define XENMEM_machphys_mfn_list	5	/* xen_machphys_mfn_list */
#define XENMEM_populate_physmap		6	/* xen_memory_reservation; result: extents done */
#define XENMEM_add_to_physmap		7
#define XENMEM_memory_map		9	/* xen_memory_map: own e820 */
#define XENMEM_machine_memory_map	10	/* xen_memory_map: the machine's e820 (dom0) */
#define XENMEM_exchange			11	/* xen_memory_exchange */
#define XENMEM_machphys_mapping		12	/* xen_machphys_mapping */
#define XENMEM_set_memory_map		13	/* xen_foreign_memory_map (toolstack) */
#define XENMEM_maximum_gpfn		14	/* xen_memory_domain; result: highest gfn */
#define XENMEM_remove_from_physmap	15
#define XENMEM_set_pod_target		16
#define XENMEM_get_pod_target		17
#define XENMEM_get_sharing_freed_pages	18	/* result: always 0 here */
#define XENMEM_get_sharing_shared_pages	19	/* result: always 0 here */
#define XENMEM_paging_op		20
#define XENMEM_access_op		21
#define XENMEM_sharing_op		22
#define XENMEM_add_to_physmap_batch	23
#define XENMEM_claim_pages		24	/* xen_memory_reservation: set pages aside */
#define XENMEM_machphys_compat_mfn_list	25
#define XENMEM_get_vnumainfo		26
#define XENMEM_reserved_device_memory_map 27
#define XENMEM_acquire_resource		28	/* xen_mem_acquire_resource */

/* xen_memory_reservation.mem_flags */
#define XENMEMF_address_bits(x)		(x)		/* machine addresses below 2^x; 0: any */
#define XENMEMF_get_address_bits(x)	((x) & 0xffU)
#define XENMEMF_node(x)			(((x) + 1) << 8)
#define XENMEMF_get_node(x)		((((x) >> 8) - 1) & 0xffU)
#define XENMEMF_populate_on_demand	(1 << 16)
#define XENMEMF_exact_node_request	(1 << 17)
#define XENMEMF_exact_node(n)		(XENMEMF_node(n) | XENMEMF_exact_node_request)
#define XENMEMF_vnode			(1 << 18)

struct xen_memory_reservation {
	/* handle: xen_pfn_t[]; IN gfns, OUT mfns (decrease: IN mfns) */
	uint64_t extent_start;
	xen_ulong_t nr_extents;		/* IN */
	uint32_t extent_order;		/* IN: frames per extent, log2 */
	uint32_t mem_flags;		/* IN: XENMEMF_* */
	domid_t domid;			/* IN */
};

/* Give in's frames, get out's. Both describe the same number of frames. */
struct xen_memory_exchange {
	struct xen_memory_reservation in;	/* IN */
	struct xen_memory_reservation out;	/* IN, its list OUT */
	xen_ulong_t nr_exchanged;	/* IN 0, OUT: in extents done */
};

struct xen_memory_domain {
	domid_t domid;			/* IN */
};

/* Frames of the M2P, one per 2 MiB of it. */
struct xen_machphys_mfn_list {
	uint32_t max_extents;		/* IN: room */
	uint64_t extent_start;		/* handle OUT: xen_pfn_t[] */
	uint32_t nr_extents;		/* OUT */
};

/* Where the M2P is mapped. */
struct xen_machphys_mapping {
	xen_ulong_t v_start, v_end;	/* OUT */
	xen_ulong_t max_mfn;		/* OUT */
};

#define XENMAPSPACE_shared_info		0
#define XENMAPSPACE_grant_table		1
#define XENMAPSPACE_gmfn		2
#define XENMAPSPACE_gmfn_range		3
#define XENMAPSPACE_gmfn_foreign	4
#define XENMAPSPACE_dev_mmio		5
#define XENMAPIDX_grant_table_status	0x80000000
struct xen_add_to_physmap {
	domid_t domid;			/* IN */
	uint16_t size;			/* IN: pages, for gmfn_range */
	uint32_t space;			/* IN: XENMAPSPACE_* */
	xen_ulong_t idx;		/* IN */
	xen_pfn_t gpfn;			/* IN */
};

struct xen_add_to_physmap_batch {
	domid_t domid;			/* IN */
	uint16_t space;			/* IN: XENMAPSPACE_* */
	uint16_t size;			/* IN: elements */
	union xen_add_to_physmap_batch_extra {
		domid_t foreign_domid;
		uint16_t res0;
	} u;				/* IN */
	uint64_t idxs;			/* handle IN: xen_ulong_t[] */
	uint64_t gpfns;			/* handle IN: xen_pfn_t[] */
	uint64_t errs;			/* handle OUT: int[] */
};

struct xen_remove_from_physmap {
	domid_t domid;			/* IN */
	xen_pfn_t gpfn;			/* IN */
};

/* buffer: e820 entries, 20 bytes each: uint64_t addr, size; uint32_t type (1 is RAM). */
struct xen_memory_map {
	uint32_t nr_entries;		/* IN: room, OUT: filled */
	uint64_t buffer;		/* handle */
};

struct xen_foreign_memory_map {
	domid_t domid;			/* IN */
	struct xen_memory_map map;	/* IN */
};

struct xen_pod_target {
	uint64_t target_pages;		/* IN */
	uint64_t tot_pages;		/* OUT */
	uint64_t pod_cache_pages;	/* OUT */
	uint64_t pod_entries;		/* OUT */
	domid_t domid;			/* IN */
};

struct xen_reserved_device_memory {
	xen_pfn_t start_pfn;
	xen_ulong_t nr_pages;
};

#define XENMEM_RDM_ALL	1
struct xen_reserved_device_memory_map {
	uint32_t flags;			/* IN: XENMEM_RDM_ALL */
	uint32_t nr_entries;		/* IN: room, OUT: found */
	uint64_t buffer;		/* handle OUT: xen_reserved_device_memory[] */
	union {
		struct physdev_pci_device pci;
	} dev;				/* IN, unless XENMEM_RDM_ALL */
};

/* Frames without a guest address that the toolstack may map. nr_frames 0, null list: size query. */
#define XENMEM_resource_ioreq_server		0
#define XENMEM_resource_grant_table		1
#define XENMEM_resource_vmtrace_buf		2
#define XENMEM_resource_grant_table_id_shared	0
#define XENMEM_resource_grant_table_id_status	1
struct xen_mem_acquire_resource {
	domid_t domid;			/* IN */
	uint16_t type;			/* IN: XENMEM_resource_* */
	uint32_t id;			/* IN: XENMEM_resource_grant_table_id_* */
	uint32_t nr_frames;		/* IN; OUT when frame_list is null */
	uint32_t pad;			/* IN: 0 */
	uint64_t frame;			/* IN: first frame */
	uint64_t frame_list;		/* handle OUT: xen_pfn_t[nr_frames] */
};

struct xen_vmemrange {
	uint64_t start, end;
	uint32_t flags;
	uint32_t nid;
};

struct xen_vnuma_topology_info {
	domid_t domid;			/* IN */
	uint16_t pad;
	uint32_t nr_vnodes;		/* IN: room, OUT */
	uint32_t nr_vcpus;
	uint32_t nr_vmemranges;
	union {
		uint64_t h;
		uint64_t pad;
	} vdistance;			/* handle OUT: uint32_t[] */
	union {
		uint64_t h;
		uint64_t pad;
	} vcpu_to_vnode;		/* handle OUT: uint32_t[] */
	union {
		uint64_t h;
		uint64_t pad;
	} vmemrange;			/* handle OUT: xen_vmemrange[] */
};

#endif
