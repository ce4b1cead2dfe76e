/* SPDX-License-Identifier: MIT */
/*
 * A guest that does anything with its page tables: operations drawn from a source of numbers.
 *
 * Job:    one step of a guest with two vcpus, of a foreign mapper with tables of its own, and of the
 *         hardware under them, over so few frames that everything collides. After each step the
 *         hardware's view, the TLBs and the books are checked.
 * Enter:  mmu_random_begin(), _step() ..., _end(); mr_pick(n) is the caller's: 0..n-1.
 * Tests:  test_pagetable.c (random numbers), tests/fuzz/fuzz_pagetable.c (the fuzzer's bytes)
 */
#ifndef HOST_MMU_RANDOM_H
#define HOST_MMU_RANDOM_H

#include "tables.h"

static u64 mr_pick(u64 n);

#define MR_FRAMES 14
static struct {
	struct domain *guest, *dom0;
	mfn_t m[MR_FRAMES];		/* the guest's */
	mfn_t own[6];			/* dom0's */
	unsigned long steps, done;	/* done: with result 0 */
	char last[128];
} mr;

#define mr_note(...) snprintf(mr.last, sizeof(mr.last), __VA_ARGS__)
#define mr_require(x) do { \
	const char *_w = (x); \
	if (_w) \
		fail_msg("%s, after step %lu: %s", _w, mr.steps, mr.last); \
	} while (0)

static inline mfn_t mr_frame(void)
{
	u64 n = mr_pick(MR_FRAMES + 8);

	if (n < MR_FRAMES)
		return mr.m[n];
	if (n < MR_FRAMES + ARRAY_SIZE(mr.own))
		return mr.own[n - MR_FRAMES];
	return n == MR_FRAMES + 6 ? _mfn(max_page + 3) : mr.guest->shared_info_mfn;
}

/* Mostly a frame of the guest's own. */
static inline mfn_t mr_own_frame(void)
{
	return mr_pick(16) ? mr.m[mr_pick(MR_FRAMES)] : mr_frame();
}

/* Few slots, so that they are used again; some are the hypervisor's in an L4. */
static const u16 mr_slots[] = { 0, 1, 2, 7, 8, 255, 256, 271, 272, 511 };

static inline unsigned int mr_slot(void)
{
	return mr_pick(4) ? mr_slots[mr_pick(3)] : mr_slots[mr_pick(ARRAY_SIZE(mr_slots))];
}

static inline u64 mr_entry(void)
{
	static const u64 odd[] = { PTE_PS, PTE_G, PTE_PWT, PTE_NX, 0x0008000000000000UL, PTE_A,
				   PTE_AVAIL, PTE_D, PTE_US };
	u64 e = make_pte(mr_frame(), PTE_P | PTE_US);

	if (!mr_pick(8))
		return mr_pick(2) ? 0 : e & ~PTE_P;
	if (mr_pick(2))
		e |= PTE_RW;
	if (!mr_pick(8))
		e ^= odd[mr_pick(ARRAY_SIZE(odd))];
	return e;
}

/* An address for v: mostly along entries that are there. */
static inline u64 mr_va(const struct vcpu *v)
{
	mfn_t table = v->pv.root_kernel;
	bool follow = !mfn_eq(table, INVALID_MFN) && mr_pick(8);
	u64 va = 0, e;
	unsigned int slot;

	for (int i = 0; i < 4; i++) {
		slot = mr_slot();
		if (follow) {
			unsigned int from = mr_pick(ARRAY_SIZE(mr_slots)), n = 0;

			do {
				slot = mr_slots[(from + n) % ARRAY_SIZE(mr_slots)];
				e = i == 0 && is_hv_slot(slot) ? 0 : entries(table)[slot];
			} while (!(e & PTE_P) && ++n < ARRAY_SIZE(mr_slots));
			follow = (e & PTE_P) && mfn_is_ram(pte_mfn(e));
			table = pte_mfn(e);
		}
		va = va << 9 | slot;
	}
	return (u64)((s64)(va << 28) >> 16);
}

/* A store of a program that runs on this CPU with these tables: straight into memory. */
static inline void mr_store(const struct vcpu *v, bool tlb)
{
	u64 va, *p;
	unsigned int n;

	if (tlb) {		/* through what some CPU has cached, however old */
		n = mr_pick(ARRAY_SIZE(host_tlb));
		for (unsigned int i = 0; i < 64; i++, n = (n + 1) % ARRAY_SIZE(host_tlb))
			if (host_tlb[n].used && host_tlb[n].writable && !host_tlb[n].level) {
				entries(host_tlb[n].mfn)[mr_slot()] = mr_entry();
				return;
			}
		return;
	}
	if (mfn_eq(v->pv.root_kernel, INVALID_MFN))
		return;
	va = mr_va(v);
	p = host_walk(v->pv.root_kernel, va, true);
	if (p)
		((u64 *)((u64)p & PAGE_MASK))[mr_slot()] = mr_entry();
}

/* The store of a program before it has tables at all: its loader filled the frame. */
static inline void mr_prepare(void)
{
	mfn_t m = mr.m[mr_pick(MR_FRAMES)];

	if (get_page_writable(pg_of(m), mr.guest)) {
		entries(m)[mr_slot()] = mr_entry();
		put_page_writable(pg_of(m));
	}
}

/* What ptwr does when the guest stores to a table that it has mapped read-only. */
static inline long mr_ptwr(void)
{
	struct domain *d = mr.guest;
	u64 va = mr_va(d->vcpu[0]), *l1p, *p, e, new = mr_entry();
	unsigned int slot = mr_slot();
	long rc = -ENOENT;
	bool plain = mr_pick(2);

	mmu_lock(d);
	l1p = walk_l1(d->vcpu[0], va);
	e = l1p ? *l1p : 0;
	if ((e & (PTE_P | PTE_RW)) == PTE_P && mfn_is_ram(pte_mfn(e)) &&
	    pg_of(pte_mfn(e))->owner == d->id && type_of(pte_mfn(e)) == PT_l1 &&
	    is_validated(pte_mfn(e))) {
		p = entries(pte_mfn(e)) + slot;
		mr_note("ptwr %lx[%u] = %lx", mfn_x(pte_mfn(e)), slot, new);
		rc = plain ? mod_l1(d, d, p, new, false) : mod_l1_if_same(d, p, READ_ONCE(*p), new);
	}
	mmu_unlock(d);
	return rc;
}

/* The guest gives a frame back and gets another one. */
static inline long mr_balloon(void)
{
	unsigned int i = mr_pick(MR_FRAMES);
	struct page_info *pg = pg_of(mr.m[i]);
	bool gone;

	mr_note("balloon %lx", mfn_x(mr.m[i]));
	if (!get_page(pg, mr.guest))
		return -EINVAL;
	gone = release_allocated(mr.guest, pg);
	put_page(pg);
	if (!gone)
		return -EBUSY;
	mr.m[i] = new_page(mr.guest);
	return 0;
}

static inline long mr_guest_op(void)
{
	struct vcpu *v = mr.guest->vcpu[mr_pick(2)];
	u64 gdt = 0, a = mr_entry();
	unsigned int slot = mr_slot();
	mfn_t m = mr_own_frame(), n = mr_own_frame();

	host_set_cpu(v->id);
	switch (mr_pick(22)) {
	case 0 ... 4:
		mr_note("update %lx[%u] = %lx", mfn_x(m), slot, a);
		return update(m, slot, a);
	case 5:
		mr_note("update keeping A/D %lx[%u] = %lx", mfn_x(m), slot, a);
		return update_as(m, slot, a, MMU_PT_UPDATE_PRESERVE_AD, DOMID_SELF);
	case 6 ... 7:
		slot = PT_l1 + mr_pick(4);
		mr_note("pin %lx as L%u", mfn_x(m), slot);
		return pin_table(m, slot);
	case 8:
		mr_note("unpin %lx", mfn_x(m));
		return unpin_table(m);
	case 9:
		mr_note("v%u root %lx", v->id, mfn_x(m));
		return ext(MMUEXT_NEW_BASEPTR, m);
	case 10:
		mr_note("v%u user root %lx", v->id, mfn_x(m));
		return ext(MMUEXT_NEW_USER_BASEPTR, mr_pick(4) ? m : _mfn(0));
	case 11 ... 12:
		mr_note("v%u update_va %lx", v->id, a);
		return do_update_va_mapping(mr_va(v), a, mr_pick(4) ? UVMF_NONE :
					    UVMF_INVLPG | UVMF_ALL, 0, 0, 0);
	case 13:
		mr_note("clear %lx", mfn_x(m));
		return ext(MMUEXT_CLEAR_PAGE, m);
	case 14:
		mr_note("copy to %lx from %lx", mfn_x(m), mfn_x(n));
		return ext_of(MMUEXT_COPY_PAGE, mfn_x(m), mfn_x(n), DOMID_SELF);
	case 15:
		gdt = mfn_x(m);
		mr_note("v%u GDT %lx", v->id, gdt);
		return do_set_gdt(host_arg(&gdt, 8), mr_pick(3) ? 512 : 0, 0, 0, 0, 0);
	case 16:
		a = mr_va(v) & PAGE_MASK;
		mr_note("v%u LDT at %lx", v->id, a);
		return ext_of(MMUEXT_SET_LDT, a, mr_pick(3) ? 512 : 0, DOMID_SELF);
	case 17:
		mr_note("descriptor in %lx", mfn_x(m));
		return do_update_descriptor((mfn_x(m) << PAGE_SHIFT) + slot * 8, a, 0, 0, 0, 0);
	case 18:
		return mr_balloon();
	case 19:
		mr_note("flush");
		return mr_pick(2) ? ext_of(MMUEXT_TLB_FLUSH_ALL, 0, 0, DOMID_SELF) :
			ext_of(MMUEXT_TLB_FLUSH_LOCAL, 0, 0, DOMID_SELF);
	default:
		return mr_ptwr();
	}
}

/* The privileged domain on CPU 2: its own tables, the guest's frames; or the guest's tables. */
static inline long mr_foreign_op(void)
{
	mfn_t m = mr_pick(2) ? mr.own[mr_pick(ARRAY_SIZE(mr.own))] : mr_frame();
	unsigned int slot = mr_slot();
	u64 a = mr_entry();

	host_set_cpu(2);
	switch (mr_pick(6)) {
	case 0 ... 1:
		mr_note("dom0 maps the guest's: %lx[%u] = %lx", mfn_x(m), slot, a);
		return update_as(m, slot, a, MMU_NORMAL_PT_UPDATE, mr.guest->id);
	case 2:
		mr_note("dom0 changes the guest's table %lx[%u] = %lx", mfn_x(m), slot, a);
		return update_as(m, slot, a, MMU_NORMAL_PT_UPDATE,
				 (mr.guest->id + 1UL) << 16 | (mr_pick(2) ? mr.guest->id : DOMID_SELF));
	case 3:
		slot = PT_l1 + mr_pick(4);
		mr_note("dom0 pins %lx as L%u", mfn_x(m), slot);
		return mr_pick(2) ? pin_table(m, slot) :
			ext_of(MMUEXT_PIN_L1_TABLE + slot - 1, mfn_x(m), 0, mr.guest->id);
	case 4:
		mr_note("dom0 unpins %lx", mfn_x(m));
		return mr_pick(2) ? unpin_table(m) :
			ext_of(MMUEXT_UNPIN_TABLE, mfn_x(m), 0, mr.guest->id);
	default:
		mr_note("dom0 updates its own %lx[%u] = %lx", mfn_x(m), slot, a);
		return update(m, slot, a);
	}
}

/* What hardware and programs do meanwhile. */
static inline void mr_hardware(void)
{
	struct vcpu *v = mr.guest->vcpu[mr_pick(2)];
	unsigned int used = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(host_tlb); i++)
		used += host_tlb[i].used;
	if (used > 350)
		for (unsigned int c = 0; c < 3; c++) {
			host_set_cpu(c);
			flush_tlb_local();
		}
	if (!mfn_eq(v->pv.root_kernel, INVALID_MFN))
		hw_touch(v->id, v->pv.root_kernel, mr_va(v));
	if (!mfn_eq(v->pv.root_user, INVALID_MFN))
		hw_touch(v->id, v->pv.root_user, mr_va(v));
	/* dom0's L1 tables count as mapped: own[] is what it runs on */
	for (unsigned int i = 0; i < ARRAY_SIZE(mr.own); i++) {
		u64 e = entries(mr.own[i])[mr_slot()];

		if (type_of(mr.own[i]) == PT_l1 && is_validated(mr.own[i]) && (e & PTE_P) &&
		    mfn_is_ram(pte_mfn(e)))
			host_tlb_fill(2, i << 12, pte_mfn(e), e & PTE_RW);
	}
	switch (mr_pick(6)) {
	case 0:
		mr_store(v, false);
		break;
	case 1:
		mr_store(v, true);
		break;
	case 2 ... 3:
		mr_prepare();
		break;
	}
}

/* A tree in frames 0-7 to begin with, so that not all has to be found by chance. */
static inline void mr_seed_tree(void)
{
	mfn_t *m = mr.m;

	poke(m[0], 0, m[1], RW);
	poke(m[1], 0, m[2], RW);
	poke(m[2], 0, m[3], RW);
	poke(m[2], 1, m[4], RW);
	for (int i = 0; i < 3; i++) {
		poke(m[3], i, m[2 + i], RO);
		poke(m[4], i, m[5 + i], RW);
	}
	host_set_cpu(0);
	assert_int_equal(ext(MMUEXT_NEW_BASEPTR, m[0]), 0);
	host_set_cpu(2);
	assert_int_equal(pin_table(mr.own[0], PT_l1), 0);
}

static inline void mmu_random_begin(void)
{
	memset(&mr, 0, sizeof(mr));
	world_begin(1024, 3);
	mr.dom0 = world_domain(0, 1);
	mr.guest = world_domain(1, 2);
	for (unsigned int c = 0; c < 2; c++) {
		host_set_cpu(c);
		world_run(mr.guest->vcpu[c]);
	}
	host_set_cpu(2);
	world_run(mr.dom0->vcpu[0]);
	mr.guest->dirty_cpus = BIT(0) | BIT(1);
	mr.dom0->dirty_cpus = BIT(2);
	for (int i = 0; i < MR_FRAMES; i++)
		mr.m[i] = new_page(mr.guest);
	for (unsigned int i = 0; i < ARRAY_SIZE(mr.own); i++)
		mr.own[i] = new_page(mr.dom0);
	mr_seed_tree();
}

/* Promotions mark their children while these have no parent yet: as many as the domain counts. */
static inline const char *mr_fresh(const struct domain *d)
{
	unsigned int n = 0;

	for (u64 i = 0; i < max_page; i++)
		if (frame_table[i].flags & PGF_fresh && frame_table[i].owner == d->id) {
			n++;
			if (!(frame_table[i].flags & PGF_cached))
				return "a fresh table is not among the unused ones";
		}
	return n == d->nr_fresh ? NULL : "fresh tables were miscounted";
}

static inline void mmu_random_step(bool audit_now)
{
	long rc;

	mr.steps++;
	host_arg_reset();
	if (!mr_pick(8))		/* somebody wants this CPU: long operations stop and go on */
		memset(host_softirq, 1, sizeof(host_softirq));
	rc = mr_pick(4) ? mr_guest_op() : mr_foreign_op();
	memset(host_softirq, 0, sizeof(host_softirq));
	mr.done += !rc;
	if (locks_held())
		mr_require("a lock is still held");
	mr_require(hw_check(mr.guest));
	mr_require(mr_fresh(mr.guest));
	mr_hardware();
	mr_require(hw_stale());
	if (audit_now && audit_all())
		mr_require(host_last_message);
}

static inline void mmu_random_end(void)
{
	for (unsigned int c = 3; c--;) {
		host_set_cpu(c);
		host_set_current(idle_vcpu[c]);
	}
	vcpu_pause(mr.dom0->vcpu[0]);		/* off its run queue */
	host_arg_reset();
	assert_int_equal(audit_all(), 0);
	/* each may map frames of the other: only with both gone all is free */
	world_kill(mr.guest);
	world_kill(mr.dom0);
	world_end();
}

#endif
