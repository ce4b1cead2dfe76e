/* SPDX-License-Identifier: MIT */
/*
 * Unpacking a guest's kernel.
 *
 * Job:    find a bzImage's payload by its setup header, tell its format by its magic number, have
 *         the right library unpack it. A file that is itself gzip, xz, zstd or lz4 goes as well.
 * Enter:  unpack() from lib/kernel.c.
 * State:  none.
 * Holds:  the output never exceeds MAX_UNPACKED; every offset is checked against the file.
 * Tests:  tests/tools-tests/test_kernel.c
 */
#include <lz4.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include "err.h"
#include "kernel.h"

/* offsets in a bzImage (Linux boot protocol) */
#define SETUP_SECTS 0x1f1
#define BOOT_FLAG 0x1fe
#define HEADER_MAGIC 0x202
#define HEADER_VERSION 0x206
#define PAYLOAD_OFFSET 0x248
#define PAYLOAD_LENGTH 0x24c
#define HEADER_END 0x250

#define LZ4_LEGACY_MAGIC 0x184c2102
#define LZ4_LEGACY_BLOCK (8UL << 20)
#define MAX_UNPACKED (1UL << 30)

struct out {
	uint8_t *data;
	size_t len, room;
};

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Room for more output; false when it is over the limit or memory is short. */
static bool grow(struct out *o)
{
	size_t room = o->room * 2;
	uint8_t *p;

	if (room > MAX_UNPACKED)
		return false;
	p = realloc(o->data, room);
	if (!p)
		return false;
	o->data = p;
	o->room = room;
	return true;
}

static bool unpack_gzip(const uint8_t *in, size_t len, struct out *o)
{
	z_stream z = { .next_in = (uint8_t *)in, .avail_in = (uInt)len };
	int rc;

	if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
		return false;
	do {
		z.next_out = o->data + o->len;
		z.avail_out = (uInt)(o->room - o->len);
		rc = inflate(&z, Z_NO_FLUSH);
		o->len = o->room - z.avail_out;
	} while (rc == Z_OK && (z.avail_out || grow(o)));
	inflateEnd(&z);
	return rc == Z_STREAM_END;
}

static bool unpack_xz(const uint8_t *in, size_t len, struct out *o)
{
	lzma_stream z = LZMA_STREAM_INIT;
	lzma_ret rc;

	if (lzma_stream_decoder(&z, 1UL << 30, 0) != LZMA_OK)
		return false;
	z.next_in = in;
	z.avail_in = len;
	do {
		z.next_out = o->data + o->len;
		z.avail_out = o->room - o->len;
		rc = lzma_code(&z, LZMA_RUN);
		o->len = o->room - z.avail_out;
	} while (rc == LZMA_OK && (z.avail_out || grow(o)));
	lzma_end(&z);
	return rc == LZMA_STREAM_END;
}

static bool unpack_zstd(const uint8_t *in, size_t len, struct out *o)
{
	ZSTD_DStream *z = ZSTD_createDStream();
	ZSTD_inBuffer ib = { in, len, 0 };
	size_t rc = 1, before;

	if (!z)
		return false;
	while (rc && !ZSTD_isError(rc)) {
		ZSTD_outBuffer ob = { o->data, o->room, o->len };

		before = ib.pos + o->len;
		rc = ZSTD_decompressStream(z, &ob, &ib);
		o->len = ob.pos;
		if (rc && !ZSTD_isError(rc) && (o->len == o->room ? !grow(o) : ib.pos + o->len == before))
			break;
	}
	ZSTD_freeDStream(z);
	return rc == 0;
}

/* Linux's legacy frame: magic, then blocks of a 32-bit length and that many bytes. */
static bool unpack_lz4(const uint8_t *in, size_t len, struct out *o)
{
	size_t pos = 4;

	while (len - pos >= 4) {
		uint32_t size = get32(in + pos);
		int n;

		pos += 4;
		if (size == LZ4_LEGACY_MAGIC)
			continue;
		if (!size || size > len - pos)
			return o->len > 0;	/* what Linux appends: the unpacked size */
		while (o->room - o->len < LZ4_LEGACY_BLOCK)
			if (!grow(o))
				return false;
		n = LZ4_decompress_safe((const char *)in + pos, (char *)o->data + o->len, (int)size,
					(int)LZ4_LEGACY_BLOCK);
		if (n < 0)
			return false;
		o->len += (size_t)n;
		pos += size;
	}
	return o->len > 0;
}

static const struct format {
	const char *name;
	uint8_t len, magic[6];
	bool (*unpack)(const uint8_t *in, size_t len, struct out *o);
} formats[] = {
	{ "gzip", 2, { 0x1f, 0x8b }, unpack_gzip },
	{ "xz", 6, { 0xfd, '7', 'z', 'X', 'Z', 0 }, unpack_xz },
	{ "zstd", 4, { 0x28, 0xb5, 0x2f, 0xfd }, unpack_zstd },
	{ "lz4", 4, { 0x02, 0x21, 0x4c, 0x18 }, unpack_lz4 },
	{ "ELF", 4, { 0x7f, 'E', 'L', 'F' }, NULL },
};

static const struct format *tell(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (len >= formats[i].len && !memcmp(p, formats[i].magic, formats[i].len))
			return &formats[i];
	return NULL;
}

/* Replaces data and len by the payload when it is a bzImage. */
static int find_payload(const char *path, const uint8_t **data, size_t *len)
{
	const uint8_t *b = *data;
	uint64_t off, size;

	if (*len < HEADER_END || b[BOOT_FLAG] != 0x55 || b[BOOT_FLAG + 1] != 0xaa ||
	    memcmp(b + HEADER_MAGIC, "HdrS", 4))
		return 0;
	if ((b[HEADER_VERSION] | b[HEADER_VERSION + 1] << 8) < 0x208)
		return err(ST_CONFIG, "%s: the bzImage is too old (boot protocol before 2.08)", path);
	off = ((b[SETUP_SECTS] ? b[SETUP_SECTS] : 4) + 1) * 512UL + get32(b + PAYLOAD_OFFSET);
	size = get32(b + PAYLOAD_LENGTH);
	if (off > *len || size > *len - off || size < 16)
		return err(ST_CONFIG, "%s: the bzImage is truncated", path);
	*data = b + off;
	*len = size;
	return 1;
}

void *unpack(const char *path, const uint8_t *data, size_t len, size_t *out_len)
{
	const struct format *f;
	struct out o = { 0 };
	uint32_t hint;
	int bz = find_payload(path, &data, &len);

	if (bz < 0)
		return NULL;
	f = tell(data, len);
	if (!f) {
		err(ST_CONFIG, bz ? "%s: the bzImage is packed in a way that is not known here; use gzip, "
		    "xz, zstd or lz4" : "%s: neither a bzImage nor an ELF file, nor one packed by gzip, "
		    "xz, zstd or lz4", path);
		return NULL;
	}
	/* The last four bytes are the size, of gzip's own and behind what Linux packs. */
	hint = len >= 8 ? get32(data + len - 4) : 0;
	o.room = hint >= len && hint <= MAX_UNPACKED / 2 ? hint + LZ4_LEGACY_BLOCK : 16UL << 20;
	o.data = malloc(o.room);
	if (!o.data) {
		err(ST_NO_MEMORY, "%s: no memory to unpack it", path);
		return NULL;
	}
	if (!f->unpack) {
		if (len > o.room && !(o.data = realloc(o.data, len)))
			return NULL;
		memcpy(o.data, data, len);
		o.len = len;
	} else if (!f->unpack(data, len, &o)) {
		err(ST_CONFIG, "%s: its %s payload is damaged or truncated", path, f->name);
		free(o.data);
		return NULL;
	}
	*out_len = o.len;
	return o.data;
}
