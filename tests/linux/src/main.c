/* SPDX-License-Identifier: MIT */
/*
 * The binary's entry: find the function for the name it was called by.
 *
 * Job:   dispatch; `checks list` prints the names, for tests/tools/mkinitrd to make links of.
 */
#include "checks.h"
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} checks[] = {
	{ "forkload", forkload }, { "mixload", mixload }, { "memcheck", memcheck },
	{ "sigcheck", sigcheck }, { "timercheck", timercheck }, { "fpucheck", fpucheck },
	{ "threadcheck", threadcheck }, { "sysentry", sysentry }, { "aheadcheck", aheadcheck },
};

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

int number(int argc, char **argv, int n, int otherwise)
{
	return n < argc ? atoi(argv[n]) : otherwise;
}

int reap(int count)
{
	int bad = 0, status;

	while (count--)
		if (wait(&status) < 0 || status)
			bad++;
	return bad;
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');

	name = name ? name + 1 : argv[0];
	if (!strcmp(name, "checks") && argc > 1) {
		name = argv[1];
		argc--;
		argv++;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (unsigned int i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		if (!strcmp(name, "list"))
			puts(checks[i].name);
		else if (!strcmp(name, checks[i].name))
			return checks[i].run(argc, argv);
	}
	return strcmp(name, "list") ? 2 : 0;
}
