/* SPDX-License-Identifier: MIT */
/*
 * Bits of architectural registers that the PV contract speaks of.
 *
 * Job:    RFLAGS, CR0, CR4 and EFER bits (Intel SDM vol. 3, ch. 2).
 * Tests:  through their users
 */
#ifndef HV_REGS_H
#define HV_REGS_H

#include <hv/layout.h>

#define X86_RFLAGS_CF	_UL(0x00000001)
#define X86_RFLAGS_MBS	_UL(0x00000002)
#define X86_RFLAGS_PF	_UL(0x00000004)
#define X86_RFLAGS_AF	_UL(0x00000010)
#define X86_RFLAGS_ZF	_UL(0x00000040)
#define X86_RFLAGS_SF	_UL(0x00000080)
#define X86_RFLAGS_TF	_UL(0x00000100)
#define X86_RFLAGS_IF	_UL(0x00000200)
#define X86_RFLAGS_DF	_UL(0x00000400)
#define X86_RFLAGS_OF	_UL(0x00000800)
#define X86_RFLAGS_IOPL	_UL(0x00003000)
#define X86_RFLAGS_NT	_UL(0x00004000)
#define X86_RFLAGS_RF	_UL(0x00010000)
#define X86_RFLAGS_VM	_UL(0x00020000)
#define X86_RFLAGS_AC	_UL(0x00040000)
#define X86_RFLAGS_ID	_UL(0x00200000)
/* Flags that a guest may load, by iret or in a context: not NT. */
#define GUEST_FLAGS (X86_RFLAGS_CF | X86_RFLAGS_PF | X86_RFLAGS_AF | X86_RFLAGS_ZF | X86_RFLAGS_SF | \
	X86_RFLAGS_TF | X86_RFLAGS_DF | X86_RFLAGS_OF | X86_RFLAGS_RF | X86_RFLAGS_AC | X86_RFLAGS_ID)

#define X86_CR0_PE	_UL(0x00000001)
#define X86_CR0_MP	_UL(0x00000002)
#define X86_CR0_EM	_UL(0x00000004)
#define X86_CR0_TS	_UL(0x00000008)
#define X86_CR0_ET	_UL(0x00000010)
#define X86_CR0_NE	_UL(0x00000020)
#define X86_CR0_WP	_UL(0x00010000)
#define X86_CR0_AM	_UL(0x00040000)
#define X86_CR0_PG	_UL(0x80000000)
#define GUEST_CR0 (X86_CR0_PE | X86_CR0_MP | X86_CR0_ET | X86_CR0_NE | X86_CR0_WP | X86_CR0_AM | \
	X86_CR0_PG)			/* as a guest reads it, but for TS */

#define X86_CR4_DE	_UL(0x00000008)
#define X86_CR4_PSE	_UL(0x00000010)
#define X86_CR4_PAE	_UL(0x00000020)
#define X86_CR4_MCE	_UL(0x00000040)
#define X86_CR4_PGE	_UL(0x00000080)
#define X86_CR4_OSFXSR	_UL(0x00000200)
#define X86_CR4_OSXMMEXCPT _UL(0x00000400)
#define X86_CR4_UMIP	_UL(0x00000800)
#define X86_CR4_FSGSBASE _UL(0x00010000)
#define X86_CR4_PCIDE	_UL(0x00020000)
#define X86_CR4_OSXSAVE	_UL(0x00040000)
#define X86_CR4_SMEP	_UL(0x00100000)
#define X86_CR4_SMAP	_UL(0x00200000)

#endif
