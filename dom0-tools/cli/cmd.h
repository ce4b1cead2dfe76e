/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd.h: the commands, and what all of them use.
 *
 * Tests: tests/tools-tests
 */
#ifndef CLI_CMD_H
#define CLI_CMD_H

#include <stdbool.h>
#include "../lib/dom.h"
#include "../lib/err.h"
#include "../lib/hyper.h"
#include "../lib/json.h"
#include "../lib/store.h"

enum kind { OPT_FLAG, OPT_VALUE };

struct option_def {
	const char *name;		/* without the "--" */
	char letter;			/* 0: none */
	enum kind kind;
	const char *value;		/* what the value is called */
	const char *help;
};

#define MAX_OPTIONS 8

struct command {
	const char *name, *args, *summary, *text;
	/* What completion offers for arguments: "domain", "file" or NULL. */
	const char *complete;
	unsigned int min, max;		/* arguments */
	int (*run)(int argc, char **argv);	/* 0, or -1 after err() */
	struct option_def options[MAX_OPTIONS];
};

extern const struct command commands[];
extern const unsigned int nr_commands;

/* Options of the command that runs. --json is there for all. */
extern bool want_json;
bool opt_flag(const char *name);
const char *opt_value(const char *name);	/* NULL: not given */
/* A number from min to max; -1 after err(). */
int parse_number(const char *text, const char *what, unsigned long min, unsigned long max,
		 unsigned long *out);
/* A time limit in seconds, as ms; -1: none was given. */
int opt_timeout(const char *name, int *ms);

/* help.c */
int help_main(int argc, char **argv);
void help_command(const struct command *c);
void help_all(void);

/* One for each command; the table is in table.c. */
int cmd_create(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_console(int argc, char **argv);
int cmd_shutdown(int argc, char **argv);
int cmd_reboot(int argc, char **argv);
int cmd_destroy(int argc, char **argv);
int cmd_pause(int argc, char **argv);
int cmd_unpause(int argc, char **argv);
int cmd_rename(int argc, char **argv);
int cmd_domid(int argc, char **argv);
int cmd_domname(int argc, char **argv);
int cmd_vcpu_list(int argc, char **argv);
int cmd_vcpu_set(int argc, char **argv);
int cmd_vcpu_pin(int argc, char **argv);
int cmd_sched(int argc, char **argv);
int cmd_mem_set(int argc, char **argv);
int cmd_mem_max(int argc, char **argv);
int cmd_dmesg(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_uptime(int argc, char **argv);
int cmd_sysrq(int argc, char **argv);
int cmd_debug_keys(int argc, char **argv);
int cmd_trace(int argc, char **argv);
int cmd_dump_core(int argc, char **argv);
int cmd_wait(int argc, char **argv);
int cmd_block_list(int argc, char **argv);
int cmd_block_attach(int argc, char **argv);
int cmd_block_detach(int argc, char **argv);
int cmd_block_resize(int argc, char **argv);
int cmd_block_limit(int argc, char **argv);
int cmd_image(int argc, char **argv);
int cmd_network_attach(int argc, char **argv);
int cmd_network_detach(int argc, char **argv);
int cmd_network_limit(int argc, char **argv);
int cmd_network_list(int argc, char **argv);

/* list.c */
const char *reason_name(int reason);	/* NULL for -1 */
dom_info *select_domains(int argc, char **argv, unsigned int *n);

/* console.c; also for `create --console`. Returns when the user leaves or the domain ends. */
int console_attach(uint32_t domid);

#endif
