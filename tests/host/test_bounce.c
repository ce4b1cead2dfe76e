/* SPDX-License-Identifier: MIT */
/*
 * pv/bounce.c: B1-B3. Frames word by word, the state behind them, bad stacks and handlers, what
 * kind of exception goes where, the work before a return to the guest.
 */
#include "world.h"
#include <hv/pv.h>
#include <hv/regs.h>

#define ENTRY 0xffffffff81000000UL
#define ALL_FLAGS 0x3f7fd7UL

static struct domain *d;
static struct vcpu *v;
static struct cpu_user_regs *r;
static u64 stack;			/* guest address of the first byte behind it */
static char page[4096];
static bool ptwr_takes, privop_takes, forced_takes;
static unsigned int ptwr_asked, privop_asked;

bool ptwr_fault(struct vcpu *of, struct cpu_user_regs *regs, u64 va)
{
	ptwr_asked++;
	return ptwr_takes;
}

bool emulate_privop(struct vcpu *of, struct cpu_user_regs *regs)
{
	privop_asked++;
	return privop_takes;
}

bool emulate_forced(struct vcpu *of, struct cpu_user_regs *regs)
{
	return forced_takes;
}

static void begin(bool kernel)
{
	world_begin(4096, 1);
	d = world_domain(1, 1);
	v = d->vcpu[0];
	world_run(v);
	ptwr_takes = privop_takes = forced_takes = false;
	ptwr_asked = privop_asked = 0;
	v->pv.in_kernel = kernel;
	v->pv.event_entry = ENTRY + 1;
	v->pv.failsafe_entry = ENTRY + 2;
	v->pv.syscall_entry = ENTRY + 3;
	for (unsigned int i = 0; i < 256; i++)
		v->pv.traps[i] = (struct trap_info){ .vector = i, .flags = 3, .address = ENTRY + 0x100 + i };
	stack = host_arg(NULL, 4096) + 4096;
	v->pv.kernel_sp = stack;
	v->vcpu_info->evtchn_upcall_mask = 0;
	r = guest_regs();
	*r = (struct cpu_user_regs){ .rip = 0x401234, .cs = kernel ? GUEST_CS64 : 0x33, .ss = GUEST_SS,
				     .rflags = X86_RFLAGS_IF | X86_RFLAGS_MBS | X86_RFLAGS_ZF,
				     .rsp = kernel ? stack : 0x7fff0000, .rcx = 0xc1, .r11 = 0xb2,
				     .ds = 0xd, .es = 0xe, .fs = 0xf, .gs = 0x10 };
}

/* n words of the frame from rsp up. */
static void expect(const u64 *words, unsigned int n)
{
	const u64 *f = host_arg_ptr(r->rsp);

	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(f[i], words[i]);
}

/* B2 */
static void in_kernel_now(u64 rip)
{
	assert_int_equal(v->pv.in_kernel, 1);
	assert_int_equal(r->rip, rip);
	assert_int_equal(r->cs, GUEST_CS64);
	assert_int_equal(r->ss, GUEST_SS);
	assert_true(r->rflags & X86_RFLAGS_IF);
	assert_false(r->rflags & (X86_RFLAGS_TF | X86_RFLAGS_NT | X86_RFLAGS_RF | X86_RFLAGS_VM |
				  X86_RFLAGS_AC | X86_RFLAGS_IOPL));
	assert_false(d->is_shut_down);
}

static void crashed(void)
{
	assert_true(d->is_shut_down);
	assert_int_equal(d->shutdown_code, 3);
	assert_true(v->pause_flags & VPF_shutdown);
}

/* --- frames --- */

static void trap_in_kernel_mode(void **state)
{
	begin(true);
	r->rsp = stack - 24;			/* not aligned */
	bounce_trap(v, r, 3, false, 0);
	in_kernel_now(ENTRY + 0x103);
	assert_int_equal(r->rsp, stack - 32 - 7 * 8);
	expect((u64[]){ 0xc1, 0xb2, 0x401234, GUEST_CS64 & ~3U, X86_RFLAGS_IF | X86_RFLAGS_MBS | X86_RFLAGS_ZF,
			stack - 24, GUEST_SS }, 7);
	assert_int_equal(v->vcpu_info->evtchn_upcall_mask, 0);
	world_end();
}

static void trap_in_user_mode(void **state)
{
	begin(false);
	v->pv.kernel_sp = stack - 8;
	bounce_trap(v, r, 13, true, 0x1234);
	in_kernel_now(ENTRY + 0x10d);
	assert_int_equal(r->rsp, stack - 16 - 8 * 8);
	expect((u64[]){ 0xc1, 0xb2, 0x1234, 0x401234, 0x33, X86_RFLAGS_IF | X86_RFLAGS_MBS | X86_RFLAGS_ZF,
			0x7fff0000, GUEST_SS }, 8);
	world_end();
}

/* The event mask is the guest's IF: shown in the flags and beside cs; gates may set it. */
static void event_mask(void **state)
{
	begin(true);
	v->vcpu_info->evtchn_upcall_mask = 0x40;	/* any value but 0 */
	bounce_trap(v, r, 0, false, 0);
	expect((u64[]){ 0xc1, 0xb2, 0x401234, 1UL << 32 | (GUEST_CS64 & ~3U),
			X86_RFLAGS_MBS | X86_RFLAGS_ZF }, 5);
	assert_int_equal(v->vcpu_info->evtchn_upcall_mask, 0x40);
	v->vcpu_info->evtchn_upcall_mask = 0;
	v->pv.traps[0].flags |= 4;
	bounce_trap(v, r, 0, false, 0);
	assert_int_equal(v->vcpu_info->evtchn_upcall_mask, 1);
	v->vcpu_info->evtchn_upcall_mask = 0;
	v->vcpu_info->evtchn_upcall_pending = 1;
	exit_to_guest_work(r);				/* B3 */
	in_kernel_now(ENTRY + 1);
	assert_int_equal(v->vcpu_info->evtchn_upcall_mask, 1);
	world_end();
}

static void flags(void **state)
{
	begin(true);
	r->rflags = ALL_FLAGS;
	v->pv.iopl = 1;
	bounce_trap(v, r, 2, false, 0);
	in_kernel_now(ENTRY + 0x102);
	assert_int_equal(((u64 *)host_arg_ptr(r->rsp))[4], ALL_FLAGS & ~X86_RFLAGS_IOPL);
	v->pv.vm_assist |= BIT(VMASST_TYPE_architectural_iopl);
	bounce_trap(v, r, 2, false, 0);
	assert_int_equal(((u64 *)host_arg_ptr(r->rsp))[4] & X86_RFLAGS_IOPL, 1UL << 12);
	world_end();
}

static void page_faults(void **state)
{
	begin(true);
	bounce_page_fault(v, r, 0xdead000, PFEC_P | PFEC_U | PFEC_W);
	assert_int_equal(((u64 *)host_arg_ptr(r->rsp))[2], PFEC_P | PFEC_W);
	assert_int_equal(v->vcpu_info->arch.cr2, 0xdead000);
	world_end();
	begin(false);
	bounce_page_fault(v, r, 0xbeef000, PFEC_P);
	in_kernel_now(ENTRY + 0x10e);
	assert_int_equal(((u64 *)host_arg_ptr(r->rsp))[2], PFEC_P | PFEC_U);
	assert_int_equal(v->vcpu_info->arch.cr2, 0xbeef000);
	world_end();
}

static void failsafe(void **state)
{
	begin(true);
	v->pv.failsafe_masks_events = true;
	bounce_failsafe(v, r);
	in_kernel_now(ENTRY + 2);
	expect((u64[]){ 0xc1, 0xb2, 0xd, 0xe, 0xf, 0x10, 0x401234, GUEST_CS64 & ~3U }, 8);
	assert_int_equal(v->vcpu_info->evtchn_upcall_mask, 1);
	world_end();
}

static void syscalls(void **state)
{
	begin(false);
	v->pv.syscall_masks_events = 1;
	guest_syscall(r, false);
	in_kernel_now(ENTRY + 3);
	expect((u64[]){ 0xc1, 0xb2, 0x401234, 0x33 }, 4);
	assert_int_equal(v->vcpu_info->evtchn_upcall_mask, 1);
	world_end();
	for (int compat = 0; compat < 2; compat++) {	/* no callback: #UD at the instruction */
		begin(false);
		v->pv.syscall_entry = 0;
		guest_syscall(r, compat);
		in_kernel_now(ENTRY + 0x106);
		assert_int_equal(((u64 *)host_arg_ptr(r->rsp))[2], 0x401232);
		world_end();
	}
	begin(false);
	v->pv.syscall32_entry = ENTRY + 9;
	guest_syscall(r, true);
	in_kernel_now(ENTRY + 9);
	world_end();
	begin(false);
	guest_sysenter(r);
	in_kernel_now(ENTRY + 0x106);
	world_end();
	begin(false);
	v->pv.sysenter_entry = ENTRY + 10;
	v->pv.sysenter_masks_events = true;
	guest_sysenter(r);
	in_kernel_now(ENTRY + 10);
	assert_int_equal(v->vcpu_info->evtchn_upcall_mask, 1);
	world_end();
}

/* --- what cannot be delivered --- */

static void bad_handlers(void **state)
{
	static const u64 bad[] = { 0, 1UL << 47, HV_VIRT_START, HV_VIRT_END - 1, 0xffff830000001000UL };

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		begin(true);
		v->pv.traps[6].address = bad[i];
		bounce_trap(v, r, 6, false, 0);
		crashed();
		assert_int_equal(r->rip, 0x401234);
		world_end();
	}
}

static void not_ours(u64 gva, size_t n, bool write)
{
	assert_false(write && (in_hv_slots(gva) || in_hv_slots(gva + n - 1)));
}

static void bad_stacks(void **state)
{
	static const u64 bad[] = { 0x5000, HV_VIRT_START + 8, HV_VIRT_START + 64, HV_VIRT_END, HV_VIRT_END + 48,
				   0xffff830000001000UL, 1UL << 47, 0, 16, ~0UL };

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		for (int kernel = 0; kernel < 2; kernel++) {
			begin(kernel);
			r->rsp = v->pv.kernel_sp = bad[i];
			host_map_flat(HV_VIRT_END, page, 4096, true);
			host_copy_hook = not_ours;	/* refused before it is tried */
			bounce_trap(v, r, 14, true, 0);
			crashed();
			world_end();
		}
	/* read-only; an edge that the frame just reaches; one that it crosses */
	begin(true);
	host_map_flat(0x7000000, page, 4096, false);
	r->rsp = 0x7000800;
	bounce_trap(v, r, 14, true, 0);
	crashed();
	world_end();
	begin(true);
	r->rsp = stack - 4096 + 64;
	bounce_trap(v, r, 14, true, 0);
	in_kernel_now(ENTRY + 0x10e);
	world_end();
	begin(true);
	host_unmap_flat();
	host_map_flat(0x7000000, page, 4096, true);
	r->rsp = 0x7000000 + 48;
	bounce_trap(v, r, 14, true, 0);
	crashed();
	world_end();
}

/* B1: whichever access fails. */
static void fault_in_the_middle(void **state)
{
	for (unsigned int n = 1;; n++) {
		bool more;

		begin(false);
		host_copy_fail_after(n);
		bounce_failsafe(v, r);
		more = !host_copy_fail_pending();
		host_copy_fail_after(0);
		if (more)
			crashed();
		else
			in_kernel_now(ENTRY + 2);
		world_end();
		if (!more)
			break;
		assert_true(n < 30);
	}
}

/* --- which exception is what --- */

static void error_codes(void **state)
{
	static const u64 with = BIT(8) | BIT(10) | BIT(11) | BIT(12) | BIT(13) | BIT(14) | BIT(17) | BIT(21);

	for (unsigned int i = 0; i < 32; i++) {
		if (i == 14)
			continue;
		begin(true);
		r->error_code = 0x50;
		guest_exception(r, i);
		in_kernel_now(ENTRY + 0x100 + i);
		assert_int_equal(stack - r->rsp, with & BIT(i) ? 64 : 56);
		if (with & BIT(i))
			assert_int_equal(((u64 *)host_arg_ptr(r->rsp))[2], 0x50);
		world_end();
	}
}

static void emulated_exceptions(void **state)
{
	begin(true);
	privop_takes = forced_takes = true;
	guest_exception(r, 13);
	assert_int_equal(privop_asked, 1);
	guest_invalid_op(r);			/* not readable there: asked */
	assert_int_equal(r->rip, 0x401234);
	r->error_code = 1;				/* EXT: not the instruction's doing */
	guest_exception(r, 13);
	assert_int_equal(privop_asked, 1);
	in_kernel_now(ENTRY + 0x10d);
	v->pv.ts = true;
	guest_exception(r, 7);
	assert_false(v->pv.ts);
	in_kernel_now(ENTRY + 0x107);
	world_end();
}

static void page_fault_routes(void **state)
{
	static const struct { u32 error; u64 cr2; bool kernel, asked; } t[] = {
		{ PFEC_P | PFEC_W | PFEC_U, 0x1000, true, true },
		{ PFEC_P | PFEC_W | PFEC_U, 0x1000, false, false },
		{ PFEC_W | PFEC_U, 0x1000, true, false },
		{ PFEC_P | PFEC_U, 0x1000, true, false },
		{ PFEC_P | PFEC_W | PFEC_RSVD, 0x1000, true, false },
		{ PFEC_P | PFEC_W, HV_VIRT_START + 0x1000, true, false },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(t); i++)
		for (int takes = 0; takes < 2; takes++) {
			begin(t[i].kernel);
			ptwr_takes = takes;
			r->error_code = t[i].error;
			guest_page_fault(r, t[i].cr2);
			assert_int_equal(ptwr_asked, t[i].asked);
			if (takes && t[i].asked)
				assert_int_equal(r->rip, 0x401234);
			else
				in_kernel_now(ENTRY + 0x10e);
			world_end();
		}
}

static void software_interrupts(void **state)
{
	static const u8 code[] = { 0xcd, 0x80, 0x90, 0x90 };

	for (int dpl = 0; dpl < 4; dpl++)
		for (int kernel = 0; kernel < 2; kernel++) {
			bool ok = dpl >= (kernel ? 1 : 3);

			begin(kernel);
			v->pv.traps[0x80].flags = dpl;
			r->rip = host_arg(code, sizeof(code));
			r->error_code = 0x80 * 8 + 2;
			guest_exception(r, 13);
			in_kernel_now(ENTRY + 0x100 + (ok ? 0x80 : 13));
			if (ok)
				assert_int_equal(((u64 *)host_arg_ptr(r->rsp))[2] & 15, 2);
			else
				assert_int_equal(((u64 *)host_arg_ptr(r->rsp))[2], 0x402);
			assert_int_equal(privop_asked, 0);
			world_end();
		}
	begin(true);					/* the code is not there any more */
	r->rip = 0x123000;
	r->error_code = 0x402;
	guest_exception(r, 13);
	in_kernel_now(ENTRY + 0x10d);
	world_end();
}

/* --- before the return --- */

static void exit_work(void **state)
{
	begin(true);
	v->vcpu_info->evtchn_upcall_pending = 1;
	v->vcpu_info->evtchn_upcall_mask = 1;
	exit_to_guest_work(r);
	assert_int_equal(r->rip, 0x401234);
	v->vcpu_info->evtchn_upcall_mask = 0;
	exit_to_guest_work(r);
	in_kernel_now(ENTRY + 1);
	assert_int_equal(r->rsp, stack - 56);
	exit_to_guest_work(r);				/* B3: not again before the guest unmasks */
	assert_int_equal(r->rsp, stack - 56);
	atomic_or(&v->work, (u32)VW_nmi);
	exit_to_guest_work(r);
	in_kernel_now(ENTRY + 0x102);
	assert_int_equal(v->work, 0);
	world_end();
}

/* Whatever the registers were: B2. */
static void any_registers(void **state)
{
	begin(true);
	for (int i = 0; i < 20000; i++) {
		bool kernel = host_random_below(2), error = host_random_below(2);
		u64 rip = host_random() << 20 ^ host_random(), flags_in = host_random() << 11;
		unsigned int n = host_random_below(256);
		const u64 *f;

		v->pv.in_kernel = kernel;
		r->rip = rip;
		r->rflags = flags_in;
		r->cs = host_random();
		r->ss = host_random();
		r->rsp = stack - host_random_below(3000);
		v->vcpu_info->evtchn_upcall_mask = host_random_below(2);
		bounce_trap(v, r, n, error, n);
		in_kernel_now(ENTRY + 0x100 + n);
		assert_int_equal(r->rsp & 15, error ? 0 : 8);
		f = host_arg_ptr(r->rsp);
		assert_int_equal(f[2 + error], rip);
		assert_false(f[4 + error] & X86_RFLAGS_IOPL);
		assert_int_equal(!(f[4 + error] & X86_RFLAGS_IF), v->vcpu_info->evtchn_upcall_mask);
	}
	world_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(trap_in_kernel_mode),
		cmocka_unit_test(trap_in_user_mode),
		cmocka_unit_test(event_mask),
		cmocka_unit_test(flags),
		cmocka_unit_test(page_faults),
		cmocka_unit_test(failsafe),
		cmocka_unit_test(syscalls),
		cmocka_unit_test(bad_handlers),
		cmocka_unit_test(bad_stacks),
		cmocka_unit_test(fault_in_the_middle),
		cmocka_unit_test(error_codes),
		cmocka_unit_test(emulated_exceptions),
		cmocka_unit_test(page_fault_routes),
		cmocka_unit_test(software_interrupts),
		cmocka_unit_test(exit_work),
		cmocka_unit_test(any_registers),
	};

	return host_main(tests);
}
