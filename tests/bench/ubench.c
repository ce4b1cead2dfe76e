/* SPDX-License-Identifier: MIT */
/*
 * ubench: microbenchmarks of a Linux kernel, the same program on the bare machine and in dom0.
 *
 * Job:   ubench run [TEST...]    all tests, or these: `BENCH name ns min=.. max=.. n=OPERATIONS`
 *        ubench stamp            `BENCH boot.tsc TICKS`: the time stamp counter now
 * Holds: a figure is nanoseconds an operation by CLOCK_MONOTONIC over a batch, the median of BATCHES.
 *        Under -icount shift=0 one nanosecond is one instruction; `calibration` (ns an instruction of a
 *        plain loop) says how true that is. Batches are marked for counts.c.
 *        Static, no allocation while measuring, no randomness: two runs agree to the digit.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BATCHES 5
#define PAGE 4096
#define FILE_PAGES 256
#define EXECUTED "/bin/true-static"

/* nopl 0x524947NN(%rax,%rax,1) */
#define MARK(n) asm volatile(".byte 0x0f, 0x1f, 0x84, 0x00; .long %c0" :: "i" (0x52494700 + (n)) : "memory")
#define MARK_BEGIN 1
#define MARK_END 2
#define MARK_RESET 3

static int nr_wanted;
static char **wanted_names;
static int ping[2], pong[2], file = -1;
static char *area, *fault_page;
static char buffer[65536];
/* Never touched. It makes the program as large, in page tables, as the one whose figures the bounds come from. */
static char ballast[1 << 20] __attribute__((used));

static uint64_t rdtsc(void)
{
	uint32_t a, d;

	asm volatile("rdtsc" : "=a" (a), "=d" (d));
	return (uint64_t)d << 32 | a;
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void die(const char *what)
{
	printf("BENCH-ERROR %s\n", what);
	exit(1);
}

static int wanted(const char *name)
{
	for (int i = 0; i < nr_wanted; i++)
		if (!strcmp(wanted_names[i], name))
			return 1;
	return !nr_wanted;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void bench(const char *name, int n, void (*fn)(int))
{
	double r[BATCHES];

	if (!wanted(name))
		return;
	fn(n < 20 ? 1 : n / 20);	/* warm up */
	for (int b = 0; b < BATCHES; b++) {
		uint64_t start = now();

		MARK(MARK_BEGIN);
		fn(n);
		MARK(MARK_END);
		r[b] = (double)(now() - start) / n;
	}
	qsort(r, BATCHES, sizeof(r[0]), compare);
	printf("BENCH %s %.1f min=%.1f max=%.1f n=%d\n", name, r[BATCHES / 2], r[0], r[BATCHES - 1], n);
	fflush(stdout);
}

/* The best of 50 runs of 100,000 instructions: most of them fall between two timer ticks. */
static void calibrate(void)
{
	uint64_t best = ~0ull;

	for (int i = 0; i < 50; i++) {
		uint64_t n = 50000, start = now();

		asm volatile("1: dec %0; jnz 1b" : "+r" (n) :: "cc");
		start = now() - start;
		if (start < best)
			best = start;
	}
	printf("BENCH calibration %.4f\n", best / 100000.0);
	fflush(stdout);
}

/* ---- system calls and time ---------------------------------------------------------------------- */

static void t_null_syscall(int n)
{
	while (n--)
		syscall(SYS_getppid);
}

static void t_gettimeofday(int n)
{
	struct timeval t;

	while (n--)
		gettimeofday(&t, NULL);
}

static void t_clock_gettime(int n)
{
	struct timespec t;

	while (n--)
		clock_gettime(CLOCK_MONOTONIC, &t);
}

static void t_yield(int n)
{
	while (n--)
		sched_yield();
}

static void t_read4k(int n)
{
	for (int i = 0; i < n; i++)
		if (pread(file, buffer, PAGE, i % FILE_PAGES * PAGE) != PAGE)
			die("pread");
}

static void t_nanosleep(int n)
{
	struct timespec t = { 0, 50000 };

	while (n--)
		nanosleep(&t, NULL);
}

/* ---- memory ------------------------------------------------------------------------------------- */

static char *map(size_t pages)
{
	char *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static void t_pagefault(int n)
{
	char *p = map(n);

	madvise(p, (size_t)n * PAGE, MADV_NOHUGEPAGE);
	for (int i = 0; i < n; i++)
		p[(size_t)i * PAGE] = 1;
	munmap(p, (size_t)n * PAGE);
}

/* A read fault maps the zero page, the write breaks it: two faults a page. */
static void t_cow(int n)
{
	char *p = map(n);
	volatile char sum = 0;

	madvise(p, (size_t)n * PAGE, MADV_NOHUGEPAGE);
	for (int i = 0; i < n; i++)
		sum += p[(size_t)i * PAGE];
	for (int i = 0; i < n; i++)
		p[(size_t)i * PAGE] = 1;
	munmap(p, (size_t)n * PAGE);
}

static void t_mmap(int n)
{
	while (n--)
		munmap(map(16), 16 * PAGE);
}

static void t_mmap16(int n)
{
	while (n--) {
		char *p = map(16);

		for (int i = 0; i < 16; i++)
			p[i * PAGE] = 1;
		munmap(p, 16 * PAGE);
	}
}

static void t_mprotect(int n)
{
	while (n--) {
		mprotect(area, PAGE, PROT_READ);
		mprotect(area, PAGE, PROT_READ | PROT_WRITE);
		area[0] = n;
	}
}

static void t_mprotect16(int n)
{
	while (n--) {
		mprotect(area, 16 * PAGE, PROT_READ);
		mprotect(area, 16 * PAGE, PROT_READ | PROT_WRITE);
		for (int i = 0; i < 16; i++)
			area[i * PAGE] = n;
	}
}

static void t_filemap256(int n)
{
	volatile char sum = 0;

	while (n--) {
		char *p = mmap(NULL, FILE_PAGES * PAGE, PROT_READ, MAP_SHARED, file, 0);

		for (int i = 0; i < FILE_PAGES; i++)
			sum += p[i * PAGE];
		munmap(p, FILE_PAGES * PAGE);
	}
}

static void t_memcpy64k(int n)
{
	static char from[65536], to[65536];

	while (n--) {
		memcpy(to, from, sizeof(to));
		asm volatile("" :: "r" (to), "r" (from) : "memory");
	}
}

/* ---- processes, threads, signals ---------------------------------------------------------------- */

static void t_fork(int n)
{
	while (n--) {
		pid_t p = fork();
		int status;

		if (!p)
			_exit(0);
		waitpid(p, &status, 0);
	}
}

static void t_exec(int n)
{
	while (n--) {
		char *argv[] = { EXECUTED, NULL };
		pid_t p = fork();
		int status;

		if (!p) {
			execve(EXECUTED, argv, argv + 1);
			_exit(1);
		}
		waitpid(p, &status, 0);
		if (status)
			die("exec");
	}
}

static void *nothing(void *arg)
{
	return arg;
}

static void t_thread(int n)
{
	while (n--) {
		pthread_t t;

		if (pthread_create(&t, NULL, nothing, NULL))
			die("pthread_create");
		pthread_join(t, NULL);
	}
}

/* A round trip: four system calls, two switches of address space. */
static void t_pipe_pingpong(int n)
{
	char c = 0;

	while (n--)
		if (write(ping[1], &c, 1) != 1 || read(pong[0], &c, 1) != 1)
			die("pipe");
}

static void t_pipe_self(int n)
{
	int p[2];
	char c = 0;

	if (pipe(p))
		die("pipe");
	while (n--)
		if (write(p[1], &c, 1) != 1 || read(p[0], &c, 1) != 1)
			die("pipe");
	close(p[0]);
	close(p[1]);
}

static void on_signal(int sig)
{
	(void)sig;
}

static void t_signal(int n)
{
	pid_t me = getpid();

	while (n--)
		kill(me, SIGUSR1);
}

static void on_segv(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	mprotect(fault_page, PAGE, PROT_READ | PROT_WRITE);
}

/* A write to a read-only page: fault, signal, handler, mprotect, again. */
static void t_segv(int n)
{
	while (n--) {
		mprotect(fault_page, PAGE, PROT_READ);
		fault_page[0] = 1;
	}
}

/* ---- all together ------------------------------------------------------------------------------- */

static void bench_pipes(void)
{
	pid_t child;
	int status;

	bench("pipe_self", 5000, t_pipe_self);
	if (!wanted("pipe_pingpong"))
		return;
	if (pipe(ping) || pipe(pong))
		die("pipe");
	child = fork();
	if (!child) {
		char c;

		close(ping[1]);
		close(pong[0]);
		while (read(ping[0], &c, 1) == 1)
			if (write(pong[1], &c, 1) != 1)
				break;
		_exit(0);
	}
	close(ping[0]);
	close(pong[1]);
	bench("pipe_pingpong", 2000, t_pipe_pingpong);
	close(ping[1]);
	close(pong[0]);
	waitpid(child, &status, 0);
}

static void bench_signals(void)
{
	struct sigaction sa = { .sa_sigaction = on_segv, .sa_flags = SA_SIGINFO };

	signal(SIGUSR1, on_signal);
	bench("signal", 5000, t_signal);
	fault_page = map(1);
	fault_page[0] = 1;
	sigaction(SIGSEGV, &sa, NULL);
	bench("segv", 1000, t_segv);
	signal(SIGSEGV, SIG_DFL);
}

static void bench_file(void)
{
	file = open("/tmp/ubench", O_RDWR | O_CREAT, 0600);
	for (size_t i = 0; i < FILE_PAGES * PAGE / sizeof(buffer); i++)
		if (write(file, buffer, sizeof(buffer)) != (ssize_t)sizeof(buffer))
			die("write");
	bench("read4k", 2000, t_read4k);
	bench("filemap256", 20, t_filemap256);
	close(file);
	unlink("/tmp/ubench");
}

int main(int argc, char **argv)
{
	cpu_set_t cpu0;

	if (argc == 2 && !strcmp(argv[1], "stamp")) {
		printf("BENCH boot.tsc %lu\n", rdtsc());
		return 0;
	}
	if (argc < 2 || strcmp(argv[1], "run")) {
		fprintf(stderr, "usage: ubench run [TEST...] | ubench stamp\n");
		return 2;
	}
	nr_wanted = argc - 2;
	wanted_names = argv + 2;
	CPU_ZERO(&cpu0);
	CPU_SET(0, &cpu0);
	sched_setaffinity(0, sizeof(cpu0), &cpu0);
	MARK(MARK_RESET);
	calibrate();
	bench("null_syscall", 20000, t_null_syscall);
	bench("gettimeofday", 20000, t_gettimeofday);
	bench("yield", 10000, t_yield);
	bench("pagefault", 2000, t_pagefault);
	bench("cow", 1000, t_cow);
	bench("mmap", 2000, t_mmap);
	bench("mmap16", 200, t_mmap16);
	area = map(16);
	memset(area, 1, 16 * PAGE);
	bench("mprotect", 2000, t_mprotect);
	bench("mprotect16", 500, t_mprotect16);
	bench("fork", 50, t_fork);
	bench("exec", 20, t_exec);
	bench_pipes();
	bench_signals();
	bench_file();
	bench("thread", 200, t_thread);
	bench("nanosleep50us", 200, t_nanosleep);
	bench("memcpy64k", 200, t_memcpy64k);
	bench("clock_gettime", 20000, t_clock_gettime);
	return 0;
}
