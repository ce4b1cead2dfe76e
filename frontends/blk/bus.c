// SPDX-License-Identifier: GPL-2.0-only
/*
 * Job: the block frontend's talk with its backend through the store: rings are offered, the disk appears, changes its
 *	size, loses its backend and gets another, goes away.
 * Users: xenbus (probe, otherend_changed, resume, remove; one thread, but for remove), blk/linux.c.
 * State, locks, invariants: blk/front.h.
 *
 * A backend that closes with its directory's `online` at 1 is expected back: requests wait for it. With 0, or when the
 * device's directory is removed, the disk goes.
 * Tests: tests/drivers
 */
#include <linux/blkdev.h>
#include <linux/cpumask.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <xen/events.h>
#include <xen/platform_pci.h>
#include <xen/xen.h>

#include "front.h"

unsigned int blk_max_pages = 1056;	/* what Linux's backend keeps mapped */
module_param_named(max_pages, blk_max_pages, uint, 0444);
MODULE_PARM_DESC(max_pages, "pages that a queue may grant (default 1056)");
static unsigned int max_queues = 4;
module_param(max_queues, uint, 0444);
MODULE_PARM_DESC(max_queues, "queues of a disk (default 4, at most one for each CPU)");
static unsigned int max_order = 2;
module_param(max_order, uint, 0444);
MODULE_PARM_DESC(max_order, "a ring has at most 2^this pages (default 2)");
static unsigned int max_segs = BLKF_MAX_SEGS;
module_param(max_segs, uint, 0444);
MODULE_PARM_DESC(max_segs, "pages in a request (default 256)");

static u64 read_u64(struct xenbus_device *xb, const char *dir, const char *key, u64 missing)
{
	unsigned long long v;

	return xenbus_scanf(XBT_NIL, dir, key, "%llu", &v) == 1 ? v : missing;
}

static void read_offer(struct blk_dev *d, struct blkf_offer *o)
{
	const char *dir = d->xb->otherend;
	struct xenbus_device *xb = d->xb;

	o->sectors = read_u64(xb, dir, "sectors", 0);
	o->sector_size = read_u64(xb, dir, "sector-size", 512);
	o->physical = read_u64(xb, dir, "physical-sector-size", o->sector_size);
	o->info = read_u64(xb, dir, "info", 0);
	o->max_indirect = read_u64(xb, dir, "feature-max-indirect-segments", 0);
	o->flush = read_u64(xb, dir, "feature-flush-cache", 0);
	o->barrier = read_u64(xb, dir, "feature-barrier", 0);
	o->discard = read_u64(xb, dir, "feature-discard", 0);
	o->granularity = read_u64(xb, dir, "discard-granularity", 0);
	o->alignment = read_u64(xb, dir, "discard-alignment", 0);
	o->secure = read_u64(xb, dir, "discard-secure", 0);
	o->zeroes = read_u64(xb, dir, "feature-write-zeroes", 0);
	o->fua = read_u64(xb, dir, "feature-fua", 0);
}

/* ---- rings ---- */

/* Frees what exists of the rings. No request runs. */
static void rings_free(struct blk_dev *d)
{
	unsigned int i;

	blk_rings_stop(d);
	for (i = 0; i < d->nr_queues; i++) {
		struct blk_queue *q = &d->queue[i];

		fe_pool_drop(&q->pool);
		if (q->ring)
			xenbus_teardown_ring(&q->ring, 1u << d->order, q->ring_ref);
	}
	d->talking = false;
}

static int ring_make(struct blk_dev *d, struct blk_queue *q)
{
	int err;

	q->dev = d;
	spin_lock_init(&q->lock);
	fe_pool_init(&q->pool, d->xb->otherend_id, max(blk_max_pages, 16u));
	err = xenbus_setup_ring(d->xb, GFP_NOIO, &q->ring, 1u << d->order, q->ring_ref);
	if (err)
		return err;
	blkf_init(&q->core, q->ring, FE_PAGE << d->order, d->handle);
	err = xenbus_alloc_evtchn(d->xb, &q->port);
	if (err)
		return err;
	err = bind_evtchn_to_irqhandler_lateeoi(q->port, blk_interrupt, 0, "parapet-blkfront", q);
	if (err <= 0) {
		xenbus_free_evtchn(d->xb, q->port);
		return err ?: -EINVAL;
	}
	q->irq = err;		/* the port is closed with it */
	return 0;
}

/* The keys of one ring. NAME: its directory. */
static int ring_tell(struct xenbus_transaction t, struct blk_dev *d, struct blk_queue *q, const char *dir)
{
	unsigned int i;
	char key[16];
	int err;

	for (i = 0; i < 1u << d->order; i++) {
		if (d->order)
			snprintf(key, sizeof(key), "ring-ref%u", i);
		else
			strscpy(key, "ring-ref", sizeof(key));
		err = xenbus_printf(t, dir, key, "%u", q->ring_ref[i]);
		if (err)
			return err;
	}
	return xenbus_printf(t, dir, "event-channel", "%u", q->port);
}

static int tell(struct xenbus_transaction t, struct blk_dev *d, bool many)
{
	const char *node = d->xb->nodename;
	unsigned int i;
	char dir[96];
	int err = 0;

	if (many)
		err = xenbus_printf(t, node, "multi-queue-num-queues", "%u", d->nr_queues);
	if (!err && d->order)
		err = xenbus_printf(t, node, "ring-page-order", "%u", d->order);
	for (i = 0; i < d->nr_queues && !err; i++) {
		if (d->nr_queues > 1)
			snprintf(dir, sizeof(dir), "%s/queue-%u", node, i);
		else
			strscpy(dir, node, sizeof(dir));
		err = ring_tell(t, d, &d->queue[i], dir);
	}
	if (!err)
		err = xenbus_printf(t, node, "protocol", "%s", "x86_64-abi");
	if (!err)
		err = xenbus_printf(t, node, "feature-persistent", "%u", 1);
	return err;
}

/* Makes rings as the backend takes them and writes them to the store. */
static int talk(struct blk_dev *d)
{
	const char *dir = d->xb->otherend;
	unsigned int queues = xenbus_read_unsigned(dir, "multi-queue-max-queues", 0);
	struct xenbus_transaction t;
	unsigned int i;
	int err;

	d->order = min3(xenbus_read_unsigned(dir, "max-ring-page-order", 0), max_order, BLK_MAX_ORDER);
	d->nr_queues = clamp(min3(queues, max_queues, num_online_cpus()), 1u, BLK_MAX_QUEUES);
	d->no_flush = false;
	d->talking = true;
	memset(d->queue, 0, BLK_MAX_QUEUES * sizeof(*d->queue));
	for (i = 0; i < d->nr_queues; i++) {
		err = ring_make(d, &d->queue[i]);
		if (err) {
			d->nr_queues = i + 1;
			goto out;
		}
	}
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

/* ---- the disk ---- */

static void fail(struct blk_dev *d, int err, const char *why)
{
	mutex_lock(&d->mutex);
	d->gone = true;
	if (d->talking)
		rings_free(d);
	mutex_unlock(&d->mutex);
	xenbus_dev_fatal(d->xb, err, "%s", why);
}

/* The backend has our rings. */
static void connect(struct blk_dev *d)
{
	struct blkf_offer o;
	struct blkf_deal deal;
	const char *why;
	bool first = !d->disk;
	int err = 0;

	read_offer(d, &o);
	if (!blkf_decide(&o, max_segs, &deal, &why)) {
		fail(d, -EINVAL, why);
		return;
	}
	if (!first && deal.sector_size > queue_logical_block_size(d->disk->queue)) {
		fail(d, -EINVAL, "the new backend has larger sectors");
		return;
	}
	mutex_lock(&d->mutex);
	d->deal = deal;
	if (first)
		err = blk_disk_make(d);
	if (!err) {
		if (!first && set_capacity_and_notify(d->disk, deal.sectors))
			dev_info(&d->xb->dev, "%s has %llu sectors now\n", d->disk->disk_name, deal.sectors);
		xenbus_switch_state(d->xb, XenbusStateConnected);
		blk_rings_start(d);
	}
	mutex_unlock(&d->mutex);
	if (!err && first) {
		dev_info(&d->xb->dev, "%s: %llu sectors, %u queues of %u, requests up to %u KiB%s%s%s\n",
			 d->disk->disk_name, deal.sectors, d->nr_queues, d->queue[0].core.nr, deal.segs * 4,
			 deal.flush_op ? ", flush" : "", deal.discard ? ", discard" : "",
			 deal.readonly ? ", read-only" : "");
		err = blk_disk_show(d);
	}
	if (err)
		fail(d, err, "making the disk");
}

/* A connected backend wrote its state again: its size may be another one. */
static void look_again(struct blk_dev *d)
{
	struct blkf_offer o;
	struct blkf_deal deal;
	const char *why;

	read_offer(d, &o);
	if (!blkf_decide(&o, max_segs, &deal, &why)) {
		dev_warn(&d->xb->dev, "%s: ignored\n", why);
		return;
	}
	if (set_capacity_and_notify(d->disk, deal.sectors))
		dev_info(&d->xb->dev, "%s has %llu sectors now\n", d->disk->disk_name, deal.sectors);
}

/* The backend went; what is unanswered waits for the next one. */
static void disconnect(struct blk_dev *d)
{
	mutex_lock(&d->mutex);
	if (d->talking) {
		dev_info(&d->xb->dev, "no backend; requests wait\n");
		rings_free(d);
	}
	mutex_unlock(&d->mutex);
}

/* The disk goes for good. */
static void finish(struct blk_dev *d)
{
	mutex_lock(&d->mutex);
	d->closing = true;
	if (d->disk && disk_openers(d->disk) && !d->gone) {
		mutex_unlock(&d->mutex);
		dev_info(&d->xb->dev, "%s is to be removed and is in use: not yet\n", d->disk->disk_name);
		return;
	}
	d->gone = true;
	if (d->talking)
		rings_free(d);
	mutex_unlock(&d->mutex);
	if (d->disk)
		blk_disk_end(d);
	xenbus_frontend_closed(d->xb);
}

static void close_work(struct work_struct *w)
{
	finish(container_of(w, struct blk_dev, close_work));
}

void blk_unused(struct blk_dev *d)
{
	if (READ_ONCE(d->closing) && !READ_ONCE(d->gone))
		schedule_work(&d->close_work);
}

static void dead_work(struct work_struct *w)
{
	struct blk_dev *d = container_of(w, struct blk_dev, dead_work);
	const char *why = "the ring is broken";
	unsigned int i;

	for (i = 0; i < d->nr_queues; i++)
		why = d->queue[i].core.why ?: why;
	fail(d, -EPROTO, why);
}

/* ---- xenbus ---- */

static void backend_changed(struct xenbus_device *xb, enum xenbus_state state)
{
	struct blk_dev *d = dev_get_drvdata(&xb->dev);
	bool online = xenbus_read_unsigned(xb->otherend, "online", 0);

	if (d->gone && state != XenbusStateClosing && state != XenbusStateClosed)
		return;
	switch (state) {
	case XenbusStateInitWait:
		if (d->talking && xb->state == XenbusStateInitialised)
			break;		/* it has not looked yet */
		disconnect(d);
		if (!d->closing && !talk(d))
			xenbus_switch_state(xb, XenbusStateInitialised);
		break;
	case XenbusStateConnected:
		if (xb->state == XenbusStateConnected && d->talking)
			look_again(d);
		else if (d->talking && !d->up)
			connect(d);
		break;
	case XenbusStateClosing:
	case XenbusStateClosed:
		if (!online || d->gone || !d->disk) {
			if (xb->state != XenbusStateClosed)
				finish(d);
			break;
		}
		disconnect(d);
		/* Closed lets the backend go, Initialising asks for the next one. */
		xenbus_switch_state(xb, state == XenbusStateClosing ? XenbusStateClosed : XenbusStateInitialising);
		break;
	default:
		break;
	}
}

static int probe(struct xenbus_device *xb, const struct xenbus_device_id *id)
{
	struct blk_dev *d = kzalloc(sizeof(*d), GFP_KERNEL);
	const char *slash = strrchr(xb->nodename, '/');

	if (!d)
		return -ENOMEM;
	d->queue = kvcalloc(BLK_MAX_QUEUES, sizeof(*d->queue), GFP_KERNEL);
	if (!d->queue) {
		kfree(d);
		return -ENOMEM;
	}
	d->xb = xb;
	d->nr_queues = 1;
	d->handle = slash ? simple_strtoul(slash + 1, NULL, 0) : 0;
	mutex_init(&d->mutex);
	INIT_WORK(&d->dead_work, dead_work);
	INIT_WORK(&d->close_work, close_work);
	dev_set_drvdata(&xb->dev, d);
	xenbus_switch_state(xb, XenbusStateInitialising);
	return 0;
}

static void remove(struct xenbus_device *xb)
{
	struct blk_dev *d = dev_get_drvdata(&xb->dev);

	mutex_lock(&d->mutex);
	d->gone = true;
	if (d->talking)
		rings_free(d);
	mutex_unlock(&d->mutex);
	cancel_work_sync(&d->dead_work);
	cancel_work_sync(&d->close_work);
	if (d->disk) {
		blk_disk_end(d);
		put_disk(d->disk);	/* D is freed when the last one closes it */
		return;
	}
	kvfree(d->queue);
	kfree(d);
}

/* After a migration or a restore: grants and event channels are those of a machine that is gone. */
static int resume(struct xenbus_device *xb)
{
	struct blk_dev *d = dev_get_drvdata(&xb->dev);

	mutex_lock(&d->mutex);
	if (d->talking)
		rings_free(d);
	mutex_unlock(&d->mutex);
	return 0;		/* the new backend's InitWait does the rest */
}

static int is_ready(struct xenbus_device *xb)
{
	struct blk_dev *d = dev_get_drvdata(&xb->dev);

	return d->up || d->gone;
}

static const struct xenbus_device_id ids[] = { { "vbd" }, { "" } };
MODULE_ALIAS("xen:vbd");

static struct xenbus_driver driver = {
	.name = "parapet-blkfront",
	.ids = ids,
	.probe = probe,
	.remove = remove,
	.resume = resume,
	.otherend_changed = backend_changed,
	.is_ready = is_ready,
};

static int __init blkfront_init(void)
{
	if (!xen_domain() || !xen_has_pv_disk_devices())
		return -ENODEV;
	return xenbus_register_frontend(&driver);
}

static void __exit blkfront_exit(void)
{
	xenbus_unregister_driver(&driver);
}

module_init(blkfront_init);
module_exit(blkfront_exit);
MODULE_DESCRIPTION("Block frontend of Parapet");
MODULE_LICENSE("GPL");
