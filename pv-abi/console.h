/* SPDX-License-Identifier: MIT */
/*
 * pv-abi/console.h: the console ring page of a domU (start_info.console.domU).
 *
 * Job:   two byte rings between a guest and the console daemon.
 * Enter: C only.
 * Holds: R1 prod - cons <= size of the ring, as unsigned numbers that wrap; else the other side is
 *        broken. Indexes are free running; MASK_XENCONS_IDX gives the place. Write the data, then a
 *        barrier, then prod.
 * Tests: tests/abi
 */
#ifndef PV_ABI_CONSOLE_H
#define PV_ABI_CONSOLE_H

#include <stdint.h>

typedef uint32_t XENCONS_RING_IDX;

#define MASK_XENCONS_IDX(idx, ring)	((idx) & (sizeof(ring) - 1))

struct xencons_interface {
	char in[1024];			/* to the guest */
	char out[2048];			/* from the guest */
	XENCONS_RING_IDX in_cons, in_prod;
	XENCONS_RING_IDX out_cons, out_prod;
};

#endif
