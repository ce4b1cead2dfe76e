/* SPDX-License-Identifier: MIT */
/*
 * Job:    guest page tables: what an entry may say, and what it holds. Validate and devalidate
 *         tables; replace single entries; promote trees; roots.
 * Enter:  pv/mmu_update.c; core/frame.c (validate_table, devalidate_table).
 * Locks:  mmu_lock of the tables' owner for everything that writes or retypes.
 * Holds:  P1-P3 in hv/pv.h.
 *         P4  one step (validate, devalidate) touches at most 512 entries and never recurses:
 *             children must be validated before their parent (promote_tree).
 * Tests:  tests/host/test_pagetable.c, tests/guests/{mmu,pin,abuse_pagetypes,abuse_l4slots}.c
 */
#include <hv/l1.h>

/*
 * A frame of d that is wanted writable (or as a table) has another use, perhaps only by tables
 * that nobody uses: let go of one of these. True: something was demoted, try again.
 */
static bool drop_unused_tables(struct domain *d, const struct page_info *pg)
{
	u64 x = READ_ONCE(pg->word);

	if (pg->owner != d->id || !PG_type_count(x) || (x & PG_pinned) || !d->cached_tables.count ||
	    (frame_table[d->cached_tables.tail].flags & PGF_fresh))
		return false;
	d->table_sweeps++;
	demote_cached(d, 1);
	return true;
}

/* get_l1e() in full (hv/l1.h has the plain case). */
int get_l1e_slow(struct domain *d, struct domain *pg_owner, u64 e, struct page_info *table)
{
	mfn_t mfn = pte_mfn(e);
	struct page_info *pg = mfn_to_page(mfn);
	int rc;

	if (e & PTE_BAD)
		return refuse(-EINVAL, "reserved bits in L1 entry %lx", e);
	if ((e & PTE_CACHE) && !d->is_hardware)
		return refuse(-EINVAL, "cache attributes in L1 entry %lx", e);
	if (!mfn_is_ram(mfn)) {	/* a device's registers, ROM, a hole: nothing is counted */
		if (iorange_allows(&d->iomem, mfn_x(mfn), mfn_x(mfn)))
			return 0;
		return refuse(-EPERM, "d%d may not map I/O frame %lx", d->id, mfn_x(mfn));
	}
	if (!pg_owner)
		return refuse(-EPERM, "L1 entry %lx is RAM, not I/O", e);
	if (!(e & PTE_RW))
		return get_page(pg, pg_owner) ? 0 :
		       refuse(-EINVAL, "mfn %lx is not d%d's", mfn_x(mfn), pg_owner->id);
	/*
	 * Another use of pg may have to be ended. Held meanwhile: the table whose entry is changed,
	 * or else it might be demoted itself with the tables it hangs on.
	 */
	rc = table ? get_page_type(table, PT_l1) : 0;
	if (rc)
		return rc;
	/* a tree that maps its own table writable: the parts would undo each other for ever */
	if (pg->flags & PGF_fresh)
		rc = refuse(-EINVAL, "mfn %lx is a table of the same tree", mfn_x(mfn));
	while (!rc && !get_page_writable(pg, pg_owner))
		if (d != pg_owner || !drop_unused_tables(d, pg))
			rc = refuse(-EINVAL, "mfn %lx (owner d%d, type %d) not writable",
				    mfn_x(mfn), pg->owner, PG_type(pg->word));
	if (table)
		put_page_type(table);
	return rc;
}

static inline bool is_validated(const struct page_info *pg, enum page_type type)
{
	return PG_type(pg->word) == type && (pg->word & PG_validated);
}

/* May this be a present L2..L4 entry? */
static int check_upper(enum page_type type, u64 e)
{
	if (e & (PTE_BAD | PTE_PS | PTE_G))
		return refuse(-EINVAL, "reserved or PS bits in L%d entry %lx", type, e);
	return mfn_is_ram(pte_mfn(e)) ? 0 : refuse(-EINVAL, "L%d entry %lx is no RAM", type, e);
}

/* Take what a checked L2..L4 entry needs: a reference on a validated child one level below. */
static int get_upper(struct domain *d, enum page_type type, u64 e)
{
	if (!is_validated(mfn_to_page(pte_mfn(e)), type - 1))
		return refuse(-EINVAL, "L%d entry %lx: child is not a validated table", type, e);
	return get_page_and_type(mfn_to_page(pte_mfn(e)), d, type - 1);
}

/* --- whole tables --- */

/* Index of the first non-zero entry at or after i; 512 when there is none. */
static inline unsigned int next_entry(const u64 *t, unsigned int i)
{
	for (; i & 7; i++)
		if (t[i])
			return i;
	for (; i < PTES_PER_PAGE; i += 8)	/* most of a table is empty: measured in fork */
		if (t[i] | t[i + 1] | t[i + 2] | t[i + 3] | t[i + 4] | t[i + 5] | t[i + 6] | t[i + 7])
			break;
	while (i < PTES_PER_PAGE && !t[i])
		i++;
	return i;
}

#define for_each_entry(t, i, n) \
	for ((i) = next_entry((t), 0); (i) < (n); (i) = next_entry((t), (i) + 1))

/* Drop what the first n entries of a table hold. */
static void put_entries(const u64 *t, enum page_type type, unsigned int n)
{
	unsigned int i;

	for_each_entry(t, i, n)
		if (!(t[i] & PTE_P))
			continue;
		else if (type == PT_l1)
			put_l1e(t[i]);
		else if (type != PT_l4 || !is_hv_slot(i))
			put_table(pte_mfn(t[i]));
}

/* Take what all entries need, or nothing. */
static __always_inline int get_entries(struct domain *d, u64 *t, enum page_type type)
{
	unsigned int i;
	int rc;
	u64 e;

	for_each_entry(t, i, PTES_PER_PAGE) {
		e = t[i];
		if (!(e & PTE_P) || (type == PT_l4 && is_hv_slot(i)))
			continue;
		e = type == PT_l1 ? adjust_l1(d, e) : e | d->force_us;
		if (type == PT_l1)
			rc = get_l1e(d, d, e, NULL);
		else
			rc = check_upper(type, e) ?: get_upper(d, type, e);
		if (rc) {
			put_entries(t, type, i);
			return rc;
		}
		t[i] = e;
	}
	return 0;
}

int validate_table(struct domain *d, struct page_info *pg, enum page_type type)
{
	u64 *t = mfn_to_virt(page_to_mfn(pg));
	int rc;

	ASSERT(mmu_locked_here(d));
	if (type == PT_seg)
		return validate_seg_page(t);
	rc = type == PT_l1 ? get_entries(d, t, PT_l1) : get_entries(d, t, type);
	if (!rc && type == PT_l4)
		fill_hv_slots(t);
	return rc;
}

void devalidate_table(struct domain *d, struct page_info *pg, enum page_type type)
{
	u64 *t = mfn_to_virt(page_to_mfn(pg));

	if (type == PT_seg)
		return;
	if (type == PT_l4) {	/* the guest will read its own frame again: nothing of ours in it */
		for (unsigned int i = HV_L4_FIRST; i <= HV_L4_LAST; i++)
			t[i] = 0;
		arch_root_changed(page_to_mfn(pg));
	}
	put_entries(t, type, PTES_PER_PAGE);
}

/* -ERESTART when as many tables were validated as one hold of mmu_lock may. */
static int promote_step(struct domain *d, struct page_info *pg, enum page_type type)
{
	const u64 *t = mfn_to_virt(page_to_mfn(pg));
	unsigned int i, n = type >= PT_l2 && type <= PT_l4 ? PTES_PER_PAGE : 0;
	int rc;
	u64 e;

	if (is_validated(pg, type))
		return 0;
	if (pg->owner != d->id)
		return refuse(-EINVAL, "table %lx is not d%d's", mfn_x(page_to_mfn(pg)), d->id);
	for_each_entry(t, i, n) {
		e = READ_ONCE(t[i]);
		if (!(e & PTE_P) || (type == PT_l4 && is_hv_slot(i)))
			continue;
		rc = check_upper(type, e) ?: promote_step(d, mfn_to_page(pte_mfn(e)), type - 1);
		if (rc)
			return rc;
	}
	if (!d->promote_budget)
		return -ERESTART;
	d->promote_budget--;
	/* A hold across the two calls; the type count falls back to 0, the validation stays. */
	if (!get_page(pg, d))
		return -EINVAL;
	do
		rc = get_page_type(pg, type);
	while (rc == -EINVAL && drop_unused_tables(d, pg));
	if (!rc) {
		put_page_type(pg);
		if ((pg->flags & (PGF_cached | PGF_fresh)) == PGF_cached) {
			pg->flags |= PGF_fresh;
			d->nr_fresh++;
		}
	}
	put_page(pg);
	return rc;
}

/* The promotion has ended: what did not find a parent is like any other unused table. */
static void forget_fresh(struct domain *d)
{
	for (u32 m = d->cached_tables.head; d->nr_fresh; m = frame_table[m].next)
		if (frame_table[m].flags & PGF_fresh) {
			frame_table[m].flags &= ~PGF_fresh;
			d->nr_fresh--;
		}
}

/* Make pg a validated table, its children first. -ERESTART: let go of mmu_lock and go on. */
static int promote_tree(struct domain *d, struct page_info *pg, enum page_type type)
{
	unsigned int tries = 3;
	u32 sweeps;
	int rc;

	if (d->state >= DOM_dying)	/* nobody would demote it any more */
		return refuse(-EINVAL, "new tables in d%d, which is dying", d->id);
	do {	/* a sweep may have demoted what an earlier step had promoted: once more then */
		sweeps = d->table_sweeps;
		rc = promote_step(d, pg, type);
	} while (rc == -EINVAL && d->table_sweeps != sweeps && --tries);
	if (rc == -ERESTART)	/* the children done so far must still be there when it goes on */
		d->trim_hold = 4096;
	else
		forget_fresh(d);
	return rc;
}

int get_table(struct domain *d, mfn_t mfn, enum page_type type)
{
	int rc = 0;

	if (!mfn_is_ram(mfn))
		return refuse(-EINVAL, "table %lx is no RAM", mfn_x(mfn));
	if (unlikely(!is_validated(mfn_to_page(mfn), type)))
		rc = promote_tree(d, mfn_to_page(mfn), type);
	return rc ?: get_page_and_type(mfn_to_page(mfn), d, type);
}

/* --- single entries --- */

int mod_l1(struct domain *d, struct domain *pg_owner, u64 *l1p, u64 new, bool preserve_ad)
{
	return change_l1(d, pg_owner, l1p, READ_ONCE(*l1p), new,
			 preserve_ad ? WRITE_KEEP_AD : WRITE_PLAIN);
}

int mod_l1_if_same(struct domain *d, u64 *l1p, u64 old, u64 new)
{
	return change_l1(d, d, l1p, old, new, WRITE_IF_SAME);
}

int mod_table_entry(struct domain *d, struct page_info *pg, enum page_type type, unsigned int idx,
		    u64 new, bool preserve_ad)
{
	u64 *p = (u64 *)mfn_to_virt(page_to_mfn(pg)) + idx, old = READ_ONCE(*p), put = old;
	int rc;

	if (type == PT_l4 && is_hv_slot(idx))
		return refuse(-EINVAL, "L4 slot %u belongs to the hypervisor", idx);
	/* hold the table: promoting a child may demote unused tables, this one perhaps */
	rc = get_page_type(pg, type);
	if (rc)
		return rc;
	if (new & PTE_P) {
		new |= d->force_us;
		rc = check_upper(type, new);
		if (!((old ^ new) & (PTE_MFN_MASK | PTE_P)))
			put = 0;	/* the same child: references stay as they are */
		else if (!rc)
			rc = promote_tree(d, mfn_to_page(pte_mfn(new)), type - 1) ?:
			     get_upper(d, type, new);
	}
	if (!rc) {
		write_pte(p, &old, new, preserve_ad ? WRITE_KEEP_AD : WRITE_PLAIN);
		if (type == PT_l4)
			arch_root_changed(page_to_mfn(pg));
		if (put & PTE_P)
			put_table(pte_mfn(put));
	}
	put_page_type(pg);
	return rc;
}

/* --- roots --- */

/* INVALID_MFN: none, for user mode only. */
static __always_inline int set_root(struct vcpu *v, mfn_t mfn, const bool user)
{
	mfn_t *root = user ? &v->pv.root_user : &v->pv.root_kernel, old = *root;
	u64 *cr3 = user ? &v->pv.cr3_user : &v->pv.cr3_kernel;
	const bool none = user && mfn_eq(mfn, INVALID_MFN);
	int rc;

	if (mfn_eq(old, mfn)) {		/* a way to flush */
		arch_load_root(v, user);
		return 0;
	}
	mmu_lock(v->domain);
	rc = none ? 0 : get_table(v->domain, mfn, PT_l4);
	if (!rc) {
		*root = mfn;
		*cr3 = none ? 0 : root_to_cr3(v, mfn, user);
		arch_load_root(v, user);
		put_table(old);
	}
	mmu_unlock(v->domain);
	if (user && (none || mfn_eq(old, INVALID_MFN)))
		pv_update_direct(v);
	return rc;
}

int set_kernel_root(struct vcpu *v, mfn_t mfn)
{
	return set_root(v, mfn, false);
}

int set_user_root(struct vcpu *v, mfn_t mfn)
{
	if (v->pv.mode == MODE_RING1)	/* it has one root */
		return 0;
	return set_root(v, mfn_x(mfn) ? mfn : INVALID_MFN, true);
}

void drop_roots(struct vcpu *v)
{
	mfn_t k = v->pv.root_kernel, u = v->pv.root_user;

	v->pv.root_kernel = v->pv.root_user = INVALID_MFN;
	v->pv.cr3_kernel = v->pv.cr3_user = 0;
	mmu_lock(v->domain);
	put_table(k);
	put_table(u);
	mmu_unlock(v->domain);
}
