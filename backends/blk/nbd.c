/* SPDX-License-Identifier: MIT */
/*
 * A disk behind an NBD server: qcow2, VMDK, VHD, VDI by a qemu-nbd of our own, or any server by its URI.
 *
 * Job:    one connection by libnbd; requests in one piece each.
 * Enter:  blk/vbd.c; the loop. In the program parapet-blk-nbd only: libnbd cannot be linked statically.
 * State:  one struct nbd_disk for each device.
 * Locks:  none in the process. The image's flock() is on a descriptor that qemu-nbd inherits: when we
 *         are killed it sees its only client go, finishes what is under way, writes its tables and ends;
 *         then the lock is free, and the next process starts a new one (one that stays is ended: blk/file.c).
 *         So what was answered is in the image, and nothing of the dead process can land on a later write.
 * Caveat: when qemu-nbd itself is killed, what it had not written of its tables is lost, as from a
 *         disk with a cache that loses power. It runs as root.
 * Holds:  1. The connection that is gone ends the process: the next one does again what was not answered.
 * Tests:  tests/tools-tests/dom0/images (--full)
 */
#include <errno.h>
#include <fcntl.h>
#include <libnbd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <pv-abi/blkif.h>
#include <pv-abi/parapet.h>
#include "../common/device.h"
#include "../common/loop.h"
#include "disk.h"

struct nbd_disk {
	struct disk d;
	struct nbd_handle *h;
	uint64_t bytes;
};

/* One request on its way. */
struct op {
	struct disk_io *io;
	uint8_t *buf;			/* when the pages are not side by side */
};

static unsigned int connections;

static void gather(struct op *o, bool back)
{
	uint8_t *p = o->buf;

	for (unsigned int i = 0; i < o->io->nr_iov; i++) {
		if (back)
			memcpy(o->io->iov[i].iov_base, p, o->io->iov[i].iov_len);
		else
			memcpy(p, o->io->iov[i].iov_base, o->io->iov[i].iov_len);
		p += o->io->iov[i].iov_len;
	}
}

static int completed(void *arg, int *error)
{
	struct op *o = arg;
	struct disk_io *io = o->io;
	int rc = *error;

	if (!rc && o->buf && io->op == BLKIF_OP_READ)
		gather(o, true);
	free(o->buf);
	free(o);
	io->done(io, rc);
	return 1;			/* forget the command */
}

static void submit(struct disk *d, struct disk_io *io)
{
	struct nbd_disk *n = (struct nbd_disk *)d;
	struct op *o = calloc(1, sizeof(*o));
	nbd_completion_callback done = { .callback = completed, .user_data = o };
	void *buf = io->nr_iov ? io->iov[0].iov_base : NULL;
	int64_t rc;

	if (o && io->nr_iov > 1)
		buf = o->buf = malloc(io->len);
	if (!o || (io->nr_iov > 1 && !buf)) {
		free(o);
		io->done(io, ENOMEM);
		return;
	}
	o->io = io;
	switch (io->op) {
	case BLKIF_OP_READ:
		rc = nbd_aio_pread(n->h, buf, io->len, io->offset, done, 0);
		break;
	case BLKIF_OP_WRITE:
		if (o->buf)
			gather(o, false);
		rc = nbd_aio_pwrite(n->h, buf, io->len, io->offset, done, io->fua ? LIBNBD_CMD_FLAG_FUA : 0);
		break;
	case PARAPET_BLKIF_OP_WRITE_ZEROES:
		rc = nbd_aio_zero(n->h, io->len, io->offset, done, 0);
		break;
	case BLKIF_OP_DISCARD:
		rc = nbd_aio_trim(n->h, io->len, io->offset, done, 0);
		break;
	default:
		rc = nbd_aio_flush(n->h, done, 0);
		break;
	}
	/* libnbd has called completed() then, or the connection is gone. */
	if (rc < 0 && (nbd_aio_is_dead(n->h) || nbd_aio_is_closed(n->h)))
		exit(1);
}

static void kick(struct disk *d)
{
	struct nbd_disk *n = (struct nbd_disk *)d;

	for (;;) {
		unsigned int dir = nbd_aio_get_direction(n->h);
		bool out = dir & LIBNBD_AIO_DIRECTION_WRITE;
		struct pollfd p = { nbd_aio_get_fd(n->h), (short)(POLLIN | (out ? POLLOUT : 0)), 0 };

		if (nbd_aio_is_dead(n->h) || nbd_aio_is_closed(n->h)) {
			device_say(NULL, "the NBD server is gone");
			exit(1);
		}
		if (poll(&p, 1, out ? 1000 : 0) <= 0)
			return;
		if (p.revents & POLLIN && dir & LIBNBD_AIO_DIRECTION_READ)
			nbd_aio_notify_read(n->h);
		else if (p.revents & POLLOUT && out)
			nbd_aio_notify_write(n->h);
		else
			nbd_aio_notify_read(n->h);	/* it hung up */
	}
}

static void ready(void *ctx)
{
	kick(ctx);
}

static uint64_t size(struct disk *d)
{
	return ((struct nbd_disk *)d)->bytes;
}

static const struct disk_ops ops = { .submit = submit, .kick = kick, .size = size };

bool nbd_idle(void)
{
	return !connections;
}

struct disk *nbd_open(const char *target, const char *format, bool read_only, char *why, unsigned int len)
{
	const char *argv[] = { "qemu-nbd", "-f", format, "--cache=none", "--aio=threads", "--discard=unmap",
			       read_only ? "--read-only" : "--shared=1", target, NULL };
	struct nbd_disk *n = calloc(1, sizeof(*n));
	int64_t bytes;

	if (!n)
		return NULL;
	n->h = nbd_create();
	if (!n->h || (format ? nbd_connect_systemd_socket_activation(n->h, (char **)argv) :
			       nbd_connect_uri(n->h, target)) ||
	    (bytes = nbd_get_size(n->h)) < 0 || (!read_only && nbd_is_read_only(n->h) > 0) ||
	    loop_add(nbd_aio_get_fd(n->h), ready, n)) {
		snprintf(why, len, "%s: %s", target, nbd_get_error() ? nbd_get_error() : "the server offers it read-only");
		if (n->h)
			nbd_close(n->h);
		free(n);
		return NULL;
	}
	connections++;
	n->bytes = (uint64_t)bytes;
	n->d = (struct disk){ .ops = &ops, .block = 512, .discard = nbd_can_trim(n->h) > 0,
			      .zeroes = nbd_can_zero(n->h) > 0, .fua = nbd_can_fua(n->h) > 0, .in_place = true };
	return &n->d;
}
