/* SPDX-License-Identifier: MIT */
/*
 * parapet network-attach, network-detach, network-list, network-limit
 *
 * Job:    network devices of a running domain: what the tools write into the store, the backend does.
 * Enter:  the table of commands.
 * State:  none.
 * Holds:  1. A device that the frontend or the backend refused leaves no entries behind.
 * Tests:  tests/tools-tests/dom0/net
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cmd.h"
#include "../lib/vif.h"

#define WAIT_MS 10000
#define BACK "/local/domain/0/backend/" VIF_KIND "/%u/%u"

enum { UNKNOWN, INIT_WAIT = 2, CONNECTED = 4, CLOSING, CLOSED };

static int state(uint32_t domid, uint32_t id)
{
	char *s = st_read(BACK "/state", domid, id);
	int v = s ? atoi(s) : UNKNOWN;

	free(s);
	return v;
}

/* By number, or by MAC. The device of our backend that a command names; -1 after err(). */
static int find_device(const char *arg, const char *dev, uint32_t *domid, uint32_t *id)
{
	dom_info i;

	if (host_open() || dom_find(arg, &i))
		return -1;
	*domid = i.domain;
	for (*id = 0; *id < MAX_VIFS; (*id)++) {
		char *mac = st_read(BACK "/mac", *domid, *id), number[12];
		bool is_it;

		snprintf(number, sizeof(number), "%u", *id);
		is_it = mac && (!strcmp(dev, number) || !strcasecmp(dev, mac));
		free(mac);
		if (is_it)
			return 0;
	}
	return err(ST_FAILED, "domain %u has no network device %s of ours", *domid, dev);
}

static void forget(uint32_t domid, uint32_t id)
{
	st_rm("/local/domain/%u/device/vif/%u", domid, id);
	st_rm(BACK, domid, id);
	vif_forget(domid, (int)id);
}

/* Until the backend is in one of two states. */
static int wait_for(uint32_t domid, uint32_t id, int a, int b)
{
	int s = state(domid, id);

	for (int ms = 0; s != a && s != b && ms < WAIT_MS; ms += 10) {
		usleep(10000);
		s = state(domid, id);
	}
	return s;
}

/* A number that no device of the domain has. */
static int choose(struct vif_config *v, uint32_t domid)
{
	for (int id = v->devid < 0 ? 0 : v->devid; id < MAX_VIFS; id++) {
		char *there = st_read("/local/domain/%u/device/vif/%d/state", domid, id);
		bool is_free = !there;

		free(there);
		if (is_free) {
			v->devid = id;
			return 0;
		}
		if (v->devid >= 0)
			return err(ST_FAILED, "domain %u has a network device %d already", domid, v->devid);
	}
	return err(ST_FAILED, "domain %u has as many network devices as it can have", domid);
}

int cmd_network_attach(int argc, char **argv)
{
	const char *wrong;
	struct vif_config v;
	char *error;
	dom_info i;
	int s;

	wrong = vif_parse(&v, argc > 1 ? argv[1] : "");
	if (wrong)
		return err(ST_USAGE, "%s", wrong);
	if (host_open() || dom_find(argv[0], &i) || choose(&v, i.domain) ||
	    vif_check(&v, i.handle, (unsigned int)v.devid))
		return -1;
	vif_entries(i.domain, &v);
	if (!st_flush() || !devices_nudge())
		return err(ST_FAILED, "the store refused an entry: %s", strerror(errno));
	if (v.kernel)
		return 0;
	s = wait_for(i.domain, (uint32_t)v.devid, CONNECTED, CLOSED);
	if (s == CONNECTED)
		return 0;
	error = st_read(BACK "/error", i.domain, (uint32_t)v.devid);
	if (s == CLOSED || s == CLOSING || error)
		err(ST_FAILED, "%s", error ? error : "the device was closed");
	else
		err(ST_TIMEOUT, "the %s did not answer within 10 s", s == INIT_WAIT ? "guest" : "backend");
	free(error);
	forget(i.domain, (uint32_t)v.devid);
	return -1;
}

int cmd_network_detach(int argc, char **argv)
{
	uint32_t domid, id;

	if (find_device(argv[0], argv[1], &domid, &id))
		return -1;
	st_queue_write("0", BACK "/online", domid, id);
	st_queue_write("5", BACK "/state", domid, id);
	if (!st_flush())
		return err(ST_FAILED, "the store refused an entry: %s", strerror(errno));
	if (wait_for(domid, id, CLOSED, UNKNOWN) == CLOSING && !opt_flag("force")) {
		st_write(XBT_NULL, "1", BACK "/online", domid, id);
		return err(ST_TIMEOUT, "the guest did not let go of it within 10 s: see --force");
	}
	forget(domid, id);
	return 0;
}

int cmd_network_limit(int argc, char **argv)
{
	struct vif_config v;
	uint32_t domid, id;
	char text[48];

	if (!vif_rate(&v, argv[2]))
		return err(ST_USAGE, "'%s' is no rate such as 10MB/s, 100Mb/s@20ms, or 0", argv[2]);
	if (find_device(argv[0], argv[1], &domid, &id))
		return -1;
	snprintf(text, sizeof(text), "%lu,%lu", (unsigned long)v.rate_bytes, (unsigned long)v.rate_us);
	st_queue_write(text, BACK "/rate", domid, id);
	return st_flush() ? 0 : err(ST_FAILED, "the store refused an entry: %s", strerror(errno));
}

/* --- the list --- */

static bool read_counters(uint32_t domid, const char *id, struct vif_counters *c)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/run/parapet/" VIF_KIND "-%u-%s.state", domid, id);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, c, sizeof(*c));
	if (fd >= 0)
		close(fd);
	return n == sizeof(*c);
}

static void row_json(struct json *j, char *const *f, char *const *b, const char *id, const struct vif_counters *c)
{
	static const char *const front_names[] = { "backend_id", "state", "mac", "backend_path" };
	static const char *const back_names[] = { "bridge", "vifname", "ip", "vlan", "rate", "mtu" };

	json_open(j, NULL, '{');
	json_text(j, "device", id);
	for (unsigned int i = 0; i < 4; i++)
		json_text(j, front_names[i], f[i]);
	for (unsigned int i = 0; i < 6; i++)
		json_text(j, back_names[i], b[i]);
	if (c) {
		json_open(j, "counters", '{');
		json_number(j, "rx_packets", c->rx_packets);
		json_number(j, "rx_bytes", c->rx_bytes);
		json_number(j, "rx_dropped", c->rx_dropped);
		json_number(j, "tx_packets", c->tx_packets);
		json_number(j, "tx_bytes", c->tx_bytes);
		json_number(j, "tx_dropped", c->tx_dropped);
		json_number(j, "tx_refused", c->tx_refused);
		json_number(j, "notifications", c->notifications);
		json_number(j, "copy_hypercalls", c->copies);
		json_close(j, '}');
	}
	json_close(j, '}');
}

static void row(struct json *j, uint32_t domid, const char *id)
{
	static const char *const front_keys[] = { "backend-id", "state", "mac", "backend" };
	static const char *const back_keys[] = { "bridge", "vifname", "ip", "vlan", "rate", "mtu" };
	char *f[4], *b[6] = { NULL };
	struct vif_counters c;
	bool counted = read_counters(domid, id, &c);

	for (unsigned int i = 0; i < 4; i++)
		f[i] = st_read("/local/domain/%u/device/vif/%s/%s", domid, id, front_keys[i]);
	for (unsigned int i = 0; i < 6 && f[3]; i++)
		b[i] = st_read("%s/%s", f[3], back_keys[i]);
	if (want_json)
		row_json(j, f, b, id, counted ? &c : NULL);
	else
		printf("%-6s %5s %-17s %-15s %-10s %12llu %12llu\n", id, f[1] ? f[1] : "?", f[2] ? f[2] : "?",
		       b[0] && *b[0] ? b[0] : "-", b[1] ? b[1] : "-", counted ? (unsigned long long)c.rx_bytes : 0ULL,
		       counted ? (unsigned long long)c.tx_bytes : 0ULL);
	for (unsigned int i = 0; i < 4; i++)
		free(f[i]);
	for (unsigned int i = 0; i < 6; i++)
		free(b[i]);
}

int cmd_network_list(int argc, char **argv)
{
	struct json j = { .out = stdout };
	unsigned int n;
	char **ids;
	dom_info i;

	if (host_open() || dom_find(argv[0], &i))
		return -1;
	ids = st_list(&n, "/local/domain/%u/device/vif", i.domain);
	if (want_json)
		json_open(&j, NULL, '[');
	else
		puts("DEVICE STATE MAC               BRIDGE          TAP          BYTES TO IT    FROM IT");
	for (unsigned int k = 0; k < n; k++)
		row(&j, i.domain, ids[k]);
	if (want_json)
		json_close(&j, ']');
	free(ids);
	return 0;
}
