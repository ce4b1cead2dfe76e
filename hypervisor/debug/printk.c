/* SPDX-License-Identifier: MIT */
/*
 * Job:    the console: messages of the hypervisor, output of guests, the order of lines, and a ring
 *         that keeps the last 64 KiB of both for dmesg.
 * Enter:  anybody, from any context, NMI and panic included.
 * State:  ring[] with a running producer index; who holds the console.
 * Locks:  the console (RANK_CONSOLE by place): an owner word, not a spinlock_t, because a CPU that
 *         already holds it (NMI, fault in here) must go on, and a panic must not wait for ever.
 * Holds:  PK1  a line of the hypervisor begins with its prefix at the left margin.
 * Tests:  tests/host/test_format.c
 */
#include <hv/arch.h>
#include <hv/debug.h>

#define RING_SIZE KiB(64)
#define LINE_MAX 480
#define PREFIX "(PAR) "

int log_level = LOG_WARN;
int guest_log_level = LOG_ERR;

static char ring[RING_SIZE];
static u32 ring_head;			/* characters written ever, modulo 2^32 */
static u32 ring_tail;			/* first that counts: "dmesg -c" moves it */
static u32 owner;			/* CPU + 1 that writes; 0: nobody */
static bool forced;			/* panic: do not wait */
static bool mid_line, mid_line_guest;	/* the last character was not a newline; whose it was */

/* Returns false when this CPU holds it already (or a panic does not care): then do not release. */
static bool console_lock(void)
{
	u32 me = this_cpu() + 1, seen = 0;

	if (READ_ONCE(owner) == me)
		return false;
	for (u64 spins = 0; !READ_ONCE(forced) && spins < 1UL << 30; spins++) {
		if (atomic_cas(&owner, &seen, me))
			return true;
		cpu_relax();
		seen = 0;
	}
	return false;
}

static void console_unlock(bool locked)
{
	if (locked)
		__atomic_store_n(&owner, 0, __ATOMIC_RELEASE);
}

static void emit(char c)
{
	ring[ring_head++ % RING_SIZE] = c;
	if (ring_head - ring_tail > RING_SIZE)
		ring_tail = ring_head - RING_SIZE;
	arch_console_putc(c);
}

/* From a panic on; what it has to say begins at the left margin. */
void console_force_sync(void)
{
	WRITE_ONCE(forced, true);
	if (mid_line)
		emit('\n');
	mid_line = false;
}

/* Guests' output as it is; NULs would end the readers' strings. */
void console_write(const char *s, size_t len)
{
	bool locked = console_lock();

	for (; len; len--, s++)
		if (*s) {
			emit(*s);
			mid_line = mid_line_guest = *s != '\n';
		}
	console_unlock(locked);
}

void vprintk(const char *fmt, va_list ap)
{
	char buf[LINE_MAX];
	const char *s, *p;
	bool locked;

	vsnprintf(buf, sizeof(buf), fmt, ap);
	locked = console_lock();
	if (mid_line && mid_line_guest) {
		emit('\n');
		mid_line = false;
	}
	for (s = buf; *s; s++) {
		for (p = PREFIX; !mid_line && *p; p++)
			emit(*p);
		emit(*s);
		mid_line = *s != '\n';
	}
	mid_line_guest = false;
	console_unlock(locked);
}

void printk(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintk(fmt, ap);
	va_end(ap);
}

/* No more than 20 in a second, then a line with the number of those left out. */
bool guest_log_allowed(void)
{
	static u64 window;
	static u32 count;
	u64 now = now_ns();
	u32 n;

	if (now - READ_ONCE(window) > 1000000000UL) {
		WRITE_ONCE(window, now);
		n = atomic_xchg(&count, 0);
		if (n > 20)
			printk("%u guest messages were left out\n", n - 20);
	}
	return atomic_inc(&count) <= 20;
}

void refuse_note(const char *file, int line, int err, const char *fmt, ...)
{
	char buf[LINE_MAX - 100];
	va_list ap;

	if (!guest_log_allowed())
		return;
	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	printk("refused (%d) at %s:%d: %s\n", err, file, line, buf);
}

size_t console_ring_read(char *dst, size_t len, u32 *index, bool clear, bool incremental)
{
	bool locked = console_lock();
	u32 head = ring_head, pos = ring_tail;
	size_t n = 0;

	if (incremental && *index - ring_tail <= head - ring_tail)
		pos = *index;
	while (n < len && pos != head)
		dst[n++] = ring[pos++ % RING_SIZE];
	*index = pos;
	if (clear)
		ring_tail = head;
	console_unlock(locked);
	return n;
}
