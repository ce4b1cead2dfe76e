/* SPDX-License-Identifier: MIT */
/*
 * The end: what is said when the hypervisor cannot go on.
 *
 * Job:    stop the other CPUs, say why, show registers, call chain, the guest that ran and the last
 *         trace records, then halt or reboot.
 * Enter:  panic(), BUG_ON(), ASSERT(); panic_regs() from x86/trap.c.
 * State:  which CPU panics; a second panic on it only says so and halts.
 * Locks:  none taken; console_force_sync() makes the console ignore its own.
 * Holds:  PN1  the chain of frame pointers is followed only upwards inside the CPU's own stack block.
 * Tests:  tests/guests
 */
#include <hv/debug.h>
#include <hv/domain.h>
#include "machine.h"

bool opt_noreboot;
static u32 panic_cpu;			/* CPU + 1 */

/* Return addresses from frame pointer fp up to the end of this CPU's stack block. */
static void show_backtrace(u64 ip, u64 fp)
{
	u64 here = (u64)__builtin_frame_address(0);
	u64 top = ((here | (STACK_SIZE - 1)) + 1) - sizeof(struct cpu_info);
	u64 bottom = ROUND_DOWN(here, STACK_SIZE);
	const u64 *frame;
	int depth;

	printk("Call chain:\n");
	if (ip)
		printk("  %016lx %pS\n", ip, (void *)ip);
	for (depth = 0; depth < 32; depth++) {
		if (fp < bottom || fp > top - 16 || fp & 7)
			break;
		frame = (const u64 *)fp;
		if (frame[1] < IMAGE_VIRT_START || frame[1] > IMAGE_VIRT_START + GiB(1))
			break;
		printk("  %016lx %pS\n", frame[1], (void *)frame[1]);
		if (frame[0] <= fp)
			break;
		fp = frame[0];
	}
}

/* The vcpu that this CPU runs, and where it was. */
static void show_current(void)
{
	const struct vcpu *v = current_vcpu();
	const struct cpu_user_regs *g = &get_cpu_info()->guest;

	if (!v || !v->domain || v->is_idle) {
		printk("No guest ran on CPU %u\n", this_cpu());
		return;
	}
	printk("Guest: d%uv%u %s mode, rip %04x:%016lx rsp %016lx rflags %08lx rax %016lx\n",
	       v->domain->id, v->id, v->pv.in_kernel ? "kernel" : "user", g->cs, g->rip, g->rsp,
	       g->rflags, g->rax);
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

static void __noreturn panic_finish(void)
{
	if (trace_enabled)
		trace_dump(32);
	if (opt_noreboot) {
		printk("HYPERVISOR PANIC: halted (noreboot)\n");
		arch_halt_all();
	}
	printk("HYPERVISOR PANIC: reboot in five seconds\n");
	delay_us(5000000);
	arch_shutdown(true);
}

static void vpanic(const struct cpu_user_regs *r, u64 ip, const char *fmt, va_list ap)
{
	panic_enter();
	printk("HYPERVISOR PANIC on CPU %u: ", this_cpu());
	vprintk(fmt, ap);
	printk("\n");
	if (r)
		show_registers(r);
	show_current();
	if (r)
		show_backtrace(r->rip, r->rbp);
	else
		show_backtrace(ip, (u64)__builtin_frame_address(0));
	panic_finish();
}

void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vpanic(NULL, 0, fmt, ap);
	va_end(ap);
	__builtin_unreachable();
}

void panic_regs(const struct cpu_user_regs *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vpanic(r, 0, fmt, ap);
	va_end(ap);
	__builtin_unreachable();
}

void bug_at(const char *file, int line, const char *what)
{
	panic("%s at %s:%d", what, file, line);
}
