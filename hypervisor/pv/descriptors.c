/* SPDX-License-Identifier: MIT */
/*
 * Descriptor tables, selectors and debug registers of guests.
 *
 * Job:    say which descriptors a guest may have; install GDT and LDT frames; set breakpoints.
 * Enter:  hypercalls set_gdt, update_descriptor, set_debugreg, get_debugreg; pv/mmuext.c (LDT);
 *         pv/pagetable.c (validate_seg_page); pv/vcpu_op.c (contexts).
 * State:  v->pv.gdt_*, ldt_*, dr[].
 * Locks:  the domain's mmu_lock around typed references (PT_seg).
 * Holds:  G1  every frame in a vcpu's GDT or LDT is PT_seg, held with one typed reference.
 *         G2  a present descriptor in a PT_seg frame is code or data of ring 3: no gate, no TSS, no
 *             LDT, nothing that leads to ring 0.
 *         G3  no breakpoint lies on a hypervisor address, none on ports.
 * Tests:  tests/host/test_descriptors.c, tests/guests/{descriptors,debugregs,abuse_segments}.c
 */
#include <hv/debug.h>
#include <hv/errno.h>
#include <hv/hypercall.h>
#include <hv/l1.h>
#include <hv/pv.h>

/* --- selectors --- */

#define SEL_TI 4U
#define FIRST_HV_SEL (FIRST_HV_GDT_PAGE * PAGE_SIZE)

bool fix_code_selector(u64 *sel)
{
	u64 s = (*sel & 0xffff) | 3;

	if (s == 3)
		return false;
	if (!(s & SEL_TI) && s >= FIRST_HV_SEL && s != GUEST_CS64 && s != GUEST_CS32)
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
	if (!(s & SEL_TI) && s >= FIRST_HV_SEL && s != GUEST_SS)
		return false;
	*sel = s;
	return true;
}

/* --- descriptors --- */

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
	unsigned int i;
	u64 d;

	for (i = 0; i < PAGE_SIZE / 8; i++) {
		d = descs[i];
		if (check_descriptor(&d))
			return -EINVAL;
		if (d != descs[i])
			descs[i] = d;
	}
	return 0;
}

/* Take PT_seg references on n frames; all or none. mmu_lock held. */
static int get_seg_frames(struct domain *d, const mfn_t *mfns, unsigned int n)
{
	unsigned int i;
	int rc = 0;

	for (i = 0; i < n; i++) {
		if (mfn_eq(mfns[i], INVALID_MFN))
			continue;
		if (!mfn_is_ram(mfns[i]))
			rc = refuse(-EINVAL, "descriptor frame %lx is no RAM", mfn_x(mfns[i]));
		else	/* lets go of unused page tables that map it writable */
			rc = promote_tree(d, mfn_to_page(mfns[i]), PT_seg);
		if (!rc)
			rc = get_page_and_type(mfn_to_page(mfns[i]), d, PT_seg);
		if (rc)
			break;
	}
	if (rc)
		while (i--)
			if (!mfn_eq(mfns[i], INVALID_MFN))
				put_page_and_type(mfn_to_page(mfns[i]));
	return rc;
}

/* Drop n frames that no CPU has mapped any more. */
static void put_seg_frames(struct domain *d, const mfn_t *mfns, unsigned int n)
{
	unsigned int i;

	mmu_lock(d);
	for (i = 0; i < n; i++)
		if (!mfn_eq(mfns[i], INVALID_MFN))
			put_page_and_type(mfn_to_page(mfns[i]));
	mmu_unlock(d);
}

static unsigned int pages_of(unsigned int entries)
{
	return DIV_ROUND_UP(entries, 512);
}

/*
 * Replace the GDT of v (current, or not running). mfns: one per 512 entries. -EINVAL: too many
 * entries, or a frame that is not the domain's or holds what it may not; nothing changed then.
 */
int set_gdt_frames(struct vcpu *v, const u64 *mfns, unsigned int entries)
{
	unsigned int i, n = pages_of(entries), old_n = pages_of(v->pv.gdt_ents);
	mfn_t frames[NR_GUEST_GDT_PAGES], old[NR_GUEST_GDT_PAGES];
	int rc;

	if (entries > FIRST_RESERVED_GDT_ENTRY)
		return refuse(-EINVAL, "GDT with %u entries", entries);
	for (i = 0; i < n; i++)
		frames[i] = _mfn(mfns[i] == mfn_x(INVALID_MFN) ? 0 : mfns[i]);
	mmu_lock(v->domain);
	rc = get_seg_frames(v->domain, frames, n);
	mmu_unlock(v->domain);
	if (rc)
		return rc;
	for (i = 0; i < old_n; i++)
		old[i] = v->pv.gdt_frames[i];
	for (i = 0; i < ARRAY_SIZE(v->pv.gdt_frames); i++)
		v->pv.gdt_frames[i] = i < n ? frames[i] : INVALID_MFN;
	v->pv.gdt_ents = entries;
	arch_load_gdt(v);
	put_seg_frames(v->domain, old, old_n);
	return 0;
}

void drop_gdt(struct vcpu *v)
{
	set_gdt_frames(v, NULL, 0);
}

/*
 * Replace the LDT of v (current, or ents == 0). The frames are those that base maps to now; pages
 * that are not mapped stay holes. -EINVAL: nothing changed.
 */
int set_ldt(struct vcpu *v, u64 base, unsigned int ents)
{
	unsigned int i, n = pages_of(ents), old_n = pages_of(v->pv.ldt_ents);
	mfn_t frames[16], old[16];
	const u64 *l1p;
	u64 e;
	int rc;

	if (ents > 8192 || (ents && ((base & ~PAGE_MASK) || !guest_addr_ok(base) ||
				     !is_canonical(base))))
		return refuse(-EINVAL, "LDT at %lx with %u entries", base, ents);
	mmu_lock(v->domain);
	for (i = 0; i < n; i++) {
		l1p = walk_l1(v, base + i * PAGE_SIZE);
		e = l1p ? READ_ONCE(*l1p) : 0;
		frames[i] = e & PTE_P ? pte_mfn(e) : INVALID_MFN;
	}
	rc = get_seg_frames(v->domain, frames, n);
	mmu_unlock(v->domain);
	if (rc)
		return rc;
	for (i = 0; i < old_n; i++)
		old[i] = v->pv.ldt_frames[i];
	for (i = 0; i < n; i++)
		v->pv.ldt_frames[i] = frames[i];
	v->pv.ldt_base = ents ? base : 0;
	v->pv.ldt_ents = ents;
	arch_load_ldt(v);
	put_seg_frames(v->domain, old, old_n);
	return 0;
}

void drop_ldt(struct vcpu *v)
{
	set_ldt(v, 0, 0);
}

/* a1: array of u64 frame numbers, a2: entries */
HYPERCALL(set_gdt)
{
	u64 mfns[NR_GUEST_GDT_PAGES];
	u32 entries = (u32)a2;

	if (entries > FIRST_RESERVED_GDT_ENTRY)
		return refuse(-EINVAL, "set_gdt with %u entries", entries);
	if (copy_from_guest(mfns, _gva(a1), pages_of(entries) * sizeof(u64)))
		return -EFAULT;
	return set_gdt_frames(current_vcpu(), mfns, entries);
}

/* a1: machine address of the descriptor, a2: what it becomes */
HYPERCALL(update_descriptor)
{
	struct domain *d = current_vcpu()->domain;
	mfn_t mfn = _mfn(a1 >> PAGE_SHIFT);
	struct page_info *pg;
	u64 desc = a2, *p;
	int rc = check_descriptor(&desc);

	if (rc)
		return rc;
	if ((a1 & 7) || !mfn_is_ram(mfn))
		return refuse(-EINVAL, "update_descriptor at %lx", a1);
	pg = mfn_to_page(mfn);
	p = (u64 *)mfn_to_virt(mfn) + ((a1 & ~PAGE_MASK) >> 3);
	mmu_lock(d);
	if (PG_type(pg->word) == PT_seg && (pg->word & PG_validated)) {
		rc = get_page_and_type(pg, d, PT_seg);
		if (!rc) {
			WRITE_ONCE(*p, desc);
			put_page_and_type(pg);
		}
	} else if (get_page_writable(pg, d)) {	/* no table yet: a store like any other */
		WRITE_ONCE(*p, desc);
		put_page_writable(pg);
	} else {
		rc = refuse(-EINVAL, "descriptor frame %lx cannot be written", mfn_x(mfn));
	}
	mmu_unlock(d);
	return rc;
}

/* --- debug registers --- */

#define DR6_OWN		0xe00fUL	/* B0-B3, BD, BS, BT; the rest reads as fixed */
#define DR6_FIXED	0xffff0ff0UL
#define DR7_OWN		0xffff03ffUL	/* without GD, RTM and reserved bits */
#define DR7_FIXED	0x400UL

/* One condition of DR7: R/W in the low two bits, LEN above. */
static bool dr7_condition_ok(unsigned int cond)
{
	if ((cond & 3) == 2)		/* I/O: our own port accesses would meet it */
		return false;
	return (cond & 3) || cond == 0;	/* execution breakpoints have length 1 */
}

int set_guest_debugreg(struct vcpu *v, unsigned int reg, u64 val)
{
	unsigned int i;

	switch (reg) {
	case 0: case 1: case 2: case 3:
		if (!guest_addr_ok(val) || !is_canonical(val))
			return refuse(-EPERM, "breakpoint at %lx", val);
		break;
	case 6:
		if (val >> 32)
			return refuse(-EINVAL, "DR6 = %lx", val);
		val &= DR6_OWN;
		break;
	case 7:
		if (val >> 32)
			return refuse(-EINVAL, "DR7 = %lx", val);
		val &= DR7_OWN;
		if (val & 0xff)		/* something is enabled */
			for (i = 16; i < 32; i += 4)
				if (!dr7_condition_ok((val >> i) & 15))
					return refuse(-EPERM, "DR7 = %lx", val);
		if (!(val & 0xff))	/* conditions of breakpoints that are off are not kept */
			val &= 0x300;
		break;
	default:
		return refuse(-EINVAL, "debug register %u", reg);
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
