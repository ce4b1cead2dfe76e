/* SPDX-License-Identifier: MIT */
/*
 * Job:    mmu_update, update_va_mapping: copy requests, find the entry each names, change it.
 *         mmuext_op: pins, roots, flushes, the LDT; one operation at a time, in order.
 *         Writable page tables: stores by the guest kernel through read-only mappings of its tables.
 * Enter:  the hypercall table; pv/bounce.c, page faults of guest kernel mode on present, read-only pages.
 * Locks:  mmu_lock of the domain whose tables or frames are meant: per chunk of requests, per
 *         extended operation.
 * Holds:  P5  a chunk is copied before the lock is taken; guest memory is not read under it.
 *         P6  PG_pinned is set exactly while the pin's own reference and type count are held.
 *         W1  stores write L1 entries only; one is emulated whole, or the guest gets its page fault.
 *         W2  a store's target is found under the lock: what an earlier walk said may be gone.
 * Tests:  tests/host/test_mmu_update.c, test_mmuext.c, tests/guests/{mmu,pin,smp,ptwr,abuse_pagetypes}.c
 */
#include <hv/l1.h>
#include <hv/regs.h>
#include <hv/string.h>

#define CHUNK 16

/*
 * Whose frames a foreign domid means: *out is NULL for DOMID_IO. A reference is held unless it is
 * the caller's own domain (pg_owner_put drops it).
 */
static noinline int pg_owner_get(u64 domid, struct domain **out)
{
	struct domain *d = current_vcpu()->domain;

	if (likely(domid == DOMID_SELF)) {
		*out = d;
		return 0;
	}
	if (domid == d->id)
		return refuse(-EINVAL, "own domid given as a foreign one");
	if (domid == DOMID_IO) {
		*out = NULL;
		return d->is_hardware || d->iomem.count ? 0 : -EPERM;
	}
	if (domid == DOMID_XEN && d->is_privileged) {
		*out = &domain_xen;
		return 0;
	}
	if (!d->is_privileged)
		return refuse(-EPERM, "d%d may not name d%lu's frames", d->id, domid);
	*out = domain_get((domid_t)domid);
	return *out ? 0 : refuse(-ESRCH, "no domain %lu", domid);
}

static noinline void pg_owner_put(struct domain *d)
{
	if (d && d != current_vcpu()->domain && d != &domain_xen)
		domain_put(d);
}

/* Physical CPUs whose TLBs may hold entries of the vcpus in the guest's bitmap. */
static int vcpumask_to_cpus(struct domain *d, gva_t bitmap, cpumask_t *out)
{
	u64 bits = 0;
	unsigned int i;

	if (copy_from_guest(&bits, bitmap, DIV_ROUND_UP(d->max_vcpus, 8)))
		return -EFAULT;
	for (*out = 0; bits; bits &= bits - 1) {
		i = (unsigned int)__builtin_ctzl(bits);
		if (i < d->max_vcpus && d->vcpu[i])
			*out |= BIT(d->vcpu[i]->processor);
	}
	*out &= d->dirty_cpus;
	return 0;
}

static noinline int update_m2p(struct domain *pg_owner, mfn_t mfn, u64 pfn)
{
	if (!pg_owner || !get_page(mfn_to_page(mfn), pg_owner))
		return refuse(-EINVAL, "M2P update of a foreign frame");
	set_m2p(mfn, pfn);
	put_page(mfn_to_page(mfn));
	return 0;
}

/* No L1 table in use: another table, or perhaps a frame that the guest itself could write. */
static noinline int update_other(struct domain *pt_owner, mfn_t mfn, u64 word, u64 ptr, u64 val)
{
	unsigned int idx = (ptr & ~PAGE_MASK) >> 3;
	struct page_info *pg = mfn_to_page(mfn);
	enum page_type type = PG_type(word);

	if (type >= PT_l2 && type <= PT_l4 && (word & PG_validated))
		return mod_table_entry(pt_owner, pg, type, idx, val,
				       (ptr & 3) == MMU_PT_UPDATE_PRESERVE_AD);
	if (type == PT_seg && (word & PG_TYPE_MASK))
		return refuse(-EINVAL, "mmu_update of a descriptor page");
	if (!get_page_writable(pg, pt_owner))
		return refuse(-EINVAL, "mfn %lx cannot be written", mfn_x(mfn));
	WRITE_ONCE(((u64 *)mfn_to_virt(mfn))[idx], val);
	put_page_writable(pg);
	return 0;
}

/* One request; mmu_lock(pt_owner) held. */
static __always_inline int update_one(struct domain *pt_owner, struct domain *pg_owner,
				      u64 ptr, u64 val)
{
	mfn_t mfn = _mfn(ptr >> PAGE_SHIFT);
	struct page_info *pg = mfn_to_page(mfn);
	u64 word, *p;

	if (unlikely(!mfn_is_ram(mfn)))
		return refuse(-EINVAL, "mmu_update of %lx: no RAM", ptr);
	if (unlikely(ptr & 5)) {
		if (ptr & 4)
			return refuse(-ENOSYS, "mmu_update command %lu", ptr & 7);
		if ((ptr & 3) == MMU_MACHPHYS_UPDATE)
			return update_m2p(pg_owner, mfn, val);
	}
	if (unlikely(READ_ONCE(pg->owner) != pt_owner->id))
		return refuse(-EINVAL, "table %lx is not d%d's", mfn_x(mfn), pt_owner->id);
	word = READ_ONCE(pg->word);
	smp_rmb();			/* the word of a frame of pt_owner, not of its next owner */
	if (unlikely(READ_ONCE(pg->owner) != pt_owner->id))
		return -EINVAL;
	/* A validated table cannot leave its owner or its type while we hold the lock (F5). */
	if (unlikely(PG_type(word) != PT_l1 || !(word & PG_validated)))
		return update_other(pt_owner, mfn, word, ptr, val);
	p = (u64 *)maddr_to_virt(ptr & ~7UL);
	if (unlikely(ptr & 7))
		return mod_l1(pt_owner, pg_owner, p, val, (ptr & 3) == MMU_PT_UPDATE_PRESERVE_AD);
	return change_l1(pt_owner, pg_owner, p, READ_ONCE(*p), val, WRITE_PLAIN);
}

/* Whose tables (high half; 0: the caller's) and whose frames (low half) the requests mean. */
static noinline int foreign_owners(u32 domids, struct domain **pt_owner, struct domain **pg_owner)
{
	u32 pt_dom = domids >> 16;
	int rc = 0;

	if (pt_dom > DOMID_FIRST_RESERVED)
		return -ESRCH;
	if (pt_dom && pt_dom - 1 != (*pt_owner)->id)
		rc = pg_owner_get(pt_dom - 1, pt_owner);
	if (rc)
		return rc;
	rc = pg_owner_get(domids & 0xffff, pg_owner);
	if (rc)
		pg_owner_put(*pt_owner);
	return rc;
}

/* One request on the caller's own tables: what Linux does outside its batches. */
static long update_single(u64 at, u64 done)
{
	struct domain *d = current_vcpu()->domain;
	struct mmu_update req;
	u32 n;
	int rc;

	if (unlikely(copy_words_from_guest(&req, _gva(at), 2)))
		return -EFAULT;
	mmu_lock(d);
	rc = update_one(d, d, req.ptr, req.val);
	mmu_unlock(d);
	if (done) {
		n = !rc;
		if (copy_to_guest(_gva(done), &n, 4))
			rc = -EFAULT;
	}
	return likely(rc != -ERESTART) ? rc :
	       hypercall_continue(__HYPERVISOR_mmu_update, at, 1, done, DOMID_SELF, 0);
}

static noinline long update_batch(u64 at, u32 count, u64 pdone, u32 domids)
{
	struct domain *d = current_vcpu()->domain, *pt_owner = d, *pg_owner = d;
	struct mmu_update req[CHUNK];
	u32 before = 0, done = 0, n, i;
	int rc = 0;

	if (unlikely(count & MMU_UPDATE_PREEMPTED)) {
		count &= ~MMU_UPDATE_PREEMPTED;
		if (pdone && copy_from_guest(&before, _gva(pdone), 4))
			return -EFAULT;
	}
	if (unlikely(domids != DOMID_SELF)) {
		rc = foreign_owners(domids, &pt_owner, &pg_owner);
		if (rc)
			return rc;
	}
	while (!rc && done < count) {
		n = min(count - done, (u32)CHUNK);
		rc = copy_from_guest(req, _gva(at + done * sizeof(req[0])), n * sizeof(req[0]));
		mmu_lock(pt_owner);
		for (i = 0; i < n && !rc; i++) {
			rc = update_one(pt_owner, pg_owner, req[i].ptr, req[i].val);
			done += !rc;
		}
		mmu_unlock(pt_owner);
		if (unlikely(!rc && !(done & 63) && done < count && hypercall_preempt()))
			rc = -ERESTART;
	}
	before += done;
	if (pdone && copy_to_guest(_gva(pdone), &before, 4))
		rc = -EFAULT;
	if (unlikely(rc == -ERESTART))
		rc = hypercall_continue(__HYPERVISOR_mmu_update, at + done * sizeof(req[0]),
					(count - done) | MMU_UPDATE_PREEMPTED, pdone, domids, 0);
	if (unlikely(domids != DOMID_SELF)) {
		pg_owner_put(pt_owner);
		pg_owner_put(pg_owner);
	}
	return rc;
}

/* a1: requests, a2: count, a3: where to count what was done (0: nowhere), a4: domids */
HYPERCALL(mmu_update)
{
	return a2 == 1 && (u32)a4 == DOMID_SELF ? update_single(a1, a3) :
						  update_batch(a1, (u32)a2, a3, (u32)a4);
}

static long flush_after_va_update(struct domain *d, u64 va, u64 flags)
{
	u64 type = flags & UVMF_FLUSHTYPE_MASK, where = flags & ~UVMF_FLUSHTYPE_MASK;
	cpumask_t mask = d->dirty_cpus;

	if (type == UVMF_NONE)
		return 0;
	if (type != UVMF_INVLPG && type != UVMF_TLB_FLUSH)
		return -EINVAL;
	if (where == UVMF_LOCAL && type == UVMF_INVLPG)
		flush_va_local(va);
	else if (where == UVMF_LOCAL)
		flush_tlb_local();
	else if (where != UVMF_ALL && vcpumask_to_cpus(d, _gva(where), &mask))
		return -EFAULT;
	else
		flush_tlb_mask(mask, type == UVMF_INVLPG ? va : FLUSH_ALL);
	return 0;
}

static long update_va(u64 va, u64 val, u64 flags, struct domain *pg_owner)
{
	struct vcpu *v = current_vcpu();
	struct domain *d = v->domain;
	u64 *l1p;
	long rc, rc2;

	mmu_lock(d);
	l1p = walk_l1(v, va);
	if (likely(l1p))
		rc = change_l1(d, pg_owner, l1p, READ_ONCE(*l1p), val, WRITE_PLAIN);
	else
		rc = refuse(-EINVAL, "no L1 table for %lx", va);
	mmu_unlock(d);
	rc2 = flush_after_va_update(d, va, flags);
	return rc ?: rc2;
}

/* a1: address, a2: new entry, a3: UVMF_* */
HYPERCALL(update_va_mapping)
{
	return update_va(a1, a2, a3, current_vcpu()->domain);
}

/* and a4: whose frame */
HYPERCALL(update_va_mapping_otherdomain)
{
	struct domain *pg_owner;
	long rc = pg_owner_get(a4 & 0xffff, &pg_owner);

	if (!rc) {
		rc = update_va(a1, a2, a3, pg_owner);
		pg_owner_put(pg_owner);
	}
	return rc;
}

/* --- mmuext_op --- */

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
		return unpin_page(d, pg) ? 0 : refuse(-EINVAL, "mfn %lx is not pinned", op->arg1.mfn);
	case MMUEXT_CLEAR_PAGE:
		return fill_page(d, pg, NULL);
	case MMUEXT_COPY_PAGE:
		return fill_page(d, pg, mfn_to_page(src));
	}
	return pin(d, pg, PT_l1 + (op->cmd - MMUEXT_PIN_L1_TABLE));
}

static noinline long flush_cpus(struct domain *d, const struct mmuext_op *op)
{
	bool page = op->cmd == MMUEXT_INVLPG_MULTI || op->cmd == MMUEXT_INVLPG_ALL;
	bool all = op->cmd == MMUEXT_TLB_FLUSH_ALL || op->cmd == MMUEXT_INVLPG_ALL;
	u64 va = page ? op->arg1.linear_addr : FLUSH_ALL;
	cpumask_t mask = d->dirty_cpus;

	if (page && in_hv_slots(va))
		return 0;
	if (!all && vcpumask_to_cpus(d, _gva(op->arg2.vcpumask), &mask))
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
		if (likely(!in_hv_slots(op->arg1.linear_addr)))
			flush_va_local(op->arg1.linear_addr);
		return 0;
	case MMUEXT_TLB_FLUSH_LOCAL:
		flush_tlb_local();
		return 0;
	case MMUEXT_NEW_BASEPTR:
		return fd == d ? set_kernel_root(v, _mfn(op->arg1.mfn)) : -EPERM;
	case MMUEXT_NEW_USER_BASEPTR:
		return fd == d ? set_user_root(v, _mfn(op->arg1.mfn)) : -EPERM;
	case MMUEXT_PIN_L1_TABLE ... MMUEXT_UNPIN_TABLE: case MMUEXT_CLEAR_PAGE: case MMUEXT_COPY_PAGE:
		return frame_op(fd, op);
	case MMUEXT_TLB_FLUSH_MULTI: case MMUEXT_TLB_FLUSH_ALL:
	case MMUEXT_INVLPG_MULTI: case MMUEXT_INVLPG_ALL:
		return flush_cpus(d, op);
	case MMUEXT_FLUSH_CACHE: case MMUEXT_FLUSH_CACHE_GLOBAL:
		if (!d->is_hardware && !d->iomem.count)
			return refuse(-EPERM, "d%d has no devices", d->id);
		flush_cache(op->cmd == MMUEXT_FLUSH_CACHE_GLOBAL);
		return 0;
	case MMUEXT_SET_LDT:
		return fd == d ? set_ldt(v, op->arg1.linear_addr, op->arg2.nr_ents) : -EPERM;
	case MMUEXT_MARK_SUPER: case MMUEXT_UNMARK_SUPER:
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

/* --- writable page tables --- */

/* The entry that va names if va lies in a read-only mapped, validated L1 table; mmu_lock held. */
static __always_inline u64 *target_entry(struct vcpu *v, u64 va)
{
	const u64 *l1p = walk_l1(v, va);
	struct page_info *pg;
	u64 e;

	if (!l1p)
		return NULL;
	e = READ_ONCE(*l1p);
	if ((e & (PTE_P | PTE_RW)) != PTE_P || !mfn_is_ram(pte_mfn(e)))
		return NULL;
	pg = mfn_to_page(pte_mfn(e));
	if (pg->owner != v->domain->id || PG_type(pg->word) != PT_l1 || !(pg->word & PG_validated))
		return NULL;
	return (u64 *)mfn_to_virt(pte_mfn(e)) + ((va & ~PAGE_MASK) >> 3);
}

/*
 * The plain 64-bit store and XCHG of a register, which are nearly all there is:
 *	REX.W 89 /r  mov %reg, disp(%base)	REX.W 87 /r  xchg %reg, disp(%base)
 * without SIB byte or RIP-relative operand. 0: it is something else; else the length.
 */
static unsigned int decode_plain(u64 code, struct cpu_user_regs *regs, u64 va, u64 **reg)
{
	u8 rex = (u8)code, op = (u8)(code >> 8), modrm = (u8)(code >> 16);
	u64 base;

	if ((rex & 0xfa) != 0x48 || (op != 0x89 && op != 0x87) || (modrm & 7) == 4)
		return 0;
	*reg = reg_ptr(regs, (modrm >> 3 & 7) | (rex & 4) << 1);
	base = *reg_ptr(regs, (modrm & 7) | (rex & 1) << 3);
	switch (modrm >> 6) {
	case 0:
		return (modrm & 7) != 5 && base == va ? 3 : 0;
	case 1:
		return base + (u64)(s64)(s8)(code >> 24) == va ? 4 : 0;
	case 2:
		return base + (u64)(s64)(s32)(code >> 24) == va ? 7 : 0;
	}
	return 0;
}

static bool fast_store(struct vcpu *v, struct cpu_user_regs *regs, u64 va, u64 code)
{
	struct domain *d = v->domain;
	u64 *reg, *p, old;
	unsigned int len = va & 7 ? 0 : decode_plain(code, regs, va, &reg);
	int rc = -EINVAL;

	if (unlikely(!len))
		return false;
	mmu_lock(d);
	p = target_entry(v, va);
	if (likely(p)) {
		trace(PTWR, va, *reg);
		if ((u8)(code >> 8) == 0x89) {
			rc = change_l1(d, d, p, READ_ONCE(*p), *reg, WRITE_PLAIN);
		} else {
			do {
				old = READ_ONCE(*p);
				rc = change_l1(d, d, p, old, *reg, WRITE_IF_SAME);
			} while (unlikely(rc == -EAGAIN));
			if (!rc)
				*reg = old;
		}
	}
	mmu_unlock(d);
	if (rc)
		return false;
	regs->rip += len;
	regs->rflags &= ~X86_RFLAGS_RF;
	return true;
}

/* Any other store that the decoder knows. */
static bool slow_store(struct vcpu *v, struct cpu_user_regs *regs, u64 va)
{
	struct domain *d = v->domain;
	struct cpu_user_regs after;
	struct insn in;
	u64 old, new, *p, fault_va;
	int rc;

	if (decode_insn(v, regs, &in, &fault_va) || !in.is_mem || in.ea != va)
		return false;
	do {
		after = *regs;
		mmu_lock(d);
		p = target_entry(v, va & ~7UL);
		rc = -EINVAL;
		if (p) {
			old = READ_ONCE(*p);
			rc = emulate_store(&after, &in, old, &new);
			if (!rc && new != old)
				rc = mod_l1_if_same(d, p, old, new);
		}
		mmu_unlock(d);
	} while (rc == -EAGAIN);	/* a CPU set A or D in between */
	if (rc)
		return false;
	*regs = after;
	return true;
}

bool ptwr_fault(struct vcpu *v, struct cpu_user_regs *regs, u64 va)
{
	u64 code;

	if (!(v->pv.vm_assist & BIT(VMASST_TYPE_writable_pagetables)))
		return false;
	if ((copy_words_from_guest(&code, _gva(regs->rip), 1) ||
	     !fast_store(v, regs, va, code)) && !slow_store(v, regs, va))
		return false;
	if (unlikely(regs->rflags & X86_RFLAGS_TF))
		step_after_insn(v, regs);
	return true;
}
