/* SPDX-License-Identifier: MIT */
/*
 * Job:    machine interrupts, one descriptor each (GSIs, then MSIs); vectors; dispatch to our own
 *         handlers or to guests' event channels; when to acknowledge.
 * Enter:  do_irq() from entry.S; pv/physdev.c and core/evtchn.c through hv/irq.h.
 * State:  descs[], vector_irq[]: a vector means the same on every CPU.
 * Locks:  irq_lock (RANK_IRQ). Event channels are raised after it is released; a reference keeps
 *         the domain until then.
 * Holds:  I1  a machine vector has one handler: the hypervisor's or one list of guest pirqs.
 *         I2  level-triggered: masked from its delivery until every guest on it has said EOI;
 *             edge and MSI: acknowledged at once, never masked between.
 * Tests:  tests/linux (e1000 INTx, virtio MSI-X)
 */
#include <hv/acpi.h>
#include <hv/debug.h>
#include <hv/evtchn.h>
#include <hv/page_alloc.h>
#include "machine.h"

#define MAX_SHARE 8			/* guests on one line */
#define for_each_override(o) \
	for (o = acpi_info.overrides; o < acpi_info.overrides + acpi_info.nr_overrides; o++) \
		if (o->gsi < nr_gsis)

struct irq_desc {
	u8 vector;			/* 0: none yet; an MSI that is free */
	u8 cpu;
	bool set_up;			/* trigger and polarity come from dom0, not from a guess */
	bool level, active_low;		/* never of an MSI */
	u8 nr_guests, in_flight;	/* in_flight: have not said EOI; the line is masked meanwhile */
	struct pirq *guests;
	void (*fn)(void *);		/* the hypervisor's own */
	void *arg;
	u64 count;
};

static struct irq_desc *descs;
static u16 vector_irq[256];		/* irq + 1; 0: free */
static spinlock_t irq_lock = SPINLOCK_INIT(RANK_IRQ);
static u64 spurious;

static unsigned int irq_of(const struct irq_desc *d)
{
	return d - descs;
}

static bool is_msi(const struct irq_desc *d)
{
	return irq_of(d) >= nr_gsis;
}

/* --- set-up --- */

/*
 * Both 8259s: moved away from the exceptions (for spurious interrupts) and masked. Before the local
 * APIC's LINT0 is: QEMU keeps a request that comes from there and has no vector for it then.
 */
void i8259_mask(void)
{
	static const u8 seq[][2] = {
		{ 0x20, 0x11 }, { 0xa0, 0x11 }, { 0x21, VEC_LEGACY_FIRST },
		{ 0xa1, VEC_LEGACY_FIRST + 8 }, { 0x21, 4 }, { 0xa1, 2 }, { 0x21, 1 }, { 0xa1, 1 },
		{ 0x21, 0xff }, { 0xa1, 0xff },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(seq); i++) {
		outb(seq[i][0], seq[i][1]);
		outb(0x80, 0);			/* about a microsecond on old buses */
	}
}

void irq_init(void)
{
	const struct acpi_override *o;
	unsigned int i;

	descs = hv_new_array(struct irq_desc, nr_gsis + NR_MSIS);
	if (!descs)
		refuse_boot("no memory for %u interrupts; give the machine more", nr_gsis + NR_MSIS);
	for (i = 16; i < nr_gsis; i++)		/* PCI: level, active low; ISA: edge, high */
		descs[i].level = descs[i].active_low = true;
	for_each_override(o) {
		descs[o->gsi].level = o->level;
		descs[o->gsi].active_low = o->active_low;
	}
}

/* A free vector, or the first of nvec free ones aligned to nvec (a power of two); 0: none. */
static u8 find_vectors(unsigned int nvec)
{
	unsigned int v, i;

	for (v = ROUND_UP(VEC_DEVICE_FIRST, nvec); v + nvec <= VEC_DEVICE_LAST + 1; v += nvec) {
		for (i = 0; i < nvec && !vector_irq[v + i] && v + i != VEC_INT80; i++)
			;
		if (i == nvec)
			return v;
	}
	return 0;
}

static void mask(const struct irq_desc *d, bool m)
{
	if (is_msi(d))
		msi_mask(irq_of(d) - nr_gsis, m);
	else
		ioapic_set_pin(irq_of(d), d->vector, d->level, d->active_low, m);
}

static int route(const struct irq_desc *d)
{
	if (!is_msi(d))
		return ioapic_set_cpu(irq_of(d), d->cpu);
	msi_write(irq_of(d) - nr_gsis, d->vector, d->cpu);
	return 0;
}

/* Let it come, now that d has an owner. -ENOSPC: no vector, -ENXIO: no such line. */
static int start(struct irq_desc *d)
{
	int err;

	if (!d->vector)
		d->vector = find_vectors(1);
	if (!d->vector)
		return -ENOSPC;
	vector_irq[d->vector] = irq_of(d) + 1;
	err = route(d);
	if (!err)
		mask(d, false);
	return err;
}

int irq_request_isa(unsigned int isa, void (*fn)(void *), void *arg)
{
	const struct acpi_override *o;
	struct irq_desc *d = &descs[isa];
	int err = -EBUSY;

	for_each_override(o)
		if (o->irq == isa)
			d = &descs[o->gsi];
	spin_lock(&irq_lock);
	if (!is_msi(d) && !d->fn && !d->guests) {
		d->arg = arg;
		d->fn = fn;
		err = start(d);
		if (err)
			d->fn = NULL;
	}
	spin_unlock(&irq_lock);
	return err;
}

/*
 * dom0 knows from ACPI's _PRT how a line is wired. It may say so again, but not differently in use.
 * A line of ours is set up already, as far as it is concerned.
 */
int irq_setup_gsi(u32 gsi, bool level, bool active_low)
{
	struct irq_desc *d;
	int err = 0;

	if (gsi >= nr_gsis)
		return -EINVAL;
	d = &descs[gsi];
	spin_lock(&irq_lock);
	if (d->fn || (d->set_up && d->level == level && d->active_low == active_low)) {
		err = -EEXIST;
	} else if (d->guests) {
		err = -EBUSY;
	} else {
		d->level = level;
		d->active_low = active_low;
		d->set_up = true;
	}
	spin_unlock(&irq_lock);
	return err;
}

/* --- guests --- */

/* p->port is set already. */
int irq_bind_pirq(struct pirq *p, bool will_share)
{
	struct irq_desc *d = &descs[p->irq];
	int err = -EBUSY;

	if (p->irq < 0)
		return -ENXIO;
	spin_lock(&irq_lock);
	if (!d->fn && d->nr_guests < MAX_SHARE &&
	    (!d->guests || (will_share && d->guests->shared))) {
		p->level = d->level;
		p->shared = will_share;
		p->masked = false;
		p->next = d->guests;
		d->guests = p;		/* first: it may fire at once */
		err = p->next ? 0 : start(d);
		if (err)
			d->guests = NULL;
		else
			d->nr_guests++;
	}
	spin_unlock(&irq_lock);
	return err;
}

/* irq_lock held. */
static void guest_eoi_locked(struct irq_desc *d, struct pirq *p)
{
	if (!p->masked)
		return;
	p->masked = false;
	if (--d->in_flight == 0 && d->guests)
		mask(d, false);
}

void irq_unbind_pirq(struct pirq *p)
{
	struct irq_desc *d = &descs[p->irq];
	struct pirq **link = &d->guests;

	spin_lock(&irq_lock);
	while (*link != p)
		link = &(*link)->next;
	*link = p->next;
	d->nr_guests--;
	guest_eoi_locked(d, p);
	if (!d->guests)
		mask(d, true);
	spin_unlock(&irq_lock);
}

void irq_guest_eoi(struct pirq *p)
{
	if (!READ_ONCE(p->masked))
		return;
	spin_lock(&irq_lock);
	guest_eoi_locked(&descs[p->irq], p);
	spin_unlock(&irq_lock);
}

void irq_set_affinity_vcpu(struct pirq *p, unsigned int cpu)
{
	struct irq_desc *d = &descs[p->irq];

	spin_lock(&irq_lock);
	if (d->cpu != cpu) {
		d->cpu = cpu;
		route(d);
	}
	spin_unlock(&irq_lock);
}

/* --- MSIs --- */

int irq_reserve_msis(unsigned int nvec)
{
	unsigned int i, run = 0;
	struct irq_desc *d = descs + nr_gsis;
	u8 v = 0;

	spin_lock(&irq_lock);
	for (; run < nvec && d < descs + nr_gsis + NR_MSIS; d++)
		run = d->vector ? 0 : run + 1;
	if (run == nvec)
		v = find_vectors(nvec);
	d -= nvec;
	for (i = 0; v && i < nvec; i++) {
		d[i] = (struct irq_desc){ .vector = v + i, .cpu = this_cpu() };
		vector_irq[v + i] = irq_of(&d[i]) + 1;
	}
	spin_unlock(&irq_lock);
	return v ? (int)(irq_of(d) - nr_gsis) : -ENOSPC;
}

void irq_release_msis(unsigned int slot, unsigned int nvec)
{
	struct irq_desc *d = &descs[nr_gsis + slot];

	spin_lock(&irq_lock);
	for (; nvec; d++, nvec--) {
		vector_irq[d->vector] = 0;
		d->vector = 0;
	}
	spin_unlock(&irq_lock);
}

void irq_reapply_msi(unsigned int slot)
{
	struct irq_desc *d = &descs[nr_gsis + slot];

	spin_lock(&irq_lock);
	msi_write(slot, d->vector, d->cpu);
	msi_mask(slot, !d->guests);
	spin_unlock(&irq_lock);
}

/* --- delivery --- */

/* To every guest on the line; the events are raised after the lock is released. */
static void deliver_to_guests(struct irq_desc *d)
{
	struct { struct domain *d; u32 port; } to[MAX_SHARE];
	unsigned int n = 0, i;

	spin_lock(&irq_lock);
	if (d->level)
		mask(d, true);
	for (struct pirq *p = d->guests; p; p = p->next) {
		if (d->level && !p->masked) {
			p->masked = true;
			d->in_flight++;
		}
		atomic_inc(&p->domain->refs);
		to[n].d = p->domain;
		to[n++].port = p->port;
	}
	spin_unlock(&irq_lock);
	apic_eoi();
	for (i = 0; i < n; i++) {
		if (to[i].port)
			evtchn_raise_pirq(to[i].d, to[i].port);
		domain_put(to[i].d);
	}
}

static void device_irq(unsigned int vector)
{
	unsigned int irq = vector_irq[vector];
	struct irq_desc *d;

	if (!irq) {
		spurious++;
		apic_eoi();
		return;
	}
	d = &descs[irq - 1];
	d->count++;
	trace(IRQ, vector, irq - 1);
	if (d->fn) {
		d->fn(d->arg);
		apic_eoi();
	} else {
		deliver_to_guests(d);
	}
}

/* Every interrupt comes here, with interrupts off and no lock held by this CPU. */
void do_irq(struct cpu_user_regs *regs, unsigned int vector)
{
	switch (vector) {
	case VEC_TIMER:
		apic_eoi();
		timer_interrupt();
		break;
	case VEC_RESCHED:
		apic_eoi();
		break;
	case VEC_CALL:
		apic_eoi();
		arch_poll();
		break;
	case VEC_SPURIOUS:		/* must not be acknowledged */
		spurious++;
		break;
	case VEC_APIC_ERROR:
		apic_eoi();
		log_warn("CPU %u: APIC error\n", this_cpu());
		break;
	default:
		device_irq(vector);
	}
}

void irq_dump(void)
{
	printk("interrupts: irq vector cpu count, owner; %lu spurious\n", spurious);
	for (const struct irq_desc *d = descs; d < descs + nr_gsis + NR_MSIS; d++) {
		if (!d->vector)
			continue;
		printk("  %3u %02x cpu%u %8lu%s%s%s", irq_of(d), d->vector, d->cpu, d->count,
		       d->level ? " level" : "", d->in_flight ? " masked" : "",
		       d->fn ? " hypervisor" : "");
		if (is_msi(d))
			msi_describe(irq_of(d) - nr_gsis);
		spin_lock(&irq_lock);
		for (const struct pirq *p = d->guests; p; p = p->next)
			printk(" d%u pirq %u port %u%s", p->domain->id, p->pirq, p->port,
			       p->masked ? " in flight" : "");
		spin_unlock(&irq_lock);
		printk("\n");
	}
}
