/* SPDX-License-Identifier: MIT */
/*
 * Decoding the few instructions that are emulated.
 *
 * Job:    fetch at the guest's rip and decode privileged instructions and stores to memory:
 *         operands, immediates, effective addresses.
 * Enter:  pv/privop.c (#GP), pv/ptwr.c (write faults on page tables).
 * State:  none; guest memory is read through copy_from_guest().
 * Locks:  none.
 * Holds:  N1  at most 15 bytes are fetched, each once, and the next page only when needed.
 *         N2  what is not in attributes() is -EINVAL: nothing is guessed.
 * Tests:  tests/host/test_decode.c, tests/fuzz/fuzz_decode.c
 * Next:   pv/store.c
 */
#include <hv/errno.h>
#include <hv/pv.h>
#include <hv/regs.h>
#include <hv/string.h>

#define MAX_INSN 15

/* --- registers --- */

const u8 reg_offset[16] = {
#define R(n) offsetof(struct cpu_user_regs, n)
	R(rax), R(rcx), R(rdx), R(rbx), R(rsp), R(rbp), R(rsi), R(rdi),
	R(r8), R(r9), R(r10), R(r11), R(r12), R(r13), R(r14), R(r15),
#undef R
};

static u64 reg64(const struct cpu_user_regs *regs, unsigned int n)
{
	return *(const u64 *)((const char *)regs + reg_offset[n & 15]);
}

/* Byte registers 4-7 without any REX prefix are ah ch dh bh. */
static bool is_high_byte(unsigned int n, unsigned int size, bool rex)
{
	return size == 1 && !rex && n >= 4 && n < 8;
}

u64 reg_read(const struct cpu_user_regs *regs, unsigned int n, unsigned int size, bool rex)
{
	if (is_high_byte(n, size, rex))
		return (reg64(regs, n - 4) >> 8) & 0xff;
	return size == 8 ? reg64(regs, n) : reg64(regs, n) & (BIT(size * 8) - 1);
}

void reg_write(struct cpu_user_regs *regs, unsigned int n, unsigned int size, bool rex, u64 val)
{
	u64 *p;

	if (is_high_byte(n, size, rex)) {
		p = reg_ptr(regs, n - 4);
		*p = (*p & ~0xff00UL) | (val & 0xff) << 8;
		return;
	}
	p = reg_ptr(regs, n);
	if (size == 8)
		*p = val;
	else if (size == 4)		/* the upper half is cleared */
		*p = (u32)val;
	else
		*p = (*p & ~(BIT(size * 8) - 1)) | (val & (BIT(size * 8) - 1));
}

/* --- the table: what is decoded, and its shape --- */

#define A_OK	0x001
#define A_MODRM	0x002
#define A_BYTE	0x004	/* operand size 1 */
#define A_IMM8	0x008
#define A_IMMZ	0x010	/* 2 or 4 bytes, sign-extended */
#define A_MEM	0x020	/* only with a memory operand */
#define A_LOCK	0x040	/* LOCK is allowed (with a memory operand) */
#define A_STR	0x080	/* string instruction */
#define A_MOFFS	0x100	/* an absolute address follows */
#define A_REGS	0x200	/* ModRM names two registers whatever mod says (MOV CR, DR) */
#define A_BITS	0x400	/* bit offset in a register: may reach beyond the operand */
#define A_RMW	(A_OK | A_MODRM | A_MEM | A_LOCK)

static unsigned int attributes1(u8 op, u8 modrm_reg)
{
	unsigned int byte = op & 1 ? 0 : A_BYTE;

	if (op < 0x38 && (op & 7) < 2)		/* ADD OR ADC SBB AND SUB XOR r/m,r */
		return A_RMW | byte;
	switch (op) {
	case 0x6c: case 0x6d: case 0x6e: case 0x6f:	/* INS OUTS */
	case 0xa4: case 0xa5: case 0xaa: case 0xab:	/* MOVS STOS */
		return A_OK | A_STR | byte;
	case 0x80:
		return modrm_reg == 7 ? 0 : A_RMW | A_IMM8 | A_BYTE;
	case 0x81:
		return modrm_reg == 7 ? 0 : A_RMW | A_IMMZ;
	case 0x83:
		return modrm_reg == 7 ? 0 : A_RMW | A_IMM8;
	case 0x86: case 0x87:				/* XCHG */
		return A_RMW | byte;
	case 0x88: case 0x89:				/* MOV r/m,r */
		return A_OK | A_MODRM | A_MEM | byte;
	case 0xa2: case 0xa3:				/* MOV moffs,rax */
		return A_OK | A_MOFFS | byte;
	case 0xc6:
		return modrm_reg ? 0 : A_OK | A_MODRM | A_MEM | A_IMM8 | A_BYTE;
	case 0xc7:
		return modrm_reg ? 0 : A_OK | A_MODRM | A_MEM | A_IMMZ;
	case 0xe4: case 0xe5: case 0xe6: case 0xe7:	/* IN OUT imm8 */
		return A_OK | A_IMM8 | byte;
	case 0xec: case 0xed: case 0xee: case 0xef:	/* IN OUT dx */
		return A_OK | byte;
	case 0xf4: case 0xfa: case 0xfb:		/* HLT CLI STI */
		return A_OK;
	case 0xf6: case 0xf7:				/* NOT NEG */
		return modrm_reg == 2 || modrm_reg == 3 ? A_RMW | byte : 0;
	case 0xfe: case 0xff:				/* INC DEC */
		return modrm_reg < 2 ? A_RMW | byte : 0;
	}
	return 0;
}

static unsigned int attributes2(u8 op, u8 modrm_reg)
{
	switch (op) {
	case 0x00: case 0x01:				/* system groups */
		return A_OK | A_MODRM;
	case 0x06: case 0x08: case 0x09:		/* CLTS INVD WBINVD */
	case 0x30: case 0x31: case 0x32: case 0x33:	/* WRMSR RDTSC RDMSR RDPMC */
	case 0xa2:					/* CPUID */
		return A_OK;
	case 0x20: case 0x21: case 0x22: case 0x23:	/* MOV CR, DR */
		return A_OK | A_MODRM | A_REGS;
	case 0xab: case 0xb3: case 0xbb:		/* BTS BTR BTC r/m,r */
		return A_RMW | A_BITS;
	case 0xba:
		return modrm_reg >= 5 ? A_RMW | A_IMM8 : 0;
	case 0xb0: case 0xc0:				/* CMPXCHG XADD */
		return A_RMW | A_BYTE;
	case 0xb1: case 0xc1:
		return A_RMW;
	case 0xc3:					/* MOVNTI */
		return A_OK | A_MODRM | A_MEM;
	case 0xc7:					/* CMPXCHG8B */
		return modrm_reg == 1 ? A_RMW : 0;
	}
	return 0;
}

static bool wants_modrm(u8 map, u8 op)
{
	if (map)
		return op <= 1 || (op >= 0x20 && op <= 0x23) || (op >= 0xab && op != 0xac);
	return op < 0x40 || (op >= 0x80 && op <= 0x8f) || op == 0xc6 || op == 0xc7 ||
	       op == 0xf6 || op == 0xf7 || op >= 0xfe;
}

/* --- fetching --- */

struct fetch {
	u64 rip, fault;
	u8 buf[MAX_INSN], have, pos;
	int err;
};

static noinline bool fetch_more(struct fetch *f)
{
	u64 va = f->rip + f->have;
	unsigned int n = (unsigned int)min((u64)(MAX_INSN - f->have),
					   PAGE_SIZE - (va & ~PAGE_MASK));

	if (f->err)
		return false;
	if (!n) {
		f->err = -EINVAL;
	} else if (!guest_addr_ok(va) || copy_from_guest(f->buf + f->have, _gva(va), n)) {
		f->err = -EFAULT;
		f->fault = va;
	} else {
		f->have += (u8)n;
	}
	return !f->err;
}

/* 0 after an error, which is noticed at the end: nothing acts on what was decoded before. */
static u8 get8(struct fetch *f)
{
	if (unlikely(f->pos == f->have) && !fetch_more(f))
		return 0;
	return f->buf[f->pos++];
}

static s64 get_signed(struct fetch *f, unsigned int bytes)
{
	u64 v = 0;
	unsigned int i;

	for (i = 0; i < bytes; i++)
		v |= (u64)get8(f) << (i * 8);
	return (s64)(v << (64 - bytes * 8)) >> (64 - bytes * 8);
}

/* --- modes and segments --- */

/* The descriptor that a code selector names; 0: none. The frames are held by the vcpu. */
static u64 read_descriptor(const struct vcpu *v, u16 sel)
{
	unsigned int idx = sel >> 3;
	mfn_t mfn;

	if (sel & 4) {
		if (idx >= v->pv.ldt_ents)
			return 0;
		mfn = v->pv.ldt_frames[idx / 512];
	} else {
		if (idx >= v->pv.gdt_ents)
			return 0;
		mfn = v->pv.gdt_frames[idx / 512];
	}
	if (mfn_eq(mfn, INVALID_MFN))
		return 0;
	return READ_ONCE(((const u64 *)mfn_to_virt(mfn))[idx % 512]);
}

/* 0: 64-bit code; 1: 32-bit; -EINVAL: 16-bit or nothing that could be running */
static int code_mode(const struct vcpu *v, u16 cs)
{
	u64 d;

	if (likely(cs == GUEST_CS64))
		return 0;
	if (cs == GUEST_CS32)
		return 1;
	d = read_descriptor(v, cs);
	if (d & BIT(53))
		return 0;
	return (d & BIT(54)) && !(d & 0xff0000ffffff0000UL) ? 1 : -EINVAL;	/* base 0 */
}

static u64 segment_base(const struct vcpu *cv, u8 prefix)
{
	struct vcpu *v = (struct vcpu *)cv;	/* reading a base changes nothing */

	if (prefix == 0x64)
		return arch_get_segment_base(v, SEGBASE_FS);
	if (prefix == 0x65)
		return arch_get_segment_base(v, v->pv.in_kernel ? SEGBASE_GS_KERNEL :
								  SEGBASE_GS_USER);
	return 0;
}

/* --- decoding --- */

struct prefixes {
	u8 segment, rex;
	bool opsize;
};

static u8 get_prefixes(struct fetch *f, struct insn *in, struct prefixes *p)
{
	u8 b;

	for (;;) {
		b = get8(f);
		switch (b) {
		case 0x66:
			p->opsize = true;
			break;
		case 0x67:
			in->addr32 = true;
			break;
		case 0xf0:
			in->lock = true;
			break;
		case 0xf2:
			in->repne = true;
			in->rep = false;
			break;
		case 0xf3:
			in->rep = true;
			in->repne = false;
			break;
		case 0x26: case 0x2e: case 0x36: case 0x3e:
			break;				/* bases are 0 in 64-bit mode */
		case 0x64: case 0x65:
			p->segment = b;
			break;
		default:
			if (in->code32 || (b & 0xf0) != 0x40)
				return b;
			p->rex = b;
			continue;
		}
		p->rex = 0;	/* REX counts only right before the opcode */
		if (f->err)
			return 0;
	}
}

/* The memory operand of ModRM; *rip_relative: the length of the instruction is to be added. */
static u64 get_address(struct fetch *f, const struct cpu_user_regs *regs, struct insn *in, u8 rex,
		       bool *rip_relative)
{
	u8 mod = in->modrm >> 6, rm = in->modrm & 7, sib;
	u64 ea = 0;

	*rip_relative = false;
	if (rm == 4) {
		sib = get8(f);
		rm = sib & 7;
		if (((sib >> 3) & 7) != 4 || (rex & 2))
			ea = reg64(regs, ((sib >> 3) & 7) | (rex & 2) << 2) << (sib >> 6);
		if (rm == 5 && mod == 0)
			return ea + (u64)get_signed(f, 4);
	} else if (rm == 5 && mod == 0) {
		*rip_relative = true;
		return (u64)get_signed(f, 4);
	}
	ea += reg64(regs, rm | (rex & 1) << 3);
	if (mod)
		ea += (u64)get_signed(f, mod == 1 ? 1 : 4);
	return ea;
}

/* ModRM, address, immediate: everything behind the opcode. 0 or -EINVAL. */
static int get_operands(const struct vcpu *v, const struct cpu_user_regs *regs, struct fetch *f,
			struct insn *in, const struct prefixes *p)
{
	unsigned int attr;
	bool rip_relative = false;

	if (wants_modrm(in->map, in->opcode)) {
		in->modrm = get8(f);
		in->reg = ((in->modrm >> 3) & 7) | (p->rex & 4) << 1;
		in->rm = (in->modrm & 7) | (p->rex & 1) << 3;
	}
	attr = in->map ? attributes2(in->opcode, in->reg & 7) :
			 attributes1(in->opcode, in->reg & 7);
	if (!attr)
		return -EINVAL;
	in->opsize = attr & A_BYTE ? 1 : in->rex_w ? 8 : p->opsize ? 2 : 4;
	in->is_string = attr & A_STR;
	in->is_mem = (attr & (A_STR | A_MOFFS)) ||
		     ((attr & A_MODRM) && !(attr & A_REGS) && in->modrm < 0xc0);
	if (((attr & A_MEM) && !in->is_mem) || (in->lock && !(attr & A_LOCK)) ||
	    (in->code32 && in->is_mem))
		return -EINVAL;		/* 32-bit code is emulated for its port I/O only */
	if (attr & A_MOFFS)
		in->ea = (u64)get_signed(f, in->addr32 ? 4 : 8);
	else if ((attr & A_STR))
		in->ea = regs->rdi;
	else if (in->is_mem)
		in->ea = get_address(f, regs, in, p->rex, &rip_relative);
	if (attr & A_IMM8)
		in->imm = (u64)get_signed(f, 1);
	else if (attr & A_IMMZ)
		in->imm = (u64)get_signed(f, in->opsize == 2 ? 2 : 4);
	in->length = f->pos;
	if (rip_relative)
		in->ea += regs->rip + in->length;
	if (attr & A_BITS) {	/* the operand is the word of the bit string that holds the bit */
		unsigned int shift = in->opsize == 8 ? 6 : in->opsize == 4 ? 5 : 4;
		u64 off = reg_read(regs, in->reg, in->opsize, true);

		off = (u64)((s64)(off << (64 - in->opsize * 8)) >> (64 - in->opsize * 8));
		in->ea += (u64)((s64)off >> shift) << (shift - 3);
	}
	if (in->addr32)
		in->ea = (u32)in->ea;
	if (in->is_mem && !in->is_string)
		in->ea += segment_base(v, p->segment);
	return 0;
}

/* MOVS and OUTS: the element at rsi; nothing is read when REP has nothing to do. */
static int get_source(const struct vcpu *v, const struct cpu_user_regs *regs, struct fetch *f,
		      struct insn *in, const struct prefixes *p)
{
	bool outs = in->opcode == 0x6e || in->opcode == 0x6f;
	unsigned int size = outs && in->opsize == 8 ? 4 : in->opsize;
	u64 va = in->addr32 ? (u32)regs->rsi : regs->rsi;

	if (!outs && in->opcode != 0xa4 && in->opcode != 0xa5)
		return 0;
	if ((in->rep || in->repne) && !(in->addr32 ? (u32)regs->rcx : regs->rcx))
		return 0;
	va += segment_base(v, p->segment);
	in->imm = 0;
	if (copy_from_guest(&in->imm, _gva(va), size)) {
		f->fault = va;
		return -EFAULT;
	}
	return 0;
}

int decode_insn(const struct vcpu *v, const struct cpu_user_regs *regs, struct insn *in,
		u64 *fault_va)
{
	struct fetch f = { .rip = regs->rip };
	struct prefixes p = { 0 };
	int rc = code_mode(v, regs->cs);

	memset(in, 0, sizeof(*in));
	if (rc < 0)
		return rc;
	in->code32 = rc;
	in->opcode = get_prefixes(&f, in, &p);
	if (in->opcode == 0x0f) {
		in->map = 1;
		in->opcode = get8(&f);
	}
	in->rex = p.rex;
	in->rex_w = p.rex & 8;
	rc = f.err ? 0 : get_operands(v, regs, &f, in, &p);
	if (!rc)
		rc = f.err;
	if (!rc && in->is_string)
		rc = get_source(v, regs, &f, in, &p);
	if (rc == -EFAULT)
		*fault_va = f.fault;
	return rc;
}

bool decode_fast_store(const u8 *bytes, unsigned int n, const struct cpu_user_regs *regs, u64 *ea,
		       u64 *val, unsigned int *len)
{
	unsigned int mod, rm;

	/* REX.W with R and B as they like (no X: there is no index), 89 /r */
	if (n < 3 || (bytes[0] & 0xfa) != 0x48 || bytes[1] != 0x89)
		return false;
	mod = bytes[2] >> 6;
	rm = bytes[2] & 7;
	if (mod > 1 || rm == 4 || (mod == 0 && rm == 5) || n < 3 + mod)
		return false;
	*ea = reg64(regs, rm | (bytes[0] & 1U) << 3) + (mod ? (u64)(s64)(s8)bytes[3] : 0);
	*val = reg64(regs, ((bytes[2] >> 3) & 7U) | (bytes[0] & 4U) << 1);
	*len = 3 + mod;
	return true;
}

/* --- afterwards --- */

/* Count and pointers of a string instruction. True: REP has more to do. */
static bool step_string(struct cpu_user_regs *regs, const struct insn *in)
{
	unsigned int op = in->opcode & ~1U, asize = in->addr32 ? 4 : 8;
	unsigned int size = op < 0x70 && in->opsize == 8 ? 4 : in->opsize;
	u64 step = regs->rflags & X86_RFLAGS_DF ? -(u64)size : size;
	u64 count = reg_read(regs, 1, asize, true);

	if (in->rep || in->repne) {
		if (!count)
			return false;
		reg_write(regs, 1, asize, true, --count);
	} else {
		count = 0;
	}
	if (op == 0x6e || op == 0xa4)
		reg_write(regs, 6, asize, true, regs->rsi + step);
	if (op != 0x6e)
		reg_write(regs, 7, asize, true, regs->rdi + step);
	return count;
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
