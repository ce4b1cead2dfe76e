/* SPDX-License-Identifier: MIT */
/*
 * ring1.c: go to ring 1, if the command line says ring1=1.
 *
 * Job:   the vCPUs' pages, entry points and the call; user mode on the kernel's root: the image is mapped
 *        for ring 3 in the lower half, 0xffffffff80000000 at 0x7fff80000000.
 */
#include "guest.h"

struct ring1_page ring1_pages[MAX_VCPUS] __aligned(4096);
bool ring1_mode;
extern u8 ring1_stubs[], ring1_event[], ring1_syscall[];

void ring1_install_traps(void)
{
	for (unsigned int i = 0; i < 256; i++)
		trap_table[i].address = (u64)ring1_stubs + i * 32;
	if (hc_set_trap_table(trap_table))
		test_error("set_trap_table");
	set_callback(CALLBACKTYPE_event, ring1_event, 0);
	set_callback(CALLBACKTYPE_syscall, ring1_syscall, CALLBACKF_mask_events);
}

void ring1_enter(void)
{
	u32 cpuid[4];
	u16 cs;

	cpuid_pv(PARAPET_CPUID_FIRST_LEAF + 1, 0, cpuid);
	if (!on_parapet() || !(cpuid[1] & PARAPET_CPUID_FEAT_RING1))
		test_skip("ring 1 is not offered");
	for (unsigned int i = 0; i < MAX_VCPUS; i++) {
		struct vcpu_register_vcpu_info r = { .mfn = va_to_mfn(&ring1_pages[i]) };

		if (hc_vcpu_op(VCPUOP_register_vcpu_info, i, &r))
			continue;
		vcpus[i].info = &ring1_pages[i].info;
		vcpus[i].info->evtchn_upcall_pending = 0;	/* set by the move; there is nothing */
		vcpus[i].info->evtchn_pending_sel = 0;
	}
	long rc = hypercall5(__HYPERVISOR_ring1, PARAPET_RING1_ENTER, 0, 0, 0, 0);
	asm volatile("mov %%cs, %0" : "=r"(cs));
	if (rc || cs != PARAPET_RING1_CS)
		test_fail("ring 1: %ld, cs %x", rc, cs);
	ring1_mode = true;
	ring1_install_traps();
	if (write_entry(va_to_maddr(&root()[255]), root()[511]))
		test_error("the image in the lower half");
}

/* Registers for ring 3: what points into the image by its upper address points to the lower one. */
void ring1_user_regs(struct regs *r)
{
	struct ring1_page *p = &ring1_pages[this_vcpu()->id];

	if (r->rip >= VIRT_BASE)
		r->rip = ring1_low((void *)r->rip);
	if (r->rsp >= VIRT_BASE)
		r->rsp = ring1_low((void *)r->rsp);
	p->masked = p->info.evtchn_upcall_mask ? X86_EFLAGS_IF : 0;
	p->info.evtchn_upcall_mask = 1;
}
