/* SPDX-License-Identifier: MIT */
/*
 * The commands of parapet, in one table: dispatch, --help, the manual page and the completion of bash
 * are made from it.
 *
 * Tests:  tests/tools-tests
 */
#include "cmd.h"

#define WAIT_OPTION { "wait", 'w', OPT_FLAG, NULL, "return when it is done" }
#define TIMEOUT_OPTION { "timeout", 't', OPT_VALUE, "SECONDS", "give up waiting after that long" }

const struct command commands[] = {
	{ "create", "FILE|KEY=VALUE...", "make a domain and start it",
	  "Reads the configuration (the form of xl.cfg) and then each KEY=VALUE, which replaces what the file "
	  "says; makes the domain and starts it. Whatever fails, nothing is left behind.",
	  "file", 1, 64, cmd_create, {
		{ "paused", 'p', OPT_FLAG, NULL, "do not start it: parapet unpause does" },
		{ "console", 'c', OPT_FLAG, NULL, "attach to its console" },
		{ "dry-run", 'n', OPT_FLAG, NULL, "only check the configuration, and print it" },
		{ "verbose", 'v', OPT_FLAG, NULL, "say each step, and how long it took" },
		{ "quiet", 'q', OPT_FLAG, NULL, "print nothing on success, and no warnings" } } },
	{ "list", "[DOMAIN...]", "list domains",
	  "One line for each domain: name, id, MiB of memory, vCPUs, state, seconds of CPU time. State: "
	  "r running, b blocked, p paused, s shut down, c crashed, d dying.",
	  "domain", 0, 1000, cmd_list, {
		{ "long", 'l', OPT_FLAG, NULL, "UUID, limits and actions too" } } },
	{ "info", "", "what the machine and the hypervisor are", "", NULL, 0, 0, cmd_info, { { 0 } } },
	{ "console", "DOMAIN", "attach to a domain's console",
	  "What is typed goes to the domain. Leave by Ctrl-].", "domain", 1, 1, cmd_console, { { 0 } } },
	{ "shutdown", "DOMAIN", "ask a domain to power off",
	  "The domain does it when it likes.", "domain", 1, 1, cmd_shutdown, {
		WAIT_OPTION, TIMEOUT_OPTION } },
	{ "reboot", "DOMAIN", "ask a domain to reboot",
	  "parapetd starts it again, if its on_reboot says so.", "domain", 1, 1, cmd_reboot, { { 0 } } },
	{ "destroy", "DOMAIN...", "end domains at once", "Nothing is asked, no buffer written.",
	  "domain", 1, 1000, cmd_destroy, { { 0 } } },
	{ "pause", "DOMAIN", "stop a domain's vCPUs", "", "domain", 1, 1, cmd_pause, { { 0 } } },
	{ "unpause", "DOMAIN", "let a paused domain run", "", "domain", 1, 1, cmd_unpause, { { 0 } } },
	{ "rename", "DOMAIN NAME", "give a domain another name", "", "domain", 2, 2, cmd_rename, { { 0 } } },
	{ "domid", "DOMAIN", "print a domain's id", "", "domain", 1, 1, cmd_domid, { { 0 } } },
	{ "domname", "ID", "print a domain's name", "", "domain", 1, 1, cmd_domname, { { 0 } } },
	{ "vcpu-list", "[DOMAIN...]", "list vCPUs, where they run and where they may", "", "domain", 0, 1000,
	  cmd_vcpu_list, { { 0 } } },
	{ "vcpu-set", "DOMAIN N", "set the number of vCPUs that a domain uses",
	  "The domain takes them on or off line itself; at most maxvcpus.", "domain", 2, 2, cmd_vcpu_set,
	  { { 0 } } },
	{ "vcpu-pin", "DOMAIN VCPU|all CPUS [SOFT]", "say on which CPUs a vCPU may run",
	  "CPUS: such as 0-3,^1 or all. SOFT: where it runs by preference. - leaves one as it is.", "domain", 3,
	  4, cmd_vcpu_pin, { { 0 } } },
	{ "sched", "[DOMAIN]", "show or set scheduling weights, caps and parameters", "", "domain", 0, 1,
	  cmd_sched, {
		{ "weight", 'w', OPT_VALUE, "N", "share of the CPU when it is short: 1 to 65535" },
		{ "cap", 'c', OPT_VALUE, "PERCENT", "at most that much of one CPU; 0: no limit" },
		{ "ratelimit", 'r', OPT_VALUE, "US", "for all: the shortest time slice, in us" } } },
	{ "mem-set", "DOMAIN MIB", "set how much memory a domain should use",
	  "Its balloon driver gives or takes the rest; at most maxmem.", "domain", 2, 2, cmd_mem_set, {
		WAIT_OPTION, TIMEOUT_OPTION } },
	{ "mem-max", "DOMAIN MIB", "set the memory that a domain can have at most", "", "domain", 2, 2,
	  cmd_mem_max, { { 0 } } },
	{ "dmesg", "", "print the hypervisor's log", "", NULL, 0, 0, cmd_dmesg, {
		{ "clear", 'c', OPT_FLAG, NULL, "and forget it" } } },
	{ "top", "", "who uses the CPUs",
	  "A screen that renews itself; q leaves.", NULL, 0, 0, cmd_top, {
		{ "batch", 'b', OPT_FLAG, NULL, "print to standard output, one table after the other" },
		{ "devices", 'x', OPT_FLAG, NULL, "with the disks and network cards of each domain" },
		{ "iterations", 'i', OPT_VALUE, "N", "end after N tables" },
		{ "delay", 'd', OPT_VALUE, "SECONDS", "between two tables (3)" } } },
	{ "uptime", "[DOMAIN...]", "how long domains have been running", "", "domain", 0, 1000, cmd_uptime,
	  { { 0 } } },
	{ "sysrq", "DOMAIN LETTER", "send a magic SysRq to a domain's kernel", "", "domain", 2, 2, cmd_sysrq,
	  { { 0 } } },
	{ "debug-keys", "KEYS", "press debug keys of the hypervisor; h lists them in its log", "", NULL, 1, 1,
	  cmd_debug_keys, { { 0 } } },
	{ "trace", "[on|off]", "print what the hypervisor has recorded, or switch that on and off",
	  "Parapet only. The newest records of all CPUs, by time: microseconds of the time stamp counter, CPU, "
	  "domain and vCPU that ran, event. Recording takes 64 KiB and more for each CPU.", NULL, 0, 1, cmd_trace, {
		{ "last", 'n', OPT_VALUE, "N", "the last N records only" } } },
	{ "dump-core", "DOMAIN FILE", "write a domain's memory and registers to a file",
	  "An ELF file in the form of Xen's core dumps. The domain is paused meanwhile.", "domain", 2, 2,
	  cmd_dump_core, { { "live", 'L', OPT_FLAG, NULL, "do not pause it" },
		{ "crash", 'C', OPT_FLAG, NULL, "destroy it afterwards" } } },
	{ "wait", "DOMAIN", "wait until a domain has ended",
	  "Prints poweroff, reboot, suspend, crash or watchdog; destroyed when it is gone.", "domain", 1, 1,
	  cmd_wait, { TIMEOUT_OPTION } },
	{ "block-list", "DOMAIN", "list a domain's block devices", "", "domain", 1, 1, cmd_block_list, { { 0 } } },
	{ "block-attach", "DOMAIN DISK", "give a running domain a disk",
	  "DISK as in the key disk of a configuration: 'TARGET,FORMAT,VDEV,ACCESS'.", "domain", 2, 2, cmd_block_attach,
	  { { 0 } } },
	{ "block-detach", "DOMAIN VDEV", "take a disk away", "The guest must let go of it.", "domain", 2, 2,
	  cmd_block_detach, { { "force", 'f', OPT_FLAG, NULL, "also when the guest does not" } } },
	{ "block-resize", "DOMAIN VDEV [SIZE]", "give a raw disk another size, while it is in use",
	  "Without SIZE: tells the guest what size the image has now.", "domain", 2, 3, cmd_block_resize,
	  { { "shrink", 0, OPT_FLAG, NULL, "allow less than the image has" } } },
	{ "block-limit", "DOMAIN VDEV", "limit a disk's requests and bytes", "0 takes a limit away.", "domain", 2, 2,
	  cmd_block_limit, { { "iops", 0, OPT_VALUE, "N", "requests each second" },
		{ "bps", 0, OPT_VALUE, "SIZE", "bytes each second: 512K, 20M" } } },
	{ "image", "create FILE SIZE | clone BASE FILE | snapshot FILE [NAME] | info FILE | convert FROM TO",
	  "make and look at disk images, over qemu-img",
	  "clone: a qcow2 image over BASE, which must not change any more. snapshot: lists those in a qcow2 image,\n"
	  "or makes one; not while it is in use.", "file", 2, 3, cmd_image, {
		{ "format", 'F', OPT_VALUE, "FORMAT", "raw (default), qcow2, vmdk, vhd, vdi" } } },
	{ "network-attach", "DOMAIN [VIF]", "give a running domain a network device",
	  "VIF as in the key vif of a configuration: 'bridge=xenbr0,mac=...'.", "domain", 1, 2, cmd_network_attach,
	  { { 0 } } },
	{ "network-detach", "DOMAIN DEVICE", "take a network device away", "DEVICE: its number or its MAC.", "domain", 2, 2,
	  cmd_network_detach, { { "force", 'f', OPT_FLAG, NULL, "also when the guest does not let go of it" } } },
	{ "network-limit", "DOMAIN DEVICE RATE", "limit what a domain sends", "RATE: 10MB/s, 100Mb/s@20ms; 0 takes the limit away.",
	  "domain", 3, 3, cmd_network_limit, { { 0 } } },
	{ "network-list", "DOMAIN", "list a domain's network devices", "", "domain", 1, 1, cmd_network_list,
	  { { 0 } } },
	{ "help", "[COMMAND]", "explain a command", "", "command", 0, 1, help_main, {
		{ "man", 0, OPT_FLAG, NULL, "print the manual page (roff)" },
		{ "completion", 0, OPT_FLAG, NULL, "print the completion script of bash" } } },
};

const unsigned int nr_commands = sizeof(commands) / sizeof(commands[0]);
