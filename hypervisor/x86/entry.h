/* SPDX-License-Identifier: MIT */
/*
 * Job:    macros of entry.S and restricted.S: frames, SMAP.
 * Holds:  X1, X2 of entry.S.
 * Tests:  those of entry.S
 */
#include <xen.h>
#include <hv/regs.h>
#include "asm-offsets.h"

	.section .text.entry, "ax", @progbits
#define ENTRY(name) .globl name; name

/* SMAP: patched to CLAC / STAC on CPUs that have it (cpu.c walks the section). */
#define SMAP_PATCH(stac)				\
8:	nopl (%rax);					\
	.pushsection .smap_patch, "a";			\
	.quad 8b, stac;					\
	.popsection
#define PATCH_CLAC SMAP_PATCH(0)
#define PATCH_STAC SMAP_PATCH(1)

/* Members of cpu_info when rsp == &frame.rsp: so it is at the first push after SYSCALL. */
#define AT_RSP(member) (member - UREGS_rsp)(%rsp)

/* What belongs above the registers; hardware has pushed some exceptions' error code. */
.macro PUSH_VECTOR nr, has_error=0
	.if !(\has_error)
	push	$0
	.endif
	movl	$\nr, 4(%rsp)
.endm

.macro PUSH_GPRS
	.irp	r, rdi, rsi, rdx, rcx, rax, r8, r9, r10, r11, rbx, rbp, r12, r13, r14, r15
	push	%\r
	.endr
.endm

/* The frame as first argument of a C function, which wants DF clear (a guest may have set it). */
.macro SAVE_FRAME
	PUSH_GPRS
	cld
	mov	%rsp, %rdi
.endm

.macro POP_GPRS
	.irp	r, r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi
	pop	%\r
	.endr
.endm

/* After SYSCALL, rsp == &frame.rsp: the rest of the hardware's frame. */
.macro PUSH_SYSCALL cs, ss=GUEST_SS
	movq	$\ss, AT_RSP(UREGS_ss)
	push	%r11
	push	$\cs
	push	%rcx
	PUSH_VECTOR 0x100
.endm

/* What the IDT points at: 16 bytes per vector. */
.macro STUB to
	.balign	16
	PUSH_VECTOR vector, "vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21"
	jmp	\to
	vector = vector + 1
.endm
