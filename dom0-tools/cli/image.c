/* SPDX-License-Identifier: MIT */
/*
 * parapet image
 *
 * Job:    disk images as an administrator names them, over Debian's qemu-img.
 * Enter:  the table of commands.
 * State:  none.
 * Tests:  tests/tools-tests/dom0/block
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "cmd.h"

/* qemu-img's names. */
static const char *format(void)
{
	const char *f = opt_value("format");

	return !f ? "raw" : !strcmp(f, "vhd") ? "vpc" : f;
}

/* Its output is ours. -1 after err(). */
static int qemu_img(const char *const argv[])
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return err(ST_FAILED, "no new process: %s", strerror(errno));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return err(ST_FAILED, "qemu-img is not there (Debian: qemu-utils)");
	return status ? err(ST_FAILED, "qemu-img %s failed", argv[1]) : 0;
}

int cmd_image(int argc, char **argv)
{
	const char *what = argv[0], *f = format();
	char base[4096], *real;
	uint64_t bytes;
	char size[24];

	if (!strcmp(what, "create") && argc == 3) {
		if (!size_parse(argv[2], &bytes))
			return err(ST_USAGE, "'%s' is no size", argv[2]);
		if (!access(argv[1], F_OK))
			return err(ST_FAILED, "%s is there already", argv[1]);
		snprintf(size, sizeof(size), "%llu", (unsigned long long)bytes);
		return qemu_img((const char *[]){ "qemu-img", "create", "-q", "-f", f, argv[1], size, NULL });
	}
	if (!strcmp(what, "clone") && argc == 3) {
		real = realpath(argv[1], NULL);
		if (!real)
			return err(ST_FAILED, "%s: %s", argv[1], strerror(errno));
		snprintf(base, sizeof(base), "%s", real);
		free(real);
		if (!access(argv[2], F_OK))
			return err(ST_FAILED, "%s is there already", argv[2]);
		return qemu_img((const char *[]){ "qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", f,
						  argv[2], NULL });
	}
	if (!strcmp(what, "snapshot") && argc == 2)
		return qemu_img((const char *[]){ "qemu-img", "snapshot", "-l", argv[1], NULL });
	if (!strcmp(what, "snapshot") && argc == 3)
		return qemu_img((const char *[]){ "qemu-img", "snapshot", "-c", argv[2], argv[1], NULL });
	if (!strcmp(what, "info") && argc == 2)
		return qemu_img((const char *[]){ "qemu-img", "info", want_json ? "--output=json" : "--output=human",
						  argv[1], NULL });
	if (!strcmp(what, "convert") && argc == 3)
		return qemu_img((const char *[]){ "qemu-img", "convert", "-O", f, argv[1], argv[2], NULL });
	return err(ST_USAGE, "see parapet image --help");
}
