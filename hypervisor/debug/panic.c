/* SPDX-License-Identifier: MIT */
/*
 * Job:    the end: stop the other CPUs, say why, show registers, call chain, the guest that ran and
 *         the last trace records, then halt or reboot. The names of code addresses. The watchdog: a
 *         CPU that runs no timer for five seconds panics; each CPU looks after the next one.
 * Enter:  panic(), BUG_ON(), ASSERT(); panic_regs(), watchdog_nmi() from trap.c; %pS (format.c).
 * State:  which CPU panics; a second panic on it only says so and halts. The table of symbols that
 *         tests/tools/mksyms.py makes and the last link adds (empty before that): addresses ascend.
 * Locks:  none taken; console_force_sync() makes the console ignore its own.
 * Holds:  PN1  the chain of frame pointers is followed only upwards inside the CPU's own stack block.
 *         PN2  seconds are counted in the looker's own beats: when all stood still nobody is late.
 * Caveat: nobody looks when all CPUs hang at once, or where there is only one.
 * Tests:  tests/guests; tests/linux (bad-hang; audit has the watchdog on)
 */
#include <hv/debug.h>
#include <hv/options.h>
#include "machine.h"

#define MAX_MISSED 5

bool opt_noreboot, opt_watchdog, watchdog_rests;
static u32 panic_cpu;			/* CPU + 1 */

extern const u32 symtab_count, symtab_addrs[], symtab_names[];
extern const char symtab_strings[];

/* The last symbol at or below addr; NULL outside of the image or without a table. */
const char *symbol_lookup(u64 addr, u64 *offset)
{
	u32 lo = 0, hi = symtab_count, mid;
	u64 off = addr - IMAGE_VIRT_START;

	if (!hi || addr < IMAGE_VIRT_START || off > GiB(1) || off < symtab_addrs[0])
		return NULL;
	while (hi - lo > 1) {
		mid = lo + (hi - lo) / 2;
		if (symtab_addrs[mid] <= off)
			lo = mid;
		else
			hi = mid;
	}
	*offset = off - symtab_addrs[lo];
	return *offset > MiB(1) ? NULL : symtab_strings + symtab_names[lo];	/* behind the last */
}

/* Return addresses from frame pointer fp up to the end of this CPU's stack block. */
static void show_backtrace(u64 ip, u64 fp)
{
	u64 bottom = ROUND_DOWN((u64)__builtin_frame_address(0), STACK_SIZE);
	u64 top = bottom + STACK_SIZE - sizeof(struct cpu_info), last = 0;

	printk("Call chain:\n");
	for (int depth = 0; depth < 32; depth++) {
		if (ip)
			printk("  %016lx %pS\n", ip, (void *)ip);
		if (fp <= last || fp < bottom || fp > top - 16 || fp & 7)
			break;
		ip = ((const u64 *)fp)[1];
		if (ip < IMAGE_VIRT_START || ip > IMAGE_VIRT_START + GiB(1))
			break;
		last = fp;
		fp = *(const u64 *)fp;
	}
}

/* The vcpu that this CPU runs, and where it was. */
static void show_current(void)
{
	const struct vcpu *v = current_vcpu();
	const struct cpu_user_regs *g = &get_cpu_info()->guest;

	if (!v || !v->domain || v->is_idle)
		printk("No guest ran on CPU %u\n", this_cpu());
	else
		printk("Guest: d%uv%u %s mode, rip %04x:%016lx rsp %016lx rflags %08lx rax %016lx\n",
		       v->domain->id, v->id, v->pv.in_kernel ? "kernel" : "user", g->cs, g->rip,
		       g->rsp, g->rflags, g->rax);
}

/* The first to come wins; others wait to be stopped. */
static void panic_enter(void)
{
	u32 me = this_cpu() + 1, seen = 0;

	if (!atomic_cas(&panic_cpu, &seen, me)) {
		if (seen == me) {
			console_force_sync();
			printk("Panic inside the panic\n");
		}
		arch_halt_all();
	}
	console_force_sync();
	crash_stop_others();
}

static void __noreturn vpanic(const struct cpu_user_regs *r, const char *fmt, va_list ap)
{
	panic_enter();
	printk("HYPERVISOR PANIC on CPU %u: ", this_cpu());
	vprintk(fmt, ap);
	printk("\n");
	if (r)
		show_registers(r);
	show_current();
	show_backtrace(r ? r->rip : 0, r ? r->rbp : (u64)__builtin_frame_address(0));
	trace_dump();
	if (opt_noreboot) {
		printk("HYPERVISOR PANIC: halted (noreboot)\n");
		arch_halt_all();
	}
	printk("HYPERVISOR PANIC: reboot in five seconds\n");
	delay_us(5000000);
	arch_shutdown(true);
}

void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vpanic(NULL, fmt, ap);
}

void panic_regs(const struct cpu_user_regs *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vpanic(r, fmt, ap);
}

void bug_at(const char *file, int line, const char *what)
{
	panic("%s at %s:%d", what, file, line);
}

/* --- the watchdog --- */

static struct watch {
	struct timer timer;		/* of this CPU, each second */
	u32 beats;			/* its own */
	u32 seen, missed;		/* the next CPU's, and for how many beats they stayed so */
} watch[NR_CPUS];
static cpumask_t hanging;

static void beat(void *arg)
{
	struct watch *w = arg;
	cpumask_t after = cpu_online_map & (~1UL << this_cpu());
	unsigned int next = __builtin_ctzl(after ?: cpu_online_map);
	u32 seen = READ_ONCE(watch[next].beats);

	w->missed = seen == w->seen && !READ_ONCE(watchdog_rests) ? w->missed + 1 : 0;
	w->seen = seen;
	WRITE_ONCE(w->beats, w->beats + 1);
	if (w->missed > MAX_MISSED)
		panic("the watchdog: CPU %u hangs and takes no NMI", next);
	if (w->missed == MAX_MISSED) {
		atomic_or(&hanging, BIT(next));
		apic_send_mask(BIT(next), SEND_NMI);
	}
	timer_set(&w->timer, now_ns() + 1000000000);
}

void watchdog_nmi(const struct cpu_user_regs *r)
{
	if (READ_ONCE(hanging) & BIT(this_cpu()))
		panic_regs(r, "the watchdog: it has run no timer for %u seconds", MAX_MISSED);
}

void watchdog_init(void)
{
	for (cpumask_t m = opt_watchdog ? cpu_online_map : 0; m; m &= m - 1) {
		struct watch *w = &watch[__builtin_ctzl(m)];

		timer_init(&w->timer, beat, w, w - watch);
		timer_set(&w->timer, now_ns());
	}
}
