# SPDX-License-Identifier: MIT
#
# Parapet: one Makefile, no recursion. The source list is the folders. `make help` lists the targets.
#
#   V=1        show the commands            DEBUG=1     assertions on (built apart, in build/debug)
#   UNSAFE=1    a test build, without=n leaves out a condition of ring 1 (built apart, in build/unsafe)
#   HV=FILE    run and test another multiboot hypervisor instead of ours (HV=xen: Debian's Xen 4.17)
#   KERNEL=K   dom0 kernel of `make run`, `make iso` and `make debug`: 6.1, 6.12 or own; GUEST=K: the guests', or guest

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := hypervisor

ifeq ($(UNSAFE),1)
O := build/unsafe
else ifeq ($(DEBUG),1)
O := build/debug
else
O := build
endif
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s%s\n' $(1) $(2))
TOOLS := tests/tools

CC := gcc
LD := ld
NM := nm

# ---- hypervisor ---------------------------------------------------------------------------------

HV_DIRS := boot x86 core pv control debug lib
HV_C := $(filter-out hypervisor/x86/asm-offsets.c,$(sort $(wildcard $(HV_DIRS:%=hypervisor/%/*.c))))
HV_S := $(sort $(wildcard $(HV_DIRS:%=hypervisor/%/*.S)))
HV_OBJ := $(HV_C:%.c=$(O)/%.o) $(HV_S:%.S=$(O)/%.S.o)
LDS := hypervisor/parapet.lds
ASM_OFFSETS := $(O)/include/asm-offsets.h

INCLUDES := -Ihypervisor/include -Ihypervisor/x86 -Ipv-abi -I$(O)/include
# What other tools that compile hypervisor files (host tests, fuzzers) share with us.
WARNINGS := -Wall -Wextra -Werror -Wshadow -Wundef -Wvla -Wstrict-prototypes -Wmissing-prototypes \
	-Wno-unused-parameter
CFLAGS_HV := -std=gnu11 -O2 -g $(WARNINGS) -Wframe-larger-than=1024 \
	-ffreestanding -fno-strict-aliasing -fno-common -fno-omit-frame-pointer \
	-mgeneral-regs-only -mno-red-zone -fpie -include hv/hidden.h -fno-stack-protector \
	-fno-asynchronous-unwind-tables -fcf-protection=none -fno-plt \
	$(if $(filter 1,$(DEBUG)),-DDEBUG=1) $(if $(filter 1,$(UNSAFE)),-DUNSAFE) $(INCLUDES) $(CFLAGS_EXTRA)
ASFLAGS_HV := -g -D__ASSEMBLY__ -Wa,--noexecstack $(filter-out -Wmissing-prototypes -Wstrict-prototypes,\
	$(WARNINGS)) -mno-red-zone -fpie $(if $(filter 1,$(UNSAFE)),-DUNSAFE) $(INCLUDES)
# Decompressors of the dom0 kernel's payload: the static libraries of Debian's -dev packages.
HV_LIB_DIR := /usr/lib/x86_64-linux-gnu
HV_LIBS := $(addprefix $(HV_LIB_DIR)/,liblzma.a libzstd.a liblz4.a libz.a)
LDFLAGS_HV := -m elf_x86_64 -nostdlib -static --gc-sections --build-id=sha1 -z max-page-size=4096 \
	-z noexecstack --no-warn-rwx-segments --fatal-warnings

hypervisor: $(O)/parapet.elf ## the hypervisor: build/parapet.elf, and build/parapet-syms for gdb

$(O)/parapet.elf: $(O)/parapet-syms $(TOOLS)/mkelf32.py
	$(call say,ELF32,$@)
	$(Q)python3 $(TOOLS)/mkelf32.py $< $@

# The symbol table is linked into the image it describes. Link with an empty table, then with one of the
# right size, then with one of the right content; mksyms checks that the last link moved nothing.
hv_link = $(LD) $(LDFLAGS_HV) -T $(LDS) -Map $(2).map -o $(2) $(HV_OBJ) $(1) \
	--start-group $(HV_LIBS) --end-group
$(O)/parapet-syms: $(HV_OBJ) $(LDS) $(TOOLS)/mksyms.py $(O)/.flags
	$(call say,LINK,$@)
	$(Q)python3 $(TOOLS)/mksyms.py --empty > $(O)/symtab0.S
	$(Q)$(CC) -c -o $(O)/symtab0.o $(O)/symtab0.S
	$(Q)$(call hv_link,$(O)/symtab0.o,$(O)/link0)
	$(Q)$(NM) -n $(O)/link0 | python3 $(TOOLS)/mksyms.py > $(O)/symtab1.S
	$(Q)$(CC) -c -o $(O)/symtab1.o $(O)/symtab1.S
	$(Q)$(call hv_link,$(O)/symtab1.o,$(O)/link1)
	$(Q)$(NM) -n $(O)/link1 | python3 $(TOOLS)/mksyms.py > $(O)/symtab.S
	$(Q)$(CC) -c -o $(O)/symtab.o $(O)/symtab.S
	$(Q)$(call hv_link,$(O)/symtab.o,$@)
	$(Q)$(NM) -n $@ | python3 $(TOOLS)/mksyms.py --verify $(O)/symtab.S

# It includes headers of libraries, which want the C library's own features.h.
$(O)/hypervisor/control/unpack.o: private CFLAGS_HV := $(filter-out -Ipv-abi,$(CFLAGS_HV))

$(O)/%.o: %.c $(ASM_OFFSETS) $(O)/.flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_HV) -MMD -MP -c -o $@ $<

$(O)/%.S.o: %.S $(ASM_OFFSETS) $(O)/.flags
	$(call say,AS,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ASFLAGS_HV) -MMD -MP -c -o $@ $<

# Structure offsets for the .S files: lines `->NAME value` in the compiler's output.
$(ASM_OFFSETS): $(wildcard hypervisor/x86/asm-offsets.c) $(O)/.flags
	$(call say,OFFSETS,$@)
	$(Q)mkdir -p $(@D)
ifneq ($(wildcard hypervisor/x86/asm-offsets.c),)
	$(Q)$(CC) $(CFLAGS_HV) -g0 -MMD -MP -MF $(O)/asm-offsets.d -MT $@ -S -o $(O)/asm-offsets.s $<
	$(Q)( echo '/* Generated from $<. */'; \
	  sed -n 's/^->\([A-Za-z0-9_]*\) [$$]*\(-*[0-9]*\).*/#define \1 \2/p' $(O)/asm-offsets.s ) > $@
else
	$(Q)echo '/* no asm-offsets.c */' > $@
endif

# Rebuilt when a flag or the source list changes.
$(O)/.flags: FORCE
	@mkdir -p $(O)
	@echo '$(CC) $(CFLAGS_HV) $(ASFLAGS_HV) $(LDFLAGS_HV) $(HV_LIBS) $(HV_C) $(HV_S)' | cmp -s - $@ || \
	 echo '$(CC) $(CFLAGS_HV) $(ASFLAGS_HV) $(LDFLAGS_HV) $(HV_LIBS) $(HV_C) $(HV_S)' > $@

-include $(HV_OBJ:.o=.d) $(O)/asm-offsets.d

# ---- dom0's tools ------------------------------------------------------------------------------

include dom0-tools/tools.mk
include backends/backends.mk
include frontends/frontends.mk

# ---- set-up -------------------------------------------------------------------------------------

deps: ## install the Debian packages that the build and the tests need
	$(Q)$(TOOLS)/deps

kernels: ## fetch Debian's kernels and build our own, into the cache outside the tree
	$(Q)$(TOOLS)/kernels 6.1 6.12 own guest

# ---- run ----------------------------------------------------------------------------------------

HV ?=
KERNEL ?= 6.1
GUEST ?= guest
VIA ?= grub-bios
RUN_HV = $(or $(HV),$(O)/parapet.elf)
# Ours is built first; another hypervisor is taken as it is.
RUN_DEP = $(if $(HV),,hypervisor)

run: deps-quiet $(RUN_DEP) tools ## dom0 and two guests in QEMU through GRUB: a shell at a terminal, else the scripted tour
	$(Q)$(TOOLS)/qemu-run --hypervisor $(RUN_HV) --via $(VIA) --kernel $(KERNEL) --guests $(GUEST) \
		--shell-or-tour $(RUN)

iso: deps-quiet $(RUN_DEP) ## build/parapet.iso: GRUB 2 for BIOS and UEFI, hypervisor, dom0 kernel, initrd
	$(Q)$(TOOLS)/mkiso --hypervisor $(RUN_HV) --kernel $(KERNEL) --output $(O)/parapet.iso $(ISO)

debug: $(RUN_DEP) ## QEMU stopped at its first instruction, gdb attached, both symbol files
	$(Q)$(TOOLS)/gdb-run --hypervisor $(RUN_HV) --symbols $(O)/parapet-syms --kernel $(KERNEL)

# ---- tests --------------------------------------------------------------------------------------

check: deps-quiet $(RUN_DEP) tools ## all quick tests: lint, abi, host, fuzz, guests, tools, drivers, a pairwise selection of Linux boots
	$(Q)HV=$(RUN_HV) $(TOOLS)/check lint abi host fuzz guests tools drivers linux

test: check

test-host: ## unit tests of core/, pv/, control/ on this machine (ASan, UBSan)
	$(Q)$(TOOLS)/check abi host

test-guests: $(RUN_DEP) ## bare-metal PV guests, one claim each; T=NAME for one
	$(Q)HV=$(RUN_HV) $(TOOLS)/check guests $(if $(T),--only $(T))

test-linux: $(RUN_DEP) tools ## Linux dom0 boots, pairwise over kernel, boot path, machine, vcpus, memory; T=NAME
	$(Q)HV=$(RUN_HV) $(TOOLS)/check linux $(if $(T),--only $(T))

test-tools: $(RUN_DEP) tools ## dom0's tools: unit tests, then a dom0 that administers a guest; T=NAME for one
	$(Q)HV=$(RUN_HV) $(TOOLS)/check tools $(if $(T),--only $(T))

test-drivers: $(RUN_DEP) tools ## the frontends as modules in guests, their data and packets checked; T=NAME for one
	$(Q)HV=$(RUN_HV) $(TOOLS)/check drivers $(if $(T),--only $(T))

test-all: deps-quiet $(RUN_DEP) tools ## everything: the full matrix of boots, root disks, soak
	$(Q)HV=$(RUN_HV) $(TOOLS)/check --full lint abi host fuzz guests tools drivers linux

lint: ## file heads, include map, size and style rules, shell and python syntax
	$(Q)$(TOOLS)/check lint

docs-check: ## do the documents still fit the code: links, paths, functions, hypercall pages, options
	$(Q)$(TOOLS)/docs-check

book: ## the hypervisor's source in the order of docs/reading-order.txt
	$(Q)$(TOOLS)/book

caveats: ## what is left out or weak: the Caveat: comments of the code (all of it: docs/CAVEATS.md)
	$(Q)grep -rl 'Caveat:' hypervisor pv-abi tests | sort | xargs awk '/Caveat:/ { on = 1; print FILENAME ":" FNR } \
		on && !/Caveat:/ && (/\*\// || /^ \* [A-Z][a-z]+:/) { on = 0 } on { sub(/^ \* /, "  "); print }'

size: ## lines of hypervisor/ against its budget of 20,000; bytes of the image against 640 KiB
	$(Q)$(TOOLS)/check-size $(O)/parapet.elf

bench: $(RUN_DEP) ## microbenchmarks: native, Debian's Xen, Parapet; one table
	$(Q)HV=$(RUN_HV) tests/bench/run $(BENCH)

fuzz: ## libFuzzer on the host build: T=target S=seconds
	$(Q)tests/fuzz/run $(or $(T),all) $(or $(S),60)

clean: ## remove build/ (the cache stays: tests/tools/kernels --clean)
	rm -rf build

# Quick when everything is there; says what is missing otherwise.
deps-quiet:
	$(Q)$(TOOLS)/deps --quiet

help: ## this list
	@sed -n 's/^#   /  /p' Makefile
	@echo
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile */*.mk | sort | \
	while IFS="$$(printf '\t')" read -r t d; do \
		printf '  make %-12s %s\n' "$$t" "$$d"; done

FORCE:
.PHONY: FORCE hypervisor deps deps-quiet kernels run iso debug check test test-host test-guests \
	test-linux test-tools test-drivers test-all lint docs-check book caveats size bench fuzz clean help
