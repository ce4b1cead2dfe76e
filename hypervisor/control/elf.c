/* SPDX-License-Identifier: MIT */
/*
 * PV kernels as ELF files.
 *
 * Job:    check headers, segments and Xen's notes; say where each segment goes.
 * Enter:  elf_parse(), elf_load() from control/build_dom0.c.
 * State:  none.
 * Locks:  none.
 * Holds:  every offset is checked against the file before it is followed, and once checked the
 *         values in struct elf_kernel are used; the image must not change in between.
 * Tests:  tests/host/test_elf.c, tests/fuzz (ELF and bzImage)
 */
#include <elfnote.h>
#include <features.h>
#include <hv/elf.h>
#include <hv/errno.h>
#include <hv/layout.h>
#include <hv/string.h>

#define MAX_PHNUM 64
#define MAX_SHNUM 4096
#define MAX_IMAGE GiB(1)		/* of the loaded kernel */
enum { PT_LOAD = 1, PT_NOTE = 4, SHT_NOTE = 7, EM_X86_64 = 62, ET_EXEC = 2, ET_DYN = 3 };

struct ehdr {
	u8 ident[16];
	u16 type, machine;
	u32 version;
	u64 entry, phoff, shoff;
	u32 flags;
	u16 ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct phdr {
	u32 type, flags;
	u64 offset, vaddr, paddr, filesz, memsz, align;
};

struct shdr {
	u32 name, type;
	u64 flags, addr, offset, size;
	u32 link, info;
	u64 addralign, entsize;
};

struct nhdr {
	u32 namesz, descsz, type;
};

/* [off, off + size) as a pointer, or NULL when it is not within the file. */
static const void *at(const struct elf_kernel *k, u64 off, u64 size)
{
	return off <= k->len && size <= k->len - off ? k->image + off : NULL;
}

static bool get_phdr(const struct elf_kernel *k, unsigned int i, struct phdr *ph)
{
	const void *p = at(k, k->phoff + (u64)i * k->phentsize, sizeof(*ph));

	if (!p)
		return false;
	memcpy(ph, p, sizeof(*ph));
	return true;
}

/* --- notes --- */

static u64 note_number(const void *desc, u32 size)
{
	u64 v = 0;

	memcpy(&v, desc, min(size, (u32)sizeof(v)));
	return v;
}

static void note_string(char *dst, size_t size, const char *desc, u32 descsz)
{
	size_t n = strnlen(desc, min((size_t)descsz, size - 1));

	memcpy(dst, desc, n);
	dst[n] = '\0';
}

/* "a|b|!c": names of features; one with a '!' is required as well. */
static void note_features(struct elf_kernel *k, const char *s, u32 size)
{
	static const char *const names[] = {
		[XENFEAT_writable_page_tables] = "writable_page_tables",
		[XENFEAT_writable_descriptor_tables] = "writable_descriptor_tables",
		[XENFEAT_auto_translated_physmap] = "auto_translated_physmap",
		[XENFEAT_supervisor_mode_kernel] = "supervisor_mode_kernel",
		[XENFEAT_pae_pgdir_above_4gb] = "pae_pgdir_above_4gb",
		[XENFEAT_dom0] = "dom0",
	};
	const char *end = s + strnlen(s, size);

	while (s < end) {
		bool must = *s == '!';
		const char *name = s + must;
		size_t len = 0;
		unsigned int i;

		while (name + len < end && name[len] != '|')
			len++;
		for (i = 0; i < ARRAY_SIZE(names); i++) {
			if (!names[i] || strlen(names[i]) != len || memcmp(names[i], name, len))
				continue;
			k->supported_features |= BIT(i);
			if (must)
				k->required_features |= BIT(i);
		}
		s = name + len + 1;
	}
}

static void take_note(struct elf_kernel *k, u32 type, const void *desc, u32 size)
{
	u64 v = note_number(desc, size);

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
	case XEN_ELFNOTE_SUSPEND_CANCEL:
		k->suspend_cancel = v != 0;
		break;
	case XEN_ELFNOTE_SUPPORTED_FEATURES:
		k->have_supported = true;
		k->supported_features |= (u32)v;
		break;
	case XEN_ELFNOTE_FEATURES:
		note_features(k, desc, size);
		break;
	case XEN_ELFNOTE_L1_MFN_VALID:
		if (size >= 16) {
			k->l1_mfn_mask = v;
			k->l1_mfn_value = note_number((const u8 *)desc + 8, 8);
		}
		break;
	case XEN_ELFNOTE_GUEST_OS:
		note_string(k->guest_os, sizeof(k->guest_os), desc, size);
		break;
	case XEN_ELFNOTE_GUEST_VERSION:
		note_string(k->guest_version, sizeof(k->guest_version), desc, size);
		break;
	case XEN_ELFNOTE_LOADER:
		note_string(k->loader, sizeof(k->loader), desc, size);
		break;
	case XEN_ELFNOTE_XEN_VERSION:
		note_string(k->xen_version, sizeof(k->xen_version), desc, size);
		break;
	}
}

/* Returns the number of Xen's notes in a block of notes. */
static unsigned int scan_notes(struct elf_kernel *k, u64 off, u64 size)
{
	const u8 *p = at(k, off, size);
	unsigned int found = 0;
	u64 pos = 0;

	if (!p)
		return 0;
	while (size - pos >= sizeof(struct nhdr)) {
		struct nhdr n;
		u64 name = pos + sizeof(n), desc;

		memcpy(&n, p + pos, sizeof(n));
		desc = name + ROUND_UP((u64)n.namesz, 4);
		pos = desc + ROUND_UP((u64)n.descsz, 4);
		if (desc > size || n.descsz > size - desc)
			break;
		if (n.namesz == 4 && !memcmp(p + name, "Xen", 4)) {
			take_note(k, n.type, p + desc, n.descsz);
			found++;
		}
		if (pos > size)
			break;
	}
	return found;
}

static unsigned int find_notes(struct elf_kernel *k, const struct ehdr *eh)
{
	unsigned int i, found = 0;
	struct phdr ph;

	for (i = 0; i < k->phnum; i++)
		if (get_phdr(k, i, &ph) && ph.type == PT_NOTE)
			found += scan_notes(k, ph.offset, ph.filesz);
	if (found || eh->shentsize < sizeof(struct shdr))
		return found;
	for (i = 0; i < min(eh->shnum, (u16)MAX_SHNUM); i++) {
		u64 off = eh->shoff + (u64)i * eh->shentsize;
		const void *p = off < eh->shoff ? NULL : at(k, off, sizeof(struct shdr));
		struct shdr sh;

		if (!p)
			break;
		memcpy(&sh, p, sizeof(sh));
		if (sh.type == SHT_NOTE)
			found += scan_notes(k, sh.offset, sh.size);
	}
	return found;
}

/* --- segments --- */

/* Bounds of all segments, in the file and in memory. */
static int measure(struct elf_kernel *k, u64 *start, u64 *end, const char **why)
{
	unsigned int i;
	struct phdr ph;

	*start = ~0UL;
	*end = 0;
	for (i = 0; i < k->phnum; i++) {
		if (!get_phdr(k, i, &ph)) {
			*why = "kernel: ELF program headers lie outside the file (truncated image?)";
			return -EINVAL;
		}
		if (ph.type != PT_LOAD || !ph.memsz)
			continue;
		if (!at(k, ph.offset, ph.filesz)) {
			*why = "kernel: a segment lies outside the file (truncated image?)";
			return -EINVAL;
		}
		if (ph.filesz > ph.memsz || ph.memsz > MAX_IMAGE || ph.paddr + ph.memsz < ph.paddr) {
			*why = "kernel: an ELF segment has an impossible size";
			return -EINVAL;
		}
		*start = min(*start, ph.paddr);
		*end = max(*end, ph.paddr + ph.memsz);
	}
	if (*start >= *end || *end - *start > MAX_IMAGE) {
		*why = "kernel: no loadable ELF segments, or they spread over more than 1 GiB";
		return -EINVAL;
	}
	return 0;
}

static int check_notes(const struct elf_kernel *k, const char **why)
{
	if (k->xen_version[0] && strcmp(k->xen_version, "xen-3.0"))
		*why = "kernel: its Xen note asks for another interface than xen-3.0";
	else if (k->loader[0] && strcmp(k->loader, "generic"))
		*why = "kernel: its Xen note asks for another loader than 'generic'";
	else if (k->required_features & (BIT(XENFEAT_auto_translated_physmap) |
					 BIT(XENFEAT_supervisor_mode_kernel)))
		*why = "kernel: it requires a feature that PV guests do not have here "
		       "(auto_translated_physmap or supervisor_mode_kernel)";
	else
		return 0;
	return -ENOEXEC;
}

/* May a guest have [start, end)? The whole range must be canonical and outside our slots. */
static bool guest_range(u64 start, u64 end)
{
	return start < end && (end <= 1UL << 47 || start >= HV_VIRT_END);
}

int elf_parse(const void *image, size_t len, struct elf_kernel *k, const char **why)
{
	struct ehdr eh;
	u64 start, end;
	int rc;

	memset(k, 0, sizeof(*k));
	k->image = image;
	k->len = len;
	k->entry = ELF_UNSET;
	k->hypercall_page = ELF_UNSET;
	k->init_p2m = ELF_UNSET;
	k->l1_mfn_mask = k->l1_mfn_value = 1;
	if (len < sizeof(eh) || memcmp(image, "\177ELF", 4)) {
		*why = "kernel: not an ELF file nor a bzImage; give a Linux kernel with CONFIG_XEN_PV";
		return -ENOEXEC;
	}
	memcpy(&eh, image, sizeof(eh));
	if (eh.ident[4] != 2 || eh.ident[5] != 1 || eh.machine != EM_X86_64 ||
	    (eh.type != ET_EXEC && eh.type != ET_DYN)) {
		*why = "kernel: not an x86-64 ELF executable (32-bit or foreign); use an amd64 kernel";
		return -ENOEXEC;
	}
	if (eh.phentsize < sizeof(struct phdr) || !eh.phnum || eh.phnum > MAX_PHNUM ||
	    !at(k, eh.phoff, (u64)eh.phentsize * eh.phnum)) {
		*why = "kernel: ELF program headers lie outside the file (truncated image?)";
		return -EINVAL;
	}
	k->phoff = eh.phoff;
	k->phentsize = eh.phentsize;
	k->phnum = eh.phnum;
	if (!find_notes(k, &eh)) {
		*why = "kernel has no Xen PV notes: it was built without CONFIG_XEN_PV";
		return -ENOEXEC;
	}
	rc = check_notes(k, why);
	if (!rc)
		rc = measure(k, &start, &end, why);
	if (rc)
		return rc;
	if (k->entry == ELF_UNSET)
		k->entry = eh.entry;
	k->virt_start = start - k->paddr_offset + k->virt_base;
	k->virt_end = end - k->paddr_offset + k->virt_base;
	if (start < k->paddr_offset || k->virt_start < k->virt_base || k->virt_start >= k->virt_end ||
	    k->entry < k->virt_start || k->entry >= k->virt_end ||
	    !guest_range(k->virt_base, k->virt_end)) {
		*why = "kernel: entry point, VIRT_BASE and segments do not fit together";
		return -EINVAL;
	}
	if (k->init_p2m != ELF_UNSET && !guest_range(k->init_p2m, k->init_p2m + MAX_IMAGE)) {
		*why = "kernel: its INIT_P2M note points outside what guests may use";
		return -EINVAL;
	}
	if (k->hypercall_page != ELF_UNSET &&
	    (k->hypercall_page < k->virt_start || k->hypercall_page & ~PAGE_MASK ||
	     k->hypercall_page >= k->virt_end || k->virt_end - k->hypercall_page < PAGE_SIZE)) {
		*why = "kernel: its HYPERCALL_PAGE note points outside the image";
		return -EINVAL;
	}
	return 0;
}

int elf_load(const struct elf_kernel *k, elf_put_t put, void *ctx)
{
	unsigned int i;
	struct phdr ph;
	int rc;

	for (i = 0; i < k->phnum; i++) {
		u64 va;

		if (!get_phdr(k, i, &ph) || ph.type != PT_LOAD || !ph.memsz)
			continue;
		va = ph.paddr - k->paddr_offset + k->virt_base;
		/* checked by elf_parse(); once more, since the writer trusts it */
		if (!at(k, ph.offset, ph.filesz) || ph.filesz > ph.memsz || va < k->virt_start ||
		    ph.memsz > k->virt_end - va)
			return -EINVAL;
		rc = put(ctx, va, k->image + ph.offset, ph.filesz, ph.memsz);
		if (rc)
			return rc;
	}
	return 0;
}
