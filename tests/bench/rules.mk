# SPDX-License-Identifier: MIT
#
# The hypercall bench guest: a test guest of its own folder, on tests/guests/lib.
# make -f tests/bench/rules.mk build/bench/hypercalls.elf

include tests/guests/rules.mk

build/bench/hypercalls.elf: build/bench/hypercalls.o $(GUEST_LIB_OBJ) tests/guests/lib/guest.lds
	@ld -m elf_x86_64 -static -nostdlib -z max-page-size=4096 -z noexecstack --no-warn-rwx-segments \
		-T tests/guests/lib/guest.lds -o $@ $< $(GUEST_LIB_OBJ)

build/bench/hypercalls.o: tests/bench/hypercalls.c tests/guests/lib/guest.h
	@mkdir -p $(@D)
	@echo 'const char test_name[] = "hypercalls";' > $(@:.o=.name)
	@$(GUEST_CC) $(GUEST_CFLAGS) -include $(@:.o=.name) -c -o $@ $<
