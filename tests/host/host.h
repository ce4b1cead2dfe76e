/* SPDX-License-Identifier: MIT */
/*
 * What host tests may do to the simulated machine.
 *
 * Job:    the tests' side of arch_host.c: memory, CPUs, clock, logs, guest addresses, faults.
 * Enter:  include this first; it includes the C library, the hypervisor's headers and cmocka.
 * Holds:  pv-abi headers whose names the C library also has are included as <pv-abi/sched.h>.
 * Tests:  all of tests/host
 */
#ifndef HOST_H
#define HOST_H

/* the C library first: a function of ours has the name of one of its own */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#define sched_yield hv_sched_yield

#include <hv/arch.h>
#include <hv/debug.h>
#include <hv/frame.h>
#include <hv/lock.h>
#include <hv/page_alloc.h>
#include <hv/pte.h>
#include <hv/softirq.h>

#include <cmocka.h>

/* --- the machine --- */
/*
 * A fresh machine: frames of zeroed RAM (the allocator has none of them yet), cpus CPUs online,
 * clock at 1 s, logs empty, nothing injected. May be called again for each test.
 */
void host_init(unsigned long frames, unsigned int cpus);
void host_add_all_memory(void);			/* give all frames but 0 to page_alloc_add() */
/* The n-th allocation from now (pages or heap) fails, once; 0: none. Pending: it has not yet. */
void heap_fail_after(unsigned int n);
bool heap_fail_pending(void);
/* tests/host/more: forget everything (the state before any call); a CPU's next timer, 0: none */
void page_alloc_init(void);
void heap_init(void);
u64 timer_next_deadline(unsigned int cpu);
static inline struct page_info *alloc_page(unsigned int flags)
{
	return alloc_pages(0, 0, flags);
}
void host_hole(mfn_t start, mfn_t end);		/* not RAM: owner DOMID_IO */
void host_set_cpu(unsigned int cpu);		/* the code runs on this CPU from now on */
u64 get_m2p(mfn_t mfn);				/* what set_m2p() wrote */
void host_set_current(struct vcpu *v);		/* on this CPU */

/* --- the clock and the timer --- */
void host_set_clock(u64 ns);
void host_advance(u64 ns);			/* no timer fires by itself */
extern u64 host_timer[NR_CPUS];			/* what arch_set_timer() programmed; 0: none */
u64 host_next_timer(void);			/* earliest of all CPUs; 0: none */
/* Fire the timers that are due and run the softirqs of all CPUs until all are quiet. */
void host_run_softirqs(void);
/* Advance to `until`, stopping at each programmed timer to run it. */
void host_run_until(u64 until);

/* --- what the code did --- */
struct host_log {
	u64 ipis;				/* send_resched_ipi() calls */
	cpumask_t ipi_mask;
	u64 flushes;				/* flush_tlb_mask() calls */
	cpumask_t flush_mask;			/* of the last one */
	u64 flush_va;
	u64 local_flushes, va_flushes;
	u64 switches;				/* arch_context_switch() calls */
	u64 polls;				/* arch_poll() calls */
	u64 loads;				/* arch_load_root() calls */
	u64 timer_programs;			/* arch_set_timer() calls */
	u64 printed, refused;			/* lines */
};
extern struct host_log host_log;
extern char host_last_message[256];		/* of printk, log, guest log or panic */
extern void (*host_poll_hook)(void);		/* called by arch_poll() */
extern void (*host_switch_hook)(struct vcpu *prev, struct vcpu *next);

/*
 * host_expect_panic: true if body calls panic(), BUG or a failed ASSERT (locks stay as they are).
 *	if (host_panics(fn, arg)) ...
 */
bool host_panics(void (*fn)(void *), void *arg);

/* --- the simulated TLB --- */
/* CPU has va -> mfn cached; a flush of that CPU (or of va) drops it. */
void host_tlb_fill(unsigned int cpu, u64 va, mfn_t mfn, bool writable);
bool host_tlb_caches(mfn_t mfn, bool only_writable);	/* does any CPU? */
/* CPU has a paging-structure entry that leads to this table cached; only whole flushes drop it. */
void host_tlb_fill_table(unsigned int cpu, mfn_t mfn, unsigned int level);
bool host_tlb_walks(mfn_t mfn);				/* does any CPU have it so? */
extern struct host_tlb { u64 va; mfn_t mfn; u8 cpu, level; bool used, writable; } host_tlb[512];
/* What other CPUs do in the middle: after the flush clock was read; before remote CPUs flush. */
extern void (*host_tlb_clock_hook)(void), (*host_flush_hook)(void);
void host_tlb_advance(u32 n);			/* let the flush clock run: for wrap tests */

/* --- guest memory --- */
/* Map [gva, gva + size) of every guest to host memory. At most 64 ranges. */
void host_map_flat(u64 gva, void *mem, size_t size, bool writable);
void host_unmap_flat(void);
#define HOST_GVA 0x10000000UL
/* Space for arguments: copies what (NULL: zeroes) to a fresh mapped guest address, 16-aligned. */
u64 host_arg(const void *what, size_t size);
void *host_arg_ptr(u64 gva);			/* its host address */
void host_arg_reset(void);
/*
 * Otherwise the tables of current->pv.root_kernel (root_user in user mode) are walked; P, RW and
 * US bits count. host_walk: the host address, or NULL.
 */
void *host_walk(mfn_t root, u64 va, bool write);
/* The n-th copy from now returns -EFAULT (1: the next), once; 0: none. */
void host_copy_fail_after(unsigned int n);
bool host_copy_fail_pending(void);
/* Called before each copy: a place for a guest that changes memory behind our back. */
extern void (*host_copy_hook)(u64 gva, size_t n, bool write);

/* --- vcpus without domain.c --- */
/* A domain and vcpus on the heap of the C library, enough for locks, frames and the scheduler. */
struct domain *host_domain(domid_t id, unsigned int vcpus);
void host_domain_free(struct domain *d);
void host_make_idle(void);			/* idle_domain, idle_vcpu[], current of each CPU */

/* --- randomness: HOST_SEED in the environment, or the clock; printed when a test fails --- */
u64 host_seed(void);
u64 host_random(void);
static inline u64 host_random_below(u64 n)
{
	return host_random() % n;
}

/* Run the tests; prints the seed. use as: return host_main(tests); */
#define host_main(tests) \
	(printf("seed %llu\n", (unsigned long long)host_seed()), \
	 cmocka_run_group_tests(tests, NULL, NULL))

#endif
