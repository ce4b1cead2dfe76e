/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer over the whole hypercall table: a guest with two vcpus and dom0, one hypercall at a time.
 *
 * Job:    input: who calls what, with arguments that are mostly plausible: small numbers, own and
 *         foreign frames, addresses of structures made of the same. Checked after each call: no lock
 *         is held, the tables are sound; at the end all books, and that all memory comes back.
 * Enter:  tests/fuzz/run hypercall
 */
#include "tables.h"
#include <pv-abi/domctl.h>
#include <pv-abi/platform.h>
#include <pv-abi/sysctl.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define FRAMES 12
static const u8 *in;
static size_t left;
static struct domain *guest, *dom0;
static mfn_t frames[2][FRAMES];
static u64 last_arg;
static struct { unsigned int nr; u64 a[6]; long rc; } call;

/* the build id's note, which the linker script delimits */
__asm__(".pushsection .rodata\n.globl _sbuild_id, _ebuild_id\n_sbuild_id: .fill 36\n_ebuild_id:\n.popsection");

static u64 pick(u64 n)
{
	u64 x = 0;

	for (u64 m = n - 1; m && left; m >>= 8, left--)
		x = x << 8 | *in++;
	return x % n;
}

static u64 frame(void)
{
	return mfn_x(frames[!pick(4)][pick(FRAMES)]);
}

static u64 value(unsigned int depth);

/* A structure of up to 24 words at a guest address; the first one may be given. */
static u64 structure(unsigned int depth, u64 first)
{
	unsigned int n = 1 + pick(24);
	u64 w[24];

	for (unsigned int i = 0; i < n; i++) {
		w[i] = value(depth + 1);
		if (pick(3) == 0)	/* two 32-bit members */
			w[i] = (u32)w[i] | value(depth + 1) << 32;
	}
	if (first)
		w[0] = first;
	last_arg = host_arg(w, n * 8);
	host_arg(NULL, 256);		/* what is behind reads as zeroes */
	return last_arg;
}

static u64 value(unsigned int depth)
{
	static const u64 known[] = { DOMID_SELF, DOMID_IO, DOMID_XEN, 0x7ff0, ~0UL, 0x80000000, PAGE_SIZE,
				     1UL << 47, HV_VIRT_START, 0xffff830000000000UL, 7777 };

	switch (pick(12)) {
	case 0 ... 3:
		return pick(8);
	case 4:
		return pick(64);
	case 5:
		return frame();
	case 6:
		return frame() << PAGE_SHIFT | pick(512) * 8 | pick(4);
	case 7:
		return make_pte(_mfn(frame()), pick(2) ? RW : RO);
	case 8:
		return known[pick(ARRAY_SIZE(known))];
	case 9:
		return depth < 2 ? structure(depth, 0) : last_arg;
	case 10:
		return pick(1UL << 32);
	default:
		return last_arg ? last_arg + pick(4) * 8 : 0;
	}
}

/* The next call: the number, then arguments; the second one often is a structure. */
static void next_call(void)
{
	call.nr = pick(NR_HYPERCALLS);
	for (unsigned int i = 0; i < 6; i++)
		call.a[i] = i > 3 ? 0 : i == 0 && pick(2) ? pick(48) : value(0);
	switch (call.nr) {
	case __HYPERVISOR_domctl:
		call.a[0] = structure(0, (u64)XEN_DOMCTL_INTERFACE_VERSION << 32 | pick(90));
		break;
	case __HYPERVISOR_sysctl:
		call.a[0] = structure(0, (u64)XEN_SYSCTL_INTERFACE_VERSION << 32 | pick(32));
		break;
	case __HYPERVISOR_platform_op:
		call.a[0] = structure(0, (u64)XENPF_INTERFACE_VERSION << 32 | pick(66));
		break;
	case __HYPERVISOR_event_channel_op:
	case __HYPERVISOR_physdev_op:
	case __HYPERVISOR_memory_op:
	case __HYPERVISOR_grant_table_op:
	case __HYPERVISOR_sched_op:
	case __HYPERVISOR_callback_op:
	case __HYPERVISOR_xen_version:
		call.a[0] = pick(36);
		call.a[1] = structure(0, 0);
		call.a[2] = pick(3);
		break;
	case __HYPERVISOR_vcpu_op:
		call.a[0] = pick(16);
		call.a[1] = pick(3);
		call.a[2] = structure(0, 0);
		break;
	default:
		if (pick(2))
			call.a[pick(2)] = structure(0, 0);
	}
}

static void run_call(void *arg)
{
	unsigned int rounds = 0;

	call.rc = hypercall_table[call.nr](call.a[0], call.a[1], call.a[2], call.a[3], call.a[4],
					   call.a[5]);
	while (call.rc == -ERESTART && call.nr != __HYPERVISOR_iret && rounds++ < 1000) {
		struct cpu_user_regs *r = guest_regs();

		host_softirq[host_cpu] = 0;
		if (r->rax >= NR_HYPERCALLS)
			break;
		call.rc = hypercall_table[r->rax](r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9);
	}
	if (rounds >= 1000)
		panic("hypercall %u never ends", call.nr);
}

static void broken(const char *why)
{
	fprintf(stderr, "%s, after hypercall %u(%lx, %lx, %lx, %lx) = %ld\n", why, call.nr, call.a[0],
		call.a[1], call.a[2], call.a[3], call.rc);
	abort();
}

static void begin(void)
{
	world_begin(2048, 2);
	dom0 = world_domain(0, 1);
	guest = world_domain(1, 2);
	host_set_cpu(0);
	world_run(guest->vcpu[0]);
	host_set_cpu(1);
	world_run(dom0->vcpu[0]);
	guest->dirty_cpus = 1;
	dom0->dirty_cpus = 2;
	for (unsigned int k = 0; k < 2; k++)
		for (int i = 0; i < FRAMES; i++)
			frames[k][i] = new_page(k ? dom0 : guest);
	for (unsigned int k = 0; k < 2; k++) {
		const mfn_t *m = frames[k];

		poke(m[0], 0, m[1], RW);
		poke(m[1], 0, m[2], RW);
		poke(m[2], 0, m[3], RW);
		for (int i = 0; i < 6; i++)
			poke(m[3], i, m[4 + i], RW);
		host_set_cpu(k);
		if (ext(MMUEXT_NEW_BASEPTR, m[0]))
			abort();
	}
	guest->max_pages = dom0->max_pages = 300;
}

static void end(void)
{
	if (audit_all())
		broken(host_last_message);
	for (unsigned int c = 2; c--;) {
		host_set_cpu(c);
		host_set_current(idle_vcpu[c]);
	}
	hardware_domain = NULL;
	for (domid_t id = DOMID_FIRST_RESERVED; id--;) {	/* also those that domctl made */
		struct domain *d = domain_lookup(id);

		for (unsigned int i = 0; d && i < d->max_vcpus; i++)
			if (d->vcpu[i])
				vcpu_pause(d->vcpu[i]);	/* off its run queue */
	}
	for (domid_t id = DOMID_FIRST_RESERVED; id--;)
		if (domain_lookup(id))
			world_kill(domain_lookup(id));
	host_run_softirqs();
	for (domid_t id = DOMID_FIRST_RESERVED; id--;)
		if (domain_lookup(id))
			broken("a domain stays for ever");
	if (free_page_count() + 16 < world_free)	/* the heap keeps some empty slabs */
		broken("memory is lost");
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	setenv("CMOCKA_TEST_ABORT", "1", 1);
	return 0;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	const char *why;

	in = data;
	left = size;
	last_arg = 0;
	begin();
	while (left) {
		host_arg_reset();
		last_arg = 0;
		host_set_cpu(!pick(3));
		if (current_vcpu()->domain->state != DOM_running)
			host_set_cpu(!host_cpu);
		next_call();
		if (host_panics(run_call, NULL)) {
			/* dom0 may switch the machine off; nothing else may end it */
			if (!strstr(host_last_message, "arch_shutdown") &&
			    !strstr(host_last_message, "arch_halt_all"))
				broken(host_last_message);
			break;
		}
		memset(host_softirq, 0, sizeof(host_softirq));
		if (locks_held())
			broken("a lock is held");
		why = hw_check(guest);
		if (!why)
			why = hw_check(dom0);
		if (why)
			broken(why);
	}
	if (!locks_held())
		end();
	return 0;
}
