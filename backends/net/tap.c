/* SPDX-License-Identifier: MIT */
/*
 * A vif's end in dom0.
 *
 * Job:    make a tap device with virtio-net headers and several queues, put it on a bridge, bring it up.
 * Enter:  net/vif.c, as root, before the sandbox; tap_offloads(), tap_attach() at any time.
 * State:  the device is persistent: it stays on its bridge while no process is there.  Locks: none.
 * Holds:  1. Doing it again over what is there gives the same: who comes after a killed process does just that.
 * Tests:  tests/tools-tests (on a machine)
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/if_arp.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include "tap.h"

/* What Xen's scripts give to their devices: never the lowest, so that a bridge keeps its own address. */
static const unsigned char end_mac[6] = { 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff };

static int open_queue(const char *name)
{
	struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -1;
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &r)) {
		close(fd);
		return -1;
	}
	return fd;
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
	if (bridge) {
		struct ifreq b = { .ifr_ifindex = (int)if_nametoindex(name) };

		snprintf(b.ifr_name, sizeof(b.ifr_name), "%s", bridge);
		if (ioctl(s, SIOCBRADDIF, &b) && errno != EBUSY)	/* EBUSY: it is on one already */
			return errno == EOPNOTSUPP ? "what is to be the bridge is none" : "there is no such bridge";
	}
	if (ioctl(s, SIOCGIFFLAGS, &r))
		return "the tap device's flags cannot be read";
	r.ifr_flags |= IFF_UP;
	if (ioctl(s, SIOCSIFFLAGS, &r))
		return "the tap device cannot be brought up";
	return NULL;
}

const char *tap_open(const char *name, unsigned int queues, const char *bridge, unsigned int mtu, int fds[])
{
	const char *bad = NULL;
	int s;

	for (unsigned int i = 0; i < queues; i++) {
		fds[i] = open_queue(name);
		if (fds[i] < 0)
			return "no tap device (/dev/net/tun)";
		if (!i && ioctl(fds[i], TUNSETPERSIST, 1))
			return "the tap device cannot be made to stay";
		if (tap_attach(fds[i], false))
			return "a queue of the tap device cannot be detached";
	}
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s < 0)
		return "no socket";
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

int tap_attach(int fd, bool on)
{
	struct ifreq r = { .ifr_flags = on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

	return ioctl(fd, TUNSETQUEUE, &r);
}
