/* SPDX-License-Identifier: MIT */
/*
 * pv-abi/version.h: xen_version(cmd, struct *).
 *
 * Job:   say what the hypervisor is. Every domain may ask; a result that is text is
 *        zero-terminated.
 * Enter: C only.
 * Tests: tests/abi
 */
#ifndef PV_ABI_VERSION_H
#define PV_ABI_VERSION_H

#include "xen.h"
#include "features.h"

#define XENVER_version			0	/* no argument; result: major << 16 | minor */
#define XENVER_extraversion		1	/* xen_extraversion_t */
#define XENVER_compile_info		2	/* xen_compile_info */
#define XENVER_capabilities		3	/* xen_capabilities_info_t: "xen-3.0-x86_64 " */
#define XENVER_changeset		4	/* xen_changeset_info_t */
#define XENVER_platform_parameters	5	/* xen_platform_parameters */
#define XENVER_get_features		6	/* xen_feature_info */
#define XENVER_pagesize			7	/* no argument; result: 4096 */
#define XENVER_guest_handle		8	/* xen_domain_handle_t: own UUID */
#define XENVER_commandline		9	/* xen_commandline_t */
#define XENVER_build_id			10	/* xen_build_id; null: result is the length */

typedef char xen_extraversion_t[16];
typedef char xen_capabilities_info_t[1024];
typedef char xen_changeset_info_t[64];
typedef char xen_commandline_t[1024];
#define XEN_EXTRAVERSION_LEN		(sizeof(xen_extraversion_t))
#define XEN_CAPABILITIES_INFO_LEN	(sizeof(xen_capabilities_info_t))
#define XEN_CHANGESET_INFO_LEN		(sizeof(xen_changeset_info_t))

struct xen_compile_info {
	char compiler[64];		/* OUT */
	char compile_by[16];
	char compile_domain[32];
	char compile_date[32];
};

struct xen_platform_parameters {
	xen_ulong_t virt_start;		/* OUT: HYPERVISOR_VIRT_START */
};

struct xen_feature_info {
	uint32_t submap_idx;		/* IN: below XENFEAT_NR_SUBMAPS */
	uint32_t submap;		/* OUT: bit n is feature submap_idx * 32 + n */
};

struct xen_build_id {
	uint32_t len;			/* IN: room */
	unsigned char buf[];		/* OUT */
};

#endif
