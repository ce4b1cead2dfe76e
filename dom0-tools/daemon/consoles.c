/* SPDX-License-Identifier: MIT */
/*
 * Consoles of all domains.
 *
 * Job:    move bytes between each domain's console ring, its log file and its pty.
 * Enter:  daemon/main.c.
 * State:  one struct console per domain that is served.
 * Holds:  the ring's consumer index moves only after the bytes are in the log file: who is killed
 *         between the two writes them twice, and loses none. What is in the ring is the guest's to
 *         write at any time: indices are read once and checked.
 * Caveat: what nobody has read from the pty when the daemon ends is in the log only.
 * Tests:  tests/tools-tests (on a machine)
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include "daemon.h"
#include "../lib/err.h"
#include "../lib/hyper.h"
#include "../lib/store.h"

#define IN_SIZE 1024U
#define OUT_SIZE 2048U
#define KEEP (64U << 10)		/* for who attaches later */
#define LOG_MAX (16L << 20)

/* The page that both sides share; layout of Xen's io/console.h. */
struct ring {
	char in[IN_SIZE];
	char out[OUT_SIZE];
	uint32_t in_cons, in_prod, out_cons, out_prod;
};

struct console {
	struct console *next;
	uint32_t domid;
	char *name;
	struct ring *ring;
	bool by_grant;
	evtchn_port_t port;
	int log, pty, slave;
	char *keep;			/* not yet taken by the pty */
	unsigned int kept;
	struct pollfd *poll;		/* of this round */
};

static struct console *all;
static struct dom_set served;	/* the ids in all */
static xenevtchn_handle *ev;
static xengnttab_handle *gt;

int consoles_open(void)
{
	ev = xenevtchn_open(NULL, 0);
	gt = xengnttab_open(NULL, 0);
	if (!ev || !gt)
		return err(ST_NO_HOST, "/dev/xen/evtchn or gntdev: %s", strerror(errno));
	return 0;
}

static void open_log(struct console *c)
{
	char path[300], old[310];
	struct stat st;

	mkdir(LOG_DIR, 0700);
	snprintf(path, sizeof(path), LOG_DIR "/%s.log", c->name);
	snprintf(old, sizeof(old), "%s.1", path);
	if (!stat(path, &st) && st.st_size > LOG_MAX)
		rename(path, old);
	if (c->log >= 0)
		close(c->log);
	c->log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (c->log < 0)
		say("%s: %s", path, strerror(errno));
}

static bool open_pty(struct console *c)
{
	struct termios t;
	char name[64];

	c->pty = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (c->pty < 0 || grantpt(c->pty) || unlockpt(c->pty) || ptsname_r(c->pty, name, sizeof(name)))
		return false;
	/* Held open, so that the pty does not hang up between two users. */
	c->slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (c->slave < 0 || tcgetattr(c->slave, &t))
		return false;
	cfmakeraw(&t);
	tcsetattr(c->slave, TCSANOW, &t);
	st_queue_write(name, "/local/domain/%u/console/tty", c->domid);
	return st_flush();
}

static bool map_ring(struct console *c, uint64_t mfn)
{
	xen_pfn_t frame = mfn;

	c->ring = xengnttab_map_grant_ref(gt, c->domid, 0, PROT_READ | PROT_WRITE);
	c->by_grant = c->ring;
	if (!c->ring)
		c->ring = hv_map(c->domid, true, 1, &frame);
	return c->ring;
}

static void drop(struct console *c)
{
	if (c->port)
		xenevtchn_unbind(ev, c->port);
	if (c->ring && c->by_grant)
		xengnttab_unmap(gt, c->ring, 1);
	else if (c->ring)
		hv_unmap(c->ring, 1);
	if (c->log >= 0)
		close(c->log);
	if (c->slave >= 0)
		close(c->slave);
	if (c->pty >= 0)
		close(c->pty);
	free(c->keep);
	free(c->name);
	free(c);
}

/* --- bytes --- */

static void keep(struct console *c, const char *buf, unsigned int len)
{
	if (c->kept + len > KEEP) {	/* the oldest go */
		unsigned int cut = c->kept + len - KEEP;

		memmove(c->keep, c->keep + cut, c->kept - cut);
		c->kept -= cut;
	}
	memcpy(c->keep + c->kept, buf, len);
	c->kept += len;
}

static void to_log(struct console *c, const char *buf, unsigned int len)
{
	off_t end;

	while (c->log >= 0 && len) {
		ssize_t n = write(c->log, buf, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			say("log of %s: %s", c->name, strerror(errno));
			return;
		}
		buf += n;
		len -= (unsigned int)n;
	}
	end = c->log >= 0 ? lseek(c->log, 0, SEEK_END) : 0;
	if (end > LOG_MAX)
		open_log(c);
}

static void take_output(struct console *c)
{
	struct ring *r = c->ring;
	uint32_t cons, prod;
	char buf[OUT_SIZE];
	unsigned int n;

	cons = r->out_cons;
	prod = __atomic_load_n(&r->out_prod, __ATOMIC_ACQUIRE);
	n = prod - cons;
	if (!n)
		return;
	if (n > OUT_SIZE) {		/* a guest that writes nonsense gets silence */
		__atomic_store_n(&r->out_cons, prod, __ATOMIC_RELEASE);
		return;
	}
	for (unsigned int i = 0; i < n; i++)
		buf[i] = r->out[(cons + i) % OUT_SIZE];
	to_log(c, buf, n);
	keep(c, buf, n);
	__atomic_store_n(&r->out_cons, cons + n, __ATOMIC_RELEASE);
	xenevtchn_notify(ev, c->port);
}

static void to_pty(struct console *c)
{
	ssize_t n;

	while (c->kept && (n = write(c->pty, c->keep, c->kept)) > 0) {
		memmove(c->keep, c->keep + n, c->kept - (size_t)n);
		c->kept -= (unsigned int)n;
	}
}

static unsigned int in_room(const struct console *c)
{
	uint32_t used = c->ring->in_prod - __atomic_load_n(&c->ring->in_cons, __ATOMIC_ACQUIRE);

	return used < IN_SIZE ? IN_SIZE - used : 0;
}

static void take_input(struct console *c)
{
	unsigned int room = in_room(c);
	uint32_t prod = c->ring->in_prod;
	char buf[IN_SIZE];
	ssize_t n = room ? read(c->pty, buf, room) : 0;

	for (ssize_t i = 0; i < n; i++)
		c->ring->in[(prod + (uint32_t)i) % IN_SIZE] = buf[i];
	if (n > 0) {
		__atomic_store_n(&c->ring->in_prod, prod + (uint32_t)n, __ATOMIC_RELEASE);
		xenevtchn_notify(ev, c->port);
	}
}

/* --- domains --- */

void console_add(uint32_t domid)
{
	char *type, *port, *ring, *name;
	struct console *c;
	int local;

	if (dom_in(&served, domid))
		return;
	st_queue_read(&port, "/local/domain/%u/console/port", domid);
	st_queue_read(&ring, "/local/domain/%u/console/ring-ref", domid);
	st_queue_read(&type, "/local/domain/%u/console/type", domid);
	st_queue_read(&name, "/local/domain/%u/name", domid);
	st_flush();
	if (!port || !ring || (type && strcmp(type, "xenconsoled")))
		goto out;		/* not yet, or another's */
	c = calloc(1, sizeof(*c));
	if (!c)
		goto out;
	c->domid = domid;
	if (name || asprintf(&name, "(%u)", domid) > 0)
		c->name = name;
	name = NULL;
	c->log = c->pty = c->slave = -1;
	c->keep = malloc(KEEP);
	local = xenevtchn_bind_interdomain(ev, domid, (evtchn_port_t)atoi(port));
	c->port = local > 0 ? (evtchn_port_t)local : 0;
	if (!c->keep || !c->name || local <= 0 || !map_ring(c, strtoul(ring, NULL, 10)) || !open_pty(c)) {
		say("console of domain %u: %s%s", domid, strerror(errno),
		    local <= 0 ? " (does xenconsoled serve it?)" : "");
		drop(c);
		goto out;
	}
	open_log(c);
	c->next = all;
	all = c;
	dom_put(&served, domid);
	take_output(c);
out:
	free(name);
	free(type);
	free(ring);
	free(port);
}

void console_remove(uint32_t domid)
{
	struct console **p;

	for (p = &all; *p && (*p)->domid != domid; p = &(*p)->next)
		;
	if (*p) {
		struct console *c = *p;

		take_output(c);
		to_pty(c);
		*p = c->next;
		served.bits[domid / 64] &= ~(1UL << domid % 64);
		drop(c);
	}
}

void console_keep(const struct dom_set *present)
{
	for (struct console *c = all, *next; c; c = next) {
		next = c->next;
		if (!dom_in(present, c->domid))
			console_remove(c->domid);
	}
}

unsigned int consoles_poll(struct pollfd *p, unsigned int max)
{
	unsigned int n = 0;

	p[n++] = (struct pollfd){ .fd = xenevtchn_fd(ev), .events = POLLIN };
	for (struct console *c = all; c; c = c->next) {
		c->poll = n < max ? &p[n] : NULL;
		if (c->poll)
			p[n++] = (struct pollfd){ .fd = c->pty, .events = (short)((c->kept ? POLLOUT : 0) |
						  (in_room(c) ? POLLIN : 0)) };
	}
	return n;
}

void consoles_run(const struct pollfd *p, unsigned int n)
{
	int port;

	if (p[0].revents & POLLIN) {
		port = xenevtchn_pending(ev);
		for (struct console *c = all; c && port > 0; c = c->next)
			if (c->port == (evtchn_port_t)port) {
				xenevtchn_unmask(ev, c->port);
				take_output(c);
				break;
			}
	}
	for (struct console *c = all; c; c = c->next) {
		if (!c->poll || !c->poll->revents)
			continue;
		if (c->poll->revents & POLLIN)
			take_input(c);
		if (c->poll->revents & POLLOUT)
			to_pty(c);
	}
}
