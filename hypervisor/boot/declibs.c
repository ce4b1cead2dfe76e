/* SPDX-License-Identifier: MIT */
/*
 * Job:    what Debian's static zlib, liblzma, libzstd and liblz4 expect of a C library, while they
 *         unpack dom0's kernel: memory, a stack, SSE, a stack-protector cookie at %fs:0x28.
 * Enter:  declib_run() from control/unpack.c, at boot, alone, interrupts off.
 * State:  arena_next, arena_end: the memory of the running call.
 * Holds:  DL1  the libraries' stack block has the shape of a CPU's own (cpu_info at its top), so
 *              that a fault in them is reported like any other.
 *         DL2  nothing of this, nor the libraries, is reachable once boot has dropped init memory.
 * Tests:  tests/linux (every kernel)
 */
#include <hv/debug.h>
#include <hv/image.h>
#include <hv/page_alloc.h>
#include "machine.h"

static u8 *arena_next, *arena_end;

void *malloc(size_t size);
void *calloc(size_t n, size_t size);
void free(void *p);
void abort(void) __noreturn;
void __stack_chk_fail(void) __noreturn __attribute__((alias("abort")));

/* The arena is zeroed, lives for one call of declib_run() and is sized for it: free() does nothing. */
void __init *malloc(size_t size)
{
	u8 *p = arena_next;

	if (size > (size_t)(arena_end - p) || ROUND_UP(size, 64UL) > (size_t)(arena_end - p))
		return NULL;
	arena_next += ROUND_UP(size, 64UL);
	return p;
}

void __init *calloc(size_t n, size_t size)
{
	size_t total;

	return __builtin_mul_overflow(n, size, &total) ? NULL : malloc(total);
}

void __init free(void *p)
{
}

void __init abort(void)
{
	panic("The library that unpacks dom0's kernel gave up or overran its stack");
}

/*
 * Formats of zstd before 0.8, which no kernel was ever packed with: answering for them keeps three
 * old decoders out of the image. Contexts cannot be made; sizes are the error (size_t)-1.
 */
#define RETURNS(name, value) u64 name(void); u64 __init name(void) { return (value); }
#define NO_SIZE(name) \
	void name(const void *src, size_t n, size_t *packed, unsigned long long *unpacked); \
	void __init name(const void *src, size_t n, size_t *packed, unsigned long long *unpacked) \
	{ \
		*packed = *unpacked = ~0UL; \
	}
#define NO_FORMAT(v) \
	RETURNS(ZSTD##v##_createDCtx, 0) RETURNS(ZBUFF##v##_createDCtx, 0) \
	RETURNS(ZSTD##v##_freeDCtx, ~0UL) RETURNS(ZBUFF##v##_freeDCtx, ~0UL) \
	RETURNS(ZSTD##v##_decompress_usingDict, ~0UL) RETURNS(ZSTD##v##_getFrameParams, ~0UL) \
	RETURNS(ZBUFF##v##_decompressContinue, ~0UL) \
	RETURNS(ZBUFF##v##_decompressInitDictionary, ~0UL) \
	NO_SIZE(ZSTD##v##_findFrameSizeInfoLegacy)
NO_FORMAT(v05)
NO_FORMAT(v06)
NO_FORMAT(v07)

/* zstd's trace hooks: weak references, which the linker cannot resolve to 0 at our address. */
RETURNS(ZSTD_trace_decompress_begin, 0)		/* 0: do not trace */
RETURNS(ZSTD_trace_decompress_end, 0)

static int call_on_stack(int (*fn)(void *), void *arg, void *top)
{
	int ret;

	__asm__ __volatile__("mov %%rsp, %%rbx\n"
			     "mov %2, %%rsp\n"
			     "call *%1\n"
			     "mov %%rbx, %%rsp\n"
			     : "=a"(ret), "+r"(fn), "+r"(top), "+D"(arg)
			     : : "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "memory", "cc");
	return ret;
}

int __init declib_run(int (*fn)(void *arg), void *arg, size_t arena_size)
{
	/* the stack, one page for the thread area, the arena */
	unsigned int order = order_of(STACK_SIZE + PAGE_SIZE + arena_size);
	u64 cr0 = read_cr0();
	struct cpu_info *info;
	u8 *block;
	int rc;

	block = alloc_hv_pages(order);
	if (!block)
		return -ENOMEM;
	info = (struct cpu_info *)(block + STACK_SIZE) - 1;
	*info = *get_cpu_info();
	arena_next = block + STACK_SIZE + PAGE_SIZE;
	arena_end = block + (PAGE_SIZE << order);
	write_cr0(cr0 & ~(X86_CR0_EM | X86_CR0_TS));
	wrmsr(MSR_FS_BASE, (u64)(block + STACK_SIZE));
	rc = call_on_stack(fn, arg, (void *)((u64)info & ~15UL));
	wrmsr(MSR_FS_BASE, 0);
	write_cr0(cr0);
	free_hv_pages(block, order);
	return rc;
}
