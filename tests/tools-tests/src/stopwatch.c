/* SPDX-License-Identifier: MIT */
/*
 * stopwatch N COMMAND...: run it N times, print the microseconds of each run, from fork to end. Under QEMU's -icount a
 * nanosecond is an instruction. A % in an argument becomes the number of the run.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char *numbered(const char *arg, int n)
{
	const char *at = strchr(arg, '%');
	char *out;

	if (!at)
		return (char *)arg;
	if (asprintf(&out, "%.*s%d%s", (int)(at - arg), arg, n, at + 1) < 0)
		exit(2);
	return out;
}

int main(int argc, char **argv)
{
	int n = argc > 2 ? atoi(argv[1]) : 0, status, bad = 0;

	for (int i = 0; i < n; i++) {
		struct timespec a, b;
		pid_t pid;

		clock_gettime(CLOCK_MONOTONIC, &a);
		pid = fork();
		if (!pid) {
			for (int k = 2; k < argc; k++)
				argv[k] = numbered(argv[k], i + 1);
			execvp(argv[2], argv + 2);
			_exit(127);
		}
		waitpid(pid, &status, 0);
		clock_gettime(CLOCK_MONOTONIC, &b);
		bad |= status;
		printf("STOPWATCH %s %s %d: %ld us, status %d\n", argv[2], argc > 3 ? argv[3] : "", i + 1,
		       (b.tv_sec - a.tv_sec) * 1000000 + (b.tv_nsec - a.tv_nsec) / 1000, status);
		fflush(stdout);
	}
	return bad != 0;
}
