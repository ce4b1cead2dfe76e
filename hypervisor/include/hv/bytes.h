/* SPDX-License-Identifier: MIT */
/*
 * Job:    what others left in memory (firmware's tables, loaders' information, images): numbers at
 *         any alignment, and how machine memory is reached before it is ours.
 * Tests:  tests/host/test_acpi.c, test_multiboot.c, test_unpack.c
 */
#ifndef HV_BYTES_H
#define HV_BYTES_H

#include <hv/types.h>

/* A pointer to len readable bytes of machine memory at maddr, or NULL. It stays valid. */
typedef const void *(*map_maddr_t)(u64 maddr, u64 len);

#define get_at(type, p) (((const struct { type v; } __packed *)(p))->v)
#define get16(p) get_at(u16, p)
#define get32(p) get_at(u32, p)
#define get64(p) get_at(u64, p)

#endif
