/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor, for the tools.
 *
 * Job:    hypercalls through libxencall with our own structures, foreign mappings.
 * Enter:  lib/dom.c, lib/build.c, the commands, the daemon.
 * State:  one handle of each library; one page that small arguments are copied through.
 * Holds:  a call's argument is always in a hypercall buffer, never on the caller's stack.
 * Tests:  tests/tools-tests (on a machine)
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xencall.h>
#include <xenforeignmemory.h>
#include <pv-abi/memory.h>
#include "err.h"
#include "hyper.h"

static xencall_handle *xc;
static xenforeignmemory_handle *fm;
static void *page;			/* for arguments */

int hv_open(void)
{
	if (xc)
		return 0;
	if (access("/proc/xen/privcmd", F_OK) && access("/dev/xen/privcmd", F_OK))
		return err(ST_NO_HOST, "this is no domain of Parapet or Xen: there is no /dev/xen/privcmd "
			   "(module xen-privcmd)");
	xc = xencall_open(NULL, 0);
	if (!xc)
		return err(ST_NO_HOST, "cannot call the hypervisor: /dev/xen/privcmd: %s",
			   strerror(errno));
	fm = xenforeignmemory_open(NULL, 0);
	page = xencall_alloc_buffer_pages(xc, 1);
	if (!fm || !page)
		return err(ST_NO_HOST, "cannot map domains' memory: %s", strerror(errno));
	return 0;
}

int hv_reopen(void)
{
	fm = xenforeignmemory_open(NULL, 0);
	return fm ? 0 : err(ST_NO_HOST, "cannot map domains' memory: %s", strerror(errno));
}

void *hv_buf(size_t size)
{
	size_t pages = (size + 64 + PAGE - 1) / PAGE;
	size_t *buf = xencall_alloc_buffer_pages(xc, pages);

	if (!buf)
		return NULL;
	memset(buf, 0, size + 64);
	*buf = pages;
	return buf + 8;
}

void hv_buf_free(void *buf)
{
	size_t *start = buf;

	if (buf)
		xencall_free_buffer_pages(xc, start - 8, start[-8]);
}

int hv_domctl(uint32_t domid, uint32_t cmd, struct xen_domctl *op)
{
	int rc;

	op->cmd = cmd;
	op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	op->domain = (domid_t)domid;
	do {
		memcpy(page, op, sizeof(*op));
		rc = xencall1(xc, __HYPERVISOR_domctl, hv_handle(page));
	} while (rc < 0 && (errno == EAGAIN || errno == ERESTART));
	memcpy(op, page, sizeof(*op));
	return rc;
}

int hv_sysctl(uint32_t cmd, struct xen_sysctl *op)
{
	int rc;

	op->cmd = cmd;
	op->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
	memcpy(page, op, sizeof(*op));
	rc = xencall1(xc, __HYPERVISOR_sysctl, hv_handle(page));
	memcpy(op, page, sizeof(*op));
	return rc;
}

long hv_memory(unsigned int cmd, void *arg, size_t size)
{
	long rc;

	memcpy(page, arg, size);
	rc = xencall2L(xc, __HYPERVISOR_memory_op, cmd, hv_handle(page));
	memcpy(arg, page, size);
	return rc;
}

int hv_mmuext(struct mmuext_op *op, unsigned int domid)
{
	memcpy(page, op, sizeof(*op));
	return xencall4(xc, __HYPERVISOR_mmuext_op, hv_handle(page), 1, 0, domid);
}

static int small(unsigned int nr, unsigned int cmd, void *arg, size_t size)
{
	int rc;

	if (size)
		memcpy(page, arg, size);
	rc = xencall2(xc, nr, cmd, hv_handle(page));
	if (size)
		memcpy(arg, page, size);
	return rc;
}

int hv_evtchn(unsigned int cmd, void *arg, size_t size)
{
	return small(__HYPERVISOR_event_channel_op, cmd, arg, size);
}

int hv_sched(unsigned int cmd, void *arg, size_t size)
{
	return small(__HYPERVISOR_sched_op, cmd, arg, size);
}

int hv_version(unsigned int cmd, void *arg, size_t size)
{
	return small(__HYPERVISOR_xen_version, cmd, arg, size);
}

void *hv_map(uint32_t domid, bool write, size_t pages, const xen_pfn_t *mfns)
{
	return xenforeignmemory_map(fm, domid, PROT_READ | (write ? PROT_WRITE : 0), pages, mfns, NULL);
}

void *hv_map_some(uint32_t domid, size_t pages, const xen_pfn_t *mfns, int *errs)
{
	return xenforeignmemory_map(fm, domid, PROT_READ, pages, mfns, errs);
}

void hv_unmap(void *va, size_t pages)
{
	if (va)
		xenforeignmemory_unmap(fm, va, pages);
}

struct grant_entry_v1 *hv_map_grants(uint32_t domid, void **token)
{
	void *va = NULL;

	*token = xenforeignmemory_map_resource(fm, (domid_t)domid, XENMEM_resource_grant_table,
					       XENMEM_resource_grant_table_id_shared, 0, 1, &va,
					       PROT_READ | PROT_WRITE, 0);
	return *token ? va : NULL;
}

void hv_unmap_grants(void *token)
{
	if (token)
		xenforeignmemory_unmap_resource(fm, token);
}
