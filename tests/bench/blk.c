/* SPDX-License-Identifier: MIT */
/*
 * blk NAME DEVICE - times of a block device past the page cache: 4 KiB random reads, one at a time and by
 * eight threads; 1 MiB reads and writes in order. A line `BENCH NAME.what ns` for each, an operation's mean.
 * Every MiB that is read must be what was written. The clock is read by the system call. Each part is marked for
 * counts.c, and `BENCH NAME.what_events n` is how often the backend notified this kernel, a thousand operations.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MIB (1L << 20)
#define MOST 32				/* MiB of the device */
#define THREADS 8

/* For counts.c: nopl 0x524947NN(%rax,%rax,1). */
#define MARK(n) __asm__ volatile(".byte 0x0f, 0x1f, 0x84, 0x00; .long %c0" :: "i" (0x52494700 + (n)) : "memory")

static int fd;
static uint64_t blocks;
static const char *name;

static uint64_t now(void)
{
	struct timespec t;

	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Interrupts of block frontends so far. */
static uint64_t events(void)
{
	FILE *f = fopen("/proc/interrupts", "r");
	uint64_t sum = 0, n;
	char line[256];
	int used;

	while (f && fgets(line, sizeof(line), f)) {
		char *p = strchr(line, ':');

		if (!p || !strstr(line, "blk"))
			continue;
		for (p++; sscanf(p, "%lu%n", &n, &used) == 1; p += used)
			sum += n;
	}
	if (f)
		fclose(f);
	return sum;
}

static void fail(const char *what)
{
	printf("BENCH-ERROR %s.%s\n", name, what);
	exit(1);
}

static void random_reads(uint64_t seed, int n)
{
	uint64_t x = seed * 2654435761u + 88172645463325252ULL;
	void *buf = aligned_alloc(4096, 4096);

	while (n--) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		if (pread(fd, buf, 4096, (off_t)(x % blocks * 4096)) != 4096)
			fail("read");
	}
	free(buf);
}

static void *thread(void *seed)
{
	random_reads((uintptr_t)seed, 250);
	return NULL;
}

static uint64_t begun, events_before;

static void begin(void)
{
	events_before = events();
	begun = now();
	MARK(1);
}

static void end(const char *what, unsigned int n)
{
	uint64_t ns;

	MARK(2);
	ns = now() - begun;
	printf("BENCH %s.%s %llu\nBENCH %s.%s_events %llu\n", name, what, (unsigned long long)ns / n, name, what,
	       (unsigned long long)(events() - events_before) * 1000 / n);
	fflush(stdout);
}

static void in_order(char *buf, long mib, int write)
{
	for (long i = 0; i < mib; i++) {
		if (write) {
			buf[0] = (char)i;
			if (pwrite(fd, buf, MIB, i * MIB) != MIB)
				fail("write");
		} else if (pread(fd, buf, MIB, i * MIB) != MIB || buf[0] != (char)i || buf[4096] != 0x5a) {
			fail("content");
		}
	}
}

int main(int argc, char **argv)
{
	pthread_t t[THREADS];
	char *buf = aligned_alloc(4096, MIB);
	long mib;

	name = argc > 2 ? argv[1] : "usage";
	fd = argc > 2 ? open(argv[2], O_RDWR | O_DIRECT) : -1;
	mib = fd < 0 ? 0 : lseek(fd, 0, SEEK_END) / MIB;
	if (!buf || mib < 1)
		fail("open");
	mib = mib < MOST ? mib : MOST;
	blocks = (uint64_t)mib * 256;
	memset(buf, 0x5a, MIB);
	in_order(buf, mib, 1);
	random_reads(7, 100);
	MARK(3);
	begin();
	random_reads(1, 1000);
	end("randread4k", 1000);
	begin();
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, thread, (void *)(i + 2));
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	end("randread4k_qd8", 250 * THREADS);
	begin();
	in_order(buf, mib, 0);
	end("seqread1m", (unsigned int)mib);
	begin();
	in_order(buf, mib, 1);
	if (fsync(fd))
		fail("fsync");
	end("seqwrite1m", (unsigned int)mib);
	return 0;
}
