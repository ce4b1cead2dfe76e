/* SPDX-License-Identifier: MIT */
/*
 * pv-abi/xenpmu.h: xenpmu_op(cmd, struct *).
 *
 * Job:   names only: Parapet has no virtual performance counters and answers EOPNOTSUPP, as Xen
 *        does by default.
 * Enter: C only.
 * Tests: tests/abi
 */
#ifndef PV_ABI_XENPMU_H
#define PV_ABI_XENPMU_H

#include "xen.h"

#define XENPMU_VER_MAJ		0
#define XENPMU_VER_MIN		1

#define XENPMU_mode_get		0
#define XENPMU_mode_set		1
#define XENPMU_feature_get	2
#define XENPMU_feature_set	3
#define XENPMU_init		4
#define XENPMU_finish		5
#define XENPMU_lvtpc_set	6
#define XENPMU_flush		7

#define XENPMU_MODE_OFF		0
#define XENPMU_MODE_SELF	(1 << 0)
#define XENPMU_MODE_HV		(1 << 1)
#define XENPMU_MODE_ALL		(1 << 2)

struct xen_pmu_params {
	struct {
		uint32_t maj;		/* IN/OUT */
		uint32_t min;
	} version;
	uint64_t val;			/* IN or OUT */
	uint32_t vcpu;			/* IN */
	uint32_t pad;
};

#endif
