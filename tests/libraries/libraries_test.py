"""Blocking libraries of others on fibers, against the real servers.

A test whose library or server is not installed is skipped: `./dev install interop` brings them.
`./dev bench libraries` measures the same calls, and more of them at once.
"""

import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from servers import Failed, Missing, Servers  # noqa: E402

PROGRAMS = os.path.join(os.environ["CLEARWAY_BUILD_DIR"], "tests")
CALLS = 50


class Libraries(unittest.TestCase):
    def measure(self, start, *, shortest, calls=CALLS):
        """`start` is a function of Servers, which gives the command that makes the calls."""
        with Servers(PROGRAMS, calls) as servers:
            try:
                command = start(servers)
            except Missing as missing:
                self.skipTest(str(missing))
            except Failed as failed:
                self.fail(str(failed))
            for driver in ("epoll", "uring"):
                with self.subTest(driver):
                    self.measure_with(driver, start, command, shortest, calls)

    def measure_with(self, driver, start, command, shortest, calls):
        # Unwatched, as the unit tests are: how slow the machine is shall not be in what is said.
        done = subprocess.run([*command, str(calls)], text=True, capture_output=True, timeout=120,
                              env={**os.environ, "CLEARWAY_DRIVER": driver, "CLEARWAY_SLOW": "off"})
        if driver == "uring" and "set it to epoll" in done.stderr:
            return  # the kernel has none for us
        self.assertEqual(done.returncode, 0, done.stderr)
        if start is not Servers.sqlite:  # which sleeps with a mutex of its own held, and is told
            self.assertEqual(done.stderr, "")
        figures = json.loads(done.stdout)
        self.assertEqual(figures["failures"], 0, figures)
        self.assertGreaterEqual(figures["slowest"], shortest)
        # At once, not one after the other; and the loop went on meanwhile.
        self.assertLess(figures["elapsed"], max(3 * figures["slowest"], calls * shortest / 4))
        self.assertGreater(figures["ticks"], 4)

    def test_libcurl(self):
        for scheme in ("http", "https"):
            with self.subTest(scheme):
                self.measure(lambda servers: servers.curl(scheme, 200), shortest=0.2)

    def test_sqlite(self):
        self.measure(Servers.sqlite, shortest=0, calls=20)

    def test_hiredis(self):
        self.measure(Servers.hiredis, shortest=1)

    def test_libpq(self):
        self.measure(Servers.libpq, shortest=0.3)

    def test_libmariadb(self):
        self.measure(Servers.mariadb, shortest=0.3)

    def test_librabbitmq(self):
        self.measure(Servers.rabbitmq, shortest=0.3)


if __name__ == "__main__":
    unittest.main()
