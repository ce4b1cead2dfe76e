/* SPDX-License-Identifier: MIT */
/*
 * Job:    the console's devices and the choice among them. Two 16550 ports: polled output, input by
 *         interrupt; 80x25 characters at 0xb8000 until dom0 takes the screen.
 * Enter:  printk (any context) by arch_console_putc(); uart_interrupt() from irq.c.
 * State:  uarts[]; the screen, and where it goes on.
 * Locks:  none: printk orders the output; input is read by one CPU's interrupt.
 * Holds:  U1  waiting for the transmitter is bounded: a dead port is given up.
 * Tests:  every boot; the screen by eye
 */
#include <hv/debug.h>
#include <hv/string.h>
#include "machine.h"

#define UART_DATA	0		/* also divisor low */
#define UART_IER	1		/* also divisor high */
#define UART_IIR	2		/* write: FIFO control */
#define UART_LCR	3
#define UART_MCR	4
#define UART_LSR	5
#define UART_SCR	7
#define LSR_DATA	0x01
#define LSR_THRE	0x20

#define COLS 80
#define ROWS 25

/* The console: first what console= names; com1 and the screen when there is no such option. */
static struct uart {
	u16 port;
	u8 irq;				/* ISA interrupt, 0: input is not used */
	u8 lcr;
	u32 baud;			/* 0: leave the rate as firmware set it */
	bool console;
	bool alive;			/* and a console */
} uarts[2] = {
	{ .port = 0x3f8, .irq = 4, .lcr = 3, .baud = 115200, .console = true },
	{ .port = 0x2f8, .irq = 3, .lcr = 3, .baud = 115200 },
};

#define for_each_alive(u) \
	for (u = uarts; u < uarts + 2; u++) \
		if (u->alive)

static bool use_vga = true;
static volatile u16 *screen;		/* NULL: none, or not ours */
static unsigned int row, col;

/* --- options --- */

/* "115200,8n1,0x3f8,4", "auto,...": missing parts keep their defaults. */
static bool uart_parse(struct uart *u, const char *arg)
{
	unsigned long baud = u->baud, port = u->port, irq = u->irq, clock;
	u8 lcr = u->lcr;

	if (!strncmp(arg, "auto", 4)) {
		baud = 0;
		arg += 4;
	} else if (parse_number(&arg, 10, &baud) && *arg == '/') {
		arg++;			/* clock rate: only the usual one is known */
		parse_number(&arg, 10, &clock);
	}
	arg += *arg == ',';
	if (arg[0] >= '5' && arg[0] <= '8' && arg[1] && arg[2]) {
		lcr = (arg[0] - '5') | (arg[1] == 'o' ? 0x08 : arg[1] == 'e' ? 0x18 : 0) |
			(arg[2] == '2' ? 4 : 0);
		arg += 3;
	}
	arg += *arg == ',';
	parse_number(&arg, 0, &port);
	arg += *arg == ',';
	parse_number(&arg, 0, &irq);
	if (*arg || baud > 115200 || port > 0xfff8 || irq > 15)
		return false;
	*u = (struct uart){ port, irq, lcr, baud, u->console, false };
	return true;
}

bool com1_parse(const char *arg)
{
	return uart_parse(&uarts[0], arg);
}

bool com2_parse(const char *arg)
{
	return uart_parse(&uarts[1], arg);
}

bool console_parse(const char *arg)
{
	static const char *const devices[] = { "com1", "com2", "vga", "none" };
	static unsigned int chosen;		/* one bit each; all that all such options name */
	unsigned int i, set = chosen;

	for (; *arg; arg += *arg == ',') {
		for (i = 0; strncmp(arg, devices[i], strlen(devices[i])); i++)
			if (i == ARRAY_SIZE(devices) - 1)
				return false;
		set |= 1 << i;
		arg += strlen(devices[i]);
	}
	chosen = set;
	uarts[0].console = set & 1;
	uarts[1].console = set & 2;
	use_vga = set & 4;
	return true;
}

/* --- serial ports --- */

void uart_init(void)
{
	for (struct uart *u = uarts; u < uarts + 2; u++) {
		if (!u->console || !u->port)
			continue;
		outb(u->port + UART_SCR, 0x5a);
		u->alive = inb(u->port + UART_SCR) == 0x5a;
		if (!u->alive)
			continue;
		outb(u->port + UART_IER, 0);
		if (u->baud) {
			outb(u->port + UART_LCR, u->lcr | 0x80);
			outb(u->port + UART_DATA, 115200 / u->baud);
			outb(u->port + UART_IER, 115200 / u->baud >> 8);
		}
		outb(u->port + UART_LCR, u->lcr);
		outb(u->port + UART_IIR, 0x07);		/* FIFOs on and empty */
		outb(u->port + UART_MCR, 0x0b);		/* DTR, RTS, and OUT2: the interrupt's gate */
	}
}

static void uart_send(struct uart *u, u8 c)
{
	for (unsigned int spins = 0; !(inb(u->port + UART_LSR) & LSR_THRE); spins++) {
		if (spins > 1000000) {
			u->alive = false;
			return;
		}
		cpu_relax();
	}
	outb(u->port + UART_DATA, c);
}

static void uart_interrupt(void *arg)
{
	struct uart *u = arg;

	inb(u->port + UART_IIR);
	for (unsigned int n = 0; n < 64 && inb(u->port + UART_LSR) & LSR_DATA; n++)
		console_input(inb(u->port + UART_DATA));
}

void uart_init_irq(void)
{
	struct uart *u;

	for_each_alive(u) {
		if (!u->irq)
			continue;
		if (irq_request_isa(u->irq, uart_interrupt, u)) {
			log_warn("com%d: no interrupt, input is not read\n", (int)(u - uarts) + 1);
			continue;
		}
		while (inb(u->port + UART_LSR) & LSR_DATA)
			inb(u->port + UART_DATA);
		outb(u->port + UART_IER, 1);
	}
}

/* Ports that the machine layer uses; dom0 gets "nothing there" on them. */
bool arch_port_is_ours(u16 port)
{
	struct uart *u;

	for_each_alive(u)
		if (port >= u->port && port < u->port + 8)
			return true;
	return (port & ~0x81) == 0x20;		/* 20 21 a0 a1: the 8259s */
}

/* --- the screen --- */

static void scroll(void)
{
	for (unsigned int i = 0; i < ROWS * COLS; i++)
		screen[i] = i < (ROWS - 1) * COLS ? screen[i + COLS] : 0x0720;
	row = ROWS - 1;
}

void vga_init(void *text)
{
	screen = use_vga ? text : NULL;
	if (screen)
		scroll();
}

static void vga_putc(char c)
{
	if (!screen)
		return;
	if (c == '\r') {
		col = 0;
	} else if (c == '\b') {
		col -= col > 0;
	} else if (c == '\n') {
		col = COLS;
	} else if ((u8)c >= ' ') {
		screen[row * COLS + col++] = 0x0700 | (u8)c;
	}
	if (col == COLS) {
		col = 0;
		if (++row == ROWS)
			scroll();
	}
}

void arch_console_putc(char c)
{
	struct uart *u;

	for_each_alive(u) {
		if (c == '\n')
			uart_send(u, '\r');
		uart_send(u, c);
	}
	vga_putc(c);
}
