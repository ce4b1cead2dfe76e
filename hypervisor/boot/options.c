/* SPDX-License-Identifier: MIT */
/*
 * Job:    the table of boot options, from which docs/options.md is made too.
 * Enter:  boot/cmdline.c reads it.
 * Tests:  tests/host/test_cmdline.c (the parser)
 */
#include <hv/debug.h>
#include <hv/options.h>
#include "machine.h"

unsigned int opt_without;
static bool sync_console;		/* messages always are written out at once */

const struct option hv_options[] = {
	{ "dom0_mem", OPT_CUSTOM, NULL, parse_dom0_mem, "SIZE[,min:SIZE][,max:SIZE]",
	  "all memory that is free",
	  "dom0's memory (suffix K, M, G; KiB without one); more than there is gives what there is, "
	  "less than min is refused" },
	{ "dom0_max_vcpus", OPT_CUSTOM, NULL, parse_dom0_max_vcpus, "N or MIN-MAX",
	  "one per processor", "the number of dom0's vcpus, at most 64" },
	{ "com1", OPT_CUSTOM, NULL, com1_parse, "BAUD[,FORMAT[,PORT[,IRQ]]]", "115200,8n1,0x3f8,4",
	  "the first serial port" },
	{ "com2", OPT_CUSTOM, NULL, com2_parse, "BAUD[,FORMAT[,PORT[,IRQ]]]", "115200,8n1,0x2f8,3",
	  "the second serial port" },
	{ "console", OPT_CUSTOM, NULL, console_parse, "com1,com2,vga or none", "com1,vga",
	  "the devices that messages and dom0's emergency console go to" },
	{ "loglvl", OPT_LEVEL, &log_level, NULL, "none|error|warning|info|debug|all[/LEVEL]",
	  "warning", "what the hypervisor says of itself" },
	{ "guest_loglvl", OPT_LEVEL, &guest_log_level, NULL,
	  "none|error|warning|info|debug|all[/LEVEL]", "error",
	  "what it says of guests; with debug each refused request gives its reason" },
	{ "maxcpus", OPT_UINT, &opt_maxcpus, NULL, "N", "0 (all, up to 64)",
	  "the number of processors to bring up" },
	{ "noreboot", OPT_BOOL, &opt_noreboot, NULL, "yes|no", "no",
	  "after a panic halt instead of rebooting" },
	{ "pcid", OPT_BOOL, &opt_pcid, NULL, "yes|no", "yes, where the CPU has INVPCID too",
	  "tag TLB entries, so that system calls keep them" },
	{ "reboot", OPT_CUSTOM, NULL, reboot_parse, "acpi|pci|kbd|triple|no", "acpi, then the others",
	  "how the machine is reset" },
	{ "ring1", OPT_CUSTOM, NULL, ring1_parse, "off|on|force", "on, unless the CPU is unsafe",
	  "let kernels that ask for it run in ring 1; force: on unsafe CPUs too" },
	{ "sync_console", OPT_BOOL, &sync_console, NULL, "yes|no", "yes",
	  "write messages out at once; they always are, the option is there for Xen's sake" },
	{ "trace", OPT_BOOL, &trace_enabled, NULL, "yes|no", "no",
	  "record events in memory; panics and debug key t show the last ones" },
	{ "watchdog", OPT_BOOL, &opt_watchdog, NULL, "yes|no", "no",
	  "panic when a processor has hung for five seconds; another one must live to see it" },
#ifdef UNSAFE
	{ "without", OPT_UINT, &opt_without, NULL, "N", "0",
	  "in test builds (make UNSAFE=1) only: the condition of ring 1 that is left out" },
#endif
	{ "x2apic", OPT_BOOL, &opt_x2apic, NULL, "yes|no", "as firmware left it",
	  "switch the local APICs to x2APIC mode" },
};

const unsigned int nr_hv_options = ARRAY_SIZE(hv_options);
