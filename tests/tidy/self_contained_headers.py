#!/usr/bin/env python3
"""Compiles each header of clearway/ alone, twice in one file: it needs nothing before it.

    self_contained_headers.py COMPILER BUILD_FOLDER

What has not changed since it last went through, nor what it includes, is not compiled again.
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FLAGS = ["-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-I", str(ROOT),
         "-x", "c++", "-"]


def closure(header, seen):
    """The header and all of ours that it includes, by path from the root."""
    if header not in seen and (ROOT / header).is_file():
        seen.add(header)
        text = (ROOT / header).read_text(encoding="utf-8")
        for included in re.findall(r"^\s*#\s*include\s*<(clearway/[^>]+)>", text, re.MULTILINE):
            closure(included, seen)
    return seen


def fingerprint(header, compiler):
    digest = hashlib.sha256(f"{compiler} {FLAGS}".encode())
    for path in sorted(closure(header, set())):
        digest.update(path.encode() + b"\0" + (ROOT / path).read_bytes())
    return digest.hexdigest()


def compile_alone(header, compiler):
    """What the compiler has to say against it."""
    program = f"#include <{header}>\n" * 2
    result = subprocess.run([compiler, *FLAGS], input=program, text=True, capture_output=True)
    return "" if result.returncode == 0 else result.stderr or f"{compiler} failed"


def main():
    compiler, build = sys.argv[1], pathlib.Path(sys.argv[2])
    cache = build / "self_contained_headers.json"
    known = json.loads(cache.read_text()) if cache.is_file() else {}
    headers = [path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob("clearway/**/*.hpp"))]
    prints = {header: fingerprint(header, compiler) for header in headers}
    changed = [header for header in headers if known.get(header) != prints[header]]

    failures = 0
    with concurrent.futures.ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        results = pool.map(lambda header: compile_alone(header, compiler), changed)
        for header, said in zip(changed, results):
            if said:
                failures += 1
                prints.pop(header)
                print(f"{header} does not compile on its own:\n{said}")
    cache.write_text(json.dumps(prints))
    print(f"{len(headers)} headers, {len(changed)} compiled, {failures} not self-contained")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
