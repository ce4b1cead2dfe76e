/* SPDX-License-Identifier: MIT */
/*
 * memcpy, memmove, memset, memcmp.
 *
 * Job:    short sizes by overlapping moves, long ones by string instructions.
 * Enter:  C calls; the compiler emits such calls by itself. Only the general registers.
 * Tests:  tests/host/test_string.c runs these very functions under other names
 */
	.text

	.globl memcpy
	.type memcpy, @function
memcpy:
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
	.size memcpy, . - memcpy

	.globl memmove
	.type memmove, @function
memmove:
	mov	%rdi, %rax
	sub	%rsi, %rax
	cmp	%rdx, %rax
	jae	memcpy				/* forward copying is right, or no overlap */
	mov	%rdi, %rax
1:	cmp	$8, %rdx
	jb	2f
	mov	-8(%rsi,%rdx), %rcx
	mov	%rcx, -8(%rdi,%rdx)
	sub	$8, %rdx
	jmp	1b
2:	test	%rdx, %rdx
	jz	3f
	movzbl	-1(%rsi,%rdx), %ecx
	mov	%cl, -1(%rdi,%rdx)
	dec	%rdx
	jmp	2b
3:	ret
	.size memmove, . - memmove

	.globl memset
	.type memset, @function
memset:
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
	.size memset, . - memset

	.globl memcmp
	.type memcmp, @function
memcmp:
	xor	%ecx, %ecx
1:	lea	8(%rcx), %r8
	cmp	%rdx, %r8
	ja	2f
	mov	(%rdi,%rcx), %rax
	mov	(%rsi,%rcx), %r9
	cmp	%r9, %rax
	jne	4f
	mov	%r8, %rcx
	jmp	1b
2:	cmp	%rdx, %rcx
	jae	3f
	movzbl	(%rdi,%rcx), %eax
	movzbl	(%rsi,%rcx), %r9d
	inc	%rcx
	sub	%r9d, %eax
	jz	2b
	ret
3:	xor	%eax, %eax
	ret
4:	bswap	%rax				/* the first differing byte decides */
	bswap	%r9
	cmp	%r9, %rax
	sbb	%eax, %eax
	or	$1, %eax
	ret
	.size memcmp, . - memcmp

	.section .note.GNU-stack, "", @progbits
