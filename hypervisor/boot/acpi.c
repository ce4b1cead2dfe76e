/* SPDX-License-Identifier: MIT */
/*
 * Job:    the ACPI tables that the hypervisor needs: find and check them, copy what matters to
 *         acpi_info.
 * Enter:  acpi_parse() from boot/start.c, once.
 * Holds:  a table is mapped with the length that its header says only after that was checked; no
 *         entry is read beyond its table; counts are capped by the arrays.
 * Tests:  tests/host/test_acpi.c, tests/fuzz/fuzz_multiboot.c
 */
#include <hv/acpi.h>
#include <hv/string.h>

#define MAX_TABLE MiB(16)
#define MAX_TABLES 256
#define HDR_SIZE 36			/* of the header that all tables have; length at 4 */
#define RSDP_V1 20
#define RSDP_V2 36

enum { MADT_LAPIC = 0, MADT_IOAPIC = 1, MADT_OVERRIDE = 2, MADT_LAPIC_ADDR = 5, MADT_X2APIC = 9 };

struct acpi_info acpi_info;

static bool sum_is_zero(const u8 *p, size_t len)
{
	u8 sum = 0;

	while (len--)
		sum = (u8)(sum + *p++);
	return sum == 0;
}

static bool good_rsdp(const u8 *p)
{
	return p && !memcmp(p, "RSD PTR ", 8) && sum_is_zero(p, RSDP_V1);
}

/* Search [start, end) at each 16 bytes. */
static const u8 *search_rsdp(map_maddr_t map, u64 start, u64 end)
{
	const u8 *p;

	for (; start < end; start += 16) {
		p = map(start, RSDP_V2);
		if (good_rsdp(p))
			return p;
	}
	return NULL;
}

static const u8 *find_rsdp(map_maddr_t map)
{
	const u8 *p = map(0x40e, 2);	/* real-mode segment of the extended BIOS data area */
	u64 ebda = p ? (u64)get16(p) << 4 : 0;

	p = ebda >= 0x80000 && ebda < 0xa0000 ? search_rsdp(map, ebda, ebda + 1024) : NULL;
	return p ?: search_rsdp(map, 0xe0000, 0x100000);
}

/* A whole table, checked; NULL when it is unreadable, broken or of another name. */
static const u8 *get_table(map_maddr_t map, u64 maddr, const char *name, u32 *len)
{
	const u8 *p = maddr ? map(maddr, HDR_SIZE) : NULL;

	if (!p || memcmp(p, name, 4))
		return NULL;
	*len = get32(p + 4);
	if (*len < HDR_SIZE || *len > MAX_TABLE)
		return NULL;
	p = map(maddr, *len);
	return p && sum_is_zero(p, *len) ? p : NULL;
}

static void add_cpu(struct acpi_info *ai, u32 apic_id, u32 acpi_id, u32 flags)
{
	if (!(flags & 1))		/* enabled */
		return;
	for (unsigned int i = 0; i < ai->nr_cpus; i++)
		if (ai->cpus[i].apic_id == apic_id)
			return;		/* listed as local APIC and as x2APIC */
	if (ai->nr_cpus == ACPI_MAX_CPUS)
		ai->lost_cpus++;
	else
		ai->cpus[ai->nr_cpus++] = (struct acpi_cpu){ apic_id, acpi_id };
}

/* One entry of at least len bytes, len being what it says of itself. */
static void madt_entry(struct acpi_info *ai, const u8 *e, u8 len)
{
	if (e[0] == MADT_LAPIC && len >= 8)
		add_cpu(ai, e[3], e[2], get32(e + 4));
	else if (e[0] == MADT_X2APIC && len >= 16)
		add_cpu(ai, get32(e + 4), get32(e + 12), get32(e + 8));
	else if (e[0] == MADT_IOAPIC && len >= 12 && ai->nr_ioapics < ACPI_MAX_IOAPICS)
		ai->ioapics[ai->nr_ioapics++] = (struct acpi_ioapic){
			.maddr = get32(e + 4), .gsi_base = get32(e + 8) };
	else if (e[0] == MADT_OVERRIDE && len >= 10 && ai->nr_overrides < ACPI_MAX_OVERRIDES)
		ai->overrides[ai->nr_overrides++] = (struct acpi_override){
			.irq = e[3], .gsi = get32(e + 4), .active_low = (e[8] & 3) == 3,
			.level = (e[8] & 12) == 12 };
	else if (e[0] == MADT_LAPIC_ADDR && len >= 12)
		ai->lapic_maddr = get64(e + 4);
}

static void parse_madt(struct acpi_info *ai, const u8 *t, u32 len)
{
	if (len < 44 || ai->have_madt)
		return;
	ai->have_madt = true;
	ai->lapic_maddr = get32(t + 36);
	for (u32 at = 44; len - at >= 2; at += t[at + 1]) {
		if (t[at + 1] < 2 || t[at + 1] > len - at)
			break;
		madt_entry(ai, t + at, t[at + 1]);
	}
}

/* A port: from the 64-bit address structure when the table has a useful one, else the old field. */
static u16 fadt_port(const u8 *t, u32 len, u32 gas, u32 old)
{
	if (len >= gas + 12 && t[gas] == ACPI_SPACE_IO && get64(t + gas + 4) - 1 < 0xffff)
		return (u16)get64(t + gas + 4);
	return get32(t + old) <= 0xffff ? (u16)get32(t + old) : 0;
}

static void parse_fadt(struct acpi_info *ai, const u8 *t, u32 len)
{
	if (len < 116 || ai->have_fadt)
		return;
	ai->have_fadt = true;
	ai->pm1a_cnt_port = fadt_port(t, len, 172, 64);
	ai->pm1b_cnt_port = fadt_port(t, len, 184, 68);
	if (t[91] >= 4)			/* length of the timer's register */
		ai->pm_timer_port = fadt_port(t, len, 208, 76);
	if (len < 129 || !(get32(t + 112) & (1U << 10)) || t[116] > ACPI_SPACE_PCI || !get64(t + 120))
		return;
	ai->have_reset = true;
	ai->reset_space = t[116];
	ai->reset_addr = get64(t + 120);
	ai->reset_value = t[128];
}

static void parse_mcfg(struct acpi_info *ai, const u8 *t, u32 len)
{
	for (u32 at = 44; at <= len && len - at >= 16 && ai->nr_mcfg < ACPI_MAX_MCFG; at += 16) {
		struct acpi_mcfg m = { .base = get64(t + at), .segment = get16(t + at + 8),
				       .start_bus = t[at + 10], .end_bus = t[at + 11] };

		if (m.base && m.start_bus <= m.end_bus)
			ai->mcfg[ai->nr_mcfg++] = m;
	}
}

/* Only the tables that we know are mapped in full. */
static void parse_table(struct acpi_info *ai, map_maddr_t map, u64 maddr)
{
	static const struct {
		char name[5];
		void (*parse)(struct acpi_info *ai, const u8 *t, u32 len);
	} known[] = { { "APIC", parse_madt }, { "FACP", parse_fadt }, { "MCFG", parse_mcfg } };
	const u8 *t = maddr ? map(maddr, HDR_SIZE) : NULL;
	u32 len;

	for (unsigned int i = 0; t && i < ARRAY_SIZE(known); i++) {
		if (memcmp(t, known[i].name, 4))
			continue;
		t = get_table(map, maddr, known[i].name, &len);
		if (t)
			known[i].parse(ai, t, len);
	}
	if (!t)
		ai->bad_tables++;
}

int acpi_parse(const void *rsdp, size_t rsdp_len, map_maddr_t map, struct acpi_info *ai)
{
	const u8 *p = rsdp_len >= RSDP_V1 ? rsdp : NULL, *t = NULL;
	unsigned int i, entry = 8;
	u32 len;

	memset(ai, 0, sizeof(*ai));
	if (!good_rsdp(p)) {
		p = find_rsdp(map);
		rsdp_len = RSDP_V2;
	}
	if (!p)
		return -ENODEV;
	/* the XSDT when there is one, else the RSDT */
	if (p[15] >= 2 && rsdp_len >= RSDP_V2 && sum_is_zero(p, RSDP_V2))
		t = get_table(map, get64(p + 24), "XSDT", &len);
	if (!t) {
		t = get_table(map, get32(p + 16), "RSDT", &len);
		entry = 4;
	}
	if (!t)
		return -EINVAL;
	for (i = 0; i < MAX_TABLES && HDR_SIZE + (i + 1) * entry <= len; i++) {
		p = t + HDR_SIZE + i * entry;
		parse_table(ai, map, entry == 8 ? get64(p) : get32(p));
	}
	return 0;
}
