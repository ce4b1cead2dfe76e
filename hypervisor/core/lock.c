/* SPDX-License-Identifier: MIT */
/*
 * Job:    wait for a spinlock; debug builds: know which locks each CPU holds, check their order.
 * Enter:  hv/lock.h.
 * State:  held[cpu]: locks that this CPU holds or waits for.
 * Tests:  tests/host/test_lock.c
 */
#include <hv/arch.h>
#include <hv/debug.h>
#include <hv/lock.h>

void spin_lock_init(spinlock_t *l, enum lock_rank rank)
{
	*l = (spinlock_t){ .rank = rank };
}

/* The other one may wait for us to flush our TLB, or for an answer. */
void spin_pause(void)
{
	arch_poll();
	cpu_relax();
}

void spin_lock_slow(spinlock_t *l)
{
	arch_spin_begin();
	do
		spin_pause();
	while (READ_ONCE(l->locked) || __atomic_exchange_n(&l->locked, 1, __ATOMIC_ACQUIRE));
	arch_spin_end();
}

/* The lower address first. */
void spin_lock_two(spinlock_t *a, spinlock_t *b)
{
	spinlock_t *second = max(a, b);

	spin_lock(min(a, b));
	if (a == b)
		return;
	lock_check(second, true);
	if (__atomic_exchange_n(&second->locked, 1, __ATOMIC_ACQUIRE))
		spin_lock_slow(second);
}

void spin_unlock_two(spinlock_t *a, spinlock_t *b)
{
	spin_unlock(a);
	if (a != b)
		spin_unlock(b);
}

#ifdef LOCK_DEBUG
#define MAX_HELD 16

static struct { const spinlock_t *lock[MAX_HELD]; unsigned int nr; } held[NR_CPUS];

static void note_held(const spinlock_t *l)
{
	typeof(held[0]) *h = &held[this_cpu()];

	BUG_ON(h->nr == MAX_HELD);
	h->lock[h->nr++] = l;
}

void lock_check(const spinlock_t *l, bool nested)
{
	unsigned int i, cpu = this_cpu();
	const spinlock_t *h;

	BUG_ON(!l->rank);		/* never initialised */
	for (i = 0; i < held[cpu].nr; i++) {
		h = held[cpu].lock[i];
		if (h == l || h->rank > l->rank || (h->rank == l->rank && !nested))
			panic("lock order: CPU %u holds rank %u (%p), wants rank %u (%p)", cpu,
			      h->rank, (void *)h, l->rank, (void *)l);
	}
	note_held(l);
}

void lock_released(const spinlock_t *l)
{
	unsigned int cpu = this_cpu(), i = held[cpu].nr;

	while (i && held[cpu].lock[i - 1] != l)
		i--;
	if (!i)
		panic("CPU %u releases a lock of rank %u that it does not hold", cpu, l->rank);
	held[cpu].lock[i - 1] = held[cpu].lock[--held[cpu].nr];
}

unsigned int locks_held(void)
{
	return held[this_cpu()].nr;
}
#else
#define note_held(l)
#endif

bool spin_trylock(spinlock_t *l)
{
	if (READ_ONCE(l->locked) || __atomic_exchange_n(&l->locked, 1, __ATOMIC_ACQUIRE))
		return false;
	note_held(l);
	return true;
}
