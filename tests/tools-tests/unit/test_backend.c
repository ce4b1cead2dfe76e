/* SPDX-License-Identifier: MIT */
/*
 * Claim: the handshake leads each pair of states to the right step and comes to rest; limits let no more
 * through than they say; the loop calls who waits, and no one who was removed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "backends/common/handshake.c"
#include "backends/common/loop.c"
#define loop_now test_now
static uint64_t test_now(void);
#include "backends/blk/limit.c"
#undef loop_now

static uint64_t clock_us;

static uint64_t test_now(void)
{
	return clock_us;
}

/* What the process and the store hold after a step, as common/device.c does it. */
struct world {
	int back, front;
	bool online, connected, failed;
};

static enum handshake take(struct world *w)
{
	enum handshake h = handshake(w->back, w->front, w->online, w->connected, w->failed);

	switch (h) {
	case HS_OFFER:
		w->failed = false;
		w->back = XS_INIT_WAIT;
		break;
	case HS_CONNECT:
	case HS_CONNECT_AGAIN:
		w->connected = true;
		w->back = XS_CONNECTED;
		break;
	case HS_CLOSING:
		w->back = XS_CLOSING;
		break;
	case HS_CLOSE:
		w->connected = false;
		w->back = XS_CLOSED;
		break;
	case HS_NOTHING:
		break;
	}
	return h;
}

static void test_life(void **state)
{
	struct world w = { XS_INITIALISING, XS_INITIALISING, true, false, false };

	assert_int_equal(take(&w), HS_OFFER);
	assert_int_equal(take(&w), HS_NOTHING);
	w.front = XS_INITIALISED;
	assert_int_equal(take(&w), HS_CONNECT);
	w.front = XS_CONNECTED;
	assert_int_equal(take(&w), HS_NOTHING);
	w.connected = false;			/* killed, started again */
	assert_int_equal(take(&w), HS_CONNECT_AGAIN);
	w.front = XS_CLOSING;
	assert_int_equal(take(&w), HS_CLOSING);
	assert_true(w.connected);
	w.front = XS_CLOSED;
	assert_int_equal(take(&w), HS_CLOSE);
	w.front = XS_INITIALISING;		/* the guest's driver was loaded again */
	assert_int_equal(take(&w), HS_OFFER);
	w.online = false;
	assert_int_equal(take(&w), HS_CLOSE);
	assert_int_equal(take(&w), HS_NOTHING);
}

/* A frontend without its rings: never connected without having answered an offer. */
static void test_rush(void **state)
{
	struct world w = { XS_INITIALISING, XS_CONNECTED, true, false, false };

	assert_int_equal(take(&w), HS_NOTHING);
	w.front = XS_INITIALISING;
	take(&w);
	w.front = XS_INITIALISED;
	take(&w);
	w.connected = false;			/* device_fail() */
	w.failed = true;
	w.back = XS_CLOSING;
	assert_int_equal(take(&w), HS_NOTHING);
	w.failed = false;			/* another process */
	assert_int_equal(take(&w), HS_NOTHING);
	w.front = XS_INITIALISING;
	assert_int_equal(take(&w), HS_OFFER);
}

static void test_rest(void **state)
{
	for (int i = 0; i < 9 * 9 * 8; i++) {
		struct world w = { i % 9, i / 9 % 9, i / 81 & 1, i / 162 & 1, i / 324 & 1 };
		int steps = 0;

		while (take(&w) != HS_NOTHING)
			assert_true(++steps < 4);
	}
}

static void test_limits(void **state)
{
	static struct vbd v;
	uint64_t ops = 0, bytes = 0;

	clock_us = 12345678;
	limit_set(&v.ops, 100);
	limit_set(&v.bytes, 1 << 20);
	while (clock_us < 12345678 + 10 * SECOND) {
		uint64_t us = limit_wait(&v);

		if (us) {
			clock_us += us;
			continue;
		}
		limit_take(&v, 4096);
		ops++;
	}
	assert_in_range(ops, 980, 1012);
	limit_set(&v.ops, 0);
	while (clock_us < 12345678 + 20 * SECOND) {
		uint64_t us = limit_wait(&v);

		clock_us += us;
		if (us)
			continue;
		limit_take(&v, 300000);
		bytes += 300000;
	}
	assert_in_range(bytes, 9 << 20, 11 << 20);
	limit_set(&v.bytes, 0);
	assert_int_equal(limit_wait(&v), 0);
}

static int calls[3], pipes[2][2];

static void leave(void *ctx)
{
	calls[2]++;
	if (calls[2] == 3)
		exit(calls[0] == 1 && calls[1] == 0 ? 77 : 1);
	loop_after(1000, leave, ctx);
}

static void first(void *ctx)
{
	calls[0]++;
	loop_remove(pipes[0][0]);
	loop_remove(pipes[1][0]);
}

static void second(void *ctx)
{
	calls[1]++;
}

/* In a child: loop_run() does not return. */
static void test_loop(void **state)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (loop_open() || pipe(pipes[0]) || pipe(pipes[1]) || loop_add(pipes[0][0], first, NULL) ||
		    loop_add(pipes[1][0], second, NULL) || write(pipes[0][1], "x", 1) != 1 ||
		    write(pipes[1][1], "x", 1) != 1)
			_exit(2);
		loop_after(20000, leave, NULL);
		loop_run(NULL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 77);
}

static void come(void *ctx)
{
	_exit(78);
}

static bool set_one(void)
{
	static bool done;

	if (!done)
		loop_after(1000, come, NULL);
	done = true;
	return false;
}

/* A moment that is set just before the loop waits: nothing else will wake it. */
static void test_late_moment(void **state)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		alarm(30);
		if (loop_open())
			_exit(2);
		loop_run(set_one);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 78);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life), cmocka_unit_test(test_rush), cmocka_unit_test(test_rest),
		cmocka_unit_test(test_limits), cmocka_unit_test(test_loop),
		cmocka_unit_test(test_late_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
