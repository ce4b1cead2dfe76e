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
 * Locks:  none: each CPU touches its own, but for withdrawn offers and stale copies.
 * Holds:  RR1  a copy that is not stale has the guest's slots of the root it names. While a root is in
 *              force its copy is brought up to date at each exit.
 *         RR2  of the hypervisor a copy maps the M2P, entry code, IDTs, and of its own CPU's area GDT,
 *              LDT, TSS page and stubs, all read-only, and the entry page; nothing of other CPUs.
 *         RR3  ring 3 of a domain in ring 1 reaches nothing in the upper half (of a copy made for it).
 *         SW1  what is on offer to ring 1 (CP_OFFERS) are copies, not stale, of pinned L4 tables of the
 *              domain that ran here last in ring 1.
 *         SW2  while ring 1 is on a copy that it loaded by itself, copies[].of names its root, whose pin's
 *              hold stays (unpin_page() first has this CPU enter), as v's of the root in CP_CR3_FULL.
 *         SW3  nothing looks at v's root or guest memory after an entry before restricted_take_root().
 * Tests:  tests/linux and tests/guests with --cpu Haswell; tests/guests/{ring1,abuse_ring1}.c
 */
#include <hv/page_alloc.h>
#include <hv/pv.h>
#include <hv/string.h>
#include "machine.h"

#define TABLE_PTE (PTE_P | PTE_RW | PTE_A | PTE_D)
#define NR_COPIES (1U << COPIES_SHIFT)
#define NOT_OFFERED (~0UL)		/* is no mfn: these have 32 bits */
#define CR3_KEEP BIT(63)		/* tags.c */
#define READ_ONLY (WITHOUT(1) ? 0 : PTE_RW)

u8 restricted_roots;

static struct restricted {
	struct copy { mfn_t of; bool stale; domid_t ring1; } copies[NR_COPIES];	/* ring1: see RR3 */
	u64 (*l4)[PTES_PER_PAGE];	/* of these; aligned to their size */
	unsigned int next;		/* the copy to be given up next */
	domid_t domain;			/* to which copies are offered */
	u64 *area_l1, *local_l1;	/* private tables over this CPU's area and LOCAL_* */
} restricted[NR_CPUS];

#define const_of(cpu, member) ((u64 *)(percpu_area(cpu) + PC_TSS_OFFSET + (member)))
#define const_word(member) const_of(this_cpu(), member)

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
	r->l4 = alloc_hv_pages(COPIES_SHIFT);
	if (!r->l4)
		return -ENOMEM;
	*const_of(cpu, CP_COPIES) = tags_cr3(mfn_x(virt_to_mfn(r->l4)) << PAGE_SHIFT, false, true) & ~CR3_KEEP;
	*const_of(cpu, CP_OFFER_AT) = (u64)const_of(cpu, CP_OFFERS);
	for (unsigned int i = 0; i < NR_COPIES; i++) {
		r->copies[i] = (struct copy){ INVALID_MFN, true, DOMID_INVALID };
		const_of(cpu, CP_OFFERS)[i] = NOT_OFFERED;
		r->l4[i][L4_INDEX(IMAGE_VIRT_START)] = make_pte(virt_to_mfn(l3), TABLE_PTE);
	}
	return 0;
}

void restricted_window(unsigned int cpu, u64 va, u64 pte)
{
	if (restricted[cpu].area_l1)
		restricted[cpu].area_l1[L1_INDEX(va)] = pte & ~READ_ONLY;
}

cpumask_t arch_root_changed(mfn_t root)
{
	cpumask_t on = 0;

	smp_mb();	/* between the change and the look at who has a copy; offer() has the other half */
	for (unsigned int cpu = 0; cpu < nr_cpus_present && restricted[cpu].l4; cpu++)
		for (unsigned int i = 0; i < NR_COPIES; i++)
			if (mfn_x(root) == READ_ONCE(mfn_x(restricted[cpu].copies[i].of))) {
				WRITE_ONCE(restricted[cpu].copies[i].stale, true);
				WRITE_ONCE(const_of(cpu, CP_OFFERS)[i], NOT_OFFERED);	/* in this order */
				on |= BIT(cpu);
			}
	return on;
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
	const_word(CP_OFFERS)[c - r->copies] = NOT_OFFERED;
	*c = (struct copy){ root, true, DOMID_INVALID };
	return c;
}

/* l4 becomes a copy of root, for c; who changes root meanwhile makes it stale again. */
static void copy_root(struct copy *c, u64 *l4, mfn_t root, domid_t ring1)
{
	const u64 *from = mfn_to_virt(root);
	u64 clear = ring1 != DOMID_INVALID && !WITHOUT(7) ? PTE_US : 0;		/* RR3 */

	c->ring1 = ring1;
	c->stale = false;
	smp_mb();
	memcpy(l4, from, HV_L4_FIRST * 8);
	for (unsigned int i = HV_L4_LAST + 1; i < PTES_PER_PAGE; i++)
		l4[i] = from[i] & ~clear;
	l4[L4_INDEX(M2P_VIRT_START)] = hv_root[L4_INDEX(M2P_VIRT_START)] & ~clear;
}

static bool offerable(const struct copy *c, domid_t domain)
{
	const u64 flags = PG_validated | PG_pinned, good = (u64)PT_l4 << PG_TYPE_SHIFT | flags;

	return c->ring1 == domain && !READ_ONCE(c->stale) && mfn_to_page(c->of)->owner == domain &&
	       (READ_ONCE(mfn_to_page(c->of)->word) & (PG_TYPE | flags)) == good;
}

/* A vcpu goes to c's root: where may ring 1 go by itself from there? From a root without a pin nowhere. */
static void offer(struct restricted *r, const struct copy *c)
{
	domid_t domain = offerable(c, c->ring1) ? c->ring1 : DOMID_INVALID, before = r->domain;

	r->domain = domain;
	for (unsigned int i = 0; i < NR_COPIES; i++) {
		const struct copy *o = &r->copies[i];

		if (domain == before && o != c)
			continue;
		WRITE_ONCE(const_word(CP_OFFERS)[i], o->ring1 == domain ? mfn_x(o->of) : NOT_OFFERED);
		smp_mb();
		if (!offerable(o, domain))
			WRITE_ONCE(const_word(CP_OFFERS)[i], NOT_OFFERED);
	}
}

/* The root gets v's hold without a lock, by SW2, and before we wait for one: then unpin_page() goes on. */
void restricted_take_root(u64 cr3)
{
	struct vcpu *v = current_vcpu();
	mfn_t old = v->pv.root_kernel, root;

	if (v->pv.mode != MODE_RING1 || !((cr3 ^ *const_word(CP_CR3_OUT)) & ~CR3_KEEP))
		return;
	root = restricted[this_cpu()].copies[cr3 >> PAGE_SHIFT & (NR_COPIES - 1)].of;
	if (get_page_and_type(mfn_to_page(root), v->domain, PT_l4)) {
		domain_crash(v->domain, "vcpu %u: too many uses of root %lx", v->id, mfn_x(root));
		return;
	}
	v->pv.root_kernel = root;
	v->pv.cr3_kernel = root_to_cr3(v, root, false);
	tags_load(v->pv.cr3_kernel);
	WRITE_ONCE(v->pv.root_left, old);	/* who has the lock may let go of it for us: unpin_page() */
	mmu_lock(v->domain);
	put_left_root(v);
	mmu_unlock(v->domain);
}

unsigned int arch_audit(void)
{
	unsigned int bad = 0;

	for (unsigned int i = 0; i < nr_cpus_present * NR_COPIES; i++) {
		const struct restricted *r = &restricted[i / NR_COPIES];
		const struct copy *c = &r->copies[i % NR_COPIES];
		u64 mfn = r->l4 ? const_of(i / NR_COPIES, CP_OFFERS)[i % NR_COPIES] : NOT_OFFERED;

		bad += mfn != NOT_OFFERED && (mfn != mfn_x(c->of) || !offerable(c, r->domain));
	}
	if (bad)
		printk("audit: %u roots are on offer that must not be\n", bad);
	return bad;
}

/* Called with the frame complete, right before the registers are loaded. */
void restricted_prepare(const struct cpu_user_regs *regs)
{
	struct vcpu *v = current_vcpu();
	bool kernel = kernel_gs_active(v);
	mfn_t root = kernel ? v->pv.root_kernel : v->pv.root_user;
	struct restricted *r = &restricted[this_cpu()];
	struct copy *c = find_copy(r, root);
	domid_t ring1 = v->pv.mode == MODE_RING1 ? v->domain->id : DOMID_INVALID;
	u64 *l4 = r->l4[c - r->copies];

	if (READ_ONCE(c->stale) || c->ring1 != ring1)
		copy_root(c, l4, root, ring1);
	if (ring1 != DOMID_INVALID)
		offer(r, c);
	/* never ring 0, or with its rights */
	if (!WITHOUT(8) && unlikely(!(regs->cs & 1) || (regs->rflags & (X86_RFLAGS_IF | X86_RFLAGS_IOPL)) !=
				    X86_RFLAGS_IF))
		panic_regs(regs, "a guest's frame");
	*const_word(CP_OFFER_AT) = (u64)(const_word(CP_OFFERS) + (c - r->copies));
	*const_word(CP_CR3_FULL) = kernel ? v->pv.cr3_kernel : v->pv.cr3_user;
	if (v->pv.mode == MODE_RING1)		/* it may have been away from the root and back */
		*const_word(CP_CR3_FULL) &= ~CR3_KEEP;
#ifdef UNSAFE
	*(u64 *)(percpu_area(this_cpu()) + PC_ENTRY_OFFSET + EP_TRUSTED) = *const_word(CP_CR3_FULL);
#endif
	*const_word(CP_CR3_OUT) = tags_cr3(mfn_x(virt_to_mfn(l4)) << PAGE_SHIFT, !kernel, true);
}
