// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Job: see net/core.h.
 * Users: net/linux.c, net/bus.c; tests.
 * State, locks, invariants, tests: net/core.h.
 */
#include "core.h"

#define BUILD_IF(x) _Static_assert(x, #x)
BUILD_IF(sizeof(struct netf_tx_request) == 12);
BUILD_IF(sizeof(struct netf_rx_request) == 8);
BUILD_IF(sizeof(struct netf_rx_answer) == 8);
BUILD_IF(sizeof(struct netf_extra) == 8);
BUILD_IF(sizeof(struct netf_ctrl_request) == 16);
BUILD_IF(sizeof(struct netf_ctrl_answer) == 12);
BUILD_IF(sizeof(struct netf_gref) == 8);

static int dead(struct fe_ring *ring, const char **why, const char *what)
{
	if (!*why)
		*why = what;
	ring->dead = true;
	return -1;
}

/* ---- transmit ---- */

void netf_tx_init(struct netf_tx *t, void *mem)
{
	uint16_t i;

	memset(t, 0, sizeof(*t));
	fe_ring_init(&t->ring, mem, FE_PAGE, sizeof(struct netf_tx_request));
	for (i = 0; i < NETF_SLOTS; i++)
		t->slot[i].next = i + 1;
}

void netf_tx_slot(struct netf_tx *t, uint32_t gref, uint16_t offset, uint16_t size, uint16_t flags, void *cookie)
{
	/* There is an id: ids and extras together are never more than slots of the ring. */
	uint16_t id = t->free % NETF_SLOTS;
	struct netf_tx_request *e = fe_ring_entry(&t->ring, t->ring.prod);

	t->free = t->slot[id].next;
	t->slot[id].busy = true;
	t->slot[id].cookie = cookie;
	t->slot[id].at = t->ring.prod++;
	*e = (struct netf_tx_request){ .gref = gref, .offset = offset, .flags = flags, .id = id, .size = size };
}

void netf_tx_extra(struct netf_tx *t, const struct netf_extra *e)
{
	void *entry = fe_ring_entry(&t->ring, t->ring.prod++);

	memset(entry, 0, sizeof(struct netf_tx_request));
	memcpy(entry, e, sizeof(*e));
	t->extras++;
}

int netf_tx_take(struct netf_tx *t, void **cookie, bool *sent)
{
	const struct netf_tx_answer *a;
	uint16_t id;
	int16_t status;
	int n;

	for (;;) {
		n = t->why ? -1 : fe_ring_answers(&t->ring);
		if (n < 0)
			return dead(&t->ring, &t->why, "more transmit answers than requests");
		if (!n)
			return 0;
		a = fe_ring_entry(&t->ring, t->ring.cons);
		id = READ_ONCE(a->id);
		status = READ_ONCE(a->status);
		if (status != NETF_NULL)
			break;
		if (!t->extras)
			return dead(&t->ring, &t->why, "an answer to an extra info that nobody sent");
		t->extras--;
		t->ring.cons++;
	}
	if (id >= NETF_SLOTS || !t->slot[id].busy || (int32_t)(t->ring.prod_shared - t->slot[id].at) <= 0)
		return dead(&t->ring, &t->why, "an answer to a packet that nobody sent");
	t->ring.cons++;
	*cookie = t->slot[id].cookie;
	*sent = status == 0;
	t->slot[id].busy = false;
	t->slot[id].cookie = NULL;
	t->slot[id].next = t->free;
	t->free = id;
	return 1;
}

void *netf_tx_forget(struct netf_tx *t)
{
	uint16_t i;

	for (i = 0; i < NETF_SLOTS; i++) {
		void *cookie = t->slot[i].cookie;

		t->slot[i].cookie = NULL;
		if (cookie)
			return cookie;
	}
	return NULL;
}

/* ---- receive ---- */

void netf_rx_init(struct netf_rx *r, void *mem)
{
	memset(r, 0, sizeof(*r));
	fe_ring_init(&r->ring, mem, FE_PAGE, sizeof(struct netf_rx_request));
}

void netf_rx_post(struct netf_rx *r, uint32_t gref, void *cookie)
{
	uint16_t id = r->ring.prod & (NETF_SLOTS - 1);
	struct netf_rx_request *e = fe_ring_entry(&r->ring, r->ring.prod++);

	*e = (struct netf_rx_request){ .id = id, .gref = gref };
	r->cookie[id] = cookie;
}

/* An extra info: what we know of it, into the packet. False: another one does not follow. */
static bool extra(struct netf_packet *p, const void *entry)
{
	struct netf_extra e;

	e.type = READ_ONCE(((const struct netf_extra *)entry)->type);
	e.flags = READ_ONCE(((const struct netf_extra *)entry)->flags);
	e.gso.size = READ_ONCE(((const struct netf_extra *)entry)->gso.size);
	e.gso.type = READ_ONCE(((const struct netf_extra *)entry)->gso.type);
	if (e.type == NETF_EXTRA_GSO) {
		if (!e.gso.size || (e.gso.type != NETF_GSO_TCPV4 && e.gso.type != NETF_GSO_TCPV6))
			p->bad = true;
		p->gso_size = e.gso.size;
		p->gso_type = e.gso.type;
	}
	return e.flags & 1;
}

static void fragment(struct netf_packet *p, void *cookie, uint16_t offset, int16_t status)
{
	if (status < 0 || (uint32_t)offset + (uint32_t)status > FE_PAGE || p->bytes + (uint32_t)status > NETF_MAX_PACKET)
		p->bad = true;
	if (p->bad || !status || p->nr_frags == NETF_MAX_FRAGS) {
		/* More fragments than we keep hold no packet of this size. */
		p->bad |= p->nr_frags == NETF_MAX_FRAGS;
		p->unused[p->nr_unused++] = cookie;
		return;
	}
	p->frag[p->nr_frags++] = (struct netf_frag){ cookie, offset, (uint16_t)status };
	p->bytes += (uint32_t)status;
}

int netf_rx_take(struct netf_rx *r, struct netf_packet *p)
{
	bool more = true, in_extra = false;
	uint32_t n, there, first;
	int answers;

	answers = r->why ? -1 : fe_ring_answers(&r->ring);
	if (answers < 0)
		return dead(&r->ring, &r->why, "more packets than buffers");
	r->partial = 0;
	if (!answers)
		return 0;
	there = (uint32_t)answers;
	first = r->ring.cons;
	memset(p, 0, offsetof(struct netf_packet, frag));
	for (n = 0; more || in_extra; n++) {
		const struct netf_rx_answer *a = fe_ring_entry(&r->ring, first + n);
		uint16_t id = (uint16_t)((first + n) & (NETF_SLOTS - 1)), flags;

		if (n == NETF_MAX_CHAIN)
			return dead(&r->ring, &r->why, "a packet without an end");
		if (n == there) {
			r->partial = n;
			return 0;	/* the rest is on its way */
		}
		if (in_extra) {
			in_extra = extra(p, a);
			p->unused[p->nr_unused++] = r->cookie[id];
			continue;
		}
		flags = READ_ONCE(a->flags);
		if (READ_ONCE(a->id) != id)
			return dead(&r->ring, &r->why, "a packet in a buffer that nobody gave");
		if (!n)
			p->flags = flags;
		more = flags & NETF_RX_MORE;
		in_extra = !n && (flags & NETF_RX_EXTRA);
		fragment(p, r->cookie[id], READ_ONCE(a->offset), READ_ONCE(a->status));
	}
	while (n--)
		r->cookie[r->ring.cons++ & (NETF_SLOTS - 1)] = NULL;
	if (!p->nr_frags)
		p->bad = true;
	return 1;
}

bool netf_rx_sleep(struct netf_rx *r)
{
	fe_ring_sleep(&r->ring, r->partial + 1);
	return fe_ring_answers(&r->ring) != (int)r->partial;
}

void *netf_rx_forget(struct netf_rx *r)
{
	uint16_t i;

	for (i = 0; i < NETF_SLOTS; i++) {
		void *cookie = r->cookie[i];

		r->cookie[i] = NULL;
		if (cookie)
			return cookie;
	}
	return NULL;
}

/* ---- control ---- */

void netf_ctrl_init(struct netf_ctrl *c, void *mem)
{
	memset(c, 0, sizeof(*c));
	fe_ring_init(&c->ring, mem, FE_PAGE, sizeof(struct netf_ctrl_request));
}

bool netf_ctrl_ask(struct netf_ctrl *c, uint16_t type, uint32_t a, uint32_t b, uint32_t d)
{
	struct netf_ctrl_request *e = fe_ring_entry(&c->ring, c->ring.prod++);

	*e = (struct netf_ctrl_request){ .id = ++c->id, .type = type, .data = { a, b, d } };
	return fe_ring_push(&c->ring);
}

int netf_ctrl_answer(struct netf_ctrl *c, uint16_t type, uint32_t *status, uint32_t *data)
{
	const struct netf_ctrl_answer *a;
	int n = c->why ? -1 : fe_ring_answers(&c->ring);

	if (n < 0)
		return dead(&c->ring, &c->why, "more control answers than requests");
	if (!n)
		return 0;
	a = fe_ring_entry(&c->ring, c->ring.cons);
	if (READ_ONCE(a->id) != c->id || READ_ONCE(a->type) != type)
		return dead(&c->ring, &c->why, "an answer to another control request");
	*status = READ_ONCE(a->status);
	*data = READ_ONCE(a->data);
	c->ring.cons++;
	return 1;
}
