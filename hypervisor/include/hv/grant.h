/* SPDX-License-Identifier: MIT */
/*
 * Job:    the life of d->grant; grant_table_op is in core/grant.c.
 * Tests:  tests/host/test_hypercall.c
 */
#ifndef HV_GRANT_H
#define HV_GRANT_H

#include <hv/domain.h>

#define GRANT_FRAMES_DEFAULT 64		/* of 512 entries each */

int grant_init(struct domain *d);	/* -ENOMEM */
void grant_destroy(struct domain *d);	/* its frames live on while somebody maps them */

#endif
