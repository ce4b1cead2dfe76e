/* SPDX-License-Identifier: MIT */
/*
 * fpu: vector registers belong to the vCPU.
 *
 * Claim:  x87, XMM and (where XSAVE is shown) YMM registers, MXCSR and the control word survive traps,
 *         hypercalls, upcalls, blocking and running other vCPUs on the same CPU; a new vCPU does not see
 *         another's values; TS set by fpu_taskswitch makes #NM once, and registers are kept.
 * Broken: silent corruption of computations; values of one vCPU in another.
 * Run:    hv="dom0_max_vcpus=3"
 */
#include "guest.h"

struct image { u8 xmm[16][16]; u8 ymm[16][32]; u32 mxcsr; u16 fcw; } __aligned(64);
static bool avx;

/* CR4.OSXSAVE and XCR0 are each vCPU's own. */
static bool enable_avx(void)
{
	u32 r[4], lo, hi;
	u64 cr4;

	cpuid_pv(1, 0, r);
	if (!(r[2] & 1 << 26) || !(r[2] & 1 << 28))
		return false;
	asm volatile("mov %%cr4, %0" : "=r"(cr4));
	asm volatile("mov %0, %%cr4" :: "r"(cr4 | 1 << 18));
	cpuid_pv(1, 0, r);
	CHECK(r[2] & 1 << 27, "OSXSAVE is not shown after CR4.OSXSAVE was set");
	asm volatile("xsetbv" :: "a"(7), "d"(0), "c"(0));
	asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	CHECK_EQ(lo & 7, 7);
	return true;
}

static void load(const struct image *i)
{
	asm volatile("ldmxcsr %0; fldcw %1" :: "m"(i->mxcsr), "m"(i->fcw));
#define R(n) asm volatile("movups %0, %%xmm" #n :: "m"(i->xmm[n]));
#define Y(n) asm volatile("vmovups %0, %%ymm" #n :: "m"(i->ymm[n]));
#define ALL(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
	if (avx) {
		ALL(Y)
	} else {
		ALL(R)
	}
#undef R
#undef Y
}

static void store(struct image *i)
{
	asm volatile("stmxcsr %0; fnstcw %1" : "=m"(i->mxcsr), "=m"(i->fcw));
#define R(n) asm volatile("movups %%xmm" #n ", %0" : "=m"(i->xmm[n]));
#define Y(n) asm volatile("vmovups %%ymm" #n ", %0" : "=m"(i->ymm[n]));
	if (avx) {
		ALL(Y)
	} else {
		ALL(R)
	}
}

static void fill(struct image *i, u64 seed)
{
	memset(i, 0, sizeof(*i));
	for (u8 *p = (u8 *)i->xmm; p < (u8 *)i->xmm + sizeof(i->xmm); p++)
		*p = (u8)prng(&seed);
	for (u8 *p = (u8 *)i->ymm; p < (u8 *)i->ymm + sizeof(i->ymm); p++)
		*p = (u8)prng(&seed);
	i->mxcsr = 0x1f80 | (seed & 3) << 13;
	i->fcw = 0x037f ^ (u16)((seed >> 2 & 3) << 10);
}

static bool same(const struct image *a, const struct image *b)
{
	return a->mxcsr == b->mxcsr && a->fcw == b->fcw &&
		(avx ? !memcmp(a->ymm, b->ymm, sizeof(a->ymm)) : !memcmp(a->xmm, b->xmm, sizeof(a->xmm)));
}

static struct image want[MAX_VCPUS], got[MAX_VCPUS];
static volatile u32 stop, rounds[MAX_VCPUS], lost[MAX_VCPUS], dirty[MAX_VCPUS];

static void fresh(void *arg)
{
	struct vcpu *v = this_vcpu();
	struct image *g = &got[v->id];

	enable_avx();
	store(g);
	for (unsigned int i = 0; i < 16; i++)
		for (unsigned int k = 0; k < 16; k++)
			if (g->xmm[i][k] && !avx)
				dirty[v->id]++;
	if (g->mxcsr != 0x1f80)
		dirty[v->id] += 1000;
	while (!stop) {
		fill(&want[v->id], v->id * 1000 + rounds[v->id]);
		load(&want[v->id]);
		hc_sched_op(SCHEDOP_yield, NULL);
		store(g);
		if (!same(g, &want[v->id]))
			lost[v->id]++;
		rounds[v->id]++;
	}
}

static bool skip_ud(struct regs *r)
{
	r->rip += 2;
	return true;
}

static bool some_had_no_time(unsigned int n)
{
	for (unsigned int i = 1; i < n; i++)
		if (rounds[i] <= 3)
			return true;
	return false;
}

static void switches(void)
{
	unsigned int n = nr_vcpus();
	u64 t, end;

	for (unsigned int i = 1; i < n; i++)
		vcpu_start(i, fresh, NULL);
	t = system_time();
	end = t + 500000000;
	while (system_time() < end || (some_had_no_time(n) && system_time() < t + 20000000000)) {
		fill(&want[0], t + rounds[0]);
		load(&want[0]);
		if (rounds[0] & 1)
			hc_sched_op(SCHEDOP_yield, NULL);
		else
			spin_ns(1000000);
		store(&got[0]);
		if (!CHECK(same(&got[0], &want[0]), "round %u: registers of vCPU 0 changed", rounds[0]))
			break;
		rounds[0]++;
	}
	stop = 1;
	for (unsigned int i = 1; i < n; i++) {
		CHECK(wait_for(hc_vcpu_op(VCPUOP_is_up, i, NULL) == 0, 20000), "vCPU %u does not stop", i);
		CHECK(!lost[i], "vCPU %u lost its registers in %u of %u rounds", i, lost[i], rounds[i]);
		CHECK(rounds[i] > 3, "vCPU %u ran %u rounds", i, rounds[i]);
		CHECK(!dirty[i], "vCPU %u began with foreign values (%u)", i, dirty[i]);
	}
}

static bool nm_seen;
static bool on_nm(struct regs *r)
{
	nm_seen = true;
	hc_fpu_taskswitch(0);
	return true;
}

static void task_switched(void)
{
	fill(&want[0], 99);
	load(&want[0]);
	trap_hook[X86_NM] = on_nm;
	CHECK_EQ(hc_fpu_taskswitch(1), 0);
	store(&got[0]);
	CHECK(nm_seen, "TS did not make #NM");
	CHECK(same(&got[0], &want[0]), "registers changed under TS");
	nm_seen = false;
	store(&got[0]);
	CHECK(!nm_seen, "#NM without TS");
	trap_hook[X86_NM] = NULL;
	/* #NM itself clears TS: the handler need not. */
	hc_fpu_taskswitch(1);
	CHECK_EQ(try_asm("fnop"), X86_NM);
	CHECK_EQ(try_asm("fnop"), -1);
	/* TS stays set over a trap and a hypercall that are not #NM. */
	hc_fpu_taskswitch(1);
	hc_xen_version(XENVER_version, NULL);
	CHECK_EQ(try_asm("ud2"), X86_UD);
	CHECK_EQ(try_asm("movups %%xmm0, %%xmm1"), X86_NM);
	hc_fpu_taskswitch(0);
}

void test_main(void)
{
	avx = enable_avx();
	printk("  %s\n", avx ? "YMM registers, by XSAVE" : "XMM registers");
	fill(&want[0], 1);
	load(&want[0]);
	hc_xen_version(XENVER_version, NULL);
	trap_hook[X86_UD] = skip_ud;
	for (unsigned int i = 0; i < 1000; i++)
		asm volatile("ud2");
	trap_hook[X86_UD] = NULL;
	store(&got[0]);
	CHECK(same(&got[0], &want[0]), "registers changed over hypercalls and traps");
	task_switched();
	switches();
}
