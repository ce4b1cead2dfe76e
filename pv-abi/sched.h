/* SPDX-License-Identifier: MIT */
/*
 * pv-abi/sched.h: sched_op(cmd, struct *).
 *
 * Job:   give up the CPU, wait for events, stop the domain.
 * Enter: C, and .S for the numbers.
 * Tests: tests/abi
 */
/* A hosted build with -Ipv-abi finds this file as <sched.h>: pass the C library's on too. */
#if __STDC_HOSTED__ && !defined(__ASSEMBLY__) && defined(__has_include_next)
#if __has_include_next(<sched.h>)
#include_next <sched.h>
#endif
#endif

#ifndef PV_ABI_SCHED_H
#define PV_ABI_SCHED_H

#include "xen.h"

#define SCHEDOP_yield		0	/* no argument */
#define SCHEDOP_block		1	/* no argument: unmask events, wait for one */
#define SCHEDOP_shutdown	2	/* sched_shutdown */
#define SCHEDOP_poll		3	/* sched_poll: wait for ports, events stay masked */
#define SCHEDOP_remote_shutdown	4	/* sched_remote_shutdown (toolstack) */
#define SCHEDOP_shutdown_code	5	/* sched_shutdown: note the reason, do not stop */
#define SCHEDOP_watchdog	6	/* sched_watchdog; result: id of a new one */
#define SCHEDOP_pin_override	7	/* sched_pin_override (dom0) */

#define SHUTDOWN_poweroff	0
#define SHUTDOWN_reboot		1
#define SHUTDOWN_suspend	2
#define SHUTDOWN_crash		3
#define SHUTDOWN_watchdog	4
#define SHUTDOWN_soft_reset	5
#define SHUTDOWN_MAX		5

#ifndef __ASSEMBLY__

struct sched_shutdown {
	uint32_t reason;		/* IN: SHUTDOWN_* */
};

struct sched_poll {
	uint64_t ports;			/* handle IN: evtchn_port_t[] */
	uint32_t nr_ports;		/* IN: at most 128 */
	uint64_t timeout;		/* IN: absolute system time in ns; 0 none */
};

struct sched_remote_shutdown {
	domid_t domain_id;		/* IN */
	uint32_t reason;		/* IN: SHUTDOWN_* */
};

struct sched_watchdog {
	uint32_t id;			/* IN: 0 new */
	uint32_t timeout;		/* IN: seconds; 0 stops it */
};

struct sched_pin_override {
	int32_t pcpu;			/* IN: negative ends it */
};

#endif /* !__ASSEMBLY__ */

#endif
