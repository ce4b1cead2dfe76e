/* SPDX-License-Identifier: MIT */
/*
 * Job:    port I/O of guests: who may name a port at all (IOPL, I/O bitmap); what a port means:
 *         hidden, emulated or passed to the hardware.
 * Enter:  pv/privop.c.
 * State:  d->cmos_index, d->pci_cf8; v->pv.iopl, iobmp.
 * Locks:  cmos_lock (RANK_LEAF) around an index and data cycle.
 * Holds:  I1  the hypervisor's devices (8259s, PIT channel 0, its UART) are never written.
 *         I2  a domain that owns no devices reads ones and writes nowhere.
 * Tests:  tests/host/test_privop.c, tests/guests/abuse_iopl.c
 */
#include <hv/irq.h>
#include <hv/pv.h>

static spinlock_t cmos_lock = SPINLOCK_INIT(RANK_LEAF);

/* The policy for the hardware domain; ports not named here are passed through. */
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

static enum port_kind port_kind(u16 port)
{
	if (arch_port_is_ours(port))
		return IO_hide;
	for (unsigned int i = 0; i < ARRAY_SIZE(policy); i++)
		if (port >= policy[i].first && port <= policy[i].last)
			return policy[i].kind;
	return IO_pass;
}

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

/* Each of these returns what was read; bits beyond the size do not matter. */
static u32 hw_io(u16 port, unsigned int size, u32 val, bool write)
{
	if (!write)
		return arch_io_read(port, size);
	arch_io_write(port, size, val);
	return 0;
}

static u32 cmos_io(struct domain *d, u16 port, u32 val, bool write)
{
	if (port == 0x70) {
		if (write)
			d->cmos_index = val & 0x7f;	/* bit 7 would disable NMIs */
		return 0xff;				/* write-only */
	}
	spin_lock(&cmos_lock);
	arch_io_write(0x70, 1, d->cmos_index);
	val = hw_io(0x71, 1, val, write);
	spin_unlock(&cmos_lock);
	return val;
}

static u32 pci_io(const struct domain *d, u16 port, unsigned int size, u32 val, bool write)
{
	u32 a = d->pci_cf8;
	u16 reg = (a & 0xfc) | (port & 3);

	if (!(a & BIT(31)))
		return ~0U;
	if (!write)
		return pci_conf_read(0, (u8)(a >> 16), (u8)(a >> 8), reg, size);
	pci_conf_write(0, (u8)(a >> 16), (u8)(a >> 8), reg, size, val);
	return 0;
}

static u8 byte_io(struct domain *d, u16 port, u8 val, bool write)
{
	switch (port_kind(port)) {
	case IO_hide:
		return 0xff;
	case IO_cmos:
		return cmos_io(d, port, val, write);
	case IO_pci_data:
		return pci_io(d, port, 1, val, write);
	case IO_pit:			/* channel 2, and commands that name it */
		if (port != 0x42 && (port != 0x43 || !write || val >> 6 != 2))
			return 0xff;
		break;
	case IO_nmi:
		if (write)
			val = (arch_io_read(port, 1) & 0x0c) | (val & 3);
		break;
	case IO_pass:
		break;
	}
	return hw_io(port, 1, val, write);
}

static u32 port_io(struct domain *d, u16 port, unsigned int size, u32 val, bool write)
{
	bool pass = true;
	u32 i, res = 0;

	if (!d->is_hardware || (u32)port + size > 0x10000)
		return ~0U;
	if (port == 0xcf8 && size == 4) {
		if (write)
			d->pci_cf8 = val;
		return d->pci_cf8;
	}
	/* configuration data, if the access does not leave the register */
	if ((port & 0xfffc) == 0xcfc && (port & 3) + size <= 4 && port_kind(port) == IO_pci_data)
		return pci_io(d, port, size, val, write);
	for (i = 0; i < size; i++)
		pass &= port_kind((u16)(port + i)) == IO_pass;
	if (likely(pass))
		return hw_io(port, size, val, write);
	for (i = 0; i < size; i++)
		res |= (u32)byte_io(d, (u16)(port + i), (u8)(val >> (i * 8)), write) << (i * 8);
	return res;
}

int emulate_port_io(struct vcpu *v, struct cpu_user_regs *regs, const struct insn *in)
{
	u16 port = in->opcode >= 0xe4 && in->opcode <= 0xe7 ? (u8)in->imm : (u16)regs->rdx;
	bool write = in->opcode & 2;
	u32 val = (u32)(in->is_string ? in->imm : reg_read(regs, 0, in->opsize, true));

	/* the guest kernel counts as ring 1 */
	if (v->pv.iopl < (v->pv.in_kernel ? 1 : 3) && !bitmap_allows(v, port, in->opsize))
		return -EPERM;
	if (in->rep_over)
		return 0;
	/* INS: try first, for reading a port may take something away */
	if (in->is_string && !write && clear_guest(_gva(in->ea), in->opsize))
		return -EFAULT;
	val = port_io(v->domain, port, in->opsize, val, write);
	if (write)
		return 0;
	if (in->is_string)
		return copy_to_guest(_gva(in->ea), &val, in->opsize);
	reg_write(regs, 0, in->opsize, true, val);
	return 0;
}
