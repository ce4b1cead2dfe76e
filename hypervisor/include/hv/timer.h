/* SPDX-License-Identifier: MIT */
/*
 * Job:    timers: functions to call at a point of system time, in SOFTIRQ_TIMER without a lock.
 *         Arming one cannot fail.
 * Tests:  tests/host/test_timer.c
 */
#ifndef HV_TIMER_H
#define HV_TIMER_H

#include <hv/types.h>

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
int timers_init_cpu(unsigned int cpu);		/* before a timer is set on that CPU: 0 */
void timer_interrupt(void);			/* from the machine: the timer of this CPU fired */

#endif
