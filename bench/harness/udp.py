"""The table of datagrams: servers that send back what comes, one core each side."""

import socket
import time
from contextlib import ExitStack
from statistics import median

from .peers import BOOST, Peer
from .process import OTHER_CPU, Failed, Server, run_json, serving
from .report import present, table

SERVERS = [
    Peer("floor, one call each", "{build}/bench/bench_floor_udp {port}"),
    Peer("floor, recvmmsg", "{build}/bench/bench_floor_udp {port} 32"),
    Peer("Clearway, epoll", "env CLEARWAY_DRIVER=epoll {build}/bench/bench_udp_echo {port}"),
    Peer("Clearway, io_uring", "env CLEARWAY_DRIVER=uring {build}/bench/bench_udp_echo {port}"),
    Peer("Clearway, receive_many()",
         "env CLEARWAY_DRIVER=epoll {build}/bench/bench_udp_echo {port} many"),
    Peer("Asio, lean", "{build}/bench/bench_peers_asio_udp_server {port}", BOOST),
]
SCENARIOS = [("one at a time", 1), ("32 on their way", 32)]


def wait_until_answering(process, port: int, name: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(0.05)
        probe.connect(("127.0.0.1", port))
        for _ in range(400):
            if process.poll() is not None:
                raise Failed(f"{name} ended at once with {process.returncode}")
            try:
                probe.send(b"?")
                if probe.recv(10) == b"?":
                    return
            except (TimeoutError, ConnectionRefusedError):
                time.sleep(0.02)
    raise Failed(f"{name} did not send a datagram back within 20 s")


def one_round(options, server: Server, window: int) -> dict:
    before = server.cpu_seconds()
    load = [f"{options.build}/bench/bench_load_udp", str(server.port), "--window", str(window),
            "--seconds", str(options.seconds)]
    result = run_json(load, OTHER_CPU)
    spent = sum(server.cpu_seconds()) - sum(before)
    result["cpu_us"] = spent * 1e6 / max(1, result["requests"])
    return result


def measure(options) -> tuple[str, dict]:
    everything, parts = {}, []
    with ExitStack() as stack:
        servers = [stack.enter_context(serving(peer, options.build, wait=wait_until_answering))
                   for peer in present(SERVERS, options)]
        for title, window in SCENARIOS:
            print(f"  {title}", flush=True)
            results = {server.peer.name: [] for server in servers}
            for number in range(options.rounds):
                shift = number % len(servers)
                for server in servers[shift:] + servers[:shift]:
                    results[server.peer.name].append(one_round(options, server, window))
            floor = results[servers[0].peer.name]
            lines = []
            for name, rows in results.items():
                for row, base in zip(rows, floor):
                    row["ratio"] = row["cpu_us"] / base["cpu_us"]
                middle = {key: median(row[key] for row in rows) for key in rows[0]}
                lines.append([name, f"{middle['rate'] / 1000:.1f}k", f"{middle['cpu_us']:.2f}",
                              f"{middle['ratio']:.2f}", f"{middle['lost']:.0f}"])
            everything[title] = results
            heads = ["server", "answers/s, median", "CPU µs/answer", "× floor's CPU", "lost"]
            parts.append(f"### Datagrams: {title}\n\n{table(heads, lines)}")
    return "\n\n".join(parts), everything


METHOD = """Each server runs on one core and sends datagrams of 64 bytes back to where they came \
from, over loopback; the load on another core keeps a number of them on their way, with recvmmsg \
and sendmmsg. The floor is the least C++ that does this on epoll, with one call for each datagram \
and way, and with up to 32 a call. A ratio is taken within one round and the median of those is \
shown."""
