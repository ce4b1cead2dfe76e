/* SPDX-License-Identifier: MIT */
/*
 * Counting bits.
 *
 * Job:    what GCC calls for __builtin_popcount on CPUs that may lack POPCNT; libgcc is not linked.
 * Enter:  compiled code
 * State:  none
 * Locks:  none
 * Tests:  tests/host (cpumask users)
 */
#include <hv/types.h>

int __popcountdi2(long x);

/* Add neighbouring fields of 1, 2 and 4 bits; the multiplication sums the eight bytes. */
int __popcountdi2(long x)
{
	u64 v = (u64)x;

	v -= (v >> 1) & 0x5555555555555555UL;
	v = (v & 0x3333333333333333UL) + ((v >> 2) & 0x3333333333333333UL);
	v = (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0fUL;
	return (int)((v * 0x0101010101010101UL) >> 56);
}
