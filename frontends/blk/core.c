// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Job: see blk/core.h.
 * Users: blk/linux.c; tests.
 * State, locks, invariants, tests: blk/core.h.
 */
#include "core.h"

#define BUILD_IF(x) _Static_assert(x, #x)
BUILD_IF(sizeof(struct blkf_seg) == 8);
BUILD_IF(sizeof(struct blkf_rw) == 112);
BUILD_IF(sizeof(struct blkf_answer) == 16);
BUILD_IF(sizeof(union blkf_entry) == 112);

static bool power_of_two(uint64_t x)
{
	return x && !(x & (x - 1));
}

bool blkf_decide(const struct blkf_offer *o, uint32_t max_segs, struct blkf_deal *d, const char **why)
{
	memset(d, 0, sizeof(*d));
	*why = NULL;
	if (!power_of_two(o->sector_size) || o->sector_size < 512 || o->sector_size > FE_PAGE)
		*why = "impossible sector-size";
	else if (!o->sectors || o->sectors >> 54)
		*why = "impossible number of sectors";
	else if (o->sectors * 512 % o->sector_size)
		*why = "the size is no multiple of the sector-size";
	if (*why)
		return false;
	d->sectors = o->sectors;
	d->sector_size = (uint32_t)o->sector_size;
	d->physical = d->sector_size;
	if (power_of_two(o->physical) && o->physical > o->sector_size && o->physical <= 1 << 20)
		d->physical = (uint32_t)o->physical;
	d->segs = o->max_indirect < BLKF_MAX_SEGS ? (uint32_t)o->max_indirect : BLKF_MAX_SEGS;
	if (d->segs > max_segs)
		d->segs = max_segs;
	if (d->segs < BLKF_DIRECT_SEGS)
		d->segs = BLKF_DIRECT_SEGS;
	d->flush_op = o->flush ? BLKF_FLUSH : o->barrier ? BLKF_BARRIER : 0;
	d->readonly = o->info & BLKF_INFO_READONLY;
	d->removable = o->info & (BLKF_INFO_REMOVABLE | BLKF_INFO_CDROM);
	d->discard = o->discard && !d->readonly;
	d->secure = d->discard && o->secure;
	d->zeroes = o->zeroes && !d->readonly;
	d->fua = o->fua && d->flush_op;
	d->granularity = d->physical;
	if (power_of_two(o->granularity) && o->granularity >= d->sector_size && o->granularity <= 1u << 30)
		d->granularity = (uint32_t)o->granularity;
	if (o->alignment < d->granularity)
		d->alignment = (uint32_t)o->alignment;
	return true;
}

void blkf_init(struct blkf *b, void *mem, uint32_t bytes, uint16_t handle)
{
	uint16_t i;

	memset(b, 0, sizeof(*b));
	fe_ring_init(&b->ring, mem, bytes, sizeof(union blkf_entry));
	b->nr = b->ring.nr < BLKF_MAX_SLOTS ? (uint16_t)b->ring.nr : BLKF_MAX_SLOTS;
	b->handle = handle;
	for (i = 0; i < b->nr; i++)
		b->slot[i].next = i + 1;	/* nr: the end of the list */
}

/* An entry, whatever it holds, and the id for it; NULL: no room. */
static union blkf_entry *begin(struct blkf *b, uint8_t op, void *cookie, uint16_t *id)
{
	struct blkf_slot *s;

	if (b->why || b->free >= b->nr || !fe_ring_free(&b->ring))
		return NULL;
	*id = b->free;
	s = &b->slot[*id];
	b->free = s->next;
	b->busy++;
	s->busy = true;
	s->op = op;
	s->cookie = cookie;
	s->at = b->ring.prod++;
	return fe_ring_entry(&b->ring, s->at);
}

/* All of a direct request but its segments. */
static void put_head(const struct blkf *b, union blkf_entry *e, uint8_t op, uint8_t n, uint16_t id, uint64_t sector)
{
	e->rw.op = op;
	e->rw.nr_segs = n;
	e->rw.handle = b->handle;
	e->rw.pad = 0;
	e->rw.id = id;
	e->rw.sector = sector;
}

bool blkf_rw(struct blkf *b, uint8_t op, uint64_t sector, const struct blkf_seg *seg, uint32_t n,
	     uint32_t indirect, void *cookie)
{
	union blkf_entry *e;
	uint32_t i;
	uint16_t id;

	if (!n || n > BLKF_MAX_SEGS)
		return false;
	e = begin(b, op, cookie, &id);
	if (!e)
		return false;
	if (n > BLKF_DIRECT_SEGS) {
		e->indirect = (struct blkf_indirect){
			.op = BLKF_INDIRECT, .inner = op, .nr_segs = (uint16_t)n, .id = id, .sector = sector,
			.handle = b->handle, .gref = { indirect },
		};
	} else {
		put_head(b, e, op, (uint8_t)n, id, sector);
		for (i = 0; i < n; i++)
			e->rw.seg[i] = seg[i];
	}
	return true;
}

bool blkf_range(struct blkf *b, uint8_t op, uint64_t sector, uint64_t nr, bool secure, void *cookie)
{
	uint16_t id;
	union blkf_entry *e = begin(b, op, cookie, &id);

	if (!e)
		return false;
	e->discard = (struct blkf_discard){
		.op = op, .flag = secure, .id = id, .sector = sector, .nr_sectors = nr,
	};
	return true;
}

bool blkf_flush(struct blkf *b, uint8_t op, void *cookie)
{
	uint16_t id;
	union blkf_entry *e = begin(b, op, cookie, &id);

	if (!e)
		return false;
	put_head(b, e, op, 0, id, 0);
	return true;
}

static int die(struct blkf *b, const char *why)
{
	b->why = why;
	b->ring.dead = true;
	return -1;
}

int blkf_take(struct blkf *b, struct blkf_done *d)
{
	const struct blkf_answer *a;
	struct blkf_slot *s;
	uint64_t id;
	uint8_t op;
	int16_t status;
	int n;

	if (b->why)
		return -1;
	n = fe_ring_answers(&b->ring);
	if (n < 0)
		return die(b, "more answers than requests");
	if (!n)
		return 0;
	a = fe_ring_entry(&b->ring, b->ring.cons);
	id = READ_ONCE(a->id);
	op = READ_ONCE(a->op);
	status = READ_ONCE(a->status);
	if (id >= b->nr)
		return die(b, "an answer to an id that cannot be");
	s = &b->slot[id];
	if (!s->busy || (int32_t)(b->ring.prod_shared - s->at) <= 0)
		return die(b, "an answer to a request that nobody made");
	if (op != s->op && op != BLKF_INDIRECT)
		return die(b, "an answer of another operation");
	b->ring.cons++;
	d->cookie = s->cookie;
	d->op = s->op;
	d->status = status == BLKF_OK || status == BLKF_UNSUPPORTED ? status : BLKF_ERROR;
	s->busy = false;
	s->cookie = NULL;
	s->next = b->free;
	b->free = (uint16_t)id;
	b->busy--;
	return 1;
}

void *blkf_forget(struct blkf *b)
{
	uint16_t i;

	for (i = 0; i < b->nr && b->busy; i++) {
		struct blkf_slot *s = &b->slot[i];
		void *cookie = s->cookie;

		if (!s->busy)
			continue;
		s->busy = false;
		s->cookie = NULL;
		s->next = b->free;
		b->free = i;
		b->busy--;
		return cookie;
	}
	return NULL;
}
