/* SPDX-License-Identifier: MIT */
/*
 * daemon/daemon.h: the parts of parapetd.
 *
 * Tests: tests/tools-tests (on a machine)
 */
#ifndef DAEMON_H
#define DAEMON_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "../lib/dom.h"
#include "../lib/paths.h"

void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Says the pending error and clears it. */
void say_error(const char *what);

/* consoles.c */
int consoles_open(void);			/* -1 after err() */
/* Serves the domain from now on; nothing when it is served already. */
void console_add(uint32_t domid);
/* Takes what is left in the ring, then lets go of it. */
void console_remove(uint32_t domid);
void console_keep(const struct dom_set *present);	/* removes all others */
/* Descriptors to wait for; then what became of them. */
unsigned int consoles_poll(struct pollfd *p, unsigned int max);
void consoles_run(const struct pollfd *p, unsigned int n);

/* backends.c */
void backends_scan(const struct dom_set *alive);	/* starts those that are missing */
unsigned int backends_poll(struct pollfd *p, unsigned int max);
int64_t backends_next(void);			/* ms of the monotonic clock: when backends_run() is due */
void backends_run(void);			/* what died is started again */

/* taps.c */
void taps_prepare(uint32_t domid);		/* before a backend of the domain's networks is started */
void taps_inherit(uint32_t domid);		/* in its process */
void taps_forget(uint32_t domid);

/* policy.c */
/* A domain has shut down: does what its configuration says. */
void policy(const dom_info *info);
void policy_resume(void);			/* restarts that a daemon before us had begun */
void policy_forget(const struct dom_set *present);	/* store entries of domains that are gone */
int run_restart(const char *key);		/* st_key() of its name; in a process of its own */
int run_auto(void);

#endif
