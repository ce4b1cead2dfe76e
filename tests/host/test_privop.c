/* SPDX-License-Identifier: MIT */
/*
 * pv/privop.c: privileged instructions and port I/O, with recording neighbours.
 */
#include "host.h"
#include <hv/domain.h>
#include <hv/irq.h>
#include <hv/pv.h>
#include <hv/regs.h>

static struct domain *d;
static struct vcpu *v;
static struct cpu_user_regs regs;
static u8 *page;			/* two pages at HOST_CODE; the second may be unmapped */
#define HOST_CODE 0x400000UL

/* --- neighbours --- */

static struct { int traps, faults, vector; u64 cr2; u32 error; } bounced;
static struct { int n, writes; u16 port; unsigned int size; u32 val; } io;
static struct { int n; u8 bus, devfn; u16 reg; unsigned int size; u32 val; bool write; } pci;
static int blocked, cache_flushes, msr_error;
static u64 xcr0, msr_val;
static u32 msr_nr;

void bounce_trap(struct vcpu *t, struct cpu_user_regs *r, unsigned int vector, bool has_error,
		 u32 error)
{
	bounced.traps++;
	bounced.vector = vector;
}

void bounce_page_fault(struct vcpu *t, struct cpu_user_regs *r, u64 cr2, u32 error)
{
	bounced.faults++;
	bounced.cr2 = cr2;
	bounced.error = error;
}

u32 arch_io_read(u16 port, unsigned int size)
{
	io.n++;
	io.port = port;
	io.size = size;
	return 0x8899aabb;
}

void arch_io_write(u16 port, unsigned int size, u32 val)
{
	io.writes++;
	io.port = port;
	io.size = size;
	io.val = val;
}

u32 pci_conf_read(u16 seg, u8 bus, u8 devfn, u8 reg, unsigned int size)
{
	pci.n++;
	pci.bus = bus;
	pci.devfn = devfn;
	pci.reg = reg;
	pci.size = size;
	pci.write = false;
	return 0x12345678;
}

void pci_conf_write(u16 seg, u8 bus, u8 devfn, u8 reg, unsigned int size, u32 val)
{
	pci_conf_read(seg, bus, devfn, reg, size);
	pci.write = true;
	pci.val = val;
}

void sched_block(void)
{
	blocked++;
}

void flush_cache(bool all)
{
	cache_flushes++;
}

int arch_set_xcr0(struct vcpu *t, u64 val)
{
	xcr0 = val;
	return val & 1 ? 0 : -EINVAL;
}

int guest_rdmsr(struct vcpu *t, u32 msr, u64 *val)
{
	msr_nr = msr;
	*val = msr_val;
	return msr_error;
}

int guest_wrmsr(struct vcpu *t, u32 msr, u64 val)
{
	msr_nr = msr;
	msr_val = val;
	return msr_error;
}

void guest_cpuid(const struct vcpu *t, u32 leaf, u32 sub, struct cpuid_leaf *out)
{
	*out = (struct cpuid_leaf){ leaf, sub, 3, 4 };
}

static int root_rc;
static u64 root_mfn;
int set_kernel_root(struct vcpu *t, mfn_t mfn)
{
	root_mfn = mfn_x(mfn);
	return root_rc;
}

/* --- set-up --- */

static int setup(void **state)
{
	host_init(16, 1);
	d = host_domain(0, 2);
	d->is_hardware = d->is_privileged = true;
	v = d->vcpu[0];
	host_set_current(v);
	page = calloc(2, PAGE_SIZE);
	host_map_flat(HOST_CODE, page, PAGE_SIZE, true);
	regs = (struct cpu_user_regs){ .rip = HOST_CODE, .cs = GUEST_CS64, .rflags = 2 };
	memset(&bounced, 0, sizeof(bounced));
	memset(&io, 0, sizeof(io));
	memset(&pci, 0, sizeof(pci));
	blocked = cache_flushes = msr_error = root_rc = 0;
	return 0;
}

static int teardown(void **state)
{
	host_domain_free(d);
	free(page);
	return 0;
}

static bool run(const char *bytes, unsigned int n)
{
	memcpy(page, bytes, n);
	regs.rip = HOST_CODE;
	return emulate_privop(v, &regs);
}
#define RUN(b) run(b, sizeof(b) - 1)
#define DONE(b) do { \
	assert_true(RUN(b)); \
	assert_int_equal(regs.rip, HOST_CODE + sizeof(b) - 1); \
} while (0)
#define REFUSED(b) do { \
	struct cpu_user_regs before; \
	regs.rip = HOST_CODE; \
	before = regs; \
	assert_false(RUN(b)); \
	assert_memory_equal(&before, &regs, sizeof(regs)); \
} while (0)

/* --- tests --- */

static void test_control_registers(void **state)
{
	DONE("\x0f\x20\xc0");				/* mov %cr0,%rax */
	assert_int_equal(regs.rax, 0x80050033);
	regs.rax |= X86_CR0_TS;
	DONE("\x0f\x22\xc0");
	assert_true(v->pv.ts);
	DONE("\x0f\x20\xc3");
	assert_int_equal(regs.rbx, 0x8005003b);
	DONE("\x0f\x06");				/* clts */
	assert_false(v->pv.ts);
	regs.rax &= ~X86_CR0_PG;
	REFUSED("\x0f\x22\xc0");

	v->vcpu_info->arch.cr2 = 0x1234;
	DONE("\x0f\x20\xd1");				/* mov %cr2,%rcx */
	assert_int_equal(regs.rcx, 0x1234);
	regs.rcx = 0x99;
	DONE("\x0f\x22\xd1");
	assert_int_equal(v->vcpu_info->arch.cr2, 0x99);

	v->pv.root_kernel = _mfn(7);
	DONE("\x0f\x20\xd8");				/* mov %cr3,%rax */
	assert_int_equal(regs.rax, 0x7000);
	regs.rax = 0x5000;
	DONE("\x0f\x22\xd8");
	assert_int_equal(root_mfn, 5);
	assert_int_equal(host_log.local_flushes, 1);
	root_rc = -EINVAL;
	REFUSED("\x0f\x22\xd8");
	regs.rax = 0x5001;
	REFUSED("\x0f\x22\xd8");
	regs.rax = 0x5000;
	root_rc = -ERESTART;
	assert_true(RUN("\x0f\x22\xd8"));
	assert_int_equal(regs.rip, HOST_CODE);		/* runs again */

	regs.rdi = 0x50660;
	DONE("\x0f\x22\xe7");				/* mov %rdi,%cr4 */
	DONE("\x0f\x20\xe6");
	assert_int_equal(regs.rsi, 0x50660);
	regs.rdi = 0;					/* what is not the guest's stays */
	DONE("\x0f\x22\xe7");
	DONE("\x0f\x20\xe6");
	assert_int_equal(regs.rsi, 0x660);
	REFUSED("\x44\x0f\x20\xc0");			/* cr8 */
	regs.rbx = 0xa;
	DONE("\x0f\x01\xf3");				/* lmsw %bx: MP TS; PE stays */
	assert_true(v->pv.ts);
	DONE("\x0f\x01\xe0");				/* smsw %eax */
	assert_int_equal(regs.rax & 0xffff, 0x3b);
}

/* Everything that ring 0 only may do is refused in guest user mode. */
static void test_user_mode(void **state)
{
	v->pv.in_kernel = 0;
	v->pv.iopl = 1;
	REFUSED("\xfa");
	REFUSED("\xfb");
	REFUSED("\xf4");
	REFUSED("\x0f\x06");
	REFUSED("\x0f\x08");
	REFUSED("\x0f\x09");
	REFUSED("\x0f\x20\xc0");
	REFUSED("\x0f\x22\xc0");
	REFUSED("\x0f\x21\xc0");
	REFUSED("\x0f\x23\xc0");
	REFUSED("\x0f\x30");
	REFUSED("\x0f\x32");
	REFUSED("\x0f\x33");
	REFUSED("\x0f\x01\xd1");
	REFUSED("\x0f\x01\x3b");
	REFUSED("\x0f\x01\xf0");
	REFUSED("\xec");
	assert_int_equal(blocked + cache_flushes + (int)host_log.va_flushes, 0);
	DONE("\x0f\x31");
	DONE("\x0f\xa2");
	v->pv.iopl = 3;
	DONE("\xfa");
	DONE("\xec");
}

static void test_kernel_instructions(void **state)
{
	DONE("\xfa");
	DONE("\xfb");
	v->vcpu_info->evtchn_upcall_mask = 1;
	DONE("\xf4");
	assert_int_equal(blocked, 1);
	assert_int_equal(v->vcpu_info->evtchn_upcall_mask, 0);
	DONE("\x0f\x09");
	assert_int_equal(cache_flushes, 1);
	d->is_hardware = false;
	DONE("\x0f\x09");
	assert_int_equal(cache_flushes, 1);
	regs.rbx = 0x7000;
	DONE("\x0f\x01\x3b");
	assert_int_equal(host_log.va_flushes, 1);
	regs.rbx = HV_VIRT_START + 5;
	DONE("\x0f\x01\x3b");
	assert_int_equal(host_log.va_flushes, 1);

	regs.rcx = 0xc0000103;		/* segment bases do not go through guest_rdmsr() */
	msr_val = 0x1122334455667788;
	DONE("\x0f\x32");
	assert_int_equal(regs.rax, 0x55667788);
	assert_int_equal(regs.rdx, 0x11223344);
	regs.rax = 0xffffffff00000001;
	regs.rdx = 2;
	DONE("\x0f\x30");
	assert_int_equal(msr_val, 0x200000001);
	msr_error = -EACCES;
	REFUSED("\x0f\x30");
	REFUSED("\x0f\x32");
	REFUSED("\x0f\x33");

	regs.rcx = 0;
	regs.rax = 7;
	regs.rdx = 0;
	DONE("\x0f\x01\xd1");
	assert_int_equal(xcr0, 7);
	regs.rcx = 1;
	REFUSED("\x0f\x01\xd1");
	REFUSED("\x0f\x01\x13");			/* lgdt */
	REFUSED("\x0f\x01\x1b");
	REFUSED("\x0f\x00\xd0");			/* lldt */
	REFUSED("\x0f\x00\xd8");			/* ltr */
	REFUSED("\x48\x89\x07");			/* a store is no privileged instruction */

	regs.rax = 0x1000;
	DONE("\x0f\x23\xc0");				/* mov %rax,%dr0 */
	DONE("\x0f\x21\xc3");
	assert_int_equal(regs.rbx, 0x1000);
	regs.rax = HV_VIRT_START;
	REFUSED("\x0f\x23\xc0");
	REFUSED("\x0f\x21\xe0");			/* dr4 */
}

static void test_single_step(void **state)
{
	regs.rflags |= X86_RFLAGS_TF | X86_RFLAGS_RF;
	DONE("\xfa");
	assert_int_equal(bounced.traps, 1);
	assert_int_equal(bounced.vector, 1);
	assert_int_equal(v->pv.dr[6], BIT(14));
	assert_false(regs.rflags & X86_RFLAGS_RF);
}

static void test_fetch_fault(void **state)
{
	page[PAGE_SIZE - 1] = 0x0f;
	regs.rip = HOST_CODE + PAGE_SIZE - 1;
	assert_true(emulate_privop(v, &regs));
	assert_int_equal(bounced.faults, 1);
	assert_int_equal(bounced.cr2, HOST_CODE + PAGE_SIZE);
	assert_int_equal(bounced.error, PFEC_I);
	assert_int_equal(regs.rip, HOST_CODE + PAGE_SIZE - 1);
}

static void test_forced_cpuid(void **state)
{
	static const char code[] = "\x0f\x0b" "xen\x0f\xa2";
	unsigned int at;

	v->pv.in_kernel = 0;
	memcpy(page, code, 7);
	regs.rax = 0xffffffff00000001;
	regs.rcx = 5;
	assert_true(emulate_forced(v, &regs));
	assert_int_equal(regs.rip, HOST_CODE + 7);
	assert_int_equal(regs.rax, 1);
	assert_int_equal(regs.rbx, 5);
	assert_int_equal(regs.rdx, 4);
	page[6] = 0xa3;
	regs.rip = HOST_CODE;
	assert_false(emulate_forced(v, &regs));
	/* a UD2 that ends with its page is just that; a prefix that goes on faults */
	memcpy(page + PAGE_SIZE - 2, code, 2);
	page[PAGE_SIZE - 1] = 0xcc;
	regs.rip = HOST_CODE + PAGE_SIZE - 2;
	assert_false(emulate_forced(v, &regs));
	for (at = 1; at < 7; at++) {
		memcpy(page + PAGE_SIZE - at, code, at);
		regs.rip = HOST_CODE + PAGE_SIZE - at;
		bounced.faults = 0;
		assert_true(emulate_forced(v, &regs));
		assert_int_equal(bounced.faults, 1);
		assert_int_equal(bounced.cr2, HOST_CODE + PAGE_SIZE);
	}
	regs.rip = M2P_VIRT_START;
	assert_false(emulate_forced(v, &regs));
}

static void test_port_permission(void **state)
{
	u64 map = host_arg(NULL, 8192);
	u8 *bits = host_arg_ptr(map);

	regs.rdx = 0x60;
	REFUSED("\xec");				/* virtual IOPL 0 */
	v->pv.iopl = 1;
	DONE("\xec");
	assert_int_equal(io.n, 1);
	v->pv.in_kernel = 0;
	REFUSED("\xec");
	/* by bitmap: set means denied */
	v->pv.iobmp = map;
	v->pv.iobmp_limit = 0x70;
	DONE("\xec");
	assert_int_equal(v->pv.in_kernel, 0);
	bits[0x61 / 8] = 1 << 1;
	DONE("\xec");
	REFUSED("\x66\xed");				/* 60-61 */
	regs.rdx = 0x6f;
	DONE("\xec");
	REFUSED("\x66\xed");				/* 70 is beyond the limit */
	v->pv.iobmp = 0xdead0000;
	REFUSED("\xec");
}

static void test_port_policy(void **state)
{
	v->pv.iopl = 1;
	regs.rdx = 0x3e8;
	DONE("\xed");
	assert_int_equal(regs.rax, 0x8899aabb);
	assert_int_equal(io.size, 4);
	regs.rax = -1UL;
	DONE("\x66\xed");
	assert_int_equal(regs.rax, 0xffffffffffffaabb);
	regs.rax = -1UL;
	DONE("\xec");
	assert_int_equal(regs.rax, 0xffffffffffffffbb);
	/* 8259: ones, and nothing is written */
	io.writes = 0;
	regs.rax = 0;
	DONE("\xe4\x21");
	assert_int_equal(regs.rax, 0xff);
	DONE("\xe6\x20");
	/* our UART; a wide access that only touches it */
	regs.rdx = 0x3f8;
	regs.rax = 0;
	DONE("\xec");
	assert_int_equal(regs.rax, 0xff);
	DONE("\xee");
	assert_int_equal(io.writes, 0);
	regs.rdx = 0x3f6;
	DONE("\xef");
	assert_int_equal(io.writes, 2);			/* 3f6 and 3f7 */
	assert_int_equal(io.port, 0x3f7);
	/* PIT: channel 2 only */
	io.writes = 0;
	regs.rax = 0x34;
	DONE("\xe6\x43");
	DONE("\xe6\x40");
	assert_int_equal(io.writes, 0);
	regs.rax = 0xb6;
	DONE("\xe6\x43");
	DONE("\xe6\x42");
	assert_int_equal(io.writes, 2);
	/* port 61: speaker bits; the NMI enables are what they were */
	regs.rax = 0xff;
	DONE("\xe6\x61");
	assert_int_equal(io.val, 0x0b);
	io.n = 0;
	/* the end of the space */
	regs.rdx = 0xffff;
	DONE("\xed");
	assert_int_equal(io.n, 0);
	/* a domain without devices */
	d->is_hardware = false;
	regs.rdx = 0x3e8;
	DONE("\xed");
	assert_int_equal(regs.rax, 0xffffffff);
	DONE("\xef");
	assert_int_equal(io.n, 0);
}

static void test_cmos_and_pci(void **state)
{
	v->pv.iopl = 1;
	regs.rax = 0x8f;
	DONE("\xe6\x70");
	assert_int_equal(io.writes, 0);			/* only latched */
	assert_int_equal(d->cmos_index, 0x0f);
	DONE("\xe4\x71");
	assert_int_equal(io.writes, 1);
	assert_int_equal(io.n, 1);

	regs.rdx = 0xcf8;
	regs.rax = 0x80031234;
	io.writes = 0;
	DONE("\xef");
	assert_int_equal(io.writes, 0);
	regs.rax = 0;
	DONE("\xed");
	assert_int_equal(regs.rax, 0x80031234);
	regs.rdx = 0xcfe;
	DONE("\x66\xed");
	assert_int_equal(pci.bus, 3);
	assert_int_equal(pci.devfn, 0x12);
	assert_int_equal(pci.reg, 0x36);
	assert_int_equal(pci.size, 2);
	assert_int_equal(regs.rax & 0xffff, 0x5678);
	regs.rdx = 0xcfc;
	regs.rax = 0x77;
	DONE("\xef");
	assert_true(pci.write);
	assert_int_equal(pci.val, 0x77);
	/* the reset register next door is an ordinary port */
	regs.rdx = 0xcf9;
	DONE("\xee");
	assert_int_equal(io.port, 0xcf9);
	/* not enabled: ones */
	d->pci_cf8 = 0x1234;
	pci.n = 0;
	regs.rdx = 0xcfc;
	DONE("\xed");
	assert_int_equal(pci.n, 0);
	assert_int_equal(regs.rax, 0xffffffff);
	/* an access that leaves the register goes byte by byte */
	d->pci_cf8 = 0x80000000;
	regs.rdx = 0xcff;
	DONE("\x66\xed");
	assert_int_equal(pci.n, 1);
	assert_int_equal(pci.size, 1);
}

static void test_string_io(void **state)
{
	u64 buf = host_arg("\x11\x22\x33\x44", 4);
	u8 *p = host_arg_ptr(buf);

	v->pv.iopl = 1;
	regs.rdx = 0x3e8;
	regs.rsi = buf;
	regs.rcx = 2;
	assert_true(RUN("\xf3\x66\x6f"));		/* rep outsw */
	assert_int_equal(regs.rip, HOST_CODE);
	assert_int_equal(io.val, 0x2211);
	assert_true(RUN("\xf3\x66\x6f"));
	assert_int_equal(regs.rip, HOST_CODE + 3);
	assert_int_equal(io.val, 0x4433);
	assert_int_equal(regs.rsi, buf + 4);
	DONE("\xf3\x66\x6f");				/* rcx is 0 */
	assert_int_equal(io.writes, 2);

	regs.rdi = buf;
	DONE("\x6d");					/* insl */
	assert_int_equal(*(u32 *)p, 0x8899aabb);
	assert_int_equal(regs.rdi, buf + 4);
	/* nothing is read from the port if there is nowhere to put it */
	io.n = 0;
	regs.rdi = 0xdead0000;
	assert_true(RUN("\x6d"));
	assert_int_equal(io.n, 0);
	assert_int_equal(bounced.faults, 1);
	assert_int_equal(bounced.cr2, 0xdead0000);
	assert_int_equal(bounced.error, PFEC_W);
	assert_int_equal(regs.rip, HOST_CODE);
	regs.rsi = HV_VIRT_END - 4;
	assert_true(RUN("\x6f"));
	assert_int_equal(bounced.faults, 2);
	assert_int_equal(bounced.error, 0);
}

/* Random bytes: no crash, and refused means unchanged. */
static void test_random(void **state)
{
	v->pv.iopl = 1;
	for (unsigned int i = 0; i < 100000; i++) {
		struct cpu_user_regs before;

		for (unsigned int j = 0; j < 16; j++) {
			page[j] = host_random();
			*reg_ptr(&regs, j) = host_random() & 1 ? host_random() << 40 : HOST_CODE + 64;
		}
		if (host_random() & 1)
			page[0] = 0x0f;
		regs.rip = HOST_CODE;
		before = regs;
		bounced.faults = 0;
		if (!emulate_privop(v, &regs))
			assert_memory_equal(&before, &regs, sizeof(regs));
		else if (!bounced.faults && !root_rc)
			/* or one step of REP */
			assert_true(regs.rip > HOST_CODE || regs.rcx != before.rcx);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_control_registers), T(test_user_mode), T(test_kernel_instructions),
		T(test_single_step), T(test_fetch_fault), T(test_forced_cpuid),
		T(test_port_permission), T(test_port_policy), T(test_cmos_and_pci),
		T(test_string_io), T(test_random),
	};

	return host_main(tests);
}
