/* SPDX-License-Identifier: MIT */
/*
 * blkcheck: does a disk keep what it was told?
 *
 *   blkcheck write DEVICE SEED [FIRST-MIB MIB [THREADS]]   O_DIRECT writes of random sizes in random order, with flushes
 *   blkcheck wdsync DEVICE SEED [...]                      the same, each write durable (O_DSYNC)
 *   blkcheck read DEVICE SEED [FIRST-MIB MIB [THREADS]]    reads it all again, in other sizes and another order
 *   blkcheck zero DEVICE FIRST-SECTOR SECTORS              is it all zeroes?
 *   blkcheck fillzero DEVICE FIRST-SECTOR SECTORS          makes it so (BLKZEROOUT)
 *   blkcheck time DEVICE [MIB]                             nanoseconds for each request, as docs/frontends.md has them
 *
 * Every sector of 512 bytes says which it is and which seed it was written with, in each of its words. Ends with a line
 * `blkcheck ok ...` and status 0, or `blkcheck FAIL ...` and 1.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define CHUNK	(1u << 20)
#define MAXT	16

static int fd;
static uint64_t seed;
static const char *mode;
static uint64_t requests;

struct part {
	pthread_t t;
	uint64_t first, sectors;	/* of the disk */
	unsigned int n;
};

static void fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("blkcheck FAIL ");
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
	exit(1);
}

static uint64_t mix(uint64_t x)
{
	x ^= x >> 31;
	x *= 0x9e3779b97f4a7c15ull;
	x ^= x >> 29;
	return x;
}

static uint64_t next(uint64_t *s)
{
	*s += 0x9e3779b97f4a7c15ull;
	return mix(*s * 0xbf58476d1ce4e5b9ull);
}

static void fill(uint64_t *b, uint64_t sector, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		for (unsigned int k = 0; k < 64; k++)
			*b++ = mix((sector + i) * 64 + k + seed * 0x1000003);
}

static void check(const uint64_t *b, uint64_t sector, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		for (unsigned int k = 0; k < 64; k++, b++)
			if (*b != mix((sector + i) * 64 + k + seed * 0x1000003))
				fail("sector %llu word %u is %llx", (unsigned long long)sector + i, k, (unsigned long long)*b);
}

static uint64_t common(uint64_t a, uint64_t b)
{
	return b ? common(b, a % b) : a;
}

/* Chunks of 1 MiB in a random order (an odd stride); inside each, pieces of random sizes. */
static void *run(void *arg)
{
	struct part *p = arg;
	uint64_t s = seed * 77 + p->n + (mode[0] == 'r'), chunks = (p->sectors + 2047) / 2048, at = next(&s) % chunks;
	uint64_t stride = 1;
	void *v;

	if (posix_memalign(&v, 4096, CHUNK))
		fail("no memory");
	for (uint64_t k = chunks / 3; k < chunks; k++)	/* a stride that meets every chunk */
		if (common(k, chunks) == 1) {
			stride = k;
			break;
		}
	for (uint64_t c = 0; c < chunks; c++, at = (at + stride) % chunks) {
		uint64_t from = p->first + at * 2048, end = from + 2048;

		if (end > p->first + p->sectors)
			end = p->first + p->sectors;
		while (from < end) {
			uint64_t n = 1 + next(&s) % (next(&s) % 4 ? 64 : 2048);
			size_t off = (next(&s) % 8) * 512;	/* in memory too it may begin anywhere */
			char *b = (char *)v + (n * 512 + off <= CHUNK ? off : 0);

			if (n > end - from)
				n = end - from;
			if (mode[0] == 'w') {
				fill((uint64_t *)b, from, n);
				if (pwrite(fd, b, n * 512, from * 512) != (ssize_t)n * 512)
					fail("write of %llu at %llu: %m", (unsigned long long)n, (unsigned long long)from);
			} else {
				if (pread(fd, b, n * 512, from * 512) != (ssize_t)n * 512)
					fail("read of %llu at %llu: %m", (unsigned long long)n, (unsigned long long)from);
				check((uint64_t *)b, from, n);
			}
			from += n;
			__atomic_fetch_add(&requests, 1, __ATOMIC_RELAXED);
		}
		if (mode[0] == 'w' && next(&s) % 4 == 0 && fsync(fd))
			fail("fsync: %m");
	}
	return NULL;
}

static void zero(uint64_t first, uint64_t n)
{
	static uint64_t b[64] __attribute__((aligned(4096)));

	for (uint64_t i = first; i < first + n; i++) {
		if (pread(fd, b, 512, i * 512) != 512)
			fail("read at %llu: %m", (unsigned long long)i);
		for (unsigned int k = 0; k < 64; k++)
			if (b[k])
				fail("sector %llu is not zero", (unsigned long long)i);
	}
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static uint64_t blocks;

static void *random_reads(void *arg)
{
	uint64_t s = (uintptr_t)arg;
	void *b;

	if (posix_memalign(&b, 4096, 4096))
		fail("no memory");
	for (int i = 0; i < 250; i++)
		if (pread(fd, b, 4096, next(&s) % blocks * 4096) != 4096)
			fail("read: %m");
	free(b);
	return NULL;
}

static uint64_t sequential(char *b, int mib, int out)
{
	uint64_t t = now();

	for (int i = 0; i < mib; i++)
		if ((out ? pwrite(fd, b, CHUNK, (off_t)i * CHUNK) : pread(fd, b, CHUNK, (off_t)i * CHUNK)) != CHUNK)
			fail("MiB %d: %m", i);
	if (out && fsync(fd))
		fail("fsync: %m");
	return (now() - t) / mib;
}

static void times(int mib)
{
	uint64_t t, one, eight, rd, wr;
	pthread_t th[8];
	void *b;

	if (posix_memalign(&b, 4096, CHUNK))
		fail("no memory");
	memset(b, 0x5a, CHUNK);
	blocks = (uint64_t)mib * 256;
	sequential(b, mib, 1);
	random_reads((void *)7);
	t = now();
	for (uintptr_t i = 0; i < 4; i++)
		random_reads((void *)(i + 20));
	one = (now() - t) / 1000;
	t = now();
	for (uintptr_t i = 0; i < 8; i++)
		pthread_create(th + i, NULL, random_reads, (void *)(i + 1));
	for (int i = 0; i < 8; i++)
		pthread_join(th[i], NULL);
	eight = (now() - t) / 2000;
	rd = sequential(b, mib, 0);
	wr = sequential(b, mib, 1);
	printf("blkcheck ok rand4k %llu qd8 %llu read1m %llu write1m %llu ns\n", (unsigned long long)one,
	       (unsigned long long)eight, (unsigned long long)rd, (unsigned long long)wr);
}

int main(int argc, char **argv)
{
	uint64_t size, first, sectors;
	struct part p[MAXT];
	unsigned int threads;

	if (argc < 3)
		return 2;
	mode = argv[1];
	fd = open(argv[2], (mode[0] == 'r' || mode[0] == 'z' ? O_RDONLY : O_RDWR) | O_DIRECT |
			   (!strcmp(mode, "wdsync") ? O_DSYNC : 0));
	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size))
		fail("%s: %m", argv[2]);
	size /= 512;
	if (mode[0] == 't') {
		times(argc > 3 ? atoi(argv[3]) : 32);
		return 0;
	}
	seed = argc > 3 ? strtoull(argv[3], NULL, 0) : 1;
	first = argc > 4 ? strtoull(argv[4], NULL, 0) * (mode[0] == 'z' || mode[0] == 'f' ? 1 : 2048) : 0;
	if (mode[0] == 'f') {
		uint64_t range[2] = { seed * 512, first * 512 };

		if (ioctl(fd, BLKZEROOUT, range))
			fail("BLKZEROOUT: %m");
		printf("blkcheck ok fillzero\n");
		return 0;
	}
	if (mode[0] == 'z') {
		zero(seed, first);
		printf("blkcheck ok zero\n");
		return 0;
	}
	sectors = argc > 5 ? strtoull(argv[5], NULL, 0) * 2048 : size - first;
	threads = argc > 6 ? atoi(argv[6]) : 4;
	if (first + sectors > size || !threads || threads > MAXT)
		fail("the disk has %llu sectors", (unsigned long long)size);
	for (unsigned int i = 0; i < threads; i++) {
		p[i].n = i;
		p[i].first = first + sectors / threads / 2048 * 2048 * i;
		p[i].sectors = i + 1 < threads ? sectors / threads / 2048 * 2048 : first + sectors - p[i].first;
		if (pthread_create(&p[i].t, NULL, run, &p[i]))
			fail("no thread");
	}
	for (unsigned int i = 0; i < threads; i++)
		pthread_join(p[i].t, NULL);
	if (mode[0] == 'w' && fsync(fd))
		fail("fsync: %m");
	printf("blkcheck ok %s %llu sectors, %llu requests\n", mode, (unsigned long long)sectors,
	       (unsigned long long)requests);
	return 0;
}
