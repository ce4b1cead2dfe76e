/* SPDX-License-Identifier: MIT */
/*
 * Errors of the tools.
 *
 * Job:    keep the first error of a command and its exit status; print warnings.
 * Enter:  err() from everywhere; err_text() from cli/main.c and the daemon.
 * State:  one message per process.
 * Tests:  tests/tools-tests/test_config.c
 */
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include "err.h"

static char message[1024];
static enum status first;
static bool quiet;
static const char *program = "parapet";

int err(enum status status, const char *fmt, ...)
{
	va_list ap;

	if (message[0])
		return -1;
	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	first = status;
	return -1;
}

void warn(const char *fmt, ...)
{
	va_list ap;

	if (quiet)
		return;
	fflush(stdout);
	fprintf(stderr, "%s: warning: ", program);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

const char *err_text(void)
{
	return message[0] ? message : NULL;
}

enum status err_status(void)
{
	return message[0] ? first : ST_OK;
}

void err_clear(void)
{
	message[0] = '\0';
}

void err_quiet(bool on)
{
	quiet = on;
}

void err_program(const char *name)
{
	program = name;
}

static struct timespec last;
static bool showing;

void step(const char *name)
{
	struct timespec now;

	if (!showing)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	fprintf(stderr, "%8ld us  %s\n",
		(now.tv_sec - last.tv_sec) * 1000000 + (now.tv_nsec - last.tv_nsec) / 1000, name);
	clock_gettime(CLOCK_MONOTONIC, &last);
}

void step_show(void)
{
	showing = true;
	clock_gettime(CLOCK_MONOTONIC, &last);
}
