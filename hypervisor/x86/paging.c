/* SPDX-License-Identifier: MIT */
/*
 * Job:    the hypervisor's page tables: direct map, M2P and frame table from the memory map; the
 *         rest of RAM goes to the allocator; single pages and device registers are mapped later.
 * Enter:  boot/start.c (paging_init), desc.c, apic.c ... (map_hv_page, ioremap).
 * State:  hv_root and what hangs below it; every guest L4 copies its slots 256-271, so L3 tables
 *         that exist after paging_init() are all there will ever be.
 * Locks:  boot runs alone; map_hv_page() afterwards under hv_map_lock.
 * Holds:  M2  only slot 256 (M2P) has user-accessible entries, and they are read-only.
 *         M3  frames without RAM behind them have owner DOMID_IO in the frame table, M2P ~0.
 * Tests:  boot of every machine type in tests/linux; tests/guests/abuse_l4slots.c
 */
#include <hv/debug.h>
#include <hv/multiboot.h>
#include <hv/page_alloc.h>
#include <hv/string.h>
#include "machine.h"

#define TABLE_FLAGS (PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D)
#define HV_FLAGS (PTE_P | PTE_RW | PTE_A | PTE_D | PTE_NX)
#define CHUNK MiB(2)
#define for_each_ram(m, bi) \
	for (m = (bi)->mem; m < (bi)->mem + (bi)->nr_mem; m++) \
		if (m->type == MEM_RAM)

extern char _end[], _stext[], _etext[], _erodata[], _sinit[], _einittext[], _einit[];

u64 *hv_root;
static spinlock_t hv_map_lock = SPINLOCK_INIT(RANK_BUDDY - 1);	/* tables are allocated under it */

/* memory taken at boot, before there is an allocator: tables below 4 GiB, data anywhere */
static struct range { u64 start, end, next; } boot_tables, boot_data;
static bool allocator_ready;
/* PTE_G where no root can be restricted: these entries are the same in every address space */
static u64 global_flag;

static u64 take(struct range *area, u64 size)
{
	u64 maddr = area->next;

	BUG_ON(maddr + size > area->end);
	area->next += size;
	return maddr;
}

static u64 *new_table(void)
{
	if (allocator_ready)
		return alloc_hv_pages(0);
	return memset(maddr_to_virt(take(&boot_tables, PAGE_SIZE)), 0, PAGE_SIZE);
}

/* When it makes tables hv_map_lock is held, or boot runs alone. */
u64 *table_entry(u64 *t, unsigned int top, u64 va, unsigned int bits)
{
	u64 *e;

	for (; top > bits; top -= 9) {
		e = &t[va >> top & (PTES_PER_PAGE - 1)];
		if (!(*e & PTE_P)) {
			t = new_table();
			if (!t)
				return NULL;
			*e = make_pte(virt_to_mfn(t), TABLE_FLAGS);
		}
		t = mfn_to_virt(pte_mfn(*e));
	}
	return &t[va >> top & (PTES_PER_PAGE - 1)];
}

int map_hv_page(u64 va, u64 maddr, u64 flags)
{
	u64 *e;

	spin_lock(&hv_map_lock);
	e = hv_entry(va, 12);
	if (e)
		*e = maddr | flags;
	spin_unlock(&hv_map_lock);
	return e ? 0 : -ENOMEM;
}

void *ioremap(u64 maddr, size_t len)
{
	static u64 next = IOREMAP_VIRT_START;
	u64 off, size = (PFN_UP(maddr + len) - PFN_DOWN(maddr)) * PAGE_SIZE;
	u64 va = atomic_add(&next, size + PAGE_SIZE) - size;	/* a hole before each mapping */

	if (va + size > IOREMAP_VIRT_END)
		return NULL;
	for (off = 0; off < size; off += PAGE_SIZE)
		if (map_hv_page(va + off, (maddr & PAGE_MASK) + off,
				HV_FLAGS | PTE_PCD | PTE_PWT | global_flag))
			return NULL;
	return (void *)(va + (maddr & ~PAGE_MASK));
}

/* --- the parts of the map --- */

static void map_direct(const struct boot_info *bi)
{
	u64 end;

	for (const struct mem_range *m = bi->mem; m < bi->mem + bi->nr_mem; m++) {
		if (m->type != MEM_RAM && m->type != MEM_ACPI && m->type != MEM_NVS)
			continue;
		end = min(m->base + m->len, DIRECTMAP_VIRT_END - DIRECTMAP_VIRT_START);
		for (u64 a = ROUND_DOWN(m->base, CHUNK); a < end; a += CHUNK)
			*hv_entry(DIRECTMAP_VIRT_START + a, 21) = a | HV_FLAGS | PTE_PS | global_flag;
	}
}

static void map_image(void)
{
	u64 flags;

	for (u64 va = IMAGE_VIRT_START; va < (u64)_end; va += PAGE_SIZE) {
		flags = HV_FLAGS;
		if (va < (u64)_etext || (va >= (u64)_sinit && va < (u64)_einittext))
			flags = PTE_P | PTE_A | PTE_D;
		else if (va < (u64)_erodata)
			flags &= ~PTE_RW;
		if (va < (u64)_sinit || va >= (u64)_einit)	/* the others go: free_init_sections() */
			flags |= global_flag;
		map_hv_page(va, va - IMAGE_VIRT_BASE, flags);
	}
}

/*
 * M2P and frame table: arrays with a record for each frame, filled with `blank` ones here. Chunks
 * of them without RAM are mapped onto shared pages, which cannot be written. In such a page the
 * first record begins at any of `words` places; which one, the page's first word in the array tells.
 */
struct frame_array {
	u64 va, flags;
	unsigned int words;		/* of a record */
	union { struct page_info pg; u64 w[3]; } blank;
};

_Static_assert(sizeof(struct page_info) == 24, "three words a record");
static const struct frame_array arrays[] = {
	{ M2P_VIRT_START, PTE_P | PTE_US | PTE_A | PTE_D | PTE_NX, 1, { .w = { INVALID_M2P } } },
	{ FRAMETABLE_VIRT_START, HV_FLAGS, 3, { .pg = { .owner = DOMID_IO } } },
};

static void fill_blank(const struct frame_array *a, u64 *p, u64 bytes, u64 first_word)
{
	const u64 *end = p + bytes / 8;

	for (unsigned int i = first_word % a->words; p < end; i = i + 1 < a->words ? i + 1 : 0)
		*p++ = a->blank.w[i];
}

/* The L1 table of a chunk without RAM. */
static u64 *hole_table(const struct frame_array *a, u64 first_word)
{
	u64 *t = new_table(), *page;
	unsigned int i;

	for (i = 0; i < a->words; i++) {
		page = new_table();
		fill_blank(a, page, PAGE_SIZE, first_word + i * (PAGE_SIZE / 8));
		t[i] = make_pte(virt_to_mfn(page), a->flags & ~PTE_RW);
	}
	for (; i < PTES_PER_PAGE; i++)
		t[i] = t[i - a->words];
	return t;
}

/* Is there RAM whose records are in the chunk at this offset? */
static bool chunk_used(const struct boot_info *bi, const struct frame_array *a, u64 off)
{
	u64 first = off / (8 * a->words), last = DIV_ROUND_UP(off + CHUNK, 8 * a->words);
	const struct mem_range *m;

	for_each_ram(m, bi)
		if (PFN_DOWN(m->base) < last && PFN_UP(m->base + m->len) > first)
			return true;
	return false;
}

static u64 count_chunks(const struct boot_info *bi, const struct frame_array *a)
{
	u64 off, n = 0;

	for (off = 0; off < max_page * 8 * a->words; off += CHUNK)
		n += chunk_used(bi, a, off);
	return n;
}

static void map_array(const struct boot_info *bi, const struct frame_array *a)
{
	u64 off, maddr, *e, *holes[3] = { NULL }, **hole;

	for (off = 0; off < max_page * 8 * a->words; off += CHUNK) {
		e = hv_entry(a->va + off, 21);
		if (chunk_used(bi, a, off)) {
			maddr = take(&boot_data, CHUNK);
			fill_blank(a, maddr_to_virt(maddr), CHUNK, off / 8);
			*e = maddr | a->flags | PTE_PS | global_flag;
			continue;
		}
		hole = &holes[off / 8 % a->words];
		if (!*hole)
			*hole = hole_table(a, off / 8);
		*e = make_pte(virt_to_mfn(*hole), TABLE_FLAGS);
	}
}

/* --- who gets the memory --- */

static void init_ram_frames(const struct boot_info *bi)
{
	const struct mem_range *m;
	u64 last;

	for_each_ram(m, bi) {
		last = min(PFN_DOWN(m->base + m->len), max_page);
		for (u64 mfn = PFN_UP(max(m->base, MiB(1))); mfn < last; mfn++, total_pages++)
			frame_table[mfn] = (struct page_info){ .owner = DOMID_INVALID, .word = 1 };
	}
}

/* Give [s, e) minus the reserved ranges, which have no order, to the allocator. */
static void add_free(u64 s, u64 e, const struct range *res, unsigned int n)
{
	for (; n && s < e; res++, n--) {
		if (res->end <= s || res->start >= e)
			continue;
		add_free(s, min(e, ROUND_DOWN(res->start, PAGE_SIZE)), res + 1, n - 1);
		s = ROUND_UP(res->end, PAGE_SIZE);
	}
	if (s < e)
		page_alloc_add(_mfn(PFN_DOWN(s)), _mfn(PFN_DOWN(e)));
}

static void free_memory(const struct boot_info *bi)
{
	struct range res[4 + BOOT_MAX_MODULES] = {
		{ .end = MiB(1) },	/* I/O to us: firmware's data, the other CPUs' trampoline */
		{ .start = IMAGE_PHYS_START, .end = (u64)_end - IMAGE_VIRT_BASE },
		{ .start = boot_tables.start, .end = boot_tables.next },
		{ .start = boot_data.start, .end = boot_data.next },
	};
	const struct mem_range *m;
	unsigned int i;

	for (i = 0; i < bi->nr_modules; i++)
		res[4 + i] = (struct range){ .start = bi->modules[i].start, .end = bi->modules[i].end };
	for_each_ram(m, bi)
		add_free(ROUND_UP(m->base, PAGE_SIZE),
			 min(ROUND_DOWN(m->base + m->len, PAGE_SIZE), max_page << PAGE_SHIFT),
			 res, 4 + i);
}

static bool reserve(struct range *area, const struct boot_info *bi, u64 size, u64 from, u64 limit)
{
	u64 start = boot_find_memory(bi, size, from, limit);

	*area = (struct range){ start, start + size, start };
	return start;
}

void paging_init(const struct boot_info *bi)
{
	u64 size, m2p_end, a, image_end = ROUND_UP((u64)_end, CHUNK) - IMAGE_VIRT_BASE;
	const struct mem_range *m;

	for_each_ram(m, bi)
		max_page = max(max_page, PFN_DOWN(m->base + m->len));
	max_page = min(max_page, PFN_DOWN(DIRECTMAP_VIRT_END - DIRECTMAP_VIRT_START));

	/* an L2 table for each GiB of the direct map and the arrays; holes, the image and more */
	size = (64 + (max_page * (PAGE_SIZE + 8 + sizeof(struct page_info)) >> 30)) * PAGE_SIZE;
	if (!reserve(&boot_tables, bi, size, image_end, GiB(4)))
		refuse_boot("no %lu KiB for page tables below 4 GiB; give the machine more memory",
			    size >> 10);
	/* one chunk more, for the alignment */
	size = (count_chunks(bi, &arrays[0]) + count_chunks(bi, &arrays[1]) + 1) * CHUNK;
	if (!reserve(&boot_data, bi, size, GiB(4), max_page << PAGE_SHIFT) &&
	    !reserve(&boot_data, bi, size, boot_tables.end, GiB(4)))
		refuse_boot("no %lu MiB for the frame table; give the machine more memory", size >> 20);
	boot_data.start = boot_data.next = ROUND_UP(boot_data.start, CHUNK);

	global_flag = cpu_feat.pge && !restricted_roots && arch_ring1_refused() ? PTE_G : 0;
	hv_root = new_table();
	map_direct(bi);
	map_image();
	write_cr3(mfn_x(virt_to_mfn(hv_root)) << PAGE_SHIFT);
	map_array(bi, &arrays[0]);
	m2p_end = boot_data.next;
	map_array(bi, &arrays[1]);
	init_ram_frames(bi);
	for (a = boot_data.start; a < m2p_end; a += PAGE_SIZE)
		share_hv_page(&domain_xen, maddr_to_virt(a), false);
	allocator_ready = true;
	free_memory(bi);
}

void free_init_sections(void)
{
	for (u64 va = (u64)_sinit; va < (u64)_einit; va += PAGE_SIZE)
		map_hv_page(va, 0, 0);
	flush_tlb_local();		/* other CPUs load CR3 before they run a guest */
	page_alloc_add(_mfn(PFN_DOWN((u64)_sinit - IMAGE_VIRT_BASE)),
		       _mfn(PFN_DOWN((u64)_einit - IMAGE_VIRT_BASE)));
}

/*
 * Guests see the M2P read-only, and so do we; with SMAP we may not even read it there. So our own
 * accesses go through the direct map.
 */
void set_m2p(mfn_t mfn, u64 pfn)
{
	u64 va = M2P_VIRT_START + mfn_x(mfn) * 8, *t = hv_root;

	t = mfn_to_virt(pte_mfn(t[L4_INDEX(M2P_VIRT_START)]));
	t = mfn_to_virt(pte_mfn(t[L3_INDEX(va)]));
	t = mfn_to_virt(pte_mfn(t[L2_INDEX(va)]));
	t[mfn_x(mfn) % (CHUNK / 8)] = pfn;
}

mfn_t arch_m2p_frame(u64 n)
{
	u64 e = n * CHUNK < max_page * 8 ? *hv_entry(M2P_VIRT_START + n * CHUNK, 21) : 0;

	return e & PTE_PS ? pte_mfn(e) : INVALID_MFN;
}
