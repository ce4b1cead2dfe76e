/* SPDX-License-Identifier: MIT */
/*
 * parapet help: from the table of commands.
 *
 * Job:    --help of all and of one command, the manual page, the completion of bash.
 * Enter:  cli/main.c.
 * State:  none.
 * Tests:  tests/tools-tests
 */
#include <stdio.h>
#include <string.h>
#include "../lib/paths.h"
#include "cmd.h"

static const struct { int status; const char *text; } statuses[] = {
	{ ST_OK, "done" }, { ST_FAILED, "refused or failed" }, { ST_USAGE, "wrong options or arguments" },
	{ ST_NO_DOMAIN, "no such domain" }, { ST_NO_HOST, "not dom0, not allowed, or no store" },
	{ ST_CONFIG, "the configuration or a file in it is not usable" },
	{ ST_NO_MEMORY, "not enough memory" }, { ST_TIMEOUT, "waited in vain" },
};

void help_all(void)
{
	puts("parapet COMMAND [OPTIONS] [ARGUMENTS]\n\nDOMAIN is a name or an id. Commands:");
	for (unsigned int i = 0; i < nr_commands; i++)
		printf("  %-14s %s\n", commands[i].name, commands[i].summary);
	puts("\nparapet COMMAND --help explains one. --json: output as JSON.");
}

void help_command(const struct command *c)
{
	printf("parapet %s [OPTIONS] %s\n%s.\n", c->name, c->args, c->summary);
	if (c->text[0])
		printf("\n%s\n", c->text);
	puts("\nOptions:");
	for (unsigned int i = 0; i < MAX_OPTIONS && c->options[i].name; i++) {
		const struct option_def *o = &c->options[i];
		char text[64];

		snprintf(text, sizeof(text), "--%s%s%s", o->name, o->value ? " " : "",
			 o->value ? o->value : "");
		printf(o->letter ? "  -%c, " : "      ", o->letter);
		printf("%-22s %s\n", text, o->help);
	}
	puts("      --json                 output as JSON\n  -h, --help                 this text");
}

static void roff(const char *s)
{
	for (; *s; s++)
		fputs(*s == '-' ? "\\-" : *s == '\\' ? "\\e" : (char[]){ *s, 0 }, stdout);
}

static void man_command(const struct command *c)
{
	fputs(".TP\n\\fB", stdout);
	roff(c->name);
	fputs("\\fR [\\fIOPTIONS\\fR] \\fI", stdout);
	roff(c->args);
	fputs("\\fR\n", stdout);
	roff(c->summary);
	fputs(".\n", stdout);
	if (c->text[0]) {
		fputs(".br\n", stdout);
		roff(c->text);
		fputs("\n", stdout);
	}
	if (c->options[0].name)
		puts(".RS");
	for (unsigned int i = 0; i < MAX_OPTIONS && c->options[i].name; i++) {
		const struct option_def *o = &c->options[i];

		fputs(".TP\n\\fB", stdout);
		if (o->letter)
			printf("\\-%c\\fR, \\fB", o->letter);
		fputs("\\-\\-", stdout);
		roff(o->name);
		printf("\\fR%s\\fI%s\\fR\n", o->value ? " " : "", o->value ? o->value : "");
		roff(o->help);
		fputs("\n", stdout);
	}
	if (c->options[0].name)
		puts(".RE");
}

static void man(void)
{
	puts(".TH PARAPET 1\n.SH NAME\nparapet \\- make and administer domains of Parapet\n.SH SYNOPSIS\n"
	     ".B parapet\n.I COMMAND\n[OPTIONS] [ARGUMENTS]\n.SH DESCRIPTION\nA DOMAIN is a name or an id. "
	     "Every command takes \\fB\\-\\-json\\fR and \\fB\\-\\-help\\fR.\n.SH COMMANDS");
	for (unsigned int i = 0; i < nr_commands; i++)
		man_command(&commands[i]);
	puts(".SH EXIT STATUS");
	for (unsigned int i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		printf(".TP\n%d\n%s\n", statuses[i].status, statuses[i].text);
	puts(".SH FILES\n.TP\n.I " AUTO_DIR "\ndomains that parapetd starts at boot, one configuration a file\n"
	     ".TP\n.I " LOG_DIR "\nparapetd.log, and what each domain wrote on its console\n"
	     ".TP\n.I " DUMP_DIR "\nmemory of domains that crashed\n"
	     ".SH SEE ALSO\n.BR xl.cfg (5),\nfor the form of configurations; docs/tools.md of Parapet's source for the\n"
	     "keys that are taken.");
}

static void completion(void)
{
	fputs("# bash completion of parapet; made by `parapet help --completion`\n_parapet()\n{\n"
	      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} words='' kind='command'\n\tlocal commands='", stdout);
	for (unsigned int i = 0; i < nr_commands; i++)
		printf("%s%s", i ? " " : "", commands[i].name);
	puts("'\n\t[ \"$COMP_CWORD\" = 1 ] || case ${COMP_WORDS[1]} in");
	for (unsigned int i = 0; i < nr_commands; i++) {
		const struct command *c = &commands[i];

		printf("\t%s) words='--json --help", c->name);
		for (unsigned int k = 0; k < MAX_OPTIONS && c->options[k].name; k++)
			printf(" --%s", c->options[k].name);
		printf("'; kind='%s' ;;\n", c->complete ? c->complete : "none");
	}
	puts("\tesac\n\tcase $cur in\n\t-*) mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\") ;;\n"
	     "\t*)\n\t\tcase $kind in\n"
	     "\t\tdomain) mapfile -t COMPREPLY < <(compgen -W \"$(parapet list 2> /dev/null |\n"
	     "\t\t\tsed -n '2,$s/ .*//p')\" -- \"$cur\") ;;\n"
	     "\t\tcommand) mapfile -t COMPREPLY < <(compgen -W \"$commands\" -- \"$cur\") ;;\n"
	     "\t\tfile) mapfile -t COMPREPLY < <(compgen -f -- \"${cur#=}\")\n\t\t\tcompopt -o filenames ;;\n"
	     "\t\tesac ;;\n\tesac\n}\ncomplete -F _parapet parapet");
}

int help_main(int argc, char **argv)
{
	if (opt_flag("man")) {
		man();
		return 0;
	}
	if (opt_flag("completion")) {
		completion();
		return 0;
	}
	if (!argc) {
		help_all();
		return 0;
	}
	for (unsigned int i = 0; i < nr_commands; i++)
		if (!strcmp(commands[i].name, argv[0])) {
			help_command(&commands[i]);
			return 0;
		}
	return err(ST_USAGE, "unknown command '%s'", argv[0]);
}
