/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer over kernel images: bzImage headers, payloads, ELF.
 *
 * Job:    input: a kernel image. Checked: no access outside of it or of the output; what
 *         elf_parse() accepts elf_load() places inside the announced range.
 * Enter:  tests/fuzz/run elf; by hand: clang -g -O1 -fsanitize=fuzzer,address,undefined
 *         -fno-sanitize=alignment -Ihypervisor/include -idirafter pv-abi tests/fuzz/fuzz_elf.c
 *         hypervisor/control/unpack.c, and hypervisor/control/elf.c compiled with -Ipv-abi;
 *         -llzma -lzstd -llz4 -lz
 */
#include <stdlib.h>
#include <hv/image.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int declib_run(int (*fn)(void *arg), void *arg, size_t arena_size)
{
	return arena_size > MiB(64) ? -1 : fn(arg);
}

static void put(void *ctx, u64 va, const void *src, u64 filesz, u64 memsz)
{
	const struct elf_kernel *k = ctx;
	const volatile u8 *p = src;

	if (va < k->virt_start || memsz > k->virt_end - va || filesz > memsz)
		abort();
	if (filesz)
		(void)(p[0] + p[filesz - 1]);
}

static void try_elf(const u8 *image, size_t len)
{
	struct elf_kernel k;

	if (!elf_parse(image, len, &k))
		elf_load(&k, put, &k);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct payload p;

	try_elf(data, size);
	if (!find_kernel(data, size, &p) && p.unpacked <= MiB(1)) {
		u8 *out = malloc(p.unpacked);

		if (!unpack_kernel(&p, out))
			try_elf(out, p.unpacked);
		free(out);
	}
	return 0;
}
