/* SPDX-License-Identifier: MIT */
/*
 * Job:    boot options: the table's shape, its parser, and the values that the builder of dom0 asks
 *         for.
 * State:  set once by options_parse(), constant afterwards.
 * Tests:  tests/host/test_cmdline.c
 */
#ifndef HV_OPTIONS_H
#define HV_OPTIONS_H

#include <hv/types.h>

#define PARAPET_VERSION "0.1"

extern char hv_cmdline[1024];		/* as it was given, for XENVER_commandline */

enum option_type {
	OPT_BOOL,		/* var: bool.  name, name=yes|on|true|1|enable, no-name, name=no|off... */
	OPT_UINT,		/* var: unsigned int */
	OPT_LEVEL,		/* var: int, LOG_... */
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

extern const struct option hv_options[];	/* boot/options.c */
extern const unsigned int nr_hv_options;

void options_parse(const char *cmdline);
void options_report(void);		/* once there is a console: what was unknown or malformed */
/* What stands behind " -- " goes to the end of dom0's command line; "" when there is none. */
extern const char *options_dom0_extra;
extern bool opt_watchdog;

/* dom0_mem=SIZE,min:SIZE,max:SIZE: bytes; dom0_max_vcpus=N or MIN-MAX. 0 = not given. */
extern struct opt_dom0_mem { u64 size, min, max; } opt_dom0_mem;
extern struct opt_range { unsigned int min, max; } opt_dom0_max_vcpus;
bool parse_dom0_mem(const char *value);
bool parse_dom0_max_vcpus(const char *value);

#endif
