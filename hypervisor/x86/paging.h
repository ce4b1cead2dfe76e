/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's own page tables (paging.c).
 *
 * Job:    map the direct map, M2P, frame table, per-CPU areas and device registers.
 * Tests:  all
 */
#ifndef X86_PAGING_H
#define X86_PAGING_H

#include <hv/arch.h>
#include <hv/pte.h>

struct boot_info;

extern u64 *hv_root;			/* L4 of the hypervisor alone: idle CPUs, boot */
/* Build everything from the memory map: tables, frame table, M2P, allocator; switch CR3. */
void paging_init(const struct boot_info *bi);
/* Map one 4 KiB page of the hypervisor; -ENOMEM. */
int map_hv_page(u64 va, u64 maddr, u64 flags);
/* The 4 KiB entry that maps va in the hypervisor's own area; 0: none. */
u64 lookup_hv_page(u64 va);
/* Map uncached device registers; NULL when address space or memory ran out. */
void *ioremap(u64 maddr, size_t len);

#endif
