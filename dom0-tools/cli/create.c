/* SPDX-License-Identifier: MIT */
/*
 * parapet create
 *
 * Job:    configuration from a file and arguments; the rest does lib/create.c.
 * Enter:  the table of commands.
 * State:  none.
 * Tests:  tests/tools-tests
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cmd.h"

static int read_config(struct config *c, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		const char *eq = strchr(argv[i], '='), *slash = strchr(argv[i], '/');
		bool pair = eq && (!slash || slash > eq);

		if (!i && !pair ? config_file(c, argv[i]) : config_argument(c, argv[i]))
			return -1;
	}
	return 0;
}

static int report(const struct domain_config *d, uint32_t domid)
{
	struct json j = { .out = stdout };
	char uuid[37];

	uuid_text(uuid, d->uuid);
	if (want_json) {
		json_open(&j, NULL, '{');
		json_number(&j, "domid", domid);
		json_text(&j, "name", d->name);
		json_text(&j, "uuid", uuid);
		json_close(&j, '}');
	} else if (!opt_flag("quiet")) {
		printf("%s: domain %u\n", d->name, domid);
	}
	fflush(stdout);
	return 0;
}

int cmd_create(int argc, char **argv)
{
	static struct config c;
	static struct domain_config d;
	uint32_t domid;
	char *text;
	int rc = -1;

	err_quiet(opt_flag("quiet"));
	if (opt_flag("verbose"))
		step_show();
	if (read_config(&c, argc, argv) || domain_config(&d, &c))
		goto out;
	if (opt_flag("dry-run")) {
		text = domain_config_text(&d);
		fputs(text ? text : "", stdout);
		free(text);
		rc = 0;
		goto out;
	}
	rc = dom_create(&d, opt_flag("paused") || opt_flag("console"), &domid);
	if (rc)
		goto out;
	report(&d, domid);
	if (opt_flag("console")) {
		/* started when somebody listens */
		if (!opt_flag("paused"))
			rc = dom_simple(domid, XEN_DOMCTL_unpausedomain, "starting");
		if (!rc)
			rc = console_attach(domid);
	}
out:
	config_free(&c);
	domain_config_free(&d);
	return rc;
}
