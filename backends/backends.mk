# SPDX-License-Identifier: MIT
#
# The backends of split drivers, included by the Makefile: build/bin/parapet-blk and parapet-net, programs of dom0,
# linked statically like the tools, and parapet-blk-nbd, the first with libnbd, which is shared. They have some of
# dom0-tools/lib in them.

BACK_COMMON := $(sort $(wildcard backends/common/*.c)) $(patsubst %,dom0-tools/lib/%.c,err store queue vif network)
LIBS_BACK := -lxenstore -lxenevtchn -lxengnttab -lxencall -lxentoolcore -lxentoollog -lseccomp

BLK_C := $(filter-out %/nbd.c,$(sort $(wildcard backends/blk/*.c))) $(BACK_COMMON)

backends: $(O)/bin/parapet-blk $(O)/bin/parapet-blk-nbd $(O)/bin/parapet-net ## the backends of dom0

$(O)/bin/parapet-blk: $(call tools_obj,$(BLK_C))
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -static -o $@ $^ -luring $(LIBS_BACK)

$(O)/bin/parapet-net: $(call tools_obj,$(sort $(wildcard backends/net/*.c)) $(BACK_COMMON))
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -static -o $@ $^ $(LIBS_BACK)

# Only libnbd and what it needs are shared: the shared libxenstore would start a thread (dom0-tools/lib/store.c).
$(O)/bin/parapet-blk-nbd: $(call tools_obj,$(BLK_C) backends/blk/nbd.c)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -o $@ $^ -Wl,-Bstatic -luring $(LIBS_BACK) -Wl,-Bdynamic -lnbd

-include $(wildcard $(TO)/backends/*/*.d)
.PHONY: backends
