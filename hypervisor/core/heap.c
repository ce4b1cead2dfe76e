/* SPDX-License-Identifier: MIT */
/*
 * Job:    the hypervisor's heap: small objects in pages of one size, large ones in blocks of pages.
 * State:  partial[c]: the pages of class c that have free objects. A slab page's page_info.stamp
 *         holds `first free object << 16 | objects in use`; a free object's first bytes hold the
 *         index of the next. page_info.order: the class, or the order of a large object's block.
 * Locks:  heap_lock (RANK_HEAP); pages are taken and given back without it.
 * Holds:  HP1  a slab page is on its class's list  <=>  it has a free object.
 *         HP2  a page without objects in use stays only if it is the one page of its list.
 * Tests:  tests/host/test_heap.c
 */
#include <hv/debug.h>
#include <hv/lock.h>
#include <hv/page_alloc.h>
#include <hv/string.h>

#define MAX_LARGE MiB(1)
#define NO_OBJECT 0xffffU

#define MAX_SMALL 2048
static const u16 class_size[] = {
	16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 672, 1024, 1360, MAX_SMALL };
static struct frame_list partial[ARRAY_SIZE(class_size)];
static spinlock_t heap_lock = SPINLOCK_INIT(RANK_HEAP);

#define first_free(pg) ((pg)->stamp >> 16)
#define in_use(pg) ((pg)->stamp & 0xffff)
#define slab_state(first, used) ((u32)(first) << 16 | (used))

static struct page_info *new_slab(unsigned int c)
{
	unsigned int i, n = PAGE_SIZE / class_size[c];
	char *page = alloc_hv_pages(0);
	struct page_info *pg;

	if (!page)
		return NULL;
	for (i = 0; i < n; i++)
		*(u16 *)(page + i * class_size[c]) = i + 1 < n ? i + 1 : NO_OBJECT;
	pg = mfn_to_page(virt_to_mfn(page));
	pg->flags = PGF_slab;
	pg->order = c;
	pg->stamp = slab_state(0, 0);
	return pg;
}

static void *alloc_small(size_t size)
{
	unsigned int c = 0;
	struct page_info *pg;
	char *obj;

	while (class_size[c] < size)
		c++;
	spin_lock(&heap_lock);
	if (!partial[c].count) {
		spin_unlock(&heap_lock);
		pg = new_slab(c);
		if (!pg)
			return NULL;
		spin_lock(&heap_lock);
		frame_list_add(&partial[c], pg);
	}
	pg = &frame_table[partial[c].head];
	obj = (char *)mfn_to_virt(page_to_mfn(pg)) + first_free(pg) * class_size[c];
	pg->stamp = slab_state(*(u16 *)obj, in_use(pg) + 1);
	if (first_free(pg) == NO_OBJECT)
		frame_list_del(&partial[c], pg);
	spin_unlock(&heap_lock);
	return memset(obj, 0, class_size[c]);
}

static void free_small(struct page_info *pg, char *p)
{
	unsigned int c = pg->order;
	char *page = mfn_to_virt(page_to_mfn(pg));
	unsigned int i = (p - page) / class_size[c];
	bool release;

	BUG_ON(page + i * class_size[c] != p);
	spin_lock(&heap_lock);
	BUG_ON(!in_use(pg));
#ifdef DEBUG
	for (u32 f = first_free(pg); f != NO_OBJECT; f = *(u16 *)(page + f * class_size[c]))
		BUG_ON(f == i);			/* freed twice */
	memset(p, 0xdf, class_size[c]);
#endif
	*(u16 *)p = first_free(pg);
	if (first_free(pg) == NO_OBJECT)
		frame_list_add(&partial[c], pg);
	pg->stamp = slab_state(i, in_use(pg) - 1);
	release = !in_use(pg) && partial[c].count > 1;
	if (release)
		frame_list_del(&partial[c], pg);
	spin_unlock(&heap_lock);
	if (release) {
		pg->stamp = 0;
		free_hv_pages(page, 0);
	}
}

void *hv_alloc(size_t size)
{
	void *p;

	if (size > MAX_LARGE || alloc_should_fail())
		return NULL;
	if (size <= MAX_SMALL)
		return alloc_small(size);
	p = alloc_hv_pages(order_of(size));
	if (p) {
		mfn_to_page(virt_to_mfn(p))->flags = PGF_heap;
		mfn_to_page(virt_to_mfn(p))->order = order_of(size);
	}
	return p;
}

void hv_free(void *p)
{
	struct page_info *pg;

	if (!p)
		return;
	pg = mfn_to_page(virt_to_mfn(p));
	if (pg->flags & PGF_slab) {
		free_small(pg, p);
	} else {
		BUG_ON(!(pg->flags & PGF_heap) || ((u64)p & ~PAGE_MASK));
		free_hv_pages(p, pg->order);
	}
}
