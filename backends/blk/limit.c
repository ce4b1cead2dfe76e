/* SPDX-License-Identifier: MIT */
/*
 * Limits on requests and bytes each second.
 *
 * Job:    say when the next request may be taken. What was taken is never held back.
 * Enter:  blk/queue.c.
 * State:  the two buckets of a device.  Locks: none.
 * Holds:  1. Over any second no more than rate + rate / 10 + one request is let through.
 * Tests:  tests/host/test_limit.c
 */
#include "../common/loop.h"
#include "vbd.h"

#define SECOND 1000000

void limit_set(struct bucket *b, uint64_t rate)
{
	if (b->rate == rate)
		return;
	b->rate = rate;
	b->last = loop_now();
	b->tokens = 0;
}

static uint64_t wait_for(struct bucket *b, uint64_t now)
{
	uint64_t passed = now - b->last, room = b->rate / 10 + 1;

	if (passed > SECOND)
		passed = SECOND;
	if (passed * b->rate >= SECOND) {
		b->tokens += (int64_t)(passed * b->rate / SECOND);
		b->last = now;
		if (b->tokens > (int64_t)room)
			b->tokens = (int64_t)room;
	}
	return b->tokens > 0 ? 0 : (uint64_t)(1 - b->tokens) * SECOND / b->rate + 1;
}

uint64_t limit_wait(struct vbd *v)
{
	uint64_t now, a, b;

	if (!v->ops.rate && !v->bytes.rate)
		return 0;
	now = loop_now();
	a = v->ops.rate ? wait_for(&v->ops, now) : 0;
	b = v->bytes.rate ? wait_for(&v->bytes, now) : 0;
	return a > b ? a : b;
}

void limit_take(struct vbd *v, uint64_t bytes)
{
	if (v->ops.rate)
		v->ops.tokens--;
	if (v->bytes.rate)
		v->bytes.tokens -= (int64_t)bytes;
}
