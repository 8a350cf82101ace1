"""The libc hooks say whether they are in force."""

import os
import subprocess
import unittest

BUILD = os.environ["CLEARWAY_BUILD_DIR"]
OBJECT = os.path.join(BUILD, "clearway", "fiber_hooks", "libclearway_fiber_hooks.so")


def run(kind, **environment):
    program = os.path.join(BUILD, "tests", "in_force_" + kind)
    if not os.path.exists(program):
        raise unittest.SkipTest("sanitizers come first in their programs")
    # It blocks on purpose, which the watchdog need not say.
    done = subprocess.run([program], text=True, capture_output=True, timeout=60,
                          env={**os.environ, "CLEARWAY_SLOW": "off", **environment})
    answer, milliseconds = done.stdout.split()
    return answer, int(milliseconds), done.stderr


class InForce(unittest.TestCase):
    def test_linked(self):
        answer, milliseconds, said = run("linked")
        self.assertEqual((answer, said), ("yes", ""))
        self.assertLess(milliseconds, 180)

    def test_without_hooks_fibers_block(self):
        answer, milliseconds, said = run("bare")
        self.assertEqual((answer, said), ("no", ""))
        self.assertGreaterEqual(milliseconds, 200)

    @unittest.skipUnless(os.path.exists(OBJECT), "no shared object was built")
    def test_preloaded(self):
        answer, milliseconds, said = run("bare", LD_PRELOAD=OBJECT)
        self.assertEqual((answer, said), ("yes", ""))
        self.assertLess(milliseconds, 180)

    def test_hidden_hooks_are_reported_loudly(self):
        answer, _, said = run("hidden")
        self.assertEqual(answer, "no")
        self.assertIn("not in force", said)
        self.assertIn("LD_PRELOAD", said)


if __name__ == "__main__":
    unittest.main()
