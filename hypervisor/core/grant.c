/* SPDX-License-Identifier: MIT */
/*
 * Grant tables, version 1.
 *
 * Job:    the shared table of a domain: its frames, its size, its version.
 * Enter:  the hypercall table; core/domain.c (life of d->grant).
 * State:  struct grant_table: the shared frames.
 * Locks:  g->lock (RANK_GRANT).
 * Holds:  G0  frames 0..nr_frames exist and are shared with the domain; the number only grows.
 * Caveat: nothing can be mapped or copied yet: map, unmap, copy and the like return -ENOSYS.
 * Tests:  tests/host/test_grant.c
 */
#include <grant_table.h>
#include <hv/continue.h>
#include <hv/debug.h>
#include <hv/errno.h>
#include <hv/grant.h>
#include <hv/page_alloc.h>

struct grant_table {
	spinlock_t lock;
	u32 nr_frames, max_frames;
	struct grant_entry_v1 *frame[GRANT_FRAMES_DEFAULT];
};

/* g's lock held, or nobody else knows g. */
static bool grow(struct domain *d, struct grant_table *g, u32 nr)
{
	void *page;

	while (g->nr_frames < nr) {
		page = alloc_hv_pages(0);
		if (!page)
			return false;
		share_hv_page(d, page, true);
		g->frame[g->nr_frames++] = page;
	}
	return true;
}

int grant_init(struct domain *d)
{
	struct grant_table *g = hv_new(struct grant_table);

	if (!g)
		return -ENOMEM;
	spin_lock_init(&g->lock, RANK_GRANT);
	g->max_frames = GRANT_FRAMES_DEFAULT;
	d->grant = g;
	return grow(d, g, 1) ? 0 : -ENOMEM;
}

void grant_destroy(struct domain *d)
{
	struct grant_table *g = d->grant;
	u32 i;

	if (!g)
		return;
	for (i = 0; i < g->nr_frames; i++)
		unshare_hv_page(g->frame[i]);
	hv_free(g);
	d->grant = NULL;
}

/* The domain whose table is meant, held; GNTST_*. */
static s16 target(domid_t id, struct domain **out)
{
	struct domain *d = current_vcpu()->domain;

	if (id == DOMID_SELF || id == d->id) {
		atomic_inc(&d->refs);
		*out = d;
		return GNTST_okay;
	}
	*out = domain_get(id);
	if (!*out)
		return GNTST_bad_domain;
	if (d->is_privileged)
		return GNTST_okay;
	domain_put(*out);
	return refuse(GNTST_permission_denied, "d%u may not see d%u's grant table", d->id, id);
}

static s16 setup_frames(struct domain *d, const struct gnttab_setup_table *op)
{
	struct grant_table *g = d->grant;
	bool ok;
	u64 mfn;
	u32 i;

	if (op->nr_frames > g->max_frames)
		return refuse(GNTST_general_error, "%u grant frames of at most %u", op->nr_frames,
			      g->max_frames);
	spin_lock(&g->lock);
	ok = grow(d, g, op->nr_frames);
	spin_unlock(&g->lock);
	if (!ok)
		return GNTST_general_error;
	for (i = 0; i < op->nr_frames; i++) {
		mfn = mfn_x(virt_to_mfn(g->frame[i]));
		if (copy_to_guest(_gva(op->frame_list + i * sizeof(mfn)), &mfn, sizeof(mfn)))
			return GNTST_bad_virt_addr;
	}
	return GNTST_okay;
}

static long setup_table(gva_t arg, u64 count)
{
	struct gnttab_setup_table op;
	struct domain *d;

	if (count != 1)
		return -EINVAL;
	if (copy_from_guest(&op, arg, sizeof(op)))
		return -EFAULT;
	op.status = target(op.dom, &d);
	if (op.status == GNTST_okay) {
		op.status = setup_frames(d, &op);
		domain_put(d);
	}
	return copy_field_to_guest(arg, struct gnttab_setup_table, status, &op.status);
}

static long query_size(gva_t arg, u64 count)
{
	struct gnttab_query_size op;
	struct domain *d;

	if (count != 1)
		return -EINVAL;
	if (copy_from_guest(&op, arg, sizeof(op)))
		return -EFAULT;
	op.status = target(op.dom, &d);
	if (op.status == GNTST_okay) {
		op.nr_frames = READ_ONCE(d->grant->nr_frames);
		op.max_nr_frames = d->grant->max_frames;
		domain_put(d);
	}
	return copy_to_guest(arg, &op, sizeof(op));
}

static long set_version(gva_t arg, u64 count)
{
	struct gnttab_set_version op;

	if (count != 1)
		return -EINVAL;
	if (copy_from_guest(&op, arg, sizeof(op)))
		return -EFAULT;
	if (op.version == 2)
		return -ENOSYS;		/* as before there was a choice */
	if (op.version != 1)
		return -EINVAL;
	return copy_to_guest(arg, &op, sizeof(op));
}

static long get_version(gva_t arg, u64 count)
{
	struct gnttab_get_version op;
	struct domain *d;
	s16 rc;

	if (count != 1)
		return -EINVAL;
	if (copy_from_guest(&op, arg, sizeof(op)))
		return -EFAULT;
	rc = target(op.dom, &d);
	if (rc)
		return rc == GNTST_bad_domain ? -ESRCH : -EPERM;
	domain_put(d);
	op.version = 1;
	return copy_to_guest(arg, &op, sizeof(op));
}

/* a1: GNTTABOP_*, a2: array of arguments, a3: how many */
HYPERCALL(grant_table_op)
{
	gva_t arg = _gva(a2);
	u32 count = (u32)a3;

	switch (a1) {
	case GNTTABOP_setup_table:
		return setup_table(arg, count);
	case GNTTABOP_query_size:
		return query_size(arg, count);
	case GNTTABOP_set_version:
		return set_version(arg, count);
	case GNTTABOP_get_version:
		return get_version(arg, count);
	}
	return refuse(-ENOSYS, "grant_table_op %lu", a1);
}
