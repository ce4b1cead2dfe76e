/* SPDX-License-Identifier: MIT */
/*
 * abuse_l4slots: the sixteen L4 slots of the hypervisor are not the guest's.
 *
 * Claim:  slots 256-271 cannot be changed by mmu_update, by preparing a table before it is pinned or
 *         loaded, or by a plain store; the hypervisor's own tables, seen in these slots, cannot be used
 *         as entries elsewhere; its memory is neither read nor written by the guest.
 * Broken: the guest maps the hypervisor, or takes its mappings away (the machine dies).
 */
#include "guest.h"

static void rd(void *p) { (void)*(volatile u64 *)p; }
static void wr(void *p) { *(volatile u64 *)p = 0; }

static u64 slots[16];

static void compare(const char *when)
{
	for (unsigned int i = 0; i < 16; i++)
		CHECK((root()[256 + i] & ~(PTE_A | PTE_D)) == (slots[i] & ~(PTE_A | PTE_D)), "%s: slot %u is %#lx, was %#lx",
		      when, 256 + i, root()[256 + i], slots[i]);
}

void test_main(void)
{
	u64 *data = alloc_page(), *l3 = alloc_page();
	const u64 values[] = { 0, 1, ~0ul, va_to_maddr(l3) | PTE_TABLE, va_to_maddr(data) | PTE_KERN,
		root()[511], va_to_maddr(root()) | PTE_P | PTE_US, PTE_P | PTE_PS | PTE_RW | PTE_US };
	u64 *l4;

	memcpy(slots, &root()[256], sizeof(slots));
	CHECK_EQ(set_ro(l3), 0);
	for (unsigned int i = 256; i < 272; i++) {
		for (unsigned int k = 0; k < ARRAY_SIZE(values); k++) {
			struct mmu_update u = { va_to_maddr(&root()[i]), values[k] };

			for (unsigned int cmd = 0; cmd < 4; cmd++) {
				if (cmd == MMU_MACHPHYS_UPDATE)
					continue;
				u.ptr = (u.ptr & ~7ul) | cmd;
				CHECK(hc_mmu_update(&u, 1, NULL, DOMID_SELF) < 0, "slot %u: %#lx, kind %u", i, values[k],
				      cmd);
			}
		}
		CHECK(try_call(wr, &root()[i]) == X86_PF, "slot %u: a store arrived", i);
	}
	compare("after updates");

	/* A table with garbage in the slots: it does not matter, or it is refused. */
	for (unsigned int k = 0; k < ARRAY_SIZE(values); k++) {
		long rc;

		l4 = alloc_page();
		l4[511] = root()[511];
		for (unsigned int i = 256; i < 272; i++)
			l4[i] = values[k];
		CHECK_EQ(set_ro(l4), 0);
		rc = pin(4, l4);
		if (!rc) {
			CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(l4), 0), 0);
			CHECK_EQ(m2p[va_to_mfn(l4)], va_to_pfn(l4));
			for (unsigned int i = 257; i < 272; i++) {
				int v = try_call(rd, (void *)(0xffff000000000000ul | (u64)i << 39));

				CHECK(v == X86_PF, "value %u: slot %u can be read: vector %d", k, i, v);
			}
			u64 *old = root();
			CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(old), 0), 0);
			CHECK_EQ(unpin(l4), 0);
		}
		CHECK_EQ(set_rw(l4), 0);
		memset(l4, 0, 4096);
		free_page(l4);
		compare("after another root");
	}

	/* Tables of the hypervisor as entries of ours. */
	for (unsigned int i = 0; i < 16; i++) {
		u64 hv = slots[i] & PTE_ADDR;

		if (!(slots[i] & PTE_P) || hv == (va_to_maddr(root()) & PTE_ADDR))
			continue;		/* Xen has a linear map of the running root */
		CHECK(write_entry(va_to_maddr(&root()[3]), hv | PTE_TABLE) < 0, "hypervisor table %u as our L3", i);
		CHECK(write_entry(va_to_maddr(&root()[3]), hv | PTE_P | PTE_US) < 0, "hypervisor table %u as our L3", i);
		CHECK(hc_update_va_mapping((u64)data, hv | PTE_KERN, UVMF_INVLPG) < 0, "hypervisor table %u mapped", i);
		CHECK(hc_update_va_mapping((u64)data, hv | PTE_P | PTE_US, UVMF_INVLPG) < 0,
		      "hypervisor table %u mapped read-only", i);
		CHECK(write_entry(hv, 0) < 0, "entry 0 of hypervisor table %u cleared", i);
		CHECK(write_entry(hv + 4088, va_to_maddr(data) | PTE_KERN) < 0, "hypervisor table %u written", i);
		CHECK(mmuext(MMUEXT_PIN_L3_TABLE, hv >> 12, 0) < 0, "hypervisor table %u pinned", i);
		CHECK(mmuext(MMUEXT_UNPIN_TABLE, hv >> 12, 0) < 0, "hypervisor table %u unpinned", i);
		CHECK(mmuext(MMUEXT_NEW_BASEPTR, hv >> 12, 0) < 0, "hypervisor table %u as root", i);
	}
	/* Nothing there can be read, but the M2P. */
	for (u64 va = HYPERVISOR_VIRT_START + (1ul << 39); va < HYPERVISOR_VIRT_END; va += 1ul << 30) {
		int v = try_call(rd, (void *)va);

		CHECK(v == X86_PF, "%#lx can be read: vector %d", va, v);
		CHECK(v != X86_PF || !(this_vcpu()->trap.err & ~5u), "%#lx: error %#x", va, this_vcpu()->trap.err);
	}
	static const u64 places[] = { 0xffff82d000200000ul, 0xffff82d040200000ul, 0xffff82d040000000ul,
		0xffff82e000000000ul, 0xffff830000000000ul, 0xffff830000100000ul, 0xffff82c000000000ul, 0xffff828000000000ul };
	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
		CHECK(try_call(rd, (void *)places[i]) == X86_PF, "%#lx can be read", places[i]);
		CHECK(try_call(wr, (void *)places[i]) == X86_PF, "%#lx can be written", places[i]);
	}
	CHECK(try_call(wr, (void *)m2p) == X86_PF, "the M2P can be written");
	compare("at the end");
}
