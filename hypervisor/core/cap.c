/* SPDX-License-Identifier: MIT */
/*
 * Job:    caps: a domain's vcpus together may use cap percent of each period of 10 ms, whatever its
 *         weight; what is overrun is owed to the next.
 * Enter:  core/sched.c, for domains that have a cap.
 * State:  d->sched.budget, d->sched.period_end (periods of all domains end together).
 * Locks:  none: vcpus of d on several CPUs count at once, by atomic operations.
 * Holds:  CP1  a period is refilled by whoever advances period_end, once.
 * Tests:  tests/host/test_sched.c
 */
#include <hv/domain.h>

#define PERIOD_NS 10000000UL
#define MIN_RUN_NS 100000L		/* a shorter turn costs more than it is worth */

/* Anything left in this period? Starts a new period when it is time. */
bool cap_has_budget(struct domain *d, u64 now)
{
	u64 end = READ_ONCE(d->sched.period_end), periods;
	s64 quota = (s64)d->sched.cap * (PERIOD_NS / 100), refill;

	if (!d->sched.cap)
		return true;
	if (now >= end) {
		periods = (now - end) / PERIOD_NS + 1;
		refill = min(periods, 100UL) * quota;
		if (atomic_cas(&d->sched.period_end, &end, end + periods * PERIOD_NS)) {
			refill = min(refill, quota - READ_ONCE(d->sched.budget));
			atomic_add(&d->sched.budget, refill);
		}
	}
	return READ_ONCE(d->sched.budget) > 0;
}

void cap_charge(struct domain *d, u64 ns)
{
	atomic_add(&d->sched.budget, -(s64)ns);
}

/* How long a vcpu of d may run before its budget is looked at again. */
u64 cap_slice(const struct domain *d, u64 slice)
{
	s64 left = max(READ_ONCE(d->sched.budget), MIN_RUN_NS);

	return min(slice, (u64)left);
}

void cap_set(struct domain *d, u16 cap)
{
	if (cap == d->sched.cap)
		return;
	WRITE_ONCE(d->sched.budget, 0);
	WRITE_ONCE(d->sched.period_end, 0);
	WRITE_ONCE(d->sched.cap, cap);
}
