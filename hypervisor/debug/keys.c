/* SPDX-License-Identifier: MIT */
/*
 * Job:    characters from the UART go to dom0 or, after Ctrl-A three times, to the debug keys.
 * Enter:  console_input() from console.c's interrupt; console_input_read() from console_io; keys run
 *         in SOFTIRQ_KEY.
 * State:  who gets the input; a ring of what waits for dom0, one of what waits for the softirq.
 * Locks:  input_lock (RANK_LEAF) around the rings.
 * Holds:  K1  keys only read state, and may show it torn: nothing is stopped for them.
 * Tests:  tests/linux (keys)
 */
#include <hv/debug.h>
#include <hv/evtchn.h>
#include <hv/page_alloc.h>
#include "machine.h"

#define CTRL_A 1

static spinlock_t input_lock = SPINLOCK_INIT(RANK_LEAF);
static struct ring {
	char c[256];
	u32 head, tail;			/* characters written and read ever */
} for_dom0, for_keys;
static bool to_keys;			/* input goes to the debug keys */
static unsigned int ctrl_a_seen;

static void ring_put(struct ring *r, char c)
{
	spin_lock(&input_lock);
	if (r->head - r->tail < sizeof(r->c))
		r->c[r->head++ % sizeof(r->c)] = c;
	spin_unlock(&input_lock);
}

static size_t ring_get(struct ring *r, char *dst, size_t len)
{
	size_t n = 0;

	spin_lock(&input_lock);
	while (n < len && r->tail != r->head)
		dst[n++] = r->c[r->tail++ % sizeof(r->c)];
	spin_unlock(&input_lock);
	return n;
}

/* From the UART's interrupt: no lock is held. Without a dom0 all input is for the keys. */
void console_input(char c)
{
	if (c == CTRL_A) {
		if (++ctrl_a_seen < 3)
			return;
		to_keys = !to_keys;
		printk("*** Input goes to %s now (Ctrl-A three times switches)\n",
		       to_keys ? "the hypervisor ('h' for help)" : "dom0");
	} else if (to_keys || !hardware_domain) {
		ring_put(&for_keys, c);
		softirq_raise(SOFTIRQ_KEY);
	} else {
		for (; ctrl_a_seen; ctrl_a_seen--)	/* they were meant for dom0 after all */
			ring_put(&for_dom0, CTRL_A);
		ring_put(&for_dom0, c);
		evtchn_raise_global_virq(VIRQ_CONSOLE);
	}
	ctrl_a_seen = 0;
}

size_t console_input_read(char *dst, size_t len)
{
	return ring_get(&for_dom0, dst, len);
}

/* The frame of a running vcpu is on its CPU's stack, and true only while that CPU is in here. */
static void show_vcpu(const struct vcpu *v)
{
	static const char *const flags[] = {
		"blocked", "down", "domain-paused", "paused", "polling", "shut-down",
	};

	printk("    v%u: CPU %u%s, rip %lx, events %s%s, affinity %lx, mode %s, flags:", v->id,
	       v->processor, v->sched.running ? " running" : "",
	       v->sched.running ? cpu_info_of(v->processor)->guest.rip : v->regs.rip,
	       v->vcpu_info->evtchn_upcall_pending ? "pending" : "none",
	       v->vcpu_info->evtchn_upcall_mask ? " (masked)" : "",
	       v->sched.hard_affinity, v->pv.in_kernel ? "kernel" : "user");
	for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++)
		if (v->pause_flags & BIT(i))
			printk(" %s", flags[i]);
	printk("%s\n", v->pause_flags ? "" : " none");
}

static void key_domains(void)
{
	static const char *const states[] = { "building", "running", "dying", "dead" };
	struct vcpu *v;

	printk("  %lu MiB of RAM, %lu MiB free, %lu KiB the hypervisor's\n", total_pages >> 8,
	       free_page_count() >> 8, hv_page_count() * 4);
	for (struct domain *d = domain_next(NULL); d; d = domain_next(d)) {
		printk("  d%u: %s%s, %u refs, weight %u cap %u, %u/%u pages, cached %u claims %u\n",
		       d->id, states[d->state], d->is_shut_down ? " (shut down)" : "", d->refs,
		       d->sched.weight, d->sched.cap, d->nr_pages, d->max_pages,
		       d->cached_tables.count, d->outstanding_pages);
		if (d->crash_reason)
			printk("    crashed: %s\n", d->crash_reason);
		for_each_vcpu(d, v)
			show_vcpu(v);
	}
}

static void key_events(void)
{
	for (struct domain *d = domain_next(NULL); d; d = domain_next(d))
		evtchn_dump(d);
}

static void key_audit(void)
{
	printk("%u violations\n", audit_all());
}

static void key_hang(void)
{
	watchdog_rests = false;
	for (;;)
		cpu_relax();
}

static void key_reboot(void)
{
	arch_shutdown(true);
}

static void key_help(void);
static const struct { char key; void (*fn)(void); const char *help; } keys[] = {
	{ 'A', key_audit, "recount all references and types" },
	{ 'H', key_hang, "hang this CPU: a try of the watchdog" },
	{ 'R', key_reboot, "reboot the machine" },
	{ 'd', show_all_cpus, "registers of all CPUs" },
	{ 'e', key_events, "event channels" },
	{ 'h', key_help, "this list" },
	{ 'i', irq_dump, "interrupts" },
	{ 'q', key_domains, "memory, domains, vcpus" },
	{ 'r', sched_dump, "run queues" },
	{ 't', trace_dump, "last trace records, with option trace" },
};

static void key_help(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(keys); i++)
		printk("  %c  %s\n", keys[i].key, keys[i].help);
}

void debug_key(char key)
{
	u64 ms = now_ns() / 1000000;

	for (unsigned int i = 0; i < ARRAY_SIZE(keys); i++)
		if (keys[i].key == key) {
			printk("'%c': %s (at %lu.%03lu s)\n", key, keys[i].help, ms / 1000, ms % 1000);
			watchdog_rests = true;
			keys[i].fn();
			watchdog_rests = false;
		}
}

static void run_waiting_keys(void)
{
	char c;

	while (ring_get(&for_keys, &c, 1))
		debug_key(c);
}

void keys_init(void)
{
	softirq_register(SOFTIRQ_KEY, run_waiting_keys);
}
