/* SPDX-License-Identifier: MIT */
/*
 * Machine interrupts: vectors, owners, delivery.
 *
 * Job:    one descriptor per interrupt (GSIs, then MSIs); vectors; dispatch to the hypervisor's own
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
#include <hv/errno.h>
#include <hv/irq.h>
#include <hv/page_alloc.h>
#include "io.h"
#include "machine.h"
#include "vectors.h"

#define MAX_SHARE 8			/* guests on one line */

struct irq_desc {
	u8 vector;			/* 0: none yet */
	u8 cpu;
	bool set_up;			/* trigger and polarity come from dom0, not from a guess */
	bool level, active_low;
	bool taken;			/* MSI slot in use */
	bool pending_eoi;		/* masked since its last delivery */
	u8 in_flight;			/* guests that have not said EOI */
	u8 nr_guests;
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

static struct irq_desc *desc_of(int irq)
{
	return irq >= 0 && (unsigned int)irq < nr_gsis + NR_MSIS ? &descs[irq] : NULL;
}

/* --- set-up --- */

/* ISA interrupts are 1:1, edge, active high, but where MADT overrides it. */
u32 isa_irq_to_gsi(unsigned int isa, bool *level, bool *active_low)
{
	unsigned int i;

	*level = *active_low = false;
	for (i = 0; i < acpi_info.nr_overrides; i++) {
		const struct acpi_override *o = &acpi_info.overrides[i];

		if (o->irq != isa)
			continue;
		*level = o->level;
		*active_low = o->active_low;
		return o->gsi;
	}
	return isa;
}

/*
 * Both 8259s: moved away from the exceptions (for spurious interrupts) and masked. Before the local
 * APIC's LINT0 is: QEMU keeps a request that comes from there and has no vector for it then.
 */
void i8259_mask(void)
{
	static const u8 seq[][2] = {
		{ 0x20, 0x11 }, { 0xa0, 0x11 }, { 0x21, VEC_LEGACY_FIRST },
		{ 0xa1, VEC_LEGACY_FIRST + 8 }, { 0x21, 4 }, { 0xa1, 2 }, { 0x21, 1 },
		{ 0xa1, 1 }, { 0x21, 0xff }, { 0xa1, 0xff },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(seq); i++) {
		outb(seq[i][0], seq[i][1]);
		io_delay();
	}
}

void irq_init(void)
{
	unsigned int i;
	u32 gsi;

	descs = hv_new_array(struct irq_desc, nr_gsis + NR_MSIS);
	if (!descs)
		panic("No memory for %u interrupts", nr_gsis + NR_MSIS);
	for (i = 16; i < nr_gsis; i++)		/* PCI: level, active low */
		descs[i].level = descs[i].active_low = true;
	for (i = 0; i < 16; i++) {
		bool level, low;

		gsi = isa_irq_to_gsi(i, &level, &low);
		if (gsi < nr_gsis) {
			descs[gsi].level = level;
			descs[gsi].active_low = low;
		}
	}
}

/* A free vector, or the first of nvec free ones aligned to nvec (a power of two); 0: none. */
static u8 find_vectors(unsigned int nvec)
{
	static u8 next = VEC_DEVICE_FIRST;
	unsigned int tries, i, v;

	for (tries = 0; tries < 256; tries++) {
		v = next;
		next = next >= VEC_DEVICE_LAST ? VEC_DEVICE_FIRST : next + 1;
		if (v & (nvec - 1) || v + nvec - 1 > VEC_DEVICE_LAST)
			continue;
		for (i = 0; i < nvec; i++)
			if (vector_irq[v + i] || v + i == VEC_INT80)
				break;
		if (i == nvec)
			return v;
	}
	return 0;
}

static int give_vector(struct irq_desc *d)
{
	if (d->vector)
		return 0;
	d->vector = find_vectors(1);
	if (!d->vector)
		return -ENOSPC;
	vector_irq[d->vector] = irq_of(d) + 1;
	return 0;
}

static void mask(struct irq_desc *d, bool m)
{
	if (is_msi(d))
		msi_mask(irq_of(d) - nr_gsis, m);
	else
		ioapic_mask(irq_of(d), m);
}

static int start(struct irq_desc *d)
{
	int err = give_vector(d);

	if (err)
		return err;
	if (!is_msi(d))
		return ioapic_route(irq_of(d), d->vector, d->cpu, d->level, d->active_low, false);
	msi_write(irq_of(d) - nr_gsis, d->vector, d->cpu);
	msi_mask(irq_of(d) - nr_gsis, false);
	return 0;
}

int irq_request_hv(u32 gsi, bool level, bool active_low, void (*fn)(void *), void *arg)
{
	struct irq_desc *d;
	int err;

	if (gsi >= nr_gsis)
		return -EINVAL;
	d = &descs[gsi];
	spin_lock(&irq_lock);
	if (d->fn || d->guests) {
		spin_unlock(&irq_lock);
		return -EBUSY;
	}
	d->level = level;
	d->active_low = active_low;
	d->arg = arg;
	d->fn = fn;
	err = start(d);
	if (err)
		d->fn = NULL;
	spin_unlock(&irq_lock);
	return err;
}

/*
 * dom0 knows from ACPI's _PRT how a line is wired. It may say so again, but not differently in use.
 * A line of the hypervisor's own is set up already, as far as dom0 is concerned.
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

/* Let p's domain have the interrupt p->irq. p->port is set already. -ENXIO -EBUSY -ENOSPC. */
int irq_bind_pirq(struct pirq *p, bool will_share)
{
	struct irq_desc *d = desc_of(p->irq);
	int err = 0;

	if (!d)
		return -ENXIO;
	spin_lock(&irq_lock);
	if (is_msi(d) && !d->taken)
		err = -ENXIO;
	else if (d->fn || d->nr_guests == MAX_SHARE ||
		 (d->guests && !(will_share && d->guests->shared)))
		err = -EBUSY;
	if (err)
		goto out;
	p->level = d->level && !is_msi(d);
	p->shared = will_share;
	p->masked = false;
	if (!d->guests) {
		d->in_flight = 0;
		d->pending_eoi = false;
		/* linked first: it may fire at once */
		p->next = NULL;
		d->guests = p;
		err = start(d);
		if (err)
			d->guests = NULL;
		else
			d->nr_guests = 1;
	} else {
		p->next = d->guests;
		d->guests = p;
		d->nr_guests++;
	}
out:
	spin_unlock(&irq_lock);
	return err;
}

static void guest_eoi_locked(struct irq_desc *d, struct pirq *p)
{
	if (!p->masked)
		return;
	p->masked = false;
	if (--d->in_flight == 0 && d->pending_eoi && d->guests) {
		d->pending_eoi = false;
		mask(d, false);
	}
}

void irq_unbind_pirq(struct pirq *p)
{
	struct irq_desc *d = desc_of(p->irq);
	struct pirq **link;

	if (!d)
		return;
	spin_lock(&irq_lock);
	for (link = &d->guests; *link && *link != p; link = &(*link)->next)
		;
	if (*link) {
		*link = p->next;
		p->next = NULL;
		d->nr_guests--;
		guest_eoi_locked(d, p);
		if (!d->guests)
			mask(d, true);
	}
	spin_unlock(&irq_lock);
}

void irq_guest_eoi(struct pirq *p)
{
	struct irq_desc *d = desc_of(p->irq);

	if (!d || !READ_ONCE(p->masked))
		return;
	spin_lock(&irq_lock);
	guest_eoi_locked(d, p);
	spin_unlock(&irq_lock);
}

bool irq_needs_eoi(const struct pirq *p)
{
	const struct irq_desc *d = desc_of(p->irq);

	return d && d->level && !is_msi(d);
}

/* Deliver to another CPU from now on. -ENXIO; -EINVAL: no such CPU. */
int irq_set_affinity_vcpu(struct pirq *p, unsigned int cpu)
{
	struct irq_desc *d = desc_of(p->irq);

	if (!d)
		return -ENXIO;
	if (cpu >= NR_CPUS || !(cpu_online_map & BIT(cpu)))
		return -EINVAL;
	spin_lock(&irq_lock);
	if (d->cpu != cpu) {
		d->cpu = cpu;
		if (d->vector && d->guests && is_msi(d))
			msi_write(irq_of(d) - nr_gsis, d->vector, cpu);
		else if (d->vector && d->guests)
			ioapic_set_cpu(irq_of(d), cpu);
	}
	spin_unlock(&irq_lock);
	return 0;
}

/* --- MSIs --- */

int irq_reserve_msis(unsigned int nvec)
{
	unsigned int slot, i;
	int ret = -ENOSPC;
	u8 v;

	spin_lock(&irq_lock);
	for (slot = 0; slot + nvec <= NR_MSIS; slot++) {
		for (i = 0; i < nvec && !descs[nr_gsis + slot + i].taken; i++)
			;
		if (i == nvec)
			break;
	}
	v = slot + nvec <= NR_MSIS ? find_vectors(nvec) : 0;
	for (i = 0; v && i < nvec; i++) {
		descs[nr_gsis + slot + i] = (struct irq_desc){
			.vector = v + i, .taken = true, .cpu = this_cpu() };
		vector_irq[v + i] = nr_gsis + slot + i + 1;
		ret = slot;
	}
	spin_unlock(&irq_lock);
	return ret;
}

void irq_release_msis(unsigned int slot, unsigned int nvec)
{
	unsigned int i;

	spin_lock(&irq_lock);
	for (i = slot; i < slot + nvec; i++) {
		vector_irq[descs[nr_gsis + i].vector] = 0;
		descs[nr_gsis + i].taken = false;
		descs[nr_gsis + i].vector = 0;
	}
	spin_unlock(&irq_lock);
}

/* After the device lost its state: message and mask as they should be. */
void irq_reapply_msi(unsigned int slot)
{
	struct irq_desc *d = &descs[nr_gsis + slot];

	spin_lock(&irq_lock);
	msi_write(slot, d->vector, d->cpu);
	msi_mask(slot, !d->guests);
	spin_unlock(&irq_lock);
}

bool irq_in_use(int irq)
{
	struct irq_desc *d = desc_of(irq);

	return d && READ_ONCE(d->guests);
}

/* --- delivery --- */

/* To every guest on the line. The lists are read under the lock, the events raised after it. */
static void deliver_to_guests(struct irq_desc *d)
{
	struct { struct domain *d; u32 port; } to[MAX_SHARE];
	unsigned int n = 0, i;
	struct pirq *p;

	spin_lock(&irq_lock);
	if (d->level && !is_msi(d)) {
		mask(d, true);
		d->pending_eoi = true;
	}
	for (p = d->guests; p && n < MAX_SHARE; p = p->next) {
		if (p->level && !p->masked) {
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
	if (!d->fn) {
		deliver_to_guests(d);
		return;
	}
	if (!d->level)
		apic_eoi();
	d->fn(d->arg);
	if (d->level)
		apic_eoi();
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
		spurious++;
		log_warn("CPU %u: APIC error\n", this_cpu());
		break;
	default:
		device_irq(vector);
	}
}

void irq_dump(void)
{
	char text[48];
	unsigned int i;
	struct pirq *p;

	printk("interrupts: irq vector cpu count, owner; %lu spurious\n", spurious);
	for (i = 0; i < nr_gsis + NR_MSIS; i++) {
		struct irq_desc *d = &descs[i];

		if (!d->vector)
			continue;
		snprintf(text, sizeof(text), "%s", d->level ? "level" : "edge");
		if (is_msi(d))
			msi_describe(i - nr_gsis, text, sizeof(text));
		printk("  %3u %02x cpu%u %8lu %s%s%s\n", i, d->vector, d->cpu, d->count, text,
		       d->pending_eoi ? " masked" : "", d->fn ? " hypervisor" : "");
		spin_lock(&irq_lock);
		for (p = d->guests; p; p = p->next)
			printk("      d%u pirq %u port %u%s\n", p->domain->id, p->pirq, p->port,
			       p->masked ? " in flight" : "");
		spin_unlock(&irq_lock);
	}
	ioapic_dump();
}
