/* SPDX-License-Identifier: MIT */
/*
 * A queue of a block device: from the ring to the disk and back.
 *
 * Job:    take requests, find their pages, hand them to the disk, answer.
 * Enter:  the loop, when the frontend notifies; the disk, when something is done; blk/vbd.c.
 * State:  struct queue with one job for each flight of its ring.
 * Locks:  none: one thread.
 * Holds:  1. A job is in use from ring_take() (or ring_left()) to ring_answer(), once each.
 *         2. Pages of a frontend that keeps them granted are mapped once and used in place; all
 *            others are copied by the hypervisor, the pages of a request in one call. So are all for
 *            a disk that transfers by itself (O_DIRECT): when we are killed with such a transfer
 *            under way in a granted page, Linux cannot end the grant in time and unmaps what it does
 *            not count ("Bad page map").
 *         3. While requests are being worked at the frontend is not asked for notifications.
 *         4. A queue that is closed with work under way is freed when the last of it is done, and
 *            its grants stay mapped until then.
 * Tests:  tests/tools-tests (on a machine); the ring: tests/tools-tests/unit/test_blkring.c
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "../common/loop.h"
#include "vbd.h"

#define PAGE 4096U

struct job {
	struct disk_io io;		/* the first: done() finds us by it */
	struct queue *q;
	struct flight *f;
	struct want want;
	uint8_t *bounce;		/* when its pages are not mapped */
	struct blkif_request_segment seg[MAX_SEGMENTS];
	struct iovec iov[MAX_SEGMENTS];
};

struct queue {
	struct vbd *v;
	struct ring ring;
	void *shared;
	unsigned int pages;
	struct channel *channel;
	struct grant_cache *cache;
	unsigned int busy;		/* jobs at the disk */
	bool closed, inside;		/* inside: queue_run() is at work and will publish */
	struct job *jobs;
};

static void queue_run(struct queue *q);

static void heard(void *ctx)
{
	struct queue *q = ctx;

	q->v->log->heard++;
	queue_run(q);
}

static void publish(struct queue *q)
{
	if (ring_publish(&q->ring)) {
		q->v->log->notified++;
		channel_notify(q->channel);
	}
}

static void queue_free(struct queue *q)
{
	cache_free(q->cache);
	grants_unmap(q->shared, q->pages);
	free(q->jobs);
	free(q);
}

static void answer(struct job *j, int status)
{
	struct log_head *log = j->q->v->log;

	switch (j->want.op) {
	case BLKIF_OP_READ:
		log->reads++;
		log->read_bytes += j->io.len;
		break;
	case BLKIF_OP_WRITE:
		log->writes++;
		log->write_bytes += j->io.len;
		break;
	case BLKIF_OP_FLUSH_DISKCACHE:
		log->flushes++;
		break;
	default:
		log->discards++;
		break;
	}
	if (status == BLKIF_RSP_ERROR)
		log->errors++;
	ring_answer(&j->q->ring, j->f, status);
}

/* --- pages --- */

static int copy_pages(struct job *j, bool to_guest)
{
	struct grant_copy c[MAX_SEGMENTS];
	uint8_t *p = j->bounce;

	for (unsigned int i = 0; i < j->want.nr_segments; i++) {
		const struct blkif_request_segment *s = &j->seg[i];

		c[i] = (struct grant_copy){ p, s->gref, (uint16_t)(s->first_sect * SECTOR),
			(uint16_t)((s->last_sect - s->first_sect + 1) * SECTOR), to_guest };
		p += c[i].len;
	}
	return grants_copy(j->want.nr_segments, c);
}

/* In place, neighbours in our memory taken together. false: they cannot be kept mapped. */
static bool map_pages(struct job *j)
{
	uint32_t refs[MAX_SEGMENTS];
	void *va[MAX_SEGMENTS];
	struct iovec *v = j->iov;

	for (unsigned int i = 0; i < j->want.nr_segments; i++)
		refs[i] = j->seg[i].gref;
	if (cache_map(j->q->cache, j->want.nr_segments, refs, va))
		return false;
	for (unsigned int i = 0; i < j->want.nr_segments; i++) {
		const struct blkif_request_segment *s = &j->seg[i];
		uint8_t *p = (uint8_t *)va[i] + s->first_sect * SECTOR;
		size_t len = (s->last_sect - s->first_sect + 1) * SECTOR;

		if (i && (uint8_t *)v->iov_base + v->iov_len == p) {
			v->iov_len += len;
			continue;
		}
		v += i != 0;
		*v = (struct iovec){ p, len };
	}
	j->io.iov = j->iov;
	j->io.nr_iov = (unsigned int)(v - j->iov) + 1;
	return true;
}

static int find_pages(struct job *j)
{
	if (j->q->v->persistent && j->q->v->disk->in_place && map_pages(j))
		return 0;
	if (posix_memalign((void **)&j->bounce, PAGE, j->io.len))
		return -1;
	if (j->want.op == BLKIF_OP_WRITE && copy_pages(j, false))
		return -1;
	j->iov[0] = (struct iovec){ j->bounce, j->io.len };
	j->io.iov = j->iov;
	j->io.nr_iov = 1;
	return 0;
}

/* The segments of an indirect request, copied out of the guest's page before they are looked at. */
static int read_indirect(struct job *j)
{
	const struct blkif_request_indirect *r = &j->f->req.indirect;
	size_t bytes = j->want.nr_segments * sizeof(j->seg[0]);
	struct grant_copy c = { j->seg, r->indirect_grefs[0], 0, (uint16_t)bytes, false };
	void *va;

	_Static_assert(sizeof(((struct job *)0)->seg) <= PAGE, "the segments fit into one page");
	if (j->q->v->persistent && !cache_map(j->q->cache, 1, r->indirect_grefs, &va))
		memcpy(j->seg, va, bytes);
	else if (grants_copy(1, &c))
		return BLKIF_RSP_ERROR;
	return want_segments(&j->want, j->seg, &j->q->v->limits);
}

/* --- requests --- */

static void done(struct disk_io *io, int error)
{
	struct job *j = (struct job *)io;
	struct queue *q = j->q;
	struct vbd *v = q->v;

	q->busy--;
	if (error && !v->said && !q->closed) {
		v->said = true;
		device_say(v->dev, "an operation at sector %llu failed: %s",
			   (unsigned long long)j->want.sector, strerror(error));
	}
	if (!error && j->bounce && j->want.op == BLKIF_OP_READ && !q->closed && copy_pages(j, true))
		error = EFAULT;
	free(j->bounce);
	j->bounce = NULL;
	if (q->closed) {
		if (!q->busy)
			queue_free(q);
		return;
	}
	answer(j, !error ? BLKIF_RSP_OKAY : error == EOPNOTSUPP ? BLKIF_RSP_EOPNOTSUPP : BLKIF_RSP_ERROR);
	if (!q->inside)
		publish(q);
}

static void start(struct queue *q, struct flight *f)
{
	struct job *j = &q->jobs[f - q->ring.log->flights];
	struct vbd *v = q->v;
	int status;

	j->q = q;
	j->f = f;
	j->bounce = NULL;
	j->io = (struct disk_io){ .done = done };
	status = want_parse(&j->want, f, &v->limits);
	if (!status && j->want.nr_indirect)
		status = read_indirect(j);
	else if (!status && j->want.nr_segments)
		memcpy(j->seg, f->req.req.seg, j->want.nr_segments * sizeof(j->seg[0]));
	if (!status) {
		j->io.op = j->want.op;
		j->io.fua = j->want.fua;
		j->io.offset = j->want.sector * SECTOR;
		j->io.len = j->want.nr_sectors * SECTOR;
		limit_take(v, j->io.len);
		if (j->want.nr_segments && find_pages(j))
			status = BLKIF_RSP_ERROR;
	}
	if (status) {
		free(j->bounce);
		j->bounce = NULL;
		answer(j, status);
		return;
	}
	q->busy++;
	v->disk->ops->submit(v->disk, &j->io);
}

static void throttled(void *ctx)
{
	queue_run(ctx);
}

static void queue_run(struct queue *q)
{
	struct vbd *v = q->v;
	struct flight *f;
	uint64_t us = 0;
	int n;

	q->inside = true;
	do {
		n = ring_look(&q->ring);
		if (n < 0) {
			q->inside = false;
			device_fail(v->dev, "the ring has impossible indices");
			return;
		}
		while (!(us = limit_wait(v)) && (f = ring_take(&q->ring)))
			start(q, f);
		if (v->disk->ops->kick)
			v->disk->ops->kick(v->disk);
		publish(q);
		if (us) {
			loop_after(us, throttled, q);
			break;
		}
	} while (ring_sleep(&q->ring));
	q->inside = false;
}

void queue_start(struct queue *q)
{
	unsigned int at = 0;
	struct flight *f;

	q->inside = true;
	while ((f = ring_left(&q->ring, &at)))
		start(q, f);
	q->inside = false;
	/* What the process before had published it may not have notified. */
	channel_notify(q->channel);
	queue_run(q);
}

struct queue *queue_open(struct vbd *v, unsigned int nr, unsigned int pages, const uint32_t *refs,
			 uint32_t port, bool again)
{
	struct ring_log *log = (void *)((uint8_t *)v->log + LOG_HEAD + nr * sizeof(*log));
	struct queue *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->v = v;
	q->pages = pages;
	q->cache = cache_new(KEEP_PAGES);
	q->shared = grants_map(pages, refs);
	if (!q->shared || !q->cache) {
		device_error(v->dev, "queue %u: its ring cannot be mapped: %s", nr, strerror(errno));
		goto fail;
	}
	if (!ring_attach(&q->ring, q->shared, pages, log, again)) {
		device_error(v->dev, "queue %u: the ring has impossible indices", nr);
		goto fail;
	}
	q->jobs = calloc(q->ring.slots, sizeof(*q->jobs));
	q->channel = channel_bind(port, heard, q);
	if (q->jobs && q->channel)
		return q;
	device_error(v->dev, "queue %u: event channel %u: %s", nr, port, strerror(errno));
fail:
	if (q->shared)
		grants_unmap(q->shared, pages);
	cache_free(q->cache);
	free(q->jobs);
	free(q);
	return NULL;
}

void queue_close(struct queue *q)
{
	loop_cancel(q);
	channel_unbind(q->channel);
	q->channel = NULL;
	q->closed = true;
	if (!q->busy)
		queue_free(q);
}
