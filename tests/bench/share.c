/* SPDX-License-Identifier: MIT */
/*
 * share: the only program of a guest that uses its CPUs in a known way.
 *
 * Job:   is /init of a tiny ram disk (tests/bench/fair, tests/tools-tests/dom0/smp). The kernel's
 *        command line says what to do:
 *        role=hog          a process on each CPU that computes for ever
 *        role=wake n=N     sleeps N times, 1 to 20 ms; `SHARE wake ...`: how late it came back, in ns
 * Holds: `SHARE ready` is printed once, before the work begins. Static; no /proc, no /sys. The sleeps
 *        have a fixed seed.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_WAKES 10000

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void hog(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t n = 0;

	printf("SHARE ready, %ld CPUs\n", cpus);
	for (long i = 1; i < cpus; i++)
		if (!fork())
			break;
	for (;;)		/* long blocks: QEMU is quick with them */
		asm volatile(".rept 500; inc %0; .endr" : "+r" (n));
}

static void wake(unsigned int wakes)
{
	static uint64_t late[MAX_WAKES];
	struct timespec t;
	uint64_t at;

	puts("SHARE ready");
	srandom(1);
	for (unsigned int i = 0; i < wakes; i++) {
		at = now() + 1000000 + (uint64_t)random() % 19000000;
		t = (struct timespec){ at / 1000000000, at % 1000000000 };
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
		late[i] = now() - at;
	}
	qsort(late, wakes, sizeof(late[0]), compare);
	printf("SHARE wake n=%u median=%lu p99=%lu max=%lu\n", wakes, late[wakes / 2], late[wakes * 99 / 100],
	       late[wakes - 1]);
}

int main(void)
{
	const char *role = getenv("role"), *n = getenv("n");
	unsigned int wakes = n ? (unsigned int)atoi(n) : 1000;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (role && !strcmp(role, "hog"))
		hog();
	if (role && !strcmp(role, "wake") && wakes <= MAX_WAKES)
		wake(wakes);
	else
		puts("SHARE no such role");
	for (;;)
		pause();
}
