/* SPDX-License-Identifier: MIT */
/*
 * The ACPI tables that the hypervisor needs.
 *
 * Job:    find the root pointer and the tables, check them, copy what matters to struct acpi_info.
 * Enter:  acpi_parse() from boot/start.c, once.
 * State:  acpi_info.
 * Locks:  none: boot runs alone.
 * Holds:  a table is mapped with the length that its header says only after that was checked; no
 *         entry is read beyond its table; counts are capped by the arrays.
 * Tests:  tests/host/test_acpi.c, tests/fuzz (multiboot and ACPI)
 */
#include <hv/acpi.h>
#include <hv/errno.h>
#include <hv/string.h>

#define MAX_TABLE MiB(16)
#define MAX_TABLES 256

/* offsets in the common header of all tables */
#define HDR_LENGTH 4
#define HDR_SIZE 36

/* MADT entry types */
enum { MADT_LAPIC = 0, MADT_IOAPIC = 1, MADT_OVERRIDE = 2, MADT_NMI_SOURCE = 3, MADT_LAPIC_NMI = 4,
	MADT_LAPIC_ADDR = 5, MADT_X2APIC = 9, MADT_X2APIC_NMI = 10 };

struct acpi_info acpi_info;

static u16 get16(const u8 *p)
{
	return (u16)(p[0] | p[1] << 8);
}

static u32 get32(const u8 *p)
{
	u32 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static u64 get64(const u8 *p)
{
	u64 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static bool sum_is_zero(const u8 *p, size_t len)
{
	u8 sum = 0;

	while (len--)
		sum = (u8)(sum + *p++);
	return sum == 0;
}

/* --- the root pointer --- */

static bool good_rsdp(const u8 *p, size_t len)
{
	return len >= 20 && !memcmp(p, "RSD PTR ", 8) && sum_is_zero(p, 20);
}

/* Search [start, end) at each 16 bytes; its address or 0. */
static u64 search_rsdp(acpi_map_t map, u64 start, u64 end)
{
	u64 at;

	for (at = ROUND_UP(start, 16UL); at + 20 <= end; at += 16) {
		const u8 *p = map(at, 20);

		if (p && good_rsdp(p, 20))
			return at;
	}
	return 0;
}

static u64 find_rsdp(acpi_map_t map)
{
	const u8 *bda = map(0x40e, 2);	/* real-mode segment of the extended BIOS data area */
	u64 ebda = bda ? (u64)get16(bda) << 4 : 0, at = 0;

	if (ebda >= 0x80000 && ebda < 0xa0000)
		at = search_rsdp(map, ebda, ebda + 1024);
	return at ?: search_rsdp(map, 0xe0000, 0x100000);
}

/* --- tables --- */

/* A whole table, checked; NULL when it is unreadable or broken. */
static const u8 *get_table(acpi_map_t map, u64 maddr, u32 *len)
{
	const u8 *p = maddr ? map(maddr, HDR_SIZE) : NULL;

	if (!p)
		return NULL;
	*len = get32(p + HDR_LENGTH);
	if (*len < HDR_SIZE || *len > MAX_TABLE)
		return NULL;
	p = map(maddr, *len);
	return p && sum_is_zero(p, *len) ? p : NULL;
}

static void set_flags(u16 flags, bool *level, bool *active_low)
{
	*active_low = (flags & 3) == 3;
	*level = ((flags >> 2) & 3) == 3;
}

static void add_cpu(struct acpi_info *ai, u32 apic_id, u32 acpi_id, u32 flags)
{
	unsigned int i;

	if (!(flags & 1))		/* enabled */
		return;
	for (i = 0; i < ai->nr_cpus; i++)
		if (ai->cpus[i].apic_id == apic_id)
			return;		/* listed as local APIC and as x2APIC */
	if (ai->nr_cpus == ACPI_MAX_CPUS) {
		ai->lost_cpus++;
		return;
	}
	ai->cpus[ai->nr_cpus++] = (struct acpi_cpu){ .apic_id = apic_id, .acpi_id = acpi_id };
}

static void add_nmi(struct acpi_info *ai, u32 acpi_id, bool all, u16 flags, u8 lint)
{
	struct acpi_lapic_nmi *n = &ai->nmis[ai->nr_nmis];

	if (ai->nr_nmis == ACPI_MAX_NMIS || lint > 1)
		return;
	ai->nr_nmis++;
	n->all = all;
	n->acpi_id = acpi_id;
	n->lint = lint;
	set_flags(flags, &n->level, &n->active_low);
}

static void add_ioapic(struct acpi_info *ai, const u8 *e)
{
	if (ai->nr_ioapics < ACPI_MAX_IOAPICS)
		ai->ioapics[ai->nr_ioapics++] = (struct acpi_ioapic){
			.id = e[2], .maddr = get32(e + 4), .gsi_base = get32(e + 8) };
}

/* One entry of at least len bytes, len being what it says of itself. */
static void madt_entry(struct acpi_info *ai, const u8 *e, u8 len)
{
	struct acpi_override *o;

	if (e[0] == MADT_LAPIC && len >= 8) {
		add_cpu(ai, e[3], e[2], get32(e + 4));
	} else if (e[0] == MADT_X2APIC && len >= 16) {
		add_cpu(ai, get32(e + 4), get32(e + 12), get32(e + 8));
	} else if (e[0] == MADT_IOAPIC && len >= 12) {
		add_ioapic(ai, e);
	} else if (e[0] == MADT_OVERRIDE && len >= 10 && ai->nr_overrides < ACPI_MAX_OVERRIDES) {
		o = &ai->overrides[ai->nr_overrides++];
		o->irq = e[3];
		o->gsi = get32(e + 4);
		set_flags(get16(e + 8), &o->level, &o->active_low);
	} else if (e[0] == MADT_NMI_SOURCE && len >= 8 && ai->nr_ioapic_nmis < ACPI_MAX_NMIS) {
		o = &ai->ioapic_nmis[ai->nr_ioapic_nmis++];
		o->gsi = get32(e + 4);
		set_flags(get16(e + 2), &o->level, &o->active_low);
	} else if (e[0] == MADT_LAPIC_NMI && len >= 6) {
		add_nmi(ai, e[2], e[2] == 0xff, get16(e + 3), e[5]);
	} else if (e[0] == MADT_X2APIC_NMI && len >= 12) {
		add_nmi(ai, get32(e + 4), get32(e + 4) == ~0U, get16(e + 2), e[8]);
	} else if (e[0] == MADT_LAPIC_ADDR && len >= 12) {
		ai->lapic_maddr = get64(e + 4);
	}
}

static void parse_madt(struct acpi_info *ai, const u8 *t, u32 len, u64 maddr)
{
	u32 at;

	if (len < 44)
		return;
	ai->have_madt = true;
	ai->madt_maddr = maddr;
	ai->lapic_maddr = get32(t + 36);
	ai->pcat_compat = get32(t + 40) & 1;
	for (at = 44; len - at >= 2; at += t[at + 1]) {
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
	if (len < 116)
		return;
	ai->have_fadt = true;
	ai->sci_irq = get16(t + 46);
	ai->flags = get32(t + 112);
	ai->boot_flags = get16(t + 109);
	ai->pm1a_evt_port = fadt_port(t, len, 148, 56);
	ai->pm1b_evt_port = fadt_port(t, len, 160, 60);
	ai->pm1a_cnt_port = fadt_port(t, len, 172, 64);
	ai->pm1b_cnt_port = fadt_port(t, len, 184, 68);
	ai->pm1_evt_len = t[88];
	if (t[91] >= 4)			/* length of the timer's register */
		ai->pm_timer_port = fadt_port(t, len, 208, 76);
	ai->pm_timer_32bit = ai->flags & (1U << 8);
	ai->facs_maddr = len >= 140 && get64(t + 132) ? get64(t + 132) : get32(t + 36);
	ai->dsdt_maddr = len >= 148 && get64(t + 140) ? get64(t + 140) : get32(t + 40);
	if (len >= 129 && ai->flags & (1U << 10) && t[116] <= ACPI_SPACE_PCI && get64(t + 120)) {
		ai->have_reset = true;
		ai->reset_space = t[116];
		ai->reset_addr = get64(t + 120);
		ai->reset_value = t[128];
	}
}

static void parse_mcfg(struct acpi_info *ai, const u8 *t, u32 len)
{
	u32 at;

	for (at = 44; at <= len && len - at >= 16 && ai->nr_mcfg < ACPI_MAX_MCFG; at += 16) {
		struct acpi_mcfg m = { .base = get64(t + at), .segment = get16(t + at + 8),
				       .start_bus = t[at + 10], .end_bus = t[at + 11] };

		if (m.base && m.start_bus <= m.end_bus)
			ai->mcfg[ai->nr_mcfg++] = m;
	}
}

/* Only the tables that we know are mapped in full. */
static void parse_table(struct acpi_info *ai, acpi_map_t map, u64 maddr)
{
	const u8 *t = maddr ? map(maddr, HDR_SIZE) : NULL;
	u8 name[4];
	u32 len;

	if (!t) {
		ai->bad_tables++;
		return;
	}
	memcpy(name, t, sizeof(name));
	if (memcmp(name, "APIC", 4) && memcmp(name, "FACP", 4) && memcmp(name, "HPET", 4) &&
	    memcmp(name, "MCFG", 4))
		return;
	t = get_table(map, maddr, &len);
	if (!t)
		ai->bad_tables++;
	else if (name[0] == 'A' && !ai->have_madt)
		parse_madt(ai, t, len, maddr);
	else if (name[0] == 'F' && !ai->have_fadt)
		parse_fadt(ai, t, len);
	else if (name[0] == 'M')
		parse_mcfg(ai, t, len);
	else if (name[0] == 'H' && len >= 56 && t[40] == ACPI_SPACE_MEMORY && !ai->hpet_maddr)
		ai->hpet_maddr = get64(t + 44);
}

/* The XSDT when there is one, else the RSDT. */
static const u8 *find_root(const u8 *rsdp, size_t len, acpi_map_t map, struct acpi_info *ai, u32 *tlen)
{
	const u8 *t = NULL;

	if (rsdp[15] >= 2 && len >= 36 && sum_is_zero(rsdp, 36)) {
		ai->root_maddr = get64(rsdp + 24);
		t = get_table(map, ai->root_maddr, tlen);
		ai->root_is_xsdt = t && !memcmp(t, "XSDT", 4);
		if (ai->root_is_xsdt)
			return t;
	}
	ai->root_maddr = get32(rsdp + 16);
	t = get_table(map, ai->root_maddr, tlen);
	return t && !memcmp(t, "RSDT", 4) ? t : NULL;
}

int acpi_parse(const void *rsdp, size_t rsdp_len, acpi_map_t map, struct acpi_info *ai)
{
	unsigned int i, n, size;
	const u8 *p = rsdp, *t;
	u32 len;

	memset(ai, 0, sizeof(*ai));
	if (!p || !good_rsdp(p, rsdp_len)) {
		ai->rsdp_maddr = find_rsdp(map);
		if (!ai->rsdp_maddr)
			return -ENODEV;
		rsdp_len = 36;
		p = map(ai->rsdp_maddr, rsdp_len);
		if (!p) {
			rsdp_len = 20;
			p = map(ai->rsdp_maddr, rsdp_len);
		}
	}
	t = p ? find_root(p, rsdp_len, map, ai, &len) : NULL;
	if (!t)
		return -EINVAL;
	size = ai->root_is_xsdt ? 8 : 4;
	n = min((len - HDR_SIZE) / size, (u32)MAX_TABLES);
	for (i = 0; i < n; i++) {
		const u8 *e = t + HDR_SIZE + i * size;

		parse_table(ai, map, size == 8 ? get64(e) : get32(e));
	}
	ai->valid = true;
	return 0;
}
