/* SPDX-License-Identifier: MIT */
/*
 * blk NAME DEVICE - times of a block device past the page cache: 4 KiB random reads, one at a time and by
 * eight threads; 1 MiB reads and writes in order. A line `BENCH NAME.what ns` for each, an operation's mean.
 * Every MiB that is read must be what was written. The clock is read by the system call.
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

static int fd;
static uint64_t blocks;
static const char *name;

static uint64_t now(void)
{
	struct timespec t;

	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
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

static void result(const char *what, uint64_t ns, unsigned int n)
{
	printf("BENCH %s.%s %llu\n", name, what, (unsigned long long)ns / n);
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
	uint64_t start;
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
	start = now();
	random_reads(1, 1000);
	result("randread4k", now() - start, 1000);
	start = now();
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, thread, (void *)(i + 2));
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	result("randread4k_qd8", now() - start, 250 * THREADS);
	start = now();
	in_order(buf, mib, 0);
	result("seqread1m", now() - start, (unsigned int)mib);
	start = now();
	in_order(buf, mib, 1);
	if (fsync(fd))
		fail("fsync");
	result("seqwrite1m", now() - start, (unsigned int)mib);
	return 0;
}
