/* SPDX-License-Identifier: MIT */
/*
 * A disk in a raw file or on a block device.
 *
 * Job:    reads and writes by io_uring, past the page cache where the file can do that.
 * Enter:  blk/vbd.c; completions from the loop.
 * State:  one io_uring for all files of the process.
 * Locks:  none in the process. The image has a flock(): shared for readers, exclusive for a writer.
 *         It goes with the last reference to the open file, and requests under way hold one: who has
 *         the lock knows that nothing of the process before is still being written.
 * Holds:  1. A request is done when all of it is; what comes short is sent again for the rest.
 *         2. done() is called from file_kick() or the loop, never from submit().
 * Tests:  tests/tools-tests (on a machine)
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include <pv-abi/blkif.h>
#include <pv-abi/parapet.h>
#include "../common/device.h"
#include "../common/loop.h"
#include "disk.h"

#define ENTRIES 256U
#define LOCK_TRIES 20000		/* of 1 ms */
#define SERVER_TRIES 500

struct file {
	struct disk d;
	int fd;
	bool device;
};

/* What goes with an operation through the ring. */
struct op {
	struct op *next;		/* free list */
	struct disk_io *io;
	struct file *file;
	uint64_t left;
	bool punch;			/* WRITE_ZEROES: as a hole, since the file cannot do better */
};

static struct io_uring uring;
static bool have_uring;
static unsigned int unsent, under_way;
static struct op *free_ops;

static struct io_uring_sqe *get_sqe(void)
{
	struct io_uring_sqe *s = io_uring_get_sqe(&uring);

	if (!s) {
		io_uring_submit(&uring);
		unsent = 0;
		s = io_uring_get_sqe(&uring);
	}
	return s;
}

static void finish(struct op *o, int error)
{
	struct disk_io *io = o->io;

	under_way--;
	o->next = free_ops;
	free_ops = o;
	io->done(io, error);
}

static void send_op(struct op *o)
{
	struct disk_io *io = o->io;
	struct io_uring_sqe *s = get_sqe();
	uint64_t at = io->offset + io->len - o->left;

	if (!s) {
		finish(o, EBUSY);
		return;
	}
	switch (io->op) {
	case BLKIF_OP_READ:
		io_uring_prep_readv(s, o->file->fd, io->iov, io->nr_iov, at);
		break;
	case BLKIF_OP_WRITE:
		io_uring_prep_writev2(s, o->file->fd, io->iov, io->nr_iov, at, io->fua ? RWF_DSYNC : 0);
		break;
	case PARAPET_BLKIF_OP_WRITE_ZEROES:
		io_uring_prep_fallocate(s, o->file->fd, (o->punch ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE) |
					FALLOC_FL_KEEP_SIZE, (off_t)io->offset, (off_t)io->len);
		break;
	case BLKIF_OP_DISCARD:
		io_uring_prep_fallocate(s, o->file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					(off_t)io->offset, (off_t)io->len);
		break;
	default:
		io_uring_prep_fsync(s, o->file->fd, IORING_FSYNC_DATASYNC);
		break;
	}
	io_uring_sqe_set_data(s, o);
	unsent++;
}

static void submit(struct disk *d, struct disk_io *io)
{
	struct op *o = free_ops;

	if (o)
		free_ops = o->next;
	else
		o = malloc(sizeof(*o));
	if (!o) {
		io->done(io, ENOMEM);
		return;
	}
	under_way++;
	*o = (struct op){ .io = io, .file = (struct file *)d, .left = io->len };
	send_op(o);
}

/* n more bytes are done. */
static void advance(struct disk_io *io, uint64_t n)
{
	while (n && n >= io->iov->iov_len) {
		n -= io->iov->iov_len;
		io->iov++;
		io->nr_iov--;
	}
	if (n) {
		io->iov->iov_base = (uint8_t *)io->iov->iov_base + n;
		io->iov->iov_len -= n;
	}
}

static void completed(struct op *o, int res)
{
	struct disk_io *io = o->io;

	if (res == -EINTR || res == -EAGAIN) {
		send_op(o);
	} else if (res == -EOPNOTSUPP && io->op == PARAPET_BLKIF_OP_WRITE_ZEROES && !o->punch) {
		o->punch = true;
		send_op(o);
	} else if (res < 0) {
		finish(o, -res);
	} else if (io->op != BLKIF_OP_READ && io->op != BLKIF_OP_WRITE) {
		finish(o, 0);
	} else if ((uint64_t)res >= o->left) {
		finish(o, 0);
	} else if (!res) {
		finish(o, EIO);		/* the file has become shorter */
	} else {
		o->left -= (uint64_t)res;
		advance(io, (uint64_t)res);
		send_op(o);
	}
}

static void kick(struct disk *d)
{
	struct io_uring_cqe *c;

	do {
		if (unsent)
			io_uring_submit(&uring);
		unsent = 0;
		while (!io_uring_peek_cqe(&uring, &c)) {
			struct op *o = io_uring_cqe_get_data(c);
			int res = c->res;

			io_uring_cqe_seen(&uring, c);
			completed(o, res);
		}
	} while (unsent);
}

bool file_idle(void)
{
	return !under_way;
}

static void ready(void *ctx)
{
	kick(NULL);
}

static uint64_t size(struct disk *d)
{
	struct file *f = (struct file *)d;
	struct stat st;
	uint64_t bytes = 0;

	if (f->device)
		return ioctl(f->fd, BLKGETSIZE64, &bytes) ? 0 : bytes;
	return fstat(f->fd, &st) ? 0 : (uint64_t)st.st_size;
}

static const struct disk_ops ops = { .submit = submit, .kick = kick, .size = size };

static int setup_uring(void)
{
	if (have_uring)
		return 0;
	if (io_uring_queue_init(ENTRIES, &uring, 0) < 0 || loop_add(uring.ring_fd, ready, NULL))
		return -1;
	have_uring = true;
	return 0;
}

static int open_direct(const char *path, int flags)
{
	int fd = open(path, flags | O_DIRECT | O_CLOEXEC);

	return fd < 0 && errno == EINVAL ? open(path, flags | O_CLOEXEC) : fd;
}

static bool is_qemu_nbd(const char *pid)
{
	char path[300], name[16] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	f = fopen(path, "re");
	if (f) {
		if (!fgets(name, sizeof(name), f))
			name[0] = '\0';
		fclose(f);
	}
	return !strcmp(name, "qemu-nbd\n");
}

static bool has_open(const char *pid, const struct stat *image)
{
	char path[300];
	struct dirent *e;
	struct stat st;
	bool has = false;
	DIR *fds;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	fds = opendir(path);
	while (fds && !has && (e = readdir(fds)))
		has = !fstatat(dirfd(fds), e->d_name, &st, 0) && st.st_dev == image->st_dev && st.st_ino == image->st_ino;
	if (fds)
		closedir(fds);
	return has;
}

/*
 * The qemu-nbd of the process before us ends with its only client; but one whose client was killed before it had
 * introduced itself waits for another, and keeps the lock. Told to end it finishes what is under way as well.
 */
static void end_server(const struct stat *image)
{
	DIR *all = opendir("/proc");
	struct dirent *e;

	while (all && (e = readdir(all))) {
		int fd = atoi(e->d_name) > 0 ? pidfd_open(atoi(e->d_name), 0) : -1;

		if (fd >= 0 && is_qemu_nbd(e->d_name) && has_open(e->d_name, image))
			pidfd_send_signal(fd, SIGTERM, NULL, 0);
		if (fd >= 0)
			close(fd);
	}
	if (all)
		closedir(all);
}

/*
 * The image's lock; who has it for writing is noted in a file, so that others can be told. The process
 * before us, of the same owner, may still have requests under way: that one is waited for. served: by qemu-nbd.
 */
static int lock_image(int fd, const struct stat *st, const char *owner, bool read_only, bool served, char *why,
		      unsigned int len)
{
	char path[96], other[64] = "another program";
	dev_t dev = S_ISBLK(st->st_mode) ? st->st_rdev : st->st_dev;
	int note, tries = 0;
	ssize_t n;

	mkdir(RUN_DIR "/images", 0755);
	snprintf(path, sizeof(path), RUN_DIR "/images/%lx-%lx", (long)dev,
		 S_ISBLK(st->st_mode) ? 0 : (long)st->st_ino);
	while (flock(fd, (read_only ? LOCK_SH : LOCK_EX) | LOCK_NB)) {
		note = open(path, O_RDONLY | O_CLOEXEC);
		n = note >= 0 ? read(note, other, sizeof(other) - 1) : -1;
		if (n > 0)
			other[n] = '\0';
		close(note);
		if (errno == EINTR || (n > 0 && !strcmp(other, owner) && tries++ < LOCK_TRIES)) {
			if (served && tries % SERVER_TRIES == 1)
				end_server(st);
			usleep(1000);
			continue;
		}
		snprintf(why, len, "the image is in use by %s", other);
		return -1;
	}
	note = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (note >= 0 && write(note, owner, strlen(owner)) < 0)
		device_say(NULL, "%s: %s", path, strerror(errno));
	close(note);
	return 0;
}

int image_lock(const char *path, bool read_only, const char *owner, char *why, unsigned int len)
{
	int fd = open(path, read_only ? O_RDONLY : O_RDWR);
	struct stat st;

	if (fd >= 0 && !fstat(fd, &st))
		return lock_image(fd, &st, owner, read_only, true, why, len);
	snprintf(why, len, "%s: %s", path, strerror(errno));
	return -1;
}

struct disk *file_open(const char *path, bool read_only, const char *owner, char *why, unsigned int len)
{
	struct file *f = calloc(1, sizeof(*f));
	unsigned int block = 512;
	struct stat st;

	why[0] = '\0';
	if (!f)
		goto fail;
	f->fd = open_direct(path, read_only ? O_RDONLY : O_RDWR);
	if (f->fd < 0 || fstat(f->fd, &st) || setup_uring())
		goto fail;
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
		snprintf(why, len, "%s: neither a file nor a block device", path);
		goto fail;
	}
	f->device = S_ISBLK(st.st_mode);
	if (f->device && ioctl(f->fd, BLKSSZGET, &block))
		goto fail;
	if (lock_image(f->fd, &st, owner, read_only, false, why, len))
		goto fail;
	f->d = (struct disk){ .ops = &ops, .block = block, .discard = true, .zeroes = true, .fua = true,
			      .in_place = !(fcntl(f->fd, F_GETFL) & O_DIRECT) };
	return &f->d;
fail:
	if (!why[0])
		snprintf(why, len, "%s: %s", path, strerror(errno));
	if (f && f->fd > 0)
		close(f->fd);
	free(f);
	return NULL;
}
