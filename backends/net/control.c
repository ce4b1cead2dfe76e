/* SPDX-License-Identifier: MIT */
/*
 * The control ring of a network device.
 *
 * Job:    the pool's requests (docs/abi/netif-pool.md). Hashing is refused: the tap device spreads flows itself.
 * Enter:  net/vif.c, when its channel has something.
 * State:  struct vif: ctrl, ctrl_cons.  Locks: none.
 * Holds:  1. One answer for each request, in order; a request is carried out again when its answer was not shown
 *            before the process was killed, and doing it again changes nothing.
 * Tests:  tests/tools-tests (on a machine)
 */
#include <string.h>
#include "vif.h"

#define CTRL_RING 128U
#define LIST_MAX (NET_PAGE / sizeof(struct xen_netif_gref))

static void grefs(struct vif *v, const struct xen_netif_ctrl_request *q, struct xen_netif_ctrl_response *a)
{
	static struct xen_netif_gref list[LIST_MAX];
	struct xen_netif_gref *shared;
	struct queue *queue;
	uint32_t ref = q->data[1], n = q->data[2];

	a->status = XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	if (q->data[0] >= v->nr_queues || !n || n > LIST_MAX)
		return;
	queue = &v->queue[q->data[0]];
	shared = grants_map(1, &ref);
	if (!shared)
		return;
	memcpy(list, shared, n * sizeof(list[0]));
	if (!queue->pool)
		queue->pool = pool_new(&queue->saved->pool);
	if (queue->pool && q->type == XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING) {
		a->status = pool_add(queue->pool, list, n);
	} else if (queue->pool) {
		a->data = pool_delete(queue->pool, list, n);
		a->status = XEN_NETIF_CTRL_STATUS_SUCCESS;
		for (uint32_t i = 0; i < n; i++)
			shared[i].status = list[i].status;
	}
	grants_unmap(shared, 1);
}

static void carry_out(struct vif *v, const struct xen_netif_ctrl_request *q, struct xen_netif_ctrl_response *a)
{
	switch (q->type) {
	case XEN_NETIF_CTRL_TYPE_GET_GREF_MAPPING_SIZE:
		a->status = q->data[0] < v->nr_queues ? XEN_NETIF_CTRL_STATUS_SUCCESS :
			    XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
		a->data = POOL_MAX;
		break;
	case XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING:
	case XEN_NETIF_CTRL_TYPE_DEL_GREF_MAPPING:
		grefs(v, q, a);
		break;
	default:
		a->status = XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED;
	}
}

const char *control_run(struct vif *v)
{
	struct net_shared *sh = v->ctrl;
	uint32_t old = v->ctrl_cons;

	do {
		uint32_t prod = __atomic_load_n(&sh->req_prod, __ATOMIC_ACQUIRE);

		if (prod - v->ctrl_cons > CTRL_RING)
			return "impossible requests on the control ring";
		while (v->ctrl_cons != prod) {
			uint8_t *slot = sh->entries + v->ctrl_cons % CTRL_RING * 16;
			struct xen_netif_ctrl_response a = { 0 };
			struct xen_netif_ctrl_request q;

			memcpy(&q, slot, sizeof(q));
			__asm__ volatile("" : : : "memory");	/* one copy, which is what is looked at */
			a.id = q.id;
			a.type = q.type;
			carry_out(v, &q, &a);
			memcpy(slot, &a, sizeof(a));
			__atomic_store_n(&sh->rsp_prod, ++v->ctrl_cons, __ATOMIC_RELEASE);
		}
		__atomic_store_n(&sh->req_event, v->ctrl_cons + 1, __ATOMIC_RELEASE);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	} while (__atomic_load_n(&sh->req_prod, __ATOMIC_ACQUIRE) != v->ctrl_cons);
	if (v->ctrl_cons != old)
		channel_notify(v->ctrl_channel);
	return NULL;
}
