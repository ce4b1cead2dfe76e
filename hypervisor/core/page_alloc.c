/* SPDX-License-Identifier: MIT */
/*
 * Job:    the buddy allocator of machine frames; low memory is kept for those who ask for it.
 * Enter:  alloc_pages(), free_pages(); page_alloc_add() at boot; idle CPUs by page_alloc_scrub().
 * State:  zones[n] lists the free blocks among frames [2^(n-1), 2^n): since blocks are naturally
 *         aligned, none crosses a zone, and an address limit of 2^b bytes is exactly the zones up
 *         to b - 12.
 * Locks:  buddy_lock (RANK_BUDDY); flushes are waited for without it. Scrubbing holds it for a page.
 * Holds:  B1  every frame of a free block: word 0, no owner, PGF_free and perhaps PGF_clean; its
 *             order is that of the block in the head, and NOT_HEAD in the others.
 *         B2  no two free buddies of one order and zone: they would have been merged.
 *         B3  the head's stamp is the newest of its frames' (0: none was ever mapped by a guest).
 *         B4  a frame with PGF_clean is zero, and no CPU can write to it by an old mapping; listed
 *             frames without are below dirty_top and dirty_count in number.
 * Tests:  tests/host/test_page_alloc.c
 */
#include <hv/debug.h>
#include <hv/lock.h>
#include <hv/page_alloc.h>
#include <hv/string.h>

#define NR_ZONES 33			/* frame numbers have 32 bits in page_info */
#define NOT_HEAD 0xff
#define zone_of(mfn) (64U - __builtin_clzl(mfn))

static struct frame_list zones[NR_ZONES][MAX_ORDER + 1];
static spinlock_t buddy_lock = SPINLOCK_INIT(RANK_BUDDY);
static u64 free_count, managed_count, hv_count, dirty_count, dirty_top;

static void list_block(u64 mfn, unsigned int order)
{
	frame_table[mfn].order = order;
	frame_list_add(&zones[zone_of(mfn)][order], &frame_table[mfn]);
}

static void unlist_block(u64 mfn, unsigned int order)
{
	frame_list_del(&zones[zone_of(mfn)][order], &frame_table[mfn]);
	frame_table[mfn].order = NOT_HEAD;
}

/* B3. Stamps are points of a clock that wraps: the newer one is the one less long ago. */
static u32 newer_stamp(u32 a, u32 b)
{
	u32 now;

	if (!a || !b || a == b)
		return a ?: b;
	now = tlb_clock_now();
	return now - a < now - b ? a : b;
}

/* Link a block whose frames are marked free already, merged with its free buddies. */
static void merge_and_list(u64 mfn, unsigned int order, u32 stamp)
{
	struct page_info *b;

	free_count += BIT(order);
	dirty_count += BIT(order);
	dirty_top = max(dirty_top, mfn + BIT(order));
	for (; order < MAX_ORDER; order++) {
		/* The buddy is in the same zone, or it is frame 0, which is never free. */
		b = &frame_table[mfn ^ BIT(order)];
		if ((mfn ^ BIT(order)) >= max_page || !(b->flags & PGF_free) || b->order != order)
			break;
		unlist_block(mfn ^ BIT(order), order);
		stamp = newer_stamp(stamp, b->stamp);
		mfn &= ~BIT(order);
	}
	frame_table[mfn].stamp = stamp;
	list_block(mfn, order);
}

void page_alloc_add(mfn_t start, mfn_t end)
{
	/* Frame 0 is never given out: 0 means "none" in many places, not only in ours. */
	u64 mfn = max(mfn_x(start), 1UL), limit = min(mfn_x(end), max_page);
	unsigned int order;

	for (; mfn < limit; mfn += BIT(order)) {
		/* the largest aligned block that fits */
		order = min(__builtin_ctzl(mfn), MAX_ORDER);
		while (mfn + BIT(order) > limit)
			order--;
		managed_count += BIT(order);
		free_pages(&frame_table[mfn], order);
	}
}

/* The smallest fitting block of the highest zone up to `top`: take its lowest 2^order frames. */
static struct page_info *take_block(unsigned int order, unsigned int top)
{
	unsigned int zone = min(top, zone_of(max_page)), from = order;
	u64 mfn;

	while (!zones[zone][from].count) {
		if (++from <= MAX_ORDER)
			continue;
		if (!zone--)
			return NULL;
		from = order;
	}
	mfn = zones[zone][from].head;
	unlist_block(mfn, from);
	while (from-- > order) {
		frame_table[mfn + BIT(from)].stamp = frame_table[mfn].stamp;
		list_block(mfn + BIT(from), from);
	}
	free_count -= BIT(order);
	for (u64 i = mfn; i < mfn + BIT(order); i++) {
		dirty_count -= !(frame_table[i].flags & PGF_clean);
		frame_table[i].flags &= ~PGF_free;	/* a buddy that is freed does not merge with it */
	}
	return &frame_table[mfn];
}

bool __weak alloc_should_fail(void)
{
	return false;			/* host tests have another one */
}

struct page_info *alloc_pages(unsigned int order, unsigned int address_bits, unsigned int flags)
{
	unsigned int top = NR_ZONES - 1;
	struct page_info *pg;

	if (address_bits)
		top = min(top, address_bits < PAGE_SHIFT ? 0 : address_bits - PAGE_SHIFT);
	if (order > MAX_ORDER || alloc_should_fail())
		return NULL;
	pg = under_lock(&buddy_lock, take_block(order, top));
	if (!pg)
		return NULL;
	if (pg->stamp)
		flush_old_use(pg);
	for (u64 i = 0; i < BIT(order); i++) {
		if ((flags & ALLOC_ZERO) && !(pg[i].flags & PGF_clean))
			memset(mfn_to_virt(page_to_mfn(&pg[i])), 0, PAGE_SIZE);
		pg[i].word = 1;
		pg[i].stamp = 0;
		WRITE_ONCE(pg[i].flags, 0);
	}
	return pg;
}

bool frame_is_zero(const struct page_info *pg)
{
	const u64 *p = mfn_to_virt(page_to_mfn(pg)), *end = p + PAGE_SIZE / 8;

	while (p < end && !(p[0] | p[1] | p[2] | p[3] | p[4] | p[5] | p[6] | p[7]))
		p += 8;
	return p == end;
}

/* Memory that was never written is not written here either: our host may not have it at all. */
bool page_alloc_scrub(void)
{
	cpumask_t stale = 0;
	struct page_info *pg;

	if (!READ_ONCE(dirty_count) || !spin_trylock(&buddy_lock))
		return false;
	for (unsigned int looks = 64; looks && dirty_top; looks--, dirty_top--) {
		pg = &frame_table[dirty_top - 1];
		if ((pg->flags & (PGF_free | PGF_clean)) != PGF_free)
			continue;
		stale = pg->stamp ? tlb_stale(cpu_online_map, pg->stamp) : 0;
		if (stale)
			break;
		if (!frame_is_zero(pg))
			memset(mfn_to_virt(page_to_mfn(pg)), 0, PAGE_SIZE);
		pg->flags |= PGF_clean;
		dirty_count--;
		looks = 1;
	}
	spin_unlock(&buddy_lock);
	if (stale)
		flush_tlb_mask(stale, FLUSH_ALL);
	return true;
}

void free_pages(struct page_info *pg, unsigned int order)
{
	u32 stamp = 0;

	ASSERT(!((pg - frame_table) & (BIT(order) - 1)));
	for (u64 i = 0; i < BIT(order); i++) {	/* B1 */
		ASSERT(!(pg[i].flags & PGF_free));
		stamp = newer_stamp(stamp, pg[i].stamp);
		pg[i].word = 0;
		pg[i].owner = DOMID_INVALID;
		/* in this order: somebody who frees the buddy may be looking */
		WRITE_ONCE(pg[i].order, NOT_HEAD);
		WRITE_ONCE(pg[i].flags, PGF_free);
	}
	spin_lock(&buddy_lock);
	merge_and_list(pg - frame_table, order, stamp);
	spin_unlock(&buddy_lock);
}

void *alloc_hv_pages(unsigned int order)
{
	struct page_info *pg = alloc_pages(order, 0, ALLOC_ZERO);

	if (pg)
		atomic_add(&hv_count, BIT(order));
	return pg ? mfn_to_virt(page_to_mfn(pg)) : NULL;
}

void free_hv_pages(void *p, unsigned int order)
{
	if (p) {
		atomic_add(&hv_count, -BIT(order));
		free_pages(mfn_to_page(virt_to_mfn(p)), order);
	}
}

u64 free_page_count(void)
{
	return READ_ONCE(free_count);
}

u64 hv_page_count(void)
{
	return READ_ONCE(hv_count) + total_pages - min(total_pages, managed_count);
}
