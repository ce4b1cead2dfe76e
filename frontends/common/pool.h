/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Job: pages that are granted to the backend once and used for one transfer after another, so that a transfer costs
 *	no grant and no backend ever sees a page with anything but its own data in it.
 * Users: blk/linux.c, net/linux.c.
 * State: a list of free pages; pages in use are in the hands of the caller.
 * Locks: the caller's, one for each pool.
 *
 * Invariants:
 *  P1  Each of `count` pages is granted to the backend's domain, writable, from fe_pool_get() of it on.
 *  P2  A page is zeroed when it enters the pool; what it holds later came from or went to the same backend.
 *  P3  A page that the backend still maps when the pool ends is not freed before it has let go (grant-table.c).
 * Tests: tests/drivers
 */
#ifndef PARAPET_FRONT_POOL_H
#define PARAPET_FRONT_POOL_H

#include <xen/grant_table.h>

struct fe_page {
	struct fe_page *next;
	struct page *page;
	void *va;
	grant_ref_t ref;
};

struct fe_pool {
	struct fe_page *free;
	unsigned int count, max;	/* pages there are, at most */
	domid_t peer;
};

/*
 * Copies N bytes between a pool's page and memory of ours. For more than a little, the string instruction: without fast
 * short strings Linux's memcpy() is a loop over registers.
 */
static inline void fe_copy(void *to, const void *from, size_t n)
{
#ifdef CONFIG_X86_64
	if (n >= 128) {
		size_t words = n / 8;

		asm volatile("rep movsq" : "+D" (to), "+S" (from), "+c" (words) : : "memory");
		n &= 7;
	}
#endif
	memcpy(to, from, n);
}

void fe_pool_init(struct fe_pool *p, domid_t peer, unsigned int max);
struct fe_page *fe_pool_new(struct fe_pool *p);
/* A page, next == NULL; a new one when none is free, there may be more and memory allows. NULL: none. Any context. */
static inline struct fe_page *fe_pool_get(struct fe_pool *p)
{
	struct fe_page *g = p->free;

	if (!g)
		return fe_pool_new(p);
	p->free = g->next;
	g->next = NULL;
	return g;
}
/* Gives a list of pages back. */
void fe_pool_put(struct fe_pool *p, struct fe_page *list);
/* Ends the pool. All pages must be back. */
void fe_pool_drop(struct fe_pool *p);

#endif /* PARAPET_FRONT_POOL_H */
