/* SPDX-License-Identifier: MIT */
/*
 * evtchn: event channels, 2-level ABI.
 *
 * Claim:  ports are made, connected, sent to, masked, unmasked, queried and closed as documented; an
 *         upcall comes at once when events are unmasked, once per event, never while masked; a port's
 *         pending bit does not survive close and reuse; errors are the documented ones.
 * Broken: lost or repeated events, an upcall with the mask set, a port of nobody that works.
 */
#include "guest.h"

static long status(unsigned int port, struct evtchn_status *s)
{
	memset(s, 0, sizeof(*s));
	s->dom = DOMID_SELF;
	s->port = port;
	return hc_evtchn_op(EVTCHNOP_status, s);
}

static unsigned int need(long port, const char *what)
{
	REQUIRE(port > 0 && port < EVTCHN_2L_NR_CHANNELS, "%s: %ld", what, port);
	/* bind_interdomain may make the new port pending, so that what was sent before is seen. */
	if (what[0] == 'i')
		evt_clear((u32)port);
	CHECK(!evt_pending((u32)port), "%s: new port %ld is pending", what, port);
	evt_count[port] = 0;
	evt_set_mask((u32)port, false);
	return (u32)port;
}

static void loopback(void)
{
	unsigned int a, b, c;
	struct evtchn_status s;
	u64 upcalls;

	a = need(evt_alloc_unbound(DOMID_SELF), "alloc_unbound");
	CHECK_EQ(status(a, &s), 0);
	CHECK_EQ(s.status, EVTCHNSTAT_unbound);
	CHECK(s.u.unbound.dom == 0 || s.u.unbound.dom == DOMID_SELF, "unbound to %u", s.u.unbound.dom);
	CHECK_EQ(s.vcpu, 0);
	CHECK_EQ(evt_send(a), 0);			/* to nobody: nothing happens */
	b = need(evt_bind_interdomain(DOMID_SELF, a), "interdomain");
	CHECK(a != b, "both ends are port %u", a);
	evt_clear(a);
	evt_clear(b);
	this_vcpu()->info->evtchn_upcall_pending = 0;
	this_vcpu()->info->evtchn_pending_sel = 0;
	CHECK_EQ(status(a, &s), 0);
	CHECK_EQ(s.status, EVTCHNSTAT_interdomain);
	CHECK_EQ(s.u.interdomain.port, b);
	CHECK(evt_bind_interdomain(DOMID_SELF, a) < 0, "a bound port was bound again");
	/* Masked vCPU: pending only. */
	CHECK_EQ(evt_send(a), 0);
	CHECK(evt_pending(b), "no pending bit");
	CHECK(!evt_pending(a), "the sender's end is pending");
	CHECK_EQ(this_vcpu()->info->evtchn_upcall_pending, 1);
	CHECK_EQ(this_vcpu()->info->evtchn_pending_sel, 1ul << b / 64);
	CHECK_EQ(evt_count[b], 0);
	events_unmask();
	CHECK_EQ(evt_count[b], 1);
	/* Unmasked: in the hypercall. */
	upcalls = this_vcpu()->nr_upcalls;
	CHECK_EQ(evt_send(a), 0);
	CHECK_EQ(evt_count[b], 2);
	CHECK_EQ(this_vcpu()->nr_upcalls, upcalls + 1);
	CHECK_EQ(evt_send(b), 0);
	CHECK_EQ(evt_count[a], 1);
	/* Masked port: no upcall, also not on unmask by hand; the hypercall brings it. */
	evt_set_mask(b, true);
	CHECK_EQ(evt_send(a), 0);
	CHECK_EQ(evt_send(a), 0);
	CHECK(evt_pending(b), "no pending bit on a masked port");
	CHECK_EQ(evt_count[b], 2);
	CHECK_EQ(evt_unmask(b), 0);
	CHECK(!evt_masked(b), "still masked");
	CHECK_EQ(evt_count[b], 3);			/* two sends, one event */
	CHECK_EQ(evt_unmask(b), 0);
	CHECK_EQ(evt_count[b], 3);
	events_mask();
	/* Close one end: the other becomes unbound again. */
	CHECK_EQ(evt_close(b), 0);
	CHECK_EQ(status(b, &s), 0);
	CHECK_EQ(s.status, EVTCHNSTAT_closed);
	CHECK_EQ(status(a, &s), 0);
	CHECK_EQ(s.status, EVTCHNSTAT_unbound);
	CHECK(evt_send(b) < 0, "sent on a closed port");
	CHECK(evt_close(b) < 0, "closed twice");
	/* Closed while pending: the next owner starts clean. */
	c = need(evt_bind_interdomain(DOMID_SELF, a), "interdomain again");
	evt_send(a);
	CHECK_EQ(evt_close(c), 0);
	for (int i = 0; i < 4; i++) {
		b = need(evt_bind_ipi(0), "bind_ipi");
		CHECK_EQ(evt_close(b), 0);
	}
	CHECK_EQ(evt_close(a), 0);
}

static unsigned int order[8], nr_order;
static void note_order(unsigned int port)
{
	if (nr_order < 8)
		order[nr_order++] = port;
}

static void ipi(void)
{
	struct evtchn_status s;
	unsigned int p[4];
	struct evtchn_bind_vcpu bv;

	for (int i = 0; i < 4; i++) {
		p[i] = need(evt_bind_ipi(0), "bind_ipi");
		evt_handler[p[i]] = note_order;
	}
	CHECK_EQ(status(p[0], &s), 0);
	CHECK_EQ(s.status, EVTCHNSTAT_ipi);
	CHECK_EQ(s.vcpu, 0);
	nr_order = 0;
	events_mask();
	for (int i = 3; i >= 0; i--)
		CHECK_EQ(evt_send(p[i]), 0);
	events_unmask();
	CHECK_EQ(nr_order, 4);				/* one upcall brings all */
	events_mask();
	bv.port = p[0];
	bv.vcpu = 0;
	CHECK(hc_evtchn_op(EVTCHNOP_bind_vcpu, &bv) < 0, "an IPI port was moved");
	for (int i = 0; i < 4; i++) {
		evt_handler[p[i]] = NULL;
		CHECK_EQ(evt_close(p[i]), 0);
	}
	CHECK(evt_bind_ipi(99) < 0, "IPI to vCPU 99");
}

static void virq(void)
{
	struct vcpu_set_singleshot_timer ss = { 0 };
	struct evtchn_bind_vcpu bv = { 0 };
	struct evtchn_status s;
	unsigned int t;

	/* A vCPU starts with a tick, which could come right after the binding. */
	CHECK_EQ(hc_vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), 0);
	t = need(evt_bind_virq(VIRQ_TIMER, 0), "VIRQ_TIMER");
	bv.port = t;
	CHECK_EQ(status(t, &s), 0);
	CHECK_EQ(s.status, EVTCHNSTAT_virq);
	CHECK_EQ(s.u.virq, VIRQ_TIMER);
	CHECK_EQ(evt_bind_virq(VIRQ_TIMER, 0), -XEN_EEXIST);
	CHECK(evt_send(t) < 0, "sent to a VIRQ");
	CHECK(hc_evtchn_op(EVTCHNOP_bind_vcpu, &bv) < 0, "a per-vCPU VIRQ was moved");
	events_unmask();
	ss.timeout_abs_ns = system_time() + 2000000;
	CHECK_EQ(hc_vcpu_op(VCPUOP_set_singleshot_timer, 0, &ss), 0);
	CHECK(wait_for(evt_count[t], 20000), "no timer event");
	events_mask();
	CHECK_EQ(evt_close(t), 0);
	t = need(evt_bind_virq(VIRQ_TIMER, 0), "VIRQ_TIMER again");
	CHECK_EQ(evt_close(t), 0);
	t = need(evt_bind_virq(VIRQ_CONSOLE, 0), "VIRQ_CONSOLE");
	bv.port = t;
	CHECK_EQ(hc_evtchn_op(EVTCHNOP_bind_vcpu, &bv), 0);	/* global: may be moved */
	bv.vcpu = 99;
	CHECK(hc_evtchn_op(EVTCHNOP_bind_vcpu, &bv) < 0, "moved to vCPU 99");
	CHECK_EQ(evt_close(t), 0);
	CHECK_EQ(evt_bind_virq(NR_VIRQS, 0), -XEN_EINVAL);
	CHECK(evt_bind_virq(0xffffffff, 0) < 0, "VIRQ -1");
	CHECK_EQ(evt_bind_virq(VIRQ_TIMER, 99), -XEN_ENOENT);
	CHECK_EQ(evt_bind_virq(VIRQ_CONSOLE, 1), -XEN_EINVAL);	/* global ones are vCPU 0's */
}

static void errors(void)
{
	struct evtchn_status s;

	CHECK_EQ(evt_send(EVTCHN_2L_NR_CHANNELS), -XEN_EINVAL);
	CHECK_EQ(evt_send(0xffffffff), -XEN_EINVAL);
	CHECK(evt_send(0) < 0, "sent on port 0");
	CHECK(evt_close(0) < 0, "closed port 0");
	CHECK_EQ(evt_close(0x7fffffff), -XEN_EINVAL);
	CHECK_EQ(evt_unmask(0xfffffff0), -XEN_EINVAL);
	CHECK_EQ(status(0x10000, &s), -XEN_EINVAL);
	s.dom = 1;
	CHECK_EQ(hc_evtchn_op(EVTCHNOP_status, &s), -XEN_ESRCH);
	CHECK(evt_bind_interdomain(DOMID_SELF, 4000) < 0, "bound to a closed port");
	CHECK(evt_bind_interdomain(DOMID_SELF, 0xffffffff) < 0, "bound to port -1");
	CHECK_EQ(evt_bind_interdomain(5, 1), -XEN_ESRCH);
	CHECK_EQ(hc_evtchn_op(99, &s), -XEN_ENOSYS);
	CHECK_EQ(hc_evtchn_op(EVTCHNOP_send, (void *)0x1000), -XEN_EFAULT);
	CHECK_EQ(hc_evtchn_op(EVTCHNOP_alloc_unbound, (void *)HV_PRIVATE), -XEN_EFAULT);
}

/* All ports of the 2-level ABI can be had; then there are no more; all can be given back. */
static void exhaust(void)
{
	unsigned int n = 0, last = 0;
	long p;

	while ((p = evt_bind_ipi(0)) > 0 && n < 5000) {
		n++;
		last = (u32)p;
		CHECK(last < EVTCHN_2L_NR_CHANNELS, "port %u", last);
	}
	CHECK(p == -XEN_ENOSPC, "no more ports: %ld", p);
	CHECK(n > 1000 && n < EVTCHN_2L_NR_CHANNELS, "%u ports", n);
	evt_set_mask(last, false);
	evt_count[last] = 0;
	evt_send(last);
	events_unmask();
	CHECK_EQ(evt_count[last], 1);
	events_mask();
	for (unsigned int i = 1; i < EVTCHN_2L_NR_CHANNELS; i++)
		evt_close(i);
	p = evt_bind_ipi(0);
	CHECK(p > 0 && p < 64, "after closing all: %ld", p);
	evt_close((u32)p);
}

/* SCHEDOP_block and poll return for an event that is there already. */
static void waiting(void)
{
	unsigned int p = need(evt_bind_ipi(0), "bind_ipi");
	evtchn_port_t ports[2] = { p, p };
	struct sched_poll poll = { .ports = (u64)ports, .nr_ports = 1 };
	u64 t0;

	evt_send(p);
	CHECK_EQ(hc_sched_op(SCHEDOP_block, NULL), 0);	/* unmasks events */
	CHECK_EQ(evt_count[p], 1);
	CHECK_EQ(this_vcpu()->info->evtchn_upcall_mask, 0);
	events_mask();
	evt_set_mask(p, true);
	evt_send(p);
	CHECK_EQ(hc_sched_op(SCHEDOP_poll, &poll), 0);
	CHECK_EQ(this_vcpu()->info->evtchn_upcall_mask, 1);
	CHECK_EQ(evt_count[p], 1);
	evt_clear(p);
	t0 = system_time();
	poll.timeout = t0 + 20000000;
	CHECK_EQ(hc_sched_op(SCHEDOP_poll, &poll), 0);
	CHECK(system_time() >= t0 + 19000000, "poll came back %lu us early", (t0 + 20000000 - system_time()) / 1000);
	poll.nr_ports = 129;
	CHECK_EQ(hc_sched_op(SCHEDOP_poll, &poll), -XEN_EINVAL);
	poll.nr_ports = 1;
	poll.ports = 0x1000;
	CHECK_EQ(hc_sched_op(SCHEDOP_poll, &poll), -XEN_EFAULT);
	ports[0] = 0xfffffff;
	poll.ports = (u64)ports;
	CHECK_EQ(hc_sched_op(SCHEDOP_poll, &poll), -XEN_EINVAL);
	CHECK_EQ(hc_sched_op(99, NULL), -XEN_ENOSYS);
	evt_close(p);
}

void test_main(void)
{
	loopback();
	ipi();
	virq();
	errors();
	waiting();
	exhaust();
}
