/* SPDX-License-Identifier: MIT */
/*
 * The buddy allocator of machine frames, and the heap of small objects.
 *
 * Job:    hand out and take back frames in powers of two, with an address limit and flush stamps.
 * Locks:  RANK_BUDDY inside; any context without a higher rank may call.
 * Tests:  tests/host/test_page_alloc.c, tests/host/test_heap.c
 */
#ifndef HV_PAGE_ALLOC_H
#define HV_PAGE_ALLOC_H

#include <hv/frame.h>

#define MAX_ORDER 20		/* 4 GiB */

void page_alloc_init(void);	/* nothing is free; also the state before any call */

/* Boot: give [start, end) (frames, RAM) to the allocator. */
void page_alloc_add(mfn_t start, mfn_t end);

/*
 * alloc_pages: 2^order frames, naturally aligned, all below 2^address_bits bytes (0: anywhere;
 * high memory is preferred then). Frames freed with mappings that some CPU may still cache are
 * flushed before they are given out. NULL when there are none. Contents: undefined unless
 * ALLOC_ZERO. The frames have owner DOMID_INVALID and one reference on each (word == 1).
 */
#define ALLOC_ZERO 1
struct page_info *alloc_pages(unsigned int order, unsigned int address_bits, unsigned int flags);
void free_pages(struct page_info *pg, unsigned int order);
static inline struct page_info *alloc_page(unsigned int flags)
{
	return alloc_pages(0, 0, flags);
}

/* For the hypervisor itself: a direct-map pointer or NULL. */
void *alloc_hv_pages(unsigned int order);	/* zeroed */
void free_hv_pages(void *p, unsigned int order);

/*
 * Flush stamps: a frame that is handed out has stamp 0 ("no CPU can have cached a mapping of it").
 * Whoever removes a guest mapping writes tlb_clock_now(), which is never 0; alloc_pages() flushes
 * the CPUs that are behind it. A block's stamp is the newest of its frames'.
 */

u64 free_page_count(void);
u64 hv_page_count(void);	/* frames the hypervisor keeps for itself */

void heap_init(void);		/* forget everything; also the state before any call */
/* heap.c: zeroed memory of any size up to 1 MiB, 16-byte aligned; NULL when there is none. */
void *hv_alloc(size_t size);
void hv_free(void *p);
/*
 * Tests: the n-th allocation from now (pages or heap) fails, once; 0 switches it off.
 * heap_fail_pending: it has not failed yet.
 */
void heap_fail_after(unsigned int n);
bool heap_fail_pending(void);
bool alloc_should_fail(void);		/* for the allocators themselves */

size_t hv_alloc_size(const void *p);	/* what p can hold */

#define hv_new(type) ((type *)hv_alloc(sizeof(type)))
#define hv_new_array(type, n) ((type *)hv_alloc(sizeof(type) * (n)))

#endif
