/* SPDX-License-Identifier: MIT */
/*
 * pv-abi/features.h: feature bits, for XENVER_get_features and the ELF feature notes.
 *
 * Enter: C and .S.
 * Tests: tests/abi
 */
/* A hosted build with -Ipv-abi finds this file as <features.h>: pass the C library's on too. */
#if __STDC_HOSTED__ && !defined(__ASSEMBLY__) && defined(__has_include_next)
#if __has_include_next(<features.h>)
#include_next <features.h>
#endif
#endif

#ifndef PV_ABI_FEATURES_H
#define PV_ABI_FEATURES_H

#define XENFEAT_writable_page_tables		0
#define XENFEAT_writable_descriptor_tables	1
#define XENFEAT_auto_translated_physmap		2
#define XENFEAT_supervisor_mode_kernel		3
#define XENFEAT_pae_pgdir_above_4gb		4
#define XENFEAT_mmu_pt_update_preserve_ad	5	/* MMU_PT_UPDATE_PRESERVE_AD works */
#define XENFEAT_highmem_assist			6
#define XENFEAT_gnttab_map_avail_bits		7	/* GNTMAP_guest_avail0 works */
#define XENFEAT_hvm_callback_vector		8
#define XENFEAT_hvm_safe_pvclock		9
#define XENFEAT_hvm_pirqs			10
#define XENFEAT_dom0				11	/* the caller is the hardware domain */
#define XENFEAT_memory_op_vnode_supported	13	/* XENMEMF_vnode works */
#define XENFEAT_ARM_SMCCC_supported		14
/* boot_params may hold the RSDP's address */
#define XENFEAT_linux_rsdp_unrestricted		15
#define XENFEAT_not_direct_mapped		16
#define XENFEAT_direct_mapped			17

#define XENFEAT_NR_SUBMAPS			1

#endif
