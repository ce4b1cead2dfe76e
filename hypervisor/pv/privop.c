/* SPDX-License-Identifier: MIT */
/*
 * Job:    emulate privileged instructions, which end in #GP in ring 3: control and debug register
 *         moves, MSR access, XSETBV, CPUID, TLB and cache instructions, port I/O: who may name a
 *         port at all (IOPL, I/O bitmap); whether it is hidden, emulated or passed to the hardware.
 * Enter:  pv/bounce.c: #GP with error code 0 (emulate_privop), #UD (emulate_forced).
 * State:  d->cmos_index, d->pci_cf8; v->pv.iopl, iobmp.
 * Locks:  cmos_lock (RANK_LEAF) around an index and data cycle.
 * Holds:  O1  an instruction is emulated whole, with rip behind it, or not at all.
 *         O2  what only ring 0 may do is done for guest kernel mode only, whatever the bytes at rip
 *             say: another thread may have changed them since the fault.
 *         I1  the hypervisor's devices (8259s, PIT channel 0, its UART) are never written.
 *         I2  a domain that owns no devices reads ones and writes nowhere.
 * Tests:  tests/host/test_privop.c, tests/guests/{privop,abuse_iopl}.c
 */
#include <hv/irq.h>
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

/* --- ports --- */

static spinlock_t cmos_lock = SPINLOCK_INIT(RANK_LEAF);

/* The policy for the hardware domain; ports not named here are passed through. */
enum port_kind { IO_pass, IO_hide, IO_pit, IO_nmi, IO_cmos, IO_pci_data };
static const struct { u16 first, last; enum port_kind kind; } policy[] = {
	{ 0x20, 0x21, IO_hide },	/* 8259s: reading ones tells a kernel that there are none */
	{ 0x40, 0x43, IO_pit },		/* channel 2 (speaker) only */
	{ 0x61, 0x61, IO_nmi },		/* speaker gate; the NMI enables stay */
	{ 0x70, 0x71, IO_cmos },
	{ 0xa0, 0xa1, IO_hide },
	{ 0x4d0, 0x4d1, IO_hide },	/* trigger modes of the 8259s */
	{ 0xcfc, 0xcff, IO_pci_data },
};

static enum port_kind port_kind(u16 port)
{
	if (arch_port_is_ours(port))
		return IO_hide;
	for (unsigned int i = 0; i < ARRAY_SIZE(policy); i++)
		if (port >= policy[i].first && port <= policy[i].last)
			return policy[i].kind;
	return IO_pass;
}

/* The I/O bitmap is in the guest kernel's address space. */
static bool bitmap_allows(struct vcpu *v, u16 port, unsigned int size)
{
	u16 bits = 0xffff;
	bool user = !v->pv.in_kernel;
	int rc;

	if (!v->pv.iobmp || (u32)port + size > v->pv.iobmp_limit)
		return false;
	if (user)
		arch_toggle_guest_mode(v);
	/* two bytes only when the second counts: the bitmap may end with a page */
	rc = copy_from_guest(&bits, _gva(v->pv.iobmp + port / 8), (port & 7) + size > 8 ? 2 : 1);
	if (user)
		arch_toggle_guest_mode(v);
	return !rc && !((bits >> (port & 7)) & (BIT(size) - 1));
}

/* Each of these returns what was read; bits beyond the size do not matter. */
static u32 hw_io(u16 port, unsigned int size, u32 val, bool write)
{
	if (!write)
		return arch_io_read(port, size);
	arch_io_write(port, size, val);
	return 0;
}

static u32 cmos_io(struct domain *d, u16 port, u32 val, bool write)
{
	if (port == 0x70) {
		if (write)
			d->cmos_index = val & 0x7f;	/* bit 7 would disable NMIs */
		return 0xff;				/* write-only */
	}
	spin_lock(&cmos_lock);
	arch_io_write(0x70, 1, d->cmos_index);
	val = hw_io(0x71, 1, val, write);
	spin_unlock(&cmos_lock);
	return val;
}

static u32 pci_io(const struct domain *d, u16 port, unsigned int size, u32 val, bool write)
{
	u32 a = d->pci_cf8;
	u16 reg = (a & 0xfc) | (port & 3);

	if (!(a & BIT(31)))
		return ~0U;
	if (!write)
		return pci_conf_read(0, (u8)(a >> 16), (u8)(a >> 8), reg, size);
	pci_conf_write(0, (u8)(a >> 16), (u8)(a >> 8), reg, size, val);
	return 0;
}

static u8 byte_io(struct domain *d, u16 port, u8 val, bool write)
{
	switch (port_kind(port)) {
	case IO_hide:
		return 0xff;
	case IO_cmos:
		return cmos_io(d, port, val, write);
	case IO_pci_data:
		return pci_io(d, port, 1, val, write);
	case IO_pit:			/* channel 2, and commands that name it */
		if (port != 0x42 && (port != 0x43 || !write || val >> 6 != 2))
			return 0xff;
		break;
	case IO_nmi:
		if (write)
			val = (arch_io_read(port, 1) & 0x0c) | (val & 3);
		break;
	case IO_pass:
		break;
	}
	return hw_io(port, 1, val, write);
}

static u32 port_io(struct domain *d, u16 port, unsigned int size, u32 val, bool write)
{
	bool pass = true;
	u32 i, res = 0;

	if (!d->is_hardware || (u32)port + size > 0x10000)
		return ~0U;
	if (port == 0xcf8 && size == 4) {
		if (write)
			d->pci_cf8 = val;
		return d->pci_cf8;
	}
	/* configuration data, if the access does not leave the register */
	if ((port & 0xfffc) == 0xcfc && (port & 3) + size <= 4 && port_kind(port) == IO_pci_data)
		return pci_io(d, port, size, val, write);
	for (i = 0; i < size; i++)
		pass &= port_kind((u16)(port + i)) == IO_pass;
	if (likely(pass))
		return hw_io(port, size, val, write);
	for (i = 0; i < size; i++)
		res |= (u32)byte_io(d, (u16)(port + i), (u8)(val >> (i * 8)), write) << (i * 8);
	return res;
}

int emulate_port_io(struct vcpu *v, struct cpu_user_regs *regs, const struct insn *in)
{
	u16 port = in->opcode >= 0xe4 && in->opcode <= 0xe7 ? (u8)in->imm : (u16)regs->rdx;
	bool write = in->opcode & 2;
	u32 val = (u32)(in->is_string ? in->imm : reg_read(regs, 0, in->opsize, true));

	/* the guest kernel counts as ring 1 */
	if (v->pv.iopl < (v->pv.in_kernel ? 1 : 3) && !bitmap_allows(v, port, in->opsize))
		return -EPERM;
	if (in->rep_over)
		return 0;
	/* INS: try first, for reading a port may take something away */
	if (in->is_string && !write && clear_guest(_gva(in->ea), in->opsize))
		return -EFAULT;
	val = port_io(v->domain, port, in->opsize, val, write);
	if (write)
		return 0;
	if (in->is_string)
		return copy_to_guest(_gva(in->ea), &val, in->opsize);
	reg_write(regs, 0, in->opsize, true, val);
	return 0;
}
