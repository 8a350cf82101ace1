"""The servers that libraries are tested and measured against. Each is started here, on a port and
in a directory of its own, and stopped again."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time


class Missing(Exception):
    """A program is not installed."""


class Failed(Exception):
    """A server did not start."""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def answers_at(path):
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


def installed(*names):
    for name in names:
        for folder in ("/usr/sbin", "/usr/lib/rabbitmq/bin", "/usr/lib/postgresql/15/bin"):
            if os.path.exists(os.path.join(folder, name)):
                return os.path.join(folder, name)
        if shutil.which(name):
            return shutil.which(name)
    raise Missing(names[0] + " is not installed")


def demote(user):
    """For servers that refuse to run as root."""
    if os.getuid() != 0:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


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


class Servers:
    """While the block runs, what was started in it. `programs` is where the library_... are."""

    def __init__(self, programs, connections, prepare=None):
        self.programs, self.connections, self.prepare = programs, connections, prepare
        self.ends = []

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="clearway-")
        os.chmod(self.folder, 0o777)
        self.ends.append(lambda: shutil.rmtree(self.folder, ignore_errors=True))
        return self

    def __exit__(self, *_):
        for end in reversed(self.ends):
            end()

    def program(self, library):
        path = os.path.join(self.programs, "library_" + library)
        if not os.path.exists(path):
            raise Missing("library_%s was not built: its library is not installed" % library)
        return path

    def log(self):
        with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as text:
            return text.read()

    def start(self, *command, ready, environment=None, **options):
        log = open(os.path.join(self.folder, "log"), "wb")
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=self.folder,
                                   env={**os.environ, **(environment or {})},
                                   preexec_fn=self.prepare, start_new_session=True, **options)
        log.close()
        self.ends.append(lambda: stop_group(process))
        for _ in range(1200):
            if process.poll() is not None:
                raise Failed("%s ended: %s" % (command[0], self.log()[-800:]))
            if ready():
                return process
            time.sleep(0.05)
        raise Failed("%s does not answer" % command[0])

    # Each gives the command that makes the calls, but for their number.

    def curl(self, scheme, milliseconds):
        port = free_port()
        program = self.program("curl")
        self.start(program, "serve", scheme, str(port), self.folder, ready=lambda: answers(port))
        authority = os.path.join(self.folder, "certificate.pem") if scheme == "https" else "-"
        return [program, "%s://127.0.0.1:%d/after/%d" % (scheme, port, milliseconds), authority]

    def sqlite(self):
        handle, path = tempfile.mkstemp(dir=self.folder, suffix=".db")
        os.close(handle)
        return [self.program("sqlite"), path]

    def hiredis(self):
        program = self.program("hiredis")
        path = os.path.join(self.folder, "redis.sock")
        self.start(installed("redis-server"), "--port", "0", "--unixsocket", path, "--save", "",
                   "--dir", self.folder, "--maxclients", str(self.connections + 100),
                   "--tcp-backlog", "4096", ready=lambda: answers_at(path))
        return [program, path]

    def libpq(self):
        program = self.program("libpq")
        postgres, initdb = installed("postgres"), installed("initdb")
        data = os.path.join(self.folder, "data")
        as_user = demote("postgres")
        subprocess.run([initdb, "-D", data, "-A", "trust", "-U", "tester", "--no-sync"],
                       check=True, capture_output=True, cwd=self.folder, **as_user)
        self.start(postgres, "-D", data, "-k", self.folder, "-c", "listen_addresses=", "-c",
                   "fsync=off", "-c", "lc_messages=C",
                   "-c", "max_connections=%d" % (self.connections + 10),
                   # It answers before that, and sends everybody away.
                   ready=lambda: "ready to accept connections" in self.log(), **as_user)
        return [program, "host=%s user=tester dbname=postgres" % self.folder]

    def mariadb(self):
        program = self.program("mariadb")
        mariadbd, install = installed("mariadbd"), installed("mariadb-install-db")
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
                   "--socket=" + os.path.join(self.folder, "mariadb.sock"), "--back-log=2000",
                   "--max-connections=%d" % (self.connections + 10),
                   ready=lambda: answers(port), **as_user)
        return [program, str(port)]

    def rabbitmq(self):
        program = self.program("rabbitmq")
        port, names = free_port(), free_port()
        # Erlang's register of names is a daemon of its own, which outlives the broker.
        self.ends.append(lambda: subprocess.run(
            ["epmd", "-port", str(names), "-kill"], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, check=False))
        # Logging in has to wait for a thousand others.
        with open(os.path.join(self.folder, "rabbitmq.conf"), "w", encoding="utf-8") as text:
            text.write("tcp_listen_options.backlog = 4096\nhandshake_timeout = 100000\n")
        environment = {"HOME": self.folder, "RABBITMQ_NODENAME": "clearway%d@localhost" % port,
                       "RABBITMQ_NODE_PORT": str(port), "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
                       "RABBITMQ_DIST_PORT": str(free_port()),
                       "RABBITMQ_MNESIA_BASE": self.folder, "RABBITMQ_LOG_BASE": self.folder,
                       "RABBITMQ_ENABLED_PLUGINS_FILE": os.path.join(self.folder, "plugins"),
                       "RABBITMQ_CONFIG_FILE": os.path.join(self.folder, "rabbitmq.conf"),
                       "ERL_EPMD_PORT": str(names)}
        self.start(installed("rabbitmq-server"), ready=lambda: answers(port),
                   environment=environment, **demote("rabbitmq"))
        return [program, str(port)]
