/* SPDX-License-Identifier: MIT */
/*
 * Claims about core/softirq.c: order, re-raising, remote raising, tasklets.
 *
 * Job:    run it as tests/host/run softirq
 * Tests:  core/softirq.c
 */
#include "host.h"

static char order[64];
static unsigned int nr_order, again;

static void note(char c)
{
	order[nr_order++] = c;
	order[nr_order] = 0;
}

static void on_timer(void)
{
	note('T');
	if (again) {
		again--;
		softirq_raise(SOFTIRQ_TIMER);
	}
}

static void on_sched(void)
{
	note('S');
}

static void on_key(void)
{
	note('K');
	softirq_raise(SOFTIRQ_SCHED);
}

static void reset(unsigned int cpus)
{
	host_init(16, cpus);
	nr_order = again = 0;
	order[0] = 0;
	softirq_register(SOFTIRQ_TIMER, on_timer);
	softirq_register(SOFTIRQ_SCHED, on_sched);
	softirq_register(SOFTIRQ_KEY, on_key);
}

/* Lowest first; a handler's own raises are served before do_softirq() returns. */
static void test_order(void **state)
{
	reset(1);
	softirq_raise(SOFTIRQ_KEY);
	softirq_raise(SOFTIRQ_SCHED);
	softirq_raise(SOFTIRQ_TIMER);
	softirq_raise(SOFTIRQ_TIMER);
	again = 2;
	do_softirq();
	assert_string_equal(order, "TTTSKS");
	assert_int_equal(host_softirq[0], 0);
	do_softirq();
	assert_string_equal(order, "TTTSKS");
}

/* Another CPU is interrupted once per bit that was not pending; this CPU never. */
static void test_remote(void **state)
{
	reset(3);
	softirq_raise_cpu(0, SOFTIRQ_SCHED);
	assert_int_equal(host_log.ipis, 0);
	softirq_raise_cpu(2, SOFTIRQ_SCHED);
	softirq_raise_cpu(2, SOFTIRQ_SCHED);
	assert_int_equal(host_log.ipis, 1);
	assert_int_equal(host_log.ipi_mask, BIT(2));
	softirq_raise_cpu(2, SOFTIRQ_TIMER);
	assert_int_equal(host_log.ipis, 2);
	do_softirq();
	assert_string_equal(order, "S");
	host_set_cpu(2);
	do_softirq();
	assert_string_equal(order, "STS");
}

static struct tasklet ta, tb, tc;

static void tasklet_fn(void *arg)
{
	note(*(char *)arg);
	if (*(char *)arg == 'b' && again) {
		again--;
		tasklet_schedule(&tb);		/* itself */
		tasklet_schedule(&ta);
	}
}

/* First in, first out; queued once; one that schedules itself runs again, later. */
static void test_tasklets(void **state)
{
	reset(2);
	tasklet_init(&ta, tasklet_fn, "a");
	tasklet_init(&tb, tasklet_fn, "b");
	tasklet_init(&tc, tasklet_fn, "c");
	tasklet_schedule(&tb);
	tasklet_schedule(&ta);
	tasklet_schedule(&tb);
	host_set_cpu(1);
	tasklet_schedule(&ta);			/* already queued on CPU 0 */
	tasklet_schedule(&tc);
	do_softirq();
	assert_string_equal(order, "c");
	host_set_cpu(0);
	again = 1;
	do_softirq();
	assert_string_equal(order, "cbab");	/* a was still queued */
	assert_false(ta.queued || tb.queued || tc.queued);
}

static void with_lock(void *l)
{
	spin_lock(l);
	do_softirq();
}

/* A handler may do anything: running one under a lock is a bug that debug builds catch. */
static void test_no_locks(void **state)
{
	static spinlock_t l = SPINLOCK_INIT(RANK_LEAF);

	reset(1);
	assert_true(host_panics(with_lock, &l));
	spin_unlock(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_remote),
		cmocka_unit_test(test_tasklets),
		cmocka_unit_test(test_no_locks),
	};

	return host_main(tests);
}
