/* SPDX-License-Identifier: MIT */
/*
 * Event channels: the interrupt lines of the paravirtual machine.
 *
 * Job:    bind, send, mask and close ports; mark them pending. Delivery is pv/bounce.c.
 * Enter:  do_event_channel_op(); evtchn_raise_virq() and its kin, evtchn_raise_pirq().
 * State:  d->evtchn[] in buckets of 128, made when wanted and kept; the guest-visible bitmaps in
 *         shared_info are never read back as truth.
 * Locks:  d->evtchn_lock (RANK_EVTCHN); two domains: lower domid first.
 * Holds:  E1  A:p is bound to B:q  <=>  B:q is bound to A:p. A port's bond changes only with both
 *             locks held: with one of them held the other end stays what it is.
 *         E2  a FREE port has no peer, no vcpu and is not pending.
 *         E3  v->virq_to_port[q] == p  <=>  p is bound to virq q of v.
 * Tests:  tests/host/test_evtchn.c, tests/guests/evtchn.c
 * Next:   core/sched.c (vcpu_kick), pv/bounce.c (upcall), core/access.c (pirqs)
 */
#include <event_channel.h>
#include <hv/continue.h>
#include <hv/debug.h>
#include <hv/errno.h>
#include <hv/evtchn.h>
#include <hv/irq.h>
#include <hv/page_alloc.h>

#define BUCKET 128
#define NR_BUCKETS (MAX_EVTCHNS / BUCKET)

static inline struct evtchn *port_of(const struct domain *d, u32 port)
{
	struct evtchn *b;

	if (unlikely(port >= MAX_EVTCHNS))
		return NULL;
	b = d->evtchn[port / BUCKET];
	return likely(b) ? &b[port % BUCKET] : NULL;
}

struct evtchn *evtchn_of(const struct domain *d, u32 port)
{
	return d->evtchn ? port_of(d, port) : NULL;
}

/* --- marking events pending --- */

static noinline void wake_pollers(struct domain *d, u32 port)
{
	u64 m = READ_ONCE(d->poll_mask);
	struct vcpu *v;

	for (; m; m &= m - 1) {
		v = d->vcpu[__builtin_ctzl(m)];
		if (!(READ_ONCE(v->pause_flags) & VPF_polling)) {
			continue;
		} else if (v->poll_port <= 0 || (u32)v->poll_port == port) {
			atomic_and(&d->poll_mask, ~BIT(v->id));
			vcpu_unblock(v);
		}
	}
}

static inline void mark_upcall(struct vcpu *v)
{
	if (!atomic_xchg(&v->vcpu_info->evtchn_upcall_pending, 1))
		vcpu_kick(v);
}

/* d's lock held, so that the port stays bound. */
static inline void set_pending(struct domain *d, struct vcpu *v, u32 port)
{
	struct shared_info *s = d->shared_info;

	if (test_and_set_bit(port, s->evtchn_pending) || unlikely(!v))
		return;			/* no vcpu: a domain that is being built */
	trace(EVTCHN, d->id, port);
	if (!test_bit(port, s->evtchn_mask) &&
	    !test_and_set_bit(port / 64, &v->vcpu_info->evtchn_pending_sel))
		mark_upcall(v);
	if (unlikely(READ_ONCE(d->poll_mask)))
		wake_pollers(d, port);
}

bool evtchn_is_pending(const struct domain *d, u32 port)
{
	return port < MAX_EVTCHNS && test_bit(port, d->shared_info->evtchn_pending);
}

int evtchn_send(struct domain *d, u32 port)
{
	struct evtchn *c;
	struct domain *rd;
	int rc = 0;

	spin_lock(&d->evtchn_lock);
	c = port_of(d, port);
	if (likely(c && c->state == ECS_interdomain)) {
		rd = c->inter.dom;
		port = c->inter.port;
		set_pending(rd, rd->vcpu[port_of(rd, port)->vcpu], port);
	} else if (c && c->state == ECS_ipi) {
		set_pending(d, d->vcpu[c->vcpu], port);
	} else if (!c || c->state != ECS_unbound) {	/* to nobody: dropped */
		rc = refuse(-EINVAL, "send on port %u in state %u", port, c ? c->state : 0);
	}
	spin_unlock(&d->evtchn_lock);
	return rc;
}

void evtchn_raise_virq(struct vcpu *v, u32 virq)
{
	struct domain *d = v->domain;
	u32 port;

	if (!READ_ONCE(v->virq_to_port[virq]))
		return;
	spin_lock(&d->evtchn_lock);
	port = v->virq_to_port[virq];
	if (port)
		set_pending(d, d->vcpu[port_of(d, port)->vcpu], port);
	spin_unlock(&d->evtchn_lock);
}

void evtchn_raise_domain_virq(struct domain *d, u32 virq)
{
	if (d->vcpu[0])
		evtchn_raise_virq(d->vcpu[0], virq);
}

void evtchn_raise_global_virq(u32 virq)
{
	if (hardware_domain)
		evtchn_raise_domain_virq(hardware_domain, virq);
}

void evtchn_raise_pirq(struct domain *d, u32 port)
{
	struct evtchn *c;

	spin_lock(&d->evtchn_lock);
	c = port_of(d, port);
	if (c && c->state == ECS_pirq)	/* else it was closed while the interrupt was on its way */
		set_pending(d, d->vcpu[c->vcpu], port);
	spin_unlock(&d->evtchn_lock);
}

int evtchn_unmask(struct domain *d, u32 port)
{
	struct shared_info *s = d->shared_info;
	struct evtchn *c;
	struct vcpu *v;
	int rc = -EINVAL;

	spin_lock(&d->evtchn_lock);
	c = port_of(d, port);
	if (c) {
		v = d->vcpu[c->vcpu];
		if (test_and_clear_bit(port, s->evtchn_mask) && v &&
		    test_bit(port, s->evtchn_pending) &&
		    !test_and_set_bit(port / 64, &v->vcpu_info->evtchn_pending_sel))
			mark_upcall(v);
		rc = 0;
	}
	spin_unlock(&d->evtchn_lock);
	return rc;
}

/* --- ports --- */

int evtchn_init(struct domain *d)
{
	d->evtchn = hv_new_array(struct evtchn *, NR_BUCKETS);
	if (!d->evtchn)
		return -ENOMEM;
	d->evtchn[0] = hv_new_array(struct evtchn, BUCKET);
	if (!d->evtchn[0]) {
		hv_free(d->evtchn);
		d->evtchn = NULL;
		return -ENOMEM;
	}
	d->evtchn[0][0].state = ECS_reserved;
	d->evtchn_hint = 1;
	return 0;
}

/* A port that is free, not yet taken; -ENOSPC, -ENOMEM. d's lock held. */
static int free_port(struct domain *d)
{
	u32 port;

	if (d->state >= DOM_dying)
		return -EINVAL;
	for (port = d->evtchn_hint; port < MAX_EVTCHNS && port <= d->max_evtchn_port; port++) {
		if (!d->evtchn[port / BUCKET]) {
			d->evtchn[port / BUCKET] = hv_new_array(struct evtchn, BUCKET);
			if (!d->evtchn[port / BUCKET])
				return -ENOMEM;
		}
		if (port_of(d, port)->state == ECS_free) {
			d->evtchn_hint = port;
			return (int)port;
		}
	}
	d->evtchn_hint = MAX_EVTCHNS;
	return -ENOSPC;
}

static struct evtchn *take_port(struct domain *d, u32 port, enum evtchn_state state, u32 vcpu)
{
	struct evtchn *c = port_of(d, port);

	c->state = (u8)state;
	c->vcpu = (u16)vcpu;
	d->nr_evtchns++;
	d->evtchn_hint = port + 1;
	return c;
}

static void release_port(struct domain *d, u32 port)
{
	struct evtchn *c = port_of(d, port);

	*c = (struct evtchn){ .state = ECS_free };
	clear_bit(port, d->shared_info->evtchn_pending);
	d->nr_evtchns--;
	if (port < d->evtchn_hint)
		d->evtchn_hint = port;
}

static void lock_two(struct domain *a, struct domain *b)
{
	if (a == b) {
		spin_lock(&a->evtchn_lock);
		return;
	}
	spin_lock(a->id < b->id ? &a->evtchn_lock : &b->evtchn_lock);
	spin_lock_nested(a->id < b->id ? &b->evtchn_lock : &a->evtchn_lock);
}

static void unlock_two(struct domain *a, struct domain *b)
{
	spin_unlock(&a->evtchn_lock);
	if (a != b)
		spin_unlock(&b->evtchn_lock);
}

static void close_virq(struct domain *d, u32 port, u32 virq)
{
	unsigned int i;

	for (i = 0; i < d->max_vcpus; i++)
		if (d->vcpu[i] && d->vcpu[i]->virq_to_port[virq] == port)
			d->vcpu[i]->virq_to_port[virq] = 0;
}

static void close_pirq(struct domain *d, u32 n)
{
	struct pirq *p = d->pirq[n];

	irq_unbind_pirq(p);
	p->port = 0;
	if (!mfn_eq(d->pirq_eoi_mfn, INVALID_MFN))
		clear_bit(n, mfn_to_virt(d->pirq_eoi_mfn));
}

/*
 * Close a port, whatever it is bound to. -EINVAL: it is not open. With an interdomain port the
 * lock is given up to take both in order; the other domain is held meanwhile.
 */
static int close_port(struct domain *d, u32 port)
{
	struct domain *rd = d, *want;
	struct evtchn *c;

	for (;;) {
		lock_two(d, rd);
		c = port_of(d, port);
		want = c && c->state == ECS_interdomain ? c->inter.dom : rd;
		if (want == rd)
			break;
		atomic_inc(&want->refs);	/* bound, hence alive */
		unlock_two(d, rd);
		if (rd != d)
			domain_put(rd);
		rd = want;
	}
	if (!c || c->state == ECS_free || c->state == ECS_reserved) {
		unlock_two(d, rd);
		if (rd != d)
			domain_put(rd);
		return -EINVAL;
	}
	if (c->state == ECS_virq) {
		close_virq(d, port, c->virq);
	} else if (c->state == ECS_pirq) {
		close_pirq(d, c->pirq);
	} else if (c->state == ECS_interdomain) {
		struct evtchn *rc = port_of(rd, c->inter.port);

		rc->state = ECS_unbound;
		rc->unbound.remote = d->id;
	}
	release_port(d, port);
	unlock_two(d, rd);
	if (rd != d)
		domain_put(rd);
	return 0;
}

static void close_all(struct domain *d)
{
	u32 port;

	for (port = 1; port < MAX_EVTCHNS; port++)
		if (port_of(d, port) && port_of(d, port)->state != ECS_free)
			close_port(d, port);
}

void evtchn_destroy(struct domain *d)
{
	if (d->evtchn)
		close_all(d);
}

void evtchn_free(struct domain *d)
{
	unsigned int i;

	for (i = 0; d->evtchn && i < NR_BUCKETS; i++)
		hv_free(d->evtchn[i]);
	hv_free(d->evtchn);
	d->evtchn = NULL;
}

/* v runs on another CPU now: its device interrupts follow. Only a wish, so the lock is tried. */
void evtchn_move_pirqs(struct vcpu *v)
{
	struct domain *d = v->domain;
	struct pirq *p;
	unsigned int i;

	if (!d->nr_pirqs || !spin_trylock(&d->evtchn_lock))
		return;
	for (i = 0; i < NR_PIRQS; i++) {
		p = d->pirq[i];
		if (p && p->port && port_of(d, p->port)->vcpu == v->id)
			irq_set_affinity_vcpu(p, v->processor);
	}
	spin_unlock(&d->evtchn_lock);
}

/* --- the operations --- */

/* The domain that an operation names: the caller's own, or another's for the toolstack. */
static int target(domid_t id, struct domain **out)
{
	struct domain *d = current_vcpu()->domain;

	*out = d;
	if (id == DOMID_SELF || id == d->id) {
		atomic_inc(&d->refs);
		return 0;
	}
	*out = domain_get(id);
	if (!*out)
		return refuse(-ESRCH, "no domain %u", id);
	if (d->is_privileged)
		return 0;
	domain_put(*out);
	return refuse(-EPERM, "d%u may not name d%u's ports", d->id, id);
}

static long alloc_unbound(gva_t arg)
{
	struct evtchn_alloc_unbound op;
	struct domain *d;
	int port, rc;

	if (copy_from_guest(&op, arg, sizeof(op)))
		return -EFAULT;
	rc = target(op.dom, &d);
	if (rc)
		return rc;
	spin_lock(&d->evtchn_lock);
	port = free_port(d);
	if (port > 0)
		take_port(d, (u32)port, ECS_unbound, 0)->unbound.remote =
			op.remote_dom == DOMID_SELF ? current_vcpu()->domain->id : op.remote_dom;
	spin_unlock(&d->evtchn_lock);
	op.port = (u32)port;
	if (port > 0 && copy_to_guest(arg, &op, sizeof(op))) {
		close_port(d, op.port);
		port = -EFAULT;
	}
	domain_put(d);
	return port > 0 ? 0 : port;
}

static int bind_two(struct domain *ld, struct domain *rd, u32 rport)
{
	struct evtchn *lc, *rc;
	int port;

	lock_two(ld, rd);
	rc = port_of(rd, rport);
	if (!rc || rc->state != ECS_unbound || rc->unbound.remote != ld->id) {
		port = refuse(-EINVAL, "d%u port %u is not for d%u", rd->id, rport, ld->id);
	} else {
		port = free_port(ld);
	}
	if (port > 0) {
		lc = take_port(ld, (u32)port, ECS_interdomain, 0);
		lc->inter.remote = rd->id;
		lc->inter.port = rport;
		lc->inter.dom = rd;
		rc->state = ECS_interdomain;
		rc->inter.remote = ld->id;
		rc->inter.port = (u32)port;
		rc->inter.dom = ld;
		/* what the other side sent while it had no peer was lost: look once */
		set_pending(ld, ld->vcpu[0], (u32)port);
	}
	unlock_two(ld, rd);
	return port;
}

static long bind_interdomain(struct domain *ld, gva_t arg)
{
	struct evtchn_bind_interdomain op;
	struct domain *rd;
	int port;

	if (copy_from_guest(&op, arg, sizeof(op)))
		return -EFAULT;
	rd = domain_get(op.remote_dom == DOMID_SELF ? ld->id : op.remote_dom);
	if (!rd)
		return -ESRCH;
	port = bind_two(ld, rd, op.remote_port);
	domain_put(rd);
	op.local_port = (u32)port;
	if (port > 0 && copy_to_guest(arg, &op, sizeof(op))) {
		close_port(ld, op.local_port);
		return -EFAULT;
	}
	return port > 0 ? 0 : port;
}

static long bind_virq(struct domain *d, gva_t arg)
{
	struct evtchn_bind_virq op;
	struct vcpu *v;
	int port;

	if (copy_from_guest(&op, arg, sizeof(op)))
		return -EFAULT;
	if (op.virq >= NR_VIRQS || (!virq_is_per_vcpu(op.virq) && op.vcpu))
		return refuse(-EINVAL, "virq %u of vcpu %u", op.virq, op.vcpu);
	v = domain_vcpu(d, op.vcpu);
	if (!v)
		return -ENOENT;
	spin_lock(&d->evtchn_lock);
	port = v->virq_to_port[op.virq] ? -EEXIST : free_port(d);
	if (port > 0) {
		take_port(d, (u32)port, ECS_virq, op.vcpu)->virq = op.virq;
		WRITE_ONCE(v->virq_to_port[op.virq], (u32)port);
	}
	spin_unlock(&d->evtchn_lock);
	op.port = (u32)port;
	if (port > 0 && copy_to_guest(arg, &op, sizeof(op))) {
		close_port(d, op.port);
		return -EFAULT;
	}
	return port > 0 ? 0 : port;
}

static long bind_ipi(struct domain *d, gva_t arg)
{
	struct evtchn_bind_ipi op;
	int port;

	if (copy_from_guest(&op, arg, sizeof(op)))
		return -EFAULT;
	if (!domain_vcpu(d, op.vcpu))
		return -ENOENT;
	spin_lock(&d->evtchn_lock);
	port = free_port(d);
	if (port > 0)
		take_port(d, (u32)port, ECS_ipi, op.vcpu);
	spin_unlock(&d->evtchn_lock);
	op.port = (u32)port;
	if (port > 0 && copy_to_guest(arg, &op, sizeof(op))) {
		close_port(d, op.port);
		return -EFAULT;
	}
	return port > 0 ? 0 : port;
}

/* d's lock held; the pirq is mapped. */
static int bind_pirq_locked(struct domain *d, struct pirq *p, bool will_share)
{
	int port, rc;

	if (p->port)
		return -EEXIST;
	port = free_port(d);
	if (port <= 0)
		return port;
	take_port(d, (u32)port, ECS_pirq, 0)->pirq = p->pirq;
	p->port = (u32)port;	/* first: the interrupt may come at once */
	rc = irq_bind_pirq(p, will_share);
	if (rc) {
		p->port = 0;
		release_port(d, (u32)port);
		return rc;
	}
	if (d->vcpu[0])
		irq_set_affinity_vcpu(p, d->vcpu[0]->processor);
	pirq_show_eoi(d, p);
	return port;
}

static long bind_pirq(struct domain *d, gva_t arg)
{
	struct evtchn_bind_pirq op;
	int port;

	if (copy_from_guest(&op, arg, sizeof(op)))
		return -EFAULT;
	if (op.pirq >= NR_PIRQS)
		return -EINVAL;
	/* the hardware domain has every GSI under its own number without asking */
	if (d->is_hardware && op.pirq < nr_gsis && !READ_ONCE(d->pirq[op.pirq])) {
		port = pirq_map(d, (int)op.pirq, (int)op.pirq, 1);
		if (port < 0 && port != -EEXIST)
			return port;
	}
	spin_lock(&d->evtchn_lock);
	port = d->pirq[op.pirq] ? bind_pirq_locked(d, d->pirq[op.pirq],
						   op.flags & BIND_PIRQ__WILL_SHARE) : -EPERM;
	spin_unlock(&d->evtchn_lock);
	op.port = (u32)port;
	if (port > 0 && copy_to_guest(arg, &op, sizeof(op))) {
		close_port(d, op.port);
		return -EFAULT;
	}
	return port > 0 ? 0 : port;
}

static long status(gva_t arg)
{
	static const u8 abi[] = {
		[ECS_free] = EVTCHNSTAT_closed, [ECS_reserved] = EVTCHNSTAT_closed,
		[ECS_unbound] = EVTCHNSTAT_unbound, [ECS_interdomain] = EVTCHNSTAT_interdomain,
		[ECS_pirq] = EVTCHNSTAT_pirq, [ECS_virq] = EVTCHNSTAT_virq,
		[ECS_ipi] = EVTCHNSTAT_ipi,
	};
	struct evtchn_status op;
	struct domain *d;
	struct evtchn *c;
	long rc;

	if (copy_from_guest(&op, arg, sizeof(op)))
		return -EFAULT;
	rc = target(op.dom, &d);
	if (rc)
		return rc;
	spin_lock(&d->evtchn_lock);
	c = port_of(d, op.port);
	if (!c) {
		rc = -EINVAL;
	} else {
		op.status = abi[c->state];
		op.vcpu = c->vcpu;
		__builtin_memset(&op.u, 0, sizeof(op.u));
		if (c->state == ECS_unbound) {
			op.u.unbound.dom = c->unbound.remote;
		} else if (c->state == ECS_interdomain) {
			op.u.interdomain.dom = c->inter.remote;
			op.u.interdomain.port = c->inter.port;
		} else if (c->state == ECS_pirq) {
			op.u.pirq = c->pirq;
		} else if (c->state == ECS_virq) {
			op.u.virq = c->virq;
		}
	}
	spin_unlock(&d->evtchn_lock);
	domain_put(d);
	return rc ?: copy_to_guest(arg, &op, sizeof(op));
}

static long bind_vcpu(struct domain *d, gva_t arg)
{
	struct evtchn_bind_vcpu op;
	struct evtchn *c;
	struct vcpu *v;
	long rc = 0;

	if (copy_from_guest(&op, arg, sizeof(op)))
		return -EFAULT;
	v = domain_vcpu(d, op.vcpu);
	if (!v)
		return -ENOENT;
	spin_lock(&d->evtchn_lock);
	c = port_of(d, op.port);
	if (!c || !(c->state == ECS_unbound || c->state == ECS_interdomain ||
		    c->state == ECS_pirq || (c->state == ECS_virq && !virq_is_per_vcpu(c->virq)))) {
		rc = refuse(-EINVAL, "port %u cannot change its vcpu", op.port);
	} else {
		c->vcpu = (u16)op.vcpu;
		if (c->state == ECS_pirq)
			irq_set_affinity_vcpu(d->pirq[c->pirq], v->processor);
	}
	spin_unlock(&d->evtchn_lock);
	return rc;
}

static long reset(gva_t arg)
{
	struct evtchn_reset op;
	struct domain *d;
	long rc;

	if (copy_from_guest(&op, arg, sizeof(op)))
		return -EFAULT;
	rc = target(op.dom, &d);
	if (rc)
		return rc;
	if (d != current_vcpu()->domain && !d->pause_count)
		rc = -EINVAL;
	else
		close_all(d);
	domain_put(d);
	return rc;
}

/* One-word arguments: close, send, unmask. */
static int get_port(gva_t arg, u32 *port)
{
	return copy_from_guest(port, arg, sizeof(*port));
}

HYPERCALL(event_channel_op)
{
	struct domain *d = current_vcpu()->domain;
	gva_t arg = _gva(a2);
	u32 port;

	switch (a1) {
	case EVTCHNOP_send:
		return unlikely(get_port(arg, &port)) ? -EFAULT : evtchn_send(d, port);
	case EVTCHNOP_unmask:
		return get_port(arg, &port) ? -EFAULT : evtchn_unmask(d, port);
	case EVTCHNOP_alloc_unbound:
		return alloc_unbound(arg);
	case EVTCHNOP_bind_interdomain:
		return bind_interdomain(d, arg);
	case EVTCHNOP_bind_virq:
		return bind_virq(d, arg);
	case EVTCHNOP_bind_ipi:
		return bind_ipi(d, arg);
	case EVTCHNOP_bind_pirq:
		return bind_pirq(d, arg);
	case EVTCHNOP_close:
		return get_port(arg, &port) ? -EFAULT : close_port(d, port);
	case EVTCHNOP_status:
		return status(arg);
	case EVTCHNOP_bind_vcpu:
		return bind_vcpu(d, arg);
	case EVTCHNOP_reset:
		return reset(arg);
	}
	return refuse(-ENOSYS, "event_channel_op %lu", a1);	/* FIFO: the guest uses 2 levels */
}
