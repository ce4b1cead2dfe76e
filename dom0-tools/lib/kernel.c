/* SPDX-License-Identifier: MIT */
/*
 * PV kernels as ELF files.
 *
 * Job:    read headers, segments and Xen's notes of a guest kernel; say where each part goes.
 * Enter:  kernel_open() from lib/build.c; kernel_parse() from the tests as well.
 * State:  none.
 * Holds:  every offset is checked against the file before it is followed; a damaged file gives an
 *         error, never a read outside of it.
 * Tests:  tests/tools-tests/test_kernel.c
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <pv-abi/elfnote.h>
#include <pv-abi/features.h>
#include <pv-abi/xen.h>
#include "err.h"
#include "kernel.h"

#define MAX_IMAGE (1UL << 30)
#define ALIGN4(x) (((uint64_t)(x) + 3) & ~3UL)

static const uint8_t *at(const struct kernel *k, uint64_t off, uint64_t size)
{
	return off <= k->len && size <= k->len - off ? k->image + off : NULL;
}

/* --- notes --- */

static uint64_t number(const uint8_t *desc, uint32_t size)
{
	uint64_t v = 0;

	memcpy(&v, desc, size < sizeof(v) ? size : sizeof(v));
	return v;
}

static void string(char *dst, size_t room, const uint8_t *desc, uint32_t size)
{
	size_t n = strnlen((const char *)desc, size < room - 1 ? size : room - 1);

	memcpy(dst, desc, n);
	dst[n] = '\0';
}

/* "a|!b": what is required has a '!'. */
static void features(struct kernel *k, const char *s, uint32_t size)
{
	static const struct { const char *name; unsigned int bit; } known[] = {
		{ "auto_translated_physmap", XENFEAT_auto_translated_physmap },
		{ "supervisor_mode_kernel", XENFEAT_supervisor_mode_kernel },
		{ "dom0", XENFEAT_dom0 },
	};
	const char *end = s + strnlen(s, size);

	while (s < end) {
		const char *stop = memchr(s, '|', (size_t)(end - s));
		size_t len = (size_t)((stop ? stop : end) - s);

		for (unsigned int i = 0; *s == '!' && i < sizeof(known) / sizeof(known[0]); i++)
			if (strlen(known[i].name) == len - 1 &&
			    !memcmp(known[i].name, s + 1, len - 1))
				k->required_features |= 1U << known[i].bit;
		s += len + 1;
	}
}

static void take_note(struct kernel *k, uint32_t type, const uint8_t *desc, uint32_t size)
{
	uint64_t v = number(desc, size);

	switch (type) {
	case XEN_ELFNOTE_ENTRY:
		k->entry = v;
		break;
	case XEN_ELFNOTE_HYPERCALL_PAGE:
		k->hypercall_page = v;
		break;
	case XEN_ELFNOTE_VIRT_BASE:
		k->virt_base = v;
		break;
	case XEN_ELFNOTE_PADDR_OFFSET:
		k->paddr_offset = v;
		break;
	case XEN_ELFNOTE_INIT_P2M:
		k->init_p2m = v;
		break;
	case XEN_ELFNOTE_MOD_START_PFN:
		k->mod_start_pfn = v != 0;
		break;
	case XEN_ELFNOTE_FEATURES:
		features(k, (const char *)desc, size);
		break;
	case XEN_ELFNOTE_GUEST_OS:
		string(k->guest_os, sizeof(k->guest_os), desc, size);
		break;
	case XEN_ELFNOTE_LOADER:
		string(k->loader, sizeof(k->loader), desc, size);
		break;
	case XEN_ELFNOTE_XEN_VERSION:
		string(k->xen_version, sizeof(k->xen_version), desc, size);
		break;
	}
}

static unsigned int scan_notes(struct kernel *k, uint64_t off, uint64_t size)
{
	const uint8_t *p = at(k, off, size);
	unsigned int found = 0;
	uint64_t pos = 0;

	while (p && pos <= size && size - pos >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr n;
		uint64_t name = pos + sizeof(n), desc;

		memcpy(&n, p + pos, sizeof(n));
		desc = name + ALIGN4(n.n_namesz);
		pos = desc + ALIGN4(n.n_descsz);
		if (desc > size || n.n_descsz > size - desc)
			break;
		if (n.n_namesz == 4 && !memcmp(p + name, "Xen", 4)) {
			take_note(k, n.n_type, p + desc, n.n_descsz);
			found++;
		}
	}
	return found;
}

static unsigned int find_notes(struct kernel *k, const Elf64_Ehdr *eh)
{
	unsigned int i, found = 0;

	for (i = 0; i < eh->e_phnum; i++) {
		Elf64_Phdr ph;

		memcpy(&ph, k->image + eh->e_phoff + i * sizeof(ph), sizeof(ph));
		if (ph.p_type == PT_NOTE)
			found += scan_notes(k, ph.p_offset, ph.p_filesz);
	}
	if (found || eh->e_shentsize != sizeof(Elf64_Shdr))
		return found;
	for (i = 0; i < eh->e_shnum; i++) {
		const uint8_t *p = at(k, eh->e_shoff + i * sizeof(Elf64_Shdr), sizeof(Elf64_Shdr));
		Elf64_Shdr sh;

		if (!p || eh->e_shoff > k->len)
			break;
		memcpy(&sh, p, sizeof(sh));
		if (sh.sh_type == SHT_NOTE)
			found += scan_notes(k, sh.sh_offset, sh.sh_size);
	}
	return found;
}

/* --- segments --- */

/* Does the file have all that its program headers say? */
static bool is_whole(const struct kernel *k, const Elf64_Ehdr *eh)
{
	for (unsigned int i = 0; i < eh->e_phnum; i++) {
		Elf64_Phdr ph;

		memcpy(&ph, k->image + eh->e_phoff + i * sizeof(ph), sizeof(ph));
		if ((ph.p_type == PT_LOAD || ph.p_type == PT_NOTE) && !at(k, ph.p_offset, ph.p_filesz))
			return false;
	}
	return true;
}

static int take_segments(struct kernel *k, const char *path, const Elf64_Ehdr *eh)
{
	uint64_t start = ~0UL, end = 0;

	for (unsigned int i = 0; i < eh->e_phnum; i++) {
		struct segment *s = &k->segments[k->nr_segments];
		Elf64_Phdr ph;

		memcpy(&ph, k->image + eh->e_phoff + i * sizeof(ph), sizeof(ph));
		if (ph.p_type != PT_LOAD || !ph.p_memsz)
			continue;
		if (k->nr_segments == MAX_SEGMENTS)
			return err(ST_CONFIG, "%s: more than %d segments", path, MAX_SEGMENTS);
		s->data = at(k, ph.p_offset, ph.p_filesz);	/* there: is_whole() */
		if (ph.p_filesz > ph.p_memsz || ph.p_memsz > MAX_IMAGE ||
		    ph.p_paddr < k->paddr_offset ||
		    ph.p_paddr - k->paddr_offset > MAX_IMAGE)
			return err(ST_CONFIG, "%s: a segment of impossible size or address", path);
		s->va = ph.p_paddr - k->paddr_offset + k->virt_base;
		s->filesz = ph.p_filesz;
		s->memsz = ph.p_memsz;
		start = s->va < start ? s->va : start;
		end = s->va + s->memsz > end ? s->va + s->memsz : end;
		k->nr_segments++;
	}
	if (start >= end || end - start > MAX_IMAGE)
		return err(ST_CONFIG, "%s: no segments to load, or over more than 1 GiB", path);
	k->virt_start = start;
	k->virt_end = end;
	return 0;
}

/* May a guest have it? Canonical, and not in the hypervisor's slots. */
static bool guest_range(uint64_t start, uint64_t size)
{
	return start + size >= start && (start + size <= 1UL << 47 || start >= HYPERVISOR_VIRT_END);
}

static int check(const struct kernel *k, const char *path)
{
	if (k->xen_version[0] && strcmp(k->xen_version, "xen-3.0"))
		return err(ST_CONFIG, "%s: it wants the interface '%s', not xen-3.0", path,
			   k->xen_version);
	if (k->loader[0] && strcmp(k->loader, "generic"))
		return err(ST_CONFIG, "%s: it wants the loader '%s', not 'generic'", path, k->loader);
	if (k->required_features)
		return err(ST_CONFIG, "%s: it requires a feature that a PV guest does not have (%#x)",
			   path, k->required_features);
	if (k->virt_start < k->virt_base || k->entry < k->virt_start || k->entry >= k->virt_end ||
	    k->virt_base & 0x3fffff || !guest_range(k->virt_base, k->virt_end - k->virt_base))
		return err(ST_CONFIG, "%s: entry point, VIRT_BASE and segments do not fit together", path);
	if (k->init_p2m != NOTE_UNSET && (k->init_p2m & 0x3fffffff ||
					  !guest_range(k->init_p2m, MAX_IMAGE)))
		return err(ST_CONFIG, "%s: its INIT_P2M note names no address for a guest", path);
	if (k->hypercall_page != NOTE_UNSET &&
	    (k->hypercall_page & 0xfff || k->hypercall_page < k->virt_start ||
	     k->hypercall_page >= k->virt_end || k->virt_end - k->hypercall_page < 4096))
		return err(ST_CONFIG, "%s: its HYPERCALL_PAGE note points outside the image", path);
	return 0;
}

static int parse_elf(struct kernel *k, const char *path)
{
	Elf64_Ehdr eh;

	k->entry = k->hypercall_page = k->init_p2m = NOTE_UNSET;
	if (k->len < sizeof(eh) || memcmp(k->image, ELFMAG, SELFMAG))
		return err(ST_CONFIG, "%s: neither a bzImage nor an ELF file", path);
	memcpy(&eh, k->image, sizeof(eh));
	if (eh.e_ident[EI_CLASS] != ELFCLASS64 || eh.e_machine != EM_X86_64 ||
	    (eh.e_type != ET_EXEC && eh.e_type != ET_DYN))
		return err(ST_CONFIG, "%s: not an x86-64 executable", path);
	if (eh.e_phentsize != sizeof(Elf64_Phdr) ||
	    !at(k, eh.e_phoff, sizeof(Elf64_Phdr) * (uint64_t)eh.e_phnum))
		return err(ST_CONFIG, "%s: the file is truncated or damaged: no program headers", path);
	if (!is_whole(k, &eh))
		return err(ST_CONFIG, "%s: the file is truncated: a segment lies outside of it", path);
	if (!find_notes(k, &eh))
		return err(ST_CONFIG, "%s: no Xen notes: this kernel is built without CONFIG_XEN_PV",
			   path);
	if (k->entry == NOTE_UNSET)
		k->entry = eh.e_entry;
	if (take_segments(k, path, &eh))
		return -1;
	return check(k, path);
}

int kernel_parse(struct kernel *k, const char *path, const void *data, size_t len)
{
	memset(k, 0, sizeof(*k));
	k->image = data;
	k->len = len;
	if (len < SELFMAG || memcmp(data, ELFMAG, SELFMAG)) {
		k->unpacked = unpack(path, data, len, &k->len);
		if (!k->unpacked)
			return -1;
		k->image = k->unpacked;
	}
	return parse_elf(k, path);
}

void *file_map(const char *path, const char *what, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *p = MAP_FAILED;

	if (fd < 0) {
		err(ST_CONFIG, "%s %s: %s", what, path, strerror(errno));
		return NULL;
	}
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || !st.st_size)
		err(ST_CONFIG, "%s %s: not a file, or an empty one", what, path);
	else
		p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (p == MAP_FAILED) {
		err(ST_CONFIG, "%s %s: %s", what, path, strerror(errno));
		return NULL;
	}
	*len = (size_t)st.st_size;
	return p;
}

int kernel_open(struct kernel *k, const char *path)
{
	size_t len;
	void *map = file_map(path, "kernel", &len);

	if (!map)
		return -1;
	if (kernel_parse(k, path, map, len)) {
		free(k->unpacked);
		munmap(map, len);
		return -1;
	}
	k->map = map;
	k->map_len = len;
	k->file = open(path, O_RDONLY | O_CLOEXEC);
	return 0;
}

void kernel_close(struct kernel *k)
{
	free(k->unpacked);
	if (k->map) {
		munmap(k->map, k->map_len);
		close(k->file);
	}
	memset(k, 0, sizeof(*k));
}
