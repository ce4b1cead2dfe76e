/* SPDX-License-Identifier: MIT */
/*
 * The language of xl.cfg(5).
 *
 * Job:    split a configuration into keys with texts, numbers and lists, each with its place.
 * Enter:  config_file(), config_argument() from cli/create.c; config_text() also from the daemon.
 * State:  none.
 * Holds:  any bytes give entries or one error with file and line.
 * Tests:  tests/tools-tests/test_config.c
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "config.h"
#include "err.h"
#include "kernel.h"

struct reader {
	struct config *c;
	const char *file, *p, *end;
	unsigned int line;
};

static char peek(const struct reader *r)
{
	return r->p < r->end ? *r->p : '\0';
}

static void skip_blanks(struct reader *r, bool lines)
{
	while (r->p < r->end) {
		if (*r->p == '\n') {
			if (!lines)
				return;
			r->line++;
		} else if (*r->p == '#') {
			while (r->p < r->end && *r->p != '\n')
				r->p++;
			continue;
		} else if (*r->p == '\\' && r->p + 1 < r->end && r->p[1] == '\n') {
			r->p++;
			r->line++;
		} else if (!isspace((unsigned char)*r->p) && !(lines && *r->p == ';')) {
			return;
		}
		r->p++;
	}
}

static int bad(const struct reader *r, const char *key, const char *what)
{
	return err(ST_CONFIG, "%s:%u: %s%s%s", r->file, r->line, key ? key : "", key ? ": " : "", what);
}

/* A text in quotes, or a bare word. */
static char *scalar(struct reader *r, const char *key, bool *quoted)
{
	const char *start = r->p;
	char quote = peek(r);
	size_t len;

	*quoted = quote == '"' || quote == '\'';
	if (*quoted) {
		start = ++r->p;
		while (r->p < r->end && *r->p != quote && *r->p != '\n')
			r->p++;
		if (peek(r) != quote) {
			bad(r, key, "the closing quote is missing");
			return NULL;
		}
		len = (size_t)(r->p++ - start);
	} else {
		while (r->p < r->end && (isalnum((unsigned char)*r->p) || strchr("_-+.", *r->p)))
			r->p++;
		len = (size_t)(r->p - start);
		if (!len) {
			bad(r, key, "a value is missing: a number, a \"text\" or a [ list ]");
			return NULL;
		}
	}
	if (memchr(start, '\0', len)) {
		bad(r, key, "a zero byte in the text");
		return NULL;
	}
	return strndup(start, len);
}

static void entry_free(struct entry *e)
{
	for (unsigned int i = 0; i < e->nr_items; i++)
		free(e->items[i]);
	free(e->key);
	free(e->value);
	free(e->file);
	memset(e, 0, sizeof(*e));
}

static int list(struct reader *r, struct entry *e)
{
	bool quoted;

	r->p++;
	for (;;) {
		skip_blanks(r, true);
		if (peek(r) == ']') {
			r->p++;
			return 0;
		}
		if (r->p >= r->end)
			return bad(r, e->key, "the closing ] is missing");
		if (e->nr_items == MAX_ITEMS)
			return bad(r, e->key, "more than 64 items");
		e->items[e->nr_items] = scalar(r, e->key, &quoted);
		if (!e->items[e->nr_items])
			return -1;
		e->nr_items++;
		skip_blanks(r, true);
		if (peek(r) == ',')
			r->p++;
		else if (peek(r) != ']')
			return bad(r, e->key, "a comma or ] is missing in the list");
	}
}

/* Takes e over. */
static int add(struct config *c, struct entry *e)
{
	unsigned int i;

	for (i = 0; i < c->nr && strcmp(c->entries[i].key, e->key); i++)
		;
	if (i == MAX_ENTRIES) {
		err(ST_CONFIG, "%s:%u: more than %d keys", e->file, e->line, MAX_ENTRIES);
		entry_free(e);
		return -1;
	}
	if (i < c->nr)
		entry_free(&c->entries[i]);
	else
		c->nr++;
	c->entries[i] = *e;
	return 0;
}

static int statement(struct reader *r)
{
	const char *start = r->p;
	struct entry e = { .line = r->line };
	bool append = false;

	while (r->p < r->end && (isalnum((unsigned char)*r->p) || *r->p == '_' || *r->p == '-'))
		r->p++;
	if (r->p == start)
		return bad(r, NULL, "a key is missing: lines have the form key = value");
	e.key = strndup(start, (size_t)(r->p - start));
	e.file = strdup(r->file);
	skip_blanks(r, false);
	if (peek(r) == '+') {
		append = true;
		r->p++;
	}
	if (peek(r) != '=' || append) {
		bad(r, e.key, append ? "+= is not supported here" : "'=' is missing");
		goto fail;
	}
	r->p++;
	skip_blanks(r, false);
	if (peek(r) == '[') {
		if (list(r, &e))
			goto fail;
	} else {
		e.value = scalar(r, e.key, &e.quoted);
		if (!e.value)
			goto fail;
	}
	skip_blanks(r, false);
	if (r->p < r->end && *r->p != '\n' && *r->p != ';') {
		bad(r, e.key, "something follows the value on its line");
		goto fail;
	}
	return add(r->c, &e);
fail:
	entry_free(&e);
	return -1;
}

int config_text(struct config *c, const char *file, const char *text, size_t len)
{
	struct reader r = { .c = c, .file = file, .p = text, .end = text + len, .line = 1 };

	for (;;) {
		skip_blanks(&r, true);
		if (r.p >= r.end)
			return 0;
		if (statement(&r))
			return -1;
	}
}

int config_file(struct config *c, const char *path)
{
	size_t len;
	char *text = file_map(path, "configuration", &len);
	int rc;

	if (!text)
		return -1;
	rc = config_text(c, path, text, len);
	munmap(text, len);
	return rc;
}

int config_argument(struct config *c, const char *arg)
{
	const char *eq = strchr(arg, '=');
	struct entry e = { .line = 1 };

	if (!eq || eq == arg)
		return err(ST_USAGE, "'%s' is neither a file nor key=value", arg);
	if (strchr("\"'[", eq[1]) && eq[1])
		return config_text(c, "argument", arg, strlen(arg));
	e.key = strndup(arg, (size_t)(eq - arg));
	e.value = strdup(eq + 1);
	e.file = strdup("argument");
	return add(c, &e);
}

void config_free(struct config *c)
{
	for (unsigned int i = 0; i < c->nr; i++)
		entry_free(&c->entries[i]);
	c->nr = 0;
}
