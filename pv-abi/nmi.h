/* SPDX-License-Identifier: MIT */
/*
 * pv-abi/nmi.h: nmi_op(cmd, struct *).
 *
 * Job:   the old way to register an NMI entry (callback_op is the newer), and
 *        arch_shared_info.nmi_reason's bits.
 * Enter: C only.
 * Tests: tests/abi
 */
#ifndef PV_ABI_NMI_H
#define PV_ABI_NMI_H

#include "xen.h"

#define XENNMI_register_callback	0
#define XENNMI_unregister_callback	1

#define _XEN_NMIREASON_io_error	0
#define XEN_NMIREASON_io_error	(1UL << _XEN_NMIREASON_io_error)
#define _XEN_NMIREASON_pci_serr	1
#define XEN_NMIREASON_pci_serr	(1UL << _XEN_NMIREASON_pci_serr)
#define _XEN_NMIREASON_unknown	2
#define XEN_NMIREASON_unknown	(1UL << _XEN_NMIREASON_unknown)

struct xennmi_callback {
	uint64_t handler_address;	/* IN */
	uint64_t pad;
};

#endif
