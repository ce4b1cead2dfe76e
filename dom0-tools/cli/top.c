/* SPDX-License-Identifier: MIT */
/*
 * parapet top
 *
 * Job:    who uses the CPUs, and what disks and network cards move, table after table: on a screen, as text, as JSON.
 * Enter:  the table of commands.
 * State:  the sample before, and the terminal's settings.
 * Tests:  tests/tools-tests
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include "cmd.h"
#include "counters.h"

struct sample {
	dom_info *list;
	unsigned int n;
	struct timespec at;
	char **names;
	struct device_count *devices;
	unsigned int nr_devices;
};

struct row {
	const dom_info *i;
	const char *name;
	double percent;			/* of one CPU; negative: not known yet */
};

/* What one device moved since the sample before, each second. */
struct speed {
	double in, out, in_bytes, out_bytes;
};

static struct termios before;
static bool screen;

static void restore(void)
{
	if (screen) {
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
		fputs("\033[?25h\033[?1049l", stdout);
		fflush(stdout);
	}
	screen = false;
}

static void on_signal(int sig)
{
	restore();
	_exit(128 + sig);
}

static void open_screen(void)
{
	struct termios t;

	if (tcgetattr(STDIN_FILENO, &before))
		return;
	t = before;
	t.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	tcsetattr(STDIN_FILENO, TCSANOW, &t);
	screen = true;
	atexit(restore);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	fputs("\033[?1049h\033[?25l", stdout);
}

static void drop(struct sample *s)
{
	for (unsigned int i = 0; i < s->n; i++)
		free(s->names[i]);
	free(s->names);
	free(s->devices);
	free(s->list);
	memset(s, 0, sizeof(*s));
}

/* Names are kept from the sample before where the id is the same. */
static int take(struct sample *s, struct sample *old)
{
	s->list = dom_list(&s->n);
	if (!s->list)
		return -1;
	clock_gettime(CLOCK_MONOTONIC, &s->at);
	s->devices = counters_take(&s->nr_devices);
	s->names = calloc(s->n + 1, sizeof(*s->names));
	for (unsigned int i = 0; s->names && i < s->n; i++)
		s->names[i] = dom_name(s->list[i].domain);
	return s->names ? 0 : err(ST_NO_MEMORY, "no memory for the tools");
}

static int by_use(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->percent != y->percent)
		return x->percent < y->percent ? 1 : -1;
	return x->i->domain - y->i->domain;
}

static double ns_between(const struct sample *s, const struct sample *old)
{
	return (double)(s->at.tv_sec - old->at.tv_sec) * 1e9 + (double)(s->at.tv_nsec - old->at.tv_nsec);
}

/* Zeroes for a device that the older sample does not have. */
static struct speed speed_of(const struct device_count *c, const struct sample *s, const struct sample *old)
{
	double seconds = ns_between(s, old) / 1e9;

	for (unsigned int i = 0; i < old->nr_devices; i++) {
		const struct device_count *o = &old->devices[i];

		if (o->domid == c->domid && o->id == c->id && o->disk == c->disk && o->in <= c->in && o->out <= c->out)
			return (struct speed){ (double)(c->in - o->in) / seconds, (double)(c->out - o->out) / seconds,
				(double)(c->in_bytes - o->in_bytes) / seconds, (double)(c->out_bytes - o->out_bytes) / seconds };
	}
	return (struct speed){ 0 };
}

static struct row *rows(const struct sample *s, const struct sample *old)
{
	struct row *r = calloc(s->n + 1, sizeof(*r));
	double ns = ns_between(s, old);

	for (unsigned int i = 0; r && i < s->n; i++) {
		r[i] = (struct row){ &s->list[i], s->names[i], -1 };
		for (unsigned int k = 0; k < old->n; k++)
			if (old->list[k].domain == s->list[i].domain &&
			    s->list[i].cpu_time >= old->list[k].cpu_time)
				r[i].percent = (double)(s->list[i].cpu_time - old->list[k].cpu_time) / ns * 100;
	}
	if (r)
		qsort(r, s->n, sizeof(*r), by_use);
	return r;
}

static void json_devices(struct json *j, uint32_t domid, const struct sample *s, const struct sample *old)
{
	json_open(j, "devices", '[');
	for (unsigned int i = 0; i < s->nr_devices; i++) {
		const struct device_count *c = &s->devices[i];
		struct speed v = speed_of(c, s, old);

		if (c->domid != domid)
			continue;
		json_open(j, NULL, '{');
		json_text(j, "kind", c->disk ? "disk" : "network");
		json_number(j, "id", c->id);
		json_number(j, "in", c->in);
		json_number(j, "in_bytes", c->in_bytes);
		json_number(j, "out", c->out);
		json_number(j, "out_bytes", c->out_bytes);
		json_number(j, "failed", c->failed);
		json_real(j, "in_bytes_per_second", v.in_bytes);
		json_real(j, "out_bytes_per_second", v.out_bytes);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void print_json(const struct row *r, unsigned int n, const struct sample *s, const struct sample *old)
{
	struct json j = { .out = stdout };
	char state[7];

	json_open(&j, NULL, '[');
	for (unsigned int i = 0; i < n; i++) {
		dom_state(r[i].i, state);
		json_open(&j, NULL, '{');
		json_number(&j, "domid", r[i].i->domain);
		json_text(&j, "name", r[i].name);
		json_text(&j, "state", state);
		json_number(&j, "cpu_time_ns", r[i].i->cpu_time);
		json_real(&j, "cpu_percent", r[i].percent >= 0 ? r[i].percent : 0);
		json_number(&j, "memory_kib", r[i].i->tot_pages * 4);
		json_number(&j, "max_memory_kib", r[i].i->max_pages * 4);
		json_number(&j, "vcpus", r[i].i->nr_online_vcpus);
		json_devices(&j, r[i].i->domain, s, old);
		json_close(&j, '}');
	}
	json_close(&j, ']');
}

/* The lines below a domain's. */
static void print_devices(uint32_t domid, const struct sample *s, const struct sample *old, const char *end)
{
	for (unsigned int i = 0; i < s->nr_devices; i++) {
		const struct device_count *c = &s->devices[i];
		struct speed v = speed_of(c, s, old);

		if (c->domid == domid)
			printf("  %-7s %6u  in %8llu MiB %8.0f KiB/s %6.0f/s  out %8llu MiB %8.0f KiB/s %6.0f/s  failed %llu%s",
			       c->disk ? "disk" : "network", c->id, (unsigned long long)c->in_bytes >> 20, v.in_bytes / 1024,
			       v.in, (unsigned long long)c->out_bytes >> 20, v.out_bytes / 1024, v.out,
			       (unsigned long long)c->failed, end);
	}
}

static void print_table(const struct row *r, unsigned int n, const struct sample *s, const struct sample *old)
{
	struct xen_sysctl op = { 0 };
	struct winsize w = { 0 };
	unsigned int max = n;
	const char *end = screen ? "\033[K\n" : "\n";
	time_t now = time(NULL);
	char clock[16], state[7];

	strftime(clock, sizeof(clock), "%T", localtime(&now));
	if (screen) {
		fputs("\033[H", stdout);
		if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) && w.ws_row > 4 && n > w.ws_row - 4U)
			max = w.ws_row - 4U;
	}
	if (!hv_sysctl(XEN_SYSCTL_physinfo, &op))
		printf("parapet top %s  %u domains  %u CPUs  %lu MiB, %lu free%s", clock, n,
		       op.u.physinfo.nr_cpus, op.u.physinfo.total_pages / 256, op.u.physinfo.free_pages / 256,
		       end);
	printf("NAME                        ID STATE     CPU(s)   CPU%%    MiB MAXMIB VCPUS%s", end);
	for (unsigned int i = 0; i < max; i++) {
		dom_state(r[i].i, state);
		printf("%-24s %5u %s %9.1f %6.1f %6lu %6lu %5u%s", r[i].name, r[i].i->domain, state,
		       (double)r[i].i->cpu_time / 1e9, r[i].percent >= 0 ? r[i].percent : 0,
		       r[i].i->tot_pages / 256, r[i].i->max_pages > 1UL << 40 ? 0 : r[i].i->max_pages / 256,
		       r[i].i->nr_online_vcpus, end);
		if (opt_flag("devices"))
			print_devices(r[i].i->domain, s, old, end);
	}
	if (screen)
		fputs("\033[J", stdout);
	else
		fputc('\n', stdout);
}

/* False when the user leaves. */
static bool pause_for(unsigned long seconds)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	char c;

	if (!screen) {
		sleep((unsigned int)seconds);
		return true;
	}
	if (poll(&p, 1, (int)seconds * 1000) <= 0)
		return true;
	return read(STDIN_FILENO, &c, 1) == 1 && c != 'q' && c != 3;
}

int cmd_top(int argc, char **argv)
{
	unsigned long times = 0, delay = 3;
	struct sample now = { 0 }, old = { 0 };
	bool again = true;

	if ((opt_value("iterations") && parse_number(opt_value("iterations"), "iterations", 1, 1000000, &times)) ||
	    (opt_value("delay") && parse_number(opt_value("delay"), "delay", 0, 3600, &delay)) || host_open())
		return -1;
	if (!opt_flag("batch") && !want_json && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		open_screen();
	/* Without a limit JSON is one picture, of what was used between two looks. */
	if (want_json && !times)
		times = 1;
	if (want_json && take(&old, &now))
		return -1;
	if (want_json)
		sleep((unsigned int)delay);
	for (unsigned long k = 0; again && (!times || k < times) && !ferror(stdout); k++) {
		struct row *r;

		if (take(&now, &old))
			return -1;
		r = rows(&now, &old);
		if (r && want_json)
			print_json(r, now.n, &now, &old);
		else if (r)
			print_table(r, now.n, &now, &old);
		fflush(stdout);
		free(r);
		drop(&old);
		old = now;
		if (!times || k + 1 < times)
			again = pause_for(delay);
	}
	drop(&old);
	return 0;
}
