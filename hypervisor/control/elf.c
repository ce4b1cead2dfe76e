/* SPDX-License-Identifier: MIT */
/*
 * Job:    PV kernels as ELF files: check headers, segments and Xen's notes; say where each goes.
 * Enter:  elf_parse(), elf_load() from control/build_dom0.c.
 * Holds:  every offset is checked against the file before it is followed.
 * Tests:  tests/host/test_elf.c, tests/fuzz/fuzz_elf.c
 */
#include <elfnote.h>
#include <hv/image.h>
#include <hv/layout.h>
#include <hv/string.h>

#define MAX_PHNUM 64
#define MAX_IMAGE GiB(1)		/* of the loaded kernel */
enum { PT_LOAD = 1, PT_NOTE = 4, SHT_NOTE = 7, EM_X86_64 = 62, ET_EXEC = 2, ET_DYN = 3 };

/* Packed: they may stand anywhere in the file. */
struct ehdr {
	u8 ident[16];
	u16 type, machine;
	u32 version;
	u64 entry, phoff, shoff;
	u32 flags;
	u16 ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
} __packed;

struct phdr {
	u32 type, flags;
	u64 offset, vaddr, paddr, filesz, memsz, align;
} __packed;

struct shdr {
	u32 name, type;
	u64 flags, addr, offset, size;
	u32 link, info;
	u64 addralign, entsize;
} __packed;

struct nhdr { u32 namesz, descsz, type; } __packed;

/* [off, off + size) as a pointer, or NULL when it is not within the file. */
static const void *at(const struct elf_kernel *k, u64 off, u64 size)
{
	return off <= k->len && size <= k->len - off ? k->image + off : NULL;
}

/* The i-th program header; elf_parse() has checked the whole array. NULL behind the last. */
static const struct phdr *get_phdr(const struct elf_kernel *k, unsigned int i)
{
	const struct ehdr *eh = (const void *)k->image;

	return i < eh->phnum ? (const void *)(k->image + eh->phoff + (u64)i * eh->phentsize) : NULL;
}

static u64 to_virt(const struct elf_kernel *k, u64 paddr)
{
	return paddr - k->paddr_offset + k->virt_base;
}

/* "a|b|!c": names of features; one with a '!' is required. Is there one that PV guests lack? */
static bool lacks_feature(const char *s, u32 size)
{
	static const char *const names[] = { "!auto_translated_physmap", "!supervisor_mode_kernel" };

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		for (unsigned int pos = 0; pos + strlen(names[i]) <= size; pos++)
			if (!memcmp(s + pos, names[i], strlen(names[i])))
				return true;
	return false;
}

static void take_note(struct elf_kernel *k, u32 type, const void *desc, u32 size)
{
#define NUMBER(type, field) { XEN_ELFNOTE_##type, offsetof(struct elf_kernel, field), sizeof(k->field) }
#define TEXT(type, field) { XEN_ELFNOTE_##type, offsetof(struct elf_kernel, field), sizeof(k->field) - 1 }
	static const struct { u32 type, offset, room; } known[] = {
		NUMBER(ENTRY, entry), NUMBER(HYPERCALL_PAGE, hypercall_page), NUMBER(VIRT_BASE, virt_base),
		NUMBER(PADDR_OFFSET, paddr_offset), NUMBER(INIT_P2M, init_p2m),
		NUMBER(MOD_START_PFN, mod_start_pfn), TEXT(GUEST_OS, guest_os), TEXT(LOADER, loader),
		TEXT(XEN_VERSION, xen_version),
	};

	if (type == XEN_ELFNOTE_FEATURES)
		k->lacks_feature |= lacks_feature(desc, size);
	for (unsigned int i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i].type == type) {
			memset((u8 *)k + known[i].offset, 0, known[i].room);
			memcpy((u8 *)k + known[i].offset, desc, min(size, known[i].room));
		}
}

/* Returns the number of Xen's notes in a block of notes. */
static unsigned int scan_notes(struct elf_kernel *k, u64 off, u64 size)
{
	const u8 *p = at(k, off, size);
	unsigned int found = 0;
	const struct nhdr *n;
	u64 name, desc;

	for (u64 pos = 0; p && pos <= size && size - pos >= sizeof(*n);
	     pos = desc + ROUND_UP((u64)n->descsz, 4)) {
		n = (const void *)(p + pos);
		name = pos + sizeof(*n);
		desc = name + ROUND_UP((u64)n->namesz, 4);
		if (desc > size || n->descsz > size - desc)
			break;
		if (n->namesz == 4 && !memcmp(p + name, "Xen", 4)) {
			take_note(k, n->type, p + desc, n->descsz);
			found++;
		}
	}
	return found;
}

/* In segments or, failing that, in sections. */
static unsigned int find_notes(struct elf_kernel *k, const struct ehdr *eh)
{
	const u8 *p = at(k, eh->shoff, (u64)eh->shnum * eh->shentsize);
	unsigned int i, found = 0;
	const struct phdr *ph;
	const struct shdr *sh;

	for (i = 0; (ph = get_phdr(k, i)); i++)
		if (ph->type == PT_NOTE)
			found += scan_notes(k, ph->offset, ph->filesz);
	if (found || !p || eh->shentsize < sizeof(*sh))
		return found;
	for (i = 0; i < eh->shnum; i++) {
		sh = (const void *)(p + (u64)i * eh->shentsize);
		if (sh->type == SHT_NOTE)
			found += scan_notes(k, sh->offset, sh->size);
	}
	return found;
}

/* Bounds of all segments, in the file and in memory. */
static const char *measure(const struct elf_kernel *k, u64 *start, u64 *end)
{
	const struct phdr *ph;

	*start = ~0UL;
	*end = 0;
	for (unsigned int i = 0; (ph = get_phdr(k, i)); i++) {
		if (ph->type != PT_LOAD || !ph->memsz)
			continue;
		if (!at(k, ph->offset, ph->filesz))
			return "kernel: a segment lies outside the file (truncated image?)";
		if (ph->filesz > ph->memsz || ph->memsz > MAX_IMAGE || ph->paddr + ph->memsz < ph->paddr)
			return "kernel: an ELF segment has an impossible size";
		*start = min(*start, ph->paddr);
		*end = max(*end, ph->paddr + ph->memsz);
	}
	if (*start >= *end || *end - *start > MAX_IMAGE)
		return "kernel: no loadable ELF segments, or they spread over more than 1 GiB";
	return NULL;
}

/* May a guest have [start, end)? Canonical, and outside our slots. */
static bool guest_range(u64 start, u64 end)
{
	return start < end && (end <= 1UL << 47 || start >= HV_VIRT_END);
}

const char *elf_parse(const void *image, size_t len, struct elf_kernel *k)
{
	const struct ehdr *eh = image;
	const char *why;
	u64 start, end;

	*k = (struct elf_kernel){ .image = image, .len = len, .entry = ELF_UNSET,
				  .hypercall_page = ELF_UNSET, .init_p2m = ELF_UNSET };
	if (len < sizeof(*eh) || memcmp(image, "\177ELF", 4))
		return "kernel: not an ELF file nor a bzImage; give a Linux kernel with CONFIG_XEN_PV";
	if (eh->ident[4] != 2 || eh->ident[5] != 1 || eh->machine != EM_X86_64 ||
	    (eh->type != ET_EXEC && eh->type != ET_DYN))
		return "kernel: not an x86-64 ELF executable (32-bit or foreign); use an amd64 kernel";
	if (eh->phentsize < sizeof(struct phdr) || !eh->phnum || eh->phnum > MAX_PHNUM ||
	    !at(k, eh->phoff, (u64)eh->phentsize * eh->phnum))
		return "kernel: ELF program headers lie outside the file (truncated image?)";
	if (!find_notes(k, eh))
		return "kernel has no Xen PV notes: it was built without CONFIG_XEN_PV";
	if (k->xen_version[0] && strcmp(k->xen_version, "xen-3.0"))
		return "kernel: its Xen note asks for another interface than xen-3.0";
	if (k->loader[0] && strcmp(k->loader, "generic"))
		return "kernel: its Xen note asks for another loader than 'generic'";
	if (k->lacks_feature)
		return "kernel: it requires auto_translated_physmap or supervisor_mode_kernel: not for PV";
	why = measure(k, &start, &end);
	if (why)
		return why;
	if (k->entry == ELF_UNSET)
		k->entry = eh->entry;
	k->virt_start = to_virt(k, start);
	k->virt_end = to_virt(k, end);
	if (start < k->paddr_offset || k->virt_start < k->virt_base || k->virt_start >= k->virt_end ||
	    k->entry < k->virt_start || k->entry >= k->virt_end ||
	    !guest_range(k->virt_base, k->virt_end))
		return "kernel: entry point, VIRT_BASE and segments do not fit together";
	if (k->init_p2m != ELF_UNSET && !guest_range(k->init_p2m, k->init_p2m + MAX_IMAGE))
		return "kernel: its INIT_P2M note points outside what guests may use";
	if (k->hypercall_page != ELF_UNSET &&
	    (k->hypercall_page < k->virt_start || k->hypercall_page & ~PAGE_MASK ||
	     k->hypercall_page >= k->virt_end || k->virt_end - k->hypercall_page < PAGE_SIZE))
		return "kernel: its HYPERCALL_PAGE note points outside the image";
	return NULL;
}

void elf_load(const struct elf_kernel *k, elf_put_t put, void *ctx)
{
	const struct phdr *ph;

	for (unsigned int i = 0; (ph = get_phdr(k, i)); i++)
		if (ph->type == PT_LOAD && ph->memsz)
			put(ctx, to_virt(k, ph->paddr), k->image + ph->offset, ph->filesz, ph->memsz);
}
