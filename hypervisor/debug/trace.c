/* SPDX-License-Identifier: MIT */
/*
 * Job:    the trace buffer: a ring of fixed records per CPU; dump them for a key, a crash or dom0.
 * Enter:  trace() anywhere, NMI excepted; trace_dump() from keys.c, panic.c; sysctl.
 * Locks:  none: each CPU writes its own ring with interrupts off; readers may see a torn record.
 * Tests:  tests/tools-tests/dom0/cases
 */
#include <hv/debug.h>
#include <hv/domain.h>
#include <hv/page_alloc.h>

bool trace_enabled;
static struct trace_ring {		/* of each CPU, since it came up */
	u64 next;			/* records ever written */
	struct parapet_trace_record rec[PARAPET_TRACE_RECORDS];
} *trace_rings[NR_CPUS];

int trace_init_cpu(unsigned int cpu)
{
	if (trace_enabled && !trace_rings[cpu])
		WRITE_ONCE(trace_rings[cpu], hv_new(struct trace_ring));
	if (!trace_enabled || trace_rings[cpu])
		return 0;
	log_warn("CPU %u: no memory for its trace\n", cpu);
	return -ENOMEM;
}

void trace_record(enum trace_event e, u64 a, u64 b)
{
	unsigned int cpu = this_cpu();
	const struct vcpu *v = current_vcpu();
	struct trace_ring *r = trace_rings[cpu];

	if (!r)
		return;
	r->rec[r->next++ % PARAPET_TRACE_RECORDS] = (struct parapet_trace_record){
		.tsc = rdtsc_now(), .event = e, .cpu = cpu, .a = a, .b = b,
		.domid = v ? v->domain->id : 0xffff, .vcpu = v ? v->id : 0,
	};
}

/* Nothing for a torn one. */
static void dump_one(const struct parapet_trace_record *r)
{
	u64 ns = tsc_to_ns(r->tsc);

#define PRINT(name, fmt) case TRC_##name: \
	printk("  %6lu.%09lu cpu%u d%uv%u " #name ": " fmt "\n", ns / 1000000000, \
	       ns % 1000000000, r->cpu, r->domid, r->vcpu, r->a, r->b); break;
	switch (r->event) { PARAPET_TRACE_EVENTS(PRINT) }
}

void trace_dump(void)
{
	u64 i, end;

	for (unsigned int cpu = 0; cpu < NR_CPUS; cpu++) {
		if (!trace_rings[cpu])
			continue;
		end = READ_ONCE(trace_rings[cpu]->next);
		i = end - min(end, 32UL);
		printk("trace of CPU %u, records %lu to %lu:\n", cpu, i, end);
		for (; i < end; i++)
			dump_one(&trace_rings[cpu]->rec[i % PARAPET_TRACE_RECORDS]);
	}
}

static long trace_read(struct parapet_sysctl_trace *t)
{
	const struct trace_ring *r = t->cpu < NR_CPUS ? READ_ONCE(trace_rings[t->cpu]) : NULL;
	u64 n, end = r ? READ_ONCE(r->next) : 0, oldest = end - min(end, (u64)PARAPET_TRACE_RECORDS);

	if (!r)
		return -ENOENT;
	t->index = max(t->index, oldest);
	for (n = 0; n < t->count && t->index + n < end; n++)
		if (copy_to_guest(_gva(t->buffer + n * sizeof(r->rec[0])),
				  &r->rec[(t->index + n) % PARAPET_TRACE_RECORDS], sizeof(r->rec[0])))
			return -EFAULT;
	t->count = n;
	t->written = READ_ONCE(r->next);
	return 0;
}

long trace_control(struct parapet_sysctl_trace *t)
{
	long rc = 0;

	if (t->op == PARAPET_TRACE_read)
		return trace_read(t);
	if (t->op > PARAPET_TRACE_on)
		return -EINVAL;
	trace_enabled = t->op;
	for (cpumask_t m = cpu_online_map; m; m &= m - 1)
		rc = trace_init_cpu(__builtin_ctzl(m)) ?: rc;
	return rc;
}
