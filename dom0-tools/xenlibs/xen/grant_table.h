/* SPDX-License-Identifier: MIT */
/*
 * What Debian's libxen* headers include as <xen/grant_table.h>: our own header, so that a file sees each structure once.
 */
#include "../../../pv-abi/grant_table.h"
