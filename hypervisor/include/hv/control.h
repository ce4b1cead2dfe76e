/* SPDX-License-Identifier: MIT */
/*
 * What the toolstack's hypercalls share.
 *
 * Job:    declarations of control/domctl.c for control/sysctl.c.
 * Tests:  tests/host
 */
#ifndef HV_CONTROL_H
#define HV_CONTROL_H

#include <domctl.h>
#include <hv/domain.h>

void describe_domain(const struct domain *d, struct xen_domctl_getdomaininfo *i);

#endif
