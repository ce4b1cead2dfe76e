/* SPDX-License-Identifier: MIT */
/*
 * The interrupt vectors of the machine.
 *
 * Job:    one list. 0x00-0x1f: exceptions; 0x20-0x2f: where the masked 8259s would report.
 * Tests:  all
 */
#ifndef X86_VECTORS_H
#define X86_VECTORS_H

#define VEC_LEGACY_FIRST	0x20
#define VEC_DEVICE_FIRST	0x30	/* but for VEC_INT80, which is the guests' */
#define VEC_DEVICE_LAST		0xef
#define VEC_INT80		0x80
#define VEC_TIMER		0xf8
#define VEC_RESCHED		0xf9	/* only makes the CPU pass its exit work */
#define VEC_CALL		0xfa	/* flush and call requests: arch_poll() */
#define VEC_APIC_ERROR		0xfe
#define VEC_SPURIOUS		0xff

#endif
