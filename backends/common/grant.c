/* SPDX-License-Identifier: MIT */
/*
 * Granted pages and event channels of the one domain that the process serves.
 *
 * Job:    map, keep mapped, copy; bind, notify, hear. Over libxengnttab and libxenevtchn.
 * Enter:  the backends; channels from the loop.
 * State:  the handles of /dev/xen/gntdev and /dev/xen/evtchn; the channels.
 * Locks:  none: one thread.
 * Holds:  1. A reference is mapped at most once in a cache.
 *         2. What a guest names is only ever mapped or copied from the domain of this process.
 * Tests:  tests/tools-tests (on a machine)
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include "grant.h"
#include "loop.h"

#define PAGE 4096UL
#define MAX_COPY 256
#define MAX_CHANNELS 64

static xengnttab_handle *gt;
static xenevtchn_handle *ev;
static uint32_t domain;

struct channel {
	evtchn_port_t port;		/* 0: free */
	void (*fn)(void *ctx);
	void *ctx;
};
static struct channel channels[MAX_CHANNELS];

int grants_open(uint32_t domid)
{
	domain = domid;
	gt = xengnttab_open(NULL, 0);
	ev = gt ? xenevtchn_open(NULL, 0) : NULL;
	return ev ? 0 : -1;
}

/* Linux gives a mapping up when a signal comes meanwhile, and loop_direct() has them sent. */
static void *map(unsigned int n, const uint32_t *refs, int prot)
{
	void *va;

	do
		va = xengnttab_map_domain_grant_refs(gt, n, domain, (uint32_t *)refs, prot);
	while (!va && errno == EINTR);
	return va;
}

void *grants_map(unsigned int n, const uint32_t *refs)
{
	return map(n, refs, PROT_READ | PROT_WRITE);
}

void *grants_map_readonly(unsigned int n, const uint32_t *refs)
{
	return map(n, refs, PROT_READ);
}

void grants_unmap(void *va, unsigned int n)
{
	xengnttab_unmap(gt, va, n);
}

/* --- pages that stay mapped --- */

struct kept {
	uint32_t ref, pages;		/* pages: of the mapping that begins here; 0: inside one, or free */
	uint8_t *va;			/* NULL: free */
};

struct grant_cache {
	unsigned int max, used, mask;
	struct kept slots[];		/* open addressing, twice as many as max at least */
};

struct grant_cache *cache_new(unsigned int max_pages)
{
	unsigned int n = 64;
	struct grant_cache *c;

	while (n < 2 * max_pages)
		n *= 2;
	c = calloc(1, sizeof(*c) + n * sizeof(c->slots[0]));
	if (c) {
		c->max = max_pages;
		c->mask = n - 1;
	}
	return c;
}

void cache_free(struct grant_cache *c)
{
	for (unsigned int i = 0; c && i <= c->mask; i++)
		if (c->slots[i].pages)
			xengnttab_unmap(gt, c->slots[i].va, c->slots[i].pages);
	free(c);
}

static struct kept *slot(struct grant_cache *c, uint32_t ref)
{
	unsigned int i = ref * 2654435761U >> 7;

	while (c->slots[i & c->mask].va && c->slots[i & c->mask].ref != ref)
		i++;
	return &c->slots[i & c->mask];
}

int cache_map(struct grant_cache *c, unsigned int n, const uint32_t *refs, void **va)
{
	uint32_t missing[MAX_COPY];
	unsigned int m = 0;
	uint8_t *new;

	for (unsigned int i = 0; i < n; i++) {
		va[i] = slot(c, refs[i])->va;
		if (va[i])
			continue;
		if (m == MAX_COPY) {
			errno = E2BIG;
			return -1;
		}
		/* One request may name a page twice. */
		for (unsigned int k = 0; k < m && !va[i]; k++)
			if (missing[k] == refs[i])
				va[i] = c;	/* looked up below */
		if (!va[i])
			missing[m++] = refs[i];
	}
	if (!m)
		return 0;
	if (c->used + m > c->max) {
		errno = ENOSPC;
		return -1;
	}
	new = grants_map(m, missing);
	if (!new)
		return -1;
	for (unsigned int k = 0; k < m; k++)
		*slot(c, missing[k]) = (struct kept){ missing[k], k ? 0 : m, new + k * PAGE };
	c->used += m;
	for (unsigned int i = 0; i < n; i++)
		va[i] = slot(c, refs[i])->va;
	return 0;
}

/* --- copies --- */

int grants_copy(unsigned int n, const struct grant_copy *c)
{
	xengnttab_grant_copy_segment_t s[MAX_COPY];
	int rc = 0;

	if (n > MAX_COPY) {
		errno = E2BIG;
		return -1;
	}
	memset(s, 0, n * sizeof(s[0]));
	for (unsigned int i = 0; i < n; i++) {
		s[i].len = c[i].len;
		if (c[i].to_guest) {
			s[i].flags = GNTCOPY_dest_gref;
			s[i].source.virt = c[i].ours;
			s[i].dest.foreign.ref = c[i].ref;
			s[i].dest.foreign.offset = c[i].offset;
			s[i].dest.foreign.domid = (uint16_t)domain;
		} else {
			s[i].flags = GNTCOPY_source_gref;
			s[i].dest.virt = c[i].ours;
			s[i].source.foreign.ref = c[i].ref;
			s[i].source.foreign.offset = c[i].offset;
			s[i].source.foreign.domid = (uint16_t)domain;
		}
	}
	if (xengnttab_grant_copy(gt, n, s))
		return -1;
	for (unsigned int i = 0; i < n; i++)
		if (s[i].status != GNTST_okay) {
			errno = EFAULT;
			rc = -1;
		}
	return rc;
}

/* --- channels --- */

struct channel *channel_bind(uint32_t remote_port, void (*fn)(void *ctx), void *ctx)
{
	for (unsigned int i = 0; i < MAX_CHANNELS; i++) {
		int port;

		if (channels[i].port)
			continue;
		port = xenevtchn_bind_interdomain(ev, domain, remote_port);
		if (port <= 0)
			return NULL;
		channels[i] = (struct channel){ (evtchn_port_t)port, fn, ctx };
		return &channels[i];
	}
	errno = ENFILE;
	return NULL;
}

void channel_unbind(struct channel *c)
{
	if (c && c->port)
		xenevtchn_unbind(ev, c->port);
	if (c)
		c->port = 0;
}

void channel_notify(const struct channel *c)
{
	xenevtchn_notify(ev, c->port);
}

/* All that are pending are read at once; what fn did before the unmasking is not signalled again. */
static void heard(void *unused)
{
	evtchn_port_t ports[MAX_CHANNELS];
	ssize_t n = read(xenevtchn_fd(ev), ports, sizeof(ports)), left = 0;

	for (ssize_t i = 0; i < n / (ssize_t)sizeof(ports[0]); i++)
		for (unsigned int k = 0; k < MAX_CHANNELS; k++)
			if (channels[k].port == ports[i]) {
				channels[k].fn(channels[k].ctx);
				if (channels[k].port == ports[i])
					ports[left++] = ports[i];
				break;
			}
	if (left && write(xenevtchn_fd(ev), ports, (size_t)left * sizeof(ports[0])) < 0)
		return;		/* closed meanwhile */
}

int channels_listen(void)
{
	return loop_add(xenevtchn_fd(ev), heard, NULL);
}

int channels_direct(bool (*alone)(void))
{
	return loop_direct(xenevtchn_fd(ev), heard, alone);
}
