/* SPDX-License-Identifier: MIT */
/*
 * pv-abi/callback.h: callback_op(cmd, struct *).
 *
 * Job:   tell the hypervisor where to enter the guest kernel for events, faults on return, SYSCALL,
 *        NMI.
 * Enter: C only.
 * Tests: tests/abi
 */
#ifndef PV_ABI_CALLBACK_H
#define PV_ABI_CALLBACK_H

#include "xen.h"

#define CALLBACKOP_register		0
#define CALLBACKOP_unregister		1

#define CALLBACKTYPE_event		0
#define CALLBACKTYPE_failsafe		1	/* returning to the guest faulted */
#define CALLBACKTYPE_syscall		2	/* SYSCALL from 64-bit user mode */
#define CALLBACKTYPE_sysenter_deprecated 3
#define CALLBACKTYPE_nmi		4
#define CALLBACKTYPE_sysenter		5	/* SYSENTER from 32-bit user mode */
#define CALLBACKTYPE_syscall32		7	/* SYSCALL from 32-bit user mode */

#define _CALLBACKF_mask_events		0
#define CALLBACKF_mask_events		(1U << _CALLBACKF_mask_events)

struct callback_register {
	uint16_t type;			/* IN: CALLBACKTYPE_* */
	uint16_t flags;			/* IN: CALLBACKF_* */
	xen_callback_t address;		/* IN */
};

struct callback_unregister {
	uint16_t type;			/* IN: CALLBACKTYPE_* */
	uint16_t _unused;
};

#endif
