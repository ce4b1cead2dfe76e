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

#define TAP_QUEUES 4

/*
 * Opens `queues` queues of the device `name`, which is made if it is not there and stays when we end; puts it on
 * `bridge` (NULL: none) and brings it up. The queues are detached: packets go to none of them until tap_attach().
 * Needs root. NULL, or what went wrong, with errno: a text that lasts.
 */
const char *tap_open(const char *name, unsigned int queues, const char *bridge, unsigned int mtu, int fds[]);
/* What the other side of the queue takes: checksums left open, TCP packets larger than the MTU. */
int tap_offloads(int fd, bool csum, bool tso4, bool tso6);
int tap_attach(int fd, bool on);

#endif
