/* SPDX-License-Identifier: MIT */
/*
 * parapet console
 *
 * Job:    connect this terminal, or standard input and output, with the pty that xenconsoled or
 *         parapetd made for a domain.
 * Enter:  the table of commands; `create --console`.
 * State:  the terminal's settings while attached.
 * Tests:  tests/tools-tests
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include "cmd.h"

#define LEAVE 0x1d			/* Ctrl-] */
#define LOST 1
#define APPEAR_MS 10000			/* how long the daemon may take to make the pty */

static struct termios before;
static bool raw;

static void restore(void)
{
	if (raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
	raw = false;
}

static void make_raw(int fd, struct termios *keep)
{
	struct termios t;

	if (tcgetattr(fd, &t))
		return;
	if (keep)
		*keep = t;
	cfmakeraw(&t);
	tcsetattr(fd, TCSANOW, &t);
}

static bool write_all(int fd, const char *buf, size_t len)
{
	while (len) {
		ssize_t n = write(fd, buf, len);

		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return false;
		buf += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

/* Waits for the pty to be there, as after a new start of the daemon. */
static int open_pty(uint32_t domid)
{
	for (int waited = 0;; waited += 500) {
		char *tty = st_read("/local/domain/%u/console/tty", domid);
		dom_info i;
		int fd = tty && *tty ? open(tty, O_RDWR | O_NOCTTY | O_CLOEXEC) : -1;

		free(tty);
		if (fd >= 0)
			return fd;
		if (!dom_info_of(domid, &i) || i.flags & XEN_DOMINF_dying)
			return err(ST_NO_DOMAIN, "domain %u is gone", domid);
		if (waited >= APPEAR_MS)
			return err(ST_NO_HOST, "nobody serves the consoles: start parapetd or xenconsoled");
		usleep(500000);
	}
}

/* Until the user leaves or the domain ends: 0. LOST: the pty ended, the domain may be there still. */
static int pump(int pty, uint32_t domid)
{
	struct pollfd p[2] = { { .fd = pty, .events = POLLIN }, { .fd = STDIN_FILENO, .events = POLLIN } };
	dom_info i;
	char buf[4096];

	for (;;) {
		int ready = poll(p, 2, 1000);
		ssize_t n;

		if (ready < 0 && errno != EINTR)
			return err(ST_FAILED, "waiting for the console: %s", strerror(errno));
		if (!ready && (!dom_info_of(domid, &i) || i.flags & XEN_DOMINF_dying))
			return 0;
		if (p[0].revents) {
			n = read(pty, buf, sizeof(buf));
			if (n <= 0)
				return LOST;
			if (!write_all(STDOUT_FILENO, buf, (size_t)n))
				return 0;
		}
		if (p[1].revents) {
			char *leave;

			n = read(STDIN_FILENO, buf, sizeof(buf));
			leave = n > 0 ? memchr(buf, LEAVE, (size_t)n) : NULL;
			if (leave)
				n = leave - buf;
			if (n > 0 && !write_all(pty, buf, (size_t)n))
				return 0;
			if (leave)
				return 0;
			if (n <= 0)
				p[1].fd = -1;	/* our input ended; what comes is still shown */
		}
	}
}

int console_attach(uint32_t domid)
{
	int pty = open_pty(domid), rc;
	dom_info i;

	if (pty < 0)
		return -1;
	make_raw(pty, NULL);
	if (isatty(STDIN_FILENO)) {
		fprintf(stderr, "Console of domain %u. Leave by Ctrl-].\n", domid);
		make_raw(STDIN_FILENO, &before);
		raw = true;
		atexit(restore);
	}
	while ((rc = pump(pty, domid)) == LOST) {
		close(pty);
		usleep(200000);
		if (!dom_info_of(domid, &i) || i.flags & XEN_DOMINF_dying)
			break;
		pty = open_pty(domid);
		if (pty < 0) {
			restore();
			return -1;
		}
		make_raw(pty, NULL);
	}
	restore();
	if (rc != LOST)
		close(pty);
	return rc < 0 ? -1 : 0;
}

int cmd_console(int argc, char **argv)
{
	dom_info i;

	if (want_json)
		return err(ST_USAGE, "a console is no JSON");
	if (host_open() || dom_find(argv[0], &i))
		return -1;
	if (!i.domain)
		return err(ST_USAGE, "dom0's console is the machine's own");
	return console_attach(i.domain);
}
