"""The table of HTTP servers: one core for the server, another for the load, interleaved rounds."""

import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from .peers import SERVERS
from .process import OTHER_CPU, Failed, Server, pinned, run_json, serving
from .report import present, table

SCENARIOS = [
    ("64 connections", 64, 1),
    ("256 connections", 256, 1),
    ("64 connections, pipelines of 16", 64, 16),
]
IDLE_CONNECTIONS = 10_000


def load_command(options, server: Server, **arguments) -> list[str]:
    words = [f"{options.build}/bench/bench_load_load", str(server.port), "--path", server.peer.path]
    for name, value in arguments.items():
        words += [f"--{name}", str(value)]
    return words


def one_round(options, server: Server, connections: int, pipeline: int) -> dict:
    before = server.cpu_seconds()
    result = run_json(load_command(options, server, connections=connections, pipeline=pipeline,
                                   seconds=options.seconds), OTHER_CPU)
    user, system = (after - then for after, then in zip(server.cpu_seconds(), before))
    result["user_us"] = user * 1e6 / result["requests"]
    result["system_us"] = system * 1e6 / result["requests"]
    result["busy"] = (user + system) / result["seconds"]
    return result


def rounds(options, servers: list[Server], connections: int, pipeline: int) -> dict:
    """Each round starts with another server, so that none always has the same neighbour."""
    results = {server.peer.name: [] for server in servers}
    for number in range(options.rounds):
        shift = number % len(servers)
        for server in servers[shift:] + servers[:shift]:
            results[server.peer.name].append(one_round(options, server, connections, pipeline))
    floor = results[servers[0].peer.name]
    for rows in results.values():
        for row, base in zip(rows, floor):
            row["ratio"] = row["rate"] / base["rate"]
    return results


def rates_table(results: dict[str, list[dict]]) -> str:
    lines = []
    for name, rows in results.items():
        middle = {key: median(row[key] for row in rows) for key in rows[0]}
        bound = "" if middle["busy"] > 0.9 else " ¹"
        best = max(row["rate"] for row in rows)
        lines.append([
            name, f"{best / 1000:.1f}k{bound}", f"{middle['rate'] / 1000:.1f}k",
            f"{middle['ratio']:.2f}", f"{middle['user_us']:.2f} + {middle['system_us']:.2f}",
            f"{middle['p50_us']:.0f} / {middle['p99_us']:.0f}"])
    return table(["server", "requests/s, best", "median", "× floor",
                  "CPU µs/request, user + system", "p50 / p99, µs"], lines)


def idle_memory(options, peer) -> float:
    """Growth of the server's memory over many idle connections that had one request each."""
    with serving(peer, options.build) as server:
        run_json(load_command(options, server, connections=64, seconds=0.2), OTHER_CPU)
        before = server.memory()
        command = load_command(options, server, hold=1, connections=IDLE_CONNECTIONS)
        holder = subprocess.Popen(command, preexec_fn=pinned(OTHER_CPU), stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        try:
            if not holder.stdout.readline():
                raise Failed(f"{peer.name} did not take {IDLE_CONNECTIONS} connections")
            time.sleep(0.5)
            return max(0, server.memory() - before) / IDLE_CONNECTIONS
        finally:
            holder.communicate("")


def instructions(options, peer) -> float:
    """User-space instructions per request: what 10,000 more requests add, all else equal."""
    totals = []
    for requests in (1000, 11000):
        out = Path(options.build) / f"bench/callgrind.{requests}.out"
        out.unlink(missing_ok=True)
        valgrind = ("valgrind", "--tool=callgrind", f"--callgrind-out-file={out}")
        with serving(peer, options.build, prefix=valgrind) as server:
            run_json(load_command(options, server, connections=64, requests=requests), OTHER_CPU)
        summary = [line for line in out.read_text().splitlines()
                   if line.startswith(("summary:", "totals:"))]
        if not summary:
            raise Failed(f"callgrind wrote no summary for {peer.name}")
        totals.append(int(summary[-1].split()[1]))
        out.unlink()
    return (totals[1] - totals[0]) / 10000


def footprint_table(options, peers) -> str:
    lines = []
    for peer in peers:
        print(f"  memory and instructions: {peer.name}", flush=True)
        count = "not counted"
        if options.instructions and peer.valgrind:
            count = f"{instructions(options, peer):,.0f}"
        lines.append([peer.name, f"{idle_memory(options, peer):,.0f}", count])
    return table(["server", "bytes per idle connection", "user instructions per request"], lines)


def measure(options) -> tuple[str, dict]:
    peers = present(SERVERS, options)
    everything, parts = {}, []
    with ExitStack() as stack:
        servers = [stack.enter_context(serving(peer, options.build)) for peer in peers]
        for server in servers:
            run_json(load_command(options, server, seconds=0.3), OTHER_CPU)
        for title, connections, pipeline in SCENARIOS:
            print(f"  {title}", flush=True)
            results = rounds(options, servers, connections, pipeline)
            everything[title] = results
            parts.append(f"### {title}\n\n{rates_table(results)}")
    parts.append("¹ The server was idle for more than a tenth of the time: the load generator was "
                 "the limit, so compare the CPU per request.")
    footprint = footprint_table(options, peers)
    parts.append(f"### What one connection and one request take\n\n{footprint}")
    return "\n\n".join(parts), everything


METHOD = """Each server runs on one core, `bench/load` on another, over loopback; kept-alive \
connections, `GET /` with one header, a small fixed answer. The floor is the least C++ that serves \
this: it looks for blank lines, parses nothing and times nothing out. A ratio is taken within one \
round and the median of those is shown. Memory is the growth of the proportional set size over \
10,000 idle connections after one request each, user space only; instructions are callgrind's, \
(11,000 − 1,000 requests) / 10,000."""
