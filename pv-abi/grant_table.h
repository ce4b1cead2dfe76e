/* SPDX-License-Identifier: MIT */
/*
 * pv-abi/grant_table.h: grant_table_op(cmd, array, count).
 *
 * Job:   let another domain map or copy frames that this domain named in its grant table. Version 1
 *        only: version 2 is refused by set_version, and guests then use version 1.
 * Enter: C only. Each array element has its own status (GNTST_*); the call itself fails only for
 *        bad arguments.
 * Tests: tests/abi
 */
#ifndef PV_ABI_GRANT_TABLE_H
#define PV_ABI_GRANT_TABLE_H

#include "xen.h"

typedef uint32_t grant_ref_t;		/* index into the granter's table */
typedef uint32_t grant_handle_t;	/* names one mapping, in the mapper */

/*
 * Shared table entry. The granter writes it; the hypervisor only sets reading, writing, transfer.
 */
struct grant_entry_v1 {
	uint16_t flags;			/* GTF_* */
	domid_t domid;			/* who may use it */
	uint32_t frame;			/* granter's gfn (for PV: mfn) */
};

/* First entries of a domU are for the toolstack. */
#define GNTTAB_NR_RESERVED_ENTRIES	8
#define GNTTAB_RESERVED_CONSOLE		0
#define GNTTAB_RESERVED_XENSTORE	1

#define GTF_invalid			(0U << 0)
#define GTF_permit_access		(1U << 0)
#define GTF_accept_transfer		(2U << 0)
#define GTF_transitive			(3U << 0)	/* version 2 */
#define GTF_type_mask			(3U << 0)
#define _GTF_readonly			2
#define GTF_readonly			(1U << _GTF_readonly)
#define _GTF_reading			3
#define GTF_reading			(1U << _GTF_reading)	/* mapped or being copied */
#define _GTF_writing			4
#define GTF_writing			(1U << _GTF_writing)	/* the same, for writing */
#define _GTF_PWT			5
#define GTF_PWT				(1U << _GTF_PWT)
#define _GTF_PCD			6
#define GTF_PCD				(1U << _GTF_PCD)
#define _GTF_PAT			7
#define GTF_PAT				(1U << _GTF_PAT)
#define _GTF_sub_page			8
#define GTF_sub_page			(1U << _GTF_sub_page)	/* version 2 */
#define _GTF_transfer_committed		2
#define GTF_transfer_committed		(1U << _GTF_transfer_committed)
#define _GTF_transfer_completed		3
#define GTF_transfer_completed		(1U << _GTF_transfer_completed)

#define GNTTABOP_map_grant_ref		0
#define GNTTABOP_unmap_grant_ref	1
#define GNTTABOP_setup_table		2
#define GNTTABOP_dump_table		3
#define GNTTABOP_transfer		4
#define GNTTABOP_copy			5
#define GNTTABOP_query_size		6
#define GNTTABOP_unmap_and_replace	7
#define GNTTABOP_set_version		8
#define GNTTABOP_get_status_frames	9
#define GNTTABOP_get_version		10
#define GNTTABOP_swap_grant_ref		11
#define GNTTABOP_cache_flush		12

/* map and unmap flags */
#define _GNTMAP_device_map		0
#define GNTMAP_device_map		(1 << _GNTMAP_device_map)	/* for DMA: dev_bus_addr */
#define _GNTMAP_host_map		1
#define GNTMAP_host_map			(1 << _GNTMAP_host_map)		/* at host_addr */
#define _GNTMAP_readonly		2
#define GNTMAP_readonly			(1 << _GNTMAP_readonly)
#define _GNTMAP_application_map		3
#define GNTMAP_application_map		(1 << _GNTMAP_application_map)	/* user may access it */
#define _GNTMAP_contains_pte		4
/* host_addr: maddr of an L1e */
#define GNTMAP_contains_pte		(1 << _GNTMAP_contains_pte)
#define _GNTMAP_guest_avail0		16
#define GNTMAP_guest_avail_mask		((uint32_t)~0 << _GNTMAP_guest_avail0)

#define GNTST_okay			(0)
#define GNTST_general_error		(-1)
#define GNTST_bad_domain		(-2)
#define GNTST_bad_gntref		(-3)
#define GNTST_bad_handle		(-4)
#define GNTST_bad_virt_addr		(-5)
#define GNTST_bad_dev_addr		(-6)
#define GNTST_no_device_space		(-7)
#define GNTST_permission_denied		(-8)
#define GNTST_bad_page			(-9)
#define GNTST_bad_copy_arg		(-10)
#define GNTST_address_too_big		(-11)
#define GNTST_eagain			(-12)
#define GNTST_no_space			(-13)

struct gnttab_map_grant_ref {
	uint64_t host_addr;		/* IN: va, or maddr of an L1 entry */
	uint32_t flags;			/* IN: GNTMAP_* */
	grant_ref_t ref;		/* IN */
	domid_t dom;			/* IN: granter */
	int16_t status;			/* OUT: GNTST_* */
	grant_handle_t handle;		/* OUT */
	uint64_t dev_bus_addr;		/* OUT: machine address of the frame */
};

struct gnttab_unmap_grant_ref {
	uint64_t host_addr;		/* IN: as mapped; 0 to keep it */
	uint64_t dev_bus_addr;		/* IN: as returned; 0 to keep it */
	grant_handle_t handle;		/* IN */
	int16_t status;			/* OUT */
};

/* Grow the table to nr_frames and tell which frames hold it. */
struct gnttab_setup_table {
	domid_t dom;			/* IN */
	uint32_t nr_frames;		/* IN */
	int16_t status;			/* OUT */
	uint64_t frame_list;		/* handle OUT: xen_pfn_t[nr_frames] */
};

struct gnttab_dump_table {
	domid_t dom;			/* IN */
	int16_t status;			/* OUT */
};

struct gnttab_transfer {
	xen_pfn_t mfn;			/* IN */
	domid_t domid;			/* IN: receiver */
	grant_ref_t ref;		/* IN: receiver's accept_transfer entry */
	int16_t status;			/* OUT */
};

#define _GNTCOPY_source_gref	(0)
#define GNTCOPY_source_gref	(1 << _GNTCOPY_source_gref)
#define _GNTCOPY_dest_gref	(1)
#define GNTCOPY_dest_gref	(1 << _GNTCOPY_dest_gref)
struct gnttab_copy {
	struct gnttab_copy_ptr {
		union {
			grant_ref_t ref;	/* with GNTCOPY_*_gref */
			xen_pfn_t gmfn;		/* without; domid is then the caller */
		} u;
		domid_t domid;
		uint16_t offset;
	} source, dest;			/* IN */
	uint16_t len;			/* IN: offset + len stays in the page */
	uint16_t flags;			/* IN: GNTCOPY_* */
	int16_t status;			/* OUT */
};

struct gnttab_query_size {
	domid_t dom;			/* IN */
	uint32_t nr_frames;		/* OUT */
	uint32_t max_nr_frames;		/* OUT */
	int16_t status;			/* OUT */
};

/* Unmap, and put the mapping found at new_addr in its place. */
struct gnttab_unmap_and_replace {
	uint64_t host_addr;		/* IN */
	uint64_t new_addr;		/* IN: va whose entry is moved */
	grant_handle_t handle;		/* IN */
	int16_t status;			/* OUT */
};

struct gnttab_set_version {
	uint32_t version;		/* IN: wanted, OUT: in force */
};

struct gnttab_get_status_frames {
	uint32_t nr_frames;		/* IN */
	domid_t dom;			/* IN */
	int16_t status;			/* OUT */
	uint64_t frame_list;		/* handle OUT: uint64_t[] */
};

struct gnttab_get_version {
	domid_t dom;			/* IN */
	uint16_t pad;
	uint32_t version;		/* OUT */
};

struct gnttab_swap_grant_ref {
	grant_ref_t ref_a;		/* IN */
	grant_ref_t ref_b;		/* IN */
	int16_t status;			/* OUT */
};

#define GNTTAB_CACHE_CLEAN		(1U << 0)
#define GNTTAB_CACHE_INVAL		(1U << 1)
#define GNTTAB_CACHE_SOURCE_GREF	(1U << 31)
struct gnttab_cache_flush {
	union {
		uint64_t dev_bus_addr;
		grant_ref_t ref;
	} a;				/* IN */
	uint16_t offset;		/* IN */
	uint16_t length;		/* IN */
	uint32_t op;			/* IN: GNTTAB_CACHE_* */
};

#endif
