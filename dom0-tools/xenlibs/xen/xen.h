/* SPDX-License-Identifier: MIT */
/*
 * What Debian's libxen* headers include as <xen/xen.h>: our own header, so that a file sees each structure once.
 */
#include "../../../pv-abi/xen.h"
