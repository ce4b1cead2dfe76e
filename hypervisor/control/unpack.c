/* SPDX-License-Identifier: MIT */
/*
 * Unpacking dom0's kernel.
 *
 * Job:    find a bzImage's payload by its setup header, tell its format by its magic number, have
 *         the right library unpack it.
 * Enter:  unpacked_size(), unpack_kernel() from boot/start.c.
 * State:  none.
 * Locks:  none.
 * Holds:  the output never exceeds what the caller allows; every offset is checked against the
 *         image; the libraries run only inside declib_run().
 * Tests:  tests/host/test_unpack.c, tests/fuzz (ELF and bzImage)
 */
#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>
#include <hv/errno.h>
#include <hv/string.h>
#include <hv/unpack.h>

/* offsets in a bzImage (Linux boot protocol) */
#define SETUP_SECTS 0x1f1
#define BOOT_FLAG 0x1fe
#define HEADER_MAGIC 0x202
#define HEADER_VERSION 0x206
#define PAYLOAD_OFFSET 0x248
#define PAYLOAD_LENGTH 0x24c
#define HEADER_END 0x250

#define LZ4_LEGACY_MAGIC 0x184c2102
#define LZ4_LEGACY_BLOCK MiB(8)
#define MAX_UNPACKED GiB(1)
/* Working memory of the libraries besides xz's dictionary: zstd's context is the largest. */
#define ARENA_BASE MiB(1)

enum format { FORMAT_ELF, FORMAT_GZIP, FORMAT_XZ, FORMAT_ZSTD, FORMAT_LZ4 };

struct payload {
	const u8 *data;
	size_t len;			/* packed; without the size that Linux appends */
	size_t unpacked;		/* upper bound of the output */
	enum format format;
	u8 *out;
	size_t out_len;			/* in: room; out: bytes written */
};

static u32 get32(const u8 *p)
{
	u32 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* --- finding the payload --- */

static bool tell_format(struct payload *p, const char **why)
{
	static const struct { u8 len, magic[6]; enum format format; } known[] = {
		{ 4, "\177ELF", FORMAT_ELF },
		{ 2, { 0x1f, 0x8b }, FORMAT_GZIP },
		{ 6, { 0xfd, '7', 'z', 'X', 'Z', 0 }, FORMAT_XZ },
		{ 4, { 0x28, 0xb5, 0x2f, 0xfd }, FORMAT_ZSTD },
		{ 4, { 0x02, 0x21, 0x4c, 0x18 }, FORMAT_LZ4 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(known); i++) {
		if (p->len >= known[i].len && !memcmp(p->data, known[i].magic, known[i].len)) {
			p->format = known[i].format;
			return true;
		}
	}
	*why = "kernel: its payload is packed in a way that is not known here; "
	       "use gzip, xz, zstd or lz4 (CONFIG_KERNEL_...)";
	return false;
}

/* A bzImage: the payload is behind the setup sectors, its unpacked size is in its last four bytes. */
static int find_payload(const u8 *image, size_t len, struct payload *p, const char **why)
{
	u64 off, size;

	off = ((image[SETUP_SECTS] ?: 4) + 1) * 512 + (u64)get32(image + PAYLOAD_OFFSET);
	size = get32(image + PAYLOAD_LENGTH);
	if (off > len || size > len - off || size < 16) {
		*why = "kernel: the bzImage is truncated";
		return -EINVAL;
	}
	p->data = image + off;
	p->len = size;
	if (!tell_format(p, why))
		return -ENOEXEC;
	p->unpacked = p->format == FORMAT_ELF ? size : get32(p->data + size - 4);
	if (!p->unpacked || p->unpacked > MAX_UNPACKED) {
		*why = "kernel: the bzImage says an impossible size for its payload";
		return -EINVAL;
	}
	/* gzip's own trailer ends with the size; to the others Linux appends it */
	if (p->format != FORMAT_GZIP && p->format != FORMAT_ELF)
		p->len -= 4;
	return 0;
}

static int inspect(const void *image, size_t len, struct payload *p, const char **why)
{
	const u8 *b = image;

	memset(p, 0, sizeof(*p));
	if (len >= HEADER_END && b[BOOT_FLAG] == 0x55 && b[BOOT_FLAG + 1] == 0xaa &&
	    !memcmp(b + HEADER_MAGIC, "HdrS", 4)) {
		if ((b[HEADER_VERSION] | b[HEADER_VERSION + 1] << 8) < 0x208) {
			*why = "kernel: the bzImage is too old (boot protocol before 2.08)";
			return -ENOEXEC;
		}
		return find_payload(b, len, p, why);
	}
	if (len >= 4 && !memcmp(b, "\177ELF", 4)) {
		p->data = b;
		p->len = p->unpacked = len;
		p->format = FORMAT_ELF;
		return 0;
	}
	*why = "kernel: the first module is neither a bzImage nor an ELF file; "
	       "the kernel must come first, then the initrd";
	return -ENOEXEC;
}

size_t unpacked_size(const void *image, size_t len, const char **why)
{
	struct payload p;

	return inspect(image, len, &p, why) ? 0 : p.unpacked;
}

/* --- the formats; each is called inside declib_run() --- */

static int unpack_gzip(void *arg)
{
	struct payload *p = arg;
	z_stream z = { .next_in = (u8 *)p->data, .avail_in = (uInt)p->len,
		       .next_out = p->out, .avail_out = (uInt)p->out_len };
	int rc;

	if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
		return -ENOMEM;
	rc = inflate(&z, Z_FINISH);
	inflateEnd(&z);
	p->out_len = z.total_out;
	return rc == Z_STREAM_END ? 0 : -EINVAL;
}

static int unpack_xz(void *arg)
{
	struct payload *p = arg;
	size_t in = 0, out = 0;
	u64 limit = ~0UL;		/* the arena is the limit */
	lzma_ret rc = lzma_stream_buffer_decode(&limit, 0, NULL, p->data, &in, p->len,
						p->out, &out, p->out_len);

	p->out_len = out;
	return rc == LZMA_OK ? 0 : rc == LZMA_MEM_ERROR ? -ENOMEM : -EINVAL;
}

static int unpack_zstd(void *arg)
{
	struct payload *p = arg;
	ZSTD_DCtx *ctx = ZSTD_createDCtx();
	size_t n;

	if (!ctx)
		return -ENOMEM;
	n = ZSTD_decompressDCtx(ctx, p->out, p->out_len, p->data, p->len);
	ZSTD_freeDCtx(ctx);
	if (ZSTD_isError(n))
		return -EINVAL;
	p->out_len = n;
	return 0;
}

/* Linux's legacy frame: magic, then blocks of a 32-bit length and that many bytes. */
static int unpack_lz4(void *arg)
{
	struct payload *p = arg;
	size_t at = 4, out = 0;

	while (p->len - at >= 4) {
		u32 size = get32(p->data + at);
		int n;

		at += 4;
		if (size == LZ4_LEGACY_MAGIC)
			continue;
		if (!size || size > p->len - at || size > 2 * LZ4_LEGACY_BLOCK)
			return -EINVAL;
		n = LZ4_decompress_safe((const char *)p->data + at, (char *)p->out + out, (int)size,
					(int)min(p->out_len - out, LZ4_LEGACY_BLOCK));
		if (n < 0)
			return -EINVAL;
		out += (size_t)n;
		at += size;
	}
	p->out_len = out;
	return 0;
}

/*
 * The dictionary of the first block's LZMA2 filter, which liblzma allocates in full. An estimate:
 * when the header is not as expected the decoder will say so.
 */
static size_t xz_dictionary(const struct payload *p)
{
	size_t at = 12, end, skip;
	unsigned int filters, bits;

	if (p->len < 32)
		return 0;
	end = at + (p->data[at] + 1UL) * 4;
	if (end > p->len)
		return 0;
	filters = (p->data[at + 1] & 3) + 1;
	skip = ((p->data[at + 1] >> 6) & 1) + (p->data[at + 1] >> 7);
	for (at += 2; skip; skip--)		/* optional sizes: variable-length numbers */
		while (at < end && p->data[at++] & 0x80)
			;
	for (; filters && at + 2 < end; filters--) {
		u8 id = p->data[at], len = p->data[at + 1];

		if (id == 0x21 && len == 1) {
			bits = min((unsigned int)p->data[at + 2], 36U);
			return (2UL | (bits & 1)) << (bits / 2 + 11);
		}
		at += 2UL + len;
	}
	return 0;
}

int unpack_kernel(const void *image, size_t len, void *out, size_t out_max, size_t *out_len,
		  const char **why)
{
	static int (*const unpack[])(void *) = {
		[FORMAT_GZIP] = unpack_gzip, [FORMAT_XZ] = unpack_xz, [FORMAT_ZSTD] = unpack_zstd,
		[FORMAT_LZ4] = unpack_lz4,
	};
	struct payload p;
	size_t arena = ARENA_BASE;
	int rc = inspect(image, len, &p, why);

	if (rc)
		return rc;
	if (p.unpacked > out_max) {
		*why = "kernel: no room to unpack it";
		return -E2BIG;
	}
	p.out = out;
	p.out_len = p.unpacked;
	if (p.format == FORMAT_ELF) {
		memcpy(out, p.data, p.len);
		*out_len = p.len;
		return 0;
	}
	if (p.format == FORMAT_XZ)
		arena += xz_dictionary(&p);
	rc = declib_run(unpack[p.format], &p, arena);
	if (rc == -ENOMEM)
		*why = "kernel: not enough memory to unpack it; give the machine more";
	else if (rc)
		*why = "kernel: its packed payload is damaged";
	*out_len = p.out_len;
	return rc;
}
