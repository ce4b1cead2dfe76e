/* SPDX-License-Identifier: MIT */
/*
 * lib/core.h: a domain's memory and registers as a file.
 *
 * Tests: tests/tools-tests (on a machine)
 */
#ifndef LIB_CORE_H
#define LIB_CORE_H

#include <stdint.h>

/* The caller pauses the domain when it wants a picture of one moment. Calls err(). */
int core_dump(uint32_t domid, const char *path);

#endif
