/* SPDX-License-Identifier: MIT */
/*
 * shutdown: a dom0 that asks for a reboot gets it.
 *
 * Claim:  SCHEDOP_shutdown with SHUTDOWN_reboot resets the machine, within seconds; bad arguments do not.
 * Broken: QEMU does not end, and the runner says so.
 * Run:    ends timeout=30
 */
#include "guest.h"

void test_main(void)
{
	struct sched_shutdown sh = { SHUTDOWN_reboot };

	CHECK_EQ(hc_sched_op(SCHEDOP_shutdown, (void *)0x1000), -XEN_EFAULT);
	printk("TEST %s PASS\n", test_name);
	hc_sched_op(SCHEDOP_shutdown, &sh);
	for (;;)
		hc_sched_op(SCHEDOP_block, NULL);
}
