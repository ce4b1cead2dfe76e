/* SPDX-License-Identifier: MIT */
/*
 * Job:    memcpy, memmove, memset, memcmp by string instructions, word by word.
 * Enter:  C calls; the compiler emits such calls by itself. Only the general registers.
 * Tests:  every boot
 */
	.text
#define FUNCTION(name) .globl name; .type name, @function; name

FUNCTION(memcpy):				/* rdi: to, rsi: from, rdx: bytes */
	mov	%rdi, %rax
	cmp	$8, %rdx
	jb	1f
	mov	-8(%rsi,%rdx), %r8		/* the last eight overlap the words before */
	lea	-8(%rdi,%rdx), %r9
	mov	%rdx, %rcx
	shr	$3, %rcx
	rep movsq
	mov	%r8, (%r9)
	ret
1:	mov	%edx, %ecx
	rep movsb
	ret

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
	jmp	2f
1:	mov	%edx, %ecx
	rep stosb
2:	mov	%r9, %rax
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
