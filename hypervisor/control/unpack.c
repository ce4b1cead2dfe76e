/* SPDX-License-Identifier: MIT */
/*
 * Job:    find the kernel in a bzImage by its setup header, tell the payload's format by its magic
 *         number, have the right library unpack it.
 * Enter:  find_kernel(), unpack_kernel() from control/build_dom0.c.
 * Holds:  the output never exceeds what find_kernel() announced; every offset is checked against
 *         the image; the libraries run only inside declib_run().
 * Tests:  tests/host/test_unpack.c, tests/fuzz/fuzz_elf.c
 */
#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>
#include <hv/image.h>
#include <hv/string.h>

/* offsets in a bzImage (Linux boot protocol) */
enum { SETUP_SECTS = 0x1f1, BOOT_FLAG = 0x1fe, HEADER_MAGIC = 0x202, HEADER_VERSION = 0x206,
	PAYLOAD_OFFSET = 0x248, PAYLOAD_LENGTH = 0x24c, HEADER_END = 0x250 };

#define LZ4_LEGACY_MAGIC 0x184c2102
#define LZ4_LEGACY_BLOCK MiB(8)
#define MAX_UNPACKED GiB(1)
#define ARENA MiB(1)		/* for all but xz; zstd's context is the largest */

/* The formats; each is called inside declib_run(). */

static int unpack_gzip(void *arg)
{
	struct payload *p = arg;
	z_stream z = { .next_in = (u8 *)p->data, .avail_in = (uInt)p->len,
		       .next_out = p->out, .avail_out = (uInt)p->unpacked };
	int rc;

	if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
		return -ENOMEM;
	rc = inflate(&z, Z_FINISH);
	inflateEnd(&z);
	p->unpacked = z.total_out;
	return rc == Z_STREAM_END ? 0 : -EINVAL;
}

/* Its memory depends on the dictionary: without enough allowed, liblzma says how much it needs. */
static int unpack_xz(void *arg)
{
	struct payload *p = arg;
	size_t in = 0, out = 0;
	lzma_ret rc = lzma_stream_buffer_decode(&p->memory, 0, NULL, p->data, &in, p->len, p->out, &out,
						p->unpacked);

	if (rc == LZMA_MEMLIMIT_ERROR)
		return -E2BIG;
	p->unpacked = out;
	return rc == LZMA_OK ? 0 : rc == LZMA_MEM_ERROR ? -ENOMEM : -EINVAL;
}

static int unpack_zstd(void *arg)
{
	struct payload *p = arg;
	ZSTD_DCtx *ctx = ZSTD_createDCtx();

	if (!ctx)
		return -ENOMEM;
	p->unpacked = ZSTD_decompressDCtx(ctx, p->out, p->unpacked, p->data, p->len);
	ZSTD_freeDCtx(ctx);
	return ZSTD_isError(p->unpacked) ? -EINVAL : 0;
}

/* Linux's legacy frame: magic, then blocks of a 32-bit length and that many bytes. */
static int unpack_lz4(void *arg)
{
	struct payload *p = arg;
	size_t at = 4, out = 0;
	u32 size;
	int n;

	for (; p->len - at >= 4; at += size) {
		size = get32(p->data + at);
		at += 4;
		if (size == LZ4_LEGACY_MAGIC) {		/* another frame follows */
			size = 0;
			continue;
		}
		if (!size || size > p->len - at || size > 2 * LZ4_LEGACY_BLOCK)
			return -EINVAL;
		n = LZ4_decompress_safe((const char *)p->data + at, (char *)p->out + out, (int)size,
					(int)min(p->unpacked - out, LZ4_LEGACY_BLOCK));
		if (n < 0)
			return -EINVAL;
		out += (size_t)n;
	}
	p->unpacked = out;
	return 0;
}

static const char *tell_format(struct payload *p)
{
	static const struct { u8 len, magic[6]; int (*unpack)(void *); } known[] = {
		{ 4, "\177ELF", NULL },
		{ 2, { 0x1f, 0x8b }, unpack_gzip },
		{ 6, { 0xfd, '7', 'z', 'X', 'Z', 0 }, unpack_xz },
		{ 4, { 0x28, 0xb5, 0x2f, 0xfd }, unpack_zstd },
		{ 4, { 0x02, 0x21, 0x4c, 0x18 }, unpack_lz4 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(known); i++)
		if (p->len >= known[i].len && !memcmp(p->data, known[i].magic, known[i].len)) {
			p->unpack = known[i].unpack;
			return NULL;
		}
	return "kernel: unknown packing of its payload; use gzip, xz, zstd or lz4 (CONFIG_KERNEL_...)";
}

/* A bzImage: the payload is behind the setup sectors, its unpacked size is in its last four bytes. */
static const char *find_payload(const u8 *image, size_t len, struct payload *p)
{
	u64 off = ((image[SETUP_SECTS] ?: 4) + 1) * 512 + (u64)get32(image + PAYLOAD_OFFSET);
	u64 size = get32(image + PAYLOAD_LENGTH);
	const char *why;

	if (get16(image + HEADER_VERSION) < 0x208)
		return "kernel: the bzImage is too old (boot protocol before 2.08)";
	if (off > len || size > len - off || size < 16)
		return "kernel: the bzImage is truncated";
	p->data = image + off;
	p->len = size;
	why = tell_format(p);
	if (why)
		return why;
	p->unpacked = p->unpack ? get32(p->data + size - 4) : size;
	if (!p->unpacked || p->unpacked > MAX_UNPACKED)
		return "kernel: the bzImage says an impossible size for its payload";
	/* gzip's own trailer ends with the size; to the others Linux appends it */
	if (p->unpack && p->unpack != unpack_gzip)
		p->len -= 4;
	return NULL;
}

const char *find_kernel(const void *image, size_t len, struct payload *p)
{
	const u8 *b = image;

	*p = (struct payload){ .data = b, .len = len, .unpacked = len };
	if (len >= HEADER_END && get16(b + BOOT_FLAG) == 0xaa55 && !memcmp(b + HEADER_MAGIC, "HdrS", 4))
		return find_payload(b, len, p);
	if (len >= 4 && !memcmp(b, "\177ELF", 4))
		return NULL;
	return "kernel: the first module is neither bzImage nor ELF; the kernel comes first, then the initrd";
}

const char *unpack_kernel(struct payload *p, void *out)
{
	int rc;

	if (!p->unpack) {
		memcpy(out, p->data, p->len);
		return NULL;
	}
	p->out = out;
	rc = declib_run(p->unpack, p, ARENA);
	if (rc == -E2BIG)
		rc = declib_run(p->unpack, p, ARENA + p->memory);
	if (rc == -ENOMEM)
		return "kernel: not enough memory to unpack it; give the machine more";
	return rc ? "kernel: its packed payload is damaged" : NULL;
}
