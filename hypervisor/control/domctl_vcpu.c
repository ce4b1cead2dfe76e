/* SPDX-License-Identifier: MIT */
/*
 * Job:    domctl about vcpus: what they hold, where they may run; memory by their addresses.
 * Enter:  domctl_vcpu() from control/domctl.c.
 * Locks:  none; contexts are touched with the domain paused.
 * Tests:  tests/host/test_domctl.c, tests/guests/domains.c
 */
#include <hv/control.h>
#include <hv/page_alloc.h>
#include <hv/l1.h>
#include <hv/regs.h>
#include <hv/string.h>

/* --- bitmaps of the toolstack's: any length, bits beyond ours are lost or 0 --- */

static long read_bitmap(const struct xenctl_bitmap *b, u64 *out)
{
	*out = 0;
	if (copy_from_guest(out, _gva(b->bitmap), min(DIV_ROUND_UP((u64)b->nr_bits, 8), 8UL)))
		return -EFAULT;
	if (b->nr_bits < 64)
		*out &= BIT(b->nr_bits) - 1;
	return 0;
}

long write_bitmap(const struct xenctl_bitmap *b, u64 bits)
{
	u64 i, bytes = DIV_ROUND_UP((u64)b->nr_bits, 8);
	u8 byte;

	for (i = 0; i < min(bytes, 4096UL); i++) {
		byte = i < 8 ? (u8)(bits >> (8 * i)) : 0;
		if (copy_to_guest(_gva(b->bitmap + i), &byte, 1))
			return -EFAULT;
	}
	return 0;
}

/* --- affinity --- */

static long set_affinity(struct vcpu *v, struct xen_domctl_vcpuaffinity *a)
{
	u64 hard = v->sched.hard_affinity, soft = v->sched.soft_affinity;
	long rc = 0;

	if (v->pinned && (a->flags & XEN_VCPUAFFINITY_HARD) && !(a->flags & XEN_VCPUAFFINITY_FORCE))
		return -EBUSY;
	if (a->flags & XEN_VCPUAFFINITY_HARD)
		rc = read_bitmap(&a->cpumap_hard, &hard);
	if (!rc && (a->flags & XEN_VCPUAFFINITY_SOFT))
		rc = read_bitmap(&a->cpumap_soft, &soft);
	if (!rc && sched_set_affinity(v, hard, soft))
		rc = refuse(-EINVAL, "d%uv%u: no CPU of %lx is there", v->domain->id, v->id, hard);
	if (!rc && (a->flags & XEN_VCPUAFFINITY_HARD))
		rc = write_bitmap(&a->cpumap_hard, hard & cpu_online_map);
	if (!rc && (a->flags & XEN_VCPUAFFINITY_SOFT))
		rc = write_bitmap(&a->cpumap_soft, soft & hard & cpu_online_map);
	return rc;
}

static long get_affinity(struct vcpu *v, struct xen_domctl_vcpuaffinity *a)
{
	long rc = 0;

	if (a->flags & XEN_VCPUAFFINITY_HARD)
		rc = write_bitmap(&a->cpumap_hard, v->sched.hard_affinity);
	if (!rc && (a->flags & XEN_VCPUAFFINITY_SOFT))
		rc = write_bitmap(&a->cpumap_soft, v->sched.soft_affinity);
	return rc;
}

static long scheduler_op(struct domain *d, struct xen_domctl_scheduler_op *s)
{
	struct xen_domctl_sched_credit2 *p = &s->u.credit2;

	if (s->sched_id != XEN_SCHEDULER_CREDIT2)
		return refuse(-EINVAL, "scheduler %u: ours has credit2's parameters", s->sched_id);
	if (s->cmd == XEN_DOMCTL_SCHEDOP_getinfo) {
		*p = (struct xen_domctl_sched_credit2){ d->sched.weight, d->sched.cap };
		return 0;
	}
	if (s->cmd != XEN_DOMCTL_SCHEDOP_putinfo)
		return -EINVAL;
	/* as credit2: 0 leaves the weight, ~0 leaves the cap */
	return sched_set_params(d, p->weight ?: d->sched.weight,
				p->cap == (u16)~0 ? d->sched.cap : p->cap);
}

/* --- contexts --- */

static void fill_context(struct vcpu *v, struct vcpu_guest_context *c)
{
	const struct pv_vcpu *p = &v->pv;

	c->flags = VGCF_i387_valid | (p->in_kernel ? VGCF_in_kernel : 0) |
		(v->pause_flags & VPF_down ? 0 : VGCF_online) |
		(p->failsafe_masks_events ? VGCF_failsafe_disables_events : 0) |
		(p->syscall_masks_events ? VGCF_syscall_disables_events : 0);
	arch_get_fpu(v, c->fpu_ctxt.x);
	c->user_regs = v->regs;
	c->user_regs.rflags = (c->user_regs.rflags & ~(3UL << 12)) | (u64)p->iopl << 12;
	memcpy(c->trap_ctxt, p->traps, sizeof(c->trap_ctxt));
	c->ldt_base = p->ldt_base;
	c->ldt_ents = p->ldt_ents;
	c->gdt_ents = p->gdt_ents;
	for (unsigned int i = 0; i < DIV_ROUND_UP(p->gdt_ents, 512); i++)
		c->gdt_frames[i] = mfn_x(p->gdt_frames[i]);
	c->kernel_ss = p->kernel_ss;
	c->kernel_sp = p->kernel_sp;
	c->ctrlreg[0] = GUEST_CR0 | (p->ts ? X86_CR0_TS : 0);
	c->ctrlreg[1] = mfn_eq(p->root_user, INVALID_MFN) ? 0 : xen_pfn_to_cr3(mfn_x(p->root_user));
	c->ctrlreg[3] = mfn_eq(p->root_kernel, INVALID_MFN) ? 0 :
		xen_pfn_to_cr3(mfn_x(p->root_kernel));
	c->ctrlreg[4] = p->ctrlreg4;
	for (unsigned int i = 0; i < 8; i++)
		c->debugreg[i] = i == 4 || i == 5 ? 0 : p->dr[i];
	c->event_callback_eip = p->event_entry;
	c->failsafe_callback_eip = p->failsafe_entry;
	c->syscall_callback_eip = p->syscall_entry;
	c->vm_assist = p->vm_assist;
	c->fs_base = arch_get_segment_base(v, SEGBASE_FS);
	c->gs_base_kernel = arch_get_segment_base(v, SEGBASE_GS_KERNEL);
	c->gs_base_user = arch_get_segment_base(v, SEGBASE_GS_USER);
}

/* The domain is the caller's or paused: v does not run. */
static long context(struct vcpu *v, const struct xen_domctl_vcpucontext *op, bool set)
{
	struct vcpu_guest_context *c;
	long rc = 0;

	if (v->domain == current_vcpu()->domain)
		return refuse(-EINVAL, "a domain's own vcpu context");
	if (!op->ctxt)
		return refuse(-EOPNOTSUPP, "a vcpu cannot be reset");
	c = hv_new(struct vcpu_guest_context);
	if (!c)
		return -ENOMEM;
	domain_pause(v->domain);
	if (set) {
		if (copy_from_guest(c, _gva(op->ctxt), sizeof(*c)))
			rc = -EFAULT;
		else
			rc = set_vcpu_context(v, c);
	} else if (!v->initialised) {
		rc = -ENODATA;
	} else {
		fill_context(v, c);
		if (copy_to_guest(_gva(op->ctxt), c, sizeof(*c)))
			rc = -EFAULT;
	}
	domain_unpause(v->domain);
	hv_free(c);
	return rc;
}

static long ext_context(struct vcpu *v, struct xen_domctl_ext_vcpucontext *e, bool set)
{
	struct pv_vcpu *p = &v->pv;

	if (!set) {
		e->size = offsetof(struct xen_domctl_ext_vcpucontext, mcg_cap);
		e->sysenter_callback_cs = e->syscall32_callback_cs = FLAT_USER_CS;
		e->sysenter_callback_eip = p->sysenter_entry;
		e->sysenter_disables_events = p->sysenter_masks_events;
		e->syscall32_callback_eip = p->syscall32_entry;
		e->syscall32_disables_events = p->syscall32_masks_events;
		return 0;
	}
	if (e->size < offsetof(struct xen_domctl_ext_vcpucontext, mcg_cap))
		return -EINVAL;
	if (!is_canonical(e->sysenter_callback_eip) || !is_canonical(e->syscall32_callback_eip))
		return refuse(-EINVAL, "callbacks at %lx, %lx", e->sysenter_callback_eip,
			      e->syscall32_callback_eip);
	p->sysenter_entry = e->sysenter_callback_eip;
	p->sysenter_masks_events = e->sysenter_disables_events;
	p->syscall32_entry = e->syscall32_callback_eip;
	p->syscall32_masks_events = e->syscall32_disables_events;
	return 0;
}

static long vcpu_info(const struct vcpu *v, struct xen_domctl_getvcpuinfo *i)
{
	i->online = !(v->pause_flags & VPF_down);
	i->blocked = !!(v->pause_flags & VPF_blocked);
	i->running = v->sched.running;
	i->cpu_time = vcpu_cpu_time(v);
	i->cpu = v->processor;
	return 0;
}

/* --- its memory, by the addresses of its first vcpu's kernel --- */

/* One page's part. False: nothing is mapped there, or it may not be written. */
static bool memio_page(struct domain *d, const struct xen_domctl_gdbsx_memio *m, size_t n)
{
	struct page_info *pg = NULL;
	char *at;
	u64 *l1p;
	int rc;

	mmu_lock(d);
	l1p = walk_l1(d->vcpu[0], m->gva);
	if (l1p && (*l1p & PTE_P) && mfn_is_ram(pte_mfn(*l1p)) && get_page(mfn_to_page(pte_mfn(*l1p)), d))
		pg = mfn_to_page(pte_mfn(*l1p));
	mmu_unlock(d);
	if (!pg)
		return false;
	at = (char *)mfn_to_virt(page_to_mfn(pg)) + (m->gva & ~PAGE_MASK);
	if (!m->gwr) {
		rc = copy_to_guest(_gva(m->uva), at, n);
	} else {
		rc = get_page_writable(pg, d) ? 0 : -EACCES;
		if (!rc) {
			rc = copy_from_guest(at, _gva(m->uva), n);
			put_page_writable(pg);
		}
	}
	put_page(pg);
	return !rc;
}

/* remain: bytes not done. When preempted the structure has been moved on. */
static long memio(struct domain *d, struct xen_domctl_gdbsx_memio *m)
{
	unsigned int pages = 0;
	size_t n;

	if (m->pgd3val || !d->vcpu[0])
		return refuse(-EINVAL, "memory of d%u by page tables other than its own", d->id);
	while (m->len) {
		n = min((size_t)m->len, PAGE_SIZE - (m->gva & ~PAGE_MASK));
		if (!memio_page(d, m, n))
			break;
		m->len -= (u32)n;
		m->gva += n;
		m->uva += n;
		if (!(++pages & 31) && m->len && hypercall_preempt())
			return -ERESTART;
	}
	m->remain = m->len;
	return m->len ? -EFAULT : 0;
}

long domctl_vcpu(struct domain *d, struct xen_domctl *op)
{
	/* those about one vcpu all begin with its number */
	struct vcpu *v = domain_vcpu(d, op->u.vcpucontext.vcpu);

	switch (op->cmd) {
	case XEN_DOMCTL_scheduler_op:
		return scheduler_op(d, &op->u.scheduler_op);
	case XEN_DOMCTL_setnodeaffinity:	/* one node: nothing to choose */
		return 0;
	case XEN_DOMCTL_getnodeaffinity:
		return write_bitmap(&op->u.nodeaffinity.nodemap, 1);
	case XEN_DOMCTL_get_cpu_policy:
		return get_cpu_policy(d, &op->u.cpu_policy);
	case XEN_DOMCTL_set_cpu_policy:
		return set_cpu_policy(d, &op->u.cpu_policy);
	case XEN_DOMCTL_gdbsx_guestmemio:
		return memio(d, &op->u.gdbsx_guest_memio);
	case XEN_DOMCTL_getvcpuinfo:
		return v ? vcpu_info(v, &op->u.getvcpuinfo) : -ESRCH;
	case XEN_DOMCTL_setvcpuaffinity:
		return v ? set_affinity(v, &op->u.vcpuaffinity) : -ESRCH;
	case XEN_DOMCTL_getvcpuaffinity:
		return v ? get_affinity(v, &op->u.vcpuaffinity) : -ESRCH;
	case XEN_DOMCTL_setvcpucontext:
	case XEN_DOMCTL_getvcpucontext:
		return !v ? -ESRCH : context(v, &op->u.vcpucontext,
					     op->cmd == XEN_DOMCTL_setvcpucontext);
	case XEN_DOMCTL_set_ext_vcpucontext:
	case XEN_DOMCTL_get_ext_vcpucontext:
		return !v ? -ESRCH : ext_context(v, &op->u.ext_vcpucontext,
						 op->cmd == XEN_DOMCTL_set_ext_vcpucontext);
	}
	return refuse(-ENOSYS, "domctl %u", op->cmd);
}
