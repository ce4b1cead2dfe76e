/* SPDX-License-Identifier: MIT */
/*
 * Console input and the debug keys.
 *
 * Job:    characters from the UART go to dom0 or, after Ctrl-A three times, to the debug keys.
 * Enter:  console_input() from uart.c's interrupt; console_input_read() from console_io; keys run
 *         in SOFTIRQ_KEY.
 * State:  a ring of 256 characters for dom0; keys that wait; who gets the input.
 * Locks:  input_lock (RANK_LEAF) around the rings.
 * Holds:  K1  keys only read state, and may show it torn: nothing is stopped for them.
 * Tests:  tests/linux (keys)
 */
#include <xen.h>
#include <hv/arch.h>
#include <hv/debug.h>
#include <hv/evtchn.h>
#include <hv/irq.h>
#include <hv/page_alloc.h>
#include <hv/softirq.h>
#include <hv/upcalls.h>
#include "machine.h"

#define RING 256
#define CTRL_A 1

static const char *const pause_names[] = {
	"blocked", "down", "domain-paused", "paused", "polling", "shut-down",
};

static struct { void (*fn)(char key); const char *help; } keys[128];
static spinlock_t input_lock = SPINLOCK_INIT(RANK_LEAF);
static char ring[RING];
static u32 ring_head, ring_tail;
static bool to_keys;			/* input goes to the debug keys */
static unsigned int ctrl_a_seen;
static char waiting[16];		/* keys, written by the interrupt, read by the softirq */
static u32 waiting_head, waiting_tail;

/* --- input --- */

static void switch_input(void)
{
	to_keys = !to_keys;
	printk("*** Input goes to %s now (Ctrl-A three times switches)\n",
	       to_keys ? "the hypervisor ('h' for help)" : "dom0");
}

static void give_to_dom0(char c)
{
	spin_lock(&input_lock);
	if (ring_head - ring_tail < RING)
		ring[ring_head++ % RING] = c;
	spin_unlock(&input_lock);
	evtchn_raise_global_virq(VIRQ_CONSOLE);
}

/* From the UART's interrupt: no lock is held. Without a dom0 all input is for the keys. */
void console_input(char c)
{
	if (c == CTRL_A) {
		if (++ctrl_a_seen == 3) {
			ctrl_a_seen = 0;
			switch_input();
		}
		return;
	}
	if (to_keys || !hardware_domain) {
		ctrl_a_seen = 0;
		spin_lock(&input_lock);
		if (waiting_head - waiting_tail < sizeof(waiting))
			waiting[waiting_head++ % sizeof(waiting)] = c;
		spin_unlock(&input_lock);
		softirq_raise(SOFTIRQ_KEY);
		return;
	}
	for (; ctrl_a_seen; ctrl_a_seen--)	/* they were meant for dom0 after all */
		give_to_dom0(CTRL_A);
	give_to_dom0(c);
}

size_t console_input_read(char *dst, size_t len)
{
	size_t n = 0;

	spin_lock(&input_lock);
	while (n < len && ring_tail != ring_head)
		dst[n++] = ring[ring_tail++ % RING];
	spin_unlock(&input_lock);
	return n;
}

/* --- keys --- */

void debug_key_register(char key, const char *help, void (*fn)(char key))
{
	keys[key & 127].help = help;
	keys[key & 127].fn = fn;
}

void debug_key(char key)
{
	u64 ns = now_ns();

	if ((u8)key >= 128 || !keys[(u8)key].fn)
		return;
	printk("'%c': %s (at %lu.%03lu s)\n", key, keys[(u8)key].help, ns / 1000000000,
	       ns / 1000000 % 1000);
	keys[(u8)key].fn(key);
}

static void run_waiting_keys(void)
{
	bool any = true;
	char c = 0;

	while (any) {
		spin_lock(&input_lock);
		any = waiting_tail != waiting_head;
		if (any)
			c = waiting[waiting_tail++ % sizeof(waiting)];
		spin_unlock(&input_lock);
		if (any)
			debug_key(c);
	}
}

static void key_help(char key)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(keys); i++)
		if (keys[i].fn)
			printk("  %c  %s\n", i, keys[i].help);
}

static void show_vcpu(const struct vcpu *v)
{
	unsigned int i;

	printk("    v%u: CPU %u%s, events %s%s, affinity %lx, mode %s, flags:", v->id,
	       v->processor, v->sched.running ? " running" : "",
	       v->vcpu_info && v->vcpu_info->evtchn_upcall_pending ? "pending" : "none",
	       v->vcpu_info && v->vcpu_info->evtchn_upcall_mask ? " (masked)" : "",
	       v->sched.hard_affinity, v->pv.in_kernel ? "kernel" : "user");
	for (i = 0; i < ARRAY_SIZE(pause_names); i++)
		if (v->pause_flags & BIT(i))
			printk(" %s", pause_names[i]);
	printk("%s\n", v->pause_flags ? "" : " none");
}

static void key_domains(char key)
{
	static const char *const states[] = { "building", "running", "dying", "dead" };
	struct domain *d;
	unsigned int i;

	for (d = domain_next(NULL); d; d = domain_next(d)) {
		printk("  d%u: %s%s, %u refs, %u of %u pages (%u cached tables), weight %u cap %u\n",
		       d->id, states[d->state], d->is_shut_down ? " (shut down)" : "", d->refs,
		       d->nr_pages, d->max_pages, d->cached_tables.count, d->sched.weight,
		       d->sched.cap);
		if (d->crash_reason)
			printk("    crashed: %s\n", d->crash_reason);
		for (i = 0; i < d->max_vcpus; i++)
			if (d->vcpu[i])
				show_vcpu(d->vcpu[i]);
	}
}

static void key_run_queues(char key)
{
	sched_dump();
}

static void key_events(char key)
{
	struct domain *d;

	for (d = domain_next(NULL); d; d = domain_next(d))
		evtchn_dump(d);
}

static void key_audit(char key)
{
	printk("%u violations\n", audit_all());
}

static void key_registers(char key)
{
	show_all_cpus();
}

static void key_interrupts(char key)
{
	irq_dump();
}

static void key_memory(char key)
{
	struct domain *d;

	printk("  %lu MiB of RAM, %lu MiB free, %lu KiB the hypervisor's\n", total_pages >> 8,
	       free_page_count() >> 8, hv_page_count() * 4);
	for (d = domain_next(NULL); d; d = domain_next(d))
		printk("  d%u: %u KiB, limit %u KiB, claims %u KiB\n", d->id, d->nr_pages * 4,
		       d->max_pages * 4, d->outstanding_pages * 4);
}

static void key_trace(char key)
{
	if (!trace_enabled)
		printk("tracing is off (option trace)\n");
	trace_dump(64);
}

static void key_reboot(char key)
{
	arch_shutdown(true);
}

/* The frame of a running vcpu is on its CPU's stack, and true only while that CPU is in here. */
static void key_dom0(char key)
{
	unsigned int i;

	for (i = 0; hardware_domain && i < hardware_domain->max_vcpus; i++) {
		struct vcpu *v = hardware_domain->vcpu[i];

		if (!v)
			continue;
		show_vcpu(v);
		show_registers(v->sched.running ? &cpu_info_of(v->processor)->guest : &v->regs);
	}
}

void keys_init(void)
{
	static const struct { char key; void (*fn)(char); const char *help; } list[] = {
		{ 'h', key_help, "this list" },
		{ 'q', key_domains, "domains and vcpus" },
		{ 'r', key_run_queues, "run queues" },
		{ 'e', key_events, "event channels" },
		{ 'A', key_audit, "recount all references and types" },
		{ 'd', key_registers, "registers of all CPUs" },
		{ 'i', key_interrupts, "interrupts" },
		{ 'm', key_memory, "memory" },
		{ 't', key_trace, "last trace records" },
		{ 'R', key_reboot, "reboot the machine" },
		{ '0', key_dom0, "registers of dom0" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(list); i++)
		debug_key_register(list[i].key, list[i].help, list[i].fn);
	softirq_register(SOFTIRQ_KEY, run_waiting_keys);
}
