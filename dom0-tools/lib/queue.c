/* SPDX-License-Identifier: MIT */
/*
 * Many writes to the store in one go.
 *
 * Job:    send a list of requests to xenstored at once and then read all answers. One request after the
 *         other costs two switches of processes each, which was a third of the time that making a
 *         domain's entries took.
 * Enter:  st_queue_*(), st_flush() from lib/create.c, lib/dom.c, the devices' files and the daemon's consoles.
 * State:  the queue; connections of its own, by the wire protocol of Xen's io/xs_wire.h, of which xenstored
 *         sends back req_id as it was: the number of the connection that a request goes by.
 * Holds:  requests are carried out in the order in which they were queued, by one connection; but those
 *         after st_queue_apart() in any order, dealt out to several. Of each connection xenstored
 *         takes one request in a round, and a round costs it something for every domain.
 * Tests:  tests/tools-tests (on a machine)
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "store.h"

#define MAX_READINGS 8
#define LANES 3				/* connections */
#define MAX_MESSAGE (sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX)

static char *queue;
static size_t length, room;
static unsigned int count, in_lane[LANES];
static bool apart;
static struct reading { unsigned int id; char **out; } readings[MAX_READINGS];
static unsigned int nr_readings;
static bool broken;			/* something did not fit: st_flush() fails */
static int socks[LANES] = { -1, -1, -1 };

static unsigned int next_lane(void)
{
	unsigned int best = 0;

	for (unsigned int i = 1; apart && i < LANES; i++)
		if (in_lane[i] < in_lane[best])
			best = i;
	return best;
}

static struct xsd_sockmsg *begin(uint32_t type, const char *fmt, va_list ap)
{
	struct xsd_sockmsg *m;
	int n;

	if (room - length < MAX_MESSAGE) {
		char *more = realloc(queue, room * 2 + 4 * MAX_MESSAGE);

		if (!more) {
			broken = true;
			return NULL;
		}
		queue = more;
		room = room * 2 + 4 * MAX_MESSAGE;
	}
	m = (struct xsd_sockmsg *)(queue + length);
	*m = (struct xsd_sockmsg){ .type = type, .req_id = next_lane() };
	n = vsnprintf((char *)(m + 1), XENSTORE_ABS_PATH_MAX, fmt, ap);
	m->len = (uint32_t)n + 1;
	if (n >= XENSTORE_ABS_PATH_MAX)
		broken = true;
	return broken ? NULL : m;
}

static void end(struct xsd_sockmsg *m)
{
	length += sizeof(*m) + m->len;
	/* headers stay aligned in memory; what is sent is packed */
	length = (length + 7) & ~7UL;
	in_lane[m->req_id]++;
	count++;
}

static void reading(uint32_t type, char **out, const char *fmt, va_list ap)
{
	struct xsd_sockmsg *m = begin(type, fmt, ap);

	*out = NULL;
	if (nr_readings == MAX_READINGS)
		broken = true;
	if (!m || broken)
		return;
	readings[nr_readings++] = (struct reading){ count, out };
	end(m);
}

void st_queue_read(char **out, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	reading(XS_READ, out, fmt, ap);
	va_end(ap);
}

void st_queue_list(char **out, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	reading(XS_DIRECTORY, out, fmt, ap);
	va_end(ap);
}

static void append(struct xsd_sockmsg *m, const void *data, size_t len)
{
	if (m->len + len > XENSTORE_PAYLOAD_MAX) {
		broken = true;
		return;
	}
	memcpy((char *)(m + 1) + m->len, data, len);
	m->len += (uint32_t)len;
}

/* A request of a path and `len` bytes. */
static void request(uint32_t type, const void *data, size_t len, const char *fmt, va_list ap)
{
	struct xsd_sockmsg *m = begin(type, fmt, ap);

	if (m) {
		append(m, data, len);
		end(m);
	}
}

void st_queue_write(const char *value, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	request(XS_WRITE, value, strlen(value), fmt, ap);
	va_end(ap);
}

void st_queue_rm(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	request(XS_RM, "", 0, fmt, ap);
	va_end(ap);
}

static void numbers(uint32_t type, const unsigned long *n, unsigned int nr, const char *fmt, ...)
{
	struct xsd_sockmsg *m;
	char text[24];
	va_list ap;

	va_start(ap, fmt);
	m = begin(type, fmt, ap);
	va_end(ap);
	for (unsigned int i = 0; m && i < nr; i++)
		append(m, text, (size_t)snprintf(text, sizeof(text), "%lu", n[i]) + 1);
	if (m)
		end(m);
}

void st_queue_introduce(unsigned int domid, unsigned long mfn, unsigned int port)
{
	numbers(XS_INTRODUCE, (unsigned long[]){ mfn, port }, 2, "%u", domid);
}

void st_queue_release(unsigned int domid)
{
	numbers(XS_RELEASE, NULL, 0, "%u", domid);
}

void st_queue_access(unsigned int owner, unsigned int reader, const char *fmt, ...)
{
	struct xsd_sockmsg *m;
	char perm[16];
	va_list ap;

	va_start(ap, fmt);
	m = begin(XS_SET_PERMS, fmt, ap);
	va_end(ap);
	if (!m)
		return;
	append(m, perm, (size_t)snprintf(perm, sizeof(perm), "n%u", owner) + 1);
	if (reader != owner)
		append(m, perm, (size_t)snprintf(perm, sizeof(perm), "r%u", reader) + 1);
	end(m);
}

void st_queue_open(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	request(XS_SET_PERMS, "r0", 3, fmt, ap);
	va_end(ap);
}

void st_queue_apart(void)
{
	apart = true;
}

static bool connected(unsigned int lane)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int *sock = &socks[lane];

	if (*sock >= 0)
		return true;
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", xs_daemon_socket());
	*sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*sock >= 0 && !connect(*sock, (struct sockaddr *)&a, sizeof(a)))
		return true;
	if (*sock >= 0)
		close(*sock);
	*sock = -1;
	return false;
}

bool st_connect(void)
{
	return connected(0);
}

static bool transfer(unsigned int lane, bool out, void *data, size_t len)
{
	for (char *p = data; len;) {
		ssize_t n = out ? send(socks[lane], p, len, MSG_NOSIGNAL) : recv(socks[lane], p, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n ? errno : EPIPE;
			return false;
		}
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static int error_number(const char *name)
{
	static const struct { const char *name; int number; } known[] = {
		{ "EACCES", EACCES }, { "ENOENT", ENOENT }, { "ENOSPC", ENOSPC }, { "EQUOTA", ENOSPC },
		{ "E2BIG", E2BIG }, { "ENOMEM", ENOMEM }, { "EIO", EIO }, { "EAGAIN", EAGAIN },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(name, known[i].name))
			return known[i].number;
	return EINVAL;
}

/*
 * One answer; what was not found does not matter, to a removal or to a reader. A reader gets two zeros at the end, so that a
 * list has an empty name there.
 */
static bool answer(unsigned int lane, char **out, int *error)
{
	struct xsd_sockmsg m;
	char body[XENSTORE_PAYLOAD_MAX + 2];

	if (!transfer(lane, false, &m, sizeof(m)) || m.len > XENSTORE_PAYLOAD_MAX ||
	    !transfer(lane, false, body, m.len))
		return false;
	body[m.len] = body[m.len + 1] = '\0';
	if (m.type == XS_ERROR && strcmp(body, "ENOENT") && !*error)
		*error = error_number(body);
	if (m.type != XS_ERROR && out) {
		*out = malloc(m.len + 2);
		if (*out)
			memcpy(*out, body, m.len + 2);
		else if (!*error)
			*error = ENOMEM;
	}
	return true;
}

/* The message behind this one; NULL: the first. */
static struct xsd_sockmsg *following(const struct xsd_sockmsg *m)
{
	return (struct xsd_sockmsg *)(m ? (char *)m + ((sizeof(*m) + m->len + 7) & ~7UL) : queue);
}

/* All of one connection, without the gaps between them. */
static bool send_lane(unsigned int lane, char *buf)
{
	struct xsd_sockmsg *m = NULL;
	size_t n = 0;

	if (!in_lane[lane])
		return true;
	for (unsigned int i = 0; i < count; i++) {
		m = following(m);
		if (m->req_id != lane)
			continue;
		memcpy(buf + n, m, sizeof(*m) + m->len);
		n += sizeof(*m) + m->len;
	}
	return connected(lane) && transfer(lane, true, buf, n);
}

static bool exchange(int *error)
{
	char *buf = malloc(length);
	struct xsd_sockmsg *m = NULL;
	unsigned int r = 0;
	bool ok = buf;

	for (unsigned int i = 0; ok && i < LANES; i++)
		ok = send_lane(i, buf);
	free(buf);
	for (unsigned int i = 0; ok && i < count; i++) {
		bool wanted = r < nr_readings && readings[r].id == i;

		m = following(m);
		ok = answer(m->req_id, wanted ? readings[r].out : NULL, error);
		r += wanted;
	}
	return ok;
}

bool st_flush(void)
{
	int error = broken ? E2BIG : 0;

	if (!broken && count && !exchange(&error)) {
		error = errno;
		/* answers that are still to come would be taken for others */
		for (unsigned int i = 0; i < LANES; i++) {
			if (socks[i] >= 0)
				close(socks[i]);
			socks[i] = -1;
		}
	}
	length = count = nr_readings = 0;
	memset(in_lane, 0, sizeof(in_lane));
	apart = broken = false;
	errno = error;
	return !error;
}
