/* SPDX-License-Identifier: MIT */
/*
 * The rest of the machine on the host: vcpu state, ports, MSRs, CPUID, interrupts, roots.
 *
 * Job:    the smallest honest answers; a test that cares defines its own function of the same name
 *         (the linker takes the test's).
 * Tests:  tests/host/test_privop.c, test_vcpu_op.c ...
 */
#include "host.h"
#include <hv/irq.h>
#include <hv/pv.h>

unsigned int nr_gsis = 24;

int arch_vcpu_create(struct vcpu *v)
{
	v->arch = hv_alloc(64);
	return v->arch ? 0 : -ENOMEM;
}

void arch_vcpu_destroy(struct vcpu *v)
{
	hv_free(v->arch);
	v->arch = NULL;
}

void arch_load_root(struct vcpu *v, bool user)
{
	host_log.loads++;
}

cpumask_t arch_root_changed(mfn_t root)
{
	return 0;
}

unsigned int arch_audit(void)
{
	return 0;
}

void arch_load_gdt(struct vcpu *v)
{
}

void arch_load_ldt(struct vcpu *v)
{
}

void arch_set_segment_base(struct vcpu *v, unsigned int which, u64 base)
{
	*(which == 0 ? &v->pv.fs_base : which == 1 ? &v->pv.gs_base_user : &v->pv.gs_base_kernel) = base;
}

u64 arch_get_segment_base(struct vcpu *v, unsigned int which)
{
	return which == 0 ? v->pv.fs_base : which == 1 ? v->pv.gs_base_user : v->pv.gs_base_kernel;
}

void arch_load_user_gs_sel(unsigned int sel)
{
}

void arch_set_debugreg(struct vcpu *v, unsigned int reg, u64 val)
{
	v->pv.dr[reg] = val;
}

void arch_set_ts(struct vcpu *v, bool set)
{
	v->pv.ts = set;
}

void arch_set_tsc_aux(struct vcpu *v, u32 val)
{
	v->pv.tsc_aux = val;
}

int arch_set_xcr0(struct vcpu *v, u64 xcr0)
{
	return (xcr0 & 1) && !(xcr0 & ~7UL) ? 0 : -EINVAL;
}

void arch_toggle_guest_mode(struct vcpu *v)
{
	v->pv.in_kernel = !v->pv.in_kernel;
}

const char *arch_ring1_refused(void)
{
	return "not on the host";
}

void arch_load_entries(struct vcpu *v)
{
}

void arch_fill_hypercall_page(void *page)
{
	memset(page, 0xcc, PAGE_SIZE);
}

struct cpuid_leaf arch_cpuid(u32 leaf, u32 sub)
{
	return (struct cpuid_leaf){ 0 };
}

int arch_rdmsr_safe(u32 msr, u64 *val)
{
	*val = 0;
	return -EFAULT;
}

int arch_wrmsr_safe(u32 msr, u64 val)
{
	return -EFAULT;
}

u32 arch_io_read(u16 port, unsigned int size)
{
	return size == 4 ? ~0U : BIT(size * 8) - 1;
}

void arch_io_write(u16 port, unsigned int size, u32 val)
{
}

bool arch_port_is_ours(u16 port)
{
	return port >= 0x3f8 && port <= 0x3ff;
}

bool arch_tsc_stable(void)
{
	return true;
}

void arch_console_putc(char c)
{
}

/* --- pv.h's seam to x86 --- */

void fill_hv_slots(u64 *l4)
{
	for (unsigned int i = HV_L4_FIRST; i <= HV_L4_LAST; i++)
		l4[i] = 0;
}

u64 root_to_cr3(struct vcpu *v, mfn_t root, bool user)
{
	return mfn_x(root) << PAGE_SHIFT;
}

/* --- irq.h: the machine side --- */

int irq_setup_gsi(u32 gsi, bool level, bool active_low)
{
	return gsi < nr_gsis ? 0 : -EINVAL;
}

int irq_bind_pirq(struct pirq *p, bool will_share)
{
	return p->irq < 0 ? -ENXIO : 0;
}

void irq_unbind_pirq(struct pirq *p)
{
}

void irq_guest_eoi(struct pirq *p)
{
}

int irq_alloc_msi(const struct msi_request *req)
{
	static int next;

	return nr_gsis + next++;
}

void irq_free_msi(int irq)
{
}

int irq_msi_prepare(u16 seg, u8 bus, u8 devfn, bool release)
{
	return 0;
}

int irq_msi_restore(u16 seg, u8 bus, u8 devfn)
{
	return 0;
}

int ioapic_guest_read(u64 base, u32 reg, u32 *val)
{
	*val = 0;
	return base == 0xfec00000 ? 0 : -EINVAL;
}

void irq_set_affinity_vcpu(struct pirq *p, unsigned int cpu)
{
}

void irq_dump(void)
{
}

u32 pci_conf_read(u16 seg, u8 bus, u8 devfn, u8 reg, unsigned int size)
{
	return ~0U;
}

void pci_conf_write(u16 seg, u8 bus, u8 devfn, u8 reg, unsigned int size, u32 val)
{
}

bool pci_mmcfg_known(u64 base, u16 seg, u8 start_bus, u8 end_bus)
{
	return false;
}

/* --- what domains, vcpu_op and platform_op ask of the machine --- */

bool opt_noreboot;
u32 cpu_apicid[NR_CPUS], cpu_acpi_id[NR_CPUS];

void arch_get_fpu(struct vcpu *v, void *fxsave_image)
{
	memset(fxsave_image, 0, 512);
}

void arch_set_fpu(struct vcpu *v, const void *fxsave_image)
{
}

void show_guest_crash(struct vcpu *v, const struct cpu_user_regs *r)
{
}

int arch_acpi_enter_sleep(u32 pm1a, u32 pm1b, unsigned int state)
{
	return state == 5 ? 0 : -EOPNOTSUPP;
}

mfn_t arch_m2p_frame(u64 n)
{
	return _mfn(n + 1);
}

size_t console_input_read(char *dst, size_t len)
{
	return 0;
}

void debug_key(char key)
{
}
