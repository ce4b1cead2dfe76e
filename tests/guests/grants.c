/* SPDX-License-Identifier: MIT */
/*
 * grants: a frame that was granted can be mapped, copied and let go, by the rules.
 *
 * Claim:  map (by address and by page-table entry, read-only and not), unmap and copy work on entries of
 *         the shared table, and only as those permit; the table says while a grant is in use; a granted
 *         page cannot become a page table meanwhile, and can afterwards; what was unmapped is gone.
 * Broken: a backend reaches memory that nobody granted, or a frontend takes back a page that is in use.
 * Run:    hv="guest_loglvl=none"
 *
 * The domain grants to itself (domid 0), so that one guest can play both sides.
 */
#include "guest.h"
#include "grant_table.h"

#define TABLE	0x300000000000ul
#define WINDOW	0x300000200000ul

static volatile struct grant_entry_v1 *table;
static u8 *page, *other;

static long gnttab(unsigned int cmd, void *arg, unsigned int n)
{
	return HC_3(__HYPERVISOR_grant_table_op, cmd, arg, n);
}

static void grant(u32 ref, void *p, u16 flags)
{
	table[ref].domid = 0;
	table[ref].frame = (u32)va_to_mfn(p);
	barrier();
	table[ref].flags = flags;
}

static int map(u64 at, u32 ref, u32 flags, u32 *handle)
{
	struct gnttab_map_grant_ref op = { .host_addr = at, .flags = flags, .ref = ref, .dom = 0 };

	REQUIRE(!gnttab(GNTTABOP_map_grant_ref, &op, 1), "map fails as a whole");
	*handle = op.handle;
	return op.status;
}

static int unmap(u64 at, u32 handle)
{
	struct gnttab_unmap_grant_ref op = { .host_addr = at, .handle = handle };

	REQUIRE(!gnttab(GNTTABOP_unmap_grant_ref, &op, 1), "unmap fails as a whole");
	return op.status;
}

static void touch(void *p) { *(volatile u8 *)p = 1; }
static void look(void *p) { (void)*(volatile u8 *)p; }

static void set_up(void)
{
	u64 frames[2];
	struct gnttab_setup_table s = { .dom = DOMID_SELF, .nr_frames = 2, .frame_list = (u64)frames };

	CHECK_EQ(gnttab(GNTTABOP_setup_table, &s, 1), 0);
	REQUIRE(!s.status, "setup_table: %d", s.status);
	make_tables(TABLE);
	for (unsigned int i = 0; i < 2; i++)
		REQUIRE(!hc_update_va_mapping(TABLE + i * 4096, frames[i] << 12 | PTE_KERN, UVMF_INVLPG),
			"the table cannot be mapped");
	table = (void *)TABLE;
	page = alloc_page();
	other = alloc_page();
	make_tables(WINDOW);
}

static void map_and_unmap(void)
{
	u32 h, h2;

	grant(600, page, GTF_permit_access);
	page[5] = 42;
	CHECK_EQ(map(WINDOW, 600, GNTMAP_host_map, &h), GNTST_okay);
	CHECK_EQ(table[600].flags & (GTF_reading | GTF_writing), GTF_reading | GTF_writing);
	CHECK_EQ(((u8 *)WINDOW)[5], 42);
	((u8 *)WINDOW)[6] = 43;
	CHECK_EQ(page[6], 43);
	/* the granter changes its mind: too late for this mapping, in time for the next */
	table[600].frame = (u32)va_to_mfn(other);
	CHECK_EQ(((u8 *)WINDOW)[5], 42);
	/* a second, read-only use is of the same frame as the first */
	CHECK_EQ(map(WINDOW + 4096, 600, GNTMAP_host_map | GNTMAP_readonly, &h2), GNTST_okay);
	CHECK_EQ(((u8 *)WINDOW)[4096 + 5], 42);
	expect_trap(X86_PF, 3, touch, (void *)(WINDOW + 4096));
	table[600].frame = (u32)va_to_mfn(page);
	/* wrong ways to let go */
	CHECK(unmap(WINDOW + 8192, h) != 0, "unmapped where it is not mapped");
	CHECK_EQ(unmap(WINDOW, 77777), GNTST_bad_handle);
	CHECK_EQ(unmap(WINDOW, h), GNTST_okay);
	CHECK_EQ(table[600].flags & (GTF_reading | GTF_writing), GTF_reading);
	expect_trap(X86_PF, 0, look, (void *)WINDOW);
	CHECK_EQ(unmap(WINDOW, h), GNTST_bad_handle);
	CHECK_EQ(unmap(WINDOW + 4096, h2), GNTST_okay);
	CHECK_EQ(table[600].flags & (GTF_reading | GTF_writing), 0);
	/* for devices: held, not mapped */
	struct gnttab_map_grant_ref op = { .flags = GNTMAP_device_map, .ref = 600 };
	CHECK_EQ(gnttab(GNTTABOP_map_grant_ref, &op, 1), 0);
	CHECK_EQ(op.status, 0);
	CHECK_EQ(op.dev_bus_addr, va_to_maddr(page));
	struct gnttab_unmap_grant_ref un = { .dev_bus_addr = op.dev_bus_addr, .handle = op.handle };
	CHECK_EQ(gnttab(GNTTABOP_unmap_grant_ref, &un, 1), 0);
	CHECK_EQ(un.status, 0);
	CHECK_EQ(table[600].flags & (GTF_reading | GTF_writing), 0);
}

static void by_entry(void)
{
	u64 *l1 = alloc_page();
	u64 va = WINDOW + 0x200000;
	u32 h;

	/* an L1 of ours under the window's L2 */
	CHECK_EQ(set_ro(l1), 0);
	CHECK_EQ(write_entry(entry_maddr(va, 2), va_to_maddr(l1) | PTE_TABLE), 0);
	CHECK_EQ(map(va_to_maddr(&l1[3]), 600, GNTMAP_host_map | GNTMAP_contains_pte | GNTMAP_application_map |
		     1u << 16, &h), GNTST_okay);
	CHECK_EQ(((u8 *)va)[3 * 4096 + 5], 42);
	CHECK_EQ(l1[3] & PTE_AVAIL, PTE_AVAIL);
	CHECK_EQ(unmap(va_to_maddr(&l1[3]), h), GNTST_okay);
	CHECK_EQ(l1[3], 0);
	/* what is no entry of a table of ours */
	CHECK(map(va_to_maddr(&other[8]), 600, GNTMAP_host_map | GNTMAP_contains_pte, &h) != 0, "no table");
	CHECK(map(va_to_maddr(&l1[3]) + 4, 600, GNTMAP_host_map | GNTMAP_contains_pte, &h) != 0, "odd address");
	CHECK(map(0x7f00000000000000ul, 600, GNTMAP_host_map | GNTMAP_contains_pte, &h) != 0, "no memory");
	CHECK(map(WINDOW + (1ul << 39), 600, GNTMAP_host_map, &h) != 0, "no table there");
	CHECK(map(HYPERVISOR_VIRT_START, 600, GNTMAP_host_map, &h) != 0, "the hypervisor's");
	CHECK_EQ(table[600].flags & (GTF_reading | GTF_writing), 0);
}

static void permissions(void)
{
	u32 h;

	grant(601, page, GTF_permit_access | GTF_readonly);
	CHECK(map(WINDOW, 601, GNTMAP_host_map, &h) != 0, "read-only grant mapped writable");
	CHECK_EQ(map(WINDOW, 601, GNTMAP_host_map | GNTMAP_readonly, &h), 0);
	CHECK_EQ(unmap(WINDOW, h), 0);
	grant(602, page, GTF_permit_access);
	table[602].domid = 5;
	CHECK(map(WINDOW, 602, GNTMAP_host_map, &h) != 0, "grant for another domain mapped");
	grant(603, page, GTF_invalid);
	CHECK(map(WINDOW, 603, GNTMAP_host_map, &h) != 0, "no grant, but mapped");
	CHECK_EQ(map(WINDOW, 1024, GNTMAP_host_map, &h), GNTST_bad_gntref);
	CHECK_EQ(map(WINDOW, ~0u, GNTMAP_host_map, &h), GNTST_bad_gntref);
	struct gnttab_map_grant_ref op = { .host_addr = WINDOW, .flags = GNTMAP_host_map, .ref = 600, .dom = 99 };
	CHECK_EQ(gnttab(GNTTABOP_map_grant_ref, &op, 1), 0);
	CHECK_EQ(op.status, GNTST_bad_domain);
	op.dom = DOMID_XEN;
	CHECK_EQ(gnttab(GNTTABOP_map_grant_ref, &op, 1), 0);
	CHECK_EQ(op.status, GNTST_bad_domain);
	/* frames that are not the granter's memory */
	static const u32 bad[] = { 0xb8, 0xfee00, 0xffffffff, 0x7fffffff };
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		grant(604, page, GTF_permit_access);
		table[604].frame = bad[i];
		CHECK(map(WINDOW, 604, GNTMAP_host_map, &h) != 0, "frame %#x mapped", bad[i]);
		CHECK_EQ(table[604].flags, GTF_permit_access);
	}
	/* a page table is nobody's to write */
	grant(604, root(), GTF_permit_access);
	CHECK(map(WINDOW, 604, GNTMAP_host_map, &h) != 0, "a page table was mapped writable");
	CHECK(gnttab(GNTTABOP_map_grant_ref, (void *)0x1000, 1) < 0, "bad pointer");
	CHECK(gnttab(99, &op, 1) < 0, "unknown operation");
}

static void no_table_meanwhile(void)
{
	u32 h;

	memset(other, 0, 4096);
	grant(605, other, GTF_permit_access);
	CHECK_EQ(map(WINDOW, 605, GNTMAP_host_map, &h), 0);
	CHECK_EQ(set_ro(other), 0);
	CHECK(pin(1, other) < 0, "a page that is granted for writing became a page table");
	CHECK_EQ(unmap(WINDOW, h), 0);
	CHECK_EQ(pin(1, other), 0);
	CHECK(map(WINDOW, 605, GNTMAP_host_map, &h) != 0, "a page table was mapped writable");
	CHECK_EQ(unpin(other), 0);
	CHECK_EQ(set_rw(other), 0);
}

static void copies(void)
{
	struct gnttab_copy c[3] = {
		{ .source = { { .ref = 600 }, 0, 100 }, .dest = { { .gmfn = va_to_mfn(other) }, DOMID_SELF, 200 },
		  .len = 50, .flags = GNTCOPY_source_gref },
		{ .source = { { .gmfn = va_to_mfn(other) }, DOMID_SELF, 0 }, .dest = { { .ref = 601 }, 0, 0 },
		  .len = 8, .flags = GNTCOPY_dest_gref },
		{ .source = { { .ref = 600 }, 0, 4000 }, .dest = { { .gmfn = va_to_mfn(other) }, DOMID_SELF, 0 },
		  .len = 97, .flags = GNTCOPY_source_gref },
	};

	for (unsigned int i = 0; i < 4096; i++)
		page[i] = (u8)i;
	memset(other, 0, 4096);
	CHECK_EQ(gnttab(GNTTABOP_copy, c, 3), 0);
	CHECK_EQ(c[0].status, GNTST_okay);
	CHECK(c[1].status != 0, "copied into a read-only grant");
	CHECK(c[2].status != 0, "copied beyond the page");
	CHECK(!memcmp(other + 200, page + 100, 50) && !other[199] && !other[250], "the copy is wrong");
	c[0].source.domid = 77;
	CHECK_EQ(gnttab(GNTTABOP_copy, c, 1), 0);
	CHECK_EQ(c[0].status, GNTST_bad_domain);
	c[0] = (struct gnttab_copy){ .source = { { .gmfn = va_to_mfn(other) }, DOMID_SELF, 0 },
		.dest = { { .gmfn = va_to_mfn(root()) }, DOMID_SELF, 0 }, .len = 8 };
	CHECK_EQ(gnttab(GNTTABOP_copy, c, 1), 0);
	CHECK(c[0].status != 0, "copied into a page table");
	CHECK_EQ(table[600].flags & (GTF_reading | GTF_writing), 0);
}

/* Many at once, more than one chunk, with the table and back. */
static void many(void)
{
	static struct gnttab_map_grant_ref m[100];
	static struct gnttab_unmap_grant_ref u[100];

	for (unsigned int i = 0; i < 100; i++)
		m[i] = (struct gnttab_map_grant_ref){ WINDOW + i * 4096, GNTMAP_host_map, 600, 0, 0, 0, 0 };
	for (unsigned int round = 0; round < 20; round++) {
		CHECK_EQ(gnttab(GNTTABOP_map_grant_ref, m, 100), 0);
		for (unsigned int i = 0; i < 100; i++) {
			CHECK_EQ(m[i].status, 0);
			CHECK_EQ(((u8 *)WINDOW)[i * 4096 + 77], 77);
			u[i] = (struct gnttab_unmap_grant_ref){ m[i].host_addr, 0, m[i].handle, 0 };
		}
		CHECK_EQ(gnttab(GNTTABOP_unmap_grant_ref, u, 100), 0);
		for (unsigned int i = 0; i < 100; i++)
			CHECK_EQ(u[i].status, 0);
	}
	CHECK_EQ(table[600].flags & (GTF_reading | GTF_writing), 0);
	expect_trap(X86_PF, 0, look, (void *)(WINDOW + 99 * 4096));
}

void test_main(void)
{
	set_up();
	map_and_unmap();
	by_entry();
	permissions();
	no_table_meanwhile();
	copies();
	many();
}
