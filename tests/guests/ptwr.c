/* SPDX-License-Identifier: MIT */
/*
 * ptwr: an ordinary store to a page table that is mapped read-only is checked and carried out.
 *
 * Claim:  with writable page tables on (vm_assist 2), MOV, XCHG, CMPXCHG, XADD and locked logic on an
 *         aligned entry of a live L1 table have their usual effect on memory, registers and flags, in
 *         64-bit and in 32-bit halves; an entry that may not be, a straddling or user-mode store, and a
 *         store to a higher table, are a page fault of the guest and change nothing.
 * Broken: Linux dies early (it sets single entries like this), or page tables can be forged.
 */
#include "guest.h"

#define VA	0x200000000000ul

static u64 *l1, *page_a, *page_b;
static u64 a, b;

static volatile u64 *at(unsigned int i)
{
	return &l1[i];
}

static void reset(u64 v)
{
	for (unsigned int i = 0; i < 4; i++)
		if (READ_ONCE(l1[i]) != (i == 1 ? v : 0))
			REQUIRE(!write_entry(va_to_maddr(&l1[i]), i == 1 ? v : 0), "reset");
	mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0);
}

struct form {
	const char *name;
	void (*fn)(void *);
	u64 before, after;
};

static u64 in, out, flags;

#define FORM(name, insn)						\
	static void name(void *p)					\
	{								\
		u64 ax = in, dx = out;					\
		asm volatile(insn "; pushf; pop %2"			\
			     : "+a"(ax), "+d"(dx), "=r"(flags) : "D"(p) : "memory", "cc");	\
		in = ax;						\
		out = dx;						\
	}
FORM(f_mov64, "mov %%rax, (%%rdi)")
FORM(f_mov32, "movl %%eax, (%%rdi)")
FORM(f_mov32h, "movl %%eax, 4(%%rdi)")
FORM(f_movimm, "movq $0, (%%rdi)")
FORM(f_xchg, "xchg %%rax, (%%rdi)")
FORM(f_cmpxchg, "lock cmpxchg %%rdx, (%%rdi)")
FORM(f_cmpxchg_nolock, "cmpxchg %%rdx, (%%rdi)")
FORM(f_xadd, "lock xadd %%rax, (%%rdi)")
FORM(f_or, "lock or %%rax, (%%rdi)")
FORM(f_and, "lock and %%rax, (%%rdi)")
FORM(f_bts, "lock btsq $9, (%%rdi)")
FORM(f_btr, "lock btrq $1, (%%rdi)")
FORM(f_btc, "btcq $1, (%%rdi)")
FORM(f_stosq, "stosq")
FORM(f_orb, "orb $2, (%%rdi)")
FORM(f_mov16, "movw %%ax, (%%rdi)")
FORM(f_straddle, "mov %%rax, 4(%%rdi)")
FORM(f_straddle32, "movl %%eax, 6(%%rdi)")

static void expect(const char *name, void (*fn)(void *), u64 start, u64 ax, u64 dx, u64 want, u64 want_ax, int zf)
{
	int v;

	reset(start);
	in = ax;
	out = dx;
	v = try_call(fn, (void *)at(1));
	if (!CHECK(v == -1, "%s: vector %d at %#lx", name, v, this_vcpu()->trap.rip))
		return;
	CHECK(*at(1) == want, "%s: entry is %#lx, not %#lx", name, *at(1), want);
	CHECK(in == want_ax, "%s: rax is %#lx, not %#lx", name, in, want_ax);
	if (zf >= 0)
		CHECK((int)(flags >> 6 & 1) == zf, "%s: flags %#lx", name, flags);
	CHECK(!*at(0) && !*at(2), "%s: a neighbour changed", name);
}

/* Refused: #PF of a write to a present page, at the entry, nothing changed. */
static void refused(const char *name, void (*fn)(void *), u64 start, u64 ax, u64 dx)
{
	int v;

	reset(start);
	in = ax;
	out = dx;
	v = try_call(fn, (void *)at(1));
	CHECK(v == X86_PF, "%s: vector %d", name, v);
	if (v == X86_PF) {
		CHECK(this_vcpu()->trap.err == 3, "%s: error code %#x", name, this_vcpu()->trap.err);
		CHECK((this_vcpu()->trap_cr2 & ~7ul) == ((u64)at(1) & ~7ul), "%s: cr2 %#lx", name,
		      this_vcpu()->trap_cr2);
	}
	CHECK(*at(0) == 0 && *at(1) == start && *at(2) == 0, "%s: entries %#lx %#lx %#lx", name, *at(0), *at(1),
	      *at(2));
}

static void forms(void)
{
	/* The hypervisor may add bits (Xen: G, US) to a present entry: start from what it left. */
	reset(a);
	a = *at(1);
	reset(b);
	b = *at(1);
	reset(a & ~PTE_RW);
	u64 ro = *at(1);

	expect("mov", f_mov64, 0, a, 0, a, a, -1);
	CHECK_EQ(*(volatile u64 *)(VA + 4096), 0xaaaa);
	expect("mov, remap", f_mov64, a, b, 0, b, b, -1);
	mmuext(MMUEXT_INVLPG_LOCAL, VA + 4096, 0);
	CHECK_EQ(*(volatile u64 *)(VA + 4096), 0xbbbb);
	expect("mov $0", f_movimm, a, 1, 0, 0, 1, -1);
	expect("mov, not present", f_mov64, a, 0xabcdef0, 0, 0xabcdef0, 0xabcdef0, -1);
	expect("xchg", f_xchg, a, b, 0, b, a, -1);
	expect("xchg with 0", f_xchg, a, 0, 0, 0, a, -1);
	expect("lock cmpxchg, equal", f_cmpxchg, a, a, b, b, a, 1);
	expect("lock cmpxchg, other", f_cmpxchg, a, b, 0, a, a, 0);
	expect("cmpxchg, equal", f_cmpxchg_nolock, a, a, ro, ro, a, 1);
	expect("lock xadd", f_xadd, ro, a - ro, 0, a, ro, -1);
	expect("lock or", f_or, ro, PTE_RW, 0, a, PTE_RW, 0);
	expect("lock and", f_and, a, ~PTE_RW, 0, ro, ~PTE_RW, 0);
	expect("lock and, to 0", f_and, a, 0, 0, 0, 0, 1);
	expect("lock bts", f_bts, a, 1, 0, a | PTE_AVAIL, 1, -1);
	expect("lock btr", f_btr, a, 1, 0, ro, 1, -1);
	CHECK(flags & 1, "btr: CF is clear");
	expect("btc", f_btc, ro, 1, 0, a, 1, -1);
	CHECK(!(flags & 1), "btc: CF is set");
	expect("stos", f_stosq, 0, a, 0, a, a, -1);
	expect("mov, low half", f_mov32, a, (u32)b, 0, (a & ~0xfffffffful) | (u32)b, (u32)b, -1);
	expect("mov, low half to 0", f_mov32, a, 0, 0, a & ~0xfffffffful, 0, -1);
	expect("mov, high half", f_mov32h, a, a >> 32, 0, a, a >> 32, -1);
	expect("mov, high half: NX", f_mov32h, a, (a | PTE_NX) >> 32, 0, a | PTE_NX, (a | PTE_NX) >> 32, -1);
	/* 8 and 16 bits: carried out or refused, never wrong. */
	reset(ro);
	int v = try_call(f_orb, (void *)at(1));
	CHECK(v == -1 ? *at(1) == a : v == X86_PF && *at(1) == ro, "orb: vector %d, entry %#lx", v, *at(1));
	reset(a);
	in = (u16)ro;
	v = try_call(f_mov16, (void *)at(1));
	CHECK(v == -1 ? *at(1) == ro : v == X86_PF && *at(1) == a, "mov 16: vector %d, entry %#lx", v, *at(1));
}

static void forged(void)
{
	u64 table = va_to_maddr(l1) & PTE_ADDR;
	u64 bad[] = { table | PTE_KERN, va_to_maddr(root()) | PTE_KERN, (a & ~PTE_ADDR) | 1ul << 50,
		0xfee00000 | PTE_KERN };

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		refused("mov, forged", f_mov64, a, bad[i], 0);
		refused("mov into empty, forged", f_mov64, 0, bad[i], 0);
		refused("xchg, forged", f_xchg, a, bad[i], 0);
		refused("cmpxchg, forged", f_cmpxchg, a, a, bad[i]);
		refused("mov, low half, forged", f_mov32, (bad[i] & ~0xfffffffful) & ~1ul, (u32)bad[i], 0);
	}
	reset(table | PTE_P | PTE_US);
	u64 ro = *at(1);
	in = PTE_RW;
	refused("or RW into a table's mapping", f_or, ro, PTE_RW, 0);
	refused("straddling", f_straddle, a, b, 0);
	refused("straddling, 32 bits", f_straddle32, a, 0, 0);
}

extern u8 user_store[];
asm("user_store: mov $0, %eax; mov %rax, (%rdi); int $0x80");
static void user(void *p) { user_run((u64)user_store, (u64)p); }

static void do_store(void *p) { *(volatile u64 *)p = 0; }

void test_main(void)
{
	long rc = hc_vm_assist(VMASST_CMD_enable, VMASST_TYPE_writable_pagetables);
	int v;

	if (rc)
		test_skip("vm_assist writable_pagetables: %ld", rc);
	page_a = alloc_page();
	page_b = alloc_page();
	*page_a = 0xaaaa;
	*page_b = 0xbbbb;
	make_tables(VA);
	l1 = mfn_to_va((*find_entry(VA, 2) & PTE_ADDR) >> 12);
	a = va_to_maddr(page_a) | PTE_KERN;
	b = va_to_maddr(page_b) | PTE_KERN;
	forms();
	forged();
	/* User mode has no say. */
	reset(a);
	v = try_call(user, (void *)at(1));
	CHECK(v == X86_PF && this_vcpu()->trap.err == 7, "user store: vector %d, error %#x", v,
	      this_vcpu()->trap.err);
	CHECK_EQ(*at(1), a);
	this_vcpu()->user_rsp = 0;
	/* Higher tables and pages that are no tables are not written for anybody. */
	v = try_call(do_store, &root()[5]);
	CHECK(v == X86_PF || v == -1, "store to L4: vector %d", v);
	v = try_call(do_store, find_entry(VA, 3));
	CHECK(v == X86_PF || !(*find_entry(VA, 3) & 1), "store to L3: vector %d", v);
	u64 *ro = alloc_page();
	CHECK_EQ(set_ro(ro), 0);
	CHECK_EQ(try_call(do_store, ro), X86_PF);
	CHECK_EQ(set_rw(ro), 0);
	reset(0);
	CHECK_EQ(hc_vm_assist(99, 0), -XEN_ENOSYS);
	CHECK_EQ(hc_vm_assist(VMASST_CMD_enable, 60), -XEN_EINVAL);
}
