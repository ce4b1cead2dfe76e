/* SPDX-License-Identifier: MIT */
/*
 * Port I/O of guests.
 *
 * Job:    who may name a port at all (IOPL, I/O bitmap); what a port means: hidden, emulated or
 *         passed to the hardware.
 * Enter:  pv/privop.c.
 * State:  d->cmos_index, d->pci_cf8; v->pv.iopl, iobmp.
 * Locks:  cmos_lock (RANK_LEAF) around an index and data cycle.
 * Holds:  I1  the hypervisor's devices (8259s, PIT channel 0, its UART) are never written.
 *         I2  a domain that owns no devices reads ones and writes nowhere.
 * Tests:  tests/host/test_privop.c, tests/guests/ports.c
 */
#include <hv/debug.h>
#include <hv/errno.h>
#include <hv/irq.h>
#include <hv/pv.h>

static spinlock_t cmos_lock = SPINLOCK_INIT(RANK_LEAF);

/* --- the policy for the hardware domain; ports not named here are passed through --- */

enum port_kind { IO_pass, IO_hide, IO_pit, IO_nmi, IO_cmos, IO_pci_data };
static const struct { u16 first, last; enum port_kind kind; } policy[] = {
	{ 0x20, 0x21, IO_hide },	/* 8259s: reading ones tells a kernel that there are none */
	{ 0x40, 0x43, IO_pit },		/* channel 2 (speaker) only */
	{ 0x61, 0x61, IO_nmi },		/* speaker gate; the NMI enables stay */
	{ 0x70, 0x71, IO_cmos },
	{ 0xa0, 0xa1, IO_hide },
	{ 0x4d0, 0x4d1, IO_hide },	/* trigger modes of the 8259s */
	{ 0xcfc, 0xcff, IO_pci_data },
};

static enum port_kind port_kind(const struct domain *d, u16 port)
{
	unsigned int i;

	if (arch_port_is_ours(port))
		return IO_hide;
	if (!d->ioport_denied || (d->ioport_denied[port >> 3] >> (port & 7)) & 1)
		return IO_hide;
	for (i = 0; i < ARRAY_SIZE(policy); i++)
		if (port >= policy[i].first && port <= policy[i].last)
			return policy[i].kind;
	return IO_pass;
}

static u32 ones(unsigned int size)
{
	return ~0U >> (32 - size * 8);
}

/* --- may the code at regs use the port? --- */

/* The I/O bitmap is in the guest kernel's address space. */
static bool bitmap_allows(struct vcpu *v, u16 port, unsigned int size)
{
	u16 bits = 0xffff;
	bool user = !v->pv.in_kernel;
	int rc;

	if (!v->pv.iobmp || (u32)port + size > v->pv.iobmp_limit)
		return false;
	if (user)
		arch_toggle_guest_mode(v);
	/* two bytes only when the second counts: the bitmap may end with a page */
	rc = copy_from_guest(&bits, _gva(v->pv.iobmp + port / 8), (port & 7) + size > 8 ? 2 : 1);
	if (user)
		arch_toggle_guest_mode(v);
	return !rc && !((bits >> (port & 7)) & (BIT(size) - 1));
}

bool guest_io_allowed(struct vcpu *v, const struct cpu_user_regs *regs, u16 port,
		      unsigned int size)
{
	/* the guest kernel counts as ring 1 */
	return v->pv.iopl >= (v->pv.in_kernel ? 1 : 3) || bitmap_allows(v, port, size);
}

/* --- devices that are shared with the hypervisor --- */

static u32 cmos_read(struct domain *d, u16 port)
{
	u32 val;

	if (port == 0x70)
		return 0xff;		/* write-only */
	spin_lock(&cmos_lock);
	arch_io_write(0x70, 1, d->cmos_index);
	val = arch_io_read(0x71, 1);
	spin_unlock(&cmos_lock);
	return val;
}

static void cmos_write(struct domain *d, u16 port, u8 val)
{
	if (port == 0x70) {
		d->cmos_index = val & 0x7f;	/* bit 7 would disable NMIs */
		return;
	}
	spin_lock(&cmos_lock);
	arch_io_write(0x70, 1, d->cmos_index);
	arch_io_write(0x71, 1, val);
	spin_unlock(&cmos_lock);
}

/* Channel 2, and commands that name it. */
static bool pit_ok(u16 port, u8 val, bool write)
{
	return port == 0x42 || (port == 0x43 && write && val >> 6 == 2);
}

static bool cf8_enabled(u32 cf8)
{
	return cf8 & 0x80000000U;
}

static u32 pci_read(struct domain *d, u16 port, unsigned int size)
{
	u32 a = d->pci_cf8;

	if (!cf8_enabled(a))
		return ones(size);
	return pci_conf_read(0, (u8)(a >> 16), (u8)(a >> 8), (a & 0xfc) | (port & 3), size);
}

static void pci_write(struct domain *d, u16 port, unsigned int size, u32 val)
{
	u32 a = d->pci_cf8;

	if (cf8_enabled(a))
		pci_conf_write(0, (u8)(a >> 16), (u8)(a >> 8), (a & 0xfc) | (port & 3), size, val);
}

/* --- one access --- */

/* Can the whole access go to the hardware at once? (Else it is done byte by byte.) */
static bool all_pass(const struct domain *d, u16 port, unsigned int size)
{
	while (size--)
		if (port_kind(d, (u16)(port + size)) != IO_pass)
			return false;
	return true;
}

static u32 read_byte(struct domain *d, u16 port)
{
	switch (port_kind(d, port)) {
	case IO_pass:
	case IO_nmi:
		return arch_io_read(port, 1);
	case IO_pit:
		return pit_ok(port, 0, false) ? arch_io_read(port, 1) : 0xff;
	case IO_cmos:
		return cmos_read(d, port);
	case IO_pci_data:
		return pci_read(d, port, 1);
	case IO_hide:
		break;
	}
	return 0xff;
}

static void write_byte(struct domain *d, u16 port, u8 val)
{
	switch (port_kind(d, port)) {
	case IO_pass:
		arch_io_write(port, 1, val);
		break;
	case IO_nmi:
		arch_io_write(port, 1, (arch_io_read(port, 1) & 0x0c) | (val & 3));
		break;
	case IO_pit:
		if (pit_ok(port, val, true))
			arch_io_write(port, 1, val);
		break;
	case IO_cmos:
		cmos_write(d, port, val);
		break;
	case IO_pci_data:
		pci_write(d, port, 1, val);
		break;
	case IO_hide:
		break;
	}
}

/* An access to configuration data that does not leave the register. */
static bool is_pci_data(const struct domain *d, u16 port, unsigned int size)
{
	return (port & 0xfffc) == 0xcfc && (port & 3) + size <= 4 &&
	       port_kind(d, port) == IO_pci_data;
}

u32 guest_io_read(struct vcpu *v, u16 port, unsigned int size)
{
	struct domain *d = v->domain;
	u32 val = 0;
	unsigned int i;

	if (!d->is_hardware || (u32)port + size > 0x10000)
		return ones(size);
	if (port == 0xcf8 && size == 4)
		return d->pci_cf8;
	if (is_pci_data(d, port, size))
		return pci_read(d, port, size);
	if (likely(all_pass(d, port, size)))
		return arch_io_read(port, size);
	for (i = 0; i < size; i++)
		val |= read_byte(d, (u16)(port + i)) << (i * 8);
	return val;
}

void guest_io_write(struct vcpu *v, u16 port, unsigned int size, u32 val)
{
	struct domain *d = v->domain;
	unsigned int i;

	if (!d->is_hardware || (u32)port + size > 0x10000)
		return;
	if (port == 0xcf8 && size == 4)
		d->pci_cf8 = val;
	else if (is_pci_data(d, port, size))
		pci_write(d, port, size, val);
	else if (likely(all_pass(d, port, size)))
		arch_io_write(port, size, val);
	else
		for (i = 0; i < size; i++)
			write_byte(d, (u16)(port + i), (u8)(val >> (i * 8)));
}

/*
 * IN, OUT, or one step of INS, OUTS. 0: done, the registers are changed but for rip; -EPERM: #GP;
 * -EFAULT: the destination of INS cannot be written (the port was not read).
 */
int emulate_port_io(struct vcpu *v, struct cpu_user_regs *regs, const struct insn *in)
{
	unsigned int size = min(in->opsize, (u8)4);
	u16 port = in->opcode >= 0xe4 && in->opcode <= 0xe7 ? (u8)in->imm : (u16)regs->rdx;
	u32 val;

	if (!guest_io_allowed(v, regs, port, size))
		return -EPERM;
	if (in->is_string) {
		if ((in->rep || in->repne) && !reg_read(regs, 1, in->addr32 ? 4 : 8, true))
			return 0;
		if (in->opcode >= 0x6e) {
			guest_io_write(v, port, size, (u32)in->imm);
			return 0;
		}
		/* try first: reading a port may take something away */
		if (clear_guest(_gva(in->ea), size))
			return -EFAULT;
		val = guest_io_read(v, port, size);
		return copy_to_guest(_gva(in->ea), &val, size);
	}
	if (in->opcode & 2)
		guest_io_write(v, port, size, (u32)reg_read(regs, 0, size, true));
	else
		reg_write(regs, 0, size, true, guest_io_read(v, port, size));
	return 0;
}
