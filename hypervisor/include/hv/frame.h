/* SPDX-License-Identifier: MIT */
/*
 * Job:    the frame table: who owns a machine frame, who refers to it and as what.
 * State:  frame_table[mfn], 24 bytes each; `word` packs both counts, so that "reference plus
 *         writable type" is one compare-and-exchange.
 * Holds:  F1  type count > 0  =>  the type does not change.
 *         F2  no frame is a page table (or descriptor page) and writable-mapped at once.
 *         F3  reference count = mappings + pins + roots + grants + the hypervisor's own holds.
 *         F4  a free frame has no owner, both counts 0, and is not on a domain's list.
 *         F5  PG_validated is set only on frames that the domain still holds (PG_allocated); a
 *             validated table with type count 0 keeps its references on its children (it can be
 *             promoted again for nothing) and is on d->cached_tables until it is demoted.
 * Tests:  tests/host/test_frame.c, tests/guests/pin.c, tests/guests/abuse_pagetypes.c
 */
#ifndef HV_FRAME_H
#define HV_FRAME_H

#include <xen.h>
#include <hv/arch.h>

struct page_info {
	u64 word;		/* see PG_* below */
	u16 owner;		/* domid; DOMID_INVALID: free or the hypervisor's; DOMID_IO: not RAM */
	u8 order;		/* head of a free block: its order; heap.c: size class */
	u8 flags;		/* PGF_* */
	u32 stamp;		/* flush clock when the last mapping that matters went away */
	u32 next, prev;		/* mfn links: free list, or the owner's page list */
};

/* page_info.word */
#define PG_REF_MASK	0x7fffffffUL	/* bits 0-30: references */
#define PG_allocated	BIT(31)		/* the owner's own reference (counted in PG_REF_MASK) */
#define PG_TYPE_ONE	BIT(32)		/* bits 32-57: type count */
#define PG_TYPE_MASK	(0x3ffffffUL << 32)
#define PG_validated	BIT(58)		/* a page table or descriptor page that was checked */
#define PG_pinned	BIT(59)
#define PG_TYPE_SHIFT	60		/* bits 60-63: enum page_type */
#define PG_TYPE		(15UL << PG_TYPE_SHIFT)
#define PG_type(word)	((enum page_type)((word) >> PG_TYPE_SHIFT))
#define PG_type_count(word) (((word) & PG_TYPE_MASK) >> 32)
#define PG_refs(word)	((word) & PG_REF_MASK)

enum page_type {
	PT_none,
	PT_l1, PT_l2, PT_l3, PT_l4,	/* values 1-4: the level */
	PT_seg,				/* GDT or LDT page */
	PT_writable,
};
#define is_table_type(t) ((t) >= PT_l1 && (t) <= PT_seg)

/* page_info.flags */
#define PGF_free	0x01	/* in the buddy allocator */
#define PGF_hv		0x02	/* the hypervisor's own memory shared with guests (shared_info ...) */
#define PGF_listed	0x04	/* on d->page_list */
#define PGF_cached	0x08	/* on d->cached_tables instead */
#define PGF_clean	0x10	/* free, and known to be zero */
#define PGF_slab	0x20	/* heap.c: small objects; order is the size class */
#define PGF_heap	0x40	/* heap.c: first page of a large object */
#define PGF_fresh	0x80	/* cached, and waits for its parent in a promotion that goes on */

#define FRAME_NIL 0xffffffffU	/* end of an mfn list */
struct frame_list { u32 head, tail, count; };

extern u64 max_page;		/* frames below it have a page_info */
extern u64 total_pages;		/* RAM frames */

static inline struct page_info *mfn_to_page(mfn_t mfn)
{
	return &frame_table[mfn_x(mfn)];
}

static inline mfn_t page_to_mfn(const struct page_info *pg)
{
	return _mfn((u64)(pg - frame_table));
}

/* RAM that page_info describes? (not MMIO, not beyond the end) */
static inline bool mfn_is_ram(mfn_t mfn)
{
	return mfn_x(mfn) < max_page && mfn_to_page(mfn)->owner != DOMID_IO;
}

struct domain;

/*
 * get_page: one reference if pg belongs to d and is in use; false otherwise (or on overflow).
 * put_page: drop one; the last one frees the frame (the flush it needs is noted by stamp).
 * Their plain cases, and those of the writable pair, are inline in hv/domain.h.
 */
void put_last_page(struct page_info *pg);
bool __must_check get_page_writable_slow(struct page_info *pg, const struct domain *d);

/*
 * get_page_type: one typed reference, PT_l1..PT_seg; the caller holds an untyped one and the
 * owner's mmu_lock. 0; -EINVAL when the frame is in use as another type or its contents do not
 * validate; -EBUSY on overflow. Validates if needed (at most 512 entries, children of
 * PT_l2..PT_l4 must already be validated: see promote_tree() in pv/pagetable.c).
 * put_page_type: drops it. Never frees, never recurses: a table whose count drops to 0 stays
 * validated on d->cached_tables.
 */
int __must_check get_page_type(struct page_info *pg, enum page_type type);
void put_page_type(struct page_info *pg);
int __must_check get_page_and_type(struct page_info *pg, const struct domain *d,
				   enum page_type type);	/* with an untyped reference */
void put_page_and_type(struct page_info *pg);
static inline void put_table(mfn_t mfn)		/* INVALID_MFN: none */
{
	if (!mfn_eq(mfn, INVALID_MFN))
		put_page_and_type(mfn_to_page(mfn));
}

/*
 * demote: a validated table with type count 0 drops what it holds on its children (at most 512).
 * demote_cached: the oldest, up to max of them; true when none is left. d->mmu_lock held.
 */
void demote(struct domain *d, struct page_info *pg);
bool demote_cached(struct domain *d, unsigned int max);
#define MAX_CACHED_TABLES 2048U		/* more than the parts of a tree that is being promoted */
#define MAX_PROMOTED_TABLES 65536	/* the same while a tree is being promoted */
void trim_cached_tables(struct domain *d);

/* Give a fresh frame (page_alloc) to d: owner, PG_allocated, listed. -ENOMEM over max_pages. */
int __must_check assign_page(struct domain *d, struct page_info *pg, bool ignore_limit);
/* Take back the owner's own reference (ballooning, death). False: it has none, or a live table. */
bool release_allocated(struct domain *d, struct page_info *pg);
void put_left_root(struct vcpu *v);	/* its domain's mmu_lock is held */
bool unpin_page(struct domain *d, struct page_info *pg);	/* false: not pinned, or not d's */
/* A hypervisor page that guests may map (shared_info ...): owner d, one hold, PGF_hv. */
void share_hv_page(struct domain *d, void *page, bool writable);
void unshare_hv_page(void *page);

void frame_list_add(struct frame_list *l, struct page_info *pg);
void frame_list_del(struct frame_list *l, struct page_info *pg);

/* Seam to pv/pagetable.c: check and take references / drop references of one table's entries. */
int validate_table(struct domain *d, struct page_info *pg, enum page_type type);
void devalidate_table(struct domain *d, struct page_info *pg, enum page_type type);

/* M2P: machine-to-pfn, readable by guests. INVALID_M2P for frames without a pfn. */
#define INVALID_M2P (~0UL)
void set_m2p(mfn_t mfn, u64 pfn);

#endif
