/* SPDX-License-Identifier: MIT */
/*
 * Job:    PV kernels, which may be hostile: a bzImage's payload, unpacked, and 64-bit ELF with
 *         Xen's notes; where the kernel wants to be.
 * Holds:  after elf_parse(): virt_start <= entry < virt_end, every PT_LOAD lies within the file and
 *         within [virt_start, virt_end).
 * Tests:  tests/host/test_elf.c, tests/host/test_unpack.c, tests/fuzz/fuzz_elf.c
 */
#ifndef HV_IMAGE_H
#define HV_IMAGE_H

#include <hv/types.h>

struct payload {
	const u8 *data;
	size_t len;			/* packed; without the size that Linux appends */
	size_t unpacked;		/* upper bound; after unpack_kernel() the exact size */
	int (*unpack)(void *payload);	/* NULL: it is not packed */
	u8 *out;
	u64 memory;			/* xz: what its decoder may take */
};

/* These return a reason: NULL, or one line for the console: what is wrong and what to do. */
const char *__must_check find_kernel(const void *image, size_t len, struct payload *p);
const char *__must_check unpack_kernel(struct payload *p, void *out);	/* room for p->unpacked bytes */

/*
 * boot/declibs.c: call fn(arg), which may use the decompression libraries, on a stack of its own,
 * with the FPU on and malloc() served from arena_size bytes. What fn returns, or -ENOMEM.
 */
int declib_run(int (*fn)(void *arg), void *arg, size_t arena_size);

#define ELF_UNSET (~0UL)		/* of hypercall_page, init_p2m */

struct elf_kernel {
	const u8 *image;		/* stays the caller's; it must not change */
	size_t len;
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

/* Check the image and fill *k; a reason. */
const char *__must_check elf_parse(const void *image, size_t len, struct elf_kernel *k);

/* Hand each segment to put(): filesz bytes at src belong at va, then zeroes up to memsz bytes. */
typedef void (*elf_put_t)(void *ctx, u64 va, const void *src, u64 filesz, u64 memsz);
void elf_load(const struct elf_kernel *k, elf_put_t put, void *ctx);

#endif
