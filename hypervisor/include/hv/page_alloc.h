/* SPDX-License-Identifier: MIT */
/*
 * Job:    the buddy allocator of machine frames, and the heap of small objects.
 * Holds:  a frame that is handed out has stamp 0 ("no CPU can have cached a mapping of it").
 *         Whoever removes a guest mapping writes tlb_clock_now(), which is never 0;
 *         alloc_pages() flushes the CPUs that are behind it.
 * Tests:  tests/host/test_page_alloc.c, tests/host/test_heap.c
 */
#ifndef HV_PAGE_ALLOC_H
#define HV_PAGE_ALLOC_H

#include <hv/frame.h>

#define MAX_ORDER 20		/* 4 GiB */
#define ALLOC_ZERO 1

void page_alloc_add(mfn_t start, mfn_t end);	/* boot: RAM frames [start, end) are free */
/*
 * 2^order frames, naturally aligned, all below 2^address_bits bytes (0: anywhere; high memory is
 * preferred); NULL when there are none. Undefined contents unless ALLOC_ZERO, owner
 * DOMID_INVALID, one reference on each (word == 1).
 */
struct page_info *alloc_pages(unsigned int order, unsigned int address_bits, unsigned int flags);
void free_pages(struct page_info *pg, unsigned int order);
bool page_alloc_scrub(void);	/* idle CPUs: at most one free frame is cleared; false: nothing to do now */
bool frame_is_zero(const struct page_info *pg);

/* No CPU may still hold translations of the old use; other domains may have mapped it too. */
static inline void flush_old_use(const struct page_info *pg)
{
	cpumask_t stale = tlb_stale(cpu_online_map, pg->stamp);

	if (stale)
		flush_tlb_mask(stale, FLUSH_ALL);
}

/* Of the smallest block that has so many bytes. */
static inline unsigned int order_of(u64 bytes)
{
	return bytes <= PAGE_SIZE ? 0 : 64 - __builtin_clzl((bytes - 1) >> PAGE_SHIFT);
}

/* For the hypervisor itself: a direct-map pointer to zeroed memory, or NULL. */
void *alloc_hv_pages(unsigned int order);
void free_hv_pages(void *p, unsigned int order);
void *hv_alloc(size_t size);	/* up to 1 MiB, 16-byte aligned */
void hv_free(void *p);
#define hv_new(type) ((type *)hv_alloc(sizeof(type)))
#define hv_new_array(type, n) ((type *)hv_alloc(sizeof(type) * (n)))

u64 free_page_count(void);
u64 hv_page_count(void);	/* frames the hypervisor keeps for itself */

bool alloc_should_fail(void);	/* for tests */

#endif
