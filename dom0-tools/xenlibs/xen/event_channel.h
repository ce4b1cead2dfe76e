/* SPDX-License-Identifier: MIT */
/*
 * What Debian's libxen* headers include as <xen/event_channel.h>: our own header, so that a file sees each structure once.
 */
#include "../../../pv-abi/event_channel.h"
