"""Tables, the machine, and docs/benchmarks.md, of which each part is replaced alone."""

import datetime
import os
import platform
import re
import subprocess
from pathlib import Path

from .peers import BENCH, PYTHON

PAGE = BENCH.parent / "docs/benchmarks.md"
TITLES = {"server": "HTTP servers", "client": "HTTP clients", "primitives": "Tasks", "tls": "TLS",
          "udp": "Datagrams", "drivers": "epoll beside io_uring", "fibers": "Fibers",
          "libraries": "Blocking libraries"}
OPENING = """# Benchmarks

Written by `./dev bench` (`bench/run`): do not edit, run it. Every part says when, where and with
which versions it was measured, and each was taken side by side in one go: compare figures within a
table, not between parts. Read ratios before absolute figures; a difference of less than a tenth is
not one on a shared machine.
"""


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def present(peers, options) -> list:
    """Those that can run; says of the others why they do not, here and in `options.notes`."""
    found = []
    for peer in peers:
        why = peer.missing(options.build)
        if why:
            print(f"  skipped: {peer.name}: {why}", flush=True)
            options.notes.append(f"{peer.name} was skipped: {why}.")
        else:
            found.append(peer)
            options.versions[peer.name] = peer.version()
    return found


def output_of(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, cwd=BENCH).stdout.strip()
    except OSError:
        return ""


def first(pattern: str, path: str, otherwise: str = "unknown") -> str:
    try:
        found = re.search(pattern, Path(path).read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found.group(1).strip() if found else otherwise


def machine() -> str:
    cpu = first(r"^model name\s*:\s*(.*)$", "/proc/cpuinfo", platform.machine())
    flags = first(r"^flags\s*:\s*(.*)$", "/proc/cpuinfo")
    guest = " (a virtual machine)" if "hypervisor" in flags else ""
    memory = int(first(r"^MemTotal:\s*(\d+)", "/proc/meminfo", "0")) / 2**20
    system = first(r'^PRETTY_NAME="(.*)"$', "/etc/os-release")
    kernel = f"Linux {platform.release()}"
    return f"{cpu}{guest}, {os.cpu_count()} cores, {memory:.0f} GiB, {system}, {kernel}"


def compiler(build: Path) -> str:
    cache = f"{build}/CMakeCache.txt"
    name = first(r"^CMAKE_CXX_COMPILER:\w+=(.*)$", cache, "c++")
    version = output_of(name, "--version").splitlines()[:1]
    kind = first(r"^CMAKE_BUILD_TYPE:\w+=(.*)$", cache)
    return f"{version[0] if version else name}, {kind}"


def part(name: str, method: str, tables: str, options) -> str:
    today = datetime.datetime.now().strftime("%Y-%m-%d %H:%M")
    commit = output_of("git", "describe", "--always", "--dirty", "--exclude=*") or "unknown"
    versions = "; ".join(f"{peer}: {version}" for peer, version in options.versions.items()
                         if version != "this commit")
    seconds = f" of {options.seconds:g} s" if name == "server" else ""
    notes = [f"{options.rounds} rounds{seconds}; other programs used {options.busy:.0%} of the "
             f"machine just before, other guests took {options.stolen:.1%} of it meanwhile.",
             *options.notes]
    facts = [f"- {today}, commit {commit}", f"- {machine()}", f"- {compiler(options.build)}",
             f"- {output_of(PYTHON, '--version')}; {versions}", *(f"- {note}" for note in notes)]
    return "\n\n".join([f"## {TITLES[name]}", method, "\n".join(facts), tables])


def write(name: str, text: str) -> None:
    """Puts a part between its own marks, in the order of TITLES; leaves the others as they are."""
    page = PAGE.read_text() if PAGE.exists() else ""
    parts = []
    for each in TITLES:
        begin, end = f"<!-- begin {each} -->", f"<!-- end {each} -->"
        kept = re.search(f"{begin}\n(.*?)\n{end}", page, re.DOTALL)
        body = text if each == name else kept.group(1) if kept else ""
        if body:
            parts.append(f"{begin}\n{body}\n{end}")
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text("\n".join([OPENING, "\n\n".join(parts), ""]))
