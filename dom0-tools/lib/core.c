/* SPDX-License-Identifier: MIT */
/*
 * Core dumps of PV domains.
 *
 * Job:    write an ELF file in the form of Xen's dump-core format 1: notes with what made it, one
 *         register set per vCPU, the p2m, all pages. crash(8) and gdbsx users read it.
 * Enter:  core_dump() from cli/core.c and daemon/policy.c.
 * State:  none.
 * Holds:  the guest's p2m and page tables are its own: a nonsensical one gives an error, or a page of
 *         zeros, never a wrong access here.
 * Tests:  tests/tools-tests (on a machine)
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <pv-abi/version.h>
#include "core.h"
#include "dom.h"
#include "err.h"
#include "hyper.h"

#define BATCH 256U
#define MAX_PFN (1UL << 28)
#define FAN 512UL			/* entries of a page */
#define MFN_MASK 0x000ffffffffff000UL

enum { NOTE_NONE = 0x2000000, NOTE_HEADER, NOTE_VERSION, NOTE_FORMAT };
enum { SEC_NULL, SEC_NOTE, SEC_REGS, SEC_SHARED, SEC_P2M, SEC_PAGES, SEC_NAMES, NR_SECTIONS };
#define MAGIC_PV 0xf00febedUL

struct core {
	uint32_t domid;
	dom_info info;
	FILE *out;
	const char *path;
	struct shared_info *shared;
	struct pair {
		uint64_t pfn, mfn;
	} *pages;
	uint64_t nr_pages, room;
	uint64_t size[NR_SECTIONS];
};

struct version_note {
	uint64_t major, minor;
	char extra[16];
	struct xen_compile_info compile;
	char capabilities[1024], changeset[64];
	uint64_t virt_start, pagesize;
};

static void *map1(const struct core *c, uint64_t mfn)
{
	xen_pfn_t frame = mfn;

	return hv_map(c->domid, false, 1, &frame);
}

static bool put(struct core *c, uint64_t pfn, uint64_t mfn)
{
	if (mfn >> 62)			/* not there, or somebody else's */
		return true;
	if (c->nr_pages == c->room) {
		struct pair *more;

		c->room = c->room ? c->room * 2 : 4096;
		more = realloc(c->pages, c->room * sizeof(*more));
		if (!more)
			return false;
		c->pages = more;
	}
	c->pages[c->nr_pages++] = (struct pair){ pfn, mfn };
	return true;
}

static int take_p2m_page(struct core *c, uint64_t mfn, uint64_t pfn, uint64_t max)
{
	uint64_t *e = map1(c, mfn);

	if (!e)
		return err(ST_FAILED, "a page of the domain's p2m cannot be mapped");
	for (uint64_t i = 0; i < FAN && pfn + i < max; i++)
		if (!put(c, pfn + i, e[i])) {
			hv_unmap(e, 1);
			return err(ST_NO_MEMORY, "no memory for the list of pages");
		}
	hv_unmap(e, 1);
	return 0;
}

/* Frame of a guest's virtual address by its own tables; 0: not mapped. */
static uint64_t walk(const struct core *c, uint64_t root, uint64_t va)
{
	uint64_t mfn = root;

	for (int shift = 39; shift >= 12; shift -= 9) {
		uint64_t *t = map1(c, mfn), e;

		if (!t)
			return 0;
		e = t[va >> shift & (FAN - 1)];
		hv_unmap(t, 1);
		if (!(e & 1))
			return 0;
		mfn = (e & MFN_MASK) >> 12;
	}
	return mfn;
}

static int p2m_linear(struct core *c, uint64_t max)
{
	uint64_t root = c->shared->arch.p2m_cr3 >> 12, va = c->shared->arch.p2m_vaddr;

	for (uint64_t pfn = 0; pfn < max; pfn += FAN) {
		uint64_t mfn = walk(c, root, va + pfn * 8);

		if (mfn && take_p2m_page(c, mfn, pfn, max))
			return -1;
	}
	return 0;
}

static int p2m_tree(struct core *c, uint64_t max)
{
	uint64_t *top = map1(c, c->shared->arch.pfn_to_mfn_frame_list_list);
	int rc = 0;

	if (!top)
		return err(ST_FAILED, "the domain's p2m cannot be mapped");
	for (uint64_t pfn = 0; pfn < max && !rc; pfn += FAN * FAN) {
		uint64_t *mid = map1(c, top[pfn / FAN / FAN % FAN]);

		for (uint64_t i = 0; mid && i < FAN && pfn + i * FAN < max && !rc; i++)
			rc = take_p2m_page(c, mid[i], pfn + i * FAN, max);
		hv_unmap(mid, 1);
	}
	hv_unmap(top, 1);
	return rc;
}

static int collect(struct core *c)
{
	uint64_t max = c->shared->arch.max_pfn;

	if (max > MAX_PFN)
		return err(ST_FAILED, "the domain names an impossible size of its p2m");
	if (c->shared->arch.p2m_cr3)
		return p2m_linear(c, max);
	if (c->shared->arch.pfn_to_mfn_frame_list_list && ~c->shared->arch.pfn_to_mfn_frame_list_list)
		return p2m_tree(c, max);
	return err(ST_FAILED, "the domain's kernel has not said yet where its p2m is");
}

/* --- the file --- */

static size_t note(FILE *f, uint32_t type, const void *desc, uint32_t size)
{
	Elf64_Nhdr n = { 4, size, type };

	if (f) {
		fwrite(&n, sizeof(n), 1, f);
		fwrite("Xen", 4, 1, f);
		fwrite(desc, size, 1, f);
	}
	return sizeof(n) + 4 + size;
}

static size_t notes(const struct core *c, FILE *f)
{
	uint64_t header[4] = { MAGIC_PV, dom_max_vcpus(&c->info), c->nr_pages, PAGE }, format = 1;
	static struct version_note v;
	int version = hv_version(XENVER_version, NULL, 0);

	v.major = (uint64_t)version >> 16;
	v.minor = version & 0xffff;
	hv_version(XENVER_extraversion, v.extra, sizeof(v.extra));
	hv_version(XENVER_compile_info, &v.compile, sizeof(v.compile));
	hv_version(XENVER_capabilities, v.capabilities, sizeof(v.capabilities));
	hv_version(XENVER_changeset, v.changeset, sizeof(v.changeset));
	v.virt_start = HYPERVISOR_VIRT_START;
	v.pagesize = PAGE;
	return note(f, NOTE_NONE, &format, 0) + note(f, NOTE_HEADER, header, sizeof(header)) +
	       note(f, NOTE_VERSION, &v, sizeof(v)) + note(f, NOTE_FORMAT, &format, sizeof(format));
}

static const char names[] = "\0.note.Xen\0.xen_prstatus\0.xen_shared_info\0.xen_p2m\0.xen_pages\0.shstrtab";

static void headers(struct core *c)
{
	static const Elf64_Word name_at[NR_SECTIONS] = { 0, 1, 11, 25, 42, 51, 62 };
	static const Elf64_Word types[NR_SECTIONS] = {
		SHT_NULL, SHT_NOTE, SHT_PROGBITS, SHT_PROGBITS, SHT_PROGBITS, SHT_PROGBITS, SHT_STRTAB };
	static const uint64_t entries[NR_SECTIONS] = { [SEC_REGS] = sizeof(struct vcpu_guest_context),
		[SEC_SHARED] = PAGE, [SEC_P2M] = sizeof(struct pair), [SEC_PAGES] = PAGE };
	Elf64_Ehdr eh = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT, ELFOSABI_SYSV },
		.e_type = ET_CORE, .e_machine = EM_X86_64, .e_version = EV_CURRENT,
		.e_shoff = sizeof(eh), .e_ehsize = sizeof(eh), .e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = NR_SECTIONS, .e_shstrndx = SEC_NAMES,
	};
	uint64_t at = sizeof(eh) + NR_SECTIONS * sizeof(Elf64_Shdr);

	fwrite(&eh, sizeof(eh), 1, c->out);
	for (unsigned int i = 0; i < NR_SECTIONS; i++) {
		Elf64_Shdr s = { .sh_name = name_at[i], .sh_type = types[i], .sh_entsize = entries[i],
				 .sh_size = c->size[i], .sh_addralign = i == SEC_PAGES ? PAGE : i ? 8 : 0 };

		if (i)
			at = (at + s.sh_addralign - 1) & ~(s.sh_addralign - 1);
		s.sh_offset = i ? at : 0;
		at += c->size[i];
		fwrite(&s, sizeof(s), 1, c->out);
	}
}

static void align(struct core *c, long to)
{
	while (ftell(c->out) % to)
		fputc(0, c->out);
}

static int registers(struct core *c)
{
	struct vcpu_guest_context *ctxt = hv_buf(sizeof(*ctxt));
	int rc = 0;

	for (unsigned int v = 0; ctxt && v < dom_max_vcpus(&c->info); v++) {
		struct xen_domctl op = { 0 };

		memset(ctxt, 0, sizeof(*ctxt));
		op.u.vcpucontext.vcpu = v;
		op.u.vcpucontext.ctxt = hv_handle(ctxt);
		/* one that was never started has none: zeros */
		if (hv_domctl(c->domid, XEN_DOMCTL_getvcpucontext, &op) && !v)
			rc = err(ST_FAILED, "reading the registers was refused: %s", strerror(errno));
		fwrite(ctxt, sizeof(*ctxt), 1, c->out);
	}
	hv_buf_free(ctxt);
	return rc;
}

static void pages(struct core *c)
{
	static const uint8_t zero[PAGE];

	for (uint64_t i = 0; i < c->nr_pages && !ferror(c->out); i += BATCH) {
		uint64_t n = c->nr_pages - i < BATCH ? c->nr_pages - i : BATCH;
		xen_pfn_t mfns[BATCH];
		int errs[BATCH];
		uint8_t *map;

		for (uint64_t k = 0; k < n; k++)
			mfns[k] = c->pages[i + k].mfn;
		map = hv_map_some(c->domid, n, mfns, errs);
		for (uint64_t k = 0; k < n; k++)
			fwrite(map && !errs[k] ? map + k * PAGE : zero, PAGE, 1, c->out);
		hv_unmap(map, n);
	}
}

static int write_file(struct core *c)
{
	c->size[SEC_NOTE] = notes(c, NULL);
	c->size[SEC_REGS] = dom_max_vcpus(&c->info) * sizeof(struct vcpu_guest_context);
	c->size[SEC_SHARED] = PAGE;
	c->size[SEC_P2M] = c->nr_pages * sizeof(struct pair);
	c->size[SEC_PAGES] = c->nr_pages * PAGE;
	c->size[SEC_NAMES] = sizeof(names);
	headers(c);
	align(c, 8);
	notes(c, c->out);
	align(c, 8);
	if (registers(c))
		return -1;
	align(c, 8);
	fwrite(c->shared, PAGE, 1, c->out);
	align(c, 8);
	fwrite(c->pages, sizeof(struct pair), c->nr_pages, c->out);
	align(c, PAGE);
	pages(c);
	align(c, 8);
	fwrite(names, sizeof(names), 1, c->out);
	if (fflush(c->out) || ferror(c->out))
		return err(ST_FAILED, "%s: %s", c->path, strerror(errno));
	return 0;
}

int core_dump(uint32_t domid, const char *path)
{
	struct core c = { .domid = domid, .path = path };
	int fd, rc = -1;

	if (!dom_info_of(domid, &c.info))
		return err(ST_NO_DOMAIN, "domain %u is gone", domid);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	c.out = fd < 0 ? NULL : fdopen(fd, "w");
	if (!c.out)
		return err(ST_FAILED, "%s: %s", path, strerror(errno));
	c.shared = map1(&c, c.info.shared_info_frame);
	if (!c.shared)
		err(ST_FAILED, "mapping the domain's shared page was refused: %s", strerror(errno));
	else
		rc = collect(&c) || write_file(&c) ? -1 : 0;
	hv_unmap(c.shared, 1);
	free(c.pages);
	if (fclose(c.out) && !rc)
		rc = err(ST_FAILED, "%s: %s", path, strerror(errno));
	if (rc)
		unlink(path);
	return rc;
}
