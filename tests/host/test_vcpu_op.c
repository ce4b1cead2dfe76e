/* SPDX-License-Identifier: MIT */
/*
 * pv/vcpu_op.c and pv/callback.c: contexts are installed whole or not at all; vcpu_info; up, down.
 */
#include "world.h"
#include <hv/pv.h>
#include <hv/regs.h>
#include <pv-abi/callback.h>
#include <pv-abi/vcpu.h>

static struct domain *d;
static struct vcpu *v0, *v1;
static mfn_t root, gdt;

static struct page_info *frame(void)
{
	struct page_info *pg = alloc_page(ALLOC_ZERO);

	assert_non_null(pg);
	assert_int_equal(assign_page(d, pg, false), 0);
	return pg;
}

static void begin(void)
{
	world_begin(4096, 1);
	d = world_domain(1, 3);
	v0 = d->vcpu[0];
	v1 = d->vcpu[1];
	world_run(v0);
	for (int i = 1; i < 3; i++) {
		d->vcpu[i]->initialised = false;
		d->vcpu[i]->pause_flags = VPF_down;
	}
	root = page_to_mfn(frame());
	gdt = page_to_mfn(frame());
}

static struct vcpu_guest_context context(void)
{
	struct vcpu_guest_context c = {
		.flags = VGCF_in_kernel | VGCF_syscall_disables_events,
		.user_regs = { .rip = 0xffffffff81000000, .cs = 0x10, .ss = 0x18,
			       .rsp = 0xffffffff82000000, .rflags = 0x1000 | X86_RFLAGS_NT,
			       .rdi = 42 },
		.kernel_sp = 0xffffffff82000000, .kernel_ss = 0x18,
		.ctrlreg = { [3] = mfn_x(root) << PAGE_SHIFT },
		.gdt_frames = { mfn_x(gdt) }, .gdt_ents = 16,
		.event_callback_eip = 0xffffffff81000100,
		.failsafe_callback_eip = 0xffffffff81000200,
		.syscall_callback_eip = 0xffffffff81000300,
		.gs_base_kernel = 0xffff888000001000,
	};

	for (unsigned int i = 0; i < 256; i++)
		c.trap_ctxt[i] = (struct trap_info){ .vector = (u8)i, .cs = 0x10,
						     .address = 0xffffffff81001000 + i };
	return c;
}

static long vop(u64 cmd, u64 id, const void *s, size_t size)
{
	return do_vcpu_op(cmd, id, s ? host_arg(s, size) : 0, 0, 0, 0);
}

static long initialise(unsigned int id, const struct vcpu_guest_context *c)
{
	return vop(VCPUOP_initialise, id, c, sizeof(*c));
}

static void whole_context(void **state)
{
	struct vcpu_guest_context c;

	begin();
	c = context();
	assert_int_equal(vop(VCPUOP_is_up, 1, NULL, 0), 0);
	assert_int_equal(vop(VCPUOP_up, 1, NULL, 0), -EINVAL);
	assert_int_equal(initialise(1, &c), 0);
	assert_true(v1->initialised);
	assert_int_equal(v1->regs.rdi, 42);
	assert_int_equal(v1->regs.cs & 3, 3);
	assert_int_equal(v1->regs.ss & 3, 3);
	assert_true(v1->regs.rflags & X86_RFLAGS_IF);
	assert_false(v1->regs.rflags & (X86_RFLAGS_IOPL | X86_RFLAGS_NT));
	assert_int_equal(v1->pv.iopl, 1);
	assert_int_equal(v1->pv.traps[77].address, 0xffffffff8100104d);
	assert_int_equal(v1->pv.traps[77].cs & 3, 3);
	assert_true(mfn_eq(v1->pv.root_kernel, root));
	assert_int_equal(v1->pv.syscall_masks_events, 1);
	assert_int_equal(v1->pv.gs_base_kernel, 0xffff888000001000);
	assert_int_equal(v1->pv.direct_ok & 1, 0);		/* there is no user root */
	assert_int_equal(v1->pause_flags & VPF_down, VPF_down);
	assert_int_equal(initialise(1, &c), -EEXIST);
	assert_int_equal(vop(VCPUOP_up, 1, NULL, 0), 0);
	assert_int_equal(vop(VCPUOP_is_up, 1, NULL, 0), 1);
	assert_int_equal(vop(VCPUOP_down, 1, NULL, 0), 0);
	assert_int_equal(vop(VCPUOP_is_up, 1, NULL, 0), 0);
	assert_int_equal(vop(VCPUOP_up, 1, NULL, 0), 0);	/* and again, without initialise */
	world_end();
}

static void bad_contexts(void **state)
{
	struct vcpu_guest_context c;

	begin();
#define BAD(change) do { \
	c = context(); \
	change; \
	assert_true(initialise(1, &c) < 0); \
	assert_false(v1->initialised); \
	assert_true(mfn_eq(v1->pv.root_kernel, INVALID_MFN)); \
	assert_int_equal(v1->pv.gdt_ents, 0); \
} while (0)
	BAD(c.user_regs.rip = 0x800000000000);
	BAD(c.user_regs.rsp = 1UL << 63);
	BAD(c.kernel_sp = 0x800000000000);
	BAD(c.event_callback_eip = 0x800000000000);
	BAD(c.failsafe_callback_eip = 0x800000000000);
	BAD(c.syscall_callback_eip = 0x800000000000);
	BAD(c.fs_base = 0x800000000000);
	BAD(c.gs_base_user = 0x800000000000);
	BAD(c.trap_ctxt[255].address = 0x800000000000);
	BAD(c.gdt_ents = 7169);
	BAD(c.gdt_frames[0] = ~0UL);
	BAD(c.gdt_frames[0] = mfn_x(root));
	BAD(c.ldt_ents = 9000; c.ldt_base = 0x1000);
	BAD(c.ldt_ents = 5; c.ldt_base = HV_VIRT_START);
	BAD(c.ctrlreg[3] = ~0UL);
	BAD(c.ctrlreg[3] = 0);
	BAD(c.ctrlreg[1] = mfn_x(gdt) << PAGE_SHIFT; c.gdt_frames[0] = mfn_x(gdt));
	BAD(c.ctrlreg[3] = mfn_x(d->shared_info_mfn) << PAGE_SHIFT);
	BAD(c.flags = 0);				/* user mode, no user root */
	BAD(c.debugreg[0] = HV_VIRT_START; c.debugreg[7] = 0x403);
#undef BAD
	assert_int_equal(do_vcpu_op(VCPUOP_initialise, 1, 0x1000, 0, 0, 0), -EFAULT);
	for (unsigned int n = 1; n < 3; n++) {
		c = context();
		heap_fail_after(n);
		if (initialise(1, &c) == -ENOMEM)
			assert_false(v1->initialised);
	}
	heap_fail_after(0);
	assert_int_equal(vop(VCPUOP_is_up, 3, NULL, 0), -ENOENT);
	assert_int_equal(vop(VCPUOP_is_up, ~0UL, NULL, 0), -ENOENT);
	world_end();
}

static void moving_vcpu_info(void **state)
{
	struct vcpu_register_vcpu_info r;
	struct vcpu_info *to;
	mfn_t mfn;

	begin();
	mfn = page_to_mfn(frame());
	r = (struct vcpu_register_vcpu_info){ .mfn = mfn_x(mfn), .offset = 4095 };
	assert_int_equal(vop(VCPUOP_register_vcpu_info, 0, &r, sizeof(r)), -EINVAL);
	r.offset = 4;
	assert_int_equal(vop(VCPUOP_register_vcpu_info, 0, &r, sizeof(r)), -EINVAL);
	r.offset = 4096 - sizeof(struct vcpu_info);
	r.mfn = ~0UL;
	assert_int_equal(vop(VCPUOP_register_vcpu_info, 0, &r, sizeof(r)), -EINVAL);
	r.mfn = mfn_x(mfn);
	v0->vcpu_info->arch.cr2 = 99;
	v0->vcpu_info->evtchn_upcall_mask = 1;
	assert_int_equal(vop(VCPUOP_register_vcpu_info, 0, &r, sizeof(r)), 0);
	to = (struct vcpu_info *)((char *)mfn_to_virt(mfn) + r.offset);
	assert_ptr_equal(v0->vcpu_info, to);
	assert_int_equal(to->arch.cr2, 99);
	assert_int_equal(to->evtchn_upcall_mask, 1);
	assert_int_equal(to->evtchn_upcall_pending, 1);
	assert_int_equal(to->evtchn_pending_sel, ~0UL);
	assert_true(to->time.version && !(to->time.version & 1));
	assert_int_equal(vop(VCPUOP_register_vcpu_info, 0, &r, sizeof(r)), -EINVAL);	/* once */
	v1->pause_flags = 0;
	assert_int_equal(vop(VCPUOP_register_vcpu_info, 1, &r, sizeof(r)), -EINVAL);	/* it is up */
	v1->pause_flags = VPF_down;
	r.offset = 0;
	assert_int_equal(vop(VCPUOP_register_vcpu_info, 1, &r, sizeof(r)), 0);
	/* a page table cannot be written by us either */
	r.mfn = mfn_x(root);
	assert_int_equal(set_kernel_root(v0, root), 0);
	assert_int_equal(vop(VCPUOP_register_vcpu_info, 2, &r, sizeof(r)), -EINVAL);
	assert_int_equal(audit_all(), 0);
	world_end();
}

static void callbacks(void **state)
{
	struct callback_register r = { .type = CALLBACKTYPE_syscall, .flags = CALLBACKF_mask_events,
				       .address = 0xffffffff81000000 };
	struct callback_unregister u = { .type = CALLBACKTYPE_event };
	mfn_t user;

	begin();
	user = page_to_mfn(frame());
	assert_int_equal(world_call(callback_op, CALLBACKOP_register, r), 0);
	assert_int_equal(v0->pv.direct_ok & 1, 0);
	assert_int_equal(set_kernel_root(v0, root), 0);
	assert_int_equal(set_user_root(v0, user), 0);
	assert_int_equal(do_stack_switch(GUEST_SS, 0xffff888000010000, 0, 0, 0, 0), 0);
	assert_int_equal(v0->pv.direct_ok & 1, 1);
	assert_int_equal(do_stack_switch(GUEST_SS, 0xffff888000010008, 0, 0, 0, 0), 0);
	assert_int_equal(v0->pv.direct_ok & 1, 0);		/* not aligned */
	assert_int_equal(do_stack_switch(GUEST_SS, HV_VIRT_END, 0, 0, 0, 0), 0);
	assert_int_equal(v0->pv.direct_ok & 1, 0);
	assert_int_equal(do_stack_switch(GUEST_SS, 0, 0, 0, 0, 0), 0);
	assert_int_equal(v0->pv.direct_ok & 1, 0);
	assert_int_equal(do_stack_switch(GUEST_SS, 0xffff888000010000, 0, 0, 0, 0), 0);
	assert_int_equal(set_user_root(v0, INVALID_MFN), 0);
	assert_int_equal(v0->pv.direct_ok & 1, 0);
	assert_int_equal(set_user_root(v0, user), 0);
	r.flags = 0;						/* does not mask: the long way */
	assert_int_equal(world_call(callback_op, CALLBACKOP_register, r), 0);
	assert_int_equal(v0->pv.direct_ok & 1, 0);
	r.address = 0x800000000000;
	assert_int_equal(world_call(callback_op, CALLBACKOP_register, r), -EINVAL);
	r.address = 0x1000;
	r.type = 99;
	assert_int_equal(world_call(callback_op, CALLBACKOP_register, r), -ENOSYS);
	assert_int_equal(world_call(callback_op, CALLBACKOP_unregister, u), -EINVAL);
	r.type = CALLBACKTYPE_nmi;
	assert_int_equal(world_call(callback_op, CALLBACKOP_register, r), 0);
	assert_int_equal(v0->pv.traps[2].address, 0x1000);
	world_end();
}

static void trap_tables(void **state)
{
	struct trap_info t[4] = {
		{ 14, 4, 0xe033, 0xffffffff81000000 }, { 3, 3, 0xe033, 0xffffffff81000010 },
	};
	u64 g;

	begin();
	g = host_arg(t, sizeof(t));
	assert_int_equal(do_set_trap_table(g, 0, 0, 0, 0, 0), 0);
	assert_int_equal(v0->pv.traps[3].flags, 3);
	t[1].address = 0x800000000000;
	assert_int_equal(do_set_trap_table(host_arg(t, sizeof(t)), 0, 0, 0, 0, 0), -EINVAL);
	assert_int_equal(do_set_trap_table(0x1000, 0, 0, 0, 0, 0), -EFAULT);
	assert_int_equal(do_set_trap_table(0, 0, 0, 0, 0, 0), 0);
	assert_int_equal(v0->pv.traps[3].address, 0);
	assert_int_equal(do_set_segment_base(SEGBASE_FS, 0x1234, 0, 0, 0, 0), 0);
	assert_int_equal(v0->pv.fs_base, 0x1234);
	assert_int_equal(do_set_segment_base(SEGBASE_FS, 1UL << 47, 0, 0, 0, 0), -EINVAL);
	assert_int_equal(do_set_segment_base(4, 0, 0, 0, 0, 0), -EINVAL);
	world_end();
}

static void last_one_down(void **state)
{
	begin();
	assert_int_equal(vop(VCPUOP_down, 0, NULL, 0), 0);
	assert_true(d->is_shut_down);
	assert_int_equal(d->shutdown_code, 0);
	world_end();
}

static void nmi_and_physid(void **state)
{
	struct vcpu_get_physid p;

	begin();
	assert_int_equal(vop(VCPUOP_send_nmi, 1, NULL, 0), 0);
	assert_true(v1->work & VW_nmi);
	assert_int_equal(do_vcpu_op(VCPUOP_send_nmi, 1, 5, 0, 0, 0), -EINVAL);
	assert_int_equal(vop(VCPUOP_get_physid, 0, &p, sizeof(p)), -EINVAL);
	assert_int_equal(vop(77, 0, NULL, 0), -ENOSYS);
	world_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_context),
		cmocka_unit_test(bad_contexts),
		cmocka_unit_test(moving_vcpu_info),
		cmocka_unit_test(callbacks),
		cmocka_unit_test(trap_tables),
		cmocka_unit_test(last_one_down),
		cmocka_unit_test(nmi_and_physid),
	};

	return host_main(tests);
}
