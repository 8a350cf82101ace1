#!/usr/bin/env python3
"""The rules of the tidy test, each caught in the act: one that finds nothing fails here."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import cpp
import rules
import tidy

MODULES = rules.links([
    "clearway_module(NAME base EXTERNAL_PUBLIC fmt::fmt)",
    "clearway_module(NAME loop LINKS base)",
    "clearway_module(NAME http LINKS loop\n  EXTERNAL_PRIVATE ZLIB::ZLIB)"])


def inside(statement):
    return f"Task<> f() {{\n  {statement}\n}}\n"


# rule: (path, text) pairs in which it must find something.
BAD = {
    "await-condition": [
        ("examples/a.cpp", inside("if (co_await x()) y();")),
        ("examples/a.cpp", inside("while (!co_await x()) { y(); }")),
        ("examples/a.cpp", inside("do { y(); } while (co_await x());")),
        ("examples/a.cpp", inside("switch (co_await x()) { case 1: y(); }")),
        ("examples/a.cpp", inside("if (int n = 1; co_await x(n)) y();")),
        ("examples/a.cpp", inside("for (; co_await x();) y();")),
        ("examples/a.cpp", inside("if (total == co_await x()) y();")),
        ("docs/a.md", "```cpp\nif (co_await x()) y();\n```\n"),
    ],
    "await-ternary": [
        ("tests/a.cpp", inside("auto v = c ? co_await a() : b();")),
        ("tests/a.cpp", inside("auto v = c ? b() : co_await a();")),
        ("tests/a.cpp", inside("use(1, c ? 0 : 1 + co_await a());")),
    ],
    "await-braces": [
        ("bench/a.cpp", inside("Pair p{co_await a(), co_await b()};")),
        ("bench/a.cpp", inside('co_await f({"a", "b"});')),
        ("bench/a.cpp", inside('co_await f({{"a", "1"}});')),
        ("bench/a.cpp", inside("co_await g(Pair{co_await a(), 1});")),
    ],
    "await-capture": [
        ("clearway/http/a.cpp", inside("co_await gather(r, [s](int i) { return g(s, i); });")),
        ("clearway/http/a.cpp", inside("co_await gather(r, [=](int i) { return g(i); });")),
        ("clearway/http/a.cpp", inside("co_await run([s = std::move(s)] { return s; });")),
        ("clearway/http/a.cpp", inside("co_await run([&, s]() -> Task<> { co_await g(s); });")),
        ("README.md", "```cpp\nco_await f([s] { return s; });\n```\n"),
    ],
    "await-statement-expression": [
        ("tests/a.cpp", inside("auto v = ({ auto r = co_await f(); r; });")),
    ],
    "task-parameter": [
        ("clearway/http/a.hpp", "Task<int> f(const std::string& name);\n"),
        ("clearway/http/a.hpp", "Task<int> f(std::string_view name);\n"),
        ("clearway/http/a.hpp", "Task<std::vector<int>> f(int n, std::span<char> into) const;\n"),
        ("examples/a.cpp", "Task<> f(std::string&& name) { co_await g(name); }\n"),
        ("examples/a.cpp", "auto l = [&](const Page& page) -> Task<> { co_await g(page); };\n"),
        ("examples/a.cpp", "template <class T>\nTask<> f(T&& value) { co_await g(value); }\n"),
    ],
    "floors": [
        ("clearway/base/a.cpp", "#include <clearway/loop/loop.hpp>\n"),
        ("clearway/loop/a.hpp", "#include <clearway/http/app.hpp>\n"),
        ("clearway/loop/a.hpp", "#include <clearway/clearway.hpp>\n"),
        ("clearway/loop/a.hpp", '#include "loop.hpp"\n'),
    ],
    "third-party-header": [
        ("clearway/http/a.hpp", "#include <nlohmann/json.hpp>\n"),
        ("clearway/net/a.hpp", "#include <ares.h>\n"),
    ],
    "catch-all": [("clearway/task/a.cpp", inside("try { g(); } catch (...) { h(); }"))],
    "sleep": [
        ("tests/task/a_test.cpp", inside("std::this_thread::sleep_for(1ms);")),
        ("tests/task/a_test.cpp", inside("::usleep(10);")),
    ],
    "pragma-once": [("clearway/base/a.hpp", "int f();\n")],
    "using-namespace": [("clearway/base/a.hpp", "#pragma once\nusing namespace std;\n")],
    "file-length": [("clearway/base/a.cpp", "int x;\n" * 501)],
    "line-length": [("bench/a.cpp", "// " + "x" * 98 + "\n")],
    "function-length": [
        ("clearway/base/a.cpp", "namespace a {\nint C::f() const {\n" + "g();\n" * 70 + "}\n}\n"),
        ("tests/a_test.cpp", "TEST(A, B) {\n" + "g();\n" * 70 + "}\n"),
        ("tests/a.py", "def f():\n" + "    g()\n" * 71),
    ],
    "type-name": [("clearway/base/a.hpp", "class byte_buffer {\n  int x;\n};\n")],
    "documented": [
        ("clearway/base/a.hpp", "namespace clearway {\n\nint f(int x);\n\n}\n"),
        ("clearway/base/a.hpp", "namespace clearway {\n\nclass A {\n  int x_;\n};\n\n}\n"),
        ("clearway/base/a.hpp", "#pragma once\n\n// A.\n\nclass A {\n  int x;\n};\n\nint f();\n"),
    ],
    "decision": [("docs/decisions/loop.md", "# One loop\n\nWe decided so.\n")],
    "unfinished": [
        ("clearway/base/a.cpp", "int x;  // TO" "DO: more\n"),
        ("README.md", "FIX" "ME\n"),
    ],
    "file-name": [("clearway/base/ByteBuffer.hpp", "#pragma once\n")],
}

# In these no rule may find anything.
GOOD = [
    ("examples/a.cpp", inside("if (auto v = co_await x()) y(*v);")),
    ("examples/a.cpp", inside("while (auto v = co_await x()) y(*v);")),
    ("examples/a.cpp", inside("if (auto [a, b] = co_await x(); a) y(b);")),
    ("examples/a.cpp", inside("const bool ok = co_await x();\n  if (ok) y();")),
    ("examples/a.cpp", inside("for (int i = 0; i < 5; ++i) co_await x(i);")),
    ("examples/a.cpp", inside("for (const auto& [k, v] : co_await x()) y(k, v);")),
    ("examples/a.cpp", inside("if (done) { co_await x(); }")),
    ("examples/a.cpp", inside("co_await f(c ? 1 : 2);")),
    ("examples/a.cpp", inside("use(c ? 1 : 2, co_await f());")),
    ("examples/a.cpp", inside("co_await gather(r, f, {.limit = 20});")),
    ("examples/a.cpp", inside("auto f = [s](int i) { return g(s, i); }; co_await gather(r, f);")),
    ("examples/a.cpp", inside("co_await gather(r, [&](int i) { return g(i); });")),
    ("examples/a.cpp", inside("co_await run([&value = members[0], this] { return value; });")),
    ("examples/a.cpp", inside("auto [a, b] = co_await x();")),
    ("examples/a.cpp", inside("auto& [a, b] = co_await x();")),
    ("examples/a.cpp", inside("co_await s([&]() -> Task<> { auto f = [s] {}; co_await f(); });")),
    ("examples/a.cpp", inside("spawn([s] { return s; });  // if (co_await x())")),
    ("examples/a.cpp", inside('log("if (co_await x()) catch (...)");')),
    ("examples/a.cpp", inside("auto big = 1'000'000; char quote = '\"'; co_await f(big);")),
    ("examples/a.cpp", "Task<> f(std::string name, Session& session, std::list<const int*> v);\n"),
    ("examples/a.cpp", "Task<> f(std::function<void(const Page&)> show) { co_await g(show); }\n"),
    ("clearway/loop/a.hpp", "#pragma once\n#include <clearway/base/error.hpp>\n"),
    ("clearway/base/a.hpp", "#pragma once\nnamespace clearway {\n\nclass A;\n\n"
                            "/// Counts.\nint f();\nint f(int x);\n\n"
                            "namespace detail {\n\nint g();\n\n}\n}\n"),
    ("clearway/http/a.hpp", "#pragma once\n// Does.\nTask<> f(F&& f) { return g(move(f)); }\n"),
    ("clearway/http/a.hpp", "#pragma once\n\ntemplate <>\nclass A<int> {\n  int x;\n};\n\n"
                            "int B::f() {\n  return 1;\n}\n\nB<int> B<int>::g() {\n  f();\n}\n\n"
                            "template <class T>\nclass B<T>::C : D {\n  int x;\n};\n"),
    ("tests/http/a.cpp", '#include "beside.hpp"\n'),
    ("clearway/base/a.hpp", "#pragma once\n\n// An essay.\n\nclass A {\n  int x_;\n};\n"),
    ("clearway/base/a.cpp", "namespace a {\n" + "int f() {\n  return 1;\n}\n" * 60 + "}\n"),
    ("docs/hazards.md", "```cpp bad\nif (co_await x()) y();\n```\n"),
    ("docs/decisions/loop.md", "# One loop\n\n## Rejected\n\nTwo loops.\n"),
]


class Rules(unittest.TestCase):
    def test_each_catches_what_it_is_for(self):
        for rule, cases in BAD.items():
            for path, text in cases:
                with self.subTest(rule=rule, text=text[:80]):
                    self.assertIn(rule, [found[0] for found in tidy.judge(path, text, MODULES)])

    def test_none_finds_fault_with_good_code(self):
        for path, text in GOOD:
            with self.subTest(text=text):
                self.assertEqual([], tidy.judge(path, text, MODULES))

    def test_all_have_a_bad_example(self):
        self.assertEqual(sorted(BAD), sorted(tidy.NAMES))

    def test_findings_name_the_line(self):
        text = "int a;\n\n" + inside("if (co_await x()) y();")
        (_, offset, _), = tidy.judge("examples/a.cpp", text, MODULES)
        self.assertEqual(4, cpp.line_of(text, offset))

    def test_exceptions_need_a_reason(self):
        self.assertEqual({("sleep", "tests/a.cpp"): "why not"},
                         tidy.read_allowed("# a comment\nsleep tests/a.cpp why not\n"))
        with self.assertRaises(SystemExit):
            tidy.read_allowed("sleep tests/a.cpp\n")

    def test_modules_include_what_they_link_and_what_that_links(self):
        self.assertEqual({"base", "loop", "http"}, MODULES["http"])
        self.assertEqual({"base"}, MODULES["base"])


if __name__ == "__main__":
    unittest.main()
