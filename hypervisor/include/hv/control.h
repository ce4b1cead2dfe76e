/* SPDX-License-Identifier: MIT */
/*
 * Job:    what the files of control/ offer each other and boot/start.c.
 * Tests:  tests/guests/domains.c, tests/linux
 */
#ifndef HV_CONTROL_H
#define HV_CONTROL_H

#include <domctl.h>
#include <sysctl.h>
#include <hv/domain.h>
#include <hv/multiboot.h>

void describe_domain(const struct domain *d, struct xen_domctl_getdomaininfo *i);
/* The low 64 bits of a toolstack's bitmap, 0 beyond; -EFAULT. */
long write_bitmap(const struct xenctl_bitmap *b, u64 bits);
/* cpu_policy.c: -ENOBUFS -EFAULT -EINVAL -EOPNOTSUPP (HVM) */
long system_cpu_policy(struct xen_sysctl_cpu_policy *p);
long cpu_featureset(struct xen_sysctl_cpu_featureset *f);
long get_cpu_policy(struct domain *d, struct xen_domctl_cpu_policy *p);
long set_cpu_policy(struct domain *d, struct xen_domctl_cpu_policy *p);	/* -EEXIST: it runs */

/*
 * Create domain 0 from the loader's modules and the options, with its memory, page tables and
 * first vcpu; it stays paused. NULL, or one line that says what is wrong and what to do.
 */
const char *build_dom0(const struct boot_info *bi);

#endif
