/* SPDX-License-Identifier: MIT */
/*
 * The loader's information, multiboot 1 and 2.
 *
 * Job:    copy what we need into struct boot_info; nothing of the loader's memory is looked at
 *         afterwards except the modules themselves.
 * Enter:  multiboot_parse() from boot/start.c, once. boot_find_memory() until the allocator runs.
 * State:  none; all reads go through the caller's mb_reader.
 * Locks:  none.
 * Holds:  no address, size or count of the information is believed before it is checked; a broken
 *         part is left out, and what follows it is still used where its place is known.
 * Tests:  tests/host/test_multiboot.c, tests/fuzz (multiboot and ACPI)
 */
#include <hv/errno.h>
#include <hv/multiboot.h>
#include <hv/string.h>

#define MADDR_LIMIT (1UL << 52)
#define MB2_MAX_SIZE MiB(1)

/* offsets in the multiboot 1 information */
#define MB1_SIZE 116
enum { MB1_MEM = 1 << 0, MB1_CMDLINE = 1 << 2, MB1_MODS = 1 << 3, MB1_MMAP = 1 << 6,
	MB1_LOADER = 1 << 9, MB1_VIDEO = 1 << 12 };

/* tags of the multiboot 2 information */
enum { MB2_END, MB2_CMDLINE, MB2_LOADER, MB2_MODULE, MB2_MEM, MB2_MMAP = 6, MB2_VIDEO = 8,
	MB2_EFI32 = 11, MB2_EFI64 = 12, MB2_RSDP_OLD = 14, MB2_RSDP_NEW = 15, MB2_EFI_MMAP = 17 };

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

/* --- command lines --- */

/* Copy at most max characters; true when it did not fit. */
static bool copy_text(char *dst, size_t size, const char *src, size_t max)
{
	size_t len = strnlen(src, max);
	bool cut = len >= size;

	if (cut)
		len = size - 1;
	memcpy(dst, src, len);
	dst[len] = '\0';
	return cut;
}

/* A NUL-terminated string somewhere in memory. */
static bool read_text(const struct mb_reader *r, u64 maddr, char *dst, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++) {
		const char *c = maddr ? r->map(r->ctx, maddr + i, 1) : NULL;

		dst[i] = c ? *c : '\0';
		if (!dst[i])
			return false;
	}
	dst[size - 1] = '\0';
	return true;
}

/*
 * Loaders put the file's name first, but GRUB 2 does not; Debian's menu scripts then write the
 * word "placeholder" in its place.
 */
static void drop_file_name(const struct boot_info *bi, char *line)
{
	static const char dummy[] = "placeholder";
	bool grub2 = !strncmp(bi->loader, "GRUB ", 5) && bi->loader[5] != '0';
	char *p = line;

	while (*p == ' ')
		p++;
	if (!grub2 || (!strncmp(p, dummy, sizeof(dummy) - 1) &&
		       (p[sizeof(dummy) - 1] == ' ' || !p[sizeof(dummy) - 1]))) {
		while (*p && *p != ' ')
			p++;
		while (*p == ' ')
			p++;
	}
	memmove(line, p, strlen(p) + 1);
}

/* --- pieces that both protocols have --- */

static void add_memory(struct boot_info *bi, u64 base, u64 len, u32 type)
{
	if (!len)
		return;
	if (bi->nr_raw == BOOT_MAX_RAW) {
		bi->lost_raw++;
		return;
	}
	bi->raw[bi->nr_raw++] = (struct mem_range){ .base = base, .len = len, .type = type };
}

/* mem_lower and mem_upper, for a loader that gives no map. */
static void add_basic_memory(struct boot_info *bi, u32 lower_kib, u32 upper_kib)
{
	if (bi->nr_raw)
		return;
	add_memory(bi, 0, KiB(min(lower_kib, 640U)), MEM_RAM);
	add_memory(bi, MiB(1), KiB(upper_kib), MEM_RAM);
}

/* The slot for a module, or NULL when it is empty, unreadable, overlaps another, or one too many. */
static struct boot_module *add_module(const struct mb_reader *r, struct boot_info *bi, u64 start,
				      u64 end)
{
	struct boot_module *m;

	if (start >= end)
		return NULL;
	for (m = bi->modules; m < bi->modules + bi->nr_modules; m++)
		if (start < m->end && m->start < end)
			break;
	if (m < bi->modules + bi->nr_modules || bi->nr_modules == BOOT_MAX_MODULES ||
	    !r->map(r->ctx, start, end - start)) {
		bi->lost_modules++;
		return NULL;
	}
	bi->nr_modules++;
	m->start = start;
	m->end = end;
	return m;
}

/* The frame buffer fields, which have the same order in both protocols; p is at framebuffer_addr. */
static void set_video(struct boot_info *bi, const u8 *p, const u8 *colour)
{
	struct boot_video *v = &bi->video;

	v->addr = get64(p);
	v->pitch = get32(p + 8);
	v->width = get32(p + 12);
	v->height = get32(p + 16);
	v->bpp = p[20];
	v->text = p[21] == 2;
	if (p[21] == 1 && colour) {
		v->red_pos = colour[0];
		v->red_size = colour[1];
		v->green_pos = colour[2];
		v->green_size = colour[3];
		v->blue_pos = colour[4];
		v->blue_size = colour[5];
	}
	v->valid = v->text || (p[21] == 1 && colour);
}

/* --- the memory map --- */

static u32 known_type(u32 type)
{
	return type >= MEM_RAM && type <= MEM_UNUSABLE ? type : MEM_RESERVED;
}

static u64 range_end(const struct mem_range *m)
{
	return m->len > MADDR_LIMIT - m->base ? MADDR_LIMIT : m->base + m->len;
}

/* The most restrictive type at pos (0: none), and the next address at which it may change. */
static u32 type_at(const struct boot_info *bi, u64 pos, u64 *next)
{
	const struct mem_range *m;
	u32 type = 0;

	*next = MADDR_LIMIT;
	for (m = bi->raw; m < bi->raw + bi->nr_raw; m++) {
		if (m->base >= MADDR_LIMIT || range_end(m) <= pos)
			continue;
		if (m->base > pos) {
			*next = min(*next, m->base);
		} else {
			*next = min(*next, range_end(m));
			type = max(type, known_type(m->type));
		}
	}
	return type;
}

void boot_sort_memory(struct boot_info *bi)
{
	struct mem_range *m;
	unsigned int i, n = 0;
	u64 pos, next;

	for (pos = 0; pos < MADDR_LIMIT; pos = next) {
		u32 type = type_at(bi, pos, &next);

		if (!type)
			continue;
		m = n ? &bi->mem[n - 1] : NULL;
		if (m && m->type == type && m->base + m->len == pos)
			m->len = next - m->base;
		else if (n < BOOT_MAX_MEM)
			bi->mem[n++] = (struct mem_range){ .base = pos, .len = next - pos, .type = type };
	}
	/* RAM counts in whole pages only */
	bi->nr_mem = 0;
	for (i = 0; i < n; i++) {
		struct mem_range k = bi->mem[i];
		u64 end = k.base + k.len;

		if (k.type == MEM_RAM) {
			k.base = ROUND_UP(k.base, PAGE_SIZE);
			end = ROUND_DOWN(end, PAGE_SIZE);
		}
		if (k.base >= end)
			continue;
		k.len = end - k.base;
		bi->mem[bi->nr_mem++] = k;
	}
}

/* If [pos, pos + len) touches [start, end), move pos behind it. */
static bool step_over(u64 *pos, u64 len, u64 start, u64 end)
{
	if (start >= end || *pos >= end || start >= *pos + len)
		return false;
	*pos = ROUND_UP(end, PAGE_SIZE);
	return true;
}

u64 boot_find_memory(const struct boot_info *bi, u64 len, u64 min_addr, u64 limit, u64 avoid_start,
		     u64 avoid_end)
{
	unsigned int i, k;

	for (i = 0; i < bi->nr_mem; i++) {
		const struct mem_range *m = &bi->mem[i];
		u64 end = min(m->base + m->len, limit);
		u64 pos = ROUND_UP(max(m->base, min_addr), PAGE_SIZE);
		bool moved = true;

		if (m->type != MEM_RAM)
			continue;
		while (moved && pos < end && len <= end - pos) {
			moved = step_over(&pos, len, avoid_start, avoid_end);
			for (k = 0; k < bi->nr_modules; k++)
				moved |= step_over(&pos, len, bi->modules[k].start, bi->modules[k].end);
		}
		if (!moved && pos < end && len <= end - pos)
			return pos;
	}
	return 0;
}

/* --- multiboot 1 --- */

static void mb1_modules(const struct mb_reader *r, struct boot_info *bi, u64 maddr, u32 count)
{
	u32 i;

	for (i = 0; i < min(count, 64U); i++) {
		const u8 *p = r->map(r->ctx, maddr + 16UL * i, 16);
		struct boot_module *m = p ? add_module(r, bi, get32(p), get32(p + 4)) : NULL;

		if (!m)
			continue;
		m->cmdline_cut = read_text(r, get32(p + 8), m->cmdline, sizeof(m->cmdline));
		drop_file_name(bi, m->cmdline);
	}
}

static void mb1_mmap(const struct mb_reader *r, struct boot_info *bi, u64 maddr, u32 length)
{
	u64 end = maddr + min(length, 65536U);

	while (end - maddr >= 24) {
		const u8 *p = r->map(r->ctx, maddr, 24);
		u64 step;

		if (!p)
			return;
		step = (u64)get32(p) + 4;
		if (step < 24 || step > end - maddr)
			return;
		add_memory(bi, get64(p + 4), get64(p + 12), get32(p + 20));
		maddr += step;
	}
}

static int parse_mb1(u64 info, const struct mb_reader *r, struct boot_info *bi, const char **why)
{
	const u8 *p = r->map(r->ctx, info, MB1_SIZE);
	u32 flags;

	if (!p) {
		*why = "the multiboot information lies outside memory";
		return -EINVAL;
	}
	flags = get32(p);
	if (flags & MB1_LOADER)
		read_text(r, get32(p + 64), bi->loader, sizeof(bi->loader));
	if (flags & MB1_CMDLINE)
		bi->cmdline_cut = read_text(r, get32(p + 16), bi->cmdline, sizeof(bi->cmdline));
	if (flags & MB1_MODS)
		mb1_modules(r, bi, get32(p + 24), get32(p + 20));
	if (flags & MB1_MMAP)
		mb1_mmap(r, bi, get32(p + 48), get32(p + 44));
	if (flags & MB1_MEM)
		add_basic_memory(bi, get32(p + 4), get32(p + 8));
	if (flags & MB1_VIDEO)
		set_video(bi, p + 88, p + 110);
	return 0;
}

/* --- multiboot 2 --- */

static void mb2_module(const struct mb_reader *r, struct boot_info *bi, const u8 *tag, u32 size)
{
	struct boot_module *m = size < 17 ? NULL : add_module(r, bi, get32(tag + 8), get32(tag + 12));

	if (m)
		m->cmdline_cut = copy_text(m->cmdline, sizeof(m->cmdline), (const char *)tag + 16,
					   size - 16);
}

static void mb2_mmap(struct boot_info *bi, const u8 *tag, u32 size)
{
	u32 entry = size < 16 ? 0 : get32(tag + 8);
	u32 at;

	if (entry < 20)
		return;
	for (at = 16; at <= size && size - at >= entry; at += entry)
		add_memory(bi, get64(tag + at), get64(tag + at + 8), get32(tag + at + 16));
}

static void mb2_tag(const struct mb_reader *r, struct boot_info *bi, u32 type, const u8 *tag, u32 size)
{
	switch (type) {
	case MB2_CMDLINE:
		bi->cmdline_cut = copy_text(bi->cmdline, sizeof(bi->cmdline), (const char *)tag + 8,
					    size - 8);
		break;
	case MB2_LOADER:
		copy_text(bi->loader, sizeof(bi->loader), (const char *)tag + 8, size - 8);
		break;
	case MB2_MODULE:
		mb2_module(r, bi, tag, size);
		break;
	case MB2_MMAP:
		mb2_mmap(bi, tag, size);
		break;
	case MB2_VIDEO:
		if (size >= 32)
			set_video(bi, tag + 8, size >= 38 ? tag + 32 : NULL);
		break;
	case MB2_EFI32:
	case MB2_EFI64:
	case MB2_EFI_MMAP:
		bi->efi = true;
		break;
	case MB2_RSDP_OLD:
	case MB2_RSDP_NEW:
		if (size < 8 + 20 || (bi->have_rsdp && type == MB2_RSDP_OLD))
			break;
		bi->rsdp_len = min(size - 8, (u32)sizeof(bi->rsdp));
		memcpy(bi->rsdp, tag + 8, bi->rsdp_len);
		bi->have_rsdp = true;
		break;
	}
}

static int parse_mb2(u64 info, const struct mb_reader *r, struct boot_info *bi, const char **why)
{
	const u8 *p = r->map(r->ctx, info, 8);
	u32 total = p ? get32(p) : 0;
	u32 at, size, basic = 0, i;

	if (total < 16 || total > MB2_MAX_SIZE || !(p = r->map(r->ctx, info, total))) {
		*why = "the multiboot 2 information is truncated or lies outside memory";
		return -EINVAL;
	}
	for (at = 8; at <= total && total - at >= 8; at += ROUND_UP(size, 8U)) {
		size = get32(p + at + 4);
		if (size < 8 || size > total - at || get32(p + at) == MB2_END)
			break;
		if (get32(p + at) == MB2_MEM && size >= 16)
			basic = at;
		mb2_tag(r, bi, get32(p + at), p + at, size);
	}
	if (basic)
		add_basic_memory(bi, get32(p + basic + 8), get32(p + basic + 12));
	/* the loader's name may come after the lines that depend on it */
	for (i = 0; i < bi->nr_modules; i++)
		drop_file_name(bi, bi->modules[i].cmdline);
	return 0;
}

int multiboot_parse(u32 magic, u64 info, const struct mb_reader *r, struct boot_info *bi,
		    const char **why)
{
	int rc;

	memset(bi, 0, sizeof(*bi));
	if (magic == MULTIBOOT1_LOADED) {
		rc = parse_mb1(info, r, bi, why);
	} else if (magic == MULTIBOOT2_LOADED) {
		rc = parse_mb2(info, r, bi, why);
	} else {
		*why = "not started by a multiboot loader";
		rc = -EINVAL;
	}
	if (rc)
		return rc;
	drop_file_name(bi, bi->cmdline);
	boot_sort_memory(bi);
	return 0;
}
