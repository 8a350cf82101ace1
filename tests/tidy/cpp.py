"""Just enough of C++ to judge its style: code without comments, statements, lambdas, parameters.

A compiler's front end would be exact, and slow, and one more thing to install; the rules here
need brackets and statements only. What this cannot see, clang-tidy and the compile-time checks of
the headers do.
"""

import re
from dataclasses import dataclass, field

OPENING = {"(": ")", "[": "]", "{": "}"}
CLOSING = set(OPENING.values())

_TOKEN = re.compile(
    r'//[^\n]*'
    r'|/\*.*?\*/'
    r'|R"(?P<mark>[^\s()\\"]{0,16})\(.*?\)(?P=mark)"'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9a-zA-Z_])'(?:\\.|[^'\\\n])+'",
    re.DOTALL)


def code_only(text):
    """The text with comments and the insides of literals blanked; every offset stays."""
    def blank(match):
        token = match.group()
        inner = re.sub(r"[^\n]", " ", token)
        if token[0] == "/":
            return inner
        quote = token[-1]
        return quote + inner[1:-1] + quote if len(token) > 1 else inner
    return _TOKEN.sub(blank, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def match_brackets(code):
    """Offset of each opening bracket -> offset of the one that closes it."""
    pairs, stack = {}, []
    for offset, char in enumerate(code):
        if char in OPENING:
            stack.append(offset)
        elif char in CLOSING:
            while stack and OPENING[code[stack[-1]]] != char:
                stack.pop()  # an unbalanced #if; the rules go on with what they have
            if stack:
                pairs[stack.pop()] = offset
    return pairs


def split_top_level(text, separator=","):
    """Splits at separators outside of all brackets, angle brackets included."""
    parts, depth, start = [], 0, 0
    for offset, char in enumerate(text):
        if char in "([{<":
            depth += 1
        elif char in ")]}" or (char == ">" and text[offset - 1:offset] not in ("-", "=")):
            depth -= 1
        elif char == separator and depth <= 0:
            parts.append(text[start:offset])
            start = offset + 1
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]


@dataclass
class Statement:
    """A statement, without the bodies of the lambdas in it: those have statements of their own."""
    start: int
    end: int
    text: str                 # same length as the source's slice, lambda bodies blanked
    block_end: int = -1       # where the block that it introduces ends (function, class, if), or -1
    scope: tuple = field(default=())  # the headers of the blocks around it


class Source:
    """One file's code, cut into statements."""

    def __init__(self, text):
        self.text = text
        without_comments = code_only(text)
        # Preprocessor lines are not statements.
        self.code = re.sub(r"^[ \t]*#(?:[^\n\\]|\\\n|\\.)*",
                           lambda match: re.sub(r"[^\n]", " ", match.group()),
                           without_comments, flags=re.MULTILINE)
        self.pairs = match_brackets(self.code)
        self.statements = []
        self._block(0, len(self.code), ())

    def is_block(self, brace):
        """Whether the brace at this offset opens statements rather than a braced list of values."""
        end = self.pairs.get(brace, len(self.code))
        offset = brace + 1
        while offset < end:
            char = self.code[offset]
            if char == ";":
                return True
            if char == "{" and not self._after_lambda(offset) and self.is_block(offset):
                return True
            offset = self.pairs.get(offset, offset) + 1 if char in OPENING else offset + 1
        before = self.code[:brace].rstrip()
        return self.code[brace + 1:end].strip() == "" and before.endswith((")", "try", "noexcept"))

    def _after_lambda(self, brace):
        before = self.code[max(0, brace - 400):brace]
        return re.search(r"\[[^\[\]]*\]\s*(\([^()]*\))?\s*(mutable)?\s*(->[^;{}]*)?$", before)

    def _block(self, offset, end, scope):
        start, depth, blanked = offset, 0, []
        while offset < end:
            char = self.code[offset]
            if char in "([":
                depth += 1
            elif char in ")]":
                depth -= 1
            elif char == "{" and offset in self.pairs:
                close = self.pairs[offset]
                if not self.is_block(offset):
                    # Values, in which there may be lambdas.
                    self._lambdas(offset + 1, close, scope, blanked)
                    offset = close
                elif depth > 0 or self._after_lambda(offset):
                    self._block(offset + 1, close, scope + (self.code[start:offset],))
                    blanked.append((offset + 1, close))
                    offset = close
                else:
                    header = self._add(start, offset, blanked, scope, block_end=close)
                    self._block(offset + 1, close, scope + (header,))
                    offset, start, depth, blanked = close, close + 1, 0, []
            elif char == ";" and depth <= 0:
                self._add(start, offset, blanked, scope)
                start, depth, blanked = offset + 1, 0, []
            offset += 1
        self._add(start, end, blanked, scope)

    def _lambdas(self, offset, end, scope, blanked):
        while offset < end:
            if self.code[offset] == "{" and offset in self.pairs and self.is_block(offset):
                self._block(offset + 1, self.pairs[offset], scope)
                blanked.append((offset + 1, self.pairs[offset]))
                offset = self.pairs[offset]
            offset += 1

    def _add(self, start, end, blanked, scope, block_end=-1):
        text = self.code[start:end]
        for first, last in blanked:
            inner = re.sub(r"[^\n]", " ", self.code[first:last])
            text = text[:first - start] + inner + text[last - start:]
        lead = len(text) - len(text.lstrip())
        if text.strip():
            self.statements.append(
                Statement(start + lead, end, text[lead:], block_end, scope))
        return text.strip()


_NOT_A_SUBSCRIPT = re.compile(r"\b(return|co_return|co_await|co_yield|case|else)\s*$")


def lambda_captures(text):
    """(offset, captures) of each lambda introducer in a statement."""
    pairs = match_brackets(text)
    for offset, close in sorted(pairs.items()):
        if text[offset] != "[" or text[offset:offset + 2] == "[[" or text[offset - 1:offset] == "[":
            continue
        before = text[:offset].rstrip()
        if before and re.match(r"[\w)\]]", before[-1]) and not _NOT_A_SUBSCRIPT.search(before):
            continue
        if re.match(r"\s*([({<]|mutable\b|noexcept\b|->)", text[close + 1:]):
            yield offset, split_top_level(text[offset + 1:close])


def task_functions(code):
    """(offset, name, parameters) of each function or lambda whose declared type is Task<...>."""
    pairs = match_brackets(code)
    closing = {close: opening for opening, close in pairs.items()}
    for match in re.finditer(r"\bTask\s*<", code):
        end = _angle_end(code, match.end() - 1)
        if end is None:
            continue
        arrow = re.search(r"(\)|\])\s*(mutable\s*|noexcept\s*)*->\s*(clearway::)?$",
                          code[:match.start()])
        if arrow and arrow.group(1) == ")":
            opening = closing.get(arrow.start())
            if opening is not None and not _plain(code, pairs, end + 1):
                yield opening, "lambda", split_top_level(code[opening + 1:arrow.start()])
            continue
        declared = re.match(r"\s+([\w:~]+)\s*\(", code[end + 1:])
        if not declared:
            continue
        opening = end + 1 + declared.end() - 1
        close = pairs.get(opening)
        if close is not None and re.match(r"\s*([{;=]|const\b|override\b|noexcept\b|requires\b|&)",
                                          code[close + 1:]) \
                and not _plain(code, pairs, close + 1):
            yield opening, declared.group(1), split_top_level(code[opening + 1:close])


def _plain(code, pairs, offset):
    """Whether the body that begins here is a plain function's, which hands on somebody's Task."""
    brace = re.match(r"(\s|const\b|noexcept\b|override\b|final\b)*\{", code[offset:])
    if not brace:
        return False
    opening = offset + brace.end() - 1
    body = code[opening:pairs.get(opening, len(code))]
    return re.search(r"\breturn\b", body) and not re.search(r"\bco_(await|return|yield)\b", body)


def _angle_end(code, offset):
    depth = 0
    for position in range(offset, min(len(code), offset + 400)):
        char = code[position]
        if char == "<":
            depth += 1
        elif char == ">" and code[position - 1] != "-":
            depth -= 1
            if depth == 0:
                return position
        elif char in ";{":
            return None
    return None
