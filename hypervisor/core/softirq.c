/* SPDX-License-Identifier: MIT */
/*
 * Job:    softirqs and tasklets: work that waits until this CPU holds no lock.
 * Enter:  do_softirq() from exit work and the idle loop; softirq_raise*() from anywhere.
 * Locks:  none: a word changes by atomic operations, a tasklet queue is its CPU's own.
 * Holds:  a bit that another CPU set is seen before that CPU's target enters guest mode or halts.
 * Tests:  tests/host/test_softirq.c
 */
#include <hv/debug.h>
#include <hv/lock.h>
#include <hv/softirq.h>

static struct { struct tasklet *first, **last; } tasklets[NR_CPUS];

static void run_tasklets(void)
{
	unsigned int cpu = this_cpu();
	struct tasklet *t = tasklets[cpu].first, *next;

	tasklets[cpu].first = NULL;
	for (; t; t = next) {
		next = t->next;
		/* Before fn, which may schedule t again or free it. */
		__atomic_store_n(&t->queued, false, __ATOMIC_RELEASE);
		t->fn(t->arg);
	}
}

static void (*handlers[NR_SOFTIRQS])(void) = { [SOFTIRQ_TASKLET] = run_tasklets };

void softirq_register(enum softirq nr, void (*fn)(void))
{
	handlers[nr] = fn;
}

void softirq_raise_cpu(unsigned int cpu, enum softirq nr)
{
	u64 old = atomic_or(softirq_pending(cpu), BIT(nr));

	/* Whoever set the bit first sent the interrupt. */
	if (cpu != this_cpu() && !(old & BIT(nr)))
		send_resched_ipi(cpu);
}

void do_softirq(void)
{
	u64 *word = softirq_pending(this_cpu()), pending;
	unsigned int nr;

	ASSERT(!locks_held());
	while ((pending = READ_ONCE(*word))) {
		nr = __builtin_ctzl(pending);
		atomic_and(word, ~BIT(nr));
		if (handlers[nr])
			handlers[nr]();
	}
}

void tasklet_schedule(struct tasklet *t)
{
	unsigned int cpu = this_cpu();

	if (__atomic_exchange_n(&t->queued, true, __ATOMIC_ACQ_REL))
		return;
	t->next = NULL;
	if (!tasklets[cpu].first)
		tasklets[cpu].last = &tasklets[cpu].first;
	*tasklets[cpu].last = t;
	tasklets[cpu].last = &t->next;
	softirq_raise(SOFTIRQ_TASKLET);
}
