/* SPDX-License-Identifier: MIT */
/*
 * pv/hypercall.c: the table, continuations, multicalls; misc_op.c, grant set-up, platform_op.
 */
#include "world.h"
#include <hv/grant.h>
#include <hv/options.h>
#include <pv-abi/grant_table.h>
#include <pv-abi/platform.h>
#include <pv-abi/sysctl.h>
#include <pv-abi/version.h>
#include <pv-abi/xen.h>

static struct domain *d, *dom1;

static void begin(void)
{
	world_begin(4096, 1);
	d = world_domain(0, 2);
	dom1 = world_domain(1, 1);
	world_run(d->vcpu[0]);
}

static void table(void **state)
{
	for (unsigned int i = 0; i < NR_HYPERCALLS; i++)
		assert_non_null(hypercall_table[i]);
	assert_int_equal(hypercall_table[63](0, 0, 0, 0, 0, 0), -ENOSYS);
	assert_ptr_equal(hypercall_table[__HYPERVISOR_multicall], do_multicall);
	assert_ptr_equal(hypercall_table[__HYPERVISOR_arch_0], do_mca);
}

static void continuation_rewrites_the_frame(void **state)
{
	struct cpu_user_regs *r = guest_regs();

	begin();
	r->rip = 0x5002;
	assert_int_equal(hypercall_continue(7, 1, 2, 3, 4, 5), -ERESTART);
	assert_int_equal(r->rip, 0x5000);
	assert_int_equal(r->rax, 7);
	assert_int_equal(r->rdi, 1);
	assert_int_equal(r->rsi, 2);
	assert_int_equal(r->rdx, 3);
	assert_int_equal(r->r10, 4);
	assert_int_equal(r->r8, 5);
	world_end();
}

static struct multicall_entry *entries(u64 g)
{
	return host_arg_ptr(g);
}

static void multicall_results(void **state)
{
	u64 g;

	begin();
	g = host_arg(NULL, 20 * sizeof(struct multicall_entry));
	for (int i = 0; i < 20; i++)
		entries(g)[i] = (struct multicall_entry){ .op = __HYPERVISOR_xen_version,
							  .args = { XENVER_pagesize } };
	entries(g)[3].op = 1000;
	entries(g)[9].op = __HYPERVISOR_multicall;
	entries(g)[17].op = __HYPERVISOR_iret;
	entries(g)[18].args[0] = XENVER_version;
	assert_int_equal(do_multicall(g, 20, 0, 0, 0, 0), 0);
	for (int i = 0; i < 20; i++)
		assert_int_equal(entries(g)[i].result, i == 3 ? (u64)-ENOSYS :
				 i == 9 || i == 17 ? (u64)-EINVAL : i == 18 ? 4 << 16 | 17 : 4096);
	assert_false(d->vcpu[0]->mc.active);
	assert_int_equal(do_multicall(0x1000, 1, 0, 0, 0, 0), -EFAULT);
	assert_false(d->vcpu[0]->mc.active);
	host_copy_fail_after(2);
	assert_int_equal(do_multicall(g, 1, 0, 0, 0, 0), -EFAULT);
	assert_false(d->vcpu[0]->mc.active);
	assert_int_equal(do_multicall(g, 0, 0, 0, 0, 0), 0);
	world_end();
}

/* A list that is interrupted again and again, within an entry and between entries. */
static void multicall_goes_on(void **state)
{
	struct cpu_user_regs *r = guest_regs();
	u64 g, text;
	unsigned int n = 0;
	long rc;

	begin();
	text = host_arg(NULL, 4000);
	memset(host_arg_ptr(text), 'x', 4000);
	g = host_arg(NULL, 20 * sizeof(struct multicall_entry));
	for (int i = 0; i < 20; i++)
		entries(g)[i] = (struct multicall_entry){
			.op = __HYPERVISOR_console_io, .result = 77,
			.args = { CONSOLEIO_write, i == 9 ? 1500 : 10, text } };
	*softirq_pending(0) = BIT(SOFTIRQ_KEY);
	r->rdi = g;
	r->rsi = 20;
	do {
		rc = do_multicall(r->rdi, r->rsi, 33, 44, 55, 0);
		n++;
		assert_false(d->vcpu[0]->mc.active);
	} while (rc == -ERESTART);
	*softirq_pending(0) = 0;
	assert_int_equal(rc, 0);
	for (int i = 0; i < 20; i++)
		assert_int_equal(entries(g)[i].result, 0);
	assert_int_equal(entries(g)[9].args[1], 1500 % 256);	/* it was rewritten on its way */
	assert_true(n >= 7 && n < 12);
	assert_int_equal(r->rdx, 33);
	assert_int_equal(r->r10, 44);
	assert_int_equal(r->r8, 55);
	world_end();
}

static void versions(void **state)
{
	struct xen_feature_info f = { 0 };
	struct xen_platform_parameters pp;
	char text[1024];
	u64 g;

	begin();
	assert_int_equal(do_xen_version(XENVER_version, 0, 0, 0, 0, 0), 4 << 16 | 17);
	assert_int_equal(world_call(xen_version, XENVER_get_features, f), 0);
	assert_int_equal(f.submap, 0x228f0);
	f.submap_idx = 1;
	assert_int_equal(world_call(xen_version, XENVER_get_features, f), -EINVAL);
	assert_int_equal(world_call(xen_version, XENVER_platform_parameters, pp), 0);
	assert_int_equal(pp.virt_start, HV_VIRT_START);
	memset(text, 'y', sizeof(text));
	g = host_arg(text, sizeof(text));
	assert_int_equal(do_xen_version(XENVER_capabilities, g, 0, 0, 0, 0), 0);
	assert_string_equal(host_arg_ptr(g), "xen-3.0-x86_64 ");
	assert_int_equal(((char *)host_arg_ptr(g))[1023], 0);
	strcpy(hv_cmdline, "secret");
	assert_int_equal(do_xen_version(XENVER_commandline, g, 0, 0, 0, 0), 0);
	assert_string_equal(host_arg_ptr(g), "secret");
	host_set_current(dom1->vcpu[0]);
	assert_int_equal(do_xen_version(XENVER_commandline, g, 0, 0, 0, 0), 0);
	assert_string_equal(host_arg_ptr(g), "<denied>");
	f.submap_idx = 0;
	assert_int_equal(world_call(xen_version, XENVER_get_features, f), 0);
	assert_int_equal(f.submap, 0x220f0);
	assert_int_equal(do_xen_version(XENVER_build_id, 0, 0, 0, 0, 0), -EPERM);
	assert_int_equal(do_xen_version(55, 0, 0, 0, 0, 0), -ENOSYS);
	assert_int_equal(do_console_io(CONSOLEIO_read, 5, g, 0, 0, 0), -EPERM);
	world_end();
}

static void assists_are_the_domain_s(void **state)
{
	begin();
	assert_int_equal(do_vm_assist(VMASST_CMD_enable, VMASST_TYPE_runstate_update_flag, 0, 0, 0, 0),
			 0);
	assert_int_equal(d->vcpu[1]->pv.vm_assist, BIT(VMASST_TYPE_runstate_update_flag));
	assert_int_equal(do_vm_assist(VMASST_CMD_disable, VMASST_TYPE_runstate_update_flag, 0, 0, 0,
				      0), 0);
	assert_int_equal(d->vcpu[1]->pv.vm_assist, 0);
	assert_int_equal(do_vm_assist(VMASST_CMD_enable, 20, 0, 0, 0, 0), -EINVAL);
	assert_int_equal(do_vm_assist(VMASST_CMD_enable, ~0UL, 0, 0, 0, 0), -EINVAL);
	assert_int_equal(do_vm_assist(9, 2, 0, 0, 0, 0), -ENOSYS);
	world_end();
}

static void grant_set_up(void **state)
{
	struct gnttab_query_size q = { .dom = DOMID_SELF };
	struct gnttab_set_version sv = { .version = 2 };
	struct gnttab_setup_table s = { .dom = DOMID_SELF, .nr_frames = 4 };
	u64 *mfns, g;

	begin();
	host_set_current(dom1->vcpu[0]);
	g = host_arg(&q, sizeof(q));
	assert_int_equal(do_grant_table_op(GNTTABOP_query_size, g, 1, 0, 0, 0), 0);
	memcpy(&q, host_arg_ptr(g), sizeof(q));
	assert_int_equal(q.status, GNTST_okay);
	assert_int_equal(q.nr_frames, 1);
	assert_int_equal(q.max_nr_frames, GRANT_FRAMES_MAX);
	g = host_arg(&sv, sizeof(sv));
	assert_int_equal(do_grant_table_op(GNTTABOP_set_version, g, 1, 0, 0, 0), -ENOSYS);
	sv.version = 1;
	g = host_arg(&sv, sizeof(sv));
	assert_int_equal(do_grant_table_op(GNTTABOP_set_version, g, 1, 0, 0, 0), 0);
	s.frame_list = host_arg(NULL, 64);
	g = host_arg(&s, sizeof(s));
	assert_int_equal(do_grant_table_op(GNTTABOP_setup_table, g, 1, 0, 0, 0), 0);
	memcpy(&s, host_arg_ptr(g), sizeof(s));
	assert_int_equal(s.status, GNTST_okay);
	mfns = host_arg_ptr(s.frame_list);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(mfn_to_page(_mfn(mfns[i]))->owner, 1);
		assert_true(get_page_writable(mfn_to_page(_mfn(mfns[i])), dom1));
		put_page_writable(mfn_to_page(_mfn(mfns[i])));
	}
	s.nr_frames = GRANT_FRAMES_MAX + 1;
	g = host_arg(&s, sizeof(s));
	assert_int_equal(do_grant_table_op(GNTTABOP_setup_table, g, 1, 0, 0, 0), 0);
	memcpy(&s, host_arg_ptr(g), sizeof(s));
	assert_int_equal(s.status, GNTST_general_error);
	s.dom = 0;
	g = host_arg(&s, sizeof(s));
	assert_int_equal(do_grant_table_op(GNTTABOP_setup_table, g, 1, 0, 0, 0), 0);
	memcpy(&s, host_arg_ptr(g), sizeof(s));
	assert_int_equal(s.status, GNTST_permission_denied);
	assert_int_equal(do_grant_table_op(GNTTABOP_setup_table, g, 2, 0, 0, 0), -EINVAL);
	assert_int_equal(do_grant_table_op(GNTTABOP_get_status_frames, g, 1, 0, 0, 0), -ENOSYS);
	world_end();
}

static long platform(u32 cmd, u32 version, struct xen_platform_op *op)
{
	u64 g;
	long rc;

	op->cmd = cmd;
	op->interface_version = version;
	g = host_arg(op, sizeof(*op));
	rc = do_platform_op(g, 0, 0, 0, 0, 0);
	memcpy(op, host_arg_ptr(g), sizeof(*op));
	return rc;
}

static void platform_ops(void **state)
{
	struct xen_platform_op op = { 0 };
	u32 pdc[3] = { 1, 1, 0xffff };

	begin();
	assert_int_equal(platform(XENPF_get_cpuinfo, 1, &op), -EACCES);
	assert_int_equal(platform(XENPF_get_cpuinfo, XENPF_INTERFACE_VERSION, &op), 0);
	assert_int_equal(op.u.pcpu_info.flags, XEN_PCPU_FLAGS_ONLINE);
	op.u.pcpu_info.xen_cpuid = 1;
	assert_int_equal(platform(XENPF_get_cpuinfo, XENPF_INTERFACE_VERSION, &op), 0);
	assert_int_equal(op.u.pcpu_info.flags, XEN_PCPU_FLAGS_INVALID);
	op.u.firmware_info.type = XEN_FW_DISK_INFO;
	assert_int_equal(platform(XENPF_firmware_info, XENPF_INTERFACE_VERSION, &op), -ESRCH);
	op.u.firmware_info.type = XEN_FW_EFI_INFO;
	assert_int_equal(platform(XENPF_firmware_info, XENPF_INTERFACE_VERSION, &op), -ENOSYS);
	op.u.set_pminfo.type = XEN_PM_PDC;
	op.u.set_pminfo.u.pdc = host_arg(pdc, sizeof(pdc));
	assert_int_equal(platform(XENPF_set_processor_pminfo, XENPF_INTERFACE_VERSION, &op), 0);
	assert_int_equal(((u32 *)host_arg_ptr(op.u.set_pminfo.u.pdc))[2], 0);
	op.u.settime64 = (struct xenpf_settime64){ .secs = 1234567890, .nsecs = 5, .mbz = 1 };
	assert_int_equal(platform(XENPF_settime64, XENPF_INTERFACE_VERSION, &op), -EINVAL);
	op.u.settime64.mbz = 0;
	assert_int_equal(platform(XENPF_settime64, XENPF_INTERFACE_VERSION, &op), 0);
	assert_int_equal(dom1->shared_info->wc_sec, 1234567890);
	assert_int_equal(platform(XENPF_cpu_offline, XENPF_INTERFACE_VERSION, &op), -EOPNOTSUPP);
	assert_int_equal(platform(99, XENPF_INTERFACE_VERSION, &op), -ENOSYS);
	host_set_current(dom1->vcpu[0]);
	assert_int_equal(platform(XENPF_settime64, XENPF_INTERFACE_VERSION, &op), -EPERM);
	world_end();
}

static void domain_lists(void **state)
{
	struct xen_sysctl s = { .cmd = XEN_SYSCTL_getdomaininfolist, .interface_version = 1 };
	struct xen_domctl_getdomaininfo *i;
	struct xen_domctl c = { .cmd = XEN_DOMCTL_getdomaininfo,
				.interface_version = XEN_DOMCTL_INTERFACE_VERSION, .domain = 1 };
	u64 g, buf;

	begin();
	buf = host_arg(NULL, 4 * sizeof(*i));
	s.u.getdomaininfolist.max_domains = 4;
	s.u.getdomaininfolist.buffer = buf;
	assert_int_equal(do_sysctl(host_arg(&s, sizeof(s)), 0, 0, 0, 0, 0), -EACCES);
	s.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
	g = host_arg(&s, sizeof(s));
	assert_int_equal(do_sysctl(g, 0, 0, 0, 0, 0), 0);
	memcpy(&s, host_arg_ptr(g), sizeof(s));
	assert_int_equal(s.u.getdomaininfolist.num_domains, 2);
	i = host_arg_ptr(buf);
	assert_int_equal(i[1].domain, 1);
	assert_int_equal(i[0].max_vcpu_id, 1);
	s.u.getdomaininfolist.max_domains = 1;
	assert_int_equal(do_sysctl(host_arg(&s, sizeof(s)), 0, 0, 0, 0, 0), 0);
	assert_int_equal(d->refs, 1);
	assert_int_equal(dom1->refs, 1);
	g = host_arg(&c, sizeof(c));
	assert_int_equal(do_domctl(g, 0, 0, 0, 0, 0), 0);
	c.domain = 2;
	assert_int_equal(do_domctl(host_arg(&c, sizeof(c)), 0, 0, 0, 0, 0), -ESRCH);
	c.domain = 1;
	c.cmd = XEN_DOMCTL_pausedomain;
	assert_int_equal(do_domctl(host_arg(&c, sizeof(c)), 0, 0, 0, 0, 0), 0);
	assert_int_equal(dom1->pause_count, 2);
	c.cmd = XEN_DOMCTL_unpausedomain;
	assert_int_equal(do_domctl(host_arg(&c, sizeof(c)), 0, 0, 0, 0, 0), 0);
	c.domain = DOMID_SELF;
	assert_int_equal(do_domctl(host_arg(&c, sizeof(c)), 0, 0, 0, 0, 0), -EINVAL);
	c.cmd = 500;
	assert_int_equal(do_domctl(host_arg(&c, sizeof(c)), 0, 0, 0, 0, 0), -ENOSYS);
	host_set_current(dom1->vcpu[0]);
	assert_int_equal(do_domctl(host_arg(&c, sizeof(c)), 0, 0, 0, 0, 0), -EPERM);
	assert_int_equal(do_sysctl(host_arg(&s, sizeof(s)), 0, 0, 0, 0, 0), -EPERM);
	world_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(continuation_rewrites_the_frame),
		cmocka_unit_test(multicall_results),
		cmocka_unit_test(multicall_goes_on),
		cmocka_unit_test(versions),
		cmocka_unit_test(assists_are_the_domain_s),
		cmocka_unit_test(grant_set_up),
		cmocka_unit_test(platform_ops),
		cmocka_unit_test(domain_lists),
	};

	return host_main(tests);
}
