/* SPDX-License-Identifier: MIT */
/*
 * The inline part of the seam on the host: simulated CPUs over simulated machine memory.
 *
 * Job:    what hypervisor/x86/arch_inline.h does on the machine. host.h has the tests' side.
 * State:  host_cpu is thread-local, so that a test may run several CPUs as threads.
 * Tests:  all of tests/host
 */
#ifndef HOST_ARCH_INLINE_H
#define HOST_ARCH_INLINE_H

#include <xen.h>
#include <hv/layout.h>
#include <hv/types.h>

struct vcpu;
struct page_info;

extern __thread unsigned int host_cpu;
extern struct vcpu *host_current[NR_CPUS];
extern u64 host_softirq[NR_CPUS];
extern char *host_memory;		/* machine memory: frame n at n * PAGE_SIZE */
extern u64 host_clock_ns;
extern struct page_info *frame_table;
extern struct cpu_user_regs host_regs[NR_CPUS];

/* the part of struct cpu_info that C code outside x86/ may see */
static inline struct cpu_user_regs *guest_regs(void)
{
	return &host_regs[host_cpu];
}

static inline unsigned int this_cpu(void)
{
	return host_cpu;
}

static inline struct vcpu *current_vcpu(void)
{
	return host_current[host_cpu];
}

static inline u64 *softirq_pending(unsigned int cpu)
{
	return &host_softirq[cpu];
}

static inline void *maddr_to_virt(u64 maddr)
{
	return host_memory + maddr;
}

static inline void *mfn_to_virt(mfn_t mfn)
{
	return host_memory + (mfn_x(mfn) << PAGE_SHIFT);
}

static inline mfn_t virt_to_mfn(const void *p)
{
	return _mfn((u64)((const char *)p - host_memory) >> PAGE_SHIFT);
}

static inline void cpu_relax(void)
{
	__asm__ __volatile__("" ::: "memory");
}

static inline u64 rdtsc_now(void)
{
	return host_clock_ns;		/* a 1 GHz TSC */
}

#define copy_words_from_guest(dst, src, words) copy_from_guest((dst), (src), (words) * 8)

u32 tlb_clock_now(void);

#define put_guest_u64(addr, val, label) do { \
	u64 put_val = (val); \
	if (copy_to_guest(_gva((u64)(addr)), &put_val, 8)) \
		goto label; \
} while (0)
static inline void open_guest(void) {}
static inline void close_guest(void) {}

#endif
