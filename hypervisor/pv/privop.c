/* SPDX-License-Identifier: MIT */
/*
 * Privileged instructions of guests, which run in ring 3 and so end in #GP.
 *
 * Job:    emulate control and debug register moves, MSR access, XSETBV, CPUID, TLB and cache
 *         instructions; hand port I/O to pv/ports.c.
 * Enter:  pv/bounce.c: #GP with error code 0 (emulate_privop), #UD (emulate_forced).
 * State:  the current vcpu's frame and virtual registers.
 * Locks:  mmu_lock inside set_kernel_root() (MOV to CR3).
 * Holds:  O1  an instruction is emulated whole, with rip behind it, or not at all.
 *         O2  what only ring 0 may do is done for guest kernel mode only, whatever the bytes at rip
 *             say: another thread may have changed them since the fault.
 * Tests:  tests/host/test_privop.c, tests/guests/privop.c
 * Next:   pv/decode.c, pv/ports.c, pv/msr.c, pv/cpuid.c
 */
#include <hv/debug.h>
#include <hv/errno.h>
#include <hv/pv.h>
#include <hv/regs.h>

/* Outcome of one instruction. */
enum outcome {
	OP_refused,		/* not emulated: the guest gets its exception */
	OP_done,		/* advance rip */
	OP_left			/* the frame is as it must be already */
};

/* --- control registers --- */

#define CR0_BASE (X86_CR0_PE | X86_CR0_MP | X86_CR0_ET | X86_CR0_NE | X86_CR0_WP | X86_CR0_AM | \
		  X86_CR0_PG)
/* Always on for a guest, and what it may switch in its own view (hardware has it on anyway). */
#define CR4_BASE (X86_CR4_PAE | X86_CR4_MCE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT)
#define CR4_OWN (X86_CR4_DE | X86_CR4_FSGSBASE | X86_CR4_OSXSAVE)

static u64 guest_cr0(const struct vcpu *v)
{
	return CR0_BASE | (v->pv.ts ? X86_CR0_TS : 0);
}

static enum outcome write_cr3(struct vcpu *v, u64 val)
{
	int rc;

	if (val & 0xfff0000000000fffUL)
		return OP_refused;
	rc = set_kernel_root(v, _mfn(val >> PAGE_SHIFT));
	if (rc == -ERESTART)
		return OP_left;		/* part of the tree is validated: the instruction repeats */
	if (rc)
		return OP_refused;
	flush_tlb_local();		/* also when the root is the old one */
	return OP_done;
}

static enum outcome read_cr(struct vcpu *v, unsigned int cr, u64 *val)
{
	switch (cr) {
	case 0:
		*val = guest_cr0(v);
		return OP_done;
	case 2:
		*val = v->vcpu_info->arch.cr2;
		return OP_done;
	case 3:
		*val = mfn_x(v->pv.root_kernel) << PAGE_SHIFT;
		return OP_done;
	case 4:
		*val = CR4_BASE | (v->pv.ctrlreg4 & CR4_OWN);
		return OP_done;
	}
	return OP_refused;
}

static enum outcome write_cr(struct vcpu *v, unsigned int cr, u64 val)
{
	switch (cr) {
	case 0:
		if ((val ^ CR0_BASE) & ~X86_CR0_TS) {
			guest_log(LOG_DEBUG, "d%dv%u: CR0 = %lx refused\n", v->domain->id, v->id, val);
			return OP_refused;
		}
		arch_set_ts(v, val & X86_CR0_TS);
		return OP_done;
	case 2:
		v->vcpu_info->arch.cr2 = val;
		return OP_done;
	case 3:
		return write_cr3(v, val);
	case 4:		/* bits that are not the guest's are ignored, as its kernels expect */
		v->pv.ctrlreg4 = CR4_BASE | (val & CR4_OWN);
		return OP_done;
	}
	return OP_refused;
}

static enum outcome move_cr(struct vcpu *v, struct cpu_user_regs *regs, const struct insn *in)
{
	u64 val;

	if (in->opcode == 0x22)
		return write_cr(v, in->reg, *reg_ptr(regs, in->rm));
	if (read_cr(v, in->reg, &val) == OP_refused)
		return OP_refused;
	*reg_ptr(regs, in->rm) = val;
	return OP_done;
}

static enum outcome move_dr(struct vcpu *v, struct cpu_user_regs *regs, const struct insn *in)
{
	unsigned int dr = in->reg;

	if (dr > 7 || dr == 4 || dr == 5)
		return OP_refused;
	if (in->opcode == 0x23)
		return set_guest_debugreg(v, dr, *reg_ptr(regs, in->rm)) ? OP_refused : OP_done;
	*reg_ptr(regs, in->rm) = get_guest_debugreg(v, dr);
	return OP_done;
}

/* --- the group 0f 01 --- */

static enum outcome smsw(struct vcpu *v, struct cpu_user_regs *regs, const struct insn *in)
{
	u64 val = guest_cr0(v);

	if (!in->is_mem) {
		reg_write(regs, in->rm, in->opsize, true, val);
		return OP_done;
	}
	if (copy_to_guest(_gva(in->ea), &val, 2)) {
		bounce_page_fault(v, regs, in->ea, PFEC_W);
		return OP_left;
	}
	return OP_done;
}

static enum outcome lmsw(struct vcpu *v, const struct cpu_user_regs *regs, const struct insn *in)
{
	u64 val = reg_read(regs, in->rm, 2, true);

	if (in->is_mem || !v->pv.in_kernel)
		return OP_refused;
	/* loads PE MP EM TS; cannot clear PE */
	return write_cr(v, 0, (guest_cr0(v) & ~0xeUL) | (val & 0xe));
}

static enum outcome group7(struct vcpu *v, struct cpu_user_regs *regs, const struct insn *in)
{
	switch (in->modrm) {
	case 0xd1:			/* XSETBV */
		if (!v->pv.in_kernel || (u32)regs->rcx ||
		    arch_set_xcr0(v, regs->rdx << 32 | (u32)regs->rax))
			return OP_refused;
		return OP_done;
	}
	switch (in->reg & 7) {
	case 4:				/* UMIP makes it fault in hardware; it reveals nothing */
		return smsw(v, regs, in);
	case 6:
		return lmsw(v, regs, in);
	case 7:				/* INVLPG */
		if (!in->is_mem || !v->pv.in_kernel)
			return OP_refused;
		if (guest_addr_ok(in->ea))
			flush_va_local(in->ea);
		return OP_done;
	}
	return OP_refused;
}

/* --- the rest --- */

static void cpuid_to_regs(struct vcpu *v, struct cpu_user_regs *regs)
{
	struct cpuid_leaf l;

	guest_cpuid(v, (u32)regs->rax, (u32)regs->rcx, &l);
	regs->rax = l.a;
	regs->rbx = l.b;
	regs->rcx = l.c;
	regs->rdx = l.d;
}

static enum outcome msr_access(struct vcpu *v, struct cpu_user_regs *regs, bool write)
{
	u32 msr = (u32)regs->rcx;
	u64 val = regs->rdx << 32 | (u32)regs->rax;

	if (write ? guest_wrmsr(v, msr, val) : guest_rdmsr(v, msr, &val)) {
		guest_log(LOG_DEBUG, "d%dv%u: %s %x refused\n", v->domain->id, v->id,
			  write ? "WRMSR" : "RDMSR", msr);
		return OP_refused;
	}
	if (!write) {
		regs->rax = (u32)val;
		regs->rdx = val >> 32;
	}
	return OP_done;
}

static enum outcome two_byte(struct vcpu *v, struct cpu_user_regs *regs, const struct insn *in)
{
	u64 tsc;

	switch (in->opcode) {		/* these also in user mode */
	case 0x01:
		return group7(v, regs, in);
	case 0x31:			/* faults only with CR4.TSD */
		tsc = rdtsc_now();
		regs->rax = (u32)tsc;
		regs->rdx = tsc >> 32;
		return OP_done;
	case 0xa2:			/* faults only with CPUID faulting */
		cpuid_to_regs(v, regs);
		return OP_done;
	}
	if (!v->pv.in_kernel)
		return OP_refused;
	switch (in->opcode) {
	case 0x06:
		arch_set_ts(v, false);
		return OP_done;
	case 0x08: case 0x09:		/* without devices of its own a guest needs no WBINVD */
		if (v->domain->is_hardware || v->domain->iomem.count)
			flush_cache_local();
		return OP_done;
	case 0x20: case 0x22:
		return move_cr(v, regs, in);
	case 0x21: case 0x23:
		return move_dr(v, regs, in);
	case 0x30: case 0x32:
		return msr_access(v, regs, in->opcode == 0x30);
	}
	return OP_refused;
}

static enum outcome one_byte(struct vcpu *v, struct cpu_user_regs *regs, const struct insn *in)
{
	switch (in->opcode) {
	case 0x6c: case 0x6d: case 0x6e: case 0x6f:
	case 0xe4: case 0xe5: case 0xe6: case 0xe7:
	case 0xec: case 0xed: case 0xee: case 0xef:
		switch (emulate_port_io(v, regs, in)) {
		case 0:
			return OP_done;
		case -EFAULT:		/* INS to a page that cannot be written */
			bounce_page_fault(v, regs, in->ea, PFEC_W);
			return OP_left;
		}
		return OP_refused;
	case 0xf4:			/* as STI; HLT: sleep until an event */
		if (!v->pv.in_kernel)
			return OP_refused;
		v->vcpu_info->evtchn_upcall_mask = 0;
		smp_mb();		/* before pending is looked at */
		sched_block();
		return OP_done;
	case 0xfa: case 0xfb:
		/* The event mask is the guest's interrupt flag; the real one is not for it. */
		return v->pv.in_kernel || v->pv.iopl == 3 ? OP_done : OP_refused;
	}
	return OP_refused;
}

/*
 * RDMSR of a segment base by the guest kernel: Linux does it at every switch of a process, so it
 * does without the decoder.
 */
static bool fast_segment_base(struct vcpu *v, struct cpu_user_regs *regs)
{
	static const u8 which[3] = { SEGBASE_FS, SEGBASE_GS_KERNEL, SEGBASE_GS_USER };
	u32 n = (u32)regs->rcx - 0xc0000100U;
	u64 code, val;

	if (n >= 3 || !v->pv.in_kernel || copy_words_from_guest(&code, _gva(regs->rip), 1) ||
	    (u16)code != 0x320f || (regs->rflags & X86_RFLAGS_TF))
		return false;
	val = arch_get_segment_base(v, which[n]);
	regs->rax = (u32)val;
	regs->rdx = val >> 32;
	regs->rip += 2;
	regs->rflags &= ~X86_RFLAGS_RF;
	return true;
}

bool emulate_privop(struct vcpu *v, struct cpu_user_regs *regs)
{
	struct insn in;
	u64 fault_va;
	enum outcome out;

	if (fast_segment_base(v, regs))
		return true;
	switch (decode_insn(v, regs, &in, &fault_va)) {
	case 0:
		break;
	case -EFAULT:	/* the rest of the instruction, or the source of OUTS, is not mapped */
		bounce_page_fault(v, regs, fault_va, fault_va - regs->rip < 15 ? PFEC_I : 0);
		return true;
	default:
		return false;
	}
	trace(PRIVOP, in.map << 8 | in.opcode, regs->rip);
	out = in.map ? two_byte(v, regs, &in) : one_byte(v, regs, &in);
	if (out == OP_refused)
		return false;
	if (out == OP_done) {
		retire_insn(regs, &in);
		step_after_insn(v, regs);
	}
	return true;
}

/* UD2, "xen", CPUID: the way in which PV guests ask, in kernel and user mode. */
bool emulate_forced(struct vcpu *v, struct cpu_user_regs *regs)
{
	static const u8 want[7] = { 0x0f, 0x0b, 'x', 'e', 'n', 0x0f, 0xa2 };
	u64 rip = regs->rip, part = min((u64)sizeof(want), PAGE_SIZE - (rip & ~PAGE_MASK));
	u8 got[7];

	if (!guest_addr_ok(rip) || copy_from_guest(got, _gva(rip), part) ||
	    __builtin_memcmp(got, want, part))
		return false;
	if (part < sizeof(want)) {
		if (!guest_addr_ok(rip + part) ||
		    copy_from_guest(got + part, _gva(rip + part), sizeof(want) - part)) {
			bounce_page_fault(v, regs, rip + part, PFEC_I);
			return true;
		}
		if (__builtin_memcmp(got, want, sizeof(want)))
			return false;
	}
	cpuid_to_regs(v, regs);
	regs->rip += sizeof(want);
	regs->rflags &= ~X86_RFLAGS_RF;
	step_after_insn(v, regs);
	return true;
}
