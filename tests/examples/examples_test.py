"""The examples as their users meet them: output, exit codes, one-line errors, Ctrl-C."""

import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import unittest
import urllib.request

PROGRAMS = os.path.join(os.environ["CLEARWAY_BUILD_DIR"], "examples")
NAMES = ["wait_for_stuff", "pokemon", "race", "job_search", "watch_site", "send_sms",
         "background_ticks", "hello_web", "structure", "stand_in"]


def run(name, *arguments, timeout=60):
    return subprocess.run([os.path.join(PROGRAMS, name), *arguments], text=True,
                          capture_output=True, timeout=timeout)


class OneShotServer:
    """Accepts connections, reads a little, and answers each with the same bytes, or none."""

    def __init__(self, answer, close=True):
        self.answer, self.close = answer, close
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.kept = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.recv(65536)
            try:
                connection.sendall(self.answer)
            except OSError:
                pass
            if self.close:
                connection.close()
            else:
                self.kept.append(connection)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()


class CommandLine(unittest.TestCase):
    def test_help(self):
        for name in NAMES:
            with self.subTest(name):
                done = run(name, "--help")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn("--help", done.stdout)

    def test_nonsense_is_explained_in_one_line(self):
        for name in NAMES:
            with self.subTest(name):
                done = run(name, "--no-such-option")
                self.assertEqual(done.returncode, 1)
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
                self.assertIn(name, done.stderr)

    def test_a_number_out_of_range(self):
        done = run("race", "--count", "-3")
        self.assertEqual(done.returncode, 1)
        self.assertIn("--count", done.stderr)


class Output(unittest.TestCase):
    def test_wait_for_stuff(self):
        done = run("wait_for_stuff", "--count", "1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.count("stuff 0 arrived"), 2)

    def test_pokemon_keeps_the_order(self):
        done = run("pokemon", "--count", "20")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.split(), ["creature-%d" % n for n in range(1, 21)])

    def test_job_search(self):
        done = run("job_search", "c++", "python")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(done.stdout.splitlines()), 6)
        self.assertTrue(done.stdout.startswith("c++: c++ engineer"))

    def test_watch_site(self):
        done = run("watch_site", "--times", "2", "--period", "0.05", "/", "/missing")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.count(" / 200"), 2)
        self.assertEqual(done.stdout.count(" /missing 404"), 2)

    def test_send_sms_all_four_ways(self):
        for way in ("native", "program", "thread", "fiber"):
            with self.subTest(way):
                done = run("send_sms", "--way", way)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertRegex(done.stdout, "sent as SM.* ticked [1-9]")
                self.assertEqual(done.stderr, "")

    def test_background_ticks(self):
        done = run("background_ticks", "--milliseconds", "300")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("gave 42", done.stdout)

    def test_structure(self):
        done = run("structure")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("moved on without an answer", done.stdout)

    def test_race_writes_its_figures(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "race.json")
            done = run("race", "--count", "10", "--json", path)
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(path, encoding="utf-8") as file:
                modes = json.load(file)["modes"]
        self.assertEqual(set(modes), {"blocking", "sequential", "gather", "threads", "fibers"})
        self.assertGreater(modes["fibers"]["speedup"], 2)
        self.assertEqual(modes["gather"]["requests"], 10)
        self.assertGreater(modes["gather"]["speedup"], 2)


class Failures(unittest.TestCase):
    def explained(self, base_url, *words):
        done = run("pokemon", "--base-url", base_url, "--count", "1")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)

    def test_broken_url(self):
        self.explained("htp:/nowhere")

    def test_unknown_host(self):
        self.explained("http://no-such-host.invalid", "no-such-host.invalid")

    def test_refused_port(self):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        self.explained("http://127.0.0.1:%d" % port, "refused", str(port))

    def test_body_cut_short(self):
        with OneShotServer(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}") as server:
            self.explained(server.url, "100")

    def test_chunk_size_of_20_digits(self):
        with OneShotServer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                           b"11111111111111111111\r\n") as server:
            self.explained(server.url, "chunk")

    def test_header_of_a_megabyte(self):
        with OneShotServer(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1_000_000) as server:
            self.explained(server.url)

    def test_not_http_at_all(self):
        with OneShotServer(b"SSH-2.0-OpenSSH_9.2\r\n") as server:
            self.explained(server.url)

    def test_not_json(self):
        with OneShotServer(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello") as server:
            self.explained(server.url)

    def test_no_such_page(self):
        with OneShotServer(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") as server:
            self.explained(server.url, "404")


class Interrupted(unittest.TestCase):
    def test_ctrl_c_ends_at_once_with_130(self):
        with OneShotServer(b"", close=False) as server:
            process = subprocess.Popen(
                [os.path.join(PROGRAMS, "watch_site"), "--base-url", server.url],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            while not server.kept:
                if process.poll() is not None:
                    break
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=20)
            self.assertEqual(process.returncode, 130, errors)

    def test_workers_share_a_port_and_end_together(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        process = subprocess.Popen(
            [os.path.join(PROGRAMS, "hello_web"), "--workers", "3",
             "--listen", "tcp:%d:interface=127.0.0.1" % port],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertIn("127.0.0.1:%d" % port, process.stdout.readline())
        for _ in range(20):
            with urllib.request.urlopen("http://127.0.0.1:%d/plaintext" % port) as answer:
                self.assertEqual(answer.status, 200)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        self.assertEqual(process.returncode, 130, errors)

    def test_sigterm_ends_the_server_with_143(self):
        process = subprocess.Popen([os.path.join(PROGRAMS, "stand_in")], stdout=subprocess.PIPE,
                                   text=True)
        self.assertTrue(process.stdout.readline().startswith("http://"))
        process.terminate()
        process.communicate(timeout=20)
        self.assertEqual(process.returncode, 143)


if __name__ == "__main__":
    unittest.main()
