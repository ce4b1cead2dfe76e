/* SPDX-License-Identifier: MIT */
/*
 * pv/mmu_update.c: P6. Pins, roots, flushes, the LDT, copies; whose frames; counts and continuations.
 */
#include "tables.h"
#include <hv/evtchn.h>

static struct domain *d, *e;
static struct tree t;
static mfn_t m;

/* dom0 runs on CPU 1, the guest's two vcpus on CPUs 0 and 2. */
static void begin(void)
{
	world_begin(4096, 3);
	e = world_domain(0, 1);
	d = world_domain(1, 2);
	host_set_cpu(2);
	world_run(d->vcpu[1]);
	host_set_cpu(1);
	world_run(e->vcpu[0]);
	host_set_cpu(0);
	world_run(d->vcpu[0]);
	d->dirty_cpus = BIT(0) | BIT(2);
	e->dirty_cpus = BIT(1);
	t = new_tree(d);
	m = new_page(d);
}

static void pins(void **state)
{
	begin();
	poke(t.l1, 0, m, RW);
	assert_int_equal(pin_table(t.l4, PT_l4), 0);
	assert_int_equal(pg_of(t.l4)->word & PG_pinned, PG_pinned);
	assert_int_equal(refs_of(t.l4), 2);
	assert_int_equal(types_of(t.l4), 1);
	assert_int_equal(pin_table(t.l4, PT_l4), -EINVAL);	/* once only */
	assert_int_equal(types_of(t.l4), 1);
	assert_int_equal(pin_table(t.l4, PT_l3), -EINVAL);	/* another level */
	assert_int_equal(pin_table(t.l2, PT_l2), 0);
	assert_int_equal(types_of(t.l2), 2);
	assert_int_equal(pin_table(m, PT_l1), -EINVAL);		/* mapped writable */
	assert_int_equal(pin_table(_mfn(max_page), PT_l1), -EINVAL);
	assert_int_equal(pin_table(INVALID_MFN, PT_l1), -EINVAL);
	assert_int_equal(pin_table(new_page(e), PT_l1), -EINVAL);
	assert_int_equal(pin_table(d->shared_info_mfn, PT_l1), -EINVAL);
	assert_int_equal(unpin_table(t.l3), -EINVAL);
	assert_int_equal(unpin_table(_mfn(max_page)), -EINVAL);
	assert_int_equal(unpin_table(m), -EINVAL);
	assert_sound(d);
	assert_int_equal(unpin_table(t.l4), 0);
	assert_int_equal(unpin_table(t.l4), -EINVAL);
	assert_int_equal(unpin_table(t.l2), 0);
	/* a frame that does not belong to its domain any more is no table for it */
	assert_true(get_page(pg_of(m), d));
	assert_false(is_validated(t.l4) && !is_cached(t.l4));
	put_page(pg_of(m));
	tables_end(d);
}

/* The toolstack pins for the guest that it builds; nobody else may. */
static void foreign_pins(void **state)
{
	mfn_t other;

	begin();
	other = new_page(e);
	assert_int_equal(ext_of(MMUEXT_PIN_L1_TABLE, mfn_x(other), 0, 0), -EPERM);
	assert_int_equal(ext_of(MMUEXT_PIN_L1_TABLE, mfn_x(t.l1), 0, 1), -EINVAL);	/* itself, by number */
	host_set_cpu(1);
	assert_int_equal(ext_of(MMUEXT_PIN_L4_TABLE, mfn_x(t.l4), 0, 1), 0);
	assert_int_equal(types_of(t.l1), 1);
	assert_int_equal(ext_of(MMUEXT_PIN_L1_TABLE, mfn_x(other), 0, 1), -EINVAL);
	assert_int_equal(unpin_table(t.l4), -EINVAL);
	assert_int_equal(ext_of(MMUEXT_UNPIN_TABLE, mfn_x(t.l4), 0, 1), 0);
	assert_int_equal(ext_of(MMUEXT_PIN_L1_TABLE, mfn_x(t.l1), 0, 9), -ESRCH);
	assert_int_equal(ext_of(MMUEXT_PIN_L1_TABLE, mfn_x(t.l1), 0, DOMID_IO), -EPERM);
	assert_int_equal(ext_of(MMUEXT_UNPIN_TABLE, mfn_x(t.l1), 0, DOMID_IO), -EPERM);
	assert_int_equal(ext_of(MMUEXT_NEW_BASEPTR, mfn_x(t.l4), 0, 1), -EPERM);
	assert_int_equal(ext_of(MMUEXT_NEW_USER_BASEPTR, mfn_x(t.l4), 0, 1), -EPERM);
	assert_int_equal(ext_of(MMUEXT_SET_LDT, 0, 0, 1), -EPERM);
	assert_int_equal(ext_of(MMUEXT_CLEAR_PAGE, mfn_x(m), 0, DOMID_IO), -EPERM);
	/* the hypervisor's own frames that dom0 may map */
	assert_int_equal(ext_of(MMUEXT_PIN_L1_TABLE, mfn_x(m), 0, DOMID_XEN), -EINVAL);
	assert_int_equal(ext_of(MMUEXT_UNPIN_TABLE, mfn_x(m), 0, DOMID_XEN), -EINVAL);
	assert_int_equal(ext_of(MMUEXT_CLEAR_PAGE, mfn_x(m), 0, DOMID_XEN), -EINVAL);
	assert_int_equal(d->refs, 2);			/* its frames and its table entry: none is left over */
	host_set_cpu(0);
	tables_end(d);
}

static void flushes(void **state)
{
	u64 bitmap = 2, va = 0x7000, none = 0;

	begin();
	memset(&host_log, 0, sizeof(host_log));
	assert_int_equal(ext_of(MMUEXT_TLB_FLUSH_LOCAL, 0, 0, DOMID_SELF), 0);
	assert_int_equal(host_log.local_flushes, 1);
	assert_int_equal(ext_of(MMUEXT_INVLPG_LOCAL, va, 0, DOMID_SELF), 0);
	assert_int_equal(host_log.va_flushes, 1);
	assert_int_equal(ext_of(MMUEXT_INVLPG_LOCAL, HV_VIRT_START, 0, DOMID_SELF), 0);
	assert_int_equal(host_log.va_flushes, 1);	/* not the hypervisor's */
	assert_int_equal(ext_of(MMUEXT_TLB_FLUSH_ALL, 0, 0, DOMID_SELF), 0);
	assert_int_equal(host_log.flush_mask, BIT(0) | BIT(2));
	assert_int_equal(host_log.flush_va, FLUSH_ALL);
	assert_int_equal(ext_of(MMUEXT_INVLPG_ALL, va, 0, DOMID_SELF), 0);
	assert_int_equal(host_log.flush_va, va);
	assert_int_equal(ext_of(MMUEXT_TLB_FLUSH_MULTI, 0, host_arg(&bitmap, 8), DOMID_SELF), 0);
	assert_int_equal(host_log.flush_mask, BIT(2));
	assert_int_equal(host_log.flush_va, FLUSH_ALL);
	assert_int_equal(ext_of(MMUEXT_INVLPG_MULTI, va, host_arg(&bitmap, 8), DOMID_SELF), 0);
	assert_int_equal(host_log.flush_mask, BIT(2));
	assert_int_equal(host_log.flush_va, va);
	bitmap = ~0UL;					/* more than there are vcpus */
	assert_int_equal(ext_of(MMUEXT_INVLPG_MULTI, va, host_arg(&bitmap, 8), DOMID_SELF), 0);
	assert_int_equal(host_log.flush_mask, BIT(0) | BIT(2));
	d->vcpu[1]->processor = 1;			/* a CPU that has nothing of d */
	assert_int_equal(ext_of(MMUEXT_INVLPG_MULTI, va, host_arg(&bitmap, 8), DOMID_SELF), 0);
	assert_int_equal(host_log.flush_mask, BIT(0));
	d->vcpu[1]->processor = 2;
	assert_int_equal(ext_of(MMUEXT_TLB_FLUSH_MULTI, 0, host_arg(&none, 8), DOMID_SELF), 0);
	assert_int_equal(host_log.flush_mask, 0);
	assert_int_equal(ext_of(MMUEXT_TLB_FLUSH_MULTI, 0, 0x500, DOMID_SELF), -EFAULT);
	tables_end(d);
}

static void caches(void **state)
{
	begin();
	assert_int_equal(ext_of(MMUEXT_FLUSH_CACHE, 0, 0, DOMID_SELF), -EPERM);
	assert_int_equal(ext_of(MMUEXT_FLUSH_CACHE_GLOBAL, 0, 0, DOMID_SELF), -EPERM);
	iorange_permit(&d->iomem, 0x1000, 0x1000);
	assert_int_equal(ext_of(MMUEXT_FLUSH_CACHE, 0, 0, DOMID_SELF), 0);
	assert_int_equal(ext_of(MMUEXT_FLUSH_CACHE_GLOBAL, 0, 0, DOMID_SELF), 0);
	host_set_cpu(1);
	assert_int_equal(ext_of(MMUEXT_FLUSH_CACHE, 0, 0, DOMID_SELF), 0);
	host_set_cpu(0);
	tables_end(d);
}

static void clear_and_copy(void **state)
{
	mfn_t n, other;

	begin();
	n = new_page(d);
	other = new_page(e);
	memset(entries(m), 0x77, PAGE_SIZE);
	assert_int_equal(ext_of(MMUEXT_COPY_PAGE, mfn_x(n), mfn_x(m), DOMID_SELF), 0);
	assert_int_equal(entries(n)[511], 0x7777777777777777UL);
	assert_int_equal(ext(MMUEXT_CLEAR_PAGE, n), 0);
	assert_int_equal(entries(n)[0] | entries(n)[511], 0);
	assert_int_equal(ext_of(MMUEXT_COPY_PAGE, mfn_x(n), mfn_x(other), DOMID_SELF), -EINVAL);
	assert_int_equal(ext_of(MMUEXT_COPY_PAGE, mfn_x(n), max_page, DOMID_SELF), -EINVAL);
	assert_int_equal(ext_of(MMUEXT_COPY_PAGE, mfn_x(other), mfn_x(m), DOMID_SELF), -EINVAL);
	assert_int_equal(ext(MMUEXT_CLEAR_PAGE, other), -EINVAL);
	assert_int_equal(ext(MMUEXT_CLEAR_PAGE, _mfn(max_page)), -EINVAL);
	assert_int_equal(pin_table(t.l4, PT_l4), 0);
	assert_int_equal(ext(MMUEXT_CLEAR_PAGE, t.l1), -EINVAL);
	assert_int_equal(ext_of(MMUEXT_COPY_PAGE, mfn_x(t.l2), mfn_x(m), DOMID_SELF), -EINVAL);
	assert_int_equal(ext_of(MMUEXT_COPY_PAGE, mfn_x(m), mfn_x(t.l4), DOMID_SELF), 0);	/* reading is fine */
	assert_int_equal(types_of(m) + types_of(n), 0);
	assert_int_equal(refs_of(m) + refs_of(n), 2);
	assert_int_equal(unpin_table(t.l4), 0);
	assert_int_equal(ext(MMUEXT_CLEAR_PAGE, t.l4), 0);	/* unused: it stops being a table */
	assert_int_equal(type_of(t.l4), PT_writable);
	tables_end(d);
}

static void unknown_operations(void **state)
{
	begin();
	assert_int_equal(ext_of(MMUEXT_MARK_SUPER, 0, 0, DOMID_SELF), -EOPNOTSUPP);
	assert_int_equal(ext_of(MMUEXT_UNMARK_SUPER, 0, 0, DOMID_SELF), -EOPNOTSUPP);
	assert_int_equal(ext_of(99, 0, 0, DOMID_SELF), -ENOSYS);
	assert_int_equal(ext_of(~0U, 0, 0, DOMID_SELF), -ENOSYS);
	tables_end(d);
}

/* The list is done in order, up to the first error; *done says how far. */
static void counts(void **state)
{
	struct mmuext_op op[5] = {
		{ .cmd = MMUEXT_PIN_L1_TABLE, .arg1.mfn = mfn_x(t.l1) }, { .cmd = MMUEXT_TLB_FLUSH_LOCAL },
		{ .cmd = MMUEXT_UNPIN_TABLE }, { .cmd = 99 }, { .cmd = MMUEXT_TLB_FLUSH_LOCAL },
	};
	u64 at, done;

	begin();
	op[0].arg1.mfn = op[2].arg1.mfn = mfn_x(t.l1);
	at = host_arg(op, sizeof(op));
	done = host_arg(NULL, 4);
	memset(&host_log, 0, sizeof(host_log));
	assert_int_equal(do_mmuext_op(at, 5, done, DOMID_SELF, 0, 0), -ENOSYS);
	assert_int_equal(*(u32 *)host_arg_ptr(done), 3);
	assert_int_equal(host_log.local_flushes, 1);
	assert_int_equal(do_mmuext_op(at, 0, done, DOMID_SELF, 0, 0), 0);
	assert_int_equal(*(u32 *)host_arg_ptr(done), 0);
	assert_int_equal(do_mmuext_op(0x500, 2, done, DOMID_SELF, 0, 0), -EFAULT);
	assert_int_equal(do_mmuext_op(at, 2, 0x500, DOMID_SELF, 0, 0), -EFAULT);
	assert_int_equal(unpin_table(t.l1), 0);
	tables_end(d);
}

/* Preempted whenever it looks: the same end, and *done counts all. */
static void preemption(void **state)
{
	struct mmuext_op op[100];
	u64 at, done;
	unsigned int calls = 1;
	long rc;

	begin();
	for (unsigned int i = 0; i < ARRAY_SIZE(op); i++)
		op[i] = (struct mmuext_op){ .cmd = i & 1 ? MMUEXT_UNPIN_TABLE : MMUEXT_PIN_L1_TABLE,
					    .arg1.mfn = mfn_x(t.l1) };
	at = host_arg(op, sizeof(op));
	done = host_arg(NULL, 4);
	host_softirq[0] = 1;
	rc = do_mmuext_op(at, 100, done, DOMID_SELF, 0, 0);
	while (rc == -ERESTART) {
		struct cpu_user_regs *r = guest_regs();

		calls++;
		assert_int_equal(r->rax, __HYPERVISOR_mmuext_op);
		assert_true(r->rsi & MMU_UPDATE_PREEMPTED);
		rc = do_mmuext_op(r->rdi, r->rsi, r->rdx, r->r10, r->r8, 0);
	}
	host_softirq[0] = 0;
	assert_int_equal(rc, 0);
	assert_true(calls > 5);
	assert_int_equal(*(u32 *)host_arg_ptr(done), 100);
	assert_int_equal(types_of(t.l1), 0);
	tables_end(d);
}

static void ldt(void **state)
{
	mfn_t seg;

	begin();
	seg = new_page(d);
	poke(t.l1, 0, seg, RO);
	poke(t.l1, 1, m, RW);
	assert_int_equal(ext(MMUEXT_NEW_BASEPTR, t.l4), 0);
	assert_int_equal(ext_of(MMUEXT_SET_LDT, 0, 512, DOMID_SELF), 0);
	assert_int_equal(type_of(seg), PT_seg);
	assert_int_equal(update(t.l1, 2, make_pte(seg, RW)), -EINVAL);	/* no writable view of it */
	assert_int_equal(ext_of(MMUEXT_SET_LDT, 0, 1024, DOMID_SELF), -EINVAL);	/* m is writable */
	assert_int_equal(d->vcpu[0]->pv.ldt_ents, 512);
	assert_int_equal(ext_of(MMUEXT_SET_LDT, 8, 1, DOMID_SELF), -EINVAL);
	assert_int_equal(ext_of(MMUEXT_SET_LDT, HV_VIRT_START, 1, DOMID_SELF), -EINVAL);
	assert_int_equal(ext_of(MMUEXT_SET_LDT, 0, 8193, DOMID_SELF), -EINVAL);
	assert_sound(d);
	assert_int_equal(ext_of(MMUEXT_SET_LDT, 0, 0, DOMID_SELF), 0);
	assert_int_equal(types_of(seg), 0);
	assert_int_equal(update(t.l1, 2, make_pte(seg, RW)), 0);
	tables_end(d);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(pins),
		cmocka_unit_test(foreign_pins),
		cmocka_unit_test(flushes),
		cmocka_unit_test(caches),
		cmocka_unit_test(clear_and_copy),
		cmocka_unit_test(unknown_operations),
		cmocka_unit_test(counts),
		cmocka_unit_test(preemption),
		cmocka_unit_test(ldt),
	};

	return host_main(tests);
}
