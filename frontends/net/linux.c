// SPDX-License-Identifier: GPL-2.0-only
/*
 * Job: the network frontend's packets: from Linux's stack to the rings and back.
 * Users: the network stack (net_ops, NAPI), event channels (net_*_interrupt), net/bus.c, net/ethtool.c.
 * State, locks, invariants: net/front.h.
 *
 * Transmitting copies a packet into pool pages, side by side, and frees it. The answers only give room back: they are
 * looked at when there is little of it, and no notification is asked for until there is none.
 * Tests: tests/drivers
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/interrupt.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <net/sock.h>
#include <xen/events.h>

#include "front.h"

static void wake_backend(struct net_queue *q, int irq, bool wanted)
{
	if (wanted)
		notify_remote_via_irq(irq);
	q->stat[wanted ? NET_NOTIFIED : NET_NOT_NOTIFIED]++;
}

static void dead(struct net_queue *q)
{
	if (!q->dev->gone)
		schedule_work(&q->dev->dead_work);
}

/* ---- transmit ---- */

/* Takes answers; true: there were some. tx_lock held. */
static bool reap(struct net_queue *q)
{
	uint32_t before = q->tx.ring.cons;
	struct fe_page *g;
	void *cookie;
	bool sent;
	int n;

	while ((n = netf_tx_take(&q->tx, &cookie, &sent)) > 0) {
		g = cookie;
		if (g)		/* none: a slot that only carries an extra info */
			fe_pool_put(&q->tx_pool, g);
		if (!sent)
			q->stat[NET_TX_DROPPED]++;
	}
	if (n < 0)
		dead(q);
	return q->tx.ring.cons != before;
}

/* Room for N slots, in which one extra info is counted; tx_lock held. */
static bool room(struct net_queue *q, unsigned int n)
{
	if (netf_tx_free(&q->tx) < NETF_SLOTS / 2 || netf_tx_free(&q->tx) < n)
		reap(q);
	return netf_tx_free(&q->tx) >= n;
}

/* Pages for N slots as a list; NULL: too little memory. tx_lock held. */
static struct fe_page *take_pages(struct net_queue *q, unsigned int n)
{
	struct fe_page *list = NULL, *g;

	while (n--) {
		g = fe_pool_get(&q->tx_pool);
		if (!g) {
			fe_pool_put(&q->tx_pool, list);
			return NULL;
		}
		g->next = list;
		list = g;
	}
	return list;
}

static bool gso_of(struct sk_buff *skb, struct netf_extra *e)
{
	if (!skb_is_gso(skb))
		return false;
	*e = (struct netf_extra){ .type = NETF_EXTRA_GSO };
	e->gso.size = skb_shinfo(skb)->gso_size;
	e->gso.type = skb_shinfo(skb)->gso_type & SKB_GSO_TCPV6 ? NETF_GSO_TCPV6 : NETF_GSO_TCPV4;
	return true;
}

/* Where the copying of an skb has got to: its linear part, then fragment after fragment. */
struct skb_reader {
	struct sk_buff *skb;
	const u8 *at;
	unsigned int left, next;	/* bytes at `at`; the fragment behind them */
};

/* The next N bytes; there are as many. */
static void read_skb(struct skb_reader *r, u8 *to, unsigned int n)
{
	while (n) {
		unsigned int part;

		while (!r->left) {
			const skb_frag_t *f = &skb_shinfo(r->skb)->frags[r->next++];

			r->at = skb_frag_address(f);
			r->left = skb_frag_size(f);
		}
		part = min(n, r->left);
		fe_copy(to, r->at, part);
		to += part;
		n -= part;
		r->at += part;
		r->left -= part;
	}
}

/* Copies SKB into pages and writes its slots. tx_lock held, there is room, SKB has no list of others. */
static bool put_skb(struct net_queue *q, struct sk_buff *skb)
{
	unsigned int off = 0, nr = DIV_ROUND_UP(skb->len, FE_PAGE);
	struct fe_page *list = take_pages(q, nr), *g;
	struct skb_reader from = { skb, skb->data, skb_headlen(skb), 0 };
	struct netf_extra e;
	bool gso = gso_of(skb, &e);
	u16 flags = gso ? NETF_TX_EXTRA : 0;

	if (!list)
		return false;
	if (skb->ip_summed == CHECKSUM_PARTIAL)
		flags |= NETF_TX_CSUM_BLANK | NETF_TX_VALIDATED;
	else if (skb->ip_summed == CHECKSUM_UNNECESSARY)
		flags |= NETF_TX_VALIDATED;
	while ((g = list)) {
		unsigned int n = min(skb->len - off, FE_PAGE);

		list = g->next;
		g->next = NULL;
		read_skb(&from, g->va, n);
		netf_tx_slot(&q->tx, g->ref, 0, off ? n : skb->len, flags | (list ? NETF_TX_MORE : 0), g);
		if (!off && gso)
			netf_tx_extra(&q->tx, &e);
		flags = 0;
		off += n;
	}
	return true;
}

static netdev_tx_t start_xmit(struct sk_buff *skb, struct net_device *netdev)
{
	struct net_dev *d = netdev_priv(netdev);
	struct net_queue *q = &d->queue[skb_get_queue_mapping(skb) % max(d->nr_queues, 1u)];
	struct netdev_queue *txq = netdev_get_tx_queue(netdev, skb_get_queue_mapping(skb));
	unsigned int worst = NETF_MAX_PACKET / FE_PAGE + 3;
	bool wake = false, push = !netdev_xmit_more();
	unsigned long flags;

	spin_lock_irqsave(&q->tx_lock, flags);
	if (unlikely(!d->up || skb->len > NETF_MAX_PACKET || skb_put_padto(skb, ETH_ZLEN))) {
		/* skb_put_padto() frees what it cannot pad. */
		if (!d->up || skb->len > NETF_MAX_PACKET)
			dev_kfree_skb_any(skb);
		q->stat[NET_TX_DROPPED]++;
		goto out;
	}
	if (room(q, worst) && put_skb(q, skb)) {
		q->stat[NET_TX_PACKETS]++;
		q->stat[NET_TX_BYTES] += skb->len;
	} else {
		q->stat[NET_TX_DROPPED]++;
	}
	skb_tx_timestamp(skb);
	dev_kfree_skb_any(skb);
	if (!room(q, worst)) {		/* G3 */
		netif_tx_stop_queue(txq);
		q->stat[NET_TX_STOPPED]++;
		push = true;
		wake = netf_tx_push(&q->tx);
		if (fe_ring_sleep(&q->tx.ring, NETF_SLOTS / 4)) {
			reap(q);
			if (netf_tx_free(&q->tx) >= worst)
				netif_tx_start_queue(txq);
		}
	}
out:
	if (push && d->up) {
		wake |= netf_tx_push(&q->tx);
		wake_backend(q, q->tx_irq, wake);
	}
	spin_unlock_irqrestore(&q->tx_lock, flags);
	return NETDEV_TX_OK;
}

bool net_send_bytes(struct net_queue *q, const void *data, unsigned int len)
{
	struct fe_page *g = NULL;
	unsigned long flags;

	spin_lock_irqsave(&q->tx_lock, flags);
	if (q->dev->up && len <= FE_PAGE && room(q, 1))
		g = take_pages(q, 1);
	if (g) {
		memcpy(g->va, data, len);
		netf_tx_slot(&q->tx, g->ref, 0, len, 0, g);
		wake_backend(q, q->tx_irq, netf_tx_push(&q->tx));
	}
	spin_unlock_irqrestore(&q->tx_lock, flags);
	return g;
}

bool net_multicast(struct net_queue *q, const u8 *mac, bool add)
{
	struct netf_extra e = { .type = add ? NETF_EXTRA_MCAST_ADD : NETF_EXTRA_MCAST_DEL };
	unsigned long flags;
	bool ok;

	memcpy(e.mac, mac, ETH_ALEN);
	spin_lock_irqsave(&q->tx_lock, flags);
	ok = q->dev->up && room(q, 2);
	if (ok) {
		netf_tx_slot(&q->tx, 0, 0, 0, NETF_TX_EXTRA, NULL);
		netf_tx_extra(&q->tx, &e);
		wake_backend(q, q->tx_irq, netf_tx_push(&q->tx));
	}
	spin_unlock_irqrestore(&q->tx_lock, flags);
	return ok;
}

/* True: there was something to do. */
static bool tx_event(struct net_queue *q)
{
	struct netdev_queue *txq = netdev_get_tx_queue(q->dev->netdev, q->n);
	unsigned long flags;
	bool some = false;

	/* Whoever stops the queue looks at the ring once more after asking for this event. */
	if (!netif_tx_queue_stopped(txq))
		return false;
	spin_lock_irqsave(&q->tx_lock, flags);
	/* Answers that came before the ring heard of what we wait for are nobody's event: they are taken here. */
	do
		some |= reap(q);
	while (netf_tx_free(&q->tx) < NETF_SLOTS / 4 && fe_ring_sleep(&q->tx.ring, NETF_SLOTS / 4 - netf_tx_free(&q->tx)));
	if (netif_tx_queue_stopped(txq) && q->dev->up && netf_tx_free(&q->tx) >= NETF_SLOTS / 4)
		netif_tx_wake_queue(txq);
	spin_unlock_irqrestore(&q->tx_lock, flags);
	return some;
}

/* ---- receive ---- */

void net_refill(struct net_queue *q)
{
	bool any = false;

	while (fe_ring_free(&q->rx.ring)) {
		struct fe_page *g = fe_pool_get(&q->rx_pool);

		if (!g)
			break;
		netf_rx_post(&q->rx, g->ref, g);
		any = true;
	}
	if (any)
		wake_backend(q, q->rx_irq, fe_ring_push(&q->rx.ring));
}

static void give_back(struct net_queue *q, struct netf_packet *p)
{
	unsigned int i;

	for (i = 0; i < p->nr_frags; i++)
		fe_pool_put(&q->rx_pool, p->frag[i].cookie);
	for (i = 0; i < p->nr_unused; i++)
		fe_pool_put(&q->rx_pool, p->unused[i]);
}

/* Copies the rest of fragment F from byte SKIP on behind what SKB has. */
static bool add_frag(struct net_queue *q, struct sk_buff *skb, const struct netf_frag *f, unsigned int skip)
{
	const u8 *from = ((struct fe_page *)f->cookie)->va + f->offset + skip;
	unsigned int left = f->size - skip, n, i;

	while (left) {
		i = skb_shinfo(skb)->nr_frags;
		if (!skb_page_frag_refill(1024, &q->frag, GFP_ATOMIC | __GFP_NOWARN))
			return false;
		n = min(left, q->frag.size - q->frag.offset);
		fe_copy(page_address(q->frag.page) + q->frag.offset, from, n);
		if (skb_can_coalesce(skb, i, q->frag.page, q->frag.offset)) {
			skb_frag_size_add(&skb_shinfo(skb)->frags[i - 1], n);
			skb->len += n;
			skb->data_len += n;
			skb->truesize += n;
		} else {
			if (i == MAX_SKB_FRAGS)
				return false;
			get_page(q->frag.page);
			skb_add_rx_frag(skb, i, q->frag.page, q->frag.offset, n, n);
		}
		q->frag.offset += n;
		from += n;
		left -= n;
	}
	return true;
}

/* An skb of the packet's own memory; NULL: none. */
static struct sk_buff *make_skb(struct net_queue *q, struct netf_packet *p)
{
	unsigned int head = p->bytes <= 512 ? p->bytes : min_t(unsigned int, p->frag[0].size, 128), i;
	struct sk_buff *skb = napi_alloc_skb(&q->napi, head);

	if (!skb)
		return NULL;
	if (p->bytes <= 512) {
		for (i = 0; i < p->nr_frags; i++)
			skb_put_data(skb, ((struct fe_page *)p->frag[i].cookie)->va + p->frag[i].offset, p->frag[i].size);
		return skb;
	}
	skb_put_data(skb, ((struct fe_page *)p->frag[0].cookie)->va + p->frag[0].offset, head);
	for (i = 0; i < p->nr_frags; i++) {
		if (!add_frag(q, skb, &p->frag[i], i ? 0 : head)) {
			dev_kfree_skb_any(skb);
			return NULL;
		}
	}
	return skb;
}

/* What the backend says of the packet; false: it cannot be. */
static bool describe(struct net_queue *q, struct sk_buff *skb, const struct netf_packet *p)
{
	bool fix = false;

	if (!pskb_may_pull(skb, ETH_HLEN))
		return false;
	if (p->flags & NETF_RX_CSUM_BLANK)
		skb->ip_summed = CHECKSUM_PARTIAL;
	else if (p->flags & NETF_RX_VALIDATED)
		skb->ip_summed = CHECKSUM_UNNECESSARY;
	if (p->gso_size) {
		skb_shinfo(skb)->gso_size = p->gso_size;
		skb_shinfo(skb)->gso_type = SKB_GSO_DODGY |
			(p->gso_type == NETF_GSO_TCPV6 ? SKB_GSO_TCPV6 : SKB_GSO_TCPV4);
	}
	skb->protocol = eth_type_trans(skb, q->dev->netdev);
	skb_reset_network_header(skb);
	if (skb_is_gso(skb) && skb->ip_summed != CHECKSUM_PARTIAL) {
		skb->ip_summed = CHECKSUM_PARTIAL;	/* segments get theirs later */
		fix = true;
	}
	if (skb->ip_summed == CHECKSUM_PARTIAL && skb_checksum_setup(skb, fix))
		return false;
	skb_record_rx_queue(skb, q->n);
	return true;
}

/* One packet from the ring up the stack. */
static void deliver(struct net_queue *q, struct netf_packet *p)
{
	struct bpf_prog *prog = rcu_dereference(q->dev->xdp);
	struct sk_buff *skb = NULL;

	if (!p->bad) {
		if (prog)
			skb = net_xdp(q, prog, p);
		else
			skb = make_skb(q, p);
	}
	give_back(q, p);
	if (!skb) {
		if (!prog || p->bad)
			q->stat[NET_RX_DROPPED]++;
		return;
	}
	q->stat[NET_RX_PACKETS]++;
	q->stat[NET_RX_BYTES] += skb->len;
	if (!describe(q, skb, p)) {
		q->stat[NET_RX_DROPPED]++;
		dev_kfree_skb_any(skb);
		return;
	}
	napi_gro_receive(&q->napi, skb);
}

int net_poll(struct napi_struct *napi, int budget)
{
	struct net_queue *q = container_of(napi, struct net_queue, napi);
	int done = 0, n = 0;

	rcu_read_lock();
	while (done < budget) {
		n = netf_rx_take(&q->rx, &q->packet);
		if (n <= 0)
			break;
		deliver(q, &q->packet);
		done++;
	}
	rcu_read_unlock();
	if (n < 0) {
		napi_complete_done(napi, done);
		dead(q);
		return done;
	}
	net_refill(q);
	/* A notification is asked for after NAPI is done, and the ring looked at once more. */
	if (done < budget && napi_complete_done(napi, done)) {
		if (netf_rx_sleep(&q->rx))
			napi_schedule(napi);
	}
	return done;
}

/* ---- events ---- */

irqreturn_t net_tx_interrupt(int irq, void *queue)
{
	struct net_queue *q = queue;

	q->stat[NET_INTERRUPTS]++;
	tx_event(q);
	xen_irq_lateeoi(irq, 0);
	return IRQ_HANDLED;
}

/*
 * Linux holds a channel back, for up to a second, whose events again and again have no reason. One whose packets NAPI
 * has taken meanwhile had a reason.
 */
static irqreturn_t rx_event(struct net_queue *q, int irq, bool reason)
{
	int n = fe_ring_answers(&q->rx.ring);
	uint32_t prod = READ_ONCE(q->rx.ring.sh->rsp_prod);

	q->stat[NET_INTERRUPTS]++;
	if (n)
		napi_schedule(&q->napi);
	reason |= n || prod != q->rx_told;
	q->rx_told = prod;
	xen_irq_lateeoi(irq, reason ? 0 : XEN_EOI_FLAG_SPURIOUS);
	return IRQ_HANDLED;
}

irqreturn_t net_rx_interrupt(int irq, void *queue)
{
	return rx_event(queue, irq, false);
}

irqreturn_t net_interrupt(int irq, void *queue)
{
	bool tx = tx_event(queue);

	return rx_event(queue, irq, tx);
}

/* ---- the interface ---- */

static int net_open(struct net_device *netdev)
{
	struct net_dev *d = netdev_priv(netdev);
	unsigned int i;

	mutex_lock(&d->mutex);
	d->opened = true;
	for (i = 0; d->up && i < d->nr_queues; i++) {
		napi_enable(&d->queue[i].napi);
		local_bh_disable();
		napi_schedule(&d->queue[i].napi);	/* what came while it was closed */
		local_bh_enable();
	}
	mutex_unlock(&d->mutex);
	netif_tx_start_all_queues(netdev);
	return 0;
}

static int net_close(struct net_device *netdev)
{
	struct net_dev *d = netdev_priv(netdev);
	unsigned int i;

	netif_tx_stop_all_queues(netdev);
	mutex_lock(&d->mutex);
	d->opened = false;
	for (i = 0; d->up && i < d->nr_queues; i++)
		napi_disable(&d->queue[i].napi);
	mutex_unlock(&d->mutex);
	return 0;
}

static void get_stats(struct net_device *netdev, struct rtnl_link_stats64 *s)
{
	struct net_dev *d = netdev_priv(netdev);
	unsigned int i;

	for (i = 0; i < NET_MAX_QUEUES; i++) {
		const u64 *v = d->queue[i].stat;

		s->rx_packets += v[NET_RX_PACKETS];
		s->rx_bytes += v[NET_RX_BYTES];
		s->rx_dropped += v[NET_RX_DROPPED];
		s->tx_packets += v[NET_TX_PACKETS];
		s->tx_bytes += v[NET_TX_BYTES];
		s->tx_dropped += v[NET_TX_DROPPED];
	}
}

static netdev_features_t fix_features(struct net_device *netdev, netdev_features_t f)
{
	struct net_dev *d = netdev_priv(netdev);

	if (!d->sg)
		f &= ~NETIF_F_SG;
	if (d->nocsum)
		f &= ~NETIF_F_IP_CSUM;
	if (!d->csum6)
		f &= ~NETIF_F_IPV6_CSUM;
	if (!d->gso4)
		f &= ~NETIF_F_TSO;
	if (!d->gso6)
		f &= ~NETIF_F_TSO6;
	return f;
}

static int change_mtu(struct net_device *netdev, int mtu)
{
	struct net_dev *d = netdev_priv(netdev);
	int limit = !d->sg ? ETH_DATA_LEN : rcu_access_pointer(d->xdp) ? 3000 : NETF_MAX_PACKET - VLAN_ETH_HLEN;

	if (mtu > limit)
		return -EINVAL;
	netdev->mtu = mtu;
	return 0;
}

static void set_rx_mode(struct net_device *netdev)
{
	struct net_dev *d = netdev_priv(netdev);

	if (d->mcast)
		schedule_work(&d->mcast_work);
}

const struct net_device_ops net_ops = {
	.ndo_open = net_open,
	.ndo_stop = net_close,
	.ndo_start_xmit = start_xmit,
	.ndo_get_stats64 = get_stats,
	.ndo_fix_features = fix_features,
	.ndo_change_mtu = change_mtu,
	.ndo_set_rx_mode = set_rx_mode,
	.ndo_set_mac_address = eth_mac_addr,
	.ndo_validate_addr = eth_validate_addr,
	.ndo_bpf = net_bpf,
};
