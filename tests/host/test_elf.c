/* SPDX-License-Identifier: MIT */
/*
 * Claims about control/elf.c: notes are read from PT_NOTE or, failing that, from sections; addresses
 * follow p_paddr; whatever is not a PV kernel is refused with a reason.
 *
 * Job:    run it as tests/host/run elf
 * Tests:  control/elf.c
 */
#include "host.h"
#include <elf.h>
#include <elfnote.h>
#include <hv/image.h>

#define BASE 0xffffffff80000000UL

struct image {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[3];
	Elf64_Shdr sh[1];
	u8 notes[512];
	u8 data[256];
};

static struct image im;
static struct elf_kernel k;
static const char *why;
static size_t notes_len;

static void note(u32 type, const void *desc, u32 size)
{
	u32 head[3] = { 4, size, type };

	memcpy(im.notes + notes_len, head, 12);
	memcpy(im.notes + notes_len + 12, "Xen", 4);
	memcpy(im.notes + notes_len + 16, desc, size);
	notes_len += 16 + ((size + 3) & ~3U);
	im.ph[2].p_filesz = im.sh[0].sh_size = notes_len;
}

static void note64(u32 type, u64 v)
{
	note(type, &v, 8);
}

static int make(void **state)
{
	memset(&im, 0, sizeof(im));
	notes_len = 0;
	why = NULL;
	memcpy(im.eh.e_ident, "\177ELF\2\1\1", 7);
	im.eh.e_type = ET_EXEC;
	im.eh.e_machine = EM_X86_64;
	im.eh.e_entry = 0x1000000;
	im.eh.e_phoff = offsetof(struct image, ph);
	im.eh.e_phentsize = sizeof(Elf64_Phdr);
	im.eh.e_phnum = 3;
	im.eh.e_shoff = offsetof(struct image, sh);
	im.eh.e_shentsize = sizeof(Elf64_Shdr);
	im.eh.e_shnum = 1;
	im.ph[0] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_offset = offsetof(struct image, data),
				 .p_vaddr = BASE + 0x1000000, .p_paddr = 0x1000000,
				 .p_filesz = 200, .p_memsz = 0x3000 };
	/* Linux's per-cpu segment: linked at 0 */
	im.ph[1] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_offset = offsetof(struct image, data) + 200,
				 .p_vaddr = 0, .p_paddr = 0x1003000, .p_filesz = 56, .p_memsz = 56 };
	im.ph[2] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = offsetof(struct image, notes) };
	im.sh[0] = (Elf64_Shdr){ .sh_type = SHT_NOTE, .sh_offset = offsetof(struct image, notes) };
	note64(XEN_ELFNOTE_ENTRY, BASE + 0x1001000);
	note64(XEN_ELFNOTE_VIRT_BASE, BASE);
	note64(XEN_ELFNOTE_PADDR_OFFSET, 0);
	note64(XEN_ELFNOTE_INIT_P2M, 0x8000000000);
	note(XEN_ELFNOTE_MOD_START_PFN, &(u32){ 1 }, 4);
	note(XEN_ELFNOTE_SUPPORTED_FEATURES, &(u32){ 0x8801 }, 4);
	note(XEN_ELFNOTE_FEATURES, "!writable_page_tables|pae_pgdir_above_4gb", 42);
	note(XEN_ELFNOTE_XEN_VERSION, "xen-3.0", 8);
	note(XEN_ELFNOTE_LOADER, "generic", 8);
	note(XEN_ELFNOTE_GUEST_OS, "a name that is too long for it", 31);
	return 0;
}

static int parse(void)
{
	why = elf_parse(&im, sizeof(im), &k);
	return why ? -1 : 0;
}

struct put_log {
	unsigned int n;
	u64 va[4], filesz[4], memsz[4];
};

static void put(void *ctx, u64 va, const void *src, u64 filesz, u64 memsz)
{
	struct put_log *l = ctx;

	l->va[l->n] = va;
	l->filesz[l->n] = filesz;
	l->memsz[l->n++] = memsz;
}

static void check_kernel(void)
{
	struct put_log l = { 0 };

	assert_int_equal(k.entry, BASE + 0x1001000);
	assert_int_equal(k.virt_start, BASE + 0x1000000);
	assert_int_equal(k.virt_end, BASE + 0x1003038);
	assert_int_equal(k.init_p2m, 0x8000000000);
	assert_int_equal(k.hypercall_page, ELF_UNSET);
	assert_true(k.mod_start_pfn && !k.lacks_feature);
	assert_string_equal(k.xen_version, "xen-3.0");
	assert_int_equal(strlen(k.guest_os), sizeof(k.guest_os) - 1);
	elf_load(&k, put, &l);
	assert_int_equal(l.n, 2);
	assert_int_equal(l.va[1], BASE + 0x1003000);
	assert_int_equal(l.memsz[0], 0x3000);
}

static void test_good(void **state)
{
	assert_int_equal(parse(), 0);
	check_kernel();
	im.ph[2].p_type = PT_NULL;		/* only sections */
	assert_int_equal(parse(), 0);
	check_kernel();
}

#define REFUSED(change, text) do { \
	make(NULL); \
	change; \
	assert_true(parse() < 0); \
	assert_non_null(strstr(why, text)); \
} while (0)

static void test_refused(void **state)
{
	REFUSED(im.eh.e_ident[0] = 'X', "not an ELF");
	REFUSED(im.eh.e_ident[4] = 1, "not an x86-64");
	REFUSED(im.eh.e_machine = EM_386, "not an x86-64");
	REFUSED(im.eh.e_phnum = 0, "program headers");
	REFUSED(im.eh.e_phoff = ~0UL - 8, "program headers");
	REFUSED(im.eh.e_phentsize = 8, "program headers");
	REFUSED(im.ph[2].p_type = PT_NULL; im.eh.e_shnum = 0, "no Xen PV notes");
	REFUSED(im.ph[0].p_offset = sizeof(im) - 199, "outside the file");
	REFUSED(im.ph[0].p_offset = ~0UL, "outside the file");
	REFUSED(im.ph[0].p_memsz = 100, "impossible size");
	REFUSED(im.ph[0].p_paddr = ~0UL - 5, "impossible size");
	REFUSED(im.ph[0].p_paddr = GiB(3), "1 GiB");
	REFUSED(im.ph[0].p_type = im.ph[1].p_type = PT_NULL, "no loadable");
	REFUSED(note64(XEN_ELFNOTE_ENTRY, BASE), "fit together");
	REFUSED(note64(XEN_ELFNOTE_VIRT_BASE, 0xffff800000000000), "fit together");
	REFUSED(note64(XEN_ELFNOTE_PADDR_OFFSET, 0x2000000), "fit together");
	REFUSED(note64(XEN_ELFNOTE_HYPERCALL_PAGE, BASE + 0x1000008), "HYPERCALL_PAGE");
	REFUSED(note64(XEN_ELFNOTE_HYPERCALL_PAGE, BASE), "HYPERCALL_PAGE");
	REFUSED(note64(XEN_ELFNOTE_INIT_P2M, 0xffff810000000000), "INIT_P2M");
	REFUSED(note(XEN_ELFNOTE_XEN_VERSION, "xen-2.0", 8), "xen-3.0");
	REFUSED(note(XEN_ELFNOTE_FEATURES, "!supervisor_mode_kernel", 23), "requires");
	REFUSED(note(XEN_ELFNOTE_FEATURES, "dom0|!auto_translated_physmap|x", 31), "requires");
}

/* Cut anywhere, and with random bytes: no access outside the image, and elf_load() agrees. */
static void test_hostile(void **state)
{
	struct put_log l;
	unsigned int seed = 1;

	for (size_t n = 0; n <= sizeof(im); n++) {
		u8 *cut = malloc(n);

		make(NULL);
		memcpy(cut, &im, n);
		if (!elf_parse(cut, n, &k)) {
			l.n = 0;
			elf_load(&k, put, &l);
		}
		free(cut);
	}
	for (unsigned int n = 0; n < 20000; n++) {
		make(NULL);
		for (unsigned int i = rand_r(&seed) % 8; i; i--)
			((u8 *)&im)[rand_r(&seed) % sizeof(im)] = (u8)rand_r(&seed);
		if (parse())
			continue;
		l.n = 0;
		elf_load(&k, put, &l);
		for (unsigned int i = 0; i < l.n; i++)
			assert_true(l.va[i] >= k.virt_start && l.memsz[i] <= k.virt_end - l.va[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_good, make),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
