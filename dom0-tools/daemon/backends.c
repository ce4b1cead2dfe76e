/* SPDX-License-Identifier: MIT */
/*
 * The backends of all domains: one process for each domain and kind of device.
 *
 * Job:    start one where the store has devices and no process serves them; start it again at once
 *         when it dies, however it died.
 * Enter:  daemon/main.c.
 * State:  one struct proc for each backend; in RUN_DIR: KIND-DOMID.pid, locked by the process while
 *         it lives, by which a daemon that is started anew finds those of the one before.
 * Locks:  none: one thread.
 * Holds:  1. A backend keeps running when we are killed: it needs us only to be started.
 *         2. One that dies within FAST_MS of its start is started again FAST_MS after that, and one
 *            that does so FAST_TIMES in a row SLOW_MS after. Who was killed (SIGKILL) is not counted.
 * Tests:  tests/tools-tests (on a machine)
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "daemon.h"
#include "../lib/store.h"
#include "../lib/vif.h"

#define FAST_MS 50
#define FAST_TIMES 10
#define SLOW_MS 5000

static const struct { const char *kind, *program; } kinds[] = {
	{ "pblk", "parapet-blk" }, { "pnet", "parapet-net" },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

struct proc {
	struct proc *next;
	unsigned int kind;
	uint32_t domid;
	int pidfd;			/* -1: it is not running */
	pid_t pid;			/* our child, until it was waited for; 0: another daemon's */
	bool killed;			/* that child was, by SIGKILL */
	int64_t started;
	unsigned int fast;		/* deaths soon after the start */
	struct pollfd *poll;
};

static struct proc *all;

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000L + t.tv_nsec / 1000000;
}

static struct proc *find(unsigned int kind, uint32_t domid)
{
	struct proc *p;

	for (p = all; p && (p->kind != kind || p->domid != domid); p = p->next)
		;
	return p;
}

/* Has the store devices of this kind for the domain? */
static bool wanted(unsigned int kind, uint32_t domid)
{
	unsigned int n;
	char **ids = st_list(&n, "/local/domain/0/backend/%s/%u", kinds[kind].kind, domid);

	free(ids);
	return n > 0;
}

/* The process that a daemon before us started; -1: none. */
static int running(unsigned int kind, uint32_t domid)
{
	char path[64], pid[16] = "";
	int fd, pidfd = -1;

	snprintf(path, sizeof(path), RUN_DIR "/%s-%u.pid", kinds[kind].kind, domid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (flock(fd, LOCK_EX | LOCK_NB) && read(fd, pid, sizeof(pid) - 1) > 0)
		pidfd = (int)syscall(SYS_pidfd_open, atoi(pid), 0);
	close(fd);
	return pidfd;
}

/* Beside our own program. */
static const char *program(unsigned int kind)
{
	static char path[300];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 32);

	while (n > 0 && path[n - 1] != '/')
		n--;
	snprintf(path + (n > 0 ? n : 0), 32, "%s", kinds[kind].program);
	return path;
}

static void start(struct proc *p)
{
	const char *path = program(p->kind);
	char id[16];
	pid_t pid;

	snprintf(id, sizeof(id), "%u", p->domid);
	p->started = now_ms();
	if (!strcmp(kinds[p->kind].kind, VIF_KIND))
		taps_prepare(p->domid);
	pid = fork();
	if (!pid) {
		setsid();
		if (!strcmp(kinds[p->kind].kind, VIF_KIND))
			taps_inherit(p->domid);
		/* Restartable sequences cost at every switch, and a backend has none. */
		setenv("GLIBC_TUNABLES", "glibc.pthread.rseq=0", 1);
		execl(path, kinds[p->kind].program, id, NULL);
		say("%s: %s", path, strerror(errno));
		_exit(127);
	}
	p->pid = pid > 0 ? pid : 0;
	p->killed = false;
	p->pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	if (p->pidfd >= 0)
		fcntl(p->pidfd, F_SETFD, FD_CLOEXEC);
}

static void remove_files(const char *prefix)
{
	DIR *dir = opendir(RUN_DIR);
	struct dirent *e;
	char path[300];

	while (dir && (e = readdir(dir)))
		if (!strncmp(e->d_name, prefix, strlen(prefix))) {
			snprintf(path, sizeof(path), RUN_DIR "/%s", e->d_name);
			unlink(path);
		}
	if (dir)
		closedir(dir);
}

/* Its domain or its devices are gone. */
static void forget(struct proc *p)
{
	char prefix[32];

	if (!strcmp(kinds[p->kind].kind, VIF_KIND))
		taps_forget(p->domid);
	snprintf(prefix, sizeof(prefix), "%s-%u-", kinds[p->kind].kind, p->domid);
	remove_files(prefix);
	snprintf(prefix, sizeof(prefix), "%s-%u.", kinds[p->kind].kind, p->domid);
	remove_files(prefix);
	for (struct proc **q = &all; *q; q = &(*q)->next)
		if (*q == p) {
			*q = p->next;
			break;
		}
	free(p);
}

static void serve(unsigned int kind, uint32_t domid)
{
	struct proc *p = find(kind, domid);

	if (p || !wanted(kind, domid))
		return;
	p = calloc(1, sizeof(*p));
	if (!p)
		return;
	*p = (struct proc){ .next = all, .kind = kind, .domid = domid, .started = now_ms() };
	p->pidfd = running(kind, domid);
	all = p;
	if (p->pidfd < 0)
		start(p);
}

void backends_scan(const struct dom_set *alive)
{
	for (unsigned int k = 0; k < KINDS; k++) {
		unsigned int n;
		char **ids = st_list(&n, "/local/domain/0/backend/%s", kinds[k].kind);

		for (unsigned int i = 0; i < n; i++) {
			uint32_t domid = (uint32_t)atoi(ids[i]);

			if (dom_in(alive, domid))
				serve(k, domid);
		}
		free(ids);
	}
}

unsigned int backends_poll(struct pollfd *p, unsigned int max)
{
	unsigned int n = 0;

	for (struct proc *b = all; b; b = b->next) {
		b->poll = b->pidfd >= 0 && n < max ? &p[n] : NULL;
		if (b->poll)
			p[n++] = (struct pollfd){ .fd = b->pidfd, .events = POLLIN };
	}
	return n;
}

int64_t backends_next(void)
{
	int64_t next = INT64_MAX;

	for (const struct proc *b = all; b; b = b->next)
		if (b->pidfd < 0) {
			int64_t at = b->started + (b->fast < FAST_TIMES ? FAST_MS : SLOW_MS);

			next = at < next ? at : next;
		}
	return next;
}

/* Waits for whatever children have ended, and notes of backends how. */
static void reap(void)
{
	siginfo_t si = { 0 };

	while (!waitid(P_ALL, 0, &si, WEXITED | WNOHANG) && si.si_pid) {
		for (struct proc *b = all; b; b = b->next)
			if (b->pid == si.si_pid) {
				b->pid = 0;
				b->killed = si.si_code == CLD_KILLED && si.si_status == SIGKILL;
			}
		si.si_pid = 0;
	}
}

/* It is dead. */
static void ended(struct proc *b, int64_t now)
{
	close(b->pidfd);
	b->pidfd = -1;
	if (now - b->started >= FAST_MS)
		b->fast = 0;
	else if (!b->killed || !b->fast)
		b->fast++;
	if (b->fast == FAST_TIMES && !b->killed)
		say("%s of domain %u ends as soon as it is started", kinds[b->kind].program, b->domid);
}

void backends_run(void)
{
	int64_t now = now_ms();

	reap();
	for (struct proc *b = all, *next; b; b = next) {
		next = b->next;
		if (b->poll && b->poll->revents)
			ended(b, now);
		b->poll = NULL;
		if (b->pidfd >= 0)
			continue;
		if (!wanted(b->kind, b->domid))
			forget(b);
		else if (!b->fast || now >= b->started + (b->fast < FAST_TIMES ? FAST_MS : SLOW_MS))
			start(b);
	}
}
