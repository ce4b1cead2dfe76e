/* SPDX-License-Identifier: MIT */
/*
 * Job:    timers: a heap of deadlines per CPU over one hardware timer.
 * Enter:  timer_interrupt() from the machine; timer_set() and friends.
 * State:  queues[cpu]: the heap, the deadline the hardware has, the timer whose fn runs now.
 * Locks:  queues[cpu].lock (RANK_TIMER); callbacks run without it.
 * Holds:  TM1  an active timer is in exactly one CPU's heap, that of t->cpu; no timer is due
 *              earlier than the one above it; *t->at == t.
 *         TM2  programmed <= the first deadline whenever the heap is not empty (and the softirq
 *              is not pending): the hardware is moved only to an earlier time, so that
 *              re-arming and stopping cost no register access.
 * Tests:  tests/host/test_timer.c
 */
#include <hv/debug.h>
#include <hv/lock.h>
#include <hv/softirq.h>

#define NEVER_NS (~0UL)

static struct timer_queue {
	spinlock_t lock;
	struct timer *first;		/* the root of a skew heap */
	u64 programmed;			/* NEVER_NS: nothing is programmed */
	struct timer *running;		/* its fn is being called */
} __aligned(64) queues[NR_CPUS];

static void put_at(struct timer **at, struct timer *t)
{
	*at = t;
	if (t)
		t->at = at;
}

/*
 * *at becomes the heap of all that is in a and b. To swap the children along the way keeps the
 * ways short: n operations take some n * log n steps, whatever the deadlines are.
 */
static void meld(struct timer **at, struct timer *a, struct timer *b)
{
	struct timer *t;

	while (a && b) {
		if (b->deadline < a->deadline) {
			t = a;
			a = b;
			b = t;
		}
		put_at(at, a);
		at = &a->left;
		t = a->right;
		put_at(&a->right, a->left);
		a = t;
	}
	put_at(at, a ?: b);
}

/* The next one that is due at `until` or earlier. */
static struct timer *first_until(const struct timer_queue *q, u64 until)
{
	return q->first && q->first->deadline <= until ? q->first : NULL;
}

/* Only on the queue's own CPU, under its lock: see TM2. */
static void program(struct timer_queue *q)
{
	const struct timer *t = first_until(q, q->programmed - 1);

	if (t) {
		q->programmed = t->deadline;
		arch_set_timer(t->deadline);
	}
}

/* Into the queue of this or another CPU, whose lock is held. */
static void arm(struct timer_queue *q, struct timer *t)
{
	t->left = t->right = NULL;
	meld(&q->first, q->first, t);
	if (q->first != t)
		return;
	if (q == &queues[this_cpu()])
		program(q);
	else if (t->deadline < q->programmed)
		softirq_raise_cpu(q - queues, SOFTIRQ_TIMER);
}

static void disarm(struct timer *t)
{
	meld(t->at, t->left, t->right);
	t->at = NULL;
}

/* Returns with the lock of t's queue held, in which t is no more. */
static struct timer_queue *lock_and_disarm(struct timer *t)
{
	struct timer_queue *q;

	for (;;) {
		q = &queues[READ_ONCE(t->cpu)];
		spin_lock(&q->lock);
		if (likely(q == &queues[READ_ONCE(t->cpu)]))
			break;
		spin_unlock(&q->lock);	/* it was moved meanwhile */
	}
	if (t->at)
		disarm(t);
	return q;
}

static void run_timers(void)
{
	struct timer_queue *q = &queues[this_cpu()];
	struct timer *t;
	u64 now = now_ns();

	spin_lock(&q->lock);
	while ((t = first_until(q, now))) {
		disarm(t);
		q->running = t;
		trace(TIMER, now, t->deadline);
		spin_unlock(&q->lock);
		t->fn(t->arg);			/* may set, stop or free t */
		spin_lock(&q->lock);
		WRITE_ONCE(q->running, NULL);
		if (!first_until(q, now))
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
	struct timer_queue *q = lock_and_disarm(t);

	if (!t->dead) {
		t->deadline = max(deadline_ns, 1UL);	/* 0 would pass for "already fires" */
		arm(q, t);
	}
	spin_unlock(&q->lock);
}

void timer_stop(struct timer *t)
{
	spin_unlock(&lock_and_disarm(t)->lock);
}

void timer_kill(struct timer *t)
{
	struct timer_queue *q;

	if (!t->fn)
		return;			/* never initialised */
	q = lock_and_disarm(t);
	t->dead = true;
	spin_unlock(&q->lock);
	/* It may have been moved while its fn runs: look everywhere. */
	for (q = queues; q < queues + NR_CPUS; q++)
		while (READ_ONCE(q->running) == t && q != &queues[this_cpu()])
			spin_pause();
}

void timer_migrate(struct timer *t, unsigned int cpu)
{
	struct timer_queue *to = &queues[cpu], *from;

	for (;;) {
		from = &queues[READ_ONCE(t->cpu)];
		if (from == to)
			return;
		spin_lock_two(&from->lock, &to->lock);
		if (from == &queues[READ_ONCE(t->cpu)])
			break;
		spin_unlock_two(&from->lock, &to->lock);
	}
	t->cpu = cpu;
	if (t->at) {
		disarm(t);
		arm(to, t);
	}
	spin_unlock_two(&from->lock, &to->lock);
}

void timer_interrupt(void)
{
	queues[this_cpu()].programmed = NEVER_NS;
	softirq_raise(SOFTIRQ_TIMER);
}

/* The hardware timer of a CPU that comes up is in an unknown state: program it afresh. */
void timers_init_cpu(unsigned int cpu)
{
	queues[cpu] = (struct timer_queue){ .programmed = NEVER_NS };
	spin_lock_init(&queues[cpu].lock, RANK_TIMER);
	softirq_register(SOFTIRQ_TIMER, run_timers);
	/* no interrupt: it may not have been started yet, and looks at its softirqs when it is */
	atomic_or(softirq_pending(cpu), BIT(SOFTIRQ_TIMER));
}
