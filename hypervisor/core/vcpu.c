/* SPDX-License-Identifier: MIT */
/*
 * A vcpu between events and the scheduler: block, unblock, kick; where its time goes.
 *
 * Job:    no event is slept through: a vcpu that blocks looks for events after it has said so.
 * Enter:  sched_op (block), core/evtchn.c (vcpu_kick), core/sched.c (runstates).
 * State:  v->pause_flags (atomic), v->runstate.
 * Locks:  none of its own; runstates change under the run queue's lock.
 * Tests:  tests/host/test_sched.c
 */
#include <hv/debug.h>
#include <hv/evtchn.h>

void sched_block(void)
{
	struct vcpu *v = current_vcpu();

	/* Full barrier; the sender sets pending first and looks at the flag then (vcpu_kick). */
	atomic_or(&v->pause_flags, VPF_blocked);
	if (vcpu_event_pending(v)) {
		atomic_and(&v->pause_flags, ~VPF_blocked);
		return;
	}
	trace(BLOCK, v->domain->id, v->id);
	softirq_raise(SOFTIRQ_SCHED);
}

void vcpu_unblock(struct vcpu *v)
{
	u32 wait = VPF_blocked | VPF_polling;

	if ((READ_ONCE(v->pause_flags) & wait) && (atomic_and(&v->pause_flags, ~wait) & wait)) {
		trace(WAKE, v->domain->id, v->id);
		sched_wake(v);
	}
}

void vcpu_kick(struct vcpu *v)
{
	smp_mb();			/* the event is visible before the flags are read */
	if (v == current_vcpu() && !READ_ONCE(v->pause_flags))
		return;			/* sees it on its way out, or before it blocks */
	if (READ_ONCE(v->pause_flags))
		vcpu_unblock(v);
	else if (READ_ONCE(v->sched.running))
		send_resched_ipi(READ_ONCE(v->processor));
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

u64 vcpu_cpu_time(const struct vcpu *v)
{
	u64 ns = READ_ONCE(v->runstate.time[RUNSTATE_running]);

	if (READ_ONCE(v->runstate.state) == RUNSTATE_running)
		ns += now_ns() - READ_ONCE(v->runstate.state_entry_time);
	return ns;
}
