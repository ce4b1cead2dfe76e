/* SPDX-License-Identifier: MIT */
/*
 * Job:    grant tables, version 1: the shared table of a domain, its frames, size, version.
 * Enter:  the hypercall table; core/domain.c (life of d->grant).
 * State:  struct grant_table: the shared frames.
 * Locks:  g->lock (RANK_GRANT).
 * Holds:  G0  frames 0..nr_frames exist and are shared with the domain; the number only grows.
 * Caveat: nothing can be mapped or copied yet: map, unmap, copy and the like return -ENOSYS.
 * Tests:  tests/host/test_hypercall.c
 */
#include <grant_table.h>
#include <hv/access.h>
#include <hv/continue.h>
#include <hv/debug.h>
#include <hv/errno.h>
#include <hv/grant.h>
#include <hv/page_alloc.h>

struct grant_table {
	spinlock_t lock;
	u32 nr_frames;
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
	d->grant = hv_new(struct grant_table);
	if (!d->grant)
		return -ENOMEM;
	spin_lock_init(&d->grant->lock, RANK_GRANT);
	return grow(d, d->grant, 1) ? 0 : -ENOMEM;
}

void grant_destroy(struct domain *d)
{
	u32 i;

	for (i = 0; d->grant && i < d->grant->nr_frames; i++)
		unshare_hv_page(d->grant->frame[i]);
	hv_free(d->grant);
	d->grant = NULL;
}

static s16 setup_frames(struct domain *d, const struct gnttab_setup_table *op)
{
	struct grant_table *g = d->grant;
	bool ok;
	u64 mfn;
	u32 i;

	if (op->nr_frames > ARRAY_SIZE(g->frame))
		return refuse(GNTST_general_error, "%u grant frames", op->nr_frames);
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

/* a1: GNTTABOP_*, a2: array of arguments, a3: how many: one of those that are about a table */
HYPERCALL(grant_table_op)
{
	union {
		struct gnttab_setup_table setup;
		struct gnttab_query_size query;
		struct gnttab_set_version set_version;
		struct gnttab_get_version get_version;
	} op;
	static const u8 size[] = {
		[GNTTABOP_setup_table] = sizeof(op.setup),
		[GNTTABOP_query_size] = sizeof(op.query),
		[GNTTABOP_set_version] = sizeof(op.set_version),
		[GNTTABOP_get_version] = sizeof(op.get_version),
	};
	struct domain *d;
	s16 status;
	long rc;

	if (a1 >= ARRAY_SIZE(size) || !size[a1])
		return refuse(-ENOSYS, "grant_table_op %lu", a1);
	if ((u32)a3 != 1)
		return -EINVAL;
	if (copy_from_guest(&op, _gva(a2), size[a1]))
		return -EFAULT;
	if (a1 == GNTTABOP_set_version && op.set_version.version != 1)
		return op.set_version.version == 2 ? -ENOSYS : -EINVAL;	/* no other choice */
	rc = op_domain(a1 == GNTTABOP_set_version ? DOMID_SELF : op.setup.dom, &d);
	if (rc && a1 == GNTTABOP_get_version)
		return rc;
	status = !rc ? GNTST_okay : rc == -ESRCH ? GNTST_bad_domain : GNTST_permission_denied;
	if (a1 == GNTTABOP_setup_table) {
		op.setup.status = rc ? status : setup_frames(d, &op.setup);
	} else if (a1 == GNTTABOP_query_size) {
		op.query.status = status;
		op.query.nr_frames = rc ? 0 : READ_ONCE(d->grant->nr_frames);
		op.query.max_nr_frames = GRANT_FRAMES_DEFAULT;
	} else if (a1 == GNTTABOP_get_version) {
		op.get_version.version = 1;
	}
	if (!rc)
		domain_put(d);
	return copy_to_guest(_gva(a2), &op, size[a1]);
}
