/* SPDX-License-Identifier: MIT */
/*
 * net/pool.h: a queue's pages that the guest has granted for good (docs/abi/netif-pool.md).
 *
 * Tests: tests/tools-tests (on a machine)
 */
#ifndef NET_POOL_H
#define NET_POOL_H

#include <stdbool.h>
#include <stdint.h>
#include <pv-abi/netif.h>

#define POOL_MAX 1024U			/* pages of a queue */
#define POOL_REFS 65536U		/* references that can be in it */

/* Kept where it outlives this process: the next one maps the same pages again. */
struct pool_list {
	uint32_t nr;
	struct xen_netif_gref gref[POOL_MAX];
};

struct pool;
/* What the list names is mapped again. NULL with errno. */
struct pool *pool_new(struct pool_list *list);
void pool_free(struct pool *p);		/* unmaps; the list stays */
/* All or nothing; XEN_NETIF_CTRL_STATUS_*. */
uint32_t pool_add(struct pool *p, const struct xen_netif_gref *g, uint32_t n);
/* status of each is set; how many were there. A page is unmapped when all that were added with it are deleted. */
uint32_t pool_delete(struct pool *p, struct xen_netif_gref *g, uint32_t n);
/* Where a page is, or NULL. write: and may be written. */
void *pool_find(const struct pool *p, uint32_t ref, bool write);

#endif
