/* SPDX-License-Identifier: MIT */
/*
 * Writing JSON.
 *
 * Job:    objects, arrays, texts, numbers; indented by two blanks a level.
 * Enter:  the commands, when --json is given.
 * State:  struct json.
 * Holds:  the output is valid UTF-8 whatever the texts hold: bytes that are not part of a valid
 *         sequence become U+FFFD.
 * Tests:  tests/tools-tests/test_json.c
 */
#include <math.h>
#include "json.h"

/* Length of the valid UTF-8 sequence at s, or 0. */
static unsigned int sequence(const unsigned char *s)
{
	unsigned int n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 :
			 (s[0] & 0xf0) == 0xe0 ? 3 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;

	for (unsigned int i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if (n == 3 && ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0)))
		return 0;
	if (n == 4 && ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] >= 0x90)))
		return 0;
	return n;
}

static void quoted(FILE *out, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	fputc('"', out);
	while (*s) {
		unsigned int n = sequence(s);

		if (*s == '"' || *s == '\\')
			fprintf(out, "\\%c", *s);
		else if (*s == '\n')
			fputs("\\n", out);
		else if (*s == '\t')
			fputs("\\t", out);
		else if (*s < 0x20 || *s == 0x7f)
			fprintf(out, "\\u%04x", *s);
		else if (!n)
			fputs("\xef\xbf\xbd", out);
		else
			fwrite(s, 1, n, out);
		s += n ? n : 1;
	}
	fputc('"', out);
}

static void begin(struct json *j, const char *name)
{
	if (j->depth) {
		fputs(j->has >> j->depth & 1 ? ",\n" : "\n", j->out);
		fprintf(j->out, "%*s", (int)j->depth * 2, "");
	}
	j->has |= 1UL << j->depth;
	if (name) {
		quoted(j->out, name);
		fputs(": ", j->out);
	}
}

void json_open(struct json *j, const char *name, char bracket)
{
	begin(j, name);
	fputc(bracket, j->out);
	if (j->depth < 60)
		j->depth++;
	j->has &= ~(1UL << j->depth);
}

void json_close(struct json *j, char bracket)
{
	bool empty = !(j->has >> j->depth & 1);

	j->depth--;
	if (!empty)
		fprintf(j->out, "\n%*s", (int)j->depth * 2, "");
	fputc(bracket, j->out);
	if (!j->depth)
		fputc('\n', j->out);
}

void json_text(struct json *j, const char *name, const char *value)
{
	begin(j, name);
	if (value)
		quoted(j->out, value);
	else
		fputs("null", j->out);
}

void json_number(struct json *j, const char *name, uint64_t value)
{
	begin(j, name);
	fprintf(j->out, "%lu", value);
}

void json_real(struct json *j, const char *name, double value)
{
	begin(j, name);
	if (isfinite(value))
		fprintf(j->out, "%.6g", value);
	else
		fputs("null", j->out);
}

void json_bool(struct json *j, const char *name, bool value)
{
	begin(j, name);
	fputs(value ? "true" : "false", j->out);
}
