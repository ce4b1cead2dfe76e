/* SPDX-License-Identifier: MIT */
/*
 * Job:    spinlocks with ranks. Interrupts are off in the hypervisor, so there is one kind of
 *         lock; a CPU that spins answers remote requests through arch_poll().
 * Holds:  L1  a CPU takes locks in rising rank (checked in debug builds); two locks of one rank
 *             are taken by spin_lock_two(). spin_trylock() is exempt: it never waits, so it
 *             cannot close a cycle.
 * Tests:  tests/host/test_lock.c
 */
#ifndef HV_LOCK_H
#define HV_LOCK_H

#include <hv/types.h>

/* One list, in the order in which they nest. */
enum lock_rank {
	RANK_DOMLIST = 10,	/* the list of domains */
	RANK_DOMCTL = 15,	/* one toolstack operation at a time */
	RANK_DOMAIN = 20,	/* d->lock: life cycle, capabilities, pirqs */
	RANK_MMU = 30,		/* d->mmu_lock: page-table types and entries */
	RANK_GRANT = 35,	/* d->grant lock */
	RANK_EVTCHN = 40,	/* d->evtchn_lock */
	RANK_IRQ = 45,		/* irq descriptors */
	RANK_SCHED = 50,	/* a CPU's run queue */
	RANK_TIMER = 55,	/* a CPU's timer queue */
	RANK_HEAP = 60,		/* heap.c */
	RANK_PGLIST = 65,	/* d->page_list_lock */
	RANK_BUDDY = 70,	/* page allocator */
	RANK_FLUSH = 75,	/* remote flush and call requests */
	RANK_LEAF = 80,		/* small private locks under which nothing else is taken */
	RANK_CONSOLE = 90,
};

/*
 * Test and set: not first come first served on purpose. Where CPUs are themselves scheduled (an
 * ordinary cloud VM), a queue makes everybody wait for a waiter that does not run.
 */
typedef struct { u32 locked; u16 rank; } spinlock_t;
#define SPINLOCK_INIT(r) { .rank = (r) }

void spin_lock_init(spinlock_t *l, enum lock_rank rank);
void spin_lock_slow(spinlock_t *l);
bool spin_trylock(spinlock_t *l);
void spin_lock_two(spinlock_t *a, spinlock_t *b);	/* of one rank, or one and the same */
void spin_unlock_two(spinlock_t *a, spinlock_t *b);
void spin_pause(void);		/* in each loop that waits for another CPU */

#ifdef DEBUG
#define LOCK_DEBUG
/* complain when the rank does not rise (nested: may also stay); note that l is held */
void lock_check(const spinlock_t *l, bool nested);
void lock_released(const spinlock_t *l);
unsigned int locks_held(void);		/* by this CPU */
#else
#define lock_check(l, nested)
#define lock_released(l)
#define locks_held() 0U
#endif

static __always_inline void spin_lock(spinlock_t *l)
{
	lock_check(l, false);
	if (unlikely(__atomic_exchange_n(&l->locked, 1, __ATOMIC_ACQUIRE)))
		spin_lock_slow(l);
}

static inline void spin_unlock(spinlock_t *l)
{
	lock_released(l);
	__atomic_store_n(&l->locked, 0, __ATOMIC_RELEASE);
}

/* What expr gives, under the lock. */
#define under_lock(l, expr) \
	({ typeof(expr) got_; \
	   spin_lock(l); \
	   got_ = (expr); \
	   spin_unlock(l); \
	   got_; })

#endif
