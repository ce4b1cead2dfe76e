/* SPDX-License-Identifier: MIT */
/*
 * The sandbox of a backend.
 *
 * Job:    a guest that takes over its backend gets a process of a user of its own, without files,
 *         without capabilities, with about twenty system calls.
 * Enter:  common/device.c, once, when all files are open.
 * State:  the process.  Locks: none.
 * Caveat: the open connection to the store has dom0's rights, and /dev/xen/gntdev maps whatever
 *         any domain has granted to dom0: neither can be limited in Linux 6.x and Debian's xenstored.
 * Tests:  tests/tools-tests (on a machine)
 */
#include <errno.h>
#include <grp.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "device.h"
#include "sandbox.h"

#define EMPTY RUN_DIR "/empty"

/* What each backend needs: memory, its descriptors, waiting, the clock, the end. */
static const int common[] = {
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(close), SCMP_SYS(ioctl),
	SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(poll),
	SCMP_SYS(epoll_wait), SCMP_SYS(epoll_ctl), SCMP_SYS(clock_gettime), SCMP_SYS(exit_group),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(restart_syscall),
	SCMP_SYS(fcntl), SCMP_SYS(recvfrom), SCMP_SYS(sendto), SCMP_SYS(newfstatat), SCMP_SYS(fstat),
	SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(tgkill), SCMP_SYS(futex), -1
};

/* Says what was tried, so that a call that is missing in the lists is found; then the process ends. */
static void refused(int sig, siginfo_t *i, void *context)
{
	char text[] = "backend: system call     is not allowed\n";
	int nr = i->si_syscall;

	for (unsigned int at = 23; nr > 0 && at > 20; at--, nr /= 10)
		text[at] = (char)('0' + nr % 10);
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(126);
	_exit(127);
}

static int filter(const int *more)
{
	scmp_filter_ctx c = seccomp_init(SCMP_ACT_TRAP);
	int rc = c ? 0 : -ENOMEM;

	for (const int *s = common; !rc && *s != -1; s++)
		rc = seccomp_rule_add(c, SCMP_ACT_ALLOW, *s, 0);
	for (const int *s = more; !rc && s && *s != -1; s++)
		rc = seccomp_rule_add(c, SCMP_ACT_ALLOW, *s, 0);
	if (!rc)
		rc = seccomp_load(c);
	seccomp_release(c);
	errno = -rc;
	return rc ? -1 : 0;
}

int sandbox(uint32_t domid, const int *syscalls)
{
	uid_t user = SANDBOX_UID + domid;
	struct sigaction act = { .sa_sigaction = refused, .sa_flags = SA_SIGINFO };
	struct rlimit none = { 0, 0 };

	tzset();			/* reads a file once; the clock of the messages needs it */
	sigaction(SIGSYS, &act, NULL);
	mkdir(EMPTY, 0555);
	setrlimit(RLIMIT_CORE, &none);
	if (chdir(EMPTY) || chroot(EMPTY) || setgroups(0, NULL) || setresgid(user, user, user) ||
	    setresuid(user, user, user) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	return filter(syscalls);
}
