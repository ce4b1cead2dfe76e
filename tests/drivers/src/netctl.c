/* SPDX-License-Identifier: MIT */
/*
 * netctl: what busybox has no program for.
 *
 *   netctl stats INTERFACE                   what `ethtool -S` prints, one `name value` on a line
 *   netctl xdp INTERFACE pass|drop|tx|none   attaches a program in the driver that does that with every packet
 *
 * Status 0, or a message and 1.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/bpf.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int fail(const char *what)
{
	printf("netctl FAIL %s: %s\n", what, strerror(errno));
	return 1;
}

static int stats(const char *name)
{
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	struct {
		struct ethtool_sset_info h;
		uint32_t n;
	} count = { .h = { .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ull << ETH_SS_STATS } };
	struct ethtool_gstrings *names;
	struct ethtool_stats *values;
	struct ifreq r = { .ifr_data = (void *)&count };

	strncpy(r.ifr_name, name, IFNAMSIZ - 1);
	if (ioctl(s, SIOCETHTOOL, &r) || !count.n)
		return fail("count");
	names = calloc(1, sizeof(*names) + count.n * ETH_GSTRING_LEN);
	values = calloc(1, sizeof(*values) + count.n * 8);
	*names = (struct ethtool_gstrings){ .cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_STATS, .len = count.n };
	*values = (struct ethtool_stats){ .cmd = ETHTOOL_GSTATS, .n_stats = count.n };
	r.ifr_data = (void *)names;
	if (ioctl(s, SIOCETHTOOL, &r))
		return fail("names");
	r.ifr_data = (void *)values;
	if (ioctl(s, SIOCETHTOOL, &r))
		return fail("values");
	for (uint32_t i = 0; i < count.n; i++)
		printf("%.32s %llu\n", (char *)names->data + i * ETH_GSTRING_LEN, (unsigned long long)values->data[i]);
	return 0;
}

/* return ACTION; */
static int load(int action)
{
	struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = action },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr a = {
		.prog_type = BPF_PROG_TYPE_XDP, .insns = (uintptr_t)code, .insn_cnt = 2, .license = (uintptr_t)"GPL",
	};

	return syscall(SYS_bpf, BPF_PROG_LOAD, &a, sizeof(a));
}

static int attach(const char *name, int fd)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg i;
		struct rtattr nest, fd;
		int32_t fd_value;
		struct rtattr flags;
		uint32_t flags_value;
	} q = {
		.h = { sizeof(q), RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK, 1, 0 },
		.i = { .ifi_family = AF_UNSPEC, .ifi_index = (int)if_nametoindex(name) },
		.nest = { sizeof(q) - sizeof(q.h) - sizeof(q.i), IFLA_XDP | NLA_F_NESTED },
		.fd = { 8, IFLA_XDP_FD }, .fd_value = fd,
		.flags = { 8, IFLA_XDP_FLAGS }, .flags_value = XDP_FLAGS_DRV_MODE,
	};
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
		char rest[512];
	} a;
	int s = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

	if (send(s, &q, sizeof(q), 0) < 0 || recv(s, &a, sizeof(a), 0) < (int)sizeof(a.h) + 4)
		return fail("netlink");
	errno = -a.e.error;
	return a.e.error ? fail("attach") : 0;
}

int main(int argc, char **argv)
{
	static const struct { const char *name; int action; } acts[] = {
		{ "pass", XDP_PASS }, { "drop", XDP_DROP }, { "tx", XDP_TX },
	};

	if (argc == 3 && !strcmp(argv[1], "stats"))
		return stats(argv[2]);
	if (argc != 4 || strcmp(argv[1], "xdp"))
		return 2;
	if (!strcmp(argv[3], "none"))
		return attach(argv[2], -1);
	for (int i = 0; i < 3; i++)
		if (!strcmp(argv[3], acts[i].name)) {
			int fd = load(acts[i].action);

			return fd < 0 ? fail("program") : attach(argv[2], fd);
		}
	return 2;
}
