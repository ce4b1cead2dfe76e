/* SPDX-License-Identifier: MIT */
/*
 * Job:    exceptions in the hypervisor: recover what __ex_table covers (copies from and to guests), or stop
 *         with a dump; guests' debug traps; print registers, a crashed guest; stop the other CPUs by NMI.
 * Enter:  entry.S; debug/panic.c, core/domain.c (guest crash), debug keys.
 * State:  __ex_table; crashing; who has stopped; who is asked for an answer to an NMI.
 * Holds:  X6  a fault in ring 0 is either in __ex_table or the end: nothing is guessed.
 *         CR1  memory of a guest is read by copy_from_guest only.
 *         U1  no guest byte is read twice by one decision: callers copy, then check the copy.
 *         U2  a range is checked once, whole: never the hypervisor's slots, but reads of the M2P.
 * Tests:  tests/guests/{abuse_iret,abuse_segments,debugregs,abuse_pointers}.c
 */
#include <hv/pv.h>
#include "machine.h"

static bool crashing;
static cpumask_t stopped, asked;

void fatal_exception(struct cpu_user_regs *regs)
{
	panic_regs(regs, "exception %u, error %x, cr2 %lx", regs->entry_vector, regs->error_code,
		   read_cr2());
}

/* An exception whose frame came from ring 0. */
void hv_exception(struct cpu_user_regs *regs)
{
	extern const struct { u64 insn, fixup; } __start___ex_table[], __stop___ex_table[];
	typeof(&__start___ex_table[0]) e;

	for (e = __start___ex_table; e < __stop___ex_table; e++)
		if (e->insn == regs->rip) {
			regs->rip = e->fixup;
			return;
		}
	if (regs->entry_vector != 3)
		fatal_exception(regs);
	log_warn("int3 in the hypervisor at %pS\n", (void *)regs->rip);
}

static u64 take_dr6(void)
{
	u64 dr6;

	__asm__ __volatile__("mov %%db6, %0" : "=r"(dr6));
	__asm__ __volatile__("mov %0, %%db6" : : "r"(0xffff0ff0UL));
	return dr6;
}

/*
 * A debug trap in ring 0: SYSCALL right after MOV SS with a breakpoint pending, or SYSENTER with
 * TF. Breakpoints on our addresses are refused (descriptors.c), so this is the guest's doing.
 */
void hv_debug(struct cpu_user_regs *regs)
{
	take_dr6();
	regs->rflags &= ~X86_RFLAGS_TF;
}

void guest_debug(struct cpu_user_regs *regs)
{
	/* bits 0-3 and BD, BS, BT accumulate until the guest clears them */
	current_vcpu()->pv.dr[6] |= take_dr6() & 0xe00f;
	guest_exception(regs, 1);
}

/* IRETQ refused the frame that iret or a bounce had made (see iret_refused in entry.S). */
void guest_iret_refused(struct cpu_user_regs *regs)
{
	struct vcpu *v = current_vcpu();

	guest_log(LOG_DEBUG, "d%dv%u: iret to %x:%lx refused\n", v->domain->id, v->id, regs->cs,
		  regs->rip);
	if (v->pv.mode == MODE_RING1) {
		bounce_trap(v, regs, 13, true, 0);
		return;
	}
	/* the selectors are loaded as they are: that tells the guest that the frame was bad */
	READ_SELECTORS(regs);
	bounce_failsafe(v, regs);
}

/* --- what is shown --- */

void show_registers(const struct cpu_user_regs *r)
{
	printk("rip %04x:%016lx rflags %08lx error %x vector %x\n", r->cs, r->rip, r->rflags,
	       r->error_code, r->entry_vector);
	if (!(r->cs & 3))
		printk("    %pS\n", (void *)r->rip);
	printk("rsp %04x:%016lx rbp %016lx cr0 %08lx cr4 %08lx\n", r->ss, r->rsp, r->rbp,
	       read_cr0(), read_cr4());
	printk("rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", r->rax, r->rbx, r->rcx, r->rdx);
	printk("rsi %016lx rdi %016lx r8  %016lx r9  %016lx\n", r->rsi, r->rdi, r->r8, r->r9);
	printk("r10 %016lx r11 %016lx r12 %016lx r13 %016lx\n", r->r10, r->r11, r->r12, r->r13);
	printk("r14 %016lx r15 %016lx cr2 %016lx cr3 %016lx\n", r->r14, r->r15, read_cr2(),
	       read_cr3());
}

/* v was crashed; r is its frame. Its stack can be shown only if it is the current one. */
void show_guest_crash(struct vcpu *v, const struct cpu_user_regs *r)
{
	unsigned int n;
	u8 code;
	u64 word;

	printk("d%uv%u on CPU %u, %s mode:\n", v->domain->id, v->id, v->processor,
	       v->pv.in_kernel ? "kernel" : "user");
	show_registers(r);
	printk("fs base %016lx gs base kernel %016lx user %016lx\n",
	       arch_get_segment_base(v, SEGBASE_FS), arch_get_segment_base(v, SEGBASE_GS_KERNEL),
	       arch_get_segment_base(v, SEGBASE_GS_USER));
	if (v != current_vcpu())
		return;
	printk("Code at rip:");
	for (n = 0; n < 16 && !copy_from_guest(&code, _gva(r->rip + n), 1); n++)
		printk(" %02x", code);
	printk("%s\nGuest stack at %016lx:", n ? "" : " cannot be read", r->rsp);
	for (n = 0; n < 32 && !copy_from_guest(&word, _gva(r->rsp + n * 8), 8); n++)
		printk(n % 4 ? " %016lx" : "\n  %016lx", word);
	printk("%s\n", n ? "" : " cannot be read");
}

/* --- the other CPUs --- */

/* NMI: stop for good if some CPU panics or switches off; show registers if a debug key asks. */
void crash_nmi(const struct cpu_user_regs *r)
{
	cpumask_t me = BIT(this_cpu());

	if (READ_ONCE(crashing)) {
		atomic_or(&stopped, me);
		cpu_stop();
	}
	watchdog_nmi(r);
	if (READ_ONCE(asked) & me) {
		printk("CPU %u, d%uv%u:\n", this_cpu(), current_vcpu()->domain->id,
		       current_vcpu()->id);
		show_registers(r);
		atomic_and(&asked, ~me);
	}
}

/* Stop all CPUs but this one; does not wait longer than a second. Again and again is fine. */
void crash_stop_others(void)
{
	cpumask_t others = cpu_online_map & ~BIT(this_cpu()) & ~READ_ONCE(stopped);

	WRITE_ONCE(crashing, true);
	smp_mb();
	if (others)
		apic_send_mask(others, SEND_NMI);
	for (unsigned int ms = 0; ms < 1000 && others & ~READ_ONCE(stopped); ms++)
		delay_us(1000);
	if (others & ~READ_ONCE(stopped))
		printk("CPUs %lx did not stop\n", others & ~READ_ONCE(stopped));
}

/* Debug key d: every CPU in turn. */
void show_all_cpus(void)
{
	printk("CPU %u (this one), its guest:\n", this_cpu());
	show_registers(&get_cpu_info()->guest);
	for (unsigned int cpu = 0; cpu < nr_cpus_present; cpu++) {
		if (cpu == this_cpu() || !(cpu_online_map & BIT(cpu)))
			continue;
		atomic_or(&asked, BIT(cpu));
		apic_send_mask(BIT(cpu), SEND_NMI);
		for (unsigned int ms = 0; ms < 1000 && READ_ONCE(asked) & BIT(cpu); ms++)
			delay_us(1000);
		if (READ_ONCE(asked) & BIT(cpu))
			printk("CPU %u does not answer\n", cpu);
	}
}

/* --- copying from and to guests --- */

/* [a, a + n) outside the hypervisor's slots and not wrapping */
static inline bool range_ok(u64 a, size_t n)
{
	return a + n >= a && (a + n <= HV_VIRT_START || a >= HV_VIRT_END);
}

static __always_inline int copy_bytes(void *dst, const void *src, size_t n)
{
	u64 left = n / 8;		/* after a fault: not 0 */

	open_guest();
	__asm__ __volatile__(
		"1: rep movsq\n"
		"   mov %[rest], %%rcx\n"
		"2: rep movsb\n"
		"3:\n"
		ON_FAULT("1b", "mov $1, %%ecx", "3b")
		EX_TABLE("2b", "3b")
		: "+c"(left), "+D"(dst), "+S"(src) : [rest] "r"(n & 7) : "memory");
	close_guest();
	return likely(!left) ? 0 : -EFAULT;
}

int copy_from_guest(void *dst, gva_t src, size_t n)
{
	u64 a = gva_x(src);

	if (unlikely(!range_ok(a, n)) &&
	    !(a >= M2P_VIRT_START && a + n >= a && a + n <= M2P_VIRT_END))
		return -EFAULT;
	return copy_bytes(dst, (const void *)a, n);
}

int copy_to_guest(gva_t dst, const void *src, size_t n)
{
	if (unlikely(!range_ok(gva_x(dst), n)))
		return -EFAULT;
	return copy_bytes((void *)gva_x(dst), src, n);
}

int clear_guest(gva_t dst, size_t n)
{
	void *p = (void *)gva_x(dst);

	if (!range_ok(gva_x(dst), n))
		return -EFAULT;
	open_guest();
	__asm__ __volatile__("1: rep stosb\n2:\n" EX_TABLE("1b", "2b")
			     : "+c"(n), "+D"(p) : "a"(0) : "memory");
	close_guest();
	return n ? -EFAULT : 0;
}
