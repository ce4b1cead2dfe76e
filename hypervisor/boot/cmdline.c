/* SPDX-License-Identifier: MIT */
/*
 * Reading the hypervisor's command line.
 *
 * Job:    split it into options, look each up in hv_options[], set the values; say once what was
 *         not understood, what was expected and what holds instead.
 * Enter:  options_parse() from boot/start.c before there is a console; options_report() after.
 * State:  complaints[]; the values that no other file owns.
 * Locks:  none: boot runs alone.
 * Holds:  a malformed value changes nothing: the default (or an earlier value) holds.
 * Tests:  tests/host/test_cmdline.c
 */
#include <hv/debug.h>
#include <hv/options.h>
#include <hv/string.h>

#define WORD_MAX 128
#define MAX_COMPLAINTS 16

struct complaint {
	const struct option *opt;	/* NULL: unknown */
	char word[WORD_MAX];
};

struct opt_dom0_mem opt_dom0_mem;
struct opt_range opt_dom0_max_vcpus;
bool opt_sync_console, opt_watchdog;

static struct complaint complaints[MAX_COMPLAINTS];
static unsigned int nr_complaints;
static const char *dom0_extra = "";

/* --- values --- */

bool parse_size(const char **s, u64 *bytes)
{
	const char *p = *s;
	unsigned int shift = 10;
	u64 n;

	if (!parse_number(&p, 0, &n))
		return false;
	switch (*p | 0x20) {
	case 't':
		shift = 40;
		p++;
		break;
	case 'g':
		shift = 30;
		p++;
		break;
	case 'm':
		shift = 20;
		p++;
		break;
	case 'k':
		p++;
		break;
	case 'b':
		shift = 0;
		p++;
		break;
	}
	if (n > ~0UL >> shift)
		return false;
	*bytes = n << shift;
	*s = p;
	return true;
}

bool parse_dom0_mem(const char *value)
{
	struct opt_dom0_mem m = { 0 };
	const char *s = value;

	for (;;) {
		u64 *to = &m.size;

		if (!strncmp(s, "min:", 4)) {
			to = &m.min;
			s += 4;
		} else if (!strncmp(s, "max:", 4)) {
			to = &m.max;
			s += 4;
		}
		if (!parse_size(&s, to))
			return false;
		if (!*s)
			break;
		if (*s++ != ',')
			return false;
	}
	opt_dom0_mem = m;
	return true;
}

bool parse_dom0_max_vcpus(const char *value)
{
	unsigned long lo = 0, hi = 0;
	const char *s = value;
	bool first = parse_number(&s, 0, &lo);

	if (!first && *s != '-')
		return false;
	if (*s == '-') {
		s++;
		if (*s && !parse_number(&s, 0, &hi))
			return false;
		if (!hi)
			hi = MAX_VCPUS;
	} else {
		hi = lo;
	}
	if (*s || lo > MAX_VCPUS || hi > MAX_VCPUS || lo > hi || !hi)
		return false;
	opt_dom0_max_vcpus = (struct opt_range){ .min = (unsigned int)lo, .max = (unsigned int)hi };
	return true;
}

/* One level name at *s; advances. */
static bool one_level(const char **s, int *level)
{
	static const struct { const char *name; int level; } names[] = {
		{ "none", -1 }, { "error", LOG_ERR }, { "warning", LOG_WARN }, { "info", LOG_INFO },
		{ "debug", LOG_DEBUG }, { "all", LOG_DEBUG },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		size_t n = strlen(names[i].name);

		if (!strncmp(*s, names[i].name, n) && (!(*s)[n] || (*s)[n] == '/')) {
			*level = names[i].level;
			*s += n;
			return true;
		}
	}
	return false;
}

/* LEVEL[/LEVEL]: we do not limit rates, so the higher of the two counts. */
static bool parse_levels(const char *s, int *out)
{
	int a, b;

	if (!one_level(&s, &a))
		return false;
	b = a;
	if (*s == '/') {
		s++;
		if (!one_level(&s, &b))
			return false;
	}
	if (*s)
		return false;
	*out = max(a, b);
	return true;
}

bool parse_loglvl(const char *value)
{
	return parse_levels(value, &log_level);
}

bool parse_guest_loglvl(const char *value)
{
	return parse_levels(value, &guest_log_level);
}

/* 1, 0, or -1 when it is no truth value. */
static int truth(const char *s)
{
	static const char *const yes[] = { "", "yes", "on", "true", "1", "enable" };
	static const char *const no[] = { "no", "off", "false", "0", "disable" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(yes); i++)
		if (!strcmp(s, yes[i]))
			return 1;
	for (i = 0; i < ARRAY_SIZE(no); i++)
		if (!strcmp(s, no[i]))
			return 0;
	return -1;
}

/* --- words --- */

static void complain(const struct option *opt, const char *word)
{
	unsigned int i;

	for (i = 0; i < nr_complaints; i++)
		if (!strcmp(complaints[i].word, word))
			return;
	if (nr_complaints == MAX_COMPLAINTS)
		return;
	complaints[nr_complaints].opt = opt;
	strlcpy(complaints[nr_complaints++].word, word, WORD_MAX);
}

/* Does the option's name stand at the start of word, alone or before a '='? Then its value. */
static const char *value_of(const struct option *opt, const char *word)
{
	size_t n = strlen(opt->name);

	if (strncmp(word, opt->name, n))
		return NULL;
	if (word[n] == '=')
		return word + n + 1;
	return word[n] ? NULL : word + n;
}

static bool set_option(const struct option *opt, const char *value, bool inverted)
{
	unsigned long n;
	int t;

	switch (opt->type) {
	case OPT_BOOL:
		t = truth(value);
		if (t < 0)
			return false;
		*(bool *)opt->var = t != inverted;
		return true;
	case OPT_UINT:
		if (!parse_number(&value, 0, &n) || *value || n > ~0U)
			return false;
		*(unsigned int *)opt->var = (unsigned int)n;
		return true;
	case OPT_CUSTOM:
		return opt->parse(value);
	}
	return false;
}

static void one_word(const char *word)
{
	bool inverted = !strncmp(word, "no-", 3);
	unsigned int i;

	for (i = 0; i < nr_hv_options; i++) {
		const struct option *opt = &hv_options[i];
		const char *value = value_of(opt, word);
		bool no = false;

		if (!value && inverted && opt->type == OPT_BOOL) {
			value = value_of(opt, word + 3);
			no = true;
		}
		if (!value)
			continue;
		if (!set_option(opt, value, no))
			complain(opt, word);
		return;
	}
	complain(NULL, word);
}

void options_parse(const char *cmdline)
{
	const char *s = cmdline;

	while (*s) {
		char word[WORD_MAX];
		size_t n = 0;

		while (*s == ' ' || *s == '\t' || *s == '\n')
			s++;
		for (; *s && *s != ' ' && *s != '\t' && *s != '\n'; s++)
			if (n < sizeof(word) - 1)
				word[n++] = *s;
		word[n] = '\0';
		if (!strcmp(word, "--")) {
			dom0_extra = *s ? s + 1 : s;
			break;
		}
		if (n)
			one_word(word);
	}
}

void options_report(void)
{
	unsigned int i;

	for (i = 0; i < nr_complaints; i++) {
		const struct complaint *c = &complaints[i];

		if (c->opt)
			printk("Option '%s' not understood: expected %s=%s; default: %s\n", c->word,
			       c->opt->name, c->opt->expect, c->opt->dflt);
		else
			printk("Option '%s' is unknown and ignored\n", c->word);
	}
	if (opt_watchdog)
		printk("Option 'watchdog' has no effect: there is no watchdog yet\n");
}

const char *options_dom0_extra(void)
{
	return dom0_extra;
}
