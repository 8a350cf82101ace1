"""Starting pinned processes and reading what the kernel knows of them."""

import json
import os
import resource
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from .peers import BENCH, Peer

CPUS = sorted(os.sched_getaffinity(0))
MEASURED_CPU, OTHER_CPU = CPUS[0], CPUS[-1]
TICKS = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """A measured program did not do its work; the message is for people."""


def raise_descriptor_limit() -> int:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def pinned(cpu: int):
    return lambda: os.sched_setaffinity(0, {cpu})


def run_json(arguments: list[str], cpu: int) -> dict:
    """Runs a program to its end and reads the one line of JSON that it prints."""
    done = subprocess.run(arguments, preexec_fn=pinned(cpu), capture_output=True, text=True,
                          timeout=180)
    if done.returncode != 0:
        name = " ".join(Path(word).name for word in arguments[:2])
        raise Failed(f"{name} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def wait_until_listening(process: subprocess.Popen, port: int, name: str) -> None:
    for _ in range(1200):
        if process.poll() is not None:
            raise Failed(f"{name} ended at once with {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise Failed(f"{name} did not listen on port {port} within a minute")


class Server:
    def __init__(self, peer: Peer, process: subprocess.Popen, port: int):
        self.peer, self.process, self.port = peer, process, port

    def cpu_seconds(self) -> tuple[float, float]:
        """User and system time so far; the fields after the name in parentheses."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) / TICKS, int(fields[12]) / TICKS

    def memory(self) -> int:
        """Proportional set size in bytes."""
        for line in Path(f"/proc/{self.process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
        raise Failed("the kernel gives no Pss")


@contextmanager
def serving(peer: Peer, build: Path, cpu: int = MEASURED_CPU, prefix: tuple = (),
            listening: str = "", wait=wait_until_listening, **values):
    """Runs a server while the block runs. It must be one process that ends on SIGTERM.

    `listening` goes to the line in nginx's configuration that says where it listens; `wait` is
    called with the process, its port and its name, and returns when it serves.
    """
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="clearway-bench-") as scratch:
        config = (BENCH / "peers/nginx.conf").read_text().replace("PORT", str(port))
        config = config.replace(" backlog=4096", " backlog=4096" + listening)
        Path(scratch, "nginx.conf").write_text(config)
        arguments = peer.arguments(build, port=port, scratch=scratch, **values)
        process = subprocess.Popen([*prefix, *arguments], preexec_fn=pinned(cpu),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        try:
            wait(process, port, peer.name)
            yield Server(peer, process, port)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def processor_time() -> tuple[int, int, int]:
    """Ticks of all cores since the machine started: all, not idle, taken by other guests."""
    fields = [int(word) for word in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return sum(fields), sum(fields) - fields[3] - fields[4], fields[7]


def busyness() -> float:
    """How much of the machine other programs use, watched for a second while we do nothing."""
    before = processor_time()
    time.sleep(1)
    after = processor_time()
    return (after[1] - before[1]) / max(1, after[0] - before[0])
