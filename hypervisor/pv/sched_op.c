/* SPDX-License-Identifier: MIT */
/*
 * Job:    sched_op, set_timer_op: a guest gives up its CPU, or stops; watchdogs, pinning.
 * State:  v->pause_flags (VPF_blocked, VPF_polling), d->poll_mask, d->watchdog[] (d->lock).
 * Holds:  SO1  a vcpu that blocks or polls announces it first and looks for events then; a sender
 *              marks the event first and looks for sleepers then: no wake-up is lost.
 * Tests:  tests/host/test_evtchn.c, tests/guests/{evtchn,shutdown,smp}.c
 */
#include <event_channel.h>
#include <sched.h>
#include <hv/clock.h>
#include <hv/evtchn.h>
#include <hv/pv.h>

#define MAX_POLL_PORTS 128

/* Wait until one of the ports is pending, whether masked or not, or an event is delivered. */
static long poll(struct vcpu *v, const struct sched_poll *p)
{
	struct domain *d = v->domain;
	u32 ports[MAX_POLL_PORTS], i;
	bool pending;

	if (p->nr_ports > MAX_POLL_PORTS)
		return refuse(-EINVAL, "poll of %u ports", p->nr_ports);
	if (copy_from_guest(ports, _gva(p->ports), p->nr_ports * sizeof(ports[0])))
		return -EFAULT;
	for (i = 0; i < p->nr_ports; i++)
		if (ports[i] >= MAX_EVTCHNS)
			return refuse(-EINVAL, "poll of port %u", ports[i]);
	v->poll_port = p->nr_ports == 1 ? (int)ports[0] : -1;
	timer_stop(&v->poll_timer);
	atomic_or(&v->pause_flags, (u32)VPF_polling);
	atomic_or(&d->poll_mask, BIT(v->id));
	smp_mb();
	pending = vcpu_event_pending(v);
	for (i = 0; i < p->nr_ports && !pending; i++)
		pending = evtchn_is_pending(d, ports[i]);
	if (pending) {
		atomic_and(&d->poll_mask, ~BIT(v->id));
		atomic_and(&v->pause_flags, ~(u32)VPF_polling);
		return 0;
	}
	if (p->timeout)
		timer_set(&v->poll_timer, p->timeout);
	softirq_raise(SOFTIRQ_SCHED);
	return 0;
}

/* id 0: a new one, the result is its id; timeout 0: stop it. */
static long watchdog(struct domain *d, const struct sched_watchdog *w)
{
	u32 i;
	long rc = 0;

	if (w->id > ARRAY_SIZE(d->watchdog) || (!w->id && !w->timeout))
		return -EINVAL;
	spin_lock(&d->lock);
	i = w->id ? w->id - 1 : (u32)__builtin_ctz(~d->watchdog_inuse);
	if (i >= ARRAY_SIZE(d->watchdog)) {
		rc = -ENOSPC;
	} else if (w->id && !(d->watchdog_inuse & BIT(i))) {
		rc = -EINVAL;
	} else if (!w->timeout) {
		timer_stop(&d->watchdog[i]);
		d->watchdog_inuse &= ~(u32)BIT(i);
	} else {
		timer_set(&d->watchdog[i], now_ns() + w->timeout * 1000000000UL);
		d->watchdog_inuse |= (u32)BIT(i);
		rc = w->id ? 0 : i + 1;
	}
	spin_unlock(&d->lock);
	return rc;
}

/* The hardware domain wants a vcpu on one CPU for a while (SMM calls and such). */
static long pin_override(struct vcpu *v, int pcpu)
{
	bool pin = pcpu >= 0;
	long rc;

	if (!v->domain->is_hardware)
		return -EPERM;
	if (pcpu >= NR_CPUS)
		return -EINVAL;
	if (!pin && !v->pinned)
		return 0;
	if (!v->pinned)
		v->pin_saved = v->sched.hard_affinity;
	rc = sched_set_affinity(v, pin ? BIT(pcpu) : v->pin_saved, v->sched.soft_affinity);
	v->pinned = pin && (!rc || v->pinned);
	return rc;
}

static long remote_shutdown(const struct domain *caller, const struct sched_remote_shutdown *r)
{
	struct domain *d;

	if (!caller->is_privileged || r->domain_id == DOMID_SELF || r->domain_id == caller->id)
		return -EPERM;
	d = domain_get(r->domain_id);
	if (!d)
		return -ESRCH;
	domain_shutdown(d, (u8)r->reason);
	domain_put(d);
	return 0;
}

static long shut_down(struct domain *d, u8 reason, bool now)
{
	if (now)
		domain_shutdown(d, reason);
	else if (!d->is_shut_down)
		d->shutdown_code = reason;
	return 0;
}

/* a1: SCHEDOP_*, a2: argument */
HYPERCALL(sched_op)
{
	struct vcpu *v = current_vcpu();
	struct domain *d = v->domain;
	gva_t arg = _gva(a2);

	switch (a1) {
	case SCHEDOP_yield:
		sched_yield();
		return 0;
	case SCHEDOP_block:
		v->vcpu_info->evtchn_upcall_mask = 0;
		sched_block();
		return 0;
	case SCHEDOP_poll:
		return with_arg(struct sched_poll, p, arg, poll(v, &p));
	case SCHEDOP_shutdown:
	case SCHEDOP_shutdown_code:
		return with_arg(struct sched_shutdown, s, arg,
				shut_down(d, (u8)s.reason, a1 == SCHEDOP_shutdown));
	case SCHEDOP_remote_shutdown:
		return with_arg(struct sched_remote_shutdown, r, arg, remote_shutdown(d, &r));
	case SCHEDOP_watchdog:
		return with_arg(struct sched_watchdog, w, arg, watchdog(d, &w));
	case SCHEDOP_pin_override:
		return with_arg(struct sched_pin_override, p, arg, pin_override(v, p.pcpu));
	}
	return refuse(-ENOSYS, "sched_op %lu", a1);
}

/* a1: absolute system time in ns; 0: none */
HYPERCALL(set_timer_op)
{
	struct vcpu *v = current_vcpu();

	if (a1)
		return clock_set_singleshot(v, a1, 0);
	timer_stop(&v->singleshot);
	return 0;
}
