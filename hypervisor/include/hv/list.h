/* SPDX-License-Identifier: MIT */
/*
 * Job:    doubly linked circular lists of structures that hold a struct list_head.
 * Tests:  tests/host (through every user)
 */
#ifndef HV_LIST_H
#define HV_LIST_H

#include <hv/types.h>

struct list_head { struct list_head *next, *prev; };

static inline void list_init(struct list_head *h)
{
	h->next = h->prev = h;
}

static inline void list_add(struct list_head *n, struct list_head *h)
{
	n->prev = h;
	n->next = h->next;
	h->next->prev = n;
	h->next = n;
}

/* Unlinks and re-initialises, so that a second call is harmless. */
static inline void list_del(struct list_head *n)
{
	n->next->prev = n->prev;
	n->prev->next = n->next;
	list_init(n);
}

#define list_first(h, t, m) container_of((h)->next, t, m)
#define list_for_each(p, h, m) \
	for (p = list_first(h, typeof(*p), m); &p->m != (h); p = list_first(&p->m, typeof(*p), m))
#define list_for_each_safe(p, n, h, m) \
	for (p = list_first(h, typeof(*p), m), n = list_first(&p->m, typeof(*p), m); \
	     &p->m != (h); p = n, n = list_first(&n->m, typeof(*n), m))

#endif
