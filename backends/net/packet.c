/* SPDX-License-Identifier: MIT */
/*
 * What a backend must know of the packets that it passes on.
 *
 * Job:    the header that a tap device wants, from what the ring says; who may send what; checksums for peers that
 *         leave them to us. Packets are a guest's, or anybody's on the network.
 * Enter:  net/queue.c; the tests.
 * State:  none but the caller's.  Locks: none.
 * Holds:  1. No byte outside of [head, head + len) is touched, whatever is in it.
 *         2. A header that packet_header() makes names only bytes of the packet.
 * Caveat: of IPv6 extension headers only hop-by-hop, routing and destination options are passed over; a fragment's
 *         checksum cannot be left to us.
 * Tests:  tests/tools-tests/unit/test_netpacket.c, tests/fuzz/fuzz_netring.c
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pv-abi/netif.h>
#include "packet.h"

#define ETH_LEN 14U
#define TYPE_IP4 0x0800
#define TYPE_ARP 0x0806
#define TYPE_VLAN 0x8100
#define TYPE_IP6 0x86dd
#define PROTO_TCP 6
#define PROTO_UDP 17

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* --- where things are --- */

static void layout4(struct layout *l, const uint8_t *head, size_t len)
{
	const uint8_t *ip = head + l->l3;
	size_t ihl;

	if (len < l->l3 + 20U || ip[0] >> 4 != 4)
		return;
	ihl = (ip[0] & 15U) * 4;
	if (ihl < 20 || len < l->l3 + ihl)
		return;
	l->version = 4;
	l->proto = ip[9];
	if (!(be16(ip + 6) & 0x3fff))	/* not a fragment */
		l->l4 = (uint16_t)(l->l3 + ihl);
}

static void layout6(struct layout *l, const uint8_t *head, size_t len)
{
	size_t at = l->l3 + 40U;
	uint8_t next;

	if (len < at || head[l->l3] >> 4 != 6)
		return;
	l->version = 6;
	next = head[l->l3 + 6];
	while (next == 0 || next == 43 || next == 60) {
		if (at + 2 > len)
			return;
		next = head[at];
		at += 8U + head[at + 1] * 8U;
	}
	l->proto = next;
	if (at <= len && next != 44)
		l->l4 = (uint16_t)at;
}

struct layout packet_layout(const uint8_t *head, size_t len)
{
	struct layout l = { .l3 = ETH_LEN };
	uint16_t type;

	if (len < ETH_LEN)
		return l;
	type = be16(head + 12);
	if (type == TYPE_VLAN && len >= ETH_LEN + VLAN_TAG) {
		l.vlan = true;
		l.l3 += VLAN_TAG;
		type = be16(head + 16);
	}
	if (type == TYPE_IP4)
		layout4(&l, head, len);
	else if (type == TYPE_IP6)
		layout6(&l, head, len);
	if ((l.proto == PROTO_TCP && l.l4 + 20U <= len) || (l.proto == PROTO_UDP && l.l4 + 8U <= len))
		return l;
	l.l4 = 0;
	return l;
}

/* --- who sends --- */

static bool is_own(const struct identity *who, const uint8_t *addr, unsigned int len)
{
	static const uint8_t none[16];

	if (!memcmp(addr, none, len))	/* it has no address yet: DHCP, duplicate address detection */
		return true;
	if (len == 16 && addr[0] == 0xfe && (addr[1] & 0xc0) == 0x80)	/* link-local */
		return true;
	for (unsigned int i = 0; i < who->nr_ips; i++)
		if (who->ip[i].len == len && !memcmp(who->ip[i].bytes, addr, len))
			return true;
	return false;
}

bool packet_from(const struct identity *who, const uint8_t *head, size_t len)
{
	struct layout l;

	if (!who->check)
		return true;
	if (len < ETH_LEN || memcmp(head + 6, who->mac, 6))
		return false;
	if (!who->nr_ips)
		return true;
	l = packet_layout(head, len);
	if (l.version == 4)
		return is_own(who, head + l.l3 + 12, 4);
	if (l.version == 6)
		return is_own(who, head + l.l3 + 8, 16);
	if (be16(head + l.l3 - 2U) == TYPE_ARP)
		return len >= l.l3 + 28U && !memcmp(head + l.l3 + 8, who->mac, 6) &&
		       is_own(who, head + l.l3 + 14, 4);
	return false;			/* neither IP nor ARP: who has addresses sends no other */
}

/* --- checksums --- */

static uint32_t sum(const uint8_t *p, size_t len, uint32_t s)
{
	size_t i;

	for (i = 0; i + 1 < len; i += 2)
		s += be16(p + i);
	if (i < len)
		s += (uint32_t)p[i] << 8;
	return s;
}

static uint16_t fold(uint32_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)s;
}

static uint16_t pseudo(const uint8_t *head, const struct layout *l, size_t payload)
{
	const uint8_t *ip = head + l->l3;
	uint32_t s = l->version == 4 ? sum(ip + 12, 8, 0) : sum(ip + 8, 32, 0);

	return fold(s + l->proto + (uint32_t)(payload >> 16) + (uint32_t)(payload & 0xffff));
}

bool packet_header(struct vnet_hdr *h, uint8_t *head, size_t len, size_t size, bool csum_blank, bool validated,
		   uint8_t gso_type, uint16_t gso_size)
{
	struct layout l;

	memset(h, 0, sizeof(*h));
	if (!csum_blank && !gso_type) {
		h->flags = validated ? VNET_DATA_VALID : 0;
		return true;
	}
	l = packet_layout(head, len);
	if (!l.l4)
		return false;
	h->flags = VNET_NEEDS_CSUM;
	h->csum_start = l.l4;
	h->csum_offset = l.proto == PROTO_TCP ? 16 : 6;
	if (!gso_type)
		return true;
	h->hdr_len = (uint16_t)(l.l4 + (head[l.l4 + 12] >> 4) * 4U);
	if (l.proto != PROTO_TCP || l.version != (gso_type == XEN_NETIF_GSO_TYPE_TCPV4 ? 4 : 6) ||
	    h->hdr_len < l.l4 + 20U || h->hdr_len > size || !gso_size)
		return false;
	if (!csum_blank)		/* it has the sum of the whole; a segment's starts from the pseudo header's */
		put16(head + l.l4 + 16, pseudo(head, &l, size - l.l4));
	h->gso_size = gso_size;
	h->gso_type = gso_type == XEN_NETIF_GSO_TYPE_TCPV4 ? VNET_GSO_TCPV4 : VNET_GSO_TCPV6;
	return true;
}

void packet_checksum(const struct vnet_hdr *h, uint8_t *packet, size_t size)
{
	size_t at = (size_t)h->csum_start + h->csum_offset;
	uint16_t s;

	if (!(h->flags & VNET_NEEDS_CSUM) || at + 2 > size)
		return;
	s = (uint16_t)~fold(sum(packet + h->csum_start, size - h->csum_start, 0));
	put16(packet + at, s ? s : 0xffff);
}

/* --- multicast --- */

static int find(const struct filter *f, const uint8_t *mac)
{
	for (unsigned int i = 0; i < f->nr; i++)
		if (!memcmp(f->mac[i], mac, 6))
			return (int)i;
	return -1;
}

bool packet_wanted(const struct filter *f, const uint8_t *head)
{
	static const uint8_t all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	return !f->on || !(head[0] & 1) || !memcmp(head, all, 6) || find(f, head) >= 0;
}

bool filter_add(struct filter *f, const uint8_t mac[6])
{
	if (find(f, mac) >= 0)
		return true;
	if (f->nr == MAX_MULTICAST)
		return false;
	memcpy(f->mac[f->nr++], mac, 6);
	return true;
}

void filter_remove(struct filter *f, const uint8_t mac[6])
{
	int i = find(f, mac);

	if (i >= 0)
		memcpy(f->mac[i], f->mac[--f->nr], 6);
}

/* --- texts --- */

bool packet_mac(uint8_t mac[6], const char *text)
{
	for (unsigned int i = 0; i < 6; i++) {
		char *end;
		unsigned long v = strtoul(text, &end, 16);

		if (end - text != 2 || *end != (i < 5 ? ':' : '\0'))
			return false;
		mac[i] = (uint8_t)v;
		text = end + 1;
	}
	return true;
}

int packet_addresses(struct identity *who, const char *text)
{
	char one[64];

	who->nr_ips = 0;
	for (;;) {
		size_t n;

		text += strspn(text, " ,");
		n = strcspn(text, " ,");
		if (!n)
			return 0;
		if (n >= sizeof(one) || who->nr_ips == MAX_ADDRESSES)
			return -1;
		memcpy(one, text, n);
		one[n] = '\0';
		text += n;
		one[strcspn(one, "/")] = '\0';	/* a prefix length says nothing about the sender */
		if (inet_pton(AF_INET, one, who->ip[who->nr_ips].bytes) == 1)
			who->ip[who->nr_ips++].len = 4;
		else if (inet_pton(AF_INET6, one, who->ip[who->nr_ips].bytes) == 1)
			who->ip[who->nr_ips++].len = 16;
		else
			return -1;
	}
}
