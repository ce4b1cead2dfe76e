/* SPDX-License-Identifier: MIT */
/*
 * mmuext_op: pins, roots, flushes, the LDT.
 *
 * Job:    the extended MMU operations, one at a time, in order.
 * Enter:  pv/hypercall.c (table).
 * Locks:  mmu_lock of the domain whose frames are meant, per operation.
 * Holds:  P6  PG_pinned is set exactly while the pin's own reference and type count are held.
 * Tests:  tests/host/test_mmuext.c, tests/guests/{pin,mmu,smp}.c
 * Next:   pv/pagetable.c
 */
#include <hv/debug.h>
#include <hv/errno.h>
#include <hv/hypercall.h>
#include <hv/page_alloc.h>
#include <hv/pv.h>

static long pin(struct domain *d, u64 mfn, enum page_type type)
{
	struct page_info *pg;
	long rc;

	if (!mfn_is_ram(_mfn(mfn)))
		return refuse(-EINVAL, "pin of %lx: no RAM", mfn);
	pg = mfn_to_page(_mfn(mfn));
	mmu_lock(d);
	/* nobody would unpin it in a dying domain any more */
	rc = d->state >= DOM_dying ? -EINVAL : promote_tree(d, pg, type);
	if (!rc)
		rc = get_page_and_type(pg, d, type);
	if (!rc) {
		if (pg->word & PG_pinned) {
			put_page_and_type(pg);
			rc = refuse(-EINVAL, "mfn %lx is pinned already", mfn);
		} else {
			atomic_or(&pg->word, PG_pinned);
		}
	}
	mmu_unlock(d);
	return rc;
}

static long unpin(struct domain *d, u64 mfn)
{
	struct page_info *pg;
	long rc = 0;

	if (!mfn_is_ram(_mfn(mfn)))
		return refuse(-EINVAL, "unpin of %lx: no RAM", mfn);
	pg = mfn_to_page(_mfn(mfn));
	mmu_lock(d);
	if (pg->owner == d->id && (pg->word & PG_pinned)) {
		atomic_and(&pg->word, ~PG_pinned);
		put_page_and_type(pg);
	} else {
		rc = refuse(-EINVAL, "mfn %lx is not pinned", mfn);
	}
	mmu_unlock(d);
	return rc;
}

static long clear_or_copy(struct domain *d, const struct mmuext_op *op)
{
	struct page_info *dst, *src;

	if (!mfn_is_ram(_mfn(op->arg1.mfn)))
		return -EINVAL;
	dst = mfn_to_page(_mfn(op->arg1.mfn));
	if (!get_page_writable(dst, d))
		return refuse(-EINVAL, "mfn %lx cannot be written", op->arg1.mfn);
	if (op->cmd == MMUEXT_CLEAR_PAGE) {
		__builtin_memset(mfn_to_virt(_mfn(op->arg1.mfn)), 0, PAGE_SIZE);
	} else {
		if (!mfn_is_ram(_mfn(op->arg2.src_mfn)) ||
		    !get_page(mfn_to_page(_mfn(op->arg2.src_mfn)), d)) {
			put_page_writable(dst);
			return refuse(-EINVAL, "copy from mfn %lx", op->arg2.src_mfn);
		}
		src = mfn_to_page(_mfn(op->arg2.src_mfn));
		__builtin_memcpy(mfn_to_virt(_mfn(op->arg1.mfn)),
				 mfn_to_virt(_mfn(op->arg2.src_mfn)), PAGE_SIZE);
		put_page(src);
	}
	put_page_writable(dst);
	return 0;
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

/* d: the caller's domain; fd: whose frames pins mean (NULL: DOMID_IO, which has none) */
static long one_op(struct vcpu *v, struct domain *fd, const struct mmuext_op *op)
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
	case MMUEXT_PIN_L1_TABLE:
	case MMUEXT_PIN_L2_TABLE:
	case MMUEXT_PIN_L3_TABLE:
	case MMUEXT_PIN_L4_TABLE:
		return fd ? pin(fd, op->arg1.mfn, PT_l1 + (op->cmd - MMUEXT_PIN_L1_TABLE)) : -EPERM;
	case MMUEXT_UNPIN_TABLE:
		return fd ? unpin(fd, op->arg1.mfn) : -EPERM;
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
	case MMUEXT_CLEAR_PAGE:
	case MMUEXT_COPY_PAGE:
		return fd ? clear_or_copy(fd, op) : -EPERM;
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
	u32 count = (u32)a2, done = 0, before = 0;
	long rc = 0;

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
	while (done < count) {
		if (unlikely(copy_words_from_guest(&op, _gva(a1 + done * sizeof(op)), 3))) {
			rc = -EFAULT;
			break;
		}
		rc = one_op(v, fd, &op);
		if (unlikely(rc))
			break;
		done++;
		if (unlikely((done & 7) == 0 && done < count && hypercall_preempt())) {
			rc = -ERESTART;
			break;
		}
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
