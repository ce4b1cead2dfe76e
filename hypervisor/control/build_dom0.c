/* SPDX-License-Identifier: MIT */
/*
 * Building dom0: memory, initial mapping, start_info, the first vcpu's registers.
 *
 * Job:    what a Linux kernel finds when it starts as a PV hardware domain (checklist: image and
 *         loading, start_info, page tables).
 * Enter:  boot/start.c, once.
 * State:  none that lasts.
 * Locks:  boot runs alone.
 * Holds:  DB1  the initial page tables are read-only in the initial mapping, validated and pinned.
 *         DB2  pt_base..+nr_pt_frames are contiguous in pfn: L4, L3, L2s, L1s.
 *         DB3  the initrd's frames become dom0's where the loader put them: no copy.
 * Tests:  tests/linux (every kernel), tests/guests (all are dom0 kernels)
 *
 * The initial mapping, from virt_base up (pfn 0 is at virt_base):
 *	kernel | initrd if it wants it mapped | p2m if it has no address of its own | start_info |
 *	page tables | stack | slack of at least 512 KiB up to a 4 MiB boundary
 * and after it in pfn: the p2m's tables and frames, the initrd, all other memory.
 */
#include <xen.h>
#include <hv/build_dom0.h>
#include <hv/clock.h>
#include <hv/debug.h>
#include <hv/elf.h>
#include <hv/errno.h>
#include <hv/page_alloc.h>
#include <hv/pv.h>
#include <hv/regs.h>
#include <hv/string.h>

struct build {
	struct domain *d;
	struct elf_kernel k;
	u32 *p2m;			/* mfn of each pfn */
	u64 nr_pages;
	u64 v_start;			/* virtual address of pfn 0 */
	u64 nr_mapped;			/* pfns in the initial mapping */
	u64 si_pfn, pt_pfn, nr_pt, stack_pfn;
	u64 initrd_pfn, initrd_pages;
	u64 p2m_va, p2m_pfn, p2m_pages;	/* pages: with its tables when it is outside */
	u64 p2m_list_pfn;
};

static void *pfn_ptr(struct build *b, u64 pfn)
{
	return mfn_to_virt(_mfn(b->p2m[pfn]));
}

/* --- memory --- */

/* pfns [from, to) get fresh frames, in blocks as large as there are. */
static int populate(struct build *b, u64 from, u64 to)
{
	unsigned int order = MAX_ORDER;
	struct page_info *pg;
	u64 i, n;

	while (from < to) {
		while (BIT(order) > to - from)
			order--;
		pg = alloc_pages(order, 0, 0);
		if (!pg) {
			if (!order--)
				return -ENOMEM;
			continue;
		}
		n = BIT(order);
		for (i = 0; i < n; i++, from++) {
			b->p2m[from] = (u32)mfn_x(page_to_mfn(pg + i));
			if (assign_page(b->d, pg + i, false))
				return -ENOMEM;
			set_m2p(_mfn(b->p2m[from]), from);
		}
	}
	return 0;
}

/* The same without the initrd's pfns, which have frames already. */
static int populate_around_initrd(struct build *b, u64 from, u64 to)
{
	u64 start = max(b->initrd_pfn, from), end = max(b->initrd_pfn + b->initrd_pages, from);
	int rc;

	if (!b->initrd_pages)
		start = end = from;
	start = min(start, to);
	end = min(end, to);
	rc = populate(b, from, start);
	return rc ? rc : populate(b, end, to);
}

static int adopt_initrd(struct build *b, const struct dom0_params *p)
{
	u64 i, mfn = PFN_DOWN(p->initrd_start);

	for (i = 0; i < b->initrd_pages; i++) {
		b->p2m[b->initrd_pfn + i] = (u32)(mfn + i);
		if (assign_page(b->d, mfn_to_page(_mfn(mfn + i)), false))
			return -ENOMEM;
		set_m2p(_mfn(mfn + i), b->initrd_pfn + i);
	}
	return 0;
}

static int put_segment(void *ctx, u64 va, const void *src, u64 filesz, u64 memsz)
{
	struct build *b = ctx;
	u64 off = va - b->v_start, part, data;
	u8 *dst;

	/* elf_parse() has checked that the segments lie in [virt_start, virt_end) */
	while (memsz) {
		part = min(memsz, PAGE_SIZE - (off & ~PAGE_MASK));
		data = min(part, filesz);
		dst = (u8 *)pfn_ptr(b, off >> PAGE_SHIFT) + (off & ~PAGE_MASK);
		memcpy(dst, src, data);
		memset(dst + data, 0, part - data);
		src = (const u8 *)src + data;
		filesz -= data;
		memsz -= part;
		off += part;
	}
	return 0;
}

/* --- layout --- */

static u64 tables_for(u64 va, u64 pages, unsigned int *l3, unsigned int *l2)
{
	u64 end = va + pages * PAGE_SIZE - 1;

	*l3 = (unsigned int)((end >> 39) - (va >> 39)) + 1;
	*l2 = (unsigned int)((end >> 30) - (va >> 30)) + 1;
	return *l3 + *l2 + (end >> 21) - (va >> 21) + 1;
}

static void lay_out(struct build *b, const struct dom0_params *p)
{
	u64 list = PFN_UP(b->nr_pages * 8), pfn, n;
	unsigned int l3, l2;

	b->v_start = b->k.virt_base;
	b->initrd_pages = PFN_UP(p->initrd_len);
	pfn = PFN_UP(b->k.virt_end - b->v_start);
	if (!b->k.mod_start_pfn && b->initrd_pages) {
		b->initrd_pfn = pfn;
		pfn += b->initrd_pages;
	}
	if (b->k.init_p2m == ELF_UNSET) {
		b->p2m_pfn = b->p2m_list_pfn = pfn;
		b->p2m_va = b->v_start + pfn * PAGE_SIZE;
		b->p2m_pages = list;
		pfn += list;
	}
	b->si_pfn = pfn++;
	b->pt_pfn = pfn;
	/* the tables map themselves: grow until it fits */
	for (n = 4;; n++) {
		u64 end = b->v_start + (pfn + n + 1) * PAGE_SIZE + KiB(512);

		b->nr_mapped = (ROUND_UP(end, MiB(4)) - b->v_start) >> PAGE_SHIFT;
		b->nr_pt = 1 + tables_for(b->v_start, b->nr_mapped, &l3, &l2);
		if (b->nr_pt <= n)
			break;
	}
	b->stack_pfn = b->pt_pfn + b->nr_pt;
	pfn = b->nr_mapped;
	if (b->k.init_p2m != ELF_UNSET) {
		b->p2m_va = b->k.init_p2m;
		b->p2m_pfn = pfn;
		n = tables_for(b->p2m_va, list, &l3, &l2);
		b->p2m_list_pfn = pfn + n;
		b->p2m_pages = n + list;
		pfn += b->p2m_pages;
	}
	if (b->k.mod_start_pfn && b->initrd_pages) {
		b->initrd_pfn = pfn;
		pfn += b->initrd_pages;
	}
}

/* --- initial page tables --- */

#define MAP_FLAGS (PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D)

struct table_pool { struct build *b; u64 next; };

/* The table below t[i], taken from the pool when there is none. */
static u64 *child(struct table_pool *pool, u64 *t, unsigned int i)
{
	u64 pfn;

	if (!(t[i] & PTE_P)) {
		pfn = pool->next++;
		memset(pfn_ptr(pool->b, pfn), 0, PAGE_SIZE);
		t[i] = make_pte(_mfn(pool->b->p2m[pfn]), MAP_FLAGS);
	}
	return mfn_to_virt(pte_mfn(t[i]));
}

/* Tables level by level, so that the pool's order is L3s, L2s, L1s (DB2). */
static void make_tables(struct table_pool *pool, u64 *l4, u64 va, u64 pages)
{
	unsigned int level;
	u64 a, end = va + pages * PAGE_SIZE - 1, step;
	u64 *t;

	for (level = 3; level; level--) {
		step = BIT(12 + 9 * level);
		for (a = va & ~(step - 1); a <= end && a >= (va & ~(step - 1)); a += step) {
			t = child(pool, l4, L4_INDEX(a));
			if (level < 3)
				t = child(pool, t, L3_INDEX(a));
			if (level < 2)
				child(pool, t, L2_INDEX(a));
		}
	}
}

static u64 *l1_entry(u64 *l4, u64 va)
{
	u64 *t = mfn_to_virt(pte_mfn(l4[L4_INDEX(va)]));

	t = mfn_to_virt(pte_mfn(t[L3_INDEX(va)]));
	t = mfn_to_virt(pte_mfn(t[L2_INDEX(va)]));
	return t + L1_INDEX(va);
}

static int build_tables(struct build *b)
{
	struct table_pool pool = { b, b->pt_pfn + 1 };
	u64 *l4 = pfn_ptr(b, b->pt_pfn), pfn, list = PFN_UP(b->nr_pages * 8);
	struct page_info *pg = mfn_to_page(_mfn(b->p2m[b->pt_pfn]));
	int rc;

	memset(l4, 0, PAGE_SIZE);
	make_tables(&pool, l4, b->v_start, b->nr_mapped);
	for (pfn = 0; pfn < b->nr_mapped; pfn++)
		*l1_entry(l4, b->v_start + pfn * PAGE_SIZE) =
			make_pte(_mfn(b->p2m[pfn]), pfn >= b->pt_pfn && pfn < b->pt_pfn + b->nr_pt ?
				 MAP_FLAGS & ~PTE_RW : MAP_FLAGS);
	if (b->k.init_p2m != ELF_UNSET) {
		pool.next = b->p2m_pfn;
		make_tables(&pool, l4, b->p2m_va, list);
		for (pfn = 0; pfn < list; pfn++)
			*l1_entry(l4, b->p2m_va + pfn * PAGE_SIZE) =
				make_pte(_mfn(b->p2m[b->p2m_list_pfn + pfn]), MAP_FLAGS);
	}
	mmu_lock(b->d);
	while ((rc = promote_tree(b->d, pg, PT_l4)) == -ERESTART) {
		mmu_unlock(b->d);
		mmu_lock(b->d);
	}
	if (!rc)
		rc = get_page_and_type(pg, b->d, PT_l4);
	if (!rc)
		atomic_or(&pg->word, PG_pinned);
	mmu_unlock(b->d);
	return rc;
}

static void fill_p2m(struct build *b)
{
	u64 pfn;

	for (pfn = 0; pfn < b->nr_pages; pfn++)
		((u64 *)pfn_ptr(b, b->p2m_list_pfn + pfn / 512))[pfn % 512] = b->p2m[pfn];
	for (; pfn % 512; pfn++)
		((u64 *)pfn_ptr(b, b->p2m_list_pfn + pfn / 512))[pfn % 512] = ~0UL;
}

/* --- start_info and registers --- */

/*
 * On UEFI machines the ACPI root pointer is nowhere that Linux searches. It does look where the
 * word at 0x40e points (the BIOS's EBDA): that is in dom0's own pfn 0, so put a copy there.
 */
static void place_rsdp(struct build *b, const struct dom0_params *p)
{
	u8 *low = pfn_ptr(b, 0);
	const u16 segment = 0x50;

	if (!p->rsdp_len)
		return;
	memcpy(low + 0x40e, &segment, sizeof(segment));
	memcpy(low + segment * 16, p->rsdp, p->rsdp_len);
}

static void fill_start_info(struct build *b, const struct dom0_params *p)
{
	struct start_info *si = pfn_ptr(b, b->si_pfn);

	memset(si, 0, PAGE_SIZE);
	strlcpy(si->magic, "xen-3.0-x86_64", sizeof(si->magic));
	si->nr_pages = b->nr_pages;
	si->shared_info = mfn_x(b->d->shared_info_mfn) << PAGE_SHIFT;
	si->flags = SIF_INITDOMAIN | SIF_PRIVILEGED;
	si->flags |= SIF_VIRT_P2M_4TOOLS;
	si->pt_base = b->v_start + b->pt_pfn * PAGE_SIZE;
	si->nr_pt_frames = b->nr_pt;
	si->mfn_list = b->p2m_va;
	si->first_p2m_pfn = b->p2m_pfn;
	si->nr_p2m_frames = b->p2m_pages;
	if (p->initrd_len) {
		si->mod_len = p->initrd_len;
		si->mod_start = b->initrd_pfn;
		if (b->k.mod_start_pfn)
			si->flags |= SIF_MOD_START_PFN;
		else
			si->mod_start = b->v_start + b->initrd_pfn * PAGE_SIZE;
	}
	strlcpy((char *)si->cmd_line, p->cmdline, sizeof(si->cmd_line));
	if (p->vga && p->vga_size && sizeof(*si) + p->vga_size <= PAGE_SIZE) {
		si->console.dom0.info_off = sizeof(*si);
		si->console.dom0.info_size = (u32)p->vga_size;
		memcpy(si + 1, p->vga, p->vga_size);
	}
}

static int start_vcpu(struct build *b, struct vcpu *v)
{
	struct cpu_user_regs *r = &v->regs;
	u64 si = b->v_start + b->si_pfn * PAGE_SIZE;
	u64 stack = b->v_start + (b->stack_pfn + 1) * PAGE_SIZE;
	int rc;

	v->pv.in_kernel = 1;
	rc = set_kernel_root(v, _mfn(b->p2m[b->pt_pfn]));
	if (rc)
		return rc;
	v->pv.kernel_sp = stack;
	v->pv.kernel_ss = GUEST_SS;
	v->pv.ctrlreg0 = X86_CR0_PG | X86_CR0_WP | X86_CR0_NE | X86_CR0_ET | X86_CR0_MP |
			 X86_CR0_PE;
	memset(r, 0, sizeof(*r));
	r->rip = b->k.entry;
	r->rsi = si;
	r->rsp = stack;
	r->cs = GUEST_CS64;
	r->ss = GUEST_SS;
	r->rflags = X86_RFLAGS_IF | X86_RFLAGS_MBS;
	v->vcpu_info->evtchn_upcall_mask = 1;
	v->initialised = true;
	atomic_and(&v->pause_flags, ~(u32)VPF_down);	/* the domain itself is still paused */
	pv_update_direct(v);
	return 0;
}

/* --- sizes --- */

/* How many pages dom0 gets: as asked, else all but a reserve for the hypervisor's own later needs. */
static u64 dom0_pages(const struct dom0_params *p)
{
	u64 avail = free_page_count() + PFN_UP(p->initrd_len) + p->release_pages, keep, n;

	keep = min(avail / 16, MiB(128) >> PAGE_SHIFT);
	n = p->mem_pages ? p->mem_pages : avail - keep;
	if (p->mem_min && n < p->mem_min)
		n = p->mem_min;
	if (p->mem_max && n > p->mem_max)
		n = p->mem_max;
	/* what the builder itself needs now: p2m copy, page-table and heap slack */
	keep = n / 1024 + 512 + (MiB(4) >> PAGE_SHIFT);
	if (n + keep > avail) {
		log_warn("dom0_mem: %lu MiB were asked for, %lu MiB are free: dom0 gets %lu MiB\n",
			 n >> 8, avail >> 8, (avail - min(keep, avail)) >> 8);
		n = avail - min(keep, avail);
	}
	return n;
}

int build_dom0(const struct dom0_params *p, const char **why)
{
	struct build build = { 0 }, *b = &build;
	unsigned int order = 0, i;
	struct vcpu *v;
	u64 need;
	int rc;

	rc = elf_parse(p->kernel, p->kernel_len, &b->k, why);
	if (rc)
		return rc;
	b->nr_pages = dom0_pages(p);
	rc = domain_create(0, true, p->max_vcpus, &b->d);
	if (rc) {
		*why = "no memory for dom0's structures";
		return rc;
	}
	hardware_domain = b->d;
	b->d->max_pages = p->mem_max ? (u32)max(p->mem_max, b->nr_pages) : ~0U;
	lay_out(b, p);
	need = max(b->nr_mapped, b->initrd_pfn + b->initrd_pages);
	need = max(need, b->p2m_pfn + b->p2m_pages);
	if (need + (MiB(8) >> PAGE_SHIFT) > b->nr_pages) {
		*why = "dom0 memory is too small for its kernel and initrd: give a larger dom0_mem= or "
		       "the machine more memory";
		return -ENOMEM;
	}
	while (PAGE_SIZE << order < b->nr_pages * sizeof(u32))
		order++;
	b->p2m = alloc_hv_pages(order);
	*why = "not enough contiguous memory to build dom0";
	if (!b->p2m)
		return -ENOMEM;
	rc = adopt_initrd(b, p);
	if (!rc)
		rc = populate_around_initrd(b, 0, b->nr_mapped);
	if (!rc)
		rc = elf_load(&b->k, put_segment, b);
	p->release(p->release_arg);
	if (!rc)
		rc = populate_around_initrd(b, b->nr_mapped, b->nr_pages);
	if (rc)
		return rc;
	if (b->k.hypercall_page != ELF_UNSET)
		arch_fill_hypercall_page(pfn_ptr(b, (b->k.hypercall_page - b->v_start) >> PAGE_SHIFT));
	fill_p2m(b);
	fill_start_info(b, p);
	place_rsdp(b, p);
	rc = build_tables(b);
	if (rc) {
		*why = "dom0's initial page tables do not validate (a hypervisor bug)";
		return rc;
	}
	for (i = 0; i < p->max_vcpus; i++) {
		rc = vcpu_create(b->d, i, &v);
		if (rc) {
			*why = "no memory for dom0's vcpus";
			return rc;
		}
	}
	rc = start_vcpu(b, b->d->vcpu[0]);
	*why = "dom0's first vcpu cannot be set up";
	free_hv_pages(b->p2m, order);
	if (rc)
		return rc;
	log_info("dom0: kernel %s at %lx, %lu MiB, %u vcpus, initrd %lu KiB at pfn %lx\n",
		 b->k.guest_os, b->k.entry, b->nr_pages >> 8, p->max_vcpus, p->initrd_len >> 10,
		 b->initrd_pfn);
	return 0;
}
