/* SPDX-License-Identifier: MIT */
/*
 * Job:    event channels: bind, send, mask and close ports; mark them pending. Delivery is
 *         pv/bounce.c.
 * Enter:  do_event_channel_op(); evtchn_raise_*(); debug key 'e', debug/audit.c.
 * State:  d->evtchn[] in buckets of 128, made when wanted and kept; the guest-visible bitmaps in
 *         shared_info are never read back as truth.
 * Locks:  d->evtchn_lock (RANK_EVTCHN).
 * Holds:  E1  A:p is bound to B:q  <=>  B:q is bound to A:p. A port's bond changes only with both
 *             locks held: with one of them held the other end stays what it is.
 *         E2  a FREE port has no peer, no vcpu and is not pending.
 *         E3  v->virq_to_port[q] == p  <=>  p is bound to virq q of v.
 * Tests:  tests/host/test_{evtchn,handover}.c, tests/guests/evtchn.c
 */
#include <event_channel.h>
#include <hv/continue.h>
#include <hv/debug.h>
#include <hv/evtchn.h>
#include <hv/irq.h>
#include <hv/page_alloc.h>

#define NR_BUCKETS (MAX_EVTCHNS / EVTCHN_BUCKET)

/* --- marking events pending --- */

static noinline void wake_pollers(struct domain *d, u32 port)
{
	u64 m = READ_ONCE(d->poll_mask);
	struct vcpu *v;

	for (; m; m &= m - 1) {
		v = d->vcpu[__builtin_ctzl(m)];
		if ((READ_ONCE(v->pause_flags) & VPF_polling) &&
		    (v->poll_port <= 0 || (u32)v->poll_port == port)) {
			atomic_and(&d->poll_mask, ~BIT(v->id));
			vcpu_unblock(v);
		}
	}
}

/* An event of v's is pending and not masked. */
static inline void notify(struct vcpu *v, u32 port)
{
	if (!test_and_set_bit(port / 64, &v->vcpu_info->evtchn_pending_sel) &&
	    !atomic_xchg(&v->vcpu_info->evtchn_upcall_pending, 1))
		vcpu_kick(v);
}

/* d's lock held, so that the port stays bound. */
static inline void set_pending(struct domain *d, struct vcpu *v, u32 port)
{
	struct shared_info *s = d->shared_info;

	if (test_and_set_bit(port, s->evtchn_pending) || unlikely(!v))
		return;			/* no vcpu: a domain that is being built */
	trace(EVTCHN, d->id, port);
	if (!test_bit(port, s->evtchn_mask))
		notify(v, port);
	if (unlikely(READ_ONCE(d->poll_mask)))
		wake_pollers(d, port);
}

bool evtchn_is_pending(const struct domain *d, u32 port)
{
	return port < MAX_EVTCHNS && test_bit(port, d->shared_info->evtchn_pending);
}

/*
 * c has sent. Two that send in turns, 16 times so far, seem to wait for each other's answers: the CPU goes with the
 * event, unless they are seen not to wait. To see that, c is let go on at two of 32 turns: at the first to finish what
 * it had begun, at the second to be measured. Hints only, so without the lock of the other end.
 */
static inline void converse(struct evtchn *c, struct evtchn *other, struct vcpu *v)
{
	WRITE_ONCE(other->heard, true);
	c->turns = !READ_ONCE(c->heard) ? 0 : c->turns < 47 ? c->turns + 1 : 16;
	WRITE_ONCE(c->heard, false);
	if (c->turns > 16)
		sched_hand_over(v, c->turns == 17);
}

int evtchn_send(struct domain *d, u32 port)
{
	struct evtchn *c, *other;
	struct domain *rd;
	int rc = 0;

	spin_lock(&d->evtchn_lock);
	c = evtchn_of(d, port);
	if (likely(c && c->state == ECS_interdomain)) {
		rd = c->peer;
		port = c->port;
		other = evtchn_of(rd, port);
		current_vcpu()->sched.sends = true;
		set_pending(rd, rd->vcpu[other->vcpu], port);
		current_vcpu()->sched.sends = false;
		converse(c, other, rd->vcpu[other->vcpu]);
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
		set_pending(d, d->vcpu[evtchn_of(d, port)->vcpu], port);
	spin_unlock(&d->evtchn_lock);
}

void evtchn_raise_global_virq(u32 virq)
{
	if (hardware_domain && hardware_domain->vcpu[0])
		evtchn_raise_virq(hardware_domain->vcpu[0], virq);
}

void evtchn_raise_pirq(struct domain *d, u32 port)
{
	struct evtchn *c;

	spin_lock(&d->evtchn_lock);
	c = evtchn_of(d, port);
	if (c && c->state == ECS_pirq)	/* else it was closed while the interrupt was on its way */
		set_pending(d, d->vcpu[c->vcpu], port);
	spin_unlock(&d->evtchn_lock);
}

int evtchn_unmask(struct domain *d, u32 port)
{
	struct shared_info *s = d->shared_info;
	struct evtchn *c;

	spin_lock(&d->evtchn_lock);
	c = evtchn_of(d, port);
	if (c && test_and_clear_bit(port, s->evtchn_mask) && test_bit(port, s->evtchn_pending) &&
	    d->vcpu[c->vcpu])
		notify(d->vcpu[c->vcpu], port);
	spin_unlock(&d->evtchn_lock);
	return c ? 0 : -EINVAL;
}

int evtchn_init(struct domain *d)
{
	d->evtchn_hint = 1;		/* port 0 is nobody's */
	d->evtchn = hv_new_array(struct evtchn *, NR_BUCKETS);
	if (d->evtchn)
		d->evtchn[0] = hv_new_array(struct evtchn, EVTCHN_BUCKET);
	return d->evtchn && d->evtchn[0] ? 0 : -ENOMEM;
}

/* The number of a port that was free and is c now; -ENOSPC, -ENOMEM. d's lock held. */
static int open_port(struct domain *d, struct evtchn c)
{
	struct evtchn **b;
	u32 port;

	if (d->state >= DOM_dying)
		return -EINVAL;
	for (port = d->evtchn_hint; port < MAX_EVTCHNS && port <= d->max_evtchn_port; port++) {
		b = &d->evtchn[port / EVTCHN_BUCKET];
		if (!*b)
			*b = hv_new_array(struct evtchn, EVTCHN_BUCKET);
		if (!*b)
			return -ENOMEM;
		if (evtchn_of(d, port)->state == ECS_free)
			break;
	}
	d->evtchn_hint = port;
	if (port == MAX_EVTCHNS || port > d->max_evtchn_port)
		return -ENOSPC;
	*evtchn_of(d, port) = c;
	d->evtchn_hint++;
	d->nr_evtchns++;
	return (int)port;
}

static void release_port(struct domain *d, u32 port)
{
	*evtchn_of(d, port) = (struct evtchn){ .state = ECS_free };
	clear_bit(port, d->shared_info->evtchn_pending);
	d->nr_evtchns--;
	d->evtchn_hint = min(d->evtchn_hint, port);
}

/* What c is bound to forgets it. The locks of d and, for an interdomain port, the peer are held. */
static void unbind(struct domain *d, const struct evtchn *c)
{
	struct evtchn *r;
	struct pirq *p;

	switch (c->state) {
	case ECS_interdomain:
		r = evtchn_of(c->peer, c->port);
		/* nothing of this conversation is left, but its number: d may bind it again */
		*r = (struct evtchn){ .state = ECS_unbound, .vcpu = r->vcpu, .number = r->number };
		break;
	case ECS_virq:
		*virq_port(d, c) = 0;
		break;
	case ECS_pirq:
		p = d->pirq[c->number];
		irq_unbind_pirq(p);
		p->port = 0;
		if (!mfn_eq(d->pirq_eoi_mfn, INVALID_MFN))
			clear_bit(p->pirq, mfn_to_virt(d->pirq_eoi_mfn));
	}
}

/*
 * Close a port, whatever it is bound to. -EINVAL: it is not open. With an interdomain port the
 * lock is given up to take both in order; the other domain (rd) is held meanwhile.
 */
static int close_port(struct domain *d, u32 port)
{
	struct domain *rd = d, *peer;
	struct evtchn *c;
	bool open;

	atomic_inc(&rd->refs);
	for (;;) {
		spin_lock_two(&d->evtchn_lock, &rd->evtchn_lock);
		c = evtchn_of(d, port);
		if (!c || c->state != ECS_interdomain || c->peer == rd)
			break;
		peer = c->peer;
		atomic_inc(&peer->refs);	/* bound, hence alive */
		spin_unlock_two(&d->evtchn_lock, &rd->evtchn_lock);
		domain_put(rd);
		rd = peer;
	}
	open = c && c->state != ECS_free;
	if (open) {
		unbind(d, c);
		release_port(d, port);
	}
	spin_unlock_two(&d->evtchn_lock, &rd->evtchn_lock);
	domain_put(rd);
	return open ? 0 : -EINVAL;
}

void evtchn_destroy(struct domain *d)
{
	const struct evtchn *c;

	for (u32 port = 1; port < MAX_EVTCHNS; port++) {
		c = evtchn_of(d, port);
		if (c && c->state != ECS_free)
			close_port(d, port);
	}
}

void evtchn_free(struct domain *d)
{
	for (unsigned int i = 0; d->evtchn && i < NR_BUCKETS; i++)
		hv_free(d->evtchn[i]);
	hv_free(d->evtchn);
	d->evtchn = NULL;
}

/* v runs on another CPU now: its device interrupts follow. Only a wish, so the lock is tried. */
void evtchn_move_pirqs(struct vcpu *v)
{
	struct domain *d = v->domain;
	struct pirq *p;

	if (!d->nr_pirqs || !spin_trylock(&d->evtchn_lock))
		return;
	for (unsigned int i = 0; i < NR_PIRQS; i++) {
		p = d->pirq[i];
		if (p && p->port && evtchn_of(d, p->port)->vcpu == v->id)
			irq_set_affinity_vcpu(p, v->processor);
	}
	spin_unlock(&d->evtchn_lock);
}

/* --- the operations; those that open a port return its number --- */

union evtchn_op {
	struct evtchn_bind_interdomain interdomain;
	struct evtchn_bind_virq virq;
	struct evtchn_bind_pirq pirq;
	struct evtchn_bind_ipi ipi;
	struct evtchn_bind_vcpu vcpu;
	struct evtchn_alloc_unbound alloc;
	struct evtchn_status status;
	struct evtchn_close close;
	struct evtchn_reset reset;
};

static long alloc_unbound(struct domain *d, union evtchn_op *op)
{
	domid_t remote = op->alloc.remote_dom;

	if (remote == DOMID_SELF)
		remote = current_vcpu()->domain->id;
	return open_port(d, (struct evtchn){ .state = ECS_unbound, .number = remote });
}

static long bind_ipi(struct domain *d, union evtchn_op *op)
{
	if (!domain_vcpu(d, op->ipi.vcpu))
		return -ENOENT;
	return open_port(d, (struct evtchn){ .state = ECS_ipi, .vcpu = (u16)op->ipi.vcpu });
}

static long bind_interdomain(struct domain *ld, union evtchn_op *op)
{
	domid_t id = op->interdomain.remote_dom;
	u32 remote_port = op->interdomain.remote_port;
	struct domain *rd = domain_get(id == DOMID_SELF ? ld->id : id);
	struct evtchn *rc;
	int port;

	if (!rd)
		return -ESRCH;
	spin_lock_two(&ld->evtchn_lock, &rd->evtchn_lock);
	rc = evtchn_of(rd, remote_port);
	if (!rc || rc->state != ECS_unbound || rc->number != ld->id)
		port = refuse(-EINVAL, "d%u port %u is not for d%u", rd->id, remote_port, ld->id);
	else
		port = open_port(ld, (struct evtchn){ .state = ECS_interdomain, .number = rd->id,
						      .port = remote_port, .peer = rd });
	if (port > 0) {
		rc->state = ECS_interdomain;
		rc->peer = ld;
		rc->port = (u32)port;
		/* what the other side sent while it had no peer was lost: look once */
		set_pending(ld, ld->vcpu[0], (u32)port);
	}
	spin_unlock_two(&ld->evtchn_lock, &rd->evtchn_lock);
	domain_put(rd);
	return port;
}

static long bind_virq(struct domain *d, union evtchn_op *op)
{
	u32 virq = op->virq.virq, vcpu = op->virq.vcpu;
	struct evtchn c = { .state = ECS_virq, .vcpu = (u16)vcpu, .number = virq };
	int port;

	if (virq >= NR_VIRQS || (!virq_is_per_vcpu(virq) && vcpu))
		return refuse(-EINVAL, "virq %u of vcpu %u", virq, vcpu);
	if (!domain_vcpu(d, vcpu))
		return -ENOENT;
	port = *virq_port(d, &c) ? -EEXIST : open_port(d, c);
	if (port > 0)
		WRITE_ONCE(*virq_port(d, &c), (u32)port);
	return port;
}

static long bind_pirq(struct domain *d, union evtchn_op *op)
{
	u32 pirq = op->pirq.pirq;
	struct pirq *p = pirq < NR_PIRQS ? d->pirq[pirq] : NULL;
	int port, rc;

	if (!p || p->port)
		return pirq >= NR_PIRQS ? -EINVAL : p ? -EEXIST : -EPERM;
	port = open_port(d, (struct evtchn){ .state = ECS_pirq, .number = pirq });
	if (port <= 0)
		return port;
	p->port = (u32)port;	/* first: the interrupt may come at once */
	rc = irq_bind_pirq(p, op->pirq.flags & BIND_PIRQ__WILL_SHARE);
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

static long status(struct domain *d, union evtchn_op *op)
{
	const struct evtchn *c = evtchn_of(d, op->status.port);

	if (!c)
		return -EINVAL;
	op->status.status = c->state;
	op->status.vcpu = c->vcpu;
	op->status.u.virq = c->number;		/* the same place as pirq and dom */
	op->status.u.interdomain.port = c->port;
	return 0;
}

static long bind_vcpu(struct domain *d, union evtchn_op *op)
{
	const struct vcpu *v = domain_vcpu(d, op->vcpu.vcpu);
	struct evtchn *c = evtchn_of(d, op->vcpu.port);

	if (!v)
		return -ENOENT;
	if (!c || c->state == ECS_free || c->state == ECS_ipi ||
	    (c->state == ECS_virq && virq_is_per_vcpu(c->number)))
		return refuse(-EINVAL, "port %u cannot change its vcpu", op->vcpu.port);
	c->vcpu = v->id;
	if (c->state == ECS_pirq)
		irq_set_affinity_vcpu(d->pirq[c->number], v->processor);
	return 0;
}

static long close_one(struct domain *d, union evtchn_op *op)
{
	return close_port(d, op->close.port);
}

static long reset(struct domain *d, union evtchn_op *op)
{
	if (d != current_vcpu()->domain && !d->pause_count)
		return -EINVAL;
	evtchn_destroy(d);
	return 0;
}

/* All but send and unmask. The caller's own domain, or another's for the toolstack. */
static noinline long other_op(u64 cmd, gva_t arg)
{
#define OP(op, fn, ...) [EVTCHNOP_##op] = { fn, sizeof(struct evtchn_##op), __VA_ARGS__ }
#define OPENS(op, fn, port, ...) OP(op, fn, offsetof(struct evtchn_##op, port), __VA_ARGS__)
	static const struct {
		long (*fn)(struct domain *d, union evtchn_op *op);
		u8 size, port_at;
		bool locks;		/* for itself */
	} ops[] = {
		OP(bind_vcpu, bind_vcpu), OP(status, status),
		OP(close, close_one, 0, true), OP(reset, reset, 0, true),
		OPENS(bind_interdomain, bind_interdomain, local_port, true),
		OPENS(alloc_unbound, alloc_unbound, port), OPENS(bind_virq, bind_virq, port),
		OPENS(bind_pirq, bind_pirq, port), OPENS(bind_ipi, bind_ipi, port),
	};
	domid_t dom = DOMID_SELF;
	union evtchn_op op;
	struct domain *d;
	u32 port;
	long rc;

	if (cmd >= ARRAY_SIZE(ops) || !ops[cmd].fn)		/* FIFO: the guest uses 2 levels */
		return refuse(-ENOSYS, "event_channel_op %lu", cmd);
	if (copy_from_guest(&op, arg, ops[cmd].size))
		return -EFAULT;
	if (cmd == EVTCHNOP_alloc_unbound || cmd == EVTCHNOP_status || cmd == EVTCHNOP_reset)
		dom = op.reset.dom;	/* the first member of all three */
	rc = op_domain(dom, &d);
	if (rc)
		return rc;
	/* the hardware domain has every GSI under its own number without asking */
	if (cmd == EVTCHNOP_bind_pirq && d->is_hardware && op.pirq.pirq < nr_gsis)
		(void)pirq_map(d, (int)op.pirq.pirq, (int)op.pirq.pirq, 1);
	if (!ops[cmd].locks)
		spin_lock(&d->evtchn_lock);
	rc = ops[cmd].fn(d, &op);
	if (!ops[cmd].locks)
		spin_unlock(&d->evtchn_lock);
	if (!rc && cmd == EVTCHNOP_status)
		rc = copy_to_guest(arg, &op.status, sizeof(op.status));
	if (rc > 0) {
		port = (u32)rc;
		rc = copy_to_guest(_gva(gva_x(arg) + ops[cmd].port_at), &port, sizeof(port));
		if (rc)
			close_port(d, port);
	}
	domain_put(d);
	return rc;
}

HYPERCALL(event_channel_op)
{
	struct domain *d = current_vcpu()->domain;
	gva_t arg = _gva(a2);
	u32 port;

	if (unlikely(a1 != EVTCHNOP_send && a1 != EVTCHNOP_unmask))
		return other_op(a1, arg);
	if (unlikely(copy_from_guest(&port, arg, sizeof(port))))
		return -EFAULT;
	return likely(a1 == EVTCHNOP_send) ? evtchn_send(d, port) : evtchn_unmask(d, port);
}

/* --- for the debug key and the audit; the domain and its peers should be quiet --- */

void evtchn_dump(struct domain *d)
{
	static const char *const names[] = { "free", "unbound", "interdomain", "pirq", "virq",
					     "ipi" };
	const struct evtchn *c;

	printk("d%u: %u event channels\n", d->id, d->nr_evtchns);
	for (u32 port = 1; port < MAX_EVTCHNS; port++) {
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
	u32 port;

	for (port = 1; port < MAX_EVTCHNS; port++) {
		c = evtchn_of(d, port);
		why = c ? port_fault(d, port, c) : NULL;
		open += c && c->state != ECS_free;
		bad += !!why;
		if (why)
			printk("audit: d%u port %u (state %u) %s\n", d->id, port, c->state, why);
	}
	for (u32 i = 0; i < d->max_vcpus; i++)
		for (u32 q = 0; d->vcpu[i] && q < NR_VIRQS; q++) {
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
