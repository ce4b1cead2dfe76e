/* SPDX-License-Identifier: MIT */
/*
 * Job:    struct domain and struct vcpu from creation to the last reference: making, finding,
 *         stopping and ending them.
 * Enter:  control/build_dom0.c, control/domctl.c; pv/vcpu_op.c; domain_crash() from everywhere.
 * State:  domain_table[], of which the entries from ids_end on were never used.
 * Locks:  domlist_lock (RANK_DOMLIST); d->lock for the life cycle; pause flags are atomic.
 * Holds:  D1  building -> running -> dying -> dead, one way.
 *         D2  a domain found by id is held by reference until domain_put().
 *         D3  no new references once dead; the structure and its id stay until the last one is
 *             gone (frames of it that others map count as one).
 * Tests:  tests/host/test_domain.c
 */
#include <sched.h>
#include <hv/clock.h>
#include <hv/continue.h>
#include <hv/debug.h>
#include <hv/evtchn.h>
#include <hv/grant.h>
#include <hv/irq.h>
#include <hv/page_alloc.h>
#include <hv/pte.h>

struct domain *hardware_domain;
struct domain *idle_domain;
struct vcpu *idle_vcpu[NR_CPUS];
struct domain *domain_table[DOMID_FIRST_RESERVED];
struct vcpu_info dummy_vcpu_info;
extern bool opt_noreboot;

static unsigned int ids_end;
static spinlock_t domlist_lock = SPINLOCK_INIT(RANK_DOMLIST);

struct domain *domain_get(domid_t id)
{
	struct domain *d;
	u32 refs;

	spin_lock(&domlist_lock);
	d = domain_lookup(id);
	refs = d && d->state != DOM_dead ? READ_ONCE(d->refs) : 0;	/* 0: being destroyed */
	while (refs && !atomic_cas(&d->refs, &refs, refs + 1))
		;
	spin_unlock(&domlist_lock);
	return refs ? d : NULL;
}

void domain_put(struct domain *d)
{
	if (!atomic_dec(&d->refs))
		tasklet_schedule(&d->destroy);	/* no lock is held there */
}

struct domain *domain_next(struct domain *prev)
{
	unsigned int id = prev ? prev->id + 1 : 0;
	struct domain *d = NULL;

	for (; !d && id < READ_ONCE(ids_end); id++)
		d = domain_lookup(id) ? domain_get(id) : NULL;
	if (prev)
		domain_put(prev);
	return d;
}

struct vcpu *domain_vcpu(const struct domain *d, u64 id)
{
	return id < d->max_vcpus ? READ_ONCE(d->vcpu[id]) : NULL;
}

static void free_vcpu(struct vcpu *v)
{
	arch_vcpu_destroy(v);
	hv_free(v->pv.traps);
	hv_free(v);
}

static void free_domain(struct domain *d)
{
	struct vcpu *v;

	for_each_vcpu(d, v)
		free_vcpu(v);
	grant_destroy(d);
	evtchn_free(d);
	if (d->shared_info)
		unshare_hv_page(d->shared_info);
	hv_free(d->e820);
	hv_free(d);
}

/* The last reference is gone. */
static void destroy_domain(void *arg)
{
	struct domain *d = arg;

	spin_lock(&domlist_lock);
	domain_table[d->id] = NULL;
	spin_unlock(&domlist_lock);
	free_domain(d);
}

static struct domain *alloc_domain(domid_t id, unsigned int max_vcpus)
{
	struct domain *d = hv_new(struct domain);

	if (!d)
		return NULL;
	d->id = id;
	d->refs = 1;
	d->max_vcpus = max_vcpus;
	d->max_pages = d->max_evtchn_port = ~0U;
	d->sched.weight = 256;
	d->page_list = d->cached_tables = (struct frame_list){ FRAME_NIL, FRAME_NIL, 0 };
	d->pirq_eoi_mfn = d->shared_info_mfn = INVALID_MFN;
	spin_lock_init(&d->lock, RANK_DOMAIN);
	spin_lock_init(&d->mmu_lock, RANK_MMU);
	spin_lock_init(&d->page_list_lock, RANK_PGLIST);
	spin_lock_init(&d->evtchn_lock, RANK_EVTCHN);
	tasklet_init(&d->destroy, destroy_domain, d);
	return d;
}

static int alloc_shared_info(struct domain *d)
{
	d->shared_info = alloc_hv_pages(0);
	if (!d->shared_info)
		return -ENOMEM;
	d->shared_info_mfn = virt_to_mfn(d->shared_info);
	share_hv_page(d, d->shared_info, true);
	for (unsigned int i = 0; i < XEN_LEGACY_MAX_VCPUS; i++)
		d->shared_info->vcpu_info[i].evtchn_upcall_mask = 1;
	return 0;
}

static void watchdog_fired(void *arg)
{
	struct domain *d = arg;

	if (d->state >= DOM_dying || d->is_shut_down)
		return;
	printk("d%u: watchdog timer expired\n", d->id);
	domain_shutdown(d, SHUTDOWN_watchdog);
}

/* Into the table, unless the id is taken. domlist_lock held. */
static int publish(struct domain *d)
{
	if (domain_table[d->id])
		return -EEXIST;
	domain_table[d->id] = d;
	ids_end = max(ids_end, d->id + 1U);
	return 0;
}

int domain_create(domid_t id, bool privileged, unsigned int max_vcpus, struct domain **out)
{
	struct domain *d;
	int rc;

	if (id >= DOMID_FIRST_RESERVED || !max_vcpus || max_vcpus > MAX_VCPUS)
		return -EINVAL;
	d = alloc_domain(id, max_vcpus);
	if (!d)
		return -ENOMEM;
	d->is_privileged = privileged;
	d->is_hardware = id == 0;
	d->force_us = PTE_US;
	d->pause_count = 1;
	for (unsigned int i = 0; i < ARRAY_SIZE(d->watchdog); i++)
		timer_init(&d->watchdog[i], watchdog_fired, d, this_cpu());
	rc = alloc_shared_info(d) ?: evtchn_init(d) ?: grant_init(d) ?:
	     under_lock(&domlist_lock, publish(d));
	if (rc)
		free_domain(d);
	else
		*out = d;
	return rc;
}

static void poll_ended(void *arg)
{
	struct vcpu *v = arg;

	if (READ_ONCE(v->pause_flags) & VPF_polling)
		vcpu_unblock(v);
}

static void init_pv_state(struct vcpu *v)
{
	v->vcpu_info = v->domain->shared_info && v->id < XEN_LEGACY_MAX_VCPUS ?
		&v->domain->shared_info->vcpu_info[v->id] : &dummy_vcpu_info;
	v->vcpu_info_mfn = INVALID_MFN;
	v->pv.root_kernel = v->pv.root_user = v->pv.root_left = INVALID_MFN;
	v->pv.in_kernel = 1;
	v->pv.dr[6] = 0xffff0ff0;
	v->pv.dr[7] = 0x400;
	for (unsigned int i = 0; i < ARRAY_SIZE(v->pv.gdt_frames); i++)
		v->pv.gdt_frames[i] = v->pv.ldt_frames[i] = INVALID_MFN;
}

/* Where a new vcpu begins: spread over the CPUs that are online. */
static unsigned int first_cpu(unsigned int id)
{
	cpumask_t m = cpu_online_map;

	for (; id; id--)
		m = m & (m - 1) ?: cpu_online_map;
	return (unsigned int)__builtin_ctzl(m);
}

int vcpu_create(struct domain *d, unsigned int id, struct vcpu **out)
{
	unsigned int cpu;
	struct vcpu *v;

	if (id >= d->max_vcpus || d->vcpu[id])
		return -EINVAL;
	v = hv_new(struct vcpu);
	if (!v)
		return -ENOMEM;
	v->domain = d;
	v->id = (u16)id;
	v->is_idle = v->initialised = d->is_idle;
	init_pv_state(v);
	if (!v->is_idle) {
		v->pv.traps = hv_new_array(struct trap_info, 256);
		v->pause_flags = VPF_down | (d->pause_count ? VPF_domain_paused : 0);
	}
	if ((!v->is_idle && !v->pv.traps) || arch_vcpu_create(v)) {
		free_vcpu(v);
		return -ENOMEM;
	}
	cpu = v->is_idle ? id : first_cpu(id);
	sched_init_vcpu(v, cpu);
	timer_init(&v->poll_timer, poll_ended, v, cpu);
	clock_init_vcpu(v);
	WRITE_ONCE(d->vcpu[id], v);
	*out = v;
	return 0;
}

void domains_init(void)
{
	dummy_vcpu_info.evtchn_upcall_mask = 1;
	idle_domain = alloc_domain(DOMID_IDLE, NR_CPUS);
	if (!idle_domain)
		panic("No memory for the idle domain");
	idle_domain->is_idle = true;
	idle_domain->state = DOM_running;
	for (unsigned int cpu = 0; cpu < nr_cpus_present; cpu++)
		if (vcpu_create(idle_domain, cpu, &idle_vcpu[cpu]))
			panic("No memory for the idle vcpu of CPU %u", cpu);
}

static void stop_all(struct domain *d, u32 flag, void (*stop)(struct vcpu *v))
{
	struct vcpu *v;

	for_each_vcpu(d, v)
		atomic_or(&v->pause_flags, flag);
	for_each_vcpu(d, v)
		stop(v);
}

static void clear_pause(struct vcpu *v, u32 flag)
{
	if (atomic_and(&v->pause_flags, ~flag) & flag)
		sched_wake(v);
}

void domain_pause(struct domain *d)
{
	atomic_inc(&d->pause_count);
	stop_all(d, VPF_domain_paused, sched_sleep_sync);
}

void domain_unpause(struct domain *d)
{
	struct vcpu *v;

	if (atomic_dec(&d->pause_count))
		return;
	spin_lock(&d->lock);
	if (d->state == DOM_building)
		d->state = DOM_running;
	spin_unlock(&d->lock);
	for_each_vcpu(d, v)
		clear_pause(v, VPF_domain_paused);
}

void vcpu_pause(struct vcpu *v)
{
	atomic_inc(&v->pause_count);
	atomic_or(&v->pause_flags, VPF_vcpu_paused);
	sched_sleep_sync(v);
}

void vcpu_unpause(struct vcpu *v)
{
	if (!atomic_dec(&v->pause_count))
		clear_pause(v, VPF_vcpu_paused);
}

static void __noreturn machine_down(u8 reason)
{
	static const char *const texts[] = {
		[SHUTDOWN_poweroff] = "has halted: the machine stops", "wants a reboot",
		[SHUTDOWN_crash] = "has crashed", "did not feed its watchdog",
	};
	const char *text = reason < ARRAY_SIZE(texts) ? texts[reason] : NULL;

	printk("dom0 %s (reason %u)\n", text ?: "has shut down", reason);
	if (reason != SHUTDOWN_poweroff && reason != SHUTDOWN_reboot && opt_noreboot) {
		printk("noreboot: the machine halts\n");
		arch_halt_all();
	}
	arch_shutdown(reason != SHUTDOWN_poweroff);
}

void domain_shutdown(struct domain *d, u8 reason)
{
	if (d->is_hardware)
		machine_down(reason);
	if (atomic_xchg(&d->shutdown_begun, true))
		return;
	d->shutdown_code = reason;
	__atomic_store_n(&d->is_shut_down, true, __ATOMIC_RELEASE);
	stop_all(d, VPF_shutdown, sched_sleep);
	evtchn_raise_global_virq(VIRQ_DOM_EXC);
}

void domain_resume(struct domain *d)
{
	struct vcpu *v;

	d->shutdown_code = 0;
	d->is_shut_down = d->shutdown_begun = false;
	for_each_vcpu(d, v)
		clear_pause(v, VPF_shutdown);
}

void domain_crash(struct domain *d, const char *fmt, ...)
{
	struct vcpu *v = current_vcpu();
	const char *none = NULL;
	va_list ap;

	if (!atomic_cas(&d->crash_reason, &none, d->crash_text))
		return;			/* the first reason is the one that counts */
	va_start(ap, fmt);
	vsnprintf(d->crash_text, sizeof(d->crash_text), fmt, ap);
	va_end(ap);
	printk("d%u crashed: %s\n", d->id, d->crash_text);
	if (v && v->domain == d) {
		atomic_or(&v->work, VW_crash);
		v->pv.direct_ok = 0;
		show_guest_crash(v, guest_regs());
	}
	domain_shutdown(d, SHUTDOWN_crash);
}

enum kill_stage { KILL_stop, KILL_grants, KILL_pages, KILL_tables, KILL_rest, KILL_end, KILL_done };
#define KILL_STEP 64

static void kill_stop(struct domain *d)
{
	struct vcpu *v;

	spin_lock(&d->lock);
	spin_lock(&d->page_list_lock);	/* no page is assigned from here on */
	d->state = DOM_dying;
	spin_unlock(&d->page_list_lock);
	set_claim(d, 0);
	spin_unlock(&d->lock);
	stop_all(d, VPF_shutdown | VPF_down, sched_sleep_sync);
	for (unsigned int i = 0; i < ARRAY_SIZE(d->watchdog); i++)
		timer_kill(&d->watchdog[i]);
	for_each_vcpu(d, v) {
		ASSERT(!v->sched.on_queue && !v->sched.capped);
		timer_kill(&v->poll_timer);
		clock_destroy_vcpu(v);
	}
	evtchn_destroy(d);
	pirqs_destroy(d);
	for_each_vcpu(d, v)
		pv_vcpu_release(v);
	if (!mfn_eq(d->pirq_eoi_mfn, INVALID_MFN)) {
		put_page_writable(mfn_to_page(d->pirq_eoi_mfn));
		d->pirq_eoi_mfn = INVALID_MFN;
	}
	d->kill_left = d->page_list.count;
}

/* The next page to look at; a page that stays comes to the head so that each is seen once. */
static struct page_info *next_page(struct domain *d)
{
	struct page_info *pg = NULL;

	spin_lock(&d->page_list_lock);
	d->kill_left = min(d->kill_left, d->page_list.count);
	if (d->kill_left) {
		d->kill_left--;
		pg = &frame_table[d->page_list.tail];
		frame_list_del(&d->page_list, pg);
		frame_list_add(&d->page_list, pg);
		if (!get_page(pg, d))	/* its last reference has just gone: being freed */
			pg = NULL;
	}
	spin_unlock(&d->page_list_lock);
	return pg;
}

/*
 * One bounded step of a pass over all pages; true when it is complete. The first pass takes the pins
 * and gives up what is no table; the second one finds the tables, which nothing refers to any more.
 */
static bool pages_step(struct domain *d)
{
	for (unsigned int n = 0; n < KILL_STEP && d->kill_left; n++) {
		struct page_info *pg = next_page(d);

		if (!pg)
			continue;
		if (pg->word & PG_pinned)
			unpin_page(d, pg);
		if (!(pg->word & PG_validated))
			release_allocated(d, pg);
		put_page(pg);
	}
	return !d->kill_left;
}

/* True: this stage is complete. */
static bool kill_step(struct domain *d)
{
	bool done;

	switch (d->kill_stage) {
	case KILL_stop:
		kill_stop(d);
		return true;
	case KILL_grants:
		return grant_release_all(d, KILL_STEP);
	case KILL_pages:
	case KILL_rest:
		return pages_step(d);
	case KILL_tables:		/* each may free 512 pages */
		mmu_lock(d);
		done = demote_cached(d, KILL_STEP / 16);
		mmu_unlock(d);
		d->kill_left = d->page_list.count;
		return done;
	}
	spin_lock(&d->lock);
	d->state = DOM_dead;
	spin_unlock(&d->lock);
	evtchn_raise_global_virq(VIRQ_DOM_EXC);
	domain_put(d);			/* that of the table */
	return true;
}

int domain_kill(struct domain *d)
{
	struct vcpu *me = current_vcpu();

	if (d->is_hardware || d->is_idle || (me && me->domain == d))
		return -EINVAL;
	while (d->kill_stage != KILL_done) {
		if (kill_step(d))
			d->kill_stage++;
		else if (hypercall_preempt())
			return -ERESTART;
	}
	return 0;
}
