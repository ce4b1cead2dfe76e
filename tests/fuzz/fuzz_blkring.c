/* SPDX-License-Identifier: MIT */
/*
 * Fuzzer: a hostile block frontend. The input is what it writes into the shared page between the
 * backend's steps, and when the backend dies. Claims: no index leads out of a table, a flight is never
 * in use twice, and a request that is let through lies on the disk.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "backends/blk/ring.c"

static _Alignas(4096) uint8_t page[4096];
static struct ring_log journal;
static struct ring ring;
static struct flight *held[MAX_SLOTS];
static unsigned int nr_held;

static void must(int claim)
{
	if (!claim)
		abort();
}

static int attach(int again)
{
	unsigned int at = 0;
	struct flight *f;

	nr_held = 0;
	if (!ring_attach(&ring, page, 1, &journal, again))
		return 0;
	while ((f = ring_left(&ring, &at)))
		held[nr_held++] = f;
	must(nr_held + ring.nr_free <= ring.slots);
	return 1;
}

static void take(const struct limits *l)
{
	struct blkif_request_segment seg[MAX_SEGMENTS];
	struct flight *f;
	struct want w;

	if (ring_look(&ring) < 0)
		return;
	while ((f = ring_take(&ring))) {
		for (unsigned int i = 0; i < nr_held; i++)
			must(held[i] != f);
		must(nr_held < ring.slots);
		held[nr_held++] = f;
		if (want_parse(&w, f, l))
			continue;
		must(w.nr_segments <= MAX_SEGMENTS && w.nr_indirect <= 1);
		if (w.nr_indirect) {
			memcpy(seg, page, sizeof(seg));
			if (want_segments(&w, seg, l))
				continue;
		}
		must(w.sector <= l->sectors && w.nr_sectors <= l->sectors - w.sector);
		must(w.nr_segments <= BLKIF_MAX_SEGMENTS_PER_REQUEST || w.nr_indirect);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	struct limits l = { .sectors = 5000, .block = 512, .discard = true, .zeroes = true, .fua = true };
	size_t at = 0;

	memset(page, 0, sizeof(page));
	if (!attach(0))
		return 0;
	while (at + 4 < len) {
		uint8_t what = in[at], size = in[at + 3];
		size_t to = (in[at + 1] | in[at + 2] << 8) % sizeof(page);

		at += 4;
		switch (what % 8) {
		case 0: case 1: case 2:
			for (unsigned int i = 0; i < size && at < len && to < sizeof(page); i++)
				page[to++] = in[at++];
			break;
		case 3:
			ring.shared->req_prod += size % 40;
			break;
		case 4:
			take(&l);
			break;
		case 5:
			while (nr_held && size-- % 16)
				ring_answer(&ring, held[--nr_held], 0);
			ring_publish(&ring);
			break;
		case 6:
			l.read_only = size & 1;
			l.block = size & 2 ? 4096 : 512;
			ring_sleep(&ring);
			break;
		default:
			if (!attach(1))
				return 0;
			break;
		}
	}
	return 0;
}
