/* SPDX-License-Identifier: MIT */
/*
 * Job:    from the loader to C. The multiboot 1 and 2 headers; from 32-bit protected mode without
 *         paging to long mode at the image's own address; one clear line and a halt on a CPU that
 *         cannot do it.
 * Enter:  start32 with eax = magic, ebx = machine address of the information (both protocols,
 *         BIOS and UEFI alike).
 * State:  boot_l4 and the tables below it: machine addresses 0-4 GiB at 0 and at the direct map,
 *         the image with its final permissions. They stay usable for starting other CPUs.
 * Holds:  B1  boot_tsc_start is taken by the first instruction.
 *         B2  from the first 64-bit instruction on no page of the image is writable and executable.
 * Tests:  tests/linux (every boot path)
 */
#include <hv/layout.h>

#define PA(x)		((x) - IMAGE_VIRT_BASE)	/* machine address of a symbol of the image */

#define MB1_MAGIC	0x1badb002
#define MB1_FLAGS	3			/* modules on page boundaries; memory map wanted */
#define MB2_MAGIC	0xe85250d6

#define PTE_TABLE	0x063			/* present, writable, accessed, dirty */
#define PTE_RX		0x061
#define PTE_2M		0x0e3			/* ... and large */
#define PTE_NX		0x8000000000000000
#define NX_HIGH		0x80000000		/* PTE_NX in the upper word */

#define BOOT_CS64	0x08
#define BOOT_DS		0x10

#define COM1		0x3f8

	.section .head, "ax", @progbits
	.code32
	.balign 8
mb1_header:
	.long MB1_MAGIC, MB1_FLAGS, -(MB1_MAGIC + MB1_FLAGS)

	.balign 8
mb2_header:
	.long MB2_MAGIC, 0, mb2_end - mb2_header, -(MB2_MAGIC + (mb2_end - mb2_header))
	/* information request: command line, modules, memory map (required) */
	.balign 8
	.short 1, 0
	.long 20, 1, 3, 6
	/* modules on page boundaries */
	.balign 8
	.short 6, 0
	.long 8
	/* console: text mode is fine, none is required (optional tag) */
	.balign 8
	.short 4, 1
	.long 12, 2
	/* frame buffer: any mode will do (optional tag) */
	.balign 8
	.short 5, 1
	.long 20, 0, 0, 0
	.balign 8
	.short 0, 0
	.long 8
mb2_end:

	.globl start32
start32:
	/* no stack yet; eax: magic, ebx: information, kept in ebp and ebx */
	mov	%eax, %ebp
	rdtsc
	mov	%eax, PA(boot_tsc_start)
	mov	%edx, PA(boot_tsc_start) + 4
	cli
	cld
	lgdt	PA(boot_gdtr)
	mov	$BOOT_DS, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	$PA(boot_stack) + STACK_SIZE - 1024, %esp

	mov	$PA(msg_long_mode), %esi
	push	%ebx
	mov	$0x80000000, %eax
	cpuid
	xor	%edx, %edx
	cmp	$0x80000001, %eax
	jb	2f
	mov	$0x80000001, %eax
	cpuid
2:	pop	%ebx
	bt	$29, %edx
	jnc	refuse
	mov	$PA(msg_nx), %esi
	bt	$20, %edx
	jnc	refuse

	/* the image, page by page */
	mov	$PA(boot_l1_image), %edi
	mov	$PA(image_parts), %esi
	mov	$PA(_stext), %eax
3:	mov	4(%esi), %edx
	or	%eax, %edx
	mov	%edx, (%edi)
	mov	8(%esi), %edx
	mov	%edx, 4(%edi)
	add	$8, %edi
	add	$0x1000, %eax
	cmp	(%esi), %eax
	jb	3b
	add	$12, %esi
	cmp	$PA(_end), %eax
	jb	3b
	mov	$0x000000a0, %eax		/* PGE, PAE */
	mov	%eax, %cr4
	mov	$PA(boot_l4), %eax
	mov	%eax, %cr3
	mov	$0xc0000080, %ecx		/* EFER: NXE, LME, SCE */
	rdmsr
	or	$0x901, %eax
	wrmsr
	mov	$0x80010033, %eax		/* PG, WP, NE, ET, MP, PE */
	mov	%eax, %cr0
	ljmp	$BOOT_CS64, $PA(start64_low)

/* Print the line at esi on the first serial port and on the text screen, and stop. */
refuse:
	mov	$COM1 + 3, %edx			/* 115200 8n1, no interrupts */
	mov	$0x80, %al
	out	%al, %dx
	mov	$COM1, %edx
	mov	$1, %eax			/* both bytes of the divisor */
	out	%ax, %dx
	mov	$COM1 + 3, %edx
	mov	$3, %al
	out	%al, %dx
	mov	$0xb8000, %edi
1:	mov	$100000, %ecx			/* an absent port must not hang us */
	mov	$COM1 + 5, %edx
2:	in	%dx, %al
	test	$0x20, %al
	jnz	3f
	loop	2b
3:	lodsb
	test	%al, %al
	jz	4f
	mov	$COM1, %edx
	out	%al, %dx
	cmp	$' ', %al
	jb	1b
	mov	$0x0f, %ah
	stosw
	jmp	1b
4:	cli
	hlt
	jmp	4b

	.code64
start64_low:
	movabs	$start64, %rax
	jmp	*%rax

	.text
start64:
	/*
	 * At the image's own address. ebp: magic, ebx: information. The top of the stack block is
	 * struct cpu_info: zeroes, so this_cpu() is 0.
	 */
	lea	boot_stack + STACK_SIZE - 1024(%rip), %rsp
	mov	%ebp, %edi
	mov	%ebx, %esi
	xor	%ebp, %ebp
	push	%rbp				/* return address 0 ends backtraces */
	push	%rbp
	call	start_parapet

	.section .rodata, "a", @progbits
msg_long_mode:
	.asciz "Parapet: this CPU has no 64-bit mode; an x86-64 CPU is needed (QEMU: -cpu qemu64 or better). Halted.\r\n"
msg_nx:
	.asciz "Parapet: this CPU has no NX (no-execute); switch it on in the firmware's set-up or take another CPU. Halted.\r\n"

	.balign 8
image_parts:					/* end, flags; none is empty */
	.long	PA(_etext), PTE_RX, 0
	.long	PA(_erodata), PTE_RX, NX_HIGH
	.long	PA(_einittext), PTE_RX, 0
	.long	PA(_end), PTE_TABLE, NX_HIGH
	.balign 8
boot_gdt:
	.quad	0
	.quad	0x00af9a000000ffff		/* BOOT_CS64 */
	.quad	0x00cf92000000ffff		/* BOOT_DS */
boot_gdt_end:
boot_gdtr:
	.short	boot_gdt_end - boot_gdt - 1
	.long	PA(boot_gdt)

	.data
	.balign 4096
	.globl boot_tsc_start, boot_l4, boot_l1_image
boot_l4:
	.quad	PA(boot_l3_low) + PTE_TABLE
	.org	boot_l4 + ((IMAGE_VIRT_START >> 39) & 511) * 8
	.quad	PA(boot_l3_image) + PTE_TABLE
	.org	boot_l4 + ((DIRECTMAP_VIRT_START >> 39) & 511) * 8
	.quad	PA(boot_l3_direct) + PTE_TABLE
	.org	boot_l4 + 4096
boot_l3_low:
	.irp	i, 0, 1, 2, 3
	.quad	PA(boot_l2_low) + PTE_TABLE + \i * 4096
	.endr
	.org	boot_l3_low + 4096
boot_l3_direct:					/* never executable */
	.irp	i, 0, 1, 2, 3
	.quad	PA(boot_l2_low) + PTE_TABLE + PTE_NX + \i * 4096
	.endr
	.org	boot_l3_direct + 4096
boot_l3_image:
	.org	boot_l3_image + ((IMAGE_VIRT_START >> 30) & 511) * 8
	.quad	PA(boot_l2_image) + PTE_TABLE
	.org	boot_l3_image + 4096
boot_l2_image:					/* machine addresses 2-8 MiB */
	.irp	i, 0, 1, 2
	.org	boot_l2_image + 8 + \i * 8
	.quad	PA(boot_l1_image) + PTE_TABLE + \i * 4096
	.endr
	.org	boot_l2_image + 4096
boot_l2_low:					/* 4 GiB by 2 MiB pages */
	.set	address, 0
	.rept	2048
	.quad	address + PTE_2M
	.set	address, address + 0x200000
	.endr
boot_tsc_start:
	.quad	0

	.section .bss.page_aligned, "aw", @nobits
	.balign STACK_SIZE
boot_stack:
	.skip	STACK_SIZE
boot_l1_image:
	.skip	3 * 4096

	.section .note.GNU-stack, "", @progbits
