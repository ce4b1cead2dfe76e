/* SPDX-License-Identifier: MIT */
/* The language of xl.cfg and what it says about a domain; texts of CPU maps and UUIDs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "dom0-tools/lib/config.h"
#include "dom0-tools/lib/err.h"
#include "dom0-tools/lib/store.h"

static struct config c;
static struct domain_config d;

static int setup(void **state)
{
	err_clear();
	err_quiet(true);
	memset(&c, 0, sizeof(c));
	memset(&d, 0, sizeof(d));
	return 0;
}

static int teardown(void **state)
{
	config_free(&c);
	domain_config_free(&d);
	return 0;
}

static int text(const char *s)
{
	return config_text(&c, "f.cfg", s, strlen(s));
}

static int both(const char *s)
{
	return text(s) || domain_config(&d, &c) ? -1 : 0;
}

#define KERNEL "name='n'\nkernel='/dev/null'\n"

static void test_language(void **state)
{
	assert_int_equal(text("# head\n\na = 1\nb=\"x # y\" # tail\nc = 'it\"s'; e = 5\n"
			      "l = [ 'p', \"q\",\n  3, # comment\n]\ncont \\\n = 2\n"), 0);
	assert_int_equal(c.nr, 6);
	assert_string_equal(c.entries[1].value, "x # y");
	assert_string_equal(c.entries[2].value, "it\"s");
	assert_string_equal(c.entries[3].key, "e");
	assert_int_equal(c.entries[4].nr_items, 3);
	assert_string_equal(c.entries[4].items[2], "3");
	assert_int_equal(c.entries[5].line, 9);
}

static void test_replaced(void **state)
{
	assert_int_equal(text("a=1\na=2"), 0);
	assert_int_equal(config_argument(&c, "a=three and four"), 0);
	assert_int_equal(config_argument(&c, "b=['x','y']"), 0);
	assert_int_equal(c.nr, 2);
	assert_string_equal(c.entries[0].value, "three and four");
	assert_int_equal(c.entries[1].nr_items, 2);
}

static void test_errors(void **state)
{
	static const struct { const char *in, *want; } bad[] = {
		{ "a=1\nb = \"open\nc=1", "f.cfg:2: b: the closing quote" }, { "= 3", "f.cfg:1: a key" },
		{ "abc", "f.cfg:1: abc: '='" }, { "a = ", "a value is missing" },
		{ "a = [ 1, 2,", "closing ]" }, { "a = [ 1 2 ]", "a comma or ]" },
		{ "a = 1 2", "something follows" }, { "a += 1", "+= is not" }, { "a = 'x\ny'", "quote" },
		{ "\x01", "a key is missing" }, { "a=[[1]]", "value is missing" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err_clear();
		assert_int_equal(text(bad[i].in), -1);
		if (!strstr(err_text(), bad[i].want))
			fail_msg("'%s': %s", bad[i].in, err_text());
		config_free(&c);
	}
}

/* Any bytes: an answer, and nothing leaks (ASan looks). */
static void test_noise(void **state)
{
	static const char alphabet[] = "abz=\"'[],;#\\\n \t0129+-^\0\x80";
	char buf[64];

	srand(1);
	for (int n = 0; n < 200000; n++) {
		size_t len = (size_t)rand() % sizeof(buf);

		for (size_t i = 0; i < len; i++)
			buf[i] = alphabet[(size_t)rand() % (sizeof(alphabet) - 1)];
		err_clear();
		if (!config_text(&c, "f", buf, len))
			(void)domain_config(&d, &c);
		domain_config_free(&d);
		config_free(&c);
	}
}

static void test_many(void **state)
{
	char line[32];

	for (int i = 0; i < MAX_ENTRIES; i++) {
		snprintf(line, sizeof(line), "k%d=%d", i, i);
		assert_int_equal(text(line), 0);
	}
	assert_int_equal(text("more=1"), -1);
}

static void test_domain(void **state)
{
	assert_int_equal(both(KERNEL "memory=256\nmaxmem=512\nvcpus=2\nmaxvcpus=4\ncpus=\"0-2,^1\"\n"
			      "cpu_weight=512\ncap=50\nring1=0\nextra='console=hvc0'\nroot='/dev/xvda'\n"
			      "on_crash='coredump-restart'\nuuid='00112233-4455-6677-8899-aabbccddeeff'\n"
			      "disk=[]\nvif=[ ]\ntype='pv'"), 0);
	assert_int_equal(d.memory_kb, 256 << 10);
	assert_int_equal(d.max_vcpus, 4);
	assert_int_equal(d.affinity[0].bits[0], 5);
	assert_string_equal(d.cmdline, "root=/dev/xvda console=hvc0");
	assert_int_equal(d.on_crash, ACT_COREDUMP_RESTART);
	assert_int_equal(d.on_reboot, ACT_RESTART);
	assert_int_equal(d.uuid[1], 0x11);
	assert_int_equal(d.cap, 50);
	assert_true(d.no_ring1);
}

static void test_domain_errors(void **state)
{
	static const struct { const char *in, *want; } bad[] = {
		{ "kernel='/dev/null'", "'name' is missing" }, { "name='x'", "'kernel' is missing" },
		{ KERNEL "memory='lots'", "f.cfg:3: memory: a number" },
		{ KERNEL "memory=0", "f.cfg:3: memory: 0 is out of range" },
		{ KERNEL "memory=99999999999999999999", "number is wanted" },
		{ KERNEL "vcpus=2\nmaxvcpus=1", "f.cfg:4: maxvcpus" }, { KERNEL "maxmem=5", "less than" },
		{ KERNEL "cpus='x'", "f.cfg:3: cpus" }, { KERNEL "cpus=[]", "cpus" },
		{ KERNEL "on_crash='maybe'", "f.cfg:3: on_crash" }, { KERNEL "type='hvm'", "only \"pv\"" },
		{ KERNEL "disk=['a']", "f.cfg:3: disk: vdev is missing" }, { KERNEL "vif=['foo=1']", "f.cfg:3: vif: foo=1: this key" },
		{ KERNEL "bootloader='pygrub'", "bootloader" }, { KERNEL "uuid='12'", "uuid" },
		{ "name='a/b'\nkernel='/dev/null'", "f.cfg:1: name" }, { "name='17'\nkernel='/dev/null'", "digits" },
		{ KERNEL "root='a\"b'\nextra=\"it's\"", "both kinds of quotes" },
		{ "name='a b'\nkernel='/dev/null'", "any of _-.+:@" }, { "name='-a'\nkernel='/dev/null'", "any of _-.+:@" },
		{ "name=''\nkernel='/dev/null'", "name" }, { "name='a'\nkernel='/nowhere'", "f.cfg:2: kernel: /nowhere" },
		{ KERNEL "memory=['1']", "memory" }, { KERNEL "tsc_mode='odd'", "tsc_mode" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err_clear();
		if (!both(bad[i].in))
			fail_msg("'%s' was taken", bad[i].in);
		if (!strstr(err_text(), bad[i].want))
			fail_msg("'%s': %s", bad[i].in, err_text());
		config_free(&c);
		domain_config_free(&d);
	}
}

/* What is stored for a restart says the same. */
static void test_round_trip(void **state)
{
	struct domain_config again;
	char *one, *two;

	assert_int_equal(both(KERNEL "extra='a=\"b c\"'\nramdisk='/dev/null'\ncpus=['0','1-3']\nvcpus=2\ncap=0\nring1=0\n"), 0);
	one = domain_config_text(&d);
	config_free(&c);
	assert_int_equal(text(one), 0);
	assert_int_equal(domain_config(&again, &c), 0);
	two = domain_config_text(&again);
	assert_string_equal(one, two);
	assert_true(again.have_cap);
	assert_true(again.no_ring1);
	assert_int_equal(again.nr_affinity, 2);
	assert_int_equal(again.affinity[1].bits[0], 14);
	free(one);
	free(two);
	domain_config_free(&again);
}

static void test_maps(void **state)
{
	struct cpumap m;
	char buf[64];

	assert_true(cpumap_parse(&m, "all", 4));
	assert_string_equal(cpumap_text(&m, 4, buf, sizeof(buf)), "all");
	assert_true(cpumap_parse(&m, "^1", 4));
	assert_string_equal(cpumap_text(&m, 4, buf, sizeof(buf)), "0,2-3");
	assert_false(cpumap_parse(&m, "4", 4));
	assert_false(cpumap_parse(&m, "", 4));
	assert_false(cpumap_parse(&m, "2-1", 4));
	assert_false(cpumap_parse(&m, "0,,1", 4));
	assert_false(cpumap_parse(&m, "0-1,^0-1", 4));
}

/* Every name that a domain may have is one component of a path of the store, and no two are the same. */
static void test_names(void **state)
{
	char name[] = "?-9", longest[129];

	assert_true(domain_name_good("web.example-1:b"));
	assert_string_equal(st_key("web.example-1:b@_"), "web@2eexample-1@3ab@40_");
	assert_string_not_equal(st_key("a@2eb"), "a@2eb");
	for (int i = 1; i < 256; i++) {
		name[0] = (char)i;
		if (domain_name_good(name))
			assert_int_equal(strspn(st_key(name), "abcdefghijklmnopqrstuvwxyz0123456789@_-"
						"ABCDEFGHIJKLMNOPQRSTUVWXYZ"), strlen(st_key(name)));
	}
	assert_false(domain_name_good(""));
	assert_false(domain_name_good("12"));
	assert_false(domain_name_good("../a"));
	memset(longest, '.', 128);
	longest[128] = '\0';
	assert_true(domain_name_good(longest));
	assert_int_equal(strlen(st_key(longest)), 3 * 128);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_language, setup, teardown),
		cmocka_unit_test_setup_teardown(test_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_noise, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_domain, setup, teardown),
		cmocka_unit_test_setup_teardown(test_domain_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
		cmocka_unit_test_setup_teardown(test_maps, setup, teardown),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
