"""epoll beside io_uring: small requests, large bodies, files and idle connections."""

from contextlib import ExitStack
from dataclasses import replace
from statistics import median

from .peers import Peer
from .process import MEASURED_CPU, run_json, serving
from .report import present, table
from .server import IDLE_CONNECTIONS, idle_memory, one_round

DRIVERS = ("epoll", "uring")
SERVER = "env CLEARWAY_DRIVER=DRIVER {build}/bench/bench_drivers_server {port}"
# title, path, connections, pipeline
REQUESTS = [
    ("small requests, 64 connections", "/small", 64, 1),
    ("small requests, 256 connections", "/small", 256, 1),
    ("small requests, 64 connections, pipelines of 16", "/small", 64, 16),
    ("answers of a megabyte, 16 connections", "/large", 16, 1),
    ("a file of a megabyte, 16 connections", "/file", 16, 1),
]
FILES = ["read_small", "read_many", "read_at", "read_large", "write_small", "replace"]
FILE_TITLES = {
    "read_small": "read_file() of 4 KiB", "read_many": "the same, 64 at once",
    "read_at": "read_at() of 4 KiB", "read_large": "read_file() of 16 MiB",
    "write_small": "write_file() of 4 KiB", "replace": "replace_file() of 4 KiB",
}


def servers() -> list[Peer]:
    return [Peer(driver, SERVER.replace("=DRIVER", f"={driver}")) for driver in DRIVERS]


def requests(options, everything: dict) -> list[list[str]]:
    lines = []
    with ExitStack() as stack:
        running = [stack.enter_context(serving(peer, options.build))
                   for peer in present(servers(), options)]
        for title, path, connections, pipeline in REQUESTS:
            print(f"  {title}", flush=True)
            for server in running:
                server.peer = replace(server.peer, path=path)
            results = {server.peer.name: [] for server in running}
            for number in range(options.rounds):
                for server in running if number % 2 else running[::-1]:
                    results[server.peer.name].append(
                        one_round(options, server, connections, pipeline))
            everything[title] = results
            rates = [median(row["rate"] for row in rows) for rows in results.values()]
            costs = [median(row["user_us"] + row["system_us"] for row in rows)
                     for rows in results.values()]
            lines.append([title, *(f"{rate / 1000:.2f}k" for rate in rates),
                          *(f"{cost:.2f}" for cost in costs), f"{costs[1] / costs[0]:.2f}"])
    return lines


def files(options, everything: dict) -> list[list[str]]:
    lines = []
    program = str(options.build / "bench/bench_files_files")
    for what in FILES:
        print(f"  files: {what}", flush=True)
        results = {driver: [] for driver in DRIVERS}
        for number in range(options.rounds):
            for driver in DRIVERS if number % 2 else DRIVERS[::-1]:
                command = ["env", f"CLEARWAY_DRIVER={driver}", program, what]
                results[driver].append(run_json(command, MEASURED_CPU)["best"])
        everything[what] = results
        costs = [median(values) for values in results.values()]
        lines.append([FILE_TITLES[what], *(f"{cost:.2f}" for cost in costs),
                      f"{costs[1] / costs[0]:.2f}"])
    return lines


def measure(options) -> tuple[str, dict]:
    everything = {}
    heads = ["", "epoll, requests/s", "io_uring", "epoll, CPU µs/request", "io_uring", "ratio"]
    parts = [f"### Requests\n\n{table(heads, requests(options, everything))}"]
    heads = ["", "epoll, µs", "io_uring", "ratio"]
    parts.append(f"### Files in memory\n\n{table(heads, files(options, everything))}")
    print(f"  {IDLE_CONNECTIONS:,} idle connections", flush=True)
    idle = [[peer.name, f"{idle_memory(options, replace(peer, path='/small')):,.0f}"]
            for peer in present(servers(), options)]
    heads = ["driver", "bytes per idle connection"]
    parts.append(f"### {IDLE_CONNECTIONS:,} idle connections\n\n{table(heads, idle)}")
    return "\n\n".join(parts), everything


METHOD = """The same programs with `CLEARWAY_DRIVER=epoll` and `=uring`, in rounds that follow \
each other; requests: the server on one core, `bench/load` on another. The ratio is io_uring's \
CPU, or time, divided by epoll's. Files are read from the kernel's memory and written to it; only \
replace_file() waits for the disk. The threads of files share the measured core."""
