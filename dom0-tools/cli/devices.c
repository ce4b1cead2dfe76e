/* SPDX-License-Identifier: MIT */
/*
 * parapet network-list
 *
 * Job:    what devices a domain has, by the store.
 * Enter:  the table of commands.
 * State:  none.
 * Caveat: attaching and detaching come with the drivers.
 * Tests:  tests/tools-tests
 */
#include <stdio.h>
#include <stdlib.h>
#include "cmd.h"

static void row(struct json *j, uint32_t domid, const char *kind, const char *id)
{
	static const char *const keys[] = { "backend-id", "state", "event-channel", "backend" };
	char *v[4];

	for (unsigned int i = 0; i < 4; i++)
		v[i] = st_read("/local/domain/%u/device/%s/%s/%s", domid, kind, id, keys[i]);
	if (want_json) {
		json_open(j, NULL, '{');
		json_text(j, "device", id);
		json_text(j, "backend_id", v[0]);
		json_text(j, "state", v[1]);
		json_text(j, "event_channel", v[2]);
		json_text(j, "backend_path", v[3]);
		json_close(j, '}');
	} else {
		printf("%-8s %7s %5s %7s  %s\n", id, v[0] ? v[0] : "?", v[1] ? v[1] : "?", v[2] ? v[2] : "?",
		       v[3] ? v[3] : "?");
	}
	for (unsigned int i = 0; i < 4; i++)
		free(v[i]);
}

static int devices(const char *arg, const char *kind)
{
	struct json j = { .out = stdout };
	unsigned int n;
	char **ids;
	dom_info i;

	if (host_open() || dom_find(arg, &i))
		return -1;
	ids = st_list(&n, "/local/domain/%u/device/%s", i.domain, kind);
	if (want_json)
		json_open(&j, NULL, '[');
	else
		puts("DEVICE   BACKEND STATE CHANNEL  PATH");
	for (unsigned int k = 0; k < n; k++)
		row(&j, i.domain, kind, ids[k]);
	if (want_json)
		json_close(&j, ']');
	free(ids);
	return 0;
}

int cmd_network_list(int argc, char **argv)
{
	return devices(argv[0], "vif");
}
