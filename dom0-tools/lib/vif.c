/* SPDX-License-Identifier: MIT */
/*
 * Network devices of domains.
 *
 * Job:    read a `vif` of a configuration, check it against the machine, write its entries; remove its tap device.
 * Enter:  lib/dconf.c, lib/create.c, lib/dom.c, cli/network.c.
 * State:  none; entries as in docs/network.md.
 * Tests:  tests/tools-tests/unit/test_vif.c, tests/tools-tests (on a machine)
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/if_tun.h>
#include "err.h"
#include "network.h"
#include "paths.h"
#include "store.h"
#include "vif.h"

#define DEFAULT_BRIDGE "xenbr0"

static char why[160];

/* --- texts --- */

static bool mac_parse(uint8_t mac[6], const char *text)
{
	int used = 0;

	return strlen(text) == 17 && sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0], &mac[1], &mac[2],
					    &mac[3], &mac[4], &mac[5], &used) == 6 && used == 17;
}

static void mac_text(char text[18], const uint8_t m[6])
{
	snprintf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

bool vif_rate(struct vif_config *v, const char *text)
{
	unsigned long long n, us = 50000;	/* xl's interval */
	char unit[8] = "", every[8] = "";
	unsigned long interval;
	double bits;
	int used = 0;

	if (!strcmp(text, "0")) {
		v->rate_bytes = v->rate_us = 0;
		return true;
	}
	if (sscanf(text, "%llu%7[A-Za-z]/s%n", &n, unit, &used) != 2 || !used || !n || n > 1000000000000ULL)
		return false;
	if (text[used]) {
		int more = 0;

		if (sscanf(text + used, "@%lu%7[a-z]%n", &interval, every, &more) != 2 || text[used + more])
			return false;
		us = interval * (!strcmp(every, "us") ? 1ULL : !strcmp(every, "ms") ? 1000ULL :
				 !strcmp(every, "s") ? 1000000ULL : 0ULL);
		if (!us || us > 10000000)
			return false;
	}
	bits = (double)n * (unit[strlen(unit) - 1] == 'B' ? 8 : 1);
	if (strlen(unit) == 2 && strchr("KMG", unit[0]))
		bits *= unit[0] == 'K' ? 1e3 : unit[0] == 'M' ? 1e6 : 1e9;
	else if (strlen(unit) != 1)
		return false;
	if (unit[strlen(unit) - 1] != 'B' && unit[strlen(unit) - 1] != 'b')
		return false;
	v->rate_us = us;
	v->rate_bytes = (uint64_t)(bits / 8 * (double)us / 1e6);
	return v->rate_bytes > 0;
}

static bool number(const char *text, unsigned long min, unsigned long max, unsigned long *n)
{
	char *end;

	*n = strtoul(text, &end, 10);
	return isdigit((unsigned char)*text) && !*end && *n >= min && *n <= max;
}

static const char *bad(const char *key, const char *value, const char *what)
{
	snprintf(why, sizeof(why), "%s=%.40s: %s", key, value, what);
	return why;
}

static bool interface_name(const char *s)
{
	return *s && strlen(s) < IFNAMSIZ && !strpbrk(s, "/ :") && strcmp(s, ".") && strcmp(s, "..");
}

/* One key=value. */
static const char *take(struct vif_config *v, const char *key, const char *value)
{
	unsigned long n;

	if (!strcmp(key, "mac")) {
		if (!mac_parse(v->mac, value) || v->mac[0] & 1)
			return bad(key, value, "an address such as 00:16:3e:01:02:03 is wanted, not of a group");
		v->have_mac = true;
	} else if (!strcmp(key, "bridge")) {
		if (*value && !interface_name(value))
			return bad(key, value, "the name of a bridge is wanted");
		snprintf(v->bridge, sizeof(v->bridge), "%s", value);
	} else if (!strcmp(key, "network")) {
		if (!network_named(value))
			return bad(key, value, "a name of up to 10 letters, digits, '-' and '_' is wanted");
		snprintf(v->bridge, sizeof(v->bridge), NETWORK_PREFIX "%.*s", (int)NETWORK_NAME_MAX, value);
	} else if (!strcmp(key, "ip")) {
		if (strlen(value) >= sizeof(v->ip))
			return bad(key, value, "too many addresses");
		snprintf(v->ip, sizeof(v->ip), "%s", value);
	} else if (!strcmp(key, "rate")) {
		if (!vif_rate(v, value))
			return bad(key, value, "a rate such as 10MB/s or 100Mb/s@20ms is wanted");
	} else if (!strcmp(key, "mtu")) {
		if (!number(value, 68, 9000, &n))
			return bad(key, value, "a number from 68 to 9000 is wanted");
		v->mtu = (unsigned int)n;
	} else if (!strcmp(key, "vlan")) {
		if (!number(value, 0, 4094, &n))
			return bad(key, value, "a number from 1 to 4094, or 0 for none, is wanted");
		v->vlan = (unsigned int)n;
	} else if (!strcmp(key, "antispoof")) {
		if (!number(value, 0, 1, &n))
			return bad(key, value, "0 or 1 is wanted");
		v->antispoof = n;
	} else if (!strcmp(key, "driver")) {
		if (strcmp(value, "parapet") && strcmp(value, "kernel"))
			return bad(key, value, "parapet or kernel is wanted");
		v->kernel = !strcmp(value, "kernel");
	} else if (!strcmp(key, "devid")) {
		if (!number(value, 0, 255, &n))
			return bad(key, value, "a number from 0 to 255 is wanted");
		v->devid = (int)n;
	} else if (!strcmp(key, "type")) {
		if (strcmp(value, "vif") && strcmp(value, "netfront"))
			return bad(key, value, "only vif devices can be made here");
	} else if (!strcmp(key, "script") || !strcmp(key, "model")) {
		return NULL;		/* nothing is run; there is no emulated card */
	} else {
		return bad(key, value, "this key is not known here");
	}
	return NULL;
}

const char *vif_parse(struct vif_config *v, const char *spec)
{
	char one[300];

	*v = (struct vif_config){ .antispoof = true, .mtu = 1500, .devid = -1 };
	snprintf(v->bridge, sizeof(v->bridge), DEFAULT_BRIDGE);
	for (;;) {
		const char *wrong;
		size_t n, len;
		char *eq;

		spec += strspn(spec, " ,");
		n = strcspn(spec, ",");
		if (!n)
			return NULL;
		if (n >= sizeof(one))
			return bad("vif", spec, "too long");
		memcpy(one, spec, n);
		spec += n;
		for (len = n; len && one[len - 1] == ' '; len--)
			;
		one[len] = '\0';
		eq = strchr(one, '=');
		if (!eq && (wrong = take(v, "mac", one)))	/* xl's short form */
			return bad("vif", one, "key=value is wanted");
		if (!eq)
			continue;
		*eq = '\0';
		wrong = take(v, one, eq + 1);
		if (wrong)
			return wrong;
	}
}

void vif_text(const struct vif_config *v, char *text, size_t size)
{
	char mac[18] = "";
	size_t n;

	mac_text(mac, v->mac);
	n = (size_t)snprintf(text, size, "bridge=%s,mtu=%u,antispoof=%d", v->bridge, v->mtu, v->antispoof);
	if (v->have_mac && n < size)
		n += (size_t)snprintf(text + n, size - n, ",mac=%s", mac);
	if (*v->ip && n < size)
		n += (size_t)snprintf(text + n, size - n, ",ip=%s", v->ip);
	if (v->vlan && n < size)
		n += (size_t)snprintf(text + n, size - n, ",vlan=%u", v->vlan);
	if (v->rate_bytes && n < size)
		n += (size_t)snprintf(text + n, size - n, ",rate=%luB/s@%luus",
				      (unsigned long)(v->rate_bytes * 1000000 / v->rate_us), (unsigned long)v->rate_us);
	if (v->kernel && n < size)
		n += (size_t)snprintf(text + n, size - n, ",driver=kernel");
	if (v->devid >= 0 && n < size)
		snprintf(text + n, size - n, ",devid=%d", v->devid);
}

/* --- checks --- */

/* FNV-1a over the UUID and the index: three bytes behind Xen's own prefix. */
static void make_mac(uint8_t mac[6], const uint8_t uuid[16], unsigned int index)
{
	uint64_t h = 0xcbf29ce484222325UL;

	for (unsigned int i = 0; i < 17; i++)
		h = (h ^ (i < 16 ? uuid[i] : index)) * 0x100000001b3UL;
	mac[0] = 0x00;
	mac[1] = 0x16;
	mac[2] = 0x3e;
	mac[3] = (uint8_t)(h >> 16 & 0x7f);
	mac[4] = (uint8_t)(h >> 8);
	mac[5] = (uint8_t)h;
}

/* -1 after err(), when a device of another domain has it. */
static int mac_is_free(const uint8_t mac[6])
{
	static const char *const kinds[] = { VIF_KIND, "vif" };
	char text[18];
	int rc = 0;

	mac_text(text, mac);
	for (unsigned int k = 0; k < 2; k++) {
		unsigned int nd, nv;
		char **doms = st_list(&nd, "/local/domain/0/backend/%s", kinds[k]);

		for (unsigned int i = 0; i < nd && !rc; i++) {
			char **ids = st_list(&nv, "/local/domain/0/backend/%s/%s", kinds[k], doms[i]);

			for (unsigned int j = 0; j < nv && !rc; j++) {
				char *other = st_read("/local/domain/0/backend/%s/%s/%s/mac", kinds[k], doms[i], ids[j]);

				if (other && !strcasecmp(other, text))
					rc = err(ST_FAILED, "vif: the MAC %s is in use by device %s of domain %s", text,
						 ids[j], doms[i]);
				free(other);
			}
			free(ids);
		}
		free(doms);
	}
	return rc;
}

int vif_check(struct vif_config *v, const uint8_t uuid[16], unsigned int index)
{
	char path[64];

	if (!v->have_mac)
		make_mac(v->mac, uuid, index);
	v->have_mac = true;
	snprintf(path, sizeof(path), "/sys/class/net/%s/bridge", v->bridge);
	if (v->kernel && network_is_private(v->bridge))
		return err(ST_CONFIG, "vif: a private network is for cards with driver=parapet");
	if (v->kernel || network_is_private(v->bridge))	/* that bridge is made with the card */
		return mac_is_free(v->mac);
	if (*v->bridge && !if_nametoindex(v->bridge))
		return err(ST_CONFIG, "vif: there is no bridge named %s (ip link add %s type bridge makes one)", v->bridge,
			   v->bridge);
	if (*v->bridge && access(path, F_OK))
		return err(ST_CONFIG, "vif: %s is no bridge", v->bridge);
	return mac_is_free(v->mac);
}

/* --- entries --- */

void vif_entries(uint32_t domid, const struct vif_config *v)
{
	char front[64], back[64], text[64];
	unsigned int id = (unsigned int)v->devid;

	snprintf(front, sizeof(front), "/local/domain/%u/device/vif/%u", domid, id);
	snprintf(back, sizeof(back), "/local/domain/0/backend/%s/%u/%u", v->kernel ? "vif" : VIF_KIND, domid, id);
	/* The backend's first: the frontend looks for it as soon as its own are there. */
	st_queue_rm("%s", back);
	st_queue_write("", "%s", back);
	st_queue_access(0, domid, "%s", back);
	st_queue_write(front, "%s/frontend", back);
	snprintf(text, sizeof(text), "%u", domid);
	st_queue_write(text, "%s/frontend-id", back);
	st_queue_write("1", "%s/online", back);
	snprintf(text, sizeof(text), "%u", id);
	st_queue_write(text, "%s/handle", back);
	mac_text(text, v->mac);
	st_queue_write(text, "%s/mac", back);
	st_queue_write(v->bridge, "%s/bridge", back);
	if (*v->ip)
		st_queue_write(v->ip, "%s/ip", back);
	if (v->rate_bytes) {
		snprintf(text, sizeof(text), "%lu,%lu", (unsigned long)v->rate_bytes, (unsigned long)v->rate_us);
		st_queue_write(text, "%s/rate", back);
	}
	snprintf(text, sizeof(text), "%u", v->vlan);
	st_queue_write(text, "%s/vlan", back);
	st_queue_write(v->antispoof ? "1" : "0", "%s/antispoof", back);
	snprintf(text, sizeof(text), "%u", v->mtu);
	st_queue_write(text, "%s/mtu", back);
	if (v->kernel)			/* netback makes no interface without it; nobody runs it */
		st_queue_write("none", "%s/script", back);
	st_queue_write("1", "%s/state", back);

	st_queue_write("", "%s", front);
	st_queue_access(domid, 0, "%s", front);
	st_queue_write(text, "%s/mtu", front);
	st_queue_write(back, "%s/backend", front);
	st_queue_write("0", "%s/backend-id", front);
	snprintf(text, sizeof(text), "%u", id);
	st_queue_write(text, "%s/handle", front);
	mac_text(text, v->mac);
	st_queue_write(text, "%s/mac", front);
	st_queue_write("1", "%s/state", front);
}

int vif_tap(uint32_t domid, uint32_t devid, bool persistent)
{
	struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	snprintf(r.ifr_name, sizeof(r.ifr_name), "vif%hu.%hhu", (uint16_t)domid, (uint8_t)devid);
	if (fd >= 0 && (ioctl(fd, TUNSETIFF, &r) || ioctl(fd, TUNSETPERSIST, persistent ? 1UL : 0UL))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

void vif_forget(uint32_t domid, int devid)
{
	int first = devid < 0 ? 0 : devid, last = devid < 0 ? MAX_VIFS - 1 : devid;
	bool some = false;

	for (int i = first; i <= last; i++) {
		char name[IFNAMSIZ], path[64];

		snprintf(name, sizeof(name), "vif%hu.%hhu", (uint16_t)domid, (uint8_t)i);
		/*
		 * It goes with its last descriptor, when it is no longer to stay. By its folder: when Linux
		 * is asked for a card that is not there, it runs modprobe, 2 ms each time.
		 */
		snprintf(path, sizeof(path), "/sys/class/net/%s", name);
		if (!access(path, F_OK)) {
			close(vif_tap(domid, (uint32_t)i, false));
			some = true;
		}
		snprintf(path, sizeof(path), RUN_DIR "/" VIF_KIND "-%u-%d.state", domid, i);
		unlink(path);
	}
	if (some)
		networks_tidy();
}
