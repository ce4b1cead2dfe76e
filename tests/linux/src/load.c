/* SPDX-License-Identifier: MIT */
/*
 * Load on address spaces: fork, exec, copy-on-write, mmap, mprotect, files mapped, pipes.
 *
 * Job:   forkload JOBS ROUNDS; memcheck MIB; aheadcheck; mixload SECONDS (all of it on every CPU, for soaks).
 * Holds: what a process wrote is what it reads; a child's writes never reach its parent; new memory is zero; pages that a
 *        kernel maps ahead of a run are no more than were touched, and none where MADV_RANDOM says so.
 */
#define _GNU_SOURCE
#include "checks.h"
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 64 };

static void fill(uint64_t *p, size_t words, uint64_t seed)
{
	for (size_t i = 0; i < words; i++)
		p[i] = mix(&seed);
}

static void verify(const uint64_t *p, size_t words, uint64_t seed, const char *what)
{
	for (size_t i = 0; i < words; i++) {
		uint64_t want = mix(&seed);

		if (p[i] != want)
			FAIL("%s: word %zu is %#lx, not %#lx", what, i, p[i], want);
	}
}

/* A child changes its copy of our pages; ours must stay. */
static void fork_round(uint64_t seed)
{
	size_t bytes = PAGES * PAGE, words = bytes / 8;
	uint64_t *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile uint64_t mine = seed, later = 0;	/* on the stack, of which fork may copy a page at once */
	int fd[2];
	char c = 0;
	pid_t pid;

	if (p == MAP_FAILED || pipe(fd))
		FAIL("mmap or pipe: %m");
	fill(p, words, seed);
	pid = fork();
	if (pid < 0)
		FAIL("fork: %m");
	later = 1;
	if (!pid) {
		later = 2;
		if (mine != seed)
			FAIL("the child's stack has %#lx, not %#lx", mine, seed);
		mine = ~seed;
		verify(p, words, seed, "child before writing");
		fill(p, words, seed + 1);
		verify(p, words, seed + 1, "child after writing");
		if (later != 2 || mine != ~seed)
			FAIL("the child's stack has changed");
		if (write(fd[1], "x", 1) != 1)
			_exit(1);
		if (seed & 1)
			_exit(0);
		execl("/proc/self/exe", "nothing", NULL);
		_exit(3);
	}
	if (read(fd[0], &c, 1) != 1)
		FAIL("the child said nothing");
	verify(p, words, seed, "parent");
	if (later != 1 || mine != seed)
		FAIL("the parent's stack has changed");
	int status;

	/* An exec of ourselves under a name that is no check ends with status 2: it ran. */
	if (waitpid(pid, &status, 0) != pid || (status && WEXITSTATUS(status) != 2))
		FAIL("child ended with %#x", status);
	close(fd[0]);
	close(fd[1]);
	munmap(p, bytes);
}

int forkload(int argc, char **argv)
{
	int jobs = number(argc, argv, 1, 4), rounds = number(argc, argv, 2, 40);

	for (int j = 0; j < jobs; j++)
		if (!fork()) {
			for (int i = 0; i < rounds; i++)
				fork_round(j * 1000 + i);
			exit(0);
		}
	if (reap(jobs))
		FAIL("a job failed");
	printf("%d forks, half of them with exec\n", jobs * rounds);
	return 0;
}

/* Ranges mapped, filled, protected, split, moved, unmapped; and a file mapped shared by two views. */
int memcheck(int argc, char **argv)
{
	size_t bytes = (size_t)number(argc, argv, 1, 32) << 20, half = bytes / 2, words = half / 8;
	uint64_t *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *q, *v;
	int fd;

	if (p == MAP_FAILED)
		FAIL("mmap: %m");
	fill(p, words, 1);
	fill(p + words, words, 2);
	for (size_t off = 0; off < bytes; off += 2 * PAGE)
		if (mprotect((char *)p + off, PAGE, PROT_READ))
			FAIL("mprotect: %m");
	verify(p, words, 1, "read-only half");
	if (mprotect(p, bytes, PROT_READ | PROT_WRITE))
		FAIL("mprotect back: %m");
	q = mremap(p + words, half, 2 * half, MREMAP_MAYMOVE);
	if (q == MAP_FAILED)
		FAIL("mremap: %m");
	verify(q, words, 2, "moved half");
	verify(p, words, 1, "other half");
	if (madvise(p, half, MADV_DONTNEED) || p[0] || p[words - 1])
		FAIL("dropped pages are not zero");
	munmap(q, 2 * half);
	munmap(p, half);

	fd = open("/tmp/memcheck", O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || ftruncate(fd, 1 << 20))
		FAIL("file: %m");
	p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	v = mmap(NULL, 1 << 20, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (p == MAP_FAILED || v == MAP_FAILED)
		FAIL("mmap of a file: %m");
	fill(p, (1 << 20) / 8, 3);
	verify(v, (1 << 20) / 8, 3, "second view of the file");
	close(fd);
	unlink("/tmp/memcheck");
	printf("%zu MiB mapped, protected, moved\n", bytes >> 20);
	return 0;
}

enum { AREA = 300 };			/* pages; no huge page fits */

static size_t resident(char *p)
{
	static unsigned char in[AREA];
	size_t n = 0;

	if (mincore(p, AREA * PAGE, in))
		FAIL("mincore: %m");
	for (unsigned int i = 0; i < AREA; i++)
		n += in[i] & 1;
	return n;
}

/* Touches PAGES pages of a new area, each STEPth; how many are there then. */
static size_t touch(size_t pages, size_t step, int advice)
{
	char *p = mmap(NULL, AREA * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t n;

	if (p == MAP_FAILED || madvise(p, AREA * PAGE, advice))
		FAIL("mmap, madvise: %m");
	for (size_t i = 0; i < pages; i++) {
		char *page = p + i * step * PAGE;

		*(volatile uint64_t *)page = i + 1;	/* first: a read would map the zero page */
		for (unsigned int j = 8; j < PAGE; j += 8)
			if (*(uint64_t *)(page + j))
				FAIL("new page %zu has %#lx at %u", i, *(uint64_t *)(page + j), j);
	}
	n = resident(p);
	for (size_t i = 0; i < pages; i++)
		if (*(uint64_t *)(p + i * step * PAGE) != i + 1)
			FAIL("page %zu of %zu, step %zu, has another value", i, pages, step);
	memset(p, 0xa5, AREA * PAGE);		/* for the next one to find, were pages not cleared */
	if (munmap(p, AREA * PAGE))
		FAIL("munmap: %m");
	return n;
}

/* New memory touched by writes alone, in order and not; what is there afterwards and was not asked for. */
int aheadcheck(int argc, char **argv)
{
	static const size_t counts[] = { 1, 2, 3, 4, 7, 20, 33, 100, AREA };
	char *p = mmap(NULL, AREA * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t n, most = 0;

	(void)argc, (void)argv;
	for (unsigned int i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		n = touch(counts[i], 1, MADV_NORMAL);
		if (n < counts[i] || n > 2 * counts[i])
			FAIL("%zu pages touched, %zu are there", counts[i], n);
		n = touch(counts[i], 1, MADV_RANDOM);
		if (n != counts[i])
			FAIL("%zu pages touched at random, %zu are there", counts[i], n);
	}
	n = touch(AREA / 3, 3, MADV_NORMAL);
	if (n != AREA / 3)
		FAIL("each third page touched, %zu of %d are there", n, AREA / 3);
	if (p == MAP_FAILED || mprotect(p + 20 * PAGE, 200 * PAGE, PROT_READ))
		FAIL("mmap, mprotect: %m");
	for (unsigned int i = 0; i < 20; i++)
		*(volatile char *)(p + i * PAGE) = 1;
	most = resident(p);
	if (most != 20)
		FAIL("20 pages before a protected area touched, %zu are there", most);
	munmap(p, AREA * PAGE);
	p = mmap(NULL, AREA * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (unsigned int i = 0; i < 40; i++)
		*(volatile char *)(p + i * PAGE) = 1;
	most = resident(p);
	munmap(p, AREA * PAGE);
	printf("40 pages touched in order, %zu there\n", most);
	return 0;
}

int mixload(int argc, char **argv)
{
	int seconds = number(argc, argv, 1, 60), jobs = sysconf(_SC_NPROCESSORS_ONLN) + 1;
	uint64_t end = now_ns() + seconds * 1000000000ull;
	char *eight[] = { "memcheck", "8", NULL }, *none[] = { "-", NULL };

	for (int j = 0; j < jobs; j++)
		if (!fork()) {
			for (uint64_t i = 0; now_ns() < end; i++) {
				fork_round(j * 1000000 + i);
				if (!fork()) {
					fclose(stdout);
					exit(i % 4 == 0 ? sigcheck(1, none) : i % 4 == 1 ? threadcheck(1, none) :
					     i % 4 == 2 && !j ? memcheck(2, eight) : fpucheck(1, none));
				}
				if (reap(1))
					exit(1);
			}
			exit(0);
		}
	if (reap(jobs))
		FAIL("a job of the mix failed");
	printf("%d jobs for %d s\n", jobs, seconds);
	return 0;
}
