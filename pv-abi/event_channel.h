/* SPDX-License-Identifier: MIT */
/*
 * pv-abi/event_channel.h: event_channel_op(cmd, struct *).
 *
 * Job:   ports that carry one pending bit each: between domains, from virtual and from physical
 *        interrupts.
 * Enter: C only. DOMID_SELF is allowed wherever a domain id is asked for.
 * Holds: A1 Parapet has the 2-level ABI (shared_info); the FIFO calls get ENOSYS, and guests then
 *        fall back.
 * Tests: tests/abi
 */
#ifndef PV_ABI_EVENT_CHANNEL_H
#define PV_ABI_EVENT_CHANNEL_H

#include "xen.h"

#define EVTCHNOP_bind_interdomain	0
#define EVTCHNOP_bind_virq		1
#define EVTCHNOP_bind_pirq		2
#define EVTCHNOP_close			3
#define EVTCHNOP_send			4
#define EVTCHNOP_status			5
#define EVTCHNOP_alloc_unbound		6
#define EVTCHNOP_bind_ipi		7
#define EVTCHNOP_bind_vcpu		8
#define EVTCHNOP_unmask			9
#define EVTCHNOP_reset			10
#define EVTCHNOP_init_control		11	/* FIFO */
#define EVTCHNOP_expand_array		12	/* FIFO */
#define EVTCHNOP_set_priority		13	/* FIFO */

#define EVTCHN_2L_NR_CHANNELS		4096

typedef uint32_t evtchn_port_t;

/* A port of dom that remote_dom may bind to. Only a privileged caller names another dom. */
struct evtchn_alloc_unbound {
	domid_t dom, remote_dom;	/* IN */
	evtchn_port_t port;		/* OUT */
};

/* Connect to remote_dom's unbound port. */
struct evtchn_bind_interdomain {
	domid_t remote_dom;		/* IN */
	evtchn_port_t remote_port;	/* IN */
	evtchn_port_t local_port;	/* OUT */
};

struct evtchn_bind_virq {
	uint32_t virq;			/* IN: VIRQ_* */
	uint32_t vcpu;			/* IN: 0 for the global ones */
	evtchn_port_t port;		/* OUT */
};

#define BIND_PIRQ__WILL_SHARE	1
struct evtchn_bind_pirq {
	uint32_t pirq;			/* IN */
	uint32_t flags;			/* IN: BIND_PIRQ__* */
	evtchn_port_t port;		/* OUT */
};

struct evtchn_bind_ipi {
	uint32_t vcpu;			/* IN */
	evtchn_port_t port;		/* OUT */
};

struct evtchn_close {
	evtchn_port_t port;		/* IN */
};

struct evtchn_send {
	evtchn_port_t port;		/* IN */
};

#define EVTCHNSTAT_closed	0
#define EVTCHNSTAT_unbound	1
#define EVTCHNSTAT_interdomain	2
#define EVTCHNSTAT_pirq		3
#define EVTCHNSTAT_virq		4
#define EVTCHNSTAT_ipi		5
struct evtchn_status {
	domid_t dom;			/* IN */
	evtchn_port_t port;		/* IN */
	uint32_t status;		/* OUT: EVTCHNSTAT_* */
	uint32_t vcpu;			/* OUT: notified vCPU */
	union {				/* OUT: by status */
		struct {
			domid_t dom;
		} unbound;
		struct {
			domid_t dom;
			evtchn_port_t port;
		} interdomain;
		uint32_t pirq;
		uint32_t virq;
	} u;
};

/* Choose the vCPU that a port notifies. Not for IPIs and per-vCPU VIRQs. */
struct evtchn_bind_vcpu {
	evtchn_port_t port;		/* IN */
	uint32_t vcpu;			/* IN */
};

struct evtchn_unmask {
	evtchn_port_t port;		/* IN */
};

/* Close all ports of dom. */
struct evtchn_reset {
	domid_t dom;			/* IN */
};

struct evtchn_init_control {
	uint64_t control_gfn;		/* IN */
	uint32_t offset;		/* IN */
	uint32_t vcpu;			/* IN */
	uint8_t link_bits;		/* OUT */
	uint8_t _pad[7];
};

struct evtchn_expand_array {
	uint64_t array_gfn;		/* IN */
};

struct evtchn_set_priority {
	evtchn_port_t port;		/* IN */
	uint32_t priority;		/* IN */
};

#endif
