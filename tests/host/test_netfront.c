/* SPDX-License-Identifier: MIT */
/*
 * The network frontend's protocol core (frontends/net/core.c) against a backend of the test's own: packets of several
 * slots and extra infos both ways, and nothing a backend writes is believed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "frontends/net/core.c"

static _Alignas(4096) uint8_t page[4096];
static struct netf_tx t;
static struct netf_rx r;
static struct netf_packet p;
static int cookies[512];

static struct netf_tx_answer *tx_at(uint32_t i)
{
	return (void *)(page + 64 + (i & 255) * 12);
}

static void tx_answer(uint32_t at, uint16_t id, int16_t status)
{
	*tx_at(at) = (struct netf_tx_answer){ id, status };
	t.ring.sh->rsp_prod = at + 1;
}

static struct netf_rx_answer *rx_at(uint32_t i)
{
	return (void *)(page + 64 + (i & 255) * 8);
}

static void rx_fresh(int n)
{
	netf_rx_init(&r, page);
	for (int i = 0; i < n; i++)
		netf_rx_post(&r, 1000 + i, &cookies[i]);
	fe_ring_push(&r.ring);
}

static void rx_answer(uint32_t at, uint16_t id, uint16_t offset, uint16_t flags, int16_t status)
{
	*rx_at(at) = (struct netf_rx_answer){ id, offset, flags, status };
	r.ring.sh->rsp_prod = at + 1;
}

static void tx(void **state)
{
	struct netf_extra e = { .type = NETF_EXTRA_GSO, .gso = { .size = 1448, .type = NETF_GSO_TCPV4 } };
	void *c;
	bool sent;

	netf_tx_init(&t, page);
	assert_int_equal(netf_tx_free(&t), 256);
	netf_tx_slot(&t, 7, 0, 5000, NETF_TX_MORE | NETF_TX_EXTRA, &cookies[0]);
	netf_tx_extra(&t, &e);
	netf_tx_slot(&t, 8, 0, 904, 0, &cookies[1]);
	assert_int_equal(*(uint32_t *)(page + 64), 7);
	assert_int_equal(*(uint16_t *)(page + 70), 12);
	assert_int_equal(*(uint16_t *)(page + 74), 5000);
	assert_int_equal(page[76], 1);
	assert_int_equal(*(uint16_t *)(page + 78), 1448);
	assert_int_equal(page[80], 1);
	assert_int_equal(*(uint16_t *)(page + 96), 1);	/* the id behind the extra info */
	assert_true(netf_tx_push(&t));
	tx_answer(0, 0, 0);
	tx_answer(1, 12345, NETF_NULL);
	tx_answer(2, 1, -1);
	assert_int_equal(netf_tx_take(&t, &c, &sent), 1);
	assert_ptr_equal(c, &cookies[0]);
	assert_true(sent);
	assert_int_equal(netf_tx_take(&t, &c, &sent), 1);
	assert_ptr_equal(c, &cookies[1]);
	assert_false(sent);
	assert_int_equal(netf_tx_take(&t, &c, &sent), 0);
	assert_int_equal(netf_tx_free(&t), 256);
	for (int i = 0; i < 256; i++)
		netf_tx_slot(&t, i, 0, 60, 0, &cookies[i]);
	assert_int_equal(netf_tx_free(&t), 0);
	netf_tx_push(&t);
	for (int i = 0; i < 256; i++)
		tx_answer(3 + i, (uint16_t)(255 - i), 0);
	for (int i = 0; i < 256; i++)
		assert_int_equal(netf_tx_take(&t, &c, &sent), 1);
	assert_null(netf_tx_forget(&t));
}

static void tx_refused(uint32_t prod, uint16_t id, int16_t status)
{
	void *c;
	bool sent;

	netf_tx_init(&t, page);
	netf_tx_slot(&t, 1, 0, 60, 0, &cookies[0]);
	netf_tx_slot(&t, 1, 0, 60, 0, &cookies[1]);
	netf_tx_push(&t);
	netf_tx_slot(&t, 1, 0, 60, 0, &cookies[2]);
	tx_answer(0, id, status);
	if (prod)
		t.ring.sh->rsp_prod = prod;
	assert_int_equal(netf_tx_take(&t, &c, &sent), -1);
	assert_non_null(t.why);
	assert_int_equal(netf_tx_free(&t), 0);
	for (int i = 0; i < 3; i++)
		assert_ptr_equal(netf_tx_forget(&t), &cookies[i]);
	assert_null(netf_tx_forget(&t));
}

static void tx_hostile(void **state)
{
	tx_refused(3, 0, 0);
	tx_refused(0xfffffff0, 0, 0);
	tx_refused(0, 256, 0);
	tx_refused(0, 9, 0);
	tx_refused(0, 2, 0);		/* not shown yet */
	tx_refused(0, 0, NETF_NULL);	/* no extra info was sent */
}

static void rx(void **state)
{
	struct netf_extra e = { .type = NETF_EXTRA_GSO, .gso = { .size = 1448, .type = NETF_GSO_TCPV6 } };

	rx_fresh(256);
	assert_int_equal(netf_rx_take(&r, &p), 0);
	rx_answer(0, 0, 100, NETF_RX_VALIDATED, 60);
	assert_int_equal(netf_rx_take(&r, &p), 1);
	assert_int_equal(p.nr_frags, 1);
	assert_ptr_equal(p.frag[0].cookie, &cookies[0]);
	assert_int_equal(p.frag[0].offset, 100);
	assert_int_equal(p.bytes, 60);
	assert_int_equal(p.flags, NETF_RX_VALIDATED);
	assert_false(p.bad);
	/* Three slots and an extra info; not before it is whole. */
	rx_answer(1, 1, 0, NETF_RX_MORE | NETF_RX_EXTRA | NETF_RX_CSUM_BLANK, 4096);
	assert_int_equal(netf_rx_take(&r, &p), 0);
	memcpy(rx_at(2), &e, sizeof(e));
	r.ring.sh->rsp_prod = 3;
	assert_int_equal(netf_rx_take(&r, &p), 0);
	rx_answer(3, 3, 0, NETF_RX_MORE, 4096);
	rx_answer(4, 4, 0, 0, 1);
	assert_int_equal(netf_rx_take(&r, &p), 1);
	assert_int_equal(p.nr_frags, 3);
	assert_int_equal(p.nr_unused, 1);
	assert_ptr_equal(p.unused[0], &cookies[2]);
	assert_int_equal(p.bytes, 8193);
	assert_int_equal(p.gso_size, 1448);
	assert_int_equal(p.gso_type, NETF_GSO_TCPV6);
	assert_int_equal(fe_ring_free(&r.ring), 5);
}

static void rx_bad(void **state)
{
	rx_fresh(256);
	rx_answer(0, 0, 4000, 0, 97);		/* over the page's end */
	assert_int_equal(netf_rx_take(&r, &p), 1);
	assert_true(p.bad);
	assert_int_equal(p.nr_frags + p.nr_unused, 1);
	rx_answer(1, 1, 0, 0, -1);		/* the backend's error */
	assert_int_equal(netf_rx_take(&r, &p), 1);
	assert_true(p.bad);
	rx_answer(2, 2, 0, 0, 0);		/* nothing */
	assert_int_equal(netf_rx_take(&r, &p), 1);
	assert_true(p.bad);
	for (int i = 3; i < 25; i++)		/* more than a packet can be */
		rx_answer(i, i, 0, i < 24 ? NETF_RX_MORE : 0, 4096);
	assert_int_equal(netf_rx_take(&r, &p), 1);
	assert_true(p.bad);
	assert_int_equal(p.nr_frags + p.nr_unused, 22);
	rx_answer(25, 26, 0, 0, 60);		/* another buffer's number */
	assert_int_equal(netf_rx_take(&r, &p), -1);
	int n = 0;
	while (netf_rx_forget(&r))
		n++;
	assert_int_equal(n, 231);
	rx_fresh(256);
	for (int i = 0; i < 60; i++)		/* without an end */
		rx_answer(i, i, 0, NETF_RX_MORE, 1);
	assert_int_equal(netf_rx_take(&r, &p), -1);
	rx_fresh(10);
	r.ring.sh->rsp_prod = 11;
	assert_int_equal(netf_rx_take(&r, &p), -1);
}

/*
 * A notification is asked for at what was not seen, however much comes in between: packets that arrived after the last
 * look and before the asking were once taken for the beginning of one packet, and slept upon.
 */
static void rx_asleep(void **state)
{
	rx_fresh(16);
	assert_int_equal(netf_rx_take(&r, &p), 0);
	rx_answer(0, 0, 0, 0, 60);
	rx_answer(1, 1, 0, 0, 60);
	assert_true(netf_rx_sleep(&r));
	assert_int_equal(netf_rx_take(&r, &p), 1);
	assert_int_equal(netf_rx_take(&r, &p), 1);
	assert_int_equal(netf_rx_take(&r, &p), 0);
	assert_false(netf_rx_sleep(&r));
	assert_int_equal(r.ring.sh->rsp_event, 3);
	/* Half a packet wakes nobody again; its rest does, and so does what came unseen. */
	rx_answer(2, 2, 0, NETF_RX_MORE, 4096);
	assert_int_equal(netf_rx_take(&r, &p), 0);
	assert_false(netf_rx_sleep(&r));
	assert_int_equal(r.ring.sh->rsp_event, 4);
	rx_answer(3, 3, 0, 0, 10);
	assert_true(netf_rx_sleep(&r));
	assert_int_equal(netf_rx_take(&r, &p), 1);
	assert_int_equal(p.nr_frags, 2);
	assert_int_equal(netf_rx_take(&r, &p), 0);
	assert_false(netf_rx_sleep(&r));
}

static void ctrl(void **state)
{
	static struct netf_ctrl c;
	struct netf_ctrl_answer *a = (void *)(page + 64);
	uint32_t status, data;

	netf_ctrl_init(&c, page);
	assert_int_equal(c.ring.nr, 128);
	assert_true(netf_ctrl_ask(&c, NETF_CTRL_MAP_ADD, 1, 2, 3));
	assert_int_equal(*(uint32_t *)(page + 68), 1);
	assert_int_equal(netf_ctrl_answer(&c, NETF_CTRL_MAP_ADD, &status, &data), 0);
	*a = (struct netf_ctrl_answer){ .id = c.id, .type = NETF_CTRL_MAP_ADD, .status = 2, .data = 9 };
	c.ring.sh->rsp_prod = 1;
	assert_int_equal(netf_ctrl_answer(&c, NETF_CTRL_MAP_ADD, &status, &data), 1);
	assert_int_equal(status, 2);
	netf_ctrl_ask(&c, NETF_CTRL_MAP_ADD, 1, 2, 3);
	a = (void *)(page + 64 + 16);
	*a = (struct netf_ctrl_answer){ .id = 1, .type = NETF_CTRL_MAP_ADD };	/* the first one's id */
	c.ring.sh->rsp_prod = 2;
	assert_int_equal(netf_ctrl_answer(&c, NETF_CTRL_MAP_ADD, &status, &data), -1);
	assert_non_null(c.why);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tx), cmocka_unit_test(tx_hostile), cmocka_unit_test(rx), cmocka_unit_test(rx_bad),
		cmocka_unit_test(rx_asleep),
		cmocka_unit_test(ctrl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
