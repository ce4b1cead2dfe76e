/* SPDX-License-Identifier: MIT */
/*
 * hypervisor/core/page_alloc.c, and what the host tests need of its inside.
 *
 * Job:    takes its place in tests/host and tests/fuzz (their rules.mk)
 * Tests:  all of tests/host
 */
#include "../../../hypervisor/core/page_alloc.c"

void page_alloc_init(void);

void page_alloc_init(void)
{
	memset(zones, 0, sizeof(zones));
	free_count = managed_count = hv_count = dirty_count = dirty_top = 0;
	spin_lock_init(&buddy_lock, RANK_BUDDY);
}
