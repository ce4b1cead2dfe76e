/* SPDX-License-Identifier: MIT */
/*
 * hypercalls: what raw hypercalls cost a bare-metal PV guest, which runs as dom0.
 *
 * Job:   prints `BENCH name value`, TSC ticks an operation in tenths (under -icount: instructions),
 *        the loop around it included. Built on tests/guests/lib; run by tests/bench/run.
 * Holds: two rounds; the second one counts, when caches of the hypervisor (if any) are warm.
 *        mmu_update and update_va_mapping make one page read-only and writable in turn.
 *        The #UD handler is the least there can be: pop rcx and r11, step over the instruction, iret.
 */
#include "guest.h"

#define ROUNDS	2000
#define BATCH	32

static u8 page[PAGE_SIZE] __aligned(4096);
static struct mmu_update updates[BATCH];
static bool last_round;
extern u8 ud_handler[];
u64 ud_count;

asm(".text\n"
	"ud_handler:\n"
	"	pop	%rcx\n"
	"	pop	%r11\n"
	"	incq	ud_count(%rip)\n"
	"	addq	$2, (%rsp)\n"
	"	pushq	$0\n"
	"	jmp	hypercall_page + 23 * 32\n");

static void result(const char *name, u64 ticks, u64 ops)
{
	u64 tenths = ticks * 10 / ops;

	if (last_round)
		printk("BENCH %s %lu.%lu\n", name, tenths / 10, tenths % 10);
}

/* For counts.c: nopl 0x524947NN(%rax,%rax,1). */
#define MARK(n) asm volatile(".byte 0x0f, 0x1f, 0x84, 0x00; .long %c0" :: "i" (0x52494700 + (n)) : "memory")
#define MARK_BEGIN 1
#define MARK_END 2
#define MARK_RESET 3

/* The loop's own instructions are part of the figure, for every hypervisor the same. */
#define MEASURE(name, rounds, per_round, statement) do {		\
	u64 _start = rdtsc();						\
	MARK(MARK_BEGIN);						\
	for (unsigned int i = 0; i < (rounds); i++)			\
		statement;						\
	MARK(MARK_END);							\
	result(name, rdtsc() - _start, (u64)(rounds) * (per_round));	\
} while (0)

static void bench_mmu(void)
{
	u64 va = (u64)page, rw = pte_of(page), ro = rw & ~PTE_RW, maddr = entry_maddr(va, 1);
	long bad = 0;

	for (unsigned int i = 0; i < BATCH; i++)
		updates[i] = (struct mmu_update){ maddr, i & 1 ? rw : ro };
	MEASURE("update_va_mapping", ROUNDS, 1,
		bad |= hc_update_va_mapping(va, i & 1 ? rw : ro, UVMF_INVLPG));
	MEASURE("mmu_update_1", ROUNDS, 1, bad |= hc_mmu_update(&updates[i & 1], 1, NULL, DOMID_SELF));
	MEASURE("mmu_update_32_per_entry", ROUNDS / BATCH, BATCH,
		bad |= hc_mmu_update(updates, BATCH, NULL, DOMID_SELF));
	CHECK_EQ(bad, 0);
}

static void bench_multicall(void)
{
	static struct multicall_entry calls[BATCH];
	u64 rw = pte_of(page), ro = rw & ~PTE_RW;
	long bad = 0;

	for (unsigned int i = 0; i < BATCH; i++)
		calls[i] = (struct multicall_entry){
			.op = __HYPERVISOR_update_va_mapping,
			.args = { (u64)page, i & 1 ? rw : ro, 0 }
		};
	MEASURE("multicall_32_per_entry", ROUNDS / BATCH, BATCH, bad |= hc_multicall(calls, BATCH));
	CHECK_EQ(bad, 0);
}

static void bench_traps(void)
{
	trap_table[X86_UD].address = (u64)ud_handler;
	CHECK_EQ(hc_set_trap_table(trap_table), 0);
	ud_count = 0;
	MEASURE("ud2_bounce_and_iret", ROUNDS, 1, asm volatile("ud2" ::: "memory"));
	CHECK_EQ(ud_count, ROUNDS);
	trap_table[X86_UD].address = trap_stub(X86_UD);
	CHECK_EQ(hc_set_trap_table(trap_table), 0);
}

void test_main(void)
{
	for (int round = 0; round < 2; round++) {
		u64 far = system_time() + 1000000000000ul;

		last_round = round;
		MARK(MARK_RESET);
		MEASURE("rdtsc", ROUNDS, 1, (void)rdtsc());
		MEASURE("xen_version", ROUNDS, 1, hc_xen_version(XENVER_version, NULL));
		MEASURE("sched_yield", ROUNDS, 1, hc_sched_op(SCHEDOP_yield, NULL));
		MEASURE("set_timer_op", ROUNDS, 1, hc_set_timer_op(far));
		hc_set_timer_op(0);
		bench_mmu();
		bench_multicall();
		bench_traps();
	}
}
