/* SPDX-License-Identifier: MIT */
/*
 * A queue's pages that the guest has granted for good.
 *
 * Job:    map what the guest names once, find it by its reference for each packet, without any call.
 * Enter:  net/vif.c (control ring), net/queue.c.
 * State:  struct pool, one for a queue; the list of what is in it, which outlives the process.
 * Locks:  none: one thread.
 * Holds:  1. index[ref] is 0, or 1 + the place of an entry whose gref is ref and whose page is mapped.
 *         2. An entry is in the list before its page is used, and is taken out of the list before it is unmapped.
 * Tests:  tests/tools-tests (on a machine)
 */
#include <stdlib.h>
#include <string.h>
#include "../common/grant.h"
#include "pool.h"

struct batch {				/* pages that were mapped together */
	uint8_t *va;
	uint32_t pages, left;		/* left: of them, in use */
};

struct pool {
	struct pool_list *list;
	struct {
		uint8_t *va;
		struct batch *batch;
		bool write;
	} page[POOL_MAX];
	uint16_t index[POOL_REFS];
};

void *pool_find(const struct pool *p, uint32_t ref, bool write)
{
	unsigned int i = ref < POOL_REFS ? p->index[ref] : 0;

	if (!i || (write && !p->page[i - 1].write))
		return NULL;
	return p->page[i - 1].va;
}

static void release(struct batch *b)
{
	if (--b->left)
		return;
	grants_unmap(b->va, b->pages);
	free(b);
}

/* Entry i goes; the last one takes its place. */
static void drop(struct pool *p, uint32_t i)
{
	struct batch *b = p->page[i].batch;
	uint32_t last = p->list->nr - 1;

	p->index[p->list->gref[i].ref] = 0;
	if (i != last) {
		p->list->gref[i] = p->list->gref[last];
		p->page[i] = p->page[last];
		p->index[p->list->gref[i].ref] = (uint16_t)(i + 1);
	}
	p->list->nr = last;
	release(b);
}

static bool readonly(const struct xen_netif_gref *g)
{
	return g->flags & XEN_NETIF_CTRLF_GREF_readonly;
}

/* Those of one kind, mapped together. */
static bool add_kind(struct pool *p, const struct xen_netif_gref *g, uint32_t n, bool write)
{
	uint32_t refs[POOL_MAX], m = 0;
	struct batch *b;

	for (uint32_t i = 0; i < n; i++)
		if (readonly(&g[i]) != write)
			refs[m++] = g[i].ref;
	if (!m)
		return true;
	b = malloc(sizeof(*b));
	if (!b)
		return false;
	*b = (struct batch){ write ? grants_map(m, refs) : grants_map_readonly(m, refs), m, m };
	if (!b->va) {
		free(b);
		return false;
	}
	for (uint32_t i = 0; i < m; i++) {
		uint32_t at = p->list->nr;

		p->list->gref[at] = (struct xen_netif_gref){
			.ref = refs[i], .flags = write ? 0 : XEN_NETIF_CTRLF_GREF_readonly };
		p->page[at].va = b->va + i * 4096UL;
		p->page[at].batch = b;
		p->page[at].write = write;
		p->list->nr = at + 1;
		p->index[refs[i]] = (uint16_t)(at + 1);
	}
	return true;
}

/* Asked again for what has been done: by a frontend whose answer was not shown when the process before us was killed. */
static bool all_there(const struct pool *p, const struct xen_netif_gref *g, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (g[i].ref >= POOL_REFS || !p->index[g[i].ref] || p->page[p->index[g[i].ref] - 1].write == readonly(&g[i]))
			return false;
	return true;
}

uint32_t pool_add(struct pool *p, const struct xen_netif_gref *g, uint32_t n)
{
	uint32_t had = p->list->nr;
	bool bad = false;

	if (all_there(p, g, n))
		return XEN_NETIF_CTRL_STATUS_SUCCESS;
	if (n > POOL_MAX - had)
		return XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW;
	for (uint32_t i = 0; i < n; i++) {
		bad |= g[i].ref >= POOL_REFS || p->index[g[i].ref];
		if (!bad)
			p->index[g[i].ref] = UINT16_MAX;	/* one that is named twice is found */
	}
	for (uint32_t i = 0; i < n; i++)
		if (g[i].ref < POOL_REFS && p->index[g[i].ref] == UINT16_MAX)
			p->index[g[i].ref] = 0;
	if (bad)
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	if (add_kind(p, g, n, false) && add_kind(p, g, n, true))
		return XEN_NETIF_CTRL_STATUS_SUCCESS;
	while (p->list->nr > had)
		drop(p, p->list->nr - 1);
	return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
}

uint32_t pool_delete(struct pool *p, struct xen_netif_gref *g, uint32_t n)
{
	uint32_t done = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (g[i].ref < POOL_REFS && p->index[g[i].ref]) {
			drop(p, p->index[g[i].ref] - 1U);
			g[i].status = XEN_NETIF_CTRL_STATUS_SUCCESS;
			done++;
		} else {
			g[i].status = XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
		}
	}
	return done;
}

struct pool *pool_new(struct pool_list *list)
{
	struct pool *p = calloc(1, sizeof(*p));
	struct xen_netif_gref *old;
	uint32_t n;

	if (!p)
		return NULL;
	p->list = list;
	n = list->nr <= POOL_MAX ? list->nr : 0;
	list->nr = 0;
	if (!n)
		return p;
	old = malloc(n * sizeof(*old));
	if (old) {
		/* What can no longer be mapped is left out: packets that name it are copied. */
		memcpy(old, list->gref, n * sizeof(*old));
		pool_add(p, old, n);
		free(old);
	}
	return p;
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	for (uint32_t i = p->list->nr; i; i--)
		release(p->page[i - 1].batch);
	free(p);
}
