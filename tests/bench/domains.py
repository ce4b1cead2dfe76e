# SPDX-License-Identifier: MIT
"""The part of tests/bench/run about making and ending domains.

Job:   dom0 with a toolstack (parapet and parapetd; on Xen xl and xenconsoled) runs tests/tools-tests/dom0/domains
Enter: run() and rows() from tests/bench/run
Holds: all figures are virtual microseconds under -icount: thousands of instructions
"""
import re
import subprocess

ROWS = [  # name, what the table calls it, bound in microseconds, and the largest ratio to another row
    ("create_64", "create a guest of 64 MiB, us", 25000, None),
    ("create_64_beside", "the same beside 99 others, paused", None, ("create_64", 1.2)),
    ("create_64_running", "the same beside 99 others, running", None, ("create_64", 1.2)),
    ("destroy_64", "destroy it, us", 15000, None),
    ("destroy_64_beside", "the same beside 99 others, paused", None, None),
    ("destroy_64_running", "the same beside 99 others, running", None, None),
    ("create_24", "create a guest of 24 MiB, us", None, None),
    ("create_24_beside", "the same beside 99 others, paused", None, ("create_24", 1.2)),
    ("create_24_running", "the same beside 99 others, running", None, ("create_24", 1.2)),
    ("destroy_24", "destroy it, us", None, None),
    ("destroy_24_beside", "the same beside 99 others, paused", None, None),
    ("destroy_24_running", "the same beside 99 others, running", None, None),
    ("boot_64", "create to the first line of its init, us", 1150000, None),
]
COUNT = 99
MEM = 4096


def image(top, xl):
    """dom0's initial ram disk with the tools and the guest's kernel."""
    subprocess.run(["make", "-s", "tools"], cwd=top, check=True)
    cmd = [top + "/tests/tools/mkdom0", "6.1", "--guest", "guest"] + (["--xl"] if xl else [])
    return subprocess.run(cmd, cwd=top, check=True, stdout=subprocess.PIPE, text=True).stdout.split("\n")[-2]


def script(name):
    """What dom0 runs. With xl only the first two figures: a hundred creates of it would take an hour."""
    return "run=sh+/domains+" + ("xl+0" if name == "xen" else "parapet+%d" % COUNT)


def figures(text):
    r = {n: float(v) for n, v in re.findall(r"^BENCH ((?:create|destroy|boot)_\w+) (\d+)", text, re.M)}
    others = re.search(r"^BENCH others (\d+)", text, re.M)
    if others and int(others.group(1)) != COUNT:
        r = {n: v for n, v in r.items() if not n.endswith(("_beside", "_running"))}
    return r


def rows(xen, parapet):
    """(label, Xen's figure, Parapet's, bound) each."""
    for name, label, bound, ratio in ROWS:
        a, b = xen.get(name), parapet.get(name)
        if ratio and parapet.get(ratio[0]):
            bound = parapet[ratio[0]] * ratio[1]
        if a or b:
            yield label, a, b, bound
