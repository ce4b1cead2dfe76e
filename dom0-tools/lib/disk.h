/* SPDX-License-Identifier: MIT */
/*
 * lib/disk.h: a guest's disk: its text as in xl-disk-configuration(5), its entries in the store.
 *
 * Tests: tests/tools-tests/unit/test_disk.c
 */
#ifndef LIB_DISK_H
#define LIB_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_DISKS 16
#define BLOCK_KIND "pblk"		/* the folder of our backend; docs/block.md */

enum disk_format { DISK_RAW, DISK_RAMDISK, DISK_NBD, DISK_QCOW2, DISK_QCOW, DISK_VHD, DISK_VMDK, DISK_VDI, NR_FORMATS };
extern const char *const disk_formats[NR_FORMATS];

struct disk_config {
	char *target;			/* absolute; NULL for a ramdisk without content */
	enum disk_format format;
	char vdev[16];			/* "xvda" */
	uint32_t id;			/* the number that stands for it */
	bool read_only, cdrom, throwaway;
	uint64_t size;			/* of a ramdisk, bytes */
	uint64_t iops, bps;		/* 0: no limit */
};

/* All: false with what is wrong in why. The target must be there and be of that format. */
bool disk_parse(struct disk_config *d, const char *text, char *why, size_t size);
bool disk_check(const struct disk_config *d, char *why, size_t size);
void disk_free(struct disk_config *d);
/* What disk_parse() reads; allocated. */
char *disk_text(const struct disk_config *d);
/* "xvda", "sdb2", "hda", "d3p1"; or the number itself. */
bool vdev_parse(const char *text, uint32_t *id);
/* "64M", "1G", "512" (bytes); false when it is not a size. */
bool size_parse(const char *text, uint64_t *bytes);

/* Queues both folders; the caller flushes. */
void disk_entries(uint32_t domid, const struct disk_config *d);
/* Tells parapetd that there are new devices. */
bool devices_nudge(void);

#endif
