/* SPDX-License-Identifier: MIT */
/*
 * Job:    CPU policies and feature sets for toolstacks: the CPUID leaves of the machine and of
 *         guests as lists; hide features from a domain.
 * Enter:  control/sysctl.c, control/domctl.c.
 * State:  d->cpuid_hidden, which pv/cpuid.c applies.
 * Locks:  none: a domain's mask is set before it runs.
 * Holds:  CP1  a toolstack can hide features, never show what guest_cpuid() does not.
 * Tests:  tests/host/test_domctl.c
 */
#include <hv/control.h>
#include <hv/pv.h>

#define MAX_LEAVES 120
#define WORD_1C 1		/* of cpuid_words */
#define DYNAMIC_1C ((u32)(BIT(27) | BIT(31)))	/* OSXSAVE, hypervisor: policies lack them */

static void one_leaf(const struct vcpu *v, u32 leaf, u32 sub, struct cpuid_leaf *out)
{
	if (!v) {
		*out = arch_cpuid(leaf, sub);
		return;
	}
	guest_cpuid(v, leaf, sub, out);
	if (leaf == 1) {
		out->b &= 0x00ffffff;
		out->c &= ~DYNAMIC_1C;
	}
}

static u32 subleaves(u32 leaf)
{
	return leaf == 4 ? 6 : leaf == 7 || leaf == 0xb ? 2 : leaf == 0xd ? 63 : 1;
}

/*
 * v: whose policy; NULL: the machine's. *nr: room, then how many there are. The list has each leaf
 * that an x86 policy can have, empty or not, and then the last one again up to a round number:
 * libxenguest writes its own list into as much room as it got leaves from here.
 */
static long list_leaves(const struct vcpu *v, u64 buffer, u32 *nr)
{
	u32 leaf = 0, sub = 0, n;
	struct xen_cpuid_leaf x;
	struct cpuid_leaf l;

	if (buffer && *nr < MAX_LEAVES)
		return -ENOBUFS;
	for (n = 0; buffer && n < MAX_LEAVES; n++) {
		one_leaf(v, leaf, sub, &l);
		x = (struct xen_cpuid_leaf){ leaf, subleaves(leaf) > 1 ? sub : XEN_CPUID_NO_SUBLEAF,
					     l.a, l.b, l.c, l.d };
		if (copy_to_guest(_gva(buffer + n * sizeof(x)), &x, sizeof(x)))
			return -EFAULT;
		if (++sub < subleaves(leaf))
			continue;
		sub = 0;
		if (leaf != 0x80000021)
			leaf = leaf == 0xd ? 0x80000000 : leaf + 1;
	}
	*nr = MAX_LEAVES;
	return 0;
}

long system_cpu_policy(struct xen_sysctl_cpu_policy *p)
{
	bool machine = p->index == XEN_SYSCTL_cpu_policy_raw || p->index == XEN_SYSCTL_cpu_policy_host;

	if (!machine && p->index != XEN_SYSCTL_cpu_policy_pv_max &&
	    p->index != XEN_SYSCTL_cpu_policy_pv_default)
		return p->index <= XEN_SYSCTL_cpu_policy_hvm_default ? -EOPNOTSUPP : -EINVAL;
	p->nr_msrs = 0;
	return list_leaves(machine ? NULL : hardware_domain->vcpu[0], p->leaves, &p->nr_leaves);
}

long get_cpu_policy(struct domain *d, struct xen_domctl_cpu_policy *p)
{
	p->nr_msrs = 0;
	return d->vcpu[0] ? list_leaves(d->vcpu[0], p->leaves, &p->nr_leaves) : -EINVAL;
}

/* What a leaf lacks is hidden from now on; other differences (topology, sizes) have no effect. */
static void hide(struct domain *d, const struct xen_cpuid_leaf *x)
{
	u32 i, sub = x->subleaf == XEN_CPUID_NO_SUBLEAF ? 0 : x->subleaf;

	for (i = 0; i < CPUID_WORDS; i++)
		if (cpuid_words[i].leaf == x->leaf && cpuid_words[i].sub == sub)
			d->cpuid_hidden[i] = ~((&x->a)[cpuid_words[i].reg] |
					       (i == WORD_1C ? DYNAMIC_1C : 0));
}

long set_cpu_policy(struct domain *d, struct xen_domctl_cpu_policy *p)
{
	struct xen_cpuid_leaf x;

	p->err_leaf = p->err_subleaf = p->err_msr = ~0U;
	if (d->state != DOM_building)
		return refuse(-EEXIST, "d%u runs already: its CPU policy stays", d->id);
	if (p->nr_leaves > 512 || p->nr_msrs > 64)
		return -E2BIG;
	for (u32 i = 0; i < p->nr_leaves; i++) {
		if (copy_from_guest(&x, _gva(p->leaves + i * sizeof(x)), sizeof(x)))
			return -EFAULT;
		hide(d, &x);
	}
	return 0;
}

long cpu_featureset(struct xen_sysctl_cpu_featureset *f)
{
	bool machine = f->index <= XEN_SYSCTL_cpu_featureset_host;
	struct cpuid_leaf l;
	u32 i, n = 0, word;

	if (!machine && f->index != XEN_SYSCTL_cpu_featureset_pv &&
	    f->index != XEN_SYSCTL_cpu_featureset_pv_max)
		return f->index <= XEN_SYSCTL_cpu_featureset_hvm_max ? -EOPNOTSUPP : -EINVAL;
	for (i = 0; f->features && i < CPUID_WORDS && i < f->nr_features; i++, n++) {
		one_leaf(machine ? NULL : hardware_domain->vcpu[0], cpuid_words[i].leaf,
			 cpuid_words[i].sub, &l);
		word = (&l.a)[cpuid_words[i].reg];
		if (copy_to_guest(_gva(f->features + i * 4), &word, sizeof(word)))
			return -EFAULT;
	}
	if (f->features && f->nr_features < CPUID_WORDS)
		return -ENOBUFS;
	f->nr_features = CPUID_WORDS;
	return 0;
}
