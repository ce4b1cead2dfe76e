/* SPDX-License-Identifier: MIT */
/*
 * Restricted roots for CPUs with Meltdown (restricted.c).
 *
 * Job:    declare them and their entry points in entry.S.
 * Tests:  tests/guests/run --cpu Haswell
 */
#ifndef X86_RESTRICTED_H
#define X86_RESTRICTED_H

#include <hv/types.h>

extern u8 restricted_roots;		/* 1: guest mode runs on restricted roots */
extern const char restricted_stubs[];	/* as entry_stubs */
void restricted_syscall_entry(void);

/* The CPU's private tables, after its area is mapped; -ENOMEM. */
int restricted_setup(unsigned int cpu, const void *idt, void *entry_page);
void restricted_window(unsigned int cpu, u64 va, u64 pte);	/* a page of the GDT or LDT changed */
void restricted_prepare(void);

#endif
