/* SPDX-License-Identifier: MIT */
/*
 * abuse_multicall: multicalls that could confuse who calls and how far the call is.
 *
 * Claim:  nesting is refused or bounded; huge counts and lists at the edges of memory end with EFAULT;
 *         entries that are changed while the list runs, lists in read-only memory, entries that block,
 *         yield, or leave by iret do not make a later entry run in another mode or twice.
 * Broken: a later entry runs with user mode's rights or page tables; endless work without preemption.
 * Run:    timeout=90
 */
#include "guest.h"

static struct multicall_entry list[64], inner[8];

static void entry(struct multicall_entry *e, u64 nr, u64 a, u64 b, u64 c)
{
	*e = (struct multicall_entry){ .op = nr, .result = 0x5a5a, .args = { a, b, c, DOMID_SELF } };
}

static void nested(void)
{
	/* A list that calls itself, a ring of two, and a list of lists. */
	entry(&list[0], __HYPERVISOR_multicall, (u64)list, 1, 0);
	CHECK_EQ(hc_multicall(list, 1), 0);
	CHECK((long)list[0].result < 0 || list[0].result == 0, "self call: %ld", (long)list[0].result);
	entry(&list[0], __HYPERVISOR_multicall, (u64)inner, 1, 0);
	entry(&inner[0], __HYPERVISOR_multicall, (u64)list, 1, 0);
	CHECK_EQ(hc_multicall(list, 1), 0);
	for (unsigned int i = 0; i < 64; i++)
		entry(&list[i], __HYPERVISOR_multicall, (u64)list, 64, 0);
	CHECK_EQ(hc_multicall(list, 64), 0);
}

static void sizes(void)
{
	static const u64 counts[] = { 0xffffffff, ~0ul, 1ul << 32, 1ul << 58, 1ul << 60, 0x400000000000001ul };
	u8 *two = alloc_pages(2);
	u64 pte = pte_of(two + 4096);
	struct multicall_entry *edge = (void *)(two + 4096 - sizeof(*edge));
	long rc;

	REQUIRE(!hc_update_va_mapping((u64)two + 4096, 0, UVMF_INVLPG), "unmap");
	for (unsigned int i = 0; i < ARRAY_SIZE(counts); i++) {
		entry(edge, __HYPERVISOR_xen_version, XENVER_version, 0, 0);
		rc = hc_multicall(edge, (u32)counts[i]);
		rc = hypercall5(__HYPERVISOR_multicall, (u64)edge, counts[i], 0, 0, 0);
		CHECK(rc == -XEN_EFAULT || rc == -XEN_EINVAL || (rc == 0 && !(u32)counts[i]) ||
		      (rc == 0 && (u32)counts[i] == 1), "count %#lx: %ld", counts[i], rc);
	}
	/* Straddling the end. */
	for (unsigned int off = 1; off < sizeof(*edge); off += 7) {
		memset(two + 4096 - sizeof(*edge), 0, sizeof(*edge));
		CHECK_EQ(hc_multicall((void *)(two + 4096 - off), 1), -XEN_EFAULT);
	}
	REQUIRE(!hc_update_va_mapping((u64)two + 4096, pte, UVMF_INVLPG), "map");
	static const u64 where[] = { HV_PRIVATE, HYPERVISOR_VIRT_START - 8, HYPERVISOR_VIRT_END - 8, 0x7ffffffffff8ul,
		0x800000000000ul, ~7ul, ~0ul - 63, 0 };
	for (unsigned int i = 0; i < ARRAY_SIZE(where); i++)
		for (unsigned int n = 1; n < 1000; n *= 7)
			CHECK(hypercall5(__HYPERVISOR_multicall, where[i], n, 0, 0, 0) == -XEN_EFAULT, "list at %#lx",
			      where[i]);
}

/* The list is read-only: results cannot be written. */
static void read_only(void)
{
	struct multicall_entry *ro = alloc_page();
	long rc;

	for (unsigned int i = 0; i < 4; i++)
		entry(&ro[i], __HYPERVISOR_xen_version, XENVER_version, 0, 0);
	REQUIRE(!set_ro(ro), "set_ro");
	rc = hc_multicall(ro, 4);
	CHECK(rc == -XEN_EFAULT, "list in read-only memory: %ld", rc);
	CHECK_EQ(ro[0].result, 0x5a5a);
	set_rw(ro);
	free_page(ro);
}

/* An entry rewrites the entries after it. */
static void changed(void)
{
	struct xen_feature_info *fi = (void *)&list[1].op;

	entry(&list[0], __HYPERVISOR_xen_version, XENVER_get_features, (u64)fi, 0);
	/* Becomes number feature word << 32; if it was read before: set_trap_table, of the same table. */
	entry(&list[1], __HYPERVISOR_set_trap_table, (u64)trap_table, 0, 0);
	entry(&list[2], __HYPERVISOR_xen_version, XENVER_pagesize, 0, 0);
	CHECK_EQ(hc_multicall(list, 3), 0);
	CHECK((long)list[1].result <= 0, "hypercall %#lx: %ld", list[1].op, (long)list[1].result);
	CHECK_EQ(list[2].result, 4096);
	/* Every hypercall number, also far out. */
	for (u64 nr = 64; nr; nr <<= 1) {
		entry(&list[0], nr, 0, 0, 0);
		CHECK_EQ(hc_multicall(list, 1), 0);
		if (!CHECK((long)list[0].result == -XEN_ENOSYS, "hypercall %#lx: %ld", nr, (long)list[0].result))
			break;
	}
}

/* Yield and a poll inside. */
static void blocking(void)
{
	struct sched_poll p = { .timeout = system_time() + 5000000 };

	entry(&list[0], __HYPERVISOR_sched_op, SCHEDOP_yield, 0, 0);
	entry(&list[1], __HYPERVISOR_sched_op, SCHEDOP_poll, (u64)&p, 0);
	entry(&list[2], __HYPERVISOR_xen_version, XENVER_pagesize, 0, 0);
	CHECK_EQ(hc_multicall(list, 3), 0);
	CHECK_EQ(list[2].result, 4096);
	CHECK_EQ(list[1].result, 0);
}

/*
 * iret as an entry: it must not take effect for the entries after it. A frame for user mode lies on the
 * stack; user mode would answer by int $0x80 at once.
 */
static u64 after_value;
extern u8 user_back[];
asm("user_back: mov $0x77, %eax; int $0x80\n");

static void with_iret(void *arg)
{
	static struct regs frame;
	struct multicall_entry *l = arg;
	long rc;

	user_regs(&frame, (u64)user_back, 0);
	/* rsp -> rax r11 rcx flags rip cs rflags rsp ss during the hypercall. */
	asm volatile("mov %%rsp, %%rbx; sub $256, %%rsp; and $-16, %%rsp; sub $72, %%rsp;"
		     "mov %%rsp, %%rdi; lea %c[o](%[f]), %%rsi; mov $9, %%ecx; rep movsq;"
		     "mov %[l], %%rdi; mov $3, %%esi; mov $13, %%eax; syscall; mov %%rbx, %%rsp"
		     : "=a"(rc) : [f] "r"(&frame), [l] "r"(l), [o] "i"(offsetof(struct regs, rax))
		     : "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory");
	after_value = (u64)rc;
}

static void mode(void)
{
	u64 *page = alloc_page(), va = 0x300000000000ul, before;
	struct regs r;

	make_tables(va);
	*page = 1;
	REQUIRE(!hc_update_va_mapping(va, va_to_maddr(page) | PTE_KERN, UVMF_INVLPG), "map");
	before = read_pte(va);
	user_init();
	entry(&list[0], __HYPERVISOR_xen_version, XENVER_pagesize, 0, 0);
	entry(&list[1], __HYPERVISOR_iret, 0, 0, 0);
	/* Works on the kernel's tables only: this address is not in the user's. */
	entry(&list[2], __HYPERVISOR_update_va_mapping, va, va_to_maddr(page) | PTE_P | PTE_US, UVMF_INVLPG);
	/* A place for int $0x80 to come back to. */
	struct vcpu *v = this_vcpu();
	static u64 value;
	int how = -1;
	void run(void *a)
	{
		with_iret(list);
	}
	trap_hook_t *old = trap_hook[VEC_USER_EXIT];
	bool leave(struct regs *f)
	{
		value = f->rax;
		return false;
	}
	trap_hook[VEC_USER_EXIT] = leave;
	hc_stack_switch(FLAT_KERNEL_SS, (u64)vcpu_stacks[0] + 16384);
	v->user_rsp = 0;
	how = try_call(run, NULL);
	trap_hook[VEC_USER_EXIT] = old;
	printk("  multicall with iret: vector %d, user value %#lx, results %ld %ld\n", how, value, (long)list[1].result,
	       (long)list[2].result);
	CHECK(how == -1 || how == VEC_USER_EXIT || how == X86_GP, "vector %d", how);
	/* Whatever it did: we are in kernel mode, on the kernel's tables. */
	CHECK_EQ(*(volatile u64 *)va, 1);
	if (list[2].result == 0x5a5a)
		CHECK_EQ(read_pte(va), before);
	CHECK_EQ(hc_xen_version(XENVER_pagesize, NULL), 4096);
	user_regs(&r, (u64)user_back, 0);
	CHECK_EQ(user_run_regs(&r), 0x77);
}

void test_main(void)
{
	nested();
	sizes();
	read_only();
	changed();
	blocking();
	mode();
}
