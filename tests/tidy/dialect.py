"""The dialect that g++ 12.2 compiles correctly, and the kinds of parameters of coroutines.

g++ 12.2 lays out some coroutine frames wrongly (GCC PR 106188) and destroys some temporaries twice
(PR 101367, 100611), silently, at every level of optimisation. docs/hazards.md shows each case;
these rules keep the tree, the examples and the documents' code clear of them. Each rule yields
(offset, message).
"""

import re

import cpp

AWAIT = re.compile(r"\bco_await\b")
_DECLARATION = re.compile(
    r"\s*(const\s+)?(auto|[\w:]+(\s*<[^;=]*>)?)\s*[&*]{0,2}\s*(\b\w+|\[[^\]]*\])\s*=(?!=)")


def _awaiting(source):
    for statement in source.statements:
        if AWAIT.search(statement.text):
            yield statement


def condition(source):
    """await-condition: no `if (co_await x)`; `if (auto v = co_await x)` is laid out rightly."""
    for statement in _awaiting(source):
        pairs = cpp.match_brackets(statement.text)
        for match in re.finditer(r"\b(if|while|switch|for)\s*(constexpr\s*)?\(", statement.text):
            inside = statement.text[match.end():pairs.get(match.end() - 1, len(statement.text))]
            parts = re.split(";", inside)
            if match.group(1) == "for":
                parts = parts[1:2]  # a range's initialiser is a declaration of its own
            for part in parts:
                if AWAIT.search(part) and not _DECLARATION.match(part):
                    yield (statement.start + match.start(),
                           f"co_await in the condition of `{match.group(1)}`: await into a local "
                           "first (g++ 12 lays the frame out wrongly, PR 106188)")


def ternary(source):
    """await-ternary: no `c ? co_await a : b`."""
    for statement in _awaiting(source):
        depth, open_at = 0, []
        for match in re.finditer(r"[([{]|[)\]}]|\?|,|\bco_await\b", statement.text):
            token = match.group()
            if token in "([{":
                depth += 1
            elif token in ")]}":
                depth -= 1
                open_at = [level for level in open_at if level <= depth]
            elif token == ",":
                open_at = [level for level in open_at if level != depth]
            elif token == "?":
                open_at.append(depth)
            elif open_at:
                yield (statement.start + match.start(),
                       "co_await in a branch of `?:`: write if and else (g++ 12 destroys the "
                       "result twice)")


def braces(source):
    """await-braces: no co_await in a braced list, no list of strings or lists beside it."""
    for statement in _awaiting(source):
        pairs = cpp.match_brackets(statement.text)
        for offset, close in pairs.items():
            if statement.text[offset] != "{":
                continue
            inside = statement.text[offset + 1:close]
            if AWAIT.search(inside):
                yield (statement.start + offset,
                       "co_await within braces: await into locals first (g++ 12 destroys the "
                       "others twice)")
            elif re.match(r'\s*["{]', inside):
                yield (statement.start + offset,
                       "a braced list in a statement that awaits: name the container first "
                       "(g++ 12: \"array used as initializer\")")


def captures(source):
    """await-capture: a lambda in a statement that awaits captures by reference only."""
    for statement in _awaiting(source):
        for offset, names in cpp.lambda_captures(statement.text):
            by_value = [name for name in names if name != "this" and not name.startswith("&")]
            if by_value:
                yield (statement.start + offset,
                       f"a lambda captures `{by_value[0]}` by value in a statement that awaits: "
                       "name the lambda first, or capture by reference (g++ 12 destroys the "
                       "capture twice)")


def statement_expression(source):
    """await-statement-expression: g++ 12 gives up on `({ ... co_await ... })`."""
    for match in re.finditer(r"\(\s*\{", source.code):
        brace = match.end() - 1
        if source.is_block(brace) and AWAIT.search(source.code[brace:source.pairs.get(brace)]):
            yield (match.start(),
                   "a statement expression that awaits (g++ 12: internal compiler error)")


def parameters(source):
    """task-parameter: values and non-const references; others may be gone at the first await."""
    for offset, name, declared in cpp.task_functions(source.code):
        for parameter in declared:
            kind = parameter_kind(parameter)
            if kind:
                yield (offset,
                       f"`{name}` gives a Task and takes {kind} (`{parameter}`): take a value")


def parameter_kind(parameter):
    """What is wrong with a coroutine's parameter, or None."""
    declared = re.split(r"=(?!=)", parameter)[0].strip()
    outer = declared
    while re.search(r"<[^<>]*>", outer):
        outer = re.sub(r"<[^<>]*>", "", outer)
    if "&&" in outer:
        return "an rvalue or forwarding reference"
    if "&" in outer and re.search(r"\bconst\b", outer.split("&")[0]):
        return "a reference to const"
    if re.match(r"(const\s+)?(std::)?(basic_)?(string_view|span)\b", outer):
        return "a view of somebody else's memory"
    return None


RULES = {
    "await-condition": condition,
    "await-ternary": ternary,
    "await-braces": braces,
    "await-capture": captures,
    "await-statement-expression": statement_expression,
    "task-parameter": parameters,
}
