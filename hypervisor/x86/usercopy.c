/* SPDX-License-Identifier: MIT */
/*
 * Copies between the hypervisor and the current guest's address space.
 *
 * Job:    copy_from_guest, copy_to_guest, clear_guest with fault recovery; SMAP windows.
 * Enter:  everywhere that a hypercall names guest memory.
 * State:  the current root is the guest's (all roots map the hypervisor).
 * Locks:  none.
 * Holds:  U1  no guest byte is read twice by one decision: callers copy, then check the copy.
 *         U2  the range is checked once, whole: never the hypervisor's slots, but reads of the M2P.
 * Tests:  tests/guests/abuse_pointers.c
 */
#include <hv/arch.h>
#include <hv/errno.h>
#include <hv/layout.h>

#define SMAP_PATCH(n) \
	"8: nopl (%%rax)\n" \
	".pushsection .smap_patch, \"a\"\n" \
	".quad 8b, " #n "\n" \
	".popsection\n"

/* [a, a + n) outside the hypervisor's slots and not wrapping */
static inline bool range_ok(u64 a, size_t n)
{
	return a + n >= a && (a + n <= HV_VIRT_START || a >= HV_VIRT_END);
}

/* rep movsq then rep movsb; returns what is left: 0, or non-zero after a fault */
static __always_inline u64 copy_bytes(void *dst, const void *src, size_t n)
{
	u64 left = n / 8, rest = n & 7;

	__asm__ __volatile__(
		SMAP_PATCH(1)
		"1: rep movsq\n"
		"   mov %[rest], %%rcx\n"
		"2: rep movsb\n"
		"3:\n"
		SMAP_PATCH(0)
		".pushsection .text.fixup, \"ax\"\n"
		"4: mov $1, %%ecx\n"
		"   jmp 3b\n"
		".popsection\n"
		".pushsection __ex_table, \"a\"\n"
		".balign 8\n"
		".quad 1b, 4b, 2b, 4b\n"
		".popsection"
		: "+c"(left), "+D"(dst), "+S"(src)
		: [rest] "r"(rest)
		: "memory");
	return left;
}

int copy_from_guest(void *dst, gva_t src, size_t n)
{
	u64 a = gva_x(src);

	if (unlikely(!range_ok(a, n)) &&
	    !(a >= M2P_VIRT_START && a + n >= a && a + n <= M2P_VIRT_END))
		return -EFAULT;
	return likely(!copy_bytes(dst, (const void *)a, n)) ? 0 : -EFAULT;
}

int copy_to_guest(gva_t dst, const void *src, size_t n)
{
	if (unlikely(!range_ok(gva_x(dst), n)))
		return -EFAULT;
	return likely(!copy_bytes((void *)gva_x(dst), src, n)) ? 0 : -EFAULT;
}

int clear_guest(gva_t dst, size_t n)
{
	void *p = (void *)gva_x(dst);
	u64 left = n;

	if (!range_ok(gva_x(dst), n))
		return -EFAULT;
	__asm__ __volatile__(
		SMAP_PATCH(1)
		"1: rep stosb\n"
		"3:\n"
		SMAP_PATCH(0)
		".pushsection __ex_table, \"a\"\n"
		".balign 8\n"
		".quad 1b, 3b\n"
		".popsection"
		: "+c"(left), "+D"(p) : "a"(0) : "memory");
	return left ? -EFAULT : 0;
}
