/* SPDX-License-Identifier: MIT */
/*
 * Job:    the machine's memory map as the firmware gave it, for XENMEM_machine_memory_map.
 * State:  machine_e820[], filled by boot/start.c, constant after boot.
 * Tests:  tests/host/test_memory.c
 */
#ifndef HV_MEMORY_H
#define HV_MEMORY_H

#include <hv/types.h>

/* Also the layout of the ABI: 20 bytes. */
struct e820_entry {
	u64 addr, size;
	u32 type;
} __packed;

#define MAX_MACHINE_E820 256
extern struct e820_entry machine_e820[MAX_MACHINE_E820];
extern unsigned int nr_machine_e820;

#endif
