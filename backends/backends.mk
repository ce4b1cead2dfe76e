# SPDX-License-Identifier: MIT
#
# The backends of split drivers, included by the Makefile: build/bin/parapet-blk, and the same with libnbd,
# which is linked dynamically. Programs of dom0, linked
# statically like the tools; they share dom0-tools/lib/{err,store,queue}.c.

BACK_COMMON := $(sort $(wildcard backends/common/*.c)) $(patsubst %,dom0-tools/lib/%.c,err store queue)
LIBS_BACK := -lxenstore -lxenevtchn -lxengnttab -lxencall -lxentoolcore -lxentoollog -lseccomp

BLK_C := $(filter-out %/nbd.c,$(sort $(wildcard backends/blk/*.c))) $(BACK_COMMON)

backends: $(O)/bin/parapet-blk $(O)/bin/parapet-blk-nbd ## the backends of dom0

$(O)/bin/parapet-blk: $(call tools_obj,$(BLK_C))
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -static -o $@ $^ -luring $(LIBS_BACK)

# Only libnbd and what it needs are shared: the shared libxenstore would start a thread (dom0-tools/lib/store.c).
$(O)/bin/parapet-blk-nbd: $(call tools_obj,$(BLK_C) backends/blk/nbd.c)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -o $@ $^ -Wl,-Bstatic -luring $(LIBS_BACK) -Wl,-Bdynamic -lnbd

-include $(wildcard $(TO)/backends/*/*.d)
.PHONY: backends
