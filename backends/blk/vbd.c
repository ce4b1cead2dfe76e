/* SPDX-License-Identifier: MIT */
/*
 * parapet-blk: the block backend of one domain.
 *
 * Job:    what a disk's folder in the store says, and what its frontend asks for, become a struct
 *         vbd with its queues.
 * Enter:  common/device.c.
 * State:  one struct vbd for each device; its log file RUN_DIR/pblk-DOMID-ID.log.
 * Locks:  none: one thread. Images: see blk/file.c.
 * Holds:  1. The log begins anew when the frontend connects anew, and never else.
 * Tests:  tests/tools-tests (on a machine)
 */
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "vbd.h"

#define MAX_RING_ORDER 4U
#define MAX_SECTORS (1ULL << 54)

static void run_file(const struct device *d, char path[PATH_LEN], const char *what)
{
	snprintf(path, PATH_LEN, RUN_DIR "/pblk-%u-%u.%s", d->domid, d->id, what);
}

static int open_log(struct vbd *v, bool fresh)
{
	char path[PATH_LEN];
	int fd;

	run_file(v->dev, path, "log");
	if (fresh)
		unlink(path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, LOG_BYTES))
		return device_error(v->dev, "%s: %s", path, strerror(errno));
	v->log = mmap(NULL, LOG_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (v->log == MAP_FAILED)
		return device_error(v->dev, "%s: %s", path, strerror(errno));
	v->log->magic = LOG_MAGIC;
	return 0;
}

/* libnbd is in another program, which goes on from here: same process, same arguments. */
static void become_nbd(const struct device *d)
{
	char path[300], id[16];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 8);

	if (n <= 0 || nbd_open)
		return;
	strcpy(path + n, "-nbd");
	snprintf(id, sizeof(id), "%u", d->domid);
	execl(path, path, id, NULL);
	device_say(d, "%s: %s", path, strerror(errno));
}

static int run(const char *const argv[])
{
	int status;
	pid_t pid;

	signal(SIGCHLD, SIG_DFL);	/* of whoever started us */
	pid = fork();
	if (!pid) {
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && !status ? 0 : -1;
}

static const char *qemu_name(const char *type)
{
	return !strcmp(type, "vhd") ? "vpc" : type;
}

/*
 * Formats by qemu-nbd; a throw-away disk is a qcow2 overlay in a file of ours, which parapetd removes
 * when the device is gone.
 */
static struct disk *open_nbd(struct device *d, const char *type, const char *params, bool read_only, bool fresh,
			     const char *owner, char *why, unsigned int len)
{
	bool throwaway = back_number(d, "throwaway", 1) == 1;
	char overlay[PATH_LEN];

	become_nbd(d);
	if (!nbd_open) {
		snprintf(why, len, "parapet-blk-nbd is not there");
		return NULL;
	}
	if (!strcmp(type, "nbd"))
		return nbd_open(params, NULL, read_only, why, len);
	if (image_lock(params, read_only || throwaway, owner, why, len))
		return NULL;
	if (!throwaway)
		return nbd_open(params, qemu_name(type), read_only, why, len);
	run_file(d, overlay, "overlay");
	if (fresh)
		unlink(overlay);
	if (fresh && run((const char *[]){ "qemu-img", "create", "-q", "-f", "qcow2", "-b", params, "-F",
					   qemu_name(type), overlay, NULL })) {
		snprintf(why, len, "%s: qemu-img failed (Debian: qemu-utils)", overlay);
		return NULL;
	}
	if (image_lock(overlay, false, owner, why, len))
		return NULL;
	return nbd_open(overlay, "qcow2", false, why, len);
}

static bool idle(void)
{
	return file_idle() && (!nbd_idle || nbd_idle());
}

static struct disk *open_disk(struct device *d, bool read_only, bool fresh)
{
	char *params = back_read(d, "params"), *type = back_read(d, "type"), why[256], path[PATH_LEN], owner[64];
	struct disk *disk = NULL;

	snprintf(owner, sizeof(owner), "domain %u, device %u", d->domid, d->id);
	run_file(d, path, "ram");
	if (type && params && !strcmp(type, "ramdisk"))
		disk = ram_open(path, strtoull(params, NULL, 10), fresh, why, sizeof(why));
	else if (type && params && !strcmp(type, "raw") && back_number(d, "throwaway", 1) != 1)
		disk = file_open(params, read_only, owner, why, sizeof(why));
	else if (type && params)
		disk = open_nbd(d, type, params, read_only, fresh, owner, why, sizeof(why));
	else
		snprintf(why, sizeof(why), "its type or its target is missing");
	if (!disk)
		device_error(d, "%s", why);
	free(params);
	free(type);
	return disk;
}

static void read_limits(struct vbd *v)
{
	int64_t ops = back_number(v->dev, "iops", INT32_MAX), bytes = back_number(v->dev, "bps", INT64_MAX / 2000000);

	limit_set(&v->ops, ops > 0 ? (uint64_t)ops : 0);
	limit_set(&v->bytes, bytes > 0 ? (uint64_t)bytes : 0);
}

/* What the frontend is told: whole blocks, in sectors. */
static uint64_t size_now(const struct vbd *v)
{
	return v->disk->ops->size(v->disk) / v->disk->block * (v->disk->block / SECTOR);
}

static int open_device(struct device *d)
{
	struct vbd *v = calloc(1, sizeof(*v));
	bool fresh = d->state <= XS_INITIALISING;
	char *mode = back_read(d, "mode");

	if (!v)
		return -1;
	v->dev = d;
	v->limits.read_only = !mode || *mode != 'w';
	free(mode);
	v->disk = open_disk(d, v->limits.read_only, fresh);
	if (!v->disk || open_log(v, fresh)) {
		free(v);
		return -1;
	}
	v->limits.sectors = size_now(v);
	v->limits.block = v->disk->block;
	v->limits.discard = v->disk->discard;
	v->limits.zeroes = v->disk->zeroes;
	v->limits.fua = v->disk->fua;
	read_limits(v);
	d->priv = v;
	return 0;
}

static int offer(struct device *d)
{
	const struct vbd *v = d->priv;
	bool ok = back_write(d, "max-ring-page-order", "%u", MAX_RING_ORDER) &&
		  back_write(d, "multi-queue-max-queues", "%u", MAX_QUEUES) &&
		  back_write(d, "feature-max-indirect-segments", "%u", MAX_SEGMENTS) &&
		  back_write(d, "feature-persistent", "1") && back_write(d, "feature-flush-cache", "1") &&
		  back_write(d, "feature-barrier", "0") &&
		  back_write(d, "feature-discard", "%d", v->limits.discard && !v->limits.read_only) &&
		  back_write(d, "discard-granularity", "%u", v->limits.block) &&
		  back_write(d, "feature-write-zeroes", "%d", v->limits.zeroes && !v->limits.read_only) &&
		  back_write(d, "feature-fua", "%d", v->limits.fua) &&
		  back_write(d, "discard-alignment", "0") && back_write(d, "discard-secure", "0");

	return ok ? 0 : device_error(d, "the store refused an entry: %s", strerror(errno));
}

/* Entries of one queue: at the top when there is one only, else in queue-N. */
static int connect_queue(struct vbd *v, unsigned int nr, bool top, unsigned int order, bool again)
{
	struct device *d = v->dev;
	char dir[32] = "", name[64];
	uint32_t refs[MAX_RING_PAGES];
	int64_t n;

	if (!top)
		snprintf(dir, sizeof(dir), "queue-%u/", nr);
	for (unsigned int i = 0; i < 1U << order; i++) {
		snprintf(name, sizeof(name), order ? "%sring-ref%u" : "%sring-ref", dir, i);
		n = front_number(d, name, UINT32_MAX);
		if (n < 0)
			return device_error(d, "the frontend's %s is missing or no number", name);
		refs[i] = (uint32_t)n;
	}
	snprintf(name, sizeof(name), "%sevent-channel", dir);
	n = front_number(d, name, UINT32_MAX);
	if (n <= 0)
		return device_error(d, "the frontend's %s is missing or no number", name);
	v->queues[nr] = queue_open(v, nr, 1U << order, refs, (uint32_t)n, again);
	return v->queues[nr] ? 0 : -1;
}

/* again: in any case; whoever was killed before us may have been about to, and nobody looked since. */
static void tell_size(struct vbd *v, bool again)
{
	struct device *d = v->dev;
	uint64_t sectors = size_now(v);

	if (!sectors || (!again && sectors == v->limits.sectors))
		return;
	v->limits.sectors = sectors;
	if (back_number(d, "sectors", INT64_MAX) != (int64_t)sectors) {
		back_write(d, "sectors", "%llu", (unsigned long long)sectors);
		device_say(d, "has %llu sectors now", (unsigned long long)sectors);
	}
	device_announce(d);
}

static int connect_vbd(struct device *d, bool again)
{
	struct vbd *v = d->priv;
	int64_t queues = front_number(d, "multi-queue-num-queues", MAX_QUEUES);
	int64_t order = front_number(d, "ring-page-order", MAX_RING_ORDER);
	char *protocol = front_read(d, "protocol");
	bool ok = !protocol || !strcmp(protocol, "x86_64-abi");

	free(protocol);
	if (!ok)
		return device_error(d, "the frontend wants another protocol than x86_64-abi");
	if (queues == -2 || queues == 0 || order == -2)
		return device_error(d, "the frontend wants more queues or a larger ring than we offer");
	v->persistent = front_number(d, "feature-persistent", 1) == 1;
	v->said = false;
	v->nr_queues = 0;
	do {
		if (connect_queue(v, v->nr_queues, queues <= 1, order < 0 ? 0 : (unsigned int)order, again))
			return -1;
		v->nr_queues++;
	} while (v->nr_queues < queues);
	if (!again && !(back_write(d, "sectors", "%llu", (unsigned long long)v->limits.sectors) &&
			back_write(d, "sector-size", "%u", v->limits.block) &&
			back_write(d, "physical-sector-size", "%u", v->limits.block) &&
			back_write(d, "info", "%d", v->limits.read_only ? VDISK_READONLY : 0)))
		return device_error(d, "the store refused an entry: %s", strerror(errno));
	device_say(d, "%s: %u queue%s of %u page%s%s", again ? "goes on" : "connected", v->nr_queues,
		   v->nr_queues > 1 ? "s" : "", 1U << (order < 0 ? 0 : order), order > 0 ? "s" : "",
		   v->persistent ? ", pages stay granted" : "");
	for (unsigned int i = 0; i < v->nr_queues && d->connected; i++)
		queue_start(v->queues[i]);
	if (again)
		tell_size(v, true);
	return 0;
}

static void disconnect(struct device *d)
{
	struct vbd *v = d->priv;

	for (unsigned int i = 0; i < MAX_QUEUES; i++)
		if (v->queues[i])
			queue_close(v->queues[i]);
	memset(v->queues, 0, sizeof(v->queues));
	v->nr_queues = 0;
}

/* The tools have another limit, or the image has another size. */
static void changed(struct device *d)
{
	struct vbd *v = d->priv;

	read_limits(v);
	tell_size(v, false);
}

static const int syscalls[] = { SCMP_SYS(io_uring_enter), -1 };

static const struct backend backend = {
	.kind = "pblk", .class = "vbd", .open = open_device, .offer = offer, .connect = connect_vbd,
	.disconnect = disconnect, .changed = changed, .alone = idle, .syscalls = syscalls,
};

int main(int argc, char **argv)
{
	return backend_main(&backend, argc, argv);
}
