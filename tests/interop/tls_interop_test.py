"""TLS: our server under others' clients, our client against others' servers, and the errors that a
user meets. The certificates are made here, with the program openssl."""

import functools
import http.server
import os
import shutil
import ssl
import subprocess
import tempfile
import threading
import unittest

import interop_test
from interop_test import PROGRAMS, free_port, needs, wait_for

FOLDER = None


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def path(name):
    return os.path.join(FOLDER.name, name)


def make_root(name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", path(name + ".key"), "-out", path(name + ".pem"), "-days", "30",
            "-subj", "/CN=" + name)


def make(name, issuer="root", names="DNS:localhost,IP:127.0.0.1", usage="serverAuth,clientAuth",
         days=30, authority=False):
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", path(name + ".key"), "-out", path(name + ".csr"), "-subj", "/CN=" + name)
    with open(path(name + ".ext"), "w", encoding="utf-8") as file:
        if authority:
            file.write("basicConstraints=critical,CA:TRUE\n")
        else:
            file.write("subjectAltName=%s\nextendedKeyUsage=%s\n" % (names, usage))
    openssl("x509", "-req", "-in", path(name + ".csr"), "-CA", path(issuer + ".pem"),
            "-CAkey", path(issuer + ".key"), "-CAcreateserial", "-days", str(days),
            "-extfile", path(name + ".ext"), "-out", path(name + ".pem"))


def setUpModule():
    global FOLDER
    if not shutil.which("openssl"):
        raise unittest.SkipTest("openssl is not installed")
    FOLDER = tempfile.TemporaryDirectory()
    make_root("root")
    make_root("stranger")
    make("server")
    make("client")
    make("wrong_name", names="DNS:example.com")
    make("wrong_purpose", usage="clientAuth")
    make("middle", authority=True)
    make("leaf", issuer="middle")
    make("foreign", issuer="stranger")
    openssl("req", "-x509", "-key", path("server.key"), "-out", path("self.pem"), "-subj",
            "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")


def tearDownModule():
    FOLDER.cleanup()


def start_server(test, *arguments):
    port = free_port()
    process = subprocess.Popen(
        [os.path.join(PROGRAMS, "hello_web"), "--listen",
         ":".join(["ssl", str(port), "interface=127.0.0.1", "privateKey=" + path("server.key"),
                   "certKey=" + path("server.pem"), *arguments])], stdout=subprocess.DEVNULL)
    test.addClassCleanup(process.wait, 20)
    test.addClassCleanup(process.terminate)
    wait_for(port, process)
    return port


def run(*command, given=None, **environment):
    return subprocess.run(command, text=True, capture_output=True, timeout=60, input=given,
                          env={**os.environ, **environment})


class Server(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.port = start_server(cls)
        cls.strict_port = start_server(cls, "clientCA=" + path("root.pem"))
        cls.url = "https://localhost:%d/plaintext" % cls.port

    def curl(self, *arguments):
        return run("curl", "-sS", "--max-time", "20", *arguments)

    def s_client(self, *arguments, given="GET /plaintext HTTP/1.1\nHost: a\nConnection: close\n\n"):
        return run("openssl", "s_client", "-connect", "127.0.0.1:%d" % self.port, "-servername",
                   "localhost", "-CAfile", path("root.pem"), "-verify_return_error", "-ign_eof",
                   "-crlf", *arguments, given=given)

    @needs("curl")
    def test_curl_gets_pages_on_one_connection(self):
        for version in ("1.2", "1.3"):
            done = self.curl("--cacert", path("root.pem"), "--tls-max", version, "-w",
                             "%{num_connects}\n", self.url, self.url)
            self.assertEqual(done.stdout, "Hello, world!1\nHello, world!0\n", done.stderr)
        done = self.curl("--cacert", path("root.pem"), "--data-binary", "@" + path("root.pem"),
                         "https://localhost:%d/echo" % self.port)
        with open(path("root.pem"), encoding="utf-8") as file:
            self.assertEqual(done.stdout, file.read())

    @needs("curl")
    def test_curl_does_not_know_our_root(self):
        done = self.curl("--cacert", path("stranger.pem"), self.url)
        self.assertEqual(done.returncode, 60, done.stderr)
        done = self.curl("--cacert", path("root.pem"), self.url)
        self.assertEqual(done.stdout, "Hello, world!", "the server is as it was")

    @needs("curl")
    def test_curl_shows_a_certificate(self):
        url = "https://localhost:%d/plaintext" % self.strict_port
        for version in ("1.2", "1.3"):
            good = self.curl("--cacert", path("root.pem"), "--tls-max", version, "--cert",
                             path("client.pem"), "--key", path("client.key"), url)
            self.assertEqual(good.stdout, "Hello, world!", good.stderr)
            for arguments in ([], ["--cert", path("foreign.pem"), "--key", path("foreign.key")]):
                bad = self.curl("--cacert", path("root.pem"), "--tls-max", version, *arguments, url)
                self.assertNotEqual(bad.returncode, 0)
                self.assertEqual(bad.stdout, "")

    def test_s_client_talks_and_resumes(self):
        for version in ("-tls1_2", "-tls1_3"):
            session = path("session")
            first = self.s_client(version, "-sess_out", session)
            self.assertIn("Hello, world!", first.stdout, first.stderr)
            self.assertIn("Verify return code: 0 (ok)", first.stdout)
            self.assertIn("New, ", first.stdout)
            second = self.s_client(version, "-sess_in", session)
            self.assertIn("Reused, ", second.stdout)
            self.assertIn("Hello, world!", second.stdout)

    def test_s_client_is_refused_old_versions_and_strange_protocols(self):
        old = self.s_client("-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
        self.assertNotIn("Hello", old.stdout)
        self.assertIn("alert protocol version", old.stderr)
        strange = self.s_client("-alpn", "gopher")
        self.assertIn("alert no application protocol", strange.stderr)
        known = self.s_client("-alpn", "h2,http/1.1")
        self.assertIn("ALPN protocol: http/1.1", known.stdout)

    @needs("wrk")
    def test_wrk_sees_no_error(self):
        done = run("wrk", "-t1", "-c64", "-d1s", self.url)
        self.assertIn("Requests/sec", done.stdout)
        self.assertNotIn("Socket errors", done.stdout)
        self.assertNotIn("Non-2xx", done.stdout)

    def test_files_that_are_missing_are_named(self):
        done = run(os.path.join(PROGRAMS, "hello_web"), "--listen",
                   "ssl:0:privateKey=/nowhere.key:certKey=" + path("server.pem"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("column 7: cannot read the private key file /nowhere.key: No such file",
                      done.stderr)


class Client(unittest.TestCase):
    """`pokemon` fetches documents that lie in a folder which other servers serve."""

    COUNT = 150

    def setUp(self):
        documents = path("api/v2/pokemon")
        os.makedirs(documents, exist_ok=True)
        for number in range(1, self.COUNT + 1):
            with open(os.path.join(documents, str(number)), "w", encoding="utf-8") as file:
                file.write('{"name": "creature-%d"}' % number)
        self.port = free_port()

    def start(self, *command):
        process = subprocess.Popen(command, cwd=FOLDER.name, stdin=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(process.stdin.close)
        self.addCleanup(process.wait, 20)
        self.addCleanup(process.terminate)
        wait_for(self.port, process)

    def s_server(self, certificate, *arguments):
        self.start("openssl", "s_server", "-accept", str(self.port), "-WWW", "-cert",
                   path(certificate + ".pem"), "-key",
                   path(("server" if certificate == "self" else certificate) + ".key"), *arguments)

    def pokemon(self, count, root="root", host="localhost", scheme="https"):
        return run(os.path.join(PROGRAMS, "pokemon"), "--count", str(count), "--base-url",
                   "%s://%s:%d" % (scheme, host, self.port), SSL_CERT_FILE=path(root + ".pem"),
                   SSL_CERT_DIR="/nowhere")

    def fetch(self, count=COUNT, **where):
        done = self.pokemon(count, **where)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.split(), ["creature-%d" % n for n in range(1, count + 1)])

    def refusal(self, **where):
        done = self.pokemon(1, **where)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertEqual(done.stderr.count("\n"), 1, "one line: " + done.stderr)
        return done.stderr

    def test_python(self):
        class TlsServer(http.server.ThreadingHTTPServer):
            request_queue_size = 256
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

            def finish_request(self, request, address):
                # In the connection's own thread: a slow handshake holds up nobody.
                with self.context.wrap_socket(request, server_side=True) as secured:
                    super().finish_request(secured, address)

            def handle_error(self, request, address):
                pass

        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_):
                pass

        TlsServer.context.load_cert_chain(path("server.pem"), path("server.key"))
        handler = functools.partial(Handler, directory=FOLDER.name)
        with TlsServer(("127.0.0.1", self.port), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self.fetch()
            self.fetch(host="127.0.0.1")
            server.shutdown()

    @needs("nginx")
    def test_nginx(self):
        config = path("nginx.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write("""
                daemon off; master_process off; pid {0}/pid; error_log stderr;
                events {{ worker_connections 1024; }}
                http {{
                  access_log off; gzip on; gzip_min_length 1; gzip_types *;
                  client_body_temp_path {0}; proxy_temp_path {0}; fastcgi_temp_path {0};
                  uwsgi_temp_path {0}; scgi_temp_path {0};
                  ssl_certificate {0}/server.pem; ssl_certificate_key {0}/server.key;
                  server {{ listen 127.0.0.1:{1} ssl; root {0}; }}
                }}""".format(FOLDER.name, self.port))
        os.chmod(FOLDER.name, 0o755)
        self.start(shutil.which("nginx") or "/usr/sbin/nginx", "-c", config, "-p", FOLDER.name)
        self.fetch()
        self.assertIn("400", self.refusal(scheme="http"), "plain HTTP on its TLS port")

    def test_s_server(self):
        for version in ("-tls1_2", "-tls1_3"):
            with self.subTest(version):
                self.port = free_port()
                self.s_server("server", version)
                self.fetch(count=3)

    def test_each_bad_certificate_has_its_message(self):
        for certificate, arguments, message in (
                ("self", [], "the server's certificate is self-signed"),
                ("foreign", [], '"CN=stranger" is not among the trusted roots'),
                ("leaf", [], "the server sent it alone"),
                ("wrong_name", [], "is not for localhost: it is for example.com"),
                ("wrong_purpose", [], "is not for servers (serverAuth)"),
                ("server", ["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"], "no version of TLS"),
                ("server", ["-Verify", "1", "-CAfile", path("root.pem"), "-tls1_2"],
                 "the server wants a certificate of the client"),
                ("server", ["-Verify", "1", "-CAfile", path("root.pem"), "-tls1_3"],
                 "the server wants a certificate of the client")):
            with self.subTest(certificate + " " + " ".join(arguments)):
                self.port = free_port()
                self.s_server(certificate, *arguments)
                self.assertIn(message, self.refusal())

    def test_a_whole_chain_is_followed(self):
        self.s_server("leaf", "-cert_chain", path("middle.pem"))
        self.fetch(count=2)

    def test_an_expired_certificate(self):
        # `openssl x509` cannot date back; a certificate of minus one day has ended already.
        make("expired", days=-1)
        self.s_server("expired")
        self.assertRegex(self.refusal(), r"the server's certificate expired on 20\d\d-\d\d-\d\d")

    def test_our_examples_among_themselves(self):
        self.start(os.path.join(PROGRAMS, "stand_in"), "--port", str(self.port), "--certificate",
                   path("server.pem"), "--key", path("server.key"))
        self.fetch()
        base = ["--base-url", "https://localhost:%d" % self.port]
        sent = run(os.path.join(PROGRAMS, "send_sms"), *base, SSL_CERT_FILE=path("root.pem"))
        self.assertRegex(sent.stdout, r"^sent as SM[0-9a-f]{8}; the loop ticked \d+ times",
                         sent.stderr)
        refused = run(os.path.join(PROGRAMS, "send_sms"), *base, SSL_CERT_FILE=path("stranger.pem"))
        self.assertEqual(refused.returncode, 1)
        self.assertIn("is not among the trusted roots", refused.stderr)

    def test_a_server_without_tls(self):
        self.start("python3", "-m", "http.server", "--bind", "127.0.0.1", str(self.port))
        self.assertIn("does not speak TLS", self.refusal())


if __name__ == "__main__":
    assert interop_test  # its helpers; its tests are its own
    unittest.main()
