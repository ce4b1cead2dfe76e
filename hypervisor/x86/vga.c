/* SPDX-License-Identifier: MIT */
/*
 * The text screen.
 *
 * Job:    80x25 characters at 0xb8000, until dom0 takes the screen.
 * Enter:  arch_console_putc()
 * State:  the screen, NULL: not ours; the cursor.
 * Locks:  none: printk orders the output.
 * Tests:  by eye; serial tests run without it
 */
#include "io.h"
#include "machine.h"

#define COLS 80
#define ROWS 25

bool opt_vga = true;
static volatile u16 *screen;
static unsigned int row, col;

static void scroll(void)
{
	unsigned int i;

	for (i = 0; i < ROWS * COLS; i++)
		screen[i] = i < (ROWS - 1) * COLS ? screen[i + COLS] : 0x0720;
	row = ROWS - 1;
}

static void put_cursor(void)
{
	unsigned int pos = row * COLS + col;

	outb(0x3d4, 0x0e);
	outb(0x3d5, pos >> 8);
	outb(0x3d4, 0x0f);
	outb(0x3d5, pos & 0xff);
}

void vga_init(void *text)
{
	screen = opt_vga ? text : NULL;
	if (screen)
		scroll();
}

void vga_putc(char c)
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
	if (c == '\n' || c == '\b')
		put_cursor();
}
