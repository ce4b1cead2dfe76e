#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
abi-dump.py: list what pv-abi/ defines, and write C programs that measure it.

Job:   parse our public headers (structs, unions, enums, typedefs, #defines) and emit one C file for
       our headers and one for Xen's, which print the same table, line by line:
           kind name offset size sign value
       kind is size, field, type, const, call (a function-like macro, tried with 5 and 3).
Enter: abi-dump.py emit DIR         write DIR/<header>.ours.c and DIR/<header>.xen.c
       abi-dump.py compare DIR      read DIR/<header>.{ours,xen}.txt, print the verdict
       abi-dump.py strip C ERRORS   blank the lines of C that the compiler complained about
       (tests/abi/run does all three in order)
State: files in DIR only.
Holds: every item of a header is checked; those of KIT_ONLY headers must be unknown to Xen.
Tests: tests/abi/run --self-test breaks a header on purpose and expects to be told.
"""
import os
import re
import sys

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
ABI = os.environ.get("ABI_DIR") or os.path.join(TOP, "pv-abi")

# Our header -> Xen's headers that together define the same things.
XEN = {
    "blkif": ["io/blkif.h"],
    "callback": ["callback.h"],
    "console": ["io/console.h"],
    "cpuid": ["arch-x86/cpuid.h"],
    "domctl": ["domctl.h"],
    "elfnote": ["elfnote.h"],
    "errno": ["errno.h"],
    "event_channel": ["event_channel.h"],
    "features": ["features.h"],
    "grant_table": ["grant_table.h"],
    "mca": ["arch-x86/xen-mca.h"],
    "memory": ["memory.h"],
    "netif": ["io/netif.h"],
    "nmi": ["nmi.h"],
    "physdev": ["physdev.h"],
    "platform": ["platform.h"],
    "sched": ["sched.h"],
    "sysctl": ["sysctl.h"],
    "vcpu": ["vcpu.h"],
    "version": ["version.h"],
    "xen": ["xen.h"],
    "xenpmu": ["pmu.h"],
}
# Headers with nothing of Xen's in them: no name in there may exist in any of Xen's headers.
KIT_ONLY = {"parapet", "trace"}
# Strings of assembly: compared as text. (Xen has these in arch-x86/xen.h.)
TEXT = {"cpuid": ["XEN_EMULATE_PREFIX", "XEN_CPUID"]}
# Macros with arguments that want something else than the number 5.
CALL_ARGS = {
    "TI_GET_DPL": "(&(struct trap_info){ .flags = 6 })",
    "TI_GET_IF": "(&(struct trap_info){ .flags = 6 })",
    "MASK_XENCONS_IDX": "5000, (char[1024]){ 0 }",
    "xen_vcpu_physid_to_x86_apicid": "0x1234567890abcdefULL",
    "xen_vcpu_physid_to_x86_acpiid": "0x1234567890abcdefULL",
}
# Enumerators that Xen shows to itself only, under __XEN__.
INSIDE_XEN = {"errno"}


def clean(text):
    """Comments out, continued lines joined."""
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    return text.replace("\\\n", " ")


def preprocess(text):
    """Split a header into its macros and its declarations; take the branch without __ASSEMBLY__."""
    macros, decls, keep = [], [], [True]
    for line in clean(text).split("\n"):
        s = line.strip()
        if not s.startswith("#"):
            if all(keep):
                decls.append(line)
            continue
        d = re.match(r"#\s*(\w+)\s*(.*)", s)
        word, rest = d.group(1), d.group(2).strip()
        if word in ("if", "ifdef", "ifndef"):
            keep.append(not (word == "ifdef" and rest == "__ASSEMBLY__") and
                        "__STDC_HOSTED__" not in rest)
        elif word == "else":
            keep[-1] = not keep[-1]
        elif word == "endif":
            keep.pop()
        elif word == "define" and all(keep):
            m = re.match(r"(\w+)(\(([^)]*)\))?\s*(.*)", rest)
            name, args, value = m.group(1), m.group(3), m.group(4)
            if value:
                macros.append((name, None if args is None else len(args.split(","))))
    return macros, "\n".join(decls)


class Parser:
    """Recursive descent over the small C that pv-abi allows: no function, no initialiser."""

    def __init__(self, text):
        self.tok = re.findall(r"[A-Za-z_]\w*|\d\w*|<<|>>|[^\s\w]", text)
        self.i = 0
        self.items = []		# (kind, C type, field path or enumerator)

    def peek(self, n=0):
        return self.tok[self.i + n] if self.i + n < len(self.tok) else None

    def next(self):
        self.i += 1
        return self.tok[self.i - 1]

    def until(self, stops):
        """Collect tokens up to one of stops at bracket depth 0."""
        out, depth = [], 0
        while not (depth == 0 and self.peek() in stops):
            t = self.next()
            depth += t in "([{"
            depth -= t in ")]}"
            out.append(t)
        return out

    def file(self):
        while self.peek():
            if self.peek() == "typedef":
                self.next()
                decl = self.until([";"])
                self.next()
                names = [t for t in decl if re.match(r"[A-Za-z_]", t)]
                self.items.append(("type", names[-1] if "[" not in decl
                                   else decl[decl.index("[") - 1], None))
            elif self.peek() in ("struct", "union"):
                self.aggregate("", None)
                assert self.next() == ";"
            elif self.peek() == "enum":
                self.enum()
                assert self.next() == ";"
            else:
                sys.exit("abi-dump: cannot parse near '%s'" % " ".join(self.tok[self.i:self.i + 8]))
        return self.items

    def enum(self):
        self.next()
        self.next()
        assert self.next() == "{"
        while self.peek() != "}":
            self.items.append(("const", self.next(), None))
            self.until([",", "}"])
            if self.peek() == ",":
                self.next()
        self.next()

    def aggregate(self, prefix, outer):
        """struct or union [tag] { ... }. prefix is the path of the fields in outer, the C type."""
        kind = self.next()
        tag = self.next() if self.peek() != "{" else None
        if self.peek() != "{":
            return
        self.next()
        me = "%s %s" % (kind, tag) if tag else None
        if me:
            self.items.append(("size", me, None))
        where = (me, "") if me else (outer, prefix)
        while self.peek() != "}":
            self.member(where)
        self.next()

    def member(self, where):
        ctype, prefix = where
        if self.peek() in ("struct", "union") and "{" in (self.peek(1), self.peek(2)):
            # An inline aggregate: find its field names first (they follow the braces).
            start = self.i
            while self.peek() != "{":
                self.next()
            self.next()
            self.until(["}"])
            self.next()
            names = "".join(self.until([";"])).split(",")
            end = self.i
            for name in names:
                self.i = start
                base = re.sub(r"\[.*", "", name)
                if base:
                    self.items.append(("field", ctype, prefix + base))
                sub = prefix + (name if "[" not in name else base + "[0]") + ("." if name else "")
                self.aggregate(sub, ctype)
            self.i = end
            self.next()
            return
        # type declarator [, declarator] ;
        decl = self.until([";"])
        self.next()
        text = " ".join(decl)
        first, *more = re.split(r",", text)
        for d in [re.sub(r"^(?:(?:struct|union|unsigned) )?\w+ ", "", first)] + more:
            m = re.match(r"\s*(\w+)\s*(\[\s*\]|\[[^\]]*\]|:\s*\d+)?", d)
            name, dim = m.group(1), m.group(2) or ""
            kind = "field"
            if dim.startswith(":"):
                kind = "bit"
            elif re.match(r"\[\s*\]$", dim):
                kind = "flex"
            self.items.append((kind, ctype, prefix + name))


def parse(path):
    with open(path) as f:
        macros, decls = preprocess(f.read())
    items = Parser(decls).file()
    for name, nargs in macros:
        if any(name in t for t in TEXT.values()):
            continue
        items.append(("const", name, None) if nargs is None else ("call", name, nargs))
    seen, out = set(), []
    for it in items:
        if it not in seen:
            seen.add(it)
            out.append(it)
    return out


PROLOGUE = """\
/* Generated by tests/tools/abi-dump.py. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
%s
/* 1: a signed integer. Plain char, structures and arrays count as 0. */
#define SIGN(x) _Generic((x), signed char: 1, short: 1, int: 1, long: 1, long long: 1, default: 0)
#define SIZE(t) printf("size %%s 0 %%zu 0 0\\n", #t, sizeof(t));
#define TYPE(t) printf("type %%s 0 %%zu %%d 0\\n", #t, sizeof(t), SIGN(*(t *)scratch));
#define FIELD(t, f) printf("field %%s.%%s %%zu %%zu %%d 0\\n", #t, #f, offsetof(t, f), \\
\tsizeof(((t *)0)->f), SIGN(((t *)scratch)->f));
#define FLEX(t, f) printf("flex %%s.%%s %%zu %%zu 0 0\\n", #t, #f, offsetof(t, f), \\
\tsizeof(((t *)0)->f[0]));
#define BIT(t, f) { union { t s; unsigned char c[sizeof(t)]; } u; size_t i; \\
\tmemset(&u, 0, sizeof(u)); u.s.f = -1; printf("bit %%s.%%s ", #t, #f); \\
\tfor (i = 0; i < sizeof(t); i++) printf("%%02x", u.c[i]); printf(" 0 0 0\\n"); }
#define CONST(c) printf("const %%s 0 0 0 %%lld\\n", #c, (long long)(c));
#define CALL(m, ...) printf("call %%s 0 0 0 %%lld\\n", #m, (long long)(m(__VA_ARGS__)));
#define TEXT(c) { const char *p = c; printf("text %%s 0 0 0 ", #c); \\
	for (; *p; p++) putchar(*p == ' ' ? '_' : *p); printf("\\n"); }
static long long scratch[4096] __attribute__((unused));
int main(void)
{
"""


def line(item):
    kind, a, b = item
    if kind == "size":
        return "SIZE(%s)" % a
    if kind == "type":
        return "TYPE(%s)" % a
    if kind in ("field", "bit", "flex"):
        return "%s(%s, %s)" % (kind.upper(), a, b)
    if kind == "call":
        return "CALL(%s, %s)" % (a, CALL_ARGS.get(a) or ", ".join(["5", "3"][:b]))
    return "CONST(%s)" % a


def emit(out):
    headers = sorted(h[:-2] for h in os.listdir(ABI) if h.endswith(".h"))
    for h in headers:
        if h in KIT_ONLY:
            continue
        if h not in XEN:
            sys.exit("abi-dump: pv-abi/%s.h is in neither list of tests/tools/abi-dump.py" % h)
        items = parse(os.path.join(ABI, h + ".h"))
        ours = '#include "%s.h"' % os.path.join(ABI, h)
        theirs = "#define __XEN_TOOLS__ 1\n"
        if h in INSIDE_XEN:
            theirs = "#define __XEN__ 1\n"
        theirs += "#include <xen/xen.h>\n" if h not in INSIDE_XEN else ""
        theirs += "\n".join("#include <xen/%s>" % x for x in XEN[h])
        texts = TEXT.get(h, [])
        for side, inc in (("ours", ours), ("xen", theirs)):
            with open(os.path.join(out, "%s.%s.c" % (h, side)), "w") as f:
                f.write(PROLOGUE % inc)
                f.write("".join("\t%s\n" % line(i) for i in items))
                f.write("".join("\tTEXT(%s)\n" % t for t in texts))
                f.write("\treturn 0;\n}\n")
    # The kit's own names must be free in Xen's headers: they are looked up as text.
    with open(os.path.join(out, "kit.txt"), "w") as f:
        for h in sorted(KIT_ONLY):
            for kind, a, b in parse(os.path.join(ABI, h + ".h")):
                if kind not in ("field", "bit", "flex"):	# a field is in a struct of its own
                    f.write("%s\n" % a.split()[-1])
    print(" ".join(h for h in headers if h not in KIT_ONLY))


def strip(cfile, errors):
    """Blank the lines that do not compile, so that the rest can be measured. Says how many."""
    with open(cfile) as f:
        src = f.read().split("\n")
    bad = set()
    with open(errors) as f:
        for e in f:
            m = re.match(re.escape(cfile) + r":(\d+):\d+: error", e)
            if m:
                bad.add(int(m.group(1)))
    body = src.index("int main(void)") + 2
    if not bad or any(n <= body for n in bad):
        sys.exit("abi-dump: %s does not compile; see %s" % (cfile, errors))
    for n in bad:
        src[n - 1] = ""
    with open(cfile, "w") as f:
        f.write("\n".join(src))
    print(len(bad))


def table(path):
    with open(path) as f:
        return {tuple(x.split(" ", 1)[1].rsplit(" ", 4)[:1]) + (x.split(" ", 1)[0],):
                x.rstrip("\n").rsplit(" ", 4)[1:] for x in f}


def xen_words():
    """All words in Xen's installed headers."""
    words = set()
    for root, _, files in os.walk("/usr/include/xen"):
        for name in files:
            with open(os.path.join(root, name), errors="replace") as f:
                words |= set(re.findall(r"\w+", f.read()))
    return words


def compare(out):
    passed = failed = 0
    kinds = {}
    for h in sorted(XEN):
        if not os.path.exists(os.path.join(out, h + ".ours.txt")):
            print("FAIL %s.h: no table (is the header gone?)" % h)
            failed += 1
            continue
        ours, theirs = (table(os.path.join(out, "%s.%s.txt" % (h, s))) for s in ("ours", "xen"))
        for key, val in ours.items():
            name, kind = key
            if key not in theirs:
                print("FAIL %s.h: %s %s: Xen has no such thing" % (h, kind, name))
            elif theirs[key] != val:
                print("FAIL %s.h: %s %s: offset size sign value: ours %s, Xen's %s" %
                      (h, kind, name, " ".join(val), " ".join(theirs[key])))
            else:
                passed += 1
                kinds[kind] = kinds.get(kind, 0) + 1
                continue
            failed += 1
    words = xen_words()
    with open(os.path.join(out, "kit.txt")) as f:
        for name in f.read().split():
            if name in words:
                print("FAIL the kit: %s: Xen has this name" % name)
                failed += 1
            else:
                passed += 1
                kinds["kit"] = kinds.get("kit", 0) + 1
    print("checked: " + ", ".join("%d %s" % (n, k) for k, n in sorted(kinds.items())))
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "emit":
        emit(sys.argv[2])
    elif len(sys.argv) == 4 and sys.argv[1] == "strip":
        strip(sys.argv[2], sys.argv[3])
    elif len(sys.argv) == 3 and sys.argv[1] == "compare":
        sys.exit(compare(sys.argv[2]))
    else:
        sys.exit(__doc__)
