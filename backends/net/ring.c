/* SPDX-License-Identifier: MIT */
/*
 * The transmit and the receive ring of a network device, seen from the backend.
 *
 * Job:    take requests off shared pages that a hostile guest may write at any moment, and put answers there.
 * Enter:  net/queue.c; the tests.
 * State:  struct tx_ring, struct rx_ring: private; the journals: private too, but they outlive the process.
 * Locks:  none: one thread serves a ring.
 * Holds:  1. A shared word is read once, then checked, then used. Entries' places depend on private state only.
 *         2. cons - rsp <= NET_RING: a request is looked at only while its slot is not answered.
 *         3. Answers lie in the slots of their requests, in order.
 *         4. Entries of the journal in [rsp, done) are final before `done` says so, and `done` says so before the first
 *            of the slots is overwritten: whoever comes after us writes these answers (again) and takes for requests
 *            what is behind them.
 * Tests:  tests/tools-tests/unit/test_netring.c, tests/fuzz/fuzz_netring.c
 */
#include <string.h>
#include "ring.h"

_Static_assert(sizeof(struct net_shared) == NET_PAGE, "a page");
_Static_assert(sizeof(struct netif_tx_request) == 12 && sizeof(struct netif_rx_request) == 8, "Xen's sizes");

#define LOAD(x)		__atomic_load_n(&(x), __ATOMIC_ACQUIRE)
#define STORE(x, v)	__atomic_store_n(&(x), (v), __ATOMIC_RELEASE)
#define FULL_BARRIER()	__atomic_thread_fence(__ATOMIC_SEQ_CST)

static void *entry(const struct net_shared *sh, uint32_t i, unsigned int size)
{
	return (void *)((uintptr_t)sh->entries + (i % NET_RING) * size);
}

/* One copy of what may change under us. */
static void copy_in(void *to, const volatile void *from, unsigned int size)
{
	for (unsigned int i = 0; i < size / 4; i++)
		((uint32_t *)to)[i] = ((const volatile uint32_t *)from)[i];
}

/* Shows the answers up to `to`; true: the frontend wants to be told. */
static bool show(struct net_shared *sh, uint32_t *rsp, uint32_t to)
{
	uint32_t old = *rsp;

	STORE(sh->rsp_prod, to);
	*rsp = to;
	FULL_BARRIER();			/* the index, then the question whether the other side sleeps */
	return to - LOAD(sh->rsp_event) < to - old;
}

/*
 * Where a ring is: *rsp as the frontend sees it, *done what the journal has beyond it, if that is believable.
 * false: the indices are impossible.
 */
static bool take_over(const struct net_shared *sh, bool again, uint32_t journal, uint32_t *rsp, uint32_t *done)
{
	uint32_t prod;

	*rsp = LOAD(sh->rsp_prod);
	prod = LOAD(sh->req_prod);
	*done = again && journal - *rsp <= prod - *rsp ? journal : *rsp;
	return prod - *rsp <= NET_RING;
}

/* Requests that wait; -1: the index is too far, or back behind what was taken. */
static int waiting(const struct net_shared *sh, uint32_t rsp, uint32_t cons)
{
	uint32_t prod = LOAD(sh->req_prod);

	return prod - rsp > NET_RING || prod - cons > NET_RING ? -1 : (int)(prod - cons);
}

/* --- transmit --- */

static void tx_write_answers(struct tx_ring *r, uint32_t to)
{
	for (uint32_t i = r->rsp; i != to; i++)
		memcpy(entry(r->sh, i, 12), &r->j->rsp[i % NET_RING], sizeof(struct netif_tx_response));
}

bool tx_init(struct tx_ring *r, void *page, struct tx_journal *j, bool again, bool *notify)
{
	uint32_t done;

	r->sh = page;
	r->j = j;
	*notify = false;
	if (!take_over(r->sh, again, j->done, &r->rsp, &done))
		return false;
	tx_write_answers(r, done);
	if (done != r->rsp)
		*notify = show(r->sh, &r->rsp, done);
	r->cons = r->rsp;
	STORE(j->done, r->rsp);
	return true;
}

/* The ids and a first verdict of each slot go into the journal, behind `done`. */
static void note(struct tx_ring *r, uint32_t i, uint16_t id, int16_t status)
{
	r->j->rsp[i % NET_RING] = (struct netif_tx_response){ .id = id, .status = status };
}

static enum tx_result extras(struct tx_ring *r, uint32_t *i, uint32_t prod, struct tx_packet *p)
{
	struct { struct netif_extra_info e; uint32_t rest; } x;
	bool odd = false;

	do {
		if (*i == prod)
			return TX_BROKEN;
		copy_in(&x, entry(r->sh, *i, 12), sizeof(x));
		note(r, (*i)++, 0, NETIF_RSP_NULL);
		switch (x.e.type) {
		case XEN_NETIF_EXTRA_TYPE_GSO:
			p->gso_type = x.e.u.gso.type;
			p->gso_size = x.e.u.gso.size;
			odd |= p->gso_type > XEN_NETIF_GSO_TYPE_TCPV6 || (p->gso_type && !p->gso_size);
			break;
		case XEN_NETIF_EXTRA_TYPE_MCAST_ADD:
		case XEN_NETIF_EXTRA_TYPE_MCAST_DEL:
			p->mcast_type = x.e.type;
			memcpy(p->mcast, x.e.u.mcast.addr, 6);
			break;
		case XEN_NETIF_EXTRA_TYPE_HASH:
			break;			/* the kernel computes its own */
		default:
			odd = true;
		}
	} while (x.e.flags & XEN_NETIF_EXTRA_FLAG_MORE);
	return odd ? TX_DROP : TX_PACKET;
}

enum tx_result tx_next(struct tx_ring *r, struct tx_packet *p)
{
	int n = waiting(r->sh, r->rsp, r->cons);
	uint32_t i = r->cons, prod = i + (uint32_t)n, rest = 0;
	enum tx_result result = TX_PACKET;
	struct netif_tx_request q;
	bool more;

	if (n <= 0)
		return n ? TX_BROKEN : TX_NONE;
	memset(p, 0, __builtin_offsetof(struct tx_packet, slot));
	p->gso_type = p->mcast_type = 0;
	p->from = i;
	do {
		if (i == prod)
			return TX_BROKEN;	/* a chain that does not end: requests are shown whole */
		copy_in(&q, entry(r->sh, i, 12), sizeof(q));
		note(r, i++, q.id, NETIF_RSP_ERROR);
		if (!p->nr) {
			p->size = q.size;
			p->csum_blank = q.flags & NETTXF_csum_blank;
			p->validated = q.flags & NETTXF_data_validated;
		} else {
			rest += q.size;
		}
		if (p->nr < XEN_NETIF_NR_SLOTS_MIN) {
			p->slot[p->nr] = (struct tx_slot){ q.gref, q.offset, q.size };
			if (p->nr && (!q.size || q.offset + q.size > NET_PAGE))
				result = TX_DROP;
		} else {
			result = TX_DROP;
		}
		more = q.flags & NETTXF_more_data;
		if (!p->nr++ && q.flags & NETTXF_extra_info) {
			enum tx_result x = extras(r, &i, prod, p);

			if (x == TX_BROKEN)
				return x;
			if (x == TX_DROP)
				result = x;
		}
	} while (more);
	r->cons = p->to = i;
	if (p->nr > XEN_NETIF_NR_SLOTS_MIN)
		p->nr = XEN_NETIF_NR_SLOTS_MIN;
	if (p->mcast_type)
		return TX_MULTICAST;
	if (rest >= p->size || p->size - rest + p->slot[0].offset > NET_PAGE || p->size < 14)
		return TX_DROP;
	p->slot[0].len = (uint16_t)(p->size - rest);
	return result;
}

void tx_answer(struct tx_ring *r, const struct tx_packet *p, int16_t status)
{
	for (uint32_t i = p->from; i != p->to; i++)
		if (r->j->rsp[i % NET_RING].status != NETIF_RSP_NULL)
			r->j->rsp[i % NET_RING].status = status;
}

bool tx_show(struct tx_ring *r)
{
	if (r->cons == r->rsp)
		return false;
	STORE(r->j->done, r->cons);
	tx_write_answers(r, r->cons);
	return show(r->sh, &r->rsp, r->cons);
}

bool tx_sleep(struct tx_ring *r)
{
	STORE(r->sh->req_event, r->cons + 1);
	FULL_BARRIER();
	return LOAD(r->sh->req_prod) != r->cons;
}

/* --- receive --- */

static void rx_write_answers(struct rx_ring *r, uint32_t to)
{
	for (uint32_t i = r->rsp; i != to; i++)
		memcpy(entry(r->sh, i, 8), &r->j->rsp[i % NET_RING], sizeof(struct netif_rx_response));
}

bool rx_init(struct rx_ring *r, void *page, struct rx_journal *j, bool again, bool *notify)
{
	uint32_t done;

	r->sh = page;
	r->j = j;
	*notify = false;
	if (!take_over(r->sh, again, j->done, &r->rsp, &done))
		return false;
	rx_write_answers(r, done);
	if (done != r->rsp)
		*notify = show(r->sh, &r->rsp, done);
	r->cons = r->rsp;
	STORE(j->done, r->rsp);
	return true;
}

int rx_room(struct rx_ring *r)
{
	return waiting(r->sh, r->rsp, r->cons);
}

uint32_t rx_gref(const struct rx_ring *r, uint32_t n)
{
	struct netif_rx_request q;

	copy_in(&q, entry(r->sh, r->cons + n, 8), sizeof(q));
	return q.gref;
}

void rx_put(struct rx_ring *r, uint16_t offset, uint16_t flags, int16_t status)
{
	struct netif_rx_request q;

	copy_in(&q, entry(r->sh, r->cons, 8), sizeof(q));
	r->j->rsp[r->cons++ % NET_RING] = (struct netif_rx_response){ q.id, offset, flags, status };
}

void rx_put_extra(struct rx_ring *r, const struct netif_extra_info *e)
{
	memcpy(&r->j->rsp[r->cons++ % NET_RING], e, sizeof(*e));
}

bool rx_show(struct rx_ring *r)
{
	if (r->cons == r->rsp)
		return false;
	STORE(r->j->done, r->cons);
	rx_write_answers(r, r->cons);
	return show(r->sh, &r->rsp, r->cons);
}

bool rx_sleep(struct rx_ring *r, uint32_t want)
{
	STORE(r->sh->req_event, r->cons + want);
	FULL_BARRIER();
	return LOAD(r->sh->req_prod) - r->cons >= want;
}
