#!/usr/bin/env python3
"""The tests over real sockets once more: with every loop on io_uring, and with io_uring forbidden.

A seccomp filter, as containers have it, makes io_uring_setup() fail.
"""

import ctypes
import errno
import os
import struct
import subprocess
import sys
import unittest
from pathlib import Path

BUILD = Path(os.environ.get("CLEARWAY_BUILD_DIR", "build"))
# (the binary, which of its tests)
REAL = [
    ("test_loop", "*"),
    ("test_net", "*"),
    ("test_task", "*"),
    ("test_os", "*"),
    ("test_tls", "*"),
    ("test_http", "ServerLoopback*:ServerClients*:ServerAllocations*:ClientPython*"),
]
SYSTEM_CALL = 425  # io_uring_setup, on every architecture but alpha
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
SECCOMP_RET_ERRNO, SECCOMP_RET_ALLOW = 0x00050000, 0x7FFF0000


def forbid(code: int) -> None:
    """From now on io_uring_setup() fails with `code` in this process and its children."""
    def instruction(operation: int, if_true: int, if_false: int, value: int) -> bytes:
        return struct.pack("=HBBI", operation, if_true, if_false, value)

    program = ctypes.create_string_buffer(b"".join([
        instruction(0x20, 0, 0, 0),  # load the system call's number
        instruction(0x15, 0, 1, SYSTEM_CALL),  # equal?
        instruction(0x06, 0, 0, SECCOMP_RET_ERRNO | code),
        instruction(0x06, 0, 0, SECCOMP_RET_ALLOW),
    ]))
    filter_program = ctypes.create_string_buffer(
        struct.pack("@HP", 4, ctypes.addressof(program)))
    libc = ctypes.CDLL(None, use_errno=True)
    if (libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter_program) != 0):
        raise OSError(ctypes.get_errno(), "seccomp")


def allowed() -> bool:
    """Whether this kernel gives io_uring to programs here."""
    libc = ctypes.CDLL(None, use_errno=True)
    parameters = ctypes.create_string_buffer(120)
    ring = libc.syscall(SYSTEM_CALL, 1, parameters)
    if ring < 0:
        return False
    os.close(ring)
    return True


class Drivers(unittest.TestCase):
    def run_tests(self, driver: str, prepare=None) -> None:
        environment = dict(os.environ, CLEARWAY_LOG="warning")
        environment.pop("CLEARWAY_DRIVER", None)
        environment.pop("GTEST_TOTAL_SHARDS", None)
        if driver:
            environment["CLEARWAY_DRIVER"] = driver
        ran = 0
        for name, tests in REAL:
            binary = BUILD / "tests" / name
            if not binary.exists():
                continue
            with self.subTest(name):
                done = subprocess.run([binary, f"--gtest_filter={tests}", "--gtest_brief=1"],
                                      env=environment, preexec_fn=prepare, timeout=500,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                self.assertEqual(done.returncode, 0, done.stdout[-4000:])
                ran += 1
        if ran == 0:
            self.skipTest(f"there are no test binaries in {BUILD}")

    @unittest.skipUnless(allowed(), "no io_uring here")
    def test_everything_on_io_uring(self):
        self.run_tests("uring")

    def test_without_io_uring(self):
        self.run_tests("", lambda: forbid(errno.EPERM))

    def test_the_filter_works(self):
        probe = [sys.executable, "-c",
                 "import ctypes; c = ctypes.CDLL(None, use_errno=True);"
                 f"print(c.syscall({SYSTEM_CALL}, 1, None), ctypes.get_errno())"]
        done = subprocess.run(probe, preexec_fn=lambda: forbid(errno.EPERM), text=True,
                              stdout=subprocess.PIPE)
        self.assertEqual(done.stdout.split(), ["-1", str(errno.EPERM)])


if __name__ == "__main__":
    unittest.main()
