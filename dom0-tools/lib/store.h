/* SPDX-License-Identifier: MIT */
/*
 * lib/store.h: xenstored, over libxenstore. Paths are printf formats.
 *
 * Tests: tests/tools-tests (on a machine)
 */
#ifndef LIB_STORE_H
#define LIB_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <xenstore.h>

int st_open(void);			/* once; err(ST_NO_HOST) when no store is served */
struct xs_handle *st_handle(void);
void st_close(void);

/*
 * Many writes in one go: they are sent together, and their answers awaited together. Nothing is done
 * before st_flush(), which tells whether all went well.
 */
void st_queue_write(const char *value, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void st_queue_access(unsigned int owner, unsigned int reader, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void st_queue_rm(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
bool st_flush(void);
bool st_connect(void);			/* to xenstored's socket; false with errno */

/* A domain's name as one component of a path: what xenstored takes none of is @ and two hex digits. Good until the
 * next call; for names up to 128 bytes, what is more is cut off. */
const char *st_key(const char *name);

/* Allocated, or NULL. */
char *st_read(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
bool st_write(xs_transaction_t t, const char *value, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
bool st_rm(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Owner and, when different, one more domain that may read. */
bool st_access(xs_transaction_t t, unsigned int owner, unsigned int reader, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
char **st_list(unsigned int *n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Waits for a change below one of the watched paths; false at the time limit (ms, negative: none). */
bool st_watch(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
bool st_wait(int ms);
/* The same for who waits for other things too: at most 4 descriptors; then bit n is set when the n-th
 * watch fired; negative: the store is gone. */
struct pollfd;
unsigned int st_watch_fds(struct pollfd *p);
int st_watch_events(void);

#endif
