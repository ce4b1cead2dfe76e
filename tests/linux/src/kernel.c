/* SPDX-License-Identifier: MIT */
/*
 * Kernel entries that a hypervisor takes part in: exceptions as signals, timers, threads, ways to call the kernel.
 *
 * Job:   sigcheck; timercheck; threadcheck THREADS; sysentry.
 * Holds: each exception gives its signal with the right address; no timer is early; every thread keeps its FS and GS.
 */
#define _GNU_SOURCE
#include "checks.h"
#include <asm/prctl.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static sigjmp_buf back;
static volatile int seen, ticks;
static void *volatile seen_addr;

static void handler(int sig, siginfo_t *info, void *context)
{
	(void)context;
	seen = sig;
	seen_addr = info->si_addr;
	siglongjmp(back, 1);
}

static void expect(const char *what, int sig, void (*act)(void *), void *arg, const void *addr)
{
	seen = 0;
	if (!sigsetjmp(back, 1))
		act(arg);
	if (seen != sig)
		FAIL("%s: signal %d, not %d", what, seen, sig);
	if (addr && seen_addr != addr)
		FAIL("%s: address %p, not %p", what, seen_addr, addr);
}

static void poke(void *p) { *(volatile char *)p = 1; }
static void call(void *p) { ((void (*)(void))p)(); }
static void divide(void *p) { asm volatile("divl %0" : : "r" (0), "a" (1), "d" (0)); (void)p; }
static void undefined(void *p) { asm volatile("ud2"); (void)p; }
static void breakpoint(void *p) { asm volatile("int3"); (void)p; }
static void privileged(void *p) { asm volatile("hlt"); (void)p; }
static void port(void *p) { asm volatile("inb $0x80, %%al" : : : "rax"); (void)p; }
static void vector(void *p) { asm volatile("int $0x2f"); (void)p; }
static void write_cr3(void *p) { asm volatile("mov %%rax, %%cr3" : : "a" (0)); (void)p; }
static void noncanonical(void *p) { *(volatile char *)0x8000000000000000ul = 1; (void)p; }
static void step(void *p)
{
	asm volatile("pushf\n\torl $0x100, (%%rsp)\n\tpopf\n\tnop\n\tnop" : : : "memory", "cc");
	(void)p;
}

static void tick(int sig)
{
	(void)sig;
	ticks++;
}

int sigcheck(int argc, char **argv)
{
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	static const int all[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP };
	stack_t alt = { .ss_sp = malloc(65536), .ss_size = 65536 };
	char *p = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)argc, (void)argv;
	sigaltstack(&alt, NULL);
	for (unsigned int i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		sigaction(all[i], &sa, NULL);
	expect("write to a read-only page", SIGSEGV, poke, p + 4096 + 7, p + 4096 + 7);
	expect("write to no page", SIGSEGV, poke, (void *)0x10, (void *)0x10);
	expect("write to the kernel", SIGSEGV, poke, (void *)0xffffffff81000000, NULL);
	expect("write to the hypervisor", SIGSEGV, poke, (void *)0xffff82d000200000, NULL);
	expect("write to the M2P", SIGSEGV, poke, (void *)0xffff800000000000, NULL);
	expect("run a page that must not", SIGSEGV, call, p, p);
	expect("non-canonical address", SIGSEGV, noncanonical, NULL, NULL);
	expect("division by zero", SIGFPE, divide, NULL, NULL);
	expect("undefined instruction", SIGILL, undefined, NULL, NULL);
	expect("breakpoint", SIGTRAP, breakpoint, NULL, NULL);
	expect("single step", SIGTRAP, step, NULL, NULL);
	expect("hlt", SIGSEGV, privileged, NULL, NULL);
	expect("in from a port", SIGSEGV, port, NULL, NULL);
	expect("int 0x2f", SIGSEGV, vector, NULL, NULL);
	expect("write to CR3", SIGSEGV, write_cr3, NULL, NULL);
	for (int i = 0; i < 200; i++)
		expect("repeated fault", SIGSEGV, poke, p + i, p + i);
	signal(SIGUSR1, tick);
	ticks = 0;
	for (int i = 0; i < 200; i++)
		kill(getpid(), SIGUSR1);
	if (ticks != 200)
		FAIL("%d of 200 signals", ticks);
	printf("15 exceptions, 400 signals\n");
	return 0;
}

int timercheck(int argc, char **argv)
{
	struct itimerval it = { { 0, 20000 }, { 0, 20000 } };
	struct itimerspec ts = { { 0, 10000000 }, { 0, 10000000 } };
	uint64_t start, worst = 0, last, n, total = 0;
	int fd;

	(void)argc, (void)argv;
	/* No sleep ends early; how late it ends is only told: the machine may be busy. */
	for (unsigned int us = 50; us <= 51200; us *= 4) {
		struct timespec t = { 0, us * 1000 };
		uint64_t took;

		start = now_ns();
		clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
		took = now_ns() - start;
		if (took < us * 1000ull)
			FAIL("a sleep of %u us took %lu ns", us, took);
		if (took - us * 1000ull > worst)
			worst = took - us * 1000ull;
	}
	/* The interval timer by signal. */
	signal(SIGALRM, tick);
	ticks = 0;
	start = now_ns();
	setitimer(ITIMER_REAL, &it, NULL);
	while (ticks < 10 && now_ns() - start < 20000000000ull)
		;
	it.it_value.tv_usec = 0;
	setitimer(ITIMER_REAL, &it, NULL);
	if (ticks < 10)
		FAIL("%d ticks of 20 ms in 20 s", ticks);
	if (now_ns() - start < 190000000ull)
		FAIL("10 ticks of 20 ms in %lu us", (now_ns() - start) / 1000);
	/* timerfd counts what was missed. */
	fd = timerfd_create(CLOCK_MONOTONIC, 0);
	start = now_ns();
	timerfd_settime(fd, 0, &ts, NULL);
	while (total < 20) {
		if (read(fd, &n, 8) != 8)
			FAIL("timerfd: %m");
		total += n;
	}
	if (now_ns() - start < total * 10000000ull)
		FAIL("timerfd is early");
	/* The clock does not go back, whichever CPU it is read on. */
	last = now_ns();
	for (int i = 0; i < 200000; i++) {
		uint64_t t = now_ns();

		if (t < last)
			FAIL("the clock went back by %lu ns", last - t);
		last = t;
	}
	printf("latest wake-up %lu us\n", worst / 1000);
	return 0;
}

static _Thread_local uint64_t mine;
static pthread_barrier_t barrier;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static uint64_t shared, thread_errors;

static void *thread(void *arg)
{
	uint64_t n = (uint64_t)arg, gs[2] = { n * 3, 0 }, got;

	syscall(SYS_arch_prctl, ARCH_SET_GS, gs);
	mine = n;
	for (int i = 0; i < 2000; i++) {
		if (i % 50 == 0)
			syscall(SYS_sched_yield);
		asm volatile("mov %%gs:0, %0" : "=r" (got));
		if (mine != n || got != n * 3)
			__atomic_fetch_add(&thread_errors, 1, __ATOMIC_RELAXED);
		pthread_mutex_lock(&mutex);
		shared++;
		pthread_mutex_unlock(&mutex);
		if (i % 500 == 0)
			pthread_barrier_wait(&barrier);
	}
	return NULL;
}

int threadcheck(int argc, char **argv)
{
	int n = number(argc, argv, 1, 4);
	pthread_t t[64];

	if (n > 64)
		n = 64;
	pthread_barrier_init(&barrier, NULL, n);
	for (long i = 0; i < n; i++)
		if (pthread_create(&t[i], NULL, thread, (void *)(i + 1)))
			FAIL("pthread_create: %m");
	for (int i = 0; i < n; i++)
		pthread_join(t[i], NULL);
	if (thread_errors || shared != n * 2000ull)
		FAIL("%lu wrong FS or GS, counter %lu", thread_errors, shared);
	printf("%d threads\n", n);
	return 0;
}

/* System calls by SYSCALL and, where the kernel has it, by int 0x80; flags and registers over them. */
int sysentry(int argc, char **argv)
{
	const long pid = getpid();
	long r, rbx;
	const char *volatile remark = "int 0x80 too";

	(void)argc, (void)argv;
	for (int i = 0; i < 1000; i++) {
		long flags;

		asm volatile("std\n\tmov $0x1122334455667788, %%rbx\n\tsyscall\n\tpushf\n\tpop %2\n\tcld"
			     : "=a" (r), "=&b" (rbx), "=&r" (flags) : "0" (SYS_getpid)
			     : "rcx", "r11", "memory", "cc");
		if (r != pid || rbx != 0x1122334455667788)
			FAIL("syscall: %ld, rbx %#lx", r, rbx);
		if (!(flags & 0x400))
			FAIL("the direction flag was lost: %#lx", flags);
	}
	if (syscall(9999) != -1 || errno != ENOSYS)
		FAIL("system call 9999: %m");
	seen = 0;
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &sa, NULL);
	if (!sigsetjmp(back, 1)) {
		for (int i = 0; i < 100; i++) {
			asm volatile("int $0x80" : "=a" (r) : "0" (20) : "memory");	/* getpid of i386 */
			if (r != pid)
				FAIL("int 0x80: %ld", r);
		}
	} else {
		remark = "this kernel has no int 0x80";
	}
	printf("%s\n", remark);
	return 0;
}
