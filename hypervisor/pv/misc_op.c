/* SPDX-License-Identifier: MIT */
/*
 * Job:    xen_version, console_io (the emergency console), vm_assist, xenpmu_op.
 * State:  hv_cmdline, set by boot/start.c; v->pv.vm_assist (alike in all vcpus of a domain).
 * Tests:  tests/host/test_hypercall.c, tests/guests/hello.c
 */
#include <version.h>
#include <hv/options.h>
#include <hv/pv.h>

char hv_cmdline[1024];

/* What Xen 4.17 shows of itself, so that guests and tools find the ABI they know. */
#define VERSION (4 << 16 | 17)
#define FEATURES (BIT(XENFEAT_pae_pgdir_above_4gb) | BIT(XENFEAT_mmu_pt_update_preserve_ad) | \
		  BIT(XENFEAT_highmem_assist) | BIT(XENFEAT_gnttab_map_avail_bits) | \
		  BIT(XENFEAT_memory_op_vnode_supported) | BIT(XENFEAT_direct_mapped))
static const xen_extraversion_t extraversion = ".7-parapet";
static const xen_capabilities_info_t capabilities = "xen-3.0-x86_64 ";
static const xen_changeset_info_t changeset = "parapet " PARAPET_VERSION;
static const xen_commandline_t denied = "<denied>";
static const struct xen_compile_info compile_info = { .compiler = "gcc " __VERSION__,
						      .compile_by = "parapet" };
static const struct xen_platform_parameters parameters = { .virt_start = HYPERVISOR_VIRT_START };

extern const char _sbuild_id[] __weak, _ebuild_id[] __weak;
#define BUILD_ID_HEAD 16		/* note header and the name "GNU" */

static long build_id(const struct domain *d, gva_t to)
{
	const char *id = _sbuild_id + BUILD_ID_HEAD;
	long len = _ebuild_id - id;
	u32 room;

	if (!d->is_privileged)
		return -EPERM;
	if (len <= 0 || len > 64)
		return -ENODATA;
	if (!gva_x(to))
		return len;
	if (copy_from_guest(&room, to, sizeof(room)))
		return -EFAULT;
	if (room < len)
		return room ? -ENOBUFS : -EINVAL;
	return copy_to_guest(_gva(gva_x(to) + offsetof(struct xen_build_id, buf)), id, (size_t)len) ?: len;
}

HYPERCALL(xen_version)
{
	struct domain *d = current_vcpu()->domain;
	struct xen_feature_info f;
	gva_t arg = _gva(a2);

	switch (a1) {
	case XENVER_version:	/* also the guests' way to say "deliver events now" */
		return VERSION;
	case XENVER_get_features:
		if (copy_from_guest(&f, arg, sizeof(f)))
			return -EFAULT;
		if (f.submap_idx >= XENFEAT_NR_SUBMAPS)
			return -EINVAL;
		f.submap = (u32)(FEATURES | (d->is_hardware ? BIT(XENFEAT_dom0) : 0));
		return copy_to_guest(arg, &f, sizeof(f));
	case XENVER_extraversion:
		return copy_to_guest(arg, extraversion, sizeof(extraversion));
	case XENVER_compile_info:
		return copy_to_guest(arg, &compile_info, sizeof(compile_info));
	case XENVER_capabilities:
		return copy_to_guest(arg, capabilities, sizeof(capabilities));
	case XENVER_changeset:
		return copy_to_guest(arg, changeset, sizeof(changeset));
	case XENVER_platform_parameters:
		return copy_to_guest(arg, &parameters, sizeof(parameters));
	case XENVER_pagesize:
		return PAGE_SIZE;
	case XENVER_guest_handle:
		return copy_to_guest(arg, d->handle, sizeof(d->handle));
	case XENVER_commandline:
		return copy_to_guest(arg, d->is_privileged ? hv_cmdline : denied, sizeof(denied));
	case XENVER_build_id:
		return build_id(d, arg);
	}
	return refuse(-ENOSYS, "xen_version %lu", a1);
}

static long console_out(struct domain *d, u64 count, u64 buf, u64 a4, u64 a5)
{
	char text[256];
	size_t n;

	for (; count; count -= n, buf += n) {
		n = min(count, sizeof(text));
		if (copy_from_guest(text, _gva(buf), n))
			return -EFAULT;
		if (d->is_hardware)
			console_write(text, n);
		else
			guest_log(LOG_DEBUG, "d%u says: %.*s", d->id, (int)n, text);
		if (count > n && hypercall_preempt())
			return hypercall_continue(__HYPERVISOR_console_io, CONSOLEIO_write,
						  count - n, buf + n, a4, a5);
	}
	return 0;
}

static long console_in(u64 count, u64 buf)
{
	char text[128];
	u64 total = 0;
	size_t n;

	while ((n = console_input_read(text, min(count - total, sizeof(text))))) {
		if (copy_to_guest(_gva(buf + total), text, n))
			return -EFAULT;
		total += n;
	}
	return (long)total;
}

/* a1: what, a2: number of bytes, a3: where. Others than dom0 may write when guests are debugged. */
HYPERCALL(console_io)
{
	struct domain *d = current_vcpu()->domain;
	u32 count = (u32)a2;

	if (!d->is_hardware && (a1 != CONSOLEIO_write || guest_log_level < LOG_DEBUG))
		return -EPERM;
	if ((s32)count < 0)
		return -EINVAL;
	if (a1 == CONSOLEIO_write)
		return console_out(d, count, a3, a4, a5);
	if (a1 == CONSOLEIO_read)
		return console_in(count, a3);
	return refuse(-ENOSYS, "console_io %lu", a1);
}

/* a1: enable or disable, a2: which */
HYPERCALL(vm_assist)
{
	struct domain *d = current_vcpu()->domain;
	struct vcpu *v;

	if (a2 >= 64 || !(VM_ASSIST_VALID & BIT(a2)))
		return refuse(-EINVAL, "vm_assist type %lu", a2);
	if (a1 != VMASST_CMD_enable && a1 != VMASST_CMD_disable)
		return -ENOSYS;
	for_each_vcpu(d, v) {
		if (a1 == VMASST_CMD_enable)
			atomic_or(&v->pv.vm_assist, BIT(a2));
		else
			atomic_and(&v->pv.vm_assist, ~BIT(a2));
	}
	return 0;
}

/* No virtual performance counters. */
HYPERCALL(xenpmu_op)
{
	return -EOPNOTSUPP;
}
