/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's page tables and the memory it keeps for itself.
 *
 * Job:    build the direct map, M2P and frame table from the memory map; hand the rest of RAM to
 *         the allocator; map single pages and device registers later.
 * Enter:  boot/start.c (paging_init), desc.c, apic.c ... (map_hv_page, ioremap).
 * State:  hv_root and what hangs below it; every guest L4 copies its slots 256-271, so L3 tables
 *         that exist after paging_init() are all there will ever be.
 * Locks:  boot runs alone; map_hv_page() and ioremap() afterwards under hv_map_lock.
 * Holds:  M2  only slot 256 (M2P) has user-accessible entries, and they are read-only.
 *         M3  frames without RAM behind them have owner DOMID_IO in the frame table, M2P ~0.
 * Tests:  boot of every machine type in tests/linux; tests/guests/abuse_l4slots.c
 */
#include <xen.h>
#include <hv/debug.h>
#include <hv/errno.h>
#include <hv/domain.h>
#include <hv/frame.h>
#include <hv/lock.h>
#include <hv/multiboot.h>
#include <hv/page_alloc.h>
#include <hv/string.h>
#include "cpu.h"
#include "paging.h"

u64 *hv_root;
static spinlock_t hv_map_lock = SPINLOCK_INIT(RANK_BUDDY - 1);	/* tables are allocated under it */

/* memory taken at boot, before there is an allocator: tables below 4 GiB, data anywhere */
static struct { u64 start, end, next; } boot_tables, boot_data;
static bool allocator_ready;

#define TABLE_FLAGS (PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D)
#define HV_FLAGS (PTE_P | PTE_RW | PTE_A | PTE_D | PTE_NX)
#define CHUNK MiB(2)

extern char _end[], _stext[], _etext[], _srodata[], _erodata[], _sinit[], _sinittext[];
extern char _einittext[], _einit[];
extern u64 boot_l4[], boot_l1_image[];

static u64 *new_table(void)
{
	u64 *t;

	if (allocator_ready)
		return alloc_hv_pages(0);
	BUG_ON(boot_tables.next + PAGE_SIZE > boot_tables.end);
	t = maddr_to_virt(boot_tables.next);
	boot_tables.next += PAGE_SIZE;
	memset(t, 0, PAGE_SIZE);
	return t;
}

/* The table below entry i of t, made if need be; NULL: no memory. */
static u64 *next_table(u64 *t, unsigned int i)
{
	u64 *n;

	if (t[i] & PTE_P)
		return mfn_to_virt(pte_mfn(t[i]));
	n = new_table();
	if (n)
		t[i] = make_pte(virt_to_mfn(n), TABLE_FLAGS);
	return n;
}

static u64 *l2_of(u64 va)
{
	u64 *t = next_table(hv_root, L4_INDEX(va));

	return t ? next_table(t, L3_INDEX(va)) : NULL;
}

/* global where no root is restricted: these entries are the same in every address space */
static u64 global_flag(void)
{
	return cpu_feat.pge && !cpu_has_meltdown ? PTE_G : 0;
}

int map_hv_page(u64 va, u64 maddr, u64 flags)
{
	u64 *t;

	spin_lock(&hv_map_lock);
	t = l2_of(va);
	if (t)
		t = next_table(t, L2_INDEX(va));
	if (t)
		t[L1_INDEX(va)] = maddr | flags;
	spin_unlock(&hv_map_lock);
	return t ? 0 : -ENOMEM;
}

u64 lookup_hv_page(u64 va)
{
	const u64 *t = hv_root;
	unsigned int i, idx[3] = { L4_INDEX(va), L3_INDEX(va), L2_INDEX(va) };

	for (i = 0; i < 3; i++) {
		if (!(t[idx[i]] & PTE_P))
			return 0;
		t = mfn_to_virt(pte_mfn(t[idx[i]]));
	}
	return t[L1_INDEX(va)];
}

void *ioremap(u64 maddr, size_t len)
{
	static u64 next = IOREMAP_VIRT_START;
	u64 first = maddr & PAGE_MASK, n = PFN_UP(maddr + len) - PFN_DOWN(maddr), i, va;

	spin_lock(&hv_map_lock);
	va = next;
	next += (n + 1) * PAGE_SIZE;		/* a hole after each mapping */
	spin_unlock(&hv_map_lock);
	if (va + n * PAGE_SIZE > IOREMAP_VIRT_END)
		return NULL;
	for (i = 0; i < n; i++)
		if (map_hv_page(va + i * PAGE_SIZE, first + i * PAGE_SIZE,
				HV_FLAGS | PTE_PCD | PTE_PWT | global_flag()))
			return NULL;
	return (void *)(va + (maddr & ~PAGE_MASK));
}

static void map_2m(u64 va, u64 maddr, u64 flags)
{
	u64 *l2 = l2_of(va);

	l2[L2_INDEX(va)] = maddr | flags | PTE_PS;
}

/* Direct map: 1 GiB pages where the CPU has them and all of it is RAM or holes, else 2 MiB. */
static void map_direct(const struct boot_info *bi)
{
	unsigned int i;
	u64 a, end, va;

	for (i = 0; i < bi->nr_mem; i++) {
		if (bi->mem[i].type != MEM_RAM && bi->mem[i].type != MEM_ACPI &&
		    bi->mem[i].type != MEM_NVS)
			continue;
		end = min(bi->mem[i].base + bi->mem[i].len,
			  (u64)(DIRECTMAP_VIRT_END - DIRECTMAP_VIRT_START));
		for (a = ROUND_DOWN(bi->mem[i].base, CHUNK); a < end; a += CHUNK) {
			va = DIRECTMAP_VIRT_START + a;
			map_2m(va, a, HV_FLAGS | global_flag());
		}
	}
}

static void map_image(void)
{
	u64 va, flags;

	for (va = IMAGE_VIRT_START; va < (u64)_end; va += PAGE_SIZE) {
		if ((va >= (u64)_stext && va < (u64)_etext) ||
		    (va >= (u64)_sinittext && va < (u64)_einittext))
			flags = PTE_P | PTE_A | PTE_D;
		else if (va >= (u64)_srodata && va < (u64)_erodata)
			flags = PTE_P | PTE_A | PTE_D | PTE_NX;
		else
			flags = HV_FLAGS;
		map_hv_page(va, va - IMAGE_VIRT_BASE, flags | global_flag());
	}
}

/* Is any RAM in the frames [first, last)? */
static bool has_ram(const struct boot_info *bi, u64 first, u64 last)
{
	unsigned int i;

	for (i = 0; i < bi->nr_mem; i++)
		if (bi->mem[i].type == MEM_RAM && PFN_DOWN(bi->mem[i].base) < last &&
		    PFN_UP(bi->mem[i].base + bi->mem[i].len) > first)
			return true;
	return false;
}

/* frames whose page_info lies in bytes [off, off + CHUNK) of the frame table, and M2P alike */
static bool ft_chunk_used(const struct boot_info *bi, u64 off)
{
	return has_ram(bi, off / sizeof(struct page_info),
		       (off + CHUNK) / sizeof(struct page_info) + 1);
}

static bool m2p_chunk_used(const struct boot_info *bi, u64 off)
{
	return has_ram(bi, off / 8, (off + CHUNK) / 8);
}

static u64 data_chunk(void)
{
	u64 a = boot_data.next;

	BUG_ON(a + CHUNK > boot_data.end);
	boot_data.next += CHUNK;
	return a;
}

/* A hole in the M2P: one page of ~0 stands for all of it. */
static void map_m2p(const struct boot_info *bi)
{
	u64 off, *hole_l1 = NULL, *hole, *l2;
	unsigned int i;

	for (off = 0; off < max_page * 8; off += CHUNK) {
		if (m2p_chunk_used(bi, off)) {
			map_2m(M2P_VIRT_START + off, data_chunk(),
			       PTE_P | PTE_US | PTE_A | PTE_D | PTE_NX | global_flag());
			continue;
		}
		if (!hole_l1) {
			hole = new_table();
			memset(hole, 0xff, PAGE_SIZE);
			hole_l1 = new_table();
			for (i = 0; i < PTES_PER_PAGE; i++)
				hole_l1[i] = make_pte(virt_to_mfn(hole),
						      PTE_P | PTE_US | PTE_A | PTE_D | PTE_NX);
		}
		l2 = l2_of(M2P_VIRT_START + off);
		l2[L2_INDEX(M2P_VIRT_START + off)] = make_pte(virt_to_mfn(hole_l1), TABLE_FLAGS);
	}
}

/*
 * A hole in the frame table: page_info has 24 bytes, so three read-only pages of I/O frames, one
 * per phase, stand for any number of them.
 */
static void map_frame_table(const struct boot_info *bi)
{
	static u64 hole[3];
	u64 off, o, va;
	struct page_info *pg;
	unsigned int i, k;

	_Static_assert(sizeof(*pg) == 24, "three words a record");
	for (i = 0; i < 3; i++) {
		u8 *p = (u8 *)new_table();

		hole[i] = (u64)p - DIRECTMAP_VIRT_START;
		/* page number k of the table begins at byte k * 4096 % 24 of a page_info */
		for (k = 0; k < PAGE_SIZE; k++) {
			struct page_info io = { .owner = DOMID_IO };

			p[k] = ((u8 *)&io)[(i * PAGE_SIZE + k) % sizeof(io)];
		}
	}
	for (off = 0; off < max_page * sizeof(*pg); off += CHUNK) {
		va = FRAMETABLE_VIRT_START + off;
		if (ft_chunk_used(bi, off)) {
			map_2m(va, data_chunk(), HV_FLAGS | global_flag());
			continue;
		}
		for (o = 0; o < CHUNK; o += PAGE_SIZE)
			map_hv_page(va + o, hole[((off + o) / PAGE_SIZE) % 3],
				    PTE_P | PTE_A | PTE_D | PTE_NX);
	}
}

static void count_chunks(const struct boot_info *bi, u64 *tables, u64 *chunks)
{
	u64 off, gib = (max_page >> 18) + 2;

	*chunks = 0;
	*tables = gib + 64 + (max_page * 8 >> 30) + (max_page * sizeof(struct page_info) >> 30);
	for (off = 0; off < max_page * sizeof(struct page_info); off += CHUNK) {
		if (ft_chunk_used(bi, off))
			++*chunks;
		else
			++*tables;
	}
	for (off = 0; off < max_page * 8; off += CHUNK)
		*chunks += m2p_chunk_used(bi, off);
	*tables += PFN_UP((u64)_end - IMAGE_VIRT_START) / 512 + 2;
}

static void init_frames(const struct boot_info *bi)
{
	union { struct page_info pg; u64 w[3]; } io = { .pg = { .owner = DOMID_IO } };
	struct page_info ram = { .owner = DOMID_INVALID, .word = 1 };
	u64 off, m, last, *m2p, *w;
	unsigned int i;

	/* chunk by chunk, since a record may straddle into the shared pages of a hole */
	for (off = 0; off < max_page * sizeof(ram); off += CHUNK) {
		if (!ft_chunk_used(bi, off))
			continue;
		w = (u64 *)(FRAMETABLE_VIRT_START + off);
		i = off / 8 % 3;
		for (m = 0; m < CHUNK / 8; m++) {
			w[m] = io.w[i];
			i = i == 2 ? 0 : i + 1;
		}
	}
	for (off = 0; off < max_page * 8; off += CHUNK)
		if (m2p_chunk_used(bi, off)) {
			u64 *l2 = l2_of(M2P_VIRT_START + off);

			m2p = mfn_to_virt(pte_mfn(l2[L2_INDEX(M2P_VIRT_START + off)]));
			memset(m2p, 0xff, CHUNK);
		}
	for (i = 0; i < bi->nr_mem; i++) {
		if (bi->mem[i].type != MEM_RAM)
			continue;
		m = max(PFN_UP(bi->mem[i].base), PFN_DOWN(MiB(1)));
		last = min(PFN_DOWN(bi->mem[i].base + bi->mem[i].len), max_page);
		for (; m < last; m++) {
			frame_table[m] = ram;
			total_pages++;
		}
	}
}

struct range { u64 start, end; };

/* Give [s, e) minus the sorted-by-nothing list of reserved ranges to the allocator. */
static void add_free(u64 s, u64 e, const struct range *res, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n && s < e; i++) {
		if (res[i].end <= s || res[i].start >= e)
			continue;
		add_free(s, min(e, ROUND_DOWN(res[i].start, PAGE_SIZE)), res + i + 1, n - i - 1);
		s = ROUND_UP(res[i].end, PAGE_SIZE);
	}
	if (s < e)
		page_alloc_add(_mfn(s >> PAGE_SHIFT), _mfn(e >> PAGE_SHIFT));
}

static void free_memory(const struct boot_info *bi)
{
	struct range res[4 + BOOT_MAX_MODULES];
	unsigned int i, n = 0;

	/* The first MiB is I/O to us: firmware's data, and the trampoline of the other CPUs. */
	res[n++] = (struct range){ 0, MiB(1) };
	res[n++] = (struct range){ IMAGE_PHYS_START, ROUND_UP((u64)_end, PAGE_SIZE) - IMAGE_VIRT_BASE };
	res[n++] = (struct range){ boot_tables.start, boot_tables.next };
	res[n++] = (struct range){ boot_data.start, boot_data.next };
	for (i = 0; i < bi->nr_modules; i++)
		res[n++] = (struct range){ bi->modules[i].start, bi->modules[i].end };
	for (i = 0; i < bi->nr_mem; i++)
		if (bi->mem[i].type == MEM_RAM)
			add_free(ROUND_UP(bi->mem[i].base, PAGE_SIZE),
				 min(ROUND_DOWN(bi->mem[i].base + bi->mem[i].len, PAGE_SIZE),
				     max_page << PAGE_SHIFT), res, n);
}

void paging_init(const struct boot_info *bi)
{
	u64 tables, chunks, image_end = ROUND_UP((u64)_end, CHUNK) - IMAGE_VIRT_BASE;
	unsigned int i;

	for (i = 0; i < bi->nr_mem; i++)
		if (bi->mem[i].type == MEM_RAM)
			max_page = max(max_page, PFN_DOWN(bi->mem[i].base + bi->mem[i].len));
	max_page = min(max_page, (u64)(DIRECTMAP_VIRT_END - DIRECTMAP_VIRT_START) >> PAGE_SHIFT);
	count_chunks(bi, &tables, &chunks);

	boot_tables.start = boot_find_memory(bi, tables * PAGE_SIZE, image_end, GiB(4), 0, 0);
	if (!boot_tables.start)
		panic("No %lu KiB of memory for page tables below 4 GiB: the machine needs more memory",
		      tables * 4);
	boot_tables.next = boot_tables.start;
	boot_tables.end = boot_tables.start + tables * PAGE_SIZE;
	/* 2 MiB pages: take one chunk more and round */
	boot_data.start = boot_find_memory(bi, (chunks + 1) * CHUNK, GiB(4),
					   max_page << PAGE_SHIFT, 0, 0);
	if (!boot_data.start)
		boot_data.start = boot_find_memory(bi, (chunks + 1) * CHUNK, boot_tables.end,
						   GiB(4), 0, 0);
	if (!boot_data.start)
		panic("No %lu MiB of memory for the frame table: the machine needs more memory",
		      (chunks + 1) * 2);
	boot_data.start = ROUND_UP(boot_data.start, CHUNK);
	boot_data.next = boot_data.start;
	boot_data.end = boot_data.start + chunks * CHUNK;

	hv_root = new_table();
	for (i = HV_L4_FIRST; i <= HV_L4_LAST; i++)
		if (i == L4_INDEX(M2P_VIRT_START) || i == L4_INDEX(IMAGE_VIRT_START))
			next_table(hv_root, i);
	map_direct(bi);
	map_image();
	map_m2p(bi);
	map_frame_table(bi);
	/* the boot table keeps its identity mapping for the other CPUs' way up */
	for (i = HV_L4_FIRST; i <= HV_L4_LAST; i++)
		boot_l4[i] = hv_root[i];
	write_cr3(mfn_x(virt_to_mfn(hv_root)) << PAGE_SHIFT);

	init_frames(bi);
	for (i = 0; (u64)i * CHUNK < max_page * 8; i++) {
		mfn_t m2p = arch_m2p_frame(i);
		unsigned int k;

		for (k = 0; !mfn_eq(m2p, INVALID_MFN) && k < CHUNK / PAGE_SIZE; k++)
			share_hv_page(&domain_xen, mfn_to_virt(mfn_add(m2p, k)), false);
	}
	allocator_ready = true;
	free_memory(bi);
}

/*
 * Guests see the M2P read-only, and so do we; with SMAP we may not even read it there. So our own
 * accesses go through the direct map.
 */
static u64 *m2p_entry(mfn_t mfn)
{
	const u64 *l3, *l2;
	u64 va = M2P_VIRT_START + mfn_x(mfn) * 8;

	l3 = mfn_to_virt(pte_mfn(hv_root[L4_INDEX(va)]));
	l2 = mfn_to_virt(pte_mfn(l3[L3_INDEX(va)]));
	return (u64 *)mfn_to_virt(pte_mfn(l2[L2_INDEX(va)])) + (va & (CHUNK - 1)) / 8;
}

void set_m2p(mfn_t mfn, u64 pfn)
{
	*m2p_entry(mfn) = pfn;
}

/* Machine frame that holds the n-th 2 MiB of the M2P; INVALID_MFN where there is a hole. */
mfn_t arch_m2p_frame(u64 n)
{
	const u64 *l3, *l2;
	u64 va = M2P_VIRT_START + n * CHUNK, e;

	if (n >= (M2P_VIRT_END - M2P_VIRT_START) / CHUNK)
		return INVALID_MFN;
	l3 = mfn_to_virt(pte_mfn(hv_root[L4_INDEX(va)]));
	e = l3[L3_INDEX(va)];
	if (!(e & PTE_P))
		return INVALID_MFN;
	l2 = mfn_to_virt(pte_mfn(e));
	e = l2[L2_INDEX(va)];
	return e & PTE_P ? pte_mfn(e) : INVALID_MFN;
}

u64 get_m2p(mfn_t mfn)
{
	return *m2p_entry(mfn);
}
