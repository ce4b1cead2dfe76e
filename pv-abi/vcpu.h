/* SPDX-License-Identifier: MIT */
/*
 * pv-abi/vcpu.h: vcpu_op(cmd, vcpu, struct *).
 *
 * Job:   bring vCPUs up and down, their timers, and the memory in which the hypervisor reports to
 *        them.
 * Enter: C only.
 * Tests: tests/abi
 */
#ifndef PV_ABI_VCPU_H
#define PV_ABI_VCPU_H

#include "xen.h"

#define VCPUOP_initialise			0	/* vcpu_guest_context */
#define VCPUOP_up				1
#define VCPUOP_down				2
#define VCPUOP_is_up				3	/* result: 0, 1 or -ENOENT */
#define VCPUOP_get_runstate_info		4
#define VCPUOP_register_runstate_memory_area	5
#define VCPUOP_set_periodic_timer		6
#define VCPUOP_stop_periodic_timer		7	/* own vCPU only, as 8 and 9 */
#define VCPUOP_set_singleshot_timer		8
#define VCPUOP_stop_singleshot_timer		9
#define VCPUOP_register_vcpu_info		10
#define VCPUOP_send_nmi				11
#define VCPUOP_get_physid			12
#define VCPUOP_register_vcpu_time_memory_area	13

#define RUNSTATE_running	0
#define RUNSTATE_runnable	1
#define RUNSTATE_blocked	2
#define RUNSTATE_offline	3

#define XEN_RUNSTATE_UPDATE	(1ULL << 63)	/* in state_entry_time: update under way */
struct vcpu_runstate_info {
	int32_t state;			/* OUT: RUNSTATE_* */
	uint64_t state_entry_time;	/* OUT: system time, ns */
	uint64_t time[4];		/* OUT: ns in each state */
};

struct vcpu_register_runstate_memory_area {
	union {
		uint64_t h;		/* handle: vcpu_runstate_info; 0 ends it */
		uint64_t v;
		uint64_t p;
	} addr;				/* IN */
};

struct vcpu_set_periodic_timer {
	uint64_t period_ns;		/* IN */
};

#define _VCPU_SSHOTTMR_future	(0)
#define VCPU_SSHOTTMR_future	(1U << _VCPU_SSHOTTMR_future)	/* -ETIME if it is past already */
struct vcpu_set_singleshot_timer {
	uint64_t timeout_abs_ns;	/* IN: system time */
	uint32_t flags;			/* IN: VCPU_SSHOTTMR_* */
};

/* Move vcpu_info out of shared_info. Once per vCPU. */
struct vcpu_register_vcpu_info {
	uint64_t mfn;			/* IN: gfn; for PV an mfn */
	uint32_t offset;		/* IN: in the page */
	uint32_t rsvd;
};

#define xen_vcpu_physid_to_x86_apicid(physid)	((uint32_t)(physid))
#define xen_vcpu_physid_to_x86_acpiid(physid)	((uint32_t)((physid) >> 32))
struct vcpu_get_physid {
	uint64_t phys_id;		/* OUT: ACPI id << 32 | APIC id */
};

struct vcpu_register_time_memory_area {
	union {
		uint64_t h;		/* handle: vcpu_time_info; 0 ends it */
		uint64_t v;
		uint64_t p;
	} addr;				/* IN */
};

#endif
