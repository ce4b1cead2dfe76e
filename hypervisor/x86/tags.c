/* SPDX-License-Identifier: MIT */
/*
 * Tags of TLB entries (PCIDs): switches between a guest's kernel and user mode keep the TLB.
 *
 * Job:    which tag a root is loaded with, and what drops the entries of which tags.
 * Enter:  flush.c, context.c, restricted.c.
 * State:  tlb_tags, set once before other CPUs start.
 * Locks:  none; all of it is about this CPU.
 * Holds:  TT1  entries of a tag stem from one root: that which the current vcpu has for this use.
 *              Whoever makes a CPU's tag stand for another root drops its entries first.
 *         TT2  restricted copies have tags of their own: guest mode finds no entry for what only
 *              the full root maps.
 *         TT3  without tags all values are plain roots, and each CR3 write drops everything.
 * Tests:  tests/host/test_tags.c, on a simulated TLB (QEMU's TCG has no PCID)
 */
#include "cpu.h"
#include "machine.h"

#define TAG_KERNEL 1UL
#define TAG_USER 2UL
#define TAG_COPY 4UL			/* added for restricted copies */
#define CR3_KEEP BIT(63)		/* do not drop the tag's entries (SDM vol. 3, 4.10.4.1) */

/* INVPCID types (SDM vol. 2, INVPCID) */
enum { ONE_ADDRESS, ONE_TAG, EVERYTHING_AND_GLOBAL, EVERYTHING };

bool tlb_tags;

u64 tags_cr3(u64 root, bool user)
{
	return tlb_tags ? root | (user ? TAG_USER : TAG_KERNEL) | CR3_KEEP : root;
}

u64 tags_copy_cr3(u64 root, bool user)
{
	return tlb_tags ? tags_cr3(root, user) | TAG_COPY : root;
}

/* The guest's entries of all tags go; the root stays. */
void tags_flush(void)
{
	if (tlb_tags)
		invpcid(EVERYTHING, 0, 0);
	else
		write_cr3(read_cr3());
}

void tags_flush_va(u64 va)
{
	unsigned int use;

	invlpg(va);
	for (use = TAG_KERNEL; tlb_tags && use <= TAG_USER; use++) {
		invpcid(ONE_ADDRESS, use, va);
		invpcid(ONE_ADDRESS, use | TAG_COPY, va);
	}
}

/* Load cr3 of a vcpu that did not run here last, or the hypervisor's own root. */
void tags_switch(u64 cr3)
{
	if (tlb_tags)
		invpcid(EVERYTHING, 0, 0);
	write_cr3(cr3);
}

/* The current vcpu has another kernel or user root: cr3 is loaded if it is in use now. */
void tags_new_root(u64 cr3, bool user, bool load)
{
	u64 tag = user ? TAG_USER : TAG_KERNEL;

	if (load)
		write_cr3(cr3);
	if (tlb_tags) {
		invpcid(ONE_TAG, tag, 0);
		invpcid(ONE_TAG, tag | TAG_COPY, 0);
	}
}
