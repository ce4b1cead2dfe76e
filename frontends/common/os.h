/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Job: the little that a protocol core needs of its surroundings: sized integers, copies of fields that the
 *	other side may change at any moment, and barriers between two CPUs. The same source is compiled into Linux
 *	modules and into programs of a host's user space (tests, fuzzers).
 * Users: common/ring.h, blk/core.[ch], net/core.[ch]; nothing of Linux is named there.
 * State, locks: none.
 * Tests: tests/host/test_blkfront.c, tests/fuzz/fuzz_blkfront.c
 */
#ifndef PARAPET_FRONT_OS_H
#define PARAPET_FRONT_OS_H

#ifdef __KERNEL__
#include <linux/compiler.h>
#include <linux/string.h>
#include <linux/stddef.h>
#include <linux/types.h>
#include <asm/barrier.h>
#define fe_mb()		virt_mb()
#define fe_rmb()	virt_rmb()
#define fe_wmb()	virt_wmb()
#else
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#define fe_mb()		__atomic_thread_fence(__ATOMIC_SEQ_CST)
#define fe_rmb()	__atomic_thread_fence(__ATOMIC_ACQUIRE)
#define fe_wmb()	__atomic_thread_fence(__ATOMIC_RELEASE)
#ifndef READ_ONCE
#define READ_ONCE(x)		(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v)	(*(volatile __typeof__(x) *)&(x) = (v))
#endif
#endif

#define FE_PAGE		4096u

#endif /* PARAPET_FRONT_OS_H */
