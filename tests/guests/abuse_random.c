/* SPDX-License-Identifier: MIT */
/*
 * abuse_random: random hypercalls, biased to what nearly makes sense.
 *
 * Claim:  the hypervisor survives any sequence, goes on answering, and its books balance afterwards.
 * Broken: a crash, a hang, an audit that fails. Seed and count are printed; repeat with args
 *         "seed=N count=N" (and `trace=1`: every call is printed before it is made). `foreign=N`, for
 *         one that is not dom0: aims at domains N and 0, their grants, ports and frames, and makes
 *         the toolstack's calls too.
 * Run:    smp=2 args="count=10000" timeout=600 hv="guest_loglvl=none"
 *
 * Frames are those of a playground of 48 pages, frames that are not ours, and nonsense; addresses are
 * in the playground, in a second mapping of it, in the hypervisor, and nowhere. What would end the
 * guest by its own rules (shutdown, iret, blocking for ever, unmapping its code) is left out.
 */
#include "guest.h"
#include "sysctl.h"
#include "domctl.h"
#include "platform.h"
#include "grant_table.h"

#define NPAGES	48
#define VA	0x200000000000ul	/* second mappings of the playground */

/* Each vCPU has its own sequence; the playground is for all. */
static u64 states[MAX_VCPUS], calls_of[MAX_VCPUS], oks[MAX_VCPUS], faults_of[MAX_VCPUS];
static u64 *scratch_of[MAX_VCPUS], count, trace, max_mfn, foreign;
#define ME		(this_vcpu()->id)
#define state		states[ME]
#define calls		calls_of[ME]
#define ok		oks[ME]
#define faults		faults_of[ME]
#define scratch		scratch_of[ME]		/* with room behind it: some answers are long */

static u8 *pages;
static u64 *l1, *l2, *l3;
static u8 *gap;
static volatile struct grant_entry_v1 *grants;	/* our grant table's first frame */

static u64 rnd(u64 n) { return n ? prng(&state) % n : prng(&state); }
static bool one_in(u64 n) { return rnd(n) == 0; }

static u64 number(void)
{
	switch (rnd(8)) {
	case 0: return rnd(4);
	case 1: return rnd(64);
	case 2: return rnd(4096);
	case 3: return 1ul << rnd(64);
	case 4: return (1ul << rnd(64)) - 1;
	case 5: return -rnd(64);
	default: return prng(&state) >> rnd(64);
	}
}

static u64 playground(void) { return va_to_mfn(pages + rnd(NPAGES) * 4096); }

/* A frame of our own that is not the playground's: our code, stacks, tables. */
static bool vital(u64 f)
{
	u64 pfn;

	if (f == si->shared_info >> 12)		/* the library reads the time from it */
		return true;
	if (f >= MACH2PHYS_NR_ENTRIES || f >= max_mfn)
		return false;
	pfn = m2p[f];
	return pfn < si->nr_pages && p2m_list()[pfn] == f &&
		!(pfn >= va_to_pfn(pages) && pfn < va_to_pfn(pages) + NPAGES);
}

static u64 some_frame(void)
{
	u64 f;

	switch (rnd(16)) {
	case 0: case 1:
		return rnd(0x200);			/* low memory, VGA, BIOS */
	case 2:
		return 0xfee00 + rnd(2) * (0xfec00 - 0xfee00);
	case 3:
		return number();
	case 4:
		/* Not ours: free, or the hypervisor's. */
		for (int i = 0; i < 20; i++) {
			f = rnd(max_mfn);
			if (!vital(f))
				return f;
		}
		return 0;
	default:
		return playground();
	}
}

/* A frame that an operation may do anything to. */
static u64 frame(void)
{
	u64 f = some_frame();

	return vital(f) ? playground() : f;
}

static u64 pte_value(unsigned int level)
{
	u64 flags = level == 1 ? PTE_P | PTE_US : PTE_TABLE;

	if (one_in(8))
		return 0;
	if (one_in(8))
		flags = number() & 0xfff;
	if (one_in(4))
		flags ^= 1ul << rnd(12);
	if (one_in(16))
		flags |= PTE_NX;
	if (one_in(32))
		flags |= 1ul << rnd(64);
	if (level == 1 && one_in(2))
		flags |= PTE_RW;
	return ((frame() << 12) & PTE_ADDR) | flags;
}

static u64 address(void)
{
	static const u64 edges[] = { HYPERVISOR_VIRT_START, HYPERVISOR_VIRT_END, 0x800000000000ul, 0xffff800000000000ul, 0,
		HV_PRIVATE, 0xffff82d000200000ul, 0xffff82d040000000ul, 0xffff82e000000000ul };

	switch (rnd(16)) {
	case 0: return edges[rnd(ARRAY_SIZE(edges))] + (rnd(3) - 1) * rnd(64);
	case 1: return number();
	case 2: return (u64)gap - rnd(256);
	case 3: return VA + rnd(512) * 4096 + rnd(4096);
	case 4: return (u64)m2p + frame() % (1ul << 20) * 8;
	default: return ((u64)pages + rnd(NPAGES * 4096)) & ~7ul;
	}
}

static u64 domid(void)
{
	static const u64 ids[] = { DOMID_SELF, DOMID_SELF, DOMID_SELF, DOMID_SELF, 0, 1, DOMID_IO, DOMID_XEN, DOMID_COW,
		DOMID_INVALID, DOMID_IDLE };

	if (foreign && one_in(2))
		return one_in(4) ? 0 : foreign;
	return one_in(16) ? number() : ids[rnd(ARRAY_SIZE(ids))];
}

/* A buffer of n bytes in the playground, filled by whoever calls; sometimes its address is changed. */
#define SCRATCH_BYTES 4096
static u64 ptr(const void *p)
{
	return one_in(12) ? address() : (u64)p;
}

/* Entry to change: in the second mapping's tables, or in a frame that is not our code. */
static u64 entry_address(unsigned int *level)
{
	*level = 1 + (unsigned int)rnd(3);
	switch (rnd(6)) {
	case 0: *level = 2; return va_to_maddr(&l2[1 + rnd(511)]);
	case 1: *level = 3; return va_to_maddr(&l3[1 + rnd(511)]);
	case 2: return frame() << 12 | rnd(512) * 8;
	case 3: *level = 4; return va_to_maddr(&root()[100 + rnd(100)]);
	case 4: *level = 4; return va_to_maddr(&root()[256 + rnd(16)]);
	default: *level = 1; return va_to_maddr(&l1[rnd(512)]);
	}
}

struct shot { u64 nr, a[5]; };

static void pick_mmu_update(struct shot *s)
{
	struct mmu_update *u = (void *)scratch;
	unsigned int n = one_in(4) ? 1 + (unsigned int)rnd(30) : 1;

	for (unsigned int i = 0; i < n; i++) {
		unsigned int level;

		u[i].ptr = entry_address(&level) | (one_in(8) ? rnd(8) : one_in(2) ? 2 : 0);
		/* An M2P entry of ours must stay right for the library: leave that kind to other frames. */
		if ((u[i].ptr & 3) == MMU_MACHPHYS_UPDATE)
			u[i].ptr = (u64)(rnd(2) ? 0xffffffff : 0xb8) << 12 | MMU_MACHPHYS_UPDATE;
		u[i].val = pte_value(level);
	}
	*s = (struct shot){ __HYPERVISOR_mmu_update, { ptr(u), one_in(16) ? number() : n, one_in(2) ? 0 : address(),
		one_in(4) ? domid() | rnd(3) << 16 : DOMID_SELF } };
	/* A long count would run on into what lies behind scratch: only from it, and it is zero there. */
	if (s->a[1] > 32)
		memset(u + n, 0, SCRATCH_BYTES - n * sizeof(*u));
}

static void pick_mmuext(struct shot *s)
{
	struct mmuext_op *op = (void *)scratch;
	unsigned int n = one_in(4) ? 1 + (unsigned int)rnd(10) : 1;

	for (unsigned int i = 0; i < n; i++) {
		op[i].cmd = one_in(16) ? (u32)number() : (u32)rnd(21);
		op[i].arg1.mfn = frame();
		op[i].arg2.src_mfn = frame();
		switch (op[i].cmd) {
		case MMUEXT_NEW_BASEPTR:	/* an empty page is a fine L4, but we could not go on in it */
			op[i].arg1.mfn = one_in(2) ? va_to_mfn(root()) : 0xffffffff;
			break;
		case MMUEXT_UNPIN_TABLE:
		case MMUEXT_PIN_L4_TABLE:
			if (op[i].arg1.mfn == va_to_mfn(root()))
				op[i].arg1.mfn = 0;
			break;
		case MMUEXT_INVLPG_LOCAL: case MMUEXT_INVLPG_ALL: case MMUEXT_INVLPG_MULTI:
			op[i].arg1.linear_addr = address();
			op[i].arg2.vcpumask = address();
			break;
		case MMUEXT_TLB_FLUSH_MULTI:
			op[i].arg2.vcpumask = address();
			break;
		case MMUEXT_SET_LDT:
			op[i].arg1.linear_addr = one_in(4) ? address() : (u64)pages + rnd(NPAGES) * 4096;
			op[i].arg2.nr_ents = (u32)(one_in(4) ? number() : rnd(1024));
			break;
		}
	}
	*s = (struct shot){ __HYPERVISOR_mmuext_op, { ptr(op), one_in(16) ? number() : n, one_in(2) ? 0 : address(),
		one_in(8) ? domid() : DOMID_SELF } };
	if (s->a[1] > n)
		memset(op + n, 0x7f, SCRATCH_BYTES - n * sizeof(*op));	/* unknown commands behind */
}

static void pick_memory(struct shot *s)
{
	struct xen_memory_reservation *r = (void *)scratch;
	struct xen_memory_exchange *x = (void *)scratch;
	u64 *list = &scratch[64];
	static const u8 cmds[] = { 0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 18, 19, 23, 24, 26, 27, 28 };
	u64 cmd = cmds[rnd(ARRAY_SIZE(cmds))];

	for (unsigned int i = 0; i < 16; i++)
		list[i] = one_in(2) ? frame() : rnd(si->nr_pages);
	for (unsigned int i = 0; i < 64; i++)
		scratch[i] = one_in(2) ? number() : one_in(2) ? ptr(list) : frame();
	if (cmd <= 1 || cmd == 6 || cmd == 24) {
		/* Frames of our code must not be given away: the list's frames are the playground's. */
		*r = (struct xen_memory_reservation){ ptr(list), 1 + rnd(8), one_in(8) ? (u32)number() : 0,
			one_in(4) ? (u32)number() : 0, (domid_t)domid() };
		if (cmd == 1)
			for (unsigned int i = 0; i < 16; i++)
				list[i] = frame();
		if (cmd == 1 && r->extent_start != (u64)list)
			r->nr_extents = 0;
	} else if (cmd == 11) {
		for (unsigned int i = 0; i < 8; i++)
			list[i] = frame();
		x->in = (struct xen_memory_reservation){ (u64)list, 1 + rnd(4), (u32)rnd(3), 0, (domid_t)domid() };
		x->out = (struct xen_memory_reservation){ ptr(&list[8]), 1 + rnd(4), (u32)rnd(3), (u32)rnd(64), (domid_t)domid() };
		x->nr_exchanged = one_in(8) ? number() : 0;
		/* Frames next to the listed ones may be ours: order 0 only, if it could succeed. */
		x->in.extent_order = one_in(8) ? 40 + (u32)rnd(30) : 0;
	}
	*s = (struct shot){ __HYPERVISOR_memory_op, { cmd | (one_in(32) ? number() << 6 : 0), ptr(scratch) } };
	if ((s->a[1] != (u64)scratch && (cmd == 1 || cmd == 11)) || (s->a[0] >> 6 && (cmd == 1 || cmd == 11)))
		s->a[1] = 0x1000;
}

static void fill(unsigned int words)
{
	for (unsigned int i = 0; i < words; i++)
		scratch[i] = one_in(3) ? address() : one_in(2) ? number() : (u64)domid() | rnd(1 << 12) << 32;
}

/* Ports of others: bind to them, allocate, look, close, reset and notify in their name. */
static void pick_foreign_evtchn(struct shot *s)
{
	u32 *w = (u32 *)scratch;

	*s = (struct shot){ __HYPERVISOR_event_channel_op, { rnd(14), (u64)scratch } };
	w[0] = w[1] = w[2] = (u32)rnd(64);
	switch (s->a[0]) {
	case EVTCHNOP_bind_interdomain: case EVTCHNOP_status: case EVTCHNOP_reset:
		w[0] = (u32)domid() & 0xffff;
		break;
	case EVTCHNOP_alloc_unbound:
		w[0] = ((u32)domid() & 0xffff) | (u32)domid() << 16;
		break;
	case EVTCHNOP_init_control: case EVTCHNOP_expand_array:
		scratch[0] = playground();	/* the hypervisor will write there */
	}
}

static void pick_evtchn(struct shot *s)
{
	u32 *w = (u32 *)scratch;

	if (foreign && one_in(2))
		return pick_foreign_evtchn(s);
	fill(8);
	if (!one_in(4)) {
		w[0] = one_in(2) ? (u32)rnd(64) : DOMID_SELF | (u32)rnd(2) << 16;
		w[1] = (u32)rnd(64);
		w[2] = (u32)rnd(4);
	}
	*s = (struct shot){ __HYPERVISOR_event_channel_op, { one_in(32) ? number() : rnd(14), ptr(scratch) } };
	if ((s->a[0] & 0xffffffff) == EVTCHNOP_init_control || (s->a[0] & 0xffffffff) == EVTCHNOP_expand_array) {
		scratch[0] = playground();	/* the hypervisor will write there */
		s->a[1] = (u64)scratch;
	}
}

static void pick_sched(struct shot *s)
{
	struct sched_poll *p = (void *)scratch;

	*s = (struct shot){ __HYPERVISOR_sched_op, { SCHEDOP_yield, ptr(scratch) } };
	if (one_in(2)) {
		*p = (struct sched_poll){ ptr(&scratch[8]), (u32)(one_in(4) ? number() : rnd(8)), system_time() + rnd(50000) };
		scratch[8] = number();
		*s = (struct shot){ __HYPERVISOR_sched_op, { SCHEDOP_poll, (u64)p } };
	} else if (one_in(8)) {
		s->a[0] = 8 + rnd(1000);
	}
}

static void pick_vcpu(struct shot *s)
{
	static const u8 cmds[] = { 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 0, 10 };
	u64 cmd = cmds[rnd(ARRAY_SIZE(cmds))], vcpu = one_in(4) ? number() : 0, p;

	fill(4);
	p = ptr(scratch);
	if (cmd == 5 || cmd == 13) {		/* the hypervisor will write there for ever: only to the playground */
		scratch[0] = one_in(2) ? 0 : (u64)pages + rnd(NPAGES) * 4096 + rnd(4000);
		p = (u64)scratch;
	}
	if (cmd == 0)
		vcpu = 1 + rnd(1000);
	if (cmd == 10) {			/* ours must not move */
		scratch[0] = one_in(2) ? 0xffffffff : va_to_mfn(root());
		p = (u64)scratch;
	}
	if (cmd == 6)
		scratch[0] = 1000000000ul + rnd(1000);
	*s = (struct shot){ __HYPERVISOR_vcpu_op, { cmd, vcpu, p } };
}

static void pick_descriptors(struct shot *s)
{
	switch (rnd(3)) {
	case 0:
		for (unsigned int i = 0; i < 16; i++)
			scratch[i] = frame();
		*s = (struct shot){ __HYPERVISOR_set_gdt, { ptr(scratch), one_in(4) ? number() : rnd(2048) } };
		break;
	case 1:
		*s = (struct shot){ __HYPERVISOR_update_descriptor, { frame() << 12 | rnd(4096), prng(&state) } };
		break;
	default:
		*s = (struct shot){ __HYPERVISOR_set_segment_base, { rnd(5), address() } };
	}
}

/* Other domains, half made ones too: made, filled, changed and ended in any order. */
#define DOMAINS 6
static void pick_domain(struct xen_domctl *dc)
{
	static const u8 cmds[] = { 1, 1, 2, 3, 4, 9, 11, 11, 12, 12, 15, 15, 16, 17, 18, 20, 22, 24, 27, 35, 43, 42, 60, 61,
		68, 83, 13, 14, 25 };

	dc->cmd = cmds[rnd(ARRAY_SIZE(cmds))];
	dc->domain = (domid_t)(1 + rnd(DOMAINS));
	switch (dc->cmd) {
	case XEN_DOMCTL_createdomain:
		memset(&dc->u, 0, sizeof(dc->u));
		dc->u.createdomain.max_vcpus = (u32)rnd(6);
		dc->u.createdomain.max_evtchn_port = (u32)number();
		dc->u.createdomain.max_grant_frames = (int)rnd(6) - 1;
		dc->u.createdomain.max_maptrack_frames = (int)rnd(6) - 1;
		dc->u.createdomain.flags = one_in(8) ? (u32)number() : 0;
		break;
	case XEN_DOMCTL_max_vcpus:
		dc->u.max_vcpus.max = (u32)rnd(6);
		break;
	case XEN_DOMCTL_max_mem:
		dc->u.max_mem.max_memkb = rnd(4096);
		break;
	case XEN_DOMCTL_hypercall_init:
		dc->u.hypercall_init.gmfn = frame();
		break;
	default:
		if (one_in(2))		/* most begin with a vcpu's number */
			dc->u.vcpucontext.vcpu = (u32)rnd(4);
	}
}

static void pick_grant(struct shot *s)
{
	struct gnttab_map_grant_ref *m = (void *)scratch;
	struct gnttab_unmap_grant_ref *u = (void *)scratch;
	unsigned int n = 1 + (unsigned int)rnd(20);
	volatile struct grant_entry_v1 *e = &grants[rnd(64)];

	e->frame = (u32)frame();
	e->domid = (domid_t)(one_in(8) ? domid() : 0);
	e->flags = (u16)(one_in(4) ? number() : GTF_permit_access);
	*s = (struct shot){ __HYPERVISOR_grant_table_op, { rnd(2), (u64)scratch, n } };
	for (unsigned int i = 0; i < n; i++) {
		u32 flags = (u32)rnd(32);
		u64 at = one_in(4) ? address() : VA + rnd(512) * 4096;

		/* an entry by its machine address: one of the second mapping's, or none; not one of ours */
		if (flags & GNTMAP_contains_pte)
			at = one_in(4) ? number() | 1ul << 45 : va_to_maddr(&l1[rnd(512)]);
		if (!s->a[0])
			m[i] = (struct gnttab_map_grant_ref){ at, flags, (u32)rnd(64),
				(domid_t)(one_in(foreign ? 1 : 8) ? domid() : 0), 0, 0, 0 };
		else
			u[i] = (struct gnttab_unmap_grant_ref){ at, one_in(4) ? frame() << 12 : 0, (u32)rnd(40), 0 };
	}
}

static void pick_control(struct shot *s)
{
	struct xen_sysctl *sc = (void *)scratch;
	struct xen_domctl *dc = (void *)scratch;
	struct xen_platform_op *po = (void *)scratch;
	static const u8 sysctls[] = { 1, 3, 4, 6, 8, 9, 16, 17, 18, 25, 26, 29 };
	static const u8 domctls[] = { 5, 13, 14, 16, 25, 36, 43, 59, 61, 63, 69, 72, 82 };
	static const u8 platforms[] = { 33, 48, 50, 55, 63 };

	fill(48);
	switch (rnd(3)) {
	case 0:
		sc->cmd = one_in(4) ? (u32)number() : sysctls[rnd(ARRAY_SIZE(sysctls))];
		sc->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
		if (!memcmp(&sc->cmd, "\x07\0\0", 4) || sc->cmd == 2 || (sc->cmd > 9 && sc->cmd < 16) || sc->cmd == 19)
			sc->interface_version = 1;	/* debug keys, hotplug: too much */
		s->nr = __HYPERVISOR_sysctl;
		break;
	case 1:
		dc->cmd = one_in(4) ? (u32)number() : domctls[rnd(ARRAY_SIZE(domctls))];
		dc->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
		dc->domain = (domid_t)domid();
		if (one_in(2))
			pick_domain(dc);
		else if (dc->cmd < 5 || (dc->cmd > 5 && dc->cmd < 13) || dc->cmd == XEN_DOMCTL_hypercall_init)
			dc->interface_version = 1;	/* what would hurt ourselves */
		s->nr = __HYPERVISOR_domctl;
		break;
	default:
		po->cmd = one_in(4) ? (u32)number() : platforms[rnd(ARRAY_SIZE(platforms))];
		po->interface_version = XENPF_INTERFACE_VERSION;
		if ((po->cmd > 50 && po->cmd < 63 && po->cmd != 55) || po->cmd == 35 || po->cmd == 49 || po->cmd == 17)
			po->interface_version = 1;	/* sleep, offline, microcode, time */
		s->nr = __HYPERVISOR_platform_op;
	}
	s->a[0] = (u64)scratch;
	/* refused, whatever they are */
	if (foreign && s->nr == __HYPERVISOR_domctl) {
		dc->domain = (domid_t)domid();
		dc->cmd = one_in(4) ? (u32)number() : 1 + (u32)rnd(90);
		dc->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	} else if (foreign && s->nr == __HYPERVISOR_sysctl) {
		sc->cmd = one_in(4) ? (u32)number() : 1 + (u32)rnd(30);
		sc->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
	}
}

static void pick_physdev(struct shot *s)
{
	static const u8 cmds[] = { 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 19, 20, 23, 24, 26, 27, 28, 30, 31, 99 };
	u32 *w = (u32 *)scratch;

	fill(8);
	if (!one_in(4))
		for (unsigned int i = 0; i < 8; i++)
			w[i] = i ? (u32)rnd(32) : DOMID_SELF;
	u64 cmd = cmds[rnd(ARRAY_SIZE(cmds))];
	if ((cmd == PHYSDEVOP_prepare_msix || cmd == PHYSDEVOP_release_msix) && !on_parapet())
		cmd = 99;			/* Xen 4.17 dies of a device without MSI-X */
	*s = (struct shot){ __HYPERVISOR_physdev_op, { cmd, ptr(scratch) } };
	if (cmd == PHYSDEVOP_pirq_eoi_gmfn_v1 || cmd == PHYSDEVOP_pirq_eoi_gmfn_v2) {
		scratch[0] = playground();
		s->a[1] = (u64)scratch;
	}
}

static void pick_other(struct shot *s)
{
	switch (rnd(17)) {
	case 14 ... 16:
		pick_grant(s);
		break;
	case 0:
		*s = (struct shot){ __HYPERVISOR_stack_switch, { number(), address() } };
		break;
	case 1:
		*s = (struct shot){ __HYPERVISOR_fpu_taskswitch, { rnd(2) } };
		break;
	case 2:
		*s = (struct shot){ __HYPERVISOR_set_debugreg, { rnd(9), one_in(2) ? address() : number() } };
		break;
	case 3:
		*s = (struct shot){ __HYPERVISOR_get_debugreg, { number() } };
		break;
	case 4:
		*s = (struct shot){ __HYPERVISOR_set_timer_op, { one_in(2) ? number() : system_time() + rnd(1000000) } };
		break;
	case 5:
		*s = (struct shot){ __HYPERVISOR_xen_version, { rnd(12), address() } };
		break;
	case 6:
		fill(24);
		*s = (struct shot){ __HYPERVISOR_grant_table_op, { rnd(14), ptr(scratch), one_in(4) ? number() : rnd(4) } };
		if (s->a[0] <= GNTTABOP_unmap_grant_ref)	/* not what older calls left behind: addresses of scratch */
			s->a[2] = rnd(4);
		if (s->a[0] == GNTTABOP_copy) {		/* copies between frames: not to ours */
			struct gnttab_copy *c = (void *)scratch;

			for (unsigned int i = 0; i < 4; i++)
				c[i].dest.u.gmfn = playground();
			for (unsigned int i = 0; foreign && i < 4; i++) {
				/* out of one of theirs, or into it */
				bool out = one_in(2);

				c[i].source.domid = out ? (domid_t)domid() : DOMID_SELF;
				c[i].dest.domid = out ? DOMID_SELF : (domid_t)domid();
				c[i].flags = out ? GNTCOPY_source_gref : GNTCOPY_dest_gref;
				*(out ? &c[i].source.u.ref : &c[i].dest.u.ref) = (u32)rnd(16);
				*(out ? &c[i].dest.u.gmfn : &c[i].source.u.gmfn) = playground();
				c[i].source.offset = c[i].dest.offset = 0;
				c[i].len = (u16)rnd(4097);
			}
			s->a[1] = (u64)scratch;
			s->a[2] = rnd(5);
		}
		break;
	case 7:
		*s = (struct shot){ __HYPERVISOR_vm_assist, { rnd(3), one_in(2) ? rnd(8) : number() } };
		break;
	case 8:
		*s = (struct shot){ __HYPERVISOR_console_io, { 1 + rnd(3), rnd(32), address() } };
		break;
	case 9:
		fill(8);
		*s = (struct shot){ __HYPERVISOR_arch_0, { ptr(scratch) } };
		break;
	case 10:
		fill(8);
		*s = (struct shot){ __HYPERVISOR_xenpmu_op, { rnd(8), ptr(scratch) } };
		break;
	case 11:
		fill(8);
		*s = (struct shot){ one_in(2) ? __HYPERVISOR_hvm_op : __HYPERVISOR_xsm_op, { rnd(30), ptr(scratch) } };
		break;
	case 12:
		*s = (struct shot){ 56 + (one_in(2) ? rnd(200) : number() >> 1), { number(), number() } };
		break;
	default:
		/* Kernel entry points of no use to anybody: what lies there must not matter to the hypervisor. */
		((struct callback_register *)scratch)->type = (u16)(3 + rnd(20));
		((struct callback_register *)scratch)->flags = (u16)number();
		((struct callback_register *)scratch)->address = address();
		if (((struct callback_register *)scratch)->type == CALLBACKTYPE_nmi)
			((struct callback_register *)scratch)->address = trap_table[X86_NMI].address;
		*s = (struct shot){ __HYPERVISOR_callback_op, { 0, (u64)scratch } };
	}
}

static void pick_va_mapping(struct shot *s)
{
	u64 va = VA + rnd(512) * 4096;

	if (one_in(16))
		va = HYPERVISOR_VIRT_START + (number() % (HYPERVISOR_VIRT_END - HYPERVISOR_VIRT_START));
	else if (one_in(8))
		va = (u64)pages + rnd(NPAGES) * 4096;	/* its first mapping: may go away, faults are caught */
	*s = (struct shot){ __HYPERVISOR_update_va_mapping, { va, pte_value(1),
		one_in(8) ? number() : one_in(4) ? (rnd(4) | (address() & ~7ul)) : rnd(8) } };
}

static void pick(struct shot *s)
{
	memset(s, 0, sizeof(*s));
	switch (rnd(24)) {
	case 0 ... 4: pick_mmu_update(s); break;
	case 5 ... 8: pick_mmuext(s); break;
	case 9 ... 11: pick_va_mapping(s); break;
	case 12 ... 14: pick_memory(s); break;
	case 15: pick_evtchn(s); break;
	case 16: pick_sched(s); break;
	case 17: pick_vcpu(s); break;
	case 18: case 19: pick_descriptors(s); break;
	case 20: pick_control(s); break;
	case 21: pick_physdev(s); break;
	default: pick_other(s);
	}
}

static void shoot(void *arg)
{
	struct shot *s = arg;

	if (s->nr != __HYPERVISOR_multicall && one_in(10)) {
		/* The same through a multicall. */
		static struct multicall_entry lists[MAX_VCPUS][4];
		struct multicall_entry *mc = lists[ME];
		unsigned int n = 1 + (unsigned int)rnd(4);

		for (unsigned int i = 0; i < n; i++) {
			mc[i].op = i ? __HYPERVISOR_xen_version : s->nr;
			memset(mc[i].args, 0, sizeof(mc[i].args));
			if (!i)
				memcpy(mc[i].args, s->a, sizeof(s->a));
		}
		if (hc_multicall(mc, n) == 0)
			ok += (long)mc[0].result >= 0;
		return;
	}
	ok += hypercall_raw(s->nr, s->a[0], s->a[1], s->a[2], s->a[3], s->a[4]) >= 0;
}

/* Use what may have been set: stores through the second mapping, segment loads, FPU, breakpoints. */
static void touch(void *arg)
{
	volatile u8 *p = (void *)(VA + rnd(512) * 4096 + rnd(4096));

	switch (rnd(5)) {
	case 0: (void)*p; break;
	case 1: *p = 0; break;
	case 2: *(volatile u64 *)((u64)p & ~7ul) = pte_value(1); break;
	case 3: asm volatile("mov %0, %%es" :: "r"(rnd(0x10000))); break;
	case 4: asm volatile("fninit; fnop"); break;
	}
}

/* trace=2: who changes our code? */
static void check_image(const struct shot *s)
{
	static u64 last;
	u64 sum = 0;

	for (const u64 *p = (void *)(VIRT_BASE + 0x100000); p < (u64 *)((u64)&l1 & PAGE_MASK); p++)
		sum = (sum << 1 | sum >> 63) ^ ((u64)p >= (u64)hypercall_page && (u64)p < (u64)hypercall_page + 4096 ? 0 : *p);
	if (last && sum != last)
		test_error("call %lu: %lu %lx %lx %lx %lx, buffer %lx %lx %lx %lx changed the image", calls, s->nr, s->a[0],
			   s->a[1], s->a[2], s->a[3], scratch[0], scratch[1], scratch[2], scratch[3]);
	last = sum;
}

/* A debug trap may come from a register that was set: go on without it. */
static bool on_db(struct regs *r)
{
	r->rflags &= ~X86_EFLAGS_TF;
	hc_set_debugreg(7, 0x400);
	return true;
}

static bool on_nmi(struct regs *r)
{
	return true;
}

/* The playground, mapped and plain, now and then: what became of its pages does not matter. */
static void reset(void)
{
	hc_set_gdt(NULL, 0);
	mmuext(MMUEXT_SET_LDT, 0, 0);
	hc_set_debugreg(7, 0x400);
	hc_fpu_taskswitch(0);
	for (unsigned int i = 0; i < 512; i++)
		if (READ_ONCE(l1[i]))
			write_entry(va_to_maddr(&l1[i]), 0);
	for (unsigned int i = 1; i < 512; i++) {
		if (READ_ONCE(l2[i]))
			write_entry(va_to_maddr(&l2[i]), 0);
		if (READ_ONCE(l3[i]))
			write_entry(va_to_maddr(&l3[i]), 0);
		if (i >= 100 && i < 200 && root()[i])
			write_entry(va_to_maddr(&root()[i]), 0);
	}
	for (unsigned int i = 0; i < NPAGES; i++) {
		u8 *p = pages + i * 4096;

		unpin(p);
		hc_update_va_mapping((u64)p, va_to_mfn(p) << 12 | PTE_KERN, UVMF_INVLPG);
	}
	hc_set_timer_op(0);
	for (domid_t id = 1; id <= DOMAINS; id++) {
		struct xen_domctl dc = { .cmd = XEN_DOMCTL_destroydomain, .domain = id,
			.interface_version = XEN_DOMCTL_INTERFACE_VERSION };

		HC_1(__HYPERVISOR_domctl, &dc);
	}
}

/* Our grant table where `grants` points. */
static void map_grants(void)
{
	u64 mfn = 0;
	struct gnttab_setup_table op = { .dom = DOMID_SELF, .nr_frames = 1, .frame_list = (u64)&mfn };

	grants = (void *)(VA + (1ul << 39));
	make_tables((u64)grants);
	if (HC_3(__HYPERVISOR_grant_table_op, GNTTABOP_setup_table, &op, 1) || op.status ||
	    hc_update_va_mapping((u64)grants, mfn << 12 | PTE_KERN, UVMF_INVLPG))
		test_error("no grant table");
}

static void run(void *arg)
{
	struct shot s;

	for (calls = 0; calls < count; calls++) {
		if (calls % 5000 == 0 && !ME)
			reset();
		pick(&s);
		if (trace == 1 || calls >= test_arg("from", ~0ul))
			printk("%u:%lu: %lu %lx %lx %lx %lx %lx; %lx %lx %lx %lx\n", ME, calls, s.nr, s.a[0], s.a[1], s.a[2],
			       s.a[3], s.a[4], scratch[0], scratch[1], scratch[2], scratch[3]);
		if (try_call(shoot, &s) != -1)
			faults++;
		if (trace == 2)
			check_image(&s);
		for (unsigned int i = 0; trace == 3 && i < nr_vcpus(); i++)
			if (!(pte_of(scratch_of[i]) & PTE_RW))
				test_error("call %lu: %lu %lx %lx %lx %lx, buffer %lx %lx %lx %lx %lx made vCPU %u's read-only: %lx",
					   calls, s.nr, s.a[0], s.a[1], s.a[2], s.a[3], scratch[0], scratch[1], scratch[2], scratch[3],
					   scratch[4], i, pte_of(scratch_of[i]));
		if (one_in(8))
			faults += try_call(touch, NULL) != -1;
		this_vcpu()->info->evtchn_upcall_mask = 1;
		if (calls % 50000 == 49999)
			printk("  vCPU %u: %lu calls, %lu without error, %lu faults\n", ME, calls + 1, ok, faults);
	}
	asm volatile("mov %0, %%es" :: "r"(0));
	hc_set_debugreg(7, 0x400);
}

void test_main(void)
{
	u64 seed = test_arg("seed", system_time() | 1), n = test_arg("vcpus", nr_vcpus());

	count = test_arg("count", 50000);
	foreign = test_arg("foreign", 0);
	trace = test_arg("trace", 0);
	printk("  seed=%lu count=%lu vcpus=%lu\n", seed, count, n);
	max_mfn = (u64)hc_memory_op(XENMEM_maximum_ram_page, NULL);
	pages = alloc_pages(NPAGES);
	for (unsigned int i = 0; i < n; i++) {
		scratch_of[i] = alloc_pages(16);
		states[i] = seed + i * 0x123456789ul;
	}
	gap = alloc_pages(2) + 4096;
	hc_update_va_mapping((u64)gap, 0, UVMF_INVLPG);
	make_tables(VA);
	l1 = mfn_to_va((*find_entry(VA, 2) & PTE_ADDR) >> 12);
	l2 = mfn_to_va((*find_entry(VA, 3) & PTE_ADDR) >> 12);
	l3 = mfn_to_va((*find_entry(VA, 4) & PTE_ADDR) >> 12);
	map_grants();
	trap_hook[X86_DB] = on_db;
	trap_hook[X86_NMI] = on_nmi;
	for (unsigned int i = 1; i < n; i++)
		vcpu_start(i, run, NULL);
	run(NULL);
	for (unsigned int i = 1; i < n; i++)
		CHECK(wait_for(calls_of[i] == count && hc_vcpu_op(VCPUOP_is_up, i, NULL) == 0, 120000),
		      "vCPU %u stands still at call %lu", i, calls_of[i]);
	reset();
	CHECK_EQ(hc_xen_version(XENVER_pagesize, NULL), 4096);
	CHECK_EQ(try_asm("ud2"), X86_UD);
	printk("  %lu calls, %lu without error, %lu faults\n", calls, ok, faults);
	if (ok < calls / 50)
		test_error("only %lu of %lu calls did anything", ok, calls);
}
