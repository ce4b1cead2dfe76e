/* SPDX-License-Identifier: MIT */
/*
 * Job:    the loader's information, multiboot 1 and 2: copy what we need into struct boot_info;
 *         nothing of the loader's memory is looked at afterwards except the modules themselves.
 * Enter:  multiboot_parse() from boot/start.c, once. boot_find_memory() until the allocator runs.
 * Holds:  no address, size or count of the information is believed before it is checked; a broken
 *         part is left out, and what follows it is still used where its place is known.
 * Tests:  tests/host/test_multiboot.c, tests/fuzz/fuzz_multiboot.c
 */
#include <hv/multiboot.h>
#include <hv/string.h>

#define MADDR_LIMIT (1UL << 52)
#define MB2_MAX_SIZE MiB(1)
#define MB1_SIZE 116
enum { MB1_MEM = 1 << 0, MB1_CMDLINE = 1 << 2, MB1_MODS = 1 << 3, MB1_MMAP = 1 << 6,
	MB1_LOADER = 1 << 9, MB1_VIDEO = 1 << 12 };

/* tags of the multiboot 2 information */
enum { MB2_END, MB2_CMDLINE, MB2_LOADER, MB2_MODULE, MB2_MEM, MB2_MMAP = 6, MB2_VIDEO = 8,
	MB2_EFI32 = 11, MB2_EFI64 = 12, MB2_RSDP_OLD = 14, MB2_RSDP_NEW = 15, MB2_EFI_MMAP = 17 };

/* A string of at most max characters somewhere in memory; true when it was longer than fits. */
static bool read_text(map_maddr_t map, u64 maddr, size_t max, char *dst, size_t size)
{
	const char *c = NULL;
	size_t i;

	for (i = 0; i < max; i++) {
		c = maddr ? map(maddr + i, 1) : NULL;
		if (!c || !*c || i == size - 1)
			break;
		dst[i] = *c;
	}
	dst[i] = '\0';
	return i < max && c && *c;
}

/*
 * Loaders put the file's name first, but GRUB 2 does not; Debian's menu scripts then write the
 * word "placeholder" in its place.
 */
static void drop_file_name(const struct boot_info *bi, char *line)
{
	bool grub2 = !strncmp(bi->loader, "GRUB ", 5) && bi->loader[5] != '0';
	char *p = line, *end;

	while (*p == ' ')
		p++;
	for (end = p; *end && *end != ' '; end++)
		;
	if (!grub2 || (end - p == 11 && !memcmp(p, "placeholder", 11)))
		for (p = end; *p == ' '; p++)
			;
	memmove(line, p, strlen(p) + 1);
}

static void add_memory(struct boot_info *bi, u64 base, u64 len, u32 type)
{
	if (len && bi->nr_raw == BOOT_MAX_RAW)
		bi->lost_raw++;
	else if (len)
		bi->raw[bi->nr_raw++] = (struct mem_range){ base, len, type };
}

/* p: mem_lower and mem_upper, for a loader that gives no map. */
static void add_basic_memory(struct boot_info *bi, const u8 *p)
{
	if (bi->nr_raw)
		return;
	add_memory(bi, 0, KiB(min(get32(p), 640U)), MEM_RAM);
	add_memory(bi, MiB(1), KiB(get32(p + 4)), MEM_RAM);
}

/* The first module in [start, end); NULL: none. */
static const struct boot_module *find_module(const struct boot_info *bi, u64 start, u64 end)
{
	for (const struct boot_module *m = bi->modules; m < bi->modules + bi->nr_modules; m++)
		if (m->start < end && start < m->end)
			return m;
	return NULL;
}

/* Left out when it is empty, unreadable, overlaps another, or is one too many. */
static void add_module(map_maddr_t map, struct boot_info *bi, u64 start, u64 end, u64 text, size_t max)
{
	struct boot_module *m;

	if (start >= end)
		return;
	if (find_module(bi, start, end) || bi->nr_modules == BOOT_MAX_MODULES ||
	    !map(start, end - start)) {
		bi->lost_modules++;
		return;
	}
	m = &bi->modules[bi->nr_modules++];
	m->start = start;
	m->end = end;
	bi->cmdline_cut |= read_text(map, text, max, m->cmdline, sizeof(m->cmdline));
}

/* The frame buffer fields, which have the same order in both protocols; p is at framebuffer_addr. */
static void set_video(struct boot_info *bi, const u8 *p, const u8 *colour)
{
	struct boot_video *v = &bi->video;

	if (p[21] != 1)			/* direct colour */
		return;
	*v = (struct boot_video){ .linear = true, .addr = get64(p), .pitch = get32(p + 8),
				  .width = get32(p + 12), .height = get32(p + 16), .bpp = p[20] };
	memcpy(v->colour, colour, sizeof(v->colour));
}

/*
 * The most restrictive type at pos (0: none), and the next address at which it may change. RAM
 * counts in whole pages; of a page that is something else in part nothing is RAM.
 */
static u32 type_at(const struct boot_info *bi, u64 pos, u64 *next)
{
	u64 start, end;
	u32 type, found = 0;

	*next = MADDR_LIMIT;
	for (const struct mem_range *m = bi->raw; m < bi->raw + bi->nr_raw; m++) {
		start = min(m->base, MADDR_LIMIT);
		end = start + min(m->len, MADDR_LIMIT - start);
		type = m->type >= MEM_RAM && m->type <= MEM_UNUSABLE ? m->type : MEM_RESERVED;
		start = type == MEM_RAM ? ROUND_UP(start, PAGE_SIZE) : ROUND_DOWN(start, PAGE_SIZE);
		end = type == MEM_RAM ? ROUND_DOWN(end, PAGE_SIZE) : ROUND_UP(end, PAGE_SIZE);
		if (end <= pos)
			continue;
		*next = min(*next, start > pos ? start : end);
		if (start <= pos)
			found = max(found, type);
	}
	return found;
}

void boot_sort_memory(struct boot_info *bi)
{
	struct mem_range *m;
	u64 next;
	u32 type;

	bi->nr_mem = 0;
	for (u64 pos = 0; pos < MADDR_LIMIT; pos = next) {
		type = type_at(bi, pos, &next);
		if (!type)
			continue;
		m = bi->mem + bi->nr_mem;
		if (bi->nr_mem && m[-1].type == type && m[-1].base + m[-1].len == pos)
			m[-1].len = next - m[-1].base;
		else if (bi->nr_mem < BOOT_MAX_MEM)
			bi->mem[bi->nr_mem++] = (struct mem_range){ pos, next - pos, type };
	}
}

u64 boot_find_memory(const struct boot_info *bi, u64 len, u64 min_addr, u64 limit)
{
	const struct boot_module *in_way;
	u64 pos, end;

	for (const struct mem_range *m = bi->mem; m < bi->mem + bi->nr_mem; m++) {
		if (m->type != MEM_RAM)
			continue;
		pos = ROUND_UP(max(m->base, min_addr), PAGE_SIZE);
		end = min(m->base + m->len, limit);
		for (; pos < end && len <= end - pos; pos = ROUND_UP(in_way->end, PAGE_SIZE)) {
			in_way = find_module(bi, pos, pos + len);
			if (!in_way)
				return pos;
		}
	}
	return 0;
}

/* --- multiboot 1 --- */

static void mb1_modules(map_maddr_t map, struct boot_info *bi, u64 maddr, u32 count)
{
	const u8 *p;

	for (u32 i = 0; i < min(count, 64U); i++) {
		p = map(maddr + 16UL * i, 16);
		if (p)
			add_module(map, bi, get32(p), get32(p + 4), get32(p + 8), BOOT_CMDLINE_MAX);
	}
}

static void mb1_mmap(map_maddr_t map, struct boot_info *bi, u64 maddr, u32 length)
{
	u64 step, end = maddr + min(length, 65536U);
	const u8 *p;

	for (; end - maddr >= 24; maddr += step) {
		p = map(maddr, 24);
		step = p ? (u64)get32(p) + 4 : 0;
		if (step < 24 || step > end - maddr)
			return;
		add_memory(bi, get64(p + 4), get64(p + 12), get32(p + 20));
	}
}

static const char *parse_mb1(u64 info, map_maddr_t map, struct boot_info *bi)
{
	const u8 *p = map(info, MB1_SIZE);
	u32 flags = p ? get32(p) : 0;

	if (!p)
		return "the multiboot information lies outside memory";
	if (flags & MB1_LOADER)
		read_text(map, get32(p + 64), sizeof(bi->loader), bi->loader, sizeof(bi->loader));
	if (flags & MB1_CMDLINE)
		bi->cmdline_cut = read_text(map, get32(p + 16), BOOT_CMDLINE_MAX, bi->cmdline,
					    sizeof(bi->cmdline));
	if (flags & MB1_MODS)
		mb1_modules(map, bi, get32(p + 24), get32(p + 20));
	if (flags & MB1_MMAP)
		mb1_mmap(map, bi, get32(p + 48), get32(p + 44));
	if (flags & MB1_MEM)
		add_basic_memory(bi, p + 4);
	if (flags & MB1_VIDEO)
		set_video(bi, p + 88, p + 110);
	return NULL;
}

/* --- multiboot 2 --- */

static void mb2_mmap(struct boot_info *bi, const u8 *tag, u32 size)
{
	u32 at, entry = size < 16 ? 0 : get32(tag + 8);

	if (entry < 20)
		return;
	for (at = 16; at <= size && size - at >= entry; at += entry)
		add_memory(bi, get64(tag + at), get64(tag + at + 8), get32(tag + at + 16));
}

static void mb2_tag(map_maddr_t map, struct boot_info *bi, u64 maddr, const u8 *tag, u32 size)
{
	u32 type = get32(tag);

	switch (type) {
	case MB2_CMDLINE:
		bi->cmdline_cut |= read_text(map, maddr + 8, size - 8, bi->cmdline, sizeof(bi->cmdline));
		break;
	case MB2_LOADER:
		read_text(map, maddr + 8, size - 8, bi->loader, sizeof(bi->loader));
		break;
	case MB2_MODULE:
		if (size > 16)
			add_module(map, bi, get32(tag + 8), get32(tag + 12), maddr + 16, size - 16);
		break;
	case MB2_MMAP:
		mb2_mmap(bi, tag, size);
		break;
	case MB2_VIDEO:
		if (size >= 38)
			set_video(bi, tag + 8, tag + 32);
		break;
	case MB2_EFI32:
	case MB2_EFI64:
	case MB2_EFI_MMAP:
		bi->efi = true;
		break;
	case MB2_RSDP_OLD:
	case MB2_RSDP_NEW:
		if (size < 8 + 20 || (bi->rsdp_len && type == MB2_RSDP_OLD))
			break;
		bi->rsdp_len = min(size - 8, (u32)sizeof(bi->rsdp));
		memcpy(bi->rsdp, tag + 8, bi->rsdp_len);
		break;
	}
}

static const char *parse_mb2(u64 info, map_maddr_t map, struct boot_info *bi)
{
	const u8 *p = map(info, 8), *basic = NULL;
	u32 at, size, total = p ? get32(p) : 0;

	p = total >= 16 && total <= MB2_MAX_SIZE ? map(info, total) : NULL;
	if (!p)
		return "the multiboot 2 information is truncated or lies outside memory";
	for (at = 8; at <= total && total - at >= 8; at += ROUND_UP(size, 8U)) {
		size = get32(p + at + 4);
		if (size < 8 || size > total - at || get32(p + at) == MB2_END)
			break;
		if (get32(p + at) == MB2_MEM && size >= 16)
			basic = p + at + 8;
		mb2_tag(map, bi, info + at, p + at, size);
	}
	if (basic)
		add_basic_memory(bi, basic);
	return NULL;
}

const char *multiboot_parse(u32 magic, u64 info, map_maddr_t map, struct boot_info *bi)
{
	const char *why = "not started by a multiboot loader: use GRUB (multiboot2) or qemu -kernel";

	memset(bi, 0, sizeof(*bi));
	if (magic == MULTIBOOT1_LOADED)
		why = parse_mb1(info, map, bi);
	else if (magic == MULTIBOOT2_LOADED)
		why = parse_mb2(info, map, bi);
	/* only now: the loader's name may come after the lines that depend on it */
	for (unsigned int i = 0; i < bi->nr_modules; i++)
		drop_file_name(bi, bi->modules[i].cmdline);
	drop_file_name(bi, bi->cmdline);
	boot_sort_memory(bi);
	return why;
}
