/* SPDX-License-Identifier: MIT */
/*
 * core/clock.c: pvclock records, wall clock, runstate areas, vcpu timers.
 */
#include "world.h"
#include <pv-abi/vcpu.h>

#define SEC 1000000000UL

static struct domain *d;
static struct vcpu *v;

/* As a guest computes it. */
static u64 guest_ns(const struct vcpu_time_info *t, u64 tsc)
{
	u64 delta = tsc - t->tsc_timestamp;

	delta = t->tsc_shift < 0 ? delta >> -t->tsc_shift : delta << t->tsc_shift;
	return t->system_time + (u64)((unsigned __int128)delta * t->tsc_to_system_mul >> 32);
}

static void begin(unsigned int cpus)
{
	world_begin(4096, cpus);
	d = world_domain(0, 2);
	v = d->vcpu[0];
	world_run(v);
	clock_stop_periodic(v);
}

static u32 bind_timer(struct vcpu *w)
{
	/* by hand: VIRQ_TIMER as port 5 + id */
	u32 port = 5 + w->id;

	*evtchn_of(d, port) = (struct evtchn){ .state = ECS_virq, .vcpu = w->id,
					       .number = VIRQ_TIMER };
	d->nr_evtchns++;
	w->virq_to_port[VIRQ_TIMER] = port;
	return port;
}

static void time_records(void **state)
{
	struct vcpu_time_info *t;
	u32 version;

	begin(1);
	t = &v->vcpu_info->time;
	clock_update_vcpu(d->vcpu[1]);		/* not current: as the builder does */
	assert_int_equal(d->vcpu[1]->vcpu_info->time.version & 1, 0);
	assert_true(d->vcpu[1]->vcpu_info->time.tsc_to_system_mul);
	clock_update_vcpu(v);
	version = t->version;
	assert_true(version && !(version & 1));
	assert_int_equal(guest_ns(t, rdtsc_now()), now_ns());
	assert_true(t->flags & XEN_PVCLOCK_TSC_STABLE_BIT);
	t->version = 12345;			/* a guest that plays tricks */
	host_advance(SEC);
	clock_update_vcpu(v);
	assert_int_equal(t->version, version + 2);
	assert_int_equal(guest_ns(t, rdtsc_now()), now_ns());
	world_end();
}

static u32 seen_odd, seen_versions[8], nr_seen;
static u64 watched;

static void watch(u64 gva, size_t n, bool write)
{
	if (write && gva >= watched && gva < watched + 32 && nr_seen < 8)
		seen_versions[nr_seen++] = *(u32 *)host_arg_ptr(watched);
}

static void time_area(void **state)
{
	struct vcpu_register_time_memory_area a;
	struct vcpu_time_info *t;

	begin(1);
	watched = a.addr.v = host_arg(NULL, sizeof(*t));
	t = host_arg_ptr(a.addr.v);
	assert_int_equal(do_vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0,
				    host_arg(&a, sizeof(a)), 0, 0, 0), 0);
	assert_int_equal(t->version & 1, 0);
	assert_int_equal(guest_ns(t, rdtsc_now()), now_ns());
	host_copy_hook = watch;
	nr_seen = seen_odd = 0;
	clock_update_vcpu(v);
	host_copy_hook = NULL;
	assert_int_equal(nr_seen, 2);
	assert_int_equal(seen_versions[1] & 1, 1);	/* after the body, before the last store */
	assert_int_equal(t->version & 1, 0);
	v->pv.in_kernel = 0;				/* also when user mode is interrupted */
	clock_update_vcpu(v);
	assert_int_equal(v->pv.in_kernel, 0);
	v->pv.in_kernel = 1;
	a.addr.v = 0;
	assert_int_equal(do_vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0,
				    host_arg(&a, sizeof(a)), 0, 0, 0), 0);
	a.addr.v = HV_VIRT_START + 0x5000;
	assert_int_equal(do_vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0,
				    host_arg(&a, sizeof(a)), 0, 0, 0), -EFAULT);
	world_end();
}

/* The wall clock as the guest reads it, in ns. */
static u64 wall(void)
{
	struct shared_info *s = d->shared_info;

	assert_int_equal(s->wc_version & 1, 0);
	assert_true(s->wc_nsec < SEC);
	return (s->wc_sec | (u64)s->wc_sec_hi << 32) * SEC + s->wc_nsec + now_ns();
}

static void wall_clock(void **state)
{
	begin(1);
	clock_update_wallclock(d);
	assert_int_equal(wall(), arch_read_wallclock() * SEC);
	host_advance(5 * SEC + 7);
	assert_int_equal(wall(), arch_read_wallclock() * SEC + 5 * SEC + 7);
	for (int i = 0; i < 1000; i++) {
		u64 sec = 1800000000 + host_random_below(1UL << 31), then = host_random_below(now_ns());
		u32 nsec = (u32)host_random_below(i % 2 ? SEC : 1UL << 32);

		clock_set_wallclock(sec, nsec, then);
		assert_int_equal(wall(), sec * SEC + nsec + (now_ns() - then));
		host_advance(host_random_below(3 * SEC));
	}
	world_end();
}

static void runstates(void **state)
{
	struct vcpu_register_runstate_memory_area a;
	struct vcpu_runstate_info *r, got;
	u64 g;

	begin(1);
	a.addr.v = host_arg(NULL, sizeof(*r));
	r = host_arg_ptr(a.addr.v);
	runstate_change(v, RUNSTATE_running, now_ns());
	host_advance(500);
	assert_int_equal(do_vcpu_op(VCPUOP_register_runstate_memory_area, 0,
				    host_arg(&a, sizeof(a)), 0, 0, 0), 0);
	assert_int_equal(r->state, RUNSTATE_running);
	assert_int_equal(r->time[RUNSTATE_running], 500);
	g = host_arg(NULL, sizeof(got));
	host_advance(300);
	assert_int_equal(do_vcpu_op(VCPUOP_get_runstate_info, 0, g, 0, 0, 0), 0);
	memcpy(&got, host_arg_ptr(g), sizeof(got));
	assert_int_equal(got.time[RUNSTATE_running], 800);
	runstate_change(v, RUNSTATE_blocked, now_ns());
	host_advance(50);
	runstate_change(v, RUNSTATE_running, now_ns());
	v->pv.vm_assist = BIT(VMASST_TYPE_runstate_update_flag);
	clock_update_vcpu(v);
	assert_int_equal(r->time[RUNSTATE_running], 800);
	assert_int_equal(r->time[RUNSTATE_blocked], 50);
	assert_int_equal(r->state_entry_time, v->runstate.state_entry_time);
	/* the flag is up while the record changes */
	for (unsigned int n = 1; n <= 3; n++) {
		host_copy_fail_after(n);
		clock_update_vcpu(v);
		assert_int_equal(!!(r->state_entry_time & XEN_RUNSTATE_UPDATE), n > 1);
	}
	clock_update_vcpu(v);
	assert_false(r->state_entry_time & XEN_RUNSTATE_UPDATE);
	world_end();
}

static bool fired(u32 port)
{
	bool was = evtchn_is_pending(d, port);

	clear_bit(port, d->shared_info->evtchn_pending);
	return was;
}

static void to(u64 when)
{
	host_set_clock(when);
	timer_interrupt();
	*softirq_pending(0) &= BIT(SOFTIRQ_TIMER);
	do_softirq();
}

static void singleshot(void **state)
{
	struct vcpu_set_singleshot_timer t = { .flags = VCPU_SSHOTTMR_future };
	u64 start;
	u32 port;

	begin(1);
	port = bind_timer(v);
	start = now_ns();
	t.timeout_abs_ns = start + 1000;
	assert_int_equal(do_vcpu_op(VCPUOP_set_singleshot_timer, 0, host_arg(&t, sizeof(t)), 0, 0, 0),
			 0);
	to(start + 999);
	assert_false(fired(port));
	to(start + 1000);
	assert_true(fired(port));
	to(start + 5000);
	assert_false(fired(port));
	assert_int_equal(do_vcpu_op(VCPUOP_set_singleshot_timer, 0, host_arg(&t, sizeof(t)), 0, 0, 0),
			 -ETIME);
	t.flags = 0;				/* without the flag: at once */
	assert_int_equal(do_vcpu_op(VCPUOP_set_singleshot_timer, 0, host_arg(&t, sizeof(t)), 0, 0, 0),
			 0);
	to(start + 5001);
	assert_true(fired(port));
	assert_int_equal(do_vcpu_op(VCPUOP_set_singleshot_timer, 1, host_arg(&t, sizeof(t)), 0, 0, 0),
			 -EINVAL);
	assert_int_equal(do_set_timer_op(start + 9000, 0, 0, 0, 0, 0), 0);
	assert_int_equal(do_vcpu_op(VCPUOP_stop_singleshot_timer, 0, 0, 0, 0, 0), 0);
	to(start + 10000);
	assert_false(fired(port));
	world_end();
}

static void periodic(void **state)
{
	struct vcpu_set_periodic_timer t = { .period_ns = 1000000 };
	unsigned int n = 0;
	u64 start;
	u32 port;

	begin(1);
	port = bind_timer(v);
	start = now_ns();
	v->sched.running = true;
	assert_int_equal(do_vcpu_op(VCPUOP_set_periodic_timer, 0, host_arg(&t, sizeof(t)), 0, 0, 0), 0);
	for (u64 at = start; at < start + 20500000; at += 100000) {
		to(at);
		n += fired(port);
	}
	assert_in_range(n, 18, 20);
	clock_vcpu_switch_out(v);		/* no ticks while it does not run ... */
	v->sched.running = false;
	to(start + 30000000);
	assert_false(fired(port));
	v->sched.running = true;
	clock_vcpu_switch_in(v);		/* ... but one when it is back */
	assert_true(fired(port));
	assert_int_equal(do_vcpu_op(VCPUOP_stop_periodic_timer, 0, 0, 0, 0, 0), 0);
	to(start + 40000000);
	assert_false(fired(port));
	t.period_ns = 999;
	assert_int_equal(do_vcpu_op(VCPUOP_set_periodic_timer, 0, host_arg(&t, sizeof(t)), 0, 0, 0),
			 -EINVAL);
	v->sched.running = false;
	world_end();
}

/* The timers follow their vcpu to the CPU that it runs on. */
static void timers_move(void **state)
{
	begin(2);
	clock_set_singleshot(v, now_ns() + SEC, 0);
	assert_int_equal(v->singleshot.cpu, 0);
	host_set_current(idle_vcpu[0]);
	host_set_cpu(1);
	world_run(v);
	clock_vcpu_switch_in(v);
	assert_int_equal(v->singleshot.cpu, 1);
	assert_non_null(v->singleshot.at);
	assert_int_equal(v->poll_timer.cpu, 1);
	timer_stop(&v->singleshot);
	world_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_records),
		cmocka_unit_test(time_area),
		cmocka_unit_test(wall_clock),
		cmocka_unit_test(runstates),
		cmocka_unit_test(singleshot),
		cmocka_unit_test(periodic),
		cmocka_unit_test(timers_move),
	};

	return host_main(tests);
}
