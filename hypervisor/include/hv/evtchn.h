/* SPDX-License-Identifier: MIT */
/*
 * Job:    event channels, the interrupt lines of the paravirtual machine (2-level ABI).
 * Tests:  tests/host/test_evtchn.c, tests/guests/evtchn.c
 */
#ifndef HV_EVTCHN_H
#define HV_EVTCHN_H

#include <hv/domain.h>

#define MAX_EVTCHNS 4096
#define EVTCHN_BUCKET 128
/* The values are the ABI's EVTCHNSTAT_*. */
enum evtchn_state { ECS_free, ECS_unbound, ECS_interdomain, ECS_pirq, ECS_virq, ECS_ipi };
struct evtchn {
	u8 state;
	u8 turns;			/* how often in a row it was our turn when we sent */
	u16 vcpu;			/* vcpu id that is notified */
	u32 number;			/* the virq or pirq, or domid of the other end */
	u32 port;			/* interdomain: the other end */
	bool heard;			/* it has sent since we did */
	struct domain *peer;
};

int evtchn_init(struct domain *d);		/* -ENOMEM */
void evtchn_destroy(struct domain *d);		/* close all: at most 4096 ports */
void evtchn_free(struct domain *d);		/* its memory; nobody uses it any more */
void evtchn_move_pirqs(struct vcpu *v);
void evtchn_raise_virq(struct vcpu *v, u32 virq);
void evtchn_raise_global_virq(u32 virq);	/* to its handler domain: dom0 */
void evtchn_raise_pirq(struct domain *d, u32 port);
int evtchn_send(struct domain *d, u32 port);	/* -EINVAL */
int evtchn_unmask(struct domain *d, u32 port);	/* -EINVAL */
bool evtchn_is_pending(const struct domain *d, u32 port);
void evtchn_dump(struct domain *d);
unsigned int audit_evtchns(struct domain *d);

/* NULL: no such port */
static inline struct evtchn *evtchn_of(const struct domain *d, u32 port)
{
	struct evtchn *b = likely(port < MAX_EVTCHNS) ? d->evtchn[port / EVTCHN_BUCKET] : NULL;

	return likely(b) ? &b[port % EVTCHN_BUCKET] : NULL;
}

/* Virqs that each vcpu has of its own; the others exist once per domain. */
static inline bool virq_is_per_vcpu(u32 virq)
{
	return virq == VIRQ_TIMER || virq == VIRQ_DEBUG || virq == VIRQ_XENOPROF ||
	       virq == VIRQ_XENPMU;
}

/* Where d notes the port of c, which is or will be bound to a virq. */
static inline u32 *virq_port(const struct domain *d, const struct evtchn *c)
{
	return &d->vcpu[virq_is_per_vcpu(c->number) ? c->vcpu : 0]->virq_to_port[c->number];
}

/* pending and unmasked events of a vcpu? (what exit work and block test) */
static inline bool vcpu_event_pending(const struct vcpu *v)
{
	return READ_ONCE(v->vcpu_info->evtchn_upcall_pending) &&
	       !READ_ONCE(v->vcpu_info->evtchn_upcall_mask);
}

#endif
