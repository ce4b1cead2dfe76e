# SPDX-License-Identifier: MIT
#
# The user-space side, included by the Makefile: build/bin/parapet, build/bin/parapetd, the manual page and
# the completion of bash. Linked statically: one file to copy, and no time spent on loading libraries.

TOOLS_LIB := $(sort $(wildcard dom0-tools/lib/*.c))
TOOLS_CLI := $(sort $(wildcard dom0-tools/cli/*.c))
TOOLS_DAEMON := $(sort $(wildcard dom0-tools/daemon/*.c))
TO := $(O)/tools
tools_obj = $(patsubst %.c,$(TO)/%.o,$(1))
# pv-abi's headers are found as <pv-abi/...>; xenlibs/xen/ gives them to the headers of libxen*.
CFLAGS_TOOLS := -std=gnu11 -D_GNU_SOURCE -O2 -g $(WARNINGS) -fno-strict-aliasing -fno-common \
	-fno-tree-loop-distribute-patterns -fstack-protector-strong -I. -Idom0-tools/xenlibs $(CFLAGS_EXTRA)
LIBS_TOOLS := -lxenstore -lxenforeignmemory -lxenevtchn -lxengnttab -lxencall -lxentoolcore -lxentoollog \
	-lzstd -llzma -llz4 -lz

tools: $(O)/bin/parapet $(if $(TOOLS_DAEMON),$(O)/bin/parapetd) $(O)/share/parapet.1 $(O)/share/parapet.bash backends ## the tools of dom0

$(O)/bin/parapet: $(call tools_obj,$(TOOLS_LIB) $(TOOLS_CLI))
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -static -o $@ $^ $(LIBS_TOOLS)

$(O)/bin/parapetd: $(call tools_obj,$(TOOLS_LIB) $(TOOLS_DAEMON))
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -static -o $@ $^ $(LIBS_TOOLS)

$(O)/share/parapet.1: $(O)/bin/parapet
	$(call say,MAN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$< help --man > $@

$(O)/share/parapet.bash: $(O)/bin/parapet
	$(call say,COMPL,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$< help --completion > $@

$(TO)/%.o: %.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_TOOLS) -MMD -MP -c -o $@ $<

PREFIX ?= /usr/local
DESTDIR ?=
share = $(DESTDIR)$(PREFIX)/share
install: hypervisor tools ## hypervisor, tools, GRUB's menu script, units of systemd: DESTDIR=, PREFIX=/usr/local
	$(Q)install -D -m644 $(O)/parapet.elf $(DESTDIR)/boot/parapet.elf
	$(Q)install -D -m644 $(O)/parapet-syms $(DESTDIR)$(PREFIX)/lib/debug/boot/parapet-syms
	$(Q)install -D -m755 -t $(DESTDIR)$(PREFIX)/sbin $(O)/bin/parapet*
	$(Q)install -D -m755 -t $(DESTDIR)/etc/grub.d dom0-tools/grub.d/20_linux_parapet
	$(Q)install -d $(DESTDIR)/etc/systemd/system $(DESTDIR)/etc/parapet/auto
	$(Q)for u in parapet-xenstored parapetd parapet-domains; do sed 's|/usr/sbin/|$(PREFIX)/sbin/|g' \
		dom0-tools/systemd/$$u.service > $(DESTDIR)/etc/systemd/system/$$u.service || exit 1; done
	$(Q)install -D -m644 $(O)/share/parapet.1 $(share)/man/man1/parapet.1
	$(Q)install -D -m644 $(O)/share/parapet.bash $(share)/bash-completion/completions/parapet

-include $(wildcard $(TO)/dom0-tools/*/*.d)
.PHONY: tools install
