#!/usr/bin/env python3
"""The `clearway` command and the gdb script on running, hanging, stripped and foreign programs, and
what a blocked program says by itself."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

BUILD = os.environ.get("CLEARWAY_BUILD_DIR", "build")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BLOCKED = os.path.join(BUILD, "examples", "blocked")
STAND_IN = os.path.join(BUILD, "examples", "stand_in")
RACE = os.path.join(BUILD, "examples", "race")
COMMAND = os.path.join(BUILD, "tools", "clearway")
SCRIPT = os.path.join(ROOT, "tools", "gdb", "clearway_tasks.py")
PATIENCE = 60
# Their functions stand between those of the program, and their memory is too large for core files.
SANITIZED = os.environ.get("CLEARWAY_SANITIZE", "")


def clearway(*arguments, **options):
    return subprocess.run([COMMAND, *map(str, arguments)], text=True, capture_output=True,
                          timeout=PATIENCE, **options)


def contents(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def quiet(**more):
    return {**os.environ, "CLEARWAY_SLOW": "off", **more}


@unittest.skipUnless(os.path.exists(COMMAND), "the command is not built: it needs libcli11-dev")
@unittest.skipUnless(os.path.exists(BLOCKED), "the examples are not built")
class Processes(unittest.TestCase):
    def start(self, *command, **options):
        process = subprocess.Popen(command, **options)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def hang(self, program=BLOCKED):
        """A program whose loop does not come back."""
        process = self.start(program, "--way", "sleep", "--milliseconds", "600000", env=quiet())
        self.until(lambda: "it sleeps in nanosleep()" in clearway("pstree", process.pid).stdout)
        return process

    def race_on_fibers(self):
        """libcurl on three fibers, for answers that do not come; (process, what libcurl does)."""
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)
        process = self.start(RACE, "--only", "fibers", "--count", "3", "--base-url",
                             "http://127.0.0.1:%d" % server.getsockname()[1],
                             env=quiet(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.until(lambda: len(re.findall(r"fiber.*?poll\(\) on descriptor",
                                          clearway("pstree", process.pid, "--all").stdout,
                                          re.S)) == 3)
        return process

    def until(self, condition):
        end = time.monotonic() + PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), end, "it does not come to that")


class Tree(Processes):
    def test_a_hung_loop(self):
        process = self.hang()
        done = clearway("pstree", process.pid)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("process %d, blocked\n" % process.pid, done.stdout)
        self.assertRegex(done.stdout, r"loop of thread %d, \w+, has run tasks for .*; it sleeps in "
                         r"nanosleep\(\)\n" % process.pid)
        self.assertRegex(done.stdout, r'"sleep" block_loop at blocked.cpp:\d+ · runs, \d')
        self.assertRegex(done.stdout, r'"ticker" tick at blocked.cpp:\d+ · (sleep|is ready)')
        listed = clearway("ps", process.pid)
        self.assertRegex(listed.stdout, r'runs +"sleep" block_loop at blocked.cpp:\d+')

    def test_json(self):
        view = json.loads(clearway("pstree", self.hang().pid, "--json").stdout)
        loop, = view["loops"]
        self.assertTrue(loop["busy"])
        self.assertFalse(loop["changed"])

        def tasks(some):
            for task in some:
                yield task
                yield from tasks(task["children"])
        named = {task["name"]: task for task in tasks(loop["tasks"])}
        self.assertEqual(named["sleep"]["state"], "running")
        self.assertEqual(named["sleep"]["frames"][-1]["name"], "block_loop")
        self.assertTrue(named["sleep"]["started"]["file"].endswith("examples/blocked.cpp"))

    def test_a_name_that_was_cut_inside_a_character(self):
        with tempfile.TemporaryDirectory() as folder:
            program = os.path.join(folder, "xein\033ngererN\u00e4me")  # the kernel keeps 15 bytes
            os.symlink(os.path.abspath(BLOCKED), program)
            process = self.hang(program)
            name = json.loads(clearway("ps", process.pid, "--json").stdout)["name"]
            self.assertRegex(name, "^xein\033ngererN")
            self.assertIn("xein\\x1bngererN", clearway("pstree", process.pid).stdout)

    def test_a_server_under_load(self):
        server = self.start(STAND_IN, env=quiet(), stdout=subprocess.PIPE, text=True)
        address = server.stdout.readline().strip().split("//")[1]
        self.addCleanup(server.stdout.close)
        stop = threading.Event()

        def ask():
            connection = http.client.HTTPConnection(address)
            while not stop.is_set():
                connection.request("GET", "/api/v2/pokemon/1")
                connection.getresponse().read()
            connection.close()
        clients = [threading.Thread(target=ask) for _ in range(8)]
        for client in clients:
            client.start()
        try:
            self.until(lambda: re.search(r"[4-8] × .*\n.*creature at stand_in.cpp:\d+ · sleep",
                                         clearway("pstree", server.pid).stdout))
        finally:
            stop.set()
            for client in clients:
                client.join()

    @unittest.skipUnless(shutil.which("strip"), "there is no strip")
    def test_a_stripped_program(self):
        with tempfile.TemporaryDirectory() as folder:
            program = os.path.join(folder, "blocked")
            subprocess.run(["strip", "-s", "-o", program, BLOCKED], check=True)
            process = self.hang(program)
            os.remove(program)  # replaced by a newer one, for instance
            self.assertIn("block_loop", clearway("pstree", process.pid).stdout)


class Fibers(Processes):
    # Once a second libcurl looks at its clock, and who reads the fibers just then sees none wait.
    @unittest.skipIf(SANITIZED, "the stacks are a sanitizer's too")
    def test_a_fiber_stands_below_the_task_that_runs_it_with_its_stack(self):
        process = self.race_on_fibers()
        self.shows("pstree", process, r"3 × .*\n?.*fetch_on_fiber at race.cpp:\d+\n[ │]*fiber")
        self.shows("pstree", process, r" · poll\(\), up to ")
        self.shows("ps", process, r"poll\(\) on descriptors [\d, ]+fetch_on_fiber at race.cpp:\d+")
        fibers = []
        self.until(lambda: fibers.extend(self.waiting_fibers(process)) or len(fibers) >= 3)
        for fiber in fibers:
            self.assertEqual(fiber["call"], "poll")
            self.assertEqual(len(fiber["descriptors"]), 2)  # the connection, and how others wake it
        if not fibers[0]["stack"]:
            self.skipTest("the command was built without libdw")
        names = [call["name"] for call in fibers[0]["stack"]]
        self.assertLess(names.index("curl_easy_perform"), names.index("fetch_blocking"))
        self.assertEqual(names[-1], "fetch_blocking")  # and none of the library's own
        self.shows("pstree", process, r"fiber: fetch_blocking at fetch_blocking.cpp:\d+\n"
                   r"[ │]+curl_easy_perform in libcurl")

    def shows(self, command, process, pattern):
        self.until(lambda: re.search(pattern, clearway(command, process.pid).stdout))

    def waiting_fibers(self, process):
        def frames(tasks):
            for task in tasks:
                yield from task["frames"]
                yield from frames(task["children"])
        view = json.loads(clearway("pstree", process.pid, "--json").stdout)
        return [frame["fiber"] for frame in frames(view["loops"][0]["tasks"])
                if "fiber" in frame and frame["fiber"]["call"]]


class Errors(Processes):
    def refused(self, *arguments, **options):
        done = clearway(*arguments, **options)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertEqual(done.stdout, "")
        return done.stderr

    def test_no_such_process(self):
        self.assertEqual(self.refused("ps", 2 ** 22 + 1),
                         "clearway: there is no process %d\n" % (2 ** 22 + 1))

    def test_another_program(self):
        process = self.start("sleep", "600")
        self.until(lambda: contents("/proc/%d/comm" % process.pid) == "sleep\n")
        self.assertIn("(sleep) is no program of Clearway", self.refused("pstree", process.pid))

    def test_a_process_that_has_ended(self):
        process = self.start("true")
        self.until(lambda: ") Z " in contents("/proc/%d/stat" % process.pid))
        self.assertIn("has ended; its parent has not asked how",
                      self.refused("pstree", process.pid))

    def test_a_process_whose_main_thread_has_ended(self):
        exit_thread = {"x86_64": 60, "aarch64": 93}.get(os.uname().machine)
        if exit_thread is None:
            self.skipTest("the number of exit() is not known here")
        process = self.start("python3", "-c", "import ctypes, threading, time\n"
                             "threading.Thread(target=time.sleep, args=(600,)).start()\n"
                             "ctypes.CDLL(None).syscall(%d, 0)" % exit_thread)
        self.until(lambda: ") Z " in contents("/proc/%d/stat" % process.pid))
        self.assertIn("is no program of Clearway", self.refused("ps", process.pid))

    # To read a page of another process brings it into that process's memory.
    def test_what_a_process_has_mapped_as_data_is_left_alone(self):
        size = 128 << 20
        for flag in ("MAP_SHARED", "MAP_PRIVATE"):
            with tempfile.NamedTemporaryFile() as file:
                file.truncate(size)
                process = self.start(
                    "python3", "-c", "import mmap, sys, time\n"
                    "file = open(sys.argv[1], 'r+b')\n"
                    "data = mmap.mmap(file.fileno(), 0, flags=mmap.%s)\n"
                    "print('ready', flush=True)\n"
                    "time.sleep(600)" % flag, file.name, stdout=subprocess.PIPE, text=True)
                self.addCleanup(process.stdout.close)
                self.assertEqual(process.stdout.readline(), "ready\n")
                self.assertIn("is no program of Clearway", self.refused("ps", process.pid))
                resident = re.search(r"VmRSS:\s+(\d+) kB",
                                     contents("/proc/%d/status" % process.pid))
                self.assertLess(int(resident.group(1)) << 10, size)

    @unittest.skipUnless(os.getuid() == 0, "only root can become somebody else")
    def test_somebody_elses_process(self):
        process = self.hang()
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            command = shutil.copy(COMMAND, folder)
            done = subprocess.run([command, "pstree", str(process.pid)], text=True,
                                  capture_output=True, timeout=PATIENCE, user=65534, group=65534)
        self.assertEqual(done.returncode, 1)
        self.assertIn("(blocked) may not be read", done.stderr)
        self.assertIn("Try it with sudo", done.stderr)

    @unittest.skipUnless(shutil.which("nm"), "there is no nm")
    def test_another_version(self):
        process = self.hang()
        symbols = subprocess.run(["nm", BLOCKED], text=True, capture_output=True).stdout
        offset = int(re.search(r"^(\w+) \w clearway_debug_root$", symbols, re.M).group(1), 16)
        with open("/proc/%d/maps" % process.pid, encoding="utf-8") as maps:
            base = next(int(line.split("-")[0], 16) for line in maps
                        if line.rstrip().endswith(os.path.realpath(BLOCKED)))
        with open("/proc/%d/mem" % process.pid, "r+b", buffering=0) as memory:
            memory.seek(base + offset + 16)
            memory.write((99).to_bytes(4, "little"))
        message = self.refused("pstree", process.pid)
        self.assertIn("in version 99, and this command knows version 2", message)

    def test_arguments(self):
        self.assertEqual(clearway().returncode, 2)
        self.assertEqual(clearway("ps", "me").returncode, 2)
        self.assertEqual(clearway("--help").returncode, 0)


@unittest.skipUnless(shutil.which("gdb"), "gdb is not installed")
@unittest.skipIf(SANITIZED, "there are no core files of sanitized programs")
class Gdb(Processes):
    # From this process only: gdb's own core files lack what lies near guard pages.
    def test_fibers_have_their_stacks(self):
        process = self.race_on_fibers()
        self.until(lambda: len(re.findall(
            r"fetch_on_fiber\(.* at race.cpp:\d+\n +fiber - poll\(\) on descriptor \d+, \d+\n"
            r"(?: +\| .*\n)* +\| fetch_blocking.* at fetch_blocking.cpp:\d+\n"
            r"(?: +\| .*\n)* +\| curl_easy_perform.* in libcurl.*\n",
            self.tasks("-p", str(process.pid)))) == 3)

    def tasks(self, *arguments):
        done = subprocess.run(["gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off",
                               *arguments, "-x", SCRIPT, "-ex", "clearway tasks"],
                              text=True, capture_output=True, timeout=PATIENCE)
        return done.stdout

    def test_a_live_process_and_its_core(self):
        process = self.hang()
        with tempfile.TemporaryDirectory() as folder:
            core = os.path.join(folder, "core")
            live = self.tasks("-p", str(process.pid), "-ex", "generate-core-file " + core)
            dead = self.tasks(BLOCKED, core)
        for text in (live, dead):
            self.assertRegex(text, r"loop of thread \d+, \w+, runs tasks")
            self.assertRegex(text, r'"sleep" .*block_loop\(.* at blocked.cpp:\d+ - runs')
            self.assertRegex(text, r'"ticker" .*tick\(.* at blocked.cpp:\d+ - (sleep|is ready)')


class Watchdog(Processes):
    def reports(self, *arguments, slow):
        done = subprocess.run([BLOCKED, *arguments], text=True, capture_output=True,
                              timeout=PATIENCE, env=quiet(CLEARWAY_SLOW=slow))
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stderr

    def test_five_ways_and_five_reports(self):
        text = self.reports("--milliseconds", "400", slow="50ms")
        first = {}
        for report in text.split("clearway warning [watchdog] ")[1:]:
            match = re.search(r'by task "(\w+)"', report)
            self.assertIsNotNone(match, report)
            first.setdefault(match.group(1), report)
        expected = {
            "spin": (r"it burns CPU", "spin"),
            "sleep": (r"it sleeps in nanosleep\(\)", "sleep_in_the_kernel"),
            "read": (r"it sleeps in read\(\) on descriptor \d+ \(pipe:\[\d+\]\)", "read_a_pipe"),
            "lock": (r"it sleeps in futex\(\)", "take_a_lock"),
            "sort": (r"it burns CPU", "sort_numbers"),
        }
        self.assertEqual(set(first), set(expected), text)
        for way, (activity, function) in expected.items():
            self.assertRegex(first[way], activity)
            self.assertRegex(first[way], r"in block_loop at blocked.cpp:\d+")
            self.assertRegex(first[way], function + r" at blocked.cpp:\d+")

    def test_off_and_nonsense(self):
        self.assertEqual(self.reports("--way", "spin", slow="off"), "")
        text = self.reports("--way", "spin", "--milliseconds", "1", slow="soon")
        self.assertIn("CLEARWAY_SLOW=soon is not understood", text)

    def test_a_stopped_process_is_not_blocked(self):
        process = self.start(BLOCKED, "--way", "spin", "--milliseconds", "250",
                             env=quiet(CLEARWAY_SLOW="400ms"), stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stderr.close)
        self.until(lambda: '"spin" block_loop' in clearway("pstree", process.pid).stdout)
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.7)
        process.send_signal(signal.SIGCONT)
        self.assertEqual(process.stderr.read(), "")
        self.assertEqual(process.wait(), 0)


if __name__ == "__main__":
    unittest.main()
