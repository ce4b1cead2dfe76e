/* SPDX-License-Identifier: MIT */
/*
 * ring1.S: the ways in of a test guest whose kernel runs in ring 1 (docs/abi/ring1.md).
 *
 * Job:   make of the processor's frames those that entry.S builds, and go on there. From ring 3 rsp is at
 *        the end of the vCPU's page: the frame moves to the stack that the page names (R1_STACK).
 * Enter: the trap table and callbacks that ring1.c installs.
 */
#include "parapet.h"
#define VEC_SYSCALL	0x100
#define VEC_EVENT	0x102
#define R1_STACK	PARAPET_R1_GUEST	/* kernel stack for entries from ring 3 */
#define R1_MASKED	PARAPET_R1_GUEST + 8	/* 0x200: events count as masked there */
#define USER_SS		0xe02b
#define USER_CS		0xe033

	.text
	.balign	32
	.globl	ring1_stubs
ring1_stubs:
	vec = 0
	.rept	256
	.balign	32
	.if (vec == 8) || (vec >= 10 && vec <= 14) || (vec == 17) || (vec == 21)
	.else
	push	$0
	.endif
	movl	$vec, 4(%rsp)
	testb	$2, 16(%rsp)
	jnz	from_user
	jmp	common
	vec = vec + 1
	.endr

	.globl	ring1_event
ring1_event:
	push	$0
	movl	$VEC_EVENT, 4(%rsp)
	testb	$2, 16(%rsp)
	jz	common
/* rsp == end - 48 -> error and vector | rip cs rflags rsp ss */
from_user:
	push	%rax
	push	%rcx
	mov	R1_STACK - 0x1000 + 64(%rsp), %rax
	.irp	i, 16, 24, 32, 40, 48, 56
	mov	\i(%rsp), %rcx
	mov	%rcx, \i - 64(%rax)
	.endr
	mov	R1_MASKED - 0x1000 + 64(%rsp), %rcx
	not	%rcx
	and	%rcx, 40 - 64(%rax)
	mov	8(%rsp), %rcx
	mov	%rcx, -56(%rax)
	mov	(%rsp), %rcx
	lea	-56(%rax), %rsp
	pop	%rax
	jmp	common

	.balign	32
	.globl	ring1_syscall
ring1_syscall:				/* rsp == end */
	pushq	$USER_SS
	pushq	PARAPET_R1_USER_RSP - 0x1000 + 8(%rsp)
	push	%r11
	pushq	$USER_CS
	push	%rcx
	push	$0
	movl	$VEC_SYSCALL, 4(%rsp)
	jmp	from_user

	.section .note.GNU-stack, "", @progbits
