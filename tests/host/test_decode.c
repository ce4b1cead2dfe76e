/* SPDX-License-Identifier: MIT */
/*
 * pv/decode.c: random stores against the processor itself, and edge cases.
 *
 * Job:    each round writes one instruction, runs it natively on a word, runs it through
 *         decode_insn() and emulate_store() on a copy, and compares memory, registers and flags.
 */
#include "host.h"
#include <hv/domain.h>
#include <hv/pv.h>
#include <hv/regs.h>
#include <sys/mman.h>

#define FLAGS 0x8d5UL		/* CF PF AF ZF SF OF */

/* --- native execution: rsp and rbp stay the test's own --- */

u64 native_reg[16], native_flags, native_sp;
u8 *native_code;
void run_native(void);
__asm__(".pushsection .text\n"
	".globl run_native\n"
	"run_native:\n"
	"push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
	"mov %rsp, native_sp\n"
	"mov native_reg, %rax; mov native_reg+8, %rcx; mov native_reg+16, %rdx\n"
	"mov native_reg+24, %rbx; mov native_reg+48, %rsi; mov native_reg+56, %rdi\n"
	"mov native_reg+64, %r8; mov native_reg+72, %r9; mov native_reg+80, %r10\n"
	"mov native_reg+88, %r11; mov native_reg+96, %r12; mov native_reg+104, %r13\n"
	"mov native_reg+112, %r14; mov native_reg+120, %r15\n"
	"pushq native_flags; popfq\n"
	"call *native_code\n"
	"pushfq; popq native_flags\n"
	"cld\n"
	"mov %rax, native_reg; mov %rcx, native_reg+8; mov %rdx, native_reg+16\n"
	"mov %rbx, native_reg+24; mov %rsi, native_reg+48; mov %rdi, native_reg+56\n"
	"mov %r8, native_reg+64; mov %r9, native_reg+72; mov %r10, native_reg+80\n"
	"mov %r11, native_reg+88; mov %r12, native_reg+96; mov %r13, native_reg+104\n"
	"mov %r14, native_reg+112; mov %r15, native_reg+120\n"
	"mov native_sp, %rsp\n"
	"pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
	"ret\n"
	".popsection\n");

static struct vcpu *v;
static u8 *code;		/* two pages, executable */
static u8 *data;		/* two pages */

static int setup(void **state)
{
	host_init(16, 1);
	v = host_domain(1, 1)->vcpu[0];
	host_set_current(v);
	if (!code) {
		code = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
		data = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	}
	host_map_flat((u64)code, code, 2 * PAGE_SIZE, false);
	host_map_flat((u64)data, data, 2 * PAGE_SIZE, true);
	return 0;
}

static int teardown(void **state)
{
	host_domain_free(v->domain);
	return 0;
}

static struct cpu_user_regs regs_at(const void *rip)
{
	struct cpu_user_regs r = { .rip = (u64)rip, .cs = GUEST_CS64, .ss = GUEST_SS,
				   .rflags = X86_RFLAGS_IF | X86_RFLAGS_MBS };

	return r;
}

/* Decode the bytes as if they stood at code. */
static int decode(const char *bytes, unsigned int n, struct cpu_user_regs *r, struct insn *in)
{
	u64 fault;

	memcpy(code, bytes, n);
	memset(code + n, 0xcc, 16);
	r->rip = (u64)code;
	return decode_insn(v, r, in, &fault);
}
#define DECODE(bytes, r, in) decode(bytes, sizeof(bytes) - 1, r, in)

/* --- the random comparison --- */

enum operands { RM_R, RM_I8, RM_IZ, RM_ONLY };
static const struct {
	u8 map, op, sub, operands;	/* op: of the full size; bit 0 clear makes it a byte */
	bool byte, lock;
	u16 undefined;			/* flags that the instruction leaves undefined */
} ops[] = {
	{ 0, 0x01, 0, RM_R, 1, 1, 0 }, { 0, 0x09, 0, RM_R, 1, 1, 0x10 },
	{ 0, 0x11, 0, RM_R, 1, 1, 0 }, { 0, 0x19, 0, RM_R, 1, 1, 0 },
	{ 0, 0x21, 0, RM_R, 1, 1, 0x10 }, { 0, 0x29, 0, RM_R, 1, 1, 0 },
	{ 0, 0x31, 0, RM_R, 1, 1, 0x10 },
	{ 0, 0x81, 0, RM_IZ, 0, 1, 0 }, { 0, 0x81, 1, RM_IZ, 0, 1, 0x10 },
	{ 0, 0x81, 2, RM_IZ, 0, 1, 0 }, { 0, 0x81, 3, RM_IZ, 0, 1, 0 },
	{ 0, 0x81, 4, RM_IZ, 0, 1, 0x10 }, { 0, 0x81, 5, RM_IZ, 0, 1, 0 },
	{ 0, 0x81, 6, RM_IZ, 0, 1, 0x10 },
	{ 0, 0x83, 0, RM_I8, 0, 1, 0 }, { 0, 0x83, 4, RM_I8, 0, 1, 0x10 },
	{ 0, 0x83, 3, RM_I8, 0, 1, 0 }, { 0, 0x80, 5, RM_I8, 0, 1, 0 },
	{ 0, 0x80, 2, RM_I8, 0, 1, 0 },
	{ 0, 0x87, 0, RM_R, 1, 1, 0 }, { 0, 0x89, 0, RM_R, 1, 0, 0 },
	{ 0, 0xc7, 0, RM_IZ, 0, 0, 0 }, { 0, 0xc6, 0, RM_I8, 0, 0, 0 },
	{ 0, 0xf7, 2, RM_ONLY, 1, 1, 0 }, { 0, 0xf7, 3, RM_ONLY, 1, 1, 0 },
	{ 0, 0xff, 0, RM_ONLY, 1, 1, 0 }, { 0, 0xff, 1, RM_ONLY, 1, 1, 0 },
	{ 1, 0xab, 0, RM_R, 0, 1, 0x894 }, { 1, 0xb3, 0, RM_R, 0, 1, 0x894 },
	{ 1, 0xbb, 0, RM_R, 0, 1, 0x894 }, { 1, 0xba, 5, RM_I8, 0, 1, 0x894 },
	{ 1, 0xba, 6, RM_I8, 0, 1, 0x894 }, { 1, 0xba, 7, RM_I8, 0, 1, 0x894 },
	{ 1, 0xb1, 0, RM_R, 1, 1, 0 }, { 1, 0xc1, 0, RM_R, 1, 1, 0 },
	{ 1, 0xc7, 1, RM_ONLY, 0, 1, 0 }, { 1, 0xc3, 0, RM_R, 0, 0, 0 },
};

static u8 *put(u8 *p, u64 val, unsigned int n)
{
	memcpy(p, &val, n);
	return p + n;
}

/* Random registers; values that meet carries and compares often. */
static u64 interesting(void)
{
	switch (host_random_below(6)) {
	case 0:
		return host_random_below(3);
	case 1:
		return -host_random_below(3);
	case 2:
		return 0x8080808080808080UL >> host_random_below(8);
	case 3:
		return 0x7fffffff7fff7f7fUL;
	}
	return host_random() << 32 ^ host_random();
}

/*
 * Append ModRM and what follows it for a random address form whose effective address is `ea`;
 * base registers get their values in r. imm_len: what will follow (for RIP-relative).
 */
static u8 *put_operand(u8 *p, u8 *rexp, u8 reg, u64 ea, u64 *r, unsigned int imm_len)
{
	static const u8 bases[] = { 3, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
	u8 base = bases[host_random_below(sizeof(bases))], index, form = host_random_below(5), mod;
	unsigned int scale = host_random_below(4);
	s32 disp = 0;

	if (reg & 8)
		*rexp |= 4;
	reg = (reg & 7) << 3;
	if (form == 0) {				/* RIP-relative */
		*p++ = reg | 5;
		disp = (s32)(ea - (u64)(p + 4 + imm_len));
		return put(p, (u32)disp, 4);
	}
	if (form == 1) {				/* absolute */
		*p++ = reg | 4;
		*p++ = 0x25;
		return put(p, ea, 4);
	}
	mod = host_random_below(3);
	if ((base & 7) == 5 && !mod)
		mod = 1;
	if (mod == 1)
		disp = (s8)host_random();
	else if (mod == 2)
		disp = (s32)host_random_below(1U << 30) - (1 << 29);
	if (base & 8)
		*rexp |= 1;
	if (form == 4 || (base & 7) == 4) {		/* with SIB */
		index = form == 4 ? bases[host_random_below(sizeof(bases))] : 4;
		if (index == base)
			index = 4;
		*p++ = mod << 6 | reg | 4;
		*p++ = scale << 6 | (index & 7) << 3 | (base & 7);
		if (index != 4) {
			if (index & 8)
				*rexp |= 2;
			r[index] = host_random_below(1 << 20);
			ea -= r[index] << scale;
		}
	} else {
		*p++ = mod << 6 | reg | (base & 7);
	}
	r[base] = ea - (u64)(s64)disp;
	return put(p, (u64)(s64)disp, mod == 1 ? 1 : mod == 2 ? 4 : 0);
}

static void to_regs(struct cpu_user_regs *r, const u64 *a)
{
	for (unsigned int i = 0; i < 16; i++)
		if (i != 4 && i != 5)
			*reg_ptr(r, i) = a[i];
}

static void one_random_store(void)
{
	unsigned int n = host_random_below(ARRAY_SIZE(ops)), size, imm, i;
	u64 r[16], word, ea, expect, got, flags, fault, mask;
	u8 op = ops[n].op, reg, rex = 0, *p = code + 64, *rexp, *start;
	struct cpu_user_regs regs;
	struct insn in;
	int rc;

	for (i = 0; i < 16; i++)
		r[i] = interesting();
	size = 1 << (1 + host_random_below(3));
	if (ops[n].byte && host_random_below(3) == 0) {
		op &= 0xfe;
		size = 1;
	} else if (op == 0x80 || op == 0xc6) {
		size = 1;
	}
	if (ops[n].map && op == 0xc3 && size == 2)
		size = 4;
	if (ops[n].map && op == 0xc7)
		size = 4;			/* CMPXCHG8B has no REX.W */
	do
		reg = ops[n].operands == RM_R ? host_random_below(16) : ops[n].sub;
	while (ops[n].operands == RM_R && (reg == 4 || reg == 5));
	imm = ops[n].operands == RM_I8 ? 1 : ops[n].operands == RM_IZ ? (size == 2 ? 2 : 4) : 0;
	if (size == 8)
		rex |= 0x48;
	ea = (u64)data + 2048 + 8 * host_random_below(8);
	if (!(ops[n].map && op == 0xc7) && host_random_below(2))
		ea += host_random_below(8 / size) * size;
	word = interesting();
	if (ops[n].map && (op == 0xab || op == 0xb3 || op == 0xbb)) {	/* offsets near enough */
		r[reg] = host_random_below(4096) - 2048;
		ea &= ~7UL;
	}
	if (host_random_below(2))
		r[0] = word >> (ea & 7) * 8;	/* CMPXCHG that succeeds */

	start = p;
	if (size == 2)
		*p++ = 0x66;
	if (ops[n].lock && host_random_below(3) == 0)
		*p++ = 0xf0;
	rexp = p++;			/* always a REX, but for high byte registers */
	if (ops[n].map)
		*p++ = 0x0f;
	*p++ = op;
	p = put_operand(p, &rex, reg, ea, r, imm);
	p = put(p, host_random(), imm);
	*p++ = 0xc3;
	*rexp = 0x40 | rex;
	flags = (host_random() & FLAGS) | X86_RFLAGS_MBS | X86_RFLAGS_IF;

	/* ours */
	regs = regs_at(start);
	to_regs(&regs, r);
	regs.rflags = flags;
	rc = decode_insn(v, &regs, &in, &fault);
	if (rc)
		fail_msg("not decoded: map %u op %x", ops[n].map, op);
	assert_int_equal(in.length, p - 1 - start);
	assert_true(in.is_mem);
	if (ops[n].undefined == 0x894 && ops[n].operands == RM_R && r[reg] + 2048 >= 4096)
		return;		/* the offset register is also the base or rax: anywhere */
	if (in.ea < (u64)data || in.ea >= (u64)data + 2 * PAGE_SIZE - 8)
		fail_msg("ea %llx, not %llx (map %u op %x)", (unsigned long long)in.ea,
			 (unsigned long long)ea, ops[n].map, op);
	got = word;
	memset(data, 0, 2 * PAGE_SIZE);
	rc = emulate_store(&regs, &in, word, &got);
	if (rc < 0) {		/* only if the operand crosses the word */
		assert_true((in.ea & 7) + size > 8);
		return;
	}
	/* the processor's */
	memcpy((void *)(in.ea & ~7UL), &word, 8);
	memcpy(native_reg, r, sizeof(r));
	native_flags = flags & ~X86_RFLAGS_IF;
	native_code = start;
	run_native();
	memcpy(&expect, (void *)(in.ea & ~7UL), 8);

	mask = FLAGS & ~(u64)ops[n].undefined;
	if (got != expect || ((regs.rflags ^ native_flags) & mask))
		fail_msg("map %u op %x /%u size %u word %llx: %llx flags %llx, not %llx flags %llx",
			 ops[n].map, op, reg, size, (unsigned long long)word,
			 (unsigned long long)got, (unsigned long long)(regs.rflags & FLAGS),
			 (unsigned long long)expect, (unsigned long long)(native_flags & FLAGS));
	for (i = 0; i < 16; i++)
		if (i != 4 && i != 5 && *reg_ptr(&regs, i) != native_reg[i])
			fail_msg("map %u op %x: register %u is %llx, not %llx", ops[n].map, op, i,
				 (unsigned long long)*reg_ptr(&regs, i),
				 (unsigned long long)native_reg[i]);
	assert_int_equal(regs.rip, p - 1);
}

static void test_random_stores(void **state)
{
	for (unsigned int i = 0; i < 100000; i++)
		one_random_store();
}

/* --- edge cases --- */

static void test_strings(void **state)
{
	struct cpu_user_regs r = regs_at(code);
	struct insn in;
	u64 new = 0;

	r.rax = 0x1122334455667788;
	r.rdi = (u64)data + 16;
	assert_int_equal(DECODE("\x48\xab", &r, &in), 0);
	assert_int_equal(in.ea, data + 16);
	assert_int_equal(emulate_store(&r, &in, 0, &new), 0);
	assert_int_equal(new, 0x1122334455667788);
	assert_int_equal(r.rdi, data + 24);
	assert_int_equal(r.rip, code + 2);

	/* rep movsb, two elements: rip stays after the first */
	memcpy(data, "AB", 2);
	r.rsi = (u64)data;
	r.rdi = (u64)data + 64;
	r.rcx = 2;
	assert_int_equal(DECODE("\xf3\xa4", &r, &in), 0);
	assert_int_equal(in.imm, 'A');
	assert_int_equal(emulate_store(&r, &in, 0, &new), 0);
	assert_int_equal(new, 'A');
	assert_int_equal(r.rip, code);
	assert_int_equal(r.rcx, 1);
	assert_int_equal(r.rsi, data + 1);
	assert_int_equal(DECODE("\xf3\xa4", &r, &in), 0);
	assert_int_equal(emulate_store(&r, &in, 0xff00, &new), 0);
	assert_int_equal(new, 'B' << 8);
	assert_int_equal(r.rip, code + 2);
	/* nothing left: nothing is read or stored */
	r.rsi = 0;
	assert_int_equal(DECODE("\xf3\xa4", &r, &in), 0);
	assert_int_equal(emulate_store(&r, &in, 0x1234, &new), 0);
	assert_int_equal(new, 0x1234);
	assert_int_equal(r.rip, code + 2);
	assert_int_equal(r.rcx, 0);
	/* downwards */
	r.rflags |= X86_RFLAGS_DF;
	r.rsi = (u64)data + 8;
	r.rdi = (u64)data + 64;
	assert_int_equal(DECODE("\x48\xa5", &r, &in), 0);
	assert_int_equal(emulate_store(&r, &in, 0, &new), 0);
	assert_int_equal(r.rsi, data);
	assert_int_equal(r.rdi, data + 56);
	/* a source that is not mapped */
	r.rsi = 0xdead000;
	assert_int_equal(DECODE("\xa4", &r, &in), -EFAULT);
	r.rsi = HV_VIRT_END - 8;
	assert_int_equal(DECODE("\xa4", &r, &in), -EFAULT);
}

static void test_high_bytes(void **state)
{
	struct cpu_user_regs r = regs_at(code);
	struct insn in;
	u64 new = 0;

	r.rdi = (u64)data;
	r.rax = 0xab12;
	assert_int_equal(DECODE("\x88\x27", &r, &in), 0);	/* mov %ah,(%rdi) */
	assert_int_equal(emulate_store(&r, &in, 0xff11, &new), 0);
	assert_int_equal(new, 0xffab);
	assert_int_equal(DECODE("\x86\x27", &r, &in), 0);	/* xchg %ah,(%rdi) */
	assert_int_equal(emulate_store(&r, &in, 0xff11, &new), 0);
	assert_int_equal(new, 0xffab);
	assert_int_equal(r.rax, 0x1112);
	r.rsp = 0x99;
	assert_int_equal(DECODE("\x40\x88\x27", &r, &in), 0);	/* mov %spl,(%rdi) */
	assert_int_equal(emulate_store(&r, &in, 0, &new), 0);
	assert_int_equal(new, 0x99);
	assert_int_equal(DECODE("\x48\x89\x24\x24", &r, &in), 0); /* mov %rsp,(%rsp) */
	assert_int_equal(in.ea, 0x99);
	assert_int_equal(emulate_store(&r, &in, 0, &new), -EINVAL);	/* crosses the word */
}

static void test_segments_and_prefixes(void **state)
{
	struct cpu_user_regs r = regs_at(code);
	struct insn in;

	v->pv.fs_base = 0x1000;
	v->pv.gs_base_kernel = 0x20000;
	v->pv.gs_base_user = 0x300000;
	r.rdi = 0x5;
	assert_int_equal(DECODE("\x64\x48\x89\x07", &r, &in), 0);
	assert_int_equal(in.ea, 0x1005);
	assert_int_equal(DECODE("\x65\x48\x89\x07", &r, &in), 0);
	assert_int_equal(in.ea, 0x20005);
	v->pv.in_kernel = 0;
	assert_int_equal(DECODE("\x65\x48\x89\x07", &r, &in), 0);
	assert_int_equal(in.ea, 0x300005);
	assert_int_equal(DECODE("\x2e\x48\x89\x07", &r, &in), 0);
	assert_int_equal(in.ea, 5);
	r.rdi = 0xffffffff00000010;
	assert_int_equal(DECODE("\x67\x48\x89\x07", &r, &in), 0);
	assert_int_equal(in.ea, 0x10);
	/* a REX that is not last is void */
	assert_int_equal(DECODE("\x48\x66\x89\x07", &r, &in), 0);
	assert_int_equal(in.opsize, 2);
	/* LOCK where it is not allowed; a register operand; CMP; unknown opcodes */
	assert_int_equal(DECODE("\xf0\x48\x89\x07", &r, &in), -EINVAL);
	assert_int_equal(DECODE("\xf0\x0f\x22\xc0", &r, &in), -EINVAL);
	assert_int_equal(DECODE("\x48\x89\xc7", &r, &in), -EINVAL);
	assert_int_equal(DECODE("\x48\x39\x07", &r, &in), -EINVAL);
	assert_int_equal(DECODE("\x83\x3f\x00", &r, &in), -EINVAL);
	assert_int_equal(DECODE("\x90", &r, &in), -EINVAL);
	assert_int_equal(DECODE("\x0f\x0b", &r, &in), -EINVAL);
	assert_int_equal(DECODE("\xc4\xe2\x78\x00\x00", &r, &in), -EINVAL);
	/* CMPXCHG16B decodes, but does not fit an entry */
	u64 new;
	assert_int_equal(DECODE("\x48\x0f\xc7\x0f", &r, &in), 0);
	assert_int_equal(emulate_store(&r, &in, 0, &new), -EINVAL);
}

static void test_length(void **state)
{
	struct cpu_user_regs r = regs_at(code);
	struct insn in;
	u8 b[32];
	u64 fault = 0;

	memset(b, 0x66, sizeof(b));
	memcpy(b + 11, "\x0f\x22\xc0\xcc\xcc", 5);	/* 14 bytes */
	assert_int_equal(decode((char *)b, 16, &r, &in), 0);
	assert_int_equal(in.length, 14);
	memcpy(b + 12, "\x0f\x22\xc0\xcc\xcc", 5);
	b[11] = 0x66;					/* 15 */
	assert_int_equal(decode((char *)b, 17, &r, &in), 0);
	memcpy(b + 13, "\x0f\x22\xc0\xcc\xcc", 5);
	b[12] = 0x66;					/* 16 */
	assert_int_equal(decode((char *)b, 18, &r, &in), -EINVAL);
	memset(b, 0x66, sizeof(b));
	assert_int_equal(decode((char *)b, 32, &r, &in), -EINVAL);

	/* at the end of the mapped pages: whole, and with a byte missing */
	memcpy(code + 2 * PAGE_SIZE - 3, "\x0f\x22\xd8", 3);
	r.rip = (u64)code + 2 * PAGE_SIZE - 3;
	assert_int_equal(decode_insn(v, &r, &in, &fault), 0);
	assert_int_equal(in.reg, 3);
	memcpy(code + 2 * PAGE_SIZE - 2, "\x0f\x22", 2);
	r.rip++;
	assert_int_equal(decode_insn(v, &r, &in, &fault), -EFAULT);
	assert_int_equal(fault, code + 2 * PAGE_SIZE);
	/* across a page */
	memcpy(code + PAGE_SIZE - 1, "\x0f\x22\xd8", 3);
	r.rip = (u64)code + PAGE_SIZE - 1;
	assert_int_equal(decode_insn(v, &r, &in, &fault), 0);
	/* in the hypervisor's space, although the M2P there is readable */
	r.rip = M2P_VIRT_START;
	assert_int_equal(decode_insn(v, &r, &in, &fault), -EFAULT);
	assert_int_equal(fault, M2P_VIRT_START);
}

static void test_privileged(void **state)
{
	static const struct { const char *bytes; u8 n, map, op, reg, rm; } t[] = {
		{ "\xfa", 1, 0, 0xfa, 0, 0 }, { "\xf4", 1, 0, 0xf4, 0, 0 },
		{ "\x0f\x30", 2, 1, 0x30, 0, 0 }, { "\x0f\x09", 2, 1, 0x09, 0, 0 },
		{ "\x44\x0f\x20\xc0", 4, 1, 0x20, 8, 0 },	/* mov %cr8,%rax */
		{ "\x41\x0f\x22\xdf", 4, 1, 0x22, 3, 15 },	/* mov %r15,%cr3 */
		{ "\x0f\x22\x18", 3, 1, 0x22, 3, 0 },		/* mod is ignored */
		{ "\x0f\x23\xf8", 3, 1, 0x23, 7, 0 },
		{ "\x0f\x01\xd1", 3, 1, 0x01, 2, 1 },
		{ "\xe4\x21", 2, 0, 0xe4, 0, 0 }, { "\xef", 1, 0, 0xef, 0, 0 },
	};
	struct cpu_user_regs r = regs_at(code);
	struct insn in;

	for (unsigned int i = 0; i < ARRAY_SIZE(t); i++) {
		assert_int_equal(decode(t[i].bytes, t[i].n, &r, &in), 0);
		assert_int_equal(in.opcode, t[i].map << 8 | t[i].op);
		assert_int_equal(in.length, t[i].n);
		if (t[i].map && t[i].op >= 0x20 && t[i].op <= 0x23) {
			assert_int_equal(in.reg, t[i].reg);
			assert_int_equal(in.rm, t[i].rm);
		}
		u64 new;
		struct cpu_user_regs copy = r;
		assert_int_equal(emulate_store(&copy, &in, 0, &new), -EINVAL);
	}
	r.rbx = 0x1234;
	assert_int_equal(DECODE("\x0f\x01\x3b", &r, &in), 0);	/* invlpg (%rbx) */
	assert_true(in.is_mem);
	assert_int_equal(in.ea, 0x1234);
}

static void test_code32(void **state)
{
	struct cpu_user_regs r = regs_at(code);
	struct insn in;
	u64 *gdt;

	r.cs = GUEST_CS32;
	assert_int_equal(DECODE("\xec", &r, &in), 0);
	assert_true(in.code32);
	retire_insn(&r, &in);
	assert_int_equal(r.rip, (u32)((u64)code + 1));
	r.rdi = (u64)data;
	assert_int_equal(DECODE("\x89\x07", &r, &in), -EINVAL);	/* no memory operands */
	assert_int_equal(DECODE("\x48\xec", &r, &in), -EINVAL);	/* dec %eax */
	/* a descriptor of the guest's: 64-bit, 32-bit, 32-bit with a base, 16-bit */
	host_add_all_memory();
	gdt = alloc_hv_pages(0);
	v->pv.gdt_frames[0] = virt_to_mfn(gdt);
	v->pv.gdt_ents = 512;
	gdt[1] = 0x00affb000000ffff;
	gdt[2] = 0x00cffb000000ffff;
	gdt[3] = 0x00cffb000001ffff;
	gdt[4] = 0x000ffb000000ffff;
	r.cs = 0x0b;
	assert_int_equal(DECODE("\xec", &r, &in), 0);
	assert_false(in.code32);
	r.cs = 0x13;
	assert_int_equal(DECODE("\xec", &r, &in), 0);
	assert_true(in.code32);
	r.cs = 0x1b;
	assert_int_equal(DECODE("\xec", &r, &in), -EINVAL);
	r.cs = 0x23;
	assert_int_equal(DECODE("\xec", &r, &in), -EINVAL);
	r.cs = 0xfff8 | 3;
	assert_int_equal(DECODE("\xec", &r, &in), -EINVAL);
	r.cs = 0x0f;				/* LDT: there is none */
	assert_int_equal(DECODE("\xec", &r, &in), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_random_stores), T(test_strings), T(test_high_bytes),
		T(test_segments_and_prefixes), T(test_length), T(test_privileged), T(test_code32),
	};

	return host_main(tests);
}
