/* SPDX-License-Identifier: MIT */
/*
 * tests/abi/layout.c: numbers of the ABI written down by hand.
 *
 * Job:   hold pv-abi to facts that do not come from any header: what published guests and assembly
 *        code rely on. tests/abi/run also compares every item with Xen's headers; this file works
 *        where those are missing.
 * Enter: compiled only; each line is a static assertion.
 */
#include <stddef.h>
#include <pv-abi/xen.h>
#include <pv-abi/event_channel.h>
#include <pv-abi/grant_table.h>
#include <pv-abi/memory.h>
#include <pv-abi/sched.h>
#include <pv-abi/vcpu.h>
#include <pv-abi/physdev.h>
#include <pv-abi/platform.h>
#include <pv-abi/domctl.h>
#include <pv-abi/sysctl.h>
#include <pv-abi/console.h>
#include <pv-abi/errno.h>

#define SIZE(t, n)	_Static_assert(sizeof(struct t) == (n), #t);
#define AT(t, f, n)	_Static_assert(offsetof(struct t, f) == (n), #t "." #f);
#define VALUE(c, n)	_Static_assert((c) == (n), #c);

/* shared_info and what a guest's entry code reads from it */
SIZE(vcpu_info, 64)
AT(vcpu_info, evtchn_upcall_pending, 0)
AT(vcpu_info, evtchn_upcall_mask, 1)
AT(vcpu_info, evtchn_pending_sel, 8)
AT(vcpu_info, arch.cr2, 16)
AT(vcpu_info, time, 32)
SIZE(vcpu_time_info, 32)
AT(vcpu_time_info, tsc_to_system_mul, 24)
AT(vcpu_time_info, tsc_shift, 28)
AT(shared_info, evtchn_pending, 2048)
AT(shared_info, evtchn_mask, 2560)
AT(shared_info, wc_version, 3072)
AT(shared_info, wc_sec_hi, 3084)
AT(shared_info, arch, 3088)
SIZE(shared_info, 3136)

/* start of day */
AT(start_info, nr_pages, 32)
AT(start_info, shared_info, 40)
AT(start_info, store_mfn, 56)
AT(start_info, console, 72)
AT(start_info, pt_base, 88)
AT(start_info, mfn_list, 104)
AT(start_info, mod_start, 112)
AT(start_info, cmd_line, 128)
AT(start_info, first_p2m_pfn, 1152)
SIZE(start_info, 1168)

/* registers */
SIZE(cpu_user_regs, 200)
AT(cpu_user_regs, rax, 80)
AT(cpu_user_regs, error_code, 120)
AT(cpu_user_regs, rip, 128)
AT(cpu_user_regs, cs, 136)
AT(cpu_user_regs, saved_upcall_mask, 140)
AT(cpu_user_regs, rflags, 144)
AT(cpu_user_regs, rsp, 152)
AT(cpu_user_regs, ss, 160)
AT(cpu_user_regs, gs, 192)
SIZE(iret_context, 72)
SIZE(trap_info, 16)
SIZE(vcpu_guest_context, 5168)

/* lists that guests pass */
SIZE(mmu_update, 16)
SIZE(mmuext_op, 24)
SIZE(multicall_entry, 64)
SIZE(grant_entry_v1, 8)
SIZE(gnttab_map_grant_ref, 32)
SIZE(gnttab_unmap_grant_ref, 24)
SIZE(gnttab_copy, 40)
SIZE(evtchn_status, 24)
SIZE(vcpu_runstate_info, 48)
SIZE(xen_memory_reservation, 32)
SIZE(sched_poll, 24)
SIZE(physdev_map_pirq, 40)
SIZE(xencons_interface, 3088)
AT(xencons_interface, out, 1024)
AT(xencons_interface, out_prod, 3084)

/* toolstack */
SIZE(xen_domctl, 144)
SIZE(xen_sysctl, 136)
SIZE(xen_platform_op, 136)
SIZE(xen_domctl_getdomaininfo, 112)

/* numbers with a meaning outside the ABI */
VALUE(FLAT_KERNEL_CS >> 3, FIRST_RESERVED_GDT_ENTRY + 0x1c06 - 0x1c00)
VALUE(FIRST_RESERVED_GDT_ENTRY, 0x1c00)
VALUE(FLAT_KERNEL_CS & 7, 3)
VALUE(MACH2PHYS_NR_ENTRIES, 1ULL << 35)
VALUE(XEN_ENOSYS, 38)
VALUE(EVTCHN_2L_NR_CHANNELS, 64 * 64)
