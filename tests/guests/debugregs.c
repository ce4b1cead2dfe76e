/* SPDX-License-Identifier: MIT */
/*
 * debugregs: hardware breakpoints of a vCPU.
 *
 * Claim:  DR0-DR3, DR6 and DR7 are set and read back by hypercall (and by MOV DR); execution and data
 *         breakpoints make #DB with DR6 telling which; they belong to the vCPU; I/O breakpoints, general
 *         detect and addresses of the hypervisor are refused.
 * Broken: no watchpoints in a guest's debugger; or a breakpoint that fires inside the hypervisor.
 */
#include "guest.h"

static u64 watched;
static struct regs *last(void) { return &this_vcpu()->trap; }

static void wr(void *p) { *(volatile u64 *)p = 1; }
static void rd(void *p) { (void)*(volatile u64 *)p; }
static noinline void target(void *p) { asm volatile("nop; nop"); }

static u64 dr6(void)
{
	return (u64)hc_get_debugreg(6);
}

void test_main(void)
{
	int v;

	CHECK_EQ(hc_get_debugreg(6) & 0xffff0ff0, 0xffff0ff0);
	CHECK_EQ(hc_get_debugreg(7) & ~0x400, 0);
	for (unsigned int i = 0; i < 4; i++) {
		CHECK_EQ(hc_set_debugreg(i, 0x1000 * (i + 1)), 0);
		CHECK_EQ(hc_get_debugreg(i), 0x1000 * (i + 1));
	}
	/* Instruction. */
	CHECK_EQ(hc_set_debugreg(6, 0xffff0ff0), 0);
	CHECK_EQ(hc_set_debugreg(0, (u64)target), 0);
	CHECK_EQ(hc_set_debugreg(7, 0x402), 0);			/* G0 */
	CHECK_EQ(hc_get_debugreg(7), 0x402);
	v = try_call(target, NULL);
	CHECK_EQ(v, X86_DB);
	CHECK_EQ(last()->rip, target);
	CHECK(dr6() & 1, "DR6 %#lx", dr6());
	/* Data write on DR1, 8 bytes; a read does not match. */
	CHECK_EQ(hc_set_debugreg(7, 0), 0);
	CHECK_EQ(hc_set_debugreg(6, 0xffff0ff0), 0);
	CHECK_EQ(hc_set_debugreg(1, (u64)&watched), 0);
	CHECK_EQ(hc_set_debugreg(7, 0x400 | 1 << 2 | 9ul << 20), 0);
	CHECK_EQ(try_call(rd, &watched), -1);
	CHECK_EQ(try_call(wr, &watched), X86_DB);
	CHECK_EQ(watched, 1);					/* a trap: after the write */
	CHECK((dr6() & 15) == 2, "DR6 %#lx", dr6());
	/* The hypervisor's own access to the word does not count as a stop of the hypervisor. */
	hc_set_debugreg(6, 0xffff0ff0);
	static struct xen_feature_info fi __aligned(8);
	hc_set_debugreg(1, (u64)&fi);
	hc_set_debugreg(7, 0x400 | 1 << 2 | 9ul << 20);
	void ask(void *a) { hc_xen_version(XENVER_get_features, &fi); }
	v = try_call(ask, NULL);
	CHECK(v == -1 || v == X86_DB, "a watched buffer written by the hypervisor: vector %d", v);
	/* Off. */
	CHECK_EQ(hc_set_debugreg(7, 0), 0);
	CHECK_EQ(try_call(wr, &watched), -1);
	CHECK_EQ(try_call(target, NULL), -1);
	/* By instruction. */
	u64 d;
	CHECK_EQ(try_asm("mov $0x5550, %%eax; mov %%rax, %%db2"), -1);
	CHECK_EQ(hc_get_debugreg(2), 0x5550);
	void read_dr2(void *a) { asm volatile("mov %%db2, %0" : "=r"(*(u64 *)a)); }
	CHECK_EQ(try_call(read_dr2, &d), -1);
	CHECK_EQ(d, 0x5550);
	/* Refused. */
	CHECK_EQ(hc_set_debugreg(0, HYPERVISOR_VIRT_START), -XEN_EPERM);
	CHECK_EQ(hc_set_debugreg(3, HYPERVISOR_VIRT_START + (5ul << 39)), -XEN_EPERM);
	CHECK_EQ(hc_set_debugreg(0, HYPERVISOR_VIRT_END - 1), -XEN_EPERM);
	CHECK_EQ(hc_set_debugreg(0, 0x8000000000000000ul), -XEN_EPERM);
	CHECK_EQ(hc_get_debugreg(0), target);
	CHECK(hc_set_debugreg(9, 0) < 0, "DR9");
	CHECK(hc_get_debugreg(9) < 0, "DR9");
	CHECK(hc_set_debugreg(7, 1ul << 32) < 0, "DR7 of 33 bits");
	v = (int)hc_set_debugreg(7, 0x400 | 1 << 13);		/* general detect */
	CHECK(v == -XEN_EPERM || (v == 0 && !(hc_get_debugreg(7) & 1 << 13)), "GD: %d", v);
	/* DR4 and DR5: other names of DR6 and DR7, or nothing. */
	CHECK(hc_set_debugreg(4, 0xffff0ff0) <= 0 && hc_get_debugreg(6) == 0xffff0ff0, "DR4");
	CHECK_EQ(hc_set_debugreg(6, 0xffff0ff0), 0);
	CHECK_EQ(hc_set_debugreg(7, 0x400), 0);
}
