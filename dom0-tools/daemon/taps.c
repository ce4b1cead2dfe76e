/* SPDX-License-Identifier: MIT */
/*
 * Tap devices of all domains: their queues are kept open here.
 *
 * Job:    open the queues of a device's tap before its backend is started, hand them to it, and keep them: while a
 *         killed backend is started again its tap stays up, and packets wait in it instead of being dropped.
 * Enter:  daemon/backends.c: taps_give() in the child-to-be, taps_forget().
 * State:  one struct tap for each device.
 * Locks:  none: one thread.
 * Holds:  1. A backend that we did not start (a daemon before us did) holds its queues itself; we have ours when it is
 *            started the next time.
 * Tests:  tests/tools-tests (on a machine)
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "daemon.h"
#include "../lib/network.h"
#include "../lib/store.h"
#include "../lib/vif.h"

struct tap {
	struct tap *next;
	uint32_t domid, id;
	int fds[VIF_QUEUES];
};

static struct tap *all;

static struct tap *find(uint32_t domid, uint32_t id)
{
	struct tap *t;

	for (t = all; t && (t->domid != domid || t->id != id); t = t->next)
		;
	return t;
}

static void drop(struct tap *t)
{
	struct tap **p;

	for (p = &all; *p != t; p = &(*p)->next)
		;
	*p = t->next;
	for (unsigned int i = 0; i < VIF_QUEUES; i++)
		if (t->fds[i] >= 0)
			close(t->fds[i]);
	free(t);
}

static void add(uint32_t domid, uint32_t id)
{
	struct tap *t = calloc(1, sizeof(*t));

	if (!t)
		return;
	*t = (struct tap){ .next = all, .domid = domid, .id = id };
	all = t;
	for (unsigned int i = 0; i < VIF_QUEUES; i++) {
		t->fds[i] = vif_tap(domid, id, true);
		if (t->fds[i] < 0) {
			memset(&t->fds[i], 0xff, (VIF_QUEUES - i) * sizeof(t->fds[0]));
			drop(t);	/* the backend tries it again, and says what is wrong */
			return;
		}
	}
}

void taps_prepare(uint32_t domid)
{
	unsigned int n;
	char **ids = st_list(&n, "/local/domain/0/backend/" VIF_KIND "/%u", domid), list[MAX_VIFS * 32 + 1] = "";
	size_t len = 0;
	bool some = false;

	for (struct tap *t = all, *next; t; t = next) {	/* devices that were detached */
		unsigned int i = 0;

		next = t->next;
		while (i < n && (uint32_t)atoi(ids[i]) != t->id)
			i++;
		if (t->domid == domid && i == n) {
			drop(t);
			some = true;
		}
	}
	if (some)
		networks_tidy();
	for (unsigned int i = 0; i < n; i++)
		if (!find(domid, (uint32_t)atoi(ids[i])))
			add(domid, (uint32_t)atoi(ids[i]));
	free(ids);
	for (struct tap *t = all; t; t = t->next)
		if (t->domid == domid && len + 64 < sizeof(list)) {
			len += (size_t)snprintf(list + len, sizeof(list) - len, "%u:", t->id);
			for (unsigned int i = 0; i < VIF_QUEUES; i++)
				len += (size_t)snprintf(list + len, sizeof(list) - len, "%d,", t->fds[i]);
			len += (size_t)snprintf(list + len, sizeof(list) - len, ";");
		}
	setenv(VIF_TAPS_ENV, list, 1);
}

void taps_inherit(uint32_t domid)
{
	for (struct tap *t = all; t; t = t->next)
		for (unsigned int i = 0; t->domid == domid && i < VIF_QUEUES; i++)
			fcntl(t->fds[i], F_SETFD, 0);
}

void taps_forget(uint32_t domid)
{
	bool some = false;

	for (struct tap *t = all, *next; t; t = next) {
		next = t->next;
		if (t->domid == domid) {
			drop(t);
			some = true;
		}
	}
	if (some)
		networks_tidy();
}
