/* SPDX-License-Identifier: MIT */
/*
 * bench: what hypercalls, traps and updates cost a guest, in TSC ticks an operation.
 *
 * Claim:  none; prints lines `BENCH name value` (value with one decimal). Under -icount shift=0 with the
 *         TSC at 1 GHz a tick is an instruction; calib_tsc_per_insn gives the factor.
 * Run:    manual timeout=120
 */
#include "guest.h"

#define N 2000

static void report(const char *name, u64 ticks, u64 ops)
{
	printk("BENCH %s %lu.%lu\n", name, ticks / ops, ticks * 10 / ops % 10);
}

#define MEASURE(name, count, body) do {					\
	u64 _t, _best = ~0ul;						\
	for (int _k = 0; _k < 2; _k++) {				\
		_t = rdtsc();						\
		for (u64 i = 0; i < (count); i++)			\
			body;						\
		_t = rdtsc() - _t;					\
		_best = _t < _best ? _t : _best;			\
	}								\
	report(name, _best, count);					\
} while (0)

static bool skip2(struct regs *r)
{
	r->rip += 2;
	return true;
}

/* The smallest handler there is: no registers saved, back by the hypercall page. */
extern u8 tiny_ud[], tiny_syscall[], user_loop[];
u64 nr_traps;
asm("tiny_ud: pop %rcx; pop %r11; incq nr_traps(%rip); addq $2, (%rsp); pushq $0; jmp hypercall_page + 23 * 32\n"
    "tiny_syscall: pop %rcx; pop %r11; pushq $0x100; jmp hypercall_page + 23 * 32\n"
    "user_loop: mov %rdi, %rbx; 1: xor %eax, %eax; syscall; dec %rbx; jnz 1b; int $0x80\n");

static void null_iret(void)
{
	asm volatile("mov %%rsp, %%rdi; pushq $0xe02b; push %%rdi; pushq $2; pushq $0xe030; lea 1f(%%rip), %%rax; push %%rax;"
		     "pushq $0; jmp hypercall_page + 23 * 32; 1:" ::: "rax", "rdi", "rcx", "r11", "memory");
}

void test_main(void)
{
	struct trap_info t[2] = { { X86_UD, 0, FLAT_KERNEL_CS, (u64)tiny_ud }, { 0 } };
	u8 *page = alloc_page();
	u64 pte = pte_of(page), m = entry_maddr((u64)page, 1), c0, c1;
	static struct mmu_update u[32];
	struct mmuext_op inv = { .cmd = MMUEXT_INVLPG_LOCAL, .arg1.linear_addr = (u64)page };
	static struct multicall_entry mc[32];
	long port = evt_bind_ipi(0);

	for (unsigned int i = 0; i < 32; i++) {
		u[i].ptr = m;
		u[i].val = i & 1 ? pte : pte & ~PTE_RW;
		mc[i].op = __HYPERVISOR_xen_version;
	}
	c0 = rdtsc();
	asm volatile("mov $1000000, %%ecx; 1: dec %%ecx; jnz 1b" ::: "rcx", "cc");
	c1 = rdtsc();
	printk("BENCH calib_tsc_per_insn %lu.%lu%lu\n", (c1 - c0) / 2000000, (c1 - c0) / 200000 % 10,
	       (c1 - c0) / 20000 % 10);
	MEASURE("rdtsc", N, rdtsc());
	MEASURE("xen_version", N, hc_xen_version(XENVER_version, NULL));
	MEASURE("sched_yield", N, hc_sched_op(SCHEDOP_yield, NULL));
	MEASURE("set_timer_op", N, hc_set_timer_op(rdtsc() + 1000000000000ul));
	hc_set_timer_op(0);
	MEASURE("update_va_mapping", N, hc_update_va_mapping((u64)page, i & 1 ? pte : pte & ~PTE_RW, UVMF_INVLPG));
	MEASURE("mmu_update_1", N, hc_mmu_update(&u[i & 1], 1, NULL, DOMID_SELF));
	u64 ticks = rdtsc();
	for (unsigned int i = 0; i < N / 32; i++)
		hc_mmu_update(u, 32, NULL, DOMID_SELF);
	report("mmu_update_32_per_entry", rdtsc() - ticks, N / 32 * 32);
	ticks = rdtsc();
	for (unsigned int i = 0; i < N / 32; i++)
		hc_multicall(mc, 32);
	report("multicall_32_per_entry", rdtsc() - ticks, N / 32 * 32);
	MEASURE("invlpg", N, hc_mmuext_op(&inv, 1, NULL, DOMID_SELF));
	MEASURE("stack_switch", N, hc_stack_switch(FLAT_KERNEL_SS, (u64)vcpu_stacks[0] + 16384));
	MEASURE("evtchn_send_masked", N, evt_send((u32)port));
	evt_set_mask((u32)port, false);
	events_unmask();
	MEASURE("evtchn_send_and_upcall", N, evt_send((u32)port));
	events_mask();
	MEASURE("null_iret", N, null_iret());
	trap_hook[X86_UD] = skip2;
	MEASURE("ud2_c_handler", N, asm volatile("ud2" ::: "memory"));
	trap_hook[X86_UD] = NULL;
	hc_set_trap_table(t);
	MEASURE("ud2_bounce_and_iret", N, asm volatile("ud2" ::: "memory", "rcx", "r11"));
	set_callback(CALLBACKTYPE_syscall, tiny_syscall, CALLBACKF_mask_events);
	user_init();
	user_run((u64)user_loop, 1);
	ticks = rdtsc();
	user_run((u64)user_loop, N);
	report("user_syscall_and_iret", rdtsc() - ticks, N);
	CHECK(nr_traps == 2 * N, "%lu traps", nr_traps);
	evt_close((u32)port);
}
