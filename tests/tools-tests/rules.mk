# SPDX-License-Identifier: MIT
#
# Unit tests of the tools, with ASan and UBSan:  make -f tests/tools-tests/rules.mk, from the root of the tree.
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
O := build/tools-tests
TESTS := $(patsubst tests/tools-tests/unit/%.c,%,$(sort $(wildcard tests/tools-tests/unit/test_*.c)))
LIB := $(patsubst %,dom0-tools/lib/%.c,err config dconf disk json kernel network queue store unpack vif)
FLAGS := -std=gnu11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Werror -Wno-unused-parameter -fno-omit-frame-pointer \
	-fsanitize=address,undefined -fno-sanitize-recover=all -I. -Idom0-tools/xenlibs

all: $(TESTS:%=$(O)/%)

$(O)/%: tests/tools-tests/unit/%.c $(LIB) $(wildcard dom0-tools/lib/*.h)
	@mkdir -p $(@D)
	@gcc $(FLAGS) -o $@ $< $(LIB) -lcmocka -lxenstore -lxentoolcore -lzstd -llzma -llz4 -lz
.PHONY: all
