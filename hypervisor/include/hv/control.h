/* SPDX-License-Identifier: MIT */
/*
 * What the files of control/ offer each other and boot/start.c.
 *
 * Job:    declare it.
 * Tests:  tests/guests, tests/linux
 */
#ifndef HV_CONTROL_H
#define HV_CONTROL_H

#include <domctl.h>
#include <hv/domain.h>
#include <hv/multiboot.h>

/* domctl.c, for sysctl.c too */
void describe_domain(const struct domain *d, struct xen_domctl_getdomaininfo *i);

/*
 * Create domain 0 from the loader's modules and the options, with its memory, page tables and
 * first vcpu; it stays paused. NULL, or one line that says what is wrong and what to do.
 */
const char *build_dom0(const struct boot_info *bi);

#endif
