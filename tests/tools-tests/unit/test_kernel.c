/* SPDX-License-Identifier: MIT */
/* The kernel loader: a small kernel made here, packed in each way, and damaged in each byte. */
#include <elf.h>
#include <lzma.h>
#include <lz4.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <cmocka.h>
#include <pv-abi/elfnote.h>
#include "dom0-tools/lib/err.h"
#include "dom0-tools/lib/kernel.h"

#define BASE 0xffffffff80000000UL
#define SIZE 12288U

static uint8_t image[SIZE], packed[65536];

static size_t put_note(uint8_t *p, uint32_t type, const void *desc, uint32_t size)
{
	Elf64_Nhdr n = { 4, size, type };

	memcpy(p, &n, sizeof(n));
	memcpy(p + sizeof(n), "Xen", 4);
	memcpy(p + sizeof(n) + 4, desc, size);
	return sizeof(n) + 4 + (size + 3) / 4 * 4;
}

static size_t put_number(uint8_t *p, uint32_t type, uint64_t v)
{
	return put_note(p, type, &v, 8);
}

/* One segment at 16 MiB, notes, a hypercall page. */
static int setup(void **state)
{
	Elf64_Ehdr *e = (Elf64_Ehdr *)image;
	Elf64_Phdr *p = (Elf64_Phdr *)(image + sizeof(*e));
	uint8_t *n = image + 1024;

	err_clear();
	for (size_t i = 0; i < SIZE; i++)
		image[i] = (uint8_t)(i * 7 >> 4);
	memset(image, 0, 2048);
	memcpy(e->e_ident, ELFMAG, SELFMAG);
	e->e_ident[EI_CLASS] = ELFCLASS64;
	e->e_ident[EI_DATA] = ELFDATA2LSB;
	e->e_type = ET_EXEC;
	e->e_machine = EM_X86_64;
	e->e_phoff = sizeof(*e);
	e->e_phentsize = sizeof(*p);
	e->e_phnum = 2;
	p[0] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_offset = 4096, .p_paddr = 0x1000000, .p_filesz = 8192,
			     .p_memsz = 20000 };
	n += put_number(n, XEN_ELFNOTE_VIRT_BASE, BASE);
	n += put_number(n, XEN_ELFNOTE_ENTRY, BASE + 0x1000040);
	n += put_number(n, XEN_ELFNOTE_HYPERCALL_PAGE, BASE + 0x1001000);
	n += put_number(n, XEN_ELFNOTE_INIT_P2M, 0x8000000000);
	n += put_number(n, XEN_ELFNOTE_MOD_START_PFN, 1);
	n += put_note(n, XEN_ELFNOTE_LOADER, "generic", 8);
	n += put_note(n, XEN_ELFNOTE_XEN_VERSION, "xen-3.0", 8);
	n += put_note(n, XEN_ELFNOTE_FEATURES, "writable_page_tables|dom0", 26);
	p[1] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = 1024, .p_filesz = (size_t)(n - image) - 1024 };
	return 0;
}

static int parse(struct kernel *k, const void *data, size_t len)
{
	int rc = kernel_parse(k, "k", data, len);

	if (rc)
		assert_non_null(err_text());
	return rc;
}

static void good(const void *data, size_t len)
{
	struct kernel k;

	if (parse(&k, data, len))
		fail_msg("%s", err_text());
	assert_int_equal(k.entry, BASE + 0x1000040);
	assert_int_equal(k.virt_start, BASE + 0x1000000);
	assert_int_equal(k.virt_end, BASE + 0x1000000 + 20000);
	assert_true(k.mod_start_pfn);
	assert_int_equal(k.nr_segments, 1);
	assert_memory_equal(k.segments[0].data, image + 4096, 8192);
	free(k.unpacked);
}

static void bad(const void *data, size_t len, const char *want)
{
	struct kernel k;

	err_clear();
	if (!parse(&k, data, len))
		fail_msg("taken, though: %s", want);
	if (!strstr(err_text(), want))
		fail_msg("wanted '%s': %s", want, err_text());
	free(k.unpacked);
}

static void test_plain(void **state)
{
	good(image, SIZE);
}

static size_t pack(int how)
{
	size_t n = 0;

	if (how == 0) {
		z_stream z = { .next_in = image, .avail_in = SIZE, .next_out = packed, .avail_out = sizeof(packed) };

		deflateInit2(&z, 6, Z_DEFLATED, 31, 8, 0);
		deflate(&z, Z_FINISH);
		n = z.total_out;
		deflateEnd(&z);
	} else if (how == 1) {
		lzma_easy_buffer_encode(3, LZMA_CHECK_CRC32, NULL, image, SIZE, packed, &n, sizeof(packed));
	} else if (how == 2) {
		n = ZSTD_compress(packed, sizeof(packed), image, SIZE, 3);
	} else {
		uint32_t head[2] = { 0x184c2102, 0 };

		head[1] = (uint32_t)LZ4_compress_default((char *)image, (char *)packed + 8, SIZE, sizeof(packed) - 8);
		memcpy(packed, head, 8);
		n = head[1] + 8;
	}
	return n;
}

/* A bzImage around the payload: gzip has its size at the end already, Linux appends it to the others. */
static size_t bzimage(uint8_t *out, int how)
{
	size_t n = pack(how);
	uint32_t off = 64, len = (uint32_t)(how ? n + 4 : n), size = SIZE;

	memset(out, 0, 1024 + 64);
	out[0x1f1] = 1;
	out[0x1fe] = 0x55;
	out[0x1ff] = 0xaa;
	memcpy(out + 0x202, "HdrS", 4);
	out[0x206] = 0x0f;
	out[0x207] = 2;
	memcpy(out + 0x248, &off, 4);
	memcpy(out + 0x24c, &len, 4);
	memcpy(out + 1024 + off, packed, n);
	if (how)
		memcpy(out + 1024 + off + n, &size, 4);
	return 1024 + off + len;
}

static void test_packed(void **state)
{
	static uint8_t bz[70000];

	for (int how = 0; how < 4; how++) {
		good(packed, pack(how));
		good(bz, bzimage(bz, how));
	}
}

static void test_truncated(void **state)
{
	static uint8_t bz[70000];

	bad(image, 10, "neither");
	bad(image, 0, "neither");
	bad(image, 100, "truncated");
	bad(image, 1024, "truncated");
	bad(image, SIZE - 1, "truncated");
	for (int how = 0; how < 4; how++) {
		size_t n = bzimage(bz, how);

		bad(bz, n - 1, "truncated");
		bad(bz, 0x250, "truncated");
		n = pack(how);
		bad(packed, n / 2, how == 3 ? "" : "damaged or truncated");
	}
}

static void test_refused(void **state)
{
	Elf64_Ehdr *e = (Elf64_Ehdr *)image;
	Elf64_Phdr *p = (Elf64_Phdr *)(image + sizeof(*e));

	e->e_machine = EM_386;
	bad(image, SIZE, "not an x86-64");
	setup(NULL);
	p[1].p_type = PT_NULL;
	bad(image, SIZE, "no Xen notes");
	setup(NULL);
	p[0].p_filesz = 1UL << 40;
	bad(image, SIZE, "truncated");
	setup(NULL);
	p[0].p_memsz = ~0UL;
	bad(image, SIZE, "impossible");
	setup(NULL);
	p[0].p_paddr = 1UL << 50;
	bad(image, SIZE, "impossible");
	setup(NULL);
	p[0].p_paddr = 0;
	bad(image, SIZE, "do not fit");
	bad("just a text file, longer than the magic", 30, "neither");
}

/* Each byte of the headers and notes, and of the packed forms, in turn: an answer, never a crash. */
static void test_damage(void **state)
{
	struct kernel k;

	for (size_t i = 0; i < 2048; i++)
		for (int v = 0; v < 3; v++) {
			static const uint8_t values[] = { 0x00, 0xff, 0x80 };
			uint8_t keep = image[i];

			image[i] = values[v];
			err_clear();
			(void)parse(&k, image, SIZE);
			free(k.unpacked);
			image[i] = keep;
		}
	for (int how = 0; how < 4; how++) {
		size_t n = pack(how);

		for (size_t i = 0; i < n; i += 1 + n / 80) {
			packed[i] ^= 0xff;
			err_clear();
			(void)parse(&k, packed, n);
			free(k.unpacked);
			packed[i] ^= 0xff;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_plain, setup), cmocka_unit_test_setup(test_packed, setup),
		cmocka_unit_test_setup(test_truncated, setup), cmocka_unit_test_setup(test_refused, setup),
		cmocka_unit_test_setup(test_damage, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
