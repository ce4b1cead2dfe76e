/* SPDX-License-Identifier: MIT */
/*
 * Job:    the trace buffer: a ring of fixed records per CPU; dump them for a key or a crash.
 * Enter:  trace() anywhere, NMI excepted; trace_dump() from keys.c and panic.c.
 * Locks:  none: each CPU writes its own ring with interrupts off; readers may see a torn record.
 * Holds:  TR1  a record is 32 bytes; its layout is what tests/tools/trace-decode knows.
 * Tests:  none of its own; tests/tools/trace-decode reads it
 */
#include <hv/debug.h>
#include <hv/domain.h>
#include <hv/page_alloc.h>

#define TRACE_RECORDS 2048

bool trace_enabled;
static struct trace_ring {		/* of each CPU, since it came up */
	u64 next;			/* records ever written */
	struct trace_record {
		u64 tsc;
		u16 event, cpu, domid, vcpu;
		u64 a, b;
	} rec[TRACE_RECORDS];
} *trace_rings[NR_CPUS];
_Static_assert(sizeof(struct trace_record) == 32, "the decoder relies on it");

static const struct { const char *name, *fmt; } events[] = {
#define TRACE_EVENT(name, fmt) { #name, fmt },
#include <hv/trace-events.def>
#undef TRACE_EVENT
};

int trace_init_cpu(unsigned int cpu)
{
	if (trace_enabled && !trace_rings[cpu])
		WRITE_ONCE(trace_rings[cpu], hv_new(struct trace_ring));
	return trace_enabled && !trace_rings[cpu] ? -ENOMEM : 0;
}

void trace_record(enum trace_event e, u64 a, u64 b)
{
	unsigned int cpu = this_cpu();
	const struct vcpu *v = current_vcpu();
	struct trace_ring *r = trace_rings[cpu];

	if (!r)
		return;
	r->rec[r->next++ % TRACE_RECORDS] = (struct trace_record){
		.tsc = rdtsc_now(), .event = e, .cpu = cpu, .a = a, .b = b,
		.domid = v ? v->domain->id : 0xffff, .vcpu = v ? v->id : 0,
	};
}

static void dump_one(const struct trace_record *r)
{
	u64 ns = tsc_to_ns(r->tsc);
	char text[96];

	if (r->event >= NR_TRACE_EVENTS)	/* torn */
		return;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(text, sizeof(text), events[r->event].fmt, r->a, r->b);
#pragma GCC diagnostic pop
	printk("  %6lu.%09lu cpu%u d%uv%u %s: %s\n", ns / 1000000000, ns % 1000000000, r->cpu,
	       r->domid, r->vcpu, events[r->event].name, text);
}

void trace_dump(unsigned int nr)
{
	u64 i, end;

	nr = min(nr, (unsigned int)TRACE_RECORDS);
	for (unsigned int cpu = 0; cpu < NR_CPUS; cpu++) {
		if (!trace_rings[cpu])
			continue;
		end = READ_ONCE(trace_rings[cpu]->next);
		i = end > nr ? end - nr : 0;
		printk("trace of CPU %u, records %lu to %lu:\n", cpu, i, end);
		for (; i < end; i++)
			dump_one(&trace_rings[cpu]->rec[i % TRACE_RECORDS]);
	}
}
