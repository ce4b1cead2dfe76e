/* SPDX-License-Identifier: MIT */
/*
 * parapet mem-set, mem-max, dump-core
 *
 * Job:    a domain's memory: how much, and what is in it.
 * Enter:  the table of commands.
 * State:  none.
 * Tests:  tests/tools-tests
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cmd.h"
#include "../lib/core.h"

#define EXTRA_KB 1024			/* as at creation */
#define NEAR_PAGES 512			/* a balloon stops when it is that near */

static int done(uint32_t domid, const char *key, uint64_t value)
{
	struct json j = { .out = stdout };

	if (want_json) {
		json_open(&j, NULL, '{');
		json_number(&j, "domid", domid);
		json_number(&j, key, value);
		json_close(&j, '}');
	}
	return 0;
}

static uint64_t stored(uint32_t domid, const char *what, uint64_t otherwise)
{
	char *v = st_read("/local/domain/%u/memory/%s", domid, what);
	uint64_t kb = v ? strtoul(v, NULL, 10) : otherwise;

	free(v);
	return kb;
}

static int max_mem(uint32_t domid, uint64_t kb)
{
	struct xen_domctl op = { 0 };

	op.u.max_mem.max_memkb = kb + EXTRA_KB;
	if (hv_domctl(domid, XEN_DOMCTL_max_mem, &op))
		return err(ST_FAILED, "setting the memory limit of domain %u was refused: %s", domid,
			   strerror(errno));
	return 0;
}

static int wait_balloon(uint32_t domid, uint64_t pages, int ms)
{
	dom_info i;

	for (int waited = 0;; waited += 100) {
		if (!dom_info_of(domid, &i))
			return err(ST_NO_DOMAIN, "domain %u is gone", domid);
		if (i.tot_pages + NEAR_PAGES > pages && i.tot_pages < pages + NEAR_PAGES)
			return 0;
		if (ms >= 0 && waited >= ms)
			return err(ST_TIMEOUT, "domain %u uses %lu MiB still", domid, i.tot_pages / 256);
		usleep(100000);
	}
}

int cmd_mem_set(int argc, char **argv)
{
	unsigned long mib;
	uint64_t max;
	char kb[24];
	dom_info i;
	int ms;

	if (host_open() || dom_find(argv[0], &i) || opt_timeout("timeout", &ms) ||
	    parse_number(argv[1], "MIB", 1, 1UL << 20, &mib))
		return -1;
	max = stored(i.domain, "static-max", i.max_pages * 4);
	if (i.domain && mib << 10 > max)
		return err(ST_FAILED, "domain %u can have %lu MiB at most (maxmem)", i.domain, max >> 10);
	/* What it has above the limit it keeps until it gives it back; nothing is added. */
	if (i.domain && max_mem(i.domain, mib << 10))
		return -1;
	snprintf(kb, sizeof(kb), "%lu", mib << 10);
	if (!st_write(XBT_NULL, kb, "/local/domain/%u/memory/target", i.domain))
		return err(ST_FAILED, "the store refused the new target: %s", strerror(errno));
	if (opt_flag("wait") && wait_balloon(i.domain, mib * 256, ms))
		return -1;
	return done(i.domain, "target_mib", mib);
}

int cmd_mem_max(int argc, char **argv)
{
	unsigned long mib;
	char kb[24];
	dom_info i;

	if (host_open() || dom_find(argv[0], &i) || parse_number(argv[1], "MIB", 1, 1UL << 20, &mib))
		return -1;
	if (mib * 256 < i.tot_pages)
		return err(ST_FAILED, "domain %u has %lu MiB now: use mem-set first", i.domain,
			   i.tot_pages / 256);
	if (max_mem(i.domain, mib << 10))
		return -1;
	snprintf(kb, sizeof(kb), "%lu", mib << 10);
	if (!st_write(XBT_NULL, kb, "/local/domain/%u/memory/static-max", i.domain))
		return err(ST_FAILED, "the store refused the new limit: %s", strerror(errno));
	return done(i.domain, "max_mib", mib);
}

int cmd_dump_core(int argc, char **argv)
{
	bool paused;
	struct stat st;
	dom_info i;
	int rc;

	if (host_open() || dom_find(argv[0], &i))
		return -1;
	if (!i.domain)
		return err(ST_USAGE, "not of dom0");
	paused = !opt_flag("live") && !(i.flags & XEN_DOMINF_paused);
	if (paused && dom_simple(i.domain, XEN_DOMCTL_pausedomain, "pausing"))
		return -1;
	rc = core_dump(i.domain, argv[1]);
	if (paused && dom_simple(i.domain, XEN_DOMCTL_unpausedomain, "unpausing"))
		rc = -1;
	if (!rc && opt_flag("crash"))
		rc = dom_destroy(i.domain, true);
	if (rc)
		return -1;
	return done(i.domain, "bytes", stat(argv[1], &st) ? 0 : (uint64_t)st.st_size);
}
