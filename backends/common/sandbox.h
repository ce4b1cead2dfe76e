/* SPDX-License-Identifier: MIT */
/*
 * common/sandbox.h: gives up what a backend does not need.
 *
 * Tests: tests/tools-tests (on a machine)
 */
#ifndef COMMON_SANDBOX_H
#define COMMON_SANDBOX_H

#include <stdint.h>

#define SANDBOX_UID 64000000U		/* + domid: no two domains' backends are of one user */

/* From here on: a user of its own, no files but the open ones, the system calls of the list beside the
 * common ones (ends with -1; may be NULL). -1 with errno. Not to be undone. */
int sandbox(uint32_t domid, const int *syscalls);

#endif
