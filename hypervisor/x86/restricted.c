/* SPDX-License-Identifier: MIT */
/*
 * Restricted roots: guest mode without the hypervisor's memory, on CPUs with Meltdown and for guests
 * whose kernel runs in ring 1.
 *
 * Job:    per CPU copies of the roots of the vcpus that it runs, whose hypervisor slots map only what
 *         an entry needs; bring the right one up to date before a return to guest mode; what ring
 *         1's entries find in the TSS page.
 * Enter:  desc.c (set-up), context.c, entry.S (restricted_prepare), pv/ (arch_root_changed,
 *         arch_load_entries).
 * State:  restricted_roots and ring1_why_not (set once at boot); per CPU the copies.
 * Locks:  none: each CPU touches its own; root_gen is atomic.
 * Holds:  RR1  a copy has the guest's slots of the root it names as of its generation. While a root is
 *              in force its copy is brought up to date at each exit.
 *         RR2  of the hypervisor a copy maps the M2P, entry code, IDTs, and of its own CPU's area GDT,
 *              LDT, TSS page and stubs, all read-only, and the entry page; nothing of other CPUs.
 *         RR3  ring 3 of a domain in ring 1 reaches nothing in the upper half.
 * Tests:  tests/linux and tests/guests with --cpu Haswell; tests/guests/{ring1,abuse_ring1}.c
 */
#include <hv/page_alloc.h>
#include <hv/pv.h>
#include <hv/string.h>
#include "machine.h"

#define TABLE_PTE (PTE_P | PTE_RW | PTE_A | PTE_D)
#define NR_COPIES 8
#define READ_ONLY (WITHOUT(1) ? 0 : PTE_RW)

u8 restricted_roots;
static u64 root_gen[256];		/* by frame: tables that share one are copied too often */

static struct restricted {
	struct copy { mfn_t of; u64 gen, *l4; } copies[NR_COPIES];
	unsigned int next;		/* the copy to be given up next */
	u64 *area_l1, *local_l1;	/* private tables over this CPU's area and LOCAL_* */
} restricted[NR_CPUS];

#define gen_of(root) (&root_gen[mfn_x(root) % ARRAY_SIZE(root_gen)])
#define const_word(member) ((u64 *)(percpu_area(this_cpu()) + PC_TSS_OFFSET + (member)))

#define private_entry(l3, va) table_entry(l3, 30, va, 12)	/* below the one for slot 261 */

/* Map the pages [va, end) as the full root does, but without the bits of `drop`. */
static int map_private(u64 *l3, u64 va, u64 end, u64 drop)
{
	u64 *e;

	for (; va < end; va += PAGE_SIZE) {
		e = private_entry(l3, va);
		if (!e)
			return -ENOMEM;
		*e = *hv_entry(va, 12) & ~(PTE_G | drop);
	}
	return 0;
}

int restricted_setup(unsigned int cpu, u64 idts, u64 idts_end)
{
	extern char _sentry_text[], _eentry_text[];
	struct restricted *r = &restricted[cpu];
	u64 *l3 = alloc_hv_pages(0), base = percpu_area(cpu);

	if (!l3 || map_private(l3, (u64)_sentry_text, (u64)_eentry_text, 0) ||
	    map_private(l3, idts, idts_end, READ_ONLY) ||
	    map_private(l3, base, base + PC_ENTRY_OFFSET, READ_ONLY) ||
	    map_private(l3, base + PC_ENTRY_OFFSET, base + PC_ENTRY_OFFSET + PAGE_SIZE, 0))
		return -ENOMEM;
	for (unsigned int other = 0; WITHOUT(2) && other < cpu; other++)
		map_private(l3, percpu_area(other) + PC_ENTRY_OFFSET,
			    percpu_area(other) + PC_ENTRY_OFFSET + PAGE_SIZE, 0);
	r->area_l1 = private_entry(l3, base) - L1_INDEX(base);
	r->local_l1 = private_entry(l3, LOCAL_VCPU);		/* the first of its table */
	if (!r->local_l1)
		return -ENOMEM;
	r->local_l1[L1_INDEX(LOCAL_CONST)] = r->area_l1[L1_INDEX(base + PC_TSS_OFFSET)];
	r->local_l1[L1_INDEX(LOCAL_ENTRY)] = r->area_l1[L1_INDEX(base + PC_ENTRY_OFFSET)];
	for (struct copy *c = r->copies; c < r->copies + NR_COPIES; c++) {
		c->of = INVALID_MFN;
		c->l4 = alloc_hv_pages(0);
		if (!c->l4)
			return -ENOMEM;
		c->l4[L4_INDEX(IMAGE_VIRT_START)] = make_pte(virt_to_mfn(l3), TABLE_PTE);
	}
	return 0;
}

void restricted_window(unsigned int cpu, u64 va, u64 pte)
{
	if (restricted[cpu].area_l1)
		restricted[cpu].area_l1[L1_INDEX(va)] = pte & ~READ_ONLY;
}

void arch_root_changed(struct domain *d, mfn_t root)
{
	atomic_inc(gen_of(root));
}

/* The frame for IRETQ with which ring 0 sends ring 3 to a handler of the kernel in ring 1. */
static void set_ring1_frame(u64 *f, u64 rip, u64 pushed)
{
	f[0] = rip;
	f[1] = RING1_CS;
	f[2] = X86_RFLAGS_IF | X86_RFLAGS_MBS | X86_RFLAGS_AC;
	f[3] = LOCAL_VCPU + PAGE_SIZE - pushed;
	f[4] = RING1_SS;
}

/* Handlers are canonical or 0 (CB1): IRETQ does not fault; at 0 ring 1 faults, and is told. */
void arch_load_entries(struct vcpu *v)
{
	u64 *pte = &restricted[this_cpu()].local_l1[L1_INDEX(LOCAL_VCPU)];

	if (v != current_vcpu() || v->pv.mode != MODE_RING1)
		return;
	load_mode(this_cpu(), MODE_RING1);
	*pte = make_pte(virt_to_mfn(v->vcpu_info), PTE_P | PTE_RW | PTE_A | PTE_D | PTE_NX);
	flush_va_local(LOCAL_VCPU);
	set_ring1_frame(const_word(CP_SYSCALL_FRAME), v->pv.syscall_entry, 0);
	set_ring1_frame(const_word(CP_FAULT_FRAME), v->pv.traps[14].address, 48);
}

static struct copy *find_copy(struct restricted *r, mfn_t root)
{
	struct copy *c;

	for (c = r->copies; c < r->copies + NR_COPIES; c++)
		if (mfn_eq(c->of, root))
			return c;
	c = &r->copies[r->next++ % NR_COPIES];
	c->of = INVALID_MFN;
	return c;
}

static void copy_root(struct copy *c, mfn_t root, bool ring1, u64 gen)
{
	const u64 *from = mfn_to_virt(root);
	u64 clear = ring1 && !WITHOUT(7) ? PTE_US : 0;		/* RR3 */

	memcpy(c->l4, from, HV_L4_FIRST * 8);
	for (unsigned int i = HV_L4_LAST + 1; i < PTES_PER_PAGE; i++)
		c->l4[i] = from[i] & ~clear;
	c->l4[L4_INDEX(M2P_VIRT_START)] = hv_root[L4_INDEX(M2P_VIRT_START)] & ~clear;
	c->of = root;
	c->gen = gen;
}

/* Called with the frame complete, right before the registers are loaded. */
void restricted_prepare(const struct cpu_user_regs *regs)
{
	struct vcpu *v = current_vcpu();
	bool kernel = kernel_gs_active(v);
	mfn_t root = kernel ? v->pv.root_kernel : v->pv.root_user;
	u64 gen = READ_ONCE(*gen_of(root));
	struct copy *c = find_copy(&restricted[this_cpu()], root);

	if (!mfn_eq(c->of, root) || c->gen != gen)
		copy_root(c, root, v->pv.mode == MODE_RING1, gen);
	/* never ring 0, or with its rights */
	if (!WITHOUT(8) && unlikely(!(regs->cs & 1) || (regs->rflags & (X86_RFLAGS_IF | X86_RFLAGS_IOPL)) !=
				    X86_RFLAGS_IF))
		panic_regs(regs, "a guest's frame");
	*const_word(CP_ROOT) = mfn_x(root);
	*const_word(CP_GEN) = gen;
	*const_word(CP_GEN_AT) = (u64)gen_of(root);
	*const_word(CP_CR3_FULL) = kernel ? v->pv.cr3_kernel : v->pv.cr3_user;
#ifdef UNSAFE
	*(u64 *)(percpu_area(this_cpu()) + PC_ENTRY_OFFSET + EP_TRUSTED) = *const_word(CP_CR3_FULL);
#endif
	*const_word(CP_CR3_OUT) = tags_cr3(mfn_x(virt_to_mfn(c->l4)) << PAGE_SHIFT, !kernel, true);
}
