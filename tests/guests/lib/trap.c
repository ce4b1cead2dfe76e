/* SPDX-License-Identifier: MIT */
/*
 * trap.c: what becomes of traps, upcalls and syscalls; catching them; user mode.
 *
 * Job:   do_entry() gets every frame from entry.S. In this order: the test's hook, the upcall, the
 *        end of user mode, a catching try_call(); else the run ends with a dump.
 */
#include "guest.h"

struct vcpu vcpus[MAX_VCPUS];
u8 vcpu_stacks[MAX_VCPUS][STACK_SIZE] __aligned(32768);
trap_hook_t *trap_hook[0x103];
u64 failsafe_segs[4];
struct trap_info trap_table[257];
u64 *user_l4;
static u8 user_stacks[MAX_VCPUS][2 * PAGE_SIZE] __aligned(4096);

extern u8 try_resume[], user_resume[];
int try_enter(u64 *save_rsp, void (*fn)(void *), void *arg);
u64 user_enter(u64 *save_rsp, struct regs *regs);
void do_entry(struct regs *regs);

static void dump(const struct regs *r)
{
	printk("  unexpected vector %#x error %#x cr2 %#lx at %x:%lx flags %lx stack %lx:%lx mask %u\n",
	       r->vec, r->err, this_vcpu()->info->arch.cr2, r->cs, r->rip, r->rflags, r->ss, r->rsp,
	       r->mask);
	printk("  rax %lx rbx %lx rcx %lx rdx %lx rsi %lx rdi %lx rbp %lx r8 %lx r9 %lx r10 %lx r11 %lx\n",
	       r->rax, r->rbx, r->rcx, r->rdx, r->rsi, r->rdi, r->rbp, r->r8, r->r9, r->r10, r->r11);
	if (r->vec == X86_PF && find_entry(this_vcpu()->info->arch.cr2, 1))
		printk("  entries %lx %lx %lx %lx of vCPU %u\n", *find_entry(this_vcpu()->info->arch.cr2, 4),
		       *find_entry(this_vcpu()->info->arch.cr2, 3), *find_entry(this_vcpu()->info->arch.cr2, 2),
		       *find_entry(this_vcpu()->info->arch.cr2, 1), this_vcpu()->id);
}

/* To go on in our code: AC is set in ring 1, so that SMAP lets it read user pages. */
static u64 kernel_flags(const struct regs *r)
{
	return (r->rflags & ~(X86_EFLAGS_TF | X86_EFLAGS_DF | X86_EFLAGS_NT | X86_EFLAGS_AC)) |
		(ring1_mode ? X86_EFLAGS_AC : 0);
}

void do_entry(struct regs *regs)
{
	struct vcpu *v = this_vcpu();
	u32 vec = regs->vec, err = regs->err;

	if (v < vcpus || v >= vcpus + MAX_VCPUS) {	/* not on a stack of ours: no way on from here */
		struct sched_shutdown sh = { SHUTDOWN_reboot };

		printk("TEST %s ERROR vector %#x error %#x at %#lx on no stack: rsp %#lx\n", test_name, vec, err,
		       regs->rip, regs->rsp);
		hc_sched_op(SCHEDOP_shutdown, &sh);
	}
	if (vec < ARRAY_SIZE(trap_hook) && trap_hook[vec] && trap_hook[vec](regs)) {
		regs->err = regs->vec = 0;
		return;
	}
	if (vec == VEC_EVENT) {
		v->nr_upcalls++;
		scan_events(v);
	} else if (vec == VEC_USER_EXIT && v->user_rsp) {
		regs->rip = (u64)user_resume;
		regs->rsp = v->user_rsp;
		v->user_rsp = 0;
		regs->cs = KERNEL_CS;
		regs->ss = KERNEL_SS;
		regs->rflags = kernel_flags(regs);
	} else if (v->catch_rsp) {
		v->trap = *regs;
		v->trap_cr2 = v->info->arch.cr2;
		regs->rip = (u64)try_resume;
		regs->rsp = *v->catch_rsp;
		regs->cs = KERNEL_CS;
		regs->ss = KERNEL_SS;
		regs->rflags = kernel_flags(regs);
	} else {
		dump(regs);
		test_fail("unexpected vector %#x error %#x at %lx", vec, err, regs->rip);
	}
	/* This slot is the flags word of the iret frame now. */
	regs->err = regs->vec = 0;
}

int try_call(void (*fn)(void *), void *arg)
{
	struct vcpu *v = this_vcpu();
	u64 *outer = v->catch_rsp, rsp;
	int caught;

	v->catch_rsp = &rsp;
	caught = try_enter(&rsp, fn, arg);
	v->catch_rsp = outer;
	return caught ? (int)v->trap.vec : -1;
}

void set_callback(unsigned int type, void *entry, unsigned int flags)
{
	struct callback_register cb = { .type = type, .flags = flags, .address = (u64)entry };
	long rc = hc_callback_op(CALLBACKOP_register, &cb);

	if (rc)
		test_error("callback_op type %u: %ld", type, rc);
}

/* All vectors, usable by INT from DPL 3 only where hardware says so, faults keep the event mask. */
void install_traps(void)
{
	long rc;

	for (unsigned int i = 0; i < 256; i++) {
		trap_table[i].vector = i;
		trap_table[i].flags = (i == X86_BP || i == X86_OF || i == VEC_USER_EXIT ? 3 : 0);
		trap_table[i].cs = FLAT_KERNEL_CS;
		trap_table[i].address = trap_stub(i);
	}
	rc = hc_set_trap_table(trap_table);
	if (rc)
		test_error("set_trap_table: %ld", rc);
	set_callback(CALLBACKTYPE_event, event_entry, 0);
	set_callback(CALLBACKTYPE_failsafe, failsafe_entry, CALLBACKF_mask_events);
	set_callback(CALLBACKTYPE_syscall, syscall_entry, CALLBACKF_mask_events);
}

void events_unmask(void)
{
	struct vcpu *v = this_vcpu();

	barrier();
	WRITE_ONCE(v->info->evtchn_upcall_mask, 0);
	barrier();
	if (READ_ONCE(v->info->evtchn_upcall_pending))
		hc_xen_version(XENVER_version, NULL);	/* any hypercall delivers what is pending */
}

/* User mode: an L4 with the image's slot. A guest's user and kernel both run in ring 3. */
void user_init(void)
{
	long rc;

	if (user_l4)
		return;
	user_l4 = alloc_page();
	user_l4[511] = root()[511];
	rc = set_ro(user_l4);
	if (!rc)
		rc = pin(4, user_l4);
	if (!rc)
		rc = mmuext(MMUEXT_NEW_USER_BASEPTR, va_to_mfn(user_l4), 0);
	if (rc)
		test_error("user page tables: %ld", rc);
}

void user_regs(struct regs *regs, u64 rip, u64 arg)
{
	struct vcpu *v = this_vcpu();

	memset(regs, 0, sizeof(*regs));
	regs->rip = rip;
	regs->cs = USER_CS;
	regs->ss = USER_SS;
	regs->rsp = (u64)&user_stacks[v->id][2 * PAGE_SIZE] - 16;
	regs->rdi = arg;
	regs->rflags = 2 | (v->info->evtchn_upcall_mask ? 0 : X86_EFLAGS_IF);
}

u64 user_run_regs(struct regs *regs)
{
	user_init();
	if (ring1_mode)
		ring1_user_regs(regs);
	return user_enter(&this_vcpu()->user_rsp, regs);
}

u64 user_run(u64 rip, u64 arg)
{
	struct regs regs;

	user_regs(&regs, rip, arg);
	return user_run_regs(&regs);
}
