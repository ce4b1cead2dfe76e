/* SPDX-License-Identifier: MIT */
/*
 * parapet block-attach, block-detach, block-list, block-resize, block-limit
 *
 * Job:    disks of a running domain: what the tools write into the store, the backend does.
 * Enter:  the table of commands.
 * State:  none.
 * Tests:  tests/tools-tests/dom0/block
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "counters.h"
#include "device.h"

const struct device_class disk_class = {
	.kind = BLOCK_KIND, .front = "vbd", .counters = "log", .was_closed = "the disk was closed",
	.held = " (is it mounted?)",
};

/* The device of our backend that a command names; -1 after err(). */
static int find_device(const char *arg, const char *vdev, uint32_t *domid, uint32_t *id)
{
	dom_info i;

	if (host_open() || dom_find(arg, &i))
		return -1;
	if (!vdev_parse(vdev, id))
		return err(ST_USAGE, "'%s' is no name of a disk", vdev);
	*domid = i.domain;
	if (!device_state(&disk_class, *domid, *id))
		return err(ST_FAILED, "domain %u has no disk %s of ours", *domid, vdev);
	return 0;
}

int cmd_block_attach(int argc, char **argv)
{
	struct disk_config d;
	char why[400];
	dom_info i;

	if (!disk_parse(&d, argv[1], why, sizeof(why)))
		return err(ST_USAGE, "%s", why);
	if (host_open() || dom_find(argv[0], &i))
		return -1;
	if (!disk_check(&d, why, sizeof(why)))
		return err(ST_CONFIG, "%s", why);
	if (device_state(&disk_class, i.domain, d.id))
		return err(ST_FAILED, "domain %u has a disk %s already", i.domain, d.vdev);
	disk_entries(i.domain, &d);
	disk_free(&d);
	return device_announce() ? -1 : device_connect(&disk_class, i.domain, d.id);
}

int cmd_block_detach(int argc, char **argv)
{
	uint32_t domid, id;

	return find_device(argv[0], argv[1], &domid, &id) ? -1 : device_detach(&disk_class, domid, id);
}

int cmd_block_resize(int argc, char **argv)
{
	uint64_t bytes = 0;
	uint32_t domid, id;
	char *type, *path;
	struct stat st;
	int rc = 0;

	if (argc > 2 && !size_parse(argv[2], &bytes))
		return err(ST_USAGE, "'%s' is no size", argv[2]);
	if (find_device(argv[0], argv[1], &domid, &id))
		return -1;
	type = st_read("/local/domain/0/backend/" BLOCK_KIND "/%u/%u/type", domid, id);
	path = st_read("/local/domain/0/backend/" BLOCK_KIND "/%u/%u/params", domid, id);
	if (!type || !path || strcmp(type, "raw"))
		rc = err(ST_FAILED, "only raw images and block devices change their size");
	else if (stat(path, &st))
		rc = err(ST_FAILED, "%s: %s", path, strerror(errno));
	else if (bytes && !S_ISREG(st.st_mode))
		rc = err(ST_USAGE, "%s: a block device is resized first, then tell without a size", path);
	else if (bytes && bytes < (uint64_t)st.st_size && !opt_flag("shrink"))
		rc = err(ST_USAGE, "that is less than the image has; what is behind would be lost: see --shrink");
	else if (bytes && truncate(path, (off_t)(bytes & ~511UL)))
		rc = err(ST_FAILED, "%s: %s", path, strerror(errno));
	/* Any change of the folder makes the backend look. */
	else if (!st_write(XBT_NULL, "", "/local/domain/0/backend/" BLOCK_KIND "/%u/%u/resize", domid, id))
		rc = err(ST_FAILED, "the store refused an entry: %s", strerror(errno));
	free(path);
	free(type);
	return rc ? rc : device_done(domid, id);
}

int cmd_block_limit(int argc, char **argv)
{
	static const char *const keys[] = { "iops", "bps" };
	uint32_t domid, id;
	char text[24];
	uint64_t v;

	if (find_device(argv[0], argv[1], &domid, &id))
		return -1;
	for (unsigned int i = 0; i < 2; i++) {
		if (!opt_value(keys[i]))
			continue;
		if (!size_parse(opt_value(keys[i]), &v))
			return err(ST_USAGE, "--%s: '%s' is no number", keys[i], opt_value(keys[i]));
		snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
		st_queue_write(text, "/local/domain/0/backend/" BLOCK_KIND "/%u/%u/%s", domid, id, keys[i]);
	}
	return device_written(domid, id);
}

static void row(struct json *j, uint32_t domid, const char *id)
{
	static const char *const front_keys[] = { "backend-id", "state", "event-channel", "backend" };
	static const char *const back_keys[] = { "dev", "type", "mode", "params", "sectors", "iops", "bps" };
	char *f[4], *b[7] = { NULL };
	struct disk_counters c;

	for (unsigned int i = 0; i < 4; i++)
		f[i] = st_read("/local/domain/%u/device/vbd/%s/%s", domid, id, front_keys[i]);
	for (unsigned int i = 0; i < 7 && f[3]; i++)
		b[i] = st_read("%s/%s", f[3], back_keys[i]);
	if (want_json) {
		json_open(j, NULL, '{');
		json_text(j, "device", id);
		json_text(j, "backend_id", f[0]);
		json_text(j, "state", f[1]);
		json_text(j, "event_channel", f[2]);
		json_text(j, "backend_path", f[3]);
		for (unsigned int i = 0; i < 7; i++)
			json_text(j, back_keys[i], b[i]);
		if (device_counters(&disk_class, domid, id, &c, sizeof(c))) {
			json_number(j, "reads", c.reads);
			json_number(j, "writes", c.writes);
			json_number(j, "flushes", c.flushes);
			json_number(j, "discards", c.discards);
			json_number(j, "errors", c.errors);
			json_number(j, "read_bytes", c.read_bytes);
			json_number(j, "write_bytes", c.write_bytes);
			json_number(j, "events_heard", c.heard);
			json_number(j, "events_sent", c.notified);
		}
		json_close(j, '}');
	} else {
		printf("%-8s %-6s %7s %5s %7s  %-8s %s\n", id, b[0] ? b[0] : "?", f[0] ? f[0] : "?", f[1] ? f[1] : "?",
		       f[2] ? f[2] : "?", b[1] ? b[1] : "?", f[3] ? f[3] : "?");
	}
	for (unsigned int i = 0; i < 4; i++)
		free(f[i]);
	for (unsigned int i = 0; i < 7; i++)
		free(b[i]);
}

int cmd_block_list(int argc, char **argv)
{
	return device_list(&disk_class, argv[0], "DEVICE   NAME   BACKEND STATE CHANNEL  TYPE     PATH", row);
}
