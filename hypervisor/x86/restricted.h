/* SPDX-License-Identifier: MIT */
/*
 * Restricted roots for CPUs with Meltdown (restricted.c).
 *
 * Job:    declare them and their entry points in entry.S.
 * Tests:  boots with -cpu Haswell
 */
#ifndef X86_RESTRICTED_H
#define X86_RESTRICTED_H

#include <hv/types.h>

extern u8 restricted_roots;	/* 1: guest mode runs on restricted roots */
extern const char restricted_stubs[];
void restricted_nmi(void);
void restricted_machine_check(void);
void restricted_double_fault(void);
void restricted_debug(void);
void restricted_syscall_entry(void);

/* The CPU's private tables, after its area is mapped; -ENOMEM. */
int restricted_setup(unsigned int cpu, const void *idt, u64 frame_top);
/* A page of the GDT or LDT window changed. */
void restricted_window(unsigned int cpu, u64 va, u64 pte);
void restricted_prepare(void);

#endif
