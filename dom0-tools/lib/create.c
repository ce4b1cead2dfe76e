/* SPDX-License-Identifier: MIT */
/*
 * Making a domain.
 *
 * Job:    from a checked configuration to a domain that runs: hypervisor, builder, store, in that
 *         order; whatever fails, nothing is left behind.
 * Enter:  dom_create() from cli/create.c and the daemon.
 * State:  none here; what it leaves in the store is described in docs/tools.md.
 * Holds:  while it works it has the file NAME in BUILDING_DIR locked, so that dom_reap() can tell a
 *         half-built domain whose creator was killed.
 * Tests:  tests/tools-tests (on a machine)
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <pv-abi/event_channel.h>
#include <pv-abi/memory.h>
#include <pv-abi/parapet.h>
#include "build.h"
#include "dom.h"
#include "err.h"
#include "hyper.h"
#include "paths.h"
#include "store.h"

#define MAX_PORT 1023
#define EXTRA_KB 1024			/* what max_mem leaves above the configured memory */

struct e820 {
	uint64_t addr, size;
	uint32_t type;
} __attribute__((packed));

struct creation {
	struct domain_config *cfg;
	struct build b;
	char uuid[37];
	int building;			/* the file that says so, or negative */
	bool created;
};

/* For the chain of steps in dom_create(). */
static int passed(const char *name)
{
	step(name);
	return 0;
}

static int refused(const char *what)
{
	if (errno == ENOMEM)
		return err(ST_NO_MEMORY, "%s was refused: the hypervisor is out of memory", what);
	return err(errno == EPERM || errno == ENOSYS ? ST_NO_HOST : ST_FAILED, "%s was refused: %s", what,
		   strerror(errno));
}

/* --- the hypervisor --- */

static int new_domain(struct creation *c)
{
	struct xen_domctl op = { 0 };
	struct xen_domctl_createdomain *d = &op.u.createdomain;

	memcpy(d->handle, c->cfg->uuid, sizeof(d->handle));
	d->max_vcpus = c->cfg->max_vcpus;
	d->max_evtchn_port = MAX_PORT;
	d->max_grant_frames = -1;
	d->max_maptrack_frames = -1;
	d->grant_opts = XEN_DOMCTL_GRANT_version(1);
	d->flags = c->cfg->no_ring1 ? PARAPET_CDF_NO_RING1 : 0;
	if (hv_domctl(0, XEN_DOMCTL_createdomain, &op)) {
		/* Xen does not know our flag, and has no ring 1 to keep the kernel out of. */
		if (errno != EINVAL || !d->flags)
			return refused("making a domain");
		warn("ring1: this hypervisor has no ring 1: left out");
		d->flags = 0;
		if (hv_domctl(0, XEN_DOMCTL_createdomain, &op))
			return refused("making a domain");
	}
	c->b.domid = op.domain;
	c->created = true;
	memset(&op.u, 0, sizeof(op.u));
	op.u.max_vcpus.max = c->cfg->max_vcpus;
	if (hv_domctl(c->b.domid, XEN_DOMCTL_max_vcpus, &op))
		return refused("giving the domain its vCPUs");
	memset(&op.u, 0, sizeof(op.u));
	op.u.max_mem.max_memkb = c->cfg->maxmem_kb + EXTRA_KB;
	if (hv_domctl(c->b.domid, XEN_DOMCTL_max_mem, &op))
		return refused("setting the domain's memory limit");
	return 0;
}

static int memory_map(struct creation *c)
{
	struct e820 *e = hv_buf(sizeof(*e));
	struct xen_foreign_memory_map m = { .domid = (domid_t)c->b.domid };
	int rc = 0;

	if (!e)
		return err(ST_NO_MEMORY, "no memory for hypercalls");
	*e = (struct e820){ 0, c->cfg->maxmem_kb << 10, 1 };
	m.map.nr_entries = 1;
	m.map.buffer = hv_handle(e);
	if (hv_memory(XENMEM_set_memory_map, &m, sizeof(m)))
		rc = refused("setting the domain's memory map");
	hv_buf_free(e);
	return rc;
}

static int affinity(struct creation *c)
{
	const struct domain_config *d = c->cfg;
	uint64_t *map;
	int rc = 0;

	if (!d->nr_affinity)
		return 0;
	map = hv_buf(sizeof(struct cpumap));
	for (unsigned int v = 0; map && !rc && v < d->max_vcpus; v++) {
		struct xen_domctl op = { 0 };

		if (d->nr_affinity > 1 && v >= d->nr_affinity)
			break;
		memcpy(map, &d->affinity[d->nr_affinity > 1 ? v : 0], sizeof(struct cpumap));
		op.u.vcpuaffinity.vcpu = v;
		op.u.vcpuaffinity.flags = XEN_VCPUAFFINITY_HARD;
		op.u.vcpuaffinity.cpumap_hard.bitmap = hv_handle(map);
		op.u.vcpuaffinity.cpumap_hard.nr_bits = CPU_WORDS * 64;
		if (hv_domctl(c->b.domid, XEN_DOMCTL_setvcpuaffinity, &op))
			rc = errno == EINVAL ?
			     err(ST_CONFIG, "cpus: the machine has none of the CPUs named for vCPU %u", v) :
			     refused("pinning the domain's vCPUs");
	}
	hv_buf_free(map);
	return rc;
}

static int scheduling(struct creation *c)
{
	struct xen_domctl op = { 0 };
	struct xen_sysctl s = { 0 };

	if (c->cfg->tsc_mode) {
		op.u.tsc_info.tsc_mode = c->cfg->tsc_mode;
		if (hv_domctl(c->b.domid, XEN_DOMCTL_settscinfo, &op))
			return refused("setting the TSC mode");
	}
	if (!c->cfg->weight && !c->cfg->have_cap)
		return 0;
	if (hv_sysctl(XEN_SYSCTL_sched_id, &s))
		return refused("asking for the scheduler");
	memset(&op, 0, sizeof(op));
	op.u.scheduler_op.sched_id = s.u.sched_id.sched_id;
	op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_getinfo;
	if (hv_domctl(c->b.domid, XEN_DOMCTL_scheduler_op, &op))
		return refused("asking for the scheduling weight");
	op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_putinfo;
	if (c->cfg->weight)
		op.u.scheduler_op.u.credit2.weight = (uint16_t)c->cfg->weight;
	if (c->cfg->have_cap)
		op.u.scheduler_op.u.credit2.cap = (uint16_t)c->cfg->cap;
	if (hv_domctl(c->b.domid, XEN_DOMCTL_scheduler_op, &op))
		return refused("setting the scheduling weight and cap");
	return 0;
}

static int port(struct creation *c, uint32_t *out)
{
	struct evtchn_alloc_unbound a = { .dom = (domid_t)c->b.domid, .remote_dom = 0 };

	if (hv_evtchn(EVTCHNOP_alloc_unbound, &a, sizeof(a)))
		return refused("making an event channel");
	*out = a.port;
	return 0;
}

/* --- the store --- */

/* The name is ours from here on. The lock keeps two creators apart. */
static int claim(struct creation *c)
{
	char maker[64];
	int lock, rc = -1;

	mkdir(BUILDING_DIR, 0700);
	lock = dom_lock();
	dom_reap_locked();
	if (dom_name_free(c->cfg->name))
		goto out;
	c->building = dom_building(st_key(c->cfg->name), O_RDWR | O_CREAT, maker);
	if (c->building < 0) {
		err(ST_FAILED, BUILDING_DIR "/%s: %s", c->cfg->name, strerror(-c->building));
		goto out;
	}
	snprintf(maker, sizeof(maker), "%d %s\n", getpid(), c->uuid);
	rc = write(c->building, maker, strlen(maker)) < 0 ?
	     err(ST_FAILED, BUILDING_DIR "/%s: %s", c->cfg->name, strerror(errno)) : 0;
out:
	if (lock >= 0)
		close(lock);
	return rc;
}

static void put(uint32_t domid, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void put(uint32_t domid, const char *name, const char *fmt, ...)
{
	char value[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	st_queue_write(value, "/local/domain/%u/%s", domid, name);
}

/*
 * The domain's directory is dom0's, and the guest may read it; `control`, `data` and `error` are the
 * guest's own, which makes there what it wants.
 *
 * With every change xenstored asks for each domain that is there whether it may be told, which is the case when it
 * may read the entry or the directory above; for an entry that was there before, it fetches that directory from its
 * data base each time. So these four, while there is nothing in them, are everybody's to read, which is found
 * at once, and then have their permissions changed: a quarter of the cost. Entries inherit the permissions of the
 * directory: all others come after this.
 */
static void guest_entries(uint32_t id)
{
	static const char *const own[] = { "control", "data", "error" };

	/* What a domain of the same id left behind, if its end was not seen. */
	st_queue_rm("/local/domain/%u", id);
	st_queue_rm("/local/domain/0/backend/" BLOCK_KIND "/%u", id);
	st_queue_write("", "/local/domain/%u", id);
	st_queue_open("/local/domain/%u", id);
	for (unsigned int i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		put(id, own[i], "%s", "");
		st_queue_access(id, id, "/local/domain/%u/%s", id, own[i]);
	}
	st_queue_access(0, id, "/local/domain/%u", id);
}

static int vm_entries(const struct creation *c)
{
	const struct domain_config *d = c->cfg;
	char *text = domain_config_text(d), now[32];

	if (!text)
		return err(ST_NO_MEMORY, "no memory for the tools");
	snprintf(now, sizeof(now), "%ld", (long)time(NULL));
	st_queue_write(c->uuid, "/vm/%s/uuid", c->uuid);
	st_queue_write(d->name, "/vm/%s/name", c->uuid);
	st_queue_write(now, "/vm/%s/start_time", c->uuid);
	st_queue_write(text, "/vm/%s/parapet", c->uuid);
	free(text);
	return 0;
}

static void domain_entries(const struct creation *c)
{
	const struct domain_config *d = c->cfg;
	uint32_t id = c->b.domid;
	char name[64];

	put(id, "vm", "/vm/%s", c->uuid);
	put(id, "name", "%s", d->name);
	put(id, "domid", "%u", id);
	put(id, "memory/static-max", "%lu", d->maxmem_kb);
	put(id, "memory/target", "%lu", d->memory_kb);
	put(id, "store/port", "%u", c->b.store_port);
	put(id, "store/ring-ref", "%lu", c->b.store_mfn);
	put(id, "console/port", "%u", c->b.console_port);
	put(id, "console/ring-ref", "%lu", c->b.console_mfn);
	put(id, "console/limit", "1048576");
	put(id, "console/type", "xenconsoled");
	for (unsigned int i = 0; i < d->max_vcpus; i++) {
		snprintf(name, sizeof(name), "cpu/%u/availability", i);
		put(id, name, "%s", i < d->vcpus ? "online" : "offline");
	}
}

static int store_entries(struct creation *c)
{
	char id[16];

	snprintf(id, sizeof(id), "%u", c->b.domid);
	guest_entries(c->b.domid);
	st_queue_apart();
	st_queue_write(c->uuid, "/parapet/domain/%s", id);
	st_queue_write(id, "/parapet/names/%s", st_key(c->cfg->name));
	if (vm_entries(c))
		return -1;
	if (!st_flush())
		return err(ST_FAILED, "the store refused the new domain's directories: %s", strerror(errno));
	st_queue_apart();
	domain_entries(c);
	if (!st_flush())
		return err(ST_FAILED, "the store refused an entry of the new domain: %s", strerror(errno));
	for (unsigned int i = 0; i < c->cfg->nr_disks; i++)
		disk_entries(c->b.domid, &c->cfg->disks[i]);
	if (c->cfg->nr_disks && !st_flush())
		return err(ST_FAILED, "the store refused an entry of a disk: %s", strerror(errno));
	for (unsigned int i = 0; i < c->cfg->nr_vifs; i++)
		vif_entries(c->b.domid, &c->cfg->vifs[i]);
	if (c->cfg->nr_vifs && !st_flush())
		return err(ST_FAILED, "the store refused an entry of a device: %s", strerror(errno));
	step("store entries");
	if ((c->cfg->nr_disks || c->cfg->nr_vifs) && !devices_nudge())
		return err(ST_FAILED, "the store refused an entry: %s", strerror(errno));
	st_queue_introduce(c->b.domid, c->b.store_mfn, c->b.store_port);
	if (!st_flush())
		return err(ST_FAILED, "the store refused the new domain: %s", strerror(errno));
	return 0;
}

/* --- all of it --- */

static int open_files(struct creation *c)
{
	struct domain_config *d = c->cfg;

	if (kernel_open(&c->b.kernel, d->kernel))
		return -1;
	if (d->ramdisk) {
		c->b.ramdisk = file_map(d->ramdisk, "ramdisk", &c->b.ramdisk_len);
		if (!c->b.ramdisk)
			return -1;
	}
	if (!d->have_uuid)
		uuid_random(d->uuid);
	uuid_text(c->uuid, d->uuid);
	return 0;
}

static int uuid_is_free(const struct creation *c)
{
	unsigned int n;
	dom_info *all;

	if (!c->cfg->have_uuid)
		return 0;
	all = dom_list(&n);
	if (!all)
		return -1;
	for (unsigned int i = 0; i < n; i++)
		if (!memcmp(all[i].handle, c->cfg->uuid, 16) && !(all[i].flags & XEN_DOMINF_dying)) {
			err(ST_FAILED, "uuid: it is in use by domain %u", all[i].domain);
			break;
		}
	free(all);
	return err_text() ? -1 : 0;
}

static int check_devices(struct creation *c)
{
	for (unsigned int i = 0; i < c->cfg->nr_vifs; i++)
		if (vif_check(&c->cfg->vifs[i], c->cfg->uuid, (unsigned int)c->cfg->vifs[i].devid))
			return -1;
	return 0;
}

static void undo(struct creation *c)
{
	if (c->created)
		dom_destroy(c->b.domid, false);
	st_rm("/vm/%s", c->uuid);
}

int dom_create(struct domain_config *cfg, bool paused, uint32_t *domid)
{
	struct creation c = { .cfg = cfg, .building = -1 };
	int rc = -1;

	c.b.cfg = cfg;
	if (open_files(&c) || host_open())
		goto out;
	dom_reap();
	if (check_devices(&c) || uuid_is_free(&c) || claim(&c))
		goto out;
	step("configuration, files, name");
	rc = new_domain(&c) || memory_map(&c) || affinity(&c) || scheduling(&c) ||
	     port(&c, &c.b.store_port) || port(&c, &c.b.console_port) || passed("domain made") ||
	     build_domain(&c.b) || passed("start state") || store_entries(&c) || passed("introduced") ||
	     (!paused && dom_simple(c.b.domid, XEN_DOMCTL_unpausedomain, "starting")) ? -1 : 0;
	if (rc)
		undo(&c);
	*domid = c.b.domid;
out:
	if (c.building >= 0)
		dom_built(st_key(cfg->name), c.building);
	if (c.b.ramdisk)
		munmap((void *)c.b.ramdisk, c.b.ramdisk_len);
	kernel_close(&c.b.kernel);
	return rc;
}
