/* SPDX-License-Identifier: MIT */
/*
 * cli/counters.h: what our backends have moved, device by device.
 *
 * Tests: tests/tools-tests/dom0/{block,net}
 */
#ifndef CLI_COUNTERS_H
#define CLI_COUNTERS_H

#include "cmd.h"

/* What stands at the beginning of a disk's log file; backends/blk/vbd.h. */
struct disk_counters {
	uint64_t magic, reads, writes, flushes, discards, errors, read_bytes, write_bytes, heard, notified;
};

/* Since the device was made. In: read or received by the guest. failed: errors of a disk, packets that were dropped. */
struct device_count {
	uint32_t domid, id;
	bool disk;
	uint64_t in, in_bytes, out, out_bytes, failed;
};

/* All devices of our backends, by domain, disks first; NULL: none. To be freed. */
struct device_count *counters_take(unsigned int *n);

#endif
