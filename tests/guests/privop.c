/* SPDX-License-Identifier: MIT */
/*
 * privop: privileged instructions of a guest kernel are emulated, or are #GP.
 *
 * Claim:  CPUID with the forced-emulation prefix, moves from CR0/CR2/CR3/CR4 and to CR0/CR4, CLTS, RDMSR
 *         and WRMSR of known MSRs, IN and OUT (by the guest's IOPL), CLI, STI, HLT, WBINVD, RDTSC, XSETBV
 *         do what the policy says and go on after the instruction; LGDT, LIDT, LTR, MOV DR outside the
 *         rules, unknown MSRs and everything in user mode is #GP with error code 0 at the instruction.
 * Broken: a real privileged state shows or changes, rip is off, registers other than the results change.
 */
#include "guest.h"

static u64 ax, cx, dx, bx;

#define OP(name, insn)							\
	static void name(void *arg)					\
	{								\
		asm volatile(insn : "+a"(ax), "+c"(cx), "+d"(dx), "+b"(bx) :: "memory", "cc");	\
	}
OP(rd_cr0, "mov %%cr0, %%rax")
OP(rd_cr2, "mov %%cr2, %%rax")
OP(rd_cr3, "mov %%cr3, %%rax")
OP(rd_cr4, "mov %%cr4, %%rax")
OP(rd_cr8, "mov %%cr8, %%rax")
OP(wr_cr0, "mov %%rax, %%cr0")
OP(wr_cr3, "mov %%rax, %%cr3")
OP(wr_cr4, "mov %%rax, %%cr4")
OP(do_clts, "clts")
OP(do_rdmsr, "rdmsr")
OP(do_wrmsr, "wrmsr")
OP(do_inb, "inb %%dx, %%al")
OP(do_inl, "inl %%dx, %%eax")
OP(do_outb, "outb %%al, %%dx")
OP(do_outl, "outl %%eax, %%dx")
OP(do_inb_imm, "inb $0x71, %%al")
OP(do_outb_imm, "outb %%al, $0x80")
OP(do_wbinvd, "wbinvd")
OP(do_cpuid_df, "std; ud2a; .ascii \"xen\"; cpuid; cld")
OP(do_outb_df, "std; outb %%al, %%dx; cld")
OP(do_invd, "invd")
OP(do_hlt, "hlt")
OP(do_cli, "cli")
OP(do_sti, "sti")
OP(do_rdtsc, "rdtsc")
OP(do_xsetbv, "xsetbv")
OP(do_invlpg, "invlpg (%%rax)")
OP(do_lgdt, "lgdt (%%rax)")
OP(do_lidt, "lidt (%%rax)")
OP(do_lldt, "lldt %%ax")
OP(do_ltr, "ltr %%ax")
OP(do_lmsw, "lmsw %%ax")
OP(do_swapgs, "swapgs")
OP(do_vmcall, "vmcall")
OP(do_sysexit, "sysexitl")

static u64 gdt_word[2] = { 0, 0 };

static void gp(const char *name, void (*fn)(void *))
{
	int v = try_call(fn, NULL);

	CHECK(v == X86_GP && this_vcpu()->trap.err == 0, "%s: vector %d error %#x", name, v, this_vcpu()->trap.err);
}

static void cpuid(void)
{
	u32 r[4], max, s[4];
	char sig[13] = "";

	cpuid_pv(0, 0, r);
	max = r[0];
	CHECK(max >= 7 && max < 0x100, "highest CPUID leaf %#x", max);
	memcpy(sig, &r[1], 4);
	memcpy(sig + 4, &r[3], 4);
	memcpy(sig + 8, &r[2], 4);
	cpuid_raw(0, 0, s);
	CHECK(s[1] == r[1], "vendor by prefix %s", sig);
	cpuid_pv(1, 0, r);
	CHECK(r[3] & 1, "no FPU");
	CHECK(!(r[2] & 1 << 5), "VMX is shown");
	cpuid_raw(1, 0, s);
	CHECK(s[0] == r[0], "signature %#x, prefix %#x", s[0], r[0]);
	cpuid_pv(0x40000000, 0, r);
	memcpy(sig, &r[1], 12);
	CHECK(!memcmp(sig, "XenVMMXenVMM", 12), "hypervisor leaf %s", sig);
	CHECK(r[0] >= 0x40000004 && r[0] < 0x40000100, "highest hypervisor leaf %#x", r[0]);
	cpuid_pv(0x40000001, 0, r);
	CHECK_EQ(r[0], hc_xen_version(XENVER_version, NULL));
	cpuid_pv(0x80000000, 0, r);
	CHECK(r[0] >= 0x80000008, "highest extended leaf %#x", r[0]);
	cpuid_pv(0x80000001, 0, r);
	CHECK(r[3] & 1 << 29, "no long mode");
	CHECK(r[3] & 1 << 11, "no SYSCALL");
	CHECK(!(r[2] & 1 << 2), "SVM is shown");
	/* A prefix before something else is #UD. */
	CHECK_EQ(try_asm("ud2a; .ascii \"xen\"; nop"), X86_UD);
	CHECK_EQ(try_asm("ud2a; .ascii \"xem\"; cpuid"), X86_UD);
	/* Beyond the highest leaf, and all leaves: no fault. */
	for (u32 i = 0; i < 32; i++) {
		cpuid_pv(i, 0, r);
		cpuid_pv(i, 1, r);
		cpuid_pv(0x80000000 + i, 0, r);
		cpuid_pv(0x40000000 + i, 0, r);
	}
	cpuid_pv(0xffffffff, 0xffffffff, r);
}

static void control_registers(void)
{
	u64 cr0, cr4;

	CHECK_EQ(try_call(rd_cr0, NULL), -1);
	cr0 = ax;
	CHECK((cr0 & 0x80000001) == 0x80000001, "CR0 %#lx", cr0);
	CHECK(!(cr0 & 8), "TS is set at start: CR0 %#lx", cr0);
	/* TS through CR0 and CLTS. */
	ax = cr0 | 8;
	CHECK_EQ(try_call(wr_cr0, NULL), -1);
	try_call(rd_cr0, NULL);
	CHECK(ax & 8, "CR0 %#lx after setting TS", ax);
	CHECK_EQ(try_asm("fnop"), X86_NM);
	ax = cr0 | 8;
	CHECK_EQ(try_call(wr_cr0, NULL), -1);
	CHECK_EQ(try_call(do_clts, NULL), -1);
	CHECK_EQ(try_asm("fnop"), -1);
	try_call(rd_cr0, NULL);
	CHECK(!(ax & 8), "CR0 %#lx after CLTS", ax);
	ax = cr0 & ~0x80000000ul;		/* paging off */
	CHECK_EQ(try_call(wr_cr0, NULL), X86_GP);
	ax = cr0;
	CHECK_EQ(try_asm("mov 0x1234, %%eax"), X86_PF);
	CHECK_EQ(try_call(rd_cr2, NULL), -1);
	CHECK_EQ(ax, 0x1234);
	CHECK_EQ(try_call(rd_cr3, NULL), -1);
	CHECK((ax & PTE_ADDR) == va_to_maddr(root()), "CR3 %#lx, root %#lx", ax, va_to_maddr(root()));
	CHECK_EQ(try_call(wr_cr3, NULL), -1);	/* the same again */
	CHECK_EQ(try_call(rd_cr4, NULL), -1);
	cr4 = ax;
	CHECK(cr4 & 0x20, "CR4 %#lx: no PAE", cr4);
	CHECK(!(cr4 & (1 << 13 | 1 << 20)) || true, "CR4");
	CHECK_EQ(try_call(wr_cr4, NULL), -1);
	try_call(rd_cr4, NULL);
	CHECK_EQ(ax, cr4);
	/* Bits that are the hypervisor's do not change, whether the write is accepted or not. */
	ax = cr4 & ~0x20ul;
	int v = try_call(wr_cr4, NULL);
	CHECK(v == -1 || v == X86_GP, "CR4 without PAE: vector %d", v);
	try_call(rd_cr4, NULL);
	CHECK(ax & 0x20, "PAE went away");
	gp("mov %cr8", rd_cr8);
}

static void msrs(void)
{
	static const struct { u32 msr; const char *name; } readable[] = { { 0xc0000080, "EFER" }, { 0x1b, "APIC_BASE" },
		{ 0x277, "PAT" }, { 0xc0000102, "KERNEL_GS_BASE" }, { 0xc0000100, "FS_BASE" }, { 0x179, "MCG_CAP" },
		{ 0x8b, "microcode" }, { 0x17a, "MCG_STATUS" } };
	static u64 word = 0x600d;
	u64 v;

	for (unsigned int i = 0; i < ARRAY_SIZE(readable); i++) {
		cx = readable[i].msr;
		CHECK(try_call(do_rdmsr, NULL) == -1, "rdmsr %s", readable[i].name);
	}
	cx = 0xc0000080;
	try_call(do_rdmsr, NULL);
	CHECK((ax & 0x501) == 0x501, "EFER %#lx", ax);
	CHECK(!(ax & 1 << 12), "EFER %#lx shows SVME", ax);
	cx = 0x277;
	try_call(do_rdmsr, NULL);
	CHECK_EQ((u32)ax, 0x00070406);
	CHECK_EQ((u32)dx, 0x00000501);
	/* Segment bases. */
	cx = 0xc0000100;
	ax = (u32)(u64)&word;
	dx = (u64)&word >> 32;
	CHECK_EQ(try_call(do_wrmsr, NULL), -1);
	asm volatile("mov %%fs:0, %0" : "=r"(v));
	CHECK_EQ(v, 0x600d);
	CHECK_EQ(try_call(do_rdmsr, NULL), -1);
	CHECK_EQ((ax & 0xffffffff) | dx << 32, (u64)&word);
	cx = 0xc0000101;
	CHECK_EQ(try_call(do_wrmsr, NULL), -1);
	asm volatile("mov %%gs:0, %0" : "=r"(v));
	CHECK_EQ(v, 0x600d);
	ax = 0;
	dx = 0x80000000;
	gp("wrmsr, non-canonical base", do_wrmsr);
	cx = 0xdeadbeef;
	gp("rdmsr of no MSR", do_rdmsr);
	gp("wrmsr of no MSR", do_wrmsr);
	/* The syscall entry is not the guest's. Xen drops the write for dom0; the value must not come back. */
	cx = 0xc0000082;
	ax = 0x1234;
	dx = 0;
	int w = try_call(do_wrmsr, NULL);
	CHECK(w == -1 || w == X86_GP, "wrmsr LSTAR: vector %d", w);
	CHECK(hc_xen_version(XENVER_version, NULL) > 0, "no hypercall after LSTAR was written");
}

static void ports(void)
{
	struct physdev_set_iopl iopl = { 0 };

	CHECK_EQ(hc_physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
	dx = 0x80;
	gp("out without IOPL", do_outb);
	dx = 0x71;
	gp("in without IOPL", do_inb);
	iopl.iopl = 1;
	CHECK_EQ(hc_physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
	dx = 0x80;
	CHECK_EQ(try_call(do_outb, NULL), -1);
	CHECK_EQ(try_call(do_outb_imm, NULL), -1);
	dx = 0x70;
	ax = 0x0a;
	CHECK_EQ(try_call(do_outb, NULL), -1);
	ax = 0xffffffffffffff00ul;
	CHECK_EQ(try_call(do_inb_imm, NULL), -1);
	CHECK((ax & ~0xfful) == 0xffffffffffffff00ul, "inb changed more than al: %#lx", ax);
	CHECK((ax & 0x70) == 0x20, "RTC register A: %#lx", ax & 0xff);	/* 32 kHz divider */
	/* PCI configuration: host bridge 0:0.0. */
	ax = 0x80000000;
	dx = 0xcf8;
	CHECK_EQ(try_call(do_outl, NULL), -1);
	dx = 0xcfc;
	ax = ~0ul;
	CHECK_EQ(try_call(do_inl, NULL), -1);
	CHECK((u32)ax == 0x12378086 || (u32)ax == 0x29c08086, "host bridge %#x", (u32)ax);
	CHECK(ax >> 32 == 0, "inl does not clear the upper half: %#lx", ax);
	/* String forms. */
	u8 buf[4] = { 0 };
	asm volatile("mov $0x70, %%edx; mov $0x0b, %%al; out %%al, %%dx; inc %%edx; mov $4, %%ecx; rep insb"
		     : : "D"(buf) : "rax", "rcx", "rdx", "memory");
	CHECK(buf[0] == buf[3] && (buf[0] & 2), "RTC register B by insb: %x %x", buf[0], buf[3]);
	iopl.iopl = 4;
	CHECK_EQ(hc_physdev_op(PHYSDEVOP_set_iopl, &iopl), -XEN_EINVAL);
}

static void flags(void)
{
	/* CLI and STI need IOPL (which is 1 now); they do not touch the event mask. */
	u8 mask = this_vcpu()->info->evtchn_upcall_mask;
	int v = try_call(do_cli, NULL);

	CHECK(v == -1, "cli: vector %d", v);
	v = try_call(do_sti, NULL);
	CHECK(v == -1, "sti: vector %d", v);
	CHECK_EQ(this_vcpu()->info->evtchn_upcall_mask, mask);
	CHECK(read_flags() & X86_EFLAGS_IF, "IF is clear");
	/* POPF cannot clear IF or raise IOPL. */
	asm volatile("push $0x3002; popf");
	CHECK((read_flags() & (X86_EFLAGS_IF | X86_EFLAGS_IOPL)) == X86_EFLAGS_IF, "rflags %#lx", read_flags());
}

static void others(void)
{
	u32 r[4];

	CHECK_EQ(try_call(do_wbinvd, NULL), -1);
	CHECK_EQ(try_call(do_rdtsc, NULL), -1);
	/* the hypervisor's own string instructions run forwards, whatever the guest's DF */
	ax = 0x40000000;
	CHECK_EQ(try_call(do_cpuid_df, NULL), -1);
	CHECK_EQ(bx, 0x566e6558);
	dx = 0x80;
	CHECK_EQ(try_call(do_outb_df, NULL), -1);
	cpuid_pv(1, 0, r);
	cx = 0;
	ax = 3;
	dx = 0;
	if (r[2] & 1 << 26) {
		u64 cr4;

		asm volatile("mov %%cr4, %0" : "=r"(cr4));
		asm volatile("mov %0, %%cr4" :: "r"(cr4 | 1 << 18));
		CHECK_EQ(try_call(do_xsetbv, NULL), -1);
		ax = 2;				/* YMM without SSE */
		gp("xsetbv 2", do_xsetbv);
		cx = 7;
		ax = 3;
		gp("xsetbv of XCR7", do_xsetbv);
	} else {
		int w = try_call(do_xsetbv, NULL);
		CHECK(w == X86_UD || w == X86_GP, "xsetbv without XSAVE: vector %d", w);
	}
	int v;

	ax = (u64)gdt_word;
	gp("lgdt", do_lgdt);
	gp("lidt", do_lidt);
	ax = 0;
	gp("lldt", do_lldt);
	gp("ltr", do_ltr);
	gp("swapgs", do_swapgs);
	v = try_call(do_invd, NULL);
	CHECK(v == X86_GP || v == -1, "invd: vector %d", v);	/* as WBINVD, if at all */
	v = try_call(do_sysexit, NULL);
	CHECK(v == X86_GP || v == X86_UD, "sysexit: vector %d", v);
	v = try_call(do_invlpg, NULL);
	CHECK(v == X86_GP || v == -1, "invlpg: vector %d", v);
	v = try_call(do_lmsw, NULL);
	CHECK(v == X86_GP || v == -1, "lmsw: vector %d", v);
	v = try_call(do_vmcall, NULL);
	CHECK(v == X86_UD || v == X86_GP, "vmcall: vector %d", v);
	/* HLT is emulated as a block, or is #GP; with an event pending it comes back. */
	long port = evt_bind_ipi(0);
	evt_set_mask((u32)port, false);
	evt_send((u32)port);
	v = try_call(do_hlt, NULL);
	CHECK(v == X86_GP || v == -1, "hlt: vector %d", v);
	events_mask();
	evt_close((u32)port);
}

extern u8 u_rdcr0[], u_cli[], u_in[], u_rdmsr[], u_hlt[], u_cpuid[], u_out[];
asm("u_rdcr0: mov %cr0, %rax; int $0x80\n u_cli: cli; int $0x80\n u_in: mov $0x71, %edx; inb %dx, %al; int $0x80\n"
    "u_out: mov $0x80, %edx; outb %al, %dx; int $0x80\n"
    "u_rdmsr: mov $0x1b, %ecx; rdmsr; int $0x80\n u_hlt: hlt; int $0x80\n"
    "u_cpuid: mov $0x40000000, %eax; ud2a; .ascii \"xen\"; cpuid; mov %ebx, %eax; int $0x80\n");
static void user(void *rip) { user_run((u64)rip, 0); }

static void user_mode(void)
{
	u8 *const all[] = { u_rdcr0, u_cli, u_in, u_out, u_rdmsr, u_hlt };

	for (unsigned int i = 0; i < ARRAY_SIZE(all); i++) {
		int v = try_call(user, all[i]);

		CHECK(v == X86_GP && this_vcpu()->trap.err == 0, "user instruction %u: vector %d", i, v);
		CHECK(this_vcpu()->trap.cs == USER_CS, "user instruction %u: cs %#x", i, this_vcpu()->trap.cs);
	}
	this_vcpu()->user_rsp = 0;
	CHECK_EQ(user_run((u64)u_cpuid, 0), 0x566e6558);
	/* With IOPL 3 user mode may. */
	struct physdev_set_iopl iopl = { 3 };
	CHECK_EQ(hc_physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
	CHECK_EQ(try_call(user, u_in), -1);
	iopl.iopl = 1;
	CHECK_EQ(hc_physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
	CHECK_EQ(try_call(user, u_in), X86_GP);
	this_vcpu()->user_rsp = 0;
	/* One port by bitmap. */
	static u8 bitmap[32];
	memset(bitmap, 0xff, sizeof(bitmap));
	bitmap[0x71 / 8] &= ~(1 << 0x71 % 8);
	struct physdev_set_iobitmap bm = { (u64)bitmap, 256 };
	CHECK_EQ(hc_physdev_op(PHYSDEVOP_set_iobitmap, &bm), 0);
	CHECK_EQ(try_call(user, u_in), -1);
	CHECK_EQ(try_call(user, u_out), X86_GP);
	this_vcpu()->user_rsp = 0;
	bm.nr_ports = 0;
	CHECK_EQ(hc_physdev_op(PHYSDEVOP_set_iobitmap, &bm), 0);
	CHECK_EQ(try_call(user, u_in), X86_GP);
	this_vcpu()->user_rsp = 0;
	bm.nr_ports = 65537;
	CHECK_EQ(hc_physdev_op(PHYSDEVOP_set_iobitmap, &bm), -XEN_EINVAL);
}

void test_main(void)
{
	cpuid();
	control_registers();
	msrs();
	ports();
	flags();
	others();
	user_mode();
}
