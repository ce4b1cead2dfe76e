/* SPDX-License-Identifier: MIT */
/*
 * Job:    memory_op: a domain's frames, given, taken and exchanged; the memory maps. What a domain may
 *         use: ranges of frames, physical interrupts (pirqs), other domains.
 * Enter:  the hypercall table; boot/start.c, pv/pagetable.c, pv/physdev.c, core/evtchn.c.
 * State:  frames and the M2P through frame.c; machine_e820[]; d->e820; d->outstanding_pages and
 *         their sum, claimed_pages.
 * Locks:  d->lock for both of d's; frame.c and page_alloc.c have theirs. Ranges: d->lock to change, none
 *         to ask (boot, paused domain); pirqs: d->evtchn_lock.
 * Holds:  ME1  lists are worked off in bounded pieces; progress is in the upper bits of the command
 *              (start extent << 6) and a guest that forges it only skips its own work.
 *         ME2  a frame that a domain gets holds zeroes.
 *         ME3  exchange gives a chunk's new frames only once all its old ones are taken.
 *         ME4  no extent of others is taken from what is claimed; the hypervisor's own pages are.
 *         AC1  ranges are sorted, do not overlap and do not touch.
 *         AC2  a struct pirq with a port is bound to its irq.
 * Tests:  tests/host/test_{memory,domain,evtchn}.c, tests/guests/{abuse_memex,memory}.c
 */
#include <memory.h>
#include <hv/continue.h>
#include <hv/debug.h>
#include <hv/grant.h>
#include <hv/irq.h>
#include <hv/page_alloc.h>
#include <hv/string.h>

#define EXTENT_SHIFT 6
#define OP_MASK ((1U << EXTENT_SHIFT) - 1)
#define MAX_EXTENT_ORDER 9		/* 2 MiB at once; for the hardware domain: */
#define MAX_HW_EXTENT_ORDER 12
#define WORK_STEP 64			/* frames between two looks at the clock */
#define TOOLSTACK_OPS (BIT(XENMEM_machphys_mfn_list) | BIT(XENMEM_set_memory_map) | \
		       BIT(XENMEM_claim_pages) | BIT(XENMEM_acquire_resource))

struct e820_entry machine_e820[MAX_MACHINE_E820];
unsigned int nr_machine_e820;

static unsigned int max_order(void)
{
	return current_vcpu()->domain->is_hardware ? MAX_HW_EXTENT_ORDER : MAX_EXTENT_ORDER;
}

u64 claimed_pages;

/* d->lock is held. */
void set_claim(struct domain *d, u32 pages)
{
	atomic_add(&claimed_pages, (u64)pages - d->outstanding_pages);
	d->outstanding_pages = pages;
}

/* Part of d's claim becomes real. */
static void use_claim(struct domain *d, u64 pages)
{
	if (likely(!d->outstanding_pages))
		return;
	spin_lock(&d->lock);
	set_claim(d, d->outstanding_pages - (u32)min(pages, (u64)d->outstanding_pages));
	spin_unlock(&d->lock);
}

#define alloc_extent(order, mem_flags) \
	alloc_pages(order, XENMEMF_get_address_bits(mem_flags), ALLOC_ZERO)

/* All 2^order fresh frames, or none, become d's. */
static int give_extent(struct domain *d, struct page_info *pg, unsigned int order, bool ignore_limit)
{
	u64 i, n = BIT(order);

	for (i = 0; i < n && !assign_page(d, &pg[i], ignore_limit); i++)
		;
	if (likely(i == n))
		return 0;
	while (n-- > i)
		free_pages(&pg[n], 0);
	while (i--)
		release_allocated(d, &pg[i]);
	return -ENOMEM;
}

static void set_m2p_range(u64 mfn, unsigned int order, u64 pfn)
{
	for (u64 i = 0; i < BIT(order); i++)
		set_m2p(_mfn(mfn + i), pfn + i);
}

/* One frame of d goes back. False: it is not d's, or a live page table. */
static bool take_back(struct domain *d, u64 mfn)
{
	struct page_info *pg;
	bool ok;

	if (!mfn_is_ram(_mfn(mfn)) || !get_page(mfn_to_page(_mfn(mfn)), d))
		return refuse(false, "mfn %lx is not d%u's", mfn, d->id);
	pg = mfn_to_page(_mfn(mfn));
	unpin_page(d, pg);
	ok = release_allocated(d, pg);
	if (ok)
		set_m2p(_mfn(mfn), INVALID_M2P);
	put_page(pg);
	return ok;
}

/* Extent i of the list is done; false: an error, stop here. */
static bool increase_one(struct domain *d, const struct xen_memory_reservation *r, u64 i,
			 bool populate)
{
	gva_t slot = _gva(r->extent_start + i * sizeof(u64));
	struct page_info *pg;
	u64 gpfn, mfn;

	if (populate && copy_from_guest(&gpfn, slot, sizeof(gpfn)))
		return false;
	if (d->nr_pages + BIT(r->extent_order) > d->max_pages)
		return refuse(false, "d%u has its %u pages", d->id, d->max_pages);
	if (free_page_count() + d->outstanding_pages < claimed_pages + BIT(r->extent_order))
		return refuse(false, "%lu free pages, %lu claimed", free_page_count(), claimed_pages);
	pg = alloc_extent(r->extent_order, r->mem_flags);
	if (!pg || give_extent(d, pg, r->extent_order, false))
		return false;
	use_claim(d, BIT(r->extent_order));
	mfn = mfn_x(page_to_mfn(pg));
	if (populate)
		set_m2p_range(mfn, r->extent_order, gpfn);
	/* a list that cannot be written is the guest's loss: the frames are its own */
	return !r->extent_start || !copy_to_guest(slot, &mfn, sizeof(mfn));
}

static bool decrease_one(struct domain *d, const struct xen_memory_reservation *r, u64 i)
{
	u64 mfn;

	if (copy_from_guest(&mfn, _gva(r->extent_start + i * sizeof(u64)), sizeof(mfn)))
		return false;
	for (u64 n = 0; n < BIT(r->extent_order); n++)
		if (!take_back(d, mfn + n))
			return false;
	return true;
}

/* The result is the number of extents done, also when the rest failed. */
static long reservation(u32 op, u64 start, u64 arg, u64 a3, u64 a4, u64 a5)
{
	struct xen_memory_reservation r;
	struct domain *d;
	u64 i, work = 0;
	bool done = true;

	if (copy_from_guest(&r, _gva(arg), sizeof(r)) || r.nr_extents > ~0UL >> EXTENT_SHIFT ||
	    start >= r.nr_extents || r.extent_order > max_order() ||
	    (r.mem_flags & XENMEMF_populate_on_demand) || op_domain(r.domid, &d))
		return (long)start;
	for (i = start; done && i < r.nr_extents; i += done) {
		if (work >= WORK_STEP && hypercall_preempt()) {
			domain_put(d);
			return hypercall_continue(__HYPERVISOR_memory_op, op | i << EXTENT_SHIFT, arg,
						  a3, a4, a5);
		}
		work %= WORK_STEP;
		if (op == XENMEM_decrease_reservation)
			done = decrease_one(d, &r, i);
		else
			done = increase_one(d, &r, i, op == XENMEM_populate_physmap);
		work += BIT(r.extent_order);
	}
	domain_put(d);
	return (long)i;
}

/* The frame is d's, nobody refers to it, and d's own reference is ours from now on. */
static bool steal(struct domain *d, u64 mfn)
{
	struct page_info *pg;
	bool ok = false;
	u64 x;

	if (!mfn_is_ram(_mfn(mfn)))
		return false;
	pg = mfn_to_page(_mfn(mfn));
	mmu_lock(d);
	if (pg->owner == d->id && !(pg->flags & PGF_hv)) {
		x = READ_ONCE(pg->word);
		if ((x & PG_validated) && !(x & (PG_TYPE_MASK | PG_pinned)))
			demote(d, pg);
		x = READ_ONCE(pg->word);
		while (!ok && (x & ~PG_TYPE) == (PG_allocated | 1))
			ok = atomic_cas(&pg->word, &x, x & ~PG_allocated);
	}
	mmu_unlock(d);
	return ok;
}

/*
 * Exchange as many frames as the larger extent has, from extent in0 of the first list on. old: the
 * mfns that go, first by extent, then one by one; the first mfns of the new extents; where they go.
 */
static long exchange_chunk(struct domain *d, const struct xen_memory_exchange *x, u64 *old, u64 in0)
{
	unsigned int in = x->in.extent_order, out = x->out.extent_order;
	u64 frames = BIT(max(in, out)), nr_out = frames >> out, out0 = in0 << in >> out;
	u64 *new = old + frames, *gpfn = new + nr_out;
	u64 i, nr_new, nr_old = 0;
	struct page_info *pg;
	long rc = 0;

	if (copy_from_guest(old, _gva(x->in.extent_start + in0 * 8), (frames >> in) * 8) ||
	    copy_from_guest(gpfn, _gva(x->out.extent_start + out0 * 8), nr_out * 8))
		return -EFAULT;
	for (i = frames; i--;)		/* from the end: extents are read before they are overwritten */
		old[i] = old[i >> in] + (i & (BIT(in) - 1));
	for (nr_new = 0; nr_new < nr_out; nr_new++) {
		pg = alloc_extent(out, x->out.mem_flags);
		if (!pg) {
			rc = -ENOMEM;
			goto undo;
		}
		new[nr_new] = mfn_x(page_to_mfn(pg));
	}
	for (; nr_old < frames; nr_old++)
		if (!steal(d, old[nr_old])) {
			rc = refuse(-EINVAL, "exchange: mfn %lx is in use or not d%u's",
				    old[nr_old], d->id);
			goto undo;
		}
	/* the limit may be passed for a moment; only a dying domain is refused */
	for (i = 0; i < nr_out; i++) {
		if (give_extent(d, mfn_to_page(_mfn(new[i])), out, true))
			continue;
		set_m2p_range(new[i], out, gpfn[i]);
		if (copy_to_guest(_gva(x->out.extent_start + (out0 + i) * 8), &new[i], 8))
			rc = -EFAULT;
	}
	for (i = 0; i < frames; i++) {
		set_m2p(_mfn(old[i]), INVALID_M2P);
		put_page(mfn_to_page(_mfn(old[i])));
	}
	return rc;
undo:
	while (nr_old--)
		atomic_or(&mfn_to_page(_mfn(old[nr_old]))->word, PG_allocated);
	while (nr_new--)
		free_pages(mfn_to_page(_mfn(new[nr_new])), out);
	return rc;
}

static long check_exchange(const struct xen_memory_exchange *x)
{
	unsigned int in = x->in.extent_order, out = x->out.extent_order;

	if (in > MAX_ORDER || out > MAX_ORDER || x->in.domid != x->out.domid ||
	    x->nr_exchanged > x->in.nr_extents || ~0UL >> in < x->in.nr_extents ||
	    ~0UL >> out < x->out.nr_extents ||
	    x->in.nr_extents << in != x->out.nr_extents << out)
		return refuse(-EINVAL, "exchange: the two lists do not match");
	if (max(in, out) > max_order())
		return refuse(-EPERM, "exchange of order %u", max(in, out));
	if (out > in && (x->nr_exchanged & (BIT(out - in) - 1)))
		return refuse(-EINVAL, "exchange: begins within an extent");
	return 0;
}

static long exchange(u64 arg, u64 a3, u64 a4, u64 a5)
{
	struct xen_memory_exchange x;
	u64 i, frames, *buf, work = 0;
	struct domain *d;
	long rc;

	if (copy_from_guest(&x, _gva(arg), sizeof(x)))
		return -EFAULT;
	rc = check_exchange(&x) ?: op_domain(x.in.domid, &d);
	if (rc)
		return rc;
	frames = BIT(max(x.in.extent_order, x.out.extent_order));
	buf = hv_new_array(u64, frames + 2 * (frames >> x.out.extent_order));
	if (!buf)
		rc = -ENOMEM;
	/* check_exchange(): whole chunks, and no shift loses anything */
	for (i = x.nr_exchanged; !rc && i < x.in.nr_extents; i += frames >> x.in.extent_order) {
		if (work >= WORK_STEP && hypercall_preempt())
			break;
		work = work % WORK_STEP + frames;
		rc = exchange_chunk(d, &x, buf, i);
		if (rc)
			break;
	}
	hv_free(buf);
	domain_put(d);
	if (copy_field_to_guest(_gva(arg), struct xen_memory_exchange, nr_exchanged, &i))
		return -EFAULT;
	if (!rc && i < x.in.nr_extents)
		return hypercall_continue(__HYPERVISOR_memory_op, XENMEM_exchange, arg, a3, a4, a5);
	return rc;
}

/* --- operations on d, which memory_op() holds meanwhile --- */

/* d->lock is held. */
static long claim(struct domain *d, const struct xen_memory_reservation *r)
{
	u64 want;

	if (r->extent_start || r->extent_order || r->mem_flags)
		return -EINVAL;
	want = r->nr_extents ? r->nr_extents - d->nr_pages : 0;
	if (r->nr_extents && (d->outstanding_pages || r->nr_extents > d->max_pages ||
			      r->nr_extents <= d->nr_pages || d->state == DOM_dying))
		return -EINVAL;
	if (want && claimed_pages + want > free_page_count())
		return -ENOMEM;
	set_claim(d, (u32)want);
	return 0;
}

static long machine_map(const struct domain *d, struct xen_memory_map *m)
{
	u32 nr = nr_machine_e820;

	if (!d->is_hardware)
		return -EPERM;
	if (m->nr_entries < nr + 1)
		return refuse(-EINVAL, "room for %u of %u map entries", m->nr_entries, nr + 1);
	m->nr_entries = nr;
	return copy_to_guest(_gva(m->buffer), machine_e820, nr * sizeof(*machine_e820));
}

/* Entry by entry: the toolstack may give d another map meanwhile. */
static long own_map(struct domain *d, struct xen_memory_map *m)
{
	struct e820_entry e;
	u32 i, nr;

	for (i = 0;; i++) {
		spin_lock(&d->lock);
		nr = d->e820 ? d->e820->nr : 0;
		if (i < nr)
			e = d->e820->map[i];
		spin_unlock(&d->lock);
		if (i >= min(nr, m->nr_entries))
			break;
		if (copy_to_guest(_gva(m->buffer + i * sizeof(e)), &e, sizeof(e)))
			return -EFAULT;
	}
	m->nr_entries = i;
	return nr ? 0 : -ENOSYS;
}

static long set_map(struct domain *d, const struct xen_memory_map *m)
{
	typeof(d->e820) new, old;
	long rc;

	if (m->nr_entries > ARRAY_SIZE(new->map))
		return refuse(-EINVAL, "memory map of %u entries", m->nr_entries);
	old = new = hv_alloc(sizeof(*new));
	if (!new)
		return -ENOMEM;
	rc = copy_from_guest(new->map, _gva(m->buffer), m->nr_entries * sizeof(*new->map));
	if (!rc) {
		new->nr = m->nr_entries;
		spin_lock(&d->lock);
		old = d->e820;
		d->e820 = new;
		spin_unlock(&d->lock);
	}
	hv_free(old);
	return rc;
}

/* The M2P's frames, one per 2 MiB of it; a hole repeats the last frame before it, as in Xen. */
static long machphys_list(struct xen_machphys_mfn_list *l)
{
	u64 n, last = 0, chunks = DIV_ROUND_UP(max_page, MiB(2) / 8);
	mfn_t mfn;

	for (n = 0; n < chunks && n < l->max_extents; n++) {
		mfn = arch_m2p_frame(n);
		if (!mfn_eq(mfn, INVALID_MFN))
			last = mfn_x(mfn);
		if (copy_to_guest(_gva(l->extent_start + n * 8), &last, sizeof(last)))
			return -EFAULT;
	}
	l->nr_extents = (u32)n;
	return 0;
}

/* Frames of d that the hypervisor made, for the toolstack to map: the grant table's. */
static long acquire_resource(struct domain *d, struct xen_mem_acquire_resource *r)
{
	void *page;
	u64 mfn;

	if (r->pad || (r->type == XENMEM_resource_grant_table && r->frame + r->nr_frames < r->frame))
		return -EINVAL;
	if (r->type != XENMEM_resource_grant_table || r->id != XENMEM_resource_grant_table_id_shared)
		return refuse(-EOPNOTSUPP, "resource %u, id %u", r->type, r->id);
	if (d == current_vcpu()->domain)
		return -EPERM;
	if (!r->frame_list) {
		if (r->nr_frames || r->frame)
			return -EINVAL;
		r->nr_frames = grant_max_frames(d);
		return 0;
	}
	for (u32 i = 0; i < r->nr_frames; i++) {
		page = grant_frame(d, r->frame + i);
		if (!page)
			return -EINVAL;
		mfn = mfn_x(virt_to_mfn(page));
		if (copy_to_guest(_gva(r->frame_list + i * 8), &mfn, sizeof(mfn)))
			return -EFAULT;
	}
	return 0;
}

static long highest_pfn(const struct domain *d)
{
	return (long)(READ_ONCE(d->shared_info->arch.max_pfn) ?: 1) - 1;
}

/* a1: XENMEM_* | start extent << 6, a2: argument */
HYPERCALL(memory_op)
{
	static const struct xen_machphys_mapping m2p = { MACH2PHYS_VIRT_START, MACH2PHYS_VIRT_END,
							 MACH2PHYS_NR_ENTRIES - 1 };
	struct domain *self = current_vcpu()->domain;
	u32 op = (u32)a1 & OP_MASK;
	u64 start = a1 >> EXTENT_SHIFT;
	gva_t arg = _gva(a2);

	if (op == XENMEM_increase_reservation || op == XENMEM_decrease_reservation ||
	    op == XENMEM_populate_physmap)
		return reservation(op, start, a2, a3, a4, a5);
	if (start)
		return refuse(-EINVAL, "memory_op %u with a start extent", op);
	if (!self->is_privileged && (TOOLSTACK_OPS & BIT(op)))
		return -EPERM;
	switch (op) {
	case XENMEM_exchange:
		return exchange(a2, a3, a4, a5);
	case XENMEM_maximum_ram_page:
		return (long)max_page;
	case XENMEM_current_reservation:
		return with_arg(struct xen_memory_domain, m, arg,
				with_domain(m.domid, d, d->nr_pages));
	case XENMEM_maximum_reservation:
		return with_arg(struct xen_memory_domain, m, arg,
				with_domain(m.domid, d, d->max_pages));
	case XENMEM_maximum_gpfn:
		return with_arg(struct xen_memory_domain, m, arg,
				with_domain(m.domid, d, highest_pfn(d)));
	case XENMEM_machphys_mapping:
		return copy_to_guest(arg, &m2p, sizeof(m2p));
	case XENMEM_machphys_mfn_list:
		return with_arg_back(struct xen_machphys_mfn_list, l, arg, machphys_list(&l));
	case XENMEM_machine_memory_map:
		return with_arg_back(struct xen_memory_map, m, arg, machine_map(self, &m));
	case XENMEM_memory_map:
		return with_arg_back(struct xen_memory_map, m, arg, own_map(self, &m));
	case XENMEM_set_memory_map:
		return with_arg(struct xen_foreign_memory_map, m, arg,
				with_domain(m.domid, d, set_map(d, &m.map)));
	case XENMEM_claim_pages:
		return with_arg(struct xen_memory_reservation, r, arg,
				with_domain(r.domid, d, under_lock(&d->lock, claim(d, &r))));
	case XENMEM_acquire_resource:
		return with_arg_back(struct xen_mem_acquire_resource, r, arg,
				     with_domain(r.domid, d, acquire_resource(d, &r)));
	case XENMEM_get_sharing_freed_pages:
	case XENMEM_get_sharing_shared_pages:
		return 0;
	case XENMEM_add_to_physmap:
	case XENMEM_add_to_physmap_batch:
	case XENMEM_remove_from_physmap:
		return -EACCES;		/* a PV domain has no physmap of ours */
	case XENMEM_get_vnumainfo:
		return -EOPNOTSUPP;
	}
	return refuse(-ENOSYS, "memory_op %u", op);
}

/* --- what a domain may use --- */

long op_domain(domid_t id, struct domain **out)
{
	struct domain *d = current_vcpu()->domain;

	*out = domain_get(id == DOMID_SELF ? d->id : id);
	if (!*out)
		return refuse(-ESRCH, "no domain %u", id);
	if (*out == d || d->is_privileged)
		return 0;
	domain_put(*out);
	return refuse(-EPERM, "d%u may not name d%u", d->id, id);
}

bool iorange_allows(const struct ioranges *r, u64 first, u64 last)
{
	for (u32 i = 0; i < r->count; i++)
		if (first >= r->r[i].first && last <= r->r[i].last)
			return first <= last;
	return false;
}

/* The nr ranges from at on make room for nr_new others. -ENOMEM: too many, nothing has changed. */
static int replace_ranges(struct ioranges *r, u32 at, u32 nr, const struct iorange *new, u32 nr_new)
{
	if (r->count - nr + nr_new > MAX_IORANGES)
		return -ENOMEM;
	memmove(&r->r[at + nr_new], &r->r[at + nr], (r->count - at - nr) * sizeof(*new));
	memcpy(&r->r[at], new, nr_new * sizeof(*new));
	r->count += nr_new - nr;
	return 0;
}

/* -EINVAL, -ENOMEM */
int iorange_permit(struct ioranges *r, u64 first, u64 last)
{
	struct iorange new = { first, last };
	u32 i = 0, n;

	if (first > last)
		return -EINVAL;
	while (i < r->count && r->r[i].last < first && r->r[i].last + 1 != first)
		i++;
	/* what it overlaps or touches becomes part of it */
	for (n = i; n < r->count; n++) {
		if (r->r[n].first > new.last && r->r[n].first != new.last + 1)
			break;
		new.first = min(new.first, r->r[n].first);
		new.last = max(new.last, r->r[n].last);
	}
	return replace_ranges(r, i, n - i, &new, 1);
}

int iorange_deny(struct ioranges *r, u64 first, u64 last)
{
	struct iorange rest[2];
	u32 i = 0, n, nr_rest = 0;

	if (first > last)
		return -EINVAL;
	while (i < r->count && r->r[i].last < first)
		i++;
	for (n = i; n < r->count && r->r[n].first <= last; n++) {
		if (r->r[n].first < first)
			rest[nr_rest++] = (struct iorange){ r->r[n].first, first - 1 };
		if (r->r[n].last > last)
			rest[nr_rest++] = (struct iorange){ last + 1, r->r[n].last };
	}
	return replace_ranges(r, i, n - i, rest, nr_rest);
}

static bool pirqs_free(const struct domain *d, u32 first, u32 nr)
{
	for (u32 i = 0; i < nr; i++)
		if (first + i >= NR_PIRQS || d->pirq[first + i])
			return false;
	return true;
}

static int claim_pirqs(struct domain *d, int pirq, int irq, unsigned int nr)
{
	struct pirq *new[32];

	if (!nr || nr > ARRAY_SIZE(new) || pirq >= NR_PIRQS || d->state >= DOM_dying)
		return -EINVAL;
	if (pirq < 0) {		/* numbers below nr_gsis are kept for GSIs */
		pirq = max((int)nr_gsis, 16);
		if (irq >= 0 && irq < (int)nr_gsis && pirqs_free(d, (u32)irq, nr))
			pirq = irq;
		while (pirq < NR_PIRQS && !pirqs_free(d, (u32)pirq, nr))
			pirq++;
		if (pirq >= NR_PIRQS)
			return -ENOSPC;
	} else if (nr == 1 && d->pirq[pirq]) {
		return d->pirq[pirq]->irq == irq ? -EEXIST : -EBUSY;
	} else if (!pirqs_free(d, (u32)pirq, nr)) {
		return -EBUSY;
	}
	for (unsigned int i = 0; i < nr; i++) {
		new[i] = hv_new(struct pirq);
		if (!new[i]) {
			while (i--)
				hv_free(new[i]);
			return -ENOMEM;
		}
		*new[i] = (struct pirq){ .pirq = (u32)pirq + i, .irq = irq < 0 ? -1 : irq + (int)i,
					 .group = (u32)pirq, .group_nr = nr, .domain = d };
	}
	memcpy(&d->pirq[pirq], new, nr * sizeof(*new));
	d->nr_pirqs += nr;
	return pirq;
}

int pirq_map(struct domain *d, int pirq, int irq, unsigned int nr)
{
	return under_lock(&d->evtchn_lock, claim_pirqs(d, pirq, irq, nr));
}

/* Is another pirq of p's allocation mapped? (Its number may have been given away since.) */
static bool group_in_use(const struct domain *d, const struct pirq *p)
{
	for (u32 i = p->group; i < p->group + p->group_nr; i++)
		if (d->pirq[i] && d->pirq[i]->irq - (int)i == p->irq - (int)p->pirq)
			return true;
	return false;
}

int pirq_unmap(struct domain *d, u32 n)
{
	bool free_msi = false;
	struct pirq *p;
	int rc;

	spin_lock(&d->evtchn_lock);
	p = n < NR_PIRQS ? d->pirq[n] : NULL;
	rc = !p ? -EINVAL : p->port ? -EBUSY : 0;
	if (!rc) {
		d->pirq[n] = NULL;
		d->nr_pirqs--;
		free_msi = p->irq >= (int)nr_gsis && !group_in_use(d, p);
	}
	spin_unlock(&d->evtchn_lock);
	if (free_msi)
		irq_free_msi(p->irq);
	if (!rc)
		hv_free(p);
	return rc;
}

/* After all ports are closed. */
void pirqs_destroy(struct domain *d)
{
	for (u32 i = 0; d->nr_pirqs && i < NR_PIRQS; i++)
		if (d->pirq[i] && pirq_unmap(d, i))
			printk("d%u: pirq %u is still bound\n", d->id, i);
}

void pirq_show_eoi(struct domain *d, const struct pirq *p)
{
	u64 *bits = mfn_eq(d->pirq_eoi_mfn, INVALID_MFN) ? NULL : mfn_to_virt(d->pirq_eoi_mfn);

	if (bits && p->level)
		set_bit(p->pirq, bits);
	else if (bits)
		clear_bit(p->pirq, bits);
}
