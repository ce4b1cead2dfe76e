/* SPDX-License-Identifier: MIT */
/*
 * Job:    the scheduler: weighted fair over virtual runtime, one run queue per CPU; caps.
 * Enter:  schedule() as SOFTIRQ_SCHED; sched_wake()/sched_sleep() when pause flags changed;
 *         vcpu_kick(), sched_hand_over() from core/evtchn.c; the sched_op and domctl handlers.
 * State:  rqs[cpu]; idle_cpus; v->sched; d->sched.
 * Locks:  rqs[cpu].lock (RANK_SCHED) guards the v->sched of every vcpu with sched.cpu == cpu. At
 *         most one is waited for at a time; a second one is only tried.
 * Holds:  S1  a vcpu is on at most one queue and runs on at most one CPU.
 *         S2  current changes only in schedule().
 *         S3  v->sched.running is true until v's state has been saved; meanwhile v may be put on
 *             the queue of the CPU that is saving it, and nobody takes it from there.
 *         S4  the slice timer runs only while somebody waits on the queue or a cap is counted.
 *         S5  a vcpu changes its queue only under the locks of both. Virtual runtime is relative
 *             to its queue's min_vruntime and is shifted then; compared by signed differences.
 *         S6  heir is on the queue.
 * Caveat: shares are exact per CPU; across CPUs they come from moving vcpus about every 30 ms.
 * Tests:  tests/host/test_{sched,sched_smp,handover}.c
 */
#include <hv/clock.h>
#include <hv/debug.h>
#include <hv/evtchn.h>

#define US(x) ((u64)(x) * 1000)
u32 sched_min_slice = 200;		/* us: nobody is preempted earlier by a wake-up */
#define SLICE		US(5000)	/* turn of a vcpu while others wait */
#define GIVEN		US(1000)	/* the same of a sender before whom it woke, and of one let go first */
#define WAKE_GAIN	US(500)		/* virtual time by which a woken vcpu must be behind */
#define SLEEP_BONUS	US(2000)	/* a sleeper comes back at most so far behind the queue */
#define MAX_LEAD	US(1500000)	/* more than one slice at weight 1 is never held against it */
#define BALANCE		US(30000)	/* a CPU with a queue looks for a shorter one so often */

static struct runqueue {
	spinlock_t lock;
	u32 nr;				/* vcpus on the queue */
	u32 load, curr_weight;		/* weights: of those, and of curr (0: idle) */
	struct list_head queue;		/* runnable, by vruntime */
	struct list_head capped;	/* runnable, but their domain's budget is used up */
	struct vcpu *curr;		/* what this CPU has decided to run */
	struct vcpu *heir;		/* on the queue: curr lets it go first */
	u64 min_vruntime;		/* never goes back */
	u64 next_balance;
	struct timer slice, uncap;
} __aligned(64) rqs[NR_CPUS];

static cpumask_t idle_cpus;		/* a hint: they run their idle vcpu and nobody has claimed them */

/*
 * Caps: a domain's vcpus together may use cap percent of each period, whatever its weight; what is
 * overrun is owed to the next. No lock: they count at once, by atomic operations. Periods of all
 * domains end together; one is refilled by whoever advances period_end.
 */
#define PERIOD US(10000)
#define MIN_RUN 100000L		/* ns; a shorter turn costs more than it is worth */

/* Anything left in this period? Starts a new period when it is time. */
static bool has_budget(struct domain *d, u64 now)
{
	u64 end = READ_ONCE(d->sched.period_end), periods;
	s64 quota = (s64)d->sched.cap * (s64)(PERIOD / 100), refill;

	if (!d->sched.cap)
		return true;
	if (now >= end) {
		periods = (now - end) / PERIOD + 1;
		refill = min(periods, 100UL) * quota;
		if (atomic_cas(&d->sched.period_end, &end, end + periods * PERIOD)) {
			refill = min(refill, quota - READ_ONCE(d->sched.budget));
			atomic_add(&d->sched.budget, refill);
		}
	}
	return READ_ONCE(d->sched.budget) > 0;
}

/* In what follows rq->lock is held where an rq is passed. */

#define rq_cpu(rq) ((unsigned int)((rq) - rqs))
#define before(a, b) ((s64)((a) - (b)) < 0)
#define cpu_load(cpu) (READ_ONCE(rqs[cpu].load) + READ_ONCE(rqs[cpu].curr_weight))
#define first_of(rq) list_first(&(rq)->queue, struct vcpu, sched.queue)
#define unsaved(v) __atomic_load_n(&(v)->sched.running, __ATOMIC_ACQUIRE)	/* S3 */

/* Virtual runtime of a running vcpu at this moment. */
static u64 live_vruntime(const struct vcpu *v, u64 now)
{
	u64 ran = before(now, v->sched.since) ? 0 : now - v->sched.since;

	if (unlikely(v->sched.weight != 256))
		ran = ran * 256 / v->sched.weight;
	return v->sched.vruntime + ran;
}

static struct runqueue *lock_rq_of(struct vcpu *v)
{
	for (;;) {
		struct runqueue *rq = &rqs[READ_ONCE(v->sched.cpu)];

		spin_lock(&rq->lock);
		if (likely(rq == &rqs[READ_ONCE(v->sched.cpu)]))
			return rq;
		spin_unlock(&rq->lock);
	}
}

static void enqueue(struct runqueue *rq, struct vcpu *v)
{
	struct list_head *at = rq->queue.prev;

	if (unlikely(before(rq->min_vruntime + MAX_LEAD, v->sched.vruntime)))
		v->sched.vruntime = rq->min_vruntime + MAX_LEAD;
	while (at != &rq->queue &&
	       before(v->sched.vruntime, container_of(at, struct vcpu, sched.queue)->sched.vruntime))
		at = at->prev;
	list_add(&v->sched.queue, at);
	v->sched.on_queue = true;
	v->sched.weight = v->domain->sched.weight;
	rq->nr++;
	rq->load += v->sched.weight;
}

/* From the queue or from the capped list. */
static void dequeue(struct runqueue *rq, struct vcpu *v)
{
	list_del(&v->sched.queue);
	if (v->sched.on_queue) {
		rq->nr--;
		rq->load -= v->sched.weight;
	}
	v->sched.on_queue = v->sched.capped = false;
	if (rq->heir == v)
		rq->heir = NULL;
}

static void update_min(struct runqueue *rq, u64 running)
{
	if (rq->nr && before(first_of(rq)->sched.vruntime, running))
		running = first_of(rq)->sched.vruntime;
	if (before(rq->min_vruntime, running))
		rq->min_vruntime = running;
}

/* v (not queued) leaves rq for another CPU's queue; both locks held, or v is on its way there. */
static void change_cpu(struct runqueue *rq, struct vcpu *v, unsigned int cpu)
{
	v->sched.vruntime += READ_ONCE(rqs[cpu].min_vruntime) - rq->min_vruntime;
	v->sched.arrived = now_ns();
	WRITE_ONCE(v->sched.cpu, cpu);
}

static int stopped_state(u32 pause_flags)
{
	return pause_flags & (VPF_blocked | VPF_polling) ? RUNSTATE_blocked : RUNSTATE_offline;
}

/* Not later than at that time. */
static void set_earlier(struct timer *t, u64 at)
{
	if (!t->at || t->deadline > at)
		timer_set(t, at);
}

/* Its domain's budget is used up: wait for the end of the period. */
static void throttle(struct runqueue *rq, struct vcpu *v)
{
	v->sched.capped = true;
	list_add(&v->sched.queue, &rq->capped);
	set_earlier(&rq->uncap, READ_ONCE(v->domain->sched.period_end));
}

/* Count the time since the last charge. */
static void charge(struct vcpu *v, u64 now)
{
	if (unlikely(before(now, v->sched.since)))
		return;
	v->sched.vruntime = live_vruntime(v, now);
	if (unlikely(v->domain->sched.cap))
		atomic_add(&v->domain->sched.budget, -(s64)(now - v->sched.since));
	v->sched.since = now;
}

/* v was put on rq: should it run at once, after the minimum slice, or when its turn comes? */
static void check_preempt(struct runqueue *rq, struct vcpu *v, u64 now)
{
	const struct vcpu *curr = rq->curr;
	u64 at = now;

	if (!curr->is_idle)
		at = curr->sched.since + (!before(v->sched.vruntime + WAKE_GAIN, live_vruntime(curr, now)) ? SLICE :
					  max(US(sched_min_slice), curr->sched.sends ? GIVEN : 0));
	if (!before(now, at))
		softirq_raise_cpu(rq_cpu(rq), SOFTIRQ_SCHED);
	else
		set_earlier(&rq->slice, at);
}

/* Of equals the first one after `cpu`, so that they take turns. mask is not empty. */
static unsigned int least_loaded(cpumask_t mask, unsigned int cpu)
{
	cpumask_t after = mask & (~1UL << cpu), part = after ?: mask;
	unsigned int best = __builtin_ctzl(part);

	while (mask) {
		cpu = __builtin_ctzl(part);
		if (cpu_load(cpu) < cpu_load(best))
			best = cpu;
		mask &= ~BIT(cpu);
		part = part & mask ?: mask;
	}
	return best;
}

/* An idle CPU of mask, claimed so that the next wake-up takes another one; -1: none. */
static int claim_idle(const struct vcpu *v, cpumask_t mask, unsigned int wish)
{
	cpumask_t idle = READ_ONCE(idle_cpus) & mask;

	if (!idle)
		return -1;
	idle = idle & v->sched.soft_affinity ?: idle;
	wish = idle & BIT(wish) ? wish : (unsigned int)__builtin_ctzl(idle);
	atomic_and(&idle_cpus, ~BIT(wish));
	return wish;
}

/* Where a vcpu that wakes up should run: its last CPU, an idle one, or the least loaded. */
static unsigned int choose_cpu(struct vcpu *v)
{
	cpumask_t hard = v->sched.hard_affinity & cpu_online_map;
	cpumask_t wanted = hard & v->sched.soft_affinity ?: hard;
	unsigned int last = v->sched.cpu, other;
	int idle = claim_idle(v, hard, last);

	if (idle >= 0)
		return idle;
	if (unlikely(!wanted) || ((wanted & BIT(last)) && !READ_ONCE(rqs[last].nr)))
		return last;
	other = least_loaded(wanted, last);
	if ((wanted & BIT(last)) && cpu_load(last) < cpu_load(other) + v->sched.weight)
		return last;
	return other;
}

/*
 * Put v on a queue if it is runnable and nowhere yet. target: CPU, or -1 to choose one. saved: the
 * caller is schedule() and has saved v's state: v->sched.running ends here.
 */
static void place(struct vcpu *v, int target, bool saved)
{
	struct runqueue *rq, *from;
	int in_vain = target;
	u64 now;

	for (;;) {
		rq = from = lock_rq_of(v);
		if (READ_ONCE(v->pause_flags) || v->sched.on_queue || v->sched.capped ||
		    rq->curr == v)
			goto out;
		if (!saved && unsaved(v)) {
			if (!(v->sched.hard_affinity & BIT(rq_cpu(rq))))
				goto out;		/* schedule() will place it once saved */
			break;				/* S3 */
		}
		if (target < 0 || !(v->sched.hard_affinity & BIT(target)))
			target = choose_cpu(v);
		if (target == (int)rq_cpu(rq))
			break;
		/* Both locks, so that v is never in between: it might be stopped and freed. */
		if (spin_trylock(&rqs[target].lock)) {
			rq = &rqs[target];
			change_cpu(from, v, target);
			spin_unlock(&from->lock);
			break;
		}
		spin_unlock(&from->lock);
		spin_pause();
	}
	now = now_ns();
	if (!rq->curr->is_idle)
		update_min(rq, live_vruntime(rq->curr, now));
	if (before(v->sched.vruntime, rq->min_vruntime - SLEEP_BONUS))
		v->sched.vruntime = rq->min_vruntime - SLEEP_BONUS;
	if (v->runstate.state != RUNSTATE_runnable)
		runstate_change(v, RUNSTATE_runnable, now);
	enqueue(rq, v);
	check_preempt(rq, v, now);
	if (in_vain == (int)rq_cpu(rq))
		in_vain = -1;
out:
	if (saved)
		__atomic_store_n(&v->sched.running, false, __ATOMIC_RELEASE);
	spin_unlock(&rq->lock);
	/* A CPU that was claimed for v did not get it: it must look for work itself. */
	if (unlikely(in_vain >= 0))
		softirq_raise_cpu(in_vain, SOFTIRQ_SCHED);
}

/* Any context without a lock of RANK_SCHED or higher. */
void sched_wake(struct vcpu *v)
{
	struct runqueue *rq;
	u32 flags;

	if (likely(!READ_ONCE(v->pause_flags)))
		return place(v, -1, false);
	rq = lock_rq_of(v);
	flags = READ_ONCE(v->pause_flags);
	if (flags && v->runstate.state == RUNSTATE_blocked && stopped_state(flags) != RUNSTATE_blocked)
		runstate_change(v, RUNSTATE_offline, now_ns());
	spin_unlock(&rq->lock);
}

void sched_sleep(struct vcpu *v)
{
	struct runqueue *rq = lock_rq_of(v);
	u32 flags = READ_ONCE(v->pause_flags);

	if (flags && (v->sched.on_queue || v->sched.capped)) {
		dequeue(rq, v);
		runstate_change(v, stopped_state(flags), now_ns());
	} else if (flags && rq->curr == v) {
		softirq_raise_cpu(rq_cpu(rq), SOFTIRQ_SCHED);
	}
	spin_unlock(&rq->lock);
}

/*
 * No wait for current, which stops on its way out. No lock may be held. Two that wait for each
 * other would wait for ever: callers are one at a time.
 */
void sched_sleep_sync(struct vcpu *v)
{
	sched_sleep(v);
	while (v != current_vcpu() && unsaved(v))
		spin_pause();
}

void sched_yield(void)
{
	current_vcpu()->sched.yield = true;
	softirq_raise(SOFTIRQ_SCHED);
}

/* v goes first unless it is ahead of those that wait, or so far ahead of current that this would lose too much. */
void sched_hand_over(struct vcpu *v, bool probe)
{
	struct vcpu *curr = current_vcpu();
	struct runqueue *rq = &rqs[this_cpu()];

	if (probe)
		curr->sched.asked = now_ns();
	if (probe || curr->sched.busy > 1 || READ_ONCE(v->sched.busy) > 1)
		return;
	spin_lock(&rq->lock);
	if (READ_ONCE(v->sched.cpu) == rq_cpu(rq) && v->sched.on_queue &&
	    before(v->sched.vruntime, first_of(rq)->sched.vruntime + WAKE_GAIN) &&
	    before(v->sched.vruntime, curr->sched.vruntime + 2 * SLEEP_BONUS)) {
		rq->heir = v;
		softirq_raise(SOFTIRQ_SCHED);
	}
	spin_unlock(&rq->lock);
}

/* No event is slept through: who blocks looks for them after it has said so. */
void sched_block(void)
{
	struct vcpu *v = current_vcpu();

	/* Full barrier; the sender sets pending first and looks at the flag then (vcpu_kick). */
	atomic_or(&v->pause_flags, VPF_blocked);
	if (vcpu_event_pending(v)) {
		atomic_and(&v->pause_flags, ~VPF_blocked);
		return;
	}
	trace(BLOCK, v->domain->id, v->id);
	softirq_raise(SOFTIRQ_SCHED);
}

void vcpu_unblock(struct vcpu *v)
{
	u32 wait = VPF_blocked | VPF_polling;

	if ((READ_ONCE(v->pause_flags) & wait) && (atomic_and(&v->pause_flags, ~wait) & wait)) {
		trace(WAKE, v->domain->id, v->id);
		sched_wake(v);
	}
}

void vcpu_kick(struct vcpu *v)
{
	smp_mb();			/* the event is visible before the flags are read */
	if (v == current_vcpu() && !READ_ONCE(v->pause_flags))
		return;			/* sees it on its way out, or before it blocks */
	if (READ_ONCE(v->pause_flags))
		vcpu_unblock(v);
	else if (READ_ONCE(v->sched.running))
		send_resched_ipi(READ_ONCE(v->processor));
}

/* Take a waiting vcpu from another CPU's queue, those that like this CPU first. rq is empty. */
static struct vcpu *steal(struct runqueue *rq, u64 now)
{
	unsigned int cpu = rq_cpu(rq);
	struct runqueue *from;
	struct vcpu *v;

	for (int soft = 1; soft >= 0; soft--)
		for (cpumask_t m = cpu_online_map & ~BIT(cpu); m; m &= m - 1) {
			from = &rqs[__builtin_ctzl(m)];
			if (!READ_ONCE(from->nr) || !spin_trylock(&from->lock))
				continue;
			list_for_each(v, &from->queue, sched.queue)
				if ((v->sched.hard_affinity & BIT(cpu)) && !unsaved(v) &&
				    (!soft || (v->sched.soft_affinity & BIT(cpu))) &&
				    has_budget(v->domain, now)) {
					dequeue(from, v);
					change_cpu(from, v, cpu);
					spin_unlock(&from->lock);
					return v;
				}
			spin_unlock(&from->lock);
		}
	return NULL;
}

/* The vcpu to run next, taken from its queue; the idle vcpu if there is none. */
static struct vcpu *pick(struct runqueue *rq, u64 now)
{
	struct vcpu *v;

	while (rq->nr) {
		v = rq->heir ?: first_of(rq);
		dequeue(rq, v);
		if (likely(!v->domain->sched.cap) || has_budget(v->domain, now))
			return v;
		throttle(rq, v);
	}
	return steal(rq, now) ?: idle_vcpu[rq_cpu(rq)];
}

/* prev waits on rq behind another vcpu: which CPU should it wait or run on? */
static unsigned int balance(struct runqueue *rq, struct vcpu *prev, u64 now)
{
	unsigned int cpu = rq_cpu(rq), best;
	cpumask_t mask = prev->sched.hard_affinity & cpu_online_map;
	int idle = claim_idle(prev, mask, cpu);
	struct vcpu *v;

	if (idle >= 0)
		return idle;
	if (before(now, rq->next_balance))
		return cpu;
	best = least_loaded(mask & prev->sched.soft_affinity ?: mask, cpu);
	/* Also when it only swaps the roles: three vcpus on two CPUs get equal shares this way ... */
	if (best == cpu || cpu_load(cpu) - prev->sched.weight < cpu_load(best)) {
		rq->next_balance = now + BALANCE;
		return cpu;
	}
	/* ... if it is the turn of the one that came first, of those that may go there. */
	if ((rq->curr->sched.hard_affinity & BIT(best)) &&
	    before(rq->curr->sched.arrived, prev->sched.arrived))
		return cpu;
	list_for_each(v, &rq->queue, sched.queue)
		if ((v->sched.hard_affinity & BIT(best)) &&
		    before(v->sched.arrived, prev->sched.arrived))
			return cpu;
	rq->next_balance = now + BALANCE;
	WRITE_ONCE(rqs[best].next_balance, now + BALANCE);
	return best;
}

/* v stops after it has asked for something: has it run on for longer than it had run before? */
static void probed(struct vcpu *v, u64 now)
{
	if (now - v->sched.asked >= v->sched.asked - v->sched.since)
		v->sched.busy = min(v->sched.busy + 1, 3);
	else if (v->sched.busy && (READ_ONCE(v->pause_flags) & VPF_blocked))
		v->sched.busy--;
	v->sched.asked = 0;
}

/* prev has had its turn: back to the queue, if it is to run on. */
static void requeue(struct runqueue *rq, struct vcpu *prev, u64 now)
{
	bool yield = prev->sched.yield;

	prev->sched.yield = false;
	if (unlikely(prev->sched.asked))
		probed(prev, now);
	charge(prev, now);
	if (READ_ONCE(prev->pause_flags) || !(prev->sched.hard_affinity & BIT(rq_cpu(rq))))
		return;
	if (prev->domain->sched.cap && !has_budget(prev->domain, now))
		return throttle(rq, prev);
	if (yield && rq->nr && before(prev->sched.vruntime, first_of(rq)->sched.vruntime))
		prev->sched.vruntime = first_of(rq)->sched.vruntime;	/* behind its equals */
	if (rq->heir && before(prev->sched.vruntime, rq->heir->sched.vruntime))
		prev->sched.vruntime = rq->heir->sched.vruntime;	/* gives, and keeps no claim */
	enqueue(rq, prev);
}

static void start_slice(struct runqueue *rq, struct vcpu *next, bool given, u64 now)
{
	u64 slice = !rq->nr || next->is_idle ? 0 : given ? GIVEN : SLICE;	/* S4 */

	if (unlikely(next->domain->sched.cap))
		slice = READ_ONCE(next->domain->sched.budget) < (s64)SLICE ?
			(u64)max(READ_ONCE(next->domain->sched.budget), MIN_RUN) : SLICE;
	if (slice)
		timer_set(&rq->slice, now + slice);
	else if (rq->slice.at)
		timer_stop(&rq->slice);
}

/*
 * No lock held. On return the CPU runs the new current, on the same stack: the caller goes on to
 * the exit path or the idle loop.
 */
void schedule(void)
{
	unsigned int cpu = this_cpu(), dest = cpu;
	struct runqueue *rq = &rqs[cpu];
	struct vcpu *prev = current_vcpu(), *next;
	bool leaves, given = READ_ONCE(rq->heir);
	u64 now = now_ns();
	u32 flags;

	spin_lock(&rq->lock);
	if (!prev->is_idle)
		requeue(rq, prev, now);
	next = pick(rq, now);
	rq->curr = next;
	rq->curr_weight = next->is_idle ? 0 : next->sched.weight;
	if (prev->sched.on_queue)
		dest = balance(rq, prev, now);
	if (dest != cpu)
		dequeue(rq, prev);
	start_slice(rq, next, given, now);
	next->sched.since = now;
	if (next->is_idle)
		atomic_or(&idle_cpus, BIT(cpu));
	else
		update_min(rq, next->sched.vruntime);
	if (next == prev)
		return spin_unlock(&rq->lock);
	if (!next->is_idle && (READ_ONCE(idle_cpus) & BIT(cpu)))
		atomic_and(&idle_cpus, ~BIT(cpu));
	next->sched.running = true;
	next->processor = cpu;
	flags = READ_ONCE(prev->pause_flags);
	/* Not waiting here: once saved, it goes to another CPU if it is (or gets) runnable. */
	leaves = !prev->is_idle && !prev->sched.on_queue && !prev->sched.capped &&
		 (!flags || !(prev->sched.hard_affinity & BIT(cpu)));
	runstate_change(prev, flags ? stopped_state(flags) : RUNSTATE_runnable, now);
	runstate_change(next, RUNSTATE_running, now);
	spin_unlock(&rq->lock);

	if (!prev->is_idle)
		clock_vcpu_switch_out(prev);
	arch_context_switch(prev, next);
	if (unlikely(leaves))
		place(prev, dest != cpu ? (int)dest : -1, true);
	else
		__atomic_store_n(&prev->sched.running, false, __ATOMIC_RELEASE);
	/* prev may be gone from here on */
	if (!next->is_idle)
		clock_vcpu_switch_in(next);
}

static void slice_ended(void *arg)
{
	softirq_raise(SOFTIRQ_SCHED);
}

/* A period of some cap ended: those with a budget go back to the queue. */
static void uncap(void *arg)
{
	struct runqueue *rq = arg;
	struct vcpu *v, *n;
	u64 now = now_ns();

	spin_lock(&rq->lock);
	list_for_each_safe(v, n, &rq->capped, sched.queue) {
		if (!has_budget(v->domain, now)) {
			set_earlier(&rq->uncap, READ_ONCE(v->domain->sched.period_end));
			continue;
		}
		dequeue(rq, v);
		if (before(v->sched.vruntime, rq->min_vruntime))
			v->sched.vruntime = rq->min_vruntime;
		enqueue(rq, v);
		check_preempt(rq, v, now);
	}
	spin_unlock(&rq->lock);
}

int sched_set_affinity(struct vcpu *v, cpumask_t hard, cpumask_t soft)
{
	struct runqueue *rq;
	bool move;

	if (!(hard & cpu_online_map))
		return -EINVAL;
	while (rq = lock_rq_of(v), rq->curr != v && READ_ONCE(v->sched.running)) {
		spin_unlock(&rq->lock);		/* S3: its CPU is saving it */
		spin_pause();
	}
	v->sched.hard_affinity = hard;
	v->sched.soft_affinity = soft;
	move = !(hard & BIT(rq_cpu(rq))) && (v->sched.on_queue || v->sched.capped);
	if (move)
		dequeue(rq, v);
	else if (!(hard & BIT(rq_cpu(rq))) && rq->curr == v)
		softirq_raise_cpu(rq_cpu(rq), SOFTIRQ_SCHED);
	spin_unlock(&rq->lock);
	if (move)
		place(v, -1, false);
	return 0;
}

int sched_set_params(struct domain *d, u16 weight, u16 cap)
{
	u16 old = d->sched.weight;
	struct runqueue *rq;
	struct vcpu *v;
	s64 lead;

	if (!weight)
		return -EINVAL;
	d->sched.weight = weight;
	for_each_vcpu(d, v) {		/* its lead was counted at the old weight */
		rq = lock_rq_of(v);
		lead = max((s64)(v->sched.vruntime - rq->min_vruntime), -(s64)MAX_LEAD);
		lead = min(lead, (s64)MAX_LEAD);
		v->sched.vruntime = rq->min_vruntime + lead * old / weight;
		if (v->sched.on_queue) {
			dequeue(rq, v);
			enqueue(rq, v);
		}
		spin_unlock(&rq->lock);
	}
	if (cap != d->sched.cap) {
		WRITE_ONCE(d->sched.budget, 0);
		WRITE_ONCE(d->sched.period_end, 0);
		WRITE_ONCE(d->sched.cap, cap);
	}
	return 0;
}

void sched_init(void)
{
	for (unsigned int cpu = 0; cpu < NR_CPUS; cpu++) {
		struct runqueue *rq = &rqs[cpu];

		*rq = (struct runqueue){ .min_vruntime = 1UL << 62 };
		spin_lock_init(&rq->lock, RANK_SCHED);
		list_init(&rq->queue);
		list_init(&rq->capped);
		timer_init(&rq->slice, slice_ended, NULL, cpu);
		timer_init(&rq->uncap, uncap, rq, cpu);
	}
	idle_cpus = 0;
	softirq_register(SOFTIRQ_SCHED, schedule);
}

void sched_init_cpu(unsigned int cpu)
{
	rqs[cpu].curr = idle_vcpu[cpu];
	atomic_or(&idle_cpus, BIT(cpu));
}

/* A new vcpu: stopped (its creator has set VPF_down), or a CPU's idle vcpu: running. */
void sched_init_vcpu(struct vcpu *v, unsigned int cpu)
{
	v->sched = (struct sched_vcpu){
		.cpu = cpu, .weight = 256, .vruntime = rqs[cpu].min_vruntime,
		.hard_affinity = v->is_idle ? BIT(cpu) : ~0UL, .soft_affinity = ~0UL,
		.running = v->is_idle,
	};
	list_init(&v->sched.queue);
	v->processor = cpu;
	v->runstate.state = v->is_idle ? RUNSTATE_running : RUNSTATE_offline;
	v->runstate.state_entry_time = now_ns();
}

void sched_dump(void)
{
	for (unsigned int cpu = 0; cpu < NR_CPUS; cpu++) {
		struct runqueue *rq = &rqs[cpu];
		struct vcpu *v;

		if (!(cpu_online_map & BIT(cpu)) || !spin_trylock(&rq->lock))
			continue;
		printk("CPU %u: runs d%uv%u, %u waiting, load %u, min vruntime %lu\n", cpu, rq->curr->domain->id,
		       rq->curr->id, rq->nr, rq->load + rq->curr_weight, rq->min_vruntime);
		list_for_each(v, &rq->queue, sched.queue)
			printk("  waits  d%uv%u vruntime %ld us\n", v->domain->id, v->id,
			       (s64)(v->sched.vruntime - rq->min_vruntime) / 1000);
		spin_unlock(&rq->lock);
	}
}
