/* SPDX-License-Identifier: MIT */
/*
 * core/frame.c: F1-F5. References and types, their limits, reuse of frames, cached tables, and other
 * CPUs in the middle of it.
 */
#include "tables.h"

static struct domain *d, *e;
static u64 frames_at_start;

static void begin(void)
{
	world_begin(4096, 4);
	d = world_domain(1, 2);
	e = world_domain(2, 1);
	world_run(d->vcpu[0]);
	d->dirty_cpus = BIT(0) | BIT(1);
	e->dirty_cpus = BIT(2);
	frames_at_start = free_page_count();
}

static void set_word_bits(mfn_t m, u64 mask, u64 bits)
{
	pg_of(m)->word = (pg_of(m)->word & ~mask) | bits;
}

/* --- ownership --- */

static void assigning(void **state)
{
	mfn_t m, n;
	u32 held;

	begin();
	held = d->refs;
	m = new_page(d);
	assert_int_equal(d->refs, held + 1);		/* frames keep a domain's structure */
	n = new_page(d);
	assert_int_equal(d->refs, held + 1);
	assert_int_equal(pg_of(m)->word, PG_allocated | 1);
	assert_int_equal(pg_of(m)->owner, 1);
	assert_int_equal(d->nr_pages, 2);
	d->max_pages = 2;
	assert_int_equal(assign_page(d, alloc_page(0), false), -ENOMEM);
	assert_int_equal(assign_page(d, alloc_page(0), true), 0);
	d->state = DOM_dying;
	assert_int_equal(assign_page(d, alloc_page(0), true), -ENOMEM);
	d->state = DOM_running;
	world_free -= 2;				/* the two that were refused above */
	set_m2p(m, 77);
	assert_true(release_allocated(d, pg_of(m)));
	assert_false(release_allocated(d, pg_of(m)));
	assert_int_equal(get_m2p(m), INVALID_M2P);
	assert_int_equal(pg_of(m)->word, 0);		/* F4 */
	assert_int_equal(pg_of(m)->owner, DOMID_INVALID);
	assert_true(release_allocated(d, pg_of(n)));
	assert_false(release_allocated(e, pg_of(n)));
	tables_end(d);
}

static void last_reference_frees(void **state)
{
	mfn_t m;

	begin();
	m = new_page(d);
	assert_true(get_page(pg_of(m), d));
	assert_true(get_page_writable(pg_of(m), d));
	assert_true(release_allocated(d, pg_of(m)));
	assert_int_equal(free_page_count(), frames_at_start - 1);
	assert_int_equal(pg_of(m)->owner, 1);
	assert_true(get_page(pg_of(m), d));		/* still d's as long as somebody uses it */
	put_page(pg_of(m));
	put_page_writable(pg_of(m));
	host_tlb_fill(1, 0x1000, m, true);
	put_page(pg_of(m));
	assert_int_equal(free_page_count(), frames_at_start);
	assert_false(get_page(pg_of(m), d));
	/* whoever gets it next: no CPU has it any more */
	while (free_page_count())
		alloc_page(0);
	assert_false(host_tlb_caches(m, false));
	host_init(64, 1);				/* this world is used up */
}

static void lists(void **state)
{
	mfn_t m[3];

	begin();
	for (int i = 0; i < 3; i++)
		m[i] = new_page(d);
	assert_int_equal(d->page_list.count, 3);
	assert_int_equal(d->page_list.head, mfn_x(m[2]));
	assert_int_equal(d->page_list.tail, mfn_x(m[0]));
	frame_list_del(&d->page_list, pg_of(m[1]));
	assert_int_equal(pg_of(m[2])->next, mfn_x(m[0]));
	frame_list_del(&d->page_list, pg_of(m[0]));
	assert_int_equal(d->page_list.tail, mfn_x(m[2]));
	frame_list_del(&d->page_list, pg_of(m[2]));
	assert_int_equal(d->page_list.count, 0);
	for (int i = 0; i < 3; i++)
		frame_list_add(&d->page_list, pg_of(m[i]));
	assert_int_equal(d->page_list.head, mfn_x(m[2]));
	tables_end(d);
}

/* --- untyped references --- */

static void who_may_hold(void **state)
{
	struct page_info *pg;
	mfn_t m;

	begin();
	m = new_page(d);
	assert_true(get_page(pg_of(m), d));
	assert_int_equal(refs_of(m), 2);
	assert_false(get_page(pg_of(m), e));
	assert_false(get_page_writable(pg_of(m), e));
	assert_int_equal(refs_of(m), 2);
	put_page(pg_of(m));
	pg = alloc_page(0);				/* the hypervisor's own */
	assert_false(get_page(pg, d));
	assert_false(get_page_writable(pg, d));
	free_pages(pg, 0);
	assert_false(get_page(pg, d));			/* a free one */
	assert_false(get_page_writable(pg, d));
	tables_end(d);
}

static void reference_overflow(void **state)
{
	mfn_t m;

	begin();
	m = new_page(d);
	set_word_bits(m, PG_REF_MASK, PG_REF_MASK - 1);
	assert_true(get_page(pg_of(m), d));
	assert_false(get_page(pg_of(m), d));
	assert_false(get_page_writable(pg_of(m), d));
	assert_int_equal(get_page_and_type(pg_of(m), d, PT_l1), -EINVAL);
	assert_int_equal(pg_of(m)->word, PG_allocated | PG_REF_MASK);
	put_page(pg_of(m));
	assert_true(get_page(pg_of(m), d));
	set_word_bits(m, PG_REF_MASK, PG_REF_MASK - 1);
	assert_true(get_page_writable(pg_of(m), d));
	assert_false(get_page_writable(pg_of(m), d));	/* also on the fast path */
	assert_int_equal(types_of(m), 1);
	put_page_writable(pg_of(m));
	set_word_bits(m, PG_REF_MASK, 1);
	tables_end(d);
}

static void type_overflow(void **state)
{
	mfn_t m, t;

	begin();
	m = new_page(d);
	t = new_page(d);
	assert_true(get_page_writable(pg_of(m), d));
	set_word_bits(m, PG_TYPE_MASK, PG_TYPE_MASK - PG_TYPE_ONE);
	assert_true(get_page_writable(pg_of(m), d));
	assert_false(get_page_writable(pg_of(m), d));
	assert_int_equal(refs_of(m), 3);
	set_word_bits(m, PG_TYPE_MASK, 2 * PG_TYPE_ONE);
	put_page_writable(pg_of(m));
	put_page_writable(pg_of(m));
	mmu_lock(d);
	assert_int_equal(get_page_type(pg_of(t), PT_l1), 0);
	set_word_bits(t, PG_TYPE_MASK, PG_TYPE_MASK);
	assert_int_equal(get_page_type(pg_of(t), PT_l1), -EBUSY);
	set_word_bits(t, PG_TYPE_MASK, PG_TYPE_ONE);
	put_page_type(pg_of(t));
	mmu_unlock(d);
	tables_end(d);
}

/* --- types exclude each other --- */

static void table_or_writable(void **state)
{
	mfn_t m;

	begin();
	m = new_page(d);
	assert_true(get_page_writable(pg_of(m), d));
	mmu_lock(d);
	for (enum page_type t = PT_l1; t <= PT_seg; t++)
		assert_int_equal(get_page_and_type(pg_of(m), d, t), -EINVAL);	/* F1, F2 */
	put_page_writable(pg_of(m));
	for (enum page_type t = PT_l1; t <= PT_seg; t++) {
		assert_int_equal(get_page_and_type(pg_of(m), d, t), 0);
		assert_int_equal(type_of(m), t);
		assert_true(is_validated(m));
		assert_false(get_page_writable(pg_of(m), d));
		for (enum page_type o = PT_l1; o <= PT_seg; o++)
			if (o != t)
				assert_int_equal(get_page_and_type(pg_of(m), d, o), -EINVAL);
		assert_int_equal(get_page_and_type(pg_of(m), d, t), 0);
		assert_int_equal(types_of(m), 2);
		put_page_and_type(pg_of(m));
		put_page_and_type(pg_of(m));
		assert_true(is_cached(m));		/* validated though unused */
	}
	mmu_unlock(d);
	assert_true(get_page_writable(pg_of(m), d));	/* which ends its life as a table */
	assert_false(is_validated(m));
	put_page_writable(pg_of(m));
	tables_end(d);
}

static void only_held_frames_are_tables(void **state)
{
	void *shared, *readonly;
	u64 hv;
	mfn_t m, s;

	world_begin(4096, 1);
	d = world_domain(1, 1);
	m = new_page(d);
	assert_true(get_page(pg_of(m), d));
	assert_true(release_allocated(d, pg_of(m)));
	mmu_lock(d);
	assert_int_equal(get_page_type(pg_of(m), PT_l1), -EINVAL);	/* F5 */
	mmu_unlock(d);
	put_page(pg_of(m));

	hv = hv_page_count();
	shared = alloc_hv_pages(0);
	readonly = alloc_hv_pages(0);
	share_hv_page(d, shared, true);
	share_hv_page(d, readonly, false);
	mmu_lock(d);
	s = virt_to_mfn(shared);
	assert_int_equal(get_page_and_type(pg_of(s), d, PT_l1), -EINVAL);
	assert_int_equal(get_page_and_type(pg_of(virt_to_mfn(readonly)), d, PT_l1), -EINVAL);
	mmu_unlock(d);
	assert_true(get_page_writable(pg_of(s), d));
	assert_false(get_page_writable(pg_of(virt_to_mfn(readonly)), d));
	assert_true(get_page(pg_of(virt_to_mfn(readonly)), d));
	assert_false(release_allocated(d, pg_of(s)));
	assert_int_equal(audit_domain(d), 2);		/* two holds that nothing explains */
	put_page(pg_of(virt_to_mfn(readonly)));
	unshare_hv_page(shared);			/* stays until its last user is gone */
	assert_int_equal(refs_of(s), 1);
	put_page_writable(pg_of(s));
	assert_true(pg_of(s)->flags & PGF_free);
	unshare_hv_page(readonly);
	assert_int_equal(hv_page_count(), hv);
	tables_end(d);
}

static void failed_validation(void **state)
{
	u64 before;
	mfn_t m, t;

	begin();
	m = new_page(d);
	t = new_page(d);
	poke(t, 0, m, RW);
	poke(t, 1, m, RO);
	poke(t, 2, m, RW | 0x0008000000000000UL);
	before = pg_of(m)->word;
	mmu_lock(d);
	assert_int_equal(get_page_and_type(pg_of(t), d, PT_l1), -EINVAL);
	mmu_unlock(d);
	assert_int_equal(pg_of(t)->word, PG_allocated | 1);
	assert_int_equal(refs_of(m), PG_refs(before));
	assert_int_equal(types_of(m), 0);
	tables_end(d);
}

/* --- cached tables --- */

static void cached_tables(void **state)
{
	struct tree t;
	mfn_t m;

	begin();
	t = new_tree(d);
	m = new_page(d);
	poke(t.l1, 5, m, RW);
	assert_int_equal(pin_table(t.l4, PT_l4), 0);
	assert_int_equal(d->cached_tables.count, 0);
	assert_int_equal(types_of(t.l1), 1);
	assert_int_equal(unpin_table(t.l4), 0);
	assert_int_equal(d->cached_tables.count, 1);	/* the rest is still held by the L4 */
	assert_int_equal(types_of(m), 1);
	assert_sound(d);
	assert_int_equal(pin_table(t.l4, PT_l4), 0);	/* for nothing */
	assert_int_equal(unpin_table(t.l4), 0);
	mmu_lock(d);
	assert_false(demote_cached(d, 1));
	assert_false(is_validated(t.l4));
	assert_true(is_cached(t.l3));
	assert_false(demote_cached(d, 2));
	assert_int_equal(types_of(m), 1);
	assert_true(demote_cached(d, 1));
	mmu_unlock(d);
	assert_int_equal(types_of(m), 0);
	assert_int_equal(refs_of(m), 1);
	tables_end(d);
}

/* Whole trees go, the oldest first: a sweep never has many more on the list than it found there. */
static void trees_are_demoted_one_by_one(void **state)
{
	struct tree t[3];
	u32 highest = 0;

	begin();
	for (int i = 0; i < 3; i++) {
		t[i] = new_tree(d);
		for (int k = 1; k < 40; k++)
			poke(t[i].l2, k, new_page(d), RW);
		assert_int_equal(pin_table(t[i].l4, PT_l4), 0);
		assert_int_equal(unpin_table(t[i].l4), 0);
	}
	mmu_lock(d);
	while (!demote_cached(d, 1)) {
		highest = max(highest, d->cached_tables.count);
		assert_true(is_validated(t[2].l4) || !is_validated(t[0].l2));
		if (!is_validated(t[1].l4))
			assert_int_equal(types_of(t[0].l3) + is_validated(t[0].l3), 0);
	}
	mmu_unlock(d);
	assert_true(highest <= 3 + 40);
	tables_end(d);
}

static void cached_tables_are_bounded(void **state)
{
	mfn_t m;

	world_begin(16384, 1);
	d = world_domain(1, 1);
	world_run(d->vcpu[0]);
	for (unsigned int i = 0; i < MAX_CACHED_TABLES + 200; i++) {
		m = new_page(d);
		assert_int_equal(pin_table(m, PT_l1), 0);
		assert_int_equal(unpin_table(m), 0);
		host_arg_reset();
		assert_true(d->cached_tables.count <= MAX_CACHED_TABLES);
	}
	tables_end(d);
}

static void releasing_tables(void **state)
{
	struct tree t;

	begin();
	t = new_tree(d);
	assert_int_equal(pin_table(t.l4, PT_l4), 0);
	assert_false(release_allocated(d, pg_of(t.l4)));	/* pinned */
	assert_false(release_allocated(d, pg_of(t.l1)));	/* in use */
	assert_int_equal(unpin_table(t.l4), 0);
	/* only unused tables keep the L2 in use: they go with it */
	assert_true(release_allocated(d, pg_of(t.l2)));
	assert_false(is_validated(t.l4));
	assert_int_equal(pg_of(t.l2)->owner, DOMID_INVALID);
	assert_true(release_allocated(d, pg_of(t.l1)));
	assert_int_equal(d->cached_tables.count, 0);
	tables_end(d);
}

/* --- translations that are still cached somewhere --- */

static void stale_writable_translation(void **state)
{
	mfn_t m;

	begin();
	m = new_page(d);
	assert_true(get_page_writable(pg_of(m), d));
	host_tlb_fill(1, 0x5000, m, true);
	put_page_writable(pg_of(m));
	assert_int_equal(pin_table(m, PT_l1), 0);
	assert_false(host_tlb_caches(m, true));
	assert_int_equal(unpin_table(m), 0);
	tables_end(d);
}

/* The translation is in the TLB of a CPU that never ran the frame's owner. */
static void stale_translation_of_a_foreign_mapper(void **state)
{
	mfn_t m;

	begin();
	m = new_page(d);
	assert_true(get_page_writable(pg_of(m), d));	/* as e's mapping */
	host_tlb_fill(2, 0x5000, m, true);
	put_page_writable(pg_of(m));
	assert_int_equal(pin_table(m, PT_l1), 0);
	assert_false(host_tlb_caches(m, true));
	assert_int_equal(unpin_table(m), 0);
	tables_end(d);
}

static void stale_paging_structures(void **state)
{
	struct tree t;

	begin();
	t = new_tree(d);
	assert_int_equal(pin_table(t.l4, PT_l4), 0);
	hw_touch(1, t.l4, 0);
	assert_true(host_tlb_walks(t.l1));
	assert_int_equal(update(t.l2, 0, 0), 0);	/* unlinked; the guest does not flush */
	assert_true(host_tlb_walks(t.l1));
	assert_true(get_page_writable(pg_of(t.l1), d));
	assert_false(host_tlb_walks(t.l1));		/* flushed before anybody may write */
	put_page_writable(pg_of(t.l1));
	/* and as a table of another level */
	hw_touch(1, t.l4, 0);
	assert_int_equal(update(t.l3, 0, 0), 0);
	assert_int_equal(pin_table(t.l2, PT_l1), 0);
	assert_false(host_tlb_walks(t.l2));
	assert_int_equal(unpin_table(t.l2), 0);
	assert_int_equal(unpin_table(t.l4), 0);
	tables_end(d);
}

/* --- other CPUs in the middle of it --- */

static mfn_t victim;
static bool hook_ran, hook_got, hook_lock_free;

/* CPU 2 maps d's frame for e at the worst moment. */
static void foreign_mapper(void)
{
	if (hook_ran || !(pg_of(victim)->flags & PGF_listed) || is_cached(victim))
		return;
	hook_ran = true;
	host_set_cpu(2);
	hook_got = get_page_writable(pg_of(victim), d);
	host_set_cpu(0);
}

/*
 * While a table is demoted its entries are read and their references dropped: nobody may write to
 * it before that is over.
 */
static void mapped_while_it_is_demoted(void **state)
{
	mfn_t m;

	begin();
	victim = new_page(d);
	m = new_page(d);
	poke(victim, 0, m, RW);
	assert_int_equal(pin_table(victim, PT_l1), 0);
	assert_int_equal(unpin_table(victim), 0);
	hook_ran = hook_got = false;
	mmu_lock(d);
	host_tlb_clock_hook = foreign_mapper;		/* called when m's mapping is dropped */
	demote(d, pg_of(victim));
	host_tlb_clock_hook = NULL;
	mmu_unlock(d);
	assert_true(hook_ran);
	assert_false(hook_got);
	assert_int_equal(types_of(m), 0);
	tables_end(d);
}

/* CPU 2 maps, touches and unmaps between CPU 0's look at the clock and its last put. */
static void remap_at_last_put(void)
{
	if (hook_ran)
		return;
	hook_ran = true;
	host_set_cpu(2);
	assert_true(get_page_writable(pg_of(victim), d));
	flush_tlb_local();
	host_tlb_fill(2, 0x7000, victim, true);
	put_page_writable(pg_of(victim));
	host_set_cpu(0);
}

static void stamps_never_go_back(void **state)
{
	begin();
	victim = new_page(d);
	assert_true(get_page_writable(pg_of(victim), d));
	hook_ran = false;
	host_tlb_clock_hook = remap_at_last_put;
	put_page_writable(pg_of(victim));
	host_tlb_clock_hook = NULL;
	assert_true(hook_ran);
	assert_int_equal(types_of(victim), 0);
	assert_true(host_tlb_caches(victim, true));
	assert_int_equal(pin_table(victim, PT_l1), 0);
	assert_false(host_tlb_caches(victim, true));
	assert_int_equal(unpin_table(victim), 0);
	tables_end(d);
}

static void look_at_lock(void)
{
	hook_ran = true;
	hook_lock_free = !d->mmu_lock.locked;
}

/* What was a table: the flush and the change are one for everybody who could make it one again. */
static void table_to_writable_is_locked(void **state)
{
	begin();
	victim = new_page(d);
	assert_int_equal(pin_table(victim, PT_l1), 0);
	host_tlb_fill_table(1, victim, 1);
	assert_int_equal(unpin_table(victim), 0);
	mmu_lock(d);
	demote_cached(d, 1);
	mmu_unlock(d);
	assert_int_equal(type_of(victim), PT_l1);	/* a hint: somebody may still walk it */
	hook_ran = false;
	host_flush_hook = look_at_lock;
	assert_true(get_page_writable(pg_of(victim), d));
	host_flush_hook = NULL;
	assert_true(hook_ran);
	assert_false(hook_lock_free);
	assert_false(host_tlb_walks(victim));
	put_page_writable(pg_of(victim));
	tables_end(d);
}

static unsigned int polls;

static void release_lock(void)
{
	if (++polls == 100) {
		host_set_cpu(1);
		mmu_unlock(d);
		host_set_cpu(0);
	}
}

/* The owner's mmu_lock is somebody else's for a while, or for ever: wait a little, never for ever. */
static void foreign_lock_is_busy(void **state)
{
	begin();
	victim = new_page(d);
	assert_int_equal(pin_table(victim, PT_l1), 0);
	assert_int_equal(unpin_table(victim), 0);
	host_set_cpu(1);
	mmu_lock(d);
	host_set_cpu(0);
	assert_false(get_page_writable(pg_of(victim), d));
	assert_true(is_validated(victim));
	polls = 0;
	host_poll_hook = release_lock;
	assert_true(get_page_writable(pg_of(victim), d));
	host_poll_hook = NULL;
	put_page_writable(pg_of(victim));
	assert_int_equal(locks_held(), 0);
	tables_end(d);
}

/* domain_kill() meets a page whose last reference another CPU has just dropped. */
static void killed_while_a_page_is_freed(void **state)
{
	struct domain *held;
	mfn_t m;
	u64 word;

	begin();
	world_run(e->vcpu[0]);
	m = new_page(d);
	new_page(d);
	held = domain_get(1);
	word = pg_of(m)->word;
	pg_of(m)->word = 0;			/* put_page() has done this, free_owned_page() not yet */
	while (domain_kill(d) == -ERESTART)
		host_softirq[host_cpu] = 0;
	assert_int_equal(pg_of(m)->word, 0);
	assert_int_equal(pg_of(m)->owner, 1);
	assert_int_equal(d->nr_pages, 1);
	pg_of(m)->word = word & ~PG_allocated;
	put_page(pg_of(m));
	domain_put(held);
	host_run_softirqs();
	tables_end(e);
}

/* --- random holders --- */

/* Naive books beside the packed word: lists of what is held, and how. */
static void random_references(void **state)
{
	enum { FRAMES = 6, STEPS = 40000 };
	struct { u64 refs, writable, tables; enum page_type type; bool allocated; } model[FRAMES] = { 0 };
	mfn_t m[FRAMES];

	begin();
	for (int i = 0; i < FRAMES; i++) {
		m[i] = new_page(d);
		model[i].refs = 1;
		model[i].allocated = true;
	}
	for (int step = 0; step < STEPS; step++) {
		unsigned int i = host_random_below(FRAMES);
		enum page_type t = PT_l1 + host_random_below(5);
		bool ok;

		switch (host_random_below(7)) {
		case 0:
			ok = get_page(pg_of(m[i]), host_random_below(8) ? d : e);
			if (ok)
				model[i].refs++;
			break;
		case 1:
			ok = get_page_writable(pg_of(m[i]), d);
			assert_int_equal(ok, !model[i].tables && model[i].refs);
			model[i].refs += ok;
			model[i].writable += ok;
			break;
		case 2:
			mmu_lock(d);
			ok = !get_page_and_type(pg_of(m[i]), d, t);
			mmu_unlock(d);
			assert_int_equal(ok, model[i].allocated && !model[i].writable &&
					 (!model[i].tables || model[i].type == t));
			model[i].refs += ok;
			model[i].tables += ok;
			if (ok)
				model[i].type = t;
			break;
		case 3:
			if (model[i].writable) {
				put_page_writable(pg_of(m[i]));
				model[i].writable--;
				model[i].refs--;
			}
			break;
		case 4:
			if (model[i].tables) {
				mmu_lock(d);
				put_page_and_type(pg_of(m[i]));
				mmu_unlock(d);
				model[i].tables--;
				model[i].refs--;
			}
			break;
		case 5:
			if (model[i].refs > model[i].allocated + model[i].writable + model[i].tables) {
				put_page(pg_of(m[i]));
				model[i].refs--;
			}
			break;
		default:
			if (host_random_below(20))
				break;
			ok = release_allocated(d, pg_of(m[i]));
			assert_int_equal(ok, model[i].allocated && !model[i].tables);
			model[i].allocated &= !ok;
			model[i].refs -= ok;
		}
		if (!model[i].refs) {			/* F4; and a fresh one instead */
			assert_int_equal(pg_of(m[i])->word, 0);
			m[i] = new_page(d);
			model[i].refs = 1;
			model[i].allocated = true;
		}
		assert_int_equal(refs_of(m[i]), model[i].refs);
		assert_int_equal(types_of(m[i]), model[i].writable + model[i].tables);
		assert_false(model[i].writable && model[i].tables);
		if (model[i].tables || model[i].writable)
			assert_int_equal(type_of(m[i]), model[i].tables ? model[i].type : PT_writable);
		if (model[i].tables)
			assert_true(is_validated(m[i]));
	}
	mmu_lock(d);
	for (int i = 0; i < FRAMES; i++) {
		while (model[i].writable-- > 0)
			put_page_writable(pg_of(m[i])), model[i].refs--;
		while (model[i].tables-- > 0)
			put_page_and_type(pg_of(m[i])), model[i].refs--;
		while (model[i].refs-- > model[i].allocated)
			put_page(pg_of(m[i]));
	}
	mmu_unlock(d);
	tables_end(d);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(assigning),
		cmocka_unit_test(lists),
		cmocka_unit_test(who_may_hold),
		cmocka_unit_test(reference_overflow),
		cmocka_unit_test(type_overflow),
		cmocka_unit_test(table_or_writable),
		cmocka_unit_test(only_held_frames_are_tables),
		cmocka_unit_test(failed_validation),
		cmocka_unit_test(cached_tables),
		cmocka_unit_test(trees_are_demoted_one_by_one),
		cmocka_unit_test(cached_tables_are_bounded),
		cmocka_unit_test(releasing_tables),
		cmocka_unit_test(stale_writable_translation),
		cmocka_unit_test(stale_translation_of_a_foreign_mapper),
		cmocka_unit_test(stale_paging_structures),
		cmocka_unit_test(mapped_while_it_is_demoted),
		cmocka_unit_test(stamps_never_go_back),
		cmocka_unit_test(table_to_writable_is_locked),
		cmocka_unit_test(foreign_lock_is_busy),
		cmocka_unit_test(killed_while_a_page_is_freed),
		cmocka_unit_test(random_references),
		cmocka_unit_test(last_reference_frees),
	};

	return host_main(tests);
}
