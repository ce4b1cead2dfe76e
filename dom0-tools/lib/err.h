/* SPDX-License-Identifier: MIT */
/*
 * lib/err.h: errors of the tools. A function that fails calls err() once, where it knows most, and
 * returns its -1 upwards; main() prints it. Later errors, of undoing, do not replace the first.
 *
 * Tests: tests/tools-tests/test_config.c
 */
#ifndef LIB_ERR_H
#define LIB_ERR_H

#include <stdbool.h>

/* Exit status of every command; docs/tools.md */
enum status {
	ST_OK = 0,
	ST_FAILED = 1,		/* the operation was refused or went wrong */
	ST_USAGE = 2,		/* wrong options or arguments */
	ST_NO_DOMAIN = 3,	/* no domain of that name or id */
	ST_NO_HOST = 4,		/* not dom0, or the store or the consoles are not served */
	ST_CONFIG = 5,		/* the configuration or the kernel is not usable */
	ST_NO_MEMORY = 6,	/* the machine has not enough free memory */
	ST_TIMEOUT = 7,		/* waited in vain */
};

int err(enum status status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
const char *err_text(void);	/* NULL: no error */
enum status err_status(void);
void err_clear(void);
void err_quiet(bool on);	/* no warnings on standard error */
void err_program(const char *name);	/* what warnings begin with */
/* Steps of long work, with the time since the one before, on standard error when asked for. */
void step(const char *name);
void step_show(void);

#endif
