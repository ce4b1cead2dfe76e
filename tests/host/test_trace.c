/* SPDX-License-Identifier: MIT */
/*
 * Claims about debug/trace.c, as dom0 sees it by sysctl: only the privileged domain reads; records are
 * in order; of what was overwritten nothing is handed out; nothing is written when it is off.
 *
 * Tests: debug/trace.c, control/sysctl.c
 */
#include "world.h"
#include <pv-abi/sysctl.h>
#include <hv/debug.h>

#define ROOM 64

static struct xen_sysctl op;
static struct parapet_sysctl_trace *const t = (void *)&op.u;
static struct parapet_trace_record *rec;

static long trace_op(u32 what, u32 cpu, u64 index, u64 count)
{
	u64 g;
	long rc;

	*t = (struct parapet_sysctl_trace){ .op = what, .cpu = cpu, .index = index, .count = count,
		.buffer = host_arg(NULL, ROOM * sizeof(*rec)) };
	rec = host_arg_ptr(t->buffer);
	op.cmd = PARAPET_SYSCTL_trace;
	op.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
	g = host_arg(&op, sizeof(op));
	rc = do_sysctl(g, 0, 0, 0, 0, 0);
	memcpy(&op, host_arg_ptr(g), sizeof(op));
	return rc;
}

static void read_back(void **state)
{
	struct domain *dom0, *dom1;

	world_begin(4096, 1);
	dom0 = world_domain(0, 1);
	dom1 = world_domain(1, 1);
	world_run(dom1->vcpu[0]);
	assert_int_equal(trace_op(PARAPET_TRACE_on, 0, 0, 0), -EPERM);
	assert_false(trace_enabled);
	world_run(dom0->vcpu[0]);
	assert_int_equal(trace_op(PARAPET_TRACE_read, 0, 0, ROOM), -ENOENT);
	assert_int_equal(trace_op(7, 0, 0, 0), -EINVAL);
	assert_int_equal(trace_op(PARAPET_TRACE_on, 0, 0, 0), 0);
	for (u64 i = 0; i < 10; i++)
		trace(EVTCHN, i, 100 + i);
	assert_int_equal(trace_op(PARAPET_TRACE_read, 0, 0, ROOM), 0);
	assert_int_equal(t->index, 0);
	assert_int_equal(t->count, 10);
	assert_int_equal(t->written, 10);
	for (u64 i = 0; i < 10; i++) {
		assert_int_equal(rec[i].event, TRC_EVTCHN);
		assert_int_equal(rec[i].domid, 0);
		assert_int_equal(rec[i].a, i);
		assert_int_equal(rec[i].b, 100 + i);
	}
	/* a part; nothing; what is not there yet; no such CPU */
	assert_int_equal(trace_op(PARAPET_TRACE_read, 0, 7, 2), 0);
	assert_int_equal(t->count, 2);
	assert_int_equal(rec[0].a, 7);
	assert_int_equal(trace_op(PARAPET_TRACE_read, 0, 10, ROOM), 0);
	assert_int_equal(t->count, 0);
	assert_int_equal(trace_op(PARAPET_TRACE_read, 0, ~0UL, ROOM), 0);
	assert_int_equal(t->count, 0);
	assert_int_equal(trace_op(PARAPET_TRACE_read, NR_CPUS, 0, ROOM), -ENOENT);
	assert_int_equal(trace_op(PARAPET_TRACE_read, ~0U, 0, ROOM), -ENOENT);
	/* the ring has gone round: the oldest that is there comes first */
	for (u64 i = 10; i < 3000; i++)
		trace(EVTCHN, i, 0);
	assert_int_equal(trace_op(PARAPET_TRACE_read, 0, 5, ROOM), 0);
	assert_int_equal(t->index, 3000 - PARAPET_TRACE_RECORDS);
	assert_int_equal(t->count, ROOM);
	assert_int_equal(rec[0].a, t->index);
	assert_int_equal(rec[ROOM - 1].a, t->index + ROOM - 1);
	/* off: what there is stays, and nothing is added */
	assert_int_equal(trace_op(PARAPET_TRACE_off, 0, 0, 0), 0);
	trace(EVTCHN, 1, 1);
	assert_int_equal(trace_op(PARAPET_TRACE_read, 0, 2999, ROOM), 0);
	assert_int_equal(t->count, 1);
	assert_int_equal(t->written, 3000);
	assert_int_equal(rec[0].a, 2999);
	/* no world_end(): the rings stay for good */
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(read_back) };

	return host_main(tests);
}
