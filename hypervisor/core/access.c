/* SPDX-License-Identifier: MIT */
/*
 * What a domain may use: ranges of frames, physical interrupts, other domains.
 *
 * Job:    sorted lists of permitted ranges; the table of a domain's pirqs; op_domain().
 * Enter:  boot/start.c (permissions), pv/pagetable.c (the question), pv/physdev.c, core/evtchn.c.
 * State:  d->iomem, d->iomem_ro; d->pirq[].
 * Locks:  ranges: d->lock to change, none to ask (boot, or a paused domain); pirqs:
 *         d->evtchn_lock.
 * Holds:  AC1  ranges are sorted, do not overlap and do not touch.
 *         AC2  a struct pirq with a port is bound to its irq.
 * Tests:  tests/host/test_domain.c, tests/host/test_evtchn.c
 */
#include <hv/access.h>
#include <hv/debug.h>
#include <hv/errno.h>
#include <hv/irq.h>
#include <hv/page_alloc.h>

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

/* --- ranges --- */

bool iorange_allows(const struct ioranges *r, u64 first, u64 last)
{
	u32 i;

	for (i = 0; i < r->count; i++)
		if (first >= r->r[i].first && last <= r->r[i].last)
			return first <= last;
	return false;
}

static int insert_range(struct ioranges *r, u32 at, u64 first, u64 last)
{
	u32 i;

	if (r->count == MAX_IORANGES)
		return -ENOMEM;
	for (i = r->count; i > at; i--)
		r->r[i] = r->r[i - 1];
	r->r[at] = (struct iorange){ first, last };
	r->count++;
	return 0;
}

static void remove_range(struct ioranges *r, u32 at)
{
	for (r->count--; at < r->count; at++)
		r->r[at] = r->r[at + 1];
}

/* -EINVAL; -ENOMEM: too many ranges (nothing has changed). */
int iorange_permit(struct ioranges *r, u64 first, u64 last)
{
	u32 i = 0;
	int rc;

	if (first > last)
		return -EINVAL;
	while (i < r->count && r->r[i].last < first && r->r[i].last + 1 != first)
		i++;
	if (i == r->count || (last < r->r[i].first && last + 1 != r->r[i].first)) {
		rc = insert_range(r, i, first, last);
		return rc;
	}
	r->r[i].first = min(r->r[i].first, first);
	r->r[i].last = max(r->r[i].last, last);
	while (i + 1 < r->count && (r->r[i + 1].first <= r->r[i].last ||
				    r->r[i + 1].first == r->r[i].last + 1)) {
		r->r[i].last = max(r->r[i].last, r->r[i + 1].last);
		remove_range(r, i + 1);
	}
	return 0;
}

int iorange_deny(struct ioranges *r, u64 first, u64 last)
{
	u32 i;

	if (first > last)
		return -EINVAL;
	for (i = 0; i < r->count; i++) {
		struct iorange *e = &r->r[i];
		u64 end = e->last;

		if (e->last < first || e->first > last)
			continue;
		if (e->first < first && end > last) {	/* a hole in the middle */
			int rc = insert_range(r, i + 1, last + 1, end);

			if (rc)
				return rc;
			e->last = first - 1;
			return 0;
		}
		if (e->first < first)
			e->last = first - 1;
		else if (end > last)
			e->first = last + 1;
		else
			remove_range(r, i--);
	}
	return 0;
}

/* --- pirqs --- */

static bool pirqs_free(const struct domain *d, u32 first, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++)
		if (first + i >= NR_PIRQS || d->pirq[first + i])
			return false;
	return true;
}

/* Numbers below nr_gsis are kept for GSIs; -ENOSPC. */
static int find_pirqs(const struct domain *d, u32 nr)
{
	u32 p;

	for (p = max(nr_gsis, 16U); p + nr <= NR_PIRQS; p++)
		if (pirqs_free(d, p, nr))
			return (int)p;
	return -ENOSPC;
}

static int claim_pirqs(struct domain *d, int pirq, int irq, unsigned int nr, struct pirq **new)
{
	unsigned int i;

	if (pirq < 0) {
		pirq = irq >= 0 && irq < (int)nr_gsis && pirqs_free(d, (u32)irq, 1) ?
			irq : find_pirqs(d, nr);
		if (pirq < 0)
			return pirq;
	} else if (nr == 1 && d->pirq[pirq]) {
		return d->pirq[pirq]->irq == irq ? -EEXIST : -EBUSY;
	} else if (!pirqs_free(d, (u32)pirq, nr)) {
		return -EBUSY;
	}
	for (i = 0; i < nr; i++) {
		new[i]->pirq = (u32)pirq + i;
		new[i]->irq = irq < 0 ? -1 : irq + (int)i;
		new[i]->domain = d;
		new[i]->group = (u32)pirq;
		new[i]->group_nr = nr;
		d->pirq[pirq + i] = new[i];
		new[i] = NULL;
	}
	d->nr_pirqs += nr;
	return pirq;
}

int pirq_map(struct domain *d, int pirq, int irq, unsigned int nr)
{
	struct pirq *new[32] = { NULL };
	unsigned int i;
	int rc = -ENOMEM;

	if (!nr || nr > ARRAY_SIZE(new) || pirq >= NR_PIRQS)
		return -EINVAL;
	for (i = 0; i < nr; i++) {
		new[i] = hv_new(struct pirq);
		if (!new[i])
			goto out;
	}
	spin_lock(&d->evtchn_lock);
	rc = d->state >= DOM_dying ? -EINVAL : claim_pirqs(d, pirq, irq, nr, new);
	spin_unlock(&d->evtchn_lock);
out:
	for (i = 0; i < nr; i++)
		hv_free(new[i]);
	return rc;
}

/* Is another pirq of p's allocation mapped? (Its number may have been given away since.) */
static bool group_in_use(const struct domain *d, const struct pirq *p)
{
	u32 i;

	for (i = p->group; i < p->group + p->group_nr; i++)
		if (d->pirq[i] && d->pirq[i]->irq - (int)i == p->irq - (int)p->pirq)
			return true;
	return false;
}

/* Out of the table; *last: it was the last one of its group. */
static struct pirq *take_pirq(struct domain *d, u32 n, bool *last, int *rc)
{
	struct pirq *p;

	spin_lock(&d->evtchn_lock);
	p = n < NR_PIRQS ? d->pirq[n] : NULL;
	*rc = !p ? -EINVAL : p->port ? -EBUSY : 0;
	if (*rc) {
		p = NULL;
	} else {
		d->pirq[n] = NULL;
		d->nr_pirqs--;
		*last = !group_in_use(d, p);
	}
	spin_unlock(&d->evtchn_lock);
	return p;
}

int pirq_unmap(struct domain *d, u32 pirq)
{
	bool last;
	int rc;
	struct pirq *p = take_pirq(d, pirq, &last, &rc);

	if (!p)
		return rc;
	if (p->irq >= (int)nr_gsis && last)
		irq_free_msi(p->irq);
	hv_free(p);
	return 0;
}

/* After all ports are closed. */
void pirqs_destroy(struct domain *d)
{
	u32 i;

	for (i = 0; d->nr_pirqs && i < NR_PIRQS; i++)
		if (d->pirq[i] && pirq_unmap(d, i))
			printk("d%u: pirq %u is still bound\n", d->id, i);
}

void pirq_show_eoi(struct domain *d, const struct pirq *p)
{
	if (mfn_eq(d->pirq_eoi_mfn, INVALID_MFN))
		return;
	if (irq_needs_eoi(p))
		set_bit(p->pirq, mfn_to_virt(d->pirq_eoi_mfn));
	else
		clear_bit(p->pirq, mfn_to_virt(d->pirq_eoi_mfn));
}
