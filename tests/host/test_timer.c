/* SPDX-License-Identifier: MIT */
/*
 * Claims about core/timer.c: deadlines, order, few register accesses, moving, killing.
 *
 * Job:    run it as tests/host/run timer
 * Tests:  core/timer.c (TM1, TM2)
 */
#include "host.h"

#define N 200
#define CPUS 3

struct probe {
	struct timer t;
	u64 fired_at;
	unsigned int fired, fired_cpu;
	u64 rearm;			/* in the callback: again after so many ns */
	bool armed;			/* the model */
	u64 deadline;
};

static struct probe p[N];
static u64 last_deadline[CPUS];

static void fire(void *arg)
{
	struct probe *x = arg;

	assert_null(x->t.at);
	assert_int_equal(locks_held(), 0);
	x->fired++;
	x->fired_at = now_ns();
	x->fired_cpu = this_cpu();
	assert_true(x->t.deadline <= now_ns());
	x->armed = false;
	if (x->rearm) {
		x->armed = true;
		x->deadline = now_ns() + x->rearm;
		timer_set(&x->t, x->deadline);
	}
}

static void reset(void)
{
	host_init(16, CPUS);
	for (unsigned int c = 0; c < CPUS; c++) {
		timers_init_cpu(c);
		last_deadline[c] = 0;
	}
	host_run_softirqs();
	memset(p, 0, sizeof(p));
	for (unsigned int i = 0; i < N; i++)
		timer_init(&p[i].t, fire, &p[i], i % CPUS);
}

static void test_one(void **state)
{
	reset();
	timer_set(&p[0].t, now_ns() + 1000);
	assert_int_equal(host_timer[0], now_ns() + 1000);
	assert_non_null(p[0].t.at);
	host_run_until(now_ns() + 999);
	assert_int_equal(p[0].fired, 0);
	host_run_until(now_ns() + 1);
	assert_int_equal(p[0].fired, 1);
	assert_null(p[0].t.at);
	assert_int_equal(host_timer[0], 0);
	/* in the past: at once */
	timer_set(&p[0].t, now_ns() - 5);
	host_run_until(now_ns());
	assert_int_equal(p[0].fired, 2);
	/* guests may ask for 0, the far past: it fires, and what comes after it is programmed */
	timer_set(&p[0].t, 0);
	timer_set(&p[0].t, now_ns() + 10);
	host_run_until(now_ns() + 10);
	assert_int_equal(p[0].fired, 3);
	timer_set(&p[0].t, 0);
	host_run_until(now_ns());
	assert_int_equal(p[0].fired, 4);
	timer_stop(&p[0].t);			/* not active: nothing happens */
}

/* Stopping and moving later leave the hardware alone; only an earlier deadline programs it. */
static void test_lazy_hardware(void **state)
{
	u64 base, writes;

	reset();
	base = now_ns();
	timer_set(&p[0].t, base + 1000);
	writes = host_log.timer_programs;
	for (int i = 0; i < 100; i++)
		timer_set(&p[0].t, base + 2000 + i);
	timer_stop(&p[0].t);
	timer_set(&p[0].t, base + 5000);
	assert_int_equal(host_log.timer_programs, writes);
	host_run_until(base + 1000);			/* the early interrupt: nothing to run */
	assert_int_equal(p[0].fired, 0);
	assert_int_equal(host_timer[0], base + 5000);	/* programmed right now */
	timer_set(&p[3].t, base + 3000);
	assert_int_equal(host_timer[0], base + 3000);
	host_run_until(base + 10000);
	assert_int_equal(p[0].fired_at, base + 5000);
	assert_int_equal(p[3].fired_at, base + 3000);
}

/* Arming a timer of another CPU interrupts it, but only for a new first deadline. */
static void test_remote(void **state)
{
	u64 base;

	reset();
	base = now_ns();
	host_log.ipis = 0;
	timer_set(&p[1].t, base + 1000);
	assert_int_equal(host_log.ipis, 1);
	assert_int_equal(host_log.ipi_mask & BIT(1), BIT(1));
	host_run_softirqs();
	assert_int_equal(host_timer[1], base + 1000);
	timer_set(&p[4].t, base + 2000);
	assert_int_equal(host_log.ipis, 1);
	host_run_until(base + 3000);
	assert_int_equal(p[1].fired_at, base + 1000);
	assert_int_equal(p[1].fired_cpu, 1);
	assert_int_equal(p[4].fired_at, base + 2000);
}

static void test_kill(void **state)
{
	reset();
	timer_set(&p[0].t, now_ns() + 10);
	timer_kill(&p[0].t);
	assert_null(p[0].t.at);
	timer_set(&p[0].t, now_ns() + 20);	/* dead: stays so */
	assert_null(p[0].t.at);
	host_run_until(now_ns() + 100);
	assert_int_equal(p[0].fired, 0);
	struct timer never = { 0 };

	timer_kill(&never);			/* never initialised: harmless */
}

static struct timer *killed;
static bool in_callback, was_waited_for;

static void long_callback(void *arg)
{
	/* meanwhile CPU 1 kills the timer: it must wait until we are done */
	in_callback = true;
	host_set_cpu(1);
	host_log.polls = 0;
	timer_kill(killed);
	host_set_cpu(0);
	in_callback = false;
}

static void poll_hook(void)
{
	was_waited_for = true;
	if (host_log.polls > 2)
		panic("waits for the callback");	/* we cannot return to it in one thread */
}

static void run_all(void *arg)
{
	host_run_until(now_ns() + 100);
}

static void test_kill_waits(void **state)
{
	static struct timer t;

	reset();
	killed = &t;
	timer_init(&t, long_callback, NULL, 0);
	timer_set(&t, now_ns() + 10);
	host_poll_hook = poll_hook;
	was_waited_for = false;
	assert_true(host_panics(run_all, NULL));
	assert_true(in_callback && was_waited_for);
}

static void test_migrate(void **state)
{
	u64 base;

	reset();
	base = now_ns();
	timer_set(&p[0].t, base + 1000);
	timer_migrate(&p[0].t, 2);
	timer_migrate(&p[0].t, 2);
	assert_non_null(p[0].t.at);
	assert_int_equal(timer_next_deadline(0), 0);
	assert_int_equal(timer_next_deadline(2), base + 1000);
	timer_migrate(&p[1].t, 0);		/* not active */
	host_run_until(base + 1000);
	assert_int_equal(p[0].fired_cpu, 2);
	timer_set(&p[1].t, base + 2000);
	host_run_until(base + 2000);
	assert_int_equal(p[1].fired_cpu, 0);
}

/* Random set, stop, migrate, re-arming callbacks, against a model of deadlines. */
static void test_random(void **state)
{
	reset();
	for (int step = 0; step < 30000; step++) {
		struct probe *x = &p[host_random_below(N)];
		u64 next;

		host_set_cpu(host_random_below(CPUS));
		switch (host_random_below(6)) {
		case 0:
		case 1:
		case 2:
			x->deadline = now_ns() + host_random_below(5000);
			x->armed = true;
			timer_set(&x->t, x->deadline);
			break;
		case 3:
			timer_stop(&x->t);
			x->armed = false;
			break;
		case 4:
			timer_migrate(&x->t, host_random_below(CPUS));
			break;
		case 5:
			x->rearm = host_random_below(4) ? 0 : 1 + host_random_below(3000);
			host_run_until(now_ns() + host_random_below(300));
			break;
		}
		/* nothing is late, and what the model says is what is there */
		if (step % 16)
			continue;
		host_run_softirqs();
		next = ~0UL;
		for (unsigned int i = 0; i < N; i++) {
			assert_int_equal(!!p[i].t.at, p[i].armed);
			if (!p[i].armed)
				continue;
			assert_int_equal(p[i].t.deadline, p[i].deadline);
			assert_true(p[i].deadline > now_ns());
			next = min(next, p[i].deadline);
		}
		u64 first = ~0UL;

		for (unsigned int c = 0; c < CPUS; c++) {
			u64 d = timer_next_deadline(c);

			if (!d)
				continue;
			first = min(first, d);
			assert_true(host_timer[c] && host_timer[c] <= d);	/* TM2 */
		}
		assert_int_equal(first, next);
	}
}

static u64 last_fired;

static void in_order(void *arg)
{
	struct probe *x = arg;

	assert_true(x->deadline >= last_fired);
	last_fired = x->deadline;
	x->fired++;
}

static void test_sorted(void **state)
{
	reset();
	last_fired = 0;
	for (unsigned int i = 0; i < N; i++) {
		timer_init(&p[i].t, in_order, &p[i], 0);
		p[i].deadline = now_ns() + host_random_below(100000);
		timer_set(&p[i].t, p[i].deadline);
	}
	host_advance(200000);			/* all at once */
	host_run_softirqs();
	for (unsigned int i = 0; i < N; i++)
		assert_int_equal(p[i].fired, 1);
}

/* How many steps it takes to take a timer out: the two heaps below it become one. */
static unsigned int steps_out(const struct timer *t)
{
	const struct timer *a = t->left, *b = t->right, *x;
	unsigned int n = 0;

	for (; a && b; n++) {
		x = a->deadline <= b->deadline ? a : b;
		b = x == a ? b : a;
		a = x->right;
	}
	return n;
}

/* How many it took to put it in: it is so far down in the heap of these 1000. */
static unsigned int steps_in(const struct probe *m, const struct timer *t)
{
	unsigned int n = 1;

	for (; (void *)t->at >= (void *)m && (void *)t->at < (void *)&m[1000]; n++)
		t = &m[((const char *)t->at - (const char *)m) / sizeof(*m)].t;
	return n;
}

/*
 * Many timers, each armed anew before it fires, as those of 200 domains are: at random, always the
 * latest, always the earliest. A sorted list takes some 500 steps for one.
 */
static void test_many(void **state)
{
	static struct probe m[1000];
	u64 base, sum;

	for (int kind = 0; kind < 3; kind++) {
		reset();
		memset(m, 0, sizeof(m));
		base = now_ns() + 1000000;
		for (unsigned int i = 0; i < ARRAY_SIZE(m); i++) {
			timer_init(&m[i].t, in_order, &m[i], 0);
			m[i].deadline = base + 100000 + i;
			timer_set(&m[i].t, m[i].deadline);
		}
		sum = 0;
		for (unsigned int step = 0; step < 20000; step++) {
			struct probe *x = &m[host_random_below(ARRAY_SIZE(m))];

			x->deadline = base + (kind == 0 ? host_random_below(300000) :
					      kind == 1 ? 200000 + step : 90000 - step);
			sum += steps_out(&x->t);
			timer_set(&x->t, x->deadline);
			sum += steps_in(m, &x->t);
		}
		assert_true(sum / 20000 < 40);
		last_fired = 0;
		host_advance(2000000);
		host_run_softirqs();
		for (unsigned int i = 0; i < ARRAY_SIZE(m); i++)
			assert_int_equal(m[i].fired, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_lazy_hardware),
		cmocka_unit_test(test_remote),
		cmocka_unit_test(test_kill),
		cmocka_unit_test(test_migrate),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_sorted),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_kill_waits),	/* last: it leaves its queue inside a callback */
	};

	return host_main(tests);
}
