#!/usr/bin/env python3
"""Holds the house together: floors, the g++ 12 dialect, lengths, names. Run by ctest as `tidy`.

    tests/tidy/tidy.py            judge the whole tree
    tests/tidy/tidy.py --rules    name the rules

Exceptions are in allowed.txt, each with its reason; one that nothing needs any more is an error.
"""

import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import cpp
import dialect
import rules

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("clearway", "tests", "examples", "bench", "fuzz", "tools", "cmake", "docs", ".ci")
CODE = (".cpp", ".hpp")
SCRIPTS = (".py", ".sh", ".cmake", ".txt", ".in", ".c", "")

NAMES = {*dialect.RULES, "floors", "third-party-header", "pragma-once", "using-namespace",
         "catch-all", "sleep", "file-length", "line-length", "function-length", "unfinished",
         "file-name", "type-name", "documented", "decision"}


def judge_code(path, text, modules):
    """(rule, offset, message) for one C++ file."""
    source = cpp.Source(text)
    header = path.endswith(".hpp")
    checks = [(name, rule(source)) for name, rule in dialect.RULES.items()]
    checks += [
        ("floors", rules.floors(path, text, modules)),
        ("catch-all", rules.catch_all(source)),
        ("file-length", rules.file_length(path, text)),
        ("line-length", rules.line_length(path, text)),
        ("function-length", rules.function_length(source)),
        ("type-name", rules.type_name(source)),
    ]
    if header:
        checks.append(("pragma-once", rules.pragma_once(path, text)))
        checks.append(("using-namespace", rules.using_namespace(path, source)))
    if header and path.startswith("clearway/"):
        checks.append(("third-party-header", rules.third_party(path, text)))
        checks.append(("documented", rules.documented(source)))
    if path.startswith("tests/"):
        checks.append(("sleep", rules.sleeping(source)))
    for name, found in checks:
        for offset, message in found:
            yield name, offset, message


_FENCE = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def judge_page(path, text):
    """A page's C++ is copied by its readers: it keeps to the dialect, unless marked ```cpp bad."""
    for fence in _FENCE.finditer(text):
        language, mark, code = fence.groups()
        if language not in ("cpp", "c++") or mark.strip() == "bad":
            continue
        source = cpp.Source(code)
        for name, rule in list(dialect.RULES.items()) + [("catch-all", rules.catch_all)]:
            for offset, message in rule(source):
                yield name, fence.start(3) + offset, message
    if path.startswith("docs/decisions/") and not path.endswith("README.md"):
        for offset, message in rules.rejected_alternative(path, text):
            yield "decision", offset, message


def judge(path, text, modules):
    """All that there is to say about one file."""
    found = []
    suffix = pathlib.PurePath(path).suffix
    if suffix in CODE:
        found += judge_code(path, text, modules)
    elif suffix == ".md":
        found += judge_page(path, text)
    else:
        checks = [("file-length", rules.file_length), ("line-length", rules.line_length)]
        if suffix == ".py":
            checks.append(("function-length", rules.python_function_length))
        for name, rule in checks:
            found += [(name, *finding) for finding in rule(path, text)]
    found += [("unfinished", *finding) for finding in rules.words(path, text)]
    if path.split("/")[0] in ("clearway", "tests", "examples", "bench", "fuzz"):
        found += [("file-name", *finding) for finding in rules.file_name(path, text)]
    assert {rule for rule, _, _ in found} <= NAMES, "a rule without a name has no test either"
    return found


def read_allowed(text):
    """{(rule, path): reason}. A line: rule, path, reason."""
    allowed = {}
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() and not line.startswith("#"):
            parts = line.split(None, 2)
            if len(parts) < 3:
                raise SystemExit(f"allowed.txt:{number}: a rule, a path and a reason, please")
            allowed[parts[0], parts[1]] = parts[2]
    return allowed


def tree():
    """(path, text) of every file that is judged."""
    paths = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    paths += [path for path in ROOT.glob("*") if path.suffix in (".md", ".txt")] + [ROOT / "dev"]
    for path in sorted(paths):
        name = path.relative_to(ROOT).as_posix()
        data = "/data/" in name or "/vectors/" in name or "/corpus/" in name
        if not path.is_file() or "__pycache__" in name or data:
            continue
        if path.suffix in CODE + SCRIPTS + (".md",):
            yield name, path.read_text(encoding="utf-8")


def main():
    if sys.argv[1:] == ["--rules"]:
        print("\n".join(sorted(NAMES)))
        return 0
    modules = rules.links(path.read_text() for path in ROOT.glob("clearway/*/CMakeLists.txt"))
    allowed = read_allowed((ROOT / "tests/tidy/allowed.txt").read_text())
    used, findings, count = set(), 0, 0
    for path, text in tree():
        count += 1
        for rule, offset, message in judge(path, text, modules):
            if (rule, path) in allowed:
                used.add((rule, path))
                continue
            findings += 1
            line = cpp.line_of(text, offset) if offset is not None else 1
            print(f"{path}:{line}: {message} [{rule}]")
    for rule, path in sorted(set(allowed) - used):
        findings += 1
        print(f"tests/tidy/allowed.txt: nothing in {path} needs the exception from {rule} any more")
    print(f"tidy: {count} files, {findings} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
