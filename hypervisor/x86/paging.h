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
void paging_init(const struct boot_info *bi);	/* everything from the memory map; switch CR3 */
int map_hv_page(u64 va, u64 maddr, u64 flags);	/* one 4 KiB page of the hypervisor; -ENOMEM */
u64 lookup_hv_page(u64 va);		/* the 4 KiB entry that maps va in our own area; 0: none */
void *ioremap(u64 maddr, size_t len);	/* uncached; NULL: address space or memory ran out */
void free_init_sections(void);		/* once nothing at boot is to be done any more */

#endif
