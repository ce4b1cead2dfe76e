/* SPDX-License-Identifier: MIT */
/*
 * lib/kernel.h: a guest's kernel file: unpacked, checked, its Xen notes read.
 *
 * Tests: tests/tools-tests/test_kernel.c
 */
#ifndef LIB_KERNEL_H
#define LIB_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NOTE_UNSET (~0UL)
#define MAX_SEGMENTS 16

struct segment {
	uint64_t va;			/* where it goes */
	const uint8_t *data;		/* in the image */
	uint64_t filesz, memsz;
};

struct kernel {
	const uint8_t *image;		/* an ELF file */
	size_t len;
	void *map;			/* the file, or NULL */
	size_t map_len;
	int file;			/* the same to read from, when there is a map */
	void *unpacked;			/* or NULL when the file is the ELF */
	uint64_t entry, virt_base, paddr_offset, hypercall_page, init_p2m;
	uint64_t virt_start, virt_end;	/* of all segments */
	bool mod_start_pfn;
	uint32_t required_features;
	char guest_os[16], loader[16], xen_version[16];
	struct segment segments[MAX_SEGMENTS];
	unsigned int nr_segments;
};

/* Both call err(); path is only for the messages of kernel_parse(). */
int kernel_open(struct kernel *k, const char *path);
int kernel_parse(struct kernel *k, const char *path, const void *data, size_t len);
void kernel_close(struct kernel *k);

/* Maps a file to read; an empty one is an error. Calls err(). */
void *file_map(const char *path, const char *what, size_t *len);

/* unpack.c: the ELF file inside a bzImage or a packed file: allocated, or NULL after err(). */
void *unpack(const char *path, const uint8_t *data, size_t len, size_t *out_len);

#endif
