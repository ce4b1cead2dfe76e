/* SPDX-License-Identifier: MIT */
/*
 * The interrupt vectors of the machine.
 *
 * Job:    one list. 0x00-0x1f are exceptions; 0x20-0x2f are where the masked 8259s would report;
 *         0x30-0xef are for devices (0x80 is left to guests' INT 0x80); 0xf0 up are ours.
 * Tests:  all
 */
#ifndef X86_VECTORS_H
#define X86_VECTORS_H

#define VEC_LEGACY_FIRST	0x20
#define VEC_DEVICE_FIRST	0x30
#define VEC_DEVICE_LAST		0xef
#define VEC_INT80		0x80
#define VEC_TIMER		0xf8
#define VEC_RESCHED		0xf9	/* only makes the CPU pass its exit work */
#define VEC_CALL		0xfa	/* flush and call requests: arch_poll() */
#define VEC_APIC_ERROR		0xfe
#define VEC_SPURIOUS		0xff

#endif
