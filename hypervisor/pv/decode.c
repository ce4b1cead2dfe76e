/* SPDX-License-Identifier: MIT */
/*
 * Job:    fetch and decode the few instructions that are emulated, privileged ones and stores to
 *         memory: operands, immediates, effective addresses; the effect of a store on the word it meets.
 * Enter:  pv/privop.c (#GP), pv/mmu_update.c (write faults on page tables).
 * Holds:  N1  at most 15 bytes are fetched, each once, and the next page only when needed.
 *         N2  what is not in opcodes[] is -EINVAL: nothing is guessed.
 *         N3  of a store no memory is read or written: the caller compares and stores.
 *         N4  all of its effects are in regs and *new, or none (-EINVAL).
 * Tests:  tests/host/test_decode.c (against the processor itself), tests/fuzz/fuzz_decode.c
 */
#include <hv/pv.h>
#include <hv/regs.h>

/* --- registers --- */

const u8 reg_offset[16] = {
#define R(n) offsetof(struct cpu_user_regs, n)
	R(rax), R(rcx), R(rdx), R(rbx), R(rsp), R(rbp), R(rsi), R(rdi),
	R(r8), R(r9), R(r10), R(r11), R(r12), R(r13), R(r14), R(r15),
#undef R
};

/* Byte registers 4-7 without any REX prefix are ah ch dh bh: the second byte of rax .. rbx. */
static u64 *reg_at(const struct cpu_user_regs *regs, unsigned int n, unsigned int size, bool rex)
{
	bool high = size == 1 && !rex && n >= 4 && n < 8;

	return (u64 *)((char *)regs + reg_offset[(high ? n - 4 : n) & 15] + high);
}

u64 reg_read(const struct cpu_user_regs *regs, unsigned int n, unsigned int size, bool rex)
{
	return trunc_to(*reg_at(regs, n, size, rex), size);
}

void reg_write(struct cpu_user_regs *regs, unsigned int n, unsigned int size, bool rex, u64 val)
{
	u64 *p = reg_at(regs, n, size, rex), keep = size == 4 ? 0 : ~trunc_to(~0UL, size);

	*p = (*p & keep) | trunc_to(val, size);		/* 4 bytes clear the upper half */
}

/* --- what is decoded, and its shape --- */

#define A_OK	0x001	/* no operand that matters here */
#define A_MODRM	0x002
#define A_BYTE	0x004	/* operand size 1 if the opcode is even */
#define A_IMM8	0x008
#define A_IMMZ	0x010	/* 2 or 4 bytes, sign-extended */
#define A_MEM	0x020	/* only with a memory operand */
#define A_LOCK	0x040	/* LOCK is allowed (with a memory operand) */
#define A_RDI	0x080	/* string instruction: the element at rdi is written ... */
#define A_RSI	0x1000	/* ... and, or, the one at rsi read */
#define A_STR	(A_RDI | A_RSI)
#define A_MOFFS	0x100	/* an absolute address follows */
#define A_REGS	0x200	/* ModRM names two registers whatever mod says (MOV CR, DR) */
#define A_BITS	0x400	/* bit offset in a register: may reach beyond the operand */
#define A_IO	0x800	/* port I/O: no more than 4 bytes */
#define A_STORE	(A_MODRM | A_MEM)
#define A_RMW	(A_STORE | A_LOCK)
#define A_GROUP(mask) ((u32)(mask) << 16)	/* ModRM.reg is one of these; none: any */
#define ALU(op) [(op) ... (op) + 1] = A_RMW | A_BYTE

static const u32 opcodes[512] = {
	/* ADD OR ADC SBB AND SUB XOR r/m,r */
	ALU(0x00), ALU(0x08), ALU(0x10), ALU(0x18), ALU(0x20), ALU(0x28), ALU(0x30),
	[0x6c ... 0x6d] = A_RDI | A_IO | A_BYTE,		/* INS */
	[0x6e ... 0x6f] = A_RSI | A_IO | A_BYTE,		/* OUTS */
	[0x80] = A_RMW | A_BYTE | A_IMM8 | A_GROUP(0x7f),	/* the same (but CMP) r/m,imm */
	[0x81] = A_RMW | A_IMMZ | A_GROUP(0x7f),
	[0x83] = A_RMW | A_IMM8 | A_GROUP(0x7f),
	[0x86 ... 0x87] = A_RMW | A_BYTE,			/* XCHG */
	[0x88 ... 0x89] = A_STORE | A_BYTE,			/* MOV r/m,r */
	[0xa2 ... 0xa3] = A_MOFFS | A_BYTE,			/* MOV moffs,rax */
	[0xa4 ... 0xa5] = A_STR | A_BYTE,			/* MOVS */
	[0xaa ... 0xab] = A_RDI | A_BYTE,			/* STOS */
	[0xc6] = A_STORE | A_BYTE | A_IMM8 | A_GROUP(1),	/* MOV r/m,imm */
	[0xc7] = A_STORE | A_IMMZ | A_GROUP(1),
	[0xe4 ... 0xe7] = A_IO | A_IMM8 | A_BYTE,		/* IN OUT imm8 */
	[0xec ... 0xef] = A_IO | A_BYTE,			/* IN OUT dx */
	[0xf6 ... 0xf7] = A_RMW | A_BYTE | A_GROUP(0xc),	/* NOT NEG */
	[0xfe ... 0xff] = A_RMW | A_BYTE | A_GROUP(3),		/* INC DEC */
	[0x100 ... 0x101] = A_MODRM,				/* system groups */
	[0x120 ... 0x123] = A_MODRM | A_REGS,			/* MOV CR, DR */
	/* HLT, CLI STI, CLTS, INVD WBINVD; WRMSR RDTSC RDMSR ..., CPUID */
	[0xf4] = A_OK, [0xfa ... 0xfb] = A_OK, [0x106] = A_OK, [0x108 ... 0x109] = A_OK,
	[0x130 ... 0x133] = A_OK, [0x1a2] = A_OK,
	[0x1ab] = A_RMW | A_BITS, [0x1b3] = A_RMW | A_BITS, [0x1bb] = A_RMW | A_BITS, /* BTS BTR BTC */
	[0x1ba] = A_RMW | A_IMM8 | A_GROUP(0xe0),		/* the same r/m,imm8 */
	[0x1b0 ... 0x1b1] = A_RMW | A_BYTE,			/* CMPXCHG */
	[0x1c0 ... 0x1c1] = A_RMW | A_BYTE,			/* XADD */
	[0x1c3] = A_STORE,					/* MOVNTI */
	[0x1c7] = A_RMW | A_GROUP(2),				/* CMPXCHG8B */
};

/* --- fetching --- */

struct fetch {
	u64 rip;
	u8 buf[15], have, pos;
	int err;			/* -EFAULT: at rip + have */
};

static noinline bool fetch_more(struct fetch *f)
{
	u64 va = f->rip + f->have;
	u64 n = min((u64)(sizeof(f->buf) - f->have), PAGE_SIZE - (va & ~PAGE_MASK));

	if (f->err)
		return false;
	if (!n)
		f->err = -EINVAL;
	else if (in_hv_slots(va) || copy_from_guest(f->buf + f->have, _gva(va), n))
		f->err = -EFAULT;
	else
		f->have += (u8)n;
	return !f->err;
}

/* 0 after an error, which is noticed at the end: nothing acts on what was decoded before. */
static u8 get8(struct fetch *f)
{
	return f->pos < f->have || fetch_more(f) ? f->buf[f->pos++] : 0;
}

static s64 sign_extend(u64 val, unsigned int bytes)
{
	return (s64)(val << (64 - bytes * 8)) >> (64 - bytes * 8);
}

static u64 get_signed(struct fetch *f, unsigned int bytes)
{
	u64 val = 0;

	for (unsigned int i = 0; i < bytes; i++)
		val |= (u64)get8(f) << (i * 8);
	return (u64)sign_extend(val, bytes);
}

/* The descriptor that a code selector names; 0: none. The frames are held by the vcpu. */
static u64 read_descriptor(const struct vcpu *v, u16 sel)
{
	const mfn_t *frames = sel & 4 ? v->pv.ldt_frames : v->pv.gdt_frames;
	unsigned int idx = sel >> 3;

	if (idx >= (sel & 4 ? v->pv.ldt_ents : v->pv.gdt_ents) ||
	    mfn_eq(frames[idx / 512], INVALID_MFN))
		return 0;
	return READ_ONCE(((const u64 *)mfn_to_virt(frames[idx / 512]))[idx % 512]);
}

/* 0: 64-bit code; 1: 32-bit; -EINVAL: 16-bit or nothing that could be running */
static int code_mode(const struct vcpu *v, u16 cs)
{
	u64 d;

	if (likely(cs == GUEST_CS64 || cs == RING1_CS))
		return 0;
	if (cs == GUEST_CS32)
		return 1;
	d = read_descriptor(v, cs);
	if (d & BIT(53))
		return 0;
	return (d & BIT(54)) && !(d & 0xff0000ffffff0000UL) ? 1 : -EINVAL;	/* base 0 */
}

static u64 segment_base(struct vcpu *v, u8 prefix)
{
	unsigned int gs = kernel_gs_active(v) ? SEGBASE_GS_KERNEL : SEGBASE_GS_USER;

	return prefix ? arch_get_segment_base(v, prefix == 0x64 ? SEGBASE_FS : gs) : 0;
}

/* --- decoding --- */

/* What stands before the opcode; returns the opcode's first byte. */
static u8 get_prefixes(struct fetch *f, struct insn *in)
{
	u8 b;

	for (;;) {
		b = get8(f);
		if (!in->code32 && (b & 0xf0) == 0x40) {
			in->rex = b;
			continue;
		}
		if (b == 0x66)
			in->opsize = 2;
		else if (b == 0x67)
			in->addr32 = true;
		else if (b == 0xf0)
			in->lock = true;
		else if (b == 0xf2 || b == 0xf3)
			in->rep = true;
		else if (b == 0x64 || b == 0x65)
			in->segment = b;
		else if ((b & 0xe7) != 0x26)	/* ES CS SS DS: base 0 in 64-bit mode */
			return b;
		in->rex = 0;	/* REX counts only right before the opcode */
	}
}

/* The memory operand of ModRM; what is relative to rip comes without rip. */
static u64 get_address(struct fetch *f, const struct cpu_user_regs *regs, const struct insn *in)
{
	u8 mod = in->modrm >> 6, rm = in->modrm & 7, sib, index;
	u64 ea = 0;

	if (rm == 4) {
		sib = get8(f);
		rm = sib & 7;
		index = (sib >> 3 & 7) | (in->rex & 2) << 2;
		if (index != 4)
			ea = reg_read(regs, index, 8, true) << (sib >> 6);
	}
	if (rm == 5 && mod == 0)
		return ea + get_signed(f, 4);
	ea += reg_read(regs, rm | (in->rex & 1) << 3, 8, true);
	return mod ? ea + get_signed(f, mod == 1 ? 1 : 4) : ea;
}

/* ModRM, address, immediate: everything behind the opcode. */
static int get_operands(struct vcpu *v, const struct cpu_user_regs *regs, struct fetch *f,
			struct insn *in)
{
	u32 attr = opcodes[in->opcode];

	if (attr & A_MODRM) {
		in->modrm = get8(f);
		in->reg = (in->modrm >> 3 & 7) | (in->rex & 4) << 1;
		in->rm = (in->modrm & 7) | (in->rex & 1) << 3;
	}
	if (f->err)
		return f->err;
	in->is_string = attr & A_STR;
	in->is_mem = (attr & (A_STR | A_MOFFS)) ||
		     ((attr & A_MODRM) && !(attr & A_REGS) && in->modrm < 0xc0);
	if (!attr || (attr >> 16 && !(attr & A_GROUP(1U << (in->reg & 7)))) ||
	    ((attr & A_MEM) && !in->is_mem) || (in->lock && !(attr & A_LOCK)) ||
	    (in->code32 && in->is_mem))
		return -EINVAL;		/* 32-bit code is emulated for its port I/O only */
	if ((attr & A_BYTE) && !(in->opcode & 1))
		in->opsize = 1;
	else if (in->rex & 8)
		in->opsize = attr & A_IO ? 4 : 8;
	if (attr & A_MOFFS)
		in->ea = get_signed(f, in->addr32 ? 4 : 8);
	else if (attr & A_STR)
		in->ea = regs->rdi;
	else if (in->is_mem)
		in->ea = get_address(f, regs, in);
	if (attr & A_IMM8)
		in->imm = get_signed(f, 1);
	else if (attr & A_IMMZ)
		in->imm = get_signed(f, in->opsize == 2 ? 2 : 4);
	in->length = f->pos;
	if (in->is_mem && (in->modrm & 0xc7) == 5)
		in->ea += regs->rip + in->length;
	if (attr & A_BITS)	/* the operand is the word of the bit string that holds the bit */
		in->ea += (u64)(sign_extend(reg_read(regs, in->reg, 8, true), in->opsize) >> 3) &
			  -(u64)in->opsize;
	if (in->addr32)
		in->ea = (u32)in->ea;
	if (in->is_mem && !in->is_string)
		in->ea += segment_base(v, in->segment);
	return f->err;
}

/* String instructions: is REP over already? If not, read the element at rsi. */
static int start_string(struct vcpu *v, const struct cpu_user_regs *regs, struct insn *in,
			u64 *fault_va)
{
	unsigned int asize = in->addr32 ? 4 : 8;
	u64 va = trunc_to(regs->rsi, asize) + segment_base(v, in->segment);

	in->rep_over = in->rep && !trunc_to(regs->rcx, asize);
	if (in->rep_over || !(opcodes[in->opcode] & A_RSI) ||
	    !copy_from_guest(&in->imm, _gva(va), in->opsize))
		return 0;
	*fault_va = va;
	return -EFAULT;
}

int decode_insn(struct vcpu *v, const struct cpu_user_regs *regs, struct insn *in, u64 *fault_va)
{
	struct fetch f = { .rip = regs->rip };
	int rc = code_mode(v, regs->cs);

	if (rc < 0)
		return rc;
	*in = (struct insn){ .code32 = rc, .opsize = 4 };
	in->opcode = get_prefixes(&f, in);
	if (in->opcode == 0x0f)
		in->opcode = 0x100 | get8(&f);
	rc = get_operands(v, regs, &f, in);
	if (rc == -EFAULT)
		*fault_va = f.rip + f.have;
	return !rc && in->is_string ? start_string(v, regs, in, fault_va) : rc;
}

/* Count and pointers of a string instruction. True: REP has more to do. */
static bool step_string(struct cpu_user_regs *regs, const struct insn *in)
{
	unsigned int asize = in->addr32 ? 4 : 8;
	u64 step = regs->rflags & X86_RFLAGS_DF ? -(u64)in->opsize : in->opsize;

	if (in->rep_over)
		return false;
	if (opcodes[in->opcode] & A_RSI)
		reg_write(regs, 6, asize, true, regs->rsi + step);
	if (opcodes[in->opcode] & A_RDI)
		reg_write(regs, 7, asize, true, regs->rdi + step);
	if (!in->rep)
		return false;
	reg_write(regs, 1, asize, true, regs->rcx - 1);
	return trunc_to(regs->rcx, asize);
}

void retire_insn(struct cpu_user_regs *regs, const struct insn *in)
{
	regs->rflags &= ~X86_RFLAGS_RF;
	if (in->is_string && step_string(regs, in))
		return;
	regs->rip += in->length;
	if (in->code32)
		regs->rip = (u32)regs->rip;
}

void step_after_insn(struct vcpu *v, struct cpu_user_regs *regs)
{
	if (likely(!(regs->rflags & X86_RFLAGS_TF)))
		return;
	v->pv.dr[6] |= BIT(14);		/* BS */
	bounce_trap(v, regs, 1, false, 0);
}

/* --- stores --- */

#define ARITH_FLAGS (X86_RFLAGS_CF | X86_RFLAGS_PF | X86_RFLAGS_AF | X86_RFLAGS_ZF | \
		     X86_RFLAGS_SF | X86_RFLAGS_OF)

static bool sign_of(u64 v, unsigned int size)
{
	return (v >> (size * 8 - 1)) & 1;
}

static void set_flag(u64 *flags, u64 bit, bool on)
{
	*flags = on ? *flags | bit : *flags & ~bit;
}

/* All six flags after an operation with result r, which is returned. */
static u64 set_flags(u64 *flags, u64 r, unsigned int size, bool cf, bool af, bool of)
{
	u64 pf = !__builtin_parity(r & 0xff), zf = !r;

	*flags = (*flags & ~ARITH_FLAGS) | cf | pf << 2 | (u64)af << 4 | zf << 6 |
		 (u64)sign_of(r, size) << 7 | (u64)of << 11;
	return r;
}

static u64 add(u64 *flags, u64 a, u64 b, bool carry, unsigned int size)
{
	u64 r = trunc_to(a + b + carry, size);

	return set_flags(flags, r, size, carry ? r <= a : r < a, (a ^ b ^ r) & 0x10,
			 sign_of((a ^ r) & (b ^ r), size));
}

static u64 sub(u64 *flags, u64 a, u64 b, bool borrow, unsigned int size)
{
	u64 r = trunc_to(a - b - borrow, size);

	return set_flags(flags, r, size, borrow ? a <= b : a < b, (a ^ b ^ r) & 0x10,
			 sign_of((a ^ b) & (a ^ r), size));
}

/* The eight operations in the order of their encoding; 7 (CMP) is never decoded. */
static u64 arith(u64 *flags, unsigned int op, u64 a, u64 b, unsigned int size)
{
	bool cf = *flags & X86_RFLAGS_CF;

	switch (op) {
	case 0: case 2:			/* ADD ADC */
		return add(flags, a, b, op == 2 && cf, size);
	case 3: case 5:			/* SBB SUB */
		return sub(flags, a, b, op == 3 && cf, size);
	}
	a = op == 1 ? a | b : op == 4 ? a & b : a ^ b;		/* AF is undefined: cleared */
	return set_flags(flags, a, size, false, false, false);
}

static u64 inc_dec(u64 *flags, bool dec, u64 a, unsigned int size)
{
	bool cf = *flags & X86_RFLAGS_CF;
	u64 r = dec ? sub(flags, a, 1, false, size) : add(flags, a, 1, false, size);

	set_flag(flags, X86_RFLAGS_CF, cf);
	return r;
}

/* bit test and: 1 set, 2 reset, 3 complement */
static u64 bit_op(u64 *flags, unsigned int how, u64 a, u64 bit)
{
	set_flag(flags, X86_RFLAGS_CF, a & bit);
	return how == 1 ? a | bit : how == 2 ? a & ~bit : a ^ bit;
}

static u64 cmpxchg(struct cpu_user_regs *regs, unsigned int size, u64 a, u64 src)
{
	u64 acc = reg_read(regs, 0, size, true);

	sub(&regs->rflags, acc, a, false, size);
	if (acc == a)
		return src;
	reg_write(regs, 0, size, true, a);
	return a;
}

static u64 cmpxchg8b(struct cpu_user_regs *regs, u64 a)
{
	bool equal = a == (regs->rdx << 32 | (u32)regs->rax);

	set_flag(&regs->rflags, X86_RFLAGS_ZF, equal);
	if (equal)
		return regs->rcx << 32 | (u32)regs->rbx;
	regs->rax = (u32)a;
	regs->rdx = a >> 32;
	return a;
}

static u64 source(const struct cpu_user_regs *regs, const struct insn *in)
{
	return reg_read(regs, in->reg, in->opsize, in->rex);
}

/* What becomes of the operand a. */
static u64 operate(struct cpu_user_regs *regs, const struct insn *in, u64 a, int *rc)
{
	unsigned int size = in->opsize, bits = size * 8, sub_op = in->reg & 7;
	u64 *flags = &regs->rflags, src;

	switch (in->opcode) {
	case 0x00 ... 0x37:
		return arith(flags, in->opcode >> 3, a, source(regs, in), size);
	case 0x80: case 0x81: case 0x83:
		return arith(flags, sub_op, a, trunc_to(in->imm, size), size);
	case 0x86: case 0x87: case 0x1c0: case 0x1c1:
		src = source(regs, in);
		reg_write(regs, in->reg, size, in->rex, a);
		return in->opcode < 0x100 ? src : add(flags, a, src, false, size);
	case 0x88: case 0x89: case 0x1c3:
		return source(regs, in);
	case 0xa2: case 0xa3: case 0xaa: case 0xab:
		return reg_read(regs, 0, size, true);
	case 0xa4: case 0xa5: case 0xc6: case 0xc7:
		return trunc_to(in->imm, size);
	case 0xf6: case 0xf7:
		return sub_op == 2 ? trunc_to(~a, size) : sub(flags, 0, a, false, size);
	case 0xfe: case 0xff:
		return inc_dec(flags, sub_op, a, size);
	case 0x1ab: case 0x1b3: case 0x1bb:
		return bit_op(flags, in->opcode >> 3 & 3, a, BIT(source(regs, in) % bits));
	case 0x1ba:
		return bit_op(flags, sub_op & 3, a, BIT(in->imm % bits));
	case 0x1b0: case 0x1b1:
		return cmpxchg(regs, size, a, source(regs, in));
	case 0x1c7:
		return cmpxchg8b(regs, a);
	}
	*rc = -EINVAL;
	return a;
}

int emulate_store(struct cpu_user_regs *regs, const struct insn *in, u64 old, u64 *new)
{
	bool pair = in->opcode == 0x1c7;	/* CMPXCHG8B, or 16B with REX.W */
	unsigned int size = pair ? 8 : in->opsize, shift = (in->ea & 7) * 8;
	u64 mask = trunc_to(~0UL, size), r;
	int rc = 0;

	if (!in->is_mem || shift + size * 8 > 64 || (pair && (in->rex & 8)))
		return -EINVAL;
	r = operate(regs, in, (old >> shift) & mask, &rc);
	if (rc)
		return rc;
	*new = in->rep_over ? old : (old & ~(mask << shift)) | r << shift;
	retire_insn(regs, in);
	return 0;
}
