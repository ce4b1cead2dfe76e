# SPDX-License-Identifier: MIT
"""A build as load: the compiler of this machine, in the bench's ram disk, compiles files of hypervisor/.

Each file is a shell, gcc, cc1, as, a look at the object and a rename: what a kernel's build does for each of its
thousands of objects, only that these are smaller, so that more of the time is the kernel's. Sources are preprocessed here,
so that no headers are needed there. tests/bench/run --compile uses it; the script below runs in dom0.
"""
import glob
import os
import subprocess

SCRIPT = b"""#!/bin/busybox sh
export PATH=/bin:/usr/bin
cd /tmp
one() {
	sh -c "gcc -O2 -ffreestanding -std=gnu11 -w -c -o $1.tmp /src/$1.i &&
		size $1.tmp > /dev/null && grep -q main $1.tmp; mv $1.tmp $1.o"
}
for a in sh grep mv; do busybox ln -s /bin/busybox /bin/$a; done
one first
start=$(busybox sed 's/[. ].*//' /proc/uptime)$(busybox sed 's/[^.]*.\\(..\\).*/\\1/' /proc/uptime)
n=0
for f in /src/[0-9]*.i; do
	f=${f##*/}
	one ${f%.i}
	[ -s ${f%.i}.o ] || exit 1
	n=$((n + 1))
done
end=$(busybox sed 's/[. ].*//' /proc/uptime)$(busybox sed 's/[^.]*.\\(..\\).*/\\1/' /proc/uptime)
echo "BENCH compile $(((end - start) * 10000000 / n)) files=$n"
"""
FILES = 24


def _run(*args):
    return subprocess.run(args, check=True, stdout=subprocess.PIPE).stdout


def _libraries(program):
    for line in _run("ldd", program).decode().splitlines():
        for word in line.split():
            if word.startswith("/"):
                yield word
                break


def members(top):
    """(name, mode, data) for the archive: compiler, assembler, what they load, sources, the script."""
    cc1 = _run("gcc", "-print-prog-name=cc1").decode().strip()
    programs = {path: os.path.realpath(path) for path in ("/usr/bin/gcc", "/usr/bin/as", "/usr/bin/size", cc1)}
    files = dict(programs)
    for real in programs.values():
        for lib in _libraries(real):
            files[lib] = os.path.realpath(lib)
    out, dirs = [("src", 0o40755, b"")], set()
    for path, real in sorted(files.items()):
        parts = path.lstrip("/").split("/")
        for n in range(1, len(parts)):
            d = "/".join(parts[:n])
            if d not in dirs and d != "bin":
                dirs.add(d)
                out.append((d, 0o40755, b""))
        with open(real, "rb") as f:
            out.append((path.lstrip("/"), 0o100755, f.read()))
    flags = ["-std=gnu11", "-O2", "-ffreestanding"] + ["-I%s/%s" % (top, d) for d in
                                     ("hypervisor/include", "hypervisor/x86", "pv-abi", "build/include")]
    sources = []
    for path in sorted(glob.glob(top + "/hypervisor/[cp][ov]*/*.c")):
        p = subprocess.run(["gcc", "-E", "-P"] + flags + [path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        check = ["gcc", "-ffreestanding", "-std=gnu11", "-w", "-fsyntax-only", "-xc", "-"]
        if p.returncode == 0 and subprocess.run(check, input=p.stdout, stderr=subprocess.DEVNULL).returncode == 0:
            sources.append(p.stdout)
    if len(sources) < FILES:
        raise RuntimeError("only %d files of hypervisor/ can be compiled alone" % len(sources))
    for i, text in enumerate(sources[:FILES]):
        out.append(("src/%02d.i" % i, 0o100644, text))
    out.append(("src/first.i", 0o100644, sources[0]))
    out.append(("compile", 0o100755, SCRIPT))
    return out
