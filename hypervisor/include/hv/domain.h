/* SPDX-License-Identifier: MIT */
/*
 * Job:    struct domain and struct vcpu, what everything hangs on. Invariants: core/domain.c.
 * Tests:  tests/host/test_domain.c
 */
#ifndef HV_DOMAIN_H
#define HV_DOMAIN_H

#include <vcpu.h>
#include <xen.h>
#include <hv/frame.h>
#include <hv/lock.h>
#include <hv/sched.h>
#include <hv/softirq.h>

struct evtchn;
struct pirq;
struct grant_table;

enum domain_state { DOM_building, DOM_running, DOM_dying, DOM_dead };

/* PV state of a vcpu. Members up to the line are used by entry.S through asm-offsets. */
struct pv_vcpu {
	u8 in_kernel;			/* guest kernel (1) or guest user (0) mode; MODE_RING1: while the
					   hypervisor runs, for the guest changes it by itself */
	u8 mode;			/* MODE_* (hv/layout.h) */
	bool syscall_masks_events;	/* CALLBACKF_mask_events of the syscall callback */
	u8 direct_ok;			/* entry.S may use its direct paths for this vcpu now */
	u8 iopl;			/* virtual IOPL set by physdev_op, 0-3 */
	u64 cr3_kernel, cr3_user;	/* values for CR3; cr3_user 0: no user root */
	u64 kernel_sp, kernel_ss;	/* from stack_switch */
	u64 syscall_entry, event_entry, failsafe_entry;	/* callback addresses (0: none) */
	/* ------------------------------------------------------------------------ */
	u64 syscall32_entry, sysenter_entry;
	bool failsafe_masks_events, syscall32_masks_events, sysenter_masks_events;
	bool ts;			/* virtual CR0.TS */
	u64 vm_assist;
	mfn_t root_kernel, root_user;	/* typed and held; INVALID_MFN when none */
	mfn_t root_left;		/* the same: ring 1 has left it; under mmu_lock it is let go */
	mfn_t gdt_frames[16], ldt_frames[16];
	unsigned int gdt_ents, ldt_ents;
	u64 ldt_base;
	u64 fs_base, gs_base_user, gs_base_kernel;	/* saved when not running */
	u64 dr[8];
	u64 ctrlreg4;			/* what the guest reads */
	u32 tsc_aux;
	u64 iobmp;			/* guest address of an I/O bitmap, 0: none */
	u32 iobmp_limit;
	struct trap_info *traps;	/* 256 entries, hypervisor copy */
};

struct vcpu {
	/* entry.S uses these first members through asm-offsets */
	struct vcpu_info *vcpu_info;	/* where the guest sees its events (direct map) */
	u32 work;			/* VW_* bits for exit_to_guest_work() */
	u32 processor;			/* CPU it runs or last ran on */
	struct pv_vcpu pv;

	struct cpu_user_regs regs;	/* when not running: the guest's frame */
	u16 id;
	bool initialised;		/* VCPUOP_initialise or setvcpucontext done */
	bool is_idle;
	u32 pause_flags, pause_count;	/* VPF_*: runnable when 0 */
	struct domain *domain;
	struct sched_vcpu sched;
	void *arch;			/* x86: FPU state and what context.c keeps */

	mfn_t vcpu_info_mfn;		/* registered page (held, writable), or INVALID_MFN */
	struct vcpu_runstate_info runstate;
	gva_t runstate_area, time_area;	/* 0: none */
	u32 time_version;
	struct timer singleshot, periodic, poll_timer;
	u64 periodic_period, last_update_time;
	int poll_port;			/* port that a poll waits for: 0 none/any, -1 several */
	u32 virq_to_port[24];		/* 0: unbound */

	struct {			/* a multicall being run (hypercall.c) */
		bool active, preempted;
		u64 op, args[6];
	} mc;
	bool pinned;			/* SCHEDOP_pin_override; the affinity to go back to */
	cpumask_t pin_saved;
};

/* v->work: reasons not to return straight to the guest */
#define VW_crash	BIT(0)	/* domain crashed or vcpu must stop */
#define VW_nmi		BIT(1)

/* Also the layout of the ABI: 20 bytes. */
struct e820_entry {
	u64 addr, size;
	u32 type;
} __packed;

/* The machine's memory map as the firmware gave it; constant after boot. */
#define MAX_MACHINE_E820 256
extern struct e820_entry machine_e820[MAX_MACHINE_E820];
extern unsigned int nr_machine_e820;

#define CPUID_WORDS 12			/* see control/cpu_policy.c */

struct iorange { u64 first, last; };
#define MAX_IORANGES 32
struct ioranges { u32 count; struct iorange r[MAX_IORANGES]; };

struct domain {
	domid_t id;
	enum domain_state state;
	bool is_privileged;		/* may use the control interface */
	bool is_hardware;		/* owns the machine's devices (dom0) */
	bool is_idle;
	u32 refs;
	spinlock_t lock;
	u32 max_vcpus;
	struct vcpu *vcpu[MAX_VCPUS];
	struct sched_domain sched;

	spinlock_t mmu_lock;		/* page-table types and entries; by mmu_lock() only */
	u32 mmu_lock_cpu;		/* CPU + 1 that holds it */
	spinlock_t page_list_lock;
	struct frame_list page_list;	/* frames it owns */
	struct frame_list cached_tables; /* of these: validated tables with type count 0 */
	bool demoting;			/* frame.c: a table's children are being let go */
	u32 nr_fresh;			/* tables on cached_tables that are PGF_fresh */
	u32 promote_budget;		/* tables that may be validated before mmu_lock is let go */
	u32 trim_hold;			/* unlocks of mmu_lock that do not trim cached_tables */
	u32 table_sweeps;		/* unused tables given up because their children were wanted */
	u32 nr_pages, max_pages;
	cpumask_t dirty_cpus;		/* CPUs whose TLB may hold its entries */

	struct shared_info *shared_info;
	mfn_t shared_info_mfn;
	u32 wallclock_version;

	spinlock_t evtchn_lock;
	struct evtchn **evtchn;		/* buckets, see evtchn.h */
	u32 nr_evtchns;			/* ports allocated */
	u32 evtchn_hint;		/* no free port below it */
	s64 time_offset;		/* seconds that its wall clock is ahead */
	u32 max_evtchn_port;		/* the toolstack's limit */
	u64 poll_mask;			/* vcpus that may be in SCHEDOP_poll */
	struct pirq *pirq[256];		/* by pirq number; see hv/irq.h */
	mfn_t pirq_eoi_mfn;		/* held, writable; INVALID_MFN when not registered */
	bool pirq_auto_unmask;

	struct grant_table *grant;
	struct ioranges iomem;		/* machine frames it may map though not RAM */
	u8 cmos_index;			/* port 70 latch of the hardware domain */
	u32 pci_cf8;			/* port cf8 latch */

	u32 pause_count;
	bool shutdown_begun;		/* claims the right to say why ... */
	bool is_shut_down;		/* ... which is known from here on */
	u8 shutdown_code;
	const char *crash_reason;
	u8 handle[16];
	u32 ssidref;
	struct { u32 nr; struct e820_entry map[64]; } *e820;	/* XENMEM_set_memory_map */
	u32 outstanding_pages;		/* XENMEM_claim_pages; claimed_pages is the sum of all */
	u32 cpuid_hidden[CPUID_WORDS];	/* feature bits that the toolstack took away */
	struct timer watchdog[2];	/* SCHEDOP_watchdog; watchdog_inuse: a bit for each */
	u32 watchdog_inuse;
	u32 nr_pirqs;
	bool ring1;			/* its kernel runs in ring 1 (pv/ring1.c) */
	bool ring1_denied;		/* the toolstack does not want that */
	u64 force_us;			/* what present entries get: PTE_US, in ring 1 nothing */
	u8 kill_stage;			/* how far domain_kill() is */
	u32 kill_left;
	struct tasklet destroy;		/* frees the structure when the last reference is gone */
	char crash_text[128];
};

#define for_each_vcpu(d, v) \
	for (unsigned int _i = 0; _i < (d)->max_vcpus; _i++) \
		if (((v) = READ_ONCE((d)->vcpu[_i])))

extern struct domain *hardware_domain;	/* dom0 once it is being built */
extern struct domain *idle_domain;
extern struct domain domain_xen;	/* owner of what privileged domains may map read-only: the M2P */
extern struct vcpu *idle_vcpu[NR_CPUS];
/* vcpu_info of those that have no place in shared_info and none registered; nobody reads it */
extern struct vcpu_info dummy_vcpu_info;

/* By id, without a reference: something else (a page it owns, a lock) must keep it alive. */
extern struct domain *domain_table[DOMID_FIRST_RESERVED];
static inline struct domain *domain_lookup(domid_t id)
{
	return id < DOMID_FIRST_RESERVED ? READ_ONCE(domain_table[id]) : NULL;
}

void domains_init(void);			/* idle domain and one idle vcpu per present CPU */
/* -ENOMEM, -EEXIST, -EINVAL. The domain is paused (building) and has no vcpus yet. */
int domain_create(domid_t id, bool privileged, unsigned int max_vcpus, struct domain **out);
int vcpu_create(struct domain *d, unsigned int id, struct vcpu **out);	/* -ENOMEM -EINVAL */
struct domain *domain_get(domid_t id);		/* one reference, or NULL; not DOMID_SELF */
void domain_put(struct domain *d);		/* any context, under any lock */
struct domain *domain_next(struct domain *prev);	/* iterate: puts prev, holds the next */
/* The domain an operation names, held: the caller's own or, for the toolstack, any other. */
long op_domain(domid_t id, struct domain **out);	/* -ESRCH, -EPERM */
struct vcpu *domain_vcpu(const struct domain *d, u64 id);	/* NULL when there is none */
/* For good, a bounded part per call: -ERESTART to go on. The caller serialises, and holds d. */
int domain_kill(struct domain *d);
extern u64 claimed_pages;
void set_claim(struct domain *d, u32 pages);	/* under d->lock */
void pv_vcpu_release(struct vcpu *v);	/* pv/vcpu_op.c: give back all it holds of its domain */
void domain_pause(struct domain *d);		/* waits until no vcpu of it runs */
void domain_unpause(struct domain *d);
void vcpu_pause(struct vcpu *v);
void vcpu_unpause(struct vcpu *v);
/* All its vcpus stop soon. Any context without a lock of RANK_EVTCHN or higher. */
void domain_shutdown(struct domain *d, u8 reason);
void domain_resume(struct domain *d);		/* from a shutdown, at the toolstack's wish */
/* The guest did something that has no result to return: stop it, keep the first reason. */
void domain_crash(struct domain *d, const char *fmt, ...) __printf(2, 3);

#define PROMOTE_BUDGET 64

/* d->mmu_lock is always taken through these: frame.c asks whether this CPU holds it. */
static inline void mmu_lock(struct domain *d)
{
	spin_lock(&d->mmu_lock);
	d->mmu_lock_cpu = this_cpu() + 1;
	d->promote_budget = PROMOTE_BUDGET;
}

static inline void mmu_unlock(struct domain *d)
{
	if (unlikely(d->cached_tables.count > MAX_CACHED_TABLES))
		trim_cached_tables(d);
	d->mmu_lock_cpu = 0;
	spin_unlock(&d->mmu_lock);
}

static inline bool mmu_locked_here(const struct domain *d)
{
	return READ_ONCE(d->mmu_lock_cpu) == this_cpu() + 1;
}

/* --- the plain cases of frame references (hv/frame.h), inline for page-table updates' sake --- */

static inline void put_page(struct page_info *pg)
{
	if (unlikely(PG_refs(__atomic_sub_fetch(&pg->word, 1, __ATOMIC_SEQ_CST)) == 0))
		put_last_page(pg);
}

/*
 * A writable mapping is gone. The stamp never goes back: between our look at the clock and our
 * change of the count another CPU may map, touch and unmap the frame, and leave the same word.
 */
static inline void stamp_unmapped(struct page_info *pg)
{
	u32 now = tlb_clock_now(), old = READ_ONCE(pg->stamp);

	while (unlikely(old != now) && old - now >= BIT(16) && !atomic_cas(&pg->stamp, &old, now))
		;
}

static inline void put_page_writable(struct page_info *pg)
{
	u64 x = READ_ONCE(pg->word), n;

	do {
		n = x - 1 - PG_TYPE_ONE;
		if (PG_type_count(n) <= 1)	/* 1: whoever drops the last may have looked already */
			stamp_unmapped(pg);
	} while (unlikely(!atomic_cas(&pg->word, &x, n)));
	if (unlikely(PG_refs(n) == 0))
		put_last_page(pg);
}

static inline bool __must_check get_page(struct page_info *pg, const struct domain *d)
{
	u64 x = READ_ONCE(pg->word);

	do {
		if (unlikely(PG_refs(x) == 0 || PG_refs(x) == PG_REF_MASK || pg->owner != d->id))
			return false;
	} while (unlikely(!atomic_cas(&pg->word, &x, x + 1)));
	if (unlikely(pg->owner != d->id)) {	/* freed and given away meanwhile */
		put_page(pg);
		return false;
	}
	return true;
}

static inline bool __must_check get_page_writable(struct page_info *pg, const struct domain *d)
{
	u64 x = READ_ONCE(pg->word);

	if (likely(PG_type(x) == PT_writable && PG_refs(x) && PG_refs(x) != PG_REF_MASK &&
		   (x & PG_TYPE_MASK) != PG_TYPE_MASK && pg->owner == d->id &&
		   atomic_cas(&pg->word, &x, x + 1 + PG_TYPE_ONE))) {
		if (likely(pg->owner == d->id))
			return true;
		put_page_writable(pg);
		return false;
	}
	return get_page_writable_slow(pg, d);
}

bool iorange_allows(const struct ioranges *r, u64 first, u64 last);
int iorange_permit(struct ioranges *r, u64 first, u64 last);
int iorange_deny(struct ioranges *r, u64 first, u64 last);

/* Recount every invariant of d (NULL: of all); prints and returns the number of violations. */
unsigned int audit_domain(struct domain *d);
unsigned int audit_all(void);		/* while everybody else is paused */

#endif
