/* SPDX-License-Identifier: MIT */
/*
 * abuse_iret: frames that the hypervisor must not load as they are.
 *
 * Claim:  for every selector, for non-canonical and hypervisor addresses in rip and rsp, for every
 *         flag bit, with and without VGCF_in_syscall, the return ends in the guest: at the address, in
 *         an exception or in the failsafe callback; rights do not rise: ring 3, IF set, IOPL 0, no VM,
 *         no NT trouble.
 * Broken: a fault in ring 0 on the way out (SYSRET with a non-canonical rip runs it in ring 0 on the
 *         guest's stack), a triple fault.
 * Run:    timeout=120
 */
#include "guest.h"

extern u8 landing[];
asm("landing: pushf; pop landed_flags(%rip); mov %cs, landed_cs(%rip); int $0x80\n");
static u64 landed_flags;
static u16 landed_cs;
static u64 tries;

/*
 * With RPL below 3 a frame is for kernel mode, and the next trap is bounced to the frame's stack: it is
 * an alias of our own below 4 GiB, good in 32-bit segments, too.
 */
#define LOW_STACK 0x40000000ul

static void low_stack(void)
{
	make_tables(LOW_STACK);
	for (u64 off = 0; off < STACK_SIZE; off += PAGE_SIZE)
		REQUIRE(!hc_update_va_mapping(LOW_STACK + off, va_to_maddr(vcpu_stacks[0] + off) | PTE_KERN,
					      UVMF_INVLPG), "low stack");
	REQUIRE(!write_entry(va_to_maddr(&user_l4[0]), root()[0]), "user L4");
}

static void go(void *arg)
{
	user_run_regs(arg);
}

static int attempt(u64 cs, u64 rip, u64 rflags, u64 rsp, u64 ss, u32 vgcf)
{
	struct regs r;
	int v;

	user_regs(&r, rip, 0);
	r.cs = (u16)cs;
	r.mask = 0;
	r.rflags = rflags;
	r.ss = ss;
	r.rsp = rsp ?: LOW_STACK + 8192;
	r.err = vgcf;
	r.rcx = rip;
	r.r11 = rflags;
	landed_flags = 0x202;
	landed_cs = 3;
	v = try_call(go, &r);
	this_vcpu()->user_rsp = 0;
	events_mask();
	tries++;
	CHECK((landed_cs & 3) == 3, "cs %#x after a frame with cs %#lx", landed_cs, cs);
	CHECK(landed_flags & X86_EFLAGS_IF, "IF is clear after flags %#lx", rflags);
	CHECK(!(landed_flags & (X86_EFLAGS_IOPL | X86_EFLAGS_VM)), "flags %#lx after %#lx", landed_flags, rflags);
	return v;
}

static bool harmless(int v)
{
	return v == -1 || (v >= 0 && v < 32 && v != X86_NMI && v != X86_DF && v != X86_MC) || v == VEC_FAILSAFE;
}

static const u64 addresses[] = { 0x800000000000ul, 0x7ffffffffffful, 0x800000000001ul, 0xffff7ffffffffffful,
	0x8000000000000000ul, ~0ul, 0xfffffffffffffffeul, HYPERVISOR_VIRT_START, HYPERVISOR_VIRT_START - 1, HYPERVISOR_VIRT_END - 1,
	HYPERVISOR_VIRT_END, 0xffff82d000200000ul, 0xffff82d040200000ul, 0xffff830000000000ul, 0x0000ffffffffffff,
	0x1000000000000ul, 0, 1 };

static void bad_rip(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(addresses); i++)
		for (u32 k = 0; k < 4; k++) {
			u64 cs = k & 1 ? KERNEL_CS : USER_CS;
			int v = attempt(cs, addresses[i], 2, 0, USER_SS, k & 2 ? VGCF_in_syscall : 0);

			CHECK(v != -1 && harmless(v), "rip %#lx cs %#lx: vector %d", addresses[i], cs, v);
			CHECK(v != X86_PF || this_vcpu()->trap.rip == addresses[i] || !(this_vcpu()->trap.err & ~0x15u),
			      "rip %#lx: #PF error %#x at %#lx", addresses[i], this_vcpu()->trap.err, this_vcpu()->trap.rip);
		}
	/* SYSCALL at the very end of the lower half: the return address is not canonical. */
	u64 va = 0x7ffffffff000ul;
	u8 *page = alloc_page();
	page[4094] = 0x0f;
	page[4095] = 0x05;
	make_tables(va);
	REQUIRE(!hc_update_va_mapping(va, va_to_maddr(page) | PTE_KERN, UVMF_INVLPG), "map");
	user_init();
	REQUIRE(!write_entry(va_to_maddr(&user_l4[255]), root()[255]), "user L4");
	for (u32 k = 0; k < 2; k++) {
		int v = attempt(USER_CS, va + 4094, 2, 0, USER_SS, k ? VGCF_in_syscall : 0);

		CHECK(v == VEC_SYSCALL || harmless(v), "SYSCALL at the edge: vector %d", v);
		CHECK(v != VEC_SYSCALL || this_vcpu()->trap.rip == va + 4096, "rip %#lx", this_vcpu()->trap.rip);
	}
	/* And a hypercall there, from kernel mode: it returns to a non-canonical address. */
	void (*edge)(void *) = (void (*)(void *))(va + 4094);
	asm volatile("" ::: "memory");
	void call_edge(void *a) { asm volatile("mov $17, %%eax; xor %%edi, %%edi; call *%0" :: "r"(a) : "rax", "rdi"); }
	int v = try_call(call_edge, (void *)edge);
	CHECK(v == X86_GP || v == X86_PF || v == VEC_FAILSAFE, "hypercall at the edge: vector %d", v);
	write_entry(va_to_maddr(&user_l4[255]), 0);
}

static void bad_rsp(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(addresses); i++)
		for (u32 k = 0; k < 2; k++) {
			int v = attempt(USER_CS, (u64)landing, 2, addresses[i] ?: 8, USER_SS, k ? VGCF_in_syscall : 0);

			CHECK(harmless(v), "rsp %#lx: vector %d", addresses[i], v);
		}
}

static void flags(void)
{
	u64 seed = 4711;

	for (unsigned int bit = 0; bit < 64; bit++)
		for (u32 k = 0; k < 4; k++) {
			int v = attempt(k & 1 ? KERNEL_CS : USER_CS, (u64)landing, 1ul << bit, 0, USER_SS,
					k & 2 ? VGCF_in_syscall : 0);

			CHECK(v == -1 || v == X86_DB || v == X86_GP || v == X86_AC || v == VEC_FAILSAFE, "flag bit %u: vector %d",
			      bit, v);
		}
	for (unsigned int i = 0; i < 500; i++) {
		u64 f = prng(&seed);
		int v = attempt(i & 1 ? KERNEL_CS : USER_CS, (u64)landing, f, 0, USER_SS, i & 2 ? VGCF_in_syscall : 0);

		CHECK(harmless(v), "flags %#lx: vector %d", f, v);
	}
}

static void selectors(void)
{
	/* All that could exist, by each RPL; then a sample of the rest. */
	for (u32 sel = 0; sel < 0x10000; sel += sel < 0x100 || (sel >= 0xdf00 && sel < 0xe400) ? 1 : 67) {
		int v = attempt(sel, (u64)landing, 2, 0, USER_SS, sel & 4 ? VGCF_in_syscall : 0);

		CHECK(harmless(v), "cs %#x: vector %d", sel, v);
		v = attempt(USER_CS, (u64)landing, 2, 0, sel, sel & 4 ? VGCF_in_syscall : 0);
		CHECK(harmless(v), "ss %#x: vector %d", sel, v);
	}
	/* High bits of the words. */
	for (unsigned int bit = 16; bit < 64; bit++) {
		int v = attempt(USER_CS, (u64)landing, 2, 0, USER_SS | 1ul << bit, 0);

		CHECK(harmless(v), "ss bit %u: vector %d", bit, v);
	}
	/* All bits of the flags word. */
	for (unsigned int bit = 0; bit < 32; bit++) {
		int v = attempt(USER_CS, (u64)landing, 2, 0, USER_SS, 1u << bit);

		CHECK(harmless(v), "VGCF bit %u: vector %d", bit, v);
	}
}


void test_main(void)
{
	user_init();
	low_stack();
	flags();
	bad_rip();
	bad_rsp();
	selectors();
	CHECK_EQ(attempt(USER_CS, (u64)landing, 2, 0, USER_SS, 0), -1);
	printk("  %lu frames\n", tries);
}
