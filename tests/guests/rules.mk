# SPDX-License-Identifier: MIT
#
# Test guests: build/guests/NAME.elf from tests/guests/NAME.c and tests/guests/lib. For the main
# Makefile (include tests/guests/rules.mk) and alone (make -f tests/guests/rules.mk guests).

GUEST_OUT := build/guests
GUEST_CC ?= gcc
GUEST_NAMES := $(sort $(patsubst tests/guests/%.c,%,$(wildcard tests/guests/*.c)))
GUEST_LIB := $(wildcard tests/guests/lib/*.c) $(wildcard tests/guests/lib/*.S)
GUEST_LIB_OBJ := $(patsubst tests/guests/%,$(GUEST_OUT)/obj/%.o,$(GUEST_LIB))
GUEST_CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter -Wtrampolines -Wno-override-init \
	-Wno-address-of-packed-member -ffreestanding -fno-pic -fno-pie -mcmodel=kernel -mno-red-zone \
	-mgeneral-regs-only -fno-stack-protector -fcf-protection=none -fno-strict-aliasing \
	-fno-asynchronous-unwind-tables -fno-omit-frame-pointer -fno-jump-tables \
	-Itests/guests/lib -Ipv-abi
GUEST_ELFS := $(GUEST_NAMES:%=$(GUEST_OUT)/%.elf)

guests: $(GUEST_ELFS)

$(GUEST_OUT)/%.elf: $(GUEST_OUT)/obj/%.c.o $(GUEST_LIB_OBJ) tests/guests/lib/guest.lds
	@ld -m elf_x86_64 -static -nostdlib -z max-page-size=4096 -z noexecstack --no-warn-rwx-segments \
		-T tests/guests/lib/guest.lds -o $@ $< $(GUEST_LIB_OBJ)

$(GUEST_OUT)/obj/%.c.o: tests/guests/%.c
	@mkdir -p $(@D)
	@echo 'const char test_name[] = "$(basename $(notdir $<))";' > $(@:.o=.name)
	@$(GUEST_CC) $(GUEST_CFLAGS) $(if $(findstring lib/,$*),,-include $(@:.o=.name)) -MMD -MP -c -o $@ $<

$(GUEST_OUT)/obj/%.S.o: tests/guests/%.S
	@mkdir -p $(@D)
	@$(GUEST_CC) $(GUEST_CFLAGS) -D__ASSEMBLY__ -MMD -MP -c -o $@ $<

-include $(wildcard $(GUEST_OUT)/obj/*.d) $(wildcard $(GUEST_OUT)/obj/lib/*.d)

.PRECIOUS: $(GUEST_OUT)/obj/%.c.o $(GUEST_OUT)/obj/%.S.o
.PHONY: guests
