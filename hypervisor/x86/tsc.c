/* SPDX-License-Identifier: MIT */
/*
 * Job:    the TSC's rate (by CPUID, or against the ACPI PM timer); nanoseconds since boot by the
 *         formula that guests use on their pvclock pages; agreement of the CPUs' counters; the CMOS
 *         clock.
 * Enter:  now_ns() everywhere; core/clock.c takes arch_time_scale(); apic.c ns_to_tsc().
 * State:  scale[cpu]: equal on all CPUs unless the counters differ, then tsc_base does.
 * Locks:  none; the scales do not change once a CPU is up.
 * Holds:  TS1  now_ns() and a guest's reading of its pvclock page are the same function of the TSC.
 * Tests:  tests/guests/timer.c
 */
#include <hv/acpi.h>
#include <hv/debug.h>
#include "machine.h"

#define PM_TIMER_HZ 3579545UL
#define NS_PER_SEC 1000000000UL

static struct time_scale scale[NR_CPUS];
static u64 tsc_hz, tsc_per_ns;		/* tsc_per_ns: 32.32 fixed point */
static bool tsc_differs;

/* Some time without memory or port accesses: emulators run such loops at full speed. */
static void spin_some(void)
{
	unsigned long n = 2000;

	__asm__ __volatile__("1: dec %0; jnz 1b" : "+r"(n) : : "cc");
}

/* a * b / c as long as that fits; libgcc's 128-bit division is not linked. */
static u64 mul_div(u64 a, u64 b, u64 c)
{
	u64 rem;

	__asm__("mulq %2; divq %3" : "+a"(a), "=&d"(rem) : "r"(b), "r"(c) : "cc");
	return a;
}

/* --- calibration --- */

static u32 pm_read(void)
{
	return inl(acpi_info.pm_timer_port) & 0xffffff;
}

/* Wait for the PM timer's next step; its new value and the TSC at that moment. */
static bool pm_edge(u32 *pm, u64 *tsc)
{
	u32 old = pm_read();

	for (unsigned int i = 0; i < 100000; i++) {
		*pm = pm_read();
		*tsc = rdtsc_now();
		if (*pm != old)
			return true;
	}
	return false;			/* it stands still */
}

static u64 measure_pm(void)
{
	u32 pm0, pm1;
	u64 t0, t1;

	if (!acpi_info.pm_timer_port || !pm_edge(&pm0, &t0))
		return 0;
	do {
		spin_some();
	} while (((pm_read() - pm0) & 0xffffff) < PM_TIMER_HZ / 40);
	return pm_edge(&pm1, &t1) ? mul_div(t1 - t0, PM_TIMER_HZ, (pm1 - pm0) & 0xffffff) : 0;
}

/* What CPUID leaf 15h says (crystal and ratio), or the middle one of three measurements. */
static u64 calibrate(void)
{
	struct cpuid_leaf l = { 0 };
	u64 a = measure_pm(), b = measure_pm(), c = measure_pm(), low = min(a, b), high = max(a, b);

	if (cpu_feat.max_leaf >= 0x15)
		l = arch_cpuid(0x15, 0);
	if (l.a && l.b && l.c)
		return mul_div(l.c, l.b, l.a);
	high = min(high, c);
	return max(low, high);
}

void tsc_init(void)
{
	struct time_scale s = { 0 };
	u64 num = NS_PER_SEC, hz;

	hz = tsc_hz = calibrate();
	if (!hz)
		refuse_boot("the ACPI PM timer does not count; switch it on in the firmware's set-up");
	tsc_per_ns = mul_div(hz, 1UL << 32, NS_PER_SEC);
	/* ns = ((tsc << shift) * mul) >> 32, mul as large as fits in 32 bits */
	for (; num >= hz; s.shift++)
		hz <<= 1;
	for (; num << 1 <= hz; s.shift--)
		num <<= 1;
	s.mul = mul_div(num, 1UL << 32, hz);
	s.tsc_base = rdtsc_now();
	for (unsigned int cpu = 0; cpu < NR_CPUS; cpu++)
		scale[cpu] = s;
	log_info("TSC: %lu.%03lu MHz\n", tsc_hz / 1000000, tsc_hz / 1000 % 1000);
}

/* --- reading --- */

u64 tsc_to_ns(u64 tsc)
{
	const struct time_scale *s = &scale[this_cpu()];
	u64 delta = tsc - s->tsc_base;

	delta = s->shift < 0 ? delta >> -s->shift : delta << s->shift;
	return s->ns_base + (u64)(((unsigned __int128)delta * s->mul) >> 32);
}

u64 now_ns(void)
{
	return tsc_to_ns(rdtsc_now());
}

/*
 * Rounded up, so that a timer set to it is due when it fires. By the distance from now: the
 * fixed-point rate would be off by more and more over the uptime.
 */
u64 ns_to_tsc(u64 ns)
{
	u64 tsc = rdtsc_now(), now = tsc_to_ns(tsc);

	if (ns <= now)
		return tsc;
	return tsc + 2 + (u64)(((unsigned __int128)(ns - now) * tsc_per_ns) >> 32);
}

const struct time_scale *arch_time_scale(void)
{
	return &scale[this_cpu()];
}

u32 arch_tsc_khz(void)
{
	return (tsc_hz + 500) / 1000;
}

bool arch_tsc_stable(void)
{
	return !tsc_differs && (cpu_feat.tsc_invariant || cpu_feat.hypervisor);
}

void delay_us(u64 us)
{
	/* a panic before tsc_init(): guess high */
	u64 end = rdtsc_now() + us * (tsc_hz ? tsc_hz / 1000000 : 3000);

	while ((s64)(rdtsc_now() - end) < 0)
		spin_some();
}

/* --- do all CPUs count alike? --- */

#define SYNC_ROUNDS 16
static u32 sync_turn;			/* odd: the new CPU waits for an answer; even: answered */
static u64 sync_answer;

static void wait_turn(u32 turn)
{
	while (__atomic_load_n(&sync_turn, __ATOMIC_ACQUIRE) != turn)
		cpu_relax();
}

void tsc_sync_boot_cpu(void)
{
	for (unsigned int i = 0; i < SYNC_ROUNDS; i++) {
		wait_turn(2 * i + 1);
		sync_answer = rdtsc_now();
		__atomic_store_n(&sync_turn, 2 * i + 2, __ATOMIC_RELEASE);
	}
	wait_turn(0);
}

/*
 * The boot CPU's answer was taken between our question and its receipt. So each round bounds the
 * difference; where it cannot be 0, take the middle.
 */
void tsc_sync_new_cpu(unsigned int cpu)
{
	s64 low = -(1L << 62), high = 1L << 62, differ;
	u64 t0;

	for (unsigned int i = 0; i < SYNC_ROUNDS; i++) {
		t0 = rdtsc_now();
		__atomic_store_n(&sync_turn, 2 * i + 1, __ATOMIC_SEQ_CST);
		wait_turn(2 * i + 2);
		smp_mb();
		differ = sync_answer - rdtsc_now();
		low = max(low, differ);
		differ = sync_answer - t0;
		high = min(high, differ);
	}
	if (low > 0 || high < 0) {
		differ = (low + high) / 2;
		tsc_differs = true;
		scale[cpu].tsc_base = scale[0].tsc_base - differ;
		log_warn("CPU %u: its TSC differs by %ld ticks from the boot CPU's\n", cpu, differ);
	}
	__atomic_store_n(&sync_turn, 0, __ATOMIC_RELEASE);
}

/* --- CMOS --- */

static u8 cmos(u8 reg)
{
	outb(0x70, reg);
	return inb(0x71);
}

/* Days from 1970-01-01 to a Gregorian date (years begin in March, leap days come last). */
static u64 days_since_1970(unsigned int y, unsigned int m, unsigned int d)
{
	y -= m <= 2;
	m = m <= 2 ? m + 9 : m - 3;
	return y * 365UL + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + d - 1 - 719468;
}

u64 arch_read_wallclock(void)
{
	static const u8 regs[7] = { 0, 2, 4, 7, 8, 9, 0x0b };
	u8 t[7] = { 0 }, val, pm;	/* second, minute, hour, day, month, year, format */
	bool steady = false;

	/* Until a reading is as the one before, and no update is at hand. */
	for (unsigned int tries = 0; !steady && tries < 2000; tries++) {
		steady = !(cmos(0x0a) & 0x80);
		for (unsigned int i = 0; i < 7; i++) {
			val = cmos(regs[i]);
			steady &= val == t[i];
			t[i] = val;
		}
	}
	pm = t[2] & 0x80;		/* of a 12-hour clock */
	t[2] &= 0x7f;
	for (unsigned int i = 0; i < 6 && !(t[6] & 4); i++)
		t[i] = (t[i] >> 4) * 10 + (t[i] & 15);
	if (!(t[6] & 2))
		t[2] = t[2] % 12 + (pm ? 12 : 0);
	return days_since_1970(2000 + t[5], t[4], t[3]) * 86400 + t[2] * 3600UL + t[1] * 60 + t[0];
}
