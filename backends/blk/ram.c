/* SPDX-License-Identifier: MIT */
/*
 * A disk of memory.
 *
 * Job:    blocks in a file of a memory file system that is mapped: a copy, no system call. It lives
 *         until the device goes, over any number of backend processes.
 * Enter:  blk/vbd.c.
 * State:  the mapping.  Locks: none.
 * Holds:  1. All its pages are there before the first request: no fault can fail later.
 * Tests:  tests/tools-tests (on a machine)
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <pv-abi/blkif.h>
#include <pv-abi/parapet.h>
#include "disk.h"

struct ram {
	struct disk d;
	uint8_t *mem;
	uint64_t bytes;
};

/*
 * Whole sectors. One instruction: the fastest there is on processors with fast strings, and without them
 * not worse than the C library's loop.
 */
static void copy(void *to, const void *from, size_t len)
{
	len /= 8;
	asm volatile("rep movsq" : "+D" (to), "+S" (from), "+c" (len) :: "memory");
}

static void submit(struct disk *d, struct disk_io *io)
{
	struct ram *r = (struct ram *)d;
	uint8_t *p = r->mem + io->offset;

	for (unsigned int i = 0; i < io->nr_iov; i++) {
		if (io->op == BLKIF_OP_READ)
			copy(io->iov[i].iov_base, p, io->iov[i].iov_len);
		else
			copy(p, io->iov[i].iov_base, io->iov[i].iov_len);
		p += io->iov[i].iov_len;
	}
	if (io->op == BLKIF_OP_DISCARD || io->op == PARAPET_BLKIF_OP_WRITE_ZEROES)
		memset(p, 0, io->len);
	io->done(io, 0);
}

static uint64_t size(struct disk *d)
{
	return ((struct ram *)d)->bytes;
}

static const struct disk_ops ops = { .submit = submit, .size = size };

struct disk *ram_open(const char *path, uint64_t bytes, bool fresh, char *why, unsigned int len)
{
	struct ram *r = calloc(1, sizeof(*r));
	int fd = -1;

	if (!r)
		goto fail;
	if (fresh)
		unlink(path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)bytes))
		goto fail;
	/* ramfs has no fallocate(), and no limit either. */
	if (fallocate(fd, 0, 0, (off_t)bytes) && errno != EOPNOTSUPP)
		goto fail;
	r->mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (r->mem == MAP_FAILED)
		goto fail;
	close(fd);
	r->bytes = bytes;
	r->d = (struct disk){ .ops = &ops, .block = 512, .discard = true, .zeroes = true, .fua = true,
			      .in_place = true };
	return &r->d;
fail:
	snprintf(why, len, "a ramdisk of %llu KiB: %s", (unsigned long long)bytes >> 10, strerror(errno));
	if (fd >= 0)
		close(fd);
	if (fresh)
		unlink(path);
	free(r);
	return NULL;
}
