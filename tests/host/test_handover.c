/* SPDX-License-Identifier: MIT */
/*
 * core/evtchn.c and core/sched.c: the CPU goes with the event between two that wait for each other, and only there.
 *
 * Job:    domains on one simulated CPU that think, send an event, do something more and wait for an event: those that wait
 *         at once hand the CPU over and do not sleep; those that have more to do are left alone; a third one keeps its
 *         share; whoever gave the CPU away gets it back. Run it as tests/host/run handover
 * Tests:  sched_hand_over(), converse(), S6
 */
#include "world.h"
#include <pv-abi/event_channel.h>

#define US 1000UL
#define MS 1000000UL
#define FOR_EVER (~0UL / 2)

static struct talker {
	struct domain *d;
	u32 port;
	u64 think, after;		/* ns before and after it sends */
	enum { THINKS, AFTER, WAITS } phase;
	u64 left, ran, since, longest;	/* since: it has been runnable and not running; 0: not so */
	unsigned int sent, slept, handed;
} talkers[3];

static struct vcpu *vcpu_of(const struct talker *t)
{
	return t->d->vcpu[0];
}

static bool has_event(const struct talker *t)
{
	return vcpu_of(t)->vcpu_info->evtchn_upcall_pending;
}

static void consume(struct talker *t)
{
	world_consume(t->d, 0, t->port);
}

/* The running one has done its part; what does it do next? */
static void next_phase(struct talker *t)
{
	switch (t->phase) {
	case THINKS:
		t->phase = AFTER;
		t->left = t->after;
		t->sent++;
		assert_int_equal(evtchn_send(t->d, t->port), 0);
		host_run_softirqs();
		t->handed += current_vcpu() != vcpu_of(t) && !vcpu_of(t)->pause_flags;
		break;
	case AFTER:
		t->phase = WAITS;
		if (!has_event(t)) {
			t->slept++;
			sched_block();
		}
		break;
	case WAITS:
		assert_true(has_event(t));
		consume(t);
		t->phase = THINKS;
		t->left = t->think;
		break;
	}
}

/* Whatever runs goes on until then. */
static void run_until(u64 until)
{
	while (now_ns() < until) {
		struct talker *t = talkers;
		u64 step = until - now_ns();

		host_run_softirqs();
		for (struct talker *o = talkers; o < talkers + 3; o++) {
			bool waits = o->d && !vcpu_of(o)->pause_flags && current_vcpu() != vcpu_of(o);

			if (!waits)
				o->since = 0;
			else if (!o->since)
				o->since = now_ns();
			else
				o->longest = max(o->longest, now_ns() - o->since);
		}
		while (t < talkers + 3 && (!t->d || vcpu_of(t) != current_vcpu()))
			t++;
		if (host_next_timer())
			step = min(step, max(host_next_timer(), now_ns()) - now_ns());
		if (t == talkers + 3) {
			assert_true(step < until - now_ns());	/* else all wait for each other */
		} else {
			step = min(step, t->left);
			t->left -= step;
			t->ran += step;
		}
		host_advance(step);
		if (t < talkers + 3 && !t->left)
			next_phase(t);
	}
}

static void add(unsigned int i, u64 think, u64 after)
{
	talkers[i] = (struct talker){ .d = world_domain((domid_t)i, 1), .think = think, .after = after,
				      .phase = i == 1 ? WAITS : THINKS, .left = think };
	vcpu_of(&talkers[i])->pause_flags = i == 1 ? VPF_blocked : 0;
	if (i != 1)
		sched_wake(vcpu_of(&talkers[i]));
}

/* Two domains with a channel: the first one begins. */
static void begin(u64 think0, u64 after0, u64 think1, u64 after1)
{
	struct evtchn_alloc_unbound a = { .dom = DOMID_SELF, .remote_dom = 1 };
	struct evtchn_bind_interdomain b = { .remote_dom = 0 };
	struct vcpu *was;

	world_begin(4096, 1);
	was = current_vcpu();
	memset(talkers, 0, sizeof(talkers));
	add(0, think0, after0);
	add(1, think1, after1);
	host_set_current(vcpu_of(&talkers[0]));
	assert_int_equal(world_call(event_channel_op, EVTCHNOP_alloc_unbound, a), 0);
	b.remote_port = a.port;
	host_set_current(vcpu_of(&talkers[1]));
	assert_int_equal(world_call(event_channel_op, EVTCHNOP_bind_interdomain, b), 0);
	host_set_current(was);
	talkers[0].port = a.port;
	talkers[1].port = b.local_port;
	consume(&talkers[0]);		/* binding tells both */
	consume(&talkers[1]);
}

static void end(void)
{
	for (struct talker *t = talkers; t < talkers + 3; t++)
		if (t->d) {
			atomic_or(&vcpu_of(t)->pause_flags, VPF_vcpu_paused);
			sched_sleep(vcpu_of(t));
		}
	host_run_softirqs();
	world_end();
}

/* Those of a span that handed over and slept, in percent of its messages. */
static void span(u64 ns, struct talker *t, unsigned int *handed, unsigned int *slept)
{
	struct talker was = *t;

	run_until(now_ns() + ns);
	assert_true(t->sent - was.sent > 100);
	*handed = (t->handed - was.handed) * 100 / (t->sent - was.sent);
	*slept = (t->slept - was.slept) * 100 / (t->sent - was.sent);
}

/* Both wait at once: all but the probes are handed over, and nobody sleeps else. */
static void test_turns(void **state)
{
	unsigned int handed, slept;

	begin(15 * US, 5 * US, 20 * US, 8 * US);
	run_until(now_ns() + 10 * MS);
	for (int i = 0; i < 2; i++) {
		span(20 * MS, &talkers[i], &handed, &slept);
		assert_in_range(handed, 85, 95);
		assert_in_range(slept, 5, 15);
	}
	end();
}

/* The first one has more to do after it has sent: it is left alone, and so is the other one. */
static void test_busy(void **state)
{
	unsigned int handed, slept;

	begin(15 * US, 40 * US, 20 * US, 5 * US);
	run_until(now_ns() + 10 * MS);
	span(20 * MS, &talkers[0], &handed, &slept);
	assert_int_equal(handed, 0);
	span(20 * MS, &talkers[1], &handed, &slept);
	assert_int_equal(handed, 0);
	/* and when that changes it is seen */
	talkers[0].after = 5 * US;
	run_until(now_ns() + 10 * MS);
	span(20 * MS, &talkers[0], &handed, &slept);
	assert_in_range(handed, 85, 95);
	end();
}

/* Who sends twice for an answer does not wait for each. */
static void test_not_in_turns(void **state)
{
	unsigned int sent = 0;

	begin(15 * US, 5 * US, 20 * US, 5 * US);
	run_until(now_ns() + 10 * MS);
	talkers[0].handed = talkers[1].handed = 0;
	while (sent < 200) {
		run_until(now_ns() + US);
		if (talkers[0].sent + talkers[1].sent <= sent)
			continue;
		sent = talkers[0].sent + talkers[1].sent;
		for (int i = 0; i < 2; i++)
			evtchn_send(talkers[i].d, talkers[i].port);
	}
	assert_true(talkers[0].handed + talkers[1].handed < 10);
	end();
}

/* A third domain computes beside them: it has its share and does not wait for long. */
static void test_share(void **state)
{
	u64 from, ran;

	begin(15 * US, 5 * US, 20 * US, 8 * US);
	add(2, FOR_EVER, 0);
	run_until(now_ns() + 50 * MS);
	from = now_ns();
	ran = talkers[2].ran;
	talkers[2].longest = 0;
	run_until(from + 1000 * MS);
	assert_in_range((talkers[2].ran - ran) / MS, 320, 700);
	assert_in_range(talkers[2].longest, 0, 12 * MS);
	assert_true(talkers[0].sent > 1000);
	end();
}

/* The other one does not answer but computes: whoever gave it the CPU has it back after a millisecond. */
static void test_given_back(void **state)
{
	unsigned int handed;
	u64 ran;

	begin(15 * US, 5 * US, 20 * US, 8 * US);
	run_until(now_ns() + 10 * MS);
	while (talkers[0].phase != THINKS || evtchn_of(talkers[0].d, talkers[0].port)->turns != 20)
		run_until(now_ns() + US);
	talkers[0].after = talkers[1].think = FOR_EVER;
	talkers[0].longest = 0;
	handed = talkers[0].handed;
	run_until(now_ns() + 100 * US);
	assert_int_equal(talkers[0].handed, handed + 1);
	assert_ptr_equal(current_vcpu(), vcpu_of(&talkers[1]));
	ran = talkers[0].ran;
	run_until(now_ns() + MS);
	assert_true(talkers[0].ran > ran);
	assert_in_range(talkers[0].longest, 1, MS);
	end();
}

/* The binding woke it. */
static void sleep_again(struct talker *t)
{
	atomic_or(&vcpu_of(t)->pause_flags, VPF_blocked);
	sched_sleep(vcpu_of(t));
}

/*
 * Who is woken by an event of the one that runs lets that one send more, for a millisecond or what else is set; by
 * others it is not so.
 */
static void sender_keeps(u64 turn)
{
	u64 from;

	begin(600 * US, FOR_EVER, FOR_EVER, 0);
	sleep_again(&talkers[1]);
	from = now_ns();
	run_until(from + turn - 10 * US);
	assert_int_equal(talkers[0].sent, 1);
	assert_false(vcpu_of(&talkers[0])->sched.sends);
	assert_true(has_event(&talkers[1]) && !vcpu_of(&talkers[1])->pause_flags);
	assert_ptr_equal(current_vcpu(), vcpu_of(&talkers[0]));
	run_until(from + turn + 10 * US);
	assert_ptr_equal(current_vcpu(), vcpu_of(&talkers[1]));
	end();
}

static void test_sender_first(void **state)
{
	u32 was = sched_min_slice;

	sender_keeps(MS);
	sched_min_slice = 2000;
	sender_keeps(2 * MS);
	sched_min_slice = was;

	begin(FOR_EVER, 0, FOR_EVER, 0);
	sleep_again(&talkers[1]);
	run_until(now_ns() + 600 * US);
	assert_ptr_equal(current_vcpu(), vcpu_of(&talkers[0]));
	vcpu_unblock(vcpu_of(&talkers[1]));
	host_run_softirqs();
	assert_ptr_equal(current_vcpu(), vcpu_of(&talkers[1]));
	end();
}

/* v waits with a lead of that much over current and, where it is not 0, over a third one. Does it get the CPU? */
static bool gets_it(s64 over_current, s64 over_third)
{
	struct vcpu *curr, *v;
	bool got;

	begin(FOR_EVER, 0, FOR_EVER, 0);
	if (over_third)
		add(2, FOR_EVER, 0);
	vcpu_unblock(vcpu_of(&talkers[1]));
	run_until(now_ns() + 20 * MS + 100 * US);
	host_run_softirqs();
	curr = current_vcpu();
	v = vcpu_of(&talkers[curr == vcpu_of(&talkers[0])]);
	assert_true(v->sched.on_queue);
	atomic_or(&v->pause_flags, VPF_vcpu_paused);
	sched_sleep(v);			/* out of its place in the queue and back at another one */
	v->sched.vruntime = curr->sched.vruntime + (u64)over_current;
	if (over_third)
		vcpu_of(&talkers[2])->sched.vruntime = v->sched.vruntime - (u64)over_third;
	atomic_and(&v->pause_flags, ~VPF_vcpu_paused);
	sched_wake(v);
	host_softirq[0] = 0;
	sched_hand_over(v, false);
	host_run_softirqs();
	got = current_vcpu() == v;
	if (got)
		assert_true((s64)(curr->sched.vruntime - v->sched.vruntime) >= 0);
	else
		assert_ptr_equal(current_vcpu(), curr);
	end();
	return got;
}

static void test_rights(void **state)
{
	assert_true(gets_it(100 * US, 0));
	assert_true(gets_it(3 * MS, 0));
	assert_false(gets_it(5 * MS, 0));
	assert_true(gets_it(100 * US, 300 * US));
	assert_false(gets_it(100 * US, 700 * US));
}

/* Whoever binds the other end next begins a conversation of its own. */
static void test_forgotten(void **state)
{
	struct evtchn_close c;
	struct evtchn *e;

	begin(15 * US, 5 * US, 20 * US, 8 * US);
	run_until(now_ns() + 10 * MS);
	e = evtchn_of(talkers[0].d, talkers[0].port);
	assert_true(e->turns);
	e->heard = true;
	c.port = talkers[1].port;
	run_until(now_ns() + US);
	while (current_vcpu() != vcpu_of(&talkers[1]))
		run_until(now_ns() + US);
	assert_int_equal(world_call(event_channel_op, EVTCHNOP_close, c), 0);
	assert_int_equal(e->state, ECS_unbound);
	assert_false(e->turns || e->heard);
	end();
}

/* The heir is stopped before the CPU looks for it. */
static void test_heir_stops(void **state)
{
	unsigned int tried = 0;

	begin(15 * US, 5 * US, 20 * US, 8 * US);
	run_until(now_ns() + 10 * MS);
	while (tried < 20) {
		struct talker *t = &talkers[tried % 2], *o = &talkers[!(tried % 2)];

		run_until(now_ns() + US);
		if (current_vcpu() != vcpu_of(t) || vcpu_of(o)->pause_flags || !vcpu_of(o)->sched.on_queue)
			continue;
		tried++;
		sched_hand_over(vcpu_of(o), false);
		vcpu_of(o)->pause_flags = VPF_vcpu_paused;
		sched_sleep(vcpu_of(o));
		host_run_softirqs();
		assert_ptr_equal(current_vcpu(), vcpu_of(t));
		vcpu_of(o)->pause_flags = 0;
		sched_wake(vcpu_of(o));
	}
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_not_in_turns),
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_given_back),
		cmocka_unit_test(test_sender_first),
		cmocka_unit_test(test_rights),
		cmocka_unit_test(test_forgotten),
		cmocka_unit_test(test_heir_stops),
	};

	return host_main(tests);
}
