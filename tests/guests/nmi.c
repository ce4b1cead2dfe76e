/* SPDX-License-Identifier: MIT */
/*
 * nmi: the hypervisor's own NMI in user code whose selectors are gone.
 *
 * Claim:  a vCPU runs user code by a code segment of its LDT; another one makes that descriptor not present
 *         and has all CPUs show their registers, which dom0 may, by NMI. The way back to the user's selector
 *         faults: that is the guest's, a failsafe callback or in ring 1 an exception, and it runs on after it.
 * Broken: the hypervisor panics at the IRETQ of its NMI handler.
 * Run:    smp=2 timeout=180
 */
#include "guest.h"
#include "sysctl.h"

#define CODE3	0x00affb000000fffful
#define NP3	0x00af7b000000fffful
#define DATA3	0x00cff3000000fffful
#define ROUNDS	8

static u64 *ldt;
static volatile u64 round, done;
extern u8 user_spin[];
asm("user_spin: pause; jmp user_spin\n");

static void other_vcpu(void *arg)
{
	static char key = 'd';
	static struct xen_sysctl op = { .cmd = XEN_SYSCTL_debug_keys, .interface_version = XEN_SYSCTL_INTERFACE_VERSION };

	op.u.debug_keys.keys = (u64)&key;
	op.u.debug_keys.nr_keys = 1;
	while (done < ROUNDS) {
		while (round == done)
			asm volatile("pause" ::: "memory");
		spin_ns(5000000);			/* most likely it is in user mode then */
		CHECK_EQ(hc_update_descriptor(va_to_maddr(&ldt[2]), NP3), 0);
		CHECK_EQ(HC_1(__HYPERVISOR_sysctl, &op), 0);
		done++;
	}
}

static void go(void *arg)
{
	user_run_regs(arg);
}

void test_main(void)
{
	struct regs r;
	int v;

	ldt = alloc_page();
	ldt[1] = DATA3;
	ldt[2] = CODE3;
	CHECK_EQ(set_ro(ldt), 0);
	CHECK_EQ(mmuext(MMUEXT_SET_LDT, (u64)ldt, 512), 0);
	user_init();
	vcpu_start(1, other_vcpu, NULL);
	while (round < ROUNDS) {
		CHECK_EQ(hc_update_descriptor(va_to_maddr(&ldt[2]), CODE3), 0);
		user_regs(&r, (u64)user_spin, 0);
		r.cs = 2 * 8 + 7;
		r.ss = 1 * 8 + 7;
		round++;
		v = try_call(go, &r);
		this_vcpu()->user_rsp = 0;
		CHECK(v == VEC_FAILSAFE || v == X86_GP || v == X86_NP, "round %lu: vector %d", round, v);
		CHECK(wait_for(done == round, 60000), "the other vCPU is at round %lu of %lu", done, round);
	}
	CHECK(wait_for(!hc_vcpu_op(VCPUOP_is_up, 1, NULL), 20000), "the other vCPU does not stop");
}
