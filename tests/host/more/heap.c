/* SPDX-License-Identifier: MIT */
/*
 * hypervisor/core/heap.c, and what the host tests need of its inside.
 *
 * Job:    takes its place in tests/host and tests/fuzz (their rules.mk)
 * Tests:  all of tests/host
 */
#include "../../../hypervisor/core/heap.c"

void heap_init(void);

void heap_init(void)
{
	memset(partial, 0, sizeof(partial));
	spin_lock_init(&heap_lock, RANK_HEAP);
}
