/* SPDX-License-Identifier: MIT */
/*
 * net/tap.h: a vif's end in dom0: a tap device, and the bridge that it is on.
 *
 * Tests: tests/tools-tests (on a machine)
 */
#ifndef NET_TAP_H
#define NET_TAP_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Opens the queues of the device's tap, or takes those that parapetd has opened; puts it on `bridge` (NULL: none) and
 * brings it up. The device and, when parapetd has it, what waits in it, outlive us. Needs root. fds: VIF_QUEUES of them.
 * NULL, or what went wrong, with errno: a text that lasts.
 */
const char *tap_open(uint32_t domid, uint32_t id, const char *bridge, unsigned int mtu, int fds[]);
/* What the other side of the queue takes: checksums left open, TCP packets larger than the MTU. */
int tap_offloads(int fd, bool csum, bool tso4, bool tso6);
/* The device is to use the first n of its queues. */
void tap_use(const int fds[], unsigned int n);
void tap_drain(int fd);			/* forgets what waits in it */

#endif
