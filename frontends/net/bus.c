// SPDX-License-Identifier: GPL-2.0-only
/*
 * Job: the network frontend's talk with its backend through the store: rings are offered, the interface appears, loses
 *	its backend and gets another, goes away.
 * Users: xenbus (probe, otherend_changed, resume, remove).
 * State, locks, invariants: net/front.h.
 *
 * A backend that closes with `online` at 1 is expected back: the interface stays, without carrier.
 * Tests: tests/drivers
 */
#include <linux/cpumask.h>
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <linux/version.h>
#include <xen/events.h>
#include <xen/platform_pci.h>
#include <xen/xen.h>

#include "front.h"

static unsigned int max_queues = 4;
module_param(max_queues, uint, 0444);
MODULE_PARM_DESC(max_queues, "queues of an interface (default 4, at most one for each CPU)");

/* ---- rings ---- */

static void net_stop(struct net_dev *d)
{
	unsigned int i;

	if (!d->up)
		return;
	netif_carrier_off(d->netdev);
	netif_tx_disable(d->netdev);
	for (i = 0; i < d->nr_queues; i++) {
		struct net_queue *q = &d->queue[i];

		spin_lock_irq(&q->tx_lock);
		d->up = false;
		spin_unlock_irq(&q->tx_lock);
	}
	for (i = 0; i < d->nr_queues; i++) {
		struct net_queue *q = &d->queue[i];

		if (d->opened)
			napi_disable(&q->napi);	/* interrupts cannot schedule it any more */
	}
	/* The next backend knows none of the addresses that this one was told. */
	netif_addr_lock_bh(d->netdev);
	__dev_mc_unsync(d->netdev, NULL);
	netif_addr_unlock_bh(d->netdev);
}

static void ring_free(struct net_queue *q)
{
	void *g;

	if (q->rx_irq && q->rx_irq != q->tx_irq)
		unbind_from_irqhandler(q->rx_irq, q);
	if (q->tx_irq)
		unbind_from_irqhandler(q->tx_irq, q);
	q->tx_irq = q->rx_irq = 0;
	while ((g = netf_tx_forget(&q->tx)))
		fe_pool_put(&q->tx_pool, g);
	while ((g = netf_rx_forget(&q->rx)))
		fe_pool_put(&q->rx_pool, g);
	fe_pool_drop(&q->tx_pool);
	fe_pool_drop(&q->rx_pool);
	if (q->tx_ring)
		xenbus_teardown_ring(&q->tx_ring, 1, &q->tx_ref);
	if (q->rx_ring)
		xenbus_teardown_ring(&q->rx_ring, 1, &q->rx_ref);
	netif_napi_del(&q->napi);
	if (xdp_rxq_info_is_reg(&q->xdp_rxq))
		xdp_rxq_info_unreg(&q->xdp_rxq);
	if (q->frag.page)
		put_page(q->frag.page);
	q->frag.page = NULL;
}

/* Mutex held. */
static void rings_free(struct net_dev *d)
{
	unsigned int i;

	net_stop(d);
	net_ctrl_free(d);
	for (i = 0; i < d->nr_queues; i++)
		ring_free(&d->queue[i]);
	d->nr_queues = 0;
	d->pooled = d->mcast = d->mcast_on = false;
}

static int channel(struct net_queue *q, evtchn_port_t *port, int *irq, irq_handler_t f, const char *what)
{
	int err = xenbus_alloc_evtchn(q->dev->xb, port);

	if (err)
		return err;
	snprintf(q->name, sizeof(q->name), "%s-%u%s", netdev_name(q->dev->netdev), q->n, what);
	err = bind_evtchn_to_irqhandler_lateeoi(*port, f, 0, q->dev->netdev->name, q);
	if (err <= 0) {
		xenbus_free_evtchn(q->dev->xb, *port);
		return err ?: -EINVAL;
	}
	*irq = err;
	return 0;
}

static int ring_make(struct net_dev *d, unsigned int n, bool split)
{
	struct net_queue *q = &d->queue[n];
	u64 stat[NET_STATS];
	int err;

	memcpy(stat, q->stat, sizeof(stat));
	memset(q, 0, sizeof(*q));
	memcpy(q->stat, stat, sizeof(stat));	/* an interface counts on when its backend changes */
	q->dev = d;
	q->n = n;
	spin_lock_init(&q->tx_lock);
	fe_pool_init(&q->tx_pool, d->xb->otherend_id, NETF_SLOTS);
	fe_pool_init(&q->rx_pool, d->xb->otherend_id, NETF_SLOTS);
	netif_napi_add(d->netdev, &q->napi, net_poll);
	err = xenbus_setup_ring(d->xb, GFP_NOIO, &q->tx_ring, 1, &q->tx_ref);
	if (!err)
		err = xenbus_setup_ring(d->xb, GFP_NOIO, &q->rx_ring, 1, &q->rx_ref);
	if (err)
		return err;
	netf_tx_init(&q->tx, q->tx_ring);
	netf_rx_init(&q->rx, q->rx_ring);
	err = xdp_rxq_info_reg(&q->xdp_rxq, d->netdev, n, 0);
	if (!err)
		err = channel(q, &q->tx_port, &q->tx_irq, split ? net_tx_interrupt : net_interrupt, "-tx");
	if (!err && split)
		err = channel(q, &q->rx_port, &q->rx_irq, net_rx_interrupt, "-rx");
	if (!err && !split)
		q->rx_irq = q->tx_irq;
	return err;
}

static int ring_tell(struct xenbus_transaction t, struct net_queue *q, const char *dir)
{
	int err = xenbus_printf(t, dir, "tx-ring-ref", "%u", q->tx_ref);

	if (!err)
		err = xenbus_printf(t, dir, "rx-ring-ref", "%u", q->rx_ref);
	if (!err && q->tx_irq == q->rx_irq)
		return xenbus_printf(t, dir, "event-channel", "%u", q->tx_port);
	if (!err)
		err = xenbus_printf(t, dir, "event-channel-tx", "%u", q->tx_port);
	if (!err)
		err = xenbus_printf(t, dir, "event-channel-rx", "%u", q->rx_port);
	return err;
}

static int tell(struct xenbus_transaction t, struct net_dev *d, bool many)
{
	static const char *const on[] = { "request-rx-copy", "feature-rx-notify", "feature-sg", "feature-gso-tcpv4",
					  "feature-gso-tcpv6", "feature-ipv6-csum-offload" };
	const char *node = d->xb->nodename;
	unsigned int i;
	char dir[96];
	int err = 0;

	if (many)
		err = xenbus_printf(t, node, "multi-queue-num-queues", "%u", d->nr_queues);
	for (i = 0; i < d->nr_queues && !err; i++) {
		if (d->nr_queues > 1)
			snprintf(dir, sizeof(dir), "%s/queue-%u", node, i);
		else
			strscpy(dir, node, sizeof(dir));
		err = ring_tell(t, &d->queue[i], dir);
	}
	for (i = 0; i < ARRAY_SIZE(on) && !err; i++)
		err = xenbus_printf(t, node, on[i], "%u", 1);
	if (!err && d->mcast)
		err = xenbus_printf(t, node, "request-multicast-control", "%u", d->mcast_on);
	if (!err && d->ctrl_ring)
		err = xenbus_printf(t, node, "ctrl-ring-ref", "%u", d->ctrl_ref);
	if (!err && d->ctrl_ring)
		err = xenbus_printf(t, node, "event-channel-ctrl", "%u", d->ctrl_port);
	return err;
}

static void read_features(struct net_dev *d)
{
	const char *dir = d->xb->otherend;

	d->sg = xenbus_read_unsigned(dir, "feature-sg", 0);
	d->gso4 = d->sg && xenbus_read_unsigned(dir, "feature-gso-tcpv4", 0);
	d->gso6 = d->sg && xenbus_read_unsigned(dir, "feature-gso-tcpv6", 0);
	d->csum6 = xenbus_read_unsigned(dir, "feature-ipv6-csum-offload", 0);
	d->nocsum = xenbus_read_unsigned(dir, "feature-no-csum-offload", 0);
	d->mcast = xenbus_read_unsigned(dir, "feature-multicast-control", 0) &&
		   xenbus_read_unsigned(dir, "feature-dynamic-multicast-control", 0);
	d->mcast_on = d->mcast;
}

static int talk(struct net_dev *d)
{
	const char *dir = d->xb->otherend;
	unsigned int queues = xenbus_read_unsigned(dir, "multi-queue-max-queues", 0), i;
	unsigned int nr = clamp(min3(queues, max_queues, num_online_cpus()), 1u, NET_MAX_QUEUES);
	bool split = xenbus_read_unsigned(dir, "feature-split-event-channels", 0);
	struct xenbus_transaction t;
	int err = 0;

	read_features(d);
	for (i = 0; i < nr && !err; i++) {
		err = ring_make(d, i, split);
		d->nr_queues = i + 1;
	}
	if (!err && xenbus_read_unsigned(dir, "feature-ctrl-ring", 0))
		err = net_ctrl_make(d);
	if (err)
		goto out;
	do {
		err = xenbus_transaction_start(&t);
		if (err)
			goto out;
		err = tell(t, d, queues);
		if (err) {
			xenbus_transaction_end(t, 1);
			goto out;
		}
		err = xenbus_transaction_end(t, 0);
	} while (err == -EAGAIN);
out:
	if (err) {
		rings_free(d);
		xenbus_dev_fatal(d->xb, err, "offering rings");
	}
	return err;
}

/* ---- the interface ---- */

static void fail(struct net_dev *d, int err, const char *why)
{
	rtnl_lock();
	mutex_lock(&d->mutex);
	d->gone = true;
	rings_free(d);
	mutex_unlock(&d->mutex);
	rtnl_unlock();
	xenbus_dev_fatal(d->xb, err, "%s", why);
}

static void dead_work(struct work_struct *w)
{
	struct net_dev *d = container_of(w, struct net_dev, dead_work);
	const char *why = "a ring is broken";
	unsigned int i;

	for (i = 0; i < d->nr_queues; i++)
		why = d->queue[i].tx.why ?: d->queue[i].rx.why ?: why;
	fail(d, -EPROTO, why);
}

/* A backend may say that its side has no link; most say nothing. */
static void carrier(struct net_dev *d)
{
	if (xenbus_read_unsigned(d->xb->otherend, "carrier", 1))
		netif_carrier_on(d->netdev);
	else
		netif_carrier_off(d->netdev);
}

/* The backend has our rings: packets may go. */
static void connect(struct net_dev *d)
{
	unsigned int i;
	int err = 0;

	net_pool_show(d);
	rtnl_lock();
	mutex_lock(&d->mutex);
	netif_set_real_num_tx_queues(d->netdev, d->nr_queues);
	netif_set_real_num_rx_queues(d->netdev, d->nr_queues);
	for (i = 0; i < d->nr_queues; i++)
		net_refill(&d->queue[i]);
	d->up = true;
	for (i = 0; i < d->nr_queues && d->opened; i++) {
		napi_enable(&d->queue[i].napi);
		local_bh_disable();
		napi_schedule(&d->queue[i].napi);	/* what came before */
		local_bh_enable();
	}
	if (d->netdev->reg_state == NETREG_UNINITIALIZED)
		err = register_netdevice(d->netdev);
	else
		netdev_update_features(d->netdev);
	if (!err) {
		carrier(d);
		netif_tx_wake_all_queues(d->netdev);
		netdev_info(d->netdev, "%u queues%s%s%s%s%s\n", d->nr_queues, d->sg ? ", sg" : "",
			    d->gso4 ? ", tso" : "", d->gso6 ? ", tso6" : "",
			    d->queue[0].tx_irq != d->queue[0].rx_irq ? ", split events" : "",
			    d->pooled ? ", pool" : "");
		if (d->mcast)
			schedule_work(&d->mcast_work);
	}
	mutex_unlock(&d->mutex);
	rtnl_unlock();
	if (err)
		fail(d, err, "making the interface");
}

static void disconnect(struct net_dev *d)
{
	rtnl_lock();
	mutex_lock(&d->mutex);
	if (d->nr_queues)
		rings_free(d);
	mutex_unlock(&d->mutex);
	rtnl_unlock();
}

static int sync_mac(struct net_device *netdev, const unsigned char *mac)
{
	struct net_dev *d = netdev_priv(netdev);

	return net_multicast(&d->queue[0], mac, true) ? 0 : -EAGAIN;
}

static int unsync_mac(struct net_device *netdev, const unsigned char *mac)
{
	struct net_dev *d = netdev_priv(netdev);

	return net_multicast(&d->queue[0], mac, false) ? 0 : -EAGAIN;
}

/* The list of multicast addresses changed: filter by it, or take all. */
static void mcast_work(struct work_struct *w)
{
	struct net_dev *d = container_of(w, struct net_dev, mcast_work);
	struct net_device *netdev = d->netdev;
	bool all;

	rtnl_lock();
	mutex_lock(&d->mutex);
	if (d->up && d->mcast) {
		netif_addr_lock_bh(netdev);
		all = netdev->flags & (IFF_PROMISC | IFF_ALLMULTI) || netdev_mc_count(netdev) > 32;
		if (!all)
			__dev_mc_sync(netdev, sync_mac, unsync_mac);
		netif_addr_unlock_bh(netdev);
		if (all == d->mcast_on) {
			d->mcast_on = !all;
			xenbus_printf(XBT_NIL, d->xb->nodename, "request-multicast-control", "%u", d->mcast_on);
		}
	}
	mutex_unlock(&d->mutex);
	rtnl_unlock();
}

/* ---- xenbus ---- */

static void backend_changed(struct xenbus_device *xb, enum xenbus_state state)
{
	struct net_dev *d = dev_get_drvdata(&xb->dev);
	bool online = xenbus_read_unsigned(xb->otherend, "online", 0);

	if (d->gone && state != XenbusStateClosing && state != XenbusStateClosed)
		return;
	switch (state) {
	case XenbusStateInitWait:
		if (d->nr_queues && !d->up)
			break;		/* it has not looked yet */
		disconnect(d);
		if (!talk(d))
			xenbus_switch_state(xb, XenbusStateConnected);
		break;
	case XenbusStateConnected:
		if (d->nr_queues && !d->up)
			connect(d);
		else if (d->up)
			carrier(d);	/* it wrote its state again */
		break;
	case XenbusStateClosing:
	case XenbusStateClosed:
		disconnect(d);
		if (!online || d->gone)
			xenbus_frontend_closed(xb);
		else
			xenbus_switch_state(xb, state == XenbusStateClosing ? XenbusStateClosed : XenbusStateInitialising);
		break;
	default:
		break;
	}
}

static int read_mac(struct xenbus_device *xb, u8 *mac)
{
	char *s = xenbus_read(XBT_NIL, xb->nodename, "mac", NULL);
	int err = 0;

	if (IS_ERR(s))
		return PTR_ERR(s);
	if (!mac_pton(s, mac) || !is_valid_ether_addr(mac))
		err = -EINVAL;
	kfree(s);
	return err;
}

static int probe(struct xenbus_device *xb, const struct xenbus_device_id *id)
{
	struct net_device *netdev = alloc_etherdev_mqs(sizeof(struct net_dev), NET_MAX_QUEUES, NET_MAX_QUEUES);
	struct net_dev *d;
	u8 mac[ETH_ALEN];
	int err = -ENOMEM;

	if (!netdev)
		return -ENOMEM;
	d = netdev_priv(netdev);
	d->queue = kvcalloc(NET_MAX_QUEUES, sizeof(*d->queue), GFP_KERNEL);
	if (!d->queue)
		goto out;
	err = read_mac(xb, mac);
	if (err) {
		xenbus_dev_fatal(xb, err, "reading mac");
		goto out;
	}
	d->xb = xb;
	d->netdev = netdev;
	mutex_init(&d->mutex);
	init_completion(&d->ctrl_done);
	INIT_WORK(&d->dead_work, dead_work);
	INIT_WORK(&d->mcast_work, mcast_work);
	eth_hw_addr_set(netdev, mac);
	netdev->netdev_ops = &net_ops;
	netdev->ethtool_ops = &net_ethtool_ops;
	netdev->features = netdev->hw_features = NETIF_F_SG | NETIF_F_IP_CSUM | NETIF_F_IPV6_CSUM | NETIF_F_TSO |
						 NETIF_F_TSO6 | NETIF_F_RXCSUM;
	netdev->vlan_features = netdev->features;
	netdev->min_mtu = ETH_MIN_MTU;
	netdev->max_mtu = NETF_MAX_PACKET - VLAN_ETH_HLEN;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	netdev->xdp_features = NETDEV_XDP_ACT_BASIC;
#endif
	netif_set_tso_max_size(netdev, NETF_MAX_PACKET);
	netif_carrier_off(netdev);
	SET_NETDEV_DEV(netdev, &xb->dev);
	dev_set_drvdata(&xb->dev, d);
	xenbus_switch_state(xb, XenbusStateInitialising);
	return 0;
out:
	kvfree(d->queue);
	free_netdev(netdev);
	return err;
}

static void remove(struct xenbus_device *xb)
{
	struct net_dev *d = dev_get_drvdata(&xb->dev);

	d->gone = true;
	disconnect(d);
	cancel_work_sync(&d->dead_work);
	if (d->netdev->reg_state == NETREG_REGISTERED)
		unregister_netdev(d->netdev);
	cancel_work_sync(&d->mcast_work);
	kvfree(d->queue);
	free_netdev(d->netdev);
}

/* After a migration or a restore; the new backend's InitWait does the rest. */
static int resume(struct xenbus_device *xb)
{
	disconnect(dev_get_drvdata(&xb->dev));
	return 0;
}

static const struct xenbus_device_id ids[] = { { "vif" }, { "" } };
MODULE_ALIAS("xen:vif");

static struct xenbus_driver driver = {
	.name = "parapet-netfront",
	.ids = ids,
	.probe = probe,
	.remove = remove,
	.resume = resume,
	.otherend_changed = backend_changed,
};

static int __init netfront_init(void)
{
	if (!xen_domain() || !xen_has_pv_nic_devices())
		return -ENODEV;
	return xenbus_register_frontend(&driver);
}

static void __exit netfront_exit(void)
{
	xenbus_unregister_driver(&driver);
}

module_init(netfront_init);
module_exit(netfront_exit);
MODULE_DESCRIPTION("Network frontend of Parapet");
MODULE_LICENSE("GPL");
