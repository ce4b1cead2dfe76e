/* SPDX-License-Identifier: MIT */
/*
 * Job:    build dom0: its image, memory, initial mapping, start_info, the first vcpu's registers.
 * Enter:  build_dom0() from boot/start.c, once, alone.
 * Holds:  DB1  the initial page tables are read-only in the initial mapping, validated and pinned.
 *         DB2  pt_base..+nr_pt_frames are contiguous in pfn: L4, L3s, L2s, L1s.
 *         DB3  the initrd's frames become dom0's where the loader put them: no copy.
 * Tests:  tests/linux (every kernel), tests/guests (all are dom0 kernels)
 *
 * The initial mapping, from virt_base up (pfn 0 is at virt_base):
 *	kernel | initrd if it wants it mapped | p2m if it has no address of its own | start_info |
 *	page tables | stack | slack of at least 512 KiB up to a 4 MiB boundary
 * and after it in pfn: the p2m's tables and frames, the initrd, all other memory.
 */
#include <hv/control.h>
#include <hv/image.h>
#include <hv/options.h>
#include <hv/page_alloc.h>
#include <hv/l1.h>
#include <hv/regs.h>
#include <hv/string.h>

#define MAP_FLAGS (PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D)

struct build {
	struct domain *d;
	struct elf_kernel k;
	void *image;			/* the unpacked kernel, until dom0 has its own copy */
	unsigned int image_order;
	u32 *p2m;			/* mfn of each pfn; 0: none yet */
	u64 nr_pages;
	u64 v_start;			/* virtual address of pfn 0 */
	u64 nr_mapped;			/* pfns in the initial mapping */
	u64 si_pfn, pt_pfn, nr_pt, stack_pfn;
	u64 initrd_pfn, initrd_pages;
	mfn_t initrd_mfn;
	u64 p2m_va, p2m_pfn, p2m_pages;	/* pages: with its tables when it is outside */
	u64 p2m_list_pfn;
	u64 next_table;			/* pfn of the next page table to take */
};

static const char no_memory[] =
	"not enough memory to build dom0: give the machine more, or dom0 less (dom0_mem=)";

static void *pfn_ptr(struct build *b, u64 pfn)
{
	return mfn_to_virt(_mfn(b->p2m[pfn]));
}

/* Unpack the first module and look at it; its own memory is free afterwards. */
static const char *load_image(struct build *b, const struct boot_module *m)
{
	const char *why;
	struct payload p;

	if ((m[0].start | m[1].start) & ~PAGE_MASK)
		return "The modules are not page aligned: the loader ignored the multiboot header";
	why = find_kernel(maddr_to_virt(m->start), m->end - m->start, &p);
	if (why)
		return why;
	b->image_order = order_of(p.unpacked);
	b->image = alloc_hv_pages(b->image_order);
	if (!b->image)
		return "kernel: no contiguous memory to unpack it; give the machine more";
	why = unpack_kernel(&p, b->image);
	if (why)
		return why;
	page_alloc_add(_mfn(PFN_DOWN(m->start)), _mfn(PFN_UP(m->end)));
	return elf_parse(b->image, p.unpacked, &b->k);
}

/* How many pages dom0 gets: as asked, else all but a reserve for the hypervisor's own later needs. */
static u64 dom0_pages(const struct build *b)
{
	u64 avail = free_page_count() + b->initrd_pages + BIT(b->image_order), n, keep;

	n = opt_dom0_mem.size ? PFN_DOWN(opt_dom0_mem.size) : avail - min(avail / 16, PFN_DOWN(MiB(128)));
	n = max(n, PFN_DOWN(opt_dom0_mem.min));
	n = min(n, opt_dom0_mem.max ? PFN_DOWN(opt_dom0_mem.max) : n);
	/* what the builder itself needs now: p2m copy, page-table and heap slack */
	keep = min(n / 1024 + 512 + PFN_DOWN(MiB(4)), avail);
	if (n > avail - keep) {
		log_warn("dom0_mem: %lu MiB were asked for, %lu MiB are free: dom0 gets %lu MiB\n",
			 n >> 8, avail >> 8, (avail - keep) >> 8);
		n = avail - keep;
	}
	return n;
}

static int add_page(struct build *b, u64 pfn, mfn_t mfn)
{
	b->p2m[pfn] = (u32)mfn_x(mfn);
	set_m2p(mfn, pfn);
	return assign_page(b->d, mfn_to_page(mfn), false);
}

/* pfns [from, to) get the initrd's frames or fresh ones, in blocks as large as there are. */
static int populate(struct build *b, u64 from, u64 to)
{
	unsigned int order;
	struct page_info *pg;
	u64 n, stop;

	while (from < to) {
		if (b->initrd_pages && from == b->initrd_pfn) {
			pg = mfn_to_page(b->initrd_mfn);
			n = b->initrd_pages;
		} else {
			stop = from < b->initrd_pfn ? min(to, b->initrd_pfn) : to;
			order = min((unsigned int)MAX_ORDER, 63 - (unsigned int)__builtin_clzl(stop - from));
			while (!(pg = alloc_pages(order, 0, 0)))
				if (!order--)
					return -ENOMEM;
			n = BIT(order);
		}
		for (; n; n--, pg++)
			if (add_page(b, from++, page_to_mfn(pg)))
				return -ENOMEM;
	}
	return 0;
}

/* elf_parse() has checked that the segments lie in [virt_start, virt_end) */
static void put_segment(void *ctx, u64 va, const void *src, u64 filesz, u64 memsz)
{
	struct build *b = ctx;
	u64 off = va - b->v_start, part, data;
	u8 *dst;

	for (; memsz; memsz -= part, off += part) {
		part = min(memsz, PAGE_SIZE - (off & ~PAGE_MASK));
		data = min(part, filesz);
		dst = (u8 *)pfn_ptr(b, off >> PAGE_SHIFT) + (off & ~PAGE_MASK);
		memcpy(dst, src, data);
		memset(dst + data, 0, part - data);
		src = (const u8 *)src + data;
		filesz -= data;
	}
}

/* Tables of one level (1..3) for that many pages at va. */
static u64 tables_at(u64 va, u64 pages, unsigned int level)
{
	u64 reach = BIT(12 + 9 * level);

	return DIV_ROUND_UP((va & (reach - 1)) + pages * PAGE_SIZE, reach);
}

static u64 tables_for(u64 va, u64 pages)
{
	return tables_at(va, pages, 3) + tables_at(va, pages, 2) + tables_at(va, pages, 1);
}

static u64 take(u64 *pfn, u64 n)
{
	*pfn += n;
	return *pfn - n;
}

/* Returns the number of pfns that have a purpose. */
static u64 lay_out(struct build *b)
{
	u64 list = PFN_UP(b->nr_pages * 8), pfn, end;

	b->v_start = b->k.virt_base;
	pfn = PFN_UP(b->k.virt_end - b->v_start);
	if (!b->k.mod_start_pfn && b->initrd_pages)
		b->initrd_pfn = take(&pfn, b->initrd_pages);
	if (b->k.init_p2m == ELF_UNSET) {
		b->p2m_pages = list;
		b->p2m_pfn = b->p2m_list_pfn = take(&pfn, list);
		b->p2m_va = b->v_start + b->p2m_pfn * PAGE_SIZE;
	}
	b->si_pfn = take(&pfn, 1);
	b->pt_pfn = pfn;
	/* the tables map themselves: grow until it fits */
	do {
		b->stack_pfn = b->pt_pfn + ++b->nr_pt;
		end = b->v_start + (b->stack_pfn + 1) * PAGE_SIZE + KiB(512);
		b->nr_mapped = (ROUND_UP(end, MiB(4)) - b->v_start) >> PAGE_SHIFT;
	} while (b->nr_pt < 1 + tables_for(b->v_start, b->nr_mapped));
	pfn = b->nr_mapped;
	if (b->k.init_p2m != ELF_UNSET) {
		b->p2m_va = b->k.init_p2m;
		b->p2m_pfn = take(&pfn, tables_for(b->p2m_va, list));
		b->p2m_list_pfn = take(&pfn, list);
		b->p2m_pages = pfn - b->p2m_pfn;
	}
	if (b->k.mod_start_pfn && b->initrd_pages)
		b->initrd_pfn = take(&pfn, b->initrd_pages);
	return pfn;
}

/* The entry for va in its table of that level; missing tables above it are made. */
static u64 *entry(struct build *b, u64 va, unsigned int level)
{
	u64 *t = pfn_ptr(b, b->pt_pfn);

	for (unsigned int l = 4; l > level; l--) {
		t += (va >> (9 * l + 3)) & 511;
		if (!(*t & PTE_P)) {
			memset(pfn_ptr(b, b->next_table), 0, PAGE_SIZE);
			*t = make_pte(_mfn(b->p2m[b->next_table++]), MAP_FLAGS);
		}
		t = mfn_to_virt(pte_mfn(*t));
	}
	return t + ((va >> (9 * level + 3)) & 511);
}

/* Tables level by level, so that their order is L3s, L2s, L1s (DB2). */
static void map_pages(struct build *b, u64 va, u64 pfn, u64 pages)
{
	u64 flags;

	for (unsigned int level = 3; level; level--)
		for (u64 i = 0; i < tables_at(va, pages, level); i++)
			entry(b, va + (i << (12 + 9 * level)), level);
	for (u64 i = 0; i < pages; i++, pfn++) {
		flags = pfn - b->pt_pfn < b->nr_pt ? MAP_FLAGS & ~PTE_RW : MAP_FLAGS;
		*entry(b, va + i * PAGE_SIZE, 1) = make_pte(_mfn(b->p2m[pfn]), flags);
	}
}

static int build_tables(struct build *b)
{
	struct page_info *pg = mfn_to_page(_mfn(b->p2m[b->pt_pfn]));
	int rc;

	memset(pfn_ptr(b, b->pt_pfn), 0, PAGE_SIZE);
	b->next_table = b->pt_pfn + 1;
	map_pages(b, b->v_start, 0, b->nr_mapped);
	b->next_table = b->p2m_pfn;
	if (b->k.init_p2m != ELF_UNSET)
		map_pages(b, b->p2m_va, b->p2m_list_pfn, PFN_UP(b->nr_pages * 8));
	do {
		mmu_lock(b->d);
		rc = get_table(b->d, page_to_mfn(pg), PT_l4);
		mmu_unlock(b->d);
	} while (rc == -ERESTART);
	if (!rc)
		atomic_or(&pg->word, PG_pinned);
	return rc;
}

static void fill_p2m(struct build *b)
{
	u64 *list;

	for (u64 pfn = 0; pfn < ROUND_UP(b->nr_pages, 512); pfn++) {
		list = pfn_ptr(b, b->p2m_list_pfn + pfn / 512);
		list[pfn % 512] = pfn < b->nr_pages ? b->p2m[pfn] : ~0UL;
	}
}

/*
 * On UEFI machines the ACPI root pointer is nowhere that Linux searches. It does look where the
 * word at 0x40e points (the BIOS's EBDA): that is in dom0's own pfn 0, so put a copy there.
 */
static void place_rsdp(struct build *b, const struct boot_info *bi)
{
	u8 *low = pfn_ptr(b, 0);
	const u16 segment = 0x50;

	if (!bi->efi || !bi->rsdp_len)
		return;
	memcpy(low + 0x40e, &segment, sizeof(segment));
	memcpy(low + segment * 16, bi->rsdp, bi->rsdp_len);
}

/* What the screen shows now goes right behind start_info; si's page is all zeroes. */
static void place_vga_info(struct start_info *si, const struct boot_info *bi)
{
	struct dom0_vga_console_info *info = (void *)(si + 1);
	const struct boot_video *v = &bi->video;

	if (!v->linear && bi->efi)
		return;
	if (v->linear) {
		info->video_type = bi->efi ? XEN_VGATYPE_EFI_LFB : XEN_VGATYPE_VESA_LFB;
		info->u.vesa_lfb = (typeof(info->u.vesa_lfb)){
			.width = (u16)v->width, .height = (u16)v->height, .bits_per_pixel = v->bpp,
			.bytes_per_line = (u16)v->pitch, .lfb_base = (u32)v->addr,
			.ext_lfb_base = (u32)(v->addr >> 32),
			.lfb_size = (u32)DIV_ROUND_UP((u64)v->pitch * v->height, 65536),
			.red_pos = v->colour[0], .red_size = v->colour[1],
			.green_pos = v->colour[2], .green_size = v->colour[3],
			.blue_pos = v->colour[4], .blue_size = v->colour[5] };
	} else {
		info->video_type = XEN_VGATYPE_TEXT_MODE_3;
		info->u.text_mode_3 = (typeof(info->u.text_mode_3)){
			.font_height = 16, .rows = 25, .columns = 80, .cursor_y = 24 };
	}
	si->console.dom0.info_off = sizeof(*si);
	si->console.dom0.info_size = sizeof(*info);
}

static void fill_start_info(struct build *b, const struct boot_info *bi)
{
	struct start_info *si = pfn_ptr(b, b->si_pfn);
	int len;

	memset(si, 0, PAGE_SIZE);
	*si = (struct start_info){
		.magic = "xen-3.0-x86_64", .nr_pages = b->nr_pages,
		.shared_info = mfn_x(b->d->shared_info_mfn) << PAGE_SHIFT,
		.flags = SIF_INITDOMAIN | SIF_PRIVILEGED | SIF_VIRT_P2M_4TOOLS,
		.pt_base = b->v_start + b->pt_pfn * PAGE_SIZE, .nr_pt_frames = b->nr_pt,
		.mfn_list = b->p2m_va, .first_p2m_pfn = b->p2m_pfn, .nr_p2m_frames = b->p2m_pages };
	if (b->initrd_pages) {
		si->mod_len = bi->modules[1].end - bi->modules[1].start;
		si->mod_start = b->initrd_pfn;
		if (b->k.mod_start_pfn)
			si->flags |= SIF_MOD_START_PFN;
		else
			si->mod_start = b->v_start + b->initrd_pfn * PAGE_SIZE;
	}
	len = snprintf((char *)si->cmd_line, sizeof(si->cmd_line), "%s%s%s", bi->modules[0].cmdline,
		       *options_dom0_extra ? " " : "", options_dom0_extra);
	if (len >= (int)sizeof(si->cmd_line))
		log_warn("dom0's command line is cut: it has %d characters, %d fit\n", len,
			 (int)sizeof(si->cmd_line) - 1);
	place_vga_info(si, bi);
}

static int start_vcpu(struct build *b, struct vcpu *v)
{
	u64 stack = b->v_start + (b->stack_pfn + 1) * PAGE_SIZE;

	v->pv.in_kernel = 1;
	v->pv.kernel_sp = stack;
	v->pv.kernel_ss = GUEST_SS;
	v->regs = (struct cpu_user_regs){
		.rip = b->k.entry, .cs = GUEST_CS64, .rsp = stack, .ss = GUEST_SS,
		.rsi = b->v_start + b->si_pfn * PAGE_SIZE, .rflags = X86_RFLAGS_IF | X86_RFLAGS_MBS };
	v->vcpu_info->evtchn_upcall_mask = 1;
	v->initialised = true;
	atomic_and(&v->pause_flags, ~(u32)VPF_down);	/* the domain itself is still paused */
	return set_kernel_root(v, _mfn(b->p2m[b->pt_pfn]));
}

const char *build_dom0(const struct boot_info *bi)
{
	const struct boot_module *m = bi->modules;
	struct build build = { 0 }, *b = &build;
	unsigned int i, vcpus = (unsigned int)__builtin_popcountl(cpu_online_map);
	struct vcpu *v;
	const char *why;

	if (!bi->nr_modules)
		return "No dom0 kernel: give it as the first module (GRUB: module2 /vmlinuz ...; "
		       "QEMU: -initrd \"vmlinuz args,initrd\")";
	why = load_image(b, m);
	if (why)
		return why;
	b->initrd_mfn = _mfn(PFN_DOWN(m[1].start));
	b->initrd_pages = PFN_UP(m[1].end - m[1].start);
	b->nr_pages = dom0_pages(b);
	if (b->nr_pages < PFN_DOWN(opt_dom0_mem.min))
		return "dom0_mem: less memory is free (or its max: is less) than its min: asks for; ask for less";
	vcpus = min(vcpus, opt_dom0_max_vcpus.max ?: vcpus);
	vcpus = max(vcpus, opt_dom0_max_vcpus.min);
	if (domain_create(0, true, vcpus, &b->d))
		return no_memory;
	hardware_domain = b->d;
	b->d->max_pages = !opt_dom0_mem.max ? ~0U : (u32)max(PFN_DOWN(opt_dom0_mem.max), b->nr_pages);
	if (lay_out(b) + PFN_DOWN(MiB(8)) > b->nr_pages)
		return "dom0 memory is too small for its kernel and initrd: give a larger dom0_mem=";
	b->p2m = alloc_hv_pages(order_of(b->nr_pages * sizeof(u32)));
	if (!b->p2m || populate(b, 0, b->nr_mapped))
		return no_memory;
	elf_load(&b->k, put_segment, b);
	free_hv_pages(b->image, b->image_order);
	if (populate(b, b->nr_mapped, b->nr_pages))
		return no_memory;
	if (b->k.hypercall_page != ELF_UNSET)
		arch_fill_hypercall_page(pfn_ptr(b, (b->k.hypercall_page - b->v_start) >> PAGE_SHIFT));
	fill_p2m(b);
	fill_start_info(b, bi);
	place_rsdp(b, bi);
	if (build_tables(b))
		return "dom0's initial page tables do not validate (a hypervisor bug)";
	for (i = 0; i < vcpus; i++)
		if (vcpu_create(b->d, i, &v))
			return no_memory;
	if (start_vcpu(b, b->d->vcpu[0]))
		return "dom0's first vcpu cannot be set up (a hypervisor bug)";
	free_hv_pages(b->p2m, order_of(b->nr_pages * sizeof(u32)));
	log_info("dom0: kernel %s at %lx, %lu MiB, %u vcpus, initrd %lu KiB at pfn %lx\n",
		 b->k.guest_os, b->k.entry, b->nr_pages >> 8, vcpus, b->initrd_pages * 4,
		 b->initrd_pfn);
	return NULL;
}
