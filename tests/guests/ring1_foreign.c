/* SPDX-License-Identifier: MIT */
/*
 * ring1_foreign: two domains in ring 1 take turns on one CPU; one names the other's roots in PARAPET_RING1_SWITCH.
 *
 * Claim:  what is on offer to a domain's vCPU is not on offer to the next domain that the CPU runs, and its hypervisor
 *         refuses roots that are not its own; its own it may load, by hypercall or on offer, throughout.
 * Broken: a guest on another guest's page tables: it reads and writes what it likes there.
 * Run:    smp=1 args="ring1=1" hv="guest_loglvl=none" timeout=120
 */
#include "toolstack.h"

#define WINDOW	0x300000000000ul	/* where its pages are mapped while we fill them */
#define CODE_VA	0xffffffff80000000ul
#define NPAGES	10
#define NROOTS	5
enum { P_L4, P_L4B, P_L3, P_L2, P_L1, P_CODE, P_DATA, P_INFO, P_STACK, P_SPARE };
enum { D_ROUNDS, D_REFUSED, D_BAD, D_STAGE, D_OWN_A, D_OWN_B, D_FIRST, D_ARG = 32 };	/* words of its data page */

/* The other domain: to ring 1, then for ever: each root in turn, its own two, and yield. rbx: its data page. */
asm(".pushsection .text\n"
    "foreign_code: mov %rsi, %rbx\n"
    "	mov $24, %eax; mov $10, %edi; xor %esi, %esi; lea 256(%rbx), %rdx; syscall\n"	/* vcpu_op register_vcpu_info */
    "	mov %rax, 24(%rbx); test %rax, %rax; jnz 9f\n"
    "	mov $63, %eax; mov $0x676e6972, %edi; syscall\n"
    "	mov %rax, 24(%rbx); test %rax, %rax; jnz 9f\n"
    "	movq $1, 24(%rbx)\n"
    "1:	lea 48(%rbx), %r12\n"
    "2:	mov (%r12), %rsi; test %rsi, %rsi; jz 3f\n"
    "	mov $63, %eax; mov $0x68637773, %edi; syscall\n"
    "	test %rax, %rax; js 4f; incq 16(%rbx); jmp 5f\n"
    "4:	incq 8(%rbx)\n"
    "5:	add $8, %r12; jmp 2b\n"
    "3:	mov $63, %eax; mov $0x68637773, %edi; mov 40(%rbx), %rsi; syscall\n"
    "	test %rax, %rax; jz 6f; incq 16(%rbx)\n"
    "6:	mov $63, %eax; mov $0x68637773, %edi; mov 32(%rbx), %rsi; syscall\n"
    "	test %rax, %rax; jz 7f; incq 16(%rbx)\n"
    "7:	incq (%rbx)\n"
    "	mov $29, %eax; xor %edi, %edi; syscall\n"					/* sched_op, yield */
    "	jmp 1b\n"
    "9:	mov $29, %eax; xor %edi, %edi; syscall; jmp 9b\n"
    "foreign_code_end:\n"
    ".popsection\n");
extern const u8 foreign_code[], foreign_code_end[];

static u64 mfns[NPAGES];

static void make_domain(u64 *const roots[NROOTS])
{
	struct xen_memory_reservation r = { .extent_start = (u64)mfns, .nr_extents = NPAGES };
	struct vcpu_guest_context *c = alloc_pages(2);
	u64 *p[NPAGES];

	REQUIRE(!DOMCTL(createdomain, .max_vcpus = 1, .max_evtchn_port = 1023, .max_grant_frames = 4,
			.max_maptrack_frames = 4, .grant_opts = 1, .handle = { 1 }), "createdomain");
	r.domid = dom = op.domain;
	REQUIRE(!DOMCTL(max_vcpus, .max = 1) && !DOMCTL(max_mem, .max_memkb = NPAGES * 4), "limits");
	for (u64 i = 0; i < NPAGES; i++)
		mfns[i] = i;
	REQUIRE(hc_memory_op(XENMEM_populate_physmap, &r) == NPAGES, "populate_physmap");
	for (unsigned int i = 0; i < NPAGES; i++) {
		p[i] = (u64 *)(WINDOW + i * 4096);
		REQUIRE(!map_foreign((u64)p[i], mfns[i], PTE_KERN), "foreign mapping");
	}
	p[P_L4][511] = p[P_L4B][511] = mfns[P_L3] << 12 | PTE_TABLE;
	p[P_L3][510] = mfns[P_L2] << 12 | PTE_TABLE;
	p[P_L2][0] = mfns[P_L1] << 12 | PTE_TABLE;
	p[P_L1][0] = mfns[P_CODE] << 12 | (PTE_KERN & ~PTE_RW);
	p[P_L1][1] = mfns[P_DATA] << 12 | PTE_KERN;
	p[P_L1][2] = mfns[P_STACK] << 12 | PTE_KERN;
	memcpy(p[P_CODE], foreign_code, (size_t)(foreign_code_end - foreign_code));
	p[P_DATA][D_OWN_A] = mfns[P_L4];
	p[P_DATA][D_OWN_B] = mfns[P_L4B];
	for (unsigned int i = 0; i < NROOTS; i++)
		p[P_DATA][D_FIRST + i] = va_to_mfn(roots[i]);
	p[P_DATA][D_ARG] = mfns[P_INFO];			/* struct vcpu_register_vcpu_info, offset 0 */
	for (unsigned int i = 0; i < NPAGES; i++)
		if (i != P_DATA)
			CHECK_EQ(map_foreign((u64)p[i], 0, 0), 0);
	struct mmuext_op pins[2] = { { .cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = mfns[P_L4] },
				     { .cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = mfns[P_L4B] } };
	REQUIRE(!hc_mmuext_op(pins, 2, NULL, dom), "pins");
	c->flags = VGCF_in_kernel | VGCF_online;
	c->user_regs.rip = CODE_VA;
	c->user_regs.rsp = c->kernel_sp = CODE_VA + 0x3000;
	c->user_regs.rsi = CODE_VA + 0x1000;
	c->user_regs.rflags = 0x202;
	c->user_regs.cs = FLAT_KERNEL_CS;
	c->user_regs.ss = FLAT_KERNEL_SS;
	c->kernel_ss = FLAT_KERNEL_SS;
	c->ctrlreg[3] = mfns[P_L4] << 12;
	memset(&op, 0, sizeof(op));
	op.u.vcpucontext = (struct xen_domctl_vcpucontext){ 0, (u64)c };
	REQUIRE(!domctl(XEN_DOMCTL_setvcpucontext), "setvcpucontext");
}

void test_main(void)
{
	volatile u64 *data = (u64 *)(WINDOW + P_DATA * 4096);
	u64 *roots[NROOTS], *old = root(), rounds = test_arg("rounds", 300), was, refused = 0;

	REQUIRE(ring1_mode, "not in ring 1: give ring1=1");
	events_mask();
	make_tables(WINDOW);
	for (unsigned int i = 0; i < NROOTS; i++) {
		roots[i] = alloc_page();
		for (unsigned int j = 0; j < 512; j++)
			roots[i][j] = j >= 256 && j < 272 ? 0 : old[j];
		REQUIRE(!set_ro(roots[i]) && !pin(4, roots[i]), "root %u", i);
	}
	make_domain(roots);
	REQUIRE(!plain(XEN_DOMCTL_unpausedomain), "unpausedomain");
	for (u64 n = 0; n < rounds; n++) {
		for (unsigned int i = 0; i < NROOTS; i++)	/* all on offer here, one in force */
			CHECK_EQ(ring1_switch(va_to_mfn(roots[(i + n) % NROOTS])), 0);
		was = data[D_ROUNDS];
		REQUIRE(wait_for((hc_sched_op(SCHEDOP_yield, NULL), data[D_ROUNDS] > was), 20000),
			"the other domain stands still: stage %ld, %lu rounds", (long)data[D_STAGE], was);
		CHECK(ring1_switch(mfns[P_L4]) < 0 && ring1_switch(mfns[P_L4B]) < 0, "its root was loaded here");
		if (!CHECK_EQ(data[D_BAD], 0))
			break;
		CHECK(data[D_REFUSED] > refused, "it was not refused");
		refused = data[D_REFUSED];
	}
	printk("  %lu rounds of the other domain, refused %lu times\n", data[D_ROUNDS], data[D_REFUSED]);
	CHECK_EQ(data[D_STAGE], 1);
	CHECK_EQ(ring1_switch(va_to_mfn(old)), 0);
	CHECK_EQ(map_foreign(WINDOW + P_DATA * 4096, 0, 0), 0);
	REQUIRE(!plain(XEN_DOMCTL_destroydomain), "destroydomain");
}
