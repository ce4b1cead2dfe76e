/* SPDX-License-Identifier: MIT */
/*
 * Error numbers inside the hypervisor: those of the ABI's XEN_E* that are used, under usual names.
 *
 * Job:   let code write -EINVAL; the values are the public ABI's (pv-abi/errno.h).
 * Tests: tests/abi
 */
#ifndef HV_ERRNO_H
#define HV_ERRNO_H

#ifdef EPERM			/* a host test that has the C library's errno.h: same numbers */
#include <errno.h>
#else
#define EPERM 1
#define ENOENT 2
#define ESRCH 3
#define EIO 5
#define ENXIO 6
#define E2BIG 7
#define ENOEXEC 8
#define EAGAIN 11
#define ENOMEM 12
#define EACCES 13
#define EFAULT 14
#define EBUSY 16
#define EEXIST 17
#define ENODEV 19
#define EINVAL 22
#define ENOSPC 28
#define EDOM 33
#define ENOSYS 38
#define ENODATA 61
#define ETIME 62
#define EOPNOTSUPP 95
#define ENOBUFS 105
#endif
#ifndef ERESTART		/* not visible to guests: "set up to be called again" (hv/continue.h) */
#define ERESTART 85
#endif

#endif
