/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's heap: small objects in pages of one size, large ones in runs of pages.
 *
 * Job:    hv_alloc(), hv_free(); zeroed, 16-byte aligned memory.
 * Enter:  hv_alloc() and hv_free(), hv_new(); never in a guest's hot path.
 * State:  classes[c].partial: the pages of class c that have free objects, linked through
 *         page_info (next, prev). A slab page's page_info.stamp holds `first free object << 16 |
 *         objects in use`; a free object's first bytes hold the index of the next. A large
 *         object's first page has its page count in page_info.next.
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

static const u16 class_size[] = { 16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 672, 1024, 1360,
				  2048 };
#define NR_CLASSES ARRAY_SIZE(class_size)
#define MAX_SMALL 2048

/* 0 is frame 0, which is never in the heap: an empty list needs no initialisation */
static struct { u32 partial; } classes[NR_CLASSES];
static spinlock_t heap_lock = SPINLOCK_INIT(RANK_HEAP);

#define first_free(pg) ((pg)->stamp >> 16)
#define in_use(pg) ((pg)->stamp & 0xffff)
#define slab_state(first, used) ((u32)(first) << 16 | (used))

static unsigned int class_of(size_t size)
{
	unsigned int c = 0;

	while (class_size[c] < size)
		c++;
	return c;
}

static void list_slab(struct page_info *pg, unsigned int c)
{
	pg->prev = 0;
	pg->next = classes[c].partial;
	if (pg->next)
		frame_table[pg->next].prev = mfn_x(page_to_mfn(pg));
	classes[c].partial = mfn_x(page_to_mfn(pg));
}

static void unlist_slab(struct page_info *pg, unsigned int c)
{
	if (pg->next)
		frame_table[pg->next].prev = pg->prev;
	if (pg->prev)
		frame_table[pg->prev].next = pg->next;
	else
		classes[c].partial = pg->next;
}

static struct page_info *new_slab(unsigned int c)
{
	char *page = alloc_hv_pages(0);
	unsigned int n = PAGE_SIZE / class_size[c];
	struct page_info *pg;

	if (!page)
		return NULL;
	for (unsigned int i = 0; i < n; i++)
		*(u16 *)(page + i * class_size[c]) = i + 1 < n ? i + 1 : NO_OBJECT;
	pg = mfn_to_page(virt_to_mfn(page));
	pg->flags = PGF_slab;
	pg->order = c;
	pg->stamp = slab_state(0, 0);
	return pg;
}

static void *alloc_small(size_t size)
{
	unsigned int c = class_of(size), i;
	struct page_info *pg;
	char *obj;

	spin_lock(&heap_lock);
	if (!classes[c].partial) {
		spin_unlock(&heap_lock);
		pg = new_slab(c);
		if (!pg)
			return NULL;
		spin_lock(&heap_lock);
		list_slab(pg, c);
	}
	pg = &frame_table[classes[c].partial];
	i = first_free(pg);
	obj = (char *)mfn_to_virt(page_to_mfn(pg)) + i * class_size[c];
	pg->stamp = slab_state(*(u16 *)obj, in_use(pg) + 1);
	if (first_free(pg) == NO_OBJECT)
		unlist_slab(pg, c);
	spin_unlock(&heap_lock);
	return memset(obj, 0, class_size[c]);
}

static void free_small(struct page_info *pg, char *p)
{
	unsigned int c = pg->order;
	char *page = mfn_to_virt(page_to_mfn(pg));
	unsigned int i = (p - page) / class_size[c];
	bool release = false;

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
		list_slab(pg, c);
	pg->stamp = slab_state(i, in_use(pg) - 1);
	if (!in_use(pg) && (pg->next || pg->prev)) {
		unlist_slab(pg, c);
		release = true;
	}
	spin_unlock(&heap_lock);
	if (release) {
		pg->flags = 0;
		pg->stamp = 0;
		free_hv_pages(page, 0);
	}
}

/* Give back pages [from, to) of a block that is aligned to its size: the largest pieces first. */
static void free_run(char *block, unsigned int from, unsigned int to)
{
	while (from < to) {
		unsigned int order = from ? __builtin_ctz(from) : 31 - __builtin_clz(to);

		while (from + BIT(order) > to)
			order--;
		free_hv_pages(block + from * PAGE_SIZE, order);
		from += BIT(order);
	}
}

static void *alloc_large(size_t size)
{
	unsigned int pages = PFN_UP(size), order = pages > 1 ? 32 - __builtin_clz(pages - 1) : 0;
	char *p = alloc_hv_pages(order);
	struct page_info *pg;

	if (!p)
		return NULL;
	free_run(p, pages, BIT(order));
	pg = mfn_to_page(virt_to_mfn(p));
	pg->flags = PGF_heap;
	pg->next = pages;
	return p;
}

void *hv_alloc(size_t size)
{
	if (size > MAX_LARGE || alloc_should_fail())
		return NULL;
	return size <= MAX_SMALL ? alloc_small(size) : alloc_large(size);
}

void hv_free(void *p)
{
	struct page_info *pg;
	unsigned int pages;

	if (!p)
		return;
	pg = mfn_to_page(virt_to_mfn(p));
	if (pg->flags & PGF_slab) {
		free_small(pg, p);
		return;
	}
	BUG_ON(!(pg->flags & PGF_heap) || ((u64)p & ~PAGE_MASK));
	pages = pg->next;
	pg->flags = 0;
	free_run(p, 0, pages);
}

size_t hv_alloc_size(const void *p)
{
	const struct page_info *pg = mfn_to_page(virt_to_mfn(p));

	return pg->flags & PGF_slab ? class_size[pg->order] : (size_t)pg->next << PAGE_SHIFT;
}

void heap_init(void)
{
	for (unsigned int c = 0; c < NR_CLASSES; c++)
		classes[c].partial = 0;
	spin_lock_init(&heap_lock, RANK_HEAP);
}
