/* SPDX-License-Identifier: MIT */
/*
 * Claim: a disk's text is read as xl-disk-configuration(5) says, or refused with a reason; what is written
 * back reads the same; the names of disks have their numbers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "dom0-tools/lib/disk.h"

static struct disk_config d;
static char why[400];

static void test_good(void **state)
{
	char *text;

	assert_true(disk_parse(&d, "/dev/null,raw,xvda,w", why, sizeof(why)));
	assert_int_equal(d.id, 51712);
	assert_false(d.read_only);
	disk_free(&d);
	assert_true(disk_parse(&d, "phy:/dev/null, ,hdc,r, cdrom", why, sizeof(why)));
	assert_string_equal(d.target, "/dev/null");
	assert_true(d.cdrom);
	disk_free(&d);
	assert_true(disk_parse(&d, "format=raw, vdev=sdb2, access=ro, iops=100, bps=2M, target=/a,b=c", why, sizeof(why)));
	assert_string_equal(d.target, "/a,b=c");
	assert_int_equal(d.id, 8 << 8 | 18);
	assert_true(d.read_only);
	assert_int_equal(d.bps, 2 << 20);
	text = disk_text(&d);
	disk_free(&d);
	assert_true(disk_parse(&d, text, why, sizeof(why)));
	assert_string_equal(d.target, "/a,b=c");
	assert_int_equal(d.iops, 100);
	assert_true(d.read_only);
	free(text);
	disk_free(&d);
	assert_true(disk_parse(&d, "format=ramdisk,size=4M,vdev=xvdb", why, sizeof(why)));
	assert_int_equal(d.size, 4 << 20);
	assert_null(d.target);
	disk_free(&d);
}

static void test_bad(void **state)
{
	static const struct { const char *text, *want; } bad[] = {
		{ "/x", "vdev is missing" }, { "/x,raw", "vdev is missing" }, { "/x,rwa,xvda", "format" },
		{ "/x,raw,xvda,z", "access" }, { "/x,raw,xvda,w,more", "more than" }, { "vdev=xvda", "target is missing" },
		{ "format=ramdisk,vdev=xvda", "size" }, { "format=ramdisk,size=5,vdev=xvda", "size" },
		{ "a=b,vdev=xvda", "not known" }, { "/x,,xvdA", "no name of a disk" }, { "", "vdev" }, { ",,,", "vdev" },
		{ "size=1Q", "no size" }, { "iops=-1", "no number" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (disk_parse(&d, bad[i].text, why, sizeof(why)))
			fail_msg("'%s' was taken", bad[i].text);
		if (!strstr(why, bad[i].want))
			fail_msg("'%s': %s", bad[i].text, why);
	}
}

static void test_names(void **state)
{
	static const struct { const char *name; uint32_t id; } good[] = {
		{ "xvda", 51712 }, { "xvdb1", 51729 }, { "xvdp15", 202 << 8 | 255 }, { "xvdq", 1 << 28 | 16 << 8 },
		{ "xvdaa", 1 << 28 | 26 << 8 }, { "xvda16", 1 << 28 | 16 }, { "hda", 768 }, { "hdb", 832 }, { "hdc", 5632 },
		{ "sda", 2048 }, { "sdb3", 2067 }, { "d0", 51712 }, { "d2p3", 51747 }, { "51713", 51713 }, { "0x301", 769 },
	};
	static const char *const bad[] = { "xvd", "xvd1", "xvda0", "xvdaaaa", "sdq", "hdi", "hda64", "d", "dx", "nvme0", "0", "" };
	uint32_t id;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (!vdev_parse(good[i].name, &id) || id != good[i].id)
			fail_msg("%s is %u", good[i].name, id);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (vdev_parse(bad[i], &id))
			fail_msg("%s was taken", bad[i]);
}

static void test_images(void **state)
{
	char path[] = "/tmp/test_disk.XXXXXX", text[64];
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	snprintf(text, sizeof(text), "%s,raw,xvda,w", path);
	assert_true(disk_parse(&d, text, why, sizeof(why)));
	assert_false(disk_check(&d, why, sizeof(why)));
	assert_non_null(strstr(why, "empty"));
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_true(disk_check(&d, why, sizeof(why)));
	assert_int_equal(pwrite(fd, "QFI\xfb", 4, 0), 4);
	assert_false(disk_check(&d, why, sizeof(why)));
	assert_non_null(strstr(why, "begins like qcow2"));
	d.format = DISK_QCOW2;
	assert_true(disk_check(&d, why, sizeof(why)));
	d.format = DISK_VMDK;
	assert_false(disk_check(&d, why, sizeof(why)));
	unlink(path);
	d.format = DISK_RAW;
	assert_false(disk_check(&d, why, sizeof(why)));
	disk_free(&d);
	close(fd);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good), cmocka_unit_test(test_bad), cmocka_unit_test(test_names),
		cmocka_unit_test(test_images),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
