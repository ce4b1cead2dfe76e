/* SPDX-License-Identifier: MIT */
/*
 * The seam on the host: hv/arch.h over simulated memory, CPUs, clock and TLBs.
 *
 * Job:    let core/, pv/ and control/ run unmodified under cmocka, ASan and UBSan.
 * Enter:  hv/arch.h from the code under test; host.h from the tests.
 * State:  everything is global and reset by host_init().
 * Locks:  none; tests that use threads touch only what is thread-safe here (arch_poll).
 * Tests:  all of tests/host. Guest memory is in guest_host.c, devices are in dev_host.c.
 */
#include "host.h"
#include <hv/domain.h>
#include <sys/mman.h>
#include <time.h>

__thread unsigned int host_cpu;
struct vcpu *host_current[NR_CPUS];
u64 host_softirq[NR_CPUS];
char *host_memory;
u64 host_clock_ns;
struct page_info *frame_table;
struct cpu_user_regs host_regs[NR_CPUS];
struct host_log host_log;
char host_last_message[256];
void (*host_poll_hook)(void);
void (*host_switch_hook)(struct vcpu *prev, struct vcpu *next);
u64 host_timer[NR_CPUS];
cpumask_t cpu_online_map;
unsigned int nr_cpus_present;

/* core/domain.c has the real ones; these serve tests that do not need that file. */
__attribute__((weak)) struct domain *idle_domain, *hardware_domain;
__attribute__((weak)) struct vcpu *idle_vcpu[NR_CPUS];

static u64 *m2p;
static unsigned long nr_frames;
static u64 seed, random_state;
static jmp_buf panic_jump;
static bool panic_expected;

struct host_tlb host_tlb[512];
void (*host_tlb_clock_hook)(void), (*host_flush_hook)(void);
static u32 flush_clock, cpu_flushed[NR_CPUS];
static unsigned int tlb_next;

/* --- machine --- */

void host_init(unsigned long frames, unsigned int cpus)
{
	if (host_memory) {
		munmap(host_memory, nr_frames << PAGE_SHIFT);
		free(frame_table);
		free(m2p);
	}
	nr_frames = frames;
	/* 2 MiB aligned, so that mfn and address alignment agree for the usual orders */
	host_memory = mmap(NULL, (frames << PAGE_SHIFT) + MiB(2), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (host_memory == MAP_FAILED)
		abort();
	char *aligned = (char *)ROUND_UP((u64)host_memory, MiB(2));
	if (aligned != host_memory)
		munmap(host_memory, aligned - host_memory);
	munmap(aligned + (frames << PAGE_SHIFT), host_memory + MiB(2) - aligned);
	host_memory = aligned;
	frame_table = calloc(frames, sizeof(*frame_table));
	m2p = malloc(frames * sizeof(*m2p));
	memset(m2p, 0xff, frames * sizeof(*m2p));
	for (unsigned long i = 0; i < frames; i++)
		frame_table[i].owner = DOMID_INVALID;
	max_page = total_pages = frames;

	cpu_online_map = cpus == 64 ? ~0UL : BIT(cpus) - 1;
	nr_cpus_present = cpus;
	host_cpu = 0;
	host_clock_ns = 1000000000;
	memset(host_current, 0, sizeof(host_current));
	memset(host_softirq, 0, sizeof(host_softirq));
	memset(host_timer, 0, sizeof(host_timer));
	memset(host_regs, 0, sizeof(host_regs));
	memset(&host_log, 0, sizeof(host_log));
	memset(host_tlb, 0, sizeof(host_tlb));
	host_tlb_clock_hook = host_flush_hook = NULL;
	tlb_next = 0;
	flush_clock = 1;
	for (unsigned int i = 0; i < NR_CPUS; i++)
		cpu_flushed[i] = 1;
	host_poll_hook = NULL;
	host_switch_hook = NULL;
	host_copy_hook = NULL;
	host_copy_fail_after(0);
	page_alloc_init();
	heap_init();
	heap_fail_after(0);
	host_unmap_flat();
	host_arg_reset();
	host_last_message[0] = 0;
}

/* --- allocations that fail --- */

static unsigned int fail_countdown;

bool alloc_should_fail(void)
{
	return fail_countdown && !--fail_countdown;
}

void heap_fail_after(unsigned int n)
{
	fail_countdown = n;
}

bool heap_fail_pending(void)
{
	return fail_countdown != 0;
}

void host_add_all_memory(void)
{
	page_alloc_add(_mfn(1), _mfn(nr_frames));
}

void host_hole(mfn_t start, mfn_t end)
{
	for (u64 m = mfn_x(start); m < mfn_x(end); m++)
		frame_table[m].owner = DOMID_IO;
	total_pages -= mfn_x(end) - mfn_x(start);
}

void host_set_cpu(unsigned int cpu)
{
	host_cpu = cpu;
}

void host_set_current(struct vcpu *v)
{
	host_current[host_cpu] = v;
}

void set_m2p(mfn_t mfn, u64 pfn)
{
	if (mfn_x(mfn) < nr_frames)
		m2p[mfn_x(mfn)] = pfn;
}

u64 get_m2p(mfn_t mfn)
{
	return mfn_x(mfn) < nr_frames ? m2p[mfn_x(mfn)] : INVALID_M2P;
}

void *host_m2p_at(u64 offset, size_t n);

/* guest_host.c: where the M2P's slot is, as a guest reads it */
void *host_m2p_at(u64 offset, size_t n)
{
	return offset + n <= nr_frames * sizeof(*m2p) ? (char *)m2p + offset : NULL;
}

/* --- time --- */

u64 now_ns(void)
{
	return READ_ONCE(host_clock_ns);
}

u64 tsc_to_ns(u64 tsc)
{
	return tsc;
}

u32 arch_tsc_khz(void)
{
	return 1000000;
}

u64 arch_read_wallclock(void)
{
	return 1700000000;
}

const struct time_scale *arch_time_scale(void)
{
	static const struct time_scale one = { .mul = 0x80000000, .shift = 1 };

	return &one;
}

void arch_set_timer(u64 deadline_ns)
{
	assert_true(deadline_ns);
	host_timer[host_cpu] = deadline_ns;
	host_log.timer_programs++;
}

void host_set_clock(u64 ns)
{
	host_clock_ns = ns;
}

void host_advance(u64 ns)
{
	host_clock_ns += ns;
}

u64 host_next_timer(void)
{
	u64 first = 0;

	for (unsigned int c = 0; c < nr_cpus_present; c++)
		if (host_timer[c] && (!first || host_timer[c] < first))
			first = host_timer[c];
	return first;
}

void host_run_softirqs(void)
{
	unsigned int saved = host_cpu, rounds = 0;
	bool again;

	do {
		again = false;
		for (unsigned int c = 0; c < nr_cpus_present; c++) {
			host_cpu = c;
			if (host_timer[c] && host_timer[c] <= host_clock_ns) {
				host_timer[c] = 0;
				timer_interrupt();
			}
			if (host_softirq[c]) {
				do_softirq();
				again = true;
			}
		}
		if (++rounds > 10000)
			panic("softirqs do not come to rest");
	} while (again);
	host_cpu = saved;
}

void host_run_until(u64 until)
{
	for (;;) {
		u64 next = host_next_timer();

		host_run_softirqs();
		next = host_next_timer();
		if (!next || next > until)
			break;
		if (next > host_clock_ns)
			host_clock_ns = next;
	}
	host_clock_ns = max(host_clock_ns, until);
	host_run_softirqs();
}

/* --- TLB --- */

static void drop_tlb(unsigned int cpu, u64 va)
{
	struct host_tlb *t;

	for (t = host_tlb; t < host_tlb + ARRAY_SIZE(host_tlb); t++)
		if (t->used && t->cpu == cpu &&
		    (va == FLUSH_ALL || (!t->level && (t->va & PAGE_MASK) == (va & PAGE_MASK))))
			t->used = false;
	if (va == FLUSH_ALL) {
		if (!++flush_clock)
			flush_clock = 1;
		cpu_flushed[cpu] = flush_clock;
	}
}

void flush_tlb_local(void)
{
	host_log.local_flushes++;
	drop_tlb(host_cpu, FLUSH_ALL);
}

void flush_va_local(u64 va)
{
	host_log.va_flushes++;
	drop_tlb(host_cpu, va);
}

void flush_tlb_mask(cpumask_t mask, u64 va)
{
	host_log.flushes++;
	host_log.flush_mask = mask;
	host_log.flush_va = va;
	if (host_flush_hook)
		host_flush_hook();
	for (unsigned int c = 0; c < NR_CPUS; c++)
		if (mask & BIT(c))
			drop_tlb(c, va);
}

u32 tlb_clock_now(void)
{
	u32 now = flush_clock;

	if (host_tlb_clock_hook)
		host_tlb_clock_hook();
	return now;
}

cpumask_t tlb_stale(cpumask_t mask, u32 stamp)
{
	cpumask_t stale = 0;

	for (unsigned int c = 0; c < NR_CPUS; c++)
		if ((mask & BIT(c)) && stamp && (s32)(cpu_flushed[c] - stamp) <= 0)
			stale |= BIT(c);
	return stale;
}

void flush_cache(bool all)
{
}

static void fill(struct host_tlb e)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(host_tlb); i++) {
		tlb_next = (tlb_next + 1) % ARRAY_SIZE(host_tlb);
		if (!host_tlb[tlb_next].used) {
			host_tlb[tlb_next] = e;
			return;
		}
	}
	panic("simulated TLB is full");
}

void host_tlb_fill(unsigned int cpu, u64 va, mfn_t mfn, bool writable)
{
	fill((struct host_tlb){ .va = va & PAGE_MASK, .mfn = mfn, .cpu = cpu, .writable = writable,
				.used = true });
}

void host_tlb_fill_table(unsigned int cpu, mfn_t mfn, unsigned int level)
{
	fill((struct host_tlb){ .mfn = mfn, .cpu = cpu, .level = level, .used = true });
}

bool host_tlb_walks(mfn_t mfn)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(host_tlb); i++)
		if (host_tlb[i].used && host_tlb[i].level && mfn_eq(host_tlb[i].mfn, mfn))
			return true;
	return false;
}

bool host_tlb_caches(mfn_t mfn, bool only_writable)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(host_tlb); i++)
		if (host_tlb[i].used && !host_tlb[i].level && mfn_eq(host_tlb[i].mfn, mfn) &&
		    (host_tlb[i].writable || !only_writable))
			return true;
	return false;
}

void host_tlb_advance(u32 n)
{
	for (unsigned int c = 0; c < NR_CPUS; c++)
		cpu_flushed[c] += n;
	flush_clock += n;
}

/* --- other CPUs --- */

void send_resched_ipi(unsigned int cpu)
{
	host_log.ipis++;
	host_log.ipi_mask |= BIT(cpu);
}

void call_on_cpus(cpumask_t mask, void (*fn)(void *), void *arg)
{
	unsigned int saved = host_cpu;

	for (unsigned int c = 0; c < NR_CPUS; c++)
		if ((mask & cpu_online_map & BIT(c)) && c != saved) {
			host_cpu = c;
			fn(arg);
		}
	host_cpu = saved;
}

void arch_spin_begin(void)
{
}

void arch_spin_end(void)
{
}

void arch_poll(void)
{
	if (atomic_inc(&host_log.polls) > 100000000)
		panic("spins without end");
	if (host_poll_hook)
		host_poll_hook();
}

/* --- running --- */

void irq_window(void)
{
#ifdef LOCK_DEBUG
	if (locks_held())
		panic("irq_window with a lock held");
#endif
}

void arch_idle(void)
{
}

void arch_context_switch(struct vcpu *prev, struct vcpu *next)
{
	host_log.switches++;
	if (host_current[host_cpu] != prev)
		panic("context switch from a vcpu that is not current");
	prev->regs = host_regs[host_cpu];
	if (host_switch_hook)
		host_switch_hook(prev, next);
	host_regs[host_cpu] = next->regs;
	host_current[host_cpu] = next;
}

void arch_shutdown(bool reboot)
{
	panic("arch_shutdown(%d)", reboot);
}

void arch_halt_all(void)
{
	panic("arch_halt_all");
}

/* --- messages and panics: instead of debug/ --- */

int log_level = LOG_DEBUG, guest_log_level = LOG_DEBUG;

static void message(const char *kind, const char *fmt, va_list ap)
{
	(vsnprintf)(host_last_message, sizeof(host_last_message), fmt, ap);
	if (getenv("HOST_VERBOSE"))
		fprintf(stderr, "[%s] %s\n", kind, host_last_message);
}

void vprintk(const char *fmt, va_list ap)
{
	host_log.printed++;
	message("hv", fmt, ap);
}

void printk(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintk(fmt, ap);
	va_end(ap);
}

bool guest_log_allowed(void)
{
	return true;
}

void refuse_note(const char *file, int line, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	host_log.refused++;
	message("refused", fmt, ap);
	va_end(ap);
}

void console_write(const char *s, size_t len)
{
	(snprintf)(host_last_message, sizeof(host_last_message), "%.*s", (int)len, s);
}

size_t console_ring_read(char *dst, size_t len, u32 *index, bool clear, bool incremental)
{
	return 0;
}

void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message("panic", fmt, ap);
	va_end(ap);
	if (panic_expected)
		longjmp(panic_jump, 1);
	fprintf(stderr, "panic: %s (seed %llu)\n", host_last_message, (unsigned long long)seed);
	abort();
}

void bug_at(const char *file, int line, const char *what)
{
	panic("%s:%d: %s", file, line, what);
}

bool host_panics(void (*fn)(void *), void *arg)
{
	bool hit = true;

	panic_expected = true;
	if (!setjmp(panic_jump)) {
		fn(arg);
		hit = false;
	}
	panic_expected = false;
	return hit;
}

/* --- vcpus without domain.c --- */

struct domain *host_domain(domid_t id, unsigned int vcpus)
{
	struct domain *d = calloc(1, sizeof(*d));

	d->id = id;
	d->refs = 1;
	d->state = DOM_running;
	d->max_vcpus = vcpus;
	d->sched.weight = 256;
	d->max_pages = ~0U;
	spin_lock_init(&d->lock, RANK_DOMAIN);
	spin_lock_init(&d->mmu_lock, RANK_MMU);
	spin_lock_init(&d->page_list_lock, RANK_PGLIST);
	spin_lock_init(&d->evtchn_lock, RANK_EVTCHN);
	d->page_list = d->cached_tables = (struct frame_list){ FRAME_NIL, FRAME_NIL, 0 };
	d->shared_info = calloc(1, PAGE_SIZE);
	d->shared_info_mfn = INVALID_MFN;
	d->pirq_eoi_mfn = INVALID_MFN;
	for (unsigned int i = 0; i < vcpus; i++) {
		struct vcpu *v = calloc(1, sizeof(*v));

		v->id = i;
		v->domain = d;
		v->vcpu_info = &d->shared_info->vcpu_info[i % XEN_LEGACY_MAX_VCPUS];
		v->vcpu_info_mfn = INVALID_MFN;
		v->pv.root_kernel = v->pv.root_user = INVALID_MFN;
		v->pv.in_kernel = 1;
		d->vcpu[i] = v;
	}
	return d;
}

void host_domain_free(struct domain *d)
{
	for (unsigned int i = 0; i < d->max_vcpus; i++)
		free(d->vcpu[i]);
	free(d->shared_info);
	free(d);
}

void host_make_idle(void)
{
	static struct domain *mine;

	if (mine)
		host_domain_free(mine);
	mine = host_domain(DOMID_IDLE, NR_CPUS);
	mine->is_idle = true;
	idle_domain = mine;
	for (unsigned int c = 0; c < NR_CPUS; c++) {
		struct vcpu *v = mine->vcpu[c];

		v->is_idle = true;
		v->processor = c;
		idle_vcpu[c] = v;
		host_current[c] = v;
	}
}

/* The simulated heap is not the C library's: leaks of test scaffolding do not matter. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0:abort_on_error=0";
}

/* --- randomness: xorshift --- */

u64 host_seed(void)
{
	if (!seed) {
		const char *s = getenv("HOST_SEED");

		seed = s ? strtoull(s, NULL, 0) : (u64)time(NULL) * 1000003 + clock();
		if (!seed)
			seed = 1;
		random_state = seed;
	}
	return seed;
}

u64 host_random(void)
{
	host_seed();
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * 0x2545f4914f6cdd1dUL >> 11;
}
