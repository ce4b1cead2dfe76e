/* SPDX-License-Identifier: MIT */
/*
 * blk/disk.h: what is behind a device: a file, a block device, memory.
 *
 * Tests: tests/tools-tests (on a machine)
 */
#ifndef BLK_DISK_H
#define BLK_DISK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

struct disk;

/* One operation. The caller fills it and keeps it until done() is called, maybe before submit returns. */
struct disk_io {
	uint8_t op;			/* BLKIF_OP_READ, WRITE, FLUSH_DISKCACHE, DISCARD, WRITE_ZEROES */
	bool fua;			/* WRITE: durable when done */
	uint64_t offset, len;		/* bytes */
	struct iovec *iov;		/* READ, WRITE: len bytes in all; changed on the way */
	unsigned int nr_iov;
	void (*done)(struct disk_io *io, int error);	/* 0 or an errno */
};

struct disk_ops {
	void (*submit)(struct disk *d, struct disk_io *io);
	/* Sends what was submitted, collects what is done. NULL: all is done at once. */
	void (*kick)(struct disk *d);
	/* Bytes, as they are now. */
	uint64_t (*size)(struct disk *d);
};

struct disk {
	const struct disk_ops *ops;
	uint32_t block;			/* logical block: 512 or more */
	bool discard, zeroes, fua;	/* can do it */
	bool in_place;			/* nothing but the process itself reads and writes the memory of a request */
};

/* Opened as root. NULL with what was wrong in why (size bytes). owner: who we are, for others that want
 * the image too. */
struct disk *file_open(const char *path, bool read_only, const char *owner, char *why, unsigned int size);
/*
 * By NBD; in parapet-blk-nbd only. format: as qemu-nbd has it, which is started for the image target; NULL:
 * target is a URI.
 */
struct disk *nbd_open(const char *target, const char *format, bool read_only, char *why, unsigned int size)
	__attribute__((weak));
bool nbd_idle(void) __attribute__((weak));
/* Takes the image's lock (see blk/file.c) on a descriptor that children inherit. */
int image_lock(const char *path, bool read_only, const char *owner, char *why, unsigned int size);
/* No file has anything under way. */
bool file_idle(void);
/* Memory of `bytes`, in a file of that name that outlives the process; fresh: begun anew. */
struct disk *ram_open(const char *path, uint64_t bytes, bool fresh, char *why, unsigned int size);

#endif
