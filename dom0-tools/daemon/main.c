/* SPDX-License-Identifier: MIT */
/*
 * parapetd: the supervisor of dom0.
 *
 * Job:    serve consoles, do what is to be done when a domain ends, start what starts by itself.
 *         Crash-only: there is no way to end it but a signal, and all it must know is in the store
 *         and in the hypervisor; a new one goes on where the old one was.
 * Enter:  main().
 * State:  RUN_DIR: parapetd.pid, locked while it runs; auto.done after the automatic starts.
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
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "daemon.h"
#include "../lib/err.h"
#include "../lib/store.h"

#define MAX_FDS 2048
#define RESCAN_MS 5000
#define SETTLE_MS 20
#define LOCK_MS 5000
#define LOCK_STEP_MS 50
#define WATCH_NEW 1			/* bits of st_watch_events(), in the order of serve() */
#define WATCH_ENDED 2
#define WATCH_DEVICES 4

static bool background;

void say(const char *fmt, ...)
{
	char when[32];
	time_t now = time(NULL);
	va_list ap;

	strftime(when, sizeof(when), "%F %T", localtime(&now));
	va_start(ap, fmt);
	fprintf(stderr, "%s parapetd: ", when);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
}

void say_error(const char *what)
{
	if (err_text())
		say("%s: %s", what, err_text());
	err_clear();
}

enum { SCAN_ENDED, SCAN_NEW, SCAN_DEVICES, SCAN_ALL };

/* Compares what there is with what is served. The more may have changed, the more is looked at. */
static void scan(int what)
{
	struct dom_set present = { { 0 } }, alive = { { 0 } };
	unsigned int n;
	dom_info *list = dom_list(&n);

	if (!list) {
		say_error("domains");
		return;
	}
	for (unsigned int i = 0; i < n; i++) {
		dom_put(&present, list[i].domain);
		if (!(list[i].flags & XEN_DOMINF_dying))
			dom_put(&alive, list[i].domain);
	}
	console_keep(&alive);
	if (what >= SCAN_DEVICES)
		backends_scan(&alive);
	for (unsigned int i = 0; i < n; i++) {
		if (!list[i].domain || list[i].flags & XEN_DOMINF_dying)
			continue;
		if (what != SCAN_ENDED)
			console_add(list[i].domain);
		if (dom_shutdown_reason(&list[i]) >= 0)
			policy(&list[i]);
	}
	if (what == SCAN_ALL) {
		policy_forget(&present);
		dom_reap();
	}
	err_clear();
	free(list);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000L + t.tv_nsec / 1000000;
}

/*
 * Ends are dealt with at once: others wait for us to let go of the ring. New domains may wait a
 * moment, so that their creator gets done first.
 */
static void loop(void)
{
	static struct pollfd p[MAX_FDS];
	int64_t full = 0, fresh = INT64_MAX;	/* when to look again */

	for (;;) {
		int64_t now = now_ms(), next = full < fresh ? full : fresh;
		unsigned int nw = st_watch_fds(p);
		unsigned int nb = backends_poll(p + nw, MAX_FDS - nw);
		unsigned int n = nw + nb + consoles_poll(p + nw + nb, MAX_FDS - nw - nb);
		int64_t due = backends_next();
		int events;

		next = due < next ? due : next;
		if (poll(p, n, next > now ? (int)(next - now) : 0) < 0 && errno != EINTR)
			exit(ST_FAILED);
		backends_run();
		consoles_run(p + nw + nb, n - nw - nb);
		events = st_watch_events();
		now = now_ms();
		if (events < 0) {
			say("the store is gone: %s", strerror(errno));
			exit(ST_NO_HOST);
		}
		if (events & WATCH_NEW && fresh == INT64_MAX)
			fresh = now + SETTLE_MS;
		if (events & WATCH_ENDED)
			scan(SCAN_ENDED);
		if (events & WATCH_DEVICES)
			scan(SCAN_DEVICES);
		if (now >= full) {
			scan(SCAN_ALL);
			full = now + RESCAN_MS;
			fresh = INT64_MAX;
		} else if (now >= fresh) {
			scan(SCAN_NEW);
			fresh = INT64_MAX;
		}
	}
}

/*
 * One daemon at a time; the lock goes with the process, and one that was killed a moment ago may need
 * that long to go.
 */
static int lock(void)
{
	int fd, tries = LOCK_MS / LOCK_STEP_MS;
	char pid[16];

	mkdir(RUN_DIR, 0755);
	fd = open(RUN_DIR "/parapetd.pid", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return err(ST_FAILED, RUN_DIR "/parapetd.pid: %s", strerror(errno));
	while (flock(fd, LOCK_EX | LOCK_NB) && --tries)
		usleep(LOCK_STEP_MS * 1000);
	if (!tries)
		return err(ST_FAILED, "another parapetd is running");
	snprintf(pid, sizeof(pid), "%d\n", getpid());
	if (ftruncate(fd, 0) || write(fd, pid, strlen(pid)) < 0)
		return err(ST_FAILED, RUN_DIR "/parapetd.pid: %s", strerror(errno));
	return 0;
}

static void to_background(void)
{
	int fd;

	mkdir(LOG_DIR, 0700);
	fd = open(LOG_DIR "/parapetd.log", O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fork())
		_exit(0);
	setsid();
	if (fd >= 0) {
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		close(fd);
	}
	fd = open("/dev/null", O_RDONLY);
	dup2(fd, STDIN_FILENO);
	close(fd);
}

/* A store that was started by nobody who knows it has no entry of dom0. */
static void name_dom0(void)
{
	char *name = st_read("/local/domain/0/name");

	if (!name) {
		st_write(XBT_NULL, "Domain-0", "/local/domain/0/name");
		st_write(XBT_NULL, "0", "/local/domain/0/domid");
	}
	free(name);
}

static int serve(void)
{
	struct rlimit many = { MAX_FDS * 4, MAX_FDS * 4 };
	int fd;

	if (host_open())
		return -1;
	if (background)
		to_background();
	if (lock() || consoles_open())
		return -1;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	setrlimit(RLIMIT_NOFILE, &many);
	name_dom0();
	if (!st_watch("@introduceDomain") || !st_watch("@releaseDomain") ||
	    !st_watch("/parapet/devices"))
		return err(ST_NO_HOST, "the store refused a watch");
	say("running");
	scan(SCAN_ALL);
	policy_resume();
	fd = open(RUN_DIR "/auto.done", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd >= 0 && !fork())
		execl("/proc/self/exe", "parapetd", "--auto", NULL);
	loop();
	return 0;
}

int main(int argc, char **argv)
{
	err_program("parapetd");
	signal(SIGCHLD, SIG_DFL);	/* who starts us may ignore it, and we want to know how children end */
	setvbuf(stderr, NULL, _IOLBF, 0);
	background = argc == 1;
	if (argc == 3 && !strcmp(argv[1], "--restart")) {
		if (!host_open())
			run_restart(argv[2]);
	} else if (argc == 2 && !strcmp(argv[1], "--auto")) {
		if (!host_open())
			run_auto();
	} else if (argc == 1 || (argc == 2 && !strcmp(argv[1], "--foreground"))) {
		serve();
	} else {
		fprintf(stderr, "parapetd [--foreground]\nServes consoles and ends of domains; see docs/tools.md.\n");
		return ST_USAGE;
	}
	if (!err_text())
		return ST_OK;
	say("%s", err_text());
	return (int)err_status();
}
