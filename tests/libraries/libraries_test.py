"""Blocking libraries of others on fibers, against the real servers. Each server is started here, on
a port and in a directory of its own, and stopped again.

A test whose library or server is not installed is skipped: `./dev install interop` brings them.
"""

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

PROGRAMS = os.path.join(os.environ["CLEARWAY_BUILD_DIR"], "tests")
CALLS = int(os.environ.get("CLEARWAY_LIBRARY_CALLS", "50"))


def program(library):
    path = os.path.join(PROGRAMS, "library_" + library)
    if not os.path.exists(path):
        raise unittest.SkipTest("library_%s was not built: its library is not installed" % library)
    return path


def server(*names):
    for name in names:
        for folder in ("/usr/sbin", "/usr/lib/rabbitmq/bin", "/usr/lib/postgresql/15/bin"):
            if os.path.exists(os.path.join(folder, name)):
                return os.path.join(folder, name)
        if shutil.which(name):
            return shutil.which(name)
    raise unittest.SkipTest(names[0] + " is not installed")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def demote(user):
    """For servers that refuse to run as root."""
    if os.getuid() != 0:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def environment_for(driver):
    # Unwatched, as the unit tests are: how slow the machine is shall not be in what is said.
    return {**os.environ, "CLEARWAY_DRIVER": driver, "CLEARWAY_SLOW": "off"}


def stop_group(process):
    """Ends a server with all its processes: RabbitMQ's is a script around the broker itself."""
    for sign, seconds in ((signal.SIGTERM, 30), (signal.SIGKILL, 10)):
        end = time.monotonic() + seconds
        try:
            os.killpg(process.pid, sign)
            while time.monotonic() < end:
                process.poll()  # a zombie counts as a member of its group
                os.killpg(process.pid, 0)
                time.sleep(0.05)
        except ProcessLookupError:
            return


class Libraries(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="clearway-")
        os.chmod(self.folder, 0o777)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def start(self, *command, ready, environment=None, **options):
        log = open(os.path.join(self.folder, "log"), "wb")
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=self.folder,
                                   env={**os.environ, **(environment or {})},
                                   start_new_session=True, **options)
        log.close()
        self.addCleanup(stop_group, process)
        for _ in range(1200):
            if process.poll() is not None:
                with open(os.path.join(self.folder, "log"), encoding="utf-8") as text:
                    self.fail("%s ended: %s" % (command[0], text.read()[-800:]))
            if ready():
                return process
            time.sleep(0.05)
        self.fail("%s does not answer" % command[0])

    def answers(self, port):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            return False

    def measure(self, library, *arguments, shortest, calls=CALLS):
        for driver in ("epoll", "uring"):
            with self.subTest(driver):
                done = subprocess.run([program(library), *map(str, arguments), str(calls)],
                                      text=True, capture_output=True, timeout=120,
                                      env=environment_for(driver))
                if driver == "uring" and "set it to epoll" in done.stderr:
                    continue  # the kernel has none for us
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(done.stderr, "")
                figures = json.loads(done.stdout)
                self.assertEqual(figures["failures"], 0, figures)
                self.assertGreaterEqual(figures["slowest"], shortest)
                # At once, not one after the other; and the loop went on meanwhile.
                self.assertLess(figures["elapsed"],
                                max(3 * figures["slowest"], calls * shortest / 4))
                self.assertGreater(figures["ticks"], 4)
                if "CLEARWAY_LIBRARY_FIGURES" in os.environ:
                    print("\n%-10s %s" % (library, done.stdout.strip()), flush=True)

    def test_libcurl(self):
        program("curl")
        for scheme in ("http", "https"):
            with self.subTest(scheme):
                self.measure("curl", scheme, free_port(), shortest=0.2)

    def test_sqlite(self):
        for driver in ("epoll", "uring"):
            path = os.path.join(self.folder, driver + ".db")
            done = subprocess.run([program("sqlite"), path, "20"], text=True, capture_output=True,
                                  timeout=120, env=environment_for(driver))
            if "set it to epoll" in done.stderr:
                continue
            self.assertEqual(done.returncode, 0, done.stderr)
            figures = json.loads(done.stdout)
            self.assertEqual(figures["failures"], 0, figures)
            if "CLEARWAY_LIBRARY_FIGURES" in os.environ:
                print("\nsqlite     %s" % done.stdout.strip(), flush=True)

    def test_hiredis(self):
        program("hiredis")
        path = os.path.join(self.folder, "redis.sock")
        self.start(server("redis-server"), "--port", "0", "--unixsocket", path, "--save", "",
                   "--dir", self.folder, "--maxclients", "4000",
                   ready=lambda: os.path.exists(path))
        self.measure("hiredis", path, shortest=1)

    def test_libpq(self):
        program("libpq")
        postgres, initdb = server("postgres"), server("initdb")
        data = os.path.join(self.folder, "data")
        as_user = demote("postgres")
        subprocess.run([initdb, "-D", data, "-A", "trust", "-U", "tester", "--no-sync"],
                       check=True, capture_output=True, cwd=self.folder, **as_user)
        path = os.path.join(self.folder, ".s.PGSQL.5432")
        self.start(postgres, "-D", data, "-k", self.folder, "-c", "listen_addresses=", "-c",
                   "fsync=off", "-c", "max_connections=%d" % (CALLS + 10),
                   ready=lambda: os.path.exists(path), **as_user)
        self.measure("libpq", "host=%s user=tester dbname=postgres" % self.folder, shortest=0.3)

    def test_libmariadb(self):
        program("mariadb")
        mariadbd, install = server("mariadbd"), server("mariadb-install-db")
        data, port = os.path.join(self.folder, "data"), free_port()
        as_user = demote("mysql")
        subprocess.run([install, "--no-defaults", "--datadir=" + data, "--skip-test-db",
                        "--auth-root-authentication-method=normal"],
                       check=True, capture_output=True, cwd=self.folder, **as_user)
        setup = os.path.join(self.folder, "setup.sql")
        with open(setup, "w", encoding="utf-8") as text:
            text.write("create user tester@'%' identified by 'tester';\n"
                       "create user tester@localhost identified by 'tester';\n")
        os.chmod(setup, 0o644)
        self.start(mariadbd, "--no-defaults", "--datadir=" + data, "--port=%d" % port,
                   "--bind-address=127.0.0.1", "--init-file=" + setup, "--skip-name-resolve",
                   "--socket=" + os.path.join(self.folder, "mariadb.sock"),
                   "--max-connections=%d" % (CALLS + 10), ready=lambda: self.answers(port),
                   **as_user)
        self.measure("mariadb", port, shortest=0.3)

    def test_librabbitmq(self):
        program("rabbitmq")
        port, names = free_port(), free_port()
        # Erlang's register of names is a daemon of its own, which outlives the broker.
        self.addCleanup(subprocess.run, ["epmd", "-port", str(names), "-kill"],
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        environment = {"HOME": self.folder, "RABBITMQ_NODENAME": "clearway%d@localhost" % port,
                       "RABBITMQ_NODE_PORT": str(port), "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
                       "RABBITMQ_DIST_PORT": str(free_port()),
                       "RABBITMQ_MNESIA_BASE": self.folder, "RABBITMQ_LOG_BASE": self.folder,
                       "RABBITMQ_ENABLED_PLUGINS_FILE": os.path.join(self.folder, "plugins"),
                       "RABBITMQ_CONFIG_FILE": os.path.join(self.folder, "none"),
                       "ERL_EPMD_PORT": str(names)}
        self.start(server("rabbitmq-server"), ready=lambda: self.answers(port),
                   environment=environment, **demote("rabbitmq"))
        self.measure("rabbitmq", port, shortest=0.3)


if __name__ == "__main__":
    unittest.main()
