/* SPDX-License-Identifier: MIT */
/*
 * Job:    softirqs and tasklets: work to be done before the next return to a guest, without locks.
 * Tests:  tests/host/test_softirq.c
 */
#ifndef HV_SOFTIRQ_H
#define HV_SOFTIRQ_H

#include <hv/arch.h>

enum softirq { SOFTIRQ_TIMER, SOFTIRQ_SCHED, SOFTIRQ_TASKLET, SOFTIRQ_KEY, NR_SOFTIRQS };

void softirq_register(enum softirq nr, void (*fn)(void));
static inline void softirq_raise(enum softirq nr)
{
	/* atomic: other CPUs set bits in the same word */
	atomic_or(softirq_pending(this_cpu()), BIT(nr));
}
void softirq_raise_cpu(unsigned int cpu, enum softirq nr);	/* and send it an IPI */
void do_softirq(void);		/* until none is pending on this CPU */

struct tasklet {
	void (*fn)(void *arg);
	void *arg;
	bool queued;
	struct tasklet *next;
};
static inline void tasklet_init(struct tasklet *t, void (*fn)(void *), void *arg)
{
	*t = (struct tasklet){ .fn = fn, .arg = arg };
}
void tasklet_schedule(struct tasklet *t);	/* on this CPU; no-op when queued */

#endif
