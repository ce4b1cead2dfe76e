/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer over the instruction decoder and store emulation.
 *
 * Job:    input: 128 bytes of registers, 1 byte of mode, then code at the end of a mapped page.
 *         Checked: lengths, that only bytes of the instruction were used, that refusals and
 *         stores keep their promises.
 * Enter:  tests/fuzz/run decode; by hand: clang -g -O1 -fsanitize=fuzzer,address,undefined
 *         -fno-sanitize=alignment -ffreestanding -Itests/host -Ihypervisor/include -Ipv-abi
 *         tests/fuzz/fuzz_decode.c hypervisor/pv/decode.c
 */
#include <hv/pv.h>
#include <hv/string.h>

#define CODE_PAGE 0x7000UL	/* the page behind it is not mapped */

static u8 page[PAGE_SIZE];
static struct vcpu vcpu;

/* --- the seam, as far as the two files need it --- */

__thread unsigned int host_cpu;
struct vcpu *host_current[NR_CPUS];
u64 host_softirq[NR_CPUS];
char *host_memory;
u64 host_clock_ns;
struct page_info *frame_table;
struct cpu_user_regs host_regs[NR_CPUS];

int copy_from_guest(void *dst, gva_t src, size_t n)
{
	u64 a = gva_x(src);

	if (a >= CODE_PAGE && a < CODE_PAGE + PAGE_SIZE && n <= CODE_PAGE + PAGE_SIZE - a) {
		memcpy(dst, page + (a - CODE_PAGE), n);
		return 0;
	}
	if (a >= HV_VIRT_START && a < HV_VIRT_END && !(a >= M2P_VIRT_START && a < M2P_VIRT_END))
		return -EFAULT;
	if ((a & 1) || a >> PAGE_SHIFT == (CODE_PAGE >> PAGE_SHIFT) + 1)
		return -EFAULT;
	memset(dst, 0xa5, n);		/* other memory: some of it is there */
	return 0;
}

u64 arch_get_segment_base(struct vcpu *v, unsigned int which)
{
	return which == SEGBASE_FS ? v->pv.fs_base : v->pv.gs_base_user;
}

void bounce_trap(struct vcpu *v, struct cpu_user_regs *regs, unsigned int vector, bool has_error,
		 u32 error)
{
}

static void check(bool ok)
{
	if (!ok)
		__builtin_trap();
}

/* Same result when the bytes behind the instruction are others? */
static void check_length(const struct cpu_user_regs *regs, const struct insn *in, unsigned int off)
{
	struct insn again;
	u64 fault;
	unsigned int i;

	for (i = off + in->length; i < PAGE_SIZE; i++)
		page[i] ^= 0xff;
	check(!decode_insn(&vcpu, regs, &again, &fault));
	if (in->is_string)		/* it may have read its source there */
		again.imm = in->imm;
	check(!memcmp(&again, in, sizeof(again)));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct cpu_user_regs regs = { .rflags = 2 }, after;
	u64 fault = 0, old, new = 0;
	unsigned int i, n, off;
	struct insn in;
	int rc;

	if (size < 130)
		return 0;
	for (i = 0; i < 16; i++)
		memcpy(reg_ptr(&regs, i), data + i * 8, 8);
	n = (unsigned int)min(size - 129, (size_t)32);
	off = PAGE_SIZE - n;
	memcpy(page + off, data + 129, n);
	regs.rip = CODE_PAGE + off;
	regs.cs = data[128] & 1 ? GUEST_CS32 : GUEST_CS64;
	if (data[128] & 2)
		regs.rflags |= 0x400;
	vcpu.pv.in_kernel = !(data[128] & 4);
	memcpy(&vcpu.pv.fs_base, data + 8, 8);
	memcpy(&vcpu.pv.gs_base_user, data + 24, 8);
	memcpy(&old, data + 64, 8);

	after = regs;
	rc = decode_insn(&vcpu, &regs, &in, &fault);
	check(!memcmp(&regs, &after, sizeof(regs)));
	check(rc == 0 || rc == -EFAULT || rc == -EINVAL);
	if (rc)
		return 0;
	check(in.length && in.length <= 15 && in.length <= n);
	check(in.opsize == 1 || in.opsize == 2 || in.opsize == 4 || in.opsize == 8);
	check(in.reg < 16 && in.rm < 16);
	check_length(&regs, &in, off);
	rc = emulate_store(&after, &in, old, &new);
	check(rc == -EINVAL || rc == 0);
	if (rc == -EINVAL)
		return 0;
	check(in.is_mem && ((after.rflags ^ regs.rflags) & ~0x108d5UL) == 0);
	check(after.rip == regs.rip || after.rip == regs.rip + in.length);
	if (in.opcode != 0x1c7) {	/* the word's other bytes stay */
		u64 mask = (in.opsize == 8 ? ~0UL : BIT(in.opsize * 8) - 1) << (in.ea & 7) * 8;

		check(!((old ^ new) & ~mask));
	}
	return 0;
}
