/* SPDX-License-Identifier: MIT */
/*
 * lib/hyper.h: the hypervisor, over Debian's libxencall and libxenforeignmemory.
 *
 * Functions return -1 with errno set and no err(): the caller knows what it was for. hv_open() does
 * call err().
 * Tests: tests/tools-tests (on a machine)
 */
#ifndef LIB_HYPER_H
#define LIB_HYPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <pv-abi/domctl.h>
#include <pv-abi/sysctl.h>
#include <pv-abi/xen.h>

#define PAGE 4096UL

int hv_open(void);			/* once; later calls do nothing */
/* In a child: mappings work again, hypercalls must not be made. Calls err(). */
int hv_reopen(void);
/* Memory that a hypercall may reach; zeroed. Its address goes into a handle by hv_handle(). */
void *hv_buf(size_t size);
void hv_buf_free(void *buf);
static inline uint64_t hv_handle(const void *buf)
{
	return (uint64_t)(uintptr_t)buf;
}

/* *op is copied in and out. A command's own buffers must be from hv_buf(). */
int hv_domctl(uint32_t domid, uint32_t cmd, struct xen_domctl *op);
int hv_sysctl(uint32_t cmd, struct xen_sysctl *op);
long hv_memory(unsigned int cmd, void *arg, size_t size);
int hv_mmuext(struct mmuext_op *op, unsigned int domid);
int hv_evtchn(unsigned int cmd, void *arg, size_t size);
int hv_sched(unsigned int cmd, void *arg, size_t size);
int hv_version(unsigned int cmd, void *arg, size_t size);

/* Frames of a domain in one mapping; NULL when any of them cannot be mapped. */
void *hv_map(uint32_t domid, bool write, size_t pages, const xen_pfn_t *mfns);
/* To read; errs says which of them are not mapped. */
void *hv_map_some(uint32_t domid, size_t pages, const xen_pfn_t *mfns, int *errs);
void hv_unmap(void *va, size_t pages);
/* The frame of the grant table that the toolstack seeds. */
struct grant_entry_v1 *hv_map_grants(uint32_t domid, void **token);
void hv_unmap_grants(void *token);

#endif
