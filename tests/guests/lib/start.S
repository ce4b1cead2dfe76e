/* SPDX-License-Identifier: MIT */
/*
 * start.S: what a domain builder sees of a test guest, and its first instructions.
 *
 * Job:   ELF notes; the hypercall page; from the builder's boot stack to guest_init() on ours.
 * Enter: _start, with rsi = address of start_info.
 */
#include "elfnote.h"

#define NOTE(type, desc...)		\
	.pushsection .note.Xen, "a", @note;	\
	.balign	4;				\
	.long	4, 92f - 91f, type;		\
	.asciz	"Xen";				\
91:	desc;					\
92:	.balign	4;				\
	.popsection

NOTE(XEN_ELFNOTE_GUEST_OS, .asciz "parapet-test")
NOTE(XEN_ELFNOTE_GUEST_VERSION, .asciz "1")
NOTE(XEN_ELFNOTE_XEN_VERSION, .asciz "xen-3.0")
NOTE(XEN_ELFNOTE_VIRT_BASE, .quad 0xffffffff80000000)
NOTE(XEN_ELFNOTE_PADDR_OFFSET, .quad 0)
NOTE(XEN_ELFNOTE_ENTRY, .quad _start)
NOTE(XEN_ELFNOTE_HYPERCALL_PAGE, .quad hypercall_page)
NOTE(XEN_ELFNOTE_FEATURES, .asciz "!writable_page_tables")
NOTE(XEN_ELFNOTE_SUPPORTED_FEATURES, .long 0x8801)
NOTE(XEN_ELFNOTE_PAE_MODE, .asciz "yes")
NOTE(XEN_ELFNOTE_LOADER, .asciz "generic")
NOTE(XEN_ELFNOTE_L1_MFN_VALID, .quad 1, 1)

	.section .text.start, "ax", @progbits
	.globl	_start
_start:
	cld
	mov	$vcpu_stacks + 32768, %rsp
	mov	%rsi, %rdi
	xor	%ebp, %ebp
	call	guest_init
	ud2

	.text
	.balign	4096
	.globl	hypercall_page
hypercall_page:
	.skip	4096, 0xcc

	.section .note.GNU-stack, "", @progbits
