/* SPDX-License-Identifier: MIT */
/*
 * hypervisor/core/timer.c, and what the host tests need of its inside.
 *
 * Job:    takes its place in tests/host and tests/fuzz (their rules.mk)
 * Tests:  all of tests/host
 */
#include "../../../hypervisor/core/timer.c"

u64 timer_next_deadline(unsigned int cpu);

u64 timer_next_deadline(unsigned int cpu)
{
	return queues[cpu].first ? queues[cpu].first->deadline : 0;
}
