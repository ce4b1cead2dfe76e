/* SPDX-License-Identifier: MIT */
/* Packets as a network backend sees them: headers for the tap, who may send what, checksums, multicast. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "backends/net/packet.c"

static const uint8_t mac[6] = { 0x00, 0x16, 0x3e, 1, 2, 3 };
static uint8_t pkt[1600];
static struct vnet_hdr h;

static void put(size_t at, uint16_t v)
{
	put16(pkt + at, v);
}

/* Ethernet (with a VLAN tag or not), IPv4, a protocol; the length of all headers. */
static size_t ip4(bool vlan, uint8_t proto, const char *from)
{
	size_t l3 = vlan ? 18 : 14;

	memset(pkt, 0, sizeof(pkt));
	memset(pkt, 2, 6);
	memcpy(pkt + 6, mac, 6);
	if (vlan)
		put(12, TYPE_VLAN);
	put(l3 - 2, TYPE_IP4);
	pkt[l3] = 0x45;
	pkt[l3 + 9] = proto;
	inet_pton(AF_INET, from, pkt + l3 + 12);
	pkt[l3 + 20 + 12] = 0x50;		/* TCP: five words */
	return l3 + 40;
}

static void test_layout(void **state)
{
	struct layout l = packet_layout(pkt, ip4(false, PROTO_TCP, "10.0.0.1"));

	assert_int_equal(l.l3, 14);
	assert_int_equal(l.l4, 34);
	assert_int_equal(l.version, 4);
	l = packet_layout(pkt, ip4(true, PROTO_UDP, "10.0.0.1"));
	assert_true(l.vlan);
	assert_int_equal(l.l4, 38);
	put(18 + 6, 0x2000);			/* a fragment */
	assert_int_equal(packet_layout(pkt, 60).l4, 0);
	/* IPv6 with a hop-by-hop header */
	memset(pkt, 0, sizeof(pkt));
	put(12, TYPE_IP6);
	pkt[14] = 0x60;
	pkt[20] = 0;
	pkt[54] = PROTO_TCP;
	l = packet_layout(pkt, 100);
	assert_int_equal(l.version, 6);
	assert_int_equal(l.l4, 62);
	assert_int_equal(packet_layout(pkt, 70).l4, 0);	/* cut off */
	for (size_t n = 0; n < 100; n++) {	/* under ASan: nothing behind the end is read */
		uint8_t *copy = malloc(n + !n);

		packet_layout(memcpy(copy, pkt, n), n);
		free(copy);
	}
}

static void test_header(void **state)
{
	size_t n = ip4(false, PROTO_TCP, "10.0.0.1");

	assert_true(packet_header(&h, pkt, n, n, false, true, 0, 0));
	assert_int_equal(h.flags, VNET_DATA_VALID);
	assert_true(packet_header(&h, pkt, n, n, true, true, 0, 0));
	assert_int_equal(h.flags, VNET_NEEDS_CSUM);
	assert_int_equal(h.csum_start, 34);
	assert_int_equal(h.csum_offset, 16);
	assert_true(packet_header(&h, pkt, n, 9000, true, true, XEN_NETIF_GSO_TYPE_TCPV4, 1448));
	assert_int_equal(h.gso_type, VNET_GSO_TCPV4);
	assert_int_equal(h.gso_size, 1448);
	assert_int_equal(h.hdr_len, n);
	assert_false(packet_header(&h, pkt, n, 9000, true, true, XEN_NETIF_GSO_TYPE_TCPV6, 1448));
	assert_false(packet_header(&h, pkt, n, 9000, true, true, XEN_NETIF_GSO_TYPE_TCPV4, 0));
	pkt[34 + 12] = 0x40;			/* less than a TCP header */
	assert_false(packet_header(&h, pkt, n, 9000, true, true, XEN_NETIF_GSO_TYPE_TCPV4, 1448));
	pkt[34 + 12] = 0xf0;			/* more than the packet */
	assert_false(packet_header(&h, pkt, n, n, true, true, XEN_NETIF_GSO_TYPE_TCPV4, 1448));
	ip4(false, 1, "10.0.0.1");
	assert_false(packet_header(&h, pkt, n, n, true, false, 0, 0));
}

static void test_spoof(void **state)
{
	struct identity who = { .check = true };
	size_t n = ip4(false, PROTO_UDP, "10.0.0.1");

	memcpy(who.mac, mac, 6);
	assert_true(packet_from(&who, pkt, n));
	pkt[11] ^= 1;
	assert_false(packet_from(&who, pkt, n));
	who.check = false;
	assert_true(packet_from(&who, pkt, n));
	who.check = true;
	pkt[11] ^= 1;
	assert_int_equal(packet_addresses(&who, "10.0.0.1/24, fd00::5"), 0);
	assert_int_equal(who.nr_ips, 2);
	assert_true(packet_from(&who, pkt, n));
	ip4(false, PROTO_UDP, "10.0.0.2");
	assert_false(packet_from(&who, pkt, n));
	ip4(true, PROTO_UDP, "10.0.0.2");	/* not behind a tag either */
	assert_false(packet_from(&who, pkt, n + 4));
	ip4(false, PROTO_UDP, "0.0.0.0");	/* DHCP */
	assert_true(packet_from(&who, pkt, n));
	put(12, 0x88cc);			/* what is neither IP nor ARP */
	assert_false(packet_from(&who, pkt, n));
	put(12, TYPE_ARP);
	memcpy(pkt + 22, mac, 6);
	inet_pton(AF_INET, "10.0.0.1", pkt + 28);
	assert_true(packet_from(&who, pkt, 42));
	assert_false(packet_from(&who, pkt, 41));
	inet_pton(AF_INET, "10.0.0.9", pkt + 28);
	assert_false(packet_from(&who, pkt, 42));
	memset(pkt + 14, 0, 60);
	put(12, TYPE_IP6);
	pkt[14] = 0x60;
	inet_pton(AF_INET6, "fe80::1", pkt + 22);
	assert_true(packet_from(&who, pkt, 60));
	inet_pton(AF_INET6, "fd00::6", pkt + 22);
	assert_false(packet_from(&who, pkt, 60));
	assert_int_equal(packet_addresses(&who, "nonsense"), -1);
	assert_int_equal(packet_addresses(&who, "1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4 1.1.1.5 1.1.1.6 1.1.1.7 1.1.1.8 1.1.1.9"), -1);
}

/* RFC 1071: the sum over all with the checksum in it is zero. */
static void test_checksum(void **state)
{
	size_t n = ip4(false, PROTO_UDP, "10.0.0.1") - 12 + 33;
	struct layout l = packet_layout(pkt, n);

	put(38, (uint16_t)(n - 34));
	for (size_t i = 42; i < n; i++)
		pkt[i] = (uint8_t)(i * 7);
	put(40, pseudo(pkt, &l, n - 34));
	assert_true(packet_header(&h, pkt, n, n, true, true, 0, 0));
	packet_checksum(&h, pkt, n);
	assert_int_equal(fold(sum(pkt + 34, n - 34, pseudo(pkt, &l, n - 34))), 0xffff);
	h.csum_start = 65000;
	packet_checksum(&h, pkt, n);		/* beyond the packet: left alone */
}

static void test_multicast(void **state)
{
	static const uint8_t group[6] = { 1, 0, 0x5e, 0, 0, 1 }, all[6] = { 255, 255, 255, 255, 255, 255 };
	struct filter f = { 0 };
	uint8_t more[6] = { 1 };

	assert_true(packet_wanted(&f, group));
	f.on = true;
	assert_false(packet_wanted(&f, group));
	assert_true(packet_wanted(&f, all));
	assert_true(packet_wanted(&f, mac));
	assert_true(filter_add(&f, group));
	assert_true(packet_wanted(&f, group));
	filter_remove(&f, group);
	filter_remove(&f, group);
	assert_false(packet_wanted(&f, group));
	for (unsigned int i = 0; i < MAX_MULTICAST; i++) {
		more[5] = (uint8_t)i;
		assert_true(filter_add(&f, more));
	}
	assert_false(filter_add(&f, group));
}

static void test_mac(void **state)
{
	uint8_t m[6];

	assert_true(packet_mac(m, "00:16:3e:01:02:03"));
	assert_memory_equal(m, mac, 6);
	assert_false(packet_mac(m, "00:16:3e:01:02"));
	assert_false(packet_mac(m, "00:16:3e:01:02:03:"));
	assert_false(packet_mac(m, "0:16:3e:01:02:03"));
	assert_false(packet_mac(m, ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout), cmocka_unit_test(test_header), cmocka_unit_test(test_spoof),
		cmocka_unit_test(test_checksum), cmocka_unit_test(test_multicast), cmocka_unit_test(test_mac),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
