/* SPDX-License-Identifier: MIT */
/*
 * parapet trace
 *
 * Job:    switch the hypervisor's recording on and off; print what its CPUs have recorded.
 * Enter:  the table of commands.
 * State:  none.
 * Tests:  tests/tools-tests
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pv-abi/trace.h>
#include "cmd.h"

#define MAX_CPUS 64

typedef struct parapet_trace_record record;

#define EVENT(name, fmt) { #name, fmt },
static const struct { const char *name, *fmt; } events[] = { PARAPET_TRACE_EVENTS(EVENT) };
#define NR_EVENTS (sizeof(events) / sizeof(events[0]))

static int trace_op(struct parapet_sysctl_trace *t)
{
	struct xen_sysctl op = { 0 };
	int rc;

	_Static_assert(sizeof(*t) <= sizeof(op.u), "it is one of the sysctls");
	memcpy(&op.u, t, sizeof(*t));
	rc = hv_sysctl(PARAPET_SYSCTL_trace, &op);
	memcpy(t, &op.u, sizeof(*t));
	return rc;
}

static int refused(void)
{
	if (errno == ENOSYS)
		return err(ST_FAILED, "the hypervisor keeps no trace that these tools know");
	if (errno == ENOMEM)
		return err(ST_NO_MEMORY, "the hypervisor has no memory for the trace of some CPU");
	return err(ST_FAILED, "the trace was refused: %s", strerror(errno));
}

/* Behind what is in all[]: the whole records of one CPU. How many there are then; 0 more if it has none. */
static size_t read_cpu(uint32_t cpu, record *buf, record *all, size_t n)
{
	struct parapet_sysctl_trace t = { .op = PARAPET_TRACE_read, .cpu = cpu, .buffer = hv_handle(buf),
					  .count = PARAPET_TRACE_RECORDS };

	if (trace_op(&t)) {
		if (errno != ENOENT)
			refused();
		return n;
	}
	for (uint64_t i = 0; i < t.count && i < PARAPET_TRACE_RECORDS; i++)
		if (t.index + i + PARAPET_TRACE_RECORDS > t.written && buf[i].event < NR_EVENTS)
			all[n++] = buf[i];
	return n;
}

static int by_time(const void *a, const void *b)
{
	const record *x = a, *y = b;

	return x->tsc < y->tsc ? -1 : x->tsc > y->tsc;
}

static void print_record(struct json *j, const record *r, uint64_t ns)
{
	char text[128];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(text, sizeof(text), events[r->event].fmt, r->a, r->b);
#pragma GCC diagnostic pop
	if (!want_json) {
		printf("%12.3f cpu%u d%uv%u %-10s %s\n", (double)ns / 1000, r->cpu, r->domid, r->vcpu,
		       events[r->event].name, text);
		return;
	}
	json_open(j, NULL, '{');
	json_number(j, "time_ns", ns);
	json_number(j, "cpu", r->cpu);
	json_number(j, "domid", r->domid);
	json_number(j, "vcpu", r->vcpu);
	json_text(j, "event", events[r->event].name);
	json_text(j, "text", text);
	json_close(j, '}');
}

static int print_all(unsigned long last)
{
	size_t size = PARAPET_TRACE_RECORDS * sizeof(record), n = 0;
	record *buf = hv_buf(size), *all = malloc(MAX_CPUS * size);
	struct json j = { .out = stdout };
	struct xen_sysctl op = { 0 };
	uint64_t khz;

	if (!buf || !all)
		err(ST_NO_MEMORY, "no memory for the trace");
	else if (hv_sysctl(XEN_SYSCTL_physinfo, &op))
		err(ST_FAILED, "asking for the machine was refused: %s", strerror(errno));
	khz = op.u.physinfo.cpu_khz ? op.u.physinfo.cpu_khz : 1;
	for (uint32_t cpu = 0; !err_text() && cpu < MAX_CPUS; cpu++)
		n = read_cpu(cpu, buf, all, n);
	if (!err_text()) {
		qsort(all, n, sizeof(*all), by_time);
		if (want_json)
			json_open(&j, NULL, '[');
		for (size_t i = n > last ? n - last : 0; i < n; i++)
			print_record(&j, &all[i], (uint64_t)((unsigned __int128)all[i].tsc * 1000000 / khz));
		if (want_json)
			json_close(&j, ']');
	}
	hv_buf_free(buf);
	free(all);
	return err_text() ? -1 : 0;
}

int cmd_trace(int argc, char **argv)
{
	struct parapet_sysctl_trace t = { .op = PARAPET_TRACE_on };
	struct json j = { .out = stdout };
	unsigned long last = MAX_CPUS * PARAPET_TRACE_RECORDS;

	if (opt_value("last") && parse_number(opt_value("last"), "records", 1, last, &last))
		return -1;
	if (hv_open())
		return -1;
	if (!argc)
		return print_all(last);
	if (!strcmp(argv[0], "off"))
		t.op = PARAPET_TRACE_off;
	else if (strcmp(argv[0], "on"))
		return err(ST_USAGE, "%s: on or off", argv[0]);
	if (trace_op(&t))
		return refused();
	if (want_json) {
		json_open(&j, NULL, '{');
		json_bool(&j, "on", t.op == PARAPET_TRACE_on);
		json_close(&j, '}');
	}
	return 0;
}
