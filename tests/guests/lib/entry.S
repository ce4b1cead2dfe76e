/* SPDX-License-Identifier: MIT */
/*
 * entry.S: every way in and out of a test guest.
 *
 * Job:   stubs for the 256 vectors, the event, failsafe and syscall callbacks; the way back through
 *        __HYPERVISOR_iret; catching a trap; going to user mode and back.
 * Enter: the hypervisor bounces here with a frame on the stack of the running vCPU:
 *
 *          rsp -> rcx  r11  [error code]  rip  cs | mask << 32  rflags  rsp  ss
 *
 *        (failsafe: rcx r11 ds es fs gs rip ...). The stub takes rcx and r11 off, gives every frame
 *        an error-code slot whose upper half is the vector, and saves the rest as struct regs
 *        (guest.h). The tail of struct regs, from rax on, is the frame that __HYPERVISOR_iret reads.
 */
#define __HYPERVISOR_iret 23
#define VEC_SYSCALL	0x100
#define VEC_FAILSAFE	0x101
#define VEC_EVENT	0x102

	.text
	.globl	common
	.balign	32
	.globl	trap_stubs
trap_stubs:
	vec = 0
	.rept	256
	.balign	32
	pop	%rcx
	pop	%r11
	.if (vec == 8) || (vec >= 10 && vec <= 14) || (vec == 17) || (vec == 21)
	.else
	push	$0
	.endif
	movl	$vec, 4(%rsp)
	jmp	common
	vec = vec + 1
	.endr

	.balign	32
	.globl	syscall_entry
syscall_entry:
	pop	%rcx
	pop	%r11
	push	$0
	movl	$VEC_SYSCALL, 4(%rsp)
	jmp	common

	.globl	event_entry
event_entry:
	pop	%rcx
	pop	%r11
	push	$0
	movl	$VEC_EVENT, 4(%rsp)
	jmp	common

	.globl	failsafe_entry
failsafe_entry:
	pop	%rcx
	pop	%r11
	popq	failsafe_segs(%rip)
	popq	failsafe_segs + 8(%rip)
	popq	failsafe_segs + 16(%rip)
	popq	failsafe_segs + 24(%rip)
	push	$0
	movl	$VEC_FAILSAFE, 4(%rsp)

common:
	push	%rcx
	push	%r11
	push	%rax
	push	%rdi
	push	%rsi
	push	%rdx
	push	%r8
	push	%r9
	push	%r10
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	cld
	mov	%rsp, %rdi
	mov	%rsp, %rbx
	and	$-16, %rsp
	call	do_entry
	mov	%rbx, %rsp
	/* resume_regs(struct regs *): leave for where regs say. */
	mov	%rsp, %rdi
	.globl	resume_regs
resume_regs:
	mov	%rdi, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rdx
	pop	%rsi
	pop	%rdi
	/* The page's iret entry is special: it pushes rcx, r11 and rax itself. */
	pop	%rax
	pop	%r11
	pop	%rcx
	jmp	hypercall_page + __HYPERVISOR_iret * 32

/*
 * long try_enter(u64 *save_rsp, void (*fn)(void *), void *arg): 0 when fn returned, 1 when the trap
 * handler resumed at try_resume with the saved rsp.
 */
	.globl	try_enter, try_resume
try_enter:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rsp, (%rdi)
	mov	%rdx, %rdi
	sub	$8, %rsp
	call	*%rsi
	add	$8, %rsp
	xor	%eax, %eax
	jmp	1f
try_resume:
	mov	$1, %eax
1:	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	cld
	ret

/*
 * u64 user_enter(u64 *save_rsp, struct regs *): run regs until the handler of the exit call resumes
 * at user_resume with the saved rsp. The kernel stack of stack_switch starts below that rsp.
 */
	.globl	user_enter, user_resume
user_enter:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rsp, (%rdi)
	mov	%rsi, %rbx
	mov	%rsp, %rax			/* the vCPU's page in ring 1; nobody's otherwise */
	and	$-32768, %rax
	mov	(%rax), %rax
	mov	(%rax), %eax			/* its number */
	shl	$12, %rax
	mov	%rsp, %rcx
	and	$-16, %rcx
	mov	%rcx, ring1_pages + 0x80(%rax)
	mov	$0xe02b, %edi
	mov	%rsp, %rsi
	sub	$8, %rsp
	call	hypercall_page + 3 * 32		/* stack_switch */
	add	$8, %rsp
	sub	$168, %rsp			/* a copy: only stack may lie below rsp */
	mov	%rbx, %rsi
	mov	%rsp, %rdi
	mov	$168 / 8, %ecx
	rep movsq
	mov	%rsp, %rdi
	jmp	resume_regs
user_resume:				/* rax: what user mode gave */
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	cld
	ret

/* First code of a secondary vCPU: rdi = struct vcpu. */
	.globl	secondary_entry
secondary_entry:
	xor	%ebp, %ebp
	cld
	call	secondary_main
	ud2

	.section .note.GNU-stack, "", @progbits
