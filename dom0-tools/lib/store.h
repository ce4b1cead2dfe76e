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

int st_open(void);			/* err(ST_NO_HOST) when no store is served */
struct xs_handle *st_handle(void);	/* opened with the first use; NULL: it could not be */
void st_close(void);

/*
 * Many writes in one go: they are sent together, and their answers awaited together. Nothing is done
 * before st_flush(), which tells whether all went well. Of st_queue_access() the second domain, when it is another one, may read.
 */
void st_queue_write(const char *value, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void st_queue_access(unsigned int owner, unsigned int reader, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void st_queue_open(const char *fmt, ...) __attribute__((format(printf, 1, 2)));	/* dom0's, to be read by all */
void st_queue_rm(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* At most 8 in one flush, after which *out is allocated, or NULL when there is no such entry. A list is names with a zero behind
 * each and an empty one at the end; one of more than 4096 bytes fails with E2BIG. */
void st_queue_read(char **out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void st_queue_list(char **out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void st_queue_introduce(unsigned int domid, unsigned long mfn, unsigned int port);
void st_queue_release(unsigned int domid);
void st_queue_apart(void);		/* what follows until the flush may be done in any order */
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
