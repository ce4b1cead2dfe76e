/* SPDX-License-Identifier: MIT */
/*
 * timer: clocks and timers of a vCPU.
 *
 * Claim:  a singleshot timer fires once, not before its time and soon after it; a time in the past fires
 *         at once, or may be ETIME where
 *         asked for; a stopped timer does not fire; set_timer_op is the same
 *         timer; the periodic timer repeats until stopped; system time from the pvclock page never goes
 *         back and agrees with the TSC; the wallclock is a date.
 *         A watchdog (SCHEDOP_watchdog) that is set again in time does not bite.
 * Broken: time that jumps, a timer that is lost (Linux hangs at boot) or fires early.
 */
#include "guest.h"

static unsigned int port;
static u64 fired_at;

static void on_timer(unsigned int p)
{
	fired_at = system_time();
}

static long shot(u64 when, u32 flags)
{
	struct vcpu_set_singleshot_timer ss = { .timeout_abs_ns = when, .flags = flags };

	return hc_vcpu_op(VCPUOP_set_singleshot_timer, 0, &ss);
}

static void singleshot(void)
{
	static const u32 delays_us[] = { 50, 500, 5000, 50000, 1 };
	u64 when, n;

	for (unsigned int i = 0; i < ARRAY_SIZE(delays_us); i++) {
		evt_count[port] = 0;
		when = system_time() + delays_us[i] * 1000ul;
		CHECK_EQ(shot(when, 0), 0);
		CHECK(wait_for(evt_count[port], 20000), "%u us: no event", delays_us[i]);
		CHECK(fired_at >= when, "%u us: %lu ns early", delays_us[i], when - fired_at);
		n = evt_count[port];
		spin_ns(5000000);
		CHECK_EQ(evt_count[port], n);
		CHECK_EQ(n, 1);
	}
	/* The past. */
	evt_count[port] = 0;
	CHECK_EQ(shot(system_time() - 1000000, 0), 0);
	CHECK(wait_for(evt_count[port], 20000), "a time in the past does not fire");
	evt_count[port] = 0;
	long rc = shot(system_time() - 1000000, VCPU_SSHOTTMR_future);
	spin_ns(5000000);			/* 4.17 does not look at the flag any more */
	CHECK(rc == -XEN_ETIME ? evt_count[port] == 0 : rc == 0 && evt_count[port] == 1,
	      "flag future, past: %ld, %u events", rc, evt_count[port]);
	CHECK_EQ(shot(system_time() + 20000000, VCPU_SSHOTTMR_future), 0);
	CHECK(wait_for(evt_count[port], 20000), "flag future: no event");
	/* Times at the ends of the scale: fire now, or not in our life; no timer is lost over them. */
	static const u64 odd[] = { 0, 1, 2, ~0ul, 1ul << 63, (1ul << 63) - 1, 0xfffffffful << 32 };
	for (unsigned int i = 0; i < ARRAY_SIZE(odd); i++) {
		CHECK_EQ(shot(odd[i], 0), 0);
		spin_ns(2000000);
		evt_count[port] = 0;
		CHECK_EQ(shot(system_time() + 2000000, 0), 0);
		REQUIRE(wait_for(evt_count[port], 20000), "no timer any more after a timeout of %#lx", odd[i]);
	}
	/* A later setting replaces an earlier one; stop stops. */
	evt_count[port] = 0;
	CHECK_EQ(shot(system_time() + 1000000000, 0), 0);	/* far off: the host may be slow */
	when = system_time() + 1500000000;
	CHECK_EQ(shot(when, 0), 0);
	CHECK(wait_for(evt_count[port], 20000), "replaced timer: no event");
	CHECK(fired_at >= when, "the replaced timer fired");
	evt_count[port] = 0;
	CHECK_EQ(shot(system_time() + 1000000000, 0), 0);
	CHECK_EQ(hc_vcpu_op(VCPUOP_stop_singleshot_timer, 0, NULL), 0);
	spin_ns(1200000000);
	CHECK_EQ(evt_count[port], 0);
	CHECK_EQ(hc_vcpu_op(VCPUOP_stop_singleshot_timer, 0, NULL), 0);
	CHECK_EQ(hc_vcpu_op(VCPUOP_set_singleshot_timer, 0, (void *)0x1000), -XEN_EFAULT);
	CHECK_EQ(hc_vcpu_op(VCPUOP_set_singleshot_timer, 99, NULL), -XEN_ENOENT);
}

static void timer_op(void)
{
	u64 when = system_time() + 10000000;

	evt_count[port] = 0;
	CHECK_EQ(hc_set_timer_op(when), 0);
	CHECK(wait_for(evt_count[port], 20000), "set_timer_op: no event");
	CHECK(fired_at >= when, "set_timer_op: early");
	evt_count[port] = 0;
	CHECK_EQ(hc_set_timer_op(system_time() + 500000000), 0);	/* far off, as above */
	CHECK_EQ(hc_set_timer_op(0), 0);
	spin_ns(600000000);
	CHECK_EQ(evt_count[port], 0);
}

static void periodic(void)
{
	struct vcpu_set_periodic_timer p = { 10000000 };
	u64 n, t0;

	CHECK_EQ(hc_vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), 0);	/* Linux's first call */
	evt_count[port] = 0;
	t0 = system_time();
	long rc = hc_vcpu_op(VCPUOP_set_periodic_timer, 0, &p);
	if (rc) {
		CHECK(rc == -XEN_ENOSYS || rc == -XEN_EOPNOTSUPP, "set_periodic_timer: %ld", rc);
		return;
	}
	CHECK(wait_for(evt_count[port] >= 15, 20000), "%u periods of 10 ms", evt_count[port]);
	CHECK_EQ(hc_vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), 0);
	n = evt_count[port];
	CHECK(n <= (system_time() - t0) / p.period_ns + 1, "%lu periods of 10 ms in %lu us", n,
	      (system_time() - t0) / 1000);
	spin_ns(5000000);
	n = evt_count[port];
	spin_ns(50000000);
	CHECK_EQ(evt_count[port], n);
	p.period_ns = 1000;
	CHECK_EQ(hc_vcpu_op(VCPUOP_set_periodic_timer, 0, &p), -XEN_EINVAL);	/* below 1 ms */
}

/* System time and the TSC of one moment, at most 0.1 ms apart: the host may stop us between the two. */
static void both(u64 *ns, u64 *tsc, u64 khz)
{
	for (int i = 0; i < 1000; i++) {
		*tsc = rdtsc();
		*ns = system_time();
		if (rdtsc() - *tsc < khz / 10)
			return;
	}
}

static void clocks(void)
{
	u64 last = system_time(), t0, c0, t1, c1, khz;
	struct vcpu_time_info *ti = &this_vcpu()->info->time;

	for (unsigned int i = 0; i < 200000; i++) {
		u64 t = system_time();

		if (!CHECK(t >= last, "time went back by %lu ns", last - t))
			break;
		last = t;
	}
	CHECK(!(ti->version & 1), "version %u", ti->version);
	khz = 1000000ul << 32;
	khz /= ti->tsc_to_system_mul;
	khz = ti->tsc_shift < 0 ? khz << -ti->tsc_shift : khz >> ti->tsc_shift;
	CHECK(khz > 100000 && khz < 10000000, "TSC of %lu kHz", khz);
	both(&t0, &c0, khz);
	spin_ns(50000000);
	both(&t1, &c1, khz);
	/* 50 ms by system time are 50 ms by TSC, within a tenth. */
	u64 ns = (c1 - c0) * 1000000 / khz;
	CHECK(ns > (t1 - t0) * 9 / 10 && ns < (t1 - t0) * 11 / 10 + 1000000, "TSC says %lu, clock %lu", ns, t1 - t0);
	CHECK(!(shared->wc_version & 1), "wc_version");
	u64 sec = shared->wc_sec | (u64)shared->wc_sec_hi << 32;
	CHECK(sec > 946684800 && sec < 7258118400ul, "wallclock %lu", sec);
	CHECK(shared->wc_nsec < 1000000000, "wallclock ns %u", shared->wc_nsec);
}

/* Blocked until the timer: the vCPU wakes, and time has gone on. */
static void sleep(void)
{
	u64 t0 = system_time();

	for (unsigned int i = 0; i < 10; i++) {
		events_mask();
		u32 n = evt_count[port];
		u64 when = system_time() + 3000000;
		CHECK_EQ(shot(when, 0), 0);
		for (int k = 0; evt_count[port] == n && k < 100; k++)
			hc_sched_op(SCHEDOP_block, NULL);
		CHECK_EQ(evt_count[port], n + 1);
		CHECK(fired_at >= when, "woken early");
	}
	CHECK(system_time() - t0 >= 30000000, "ten sleeps of 3 ms took %lu us", (system_time() - t0) / 1000);
}

static long dog(u32 id, u32 seconds)
{
	struct sched_watchdog w = { id, seconds };

	return hc_sched_op(SCHEDOP_watchdog, &w);
}

/* Two for a domain; id 0 asks for a new one. */
static void watchdogs(void)
{
	u64 t0 = system_time();

	CHECK_EQ(hc_sched_op(SCHEDOP_watchdog, (void *)0x1000), -XEN_EFAULT);
	CHECK_EQ(dog(0, 0), -XEN_EINVAL);
	CHECK_EQ(dog(1, 600), -XEN_EINVAL);
	CHECK_EQ(dog(3, 600), -XEN_EINVAL);
	CHECK_EQ(dog(0, 1), 1);
	CHECK_EQ(dog(0, 600), 2);
	CHECK_EQ(dog(0, 600), -XEN_ENOSPC);
	CHECK_EQ(dog(1, 600), 0);
	wait_for(system_time() > t0 + 1200000000, 20000);	/* it was set again in time */
	CHECK_EQ(dog(1, 0), 0);
	CHECK_EQ(dog(1, 0), -XEN_EINVAL);
	CHECK_EQ(dog(0, 600), 1);
	CHECK_EQ(dog(1, 0), 0);
	CHECK_EQ(dog(2, 0), 0);
}

void test_main(void)
{
	long p = evt_bind_virq(VIRQ_TIMER, 0);

	REQUIRE(p > 0, "VIRQ_TIMER: %ld", p);
	port = (u32)p;
	evt_handler[port] = on_timer;
	evt_set_mask(port, false);
	hc_vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL);
	events_unmask();
	clocks();
	singleshot();
	timer_op();
	periodic();
	sleep();
	watchdogs();
}
