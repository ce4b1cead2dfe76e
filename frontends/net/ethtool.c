// SPDX-License-Identifier: GPL-2.0-only
/*
 * Job: what an administrator sees and sets beside packets: figures for ethtool, XDP programs.
 * Users: the network stack; net/linux.c (net_xdp).
 * State: net_queue.stat, net_dev.xdp (changed under rtnl, read under RCU).
 * Locks, invariants: net/front.h. A program sees packets of one page that lie in memory of our own.
 * Tests: tests/drivers
 */
#include <linux/bpf_trace.h>
#include <linux/ethtool.h>
#include <linux/filter.h>

#include "front.h"

static const char stat_names[NET_STATS][ETH_GSTRING_LEN] = {
	"rx_packets", "rx_bytes", "rx_dropped", "tx_packets", "tx_bytes", "tx_dropped", "tx_queue_stopped",
	"notifications", "notifications_saved", "interrupts", "xdp_drop", "xdp_tx",
};

static void get_drvinfo(struct net_device *netdev, struct ethtool_drvinfo *info)
{
	strscpy(info->driver, "parapet-netfront", sizeof(info->driver));
	strscpy(info->bus_info, dev_name(netdev->dev.parent), sizeof(info->bus_info));
}

static int get_sset_count(struct net_device *netdev, int set)
{
	return set == ETH_SS_STATS ? NET_STATS : -EOPNOTSUPP;
}

static void get_strings(struct net_device *netdev, u32 set, u8 *data)
{
	if (set == ETH_SS_STATS)
		memcpy(data, stat_names, sizeof(stat_names));
}

static void get_stats(struct net_device *netdev, struct ethtool_stats *s, u64 *data)
{
	struct net_dev *d = netdev_priv(netdev);
	unsigned int i, k;

	for (k = 0; k < NET_STATS; k++)
		for (data[k] = 0, i = 0; i < NET_MAX_QUEUES; i++)
			data[k] += d->queue[i].stat[k];
}

static void get_channels(struct net_device *netdev, struct ethtool_channels *c)
{
	struct net_dev *d = netdev_priv(netdev);

	c->max_combined = NET_MAX_QUEUES;
	c->combined_count = d->nr_queues;
}

const struct ethtool_ops net_ethtool_ops = {
	.get_drvinfo = get_drvinfo,
	.get_link = ethtool_op_get_link,
	.get_sset_count = get_sset_count,
	.get_strings = get_strings,
	.get_ethtool_stats = get_stats,
	.get_channels = get_channels,
	.get_ts_info = ethtool_op_get_ts_info,
};

int net_bpf(struct net_device *netdev, struct netdev_bpf *bpf)
{
	struct net_dev *d = netdev_priv(netdev);
	struct bpf_prog *old;

	if (bpf->command != XDP_SETUP_PROG)
		return -EINVAL;
	if (bpf->prog && netdev->mtu > 3000) {
		NL_SET_ERR_MSG_MOD(bpf->extack, "XDP needs an MTU of at most 3000");
		return -EINVAL;
	}
	old = rtnl_dereference(d->xdp);
	rcu_assign_pointer(d->xdp, bpf->prog);
	if (old)
		bpf_prog_put(old);
	return 0;
}

struct sk_buff *net_xdp(struct net_queue *q, struct bpf_prog *prog, struct netf_packet *p)
{
	struct sk_buff *skb;
	struct page *page;
	struct xdp_buff xdp;
	unsigned int at = XDP_PACKET_HEADROOM, i;
	u32 act;
	u8 *va;

	/* What is larger than a page (it was put together by the other side) no program sees: it is dropped. */
	if (p->bytes > SKB_WITH_OVERHEAD(PAGE_SIZE) - XDP_PACKET_HEADROOM)
		goto drop;
	page = dev_alloc_page();
	if (!page)
		goto drop;
	va = page_address(page);
	for (i = 0; i < p->nr_frags; i++) {
		memcpy(va + at, ((struct fe_page *)p->frag[i].cookie)->va + p->frag[i].offset, p->frag[i].size);
		at += p->frag[i].size;
	}
	xdp_init_buff(&xdp, PAGE_SIZE, &q->xdp_rxq);
	xdp_prepare_buff(&xdp, va, XDP_PACKET_HEADROOM, p->bytes, true);
	act = bpf_prog_run_xdp(prog, &xdp);
	if (act == XDP_PASS) {
		skb = build_skb(va, PAGE_SIZE);
		if (skb) {
			skb_reserve(skb, xdp.data - xdp.data_hard_start);
			skb_put(skb, xdp.data_end - xdp.data);
			return skb;
		}
	} else if (act == XDP_TX) {
		if (net_send_bytes(q, xdp.data, xdp.data_end - xdp.data)) {
			q->stat[NET_XDP_TX]++;
			__free_page(page);
			return NULL;
		}
	} else if (act != XDP_DROP) {
		bpf_warn_invalid_xdp_action(q->dev->netdev, prog, act);
		trace_xdp_exception(q->dev->netdev, prog, act);
	}
	__free_page(page);
drop:
	q->stat[NET_XDP_DROP]++;
	return NULL;
}
