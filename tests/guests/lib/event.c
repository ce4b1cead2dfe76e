/* SPDX-License-Identifier: MIT */
/*
 * event.c: 2-level event channels and the clock.
 *
 * Holds: scan_events() clears a port's pending bit before its handler runs.
 */
#include "guest.h"

evt_handler_t *evt_handler[EVTCHN_2L_NR_CHANNELS];
volatile u32 evt_count[EVTCHN_2L_NR_CHANNELS];

void scan_events(struct vcpu *v)
{
	while (__atomic_exchange_n(&v->info->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST)) {
		u64 sel = __atomic_exchange_n(&v->info->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);

		while (sel) {
			unsigned int w = (unsigned int)__builtin_ctzl(sel);
			u64 bits;

			sel &= sel - 1;
			bits = READ_ONCE(shared->evtchn_pending[w]) & ~READ_ONCE(shared->evtchn_mask[w]);
			while (bits) {
				unsigned int port = w * 64 + (unsigned int)__builtin_ctzl(bits);

				bits &= bits - 1;
				evt_clear(port);
				evt_count[port]++;
				if (evt_handler[port])
					evt_handler[port](port);
			}
		}
	}
}

long evt_alloc_unbound(unsigned int remote)
{
	struct evtchn_alloc_unbound op = { .dom = DOMID_SELF, .remote_dom = remote };
	long rc = hc_evtchn_op(EVTCHNOP_alloc_unbound, &op);

	return rc ? rc : op.port;
}

long evt_bind_interdomain(unsigned int dom, unsigned int port)
{
	struct evtchn_bind_interdomain op = { .remote_dom = dom, .remote_port = port };
	long rc = hc_evtchn_op(EVTCHNOP_bind_interdomain, &op);

	return rc ? rc : op.local_port;
}

long evt_bind_virq(unsigned int virq, unsigned int vcpu)
{
	struct evtchn_bind_virq op = { .virq = virq, .vcpu = vcpu };
	long rc = hc_evtchn_op(EVTCHNOP_bind_virq, &op);

	return rc ? rc : op.port;
}

long evt_bind_ipi(unsigned int vcpu)
{
	struct evtchn_bind_ipi op = { .vcpu = vcpu };
	long rc = hc_evtchn_op(EVTCHNOP_bind_ipi, &op);

	return rc ? rc : op.port;
}

long evt_close(unsigned int port)
{
	struct evtchn_close op = { port };

	return hc_evtchn_op(EVTCHNOP_close, &op);
}

long evt_send(unsigned int port)
{
	struct evtchn_send op = { port };

	return hc_evtchn_op(EVTCHNOP_send, &op);
}

long evt_unmask(unsigned int port)
{
	struct evtchn_unmask op = { port };

	return hc_evtchn_op(EVTCHNOP_unmask, &op);
}

bool evt_pending(unsigned int port)
{
	return READ_ONCE(shared->evtchn_pending[port / 64]) >> (port % 64) & 1;
}

bool evt_masked(unsigned int port)
{
	return READ_ONCE(shared->evtchn_mask[port / 64]) >> (port % 64) & 1;
}

void evt_set_mask(unsigned int port, bool masked)
{
	if (masked)
		__atomic_or_fetch(&shared->evtchn_mask[port / 64], 1ul << port % 64, __ATOMIC_SEQ_CST);
	else
		__atomic_and_fetch(&shared->evtchn_mask[port / 64], ~(1ul << port % 64), __ATOMIC_SEQ_CST);
}

void evt_clear(unsigned int port)
{
	__atomic_and_fetch(&shared->evtchn_pending[port / 64], ~(1ul << port % 64), __ATOMIC_SEQ_CST);
}

u64 rdtsc(void)
{
	u32 lo, hi;

	asm volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi));
	return (u64)hi << 32 | lo;
}

u64 time_of(const volatile struct vcpu_time_info *t)
{
	u32 version;
	u64 ns;

	do {
		u64 delta;

		version = t->version;
		barrier();
		delta = rdtsc() - t->tsc_timestamp;
		delta = t->tsc_shift >= 0 ? delta << t->tsc_shift : delta >> -t->tsc_shift;
		ns = t->system_time + (u64)((unsigned __int128)delta * t->tsc_to_system_mul >> 32);
		barrier();
	} while ((version & 1) || version != t->version);
	return ns;
}

u64 system_time(void)
{
	return time_of(&this_vcpu()->info->time);
}

void spin_ns(u64 ns)
{
	u64 end = system_time() + ns;

	while (system_time() < end)
		asm volatile("pause");
}
