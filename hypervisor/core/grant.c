/* SPDX-License-Identifier: MIT */
/*
 * Job:    grant tables, version 1: the shared table; pins (who uses which entry), handles, copies.
 * Enter:  the hypercall table; core/domain.c (life of d->grant); pv/grant_map.c.
 * State:  struct grant_table.
 * Locks:  g->lock (RANK_GRANT), one at a time: the granter's for pins, the mapper's for handles.
 * Holds:  G0  frames 0..nr_frames exist and are shared with the domain; the number only grows.
 *         G1  an entry with pins has GTF_reading, and GTF_writing if one is for writing; its frame
 *             and type stay what they were at the first pin, whatever the granter writes.
 *         G2  each pin holds the frame: a reference, and the writable type if for writing.
 *         G3  each handle in use holds one pin and a reference on the granter.
 * Tests:  tests/host/test_hypercall.c, tests/guests/grants.c
 */
#include <hv/continue.h>
#include <hv/debug.h>
#include <hv/grant.h>
#include <hv/page_alloc.h>
#include <hv/string.h>

#define ENTRIES ((u32)(PAGE_SIZE / sizeof(struct grant_entry_v1)))
#define TRACKS ((u32)(PAGE_SIZE / sizeof(struct maptrack)))
#define NO_HANDLE (~0U)

struct active {				/* the pins of an entry */
	mfn_t mfn;
	u16 readers, writers;
};

struct grant_table {
	spinlock_t lock;
	u32 nr_frames, max_frames;
	struct grant_entry_v1 *frame[GRANT_FRAMES_MAX];
	struct active *active[GRANT_FRAMES_MAX];
	u32 nr_tracks, max_tracks;	/* pages of handles */
	struct maptrack **track;
	u32 free_handle;
	u32 released;			/* grant_release_all() is so far */
};

/* g's lock held, or nobody else knows g. */
static bool grow(struct domain *d, struct grant_table *g, u32 nr)
{
	struct active *a;
	void *page;

	while (g->nr_frames < nr) {
		page = alloc_hv_pages(0);
		a = hv_new_array(struct active, ENTRIES);
		if (!page || !a) {
			free_hv_pages(page, 0);
			hv_free(a);
			return false;
		}
		share_hv_page(d, page, true);
		g->active[g->nr_frames] = a;
		g->frame[g->nr_frames] = page;
		smp_wmb();		/* whoever reads the number without the lock finds them */
		WRITE_ONCE(g->nr_frames, g->nr_frames + 1);
	}
	return true;
}

int grant_init(struct domain *d)
{
	struct grant_table *g = hv_new(struct grant_table);

	if (!g)
		return -ENOMEM;
	spin_lock_init(&g->lock, RANK_GRANT);
	g->max_frames = GRANT_FRAMES_MAX;
	g->max_tracks = MAPTRACK_FRAMES_MAX;
	g->free_handle = NO_HANDLE;
	d->grant = g;
	return grow(d, g, 1) ? 0 : -ENOMEM;
}

void grant_set_limits(struct domain *d, int frames, int maptrack_frames)
{
	if (frames >= 0)
		d->grant->max_frames = max((u32)frames, 1U);
	if (maptrack_frames >= 0)
		d->grant->max_tracks = (u32)maptrack_frames;
}

void grant_destroy(struct domain *d)
{
	struct grant_table *g = d->grant;

	if (!g)
		return;
	for (u32 i = 0; i < g->nr_frames; i++) {
		unshare_hv_page(g->frame[i]);
		hv_free(g->active[i]);
	}
	for (u32 i = 0; i < g->nr_tracks; i++)
		hv_free(g->track[i]);
	hv_free(g->track);
	hv_free(g);
	d->grant = NULL;
}

u32 grant_max_frames(const struct domain *d)
{
	return d->grant->max_frames;
}

void *grant_frame(struct domain *d, u64 n)
{
	struct grant_table *g = d->grant;

	return n < g->max_frames && under_lock(&g->lock, grow(d, g, (u32)n + 1)) ? g->frame[n] : NULL;
}

/* --- pins --- */

/* Set the bits of a use in an entry of rd's, if it permits it; g's lock held. */
static s16 mark_entry(struct grant_entry_v1 *e, const struct domain *rd, u32 ref, bool write)
{
	struct domain *ld = current_vcpu()->domain;
	u32 *word = (u32 *)e, old = READ_ONCE(*word), new;	/* flags, and domid above */

	/* bounded: a granter that changes the entry all the time does not hold us up */
	for (unsigned int tries = 0; tries < 8; tries++) {
		if ((old & GTF_type_mask) != GTF_permit_access || old >> 16 != ld->id ||
		    (old & (GTF_PWT | GTF_PCD | GTF_PAT | GTF_sub_page)))
			return refuse(GNTST_general_error, "d%u's grant %u is not for d%u (%x)",
				      rd->id, ref, ld->id, old);
		if (write && (old & GTF_readonly))
			return refuse(GNTST_general_error, "d%u's grant %u is read-only", rd->id,
				      ref);
		new = old | GTF_reading | (write ? GTF_writing : 0);
		if (atomic_cas(word, &old, new))
			return GNTST_okay;
	}
	return refuse(GNTST_general_error, "d%u's grant %u does not stay the same", rd->id, ref);
}

static bool hold_frame(struct domain *rd, mfn_t mfn, bool write)
{
	return mfn_is_ram(mfn) && (write ? get_page_writable(mfn_to_page(mfn), rd) :
				   get_page(mfn_to_page(mfn), rd));
}

static void let_go_frame(mfn_t mfn, bool write)
{
	if (write)
		put_page_writable(mfn_to_page(mfn));
	else
		put_page(mfn_to_page(mfn));
}

/* One use less, which takes its bits away if it was the last. */
static void unmark(struct grant_table *g, u32 ref, bool write)
{
	struct active *a = &g->active[ref / ENTRIES][ref % ENTRIES];
	u16 gone;

	spin_lock(&g->lock);
	*(write ? &a->writers : &a->readers) -= 1;
	gone = (a->writers ? 0 : GTF_writing) | (a->readers || a->writers ? 0 : GTF_reading);
	if (gone)
		__atomic_and_fetch(&g->frame[ref / ENTRIES][ref % ENTRIES].flags, (u16)~gone,
				   __ATOMIC_SEQ_CST);
	spin_unlock(&g->lock);
}

s16 grant_pin(struct domain *rd, u32 ref, bool write, mfn_t *mfn)
{
	struct grant_table *g = rd->grant;
	struct grant_entry_v1 *e;
	struct active *a;
	u16 *uses;
	s16 rc;

	if (ref >= READ_ONCE(g->nr_frames) * ENTRIES)
		return refuse(GNTST_bad_gntref, "d%u has no grant %u", rd->id, ref);
	e = &g->frame[ref / ENTRIES][ref % ENTRIES];
	a = &g->active[ref / ENTRIES][ref % ENTRIES];
	uses = write ? &a->writers : &a->readers;
	spin_lock(&g->lock);
	rc = *uses == 0xffff ? GNTST_no_space : mark_entry(e, rd, ref, write);
	if (!rc && !a->readers && !a->writers)
		a->mfn = _mfn(READ_ONCE(e->frame));
	if (!rc)
		++*uses;
	*mfn = a->mfn;
	spin_unlock(&g->lock);
	if (rc)
		return rc;
	/* without the lock: the frame may have to stop being an unused page table first */
	if (hold_frame(rd, *mfn, write))
		return GNTST_okay;
	unmark(g, ref, write);
	return refuse(GNTST_bad_page, "d%u's grant %u: frame %lx is not its memory, or is a page table",
		      rd->id, ref, mfn_x(*mfn));
}

void grant_unpin(struct domain *rd, u32 ref, bool write, mfn_t mfn)
{
	unmark(rd->grant, ref, write);
	let_go_frame(mfn, write);
}

/* --- handles --- */

static bool grow_tracks(struct grant_table *g)
{
	struct maptrack *page;

	if (g->nr_tracks == g->max_tracks)
		return false;
	if (!g->track)
		g->track = hv_new_array(struct maptrack *, g->max_tracks);
	page = g->track ? hv_new_array(struct maptrack, TRACKS) : NULL;
	if (!page)
		return false;
	for (u32 i = 0; i < TRACKS; i++)
		page[i].next_free = i + 1 < TRACKS ? g->nr_tracks * TRACKS + i + 1 : g->free_handle;
	g->free_handle = g->nr_tracks * TRACKS;
	g->track[g->nr_tracks] = page;
	smp_wmb();			/* as in grow() */
	WRITE_ONCE(g->nr_tracks, g->nr_tracks + 1);
	return true;
}

struct maptrack *maptrack_get(struct domain *d, u32 handle)
{
	struct grant_table *g = d->grant;

	return handle / TRACKS < READ_ONCE(g->nr_tracks) ? &g->track[handle / TRACKS][handle % TRACKS] :
		NULL;
}

u32 maptrack_new(struct domain *d)
{
	struct grant_table *g = d->grant;
	u32 handle = NO_HANDLE;

	spin_lock(&g->lock);
	if (g->free_handle != NO_HANDLE || grow_tracks(g)) {
		handle = g->free_handle;
		g->free_handle = maptrack_get(d, handle)->next_free;
	}
	spin_unlock(&g->lock);
	return handle;
}

void maptrack_free(struct domain *d, u32 handle)
{
	struct grant_table *g = d->grant;
	struct maptrack *t = maptrack_get(d, handle);

	spin_lock(&g->lock);
	t->next_free = g->free_handle;
	g->free_handle = handle;
	spin_unlock(&g->lock);
}

/* Its vcpus are gone; what its tables still map they hold for themselves. */
bool grant_release_all(struct domain *d, unsigned int max)
{
	struct grant_table *g = d->grant;
	struct domain *rd;
	struct maptrack *t;

	for (; g->released < g->nr_tracks * TRACKS; g->released++) {
		if (!max--)
			return false;
		t = maptrack_get(d, g->released);
		if (!(t->flags & (GNTMAP_host_map | GNTMAP_device_map)))
			continue;
		rd = domain_lookup(t->dom);
		grant_unpin(rd, t->ref, !(t->flags & GNTMAP_readonly), _mfn(t->mfn));
		t->flags = 0;
		domain_put(rd);
	}
	return true;
}

const struct maptrack *grant_handle(const struct domain *d, u32 *n)
{
	const struct grant_table *g = d->grant;
	const struct maptrack *t;

	for (; *n < g->nr_tracks * TRACKS; ++*n) {
		t = &g->track[*n / TRACKS][*n % TRACKS];
		if (t->flags & (GNTMAP_host_map | GNTMAP_device_map))
			return t;
	}
	return NULL;
}

u64 grant_pins(const struct domain *d)
{
	const struct grant_table *g = d->grant;
	u64 pins = 0;

	for (u32 i = 0; i < g->nr_frames * ENTRIES; i++)
		pins += g->active[i / ENTRIES][i % ENTRIES].readers +
			g->active[i / ENTRIES][i % ENTRIES].writers;
	return pins;
}

/* --- copies --- */

struct side { struct domain *rd; mfn_t mfn; };	/* rd: the granter, or NULL for a frame by number */

static s16 take_side(struct side *s, const struct gnttab_copy_ptr *p, bool gref, bool write)
{
	struct domain *ld = current_vcpu()->domain;
	s16 rc;

	s->rd = NULL;
	if (gref) {
		s->rd = domain_get(p->domid == DOMID_SELF ? ld->id : p->domid);
		if (!s->rd)
			return GNTST_bad_domain;
		rc = grant_pin(s->rd, p->u.ref, write, &s->mfn);
		if (rc)
			domain_put(s->rd);
		return rc;
	}
	if (p->domid != DOMID_SELF)
		return refuse(GNTST_permission_denied, "copy by frame number of d%u", p->domid);
	s->mfn = _mfn(p->u.gmfn);
	if (!hold_frame(ld, s->mfn, write))
		return refuse(GNTST_bad_page, "copy: frame %lx is not d%u's memory", p->u.gmfn, ld->id);
	return GNTST_okay;
}

static void drop_side(const struct side *s, const struct gnttab_copy_ptr *p, bool write)
{
	if (s->rd) {
		grant_unpin(s->rd, p->u.ref, write, s->mfn);
		domain_put(s->rd);
	} else {
		let_go_frame(s->mfn, write);
	}
}

static s16 copy_one(const struct gnttab_copy *c)
{
	struct side from, to;
	s16 rc;

	if (c->source.offset + c->len > (int)PAGE_SIZE || c->dest.offset + c->len > (int)PAGE_SIZE)
		return GNTST_bad_copy_arg;
	rc = take_side(&from, &c->source, c->flags & GNTCOPY_source_gref, false);
	if (rc)
		return rc;
	rc = take_side(&to, &c->dest, c->flags & GNTCOPY_dest_gref, true);
	if (!rc) {
		memcpy((char *)mfn_to_virt(to.mfn) + c->dest.offset,
		       (const char *)mfn_to_virt(from.mfn) + c->source.offset, c->len);
		drop_side(&to, &c->dest, true);
	}
	drop_side(&from, &c->source, false);
	return rc;
}

static long copy(gva_t arg)
{
	struct gnttab_copy c;
	s16 rc;

	if (copy_from_guest(&c, arg, sizeof(c)))
		return -EFAULT;
	rc = copy_one(&c);
	return copy_field_to_guest(arg, struct gnttab_copy, status, &rc);
}

/* --- the calls --- */

static s16 setup_frames(struct domain *d, const struct gnttab_setup_table *op)
{
	u64 mfn;

	if (op->nr_frames > d->grant->max_frames)
		return refuse(GNTST_general_error, "%u grant frames of at most %u", op->nr_frames,
			      d->grant->max_frames);
	if (op->nr_frames && !grant_frame(d, op->nr_frames - 1))
		return GNTST_general_error;
	for (u32 i = 0; i < op->nr_frames; i++) {
		mfn = mfn_x(virt_to_mfn(d->grant->frame[i]));
		if (copy_to_guest(_gva(op->frame_list + i * sizeof(mfn)), &mfn, sizeof(mfn)))
			return GNTST_bad_virt_addr;
	}
	return GNTST_okay;
}

/* Those that are about a table as a whole. */
static long table_op(u64 cmd, gva_t arg)
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

	if (cmd >= ARRAY_SIZE(size) || !size[cmd])
		return refuse(cmd == GNTTABOP_transfer ? -EOPNOTSUPP : -ENOSYS, "grant_table_op %lu", cmd);
	if (copy_from_guest(&op, arg, size[cmd]))
		return -EFAULT;
	if (cmd == GNTTABOP_set_version && op.set_version.version != 1)
		return op.set_version.version == 2 ? -ENOSYS : -EINVAL;	/* no other choice */
	rc = op_domain(cmd == GNTTABOP_set_version ? DOMID_SELF : op.setup.dom, &d);
	if (rc && cmd == GNTTABOP_get_version)
		return rc;
	status = !rc ? GNTST_okay : rc == -ESRCH ? GNTST_bad_domain : GNTST_permission_denied;
	if (cmd == GNTTABOP_setup_table) {
		op.setup.status = rc ? status : setup_frames(d, &op.setup);
	} else if (cmd == GNTTABOP_query_size) {
		op.query.status = status;
		op.query.nr_frames = rc ? 0 : READ_ONCE(d->grant->nr_frames);
		op.query.max_nr_frames = rc ? 0 : d->grant->max_frames;
	} else if (cmd == GNTTABOP_get_version) {
		op.get_version.version = 1;
	}
	if (!rc)
		domain_put(d);
	return copy_to_guest(arg, &op, size[cmd]);
}

/* a1: GNTTABOP_*, a2: array of arguments, a3: how many */
HYPERCALL(grant_table_op)
{
	u32 count = (u32)a3, i;
	long rc = 0;

	if (a1 == GNTTABOP_map_grant_ref || a1 == GNTTABOP_unmap_grant_ref)
		return grant_map_op((unsigned int)a1, a2, count);
	if (a1 != GNTTABOP_copy)
		return count == 1 ? table_op(a1, _gva(a2)) : -EINVAL;
	for (i = 0; !rc && i < count; i++, a2 += sizeof(struct gnttab_copy)) {
		if (i && !(i & 15) && hypercall_preempt())
			return hypercall_continue(__HYPERVISOR_grant_table_op, a1, a2, count - i, a4, a5);
		rc = copy(_gva(a2));
	}
	return rc;
}
