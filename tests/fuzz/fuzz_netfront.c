/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer over the network frontend's protocol core, with a hostile backend that writes anything into the rings'
 * pages between any two steps.
 *
 * Job:    input: bytes of steps: send, show, take, post, answer properly, scribble.
 *         Checked: a buffer comes back at most once and only if it was given; fragments lie inside a page; what is
 *         given at the end is there to be forgotten, each once.
 * Enter:  tests/fuzz/run netfront
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "frontends/net/core.c"

static _Alignas(4096) uint8_t tx_page[4096], rx_page[4096];
static struct netf_tx t;
static struct netf_rx r;
static struct netf_packet p;
static uint8_t given[1024];	/* 1: transmit, 2: receive */
static uint32_t count[3];

static void need(bool ok)
{
	if (!ok)
		abort();
}

static void back(void *cookie, uint8_t what)
{
	uint8_t *f = cookie;

	need(f >= given && f < given + sizeof(given) && *f == what);
	*f = 0;
	count[what]--;
}

static void *some(uint8_t what)
{
	for (uint32_t i = 0; i < sizeof(given); i++)
		if (!given[i]) {
			given[i] = what;
			count[what]++;
			return &given[i];
		}
	abort();
}

static void send(uint8_t how, uint8_t n)
{
	struct netf_extra e = { .type = NETF_EXTRA_GSO, .gso = { .size = n, .type = 1 } };

	if (netf_tx_free(&t) < 2)
		return;
	netf_tx_slot(&t, n, 0, n * 16, how & 1 ? NETF_TX_EXTRA : 0, some(1));
	if (how & 1)
		netf_tx_extra(&t, &e);
}

static void take_rx(void)
{
	uint32_t i, bytes = 0;

	if (netf_rx_take(&r, &p) <= 0)
		return;
	need(p.nr_frags <= NETF_MAX_FRAGS && p.nr_unused <= NETF_MAX_CHAIN);
	for (i = 0; i < p.nr_frags; i++) {
		need(p.frag[i].offset + p.frag[i].size <= 4096 && p.frag[i].size);
		bytes += p.frag[i].size;
		back(p.frag[i].cookie, 2);
	}
	need(bytes == p.bytes && bytes <= NETF_MAX_PACKET);
	for (i = 0; i < p.nr_unused; i++)
		back(p.unused[i], 2);
}

static void step(const uint8_t *in)
{
	struct netf_rx_answer *a;
	struct netf_tx_answer *x;
	void *c;
	bool sent;

	switch (in[0] & 7) {
	case 0:
		send(in[0] >> 3, in[1]);
		break;
	case 1:
		netf_tx_push(&t);
		fe_ring_push(&r.ring);
		break;
	case 2:
		if (netf_tx_take(&t, &c, &sent) > 0)
			back(c, 1);
		break;
	case 3:
		take_rx();
		break;
	case 4:
		for (int i = in[1] % 32; i && !r.why && fe_ring_free(&r.ring); i--)
			netf_rx_post(&r, in[2], some(2));
		break;
	case 5:
		x = fe_ring_entry(&t.ring, t.ring.sh->rsp_prod++);
		*x = (struct netf_tx_answer){ in[1], in[2] % 3 - 1 };
		break;
	case 6:
		a = fe_ring_entry(&r.ring, r.ring.sh->rsp_prod);
		*a = (struct netf_rx_answer){ r.ring.sh->rsp_prod++ & 255, in[1], in[0] >> 3, in[2] * 32 - 64 };
		break;
	default:
		(in[0] & 16 ? tx_page : rx_page)[in[0] & 8 ? in[1] % 16 : (in[1] * 16 + in[0] / 32) % 4096] = in[2];
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t size)
{
	void *c;

	memset(given, 0, sizeof(given));
	memset(count, 0, sizeof(count));
	netf_tx_init(&t, tx_page);
	netf_rx_init(&r, rx_page);
	for (size_t i = 0; i + 2 < size; i += 3) {
		step(in + i);
		need(fe_ring_free(&t.ring) <= NETF_SLOTS && fe_ring_free(&r.ring) <= NETF_SLOTS);
		need(count[1] + t.extras == t.ring.prod - t.ring.cons);
	}
	while ((c = netf_tx_forget(&t)))
		back(c, 1);
	while ((c = netf_rx_forget(&r)))
		back(c, 2);
	need(!count[1] && !count[2]);
	return 0;
}
