/* SPDX-License-Identifier: MIT */
/*
 * smp.c: more than one vCPU.
 */
#include "guest.h"

extern u8 secondary_entry[], ring1_event[], ring1_syscall[];
void secondary_main(struct vcpu *v);

unsigned int nr_vcpus(void)
{
	unsigned int n = 0;

	while (n < MAX_VCPUS && hc_vcpu_op(VCPUOP_is_up, n, NULL) >= 0)
		n++;
	return n;
}

void vcpu_fill_context(struct vcpu_guest_context *c, unsigned int id)
{
	u64 mfn = va_to_mfn(root());

	memset(c, 0, sizeof(*c));
	*(struct vcpu **)vcpu_stacks[id] = &vcpus[id];
	c->flags = VGCF_in_kernel | VGCF_failsafe_disables_events | VGCF_syscall_disables_events;
	c->user_regs.rip = (u64)secondary_entry;
	c->user_regs.rdi = (u64)&vcpus[id];
	c->user_regs.rsp = (u64)vcpu_stacks[id] + STACK_SIZE;
	c->user_regs.cs = FLAT_KERNEL_CS;
	c->user_regs.ss = FLAT_KERNEL_SS;
	c->user_regs.rflags = 0x1000;
	memcpy(c->trap_ctxt, trap_table, sizeof(c->trap_ctxt));
	c->kernel_ss = KERNEL_SS;
	c->kernel_sp = (u64)vcpu_stacks[id] + STACK_SIZE;
	c->ctrlreg[0] = 0x80050033;
	c->ctrlreg[3] = xen_pfn_to_cr3(mfn);
	c->event_callback_eip = (u64)event_entry;
	c->failsafe_callback_eip = (u64)failsafe_entry;
	c->syscall_callback_eip = (u64)syscall_entry;
	if (ring1_mode) {
		c->event_callback_eip = (u64)ring1_event;
		c->syscall_callback_eip = (u64)ring1_syscall;
	}
}

long vcpu_init_context(unsigned int id)
{
	static struct vcpu_guest_context ctxt;

	vcpu_fill_context(&ctxt, id);
	return hc_vcpu_op(VCPUOP_initialise, id, &ctxt);
}

void secondary_main(struct vcpu *v)
{
	for (;;) {
		v->starts++;
		if (v->start)
			v->start(v->start_arg);
		hc_vcpu_op(VCPUOP_down, v->id, NULL);
	}
}

void vcpu_start(unsigned int id, void (*fn)(void *), void *arg)
{
	static u8 ready[MAX_VCPUS];
	struct vcpu *v = &vcpus[id];
	u32 before = v->starts;
	long rc = 0;

	v->start = fn;
	v->start_arg = arg;
	v->info->evtchn_upcall_mask = 1;
	if (!ready[id])
		rc = vcpu_init_context(id);
	ready[id] = 1;
	if (!rc)
		rc = hc_vcpu_op(VCPUOP_up, id, NULL);
	if (rc || !wait_for(READ_ONCE(v->starts) != before, 5000))
		test_error("vCPU %u does not start: %ld", id, rc);
}
