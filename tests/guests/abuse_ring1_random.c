/* SPDX-License-Identifier: MIT */
/*
 * abuse_ring1_random: a guest in ring 1 leaves and enters in every way that random numbers can think of.
 *
 * Claim:  random IRETQ frames from ring 1 (selectors, flags, stacks, rip), random registers, GS bases, breakpoints
 *         and data segments, and what ring 3 then does (SYSCALL, INT n, undefined and privileged instructions, far
 *         returns, nothing that is mapped) end in ring 1 again or in its handlers; the hypervisor goes on, and its
 *         audit finds nothing.
 *         seed=N count=N (100000); 10 million: count=10000000, with --timeout 7200.
 * Broken: a panic, a machine that stands still, an audit that counts.
 * Run:    args="ring1=1" timeout=300
 */
#include "guest.h"

u64 rr_stack, rr_frame[5], rr_regs[15], rr_count, rr_user;
extern u8 rr_loop[], rr_any[], rr_any_syscall[], rr_leave[], rr_snippets[], rr_snippets_end[], rr_kernel[];
static u64 state;
static bool armed;

asm("rr_leave:\n"
    ".irp r, rbx, rbp, r12, r13, r14, r15\n push %\\r\n .endr\n"
    "mov %rsp, rr_stack\n"
    ".irp i, 4, 3, 2, 1, 0\n push rr_frame+8*\\i\n .endr\n"
    "mov rr_regs, %rax; mov rr_regs+8, %rbx; mov rr_regs+16, %rcx; mov rr_regs+24, %rdx; mov rr_regs+32, %rsi\n"
    "mov rr_regs+40, %rdi; mov rr_regs+48, %rbp; mov rr_regs+56, %r8; mov rr_regs+64, %r9; mov rr_regs+72, %r10\n"
    "mov rr_regs+80, %r11; mov rr_regs+88, %r12; mov rr_regs+96, %r13; mov rr_regs+104, %r14; mov rr_regs+112, %r15\n"
    "iretq\n"
    /* every handler: whatever it was, on with the next one */
    "rr_any_syscall: incq rr_user\n"
    "rr_any: incq rr_count; mov rr_stack, %rsp; push $2; popf; cld\n"
    ".irp r, r15, r14, r13, r12, rbp, rbx\n pop %\\r\n .endr\n"
    "ret\n"
    /* 8 bytes each, entered at any of them or between */
    ".balign 8\n rr_snippets:\n"
    "syscall\n .balign 8\n ud2\n .balign 8\n int $0x80\n .balign 8\n int3\n .balign 8\n int $0x0e\n .balign 8\n"
    "push %rax; popf; syscall\n .balign 8\n lretq\n .balign 8\n iretq\n .balign 8\n hlt\n .balign 8\n"
    "mov %eax, %ds\n .balign 8\n mov %eax, %ss; syscall\n .balign 8\n mov %eax, %gs; syscall\n .balign 8\n"
    "wrgsbase %rax; ud2\n .balign 8\n wrfsbase %rax; syscall\n .balign 8\n sysenter\n .balign 8\n"
    "mov %rax, %cr3\n .balign 8\n rdmsr\n .balign 8\n in %dx, %al\n .balign 8\n out %al, $0x80\n .balign 8\n"
    "mov (%rax), %rbx\n .balign 8\n mov %rbx, (%rax)\n .balign 8\n jmp *%rax\n .balign 8\n ud2; .ascii \"xen\"; cpuid\n .balign 8\n"
    "smsw (%rax)\n .balign 8\n sgdt (%rax)\n .balign 8\n div %ecx\n .balign 8\n int $0x02\n .balign 8\n int1\n .balign 8\n"
    "std; syscall\n .balign 8\n clac; syscall\n .balign 8\n xgetbv\n .balign 8\n rr_snippets_end:\n");

/* Ring 3 has two pages: one with the snippets, read-only, and one for a stack. */
#define CODE 0x0000123400000000ul
#define STACK (CODE + 8192)
#define SNIPPETS ((u64)(rr_snippets_end - rr_snippets))
static u8 *user_stack;

static u64 rnd(u64 n)
{
	return prng(&state) % n;
}

static u64 number(void)
{
	static const u64 some[] = { 0, 0x7ffffffffff8, 0x800000000000, 0xffff7ffffffffff8, 0xffff800000000000,
		0xffff82d040022fc0, 0xffff82d048000000, 0xffff82d048001120, 0xffff82d048002f98, 0xffff82d000202000,
		0xffffffffffffffff, 0xffffffff80100000, 0x8000000000000000, 0xffff830000000000 };

	switch (rnd(4)) {
	case 0: return some[rnd(ARRAY_SIZE(some))] + rnd(64) - 32;
	case 1: return prng(&state) >> rnd(64);
	case 2: return CODE + rnd(SNIPPETS);
	}
	return (u64)(s64)(prng(&state) << rnd(64)) >> 16;
}

static u64 selector(void)
{
	static const u16 some[] = { 0, 1, 3, 0xe008, 0xe010, 0xe023, 0xe02b, 0xe033, 0xe040, 0xe050, 0xe061, 0xe069, 0xe06b,
		0xe063, 0xefff, 7, 0xffff };

	return rnd(4) ? some[rnd(ARRAY_SIZE(some))] : rnd(0x10000);
}

static void pick(void)
{
	bool user = rnd(8);

	for (unsigned int i = 0; i < ARRAY_SIZE(rr_regs); i++)
		rr_regs[i] = number();
	if (user) {
		rr_frame[0] = rnd(8) ? CODE + (rnd(SNIPPETS) & (rnd(4) ? ~7ul : ~0ul))
			: number();
		rr_frame[1] = rnd(4) ? USER_CS : selector() | 3;
		rr_frame[3] = rnd(2) ? STACK + 2048 : number();
		rr_frame[4] = rnd(4) ? USER_SS : selector();
		for (unsigned int i = 0; i < 16 && rnd(2); i++)		/* what far returns find */
			((u64 *)(user_stack + 2048))[i] = rnd(2) ? number() : selector();
	} else {	/* ring 1, on a good stack, to a handler; other selectors are refused on ours */
		rr_frame[0] = (u64)(rnd(2) ? rr_any : rr_any_syscall);
		rr_frame[1] = rnd(2) ? PARAPET_RING1_CS : (selector() & ~3ul) | rnd(3);
		rr_frame[3] = (u64)(vcpu_stacks[1] + 8192);
		rr_frame[4] = rnd(2) ? PARAPET_RING1_SS : (selector() & ~3ul) | rnd(3);
	}
	/* TF in ring 1 is a trap at each instruction of the handlers: not there */
	rr_frame[2] = user ? prng(&state) & 0x3f7fff : prng(&state) & 0x3e7eff & ~0x4000ul;
	if (!rnd(16))
		asm volatile("wrgsbase %0" :: "r"((u64)((s64)(number() << 16) >> 16)));
	if (!rnd(64)) {
		hc_set_debugreg((unsigned int)rnd(4), CODE + rnd(256));
		armed = rnd(2) && !hc_set_debugreg(7, (prng(&state) & 0xffff00fful) | 1);
		if (!armed)
			hc_set_debugreg(7, 0x400);
	}
	/* QEMU 7.2 gives a second #DB, in the #DB handler, for an instruction with TF and a data breakpoint */
	if (armed) {
		rr_frame[2] &= ~X86_EFLAGS_TF;
		rr_regs[0] &= ~X86_EFLAGS_TF;
	}
	if (!rnd(32))
		hc_sched_op(SCHEDOP_yield, NULL);
	if (!rnd(1024))
		/* wild, but not about our own code: it would be resumed with anything */
		for (unsigned int i = 0; i < 3; i++)
			(&ring1_pages[0].exit_rdi)[i] = number() & 0x7fffffffffff;
	if (!rnd(64))
		WRITE_ONCE(ring1_pages[0].info.evtchn_upcall_pending, 1);
}

void test_main(void)
{
	u64 count = test_arg("count", 100000);

	state = test_arg("seed", system_time() | 1);
	REQUIRE(ring1_mode, "not in ring 1: give ring1=1");
	printk("  seed=%lu count=%lu\n", state, count);
	u8 *code = alloc_page();

	memcpy(code, rr_snippets, SNIPPETS);
	user_stack = alloc_page();
	make_tables(CODE);
	REQUIRE(!write_entry(va_to_maddr(&root()[255]), 0) &&
		!hc_update_va_mapping(CODE, (pte_of(code) | PTE_US) & ~PTE_RW, UVMF_INVLPG) &&
		!hc_update_va_mapping(STACK, pte_of(user_stack) | PTE_US, UVMF_INVLPG), "pages of ring 3");
	for (unsigned int i = 0; i < 256; i++) {
		trap_table[i].address = (u64)rr_any;
		trap_table[i].flags = 4 | (u8)(i == 0x80 || i == 3 || i == 0x0e ? 3 : 0);
	}
	REQUIRE(!hc_set_trap_table(trap_table), "set_trap_table");
	set_callback(CALLBACKTYPE_event, rr_any, 0);
	set_callback(CALLBACKTYPE_syscall, rr_any_syscall, 0);
	set_callback(CALLBACKTYPE_syscall32, rr_any_syscall, 0);
	/* ring 3 may jump to itself for ever: a timer ends that */
	long port = evt_bind_virq(VIRQ_TIMER, 0);
	struct vcpu_set_periodic_timer t = { 5000000 };
	REQUIRE(port > 0 && !hc_vcpu_op(VCPUOP_set_periodic_timer, 0, &t), "timer");
	evt_set_mask((u32)port, false);
	for (u64 i = 0; i < count; i++) {
		pick();
		if (READ_ONCE(ring1_pages[0].info.evtchn_upcall_pending) || evt_pending((u32)port)) {
			evt_clear((u32)port);
			WRITE_ONCE(ring1_pages[0].info.evtchn_pending_sel, 0);
			WRITE_ONCE(ring1_pages[0].info.evtchn_upcall_pending, 0);
		}
		ring1_pages[0].info.evtchn_upcall_mask = 1;
		asm volatile("call rr_leave" ::: "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
		asm volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%fs; mov %0, %%gs" :: "r"(0));
		if (i % 1000000 == 999999)
			printk("  %lu rounds, %lu entries, %lu by SYSCALL\n", i + 1, rr_count, rr_user);
	}
	hc_set_debugreg(7, 0x400);
	hc_vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL);
	ring1_pages[0].exit_end = 0;
	ring1_install_traps();
	printk("  %lu rounds, %lu entries, %lu by SYSCALL\n", count, rr_count, rr_user);
	CHECK(rr_count >= count && rr_user > count / 50, "%lu entries, %lu by SYSCALL", rr_count, rr_user);
	CHECK_EQ(hc_xen_version(XENVER_pagesize, NULL), 4096);
	CHECK_EQ(try_asm("ud2"), X86_UD);
}
