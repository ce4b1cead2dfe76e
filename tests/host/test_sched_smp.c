/* SPDX-License-Identifier: MIT */
/*
 * The scheduler, timers, allocators and roots that ring 1 leaves on CPUs that really run at once: threads.
 *
 * Job:    wake, stop, move and switch vcpus from all CPUs; a vcpu that two CPUs hold at once, or
 *         that is lost, is a failure. Run it as tests/host/run sched_smp
 * Tests:  core/sched.c (S1, S3), core/timer.c, core/page_alloc.c, core/heap.c, put_left_root()
 */
#include "host.h"
#include <hv/clock.h>
#include <hv/domain.h>
#include <hv/page_alloc.h>
#include <hv/sched.h>

#define CPUS 4
#define DOMS 3
#define VCPUS 4
#define N (DOMS * VCPUS)

static struct domain *doms[DOMS];
static struct vcpu *all[N];
static u32 held_by[N];			/* CPU + 1 whose registers hold the vcpu */
static u64 runs[N], timer_fired;
static bool stop;

void clock_vcpu_switch_out(struct vcpu *v)
{
}

void clock_vcpu_switch_in(struct vcpu *v)
{
}

static void relax(void)
{
	usleep(0);
}

static int number(const struct vcpu *v)
{
	return (v->domain->id - 1) * VCPUS + v->id;
}

/* Inside arch_context_switch(): prev is held until it has been saved, which takes a moment. */
static void switch_hook(struct vcpu *prev, struct vcpu *next)
{
	u32 me = this_cpu() + 1, expect = me;

	if (!prev->is_idle) {
		if (number(prev) % 3 == 0)
			usleep(0);
		if (!atomic_cas(&held_by[number(prev)], &expect, 0))
			panic("vcpu %d is left by CPU %u, but held by %u", number(prev), me, expect);
	}
	if (!next->is_idle) {
		expect = 0;
		if (!atomic_cas(&held_by[number(next)], &expect, me))
			panic("vcpu %d is entered by CPU %u, but held by %u", number(next), me,
			      expect);
		runs[number(next)]++;
	}
}

static u64 mix(u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state * 0x2545f4914f6cdd1dUL >> 20;
}

static void softirqs(void)
{
	unsigned int cpu = this_cpu();

	if (cpu == 0)
		atomic_add(&host_clock_ns, 20000);
	if (host_timer[cpu] && host_timer[cpu] <= now_ns()) {
		host_timer[cpu] = 0;
		timer_interrupt();
	}
	do_softirq();
}

static void *cpu_thread(void *arg)
{
	u64 rnd = host_seed() * 31 + (uintptr_t)arg * 7919 + 1;

	host_set_cpu((uintptr_t)arg);
	while (!READ_ONCE(stop)) {
		struct vcpu *v = all[mix(&rnd) % N], *cur = current_vcpu();

		switch (mix(&rnd) % 11) {
		case 0:
		case 1:
		case 2:
			vcpu_kick(v);
			break;
		case 3:
		case 4:
			if (!cur->is_idle)
				sched_block();
			break;
		case 5:
			sched_set_affinity(v, 1 + mix(&rnd) % 15, mix(&rnd));
			break;
		case 6:
			if (!cur->is_idle)
				sched_yield();
			break;
		case 7:
			/* pausing is counted by its users: here, one CPU's business */
			if (v->id % CPUS != this_cpu())
				break;
			if (v->pause_flags & VPF_vcpu_paused) {
				atomic_and(&v->pause_flags, ~(u32)VPF_vcpu_paused);
				sched_wake(v);
			} else {
				atomic_or(&v->pause_flags, (u32)VPF_vcpu_paused);
				sched_sleep(v);
			}
			break;
		case 8:
			sched_set_params(v->domain, 1 + mix(&rnd) % 600,
					 mix(&rnd) % 4 ? 0 : 20 + mix(&rnd) % 200);
			break;
		case 10:
			if (!cur->is_idle && v != cur)
				sched_hand_over(v, mix(&rnd) % 8 == 0);
			break;
		case 9:
			/* only CPU 0 waits, so nobody waits for one who waits */
			if (this_cpu() || v == cur || v->id % CPUS)
				break;
			atomic_or(&v->pause_flags, (u32)VPF_vcpu_paused);
			sched_sleep_sync(v);
			if (READ_ONCE(held_by[number(v)]))
				panic("vcpu %d is stopped, and held by %u", number(v),
				      held_by[number(v)]);
			break;
		}
		softirqs();
	}
	return NULL;
}

static void run_threads(void *(*fn)(void *), unsigned int ms)
{
	pthread_t t[CPUS];

	stop = false;
	host_poll_hook = relax;
	for (uintptr_t i = 0; i < CPUS; i++)
		pthread_create(&t[i], NULL, fn, (void *)i);
	usleep(ms * 1000);
	WRITE_ONCE(stop, true);
	for (int i = 0; i < CPUS; i++)
		pthread_join(t[i], NULL);
	host_set_cpu(0);
}

static void test_switching(void **state)
{
	host_init(64, CPUS);
	sched_init();
	host_make_idle();
	for (unsigned int c = 0; c < CPUS; c++) {
		timers_init_cpu(c);
		sched_init_vcpu(idle_vcpu[c], c);
		sched_init_cpu(c);
	}
	for (int i = 0; i < N; i++) {
		if (i % VCPUS == 0)
			doms[i / VCPUS] = host_domain(i / VCPUS + 1, VCPUS);
		all[i] = doms[i / VCPUS]->vcpu[i % VCPUS];
		all[i]->pause_flags = VPF_blocked;
		sched_init_vcpu(all[i], i % CPUS);
	}
	host_switch_hook = switch_hook;
	run_threads(cpu_thread, 1500);

	host_run_softirqs();
	u64 sum = 0;

	for (int i = 0; i < N; i++) {
		struct vcpu *v = all[i];
		unsigned int on = 0;

		sum += runs[i];
		for (unsigned int c = 0; c < CPUS; c++)
			on += host_current[c] == v;
		assert_int_equal(on, held_by[i] != 0);
		assert_int_equal(on, v->sched.running);
		assert_int_equal(on + v->sched.on_queue + v->sched.capped, !v->pause_flags);
		assert_true(runs[i] > 0);
	}
	assert_true(sum > 1000);
	for (int i = 0; i < DOMS; i++)
		host_domain_free(doms[i]);
}

static struct timer shared[16];
static u32 in_fn[16];

static void fired(void *arg)
{
	struct timer *t = arg;

	if (atomic_inc(&in_fn[t - shared]) != 1)
		panic("a timer's function runs twice at once");
	atomic_inc(&timer_fired);
	atomic_dec(&in_fn[t - shared]);
}

static void *timer_thread(void *arg)
{
	u64 rnd = host_seed() * 17 + (uintptr_t)arg * 104729 + 1;

	host_set_cpu((uintptr_t)arg);
	while (!READ_ONCE(stop)) {
		struct timer *t = &shared[mix(&rnd) % 16];

		switch (mix(&rnd) % 4) {
		case 0:
		case 1:
			timer_set(t, now_ns() + mix(&rnd) % 300000);
			break;
		case 2:
			timer_stop(t);
			break;
		case 3:
			/* moved only by its owner, as vcpus' timers are */
			if ((t - shared) % CPUS == this_cpu() && mix(&rnd) % 8 == 0 && !in_fn[t - shared])
				timer_migrate(t, this_cpu());
			break;
		}
		softirqs();
	}
	return NULL;
}

static void test_timers(void **state)
{
	host_init(64, CPUS);
	for (unsigned int c = 0; c < CPUS; c++)
		timers_init_cpu(c);
	for (int i = 0; i < 16; i++)
		timer_init(&shared[i], fired, &shared[i], i % CPUS);
	run_threads(timer_thread, 500);
	assert_true(timer_fired > 100);
	for (int i = 0; i < 16; i++)
		timer_kill(&shared[i]);
	for (unsigned int c = 0; c < CPUS; c++)
		assert_int_equal(timer_next_deadline(c), 0);
}

static void *alloc_thread(void *arg)
{
	struct { u64 *p; size_t size; u64 tag; } a[60] = { 0 };
	u64 rnd = host_seed() * 13 + (uintptr_t)arg * 611953 + 1;

	host_set_cpu((uintptr_t)arg);
	while (!READ_ONCE(stop)) {
		unsigned int i = mix(&rnd) % ARRAY_SIZE(a);

		if (a[i].p) {
			if (a[i].p[0] != a[i].tag || a[i].p[a[i].size / 8 - 1] != a[i].tag)
				panic("memory was given out twice");
			if (a[i].size > PAGE_SIZE)
				free_hv_pages(a[i].p, 1);
			else
				hv_free(a[i].p);
			a[i].p = NULL;
			continue;
		}
		a[i].size = mix(&rnd) % 3 ? 8 * (1 + mix(&rnd) % 250) : 2 * PAGE_SIZE;
		a[i].p = a[i].size > PAGE_SIZE ? alloc_hv_pages(1) : hv_alloc(a[i].size);
		if (!a[i].p)
			continue;
		a[i].tag = mix(&rnd) | 1;
		if (a[i].p[0] || a[i].p[a[i].size / 8 - 1])
			panic("memory is not zeroed");
		a[i].p[0] = a[i].p[a[i].size / 8 - 1] = a[i].tag;
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(a); i++)
		if (a[i].p && a[i].size > PAGE_SIZE)
			free_hv_pages(a[i].p, 1);
		else
			hv_free(a[i].p);
	return NULL;
}

static void test_memory(void **state)
{
	u64 whole;

	host_init(1024, CPUS);
	host_add_all_memory();
	whole = free_page_count();
	run_threads(alloc_thread, 700);
	assert_true(whole - free_page_count() <= 14);
}

static struct vcpu *leaver;
static struct page_info *table;

/* CPU 0 leaves a root as ring 1 does, without the lock; the others let go of it, as unpin_page() does. */
static void *root_thread(void *arg)
{
	host_set_cpu((uintptr_t)arg);
	while (!READ_ONCE(stop)) {
		if (!this_cpu()) {
			if (get_page_and_type(table, leaver->domain, PT_l4))
				panic("no hold on the table");
			WRITE_ONCE(leaver->pv.root_left, page_to_mfn(table));
		}
		mmu_lock(leaver->domain);
		put_left_root(leaver);
		mmu_unlock(leaver->domain);
	}
	return NULL;
}

/* Each hold is let go of once. */
static void test_left_root(void **state)
{
	u64 word;

	host_init(64, CPUS);
	host_add_all_memory();
	host_make_idle();
	doms[0] = host_domain(1, 1);
	leaver = doms[0]->vcpu[0];
	leaver->pv.root_left = INVALID_MFN;
	table = alloc_pages(0, 0, ALLOC_ZERO);
	table->owner = 1;
	word = (u64)PT_l4 << PG_TYPE_SHIFT | PG_validated | PG_pinned | PG_TYPE_ONE | PG_allocated | 2;
	table->word = word;
	run_threads(root_thread, 700);
	assert_int_equal(table->word, word);
	host_domain_free(doms[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_switching),
		cmocka_unit_test(test_timers),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_left_root),
	};

	return host_main(tests);
}
