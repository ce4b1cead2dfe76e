/* SPDX-License-Identifier: MIT */
/*
 * The first steps of the other processors.
 *
 * Job:    real mode -> protected mode -> long mode on boot_l4 -> the given CR3, stack and function.
 * Enter:  STARTUP interrupt at a copy of this page below 1 MiB; see hv/trampoline.h for its use.
 * State:  trampoline_params in the copy, written by the CPU that starts us.
 * Holds:  TR1  only addresses relative to the page (ebx) are used until the image is mapped.
 * Tests:  tests/linux with several CPUs
 * Next:   x86/smp.c
 */
#include <hv/layout.h>

#define OFF(x)		((x) - trampoline_start)
#define P_CR3		0
#define P_STACK		8
#define P_ENTRY		16
#define P_HIGH		24
#define P_BOOT_CR3	32
#define P_GDT_BASE	36
#define P_PROT_EIP	40
#define P_LONG_EIP	44
#define CS64		0x08
#define DS		0x10
#define CS32		0x18

	.section .rodata, "a", @progbits
	.balign 16
	.globl trampoline_start, trampoline_end, trampoline_params, trampoline_prot, trampoline_long
	.globl trampoline_gdt
	.code16
trampoline_start:
	/* cs = page / 16, ip = 0, no stack. ebx: the page's address, until long mode */
	cli
	cld
	mov	%cs, %ax
	mov	%ax, %ds
	movzwl	%ax, %ebx
	shl	$4, %ebx
	mov	OFF(trampoline_params) + P_GDT_BASE, %eax
	mov	%eax, OFF(gdtr) + 2
	mov	OFF(trampoline_params) + P_PROT_EIP, %eax
	mov	%eax, OFF(far_pointer)
	movw	$CS32, OFF(far_pointer) + 4	/* the CPU before us left CS64 */
	lgdtl	OFF(gdtr)
	mov	$0x11, %eax			/* ET, PE; the cache is on (CD and NW are clear) */
	mov	%eax, %cr0
	ljmpl	*OFF(far_pointer)

	.code32
trampoline_prot:
	mov	$DS, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	OFF(trampoline_params) + P_LONG_EIP(%ebx), %eax
	mov	%eax, OFF(far_pointer)(%ebx)
	movw	$CS64, OFF(far_pointer) + 4(%ebx)
	mov	$0x000000a0, %eax		/* PGE, PAE */
	mov	%eax, %cr4
	mov	OFF(trampoline_params) + P_BOOT_CR3(%ebx), %eax
	mov	%eax, %cr3
	mov	$0xc0000080, %ecx		/* EFER: NXE, LME, SCE */
	rdmsr
	or	$0x901, %eax
	wrmsr
	mov	$0x80010033, %eax		/* PG, WP, NE, ET, MP, PE */
	mov	%eax, %cr0
	ljmp	*OFF(far_pointer)(%ebx)

	.code64
trampoline_long:
	mov	%ebx, %ebx
	mov	OFF(trampoline_params) + P_CR3(%rbx), %r8
	mov	OFF(trampoline_params) + P_STACK(%rbx), %r9
	mov	OFF(trampoline_params) + P_ENTRY(%rbx), %r10
	jmp	*OFF(trampoline_params) + P_HIGH(%rbx)

	.balign 8
gdtr:	.short	trampoline_gdt_end - trampoline_gdt - 1
	.long	0
	.balign 4
far_pointer:
	.long	0
	.short	CS32
	.balign 8
trampoline_gdt:
	.quad	0
	.quad	0x00af9a000000ffff		/* CS64 */
	.quad	0x00cf92000000ffff		/* DS */
	.quad	0x00cf9a000000ffff		/* CS32 */
trampoline_gdt_end:
	.balign 8
trampoline_params:
	.skip	48
trampoline_end:

	.text
	.globl trampoline_high
trampoline_high:
	/* In the image's own mapping, on boot_l4. r8: cr3, r9: stack, r10: function. */
	mov	%r8, %cr3
	mov	%r9, %rsp
	lgdt	boot_gdtr(%rip)
	xor	%eax, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	%eax, %fs
	mov	%eax, %gs
	lldt	%ax
	xor	%ebp, %ebp
	push	%rbp				/* return address 0 ends backtraces */
	jmp	*%r10

	.section .note.GNU-stack, "", @progbits
