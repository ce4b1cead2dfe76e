/* SPDX-License-Identifier: MIT */
/*
 * sched_op and set_timer_op: a guest gives up its CPU, or stops.
 *
 * Job:    yield, block, poll, shutdown, watchdog, pinning.
 * Enter:  the hypercall table.
 * State:  v->pause_flags (VPF_blocked, VPF_polling), d->poll_mask, d->watchdog[].
 * Locks:  d->lock for the watchdogs.
 * Holds:  SO1  a vcpu that blocks or polls announces it first and looks for events then; a sender
 *              marks the event first and looks for sleepers then: no wake-up is lost.
 * Tests:  tests/host/test_sched_op.c, tests/guests/{sched,evtchn}.c
 * Next:   core/sched.c, core/evtchn.c (wake_pollers)
 */
#include <event_channel.h>
#include <sched.h>
#include <hv/clock.h>
#include <hv/debug.h>
#include <hv/errno.h>
#include <hv/evtchn.h>
#include <hv/hypercall.h>
#include <hv/pv.h>
#include <hv/softirq.h>

#define MAX_POLL_PORTS 128

/* 1: a port is pending, 0: none, or an error. */
static long any_pending(struct vcpu *v, const struct sched_poll *p)
{
	u32 ports[16], i, n, done;

	for (done = 0; done < p->nr_ports; done += n) {
		n = min(p->nr_ports - done, (u32)ARRAY_SIZE(ports));
		if (copy_from_guest(ports, _gva(p->ports + done * 4UL), n * 4))
			return -EFAULT;
		for (i = 0; i < n; i++) {
			if (ports[i] >= MAX_EVTCHNS)
				return refuse(-EINVAL, "poll of port %u", ports[i]);
			if (evtchn_is_pending(v->domain, ports[i]))
				return 1;
		}
	}
	return 0;
}

/* Wait until one of the ports is pending, whether masked or not, or an event is delivered. */
static long poll(struct vcpu *v, gva_t arg)
{
	struct domain *d = v->domain;
	struct sched_poll p;
	u32 port = 0;
	long rc;

	if (copy_from_guest(&p, arg, sizeof(p)))
		return -EFAULT;
	if (p.nr_ports > MAX_POLL_PORTS)
		return refuse(-EINVAL, "poll of %u ports", p.nr_ports);
	if (p.nr_ports == 1 && copy_from_guest(&port, _gva(p.ports), 4))
		return -EFAULT;
	v->poll_port = p.nr_ports == 1 ? (int)port : -1;
	timer_stop(&v->poll_timer);
	atomic_or(&v->pause_flags, (u32)VPF_polling);
	atomic_or(&d->poll_mask, BIT(v->id));
	smp_mb();
	rc = vcpu_event_pending(v) ? 1 : any_pending(v, &p);
	if (rc) {
		atomic_and(&d->poll_mask, ~BIT(v->id));
		atomic_and(&v->pause_flags, ~(u32)VPF_polling);
		return rc < 0 ? rc : 0;
	}
	if (p.timeout)
		timer_set(&v->poll_timer, p.timeout);
	softirq_raise(SOFTIRQ_SCHED);
	return 0;
}

static long watchdog_new(struct domain *d, u32 timeout)
{
	unsigned int i;

	if (!timeout)
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(d->watchdog); i++)
		if (!(d->watchdog_inuse & BIT(i))) {
			d->watchdog_inuse |= (u32)BIT(i);
			timer_set(&d->watchdog[i], now_ns() + timeout * 1000000000UL);
			return i + 1;
		}
	return -ENOSPC;
}

static long watchdog(struct domain *d, gva_t arg)
{
	struct sched_watchdog w;
	long rc = 0;

	if (copy_from_guest(&w, arg, sizeof(w)))
		return -EFAULT;
	if (w.id > ARRAY_SIZE(d->watchdog))
		return -EINVAL;
	spin_lock(&d->lock);
	if (!w.id) {
		rc = watchdog_new(d, w.timeout);
	} else if (!(d->watchdog_inuse & BIT(w.id - 1))) {
		rc = -EINVAL;
	} else if (!w.timeout) {
		timer_stop(&d->watchdog[w.id - 1]);
		d->watchdog_inuse &= ~(u32)BIT(w.id - 1);
	} else {
		timer_set(&d->watchdog[w.id - 1], now_ns() + w.timeout * 1000000000UL);
	}
	spin_unlock(&d->lock);
	return rc;
}

/* The hardware domain wants a vcpu on one CPU for a while (SMM calls and such). */
static long pin_override(struct vcpu *v, gva_t arg)
{
	struct sched_pin_override p;
	long rc = 0;

	if (!v->domain->is_hardware)
		return -EPERM;
	if (copy_from_guest(&p, arg, sizeof(p)))
		return -EFAULT;
	if (p.pcpu >= NR_CPUS)
		return -EINVAL;
	if (p.pcpu < 0) {
		if (v->pinned)
			rc = sched_set_affinity(v, v->pin_saved, v->sched.soft_affinity);
		v->pinned = false;
		return rc;
	}
	if (!v->pinned)
		v->pin_saved = v->sched.hard_affinity;
	rc = sched_set_affinity(v, BIT(p.pcpu), v->sched.soft_affinity);
	v->pinned |= !rc;
	return rc;
}

static long remote_shutdown(struct vcpu *v, gva_t arg)
{
	struct sched_remote_shutdown r;
	struct domain *d;

	if (copy_from_guest(&r, arg, sizeof(r)))
		return -EFAULT;
	if (!v->domain->is_privileged || r.domain_id == DOMID_SELF ||
	    r.domain_id == v->domain->id)
		return -EPERM;
	d = domain_get(r.domain_id);
	if (!d)
		return -ESRCH;
	domain_shutdown(d, (u8)r.reason);
	domain_put(d);
	return 0;
}

HYPERCALL(sched_op)
{
	struct vcpu *v = current_vcpu();
	struct sched_shutdown s;

	switch (a1) {
	case SCHEDOP_yield:
		sched_yield();
		return 0;
	case SCHEDOP_block:
		v->vcpu_info->evtchn_upcall_mask = 0;
		sched_block();
		return 0;
	case SCHEDOP_poll:
		return poll(v, _gva(a2));
	case SCHEDOP_shutdown:
		if (copy_from_guest(&s, _gva(a2), sizeof(s)))
			return -EFAULT;
		domain_shutdown(v->domain, (u8)s.reason);
		return 0;
	case SCHEDOP_shutdown_code:
		if (copy_from_guest(&s, _gva(a2), sizeof(s)))
			return -EFAULT;
		if (!v->domain->is_shut_down)
			v->domain->shutdown_code = (u8)s.reason;
		return 0;
	case SCHEDOP_remote_shutdown:
		return remote_shutdown(v, _gva(a2));
	case SCHEDOP_watchdog:
		return watchdog(v->domain, _gva(a2));
	case SCHEDOP_pin_override:
		return pin_override(v, _gva(a2));
	}
	return refuse(-ENOSYS, "sched_op %lu", a1);
}

/* a1: absolute system time in ns; 0: none */
HYPERCALL(set_timer_op)
{
	struct vcpu *v = current_vcpu();

	if (!a1)
		clock_stop_singleshot(v);
	else
		clock_set_singleshot(v, a1, 0);
	return 0;
}
