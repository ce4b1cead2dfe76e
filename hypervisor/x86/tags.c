/* SPDX-License-Identifier: MIT */
/*
 * Job:    tags of TLB entries (PCIDs), so that switches between a guest's kernel and user mode keep
 *         the TLB: which tag a root is loaded with, and what drops the entries of which tags.
 * Enter:  flush.c, context.c, desc.c, restricted.c.
 * State:  tlb_tags, set by cpu_identify(); CR4.PCIDE is then set on every CPU.
 * Locks:  none; all of it is about this CPU.
 * Holds:  TT1  entries of a tag stem from one root: the current vcpu's kernel or user root, or this
 *              CPU's restricted copy of it. When one of these changes, all tags are emptied.
 *         TT2  restricted copies have tags of their own: guest mode finds no entry for what only
 *              the full root maps. Tag 0 is for the hypervisor's own root and for boot.
 *         TT3  without tags all values are plain roots, and each CR3 write drops everything.
 * Tests:  tests/host/test_tags.c, on a simulated TLB (QEMU's TCG has no PCID)
 */
#include "machine.h"

#define CR3_KEEP BIT(63)		/* do not drop the tag's entries (SDM vol. 3, 4.10.4.1) */
enum { ONE_ADDRESS = 0, ALL_TAGS = 3 };	/* types of INVPCID; neither drops global entries */

unsigned int tlb_tags;

u64 tags_cr3(u64 root, bool user, bool copy)
{
	return tlb_tags ? root | (1 + user + 2 * copy) | CR3_KEEP : root;
}

/* All guest entries go; the root stays. */
void tags_flush(void)
{
	if (tlb_tags)
		invpcid(ALL_TAGS, 0, 0);
	else
		write_cr3(read_cr3());
}

/* INVPCID, unlike INVLPG, faults on an address that is not canonical, and guests may name one. */
void flush_va_local(u64 va)
{
	invlpg(va);
	for (unsigned int tag = tlb_tags; tag; tag--)
		invpcid(ONE_ADDRESS, tag, (u64)((s64)(va << 16) >> 16));
}

/*
 * A root that its tag did not stand for until now. The CPU may read guest entries of the old one
 * up to the CR3 write, so these are dropped after it; in between nobody uses a guest address.
 */
void tags_load(u64 cr3)
{
	write_cr3(cr3);
	if (tlb_tags)
		invpcid(ALL_TAGS, 0, 0);
}
