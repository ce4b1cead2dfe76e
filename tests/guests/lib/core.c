/* SPDX-License-Identifier: MIT */
/*
 * core.c: start and end of a test, console, checks, small string functions.
 *
 * Job:   guest_init() maps shared_info, installs traps, runs test_main(), prints the one result
 *        line `TEST name PASS|SKIP|ERROR|FAIL reason` and ends the machine.
 * Holds: exactly one result line a run; the first failed check is its reason.
 */
#include "guest.h"
#include "sysctl.h"

struct start_info *si;
struct shared_info *shared;
static u8 shared_page[PAGE_SIZE] __aligned(4096);
static int failures;
static char first_failure[200];
static volatile u32 ended;

void *memset(void *p, int c, size_t n)
{
	void *q = p;

	asm volatile("rep stosb" : "+D"(q), "+c"(n) : "a"(c) : "memory");
	return p;
}

void *memcpy(void *d, const void *s, size_t n)
{
	void *q = d;

	asm volatile("rep movsb" : "+D"(q), "+S"(s), "+c"(n) :: "memory");
	return d;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *p = a, *q = b;

	for (; n; n--, p++, q++)
		if (*p != *q)
			return *p - *q;
	return 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

u64 prng(u64 *state)
{
	u64 z = (*state += 0x9e3779b97f4a7c15ul);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ul;
	z = (z ^ z >> 27) * 0x94d049bb133111ebul;
	return z ^ z >> 31;
}

/* %[#][0][width][l](d u x s c p %) is all there is. */
static size_t format(char *buf, size_t size, const char *fmt, va_list ap)
{
	size_t n = 0;
	char num[24];

#define OUT(ch) do { if (n + 1 < size) buf[n] = (ch); n++; } while (0)
	for (; *fmt; fmt++) {
		bool alt = false, zero = false, neg = false, wide = false;
		unsigned int width = 0, base = 10, i = 0;
		const char *s;
		u64 v;

		if (*fmt != '%') {
			OUT(*fmt);
			continue;
		}
		for (fmt++; *fmt == '#' || *fmt == '0' || *fmt == '-'; fmt++) {
			alt |= *fmt == '#';
			zero |= *fmt == '0';
		}
		for (; *fmt >= '0' && *fmt <= '9'; fmt++)
			width = width * 10 + *fmt - '0';
		for (; *fmt == 'l' || *fmt == 'z'; fmt++)
			wide = true;
		switch (*fmt) {
		case 's':
			for (s = va_arg(ap, const char *); *s; s++, i++)
				OUT(*s);
			for (; i < width; i++)
				OUT(' ');
			continue;
		case 'c':
			OUT((char)va_arg(ap, int));
			continue;
		case 'd':
			v = wide ? va_arg(ap, s64) : va_arg(ap, s32);
			neg = (s64)v < 0;
			v = neg ? -v : v;
			break;
		case 'p':
			alt = wide = true;	/* fall through */
		case 'x':
			base = 16;		/* fall through */
		case 'u':
			v = wide ? va_arg(ap, u64) : va_arg(ap, u32);
			break;
		default:
			OUT(*fmt);
			continue;
		}
		do
			num[i++] = "0123456789abcdef"[v % base];
		while (v /= base);
		if (neg)
			OUT('-');
		if (alt && base == 16) {
			OUT('0');
			OUT('x');
		}
		for (; width > i; width--)
			OUT(zero ? '0' : ' ');
		while (i)
			OUT(num[--i]);
	}
	if (size)
		buf[n < size ? n : size - 1] = 0;
	return n < size ? n : size - 1;
}

int snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = (int)format(buf, size, fmt, ap);
	va_end(ap);
	return n;
}

void printk(const char *fmt, ...)
{
	char buf[512];
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	n = format(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	hc_console_io(CONSOLEIO_write, (u32)n, buf);
}

void check_failed(const char *file, int line, const char *fmt, ...)
{
	char buf[200];
	va_list ap;

	for (const char *p = file; *p; p++)
		if (*p == '/')
			file = p + 1;
	va_start(ap, fmt);
	format(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (!failures++)
		snprintf(first_failure, sizeof(first_failure), "%s:%d: %s", file, line, buf);
	if (failures <= 40)
		printk("  check failed: %s:%d: %s\n", file, line, buf);
}

bool on_parapet(void)
{
	u32 r[4];

	cpuid_pv(PARAPET_CPUID_FIRST_LEAF, 0, r);
	return r[1] == PARAPET_CPUID_SIGNATURE_EBX && r[2] == PARAPET_CPUID_SIGNATURE_ECX;
}

/* QEMU's isa-debug-exit, if it is there, ends the machine at once; else ask the hypervisor. */
void power_off(unsigned int reason)
{
	struct physdev_set_iopl iopl = { 1 };
	struct sched_shutdown sh = { reason };

	if (si->flags & SIF_PRIVILEGED) {
		hc_physdev_op(PHYSDEVOP_set_iopl, &iopl);
		this_vcpu()->catch_rsp = NULL;
		trap_hook[X86_GP] = NULL;
		try_asm("mov $0xf4, %%edx; mov $0x10, %%eax; out %%al, %%dx");
	}
	hc_sched_op(SCHEDOP_shutdown, &sh);
	for (;;)
		hc_sched_op(SCHEDOP_block, NULL);
}

/* Parapet recounts its references after every test; the runner reads what it says. */
static void audit(void)
{
	static char key = 'A';
	static struct xen_sysctl op = { .cmd = XEN_SYSCTL_debug_keys,
		.interface_version = XEN_SYSCTL_INTERFACE_VERSION };

	op.u.debug_keys.keys = (u64)&key;
	op.u.debug_keys.nr_keys = 1;
	HC_1(__HYPERVISOR_sysctl, &op);
}

void test_end(const char *result, const char *fmt, ...)
{
	char buf[200];
	va_list ap;

	if (__atomic_exchange_n(&ended, 1, __ATOMIC_SEQ_CST)) {
		for (;;)
			hc_sched_op(SCHEDOP_yield, NULL);
	}
	va_start(ap, fmt);
	format(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (on_parapet())
		audit();
	if (failures && (result[0] == 'P' || result[0] == 'S')) {
		printk("TEST %s FAIL %d checks, first: %s\n", test_name, failures, first_failure);
	} else if (failures) {
		printk("TEST %s %s %s (after %d failed checks)\n", test_name, result, buf, failures);
	} else {
		printk("TEST %s %s%s%s\n", test_name, result, buf[0] ? " " : "", buf);
	}
	power_off(SHUTDOWN_poweroff);
}

u64 test_arg(const char *name, u64 otherwise)
{
	size_t n = strlen(name);

	for (const char *p = si->cmd_line; *p; p++) {
		u64 v = 0;

		if ((p != si->cmd_line && p[-1] != ' ') || memcmp(p, name, n) || p[n] != '=')
			continue;
		p += n + 1;
		if (p[0] == '0' && p[1] == 'x') {
			for (p += 2; ; p++) {
				u8 c = (u8)*p | 32;

				if (c >= '0' && c <= '9')
					v = v * 16 + c - '0';
				else if (c >= 'a' && c <= 'f')
					v = v * 16 + c - 'a' + 10;
				else
					return v;
			}
		}
		for (; *p >= '0' && *p <= '9'; p++)
			v = v * 10 + *p - '0';
		return v;
	}
	return otherwise;
}

void guest_init(struct start_info *start);
void guest_init(struct start_info *start)
{
	si = start;
	*(struct vcpu **)vcpu_stacks[0] = &vcpus[0];
	hc_update_va_mapping((u64)shared_page, start->shared_info | PTE_KERN | PTE_NX, UVMF_INVLPG);
	shared = (struct shared_info *)shared_page;
	for (unsigned int i = 0; i < MAX_VCPUS; i++) {
		vcpus[i].id = i;
		vcpus[i].info = &shared->vcpu_info[i];
	}
	install_traps();
	if (test_arg("ring1", 0))
		ring1_enter();
	test_main();
	test_end("PASS", "%s", "");
}
