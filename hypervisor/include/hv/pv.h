/* SPDX-License-Identifier: MIT */
/*
 * Job:    the PV contract: what the files of pv/ offer each other and control/.
 * Locks:  page-table functions: d->mmu_lock of the tables' owner held unless said otherwise.
 * Holds:  P1  every entry reachable from a root was checked.
 *         P2  the hypervisor's L4 slots never come from a guest.
 *         P3  an entry is written only after its references are taken; references are dropped
 *             only after the entry is gone; a frame changes type or owner only after the flush
 *             that its stamp asks for.
 * Tests:  tests/host, tests/guests: those that the files of pv/ name
 */
#ifndef HV_PV_H
#define HV_PV_H

#include <hv/continue.h>
#include <hv/debug.h>
#include <hv/domain.h>
#include <hv/pte.h>

/* --- hypercall.c, and what files with handlers share --- */
#define NR_HYPERCALLS 64
typedef long (*hypercall_fn)(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5, u64 a6);
extern const hypercall_fn hypercall_table[NR_HYPERCALLS];	/* called by entry.S */
/* In the count of mmu_update and mmuext_op: this is a continuation, add to what was counted. */
#define MMU_UPDATE_PREEMPTED 0x80000000U

/* --- pagetable.c --- */
/*
 * Replace one entry of a validated table of d; on error nothing changes. pg_owner owns the frame that
 * it may map (NULL: DOMID_IO). preserve_ad: keep the accessed and dirty bits of the old entry.
 */
int mod_l1(struct domain *d, struct domain *pg_owner, u64 *l1p, u64 new, bool preserve_ad);
int mod_l1_if_same(struct domain *d, u64 *l1p, u64 old, u64 new);	/* -EAGAIN: is not old */
int mod_table_entry(struct domain *d, struct page_info *pg, enum page_type type, unsigned int idx,
		    u64 new, bool preserve_ad);
void fill_hv_slots(u64 *l4);		/* of a guest's L4 (validate_table calls it); seam to x86 */
/* Roots of a vcpu: typed PT_l4, held. */
int set_kernel_root(struct vcpu *v, mfn_t mfn);
int set_user_root(struct vcpu *v, mfn_t mfn);		/* mfn 0 / INVALID: none */
void drop_roots(struct vcpu *v);
u64 root_to_cr3(struct vcpu *v, mfn_t root, bool user);	/* seam: adds PCID bits */

/* --- mmu_update.c: a write fault on a page that maps a page table read-only --- */
bool ptwr_fault(struct vcpu *v, struct cpu_user_regs *regs, u64 va);

/* --- bounce.c: build a frame on the guest's kernel stack and enter its handler --- */
void bounce_trap(struct vcpu *v, struct cpu_user_regs *regs, unsigned int vector, bool has_error,
		 u32 error);
void bounce_page_fault(struct vcpu *v, struct cpu_user_regs *regs, u64 cr2, u32 error);
void bounce_failsafe(struct vcpu *v, struct cpu_user_regs *regs);

#define BOUNCE_CLEARS (X86_RFLAGS_TF | X86_RFLAGS_NT | X86_RFLAGS_RF | X86_RFLAGS_VM | \
		       X86_RFLAGS_AC | X86_RFLAGS_IOPL)		/* of the flags when a handler starts */

/* --- ring1.c: the same for kernels in ring 1 (v->pv.mode == MODE_RING1) --- */
bool ring1_bounce(struct vcpu *v, struct cpu_user_regs *regs, u64 entry, bool mask_events,
		  bool has_error, u32 error, u64 sp);
bool ring1_page_ok(const struct vcpu *v);	/* its vcpu_info is where it must be */
bool ring1_takes_event(struct vcpu *v, struct cpu_user_regs *regs);	/* may change regs */
void ring1_nmi(struct vcpu *v, struct cpu_user_regs *regs);
void ring1_iret(struct vcpu *v, struct cpu_user_regs *regs, const struct iret_context *f);
/* Is the guest kernel's the GS base in force? In ring 1 the guest exchanges them by itself. */
static inline bool kernel_gs_active(const struct vcpu *v)
{
	return v->pv.in_kernel || v->pv.mode == MODE_RING1;
}

/* --- descriptors.c --- */
bool fix_code_selector(u64 *sel);	/* make it a legal ring-3 code selector; false: refuse */
bool fix_stack_selector(u64 *sel);
int validate_seg_page(u64 *descs);	/* 512 descriptors, sanitised in place; -EINVAL */
int check_descriptor(u64 *desc);	/* sanitises DPL; -EINVAL: a kind guests may not have */
int set_gdt_frames(struct vcpu *v, const u64 *mfns, unsigned int entries);	/* 0: drop it */
int set_ldt(struct vcpu *v, u64 base, unsigned int ents);
int set_guest_debugreg(struct vcpu *v, unsigned int reg, u64 val);	/* -EPERM -EINVAL */
u64 get_guest_debugreg(const struct vcpu *v, unsigned int reg);		/* 0-7 */

/* --- decode.c: the few instructions that are emulated --- */
struct insn {
	u16 opcode;		/* behind 0f: 0x100 + the second byte */
	u8 length;		/* whole instruction */
	u8 opsize;		/* bytes: 1 2 4 8 */
	u8 modrm, reg, rm;	/* reg and rm with REX bits */
	u8 rex, segment;	/* these prefixes; 0: none */
	bool rep, lock, addr32, code32;
	bool is_mem, is_string;
	bool rep_over;		/* a string instruction with REP and a count of 0: no effect */
	u64 ea;			/* effective address when is_mem (segment bases applied) */
	u64 imm;		/* sign-extended immediate; MOVS, OUTS: the element read at rsi */
};
/* Fetch at regs->rip and decode; 0, -EFAULT (fetch failed; *fault_va says where), -EINVAL. */
int decode_insn(struct vcpu *v, const struct cpu_user_regs *regs, struct insn *in, u64 *fault_va);
/* rip behind the instruction (REP with more to do: stays, rcx and the pointers move), RF clear. */
void retire_insn(struct cpu_user_regs *regs, const struct insn *in);
/* Last thing after an emulated instruction: #DB if the guest single-steps. */
void step_after_insn(struct vcpu *v, struct cpu_user_regs *regs);

extern const u8 reg_offset[16];
static inline u64 *reg_ptr(struct cpu_user_regs *regs, unsigned int n)	/* by encoding 0-15 */
{
	return (u64 *)((char *)regs + reg_offset[n & 15]);
}

/* n as encoded; rex: any REX prefix, which makes byte registers 4-7 spl .. dil. */
u64 reg_read(const struct cpu_user_regs *regs, unsigned int n, unsigned int size, bool rex);
void reg_write(struct cpu_user_regs *regs, unsigned int n, unsigned int size, bool rex, u64 val);

static inline u64 trunc_to(u64 val, unsigned int bytes)
{
	return val & (~0UL >> (64 - bytes * 8));
}

/*
 * What a decoded store makes of old, the aligned word that contains in->ea; *new may be the
 * same. regs is a copy of the frame, which becomes what it is after the instruction: put it in force
 * once *new is stored. -EINVAL: not a store, or it crosses the word.
 */
int emulate_store(struct cpu_user_regs *regs, const struct insn *in, u64 old, u64 *new);

/* --- privop.c, cpuid.c --- */
#define PAT_VALUE 0x50100070406UL	/* WB WT UC- UC WC WP: Xen's ABI */
bool emulate_privop(struct vcpu *v, struct cpu_user_regs *regs);	/* #GP: done? else inject */
bool emulate_forced(struct vcpu *v, struct cpu_user_regs *regs);	/* #UD: ud2a "xen" cpuid */
/* IN, OUT, or a step of INS, OUTS but for rip. -EPERM; -EFAULT: INS cannot write, nothing was read. */
int emulate_port_io(struct vcpu *v, struct cpu_user_regs *regs, const struct insn *in);
/* v is current: leaf d tells the size of its XSAVE area. */
void guest_cpuid(const struct vcpu *v, u32 leaf, u32 sub, struct cpuid_leaf *out);
extern const struct cpuid_word { u32 leaf, sub; u8 reg; bool any_sub; } cpuid_words[CPUID_WORDS];
enum vendor { V_any, V_intel, V_amd };
enum vendor hw_vendor(void);		/* of the processor; V_any: neither of these */
int guest_rdmsr(struct vcpu *v, u32 msr, u64 *val);	/* -EACCES: inject #GP */
int guest_wrmsr(struct vcpu *v, u32 msr, u64 val);
int write_hypercall_page(struct domain *d, mfn_t mfn);	/* -EACCES: not d's writable memory */

/* --- vcpu_op.c, callback.c --- */
/* Accepted bits of vm_assist. m2p_strict is not: user page tables show the M2P. */
#define VM_ASSIST_VALID (BIT(VMASST_TYPE_4gb_segments) | BIT(VMASST_TYPE_4gb_segments_notify) | \
	BIT(VMASST_TYPE_writable_pagetables) | BIT(VMASST_TYPE_pae_extended_cr3) | \
	BIT(VMASST_TYPE_architectural_iopl) | BIT(VMASST_TYPE_runstate_update_flag))
/*
 * Check and install a whole context; c is changed. v is down and has none yet: -EEXIST otherwise.
 * -ERESTART: call again with the same context.
 */
int set_vcpu_context(struct vcpu *v, struct vcpu_guest_context *c);
int check_trap(struct trap_info *t);	/* makes its selector legal; -EINVAL -EPERM */
/* Recompute v->pv.direct_ok after a change of roots, callbacks or the kernel stack. */
void pv_update_direct(struct vcpu *v);

static inline bool is_canonical(u64 va)
{
	return (u64)((s64)(va << 16) >> 16) == va;
}

#endif
