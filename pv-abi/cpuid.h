/* SPDX-License-Identifier: MIT */
/*
 * pv-abi/cpuid.h: the hypervisor's CPUID leaves, and the prefix by which a PV guest asks for them.
 *
 * Job:   leaf FIRST+0 signature "XenVMMXenVMM" and highest leaf; +1 version in eax (major << 16 |
 *        minor); +2 number of hypercall pages and the MSR that writes one; +3 time; +4 HVM; +5 PV
 *        (eax unused, ebx bits 7:0 machine address width). The kit's own leaves are in parapet.h.
 * Enter: C and .S.
 * Tests: tests/abi
 */
#ifndef PV_ABI_CPUID_H
#define PV_ABI_CPUID_H

#define XEN_CPUID_FIRST_LEAF		0x40000000
#define XEN_CPUID_LEAF(i)		(XEN_CPUID_FIRST_LEAF + (i))
#define XEN_CPUID_SIGNATURE_EBX		0x566e6558	/* "XenV" */
#define XEN_CPUID_SIGNATURE_ECX		0x65584d4d	/* "MMXe" */
#define XEN_CPUID_SIGNATURE_EDX		0x4d4d566e	/* "nVMM" */
#define _XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD 0	/* leaf +2, ecx */
#define XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD  (1 << 0)
#define XEN_CPUID_MACHINE_ADDRESS_WIDTH_MASK	0xff	/* leaf +5, ebx */
#define XEN_CPUID_MAX_NUM_LEAVES	5

/* CPUID does not trap in ring 3; with these five bytes before it (UD2, "xen") it does. */
#ifdef __ASSEMBLY__
#define XEN_EMULATE_PREFIX	.byte 0x0f, 0x0b, 0x78, 0x65, 0x6e ;
#define XEN_CPUID		XEN_EMULATE_PREFIX cpuid
#else
#define XEN_EMULATE_PREFIX	".byte 0x0f,0x0b,0x78,0x65,0x6e ; "
#define XEN_CPUID		XEN_EMULATE_PREFIX "cpuid"
#endif

#endif
