/* SPDX-License-Identifier: MIT */
/*
 * lib/build.h: the PV domain builder.
 *
 * Tests: tests/tools-tests (on a machine)
 */
#ifndef LIB_BUILD_H
#define LIB_BUILD_H

#include <stdint.h>
#include "config.h"
#include "kernel.h"

struct build {
	uint32_t domid;			/* created, its vCPUs too; in */
	const struct domain_config *cfg;	/* in */
	struct kernel kernel;		/* opened; in */
	const void *ramdisk;		/* or NULL; in */
	size_t ramdisk_len;
	uint32_t store_port, console_port;	/* in */
	uint64_t store_mfn, console_mfn;	/* out: their rings */
};

/* Fills the domain's memory and vCPU 0. Calls err(); the caller destroys the domain on failure. */
int build_domain(struct build *b);

#endif
