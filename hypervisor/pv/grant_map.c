/* SPDX-License-Identifier: MIT */
/*
 * Job:    entries in the caller's page tables for frames that other domains grant, by handle.
 * Enter:  grant_map_op() from core/grant.c.
 * State:  handles and pins of core/grant.c; the caller's L1 tables.
 * Locks:  mmu_lock of the caller around its entries and its handles' flags; never a granter's.
 * Holds:  GM1  an entry holds the frame by itself, as every entry does (P3); the handle's pin holds
 *              it once more. So a guest that overwrites such an entry loses nothing but the mapping.
 *         GM2  a pin ends only after a flush that followed the removal of its entry: the granter may
 *              rely on GTF_writing being clear.
 * Tests:  tests/guests/grants.c
 */
#include <hv/grant.h>
#include <hv/l1.h>

#define CHUNK 16U
#define MAPPED (GNTMAP_host_map | GNTMAP_device_map)

/* The L1 entry that host_addr means, or NULL; mmu_lock held. */
static u64 *entry_at(struct vcpu *v, u64 host_addr, bool is_maddr)
{
	mfn_t mfn = _mfn(host_addr >> PAGE_SHIFT);
	const struct page_info *pg;
	u64 word;

	if (!is_maddr)
		return walk_l1(v, host_addr);
	if (!mfn_is_ram(mfn) || host_addr & 7)
		return NULL;
	pg = mfn_to_page(mfn);
	if (READ_ONCE(pg->owner) != v->domain->id)
		return NULL;
	word = READ_ONCE(pg->word);
	smp_rmb();			/* the word of a frame of ours, not of its last owner's */
	if (PG_type(word) != PT_l1 || !(word & PG_validated) || READ_ONCE(pg->owner) != v->domain->id)
		return NULL;
	return (u64 *)maddr_to_virt(host_addr);
}

static u64 entry_for(mfn_t mfn, u32 flags)
{
	return make_pte(mfn, PTE_P | PTE_US | PTE_A | PTE_D | (flags & GNTMAP_readonly ? 0 : PTE_RW) |
			(u64)(flags >> _GNTMAP_guest_avail0 & 7) << 9);
}

/* *flush: an entry that was there before is gone. */
static s16 put_entry(struct domain *rd, const struct gnttab_map_grant_ref *op, mfn_t mfn, bool *flush)
{
	struct vcpu *v = current_vcpu();
	u64 *p = entry_at(v, op->host_addr, op->flags & GNTMAP_contains_pte), old;

	if (!p)
		return refuse(GNTST_general_error, "grant: no L1 entry at %lx", op->host_addr);
	old = READ_ONCE(*p);
	if (change_l1(v->domain, rd, p, old, entry_for(mfn, op->flags), WRITE_PLAIN))
		return GNTST_general_error;
	*flush |= old & PTE_P;
	return GNTST_okay;
}

static s16 map_one(struct gnttab_map_grant_ref *op, bool *flush)
{
	struct domain *d = current_vcpu()->domain, *rd;
	bool write = !(op->flags & GNTMAP_readonly);
	struct maptrack *t;
	u32 handle;
	mfn_t mfn;
	s16 rc;

	if (!(op->flags & MAPPED))
		return refuse(GNTST_general_error, "grant map with flags %x", op->flags);
	rd = domain_get(op->dom);
	if (!rd)
		return refuse(GNTST_bad_domain, "grant of d%u: no such domain", op->dom);
	handle = maptrack_new(d);
	if (handle == ~0U) {
		rc = refuse(GNTST_no_space, "d%u has no handle left for a grant", d->id);
		goto no_handle;
	}
	rc = grant_pin(rd, op->ref, write, &mfn);
	if (rc)
		goto no_pin;
	t = maptrack_get(d, handle);
	mmu_lock(d);
	if (op->flags & GNTMAP_host_map)
		rc = put_entry(rd, op, mfn, flush);
	if (!rc)
		*t = (struct maptrack){ op->ref, (u32)mfn_x(mfn), 0, rd->id, (u16)op->flags };
	mmu_unlock(d);
	if (!rc) {
		op->handle = handle;
		op->dev_bus_addr = mfn_x(mfn) << PAGE_SHIFT;
		return GNTST_okay;		/* rd stays held, for the handle */
	}
	grant_unpin(rd, op->ref, write, mfn);
no_pin:
	maptrack_free(d, handle);
no_handle:
	domain_put(rd);
	return rc;
}

/* Handles whose last mapping is gone, until the flush. */
struct ended {
	u32 n, handle[CHUNK];
	struct maptrack was[CHUNK];
	bool flush;
	u64 va;				/* what to flush, if it is one page */
};

/* mmu_lock held */
static s16 remove_entry(struct maptrack *t, u64 host_addr, struct ended *e)
{
	struct vcpu *v = current_vcpu();
	u64 *p = entry_at(v, host_addr, t->flags & GNTMAP_contains_pte), old;

	if (!p)
		return refuse(GNTST_general_error, "grant: no L1 entry at %lx", host_addr);
	old = READ_ONCE(*p);
	if (!(old & PTE_P) || mfn_x(pte_mfn(old)) != t->mfn)
		return refuse(GNTST_general_error, "grant: the entry at %lx is not that of the handle",
			      host_addr);
	(void)change_l1(v->domain, v->domain, p, old, 0, WRITE_PLAIN);	/* to 0: cannot fail */
	e->va = e->flush || (t->flags & GNTMAP_contains_pte) ? FLUSH_ALL : host_addr;
	e->flush = true;
	return GNTST_okay;
}

static s16 unmap_one(const struct gnttab_unmap_grant_ref *op, struct ended *e)
{
	struct domain *d = current_vcpu()->domain;
	struct maptrack *t = maptrack_get(d, op->handle);
	s16 rc = GNTST_okay;

	if (!t)
		return refuse(GNTST_bad_handle, "d%u has no grant handle %x", d->id, op->handle);
	mmu_lock(d);
	if (!(t->flags & MAPPED)) {
		rc = refuse(GNTST_bad_handle, "d%u: grant handle %x is not in use", d->id, op->handle);
	} else if (op->dev_bus_addr && op->dev_bus_addr != (u64)t->mfn << PAGE_SHIFT) {
		rc = refuse(GNTST_bad_dev_addr, "grant: %lx is not the handle's frame", op->dev_bus_addr);
	} else {
		if (op->host_addr && (t->flags & GNTMAP_host_map))
			rc = remove_entry(t, op->host_addr, e);
		if (!rc && op->host_addr)
			t->flags &= (u16)~GNTMAP_host_map;
		if (!rc && op->dev_bus_addr)
			t->flags &= (u16)~GNTMAP_device_map;
		if (!(t->flags & MAPPED)) {
			e->was[e->n] = *t;
			e->handle[e->n++] = op->handle;
		}
	}
	mmu_unlock(d);
	return rc;
}

/* GM2: flush, then let go. */
static void end_pins(struct ended *e)
{
	struct domain *d = current_vcpu()->domain, *rd;
	const struct maptrack *t;

	if (e->flush)
		flush_tlb_mask(d->dirty_cpus, e->va);
	for (u32 i = 0; i < e->n; i++) {
		t = &e->was[i];
		rd = domain_lookup(t->dom);	/* held by the handle */
		grant_unpin(rd, t->ref, !(t->flags & GNTMAP_readonly), _mfn(t->mfn));
		maptrack_free(d, e->handle[i]);
		domain_put(rd);
	}
	e->n = 0;
	e->flush = false;
}

static long map_some(u64 arg, u32 n)
{
	struct gnttab_map_grant_ref op;
	bool flush = false;
	long rc = 0;

	for (u32 i = 0; !rc && i < n; i++) {
		rc = copy_from_guest(&op, _gva(arg + i * sizeof(op)), sizeof(op));
		if (rc)
			break;
		op.status = map_one(&op, &flush);
		rc = copy_to_guest(_gva(arg + i * sizeof(op)), &op, sizeof(op));
	}
	if (flush)
		flush_tlb_mask(current_vcpu()->domain->dirty_cpus, FLUSH_ALL);
	return rc;
}

static long unmap_some(u64 arg, u32 n)
{
	struct gnttab_unmap_grant_ref op;
	struct ended e = { .n = 0 };
	s16 status[CHUNK];
	long rc = 0;
	u32 i;

	for (i = 0; i < n; i++) {
		rc = copy_from_guest(&op, _gva(arg + i * sizeof(op)), sizeof(op));
		if (rc)
			break;
		status[i] = unmap_one(&op, &e);
	}
	end_pins(&e);
	for (u32 k = 0; k < i; k++)
		if (copy_field_to_guest(_gva(arg + k * sizeof(op)), struct gnttab_unmap_grant_ref,
					status, &status[k]))
			rc = -EFAULT;
	return rc;
}

long grant_map_op(unsigned int cmd, u64 arg, u32 count)
{
	bool map = cmd == GNTTABOP_map_grant_ref;
	u64 size = map ? sizeof(struct gnttab_map_grant_ref) : sizeof(struct gnttab_unmap_grant_ref);
	long rc = 0;
	u32 n;

	while (!rc && count) {
		n = min(count, CHUNK);
		rc = map ? map_some(arg, n) : unmap_some(arg, n);
		arg += n * size;
		count -= n;
		if (!rc && count && hypercall_preempt())
			return hypercall_continue(__HYPERVISOR_grant_table_op, cmd, arg, count, 0, 0);
	}
	return rc;
}
