/* SPDX-License-Identifier: MIT */
/*
 * Names of code addresses.
 *
 * Job:    find the symbol that an address of the image lies in.
 * Enter:  %pS (format.c), so backtraces (panic.c). Any context.
 * State:  the table that tests/tools/mksyms.py makes and the last link adds; empty before that.
 * Locks:  none: read-only.
 * Holds:  addresses ascend; names are NUL-terminated.
 * Tests:  the crash test of tests/guests
 */
#include <hv/debug.h>
#include <hv/layout.h>

extern const u32 symtab_count;
extern const u32 symtab_addrs[];
extern const u32 symtab_names[];
extern const char symtab_strings[];

/* The name of the last symbol at or below addr; NULL outside of the image or without a table. */
const char *symbol_lookup(u64 addr, u64 *offset)
{
	u32 lo = 0, hi = symtab_count;
	u64 off = addr - IMAGE_VIRT_START;

	if (!hi || addr < IMAGE_VIRT_START || off > GiB(1) || off < symtab_addrs[0])
		return NULL;
	while (hi - lo > 1) {
		u32 mid = lo + (hi - lo) / 2;

		if (symtab_addrs[mid] <= off)
			lo = mid;
		else
			hi = mid;
	}
	*offset = off - symtab_addrs[lo];
	return *offset > MiB(1) ? NULL : symtab_strings + symtab_names[lo];	/* behind the last */
}
