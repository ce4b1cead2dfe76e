/* SPDX-License-Identifier: MIT */
/*
 * Job:    the address map: one aligned list of areas, used by C, assembly and the linker script.
 * Holds:  M1  guests own every L4 slot but 256-271; slot 256 (M2P) is the only one of these
 *             that guest mode may read.
 * Tests:  tests/guests/abuse_l4slots.c, tests/host/test_pagetable.c
 */
#ifndef HV_LAYOUT_H
#define HV_LAYOUT_H

#ifdef __ASSEMBLY__
#define _UL(x) x
#else
#define _UL(x) x##UL
#endif

#define HV_L4_FIRST		256	/* first L4 slot that belongs to the hypervisor */
#define HV_L4_LAST		271
#define HV_VIRT_START		_UL(0xffff800000000000)
#define HV_VIRT_END		_UL(0xffff880000000000)
#define M2P_VIRT_START		HV_VIRT_START		/* slot 256: u64 pfn per mfn */
#define M2P_VIRT_END		_UL(0xffff804000000000)
#define IOREMAP_VIRT_START	_UL(0xffff82c000000000)	/* slot 261, 64 GiB: device registers */
#define IOREMAP_VIRT_END	_UL(0xffff82d000000000)
#define IMAGE_VIRT_BASE		IOREMAP_VIRT_END	/* maps machine address 0 of the image */
#define IMAGE_VIRT_START	_UL(0xffff82d000200000)	/* 1 GiB */
#define IMAGE_PHYS_START	_UL(0x200000)
#define PERCPU_VIRT_START	_UL(0xffff82d040000000)	/* 64 areas of 1 MiB */
#define PERCPU_AREA_SHIFT	20
/*
 * Pages that every CPU sees at one address when it runs on a restricted root; full roots map nothing
 * there.
 */
#define LOCAL_VCPU		_UL(0xffff82d048000000)	/* ring 1: the page of the running vcpu's vcpu_info */
#define LOCAL_CONST		_UL(0xffff82d048001000)	/* this CPU's TSS page, read-only */
#define LOCAL_ENTRY		_UL(0xffff82d048002000)	/* this CPU's entry page */
#define FRAMETABLE_VIRT_START	_UL(0xffff82e000000000)	/* 128 GiB */
#define DIRECTMAP_VIRT_START	_UL(0xffff830000000000)	/* slots 262-271: the RAM, 5 TiB */
#define DIRECTMAP_VIRT_END	HV_VIRT_END

/* Inside one CPU's area (offsets). Restricted roots map the parts up to ENTRY. */
#define PC_GDT_OFFSET		0x00000	/* 16 pages: 14 of the guest's, 1 of ours, 1 hole */
#define PC_LDT_OFFSET		0x10000	/* 16 pages of the guest's */
#define PC_TSS_OFFSET		0x20000	/* 1 page: the TSS; what entries from restricted roots need */
#define PC_STUB_OFFSET		0x21000	/* 1 page: the SYSCALL entry stubs of this CPU */
#define PC_ENTRY_OFFSET		0x22000	/* 1 page: entry stacks, the only page that guest mode may write */
#define PC_STACK_OFFSET		0x28000	/* 8 pages, aligned: IST #DF, NMI, #MC, #DB, hole, 3 main */

/* In the TSS page: nothing of it changes but by this CPU in the hypervisor. */
#define CP_CR3_FULL		0x100	/* root with the whole hypervisor */
#define CP_CR3_OUT		0x108	/* restricted root to leave on */
#define CP_FRAME_TOP		0x110	/* &cpu_info.guest.es */
#define CP_OFFER_AT		0x180	/* of CP_OFFERS the word for CR3_OUT, or one that is ~0 */
#define CP_COPIES		0x188	/* this CPU's copies, page by page: CR3 for the first; ~0: none */
#define CP_OFFERS		0x1a0	/* the root (mfn) of each that ring 1 may load by itself, or ~0 */
#define CP_SYSCALL_FRAME	0x120	/* ring 1: rip cs rflags rsp ss for IRETQ to its handlers */
#define CP_FAULT_FRAME		0x150

/* The entry page: the stack of entries from guest mode, stacks of IST entries, three words. */
#define EP_IST_TOP(n)		((n) * 0x200)
#define EP_STACK_TOP		0xfc0
#define EP_CR3			0xfd0	/* that the last entry has found */
#define EP_RAX			0xfd8
#define EP_RSP			0xfe0
#define EP_TRUSTED		0xfe8	/* test build, without=3: CP_CR3_FULL */

#define COPIES_SHIFT		3	/* restricted roots of a CPU */
#define STACK_SHIFT		15
#define STACK_SIZE		(_UL(1) << STACK_SHIFT)
#define IST_DF			1
#define IST_NMI			2
#define IST_MC			3
#define IST_DB			4

/* Selectors. The guest has GDT entries 0-7167; ours begin at 0xe000. */
#define HV_CS			0xe008	/* 64-bit ring 0 code */
#define GUEST_CS32		0xe023
#define GUEST_SS		0xe02b
#define GUEST_CS64		0xe033
#define HV_TSS_SEL		0xe040	/* 16 bytes each */
#define HV_LDT_SEL		0xe050
#define RING1_CS		0xe061	/* PARAPET_RING1_CS, _SS */
#define RING1_SS		0xe069
#define FIRST_HV_GDT_PAGE	14
#define NR_GUEST_GDT_PAGES	14

/* How a vcpu is entered and left; a vcpu's is v->pv.mode. */
#define MODE_FULL		0	/* ring 3, on roots that map the hypervisor */
#define MODE_RESTRICTED		1	/* ring 3, on restricted roots */
#define MODE_RING1		2	/* kernel in ring 1, on restricted roots */

/*
 * A test build (make UNSAFE=1) can leave out one of the conditions that make ring 1 safe, by the option
 * without=n, so that a guest can show the attack which it stops: tests/guests/attacks.
 */
#ifdef UNSAFE
#define WITHOUT(n) (opt_without == (n))
#else
#define WITHOUT(n) 0
#endif

#ifndef __ASSEMBLY__
extern unsigned int opt_without;

/* The hypervisor's slots are exactly the 8 TiB at HV_VIRT_START: one shift tells. */
static inline int in_hv_slots(unsigned long va)
{
	return va >> 43 == HV_VIRT_START >> 43;
}
#endif

#endif
