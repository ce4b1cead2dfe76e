/* SPDX-License-Identifier: MIT */
/*
 * Serial ports and the choice of console devices.
 *
 * Job:    two 16550 ports: polled output, input by interrupt; arch_console_putc().
 * Enter:  printk (any context); uart_interrupt() from irq.c.
 * State:  uarts[]; which devices the console has.
 * Locks:  none: printk orders the output; input is read by one CPU's interrupt.
 * Holds:  U1  waiting for the transmitter is bounded: a dead port is given up.
 * Tests:  every boot
 */
#include <hv/debug.h>
#include <hv/errno.h>
#include "io.h"
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

struct uart {
	u16 port;			/* 0: no such port */
	u8 irq;				/* ISA interrupt, 0: input is not used */
	u8 lcr;
	u32 baud;			/* 0: leave the rate as firmware set it */
	bool wanted;			/* named by com1= or com2= */
	bool alive;
};

static struct uart uarts[2] = {
	{ .port = 0x3f8, .irq = 4, .lcr = 3, .baud = 115200 },
	{ .port = 0x2f8, .irq = 3, .lcr = 3, .baud = 115200 },
};
/* The console: first what console= names; com1 and the screen when there is no such option. */
static bool use_uart[2] = { true, false }, use_vga = true, console_given;

static u32 number(const char **s)
{
	unsigned int base = 10, digit;
	u32 n = 0;

	if ((*s)[0] == '0' && ((*s)[1] | 0x20) == 'x') {
		base = 16;
		*s += 2;
	}
	for (;; (*s)++) {
		char c = **s | 0x20;

		if (c >= '0' && c <= '9')
			digit = c - '0';
		else if (base == 16 && c >= 'a' && c <= 'f')
			digit = c - 'a' + 10;
		else
			return n;
		n = n * base + digit;
	}
}

/* "115200,8n1,0x3f8,4", "auto,...": missing parts keep their defaults. */
bool uart_parse(unsigned int which, const char *arg)
{
	struct uart *u = &uarts[which - 1];
	u8 parity;

	if (which < 1 || which > 2)
		return false;
	u->wanted = true;
	if (*arg == 'a') {
		u->baud = 0;
		while (*arg && *arg != ',')
			arg++;
	} else if (*arg && *arg != ',') {
		u->baud = number(&arg);
		if (*arg == '/') {	/* clock rate: only the usual one is known */
			arg++;
			number(&arg);
		}
	}
	if (*arg != ',')
		return !*arg;
	arg++;
	if (*arg && *arg != ',') {
		parity = arg[1] == 'o' ? 0x08 : arg[1] == 'e' ? 0x18 : 0;
		if (arg[0] < '5' || arg[0] > '8' || !arg[1] || !arg[2])
			return false;
		u->lcr = (arg[0] - '5') | parity | (arg[2] == '2' ? 4 : 0);
		arg += 3;
	}
	if (*arg != ',')
		return !*arg;
	arg++;
	if (*arg && *arg != ',')
		u->port = number(&arg);
	if (*arg != ',')
		return !*arg;
	arg++;
	u->irq = number(&arg);
	return u->irq < 16;
}

static bool word(const char **s, const char *w)
{
	const char *p = *s;

	while (*w && *p == *w)
		p++, w++;
	if (*w)
		return false;
	*s = p;
	return true;
}

bool console_parse(const char *arg)
{
	if (!console_given)
		use_uart[0] = use_uart[1] = use_vga = false;
	console_given = true;
	while (*arg) {
		if (word(&arg, "com1"))
			use_uart[0] = true;
		else if (word(&arg, "com2"))
			use_uart[1] = true;
		else if (word(&arg, "vga"))
			use_vga = true;
		else if (!word(&arg, "none"))
			return false;
		if (*arg == ',')
			arg++;
	}
	return true;
}

bool vga_in_use(void)
{
	return use_vga;
}

static void uart_setup(struct uart *u)
{
	u16 divisor;

	outb(u->port + UART_SCR, 0x5a);
	u->alive = inb(u->port + UART_SCR) == 0x5a;
	if (!u->alive)
		return;
	outb(u->port + UART_IER, 0);
	if (u->baud) {
		divisor = 115200 / u->baud;
		outb(u->port + UART_LCR, u->lcr | 0x80);
		outb(u->port + UART_DATA, divisor & 0xff);
		outb(u->port + UART_IER, divisor >> 8);
	}
	outb(u->port + UART_LCR, u->lcr);
	outb(u->port + UART_IIR, 0x07);		/* FIFOs on and empty */
	outb(u->port + UART_MCR, 0x0b);		/* DTR, RTS, and OUT2: the interrupt's gate */
}

void uart_init(void)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		if ((use_uart[i] || uarts[i].wanted) && uarts[i].port)
			uart_setup(&uarts[i]);
}

static void uart_send(struct uart *u, u8 c)
{
	unsigned int spins;

	for (spins = 0; !(inb(u->port + UART_LSR) & LSR_THRE); spins++) {
		if (spins > 1000000) {
			u->alive = false;
			return;
		}
		cpu_relax();
	}
	outb(u->port + UART_DATA, c);
}

void uart_putc(char c)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		if (!use_uart[i] || !uarts[i].alive)
			continue;
		if (c == '\n')
			uart_send(&uarts[i], '\r');
		uart_send(&uarts[i], c);
	}
}

void arch_console_putc(char c)
{
	uart_putc(c);
	if (use_vga)
		vga_putc(c);
}

static void uart_interrupt(void *arg)
{
	struct uart *u = arg;
	unsigned int n;

	inb(u->port + UART_IIR);
	for (n = 0; n < 64 && inb(u->port + UART_LSR) & LSR_DATA; n++)
		console_input(inb(u->port + UART_DATA));
}

/* Input from the ports that are consoles. */
void uart_init_irq(void)
{
	bool level, low;
	unsigned int i;
	u32 gsi;

	for (i = 0; i < 2; i++) {
		struct uart *u = &uarts[i];

		if (!use_uart[i] || !u->alive || !u->irq)
			continue;
		gsi = isa_irq_to_gsi(u->irq, &level, &low);
		if (irq_request_hv(gsi, level, low, uart_interrupt, u)) {
			log_warn("com%u: no interrupt, input is not read\n", i + 1);
			continue;
		}
		inb(u->port + UART_LSR);
		while (inb(u->port + UART_LSR) & LSR_DATA)
			inb(u->port + UART_DATA);
		outb(u->port + UART_IER, 1);
	}
}

/* Ports that the machine layer uses; dom0 gets "nothing there" on them. */
bool arch_port_is_ours(u16 port)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		if (use_uart[i] && uarts[i].alive && port >= uarts[i].port &&
		    port < uarts[i].port + 8)
			return true;
	return (port & ~0x81) == 0x20;		/* 20 21 a0 a1: the 8259s */
}
