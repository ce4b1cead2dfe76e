/* SPDX-License-Identifier: MIT */
/*
 * Job:    hypercall handlers' shape and declarations, wherever they are; preemption points.
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

#endif
