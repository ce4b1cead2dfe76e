/* SPDX-License-Identifier: MIT */
/*
 * Job:    what the loader tells: struct boot_info, and the parser of multiboot 1 and 2 that fills
 *         it.
 * Holds:  I1  mem[] is sorted, of whole pages, no entries overlap, none is empty.
 *         I2  modules[] lie wholly below the address limit of the reader; strings are terminated.
 * Tests:  tests/host/test_multiboot.c, tests/fuzz/fuzz_multiboot.c
 */
#ifndef HV_MULTIBOOT_H
#define HV_MULTIBOOT_H

#include <hv/types.h>

/* A pointer to len readable bytes of machine memory at maddr, or NULL. It stays valid. */
typedef const void *(*map_maddr_t)(u64 maddr, u64 len);

#define MULTIBOOT1_LOADED 0x2badb002
#define MULTIBOOT2_LOADED 0x36d76289

#define BOOT_MAX_RAW 256
#define BOOT_MAX_MEM (2 * BOOT_MAX_RAW + 1)
#define BOOT_MAX_MODULES 8
#define BOOT_CMDLINE_MAX 1024		/* with the NUL; also what a PV guest's start_info takes */

enum mem_type { MEM_RAM = 1, MEM_RESERVED, MEM_ACPI, MEM_NVS, MEM_UNUSABLE };

struct mem_range {
	u64 base, len;
	u32 type;			/* enum mem_type; in raw[] whatever the firmware said */
};

struct boot_module {
	u64 start, end;			/* machine addresses; end is exclusive */
	char cmdline[BOOT_CMDLINE_MAX];	/* without the file name */
};

struct boot_video {
	bool linear;			/* a frame buffer of pixels; else nothing below counts */
	u8 bpp, colour[6];		/* position and size of red, green, blue */
	u32 pitch, width, height;
	u64 addr;
};

struct boot_info {
	char loader[64];
	char cmdline[BOOT_CMDLINE_MAX];	/* without the image's own name */
	bool cmdline_cut;		/* it or a module's was longer than fits */
	bool efi;			/* started by UEFI firmware */
	unsigned int nr_raw, nr_mem, nr_modules;
	unsigned int lost_raw, lost_modules;	/* more than we have room for, or overlapping */
	struct mem_range raw[BOOT_MAX_RAW];	/* the firmware's map, unchanged */
	struct mem_range mem[BOOT_MAX_MEM];	/* sorted, overlaps resolved */
	struct boot_module modules[BOOT_MAX_MODULES];
	unsigned int rsdp_len;		/* 0: the loader gave none */
	u8 rsdp[64];			/* copy of the ACPI root pointer */
	struct boot_video video;
};

/* Fill *bi. NULL, or why nothing can be read (the magic is unknown ...). Broken parts are left out. */
const char *multiboot_parse(u32 magic, u64 info, map_maddr_t map, struct boot_info *bi);

/* Sort raw[] into mem[]: the more restrictive type wins an overlap. Part of multiboot_parse(). */
void boot_sort_memory(struct boot_info *bi);
/* The lowest address >= min where len bytes (whole pages) are RAM below limit, no module; 0: none. */
u64 boot_find_memory(const struct boot_info *bi, u64 len, u64 min, u64 limit);

#endif
