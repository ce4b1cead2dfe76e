/* SPDX-License-Identifier: MIT */
/*
 * Claims about core/lock.c: mutual exclusion, first come first served, rank checks.
 *
 * Job:    run it as tests/host/run lock
 * Tests:  core/lock.c, hv/lock.h
 */
#include "host.h"

#define THREADS 4
#define ROUNDS 6000

static spinlock_t counter_lock = SPINLOCK_INIT(RANK_LEAF);
static u64 counter, tries_won;

static void relax_hook(void)
{
	usleep(1);
}

static void *worker(void *arg)
{
	host_set_cpu((uintptr_t)arg);
	for (int i = 0; i < ROUNDS; i++) {
		if (i % 16 == 0) {
			if (!spin_trylock(&counter_lock))
				continue;
			atomic_inc(&tries_won);
		} else {
			spin_lock(&counter_lock);
		}
		/* not atomic: an increment would get lost without the lock */
		u64 c = READ_ONCE(counter);

		barrier();
		WRITE_ONCE(counter, c + 1);
		spin_unlock(&counter_lock);
	}
	return NULL;
}

static void test_exclusion(void **state)
{
	pthread_t t[THREADS];

	host_init(16, THREADS);
	host_poll_hook = relax_hook;
	counter = tries_won = 0;
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, worker, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(counter, THREADS * (ROUNDS - ROUNDS / 16) + tries_won);
	assert_false(counter_lock.locked);
}

static spinlock_t *release_me;

static void release_hook(void)
{
	if (host_log.polls == 3) {
		host_set_cpu(1);
		spin_unlock(release_me);
		host_set_cpu(0);
	}
}

/* A CPU that waits answers remote requests, and gets the lock once the holder lets go. */
static void test_waiter_polls(void **state)
{
	spinlock_t l = SPINLOCK_INIT(RANK_LEAF);

	host_init(16, 2);
	host_set_cpu(1);
	spin_lock(&l);
	host_set_cpu(0);
	assert_false(spin_trylock(&l));
	release_me = &l;
	host_poll_hook = release_hook;
	spin_lock(&l);
	assert_int_equal(host_log.polls, 3);
	spin_unlock(&l);
}

static spinlock_t low = SPINLOCK_INIT(RANK_DOMAIN), mid = SPINLOCK_INIT(RANK_MMU),
		  mid2 = SPINLOCK_INIT(RANK_MMU), high = SPINLOCK_INIT(RANK_BUDDY), unset;

static void take(void *l)
{
	spin_lock(l);
}

static void take_two(void *l)
{
	spin_lock_two(l, &mid2);
}

static void release(void *l)
{
	spin_unlock(l);
}

static void test_ranks(void **state)
{
	host_init(16, 2);
	assert_int_equal(locks_held(), 0);
	spin_lock(&low);
	spin_lock(&mid);
	assert_true(host_panics(take, &mid2));		/* same rank, one by one */
	assert_true(host_panics(take, &mid));		/* itself */
	assert_true(host_panics(take_two, &mid));	/* itself with another */
	spin_unlock(&mid);
	spin_lock_two(&mid, &mid);			/* one and the same */
	assert_int_equal(locks_held(), 2);
	spin_unlock_two(&mid, &mid);
	assert_int_equal(locks_held(), 1);
	spin_lock_two(&mid, &mid2);
	spin_unlock_two(&mid, &mid2);
	spin_lock_two(&mid2, &mid);			/* in whatever order they are named */
	spin_lock(&high);
	assert_int_equal(locks_held(), 4);
	assert_true(host_panics(take_two, &low));	/* lower */
	spin_unlock(&mid);				/* out of order is fine */
	assert_true(host_panics(take, &mid));		/* under high */
	assert_true(spin_trylock(&mid));		/* but it may be tried */
	spin_unlock(&mid);
	spin_unlock(&high);
	spin_unlock(&low);
	assert_true(host_panics(take, &mid));		/* under mid2 */
	spin_unlock(&mid2);
	assert_int_equal(locks_held(), 0);
	assert_true(host_panics(release, &mid2));	/* not held */
	assert_true(host_panics(take, &unset));		/* no rank */

	/* each CPU has its own list */
	spin_lock(&high);
	host_set_cpu(1);
	assert_int_equal(locks_held(), 0);
	spin_lock(&low);
	spin_unlock(&low);
	host_set_cpu(0);
	spin_unlock(&high);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exclusion),
		cmocka_unit_test(test_waiter_polls),
		cmocka_unit_test(test_ranks),
	};

	return host_main(tests);
}
