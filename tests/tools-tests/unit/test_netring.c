/* SPDX-License-Identifier: MIT */
/* The network rings as a backend sees them: packets, chains, nonsense, and a backend that is killed at any point. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "backends/net/ring.c"

static _Alignas(4096) struct net_shared page;
static struct tx_journal tj;
static struct rx_journal rj;
static struct tx_ring tx;
static struct rx_ring rx;
static struct tx_packet p;
static bool notify;

static void ask(uint16_t id, uint32_t gref, uint16_t offset, uint16_t size, uint16_t flags)
{
	struct netif_tx_request q = { gref, offset, flags, id, size };

	memcpy(entry(&page, page.req_prod++, 12), &q, sizeof(q));
}

static void extra(uint8_t type, uint8_t flags, uint16_t size, uint8_t gso)
{
	struct netif_extra_info e = { .type = type, .flags = flags };

	e.u.gso.size = size;
	e.u.gso.type = gso;
	memcpy(entry(&page, page.req_prod++, 12), &e, sizeof(e));
}

static struct netif_tx_response tx_rsp(uint32_t i)
{
	struct netif_tx_response r;

	memcpy(&r, entry(&page, i, 12), sizeof(r));
	return r;
}

static int start(void **state)
{
	memset(&page, 0, sizeof(page));
	memset(&tj, 0, sizeof(tj));
	memset(&rj, 0, sizeof(rj));
	page.rsp_event = page.req_event = 1;
	assert_true(tx_init(&tx, &page, &tj, false, &notify));
	return 0;
}

static void test_one(void **state)
{
	assert_int_equal(tx_next(&tx, &p), TX_NONE);
	assert_false(tx_sleep(&tx));
	ask(7, 123, 64, 60, NETTXF_csum_blank);
	assert_true(tx_sleep(&tx));
	assert_int_equal(tx_next(&tx, &p), TX_PACKET);
	assert_int_equal(p.nr, 1);
	assert_int_equal(p.size, 60);
	assert_int_equal(p.slot[0].gref, 123);
	assert_int_equal(p.slot[0].offset, 64);
	assert_true(p.csum_blank);
	assert_int_equal(page.rsp_prod, 0);
	tx_answer(&tx, &p, NETIF_RSP_OKAY);
	assert_int_equal(page.rsp_prod, 0);
	assert_true(tx_show(&tx));		/* rsp_event was 1 */
	assert_int_equal(page.rsp_prod, 1);
	assert_int_equal(tx_rsp(0).id, 7);
	assert_int_equal(tx_rsp(0).status, NETIF_RSP_OKAY);
	assert_false(tx_show(&tx));
}

static void test_chain(void **state)
{
	ask(1, 10, 100, 9000, NETTXF_csum_blank | NETTXF_more_data | NETTXF_extra_info);
	extra(XEN_NETIF_EXTRA_TYPE_GSO, 0, 1448, XEN_NETIF_GSO_TYPE_TCPV4);
	ask(2, 11, 0, 4096, NETTXF_more_data);
	ask(3, 12, 0, 4096, 0);
	ask(4, 13, 0, 60, 0);
	assert_int_equal(tx_next(&tx, &p), TX_PACKET);
	assert_int_equal(p.nr, 3);
	assert_int_equal(p.slot[0].len, 9000 - 8192);
	assert_int_equal(p.gso_size, 1448);
	assert_int_equal(p.gso_type, XEN_NETIF_GSO_TYPE_TCPV4);
	tx_answer(&tx, &p, NETIF_RSP_OKAY);
	assert_int_equal(tx_next(&tx, &p), TX_PACKET);
	assert_int_equal(p.gso_type, 0);
	tx_answer(&tx, &p, NETIF_RSP_DROPPED);
	page.rsp_event = 100;
	assert_false(tx_show(&tx));
	assert_int_equal(page.rsp_prod, 5);
	assert_int_equal(tx_rsp(0).id, 1);
	assert_int_equal(tx_rsp(1).status, NETIF_RSP_NULL);
	assert_int_equal(tx_rsp(3).id, 3);
	assert_int_equal(tx_rsp(4).status, NETIF_RSP_DROPPED);
}

/* The request is taken and answered, and nothing of it is used. */
static void dropped(void)
{
	uint32_t n = page.req_prod;

	assert_int_equal(tx_next(&tx, &p), TX_DROP);
	tx_answer(&tx, &p, NETIF_RSP_ERROR);
	tx_show(&tx);
	assert_int_equal(page.rsp_prod, n);
}

static void test_nonsense(void **state)
{
	ask(1, 10, 4000, 100, 0);			/* beyond its page */
	dropped();
	ask(1, 10, 0, 13, 0);				/* no header */
	dropped();
	ask(1, 10, 0, 100, NETTXF_more_data);		/* parts larger than the whole */
	ask(2, 10, 0, 200, 0);
	dropped();
	ask(1, 10, 0, 65535, 0);
	dropped();
	ask(1, 10, 0, 5000, NETTXF_more_data);
	ask(2, 10, 1, 4096, 0);
	dropped();
	ask(1, 10, 0, 60, NETTXF_extra_info);
	extra(77, 0, 0, 0);
	dropped();
	ask(1, 10, 0, 60, NETTXF_extra_info);
	extra(XEN_NETIF_EXTRA_TYPE_GSO, 0, 0, XEN_NETIF_GSO_TYPE_TCPV4);
	dropped();
	for (int i = 0; i < 30; i++)			/* too many parts */
		ask(1, 10, 0, i ? 10 : 2000, i < 29 ? NETTXF_more_data : 0);
	dropped();
	ask(1, 10, 0, 60, 0);
	assert_int_equal(tx_next(&tx, &p), TX_PACKET);
}

static void test_broken(void **state)
{
	page.req_prod = NET_RING + 1;
	assert_int_equal(tx_next(&tx, &p), TX_BROKEN);
	page.req_prod = UINT32_MAX;
	assert_int_equal(tx_next(&tx, &p), TX_BROKEN);
	page.req_prod = 0;
	ask(1, 10, 0, 60, 0);				/* an index that goes back */
	ask(1, 10, 0, 60, 0);
	assert_int_equal(tx_next(&tx, &p), TX_PACKET);
	assert_int_equal(tx_next(&tx, &p), TX_PACKET);
	page.req_prod = 1;
	assert_int_equal(tx_next(&tx, &p), TX_BROKEN);
	start(NULL);
	ask(1, 10, 0, 600, NETTXF_more_data);		/* a chain without an end */
	assert_int_equal(tx_next(&tx, &p), TX_BROKEN);
	assert_int_equal(tx.cons, 0);
	page.req_prod = 0;
	ask(1, 10, 0, 60, NETTXF_extra_info);
	assert_int_equal(tx_next(&tx, &p), TX_BROKEN);
	page.req_prod = 300;
	assert_false(tx_init(&tx, &page, &tj, true, &notify));
	assert_false(rx_init(&rx, &page, &rj, false, &notify));
}

static void test_multicast(void **state)
{
	struct netif_extra_info e = { .type = XEN_NETIF_EXTRA_TYPE_MCAST_ADD, .u.mcast.addr = { 1, 0, 0x5e, 0, 0, 1 } };

	ask(1, 10, 0, 0, NETTXF_extra_info);
	memcpy(entry(&page, page.req_prod++, 12), &e, sizeof(e));
	assert_int_equal(tx_next(&tx, &p), TX_MULTICAST);
	assert_memory_equal(p.mcast, e.u.mcast.addr, 6);
	assert_int_equal(p.to - p.from, 2);
}

/*
 * Five packets, answers to three of them in the journal. The backend dies after having written `slots` of the three
 * answers into the ring: the next one takes exactly the other two for requests.
 */
static void killed(unsigned int slots)
{
	start(NULL);
	for (uint16_t i = 0; i < 5; i++)
		ask(i, 100 + i, 0, 60, 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(tx_next(&tx, &p), TX_PACKET);
		tx_answer(&tx, &p, NETIF_RSP_OKAY);
	}
	tj.done = 3;					/* as tx_show() begins */
	for (unsigned int i = 0; i < slots; i++)
		memcpy(entry(&page, i, 12), &tj.rsp[i], 4);
	memset(&tx, 0xee, sizeof(tx));
	assert_true(tx_init(&tx, &page, &tj, true, &notify));
	assert_true(notify);
	assert_int_equal(page.rsp_prod, 3);
	for (uint16_t i = 0; i < 3; i++) {
		assert_int_equal(tx_rsp(i).id, i);
		assert_int_equal(tx_rsp(i).status, NETIF_RSP_OKAY);
	}
	for (uint32_t i = 3; i < 5; i++) {
		assert_int_equal(tx_next(&tx, &p), TX_PACKET);
		assert_int_equal(p.slot[0].gref, 100 + i);
		tx_answer(&tx, &p, NETIF_RSP_OKAY);
	}
	assert_int_equal(tx_next(&tx, &p), TX_NONE);
}

static void test_killed(void **state)
{
	for (unsigned int slots = 0; slots <= 3; slots++)
		killed(slots);
	/* Taken, sent perhaps, but not in the journal: they are taken again. */
	start(NULL);
	ask(1, 10, 0, 60, 0);
	assert_int_equal(tx_next(&tx, &p), TX_PACKET);
	assert_true(tx_init(&tx, &page, &tj, true, &notify));
	assert_int_equal(tx_next(&tx, &p), TX_PACKET);
	/* A journal that says nonsense is not believed. */
	tj.done = 5000;
	assert_true(tx_init(&tx, &page, &tj, true, &notify));
	assert_int_equal(tx_next(&tx, &p), TX_PACKET);
}

static void offer(uint16_t id, uint32_t gref)
{
	struct netif_rx_request q = { id, 0, gref };

	memcpy(entry(&page, page.req_prod++, 8), &q, sizeof(q));
}

static struct netif_rx_response rx_rsp(uint32_t i)
{
	struct netif_rx_response r;

	memcpy(&r, entry(&page, i, 8), sizeof(r));
	return r;
}

static void test_receive(void **state)
{
	struct netif_extra_info e = { .type = XEN_NETIF_EXTRA_TYPE_GSO };

	assert_true(rx_init(&rx, &page, &rj, false, &notify));
	assert_int_equal(rx_room(&rx), 0);
	assert_false(rx_sleep(&rx, 3));
	for (uint16_t i = 0; i < 4; i++)
		offer(i, 50 + i);
	assert_true(rx_sleep(&rx, 3));
	assert_int_equal(rx_room(&rx), 4);
	assert_int_equal(rx_gref(&rx, 2), 52);
	rx_put(&rx, 0, NETRXF_more_data | NETRXF_extra_info, 4096);
	rx_put_extra(&rx, &e);
	rx_put(&rx, 0, 0, 10);
	assert_int_equal(rx_room(&rx), 1);
	assert_int_equal(page.rsp_prod, 0);
	assert_true(rx_show(&rx));
	assert_int_equal(page.rsp_prod, 3);
	assert_int_equal(rx_rsp(0).status, 4096);
	assert_int_equal(rx_rsp(2).id, 2);
	assert_int_equal(*(uint8_t *)entry(&page, 1, 8), XEN_NETIF_EXTRA_TYPE_GSO);
	page.req_prod = 1000;
	assert_int_equal(rx_room(&rx), -1);
}

static void test_receive_killed(void **state)
{
	assert_true(rx_init(&rx, &page, &rj, false, &notify));
	for (uint16_t i = 0; i < 4; i++)
		offer(i, 50 + i);
	rx_put(&rx, 0, 0, 60);
	rx_put(&rx, 0, 0, 61);
	rj.done = 2;
	memcpy(entry(&page, 0, 8), &rj.rsp[0], 8);
	assert_true(rx_init(&rx, &page, &rj, true, &notify));
	assert_int_equal(page.rsp_prod, 2);
	assert_int_equal(rx_rsp(1).status, 61);
	assert_int_equal(rx_room(&rx), 2);
	assert_int_equal(rx_gref(&rx, 0), 52);
}

static void test_wrap(void **state)
{
	page.req_prod = page.rsp_prod = UINT32_MAX - 2;
	page.rsp_event = UINT32_MAX - 1;
	assert_true(tx_init(&tx, &page, &tj, false, &notify));
	for (uint16_t i = 0; i < 6; i++)
		ask(i, 100 + i, 0, 60, 0);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(tx_next(&tx, &p), TX_PACKET);
		tx_answer(&tx, &p, NETIF_RSP_OKAY);
	}
	assert_true(tx_show(&tx));
	assert_int_equal(page.rsp_prod, 3);
	assert_int_equal(tx_rsp(2).id, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_one, start), cmocka_unit_test_setup(test_chain, start),
		cmocka_unit_test_setup(test_nonsense, start), cmocka_unit_test_setup(test_broken, start),
		cmocka_unit_test_setup(test_multicast, start), cmocka_unit_test_setup(test_killed, start),
		cmocka_unit_test_setup(test_receive, start), cmocka_unit_test_setup(test_receive_killed, start),
		cmocka_unit_test_setup(test_wrap, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
