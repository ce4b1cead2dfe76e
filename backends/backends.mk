# SPDX-License-Identifier: MIT
#
# The backends of split drivers, included by the Makefile: build/bin/parapet-blk. Programs of dom0, linked
# statically like the tools; they share dom0-tools/lib/{err,store,queue}.c.

BACK_COMMON := $(sort $(wildcard backends/common/*.c)) $(patsubst %,dom0-tools/lib/%.c,err store queue vif)
LIBS_BACK := -lxenstore -lxenevtchn -lxengnttab -lxencall -lxentoolcore -lxentoollog -lseccomp

backends: $(O)/bin/parapet-blk $(O)/bin/parapet-net ## the backends of dom0

$(O)/bin/parapet-blk: $(call tools_obj,$(sort $(wildcard backends/blk/*.c)) $(BACK_COMMON))
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -static -o $@ $^ -luring $(LIBS_BACK)

$(O)/bin/parapet-net: $(call tools_obj,$(sort $(wildcard backends/net/*.c)) $(BACK_COMMON))
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -static -o $@ $^ $(LIBS_BACK)

-include $(wildcard $(TO)/backends/*/*.d)
.PHONY: backends
