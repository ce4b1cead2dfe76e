/* SPDX-License-Identifier: MIT */
/*
 * What a configuration says about a domain.
 *
 * Job:    check each key of xl.cfg(5) that is known, give defaults, refuse what is not there yet.
 * Enter:  domain_config() from cli/create.c and the daemon; cpumap and uuid texts from everywhere.
 * State:  none.
 * Holds:  each refusal names file, line and key.
 * Caveat: devices (pci ...) and bootloader are parsed and refused; of bare xl.cfg
 *         strings only ASCII is meant to work in names.
 * Tests:  tests/tools-tests/test_config.c
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "config.h"
#include "err.h"

#define DEFAULT_MEMORY_MIB 128

const char *const action_names[NR_ACTIONS] = {
	[ACT_DESTROY] = "destroy", [ACT_RESTART] = "restart", [ACT_PRESERVE] = "preserve",
	[ACT_RENAME_RESTART] = "rename-restart", [ACT_COREDUMP_DESTROY] = "coredump-destroy",
	[ACT_COREDUMP_RESTART] = "coredump-restart",
};

/* --- texts --- */

bool uuid_parse(uint8_t uuid[16], const char *text)
{
	unsigned int n = 0;

	for (; *text; text++) {
		int digit;

		if (*text == '-')
			continue;
		if (!isxdigit((unsigned char)*text) || n == 32)
			return false;
		digit = isdigit((unsigned char)*text) ? *text - '0' : (*text | 32) - 'a' + 10;
		uuid[n / 2] = (uint8_t)(n & 1 ? uuid[n / 2] | digit : digit << 4);
		n++;
	}
	return n == 32;
}

void uuid_random(uint8_t u[16])
{
	/* does not fail for so few bytes once the machine is up */
	while (getrandom(u, 16, 0) != 16)
		;
	u[6] = (u[6] & 0x0f) | 0x40;
	u[8] = (u[8] & 0x3f) | 0x80;
}

void uuid_text(char buf[37], const uint8_t u[16])
{
	snprintf(buf, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0],
		 u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14],
		 u[15]);
}

bool cpumap_parse(struct cpumap *m, const char *text, unsigned int max)
{
	bool first = true;

	memset(m, 0, sizeof(*m));
	if (max > CPU_WORDS * 64)
		max = CPU_WORDS * 64;
	while (*text) {
		bool without = *text == '^';
		unsigned long a, b;
		char *end;

		text += without;
		if (!strncmp(text, "all", 3)) {
			a = 0;
			b = max - 1;
			end = (char *)text + 3;
		} else {
			if (!isdigit((unsigned char)*text))
				return false;
			a = b = strtoul(text, &end, 10);
			if (*end == '-' && isdigit((unsigned char)end[1]))
				b = strtoul(end + 1, &end, 10);
		}
		if (a > b || b >= max || (*end && *end != ','))
			return false;
		if (first && without)
			for (unsigned int i = 0; i < max; i++)
				m->bits[i / 64] |= 1UL << i % 64;
		for (; a <= b; a++)
			m->bits[a / 64] = without ? m->bits[a / 64] & ~(1UL << a % 64) :
						    m->bits[a / 64] | 1UL << a % 64;
		first = false;
		text = *end ? end + 1 : end;
	}
	for (unsigned int i = 0; i < CPU_WORDS; i++)
		if (m->bits[i])
			return true;
	return false;
}

static bool has(const struct cpumap *m, unsigned int i)
{
	return i < CPU_WORDS * 64 && m->bits[i / 64] >> i % 64 & 1;
}

const char *cpumap_text(const struct cpumap *m, unsigned int nr, char *buf, size_t size)
{
	unsigned int i, all = 0;
	size_t len = 0;

	for (i = 0; i < nr; i++)
		all += has(m, i);
	if (all == nr)
		return "all";
	buf[0] = '\0';
	for (i = 0; i < nr && len + 16 < size; i++) {
		unsigned int from = i;

		if (!has(m, i))
			continue;
		while (i + 1 < nr && has(m, i + 1))
			i++;
		len += (size_t)snprintf(buf + len, size - len, i > from ? "%s%u-%u" : "%s%u",
					len ? "," : "", from, i);
	}
	return buf;
}

/* --- keys --- */

static int refuse(const struct entry *e, const char *what)
{
	return err(ST_CONFIG, "%s:%u: %s: %s", e->file, e->line, e->key, what);
}

static const struct entry *find(const struct config *c, const char *key)
{
	for (unsigned int i = 0; i < c->nr; i++)
		if (!strcmp(c->entries[i].key, key))
			return &c->entries[i];
	return NULL;
}

static int get_text(const struct config *c, const char *key, char **out)
{
	const struct entry *e = find(c, key);

	if (!e)
		return 0;
	if (!e->value)
		return refuse(e, "a text is wanted, not a list");
	*out = strdup(e->value);
	return 0;
}

static int get_number(const struct config *c, const char *key, unsigned long min, unsigned long max,
		      unsigned long *out)
{
	const struct entry *e = find(c, key);
	char *end, text[96];

	if (!e)
		return 0;
	if (!e->value || !isdigit((unsigned char)e->value[0]))
		return refuse(e, "a number is wanted");
	errno = 0;
	*out = strtoul(e->value, &end, 0);
	if (*end || errno)
		return refuse(e, "a number is wanted");
	if (*out < min || *out > max) {
		snprintf(text, sizeof(text), "%lu is out of range (%lu to %lu)", *out, min, max);
		return refuse(e, text);
	}
	return 0;
}

static int get_action(const struct config *c, const char *key, enum action *out)
{
	const struct entry *e = find(c, key);

	if (!e)
		return 0;
	for (unsigned int i = 0; e->value && i < NR_ACTIONS; i++)
		if (!strcmp(e->value, action_names[i])) {
			*out = i;
			return 0;
		}
	return refuse(e, "one of destroy, restart, rename-restart, preserve, coredump-destroy, "
		      "coredump-restart is wanted");
}

static int get_cpus(const struct config *c, struct domain_config *d)
{
	const struct entry *e = find(c, "cpus");

	if (!e)
		return 0;
	d->nr_affinity = e->value ? 1 : e->nr_items;
	if (!d->nr_affinity || d->nr_affinity > MAX_VCPUS)
		return refuse(e, "an empty list, or one of more than 64 items");
	for (unsigned int i = 0; i < d->nr_affinity; i++)
		if (!cpumap_parse(&d->affinity[i], e->value ? e->value : e->items[i], CPU_WORDS * 64))
			return refuse(e, "CPUs are wanted, such as \"0-3,^1\" or \"all\"");
	return 0;
}

static int get_kind(const struct config *c)
{
	const struct entry *e = find(c, "type");

	if (e && (!e->value || strcmp(e->value, "pv")))
		return refuse(e, "only \"pv\" domains can be made here");
	e = find(c, "builder");
	if (e && (!e->value || (strcmp(e->value, "generic") && strcmp(e->value, "linux"))))
		return refuse(e, "only \"generic\" (a PV domain) can be made here");
	return 0;
}

bool domain_name_good(const char *name)
{
	size_t i = 0;

	/* it is a part of file names (logs, dumps), too */
	while (isalnum((unsigned char)name[i]) || (name[i] && strchr("_-.+:@", name[i])))
		i++;
	return i && !name[i] && i <= 128 && name[0] != '-' && strspn(name, "0123456789") != i;
}

static int get_name(const struct config *c, struct domain_config *d)
{
	if (get_text(c, "name", &d->name))
		return -1;
	if (!d->name)
		return err(ST_CONFIG, "no name is given: the key 'name' is missing");
	return domain_name_good(d->name) ? 0 : refuse(find(c, "name"), DOMAIN_NAMES " are wanted");
}

static int get_cmdline(const struct config *c, struct domain_config *d)
{
	char *root = NULL, *extra = NULL;
	int rc = get_text(c, "cmdline", &d->cmdline) || get_text(c, "root", &root) ||
		 get_text(c, "extra", &extra);

	if (!rc && d->cmdline && (root || extra))
		warn("%s:%u: cmdline is given: 'root' and 'extra' are left out",
		     find(c, "cmdline")->file, find(c, "cmdline")->line);
	else if (!rc && !d->cmdline &&
		 asprintf(&d->cmdline, "%s%s%s%s", root ? "root=" : "", root ? root : "",
			  root && extra ? " " : "", extra ? extra : "") < 0)
		rc = -1;
	free(root);
	free(extra);
	if (!rc && strlen(d->cmdline) >= 1024)
		rc = err(ST_CONFIG, "the kernel's command line is longer than 1023 bytes");
	/* domain_config_text() could not write it down for a restart */
	if (!rc && strchr(d->cmdline, '"') && strchr(d->cmdline, '\''))
		rc = err(ST_CONFIG, "the kernel's command line has both kinds of quotes");
	return rc ? -1 : 0;
}

/* Absolute, since the daemon may use it from elsewhere. */
static int get_path(const struct config *c, const char *key, char **out)
{
	const struct entry *e = find(c, key);
	char *path;

	if (get_text(c, key, out))
		return -1;
	if (!*out)
		return 0;
	path = realpath(*out, NULL);
	if (!path)
		return err(ST_CONFIG, "%s:%u: %s: %s: %s", e->file, e->line, key, *out, strerror(errno));
	free(*out);
	*out = path;
	return 0;
}

static int check_keys(const struct config *c)
{
	static const char *const known[] = {
		"name", "kernel", "ramdisk", "cmdline", "extra", "root", "memory", "maxmem", "vcpus",
		"maxvcpus", "cpus", "cpu_weight", "cap", "uuid", "on_poweroff", "on_reboot", "on_crash",
		"type", "builder", "tsc_mode", "disk", "vif", "ring1",
		"quick_ends",
	};
	static const char *const refused[] = {
		"pci", "vfb", "vkb", "vtpm", "p9", "pvcalls", "usbctrl", "usbdev",
		"channel", "vscsi", "vdispl", "vsnd", "bootloader", "iomem", "ioports", "irqs", "driver_domain",
		"device_model_override", "vdevices",
	};

	for (unsigned int i = 0; i < c->nr; i++) {
		const struct entry *e = &c->entries[i];
		unsigned int j;

		for (j = 0; j < sizeof(refused) / sizeof(refused[0]); j++)
			if (!strcmp(e->key, refused[j]) && (e->value ? e->value[0] != 0 : e->nr_items > 0))
				return refuse(e, "not supported yet; remove the line, or leave it empty");
			else if (!strcmp(e->key, refused[j]))
				break;
		if (j < sizeof(refused) / sizeof(refused[0]))
			continue;
		for (j = 0; j < sizeof(known) / sizeof(known[0]) && strcmp(e->key, known[j]); j++)
			;
		if (j == sizeof(known) / sizeof(known[0]))
			warn("%s:%u: %s: this key is not known here and is left out", e->file, e->line,
			     e->key);
	}
	return 0;
}

static int get_tsc(const struct config *c, struct domain_config *d)
{
	static const char *const modes[] = { "default", "always_emulate", "native" };
	const struct entry *e = find(c, "tsc_mode");

	for (unsigned int i = 0; e && e->value && i < 3; i++)
		if (!strcmp(e->value, modes[i]) || (isdigit((unsigned char)e->value[0]) &&
						    (unsigned int)atoi(e->value) == i)) {
			d->tsc_mode = i;
			return 0;
		}
	return e ? refuse(e, "one of default, always_emulate, native is wanted") : 0;
}

static int get_vifs(const struct config *c, struct domain_config *d)
{
	const struct entry *e = find(c, "vif");
	unsigned int n = !e ? 0 : e->value ? e->value[0] != 0 : e->nr_items;

	if (n > MAX_VIFS)
		return refuse(e, "more than 16 devices");
	for (unsigned int i = 0; i < n; i++) {
		const char *wrong = vif_parse(&d->vifs[i], e->value ? e->value : e->items[i]);

		if (wrong)
			return refuse(e, wrong);
		if (d->vifs[i].devid >= MAX_VIFS)
			return refuse(e, "devid: at most 15 is wanted");
		if (d->vifs[i].devid < 0)
			d->vifs[i].devid = (int)i;
		for (unsigned int k = 0; k < i; k++) {
			if (d->vifs[k].devid == d->vifs[i].devid)
				return refuse(e, "two devices of the same devid");
			if (d->vifs[i].have_mac && d->vifs[k].have_mac && !memcmp(d->vifs[i].mac, d->vifs[k].mac, 6))
				return refuse(e, "two devices of the same MAC");
		}
	}
	d->nr_vifs = n;
	return 0;
}

static int get_disks(const struct config *c, struct domain_config *d)
{
	const struct entry *e = find(c, "disk");
	char why[400];

	if (!e)
		return 0;
	if (e->value)
		return e->value[0] ? refuse(e, "a list is wanted: [ 'TARGET,FORMAT,VDEV,ACCESS' ]") : 0;
	if (e->nr_items > MAX_DISKS)
		return refuse(e, "more disks than 16");
	for (unsigned int i = 0; i < e->nr_items; i++) {
		struct disk_config *k = &d->disks[i];

		if (!disk_parse(k, e->items[i], why, sizeof(why)))
			return refuse(e, why);
		d->nr_disks++;
		if (!disk_check(k, why, sizeof(why)))
			return refuse(e, why);
		for (unsigned int j = 0; j < i; j++)
			if (d->disks[j].id == k->id)
				return refuse(e, "two disks have the same vdev");
	}
	return 0;
}

static int get_numbers(const struct config *c, struct domain_config *d)
{
	unsigned long memory = DEFAULT_MEMORY_MIB, maxmem = 0, vcpus = 1, max = 0, weight = 0, cap = 0,
		ring1 = 1, quick_ends = 0;

	if (get_number(c, "memory", 4, 1UL << 20, &memory) ||
	    get_number(c, "maxmem", 4, 1UL << 20, &maxmem) ||
	    get_number(c, "vcpus", 1, MAX_VCPUS, &vcpus) ||
	    get_number(c, "maxvcpus", 1, MAX_VCPUS, &max) ||
	    get_number(c, "cpu_weight", 1, 65535, &weight) || get_number(c, "cap", 0, 100 * 64, &cap) ||
	    get_number(c, "ring1", 0, 1, &ring1) ||
	    get_number(c, "quick_ends", 0, 1000, &quick_ends))
		return -1;
	if (maxmem && maxmem < memory)
		return refuse(find(c, "maxmem"), "it is less than 'memory'");
	if (max && max < vcpus)
		return refuse(find(c, "maxvcpus"), "it is less than 'vcpus'");
	d->memory_kb = memory << 10;
	d->maxmem_kb = (maxmem ? maxmem : memory) << 10;
	d->vcpus = (unsigned int)vcpus;
	d->max_vcpus = (unsigned int)(max ? max : vcpus);
	d->weight = (unsigned int)weight;
	d->cap = (unsigned int)cap;
	d->no_ring1 = !ring1;
	d->quick_ends = (unsigned int)quick_ends;
	d->have_cap = find(c, "cap") != NULL;
	return 0;
}

int domain_config(struct domain_config *d, const struct config *c)
{
	char *uuid = NULL;

	memset(d, 0, sizeof(*d));
	d->on_reboot = ACT_RESTART;
	if (check_keys(c) || get_kind(c) || get_name(c, d) || get_numbers(c, d) || get_cpus(c, d) || get_vifs(c, d) ||
	    get_tsc(c, d) || get_path(c, "kernel", &d->kernel) || get_path(c, "ramdisk", &d->ramdisk) ||
	    get_cmdline(c, d) || get_action(c, "on_poweroff", &d->on_poweroff) ||
	    get_action(c, "on_reboot", &d->on_reboot) || get_action(c, "on_crash", &d->on_crash) ||
	    get_text(c, "uuid", &uuid) || get_disks(c, d))
		goto fail;
	if (!d->kernel) {
		err(ST_CONFIG, "no kernel is given: the key 'kernel' is missing");
		goto fail;
	}
	d->have_uuid = uuid;
	if (uuid && !uuid_parse(d->uuid, uuid)) {
		refuse(find(c, "uuid"), "32 hexadecimal digits are wanted");
		goto fail;
	}
	free(uuid);
	return 0;
fail:
	free(uuid);
	domain_config_free(d);
	return -1;
}

void domain_config_free(struct domain_config *d)
{
	free(d->name);
	free(d->kernel);
	free(d->ramdisk);
	free(d->cmdline);
	for (unsigned int i = 0; i < d->nr_disks; i++)
		disk_free(&d->disks[i]);
	memset(d, 0, sizeof(*d));
}

char *domain_config_text(const struct domain_config *d)
{
	char *text = NULL, uuid[37], map[512];
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	uuid_text(uuid, d->uuid);
	/* A text has no way to hold both kinds of quotes. */
	fprintf(f, "name=\"%s\"\nuuid=\"%s\"\nkernel=\"%s\"\n", d->name, uuid, d->kernel);
	if (d->ramdisk)
		fprintf(f, "ramdisk=\"%s\"\n", d->ramdisk);
	if (d->cmdline)
		fprintf(f, strchr(d->cmdline, '"') ? "cmdline='%s'\n" : "cmdline=\"%s\"\n", d->cmdline);
	fprintf(f, "memory=%lu\nmaxmem=%lu\nvcpus=%u\nmaxvcpus=%u\n", d->memory_kb >> 10,
		d->maxmem_kb >> 10, d->vcpus, d->max_vcpus);
	if (d->weight)
		fprintf(f, "cpu_weight=%u\n", d->weight);
	if (d->have_cap)
		fprintf(f, "cap=%u\n", d->cap);
	if (d->tsc_mode)
		fprintf(f, "tsc_mode=%u\n", d->tsc_mode);
	if (d->no_ring1)
		fputs("ring1=0\n", f);
	if (d->quick_ends)
		fprintf(f, "quick_ends=%u\n", d->quick_ends);
	for (unsigned int i = 0; i < d->nr_affinity; i++)
		fprintf(f, "%s\"%s\"%s", i ? "," : d->nr_affinity > 1 ? "cpus=[" : "cpus=",
			cpumap_text(&d->affinity[i], CPU_WORDS * 64, map, sizeof(map)),
			i + 1 < d->nr_affinity ? "" : d->nr_affinity > 1 ? "]\n" : "\n");
	for (unsigned int i = 0; i < d->nr_vifs; i++) {
		char vif[512];

		vif_text(&d->vifs[i], vif, sizeof(vif));
		fprintf(f, "%s\"%s\"%s", i ? "," : "vif=[", vif, i + 1 < d->nr_vifs ? "" : "]\n");
	}
	for (unsigned int i = 0; i < d->nr_disks; i++) {
		char *disk = disk_text(&d->disks[i]);
		char q = disk && strchr(disk, '"') ? '\'' : '"';

		fprintf(f, "%s%c%s%c%s", i ? "," : "disk=[", q, disk ? disk : "", q, i + 1 < d->nr_disks ? "" : "]\n");
		free(disk);
	}
	fprintf(f, "on_poweroff=\"%s\"\non_reboot=\"%s\"\non_crash=\"%s\"\n",
		action_names[d->on_poweroff], action_names[d->on_reboot], action_names[d->on_crash]);
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}
