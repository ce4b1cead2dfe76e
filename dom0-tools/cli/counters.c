/* SPDX-License-Identifier: MIT */
/*
 * Counters of devices, for `parapet top`.
 *
 * Job:    the files in which our backends count, read without asking anybody.
 * Enter:  cli/top.c.
 * State:  none.
 * Tests:  tests/tools-tests/dom0/{block,net}
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include "../lib/disk.h"
#include "../lib/paths.h"
#include "../lib/vif.h"
#include "counters.h"
#include "device.h"

/* False: NAME is no file of counters. */
static bool read_one(const char *name, struct device_count *c)
{
	struct disk_counters d;
	struct vif_counters v;
	char id[12], end;

	if (sscanf(name, BLOCK_KIND "-%u-%u.lo%c", &c->domid, &c->id, &end) == 3 && end == 'g') {
		snprintf(id, sizeof(id), "%u", c->id);
		c->disk = true;
		if (!device_counters(&disk_class, c->domid, id, &d, sizeof(d)))
			return false;
		c->in = d.reads;
		c->in_bytes = d.read_bytes;
		c->out = d.writes;
		c->out_bytes = d.write_bytes;
		c->failed = d.errors;
		return true;
	}
	if (sscanf(name, VIF_KIND "-%u-%u.stat%c", &c->domid, &c->id, &end) == 3 && end == 'e') {
		snprintf(id, sizeof(id), "%u", c->id);
		c->disk = false;
		if (!device_counters(&vif_class, c->domid, id, &v, sizeof(v)))
			return false;
		c->in = v.rx_packets;
		c->in_bytes = v.rx_bytes;
		c->out = v.tx_packets;
		c->out_bytes = v.tx_bytes;
		c->failed = v.rx_dropped + v.tx_dropped + v.tx_refused;
		return true;
	}
	return false;
}

static int in_order(const void *a, const void *b)
{
	const struct device_count *x = a, *y = b;

	if (x->domid != y->domid)
		return x->domid < y->domid ? -1 : 1;
	if (x->disk != y->disk)
		return x->disk ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

struct device_count *counters_take(unsigned int *n)
{
	struct device_count *list = NULL, c;
	DIR *dir = opendir(RUN_DIR);
	struct dirent *e;

	*n = 0;
	while (dir && (e = readdir(dir))) {
		struct device_count *more;

		if (!read_one(e->d_name, &c))
			continue;
		more = reallocarray(list, *n + 1, sizeof(*list));
		if (!more)
			break;
		list = more;
		list[(*n)++] = c;
	}
	if (dir)
		closedir(dir);
	if (list)
		qsort(list, *n, sizeof(*list), in_order);
	return list;
}
