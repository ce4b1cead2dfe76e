/* SPDX-License-Identifier: MIT */
/*
 * pv-abi/elfnote.h: notes (name "Xen") by which a kernel describes itself to a domain builder.
 *
 * Enter: C and .S.
 * Tests: tests/abi
 */
#ifndef PV_ABI_ELFNOTE_H
#define PV_ABI_ELFNOTE_H

#define XEN_ELFNOTE_INFO		0
#define XEN_ELFNOTE_ENTRY		1	/* va of the first instruction */
#define XEN_ELFNOTE_HYPERCALL_PAGE	2	/* va of a page that the builder fills */
#define XEN_ELFNOTE_VIRT_BASE		3	/* va at which guest physical 0 is mapped */
#define XEN_ELFNOTE_PADDR_OFFSET	4	/* what the ELF's p_paddr has too much */
#define XEN_ELFNOTE_XEN_VERSION		5	/* "xen-3.0" */
#define XEN_ELFNOTE_GUEST_OS		6	/* text */
#define XEN_ELFNOTE_GUEST_VERSION	7	/* text */
#define XEN_ELFNOTE_LOADER		8	/* "generic" */
#define XEN_ELFNOTE_PAE_MODE		9	/* 32-bit only */
#define XEN_ELFNOTE_FEATURES		10	/* "name|!name...": ! marks what is required */
#define XEN_ELFNOTE_BSD_SYMTAB		11
#define XEN_ELFNOTE_HV_START_LOW	12
#define XEN_ELFNOTE_L1_MFN_VALID	13	/* mask and value pairs: what marks a valid entry */
#define XEN_ELFNOTE_SUSPEND_CANCEL	14	/* 1: a suspend may come back as cancelled */
#define XEN_ELFNOTE_INIT_P2M		15	/* va for the p2m, outside the initial mapping */
#define XEN_ELFNOTE_MOD_START_PFN	16	/* 1: the ramdisk need not be mapped */
#define XEN_ELFNOTE_SUPPORTED_FEATURES	17	/* bitmap of XENFEAT_* */
#define XEN_ELFNOTE_PHYS32_ENTRY	18	/* PVH entry */
#define XEN_ELFNOTE_MAX			XEN_ELFNOTE_PHYS32_ENTRY

#endif
