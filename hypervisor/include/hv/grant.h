/* SPDX-License-Identifier: MIT */
/*
 * Job:    grant tables: life cycle; pins and handles for pv/grant_map.c.
 * Holds:  G1-G3 of core/grant.c.
 * Tests:  tests/host/test_hypercall.c, tests/guests/grants.c
 */
#ifndef HV_GRANT_H
#define HV_GRANT_H

#include <grant_table.h>
#include <hv/domain.h>

#define GRANT_FRAMES_MAX 64
#define MAPTRACK_FRAMES_MAX 1024

int grant_init(struct domain *d);			/* -ENOMEM */
void grant_destroy(struct domain *d);			/* with the last reference of d */
/* Before d runs; below 0: the default. At most the maxima above (the caller has checked). */
void grant_set_limits(struct domain *d, int frames, int maptrack_frames);
bool grant_release_all(struct domain *d, unsigned int max);	/* d dies; true: nothing is left */
/* Frame n of the shared table, made if need be; NULL: beyond the limit, or no memory. */
void *grant_frame(struct domain *d, u64 n);
u32 grant_max_frames(const struct domain *d);

/*
 * Pin: the current domain uses entry ref of rd's table, for writing or only reading. GNTST_*. The
 * frame is held (typed writable for writing) until unpinned with the same arguments.
 */
s16 grant_pin(struct domain *rd, u32 ref, bool write, mfn_t *mfn);
void grant_unpin(struct domain *rd, u32 ref, bool write, mfn_t mfn);

/* What a handle of d stands for. It holds a pin, and a reference on the granter. */
struct maptrack {
	u32 ref;
	u32 mfn;
	u32 next_free;
	domid_t dom;
	u16 flags;			/* GNTMAP_*; neither host nor device: the handle is free */
};
u32 maptrack_new(struct domain *d);	/* ~0: no room; its flags are 0 until the caller sets them */
/* d's handle, or NULL. flags change under d's mmu_lock. */
struct maptrack *maptrack_get(struct domain *d, u32 handle);
void maptrack_free(struct domain *d, u32 handle);
/* For audits, with all vcpus paused: d's n-th handle in use, NULL behind the last; pins on d's entries. */
const struct maptrack *grant_handle(const struct domain *d, u32 *n);
u64 grant_pins(const struct domain *d);
/* Seam to pv/grant_map.c: GNTTABOP_map_grant_ref and unmap_grant_ref; 0, -EFAULT, -ERESTART. */
long grant_map_op(unsigned int cmd, u64 arg, u32 count);

#endif
