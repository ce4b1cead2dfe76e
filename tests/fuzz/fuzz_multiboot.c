/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer over the loader's information and the ACPI tables.
 *
 * Job:    input: 1 byte of what to parse, then machine memory from address 0. Checked: no access
 *         outside of it; the memory map is sorted, without overlaps, of known types.
 * Enter:  tests/fuzz/run multiboot; by hand: clang -g -O1 -fsanitize=fuzzer,address,undefined
 *         -fno-sanitize=alignment -Ihypervisor/include tests/fuzz/fuzz_multiboot.c
 *         hypervisor/boot/multiboot.c hypervisor/boot/acpi.c
 */
#include <stdlib.h>
#include <hv/acpi.h>
#include <hv/multiboot.h>
#include <hv/string.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static const u8 *mem;
static u64 mem_size;
static struct boot_info bi;
static struct acpi_info ai;

static const void *map(u64 maddr, u64 len)
{
	return maddr <= mem_size && len <= mem_size - maddr ? mem + maddr : NULL;
}

static void check_map(void)
{
	for (unsigned int i = 0; i < bi.nr_mem; i++) {
		const struct mem_range *m = &bi.mem[i];

		if (!m->len || m->type < MEM_RAM || m->type > MEM_UNUSABLE ||
		    (i && m[-1].base + m[-1].len > m->base))
			abort();
	}
	boot_find_memory(&bi, MiB(1), MiB(8), GiB(4));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	if (!size)
		return 0;
	mem = data + 1;
	mem_size = size - 1;
	switch (data[0] % 3) {
	case 0:
		if (!multiboot_parse(MULTIBOOT1_LOADED, 0, map, &bi))
			check_map();
		break;
	case 1:
		if (!multiboot_parse(MULTIBOOT2_LOADED, 0, map, &bi))
			check_map();
		break;
	case 2: {
		/* a root pointer and root table that are right, so that the tables are reached */
		u8 rsdp[20] = "RSD PTR ", sum = 0;

		rsdp[16] = 0x10;
		for (int i = 0; i < 20; i++)
			sum = (u8)(sum + rsdp[i]);
		rsdp[8] = (u8)-sum;
		if (!acpi_parse(rsdp, sizeof(rsdp), map, &ai) &&
		    (ai.nr_cpus > ACPI_MAX_CPUS || ai.nr_mcfg > ACPI_MAX_MCFG))
			abort();
		break;
	}
	}
	return 0;
}
