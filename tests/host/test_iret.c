/* SPDX-License-Identifier: MIT */
/*
 * pv/callback.c: R1. What of a guest's frame reaches the registers, modes, the event mask, bad frames.
 * (R2 needs the processor: tests/guests/abuse_iret.c.)
 */
#include "world.h"
#include <hv/pv.h>
#include <hv/regs.h>

#define MAY_SET (X86_RFLAGS_CF | X86_RFLAGS_PF | X86_RFLAGS_AF | X86_RFLAGS_ZF | X86_RFLAGS_SF | \
		 X86_RFLAGS_TF | X86_RFLAGS_DF | X86_RFLAGS_OF | X86_RFLAGS_RF | X86_RFLAGS_AC | \
		 X86_RFLAGS_ID)

static struct domain *d;
static struct vcpu *v;
static struct cpu_user_regs *r;

static void begin(void)
{
	world_begin(4096, 1);
	d = world_domain(1, 1);
	v = d->vcpu[0];
	world_run(v);
	r = guest_regs();
	*r = (struct cpu_user_regs){ .rip = 0x1111, .cs = GUEST_CS64, .ss = GUEST_SS, .rax = 23, .rcx = 1,
				     .r11 = 2, .rflags = X86_RFLAGS_IF | X86_RFLAGS_MBS };
}

static const struct iret_context good = { .rax = 7, .r11 = 8, .rcx = 9, .rip = 0x400000, .cs = 0xe030,
					  .rflags = X86_RFLAGS_IF | X86_RFLAGS_ZF, .rsp = 0x7000, .ss = 0xe028 };

static long load(struct iret_context f)
{
	r->rsp = host_arg(&f, sizeof(f));
	return do_iret(0, 0, 0, 0, 0, 0);
}

static void to_kernel_mode(void **state)
{
	begin();
	v->vcpu_info->evtchn_upcall_mask = 1;
	assert_int_equal(load(good), -ERESTART);	/* rax is the frame's */
	assert_int_equal(v->pv.in_kernel, 1);
	assert_int_equal(r->rip, 0x400000);
	assert_int_equal(r->rsp, 0x7000);
	assert_int_equal(r->rax, 7);
	assert_int_equal(r->r11, 8);
	assert_int_equal(r->rcx, 9);
	assert_int_equal(r->cs, 0xe033);
	assert_int_equal(r->ss, 0xe02b);
	assert_int_equal(r->rflags, X86_RFLAGS_IF | X86_RFLAGS_ZF | X86_RFLAGS_MBS);
	assert_int_equal(v->vcpu_info->evtchn_upcall_mask, 0);
	world_end();
}

static void to_user_mode(void **state)
{
	struct iret_context f = good;
	struct page_info *root;

	begin();
	f.cs = 0x33;
	f.flags = VGCF_IN_SYSCALL;
	f.rflags = X86_RFLAGS_CF;
	assert_int_equal(load(f), 0);			/* no user root: cannot run there */
	assert_true(d->is_shut_down);
	assert_int_equal(v->pv.in_kernel, 1);
	assert_int_equal(r->rip, 0x1111);
	d->is_shut_down = false;
	v->pause_flags = 0;
	root = alloc_page(ALLOC_ZERO);
	assert_int_equal(assign_page(d, root, true), 0);
	assert_int_equal(set_user_root(v, page_to_mfn(root)), 0);
	assert_int_equal(load(f), -ERESTART);
	assert_int_equal(v->pv.in_kernel, 0);
	assert_int_equal(r->cs, 0x33);
	assert_int_equal(r->rcx, r->rip);		/* as SYSRET leaves them */
	assert_int_equal(r->r11, r->rflags);
	assert_int_equal(v->vcpu_info->evtchn_upcall_mask, 1);
	assert_true(r->rflags & X86_RFLAGS_IF);
	assert_int_equal(audit_domain(d), 0);
	world_end();
}

static void unreadable_frames(void **state)
{
	static const u64 bad[] = { 0x5000, HV_VIRT_START, 0xffff830000000000UL, HV_VIRT_END - 8,
				   HV_VIRT_START - 8, 1UL << 47, ~0UL - 7, M2P_VIRT_START };

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		begin();
		r->rsp = bad[i];
		assert_int_equal(do_iret(0, 0, 0, 0, 0, 0), 0);
		assert_true(d->is_shut_down);
		assert_int_equal(r->rip, 0x1111);
		world_end();
	}
}

/* R1, for whatever the frame says. */
static void any_frame(void **state)
{
	begin();
	for (int i = 0; i < 50000; i++) {
		struct iret_context f;

		for (unsigned int k = 0; k < sizeof(f) / 8; k++)
			((u64 *)&f)[k] = host_random() << host_random_below(12);
		f.cs &= ~3UL;				/* kernel mode: there is no user root here */
		host_arg_reset();
		assert_int_equal(load(f), -ERESTART);
		assert_int_equal(r->cs & 3, 3);
		assert_int_equal(r->ss & 3, 3);
		assert_int_equal(r->cs & ~3U, f.cs & 0xfffc);
		assert_false(r->rflags & ~(MAY_SET | X86_RFLAGS_IF | X86_RFLAGS_MBS));
		assert_int_equal(r->rflags & MAY_SET, f.rflags & MAY_SET);
		assert_true(r->rflags & X86_RFLAGS_IF);
		assert_true(r->rflags & X86_RFLAGS_MBS);
		assert_int_equal(!v->vcpu_info->evtchn_upcall_mask, !!(f.rflags & X86_RFLAGS_IF));
	}
	world_end();
}

/* A bounce and an iret are each other's inverse. */
static void there_and_back(void **state)
{
	struct cpu_user_regs before;
	struct iret_context f;

	begin();
	v->pv.traps[3] = (struct trap_info){ .address = 0x9000 };
	for (int masked = 0; masked < 2; masked++) {
		v->vcpu_info->evtchn_upcall_mask = masked;
		r->rsp = host_arg(NULL, 512) + 512;
		r->rflags |= X86_RFLAGS_DF | X86_RFLAGS_TF;
		before = *r;
		bounce_trap(v, r, 3, false, 0);
		memcpy(&f.rip, (u64 *)host_arg_ptr(r->rsp) + 2, 40);
		memcpy(&f.rcx, host_arg_ptr(r->rsp), 8);
		memcpy(&f.r11, (u64 *)host_arg_ptr(r->rsp) + 1, 8);
		f.rax = before.rax;
		f.flags = 0;
		f.cs = (u32)f.cs;			/* the saved mask is beside it */
		assert_int_equal(load(f), -ERESTART);
		assert_memory_equal(r, &before, sizeof(before));
		assert_int_equal(v->vcpu_info->evtchn_upcall_mask, masked);
	}
	world_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(to_kernel_mode),
		cmocka_unit_test(to_user_mode),
		cmocka_unit_test(unreadable_frames),
		cmocka_unit_test(any_frame),
		cmocka_unit_test(there_and_back),
	};

	return host_main(tests);
}
