/* SPDX-License-Identifier: MIT */
/*
 * Job:    entering and leaving the hypervisor: SYSCALL, exceptions, interrupts; the direct paths
 *         (guest syscall, guest iret, page faults of guest user mode); the way out.
 * Enter:  the per-CPU stub page (SYSCALL), the IDT (desc.c), enter_guest().
 * State:  cpu_info at the top of this CPU's stack: the guest's frame, current, scratch words.
 * Locks:  none; interrupts are off throughout (gates and FMASK clear IF).
 * Holds:  X1  no guest register value survives into C except through the frame.
 *         X2  every guest return passes the exit tests (the direct paths make the same tests).
 *         X3  the stack is right before the first push; GS is never used; the guest's root maps the
 *             hypervisor, so CR3 needs no switch (x86/restricted.S has the entries where it does not).
 *         X5  what a direct path reads or writes of the guest can fault: each such instruction
 *             has an entry in __ex_table and nothing is half done when it faults.
 * Tests:  tests/guests/{syscall,iret,traps,abuse_iret}.c, also with --cpu Haswell
 */
#include "entry.h"

/* If the instruction faults, go on at `to` with the registers as they were. */
#define EX(to, ...)					\
9:	__VA_ARGS__;					\
	.pushsection __ex_table, "a";			\
	.balign 8;					\
	.quad 9b, to;					\
	.popsection

/* Members of cpu_info when rsp == &frame.error_code. */
#define AT_ERR(member) (member - UREGS_error_code)(%rsp)

/* The tests of X2; rsp == &frame. */
.macro EXIT_TESTS nothing_to_do
	mov	CI_current(%rsp), %rbx
	mov	VCPU_info(%rbx), %rdx
	mov	VCPU_work(%rbx), %eax
	or	CI_softirq_pending(%rsp), %rax
	jnz	exit_work
	cmpb	$0, VI_pending(%rdx)
	je	\nothing_to_do
	cmpb	$0, VI_mask(%rdx)
	je	exit_work
	cmpb	$MODE_RING1, VCPU_mode(%rbx)
	jne	\nothing_to_do			/* ring 1: it depends (pv/ring1.c) */
.endm

/* To fn when the frame is a guest's. */
.macro GUEST_EXCEPTION fn
	testb	$3, UREGS_cs(%rsp)
	jz	from_hv
	call	\fn
	EXIT_TESTS restore_all
	jmp	exit_work
.endm

/*
 * The end of a direct entry, where nothing can fail any more. rax == current, rcx == the handler,
 * rdx == kernel_sp, below which `bytes` are stored, r11 == the flags of the interrupted code.
 */
.macro ENTER_KERNEL rsp_at, bytes, flags_cleared
	swapgs
	movb	$1, VCPU_in_kernel(%rax)
	sub	$\bytes, %rdx
	and	$~(\flags_cleared), %r11
	mov	%rdx, (CI_scratch2 - \rsp_at)(%rsp)
	mov	(CI_scratch1 - \rsp_at)(%rsp), %rdx
	mov	(CI_scratch0 - \rsp_at)(%rsp), %rax
	mov	(CI_scratch2 - \rsp_at)(%rsp), %rsp
	sysretq
.endm
#define TRAP_CLEARS (X86_RFLAGS_TF|X86_RFLAGS_NT|X86_RFLAGS_RF|X86_RFLAGS_VM|X86_RFLAGS_AC)

/*
 * What MSR LSTAR and CSTAR point at is copied to each CPU's stub page (desc.c): save rsp in
 * frame.rsp, point rsp at it, go on.
 */
#define AREA(page, offset) (page + (offset) - PC_STUB_OFFSET)(%rip)
#define FRAME_RSP (PC_STACK_OFFSET + STACK_SIZE - CI_sizeof + UREGS_rsp)
.macro SYSCALL_STUB to
1:	mov	%rsp, AREA(syscall_stubs, FRAME_RSP)
	lea	AREA(syscall_stubs, FRAME_RSP), %rsp
	jmp.d32	\to
2:	.org	1b + SYSCALL_STUB_SIZE - 1
	.byte	2b - 1b				/* the jump is moved by hand */
.endm
	.balign	64
ENTRY(syscall_stubs):
	SYSCALL_STUB syscall_entry
	SYSCALL_STUB syscall_compat_entry

/* SYSCALL in 64-bit mode, from the stub: rsp == &frame.rsp, rcx = return rip, r11 = rflags. */
	.balign	64
syscall_entry:
	mov	%rax, AT_RSP(CI_scratch0)
	mov	AT_RSP(CI_current), %rax
	cmpb	$0, VCPU_in_kernel(%rax)
	jne	hypercall_entry
	/*
	 * From guest user mode. Direct switch when direct_ok has bit 0 (kernel root, stack and
	 * callback are sound, the callback masks events: pv_update_direct()) and events are not
	 * masked. Writes this below kernel_sp: rcx r11 | rip cs rflags rsp ss
	 */
	testb	$1, VCPU_direct_ok(%rax)
	jz	syscall_long
	mov	%rdx, AT_RSP(CI_scratch1)
	mov	VCPU_info(%rax), %rdx
	cmpb	$0, VI_mask(%rdx)
	jne	syscall_long_rdx
	mov	VCPU_cr3_kernel(%rax), %rdx
	mov	%rdx, %cr3
	mov	VCPU_kernel_sp(%rax), %rdx
	PATCH_STAC
	EX(syscall_bad_stack, mov	%rcx, -56(%rdx))
	EX(syscall_bad_stack, mov	%r11, -48(%rdx))
	EX(syscall_bad_stack, mov	%rcx, -40(%rdx))
	EX(syscall_bad_stack, movq	$GUEST_CS64, -32(%rdx))
	EX(syscall_bad_stack, mov	%r11, -24(%rdx))
	mov	(%rsp), %rcx
	EX(syscall_bad_stack, mov	%rcx, -16(%rdx))
	EX(syscall_bad_stack, movq	$GUEST_SS, -8(%rdx))
	PATCH_CLAC
	mov	VCPU_info(%rax), %rcx
	movb	$1, VI_mask(%rcx)
	mov	VCPU_syscall_entry(%rax), %rcx
	ENTER_KERNEL UREGS_rsp, 56, TRAP_CLEARS|X86_RFLAGS_DF

syscall_bad_stack:	/* the long way reports it, perhaps without rip */
	PATCH_CLAC
	mov	VCPU_cr3_user(%rax), %rdx
	mov	%rdx, %cr3
syscall_long_rdx:
	mov	AT_RSP(CI_scratch1), %rdx
ENTRY(syscall_long):
	mov	AT_RSP(CI_scratch0), %rax
	PUSH_SYSCALL GUEST_CS64
	PUSH_GPRS
	mov	%rsp, %rdi
	xor	%esi, %esi
1:	call	guest_syscall
	jmp	exit_to_guest

/* 32-bit SYSCALL (CSTAR), from its own stub: always the long way. */
ENTRY(syscall_compat_entry):
	PUSH_SYSCALL GUEST_CS32
	SAVE_FRAME
	mov	$1, %esi
	jmp	1b

/* A hypercall: its number in scratch0, arguments in rdi rsi rdx r10 r8 r9; rax == current. */
hypercall_entry:
	cmpl	$__HYPERVISOR_iret, AT_RSP(CI_scratch0)
	je	iret_direct
ENTRY(hypercall_long):
	mov	AT_RSP(CI_scratch0), %rax
	PUSH_SYSCALL GUEST_CS64
ENTRY(hypercall_call):
	PUSH_GPRS
	cmp	$NR_HYPERCALLS_, %rax
	jae	.Lno_such_hypercall
	lea	hypercall_table(%rip), %rbx
	mov	%r10, %rcx
	call	*(%rbx, %rax, 8)
	cmp	$-85, %rax			/* -ERESTART: the frame says all */
	je	exit_to_guest
	mov	%rax, UREGS_rax(%rsp)

/* The fast way back if the frame allows SYSRET. */
exit_hypercall:
	EXIT_TESTS exit_sysret
	jmp	exit_work
exit_sysret:
	cmpb	$MODE_FULL, VCPU_mode(%rbx)
	jne	restricted_exit
	mov	UREGS_rip(%rsp), %rcx
	mov	%rcx, %rax
	shl	$16, %rax
	sar	$16, %rax
	cmp	%rax, %rcx			/* SYSRET to a non-canonical rip faults in ring 0 */
	jne	restore_all
	POP_GPRS
	mov	(UREGS_rip - UREGS_error_code)(%rsp), %rcx
	mov	(UREGS_rflags - UREGS_error_code)(%rsp), %r11
	mov	(UREGS_rsp - UREGS_error_code)(%rsp), %rsp
	sysretq

.Lno_such_hypercall:
	movq	$-38, UREGS_rax(%rsp)		/* -ENOSYS */
	jmp	exit_hypercall

/* rcx == the guest's rsp, r11 == its flags; afterwards nothing can fail. */
.macro READ_IRET_FRAME
	and	$GUEST_FLAGS, %r11d
	or	$(X86_RFLAGS_IF | X86_RFLAGS_MBS), %r11d
	mov	%r11, AT_RSP(UREGS_rflags)
	EX(iret_fault, mov	32(%rcx), %r11)
	mov	%r11, AT_RSP(UREGS_rip)
	EX(iret_fault, movzwl 64(%rcx), %edx)
	or	$3, %edx
	mov	%rdx, AT_RSP(UREGS_ss)
	EX(iret_fault, mov	56(%rcx), %rdx)
	mov	%rdx, AT_RSP(UREGS_es)		/* the new rsp, for a moment */
	EX(iret_fault, mov	(%rcx), %rdx)
	EX(iret_fault, mov	8(%rcx), %r11)
	EX(iret_fault, mov	16(%rcx), %rcx)
	PATCH_CLAC
	mov	%rdx, AT_RSP(CI_scratch0)
.endm

/*
 * iret without the long way. The frame at the guest's rsp: rax r11 rcx flags | rip cs rflags rsp ss
 * rcx (the hypercall's return address) is kept in scratch2 for the long way, r11 is free. frame.rsp
 * stays until everything of the guest's has been read, then the root changes. What is not the
 * plain case goes to the hypercall's handler.
 */
iret_direct:
	mov	%rcx, AT_RSP(CI_scratch2)
	mov	(%rsp), %rcx			/* the guest's rsp */
	mov	%rcx, %r11
	shr	$43, %r11
	cmp	$(HV_VIRT_START >> 43), %r11	/* not ours to read for it */
	je	iret_long
	mov	%rdx, AT_RSP(CI_scratch1)
	mov	VCPU_info(%rax), %rdx
	cmpb	$0, VI_pending(%rdx)
	jne	iret_long_rdx
	mov	VCPU_work(%rax), %edx
	or	AT_RSP(CI_softirq_pending), %rdx
	jnz	iret_long_rdx
	PATCH_STAC
	EX(iret_fault, mov	48(%rcx), %r11)
	EX(iret_fault, testl $VGCF_IN_SYSCALL, 24(%rcx))
	jnz	iret_fault
	mov	%r11, AT_RSP(UREGS_ds)		/* as the guest gave them: IF is its event mask */
	EX(iret_fault, movzwl 40(%rcx), %edx)
	mov	%rdx, AT_RSP(UREGS_cs)
	not	%edx
	test	$3, %edx
	jnz	iret_to_kernel			/* RPL is not 3 */
	test	$X86_RFLAGS_IF, %r11d
	jz	iret_fault
	cmpq	$0, VCPU_cr3_user(%rax)
	je	iret_fault
	READ_IRET_FRAME
	movb	$0, VCPU_in_kernel(%rax)
	mov	VCPU_cr3_user(%rax), %rdx
	mov	VCPU_info(%rax), %rax
	movb	$0, VI_mask(%rax)
	swapgs
	mov	%rdx, %cr3
.Liret_out:
	mov	AT_RSP(UREGS_es), %rax
	mov	%rax, (%rsp)
	mov	AT_RSP(CI_scratch1), %rdx
	mov	AT_RSP(CI_scratch0), %rax
	lea	(UREGS_rip - UREGS_rsp)(%rsp), %rsp
	EX(iret_refused, iretq)

iret_to_kernel:
	orb	$3, AT_RSP(UREGS_cs)
	READ_IRET_FRAME
	mov	VCPU_info(%rax), %rax
	testl	$X86_RFLAGS_IF, AT_RSP(UREGS_ds)
	setz	VI_mask(%rax)			/* no event is pending: unmasking delivers none */
	jmp	.Liret_out

iret_fault:
	PATCH_CLAC
iret_long_rdx:
	mov	AT_RSP(CI_scratch1), %rdx
iret_long:
	mov	AT_RSP(CI_scratch2), %rcx
	mov	$(X86_RFLAGS_IF | X86_RFLAGS_MBS), %r11d
	jmp	hypercall_long

/* IRETQ faulted in ring 0 with the guest's registers (bad selector, rip ...); rsp == &frame.rip. */
ENTRY(iret_refused):
	PUSH_VECTOR 13
	SAVE_FRAME
	call	guest_iret_refused

/* The general way out; rsp == &frame. */
ENTRY(exit_to_guest):
	EXIT_TESTS restore_all
exit_work:
	mov	%rsp, %rdi
	call	exit_to_guest_work
restore_all:
	mov	CI_current(%rsp), %rbx
	cmpb	$MODE_FULL, VCPU_mode(%rbx)
	jne	restricted_exit
	POP_GPRS
	add	$8, %rsp
	EX(iret_refused, iretq)

/* From boot: forget this stack, go to what the scheduler picks. */
ENTRY(enter_guest):
	or	$(STACK_SIZE - 1), %rsp
	lea	(1 - CI_sizeof)(%rsp), %rsp
	xor	%ebp, %ebp
	jmp	exit_work

/* SYSENTER. rsp == &frame.es from the MSR. The return address is lost by design of the instruction. */
ENTRY(sysenter_entry):
	push	$GUEST_SS
	push	$0
	pushfq
	orq	$X86_RFLAGS_IF, (%rsp)
	andq	$~(X86_RFLAGS_TF | X86_RFLAGS_NT | X86_RFLAGS_AC), (%rsp)
	push	$3
	push	$0
	PUSH_VECTOR 0x101
	PATCH_CLAC
	SAVE_FRAME
	push	$2				/* clear NT, AC, TF that the user may have set */
	popfq
	call	guest_sysenter
	jmp	exit_to_guest

/*
 * Page faults of guest user mode go straight to the guest kernel when direct_ok has bit 1 (as
 * for SYSCALL, and its #PF handler is sound and masks events). Hardware has pushed into the frame,
 * from rsp == &frame.error_code on, error | rip cs rflags rsp ss; the guest gets rcx r11 before it.
 */
	.balign	64
ENTRY(exc_page_fault):
	PATCH_CLAC
	testb	$3, 16(%rsp)
	jz	page_fault_long
	mov	%rax, AT_ERR(CI_scratch0)
	mov	AT_ERR(CI_current), %rax
	cmpb	$0, VCPU_in_kernel(%rax)
	jne	page_fault_rax
	testb	$2, VCPU_direct_ok(%rax)
	jz	page_fault_rax
	mov	%rdx, AT_ERR(CI_scratch1)
	mov	VCPU_info(%rax), %rdx
	cmpb	$0, VI_mask(%rdx)
	jne	page_fault_rdx
	mov	%rcx, AT_ERR(CI_scratch2)
	mov	%cr2, %rcx
	mov	%rcx, VI_cr2(%rdx)
	mov	VCPU_cr3_kernel(%rax), %rdx
	mov	%rdx, %cr3
	mov	VCPU_kernel_sp(%rax), %rdx
	mov	AT_ERR(CI_scratch2), %rcx
	PATCH_STAC
	EX(page_fault_bad_stack, mov	%rcx, -64(%rdx))
	EX(page_fault_bad_stack, mov	%r11, -56(%rdx))
	mov	(%rsp), %ecx
	EX(page_fault_bad_stack, mov	%rcx, -48(%rdx))
	movzwl	16(%rsp), %ecx
	EX(page_fault_bad_stack, mov	%rcx, -32(%rdx))
	.irp	i, 8, 24, 32, 40
	mov	\i(%rsp), %rcx
	EX(page_fault_bad_stack, mov	%rcx, \i - 48(%rdx))
	.endr
	PATCH_CLAC
	mov	VCPU_info(%rax), %rcx
	movb	$1, VI_mask(%rcx)
	mov	VCPU_traps(%rax), %rcx
	mov	(14 * 16 + 8)(%rcx), %rcx
	mov	24(%rsp), %r11
	ENTER_KERNEL UREGS_error_code, 64, TRAP_CLEARS

page_fault_bad_stack:		/* the long way reports it */
	PATCH_CLAC
	mov	VCPU_cr3_user(%rax), %rdx
	mov	%rdx, %cr3
	mov	VCPU_info(%rax), %rdx
	mov	VI_cr2(%rdx), %rcx
	mov	%rcx, %cr2
	mov	AT_ERR(CI_scratch2), %rcx
page_fault_rdx:
	mov	AT_ERR(CI_scratch1), %rdx
page_fault_rax:
	mov	AT_ERR(CI_scratch0), %rax
ENTRY(page_fault_long):
	movl	$14, 4(%rsp)
	SAVE_FRAME
	mov	%cr2, %rsi
	GUEST_EXCEPTION guest_page_fault
ENTRY(common_exception):
	PATCH_CLAC
	SAVE_FRAME
	mov	UREGS_entry_vector(%rsp), %esi
	GUEST_EXCEPTION guest_exception
ENTRY(invalid_op):
	PATCH_CLAC
	SAVE_FRAME
	GUEST_EXCEPTION guest_invalid_op
from_hv:
	call	hv_exception
ENTRY(restore_hv):
	POP_GPRS
	add	$8, %rsp
	iretq

ENTRY(common_interrupt):
	PATCH_CLAC
	SAVE_FRAME
	mov	UREGS_entry_vector(%rsp), %esi
	call	do_irq
	testb	$3, UREGS_cs(%rsp)
	jnz	exit_to_guest
	jmp	restore_hv

	.balign	16
ENTRY(entry_stubs):
	vector = 0
	.rept	0x20
	.if	vector == 6
	STUB	invalid_op
	.else
	STUB	common_exception
	.endif
	.endr
	.rept	0x100 - 0x20
	STUB	common_interrupt
	.endr

	.section .note.GNU-stack, "", @progbits
