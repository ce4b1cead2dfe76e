/* SPDX-License-Identifier: MIT */
/*
 * Load on address spaces: fork, exec, copy-on-write, mmap, mprotect, files mapped, pipes.
 *
 * Job:   forkload JOBS ROUNDS; memcheck MIB; mixload SECONDS (all of it on every CPU, for soaks).
 * Holds: what a process wrote is what it reads; a child's writes never reach its parent.
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
	int fd[2];
	char c = 0;
	pid_t pid;

	if (p == MAP_FAILED || pipe(fd))
		FAIL("mmap or pipe: %m");
	fill(p, words, seed);
	pid = fork();
	if (pid < 0)
		FAIL("fork: %m");
	if (!pid) {
		verify(p, words, seed, "child before writing");
		fill(p, words, seed + 1);
		verify(p, words, seed + 1, "child after writing");
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
