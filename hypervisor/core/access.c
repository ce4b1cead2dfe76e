/* SPDX-License-Identifier: MIT */
/*
 * Job:    what a domain may use: ranges of frames, physical interrupts (pirqs), other domains.
 * Enter:  boot/start.c (permissions), pv/pagetable.c (the question), pv/physdev.c, core/evtchn.c.
 * Locks:  ranges: d->lock to change, none to ask (boot, paused domain); pirqs: d->evtchn_lock.
 * Holds:  AC1  ranges are sorted, do not overlap and do not touch.
 *         AC2  a struct pirq with a port is bound to its irq.
 * Tests:  tests/host/test_domain.c, tests/host/test_evtchn.c
 */
#include <hv/debug.h>
#include <hv/irq.h>
#include <hv/page_alloc.h>
#include <hv/string.h>

long op_domain(domid_t id, struct domain **out)
{
	struct domain *d = current_vcpu()->domain;

	*out = domain_get(id == DOMID_SELF ? d->id : id);
	if (!*out)
		return refuse(-ESRCH, "no domain %u", id);
	if (*out == d || d->is_privileged)
		return 0;
	domain_put(*out);
	return refuse(-EPERM, "d%u may not name d%u", d->id, id);
}

bool iorange_allows(const struct ioranges *r, u64 first, u64 last)
{
	for (u32 i = 0; i < r->count; i++)
		if (first >= r->r[i].first && last <= r->r[i].last)
			return first <= last;
	return false;
}

/* The nr ranges from at on make room for nr_new others. -ENOMEM: too many, nothing has changed. */
static int replace_ranges(struct ioranges *r, u32 at, u32 nr, const struct iorange *new, u32 nr_new)
{
	if (r->count - nr + nr_new > MAX_IORANGES)
		return -ENOMEM;
	memmove(&r->r[at + nr_new], &r->r[at + nr], (r->count - at - nr) * sizeof(*new));
	memcpy(&r->r[at], new, nr_new * sizeof(*new));
	r->count += nr_new - nr;
	return 0;
}

/* -EINVAL, -ENOMEM */
int iorange_permit(struct ioranges *r, u64 first, u64 last)
{
	struct iorange new = { first, last };
	u32 i = 0, n;

	if (first > last)
		return -EINVAL;
	while (i < r->count && r->r[i].last < first && r->r[i].last + 1 != first)
		i++;
	/* what it overlaps or touches becomes part of it */
	for (n = i; n < r->count; n++) {
		if (r->r[n].first > new.last && r->r[n].first != new.last + 1)
			break;
		new.first = min(new.first, r->r[n].first);
		new.last = max(new.last, r->r[n].last);
	}
	return replace_ranges(r, i, n - i, &new, 1);
}

int iorange_deny(struct ioranges *r, u64 first, u64 last)
{
	struct iorange rest[2];
	u32 i = 0, n, nr_rest = 0;

	if (first > last)
		return -EINVAL;
	while (i < r->count && r->r[i].last < first)
		i++;
	for (n = i; n < r->count && r->r[n].first <= last; n++) {
		if (r->r[n].first < first)
			rest[nr_rest++] = (struct iorange){ r->r[n].first, first - 1 };
		if (r->r[n].last > last)
			rest[nr_rest++] = (struct iorange){ last + 1, r->r[n].last };
	}
	return replace_ranges(r, i, n - i, rest, nr_rest);
}

static bool pirqs_free(const struct domain *d, u32 first, u32 nr)
{
	for (u32 i = 0; i < nr; i++)
		if (first + i >= NR_PIRQS || d->pirq[first + i])
			return false;
	return true;
}

static int claim_pirqs(struct domain *d, int pirq, int irq, unsigned int nr)
{
	struct pirq *new[32];

	if (!nr || nr > ARRAY_SIZE(new) || pirq >= NR_PIRQS || d->state >= DOM_dying)
		return -EINVAL;
	if (pirq < 0) {		/* numbers below nr_gsis are kept for GSIs */
		pirq = max((int)nr_gsis, 16);
		if (irq >= 0 && irq < (int)nr_gsis && pirqs_free(d, (u32)irq, nr))
			pirq = irq;
		while (pirq < NR_PIRQS && !pirqs_free(d, (u32)pirq, nr))
			pirq++;
		if (pirq >= NR_PIRQS)
			return -ENOSPC;
	} else if (nr == 1 && d->pirq[pirq]) {
		return d->pirq[pirq]->irq == irq ? -EEXIST : -EBUSY;
	} else if (!pirqs_free(d, (u32)pirq, nr)) {
		return -EBUSY;
	}
	for (unsigned int i = 0; i < nr; i++) {
		new[i] = hv_new(struct pirq);
		if (!new[i]) {
			while (i--)
				hv_free(new[i]);
			return -ENOMEM;
		}
		*new[i] = (struct pirq){ .pirq = (u32)pirq + i, .irq = irq < 0 ? -1 : irq + (int)i,
					 .group = (u32)pirq, .group_nr = nr, .domain = d };
	}
	memcpy(&d->pirq[pirq], new, nr * sizeof(*new));
	d->nr_pirqs += nr;
	return pirq;
}

int pirq_map(struct domain *d, int pirq, int irq, unsigned int nr)
{
	int rc;

	spin_lock(&d->evtchn_lock);
	rc = claim_pirqs(d, pirq, irq, nr);
	spin_unlock(&d->evtchn_lock);
	return rc;
}

/* Is another pirq of p's allocation mapped? (Its number may have been given away since.) */
static bool group_in_use(const struct domain *d, const struct pirq *p)
{
	for (u32 i = p->group; i < p->group + p->group_nr; i++)
		if (d->pirq[i] && d->pirq[i]->irq - (int)i == p->irq - (int)p->pirq)
			return true;
	return false;
}

int pirq_unmap(struct domain *d, u32 n)
{
	bool free_msi = false;
	struct pirq *p;
	int rc;

	spin_lock(&d->evtchn_lock);
	p = n < NR_PIRQS ? d->pirq[n] : NULL;
	rc = !p ? -EINVAL : p->port ? -EBUSY : 0;
	if (!rc) {
		d->pirq[n] = NULL;
		d->nr_pirqs--;
		free_msi = p->irq >= (int)nr_gsis && !group_in_use(d, p);
	}
	spin_unlock(&d->evtchn_lock);
	if (free_msi)
		irq_free_msi(p->irq);
	if (!rc)
		hv_free(p);
	return rc;
}

/* After all ports are closed. */
void pirqs_destroy(struct domain *d)
{
	for (u32 i = 0; d->nr_pirqs && i < NR_PIRQS; i++)
		if (d->pirq[i] && pirq_unmap(d, i))
			printk("d%u: pirq %u is still bound\n", d->id, i);
}

void pirq_show_eoi(struct domain *d, const struct pirq *p)
{
	u64 *bits = mfn_eq(d->pirq_eoi_mfn, INVALID_MFN) ? NULL : mfn_to_virt(d->pirq_eoi_mfn);

	if (bits && p->level)
		set_bit(p->pirq, bits);
	else if (bits)
		clear_bit(p->pirq, bits);
}
