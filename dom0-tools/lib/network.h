/* SPDX-License-Identifier: MIT */
/*
 * lib/network.h: bridges of dom0, and private networks of guests: bridges that are made and removed with their cards.
 *
 * Tests: tests/tools-tests/unit/test_vif.c, tests/tools-tests/dom0/net
 */
#ifndef LIB_NETWORK_H
#define LIB_NETWORK_H

#include <stdbool.h>

/* The bridge of the network NAME is pnet-NAME; a bridge of the user's must not be named so. */
#define NETWORK_PREFIX "pnet-"
#define NETWORK_NAME_MAX 10U

bool network_named(const char *name);		/* may it be the NAME of one? */
bool network_is_private(const char *bridge);

/* Puts the interface on the network's bridge, which is made if it is not there. NULL, or what went wrong, with errno. */
const char *network_join(const char *bridge, const char *interface);
/* Puts the interface on a bridge that is there, unless it is on one. s: any socket. 0, or -1 with errno. */
int network_add(int s, const char *bridge, const char *interface);
/* Brings a bridge or another interface up, or down. s: any socket. 0, or -1 with errno. */
int network_up(int s, const char *interface, bool on);
/* dom0 itself is to say nothing on this interface: Linux else has it ask for neighbours and routers by IPv6. */
void network_mute(const char *interface);
/* Removes the bridges of private networks that have no cards any more. */
void networks_tidy(void);

#endif
