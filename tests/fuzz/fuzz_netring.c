/* SPDX-License-Identifier: MIT */
/*
 * Fuzzer: a hostile network frontend. The input is what it writes into the shared pages between the backend's steps,
 * what its packets begin with, and when the backend dies. Claims: no index leads out of a table or a page, a packet's
 * parts make up its size, an answer lies in the slot of its request, and a header for the tap names bytes of the packet.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "backends/net/ring.c"
#include "backends/net/packet.c"

static _Alignas(4096) uint8_t tx_page[4096], rx_page[4096];
static struct tx_journal tj;
static struct rx_journal rj;
static struct tx_ring tx;
static struct rx_ring rx;

static void must(int claim)
{
	if (!claim)
		abort();
}

static const uint8_t *in;
static size_t left;

static uint8_t byte(void)
{
	if (!left)
		return 0;
	left--;
	return *in++;
}

/* Bytes of the input go anywhere into one of the pages; the indices are written more often than the rest. */
static void scribble(uint8_t *page)
{
	uint32_t at = byte() & 1 ? (byte() & 3) * 4u : (byte() | (uint32_t)byte() << 8) % 4096, n = byte() % 32;

	while (n-- && at < 4096)
		page[at++] = byte();
}

static void check_packet(const struct tx_packet *p)
{
	uint32_t sum = 0;

	must(p->nr >= 1 && p->nr <= XEN_NETIF_NR_SLOTS_MIN && p->size >= 14);
	for (uint32_t i = 0; i < p->nr; i++) {
		must(p->slot[i].len > 0 && p->slot[i].offset + p->slot[i].len <= NET_PAGE);
		sum += p->slot[i].len;
	}
	must(sum == p->size);
	must(p->to - p->from <= NET_RING && p->to - tx.rsp <= NET_RING);
}

static void head(const struct tx_packet *p)
{
	struct identity who = { .check = true, .nr_ips = 1, .ip = { { 4, { 10, 0, 0, 1 } } } };
	size_t len = p->size < HEAD_MAX ? p->size : HEAD_MAX;
	uint8_t *h = malloc(len);		/* ASan knows its end */
	struct vnet_hdr v;

	for (size_t i = 0; i < len; i++)
		h[i] = byte();
	if (byte() & 1) {			/* something like IP */
		h[12] = 8;
		h[13] = 0;
		if (len > 14)
			h[14] = 0x45;
		if (len > 23)
			h[23] = 6;
	}
	packet_from(&who, h, len);
	if (packet_header(&v, h, len, p->size, p->csum_blank, p->validated, p->gso_type, p->gso_size)) {
		must(v.csum_start + v.csum_offset + (v.flags & VNET_NEEDS_CSUM ? 2u : 0u) <= len);
		must(v.hdr_len <= p->size);
		packet_checksum(&v, h, len);
	}
	free(h);
}

static void transmit(void)
{
	struct tx_packet p;
	enum tx_result r;
	unsigned int n = 0;

	while ((r = tx_next(&tx, &p)) != TX_NONE && r != TX_BROKEN) {
		must(n++ <= NET_RING);
		if (r == TX_PACKET) {
			check_packet(&p);
			head(&p);
		}
		tx_answer(&tx, &p, NETIF_RSP_OKAY);
		if (byte() & 1)
			scribble(tx_page);
	}
	must(tx.cons - tx.rsp <= NET_RING);
	if (byte() & 1) {
		tx_show(&tx);
		must(tx.rsp == tx.cons && tj.done == tx.cons);
	}
	tx_sleep(&tx);
}

static void receive(void)
{
	int room = rx_room(&rx);

	must(room <= (int)NET_RING);
	for (int i = 0; i < room; i++)
		rx_gref(&rx, (uint32_t)i);
	for (int i = byte() % 20; i > 0 && room > 0; i--, room--)
		rx_put(&rx, 0, 0, 60);
	must(rx.cons - rx.rsp <= NET_RING);
	if (byte() & 1)
		rx_show(&rx);
	rx_sleep(&rx, 1 + byte() % 18);
}

static int attach(bool again)
{
	bool notify;

	return tx_init(&tx, tx_page, &tj, again, &notify) && rx_init(&rx, rx_page, &rj, again, &notify);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	in = data;
	left = size;
	memset(tx_page, 0, sizeof(tx_page));
	memset(rx_page, 0, sizeof(rx_page));
	memset(&tj, 0, sizeof(tj));
	memset(&rj, 0, sizeof(rj));
	if (!attach(false))
		return 0;
	while (left) {
		switch (byte() % 6) {
		case 0:
		case 1:
			scribble(tx_page);
			break;
		case 2:
			scribble(rx_page);
			break;
		case 3:
			transmit();
			break;
		case 4:
			receive();
			break;
		case 5:
			if (!attach(true))
				return 0;
		}
	}
	return 0;
}
