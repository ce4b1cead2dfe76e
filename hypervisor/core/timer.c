/* SPDX-License-Identifier: MIT */
/*
 * Timers: a pairing heap of deadlines per CPU over one hardware timer.
 *
 * Job:    arm, disarm, move; run what is due in SOFTIRQ_TIMER of the timer's CPU.
 * Enter:  timer_interrupt() from the machine; timer_set() and friends.
 * State:  queues[cpu]: the heap, the deadline the hardware has, the timer whose fn runs now.
 * Locks:  queues[cpu].lock (RANK_TIMER); callbacks run without it; two queues: lower CPU first.
 * Holds:  TM1  an active timer is in exactly one CPU's heap, that of t->cpu.
 *         TM2  programmed <= the first deadline whenever the heap is not empty (and the softirq
 *              is not pending): the hardware is moved only to an earlier time, so that
 *              re-arming and stopping cost no register access.
 * Tests:  tests/host/test_timer.c
 */
#include <hv/debug.h>
#include <hv/lock.h>
#include <hv/softirq.h>
#include <hv/timer.h>

#define NEVER_NS (~0UL)

static struct timer_queue {
	spinlock_t lock;
	struct timer *first;		/* root: the earliest deadline */
	u64 programmed;			/* NEVER_NS: nothing is programmed */
	struct timer *running;		/* its fn is being called */
} __aligned(64) queues[NR_CPUS];

/* --- the pairing heap: a node's children are not earlier than it --- */

static struct timer *meld(struct timer *a, struct timer *b)
{
	if (!a || !b)
		return a ?: b;
	if (b->deadline < a->deadline) {
		struct timer *t = a;

		a = b;
		b = t;
	}
	b->prev = a;
	b->next = a->child;
	if (b->next)
		b->next->prev = b;
	a->child = b;
	return a;
}

/* Join a list of siblings into one heap: pairs from left to right, then all from right to left. */
static struct timer *join(struct timer *list)
{
	struct timer *pairs = NULL, *heap = NULL;

	while (list) {
		struct timer *a = list, *b = a->next;

		list = b ? b->next : NULL;
		a->next = NULL;
		if (b)
			b->next = NULL;
		a = meld(a, b);
		a->next = pairs;
		pairs = a;
	}
	while (pairs) {
		struct timer *next = pairs->next;

		pairs->next = NULL;
		heap = meld(heap, pairs);
		pairs = next;
	}
	return heap;
}

static void heap_insert(struct timer_queue *q, struct timer *t)
{
	t->child = t->next = t->prev = NULL;
	t->active = true;
	q->first = meld(q->first, t);
	q->first->prev = q->first->next = NULL;
}

static void heap_remove(struct timer_queue *q, struct timer *t)
{
	struct timer *sub = t->child ? join(t->child) : NULL;

	if (q->first == t) {
		q->first = sub;
	} else {
		if (t->prev->child == t)
			t->prev->child = t->next;
		else
			t->prev->next = t->next;
		if (t->next)
			t->next->prev = t->prev;
		if (sub)
			q->first = meld(q->first, sub);
	}
	if (q->first)
		q->first->prev = q->first->next = NULL;
	t->active = false;
}

/* --- queues --- */

static struct timer_queue *lock_queue_of(struct timer *t)
{
	for (;;) {
		struct timer_queue *q = &queues[READ_ONCE(t->cpu)];

		spin_lock(&q->lock);
		if (likely(q == &queues[READ_ONCE(t->cpu)]))
			return q;
		spin_unlock(&q->lock);	/* it was moved meanwhile */
	}
}

/* Only on the queue's own CPU, under its lock: see TM2. */
static void program(struct timer_queue *q)
{
	if (q->first && q->first->deadline < q->programmed) {
		q->programmed = q->first->deadline;
		arch_set_timer(q->programmed);
	}
}

/* A new first deadline on this or another CPU's queue, whose lock is held. */
static void first_changed(struct timer_queue *q)
{
	unsigned int cpu = q - queues;

	if (cpu == this_cpu())
		program(q);
	else if (q->first->deadline < q->programmed)
		softirq_raise_cpu(cpu, SOFTIRQ_TIMER);
}

static void run_timers(void)
{
	struct timer_queue *q = &queues[this_cpu()];
	u64 now = now_ns();

	spin_lock(&q->lock);
	while (q->first && q->first->deadline <= now) {
		struct timer *t = q->first;

		heap_remove(q, t);
		q->running = t;
		trace(TIMER, now, t->deadline);
		spin_unlock(&q->lock);
		t->fn(t->arg);			/* may set, stop or free t */
		spin_lock(&q->lock);
		WRITE_ONCE(q->running, NULL);
		if (q->first && q->first->deadline > now)
			now = now_ns();
	}
	program(q);
	spin_unlock(&q->lock);
}

void timer_init(struct timer *t, void (*fn)(void *), void *arg, unsigned int cpu)
{
	*t = (struct timer){ .fn = fn, .arg = arg, .cpu = cpu };
}

void timer_set(struct timer *t, u64 deadline_ns)
{
	struct timer_queue *q = lock_queue_of(t);

	if (t->active)
		heap_remove(q, t);
	if (!t->dead) {
		t->deadline = max(deadline_ns, 1UL);	/* programmed 0 would pass for "already fires" */
		heap_insert(q, t);
		if (q->first == t)
			first_changed(q);
	}
	spin_unlock(&q->lock);
}

void timer_stop(struct timer *t)
{
	struct timer_queue *q = lock_queue_of(t);

	if (t->active)
		heap_remove(q, t);
	spin_unlock(&q->lock);
}

void timer_kill(struct timer *t)
{
	struct timer_queue *q;

	if (!t->fn)
		return;			/* never initialised */
	q = lock_queue_of(t);
	if (t->active)
		heap_remove(q, t);
	t->dead = true;
	spin_unlock(&q->lock);
	/* It may have been moved while its fn runs: look everywhere. */
	for (unsigned int cpu = 0; cpu < NR_CPUS; cpu++)
		while (READ_ONCE(queues[cpu].running) == t && cpu != this_cpu()) {
			arch_poll();
			cpu_relax();
		}
}

void timer_migrate(struct timer *t, unsigned int cpu)
{
	struct timer_queue *to = &queues[cpu], *from;

	for (;;) {
		from = &queues[READ_ONCE(t->cpu)];
		if (from == to)
			return;
		spin_lock(from < to ? &from->lock : &to->lock);
		spin_lock_nested(from < to ? &to->lock : &from->lock);
		if (from == &queues[READ_ONCE(t->cpu)])
			break;
		spin_unlock(&to->lock);
		spin_unlock(&from->lock);
	}
	if (t->active) {
		heap_remove(from, t);
		t->cpu = cpu;
		heap_insert(to, t);
		if (to->first == t)
			first_changed(to);
	} else {
		t->cpu = cpu;
	}
	spin_unlock(&to->lock);
	spin_unlock(&from->lock);
}

void timer_interrupt(void)
{
	queues[this_cpu()].programmed = NEVER_NS;
	softirq_raise(SOFTIRQ_TIMER);
}

void timers_init(void)
{
	for (unsigned int cpu = 0; cpu < NR_CPUS; cpu++) {
		queues[cpu] = (struct timer_queue){ .programmed = NEVER_NS };
		spin_lock_init(&queues[cpu].lock, RANK_TIMER);
	}
	softirq_register(SOFTIRQ_TIMER, run_timers);
}

/* The hardware timer of a CPU that comes up is in an unknown state: program it afresh. */
int timers_init_cpu(unsigned int cpu)
{
	if (!queues[cpu].lock.rank)
		timers_init();		/* the first CPU, when boot did not call it */
	queues[cpu].programmed = NEVER_NS;
	/* no interrupt: it may not have been started yet, and looks at its softirqs when it is */
	atomic_or(softirq_pending(cpu), BIT(SOFTIRQ_TIMER));
	return 0;
}

u64 timer_next_deadline(unsigned int cpu)
{
	struct timer_queue *q = &queues[cpu];
	u64 first;

	spin_lock(&q->lock);
	first = q->first ? q->first->deadline : 0;
	spin_unlock(&q->lock);
	return first;
}
