/* SPDX-License-Identifier: MIT */
/*
 * Job:    TLB flushes, local and remote; the flush clock; calls on other CPUs; arch_poll().
 * Enter:  page-table code, page_alloc.c, frame.c; VEC_CALL from irq.c; spinning CPUs.
 * State:  one request at a time (req, req_pending); tlb_clock and each CPU's last flush.
 * Locks:  req_lock (RANK_FLUSH) while a request is under way. A CPU that waits for any spinlock
 *         answers by arch_poll(), so the wait ends even if it waits for a lock of ours.
 * Holds:  FL1  a CPU's flushed_at is the clock's value from before its flush began: an entry that
 *              was dropped at a stamp below it is gone from that TLB.
 *         FL2  guests' entries are never global, and those of all tags are dropped (tags.c) whenever
 *              flushed_at says so.
 *         FL3  a CPU of hv_root_cpus runs on the hypervisor's own tables: it has no guest entries.
 *         FL4  a CPU of spinning_cpus touches no guest memory before arch_spin_end(), which flushes
 *              if flush_wanted has its bit: nobody waits for the flush of a CPU that waits itself.
 * Tests:  tests/guests/smp.c
 */
#include <hv/debug.h>
#include "machine.h"

static spinlock_t req_lock = SPINLOCK_INIT(RANK_FLUSH);
static struct { void (*fn)(void *); void *arg; } req;
static cpumask_t req_pending;		/* who has not answered yet */
static cpumask_t flush_wanted;		/* who shall flush without anybody waiting for it */
static cpumask_t hv_root_cpus, spinning_cpus;

u32 tlb_clock = 1;
static u32 flushed_at[NR_CPUS];

/*
 * Call right before what drops all guest entries. Every 2^30 flushes all CPUs are
 * asked to flush, so that comparing clock values by their difference stays right when it wraps.
 */
void tlb_note_flush(void)
{
	u32 now = atomic_inc(&tlb_clock);

	WRITE_ONCE(flushed_at[this_cpu()], now);
	if (unlikely(!(now & 0x3fffffff))) {
		atomic_or(&flush_wanted, cpu_online_map);
		apic_send_mask(cpu_online_map, SEND_FIXED | VEC_CALL);
	}
}

void flush_tlb_local(void)
{
	tlb_note_flush();
	tags_flush();
}

static void flush_here(void *va)
{
	if ((u64)va == FLUSH_ALL)
		flush_tlb_local();
	else
		flush_va_local((u64)va);
}

/* The flush that others have left to this CPU. */
static void flush_if_wanted(cpumask_t me)
{
	if (unlikely(READ_ONCE(flush_wanted) & me)) {
		atomic_and(&flush_wanted, ~me);
		flush_tlb_local();
	}
}

static void write_back(void *arg)
{
	wbinvd();
}

void flush_cache(bool all)
{
	wbinvd();
	if (all)
		call_on_cpus(cpu_online_map, write_back, NULL);
}

void tlb_enter_hv_root(void)
{
	tlb_note_flush();
	tags_load(mfn_x(virt_to_mfn(hv_root)) << PAGE_SHIFT);
	atomic_or(&hv_root_cpus, BIT(this_cpu()));
}

void tlb_leave_hv_root(void)
{
	atomic_and(&hv_root_cpus, ~BIT(this_cpu()));
}

cpumask_t tlb_stale(cpumask_t mask, u32 stamp)
{
	cpumask_t stale = 0, m;

	smp_mb();
	for (m = mask & cpu_online_map & ~READ_ONCE(hv_root_cpus); m; m &= m - 1) {
		unsigned int cpu = __builtin_ctzl(m);

		if ((s32)(READ_ONCE(flushed_at[cpu]) - stamp) <= 0)
			stale |= BIT(cpu);
	}
	return stale;
}

/* Answer what others ask of this CPU. Called while spinning and from VEC_CALL; takes no lock. */
void arch_poll(void)
{
	cpumask_t me = BIT(this_cpu());

	if (__atomic_load_n(&req_pending, __ATOMIC_ACQUIRE) & me) {
		req.fn(req.arg);
		atomic_and(&req_pending, ~me);
	}
	flush_if_wanted(me);
}

void arch_spin_begin(void)
{
	atomic_or(&spinning_cpus, BIT(this_cpu()));
}

void arch_spin_end(void)
{
	cpumask_t me = BIT(this_cpu());

	atomic_and(&spinning_cpus, ~me);
	flush_if_wanted(me);
}

/* Leave the flush to those of mask that spin; returns the others. */
static cpumask_t defer_to_spinners(cpumask_t mask)
{
	cpumask_t lazy = mask & READ_ONCE(spinning_cpus);

	if (!lazy)
		return mask;
	atomic_or(&flush_wanted, lazy);
	/* who spins still, after the wish was written, sees it at arch_spin_end() */
	return mask & ~(lazy & READ_ONCE(spinning_cpus));
}

/* The CPUs may hold any lock: fn takes none, and is short. */
void call_on_cpus(cpumask_t mask, void (*fn)(void *), void *arg)
{
	mask &= cpu_online_map & ~BIT(this_cpu());
	if (!mask)
		return;
	spin_lock(&req_lock);
	req.fn = fn;
	req.arg = arg;
	__atomic_store_n(&req_pending, mask, __ATOMIC_SEQ_CST);
	apic_send_mask(mask, SEND_FIXED | VEC_CALL);
	while (__atomic_load_n(&req_pending, __ATOMIC_ACQUIRE))
		cpu_relax();		/* nobody else can ask us anything meanwhile */
	spin_unlock(&req_lock);
}

void flush_tlb_mask(cpumask_t mask, u64 va)
{
	trace(FLUSH, mask, va);
	if (mask & BIT(this_cpu()))
		flush_here((void *)va);
	smp_mb();			/* our entries' changes before the look at who is on hv_root */
	mask &= cpu_online_map & ~BIT(this_cpu()) & ~READ_ONCE(hv_root_cpus);
	call_on_cpus(defer_to_spinners(mask), flush_here, (void *)va);
}

void send_resched_ipi(unsigned int cpu)
{
	if (cpu != this_cpu())
		apic_send(cpu_apicid[cpu], SEND_FIXED | VEC_RESCHED);
}

void irq_window(void)
{
	__asm__ __volatile__("sti; nop; cli" ::: "memory");
}

void arch_idle(void)
{
	if (!READ_ONCE(*softirq_pending(this_cpu())))
		__asm__ __volatile__("sti; hlt; cli" ::: "memory");	/* STI's shadow covers HLT */
}
