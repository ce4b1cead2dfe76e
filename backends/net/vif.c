/* SPDX-License-Identifier: MIT */
/*
 * A guest's network device.
 *
 * Job:    from the store's entries to a tap device and rings that are served, and back.
 * Enter:  common/device.c, by the table in main(); handlers from the loop.
 * State:  struct vif; RUN_DIR/pnet-DOMID-ID.state (struct saved), which the tools read and which outlives us.
 * Locks:  none: one thread.
 * Holds:  1. What the store says was written by the guest or, in the backend's folder, by dom0's tools; both are checked.
 *         2. After a handler has failed the device nothing of its queues is touched.
 * Tests:  tests/tools-tests (on a machine)
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "../common/loop.h"
#include "vif.h"

#define NICE (-5)

static struct vif *vifs[MAX_VIFS];	/* without gaps */
static int timer;			/* a descriptor: one that is armed costs a waiting loop nothing */
static bool armed;

/* --- the device in dom0 --- */

static struct saved *saved_map(const struct device *d)
{
	char path[PATH_LEN];
	void *p = MAP_FAILED;
	int fd;

	snprintf(path, sizeof(path), RUN_DIR "/pnet-%u-%u.state", d->domid, d->id);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd >= 0 && !ftruncate(fd, sizeof(struct saved)))
		p = mmap(NULL, sizeof(struct saved), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (fd >= 0)
		close(fd);
	return p == MAP_FAILED ? NULL : p;
}

/* "BYTES,MICROSECONDS" as netback has it, or nothing. */
static void read_rate(struct vif *v)
{
	char *text = back_read(v->dev, "rate");
	unsigned long bytes = 0, us = 0;

	if (!text || sscanf(text, "%lu,%lu", &bytes, &us) != 2 || bytes > 1UL << 40 || !us || us > 10000000)
		bytes = us = 0;
	free(text);
	if (v->rate == (int64_t)bytes && v->interval_us == us)
		return;
	v->interval_us = us;
	v->rate = v->credit = (int64_t)bytes;
	v->since = loop_now();
}

static int read_settings(struct vif *v)
{
	struct device *d = v->dev;
	char *mac = back_read(d, "mac"), *ip = back_read(d, "ip");
	int64_t vlan = back_number(d, "vlan", 4094);
	int rc = 0;

	if (!mac || !packet_mac(v->who.mac, mac))
		rc = device_error(d, "its MAC is missing or none: %s", mac ? mac : "");
	else if (ip && packet_addresses(&v->who, ip))
		rc = device_error(d, "ip: at most %u addresses are wanted: %s", MAX_ADDRESSES, ip);
	else if (vlan == -2)
		rc = device_error(d, "vlan: a number from 1 to 4094 is wanted");
	v->who.check = back_number(d, "antispoof", 1) != 0;
	v->vlan = vlan > 0 ? (uint16_t)vlan : 0;
	free(mac);
	free(ip);
	return rc;
}

static int vif_open(struct device *d)
{
	char name[16], *bridge = back_read(d, "bridge");
	int64_t mtu = back_number(d, "mtu", MTU_MAX);
	struct vif *v = calloc(1, sizeof(*v));
	const char *bad = "no memory";
	unsigned int i;

	for (i = 0; i < MAX_VIFS && vifs[i]; i++)
		;
	if (!v || i == MAX_VIFS)
		goto fail;
	d->priv = v;
	v->dev = d;
	v->saved = saved_map(d);
	for (unsigned int k = 0; k < MAX_QUEUES; k++) {
		v->taps[k] = -1;
		v->queue[k].hold = malloc(65536 + 64);
		if (!v->queue[k].hold)
			goto fail;
	}
	bad = RUN_DIR " cannot be written";
	if (!v->saved)
		goto fail;
	if (read_settings(v)) {
		bad = NULL;
		goto fail;
	}
	snprintf(name, sizeof(name), "vif%u.%u", d->domid, d->id);
	bad = tap_open(d->domid, d->id, bridge && *bridge ? bridge : NULL, mtu > 0 ? (unsigned int)mtu : 1500, v->taps);
	if (bad)
		goto fail;
	vifs[i] = v;
	back_write(d, "vifname", "%s", name);
	free(bridge);
	return 0;
fail:
	if (bad)
		device_error(d, "%s: %s (bridge %s)", bad, strerror(errno), bridge && *bridge ? bridge : "none");
	free(bridge);
	return -1;
}

static int vif_offer(struct device *d)
{
	static const char *const on[] = {
		"feature-sg", "feature-gso-tcpv4", "feature-gso-tcpv6", "feature-ipv6-csum-offload",
		"feature-rx-copy", "feature-multicast-control",
		"feature-dynamic-multicast-control", "feature-ctrl-ring",
	};

	for (unsigned int i = 0; i < sizeof(on) / sizeof(on[0]); i++)
		if (!back_write(d, on[i], "1"))
			return device_error(d, "the store refused an entry: %s", strerror(errno));
	/* Served when asked for, but one channel for both directions takes half the notifications. */
	back_write(d, "feature-split-event-channels", "0");
	back_write(d, "feature-rx-flip", "0");
	back_write(d, "multi-queue-max-queues", "%u", MAX_QUEUES);
	return 0;
}

/* --- what the loop calls --- */

static void fail(struct vif *v, const char *why)
{
	if (why)
		device_fail(v->dev, "%s", why);
}

static void on_tx(void *ctx)
{
	struct queue *q = ctx;

	fail(q->vif, queue_tx(q));
}

static void on_rx(void *ctx)
{
	struct queue *q = ctx;

	fail(q->vif, queue_rx(q));
}

static void on_both(void *ctx)
{
	struct queue *q = ctx;
	struct vif *v = q->vif;
	const char *bad = queue_tx(q);

	if (!bad && !q->listening)	/* else it is not room that was missing */
		bad = queue_rx(q);
	fail(v, bad);
}

static void on_timer(void *unused)
{
	uint64_t times;

	armed = false;
	if (read(timer, &times, sizeof(times)) < 0)
		return;
	for (unsigned int i = 0; i < MAX_VIFS && vifs[i]; i++)
		for (unsigned int k = 0; k < vifs[i]->nr_queues; k++)
			queue_settle(&vifs[i]->queue[k]);
}

void settle_later(void)
{
	struct itimerspec t = { .it_value.tv_nsec = OWED_US * 1000 };

	if (armed)
		return;
	armed = true;
	timerfd_settime(timer, 0, &t, NULL);
}

static void on_control(void *ctx)
{
	fail(ctx, control_run(ctx));
}

void queue_listen(struct queue *q, bool on)
{
	if (on == q->listening)
		return;
	q->listening = on;
	if (!on)
		loop_remove(q->tap);
	else if (loop_add(q->tap, on_rx, q))
		q->listening = false;
}

/* Before the loop waits. */
static bool vif_before(void)
{
	bool more = false;

	for (unsigned int i = 0; i < MAX_VIFS && vifs[i]; i++) {
		struct vif *v = vifs[i];
		const char *bad = NULL;

		for (unsigned int k = 0; k < v->nr_queues && !bad; k++)
			if (v->queue[k].more) {
				v->queue[k].more = false;
				bad = queue_tx(&v->queue[k]);
			}
		if (bad)
			fail(v, bad);
		else
			more |= queues_flush(v);
	}
	return more;
}

/* --- connecting --- */

static int64_t key(const struct device *d, const char *prefix, const char *name, uint32_t max)
{
	char path[64];

	snprintf(path, sizeof(path), "%s%s", prefix, name);
	return front_number(d, path, max);
}

static int connect_queue(struct vif *v, unsigned int i, const char *prefix, bool again)
{
	struct queue *q = &v->queue[i];
	struct device *d = v->dev;
	int64_t tx = key(d, prefix, "tx-ring-ref", UINT32_MAX), rx = key(d, prefix, "rx-ring-ref", UINT32_MAX);
	int64_t txp = key(d, prefix, "event-channel-tx", UINT32_MAX), one = key(d, prefix, "event-channel", UINT32_MAX);
	int64_t rxp = key(d, prefix, "event-channel-rx", UINT32_MAX);
	uint32_t refs[2] = { (uint32_t)tx, (uint32_t)rx };

	q->vif = v;
	q->tap = v->taps[i];
	q->saved = &v->saved->queue[i];
	q->held = q->owed = 0;
	q->listening = q->large = q->tell_rx = q->tell_tx = false;
	v->nr_queues = i + 1;
	if (tx < 0 || rx < 0 || (one < 0 && (txp < 0 || rxp < 0)))
		return device_error(d, "queue %u: the rings' references or channels are missing", i);
	q->tx_page = grants_map(1, &refs[0]);
	q->rx_page = grants_map(1, &refs[1]);
	if (!q->tx_page || !q->rx_page)
		return device_error(d, "queue %u: the rings cannot be mapped: %s", i, strerror(errno));
	if (!tx_init(&q->tx, q->tx_page, &q->saved->tx, again, &q->tell_tx) ||
	    !rx_init(&q->rx, q->rx_page, &q->saved->rx, again, &q->tell_rx))
		return device_error(d, "queue %u: the rings' indices are impossible", i);
	if (!again)
		q->saved->pool.nr = 0;
	q->pool = q->saved->pool.nr ? pool_new(&q->saved->pool) : NULL;
	q->tx_channel = one >= 0 ? channel_bind((uint32_t)one, on_both, q) : channel_bind((uint32_t)txp, on_tx, q);
	q->rx_channel = one >= 0 ? q->tx_channel : channel_bind((uint32_t)rxp, on_rx, q);
	if (!q->tx_channel || !q->rx_channel)
		return device_error(d, "queue %u: its channels cannot be bound: %s", i, strerror(errno));
	if (!again)
		tap_drain(q->tap);
	q->tell_tx = q->tell_rx = q->more = true;	/* whatever was lost on the way: look */
	queue_listen(q, true);
	return 0;
}

static int connect_control(struct vif *v)
{
	int64_t ref = front_number(v->dev, "ctrl-ring-ref", UINT32_MAX);
	int64_t port = front_number(v->dev, "event-channel-ctrl", UINT32_MAX);
	uint32_t r = (uint32_t)ref;
	const char *bad;

	if (ref < 0 || port < 0)
		return 0;
	v->ctrl = grants_map(1, &r);
	v->ctrl_channel = v->ctrl ? channel_bind((uint32_t)port, on_control, v) : NULL;
	if (!v->ctrl_channel)
		return device_error(v->dev, "the control ring cannot be mapped: %s", strerror(errno));
	v->ctrl_cons = v->ctrl->rsp_prod;
	bad = control_run(v);
	return bad ? device_error(v->dev, "%s", bad) : 0;
}

static void multicast(struct vif *v, bool again)
{
	if (!again)
		v->saved->nr_multicast = 0;
	v->filter.nr = v->saved->nr_multicast <= MAX_MULTICAST ? v->saved->nr_multicast : 0;
	memcpy(v->filter.mac, v->saved->multicast, sizeof(v->filter.mac));
	v->filter.on = front_number(v->dev, "request-multicast-control", 1) == 1;
}

static int vif_connect(struct device *d, bool again)
{
	static bool listening;
	struct vif *v = d->priv;
	int64_t n = front_number(d, "multi-queue-num-queues", MAX_QUEUES);
	char prefix[16] = "";

	if (front_number(d, "request-rx-copy", 1) != 1)
		return device_error(d, "the frontend does not take copies (request-rx-copy)");
	if (n == -2 || !n)
		return device_error(d, "multi-queue-num-queues is not from 1 to %u", MAX_QUEUES);
	v->sg = front_number(d, "feature-sg", 1) == 1;
	v->csum4 = front_number(d, "feature-no-csum-offload", 1) != 1;
	v->csum6 = front_number(d, "feature-ipv6-csum-offload", 1) == 1;
	v->gso4 = v->sg && v->csum4 && front_number(d, "feature-gso-tcpv4", 1) == 1;
	v->gso6 = v->sg && v->csum6 && front_number(d, "feature-gso-tcpv6", 1) == 1;
	if (!listening && loop_add(timer, on_timer, NULL))
		return device_error(d, "no timer: %s", strerror(errno));
	listening = true;
	multicast(v, again);
	read_rate(v);
	for (unsigned int i = 0; i < (n < 1 ? 1 : (unsigned int)n); i++) {
		if (n > 1)
			snprintf(prefix, sizeof(prefix), "queue-%u/", i);
		if (connect_queue(v, i, prefix, again))
			return -1;
	}
	tap_use(v->taps, v->nr_queues);
	if (tap_offloads(v->taps[0], v->csum4 || v->csum6, v->gso4, v->gso6))
		return device_error(d, "the tap device refused the offloads: %s", strerror(errno));
	if (connect_control(v))
		return -1;
	back_write(d, "carrier", "1");
	device_say(d, "%s: %u queues%s%s", again ? "connected again" : "connected", v->nr_queues,
		   v->gso4 ? ", GSO" : "", v->ctrl ? ", control ring" : "");
	return 0;
}

static void vif_disconnect(struct device *d)
{
	struct vif *v = d->priv;

	for (unsigned int i = 0; i < v->nr_queues; i++) {
		struct queue *q = &v->queue[i];

		queue_listen(q, false);
		loop_cancel(q);
		if (q->rx_channel != q->tx_channel)
			channel_unbind(q->rx_channel);
		channel_unbind(q->tx_channel);
		pool_free(q->pool);
		if (q->tx_page)
			grants_unmap(q->tx_page, 1);
		if (q->rx_page)
			grants_unmap(q->rx_page, 1);
		q->tx_channel = q->rx_channel = NULL;
		q->tx_page = q->rx_page = q->pool = NULL;
		q->more = false;
	}
	v->nr_queues = 0;
	channel_unbind(v->ctrl_channel);
	if (v->ctrl)
		grants_unmap(v->ctrl, 1);
	v->ctrl = NULL;
	v->ctrl_channel = NULL;
}

static void vif_changed(struct device *d)
{
	struct vif *v = d->priv;

	read_rate(v);
	v->filter.on = front_number(d, "request-multicast-control", 1) == 1;
}

/*
 * Each switch between this process and the program at the other end is a hypercall or two, and packets come in bursts. A
 * batch process does not interrupt whom it is woken by: that one goes on until it waits or its slice is over. With more
 * than an even share it is not interrupted by each reader that it wakes either.
 */
static void share_processor(void)
{
	struct sched_param none = { 0 };

	if (sched_setscheduler(0, SCHED_BATCH, &none) || setpriority(PRIO_PROCESS, 0, NICE))
		perror("parapet-net: its scheduling");	/* it works without */
}

int main(int argc, char **argv)
{
	static const int syscalls[] = { SYS_timerfd_settime, -1 };
	static const struct backend net = {
		.kind = "pnet", .class = "vif", .open = vif_open, .offer = vif_offer, .connect = vif_connect,
		.disconnect = vif_disconnect, .changed = vif_changed, .before = vif_before, .syscalls = syscalls,
	};

	share_processor();
	timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	return backend_main(&net, argc, argv);
}
