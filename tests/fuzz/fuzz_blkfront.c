/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer over the block frontend's protocol core, with a hostile backend that writes anything into the ring's page
 * between any two steps.
 *
 * Job:    input: bytes of steps: make a request, show them, take an answer, answer properly, scribble.
 *         Checked: a cookie comes back at most once, only while its request is unanswered; what is unanswered at the end
 *         is there to be forgotten, each once; the ring never hands out more room than it has.
 * Enter:  tests/fuzz/run blkfront
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "frontends/blk/core.c"

static _Alignas(4096) uint8_t page[4096 * 2];
static struct blkf b;
static uint8_t flying[1024];
static uint32_t nr_flying;

static void need(bool ok)
{
	if (!ok)
		abort();
}

static void back(void *cookie)
{
	uint8_t *f = cookie;

	need(f >= flying && f < flying + sizeof(flying) && *f == 1);
	*f = 0;
	nr_flying--;
}

static void *some(uint8_t x)
{
	for (uint32_t i = 0; i < sizeof(flying); i++) {
		uint8_t *f = &flying[(x * 4 + i) % sizeof(flying)];

		if (!*f)
			return f;
	}
	abort();
}

static void ask(uint8_t how, uint8_t n)
{
	struct blkf_seg s[BLKF_DIRECT_SEGS] = { { n, 0, 7, 0 } };
	uint8_t *f = some(n);
	bool ok;

	switch (how & 3) {
	case 0: ok = blkf_rw(&b, BLKF_READ, n, s, n % 12, 0, f); break;
	case 1: ok = blkf_rw(&b, BLKF_WRITE, n, NULL, n + 12, 5, f); break;
	case 2: ok = blkf_range(&b, BLKF_DISCARD, n, n, how & 4, f); break;
	default: ok = blkf_flush(&b, BLKF_FLUSH, f); break;
	}
	if (ok) {
		*f = 1;
		nr_flying++;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t size)
{
	struct blkf_done d;
	struct blkf_answer *a;
	void *c;

	if (!size)
		return 0;
	memset(flying, 0, sizeof(flying));
	nr_flying = 0;
	blkf_init(&b, page, in[0] & 1 ? 8192 : 4096, 7);
	for (size_t i = 1; i + 2 < size; i += 3) {
		switch (in[i] & 7) {
		case 0:
		case 1:
			ask(in[i] >> 3, in[i + 1]);
			break;
		case 2:
			blkf_push(&b);
			break;
		case 3:
		case 4:
			if (blkf_take(&b, &d) > 0)
				back(d.cookie);
			break;
		case 5:		/* an answer as it should be, if the id fits */
			a = fe_ring_entry(&b.ring, b.ring.sh->rsp_prod++);
			a->id = in[i + 1] % b.nr;
			a->op = b.slot[a->id].op;
			a->status = (int16_t)(in[i + 2] % 4) - 2;
			break;
		case 6:
			blkf_sleep(&b);
			break;
		default:	/* in[i] >> 3: near the indices or anywhere */
			page[in[i] & 8 ? in[i + 1] % 16 : (in[i + 1] * 32 + in[i] / 16) % sizeof(page)] = in[i + 2];
		}
		need(fe_ring_free(&b.ring) <= b.ring.nr && b.busy == nr_flying);
	}
	while ((c = blkf_forget(&b)))
		back(c);
	need(!nr_flying);
	return 0;
}
