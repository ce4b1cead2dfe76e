/* SPDX-License-Identifier: MIT */
/*
 * debug/audit.c: one planted error of each kind is found, and nothing is found without.
 */
#include "tables.h"

static struct domain *d, *e;
static struct tree t;
static mfn_t m, cached, seg;

static void begin(void)
{
	u64 gdt;

	world_begin(4096, 1);
	e = world_domain(0, 1);
	d = world_domain(1, 2);
	world_run(d->vcpu[0]);
	t = new_tree(d);
	m = new_page(d);
	cached = new_page(d);
	seg = new_page(d);
	gdt = mfn_x(seg);
	poke(t.l1, 0, m, RW);
	poke(t.l1, 1, m, RO);
	poke(t.l1, 2, t.l4, RO);
	assert_int_equal(ext(MMUEXT_NEW_BASEPTR, t.l4), 0);
	assert_int_equal(pin_table(t.l3, PT_l3), 0);
	assert_int_equal(pin_table(cached, PT_l1), 0);
	assert_int_equal(unpin_table(cached), 0);
	assert_int_equal(do_set_gdt(host_arg(&gdt, 8), 600, 0, 0, 0, 0), -EINVAL);
	assert_int_equal(do_set_gdt(host_arg(&gdt, 8), 512, 0, 0, 0, 0), 0);
	assert_int_equal(audit_domain(d), 0);
	assert_int_equal(audit_domain(e), 0);
	assert_int_equal(audit_all(), 0);
}

/* `lvalue = wrong` is found, in d or on the whole; put back, nothing is found. */
#define finds(lvalue, wrong) do { \
	typeof(lvalue) _right = (lvalue); \
	(lvalue) = (wrong); \
	assert_int_not_equal(audit_domain(d), 0); \
	assert_int_not_equal(audit_all(), 0); \
	(lvalue) = _right; \
	assert_int_equal(audit_domain(d), 0); } while (0)

static void counts(void **state)
{
	mfn_t all[] = { t.l4, t.l3, t.l2, t.l1, m, cached, seg };

	begin();
	memcpy(all, (mfn_t[]){ t.l4, t.l3, t.l2, t.l1, m, cached, seg }, sizeof(all));
	for (unsigned int i = 0; i < ARRAY_SIZE(all); i++) {
		struct page_info *pg = pg_of(all[i]);

		finds(pg->word, pg->word + 1);
		finds(pg->word, pg->word - 1);
		finds(pg->word, pg->word + PG_TYPE_ONE);
		if (PG_type_count(pg->word))
			finds(pg->word, pg->word - PG_TYPE_ONE);
		finds(pg->word, pg->word ^ PG_pinned);
		finds(pg->word, pg->word ^ PG_allocated);
		if (pg->word & PG_validated)		/* F5, though the sum is right */
			finds(pg->word, (pg->word & ~PG_allocated) - 1);
	}
	tables_end(d);
}

static void types_of_children(void **state)
{
	begin();
	finds(pg_of(m)->word, (pg_of(m)->word & (BIT(PG_TYPE_SHIFT) - 1)) | (u64)PT_none << PG_TYPE_SHIFT);
	finds(pg_of(t.l1)->word, pg_of(t.l1)->word & ~PG_validated);
	finds(pg_of(t.l2)->word, (pg_of(t.l2)->word & (BIT(PG_TYPE_SHIFT) - 1)) |
	      (u64)PT_l1 << PG_TYPE_SHIFT);
	finds(entries(t.l2)[3], make_pte(m, RW));	/* an entry that nobody checked */
	finds(entries(t.l1)[3], make_pte(m, RW));
	finds(entries(t.l1)[3], make_pte(m, RO));
	finds(entries(t.l1)[3], make_pte(t.l2, RW));
	finds(entries(t.l1)[0], make_pte(m, RO));
	finds(entries(t.l1)[0], 0);
	finds(entries(t.l4)[1], make_pte(t.l3, RW));
	finds(entries(cached)[0], make_pte(m, RO));	/* unused tables count as well */
	tables_end(d);
}

/* A mapping of a frame that was freed, of one of the hypervisor's, of nobody's. */
static void frames_of_nobody(void **state)
{
	struct page_info *pg;

	begin();
	pg = alloc_page(0);
	finds(entries(t.l1)[3], make_pte(page_to_mfn(pg), RO));
	free_pages(pg, 0);
	finds(entries(t.l1)[3], make_pte(page_to_mfn(pg), RO));
	finds(entries(t.l1)[3], make_pte(page_to_mfn(pg), RW));
	tables_end(d);
}

/* The audit looks at one free frame in sixteen each time. */
static void scrubbed_frames(void **state)
{
	unsigned int bad = 0;

	begin();
	while (page_alloc_scrub())
		;
	assert_int_equal(audit_all(), 0);
	for (u64 i = 64; i < 128; i++)
		if (frame_table[i].flags & PGF_clean)
			*(u64 *)mfn_to_virt(_mfn(i)) = 1;
	for (unsigned int i = 0; i < 16; i++, host_advance(1024))
		bad += audit_all();
	assert_true(bad > 0);
	for (u64 i = 64; i < 128; i++)
		if (frame_table[i].flags & PGF_clean)
			*(u64 *)mfn_to_virt(_mfn(i)) = 0;
	tables_end(d);
}

static void holders(void **state)
{
	struct vcpu *v;

	begin();
	v = d->vcpu[0];
	finds(v->pv.root_kernel, INVALID_MFN);
	finds(v->pv.root_user, t.l4);
	finds(v->vcpu_info_mfn, m);
	finds(v->pv.gdt_frames[0], m);
	finds(v->pv.gdt_ents, 0);
	finds(v->pv.ldt_ents, (v->pv.ldt_frames[0] = seg, 1));
	finds(d->pirq_eoi_mfn, m);
	/* entries in the hypervisor's slots, and frames that are no RAM, are not counted */
	entries(t.l4)[HV_L4_FIRST] = make_pte(m, RW);
	entries(t.l1)[9] = make_pte(_mfn(max_page + 1), RW);
	assert_int_equal(audit_domain(d), 0);
	entries(t.l1)[9] = entries(t.l4)[HV_L4_FIRST] = 0;
	tables_end(d);
}

static void lists(void **state)
{
	begin();
	finds(pg_of(m)->flags, pg_of(m)->flags | PGF_cached);
	finds(pg_of(cached)->flags, pg_of(cached)->flags & ~PGF_cached);
	finds(pg_of(t.l1)->flags, pg_of(t.l1)->flags | PGF_cached);
	finds(d->nr_pages, d->nr_pages + 1);
	finds(d->page_list.count, d->page_list.count - 1);
	finds(d->cached_tables.count, d->cached_tables.count + 1);
	finds(pg_of(m)->owner, 0);
	/* a table in use among the unused ones, in good order */
	frame_list_del(&d->page_list, pg_of(t.l1));
	frame_list_add(&d->cached_tables, pg_of(t.l1));
	pg_of(t.l1)->flags ^= PGF_cached;
	assert_int_equal(audit_domain(d), 1);
	frame_list_del(&d->cached_tables, pg_of(t.l1));
	frame_list_add(&d->page_list, pg_of(t.l1));
	pg_of(t.l1)->flags ^= PGF_cached;
	finds(pg_of(_mfn(d->page_list.head))->next, FRAME_NIL);
	finds(pg_of(_mfn(d->page_list.head))->next, d->page_list.head);	/* a circle: it comes to an end */
	tables_end(d);
}

static void event_channels(void **state)
{
	begin();
	finds(d->nr_evtchns, d->nr_evtchns + 1);
	finds(d->vcpu[0]->virq_to_port[VIRQ_TIMER], 5);
	tables_end(d);
}

/* Of one domain only, when asked so. */
static void one_or_all(void **state)
{
	mfn_t other;

	begin();
	other = new_page(e);
	pg_of(other)->word++;
	assert_int_equal(audit_domain(d), 0);
	assert_int_equal(audit_domain(e), 1);
	assert_int_equal(audit_all(), 1);
	pg_of(other)->word--;
	e->nr_pages++;
	assert_int_equal(audit_domain(d), 0);
	assert_int_equal(audit_domain(e), 1);
	assert_int_equal(audit_all(), 1);
	e->nr_pages--;
	heap_fail_after(1);				/* what it cannot check is not well */
	assert_int_not_equal(audit_domain(d), 0);
	tables_end(d);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts),
		cmocka_unit_test(types_of_children),
		cmocka_unit_test(frames_of_nobody),
		cmocka_unit_test(scrubbed_frames),
		cmocka_unit_test(holders),
		cmocka_unit_test(lists),
		cmocka_unit_test(event_channels),
		cmocka_unit_test(one_or_all),
	};

	return host_main(tests);
}
