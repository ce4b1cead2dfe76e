/* SPDX-License-Identifier: MIT */
/*
 * Job:    the effect of a decoded store on the 8-byte word that holds its operand.
 * Enter:  pv/ptwr.c, after decode_insn().
 * Holds:  S1  no memory is read or written: the caller compares and stores.
 *         S2  all of the instruction's effects are in regs and *new, or none (-EINVAL).
 * Tests:  tests/host/test_decode.c (against the processor itself)
 */
#include <hv/pv.h>
#include <hv/regs.h>

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
	case 0x86: case 0x87:
		src = source(regs, in);
		reg_write(regs, in->reg, size, in->rex, a);
		return src;
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
	case 0x1c0: case 0x1c1:
		src = source(regs, in);
		reg_write(regs, in->reg, size, in->rex, a);
		return add(flags, a, src, false, size);
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
