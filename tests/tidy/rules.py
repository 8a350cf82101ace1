"""The rules that are not about coroutines: floors, lengths, names, words, documentation.

Each rule takes what it judges and yields (offset or None, message).
"""

import ast
import re

import cpp

LONGEST_LINE = 100
LONGEST_FILE = 500
LONGEST_FUNCTION = 70


# The house

def links(cmake_texts):
    """{module: every module that it may include}, from the modules' CMakeLists.txt."""
    direct = {}
    for text in cmake_texts:
        match = re.search(r"clearway_module\(\s*NAME\s+(\w+)([^)]*)\)", text)
        if match:
            linked = re.search(r"\bLINKS\s+((?:[a-z_0-9]+\s*)*)", match.group(2))
            direct[match.group(1)] = linked.group(1).split() if linked else []

    def closure(module):
        found = {module}
        for other in direct.get(module, []):
            found |= closure(other)
        return found
    return {module: closure(module) for module in direct}


_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)


def floors(path, text, allowed_modules):
    """floors: a module includes itself and what it links, spelled <clearway/module/file.hpp>.

    Tests and programs may name a file beside them in quotes.
    """
    module = re.match(r"clearway/(\w+)/", path)
    for match in _INCLUDE.finditer(text):
        quote, included = match.groups()
        if quote == '"' and path.startswith("clearway/"):
            yield match.start(), f'#include "{included}": write <clearway/...> with the whole path'
        elif module and included.startswith("clearway/"):
            parts = included.split("/")
            if len(parts) < 3:
                yield match.start(), f"a module includes the umbrella {included}: name what it uses"
            elif parts[1] not in allowed_modules.get(module.group(1), {module.group(1)}):
                yield (match.start(), f"{module.group(1)} includes {included}, and {parts[1]} "
                       "is not among the modules that it links: includes go down only")


_HEAVY = re.compile(
    r"nlohmann/(?!json_fwd\.hpp)|ares\.h|zlib\.h|openssl/|curl/|CLI/|boost/|gtest/|liburing")


def third_party(path, text):
    """third-party-header: a public header brings nothing heavy that its user did not ask for."""
    for match in _INCLUDE.finditer(text):
        if _HEAVY.match(match.group(2)):
            yield match.start(), f"a public header includes {match.group(2)}: move that to the .cpp"


def pragma_once(path, text):
    """pragma-once"""
    if not re.search(r"^#pragma once$", text, re.MULTILINE):
        yield None, "a header without #pragma once"


def using_namespace(path, source):
    """using-namespace: not in headers; a test's may spell its durations."""
    for match in re.finditer(r"\busing\s+namespace\s+(\w+::)*(\w+)", source.code):
        if path.startswith("tests/") and match.group(2).endswith("literals"):
            continue
        yield match.start(), "`using namespace` in a header"


# Errors and time

def catch_all(source):
    """catch-all: Cancelled is not a std::exception and must pass."""
    for match in re.finditer(r"\bcatch\s*\(\s*\.\.\.\s*\)", source.code):
        yield (match.start(), "catch (...) also stops a cancellation: catch std::exception, or, "
               "where every exception is passed on, say so in tests/tidy/allowed.txt")


def sleeping(source):
    """sleep: tests take no real time."""
    for match in re.finditer(r"\b(sleep_for|sleep_until|usleep|nanosleep)\s*\(|::sleep\s*\(",
                             source.code):
        before = source.code[:match.start()]
        if match.group().startswith("::") and re.search(r"\bclearway$", before):
            continue
        yield match.start(), "a test that really sleeps: simulated time, or an event to wait for"


# Sizes

def file_length(path, text):
    """file-length"""
    lines = text.count("\n")
    if lines > LONGEST_FILE:
        yield None, f"{lines} lines, and {LONGEST_FILE} is the most: split it by purpose"


def line_length(path, text):
    """line-length"""
    offset = 0
    for line in text.split("\n"):
        if len(line) > LONGEST_LINE:
            yield offset, f"a line of {len(line)} characters, and {LONGEST_LINE} is the most"
        offset += len(line) + 1


_NOT_A_FUNCTION = re.compile(
    r"(template\s*<.*?>\s*(requires\b.*?)?)?\s*(inline\s+)?"
    r"(namespace|class|struct|union|enum|extern)\b",
    re.DOTALL)


def function_length(source):
    """function-length: a function fits a screen."""
    for statement in source.statements:
        if statement.block_end < 0 or "(" not in statement.text:
            continue
        if _NOT_A_FUNCTION.match(statement.text) and not statement.text.rstrip().endswith(")"):
            continue
        if any(not _NOT_A_FUNCTION.match(header) for header in statement.scope):
            continue  # a block within a function
        first = cpp.line_of(source.code, statement.start)
        lines = cpp.line_of(source.code, statement.block_end) - first + 1
        if lines > LONGEST_FUNCTION:
            yield (statement.start,
                   f"a function of {lines} lines, and {LONGEST_FUNCTION} is the most")


def python_function_length(path, text):
    """function-length, for the scripts."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            lines = node.end_lineno - node.lineno + 1
            if lines > LONGEST_FUNCTION:
                yield None, f"{node.name} has {lines} lines, and {LONGEST_FUNCTION} is the most"


# Words and names

_UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b")


def words(path, text):
    """unfinished: what is not done is not in the tree."""
    for match in _UNFINISHED.finditer(text):
        yield match.start(), f"the word {match.group()}: do it, or leave it to the tracker"


def file_name(path, text):
    """file-name: snake_case."""
    parts = path.split("/")
    if parts[-1] not in ("CMakeLists.txt", "README.md"):
        if not re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+)*", parts[-1]):
            yield None, f"the name {parts[-1]} is not snake_case"


def type_name(source):
    """type-name: PascalCase for classes; the language's own protocols have no choice."""
    declared = r"(?<!enum )\b(class|struct)\s+(?:\[\[\w+\]\]\s*)?(\w+)\s*(final\s*)?(\{|:(?!:))"
    for match in re.finditer(declared, source.code):
        name = match.group(2)
        before = source.code[:match.start()].rstrip()
        specialises = before.endswith(">") or name in ("promise_type", "iterator", "hash")
        if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", name) and not specialises:
            yield match.start(), f"the type {name} is not PascalCase"


# Documentation

_UNDOCUMENTED = re.compile(
    r"(using\b|static_assert\b|friend\b|extern\b|namespace\b"
    r"|(template\s*<.*>\s*)?(class|struct|enum(\s+class)?)\s+\w+(\s*:\s*[\w:]+)?$)", re.DOTALL)

# A specialisation, or the definition of a member or function that a class has declared.
_DECLARED_ELSEWHERE = re.compile(
    r"template\s*<\s*>|[^(]*[\w>]::(~?\w+\s*|operator[^(]*)\("
    r"|(template\s*<.*>\s*)?(class|struct)\s+[\w<>, ]+::", re.DOTALL)
_TYPE = re.compile(r"(template\s*<.*>\s*)?(class|struct|enum)\b", re.DOTALL)


def documented(source):
    """documented: a declaration at namespace scope has a comment, or stands under one that has.

    The essay that opens a file speaks for the first type in it.
    """
    lines = source.text.split("\n")
    essay = re.match(r"#pragma once\s+//", source.text)
    for statement in source.statements:
        if any(not re.match(r"(inline\s+)?namespace\b", header) for header in statement.scope):
            continue
        internal = r"\bnamespace(\s+([\w:]*::)?(detail|\w+_detail))?$"
        if any(re.search(internal, header) for header in statement.scope):
            continue
        if statement.block_end < 0 and _UNDOCUMENTED.match(statement.text.strip()):
            continue
        if _DECLARED_ELSEWHERE.match(statement.text):
            continue
        if re.match(r"(inline\s+)?namespace\b", statement.text):
            continue
        first = cpp.line_of(source.code, statement.start)  # from 1: the line above is first - 2
        above = lines[first - 2].strip() if first > 1 else ""
        if above == "" or above.startswith("#"):
            if essay and _TYPE.match(statement.text):
                essay = None
                continue
            name = " ".join(statement.text.split())[:60]
            yield statement.start, f"nothing says what this does: `{name}`"


def rejected_alternative(path, text):
    """decision: a page of docs/decisions says what was rejected, and why."""
    if not re.search(r"^\W*Rejected\b", text, re.MULTILINE):
        yield None, 'a decision without its "Rejected" part'
