/* SPDX-License-Identifier: MIT */
/*
 * Job:    what a file with hypercall handlers needs. Contracts: hv/continue.h, hv/pv.h.
 * Tests:  tests/host/test_hypercall.c, tests/guests/multicall.c
 */
#ifndef HV_HYPERCALL_H
#define HV_HYPERCALL_H

#include <hv/continue.h>
#include <hv/pv.h>

typedef long (*hypercall_fn)(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5, u64 a6);
#define NR_HYPERCALLS 64
extern const hypercall_fn hypercall_table[NR_HYPERCALLS];	/* called by entry.S */

/* In the count of mmu_update and mmuext_op: this is a continuation, add to what was counted. */
#define MMU_UPDATE_PREEMPTED 0x80000000U

/* Copy in the argument of a sub-operation and act: what expr gives, or -EFAULT. */
#define with_arg(type, name, at, expr) \
	({ type name; copy_from_guest(&name, at, sizeof(name)) ?: (long)(expr); })

extern char hv_cmdline[1024];		/* the hypervisor's own, for XENVER_commandline */

#endif
