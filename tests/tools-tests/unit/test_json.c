/* SPDX-License-Identifier: MIT */
/* The JSON writer: structure, escapes, and bytes that are no UTF-8. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "dom0-tools/lib/json.h"

static char *out;
static size_t size;
static struct json j;

static void start(void)
{
	memset(&j, 0, sizeof(j));
	j.out = open_memstream(&out, &size);
}

static void is(const char *want)
{
	fclose(j.out);
	assert_string_equal(out, want);
	free(out);
}

static void test_structure(void **state)
{
	start();
	json_open(&j, NULL, '{');
	json_number(&j, "n", ~0UL);
	json_open(&j, "a", '[');
	json_close(&j, ']');
	json_open(&j, "b", '[');
	json_bool(&j, NULL, true);
	json_text(&j, NULL, NULL);
	json_open(&j, NULL, '{');
	json_close(&j, '}');
	json_close(&j, ']');
	json_real(&j, "r", 1.5);
	json_real(&j, "z", 0.0 / 0.0);
	json_close(&j, '}');
	is("{\n  \"n\": 18446744073709551615,\n  \"a\": [],\n  \"b\": [\n    true,\n    null,\n    {}\n  ],\n"
	   "  \"r\": 1.5,\n  \"z\": null\n}\n");
}

static void text(const char *in, const char *want)
{
	start();
	json_open(&j, NULL, '[');
	json_text(&j, NULL, in);
	json_close(&j, ']');
	fclose(j.out);
	out[size - 3] = '\0';		/* between [\n  and \n] */
	assert_string_equal(out + 4, want);
	free(out);
}

static void test_escapes(void **state)
{
	text("a\"b\\c\n\t\x01\x7f", "\"a\\\"b\\\\c\\n\\t\\u0001\\u007f\"");
	text("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
	text("\xff", "\"\xef\xbf\xbd\"");
	text("\xc3", "\"\xef\xbf\xbd\"");
	text("\xc0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\"");
	text("\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
	text("\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
	text("", "\"\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_structure), cmocka_unit_test(test_escapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
