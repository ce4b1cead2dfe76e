/* SPDX-License-Identifier: MIT */
/*
 * pv-abi/parapet.h: Parapet's own additions to the ABI. Nothing in here exists in Xen.
 *
 * Job:   keep apart the places where the kit may add to the ABI without ever meeting a future Xen.
 * Enter: C and .S.
 * Holds: K1 a guest that knows nothing of this file sees the ABI of Xen 4.17 and nothing else. K2
 *        an addition is used only if both sides say so: the guest by the ELF note, the hypervisor
 *        by the CPUID leaves. Without either, the guest runs by the base ABI.
 * Tests: tests/abi (that these places are free in Xen's headers)
 */
#ifndef PV_ABI_PARAPET_H
#define PV_ABI_PARAPET_H

/*
 * CPUID leaves, read with XEN_CPUID. Guests scan for hypervisors at 0x40000000 + n * 0x100, lowest
 * first; Xen's leaves stay first, and these follow one step later. Leaf +0: highest leaf in eax,
 * "ParapetPVKit" in ebx ecx edx.
 * Leaf +1: version in eax, PARAPET_CPUID_FEAT_* in ebx (none yet), ecx and edx 0. The rest is
 * reserved, and reads 0.
 */
#define PARAPET_CPUID_FIRST_LEAF	0x40000100
#define PARAPET_CPUID_LAST_LEAF		0x400001ff
#define PARAPET_CPUID_SIGNATURE_EBX	0x61726150	/* "Para" */
#define PARAPET_CPUID_SIGNATURE_ECX	0x50746570	/* "petP" */
#define PARAPET_CPUID_SIGNATURE_EDX	0x74694b56	/* "VKit" */

/*
 * ELF notes. Their name is "Parapet", so that the types can never be taken for Xen's.
 * PARAPET_ELFNOTE_FEATURES: uint64_t bitmap of what the kernel can use: PARAPET_FEAT_* (none yet).
 */
#define PARAPET_ELFNOTE_NAME		"Parapet"
#define PARAPET_ELFNOTE_FEATURES	1

#endif
