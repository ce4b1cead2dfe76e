/* SPDX-License-Identifier: MIT */
/*
 * Claims about boot/cmdline.c: values are taken as documented, a malformed one changes nothing and is
 * named once with what was expected, an unknown option is named once.
 *
 * Job:    run it as tests/host/run cmdline
 * Tests:  boot/cmdline.c, debug/format.c
 */
/* host-sources: hypervisor/boot/cmdline.c */
#include "host.h"
#include <hv/options.h>

static bool flag, other = true;
static unsigned int number;

const struct option hv_options[] = {
	{ "flag", OPT_BOOL, &flag, NULL, "yes|no", "no", "" },
	{ "other", OPT_BOOL, &other, NULL, "yes|no", "yes", "" },
	{ "number", OPT_UINT, &number, NULL, "N", "0", "" },
	{ "dom0_mem", OPT_CUSTOM, NULL, parse_dom0_mem, "SIZE", "all", "" },
	{ "dom0_max_vcpus", OPT_CUSTOM, NULL, parse_dom0_max_vcpus, "N", "1", "" },
	{ "loglvl", OPT_LEVEL, &log_level, NULL, "LEVEL", "warning", "" },
};
const unsigned int nr_hv_options = ARRAY_SIZE(hv_options);

static u64 complaints(void)
{
	u64 before = host_log.printed;

	options_report();
	return host_log.printed - before;
}

static void test_values(void **state)
{
	options_parse("  flag no-other number=0x10 dom0_mem=512M,max:1G,min:4096 "
		      "dom0_max_vcpus=2-4 loglvl=warning/all -- quiet console=hvc0");
	assert_true(flag && !other);
	assert_int_equal(number, 16);
	assert_int_equal(opt_dom0_mem.size, MiB(512));
	assert_int_equal(opt_dom0_mem.max, GiB(1));
	assert_int_equal(opt_dom0_mem.min, MiB(4));
	assert_int_equal(opt_dom0_max_vcpus.min, 2);
	assert_int_equal(opt_dom0_max_vcpus.max, 4);
	assert_int_equal(log_level, LOG_DEBUG);
	assert_string_equal(options_dom0_extra, "quiet console=hvc0");
	assert_int_equal(complaints(), 0);
	options_parse("flag=off other=on dom0_max_vcpus=3");
	assert_true(!flag && other);
	assert_int_equal(opt_dom0_max_vcpus.min, 3);
	options_parse("dom0_max_vcpus=-2");
	assert_int_equal(opt_dom0_max_vcpus.min, 0);
	assert_int_equal(opt_dom0_max_vcpus.max, 2);
}

static void test_malformed(void **state)
{
	static const char *const bad[] = {
		"number=", "number=1x", "number=-1", "number=4294967296", "number", "flag=maybe",
		"dom0_mem=", "dom0_mem=5Q", "dom0_mem=1M,", "dom0_mem=99999999999G", "no-number",
		"dom0_max_vcpus=4-2", "dom0_max_vcpus=65", "dom0_max_vcpus=-", "loglvl=loud", "loglvl=all/",
	};
	unsigned int i;

	options_parse("number=7 dom0_mem=1M dom0_max_vcpus=1 flag");
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		options_parse(bad[i]);
	options_parse("ucode=scan flagged flag= ucode=scan");
	assert_int_equal(number, 7);
	assert_int_equal(opt_dom0_mem.size, MiB(1));
	assert_int_equal(opt_dom0_max_vcpus.max, 1);
	assert_true(flag);
	assert_int_equal(complaints(), ARRAY_SIZE(bad) + 2);
	assert_string_equal(host_last_message, "Option 'flagged' is unknown and ignored\n");
}

static void test_lengths(void **state)
{
	char line[5000];

	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	options_parse(line);
	memset(line + 100, ' ', 1000);
	options_parse(line);
	options_parse("");
	options_parse("--");
	assert_string_equal(options_dom0_extra, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_lengths),
	};

	host_init(64, 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
