/* SPDX-License-Identifier: MIT */
/*
 * Job:    the seam's inline part: this_cpu(), current_vcpu(), the direct map; small accesses to
 *         guest memory.
 * State:  struct cpu_info at the top of each CPU's stack.
 * Holds:  X4  every stack the hypervisor runs on (main and IST) lies in the CPU's aligned
 *             STACK_SIZE block, so that cpu_info is found from any of them.
 * Tests:  all
 */
#ifndef X86_ARCH_INLINE_H
#define X86_ARCH_INLINE_H

#include <xen.h>
#include <hv/layout.h>
#include <hv/types.h>

struct vcpu;

struct cpu_info {
	struct cpu_user_regs guest;	/* TSS.RSP0 points at guest.es: hardware pushes below */
	struct vcpu *current;
	u64 softirq_pending;
	u64 scratch0, scratch1, scratch2;	/* entry.S */
	u32 cpu, pad;
};

/* Hardware aligns RSP0 down to 16 bytes before it pushes. */
_Static_assert((sizeof(struct cpu_info) - offsetof(struct cpu_info, guest.es)) % 16 == 0, "RSP0");

static __always_inline struct cpu_info *get_cpu_info(void)
{
	u64 sp;

	__asm__("mov %%rsp, %0" : "=r"(sp));
	return (struct cpu_info *)((sp | (STACK_SIZE - 1)) + 1) - 1;
}

/* This CPU: its number, the vcpu that it runs, that one's frame while the hypervisor runs. */
#define this_cpu() (get_cpu_info()->cpu)
#define current_vcpu() (get_cpu_info()->current)
#define guest_regs() (&get_cpu_info()->guest)

/* Any CPU's area (layout.h) and the cpu_info in it. */
#define percpu_area(cpu) (PERCPU_VIRT_START + ((u64)(cpu) << PERCPU_AREA_SHIFT))
#define cpu_info_of(cpu) ((struct cpu_info *)(percpu_area(cpu) + PC_STACK_OFFSET + STACK_SIZE) - 1)
#define softirq_pending(cpu) (&cpu_info_of(cpu)->softirq_pending)

static inline mfn_t virt_to_mfn(const void *p)
{
	return _mfn(((u64)p - DIRECTMAP_VIRT_START) >> PAGE_SHIFT);
}

#define maddr_to_virt(maddr) ((void *)(DIRECTMAP_VIRT_START + (maddr)))
#define mfn_to_virt(mfn) maddr_to_virt(mfn_x(mfn) << PAGE_SHIFT)

static inline void cpu_relax(void)
{
	__asm__ __volatile__("pause" ::: "memory");
}

static inline u64 rdtsc_now(void)
{
	u32 a, d;

	__asm__ __volatile__("rdtsc" : "=a"(a), "=d"(d));
	return (u64)d << 32 | a;
}

/* --- guest memory: fault recovery in inline assembly, and SMAP --- */

/* If the instruction at label `at` faults go on at `to`; ON_FAULT: do `fix` before. */
#define EX_TABLE(at, to) \
	".pushsection __ex_table, \"a\"\n.balign 8\n.quad " at ", " to "\n.popsection\n"
#define ON_FAULT(at, fix, to) \
	".pushsection .text.fixup, \"ax\"\n7: " fix "\n jmp " to "\n.popsection\n" \
	EX_TABLE(at, "7b")
/* Patched to STAC (1) or CLAC (0) by cpu.c. */
#define SMAP_PATCH(stac) \
	__asm__ __volatile__("8: nopl (%%rax)\n.pushsection .smap_patch, \"a\"\n" \
			     ".quad 8b, " #stac "\n.popsection" : : : "memory")

#define open_guest() SMAP_PATCH(1)
#define close_guest() SMAP_PATCH(0)

/* copy_from_guest() for a small constant number of whole words, unrolled. 0 or -EFAULT (-14). */
static __always_inline int copy_words_from_guest(void *dst, gva_t src, const unsigned int words)
{
	u64 a = gva_x(src), v, *to = dst;
	unsigned int i;
	int err = 0;

	if (unlikely(in_hv_slots(a) || in_hv_slots(a + words * 8 - 1)))
		return -14;
	open_guest();
#pragma GCC unroll 8
	for (i = 0; i < words; i++) {
		__asm__ __volatile__("1: mov %2, %0\n2:\n"
				     ON_FAULT("1b", "mov $-14, %1\n xor %k0, %k0", "2b")
				     : "=&r"(v), "+r"(err) : "m"(((const u64 *)a)[i]));
		to[i] = v;
	}
	close_guest();
	return err;
}

/*
 * Single stores to guest memory, between open_guest() and close_guest(); the caller has checked
 * the range. A store that faults goes on at `label`, where the window must be closed.
 */
#define put_guest_u64(addr, val, label) \
	__asm__ goto("1: mov %1, %0\n" EX_TABLE("1b", "%l2") \
		     : : "m"(*(u64 *)(addr)), "re"((u64)(val)) : "memory" : label)

/* The flush clock (flush.c). 0 would say "never mapped"; a later time is always safe. */
extern u32 tlb_clock;
static __always_inline u32 tlb_clock_now(void)
{
	smp_mb();			/* the entry is gone before the clock is read */
	return READ_ONCE(tlb_clock) ?: 1;
}

#define frame_table ((struct page_info *)FRAMETABLE_VIRT_START)

#endif
