/* SPDX-License-Identifier: MIT */
/*
 * Job:    the frame table: references and typed references on frames; ownership; unused tables.
 * Enter:  every mapping path: pv/pagetable.c, grants, vcpu_info, memory operations.
 * State:  frame_table[]; d->page_list, d->cached_tables; the M2P.
 * Locks:  counts by compare-and-exchange; table types only under the owner's mmu_lock; lists
 *         under page_list_lock (leaf).
 * Holds:  F1-F5 in hv/frame.h; tests there.
 */
#include <hv/debug.h>
#include <hv/domain.h>
#include <hv/page_alloc.h>

u64 max_page;
u64 total_pages;
struct domain domain_xen = {
	.id = DOMID_XEN,
	.shared_info_mfn = { ~0UL },
	.mmu_lock = SPINLOCK_INIT(RANK_MMU),
	.page_list_lock = SPINLOCK_INIT(RANK_PGLIST),
};

/* Lists of frames are linked by mfn. */
static inline void list_between(struct frame_list *l, struct page_info *pg, u32 prev, u32 next)
{
	u32 m = (u32)mfn_x(page_to_mfn(pg));

	pg->prev = prev;
	pg->next = next;
	*(prev == FRAME_NIL ? &l->head : &frame_table[prev].next) = m;
	*(next == FRAME_NIL ? &l->tail : &frame_table[next].prev) = m;
	l->count++;
}

void frame_list_add(struct frame_list *l, struct page_info *pg)
{
	list_between(l, pg, FRAME_NIL, l->count ? l->head : FRAME_NIL);
}

void frame_list_del(struct frame_list *l, struct page_info *pg)
{
	*(pg->prev == FRAME_NIL ? &l->head : &frame_table[pg->prev].next) = pg->next;
	*(pg->next == FRAME_NIL ? &l->tail : &frame_table[pg->next].prev) = pg->prev;
	l->count--;
}

/*
 * Move a table between the domain's lists as its type count leaves or reaches 0. The newest is the
 * head of cached_tables; the children of a table that is demoted are as old as it was, so that
 * whole trees go, one after the other, and the list stays short meanwhile.
 */
static void set_cached(struct domain *d, struct page_info *pg, bool cached)
{
	if (!d || !!(pg->flags & PGF_cached) == cached)
		return;
	spin_lock(&d->page_list_lock);
	frame_list_del(cached ? &d->page_list : &d->cached_tables, pg);
	if (cached && d->demoting)
		list_between(&d->cached_tables, pg,
			     d->cached_tables.count ? d->cached_tables.tail : FRAME_NIL, FRAME_NIL);
	else
		frame_list_add(cached ? &d->cached_tables : &d->page_list, pg);
	if (pg->flags & PGF_fresh)
		d->nr_fresh--;
	pg->flags = (pg->flags ^ PGF_cached) & ~PGF_fresh;
	spin_unlock(&d->page_list_lock);
}

int assign_page(struct domain *d, struct page_info *pg, bool ignore_limit)
{
	ASSERT(pg->owner == DOMID_INVALID && PG_refs(pg->word) == 1);
	spin_lock(&d->page_list_lock);
	if (d->state >= DOM_dying || (!ignore_limit && d->nr_pages >= d->max_pages)) {
		spin_unlock(&d->page_list_lock);
		return -ENOMEM;
	}
	if (!d->nr_pages++)
		atomic_inc(&d->refs);	/* its frames keep a domain's structure alive */
	pg->owner = d->id;
	pg->flags = PGF_listed;
	WRITE_ONCE(pg->word, PG_allocated | 1);
	frame_list_add(&d->page_list, pg);
	spin_unlock(&d->page_list_lock);
	return 0;
}

/* The last reference of an owned frame is gone: off the owner's list and to the allocator. */
void put_last_page(struct page_info *pg)
{
	struct domain *d = domain_lookup(pg->owner);
	bool last = false;

	BUG_ON(pg->word & (PG_validated | PG_pinned | PG_TYPE_MASK | PG_allocated));
	if (d) {
		spin_lock(&d->page_list_lock);
		if (pg->flags & PGF_listed) {
			frame_list_del(&d->page_list, pg);
			last = --d->nr_pages == 0;
		}
		spin_unlock(&d->page_list_lock);
	}
	set_m2p(page_to_mfn(pg), INVALID_M2P);
	pg->stamp = tlb_clock_now();
	if (pg->flags & PGF_hv)
		free_hv_pages(mfn_to_virt(page_to_mfn(pg)), 0);
	else
		free_pages(pg, 0);
	if (last)
		domain_put(d);
}

void share_hv_page(struct domain *d, void *page, bool writable)
{
	struct page_info *pg = mfn_to_page(virt_to_mfn(page));

	pg->owner = d->id;
	pg->flags = PGF_hv;
	/* read-only pages carry a table type that nobody can take, so that no one maps them RW */
	WRITE_ONCE(pg->word, PG_allocated | 1 | (writable ? 0 : PG_TYPE_ONE));	/* PT_none */
}

void unshare_hv_page(void *page)
{
	struct page_info *pg = mfn_to_page(virt_to_mfn(page));

	if (PG_type(pg->word) == PT_none)
		atomic_and(&pg->word, ~PG_TYPE_MASK);
	/* who maps it still may keep it; a later domain with the same number must not find it */
	pg->owner = DOMID_INVALID;
	if (atomic_and(&pg->word, ~PG_allocated) & PG_allocated)
		put_page(pg);
}

void put_left_root(struct vcpu *v)
{
	/* at once: v may just be leaving one, without the lock */
	put_table(_mfn(atomic_xchg(&v->pv.root_left.m, mfn_x(INVALID_MFN))));
}

bool unpin_page(struct domain *d, struct page_info *pg)
{
	struct vcpu *v;
	bool pinned;

	mmu_lock(d);
	pinned = pg->owner == d->id && (atomic_and(&pg->word, ~PG_pinned) & PG_pinned);
	if (pinned && d->ring1 && PG_type(pg->word) == PT_l4) {
		/* other CPUs may be on it without our knowledge: by an interrupt they get their own hold */
		flush_tlb_mask(arch_root_changed(page_to_mfn(pg)) & d->dirty_cpus & ~BIT(this_cpu()), FLUSH_ALL);
		for_each_vcpu(d, v)
			put_left_root(v);
	}
	if (pinned)
		put_page_and_type(pg);
	mmu_unlock(d);
	return pinned;
}

bool release_allocated(struct domain *d, struct page_info *pg)
{
	bool ok = false;

	mmu_lock(d);
	if (pg->owner == d->id && !(pg->flags & PGF_hv)) {
		/* a table that is only kept by unused tables goes with them */
		while ((pg->word & PG_validated) && PG_type_count(pg->word) &&
		       !(pg->word & PG_pinned) && d->cached_tables.count)
			demote_cached(d, 1);
		if ((pg->word & PG_validated) && !PG_type_count(pg->word))
			demote(d, pg);
		if (!(pg->word & PG_validated))
			ok = atomic_and(&pg->word, ~PG_allocated) & PG_allocated;
	}
	mmu_unlock(d);
	if (ok)
		put_page(pg);
	return ok;
}

/* Another domain's mmu_lock, out of order perhaps: wait a while, but not for ever. */
static bool try_mmu_lock(struct domain *d)
{
	for (unsigned int tries = 4096; tries; tries--) {
		if (spin_trylock(&d->mmu_lock))
			return true;
		spin_pause();
	}
	return false;
}

/*
 * pg is d's, has type count 0 and was a table: it becomes PT_none. All under d's mmu_lock, so that
 * it cannot serve as a table once more between the flush and the change. False: that lock is held
 * by somebody else (this is a foreign mapping) and cannot be had now.
 */
static noinline bool end_table_use(struct domain *d, struct page_info *pg)
{
	bool held = d && mmu_locked_here(d);
	u64 x;

	if (!d || !(held || try_mmu_lock(d)))
		return false;
	x = READ_ONCE(pg->word);
	if (pg->owner == d->id && is_table_type(PG_type(x)) && !PG_type_count(x)) {
		if (x & PG_validated)
			demote(d, pg);
		flush_old_use(pg);
		atomic_and(&pg->word, ~PG_TYPE);
	}
	if (!held)
		spin_unlock(&d->mmu_lock);
	return true;
}

/* The rare part of get_page_writable: the frame had another use before. */
bool get_page_writable_slow(struct page_info *pg, const struct domain *d)
{
	u64 x, n, count;

	for (;;) {
		x = READ_ONCE(pg->word);
		count = x & PG_TYPE_MASK;
		if (PG_refs(x) == 0 || PG_refs(x) == PG_REF_MASK || pg->owner != d->id ||
		    count == PG_TYPE_MASK || (count && PG_type(x) != PT_writable))
			return false;
		if (is_table_type(PG_type(x))) {
			if (!end_table_use(domain_lookup(d->id), pg))
				return false;
			continue;
		}
		n = (x & ~PG_TYPE) | (u64)PT_writable << PG_TYPE_SHIFT;
		if (atomic_cas(&pg->word, &x, n + 1 + PG_TYPE_ONE))
			break;
	}
	if (unlikely(pg->owner != d->id)) {
		put_page_writable(pg);
		return false;
	}
	return true;
}

/* Count 0, another type before: become a table of this type with count 1. */
static int change_type(struct page_info *pg, u64 x, enum page_type type)
{
	struct domain *d = domain_lookup(pg->owner);
	u64 n = (x & ~PG_TYPE) | PG_TYPE_ONE | (u64)type << PG_TYPE_SHIFT;
	int rc;

	if (!(x & PG_allocated) || (pg->flags & PGF_hv) || !d)
		return refuse(-EINVAL, "mfn %lx cannot be a table", mfn_x(page_to_mfn(pg)));
	if (!atomic_cas(&pg->word, &x, n))
		return -EAGAIN;
	/* after the type has changed: nobody can get a new writable translation meanwhile */
	if (PG_type(x) != PT_none)
		flush_old_use(pg);
	trace(PROMOTE, mfn_x(page_to_mfn(pg)), type);
	rc = validate_table(d, pg, type);
	if (rc)
		atomic_and(&pg->word, ~(PG_TYPE_MASK | PG_TYPE));
	else
		atomic_or(&pg->word, PG_validated);
	return rc;
}

int get_page_type(struct page_info *pg, enum page_type type)
{
	u64 x = READ_ONCE(pg->word);
	int rc;

	ASSERT(is_table_type(type));
	for (;;) {
		if (PG_type(x) == type && (x & PG_validated)) {
			if (unlikely((x & PG_TYPE_MASK) == PG_TYPE_MASK))
				return refuse(-EBUSY, "type count overflow");
			if (!atomic_cas(&pg->word, &x, x + PG_TYPE_ONE))
				continue;
			if (pg->flags & PGF_cached)
				set_cached(domain_lookup(pg->owner), pg, false);
			return 0;
		}
		if (x & PG_TYPE_MASK)
			return refuse(-EINVAL, "mfn %lx is in use as type %d, not %d",
				      mfn_x(page_to_mfn(pg)), PG_type(x), type);
		if (x & PG_validated) {
			if (!end_table_use(domain_lookup(pg->owner), pg))
				return -EBUSY;
		} else {
			rc = change_type(pg, x, type);
			if (rc != -EAGAIN)
				return rc;
		}
		x = READ_ONCE(pg->word);
	}
}

void put_page_type(struct page_info *pg)
{
	u64 x = READ_ONCE(pg->word), n;

	do {
		n = x - PG_TYPE_ONE;
		if (!(n & PG_TYPE_MASK))
			pg->stamp = tlb_clock_now();
	} while (unlikely(!atomic_cas(&pg->word, &x, n)));
	if (!(n & PG_TYPE_MASK) && (n & PG_validated))
		set_cached(domain_lookup(pg->owner), pg, true);
}

int get_page_and_type(struct page_info *pg, const struct domain *d, enum page_type type)
{
	int rc;

	if (!get_page(pg, d))
		return refuse(-EINVAL, "mfn %lx is not d%d's", mfn_x(page_to_mfn(pg)), d->id);
	rc = get_page_type(pg, type);
	if (rc)
		put_page(pg);
	return rc;
}

void put_page_and_type(struct page_info *pg)
{
	put_page_type(pg);
	put_page(pg);
}

void demote(struct domain *d, struct page_info *pg)
{
	enum page_type type = PG_type(pg->word);

	ASSERT((pg->word & PG_validated) && !(pg->word & (PG_TYPE_MASK | PG_pinned)));
	trace(DEMOTE, mfn_x(page_to_mfn(pg)), type);
	set_cached(d, pg, false);
	d->demoting = true;
	devalidate_table(d, pg, type);
	d->demoting = false;
	/*
	 * Not before: who maps the frame for another domain must not get it writable while we read
	 * it. The type itself stays, as a hint that CPUs may cache paging structures of this frame.
	 */
	atomic_and(&pg->word, ~PG_validated);
}

/*
 * From mmu_unlock(): what a sweep may have to look at one day stays bounded. While the tables of a
 * large tree are being promoted they all wait here for their parents: leave them that time.
 */
void trim_cached_tables(struct domain *d)
{
	if (d->trim_hold && d->cached_tables.count < MAX_PROMOTED_TABLES)
		d->trim_hold--;
	else
		demote_cached(d, min(64U, d->cached_tables.count - MAX_CACHED_TABLES));
}

bool demote_cached(struct domain *d, unsigned int max)
{
	while (max-- && d->cached_tables.count)
		demote(d, &frame_table[d->cached_tables.tail]);	/* the oldest */
	return d->cached_tables.count == 0;
}
