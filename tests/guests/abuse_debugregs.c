/* SPDX-License-Identifier: MIT */
/*
 * abuse_debugregs: breakpoints that would fire in the hypervisor, and traps at its door.
 *
 * Claim:  no order of calls puts a hypervisor address into an active breakpoint, by hypercall, by MOV DR
 *         or by VCPUOP_initialise; breakpoints on memory that the hypervisor reads and writes for the
 *         guest (frames, buffers, hypercall page), single-stepping over SYSCALL, INT and iret, and
 *         MOV SS in front of them, do no more than #DB in the guest.
 * Broken: #DB in ring 0 on a stack of the guest's choosing, or without end.
 * Run:    hv="dom0_max_vcpus=2" timeout=90
 */
#include "guest.h"

static u64 nr_db;

/* Count, switch breakpoints off when they come too often, step no further. */
static bool on_db(struct regs *r)
{
	if (++nr_db % 8 == 0)
		hc_set_debugreg(7, 0x400);
	r->rflags &= ~X86_EFLAGS_TF;
	r->rflags |= X86_EFLAGS_RF;
	return true;
}

static void set_all(const u64 addr[4], u64 dr7)
{
	for (unsigned int i = 0; i < 4; i++)
		hc_set_debugreg(i, addr[i]);
	hc_set_debugreg(6, 0xffff0ff0);
	hc_set_debugreg(7, dr7);
}

static void work(void *arg)
{
	static struct xen_feature_info fi;
	static struct multicall_entry mc[2];
	struct mmu_update u = { entry_maddr((u64)&fi, 1), read_pte((u64)&fi) };
	u32 done;

	hc_xen_version(XENVER_get_features, &fi);
	hc_mmu_update(&u, 1, &done, DOMID_SELF);
	mc[0].op = mc[1].op = __HYPERVISOR_xen_version;
	hc_multicall(mc, 2);
	hc_set_trap_table(trap_table);
	try_asm("ud2");
	evt_send(1);
	hc_sched_op(SCHEDOP_yield, NULL);
}

static void hv_addresses(void)
{
	static const u64 bad[] = { HYPERVISOR_VIRT_START, HYPERVISOR_VIRT_END - 1, 0xffff82d000200000ul, 0xffff82d040200000ul,
		0xffff830000000000ul, 0x800000000000ul, 0xffff7ffffffffffful };

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		for (unsigned int r = 0; r < 4; r++) {
			/* Active first, then the address; address first, then active. */
			hc_set_debugreg(r, 0x1000);
			hc_set_debugreg(7, 0x4ff);
			CHECK_EQ(hc_set_debugreg(r, bad[i]), -XEN_EPERM);
			CHECK_EQ(hc_get_debugreg(r), 0x1000);
			hc_set_debugreg(7, 0x400);
			CHECK_EQ(hc_set_debugreg(r, bad[i]), -XEN_EPERM);
			void mov_dr(void *a) { asm volatile("mov %0, %%db0" :: "r"(a)); }
			int v = try_call(mov_dr, (void *)bad[i]);
			CHECK(v == X86_GP, "MOV DR0 to %#lx: vector %d", bad[i], v);
			CHECK(hc_get_debugreg(0) != (long)bad[i], "DR0 is %#lx", bad[i]);
		}
	/* An 8-byte watch that ends in the hypervisor's range. */
	hc_set_debugreg(0, HYPERVISOR_VIRT_START - 8);
	hc_set_debugreg(7, 0x400 | 2 | 0xbul << 16);
	work(NULL);
	hc_set_debugreg(7, 0x400);
}

static void new_vcpu(void)
{
	static struct vcpu_guest_context c;
	long rc;

	if (nr_vcpus() < 2)
		return;
	vcpu_fill_context(&c, 1);
	c.debugreg[0] = 0xffff830000000000ul;
	c.debugreg[1] = 0xffff82d000200000ul;
	c.debugreg[2] = 0xffff82d040200000ul;
	c.debugreg[7] = 0x7ff;
	rc = hc_vcpu_op(VCPUOP_initialise, 1, &c);
	CHECK(rc == 0 || rc == -XEN_EPERM || rc == -XEN_EINVAL, "initialise with bad debug registers: %ld", rc);
	static volatile u64 dr[4];
	void look(void *a)
	{
		for (unsigned int i = 0; i < 4; i++)
			dr[i] = (u64)hc_get_debugreg(i);
		work(NULL);
	}
	if (!rc) {
		vcpus[1].start = look;
		vcpus[1].info->evtchn_upcall_mask = 1;
		CHECK_EQ(hc_vcpu_op(VCPUOP_up, 1, NULL), 0);
		CHECK(wait_for(hc_vcpu_op(VCPUOP_is_up, 1, NULL) == 0, 3000), "the vCPU does not finish");
		for (unsigned int i = 0; i < 3; i++)
			CHECK(dr[i] != c.debugreg[i], "DR%u is %#lx", i, dr[i]);
	}
}

/* All sizes and kinds on memory that the hypervisor touches for us. */
static void shared_memory(void)
{
	u64 sp;

	asm volatile("mov %%rsp, %0" : "=r"(sp));
	sp &= ~7ul;
	const u64 sets[][4] = {
		{ sp - 8, sp - 64, sp - 128, sp - 256 },		/* bounce frames */
		{ (u64)hypercall_page + 17 * 32, (u64)hypercall_page + 17 * 32 + 5, (u64)hypercall_page + 23 * 32,
		  (u64)hypercall_page + 14 * 32 },
		{ (u64)trap_stub(X86_UD), (u64)trap_stub(X86_BP), (u64)event_entry, (u64)syscall_entry },
		{ (u64)this_vcpu()->info, (u64)&this_vcpu()->info->time, (u64)&this_vcpu()->info->arch.cr2,
		  (u64)shared->evtchn_pending },
		{ (u64)trap_table, (u64)trap_table + 96, (u64)&vcpus[0], (u64)m2p & 0 },
	};

	for (unsigned int s = 0; s < ARRAY_SIZE(sets); s++)
		for (unsigned int kind = 0; kind < 16; kind++) {
			u64 dr7 = 0x4ff;

			for (unsigned int i = 0; i < 4; i++)
				dr7 |= (u64)kind << (16 + 4 * i);
			set_all(sets[s], dr7);
			work(NULL);
			hc_set_debugreg(7, 0x400);
		}
}

static u16 watched_ss = KERNEL_SS;

/* MOV SS holds #DB back until after the next instruction, which here enters ring 0. */
#define MOV_SS(name, next)						\
	static void name(void *a)					\
	{								\
		asm volatile("mov %0, %%ss; " next			\
			     :: "m"(watched_ss) : "rax", "rcx", "rdx", "rdi", "rsi", "r8", "r9", "r10", "r11", "memory");	\
	}
MOV_SS(ss_syscall, "mov $17, %%eax")
MOV_SS(ss_syscall2, "syscall")
MOV_SS(ss_int3, "int3")
MOV_SS(ss_int80, "int $0x80")
MOV_SS(ss_int4, "int $4")
MOV_SS(ss_ud2, "ud2")
MOV_SS(ss_icebp, ".byte 0xf1")
MOV_SS(ss_gp, "mov %%cr8, %%rax")

static void mov_ss(void)
{
	void (*const fn[])(void *) = { ss_syscall, ss_syscall2, ss_int3, ss_int80, ss_int4, ss_ud2, ss_icebp, ss_gp };
	const u64 addr[4] = { (u64)&watched_ss, 0x1000, 0x2000, 0x3000 };

	for (unsigned int i = 0; i < ARRAY_SIZE(fn); i++)
		for (unsigned int kind = 1; kind < 4; kind += 2) {
			set_all(addr, 0x400 | 3 | (u64)(4 | kind) << 16);	/* 2 bytes, write or access */
			/* rax picks the hypercall: whatever it was is harmless (xen_version). */
			asm volatile("" ::: "rax");
			int v = try_call(fn[i], NULL);
			CHECK(v < 0x20 || v == 0x80, "MOV SS, case %u: vector %d", i, v);
			hc_set_debugreg(7, 0x400);
		}
}

extern u8 step_user[];
asm("step_user: pushf; orl $0x100, (%rsp); popf; mov $17, %eax; xor %edi, %edi; syscall; nop; int3; nop; int $0x80\n");

static bool skip(struct regs *r)
{
	return true;
}

static void single_step(void)
{
	struct regs r;

	/* Kernel: TF over a hypercall, a trap, and iret. */
	asm volatile("pushf; orl $0x100, (%%rsp); popf; mov $17, %%eax; xor %%edi, %%edi; xor %%esi, %%esi; syscall; nop;"
		     "pushf; andl $~0x100, (%%rsp); popf"
		     ::: "rax", "rcx", "rdx", "rdi", "rsi", "r8", "r9", "r10", "r11", "memory", "cc");
	asm volatile("pushf; orl $0x100, (%%rsp); popf; int3; nop; pushf; andl $~0x100, (%%rsp); popf" ::: "memory", "cc");
	/* User: TF over SYSCALL and INT. */
	trap_hook[VEC_SYSCALL] = skip;
	trap_hook[X86_BP] = skip;
	CHECK_EQ(user_run((u64)step_user, 0) & 0, 0);
	for (u32 k = 0; k < 2; k++) {
		user_regs(&r, (u64)step_user, 0);
		r.rflags |= X86_EFLAGS_TF;
		r.err = k ? VGCF_in_syscall : 0;
		user_run_regs(&r);
	}
	trap_hook[VEC_SYSCALL] = NULL;
}

void test_main(void)
{
	trap_hook[X86_DB] = on_db;
	trap_hook[X86_BP] = skip;
	hv_addresses();
	new_vcpu();
	shared_memory();
	trap_hook[X86_BP] = NULL;
	mov_ss();
	trap_hook[X86_BP] = skip;
	single_step();
	trap_hook[X86_BP] = NULL;
	/* Random values everywhere. */
	u64 seed = test_arg("seed", 1);
	for (unsigned int i = 0; i < 3000; i++) {
		u64 v = prng(&seed);

		hc_set_debugreg(prng(&seed) % 10, i & 1 ? v : v & 0xffffffff);
		if (i & 2)
			hc_set_debugreg(7, v & 0xffff07ff);
		hc_get_debugreg(prng(&seed) % 10);
		if (i % 16 == 0)
			work(NULL);
	}
	hc_set_debugreg(7, 0x400);
	for (unsigned int i = 0; i < 4; i++)
		hc_set_debugreg(i, 0);
	printk("  %lu #DB\n", nr_db);
	CHECK(hc_xen_version(XENVER_version, NULL) > 0, "no hypercalls any more");
}
