/* SPDX-License-Identifier: MIT */
/*
 * Domains that are there.
 *
 * Job:    find them by name or id, list them, rename and end them.
 * Enter:  the commands, the daemon.
 * State:  in the store (NAME by st_key()): /parapet/names/NAME is the id of a domain made by these tools, so that a
 *         name is found without asking for each;
 *         /parapet/domain/N is its UUID. In BUILDING_DIR: a file for each name that a creator gives just
 *         now, with its process number and the UUID; locked while the creator lives.
 * Tests:  tests/tools-tests (on a machine)
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <pv-abi/sched.h>
#include "dom.h"
#include "err.h"
#include "hyper.h"
#include "paths.h"
#include "store.h"

#define LIST_CHUNK 256
#define LOCK "/run/parapet.lock"

int host_open(void)
{
	return hv_open() || st_open() ? -1 : 0;
}

bool dom_info_of(uint32_t domid, dom_info *info)
{
	struct xen_domctl op = { 0 };

	if (hv_domctl(domid, XEN_DOMCTL_getdomaininfo, &op) || op.u.getdomaininfo.domain != domid)
		return false;
	*info = op.u.getdomaininfo;
	return true;
}

dom_info *dom_list(unsigned int *n)
{
	dom_info *all = NULL, *buf = hv_buf(LIST_CHUNK * sizeof(*buf)), *more;
	struct xen_sysctl op = { 0 };
	uint32_t first = 0;

	*n = 0;
	do {
		op.u.getdomaininfolist.first_domain = (domid_t)first;
		op.u.getdomaininfolist.max_domains = LIST_CHUNK;
		op.u.getdomaininfolist.buffer = hv_handle(buf);
		if (!buf || hv_sysctl(XEN_SYSCTL_getdomaininfolist, &op)) {
			err(errno == EPERM ? ST_NO_HOST : ST_FAILED, "listing the domains was refused: %s",
			    strerror(errno));
			free(all);
			all = NULL;
			break;
		}
		more = realloc(all, (*n + op.u.getdomaininfolist.num_domains + 1) * sizeof(*all));
		if (!more)
			break;
		all = more;
		memcpy(all + *n, buf, op.u.getdomaininfolist.num_domains * sizeof(*all));
		*n += op.u.getdomaininfolist.num_domains;
		first = *n ? all[*n - 1].domain + 1U : 0;
	} while (op.u.getdomaininfolist.num_domains == LIST_CHUNK);
	hv_buf_free(buf);
	return all;
}

char *dom_name(uint32_t domid)
{
	char *name = st_read("/local/domain/%u/name", domid);

	if (!name && asprintf(&name, "(%u)", domid) < 0)
		return NULL;
	return name;
}

void dom_state(const dom_info *i, char t[7])
{
	int reason = dom_shutdown_reason(i);

	snprintf(t, 7, "%c%c%c%c%c%c", i->flags & XEN_DOMINF_running ? 'r' : '-',
		 i->flags & XEN_DOMINF_blocked ? 'b' : '-', i->flags & XEN_DOMINF_paused ? 'p' : '-',
		 reason >= 0 && reason != SHUTDOWN_crash ? 's' : '-', reason == SHUTDOWN_crash ? 'c' : '-',
		 i->flags & XEN_DOMINF_dying ? 'd' : '-');
}

int dom_shutdown_reason(const dom_info *i)
{
	if (!(i->flags & XEN_DOMINF_shutdown))
		return -1;
	return (int)(i->flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask);
}

/* --- names --- */

int dom_building(const char *key, int flags, char maker[64])
{
	char path[320];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), BUILDING_DIR "/%s", key);
	fd = open(path, flags | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	n = read(fd, maker, 63);
	maker[n > 0 ? n : 0] = '\0';
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return fd;
	close(fd);
	return -EWOULDBLOCK;
}

/* Does the store say that this is its name, and does it live? Then info is filled. */
static bool is_named(const char *id, const char *name, dom_info *info)
{
	char *now;
	bool yes;

	st_queue_read(&now, "/local/domain/%s/name", id);
	st_flush();
	yes = (now && !strcmp(now, name)) || (!strcmp(id, "0") && !strcmp(name, "Domain-0"));

	free(now);
	return yes && dom_info_of((uint32_t)atoi(id), info) && !(info->flags & XEN_DOMINF_dying);
}

/*
 * The live domain of that name: info filled, true. First by our index; then those are asked for their names that are not in it,
 * made by other tools; thorough: all, of which another tool may have renamed one. Few requests, and sent together: each costs
 * the store something for every domain.
 */
static bool by_name(const char *name, dom_info *info, bool thorough)
{
	struct dom_set ours = { { 0 } };
	char *id, *own = NULL, *zero = NULL, **many = NULL;
	unsigned int n = 0, i;
	dom_info *all;
	bool found;

	st_queue_read(&id, "/parapet/names/%s", st_key(name));
	if (!thorough) {
		st_queue_read(&zero, "/local/domain/0/name");
		st_queue_list(&own, "/parapet/domain");
	}
	if (!st_flush() && errno == E2BIG)
		many = st_list(&n, "/parapet/domain");
	for (char *p = own; p && *p; p += strlen(p) + 1)
		dom_put(&ours, (uint32_t)atoi(p));
	for (i = 0; i < n; i++)
		dom_put(&ours, (uint32_t)atoi(many[i]));
	if (zero && strcmp(zero, name) && strcmp(name, "Domain-0"))
		dom_put(&ours, 0);
	found = id && is_named(id, name, info);
	all = found ? NULL : dom_list(&n);
	for (i = 0; all && i < n && !found; i++) {
		char text[12];

		snprintf(text, sizeof(text), "%u", all[i].domain);
		found = !dom_in(&ours, all[i].domain) && is_named(text, name, info);
	}
	free(all);
	free(many);
	free(own);
	free(zero);
	free(id);
	return found;
}

int dom_find(const char *name, dom_info *info)
{
	size_t digits = strspn(name, "0123456789");

	if (digits && !name[digits] && digits < 6) {
		if (dom_info_of((uint32_t)atoi(name), info))
			return 0;
		return err(ST_NO_DOMAIN, "there is no domain with the id %s", name);
	}
	if (strchr(name, '/') || !*name)
		return err(ST_USAGE, "'%s' is no name of a domain", name);
	return by_name(name, info, true) ? 0 : err(ST_NO_DOMAIN, "there is no domain named %s", name);
}

int dom_name_free(const char *name)
{
	char maker[64] = "";
	dom_info info;
	int fd = dom_building(st_key(name), O_RDONLY, maker);

	if (fd >= 0)
		close(fd);
	if (fd == -EWOULDBLOCK)
		return err(ST_FAILED, "the name %s is being given to a domain by process %d", name,
			   atoi(maker));
	if (by_name(name, &info, false))
		return err(ST_FAILED, "the name %s is in use by domain %u", name, info.domain);
	return 0;
}

int dom_rename(uint32_t domid, const char *name)
{
	char *old = st_read("/local/domain/%u/name", domid);
	char *uuid = st_read("/parapet/domain/%u", domid), id[16];

	snprintf(id, sizeof(id), "%u", domid);
	if (!st_write(XBT_NULL, name, "/local/domain/%u/name", domid))
		return err(ST_FAILED, "the store refused the new name: %s", strerror(errno));
	if (uuid) {
		st_write(XBT_NULL, id, "/parapet/names/%s", st_key(name));
		if (old && strcmp(old, name))
			st_rm("/parapet/names/%s", st_key(old));
	}
	free(uuid);
	free(old);
	return 0;
}

int dom_set_aside(uint32_t domid, const char *name)
{
	struct xen_domctl op = { 0 };
	char *old = st_read("/parapet/domain/%u", domid), vm[48] = "/vm/", *uuid = vm + strlen(vm);
	char *since = st_read("/vm/%s/start_time", old ? old : "");
	int rc;

	uuid_random(op.u.setdomainhandle.handle);
	uuid_text(uuid, op.u.setdomainhandle.handle);
	if (hv_domctl(domid, XEN_DOMCTL_setdomainhandle, &op)) {
		rc = err(ST_FAILED, "a new UUID for domain %u was refused: %s", domid, strerror(errno));
	} else {
		if (old)
			st_queue_rm("/vm/%s", old);
		st_queue_write(uuid, "/vm/%s/uuid", uuid);
		st_queue_write(since ? since : "0", "/vm/%s/start_time", uuid);
		st_queue_write(uuid, "/parapet/domain/%u", domid);
		st_queue_write(vm, "/local/domain/%u/vm", domid);
		rc = st_flush() ? dom_rename(domid, name) : -1;
	}
	free(since);
	free(old);
	return rc;
}

/* --- ending --- */

int dom_simple(uint32_t domid, uint32_t cmd, const char *what)
{
	struct xen_domctl op = { 0 };

	if (!hv_domctl(domid, cmd, &op))
		return 0;
	if (errno == ESRCH)
		return err(ST_NO_DOMAIN, "domain %u is gone", domid);
	return err(ST_FAILED, "%s of domain %u was refused: %s", what, domid, strerror(errno));
}

/* Is it the UUID of a domain that is there? A restarted one has that of the one before. */
static bool in_use(const char *uuid)
{
	unsigned int n = 0, i;
	dom_info *all = dom_list(&n);
	char text[37];

	for (i = 0; i < n; i++) {
		uuid_text(text, all[i].handle);
		if (!strcmp(text, uuid))
			break;
	}
	free(all);
	return i < n;
}

void dom_forget(uint32_t domid)
{
	char *name, *vm, *own, *id = NULL;

	st_queue_read(&name, "/local/domain/%u/name", domid);
	st_queue_read(&vm, "/local/domain/%u/vm", domid);
	st_queue_read(&own, "/parapet/domain/%u", domid);
	st_flush();
	if (name)
		st_queue_read(&id, "/parapet/names/%s", st_key(name));
	st_flush();
	if (id && (uint32_t)atoi(id) == domid)
		st_queue_rm("/parapet/names/%s", st_key(name));
	if (own) {
		st_queue_rm("/parapet/domain/%u", domid);
		if (!vm && !in_use(own))
			st_queue_rm("/vm/%s", own);
	}
	st_queue_rm("/local/domain/0/backend/" VIF_KIND "/%u", domid);
	st_queue_rm("/local/domain/0/backend/vif/%u", domid);
	st_queue_rm("/local/domain/%u", domid);
	st_queue_rm("/local/domain/0/backend/" BLOCK_KIND "/%u", domid);
	if (vm && !strncmp(vm, "/vm/", 4))
		st_queue_rm("%s", vm);
	st_flush();
	vif_forget(domid, -1);
	free(id);
	free(own);
	free(vm);
	free(name);
}

int dom_destroy(uint32_t domid, bool wait)
{
	dom_info info;

	if (dom_simple(domid, XEN_DOMCTL_destroydomain, "destroying"))
		return -1;
	if (st_connect()) {
		st_queue_release(domid);
		st_flush();
		dom_forget(domid);
	}
	for (int i = 0; wait && dom_info_of(domid, &info); i++) {
		if (i == 150) {
			warn("domain %u is dead, but others still hold %lu of its pages", domid,
			     info.tot_pages);
			break;
		}
		usleep(i < 50 ? 500 : 20000);	/* the daemons let go of its rings in a few ms */
	}
	return 0;
}

static int is_file(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

int dom_lock(void)
{
	int fd = open(LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd >= 0)
		flock(fd, LOCK_EX);
	return fd;
}

static void reap(const char *key, const dom_info *all, unsigned int n)
{
	char maker[64], text[37], uuid[37];
	int fd = dom_building(key, O_RDONLY, maker);
	struct stat st;

	if (fd < 0)
		return;
	/* Without a name it is one that got done meanwhile. */
	if (!fstat(fd, &st) && st.st_nlink && sscanf(maker, "%*d %36s", uuid) == 1) {
		for (unsigned int i = 0; i < n; i++) {
			uuid_text(text, all[i].handle);
			if (strcmp(text, uuid) || !all[i].domain)
				continue;
			warn("domain %u was left half built by a creator that was killed: removed",
			     all[i].domain);
			dom_destroy(all[i].domain, false);
			err_clear();
		}
		/* these two may have been written before the domain had a name or a UUID in the store */
		st_queue_rm("/vm/%s", uuid);
		st_queue_rm("/parapet/names/%s", key);
		st_flush();
	}
	dom_built(key, fd);
}

void dom_built(const char *key, int fd)
{
	char path[320];

	snprintf(path, sizeof(path), BUILDING_DIR "/%s", key);
	unlink(path);
	close(fd);
}

void dom_reap_locked(void)
{
	struct dirent **names;
	int nr = scandir(BUILDING_DIR, &names, is_file, NULL);
	unsigned int n;
	dom_info *all;

	if (nr < 0)
		return;
	all = nr ? dom_list(&n) : NULL;
	for (int i = 0; i < nr; i++) {
		if (all)
			reap(names[i]->d_name, all, n);
		free(names[i]);
	}
	free(names);
	free(all);
}

/* A creator claims its name under the same lock: none is between its file and the file's lock. */
void dom_reap(void)
{
	int fd = dom_lock();

	dom_reap_locked();
	if (fd >= 0)
		close(fd);
}
