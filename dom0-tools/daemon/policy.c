/* SPDX-License-Identifier: MIT */
/*
 * What happens when a domain ends, and which are started by themselves.
 *
 * Job:    on_poweroff, on_reboot, on_crash of the configuration that `create` left in the store;
 *         removal of store entries that nobody owns any more; /etc/parapet/auto.
 * Enter:  daemon/main.c.
 * State:  in the store: /parapet/restart/NAME (by st_key()) is the configuration of a domain that
 *         is to be made again. It is written before the old one goes and removed after the new one came, so that
 *         a daemon that is killed in between is followed by one that goes on.
 *         A configuration's quick_ends counts how often in a row it ended within SHORTEST of its start: after
 *         MOST_QUICK of these it is not made again, so that a guest that cannot boot does not take the machine's time.
 * Tests:  tests/tools-tests (on a machine)
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <pv-abi/sched.h>
#include "daemon.h"
#include "../lib/core.h"
#include "../lib/err.h"
#include "../lib/store.h"

#define SHORTEST	2	/* seconds */
#define MOST_QUICK	5

static enum action action_of(const struct domain_config *d, int reason)
{
	switch (reason) {
	case SHUTDOWN_poweroff:
		return d->on_poweroff;
	case SHUTDOWN_reboot:
		return d->on_reboot;
	case SHUTDOWN_crash:
	case SHUTDOWN_watchdog:
		return d->on_crash;
	default:
		return ACT_PRESERVE;	/* suspended: somebody saves it */
	}
}

/* A process of our own program, so that consoles are served meanwhile. */
static void spawn(const char *option, const char *arg)
{
	pid_t pid = fork();

	if (!pid) {
		execl("/proc/self/exe", "parapetd", option, arg, NULL);
		_exit(127);
	}
	if (pid < 0)
		say("no new process: %s", strerror(errno));
}

static void dump(const dom_info *i, const char *name)
{
	char path[400];

	mkdir("/var/lib/parapet", 0700);
	mkdir(DUMP_DIR, 0700);
	snprintf(path, sizeof(path), DUMP_DIR "/%s-%ld.core", name, (long)time(NULL));
	if (core_dump(i->domain, path))
		say_error("core dump");
	else
		say("%s: core dumped to %s", name, path);
}

static void restart(const dom_info *i, struct domain_config *d, const char *config, const char *name, bool rename)
{
	char *since = st_read("%s/start_time", config), *text, other[160];
	long age = since ? (long)time(NULL) - atol(since) : SHORTEST;

	free(since);
	free(d->name);			/* it may have been renamed */
	d->name = strdup(name);
	d->quick_ends = age < SHORTEST ? d->quick_ends + 1 : 0;
	if (d->quick_ends > MOST_QUICK) {
		say("%s ended %u times in a row within %u s of its start: not started again", name,
		    d->quick_ends, SHORTEST);
		console_remove(i->domain);
		dom_destroy(i->domain, false);
		return;
	}
	text = domain_config_text(d);
	if (!text || !st_write(XBT_NULL, text, "/parapet/restart/%s", st_key(name))) {
		say("%s: the store refused to note its restart", name);
	} else if (rename) {
		snprintf(other, sizeof(other), "%.120s-%u", name, i->domain);
		dom_set_aside(i->domain, other);
		spawn("--restart", st_key(name));
	} else {
		console_remove(i->domain);
		dom_destroy(i->domain, false);
		spawn("--restart", st_key(name));
	}
	free(text);
}

static void act(const dom_info *i, enum action a, struct domain_config *d, const char *vm, const char *name)
{
	if (a == ACT_COREDUMP_DESTROY || a == ACT_COREDUMP_RESTART) {
		dump(i, name);
		a = a == ACT_COREDUMP_DESTROY ? ACT_DESTROY : ACT_RESTART;
	}
	switch (a) {
	case ACT_DESTROY:
		console_remove(i->domain);
		dom_destroy(i->domain, false);
		break;
	case ACT_RESTART:
	case ACT_RENAME_RESTART:
		restart(i, d, vm, name, a == ACT_RENAME_RESTART);
		break;
	default:
		break;
	}
	if (err_text())
		say_error(name);
}

void policy(const dom_info *i)
{
	static uint32_t kept[64];	/* said already; a ring */
	static unsigned int next;
	struct domain_config d;
	struct config c = { 0 };
	int reason = dom_shutdown_reason(i);
	char *vm, *text, *name;
	enum action a;

	for (unsigned int k = 0; k < 64; k++)
		if (kept[k] == i->domain)
			return;
	vm = st_read("/local/domain/%u/vm", i->domain);
	text = vm ? st_read("%s/parapet", vm) : NULL;
	name = dom_name(i->domain);
	if (!text)
		goto out;		/* not ours */
	if (config_text(&c, "store", text, strlen(text)) || domain_config(&d, &c)) {
		/* A kernel that was removed must not keep a dead domain. */
		say_error(name);
		domain_config_free(&d);
		a = reason == SHUTDOWN_suspend ? ACT_PRESERVE : ACT_DESTROY;
	} else {
		a = action_of(&d, reason);
	}
	say("%s (domain %u) has ended, reason %d: %s", name, i->domain, reason, action_names[a]);
	if (a == ACT_PRESERVE)
		kept[next++ % 64] = i->domain;
	act(i, a, &d, vm, name);
	domain_config_free(&d);
out:
	config_free(&c);
	free(name);
	free(text);
	free(vm);
}

void policy_resume(void)
{
	unsigned int n;
	char **names = st_list(&n, "/parapet/restart");

	for (unsigned int i = 0; i < n; i++)
		spawn("--restart", names[i]);
	free(names);
}

int run_restart(const char *key)
{
	char *text = st_read("/parapet/restart/%s", key);
	struct domain_config d;
	struct config c = { 0 };
	uint32_t domid;
	dom_info info;

	if (!text)
		return 0;
	if (config_text(&c, "store", text, strlen(text)) || domain_config(&d, &c)) {
		st_rm("/parapet/restart/%s", key);
		return -1;
	}
	if (!dom_find(d.name, &info)) {
		/* Made by whoever was killed before it could say so; or still the old one. */
		if (dom_shutdown_reason(&info) >= 0) {
			dom_destroy(info.domain, true);
		} else {
			st_rm("/parapet/restart/%s", key);
			return 0;
		}
	}
	err_clear();
	/* The old one may not be quite gone yet, with its UUID and its memory. */
	for (int i = 0; dom_create(&d, false, &domid); i++) {
		if (i == 100 || err_status() == ST_CONFIG) {
			st_rm("/parapet/restart/%s", key);
			return -1;
		}
		err_clear();
		usleep(100000);
	}
	st_rm("/parapet/restart/%s", key);
	say("%s: started again as domain %u", d.name, domid);
	return 0;
}

static int is_config(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return d->d_name[0] != '.' && d->d_name[n - 1] != '~';
}

int run_auto(void)
{
	struct dirent **names;
	int n = scandir(AUTO_DIR, &names, is_config, alphasort);

	for (int i = 0; i < n; i++) {
		char path[400];
		struct config c = { 0 };
		struct domain_config d;
		uint32_t domid;

		snprintf(path, sizeof(path), AUTO_DIR "/%s", names[i]->d_name);
		if (config_file(&c, path) || domain_config(&d, &c) || dom_create(&d, false, &domid))
			say_error(path);
		else
			say("%s: started as domain %u", path, domid);
		config_free(&c);
	}
	return 0;
}

/*
 * What is in the store of domains that are no more. Ours have an entry of ours that goes last. A directory can be left
 * alone too: when an entry was written (by us: its pty) at the moment in which the domain's end was dealt with. Then it
 * goes alone: its name and its UUID may be a living domain's by now.
 */
void policy_forget(const struct dom_set *present)
{
	static const char *const lists[] = { "/parapet/domain", "/local/domain" };

	for (unsigned int l = 0; l < 2; l++) {
		unsigned int n;
		dom_info info;
		char **ids = st_list(&n, "%s", lists[l]);

		for (unsigned int i = 0; i < n; i++) {
			uint32_t domid = (uint32_t)atoi(ids[i]);

			/* made since the list was: ask again */
			if (!domid || dom_in(present, domid) || dom_info_of(domid, &info))
				continue;
			if (l == 0)
				dom_forget(domid);
			else
				st_rm("/local/domain/%u", domid);
		}
		free(ids);
	}
}
