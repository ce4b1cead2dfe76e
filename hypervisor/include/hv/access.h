/* SPDX-License-Identifier: MIT */
/*
 * Job:    whose affairs a hypercall may touch: the rest of core/access.c is in hv/domain.h and
 *         hv/irq.h.
 */
#ifndef HV_ACCESS_H
#define HV_ACCESS_H

#include <hv/domain.h>

/* The domain an operation names, held: the caller's own or, for the toolstack, any other. */
long op_domain(domid_t id, struct domain **out);	/* -ESRCH, -EPERM */

#endif
