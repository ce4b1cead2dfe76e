/* SPDX-License-Identifier: MIT */
/*
 * The effect of a decoded store on the 8-byte word that holds its operand.
 *
 * Job:    compute the new word, the registers and the flags.
 * Enter:  pv/ptwr.c, after decode_insn().
 * State:  none: a pure function of its arguments.
 * Locks:  none.
 * Holds:  W1  no memory is read or written; the caller compares and stores.
 *         W2  all of the instruction's effects are in regs and *new, or none (-EINVAL).
 * Tests:  tests/host/test_decode.c (against the processor itself)
 */
#include <hv/errno.h>
#include <hv/pv.h>
#include <hv/regs.h>

#define ARITH_FLAGS (X86_RFLAGS_CF | X86_RFLAGS_PF | X86_RFLAGS_AF | X86_RFLAGS_ZF | \
		     X86_RFLAGS_SF | X86_RFLAGS_OF)

static u64 trunc_to(u64 v, unsigned int size)
{
	return size == 8 ? v : v & (BIT(size * 8) - 1);
}

static bool sign_of(u64 v, unsigned int size)
{
	return (v >> (size * 8 - 1)) & 1;
}

static void set_flag(u64 *flags, u64 bit, bool on)
{
	*flags = on ? *flags | bit : *flags & ~bit;
}

static void set_result_flags(u64 *flags, u64 r, unsigned int size)
{
	set_flag(flags, X86_RFLAGS_ZF, !r);
	set_flag(flags, X86_RFLAGS_SF, sign_of(r, size));
	set_flag(flags, X86_RFLAGS_PF, !(__builtin_popcount(r & 0xff) & 1));
}

static u64 add(u64 *flags, u64 a, u64 b, bool carry, unsigned int size)
{
	u64 r = trunc_to(a + b + carry, size);

	set_result_flags(flags, r, size);
	set_flag(flags, X86_RFLAGS_CF, carry ? r <= a : r < a);
	set_flag(flags, X86_RFLAGS_AF, (a ^ b ^ r) & 0x10);
	set_flag(flags, X86_RFLAGS_OF, sign_of((a ^ r) & (b ^ r), size));
	return r;
}

static u64 sub(u64 *flags, u64 a, u64 b, bool borrow, unsigned int size)
{
	u64 r = trunc_to(a - b - borrow, size);

	set_result_flags(flags, r, size);
	set_flag(flags, X86_RFLAGS_CF, borrow ? a <= b : a < b);
	set_flag(flags, X86_RFLAGS_AF, (a ^ b ^ r) & 0x10);
	set_flag(flags, X86_RFLAGS_OF, sign_of((a ^ b) & (a ^ r), size));
	return r;
}

static u64 logic(u64 *flags, u64 r, unsigned int size)
{
	*flags &= ~ARITH_FLAGS;		/* CF and OF are cleared; AF is undefined: cleared */
	set_result_flags(flags, r, size);
	return r;
}

/* The eight operations in the order of their encoding; 7 (CMP) is never decoded. */
static u64 arith(u64 *flags, unsigned int op, u64 a, u64 b, unsigned int size)
{
	bool cf = *flags & X86_RFLAGS_CF;

	switch (op) {
	case 0:
		return add(flags, a, b, false, size);
	case 1:
		return logic(flags, a | b, size);
	case 2:
		return add(flags, a, b, cf, size);
	case 3:
		return sub(flags, a, b, cf, size);
	case 4:
		return logic(flags, a & b, size);
	case 5:
		return sub(flags, a, b, false, size);
	}
	return logic(flags, a ^ b, size);
}

static u64 inc_dec(u64 *flags, bool dec, u64 a, unsigned int size)
{
	u64 cf = *flags & X86_RFLAGS_CF, r;

	r = dec ? sub(flags, a, 1, false, size) : add(flags, a, 1, false, size);
	*flags = (*flags & ~X86_RFLAGS_CF) | cf;
	return r;
}

/* bit test and: 1 set, 2 reset, 3 complement */
static u64 bit_op(u64 *flags, unsigned int how, u64 a, u64 bit)
{
	set_flag(flags, X86_RFLAGS_CF, a & bit);
	return how == 1 ? a | bit : how == 2 ? a & ~bit : a ^ bit;
}

static int cmpxchg(struct cpu_user_regs *regs, const struct insn *in, u64 a, u64 *r)
{
	u64 acc = reg_read(regs, 0, in->opsize, true);

	sub(&regs->rflags, acc, a, false, in->opsize);
	if (acc != a) {
		reg_write(regs, 0, in->opsize, true, a);
		return 0;
	}
	*r = reg_read(regs, in->reg, in->opsize, in->rex);
	return 1;
}

static int cmpxchg8b(struct cpu_user_regs *regs, u64 a, u64 *r)
{
	bool equal = a == (regs->rdx << 32 | (u32)regs->rax);

	set_flag(&regs->rflags, X86_RFLAGS_ZF, equal);
	if (equal) {
		*r = regs->rcx << 32 | (u32)regs->rbx;
	} else {
		regs->rax = (u32)a;
		regs->rdx = a >> 32;
	}
	return equal;
}

/* Each returns 1: *r is the operand's new value; 0: nothing is stored; -EINVAL. */
static int two_byte(struct cpu_user_regs *regs, const struct insn *in, u64 a, u64 *r)
{
	u64 src = reg_read(regs, in->reg, in->opsize, in->rex), bits = in->opsize * 8UL;

	switch (in->opcode) {
	case 0xab:
		*r = bit_op(&regs->rflags, 1, a, BIT(src % bits));
		return 1;
	case 0xb3:
		*r = bit_op(&regs->rflags, 2, a, BIT(src % bits));
		return 1;
	case 0xbb:
		*r = bit_op(&regs->rflags, 3, a, BIT(src % bits));
		return 1;
	case 0xba:
		*r = bit_op(&regs->rflags, (in->reg & 7U) - 4, a, BIT(in->imm % bits));
		return 1;
	case 0xb0: case 0xb1:
		return cmpxchg(regs, in, a, r);
	case 0xc0: case 0xc1:
		*r = add(&regs->rflags, a, src, false, in->opsize);
		reg_write(regs, in->reg, in->opsize, in->rex, a);
		return 1;
	case 0xc3:
		*r = src;
		return 1;
	case 0xc7:
		return cmpxchg8b(regs, a, r);
	}
	return -EINVAL;
}

static int one_byte(struct cpu_user_regs *regs, const struct insn *in, u64 a, u64 *r)
{
	u64 imm = trunc_to(in->imm, in->opsize);
	unsigned int sub_op = in->reg & 7;

	switch (in->opcode) {
	case 0x80: case 0x81: case 0x83:
		*r = arith(&regs->rflags, sub_op, a, imm, in->opsize);
		return 1;
	case 0x86: case 0x87:
		*r = reg_read(regs, in->reg, in->opsize, in->rex);
		reg_write(regs, in->reg, in->opsize, in->rex, a);
		return 1;
	case 0x88: case 0x89:
		*r = reg_read(regs, in->reg, in->opsize, in->rex);
		return 1;
	case 0xa2: case 0xa3: case 0xaa: case 0xab:
		*r = reg_read(regs, 0, in->opsize, true);
		return 1;
	case 0xa4: case 0xa5: case 0xc6: case 0xc7:
		*r = imm;
		return 1;
	case 0xf6: case 0xf7:
		*r = sub_op == 2 ? trunc_to(~a, in->opsize) :
				   sub(&regs->rflags, 0, a, false, in->opsize);
		return 1;
	case 0xfe: case 0xff:
		*r = inc_dec(&regs->rflags, sub_op, a, in->opsize);
		return 1;
	}
	if (in->opcode >= 0x38)
		return -EINVAL;
	*r = arith(&regs->rflags, in->opcode >> 3, a,
		   reg_read(regs, in->reg, in->opsize, in->rex), in->opsize);
	return 1;
}

int emulate_store(struct cpu_user_regs *regs, const struct insn *in, u64 old, u64 *new)
{
	bool pair = in->map && in->opcode == 0xc7;	/* CMPXCHG8B, or 16B with REX.W */
	unsigned int size = pair ? 8 : in->opsize, at = in->ea & 7;
	u64 mask = trunc_to(~0UL, size), r = 0;
	int rc;

	if (!in->is_mem || at + size > 8 || (pair && in->rex_w))
		return -EINVAL;
	/* port input is no store of this kind; SMSW and the like neither */
	if (in->map ? in->opcode < 0xab : in->opcode >= 0x6c && in->opcode <= 0x6f)
		return -EINVAL;
	if (in->is_string && (in->rep || in->repne) &&
	    !(in->addr32 ? (u32)regs->rcx : regs->rcx)) {
		retire_insn(regs, in);
		return 0;
	}
	rc = in->map ? two_byte(regs, in, (old >> at * 8) & mask, &r) :
		       one_byte(regs, in, (old >> at * 8) & mask, &r);
	if (rc < 0)
		return rc;
	if (rc)
		*new = (old & ~(mask << at * 8)) | r << at * 8;
	retire_insn(regs, in);
	return rc;
}
