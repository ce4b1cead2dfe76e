/* SPDX-License-Identifier: MIT */
/*
 * parapet shutdown, reboot, destroy, pause, unpause, rename, sysrq, wait
 *
 * Job:    change whether a domain runs.
 * Enter:  the table of commands.
 * State:  none.
 * Tests:  tests/tools-tests
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "cmd.h"

/* {"domid": N} for commands that only do something. */
static int done(uint32_t domid)
{
	struct json j = { .out = stdout };

	if (want_json) {
		json_open(&j, NULL, '{');
		json_number(&j, "domid", domid);
		json_close(&j, '}');
	}
	return 0;
}

static int guest(const char *arg, dom_info *i)
{
	if (host_open() || dom_find(arg, i))
		return -1;
	if (!i->domain)
		return err(ST_USAGE, "not with dom0");
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000L + t.tv_nsec / 1000000;
}

/* Until the domain is shut down or gone. *reason: SHUTDOWN_*, or -1 when gone. */
static int wait_end(uint32_t domid, int ms, int *reason)
{
	int64_t end = now_ms() + ms;
	dom_info i;

	if (!st_watch("@releaseDomain"))
		return err(ST_NO_HOST, "the store refused a watch");
	for (;;) {
		int64_t left = end - now_ms();

		*reason = -1;
		if (!dom_info_of(domid, &i) || i.flags & XEN_DOMINF_dying)
			return 0;
		*reason = dom_shutdown_reason(&i);
		if (*reason >= 0)
			return 0;
		if (ms >= 0 && left <= 0)
			return err(ST_TIMEOUT, "domain %u still runs after %d s", domid, ms / 1000);
		/* Who ends a domain without the store is seen within two seconds. */
		st_wait(ms >= 0 && left < 2000 ? (int)left : 2000);
	}
}

static int ask(const char *arg, const char *what, bool wait)
{
	int ms, reason;
	dom_info i;

	if (guest(arg, &i) || (wait && opt_timeout("timeout", &ms)))
		return -1;
	if (dom_shutdown_reason(&i) >= 0)
		return err(ST_FAILED, "domain %u has ended already (%s)", i.domain,
			   reason_name(dom_shutdown_reason(&i)));
	if (i.flags & XEN_DOMINF_paused)
		warn("domain %u is paused: it will see this when it is unpaused", i.domain);
	if (!st_write(XBT_NULL, what, "/local/domain/%u/control/shutdown", i.domain))
		return err(ST_FAILED, "the store refused the request to domain %u", i.domain);
	if (wait && opt_flag("wait") && wait_end(i.domain, ms, &reason))
		return -1;
	return done(i.domain);
}

int cmd_shutdown(int argc, char **argv)
{
	return ask(argv[0], "poweroff", true);
}

int cmd_reboot(int argc, char **argv)
{
	return ask(argv[0], "reboot", false);
}

int cmd_destroy(int argc, char **argv)
{
	struct json j = { .out = stdout };
	dom_info i;

	if (want_json)
		json_open(&j, NULL, '[');
	for (int k = 0; k < argc; k++) {
		if (guest(argv[k], &i) || dom_destroy(i.domain, true))
			return -1;
		if (want_json)
			json_number(&j, NULL, i.domain);
	}
	if (want_json)
		json_close(&j, ']');
	return 0;
}

int cmd_pause(int argc, char **argv)
{
	dom_info i;

	if (guest(argv[0], &i) || dom_simple(i.domain, XEN_DOMCTL_pausedomain, "pausing"))
		return -1;
	return done(i.domain);
}

int cmd_unpause(int argc, char **argv)
{
	dom_info i;

	if (guest(argv[0], &i))
		return -1;
	if (!(i.flags & XEN_DOMINF_paused))
		return err(ST_FAILED, "domain %u is not paused", i.domain);
	if (dom_simple(i.domain, XEN_DOMCTL_unpausedomain, "unpausing"))
		return -1;
	return done(i.domain);
}

int cmd_rename(int argc, char **argv)
{
	dom_info i;

	if (guest(argv[0], &i))
		return -1;
	if (!domain_name_good(argv[1]))
		return err(ST_USAGE, "'%s': " DOMAIN_NAMES " are wanted", argv[1]);
	if (dom_name_free(argv[1]) || dom_rename(i.domain, argv[1]))
		return -1;
	return done(i.domain);
}

int cmd_sysrq(int argc, char **argv)
{
	dom_info i;

	if (guest(argv[0], &i))
		return -1;
	if (strlen(argv[1]) != 1)
		return err(ST_USAGE, "'%s': one letter is wanted", argv[1]);
	if (!st_write(XBT_NULL, argv[1], "/local/domain/%u/control/sysrq", i.domain))
		return err(ST_FAILED, "the store refused the request to domain %u", i.domain);
	return done(i.domain);
}

int cmd_wait(int argc, char **argv)
{
	struct json j = { .out = stdout };
	dom_info i;
	int ms, reason;

	if (guest(argv[0], &i) || opt_timeout("timeout", &ms) || wait_end(i.domain, ms, &reason))
		return -1;
	if (want_json) {
		json_open(&j, NULL, '{');
		json_number(&j, "domid", i.domain);
		json_text(&j, "reason", reason < 0 ? "destroyed" : reason_name(reason));
		json_close(&j, '}');
	} else {
		puts(reason < 0 ? "destroyed" : reason_name(reason));
	}
	return 0;
}
