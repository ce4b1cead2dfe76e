/* SPDX-License-Identifier: MIT */
/*
 * Job:    the local APIC, by its registers in memory or x2APIC by MSRs: end of interrupt,
 *         interrupts between CPUs; the one-shot timer, by TSC deadline where there is one. IO-APICs: find them
 *         through ACPI, program and mask their pins.
 * Enter:  arch_set_timer() from core/timer.c; IPIs from smp.c and flush.c; irq.c; physdev_op's apic_read.
 * State:  mode and timer rate, the same on all CPUs; ioapics[], constant after boot.
 * Locks:  none: registers are per CPU, interrupts off; an NMI handler that sends does not return.
 *         ioapic_lock (RANK_LEAF): an IO-APIC's index and data registers are a pair.
 * Holds:  A2  physical destination mode only; each CPU is addressed by cpu_apicid[].
 *         IO1  a pin that irq.c has not routed is masked.
 * Tests:  every boot; tests/linux (e1000 on INTx)
 */
#include <hv/acpi.h>
#include <hv/debug.h>
#include "machine.h"

#define APIC_VERSION	0x030
#define APIC_TPR	0x080
#define APIC_EOI	0x0b0
#define APIC_SPIV	0x0f0
#define  SPIV_ENABLE	0x100
#define APIC_ISR	0x100
#define APIC_ESR	0x280
#define APIC_LVT_CMCI	0x2f0
#define APIC_ICR	0x300
#define APIC_ICR2	0x310
#define APIC_LVT_TIMER	0x320
#define APIC_LVT_PERF	0x340
#define APIC_LVT_LINT0	0x350
#define APIC_LVT_LINT1	0x360
#define APIC_LVT_ERROR	0x370
#define APIC_TIMER_INIT	0x380
#define APIC_TIMER_NOW	0x390
#define APIC_TIMER_DIV	0x3e0
#define LVT_MASKED	0x10000
#define LVT_NMI		0x400
#define LVT_EXTINT	0x700
#define LVT_TSC_DEADLINE 0x40000
#define ICR_BUSY	0x1000

u32 cpu_apicid[NR_CPUS], cpu_acpi_id[NR_CPUS];
static bool x2apic, deadline_mode;
static u8 *regs;
static u64 timer_per_ns;		/* 32.32 fixed point */

static u32 apic_read(u32 reg)
{
	if (x2apic)
		return (u32)rdmsr(MSR_X2APIC(reg));
	return mmio_read32(regs + reg);
}

static void apic_write(u32 reg, u32 val)
{
	if (x2apic)
		wrmsr(MSR_X2APIC(reg), val);
	else
		mmio_write32(regs + reg, val);
}

void apic_eoi(void)
{
	apic_write(APIC_EOI, 0);
}

/* All sources of this CPU's APIC masked but errors, the NMI pin and the timer. */
void apic_init_cpu(void)
{
	u64 base = rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE;
	unsigned int i, maxlvt, tries = 256;
	u32 pending;

	wrmsr(MSR_APIC_BASE, base);
	if (x2apic)
		wrmsr(MSR_APIC_BASE, base | APIC_BASE_EXTD);
	maxlvt = (apic_read(APIC_VERSION) >> 16) & 0xff;
	apic_write(APIC_TPR, 0);
	apic_write(APIC_SPIV, SPIV_ENABLE | VEC_SPURIOUS);
	apic_write(APIC_LVT_TIMER, LVT_MASKED);
	apic_write(APIC_LVT_LINT0, LVT_MASKED | LVT_EXTINT);
	apic_write(APIC_LVT_LINT1, LVT_NMI);
	apic_write(APIC_LVT_PERF, LVT_MASKED);
	if (maxlvt >= 6)
		apic_write(APIC_LVT_CMCI, LVT_MASKED);
	apic_write(APIC_LVT_ERROR, VEC_APIC_ERROR);
	/* What firmware left in service would block everything of lower priority for ever. */
	do {
		for (i = 0, pending = 0; i < 8; i++)
			pending |= apic_read(APIC_ISR + i * 16);
		if (pending)
			apic_eoi();
	} while (pending && --tries);
	apic_write(APIC_ESR, 0);
	if (deadline_mode) {
		apic_write(APIC_LVT_TIMER, LVT_TSC_DEADLINE | VEC_TIMER);
		/* An MMIO write and WRMSR are not ordered by themselves (SDM vol. 3, 11.5.4.1). */
		__asm__ __volatile__("mfence" ::: "memory");
		wrmsr(MSR_TSC_DEADLINE, 0);
	} else {
		apic_write(APIC_TIMER_DIV, 0xb);	/* by 1 */
		apic_write(APIC_TIMER_INIT, 0);
		apic_write(APIC_LVT_TIMER, VEC_TIMER);
	}
}

/* The counter's rate against the TSC: 20 ms of one run that is too long to end. */
static void calibrate_timer(void)
{
	u64 start, count;

	apic_write(APIC_TIMER_INIT, ~0U);
	start = now_ns();
	delay_us(20000);
	count = ~0U - apic_read(APIC_TIMER_NOW);
	timer_per_ns = (count << 32) / (now_ns() - start);
	apic_write(APIC_TIMER_INIT, 0);
	if (!timer_per_ns)
		refuse_boot("the local APIC's timer does not count");
	log_info("APIC timer: %lu kHz\n", timer_per_ns * 1000000 >> 32);
}

void apic_init(void)
{
	u64 base = rdmsr(MSR_APIC_BASE);

	i8259_mask();
	/* Switch to x2APIC only where asked to or needed: the IO-APIC's 8-bit destinations stay. */
	x2apic = base & APIC_BASE_EXTD || (cpu_feat.x2apic && opt_x2apic);
	for (unsigned int i = 0; i < nr_cpus_present; i++)
		x2apic |= cpu_apicid[i] > 0xfe && cpu_feat.x2apic;
	if (!x2apic) {
		base &= ((1UL << cpu_feat.phys_bits) - 1) & PAGE_MASK;
		regs = ioremap(acpi_info.lapic_maddr ?: base, PAGE_SIZE);
		if (!regs)
			refuse_boot("no memory to map the local APIC; give the machine more");
	}
	deadline_mode = cpu_feat.tsc_deadline;
	apic_init_cpu();
	if (!deadline_mode)
		calibrate_timer();
	log_info("APIC: %s, version %x, timer by %s\n", x2apic ? "x2APIC" : "xAPIC",
		 apic_read(APIC_VERSION) & 0xff, deadline_mode ? "TSC deadline" : "count");
}

/* At or shortly after the deadline, at once when it is past; far ones come early, to be set anew. */
void arch_set_timer(u64 deadline_ns)
{
	u64 now, count;

	if (deadline_mode) {
		wrmsr(MSR_TSC_DEADLINE, ns_to_tsc(min(deadline_ns, 1UL << 60)));
		return;
	}
	now = now_ns();
	count = deadline_ns > now ? min(deadline_ns - now, 4000000000UL) : 0;
	count = ((unsigned __int128)count * timer_per_ns >> 32) + 1;
	apic_write(APIC_TIMER_INIT, min(count, 0xffffffffUL));
}

void apic_send(u32 apicid, u32 command)
{
	if (x2apic) {
		/* WRMSR to the ICR does not wait for earlier stores. */
		__asm__ __volatile__("mfence; lfence" ::: "memory");
		wrmsr(MSR_X2APIC(APIC_ICR), (u64)apicid << 32 | command);
		return;
	}
	while (mmio_read32(regs + APIC_ICR) & ICR_BUSY)
		cpu_relax();
	mmio_write32(regs + APIC_ICR2, apicid << 24);
	mmio_write32(regs + APIC_ICR, command);
}

void apic_send_mask(cpumask_t mask, u32 command)
{
	for (; mask; mask &= mask - 1)
		apic_send(cpu_apicid[__builtin_ctzl(mask)], command);
}

u64 apic_msi_address(unsigned int cpu)
{
	return 0xfee00000UL | (cpu_apicid[cpu] & 0xff) << 12;
}

/* --- IO-APICs --- */

#define MAX_PINS 240
#define IOAPIC_INDEX 0x00
#define IOAPIC_DATA 0x10
#define IOAPIC_VERSION 0x01
#define RTE_LOW(pin) (0x10 + 2 * (pin))
#define RTE_HIGH(pin) (RTE_LOW(pin) + 1)
#define RTE_LOW_ACTIVE 0x2000
#define RTE_LEVEL 0x8000
#define RTE_MASKED 0x10000

struct ioapic {
	u8 *regs;
	u64 maddr;
	u32 gsi_base;
	unsigned int pins;
};

unsigned int nr_gsis;
static struct ioapic ioapics[ACPI_MAX_IOAPICS];
static unsigned int nr_ioapics;
static spinlock_t ioapic_lock = SPINLOCK_INIT(RANK_LEAF);

static u32 reg_get(const struct ioapic *io, u32 reg)
{
	u32 val;

	spin_lock(&ioapic_lock);
	mmio_write32(io->regs + IOAPIC_INDEX, reg);
	val = mmio_read32(io->regs + IOAPIC_DATA);
	spin_unlock(&ioapic_lock);
	return val;
}

static void reg_set(const struct ioapic *io, u32 reg, u32 val)
{
	spin_lock(&ioapic_lock);
	mmio_write32(io->regs + IOAPIC_INDEX, reg);
	mmio_write32(io->regs + IOAPIC_DATA, val);
	spin_unlock(&ioapic_lock);
}

void ioapic_init(void)
{
	struct ioapic *io = ioapics;

	for (unsigned int i = 0; i < acpi_info.nr_ioapics; i++) {
		io->maddr = acpi_info.ioapics[i].maddr;
		io->gsi_base = acpi_info.ioapics[i].gsi_base;
		io->regs = ioremap(io->maddr, PAGE_SIZE);
		if (!io->regs)
			refuse_boot("no memory to map the IO-APIC at %lx; give the machine more", io->maddr);
		io->pins = ((reg_get(io, IOAPIC_VERSION) >> 16) & 0xff) + 1;
		if (io->pins > MAX_PINS) {
			log_warn("IO-APIC at %lx does not answer\n", io->maddr);
			continue;
		}
		for (unsigned int pin = 0; pin < io->pins; pin++) {
			reg_set(io, RTE_LOW(pin), RTE_MASKED);
			reg_set(io, RTE_HIGH(pin), 0);
		}
		log_info("IO-APIC at %lx: %u GSIs from %u\n", io->maddr, io->pins, io->gsi_base);
		nr_gsis = max(nr_gsis, io->gsi_base + io->pins);
		io++;
	}
	nr_ioapics = io - ioapics;
	if (!nr_ioapics)
		refuse_boot("no IO-APIC is found; switch ACPI and the IO-APIC on in the firmware's set-up");
}

static const struct ioapic *find(u32 gsi)
{
	for (const struct ioapic *io = ioapics; io < ioapics + nr_ioapics; io++)
		if (gsi >= io->gsi_base && gsi - io->gsi_base < io->pins)
			return io;
	return NULL;
}

int ioapic_set_cpu(u32 gsi, unsigned int cpu)
{
	const struct ioapic *io = find(gsi);

	if (!io)
		return -ENXIO;
	reg_set(io, RTE_HIGH(gsi - io->gsi_base), cpu_apicid[cpu] << 24);
	return 0;
}

void ioapic_set_pin(u32 gsi, u8 vector, bool level, bool active_low, bool masked)
{
	const struct ioapic *io = find(gsi);

	reg_set(io, RTE_LOW(gsi - io->gsi_base), vector | (level ? RTE_LEVEL : 0) |
		(active_low ? RTE_LOW_ACTIVE : 0) | (masked ? RTE_MASKED : 0));
}

int ioapic_guest_read(u64 base, u32 reg, u32 *val)
{
	for (const struct ioapic *io = ioapics; io < ioapics + nr_ioapics; io++)
		if (io->maddr == base &&
		    (reg <= 2 || (reg >= RTE_LOW(0) && reg < RTE_LOW(io->pins)))) {
			*val = reg_get(io, reg);
			return 0;
		}
	return -EINVAL;
}
