/* SPDX-License-Identifier: MIT */
/*
 * lib/dom.h: domains that are there: find, list, end, make.
 *
 * Tests: tests/tools-tests (on a machine)
 */
#ifndef LIB_DOM_H
#define LIB_DOM_H

#include <stdbool.h>
#include <stdint.h>
#include <pv-abi/domctl.h>
#include "config.h"

typedef struct xen_domctl_getdomaininfo dom_info;

/* hv_open() and st_open() have been called. All call err(). */
int host_open(void);

/* By name or id; ST_NO_DOMAIN when it is not there. */
int dom_find(const char *name, dom_info *info);
bool dom_info_of(uint32_t domid, dom_info *info);	/* exactly that one; no err() */
/* All domains, by id; allocated, n set; NULL after err(). */
dom_info *dom_list(unsigned int *n);
/* A set of domain ids. */
struct dom_set {
	uint64_t bits[0x8000 / 64];
};
static inline bool dom_in(const struct dom_set *s, uint32_t domid)
{
	return s->bits[domid % 0x8000 / 64] >> domid % 64 & 1;
}
static inline void dom_put(struct dom_set *s, uint32_t domid)
{
	s->bits[domid % 0x8000 / 64] |= 1UL << domid % 64;
}

/* Allocated; "(null)"-free: a domain without one gets "(domid)". */
char *dom_name(uint32_t domid);
/* "r-----" as xl shows it: running, blocked, paused, shutdown, crashed, dying. */
void dom_state(const dom_info *info, char text[7]);
/* 0 for one that is half made. */
static inline uint32_t dom_max_vcpus(const dom_info *info)
{
	return info->max_vcpu_id == XEN_INVALID_MAX_VCPU_ID ? 0 : info->max_vcpu_id + 1;
}
/* -1 while it runs, else SHUTDOWN_* */
int dom_shutdown_reason(const dom_info *info);
/* ST_OK when no live domain has that name; err() otherwise. */
int dom_name_free(const char *name);
int dom_rename(uint32_t domid, const char *name);
/* Another name and another UUID for a domain that has ended: a successor is to have those that it had. Its
 * configuration is no longer in the store, so that nobody deals with its end again. */
int dom_set_aside(uint32_t domid, const char *name);

int dom_simple(uint32_t domid, uint32_t cmd, const char *what);	/* a domctl without arguments */
/* Its memory, its store entries. wait: until the last reference to it is gone. */
int dom_destroy(uint32_t domid, bool wait);
void dom_forget(uint32_t domid);		/* its store entries */
/* Removes what creators that were killed left behind; the second for who holds dom_lock(). */
void dom_reap(void);
void dom_reap_locked(void);

/* Names that are being given just now: in BUILDING_DIR a file each, locked by its creator, with its process number and a UUID;
 * `key` is the name by st_key(). */
int dom_lock(void);				/* a descriptor; waits for it */
/* Opens and locks the file, reads it: a descriptor, -EWOULDBLOCK when its creator lives, or another -errno. */
int dom_building(const char *key, int flags, char maker[64]);
void dom_built(const char *key, int fd);	/* removes it */

/* The id of the new domain. cfg->uuid is filled. */
int dom_create(struct domain_config *cfg, bool paused, uint32_t *domid);

#endif
