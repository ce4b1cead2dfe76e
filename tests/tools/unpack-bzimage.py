#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""unpack-bzimage.py VMLINUZ VMLINUX: write the ELF file that a bzImage carries compressed."""
import lzma
import struct
import subprocess
import sys
import zlib


def payload(image):
    """The compressed bytes, by the boot protocol's header (2.08: payload_offset and payload_length)."""
    if image[0x202:0x206] != b"HdrS" or struct.unpack_from("<H", image, 0x206)[0] < 0x208:
        raise SystemExit("unpack-bzimage: no setup header with a payload")
    sects = image[0x1f1] or 4
    off, length = struct.unpack_from("<II", image, 0x248)
    start = (sects + 1) * 512 + off
    return image[start:start + length]


def unpack(data):
    if data[:6] == b"\xfd7zXZ\0":
        return lzma.LZMADecompressor().decompress(data)
    if data[:2] == b"\x1f\x8b":
        return zlib.decompressobj(31).decompress(data)
    for magic, tool in ((b"\x28\xb5\x2f\xfd", "zstd"), (b"\x02\x21\x4c\x18", "lz4")):
        if data[:4] == magic:
            # The last four bytes are the unpacked size, added by the kernel's build.
            return subprocess.run([tool, "-dc"], input=data[:-4], stdout=subprocess.PIPE, check=True).stdout
    if data[:4] == b"\x7fELF":
        return data
    raise SystemExit("unpack-bzimage: unknown compression %s" % data[:6].hex())


if __name__ == "__main__":
    elf = unpack(payload(open(sys.argv[1], "rb").read()))
    if elf[:4] != b"\x7fELF":
        raise SystemExit("unpack-bzimage: the payload is not an ELF file")
    open(sys.argv[2], "wb").write(elf)
