/* SPDX-License-Identifier: MIT */
/*
 * parapet vcpu-list, vcpu-set, vcpu-pin, sched
 *
 * Job:    vCPUs and their share of the CPUs.
 * Enter:  the table of commands.
 * State:  none.
 * Tests:  tests/tools-tests
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cmd.h"

static int refused(const char *what, uint32_t domid)
{
	return err(ST_FAILED, "%s of domain %u was refused: %s", what, domid, strerror(errno));
}

static unsigned int machine_cpus(void)
{
	struct xen_sysctl op = { 0 };

	return hv_sysctl(XEN_SYSCTL_physinfo, &op) ? 1 : op.u.physinfo.max_cpu_id + 1;
}

/* Both maps of one vCPU, in or out. buf: two struct cpumap from hv_buf(). */
static int affinity(uint32_t domid, uint32_t vcpu, uint32_t cmd, uint32_t flags, struct cpumap *buf)
{
	struct xen_domctl op = { 0 };
	struct xen_domctl_vcpuaffinity *a = &op.u.vcpuaffinity;

	a->vcpu = vcpu;
	a->flags = flags;
	a->cpumap_hard.bitmap = hv_handle(&buf[0]);
	a->cpumap_soft.bitmap = hv_handle(&buf[1]);
	a->cpumap_hard.nr_bits = a->cpumap_soft.nr_bits = CPU_WORDS * 64;
	return hv_domctl(domid, cmd, &op);
}

static void print_vcpu(struct json *j, const dom_info *i, const char *name, uint32_t v, unsigned int cpus,
		       struct cpumap *maps)
{
	struct xen_domctl op = { 0 };
	const struct xen_domctl_getvcpuinfo *g = &op.u.getvcpuinfo;
	char hard[256], soft[256], cpu[16] = "-", state[4];
	const char *h, *s;

	op.u.getvcpuinfo.vcpu = v;
	if (hv_domctl(i->domain, XEN_DOMCTL_getvcpuinfo, &op))
		return;			/* a number without a vCPU */
	memset(maps, 0, 2 * sizeof(*maps));
	if (affinity(i->domain, v, XEN_DOMCTL_getvcpuaffinity,
		     XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT, maps))
		memset(maps, 0xff, 2 * sizeof(*maps));
	h = cpumap_text(&maps[0], cpus, hard, sizeof(hard));
	s = cpumap_text(&maps[1], cpus, soft, sizeof(soft));
	snprintf(state, sizeof(state), "%c%c%c", g->online && g->running ? 'r' : '-',
		 g->online && g->blocked ? 'b' : '-', g->online ? '-' : 'p');
	if (g->online)
		snprintf(cpu, sizeof(cpu), "%u", g->cpu);
	if (!want_json) {
		printf("%-24s %5u %5u %4s   %s %10.1f  %s / %s\n", name, i->domain, v, cpu, state,
		       (double)g->cpu_time / 1e9, h, s);
		return;
	}
	json_open(j, NULL, '{');
	json_number(j, "domid", i->domain);
	json_text(j, "name", name);
	json_number(j, "vcpu", v);
	if (g->online)
		json_number(j, "cpu", g->cpu);
	else
		json_text(j, "cpu", NULL);
	json_bool(j, "online", g->online);
	json_bool(j, "running", g->running);
	json_bool(j, "blocked", g->blocked);
	json_number(j, "cpu_time_ns", g->cpu_time);
	json_text(j, "hard_affinity", h);
	json_text(j, "soft_affinity", s);
	json_close(j, '}');
}

int cmd_vcpu_list(int argc, char **argv)
{
	struct json j = { .out = stdout };
	struct cpumap *maps;
	unsigned int n, cpus;
	dom_info *list;

	if (host_open())
		return -1;
	list = select_domains(argc, argv, &n);
	maps = hv_buf(2 * sizeof(*maps));
	if (!list || !maps)
		return err(ST_NO_MEMORY, "no memory");
	cpus = machine_cpus();
	if (want_json)
		json_open(&j, NULL, '[');
	else
		puts("NAME                        ID  VCPU  CPU STATE    TIME(s)  AFFINITY hard / soft");
	for (unsigned int i = 0; i < n; i++) {
		char *name = dom_name(list[i].domain);

		for (uint32_t v = 0; v < dom_max_vcpus(&list[i]); v++)
			print_vcpu(&j, &list[i], name, v, cpus, maps);
		free(name);
	}
	if (want_json)
		json_close(&j, ']');
	hv_buf_free(maps);
	free(list);
	return 0;
}

static int done(const char *key, uint64_t value, uint32_t domid)
{
	struct json j = { .out = stdout };

	if (want_json) {
		json_open(&j, NULL, '{');
		json_number(&j, "domid", domid);
		if (key)
			json_number(&j, key, value);
		json_close(&j, '}');
	}
	return 0;
}

int cmd_vcpu_set(int argc, char **argv)
{
	unsigned long n;
	dom_info i;

	if (host_open() || dom_find(argv[0], &i))
		return -1;
	if (parse_number(argv[1], "vCPUs", 1, dom_max_vcpus(&i), &n))
		return -1;
	for (uint32_t v = 0; v < dom_max_vcpus(&i); v++)
		if (!st_write(XBT_NULL, v < n ? "online" : "offline", "/local/domain/%u/cpu/%u/availability",
			      i.domain, v))
			return err(ST_FAILED, "the store refused an entry: %s", strerror(errno));
	return done("vcpus", n, i.domain);
}

static int pin(uint32_t domid, uint32_t vcpu, char **args, int argc, struct cpumap *maps)
{
	static const uint32_t flags[] = { XEN_VCPUAFFINITY_HARD, XEN_VCPUAFFINITY_SOFT };
	unsigned int cpus = machine_cpus();
	uint32_t which = 0;

	for (int k = 0; k < argc; k++) {
		if (!strcmp(args[k], "-"))
			continue;
		if (!cpumap_parse(&maps[k], args[k], cpus))
			return err(ST_USAGE, "'%s': CPUs from 0 to %u are wanted, such as 0-3,^1 or all", args[k],
				   cpus - 1);
		which |= flags[k];
	}
	if (which && affinity(domid, vcpu, XEN_DOMCTL_setvcpuaffinity, which, maps))
		return refused("pinning a vCPU", domid);
	return 0;
}

int cmd_vcpu_pin(int argc, char **argv)
{
	unsigned long first = 0, end;
	struct cpumap *maps;
	dom_info i;

	if (host_open() || dom_find(argv[0], &i))
		return -1;
	end = dom_max_vcpus(&i);
	if (strcmp(argv[1], "all")) {
		if (parse_number(argv[1], "vCPU", 0, end ? end - 1 : 0, &first))
			return -1;
		end = first + 1;
	}
	maps = hv_buf(2 * sizeof(*maps));
	if (!maps)
		return err(ST_NO_MEMORY, "no memory for hypercalls");
	for (; first < end; first++)
		if (pin(i.domain, (uint32_t)first, argv + 2, argc - 2, maps))
			return -1;
	hv_buf_free(maps);
	return done(NULL, 0, i.domain);
}

/* --- scheduling --- */

static int sched_id(uint32_t *id)
{
	struct xen_sysctl op = { 0 };

	if (hv_sysctl(XEN_SYSCTL_sched_id, &op))
		return err(ST_FAILED, "asking for the scheduler was refused: %s", strerror(errno));
	*id = op.u.sched_id.sched_id;
	if (*id != XEN_SCHEDULER_CREDIT && *id != XEN_SCHEDULER_CREDIT2)
		return err(ST_FAILED, "the scheduler has no weights (number %u)", *id);
	return 0;
}

static int ratelimit(uint32_t id, const unsigned long *set, uint32_t *now)
{
	struct xen_sysctl op = { 0 };
	struct xen_sysctl_scheduler_op *s = &op.u.scheduler_op;
	uint32_t *us = id == XEN_SCHEDULER_CREDIT ? &s->u.sched_credit.ratelimit_us :
						    &s->u.sched_credit2.ratelimit_us;

	s->sched_id = id;
	s->cmd = XEN_SYSCTL_SCHEDOP_getinfo;
	if (hv_sysctl(XEN_SYSCTL_scheduler_op, &op))
		return err(ST_FAILED, "asking for the scheduler's parameters was refused: %s", strerror(errno));
	if (set) {
		*us = (uint32_t)*set;
		s->cmd = XEN_SYSCTL_SCHEDOP_putinfo;
		if (hv_sysctl(XEN_SYSCTL_scheduler_op, &op))
			return err(ST_FAILED, "setting the scheduler's parameters was refused: %s",
				   strerror(errno));
	}
	*now = *us;
	return 0;
}

static int domain_sched(uint32_t domid, uint32_t id, uint32_t cmd, uint16_t *weight, uint16_t *cap)
{
	struct xen_domctl op = { 0 };
	struct xen_domctl_scheduler_op *s = &op.u.scheduler_op;

	s->sched_id = id;
	s->cmd = cmd;
	s->u.credit2.weight = *weight;	/* credit's has the same form */
	s->u.credit2.cap = *cap;
	if (hv_domctl(domid, XEN_DOMCTL_scheduler_op, &op))
		return refused("scheduling", domid);
	*weight = s->u.credit2.weight;
	*cap = s->u.credit2.cap;
	return 0;
}

static int change(const char *arg, uint32_t id)
{
	unsigned long w = 0, c = 0;
	uint16_t weight = 0, cap = 0;
	dom_info i;

	if (dom_find(arg, &i) ||
	    (opt_value("weight") && parse_number(opt_value("weight"), "weight", 1, 65535, &w)) ||
	    (opt_value("cap") && parse_number(opt_value("cap"), "cap", 0, 65535, &c)) ||
	    domain_sched(i.domain, id, XEN_DOMCTL_SCHEDOP_getinfo, &weight, &cap))
		return -1;
	weight = opt_value("weight") ? (uint16_t)w : weight;
	cap = opt_value("cap") ? (uint16_t)c : cap;
	return domain_sched(i.domain, id, XEN_DOMCTL_SCHEDOP_putinfo, &weight, &cap);
}

static int show(int argc, char **argv, uint32_t id, uint32_t us)
{
	struct json j = { .out = stdout };
	unsigned int n;
	dom_info *list = select_domains(argc, argv, &n);

	if (!list)
		return -1;
	if (want_json) {
		json_open(&j, NULL, '{');
		json_text(&j, "scheduler", id == XEN_SCHEDULER_CREDIT ? "credit" : "credit2");
		json_number(&j, "ratelimit_us", us);
		json_open(&j, "domains", '[');
	} else {
		printf("scheduler %s, ratelimit %u us\nNAME                        ID WEIGHT   CAP\n",
		       id == XEN_SCHEDULER_CREDIT ? "credit" : "credit2", us);
	}
	for (unsigned int i = 0; i < n; i++) {
		char *name = dom_name(list[i].domain);
		uint16_t weight = 0, cap = 0;

		if (domain_sched(list[i].domain, id, XEN_DOMCTL_SCHEDOP_getinfo, &weight, &cap))
			return -1;
		if (want_json) {
			json_open(&j, NULL, '{');
			json_number(&j, "domid", list[i].domain);
			json_text(&j, "name", name);
			json_number(&j, "weight", weight);
			json_number(&j, "cap", cap);
			json_close(&j, '}');
		} else {
			printf("%-24s %5u %6u %5u\n", name, list[i].domain, weight, cap);
		}
		free(name);
	}
	if (want_json) {
		json_close(&j, ']');
		json_close(&j, '}');
	}
	free(list);
	return 0;
}

int cmd_sched(int argc, char **argv)
{
	bool set = opt_value("weight") || opt_value("cap");
	unsigned long us;
	uint32_t id = 0, now = 0;

	if (set && !argc)
		return err(ST_USAGE, "--weight and --cap are for one domain: its name is missing");
	if (opt_value("ratelimit") && parse_number(opt_value("ratelimit"), "ratelimit", 0, 500000, &us))
		return -1;
	if (host_open() || sched_id(&id) || ratelimit(id, opt_value("ratelimit") ? &us : NULL, &now))
		return -1;
	if (set && change(argv[0], id))
		return -1;
	if (!want_json && (set || opt_value("ratelimit")))
		return 0;
	return show(argc, argv, id, now);
}
