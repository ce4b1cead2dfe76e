/* SPDX-License-Identifier: MIT */
/*
 * What block-* and network-* have in common.
 *
 * Job:    states, waiting, removal and lists of devices, by their folders in the store.
 * Enter:  cli/block.c, cli/network.c.
 * State:  none.
 * Holds:  1. A device that the frontend or the backend refused leaves no entries behind.
 * Tests:  tests/tools-tests/dom0/{block,net}
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../lib/disk.h"
#include "../lib/paths.h"
#include "device.h"

#define WAIT_MS 10000
#define BACK "/local/domain/0/backend/%s/%u/%u"

enum { UNKNOWN, INIT_WAIT = 2, CONNECTED = 4, CLOSING, CLOSED };

int device_state(const struct device_class *c, uint32_t domid, uint32_t id)
{
	char *s = st_read(BACK "/state", c->kind, domid, id);
	int v = s ? atoi(s) : UNKNOWN;

	free(s);
	return v;
}

static void forget(const struct device_class *c, uint32_t domid, uint32_t id)
{
	st_rm("/local/domain/%u/device/%s/%u", domid, c->front, id);
	st_rm(BACK, c->kind, domid, id);
	if (c->forgotten)
		c->forgotten(domid, (int)id);
}

/* Until the backend is in one of two states. */
static int wait_for(const struct device_class *c, uint32_t domid, uint32_t id, int a, int b)
{
	int s = device_state(c, domid, id);

	for (int ms = 0; s != a && s != b && ms < WAIT_MS; ms += 10) {
		usleep(10000);
		s = device_state(c, domid, id);
	}
	return s;
}

int device_announce(void)
{
	if (st_flush() && devices_nudge())
		return 0;
	return err(ST_FAILED, "the store refused an entry: %s", strerror(errno));
}

int device_done(uint32_t domid, uint32_t id)
{
	struct json j = { .out = stdout };

	if (want_json) {
		json_open(&j, NULL, '{');
		json_number(&j, "domid", domid);
		json_number(&j, "device", id);
		json_close(&j, '}');
	}
	return 0;
}

int device_written(uint32_t domid, uint32_t id)
{
	return st_flush() ? device_done(domid, id) : err(ST_FAILED, "the store refused an entry: %s", strerror(errno));
}

int device_connect(const struct device_class *c, uint32_t domid, uint32_t id)
{
	int s = wait_for(c, domid, id, CONNECTED, CLOSED);
	char *error;

	if (s == CONNECTED)
		return device_done(domid, id);
	error = st_read(BACK "/error", c->kind, domid, id);
	if (s == CLOSED || s == CLOSING || error)
		err(ST_FAILED, "%s", error ? error : c->was_closed);
	else
		err(ST_TIMEOUT, "the %s did not answer within 10 s", s == INIT_WAIT ? "guest" : "backend");
	free(error);
	forget(c, domid, id);
	return -1;
}

int device_detach(const struct device_class *c, uint32_t domid, uint32_t id)
{
	st_queue_write("0", BACK "/online", c->kind, domid, id);
	st_queue_write("5", BACK "/state", c->kind, domid, id);
	if (!st_flush())
		return err(ST_FAILED, "the store refused an entry: %s", strerror(errno));
	if (wait_for(c, domid, id, CLOSED, UNKNOWN) == CLOSING && !opt_flag("force")) {
		st_write(XBT_NULL, "1", BACK "/online", c->kind, domid, id);
		return err(ST_TIMEOUT, "the guest did not let go of it within 10 s%s: see --force", c->held);
	}
	forget(c, domid, id);
	return device_done(domid, id);
}

bool device_counters(const struct device_class *c, uint32_t domid, const char *id, void *to, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), RUN_DIR "/%s-%u-%s.%s", c->kind, domid, id, c->counters);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, to, size);
	if (fd >= 0)
		close(fd);
	return n == (ssize_t)size;
}

int device_list(const struct device_class *c, const char *domain, const char *title,
		void (*row)(struct json *j, uint32_t domid, const char *id))
{
	struct json j = { .out = stdout };
	unsigned int n;
	char **ids;
	dom_info i;

	if (host_open() || dom_find(domain, &i))
		return -1;
	ids = st_list(&n, "/local/domain/%u/device/%s", i.domain, c->front);
	if (want_json)
		json_open(&j, NULL, '[');
	else
		puts(title);
	for (unsigned int k = 0; k < n; k++)
		row(&j, i.domain, ids[k]);
	if (want_json)
		json_close(&j, ']');
	free(ids);
	return 0;
}
