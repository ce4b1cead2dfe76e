/* SPDX-License-Identifier: MIT */
/*
 * Job:    which descriptors and selectors a guest may have; its GDT, LDT and breakpoints.
 * Enter:  the hypercall table; pv/mmu_update.c (LDT), pagetable.c (validate_seg_page), vcpu_op.c.
 * Locks:  the domain's mmu_lock around typed references (PT_seg).
 * Holds:  G1  every frame in a vcpu's GDT or LDT is PT_seg, held with one typed reference.
 *         G2  a present descriptor in a PT_seg frame is code or data of ring 3: no gate, no TSS, no
 *             LDT, nothing that leads to ring 0.
 *         G3  no breakpoint lies on a hypervisor address, none on ports.
 * Tests:  tests/host/test_descriptors.c, tests/guests/{descriptors,debugregs,abuse_segments}.c
 */
#include <hv/l1.h>
#include <hv/string.h>

/* In the LDT, or in the guest's part of the GDT? */
static bool guest_selector(u64 sel)
{
	return (sel & 4) || sel < FIRST_HV_GDT_PAGE * PAGE_SIZE;
}

bool fix_code_selector(u64 *sel)
{
	u64 s = (*sel & 0xffff) | 3;

	if (WITHOUT(8))
		return true;
	if (s == 3 || !(guest_selector(s) || s == GUEST_CS64 || s == GUEST_CS32))
		return false;
	*sel = s;
	return true;
}

/* A null stack selector becomes the flat one: ring 3 cannot run with null. */
bool fix_stack_selector(u64 *sel)
{
	u64 s = (*sel & 0xffff) | 3;

	if (s == 3)
		s = GUEST_SS;
	if (!guest_selector(s) && s != GUEST_SS)
		return false;
	*sel = s;
	return true;
}

#define DESC_ACCESSED	BIT(40)
#define DESC_S		BIT(44)		/* code or data, not a system descriptor */
#define DESC_DPL	(3UL << 45)
#define DESC_P		BIT(47)

int check_descriptor(u64 *desc)
{
	if (!(*desc & DESC_P))
		return 0;		/* using it always faults */
	if (!(*desc & DESC_S))
		return refuse(-EINVAL, "descriptor %lx is a gate or a system segment", *desc);
	/* accessed: so that the processor never needs to write to the table */
	*desc |= DESC_DPL | DESC_ACCESSED;
	return 0;
}

int validate_seg_page(u64 *descs)
{
	int rc = 0;

	for (unsigned int i = 0; i < PAGE_SIZE / 8 && !rc; i++)
		rc = check_descriptor(&descs[i]);
	return rc;
}

#define pages_of(entries) DIV_ROUND_UP((entries), 512)

/*
 * Replace a descriptor table of v, whose frames (INVALID_MFN: a hole) and number of entries are
 * *table and *ents; load: make the processor use what they say. On error nothing changes.
 */
static int replace_table(struct vcpu *v, mfn_t *table, unsigned int *ents, const mfn_t *new,
			 unsigned int new_ents, void (*load)(struct vcpu *v))
{
	unsigned int i, n = pages_of(new_ents), old_n = pages_of(*ents);
	struct domain *d = v->domain;
	mfn_t old[16];
	int rc = 0;

	mmu_lock(d);
	for (i = 0; i < n && !rc; i++)
		if (!mfn_eq(new[i], INVALID_MFN))
			rc = get_table(d, new[i], PT_seg);
	if (rc)
		for (n = i - 1, i = 0; i < n; i++)	/* the last one was not taken */
			put_table(new[i]);
	mmu_unlock(d);
	if (rc)
		return rc;
	memcpy(old, table, sizeof(old));
	memcpy(table, new, n * sizeof(*new));
	*ents = new_ents;
	load(v);
	mmu_lock(d);
	for (i = 0; i < old_n; i++)	/* no CPU has them mapped any more */
		put_table(old[i]);
	mmu_unlock(d);
	return 0;
}

/* v: current, or not running. mfns: one per 512 entries. On error nothing changes. */
int set_gdt_frames(struct vcpu *v, const u64 *mfns, unsigned int entries)
{
	mfn_t frames[16] = {};

	if (entries > FIRST_RESERVED_GDT_ENTRY)
		return refuse(-EINVAL, "GDT with %u entries", entries);
	for (unsigned int i = 0; i < pages_of(entries); i++)		/* it has no holes */
		frames[i] = _mfn(mfns[i] == mfn_x(INVALID_MFN) ? 0 : mfns[i]);
	return replace_table(v, v->pv.gdt_frames, &v->pv.gdt_ents, frames, entries, arch_load_gdt);
}

/* v: current, or ents == 0. What base maps to now; pages that are not mapped stay holes. */
int set_ldt(struct vcpu *v, u64 base, unsigned int ents)
{
	mfn_t frames[16];
	const u64 *l1p;
	u64 e;

	if (ents > 8192 ||
	    (ents && ((base & ~PAGE_MASK) || in_hv_slots(base) || !is_canonical(base))))
		return refuse(-EINVAL, "LDT at %lx with %u entries", base, ents);
	mmu_lock(v->domain);
	for (unsigned int i = 0; i < pages_of(ents); i++) {
		l1p = walk_l1(v, base + i * PAGE_SIZE);
		e = l1p ? READ_ONCE(*l1p) : 0;
		frames[i] = e & PTE_P ? pte_mfn(e) : INVALID_MFN;
	}
	v->pv.ldt_base = base;		/* for the toolstack to read; the frames are what counts */
	mmu_unlock(v->domain);
	return replace_table(v, v->pv.ldt_frames, &v->pv.ldt_ents, frames, ents, arch_load_ldt);
}

/* a1: array of u64 frame numbers, a2: entries */
HYPERCALL(set_gdt)
{
	u64 mfns[NR_GUEST_GDT_PAGES];
	u32 entries = (u32)a2;

	if (entries > FIRST_RESERVED_GDT_ENTRY)
		return refuse(-EINVAL, "GDT with %u entries", entries);
	if (copy_from_guest(mfns, _gva(a1), pages_of(entries) * sizeof(u64)))
		return -EFAULT;
	return set_gdt_frames(current_vcpu(), mfns, entries);
}

/* a1: machine address of the descriptor, a2: what it becomes */
HYPERCALL(update_descriptor)
{
	struct domain *d = current_vcpu()->domain;
	mfn_t mfn = _mfn(a1 >> PAGE_SHIFT);
	struct page_info *pg = mfn_to_page(mfn);
	u64 desc = a2;
	int rc = check_descriptor(&desc);
	bool table;

	if (rc)
		return rc;
	if ((a1 & 7) || !mfn_is_ram(mfn))
		return refuse(-EINVAL, "update_descriptor at %lx", a1);
	mmu_lock(d);
	table = PG_type(pg->word) == PT_seg && (pg->word & PG_validated);
	if (table ? get_page_and_type(pg, d, PT_seg) : !get_page_writable(pg, d)) {
		rc = refuse(-EINVAL, "descriptor frame %lx cannot be written", mfn_x(mfn));
	} else {
		WRITE_ONCE(*(u64 *)maddr_to_virt(a1), desc);
		if (table)
			put_page_and_type(pg);
		else	/* no table yet: a store like any other */
			put_page_writable(pg);
	}
	mmu_unlock(d);
	return rc;
}

#define DR6_OWN		0xe00fUL	/* B0-B3, BD, BS, BT; the rest reads as fixed */
#define DR6_FIXED	0xffff0ff0UL
#define DR7_OWN		0xffff03ffUL	/* without GD, RTM and reserved bits */
#define DR7_FIXED	0x400UL

int set_guest_debugreg(struct vcpu *v, unsigned int reg, u64 val)
{
	if (reg < 4 && (in_hv_slots(val) || !is_canonical(val)))
		return refuse(-EPERM, "breakpoint at %lx", val);
	if (reg == 4 || reg == 5 || reg > 7 || (reg >= 6 && val >> 32))
		return refuse(-EINVAL, "DR%u = %lx", reg, val);
	if (reg == 6) {
		val &= DR6_OWN;
	} else if (reg == 7) {
		/* when all breakpoints are off their conditions are not kept */
		val &= val & 0xff ? DR7_OWN : 0x300;
		/*
		 * R/W in the low two bits, LEN above. Not I/O, which our own port accesses would
		 * meet; execution breakpoints have length 1.
		 */
		for (u64 conditions = val >> 16; conditions; conditions >>= 4)
			if ((conditions & 3) == 2 || ((conditions & 15) && !(conditions & 3)))
				return refuse(-EPERM, "DR7 = %lx", val);
	}
	arch_set_debugreg(v, reg, val);
	return 0;
}

u64 get_guest_debugreg(const struct vcpu *v, unsigned int reg)
{
	if (reg == 6)
		return (v->pv.dr[6] & DR6_OWN) | DR6_FIXED;
	return reg == 7 ? v->pv.dr[7] | DR7_FIXED : v->pv.dr[reg & 7];
}

/* a1: register, a2: value */
HYPERCALL(set_debugreg)
{
	return a1 > 7 ? -EINVAL : set_guest_debugreg(current_vcpu(), (unsigned int)a1, a2);
}

HYPERCALL(get_debugreg)
{
	if (a1 > 7 || a1 == 4 || a1 == 5)
		return -EINVAL;
	return (long)get_guest_debugreg(current_vcpu(), (unsigned int)a1);
}
