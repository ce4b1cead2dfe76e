/* SPDX-License-Identifier: MIT */
/*
 * parapet list, domid, domname, uptime
 *
 * Job:    print which domains there are.
 * Enter:  the table of commands.
 * State:  none.
 * Tests:  tests/tools-tests
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "cmd.h"

static const char *const reasons[] = { "poweroff", "reboot", "suspend", "crash", "watchdog", "soft-reset" };

const char *reason_name(int reason)
{
	return reason < 0 ? NULL : reason < 6 ? reasons[reason] : "unknown";
}

/* The domains that were named, or all. */
dom_info *select_domains(int argc, char **argv, unsigned int *n)
{
	dom_info *list;

	if (!argc)
		return dom_list(n);
	list = calloc((size_t)argc, sizeof(*list));
	for (int i = 0; i < argc; i++)
		if (!list || dom_find(argv[i], &list[i])) {
			free(list);
			return NULL;
		}
	*n = (unsigned int)argc;
	return list;
}

static uint64_t config_number(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *p = text; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		if (!strncmp(p, key, len) && p[len] == '=')
			return strtoul(p + len + 1, NULL, 10);
	return 0;
}

static char *config_word(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *p = text; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		if (!strncmp(p, key, len) && p[len] == '=' && p[len + 1] == '"')
			return strndup(p + len + 2, strcspn(p + len + 2, "\"\n"));
	return NULL;
}

static void actions(struct json *j, const char *config)
{
	static const char *const keys[] = { "kernel", "on_poweroff", "on_reboot", "on_crash" };

	for (unsigned int k = 0; k < 4; k++) {
		char *v = config_word(config, keys[k]);

		if (want_json)
			json_text(j, keys[k], v);
		else
			printf("  %s=%s", keys[k], v ? v : "?");
		free(v);
	}
}

static void print_long(struct json *j, const dom_info *i, const char *uuid)
{
	char *config = st_read("/vm/%s/parapet", uuid);

	if (want_json) {
		json_number(j, "max_memory_kib", i->max_pages * 4);
		json_number(j, "max_vcpus", dom_max_vcpus(i));
		json_number(j, "configured_memory_mib", config_number(config, "memory"));
	} else {
		printf("  uuid=%s  maxmem=%lu  maxvcpus=%u", uuid, i->max_pages / 256, dom_max_vcpus(i));
	}
	actions(j, config);
	if (!want_json)
		putchar('\n');
	free(config);
}

static void print_one(struct json *j, const dom_info *i)
{
	char *name = dom_name(i->domain), state[7], uuid[37];

	dom_state(i, state);
	uuid_text(uuid, i->handle);
	if (want_json) {
		json_open(j, NULL, '{');
		json_number(j, "domid", i->domain);
		json_text(j, "name", name);
		json_text(j, "uuid", uuid);
		json_number(j, "memory_kib", i->tot_pages * 4);
		json_number(j, "vcpus", i->nr_online_vcpus);
		json_text(j, "state", state);
		json_text(j, "shutdown_reason", reason_name(dom_shutdown_reason(i)));
		json_number(j, "cpu_time_ns", i->cpu_time);
	} else {
		printf("%-24s %5u %6lu %5u  %s %10.1f\n", name, i->domain, (i->tot_pages + 255) / 256,
		       i->nr_online_vcpus, state, (double)i->cpu_time / 1e9);
	}
	if (opt_flag("long"))
		print_long(j, i, uuid);
	if (want_json)
		json_close(j, '}');
	free(name);
}

/* One line or JSON object for each domain that the arguments name, or for all. */
static int each_domain(int argc, char **argv, const char *title,
		       void (*one)(struct json *j, const dom_info *i))
{
	struct json j = { .out = stdout };
	unsigned int n;
	dom_info *list;

	if (host_open())
		return -1;
	list = select_domains(argc, argv, &n);
	if (!list)
		return -1;
	if (want_json)
		json_open(&j, NULL, '[');
	else
		puts(title);
	for (unsigned int i = 0; i < n; i++)
		one(&j, &list[i]);
	if (want_json)
		json_close(&j, ']');
	free(list);
	return 0;
}

int cmd_list(int argc, char **argv)
{
	return each_domain(argc, argv, "NAME                        ID    MiB VCPUS  STATE     TIME(s)",
			   print_one);
}

static int print_id(const char *arg, bool id)
{
	struct json j = { .out = stdout };
	dom_info i;
	char *name;

	if (host_open() || dom_find(arg, &i))
		return -1;
	name = dom_name(i.domain);
	if (want_json) {
		json_open(&j, NULL, '{');
		json_number(&j, "domid", i.domain);
		json_text(&j, "name", name);
		json_close(&j, '}');
	} else if (id) {
		printf("%u\n", i.domain);
	} else {
		puts(name);
	}
	free(name);
	return 0;
}

int cmd_domid(int argc, char **argv)
{
	return print_id(argv[0], true);
}

int cmd_domname(int argc, char **argv)
{
	return print_id(argv[0], false);
}

/* Seconds since the domain was made, by its entry in the store; for dom0 by its own clock. */
static long age(const dom_info *i)
{
	char uuid[37], *text;
	long start, since = -1;
	double up;
	FILE *f;

	uuid_text(uuid, i->handle);
	if (!i->domain) {
		f = fopen("/proc/uptime", "r");
		if (f && fscanf(f, "%lf", &up) == 1)
			since = (long)up;
		if (f)
			fclose(f);
		return since;
	}
	text = st_read("/vm/%s/start_time", uuid);
	start = text ? atol(text) : 0;
	free(text);
	return start ? (long)time(NULL) - start : -1;
}

static void print_uptime(struct json *j, const dom_info *i)
{
	char *name = dom_name(i->domain);
	long s = age(i);

	if (want_json) {
		json_open(j, NULL, '{');
		json_number(j, "domid", i->domain);
		json_text(j, "name", name);
		if (s >= 0)
			json_number(j, "uptime_s", (uint64_t)s);
		else
			json_text(j, "uptime_s", NULL);
		json_close(j, '}');
	} else if (s >= 0) {
		printf("%-24s %5u  %ld days %02ld:%02ld:%02ld\n", name, i->domain, s / 86400,
		       s / 3600 % 24, s / 60 % 60, s % 60);
	} else {
		printf("%-24s %5u  unknown\n", name, i->domain);
	}
	free(name);
}

int cmd_uptime(int argc, char **argv)
{
	return each_domain(argc, argv, "NAME                        ID  UPTIME", print_uptime);
}
