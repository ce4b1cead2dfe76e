/* SPDX-License-Identifier: MIT */
/*
 * abuse_ring1: what a kernel in ring 1, or its ring 3, may try because so much of the machine is near.
 *
 * Claim:  each attack below fails, and the hypervisor goes on. attack=n runs one; tests/guests/attacks shows
 *         that each of them works on a test build (make UNSAFE=1) with the option without=n.
 *          1 ring 1 writes a call gate into the GDT, to be in ring 0
 *          2 another vCPU of the guest writes frames on the entry stack of this one's CPU
 *          3 ring 1 fills its own CPU's entry page before it enters ring 0
 *          4 an NMI arrives between SYSCALL and the first IRETQ, on a stack pointer of ring 3's
 *          5 NT, TF, DF and AC are set when SYSCALL enters
 *          6 as 1, by CR0.WP
 *          7 ring 3 makes a hypercall from a page in the upper half, and comes back in ring 1
 *          8 a vCPU's context has a selector of ring 0
 *          9 ring 3 has an instruction with a memory operand in the kernel emulated
 *         10 ring 3 and ring 1 use I/O ports without leave
 * Broken: guest code at CPL 0, a dead machine, ring 3 with its kernel's rights.
 * Run:    smp=2 args="ring1=1" timeout=180
 */
#include "guest.h"
#include "sysctl.h"

#define AREA(cpu)	(0xffff82d040000000ul + ((u64)(cpu) << 20))	/* hv/layout.h */
#define ENTRY_PAGE(cpu)	(AREA(cpu) + 0x22000)
#define FRAME_AT	(0xfc0 - 40)
#define LOCAL_ENTRY	0xffff82d048002000ul

u64 r1_pwned_cs, r1_pwned_cr3, r1_far[2], r1_old_rsp;
static volatile bool stop, ready;
extern u8 r1_gate[], r1_pwned[], r1_try_gate[], r1_start[], user_nt[], user_loop[], user_upper[], user_smsw[], user_in[];
asm("r1_gate: mov %cs, %eax; mov %rax, r1_pwned_cs; mov %cr3, %rax; mov %rax, r1_pwned_cr3; lretq\n"
    "r1_try_gate: lcall *r1_far; ret\n"
    "r1_pwned: mov %cs, %eax; mov %rax, r1_pwned_cs; mov r1_old_rsp, %rsp; mov %cr3, %rax; mov %rax, r1_pwned_cr3\n"
    "	call r1_won\n"
    "r1_start: mov %cs, %eax; mov %rax, r1_pwned_cs; 1: pause; jmp 1b\n"
    /* rdi: rounds; the flags are set before each SYSCALL */
    "user_nt: mov %rdi, %rbx; mov %rsi, %rbp\n"
    "1:	push %rbp; popf; syscall; push $2; popf; cld; dec %rbx; jnz 1b; mov $0x600d, %eax; int $0x80\n"
    "user_loop: mov %rdi, %rbx; mov %rsp, %rbp; mov $0xdead0000, %esp\n"
    "1:	syscall; dec %rbx; jnz 1b; mov %rbp, %rsp; mov $0x600d, %eax; int $0x80\n"
    "user_upper: mov $17, %eax; mov $7, %edi; xor %esi, %esi; syscall\n"
    "	mov %cs, %ecx; test $2, %ecx; jz r1_pwned; int $0x80\n"
    "user_smsw: smsw (%rdi); mov $0xbad, %eax; int $0x80\n"
    "user_in: mov $0x61, %edx; in %dx, %al; mov $0xbad, %eax; int $0x80\n");

void r1_won(void);
void r1_won(void)
{
	test_fail("an attack worked: guest code at cs %lx, cr3 %lx", r1_pwned_cs, r1_pwned_cr3);
}

static void write_word(void *va)
{
	*(volatile u64 *)va = *(volatile u64 *)va;
}

static bool writable(u64 va)
{
	return try_call(write_word, (void *)va) == -1;
}

static void call_gate(void *arg)
{
	u64 *gdt = arg, a = (u64)r1_gate;

	gdt[1] = a >> 32;
	gdt[0] = (a & 0xffff) | 0xe008ul << 16 | 0x8cul << 40 | 3ul << 45 | (a >> 16 & 0xffff) << 48;
	r1_far[0] = 0xe073ul << 32;		/* offset (not used), selector */
	asm volatile("call r1_try_gate" ::: "rax", "memory");
}

static void attack_tables(void)
{
	for (unsigned int cpu = 0; cpu < 2; cpu++) {
		try_call(call_gate, (void *)(AREA(cpu) + 0xe070));
		if ((r1_pwned_cs & 3) == 0 && r1_pwned_cs)
			r1_won();
		for (u64 off = 0; off < 0x23000; off += 4096)	/* of the area one page: the entry stacks */
			CHECK(off == 0x22000 || !writable(AREA(cpu) + off), "CPU %u + %#lx can be written", cpu, off);
		CHECK(!writable(0xffff82d048001000ul), "the constants can be written");
	}
}

static void spoil_frames(void *arg)
{
	volatile u64 *f = (void *)(ENTRY_PAGE(0) + FRAME_AT);
	u64 rip = (u64)r1_pwned, rsp = (u64)vcpu_stacks[2] + 4096;

	while (!stop) {
		f[4] = 0;
		f[3] = rsp;
		f[2] = 2;
		f[1] = 0xe008;
		f[0] = rip;
		ready = true;
	}
}

static void spoiler(void *arg)
{
	while (!stop)
		if (try_call(spoil_frames, NULL) != -1)
			break;
	ready = true;
}

static void attack_other_cpu(void)
{
	u64 rounds = test_arg("rounds", 5000);

	r1_old_rsp = (u64)vcpu_stacks[3] + STACK_SIZE - 64;
	*(struct vcpu **)vcpu_stacks[3] = this_vcpu();
	vcpu_start(1, spoiler, NULL);
	wait_for(ready, 20000);
	for (u64 i = 0; i < rounds; i++) {
		hc_xen_version(XENVER_version, NULL);
		asm volatile("cli" ::: "memory");
	}
	stop = true;
	CHECK(wait_for(!hc_vcpu_op(VCPUOP_is_up, 1, NULL), 20000), "the other vCPU does not stop");
}

static void fill_entry_page(u64 val)
{
	for (u64 *p = (u64 *)LOCAL_ENTRY; p < (u64 *)(LOCAL_ENTRY + PAGE_SIZE); p++)
		WRITE_ONCE(*p, val);
}

static void attack_entry_page(void)
{
	static const u64 values[] = { 0, ~0ul, 0xe008, 0x1000, HYPERVISOR_VIRT_START, 0x00067fffdead0000ul };

	for (unsigned int i = 0; i < 600; i++) {
		fill_entry_page(values[i % ARRAY_SIZE(values)]);
		CHECK(hc_xen_version(XENVER_version, NULL) > 0, "hypercall");
		fill_entry_page(values[i % ARRAY_SIZE(values)]);
		CHECK_EQ(try_asm("ud2"), X86_UD);
		fill_entry_page(values[i % ARRAY_SIZE(values)]);
		asm volatile("cli");
	}
}

/* dom0 may have all CPUs show their registers, by NMI. */
static void key_d(void *arg)
{
	static char key = 'd';
	static struct xen_sysctl op = { .cmd = XEN_SYSCTL_debug_keys, .interface_version = XEN_SYSCTL_INTERFACE_VERSION };

	op.u.debug_keys.keys = (u64)&key;
	op.u.debug_keys.nr_keys = 1;
	ready = true;
	while (!stop)
		HC_1(__HYPERVISOR_sysctl, &op);
}

static bool on_syscall(struct regs *r)
{
	return true;
}

static void attack_nmi(void)
{
	trap_hook[VEC_SYSCALL] = on_syscall;
	vcpu_start(1, key_d, NULL);
	wait_for(ready, 20000);
	u64 end = system_time() + 500000000ul;
	while (system_time() < end)
		CHECK_EQ(user_run((u64)user_loop, 20000), 0x600d);
	stop = true;
	CHECK(wait_for(!hc_vcpu_op(VCPUOP_is_up, 1, NULL), 20000), "the other vCPU does not stop");
}

static bool on_db(struct regs *r)
{
	r->rflags &= ~X86_EFLAGS_TF;
	return true;
}

static void attack_flags(void)
{
	struct regs r;

	trap_hook[VEC_SYSCALL] = on_syscall;
	trap_hook[X86_DB] = on_db;
	for (unsigned int i = 0; i < 32; i++) {
		user_regs(&r, (u64)user_nt, 100);
		r.rsi = (i & 1 ? X86_EFLAGS_NT : 0) | (i & 2 ? X86_EFLAGS_TF : 0) | (i & 4 ? X86_EFLAGS_DF : 0) |
			(i & 8 ? X86_EFLAGS_AC : 0) | (i & 16 ? X86_EFLAGS_IOPL | X86_EFLAGS_RF : 0) | 0x202;
		r.rdi = 100;
		CHECK_EQ(user_run_regs(&r), 0x600d);
	}
}

static void run_user(void *rip)
{
	user_run((u64)rip, (u64)&r1_far);
}

static void attack_upper(void)
{
	u64 va = 0xffff800000000000ul | 300ul << 39 | ((u64)user_upper & 0x7ffffffffful);
	static struct regs r;

	r1_old_rsp = (u64)vcpu_stacks[3] + STACK_SIZE - 64;
	*(struct vcpu **)vcpu_stacks[3] = this_vcpu();

	REQUIRE(!write_entry(va_to_maddr(&root()[300]), root()[511] | PTE_US), "a second mapping of the image");
	CHECK_EQ(*(volatile u8 *)va, user_upper[0]);
	user_regs(&r, va, 0);
	void run(void *arg) { user_run_regs(&r); }
	int v = try_call(run, NULL);
	CHECK_EQ(v, X86_PF);
	CHECK_EQ(this_vcpu()->trap.rip, va);
	write_entry(va_to_maddr(&root()[300]), 0);
}

static void attack_context(void)
{
	struct vcpu_guest_context *c = alloc_pages(2);

	vcpu_fill_context(c, 1);
	c->user_regs.rip = (u64)r1_start;
	c->user_regs.cs = 0xe008;
	c->user_regs.ss = 0;
	r1_pwned_cs = 0;
	if (!hc_vcpu_op(VCPUOP_initialise, 1, c) && !hc_vcpu_op(VCPUOP_up, 1, NULL)) {
		wait_for(READ_ONCE(r1_pwned_cs), 20000);
		if (!(r1_pwned_cs & 3))
			r1_won();
	}
}

static void attack_emulation(void)
{
	r1_far[0] = 0x1122334455667788ul;
	int v = try_call(run_user, user_smsw);
	CHECK(v == X86_GP || v == X86_PF, "SMSW to kernel memory: %d", v);	/* #PF without UMIP */
	CHECK(r1_far[0] == 0x1122334455667788ul, "ring 3 wrote %#lx to its kernel", r1_far[0]);
}

static void attack_ports(void)
{
	CHECK_EQ(try_call(run_user, user_in), X86_GP);
	CHECK_EQ(try_asm("mov $0x61, %%edx; in %%dx, %%al"), X86_GP);
}

void test_main(void)
{
	void (*const attacks[])(void) = { attack_tables, attack_other_cpu, attack_entry_page, attack_nmi, attack_flags,
		attack_tables, attack_upper, attack_context, attack_emulation, attack_ports };
	u64 only = test_arg("attack", 0);

	REQUIRE(ring1_mode, "not in ring 1: give ring1=1");
	for (unsigned int i = 1; i <= ARRAY_SIZE(attacks); i++) {
		if ((only && i != only) || (!only && (i == 8 || i == 6)))
			continue;			/* 8 uses up the other vCPU */
		printk("  attack %u\n", i);
		stop = ready = false;
		attacks[i - 1]();
		this_vcpu()->user_rsp = 0;
		ring1_install_traps();
		trap_hook[VEC_SYSCALL] = trap_hook[X86_DB] = NULL;
	}
	if (!only)
		attack_context();
}
