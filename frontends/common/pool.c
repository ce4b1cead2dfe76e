// SPDX-License-Identifier: GPL-2.0-only
/*
 * Job: see common/pool.h.
 * Users: blk/linux.c, net/linux.c.
 * State, locks, invariants, tests: common/pool.h.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <xen/page.h>

#include "pool.h"

void fe_pool_init(struct fe_pool *p, domid_t peer, unsigned int max)
{
	memset(p, 0, sizeof(*p));
	p->peer = peer;
	p->max = max;
}

/* One more page. */
struct fe_page *fe_pool_new(struct fe_pool *p)
{
	struct fe_page *g;
	int ref;

	if (p->count >= p->max)
		return NULL;
	g = kzalloc(sizeof(*g), GFP_ATOMIC | __GFP_NOWARN);
	if (!g)
		return NULL;
	g->page = alloc_page(GFP_ATOMIC | __GFP_NOWARN | __GFP_ZERO);
	if (!g->page)
		goto out_free;
	ref = gnttab_grant_foreign_access(p->peer, xen_page_to_gfn(g->page), 0);
	if (ref < 0)
		goto out_page;
	g->ref = ref;
	g->va = page_address(g->page);
	p->count++;
	return g;
out_page:
	__free_page(g->page);
out_free:
	kfree(g);
	return NULL;
}

void fe_pool_put(struct fe_pool *p, struct fe_page *list)
{
	while (list) {
		struct fe_page *g = list;

		list = g->next;
		g->next = p->free;
		p->free = g;
	}
}

void fe_pool_drop(struct fe_pool *p)
{
	while (p->free) {
		struct fe_page *g = p->free;

		p->free = g->next;
		gnttab_end_foreign_access(g->ref, g->page);
		kfree(g);
		p->count--;
	}
	WARN_ON(p->count);
}
