/* SPDX-License-Identifier: MIT */
/*
 * memcpy, memmove, memset, memcmp.
 *
 * Job:    short sizes by overlapping moves, long ones by string instructions.
 * Enter:  C calls; the compiler emits such calls by itself. Only the general registers.
 * Tests:  every boot
 */
	.text
#define FUNCTION(name) .globl name; .type name, @function; name

FUNCTION(memcpy):
	/* rdi: to, rsi: from, rdx: bytes */
	mov	%rdi, %rax
	cmp	$16, %rdx
	jb	.Lcopy_short
	mov	-8(%rsi,%rdx), %r8
	lea	-8(%rdi,%rdx), %r9
	cmp	$32, %rdx
	ja	1f
	mov	(%rsi), %rcx
	mov	8(%rsi), %r10
	mov	-16(%rsi,%rdx), %r11
	mov	%rcx, (%rdi)
	mov	%r10, 8(%rdi)
	mov	%r11, -8(%r9)
	mov	%r8, (%r9)
	ret
1:	mov	%rdx, %rcx
	shr	$3, %rcx
	rep movsq
	mov	%r8, (%r9)
	ret
.Lcopy_short:
	cmp	$8, %edx
	jb	1f
	mov	(%rsi), %rcx
	mov	-8(%rsi,%rdx), %r8
	mov	%rcx, (%rdi)
	mov	%r8, -8(%rdi,%rdx)
	ret
1:	cmp	$4, %edx
	jb	1f
	mov	(%rsi), %ecx
	mov	-4(%rsi,%rdx), %r8d
	mov	%ecx, (%rdi)
	mov	%r8d, -4(%rdi,%rdx)
	ret
1:	test	%edx, %edx
	jz	1f
	movzbl	(%rsi), %ecx
	movzbl	-1(%rsi,%rdx), %r8d
	shr	$1, %edx
	movzbl	(%rsi,%rdx), %r9d		/* the middle of three, the last of two */
	mov	%r9b, (%rdi,%rdx)
	mov	%cl, (%rdi)
	jnc	1f				/* even: done */
	mov	%r8b, (%rdi,%rdx,2)
1:	ret

FUNCTION(memmove):
	mov	%rdi, %rax
	sub	%rsi, %rax
	cmp	%rdx, %rax
	jae	memcpy				/* forward copying is right, or no overlap */
	mov	%rdi, %rax
	lea	-1(%rsi,%rdx), %rsi
	lea	-1(%rdi,%rdx), %rdi
	mov	%rdx, %rcx
	std
	rep movsb
	cld
	ret

FUNCTION(memset):
	mov	%rdi, %r9
	movzbl	%sil, %eax
	movabs	$0x0101010101010101, %rcx
	imul	%rcx, %rax
	cmp	$8, %rdx
	jb	1f
	mov	%rax, -8(%rdi,%rdx)
	mov	%rdx, %rcx
	shr	$3, %rcx
	rep stosq
	mov	%r9, %rax
	ret
1:	mov	%edx, %ecx
	rep stosb
	mov	%r9, %rax
	ret

FUNCTION(memcmp):
	xchg	%rdi, %rsi			/* CMPS subtracts (rdi) from (rsi) */
	mov	%rdx, %rcx
	xor	%eax, %eax			/* also says "equal" for no bytes at all */
	repe cmpsb
	je	1f
	sbb	%eax, %eax
	or	$1, %eax
1:	ret

	.section .note.GNU-stack, "", @progbits
