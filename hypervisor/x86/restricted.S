/* SPDX-License-Identifier: MIT */
/*
 * Job:    the way between guest mode on a root that maps next to nothing of us and the hypervisor
 *         (CPUs with Meltdown, guests in ring 1); ring 1's SYSCALL and page faults, which stay on the
 *         guest's root; NMI, #MC, #DB and #DF of all modes.
 * Enter:  LSTAR and CSTAR, the IDTs (desc.c); restricted_exit from entry.S.
 * State:  the TSS page (constants; read-only for guest mode) and the entry page (x86/restricted.c).
 * Holds:  X7  before the switch to the full root: no GS, no stack of the guest's, no RET, no indirect
 *             branch, nothing written or read but the entry page and the vcpu's page, and nothing
 *             believed but the TSS page and what this entry itself, or hardware for it, has pushed.
 *         X8  the entry page of a CPU is in its own restricted roots alone (RR2): while this CPU is in
 *             ring 0, nobody writes it.
 * Tests:  tests/guests/{ring1,abuse_ring1,nmi}.c; all guests with --cpu Haswell
 */
#include <parapet.h>
#include "entry.h"

/* What is at one address on all CPUs; local_pages is LOCAL_VCPU. */
#define VCPU_PAGE(offset) local_pages + (offset)(%rip)
#define CONST(member) local_pages + LOCAL_CONST - LOCAL_VCPU + member(%rip)
#define LOCAL(member) local_pages + LOCAL_ENTRY - LOCAL_VCPU + member(%rip)
#ifdef UNSAFE				/* without=3 */
#define FULL_ROOT LOCAL(EP_TRUSTED)
#else
#define FULL_ROOT CONST(CP_CR3_FULL)
#endif
/* From the end of the stack block, and from &frame.rsp. */
#define EP_FROM_BLOCK_END(f) (PC_ENTRY_OFFSET + (f) - (PC_STACK_OFFSET + STACK_SIZE))
#define CP_FROM_BLOCK_END(f) (PC_TSS_OFFSET + (f) - (PC_STACK_OFFSET + STACK_SIZE))
#define ENTRY_AT_RSP(member) (EP_FROM_BLOCK_END(member) + CI_sizeof - UREGS_rsp)(%rsp)

/* From SYSCALL to the full root: rsp == &frame.rsp, rax == current, the user's rax in scratch0. */
.macro SYSCALL_TO_FULL_ROOT
	mov	%rax, LOCAL(EP_RAX)
	mov	%rsp, LOCAL(EP_RSP)
	mov	%cr3, %rax
	mov	%rax, LOCAL(EP_CR3)
	mov	FULL_ROOT, %rax
	mov	CONST(CP_FRAME_TOP), %rsp
	mov	%rax, %cr3
	lea	(UREGS_rsp - UREGS_es)(%rsp), %rsp
	mov	ENTRY_AT_RSP(EP_RSP), %rax
	mov	%rax, (%rsp)
	mov	ENTRY_AT_RSP(EP_RAX), %rax
.endm

/* Of a vcpu with its kernel in ring 1 the frame's cs tells what was interrupted; uses rax. */
.macro NOTE_RING es_at
	mov	\es_at + CI_current - UREGS_es(%rsp), %rax
	cmpb	$MODE_RING1, VCPU_mode(%rax)
	jne	3f
	testb	$2, \es_at + UREGS_cs - UREGS_es(%rsp)
	setz	VCPU_in_kernel(%rax)
3:
.endm

/* Has ring 1 loaded another root by itself? Only the CR3 that the entry has found tells (SW3). */
.macro TAKE_ROOT member
	push	%rax
	mov	EP_FROM_BLOCK_END(EP_CR3) + CI_sizeof - \member + 8(%rsp), %rax
	xor	CP_FROM_BLOCK_END(CP_CR3_OUT) + CI_sizeof - \member + 8(%rsp), %rax
	add	%rax, %rax			/* bit 63 ("keep the TLB") does not count */
	pop	%rax
	jz	4f
	call	take_root
4:
.endm

/*
 * Ring 1: SYSCALL from the lower half is ring 3's, which goes to its kernel with rsp at the end of the
 * vcpu's page. From the upper half, where nothing is ring 3's (ring1_upper()), it is a hypercall.
 */
	.balign	64
ENTRY(ring1_syscall):
	test	%rcx, %rcx
	js	1f
	mov	%rsp, VCPU_PAGE(PARAPET_R1_USER_RSP)
	lea	CONST(CP_SYSCALL_FRAME), %rsp
	iretq
1:	cmp	$__HYPERVISOR_ring1, %rax
	je	ring1_switch
2:	SYSCALL_TO_FULL_ROOT
	mov	%rax, AT_RSP(CI_scratch0)
	mov	AT_RSP(CI_current), %rax
	movb	$1, VCPU_in_kernel(%rax)
	mov	AT_RSP(CI_scratch0), %rax
	PUSH_SYSCALL RING1_CS, RING1_SS
	TAKE_ROOT UREGS_error_code
	jmp	hypercall_call

/*
 * PARAPET_RING1_SWITCH to a root that is on offer: to its copy, and back. Hardware has cleared what r11 must not
 * have, and ring 1 is where it came from. The zero-extended mfn matches no word that offers nothing.
 */
ring1_switch:
	cmp	$PARAPET_RING1_SWITCH, %rdi
	jne	2b
	mov	%esi, %eax
	xor	%edi, %edi
	copy = 0
	.rept	1 << COPIES_SHIFT
	cmp	CONST(CP_OFFERS + 8 * copy), %rax
	je	1f
	add	$0x1000, %edi
	copy = copy + 1
	.endr
	mov	$__HYPERVISOR_ring1, %eax
	mov	$PARAPET_RING1_SWITCH, %edi
	jmp	2b
1:	add	CONST(CP_COPIES), %rdi
	movq	$RING1_SS, LOCAL(EP_STACK_TOP - 8)
	mov	%rsp, LOCAL(EP_STACK_TOP - 16)
	lea	LOCAL(EP_STACK_TOP - 16), %rsp
	push	%r11
	push	$RING1_CS
	push	%rcx
	xor	%eax, %eax
	mov	%rdi, %cr3
	iretq

take_root:
	PUSH_GPRS
	cld
	mov	%rsp, %rdi
	or	$(STACK_SIZE - 1), %rdi
	mov	1 + EP_FROM_BLOCK_END(EP_CR3)(%rdi), %rdi
	call	restricted_take_root
	POP_GPRS
	ret

ENTRY(restricted_syscall):
	SYSCALL_TO_FULL_ROOT
	mov	%rax, AT_RSP(CI_scratch0)
	mov	AT_RSP(CI_current), %rax
	cmpb	$0, VCPU_in_kernel(%rax)
	jne	hypercall_long
	jmp	syscall_long

ENTRY(restricted_syscall_compat):
	SYSCALL_TO_FULL_ROOT
	mov	%rcx, AT_RSP(CI_scratch0)
	mov	AT_RSP(CI_current), %rcx
	cmpb	$MODE_RING1, VCPU_mode(%rcx)
	jne	1f
	movb	$0, VCPU_in_kernel(%rcx)
1:	mov	AT_RSP(CI_scratch0), %rcx
	TAKE_ROOT UREGS_rsp
	jmp	syscall_compat_entry

/*
 * A page fault of ring 3: the kernel gets the frame at the end of the vcpu's page, and cr2. Hardware
 * has pushed error | rip cs rflags rsp ss on the entry page. Faults of ring 1 may be ours (mmu_update.c).
 */
	.balign	64
ENTRY(ring1_page_fault):
	testb	$2, 16(%rsp)
	jz	1f
	mov	%rax, LOCAL(EP_RAX)
	mov	%cr2, %rax
	mov	%rax, VCPU_PAGE(VI_cr2)
	.irp	i, 0, 8, 16, 24, 32, 40
	mov	\i(%rsp), %rax
	mov	%rax, VCPU_PAGE(0x1000 - 48 + \i)
	.endr
	mov	LOCAL(EP_RAX), %rax
	lea	CONST(CP_FAULT_FRAME), %rsp
	iretq
1:	movl	$14, 4(%rsp)

restricted_common:
	PATCH_CLAC
	push	%rax
	push	%rcx
	testb	$3, 32(%rsp)
	jz	restricted_from_hv
	push	%rdx
	mov	CONST(CP_FRAME_TOP), %rcx
	mov	%cr3, %rax
	mov	%rax, LOCAL(EP_CR3)
	mov	FULL_ROOT, %rax
	mov	%rax, %cr3
	/* rdx rcx rax | error rip cs rflags rsp ss: move all but rdx to the real frame */
	.irp	i, 0, 8, 16, 24, 32, 40, 48, 56
	mov	64 - \i(%rsp), %rdx
	mov	%rdx, -8 - \i(%rcx)
	.endr
	mov	(%rsp), %rdx
	lea	-64(%rcx), %rsp
	NOTE_RING 64
	pop	%rcx
	pop	%rax
	TAKE_ROOT UREGS_error_code
restricted_dispatch:
	cmpl	$0x20, 4(%rsp)
	jae	common_interrupt
	cmpl	$14, 4(%rsp)
	je	page_fault_long
	cmpl	$6, 4(%rsp)
	je	invalid_op
	jmp	common_exception

restricted_from_hv:
	lea	restricted_iretq(%rip), %rax
	cmp	%rax, 24(%rsp)
	je	1f
	pop	%rcx				/* a fault in the hypervisor proper */
	pop	%rax
	jmp	restricted_dispatch
1:	mov	CONST(CP_FRAME_TOP), %rcx	/* IRETQ to the guest was refused: to the real frame */
	mov	FULL_ROOT, %rax
	mov	%rax, %cr3
	mov	(%rsp), %rax
	mov	%rax, -48(%rcx)
	mov	8(%rsp), %rax
	lea	-48(%rcx), %rsp
	pop	%rcx
	jmp	iret_refused

/* Leave: rsp == &frame. The hardware frame goes to the entry page, then the root changes. */
#define EP_REL(f) (EP_FROM_BLOCK_END(f) + CI_sizeof - UREGS_error_code)(%rsp)
#define CP_REL(f) (CP_FROM_BLOCK_END(f) + CI_sizeof)(%rsp)
ENTRY(restricted_exit):
	/* rbx == current. Is the copy to leave on one of its root, on offer, and so up to date? */
	cmpb	$MODE_RING1, VCPU_mode(%rbx)
	jne	1f
	mov	VCPU_root_kernel(%rbx), %rax
	mov	CP_REL(CP_OFFER_AT), %rcx
	cmp	(%rcx), %rax
	jne	1f
	mov	UREGS_rflags(%rsp), %eax	/* and the frame no ring 0's */
	and	$(X86_RFLAGS_IF | X86_RFLAGS_IOPL), %eax
	cmp	$X86_RFLAGS_IF, %eax
	jne	1f
	testb	$1, UREGS_cs(%rsp)
	jnz	2f
1:	mov	%rsp, %rdi
	call	restricted_prepare
2:
	POP_GPRS
	mov	%rax, EP_REL(EP_RAX)
	.irp	i, 0, 8, 16, 24, 32
	mov	8 + \i(%rsp), %rax
	mov	%rax, EP_REL(EP_STACK_TOP - 40 + \i)
	.endr
	lea	EP_REL(EP_STACK_TOP - 40), %rsp
	mov	(PC_TSS_OFFSET + CP_CR3_OUT - PC_ENTRY_OFFSET - EP_STACK_TOP + 40)(%rsp), %rax
	mov	%rax, %cr3
	mov	40 + EP_RAX - EP_STACK_TOP(%rsp), %rax
restricted_iretq:
	iretq

/* What the IDTs of restricted roots point at. */
	.balign	16
ENTRY(restricted_stubs):
	vector = 0
	.rept	0x100
	STUB	restricted_common
	.endr
/*
 * NMI, machine check, debug and double fault come in on own stacks in the entry page, whatever root
 * is loaded. The frame moves to a stack that guest mode has not mapped, and back; they leave on the
 * root found. A guest's debug trap or NMI goes to the main one: only the way out of there may find
 * a selector that is gone from the LDT. r12: the root found; rbx: the last byte of the stack block.
 */
.macro IST_ENTRY name, nr, vector, has_error=0
ENTRY(exc_\name):
	PUSH_VECTOR \vector, \has_error
	PATCH_CLAC
	push	%rax
	push	%rcx
	push	%rdx
	mov	%rsp, %rdx
	and	$-4096, %rdx
	mov	%cr3, %rax
	push	%rax				/* IST_TOP - 80 */
	xor	PC_TSS_OFFSET - PC_ENTRY_OFFSET + CP_COPIES(%rdx), %rax
	shr	$(12 + COPIES_SHIFT), %rax
	jnz	1f				/* no copy: all of us is mapped */
	mov	PC_TSS_OFFSET - PC_ENTRY_OFFSET + CP_CR3_FULL(%rdx), %rax
	mov	%rax, %cr3
1:	lea	PC_STACK_OFFSET - PC_ENTRY_OFFSET + \nr * 4096(%rdx), %rcx
	.if	\vector <= 2
	testb	$3, 48(%rsp)
	jz	2f
	mov	PC_TSS_OFFSET - PC_ENTRY_OFFSET + CP_FRAME_TOP(%rdx), %rcx
	.endif
	/* root rdx rcx rax | error rip cs rflags rsp ss: all but the root */
2:	.irp	i, 8, 16, 24, 32, 40, 48, 56, 64, 72
	mov	\i(%rsp), %rax
	mov	%rax, \i - 80(%rcx)
	.endr
	lea	-72(%rcx), %rsp
	pop	%rdx
	pop	%rcx
	pop	%rax
	SAVE_FRAME
	mov	%rsp, %rbx
	or	$(STACK_SIZE - 1), %rbx
	mov	1 + EP_FROM_BLOCK_END(EP_IST_TOP(\nr) - 80)(%rbx), %r12
.endm
.macro IST_EXIT nr
	.irp	i, 0, 8, 16, 24, 32
	mov	UREGS_rip + \i(%rsp), %rax
	mov	%rax, 1 + EP_FROM_BLOCK_END(EP_IST_TOP(\nr) - 40 + \i)(%rbx)
	.endr
	mov	UREGS_rax(%rsp), %rax
	mov	%rax, 1 + EP_FROM_BLOCK_END(EP_IST_TOP(\nr) - 48)(%rbx)
	mov	%r12, 1 + EP_FROM_BLOCK_END(EP_IST_TOP(\nr) - 56)(%rbx)
	POP_GPRS
	lea	PC_ENTRY_OFFSET + EP_IST_TOP(\nr) - 56 - PC_STACK_OFFSET - \nr * 4096 + 48(%rsp), %rsp
	pop	%rax
	mov	%rax, %cr3
	pop	%rax
	iretq
.endm
	IST_ENTRY double_fault, IST_DF, 8, 1
	call	fatal_exception
	IST_ENTRY machine_check, IST_MC, 18
	call	fatal_exception
	IST_ENTRY nmi, IST_NMI, 2
	call	crash_nmi
	testb	$3, UREGS_cs(%rsp)
	jnz	1f
	IST_EXIT IST_NMI
1:	NOTE_RING UREGS_es
	mov	%r12, %rdi
	call	restricted_take_root
	jmp	exit_to_guest
	/* its own stack since ring 0 can take it with a user's rsp */
	IST_ENTRY debug, IST_DB, 1
	testb	$3, UREGS_cs(%rsp)
	jnz	1f
	call	hv_debug
	IST_EXIT IST_DB
1:	NOTE_RING UREGS_es
	mov	%r12, %rdi
	call	restricted_take_root
	mov	%rsp, %rdi
	call	guest_debug
	jmp	exit_to_guest

	.section .note.GNU-stack, "", @progbits
