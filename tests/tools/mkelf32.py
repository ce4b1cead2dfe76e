#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Wrap the 64-bit hypervisor image as the 32-bit ELF that multiboot loaders take.

  mkelf32.py IN_ELF64 OUT_ELF32

The output has one PT_LOAD at the machine (load) addresses of the input, and the machine address of the
input's entry point. It starts at file offset 4096, so the multiboot 1 header, which is first in the image,
lies within the first 8 KiB of the file. Symbols stay in the input file.
"""
import struct
import sys

PT_LOAD, EM_386, EM_X86_64 = 1, 3, 62
OFFSET = 4096


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    data = open(sys.argv[1], "rb").read()
    if data[:6] != b"\x7fELF\x02\x01":
        sys.exit("mkelf32: %s is not a 64-bit little-endian ELF" % sys.argv[1])
    machine, entry, phoff = struct.unpack_from("<H4xQQ", data, 18)
    phsize, phnum = struct.unpack_from("<HH", data, 54)
    if machine != EM_X86_64:
        sys.exit("mkelf32: %s is not for x86-64" % sys.argv[1])
    loads = []
    for i in range(phnum):
        kind, _, off, va, pa, filesz, memsz, _ = struct.unpack_from("<IIQQQQQQ", data, phoff + i * phsize)
        if kind == PT_LOAD and memsz:
            loads.append((pa, va, off, filesz, memsz))
    if not loads:
        sys.exit("mkelf32: nothing to load in %s" % sys.argv[1])
    loads.sort()
    base = loads[0][0]
    end = max(pa + memsz for pa, _, _, _, memsz in loads)
    image = bytearray(max(pa + filesz for pa, _, _, filesz, _ in loads) - base)
    start = None
    at = base
    for pa, va, off, filesz, memsz in loads:
        if pa < at or end > 1 << 32:
            sys.exit("mkelf32: segment at %#x overlaps another or lies above 4 GiB" % pa)
        image[pa - base:pa - base + filesz] = data[off:off + filesz]
        if va <= entry < va + memsz:
            start = entry - va + pa
        at = pa + memsz
    if start is None:
        sys.exit("mkelf32: the entry point %#x lies in no segment" % entry)
    ehdr = struct.pack("<16sHHIIIIIHHHHHH", b"\x7fELF\x01\x01\x01", 2, EM_386, 1, start, 52, 0, 0,
                       52, 32, 1, 40, 0, 0)
    phdr = struct.pack("<IIIIIIII", PT_LOAD, OFFSET, base, base, len(image), end - base, 7, 4096)
    with open(sys.argv[2], "wb") as f:
        f.write((ehdr + phdr).ljust(OFFSET, b"\0") + image)


if __name__ == "__main__":
    main()
