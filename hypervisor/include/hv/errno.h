/* SPDX-License-Identifier: MIT */
/*
 * Job:   error numbers under their usual names: those of the ABI (pv-abi/errno.h) that are used.
 * Tests: tests/abi
 */
#ifndef HV_ERRNO_H
#define HV_ERRNO_H

#ifndef EPERM			/* else a host test has the C library's: the same numbers */
enum {
	EPERM = 1, ENOENT, ESRCH, EIO = 5, ENXIO, E2BIG, ENOEXEC, EAGAIN = 11, ENOMEM, EACCES, EFAULT,
	EBUSY = 16, EEXIST, ENODEV = 19, EINVAL = 22, ENOSPC = 28, EDOM = 33, ENOSYS = 38,
	ENODATA = 61, ETIME, EOPNOTSUPP = 95, ENOBUFS = 105,
	ERESTART = 85,		/* no guest sees it: "set up to be called again" (hv/continue.h) */
};
#endif

#endif
