/* SPDX-License-Identifier: MIT */
/*
 * Hypercall handlers, wherever they are, and how a long one stops and goes on.
 *
 * Job:    the handlers' shape and declarations; preemption points and continuations. The table
 *         and multicalls are pv/hypercall.c, which implements these functions.
 * Holds:  H1  a handler that returns -ERESTART has called hypercall_continue() first.
 * Tests:  tests/host/test_hypercall.c, tests/guests/multicall.c
 */
#ifndef HV_CONTINUE_H
#define HV_CONTINUE_H

#include <hv/types.h>

#define HYPERCALL(name) long do_##name(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5, u64 a6)

/* Should a long operation stop now? Opens an interrupt window; no lock may be held. */
bool hypercall_preempt(void);
/*
 * Arrange that the current hypercall (nr) is issued again with these arguments (the caller's own
 * where they do not change), and return -ERESTART from the handler. Inside a multicall the entry
 * is rewritten instead.
 */
long hypercall_continue(unsigned int nr, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5);

#define HYPERCALL_DECLARE(nr, name) HYPERCALL(name);
#include <hv/hypercalls.def>
#undef HYPERCALL_DECLARE

#endif
