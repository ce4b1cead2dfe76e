/* SPDX-License-Identifier: MIT */
/*
 * Claims about control/unpack.c: a bzImage's payload comes out as it went in, in each format; a cut
 * or damaged image is refused with a reason and nothing outside of image and output is touched.
 *
 * Job:    run it as tests/host/run unpack
 * Tests:  control/unpack.c
 */
#include "host.h"
#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>
#include <hv/image.h>

#define RAW 100000
#define SETUP 1536			/* two setup sectors and the boot sector */

static u8 raw[RAW];
static size_t arena;

/* The libraries run right here; memory that a kernel could not get is refused. */
int declib_run(int (*fn)(void *arg), void *arg, size_t arena_size)
{
	arena = arena_size;
	return arena_size > MiB(256) ? -ENOMEM : fn(arg);
}

static size_t pack_gzip(u8 *dst, size_t room)
{
	z_stream z = { .next_in = raw, .avail_in = RAW, .next_out = dst, .avail_out = (uInt)room };

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return z.total_out;		/* its trailer ends with the size */
}

static size_t add_size(u8 *dst, size_t n)
{
	u32 size = RAW;

	memcpy(dst + n, &size, 4);
	return n + 4;
}

/* As Linux packs it: x86 filter, LZMA2 with a 32 MiB dictionary, CRC32. */
static size_t pack_xz(u8 *dst, size_t room)
{
	lzma_options_lzma opt;
	lzma_filter filters[] = { { LZMA_FILTER_X86, NULL }, { LZMA_FILTER_LZMA2, &opt },
				  { LZMA_VLI_UNKNOWN, NULL } };
	size_t n = 0;

	lzma_lzma_preset(&opt, 6);
	opt.dict_size = MiB(32);
	assert_int_equal(lzma_stream_buffer_encode(filters, LZMA_CHECK_CRC32, NULL, raw, RAW, dst, &n,
						   room), LZMA_OK);
	return add_size(dst, n);
}

static size_t pack_zstd(u8 *dst, size_t room)
{
	return add_size(dst, ZSTD_compress(dst, room, raw, RAW, 19));
}

static size_t pack_lz4(u8 *dst, size_t room)
{
	u32 magic = 0x184c2102, n;

	memcpy(dst, &magic, 4);
	n = (u32)LZ4_compress_default((char *)raw, (char *)dst + 8, RAW, (int)room - 8);
	memcpy(dst + 4, &n, 4);
	return add_size(dst, 8 + n);
}

static size_t pack_none(u8 *dst, size_t room)
{
	memcpy(dst, raw, RAW);
	return RAW;
}

static size_t (*const packers[])(u8 *, size_t) = {
	pack_gzip, pack_xz, pack_zstd, pack_lz4, pack_none
};

/* A bzImage of the exact size, to be freed. */
static u8 *make(unsigned int format, size_t *len)
{
	u8 *b = calloc(1, SETUP + 2 * RAW), *exact;
	u32 n = (u32)packers[format](b + SETUP, 2 * RAW - 8), zero = 0;

	b[0x1f1] = SETUP / 512 - 1;
	b[0x1fe] = 0x55;
	b[0x1ff] = 0xaa;
	memcpy(b + 0x202, "HdrS\x0f\x02", 6);
	memcpy(b + 0x248, &zero, 4);
	memcpy(b + 0x24c, &n, 4);
	*len = SETUP + n;
	exact = malloc(*len);
	memcpy(exact, b, *len);
	free(b);
	return exact;
}

static int set_up(void **state)
{
	unsigned int seed = 1;

	memcpy(raw, "\177ELF", 4);
	for (size_t i = 4; i < RAW; i++)
		raw[i] = rand_r(&seed) % 4 ? raw[i / 2] : (u8)rand_r(&seed);
	return 0;
}

/* Unpack into memory of exactly the announced size. */
static int unpack(const u8 *image, size_t len, bool compare)
{
	struct payload p;
	const char *why = find_kernel(image, len, &p);
	size_t size = p.unpacked;
	u8 *out;

	if (why || size > MiB(64))
		return -EINVAL;
	out = malloc(size);
	why = unpack_kernel(&p, out);
	if (!why)
		assert_true(p.unpacked <= size);
	if (compare && !why) {
		assert_int_equal(p.unpacked, RAW);
		assert_memory_equal(out, raw, RAW);
	}
	free(out);
	return why ? -EINVAL : 0;
}

static void test_formats(void **state)
{
	for (unsigned int f = 0; f < ARRAY_SIZE(packers); f++) {
		size_t len;
		u8 *b = make(f, &len);

		assert_int_equal(unpack(b, len, true), 0);
		if (packers[f] == pack_xz)
			assert_true(arena >= MiB(32) && arena < MiB(40));
		memcpy(b + len - 4, "\0\1\0", 4);	/* a size that is too small */
		assert_int_equal(unpack(b, len, false), packers[f] == pack_none ? 0 : -EINVAL);
		free(b);
	}
	assert_int_equal(unpack(raw, RAW, true), 0);	/* a plain ELF */
}

static void test_cut(void **state)
{
	for (unsigned int f = 0; f < ARRAY_SIZE(packers); f++) {
		size_t len, n;
		u8 *b = make(f, &len);

		for (n = 0; n < len; n += n < SETUP + 40 || n > len - 16 ? 1 : 4999) {
			u8 *cut = malloc(n);

			memcpy(cut, b, n);
			assert_int_not_equal(unpack(cut, n, false), 0);
			free(cut);
		}
		free(b);
	}
}

static void test_damaged(void **state)
{
	unsigned int seed = 1, good = 0;

	for (unsigned int f = 0; f < ARRAY_SIZE(packers); f++) {
		size_t len;
		u8 *b = make(f, &len), *copy = malloc(len);

		for (unsigned int n = 0; n < 80; n++) {
			memcpy(copy, b, len);
			for (unsigned int i = 1 + rand_r(&seed) % 3; i; i--) {
				size_t at = n % 3 ? SETUP + rand_r(&seed) % 64 : rand_r(&seed) % len;

				copy[n % 7 ? at : len - 1 - at % 8] = (u8)rand_r(&seed);
			}
			good += !unpack(copy, len, false);
		}
		free(copy);
		free(b);
	}
	assert_true(good < 320);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
