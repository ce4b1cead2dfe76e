/* SPDX-License-Identifier: MIT */
/*
 * Building dom0: what boot/start.c gives the builder.
 *
 * Job:    declare build_dom0().
 * Tests:  tests/linux, tests/guests
 */
#ifndef HV_BUILD_DOM0_H
#define HV_BUILD_DOM0_H

#include <hv/types.h>

struct dom0_params {
	const void *kernel;		/* unpacked ELF image */
	size_t kernel_len;
	u64 initrd_start, initrd_len;	/* machine address (page aligned), bytes; len 0: none */
	/* give the image's memory back once it has been loaded: dom0 can have it too */
	void (*release)(void *arg);
	void *release_arg;
	u64 release_pages;
	const void *rsdp;		/* UEFI: copy of the ACPI root pointer, at most 64 bytes */
	size_t rsdp_len;		/* 0: dom0 finds it by itself */
	const char *cmdline;
	u64 mem_pages, mem_min, mem_max; /* dom0_mem=; 0: not given */
	unsigned int max_vcpus;
	const void *vga;		/* struct dom0_vga_console_info and its real size, or NULL */
	size_t vga_size;
};

/*
 * Create domain 0 with its memory, page tables and first vcpu; it stays paused. 0, or -errno and
 * in *why one line that says what to do.
 */
int build_dom0(const struct dom0_params *p, const char **why);

#endif
