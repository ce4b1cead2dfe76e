// SPDX-License-Identifier: GPL-2.0-only
/*
 * Job: the block frontend's requests: from Linux's block layer to the ring and back.
 * Users: the block layer (queue_rq, commit_rqs, complete_rq), event channels (blk_interrupt), blk/bus.c.
 * State, locks, invariants: blk/front.h.
 *
 * All data passes through the pool's pages (common/pool.h): copied on the way out before the request is shown to the
 * backend, on the way in after its answer. Data is packed: whole pages but for the last.
 * Tests: tests/drivers
 */
#include <linux/blkdev.h>
#include <linux/delay.h>
#include <linux/highmem.h>
#include <linux/interrupt.h>
#include <linux/version.h>
#include <xen/events.h>

#include "front.h"

#define AT_ONCE	65536u	/* bytes that an interrupt copies itself */

/* What a request carries; it lies behind struct request. */
struct blk_pdu {
	struct fe_page *pages;		/* in the order of the data */
	struct fe_page *indirect;	/* the page with their segments, when there are many */
	struct request *next;		/* of those an interrupt has collected */
	unsigned int done, size;	/* F3 */
	blk_status_t status;
};

static struct blk_queue *queue_of(struct blk_dev *d, struct blk_mq_hw_ctx *hctx)
{
	return &d->queue[hctx->queue_num % d->nr_queues];
}

static void notify(struct blk_queue *q)
{
	notify_remote_via_evtchn(q->port);
}

/*
 * Data is mostly whole sectors in aligned pages. For these the string instruction is never slower than Linux's
 * memcpy(), which without fast short strings is a loop over registers.
 */
static void move(void *to, const void *from, size_t n)
{
	if (n & 7) {
		memcpy(to, from, n);
		return;
	}
	n /= 8;
	asm volatile("rep movsq" : "+D" (to), "+S" (from), "+c" (n) : : "memory");
}

/* Copies N bytes at VA to (OUT) or from the pages *G, from byte *AT of the first on; both move along. */
static void copy_piece(u8 *va, unsigned int n, struct fe_page **g, unsigned int *at, bool out)
{
	while (n) {
		unsigned int k = min(n, FE_PAGE - *at);
		u8 *page = (*g)->va + *at;

		move(out ? page : va, out ? va : page, k);
		va += k;
		n -= k;
		*at += k;
		if (*at == FE_PAGE) {
			*at = 0;
			*g = (*g)->next;
		}
	}
}

/*
 * Copies between the request's data, from what is done on, and its pages. The vectors are walked by hand, which costs a
 * quarter of the block layer's iterators; on x86-64 they all have addresses.
 */
static void copy(struct request *rq, struct blk_pdu *p, bool out)
{
	unsigned int skip = p->done, left = p->size, at = 0;
	struct fe_page *g = p->pages;
	struct bio *bio;

	__rq_for_each_bio(bio, rq) {
		const struct bio_vec *bv = bio->bi_io_vec + bio->bi_iter.bi_idx;
		unsigned int off = bio->bi_iter.bi_bvec_done, bytes = bio->bi_iter.bi_size;

		for (; bytes; bv++, off = 0) {
			unsigned int n = min(bv->bv_len - off, bytes), pass = min(n, skip);

			bytes -= n;
			if (n == FE_PAGE && !at && !skip && left >= n) {	/* nearly always */
				u8 *va = bvec_virt((struct bio_vec *)bv) + off;

				move(out ? g->va : va, out ? va : g->va, FE_PAGE);
				g = g->next;
				left -= n;
				if (!left)
					return;
				continue;
			}
			skip -= pass;
			n = min(n - pass, left);
			copy_piece(bvec_virt((struct bio_vec *)bv) + off + pass, n, &g, &at, out);
			left -= n;
			if (!left)
				return;
		}
	}
}

static void put_pages(struct blk_queue *q, struct blk_pdu *p)
{
	fe_pool_put(&q->pool, p->pages);
	if (p->indirect)
		fe_pool_put(&q->pool, p->indirect);
	p->pages = p->indirect = NULL;
}

/* Sets P's piece and takes pages for it. Fewer than wished for only when no other request will give some back. */
static bool get_pages(struct blk_queue *q, struct request *rq, struct blk_pdu *p)
{
	unsigned int want, got = 0;
	struct fe_page **end = &p->pages;

	p->size = min(blk_rq_bytes(rq) - p->done, q->dev->deal.segs * FE_PAGE);
	want = DIV_ROUND_UP(p->size, FE_PAGE);
	if (want > BLKF_DIRECT_SEGS) {
		p->indirect = fe_pool_get(&q->pool);
		if (!p->indirect)
			want = BLKF_DIRECT_SEGS;
	}
	while (got < want && (*end = fe_pool_get(&q->pool))) {
		end = &(*end)->next;
		got++;
	}
	if (got < DIV_ROUND_UP(p->size, FE_PAGE) && (q->active || !got)) {
		put_pages(q, p);
		return false;
	}
	if (got <= BLKF_DIRECT_SEGS && p->indirect) {
		fe_pool_put(&q->pool, p->indirect);
		p->indirect = NULL;
	}
	p->size = min(p->size, got * FE_PAGE);
	return true;
}

/* Writes the piece to the ring. Queue locked. */
static bool put_data(struct blk_queue *q, struct request *rq, struct blk_pdu *p)
{
	struct blkf_seg *seg = p->indirect ? p->indirect->va : q->few;
	unsigned int left = p->size, n = 0;
	struct fe_page *g;
	u8 op = BLKF_READ;

	for (g = p->pages; g; g = g->next, n++) {
		unsigned int bytes = min(left, FE_PAGE);

		seg[n] = (struct blkf_seg){ .gref = g->ref, .last = bytes / 512 - 1 };
		left -= bytes;
	}
	if (rq_data_dir(rq) == WRITE)
		op = (rq->cmd_flags & REQ_FUA) && q->dev->deal.fua ? BLKF_WRITE_FUA : BLKF_WRITE;
	return blkf_rw(&q->core, op, blk_rq_pos(rq) + p->done / 512, seg, n, p->indirect ? p->indirect->ref : 0, rq);
}

/* No room: the block layer tries again when a request of this queue has ended. Queue locked. */
static blk_status_t wait_for_room(struct blk_queue *q, struct blk_mq_hw_ctx *hctx)
{
	if (!q->active)
		return BLK_STS_RESOURCE;
	q->stopped = true;
	blk_mq_stop_hw_queue(hctx);
	return BLK_STS_DEV_RESOURCE;
}

/* Reads and writes; the lock is dropped while data is copied. */
static bool queue_data(struct blk_queue *q, struct request *rq, struct blk_pdu *p, unsigned long *flags)
{
	if (!get_pages(q, rq, p))
		return false;
	q->active++;
	if (rq_data_dir(rq) == WRITE) {
		spin_unlock_irqrestore(&q->lock, *flags);
		copy(rq, p, true);
		spin_lock_irqsave(&q->lock, *flags);
	}
	if (put_data(q, rq, p))
		return true;
	put_pages(q, p);
	q->active--;
	return false;
}

static bool queue_range(struct blk_queue *q, struct request *rq, u8 op)
{
	struct blkf_deal *deal = &q->dev->deal;
	bool secure = req_op(rq) == REQ_OP_SECURE_ERASE && deal->secure;

	if (!blkf_range(&q->core, op, blk_rq_pos(rq), blk_rq_sectors(rq), secure, rq))
		return false;
	q->active++;
	return true;
}

static blk_status_t queue_rq(struct blk_mq_hw_ctx *hctx, const struct blk_mq_queue_data *bd)
{
	struct request *rq = bd->rq;
	struct blk_pdu *p = blk_mq_rq_to_pdu(rq);
	struct blk_dev *d = hctx->queue->queuedata;
	struct blk_queue *q = queue_of(d, hctx);
	unsigned long flags;
	bool ok = false, wake;

	if (!(rq->rq_flags & RQF_DONTPREP))	/* else its next piece */
		p->done = 0;
	p->pages = p->indirect = NULL;
	p->size = 0;
	p->status = BLK_STS_OK;
	if (d->gone)
		return BLK_STS_IOERR;
	blk_mq_start_request(rq);
	spin_lock_irqsave(&q->lock, flags);
	switch (req_op(rq)) {
	case REQ_OP_READ:
	case REQ_OP_WRITE:
		ok = queue_data(q, rq, p, &flags);
		break;
	case REQ_OP_FLUSH:
		if (!d->deal.flush_op || d->no_flush) {
			spin_unlock_irqrestore(&q->lock, flags);
			blk_mq_end_request(rq, BLK_STS_OK);
			return BLK_STS_OK;
		}
		ok = blkf_flush(&q->core, d->deal.flush_op, rq);
		q->active += ok;
		break;
	case REQ_OP_DISCARD:
	case REQ_OP_SECURE_ERASE:
		if (!d->deal.discard)
			goto unsupported;
		ok = queue_range(q, rq, BLKF_DISCARD);
		break;
	case REQ_OP_WRITE_ZEROES:
		if (!d->deal.zeroes)
			goto unsupported;
		ok = queue_range(q, rq, BLKF_ZEROES);
		break;
	default:
		goto unsupported;
	}
	if (!ok) {
		blk_status_t s = q->core.why ? BLK_STS_IOERR : wait_for_room(q, hctx);

		wake = blkf_push(&q->core);	/* what was batched before */
		spin_unlock_irqrestore(&q->lock, flags);
		if (wake)
			notify(q);
		return s;
	}
	wake = bd->last && blkf_push(&q->core);
	spin_unlock_irqrestore(&q->lock, flags);
	if (wake)
		notify(q);
	return BLK_STS_OK;
unsupported:
	spin_unlock_irqrestore(&q->lock, flags);
	return BLK_STS_NOTSUPP;
}

static void commit_rqs(struct blk_mq_hw_ctx *hctx)
{
	struct blk_queue *q = queue_of(hctx->queue->queuedata, hctx);
	unsigned long flags;
	bool wake;

	spin_lock_irqsave(&q->lock, flags);
	wake = blkf_push(&q->core);
	spin_unlock_irqrestore(&q->lock, flags);
	if (wake)
		notify(q);
}

/* What the requests of LIST (by blk_pdu.next) held is free again, and who waited for it goes on. Without the lock. */
static void let_go(struct blk_queue *q, struct request *list)
{
	struct request *rq;
	unsigned long flags;
	struct blk_pdu *p;
	bool start;

	spin_lock_irqsave(&q->lock, flags);
	for (rq = list; rq; rq = p->next) {
		p = blk_mq_rq_to_pdu(rq);
		put_pages(q, p);
		q->active--;
	}
	start = q->stopped;
	q->stopped = false;
	spin_unlock_irqrestore(&q->lock, flags);
	if (start)
		blk_mq_start_stopped_hw_queues(list->q, true);
}

/* The end of a request, or of a piece of it: data in, pages back. Any context. */
static void complete_rq(struct request *rq)
{
	struct blk_pdu *p = blk_mq_rq_to_pdu(rq);
	struct blk_dev *d = rq->q->queuedata;

	if (p->status == BLK_STS_OK && p->size && rq_data_dir(rq) == READ)
		copy(rq, p, false);
	p->next = NULL;
	let_go(queue_of(d, rq->mq_hctx), rq);
	if (p->status == BLK_STS_OK && p->size && p->done + p->size < blk_rq_bytes(rq)) {
		p->done += p->size;
		rq->rq_flags |= RQF_DONTPREP;
		blk_mq_requeue_request(rq, true);
		return;
	}
	blk_mq_end_request(rq, p->status);
}

/* What an answer says of its request. Queue locked. */
static blk_status_t verdict(struct blk_queue *q, const struct blkf_done *done)
{
	if (done->status == BLKF_OK)
		return BLK_STS_OK;
	if (done->status != BLKF_UNSUPPORTED)
		return BLK_STS_IOERR;
	if (done->op == BLKF_FLUSH || done->op == BLKF_BARRIER) {
		if (!q->dev->no_flush)
			dev_warn(&q->dev->xb->dev, "the backend offered to flush and cannot; none from now on\n");
		q->dev->no_flush = true;
		return BLK_STS_OK;
	}
	return BLK_STS_NOTSUPP;
}

/*
 * Ends what was answered: whole requests here and together, up to AT_ONCE bytes to be copied; the block layer calls
 * complete_rq() for the others. Without the lock.
 */
static void finish(struct blk_queue *q, struct request *list)
{
	struct request *rq, *next, *whole = NULL;
	unsigned int room = AT_ONCE;
	DEFINE_IO_COMP_BATCH(iob);
	struct blk_pdu *p;

	for (rq = list; rq; rq = next) {
		p = blk_mq_rq_to_pdu(rq);
		next = p->next;
		if (p->status != BLK_STS_OK || p->size > room || p->done + p->size < blk_rq_bytes(rq)) {
			blk_mq_complete_request(rq);
			continue;
		}
		room -= p->size;
		if (p->size && rq_data_dir(rq) == READ)
			copy(rq, p, false);
		p->next = whole;
		whole = rq;
	}
	if (!whole)
		return;
	let_go(q, whole);
	for (rq = whole; rq; rq = next) {
		next = ((struct blk_pdu *)blk_mq_rq_to_pdu(rq))->next;
		if (!blk_mq_add_to_batch(rq, &iob, 0, blk_mq_end_request_batch))
			blk_mq_end_request(rq, BLK_STS_OK);
	}
	if (iob.complete)
		iob.complete(&iob);
}

irqreturn_t blk_interrupt(int irq, void *queue)
{
	struct blk_queue *q = queue;
	unsigned int eoi = XEN_EOI_FLAG_SPURIOUS;
	struct request *list = NULL, **end = &list;
	struct blkf_done done;
	unsigned long flags;
	int n;

	spin_lock_irqsave(&q->lock, flags);
	do {
		while ((n = blkf_take(&q->core, &done)) > 0) {
			struct blk_pdu *p = blk_mq_rq_to_pdu((struct request *)done.cookie);

			p->status = verdict(q, &done);
			p->next = NULL;
			*end = done.cookie;
			end = &p->next;
			eoi = 0;
		}
	} while (!n && blkf_sleep(&q->core));
	if (n < 0 && !q->dev->gone)
		schedule_work(&q->dev->dead_work);
	spin_unlock_irqrestore(&q->lock, flags);
	finish(q, list);
	xen_irq_lateeoi(irq, eoi);
	return IRQ_HANDLED;
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
static void release(struct gendisk *disk)
#else
static void release(struct gendisk *disk, fmode_t mode)
#endif
{
	if (!disk_openers(disk))
		blk_unused(disk->private_data);
}

static void free_disk(struct gendisk *disk)
{
	struct blk_dev *d = disk->private_data;

	kvfree(d->queue);
	kfree(d);
}

static const struct block_device_operations disk_ops = {
	.owner = THIS_MODULE,
	.release = release,
	.free_disk = free_disk,
};

static const struct blk_mq_ops queue_ops = {
	.queue_rq = queue_rq,
	.commit_rqs = commit_rqs,
	.complete = complete_rq,
};

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
static struct gendisk *alloc_disk(struct blk_dev *d)
{
	struct blkf_deal *deal = &d->deal;
	struct queue_limits lim = {
		.logical_block_size = deal->sector_size,
		.physical_block_size = deal->physical,
		.max_hw_sectors = BLKF_MAX_SEGS * BLKF_SEG_SECTORS,
		.max_segments = USHRT_MAX,
		.max_segment_size = UINT_MAX,
		.features = BLK_FEAT_WRITE_CACHE | (deal->fua ? BLK_FEAT_FUA : 0),
	};

	if (deal->discard) {
		lim.max_hw_discard_sectors = UINT_MAX >> 9;
		lim.discard_granularity = deal->granularity;
		lim.discard_alignment = deal->alignment;
		lim.max_secure_erase_sectors = deal->secure ? UINT_MAX >> 9 : 0;
	}
	if (deal->zeroes)
		lim.max_write_zeroes_sectors = UINT_MAX >> 9;
	return blk_mq_alloc_disk(&d->tags, &lim, d);
}
#else
static struct gendisk *alloc_disk(struct blk_dev *d)
{
	struct gendisk *disk = blk_mq_alloc_disk(&d->tags, d);
	struct blkf_deal *deal = &d->deal;
	struct request_queue *q;

	if (IS_ERR(disk))
		return disk;
	q = disk->queue;
	blk_queue_flag_set(QUEUE_FLAG_NONROT, q);
	blk_queue_logical_block_size(q, deal->sector_size);
	blk_queue_physical_block_size(q, deal->physical);
	blk_queue_max_hw_sectors(q, BLKF_MAX_SEGS * BLKF_SEG_SECTORS);
	blk_queue_max_segments(q, USHRT_MAX);
	blk_queue_max_segment_size(q, UINT_MAX);
	blk_queue_write_cache(q, true, deal->fua);
	if (deal->discard) {
		blk_queue_max_discard_sectors(q, UINT_MAX >> 9);
		q->limits.discard_granularity = deal->granularity;
		q->limits.discard_alignment = deal->alignment;
		if (deal->secure)
			blk_queue_max_secure_erase_sectors(q, UINT_MAX >> 9);
	}
	if (deal->zeroes)
		blk_queue_max_write_zeroes_sectors(q, UINT_MAX >> 9);
	return disk;
}
#endif

/* xvda, ..., xvdz, xvdaa, ... */
static void name_disk(char *name, size_t size, unsigned int n)
{
	char buf[8];
	int i = sizeof(buf);

	buf[--i] = 0;
	for (n++; n && i; n = (n - 1) / 26)
		buf[--i] = 'a' + (n - 1) % 26;
	snprintf(name, size, "xvd%s", buf + i);
}

/* The disk's place among xvda, xvdb, ... and its partition, of a virtual-device number (vbd-interface). */
static void place(unsigned int number, unsigned int *disk, unsigned int *part)
{
	if (number & 1u << 28) {	/* extended: 256 partitions each */
		*disk = (number & ~(1u << 28)) >> 8;
		*part = number & 255;
	} else if (number >> 8 == 3 || number >> 8 == 22) {	/* what an IDE disk was called */
		*disk = (number >> 8 == 22 ? 2 : 0) + ((number & 255) >> 6);
		*part = number & 63;
	} else {			/* xvd, sd: 16 partitions each */
		*disk = (number & 255) >> 4;
		*part = number & 15;
	}
}

static void quiesce(struct blk_dev *d)
{
	if (d->disk && !d->quiet)
		blk_mq_quiesce_queue(d->disk->queue);
	d->quiet = d->disk;
}

static void unquiesce(struct blk_dev *d)
{
	if (d->quiet)
		blk_mq_unquiesce_queue(d->disk->queue);
	d->quiet = false;
}

int blk_disk_make(struct blk_dev *d)
{
	unsigned int number = xenbus_read_unsigned(d->xb->nodename, "virtual-device", 51712), disk, part;
	char name[DISK_NAME_LEN - 4];
	int err;

	d->tags = (struct blk_mq_tag_set){
		.ops = &queue_ops,
		.nr_hw_queues = d->nr_queues,
		.queue_depth = min_t(unsigned int, d->queue[0].core.nr, 128),
		.numa_node = NUMA_NO_NODE,
		.cmd_size = sizeof(struct blk_pdu),
		/* The order is the business of the one who has the disk. */
		.flags = BLK_MQ_F_SHOULD_MERGE | BLK_MQ_F_NO_SCHED_BY_DEFAULT,
		.driver_data = d,
	};
	err = blk_mq_alloc_tag_set(&d->tags);
	if (err)
		return err;
	d->disk = alloc_disk(d);
	if (IS_ERR(d->disk)) {
		err = PTR_ERR(d->disk);
		d->disk = NULL;
		blk_mq_free_tag_set(&d->tags);
		return err;
	}
	place(number, &disk, &part);
	name_disk(name, sizeof(name), disk);
	if (part)
		snprintf(d->disk->disk_name, DISK_NAME_LEN, "%s%u", name, part);
	else
		strscpy(d->disk->disk_name, name, DISK_NAME_LEN);
	d->disk->fops = &disk_ops;
	d->disk->private_data = d;
	if (d->deal.removable)
		d->disk->flags |= GENHD_FL_REMOVABLE;
	set_capacity(d->disk, d->deal.sectors);
	set_disk_ro(d->disk, d->deal.readonly);
	quiesce(d);
	return 0;
}

int blk_disk_show(struct blk_dev *d)
{
	int err = device_add_disk(&d->xb->dev, d->disk, NULL);

	d->shown = !err;
	return err;
}

void blk_rings_start(struct blk_dev *d)
{
	d->up = true;
	unquiesce(d);
	blk_mq_kick_requeue_list(d->disk->queue);
	blk_mq_start_stopped_hw_queues(d->disk->queue, true);
}

/* What Q has not answered is made undone: it waits for another backend, or fails. */
static void forget(struct blk_dev *d, struct blk_queue *q)
{
	struct request *rq;
	unsigned long flags;

	for (;;) {
		spin_lock_irqsave(&q->lock, flags);
		rq = blkf_forget(&q->core);
		if (rq && !d->gone) {
			put_pages(q, blk_mq_rq_to_pdu(rq));
			q->active--;
		}
		spin_unlock_irqrestore(&q->lock, flags);
		if (!rq)
			return;
		if (d->gone) {
			((struct blk_pdu *)blk_mq_rq_to_pdu(rq))->status = BLK_STS_IOERR;
			blk_mq_complete_request(rq);
		} else {
			blk_mq_requeue_request(rq, false);
		}
	}
}

void blk_rings_stop(struct blk_dev *d)
{
	unsigned int i;

	quiesce(d);
	for (i = 0; i < d->nr_queues; i++) {
		struct blk_queue *q = &d->queue[i];

		if (q->irq)
			unbind_from_irqhandler(q->irq, q);
		q->irq = 0;
		forget(d, q);
		/* Answers that were taken are still on their way to the block layer: soft interrupts, never long. */
		while (READ_ONCE(q->active))
			msleep(1);
		q->stopped = false;
	}
	if (d->gone)
		unquiesce(d);
	d->up = false;
}

void blk_disk_end(struct blk_dev *d)
{
	if (d->ended)
		return;
	d->ended = true;
	if (d->shown) {
		blk_mark_disk_dead(d->disk);
		unquiesce(d);
		blk_mq_kick_requeue_list(d->disk->queue);
		blk_mq_start_stopped_hw_queues(d->disk->queue, true);
		del_gendisk(d->disk);
	}
	blk_mq_free_tag_set(&d->tags);
}
