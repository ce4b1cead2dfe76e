/* SPDX-License-Identifier: MIT */
/*
 * The hypercall table, continuations and multicalls.
 *
 * Job:    number -> handler; how a long operation stops and goes on; lists of hypercalls.
 * Enter:  entry.S through hypercall_table[]; handlers call hypercall_preempt() and _continue().
 * State:  the frame of the current vcpu; v->mc while a multicall runs.
 * Locks:  none.
 * Holds:  H1  a handler that returns -ERESTART has called hypercall_continue() first (iret, whose
 *             frame is its result, is the exception, and is refused in multicalls).
 *         H2  multicalls do not nest; each entry is copied once.
 * Tests:  tests/host/test_hypercall.c, tests/guests/multicall.c
 */
#include <xen.h>
#include <hv/debug.h>
#include <hv/errno.h>
#include <hv/evtchn.h>
#include <hv/hypercall.h>
#include <hv/pv.h>
#include <hv/softirq.h>

#define MC_CHUNK 8			/* entries that are copied, and run without a preemption point */

static long no_hypercall(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5, u64 a6)
{
	return -ENOSYS;
}

#define __HYPERVISOR_mca __HYPERVISOR_arch_0
#define HYPERCALL_DECLARE(nr, name) [__HYPERVISOR_##nr] = do_##name,
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"	/* the range first, then what exists */
const hypercall_fn hypercall_table[NR_HYPERCALLS] = {
	[0 ... NR_HYPERCALLS - 1] = no_hypercall,
#include <hv/hypercalls.def>
};
#pragma GCC diagnostic pop
#undef HYPERCALL_DECLARE

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
		v->mc.args[0] = a1;
		v->mc.args[1] = a2;
		v->mc.args[2] = a3;
		v->mc.args[3] = a4;
		v->mc.args[4] = a5;
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

static inline long call_entry(const struct multicall_entry *e)
{
	if (unlikely(e->op >= NR_HYPERCALLS))
		return -ENOSYS;
	if (unlikely(e->op == __HYPERVISOR_multicall || e->op == __HYPERVISOR_iret))
		return refuse(-EINVAL, "hypercall %lu inside a multicall", e->op);
	return hypercall_table[e->op](e->args[0], e->args[1], e->args[2], e->args[3], e->args[4],
				      e->args[5]);
}

/* Run list[0..n); returns how many are complete. An entry that was preempted is rewritten. */
static unsigned int run_chunk(struct vcpu *v, struct multicall_entry *list, unsigned int n)
{
	unsigned int i;
	long rc;

	for (i = 0; i < n; i++) {
		rc = call_entry(&list[i]);
		if (unlikely(rc == -ERESTART && v->mc.preempted)) {
			v->mc.preempted = false;
			list[i].op = v->mc.op;
			__builtin_memcpy(list[i].args, v->mc.args, 5 * sizeof(u64));
			return i;
		}
		list[i].result = (u64)rc;
	}
	return n;
}

/* a1: the list, a2: how many */
HYPERCALL(multicall)
{
	struct multicall_entry list[MC_CHUNK];
	struct vcpu *v = current_vcpu();
	u32 count = (u32)a2;
	unsigned int n, done;
	long rc = 0;

	if (unlikely(v->mc.active))
		return refuse(-EINVAL, "nested multicall");
	v->mc.active = true;
	v->mc.preempted = false;
	while (count) {
		n = min(count, (u32)MC_CHUNK);
		if (unlikely(copy_from_guest(list, _gva(a1), n * sizeof(list[0])))) {
			rc = -EFAULT;
			break;
		}
		done = run_chunk(v, list, n);
		/* results, and the entry to be resumed as it goes on */
		if (unlikely(copy_to_guest(_gva(a1), list,
					   min(done + 1, n) * sizeof(list[0])))) {
			rc = -EFAULT;
			break;
		}
		count -= done;
		a1 += done * sizeof(list[0]);
		if (unlikely(done < n || (count && hypercall_preempt()))) {
			rc = -ERESTART;
			break;
		}
	}
	v->mc.active = false;
	if (unlikely(rc == -ERESTART))
		return hypercall_continue(__HYPERVISOR_multicall, a1, count, a3, a4, a5);
	return rc;
}
