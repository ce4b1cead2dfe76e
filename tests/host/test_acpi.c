/* SPDX-License-Identifier: MIT */
/*
 * Claims about boot/acpi.c: the root pointer is found where it may be, good tables are read, broken
 * ones are counted and left out, nothing is read outside of them.
 *
 * Job:    run it as tests/host/run acpi
 * Tests:  boot/acpi.c
 */
/* host-sources: hypervisor/boot/acpi.c */
#include "host.h"
#include <hv/acpi.h>

#define SIZE MiB(1)
static u8 *mem;
static struct acpi_info ai;

static const void *map(u64 maddr, u64 len)
{
	return maddr <= SIZE && len <= SIZE - maddr ? mem + maddr : NULL;
}

static void fix(u64 at, size_t len, unsigned int byte)
{
	u8 sum = 0;

	mem[at + byte] = 0;
	for (size_t i = 0; i < len; i++)
		sum = (u8)(sum + mem[at + i]);
	mem[at + byte] = (u8)-sum;
}

static void put(u64 at, u64 v, unsigned int bytes)
{
	memcpy(mem + at, &v, bytes);
}

static void table(u64 at, const char *name, u32 len)
{
	memcpy(mem + at, name, 4);
	put(at + 4, len, 4);
	fix(at, len, 9);
}

#define RSDP 0xf1230
#define ROOT 0x1000
#define MADT 0x2000
#define FADT 0x3000
#define HPET 0x4000
#define MCFG 0x5000

static void make_rsdp(bool v2)
{
	memcpy(mem + RSDP, "RSD PTR ", 8);
	mem[RSDP + 15] = v2 ? 2 : 0;
	put(RSDP + 16, ROOT, 4);
	put(RSDP + 24, ROOT, 8);
	fix(RSDP, 20, 8);
	fix(RSDP, 36, 32);
}

static void make_root(bool v2)
{
	static const u32 list[] = { FADT, MADT, HPET, MCFG };

	for (unsigned int i = 0; i < 4; i++)
		put(ROOT + 36 + i * (v2 ? 8 : 4), list[i], v2 ? 8 : 4);
	table(ROOT, v2 ? "XSDT" : "RSDT", 36 + 4 * (v2 ? 8 : 4));
}

static int machine(void **state)
{
	static const u8 entries[] = {
		0, 8, 0, 0, 1, 0, 0, 0,				/* CPU 0 */
		0, 8, 1, 1, 0, 0, 0, 0,				/* disabled */
		9, 16, 0, 0, 0x2c, 1, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0,	/* x2APIC id 300, uid 7 */
		1, 12, 2, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0,	/* IO-APIC */
		2, 10, 0, 9, 9, 0, 0, 0, 13, 0,			/* IRQ 9: level, high */
		4, 6, 0xff, 0, 0, 1,				/* NMI on LINT1 of all */
		5, 12, 0, 0, 0, 0x10, 0xe0, 0xfe, 0, 0, 0, 0,	/* local APIC elsewhere */
	};

	mem = calloc(1, SIZE);
	make_rsdp(true);
	make_root(true);
	put(MADT + 36, 0xfee00000, 4);
	put(MADT + 40, 1, 4);
	memcpy(mem + MADT + 44, entries, sizeof(entries));
	table(MADT, "APIC", 44 + sizeof(entries));
	put(FADT + 46, 9, 2);
	put(FADT + 64, 0x604, 4);
	put(FADT + 76, 0x608, 4);
	mem[FADT + 91] = 4;
	put(FADT + 112, 1U << 10 | 1U << 8, 4);
	mem[FADT + 116] = ACPI_SPACE_IO;
	put(FADT + 120, 0xcf9, 8);
	mem[FADT + 128] = 15;
	mem[FADT + 208] = ACPI_SPACE_IO;
	put(FADT + 212, 0xb008, 8);
	table(FADT, "FACP", 244);
	put(HPET + 44, 0xfed00000, 8);
	table(HPET, "HPET", 56);
	put(MCFG + 44, 0xb0000000, 8);
	mem[MCFG + 55] = 255;
	table(MCFG, "MCFG", 60);
	return 0;
}

static int end(void **state)
{
	free(mem);
	return 0;
}

static void check_all(void)
{
	assert_true(ai.have_madt && ai.have_fadt && ai.have_reset);
	assert_int_equal(ai.nr_cpus, 2);
	assert_int_equal(ai.cpus[1].apic_id, 300);
	assert_int_equal(ai.cpus[1].acpi_id, 7);
	assert_int_equal(ai.lapic_maddr, 0xfee01000);
	assert_int_equal(ai.ioapics[0].maddr, 0xfec00000);
	assert_true(ai.overrides[0].level && !ai.overrides[0].active_low);
	assert_int_equal(ai.pm1a_cnt_port, 0x604);
	assert_int_equal(ai.pm_timer_port, 0xb008);	/* the 64-bit field wins */
	assert_int_equal(ai.reset_addr, 0xcf9);
	assert_int_equal(ai.nr_mcfg, 1);
	assert_int_equal(ai.bad_tables, 0);
}

static void test_found(void **state)
{
	u8 copy[36];

	assert_int_equal(acpi_parse(NULL, 0, map, &ai), 0);
	check_all();
	memcpy(copy, mem + RSDP, sizeof(copy));
	memset(mem + RSDP, 0, 36);
	assert_int_equal(acpi_parse(NULL, 0, map, &ai), -ENODEV);
	assert_int_equal(acpi_parse(copy, 36, map, &ai), 0);
	check_all();
	/* in the extended BIOS data area */
	put(0x40e, 0x9fc0, 2);
	memcpy(mem + 0x9fc00 + 0x3e0, copy, 36);
	assert_int_equal(acpi_parse(NULL, 0, map, &ai), 0);
	check_all();
}

static void test_rsdt(void **state)
{
	make_rsdp(false);
	make_root(false);
	assert_int_equal(acpi_parse(NULL, 0, map, &ai), 0);
	check_all();
	put(ROOT + 36, MADT, 4);		/* listed twice, and FADT no more */
	table(ROOT, "RSDT", 36 + 16);
	assert_int_equal(acpi_parse(NULL, 0, map, &ai), 0);
	assert_true(ai.have_madt && !ai.have_fadt && ai.nr_ioapics == 1);
}

static void test_broken(void **state)
{
	mem[MADT + 50] ^= 1;
	assert_int_equal(acpi_parse(NULL, 0, map, &ai), 0);
	assert_true(!ai.have_madt && ai.have_fadt && ai.bad_tables == 1);
	mem[MADT + 50] ^= 1;
	put(ROOT + 36, ~0UL - 3, 8);
	fix(ROOT, 68, 9);
	assert_int_equal(acpi_parse(NULL, 0, map, &ai), 0);
	assert_true(!ai.have_fadt && ai.have_madt && ai.bad_tables == 1);
	put(ROOT + 4, 0xffffffff, 4);
	assert_int_equal(acpi_parse(NULL, 0, map, &ai), -EINVAL);
}

/* Each table cut at each length, and entries with each length: no access outside of memory. */
static void test_lengths(void **state)
{
	static const u32 tables[] = { MADT, FADT, HPET, MCFG };

	for (unsigned int t = 0; t < 4; t++) {
		for (u32 len = 0; len < 260; len++) {
			u32 old, pos = (u32)SIZE - len;
			u8 *at = mem + tables[t];

			/* a copy that ends where memory ends */
			memcpy(&old, at + 4, 4);
			if (len < 36 || len > old)
				continue;
			memcpy(mem + pos, at, len);
			put(pos + 4, len, 4);
			fix(pos, len, 9);
			put(ROOT + 36, pos, 8);
			fix(ROOT, 68, 9);
			acpi_parse(mem + RSDP, 36, map, &ai);
			memset(mem + pos, 0, len);
		}
	}
	for (unsigned int v = 0; v < 256; v++) {
		mem[MADT + 45] = (u8)v;
		fix(MADT, 44 + 72, 9);
		acpi_parse(mem + RSDP, 36, map, &ai);
	}
}

static void test_too_many(void **state)
{
	for (unsigned int i = 0; i < 200; i++) {
		u8 lapic[] = { 0, 8, (u8)i, (u8)i, 1, 0, 0, 0 };

		memcpy(mem + MADT + 44 + 8 * i, lapic, 8);
	}
	table(MADT, "APIC", 44 + 1600);
	assert_int_equal(acpi_parse(NULL, 0, map, &ai), 0);
	assert_int_equal(ai.nr_cpus, ACPI_MAX_CPUS);
	assert_int_equal(ai.lost_cpus, 200 - ACPI_MAX_CPUS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_found, machine, end),
		cmocka_unit_test_setup_teardown(test_rsdt, machine, end),
		cmocka_unit_test_setup_teardown(test_broken, machine, end),
		cmocka_unit_test_setup_teardown(test_lengths, machine, end),
		cmocka_unit_test_setup_teardown(test_too_many, machine, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
