/* SPDX-License-Identifier: MIT */
/*
 * abuse_iopl: I/O privilege of a guest is what set_iopl says, and never the machine's.
 *
 * Claim:  without IOPL every port is #GP in kernel and user mode, whatever flags were loaded; with it the
 *         hypervisor's own devices (its UART, PIC, PIT, PCI address port) stay its own; CLI and POPF
 *         never stop the machine's interrupts.
 * Broken: a guest without I/O rights reaches a device; the hypervisor's console dies; the timer stops.
 * Run:    timeout=120
 */
#include "guest.h"

static u64 ax, dx;

static void inb(void *a) { asm volatile("inb %%dx, %%al" : "+a"(ax) : "d"(dx)); }
static void inw(void *a) { asm volatile("inw %%dx, %%ax" : "+a"(ax) : "d"(dx)); }
static void inl(void *a) { asm volatile("inl %%dx, %%eax" : "+a"(ax) : "d"(dx)); }
static void outb(void *a) { asm volatile("outb %%al, %%dx" : "+a"(ax) : "d"(dx)); }
static void outw(void *a) { asm volatile("outw %%ax, %%dx" : "+a"(ax) : "d"(dx)); }
static void outl(void *a) { asm volatile("outl %%eax, %%dx" : "+a"(ax) : "d"(dx)); }
static void insb(void *a) { u8 b; void *p = &b; asm volatile("insb" : "+D"(p) : "d"(dx) : "memory"); }
static void outsl(void *a) { u64 b = 0; void *p = &b; asm volatile("outsl" : "+S"(p) : "d"(dx) : "memory"); }
static void cli(void *a) { asm volatile("cli"); }
static void sti(void *a) { asm volatile("sti"); }

static long iopl(u32 level)
{
	struct physdev_set_iopl op = { level };

	return hc_physdev_op(PHYSDEVOP_set_iopl, &op);
}

static void all_refused(const char *when)
{
	void (*const fn[])(void *) = { inb, inw, inl, outb, outw, outl, insb, outsl };

	for (u32 port = 0; port < 0x10000; port += port < 0x500 ? 1 : 37) {
		for (unsigned int i = 0; i < ARRAY_SIZE(fn); i++) {
			if (port >= 0x500 && i != port % ARRAY_SIZE(fn))
				continue;
			dx = port;
			ax = 0;
			int v = try_call(fn[i], NULL);
			if (!CHECK(v == X86_GP, "%s: port %#x, instruction %u: vector %d", when, port, i, v))
				return;
		}
	}
	int v = try_call(cli, NULL);
	CHECK(v == X86_GP || v == -1, "%s: cli: vector %d", when, v);
	v = try_call(sti, NULL);
	CHECK(v == X86_GP || v == -1, "%s: sti: vector %d", when, v);
	CHECK(read_flags() & X86_EFLAGS_IF, "%s: IF is clear", when);
}

extern u8 user_probe[];
asm("user_probe: push $0x3202; popf; mov %edi, %edx; inb %dx, %al; int $0x80\n");
static void user(void *port) { user_run((u64)user_probe, (u64)port); }

static u8 read_port(u16 port)
{
	dx = port;
	ax = 0;
	CHECK(try_call(inb, NULL) == -1, "port %#x", port);
	return (u8)ax;
}

static void write_port(u16 port, u8 val)
{
	dx = port;
	ax = val;
	int v = try_call(outb, NULL);
	CHECK(v == -1 || v == X86_GP, "write to port %#x: vector %d", port, v);
}

static void timer_runs(const char *when)
{
	u64 t = system_time(), n;
	struct sched_poll p = { .timeout = t + 20000000 };

	CHECK_EQ(hc_sched_op(SCHEDOP_poll, &p), 0);
	n = system_time() - t;
	CHECK(n >= 19000000 && n < 20000000000, "%s: 20 ms took %lu us", when, n / 1000);
}

void test_main(void)
{
	static u8 bitmap[8192];
	struct physdev_set_iobitmap bm = { 0, 0 };

	CHECK_EQ(iopl(0), 0);
	all_refused("IOPL 0");
	/* Flags loaded by POPF and by iret do not count. */
	asm volatile("push $0x3202; popf");
	all_refused("after popf");
	for (u64 port = 0x60; port < 0x72; port++)
		CHECK(try_call(user, (void *)port) == X86_GP, "user mode reads port %#lx", port);
	this_vcpu()->user_rsp = 0;
	for (u64 i = 4; i < 0x100000000ul; i = i * 5 + 1)
		CHECK_EQ(iopl((u32)i), -XEN_EINVAL);
	CHECK_EQ(hc_physdev_op(PHYSDEVOP_set_iopl, (void *)0x1000), -XEN_EFAULT);

	/* Bitmaps: user mode's only; bad ones. */
	memset(bitmap, 0xff, sizeof(bitmap));
	bitmap[0x71 / 8] = 0;
	bm.bitmap = (u64)bitmap;
	bm.nr_ports = 65536;
	CHECK_EQ(hc_physdev_op(PHYSDEVOP_set_iobitmap, &bm), 0);
	CHECK_EQ(try_call(user, (void *)0x71), -1);
	CHECK_EQ(try_call(user, (void *)0x61), X86_GP);
	this_vcpu()->user_rsp = 0;
	bm.bitmap = 0x1000;
	CHECK_EQ(hc_physdev_op(PHYSDEVOP_set_iobitmap, &bm), 0);	/* nobody looks before a user's access */
	CHECK_EQ(try_call(user, (void *)0x71), X86_GP);
	bm.bitmap = HV_PRIVATE;
	long rc = hc_physdev_op(PHYSDEVOP_set_iobitmap, &bm);
	CHECK(rc == 0 || rc < 0, "bitmap in hypervisor space: %ld", rc);
	CHECK_EQ(try_call(user, (void *)0x71), X86_GP);
	bm.nr_ports = 65537;
	CHECK_EQ(hc_physdev_op(PHYSDEVOP_set_iobitmap, &bm), -XEN_EINVAL);
	bm.nr_ports = 8;
	bm.bitmap = (u64)bitmap;
	CHECK_EQ(hc_physdev_op(PHYSDEVOP_set_iobitmap, &bm), 0);
	CHECK_EQ(try_call(user, (void *)0x71), X86_GP);		/* beyond its end */
	this_vcpu()->user_rsp = 0;
	bm.nr_ports = 0;
	hc_physdev_op(PHYSDEVOP_set_iobitmap, &bm);

	/* With IOPL: the hypervisor's devices. */
	CHECK_EQ(iopl(1), 0);
	timer_runs("before");
	for (u16 port = 0x3f8; port < 0x400; port++) {
		write_port(port, 0x83);			/* divisor latch, FIFO control, interrupts */
		write_port(port, 0);
	}
	printk("  the console still prints after writes to its UART\n");
	for (u16 port = 0x20; port < 0x22; port++)
		write_port(port, 0xff);
	for (u16 port = 0xa0; port < 0xa2; port++)
		write_port(port, 0xff);
	write_port(0x21, 0x00);				/* all unmasked */
	write_port(0xa1, 0x00);
	write_port(0x20, 0x11);				/* ICW1 */
	write_port(0x21, 0x00);				/* vectors 0-7 */
	timer_runs("after writes to the PIC");
	for (u16 port = 0x40; port < 0x44; port++) {
		write_port(port, 0x30);
		write_port(port, 0);
	}
	timer_runs("after writes to the PIT");
	read_port(0x20);
	read_port(0x40);
	read_port(0x61);
	/* HPET and the local APIC are not mapped, and CF8 keeps no stale address for others. */
	dx = 0xcf8;
	ax = 0xffffffff;
	try_call(outl, NULL);
	dx = 0xcfc;
	int v = try_call(inl, NULL);
	CHECK(v == -1 || v == X86_GP, "PCI data at a bad address: vector %d", v);
	/* All reads below 0x100 but for the status ports that have side effects on the boot. */
	for (u16 port = 0; port < 0x100; port++)
		if (port != 0x60 && port != 0xf4)
			read_port(port);
	CHECK_EQ(try_call(user, (void *)0x71), X86_GP);
	this_vcpu()->user_rsp = 0;
	timer_runs("at the end");
	CHECK_EQ(iopl(0), 0);
	all_refused("IOPL 0 again");
}
