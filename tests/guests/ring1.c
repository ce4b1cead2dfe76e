/* SPDX-License-Identifier: MIT */
/*
 * ring1: a kernel in ring 1 has what docs/abi/ring1.md promises.
 *
 * Claim:  SYSCALL and page faults of ring 3 arrive at the end of the vCPU's page with everything else
 *         untouched; IRETQ goes to ring 3 and ring 1; the upper half and U=0 entries are out of ring 3's
 *         reach; events interrupt ring 3 whatever the mask says, and an event that meets the exit code is
 *         delivered to what that resumes; NMIs come on their own stack; roots can be changed, and changes
 *         of L4 entries are seen; GS and FS bases are the guest's; other vCPUs begin in ring 1; what must be
 *         refused is.
 * Broken: a register lost, a missed event, a stale root, ring 3 with the kernel's rights: each would kill
 *         or subvert a Linux guest.
 * Run:    smp=2 args="ring1=1"
 */
#include "guest.h"

#define P (&ring1_pages[0])
#define END(offset) "-0x1000+" #offset "(%rsp)"		/* a word of the page when rsp is its end */

u64 r1_saved[20], r1_kernel_rsp, r1_rcx, r1_r11, r1_rsp, r1_cs, r1_ss, r1_flags, r1_frame[6], r1_count;
u64 r1_user_gs, r1_rax, r1_exit_rdi, r1_hits;
extern u8 r1_go[], r1_syscall[], r1_fault[], r1_back[], r1_fast_syscall[], r1_fast_fault[], r1_event[], r1_nmi[];
extern u8 user_syscall[], user_read[], user_loop[], user_spin[], exit_rdi[], exit_iret[], exit_end[], exit_cli_iret[];
extern u8 user_loop_pf[], r1_kernel_target[], ring1_event[];

/* Ring 3 by IRETQ of our own; user_xxx ends with SYSCALL, whose entry comes back to the caller of r1_go. */
asm(".macro SAVE\n"
    ".irp r, rbx, rbp, r12, r13, r14, r15\n push %\\r\n .endr\n"
    "mov %rsp, r1_kernel_rsp\n"
    ".endm\n"
    ".macro BACK\n"
    "mov r1_kernel_rsp, %rsp\n"
    ".irp r, r15, r14, r13, r12, rbp, rbx\n pop %\\r\n .endr\n"
    "cld; ret\n"
    ".endm\n"
    /* u64 r1_go(rip, rsp, arg, flags): rax of the SYSCALL */
    "r1_go: SAVE\n"
    "push $0xe02b; push %rsi; push %rcx; push $0xe033; push %rdi\n"
    "mov %rdx, %rdi; mov $0x1111, %ebx; mov $0x2222, %ebp; mov $0x3333, %r12d; mov $0x4444, %r13d\n"
    "mov $0x5555, %r14d; mov $0x6666, %r15d; mov $0x7777, %r8d; mov $0x8888, %r9d; mov $0x9999, %r10d\n"
    "mov $0xaaaa, %esi; mov $0xbbbb, %edx\n"
    "iretq\n"
    "r1_syscall: mov %rcx, r1_rcx; mov %r11, r1_r11; mov %rsp, r1_rsp; pushf; pop r1_flags\n"
    "mov %rax, r1_rax; mov %cs, %eax; mov %rax, r1_cs; mov %ss, %eax; mov %rax, r1_ss\n"
    ".irp r, rbx, rbp, r12, r13, r14, r15, r8, r9, r10, rsi, rdx, rdi\n push %\\r\n .endr\n"
    "mov %rsp, %rsi; mov $r1_saved, %rdi; mov $12, %ecx; cld; rep movsq\n"
    "r1_back: mov r1_rax, %rax\n"
    "BACK\n"
    "r1_fault: mov %rsp, r1_rsp; mov %rax, r1_rax; pushf; pop r1_flags\n"
    ".irp i, 0, 8, 16, 24, 32, 40\n mov \\i+0(%rsp), %rax; mov %rax, r1_frame+\\i\n .endr\n"
    "jmp r1_back\n"
    "r1_event: mov %rsp, r1_rsp; mov %rdi, r1_exit_rdi; incq r1_count\n"
    ".irp i, 0, 8, 16, 24, 32\n mov \\i(%rsp), %rax; mov %rax, r1_frame+\\i\n .endr\n"
    "jmp r1_back\n"
    "r1_nmi: incq r1_count; mov %rsp, r1_rsp; iretq\n"
    /* the shortest honest way in and out: an exit as the contract's example has it */
    "r1_fast_syscall:\n"
    "pushq $0xe02b; pushq " END(0x40 + 8) "; push %r11; pushq $0xe033; push %rcx\n"
    "push %rdi; mov $ring1_pages, %rdi; inc %rax\n"
    "exit_rdi: cmpb $0, (%rdi); jne 1f; cli; pop %rdi\n"
    "exit_iret: iretq\n"
    "exit_cli_iret: cli; iretq\n"
    "exit_end: ud2\n"
    "1: incq r1_hits; jmp exit_cli_iret - 3\n"
    "r1_fast_fault: addq $3, 8(%rsp); add $8, %rsp; iretq\n"
    "user_syscall: mov $0x600d, %eax; syscall\n"
    "user_loop: mov %rdi, %rbx; xor %eax, %eax; 1: syscall; dec %rbx; jnz 1b; mov %rax, %r15\n"
    "	mov $0x600d, %eax; int $0x80\n"
    "user_loop_pf: mov $1000, %ebx; 1: mov (%rdi), %rcx; dec %ebx; jnz 1b; mov $0x600d, %eax; int $0x80\n"
    "user_spin: pause; jmp user_spin\n"
    "user_read: mov (%rdi), %rax; syscall\n");

u64 r1_go_asm(u64 rip, u64 rsp, u64 arg, u64 flags) asm("r1_go");

static u8 user_stack[PAGE_SIZE] __aligned(4096);
static u64 user_word = 0x1234;

static u64 go(void *rip, u64 arg, u64 flags)
{
	memset(r1_frame, 0, sizeof(r1_frame));
	r1_rsp = r1_rcx = 0;
	return r1_go_asm(ring1_low(rip), ring1_low(user_stack + 4000), arg, flags);
}

static void handler(unsigned int vector, void *fn)
{
	trap_table[vector].address = (u64)fn;
	trap_table[vector].flags |= 4;
	REQUIRE(!hc_set_trap_table(trap_table), "set_trap_table");
}

static void check_syscall(void)
{
	static const u64 want[] = { 0, 0xbbbb, 0xaaaa, 0x9999, 0x8888, 0x7777, 0x6666, 0x5555, 0x4444, 0x3333, 0x2222, 0x1111 };

	set_callback(CALLBACKTYPE_syscall, r1_syscall, 0);
	for (u64 flags = 0x202; flags < 0x50000; flags = flags << 1 | 0x202) {
		u64 f = flags & (0x8d5 | X86_EFLAGS_DF | X86_EFLAGS_AC);

		CHECK_EQ(go(user_syscall, 0, f | 2), 0x600d);
		CHECK_EQ(r1_r11 & ~0x202ul, f);		/* IF stays set whatever is popped */
		CHECK_EQ(r1_r11 & 0x202, 0x202);
	}
	CHECK_EQ(go(user_syscall, 0, 0x3002), 0x600d);
	CHECK_EQ(r1_r11 & X86_EFLAGS_IOPL, 0);
	CHECK_EQ(r1_rcx, ring1_low(user_syscall) + 7);
	CHECK_EQ(r1_rsp & 4095, 0);
	CHECK(r1_rsp > HYPERVISOR_VIRT_START && r1_rsp < HYPERVISOR_VIRT_END, "rsp %#lx", r1_rsp);
	CHECK_EQ(P->user_rsp, ring1_low(user_stack + 4000));
	CHECK_EQ(r1_cs, PARAPET_RING1_CS);
	CHECK_EQ((u16)r1_ss, PARAPET_RING1_SS);
	CHECK_EQ(r1_flags, X86_EFLAGS_IF | X86_EFLAGS_AC | 2);
	for (unsigned int i = 0; i < ARRAY_SIZE(want); i++)
		CHECK(r1_saved[i] == want[i], "register %u is %#lx", i, r1_saved[i]);
}

static void check_fault(u64 va, u64 error)
{
	static u64 rsp;			/* at the first one */

	P->info.arch.cr2 = 0;
	go(user_read, va, 2);
	rsp = rsp ?: r1_rsp;
	CHECK_EQ(r1_rsp, rsp);
	CHECK_EQ(r1_rsp & 4095, 4096 - 48);
	CHECK_EQ(r1_frame[0], error);
	CHECK_EQ(r1_frame[1], ring1_low(user_read));
	CHECK_EQ(r1_frame[2], USER_CS);
	CHECK_EQ(r1_frame[3] & 0x203202, 0x202);
	CHECK_EQ(r1_frame[4], ring1_low(user_stack + 4000));
	CHECK_EQ(r1_frame[5], USER_SS);
	CHECK_EQ(r1_flags & ~0xcd5ul, X86_EFLAGS_IF | X86_EFLAGS_AC | 2);
	CHECK_EQ(P->info.arch.cr2, va);
}

static void check_memory(void)
{
	u64 *page = alloc_page(), va = 0x0000123400000000ul;
	long rw;

	handler(X86_PF, r1_fault);
	check_fault(0x0000444400000000ul, 4);
	/* the upper half, whose L1 entries say US, and the hypervisor's */
	check_fault((u64)&user_word, 5);
	check_fault(HYPERVISOR_VIRT_START + (5ul << 39), 4);
	CHECK_EQ(go(user_read, ring1_low(&user_word), 2), 0x1234);
	/* U=0 in the lower half: ring 1's alone */
	make_tables(va);
	*page = 0x600d;
	rw = hc_update_va_mapping(va, (pte_of(page) & ~PTE_US), UVMF_INVLPG);
	REQUIRE(!rw, "mapping");
	CHECK_EQ(read_pte(va) & PTE_US, 0);
	CHECK_EQ(*(volatile u64 *)va, 0x600d);
	check_fault(va, 5);
	REQUIRE(!hc_update_va_mapping(va, pte_of(page) | PTE_US, UVMF_INVLPG), "mapping");
	CHECK_EQ(go(user_read, va, 2), 0x600d);
	/* faults that the hypervisor need not see, and go on behind the instruction */
	handler(X86_PF, r1_fast_fault);
	ring1_pages[0].stack = 0;
	u64 ended = user_run((u64)user_loop_pf, 0x0000444400000000ul);
	CHECK_EQ(ended, 0x600d);
	trap_table[X86_PF].address = (u64)ring1_event;
	ring1_install_traps();
}

/* 30 roots in turn, with an L4 entry that differs: more than there are copies. */
static void check_roots(void)
{
	u64 *roots[30], *old = root(), va = 0x0000234500000000ul, *pages[2] = { alloc_page(), alloc_page() };

	make_tables(va);
	*pages[0] = 0x600d;
	REQUIRE(!hc_update_va_mapping(va, pte_of(pages[0]), UVMF_INVLPG), "mapping");
	set_callback(CALLBACKTYPE_syscall, r1_syscall, 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(roots); i++) {
		roots[i] = alloc_page();
		for (unsigned int j = 0; j < 512; j++)
			roots[i][j] = j >= 256 && j < 272 ? 0 : old[j];
		if (i & 1)
			roots[i][va >> 39] = 0;
		REQUIRE(!set_ro(roots[i]) && !pin(4, roots[i]), "root %u", i);
	}
	handler(X86_PF, r1_fault);
	for (unsigned int n = 0; n < 200; n++) {
		unsigned int i = n * 7 % (n & 64 ? 3 : ARRAY_SIZE(roots));

		CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(roots[i]), 0), 0);
		r1_frame[1] = 0;
		u64 got = go(user_read, va, 2);
		CHECK(i & 1 ? r1_frame[1] == ring1_low(user_read) && r1_frame[0] == 4 : got == 0x600d,
		      "root %u: %#lx, fault at %#lx", i, got, r1_frame[1]);
		if (n % 5 == 4) {	/* the other way round from now on, and at once */
			bool have = roots[i][va >> 39];

			CHECK_EQ(write_entry(va_to_maddr(&roots[i][va >> 39]), have ? 0 : old[va >> 39]), 0);
			mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0);
			got = go(user_read, va, 2);
			CHECK((got == 0x600d && !r1_frame[1]) == !have, "root %u after a change: %#lx", i, got);
			CHECK_EQ(write_entry(va_to_maddr(&roots[i][va >> 39]), have ? old[va >> 39] : 0), 0);
			mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0);
		}
	}
	CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(old), 0), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(roots); i++)
		CHECK_EQ(unpin(roots[i]), 0);
	ring1_install_traps();
}

/* Pending events and: ring 3; the exit code; a mask; a kernel that goes on with IF set, and clear. */
static void check_events(void)
{
	long port = evt_bind_ipi(0);
	u64 *stack = (u64 *)(vcpu_stacks[0] + 8192);

	set_callback(CALLBACKTYPE_event, r1_event, 0);
	evt_set_mask((u32)port, false);
	P->exit_rdi = (u64)exit_rdi;
	P->exit_iret = (u64)exit_iret;
	P->exit_end = (u64)exit_end;
	/* it is pending already when ring 3 begins; the next entry to the hypervisor is some interrupt */
	r1_count = 0;
	P->info.evtchn_upcall_mask = 1;
	evt_send((u32)port);
	CHECK_EQ(r1_count, 0);
	go(user_spin, 0, 2);
	CHECK_EQ(r1_count, 1);
	CHECK_EQ(r1_frame[1], USER_CS);
	CHECK_EQ(r1_rsp & 4095, 4096 - 40);
	CHECK_EQ(P->info.evtchn_upcall_mask, 1);
	void run(void *start, u64 cs, u64 flags, u64 ss)
	{
		u64 *f = stack;

		*f++ = 0xd1d1;
		*f++ = cs == USER_CS ? ring1_low(user_syscall) : (u64)r1_kernel_target;
		*f++ = cs;
		*f++ = flags;
		*f++ = cs == USER_CS ? ring1_low(user_stack + 4000) : (u64)(vcpu_stacks[0] + 16384);
		*f++ = ss;
		P->info.evtchn_upcall_pending = 1;
		P->info.evtchn_upcall_mask = 1;
		r1_count = r1_rcx = r1_exit_rdi = 0;
		asm volatile("call 1f; jmp 2f\n"
			     "1: .irp r, rbx, rbp, r12, r13, r14, r15\n push %%\\r\n .endr\n"
			     "mov %%rsp, r1_kernel_rsp; mov %0, %%rsp; mov $0xe0e0, %%edi; jmp *%1\n"
			     "r1_kernel_target: mov $0x7e57, %%eax; mov %%rax, r1_rcx; movq $0, r1_count\n"
			     "jmp r1_back\n2:"
			     :: "r"(start == (void *)exit_cli_iret ? stack + 1 : stack),
			     "r"(start == (void *)exit_cli_iret ? start : start + 5)
			     : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory");
	}
	/* start + 5 is the CLI of exit_rdi, behind the look at the pending flag; CLI is emulated */
	set_callback(CALLBACKTYPE_syscall, r1_syscall, 0);
	for (unsigned int i = 0; i < 2; i++) {
		run(i ? exit_cli_iret : exit_rdi, USER_CS, 0x202, USER_SS);
		CHECK_EQ(r1_count, 1);
		CHECK_EQ(r1_frame[0], ring1_low(user_syscall));
		CHECK_EQ(r1_frame[1], USER_CS);
		CHECK_EQ(r1_frame[3], ring1_low(user_stack + 4000));
		CHECK_EQ(r1_rsp & 4095, 4096 - 40);
		CHECK_EQ(r1_exit_rdi, i ? 0xe0e0 : 0xd1d1);
		run(i ? exit_cli_iret : exit_rdi, PARAPET_RING1_CS, 0x202, PARAPET_RING1_SS);
		CHECK_EQ(r1_count, 1);
		CHECK_EQ(r1_frame[0], (u64)r1_kernel_target);
		CHECK_EQ(r1_frame[1], PARAPET_RING1_CS);
		CHECK_EQ(r1_frame[2] & 0x202, 0x202);
		CHECK_EQ(r1_rsp, vcpu_stacks[0] + 16384 - 40);
		/* masked where it returns to: not now */
		run(i ? exit_cli_iret : exit_rdi, PARAPET_RING1_CS, 0x2, PARAPET_RING1_SS);
		CHECK_EQ(r1_count, 0);
		CHECK_EQ(r1_rcx, 0x7e57);
		/* frames that no IRETQ would take: the mask decides, and the instruction itself faults */
		handler(X86_GP, r1_fault);
		run(i ? exit_cli_iret : exit_rdi, 0xe008, 0x202, 0);
		CHECK_EQ(r1_count, 0);
		CHECK_EQ(r1_frame[0], 0xe008);
		CHECK_EQ(r1_frame[2], PARAPET_RING1_CS);
		ring1_install_traps();
		set_callback(CALLBACKTYPE_event, r1_event, 0);
		set_callback(CALLBACKTYPE_syscall, r1_syscall, 0);
	}
	P->exit_end = 0;
	P->info.evtchn_upcall_pending = 1;
	scan_events(this_vcpu());
	ring1_install_traps();
	evt_close((u32)port);
	events_mask();
}

static volatile bool stop, other_started, other_ran;
static u32 ipi_port;

static void shower(void *arg)
{
	u16 cs;

	asm volatile("mov %%cs, %0" : "=r"(cs));
	other_ran = cs == PARAPET_RING1_CS && (read_flags() & X86_EFLAGS_AC);
	other_started = true;
	while (!stop) {
		evt_send(ipi_port);
		for (unsigned int i = 0; i < 300; i++)
			asm volatile("pause");
	}
}

/* Many system calls under a shower of events from another vCPU: none is lost, no register changes. */
static void check_shower(void)
{
	u64 rounds = test_arg("rounds", 300000);

	if (nr_vcpus() < 2)
		return;
	ipi_port = (u32)evt_bind_ipi(0);
	evt_set_mask(ipi_port, false);
	P->exit_rdi = (u64)exit_rdi;
	P->exit_iret = (u64)exit_iret;
	P->exit_end = (u64)exit_end;
	vcpu_start(1, shower, NULL);
	CHECK(wait_for(other_started, 20000), "the other vCPU does not start");
	CHECK(other_ran, "the other vCPU is not in ring 1");
	set_callback(CALLBACKTYPE_syscall, r1_fast_syscall, 0);
	u64 upcalls = this_vcpu()->nr_upcalls;
	/* Again while the other vCPU got no time of the host. */
	for (int i = 0; i < 50 && (!i || this_vcpu()->nr_upcalls == upcalls); i++) {
		struct regs r;

		user_regs(&r, (u64)user_loop, rounds);
		CHECK_EQ(user_run_regs(&r), 0x600d);
	}
	printk("  %lu upcalls, %lu of them seen by the exit code, in %lu system calls\n",
	       this_vcpu()->nr_upcalls - upcalls, r1_hits, rounds);
	CHECK(this_vcpu()->nr_upcalls > upcalls, "no upcalls");
	stop = true;
	CHECK(wait_for(!hc_vcpu_op(VCPUOP_is_up, 1, NULL), 20000), "the other vCPU does not stop");
	P->exit_end = 0;
	ring1_install_traps();
	evt_close(ipi_port);
	events_mask();
}

static void check_nmi(void)
{
	static u8 nmi_stack[PAGE_SIZE] __aligned(16);

	trap_table[X86_NMI].address = (u64)r1_nmi;
	hc_set_trap_table(trap_table);
	P->nmi_sp = (u64)nmi_stack + PAGE_SIZE;
	r1_count = 0;
	CHECK_EQ(hc_vcpu_op(VCPUOP_send_nmi, 0, NULL), 0);
	CHECK_EQ(r1_count, 1);
	CHECK_EQ(r1_rsp, nmi_stack + PAGE_SIZE - 40);
	CHECK_EQ(P->nmi_busy, 1);
	CHECK_EQ(hc_vcpu_op(VCPUOP_send_nmi, 0, NULL), 0);
	CHECK_EQ(r1_count, 1);
	P->nmi_busy = 0;
	CHECK_EQ(hc_vcpu_op(VCPUOP_send_nmi, 0, NULL), 0);
	CHECK_EQ(r1_count, 2);
	P->nmi_busy = P->nmi_sp = 0;
	ring1_install_traps();
}

static void check_bases(void)
{
	u64 gs = 0x1111222233334000ul & 0x7ffffffff000ul, got;

	asm volatile("wrgsbase %0" :: "r"(gs));
	for (unsigned int i = 0; i < 50; i++)
		hc_sched_op(SCHEDOP_yield, NULL);
	spin_ns(30000000);
	asm volatile("rdgsbase %0" : "=r"(got));
	CHECK_EQ(got, gs);
	CHECK_EQ(hc_set_segment_base(SEGBASE_GS_KERNEL, gs + 4096), 0);
	asm volatile("rdgsbase %0" : "=r"(got));
	CHECK_EQ(got, gs + 4096);
	CHECK_EQ(hc_set_segment_base(SEGBASE_GS_USER_SEL, 0), 0);
	asm volatile("rdgsbase %0" : "=r"(got));
	CHECK_EQ(got, gs + 4096);
	asm volatile("wrgsbase %0" :: "r"(0ul));
}

static void check_refusals(void)
{
	struct vcpu_register_vcpu_info r = { .mfn = va_to_mfn(&ring1_pages[7]), .offset = 64 };

	CHECK_EQ(hypercall5(__HYPERVISOR_ring1, PARAPET_RING1_ENTER, 0, 0, 0, 0), -XEN_EBUSY);
	CHECK_EQ(hypercall5(__HYPERVISOR_ring1, 1, 0, 0, 0, 0), -XEN_ENOSYS);
	CHECK_EQ(hc_vcpu_op(VCPUOP_register_vcpu_info, 0, &r), -XEN_EINVAL);
	CHECK_EQ(mmuext(MMUEXT_NEW_USER_BASEPTR, va_to_mfn(root()), 0), 0);
	/* privileged instructions are emulated or #GP, as in ring 3 */
	CHECK_EQ(try_asm("cli; sti"), -1);
	CHECK_EQ(try_asm("mov %%cr0, %%rax; clts"), -1);
	CHECK_EQ(try_asm("swapgs"), X86_GP);
	CHECK_EQ(try_asm("ltr %%ax"), X86_GP);
}

void test_main(void)
{
	REQUIRE(ring1_mode, "not in ring 1: give ring1=1");
	events_mask();
	check_syscall();
	check_memory();
	check_roots();
	check_events();
	check_nmi();
	check_bases();
	check_refusals();
	check_shower();
}
