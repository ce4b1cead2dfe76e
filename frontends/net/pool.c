// SPDX-License-Identifier: GPL-2.0-only
/*
 * Job: the control ring, by which a backend that can is shown all our pages once, so that no packet costs it a grant
 *	hypercall (docs/frontends.md).
 * Users: net/bus.c.
 * State: net_dev.ctrl*, pooled.   Locks: the thread that connects; the interrupt only completes ctrl_done.
 * Invariants: net/front.h; a backend that does not answer, or answers no, is served as any other.
 * Tests: tests/drivers
 */
#include <linux/interrupt.h>
#include <xen/events.h>

#include "front.h"

static irqreturn_t ctrl_interrupt(int irq, void *dev)
{
	struct net_dev *d = dev;

	complete(&d->ctrl_done);
	xen_irq_lateeoi(irq, 0);
	return IRQ_HANDLED;
}

int net_ctrl_make(struct net_dev *d)
{
	int err = xenbus_setup_ring(d->xb, GFP_NOIO, &d->ctrl_ring, 1, &d->ctrl_ref);

	if (err)
		return err;
	netf_ctrl_init(&d->ctrl, d->ctrl_ring);
	err = xenbus_alloc_evtchn(d->xb, &d->ctrl_port);
	if (err)
		return err;
	err = bind_evtchn_to_irqhandler_lateeoi(d->ctrl_port, ctrl_interrupt, 0, "parapet-net-ctrl", d);
	if (err <= 0) {
		xenbus_free_evtchn(d->xb, d->ctrl_port);
		return err ?: -EINVAL;
	}
	d->ctrl_irq = err;
	return 0;
}

void net_ctrl_free(struct net_dev *d)
{
	if (d->ctrl_irq)
		unbind_from_irqhandler(d->ctrl_irq, d);
	d->ctrl_irq = 0;
	if (d->ctrl_ring)
		xenbus_teardown_ring(&d->ctrl_ring, 1, &d->ctrl_ref);
}

/* 0, or -errno; *data: what came with the answer. */
static int ask(struct net_dev *d, u16 type, u32 a, u32 b, u32 c, u32 *data)
{
	unsigned long end = jiffies + 5 * HZ;
	u32 status = 0;
	int n;

	reinit_completion(&d->ctrl_done);
	if (netf_ctrl_ask(&d->ctrl, type, a, b, c))
		notify_remote_via_irq(d->ctrl_irq);
	for (;;) {
		n = netf_ctrl_answer(&d->ctrl, type, &status, data);
		if (!n && fe_ring_sleep(&d->ctrl.ring, 1))
			continue;
		if (n)
			break;
		if (time_after(jiffies, end))
			return -ETIMEDOUT;
		wait_for_completion_timeout(&d->ctrl_done, HZ);
	}
	return n < 0 ? -EPROTO : status ? -EOPNOTSUPP : 0;
}

/* All pages of POOL into the list, then back. Returns how many there are. */
static unsigned int list_pages(struct fe_pool *pool, struct netf_gref *list, u16 flags)
{
	struct fe_page *all = NULL, *g;
	unsigned int n = 0;

	while ((g = fe_pool_get(pool))) {
		list[n++] = (struct netf_gref){ .ref = g->ref, .flags = flags };
		g->next = all;
		all = g;
	}
	fe_pool_put(pool, all);
	return n;
}

void net_pool_show(struct net_dev *d)
{
	unsigned int i, n;
	struct fe_pool one;
	struct fe_page *g;
	u32 data = 0;
	int err;

	if (!d->ctrl_ring)
		return;
	err = ask(d, NETF_CTRL_MAP_SIZE, 0, 0, 0, &data);
	if (err || data < NET_POOL)
		return;
	fe_pool_init(&one, d->xb->otherend_id, 1);
	g = fe_pool_get(&one);
	for (i = 0; g && i < d->nr_queues && !err; i++) {
		struct net_queue *q = &d->queue[i];

		n = list_pages(&q->tx_pool, g->va, 1);
		n += list_pages(&q->rx_pool, (struct netf_gref *)g->va + n, 0);
		err = ask(d, NETF_CTRL_MAP_ADD, i, g->ref, n, &data);
	}
	d->pooled = g && !err;
	if (err)
		dev_info(&d->xb->dev, "the backend does not keep our pages (%d)\n", err);
	if (g)
		fe_pool_put(&one, g);
	fe_pool_drop(&one);
}
