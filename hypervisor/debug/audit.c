/* SPDX-License-Identifier: MIT */
/*
 * Job:    the audit: recount every reference and compare with what the frame table says.
 * Enter:  audit_all() from debug/keys.c (SOFTIRQ_KEY), audit_domain() from host tests at their end.
 * State:  two counters per frame, allocated for the time of the audit.
 * Locks:  all vcpus but the caller's are paused; nobody holds references in passing then.
 * Holds:  checks F1-F5 of hv/frame.h, P1 (every entry's target has the right type), E1-E3, G2-G3.
 * Tests:  tests/host/test_audit.c (finds planted errors)
 */
#include <hv/debug.h>
#include <hv/evtchn.h>
#include <hv/grant.h>
#include <hv/page_alloc.h>
#include <hv/pte.h>

struct audit {
	struct { u32 refs, types; } *c;
	unsigned int order, bad;
};

#define COMPLAIN(a, ...) do { if ((a)->bad++ < 16) printk("audit: " __VA_ARGS__); } while (0)

static void count_ref(struct audit *a, mfn_t mfn, bool typed)
{
	if (mfn_is_ram(mfn)) {
		a->c[mfn_x(mfn)].refs++;
		a->c[mfn_x(mfn)].types += typed;
	}
}

static void count_table(struct audit *a, mfn_t table, enum page_type type)
{
	const u64 *t = mfn_to_virt(table);

	for (unsigned int i = 0; i < PTES_PER_PAGE; i++) {
		mfn_t mfn = pte_mfn(t[i]);
		bool ram = mfn_is_ram(mfn), writable = t[i] & PTE_RW;
		u64 word = ram ? mfn_to_page(mfn)->word : 0;

		if (!(t[i] & PTE_P) || (type == PT_l4 && is_hv_slot(i)))
			continue;
		count_ref(a, mfn, type != PT_l1 || writable);
		if (type == PT_l1 && writable && ram && PG_type(word) != PT_writable)
			COMPLAIN(a, "L1 %lx[%u] = %lx maps a frame of type %d writable\n",
				 mfn_x(table), i, t[i], PG_type(word));
		if (type != PT_l1 && (PG_type(word) != type - 1 || !(word & PG_validated)))
			COMPLAIN(a, "L%d %lx[%u] = %lx: child is no validated L%d\n", type,
				 mfn_x(table), i, t[i], type - 1);
	}
}

static void count_vcpu(struct audit *a, const struct vcpu *v)
{
	count_ref(a, v->pv.root_kernel, true);
	count_ref(a, v->pv.root_user, true);
	count_ref(a, v->pv.root_left, true);
	count_ref(a, v->vcpu_info_mfn, true);
	for (unsigned int i = 0; i < DIV_ROUND_UP(v->pv.gdt_ents, 512); i++)
		count_ref(a, v->pv.gdt_frames[i], true);
	for (unsigned int i = 0; i < DIV_ROUND_UP(v->pv.ldt_ents, 512); i++)
		count_ref(a, v->pv.ldt_frames[i], true);
}

/* What d maps of others by grants; of `granter` alone if that is given: how many. */
static u64 count_grants(struct audit *a, const struct domain *d, const struct domain *granter)
{
	const struct maptrack *t;
	u64 found = 0;

	for (u32 n = 0; (t = grant_handle(d, &n)); n++)
		if (!granter)
			count_ref(a, _mfn(t->mfn), !(t->flags & GNTMAP_readonly));
		else
			found += t->dom == granter->id;
	return found;
}

static void count_all(struct audit *a)
{
	struct vcpu *v;

	for (u64 m = 0; m < max_page; m++) {
		u64 word = frame_table[m].word;

		if ((word & PG_validated) && PG_type(word) <= PT_l4)
			count_table(a, _mfn(m), PG_type(word));
		if (word & PG_pinned)
			count_ref(a, _mfn(m), true);
	}
	for (struct domain *d = domain_next(NULL); d; d = domain_next(d)) {
		for_each_vcpu(d, v)
			count_vcpu(a, v);
		count_ref(a, d->pirq_eoi_mfn, true);
		count_grants(a, d, NULL);
	}
}

static void compare(struct audit *a, const struct domain *only)
{
	for (u64 m = 0; m < max_page; m++) {
		const struct page_info *pg = &frame_table[m];
		u64 word = pg->word, refs, types;

		/* one in sixteen: it takes its time */
		if ((m & 15) == (now_ns() >> 10 & 15) && (pg->flags & PGF_clean) && !frame_is_zero(pg))
			COMPLAIN(a, "mfn %lx is free and not zero\n", m);
		/* what a dead domain shared may still be mapped */
		if (pg->owner == DOMID_INVALID && a->c[m].refs &&
		    !((pg->flags & PGF_hv) && PG_refs(word) == a->c[m].refs))
			COMPLAIN(a, "mfn %lx is nobody's, but in use %u times\n", m, a->c[m].refs);
		if (pg->owner >= DOMID_FIRST_RESERVED || (only && pg->owner != only->id))
			continue;
		refs = a->c[m].refs + !!(word & PG_allocated);
		types = a->c[m].types + ((pg->flags & PGF_hv) && PG_type(word) == PT_none &&
					 PG_type_count(word));
		if (PG_refs(word) != refs || PG_type_count(word) != types)
			COMPLAIN(a, "mfn %lx d%d word %lx: refs %lu (counted %lu), types %lu (counted %lu)\n",
				 m, pg->owner, word, PG_refs(word), refs, PG_type_count(word), types);
		if ((word & PG_validated) && !(word & PG_allocated))
			COMPLAIN(a, "mfn %lx d%d: validated, but not allocated\n", m, pg->owner);
		if ((word & PG_validated) && !(pg->flags & PGF_cached) != !!PG_type_count(word))
			COMPLAIN(a, "mfn %lx d%d: on the wrong list\n", m, pg->owner);
	}
}

static void check_list(struct audit *a, const struct domain *d, const struct frame_list *l,
		       u8 cached)
{
	u32 n = 0, m;

	for (m = l->count ? l->head : FRAME_NIL; m != FRAME_NIL && n <= l->count;
	     m = frame_table[m].next, n++)
		if (frame_table[m].owner != d->id || (frame_table[m].flags & PGF_cached) != cached)
			COMPLAIN(a, "mfn %x on a list of d%d: owner d%d\n", m, d->id,
				 frame_table[m].owner);
	if (n != l->count)
		COMPLAIN(a, "d%d: list of %u frames has %u\n", d->id, l->count, n);
}

static void check_domain(struct audit *a, struct domain *d)
{
	u32 listed = d->page_list.count + d->cached_tables.count;
	u64 handles = 0;

	check_list(a, d, &d->page_list, 0);
	check_list(a, d, &d->cached_tables, PGF_cached);
	if (listed != d->nr_pages)
		COMPLAIN(a, "d%d: %u pages, lists have %u\n", d->id, d->nr_pages, listed);
	for (struct domain *o = domain_next(NULL); o; o = domain_next(o))
		handles += count_grants(a, o, d);
	if (handles != grant_pins(d))
		COMPLAIN(a, "d%d: %lu pins on its grants, %lu handles\n", d->id, grant_pins(d), handles);
	a->bad += audit_evtchns(d);
}

unsigned int audit_domain(struct domain *only)
{
	struct audit a = { .order = order_of(max_page * sizeof(*a.c)) };

	a.c = alloc_hv_pages(a.order);
	if (!a.c) {
		printk("audit: no memory for the counters, nothing was checked\n");
		return 1;
	}
	count_all(&a);
	compare(&a, only);
	a.bad += arch_audit();
	for (struct domain *d = domain_next(NULL); d; d = domain_next(d))
		if (!only || d == only)
			check_domain(&a, d);
	free_hv_pages(a.c, a.order);
	return a.bad;
}

static void for_others(void (*fn)(struct vcpu *v))
{
	struct vcpu *v;

	for (struct domain *d = domain_next(NULL); d; d = domain_next(d))
		for_each_vcpu(d, v)
			if (v != current_vcpu())
				fn(v);
}

unsigned int audit_all(void)
{
	unsigned int bad;

	for_others(vcpu_pause);
	bad = audit_domain(NULL);
	for_others(vcpu_unpause);
	return bad;
}
