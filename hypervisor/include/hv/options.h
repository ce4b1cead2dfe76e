/* SPDX-License-Identifier: MIT */
/*
 * Boot options: the words of the hypervisor's command line.
 *
 * Job:    the table's shape, its parser, and the values that boot/start.c asks for.
 * State:  set once by options_parse(), constant afterwards.
 * Tests:  tests/host/test_cmdline.c
 */
#ifndef HV_OPTIONS_H
#define HV_OPTIONS_H

#include <hv/types.h>

#define PARAPET_VERSION "0.1"

enum option_type {
	OPT_BOOL,		/* var: bool.  name, name=yes|on|true|1|enable, no-name, name=no|off... */
	OPT_UINT,		/* var: unsigned int */
	OPT_CUSTOM,		/* parse(): false when it does not understand the value */
};

struct option {
	const char *name;	/* as written before the '=' */
	enum option_type type;
	void *var;
	bool (*parse)(const char *value);
	const char *expect;	/* what a value looks like: for warnings and docs/options.md */
	const char *dflt;	/* what holds without the option */
	const char *help;	/* one sentence */
};

/* The hypervisor's options (boot/options.c). */
extern const struct option hv_options[];
extern const unsigned int nr_hv_options;

/*
 * Read the command line. Complaints are kept until options_report(), when there is a console: one
 * line per unknown option or malformed value. What stands behind " -- " is not ours but goes to
 * dom0's command line: options_dom0_extra(), "" when there is none.
 */
void options_parse(const char *cmdline);
void options_report(void);
const char *options_dom0_extra(void);

/* "512M" and the like: B, K, M, G, T; KiB without a suffix. Advances *s. */
bool parse_size(const char **s, u64 *bytes);

/* dom0_mem=SIZE,min:SIZE,max:SIZE: bytes; 0 = not given. */
struct opt_dom0_mem { u64 size, min, max; };
extern struct opt_dom0_mem opt_dom0_mem;
/* dom0_max_vcpus=N or MIN-MAX; 0 = not given. */
struct opt_range { unsigned int min, max; };
extern struct opt_range opt_dom0_max_vcpus;
extern bool opt_sync_console, opt_watchdog;

bool parse_dom0_mem(const char *value);
bool parse_dom0_max_vcpus(const char *value);
bool parse_loglvl(const char *value);
bool parse_guest_loglvl(const char *value);

#endif
