/* SPDX-License-Identifier: MIT */
/*
 * A PV kernel as a 64-bit ELF with Xen's notes.
 *
 * Job:    struct elf_kernel: where the image wants to be and what it can do.
 * Holds:  after elf_parse(): virt_start <= entry < virt_end, every PT_LOAD lies within the file and
 *         within [virt_start, virt_end).
 * Tests:  tests/host/test_elf.c, tests/fuzz/fuzz_elf.c
 */
#ifndef HV_ELF_H
#define HV_ELF_H

#include <hv/types.h>

#define ELF_UNSET (~0UL)		/* of hypercall_page, init_p2m */

struct elf_kernel {
	const u8 *image;		/* stays the caller's; it must not change */
	size_t len;
	u64 phoff;
	unsigned int phentsize, phnum;

	u64 entry;			/* virtual addresses */
	u64 virt_start, virt_end;	/* what the segments cover, bss included */
	u64 virt_base;			/* where guest physical 0 is mapped */
	u64 paddr_offset;		/* va = p_paddr - paddr_offset + virt_base */
	u64 hypercall_page;		/* page to fill, or ELF_UNSET */
	u64 init_p2m;			/* where the p2m goes, or ELF_UNSET: behind the kernel */
	u64 mod_start_pfn;		/* not 0: the initrd need not be mapped */
	bool lacks_feature;		/* it requires one that PV guests do not have here */
	char guest_os[16], loader[16], xen_version[16];
};

/*
 * Check the image and fill *k. NULL, or a line that says what is wrong and what to do. Anything in
 * the image may be hostile.
 */
const char *__must_check elf_parse(const void *image, size_t len, struct elf_kernel *k);

/* Hand each segment to put(): filesz bytes at src belong at va, then zeroes up to memsz bytes. */
typedef void (*elf_put_t)(void *ctx, u64 va, const void *src, u64 filesz, u64 memsz);
void elf_load(const struct elf_kernel *k, elf_put_t put, void *ctx);

#endif
