/* SPDX-License-Identifier: MIT */
/*
 * Job:    copy_from_guest, copy_to_guest, clear_guest with fault recovery.
 * Enter:  everywhere that a hypercall names guest memory.
 * State:  the current root is the guest's (all roots map the hypervisor).
 * Holds:  U1  no guest byte is read twice by one decision: callers copy, then check the copy.
 *         U2  the range is checked once, whole: never the hypervisor's slots, but reads of the M2P.
 * Tests:  tests/guests/abuse_pointers.c
 */
#include <hv/arch.h>

/* [a, a + n) outside the hypervisor's slots and not wrapping */
static inline bool range_ok(u64 a, size_t n)
{
	return a + n >= a && (a + n <= HV_VIRT_START || a >= HV_VIRT_END);
}

static __always_inline int copy_bytes(void *dst, const void *src, size_t n)
{
	u64 left = n / 8;		/* after a fault: not 0 */

	open_guest();
	__asm__ __volatile__(
		"1: rep movsq\n"
		"   mov %[rest], %%rcx\n"
		"2: rep movsb\n"
		"3:\n"
		ON_FAULT("1b", "mov $1, %%ecx", "3b")
		EX_TABLE("2b", "3b")
		: "+c"(left), "+D"(dst), "+S"(src) : [rest] "r"(n & 7) : "memory");
	close_guest();
	return likely(!left) ? 0 : -EFAULT;
}

int copy_from_guest(void *dst, gva_t src, size_t n)
{
	u64 a = gva_x(src);

	if (unlikely(!range_ok(a, n)) &&
	    !(a >= M2P_VIRT_START && a + n >= a && a + n <= M2P_VIRT_END))
		return -EFAULT;
	return copy_bytes(dst, (const void *)a, n);
}

int copy_to_guest(gva_t dst, const void *src, size_t n)
{
	if (unlikely(!range_ok(gva_x(dst), n)))
		return -EFAULT;
	return copy_bytes((void *)gva_x(dst), src, n);
}

int clear_guest(gva_t dst, size_t n)
{
	void *p = (void *)gva_x(dst);

	if (!range_ok(gva_x(dst), n))
		return -EFAULT;
	open_guest();
	__asm__ __volatile__("1: rep stosb\n2:\n" EX_TABLE("1b", "2b")
			     : "+c"(n), "+D"(p) : "a"(0) : "memory");
	close_guest();
	return n ? -EFAULT : 0;
}
