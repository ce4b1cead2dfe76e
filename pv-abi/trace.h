/* SPDX-License-Identifier: MIT */
/*
 * pv-abi/trace.h: Parapet's trace buffers, as dom0 reads them. Nothing in here exists in Xen.
 *
 * Job:   the record, the events and what their two arguments mean, the sysctl.
 * Enter: C only. tests/tools/trace-decode reads the list of events as text.
 * Holds: new events come at the end of the list: a reader knows a record by its number.
 * Tests: tests/abi (that the names are free), tests/tools-tests
 */
#ifndef PV_ABI_TRACE_H
#define PV_ABI_TRACE_H

#include <stdint.h>

/* X(name, format of a and b) */
#define PARAPET_TRACE_EVENTS(X) \
	X(TRAP, "vector %lu rip %lx") \
	X(PAGE_FAULT, "cr2 %lx rip %lx") \
	X(SWITCH, "domid %lu vcpu %lu") \
	X(BLOCK, "domid %lu vcpu %lu") \
	X(WAKE, "domid %lu vcpu %lu") \
	X(EVTCHN, "domid %lu port %lu") \
	X(IRQ, "vector %lx irq %lu") \
	X(PROMOTE, "mfn %lx type %lu") \
	X(DEMOTE, "mfn %lx type %lu") \
	X(FLUSH, "mask %lx va %lx") \
	X(PTWR, "va %lx value %lx") \
	X(PRIVOP, "opcode %lx rip %lx") \
	X(TIMER, "now %lx deadline %lx")

struct parapet_trace_record {
	uint64_t tsc;
	uint16_t event, cpu, domid, vcpu;	/* vcpu of domid was current */
	uint64_t a, b;
};

#define PARAPET_TRACE_RECORDS	2048	/* the newest that each CPU keeps */

/* A sysctl's cmd; its u is a struct parapet_sysctl_trace. Xen answers -ENOSYS. */
#define PARAPET_SYSCTL_trace	0x50500001
#define PARAPET_TRACE_off	0
#define PARAPET_TRACE_on	1	/* -ENOMEM: some CPUs record, some do not */
#define PARAPET_TRACE_read	2	/* -ENOENT: no such CPU, or it has never recorded */

struct parapet_sysctl_trace {
	uint32_t op, cpu;
	/* IN: the first record wanted, counted from the CPU's first one; OUT: the first one copied. */
	uint64_t index;
	uint64_t buffer;	/* IN: handle of parapet_trace_record[] */
	uint64_t count;		/* IN: room for so many; OUT: so many were copied */
	/*
	 * OUT: records ever written. One of index i is whole only if i + PARAPET_TRACE_RECORDS > written:
	 * the CPU may have been writing meanwhile.
	 */
	uint64_t written;
};

#endif
