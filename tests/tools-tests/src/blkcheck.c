/* SPDX-License-Identifier: MIT */
/*
 * blkcheck DEVICE SECONDS [THREADS] - in a guest: a journal of what the guest was told. SIGTERM: the last reads, now.
 *
 * Each thread has a part of the disk of its own and writes, reads, flushes and discards runs of blocks there, past the
 * page cache, as fast as answers come. A block's content names the block and its version; the version is noted when
 * the write was answered. Every read, and a last one of everything, must give just what was noted: a write that was
 * lost, repeated late, torn or put elsewhere shows. Also prints how long operations took, the longest and how many were
 * above some bounds.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 4096U
#define MOST 64U			/* blocks in an operation */
#define BOUNDS 5U
#define LEAST 100U			/* operations of each thread, however slow the machine is */

struct part {
	pthread_t thread;
	unsigned int nr;
	uint64_t first, blocks, seed;
	uint32_t *version;
	uint64_t ops, longest, above[BOUNDS];
	char error[200];
};

static const unsigned int bounds[BOUNDS] = { 5, 20, 50, 100, 200 };	/* ms */
static int fd;
static uint64_t until;
static volatile sig_atomic_t told;

/* By the system call: does not depend on what the kernel maps into user space for it. */
static uint64_t now(void)
{
	struct timespec t;

	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t next(struct part *p)
{
	p->seed ^= p->seed << 13;
	p->seed ^= p->seed >> 7;
	p->seed ^= p->seed << 17;
	return p->seed;
}

static void fill(uint64_t *b, uint64_t block, uint32_t version)
{
	for (unsigned int i = 0; i < BLOCK / 8; i++)
		b[i] = version ? (block << 32 | version) * 0x9e3779b97f4a7c15ULL + i : 0;
}

static int check(struct part *p, const uint8_t *buf, uint64_t at, unsigned int n)
{
	uint64_t want[BLOCK / 8];

	for (unsigned int i = 0; i < n; i++) {
		fill(want, p->first + at + i, p->version[at + i]);
		if (!memcmp(want, buf + i * BLOCK, BLOCK))
			continue;
		snprintf(p->error, sizeof(p->error), "block %llu is not version %u (first word %llx)",
			 (unsigned long long)(p->first + at + i), p->version[at + i],
			 (unsigned long long)*(const uint64_t *)(const void *)(buf + i * BLOCK));
		return -1;
	}
	return 0;
}

static int one(struct part *p, uint8_t *buf, unsigned int what, uint64_t at, unsigned int n)
{
	uint64_t offset = (p->first + at) * BLOCK, range[2] = { offset, (uint64_t)n * BLOCK }, start = now(), took;
	ssize_t len = (ssize_t)n * BLOCK, done = len;
	const char *name;

	if (what < 50) {
		name = "write";
		for (unsigned int i = 0; i < n; i++)
			fill((uint64_t *)(void *)(buf + i * BLOCK), p->first + at + i, p->version[at + i] + 1);
		done = pwrite(fd, buf, (size_t)len, (off_t)offset);
	} else if (what < 95) {
		name = "read";
		done = pread(fd, buf, (size_t)len, (off_t)offset);
	} else if (what < 98) {
		name = "flush";
		done = fdatasync(fd) ? -1 : len;
	} else {
		name = "discard";
		done = ioctl(fd, BLKZEROOUT, range) ? -1 : len;
	}
	took = now() - start;
	if (took > p->longest)
		p->longest = took;
	for (unsigned int i = 0; i < BOUNDS; i++)
		p->above[i] += took > bounds[i] * 1000000ULL;
	p->ops++;
	if (done != len) {
		snprintf(p->error, sizeof(p->error), "%s of %u blocks at %llu: %s", name, n,
			 (unsigned long long)(p->first + at), done < 0 ? strerror(errno) : "too short");
		return -1;
	}
	for (unsigned int i = 0; i < n; i++) {
		if (what < 50)
			p->version[at + i]++;
		else if (what >= 98)
			p->version[at + i] = 0;
	}
	return what >= 50 && what < 95 ? check(p, buf, at, n) : 0;
}

static void *work(void *arg)
{
	struct part *p = arg;
	uint8_t *buf = aligned_alloc(BLOCK, MOST * BLOCK);

	p->version = calloc(p->blocks, sizeof(*p->version));
	if (!buf || !p->version) {
		snprintf(p->error, sizeof(p->error), "no memory");
		return NULL;
	}
	/* Known content at first. */
	for (uint64_t at = 0; at < p->blocks && !p->error[0]; at += MOST)
		one(p, buf, 0, at, (unsigned int)(p->blocks - at < MOST ? p->blocks - at : MOST));
	while (!p->error[0] && ((!told && now() < until) || p->ops < p->blocks / MOST + LEAST)) {
		uint64_t r = next(p);
		unsigned int n = 1 + (unsigned int)(r >> 8) % (r & 1 ? MOST : 4);

		one(p, buf, (unsigned int)(r >> 20) % 100, (r >> 32) % (p->blocks - n), n);
	}
	for (uint64_t at = 0; at < p->blocks && !p->error[0]; at++)
		one(p, buf, 60, at, 1);
	return NULL;
}

static void terminated(int sig)
{
	(void)sig;
	told = 1;
}

int main(int argc, char **argv)
{
	unsigned int n = argc > 3 ? (unsigned int)atoi(argv[3]) : 4, bad = 0;
	uint64_t bytes = 0, ops = 0, longest = 0, above[BOUNDS] = { 0 };
	struct part *parts = calloc(n, sizeof(*parts));

	fd = argc > 2 ? open(argv[1], O_RDWR | O_DIRECT) : -1;
	if (fd < 0 || !parts || ioctl(fd, BLKGETSIZE64, &bytes) || bytes / BLOCK / n <= MOST) {
		printf("BLKCHECK FAIL %s: %s\n", argc > 1 ? argv[1] : "usage", strerror(errno));
		return 1;
	}
	signal(SIGTERM, terminated);
	until = now() + (uint64_t)atoi(argv[2]) * 1000000000;
	for (unsigned int i = 0; i < n; i++) {
		parts[i] = (struct part){ .nr = i, .blocks = bytes / BLOCK / n, .seed = 88172645463325252ULL + i };
		parts[i].first = i * parts[i].blocks;
		pthread_create(&parts[i].thread, NULL, work, &parts[i]);
	}
	for (unsigned int i = 0; i < n; i++) {
		pthread_join(parts[i].thread, NULL);
		ops += parts[i].ops;
		longest = parts[i].longest > longest ? parts[i].longest : longest;
		for (unsigned int k = 0; k < BOUNDS; k++)
			above[k] += parts[i].above[k];
		if (parts[i].error[0])
			printf("BLKCHECK part %u: %s\n", i, parts[i].error);
		bad += parts[i].error[0] != 0;
	}
	printf("BLKCHECK %s %llu operations, the longest %llu ms;", bad ? "FAIL" : "ok", (unsigned long long)ops,
	       (unsigned long long)longest / 1000000);
	for (unsigned int i = 0; i < BOUNDS; i++)
		printf(" %llu above %u%s", (unsigned long long)above[i], bounds[i], i + 1 < BOUNDS ? "," : "\n");
	return bad != 0;
}
