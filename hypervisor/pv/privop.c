/* SPDX-License-Identifier: MIT */
/*
 * Job:    emulate privileged instructions, which end in #GP in ring 3: control and debug register
 *         moves, MSR access, XSETBV, CPUID, TLB and cache instructions, port I/O (pv/ports.c).
 * Enter:  pv/bounce.c: #GP with error code 0 (emulate_privop), #UD (emulate_forced).
 * Holds:  O1  an instruction is emulated whole, with rip behind it, or not at all.
 *         O2  what only ring 0 may do is done for guest kernel mode only, whatever the bytes at rip
 *             say: another thread may have changed them since the fault.
 * Tests:  tests/host/test_privop.c, tests/guests/privop.c
 */
#include <hv/pv.h>
#include <hv/regs.h>

/*
 * What emulates an instruction returns 0: done; -ERESTART: it is to be repeated; -EFAULT: its
 * operand cannot be written; other errors: refused, the guest gets its exception.
 */

/* Always on for a guest, and what it may switch in its own view (hardware has it on anyway). */
#define CR4_BASE (X86_CR4_PAE | X86_CR4_MCE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT)
#define CR4_OWN (X86_CR4_DE | X86_CR4_FSGSBASE | X86_CR4_OSXSAVE)

static u64 edx_eax(const struct cpu_user_regs *regs)
{
	return regs->rdx << 32 | (u32)regs->rax;
}

static void set_edx_eax(struct cpu_user_regs *regs, u64 val)
{
	regs->rax = (u32)val;
	regs->rdx = val >> 32;
}

static u64 guest_cr0(const struct vcpu *v)
{
	return GUEST_CR0 | (v->pv.ts ? X86_CR0_TS : 0);
}

static int write_cr3(struct vcpu *v, u64 val)
{
	int rc = val & 0xfff0000000000fffUL ? -EINVAL : set_kernel_root(v, _mfn(val >> PAGE_SHIFT));

	if (rc)
		return rc == -ERESTART ? rc : -EPERM;
	flush_tlb_local();	/* also when the root is the old one */
	return 0;
}

static int read_cr(const struct vcpu *v, unsigned int n, u64 *val)
{
	u64 root = mfn_x(v->pv.root_kernel) << PAGE_SHIFT;
	u64 cr[] = { guest_cr0(v), 0, v->vcpu_info->arch.cr2, root,
		     CR4_BASE | (v->pv.ctrlreg4 & CR4_OWN) };

	if (n >= ARRAY_SIZE(cr) || n == 1)
		return -EPERM;
	*val = cr[n];
	return 0;
}

static int write_cr(struct vcpu *v, unsigned int cr, u64 val)
{
	switch (cr) {
	case 0:
		if ((val ^ GUEST_CR0) & ~X86_CR0_TS)
			return refuse(-EPERM, "CR0 = %lx", val);
		arch_set_ts(v, val & X86_CR0_TS);
		return 0;
	case 2:
		v->vcpu_info->arch.cr2 = val;
		return 0;
	case 3:
		return write_cr3(v, val);
	case 4:		/* bits that are not the guest's are ignored, as its kernels expect */
		v->pv.ctrlreg4 = CR4_BASE | (val & CR4_OWN);
		return 0;
	}
	return -EPERM;
}

/* The group 0f 01. */
static int group7(struct vcpu *v, struct cpu_user_regs *regs, const struct insn *in)
{
	u64 cr0 = guest_cr0(v);

	if ((in->reg & 7) == 4) {	/* SMSW faults with UMIP; it reveals nothing */
		if (in->is_mem)
			return copy_to_guest(_gva(in->ea), &cr0, 2);
		reg_write(regs, in->rm, in->opsize, true, cr0);
		return 0;
	}
	if (!v->pv.in_kernel)
		return -EPERM;
	if (in->modrm == 0xd1)		/* XSETBV */
		return (u32)regs->rcx ? -EPERM : arch_set_xcr0(v, edx_eax(regs));
	if ((in->reg & 7) == 6 && !in->is_mem)	/* LMSW: loads PE MP EM TS; cannot clear PE */
		return write_cr(v, 0, (cr0 & ~0xeUL) | (*reg_ptr(regs, in->rm) & 0xe));
	if ((in->reg & 7) != 7 || !in->is_mem)
		return -EPERM;
	if (!in_hv_slots(in->ea))	/* INVLPG */
		flush_va_local(in->ea);
	return 0;
}

static void cpuid_to_regs(struct vcpu *v, struct cpu_user_regs *regs)
{
	struct cpuid_leaf l;

	guest_cpuid(v, (u32)regs->rax, (u32)regs->rcx, &l);
	regs->rax = l.a;
	regs->rbx = l.b;
	regs->rcx = l.c;
	regs->rdx = l.d;
}

static int msr_access(struct vcpu *v, struct cpu_user_regs *regs, bool write)
{
	u32 msr = (u32)regs->rcx;
	u64 val = edx_eax(regs);

	if (write ? guest_wrmsr(v, msr, val) : guest_rdmsr(v, msr, &val))
		return refuse(-EPERM, "%s %x", write ? "WRMSR" : "RDMSR", msr);
	if (!write)
		set_edx_eax(regs, val);
	return 0;
}

static int execute(struct vcpu *v, struct cpu_user_regs *regs, const struct insn *in)
{
	u64 *reg = reg_ptr(regs, in->rm);

	switch (in->opcode) {			/* these also in user mode */
	case 0x6c ... 0x6f: case 0xe4 ... 0xe7: case 0xec ... 0xef:
		return emulate_port_io(v, regs, in);
	case 0xfa: case 0xfb:		/* the event mask is the guest's interrupt flag, not IF */
		return v->pv.in_kernel || v->pv.iopl == 3 ? 0 : -EPERM;
	case 0x101:
		return group7(v, regs, in);
	case 0x131:			/* faults only with CR4.TSD */
		set_edx_eax(regs, rdtsc_now());
		return 0;
	case 0x1a2:			/* faults only with CPUID faulting */
		cpuid_to_regs(v, regs);
		return 0;
	}
	if (!v->pv.in_kernel)
		return -EPERM;
	switch (in->opcode) {
	case 0xf4:			/* as STI; HLT: sleep until an event */
		v->vcpu_info->evtchn_upcall_mask = 0;
		smp_mb();		/* before pending is looked at */
		sched_block();
		return 0;
	case 0x106:
		arch_set_ts(v, false);
		return 0;
	case 0x108: case 0x109:		/* without devices of its own a guest needs no WBINVD */
		if (v->domain->is_hardware || v->domain->iomem.count)
			flush_cache(false);
		return 0;
	case 0x120:
		return read_cr(v, in->reg, reg);
	case 0x121:
		if (in->reg > 7 || in->reg == 4 || in->reg == 5)
			return -EPERM;
		*reg = get_guest_debugreg(v, in->reg);
		return 0;
	case 0x122:
		return write_cr(v, in->reg, *reg);
	case 0x123:
		return set_guest_debugreg(v, in->reg, *reg);
	case 0x130: case 0x132:
		return msr_access(v, regs, in->opcode == 0x130);
	}
	return -EPERM;
}

/*
 * RDMSR of a segment base by the guest kernel: Linux does it at every switch of a process, so it
 * does without the decoder.
 */
static bool fast_segment_base(struct vcpu *v, struct cpu_user_regs *regs)
{
	static const u8 which[3] = { SEGBASE_FS, SEGBASE_GS_KERNEL, SEGBASE_GS_USER };
	u32 n = (u32)regs->rcx - 0xc0000100U;
	u64 code;

	if (n >= 3 || !v->pv.in_kernel || copy_words_from_guest(&code, _gva(regs->rip), 1) ||
	    (u16)code != 0x320f || (regs->rflags & X86_RFLAGS_TF))
		return false;
	set_edx_eax(regs, arch_get_segment_base(v, which[n]));
	regs->rip += 2;
	regs->rflags &= ~X86_RFLAGS_RF;
	return true;
}

/* Memory is reached with the kernel's rights: for ring 3 on the root of a kernel in ring 1, none of it. */
static bool beyond_rights(const struct vcpu *v, const struct insn *in)
{
	return !WITHOUT(9) && !v->pv.in_kernel && v->pv.mode == MODE_RING1 && (in->is_mem || in->is_string);
}

bool emulate_privop(struct vcpu *v, struct cpu_user_regs *regs)
{
	struct insn in;
	u64 fault_va = 0;
	u32 error = PFEC_W;
	int rc;

	if (fast_segment_base(v, regs))
		return true;
	rc = decode_insn(v, regs, &in, &fault_va);
	if (!rc) {
		trace(PRIVOP, in.opcode, regs->rip);
		fault_va = in.ea;
		rc = beyond_rights(v, &in) ? -EPERM : execute(v, regs, &in);
	} else {	/* the rest of the instruction, or the source of OUTS, is not mapped */
		error = fault_va - regs->rip < 15 ? PFEC_I : 0;
	}
	switch (rc) {
	case 0:
		retire_insn(regs, &in);
		step_after_insn(v, regs);
		return true;
	case -EFAULT:
		bounce_page_fault(v, regs, fault_va, error);
		return true;
	case -ERESTART:		/* CR3: part of the tree is validated */
		return true;
	}
	return false;
}

/* UD2, "xen", CPUID: the way in which PV guests ask, in kernel and user mode. */
bool emulate_forced(struct vcpu *v, struct cpu_user_regs *regs)
{
	static const u8 want[7] = { 0x0f, 0x0b, 'x', 'e', 'n', 0x0f, 0xa2 };
	u64 at = regs->rip, end = at + sizeof(want), n;
	u8 got[7];

	/* the next page only when this one has the beginning */
	for (; at != end; at += n) {
		n = min(end - at, PAGE_SIZE - (at & ~PAGE_MASK));
		if (in_hv_slots(at) || copy_from_guest(got, _gva(at), n)) {
			if (at == regs->rip)
				return false;
			bounce_page_fault(v, regs, at, PFEC_I);
			return true;
		}
		if (__builtin_memcmp(got, want + (at - regs->rip), n))
			return false;
	}
	cpuid_to_regs(v, regs);
	regs->rip = end;
	regs->rflags &= ~X86_RFLAGS_RF;
	step_after_insn(v, regs);
	return true;
}
