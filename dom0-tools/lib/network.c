/* SPDX-License-Identifier: MIT */
/*
 * Private networks of guests.
 *
 * Job:    a network is a bridge that nobody but guests' cards is on: dom0 has no address there and, without IPv6, gives
 *         itself none. It is made by the first card's backend and removed when the last card is gone.
 * Enter:  backends/net/tap.c, as root, before the sandbox; lib/vif.c and daemon/taps.c when a tap device goes.
 * State:  the bridges, by their names; RUN_DIR/network.lock.
 * Locks:  network.lock, a file: from making a bridge until there is a card on it, and while empty ones are removed.
 * Holds:  1. A bridge without cards is nobody's: it may be removed at any time by whoever has the lock.
 *         2. A process that is killed leaves no lock, and at worst an empty bridge, which the next one removes.
 * Tests:  tests/tools-tests/unit/test_vif.c, tests/tools-tests/dom0/net
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/sockios.h>
#include "network.h"
#include "paths.h"

bool network_named(const char *name)
{
	return *name && strlen(name) <= NETWORK_NAME_MAX &&
	       !name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")];
}

bool network_is_private(const char *bridge)
{
	size_t n = strlen(NETWORK_PREFIX);

	return !strncmp(bridge, NETWORK_PREFIX, n) && network_named(bridge + n);
}

static int lock(void)
{
	int fd;

	mkdir(RUN_DIR, 0755);
	fd = open(RUN_DIR "/network.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	while (fd >= 0 && flock(fd, LOCK_EX))
		if (errno != EINTR) {
			close(fd);
			fd = -1;
		}
	return fd;
}

static void set(const char *format, const char *bridge, const char *value)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), format, bridge);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;			/* a kernel without IPv6 has nothing to switch off */
	if (write(fd, value, strlen(value)) < 0)
		perror(path);
	close(fd);
}

int network_up(int s, const char *interface, bool on)
{
	struct ifreq r = { 0 };

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", interface);
	if (ioctl(s, SIOCGIFFLAGS, &r))
		return -1;
	r.ifr_flags = (short)(on ? r.ifr_flags | IFF_UP : r.ifr_flags & ~IFF_UP);
	return ioctl(s, SIOCSIFFLAGS, &r);
}

int network_add(int s, const char *bridge, const char *interface)
{
	struct ifreq r = { .ifr_ifindex = (int)if_nametoindex(interface) };

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", bridge);
	return ioctl(s, SIOCBRADDIF, &r) && errno != EBUSY ? -1 : 0;	/* EBUSY: it is on one already */
}

void network_mute(const char *interface)
{
	set("/proc/sys/net/ipv6/conf/%s/disable_ipv6", interface, "1");
}

static const char *join(int s, const char *bridge, const char *interface)
{
	char name[IFNAMSIZ] = "";	/* all of it is read */

	snprintf(name, sizeof(name), "%s", bridge);
	if (!ioctl(s, SIOCBRADDBR, name)) {
		network_mute(bridge);
		set("/sys/class/net/%s/bridge/forward_delay", bridge, "0");
	} else if (errno != EEXIST) {
		return "the network's bridge cannot be made";
	}
	if (network_add(s, bridge, interface))
		return "the card cannot be put on the network's bridge";
	return network_up(s, bridge, true) ? "the network's bridge cannot be brought up" : NULL;
}

const char *network_join(const char *bridge, const char *interface)
{
	int fd = lock(), s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const char *bad = fd < 0 || s < 0 ? "no lock for the network, or no socket" : join(s, bridge, interface);
	int why = errno;

	if (s >= 0)
		close(s);
	if (fd >= 0)
		close(fd);
	errno = why;
	return bad;
}

static bool is_empty(const char *bridge)
{
	struct dirent *e;
	char path[96];
	bool empty = true;
	DIR *d;

	snprintf(path, sizeof(path), "/sys/class/net/%.15s/brif", bridge);
	d = opendir(path);
	if (!d)
		return false;		/* no bridge at all */
	while ((e = readdir(d)))
		empty &= e->d_name[0] == '.';
	closedir(d);
	return empty;
}

void networks_tidy(void)
{
	int fd = lock(), s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	DIR *d = opendir("/sys/class/net");
	struct dirent *e;

	while (fd >= 0 && s >= 0 && d && (e = readdir(d)))
		if (network_is_private(e->d_name) && is_empty(e->d_name) && !network_up(s, e->d_name, false))
			ioctl(s, SIOCBRDELBR, e->d_name);
	if (d)
		closedir(d);
	if (s >= 0)
		close(s);
	if (fd >= 0)
		close(fd);
}
