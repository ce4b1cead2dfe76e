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
		printk("  %4u %-11s vcpu %u%s%s", port, names[c->state], c->vcpu,
		       test_bit(port, d->shared_info->evtchn_pending) ? " pending" : "",
		       test_bit(port, d->shared_info->evtchn_mask) ? " masked" : "");
		if (c->state == ECS_interdomain)
			printk(" d%u:%u", c->inter.dom->id, c->inter.port);
		else if (c->state == ECS_unbound)
			printk(" for d%u", c->remote);
		else if (c->state == ECS_pirq || c->state == ECS_virq)
			printk(" %u", c->virq);
		printk("\n");
	}
}

static const char *port_fault(const struct domain *d, u32 port, const struct evtchn *c)
{
	const struct evtchn *r;

	if (c->state != ECS_free && !domain_vcpu(d, c->vcpu))
		return "notifies a vcpu that does not exist";
	switch (c->state) {
	case ECS_free:
		return c->vcpu || c->inter.dom ? "is free but not empty" : NULL;
	case ECS_interdomain:
		r = evtchn_of(c->inter.dom, c->inter.port);
		return !r || r->state != ECS_interdomain || r->inter.dom != d ||
		       r->inter.port != port ? "has a peer that is not bound to it" : NULL;
	case ECS_virq:
		return *virq_port(d, c) != port ? "is not its virq's port" : NULL;
	case ECS_pirq:
		return !d->pirq[c->pirq] || d->pirq[c->pirq]->port != port ?
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
			if (!port || (c && c->state == ECS_virq && c->virq == q))
				continue;
			printk("audit: d%uv%u virq %u: port %u is not bound\n", d->id, i, q, port);
			bad++;
		}
	if (open != d->nr_evtchns)
		printk("audit: d%u has %u open ports, not %u\n", d->id, open, d->nr_evtchns);
	return bad + (open != d->nr_evtchns);
}
