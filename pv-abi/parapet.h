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
 * Leaf +1: version in eax, PARAPET_CPUID_FEAT_* in ebx, ecx and edx 0. The rest is reserved, and
 * reads 0.
 */
#define PARAPET_CPUID_FIRST_LEAF	0x40000100
#define PARAPET_CPUID_LAST_LEAF		0x400001ff
#define PARAPET_CPUID_SIGNATURE_EBX	0x61726150	/* "Para" */
#define PARAPET_CPUID_SIGNATURE_ECX	0x50746570	/* "petP" */
#define PARAPET_CPUID_SIGNATURE_EDX	0x74694b56	/* "VKit" */
#define PARAPET_CPUID_FEAT_RING1	(1 << 0)	/* this domain may call __HYPERVISOR_ring1 */

/*
 * ELF notes. Their name is "Parapet", so that the types can never be taken for Xen's.
 * PARAPET_ELFNOTE_FEATURES: uint64_t bitmap of what the kernel can use, PARAPET_FEAT_*. It tells
 * tools; what the kernel gets is decided when it asks.
 */
#define PARAPET_ELFNOTE_NAME		"Parapet"
#define PARAPET_ELFNOTE_FEATURES	1
#define PARAPET_FEAT_RING1		1

/*
 * Ring 1 (docs/abi/ring1.md): a hypercall number that Xen answers with -ENOSYS; operations in its
 * first argument. The caller goes on behind the call in ring 1, with these selectors.
 */
#define __HYPERVISOR_ring1		63
#define PARAPET_RING1_ENTER		0x676e6972	/* no small number: wild calls do not meet it */
#define PARAPET_RING1_SWITCH		0x68637773	/* second argument: the mfn of an L4 table */
#define PARAPET_RING1_CS		0xe061
#define PARAPET_RING1_SS		0xe069

/* In the flags of XEN_DOMCTL_createdomain: ring 1 is not offered to this domain. */
#define PARAPET_CDF_NO_RING1		(1U << 31)

/*
 * The page of a vCPU that runs in ring 1: the one its vcpu_info is in, at offset 0. Byte offsets.
 * The hypervisor shows it to ring 1 at an address of its own, in which rsp points when the kernel
 * is entered from ring 3: always the page's end minus what was pushed.
 */
#define PARAPET_R1_VCPU_INFO	0x000	/* struct vcpu_info */
#define PARAPET_R1_USER_RSP	0x040	/* OUT: rsp of ring 3 at its last 64-bit SYSCALL */
#define PARAPET_R1_EXIT_RDI	0x048	/* IN: the exit code, see docs/abi/ring1.md: rip in */
#define PARAPET_R1_EXIT_IRET	0x050	/* [RDI, IRET): rsp -> rdi | frame; in [IRET, END): */
#define PARAPET_R1_EXIT_END	0x058	/* rsp -> frame. END 0: none */
#define PARAPET_R1_NMI_SP	0x060	/* IN: stack of the NMI handler; 0: like any exception */
#define PARAPET_R1_NMI_BUSY	0x068	/* IN/OUT: 1: no NMI now; each NMI sets it */
#define PARAPET_R1_GUEST	0x080	/* from here to 0xeff: the guest's own */
#define PARAPET_R1_GUEST_END	0xf00	/* frames are pushed from 0x1000 downwards */

/* Operations of the block ring (blkif.h), by negotiation: docs/abi/blkif-more.md. */
#define PARAPET_BLKIF_OP_WRITE_ZEROES	7	/* laid out as BLKIF_OP_DISCARD */
#define PARAPET_BLKIF_OP_WRITE_FUA	8	/* laid out as a write */

#endif
