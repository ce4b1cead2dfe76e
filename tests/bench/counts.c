/* SPDX-License-Identifier: MIT */
/*
 * counts: a QEMU TCG plugin (API of QEMU 7.2) that counts instructions and costly events per test.
 *
 * Job:   user    virtual addresses below 0x800000000000 (and everything before long mode)
 *        hv      0xffff800000000000 .. 0xffff87ffffffffff, where the PV ABI puts a hypervisor
 *        kernel  the rest above
 *        plus CR3 writes, SYSCALL, IRET and the like. rep string instructions count once a round, as
 *        -icount has it.
 * Enter: marks in the guest's instruction stream, nopl 0x524947NN(%rax,%rax,1), NN = 1 begin, 2 end,
 *        3 start of a run; ubench has them around each batch. Any domain may execute them; they do not nest.
 * Holds: out=FILE gets   reset | sec N insns=.. user=.. kernel=.. hv=.. EVENT=..   between begin and end,
 *        and at exit     total ..
 *        prof=1 adds     at ADDRESS COUNT   after each sec: the hypervisor's instructions by address;
 *        prof=2          all instructions by address (programs of one address are counted together)
 *        entry=ADDR adds entry insns=N      all instructions before the one at ADDR (the hypervisor's
 *                                           physical entry), and
 *                        dom0 insns=N       all before the first in the top 2 GiB (dom0's kernel),
 *                                           and what is between as a section; there QEMU ends
 *        time=1          counts nothing: the line of a section is   sec N cpu_ns=..   , what the vCPU's thread has
 *                        used of the host's CPU time
 *        Exact with one vCPU only.
 * Tests: the ratios that tests/bench/run prints with and without it agree.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The part of QEMU's plugin interface that is used; Debian does not package the header. */
typedef uint64_t qemu_plugin_id_t;
typedef struct qemu_info_t qemu_info_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
typedef void (*tb_trans_cb)(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void (*udata_cb)(unsigned int, void *);
typedef void (*exit_cb)(qemu_plugin_id_t, void *);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, tb_trans_cb);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *, udata_cb,
					    enum qemu_plugin_cb_flags, void *);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *, enum qemu_plugin_op,
						void *, uint64_t);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, exit_cb, void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = 1;

enum {
	USER, KERNEL, HV, MOV_CR3, MOV_CR, MOV_DR, SYSCALL, SYSRET, IRET, INT, INVLPG, INVPCID, WRMSR,
	RDMSR, HLT, IO, CPUID, RDTSC, SWAPGS, WRFSGS, RDFSGS, CLTS, LGDT_LIDT, LLDT, LTR, SEGLOAD,
	XSAVE, STAC_CLAC, VMRUN, VMLOADSAVE, STGI_CLGI, LOCKED, XCHG, REP,
	PUSHPOPF, HYPERCALL, NR
};
static const char *const names[NR] = {
	"user", "kernel", "hv", "mov_cr3", "mov_cr", "mov_dr", "syscall", "sysret", "iret", "int",
	"invlpg", "invpcid", "wrmsr", "rdmsr", "hlt", "io", "cpuid", "rdtsc", "swapgs", "wrfsgs",
	"rdfsgs", "clts", "lgdt_lidt", "lldt", "ltr", "segload", "xsave", "stac_clac", "vmrun",
	"vmloadsave", "stgi_clgi", "locked", "xchg", "rep", "pushpopf", "hypercall"
};

/* Where the hypervisors have their text: ours, and Xen's. */
#define PROF_BASE 0xffff82d000000000ull
#define PROF_SIZE 0x800000u

static uint64_t count[NR], at_begin[NR];
/* Counts by address: open addressing, never emptied. */
#define SPOTS (1u << 21)
static struct spot {
	uint64_t va, n, before;
} *spots;
static unsigned int prof;
static bool time_only;
static uint64_t cpu_at_begin;
static uint64_t hv_entry;
static bool seen_entry, seen_dom0;
static unsigned int section;
static FILE *out;

static int of_group_01(uint8_t m)
{
	if (m >> 6 != 3) {
		switch (m >> 3 & 7) {
		case 7: return INVLPG;
		case 2: case 3: return LGDT_LIDT;
		}
		return -1;
	}
	switch (m) {
	case 0xf8: return SWAPGS;
	case 0xf9: return RDTSC;
	case 0xca: case 0xcb: return STAC_CLAC;
	case 0xd8: return VMRUN;
	case 0xda: case 0xdb: return VMLOADSAVE;
	case 0xdc: case 0xdd: return STGI_CLGI;
	case 0xd1: return XSAVE;
	}
	return -1;
}

static int of_two_bytes(uint8_t op, uint8_t m, int rep, bool rex_r)
{
	unsigned int reg = m >> 3 & 7;

	switch (op) {
	case 0x05: return SYSCALL;
	case 0x07: return SYSRET;
	case 0x06: return CLTS;
	case 0x30: return WRMSR;
	case 0x32: return RDMSR;
	case 0xa2: return CPUID;
	case 0x31: return RDTSC;
	case 0x22: return reg == 3 && !rex_r ? MOV_CR3 : MOV_CR;
	case 0x23: return MOV_DR;
	case 0x00: return reg == 2 ? LLDT : reg == 3 ? LTR : -1;
	case 0x01: return of_group_01(m);
	case 0x38: return m == 0x82 ? INVPCID : -1;
	case 0xae:
		if (rep == 0xf3 && m >> 6 == 3)
			return reg > 3 ? -1 : reg > 1 ? WRFSGS : RDFSGS;
		return m >> 6 != 3 && (reg < 2 || (reg >= 4 && reg <= 6)) ? XSAVE : -1;
	case 0xc7: return m >> 6 != 3 && reg >= 3 && reg <= 5 ? XSAVE : -1;
	case 0xa1: case 0xa9: return SEGLOAD;
	}
	return -1;
}

/* The event of an instruction, -1: none. */
static int classify(const uint8_t *p, size_t n)
{
	bool lock = false, rex_r = false;
	int rep = 0;
	size_t i;

	for (i = 0; i < n && strchr("\xf0\xf2\xf3\x66\x67\x2e\x36\x3e\x26\x64\x65", p[i]) && p[i]; i++) {
		lock |= p[i] == 0xf0;
		if (p[i] == 0xf2 || p[i] == 0xf3)
			rep = p[i];
	}
	if (i < n && (p[i] & 0xf0) == 0x40)
		rex_r = p[i++] & 4;
	if (i >= n)
		return -1;
	if (lock)
		return LOCKED;
	switch (p[i]) {
	case 0xcf: return IRET;
	case 0xcc: case 0xcd: case 0xf1: return INT;
	case 0xf4: return HLT;
	case 0xe4 ... 0xe7: case 0xec ... 0xef: case 0x6c ... 0x6f: return IO;
	case 0x8e: return SEGLOAD;
	case 0x9c: case 0x9d: return PUSHPOPF;
	case 0x86: case 0x87: return i + 1 < n && p[i + 1] >> 6 != 3 ? XCHG : -1;
	case 0xa4: case 0xa5: case 0xaa: case 0xab: return rep ? REP : -1;
	case 0x0f: return i + 1 < n ? of_two_bytes(p[i + 1], i + 2 < n ? p[i + 2] : 0, rep, rex_r) : -1;
	}
	return -1;
}

static void print_line(const char *what, const uint64_t *base)
{
	fprintf(out, "%s insns=%lu", what, count[USER] - base[USER] + count[KERNEL] - base[KERNEL] +
		count[HV] - base[HV]);
	for (int i = 0; i < NR; i++)
		if (count[i] != base[i])
			fprintf(out, " %s=%lu", names[i], count[i] - base[i]);
	fputc('\n', out);
	fflush(out);
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void begin_section(void)
{
	cpu_at_begin = cpu_ns();
	memcpy(at_begin, count, sizeof(count));
	for (size_t i = 0; prof && i < SPOTS; i++)
		spots[i].before = spots[i].n;
}

static void end_section(void)
{
	char text[32];

	if (time_only) {
		fprintf(out, "sec %u cpu_ns=%lu\n", ++section, cpu_ns() - cpu_at_begin);
		return;
	}
	snprintf(text, sizeof(text), "sec %u", ++section);
	print_line(text, at_begin);
	for (size_t i = 0; prof && i < SPOTS; i++)
		if (spots[i].n != spots[i].before)
			fprintf(out, "at %lx %lu\n", spots[i].va, spots[i].n - spots[i].before);
}

static struct spot *spot_of(uint64_t va)
{
	for (size_t i = va * 0x9e3779b97f4a7c15ull >> 43;; i++) {
		struct spot *s = &spots[i % SPOTS];

		if (!s->va)
			s->va = va;
		if (s->va == va)
			return s;
	}
}

static void on_mark(unsigned int cpu, void *arg)
{
	(void)cpu;
	switch ((uintptr_t)arg) {
	case 1:
		begin_section();
		break;
	case 2:
		end_section();
		break;
	case 3:
		section = 0;
		fprintf(out, "reset\n");
	}
}

static void on_boot(unsigned int cpu, void *arg)
{
	bool *seen = arg;

	(void)cpu;
	if (*seen || (seen == &seen_dom0 && !seen_entry))
		return;
	*seen = true;
	fprintf(out, "%s insns=%lu\n", seen == &seen_dom0 ? "dom0" : "entry",
		count[USER] + count[KERNEL] + count[HV]);
	if (seen == &seen_entry) {
		fprintf(out, "reset\n");
		begin_section();
		return;
	}
	end_section();
	fflush(out);
	_exit(0);
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);

	(void)id;
	for (size_t i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		const uint8_t *p = qemu_plugin_insn_data(insn);
		size_t size = qemu_plugin_insn_size(insn);
		uint64_t va = qemu_plugin_insn_vaddr(insn);
		int k = va >> 47 == 0 ? USER : va < 0xffff880000000000ull ? HV : KERNEL;

		if (hv_entry && !seen_entry && va == hv_entry)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_boot, QEMU_PLUGIN_CB_NO_REGS,
							       &seen_entry);
		if (seen_entry && !seen_dom0 && va >= 0xffffffff80000000ull)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_boot, QEMU_PLUGIN_CB_NO_REGS,
							       &seen_dom0);
		if (size == 8 && !memcmp(p, "\x0f\x1f\x84", 4) && !memcmp(p + 5, "GIR", 3) &&
		    p[4] >= 1 && p[4] <= 3)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mark, QEMU_PLUGIN_CB_NO_REGS,
							       (void *)(uintptr_t)p[4]);
		if (time_only)
			continue;
		qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64, &count[k], 1);
		k = classify(p, size);
		if (k == SYSCALL && va >> 47)	/* by a kernel: counted as both */
			qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64,
								   &count[HYPERCALL], 1);
		if (k >= 0)
			qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64,
								   &count[k], 1);
		if (prof > 1 || (prof && va - PROF_BASE < PROF_SIZE))
			qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64,
								   &spot_of(va)->n, 1);
	}
}

static void on_end(qemu_plugin_id_t id, void *arg)
{
	static const uint64_t zero[NR];

	(void)id;
	(void)arg;
	print_line("total", zero);
	fclose(out);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	const char *file = NULL;

	(void)info;
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			file = argv[i] + 4;
		else if (!strncmp(argv[i], "entry=", 6))
			hv_entry = strtoull(argv[i] + 6, NULL, 0);
		else if (!strncmp(argv[i], "prof=", 5))
			prof = atoi(argv[i] + 5);
		else if (!strcmp(argv[i], "time=1"))
			time_only = true;
	}
	if (prof)
		spots = calloc(SPOTS, sizeof(*spots));
	out = file ? fopen(file, "w") : NULL;
	if (!out || (prof && !spots))
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
	qemu_plugin_register_atexit_cb(id, on_end, NULL);
	return 0;
}
