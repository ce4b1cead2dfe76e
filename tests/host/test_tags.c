/* SPDX-License-Identifier: MIT */
/*
 * Claims about x86/tags.c, on a simulated TLB with tags: no stale entry is ever used.
 *
 * Job:    run it as tests/host/run tags. The machine below fills its TLB when it likes (as processors may,
 *         speculatively, before and after each instruction that flushes), and drops entries only as
 *         the SDM promises (vol. 3, 4.10.4.1).
 * Tests:  x86/tags.c (TT1, TT2, TT3)
 */
#include "host.h"

/* In place of the headers of x86/ that tags.c includes. */
#define X86_CPU_H
#define X86_MACHINE_H
extern unsigned int tlb_tags;
u64 tags_cr3(u64 root, bool user, bool copy);
void tags_load(u64 cr3);
void tags_flush(void);
void flush_va_local(u64 va);

#define PAGES 12		/* page 0 is mapped by full roots only: the hypervisor's */
#define ROOTS 10
#define TAGS 8

static unsigned int table[ROOTS][PAGES];	/* what the page tables say; 0: not present */
static unsigned int copy[2][PAGES];		/* the CPU's restricted copies, by user */
static unsigned int tlb[TAGS][PAGES];		/* 0: no entry */
static u64 cr3;
static bool pcid;				/* the machine has tags */
static unsigned long flushes;

static unsigned int rnd(unsigned int n) { return (unsigned int)host_random_below(n); }
static unsigned int cur_tag(void) { return pcid ? cr3 & 0xfff : 0; }

#define COPY_BASE 0x100000ul		/* "addresses" of the copies; of root r: r << 12 */

static unsigned int *walk(void)
{
	u64 base = cr3 & ~0xffful;

	return base >= COPY_BASE ? copy[(base - COPY_BASE) >> 12] : table[base >> 12];
}

/* Use a page in the present mode: by the TLB if it has it. */
static unsigned int use(unsigned int page)
{
	unsigned int *e = &tlb[cur_tag()][page];

	if (!*e)
		*e = walk()[page];
	return *e;
}

static void speculate(void)
{
	for (unsigned int page = 0; page < PAGES; page++)
		if (rnd(3))
			use(page);
}

static void drop(unsigned int tag)
{
	memset(tlb[tag], 0, sizeof(tlb[tag]));
	flushes++;
}

static u64 read_cr3(void) { return cr3; }

static void write_cr3(u64 val)
{
	assert_true(pcid || !(val & (BIT(63) | 0xfff)));
	speculate();
	cr3 = val & ~BIT(63);
	if (!pcid || !(val & BIT(63)))
		drop(cur_tag());
	speculate();
}

static void invlpg(u64 va)
{
	speculate();
	if (va >> 12 < PAGES)		/* a bad address is no fault */
		tlb[cur_tag()][va >> 12] = 0;
}

static void invpcid(u64 type, u64 tag, u64 va)
{
	assert_true(pcid && tag < TAGS && (type == 0 || type == 3));
	assert_true(va + (1ul << 47) < 1ul << 48);		/* canonical: else #GP */
	speculate();
	if (type == 0 && va >> 12 < PAGES)
		tlb[tag][va >> 12] = 0;
	for (unsigned int t = 0; type == 3 && t < TAGS; t++)
		drop(t);
	speculate();
}

#include "../../hypervisor/x86/tags.c"

/* --- a hypervisor in small: two vcpus, each with a kernel and a user root --- */

static struct { unsigned int root[2]; } vcpus[2];	/* by user; roots 1... */
static unsigned int me, user, serial;
static bool restricted, on_copy;

static u64 value(bool to_user)
{
	return tags_cr3((u64)vcpus[me].root[to_user] << 12, to_user, false);
}

static void enter_guest(void)
{
	if (!restricted)
		return;
	memcpy(copy[user], table[vcpus[me].root[user]], sizeof(copy[user]));
	copy[user][0] = 0;
	write_cr3(tags_cr3(COPY_BASE + ((u64)user << 12), user, true));
	on_copy = true;
}

static void leave_guest(void)
{
	if (restricted)
		write_cr3(value(user));
	on_copy = false;
}

static void check(void)
{
	for (unsigned int page = 0; page < PAGES; page++) {
		unsigned int got = use(page), want = table[vcpus[me].root[user]][page];

		assert_int_equal(got, on_copy && !page ? 0 : want);
	}
}

static void change_entry(unsigned int root)
{
	unsigned int page = 1 + rnd(PAGES - 1);

	table[root][page] = rnd(3) ? ++serial : 0;
	if (rnd(2))
		flush_va_local((u64)page << 12);
	else
		tags_flush();
}

static void new_root(void)
{
	unsigned int which = rnd(2), old = vcpus[me].root[which], r;

	do
		r = 1 + rnd(ROOTS - 1);
	while (r == vcpus[0].root[0] || r == vcpus[0].root[1] || r == vcpus[1].root[0] || r == vcpus[1].root[1]);
	for (unsigned int page = 1; page < PAGES; page++)
		table[r][page] = rnd(2) ? ++serial : 0;
	table[r][0] = 7;
	vcpus[me].root[which] = r;
	if (which == user)		/* as arch_load_root() */
		tags_load(value(which));
	else if (tlb_tags)
		tags_flush();
	memset(table[old], 0xee, sizeof(table[old]));		/* the frame is somebody else's now */
}

static void run(bool with_pcid, bool with_restricted)
{
	pcid = with_pcid;
	tlb_tags = !with_pcid ? 0 : with_restricted ? 4 : 2;
	restricted = with_restricted;
	memset(tlb, 0, sizeof(tlb));
	for (unsigned int r = 0; r < ROOTS; r++)
		for (unsigned int page = 0; page < PAGES; page++)
			table[r][page] = page ? ++serial : 7;
	vcpus[0].root[0] = 1;
	vcpus[0].root[1] = 2;
	vcpus[1].root[0] = 3;
	vcpus[1].root[1] = 4;
	me = user = 0;
	on_copy = false;
	cr3 = 0;
	tags_load(value(0));
	for (unsigned int i = 0; i < 200000; i++) {
		switch (rnd(9)) {
		case 0:
			change_entry(vcpus[me].root[user]);
			break;
		case 1:
			change_entry(vcpus[me].root[!user]);
			break;
		case 2:
			new_root();
			break;
		case 3:
			me = rnd(2);
			user = rnd(2);
			if (rnd(2))
				tags_load(0);		/* idle on the hypervisor's root */
			tags_load(value(user));
			break;
		case 4:
			flush_va_local(rnd(2) ? host_random() : BIT(47));
			break;
		default:		/* a system call or its return */
			user = !user;
			write_cr3(value(user));
		}
		check();
		enter_guest();
		check();
		leave_guest();
	}
	tlb_tags = 0;
}

static void test_no_tags(void **state) { run(false, false); }
static void test_tags(void **state) { run(true, false); }
static void test_tags_restricted(void **state) { run(true, true); }
static void test_no_tags_restricted(void **state) { run(false, true); }

/* The point of it: a system call and its return drop nothing. */
static void test_syscall_is_free(void **state)
{
	pcid = true;
	tlb_tags = 2;
	restricted = false;
	vcpus[0].root[0] = 1;
	vcpus[0].root[1] = 2;
	me = user = 0;
	tags_load(value(0));
	flushes = 0;
	for (unsigned int i = 0; i < 10; i++)
		write_cr3(value(i & 1));
	assert_int_equal(flushes, 0);
	pcid = tlb_tags = 0;
	write_cr3(value(0));
	assert_int_equal(flushes, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_tags),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_no_tags_restricted),
		cmocka_unit_test(test_tags_restricted),
		cmocka_unit_test(test_syscall_is_free),
	};

	return host_main(tests);
}
