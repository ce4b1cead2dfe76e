/* SPDX-License-Identifier: MIT */
/*
 * lib/json.h: writes JSON to a stream: names and values in order, commas and escapes by themselves.
 *
 * Tests: tests/tools-tests/test_json.c
 */
#ifndef LIB_JSON_H
#define LIB_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *out;
	unsigned int depth;
	uint64_t has;			/* bit n: the level n has an element */
};

/* name is NULL inside arrays and at the top. Levels: at most 60. */
void json_open(struct json *j, const char *name, char bracket);	/* '{' or '[' */
void json_close(struct json *j, char bracket);		/* '}' or ']'; at the top a newline too */
void json_text(struct json *j, const char *name, const char *value);	/* NULL: null */
void json_number(struct json *j, const char *name, uint64_t value);
void json_real(struct json *j, const char *name, double value);
void json_bool(struct json *j, const char *name, bool value);

#endif
