#!/usr/bin/env python3
"""What must not compile: each case of docs/hazards.md that the compiler refuses, with its reason.

The good twin of each case must compile, so that a case cannot pass for a wrong reason.
"""

import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEAD = """
#include <string>
#include <vector>
#include <clearway/task/gather.hpp>
#include <clearway/task/sleep.hpp>
using namespace clearway;
Task<int> number(std::string text);
"""

# name, bad, good, what the compiler says (any of), only on g++ 12
CASES = [
    ("a stored task is not awaited",
     'Task<> f() { auto t = number("x"); co_await std::move(t); }',
     'Task<> f() { co_await number("x"); }',
     ("deleted", "no matching"), False),
    ("a task is not copied",
     'void f(Task<int>& t) { auto copy = t; }',
     'void f(Task<int>& t) { auto& same = t; (void)same; }',
     ("deleted",), False),
    ("a lambda with a copied string is named before it is awaited with",
     'Task<> f(std::vector<int> v, std::string s) {'
     ' co_await gather(v, [s](int) { return number(s); }); }',
     'Task<> f(std::vector<int> v, std::string s) {'
     ' co_await gather(v, [&](int) { return number(s); }); }',
     ("destroys this lambda twice",), True),
]


def compilation(compiler, code):
    command = [compiler, "-std=c++20", "-fsyntax-only", f"-I{ROOT}", "-x", "c++", "-"]
    return subprocess.run(command, input=HEAD + code, text=True, capture_output=True, check=False)


def main():
    failures = 0
    for compiler in filter(shutil.which, ("g++", "clang++-19")):
        version = subprocess.run([compiler, "-dumpversion"], text=True, capture_output=True,
                                 check=True).stdout
        old = compiler == "g++" and int(version.split(".")[0]) < 13
        for name, bad, good, reasons, only_old in CASES:
            accepted = compilation(compiler, good)
            if accepted.returncode != 0:
                failures += 1
                print(f"{compiler}: {name}: the good form does not compile:\n{accepted.stderr}")
            if only_old and not old:
                continue
            refused = compilation(compiler, bad)
            said = any(reason in refused.stderr for reason in reasons)
            if refused.returncode == 0 or not said:
                failures += 1
                print(f"{compiler}: {name}: not refused as it should be:\n{refused.stderr}")
    print(f"refusals: {len(CASES)} cases, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
