/* SPDX-License-Identifier: MIT */
/*
 * A backend process: the devices of one kind of one domain.
 *
 * Job:    find the devices in the store, open what they need as root, close the sandbox, then take
 *         each through the handshake for as long as it is there.
 * Enter:  backend_main() from backends/blk/main.c and its like.
 * State:  the list of devices; RUN_DIR/KIND-DOMID.pid, locked while the process lives: the
 *         next one waits for this one's end, and parapetd finds us by it.
 * Locks:  none: one thread.
 * Holds:  1. Crash-only: there is no other end than exit(); what the next process must know is in
 *            the store, in the rings and in files that the backend keeps below RUN_DIR.
 *         2. A device whose open() failed is closed and stays closed; the others are served.
 *         3. A device that comes later needs files, one that goes must let go of them:
 *            exit(EXIT_AGAIN), and parapetd starts us anew for those that are there.
 * Tests:  tests/tools-tests (on a machine)
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "../../dom0-tools/lib/err.h"
#include "../../dom0-tools/lib/store.h"
#include "device.h"
#include "grant.h"
#include "loop.h"
#include "sandbox.h"

#define MAX_WATCHES 4

static const struct backend *self;
static uint32_t domid;
static struct device *devices;

/* --- messages and entries --- */

static void say(const struct device *d, const char *fmt, va_list ap)
{
	char when[32], text[256];
	time_t now = time(NULL);
	struct tm tm;

	strftime(when, sizeof(when), "%F %T", gmtime_r(&now, &tm));
	vsnprintf(text, sizeof(text), fmt, ap);
	if (d)
		fprintf(stderr, "%s %s: domain %u device %u: %s\n", when, self->kind, d->domid, d->id, text);
	else
		fprintf(stderr, "%s %s: domain %u: %s\n", when, self->kind, domid, text);
}

void device_say(const struct device *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(d, fmt, ap);
	va_end(ap);
}

/*
 * The tools remove the folder of a device that is gone: writing into it must not make it again. true: written, or
 * the folder is not there any more, which the watch tells.
 */
static bool put(const struct device *d, const char *name, const char *text)
{
	char path[PATH_LEN + 16], entry[PATH_LEN + 64];
	struct xs_handle *h = st_handle();
	unsigned int len;

	snprintf(path, sizeof(path), "%s/frontend", d->back);
	snprintf(entry, sizeof(entry), "%s/%s", d->back, name);
	for (;;) {
		xs_transaction_t t = xs_transaction_start(h);
		void *there = t ? xs_read(h, t, path, &len) : NULL;
		bool ok = there && xs_write(h, t, entry, text, (unsigned int)strlen(text)), done;

		done = t && xs_transaction_end(h, t, !ok);
		if (!done && t && errno == EAGAIN) {
			free(there);
			continue;
		}
		ok = done && (ok || !there);
		free(there);
		return ok;
	}
}

int device_error(struct device *d, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	say(d, fmt, ap);
	va_end(ap);
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	put(d, "error", text);
	return -1;
}

char *front_read(const struct device *d, const char *name)
{
	return st_read("%s/%s", d->front, name);
}

char *back_read(const struct device *d, const char *name)
{
	return st_read("%s/%s", d->back, name);
}

static int64_t number(char *text, uint64_t max)
{
	int64_t v = -1;
	char *end;

	if (text) {
		errno = 0;
		v = (int64_t)strtoull(text, &end, 10);
		if (*text < '0' || *text > '9' || *end || errno || v < 0 || (uint64_t)v > max)
			v = -2;
	}
	free(text);
	return v;
}

int64_t front_number(const struct device *d, const char *name, uint32_t max)
{
	return number(front_read(d, name), max);
}

int64_t back_number(const struct device *d, const char *name, uint64_t max)
{
	return number(back_read(d, name), max);
}

bool back_write(const struct device *d, const char *name, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return put(d, name, text);
}

/* --- one device --- */

static void set_state(struct device *d, int state)
{
	d->state = state;
	back_write(d, "state", "%d", state);
}

void device_announce(struct device *d)
{
	if (d->connected)
		set_state(d, XS_CONNECTED);
}

static void let_go(struct device *d)
{
	if (d->connected)
		self->disconnect(d);
	d->connected = false;
}

void device_fail(struct device *d, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	device_error(d, "disconnected: %s", text);
	let_go(d);
	d->failed = true;
	set_state(d, XS_CLOSING);
}

static void connect_device(struct device *d, bool again)
{
	d->connected = true;
	if (self->connect(d, again)) {
		let_go(d);
		d->failed = true;
		set_state(d, XS_CLOSING);
	} else if (!again && d->connected) {	/* not failed at its first request */
		set_state(d, XS_CONNECTED);
	}
}

static void advance(struct device *d)
{
	int64_t front = front_number(d, "state", 8), online = back_number(d, "online", 1);

	d->state = (int)back_number(d, "state", 8);
	switch (handshake(d->state, front < 0 ? XS_UNKNOWN : (int)front, online != 0, d->connected, d->failed)) {
	case HS_OFFER:
		d->failed = false;
		if (self->offer(d)) {
			d->failed = true;
			set_state(d, XS_CLOSING);
		} else {
			set_state(d, XS_INIT_WAIT);
		}
		break;
	case HS_CONNECT:
		connect_device(d, false);
		break;
	case HS_CONNECT_AGAIN:
		connect_device(d, true);
		break;
	case HS_CLOSING:
		set_state(d, XS_CLOSING);
		break;
	case HS_CLOSE:
		let_go(d);
		set_state(d, XS_CLOSED);
		break;
	case HS_NOTHING:
		break;
	}
}

/* --- the list --- */

static struct device *new_device(uint32_t id)
{
	struct device *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->domid = domid;
	d->id = id;
	snprintf(d->back, sizeof(d->back), "/local/domain/0/backend/%s/%u/%u", self->kind, domid, id);
	snprintf(d->front, sizeof(d->front), "/local/domain/%u/device/%s/%u", domid, self->class, id);
	return d;
}

/* The ids in the store; -1: the folder is gone. */
static int list(uint32_t ids[], unsigned int max)
{
	unsigned int n, found = 0;
	char **names = st_list(&n, "/local/domain/0/backend/%s/%u", self->kind, domid);

	if (!names)
		return -1;
	for (unsigned int i = 0; i < n && found < max; i++) {
		int64_t id = number(strdup(names[i]), UINT32_MAX);
		char *state = st_read("/local/domain/0/backend/%s/%u/%s/state", self->kind, domid, names[i]);

		if (id >= 0 && state)
			ids[found++] = (uint32_t)id;
		free(state);
	}
	free(names);
	return (int)found;
}

static void open_all(void)
{
	uint32_t ids[256];
	int n = list(ids, 256);

	if (n < 0)
		exit(EXIT_GONE);
	for (int i = 0; i < n; i++) {
		struct device *d = new_device(ids[i]);

		if (!d)
			continue;
		d->state = (int)back_number(d, "state", 8);
		if (self->open(d)) {
			set_state(d, XS_CLOSED);
			d->priv = NULL;
			d->failed = true;
		}
		d->next = devices;
		devices = d;
	}
}

/* Something has changed in the store. Looks at everything: devices are few, changes are rare. */
static void look(void)
{
	uint32_t ids[256];
	int n = list(ids, 256);

	if (n <= 0)
		exit(EXIT_GONE);
	for (struct device *d = devices; d; d = d->next) {
		int i;

		for (i = 0; i < n && ids[i] != d->id; i++)
			;
		if (i == n)
			exit(EXIT_AGAIN);
		ids[i] = UINT32_MAX;
	}
	for (int i = 0; i < n; i++)
		if (ids[i] != UINT32_MAX)
			exit(EXIT_AGAIN);
	for (struct device *d = devices; d; d = d->next) {
		if (!d->priv)
			continue;		/* could not be opened */
		if (self->changed && d->connected)
			self->changed(d);
		advance(d);
	}
}

static void watch_fired(void *ctx)
{
	int fired = st_watch_events();

	if (fired < 0)
		exit(1);		/* the store is gone */
	if (fired)
		look();
}

/* --- the process --- */

/* Waits until the process before us is dead: two must never serve one ring. */
static int lock(void)
{
	char path[PATH_LEN], pid[16];
	int fd;

	mkdir(RUN_DIR, 0755);
	snprintf(path, sizeof(path), RUN_DIR "/%s-%u.pid", self->kind, domid);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || flock(fd, LOCK_EX))
		return -1;
	snprintf(pid, sizeof(pid), "%d\n", getpid());
	return ftruncate(fd, 0) || write(fd, pid, strlen(pid)) < 0 ? -1 : 0;
}

int backend_main(const struct backend *b, int argc, char **argv)
{
	struct pollfd p[MAX_WATCHES];
	unsigned int n;

	self = b;
	if (argc != 2 || number(strdup(argv[1]), 0x7fef) <= 0) {
		fprintf(stderr, "usage: %s DOMID (parapetd starts it; see docs/block.md)\n", b->kind);
		return 2;
	}
	domid = (uint32_t)atoi(argv[1]);
	err_program(b->kind);
	setvbuf(stderr, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	if (lock() || st_open() || grants_open(domid) || loop_open()) {
		device_say(NULL, "cannot start: %s", err_text() ? err_text() : strerror(errno));
		return 1;
	}
	open_all();
	if (!st_watch("/local/domain/0/backend/%s/%u", b->kind, domid) ||
	    !st_watch("/local/domain/%u/device/%s", domid, b->class)) {
		device_say(NULL, "the store refused a watch: %s", strerror(errno));
		return 1;
	}
	n = st_watch_fds(p);
	if (channels_listen())
		return 1;
	for (unsigned int i = 0; i < n; i++)
		if (loop_add(p[i].fd, watch_fired, NULL))
			return 1;
	if (b->alone && channels_direct(b->alone))
		return 1;
	if (sandbox(domid, b->syscalls)) {
		device_say(NULL, "the sandbox cannot be closed: %s", strerror(errno));
		return 1;
	}
	look();
	loop_run(b->before);
	return 1;
}
