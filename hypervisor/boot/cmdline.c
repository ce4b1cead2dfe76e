/* SPDX-License-Identifier: MIT */
/*
 * Job:    the hypervisor's command line: split it, look each word up in hv_options[], set the
 *         values; say once what was not understood, what was expected and what holds instead.
 * Enter:  options_parse() from boot/start.c before there is a console; options_report() after.
 * State:  complaints[]; the values that no other file owns.
 * Holds:  a malformed value changes nothing: the default (or an earlier value) holds.
 * Tests:  tests/host/test_cmdline.c
 */
#include <hv/debug.h>
#include <hv/options.h>
#include <hv/string.h>

#define WORD_MAX 128
#define MAX_COMPLAINTS 24

struct opt_dom0_mem opt_dom0_mem;
struct opt_range opt_dom0_max_vcpus;
const char *options_dom0_extra = "";

static struct complaint {
	const struct option *opt;	/* NULL: unknown */
	char word[WORD_MAX];
} complaints[MAX_COMPLAINTS];
static unsigned int nr_complaints;

/* "512M" and the like: B, K, M, G, T; KiB without a suffix. Advances *s. */
static bool parse_size(const char **s, u64 *bytes)
{
	static const char units[] = "bkmgt";
	const char *p = *s, *unit;
	unsigned int shift;
	u64 n;

	if (!parse_number(&p, 0, &n))
		return false;
	unit = strchr(units, *p | 0x20);
	shift = unit ? 10 * (unsigned int)(unit - units) : 10;
	if (n > ~0UL >> shift)
		return false;
	*bytes = n << shift;
	*s = unit ? p + 1 : p;
	return true;
}

bool parse_dom0_mem(const char *s)
{
	struct opt_dom0_mem m = { 0 };
	u64 *to;

	do {
		to = !strncmp(s, "min:", 4) ? &m.min : !strncmp(s, "max:", 4) ? &m.max : &m.size;
		if (to != &m.size)
			s += 4;
		if (!parse_size(&s, to) || (*s && *s != ','))
			return false;
	} while (*s++);
	opt_dom0_mem = m;
	return true;
}

bool parse_dom0_max_vcpus(const char *s)
{
	u64 lo = 0, hi = 0;
	bool any = parse_number(&s, 0, &lo);

	if (*s == '-') {
		s++;
		any |= parse_number(&s, 0, &hi);
		hi = hi ?: MAX_VCPUS;
	} else {
		hi = lo;
	}
	if (!any || *s || lo > hi || !hi || hi > MAX_VCPUS)
		return false;
	opt_dom0_max_vcpus = (struct opt_range){ (unsigned int)lo, (unsigned int)hi };
	return true;
}

/* LEVEL[/LEVEL]: we do not limit rates, so the higher of the two counts. */
static bool parse_levels(const char *s, int *out)
{
	static const struct { const char *name; int level; } names[] = {
		{ "none", -1 }, { "error", LOG_ERR }, { "warning", LOG_WARN }, { "info", LOG_INFO },
		{ "debug", LOG_DEBUG }, { "all", LOG_DEBUG },
	};
	int level = -1;
	unsigned int i;
	size_t n = 0;

	do {
		for (i = 0; i < ARRAY_SIZE(names); i++) {
			n = strlen(names[i].name);
			if (!strncmp(s, names[i].name, n) && (!s[n] || s[n] == '/'))
				break;
		}
		if (i == ARRAY_SIZE(names))
			return false;
		level = max(level, names[i].level);
		s += n;
	} while (*s++);
	*out = level;
	return true;
}

/* 1, 0, or -1 when it is no truth value. */
static int truth(const char *s)
{
	static const char *const words[][2] = {
		{ "no", "yes" }, { "off", "on" }, { "false", "true" }, { "0", "1" }, { "disable", "enable" },
	};

	for (unsigned int i = 0; i < 2 * ARRAY_SIZE(words); i++)
		if (!strcmp(s, words[i / 2][i % 2]))
			return i % 2;
	return *s ? -1 : 1;
}

static void complain(const struct option *opt, const char *word)
{
	for (unsigned int i = 0; i < nr_complaints; i++)
		if (!strcmp(complaints[i].word, word))
			return;
	if (nr_complaints == MAX_COMPLAINTS)
		return;
	complaints[nr_complaints].opt = opt;
	snprintf(complaints[nr_complaints++].word, WORD_MAX, "%s", word);
}

/* Does the option's name stand at the start of word, alone or before a '='? Then its value. */
static const char *value_of(const struct option *opt, const char *word)
{
	size_t n = strlen(opt->name);

	if (strncmp(word, opt->name, n) || (word[n] && word[n] != '='))
		return NULL;
	return word + n + (word[n] == '=');
}

static bool set_option(const struct option *opt, const char *value, bool inverted)
{
	unsigned long n;

	switch (opt->type) {
	case OPT_BOOL:
		if (truth(value) < 0)
			return false;
		*(bool *)opt->var = truth(value) != inverted;
		return true;
	case OPT_UINT:
		if (!parse_number(&value, 0, &n) || *value || n > ~0U)
			return false;
		*(unsigned int *)opt->var = (unsigned int)n;
		return true;
	case OPT_LEVEL:
		return parse_levels(value, opt->var);
	default:
		return opt->parse(value);
	}
}

static void one_word(const char *word)
{
	const char *value;
	bool no;

	for (const struct option *opt = hv_options; opt < hv_options + nr_hv_options; opt++) {
		value = value_of(opt, word);
		no = !value && opt->type == OPT_BOOL && !strncmp(word, "no-", 3);
		if (no)
			value = value_of(opt, word + 3);
		if (!value)
			continue;
		if (!set_option(opt, value, no))
			complain(opt, word);
		return;
	}
	complain(NULL, word);
}

void options_parse(const char *s)
{
	char word[WORD_MAX];
	size_t n;

	while (*s) {
		while (*s && strchr(" \t\n", *s))
			s++;
		for (n = 0; *s && !strchr(" \t\n", *s); s++)
			if (n < sizeof(word) - 1)
				word[n++] = *s;
		word[n] = '\0';
		if (!strcmp(word, "--")) {
			options_dom0_extra = *s ? s + 1 : s;
			break;
		}
		if (n)
			one_word(word);
	}
}

void options_report(void)
{
	for (const struct complaint *c = complaints; c < complaints + nr_complaints; c++) {
		if (c->opt)
			printk("Option '%s' not understood: expected %s=%s; default: %s\n", c->word,
			       c->opt->name, c->opt->expect, c->opt->dflt);
		else
			printk("Option '%s' is unknown and ignored\n", c->word);
	}
}
