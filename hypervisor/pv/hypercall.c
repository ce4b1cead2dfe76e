/* SPDX-License-Identifier: MIT */
/*
 * Job:    number -> handler; how a long operation stops and goes on; lists of hypercalls.
 * Enter:  entry.S through hypercall_table[]; handlers call hypercall_preempt() and _continue().
 * State:  the frame of the current vcpu; v->mc while a multicall runs.
 * Holds:  H1 of hv/continue.h.
 *         H2  multicalls do not nest; each entry is copied once.
 * Tests:  tests/host/test_hypercall.c, tests/guests/multicall.c
 */
#include <mca.h>
#include <parapet.h>
#include <hv/evtchn.h>
#include <hv/pv.h>

#define MC_CHUNK 8		/* entries that are copied, and run without a preemption point */

static long no_hypercall(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5, u64 a6)
{
	return -ENOSYS;
}

#define ROW(name) [__HYPERVISOR_##name] = do_##name,
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"	/* the range first, then what exists */
const hypercall_fn hypercall_table[NR_HYPERCALLS] = {
	[0 ... NR_HYPERCALLS - 1] = no_hypercall,
#include <hv/hypercalls.def>
};
#pragma GCC diagnostic pop
#undef ROW

bool hypercall_preempt(void)
{
	irq_window();
	return READ_ONCE(*softirq_pending(this_cpu())) || vcpu_event_pending(current_vcpu());
}

long hypercall_continue(unsigned int nr, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct vcpu *v = current_vcpu();
	struct cpu_user_regs *regs = guest_regs();

	if (unlikely(v->mc.active)) {
		v->mc.op = nr;
		__builtin_memcpy(v->mc.args, (u64[]){ a1, a2, a3, a4, a5 }, 5 * sizeof(u64));
		v->mc.preempted = true;
		return -ERESTART;
	}
	regs->rip -= 2;			/* SYSCALL */
	regs->rax = nr;
	regs->rdi = a1;
	regs->rsi = a2;
	regs->rdx = a3;
	regs->r10 = a4;
	regs->r8 = a5;
	return -ERESTART;
}

/* False: it was preempted; e is what is to be called when it goes on. */
static inline bool call_entry(struct vcpu *v, struct multicall_entry *e)
{
	const u64 *a = e->args;
	long rc;

	if (unlikely(e->op >= NR_HYPERCALLS))
		rc = -ENOSYS;
	else if (unlikely(e->op == __HYPERVISOR_multicall || e->op == __HYPERVISOR_iret))
		rc = refuse(-EINVAL, "hypercall %lu inside a multicall", e->op);
	else
		rc = hypercall_table[e->op](a[0], a[1], a[2], a[3], a[4], a[5]);
	if (unlikely(rc == -ERESTART && v->mc.preempted)) {
		v->mc.preempted = false;
		e->op = v->mc.op;
		__builtin_memcpy(e->args, v->mc.args, 5 * sizeof(u64));
		return false;
	}
	e->result = (u64)rc;
	return true;
}

/* a1: the list, a2: how many */
HYPERCALL(multicall)
{
	struct multicall_entry list[MC_CHUNK];
	struct vcpu *v = current_vcpu();
	u32 count = (u32)a2, n, done;
	int rc = 0;

	if (unlikely(v->mc.active))
		return refuse(-EINVAL, "nested multicall");
	v->mc.active = true;
	v->mc.preempted = false;
	while (count && !rc) {
		n = min(count, (u32)MC_CHUNK);
		rc = copy_from_guest(list, _gva(a1), n * sizeof(list[0]));
		if (unlikely(rc))
			break;
		for (done = 0; done < n; done++)
			if (unlikely(!call_entry(v, &list[done])))
				break;
		/* results, and the entry to be resumed as it goes on */
		rc = copy_to_guest(_gva(a1), list, min(done + 1, n) * sizeof(list[0]));
		if (unlikely(rc))
			break;
		count -= done;
		a1 += done * sizeof(list[0]);
		if (unlikely(done < n || (count && hypercall_preempt())))
			rc = -ERESTART;
	}
	v->mc.active = false;
	if (unlikely(rc == -ERESTART))
		return hypercall_continue(__HYPERVISOR_multicall, a1, count, a3, a4, a5);
	return rc;
}
