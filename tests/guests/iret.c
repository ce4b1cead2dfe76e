/* SPDX-License-Identifier: MIT */
/*
 * iret: __HYPERVISOR_iret loads exactly the frame it is given.
 *
 * Claim:  all general registers, rip, rsp and the arithmetic flags are loaded, in kernel and in user
 *         mode; rflags.IF becomes the event mask and a pending event is delivered at once; flags a
 *         guest may not have (IOPL, VM, IF clear) are not loaded; a selector or address that cannot be
 *         returned to becomes an exception or a failsafe callback of the guest kernel; VGCF_in_syscall
 *         loses nothing but rcx and r11; a data segment that went bad while the vCPU was away makes
 *         the failsafe callback.
 * Broken: a register of the hypervisor or of an earlier frame shows up; events stay masked; the machine
 *         dies.
 * Run:    hv="dom0_max_vcpus=2"
 */
#include "guest.h"

/* rax rcx rdx rbx rbp rsi rdi r8-r15 rflags rsp, as STORE has it. */
static u64 seen[17];

/*
 * Target of the return: store all registers in seen[], then leave: kernel by jump to after_kernel, user
 * by int $0x80. Stores are rip-relative, so no register is needed.
 */
extern u8 dump_regs[], dump_regs_user[];
asm("	.macro STORE\n"
    "	mov %rax, seen(%rip); mov %rcx, seen+8(%rip); mov %rdx, seen+16(%rip); mov %rbx, seen+24(%rip)\n"
    "	mov %rbp, seen+32(%rip); mov %rsi, seen+40(%rip); mov %rdi, seen+48(%rip)\n"
    "	mov %r8, seen+56(%rip); mov %r9, seen+64(%rip); mov %r10, seen+72(%rip); mov %r11, seen+80(%rip)\n"
    "	mov %r12, seen+88(%rip); mov %r13, seen+96(%rip); mov %r14, seen+104(%rip); mov %r15, seen+112(%rip)\n"
    "	mov %rsp, seen+128(%rip)\n"
    "	pushf; pop seen+120(%rip)\n"
    "	.endm\n"
    "dump_regs: STORE\n	ud2\n"
    "dump_regs_user: STORE\n	int $0x80\n");

static void fill(struct regs *r, u64 salt)
{
	u64 *g = (u64 *)r;

	for (unsigned int i = 0; i < 15; i++)	/* r15 ... rcx */
		g[i] = 0x1111111111111111ul * (i + 1) ^ salt;
}

static void compare(const char *what, const struct regs *r, bool sysret)
{
	u64 want[15] = { r->rax, r->rcx, r->rdx, r->rbx, r->rbp, r->rsi, r->rdi, r->r8, r->r9, r->r10, r->r11,
		r->r12, r->r13, r->r14, r->r15 };

	for (unsigned int i = 0; i < 15; i++) {
		if (sysret && (i == 1 || i == 10))
			continue;
		CHECK(seen[i] == want[i], "%s: register %u is %#lx, not %#lx", what, i, seen[i], want[i]);
	}
	CHECK(seen[16] == r->rsp, "%s: rsp %#lx, not %#lx", what, seen[16], r->rsp);
	CHECK((seen[15] & 0xcd5) == (r->rflags & 0xcd5), "%s: rflags %#lx, not %#lx", what, seen[15], r->rflags);
	CHECK(seen[15] & X86_EFLAGS_IF, "%s: hardware IF is clear", what);
	CHECK(!(seen[15] & X86_EFLAGS_IOPL), "%s: IOPL got through", what);
}

/* Leave through the hypercall page. */
static void leave(void *arg)
{
	struct regs copy = *(struct regs *)arg;

	resume_regs(&copy);
}

/* Leave by SYSCALL with the whole frame (rax r11 rcx flags rip ...) on the stack. */
static void leave_raw(void *arg)
{
	struct regs copy = *(struct regs *)arg;

	asm volatile("mov %0, %%rsp; pop %%r15; pop %%r14; pop %%r13; pop %%r12; pop %%rbp; pop %%rbx;"
		     "pop %%r10; pop %%r9; pop %%r8; pop %%rdx; pop %%rsi; pop %%rdi;"
		     "mov $23, %%eax; syscall" :: "r"(&copy) : "memory");
	__builtin_unreachable();
}

static void kernel_frame(struct regs *r, u64 salt)
{
	memset(r, 0, sizeof(*r));
	fill(r, salt);
	r->rip = (u64)dump_regs;
	r->cs = KERNEL_CS;
	r->ss = KERNEL_SS;
	r->rsp = (u64)vcpu_stacks[0] + 8192;
	r->rflags = 2;
}

static void to_kernel(void)
{
	static const u64 flags[] = { 2, 0xcd7, 0x402, 0x8d7 & ~0x400, 0x3002, 0x7002 };
	struct regs r;

	for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++) {
		kernel_frame(&r, i * 0x0123456789abcdeful);
		r.rflags = flags[i];
		memset(seen, 0, sizeof(seen));
		CHECK_EQ(try_call(i & 1 ? leave : leave_raw, &r), X86_UD);
		compare("to kernel", &r, false);
		CHECK(this_vcpu()->trap.cs == KERNEL_CS, "cs %#x", this_vcpu()->trap.cs);
		kernel_frame(&r, i);
		r.rflags = flags[i];
		CHECK_EQ(try_call(i & 1 ? leave_raw : leave, &r), X86_UD);
		compare("to kernel again", &r, false);
	}
	/* cs e030 and flat user's e033 differ: RPL decides the mode. VM must not get through. */
	kernel_frame(&r, 77);
	r.rflags = 2 | X86_EFLAGS_VM | X86_EFLAGS_RF;
	CHECK_EQ(try_call(leave, &r), X86_UD);
	compare("VM flag", &r, false);
}

static void to_user(void)
{
	struct regs r;

	user_init();
	for (unsigned int i = 0; i < 4; i++) {
		u32 vgcf = i & 1 ? VGCF_in_syscall : 0;

		user_regs(&r, (u64)dump_regs_user, 0);
		fill(&r, i * 0xfedcba9876543210ul);
		r.rflags = 2 | (i & 2 ? 0x8d5 : 0);
		r.err = vgcf;
		memset(seen, 0, sizeof(seen));
		CHECK_EQ(user_run_regs(&r), r.rax);
		compare(vgcf ? "to user, in_syscall" : "to user", &r, vgcf);
		if (vgcf && seen[1] != r.rcx)	/* SYSRET was used: rcx is rip, r11 the flags */
			CHECK(seen[1] == r.rip, "rcx %#lx after SYSRET", seen[1]);
	}
}

/* IF in the frame is the event mask. */
static void event_mask(void)
{
	struct regs r;
	long port = evt_bind_ipi(0);

	REQUIRE(port > 0, "bind_ipi: %ld", port);
	evt_set_mask((u32)port, false);
	/* IF 0: masked stays, nothing is delivered. */
	evt_send((u32)port);
	CHECK_EQ(this_vcpu()->info->evtchn_upcall_pending, 1);
	kernel_frame(&r, 1);
	CHECK_EQ(try_call(leave, &r), X86_UD);
	CHECK_EQ(this_vcpu()->info->evtchn_upcall_mask, 1);
	CHECK_EQ(evt_count[port], 0);
	/* IF 1: unmasked, the event comes before the first instruction. */
	kernel_frame(&r, 2);
	r.rflags |= X86_EFLAGS_IF;
	CHECK_EQ(try_call(leave, &r), X86_UD);
	CHECK_EQ(evt_count[port], 1);
	compare("to kernel with an event", &r, false);
	CHECK_EQ(this_vcpu()->trap.mask, 0);
	events_mask();
	/* The same towards user mode. */
	evt_send((u32)port);
	user_regs(&r, (u64)dump_regs_user, 0);
	fill(&r, 5);
	r.rflags = 2 | X86_EFLAGS_IF;
	CHECK_EQ(user_run_regs(&r), r.rax);
	CHECK_EQ(evt_count[port], 2);
	compare("to user with an event", &r, false);
	events_mask();
	evt_close((u32)port);
}

static void bad_targets(void)
{
	static const u64 rips[] = { 0x8000000000000000ul, 0x800000000000ul, 0xffff7fffffffffffu, HYPERVISOR_VIRT_START,
		HYPERVISOR_VIRT_START + (2ul << 39), 0x12345 };
	struct regs r;
	int v;

	for (unsigned int i = 0; i < ARRAY_SIZE(rips); i++) {
		kernel_frame(&r, i);
		r.rip = rips[i];
		v = try_call(leave, &r);
		CHECK(v == X86_GP || v == X86_PF || v == VEC_FAILSAFE, "rip %#lx: vector %d", rips[i], v);
	}
	kernel_frame(&r, 9);
	r.cs = 0x7ff8;			/* beyond the GDT */
	v = try_call(leave, &r);
	CHECK(v == X86_GP || v == VEC_FAILSAFE || v == X86_NP, "cs 0x7ff8: vector %d", v);
	kernel_frame(&r, 10);
	r.ss = 0x7ff8;
	v = try_call(leave, &r);
	CHECK(v == X86_GP || v == VEC_FAILSAFE || v == X86_UD, "ss 0x7ff8: vector %d", v);
	kernel_frame(&r, 11);
	r.cs = 0x10;			/* not ours: the hypervisor's layout must not shine through */
	v = try_call(leave, &r);
	CHECK(v == X86_GP || v == VEC_FAILSAFE, "cs 0x10: vector %d", v);
}

/*
 * Failsafe: %es holds a good selector; the descriptor is made not present; the vCPU is switched away
 * and back (the second vCPU of a one-CPU machine runs in between).
 */
static volatile u64 other_ran;
static void other_vcpu(void *arg)
{
	for (;;) {
		other_ran++;
		hc_sched_op(SCHEDOP_yield, NULL);
	}
}

static void use_es(void *arg)
{
	u64 start = other_ran;
	u64 end = system_time() + 20000000000ul;
	u64 *gdt = arg;

	asm volatile("mov %0, %%es" :: "r"(3 * 8 + 3));
	CHECK_EQ(hc_update_descriptor(va_to_maddr(&gdt[3]), 0), 0);
	while (other_ran < start + 5 && system_time() < end)
		hc_sched_op(SCHEDOP_yield, NULL);
}

static void failsafe(void)
{
	u64 *gdt = alloc_page(), mfn = va_to_mfn(gdt);
	int v;

	if (nr_vcpus() < 2) {
		printk("  one vCPU only: no failsafe test\n");
		return;
	}
	vcpu_start(1, other_vcpu, NULL);
	gdt[3] = 0x00cff2000000ffff;		/* data, DPL 3 */
	CHECK_EQ(set_ro(gdt), 0);
	CHECK_EQ(hc_set_gdt(&mfn, 512), 0);
	v = try_call(use_es, gdt);
	CHECK(v == VEC_FAILSAFE || v == -1, "vector %#x", v);
	if (v == VEC_FAILSAFE) {
		CHECK_EQ(failsafe_segs[1] & 0xffff, 3 * 8 + 3);
		CHECK_EQ(failsafe_segs[0] & 0xffff, 0);
		CHECK(this_vcpu()->trap.cs == KERNEL_CS, "cs %#x", this_vcpu()->trap.cs);
	} else {
		u16 es;

		asm volatile("mov %%es, %0" : "=r"(es));
		CHECK(0, "no failsafe callback; es %#x, the other vCPU ran %lu times", es, other_ran);
	}
	asm volatile("mov %0, %%es" :: "r"(0));
	CHECK_EQ(hc_set_gdt(NULL, 0), 0);
	hc_vcpu_op(VCPUOP_down, 1, NULL);
}

void test_main(void)
{
	to_kernel();
	to_user();
	event_mask();
	bad_targets();
	failsafe();
}
