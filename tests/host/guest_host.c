/* SPDX-License-Identifier: MIT */
/*
 * Guest memory on the host: flat test mappings, a software page walk, injected faults.
 *
 * Job:    copy_from_guest, copy_to_guest, clear_guest over simulated memory.
 * Holds:  the hypervisor's slots fault, except reads of the M2P, as on the machine.
 * Tests:  all of tests/host that pass guest addresses
 */
#include "host.h"
#include <hv/domain.h>

#define ARG_SIZE MiB(4)

void (*host_copy_hook)(u64 gva, size_t n, bool write);
void *host_m2p_at(u64 offset, size_t n);

static struct { u64 gva; char *mem; size_t size; bool writable; } flat[64];
static unsigned int nr_flat, fail_after;
static char *args;
static size_t args_used;

void host_map_flat(u64 gva, void *mem, size_t size, bool writable)
{
	if (nr_flat == ARRAY_SIZE(flat))
		panic("too many flat mappings");
	flat[nr_flat].gva = gva;
	flat[nr_flat].mem = mem;
	flat[nr_flat].size = size;
	flat[nr_flat++].writable = writable;
}

void host_unmap_flat(void)
{
	nr_flat = 0;
}

void host_arg_reset(void)
{
	if (!args)
		args = calloc(1, ARG_SIZE);
	memset(args, 0, args_used);
	args_used = 0;
	for (unsigned int i = 0; i < nr_flat; i++)
		if (flat[i].mem == args)
			return;
	host_map_flat(HOST_GVA, args, ARG_SIZE, true);
}

u64 host_arg(const void *what, size_t size)
{
	u64 at = args_used;

	if (at + size > ARG_SIZE)
		panic("host_arg: no space left");
	args_used = ROUND_UP(at + size, 16);
	if (what)
		memcpy(args + at, what, size);
	else
		memset(args + at, 0, size);
	return HOST_GVA + at;
}

void *host_arg_ptr(u64 gva)
{
	return args + (gva - HOST_GVA);
}

void host_copy_fail_after(unsigned int n)
{
	fail_after = n;
}

bool host_copy_fail_pending(void)
{
	return fail_after != 0;
}

void *host_walk(mfn_t root, u64 va, bool write)
{
	static const unsigned int shift[] = { 39, 30, 21, 12 };
	mfn_t table = root;

	for (unsigned int i = 0; i < 4; i++) {
		u64 e;

		if (!mfn_is_ram(table))
			return NULL;
		e = ((u64 *)mfn_to_virt(table))[(va >> shift[i]) & 511];
		if (!(e & PTE_P) || !(e & PTE_US) || (write && !(e & PTE_RW)))
			return NULL;
		if (i < 3 && (e & PTE_PS))
			return NULL;		/* PV guests have no superpages */
		table = pte_mfn(e);
	}
	return mfn_is_ram(table) ? (char *)mfn_to_virt(table) + (va & ~PAGE_MASK) : NULL;
}

/* Host address of n guest bytes that do not cross a page, or NULL. */
static void *translate(u64 va, size_t n, bool write)
{
	struct vcpu *v = current_vcpu();

	for (unsigned int i = 0; i < nr_flat; i++)
		if (va >= flat[i].gva && va - flat[i].gva <= flat[i].size &&
		    n <= flat[i].size - (va - flat[i].gva))
			return write && !flat[i].writable ? NULL : flat[i].mem + (va - flat[i].gva);
	if (va >= M2P_VIRT_START && va < M2P_VIRT_END)
		return write ? NULL : host_m2p_at(va - M2P_VIRT_START, n);
	if (va >= HV_VIRT_START && va < HV_VIRT_END)
		return NULL;
	if ((u64)((s64)(va << 16) >> 16) != va)
		return NULL;
	if (!v || v->is_idle)
		return NULL;
	if (!v->pv.in_kernel)
		return mfn_eq(v->pv.root_user, INVALID_MFN) ? NULL :
			host_walk(v->pv.root_user, va, write);
	return mfn_eq(v->pv.root_kernel, INVALID_MFN) ? NULL :
		host_walk(v->pv.root_kernel, va, write);
}

static int copy(void *buf, u64 va, size_t n, bool write)
{
	if (n && host_copy_hook)
		host_copy_hook(va, n, write);
	if (fail_after && !--fail_after)
		return -EFAULT;
	while (n) {
		size_t part = min(n, PAGE_SIZE - (va & ~PAGE_MASK));
		char *p = translate(va, part, write);

		if (!p)
			return -EFAULT;
		if (!write)
			memcpy(buf, p, part);
		else if (buf)
			memcpy(p, buf, part);
		else
			memset(p, 0, part);
		buf = buf ? (char *)buf + part : NULL;
		va += part;
		n -= part;
	}
	return 0;
}

int copy_from_guest(void *dst, gva_t src, size_t n)
{
	return copy(dst, gva_x(src), n, false);
}

int copy_to_guest(gva_t dst, const void *src, size_t n)
{
	return copy((void *)src, gva_x(dst), n, true);
}

int clear_guest(gva_t dst, size_t n)
{
	return copy(NULL, gva_x(dst), n, true);
}
