/* SPDX-License-Identifier: MIT */
/*
 * Job:    bits and accessors of l1e..l4e (Intel SDM vol. 3, 4.5); an entry is a plain u64.
 * Tests:  tests/host/test_pagetable.c
 */
#ifndef HV_PTE_H
#define HV_PTE_H

#include <hv/layout.h>
#include <hv/types.h>

#define PTE_P		BIT(0)
#define PTE_RW		BIT(1)
#define PTE_US		BIT(2)
#define PTE_PWT		BIT(3)
#define PTE_PCD		BIT(4)
#define PTE_A		BIT(5)
#define PTE_D		BIT(6)
#define PTE_PS		BIT(7)		/* L1: PAT */
#define PTE_PAT		BIT(7)
#define PTE_G		BIT(8)
#define PTE_AVAIL	(7UL << 9)
#define PTE_NX		BIT(63)
#define PTE_MFN_MASK	0x000ffffffffff000UL
#define PTES_PER_PAGE	512

#define pte_mfn(e) _mfn(((e) & PTE_MFN_MASK) >> PAGE_SHIFT)
#define make_pte(mfn, flags) ((mfn_x(mfn) << PAGE_SHIFT) | (flags))

#define L1_INDEX(va) (((va) >> 12) & 511)
#define L2_INDEX(va) (((va) >> 21) & 511)
#define L3_INDEX(va) (((va) >> 30) & 511)
#define L4_INDEX(va) (((va) >> 39) & 511)

/* page fault error code */
#define PFEC_P		BIT(0)
#define PFEC_W		BIT(1)
#define PFEC_U		BIT(2)
#define PFEC_RSVD	BIT(3)
#define PFEC_I		BIT(4)

static inline bool is_hv_slot(unsigned int l4_index)
{
	return l4_index >= HV_L4_FIRST && l4_index <= HV_L4_LAST;
}

#endif
