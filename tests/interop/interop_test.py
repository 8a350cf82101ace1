"""Our server under others' clients, our client against others' servers.

A test whose program is not installed is skipped: `./dev install interop` brings them."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAMS = os.path.join(os.environ["CLEARWAY_BUILD_DIR"], "examples")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def wait_for(port, process):
    for _ in range(500):
        if process.poll() is not None:
            raise AssertionError("the server ended with %d" % process.returncode)
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.01)
    raise AssertionError("the server does not answer")


def needs(program):
    return unittest.skipUnless(shutil.which(program) or os.path.exists("/usr/sbin/" + program),
                               program + " is not installed")


class Server(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.port = free_port()
        cls.url = "http://127.0.0.1:%d" % cls.port
        cls.process = subprocess.Popen(
            [os.path.join(PROGRAMS, "hello_web"), "--listen",
             "tcp:%d:interface=127.0.0.1" % cls.port], stdout=subprocess.DEVNULL)
        wait_for(cls.port, cls.process)

    @classmethod
    def tearDownClass(cls):
        cls.process.terminate()
        cls.process.wait(20)

    def run_program(self, *command):
        return subprocess.run(command, text=True, capture_output=True, timeout=60)

    def curl(self, *arguments):
        return self.run_program("curl", "-sS", "--max-time", "20", *arguments)

    @needs("curl")
    def test_curl_gets_pages_on_one_connection(self):
        done = self.curl("-w", "%{num_connects}\n", self.url + "/plaintext",
                         self.url + "/plaintext")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, "Hello, world!1\nHello, world!0\n")

    @needs("curl")
    def test_curl_head_and_missing(self):
        head = self.curl("-I", self.url + "/")
        self.assertIn("200", head.stdout)
        self.assertIn("Content-Length", head.stdout)
        missing = self.curl("-o", os.devnull, "-w", "%{http_code}", self.url + "/missing")
        self.assertEqual(missing.stdout, "404")
        wrong = self.curl("-X", "DELETE", "-D", "-", self.url + "/plaintext")
        self.assertIn("405", wrong.stdout)
        self.assertIn("Allow: ", wrong.stdout)

    @needs("curl")
    def test_curl_speaks_http_1_0(self):
        done = self.curl("--http1.0", self.url + "/plaintext")
        self.assertEqual(done.stdout, "Hello, world!")

    @needs("wrk")
    def test_wrk_sees_no_error(self):
        done = self.run_program("wrk", "-t1", "-c64", "-d1s", self.url + "/plaintext")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("Requests/sec", done.stdout)
        self.assertNotIn("Socket errors", done.stdout)
        self.assertNotIn("Non-2xx", done.stdout)

    @needs("ab")
    def test_ab_sees_no_error(self):
        for keep_alive in ([], ["-k"]):
            done = self.run_program("ab", "-q", *keep_alive, "-c", "16", "-n", "2000",
                                    self.url + "/plaintext")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stdout, r"Complete requests: +2000")
            self.assertRegex(done.stdout, r"Failed requests: +0")


class Client(unittest.TestCase):
    """`pokemon` fetches documents that lie in a folder which other servers serve."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        documents = os.path.join(self.folder.name, "api/v2/pokemon")
        os.makedirs(documents)
        for number in range(1, 151):
            with open(os.path.join(documents, str(number)), "w", encoding="utf-8") as file:
                file.write('{"name": "creature-%d"}' % number)
        self.port = free_port()

    def fetch(self, process):
        self.addCleanup(process.wait, 20)
        self.addCleanup(process.terminate)
        wait_for(self.port, process)
        done = subprocess.run(
            [os.path.join(PROGRAMS, "pokemon"), "--base-url", "http://127.0.0.1:%d" % self.port],
            text=True, capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.split(), ["creature-%d" % n for n in range(1, 151)])

    def test_python_http_server(self):
        # As `python3 -m http.server`, but for its accept queue of 5: Linux leaves every further
        # client of a hundred at once with a connection that the server never gets to see.
        program = """if True:
            import functools, http.server, sys
            class Server(http.server.ThreadingHTTPServer):
                request_queue_size = 128
            handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[2])
            Server(("127.0.0.1", int(sys.argv[1])), handler).serve_forever()"""
        self.fetch(subprocess.Popen(
            [sys.executable, "-c", program, str(self.port), self.folder.name],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    @needs("nginx")
    def test_nginx(self):
        config = os.path.join(self.folder.name, "nginx.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write("""
                daemon off; master_process off; pid {0}/pid; error_log stderr;
                events {{ worker_connections 1024; }}
                http {{
                  access_log off; gzip on; gzip_min_length 1; gzip_types *;
                  client_body_temp_path {0}; proxy_temp_path {0}; fastcgi_temp_path {0};
                  uwsgi_temp_path {0}; scgi_temp_path {0};
                  server {{ listen 127.0.0.1:{1}; root {0}; }}
                }}""".format(self.folder.name, self.port))
        nginx = shutil.which("nginx") or "/usr/sbin/nginx"
        os.chmod(self.folder.name, 0o755)
        self.fetch(subprocess.Popen([nginx, "-c", config, "-p", self.folder.name],
                                    stderr=subprocess.DEVNULL))


if __name__ == "__main__":
    unittest.main()
