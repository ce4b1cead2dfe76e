/* SPDX-License-Identifier: MIT */
/*
 * cli/device.h: what block-* and network-* have in common: a device's two folders in the store.
 *
 * Tests: tests/tools-tests/dom0/{block,net}
 */
#ifndef CLI_DEVICE_H
#define CLI_DEVICE_H

#include "cmd.h"

struct device_class {
	const char *kind;		/* the backend's folder: /local/domain/0/backend/KIND/DOMID/ID */
	const char *front;		/* the frontend's: /local/domain/DOMID/device/FRONT/ID */
	const char *counters;		/* what the file of its counters ends in: RUN_DIR/KIND-DOMID-ID.COUNTERS */
	const char *was_closed;		/* says attach, when the backend gives no reason */
	const char *held;		/* what detach adds when the guest does not let go of it */
	void (*forgotten)(uint32_t domid, int id);	/* after the entries; may be NULL */
};

extern const struct device_class disk_class, vif_class;	/* cli/block.c, cli/network.c */

/* The backend's state, XenbusState*; 0: there is no such device of ours. */
int device_state(const struct device_class *c, uint32_t domid, uint32_t id);

/* Entries that wait in the queue are written, and parapetd looks at them. -1 after err(). */
int device_announce(void);

/* The document of a command that does something to a device, if one is wanted; 0. */
int device_done(uint32_t domid, uint32_t id);

/* Entries that wait in the queue are written, and the command is done. 0, or -1 after err(). */
int device_written(uint32_t domid, uint32_t id);

/* Waits until a new device is connected; else its entries are removed. 0, or -1 after err(). */
int device_connect(const struct device_class *c, uint32_t domid, uint32_t id);

/* Asks the guest to let go, with --force does not insist; removes the entries. 0, or -1 after err(). */
int device_detach(const struct device_class *c, uint32_t domid, uint32_t id);

/* The backend's counters, the first `size` bytes of its file; false: there are none. */
bool device_counters(const struct device_class *c, uint32_t domid, const char *id, void *to, size_t size);

/* row() for each device of a domain, below the title or inside a JSON array. 0, or -1 after err(). */
int device_list(const struct device_class *c, const char *domain, const char *title,
		void (*row)(struct json *j, uint32_t domid, const char *id));

#endif
