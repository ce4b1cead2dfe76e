/* SPDX-License-Identifier: MIT */
/*
 * Job:    the other processors' first steps: real mode -> protected mode -> long mode on boot_l4 ->
 *         the given CR3, stack and function.
 * Enter:  STARTUP interrupt at a copy of this page below 1 MiB; x86/smp.c made it.
 * State:  trampoline_params in the copy, written by the CPU that starts us.
 * Holds:  TR1  only addresses relative to the page (ebx) are used until the image is mapped.
 * Tests:  tests/guests/smp.c, tests/linux with several CPUs
 */
#include <hv/layout.h>

#define OFF(x)		((x) - trampoline_start)
#define CS64		0x08
#define DS		0x10
#define CS32		0x18

	.section .rodata, "a", @progbits
	.balign 16
	.globl trampoline_start, trampoline_end, trampoline_params
	.code16
trampoline_start:
	/* cs = page / 16, ip = 0, no stack. ebx: the page's address, until long mode */
	cli
	cld
	mov	%cs, %ax
	mov	%ax, %ds
	movzwl	%ax, %ebx
	shl	$4, %ebx
	lgdtl	OFF(param_gdtr)
	mov	$0x11, %eax			/* ET, PE; the cache is on (CD and NW are clear) */
	mov	%eax, %cr0
	ljmpl	*OFF(param_prot)

	.code32
trampoline_prot:
	mov	$DS, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	$0x000000a0, %eax		/* PGE, PAE */
	mov	%eax, %cr4
	mov	$boot_l4 - IMAGE_VIRT_BASE, %eax
	mov	%eax, %cr3
	mov	$0xc0000080, %ecx		/* EFER: NXE, LME, SCE */
	rdmsr
	or	$0x901, %eax
	wrmsr
	mov	$0x80010033, %eax		/* PG, WP, NE, ET, MP, PE */
	mov	%eax, %cr0
	ljmp	*OFF(param_long)(%ebx)

	.code64
trampoline_long:
	mov	%ebx, %ebx
	mov	OFF(trampoline_params)(%rbx), %r8
	mov	OFF(trampoline_params) + 8(%rbx), %rsp
	mov	OFF(trampoline_params) + 16(%rbx), %r10
	movabs	$trampoline_high, %rax
	jmp	*%rax

	.balign 8
trampoline_gdt:
	.quad	0
	.quad	0x00af9a000000ffff		/* CS64 */
	.quad	0x00cf92000000ffff		/* DS */
	.quad	0x00cf9a000000ffff		/* CS32 */
trampoline_gdt_end:
trampoline_params:				/* struct trampoline_params */
	.quad	0, 0, 0
param_gdtr:
	.short	trampoline_gdt_end - trampoline_gdt - 1
	.long	OFF(trampoline_gdt)
param_prot:
	.long	OFF(trampoline_prot)
	.short	CS32
param_long:
	.long	OFF(trampoline_long)
	.short	CS64
trampoline_end:

	.text
trampoline_high:
	/* In the image's own mapping, on boot_l4. r8: cr3, r10: function. */
	mov	%r8, %cr3
	xor	%ebp, %ebp
	push	%rbp				/* return address 0 ends backtraces */
	jmp	*%r10

	.section .note.GNU-stack, "", @progbits
