/* SPDX-License-Identifier: MIT */
/*
 * Job:    guests' time: vcpu_time_info, wall clock, runstate areas, vcpu timers that raise
 *         VIRQ_TIMER.
 * Enter:  core/sched.c at each switch; exit work (VW_time); vcpu_op, platform_op, the dom0 builder.
 * State:  boot_sec, boot_nsec: wall clock at system time 0; each vcpu's versions and timers.
 * Locks:  wallclock_lock (leaf) for the wall clock and its records.
 * Holds:  T1  version is odd while a record is written; it is ours, not read back from the guest.
 *         T2  time that a vcpu reads never goes back.
 * Caveat: the periodic timer stops while its vcpu does not run, as in Xen.
 * Tests:  tests/host/test_clock.c, tests/guests/timer.c
 */
#include <hv/clock.h>
#include <hv/debug.h>
#include <hv/evtchn.h>

#define NS_PER_SEC 1000000000UL
#define DEFAULT_PERIOD 10000000UL	/* a PV vcpu starts with a 100 Hz tick */
#define MIN_PERIOD 1000000UL
#define MAX_PERIOD (1UL << 60)

static spinlock_t wallclock_lock = SPINLOCK_INIT(RANK_LEAF);
static u64 boot_sec;
static u32 boot_nsec;

#define WRITE_ENTRY(v, val) \
	copy_field_to_guest((v)->runstate_area, struct vcpu_runstate_info, state_entry_time, val)

/* --- pvclock and runstates --- */

/* The second copy of a record with an odd version, at an address that the guest chose. */
static int write_time(struct vcpu *v, struct vcpu_time_info *t)
{
	if (copy_to_guest(v->time_area, t, sizeof(*t)))
		return -EFAULT;
	t->version++;
	smp_wmb();
	return copy_field_to_guest(v->time_area, struct vcpu_time_info, version, &t->version);
}

/* The entry time of r last, and first with a mark, for guests that want it so. */
static int write_runstate(struct vcpu *v)
{
	bool mark = v->pv.vm_assist & BIT(VMASST_TYPE_runstate_update_flag);
	struct vcpu_runstate_info r = v->runstate;
	u64 *entry = &r.state_entry_time;

	*entry |= mark ? XEN_RUNSTATE_UPDATE : 0;
	if (mark && WRITE_ENTRY(v, entry))
		return -EFAULT;
	smp_wmb();
	if (copy_to_guest(v->runstate_area, &r, sizeof(r)))
		return -EFAULT;
	smp_wmb();
	*entry &= ~XEN_RUNSTATE_UPDATE;
	return mark ? WRITE_ENTRY(v, entry) : 0;
}

/* v is current. The areas are in the kernel's half: write there. A fault is the guest's loss. */
static void write_areas(struct vcpu *v, struct vcpu_time_info *t)
{
	bool user = !v->pv.in_kernel;

	if (user)
		arch_toggle_guest_mode(v);
	if (gva_x(v->time_area))
		write_time(v, t);
	if (gva_x(v->runstate_area))
		write_runstate(v);
	if (user)
		arch_toggle_guest_mode(v);
}

/* Odd version, fields, even version: a reader that sees an even one twice has a whole record. */
void clock_update_vcpu(struct vcpu *v)
{
	const struct time_scale *s = arch_time_scale();
	struct vcpu_time_info *to = &v->vcpu_info->time, t = {
		.version = v->time_version + 1,
		.tsc_timestamp = s->tsc_base,
		.system_time = s->ns_base,
		.tsc_to_system_mul = s->mul,
		.tsc_shift = s->shift,
		.flags = arch_tsc_stable() ? XEN_PVCLOCK_TSC_STABLE_BIT : 0,
	};

	v->time_version += 2;
	WRITE_ONCE(to->version, t.version);
	smp_wmb();
	*to = t;
	smp_wmb();
	WRITE_ONCE(to->version, v->time_version);
	if (v == current_vcpu() && (gva_x(v->time_area) | gva_x(v->runstate_area)))
		write_areas(v, &t);
}

void runstate_change(struct vcpu *v, int new_state, u64 now)
{
	u64 spent = now - v->runstate.state_entry_time;

	if (likely((s64)spent > 0)) {
		v->runstate.time[v->runstate.state] += spent;
		v->runstate.state_entry_time = now;
	}
	v->runstate.state = new_state;
}

void runstate_get(const struct vcpu *v, struct vcpu_runstate_info *out)
{
	*out = v->runstate;
	out->time[out->state & 3] += max((s64)(now_ns() - out->state_entry_time), 0L);
}

u64 vcpu_cpu_time(const struct vcpu *v)
{
	struct vcpu_runstate_info r;

	runstate_get(v, &r);
	return r.time[RUNSTATE_running];
}

/* --- wall clock --- */

void clock_update_wallclock(struct domain *d)
{
	struct shared_info *s = d->shared_info;

	if (!s)
		return;
	spin_lock(&wallclock_lock);
	d->wallclock_version += 2;
	WRITE_ONCE(s->wc_version, d->wallclock_version - 1);
	smp_wmb();
	s->wc_sec = (u32)(boot_sec + (u64)d->time_offset);
	s->wc_sec_hi = (u32)((boot_sec + (u64)d->time_offset) >> 32);
	s->wc_nsec = boot_nsec;
	smp_wmb();
	WRITE_ONCE(s->wc_version, d->wallclock_version);
	spin_unlock(&wallclock_lock);
}

/* It was sec and nsec (any number of them) at that system time. */
void clock_set_wallclock(u64 sec, u32 nsec, u64 system_time)
{
	u64 ns = NS_PER_SEC + nsec - system_time % NS_PER_SEC;

	spin_lock(&wallclock_lock);
	boot_sec = sec - system_time / NS_PER_SEC - 1 + ns / NS_PER_SEC;
	boot_nsec = (u32)(ns % NS_PER_SEC);
	spin_unlock(&wallclock_lock);
	for (struct domain *d = domain_next(NULL); d; d = domain_next(d))
		clock_update_wallclock(d);
}

void clock_init(void)
{
	clock_set_wallclock(arch_read_wallclock(), 0, now_ns());
}

/* --- vcpu timers --- */

static void singleshot_fired(void *arg)
{
	evtchn_raise_virq(arg, VIRQ_TIMER);
}

static void periodic_fired(void *arg)
{
	struct vcpu *v = arg;
	u64 now = now_ns(), period = READ_ONCE(v->periodic_period);

	if (!period)
		return;
	v->last_update_time = now;
	evtchn_raise_virq(v, VIRQ_TIMER);
	if (READ_ONCE(v->sched.running))
		timer_set(&v->periodic, now + period);
}

void clock_init_vcpu(struct vcpu *v)
{
	timer_init(&v->singleshot, singleshot_fired, v, v->processor);
	timer_init(&v->periodic, periodic_fired, v, v->processor);
	if (!v->is_idle)
		v->periodic_period = DEFAULT_PERIOD;
}

void clock_destroy_vcpu(struct vcpu *v)
{
	v->periodic_period = 0;
	timer_kill(&v->singleshot);
	timer_kill(&v->periodic);
}

void clock_vcpu_switch_out(struct vcpu *v)
{
	if (v->periodic_period)
		timer_stop(&v->periodic);
}

void clock_vcpu_switch_in(struct vcpu *v)
{
	unsigned int cpu = this_cpu();
	u64 period = v->periodic_period;

	if (v->singleshot.cpu != cpu) {
		timer_migrate(&v->singleshot, cpu);
		timer_migrate(&v->poll_timer, cpu);
		evtchn_move_pirqs(v);
	}
	if (period) {
		timer_migrate(&v->periodic, cpu);
		if (now_ns() - v->last_update_time >= period)
			periodic_fired(v);
		else
			timer_set(&v->periodic, v->last_update_time + period);
	}
	clock_update_vcpu(v);
}

long clock_set_singleshot(struct vcpu *v, u64 timeout_abs_ns, u32 flags)
{
	if ((flags & VCPU_SSHOTTMR_future) && timeout_abs_ns < now_ns())
		return -ETIME;
	timer_set(&v->singleshot, timeout_abs_ns);
	return 0;
}

long clock_set_periodic(struct vcpu *v, u64 period_ns)
{
	if (period_ns < MIN_PERIOD || period_ns > MAX_PERIOD)
		return refuse(-EINVAL, "timer period of %lu ns", period_ns);
	timer_stop(&v->periodic);
	WRITE_ONCE(v->periodic_period, period_ns);
	v->last_update_time = now_ns();
	if (READ_ONCE(v->sched.running))
		timer_set(&v->periodic, v->last_update_time + period_ns);
	return 0;
}

void clock_stop_periodic(struct vcpu *v)
{
	WRITE_ONCE(v->periodic_period, 0);
	timer_stop(&v->periodic);
}
