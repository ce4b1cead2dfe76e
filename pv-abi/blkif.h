/* SPDX-License-Identifier: MIT */
/*
 * pv-abi/blkif.h: what goes through the ring of the split block driver, for 64-bit guests.
 *
 * Job:   requests and responses between a guest's block frontend and its backend.
 * Enter: C only.
 * Holds: R1 requests and responses share the slots: the n-th response lies where the n-th request
 *           lay, which need not be the request it answers.
 *        R2 indices run freely; slot = index modulo the number of slots, a power of two.
 *        R3 sectors are of 512 bytes, whatever the disk's own are.
 * Caveat: operations that Xen's protocol does not have are in parapet.h.
 * Tests: tests/abi
 */
#ifndef PV_ABI_BLKIF_H
#define PV_ABI_BLKIF_H

#include <stdint.h>
#include "grant_table.h"

#define BLKIF_OP_READ			0
#define BLKIF_OP_WRITE			1
#define BLKIF_OP_WRITE_BARRIER		2
#define BLKIF_OP_FLUSH_DISKCACHE	3
#define BLKIF_OP_DISCARD		5
#define BLKIF_OP_INDIRECT		6

#define BLKIF_RSP_OKAY			0
#define BLKIF_RSP_ERROR			(-1)
#define BLKIF_RSP_EOPNOTSUPP		(-2)

#define BLKIF_DISCARD_SECURE		1
#define BLKIF_MAX_SEGMENTS_PER_REQUEST	11
#define BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST 8

#define VDISK_CDROM			1
#define VDISK_REMOVABLE			2
#define VDISK_READONLY			4

typedef uint16_t blkif_vdev_t;
typedef uint64_t blkif_sector_t;

struct blkif_request_segment {
	grant_ref_t gref;
	uint8_t first_sect, last_sect;	/* of the page, both included */
};

struct blkif_request {
	uint8_t operation;
	uint8_t nr_segments;
	blkif_vdev_t handle;
	uint64_t id;			/* comes back in the response */
	blkif_sector_t sector_number;
	struct blkif_request_segment seg[BLKIF_MAX_SEGMENTS_PER_REQUEST];
};

struct blkif_request_discard {
	uint8_t operation;
	uint8_t flag;
	blkif_vdev_t handle;
	uint64_t id;
	blkif_sector_t sector_number;
	uint64_t nr_sectors;
};

struct blkif_request_indirect {
	uint8_t operation;
	uint8_t indirect_op;
	uint16_t nr_segments;
	uint64_t id;
	blkif_sector_t sector_number;
	blkif_vdev_t handle;
	grant_ref_t indirect_grefs[BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST];
};

struct blkif_response {
	uint64_t id;
	uint8_t operation;
	int16_t status;
};

#endif
