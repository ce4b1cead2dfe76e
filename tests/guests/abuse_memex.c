/* SPDX-License-Identifier: MIT */
/*
 * abuse_memex: XENMEM_exchange and its relatives with arguments made to overrun.
 *
 * Claim:  list addresses in hypervisor space, sizes that overflow, a start beyond the end
 *         (nr_exchanged), frames named twice, frames in use as page tables or GDT, foreign owners, and
 *         continuation bits in the command are refused, or done without harm; the reservation stays
 *         what is reported.
 * Broken: the hypervisor writes where the guest says (this was an arbitrary write in Xen once), a frame
 *         is owned twice.
 */
#include "guest.h"

static u64 in[64], out[64];
static struct xen_memory_exchange x;

static void setup(u64 n_in, unsigned int o_in, u64 n_out, unsigned int o_out)
{
	memset(&x, 0, sizeof(x));
	x.in = (struct xen_memory_reservation){ (u64)in, n_in, o_in, 0, DOMID_SELF };
	x.out = (struct xen_memory_reservation){ (u64)out, n_out, o_out, 0, DOMID_SELF };
}

static u64 reservation(void)
{
	struct xen_memory_domain d = { DOMID_SELF };

	return (u64)hc_memory_op(XENMEM_current_reservation, &d);
}

static void addresses(void)
{
	static const u64 bad[] = { HV_PRIVATE, HYPERVISOR_VIRT_START, 0xffff82d000200000ul, 0xffff830000000000ul,
		HYPERVISOR_VIRT_START - 8, 0x7ffffffffff8ul, 0x800000000000ul, ~7ul, 0x1000, 0 };
	static const u64 starts[] = { 0, 1, 2, 0x100, 1ul << 32, 1ul << 44, 1ul << 58, 1ul << 60, ~0ul, ~0ul - 1, 1ul << 63 };
	u64 before = reservation();

	in[0] = p2m_list()[alloc_pfn()];
	in[1] = p2m_list()[alloc_pfn()];
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		for (unsigned int k = 0; k < ARRAY_SIZE(starts); k++)
			for (unsigned int who = 1; who < 4; who++) {
				long rc;

				setup(2, 0, 2, 0);
				if (who & 1)
					x.in.extent_start = bad[i];
				if (who & 2)
					x.out.extent_start = bad[i];
				x.nr_exchanged = starts[k];
				rc = hc_memory_op(XENMEM_exchange, &x);
				CHECK(rc < 0 || (k && rc == 0), "lists at %#lx (%u), start %#lx: %ld", bad[i], who, starts[k],
				      rc);
			}
	/* The trick: good list, and a start that moves it into the hypervisor. */
	for (u64 t = HYPERVISOR_VIRT_START; t < HYPERVISOR_VIRT_END; t += 1ul << 36) {
		setup(~0ul, 0, ~0ul, 0);
		x.nr_exchanged = (t - (u64)out) / 8;
		CHECK(hc_memory_op(XENMEM_exchange, &x) < 0, "start %#lx", x.nr_exchanged);
		setup(x.nr_exchanged + 1, 0, x.nr_exchanged + 1, 0);
		x.nr_exchanged = (t - (u64)out) / 8;
		CHECK(hc_memory_op(XENMEM_exchange, &x) < 0, "start %#lx", x.nr_exchanged);
	}
	CHECK_EQ(reservation(), before);
}

static void sizes(void)
{
	static const struct { u64 n; unsigned int o; } s[] = { { 1, 63 }, { 1, 64 }, { 1, 0xffffffff }, { 1, 31 }, { 1, 32 },
		{ ~0ul, 0 }, { ~0ul, 1 }, { 1ul << 63, 1 }, { 1ul << 62, 2 }, { 1ul << 52, 12 }, { 2, 63 }, { 0x100000001ul, 0 },
		{ 1, 20 }, { 1, 18 }, { 0, 0 }, { 0, 63 } };
	u64 before = reservation();

	for (unsigned int i = 0; i < ARRAY_SIZE(s); i++)
		for (unsigned int k = 0; k < ARRAY_SIZE(s); k++) {
			long rc;

			for (unsigned int j = 0; j < 64; j++)
				in[j] = 0xfffffffful + j;
			setup(s[i].n, s[i].o, s[k].n, s[k].o);
			rc = hc_memory_op(XENMEM_exchange, &x);
			CHECK(rc < 0 || !s[i].n, "%#lx of order %u for %#lx of %u: %ld", s[i].n, s[i].o, s[k].n, s[k].o, rc);
		}
	for (unsigned int i = 0; i < ARRAY_SIZE(s); i++)
		for (unsigned int cmd = 0; cmd < 7; cmd++) {
			struct xen_memory_reservation r = { (u64)in, s[i].n, s[i].o, 0, DOMID_SELF };

			if (cmd > 1 && cmd != 6)
				continue;
			if (s[i].n * (1ul << (s[i].o & 63)) < 1ul << 20 && s[i].n && s[i].o < 20)
				continue;
			/* Large: none, or as much as there is; then it is given back below. */
			if (cmd != 1 && s[i].o == 0)
				continue;
			long rc = hc_memory_op(cmd, &r);
			CHECK(rc <= 0, "memory_op %u, %#lx of order %u: %ld", cmd, s[i].n, s[i].o, rc);
		}
	CHECK_EQ(reservation(), before);
}

static void frames(void)
{
	u64 before = reservation(), pfn = alloc_pfn(), mfn = p2m_list()[pfn];
	u64 *table = alloc_page(), *gdt = alloc_page(), *used = alloc_page();
	long rc;

	/* The same frame twice. */
	in[0] = in[1] = mfn;
	out[0] = out[1] = pfn;
	setup(2, 0, 2, 0);
	rc = hc_memory_op(XENMEM_exchange, &x);
	CHECK(rc < 0, "a frame exchanged twice: %ld", rc);
	CHECK_EQ(reservation(), before);
	/* Frames in use. What is refused must stay as it is; what is accepted must keep its last use. */
	set_ro(table);
	REQUIRE(!pin(1, table), "pin");
	set_ro(gdt);
	u64 g = va_to_mfn(gdt);
	REQUIRE(!hc_set_gdt(&g, 512), "set_gdt");
	u64 busy[] = { va_to_mfn(table), va_to_mfn(gdt), va_to_mfn(root()), si->shared_info >> 12, 0xb8, 0xfffffffff, 0,
		va_to_mfn(used) };
	*used = 0x1234;
	for (unsigned int i = 0; i < ARRAY_SIZE(busy); i++) {
		in[0] = busy[i];
		out[0] = alloc_pfn();
		setup(1, 0, 1, 0);
		rc = hc_memory_op(XENMEM_exchange, &x);
		CHECK(rc < 0 || i == 7 || i < 3, "frame %#lx (%u) exchanged: %ld", busy[i], i, rc);
		if (!rc)
			printk("  frame %u, in use, was exchanged\n", i);
		CHECK_EQ(reservation(), before);
	}
	CHECK_EQ(*(volatile u64 *)used, 0x1234);
	CHECK(write_entry(va_to_maddr(table), va_to_maddr(root()) | PTE_KERN) < 0, "the table is not checked any more");
	CHECK(root()[511] & PTE_P, "the root is gone");
	hc_set_gdt(NULL, 0);
	/* Foreign owners. */
	static const domid_t dom[] = { 1, 0x7fef, DOMID_IO, DOMID_XEN, DOMID_INVALID, DOMID_IDLE, DOMID_COW };
	for (unsigned int i = 0; i < ARRAY_SIZE(dom); i++)
		for (unsigned int who = 1; who < 4; who++) {
			in[0] = mfn;
			setup(1, 0, 1, 0);
			if (who & 1)
				x.in.domid = dom[i];
			if (who & 2)
				x.out.domid = dom[i];
			CHECK(hc_memory_op(XENMEM_exchange, &x) < 0, "exchange for domain %#x", dom[i]);
			for (unsigned int cmd = 0; cmd < 7; cmd++) {
				struct xen_memory_reservation r = { (u64)in, 1, 0, 0, dom[i] };

				if (cmd < 2 || cmd == 6)
					CHECK(hc_memory_op(cmd, &r) <= 0, "memory_op %u for domain %#x", cmd, dom[i]);
			}
		}
	CHECK_EQ(reservation(), before);
}

/* The upper bits of the command are a start extent: a guest has no business there. */
static void continuations(void)
{
	u64 before = reservation(), pfn = alloc_pfn(), mfn = p2m_list()[pfn];

	for (unsigned int start = 1; start < 1u << 26; start = start * 3 + 1)
		for (unsigned int cmd = 0; cmd < 7; cmd++) {
			u64 list[2] = { 0xffffffff, 0xffffffff };
			struct xen_memory_reservation r = { (u64)list, 2, 0, 0, DOMID_SELF };
			long rc;

			if (cmd > 1 && cmd != 6)
				continue;
			rc = hypercall5(__HYPERVISOR_memory_op, cmd | (u64)start << 6, (u64)&r, 0, 0, 0);
			CHECK(rc <= (long)start || rc == 2, "memory_op %u from extent %u: %ld", cmd, start, rc);
			/* A populated frame may have come out of it (cmd 6 from extent 1). */
		}
	for (unsigned int start = 1; start < 1u << 20; start *= 5) {
		in[0] = mfn;
		out[0] = pfn;
		setup(1, 0, 1, 0);
		hypercall5(__HYPERVISOR_memory_op, XENMEM_exchange | (u64)start << 6, (u64)&x, 0, 0, 0);
	}
	u64 after = reservation();
	CHECK(after >= before - 4 && after <= before + 4, "reservation %lu, was %lu", after, before);
}

void test_main(void)
{
	addresses();
	sizes();
	frames();
	continuations();
}
