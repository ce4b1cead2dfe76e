/* SPDX-License-Identifier: MIT */
/*
 * Job:    what every file uses: fixed-width names, boxed frame and address types, error numbers,
 *         small macros.
 * Holds:  mfn_t and gva_t are one-field structs, so that the compiler refuses to mix them.
 */
#ifndef HV_TYPES_H
#define HV_TYPES_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

typedef struct { u64 m; } mfn_t;	/* machine frame number */
typedef struct { u64 v; } gva_t;	/* guest virtual address; only copy_*_guest may follow it */
#define _mfn(x) ((mfn_t){ (x) })
#define mfn_x(x) ((x).m)
#define _gva(x) ((gva_t){ (x) })
#define gva_x(x) ((x).v)
#define INVALID_MFN _mfn(~0UL)
#define mfn_eq(a, b) (mfn_x(a) == mfn_x(b))

#define NR_CPUS 64
#define MAX_VCPUS 64
typedef u64 cpumask_t;			/* one bit per physical CPU */

#define PAGE_SHIFT 12
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define PFN_UP(x) (((x) + PAGE_SIZE - 1) >> PAGE_SHIFT)
#define PFN_DOWN(x) ((x) >> PAGE_SHIFT)
#define KiB(x) ((u64)(x) << 10)
#define MiB(x) ((u64)(x) << 20)
#define GiB(x) ((u64)(x) << 30)
#define BIT(n) (1UL << (n))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define DIV_ROUND_UP(a, b) (((a) + (b) - 1) / (b))
#define ROUND_UP(a, b) (((a) + (b) - 1) & ~((typeof(a))(b) - 1))
#define ROUND_DOWN(a, b) ((a) & ~((typeof(a))(b) - 1))
#define min(a, b) ({ typeof(a) _a = (a); typeof(b) _b = (b); _a < _b ? _a : _b; })
#define max(a, b) ({ typeof(a) _a = (a); typeof(b) _b = (b); _a > _b ? _a : _b; })
#define container_of(p, t, m) ((t *)((char *)(p) - offsetof(t, m)))

/* Those of the ABI's error numbers (pv-abi/errno.h) that are used, under their usual names. */
#ifndef EPERM			/* else a host test has the C library's: the same numbers */
enum {
	EPERM = 1, ENOENT, ESRCH, EIO = 5, ENXIO, E2BIG, ENOEXEC, EAGAIN = 11, ENOMEM, EACCES,
	EFAULT, EBUSY = 16, EEXIST, ENODEV = 19, EINVAL = 22, ENOSPC = 28, EDOM = 33, ENOSYS = 38,
	ENODATA = 61, ETIME, EOPNOTSUPP = 95, ENOBUFS = 105,
	ERESTART = 85,		/* no guest sees it: "set up to be called again" (hv/continue.h) */
};
#endif

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define READ_ONCE(x) (*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile typeof(x) *)&(x) = (v))
#define barrier() __asm__ __volatile__("" ::: "memory")
#define smp_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define smp_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#define smp_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)

#define __must_check __attribute__((warn_unused_result))
#define __noreturn __attribute__((noreturn))
#define __packed __attribute__((packed))
#define __aligned(n) __attribute__((aligned(n)))
#define __used __attribute__((used))
#define __section(s) __attribute__((section(s)))
#define __weak __attribute__((weak))
#define __printf(a, b) __attribute__((format(printf, a, b)))
#define noinline __attribute__((noinline))
#undef __always_inline		/* the C library of host tests has one */
#define __always_inline inline __attribute__((always_inline))
#define __init __section(".init.text") noinline

#define atomic_inc(p) __atomic_add_fetch((p), 1, __ATOMIC_SEQ_CST)
#define atomic_dec(p) __atomic_sub_fetch((p), 1, __ATOMIC_SEQ_CST)
#define atomic_add(p, n) __atomic_add_fetch((p), (n), __ATOMIC_SEQ_CST)
#define atomic_or(p, n) __atomic_fetch_or((p), (n), __ATOMIC_SEQ_CST)
#define atomic_and(p, n) __atomic_fetch_and((p), (n), __ATOMIC_SEQ_CST)
#define atomic_xchg(p, n) __atomic_exchange_n((p), (n), __ATOMIC_SEQ_CST)
/* true on success; on failure *(oldp) holds what was found */
#define atomic_cas(p, oldp, n) \
	__atomic_compare_exchange_n((p), (oldp), (n), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

/* bit operations on u64 arrays shared with guests or other CPUs */
static inline bool test_bit(unsigned int n, const void *p)
{
	return (READ_ONCE(((const u64 *)p)[n / 64]) >> (n % 64)) & 1;
}

static inline bool test_and_set_bit(unsigned int n, void *p)
{
	return (atomic_or(&((u64 *)p)[n / 64], BIT(n % 64)) >> (n % 64)) & 1;
}

static inline bool test_and_clear_bit(unsigned int n, void *p)
{
	return (atomic_and(&((u64 *)p)[n / 64], ~BIT(n % 64)) >> (n % 64)) & 1;
}

#define set_bit(n, p) ((void)test_and_set_bit(n, p))
#define clear_bit(n, p) ((void)test_and_clear_bit(n, p))

#endif
