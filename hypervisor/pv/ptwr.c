/* SPDX-License-Identifier: MIT */
/*
 * Job:    writable page tables: a store by the guest kernel through the read-only mapping of a
 *         table is recognised, and the entry changed as mmu_update would.
 * Enter:  pv/bounce.c, page faults of guest kernel mode on present, read-only pages.
 * Locks:  the domain's mmu_lock around the walk and the change; guest memory is read before it.
 * Holds:  W1  only L1 entries are written so; the instruction is emulated whole or the guest gets
 *             its page fault.
 *         W2  the target is found under the lock: what an earlier walk said may be gone.
 * Tests:  tests/guests/ptwr.c
 */
#include <hv/l1.h>
#include <hv/regs.h>

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
