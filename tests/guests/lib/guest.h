/* SPDX-License-Identifier: MIT */
/*
 * guest.h: all that a bare-metal PV test guest has.
 *
 * Job:   hypercalls, console, checks and the result line, traps, memory, events, time, vCPUs, user
 *        mode. A test is one file with test_main(); it makes a claim about the hypervisor, checks it
 *        with CHECK/CHECK_EQ (go on after a failure) or REQUIRE (do not), and returns.
 * Holds: the guest runs as dom0 in its initial mapping: va = VIRT_BASE + pfn * 4096. Events are
 *        masked unless a test unmasks them. Stacks are 32 KiB, aligned, their lowest word points to
 *        their struct vcpu.
 */
#ifndef GUEST_H
#define GUEST_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "xen.h"
#include "errno.h"
#include "callback.h"
#include "event_channel.h"
#include "memory.h"
#include "physdev.h"
#include "sched.h"
#include "vcpu.h"
#include "version.h"
#include "features.h"
#include "parapet.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define PAGE_SIZE	4096ul
#define PAGE_MASK	(~(PAGE_SIZE - 1))
#define VIRT_BASE	0xffffffff80000000ul
#define STACK_SIZE	32768ul
#define MAX_VCPUS	8
#define __aligned(n)	__attribute__((aligned(n)))
#define noinline	__attribute__((noinline))
#define noreturn	__attribute__((noreturn))
#define barrier()	asm volatile("" ::: "memory")
#define READ_ONCE(x)	(*(volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile typeof(x) *)&(x) = (v))

/* The hypervisor's own, in every layout: reads of the M2P below it are no secret. */
#define HV_PRIVATE	(HYPERVISOR_VIRT_START + (6ul << 39))

#define KERNEL_CS	0xe030u		/* RPL 0 in a frame means: guest kernel */
#define KERNEL_SS	0xe02bu
#define USER_CS		0xe033u
#define USER_CS32	0xe023u
#define USER_SS		0xe02bu

#define X86_EFLAGS_TF	0x100ul
#define X86_EFLAGS_IF	0x200ul
#define X86_EFLAGS_DF	0x400ul
#define X86_EFLAGS_IOPL	0x3000ul
#define X86_EFLAGS_NT	0x4000ul
#define X86_EFLAGS_RF	0x10000ul
#define X86_EFLAGS_VM	0x20000ul
#define X86_EFLAGS_AC	0x40000ul

enum { X86_DE, X86_DB, X86_NMI, X86_BP, X86_OF, X86_BR, X86_UD, X86_NM, X86_DF, X86_TS = 10,
	X86_NP, X86_SS, X86_GP, X86_PF, X86_MF = 16, X86_AC, X86_MC, X86_XM };
#define VEC_SYSCALL	0x100
#define VEC_FAILSAFE	0x101
#define VEC_EVENT	0x102
#define VEC_USER_EXIT	0x80		/* int $0x80 ends user_run() */

/* ---- hypercalls --------------------------------------------------------------------------- */

extern u8 hypercall_page[4096];

static inline long hypercall5(unsigned int nr, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	register u64 r10 asm("r10") = a4;
	register u64 r8 asm("r8") = a5;
	long ret = (long)(hypercall_page + nr * 32);

	asm volatile("call *%%rax"
		     : "+a"(ret), "+D"(a1), "+S"(a2), "+d"(a3), "+r"(r10), "+r"(r8)
		     :: "rcx", "r11", "r9", "memory");
	return ret;
}

/* By SYSCALL, not by the page: the number may be anything. */
static inline long hypercall_raw(u64 nr, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	register u64 r10 asm("r10") = a4;
	register u64 r8 asm("r8") = a5;

	asm volatile("syscall"
		     : "+a"(nr), "+D"(a1), "+S"(a2), "+d"(a3), "+r"(r10), "+r"(r8)
		     :: "rcx", "r11", "r9", "memory");
	return (long)nr;
}

#define HC_1(n, a)		hypercall5((n), (u64)(a), 0, 0, 0, 0)
#define HC_2(n, a, b)		hypercall5((n), (u64)(a), (u64)(b), 0, 0, 0)
#define HC_3(n, a, b, c)	hypercall5((n), (u64)(a), (u64)(b), (u64)(c), 0, 0)
#define HC_4(n, a, b, c, d)	hypercall5((n), (u64)(a), (u64)(b), (u64)(c), (u64)(d), 0)

static inline long hc_set_trap_table(const struct trap_info *t)
	{ return HC_1(__HYPERVISOR_set_trap_table, t); }
static inline long hc_mmu_update(const struct mmu_update *u, unsigned int n, unsigned int *done,
				 unsigned int dom)
	{ return HC_4(__HYPERVISOR_mmu_update, u, n, done, dom); }
static inline long hc_set_gdt(const u64 *mfns, unsigned int ents)
	{ return HC_2(__HYPERVISOR_set_gdt, mfns, ents); }
static inline long hc_stack_switch(u64 ss, u64 sp)
	{ return HC_2(__HYPERVISOR_stack_switch, ss, sp); }
static inline long hc_fpu_taskswitch(int set)
	{ return HC_1(__HYPERVISOR_fpu_taskswitch, set); }
static inline long hc_set_debugreg(unsigned int r, u64 v)
	{ return HC_2(__HYPERVISOR_set_debugreg, r, v); }
static inline long hc_get_debugreg(unsigned int r)
	{ return HC_1(__HYPERVISOR_get_debugreg, r); }
static inline long hc_update_descriptor(u64 maddr, u64 desc)
	{ return HC_2(__HYPERVISOR_update_descriptor, maddr, desc); }
static inline long hc_memory_op(unsigned int cmd, void *arg)
	{ return HC_2(__HYPERVISOR_memory_op, cmd, arg); }
static inline long hc_multicall(struct multicall_entry *list, unsigned int n)
	{ return HC_2(__HYPERVISOR_multicall, list, n); }
static inline long hc_update_va_mapping(u64 va, u64 pte, u64 flags)
	{ return HC_3(__HYPERVISOR_update_va_mapping, va, pte, flags); }
static inline long hc_set_timer_op(u64 t)
	{ return HC_1(__HYPERVISOR_set_timer_op, t); }
static inline long hc_xen_version(unsigned int cmd, void *arg)
	{ return HC_2(__HYPERVISOR_xen_version, cmd, arg); }
static inline long hc_console_io(unsigned int cmd, unsigned int n, const void *buf)
	{ return HC_3(__HYPERVISOR_console_io, cmd, n, buf); }
static inline long hc_vm_assist(unsigned int cmd, unsigned int type)
	{ return HC_2(__HYPERVISOR_vm_assist, cmd, type); }
static inline long hc_vcpu_op(unsigned int cmd, unsigned int vcpu, void *arg)
	{ return HC_3(__HYPERVISOR_vcpu_op, cmd, vcpu, arg); }
static inline long hc_set_segment_base(unsigned int which, u64 base)
	{ return HC_2(__HYPERVISOR_set_segment_base, which, base); }
static inline long hc_mmuext_op(const struct mmuext_op *op, unsigned int n, unsigned int *done,
				unsigned int dom)
	{ return HC_4(__HYPERVISOR_mmuext_op, op, n, done, dom); }
static inline long hc_sched_op(unsigned int cmd, void *arg)
	{ return HC_2(__HYPERVISOR_sched_op, cmd, arg); }
static inline long hc_callback_op(unsigned int cmd, void *arg)
	{ return HC_2(__HYPERVISOR_callback_op, cmd, arg); }
static inline long hc_evtchn_op(unsigned int cmd, void *arg)
	{ return HC_2(__HYPERVISOR_event_channel_op, cmd, arg); }
static inline long hc_physdev_op(unsigned int cmd, void *arg)
	{ return HC_2(__HYPERVISOR_physdev_op, cmd, arg); }

/* ---- console, checks, result (core.c) ------------------------------------------------------ */

extern struct start_info *si;
extern struct shared_info *shared;
extern const char test_name[];		/* from the build: the file's name */
void test_main(void);

void printk(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int snprintf(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* End the run with a result line; the first failure noted by CHECK makes a PASS a FAIL. */
void test_end(const char *result, const char *fmt, ...) __attribute__((format(printf, 2, 3)))
	noreturn;
#define test_skip(...)	test_end("SKIP", __VA_ARGS__)
#define test_error(...)	test_end("ERROR", __VA_ARGS__)
#define test_fail(...)	test_end("FAIL", __VA_ARGS__)
void check_failed(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void power_off(unsigned int reason) noreturn;
u64 test_arg(const char *name, u64 otherwise);	/* name=NUMBER on the command line */

#define CHECK(cond, ...) ({						\
	bool _ok = !!(cond);						\
	if (!_ok)							\
		check_failed(__FILE__, __LINE__, __VA_ARGS__);		\
	_ok; })
#define REQUIRE(cond, ...) do { if (!(cond)) test_fail(__VA_ARGS__); } while (0)
#define CHECK_EQ(got, want) ({						\
	long _g = (long)(got), _w = (long)(want);			\
	if (_g != _w)							\
		check_failed(__FILE__, __LINE__, "%s = %ld (%#lx), not %s %ld (%#lx)", #got, _g,	\
			     (u64)_g, #want, _w, (u64)_w);		\
	_g == _w; })

bool on_parapet(void);
/* A check that real Xen (or Xen on this QEMU) is known to fail: only noted there. */
#define CHECK_NOT_XEN(cond, ...) do {					\
	if (!(cond)) {							\
		if (on_parapet())					\
			check_failed(__FILE__, __LINE__, __VA_ARGS__);	\
		else							\
			printk("  known of Xen: " __VA_ARGS__), printk("\n");	\
	}								\
} while (0)

void *memset(void *p, int c, size_t n);
void *memcpy(void *d, const void *s, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
u64 prng(u64 *state);

/* ---- traps (trap.c) ------------------------------------------------------------------------ */

/* What entry.S saves. From rax on: struct iret_context (err is its flags). */
struct regs {
	u64 r15, r14, r13, r12, rbp, rbx, r10, r9, r8, rdx, rsi, rdi;
	u64 rax, r11, rcx;
	u32 err, vec;
	u64 rip;
	u16 cs, pad0;
	u8 mask, pad1[3];		/* saved upcall mask */
	u64 rflags, rsp, ss;
};

struct vcpu {
	unsigned int id;
	struct vcpu_info *info;
	u64 *catch_rsp;			/* set: a trap ends try_call() */
	u64 user_rsp;
	struct regs trap;		/* the last trap that was caught */
	u64 trap_cr2;
	void (*start)(void *);		/* secondary: first function */
	void *start_arg;
	volatile u32 starts;
	u64 nr_upcalls;
};
extern struct vcpu vcpus[MAX_VCPUS];
extern u8 vcpu_stacks[MAX_VCPUS][STACK_SIZE];

static inline struct vcpu *this_vcpu(void)
{
	u64 sp;

	asm("mov %%rsp, %0" : "=r"(sp));
	return *(struct vcpu **)(sp & ~(STACK_SIZE - 1));
}

/* Run fn(arg). Result: the vector that ended it (this_vcpu()->trap has the frame), or -1. */
int try_call(void (*fn)(void *), void *arg);
/* Try one asm statement without operands. */
#define try_asm(text) ({						\
	void _f(void *_a __attribute__((unused))) { asm volatile(text ::: "memory", "cc"); }	\
	try_call(_f, NULL); })
/* CHECK that fn(arg) traps with vector and error code. */
#define expect_trap(vector, error, fn, arg) do {			\
	int _v = try_call(fn, arg);					\
	if (CHECK_EQ(_v, vector))					\
		CHECK_EQ(this_vcpu()->trap.err, error);			\
} while (0)

/* Called first on a trap of its vector; true: handled, go on with the (changed) regs. */
typedef bool trap_hook_t(struct regs *regs);
extern trap_hook_t *trap_hook[0x103];
extern u8 trap_stubs[], syscall_entry[], event_entry[], failsafe_entry[];
extern u64 failsafe_segs[4];		/* ds es fs gs of the last failsafe entry */
extern struct trap_info trap_table[257];
void install_traps(void);
static inline u64 trap_stub(unsigned int vec) { return (u64)trap_stubs + vec * 32; }
void set_callback(unsigned int type, void *entry, unsigned int flags);
void resume_regs(struct regs *regs) noreturn;

/* Event mask of this vCPU. */
static inline void events_mask(void) { WRITE_ONCE(this_vcpu()->info->evtchn_upcall_mask, 1); barrier(); }
void events_unmask(void);

/*
 * Run code in user mode on its own stack and page tables (same mappings of the image): the code ends
 * with int $0x80, its rax is the result. A trap that is not hooked, and was caught by try_call()
 * around user_run(), ends it too.
 */
u64 user_run(u64 rip, u64 arg);
u64 user_run_regs(struct regs *regs);	/* full control of the registers */
void user_regs(struct regs *regs, u64 rip, u64 arg);
void user_init(void);			/* user L4 in place (user_run does it) */
extern u64 *user_l4;

/* ---- memory (mm.c) ------------------------------------------------------------------------- */

#define PTE_P		0x001ul
#define PTE_RW		0x002ul
#define PTE_US		0x004ul
#define PTE_PWT		0x008ul
#define PTE_PCD		0x010ul
#define PTE_A		0x020ul
#define PTE_D		0x040ul
#define PTE_PS		0x080ul
#define PTE_G		0x100ul
#define PTE_AVAIL	0x200ul
#define PTE_NX		(1ul << 63)
#define PTE_ADDR	0x000ffffffffff000ul
#define PTE_KERN	(PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D)
#define PTE_TABLE	(PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D)

#define m2p		((const volatile u64 *)MACH2PHYS_VIRT_START)
static inline u64 *p2m_list(void) { return (u64 *)si->mfn_list; }
static inline u64 va_to_pfn(const volatile void *va) { return ((u64)va - VIRT_BASE) >> 12; }
static inline u64 va_to_mfn(const volatile void *va) { return p2m_list()[va_to_pfn(va)]; }
static inline u64 va_to_maddr(const volatile void *va)
	{ return va_to_mfn(va) << 12 | ((u64)va & 4095); }
static inline void *pfn_to_va(u64 pfn) { return (void *)(VIRT_BASE + (pfn << 12)); }
static inline void *mfn_to_va(u64 mfn) { return pfn_to_va(m2p[mfn]); }

void *alloc_pages(unsigned int n);	/* zeroed, mapped writable; the run ends when there are none */
static inline void *alloc_page(void) { return alloc_pages(1); }
void free_page(void *va);
u64 alloc_pfn(void);			/* a frame that the initial mapping does not have; 0: none */
u64 *root(void);			/* the kernel's L4 */
u64 *find_entry(u64 va, unsigned int level);	/* its entry at a level 1..4, NULL: no such table */
u64 entry_maddr(u64 va, unsigned int level);	/* machine address of it; 0: no such table */
u64 read_pte(u64 va);
static inline u64 pte_of(const volatile void *va) { return read_pte((u64)va); }
long write_entry(u64 maddr, u64 val);	/* mmu_update of one */
long set_ro(void *va);			/* update_va_mapping with INVLPG */
long set_rw(void *va);
/* Tables for va down to level 1 in the kernel's tree, so that update_va_mapping works on it. */
void make_tables(u64 va);
long mmuext(unsigned int cmd, u64 arg1, u64 arg2);
static inline long pin(unsigned int level, void *table)
	{ return mmuext(MMUEXT_PIN_L1_TABLE + level - 1, va_to_mfn(table), 0); }
static inline long unpin(void *table) { return mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(table), 0); }

/* ---- events and time (event.c) ------------------------------------------------------------- */

typedef void evt_handler_t(unsigned int port);
extern evt_handler_t *evt_handler[EVTCHN_2L_NR_CHANNELS];
extern volatile u32 evt_count[EVTCHN_2L_NR_CHANNELS];	/* upcalls per port */
void scan_events(struct vcpu *v);	/* what the upcall does */
long evt_alloc_unbound(unsigned int remote);		/* these: port or -errno */
long evt_bind_interdomain(unsigned int dom, unsigned int port);
long evt_bind_virq(unsigned int virq, unsigned int vcpu);
long evt_bind_ipi(unsigned int vcpu);
long evt_close(unsigned int port);
long evt_send(unsigned int port);
long evt_unmask(unsigned int port);			/* the hypercall */
bool evt_pending(unsigned int port);
bool evt_masked(unsigned int port);
void evt_set_mask(unsigned int port, bool masked);	/* plain bit operation */
void evt_clear(unsigned int port);

u64 rdtsc(void);
u64 time_of(const volatile struct vcpu_time_info *t);
u64 system_time(void);			/* ns */
void spin_ns(u64 ns);
/* Poll until cond or ms milliseconds are over; value of cond. */
#define wait_for(cond, ms) ({						\
	u64 _end = system_time() + (u64)(ms) * 1000000;			\
	bool _c;							\
	while (!(_c = !!(cond)) && system_time() < _end)		\
		asm volatile("pause" ::: "memory");			\
	_c; })

/* ---- vCPUs (smp.c) ------------------------------------------------------------------------- */

unsigned int nr_vcpus(void);		/* possible, at most MAX_VCPUS */
long vcpu_init_context(unsigned int id);	/* VCPUOP_initialise with a fair context */
void vcpu_fill_context(struct vcpu_guest_context *c, unsigned int id);
/* Start vCPU id at fn(arg) on its stack and wait until it runs. fn may return: the vCPU goes down. */
void vcpu_start(unsigned int id, void (*fn)(void *), void *arg);

/* ---- ring 1 (ring1.c); a test runs in ring 1 if its command line has ring1=1 ---------------- */

struct ring1_page {
	struct vcpu_info info;
	u64 user_rsp, exit_rdi, exit_iret, exit_end, nmi_sp, nmi_busy, reserved[2];
	u64 stack;			/* of entries from ring 3: what stack_switch is elsewhere */
	u64 masked;			/* X86_EFLAGS_IF: lib's frames from ring 3 show it clear */
	u64 words[494];			/* the test's; the last 32 are the entry stack */
};
extern struct ring1_page ring1_pages[MAX_VCPUS];
extern bool ring1_mode;
void ring1_enter(void);
void ring1_install_traps(void);
void ring1_user_regs(struct regs *regs);
/* PARAPET_RING1_SWITCH: the table mfn becomes the root. */
static inline long ring1_switch(u64 mfn)
{
	return hypercall_raw(__HYPERVISOR_ring1, PARAPET_RING1_SWITCH, mfn, 0, 0, 0);
}
static inline u64 ring1_low(const volatile void *va) { return (u64)va & 0x7ffffffffffful; }

/* ---- instructions -------------------------------------------------------------------------- */

static inline void cpuid_raw(u32 leaf, u32 sub, u32 r[4])
{
	asm volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "0"(leaf), "2"(sub));
}
/* With the forced-emulation prefix: the hypervisor's answer. */
static inline void cpuid_pv(u32 leaf, u32 sub, u32 r[4])
{
	asm volatile("ud2a; .ascii \"xen\"; cpuid"
		     : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "0"(leaf), "2"(sub));
}
static inline u64 read_flags(void)
{
	u64 f;

	asm volatile("pushf; pop %0" : "=r"(f));
	return f;
}

#endif
