/* SPDX-License-Identifier: MIT */
/*
 * lib/config.h: text in the form of xl.cfg(5), and what it says about a domain.
 *
 * Tests: tests/tools-tests/test_config.c
 */
#ifndef LIB_CONFIG_H
#define LIB_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "disk.h"
#include "vif.h"

#define MAX_ENTRIES 128
#define MAX_ITEMS 64
#define MAX_VCPUS 64
#define CPU_WORDS 4			/* room in a CPU map: 256 CPUs */

struct entry {
	char *key;
	char *value;			/* NULL: a list */
	char *items[MAX_ITEMS];
	unsigned int nr_items;
	bool quoted;
	char *file;			/* where it was said */
	unsigned int line;
};

struct config {
	struct entry entries[MAX_ENTRIES];
	unsigned int nr;
};

/* All call err() with file, line and key. A later line replaces an earlier one of the same key. */
int config_text(struct config *c, const char *file, const char *text, size_t len);
int config_file(struct config *c, const char *path);
int config_argument(struct config *c, const char *arg);	/* key=value; quotes may be left out */
void config_free(struct config *c);

enum action {
	ACT_DESTROY, ACT_RESTART, ACT_PRESERVE, ACT_RENAME_RESTART, ACT_COREDUMP_DESTROY,
	ACT_COREDUMP_RESTART, NR_ACTIONS
};
extern const char *const action_names[NR_ACTIONS];

struct cpumap {
	uint64_t bits[CPU_WORDS];
};

/* Can a domain be given that name? A name of digits only would be taken for an id. */
bool domain_name_good(const char *name);
#define DOMAIN_NAMES "letters, digits and any of _-.+:@, at most 128, not digits only and not - first,"

/* What `create` needs to know. Texts belong to it. */
struct domain_config {
	char *name, *kernel, *ramdisk, *cmdline;
	uint8_t uuid[16];
	bool have_uuid;
	uint64_t memory_kb, maxmem_kb;
	unsigned int vcpus, max_vcpus;
	unsigned int nr_affinity;	/* 0: not given; 1: for all vCPUs; else one each */
	struct cpumap affinity[MAX_VCPUS];
	unsigned int weight, cap;	/* weight 0: not given */
	bool have_cap, no_ring1;
	unsigned int tsc_mode;
	unsigned int nr_disks;
	struct disk_config disks[MAX_DISKS];
	enum action on_poweroff, on_reboot, on_crash;
	unsigned int quick_ends;	/* the daemon's (daemon/policy.c) */
	struct vif_config vifs[MAX_VIFS];
	unsigned int nr_vifs;
};

/* Warns of keys that are not known. */
int domain_config(struct domain_config *d, const struct config *c);
void domain_config_free(struct domain_config *d);
/* The same as text that config_text() reads; allocated. */
char *domain_config_text(const struct domain_config *d);

/* "0-3,^1", "all", "2": into a map of max CPUs; false when it is not one. */
bool cpumap_parse(struct cpumap *m, const char *text, unsigned int max);
/* The reverse, "all" when all of nr CPUs are in it. */
const char *cpumap_text(const struct cpumap *m, unsigned int nr, char *buf, size_t size);
bool uuid_parse(uint8_t uuid[16], const char *text);
void uuid_random(uint8_t uuid[16]);
void uuid_text(char buf[37], const uint8_t uuid[16]);

#endif
