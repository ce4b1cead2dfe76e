/* SPDX-License-Identifier: MIT */
/*
 * Kernel images: a bzImage's payload, unpacked; a plain ELF as it is.
 *
 * Job:    find and unpack the vmlinux inside what the loader gave.
 * Tests:  tests/host/test_unpack.c, tests/fuzz (ELF and bzImage)
 */
#ifndef HV_UNPACK_H
#define HV_UNPACK_H

#include <hv/types.h>

/*
 * Bytes that unpack_kernel() needs for its output; 0 with *why (one line for the console) when the
 * image is no kernel that we can unpack.
 */
size_t unpacked_size(const void *image, size_t len, const char **why);

/*
 * Unpack into out[0..out_max). 0 and *out_len, or with *why: -ENOEXEC not a kernel image, -EINVAL
 * broken image, -ENOMEM no working memory, -E2BIG out_max too small. The image may be hostile.
 */
int __must_check unpack_kernel(const void *image, size_t len, void *out, size_t out_max,
			       size_t *out_len, const char **why);

/*
 * Call fn(arg), which may use the decompression libraries: on a stack of its own, with the FPU on
 * and malloc() served from arena_size bytes that are taken for the time of the call. Returns what
 * fn returns, or -ENOMEM. (boot/declibs.c; a host test simply calls fn.)
 */
int declib_run(int (*fn)(void *arg), void *arg, size_t arena_size);

#endif
