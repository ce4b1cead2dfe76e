/* SPDX-License-Identifier: MIT */
/*
 * Job:    print a domain's event channels; check the invariants E1-E3 of core/evtchn.c.
 * Enter:  debug key 'e'; debug/audit.c.
 * Locks:  none: the domain and its peers should be quiet.
 * Tests:  tests/host/test_evtchn.c
 */
#include <hv/debug.h>
#include <hv/evtchn.h>
#include <hv/irq.h>

void evtchn_dump(struct domain *d)
{
	static const char *const names[] = { "free", "unbound", "interdomain", "pirq", "virq",
					     "ipi" };
	const struct evtchn *c;
	u32 port;

	printk("d%u: %u event channels\n", d->id, d->nr_evtchns);
	for (port = 1; port < MAX_EVTCHNS; port++) {
		c = evtchn_of(d, port);
		if (!c || c->state == ECS_free)
			continue;
		printk("  %4u %-11s %u:%u vcpu %u%s%s\n", port, names[c->state], c->number,
		       c->port, c->vcpu,
		       test_bit(port, d->shared_info->evtchn_pending) ? " pending" : "",
		       test_bit(port, d->shared_info->evtchn_mask) ? " masked" : "");
	}
}

static const char *port_fault(const struct domain *d, u32 port, const struct evtchn *c)
{
	const struct evtchn *r;

	if (c->state != ECS_free && !domain_vcpu(d, c->vcpu))
		return "notifies a vcpu that does not exist";
	switch (c->state) {
	case ECS_free:
		return c->vcpu || c->peer ? "is free but not empty" : NULL;
	case ECS_interdomain:
		r = evtchn_of(c->peer, c->port);
		return !r || r->state != ECS_interdomain || r->peer != d ||
		       r->port != port ? "has a peer that is not bound to it" : NULL;
	case ECS_virq:
		return *virq_port(d, c) != port ? "is not its virq's port" : NULL;
	case ECS_pirq:
		return !d->pirq[c->number] || d->pirq[c->number]->port != port ?
		       "is not its pirq's port" : NULL;
	}
	return NULL;
}

unsigned int audit_evtchns(struct domain *d)
{
	unsigned int bad = 0, open = 0;
	const struct evtchn *c;
	const char *why;
	u32 port, i, q;

	for (port = 1; port < MAX_EVTCHNS; port++) {
		c = evtchn_of(d, port);
		why = c ? port_fault(d, port, c) : NULL;
		open += c && c->state != ECS_free;
		bad += !!why;
		if (why)
			printk("audit: d%u port %u (state %u) %s\n", d->id, port, c->state, why);
	}
	for (i = 0; i < d->max_vcpus; i++)
		for (q = 0; d->vcpu[i] && q < NR_VIRQS; q++) {
			port = d->vcpu[i]->virq_to_port[q];
			c = evtchn_of(d, port);
			if (!port || (c && c->state == ECS_virq && c->number == q))
				continue;
			printk("audit: d%uv%u virq %u: port %u is not bound\n", d->id, i, q, port);
			bad++;
		}
	if (open != d->nr_evtchns)
		printk("audit: d%u has %u open ports, not %u\n", d->id, open, d->nr_evtchns);
	return bad + (open != d->nr_evtchns);
}
