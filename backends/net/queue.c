/* SPDX-License-Identifier: MIT */
/*
 * Packets from a guest's rings to a tap device and back.
 *
 * Job:    take packets in batches: one copy hypercall for all that lies in pages which are not mapped, none for pages
 *         of the pool; one system call for each packet (of up to 64 KiB); at most one notification for a batch.
 * Enter:  net/vif.c, when a channel or the tap has something.
 * State:  struct queue; buffers for one batch, shared by all queues (one thread).
 * Locks:  none.
 * Holds:  1. The first HEAD_MAX bytes of a packet are copied before they are looked at, and the copy is what is sent.
 *         2. An answer is shown when the packet is with the kernel, or in the guest's pages, and not before.
 *         3. A failed copy costs the guest that packet (going out) or that batch (coming in), and nobody else anything.
 *         4. Without requests for packets the tap is not listened to; with an idle ring nobody is asked for anything.
 *         5. A frontend that waits for answers to small packets (acknowledgements, questions) most likely gets a packet
 *            soon, and is told of both at once; else after OWED_US, or when OWED_MAX answers wait. Only for frontends
 *            with one channel for both.
 * Tests:  tests/tools-tests (on a machine)
 */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>
#include "../common/loop.h"
#include "vif.h"

#define BATCH 64U			/* packets */
#define MAX_COPIES 256U			/* pages of a batch */
#define PACKET_MAX (65535U + 14 + VLAN_TAG)
#define PACKET_PAGES ((PACKET_MAX + NET_PAGE - 1) / NET_PAGE)
#define SMALL 256U			/* bytes of a packet that comes alone, perhaps */
#define OWED_MAX 32U			/* answers */
#define OWED_BYTES 4096U		/* of packets in one go that are small */
#define ROUNDS 8			/* batches before others get their turn */

/* The first is only there for a packet's header, which is read to right before the packet. */
static uint8_t pages[1 + MAX_COPIES][NET_PAGE] __attribute__((aligned(4096)));
static struct grant_copy copies[MAX_COPIES + PACKET_PAGES];
static unsigned int nr_copies;

/* --- from the guest --- */

struct outgoing {
	struct tx_packet p;
	enum tx_result kind;
	uint8_t *part[XEN_NETIF_NR_SLOTS_MIN];
	unsigned int first, copied;	/* of copies[] */
};
static struct outgoing out[BATCH];

static void refill(struct vif *v)
{
	uint64_t now = loop_now(), n = (now - v->since) / v->interval_us;

	if (!n)
		return;
	v->since += n * v->interval_us;
	/* What was not used does not add up; a packet larger than the credit is paid later. */
	if (n > (uint64_t)(v->rate - v->credit) / (uint64_t)v->rate)
		v->credit = v->rate;
	else
		v->credit += (int64_t)n * v->rate;
}

static void credit_back(void *ctx)
{
	struct queue *q = ctx;

	q->more = true;
}

/* true: it may go now. */
static bool within_rate(struct queue *q)
{
	struct vif *v = q->vif;

	if (!v->rate)
		return true;
	refill(v);
	if (v->credit > 0)
		return true;
	loop_after(v->interval_us, credit_back, q);
	return false;
}

static void charge(struct vif *v, uint32_t bytes)
{
	if (v->rate)
		v->credit -= bytes;
}

/* Says where the packet's parts will be, and notes what is to be copied. */
static void place(struct queue *q, struct outgoing *o)
{
	o->first = nr_copies;
	for (unsigned int i = 0; i < o->p.nr; i++) {
		const struct tx_slot *s = &o->p.slot[i];
		uint8_t *page = q->pool ? pool_find(q->pool, s->gref, false) : NULL;

		if (page) {
			o->part[i] = page + s->offset;
			continue;
		}
		o->part[i] = pages[nr_copies] + s->offset;
		copies[nr_copies++] = (struct grant_copy){ o->part[i], s->gref, s->offset, s->len, false };
	}
	o->copied = nr_copies - o->first;
}

/* false: the packet is dropped. */
static bool send_one(struct queue *q, struct outgoing *o)
{
	uint8_t head[sizeof(struct vnet_hdr) + VLAN_TAG + HEAD_MAX], *h = head + sizeof(struct vnet_hdr) + VLAN_TAG;
	struct iovec v[1 + XEN_NETIF_NR_SLOTS_MIN];
	size_t len = 0, size = o->p.size;
	struct vnet_hdr vh;
	unsigned int i, n = 1;

	for (i = 0; i < o->p.nr && len < HEAD_MAX; i++) {
		size_t part = o->p.slot[i].len, take = part < HEAD_MAX - len ? part : HEAD_MAX - len;

		memcpy(h + len, o->part[i], take);
		len += take;
		if (take < part)
			v[n++] = (struct iovec){ o->part[i] + take, part - take };
	}
	for (; i < o->p.nr; i++)
		v[n++] = (struct iovec){ o->part[i], o->p.slot[i].len };
	if (!packet_from(&q->vif->who, h, len) || (q->vif->vlan && packet_layout(h, len).vlan)) {
		q->vif->saved->count.tx_refused++;
		return false;
	}
	if (!packet_header(&vh, h, len, size, o->p.csum_blank, o->p.validated, o->p.gso_type, o->p.gso_size))
		return false;
	if (q->vif->vlan) {
		memmove(h - VLAN_TAG, h, 12);
		h -= VLAN_TAG;
		len += VLAN_TAG;
		h[12] = 0x81;
		h[13] = 0;
		h[14] = (uint8_t)(q->vif->vlan >> 8);
		h[15] = (uint8_t)q->vif->vlan;
		vh.csum_start += vh.flags & VNET_NEEDS_CSUM ? VLAN_TAG : 0;
		vh.hdr_len += vh.gso_type ? VLAN_TAG : 0;
	}
	h -= sizeof(vh);
	len += sizeof(vh);
	memcpy(h, &vh, sizeof(vh));
	v[0] = (struct iovec){ h, len };
	return (n == 1 ? write(q->tap, h, len) : writev(q->tap, v, (int)n)) > 0;
}

static void finish(struct queue *q, struct outgoing *o, bool copied)
{
	struct vif_counters *c = &q->vif->saved->count;
	int16_t status = NETIF_RSP_ERROR;

	if (o->kind == TX_MULTICAST) {
		if (o->p.mcast_type == XEN_NETIF_EXTRA_TYPE_MCAST_DEL)
			filter_remove(&q->vif->filter, o->p.mcast);
		else if (!filter_add(&q->vif->filter, o->p.mcast))
			goto answer;
		memcpy(q->vif->saved->multicast, q->vif->filter.mac, sizeof(q->vif->filter.mac));
		q->vif->saved->nr_multicast = q->vif->filter.nr;
		status = NETIF_RSP_OKAY;
	} else if (o->kind == TX_PACKET && (copied || !o->copied || !grants_copy(o->copied, copies + o->first))) {
		bool sent = send_one(q, o);

		c->tx_packets += sent;
		c->tx_bytes += sent ? o->p.size : 0;
		c->tx_dropped += !sent;
		status = sent ? NETIF_RSP_OKAY : NETIF_RSP_DROPPED;
	} else {
		c->tx_dropped++;
	}
answer:
	tx_answer(&q->tx, &o->p, status);
}

/* Shows the answers, and decides when the frontend is told. */
static void show_answers(struct queue *q, uint32_t bytes)
{
	uint32_t n = q->tx.cons - q->tx.rsp;

	if (!tx_show(&q->tx))
		return;
	q->owed += n;
	if (bytes > OWED_BYTES || q->owed > OWED_MAX || q->tx_channel != q->rx_channel)
		q->tell_tx = true;
	else
		settle_later();
}

void queue_settle(struct queue *q)
{
	q->tell_tx |= q->owed != 0;
}

const char *queue_tx(struct queue *q)
{
	uint32_t bytes = 0;

	for (unsigned int round = 0; round < ROUNDS; round++) {
		enum tx_result r = TX_NONE;
		unsigned int n = 0;
		bool copied;

		nr_copies = 0;
		while (n < BATCH && nr_copies + XEN_NETIF_NR_SLOTS_MIN <= MAX_COPIES && within_rate(q)) {
			r = tx_next(&q->tx, &out[n].p);
			if (r == TX_NONE || r == TX_BROKEN)
				break;
			out[n].kind = r;
			out[n].copied = 0;
			if (r == TX_PACKET) {
				bytes += out[n].p.size;
				charge(q->vif, out[n].p.size);
				place(q, &out[n]);
			}
			n++;
		}
		if (r == TX_BROKEN)
			return "impossible requests on the transmit ring";
		if (!n && r == TX_NONE && q->vif->rate && q->vif->credit <= 0)
			return NULL;		/* credit_back() goes on */
		if (!n && !tx_sleep(&q->tx))
			return NULL;
		/* Refused: somebody's reference is void. Each is tried alone. */
		copied = !nr_copies || !grants_copy(nr_copies, copies);
		q->vif->saved->count.copies += nr_copies != 0;
		for (unsigned int i = 0; i < n; i++)
			finish(q, &out[i], copied);
		show_answers(q, bytes);
		if (r == TX_NONE && !tx_sleep(&q->tx))
			return NULL;
	}
	q->more = true;
	return NULL;
}

/* --- to the guest --- */

struct incoming {
	struct vnet_hdr h;
	uint8_t *data;			/* NULL: it is in the guest's pages already */
	uint32_t len, slots;
};
static struct incoming in[BATCH];

static uint32_t slots_of(const struct vnet_hdr *h, uint32_t len)
{
	return (len + NET_PAGE - 1) / NET_PAGE + (h->gso_type != 0);
}

/* What the guest must not or does not want to see; may shorten the packet at its front. */
static bool accept_packet(struct vif *v, struct vnet_hdr *h, uint8_t **data, uint32_t *len)
{
	struct layout l;

	if (*len < 14 || !packet_wanted(&v->filter, *data))
		return false;
	if (v->vlan) {
		l = packet_layout(*data, *len);
		if (!l.vlan || ((*data)[14] & 0x0f) != v->vlan >> 8 || (*data)[15] != (v->vlan & 0xff))
			return false;
		memmove(*data + VLAN_TAG, *data, 12);
		*data += VLAN_TAG;
		*len -= VLAN_TAG;
		h->csum_start -= h->flags & VNET_NEEDS_CSUM ? VLAN_TAG : 0;
	}
	if (h->flags & VNET_NEEDS_CSUM && !(v->csum4 && v->csum6)) {
		l = packet_layout(*data, *len);
		if (!(l.version == 6 ? v->csum6 : v->csum4)) {
			packet_checksum(h, *data, *len);
			h->flags = VNET_DATA_VALID;
		}
	}
	return !h->gso_type || (h->gso_type & 0x7f) == VNET_GSO_TCPV4 || (h->gso_type & 0x7f) == VNET_GSO_TCPV6;
}

/* Takes the packet that is held, or the next from the tap, into buf; 0: there is none. Writes before buf too. */
static uint32_t take(struct queue *q, struct vnet_hdr *h, uint8_t *buf)
{
	uint32_t len = (uint32_t)q->held;
	ssize_t n;

	if (len) {
		memcpy(buf, q->hold, len);
		*h = q->held_hdr;
		q->held = 0;
		return len;
	}
	n = read(q->tap, buf - sizeof(*h), sizeof(*h) + PACKET_MAX);
	memcpy(h, buf - sizeof(*h), sizeof(*h));
	return n > (ssize_t)sizeof(*h) ? (uint32_t)((size_t)n - sizeof(*h)) : 0;
}

static void hold_back(struct queue *q, const struct vnet_hdr *h, const uint8_t *data, uint32_t len)
{
	memcpy(q->hold, data, len);
	q->held_hdr = *h;
	q->held = len;
}

/* The request that holds the n-th page of a packet that begins at request `at`: an extra info takes the second. */
static uint32_t place_of(const struct incoming *p, uint32_t at, uint32_t n)
{
	return at + n + (n && p->h.gso_type);
}

/* Notes the copies into the guest's pages; what is mapped is copied at once. */
static void spread(struct queue *q, const struct incoming *p, uint32_t at)
{
	for (uint32_t i = 0, done = 0; done < p->len; i++) {
		uint32_t part = p->len - done < NET_PAGE ? p->len - done : NET_PAGE;
		uint32_t ref = rx_gref(&q->rx, place_of(p, at, i));
		void *page = q->pool ? pool_find(q->pool, ref, true) : NULL;

		if (page)
			memcpy(page, p->data + done, part);
		else
			copies[nr_copies++] = (struct grant_copy){ p->data + done, ref, 0, (uint16_t)part, true };
		done += part;
	}
}

static void answer_packet(struct queue *q, const struct incoming *p, bool good)
{
	uint16_t flags = 0;
	uint32_t left = p->len;

	if (p->h.flags & VNET_NEEDS_CSUM)
		flags = NETRXF_csum_blank | NETRXF_data_validated;
	else if (p->h.flags & VNET_DATA_VALID)
		flags = NETRXF_data_validated;
	for (uint32_t i = 0; left; i++) {
		uint32_t part = left < NET_PAGE ? left : NET_PAGE;

		left -= part;
		if (!good) {
			rx_put(&q->rx, 0, 0, NETIF_RSP_ERROR);
		} else {
			rx_put(&q->rx, 0, (uint16_t)(flags | (left ? NETRXF_more_data : 0) |
						     (!i && p->h.gso_type ? NETRXF_extra_info : 0)), (int16_t)part);
		}
		if (!i && p->h.gso_type) {
			struct netif_extra_info e = { .type = XEN_NETIF_EXTRA_TYPE_GSO };

			e.u.gso.size = p->h.gso_size;
			e.u.gso.type = (p->h.gso_type & 0x7f) == VNET_GSO_TCPV4 ? XEN_NETIF_GSO_TYPE_TCPV4 :
				       XEN_NETIF_GSO_TYPE_TCPV6;
			if (good)
				rx_put_extra(&q->rx, &e);
			else
				rx_put(&q->rx, 0, 0, NETIF_RSP_ERROR);
		}
		flags = 0;
	}
}

/*
 * May the kernel write a packet straight into the guest's pages, from request `at` on? Not when small ones come: to
 * copy these costs less than a list of pages.
 */
static bool may_go_direct(const struct queue *q, uint32_t at, uint32_t room)
{
	const struct vif *v = q->vif;

	return q->pool && q->large && !q->held && !v->vlan && v->csum4 && v->csum6 && room - at > PACKET_PAGES;
}

/*
 * Reads a packet into pages of the pool, as many as it could need. Whether it needs a place for an extra info is known
 * only afterwards: the second request is kept free for it. 0: there is none, or it was dropped; negative: these pages
 * are not all of the pool.
 */
static int take_direct(struct queue *q, struct incoming *p, uint32_t at)
{
	struct iovec v[PACKET_PAGES + 1] = { { &p->h, sizeof(p->h) } };
	uint8_t *to[PACKET_PAGES];
	unsigned int i;
	ssize_t len;

	for (i = 0; i < PACKET_PAGES; i++) {
		to[i] = pool_find(q->pool, rx_gref(&q->rx, at + i + (i != 0)), true);
		if (!to[i])
			return -1;
		v[i + 1] = (struct iovec){ to[i], NET_PAGE };
	}
	len = readv(q->tap, v, PACKET_PAGES + 1) - (ssize_t)sizeof(p->h);
	if (len <= 0)
		return 0;
	p->len = (uint32_t)len;
	p->slots = slots_of(&p->h, p->len);
	q->large = p->len > NET_PAGE;
	p->data = NULL;
	if (p->len > NET_PAGE && !p->h.gso_type) {
		/* Nothing stands in the second request: the pages move up by one. */
		uint8_t *second = pool_find(q->pool, rx_gref(&q->rx, at + 1), true);

		if (!second)
			return 0;
		memcpy(second, to[1], NET_PAGE);
		for (i = 2; i * NET_PAGE < p->len; i++)
			memcpy(to[i - 1], to[i], NET_PAGE);
	}
	if (p->len < 14 || !packet_wanted(&q->vif->filter, to[0])) {
		q->vif->saved->count.rx_dropped++;
		return 0;
	}
	return 1;
}

enum gather { GATHERED, DRAINED, STARVED };

/* A batch into in[]; *need: what the held packet wants. */
static enum gather gather(struct queue *q, uint32_t room, unsigned int *nr, uint32_t *need)
{
	uint32_t at = 0, page = 0;
	unsigned int n = 0;
	enum gather why = GATHERED;

	nr_copies = 0;
	while (n < BATCH && page + PACKET_PAGES <= MAX_COPIES) {
		struct incoming *p = &in[n];
		uint8_t *data = pages[1 + page];
		int direct = may_go_direct(q, at, room) ? take_direct(q, p, at) : -1;

		if (direct < 0) {
			p->len = take(q, &p->h, data);
			if (p->len && !accept_packet(q->vif, &p->h, &data, &p->len)) {
				q->vif->saved->count.rx_dropped++;
				continue;
			}
			p->data = data;
			p->slots = slots_of(&p->h, p->len);
			if (p->len && p->slots > room - at) {
				hold_back(q, &p->h, data, p->len);
				*need = p->slots;
				why = STARVED;
				break;
			}
			if (p->len) {
				unsigned int before = nr_copies;

				spread(q, p, at);
				q->large = p->len > NET_PAGE;
				/* The next one's header must not lie over it. */
				if (nr_copies != before)
					page += ((uint32_t)(data - pages[1 + page]) + p->len + sizeof(p->h) + NET_PAGE - 1) /
						NET_PAGE;
			}
		} else if (!direct) {
			p->len = 0;
		}
		if (!p->len) {
			why = DRAINED;
			break;
		}
		at += p->slots;
		n++;
		if (n == 1 && p->len < SMALL) {	/* most likely alone: the loop asks whether there is more */
			why = DRAINED;
			break;
		}
	}
	*nr = n;
	return why;
}

const char *queue_rx(struct queue *q)
{
	struct vif_counters *c = &q->vif->saved->count;

	for (unsigned int round = 0; round < ROUNDS; round++) {
		int room = rx_room(&q->rx);
		enum gather why;
		unsigned int n;
		uint32_t need = 1;
		bool good;

		if (room < 0)
			return "impossible requests on the receive ring";
		why = gather(q, (uint32_t)room, &n, &need);
		good = !nr_copies || !grants_copy(nr_copies, copies);
		c->copies += nr_copies != 0;
		for (unsigned int i = 0; i < n; i++) {
			answer_packet(q, &in[i], good || !in[i].data);
			c->rx_packets += good;
			c->rx_bytes += good ? in[i].len : 0;
			c->rx_dropped += !good;
		}
		q->tell_rx |= rx_show(&q->rx);
		if (why == DRAINED) {
			queue_listen(q, true);
			return NULL;
		}
		if (why == STARVED && !rx_sleep(&q->rx, need)) {
			queue_listen(q, false);
			return NULL;
		}
	}
	queue_listen(q, true);
	return NULL;
}

/* --- both --- */

static void flush_one(struct queue *q)
{
	struct vif_counters *c = &q->vif->saved->count;
	bool both = q->tx_channel == q->rx_channel;

	if (q->tell_tx || (both && q->tell_rx)) {
		channel_notify(q->tx_channel);
		c->notifications++;
		q->owed = 0;
	}
	if (q->tell_rx && !both) {
		channel_notify(q->rx_channel);
		c->notifications++;
	}
	q->tell_tx = q->tell_rx = false;
}

bool queues_flush(struct vif *v)
{
	bool more = false;

	for (unsigned int i = 0; i < v->nr_queues; i++) {
		flush_one(&v->queue[i]);
		more |= v->queue[i].more;
	}
	return more;
}
