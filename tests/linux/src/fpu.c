/* SPDX-License-Identifier: MIT */
/*
 * FPU state across switches, checked by computing.
 *
 * Job:   fpucheck JOBS SECONDS: every job keeps its own values in x87, MXCSR, SSE and (where the CPU has it) AVX
 *        registers over system calls, yields and preemption, and compares them with what it put there.
 * Holds: a register that changed, or a sum that differs from the one computed alone, is a failure.
 */
#define _GNU_SOURCE
#include "checks.h"
#include <cpuid.h>
#include <immintrin.h>
#include <math.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

/* A computation whose result depends on every step's rounding. */
static double series(int seed)
{
	double x = 0.5 + seed * 1e-3;

	for (int i = 0; i < 20000; i++)
		x = sqrt(x * x + 1e-7) + sin(x) * 1e-9;
	return x;
}

static long double series87(int seed)
{
	long double x = 1.25L + seed;

	for (int i = 1; i < 20000; i++)
		x += 1.0L / (x * i);
	return x;
}

/* The sixteen XMM registers hold a pattern while the kernel is entered; returns the number that changed. */
static int hold_sse(uint64_t seed)
{
	uint64_t in[32], out[32];

	for (int i = 0; i < 32; i++)
		in[i] = mix(&seed);
#define LOAD(n) "movdqu " #n "*16(%0), %%xmm" #n "\n\t"
#define SAVE(n) "movdqu %%xmm" #n ", " #n "*16(%1)\n\t"
	asm volatile(LOAD(0) LOAD(1) LOAD(2) LOAD(3) LOAD(4) LOAD(5) LOAD(6) LOAD(7)
		     LOAD(8) LOAD(9) LOAD(10) LOAD(11) LOAD(12) LOAD(13) LOAD(14) LOAD(15)
		     "mov $24, %%eax\n\tsyscall\n\t"		/* sched_yield */
		     SAVE(0) SAVE(1) SAVE(2) SAVE(3) SAVE(4) SAVE(5) SAVE(6) SAVE(7)
		     SAVE(8) SAVE(9) SAVE(10) SAVE(11) SAVE(12) SAVE(13) SAVE(14) SAVE(15)
		     : : "r" (in), "r" (out)
		     : "rax", "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
		       "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
	return memcmp(in, out, sizeof(in)) != 0;
}

/* The same for the upper halves, over a spin long enough to be preempted now and then. */
__attribute__((target("avx"))) static int hold_avx(uint64_t seed, int spin)
{
	uint64_t in[4], out[4];

	for (int i = 0; i < 4; i++)
		in[i] = mix(&seed);
	asm volatile("vmovdqu (%1), %%ymm3\n\tvmovdqu (%1), %%ymm12\n\t"
		     "1: dec %0\n\tjnz 1b\n\t"
		     "mov $24, %%eax\n\tsyscall\n\t"
		     "vxorpd %%ymm3, %%ymm12, %%ymm12\n\tvorpd %%ymm3, %%ymm12, %%ymm12\n\tvmovdqu %%ymm12, (%2)\n\t"
		     : "+r" (spin) : "r" (in), "r" (out) : "rax", "rcx", "r11", "memory", "xmm3", "xmm12", "cc");
	_mm256_zeroupper();
	return memcmp(in, out, sizeof(in)) != 0;
}

static int has_avx(void)
{
	unsigned int a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !(c & bit_AVX))
		return 0;
	asm volatile("xgetbv" : "=a" (a), "=d" (d) : "c" (0));
	return (a & 6) == 6;
}

static void job(int n, uint64_t end, double want, long double want87)
{
	int avx = has_avx();
	unsigned int csr = 0x1f80 | (n & 3) << 13;	/* a rounding mode of its own */

	for (uint64_t i = 0; i < 3 || now_ns() < end; i++) {
		if (series(n) != want)
			FAIL("job %d: SSE sum differs", n);
		if (series87(n) != want87)
			FAIL("job %d: x87 sum differs", n);
		_mm_setcsr(csr);
		if (hold_sse(n * 77 + i))
			FAIL("job %d: an XMM register changed", n);
		if (avx && hold_avx(n * 99 + i, 20000))
			FAIL("job %d: a YMM register changed", n);
		if ((_mm_getcsr() & ~0x3fu) != (csr & ~0x3fu))
			FAIL("job %d: MXCSR is %#x, not %#x", n, _mm_getcsr(), csr);
		_mm_setcsr(0x1f80);
	}
	exit(0);
}

int fpucheck(int argc, char **argv)
{
	int jobs = number(argc, argv, 1, 3);
	uint64_t end = now_ns() + number(argc, argv, 2, 0) * 1000000000ull;

	fflush(stdout);
	for (int n = 0; n < jobs; n++) {
		double want = series(n);
		long double want87 = series87(n);

		if (!fork())
			job(n, end, want, want87);
	}
	if (reap(jobs))
		FAIL("a job failed");
	printf("%d jobs%s\n", jobs, has_avx() ? ", with AVX" : "");
	return 0;
}
