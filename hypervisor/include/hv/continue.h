/* SPDX-License-Identifier: MIT */
/*
 * Job:    hypercall handlers' shape and declarations, wherever they are; preemption points; what is
 *         common to those with sub-operations.
 * Holds:  H1  a handler that returns -ERESTART has called hypercall_continue() first (iret, whose
 *             frame is its result, is the exception, and is refused in multicalls).
 * Tests:  tests/host/test_hypercall.c, tests/guests/multicall.c
 */
#ifndef HV_CONTINUE_H
#define HV_CONTINUE_H

#include <hv/types.h>

#define HYPERCALL(name) long do_##name(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5, u64 a6)
#define ROW(name) HYPERCALL(name);
#include <hv/hypercalls.def>
#undef ROW

/* Should a long operation stop now? Opens an interrupt window; no lock may be held. */
bool hypercall_preempt(void);
/*
 * Have the current hypercall issued again as nr with these arguments (inside a multicall: rewrite
 * its entry). Returns the -ERESTART that the handler must return.
 */
long hypercall_continue(unsigned int nr, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5);

/* Copy in the argument of a sub-operation and act: what expr gives, or -EFAULT. */
#define with_arg(type, name, at, expr) \
	({ type name; copy_from_guest(&name, at, sizeof(name)) ?: (long)(expr); })
/* ... and if that succeeds copy it back. */
#define with_arg_back(type, name, at, expr) \
	with_arg(type, name, at, (expr) ?: copy_to_guest(at, &name, sizeof(name)))
/* Act on the domain that an operation names; -ESRCH, -EPERM. */
#define with_domain(id, d, expr) \
	({ struct domain *d; long rc_ = op_domain(id, &d); \
	   if (!rc_) { \
		rc_ = (long)(expr); \
		domain_put(d); \
	   } \
	   rc_; })

#endif
