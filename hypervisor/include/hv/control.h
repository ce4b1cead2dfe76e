/* SPDX-License-Identifier: MIT */
/*
 * What the toolstack's hypercalls share.
 *
 * Job:    declarations of control/domctl*.c, sysctl.c and cpu_policy.c for each other.
 * Tests:  tests/host/test_domctl.c, test_sysctl.c
 */
#ifndef HV_CONTROL_H
#define HV_CONTROL_H

#include <domctl.h>
#include <sysctl.h>
#include <hv/domain.h>

void describe_domain(const struct domain *d, struct xen_domctl_getdomaininfo *i);
/* The operations of domctl_vcpu.c; -ENOSYS for those that nobody has. */
long domctl_vcpu(struct domain *d, struct xen_domctl *op);
/* The low 64 bits of a toolstack's bitmap, 0 beyond; -EFAULT. */
long write_bitmap(const struct xenctl_bitmap *b, u64 bits);
/* cpu_policy.c: -ENOBUFS -EFAULT -EINVAL -EOPNOTSUPP (HVM) */
long system_cpu_policy(struct xen_sysctl_cpu_policy *p);
long cpu_featureset(struct xen_sysctl_cpu_featureset *f);
long get_cpu_policy(struct domain *d, struct xen_domctl_cpu_policy *p);
long set_cpu_policy(struct domain *d, struct xen_domctl_cpu_policy *p);	/* -EEXIST: it runs */

#endif
