/* SPDX-License-Identifier: MIT */
/*
 * parapet network-attach, network-detach, network-list, network-limit
 *
 * Job:    network devices of a running domain: what the tools write into the store, the backend does.
 * Enter:  the table of commands.
 * State:  none.
 * Tests:  tests/tools-tests/dom0/net
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../lib/vif.h"
#include "device.h"

#define BACK "/local/domain/0/backend/" VIF_KIND "/%u/%u"

const struct device_class vif_class = {
	.kind = VIF_KIND, .front = "vif", .counters = "state", .was_closed = "the device was closed",
	.held = "", .forgotten = vif_forget,
};

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
	dom_info i;

	wrong = vif_parse(&v, argc > 1 ? argv[1] : "");
	if (wrong)
		return err(ST_USAGE, "%s", wrong);
	if (host_open() || dom_find(argv[0], &i) || choose(&v, i.domain) ||
	    vif_check(&v, i.handle, (unsigned int)v.devid))
		return -1;
	vif_entries(i.domain, &v);
	if (device_announce())
		return -1;
	return v.kernel ? device_done(i.domain, (uint32_t)v.devid) : device_connect(&vif_class, i.domain, (uint32_t)v.devid);
}

int cmd_network_detach(int argc, char **argv)
{
	uint32_t domid, id;

	return find_device(argv[0], argv[1], &domid, &id) ? -1 : device_detach(&vif_class, domid, id);
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
	return device_written(domid, id);
}

/* --- the list --- */

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
	bool counted = device_counters(&vif_class, domid, id, &c, sizeof(c));

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
	return device_list(&vif_class, argv[0],
			   "DEVICE STATE MAC               BRIDGE          TAP          BYTES TO IT    FROM IT", row);
}
