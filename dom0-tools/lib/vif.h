/* SPDX-License-Identifier: MIT */
/*
 * lib/vif.h: network devices of domains: what a configuration says, and their entries in the store.
 *
 * Tests: tests/tools-tests/unit/test_vif.c, tests/tools-tests (on a machine)
 */
#ifndef LIB_VIF_H
#define LIB_VIF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_VIFS 16
#define VIF_QUEUES 4
/* To parapet-net: "ID:FD,FD,FD,FD,;" for each device whose tap is open already. */
#define VIF_TAPS_ENV "PARAPET_TAPS"
#define VIF_KIND "pnet"			/* below /local/domain/0/backend: served by parapet-net */

struct vif_config {
	uint8_t mac[6];
	bool have_mac;
	bool antispoof;			/* refuse what does not come from its MAC (and addresses) */
	char bridge[16];		/* "": none */
	char ip[256];			/* addresses with blanks between them; "": any */
	uint64_t rate_bytes, rate_us;	/* so many bytes in each so many microseconds; 0: no limit */
	unsigned int mtu, vlan;		/* vlan 0: none */
	bool kernel;			/* dom0's own xen-netback serves it: only the entries are made */
	int devid;			/* -1: the first that is free */
};

/* What the backend keeps at the head of /run/parapet/pnet-DOMID-ID.state; rx and tx are the guest's. */
struct vif_counters {
	uint64_t rx_packets, rx_bytes, rx_dropped;
	uint64_t tx_packets, tx_bytes, tx_dropped, tx_refused;	/* refused: not from its own address */
	uint64_t notifications, copies;	/* hypercalls of the data path */
};

/* "mac=...,bridge=...": NULL, or what is wrong with it: a text that lasts until the next call. */
const char *vif_parse(struct vif_config *v, const char *spec);
/* The same as text, of at most size bytes. */
void vif_text(const struct vif_config *v, char *text, size_t size);
/* "10MB/s@20ms" as xl has it; false: it is none. */
bool vif_rate(struct vif_config *v, const char *text);

/* Gives it a MAC if it has none: always the same for the UUID and the index. Looks whether the bridge is there, and
 * whether the MAC is another's. -1 after err(). */
int vif_check(struct vif_config *v, const uint8_t uuid[16], unsigned int index);
/* Queues the entries of a new device (st_flush() sends them). */
void vif_entries(uint32_t domid, const struct vif_config *v);
/* A new queue of the device's tap, which is made if it is not there; persistent: it stays when all are closed. -1 with
 * errno. */
int vif_tap(uint32_t domid, uint32_t devid, bool persistent);
/* What is left in dom0 of a device that is gone, or of all of a domain's (devid -1). */
void vif_forget(uint32_t domid, int devid);

#endif
