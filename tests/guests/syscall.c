/* SPDX-License-Identifier: MIT */
/*
 * syscall: SYSCALL in user mode enters the guest kernel.
 *
 * Claim:  the frame has rcx = rip after SYSCALL and r11 = rflags, cs e033, the user's rsp; the handler
 *         runs on the stack of stack_switch and on the kernel's page tables; all other registers are
 *         untouched; with CALLBACKF_mask_events events are masked, without they are as before; the way
 *         back restores everything, with VGCF_in_syscall all but rcx and r11.
 * Broken: user and kernel page tables mixed up, stack of the user used, a register lost: every Linux
 *         process would die.
 */
#include "guest.h"

static u64 count, kernel_only_va = 0x0000123456789000ul;
static struct regs first;
static u64 handler_rsp, kernel_word;
static u8 mask_seen;
static u32 back_flags;

extern u8 user_one[], user_one_end[], user_loop[], user_access[], user_sys[];
asm("user_one: syscall\n"
    "user_one_end: int $0x80\n"
    /* rdi: rounds. Result: 0, or the round in which a register changed. */
    "user_loop: mov %rdi, %rbx; mov %rsp, %rbp; mov $0x1234, %r12; mov $0x5678, %r13; mov $0x9abc, %r14\n"
    "1: mov %rbx, %rdi; mov $0x77, %r10d; mov $0x88, %r8d; mov $0x99, %r9d; mov $0xaa, %edx; mov $0xbb, %esi\n"
    "	mov %rbx, %rax; syscall\n"
    "	lea 1(%rbx), %rcx; cmp %rcx, %rax; jne 2f\n"
    "	cmp %rbp, %rsp; jne 2f; cmp $0x1234, %r12; jne 2f; cmp $0x5678, %r13; jne 2f; cmp $0x9abc, %r14; jne 2f\n"
    "	cmp $0x77, %r10; jne 2f; cmp $0x88, %r8; jne 2f; cmp $0x99, %r9; jne 2f; cmp $0xaa, %rdx; jne 2f\n"
    "	cmp $0xbb, %rsi; jne 2f; cmp %rbx, %rdi; jne 2f\n"
    "	dec %rbx; jnz 1b\n"
    "	xor %eax, %eax; int $0x80\n"
    "2:	mov %rbx, %rax; int $0x80\n"
    "user_access: mov (%rdi), %rax; int $0x80\n");

static bool on_syscall(struct regs *r)
{
	if (!count++) {
		first = *r;
		handler_rsp = (u64)(r + 1);
		mask_seen = this_vcpu()->info->evtchn_upcall_mask;
		kernel_word = *(volatile u64 *)kernel_only_va;
	}
	r->rax++;
	r->err = back_flags;
	return true;
}

/* do_entry clears the flags word after a hook, so the way back with flags goes directly. */
static bool on_syscall_fast(struct regs *r)
{
	on_syscall(r);
	r->vec = 0;
	r->err = VGCF_in_syscall;
	resume_regs(r);
}

static void one(bool mask_events, bool masked_before)
{
	struct regs r;

	set_callback(CALLBACKTYPE_syscall, syscall_entry, mask_events ? CALLBACKF_mask_events : 0);
	user_regs(&r, (u64)user_one, 0);
	for (unsigned int i = 0; i < 15; i++)
		((u64 *)&r)[i] = 0x0101010101010101ul * (i + 3);
	r.rflags = 0x8d7 | (masked_before ? 0 : X86_EFLAGS_IF);
	count = 0;
	CHECK_EQ(user_run_regs(&r), r.rax + 1);
	REQUIRE(count == 1, "%lu syscalls", count);
	CHECK_EQ(first.rip, user_one_end);
	CHECK_EQ(first.rcx, first.rip);
	CHECK_EQ((first.r11 ^ first.rflags) & ~X86_EFLAGS_IF, 0);	/* IF: hardware's, and ours */
	CHECK_EQ(first.cs, USER_CS);
	CHECK_EQ(first.ss, USER_SS);
	CHECK_EQ(first.rsp, r.rsp);
	CHECK_EQ(first.rflags & 0x3cd5, 0x8d5);
	CHECK_EQ(first.rflags & X86_EFLAGS_IF ? 0 : 1, masked_before);
	CHECK_EQ(first.mask, masked_before);
	CHECK_EQ(mask_seen, mask_events || masked_before);
	for (unsigned int i = 0; i < 13; i++)
		CHECK(((u64 *)&first)[i] == ((u64 *)&r)[i], "register %u is %#lx", i, ((u64 *)&first)[i]);
	CHECK((handler_rsp & ~(STACK_SIZE - 1)) == (u64)vcpu_stacks[0], "handler's rsp %#lx", handler_rsp);
	CHECK_EQ(kernel_word, 0x600d);
}

static void get(void *va)
{
	user_run((u64)user_access, (u64)va);
}

void test_main(void)
{
	u64 *page = alloc_page();

	user_init();
	make_tables(kernel_only_va);
	*page = 0x600d;
	REQUIRE(!hc_update_va_mapping(kernel_only_va, pte_of(page), UVMF_INVLPG), "mapping");
	/* This address is the kernel's alone. */
	CHECK_EQ(*(volatile u64 *)kernel_only_va, 0x600d);
	expect_trap(X86_PF, 4, get, (void *)kernel_only_va);
	CHECK_EQ(this_vcpu()->trap_cr2, kernel_only_va);
	this_vcpu()->user_rsp = 0;

	trap_hook[VEC_SYSCALL] = on_syscall;
	for (unsigned int i = 0; i < 4; i++) {
		if (i & 2)
			events_mask();
		else
			events_unmask();
		one(i & 1, i >> 1);
	}
	events_mask();
	CHECK_EQ(user_run((u64)user_loop, 3000), 0);
	set_callback(CALLBACKTYPE_syscall, syscall_entry, CALLBACKF_mask_events);
	CHECK_EQ(user_run((u64)user_loop, 3000), 0);
	trap_hook[VEC_SYSCALL] = on_syscall_fast;
	CHECK_EQ(user_run((u64)user_loop, 3000), 0);
	/* A switch of the user page tables counts at the next entry to user mode. */
	CHECK_EQ(write_entry(va_to_maddr(&user_l4[kernel_only_va >> 39]), root()[kernel_only_va >> 39]), 0);
	CHECK_EQ(user_run((u64)user_access, kernel_only_va), 0x600d);
	CHECK_EQ(write_entry(va_to_maddr(&user_l4[kernel_only_va >> 39]), 0), 0);
	CHECK_EQ(mmuext(MMUEXT_NEW_USER_BASEPTR, va_to_mfn(user_l4), 0), 0);
	expect_trap(X86_PF, 4, get, (void *)kernel_only_va);
	this_vcpu()->user_rsp = 0;
	/* No callback: the user gets #UD at the SYSCALL instruction. */
	trap_hook[VEC_SYSCALL] = NULL;
	set_callback(CALLBACKTYPE_syscall, NULL, 0);
	int v = try_call(get, (void *)kernel_only_va);
	CHECK_EQ(v, X86_PF);
	struct regs r;
	void run(void *a) { user_run_regs(a); }
	user_regs(&r, (u64)user_one, 0);
	CHECK_EQ(try_call(run, &r), X86_UD);
	CHECK_EQ(this_vcpu()->trap.rip, user_one);
	set_callback(CALLBACKTYPE_syscall, syscall_entry, 0);
	/* A callback outside the canonical addresses is refused. */
	struct callback_register cb = { .type = CALLBACKTYPE_syscall, .address = 0x800000000000ul };
	CHECK(hc_callback_op(CALLBACKOP_register, &cb) < 0, "non-canonical syscall entry accepted");
	cb.type = 99;
	cb.address = (u64)syscall_entry;
	CHECK_EQ(hc_callback_op(CALLBACKOP_register, &cb), -XEN_ENOSYS);
	CHECK_EQ(hc_callback_op(99, &cb), -XEN_ENOSYS);
	CHECK_EQ(hc_stack_switch(0, 0), 0);	/* a null stack is noted, not used */
}
