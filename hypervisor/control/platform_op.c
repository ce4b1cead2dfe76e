/* SPDX-License-Identifier: MIT */
/*
 * Job:    platform_op and mca: what the hardware domain asks of the machine. Wall clock, physical
 *         CPUs, firmware facts, sleep states.
 * Holds:  PO1  only the hardware domain gets past the first test.
 * Caveat: power data (C- and P-states) is accepted and not used; CPUs and memory are not
 *         hot-plugged; no MTRR, microcode or EFI run-time calls.
 * Tests:  tests/host/test_hypercall.c, tests/linux
 */
#include <mca.h>
#include <platform.h>
#include <hv/clock.h>
#include <hv/pv.h>
#include <hv/string.h>

static long set_time(u64 secs, u64 nsecs, u64 system_time)
{
	if (nsecs >= 1000000000)
		return -EINVAL;
	clock_set_wallclock(secs, (u32)nsecs, system_time);
	return 0;
}

static long get_cpuinfo(struct xenpf_pcpuinfo *i)
{
	u32 cpu = i->xen_cpuid;

	*i = (struct xenpf_pcpuinfo){ cpu, nr_cpus_present - 1, XEN_PCPU_FLAGS_INVALID, ~0U, ~0U };
	if (cpu >= nr_cpus_present)
		return 0;
	i->flags = cpu_online_map & BIT(cpu) ? XEN_PCPU_FLAGS_ONLINE : 0;
	i->apic_id = cpu_apicid[cpu];
	i->acpi_id = cpu_acpi_id[cpu];
	return 0;
}

static long firmware_info(struct xenpf_firmware_info *f)
{
	switch (f->type) {
	case XEN_FW_DISK_INFO ... XEN_FW_VBEDDC_INFO:
		return -ESRCH;		/* no BIOS calls were made: there is nothing to tell */
	case XEN_FW_KBD_SHIFT_FLAGS:
		f->u.kbd_shift_flags = 0;
		return f->index ? -ESRCH : 0;
	case XEN_FW_EFI_INFO:
		return -ENOSYS;
	}
	return -EINVAL;
}

/* _PDC: what the OS can tell firmware that it does with power states. We do nothing with them. */
static long set_pdc(u64 buf)
{
	u32 pdc[3];

	if (copy_from_guest(pdc, _gva(buf), sizeof(pdc)))
		return -EFAULT;
	if (pdc[0] != 1 || !pdc[1])	/* revision, number of words */
		return -EINVAL;
	pdc[2] = 0;
	return copy_to_guest(_gva(buf), pdc, sizeof(pdc));
}

static long set_pminfo(const struct xenpf_set_processor_pminfo *p)
{
	if (p->type == XEN_PM_PDC)
		return set_pdc(p->u.pdc);
	return p->type == XEN_PM_CX || p->type == XEN_PM_PX ? 0 : -EINVAL;
}

static long enter_sleep(const struct xenpf_enter_acpi_sleep *s)
{
	if (s->flags & ~XENPF_ACPI_SLEEP_EXTENDED)
		return -EINVAL;
	if (s->flags || s->sleep_state != 5)
		return -EOPNOTSUPP;
	return arch_acpi_enter_sleep(s->val_a, s->val_b, s->sleep_state);
}

/* a1: struct xen_platform_op; it goes back whole when the operation succeeds */
HYPERCALL(platform_op)
{
	struct xen_platform_op op;
	long rc;

	if (!current_vcpu()->domain->is_hardware)
		return -EPERM;
	if (copy_from_guest(&op, _gva(a1), sizeof(op)))
		return -EFAULT;
	if (op.interface_version != XENPF_INTERFACE_VERSION)
		return -EACCES;
	switch (op.cmd) {
	case XENPF_settime32:
		return set_time(op.u.settime32.secs, op.u.settime32.nsecs, op.u.settime32.system_time);
	case XENPF_settime64:
		return op.u.settime64.mbz ? -EINVAL :
		       set_time(op.u.settime64.secs, op.u.settime64.nsecs, op.u.settime64.system_time);
	case XENPF_set_processor_pminfo:
		return set_pminfo(&op.u.set_pminfo);
	case XENPF_enter_acpi_sleep:
		return enter_sleep(&op.u.enter_acpi_sleep);
	case XENPF_platform_quirk:
		return 0;
	case XENPF_get_cpuinfo:
		rc = get_cpuinfo(&op.u.pcpu_info);
		break;
	case XENPF_firmware_info:
		rc = firmware_info(&op.u.firmware_info);
		break;
	case XENPF_add_memtype ... XENPF_read_memtype:
	case XENPF_cpu_online ... XENPF_resource_op:
	case XENPF_microcode_update:
	case XENPF_get_cpu_version:
	case XENPF_getidletime:
	case XENPF_change_freq:
		return -EOPNOTSUPP;
	default:
		return refuse(-ENOSYS, "platform_op %u", op.cmd);
	}
	return rc ?: copy_to_guest(_gva(a1), &op, sizeof(op));
}

/* All CPUs are alike but for their numbers, or they were not started. */
static long physcpuinfo(struct xen_mc_physcpuinfo *p)
{
	cpumask_t left = cpu_online_map;
	struct mcinfo_logical_cpu c;
	struct cpuid_leaf l0 = arch_cpuid(0, 0), l1 = arch_cpuid(1, 0), ext = arch_cpuid(0x80000001, 0);
	u32 n, family, model;

	family = (l1.a >> 8) & 15;
	model = ((l1.a >> 4) & 15) + (family == 6 || family == 15 ? (l1.a >> 12) & 0xf0 : 0);
	c = (struct mcinfo_logical_cpu){
		.mc_clusterid = ~0U, .mc_ncores = 1, .mc_ncores_active = 1, .mc_nthreads = 1,
		.mc_cpuid_level = (s32)l0.a, .mc_step = l1.a & 15, .mc_cache_alignment = 64,
		.mc_family = family + (family == 15 ? (l1.a >> 20) & 255 : 0), .mc_model = model,
		.mc_cpu_caps = { [MC_CAPS_STD_EDX] = l1.d, [MC_CAPS_STD_ECX] = l1.c,
				 [MC_CAPS_AMD_EDX] = ext.d, [MC_CAPS_AMD_ECX] = ext.c },
	};
	memcpy(c.mc_vendorid, (u32[]){ l0.b, l0.d, l0.c }, 12);
	for (n = 0; left && (n < p->ncpus || !p->info); left &= left - 1, n++) {
		c.mc_cpunr = (u32)__builtin_ctzl(left);
		c.mc_coreid = (u16)c.mc_cpunr;
		c.mc_apicid = cpu_apicid[c.mc_cpunr];
		if (p->info && copy_to_guest(_gva(p->info + n * sizeof(c)), &c, sizeof(c)))
			return -EFAULT;
	}
	p->ncpus = n;
	return 0;
}

/* a1: struct xen_mc. Machine checks are fatal here, so there never is a record to fetch. */
HYPERCALL(mca)
{
	struct xen_mc op;
	long rc = 0;

	if (!current_vcpu()->domain->is_hardware)
		return -EPERM;
	if (copy_from_guest(&op, _gva(a1), sizeof(op)))
		return -EFAULT;
	if (op.interface_version != XEN_MCA_INTERFACE_VERSION)
		return -EACCES;
	switch (op.cmd) {
	case XEN_MC_fetch:
		op.u.mc_fetch.flags = op.u.mc_fetch.flags & XEN_MC_ACK ? XEN_MC_OK : XEN_MC_NODATA;
		op.u.mc_fetch.fetch_id = 0;
		break;
	case XEN_MC_physcpuinfo:
		rc = physcpuinfo(&op.u.mc_physcpuinfo);
		break;
	default:
		return op.cmd == XEN_MC_notifydomain ? -EINVAL : -ENOSYS;
	}
	return rc ?: copy_to_guest(_gva(a1), &op, sizeof(op));
}
