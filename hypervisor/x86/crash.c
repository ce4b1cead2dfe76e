/* SPDX-License-Identifier: MIT */
/*
 * What the machine knows when something went wrong.
 *
 * Job:    print registers, page-table walks, a crashed guest's state; stop the other CPUs by NMI.
 * Enter:  debug/panic.c, trap.c (NMI), core/domain.c (guest crash), debug keys.
 * State:  crashing; who has stopped; whom a debug key asks for its registers.
 * Locks:  none
 * Holds:  CR1  memory of a guest is read by copy_from_guest or through RAM frames of the direct
 *              map only.
 * Tests:  tests/guests (crash reports)
 */
#include <hv/debug.h>
#include <hv/domain.h>
#include <hv/pte.h>
#include "cpu.h"
#include "machine.h"

static bool crashing;
static cpumask_t stopped, asked;

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

/* The entries that translate va, down to where it ends. */
void show_page_walk(u64 cr3, u64 va)
{
	mfn_t table = pte_mfn(cr3);
	int level;
	u64 e;

	printk("Page-table walk of %016lx:\n", va);
	for (level = 4; level >= 1; level--) {
		unsigned int idx = (va >> (12 + 9 * (level - 1))) & 511;

		if (mfn_x(table) >= max_page || !mfn_is_ram(table)) {
			printk("  L%d: frame %lx is no RAM\n", level, mfn_x(table));
			return;
		}
		e = READ_ONCE(((u64 *)mfn_to_virt(table))[idx]);
		printk("  L%d[%03x] = %016lx", level, idx, e);
		if (e & PTE_P && mfn_x(pte_mfn(e)) < max_page) {
			const struct page_info *pg = mfn_to_page(pte_mfn(e));

			printk(" d%u type %u/%lu refs %lu pfn %lx", pg->owner, PG_type(pg->word),
			       PG_type_count(pg->word), PG_refs(pg->word), get_m2p(pte_mfn(e)));
		}
		printk("\n");
		if (!(e & PTE_P) || (e & PTE_PS && level > 1))
			return;
		table = pte_mfn(e);
	}
}

static void show_guest_stack(u64 sp)
{
	u64 w[32];
	unsigned int n, i;

	for (n = 0; n < ARRAY_SIZE(w); n++)
		if (copy_from_guest(&w[n], _gva(sp + n * 8), 8))
			break;
	printk("Guest stack at %016lx%s:\n", sp, n ? "" : " cannot be read");
	for (i = 0; i < n; i += 4) {
		unsigned int k;

		printk(" ");
		for (k = i; k < i + 4 && k < n; k++)
			printk(" %016lx", w[k]);
		printk("\n");
	}
}

/* v was crashed; r is its frame. Stack and tables can be shown only if it is the current one. */
void show_guest_crash(struct vcpu *v, const struct cpu_user_regs *r)
{
	u8 code[16];
	unsigned int i, n;

	printk("d%uv%u on CPU %u, %s mode:\n", v->domain->id, v->id, v->processor,
	       v->pv.in_kernel ? "kernel" : "user");
	show_registers(r);
	printk("fs base %016lx gs base kernel %016lx user %016lx\n",
	       arch_get_segment_base(v, 0), arch_get_segment_base(v, 2),
	       arch_get_segment_base(v, 1));
	if (v != current_vcpu())
		return;
	for (n = 0; n < sizeof(code); n++)
		if (copy_from_guest(&code[n], _gva(r->rip + n), 1))
			break;
	printk("Code at rip:");
	for (i = 0; i < n; i++)
		printk(" %02x", code[i]);
	printk("%s\n", n ? "" : " cannot be read");
	show_guest_stack(r->rsp);
	show_page_walk(read_cr3(), r->rip);
	if (r->entry_vector == 14)
		show_page_walk(read_cr3(), read_cr2());
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
	if (READ_ONCE(asked) & me) {
		const struct vcpu *v = current_vcpu();

		printk("CPU %u, d%uv%u:\n", this_cpu(), v->domain->id, v->id);
		show_registers(r);
		atomic_and(&asked, ~me);
	}
}

/* Stop all CPUs but this one; does not wait longer than a second. Again and again is fine. */
void crash_stop_others(void)
{
	cpumask_t others = cpu_online_map & ~BIT(this_cpu());
	unsigned int ms;

	WRITE_ONCE(crashing, true);
	smp_mb();
	others &= ~READ_ONCE(stopped);
	if (!others)
		return;
	apic_send_nmi(others);
	for (ms = 0; ms < 1000 && others & ~READ_ONCE(stopped); ms++)
		delay_us(1000);
	if (others & ~READ_ONCE(stopped))
		printk("CPUs %lx did not stop\n", others & ~READ_ONCE(stopped));
}

/* Debug key d: every CPU in turn. */
void show_all_cpus(void)
{
	cpumask_t m;
	unsigned int ms;

	printk("CPU %u (this one), its guest:\n", this_cpu());
	show_registers(&get_cpu_info()->guest);
	for (m = cpu_online_map & ~BIT(this_cpu()); m; m &= m - 1) {
		atomic_or(&asked, m & -m);
		apic_send_nmi(m & -m);
		for (ms = 0; ms < 1000 && READ_ONCE(asked) & m & -m; ms++)
			delay_us(1000);
		if (READ_ONCE(asked) & m & -m)
			printk("CPU %u does not answer\n", (unsigned int)__builtin_ctzl(m));
	}
}
