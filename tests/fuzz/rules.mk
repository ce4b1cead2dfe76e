# SPDX-License-Identifier: MIT
#
# Fuzzers: hypervisor files as in the host tests, with clang's libFuzzer, ASan and UBSan.
# Run by tests/fuzz/run from the root of the tree:  make -f tests/fuzz/rules.mk FUZZERS="decode elf ..."
#
# A fuzzer takes what it refers to from two archives: the hypervisor, and the seam of the host tests. What
# it defines itself wins.

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:

O := build/fuzz
SRC := $(filter-out hypervisor/lib/string.c,$(sort $(wildcard $(foreach d,core pv control lib,\
	hypervisor/$(d)/*.c)) $(wildcard $(foreach f,debug/format debug/audit debug/trace boot/multiboot boot/acpi,\
	hypervisor/$(f).c))))
OBJ := $(SRC:%.c=$(O)/%.o)
SEAM := $(patsubst %,$(O)/tests/host/%_host.o,arch guest dev)
FUZZERS ?= $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))

CC := clang
SAN := address,undefined -fno-sanitize-recover=all -fno-sanitize=alignment
COMMON := -std=gnu11 -O1 -g -Wall -Wextra -Wno-unused-parameter -Wno-initializer-overrides \
	-Wno-unknown-warning-option -Wno-constant-conversion \
	-Werror=implicit-function-declaration -fno-strict-aliasing -fno-common -fno-omit-frame-pointer -fno-pie \
	-fsanitize=fuzzer-no-link,$(SAN) -DDEBUG=1
CFLAGS_HV = $(COMMON) -ffreestanding -Dsched_yield=hv_sched_yield -Dsnprintf=hv_snprintf -Dvsnprintf=hv_vsnprintf \
	-Itests/host -Ihypervisor/include $(ABI)
ABI = -Ipv-abi
# includes headers of libraries, which want the C library's features.h, errno.h ...
$(O)/hypervisor/control/unpack.o: ABI = -idirafter pv-abi
CFLAGS_FUZZ := $(COMMON) -Itests/host -Ihypervisor/include -I. -idirafter pv-abi
LIBS := -lcmocka -lpthread $(foreach l,lzma zstd lz4 z,$(patsubst %/lib$(l).a,-l$(l),$(wildcard \
	/usr/lib/x86_64-linux-gnu/lib$(l).a)))

all: $(FUZZERS:%=$(O)/fuzz_%)

$(O)/fuzz_%: $(O)/tests/fuzz/fuzz_%.o $(O)/libseam.a $(O)/libhv.a
	@$(CC) -no-pie -fsanitize=fuzzer,$(SAN) -Wl,--allow-multiple-definition,--warn-unresolved-symbols -o $@ \
		$< $(O)/libhv.a $(O)/libseam.a $(O)/libhv.a $(LIBS) > $@.link 2>&1 || { cat $@.link; exit 1; }

$(O)/libhv.a: $(OBJ)
	@rm -f $@; ar rcs $@ $^
$(O)/libseam.a: $(SEAM)
	@rm -f $@; ar rcs $@ $^

$(O)/tests/%.o: tests/%.c tests/fuzz/rules.mk
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS_FUZZ) -MMD -MP -c -o $@ $<
$(O)/hypervisor/%.o: hypervisor/%.c tests/fuzz/rules.mk
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS_HV) -MMD -MP -c -o $@ $(or $(wildcard tests/host/more/$(notdir $*).c),$<)

-include $(wildcard $(O)/hypervisor/*/*.d $(O)/tests/*/*.d)
.PHONY: all
.SECONDARY:
