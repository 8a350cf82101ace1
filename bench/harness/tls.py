"""The table of TLS servers: ours beside nginx, the same certificate (P-256) and the same load."""

import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from .peers import NGINX, Peer
from .process import OTHER_CPU, Failed, Server, pinned, run_json, serving
from .report import present, table

SERVERS = [
    Peer("Clearway hello_web", "{build}/examples/hello_web --listen ssl:{port}:interface=127.0.0.1"
         ":privateKey={keys}/key.pem:certKey={keys}/cert.pem", path="/plaintext"),
    Peer("nginx, return 200", "nginx -p {scratch} -c {scratch}/nginx.conf", NGINX),
]
IDLE_CONNECTIONS = 10000


def make_keys(folder: str) -> None:
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{folder}/key.pem", "-out",
                    f"{folder}/cert.pem", "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost"], check=True, capture_output=True)


def load(options, keys: str, server: Server, **arguments) -> list[str]:
    words = [f"{options.build}/bench/bench_tls_load", str(server.port), f"{keys}/cert.pem",
             "--path", server.peer.path]
    for name, value in arguments.items():
        words += [f"--{name}", str(value)]
    return words


def one_round(options, keys: str, server: Server, **arguments) -> dict:
    before = server.cpu_seconds()
    result = run_json(load(options, keys, server, seconds=options.seconds, **arguments), OTHER_CPU)
    spent = sum(server.cpu_seconds()) - sum(before)
    return {"rate": result["rate"], "cpu_us": spent * 1e6 / result["requests"]}


def rates(options, keys: str, servers: list[Server], **arguments) -> tuple[list, dict]:
    results = {server.peer.name: [] for server in servers}
    for number in range(options.rounds):
        shift = number % len(servers)
        for server in servers[shift:] + servers[:shift]:
            results[server.peer.name].append(one_round(options, keys, server, **arguments))
    lines = [[name, f"{median(row['rate'] for row in rows) / 1000:.1f}k",
              f"{median(row['cpu_us'] for row in rows):.1f}"] for name, rows in results.items()]
    return lines, results


def idle_memory(options, keys: str, server: Server) -> list[str]:
    run_json(load(options, keys, server, seconds=0.2), OTHER_CPU)
    before, cpu_before = server.memory(), sum(server.cpu_seconds())
    holder = subprocess.Popen(load(options, keys, server, hold=1, connections=IDLE_CONNECTIONS),
                              preexec_fn=pinned(OTHER_CPU), stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)
    try:
        if not holder.stdout.readline():
            raise Failed(f"{server.peer.name} did not take {IDLE_CONNECTIONS} connections")
        spent = (sum(server.cpu_seconds()) - cpu_before) / IDLE_CONNECTIONS
        time.sleep(0.5)
        each = max(0, server.memory() - before) / IDLE_CONNECTIONS
        return [server.peer.name, f"{each:,.0f}", f"{spent * 1e6:.0f}"]
    finally:
        holder.communicate("")


def measure(options) -> tuple[str, dict]:
    everything, parts = {}, []
    with ExitStack() as stack:
        keys = stack.enter_context(tempfile.TemporaryDirectory(prefix="clearway-tls-"))
        make_keys(keys)
        listening = (f" ssl; ssl_protocols TLSv1.3; ssl_certificate {keys}/cert.pem; "
                     f"ssl_certificate_key {keys}/key.pem")
        servers = [stack.enter_context(serving(peer, options.build, listening=listening,
                                               keys=keys))
                   for peer in present(SERVERS, options)]
        for title, arguments in (
                ("64 connections, kept alive", {"connections": 64}),
                ("a whole handshake for each request", {"connections": 16, "handshakes": 1})):
            print(f"  {title}", flush=True)
            lines, everything[title] = rates(options, keys, servers, **arguments)
            heads = ["server", "requests/s, median", "server's CPU µs/request"]
            parts.append(f"### TLS: {title}\n\n{table(heads, lines)}")
        print("  10,000 connections", flush=True)
        lines = [idle_memory(options, keys, server) for server in servers]
        heads = ["server", "bytes per idle connection", "server's CPU µs to make one"]
        parts.append(f"### TLS: {IDLE_CONNECTIONS:,} connections\n\n{table(heads, lines)}")
    return "\n\n".join(parts), everything


METHOD = """TLS 1.3 with a P-256 certificate, over loopback; each server on one core, the load \
(Clearway's client) on another, which costs about as much as a server: compare the CPU per \
request. Kept connections ask one request after the other; without keeping, each request is one \
on a new connection whose handshake resumes nothing. Memory is the growth of the proportional set \
size over idle connections that had one request each, user space only; they are made one after the \
other, and all but the first resume a session."""
