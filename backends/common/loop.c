/* SPDX-License-Identifier: MIT */
/*
 * The event loop of a backend.
 *
 * Job:    sleep until a descriptor can be read or a moment has come. A loop with nothing to do
 *         sleeps without a limit: an idle guest wakes nobody.
 * Enter:  common/device.c runs it; the backends add what they wait for.
 * State:  one epoll descriptor; the table of who waits; the moments.
 * Locks:  none: one thread.
 * Holds:  1. A handler may add and remove any descriptor, its own too: a removed one is not called
 *            any more, not even when it was ready in the same round.
 *         2. With loop_direct(): a signal that comes at any place between the look at `signalled` and
 *            the end of the read() ends that read(); none is lost.
 * Tests:  tests/host/test_loop.c
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>
#include "loop.h"

struct waiter {
	int fd;				/* -1: free */
	loop_fn fn;
	void *ctx;
};

struct moment {
	uint64_t when;			/* 0: free */
	loop_fn fn;
	void *ctx;
};

static int direct_fd = -1;
static loop_fn direct_fn;
static bool (*direct_alone)(void);
static volatile sig_atomic_t signalled;	/* another descriptor than direct_fd may be ready */

static int ep = -1;
static struct waiter waiters[LOOP_MAX];
static struct moment moments[LOOP_MAX];
static unsigned int nr_moments;		/* not free */

int loop_open(void)
{
	for (unsigned int i = 0; i < LOOP_MAX; i++)
		waiters[i].fd = -1;
	ep = epoll_create1(EPOLL_CLOEXEC);
	return ep < 0 ? -1 : 0;
}

int loop_add(int fd, loop_fn fn, void *ctx)
{
	struct epoll_event e = { .events = EPOLLIN };

	for (unsigned int i = 0; i < LOOP_MAX; i++) {
		if (waiters[i].fd >= 0)
			continue;
		e.data.u32 = i;
		if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e))
			return -1;
		waiters[i] = (struct waiter){ fd, fn, ctx };
		return 0;
	}
	errno = ENFILE;
	return -1;
}

void loop_remove(int fd)
{
	for (unsigned int i = 0; i < LOOP_MAX; i++)
		if (waiters[i].fd == fd) {
			epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL);
			waiters[i].fd = -1;
		}
}

/*
 * The read() that follows must not sleep: it is interrupted when it sleeps already, and returns at once when
 * it comes later.
 */
static void on_signal(int sig)
{
	int saved = errno;

	signalled = 1;
	fcntl(direct_fd, F_SETFL, O_RDWR | O_NONBLOCK);
	errno = saved;
}

int loop_direct(int fd, loop_fn fn, bool (*alone)(void))
{
	/* Restarted, the read() sees O_NONBLOCK; all other calls go on. */
	struct sigaction act = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	for (unsigned int i = 0; i < LOOP_MAX; i++) {
		int flags = waiters[i].fd < 0 ? -1 : fcntl(waiters[i].fd, F_GETFL);

		if (flags < 0 || waiters[i].fd == fd)
			continue;
		/* What cannot send it is alone()'s matter. */
		if (!fcntl(waiters[i].fd, F_SETOWN, getpid()))
			fcntl(waiters[i].fd, F_SETFL, flags | O_ASYNC);
	}
	direct_fd = fd;
	direct_fn = fn;
	direct_alone = alone;
	signalled = 1;		/* what came before */
	return sigaction(SIGIO, &act, NULL);
}

uint64_t loop_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void loop_cancel(void *ctx)
{
	for (unsigned int i = 0; i < LOOP_MAX; i++)
		if (moments[i].when && moments[i].ctx == ctx) {
			moments[i].when = 0;
			nr_moments--;
		}
}

void loop_after(uint64_t us, loop_fn fn, void *ctx)
{
	loop_cancel(ctx);
	for (unsigned int i = 0; i < LOOP_MAX; i++)
		if (!moments[i].when) {
			moments[i] = (struct moment){ loop_now() + us, fn, ctx };
			nr_moments++;
			return;
		}
}

/* Calls those whose moment has come. */
static void run_moments(void)
{
	uint64_t now = 0;

	if (!nr_moments)
		return;
	for (unsigned int i = 0; i < LOOP_MAX; i++) {
		if (!moments[i].when)
			continue;
		if (!now)
			now = loop_now();
		if (moments[i].when <= now) {
			loop_fn fn = moments[i].fn;

			moments[i].when = 0;
			nr_moments--;
			fn(moments[i].ctx);
		}
	}
}

/* ms until the next moment, -1: there is none. */
static int next_moment(void)
{
	uint64_t next = 0, now;

	if (!nr_moments)
		return -1;
	for (unsigned int i = 0; i < LOOP_MAX; i++)
		if (moments[i].when && (!next || moments[i].when < next))
			next = moments[i].when;
	now = loop_now();
	return next <= now ? 0 : (int)((next - now + 999) / 1000);
}

void loop_run(bool (*before)(void))
{
	struct epoll_event e[8];

	for (;;) {
		bool again;
		int ms, n;

		run_moments();
		again = before && before();
		ms = again ? 0 : next_moment();	/* before() may have set one */
		if (direct_fd >= 0 && !signalled && ms < 0 && direct_alone()) {
			direct_fn(NULL);
			continue;
		}
		if (signalled) {
			signalled = 0;
			fcntl(direct_fd, F_SETFL, O_RDWR);
			ms = 0;
		}
		n = epoll_wait(ep, e, 8, ms);
		for (int i = 0; i < n; i++) {
			struct waiter *w = &waiters[e[i].data.u32];

			if (w->fd >= 0)
				w->fn(w->ctx);
		}
	}
}
