/* SPDX-License-Identifier: MIT */
/*
 * The store.
 *
 * Job:    read and write xenstored's tree with formatted paths.
 * Enter:  lib/dom.c, lib/create.c, the commands, the daemon.
 * Caveat: a xenstored in a domain of its own, without a socket in dom0, is not reached.
 * Holds:  a domain's name stands in a path by st_key() only: it may have signs that paths have not.
 * State:  one connection, and one more for each watch: without a thread, which the static library
 *         does not have, an event that comes before a reply would be taken for it.
 * Tests:  tests/tools-tests: unit/test_config (st_key()), the rest on a machine
 */
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "err.h"
#include "store.h"

#define MAX_WATCHES 4

static struct xs_handle *xs;
static struct xs_handle *watches[MAX_WATCHES];
static int watch_fds[MAX_WATCHES];
static unsigned int nr_watches;
static char path[1024];			/* xenstored allows as much */

static const char *form(const char *fmt, va_list ap)
{
	vsnprintf(path, sizeof(path), fmt, ap);
	return path;
}

#define FORM() do { \
	va_list ap; \
	va_start(ap, fmt); \
	form(fmt, ap); \
	va_end(ap); \
} while (0)

const char *st_key(const char *name)
{
	static char key[3 * 128 + 1];
	char *p = key;

	for (const char *end = key + sizeof(key) - 3; *name && p < end; name++) {
		if (isalnum((unsigned char)*name) || *name == '-' || *name == '_')
			*p++ = *name;
		else
			p += sprintf(p, "@%02x", (unsigned char)*name);
	}
	*p = '\0';
	return key;
}

int st_open(void)
{
	if (!st_connect())
		return err(ST_NO_HOST, "the store does not answer (is xenstored running?): %s",
			   strerror(errno));
	return 0;
}

/*
 * Without a daemon behind the socket libxenstore would go through the kernel, which waits for one for
 * ever. Many commands do with the queue and never come here: a second connection is not free.
 */
struct xs_handle *st_handle(void)
{
	if (!xs && st_connect())
		xs = xs_open(0);
	return xs;
}

void st_close(void)
{
	if (xs)
		xs_close(xs);
	xs = NULL;
}

char *st_read(const char *fmt, ...)
{
	unsigned int len;

	FORM();
	return st_handle() ? xs_read(xs, XBT_NULL, path, &len) : NULL;
}

bool st_write(xs_transaction_t t, const char *value, const char *fmt, ...)
{
	FORM();
	return st_handle() && xs_write(xs, t, path, value, (unsigned int)strlen(value));
}

bool st_rm(const char *fmt, ...)
{
	FORM();
	return st_handle() && xs_rm(xs, XBT_NULL, path);
}

char **st_list(unsigned int *n, const char *fmt, ...)
{
	char **names;

	FORM();
	names = st_handle() ? xs_directory(xs, XBT_NULL, path, n) : NULL;
	if (!names)
		*n = 0;
	return names;
}

bool st_watch(const char *fmt, ...)
{
	struct xs_handle *h;
	unsigned int n;
	int fd = dup(STDERR_FILENO);

	FORM();
	/*
	 * xs_fileno() is a pipe that only the library's thread writes to. The socket is what we need: it
	 * will have the lowest number that is free.
	 */
	close(fd);
	h = nr_watches < MAX_WATCHES ? xs_open(0) : NULL;
	if (!h)
		return false;
	if (!xs_watch(h, path, "w")) {
		xs_close(h);
		return false;
	}
	watch_fds[nr_watches] = fd;
	watches[nr_watches++] = h;
	free(xs_read_watch(h, &n));	/* every watch fires once at first */
	return true;
}

unsigned int st_watch_fds(struct pollfd *p)
{
	for (unsigned int i = 0; i < nr_watches; i++)
		p[i] = (struct pollfd){ .fd = watch_fds[i], .events = POLLIN };
	return nr_watches;
}

int st_watch_events(void)
{
	int fired = 0;

	for (unsigned int i = 0; i < nr_watches; i++) {
		char **w;

		while ((w = xs_check_watch(watches[i]))) {
			free(w);
			fired |= 1 << i;
		}
		if (errno != EAGAIN)
			return -1;
	}
	return fired;
}

bool st_wait(int ms)
{
	struct pollfd p[MAX_WATCHES];

	return poll(p, st_watch_fds(p), ms) > 0 && st_watch_events() != 0;
}
