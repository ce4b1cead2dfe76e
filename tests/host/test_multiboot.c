/* SPDX-License-Identifier: MIT */
/*
 * Claims about boot/multiboot.c: both protocols are read, file names are dropped as Xen drops them,
 * the memory map comes out sorted and without overlaps, broken information is refused or left out.
 *
 * Job:    run it as tests/host/run multiboot
 * Tests:  boot/multiboot.c (I1, I2)
 */
/* host-sources: hypervisor/boot/multiboot.c */
#include "host.h"
#include <hv/multiboot.h>

#define SIZE 16384
static u8 *mem;			/* machine memory, of exactly SIZE bytes so that ASan sees its end */
static struct boot_info bi;

static const void *read_mem(u64 maddr, u64 len)
{
	return maddr <= SIZE && len <= SIZE - maddr ? mem + maddr : NULL;
}

static int parse(u32 magic, u64 info)
{
	return multiboot_parse(magic, info, read_mem, &bi) ? -EINVAL : 0;
}

static int fresh(void **state)
{
	free(mem);
	mem = calloc(1, SIZE);
	return 0;
}

static void put32(u64 at, u32 v)
{
	memcpy(mem + at, &v, 4);
}

static void put64(u64 at, u64 v)
{
	memcpy(mem + at, &v, 8);
}

static void put_text(u64 at, const char *s)
{
	memcpy(mem + at, s, strlen(s) + 1);
}

static void check_sorted(void)
{
	for (unsigned int i = 0; i < bi.nr_mem; i++) {
		assert_true(bi.mem[i].len && bi.mem[i].type >= MEM_RAM && bi.mem[i].type <= MEM_UNUSABLE);
		if (i)
			assert_true(bi.mem[i - 1].base + bi.mem[i - 1].len <= bi.mem[i].base);
		if (bi.mem[i].type == MEM_RAM)
			assert_int_equal((bi.mem[i].base | bi.mem[i].len) & ~PAGE_MASK, 0);
	}
}

/* What qemu -kernel leaves: file names before the arguments. */
static void test_mb1(void **state)
{
	put32(0, 1 << 0 | 1 << 2 | 1 << 3 | 1 << 6 | 1 << 9);
	put32(16, 0x400);
	put_text(0x400, "build/parapet.elf dom0_mem=512M  noreboot");
	put32(20, 2);
	put32(24, 0x500);
	put32(28, 0);
	put32(44, 48);
	put32(48, 0x600);
	put32(64, 0x700);
	put_text(0x700, "qemu");
	put32(0x500, 0x1000);
	put32(0x504, 0x2000);
	put32(0x508, 0x800);
	put_text(0x800, "/boot/vmlinuz console=hvc0 a=b");
	put32(0x510, 0x2000);
	put32(0x514, 0x2800);
	put32(0x518, 0x900);
	put_text(0x900, "initrd");
	put32(0x600, 20);
	put64(0x604, 0);
	put64(0x60c, 0x9fc00);
	put32(0x614, 1);
	put32(0x618, 20);
	put64(0x61c, 0x100000);
	put64(0x624, 0x7f00000);
	put32(0x62c, 1);

	assert_int_equal(parse(MULTIBOOT1_LOADED, 0), 0);
	assert_string_equal(bi.loader, "qemu");
	assert_string_equal(bi.cmdline, "dom0_mem=512M  noreboot");
	assert_int_equal(bi.nr_modules, 2);
	assert_string_equal(bi.modules[0].cmdline, "console=hvc0 a=b");
	assert_string_equal(bi.modules[1].cmdline, "");
	assert_int_equal(bi.modules[1].end, 0x2800);
	assert_int_equal(bi.nr_mem, 2);
	assert_int_equal(bi.mem[0].len, 0x9f000);
	assert_int_equal(bi.raw[0].len, 0x9fc00);
	check_sorted();
}

static u64 tag(u64 at, u32 type, u32 size)
{
	put32(at, type);
	put32(at + 4, size);
	return at + ((size + 7) & ~7U);
}

/* GRUB 2 gives no file names; Debian's scripts write "placeholder" there. */
static void test_mb2(void **state)
{
	u64 at = 8, end;

	put_text(at + 8, "placeholder loglvl=all");
	at = tag(at, 1, 8 + 23);
	put32(at + 8, 0x1000);
	put32(at + 12, 0x1800);
	put_text(at + 16, "root=/dev/sda1 ro");
	at = tag(at, 3, 16 + 18);
	put_text(at + 8, "GRUB 2.06-13");
	at = tag(at, 2, 8 + 13);
	put32(at + 8, 24);
	put64(at + 16, 0x100000);
	put64(at + 24, 0x100000);
	put32(at + 32, 1);
	at = tag(at, 6, 16 + 24);
	memcpy(mem + at + 8, "RSD PTR 0123456789abcdefghijklmnopqr", 36);
	at = tag(at, 15, 8 + 36);
	at = tag(at, 12, 16);
	end = tag(at, 0, 8);
	put32(0, (u32)end);

	assert_int_equal(parse(MULTIBOOT2_LOADED, 0), 0);
	assert_string_equal(bi.loader, "GRUB 2.06-13");
	assert_string_equal(bi.cmdline, "loglvl=all");
	assert_int_equal(bi.nr_modules, 1);
	assert_string_equal(bi.modules[0].cmdline, "root=/dev/sda1 ro");
	assert_true(bi.efi && !bi.cmdline_cut);
	assert_int_equal(bi.rsdp_len, 36);
	assert_int_equal(bi.nr_mem, 1);

	/* truncated at each length: refused, or what came before the cut */
	for (u32 n = 0; n < end; n++) {
		put32(0, n);
		parse(MULTIBOOT2_LOADED, 0);
	}
	put32(0, SIZE + 1);
	assert_int_equal(parse(MULTIBOOT2_LOADED, 0), -EINVAL);
	assert_int_equal(parse(MULTIBOOT2_LOADED, SIZE), -EINVAL);
	assert_int_equal(parse(0x12345678, 0), -EINVAL);
}

static void raw(u64 base, u64 len, u32 type)
{
	bi.raw[bi.nr_raw++] = (struct mem_range){ base, len, type };
}

static void test_overlaps(void **state)
{
	memset(&bi, 0, sizeof(bi));
	raw(MiB(4), MiB(4), MEM_RAM);
	raw(0, MiB(5), MEM_RAM);
	raw(MiB(6), 0x1800, MEM_RESERVED);
	raw(MiB(7), 100, 77);			/* unknown: reserved */
	raw(~0UL - 5, 100, MEM_RAM);		/* wraps */
	raw(MiB(16), ~0UL, MEM_NVS);
	boot_sort_memory(&bi);
	check_sorted();
	assert_int_equal(bi.nr_mem, 6);
	assert_int_equal(bi.mem[0].len, MiB(6));
	assert_int_equal(bi.mem[1].type, MEM_RESERVED);
	assert_int_equal(bi.mem[2].base, MiB(6) + 0x2000);
	assert_int_equal(bi.mem[3].type, MEM_RESERVED);
	assert_int_equal(bi.mem[5].type, MEM_NVS);
}

static void test_find(void **state)
{
	memset(&bi, 0, sizeof(bi));
	raw(MiB(1), MiB(15), MEM_RAM);
	raw(MiB(20), MiB(100), MEM_RAM);
	boot_sort_memory(&bi);
	bi.nr_modules = 1;
	bi.modules[0].start = MiB(20);
	bi.modules[0].end = MiB(21) + 5;
	assert_int_equal(boot_find_memory(&bi, MiB(1), 0, GiB(4)), MiB(1));
	assert_int_equal(boot_find_memory(&bi, MiB(1), MiB(3), GiB(4)), MiB(3));
	assert_int_equal(boot_find_memory(&bi, MiB(16), 0, GiB(4)), MiB(21) + PAGE_SIZE);
	assert_int_equal(boot_find_memory(&bi, MiB(2), MiB(15), MiB(16)), 0);
	assert_int_equal(boot_find_memory(&bi, MiB(200), 0, GiB(4)), 0);
}

static void test_modules_overlap(void **state)
{
	put32(0, 1 << 3);
	put32(20, 4);
	put32(24, 0x500);
	for (u32 i = 0; i < 4; i++) {
		put32(0x500 + 16 * i, (u32[]){ 0x1000, 0x17ff, 0x2000, SIZE - 1 }[i]);
		put32(0x504 + 16 * i, (u32[]){ 0x1800, 0x1900, 0x2000, SIZE + 1 }[i]);
	}
	assert_int_equal(parse(MULTIBOOT1_LOADED, 0), 0);
	assert_int_equal(bi.nr_modules, 1);
	assert_int_equal(bi.lost_modules, 2);
}

/* 1023 characters fit, one more is cut and said. */
static void test_long_line(void **state)
{
	for (u32 n = 1020; n < 1026; n++) {
		put32(0, 1 << 2);
		put32(16, 0x400);
		memset(mem + 0x400, 'a', n + 2);
		mem[0x401] = ' ';
		mem[0x402 + n] = '\0';
		assert_int_equal(parse(MULTIBOOT1_LOADED, 0), 0);
		assert_int_equal(bi.cmdline_cut, n + 2 > 1023);
		assert_int_equal(strlen(bi.cmdline), (n + 2 > 1023 ? 1023 : n + 2) - 2);
	}
}

static void test_random(void **state)
{
	unsigned int seed = 1, i;

	for (int n = 0; n < 4000; n++) {
		for (i = 0; i < 1024; i++)
			mem[i] = rand_r(&seed) % 3 ? (u8)(rand_r(&seed) % 24) : (u8)rand_r(&seed);
		parse(n & 1 ? MULTIBOOT1_LOADED : MULTIBOOT2_LOADED, 8 * (rand_r(&seed) % 64));
		check_sorted();
		boot_find_memory(&bi, MiB(1), MiB(8), GiB(4));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_mb1, fresh),
		cmocka_unit_test_setup(test_mb2, fresh),
		cmocka_unit_test(test_overlaps),
		cmocka_unit_test(test_find),
		cmocka_unit_test_setup(test_modules_overlap, fresh),
		cmocka_unit_test_setup(test_long_line, fresh),
		cmocka_unit_test_setup(test_random, fresh),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	free(mem);
	return rc;
}
