/* SPDX-License-Identifier: MIT */
/*
 * A home for the decompression libraries.
 *
 * Job:    what Debian's static zlib, liblzma, libzstd and liblz4 expect of a C library, while they
 *         unpack dom0's kernel: memory, a stack, SSE, a stack-protector cookie at %fs:0x28.
 * Enter:  declib_run() from control/unpack.c, at boot, interrupts off.
 * State:  arena_next, arena_end: the memory of the running call.
 * Locks:  none: boot runs alone.
 * Holds:  DL1  the libraries' stack block has the shape of a CPU's own (cpu_info at its top), so
 *              that a fault in them is reported like any other.
 *         DL2  nothing of this, nor the libraries, is reachable once boot has dropped init memory.
 * Tests:  tests/linux (every kernel)
 */
#include <hv/arch.h>
#include <hv/debug.h>
#include <hv/errno.h>
#include <hv/page_alloc.h>
#include <hv/string.h>
#include <hv/unpack.h>

#define MSR_FS_BASE 0xc0000100
#define CR0_EM 0x04UL
#define CR0_TS 0x08UL
#define CR4_SSE 0x600UL			/* OSFXSR, OSXMMEXCPT */

static u8 *arena_next, *arena_end;

/* --- what the libraries call --- */

void *malloc(size_t size);
void *calloc(size_t n, size_t size);
void free(void *p);
void abort(void) __noreturn;
void __stack_chk_fail(void) __noreturn;

/* The arena lives for one call of declib_run() and is sized for it, so free() has nothing to do. */
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
	void *p = __builtin_mul_overflow(n, size, &total) ? NULL : malloc(total);

	return p ? memset(p, 0, total) : NULL;
}

void __init free(void *p)
{
}

void __init abort(void)
{
	panic("The library that unpacks dom0's kernel gave up");
}

void __init __stack_chk_fail(void)
{
	panic("The library that unpacks dom0's kernel overran its stack");
}

/*
 * Formats of zstd before 0.8, which no kernel was ever packed with: answering for them keeps three
 * old decoders out of the image. Contexts cannot be made; sizes are the error (size_t)-1.
 */
#define NO_CONTEXT(name) void *name(void); void __init *name(void) { return NULL; }
#define NO_RESULT(name) size_t name(void); size_t __init name(void) { return ~0UL; }
#define NO_SIZE(name) \
	void name(const void *src, size_t n, size_t *packed, unsigned long long *unpacked); \
	void __init name(const void *src, size_t n, size_t *packed, unsigned long long *unpacked) \
	{ \
		*packed = ~0UL; \
		*unpacked = ~0ULL; \
	}
#define NO_FORMAT(v) \
	NO_CONTEXT(ZSTD##v##_createDCtx) NO_CONTEXT(ZBUFF##v##_createDCtx) \
	NO_RESULT(ZSTD##v##_freeDCtx) NO_RESULT(ZBUFF##v##_freeDCtx) \
	NO_RESULT(ZSTD##v##_decompress_usingDict) NO_RESULT(ZSTD##v##_getFrameParams) \
	NO_RESULT(ZBUFF##v##_decompressContinue) NO_RESULT(ZBUFF##v##_decompressInitDictionary) \
	NO_SIZE(ZSTD##v##_findFrameSizeInfoLegacy)
NO_FORMAT(v05)
NO_FORMAT(v06)
NO_FORMAT(v07)

/* zstd's trace hooks: weak references, which the linker cannot resolve to 0 at our address. */
unsigned long long ZSTD_trace_decompress_begin(const void *ctx);
void ZSTD_trace_decompress_end(unsigned long long trace, const void *what);

unsigned long long __init ZSTD_trace_decompress_begin(const void *ctx)
{
	return 0;			/* do not trace */
}

void __init ZSTD_trace_decompress_end(unsigned long long trace, const void *what)
{
}

/* --- the call --- */

static u64 read_cr0(void)
{
	u64 v;

	__asm__ __volatile__("mov %%cr0, %0" : "=r"(v));
	return v;
}

static u64 read_cr4(void)
{
	u64 v;

	__asm__ __volatile__("mov %%cr4, %0" : "=r"(v));
	return v;
}

static void write_cr0(u64 v)
{
	__asm__ __volatile__("mov %0, %%cr0" : : "r"(v) : "memory");
}

static void write_cr4(u64 v)
{
	__asm__ __volatile__("mov %0, %%cr4" : : "r"(v) : "memory");
}

static void write_fs_base(u64 v)
{
	__asm__ __volatile__("wrmsr" : : "c"(MSR_FS_BASE), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}

static int call_on_stack(int (*fn)(void *), void *arg, void *top)
{
	long ret;

	__asm__ __volatile__("mov %%rsp, %%rbx\n"
			     "mov %2, %%rsp\n"
			     "call *%1\n"
			     "mov %%rbx, %%rsp\n"
			     : "=a"(ret), "+r"(fn), "+r"(top), "+D"(arg)
			     : : "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "memory", "cc");
	return (int)ret;
}

int __init declib_run(int (*fn)(void *arg), void *arg, size_t arena_size)
{
	u64 cr0 = read_cr0(), cr4 = read_cr4();
	struct page_info *pg;
	unsigned int order = 0;
	struct cpu_info *info;
	u8 *block;
	int rc;

	/* the stack, one page for the thread area, the arena */
	arena_size += STACK_SIZE + PAGE_SIZE;
	while (PAGE_SIZE << order < arena_size)
		order++;
	pg = order <= MAX_ORDER ? alloc_pages(order, 0, 0) : NULL;
	if (!pg)
		return -ENOMEM;
	block = mfn_to_virt(page_to_mfn(pg));
	info = (struct cpu_info *)(block + STACK_SIZE) - 1;
	*info = *get_cpu_info();
	memset(block + STACK_SIZE, 0, PAGE_SIZE);
	arena_next = block + STACK_SIZE + PAGE_SIZE;
	arena_end = block + (PAGE_SIZE << order);

	write_cr4(cr4 | CR4_SSE);
	write_cr0(cr0 & ~(CR0_EM | CR0_TS));
	write_fs_base((u64)(block + STACK_SIZE));
	rc = call_on_stack(fn, arg, (void *)((u64)info & ~15UL));
	write_fs_base(0);
	write_cr0(cr0);
	write_cr4(cr4);
	arena_next = arena_end = NULL;
	free_pages(pg, order);
	return rc;
}
