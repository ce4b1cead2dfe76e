/* SPDX-License-Identifier: MIT */
/*
 * common/device.h: devices of one domain: the handshake in the store, the life of the process.
 *
 * A backend is a program `NAME DOMID` with a struct backend; its main() calls backend_main().
 * Tests: tests/host/test_handshake.c, tests/tools-tests
 */
#ifndef COMMON_DEVICE_H
#define COMMON_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "../../dom0-tools/lib/paths.h"

#define PATH_LEN 128

/* Exit status of a backend; anything else is a crash. All but GONE are followed by a new start. */
#define EXIT_GONE 0			/* the domain has no devices of this kind any more */
#define EXIT_AGAIN 42			/* a device came or went: only a new process opens files */

struct device {
	struct device *next;
	uint32_t domid, id;
	char back[PATH_LEN], front[PATH_LEN];	/* folders in the store */
	int state;			/* what the store says of us; enum xenbus_state */
	bool connected;			/* between connect() and disconnect() */
	bool failed;			/* until the frontend begins anew */
	void *priv;			/* the backend's */
};

struct backend {
	const char *kind;		/* folder below /local/domain/0/backend: "pblk" */
	const char *class;		/* folder below the guest's device: "vbd" */
	/* As root, before the sandbox: files, memory. -1 after device_error(): the device is closed. */
	int (*open)(struct device *d);
	/* Writes the features that the frontend reads first. */
	int (*offer)(struct device *d);
	/* Maps the rings and goes to work. again: a process before us served this ring and was killed.
	 * -1 after device_error(). */
	int (*connect)(struct device *d, bool again);
	void (*disconnect)(struct device *d);	/* also after a connect() that failed */
	void (*changed)(struct device *d);	/* entries of the tools may have changed; may be NULL */
	bool (*alone)(void);		/* not NULL: channels_direct() */
	bool (*before)(void);		/* see loop_run(); may be NULL */
	const int *syscalls;		/* beyond those of common/sandbox.c; ends with -1 */
};

/* Does not return but for wrong arguments. */
int backend_main(const struct backend *b, int argc, char **argv);

/* To the log, with the device's name in front. */
void device_say(const struct device *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same, and in the device's folder as `error`, for the tools; always -1. */
int device_error(struct device *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The frontend is broken or hostile: lets go of its rings, says why, closes. From handlers too. */
void device_fail(struct device *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Tells the frontend that something it reads when we connect has changed (a disk's size). */
void device_announce(struct device *d);

/* Entries of the two folders. Allocated, or NULL. */
char *front_read(const struct device *d, const char *name);
char *back_read(const struct device *d, const char *name);
/* A decimal number up to max; -1: absent; -2: not a number, or too large. */
int64_t front_number(const struct device *d, const char *name, uint32_t max);
int64_t back_number(const struct device *d, const char *name, uint64_t max);
bool back_write(const struct device *d, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* What to do about one device; no side effects. See handshake.c */
enum handshake { HS_NOTHING, HS_OFFER, HS_CONNECT, HS_CONNECT_AGAIN, HS_CLOSING, HS_CLOSE };
enum xenbus_state {
	XS_UNKNOWN, XS_INITIALISING, XS_INIT_WAIT, XS_INITIALISED, XS_CONNECTED, XS_CLOSING, XS_CLOSED,
	XS_RECONFIGURING, XS_RECONFIGURED
};
enum handshake handshake(int back, int front, bool online, bool connected, bool failed);

#endif
