/* SPDX-License-Identifier: MIT */
/*
 * A whole hypervisor on the simulated machine: idle vcpus, scheduler, timers, dom0 and guests.
 *
 * Job:    set-up and tear-down for tests of domains, events, memory and clocks; hypercalls.
 * Enter:  world_begin() first in a test, world_end() last: it ends all domains and checks that
 *         every frame came back and no invariant is broken.
 * Tests:  test_domain.c, test_evtchn.c, test_memory.c, test_clock.c, test_hypercall.c, test_handover.c
 */
#ifndef HOST_WORLD_H
#define HOST_WORLD_H

#include "host.h"
#include <hv/clock.h>
#include <hv/domain.h>
#include <hv/evtchn.h>
#include <hv/pv.h>
#include <hv/sched.h>

static u64 world_free;			/* frames that were free when the world began */

/* A running domain whose vcpus all are up but do not run; `current` is not changed. */
static inline struct domain *world_domain(domid_t id, unsigned int vcpus)
{
	struct domain *d;
	struct vcpu *v;

	assert_int_equal(domain_create(id, id == 0, vcpus, &d), 0);
	if (id == 0)
		hardware_domain = d;
	for (unsigned int i = 0; i < vcpus; i++) {
		assert_int_equal(vcpu_create(d, i, &v), 0);
		v->initialised = true;
		v->pause_flags &= ~(u32)VPF_down;
	}
	d->state = DOM_running;
	return d;
}

/* This CPU runs v from now on, as far as the code under test can tell. */
static inline void world_run(struct vcpu *v)
{
	host_set_current(v);
	v->pause_flags = 0;
	v->processor = host_cpu;
}

static inline void world_kill(struct domain *d)
{
	domid_t id = d->id;
	struct domain *held = domain_get(id);

	d->is_hardware = false;
	if (held) {
		while (domain_kill(d) == -ERESTART)
			host_softirq[host_cpu] = 0;
		domain_put(held);
	}
	host_run_softirqs();
}

/* Free pages, with the empty slabs that the heap keeps (heap.c: stamp's low half is the use count). */
static inline unsigned long world_free_pages(void)
{
	unsigned long n = free_page_count();

	for (u64 mfn = 0; mfn < max_page; mfn++)
		n += (frame_table[mfn].flags & PGF_slab) && !(frame_table[mfn].stamp & 0xffff);
	return n;
}

static inline void world_begin(unsigned long frames, unsigned int cpus)
{
	host_init(frames, cpus);
	host_add_all_memory();
	sched_init();
	domains_init();
	for (unsigned int c = 0; c < cpus; c++) {
		host_set_cpu(c);
		host_set_current(idle_vcpu[c]);
		sched_init_cpu(c);
		timers_init_cpu(c);
	}
	host_set_cpu(0);
	clock_init();
	host_run_softirqs();
	world_free = world_free_pages();
}

static inline void world_end(void)
{
	struct domain *d;

	assert_int_equal(audit_all(), 0);
	for (unsigned int c = 0; c < nr_cpus_present; c++)
		host_current[c] = idle_vcpu[c];
	host_set_cpu(0);
	memset(host_softirq, 0, sizeof(host_softirq));
	hardware_domain = NULL;
	for (domid_t id = 0; id < DOMID_FIRST_RESERVED; id++)
		if ((d = domain_lookup(id)) != NULL) {
			world_kill(d);
			assert_null(domain_lookup(id));
		}
	assert_int_equal(world_free_pages(), world_free);
}

/* As a guest's handler does. */
static inline void world_consume(struct domain *d, unsigned int vcpu, u32 port)
{
	d->vcpu[vcpu]->vcpu_info->evtchn_upcall_pending = 0;
	d->vcpu[vcpu]->vcpu_info->evtchn_pending_sel = 0;
	clear_bit(port, d->shared_info->evtchn_pending);
}

/* A hypercall of the current vcpu; its argument structure goes there and back. */
#define world_call(fn, cmd, s) ({ \
	u64 _g = host_arg(&(s), sizeof(s)); \
	long _rc = do_##fn((cmd), _g, 0, 0, 0, 0); \
	memcpy(&(s), host_arg_ptr(_g), sizeof(s)); \
	_rc; })

#endif
