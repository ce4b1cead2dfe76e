/* SPDX-License-Identifier: MIT */
/*
 * parapet info, dmesg, debug-keys
 *
 * Job:    what concerns the hypervisor and the machine.
 * Enter:  the table of commands.
 * State:  none.
 * Tests:  tests/tools-tests
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <pv-abi/version.h>
#include "cmd.h"

struct line {
	const char *key, *label;
	char text[1100];
	uint64_t number;
	bool is_number;
};

static struct line lines[24];
static unsigned int nr;

static void add(const char *key, const char *label, const char *text)
{
	struct line *l = &lines[nr++];

	l->key = key;
	l->label = label;
	snprintf(l->text, sizeof(l->text), "%s", text);
}

static void add_number(const char *key, const char *label, uint64_t n)
{
	struct line *l = &lines[nr++];

	l->key = key;
	l->label = label;
	l->number = n;
	l->is_number = true;
	snprintf(l->text, sizeof(l->text), "%lu", n);
}

static const char *scheduler(uint32_t id)
{
	static const char *const names[] = { [5] = "credit", "credit2", "arinc653", "rtds", "null" };

	return id >= 5 && id <= 9 ? names[id] : "unknown";
}

static void hypervisor(void)
{
	xen_extraversion_t extra = "";
	static xen_capabilities_info_t caps;
	static xen_commandline_t cmdline;
	struct xen_compile_info cc = { 0 };
	xen_changeset_info_t changeset = "";
	int v = hv_version(XENVER_version, NULL, 0);
	struct xen_sysctl op = { 0 };
	char text[128];

	hv_version(XENVER_extraversion, extra, sizeof(extra));
	snprintf(text, sizeof(text), "%d.%d%s", v >> 16, v & 0xffff, extra);
	add("version", "hypervisor", text);
	if (hv_version(XENVER_changeset, changeset, sizeof(changeset)) >= 0)
		add("changeset", "changeset", changeset);
	if (hv_version(XENVER_capabilities, caps, sizeof(caps)) >= 0)
		add("capabilities", "guests", caps);
	if (hv_version(XENVER_commandline, cmdline, sizeof(cmdline)) >= 0)
		add("command_line", "command line", cmdline);
	if (hv_version(XENVER_compile_info, &cc, sizeof(cc)) >= 0)
		add("compiler", "compiler", cc.compiler);
	if (!hv_sysctl(XEN_SYSCTL_sched_id, &op))
		add("scheduler", "scheduler", scheduler(op.u.sched_id.sched_id));
}

static int machine(void)
{
	struct xen_sysctl op = { 0 };
	const struct xen_sysctl_physinfo *p = &op.u.physinfo;
	struct utsname u;
	unsigned int n;
	dom_info *all;

	if (hv_sysctl(XEN_SYSCTL_physinfo, &op))
		return err(errno == EPERM ? ST_NO_HOST : ST_FAILED, "asking for the machine was refused: %s",
			   strerror(errno));
	uname(&u);
	add("host", "host", u.nodename);
	add("dom0_kernel", "dom0 kernel", u.release);
	add_number("cpus", "CPUs", p->nr_cpus);
	add_number("cores_per_socket", "cores a socket", p->cores_per_socket);
	add_number("threads_per_core", "threads a core", p->threads_per_core);
	add_number("cpu_khz", "CPU kHz", p->cpu_khz);
	add_number("memory_kib", "memory, KiB", p->total_pages * 4);
	add_number("free_memory_kib", "free, KiB", p->free_pages * 4);
	add_number("claimed_memory_kib", "claimed, KiB", p->outstanding_pages * 4);
	all = dom_list(&n);
	if (!all)
		return -1;
	add_number("domains", "domains", n);
	free(all);
	return 0;
}

int cmd_info(int argc, char **argv)
{
	struct json j = { .out = stdout };

	if (hv_open() || machine())
		return -1;
	hypervisor();
	if (want_json)
		json_open(&j, NULL, '{');
	for (unsigned int i = 0; i < nr; i++) {
		if (!want_json)
			printf("%-16s %s\n", lines[i].label, lines[i].text);
		else if (lines[i].is_number)
			json_number(&j, lines[i].key, lines[i].number);
		else
			json_text(&j, lines[i].key, lines[i].text);
	}
	if (want_json)
		json_close(&j, '}');
	return 0;
}

/* --- the log --- */

#define CHUNK 16384U

int cmd_dmesg(int argc, char **argv)
{
	struct json j = { .out = stdout };
	struct xen_sysctl op = { 0 };
	char *buf, *all = NULL;
	size_t len = 0;
	uint32_t index = 0;

	if (hv_open())
		return -1;
	buf = hv_buf(CHUNK);
	do {
		char *more;

		op.u.readconsole = (struct xen_sysctl_readconsole){
			.incremental = 1, .index = index, .buffer = hv_handle(buf), .count = CHUNK,
		};
		if (!buf || hv_sysctl(XEN_SYSCTL_readconsole, &op)) {
			err(ST_FAILED, "reading the log was refused: %s", strerror(errno));
			break;
		}
		index = op.u.readconsole.index;
		more = realloc(all, len + op.u.readconsole.count + 1);
		if (!more)
			break;
		all = more;
		memcpy(all + len, buf, op.u.readconsole.count);
		len += op.u.readconsole.count;
		all[len] = '\0';
	} while (op.u.readconsole.count);
	if (!err_text() && opt_flag("clear")) {
		op.u.readconsole = (struct xen_sysctl_readconsole){
			.clear = 1, .buffer = hv_handle(buf), .count = CHUNK,
		};
		if (hv_sysctl(XEN_SYSCTL_readconsole, &op))
			err(ST_FAILED, "clearing the log was refused: %s", strerror(errno));
	}
	if (!err_text() && want_json) {
		json_open(&j, NULL, '{');
		json_text(&j, "log", all ? all : "");
		json_close(&j, '}');
	} else if (all) {
		fwrite(all, 1, len, stdout);
	}
	hv_buf_free(buf);
	free(all);
	return err_text() ? -1 : 0;
}

int cmd_debug_keys(int argc, char **argv)
{
	struct json j = { .out = stdout };
	struct xen_sysctl op = { 0 };
	size_t len = strlen(argv[0]);
	char *buf;

	if (hv_open())
		return -1;
	buf = hv_buf(len + 1);
	if (!buf)
		return err(ST_NO_MEMORY, "no memory for hypercalls");
	memcpy(buf, argv[0], len);
	op.u.debug_keys.keys = hv_handle(buf);
	op.u.debug_keys.nr_keys = (uint32_t)len;
	if (hv_sysctl(XEN_SYSCTL_debug_keys, &op))
		err(ST_FAILED, "sending the keys was refused: %s", strerror(errno));
	hv_buf_free(buf);
	if (want_json && !err_text()) {
		json_open(&j, NULL, '{');
		json_text(&j, "keys", argv[0]);
		json_close(&j, '}');
	}
	return err_text() ? -1 : 0;
}
