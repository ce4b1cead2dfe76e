/* SPDX-License-Identifier: MIT */
/*
 * A vif's end in dom0.
 *
 * Job:    make a tap device with virtio-net headers and several queues, put it on a bridge (that of a private network is
 *         made), bring it up.
 * Enter:  net/vif.c, as root, before the sandbox; tap_offloads(), tap_attach() at any time.
 * State:  the device is persistent: it stays on its bridge while no process is there.  Locks: none.
 * Holds:  1. Doing it again over what is there gives the same: who comes after a killed process does just that.
 * Tests:  tests/tools-tests (on a machine)
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/if_arp.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include "../../dom0-tools/lib/network.h"
#include "../../dom0-tools/lib/vif.h"
#include "tap.h"

/* What Xen's scripts give to their devices: never the lowest, so that a bridge keeps its own address. */
static const unsigned char end_mac[6] = { 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff };

/* What parapetd has opened for us: "ID:FD,FD,FD,FD,;..." in the environment. */
static bool inherited(uint32_t id, int fds[])
{
	const char *p = getenv(VIF_TAPS_ENV);
	unsigned int i = 0;
	char *end;

	while (p && *p && strtoul(p, &end, 10) != id) {
		p = strchr(p, ';');
		p = p ? p + 1 : NULL;
	}
	if (!p || !*p || *end != ':')
		return false;
	for (p = end + 1; i < VIF_QUEUES && *p && *p != ';'; p = end + (*end == ',')) {
		fds[i] = (int)strtoul(p, &end, 10);
		if (end == p)
			return false;
		fcntl(fds[i++], F_SETFD, FD_CLOEXEC);
	}
	return i == VIF_QUEUES;
}

static const char *configure(int s, const char *name, const char *bridge, unsigned int mtu)
{
	struct ifreq r = { 0 };

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	r.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(r.ifr_hwaddr.sa_data, end_mac, 6);
	if (ioctl(s, SIOCSIFHWADDR, &r))
		return "the tap device's address was refused";
	r.ifr_mtu = (int)mtu;
	if (ioctl(s, SIOCSIFMTU, &r))
		return "the MTU was refused";
	if (bridge)
		network_mute(name);	/* the port of a bridge: what it says would wake the guest, and the guest could talk to it */
	if (bridge && network_is_private(bridge)) {
		const char *bad = network_join(bridge, name);

		if (bad)
			return bad;
	} else if (bridge && network_add(s, bridge, name)) {
		return errno == EOPNOTSUPP ? "what is to be the bridge is none" : "there is no such bridge";
	}
	return network_up(s, name, true) ? "the tap device cannot be brought up" : NULL;
}

const char *tap_open(uint32_t domid, uint32_t id, const char *bridge, unsigned int mtu, int fds[])
{
	const char *bad = NULL;
	char name[IFNAMSIZ];
	int s;

	if (!inherited(id, fds))
		for (unsigned int i = 0; i < VIF_QUEUES; i++) {
			fds[i] = vif_tap(domid, id, true);
			if (fds[i] < 0)
				return "no tap device (/dev/net/tun)";
		}
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s < 0)
		return "no socket";
	snprintf(name, sizeof(name), "vif%hu.%hhu", (uint16_t)domid, (uint8_t)id);
	bad = configure(s, name, bridge, mtu);
	close(s);
	return bad;
}

int tap_offloads(int fd, bool csum, bool tso4, bool tso6)
{
	unsigned long flags = 0;

	if (csum)
		flags = TUN_F_CSUM | (tso4 ? TUN_F_TSO4 : 0) | (tso6 ? TUN_F_TSO6 : 0);
	return ioctl(fd, TUNSETOFFLOAD, flags);
}

void tap_use(const int fds[], unsigned int n)
{
	/* Fails when it is so already. */
	for (unsigned int i = 0; i < VIF_QUEUES; i++) {
		struct ifreq r = { .ifr_flags = i < n ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

		ioctl(fds[i], TUNSETQUEUE, &r);
	}
}

void tap_drain(int fd)
{
	char buf[2048];

	while (read(fd, buf, sizeof(buf)) > 0)
		;
}
