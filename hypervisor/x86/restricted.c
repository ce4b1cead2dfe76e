/* SPDX-License-Identifier: MIT */
/*
 * Restricted roots: guest mode without the hypervisor's memory, on CPUs with Meltdown.
 *
 * Job:    per CPU two L4 copies (guest kernel, guest user) whose hypervisor slots map only what an
 *         entry needs; refresh them before a return to guest mode.
 * Enter:  desc.c (set-up), entry.S (restricted_prepare), pv/pagetable.c (arch_root_changed).
 * State:  restricted_roots (set once at boot); per CPU the copies and which root they copy.
 * Locks:  none: each CPU touches its own; root_generation is atomic.
 * Holds:  RR1  a copy has the guest's slots of the root it names as of root_generation `gen`.
 *         RR2  of the hypervisor a copy maps the M2P, entry code, IDT, and of its own CPU's area
 *              GDT, LDT, TSS, stubs, entry page and IST stacks; nothing of other CPUs.
 * Tests:  tests/linux and tests/guests with --cpu Haswell
 */
#include <hv/errno.h>
#include <hv/page_alloc.h>
#include <hv/pv.h>
#include <hv/string.h>
#include "machine.h"

#define TABLE_PTE (PTE_P | PTE_RW | PTE_A | PTE_D)

u8 restricted_roots;
static u64 root_generation = 1;

static struct restricted {
	u64 *root[2];			/* by in_kernel */
	mfn_t copies[2];		/* root that it is a copy of */
	u64 gen[2];
	u64 *area_l1;			/* private table over this CPU's area */
} restricted[NR_CPUS];

#define entry_page(cpu, member) ((u64 *)(percpu_area(cpu) + PC_ENTRY_OFFSET + (member)))

/* The L1 table for va below the private L3 of slot 261; new tables come from the allocator. */
static u64 *private_l1(u64 *l3, u64 va)
{
	u64 *t = l3, *n, *pte;
	unsigned int shift;

	for (shift = 30; shift > 12; shift -= 9) {
		pte = &t[(va >> shift) & 511];
		n = *pte & PTE_P ? mfn_to_virt(pte_mfn(*pte)) : alloc_hv_pages(0);
		if (!n)
			return NULL;
		*pte = make_pte(virt_to_mfn(n), TABLE_PTE);
		t = n;
	}
	return t;
}

/* Map the pages [va, end) as the full root does. */
static int map_private(u64 *l3, u64 va, u64 end)
{
	u64 *l1;

	for (; va < end; va += PAGE_SIZE) {
		l1 = private_l1(l3, va);
		if (!l1)
			return -ENOMEM;
		l1[L1_INDEX(va)] = *hv_entry(va, 12) & ~PTE_G;
	}
	return 0;
}

int restricted_setup(unsigned int cpu, const void *idt)
{
	extern char _sentry_text[], _eentry_text[];
	struct restricted *r = &restricted[cpu];
	u64 *l3 = alloc_hv_pages(0), base = percpu_area(cpu);
	unsigned int i;

	if (!l3 || map_private(l3, (u64)_sentry_text, (u64)_eentry_text) ||
	    map_private(l3, (u64)idt, (u64)idt + PAGE_SIZE) ||
	    map_private(l3, base, base + PC_ENTRY_OFFSET + PAGE_SIZE) ||
	    map_private(l3, base + PC_STACK_OFFSET, base + PC_STACK_OFFSET + 4 * PAGE_SIZE))
		return -ENOMEM;
	*entry_page(cpu, EP_FRAME_TOP) = (u64)&cpu_info_of(cpu)->guest.es;
	r->area_l1 = private_l1(l3, base);
	for (i = 0; i < 2; i++) {
		r->root[i] = alloc_hv_pages(0);
		if (!r->root[i])
			return -ENOMEM;
		r->root[i][L4_INDEX(M2P_VIRT_START)] = hv_root[L4_INDEX(M2P_VIRT_START)];
		r->root[i][L4_INDEX(IMAGE_VIRT_START)] = make_pte(virt_to_mfn(l3), TABLE_PTE);
		r->copies[i] = INVALID_MFN;
	}
	return 0;
}

void restricted_window(unsigned int cpu, u64 va, u64 pte)
{
	if (restricted[cpu].area_l1)
		restricted[cpu].area_l1[L1_INDEX(va)] = pte;
}

void arch_root_changed(struct domain *d, mfn_t root)
{
	atomic_inc(&root_generation);
}

/* Called with the frame complete, right before the registers are loaded. */
void restricted_prepare(void)
{
	struct vcpu *v = current_vcpu();
	struct restricted *r = &restricted[this_cpu()];
	unsigned int k = v->pv.in_kernel;
	mfn_t root = k ? v->pv.root_kernel : v->pv.root_user;
	u64 gen = READ_ONCE(root_generation), *from = mfn_to_virt(root), *to = r->root[k];

	if (!mfn_eq(r->copies[k], root) || r->gen[k] != gen) {
		memcpy(to, from, HV_L4_FIRST * 8);
		memcpy(to + HV_L4_LAST + 1, from + HV_L4_LAST + 1,
		       (PTES_PER_PAGE - HV_L4_LAST - 1) * 8);
		r->copies[k] = root;
		r->gen[k] = gen;
	}
	*entry_page(this_cpu(), EP_CR3_FULL) = k ? v->pv.cr3_kernel : v->pv.cr3_user;
	*entry_page(this_cpu(), EP_CR3_OUT) =
		tags_cr3(mfn_x(virt_to_mfn(to)) << PAGE_SHIFT, !k, true);
}
