/* SPDX-License-Identifier: MIT */
/*
 * Kernel images: a bzImage's payload, unpacked; a plain ELF as it is.
 *
 * Job:    find and unpack the vmlinux inside what the loader gave. The image may be hostile.
 * Tests:  tests/host/test_unpack.c, tests/fuzz/fuzz_elf.c
 */
#ifndef HV_UNPACK_H
#define HV_UNPACK_H

#include <hv/types.h>

struct payload {
	const u8 *data;
	size_t len;			/* packed; without the size that Linux appends */
	size_t unpacked;		/* upper bound; after unpack_kernel() the exact size */
	int (*unpack)(void *payload);	/* NULL: it is not packed */
	u8 *out;
	u64 memory;			/* xz: what its decoder may take */
};

/* Both: NULL, or one line for the console that says what is wrong. */
const char *__must_check find_kernel(const void *image, size_t len, struct payload *p);
const char *__must_check unpack_kernel(struct payload *p, void *out);	/* room for p->unpacked bytes */

/*
 * Call fn(arg), which may use the decompression libraries: on a stack of its own, with the FPU on
 * and malloc() served from arena_size bytes that are taken for the time of the call. Returns what
 * fn returns, or -ENOMEM. (boot/declibs.c; a host test simply calls fn.)
 */
int declib_run(int (*fn)(void *arg), void *arg, size_t arena_size);

#endif
