/* SPDX-License-Identifier: MIT */
/*
 * common/loop.h: waits for descriptors and for one moment, calls who asked.
 *
 * Tests: tests/host/test_loop.c
 */
#ifndef COMMON_LOOP_H
#define COMMON_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#define LOOP_MAX 32			/* descriptors */

typedef void (*loop_fn)(void *ctx);

/* -1 with errno. Before the sandbox is closed; a descriptor of its own stays open. */
int loop_open(void);
/* fn is called whenever fd can be read. -1 with errno. */
int loop_add(int fd, loop_fn fn, void *ctx);
void loop_remove(int fd);
/* fn is called once, not before now + us; a second call with the same ctx replaces the first. */
void loop_after(uint64_t us, loop_fn fn, void *ctx);
void loop_cancel(void *ctx);
/*
 * fd, added already, is what mostly becomes ready, and reading it may block: while alone() says that nothing
 * without signals (an io_uring) is awaited, the loop sleeps in fn's read() and not in epoll_wait(), which
 * saves a system call for each event. All other descriptors must be able to send SIGIO (sockets).
 */
int loop_direct(int fd, loop_fn fn, bool (*alone)(void));
uint64_t loop_now(void);		/* microseconds of the monotonic clock */
/* For ever. before: called before each wait (to send what was gathered); may be NULL. true: something
 * was done, look again before waiting. */
void loop_run(bool (*before)(void));

#endif
