/* SPDX-License-Identifier: MIT */
/*
 * core/evtchn.c: every operation, delivery, polls, random operations against the audit.
 */
#include "world.h"
#include <hv/irq.h>
#include <pv-abi/event_channel.h>
#include <pv-abi/sched.h>

static struct domain *dom0, *dom1;
static u64 args;

static void begin(unsigned int vcpus)
{
	world_begin(4096, 1);
	dom0 = world_domain(0, vcpus);
	dom1 = world_domain(1, vcpus);
	world_run(dom0->vcpu[0]);
	args = host_arg(NULL, 256);
}

static long op(struct domain *d, u64 cmd, void *s, size_t size)
{
	struct vcpu *was = current_vcpu();
	long rc;

	memcpy(host_arg_ptr(args), s, size);
	host_set_current(d->vcpu[0]);
	rc = do_event_channel_op(cmd, args, 0, 0, 0, 0);
	memcpy(s, host_arg_ptr(args), size);
	host_set_current(was);
	return rc;
}

static u32 unbound(struct domain *d, domid_t remote)
{
	struct evtchn_alloc_unbound a = { .dom = DOMID_SELF, .remote_dom = remote };

	assert_int_equal(op(d, EVTCHNOP_alloc_unbound, &a, sizeof(a)), 0);
	return a.port;
}

static long interdomain(struct domain *d, domid_t remote, u32 rport, u32 *port)
{
	struct evtchn_bind_interdomain b = { .remote_dom = remote, .remote_port = rport };
	long rc = op(d, EVTCHNOP_bind_interdomain, &b, sizeof(b));

	*port = b.local_port;
	return rc;
}

static long on_port(struct domain *d, u64 cmd, u32 port)
{
	return op(d, cmd, &port, sizeof(port));
}

static long virq(struct domain *d, u32 q, u32 vcpu, u32 *port)
{
	struct evtchn_bind_virq b = { .virq = q, .vcpu = vcpu };
	long rc = op(d, EVTCHNOP_bind_virq, &b, sizeof(b));

	*port = b.port;
	return rc;
}

static bool upcall(const struct domain *d, unsigned int vcpu)
{
	return d->vcpu[vcpu]->vcpu_info->evtchn_upcall_pending;
}

static void two_domains_talk(void **state)
{
	u32 a, b, x;

	begin(1);
	a = unbound(dom0, 1);
	assert_int_equal(on_port(dom0, EVTCHNOP_send, a), 0);	/* to nobody: lost, not an error */
	assert_int_equal(interdomain(dom1, 0, a, &b), 0);
	assert_true(evtchn_is_pending(dom1, b));	/* ... and made good at the bind */
	assert_true(upcall(dom1, 0));
	world_consume(dom1, 0, b);
	assert_int_equal(interdomain(dom1, 0, a, &x), -EINVAL);	/* taken */
	assert_int_equal(on_port(dom0, EVTCHNOP_send, a), 0);
	assert_true(evtchn_is_pending(dom1, b));
	assert_int_equal(dom1->vcpu[0]->vcpu_info->evtchn_pending_sel, BIT(b / 64));
	world_consume(dom1, 0, b);
	assert_int_equal(on_port(dom1, EVTCHNOP_send, b), 0);
	assert_true(evtchn_is_pending(dom0, a));
	/* one end goes, the other can be bound again */
	assert_int_equal(on_port(dom1, EVTCHNOP_close, b), 0);
	assert_int_equal(on_port(dom1, EVTCHNOP_close, b), -EINVAL);
	assert_false(evtchn_is_pending(dom1, b));
	assert_int_equal(evtchn_of(dom0, a)->state, ECS_unbound);
	assert_int_equal(interdomain(dom1, 0, a, &b), 0);
	assert_int_equal(interdomain(dom0, 1, b, &x), -EINVAL);
	assert_int_equal(interdomain(dom0, 77, b, &x), -ESRCH);
	world_end();
}

static void with_oneself(void **state)
{
	u32 a, b;

	begin(1);
	a = unbound(dom0, DOMID_SELF);
	assert_int_equal(interdomain(dom0, DOMID_SELF, a, &b), 0);
	world_consume(dom0, 0, b);
	assert_int_equal(on_port(dom0, EVTCHNOP_send, b), 0);
	assert_true(evtchn_is_pending(dom0, a));
	assert_int_equal(on_port(dom0, EVTCHNOP_close, a), 0);
	assert_int_equal(on_port(dom0, EVTCHNOP_send, b), 0);
	world_end();
}

static void masks(void **state)
{
	u32 p;

	begin(1);
	assert_int_equal(virq(dom0, VIRQ_TIMER, 0, &p), 0);
	set_bit(p, dom0->shared_info->evtchn_mask);
	evtchn_raise_virq(dom0->vcpu[0], VIRQ_TIMER);
	assert_true(evtchn_is_pending(dom0, p));
	assert_false(upcall(dom0, 0));
	assert_int_equal(on_port(dom0, EVTCHNOP_unmask, p), 0);
	assert_true(upcall(dom0, 0));
	assert_int_equal(dom0->vcpu[0]->vcpu_info->evtchn_pending_sel, 1);
	assert_int_equal(on_port(dom0, EVTCHNOP_unmask, MAX_EVTCHNS), -EINVAL);
	world_end();
}

static void virqs(void **state)
{
	u32 a, b, x;

	begin(2);
	assert_int_equal(virq(dom1, NR_VIRQS, 0, &x), -EINVAL);
	assert_int_equal(virq(dom1, VIRQ_TIMER, 2, &x), -ENOENT);
	assert_int_equal(virq(dom1, VIRQ_CONSOLE, 1, &x), -EINVAL);
	assert_int_equal(virq(dom1, VIRQ_TIMER, 1, &a), 0);
	assert_int_equal(virq(dom1, VIRQ_TIMER, 1, &x), -EEXIST);
	assert_int_equal(virq(dom1, VIRQ_TIMER, 0, &b), 0);
	evtchn_raise_virq(dom1->vcpu[1], VIRQ_TIMER);
	assert_true(upcall(dom1, 1));
	assert_false(upcall(dom1, 0));
	assert_true(evtchn_is_pending(dom1, a) && !evtchn_is_pending(dom1, b));
	assert_int_equal(on_port(dom1, EVTCHNOP_close, a), 0);
	evtchn_raise_virq(dom1->vcpu[1], VIRQ_TIMER);
	assert_false(evtchn_is_pending(dom1, a));
	assert_int_equal(virq(dom0, VIRQ_DOM_EXC, 0, &a), 0);
	evtchn_raise_global_virq(VIRQ_DOM_EXC);
	assert_true(evtchn_is_pending(dom0, a));
	assert_int_equal(on_port(dom1, EVTCHNOP_send, b), -EINVAL);
	world_end();
}

static void ipis_and_vcpus(void **state)
{
	struct evtchn_bind_ipi i = { .vcpu = 1 };
	struct evtchn_bind_vcpu v = { .vcpu = 1 };
	u32 p;

	begin(2);
	assert_int_equal(op(dom0, EVTCHNOP_bind_ipi, &i, sizeof(i)), 0);
	assert_int_equal(on_port(dom0, EVTCHNOP_send, i.port), 0);
	assert_true(upcall(dom0, 1));
	v.port = i.port;
	assert_int_equal(op(dom0, EVTCHNOP_bind_vcpu, &v, sizeof(v)), -EINVAL);
	assert_int_equal(virq(dom0, VIRQ_CONSOLE, 0, &p), 0);
	v.port = p;
	assert_int_equal(op(dom0, EVTCHNOP_bind_vcpu, &v, sizeof(v)), 0);
	world_consume(dom0, 1, i.port);
	evtchn_raise_global_virq(VIRQ_CONSOLE);
	assert_true(upcall(dom0, 1));
	v.vcpu = 2;
	assert_int_equal(op(dom0, EVTCHNOP_bind_vcpu, &v, sizeof(v)), -ENOENT);
	i.vcpu = 2;
	assert_int_equal(op(dom0, EVTCHNOP_bind_ipi, &i, sizeof(i)), -ENOENT);
	world_end();
}

static void who_may_name_whom(void **state)
{
	struct evtchn_alloc_unbound a = { .dom = 0, .remote_dom = 1 };
	struct evtchn_status s = { .dom = 1, .port = 1 };
	struct evtchn_reset r = { .dom = 0 };

	begin(1);
	assert_int_equal(op(dom1, EVTCHNOP_alloc_unbound, &a, sizeof(a)), -EPERM);
	a = (struct evtchn_alloc_unbound){ .dom = 1, .remote_dom = DOMID_SELF };
	assert_int_equal(op(dom0, EVTCHNOP_alloc_unbound, &a, sizeof(a)), 0);
	assert_int_equal(evtchn_of(dom1, a.port)->number, 0);
	s.port = a.port;
	assert_int_equal(op(dom0, EVTCHNOP_status, &s, sizeof(s)), 0);
	assert_int_equal(s.status, EVTCHNSTAT_unbound);
	assert_int_equal(s.u.unbound.dom, 0);
	s.port = 4095;
	assert_int_equal(op(dom0, EVTCHNOP_status, &s, sizeof(s)), -EINVAL);
	s.dom = 9;
	assert_int_equal(op(dom0, EVTCHNOP_status, &s, sizeof(s)), -ESRCH);
	assert_int_equal(op(dom1, EVTCHNOP_reset, &r, sizeof(r)), -EPERM);
	r.dom = DOMID_SELF;
	assert_int_equal(op(dom1, EVTCHNOP_reset, &r, sizeof(r)), 0);
	assert_int_equal(dom1->nr_evtchns, 0);
	assert_int_equal(on_port(dom0, EVTCHNOP_init_control, 0), -ENOSYS);
	assert_int_equal(on_port(dom0, EVTCHNOP_close, 0), -EINVAL);
	assert_int_equal(on_port(dom0, EVTCHNOP_close, ~0U), -EINVAL);
	assert_int_equal(on_port(dom0, EVTCHNOP_send, ~0U), -EINVAL);
	assert_int_equal(do_event_channel_op(EVTCHNOP_send, 0x1000, 0, 0, 0, 0), -EFAULT);
	world_end();
}

static void polls(void **state)
{
	struct vcpu *v;
	struct sched_poll p = { 0 };
	u32 ports[2];

	begin(2);
	v = dom0->vcpu[0];
	v->vcpu_info->evtchn_upcall_mask = 1;
	assert_int_equal(virq(dom0, VIRQ_TIMER, 0, &ports[0]), 0);
	assert_int_equal(virq(dom0, VIRQ_DEBUG, 0, &ports[1]), 0);
	p.ports = host_arg(ports, sizeof(ports));
	p.nr_ports = 1;
	set_bit(ports[0], dom0->shared_info->evtchn_mask);	/* polling does not care */
	set_bit(ports[1], dom0->shared_info->evtchn_mask);
	assert_int_equal(world_call(sched_op, SCHEDOP_poll, p), 0);
	assert_int_equal(v->pause_flags, VPF_polling);
	evtchn_raise_virq(v, VIRQ_DEBUG);			/* not that one */
	assert_int_equal(dom0->poll_mask, 1);
	evtchn_raise_virq(v, VIRQ_TIMER);
	assert_int_equal(v->pause_flags, 0);
	assert_int_equal(dom0->poll_mask, 0);
	assert_int_equal(world_call(sched_op, SCHEDOP_poll, p), 0);	/* pending: does not wait */
	assert_int_equal(v->pause_flags, 0);
	/* several, and a time limit */
	clear_bit(ports[0], dom0->shared_info->evtchn_pending);
	clear_bit(ports[1], dom0->shared_info->evtchn_pending);
	p.nr_ports = 2;
	p.timeout = now_ns() + 1000000;
	assert_int_equal(world_call(sched_op, SCHEDOP_poll, p), 0);
	assert_int_equal(v->pause_flags, VPF_polling);
	*softirq_pending(0) = 0;
	host_advance(2000000);
	timer_interrupt();
	*softirq_pending(0) &= BIT(SOFTIRQ_TIMER);
	do_softirq();
	assert_int_equal(v->pause_flags, 0);
	ports[1] = MAX_EVTCHNS;
	p.ports = host_arg(ports, sizeof(ports));
	assert_int_equal(world_call(sched_op, SCHEDOP_poll, p), -EINVAL);
	assert_int_equal(v->pause_flags, 0);
	p.nr_ports = 129;
	assert_int_equal(world_call(sched_op, SCHEDOP_poll, p), -EINVAL);
	p.nr_ports = 2;
	p.ports = 0x5000;
	assert_int_equal(world_call(sched_op, SCHEDOP_poll, p), -EFAULT);
	assert_int_equal(v->pause_flags, 0);
	world_end();
}

static void device_interrupts(void **state)
{
	struct evtchn_bind_pirq b = { .pirq = 9 };
	struct page_info *pg;
	u32 first;

	begin(1);
	assert_int_equal(op(dom1, EVTCHNOP_bind_pirq, &b, sizeof(b)), -EPERM);
	assert_int_equal(op(dom0, EVTCHNOP_bind_pirq, &b, sizeof(b)), 0);
	first = b.port;
	assert_int_equal(op(dom0, EVTCHNOP_bind_pirq, &b, sizeof(b)), -EEXIST);
	evtchn_raise_pirq(dom0, first);
	assert_true(evtchn_is_pending(dom0, first));
	pg = alloc_page(ALLOC_ZERO);
	assert_int_equal(assign_page(dom0, pg, false), 0);
	assert_true(get_page_writable(pg, dom0));
	dom0->pirq_eoi_mfn = page_to_mfn(pg);
	dom0->pirq[9]->level = true;
	pirq_show_eoi(dom0, dom0->pirq[9]);
	assert_true(test_bit(9, mfn_to_virt(page_to_mfn(pg))));
	assert_int_equal(pirq_unmap(dom0, 9), -EBUSY);
	assert_int_equal(on_port(dom0, EVTCHNOP_close, first), 0);
	assert_false(test_bit(9, mfn_to_virt(page_to_mfn(pg))));
	evtchn_raise_pirq(dom0, first);			/* was on its way: nothing happens */
	assert_false(evtchn_is_pending(dom0, first));
	b.pirq = NR_PIRQS;
	assert_int_equal(op(dom0, EVTCHNOP_bind_pirq, &b, sizeof(b)), -EINVAL);
	world_end();
}

static void all_ports(void **state)
{
	struct evtchn_alloc_unbound a = { .dom = DOMID_SELF, .remote_dom = 1 };
	u32 n;

	begin(1);
	for (n = 1; n < MAX_EVTCHNS; n++)
		assert_int_equal(unbound(dom0, 1), n);
	assert_int_equal(op(dom0, EVTCHNOP_alloc_unbound, &a, sizeof(a)), -ENOSPC);
	assert_int_equal(on_port(dom0, EVTCHNOP_close, 1234), 0);
	assert_int_equal(unbound(dom0, 1), 1234);
	world_end();
}

static void a_result_that_cannot_be_stored(void **state)
{
	struct evtchn_alloc_unbound a = { .dom = DOMID_SELF, .remote_dom = 1 };
	struct evtchn_bind_virq b = { .virq = VIRQ_TIMER };

	begin(1);
	for (int i = 0; i < 3; i++) {
		host_copy_fail_after(2);
		assert_int_equal(op(dom0, EVTCHNOP_alloc_unbound, &a, sizeof(a)), -EFAULT);
		host_copy_fail_after(2);
		assert_int_equal(op(dom0, EVTCHNOP_bind_virq, &b, sizeof(b)), -EFAULT);
		assert_int_equal(dom0->nr_evtchns, 0);
	}
	heap_fail_after(1);
	dom0->evtchn_hint = 128;
	assert_int_equal(op(dom0, EVTCHNOP_alloc_unbound, &a, sizeof(a)), -ENOMEM);
	world_end();
}

/* Three domains do everything at random; E1-E3 hold all the time, also when one dies. */
static void random_operations(void **state)
{
	struct domain *d, *all[3];

	begin(2);
	all[0] = dom0;
	all[1] = dom1;
	all[2] = world_domain(2, 2);
	for (unsigned int n = 0; n < 30000; n++) {
		u32 port = (u32)host_random_below(n % 16 ? 24 : 4200), x, q;

		d = all[host_random_below(3)];
		switch (host_random_below(9)) {
		case 0:
			if (d->nr_evtchns < 20)
				unbound(d, (domid_t)host_random_below(3));
			break;
		case 1:
			interdomain(d, (domid_t)host_random_below(3), port, &x);
			break;
		case 2:
			q = (u32)host_random_below(NR_VIRQS);
			virq(d, q, (u32)host_random_below(2), &x);
			break;
		case 3:
			on_port(d, EVTCHNOP_close, port);
			break;
		case 4: {
			struct evtchn_bind_vcpu v = { port, (u32)host_random_below(3) };

			op(d, EVTCHNOP_bind_vcpu, &v, sizeof(v));
			break;
		}
		case 5:
			on_port(d, EVTCHNOP_unmask, port);
			break;
		case 6:
			evtchn_raise_virq(d->vcpu[host_random_below(2)],
					  (u32)host_random_below(NR_VIRQS));
			break;
		default:
			on_port(d, EVTCHNOP_send, port);
		}
		if (n % 64 == 0)
			for (int i = 0; i < 3; i++)
				assert_int_equal(audit_evtchns(all[i]), 0);
	}
	world_kill(all[2]);
	assert_null(domain_lookup(2));
	assert_int_equal(audit_evtchns(dom0) + audit_evtchns(dom1), 0);
	world_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_domains_talk),
		cmocka_unit_test(with_oneself),
		cmocka_unit_test(masks),
		cmocka_unit_test(virqs),
		cmocka_unit_test(ipis_and_vcpus),
		cmocka_unit_test(who_may_name_whom),
		cmocka_unit_test(polls),
		cmocka_unit_test(device_interrupts),
		cmocka_unit_test(all_ports),
		cmocka_unit_test(a_result_that_cannot_be_stored),
		cmocka_unit_test(random_operations),
	};

	return host_main(tests);
}
