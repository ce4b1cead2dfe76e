/* SPDX-License-Identifier: MIT */
/*
 * Disks of guests.
 *
 * Job:    read a disk's text in the form of xl-disk-configuration(5), check its image, make the
 *         folders in the store by which backend and frontend find each other.
 * Enter:  lib/dconf.c, lib/create.c, cli/block.c.
 * State:  none; in the store: docs/block.md.
 * Holds:  1. The format is never guessed from what is in the image, which the guest may have
 *            written: it is raw unless the administrator says so. A raw image that begins like
 *            another format is refused.
 * Tests:  tests/tools-tests/unit/test_disk.c
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "disk.h"
#include "store.h"

const char *const disk_formats[NR_FORMATS] = {
	[DISK_RAW] = "raw", [DISK_RAMDISK] = "ramdisk", [DISK_NBD] = "nbd", [DISK_QCOW2] = "qcow2",
	[DISK_QCOW] = "qcow", [DISK_VHD] = "vhd", [DISK_VMDK] = "vmdk", [DISK_VDI] = "vdi",
};

static bool bad(char *why, size_t size, const char *what, const char *arg)
{
	snprintf(why, size, arg ? "%s: '%s'" : "%s", what, arg);
	return false;
}

bool size_parse(const char *text, uint64_t *bytes)
{
	static const char units[] = "kmgt";
	const char *u;
	char *end;

	errno = 0;
	*bytes = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)*text) || errno)
		return false;
	u = *end ? strchr(units, tolower((unsigned char)*end)) : NULL;
	if (u) {
		unsigned int shift = 10 * (unsigned int)(u - units + 1);

		if (*bytes > UINT64_MAX >> 1 >> shift)
			return false;
		*bytes <<= shift;
		end++;
		if (!strcmp(end, "iB") || !strcmp(end, "B"))
			end += strlen(end);
	}
	return !*end;
}

/* Letters as a number in the way of disks: a..z, aa..zz. */
static bool letters(const char **p, uint32_t *n)
{
	const char *start = *p;

	for (*n = 0; islower((unsigned char)**p) && *p - start < 3; (*p)++)
		*n = *n * 26 + (uint32_t)(**p - 'a') + 1;
	(*n)--;
	return *p != start;
}

static bool partition(const char *p, uint32_t *part)
{
	char *end;

	*part = 0;
	if (!*p)
		return true;
	*part = (uint32_t)strtoul(p, &end, 10);
	return isdigit((unsigned char)*p) && *p != '0' && !*end && *part < 256;
}

static bool vdev_id(uint32_t disk, uint32_t part, uint32_t *id)
{
	if (disk < 16 && part < 16)
		*id = 202U << 8 | disk << 4 | part;
	else
		*id = 1U << 28 | disk << 8 | part;
	return disk < 1U << 20;
}

bool vdev_parse(const char *text, uint32_t *id)
{
	static const uint32_t ide[] = { 3, 22, 33, 34 };
	uint32_t disk, part;
	const char *p;
	char *end;

	if (isdigit((unsigned char)*text)) {
		*id = (uint32_t)strtoul(text, &end, 0);
		return !*end && *id;
	}
	if (text[0] == 'd' && isdigit((unsigned char)text[1])) {
		disk = (uint32_t)strtoul(text + 1, &end, 10);
		if (*end && *end != 'p')
			return false;
		return partition(*end ? end + 1 : end, &part) && vdev_id(disk, part, id);
	}
	if (!strncmp(text, "xvd", 3)) {
		p = text + 3;
		return letters(&p, &disk) && partition(p, &part) && vdev_id(disk, part, id);
	}
	if (strncmp(text, "hd", 2) && strncmp(text, "sd", 2))
		return false;
	p = text + 2;
	if (!letters(&p, &disk) || !partition(p, &part))
		return false;
	if (*text == 's') {
		*id = 8U << 8 | disk << 4 | part;
		return disk < 16 && part < 16;
	}
	if (disk >= 8 || part >= 64)
		return false;
	*id = ide[disk / 2] << 8 | (disk & 1) << 6 | part;
	return true;
}

static bool set_format(struct disk_config *d, const char *v)
{
	for (unsigned int i = 0; i < NR_FORMATS; i++)
		if (!strcmp(v, disk_formats[i])) {
			d->format = i;
			return true;
		}
	return false;
}

static bool set_access(struct disk_config *d, const char *v)
{
	d->read_only = *v == 'r' && strcmp(v, "rw");
	return !strcmp(v, "r") || !strcmp(v, "ro") || !strcmp(v, "w") || !strcmp(v, "rw");
}

static void set_target(struct disk_config *d, const char *v)
{
	char *real = d->format == DISK_NBD ? NULL : realpath(v, NULL);

	free(d->target);
	d->target = real ? real : *v ? strdup(v) : NULL;
}

/* key=value, or a word of its own; false: not known. */
static bool set_key(struct disk_config *d, const char *k, const char *v, char *why, size_t size)
{
	if (!strcmp(k, "format"))
		return set_format(d, v) || bad(why, size, "the format is not known", v);
	if (!strcmp(k, "vdev")) {
		snprintf(d->vdev, sizeof(d->vdev), "%s", v);
		return vdev_parse(v, &d->id) || bad(why, size, "no name of a disk", v);
	}
	if (!strcmp(k, "access"))
		return set_access(d, v) || bad(why, size, "the access is none of r, ro, w, rw", v);
	if (!strcmp(k, "size"))
		return size_parse(v, &d->size) || bad(why, size, "no size", v);
	if (!strcmp(k, "iops"))
		return size_parse(v, &d->iops) || bad(why, size, "no number", v);
	if (!strcmp(k, "bps"))
		return size_parse(v, &d->bps) || bad(why, size, "no number", v);
	if (!strcmp(k, "devtype")) {
		d->cdrom = !strcmp(v, "cdrom");
		return d->cdrom || !strcmp(v, "disk") || bad(why, size, "neither disk nor cdrom", v);
	}
	if (!strcmp(k, "backendtype"))	/* there is one only */
		return true;
	return bad(why, size, "a key that is not known", k);
}

static bool set_word(struct disk_config *d, const char *w, unsigned int *place, char *why, size_t size)
{
	static const char *const order[] = { "target", "format", "vdev", "access" };

	if (!strcmp(w, "cdrom"))
		d->cdrom = true;
	else if (!strcmp(w, "throwaway"))
		d->throwaway = true;
	else if (strcmp(w, "discard") && strcmp(w, "no-discard") && strcmp(w, "direct-io-safe")) {
		unsigned int n = (*place)++;

		if (n >= 4)
			return bad(why, size, "more than target, format, vdev, access", w);
		if (!n)
			set_target(d, w);
		else if (*w)
			return set_key(d, order[n], w, why, size);
	}
	return true;
}

bool disk_parse(struct disk_config *d, const char *text, char *why, size_t size)
{
	char *copy = strdup(text), *p = copy, *item;
	unsigned int place = 0;
	bool ok = copy;

	memset(d, 0, sizeof(*d));
	if (p && !strncmp(p, "phy:", 4))
		p += 4;
	else if (p && !strncmp(p, "file:", 5))
		p += 5;
	while (ok && p) {
		char *eq;

		while (isspace((unsigned char)*p))
			p++;
		if (!strncmp(p, "target=", 7)) {	/* the rest, commas and all */
			set_target(d, p + 7);
			break;
		}
		item = strsep(&p, ",");
		eq = strchr(item, '=');
		if (eq && *item != '/') {
			*eq = '\0';
			ok = set_key(d, item, eq + 1, why, size);
		} else {
			ok = set_word(d, item, &place, why, size);
		}
	}
	free(copy);
	if (ok && !d->id)
		ok = bad(why, size, "vdev is missing", NULL);
	if (ok && d->cdrom)
		d->read_only = true;
	if (ok && d->format == DISK_RAMDISK && (d->size < 4096 || d->size % 4096))
		ok = bad(why, size, "a ramdisk needs size=, whole pages", NULL);
	if (ok && d->format != DISK_RAMDISK && !d->target)
		ok = bad(why, size, "target is missing", NULL);
	if (!ok)
		disk_free(d);
	return ok;
}

void disk_free(struct disk_config *d)
{
	free(d->target);
	d->target = NULL;
}

/* How the formats begin that we know; raw has no beginning. */
static const char *begins_like(const char *head, ssize_t n)
{
	static const struct { const char *magic; unsigned int len; const char *format; } known[] = {
		{ "QFI\xfb", 4, "qcow2" }, { "KDMV", 4, "vmdk" }, { "COWD", 4, "vmdk" }, { "conectix", 8, "vhd" },
		{ "vhdxfile", 8, "vhdx" }, { "<<< ", 4, "vdi" },
	};

	for (unsigned int i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (n >= (ssize_t)known[i].len && !memcmp(head, known[i].magic, known[i].len))
			return known[i].format;
	return NULL;
}

bool disk_check(const struct disk_config *d, char *why, size_t size)
{
	const char *like;
	char head[16];
	struct stat st;
	ssize_t n;
	int fd;

	if (!d->target || d->format == DISK_NBD)
		return true;
	fd = open(d->target, (d->read_only || d->throwaway ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st)) {
		snprintf(why, size, "%s: %s", d->target, strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	n = pread(fd, head, sizeof(head), 0);
	close(fd);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return bad(why, size, "neither a file nor a block device", d->target);
	like = begins_like(head, n);
	if (d->format == DISK_RAW && like) {
		snprintf(why, size, "%s: it is to be raw, but begins like %s", d->target, like);
		return false;
	}
	if (d->format == DISK_RAW && S_ISREG(st.st_mode) && st.st_size < 512)
		return bad(why, size, "the image is empty", d->target);
	if ((d->format == DISK_QCOW2 || d->format == DISK_VMDK) && (!like || strcmp(like, disk_formats[d->format]))) {
		snprintf(why, size, "%s: it does not begin like %s", d->target, disk_formats[d->format]);
		return false;
	}
	return true;
}

char *disk_text(const struct disk_config *d)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	fprintf(f, "format=%s,vdev=%s,access=%s", disk_formats[d->format], d->vdev, d->read_only ? "ro" : "rw");
	if (d->cdrom)
		fprintf(f, ",cdrom");
	if (d->throwaway)
		fprintf(f, ",throwaway");
	if (d->size)
		fprintf(f, ",size=%llu", (unsigned long long)d->size);
	if (d->iops)
		fprintf(f, ",iops=%llu", (unsigned long long)d->iops);
	if (d->bps)
		fprintf(f, ",bps=%llu", (unsigned long long)d->bps);
	if (d->target)
		fprintf(f, ",target=%s", d->target);
	return fclose(f) ? NULL : text;
}

/* --- the store --- */

void disk_entries(uint32_t domid, const struct disk_config *d)
{
	char back[96], front[96], text[24];

	snprintf(back, sizeof(back), "/local/domain/0/backend/" BLOCK_KIND "/%u/%u", domid, d->id);
	snprintf(front, sizeof(front), "/local/domain/%u/device/vbd/%u", domid, d->id);
	st_queue_write("", "%s", back);
	st_queue_access(0, domid, "%s", back);
	st_queue_write("", "%s", front);
	st_queue_access(domid, 0, "%s", front);

	st_queue_write(front, "%s/frontend", back);
	snprintf(text, sizeof(text), "%u", domid);
	st_queue_write(text, "%s/frontend-id", back);
	st_queue_write("1", "%s/online", back);
	st_queue_write("0", "%s/removable", back);
	st_queue_write(d->vdev, "%s/dev", back);
	st_queue_write(disk_formats[d->format], "%s/type", back);
	st_queue_write(d->read_only ? "r" : "w", "%s/mode", back);
	st_queue_write(d->cdrom ? "cdrom" : "disk", "%s/device-type", back);
	if (d->throwaway)
		st_queue_write("1", "%s/throwaway", back);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)d->size);
	st_queue_write(d->format == DISK_RAMDISK ? text : d->target, "%s/params", back);
	if (d->format == DISK_RAMDISK && d->target)
		st_queue_write(d->target, "%s/content", back);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)d->iops);
	st_queue_write(text, "%s/iops", back);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)d->bps);
	st_queue_write(text, "%s/bps", back);
	st_queue_write("1", "%s/state", back);

	st_queue_write(back, "%s/backend", front);
	st_queue_write("0", "%s/backend-id", front);
	snprintf(text, sizeof(text), "%u", d->id);
	st_queue_write(text, "%s/virtual-device", front);
	st_queue_write(d->cdrom ? "cdrom" : "disk", "%s/device-type", front);
	st_queue_write("1", "%s/state", front);
}

bool devices_nudge(void)
{
	char text[32];
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	snprintf(text, sizeof(text), "%ld.%09ld", (long)t.tv_sec, t.tv_nsec);
	return st_write(XBT_NULL, text, "/parapet/devices");
}
