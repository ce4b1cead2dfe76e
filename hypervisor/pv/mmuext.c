/* SPDX-License-Identifier: MIT */
/*
 * Job:    mmuext_op: pins, roots, flushes, the LDT; one operation at a time, in order.
 * Locks:  mmu_lock of the domain whose frames are meant, per operation.
 * Holds:  P6  PG_pinned is set exactly while the pin's own reference and type count are held.
 * Tests:  tests/host/test_mmuext.c, tests/guests/{pin,mmu,smp}.c
 */
#include <hv/hypercall.h>
#include <hv/l1.h>
#include <hv/string.h>

static long pin(struct domain *d, struct page_info *pg, enum page_type type)
{
	long rc;

	mmu_lock(d);
	/* nobody would unpin it in a dying domain any more */
	rc = d->state >= DOM_dying ? -EINVAL : get_table(d, page_to_mfn(pg), type);
	if (!rc && (atomic_or(&pg->word, PG_pinned) & PG_pinned)) {
		put_page_and_type(pg);
		rc = refuse(-EINVAL, "mfn %lx is pinned already", mfn_x(page_to_mfn(pg)));
	}
	mmu_unlock(d);
	return rc;
}

static long unpin(struct domain *d, struct page_info *pg)
{
	bool pinned;

	mmu_lock(d);
	pinned = pg->owner == d->id && (atomic_and(&pg->word, ~PG_pinned) & PG_pinned);
	if (pinned)
		put_page_and_type(pg);
	mmu_unlock(d);
	return pinned ? 0 : refuse(-EINVAL, "mfn %lx is not pinned", mfn_x(page_to_mfn(pg)));
}

/* pg becomes a copy of src; NULL: zeroes. */
static long fill_page(struct domain *d, struct page_info *pg, struct page_info *src)
{
	void *p = mfn_to_virt(page_to_mfn(pg));
	long rc = 0;

	if (!get_page_writable(pg, d))
		return refuse(-EINVAL, "mfn %lx cannot be written", mfn_x(page_to_mfn(pg)));
	if (!src) {
		memset(p, 0, PAGE_SIZE);
	} else if (get_page(src, d)) {
		memcpy(p, mfn_to_virt(page_to_mfn(src)), PAGE_SIZE);
		put_page(src);
	} else {
		rc = refuse(-EINVAL, "copy from mfn %lx", mfn_x(page_to_mfn(src)));
	}
	put_page_writable(pg);
	return rc;
}

/* What changes a frame of d; NULL: DOMID_IO, which has none */
static long frame_op(struct domain *d, const struct mmuext_op *op)
{
	mfn_t mfn = _mfn(op->arg1.mfn), src = _mfn(op->arg2.src_mfn);
	struct page_info *pg;

	if (!d)
		return -EPERM;
	if (!mfn_is_ram(mfn) || (op->cmd == MMUEXT_COPY_PAGE && !mfn_is_ram(src)))
		return refuse(-EINVAL, "mmuext_op %u of %lx: no RAM", op->cmd, mfn_x(mfn));
	pg = mfn_to_page(mfn);
	switch (op->cmd) {
	case MMUEXT_UNPIN_TABLE:
		return unpin(d, pg);
	case MMUEXT_CLEAR_PAGE:
		return fill_page(d, pg, NULL);
	case MMUEXT_COPY_PAGE:
		return fill_page(d, pg, mfn_to_page(src));
	}
	return pin(d, pg, PT_l1 + (op->cmd - MMUEXT_PIN_L1_TABLE));
}

static long flush_multi(struct domain *d, const struct mmuext_op *op)
{
	u64 va = op->cmd == MMUEXT_INVLPG_MULTI ? op->arg1.linear_addr : FLUSH_ALL;
	cpumask_t mask;

	if (va != FLUSH_ALL && !guest_addr_ok(va))
		return 0;
	if (vcpumask_to_cpus(d, _gva(op->arg2.vcpumask), &mask))
		return -EFAULT;
	flush_tlb_mask(mask, va);
	return 0;
}

/* fd: whose frames are meant (NULL: DOMID_IO) */
static int one_op(struct vcpu *v, struct domain *fd, const struct mmuext_op *op)
{
	struct domain *d = v->domain;

	switch (op->cmd) {
	case MMUEXT_INVLPG_LOCAL:
		if (likely(guest_addr_ok(op->arg1.linear_addr)))
			flush_va_local(op->arg1.linear_addr);
		return 0;
	case MMUEXT_TLB_FLUSH_LOCAL:
		flush_tlb_local();
		return 0;
	case MMUEXT_NEW_BASEPTR:
		return fd == d ? set_kernel_root(v, _mfn(op->arg1.mfn)) : -EPERM;
	case MMUEXT_NEW_USER_BASEPTR:
		return fd == d ? set_user_root(v, _mfn(op->arg1.mfn)) : -EPERM;
	case MMUEXT_PIN_L1_TABLE ... MMUEXT_UNPIN_TABLE:
	case MMUEXT_CLEAR_PAGE:
	case MMUEXT_COPY_PAGE:
		return frame_op(fd, op);
	case MMUEXT_TLB_FLUSH_MULTI:
	case MMUEXT_INVLPG_MULTI:
		return flush_multi(d, op);
	case MMUEXT_TLB_FLUSH_ALL:
		flush_tlb_mask(d->dirty_cpus, FLUSH_ALL);
		return 0;
	case MMUEXT_INVLPG_ALL:
		if (guest_addr_ok(op->arg1.linear_addr))
			flush_tlb_mask(d->dirty_cpus, op->arg1.linear_addr);
		return 0;
	case MMUEXT_FLUSH_CACHE:
	case MMUEXT_FLUSH_CACHE_GLOBAL:
		if (!d->is_hardware && !d->iomem.count)
			return refuse(-EPERM, "d%d has no devices", d->id);
		if (op->cmd == MMUEXT_FLUSH_CACHE_GLOBAL)
			flush_cache_all();
		else
			flush_cache_local();
		return 0;
	case MMUEXT_SET_LDT:
		return fd == d ? set_ldt(v, op->arg1.linear_addr, op->arg2.nr_ents) : -EPERM;
	case MMUEXT_MARK_SUPER:
	case MMUEXT_UNMARK_SUPER:
		return -EOPNOTSUPP;
	}
	return refuse(-ENOSYS, "mmuext_op %u", op->cmd);
}

/* a1: operations, a2: count, a3: where to count what was done (0: nowhere), a4: domid of pins */
HYPERCALL(mmuext_op)
{
	struct vcpu *v = current_vcpu();
	struct domain *fd = v->domain;
	struct mmuext_op op;
	u32 count = (u32)a2, before = 0, done = 0;
	int rc = 0;

	if (unlikely(count & MMU_UPDATE_PREEMPTED)) {
		count &= ~MMU_UPDATE_PREEMPTED;
		if (a3 && copy_from_guest(&before, _gva(a3), 4))
			return -EFAULT;
	}
	if (unlikely((a4 & 0xffff) != DOMID_SELF)) {
		rc = pg_owner_get(a4 & 0xffff, &fd);
		if (rc)
			return rc;
	}
	while (!rc && done < count) {
		rc = copy_words_from_guest(&op, _gva(a1 + done * sizeof(op)), 3) ?:
		     one_op(v, fd, &op);
		if (unlikely(rc))
			break;
		done++;
		if (unlikely(!(done & 7) && done < count && hypercall_preempt()))
			rc = -ERESTART;
	}
	before += done;
	if (a3 && copy_to_guest(_gva(a3), &before, 4))
		rc = -EFAULT;
	if (unlikely(rc == -ERESTART))
		rc = hypercall_continue(__HYPERVISOR_mmuext_op, a1 + done * sizeof(op),
					(count - done) | MMU_UPDATE_PREEMPTED, a3, a4, a5);
	if (unlikely(fd != v->domain))
		pg_owner_put(fd);
	return rc;
}
