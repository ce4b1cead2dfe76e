/* SPDX-License-Identifier: MIT */
/*
 * traps: every exception that a guest can raise reaches its handler with the right frame.
 *
 * Claim:  vector, error code, rip (faults: of the instruction, traps: after it), CR2, cs with RPL 0 in
 *         kernel mode and 3 in user mode, saved upcall mask and rflags.IF are as documented; flag 4 of
 *         a trap_info masks events; INT n obeys the gate's DPL, the kernel counting as ring 1.
 * Broken: a wrong vector or error code, a handler on the wrong stack, a lost saved mask, #PF with the
 *         hardware's U bit in kernel mode.
 */
#include "guest.h"

static struct regs *last(void)
{
	return &this_vcpu()->trap;
}

static u64 target;	/* operand of the access functions */

static void do_read(void *a) { asm volatile("mov (%0), %%rax" :: "r"(a) : "rax", "memory"); }
static void do_write(void *a) { asm volatile("movl $1, (%0)" :: "r"(a) : "memory"); }
static void do_exec(void *a) { asm volatile("call *%0" :: "r"(a) : "memory"); }
static void do_seg(void *a) { asm volatile("mov %0, %%es" :: "r"(a)); }
static void do_rbp(void *a)
{
	asm volatile("push %%rbp; mov %0, %%rbp; mov (%%rbp), %%rax; pop %%rbp" :: "r"(a) : "rax");
}

static void check_frame(const char *what, bool kernel)
{
	CHECK(last()->cs == (kernel ? KERNEL_CS : USER_CS), "%s: cs %#x", what, last()->cs);
	CHECK((last()->ss | 3) == KERNEL_SS, "%s: ss %#lx", what, last()->ss);
	CHECK_EQ(last()->mask, this_vcpu()->info->evtchn_upcall_mask);
	CHECK((last()->rflags & X86_EFLAGS_IF ? 0 : 1) == last()->mask, "%s: rflags %#lx with mask %u", what,
	      last()->rflags, last()->mask);
}


extern u8 de_1[], bp_1[], bp_2[], ud_1[], of_2[], ic_1[], ic_2[];

static void simple_vectors(void)
{
	CHECK_EQ(try_asm("xor %%edx, %%edx; xor %%ecx, %%ecx; de_1: div %%ecx"), X86_DE);
	CHECK_EQ(last()->rip, de_1);
	check_frame("#DE", true);
	CHECK_EQ(try_asm("bp_1: int3; bp_2:"), X86_BP);
	CHECK_EQ(last()->rip, bp_2);
	check_frame("#BP", true);
	CHECK_EQ(try_asm("int $4; of_2:"), X86_OF);
	CHECK_EQ(last()->rip, of_2);
	CHECK_EQ(try_asm("ud_1: ud2"), X86_UD);
	CHECK_EQ(last()->rip, ud_1);
	check_frame("#UD", true);
	/* INT1: #DB on a CPU, #UD on QEMU. */
	int v = try_asm("ic_1: .byte 0xf1; ic_2:");
	CHECK((v == X86_DB && last()->rip == (u64)ic_2) || (v == X86_UD && last()->rip == (u64)ic_1),
	      "int1: vector %d at %#lx", v, last()->rip);
	/* Instructions that do not exist in 64-bit mode or at ring 3. */
	CHECK_EQ(try_asm(".byte 0x06"), X86_UD);		/* push %es */
	CHECK_EQ(try_asm("sysretq"), X86_GP);
	CHECK_EQ(last()->err, 0);
	CHECK_EQ(try_asm("movabs $0x8000000000000000, %%rax; mov (%%rax), %%rax"), X86_GP);
	CHECK_EQ(last()->err, 0);
	expect_trap(X86_GP, 0x7ff8, do_seg, (void *)0x7ffbul);
	expect_trap(X86_GP, 0x1c, do_seg, (void *)0x1cul);	/* LDT, there is none */
	/* A CPU raises #SS, QEMU #GP. */
	v = try_call(do_rbp, (void *)0x8000000000000000ul);
	CHECK(v == X86_SS || v == X86_GP, "non-canonical stack address: vector %d", v);
	CHECK_EQ(last()->err, 0);
}

static void single_step(void)
{
	extern u8 tf_1[];

	hc_set_debugreg(6, 0xffff0ff0);
	CHECK_EQ(try_asm("pushf; orl $0x100, (%%rsp); popf; nop; tf_1: nop; nop"), X86_DB);
	CHECK_EQ(last()->rip, tf_1);
	CHECK(last()->rflags & X86_EFLAGS_TF, "TF is not in the frame");
	CHECK(hc_get_debugreg(6) & 0x4000, "DR6 %#lx: no single step", hc_get_debugreg(6));
	check_frame("single step", true);
}

static void device_not_available(void)
{
	CHECK_EQ(hc_fpu_taskswitch(1), 0);
	CHECK_EQ(try_asm("fnop"), X86_NM);
	check_frame("#NM", true);
	CHECK_EQ(hc_fpu_taskswitch(0), 0);
	CHECK_EQ(try_asm("fninit; fnop"), -1);
	/* x87 error, unmasked. QEMU raises it at the next waiting instruction. */
	int v = try_asm("fninit; push $0x0300; fldcw (%%rsp); fldz; fld1; fdivp; fwait; pop %%rax");
	CHECK(v == X86_MF, "x87 division by zero: vector %d", v);
	try_asm("fnclex; fninit");
}

static void page_faults(void)
{
	u8 *page = alloc_page();
	u64 pte = pte_of(page);

	this_vcpu()->info->arch.cr2 = 0;
	expect_trap(X86_PF, 0, do_read, (void *)0x123450ul);
	CHECK_EQ(this_vcpu()->trap_cr2, 0x123450);
	check_frame("#PF", true);
	expect_trap(X86_PF, 2, do_write, (void *)0x7654320ul);
	CHECK_EQ(this_vcpu()->trap_cr2, 0x7654320);
	CHECK_EQ(hc_update_va_mapping((u64)page, pte & ~PTE_RW, UVMF_INVLPG), 0);
	expect_trap(X86_PF, 3, do_write, page + 8);
	CHECK_EQ(this_vcpu()->trap_cr2, page + 8);
	CHECK_EQ(hc_update_va_mapping((u64)page, 0, UVMF_INVLPG), 0);
	expect_trap(X86_PF, 0, do_read, page);
	CHECK_EQ(hc_update_va_mapping((u64)page, pte | PTE_NX, UVMF_INVLPG), 0);
	expect_trap(X86_PF, 0x11, do_exec, page);
	CHECK_EQ(last()->rip, page);
	CHECK_EQ(this_vcpu()->trap_cr2, page);
	CHECK_EQ(hc_update_va_mapping((u64)page, pte, UVMF_INVLPG), 0);
	/* The hypervisor's memory faults like any other that is not ours. */
	CHECK_EQ(try_call(do_read, (void *)(HYPERVISOR_VIRT_START + (3ul << 39))), X86_PF);
	CHECK(!(last()->err & ~5u), "#PF in hypervisor space: error %#x", last()->err);
	CHECK_EQ(this_vcpu()->trap_cr2, HYPERVISOR_VIRT_START + (3ul << 39));
	CHECK_EQ(try_call(do_write, (void *)m2p), X86_PF);	/* M2P: readable, not writable */
	CHECK_EQ(try_call(do_read, (void *)m2p), -1);
	free_page(page);
}

/* User mode: RPL 3, U bit in #PF, handler on the stack of stack_switch. */
extern u8 user_ud[], user_rd[];
asm("user_ud: ud2\n user_rd: mov 0x123450, %rax\n int $0x80");

static void user_call(void *rip)
{
	user_run((u64)rip, 0);
}

static u64 hook_rsp;
static bool note_stack(struct regs *regs)
{
	hook_rsp = (u64)(regs + 1);
	return false;
}

static void from_user(void)
{
	u64 limit = this_vcpu()->user_rsp;

	user_init();
	trap_hook[X86_UD] = note_stack;
	expect_trap(X86_UD, 0, user_call, user_ud);
	trap_hook[X86_UD] = NULL;
	check_frame("#UD in user mode", false);
	CHECK_EQ(last()->rip, user_ud);
	CHECK((hook_rsp & ~(STACK_SIZE - 1)) == (u64)vcpu_stacks[0], "handler's stack %#lx (%#lx)",
	      hook_rsp, limit);
	CHECK_EQ(hook_rsp, this_vcpu()->user_rsp & ~15ul);
	this_vcpu()->user_rsp = 0;
	expect_trap(X86_PF, 4, user_call, user_rd);
	CHECK_EQ(this_vcpu()->trap_cr2, 0x123450);
	this_vcpu()->user_rsp = 0;
}

/* Flag 4 of a trap_info masks events on the way in; without it the mask stays. */
static u8 mask_in_handler;
static bool note_mask(struct regs *regs)
{
	mask_in_handler = this_vcpu()->info->evtchn_upcall_mask;
	regs->rip += 2;
	return true;
}

static void mask_flag(void)
{
	struct trap_info t[2] = { { X86_UD, 4, FLAT_KERNEL_CS, trap_stub(X86_UD) }, { 0 } };

	trap_hook[X86_UD] = note_mask;
	events_unmask();
	CHECK_EQ(hc_set_trap_table(t), 0);
	asm volatile("ud2" ::: "memory");
	CHECK_EQ(mask_in_handler, 1);
	CHECK_EQ(this_vcpu()->info->evtchn_upcall_mask, 0);	/* iret restored it */
	t[0].flags = 0;
	CHECK_EQ(hc_set_trap_table(t), 0);
	asm volatile("ud2" ::: "memory");
	CHECK_EQ(mask_in_handler, 0);
	events_mask();
	asm volatile("ud2" ::: "memory");
	CHECK_EQ(mask_in_handler, 1);
	CHECK_EQ(this_vcpu()->info->evtchn_upcall_mask, 1);
	trap_hook[X86_UD] = NULL;
	/* A table of one entry leaves the others alone. */
	CHECK_EQ(try_asm("int3"), X86_BP);
}

/* QEMU 7.2 pushes n * 16 + 2 for a refused INT n, so Xen serves INT 2n: see the emulator notes. */
static void software_interrupts(void)
{
	struct trap_info t[] = { { 0x30, 3, FLAT_KERNEL_CS, trap_stub(0x30) },
		{ 0x31, 1, FLAT_KERNEL_CS, trap_stub(0x31) },
		{ 0x32, 0, FLAT_KERNEL_CS, trap_stub(0x32) }, { 0 } };
	extern u8 int_30[], int_32[];
	int v;

	CHECK_EQ(hc_set_trap_table(t), 0);
	v = try_asm("int $0x30; int_30:");
	CHECK_NOT_XEN(v == 0x30, "int 0x30, DPL 3: vector %#x", v);
	if (v == 0x30)
		CHECK_EQ(last()->rip, int_30);
	v = try_asm("int $0x31");
	CHECK_NOT_XEN(v == 0x31, "int 0x31, DPL 1: vector %#x", v);
	v = try_asm("int_32: int $0x32");
	CHECK(v == X86_GP, "int 0x32, DPL 0: vector %#x", v);
	CHECK_NOT_XEN(last()->err == 0x32 * 8 + 2, "int 0x32, DPL 0: error %#x", last()->err);
	CHECK_EQ(last()->rip, int_32);
	/* 0x80 has its own gate. */
	struct trap_info t80[] = { { 0x80, 3, FLAT_KERNEL_CS, trap_stub(0x80) }, { 0 } };
	CHECK_EQ(hc_set_trap_table(t80), 0);
	CHECK_EQ(try_asm("int $0x80"), 0x80);
	CHECK_EQ(last()->err, 0);
	/* DPL 0 gates of exceptions: #GP, not the exception. */
	v = try_asm("int $14");
	CHECK(v == X86_GP, "int 14: vector %d", v);
}

extern u8 user_int31[], user_int30[], user_int3[];
asm("user_int30: int $0x30\n user_int31: int $0x31\n user_int3: int3\n int $0x80");

static void software_interrupts_user(void)
{
	int v = try_call(user_call, user_int30);

	CHECK_NOT_XEN(v == 0x30, "user int 0x30, DPL 3: vector %#x", v);
	v = try_call(user_call, user_int31);
	CHECK(v == X86_GP, "user int 0x31, DPL 1: vector %#x", v);
	CHECK_NOT_XEN(last()->err == 0x31 * 8 + 2, "user int 0x31: error %#x", last()->err);
	check_frame("refused INT", false);
	v = try_call(user_call, user_int3);
	CHECK_EQ(v, X86_BP);
	this_vcpu()->user_rsp = 0;
}

static void table_errors(void)
{
	struct trap_info bad[] = { { 0x40, 0, FLAT_KERNEL_CS, 0x8000000000000000ul }, { 0 } };

	CHECK_EQ(hc_set_trap_table((void *)0x1000), -XEN_EFAULT);
	CHECK_EQ(hc_set_trap_table((void *)HV_PRIVATE), -XEN_EFAULT);
	CHECK(hc_set_trap_table(bad) == -XEN_EINVAL, "a non-canonical handler is accepted");
}

/* A trap inside the handler of a trap, deep. */
static bool nest(struct regs *regs)
{
	if (target++ < 20)
		asm volatile("ud2" ::: "memory");
	regs->rip += 2;
	return true;
}

void test_main(void)
{
	simple_vectors();
	single_step();
	device_not_available();
	page_faults();
	mask_flag();
	software_interrupts();
	from_user();
	software_interrupts_user();
	table_errors();
	trap_hook[X86_UD] = nest;
	target = 0;
	asm volatile("ud2" ::: "memory");
	CHECK_EQ(target, 21);
}
