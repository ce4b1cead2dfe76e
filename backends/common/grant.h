/* SPDX-License-Identifier: MIT */
/*
 * common/grant.h: a domain's granted pages and event channels.
 *
 * Tests: tests/tools-tests (on a machine)
 */
#ifndef COMMON_GRANT_H
#define COMMON_GRANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int grants_open(uint32_t domid);	/* once; -1 with errno */

/* Maps n pages side by side, writable; NULL with errno when any of them is refused. */
void *grants_map(unsigned int n, const uint32_t *refs);
void *grants_map_readonly(unsigned int n, const uint32_t *refs);
void grants_unmap(void *va, unsigned int n);

/*
 * Pages of the guest that stay mapped: after its first use a page costs no hypercall. One cache for
 * each queue (or device).
 */
struct grant_cache;
struct grant_cache *cache_new(unsigned int max_pages);
void cache_free(struct grant_cache *c);	/* unmaps all */
/* va[i] becomes where refs[i] is mapped; those that are new are mapped together. -1: a page was refused,
 * or the cache is full (errno ENOSPC): then nothing is mapped more than before. */
int cache_map(struct grant_cache *c, unsigned int n, const uint32_t *refs, void **va);

/* Copies between our memory and granted pages, many at once in one hypercall. */
struct grant_copy {
	void *ours;
	uint32_t ref;
	uint16_t offset, len;		/* in the granted page; within it */
	bool to_guest;
};
/* At most 256. -1: one of them at least was refused. */
int grants_copy(unsigned int n, const struct grant_copy *c);

/* Event channels. fn is called from the loop; the channel is quiet until it returns. */
struct channel;
struct channel *channel_bind(uint32_t remote_port, void (*fn)(void *ctx), void *ctx);	/* NULL with errno */
void channel_unbind(struct channel *c);
void channel_notify(const struct channel *c);
int channels_listen(void);		/* adds them to the loop; by backend_main() */
/* See loop_direct(). When all other descriptors are there. */
int channels_direct(bool (*alone)(void));

#endif
