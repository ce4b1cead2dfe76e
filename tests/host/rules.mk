# SPDX-License-Identifier: MIT
#
# Host tests: hypervisor files compiled for this machine with ASan and UBSan, one program per test.
# Run by tests/host/run from the root of the tree:  make -f tests/host/rules.mk [TESTS=...]
#
# - core/ pv/ control/ lib/ debug/format.c debug/audit.c debug/trace.c go into one archive; the seam hv/arch.h is
#   arch_host.c, guest_host.c and dev_host.c. A test takes what it refers to.
# - A function that a test defines itself wins over the archive's (mocks for neighbours).
# - tests/host/more/NAME.c, where there is one, takes the place of NAME.c, includes it and adds what only
#   tests need of its inside.
# - A test that needs other hypervisor files says so in a line:  /* host-sources: FILE FILE */
# - snprintf, vsnprintf and sched_yield of the hypervisor are called hv_... here, because the
#   C library has them too. lib/string.c is not in the archive for the same reason.

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:

O := build/host
SRC := $(filter-out hypervisor/lib/string.c $(HOST_SKIP),$(sort $(wildcard $(foreach d,core pv control lib,\
	hypervisor/$(d)/*.c)) $(wildcard $(foreach f,format audit trace,hypervisor/debug/$(f).c))))
OBJ := $(SRC:%.c=$(O)/%.o)
SEAM := $(patsubst %,$(O)/tests/host/%_host.o,arch guest dev)
TESTS ?= $(patsubst tests/host/%.c,%,$(sort $(wildcard tests/host/test_*.c)))

CC := gcc
WARN := -Wall -Wextra -Wshadow -Wundef -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wno-unused-parameter \
	-Wno-maybe-uninitialized -Werror=implicit-function-declaration -Werror=int-conversion
COMMON := -std=gnu11 -O1 -g $(WARN) -fno-strict-aliasing -fno-common -fno-omit-frame-pointer -fno-pie \
	-fvisibility=hidden -fsanitize=address,undefined -fno-sanitize-recover=all -fno-sanitize=alignment \
	-DDEBUG=1
CFLAGS_HV = $(COMMON) -ffreestanding -Dsched_yield=hv_sched_yield -Dsnprintf=hv_snprintf -Dvsnprintf=hv_vsnprintf \
	-Itests/host -Ihypervisor/include $(ABI)
ABI = -Ipv-abi
# includes headers of libraries, which want the C library's features.h, errno.h ...
$(O)/hypervisor/control/unpack.o: ABI = -idirafter pv-abi
CFLAGS_TEST := $(COMMON) -Itests/host -Ihypervisor/include -I. -idirafter pv-abi
LIBS := -lcmocka -lpthread $(foreach l,lzma zstd lz4 z,$(patsubst %/lib$(l).a,-l$(l),$(wildcard \
	/usr/lib/x86_64-linux-gnu/lib$(l).a)))

all: $(TESTS:%=$(O)/%)
objects: $(OBJ) $(SEAM)

extra = $(shell sed -n 's|^/\* host-sources: *\(.*\) \*/|\1|p' tests/host/$(1).c)

define test_rule
$(O)/$(1): $(O)/tests/host/$(1).o $(SEAM) $(O)/libhv.a $(patsubst %.c,$(O)/%.o,$(call extra,$(1)))
	@$$(CC) -no-pie -fsanitize=address,undefined -Wl,--allow-multiple-definition -o $$@ \
		$$(filter %.o,$$^) $(O)/libhv.a $(LIBS) > $$@.link 2>&1 || \
	$$(CC) -no-pie -fsanitize=address,undefined -Wl,--allow-multiple-definition \
		-Wl,--warn-unresolved-symbols -o $$@ $$(filter %.o,$$^) $(O)/libhv.a $(LIBS) >> $$@.link 2>&1
endef
$(foreach t,$(TESTS),$(eval $(call test_rule,$(t))))

# of the objects that could be built: a file that does not compile is reported by tests/host/run
$(O)/libhv.a: $(wildcard $(OBJ))
	@rm -f $@
	@ar rcsT $@ $(wildcard $(OBJ)) 2>/dev/null || ar rcs $@ $(wildcard $(OBJ))

$(O)/tests/host/%.o: tests/host/%.c tests/host/rules.mk
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS_TEST) -MMD -MP -c -o $@ $< || { rm -f $@ $(O)/$*; exit 1; }	# no old program is run

$(O)/hypervisor/%.o: hypervisor/%.c tests/host/rules.mk
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS_HV) -MMD -MP -c -o $@ $(or $(wildcard tests/host/more/$(notdir $*).c),$<) || { rm -f $@; exit 1; }

-include $(wildcard $(O)/hypervisor/*/*.d $(O)/tests/host/*.d)
.PHONY: all objects
