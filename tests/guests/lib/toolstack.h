/* SPDX-License-Identifier: MIT */
/*
 * What tests need that make a domain: domctl on it, and its pages mapped here.
 *
 * Users:  domains.c, ring1_foreign.c; each has these variables of its own.
 * State:  op, the last command; dom, the domain it is for.
 * Tests:  are made of it.
 */
#ifndef TOOLSTACK_H
#define TOOLSTACK_H

#include "guest.h"
#include "domctl.h"

static struct xen_domctl op;
static domid_t dom;

/* CMD on dom, with what op.u holds. */
static inline long domctl(u32 cmd)
{
	op.cmd = cmd;
	op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	op.domain = dom;
	return HC_1(__HYPERVISOR_domctl, &op);
}

/* XEN_DOMCTL_NAME with these members of op.u.NAME, all others 0. */
#define DOMCTL(name, ...) ({						\
	memset(&op, 0, sizeof(op));					\
	op.u.name = (typeof(op.u.name)){ __VA_ARGS__ };			\
	domctl(XEN_DOMCTL_##name); })

/* A command without arguments. */
static inline long plain(u32 cmd)
{
	memset(&op, 0, sizeof(op));
	return domctl(cmd);
}

/* The domain's page mfn at va, which has an L1 table; flags 0 and mfn 0 unmap. */
static inline long map_foreign(u64 va, u64 mfn, u64 flags)
{
	struct mmu_update u = { entry_maddr(va, 1), mfn << 12 | flags };

	return hc_mmu_update(&u, 1, NULL, flags ? dom : DOMID_SELF);
}

#endif
