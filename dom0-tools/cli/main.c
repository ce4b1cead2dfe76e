/* SPDX-License-Identifier: MIT */
/*
 * parapet: the administrator's tool.
 *
 * Job:    find the command, read its options, run it, print its error, give its exit status.
 * Enter:  main().
 * State:  the options of the command that runs.
 * Tests:  tests/tools-tests
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cmd.h"

bool want_json;
static const struct command *running;
static const char *values[MAX_OPTIONS];	/* of running->options; "" for a flag */

bool opt_flag(const char *name)
{
	return opt_value(name) != NULL;
}

const char *opt_value(const char *name)
{
	for (unsigned int i = 0; i < MAX_OPTIONS && running->options[i].name; i++)
		if (!strcmp(running->options[i].name, name))
			return values[i];
	return NULL;
}

int parse_number(const char *text, const char *what, unsigned long min, unsigned long max,
		 unsigned long *out)
{
	char *end;

	errno = 0;
	*out = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || *out < min || *out > max)
		return err(ST_USAGE, "%s: '%s' is not a number from %lu to %lu", what, text, min, max);
	return 0;
}

int opt_timeout(const char *name, int *ms)
{
	const char *v = opt_value(name);
	unsigned long s;

	*ms = -1;
	if (v && parse_number(v, name, 0, 1000000, &s))
		return -1;
	if (v)
		*ms = (int)s * 1000;
	return 0;
}

static const struct command *find(const char *name)
{
	for (unsigned int i = 0; i < nr_commands; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static int unknown(const char *opt)
{
	return err(ST_USAGE, "unknown option '%s': see parapet %s --help", opt, running->name);
}

static int take(unsigned int i, char **argv, int argc, int *at, const char *inline_value)
{
	const struct option_def *o = &running->options[i];

	if (o->kind == OPT_FLAG && inline_value)
		return err(ST_USAGE, "option --%s takes no value", o->name);
	if (o->kind == OPT_VALUE && !inline_value) {
		if (*at + 1 >= argc)
			return err(ST_USAGE, "option --%s: %s is missing", o->name, o->value);
		inline_value = argv[++*at];
	}
	values[i] = inline_value ? inline_value : "";
	return 0;
}

/* Moves the arguments to the front of argv; returns their number. */
static int options(int argc, char **argv)
{
	int n = 0;
	bool all = false;

	for (int at = 0; at < argc; at++) {
		const char *a = argv[at], *eq;
		unsigned int i;
		size_t len;

		if (all || a[0] != '-' || !a[1]) {
			argv[n++] = argv[at];
			continue;
		}
		if (!strcmp(a, "--")) {
			all = true;
			continue;
		}
		if (!strcmp(a, "--json")) {
			want_json = true;
			continue;
		}
		if (!strcmp(a, "--help") || !strcmp(a, "-h")) {
			help_command(running);
			exit(ST_OK);
		}
		eq = strchr(a, '=');
		len = eq ? (size_t)(eq - a) : strlen(a);
		for (i = 0; i < MAX_OPTIONS && running->options[i].name; i++) {
			const struct option_def *o = &running->options[i];

			if (a[1] == '-' ? strlen(o->name) == len - 2 && !memcmp(o->name, a + 2, len - 2) :
					  o->letter && a[1] == o->letter && !a[2])
				break;
		}
		if (i == MAX_OPTIONS || !running->options[i].name)
			return unknown(a);
		if (take(i, argv, argc, &at, a[1] == '-' && eq ? eq + 1 : NULL))
			return -1;
	}
	return n;
}

static int finish(const char *name)
{
	struct json j = { .out = stdout };

	if (fflush(stdout) || ferror(stdout))
		err(ST_FAILED, "writing the output: %s", strerror(errno));
	if (!err_text())
		return ST_OK;
	if (want_json && !ferror(stdout)) {
		json_open(&j, NULL, '{');
		json_text(&j, "error", err_text());
		json_number(&j, "status", err_status());
		json_close(&j, '}');
		fflush(stdout);
	}
	fprintf(stderr, "parapet%s%s: %s\n", name ? " " : "", name ? name : "", err_text());
	return (int)err_status();
}

int main(int argc, char **argv)
{
	int n;

	if (argc < 2) {
		help_all();
		return ST_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		help_all();
		return ST_OK;
	}
	if (!strcmp(argv[1], "--json") && argc > 2) {
		want_json = true;
		argv++;
		argc--;
	}
	running = find(argv[1]);
	if (!running) {
		err(ST_USAGE, "unknown command '%s': see parapet --help", argv[1]);
		return finish(NULL);
	}
	n = options(argc - 2, argv + 2);
	if (n >= 0 && (unsigned int)n < running->min)
		err(ST_USAGE, "an argument is missing: parapet %s %s", running->name, running->args);
	else if (n >= 0 && (unsigned int)n > running->max)
		err(ST_USAGE, "too many arguments: parapet %s %s", running->name, running->args);
	else if (n >= 0 && running->run(n, argv + 2) && !err_text())
		err(ST_FAILED, "failed");
	return finish(running->name);
}
