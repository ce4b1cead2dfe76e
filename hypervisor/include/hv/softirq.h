/* SPDX-License-Identifier: MIT */
/*
 * Job:    softirqs and tasklets: work to be done before the next return to a guest, without locks;
 *         timers.
 * Tests:  tests/host/test_softirq.c, tests/host/test_timer.c
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

/* Timers: functions to call at a point of system time, in SOFTIRQ_TIMER. Arming one cannot fail. */
struct timer {
	u64 deadline;		/* ns */
	void (*fn)(void *arg);
	void *arg;
	struct timer **at;	/* what points to it in its CPU's heap; NULL: not armed */
	struct timer *left, *right;	/* later ones */
	u16 cpu;
	bool dead;		/* killed: cannot be armed again */
};

void timer_init(struct timer *t, void (*fn)(void *), void *arg, unsigned int cpu);
void timer_set(struct timer *t, u64 deadline_ns);	/* (re)arm; from any CPU */
/* Disarm. fn may be running at this moment on the timer's CPU, but is not started again. */
void timer_stop(struct timer *t);
/* Disarm for good and wait until fn does not run on another CPU: the memory may be freed then. */
void timer_kill(struct timer *t);
void timer_migrate(struct timer *t, unsigned int cpu);
void timers_init_cpu(unsigned int cpu);		/* before a timer is set on that CPU */
void timer_interrupt(void);			/* from the machine: the timer of this CPU fired */

#endif
