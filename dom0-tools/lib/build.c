/* SPDX-License-Identifier: MIT */
/*
 * The PV domain builder.
 *
 * Job:    give a new domain its pages, its kernel, ramdisk, p2m, start_info and page tables, and its
 *         first vCPU its registers. Few hypercalls: one or a few populate calls, one mapping of what
 *         is not the kernel, one pin, one context; then the hypervisor copies the kernel by its own
 *         addresses, where a mapping of so much memory would cost more than all the rest.
 * Enter:  build_domain() from lib/create.c.
 * State:  none.
 * Holds:  guest-physical order: kernel, (mapped ramdisk), (p2m), start_info, store ring, console ring,
 *         page tables with the L4 first, boot stack, (p2m of INIT_P2M), (unmapped ramdisk). The
 *         initial mapping covers 0 to the stack and at least 512 KiB more, up to a multiple of 4 MiB.
 *         No page of the domain is mapped here any more when its tables are pinned and it runs.
 * Tests:  tests/tools-tests (on a machine)
 */
#include <errno.h>
#include <immintrin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <pv-abi/grant_table.h>
#include <pv-abi/memory.h>
#include "build.h"
#include "err.h"
#include "hyper.h"

#define SLACK (512UL << 10)
#define MAP_ALIGN (4UL << 20)
#define SUPER_ORDER 9
#define SUPER (1UL << SUPER_ORDER)
#define CHUNK 8192UL			/* extents in one populate call */
#define PIECE (256UL << 10)		/* of a file, read at once */
#define FEW_PAGES 1024UL		/* so many are unmapped sooner than a process is made */

#define PTE_L1 0x63UL			/* present, writable, accessed, dirty */
#define PTE_RO 0x61UL
#define PTE_TABLE 0x67UL		/* and user */

struct region {
	uint64_t va, pages, pfn;
};

struct table {
	unsigned int level;
	uint64_t va;			/* of its first entry */
};

struct layout {
	struct build *b;
	uint64_t nr_pages;
	xen_pfn_t *p2m;
	uint64_t first;			/* pfn behind the kernel, where our mapping starts */
	uint64_t kernel_end;		/* pfn */
	uint64_t ramdisk, ramdisk_pages, p2m_pfn, p2m_pages, p2m_va;
	uint64_t start_info, store, console, pt, stack, end;	/* pfns */
	struct region regions[2];
	unsigned int nr_regions;
	struct table *tables;
	unsigned int nr_tables;
	uint8_t *map;			/* of pfns first to end, then shared_info */
};

static uint64_t pages_of(uint64_t bytes)
{
	return (bytes + PAGE - 1) / PAGE;
}

/*
 * Copies and clears by plain vector moves, which cost the same everywhere; string instructions are
 * slow where they are emulated.
 */
__attribute__((target("avx")))
static size_t copy_avx(uint8_t *dst, const uint8_t *src, size_t len)
{
	size_t i;

	for (i = 0; i + 256 <= len; i += 256) {
		const __m256i *s = (const __m256i *)(src + i);
		__m256i *d = (__m256i *)(dst + i);
		__m256i x0 = _mm256_loadu_si256(s), x1 = _mm256_loadu_si256(s + 1);
		__m256i x2 = _mm256_loadu_si256(s + 2), x3 = _mm256_loadu_si256(s + 3);
		__m256i x4 = _mm256_loadu_si256(s + 4), x5 = _mm256_loadu_si256(s + 5);
		__m256i x6 = _mm256_loadu_si256(s + 6), x7 = _mm256_loadu_si256(s + 7);

		_mm256_storeu_si256(d, x0);
		_mm256_storeu_si256(d + 1, x1);
		_mm256_storeu_si256(d + 2, x2);
		_mm256_storeu_si256(d + 3, x3);
		_mm256_storeu_si256(d + 4, x4);
		_mm256_storeu_si256(d + 5, x5);
		_mm256_storeu_si256(d + 6, x6);
		_mm256_storeu_si256(d + 7, x7);
	}
	return i;
}

__attribute__((target("avx")))
static size_t clear_avx(uint8_t *dst, size_t len)
{
	__m256i zero = _mm256_setzero_si256();
	size_t i;

	for (i = 0; i + 256 <= len; i += 256)
		for (unsigned int k = 0; k < 256; k += 32)
			_mm256_storeu_si256((__m256i *)(dst + i + k), zero);
	return i;
}

static void copy(uint8_t *dst, const uint8_t *src, size_t len)
{
	size_t done = __builtin_cpu_supports("avx") ? copy_avx(dst, src, len) : 0;

	for (; done + 16 <= len; done += 16)
		_mm_storeu_si128((__m128i *)(dst + done), _mm_loadu_si128((const __m128i *)(src + done)));
	memcpy(dst + done, src + done, len - done);
}

static void clear(uint8_t *dst, size_t len)
{
	size_t done = __builtin_cpu_supports("avx") ? clear_avx(dst, len) : 0;

	for (; done + 16 <= len; done += 16)
		_mm_storeu_si128((__m128i *)(dst + done), _mm_setzero_si128());
	memset(dst + done, 0, len - done);
}

static uint8_t *at_pfn(const struct layout *l, uint64_t pfn)
{
	return l->map + (pfn - l->first) * PAGE;
}

static uint64_t va_of(const struct layout *l, uint64_t pfn)
{
	return l->b->kernel.virt_base + pfn * PAGE;
}

/* --- layout --- */

static uint64_t span(unsigned int level)
{
	return 1UL << (12 + 9 * level);
}

static struct table *find_table(const struct layout *l, unsigned int level, uint64_t va)
{
	va &= ~(span(level) - 1);
	for (unsigned int i = 0; i < l->nr_tables; i++)
		if (l->tables[i].level == level && (level == 4 || l->tables[i].va == va))
			return &l->tables[i];
	return NULL;
}

static int list_tables(struct layout *l)
{
	unsigned int room = 1;

	for (unsigned int i = 0; i < l->nr_regions; i++)
		room += (unsigned int)(l->regions[i].pages / 512) + 8;
	free(l->tables);
	l->tables = calloc(room, sizeof(*l->tables));
	if (!l->tables)
		return err(ST_NO_MEMORY, "no memory for the tools");
	l->tables[0].level = 4;
	l->nr_tables = 1;
	for (unsigned int level = 3; level; level--)
		for (unsigned int i = 0; i < l->nr_regions; i++) {
			const struct region *r = &l->regions[i];
			uint64_t va = r->va & ~(span(level) - 1);
			uint64_t last = (r->va + r->pages * PAGE - 1) & ~(span(level) - 1);

			for (;; va += span(level)) {
				if (!find_table(l, level, va))
					l->tables[l->nr_tables++] = (struct table){ level, va };
				if (va == last)
					break;
			}
		}
	return 0;
}

/* Everything from the page tables on depends on how many there are. */
static int place_tables(struct layout *l)
{
	const struct kernel *k = &l->b->kernel;
	unsigned int before;
	uint64_t end;

	l->nr_regions = k->init_p2m != NOTE_UNSET ? 2 : 1;
	l->nr_tables = 1;
	do {
		before = l->nr_tables;
		l->stack = l->pt + l->nr_tables;
		end = va_of(l, l->stack + 1) + SLACK;
		end = (end + MAP_ALIGN - 1) & ~(MAP_ALIGN - 1);
		l->regions[0] = (struct region){ k->virt_base, (end - k->virt_base) / PAGE, 0 };
		l->regions[1] = (struct region){ l->p2m_va, l->p2m_pages, l->p2m_pfn };
		if (list_tables(l))
			return -1;
	} while (before != l->nr_tables);
	return 0;
}

static int lay_out(struct layout *l)
{
	const struct build *b = l->b;
	const struct kernel *k = &b->kernel;
	uint64_t next = pages_of(k->virt_end - k->virt_base);

	l->nr_pages = b->cfg->memory_kb / 4;
	l->first = l->kernel_end = next;
	l->ramdisk_pages = pages_of(b->ramdisk_len);
	l->p2m_pages = pages_of(l->nr_pages * 8);
	if (b->ramdisk && !k->mod_start_pfn) {
		l->ramdisk = next;
		next += l->ramdisk_pages;
	}
	if (k->init_p2m == NOTE_UNSET) {
		l->p2m_pfn = next;
		l->p2m_va = va_of(l, next);
		next += l->p2m_pages;
	} else {
		l->p2m_va = k->init_p2m;
	}
	l->start_info = next++;
	l->store = next++;
	l->console = next++;
	l->pt = next;
	if (place_tables(l))
		return -1;
	next = l->stack + 1;
	if (k->init_p2m != NOTE_UNSET) {
		l->p2m_pfn = next;
		l->regions[1].pfn = next;
		next += l->p2m_pages;
	}
	if (b->ramdisk && k->mod_start_pfn) {
		l->ramdisk = next;
		next += l->ramdisk_pages;
	}
	l->end = next;
	if (l->end > l->nr_pages)
		return err(ST_CONFIG, "memory=%lu is too little: kernel and ramdisk alone need %lu MiB",
			   l->nr_pages / 256, (l->end + 255) / 256);
	return 0;
}

/* --- pages --- */

/* Populates count extents of an order from pfn on; returns how many got pages. */
static uint64_t populate(struct layout *l, xen_pfn_t *buf, uint64_t pfn, uint64_t count, unsigned int order)
{
	struct xen_memory_reservation r = {
		.extent_start = hv_handle(buf), .nr_extents = count, .extent_order = order,
		.domid = (domid_t)l->b->domid,
	};
	long done;

	for (uint64_t i = 0; i < count; i++)
		buf[i] = pfn + (i << order);
	done = hv_memory(XENMEM_populate_physmap, &r, sizeof(r));
	for (long i = 0; i < done; i++)
		for (uint64_t j = 0; j < 1UL << order; j++)
			l->p2m[pfn + ((uint64_t)i << order) + j] = buf[i] + j;
	return done > 0 ? (uint64_t)done : 0;
}

static int populate_all(struct layout *l)
{
	xen_pfn_t *buf = hv_buf(CHUNK * sizeof(*buf));
	uint64_t pfn = 0, done, n;

	if (!buf)
		return err(ST_NO_MEMORY, "no memory for hypercalls");
	/* By 2 MiB while there are such pieces, the rest page by page. */
	while (l->nr_pages - pfn >= SUPER) {
		n = (l->nr_pages - pfn) / SUPER;
		n = n < CHUNK ? n : CHUNK;
		done = populate(l, buf, pfn, n, SUPER_ORDER);
		pfn += done * SUPER;
		if (done < n)
			break;
	}
	while (pfn < l->nr_pages) {
		n = l->nr_pages - pfn < CHUNK ? l->nr_pages - pfn : CHUNK;
		done = populate(l, buf, pfn, n, 0);
		pfn += done;
		if (done < n)
			break;
	}
	hv_buf_free(buf);
	if (pfn < l->nr_pages)
		return err(ST_NO_MEMORY, "not enough free memory: %lu MiB are wanted, only %lu could be "
			   "had", l->nr_pages / 256, pfn / 256);
	return 0;
}

static int map_all(struct layout *l, uint64_t shared_info_mfn)
{
	uint64_t n = l->end - l->first;

	/* our copy of the p2m has room for one more, and is put right again */
	xen_pfn_t keep = l->p2m[l->end];

	l->p2m[l->end] = shared_info_mfn;
	l->map = hv_map(l->b->domid, true, n + 1, l->p2m + l->first);
	l->p2m[l->end] = keep;
	if (!l->map)
		return err(ST_FAILED, "mapping the new domain's memory was refused: %s", strerror(errno));
	return 0;
}

/* --- contents --- */

static int copy_in(struct layout *l, uint64_t va, const void *data, uint64_t len)
{
	struct xen_domctl op = { 0 };

	op.u.gdbsx_guest_memio = (struct xen_domctl_gdbsx_memio){
		.gva = va, .uva = (uintptr_t)data, .len = (uint32_t)len, .gwr = 1 };
	return hv_domctl(l->b->domid, XEN_DOMCTL_gdbsx_guestmemio, &op);
}

/*
 * Into the domain's memory by its kernel's addresses. What is in a file is read piece by piece: a
 * mapping of it would cost a trap for each page. -1: this hypervisor, or this file, does not do it.
 */
static int copy_segment(struct layout *l, const struct segment *s)
{
	const struct kernel *k = &l->b->kernel;
	uint64_t done, n, at = (uint64_t)(s->data - (const uint8_t *)k->map);
	bool packed = k->unpacked || !k->map;
	void *buf = packed ? NULL : hv_buf(PIECE);
	int rc = packed || buf ? 0 : -1;

	for (done = 0; !rc && done < s->filesz; done += n) {
		n = s->filesz - done < PIECE ? s->filesz - done : PIECE;
		if (!packed && pread(k->file, buf, n, (off_t)(at + done)) != (ssize_t)n)
			rc = -1;
		else
			rc = copy_in(l, s->va + done, packed ? s->data + done : buf, n);
	}
	hv_buf_free(buf);
	return rc;
}

/* Fresh pages are zero: what lies between the segments stays so. */
static int load_kernel(struct layout *l)
{
	const struct kernel *k = &l->b->kernel;
	uint64_t first = (k->virt_start - k->virt_base) / PAGE, pages = l->kernel_end - first;
	uint8_t *map = NULL;

	for (unsigned int i = 0; i < k->nr_segments; i++) {
		const struct segment *s = &k->segments[i];

		if (!map && !copy_segment(l, s))
			continue;
		if (!map)
			map = hv_map(l->b->domid, true, pages, l->p2m + first);
		if (!map)
			return err(ST_FAILED, "mapping the new domain's memory was refused: %s",
				   strerror(errno));
		copy(map + (s->va - k->virt_base - first * PAGE), s->data, s->filesz);
	}
	hv_unmap(map, pages);
	step("kernel copied");
	return 0;
}

static void load_ramdisk(struct layout *l)
{
	uint64_t len = l->b->ramdisk_len;
	uint8_t *dst;

	if (!l->b->ramdisk)
		return;
	dst = at_pfn(l, l->ramdisk);
	copy(dst, l->b->ramdisk, len);
	clear(dst + len, l->ramdisk_pages * PAGE - len);
}

static void load_start_info(struct layout *l)
{
	const struct build *b = l->b;
	const struct kernel *k = &b->kernel;
	uint8_t *page = at_pfn(l, l->start_info);
	struct start_info *s = (struct start_info *)page;

	clear(page, 3 * PAGE);		/* with both rings */
	memcpy(s->magic, "xen-3.0-x86_64", sizeof("xen-3.0-x86_64"));
	s->nr_pages = l->nr_pages;
	s->flags = SIF_VIRT_P2M_4TOOLS;
	s->store_mfn = l->p2m[l->store];
	s->store_evtchn = b->store_port;
	s->console.domU.mfn = l->p2m[l->console];
	s->console.domU.evtchn = b->console_port;
	s->pt_base = va_of(l, l->pt);
	s->nr_pt_frames = l->nr_tables;
	s->mfn_list = l->p2m_va;
	if (k->init_p2m != NOTE_UNSET) {
		s->first_p2m_pfn = l->p2m_pfn;
		s->nr_p2m_frames = l->p2m_pages;
	}
	if (b->ramdisk) {
		s->mod_start = k->mod_start_pfn ? l->ramdisk : va_of(l, l->ramdisk);
		s->mod_len = b->ramdisk_len;
		s->flags |= k->mod_start_pfn ? SIF_MOD_START_PFN : 0;
	}
	if (b->cfg->cmdline)
		strncpy(s->cmd_line, b->cfg->cmdline, MAX_GUEST_CMDLINE - 1);
}

static void load_shared_info(struct layout *l, uint64_t mfn)
{
	struct shared_info *si = (struct shared_info *)at_pfn(l, l->end);

	for (unsigned int i = 0; i < XEN_LEGACY_MAX_VCPUS; i++)
		si->vcpu_info[i].evtchn_upcall_mask = 1;
	((struct start_info *)at_pfn(l, l->start_info))->shared_info = mfn * PAGE;
}

/* Tables lie in the order of l->tables from l->pt on. */
static void load_tables(struct layout *l)
{
	clear(at_pfn(l, l->pt), (l->nr_tables + 1) * PAGE);	/* with the stack */
	for (unsigned int i = 1; i < l->nr_tables; i++) {
		const struct table *t = &l->tables[i];
		const struct table *up = find_table(l, t->level + 1, t->va);
		uint64_t *e = (uint64_t *)at_pfn(l, l->pt + (uint64_t)(up - l->tables));

		e[t->va / span(t->level) % 512] = l->p2m[l->pt + i] << 12 | PTE_TABLE;
	}
	for (unsigned int r = 0; r < l->nr_regions; r++) {
		const struct region *g = &l->regions[r];
		const struct table *t = NULL;
		uint64_t *e = NULL;

		for (uint64_t i = 0; i < g->pages; i++) {
			uint64_t va = g->va + i * PAGE, pfn = g->pfn + i;

			if (pfn >= l->nr_pages)
				break;
			if (!t || va % span(1) == 0) {
				t = find_table(l, 1, va);
				e = (uint64_t *)at_pfn(l, l->pt + (uint64_t)(t - l->tables));
			}
			e[va / PAGE % 512] = l->p2m[pfn] << 12 |
				(pfn >= l->pt && pfn < l->pt + l->nr_tables ? PTE_RO : PTE_L1);
		}
	}
}

/* --- the machine's side --- */

static int hypercall_page(struct layout *l)
{
	const struct kernel *k = &l->b->kernel;
	struct xen_domctl op = { 0 };

	if (k->hypercall_page == NOTE_UNSET)
		return 0;
	op.u.hypercall_init.gmfn = l->p2m[(k->hypercall_page - k->virt_base) / PAGE];
	if (hv_domctl(l->b->domid, XEN_DOMCTL_hypercall_init, &op))
		return err(ST_FAILED, "filling the hypercall page was refused: %s", strerror(errno));
	return 0;
}

static int pin(struct layout *l)
{
	struct mmuext_op op = { .cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = l->p2m[l->pt] };

	if (hv_mmuext(&op, l->b->domid))
		return err(ST_FAILED, "pinning the initial page tables was refused: %s", strerror(errno));
	return 0;
}

static int set_context(struct layout *l)
{
	struct vcpu_guest_context *c = hv_buf(sizeof(*c));
	struct xen_domctl op = { 0 };
	int rc;

	if (!c)
		return err(ST_NO_MEMORY, "no memory for hypercalls");
	c->flags = VGCF_in_kernel | VGCF_online;
	c->user_regs.rip = l->b->kernel.entry;
	c->user_regs.rsp = va_of(l, l->stack + 1);
	c->user_regs.rsi = va_of(l, l->start_info);
	c->user_regs.rflags = 1 << 9;
	c->user_regs.cs = FLAT_KERNEL_CS64;
	c->user_regs.ss = FLAT_KERNEL_SS64;
	c->kernel_ss = FLAT_KERNEL_SS64;
	c->kernel_sp = c->user_regs.rsp;
	c->ctrlreg[3] = xen_pfn_to_cr3(l->p2m[l->pt]);
	op.u.vcpucontext.vcpu = 0;
	op.u.vcpucontext.ctxt = hv_handle(c);
	rc = hv_domctl(l->b->domid, XEN_DOMCTL_setvcpucontext, &op);
	if (rc)
		err(ST_FAILED, "setting the first registers was refused: %s", strerror(errno));
	hv_buf_free(c);
	return rc;
}

/* The daemons find both rings by grants that the guest did not make. */
static int seed_grants(struct layout *l)
{
	void *token;
	struct grant_entry_v1 *g = hv_map_grants(l->b->domid, &token);

	if (!g)
		return err(ST_FAILED, "mapping the new domain's grant table was refused: %s",
			   strerror(errno));
	g[GNTTAB_RESERVED_CONSOLE] = (struct grant_entry_v1){
		GTF_permit_access, 0, (uint32_t)l->p2m[l->console] };
	g[GNTTAB_RESERVED_XENSTORE] = (struct grant_entry_v1){
		GTF_permit_access, 0, (uint32_t)l->p2m[l->store] };
	hv_unmap_grants(token);
	return 0;
}

static int write_all(struct layout *l, uint64_t shared_info_mfn)
{
	if (map_all(l, shared_info_mfn))
		return -1;
	step("memory mapped");
	load_ramdisk(l);
	step("ramdisk copied");
	copy(at_pfn(l, l->p2m_pfn), (uint8_t *)l->p2m, l->nr_pages * 8);
	clear(at_pfn(l, l->p2m_pfn) + l->nr_pages * 8, l->p2m_pages * PAGE - l->nr_pages * 8);
	load_start_info(l);
	load_tables(l);
	load_shared_info(l, shared_info_mfn);
	step("page tables written");
	return 0;
}

/*
 * Much memory is mapped and written by a child. When a process ends, Linux first makes its page tables
 * plain memory again and then clears them, where munmap() costs a trap for each page.
 */
static int fill(struct layout *l)
{
	struct xen_domctl op = { 0 };
	char text[512] = "";
	int fds[2], status;
	ssize_t n = 0;
	pid_t pid;

	if (hv_domctl(l->b->domid, XEN_DOMCTL_getdomaininfo, &op))
		return err(ST_FAILED, "asking for the new domain was refused: %s", strerror(errno));
	step("memory populated");
	if (l->end - l->first < FEW_PAGES) {
		status = write_all(l, op.u.getdomaininfo.shared_info_frame);
		hv_unmap(l->map, l->end - l->first + 1);
		step("memory unmapped");
		return status;
	}
	fflush(NULL);
	if (pipe(fds))
		return err(ST_FAILED, "no pipe: %s", strerror(errno));
	pid = fork();
	if (!pid) {
		if (hv_reopen() || write_all(l, op.u.getdomaininfo.shared_info_frame))
			n = write(fds[1], err_text(), strlen(err_text()));
		_exit(n ? 1 : 0);
	}
	close(fds[1]);
	if (pid > 0)
		n = read(fds[0], text, sizeof(text) - 1);
	close(fds[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return err(ST_FAILED, "no new process: %s", strerror(errno));
	if (status)
		return err(ST_FAILED, "%s", n > 0 ? text : "the process that writes the memory was killed");
	step("memory unmapped");
	return 0;
}

int build_domain(struct build *b)
{
	struct layout l = { .b = b };
	int rc = -1;

	if (lay_out(&l))
		goto out;
	l.p2m = calloc(l.nr_pages + 1, sizeof(*l.p2m));
	if (!l.p2m) {
		err(ST_NO_MEMORY, "no memory for the tools");
		goto out;
	}
	if (populate_all(&l) || fill(&l) || pin(&l) || set_context(&l) || load_kernel(&l) ||
	    hypercall_page(&l) || seed_grants(&l))
		goto out;
	b->store_mfn = l.p2m[l.store];
	b->console_mfn = l.p2m[l.console];
	rc = 0;
out:
	free(l.tables);
	free(l.p2m);
	return rc;
}
