# SPDX-License-Identifier: MIT
#
# The frontends for Linux as modules, included by the Makefile: build/frontends/6.1/*.ko, build/frontends/6.12/*.ko.
# Built in a copy, because Linux's build writes beside the sources.

FRONT_SRC := $(wildcard frontends/Kbuild frontends/*/*.[ch])
FRONT_KERNELS ?= 6.1 6.12

frontends: $(FRONT_KERNELS:%=$(O)/frontends/%/.built) ## the block and network frontends as modules for Debian's kernels

$(O)/frontends/%/.built: $(FRONT_SRC)
	$(call say,MODULES,$(@D))
	$(Q)mkdir -p $(@D)
	$(Q)cp -ru frontends/Kbuild frontends/common frontends/blk frontends/net $(@D)/
	$(Q)unset MAKEFLAGS; h=$$($(TOOLS)/kernels headers $*) && \
		make -s -j2 -C "$$h" M=$(CURDIR)/$(@D) modules > $(@D)/log 2>&1 || { cat $(@D)/log; exit 1; }
	$(Q)touch $@

deb: ## Debian package of the frontends' source for dkms: build/parapet-frontends-dkms_0.1_all.deb
	$(Q)frontends/mkdeb $(O)

.PHONY: frontends deb
