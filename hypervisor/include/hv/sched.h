/* SPDX-License-Identifier: MIT */
/*
 * Job:    which vcpu a CPU runs: block, wake, yield, caps, affinity; v->pause_flags.
 * Tests:  tests/host/test_sched.c
 */
#ifndef HV_SCHED_H
#define HV_SCHED_H

#include <hv/list.h>
#include <hv/softirq.h>

struct vcpu;
struct domain;

/* v->pause_flags: runnable when none is set */
#define VPF_blocked	BIT(0)
#define VPF_down	BIT(1)	/* VCPUOP_down, or not yet up */
#define VPF_domain_paused BIT(2) /* d->pause_count > 0 */
#define VPF_vcpu_paused	BIT(3)	/* v->pause_count > 0 */
#define VPF_polling	BIT(4)	/* in SCHEDOP_poll: blocked on a port set */
#define VPF_shutdown	BIT(5)	/* its domain has shut down */

struct sched_vcpu {		/* embedded in struct vcpu as v->sched */
	struct list_head queue;	/* on a run queue when runnable and not running */
	u64 vruntime;		/* ns scaled by weight */
	u64 since;		/* when it last got the CPU (or was last charged) */
	u64 arrived;		/* when it came to this CPU */
	u16 cpu;		/* the CPU whose queue it belongs to */
	u16 weight;		/* under which it is queued */
	bool running;		/* its state is in a CPU: true until it has been saved */
	bool on_queue;
	bool capped;		/* on the CPU's list of those that wait for the next period */
	bool yield;		/* let others go first, once */
	bool sends;		/* an event on an interdomain channel, now */
	u8 busy;		/* 0-3, 2: ran on for longer, after it had asked, than before */
	u64 asked;		/* when, if that is being found out; else 0 */
	cpumask_t hard_affinity, soft_affinity;
};

struct sched_domain {		/* embedded in struct domain as d->sched */
	u16 weight;		/* 1-65535, default 256 */
	u16 cap;		/* percent of one CPU, for all its vcpus together; 0: none */
	s64 budget;		/* ns left in this period of the cap; below 0: debt */
	u64 period_end;
};

void sched_init(void);
void sched_init_cpu(unsigned int cpu);	/* boot, once its idle vcpu exists: it runs that one now */
void sched_init_vcpu(struct vcpu *v, unsigned int cpu);
void schedule(void);			/* SOFTIRQ_SCHED: choose and switch */
void sched_wake(struct vcpu *v);	/* after a pause flag was cleared: run it if it was the last */
void sched_sleep(struct vcpu *v);	/* after a flag was set: stop it soon (no wait) */
void sched_sleep_sync(struct vcpu *v);	/* and wait until its state is saved */
/* current: VPF_blocked unless events are pending and unmasked (the caller has unmasked them) */
void sched_block(void);
void sched_yield(void);			/* current lets those that wait go first, once */
/*
 * current has sent v an event and is likely to wait for v's: if v waits for this CPU it goes first, and neither has to
 * go to sleep. Not if one of them was seen to run on for long after it had asked: probe looks at that, and no more.
 */
void sched_hand_over(struct vcpu *v, bool probe);
void vcpu_unblock(struct vcpu *v);	/* clear VPF_blocked and VPF_polling, wake */
void vcpu_kick(struct vcpu *v);		/* it has a new event: unblock, or IPI if it runs elsewhere */
/* Any vcpu, running or not. -EINVAL when hard has no CPU that is online. */
int sched_set_affinity(struct vcpu *v, cpumask_t hard, cpumask_t soft);
int sched_set_params(struct domain *d, u16 weight, u16 cap);	/* -EINVAL: weight 0 */
extern u32 sched_min_slice;		/* us: credit2's rate limit; 0 or 100-500000 */
void sched_dump(void);			/* debug key */
/* The lock of v's run queue is held (or nobody else knows v yet). */
void runstate_change(struct vcpu *v, int new_state, u64 now);
u64 vcpu_cpu_time(const struct vcpu *v);	/* ns spent running */

#endif
