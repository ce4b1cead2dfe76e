/* SPDX-License-Identifier: MIT */
/*
 * pv-abi/xen.h: the base of the 64-bit PV ABI (names, numbers and layouts as in Xen 4.17, x86-64).
 *
 * Job:   what every guest, tool and the hypervisor share: hypercall numbers, the MMU calls,
 *        multicalls, shared_info, start_info, registers and vcpu context.
 * Enter: any C file (freestanding is enough) and any .S file (constants only).
 * Holds: A1 only <stdint.h> is used; A2 a guest handle (a guest virtual address) is a plain
 *        uint64_t, and so are xen_pfn_t and xen_ulong_t; A3 structs keep Xen's padding, also where
 *        the compiler would add it anyway. IN and OUT are seen from the hypervisor: IN is read from
 *        the guest, OUT is written to it. Constants carry no C suffix, so that the assembler can
 *        read them.
 * Tests: tests/abi (every size, offset and constant against Debian's libxen-dev)
 */
#ifndef PV_ABI_XEN_H
#define PV_ABI_XEN_H

#ifndef __ASSEMBLY__
#include <stdint.h>
#endif

/*
 * Hypercalls. SYSCALL with the number in rax, arguments in rdi rsi rdx r10 r8 r9, result in rax;
 * rcx and r11 are lost.
 * Guests normally call entry number * 32 of the hypercall page, which contains just that.
 */
#define __HYPERVISOR_set_trap_table			0
#define __HYPERVISOR_mmu_update				1
#define __HYPERVISOR_set_gdt				2
#define __HYPERVISOR_stack_switch			3
#define __HYPERVISOR_set_callbacks			4
#define __HYPERVISOR_fpu_taskswitch			5
#define __HYPERVISOR_sched_op_compat			6
#define __HYPERVISOR_platform_op			7
#define __HYPERVISOR_set_debugreg			8
#define __HYPERVISOR_get_debugreg			9
#define __HYPERVISOR_update_descriptor			10
#define __HYPERVISOR_memory_op				12
#define __HYPERVISOR_multicall				13
#define __HYPERVISOR_update_va_mapping			14
#define __HYPERVISOR_set_timer_op			15
#define __HYPERVISOR_event_channel_op_compat		16
#define __HYPERVISOR_xen_version			17
#define __HYPERVISOR_console_io				18
#define __HYPERVISOR_physdev_op_compat			19
#define __HYPERVISOR_grant_table_op			20
#define __HYPERVISOR_vm_assist				21
#define __HYPERVISOR_update_va_mapping_otherdomain	22
#define __HYPERVISOR_iret				23
#define __HYPERVISOR_vcpu_op				24
#define __HYPERVISOR_set_segment_base			25
#define __HYPERVISOR_mmuext_op				26
#define __HYPERVISOR_xsm_op				27
#define __HYPERVISOR_nmi_op				28
#define __HYPERVISOR_sched_op				29
#define __HYPERVISOR_callback_op			30
#define __HYPERVISOR_xenoprof_op			31
#define __HYPERVISOR_event_channel_op			32
#define __HYPERVISOR_physdev_op				33
#define __HYPERVISOR_hvm_op				34
#define __HYPERVISOR_sysctl				35
#define __HYPERVISOR_domctl				36
#define __HYPERVISOR_kexec_op				37
#define __HYPERVISOR_tmem_op				38
#define __HYPERVISOR_argo_op				39
#define __HYPERVISOR_xenpmu_op				40
#define __HYPERVISOR_dm_op				41
#define __HYPERVISOR_hypfs_op				42
#define __HYPERVISOR_arch_0				48	/* mca */
#define __HYPERVISOR_arch_1				49	/* paging domctl continuation */
#define __HYPERVISOR_arch_2				50
#define __HYPERVISOR_arch_3				51
#define __HYPERVISOR_arch_4				52
#define __HYPERVISOR_arch_5				53
#define __HYPERVISOR_arch_6				54
#define __HYPERVISOR_arch_7				55

/* Domain ids. Ordinary domains are below DOMID_FIRST_RESERVED. */
#define DOMID_FIRST_RESERVED	0x7FF0
#define DOMID_SELF		0x7FF0	/* the caller */
#define DOMID_IO		0x7FF1	/* owner of I/O memory in a foreign mapping request */
#define DOMID_XEN		0x7FF2	/* owner of hypervisor frames a tool may map (M2P, trace) */
#define DOMID_COW		0x7FF3	/* owner of shared copy-on-write frames (unused here) */
#define DOMID_INVALID		0x7FF4	/* no owner known */
#define DOMID_IDLE		0x7FFF
#define DOMID_MASK		0x7FFF

/*
 * Virtual interrupts. "per vCPU": bound once on each vCPU; "global": once, by dom0 or a delegate.
 */
#define VIRQ_TIMER	0	/* per vCPU: timer fired */
#define VIRQ_DEBUG	1	/* per vCPU: dump state */
#define VIRQ_CONSOLE	2	/* global: input for console_io read */
#define VIRQ_DOM_EXC	3	/* global: a domain shut down or died */
#define VIRQ_TBUF	4	/* global: trace records */
#define VIRQ_DEBUGGER	6	/* global: a domain stopped for the debugger */
#define VIRQ_XENOPROF	7	/* per vCPU */
#define VIRQ_CON_RING	8	/* global: the hypervisor's log grew */
#define VIRQ_PCPU_STATE	9	/* global: physical CPU online or offline */
#define VIRQ_MEM_EVENT	10	/* global */
#define VIRQ_ARGO	11	/* global */
#define VIRQ_ENOMEM	12	/* global: hypervisor memory is low */
#define VIRQ_XENPMU	13	/* per vCPU: performance counter */
#define VIRQ_ARCH_0	16	/* global: VIRQ_MCA */
#define VIRQ_ARCH_1	17
#define VIRQ_ARCH_2	18
#define VIRQ_ARCH_3	19
#define VIRQ_ARCH_4	20
#define VIRQ_ARCH_5	21
#define VIRQ_ARCH_6	22
#define VIRQ_ARCH_7	23
#define NR_VIRQS	24

/*
 * mmu_update(mmu_update *req, unsigned count, unsigned *done OUT, unsigned foreigndom).
 * Low two bits of ptr choose the kind. foreigndom: bits 15:0 owner of the frames mapped, bits 31:16
 * (id + 1, or 0 for the caller) owner of the page table.
 */
#define MMU_NORMAL_PT_UPDATE		0	/* check, then write val to the entry at ptr */
#define MMU_MACHPHYS_UPDATE		1	/* M2P[frame of ptr] = val */
#define MMU_PT_UPDATE_PRESERVE_AD	2	/* as 0, keeping the entry's present A and D bits */
#define MMU_PT_UPDATE_NO_TRANSLATE	3	/* as 0; val is always a machine address */

/* mmuext_op(mmuext_op *req, unsigned count, unsigned *done OUT, unsigned foreigndom). */
#define MMUEXT_PIN_L1_TABLE		0	/* arg1.mfn */
#define MMUEXT_PIN_L2_TABLE		1
#define MMUEXT_PIN_L3_TABLE		2
#define MMUEXT_PIN_L4_TABLE		3
#define MMUEXT_UNPIN_TABLE		4	/* arg1.mfn */
#define MMUEXT_NEW_BASEPTR		5	/* arg1.mfn: kernel L4 */
#define MMUEXT_TLB_FLUSH_LOCAL		6
#define MMUEXT_INVLPG_LOCAL		7	/* arg1.linear_addr */
#define MMUEXT_TLB_FLUSH_MULTI		8	/* arg2.vcpumask */
#define MMUEXT_INVLPG_MULTI		9	/* arg1.linear_addr, arg2.vcpumask */
#define MMUEXT_TLB_FLUSH_ALL		10
#define MMUEXT_INVLPG_ALL		11	/* arg1.linear_addr */
#define MMUEXT_FLUSH_CACHE		12	/* WBINVD here */
#define MMUEXT_SET_LDT			13	/* arg1.linear_addr, arg2.nr_ents */
#define MMUEXT_NEW_USER_BASEPTR		15	/* arg1.mfn: user L4, 0 for none */
#define MMUEXT_CLEAR_PAGE		16	/* arg1.mfn */
#define MMUEXT_COPY_PAGE		17	/* arg1.mfn, arg2.src_mfn */
#define MMUEXT_FLUSH_CACHE_GLOBAL	18
#define MMUEXT_MARK_SUPER		19
#define MMUEXT_UNMARK_SUPER		20

/* update_va_mapping(va, pte, flags): what to flush, ORed with whose TLBs. */
#define UVMF_NONE		0
#define UVMF_TLB_FLUSH		1
#define UVMF_INVLPG		2
#define UVMF_FLUSHTYPE_MASK	3
#define UVMF_MULTI		(0 << 2)	/* the rest of flags: address of a u64 */
#define UVMF_LOCAL		(0 << 2)	/* bitmap address 0: this vCPU only */
#define UVMF_ALL		(1 << 2)

/* console_io(cmd, count, buffer). */
#define CONSOLEIO_write	0
#define CONSOLEIO_read	1

/* vm_assist(cmd, type). */
#define VMASST_CMD_enable		0
#define VMASST_CMD_disable		1
#define VMASST_TYPE_4gb_segments	0
#define VMASST_TYPE_4gb_segments_notify	1
#define VMASST_TYPE_writable_pagetables	2	/* stores to page tables are trapped and checked */
#define VMASST_TYPE_pae_extended_cr3	3
#define VMASST_TYPE_architectural_iopl	4	/* IOPL lives in the guest's rflags */
#define VMASST_TYPE_runstate_update_flag 5	/* XEN_RUNSTATE_UPDATE is used */
#define VMASST_TYPE_m2p_strict		32	/* no M2P in user page tables */

/* Selectors of the flat descriptors that the hypervisor puts into every guest's GDT. */
#define FLAT_RING3_CS32		0xe023
#define FLAT_RING3_CS64		0xe033
#define FLAT_RING3_DS32		0xe02b
#define FLAT_RING3_DS64		0x0000
#define FLAT_RING3_SS32		0xe02b
#define FLAT_RING3_SS64		0xe02b
#define FLAT_KERNEL_CS32	FLAT_RING3_CS32
#define FLAT_KERNEL_CS64	FLAT_RING3_CS64
#define FLAT_KERNEL_CS		FLAT_KERNEL_CS64
#define FLAT_KERNEL_DS32	FLAT_RING3_DS32
#define FLAT_KERNEL_DS64	FLAT_RING3_DS64
#define FLAT_KERNEL_DS		FLAT_KERNEL_DS64
#define FLAT_KERNEL_SS32	FLAT_RING3_SS32
#define FLAT_KERNEL_SS64	FLAT_RING3_SS64
#define FLAT_KERNEL_SS		FLAT_KERNEL_SS64
#define FLAT_USER_CS32		FLAT_RING3_CS32
#define FLAT_USER_CS64		FLAT_RING3_CS64
#define FLAT_USER_CS		FLAT_USER_CS64
#define FLAT_USER_DS32		FLAT_RING3_DS32
#define FLAT_USER_DS64		FLAT_RING3_DS64
#define FLAT_USER_DS		FLAT_USER_DS64
#define FLAT_USER_SS32		FLAT_RING3_SS32
#define FLAT_USER_SS64		FLAT_RING3_SS64
#define FLAT_USER_SS		FLAT_USER_SS64

/* A guest GDT has 14 pages of its own; entries from here up belong to the hypervisor. */
#define FIRST_RESERVED_GDT_PAGE		14
#define FIRST_RESERVED_GDT_BYTE		(FIRST_RESERVED_GDT_PAGE * 4096)
#define FIRST_RESERVED_GDT_ENTRY	(FIRST_RESERVED_GDT_BYTE / 8)

/* Address space that is not the guest's, and the read-only machine-to-physical table in it. */
#define HYPERVISOR_VIRT_START	0xFFFF800000000000
#define HYPERVISOR_VIRT_END	0xFFFF880000000000
#define MACH2PHYS_VIRT_START	0xFFFF800000000000
#define MACH2PHYS_VIRT_END	0xFFFF804000000000
#define MACH2PHYS_NR_ENTRIES	((MACH2PHYS_VIRT_END - MACH2PHYS_VIRT_START) >> 3)

/* set_segment_base(which, base). */
#define SEGBASE_FS		0
#define SEGBASE_GS_USER		1
#define SEGBASE_GS_KERNEL	2
#define SEGBASE_GS_USER_SEL	3	/* load selector base[15:0] into the user's GS */

/* iret_context.flags and vcpu_guest_context.flags. Two spellings, same bits. */
#define _VGCF_i387_valid		0
#define VGCF_i387_valid			(1 << _VGCF_i387_valid)
#define VGCF_I387_VALID			(1 << 0)
#define _VGCF_in_kernel			2
#define VGCF_in_kernel			(1 << _VGCF_in_kernel)
#define VGCF_IN_KERNEL			(1 << 2)
#define _VGCF_failsafe_disables_events	3
#define VGCF_failsafe_disables_events	(1 << _VGCF_failsafe_disables_events)
#define _VGCF_syscall_disables_events	4
#define VGCF_syscall_disables_events	(1 << _VGCF_syscall_disables_events)
#define _VGCF_online			5
#define VGCF_online			(1 << _VGCF_online)
#define _VGCF_in_syscall		8	/* SYSRET will do: rcx, r11 are lost */
#define VGCF_in_syscall			(1 << _VGCF_in_syscall)
#define VGCF_IN_SYSCALL			VGCF_in_syscall

/* start_info.flags */
#define SIF_PRIVILEGED		(1 << 0)	/* may do I/O */
#define SIF_INITDOMAIN		(1 << 1)	/* is dom0 */
#define SIF_MULTIBOOT_MOD	(1 << 2)	/* mod_start: xen_multiboot_mod_list[] */
#define SIF_MOD_START_PFN	(1 << 3)	/* mod_start is a pfn */
#define SIF_VIRT_P2M_4TOOLS	(1 << 4)	/* tools can read the linear p2m */
#define SIF_PM_MASK		(0xFF << 8)

#define XEN_LEGACY_MAX_VCPUS	32	/* vcpu_info slots in shared_info */
#define MAX_GUEST_CMDLINE	1024

#define XEN_PVCLOCK_TSC_STABLE_BIT	(1 << 0)	/* one TSC for all vCPUs */
#define XEN_PVCLOCK_GUEST_STOPPED	(1 << 1)

#define XEN_VGATYPE_TEXT_MODE_3	0x03
#define XEN_VGATYPE_VESA_LFB	0x23
#define XEN_VGATYPE_EFI_LFB	0x70

#ifndef __ASSEMBLY__

typedef uint16_t domid_t;
typedef uint64_t xen_pfn_t;
typedef uint64_t xen_ulong_t;
typedef uint64_t xen_callback_t;
typedef uint64_t tsc_timestamp_t;
typedef uint8_t xen_domain_handle_t[16];

#define xen_pfn_to_cr3(pfn)	((uint64_t)(pfn) << 12)
#define xen_cr3_to_pfn(cr3)	((uint64_t)(cr3) >> 12)

/* IN. One request of mmu_update. */
struct mmu_update {
	uint64_t ptr;			/* machine address of the entry | MMU_* in bits 1:0 */
	uint64_t val;
};

/* IN. One request of mmuext_op. */
struct mmuext_op {
	uint32_t cmd;			/* MMUEXT_* */
	union {
		xen_pfn_t mfn;
		uint64_t linear_addr;
	} arg1;
	union {
		uint32_t nr_ents;
		uint64_t vcpumask;	/* handle: bitmap of vCPUs */
		xen_pfn_t src_mfn;
	} arg2;
};

/* One hypercall of a multicall(list, count). */
struct multicall_entry {
	xen_ulong_t op;			/* IN */
	xen_ulong_t result;		/* OUT */
	xen_ulong_t args[6];		/* IN; may be rewritten by a continuation */
};

/*
 * OUT. ns = system_time + (((tsc - tsc_timestamp) << tsc_shift) * tsc_to_system_mul >> 32); odd
 * version: retry.
 */
struct vcpu_time_info {
	uint32_t version;
	uint32_t pad0;
	uint64_t tsc_timestamp;
	uint64_t system_time;		/* ns since boot at tsc_timestamp */
	uint32_t tsc_to_system_mul;
	int8_t tsc_shift;
	uint8_t flags;			/* XEN_PVCLOCK_* */
	uint8_t pad1[2];
};

struct arch_vcpu_info {
	uint64_t cr2;			/* OUT at a page fault */
	uint64_t pad;
};

/* 64 bytes, in shared_info or where VCPUOP_register_vcpu_info put it. Both sides write it. */
struct vcpu_info {
	uint8_t evtchn_upcall_pending;	/* hypervisor sets, guest clears */
	uint8_t evtchn_upcall_mask;	/* the guest's interrupt flag, inverted */
	xen_ulong_t evtchn_pending_sel;	/* bit n: look at evtchn_pending[n] */
	struct arch_vcpu_info arch;
	struct vcpu_time_info time;
};

/* How tools find a guest's p2m. Written by the guest only. */
struct arch_shared_info {
	uint64_t max_pfn;		/* p2m entries */
	xen_pfn_t pfn_to_mfn_frame_list_list;	/* root of the 3-level tree; 0 not yet, ~0 never */
	uint64_t nmi_reason;		/* OUT: XEN_NMIREASON_* */
	uint64_t p2m_cr3;		/* non-zero: p2m_vaddr is valid in that address space */
	uint64_t p2m_vaddr;		/* the linear p2m */
	uint64_t p2m_generation;	/* odd while the guest changes its mapping */
};

/* One page per domain. */
struct shared_info {
	struct vcpu_info vcpu_info[XEN_LEGACY_MAX_VCPUS];
	xen_ulong_t evtchn_pending[64];
	xen_ulong_t evtchn_mask[64];
	uint32_t wc_version;		/* OUT wallclock at system_time 0; odd version: retry */
	uint32_t wc_sec;
	uint32_t wc_nsec;
	uint32_t wc_sec_hi;
	struct arch_shared_info arch;
};

/* OUT. What a PV guest finds at rsi when it starts. */
struct start_info {
	char magic[32];			/* "xen-3.0-x86_64" */
	uint64_t nr_pages;
	uint64_t shared_info;		/* machine address */
	uint32_t flags;			/* SIF_* */
	xen_pfn_t store_mfn;
	uint32_t store_evtchn;
	union {
		struct {
			xen_pfn_t mfn;
			uint32_t evtchn;
		} domU;
		struct {
			uint32_t info_off;	/* offset of a dom0_vga_console_info */
			uint32_t info_size;
		} dom0;
	} console;
	uint64_t pt_base;		/* va of the first L4 */
	uint64_t nr_pt_frames;
	uint64_t mfn_list;		/* va of the p2m */
	uint64_t mod_start;		/* va, or pfn with SIF_MOD_START_PFN; 0 none */
	uint64_t mod_len;
	char cmd_line[MAX_GUEST_CMDLINE];	/* zero-terminated */
	uint64_t first_p2m_pfn;		/* p2m frames when it is outside the initial mapping */
	uint64_t nr_p2m_frames;
};

/* Module array of SIF_MULTIBOOT_MOD; as in the multiboot header, addresses are guest physical. */
struct xen_multiboot_mod_list {
	uint32_t mod_start;
	uint32_t mod_end;
	uint32_t cmdline;
	uint32_t pad;
};

/* OUT to dom0, at start_info + console.dom0.info_off. */
struct dom0_vga_console_info {
	uint8_t video_type;		/* XEN_VGATYPE_* */
	union {
		struct {
			uint16_t font_height;
			uint16_t cursor_x, cursor_y;
			uint16_t rows, columns;
		} text_mode_3;
		struct {
			uint16_t width, height;
			uint16_t bytes_per_line;
			uint16_t bits_per_pixel;
			uint32_t lfb_base;
			uint32_t lfb_size;
			uint8_t red_pos, red_size;
			uint8_t green_pos, green_size;
			uint8_t blue_pos, blue_size;
			uint8_t rsvd_pos, rsvd_size;
			uint32_t gbl_caps;
			uint16_t mode_attrs;
			uint16_t pad;
			uint32_t ext_lfb_base;
		} vesa_lfb;
	} u;
};

/* IN. set_trap_table(list): ends with address 0. */
struct trap_info {
	uint8_t vector;
	uint8_t flags;			/* 1:0 ring that may use INT; 2 mask events */
	uint16_t cs;
	uint64_t address;
};

#define TI_GET_DPL(ti)		((ti)->flags & 3)
#define TI_GET_IF(ti)		((ti)->flags & 4)

/* Integer registers, in the order the entry code pushes them. */
struct cpu_user_regs {
	uint64_t r15;
	uint64_t r14;
	uint64_t r13;
	uint64_t r12;
	uint64_t rbp;
	uint64_t rbx;
	uint64_t r11;
	uint64_t r10;
	uint64_t r9;
	uint64_t r8;
	uint64_t rax;
	uint64_t rcx;
	uint64_t rdx;
	uint64_t rsi;
	uint64_t rdi;
	uint32_t error_code;		/* hypervisor's own */
	uint32_t entry_vector;		/* hypervisor's own */
	uint64_t rip;
	uint16_t cs, _pad0[1];
	uint8_t saved_upcall_mask;	/* event mask at entry; rflags.IF is its opposite */
	uint8_t _pad1[3];
	uint64_t rflags;
	uint64_t rsp;
	uint16_t ss, _pad2[3];
	uint16_t es, _pad3[3];
	uint16_t ds, _pad4[3];
	uint16_t fs, _pad5[3];
	uint16_t gs, _pad6[3];
};

/* IN. The frame at the guest's rsp when it calls __HYPERVISOR_iret. */
struct iret_context {
	uint64_t rax, r11, rcx, flags, rip, cs, rflags, rsp, ss;	/* flags: VGCF_* */
};

/* IN/OUT. A whole vCPU: VCPUOP_initialise, domctl set/getvcpucontext. */
struct vcpu_guest_context {
	struct {
		char x[512];
	} fpu_ctxt;			/* FXSAVE image, if VGCF_i387_valid */
	uint64_t flags;			/* VGCF_* */
	struct cpu_user_regs user_regs;
	struct trap_info trap_ctxt[256];
	uint64_t ldt_base, ldt_ents;	/* linear address, entries */
	uint64_t gdt_frames[16], gdt_ents;	/* mfns, entries */
	uint64_t kernel_ss, kernel_sp;	/* as stack_switch */
	uint64_t ctrlreg[8];		/* 0 CR0, 1 user L4, 3 kernel L4 (as CR3), 4 CR4 */
	uint64_t debugreg[8];
	uint64_t event_callback_eip;
	uint64_t failsafe_callback_eip;
	uint64_t syscall_callback_eip;
	uint64_t vm_assist;		/* bitmap of VMASST_TYPE_* */
	uint64_t fs_base;
	uint64_t gs_base_kernel;
	uint64_t gs_base_user;
};

/* A bitmap of nr_bits bits in guest memory (domctl, sysctl). */
struct xenctl_bitmap {
	uint64_t bitmap;		/* handle: bytes */
	uint32_t nr_bits;
};

/* Per-domain settings of x86 (createdomain, getdomaininfo). A PV domain emulates nothing or PIT. */
struct xen_arch_domainconfig {
	uint32_t emulation_flags;	/* XEN_X86_EMU_* */
	uint32_t misc_flags;		/* XEN_X86_MSR_RELAXED */
};
#define XEN_X86_EMU_LAPIC	(1U << 0)
#define XEN_X86_EMU_HPET	(1U << 1)
#define XEN_X86_EMU_PM		(1U << 2)
#define XEN_X86_EMU_RTC		(1U << 3)
#define XEN_X86_EMU_IOAPIC	(1U << 4)
#define XEN_X86_EMU_PIC		(1U << 5)
#define XEN_X86_EMU_VGA		(1U << 6)
#define XEN_X86_EMU_IOMMU	(1U << 7)
#define XEN_X86_EMU_PIT		(1U << 8)
#define XEN_X86_EMU_USE_PIRQ	(1U << 9)
#define XEN_X86_EMU_VPCI	(1U << 10)
#define XEN_X86_EMU_ALL		0x7ffU
#define XEN_X86_MSR_RELAXED	(1U << 0)
#define XEN_X86_MISC_FLAGS_MAX	XEN_X86_MSR_RELAXED

/* CPU policies are lists of these (domctl and sysctl cpu_policy). */
#define XEN_CPUID_NO_SUBLEAF	0xffffffffU
struct xen_cpuid_leaf {
	uint32_t leaf, subleaf;		/* subleaf: XEN_CPUID_NO_SUBLEAF where the leaf has none */
	uint32_t a, b, c, d;
};

struct xen_msr_entry {
	uint32_t idx;
	uint32_t flags;			/* 0 */
	uint64_t val;
};

#endif /* !__ASSEMBLY__ */

#endif
