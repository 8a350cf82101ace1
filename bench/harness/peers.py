"""Who is measured. A row says how to start it and what it needs; without that it is skipped.

In a command, {build} is the build directory, {bench} this repository's bench/, {port} the port to
serve or to ask, {scratch} an empty directory of its own, and {count} and {concurrency} a client's
work.
"""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

BENCH = Path(__file__).resolve().parent.parent
# Debian's packages are the system's Python's, which need not be the first in the path.
PYTHON = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else "python3"


@dataclass(frozen=True)
class Peer:
    name: str
    command: str
    packages: str = ""       # Debian packages it comes from, a|b: whichever is installed
    module: str = ""         # the Python module that it imports
    path: str = "/"          # what a server is asked for
    valgrind: bool = True    # False: does not run under callgrind
    slowness: int = 1        # fewer requests, by this factor, where only a client's rate counts

    def missing(self, build: Path) -> str:
        """Why it cannot run, or nothing."""
        program = self.command.split()[0].format(build=build, bench=BENCH)
        if not shutil.which(program):
            wanted = f" (from {self.packages})" if self.packages else ""
            return f"{Path(program).name} is not there{wanted}"
        if self.module and subprocess.run([program, "-c", f"import {self.module}"],
                                          capture_output=True).returncode != 0:
            return f"Python has no {self.module} (from {self.packages})"
        return ""

    def arguments(self, build: Path, **values) -> list[str]:
        return [word.format(build=build, bench=BENCH, **values) for word in self.command.split()]

    def version(self) -> str:
        for package in filter(None, self.packages.split("|")):
            known = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package],
                                   capture_output=True, text=True)
            if known.returncode == 0 and known.stdout:
                return f"{package} {known.stdout}"
        return "this commit"


BOOST = "libboost1.81-dev|libboost1.74-dev|libboost-dev"
CURL = "libcurl4-openssl-dev|libcurl4-gnutls-dev"
NGINX = "nginx-light|nginx-core|nginx-full|nginx"

# The first row is the floor that the others are divided by.
SERVERS = [
    Peer("floor, epoll", "{build}/bench/bench_floor_epoll {port}"),
    Peer("floor, io_uring", "{build}/bench/bench_floor_uring {port}", "liburing-dev",
         valgrind=False),
    Peer("Clearway hello_web",
         "{build}/examples/hello_web --listen tcp:{port}:interface=127.0.0.1", path="/plaintext"),
    Peer("the same, without its watchdog",
         "env CLEARWAY_SLOW=off {build}/examples/hello_web --listen "
         "tcp:{port}:interface=127.0.0.1", path="/plaintext", valgrind=False),
    Peer("nginx, return 200", "nginx -p {scratch} -c {scratch}/nginx.conf", NGINX),
    Peer("Beast, lean", "{build}/bench/bench_peers_beast_lean_server {port}", BOOST),
    Peer("Beast, as its example", "{build}/bench/bench_peers_beast_server {port}", BOOST),
    Peer("aiohttp", PYTHON + " {bench}/peers/aiohttp_server.py {port}",
         "python3-aiohttp", "aiohttp"),
]

CLIENTS = [
    Peer("floor, epoll", "{build}/bench/bench_floor_client {port} {count} {concurrency}"),
    Peer("Clearway", "{build}/bench/bench_http_client {port} {count} {concurrency}"),
    Peer("Beast, as its example",
         "{build}/bench/bench_peers_beast_client {port} {count} {concurrency}", BOOST),
    Peer("libcurl multi", "{build}/bench/bench_peers_curl_client {port} {count} {concurrency}",
         CURL),
    Peer("aiohttp", PYTHON + " {bench}/peers/aiohttp_client.py {port} {count} {concurrency}",
         "python3-aiohttp", "aiohttp", slowness=10),
]

# {metric} is one of METRICS; the first row is ours.
PRIMITIVES = [
    Peer("Clearway", "{build}/bench/bench_primitives_primitives {metric}"),
    Peer("Asio, lean", "{build}/bench/bench_peers_asio_lean_primitives {metric}", BOOST),
    Peer("Asio, as it comes", "{build}/bench/bench_peers_asio_primitives {metric}", BOOST),
    Peer("asyncio", PYTHON + " {bench}/peers/asyncio_primitives.py {metric}", "python3"),
]

FIBERS = [
    Peer("Clearway", "{build}/bench/bench_fiber_fiber {metric}"),
    Peer("Boost.Context, bare", "{build}/bench/bench_fiber_context {metric}",
         "libboost-context1.81-dev|libboost-context1.74-dev|libboost-context-dev"),
    Peer("Asio's spawn", "{build}/bench/bench_peers_asio_spawn {metric}", BOOST),
    Peer("gevent", PYTHON + " {bench}/peers/gevent_fibers.py {metric}",
         "python3-gevent", "gevent"),
]

FIBER_METRICS = {
    "child": "await a child task, for comparison, ns",
    "enter": "run a function on a fiber, ns",
    "await": "the same, and it awaits something ready, ns",
    "switch": "switch between ten fibers, ns",
    "bytes": "one more fiber that waits, bytes",
}

METRICS = {
    "await": "await a child that does not suspend, ns",
    "spawn_join": "spawn a task and join it, ns",
    "switch": "switch between two tasks, ns",
    "timer": "set a timer and cancel it, among a million, ns",
    "task_bytes": "one more suspended task, bytes",
}
