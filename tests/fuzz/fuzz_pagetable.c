/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer over the page-table interface: a guest with two vcpus, a foreign mapper, the hardware.
 *
 * Job:    input: the numbers that tests/host/mmu_random.h draws. Checked after each operation: what
 *         hardware could do with the tables and TLBs; at the end all reference counts, and that
 *         all memory comes back when the domains are gone.
 * Enter:  tests/fuzz/run pagetable
 */
#include "mmu_random.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static const u8 *in;
static size_t left;

static u64 mr_pick(u64 n)
{
	u64 x = 0;

	for (u64 m = n - 1; m && left; m >>= 8, left--)
		x = x << 8 | *in++;
	return x % n;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	setenv("CMOCKA_TEST_ABORT", "1", 1);
	return 0;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	in = data;
	left = size;
	mmu_random_begin();
	while (left)
		mmu_random_step(mr.steps % 32 == 31);
	mmu_random_end();
	return 0;
}
